"""Smoothing and trends: ``detrend``, Savitzky-Golay, rank filters, Wiener's filter.

Savitzky-Golay fits polynomials to windows, which is a fixed matrix: A. Savitzky, M. J. E. Golay, Analytical Chemistry
36 (1964) 1627. Wiener's filter: J. S. Lim, *Two-Dimensional Signal and Image Processing*, 1990, p. 548.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import scipy.signal as ss

from gradcheck.autodiff.core import plain, plain_tree, shape_of
from gradcheck.autodiff.rules.reductions import as_traced
from gradcheck.autodiff.rules.scipy.linear import array, at, axis_tuple, floating, matrix
from gradcheck.autodiff.rules.scipy.ndimage.filters import convolve1d
from gradcheck.autodiff.rules.scipy.ndimage.ranks import rank_filter
from gradcheck.autodiff.rules.scipy.registry import original
from gradcheck.autodiff.rules.scipy.signal.convolution import correlate


def detrend(data: Any, axis: int = -1, type: str = "linear", bp: Any = 0, overwrite_data: bool = False) -> Any:
    """The data less their mean, or less straight lines fitted between the break points: a projection."""
    if type not in ("linear", "l", "constant", "c"):
        raise ValueError("Trend type must be 'linear' or 'constant'.")
    x = floating(data)
    if type in ("constant", "c"):
        return x - np.mean(x, axis, keepdims=True)
    ndim = len(shape_of(x))
    (axis,) = axis_tuple(axis, ndim)
    n = shape_of(x)[axis]
    stops = np.unique(np.concatenate([np.atleast_1d(np.asarray(plain_tree(bp))), [0, n]])).astype(int)
    if np.any(stops > n):
        raise ValueError("Breakpoints must be less than length of data along given axis.")
    parts = []
    for start, stop in pairwise(stops):
        count = int(stop - start)
        q, _ = np.linalg.qr(np.stack([np.ones(count), np.arange(1.0, count + 1) / count], axis=1))
        part = x[at(axis, ndim, slice(int(start), int(stop)))]
        parts.append(part - matrix(q, matrix(q.T, part, axis), axis))
    return np.concatenate(parts, axis=axis).astype(plain(x).dtype)


# -- Savitzky-Golay --------------------------------------------------------------------------------------------------


def savgol_coeffs(window_length: int, polyorder: int, deriv: int = 0, delta: Any = 1.0, pos: Any = None,
                  use: str = "conv", **keywords: Any) -> Any:  # fmt: skip
    """The weights of the fitted polynomial's derivative; delta is the distance of samples."""
    unit = _coefficients(int(plain(window_length)), int(plain(polyorder)), int(plain(deriv)), plain(pos), use)
    return unit / as_traced(delta) ** int(plain(deriv))


def _coefficients(window: int, order: int, deriv: int, pos: Any, use: str) -> Any:
    return original(ss, "savgol_coeffs")(window, order, deriv, 1.0, pos, use)


def savgol_filter(x: Any, window_length: int, polyorder: int, deriv: int = 0, delta: Any = 1.0, axis: int = -1,
                  mode: str = "interp", cval: Any = 0.0) -> Any:  # fmt: skip
    """A polynomial fitted to each window, or its derivative, at the window's middle."""
    if mode not in ("mirror", "constant", "nearest", "interp", "wrap"):
        raise ValueError("mode must be 'mirror', 'constant', 'nearest' 'wrap' or 'interp'.")
    x = floating(x)
    ndim = len(shape_of(x))
    (axis,) = axis_tuple(axis, ndim)
    n, window, order, deriv = shape_of(x)[axis], int(window_length), int(polyorder), int(deriv)
    weights = savgol_coeffs(window, order, deriv, delta)
    if mode != "interp":
        return convolve1d(x, weights, axis, None, mode, cval)
    if window > n:
        raise ValueError("If mode is 'interp', window_length must be less than or equal to the size of x.")
    y = convolve1d(x, weights, axis, None, "constant")
    half = window // 2
    if not half:
        return y
    # Near the ends: the polynomials of the first and the last window, elsewhere than in their middle.
    powers = np.vander(np.arange(float(window)), order + 1, increasing=True)
    fitted = np.linalg.pinv(powers)
    sides = []
    for places, part in ((np.arange(half), slice(0, window)), (np.arange(window - half, window), slice(n - window, n))):
        columns = [math.perm(p, deriv) * places ** float(max(p - deriv, 0)) * (p >= deriv) for p in range(order + 1)]
        sides.append(matrix(np.stack(columns, axis=1) @ fitted, x[at(axis, ndim, part)], axis) / delta**deriv)
    middle = y[at(axis, ndim, slice(half, n - half))]
    return np.concatenate([sides[0], middle, sides[1]], axis=axis).astype(plain(x).dtype)


# -- ranks, Wiener ---------------------------------------------------------------------------------------------------


def medfilt(volume: Any, kernel_size: Any = None) -> Any:
    """The median of each window, zeros outside."""
    x = floating(volume)
    x = np.reshape(x, (1,)) if not shape_of(x) else x
    ndim = len(shape_of(x))
    size = np.broadcast_to(np.asarray(3 if kernel_size is None else plain_tree(kernel_size)), (ndim,))
    if np.any(size % 2 != 1):
        raise ValueError("Each element of kernel_size should be odd.")
    if any(k > n for k, n in zip(size, shape_of(x), strict=True)):
        warnings.warn("kernel_size exceeds volume extent: the volume will be zero-padded.", stacklevel=3)
    return rank_filter(x, int(np.prod(size)) // 2, size=[int(k) for k in size], mode="constant")


def medfilt2d(input: Any, kernel_size: Any = 3) -> Any:
    """:func:`medfilt` of an image."""
    x = floating(input)
    if len(shape_of(x)) != 2:
        raise ValueError("object too deep or too shallow for desired array")
    return medfilt(x, kernel_size)


def order_filter(a: Any, domain: Any, rank: int) -> Any:
    """The element of this rank in each window, zeros outside."""
    domain = np.asarray(plain_tree(domain))
    if any(n % 2 != 1 for n in domain.shape):
        raise ValueError("Each dimension of domain argument should have an odd number of elements.")
    return rank_filter(floating(a), rank, footprint=domain, mode="constant")


def wiener(im: Any, mysize: Any = None, noise: Any = None) -> Any:
    """The local mean, and of what is above the noise around it the rest."""
    x = floating(im)
    ndim = len(shape_of(x))
    size = np.broadcast_to(np.asarray(3 if mysize is None else plain_tree(mysize)), (ndim,))
    ones = np.ones([int(k) for k in size])
    mean = correlate(x, ones, "same") / float(ones.size)
    variance = correlate(x * x, ones, "same") / float(ones.size) - mean * mean
    level = np.mean(variance) if noise is None else array(noise)
    below = plain(variance) < plain(level)
    kept = mean + (x - mean) * (1.0 - level / np.where(below, 1.0, variance))
    return np.where(below, mean, kept)


HANDLERS: dict[str, Callable[..., Any]] = {
    "detrend": detrend, "savgol_coeffs": savgol_coeffs, "savgol_filter": savgol_filter, "medfilt": medfilt,
    "medfilt2d": medfilt2d, "order_filter": order_filter, "wiener": wiener,
}  # fmt: skip
