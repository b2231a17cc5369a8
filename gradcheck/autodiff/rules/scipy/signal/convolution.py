"""Convolution and correlation in any number of dimensions, by sums or by Fourier transforms.

The full convolution is the one primitive, beside its part without edges where that is all that is asked for. It is
linear in both operands; its transpose in one of them is a part of the full convolution of the cotangent with the other,
turned round. Modes are parts of it, boundaries extensions of the first operand, and a correlation is a convolution with
the second operand turned round and conjugated.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.signal as ss

from gradcheck.autodiff.core import TRACED, Primitive, is_complex, plain, shape_of
from gradcheck.autodiff.rules.scipy import fft
from gradcheck.autodiff.rules.scipy.linear import axis_tuple, floating
from gradcheck.autodiff.rules.scipy.ndimage.extend import extend
from gradcheck.autodiff.rules.scipy.registry import original


def _full(a: Any, b: Any, *, method: str) -> Any:
    if type(a) in TRACED or type(b) in TRACED:
        return FULL(a, b, method=method)
    if method == "direct" and np.ndim(a) == 2:  # three times as fast as in any number of dimensions
        return original(ss, "convolve2d")(a, b, "full")
    return original(ss, "convolve")(a, b, "full", method)


def _inner(a: Any, b: Any) -> Any:
    """Where all of b lies within a, by sums."""
    if type(a) in TRACED or type(b) in TRACED:
        return INNER(a, b)
    return original(ss, "convolve2d" if np.ndim(a) == 2 else "convolve")(a, b, "valid")


def _inner_vjp_first(_y: Any, _a: Any, b: Any) -> Any:
    return lambda g: _full(g, np.flip(b), method="direct")


def _inner_vjp_second(_y: Any, a: Any, b: Any) -> Any:
    shape = shape_of(b)
    return lambda g: np.flip(_overlap(a, g, shape, "direct"))


def _vjp(k: int) -> Callable[..., Any]:
    def vjp(_y: Any, *operands: Any, method: str) -> Any:
        own, other = shape_of(operands[k]), operands[1 - k]
        return lambda g: _overlap(g, other, own, method)

    return vjp


# Up to so many weights, or so many results, one NumPy operation for each is faster than SciPy's loop; one for each
# result also where it is a sum of more than so many terms.
_FEW, _LONG = 64, 1024


def _overlap(g: Any, other: Any, shape: tuple[int, ...], method: str) -> Any:
    """Σ g[i + k]·other[k], of this shape: where the smaller ``other`` lies within g, only that is summed up."""
    plainly = type(g) is np.ndarray and type(other) is np.ndarray and method == "direct"
    if plainly and g.size > _FEW and (math.prod(shape) <= _FEW or other.size > _LONG):
        return _sums(g, other, shape)
    if plainly and other.size <= _FEW < g.size:
        y = np.zeros(shape, np.result_type(g, other))
        for start in np.ndindex(*other.shape):
            y += g[tuple(slice(s, s + n) for s, n in zip(start, shape, strict=True))] * other[start]
        return y
    b = np.flip(other)
    if type(g) in TRACED or type(b) in TRACED:
        return FULL(g, b, method=method)[
            tuple(slice(m - 1, m - 1 + n) for n, m in zip(shape, shape_of(b), strict=True))
        ]
    if method == "direct" and np.ndim(g) == 2:
        return original(ss, "convolve2d")(g, b, "valid")
    return original(ss, "convolve")(g, b, "valid", method)


def _sums(g: Any, other: Any, shape: tuple[int, ...]) -> Any:
    """Σ g[i + k]·other[k], of a small shape: a product of vectors for each.

    With zeros behind its rows ``other`` lies in memory as g does, and what it is multiplied with is one piece of g.
    """
    g = np.ascontiguousarray(g)
    wide = np.zeros((other.shape[0], *g.shape[1:]), other.dtype)
    wide[tuple(map(slice, other.shape))] = other
    flat = g.reshape(-1)
    length = int(np.ravel_multi_index([n - 1 for n in other.shape], wide.shape)) + 1
    weights = wide.reshape(-1)[:length]
    steps = [stride // g.itemsize for stride in g.strides]
    starts = [sum(map(operator.mul, start, steps)) for start in np.ndindex(*shape)]
    sums = np.array([np.dot(flat[start : start + length], weights) for start in starts]).reshape(shape)
    if np.isfinite(sums).all():
        return sums
    # The zeros have met what is infinite, perhaps.
    sizes = other.shape
    parts = [g[tuple(slice(s, s + n) for s, n in zip(start, sizes, strict=True))] for start in np.ndindex(*shape)]
    return np.array([np.dot(part.reshape(-1), other.reshape(-1)) for part in parts]).reshape(shape)


FULL: Primitive = Primitive(_full, [_vjp(0), _vjp(1)], ["linear", "linear"], name="scipy.signal.convolve")


INNER = Primitive(_inner, [_inner_vjp_first, _inner_vjp_second], ["linear", "linear"], name="scipy.signal.convolve")


def _same(y: Any, n: tuple[int, ...]) -> Any:
    """The middle part of this shape."""
    start = [(have - want) // 2 for have, want in zip(shape_of(y), n, strict=True)]
    return y[tuple(slice(s, s + want) for s, want in zip(start, n, strict=True))]


def _part(y: Any, na: tuple[int, ...], nb: tuple[int, ...], mode: str) -> Any:
    if mode == "full":
        return y
    if mode == "same":
        return _same(y, na)
    if mode != "valid":
        raise ValueError("acceptable mode flags are 'valid', 'same', or 'full'")
    pairs = list(zip(na, nb, strict=True))
    if not (all(n >= m for n, m in pairs) or all(n <= m for n, m in pairs)):
        raise ValueError("For 'valid' mode, one must be at least as large as the other in every dimension")
    return y[tuple(slice(min(n, m) - 1, max(n, m)) for n, m in pairs)]


def _convolved(a: Any, b: Any, mode: str, method: str) -> Any:
    na, nb = shape_of(a), shape_of(b)
    if not na and not nb:
        return a * b
    if len(na) != len(nb):
        raise ValueError("in1 and in2 should have the same dimensionality")
    if 0 in na + nb:
        return original(ss, "convolve")(plain(a), plain(b), mode)
    if method == "auto":
        method = original(ss, "choose_conv_method")(plain(a), plain(b), mode)
    if mode == "valid" and method == "direct" and all(n >= m for n, m in zip(na, nb, strict=True)):
        return INNER(a, b)
    return _part(FULL(a, b, method=method), na, nb, mode)


def _turned(b: Any) -> Any:
    return np.conjugate(np.flip(b)) if is_complex(b) else np.flip(b)


def convolve(in1: Any, in2: Any, mode: str = "full", method: str = "auto") -> Any:
    """Σ a[k]·b[i − k]."""
    return _convolved(floating(in1), floating(in2), mode, method)


def correlate(in1: Any, in2: Any, mode: str = "full", method: str = "auto") -> Any:
    """Σ a[k]·conj(b[k − i])."""
    a, b = floating(in1), floating(in2)
    if not shape_of(a) and not shape_of(b):
        return a * np.conjugate(b)
    return _convolved(a, _turned(b), mode, method)


def _by_fourier(in1: Any, in2: Any, mode: str = "full", axes: Any = None) -> Any:
    """``fftconvolve`` and ``oaconvolve``; along some axes only, the others broadcast."""
    a, b = floating(in1), floating(in2)
    if not shape_of(a) and not shape_of(b):
        return a * b
    ndim = len(shape_of(a))
    if ndim != len(shape_of(b)):
        raise ValueError("in1 and in2 should have the same dimensionality")
    chosen = axis_tuple(axes, ndim)
    if len(chosen) == ndim or 0 in shape_of(a) + shape_of(b):
        return _convolved(a, b, mode, "fft")
    na, nb = shape_of(a), shape_of(b)
    size = tuple(na[i] + nb[i] - 1 for i in chosen)
    if is_complex(a) or is_complex(b):
        spectrum = fft.complex_transform(a, size, chosen, None, "fftn") * fft.complex_transform(
            b, size, chosen, None, "fftn"
        )
        y = fft.complex_transform(spectrum, size, chosen, None, "ifftn")
    else:
        spectrum = fft.real_transform(a, size, chosen, None) * fft.real_transform(b, size, chosen, None)
        y = fft.real_inverse(spectrum, size, chosen, None)
    rest = tuple(i for i in range(ndim) if i not in chosen)
    broad = np.broadcast_shapes(tuple(na[i] for i in rest), tuple(nb[i] for i in rest))
    full_a, full_b = list(na), list(nb)
    for i, n in zip(rest, broad, strict=True):
        # An axis that is not convolved is as long in the result as in either operand.
        full_a[i], full_b[i] = n, 1
    if mode == "valid":
        full_b = [n if i in rest else m for i, (n, m) in enumerate(zip(full_a, full_b, strict=True))]
        key = tuple(slice(None) if i in rest else slice(min(na[i], nb[i]) - 1, max(na[i], nb[i])) for i in range(ndim))
        return y[key]
    return _part(y, tuple(full_a), tuple(full_b), mode)


_BOUNDARY = {"fill": "constant", "pad": "constant", "wrap": "wrap", "circular": "wrap", "symm": "reflect",
             "symmetric": "reflect"}  # fmt: skip


def _plane(in1: Any, in2: Any, mode: str, boundary: str, fillvalue: Any, turn: bool) -> Any:
    a, b = floating(in1), floating(in2)
    if not len(shape_of(a)) == len(shape_of(b)) == 2:
        raise ValueError("convolve2d inputs must both be 2-D arrays")
    b = _turned(b) if turn else b
    if mode == "valid":
        return _convolved(a, b, mode, "direct")
    if boundary not in _BOUNDARY:
        raise ValueError("Acceptable boundary flags are 'fill', 'circular' (or 'wrap'), and 'symmetric' (or 'symm').")
    na, nb = shape_of(a), shape_of(b)
    for axis in (0, 1):
        a = extend(a, nb[axis] - 1, nb[axis] - 1, axis, _BOUNDARY[boundary], fillvalue)
    inner = tuple(slice(m - 1, n + 2 * m - 2) for n, m in zip(na, nb, strict=True))
    y = FULL(a, b, method="direct")[inner]
    if turn and mode == "same":  # the middle of weights of even size is the other of the two in the middle
        return y[tuple(slice(m // 2, m // 2 + n) for n, m in zip(na, nb, strict=True))]
    return _part(y, na, nb, mode)


def convolve2d(in1: Any, in2: Any, mode: str = "full", boundary: str = "fill", fillvalue: Any = 0) -> Any:
    """Convolution of images, continued at their edges."""
    return _plane(in1, in2, mode, boundary, fillvalue, False)


def correlate2d(in1: Any, in2: Any, mode: str = "full", boundary: str = "fill", fillvalue: Any = 0) -> Any:
    """Correlation of images, continued at their edges."""
    return _plane(in1, in2, mode, boundary, fillvalue, True)


HANDLERS: dict[str, Callable[..., Any]] = {
    "convolve": convolve, "correlate": correlate, "fftconvolve": _by_fourier, "oaconvolve": _by_fourier,
    "convolve2d": convolve2d, "correlate2d": correlate2d,
}  # fmt: skip
