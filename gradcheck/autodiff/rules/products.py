"""Products: matmul, dot, tensordot, einsum and what is composed of them.

Each is linear in each operand, so the jvp is the function itself and the vjp a product of the same kind with the axes
in another order. Functions that NumPy composes of these are composed here as well.

Source: M. Giles, *An extended collection of matrix derivative results for forward and reverse mode algorithmic
differentiation*, Oxford NA-08/01, 2008, section 2.1.
"""

from __future__ import annotations

import warnings
from types import CodeType
from typing import Any

import numpy as np

from gradcheck.autodiff.core import (
    FUNCTIONS,
    UFUNCS,
    Primitive,
    apply,
    implements,
    only_multiplies,
    plain,
    shape_of,
    takes_stacks,
    unbroadcast,
)
from gradcheck.autodiff.rules.reductions import as_traced, into, normal_axes


def _swap(x: Any) -> Any:
    return np.swapaxes(x, -1, -2)


@takes_stacks
def left_of_one(_y: Any, a: Any, b: Any) -> Any:
    """The pullback of the left of two operands with one axis or two."""
    if b.ndim == 2:
        if a.ndim == 2:
            return lambda g: np.matmul(g, b.T)
        return lambda g: np.matmul(b, g[..., None])[..., 0]
    if a.ndim == 2:
        return lambda g: g[..., None] * b
    return lambda g: g[..., None] * b if type(g) is np.ndarray else g * b


@only_multiplies
def _right_vector(a: Any) -> Any:
    return lambda g: g @ a


@takes_stacks
def right_of_one(_y: Any, a: Any, b: Any) -> Any:
    if b.ndim == 2:
        if a.ndim == 2:
            return lambda g: np.matmul(a.T, g)
        return lambda g: a[:, None] * g[..., None, :]
    if a.ndim == 2:
        return _right_vector(a)
    return lambda g: g[..., None] * a if type(g) is np.ndarray else g * a


def _matmul_vjp_left(y: Any, a: Any, b: Any) -> Any:
    shape_a, na, nb = shape_of(a), len(shape_of(a)), len(shape_of(b))
    if na <= 2 and nb <= 2:
        return left_of_one(y, a, b)
    if nb == 1:
        return lambda g: g[..., None] * b
    if na == 1:
        return lambda g: unbroadcast(np.matmul(b, g[..., None])[..., 0], shape_a)
    return lambda g: unbroadcast(np.matmul(g, _swap(b)), shape_a)


def _matmul_vjp_right(y: Any, a: Any, b: Any) -> Any:
    shape_b, na, nb = shape_of(b), len(shape_of(a)), len(shape_of(b))
    if na <= 2 and nb <= 2:
        return right_of_one(y, a, b)
    if na == 1:
        return lambda g: a[:, None] * g[..., None, :]
    if nb == 1:
        return lambda g: unbroadcast(np.matmul(g[..., None, :], a)[..., 0, :], shape_b)
    return lambda g: unbroadcast(np.matmul(_swap(a), g), shape_b)


def _codes_inside(*makers: Any) -> frozenset[CodeType]:
    return frozenset(c for make in makers for c in make.__code__.co_consts if isinstance(c, CodeType))


#: The code of what takes a cotangent back through a product; the other operand is its free variable ``a`` or ``b``.
PRODUCT_PULLS = _codes_inside(left_of_one, right_of_one, _right_vector, _matmul_vjp_left, _matmul_vjp_right)

MATMUL = Primitive(
    lambda a, b: np.matmul(a, b), [_matmul_vjp_left, _matmul_vjp_right], ["linear", "linear"], name="matmul"
)


@implements(np.linalg.matmul)
def matmul(a: Any, b: Any) -> Any:
    return MATMUL(as_traced(a), as_traced(b))


FUNCTIONS[np.matmul] = matmul
UFUNCS[np.matmul] = matmul


@implements(np.dot)
def dot(a: Any, b: Any, out: Any = None) -> Any:
    a, b = as_traced(a), as_traced(b)
    if not shape_of(a) or not shape_of(b):
        y = a * b
    elif len(shape_of(b)) <= 2:
        y = apply(MATMUL, (a, b), {})
    else:
        y = tensordot(a, b, (-1, -2))
    return into(y, out)


