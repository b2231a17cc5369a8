"""Reductions and cumulative functions: sum, prod, mean, var, max, cumsum and their kin.

Every keyword of NumPy's is followed: ``where`` becomes a mask before the reduction, ``keepdims`` a reshape after it,
``initial`` one more operand, ``out`` an assignment. The handlers have NumPy's signatures, so that Python itself
rejects what NumPy rejects.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gradcheck.autodiff.core import (
    FUNCTIONS,
    TRACED,
    Elementwise,
    Primitive,
    apply,
    elementwise,
    implements,
    is_complex,
    plain,
    shape_of,
    takes_stacks,
)
from gradcheck.autodiff.errors import unsupported
from gradcheck.autodiff.sweep import fill

NONE = np._NoValue  # NumPy's "not given"


def normal_axes(axis: Any, ndim: int) -> tuple[int, ...]:
    """The axes of a reduction as a tuple of non-negative integers."""
    if axis is None:
        return tuple(range(ndim))
    axes = axis if isinstance(axis, tuple) else (axis,)
    for a in axes:
        if not -ndim <= a < ndim:
            raise np.exceptions.AxisError(a, ndim)
    return tuple(a % ndim for a in axes)


def spread(g: Any, shape: tuple[int, ...], axis: Any) -> Any:
    """A reduction's cotangent in the operand's number of dimensions: each reduced axis comes back with length 1.

    A stack of cotangents, with one more axis in front, stays one.
    """
    if not shape:
        return g
    axes = normal_axes(axis, len(shape))
    have = shape_of(g)
    stack = have[: len(have) - len(shape) + len(axes)]
    return np.reshape(g, stack + tuple(1 if i in axes else n for i, n in enumerate(shape)))


def _sum(x: Any, *, axis: Any = None) -> Any:
    # The ufunc's own method: what np.sum calls, without the way there.
    return np.add.reduce(x, axis=axis) if type(x) is np.ndarray else np.sum(x, axis=axis)


def _sum_vjp(_y: Any, x: Any, *, axis: Any) -> Any:
    shape = shape_of(x)
    return _sum_vjp_axes(shape, axis) if axis is not None else lambda g: fill(g, shape)


@takes_stacks
def _sum_vjp_axes(shape: tuple[int, ...], axis: Any) -> Any:
    def pull(g: Any) -> Any:
        g = spread(g, shape, axis)
        return np.broadcast_to(g, shape_of(g)[: -len(shape)] + shape if shape else shape_of(g))

    return pull


SUM = Primitive(_sum, [_sum_vjp], "linear", name="sum")


def into(y: Any, out: Any) -> Any:
    """What a function with the keyword ``out`` returns."""
    if out is None:
        return y
    out[...] = y
    return out


def finish(y: Any, shape: tuple[int, ...], axis: Any, keepdims: Any, out: Any) -> Any:
    if keepdims is not NONE and keepdims and shape:
        axes = normal_axes(axis, len(shape))
        y = np.reshape(y, tuple(1 if i in axes else n for i, n in enumerate(shape)))
    return into(y, out)


def masked(x: Any, where: Any, neutral: float) -> Any:
    """x with the neutral element of the reduction where the mask is false."""
    if where is NONE or where is True:
        return x
    return np.where(plain(where), x, neutral)


def cast(x: Any, dtype: Any) -> Any:
    if dtype is None:
        return x
    if np.dtype(dtype).kind not in "fc":
        raise unsupported(f"a reduction with dtype={np.dtype(dtype)} of a traced value")
    return x.astype(dtype)


@implements(np.sum)
def sum_(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = NONE, initial: Any = NONE,
         where: Any = NONE) -> Any:  # fmt: skip
    if dtype is None and out is None and keepdims is NONE and initial is NONE and where is NONE and type(a) in TRACED:
        return apply(SUM, (a,), {"axis": axis})
    a = as_traced(a)
    y = SUM(masked(cast(a, dtype), where, 0.0), axis=axis)
    if initial is not NONE:
        y = y + initial
    return finish(y, shape_of(a), axis, keepdims, out)


# np.array is replaced while a trace is running: the key is the original.
_ARRAY = np.array


def as_traced(a: Any) -> Any:
    """Lists become arrays, traced if they have traced values inside; anything else is left alone."""
    return FUNCTIONS[_ARRAY](a) if isinstance(a, list | tuple) else a


def _count(shape: tuple[int, ...], axis: Any, where: Any) -> Any:
    """How many elements are reduced: a Python float, or an array of counts where a mask says."""
    if where is NONE or where is True:
        return float(math.prod(shape if axis is None else [shape[i] for i in normal_axes(axis, len(shape))]))
    return np.sum(np.broadcast_to(plain(where), shape), axis=axis)


def _divide(total: Any, count: Any) -> Any:
    """total / count in total's precision, as NumPy's mean and var divide."""
    return total / (count if isinstance(count, float) else np.asarray(count, np.real(plain(total)).dtype))


@implements(np.mean)
def mean(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = NONE, *, where: Any = NONE
) -> Any:
    if dtype is None and out is None and keepdims is NONE and where is NONE and type(a) in TRACED:
        return apply(SUM, (a,), {"axis": axis}) / _count(shape_of(a), axis, where)
    a = as_traced(a)
    y = _divide(SUM(masked(cast(a, dtype), where, 0.0), axis=axis), _count(shape_of(a), axis, where))
    return finish(y, shape_of(a), axis, keepdims, out)


@implements(np.var)
def var(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, ddof: Any = 0, keepdims: Any = NONE, *,
        where: Any = NONE, mean: Any = NONE, correction: Any = NONE) -> Any:  # fmt: skip
    a = cast(as_traced(a), dtype)
    shape = shape_of(a)
    if correction is not NONE:
        ddof = correction
    centre = FUNCTIONS[np.mean](a, axis=axis, keepdims=True, where=where) if mean is NONE else mean
    d = a - centre
    squares = np.real(d * np.conjugate(d)) if is_complex(d) else d * d
    count = _count(shape, axis, where) - ddof
    count = max(count, 0.0) if isinstance(count, float) else np.maximum(count, 0)
    y = _divide(SUM(masked(squares, where, 0.0), axis=axis), count)
    return finish(y, shape, axis, keepdims, out)


# The root of a sum of squares is a norm: at 0 it has the middle subgradient 0, not an infinite slope.
ROOT = Elementwise(np.sqrt, lambda y, _x: np.where(plain(y) == 0, 0.0, 0.5 / np.where(plain(y) == 0, 1.0, y))[()])


@implements(np.std)
def std(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, ddof: Any = 0, keepdims: Any = NONE, *,
        where: Any = NONE, mean: Any = NONE, correction: Any = NONE) -> Any:  # fmt: skip
    variance = var(a, axis, dtype, None, ddof, keepdims, where=where, mean=mean, correction=correction)
    return into(elementwise(ROOT, (variance,)), out)


def _prod_others(x: Any, axis: Any) -> Any:
    """At each place the product of all other elements along the axes; exact where elements are zero.

    Products from the left and from the right, instead of the whole product divided by the element.
    """
    shape = shape_of(x)
    if 0 in shape:
        return np.zeros(shape)
    axes = normal_axes(axis, len(shape))
    rest = tuple(i for i in range(len(shape)) if i not in axes)
    order = rest + axes
    flat = np.reshape(np.transpose(x, order), (*(shape[i] for i in rest), -1))
    one = np.ones((*shape_of(flat)[:-1], 1))
    left = np.cumprod(np.concatenate([one, flat[..., :-1]], axis=-1), axis=-1)
    right = np.cumprod(np.concatenate([one, flat[..., :0:-1]], axis=-1), axis=-1)[..., ::-1]
    others = np.reshape(left * right, tuple(shape[i] for i in order))
    return np.transpose(others, tuple(int(i) for i in np.argsort(order)))


@takes_stacks
def _prod_vjp(_y: Any, x: Any, *, axis: Any) -> Any:
    shape = shape_of(x)
    return lambda g: spread(g, shape, axis) * _prod_others(x, axis) if shape else g


PROD = Primitive(
    lambda x, *, axis: np.prod(x, axis=axis),
    [_prod_vjp],
    [lambda t, _y, x, axis: np.sum(t * _prod_others(x, axis), axis=axis) if shape_of(x) else t],
    name="prod",
)


@implements(np.prod)
def prod(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = NONE, initial: Any = NONE,
         where: Any = NONE) -> Any:  # fmt: skip
    a = as_traced(a)
    y = PROD(masked(cast(a, dtype), where, 1.0), axis=axis)
    if initial is not NONE:
        y = y * initial
    return finish(y, shape_of(a), axis, keepdims, out)


# -- extrema: ties share evenly --------------------------------------------------------------------------------------


def _chosen(y: Any, x: Any, axis: Any) -> Any:
    x, y = plain(x), plain(y)
    if not shape_of(x):
        return 1.0
    y = spread(y, x.shape, axis)
    hit = (x == y) | (np.isnan(x) & np.isnan(y))
    return hit / np.sum(hit, axis=axis, keepdims=True).astype(x.dtype)


def _extremum(name: str, function: Any) -> Primitive:
    @takes_stacks
    def vjp(y: Any, x: Any, *, axis: Any) -> Any:
        shape, weight = shape_of(x), _chosen(y, x, axis)
        return lambda g: spread(g, shape, axis) * weight

    return Primitive(
        lambda x, *, axis: function(x, axis=axis),
        [vjp],
        [lambda t, y, x, axis: np.sum(t * _chosen(y, x, axis), axis=axis)],
        name=name,
    )


MAX, MIN = _extremum("max", np.max), _extremum("min", np.min)


def _extremum_handler(primitive: Primitive, combine: Any, neutral: float) -> Any:
    def handler(a: Any, axis: Any = None, out: Any = None, keepdims: Any = NONE, initial: Any = NONE,
                where: Any = NONE, dtype: Any = None) -> Any:  # fmt: skip
        a = cast(as_traced(a), dtype)
        if where is not NONE and where is not True and initial is NONE:
            raise ValueError(f"reduction operation '{primitive.name}imum' does not have an identity, "
                             "so to use a where mask one has to specify 'initial'")  # fmt: skip
        y = primitive(masked(a, where, neutral), axis=axis)
        if initial is not NONE:
            y = combine(y, initial)
        return finish(y, shape_of(a), axis, keepdims, out)

    return handler


max_ = _extremum_handler(MAX, np.maximum, -np.inf)
min_ = _extremum_handler(MIN, np.minimum, np.inf)
FUNCTIONS[np.max] = FUNCTIONS[np.amax] = max_
FUNCTIONS[np.min] = FUNCTIONS[np.amin] = min_


def _reduce(handler: Any) -> Any:
    """The ufunc's own method, which reduces the first axis where the function reduces all."""

    def reduce(array: Any, axis: Any = 0, dtype: Any = None, out: Any = None, keepdims: Any = NONE, initial: Any = NONE,
               where: Any = NONE) -> Any:  # fmt: skip
        return handler(array, axis=axis, dtype=dtype, out=out, keepdims=keepdims, initial=initial, where=where)

    return reduce


