"""Products: matmul, dot, tensordot, einsum and what is composed of them.

Each is linear in each operand, so the jvp is the function itself and the vjp a product of the same kind with the axes
in another order. Functions that NumPy composes of these are composed here as well.

Source: M. Giles, *An extended collection of matrix derivative results for forward and reverse mode algorithmic
differentiation*, Oxford NA-08/01, 2008, section 2.1.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gradcheck.autodiff.core import (
    FUNCTIONS,
    TRACED,
    UFUNCS,
    Primitive,
    apply,
    implements,
    is_array,
    plain,
    shape_of,
    unbroadcast,
)
from gradcheck.autodiff.errors import unsupported
from gradcheck.autodiff.rules.elementwise import astype
from gradcheck.autodiff.rules.reductions import as_traced, normal_axes
from gradcheck.autodiff.rules.shape import view


def _swap(x: Any) -> Any:
    return np.swapaxes(x, -1, -2)


def _matmul_vjp_left(_y: Any, a: Any, b: Any) -> Any:
    shape_a, na, nb = shape_of(a), len(shape_of(a)), len(shape_of(b))
    if na == 2 and nb == 2:
        return lambda g: np.matmul(g, b.T)
    if na == 1 and nb == 1:
        return lambda g: g * b
    if nb == 1:
        return lambda g: unbroadcast(g[..., None] * b, shape_a)
    if na == 1:
        return lambda g: unbroadcast(np.matmul(b, g[..., None])[..., 0], shape_a)
    return lambda g: unbroadcast(np.matmul(g, _swap(b)), shape_a)


def _matmul_vjp_right(_y: Any, a: Any, b: Any) -> Any:
    shape_b, na, nb = shape_of(b), len(shape_of(a)), len(shape_of(b))
    if na == 2 and nb == 2:
        return lambda g: np.matmul(a.T, g)
    if na == 1 and nb == 1:
        return lambda g: g * a
    if na == 1:
        return lambda g: unbroadcast(a[:, None] * g[..., None, :], shape_b)
    if nb == 1 and na == 2:
        return lambda g: np.matmul(g, a)
    if nb == 1:
        return lambda g: unbroadcast(np.matmul(g[..., None, :], a)[..., 0, :], shape_b)
    return lambda g: unbroadcast(np.matmul(_swap(a), g), shape_b)


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
    if out is not None:
        out[...] = y
        return out
    return y


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
    y = np.reshape(as_traced(a), (-1, 1)) * np.reshape(as_traced(b), (1, -1))
    if out is not None:
        out[...] = y
        return out
    return y


@implements(np.linalg.outer)
def linalg_outer(x1: Any, x2: Any, /) -> Any:
    return outer(x1, x2)


@implements((np.multiply, "outer"))
def multiply_outer(a: Any, b: Any) -> Any:
    return np.reshape(as_traced(a), shape_of(a) + (1,) * len(shape_of(b))) * b


@implements((np.add, "outer"))
def add_outer(a: Any, b: Any) -> Any:
    return np.reshape(as_traced(a), shape_of(a) + (1,) * len(shape_of(b))) + b


@implements((np.subtract, "outer"))
def subtract_outer(a: Any, b: Any) -> Any:
    return np.reshape(as_traced(a), shape_of(a) + (1,) * len(shape_of(b))) - b


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
    if out is not None:
        out[...] = y
        return out
    return y


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
    if shape_of(a)[-1] != 3 or shape_of(b)[-1] != 3:
        raise unsupported("np.cross of 2-dimensional vectors, which NumPy has deprecated")
    ahead, behind = [1, 2, 0], [2, 0, 1]
    y = a[..., ahead] * b[..., behind] - a[..., behind] * b[..., ahead]
    return np.moveaxis(y, -1, axisc)


@implements(np.linalg.cross)
def linalg_cross(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    return cross(x1, x2, axis=axis)


@implements(np.linalg.matrix_power)
def matrix_power(a: Any, n: int) -> Any:
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


# -- einsum --------------------------------------------------------------------------------------------------------

_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def _explicit(subscripts: str, shapes: list[tuple[int, ...]]) -> tuple[list[str], str]:
    """Operand and output labels of an einsum, with the ellipsis spelt out and the implicit output made explicit."""
    subscripts = subscripts.replace(" ", "")
    left, arrow, right = subscripts.partition("->")
    terms = left.split(",")
    if len(terms) != len(shapes):
        raise ValueError("einsum: number of operands does not match the subscripts")
    free = [c for c in _LETTERS if c not in subscripts]
    widest = max(
        (len(s) - len(t.replace("...", "")) for t, s in zip(terms, shapes, strict=True) if "..." in t), default=0
    )
    dots = "".join(free[:widest])

    def spell(term: str, ndim: int) -> str:
        n = ndim - len(term.replace("...", ""))
        return term.replace("...", dots[len(dots) - n :] if n else "")

    labels = [spell(t, len(s)) for t, s in zip(terms, shapes, strict=True)]
    if arrow:
        return labels, right.replace("...", dots)
    counted = "".join(t.replace("...", "") for t in terms)
    return labels, dots + "".join(c for c in sorted(set(counted)) if counted.count(c) == 1)


def _einsum(*operands: Any, labels: tuple[str, ...], output: str) -> Any:
    return np.einsum(",".join(labels) + "->" + output, *operands)


def _einsum_vjp(k: int, _y: Any, *operands: Any, labels: tuple[str, ...], output: str) -> Any:
    mine, shape = labels[k], shape_of(operands[k])
    unique = "".join(dict.fromkeys(mine))
    others = [(lab, op) for i, (lab, op) in enumerate(zip(labels, operands, strict=True)) if i != k]
    seen = set(output).union(*(lab for lab, _ in others)) if others else set(output)
    sizes = dict(zip(mine, shape, strict=True))
    for lab, op in zip(labels, operands, strict=True):
        for c, n in zip(lab, shape_of(op), strict=True):
            sizes[c] = max(sizes.get(c, 1), n)
    # A label that only this operand has is summed over in the value: its cotangent is spread evenly.
    alone = [c for c in unique if c not in seen]
    ones = [np.ones(sizes[c]) for c in alone]
    terms = ",".join([output, *(lab for lab, _ in others), *alone]) + "->" + unique
    rest = [op for _, op in others]
    full = tuple(sizes[c] for c in unique)

    def pull(g: Any) -> Any:
        d = np.einsum(terms, g, *rest, *ones)
        own = tuple(shape[mine.index(c)] for c in unique)
        if own != full:
            d = unbroadcast(d, own)
        if unique == mine:
            return d
        index = dict(zip(unique, np.ogrid[tuple(slice(n) for n in own)], strict=True))
        from gradcheck.autodiff.rules.shape import SCATTER

        return SCATTER(d, key=tuple(index[c] for c in mine), shape=shape)

    return pull


def _einsum_jvp(k: int, t: Any, _y: Any, *operands: Any, labels: tuple[str, ...], output: str) -> Any:
    return _einsum(*operands[:k], t, *operands[k + 1 :], labels=labels, output=output)


EINSUM = Primitive(_einsum, _einsum_vjp, _einsum_jvp, name="einsum")


@implements(np.einsum)
def einsum(*operands: Any, out: Any = None, optimize: Any = False, **keywords: Any) -> Any:
    if keywords:
        raise unsupported(f"np.einsum: keyword {', '.join(keywords)} is not supported for traced values")
    if not isinstance(operands[0], str):
        operands = _from_sublists(operands)
    subscripts, *arrays = operands
    parts = [as_traced(a) for a in arrays]
    labels, output = _explicit(subscripts, [shape_of(a) for a in parts])
    if len(parts) == 1 and set(output) == set(labels[0]) and is_array(parts[0]) and type(parts[0]) in TRACED:
        y = view(
            parts[0], lambda b: np.einsum(f"{labels[0]}->{output}", b)
        )  # a diagonal or a transpose: NumPy gives a view
    elif len(parts) > 2 and optimize is not False:
        y = _einsum_in_order(parts, labels, output, optimize)
    else:
        y = EINSUM(*parts, labels=tuple(labels), output=output)
    if out is not None:
        out[...] = y
        return out
    return y


def _einsum_in_order(parts: list[Any], labels: list[str], output: str, optimize: Any) -> Any:
    """Pairwise contractions in the order that NumPy's own planner gives for ``optimize``."""
    text = ",".join(labels) + "->" + output
    path = np.einsum_path(text, *(plain(p) for p in parts), optimize=optimize)[0][1:]
    parts, labels = list(parts), list(labels)
    for step in path:
        chosen = sorted(step, reverse=True)
        taken = [(parts.pop(i), labels.pop(i)) for i in chosen]
        needed = set(output).union(*labels) if labels else set(output)
        mine = "".join(dict.fromkeys("".join(lab for _, lab in taken)))
        target = output if not labels else "".join(c for c in mine if c in needed)
        parts.append(EINSUM(*(p for p, _ in taken), labels=tuple(lab for _, lab in taken), output=target))
        labels.append(target)
    return parts[0]


