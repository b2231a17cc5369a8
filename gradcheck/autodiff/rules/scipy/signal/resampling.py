"""Resampling in the frequency domain and by filters, and what is near it: ``upfirdn``, ``decimate``, ``hilbert``."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.signal as ss

from gradcheck.autodiff.core import TRACED, any_active, is_complex, plain, plain_tree, shape_of
from gradcheck.autodiff.errors import unsupported
from gradcheck.autodiff.rules.scipy import fft
from gradcheck.autodiff.rules.scipy.linear import array, fit, floating, padded, same_as
from gradcheck.autodiff.rules.scipy.ndimage.extend import extend
from gradcheck.autodiff.rules.scipy.registry import original
from gradcheck.autodiff.rules.scipy.signal.convolution import convolve
from gradcheck.autodiff.rules.scipy.signal.recursive import filtfilt, lfilter, sosfilt, sosfiltfilt


def _ft(x: Any, n: int) -> Any:
    return fft.complex_transform(x, (n,), (-1,), None, "fftn")


def _ift(x: Any, n: int) -> Any:
    return fft.complex_transform(x, (n,), (-1,), None, "ifftn")


# -- analytic signals ------------------------------------------------------------------------------------------------


def _one_sided(n: int) -> Any:
    """The weights that leave out negative frequencies and double the positive ones."""
    w = np.zeros(n)
    w[0] = 1.0
    w[1 : (n + 1) // 2] = 2.0
    if n % 2 == 0:
        w[n // 2] = 1.0
    return w


def hilbert(x: Any, N: Any = None, axis: int = -1) -> Any:
    """The analytic signal."""
    x = floating(x)
    if is_complex(x):
        raise ValueError("x must be real.")
    n = shape_of(x)[axis] if N is None else int(plain(N))
    if n <= 0:
        raise ValueError("N must be positive.")
    moved = np.moveaxis(x, axis, -1)
    return np.moveaxis(_ift(_ft(moved, n) * _one_sided(n), n), -1, axis)


def hilbert2(x: Any, N: Any = None, axes: Any = (-2, -1)) -> Any:
    """The analytic signal of an image, over one quadrant of frequencies."""
    x = np.atleast_2d(floating(x))
    if is_complex(x):
        raise ValueError("x must be real.")
    moved = np.moveaxis(x, tuple(axes), (-2, -1))
    sizes = shape_of(moved)[-2:] if N is None else (N, N) if isinstance(N, int) else tuple(int(k) for k in N)
    # The weights as this version of SciPy sets them: what it makes of an impulse, in the frequency domain.
    impulse = np.zeros(sizes)
    impulse[0, 0] = 1.0
    weights = np.real(np.fft.fft2(original(ss, "hilbert2")(impulse))).round(9)
    spectrum = fft.complex_transform(moved, sizes, (-2, -1), None, "fftn") * weights
    return np.moveaxis(fft.complex_transform(spectrum, sizes, (-2, -1), None, "ifftn"), (-2, -1), tuple(axes))


def envelope(z: Any, bp_in: Any = (1, None), *, n_out: Any = None, squared: bool = False,
             residual: Any = "lowpass", axis: int = -1) -> Any:  # fmt: skip
    """The envelope of a bandpass part of a signal, and what the band leaves of it."""
    expected = original(ss, "envelope")(
        plain(floating(z)), bp_in, n_out=n_out, squared=squared, residual=residual, axis=axis
    )
    if residual is not None:
        raise unsupported("scipy.signal.envelope of traced values with a residual", "use residual=None")
    x = np.moveaxis(floating(z), axis, -1)
    n = shape_of(x)[-1]
    size = n if n_out is None else int(n_out)
    low = -(n // 2) if bp_in[0] is None else bp_in[0]
    high = (n + 1) // 2 if bp_in[1] is None else bp_in[1]
    spectrum = _ft(x, n)
    if not is_complex(x):
        k = np.arange(n)
        weights = np.where(k <= n // 2, 1.0, 0.0)
        if low > 0:
            weights[low:high] *= 2.0
        elif high > 0:
            weights[1:high] *= 2.0
        spectrum = spectrum * weights
    if low <= 0 < high:
        order = np.roll(np.arange(n), n // 2)
        band = spectrum[..., order[low + n // 2 : high + n // 2]]
    else:
        band = spectrum[..., np.arange(low, high) % n]
    y = _ift(band, size) * (size / n)
    y = np.real(y) ** 2 + np.imag(y) ** 2 if squared else np.abs(y)
    return same_as(np.moveaxis(y, -1, axis), expected, "scipy.signal.envelope")


# -- resample --------------------------------------------------------------------------------------------------------


def resample(x: Any, num: int, t: Any = None, axis: int = 0, window: Any = None, domain: str = "time") -> Any:
    """A periodic signal at another number of samples."""
    x = floating(x)
    num = int(plain(num))
    if domain not in ("time", "freq"):
        raise ValueError(f"Parameter domain={domain!r} not in ('time', 'freq')!")
    moved = np.moveaxis(x, axis, -1)
    n = shape_of(moved)[-1]
    w = _spectral_window(window, n)
    m = min(num, n)
    real = domain == "time" and not is_complex(x)
    spectrum = moved if domain == "freq" else _ft(moved, n)
    if w is not None:
        if real:  # SciPy makes the window symmetric
            w = (w + np.roll(w[::-1], 1)) / 2.0
        spectrum = spectrum * w
    half = m // 2 + 1
    low = spectrum[..., :half]
    high = spectrum[..., n - (m - half) :]
    if m % 2 == 0 and num != n:
        # The highest frequency of the shorter signal: both of its sides, or half of it on each side.
        if num < n:
            middle = spectrum[..., half - 1 : half] + spectrum[..., n - m // 2 : n - m // 2 + 1]
            low = np.concatenate([spectrum[..., : half - 1], middle], axis=-1)
        else:
            middle = spectrum[..., half - 1 : half] * 0.5
            low = np.concatenate([spectrum[..., : half - 1], middle], axis=-1)
            high = np.concatenate([middle, high], axis=-1)
    used = shape_of(low)[-1] + shape_of(high)[-1]
    gap = np.zeros((*shape_of(low)[:-1], num - used), plain(low).dtype)
    y = _ift(np.concatenate([low, gap, high], axis=-1) * (num / n), num)
    y = np.moveaxis(np.real(y) if real else y, -1, axis)
    arguments = (plain(x), num, None, axis, plain_tree(window), domain)
    same_as(y, original(ss, "resample")(*arguments), "scipy.signal.resample")
    if t is None:
        return y
    t = array(t)
    return y, np.arange(0, num) * (t[1] - t[0]) * n / float(num) + t[0]


def _spectral_window(window: Any, n: int) -> Any:
    if window is None:
        return None
    if callable(window):
        return window(np.fft.fftfreq(n))
    if type(window) in TRACED or isinstance(window, np.ndarray):
        if shape_of(window) != (n,):
            raise ValueError("window must have the same length as data")
        return window
    return np.fft.ifftshift(original(ss, "get_window")(plain_tree(window), n))


# -- polyphase filters -----------------------------------------------------------------------------------------------

# upfirdn's own names of extensions -> ours.
_MODES = {"constant": "constant", "symmetric": "reflect", "reflect": "mirror", "edge": "nearest", "wrap": "wrap"}


def upfirdn(h: Any, x: Any, up: int = 1, down: int = 1, axis: int = -1, mode: str = "constant", cval: Any = 0) -> Any:
    """Zeros inserted, filtered, every ``down``-th sample kept."""
    h, x = floating(h), floating(x)
    up, down = int(up), int(down)
    if len(shape_of(h)) != 1 or not shape_of(h)[0]:
        raise ValueError("h must be 1-D with non-zero length")
    if up < 1 or down < 1:
        raise ValueError("Both up and down must be >= 1")
    moved = np.moveaxis(x, axis, -1)
    n, taps = shape_of(moved)[-1], shape_of(h)[0]
    count = ((n - 1) * up + taps - 1) // down + 1
    if mode not in _MODES:
        raise unsupported(f"scipy.signal.upfirdn of traced values with mode={mode!r}")
    extra = 0
    if mode != "constant" or any_active(cval) or plain(cval) != 0:
        extra = -(-taps // up)
        moved = extend(moved, extra, extra, len(shape_of(moved)) - 1, _MODES[mode], cval)
    wide = shape_of(moved)[-1]
    if up > 1:
        spaced = np.stack([moved] + [np.zeros(shape_of(moved))] * (up - 1), axis=-1)
        moved = np.reshape(spaced, (*shape_of(moved)[:-1], wide * up))[..., : (wide - 1) * up + 1]
    kernel = np.reshape(h, (1,) * (len(shape_of(x)) - 1) + (-1,))
    y = convolve(moved, kernel)[..., extra * up :]
    y = fit(y, (count - 1) * down + 1, -1)[..., ::down]
    y = np.moveaxis(y, -1, axis)
    expected = original(ss, "upfirdn")(plain(h), plain(x), up, down, axis, mode, plain(cval))
    return same_as(y, expected, "scipy.signal.upfirdn")


_BACKGROUND: dict[str, Callable[..., Any]] = {
    "mean": np.mean, "median": np.median, "minimum": np.min, "maximum": np.max,
}  # fmt: skip


def resample_poly(x: Any, up: int, down: int, axis: int = 0, window: Any = ("kaiser", 5.0),
                  padtype: str = "constant", cval: Any = None) -> Any:  # fmt: skip
    """Resampling by a filter."""
    x = floating(x)
    if cval is not None and padtype != "constant":
        raise ValueError("cval has no effect when padtype is ", padtype)
    common = math.gcd(int(up), int(down))
    up, down = int(up) // common, int(down) // common
    if up < 1 or down < 1:
        raise ValueError("up and down must be >= 1")
    if up == down == 1:
        return np.copy(x)
    n = shape_of(x)[axis]
    count = -(-n * up // down)
    if isinstance(window, list | np.ndarray) or type(window) in TRACED:
        h = floating(window)
        half = (shape_of(h)[0] - 1) // 2
    else:
        half = 10 * max(up, down)
        h = original(ss, "firwin")(2 * half + 1, 1.0 / max(up, down), window=plain_tree(window))
        h = h.astype(plain(x).dtype) if not is_complex(x) else h
    before = down - half % down
    dropped = (half + before) // down
    after = 0
    while ((n - 1) * up + shape_of(h)[0] + before + after - 1) // down + 1 < count + dropped:
        after += 1
    h = padded(h * up, before, after, 0)
    background: Any = None
    mode = padtype
    if padtype in _BACKGROUND:
        background, mode = _BACKGROUND[padtype](x, axis=axis, keepdims=True), "constant"
    y = upfirdn(h, x if background is None else x - background, up, down, axis, mode, 0 if cval is None else cval)
    key: list[Any] = [slice(None)] * len(shape_of(x))
    key[axis] = slice(dropped, dropped + count)
    return y[tuple(key)] if background is None else y[tuple(key)] + background


def decimate(x: Any, q: int, n: Any = None, ftype: Any = "iir", axis: int = -1, zero_phase: bool = True) -> Any:
    """Filtered, and every q-th sample kept."""
    x = floating(x)
    q = operator.index(plain(q))
    order = None if n is None else operator.index(plain(n))
    key: list[Any] = [slice(None)] * len(shape_of(x))
    key[axis] = slice(None, None, q)
    if ftype == "fir":
        b = original(ss, "firwin")(20 * q + 1 if order is None else order + 1, 1.0 / q, window="hamming")
        if zero_phase:
            return resample_poly(x, 1, q, axis=axis, window=b)
        key[axis] = slice(None, -(-shape_of(x)[axis] // q))
        return upfirdn(b, x, 1, q, axis)[tuple(key)]
    if ftype != "iir":
        if isinstance(ftype, str):
            raise ValueError("invalid ftype")
        raise unsupported("scipy.signal.decimate of traced values with a dlti as its filter")
    design, order = original(ss, "cheby1"), 8 if order is None else order
    sos = design(order, 0.05, 0.8 / q, output="sos")
    y = sosfiltfilt(sos, x, axis) if zero_phase else sosfilt(sos, x, axis)
    expected = original(ss, "decimate")(plain(x), q, n, ftype, axis, zero_phase)
    if not np.allclose(plain(y[tuple(key)]), expected, 1e-9, 1e-9 * float(np.max(np.abs(expected), initial=0.0))):
        # Older versions filter with one high-order polynomial.
        b, a = design(order, 0.05, 0.8 / q)
        y = filtfilt(b, a, x, axis) if zero_phase else lfilter(b, a, x, axis)
    return same_as(y[tuple(key)], expected, "scipy.signal.decimate")


HANDLERS: dict[str, Callable[..., Any]] = {
    "hilbert": hilbert, "hilbert2": hilbert2, "envelope": envelope, "resample": resample, "upfirdn": upfirdn,
    "resample_poly": resample_poly, "decimate": decimate,
}  # fmt: skip
