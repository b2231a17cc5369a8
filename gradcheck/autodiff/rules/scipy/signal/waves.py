"""Waveforms: functions of time, and of their own parameters."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.signal as ss

from gradcheck.autodiff.core import TRACED, plain, plain_tree, shape_of
from gradcheck.autodiff.rules.reductions import as_traced
from gradcheck.autodiff.rules.scipy.linear import array, floating, same_as
from gradcheck.autodiff.rules.scipy.registry import original

_2PI = 2.0 * math.pi


def _phase(t: Any, f0: Any, t1: Any, f1: Any, method: str, vertex_zero: bool) -> Any:
    """2π times the integral of the frequency from 0 to t."""
    if method in ("linear", "lin", "li"):
        return _2PI * (f0 * t + 0.5 * (f1 - f0) / t1 * t * t)
    if method in ("quadratic", "quad", "q"):
        beta = (f1 - f0) / (t1 * t1)
        if vertex_zero:
            return _2PI * (f0 * t + beta * t**3 / 3.0)
        return _2PI * (f1 * t + beta * ((t1 - t) ** 3 - t1**3) / 3.0)
    if method in ("logarithmic", "log", "lo"):
        if plain(f0) * plain(f1) <= 0.0:
            raise ValueError("For a logarithmic chirp, f0 and f1 must be nonzero and have the same sign.")
        if plain(f0) == plain(f1):
            # (e^{ct/t1} − 1)·t1/c·f0 with c = log(f1/f0), to second order in c.
            c = np.log(f1 / f0)
            return _2PI * f0 * t * (1.0 + c * t / t1 / 2.0 * (1.0 + c * t / t1 / 3.0))
        c = np.log(f1 / f0)
        return _2PI * (t1 / c) * f0 * np.expm1(c * t / t1)
    if method in ("hyperbolic", "hyp"):
        if plain(f0) == 0 or plain(f1) == 0:
            raise ValueError("For a hyperbolic chirp, f0 and f1 must be nonzero.")
        if plain(f0) == plain(f1):
            return _2PI * f0 * t + (f1 - f0) * (math.pi / t1) * t * t
        singular = -f1 * t1 / (f0 - f1)
        return _2PI * (-singular * f0) * np.log(np.abs(1.0 - t / singular))
    raise ValueError(
        f"method must be 'linear', 'quadratic', 'logarithmic', or 'hyperbolic', but a value of {method!r} was given."
    )


def chirp(t: Any, f0: Any, t1: Any, f1: Any, method: str = "linear", phi: Any = 0, vertex_zero: bool = True, *,
          complex: bool = False) -> Any:  # fmt: skip
    """A wave whose frequency changes."""
    given = {"complex": True} if complex else {}
    expected = original(ss, "chirp")(*plain_tree((t, f0, t1, f1)), method, plain(phi), vertex_zero, **given)
    t = as_traced(t)
    t = t if type(t) in TRACED else np.asarray(t, dtype=np.float64)[()]
    angle = _phase(t, f0, t1, f1, method, vertex_zero) + phi * (math.pi / 180.0)
    y = np.cos(angle) + 1j * np.sin(angle) if complex else np.cos(angle)
    return same_as(y, expected, "scipy.signal.chirp")


def gausspulse(t: Any, fc: Any = 1000, bw: Any = 0.5, bwr: Any = -6, tpr: Any = -60, retquad: bool = False,
               retenv: bool = False) -> Any:  # fmt: skip
    """A wave under a Gaussian."""
    original(ss, "gausspulse")(0.0, *plain_tree((fc, bw, bwr, tpr)))  # SciPy's own checks
    ref = 10.0 ** (bwr / 20.0)
    a = -((math.pi * fc * bw) ** 2) / (4.0 * np.log(ref))
    if isinstance(t, str):
        if t != "cutoff":
            raise ValueError("If `t` is a string, it must be 'cutoff'")
        if plain(tpr) >= 0:
            raise ValueError("Reference level for time cutoff must be < 0 dB")
        return np.sqrt(-np.log(10.0 ** (tpr / 20.0)) / a)
    t = as_traced(t)
    t = t if type(t) in TRACED else np.asarray(t, dtype=np.float64)[()]
    envelope = np.exp(-a * t * t)
    wave, quadrature = envelope * np.cos(_2PI * fc * t), envelope * np.sin(_2PI * fc * t)
    results = (wave, *((quadrature,) if retquad else ()), *((envelope,) if retenv else ()))
    return results if len(results) > 1 else wave


def sawtooth(t: Any, width: Any = 1) -> Any:
    """Linear up for a part ``width`` of 2π, and linear down."""
    expected = original(ss, "sawtooth")(plain_tree(t), plain_tree(width))
    t, w = floating(t), floating(width)
    phase = t - np.floor(plain(t) / _2PI) * _2PI
    wide, inside = np.broadcast_arrays(plain(w), plain(phase))
    rising = inside < wide * _2PI
    up = phase / (math.pi * np.where(plain(w) == 0, 1.0, w)) - 1.0
    down = (math.pi * (w + 1.0) - phase) / (math.pi * np.where(plain(w) == 1, 1.0, 1.0 - w))
    y = np.where((wide > 1) | (wide < 0), np.nan, np.where(rising, up, down))
    return same_as(y if np.ndim(expected) else np.reshape(y, ()), expected, "scipy.signal.sawtooth")


def sweep_poly(t: Any, poly: Any, phi: Any = 0) -> Any:
    """A wave whose frequency is a polynomial of time."""
    coefficients = array(poly.coeffs if isinstance(poly, np.poly1d) else poly)
    n = shape_of(coefficients)[0]
    integral = np.concatenate([coefficients / np.arange(n, 0, -1.0), np.zeros(1)])
    t = as_traced(t)
    t = t if type(t) in TRACED else np.asarray(t, dtype=np.float64)[()]
    return np.cos(_2PI * np.polyval(integral, t) + phi * (math.pi / 180.0))


HANDLERS: dict[str, Callable[..., Any]] = {
    "chirp": chirp, "gausspulse": gausspulse, "sawtooth": sawtooth, "sweep_poly": sweep_poly,
}  # fmt: skip
