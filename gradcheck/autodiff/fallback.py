"""The numeric fallback: finite differences of a single call, for a function without a derivative rule.

The rest of the user's function stays exact. Each such call is noted by name and line (``core.Notes``), so that
reports can label it; ``noting(strict=True)`` refuses it. SciPy takes the differences (``scipy.differentiate``); the
steps and the error bar are ours: a ladder of steps that starts small, and of the neighbouring steps on it those two
that agree best. A derivative that no two steps agree on is an error that names the function, never a number. Order one
only: differences of differences are not worth having.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from gradcheck.autodiff.core import (
    FLOAT_KINDS,
    TRACED,
    Elementwise,
    Primitive,
    is_active,
    is_complex,
    note_numeric,
    note_zero,
    plain,
    plain_tree,
    stack,
)
from gradcheck.autodiff.errors import unsupported

# The steps of the ladder, in units of the operand: small enough not to alias on a wave or to leave a domain, large
# enough that a formula of sixth order has nothing but rounding left at one of them.
STEPS = (2.0**-7, 2.0**-9, 2.0**-11, 2.0**-14, 2.0**-18, 2.0**-23)
# Two neighbouring steps that agree to this end the ladder; the best two must agree to that.
GOOD, TOLERABLE = 1e-9, 1e-7

Array = np.ndarray[Any, np.dtype[np.float64]]


def slopes(values: Callable[[Array], Any], center: Array, scale: Any, name: str) -> Array:
    """dF/dt at t = 0 of m functions of one variable each, with an error bar that decides whether to believe it.

    Args:
        values: steps of shape (m, k) -> values of shape (m, k), the functions at those steps.
        center: their values at 0, shape (m,).
        scale: the natural unit of each step, shape (m,) or one for all.
        name: the user's function, for the error.

    Returns:
        Shape (m,).

    Raises:
        AutodiffError: no two neighbouring steps agree.

    >>> slopes(lambda t: np.sin(1.0 + t), np.sin(np.ones(1)), 1.0, "sin").round(9)
    array([0.54030231])
    """
    best = np.full(center.shape, np.nan)
    error = np.full(center.shape, np.inf)
    scale = np.broadcast_to(np.asarray(scale, dtype=np.float64), center.shape)
    weight = np.abs(center) / np.where(scale > 0, scale, 1.0)
    for side in (0, 1, -1):
        before: Array | None = None
        for step in STEPS:
            now = _difference(values, center, step * scale, side)
            if before is not None:
                apart = np.abs(now - before) + np.finfo(float).eps * weight / step
                better = np.isfinite(now) & (apart < error)
                best, error = np.where(better, now, best), np.where(better, apart, error)
            before = now
            if np.all(error <= GOOD * (np.abs(best) + 1e-3 * weight)):
                return best
        if np.all(error <= TOLERABLE * (np.abs(best) + 1e-3 * weight)):
            return best
    raise unsupported(
        f"{name} has no derivative rule, and its numeric derivative is not accurate here",
        "it may be random, noisy, or not smooth at this point",
    )


def _difference(values: Callable[[Array], Any], center: Array, step: Array, side: int) -> Array:
    """One difference of sixth order with these steps, central or to one side, by SciPy."""
    from scipy.differentiate import derivative

    def served(t: Array) -> Any:
        return np.broadcast_to(center, t.shape) if t.ndim == 1 else values(t)

    with np.errstate(all="ignore"):
        result = derivative(
            served,
            np.zeros(center.shape),
            order=6,
            maxiter=1,
            initial_step=step,
            step_direction=side,
            preserve_shape=True,
            tolerances={"atol": 0.0, "rtol": 0.0},
        )
    return np.asarray(result.df, dtype=np.float64)


def _scale(x: Any) -> Any:
    size = np.abs(x)
    return np.where(size > 0, size, 1.0)


# -- one operand of a ufunc --------------------------------------------------------------------------------------------


def numeric_partial(ufunc: Callable[..., Any], k: int) -> Callable[..., Any]:
    """The partial of an elementwise function in operand k, to stand in an ``Elementwise`` rule.

    >>> from scipy.special import jv
    >>> numeric_partial(jv, 0)(None, np.array([0.5]), 2.0).round(8)
    array([0.34047509])
    """
    name = getattr(ufunc, "__name__", repr(ufunc))

    def partial(_y: Any, *operands: Any) -> Any:
        if any(type(o) in TRACED and is_active(o) for o in operands):
            raise unsupported(f"{name} has no second derivative with respect to its parameter {k}")
        plains = [np.asarray(plain(o)) for o in operands]
        shape = np.broadcast_shapes(*(p.shape for p in plains))
        flat = [np.broadcast_to(p, shape).reshape(-1) for p in plains]
        x = flat[k].astype(np.float64)

        def values(t: Array) -> Any:
            moved = [f[:, None] for f in flat]
            moved[k] = x[:, None] + t
            return ufunc(*moved)

        with np.errstate(all="ignore"):
            center = np.asarray(ufunc(*flat[:k], x, *flat[k + 1 :]))
        parts = [slopes(_part(values, part), part(center), _scale(x), name) for part in _parts(center)]
        d = parts[0] if len(parts) == 1 else parts[0] + 1j * parts[1]
        return d.reshape(shape)[()]

    partial.numeric = True  # type: ignore[attr-defined]  # the rule notes it when it is called, at the user's line
    return partial


@functools.cache
def numeric_ufunc(ufunc: Any) -> Elementwise:
    """The rule of a ufunc that has none: all its partials are numeric."""
    if all(types.endswith("O") for types in ufunc.types):
        raise unsupported(f"no derivative rule for {ufunc.__name__}, which works on Python objects")
    return Elementwise(ufunc, *(numeric_partial(ufunc, k) for k in range(ufunc.nin)))


def _parts(center: Any) -> list[Callable[[Any], Any]]:
    """A complex value as two real ones."""
    return [np.real, np.imag] if np.iscomplexobj(center) else [np.asarray]


def _part(values: Callable[[Array], Any], part: Callable[[Any], Any]) -> Callable[[Array], Any]:
    return lambda t: part(values(t))


# -- a whole call ------------------------------------------------------------------------------------------------------


def numeric(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    """A handler that calls ``function`` with plain values and differentiates it numerically with respect to the traced
    values among its arguments, at any depth of lists, tuples and dicts.

    The function's value is a number, an array, or a tuple or list of them; what of it is no float (an index) has no
    derivative.
    """

    def handler(*args: Any, **keywords: Any) -> Any:
        leaves: list[Any] = []
        template = _pull_out((args, keywords), leaves)
        if not leaves:
            return function(*plain_tree(args), **plain_tree(keywords))
        _first_order_only(leaves, name)

        def call(*operands: Any) -> Any:
            new_args, new_keywords = _put_in(template, [_copy(o) for o in operands])
            return function(*new_args, **new_keywords)

        value = call(*(plain(leaf) for leaf in leaves))
        outputs, rebuild = _outputs(value, name)
        if not outputs:
            note_zero()
            return value
        note_numeric(name, 1 + len(outputs))  # a record for the call and one for each of its values
        return rebuild(_primitive(call, outputs, value, name)(*leaves))

    handler.__name__ = name
    return handler


def through(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    """A handler that traces through the function's own Python code, and is :func:`numeric` where that does not work.

    It works if the code never needs a plain array in the place of a traced one, and comes to the value that it comes
    to with plain arguments.
    """
    fall_back = numeric(function, name)

    def handler(*args: Any, **keywords: Any) -> Any:
        from gradcheck.autodiff.scope import every_name

        traces = list(stack())
        before = [trace.lost for trace in traces]
        leaves: list[Any] = []
        template = _pull_out((args, keywords), leaves)
        try:
            with every_name():
                y = function(*args, **keywords)
            followed = [trace.lost for trace in traces] == before
        except Exception:  # whatever it was: if it is the function's own, it will raise it again
            followed = False
        if followed:
            plain_args, plain_keywords = _put_in(template, [_copy(plain(leaf)) for leaf in leaves])
            followed = _same(y, function(*plain_args, **plain_keywords))
        if followed:
            return y
        for trace, lost in zip(traces, before, strict=True):
            trace.lost = lost
        return fall_back(*args, **keywords)

    handler.__name__ = name
    return handler


def _copy(x: Any) -> Any:
    return x.copy() if isinstance(x, np.ndarray) else x


def _same(y: Any, z: Any) -> bool:
    """Whether a value that was come to with traced arguments is the one that plain arguments give."""
    if isinstance(z, tuple | list):
        return isinstance(y, tuple | list) and len(y) == len(z) and all(map(_same, y, z))
    if isinstance(z, float | complex | int | np.ndarray | np.generic):
        y, z = np.asarray(plain(y)), np.asarray(z)
        return y.shape == z.shape and not y.dtype.hasobject and bool(np.allclose(y, z, 1e-9, 0.0, equal_nan=True))
    return z is None and y is None


class _Hole:
    """The place of the k-th traced value in a template of arguments."""

    __slots__ = ("k",)

    def __init__(self, k: int) -> None:
        self.k = k


def _pull_out(x: Any, leaves: list[Any]) -> Any:
    if type(x) in TRACED:
        if not is_active(x):
            return plain(x)
        leaves.append(x)
        return _Hole(len(leaves) - 1)
    return _through(x, lambda e: _pull_out(e, leaves))


def _put_in(x: Any, values: list[Any]) -> Any:
    if type(x) is _Hole:
        return values[x.k]
    return _through(x, lambda e: _put_in(e, values))


def _through(x: Any, step: Callable[[Any], Any]) -> Any:
    if isinstance(x, tuple) and hasattr(x, "_fields"):
        return type(x)(*map(step, x))
    if type(x) in (list, tuple):
        return type(x)(map(step, x))
    if type(x) is dict:
        return {key: step(e) for key, e in x.items()}
    return x


def _first_order_only(leaves: list[Any], name: str) -> None:
    traces = {id(trace) for trace in stack() for leaf in leaves if _active_in(leaf, trace)}
    if len(traces) > 1:
        raise unsupported(f"{name} has no derivative rule; its numeric derivative is of first order only")
    if any(is_complex(leaf) for leaf in leaves):
        raise unsupported(f"{name} has no derivative rule for complex arguments")


def _active_in(x: Any, trace: Any) -> bool:
    while type(x) in TRACED:
        if x.owner is trace and trace.active(x):
            return True
        x = x.value
    return False


def _is_float(e: Any) -> bool:
    return isinstance(e, float | complex | np.ndarray | np.generic) and np.asarray(e).dtype.kind in FLOAT_KINDS


def _outputs(value: Any, name: str) -> tuple[list[int], Callable[[Any], Any]]:
    """Which components of a value are differentiated ([-1]: the value itself), and how to put them back in it."""
    if _is_float(value):
        return [-1], lambda y: y[0]
    if isinstance(value, bool | int | str | np.ndarray | np.generic) or value is None:
        return [], lambda _y: value
    if not isinstance(value, tuple | list):
        raise unsupported(f"no derivative rule for {name}, which returns a {type(value).__name__}")
    chosen = [k for k, e in enumerate(value) if _is_float(e)]
    for e in value:  # what else there is must have no derivative by its kind
        if not (_is_float(e) or e is None or isinstance(e, bool | int | str | np.ndarray | np.generic)):
            raise unsupported(f"no derivative rule for {name}, which returns a {type(e).__name__} among others")

    def rebuild(y: Any) -> Any:
        new = list(value)
        for k, e in zip(chosen, y, strict=True):
            new[k] = e
        return new if isinstance(value, list) else like_tuple(value, new)

    return chosen, rebuild


def like_tuple(value: Any, new: list[Any]) -> Any:
    """A tuple of the same class. SciPy's result objects keep more than their elements, and some elements twice.

    A number or array that is no element has no derivative here, so the new object is without it.
    """
    if type(value) is tuple:
        return tuple(new)
    made: Any = tuple.__new__(type(value), new)
    for key, held in vars(value).items() if hasattr(value, "__dict__") else ():
        places = [k for k, e in enumerate(value) if e is held]
        if places or not _is_float(held):
            made.__dict__[key] = new[places[0]] if places else held
    return made


def _primitive(call: Callable[..., Any], chosen: list[int], value: Any, name: str) -> Primitive:
    """A call as a primitive of its traced operands, with a tuple of arrays as value."""

    def parts(y: Any) -> tuple[Any, ...]:
        return tuple(np.asarray(y if k < 0 else y[k]) for k in chosen)

    first = parts(value)
    center = _flat(first)

    def run(*operands: Any) -> tuple[Any, ...]:
        if any(type(o) in TRACED for o in operands):  # an outer trace in which nothing of this is active
            operands = tuple(plain(o) for o in operands)
        return tuple(p[()] if not p.ndim else p for p in parts(call(*operands)))

    def along(operands: Any, k: int, direction: Any, scale: float) -> Array:
        """The derivative of all components along a direction of operand k, flat."""
        x = np.asarray(plain(operands[k]), dtype=np.float64)

        def values(t: Array) -> Any:
            columns = []
            for step in t[0]:
                moved = [plain(o) for o in operands]
                moved[k] = (x + step * direction)[()]
                try:
                    columns.append(_flat(parts(call(*moved))))
                except (ValueError, ArithmeticError, np.linalg.LinAlgError):  # outside of its domain
                    columns.append(np.full(center.shape, np.nan))
            return np.stack(columns, axis=-1)

        return slopes(values, center, scale, name) if center.size else center

    def vjp(k: int, _y: Any, *operands: Any) -> Callable[[Any], Any]:
        x = np.asarray(plain(operands[k]), dtype=np.float64)
        jacobian: list[Array] = []

        def pull(g: Any) -> Any:
            if not jacobian:
                typical = float(np.max(np.abs(x), initial=0.0)) or 1.0
                for unit in np.eye(x.size):
                    size = abs(float(unit @ x.reshape(-1)))
                    jacobian.append(along(operands, k, unit.reshape(x.shape), size or typical))
            flat = np.concatenate([np.reshape(_cotangent_parts(e, p), -1) for e, p in zip(g, first, strict=True)])
            rows = np.stack(jacobian) if jacobian else np.zeros((0, center.size))
            return np.reshape(rows @ flat, x.shape)

        return pull

    def jvp(k: int, t: Any, y: Any, *operands: Any) -> Any:
        direction = np.asarray(plain(t), dtype=np.float64)
        x = np.asarray(plain(operands[k]), dtype=np.float64)
        size = float(np.max(np.abs(direction), initial=0.0))
        if not size:
            return tuple(np.zeros_like(p) for p in first)
        flat = along(operands, k, direction / size, float(np.max(np.abs(x), initial=0.0)) or 1.0) * size
        return _unflat(flat, first)

    return Primitive(run, vjp, jvp, name=name, outputs=len(chosen))


def _flat(parts: tuple[Any, ...]) -> Array:
    """Arrays, real or complex, as one flat real vector."""
    return np.concatenate([np.reshape(_real_parts(np.asarray(p)), -1) for p in parts]).astype(np.float64)


def _real_parts(p: Any) -> Any:
    """A complex array as one of real and imaginary parts with one more axis."""
    return np.stack([np.real(p), np.imag(p)], axis=-1) if is_complex(p) else p


def _cotangent_parts(g: Any, p: Any) -> Any:
    """The cotangents of the real parts of p; that of a complex number is ∂/∂x − i ∂/∂y."""
    return np.stack([np.real(g), -np.imag(g)], axis=-1) if is_complex(p) else np.real(g)


def _unflat(flat: Array, like: tuple[Any, ...]) -> tuple[Any, ...]:
    out, start = [], 0
    for p in like:
        count = p.size * (2 if is_complex(p) else 1)
        piece = flat[start : start + count]
        start += count
        if is_complex(p):
            piece = piece[0::2] + 1j * piece[1::2]
        out.append(piece.reshape(p.shape).astype(p.dtype)[()])
    return tuple(out)
