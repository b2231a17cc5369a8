"""Linear functions of signals that are written down as matrices: splines of signals, systems driven by an input, and
the objects that SciPy makes of plain numbers and applies to signals.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.signal as ss

from gradcheck.autodiff.core import any_active, is_complex, plain_tree, shape_of
from gradcheck.autodiff.errors import unsupported
from gradcheck.autodiff.fallback import numeric
from gradcheck.autodiff.rules.scipy.dense import DENSE, along_axis
from gradcheck.autodiff.rules.scipy.linear import constant_only, floating
from gradcheck.autodiff.rules.scipy.registry import methods, original


def gustafsson(b: Any, a: Any, x: Any, axis: int, irlen: Any) -> Any:
    """``filtfilt`` with Gustafsson's choice of initial states."""
    constant_only("scipy.signal.filtfilt with method='gust'", b=b, a=a)
    b, a = plain_tree(b), plain_tree(a)
    function = original(ss, "filtfilt")
    return along_axis(
        x, axis, lambda s: function(b, a, s, method="gust", irlen=irlen), "scipy.signal.filtfilt with method='gust'"
    )


def _line_by_line(name: str) -> Callable[..., Any]:
    """A function of one signal: linear in it, numeric in its parameters."""
    function = original(ss, name)
    fallback = numeric(function, f"scipy.signal.{name}")

    def handler(signal: Any, *parameters: Any, **keywords: Any) -> Any:
        if any_active(parameters) or any_active(keywords):
            return fallback(signal, *parameters, **keywords)
        rest, named = plain_tree(parameters), plain_tree(keywords)

        def each(rows: Any) -> Any:
            return np.stack([function(np.array(r), *rest, **named) for r in rows])

        x = floating(signal)
        if len(shape_of(x)) != 1:
            return fallback(signal, *parameters, **keywords)
        return DENSE(np.reshape(x, (1, -1)), function=each, name=f"scipy.signal.{name}")[0]

    return handler


def _image(name: str) -> Callable[..., Any]:
    """A function of one image: linear in it, numeric in its parameters."""
    function = original(ss, name)
    fallback = numeric(function, f"scipy.signal.{name}")

    def handler(image: Any, *parameters: Any, **keywords: Any) -> Any:
        if any_active(parameters) or any_active(keywords):
            return fallback(image, *parameters, **keywords)
        rest, named = plain_tree(parameters), plain_tree(keywords)
        x = floating(image)
        shape = shape_of(x)

        def each(rows: Any) -> Any:
            return np.stack([function(np.array(r).reshape(shape), *rest, **named) for r in rows])

        return DENSE(np.reshape(x, (1, -1)), function=each, name=f"scipy.signal.{name}")[0]

    return handler


HANDLERS: dict[str, Callable[..., Any]] = {
    **{name: _line_by_line(name) for name in ("cspline1d", "qspline1d", "symiirorder1", "symiirorder2")},
    **{name: _image(name) for name in ("cspline2d", "qspline2d", "sepfir2d")},
}


# -- lsim, dlsim: linear in the input --------------------------------------------------------------------------------


def _driven(name: str) -> Callable[..., Any]:
    """The response of a linear system: affine in its input, numeric in everything else."""
    function = original(ss, name)
    fallback = numeric(function, f"scipy.signal.{name}")

    def handler(system: Any, u: Any, *args: Any, **keywords: Any) -> Any:
        if any_active(system) or any_active(args) or any_active(keywords):
            return fallback(system, u, *args, **keywords)
        system, args, keywords = plain_tree(system), plain_tree(args), plain_tree(keywords)
        x = floating(u)
        shape = shape_of(x)
        free = function(system, np.zeros(shape), *args, **keywords)

        def each(rows: Any) -> Any:
            found = [function(system, np.array(r).reshape(shape), *args, **keywords) for r in rows]
            parts = [[np.ravel(f[k] - free[k]) for k in range(1, len(free))] for f in found]
            return np.stack([np.concatenate(p) for p in parts])

        y = DENSE(np.reshape(x, (1, -1)), function=each, name=f"scipy.signal.{name}")[0]
        out, start = [free[0]], 0
        for part in free[1:]:
            out.append(part + np.reshape(y[start : start + part.size], part.shape))
            start += part.size
        return tuple(out)

    return handler


