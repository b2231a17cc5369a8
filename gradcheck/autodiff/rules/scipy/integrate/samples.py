"""Integrals of samples: trapezoid, simpson, romb and their cumulative kin.

All are sums of samples with weights that are rational functions of the spacings, written here in NumPy functions that
have rules, so that samples and abscissae are differentiated alike, to any order. SciPy's own function is called on the
plain values first: what it rejects is rejected.

Source: Abramowitz & Stegun 25.4 (trapezoidal rule, Simpson's rule, Romberg's extrapolation 25.4.1); for unequal
spacings and an even number of points K. Cartwright, *Simpson's rule cumulative integration with MS Excel and
irregularly-spaced data*, J. Math. Sci. Math. Educ. 12 (2017).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.integrate

from gradcheck.autodiff.core import plain, plain_tree, shape_of
from gradcheck.autodiff.errors import unsupported
from gradcheck.autodiff.rules.reductions import as_traced
from gradcheck.autodiff.rules.scipy.registry import original, replace
from gradcheck.autodiff.rules.scipy.registry import plain as not_differentiable


def _floating(y: Any) -> Any:
    y = as_traced(y)
    return y if np.result_type(plain(y)).kind in "fc" else np.asarray(y) * 1.0


def _spacings(y: Any, x: Any, dx: Any, axis: int) -> Any:
    """The distances of neighbouring samples, along the last axis, in a shape that broadcasts with y's."""
    n = shape_of(y)[-1]
    if x is None:
        dx = as_traced(dx)
        # cumulative_simpson takes one dx for each of several data sets, with length 1 along the axis
        return np.moveaxis(dx, axis, -1) * np.ones(max(n - 1, 0)) if shape_of(dx) else dx * np.ones(max(n - 1, 0))
    x = as_traced(x)
    return np.diff(x if len(shape_of(x)) == 1 else np.moveaxis(x, axis, -1), axis=-1)


def _validated(name: str, *args: Any, **keywords: Any) -> None:
    """SciPy's own errors for plain values of the same shapes."""
    original(scipy.integrate, name)(*plain_tree(args), **plain_tree(keywords))


def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    """Σ h·(y₀ + y₁)/2."""
    _validated("trapezoid", y, x, dx, axis)
    y = np.moveaxis(_floating(y), axis, -1)
    return np.sum(_spacings(y, x, dx, axis) * (y[..., 1:] + y[..., :-1]), axis=-1) / 2.0


def cumulative_trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1, initial: Any = None) -> Any:
    _validated("cumulative_trapezoid", y, x, dx, axis, initial)
    y = np.moveaxis(_floating(y), axis, -1)
    total = np.cumsum(_spacings(y, x, dx, axis) * (y[..., 1:] + y[..., :-1]) / 2.0, axis=-1)
    if initial is not None:
        total = np.concatenate([initial * np.ones((*shape_of(total)[:-1], 1)), total], axis=-1)
    return np.moveaxis(total, -1, axis)


def _distinct(h: Any, name: str) -> None:
    if np.any(plain(h) == 0):
        raise unsupported(f"scipy.integrate.{name} with two equal abscissae", "leave one of the two samples out")


