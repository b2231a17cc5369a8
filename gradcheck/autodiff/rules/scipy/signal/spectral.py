"""Spectra of segments: periodogram, Welch's method, cross spectra, coherence, spectrogram, short-time transforms.

All of them cut a signal into segments, take a trend away, multiply by a window and transform. Frequencies, times and
the checks of arguments are SciPy's own, from a call with plain values; the spectrum is computed again from traced ones,
and must come out as SciPy's did.

Source: P. D. Welch, IEEE Trans. Audio Electroacoust. 15 (1967) 70.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.signal as ss

from gradcheck.autodiff.core import TRACED, any_active, is_complex, plain, plain_tree, shape_of
from gradcheck.autodiff.errors import unsupported
from gradcheck.autodiff.rules.picking import SCATTER
from gradcheck.autodiff.rules.scipy import fft
from gradcheck.autodiff.rules.scipy.linear import fit, floating, padded, same_as
from gradcheck.autodiff.rules.scipy.registry import original
from gradcheck.autodiff.rules.scipy.signal.recursive import extension
from gradcheck.autodiff.rules.scipy.signal.smoothing import detrend as without_trend


def _window(window: Any, nperseg: Any, length: int, default: int = 256) -> tuple[Any, int]:
    if isinstance(window, str) or type(window) is tuple:
        nperseg = min(default if nperseg is None else int(nperseg), length)
        return original(ss, "get_window")(plain_tree(window), nperseg), nperseg
    win = floating(window)
    return win, shape_of(win)[0]


def _spectra(x: Any, win: Any, step: int, nfft: int, detrend: Any, onesided: bool, axis: int) -> Any:
    """The transforms of the windowed segments of x's last axis, shape (..., segment, frequency)."""
    n, nperseg = shape_of(x)[-1], shape_of(win)[0]
    starts = np.arange((n - nperseg) // step + 1) * step
    segments = x[..., starts[:, None] + np.arange(nperseg)]
    if callable(detrend):
        if axis != -1:
            segments = np.moveaxis(detrend(np.moveaxis(segments, -1, axis)), axis, -1)
        else:
            segments = detrend(segments)
    elif detrend:
        segments = without_trend(segments, type=detrend)
    if onesided:
        return fft.real_transform(segments * win, (nfft,), (-1,), None)
    return fft.complex_transform(segments * win, (nfft,), (-1,), None, "fftn")


def _scaled(spectrum: Any, win: Any, fs: Any, scaling: str, root: bool) -> Any:
    scale = 1.0 / (fs * np.sum(win * win)) if scaling == "density" else 1.0 / np.sum(win) ** 2
    return spectrum * (np.sqrt(scale) if root else scale)


def _doubled(p: Any, nfft: int) -> Any:
    """The powers of frequencies that stand for their negative too, along the last axis."""
    weight = np.full(shape_of(p)[-1], 2.0)
    weight[0] = 1.0
    if nfft % 2 == 0:
        weight[-1] = 1.0
    return p * weight


def _axes(values: Any, fs: Any) -> Any:
    """Frequencies are multiples of fs."""
    return values * (fs / plain(fs)) if any_active(fs) else values


def _cross(x: Any, y: Any, fs: Any, win: Any, noverlap: Any, nfft: Any, detrend: Any, onesided: bool, scaling: str,
           axis: int) -> Any:  # fmt: skip
    """conj(X)·Y of each segment: shape (..., segment, frequency)."""
    nperseg = shape_of(win)[0]
    size = nperseg if nfft is None else int(nfft)
    step = nperseg - (nperseg // 2 if noverlap is None else int(noverlap))
    parts = [np.moveaxis(x, axis, -1)] if y is x else [np.moveaxis(x, axis, -1), np.moveaxis(y, axis, -1)]
    length = max(shape_of(p)[-1] for p in parts)
    onesided = onesided and not any(is_complex(p) for p in parts)
    spectra = [_spectra(fit(p, length, -1), win, step, size, detrend, onesided, axis) for p in parts]
    product = np.real(spectra[0]) ** 2 + np.imag(spectra[0]) ** 2 if y is x else np.conjugate(spectra[0]) * spectra[1]
    product = _scaled(product, win, fs, scaling, False)
    return _doubled(product, size) if onesided else product


def _median_bias(n: int) -> float:
    """The mean of the median of n exponentially distributed numbers of mean 1."""
    return 1.0 + sum(1.0 / (k + 1) - 1.0 / k for k in range(2, n, 2))


def _averaged(p: Any, average: str) -> Any:
    n = shape_of(p)[-2]
    if n == 1:
        return p[..., 0, :]
    if average == "mean":
        return np.mean(p, axis=-2)
    bias = _median_bias(n)
    if is_complex(p):
        return (np.median(np.real(p), axis=-2) + 1j * np.median(np.imag(p), axis=-2)) / bias
    return np.median(p, axis=-2) / bias


def csd(x: Any, y: Any, fs: Any = 1.0, window: Any = "hann", nperseg: Any = None, noverlap: Any = None,
        nfft: Any = None, detrend: Any = "constant", return_onesided: bool = True, scaling: str = "density",
        axis: int = -1, average: str = "mean") -> Any:  # fmt: skip
    """The cross spectral density by Welch's method."""
    same = x is y
    x = floating(x)
    y = x if same else floating(y)
    f, expected = original(ss, "csd")(
        plain(x), plain(x) if same else plain(y), *plain_tree((fs, window, nperseg, noverlap, nfft)),
        _plain_detrend(detrend), return_onesided, scaling, axis, average,
    )  # fmt: skip
    if not expected.size:
        return f, expected
    win, _ = _window(window, nperseg, max(shape_of(x)[axis], shape_of(y)[axis]))
    p = _averaged(_cross(x, y, fs, win, noverlap, nfft, detrend, return_onesided, scaling, axis), average)
    return _axes(f, fs), same_as(np.moveaxis(p, -1, axis).astype(expected.dtype), expected, "scipy.signal.csd")


def _plain_detrend(detrend: Any) -> Any:
    """The user's function of plain values, for SciPy's own call."""
    return (lambda d: plain(detrend(d))) if callable(detrend) else detrend


def welch(x: Any, fs: Any = 1.0, window: Any = "hann", nperseg: Any = None, noverlap: Any = None, nfft: Any = None,
          detrend: Any = "constant", return_onesided: bool = True, scaling: str = "density", axis: int = -1,
          average: str = "mean") -> Any:  # fmt: skip
    """The power spectral density by Welch's method."""
    f, p = csd(x, x, fs, window, nperseg, noverlap, nfft, detrend, return_onesided, scaling, axis, average)
    return f, np.real(p)


def periodogram(x: Any, fs: Any = 1.0, window: Any = "boxcar", nfft: Any = None, detrend: Any = "constant",
                return_onesided: bool = True, scaling: str = "density", axis: int = -1) -> Any:  # fmt: skip
    """The power spectral density of the whole signal."""
    x = floating(x)
    n = shape_of(x)[axis]
    window = "boxcar" if window is None else window
    if nfft is not None and int(nfft) < n:
        x = np.moveaxis(np.moveaxis(x, axis, -1)[..., : int(nfft)], -1, axis)
        n = int(nfft)
        nfft = None
    f, expected = original(ss, "periodogram")(
        plain(x), *plain_tree((fs, window, nfft)), _plain_detrend(detrend), return_onesided, scaling, axis
    )
    if not expected.size:
        return f, expected
    win, _ = _window(window, n, n)
    p = _cross(x, x, fs, win, 0, nfft, detrend, return_onesided, scaling, axis)[..., 0, :]
    return _axes(f, fs), same_as(np.moveaxis(p, -1, axis).astype(expected.dtype), expected, "scipy.signal.periodogram")


def coherence(x: Any, y: Any, fs: Any = 1.0, window: Any = "hann", nperseg: Any = None, noverlap: Any = None,
              nfft: Any = None, detrend: Any = "constant", axis: int = -1) -> Any:  # fmt: skip
    """|Pxy|²/(Pxx·Pyy)."""
    rest: Any = (fs, window, nperseg, noverlap, nfft, detrend, True, "density", axis)
    f, pxx = welch(x, *rest)
    _, pyy = welch(y, *rest)
    _, pxy = csd(x, y, *rest)
    return f, (np.real(pxy) ** 2 + np.imag(pxy) ** 2) / pxx / pyy


def spectrogram(x: Any, fs: Any = 1.0, window: Any = ("tukey", 0.25), nperseg: Any = None, noverlap: Any = None,
                nfft: Any = None, detrend: Any = "constant", return_onesided: bool = True, scaling: str = "density",
                axis: int = -1, mode: str = "psd") -> Any:  # fmt: skip
    """The power, or the transform itself, of each segment."""
    x = floating(x)
    f, t, expected = original(ss, "spectrogram")(
        plain(x), *plain_tree((fs, window, nperseg, noverlap, nfft)), _plain_detrend(detrend), return_onesided,
        scaling, axis, mode,
    )  # fmt: skip
    win, nperseg = _window(window, nperseg, shape_of(x)[axis])
    noverlap = nperseg // 8 if noverlap is None else int(noverlap)
    if mode == "psd":
        s = _cross(x, x, fs, win, noverlap, nfft, detrend, return_onesided, scaling, axis)
    else:
        size = nperseg if nfft is None else int(nfft)
        onesided = return_onesided and not is_complex(x)
        s = _spectra(np.moveaxis(x, axis, -1), win, nperseg - noverlap, size, detrend, onesided, axis)
        s = _scaled(s, win, fs, scaling, True)
        if mode == "magnitude":
            s = np.abs(s)
        elif mode != "complex":
            s = np.angle(s)
    s = _placed(s, axis)
    if mode == "phase":  # unwrapping adds constants only
        s = s + (expected - plain(s))
    return _axes(f, fs), _times(t, fs), same_as(s.astype(expected.dtype), expected, "scipy.signal.spectrogram")


def _placed(s: Any, axis: int) -> Any:
    """(..., segment, frequency) with the frequencies on the signal's axis and the segments last."""
    s = np.moveaxis(s, -1, -2)
    return np.moveaxis(s, -2, axis if axis >= 0 else axis - 1)


def _times(t: Any, fs: Any) -> Any:
    return t * (plain(fs) / fs) if any_active(fs) else t


def stft(x: Any, fs: Any = 1.0, window: Any = "hann", nperseg: Any = 256, noverlap: Any = None, nfft: Any = None,
         detrend: Any = False, return_onesided: bool = True, boundary: Any = "zeros", padded: bool = True,
         axis: int = -1, scaling: str = "spectrum") -> Any:  # fmt: skip
    """The short-time Fourier transform."""
    x = floating(x)
    f, t, expected = original(ss, "stft")(
        plain(x), *plain_tree((fs, window, nperseg, noverlap, nfft)), _plain_detrend(detrend), return_onesided,
        boundary, padded, axis, scaling,
    )  # fmt: skip
    win, nperseg = _window(window, nperseg, shape_of(x)[axis])
    step = nperseg - (nperseg // 2 if noverlap is None else int(noverlap))
    y = extension(np.moveaxis(x, axis, -1), nperseg // 2, boundary, -1)
    if padded:
        y = _more(y, (-(shape_of(y)[-1] - nperseg) % step) % nperseg)
    onesided = return_onesided and not is_complex(x)
    s = _spectra(y, win, step, nperseg if nfft is None else int(nfft), detrend, onesided, axis)
    s = _scaled(s, win, fs, "density" if scaling == "psd" else scaling, True)
    s = _placed(s, axis).astype(expected.dtype)
    return _axes(f, fs), _times(t, fs), same_as(s, expected, "scipy.signal.stft")


def _more(x: Any, n: int) -> Any:
    return padded(x, 0, n, -1)


def istft(Zxx: Any, fs: Any = 1.0, window: Any = "hann", nperseg: Any = None, noverlap: Any = None, nfft: Any = None,
          input_onesided: bool = True, boundary: bool = True, time_axis: int = -1, freq_axis: int = -2,
          scaling: str = "spectrum") -> Any:  # fmt: skip
    """The signal whose short-time transform comes nearest."""
    z = floating(Zxx)
    t, expected = original(ss, "istft")(
        plain(z), *plain_tree((fs, window, nperseg, noverlap, nfft)), input_onesided, boundary, time_axis, freq_axis,
        scaling,
    )  # fmt: skip
    z = np.moveaxis(z, (time_axis, freq_axis), (-2, -1))  # (..., segment, frequency)
    count = shape_of(z)[-2]
    default = 2 * (shape_of(z)[-1] - 1) if input_onesided else shape_of(z)[-1]
    nperseg = default if nperseg is None else int(nperseg)
    if nfft is None:
        nfft = nperseg if input_onesided and nperseg == default + 1 else default
    step = nperseg - (nperseg // 2 if noverlap is None else int(noverlap))
    if type(window) in TRACED or not (isinstance(window, str) or type(window) is tuple):
        win = floating(window)
    else:
        win = original(ss, "get_window")(plain_tree(window), nperseg)
    if input_onesided:
        pieces = fft.real_inverse(z, (int(nfft),), (-1,), None)
    else:
        pieces = fft.complex_transform(z, (int(nfft),), (-1,), None, "ifftn")
    size = np.sum(win) if scaling == "spectrum" else np.sqrt(fs * np.sum(win * win))
    pieces = pieces[..., :nperseg] * (win * size)
    index = np.arange(count)[:, None] * step + np.arange(nperseg)
    total = nperseg + (count - 1) * step
    y = SCATTER(pieces, key=(Ellipsis, index), shape=(*shape_of(z)[:-2], total))
    norm = SCATTER(np.ones((count, 1)) * (win * win), key=(index,), shape=(total,))
    if boundary:
        y, norm = y[..., nperseg // 2 : -(nperseg // 2)], norm[..., nperseg // 2 : -(nperseg // 2)]
    y = y / np.where(plain(norm) > 1e-10, norm, 1.0)
    if len(shape_of(y)) > 1 and time_axis % len(shape_of(Zxx)) != len(shape_of(Zxx)) - 1:
        ahead = freq_axis % len(shape_of(Zxx)) < time_axis % len(shape_of(Zxx))
        y = np.moveaxis(y, -1, time_axis % len(shape_of(Zxx)) - ahead)
    return _times(t, fs), same_as(y.astype(expected.dtype), expected, "scipy.signal.istft")


def lombscargle(x: Any, y: Any, freqs: Any, *args: Any, normalize: Any = False, weights: Any = None,
                floating_mean: bool = False, **keywords: Any) -> Any:  # fmt: skip
    """The periodogram of samples at any times."""
    if args or any(v is not False for v in keywords.values()):
        raise unsupported("scipy.signal.lombscargle of traced values with precenter")
    given = {
        k: v
        for k, v in (("weights", plain_tree(weights)), ("floating_mean", floating_mean))
        if v is not None and v is not False
    }
    x, y, freqs = floating(x), floating(y), floating(freqs)
    expected = original(ss, "lombscargle")(plain(x), plain(y), plain(freqs), normalize=normalize, **given)
    w = np.ones(shape_of(y)) if weights is None else floating(weights)
    w = w / np.sum(w)
    angle = np.reshape(freqs, (1, -1)) * np.reshape(x, (-1, 1))
    c, s = np.cos(angle), np.sin(angle)
    wy = w * y
    mean = np.sum(wy)
    cc = w @ (c * c)
    ss_, cs = 1.0 - cc, w @ (c * s)
    if floating_mean:
        mc, ms = w @ c, w @ s
        cc, ss_, cs = cc - mc * mc, ss_ - ms * ms, cs - mc * ms
    tau = 0.5 * np.arctan2(2.0 * cs, cc - ss_)
    c, s = np.cos(angle - tau), np.sin(angle - tau)
    yc, ys, cc = wy @ c, wy @ s, w @ (c * c)
    ss_ = 1.0 - cc
    if floating_mean:
        mc, ms = w @ c, w @ s
        yc, ys, cc, ss_ = yc - mean * mc, ys - mean * ms, cc - mc * mc, ss_ - ms * ms
    tiny = np.finfo(np.float64).epsneg
    a, b = yc / np.maximum(cc, tiny), ys / np.maximum(ss_, tiny)
    power = 2.0 * (a * yc + b * ys)
    if normalize in (True, "normalize"):
        power = power * 0.5 / (wy @ y - (mean * mean if floating_mean else 0.0))
    elif normalize == "amplitude":
        power = (a + 1j * b) * np.exp(1j * tau)
    else:
        power = power * (shape_of(x)[0] / 4.0)
    return same_as(np.squeeze(power), expected, "scipy.signal.lombscargle")


HANDLERS: dict[str, Callable[..., Any]] = {
    "csd": csd, "welch": welch, "periodogram": periodogram, "coherence": coherence, "spectrogram": spectrogram,
    "stft": stft, "istft": istft, "lombscargle": lombscargle,
}  # fmt: skip