for _ufunc, _handler in ((np.add, sum_), (np.multiply, prod), (np.maximum, max_), (np.minimum, min_)):
    FUNCTIONS[(_ufunc, "reduce")] = _reduce(_handler)


@implements(np.ptp)
def ptp(a: Any, axis: Any = None, out: Any = None, keepdims: Any = NONE) -> Any:
    return finish(max_(a, axis) - min_(a, axis), shape_of(a), axis, keepdims, out)


# -- cumulative ------------------------------------------------------------------------------------------------------


def _cumsum_vjp(_y: Any, x: Any, *, axis: int) -> Any:
    return lambda g: np.flip(np.cumsum(np.flip(g, axis), axis=axis), axis)


CUMSUM = Primitive(lambda x, *, axis: np.cumsum(x, axis=axis), [_cumsum_vjp], "linear", name="cumsum")


def _cumprod(x: Any, *, axis: int) -> Any:
    return np.cumprod(x, axis=axis)


def _cumprod_tangent(t: Any, x: Any, axis: int) -> Any:
    """The tangent of cumprod by its own recursion: ẏ_k = ẏ_{k−1}·x_k + y_{k−1}·ẋ_k; exact where elements are zero."""
    if not np.size(plain(x)):
        return t
    x, t = np.moveaxis(x, axis, 0), np.moveaxis(t, axis, 0)
    y, rows = np.ones(shape_of(x)[1:]), []
    dy: Any = np.zeros(shape_of(x)[1:])
    for k in range(shape_of(x)[0]):
        dy, y = dy * x[k] + y * t[k], y * x[k]
        rows.append(dy)
    return np.moveaxis(np.stack(rows), 0, axis)