def simpson(y: Any, x: Any = None, *, dx: Any = 1.0, axis: int = -1) -> Any:
    """Simpson's rule on pairs of intervals; the last interval of an odd number of them by Cartwright's correction."""
    _validated("simpson", y, x, dx=dx, axis=axis)
    y = np.moveaxis(_floating(y), axis, -1)
    h = _spacings(y, x, dx, axis)
    _distinct(h, "simpson")
    n = shape_of(y)[-1]
    if n == 2:
        return 0.5 * h[..., 0] * (y[..., 0] + y[..., 1])
    last = n if n % 2 else n - 1  # so many samples make whole pairs of intervals
    y0, y1, y2 = y[..., 0 : last - 2 : 2], y[..., 1 : last - 1 : 2], y[..., 2:last:2]
    h0, h1 = h[..., 0 : last - 2 : 2], h[..., 1 : last - 1 : 2]
    both = h0 + h1
    pairs = both / 6.0 * ((2.0 - h1 / h0) * y0 + both * both / (h0 * h1) * y1 + (2.0 - h0 / h1) * y2)
    total = np.sum(pairs, axis=-1)
    if last == n:
        return total
    h0, h1 = h[..., -2], h[..., -1]
    total = total + (2.0 * h1 * h1 + 3.0 * h0 * h1) / (6.0 * (h0 + h1)) * y[..., -1]
    total = total + (h1 * h1 + 3.0 * h0 * h1) / (6.0 * h0) * y[..., -2]
    return total - h1**3 / (6.0 * h0 * (h0 + h1)) * y[..., -3]


def cumulative_simpson(y: Any, *, x: Any = None, dx: Any = 1.0, axis: int = -1, initial: Any = None) -> Any:
    """The parabola through three samples, integrated over its first or its last interval by turns."""
    _validated("cumulative_simpson", y, x=x, dx=dx, axis=axis, initial=initial)
    whole_shape = shape_of(as_traced(y))
    y = np.moveaxis(_floating(y), axis, -1)
    h = _spacings(y, x, dx, axis)
    if shape_of(y)[-1] < 3:
        total = np.cumsum(h * (y[..., 1:] + y[..., :-1]) / 2.0, axis=-1)
    else:
        h = h * np.ones(shape_of(y)[-1] - 1)
        firsts = _first_interval(y, h)
        lasts = np.flip(_first_interval(np.flip(y, axis=-1), np.flip(h, axis=-1)), axis=-1)
        count = shape_of(firsts)[-1]
        # interval k: the first one of its parabola for even k, the last one for odd k and at the end
        parts = [firsts[..., k] if k % 2 == 0 and k < count else lasts[..., k - 1] for k in range(count + 1)]
        total = np.cumsum(np.stack(parts, axis=-1), axis=-1)
    if initial is not None:
        initial = as_traced(initial)
        shape = list(whole_shape)
        shape[axis] = 1
        first = np.moveaxis(initial * np.ones(shape), axis, -1)
        total = np.concatenate([first, total + first], axis=-1)
    return np.moveaxis(total, -1, axis)


def _first_interval(y: Any, h: Any) -> Any:
    """∫ over the first interval of the parabola through each three neighbouring samples."""
    a, b = h[..., :-1], h[..., 1:]
    r, q = a / (a + b), a * a / (b * (a + b))
    return a / 6.0 * ((3.0 - r) * y[..., :-2] + (3.0 + q + r) * y[..., 1:-1] - q * y[..., 2:])


def romb(y: Any, dx: Any = 1.0, axis: int = -1, show: bool = False) -> Any:
    """Romberg's extrapolation of trapezoidal sums at halved steps."""
    _validated("romb", y, dx, axis, show)  # prints the table, if it is asked for
    y = np.moveaxis(_floating(y), axis, -1)
    n = shape_of(y)[-1] - 1
    h = n * as_traced(dx)
    row = [(y[..., 0] + y[..., -1]) / 2.0 * h]
    while n > 1:
        new = [0.5 * (row[0] + h * np.sum(y[..., n // 2 :: n], axis=-1))]
        for j, coarse in enumerate(row, 1):
            new.append(new[-1] + (new[-1] - coarse) / (4**j - 1))
        row, n, h = new, n // 2, h / 2.0
    return row[-1]


replace(
    scipy.integrate,
    {
        "trapezoid": trapezoid,
        "cumulative_trapezoid": cumulative_trapezoid,
        "simpson": simpson,
        "cumulative_simpson": cumulative_simpson,
        "romb": romb,
    },
)
not_differentiable(scipy.integrate, ["newton_cotes", "lebedev_rule"])