@implements(np.tensordot, np.linalg.tensordot)
def tensordot(a: Any, b: Any, /, axes: Any = 2) -> Any:
    a, b = as_traced(a), as_traced(b)
    sa, sb = shape_of(a), shape_of(b)
    if isinstance(axes, int | np.integer):
        left, right = tuple(range(len(sa) - int(axes), len(sa))), tuple(range(int(axes)))
    else:
        first, second = axes
        left = normal_axes(first if isinstance(first, int) else tuple(first), len(sa))
        right = normal_axes(second if isinstance(second, int) else tuple(second), len(sb))
    if [sa[i] for i in left] != [sb[i] for i in right]:
        raise ValueError("shape-mismatch for sum")
    keep_a = tuple(i for i in range(len(sa)) if i not in left)
    keep_b = tuple(i for i in range(len(sb)) if i not in right)
    inner = int(np.prod([sa[i] for i in left], dtype=int))
    rows = np.reshape(
        np.transpose(a, keep_a + left), (-1, inner) if inner else (int(np.prod([sa[i] for i in keep_a])), 0)
    )
    columns = np.reshape(
        np.transpose(b, right + keep_b), (inner, -1) if inner else (0, int(np.prod([sb[i] for i in keep_b])))
    )
    return np.reshape(MATMUL(rows, columns), tuple(sa[i] for i in keep_a) + tuple(sb[i] for i in keep_b))


@implements(np.inner)
def inner(a: Any, b: Any, /) -> Any:
    a, b = as_traced(a), as_traced(b)
    return a * b if not shape_of(a) or not shape_of(b) else tensordot(a, b, (-1, -1))[()]


@implements(np.outer)
def outer(a: Any, b: Any, out: Any = None) -> Any:
    return into(np.reshape(as_traced(a), (-1, 1)) * np.reshape(as_traced(b), (1, -1)), out)


@implements(np.linalg.outer)
def linalg_outer(x1: Any, x2: Any, /) -> Any:
    return outer(x1, x2)


@implements(np.vdot)
def vdot(a: Any, b: Any, /) -> Any:
    return MATMUL(np.conjugate(np.ravel(as_traced(a))), np.ravel(as_traced(b)))


@implements(np.linalg.vecdot)
def linalg_vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    x1, x2 = as_traced(x1), as_traced(x2)
    return np.sum(np.conjugate(x1) * x2, axis=axis)


def vecdot(a: Any, b: Any, axis: int = -1) -> Any:
    return linalg_vecdot(a, b, axis=axis)


def matvec(a: Any, b: Any) -> Any:
    return MATMUL(a, b[..., None])[..., 0]


def vecmat(a: Any, b: Any) -> Any:
    return MATMUL(np.conjugate(a)[..., None, :], b)[..., 0, :]


for _name, _handler in (("vecdot", vecdot), ("matvec", matvec), ("vecmat", vecmat)):
    if hasattr(np, _name):  # matvec and vecmat came with NumPy 2.2
        UFUNCS[getattr(np, _name)] = _handler


@implements(np.linalg.multi_dot)
def multi_dot(arrays: Any, *, out: Any = None) -> Any:
    y = arrays[0]
    for a in arrays[1:]:
        y = dot(y, a)
    return into(y, out)


@implements(np.kron)
def kron(a: Any, b: Any) -> Any:
    a, b = as_traced(a), as_traced(b)
    n = max(len(shape_of(a)), len(shape_of(b)))
    sa = (1,) * (n - len(shape_of(a))) + shape_of(a)
    sb = (1,) * (n - len(shape_of(b))) + shape_of(b)
    wide_a = np.reshape(a, tuple(k for s in sa for k in (s, 1)))
    wide_b = np.reshape(b, tuple(k for s in sb for k in (1, s)))
    return np.reshape(wide_a * wide_b, tuple(p * q for p, q in zip(sa, sb, strict=True)))


@implements(np.cross)
def cross(a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: Any = None) -> Any:
    if axis is not None:
        axisa = axisb = axisc = axis
    a = np.moveaxis(as_traced(a), axisa, -1)
    b = np.moveaxis(as_traced(b), axisb, -1)
    lengths = shape_of(a)[-1], shape_of(b)[-1]
    if not set(lengths) <= {2, 3}:
        raise ValueError("incompatible dimensions for cross product (dimension must be 2 or 3)")
    if lengths != (3, 3):
        warnings.warn(
            "Arrays of 2-dimensional vectors are deprecated. Use arrays of 3-dimensional vectors instead.",
            DeprecationWarning,
            stacklevel=2,
        )
        if lengths == (2, 2):
            return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
        a, b = (x if n == 3 else np.concatenate([x, np.zeros_like(x[..., :1])], axis=-1)
                for x, n in zip((a, b), lengths, strict=True))  # fmt: skip
    ahead, behind = [1, 2, 0], [2, 0, 1]
    y = a[..., ahead] * b[..., behind] - a[..., behind] * b[..., ahead]
    return np.moveaxis(y, -1, axisc)


@implements(np.linalg.cross)
def linalg_cross(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    return cross(x1, x2, axis=axis)


@implements(np.linalg.matrix_power)
def matrix_power(a: Any, n: int) -> Any:
    a = as_traced(a)
    if n < 0:
        return matrix_power(np.linalg.inv(a), -n)
    result, base = None, a
    while n:
        if n % 2:
            result = base if result is None else MATMUL(result, base)
        n //= 2
        if n:
            base = MATMUL(base, base)
    if result is None:
        return a * 0.0 + np.eye(shape_of(a)[-1], dtype=plain(a).dtype)
    return result
