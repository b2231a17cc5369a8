"""The methods of ufuncs, for every ufunc that has a rule: ``reduce``, ``accumulate``, ``reduceat``, ``outer``, ``at``.

The few that are functions of their own (``np.add.reduce`` is ``np.sum``, ``np.multiply.accumulate`` is ``np.cumprod``)
are registered where those stand. Everything else follows from the table of partials: a reduction is the recursion y_k =
f(y_{k−1}, x_k), whose tangent ẏ_k = d0_k·ẏ_{k−1} + d1_k·ẋ_k and whose cotangent run along the axis as linear
recurrences; :func:`_recurrence` solves those in log₂ n array operations (Hillis & Steele, *Data parallel algorithms*,
Comm. ACM 29, 1986), by sums and products alone, so that zeros do no harm.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from gradcheck.autodiff.core import (
    FUNCTIONS,
    TRACED,
    UFUNCS,
    Elementwise,
    Primitive,
    plain,
    plain_tree,
    shape_of,
)
from gradcheck.autodiff.errors import unsupported
from gradcheck.autodiff.memory import still
from gradcheck.autodiff.rules.elementwise import REAL
from gradcheck.autodiff.rules.plain import PLAIN_UFUNCS
from gradcheck.autodiff.rules.reductions import NONE, as_traced, cast, finish, normal_axes

METHODS = ("reduce", "accumulate", "reduceat", "outer", "at")


def method_of(ufunc: Any, name: str) -> Callable[..., Any] | None:
    """What ``ufunc.<name>`` does for traced operands; None for a ufunc without a rule.

    >>> import numpy as np
    >>> from gradcheck.autodiff import grad
    >>> grad(np.subtract.reduce)(np.array([5.0, 3.0, 1.0]))
    array([ 1., -1., -1.])
    """
    known = FUNCTIONS.get((ufunc, name))
    if known is not None:
        return known
    rule = UFUNCS.get(ufunc)
    made: Callable[..., Any]
    if type(rule) is not Elementwise:
        real = REAL.get(ufunc)
        if name == "at" and real is not None:
            made = _At(ufunc)
        elif ufunc in PLAIN_UFUNCS and name != "at":
            made = _Plain(ufunc, name)
        else:
            return None
    elif name == "at":
        made = _At(ufunc)
    elif name == "outer":
        made = _Outer(ufunc)
    else:
        kinds: dict[str, Callable[..., Any]] = {"reduce": _Reduce, "accumulate": _Accumulate, "reduceat": _Reduceat}
        made = kinds[name](ufunc, rule)
    FUNCTIONS[ufunc, name] = made
    return made


# -- recursions along an axis ----------------------------------------------------------------------------------------


def _recurrence(a: Any, b: Any) -> Any:
    """y_0 = b_0, y_k = a_k·y_{k−1} + b_k along the first axis (a_0 is not used)."""
    n = shape_of(b)[0]
    step = 1
    while step < n:
        # Each place stands for the map over the last `step` places; two such maps in a row are joined.
        b = np.concatenate([b[:step], a[step:] * b[:-step] + b[step:]])
        if 2 * step < n:
            a = np.concatenate([a[:step], a[step:] * a[:-step]])
        step *= 2
    return b


def _slopes(rule: Elementwise, y: Any, x: Any) -> tuple[Any, Any]:
    """The partials of y_k = f(y_{k−1}, x_k) with respect to y_{k−1} and x_k, for k ≥ 1, in the shape of x[1:]."""
    with np.errstate(all="ignore"):
        return tuple(_partial(p, y[1:], y[:-1], x[1:]) for p in rule.partials)


def _partial(partial: Any, y: Any, a: Any, b: Any) -> Any:
    value = partial(y, a, b) if callable(partial) else 0.0 if partial is None else partial
    return np.broadcast_to(value, shape_of(y))


class _Recursion:
    """``ufunc.reduce`` and ``ufunc.accumulate`` along the first axis, as primitives."""

    def __init__(self, ufunc: Any, rule: Elementwise) -> None:
        self.ufunc = ufunc
        self.rule = rule
        name = ufunc.__name__
        self.accumulate = Primitive(
            lambda x: ufunc.accumulate(x, axis=0),
            [lambda y, x: lambda g: self._back(y, x, g)],
            [lambda t, y, x: self._forth(y, x, t)],
            name=f"{name}.accumulate",
        )
        self.reduce = Primitive(
            lambda x: ufunc.reduce(x, axis=0),
            [lambda _y, x: lambda g: self._back(ufunc.accumulate(x, axis=0), x, g)],
            [lambda t, y, x: self._forth(ufunc.accumulate(x, axis=0), x, t)[-1] if len(x) else np.zeros_like(y)],
            name=f"{name}.reduce",
        )

    def _forth(self, y: Any, x: Any, t: Any) -> Any:
        if not len(x):
            return t
        d0, d1 = _slopes(self.rule, y, x)
        return _recurrence(np.concatenate([d0[:1], d0]), np.concatenate([t[:1], d1 * t[1:]]))

    def _back(self, y: Any, x: Any, g: Any) -> Any:
        """From the cotangents of all y_k; or, if g is of one dimension less, of the last one."""
        if not len(x):
            return np.zeros(shape_of(x))
        if len(shape_of(g)) < len(shape_of(x)):
            g = np.concatenate([np.zeros(shape_of(x[:-1])), np.expand_dims(g, 0)])
        d0, d1 = _slopes(self.rule, y, x)
        total = _recurrence(np.concatenate([d0[:1], d0[::-1]]), g[::-1])[::-1]
        return np.concatenate([total[:1], d1 * total[1:]])


class _Reduce:
    def __init__(self, ufunc: Any, rule: Elementwise) -> None:
        if len(rule.partials) != 2:
            raise ValueError("reduce only supported for binary functions")
        self.ufunc = ufunc
        self.fold = _Recursion(ufunc, rule).reduce

    def __call__(
        self,
        array: Any,
        axis: Any = 0,
        dtype: Any = None,
        out: Any = None,
        keepdims: Any = NONE,
        initial: Any = NONE,
        where: Any = NONE,
    ) -> Any:
        array = cast(as_traced(array), dtype)
        shape = shape_of(array)
        # NumPy's own checks and messages: which ufuncs take several axes, have an identity, allow a mask.
        keywords = {k: plain(v) for k, v in (("initial", initial), ("where", where)) if v is not NONE}
        value = self.ufunc.reduce(plain(array), axis=axis, **keywords)
        if not shape:
            return array if initial is NONE or initial is None else self.ufunc(initial, array)
        axes = normal_axes(axis, len(shape))
        rest = tuple(i for i in range(len(shape)) if i not in axes)
        x = np.reshape(np.transpose(array, axes + rest), (math.prod(shape[i] for i in axes), *(shape[i] for i in rest)))
        mask = None
        if where is not NONE and not np.all(plain(where)):
            mask = np.broadcast_to(plain(where), shape).transpose(axes + rest).reshape(shape_of(x))
        start = self.ufunc.identity if initial is NONE and (mask is not None or not len(x)) else initial
        if start is not NONE and start is not None:
            first = np.broadcast_to(as_traced(start), (1, *shape_of(x)[1:]))
            x = np.concatenate([first, x], dtype=plain(x).dtype)
            mask = None if mask is None else np.concatenate([np.ones_like(mask[:1]), mask])
        y = self._masked(x, mask) if mask is not None else self.fold(x)
        in_turn = plain(y) if mask is not None or not len(x) else self.ufunc.accumulate(plain(x), axis=0)[-1]
        if not np.allclose(in_turn, value.reshape(in_turn.shape), rtol=1e-6, equal_nan=True):
            # Vectorised loops of NumPy's for power and arctan2 do not carry the value on where they should.
            name = f"np.{self.ufunc.__name__}"
            raise unsupported(
                f"{name}.reduce gives another value here than {name} applied to one element after the other",
                f"use functools.reduce({name}, x)",
            )
        return finish(y, shape, axis, keepdims, out)

    def _masked(self, x: Any, mask: Any) -> Any:
        y = x[0]
        for k in range(1, len(x)):
            y = np.where(mask[k], self.ufunc(np.where(mask[k], y, 1.0), np.where(mask[k], x[k], 1.0)), y)
        return y


class _Accumulate:
    def __init__(self, ufunc: Any, rule: Elementwise) -> None:
        if len(rule.partials) != 2:
            raise ValueError("accumulate only supported for binary functions")
        self.fold = _Recursion(ufunc, rule).accumulate

    def __call__(self, array: Any, axis: int = 0, dtype: Any = None, out: Any = None) -> Any:
        x = cast(as_traced(array), dtype)
        if not shape_of(x):
            raise TypeError("cannot accumulate on a scalar")
        (axis,) = normal_axes(axis, len(shape_of(x)))
        y = np.moveaxis(self.fold(np.moveaxis(x, axis, 0)), 0, axis)
        return finish(y, shape_of(x), None, NONE, out)


class _Reduceat:
    """Each result is the reduction of one stretch of the axis."""

    def __init__(self, ufunc: Any, rule: Elementwise) -> None:
        if len(rule.partials) != 2:
            raise ValueError("reduceat only supported for binary functions")
        self.ufunc = ufunc

    def __call__(self, array: Any, indices: Any, axis: int = 0, dtype: Any = None, out: Any = None) -> Any:
        x = cast(as_traced(array), dtype)
        indices = np.asarray(plain_tree(indices))
        self.ufunc.reduceat(plain(x), indices, axis)  # NumPy's own checks and messages
        (axis,) = normal_axes(axis, len(shape_of(x)))
        x = np.moveaxis(x, axis, 0)
        n = shape_of(x)[0]
        ends = [*indices[1:], n]
        parts = [x[i:j] if i < j else x[i : i + 1] for i, j in zip(indices.tolist(), ends, strict=True)]
        if not parts:
            return finish(np.moveaxis(x[:0], 0, axis), shape_of(x), None, NONE, out)
        reduce = method_of(self.ufunc, "reduce")
        assert reduce is not None
        y = np.moveaxis(np.stack([reduce(p, axis=0) for p in parts]), 0, axis)
        return finish(y, shape_of(x), None, NONE, out)


# -- pairs, and places -----------------------------------------------------------------------------------------------


class _Outer:
    """``ufunc.outer(a, b)``: the ufunc of every pair."""

    def __init__(self, ufunc: Any) -> None:
        if ufunc.nin != 2:
            raise ValueError("outer product only supported for binary functions")
        self.ufunc = ufunc

    def __call__(self, a: Any, b: Any, /, **keywords: Any) -> Any:
        a, b = as_traced(a), as_traced(b)
        return self.ufunc(np.reshape(a, shape_of(a) + (1,) * len(shape_of(b))), b, **keywords)


class _At:
    """``ufunc.at(a, indices, b)``: in place and one after the other, so that an index may occur several times."""

    def __init__(self, ufunc: Any) -> None:
        self.ufunc = ufunc

    def __call__(self, a: Any, indices: Any, *b: Any) -> None:
        if type(a) not in TRACED:
            raise unsupported(
                f"np.{self.ufunc.__name__}.at writes a traced value into a plain array that was made outside of the "
                "function",
                "make the array inside the function, with np.zeros or np.array",
            )
        if len(b) != self.ufunc.nin - 1:
            raise ValueError(f"np.{self.ufunc.__name__}.at takes {self.ufunc.nin - 1} operand(s)")
        key = still(plain_tree(indices))
        places = np.arange(a.size).reshape(a.shape)[key]
        operands = [np.ravel(np.broadcast_to(as_traced(e), np.shape(places))) for e in b]
        places = np.ravel(places)
        turns = _turns(places)
        for turn in range(int(turns.max(initial=-1)) + 1):
            now = np.flatnonzero(turns == turn)
            where = np.unravel_index(places[now], a.shape) if a.ndim else ()
            new = self.ufunc(a[where], *(e[now] if a.ndim else e[now[0]] for e in operands))
            if not np.can_cast(plain(new).dtype, a.dtype, "same_kind"):
                raise TypeError(f"Cannot cast ufunc '{self.ufunc.__name__}' output to {a.dtype}")
            a[where] = new


def _turns(places: Any) -> Any:
    """How often each place has occurred before."""
    order = np.argsort(places, kind="stable")
    ordered = places[order]
    first = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]])) if places.size else places
    turns = np.empty_like(places)
    turns[order] = np.arange(places.size) - np.repeat(first, np.diff([*first, places.size]))
    return turns


class _Plain:
    """A method of a ufunc whose derivative is zero by nature: NumPy's own, of the plain values."""

    def __init__(self, ufunc: Any, name: str) -> None:
        self.function = getattr(ufunc, name)

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        return self.function(*plain_tree(args), **plain_tree(keywords))