def _from_sublists(operands: Any) -> tuple[Any, ...]:
    """``einsum(a, [0, 1], b, [1, 2], [0, 2])`` in letters."""
    pairs = list(zip(operands[0::2], operands[1::2], strict=False))

    def spell(sub: Any) -> str:
        return "".join("..." if s is Ellipsis else _LETTERS[s] for s in sub)

    text = ",".join(spell(sub) for _, sub in pairs)
    if len(operands) % 2:
        text += "->" + spell(operands[-1])
    return (text, *(a for a, _ in pairs))


# -- convolution and polynomials -------------------------------------------------------------------------------------


def _convolve_vjp(k: int, _y: Any, *args: Any, mode: str) -> Any:
    other = args[1 - k]
    n, m = shape_of(args[k])[0], shape_of(other)[0]
    full = n + m - 1
    length = {"full": full, "same": max(n, m), "valid": max(n, m) - min(n, m) + 1}[mode]
    start = {"full": 0, "same": (min(n, m) - 1) // 2, "valid": min(n, m) - 1}[mode]

    def pull(g: Any) -> Any:
        if length != full:
            g = np.concatenate([np.zeros(start), g, np.zeros(full - start - length)])
        return np.convolve(g, other[::-1], mode="full")[m - 1 : m - 1 + n]

    return pull


def _convolve_jvp(k: int, t: Any, _y: Any, *args: Any, mode: str) -> Any:
    return np.convolve(t, args[1], mode=mode) if k == 0 else np.convolve(args[0], t, mode=mode)  # type: ignore[call-overload]


CONVOLVE = Primitive(lambda a, v, *, mode: np.convolve(a, v, mode=mode), _convolve_vjp, _convolve_jvp, name="convolve")


@implements(np.convolve)
def convolve(a: Any, v: Any, mode: str = "full") -> Any:
    a, v = np.atleast_1d(as_traced(a)), np.atleast_1d(as_traced(v))
    if not shape_of(a)[0] or not shape_of(v)[0]:
        raise ValueError("a and v cannot be empty")
    modes = {"f": "full", "s": "same", "v": "valid"}
    return CONVOLVE(a, v, mode=modes[mode[0]])


@implements(np.correlate)
def correlate(a: Any, v: Any, mode: str = "valid") -> Any:
    a, v = np.atleast_1d(as_traced(a)), np.atleast_1d(as_traced(v))
    n, m = shape_of(a)[0], shape_of(v)[0]
    v = np.conjugate(v)[::-1]
    if n < m and mode[0] == "s":  # NumPy exchanges the two and turns the result round, which shifts the middle
        return convolve(a, v)[n // 2 : n // 2 + m]
    return convolve(a, v, mode)


@implements(np.polyval)
def polyval(p: Any, x: Any) -> Any:
    p, x = as_traced(p), as_traced(x)
    y: Any = np.zeros_like(x)
    for k in range(shape_of(p)[0]):
        y = y * x + p[k]
    return y


def _as_float64(x: Any) -> Any:
    """NumPy's interp computes in double precision, whatever it is given."""
    x = as_traced(x)
    if type(x) not in TRACED:
        return np.asarray(x, float)
    return astype(x, float, copy=False) if np.result_type(plain(x)) != np.float64 else x


@implements(np.interp)
def interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None) -> Any:
    """Piecewise linear interpolation, differentiable in x, xp and fp; at a node the slope to its right."""
    if period is not None:
        raise unsupported("np.interp with period of a traced value")
    x, xp, fp = (_as_float64(v) for v in (x, xp, fp))
    nodes, points = np.asarray(plain(xp)), np.asarray(plain(x))
    if len(nodes) == 1:
        xp, fp = np.concatenate([xp, xp + 1.0]), np.concatenate([fp, fp])
    i = np.clip(np.searchsorted(nodes, points, side="right") - 1, 0, max(len(nodes) - 2, 0))
    x0, x1, f0, f1 = xp[i], xp[i + 1], fp[i], fp[i + 1]
    y = f0 + (x - x0) * ((f1 - f0) / (x1 - x0))
    y = np.where(points < nodes[0], fp[0] if left is None else left, y)
    y = np.where(points > nodes[-1], fp[-1] if right is None else right, y)
    return y if points.ndim else y[()]