def _cumprod_vjp(y: Any, x: Any, *, axis: int) -> Any:
    def pull(g: Any) -> Any:
        if np.all(plain(x)):
            return np.flip(np.cumsum(np.flip(g * y, axis), axis=axis), axis) / x
        gs, xs = np.moveaxis(g, axis, 0), np.moveaxis(x, axis, 0)
        before = np.concatenate([np.ones((1, *shape_of(xs)[1:])), np.cumprod(xs, axis=0)[:-1]])
        carry: Any = np.zeros(shape_of(xs)[1:])
        rows = []
        for k in range(shape_of(xs)[0] - 1, -1, -1):
            carry = carry + gs[k]
            rows.append(carry * before[k])
            carry = carry * xs[k]
        return np.moveaxis(np.stack(rows[::-1]), 0, axis)

    return pull


CUMPROD = Primitive(_cumprod, [_cumprod_vjp], [lambda t, _y, x, axis: _cumprod_tangent(t, x, axis)], name="cumprod")


def _cumulative(primitive: Primitive) -> Any:
    def handler(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
        a = cast(as_traced(a), dtype)
        if axis is None:
            a, axis = np.ravel(a), 0
        return into(primitive(a, axis=int(normal_axes(axis, len(shape_of(a)))[0])), out)

    return handler


cumsum, cumprod = _cumulative(CUMSUM), _cumulative(CUMPROD)
FUNCTIONS[np.cumsum] = cumsum
FUNCTIONS[np.cumprod] = cumprod


@implements((np.add, "accumulate"))
def add_accumulate(a: Any, axis: int = 0, dtype: Any = None, out: Any = None) -> Any:
    return cumsum(a, axis, dtype, out)


@implements((np.multiply, "accumulate"))
def multiply_accumulate(a: Any, axis: int = 0, dtype: Any = None, out: Any = None) -> Any:
    return cumprod(a, axis, dtype, out)


def axes_last(a: Any, axis: Any) -> Any:
    """a with the reduced axes joined into one, which comes last."""
    shape = shape_of(a)
    axes = normal_axes(axis, len(shape))
    rest = tuple(i for i in range(len(shape)) if i not in axes)
    return np.reshape(np.transpose(a, rest + axes), (*(shape[i] for i in rest), math.prod(shape[i] for i in axes)))
