"""Recursive filters: ``lfilter`` and what is made of it, with derivatives in coefficients, signal and state.

The filter solves A·y = B·x + z with triangular Toeplitz matrices of the coefficients, so its transpose is the same
filter on the signal turned round, and an error in a coefficient of B or A is a new input B′·x or −A′·y to the filter
1/A. Denominators are divided by their first coefficient before.

Source: A. V. Oppenheim, R. W. Schafer, *Discrete-Time Signal Processing*, chapter 6 (direct form II transposed); F.
Gustafsson, *Determining the initial states in forward-backward filtering*, IEEE Trans. Signal Processing 44 (1996) 988.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.signal as ss

from gradcheck.autodiff.core import TRACED, Primitive, plain, plain_tree, shape_of
from gradcheck.autodiff.rules.scipy.linear import at, fit, floating, padded, same_as
from gradcheck.autodiff.rules.scipy.registry import original
from gradcheck.autodiff.rules.scipy.signal.convolution import convolve
from gradcheck.autodiff.rules.scipy.signal.dense import gustafsson

# -- the primitive: along the last axis, the denominator without its leading one -------------------------------------


def _filter(b: Any, t: Any, x: Any, zi: Any) -> Any:
    if any(type(o) in TRACED for o in (b, t, x, zi)):
        return FILTER(b, t, x, zi)
    dtype = np.result_type(b, t, x, zi, np.float32)
    a = np.concatenate([np.ones(1, dtype), t])
    y, _ = original(ss, "lfilter")(b.astype(dtype), a.astype(dtype), x.astype(dtype), zi=zi.astype(dtype))
    return y


def _rest(b: Any, t: Any, x: Any) -> Any:
    """The state of a filter that has seen nothing."""
    order = max(shape_of(b)[0], shape_of(t)[0] + 1) - 1
    return np.zeros((*shape_of(x)[:-1], order), plain(x).dtype)


def _still(b: Any, t: Any, x: Any) -> Any:
    return FILTER(b, t, x, _rest(b, t, x))


_ONE = np.ones(1)


def _back(t: Any, g: Any) -> Any:
    """The transpose of 1/A."""
    return np.flip(_still(_ONE, t, np.flip(g, -1)), -1)


def _lagged(s: Any, x: Any, lags: range) -> Any:
    """Σ s[n]·x[n − k] over everything, for each lag k."""
    n = shape_of(x)[-1]
    parts = [np.sum(s[..., k:] * x[..., : max(n - k, 0)]) if k < n else np.sum(s) * 0.0 for k in lags]
    return np.stack(parts)


def _vjp_b(_y: Any, b: Any, t: Any, x: Any, zi: Any) -> Any:
    return lambda g: _lagged(_back(t, g), x, range(shape_of(b)[0]))


def _vjp_t(y: Any, b: Any, t: Any, x: Any, zi: Any) -> Any:
    if not shape_of(t)[0]:
        return None
    return lambda g: -_lagged(_back(t, g), y, range(1, shape_of(t)[0] + 1))


def _vjp_x(_y: Any, b: Any, t: Any, x: Any, zi: Any) -> Any:
    return lambda g: np.flip(_still(b, t, np.flip(g, -1)), -1)


def _vjp_zi(_y: Any, b: Any, t: Any, x: Any, zi: Any) -> Any:
    return lambda g: fit(_back(t, g), shape_of(zi)[-1], -1)


_EMPTY = np.zeros(0)


def _jvp_t(d: Any, y: Any, b: Any, t: Any, x: Any, zi: Any) -> Any:
    return _still(_ONE, t, -_still(padded(d, 1, 0, 0), _EMPTY, y))


FILTER: Primitive = Primitive(
    _filter,
    [_vjp_b, _vjp_t, _vjp_x, _vjp_zi],
    [
        lambda d, _y, b, t, x, zi: _still(_ONE, t, _still(d, _EMPTY, x)),
        _jvp_t,
        lambda d, _y, b, t, x, zi: _still(b, t, d),
        lambda d, _y, b, t, x, zi: FILTER(b, t, np.zeros_like(plain(x)), d),
    ],
    name="scipy.signal.lfilter",
)


# -- lfilter ---------------------------------------------------------------------------------------------------------


def _vector(c: Any, name: str) -> Any:
    c = floating(c)
    c = np.reshape(c, (1,)) if not shape_of(c) else c
    if len(shape_of(c)) != 1:
        raise ValueError(f"{name} must be 1-D.")
    return c


def _normalized(b: Any, a: Any) -> tuple[Any, Any]:
    """Both divided by the first coefficient of the denominator."""
    b, a = _vector(b, "b"), _vector(a, "a")
    first = plain(a)[0]
    if first == 0:
        raise ValueError("First element of denominator must be non-zero")
    return (b, a) if first == 1 and type(a) not in TRACED else (b / a[0], a / a[0])


def _final(b: Any, a: Any, x: Any, y: Any, zi: Any) -> Any:
    """The state after the last sample: what the last inputs and outputs have still to say."""
    order, n = shape_of(zi)[-1], shape_of(x)[-1]
    if not order:
        return zi
    index = np.arange(order)[:, None] + 1 + np.arange(order)
    b, a = fit(b, 2 * order + 1, 0), fit(a, 2 * order + 1, 0)
    past_x, past_y = (fit(np.flip(s, -1), order, -1) for s in (x, y))
    z = past_x @ b[index].T - past_y @ a[index].T
    return z + fit(zi[..., n:], order, -1) if n < order else z


def _run(b: Any, a: Any, x: Any, zi: Any) -> Any:
    """lfilter along the last axis for normalized coefficients."""
    n = shape_of(x)[-1]
    if shape_of(a)[0] == 1 and shape_of(b)[0] > 32:
        # A long filter without recursion is a convolution, whose derivative in b needs no loop.
        kernel = np.reshape(b, (1,) * (len(shape_of(x)) - 1) + (-1,))
        return convolve(x, kernel)[..., :n] + fit(zi, n, -1)
    return FILTER(b, a[1:], x, zi)


def lfilter(b: Any, a: Any, x: Any, axis: int = -1, zi: Any = None) -> Any:
    """B/A applied to x along an axis; with a state, that is followed too."""
    b, a = _normalized(b, a)
    x = floating(x)
    if not shape_of(x):
        raise ValueError("x must be at least 1-D")
    moved = np.moveaxis(x, axis, -1)
    order = max(shape_of(b)[0], shape_of(a)[0]) - 1
    dtype = np.result_type(*(plain(o).dtype for o in (b, a, x)))
    state: Any = np.zeros((*shape_of(moved)[:-1], order), dtype)
    if zi is not None:
        given = floating(zi)
        if len(shape_of(given)) != len(shape_of(x)):
            raise ValueError(f"Unexpected shape for zi: {shape_of(given)}")
        given = np.moveaxis(given, axis, -1)
        if shape_of(given)[-1] != order:
            raise ValueError(f"Unexpected shape for zi: found {shape_of(given)}")
        state = np.broadcast_to(given, shape_of(state)) + np.zeros(shape_of(state), dtype)
    moved = moved if plain(moved).dtype == dtype else moved.astype(dtype)
    y = _run(b, a, moved, state)
    out = np.moveaxis(y, -1, axis)
    return out if zi is None else (out, np.moveaxis(_final(b, a, moved, y, state), -1, axis))


def lfilter_zi(b: Any, a: Any) -> Any:
    """The state for which a step at the input gives a step at the output at once."""
    b, a = _vector(b, "Numerator b"), _vector(a, "Denominator a")
    while shape_of(a)[0] > 1 and plain(a)[0] == 0:
        a = a[1:]
    b, a = _normalized(b, a)
    n = max(shape_of(a)[0], shape_of(b)[0])
    a, b = fit(a, n, 0), fit(b, n, 0)
    # (I − Cᵀ)·z = b − a·b₀ with the companion matrix C of a.
    shift = np.eye(n - 1) - np.eye(n - 1, k=1)
    first = np.zeros(n - 1)
    first[:1] = 1.0
    return np.linalg.solve(shift + a[1:, None] * first, b[1:] - a[1:] * b[0])


def lfiltic(b: Any, a: Any, y: Any, x: Any = None) -> Any:
    """The state that past outputs (the last one first) and inputs leave."""
    given = (b, a, y, x)
    b, a = _vector(b, "Filter coefficients `b`"), _vector(a, "Filter coefficients `a`")
    if plain(a)[0] == 0:
        raise ValueError("First `a` filter coefficient must be non-zero.")
    before, ahead = shape_of(a)[0] - 1, shape_of(b)[0] - 1
    order = max(before, ahead)
    if not order:
        return np.zeros(0)
    y = fit(floating(y), before, 0) if before else np.zeros(0)
    x = np.zeros(ahead) if x is None else fit(floating(x), ahead, 0)
    index = np.arange(order)[:, None] + 1 + np.arange(order)
    z = fit(b, 2 * order + 1, 0)[index] @ fit(x, order, 0) - fit(a, 2 * order + 1, 0)[index] @ fit(y, order, 0)
    expected = original(ss, "lfiltic")(*plain_tree(given))
    if plain(a)[0] != 1 and np.allclose(plain(z), expected, 1e-12, 0.0):
        return z  # older versions do not divide by the leading coefficient
    return same_as(z / a[0], expected, "scipy.signal.lfiltic")


def deconvolve(signal: Any, divisor: Any) -> Any:
    """Quotient and remainder of polynomials."""
    num, den = _vector(signal, "Parameter signal"), _vector(divisor, "Parameter divisor")
    n, d = shape_of(num)[0], shape_of(den)[0]
    if d > n:
        return [], num
    impulse = np.zeros(n - d + 1)
    impulse[0] = 1.0
    quotient = lfilter(num, den, impulse)
    return quotient, num - convolve(den, quotient, "full")


# -- second-order sections -------------------------------------------------------------------------------------------


def _sections(sos: Any) -> Any:
    sos = floating(sos)
    if len(shape_of(sos)) != 2 or shape_of(sos)[1] != 6:
        raise ValueError("sos array must be shape (n_sections, 6)")
    if not np.all(plain(sos)[:, 3] == 1):
        raise ValueError("sos[:, 3] should be all ones")
    return sos


def sosfilt(sos: Any, x: Any, axis: int = -1, zi: Any = None) -> Any:
    """One section after the other."""
    sos, x = _sections(sos), floating(x)
    count = shape_of(sos)[0]
    moved = np.moveaxis(x, axis, -1)
    states: Any = [np.zeros((*shape_of(moved)[:-1], 2)) for _ in range(count)]
    if zi is not None:
        given = floating(zi)
        expected = list(shape_of(x))
        expected[axis] = 2
        if shape_of(given) != (count, *expected):
            raise ValueError(f"Invalid zi shape: {shape_of(given)}, not {(count, *expected)}")
        states = [np.moveaxis(given[k], axis, -1) for k in range(count)]
    y, ends = moved, []
    for k in range(count):
        b, a = sos[k, :3], sos[k, 3:]
        new, end = lfilter(b, a, y, zi=states[k])
        ends.append(np.moveaxis(end, -1, axis))
        y = new
    out = np.moveaxis(y, -1, axis)
    return out if zi is None else (out, np.stack(ends))


def sosfilt_zi(sos: Any) -> Any:
    """:func:`lfilter_zi` of each section, for the step that the ones before leave."""
    sos = floating(sos)
    if len(shape_of(sos)) != 2 or shape_of(sos)[1] != 6:
        raise ValueError("sos must be shape (n_sections, 6)")
    scale: Any = 1.0
    states = []
    for k in range(shape_of(sos)[0]):
        b, a = sos[k, :3], sos[k, 3:]
        states.append(scale * lfilter_zi(b, a))
        scale = scale * (np.sum(b) / np.sum(a))
    return np.stack(states)


# -- forwards and backwards ------------------------------------------------------------------------------------------


def extension(x: Any, n: int, kind: str | None, axis: int) -> Any:
    """x with n samples more on each side: mirrored, turned round its ends, or its ends repeated."""
    if kind is None or n < 1:
        return x
    ndim, size = len(shape_of(x)), shape_of(x)[axis]
    if n > size - 1 and kind != "constant" and kind != "zeros":
        raise ValueError(f"The extension length n ({n}) is too big. It must not exceed x.shape[axis]-1")
    first, last = x[at(axis, ndim, slice(0, 1))], x[at(axis, ndim, slice(size - 1, size))]
    if kind in ("constant", "zeros"):
        ends = np.ones(n).reshape([-1 if i == axis % ndim else 1 for i in range(ndim)])
        scale = 0.0 if kind == "zeros" else 1.0
        left, right = first * (scale * ends), last * (scale * ends)
    else:
        left = x[at(axis, ndim, slice(n, 0, -1))]
        right = x[at(axis, ndim, slice(size - 2, size - 2 - n if size - 2 - n >= 0 else None, -1))]
        if kind == "odd":
            left, right = 2 * first - left, 2 * last - right
    return np.concatenate([left, x, right], axis=axis)


def _pad(padtype: Any, padlen: Any, x: Any, axis: int, taps: int) -> tuple[int, Any]:
    if padtype not in ("even", "odd", "constant", None):
        raise ValueError(
            f"Unknown value '{padtype}' given to padtype. padtype must be 'even', 'odd', 'constant', or None."
        )
    edge = 0 if padtype is None else taps * 3 if padlen is None else int(padlen)
    if shape_of(x)[axis] <= edge:
        raise ValueError(f"The length of the input vector x must be greater than padlen, which is {edge}.")
    return edge, extension(x, edge, padtype, axis)


def _both_ways(run: Callable[[Any, Any], Any], x: Any, edge: int, axis: int) -> Any:
    """A filter on x, and on its output from behind; ``run`` takes the signal and the sample that came before it."""
    ndim = len(shape_of(x))
    y = run(x, x[at(axis, ndim, slice(0, 1))])
    y = np.flip(y, axis)
    y = np.flip(run(y, y[at(axis, ndim, slice(0, 1))]), axis)
    return y[at(axis, ndim, slice(edge, shape_of(y)[axis] - edge))] if edge else y


def filtfilt(b: Any, a: Any, x: Any, axis: int = -1, padtype: Any = "odd", padlen: Any = None, method: str = "pad",
             irlen: Any = None) -> Any:  # fmt: skip
    """The filter forwards and backwards."""
    if method not in ("pad", "gust"):
        raise ValueError("method must be 'pad' or 'gust'.")
    b, a, x = _vector(b, "b"), _vector(a, "a"), floating(x)
    if method == "gust":
        return gustafsson(b, a, x, axis, irlen)
    edge, ext = _pad(padtype, padlen, x, axis, max(shape_of(a)[0], shape_of(b)[0]))
    ndim = len(shape_of(x))
    state = np.reshape(lfilter_zi(b, a), [-1 if i == axis % ndim else 1 for i in range(ndim)])
    return _both_ways(lambda s, first: lfilter(b, a, s, axis, zi=state * first)[0], ext, edge, axis)


def sosfiltfilt(sos: Any, x: Any, axis: int = -1, padtype: Any = "odd", padlen: Any = None) -> Any:
    """The sections forwards and backwards."""
    sos, x = _sections(sos), floating(x)
    value = plain(sos)
    taps = 2 * len(value) + 1 - min(int((value[:, 2] == 0).sum()), int((value[:, 5] == 0).sum()))
    edge, ext = _pad(padtype, padlen, x, axis, taps)
    ndim = len(shape_of(x))
    state = np.reshape(sosfilt_zi(sos), [len(value), *(2 if i == axis % ndim else 1 for i in range(ndim))])
    return _both_ways(lambda s, first: sosfilt(sos, s, axis, zi=state * first)[0], ext, edge, axis)


HANDLERS: dict[str, Callable[..., Any]] = {
    "lfilter": lfilter, "lfilter_zi": lfilter_zi, "lfiltic": lfiltic, "deconvolve": deconvolve, "sosfilt": sosfilt,
    "sosfilt_zi": sosfilt_zi, "filtfilt": filtfilt, "sosfiltfilt": sosfiltfilt,
}  # fmt: skip