def _lsim(system: Any, U: Any, T: Any, X0: Any = None, interp: bool = True) -> Any:
    return _driven_lsim(system, U, T, X0, interp)


_driven_lsim = _driven("lsim")
_driven_dlsim = _driven("dlsim")
HANDLERS |= {"lsim": _lsim, "dlsim": lambda system, u, t=None, x0=None: _driven_dlsim(system, u, t, x0)}


# -- ShortTimeFFT, CZT, ZoomFFT: objects made of plain numbers -------------------------------------------------------


# The classes themselves: their names are replaced while a trace is running.
_STFT, _CZT = ss.ShortTimeFFT, ss.CZT


def _stft(self: Any, x: Any, p0: Any = None, p1: Any = None, *, k_offset: int = 0, padding: Any = "zeros",
          axis: int = -1) -> Any:  # fmt: skip
    x = floating(x)
    moved = np.moveaxis(x, axis, -1)
    shape = shape_of(moved)
    method = original(_STFT, "stft")

    def rows(s: Any) -> Any:
        return method(self, s, p0, p1, k_offset=k_offset, padding=padding)

    y = DENSE(np.reshape(moved, (math.prod(shape[:-1]), shape[-1])), function=rows, name="ShortTimeFFT.stft")
    y = np.reshape(y, (*shape[:-1], *shape_of(y)[1:]))
    # The frequencies take the signal's axis, the times come last.
    return np.moveaxis(y, -2, axis if axis >= 0 else axis - 1)


def _spectrogram(self: Any, x: Any, y: Any = None, detr: Any = None, **keywords: Any) -> Any:
    if y is not None or detr is not None:
        raise unsupported("ShortTimeFFT.spectrogram of traced values with y or detr")
    s = _stft(self, x, **keywords)
    return np.real(s) ** 2 + np.imag(s) ** 2


def _istft(self: Any, S: Any, k0: int = 0, k1: Any = None, *, f_axis: int = -2, t_axis: int = -1) -> Any:
    S = np.moveaxis(floating(S), (f_axis, t_axis), (-2, -1))
    shape = shape_of(S)
    size = shape[-2] * shape[-1]
    method = original(_STFT, "istft")
    flat = np.reshape(S, (math.prod(shape[:-2]), size))
    # Real and imaginary parts apart: a one-sided spectrum is not linear in complex numbers.
    flat = np.concatenate([np.real(flat), np.imag(flat) if is_complex(flat) else flat * 0.0], axis=1)

    def rows(r: Any) -> Any:
        return method(self, (r[:, :size] + 1j * r[:, size:]).reshape(-1, *shape[-2:]), k0, k1)

    y = DENSE(flat, function=rows, name="ShortTimeFFT.istft")
    if len(shape) > 2 and (f_axis, t_axis) != (-2, -1):
        raise unsupported("ShortTimeFFT.istft of traced values with f_axis or t_axis and more than two dimensions")
    return np.reshape(y, (*shape[:-2], *shape_of(y)[1:]))


def _chirp(self: Any, x: Any, *, axis: int = -1) -> Any:
    call = original(_CZT, "__call__")
    return along_axis(floating(x), axis, lambda s: call(self, s), type(self).__name__)


def _by_object(make: str) -> Callable[..., Any]:
    """``czt`` and ``zoom_fft``: SciPy makes an object of the parameters and applies it."""
    fallback = numeric(original(ss, {"CZT": "czt", "ZoomFFT": "zoom_fft"}[make]), f"scipy.signal.{make}")

    def handler(x: Any, *parameters: Any, axis: int = -1, **keywords: Any) -> Any:
        if any_active(parameters) or any_active(keywords):
            return fallback(x, *parameters, axis=axis, **keywords)
        x = floating(x)
        transform = original(ss, make)(shape_of(x)[axis], *plain_tree(parameters), **plain_tree(keywords))
        return _chirp(transform, x, axis=axis)

    return handler


HANDLERS |= {"czt": _by_object("CZT"), "zoom_fft": _by_object("ZoomFFT")}
methods(_STFT, {"stft": _stft, "istft": _istft, "spectrogram": _spectrogram})
methods(_CZT, {"__call__": _chirp})  # ZoomFFT is a CZT