# -- sums over stretches ---------------------------------------------------------------------------------------------


def _add_reduceat_vjp(_y: Any, x: Any, *, starts: Any) -> Any:
    counts = np.diff([*starts.tolist(), shape_of(x)[0]])
    return lambda g: np.repeat(g, counts, axis=0)


ADD_REDUCEAT = Primitive(
    lambda x, *, starts: np.add.reduceat(x, starts, axis=0), [_add_reduceat_vjp], "linear", name="add.reduceat"
)


def add_reduceat(array: Any, indices: Any, axis: int = 0, dtype: Any = None, out: Any = None) -> Any:
    """Sums over stretches, many at once: the stretches are laid one after the other, then summed."""
    x = cast(as_traced(array), dtype)
    indices = np.asarray(plain_tree(indices))
    np.add.reduceat(plain(x), indices, axis)  # NumPy's own checks and messages
    (axis,) = normal_axes(axis, len(shape_of(x)))
    y = np.moveaxis(x, axis, 0)
    if not indices.size:
        return finish(np.moveaxis(y[:0], 0, axis), shape_of(x), None, NONE, out)
    counts = np.maximum(np.diff([*indices.tolist(), shape_of(y)[0]]), 1)
    starts = np.cumsum(counts) - counts
    if np.any(starts + indices[0] != indices) or counts.sum() != shape_of(y)[0]:
        y = y[np.repeat(indices - starts, counts) + np.arange(counts.sum())]
    return finish(np.moveaxis(ADD_REDUCEAT(y, starts=starts), 0, axis), shape_of(x), None, NONE, out)


FUNCTIONS[np.add, "reduceat"] = add_reduceat
