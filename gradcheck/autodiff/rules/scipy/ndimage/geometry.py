"""Images at places between their pixels: spline filters, and everything that interpolates with them.

An image is interpolated by a B-spline: its coefficients come from a recursive filter (:data:`SPLINE`, linear), and the
value at a place is a sum over the few splines that reach there, whose weights are polynomials in the place. So the
derivative in the place is that of the weights, the one in the image goes back through the filter. A place outside is
mapped into the image first, where the boundary mode says, which is the place itself plus or minus a constant.

Source: M. Unser, *Splines: a perfect fit for signal and image processing*, IEEE Signal Processing Magazine 16 (1999)
22; C. de Boor, *A Practical Guide to Splines*, 1978, chapter X (the recursion of the weights).
"""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import scipy.ndimage as nd
import scipy.special as sp

from gradcheck.autodiff.core import (
    TRACED,
    Elementwise,
    any_active,
    elementwise,
    is_complex,
    plain,
    plain_tree,
    shape_of,
)
from gradcheck.autodiff.rules.reductions import as_traced
from gradcheck.autodiff.rules.scipy.linear import along, array, axis_tuple, floating, matrix, same_as, transposes
from gradcheck.autodiff.rules.scipy.ndimage.extend import deliver, extend, image, positions, sequence
from gradcheck.autodiff.rules.scipy.registry import original

# -- the spline filter -----------------------------------------------------------------------------------------------

# The modes for which the filter continues the image by reflection on its last pixels, which then count half.
_MIRRORED = ("mirror", "constant", "grid-constant", "wrap")
# The longest line for which the filter is written down as a matrix; the largest pole is 0.43, its 64th power 10⁻²³.
_SHORT = 64


def _spline(x: Any, *, order: int, axis: int, mode: str) -> Any:
    kind = np.complex128 if x.dtype.kind == "c" else np.float64
    return original(nd, "spline_filter1d")(x, order, axis, kind, mode)


def _spline_transposed(g: Any, *, order: int, axis: int, mode: str) -> Any:
    n = g.shape[axis]
    if n < _SHORT:
        # SciPy starts its recursion with a truncated sum; on short lines that shows, and no formula is that exact.
        return matrix(_spline(np.eye(n), order=order, axis=0, mode=mode).T, g, axis)
    if mode not in _MIRRORED:
        return _spline(g, order=order, axis=axis, mode=mode)
    # The matrix of sampled splines becomes symmetric when its first and last rows are halved.
    half = np.ones(n)
    half[[0, -1]] = 0.5
    half = along(half, axis, g.ndim)
    return half * _spline(g / half, order=order, axis=axis, mode=mode)


SPLINE, _ = transposes(_spline, _spline_transposed, "scipy.ndimage.spline_filter1d")


def _checked_order(order: int, least: int = 0) -> None:
    if order < least or order > 5:
        raise RuntimeError("spline order not supported")


def spline_filter1d(input: Any, order: int = 3, axis: int = -1, output: Any = np.float64,
                    mode: str = "mirror") -> Any:  # fmt: skip
    """B-spline coefficients along one axis."""
    _checked_order(order)
    x = image(input, output)
    (axis,) = axis_tuple(axis, len(shape_of(x)))
    y = +x if order < 2 else SPLINE(x, order=int(order), axis=axis, mode=mode)
    return deliver(y, _doubled(output, x), x, "spline_filter1d")


def _doubled(output: Any, x: Any) -> Any:
    """``output=float`` of a complex image is complex."""
    real = isinstance(output, type | np.dtype | str) and np.dtype(output).kind == "f"
    return np.result_type(output, np.complex64) if real and is_complex(x) else output


def _coefficients(x: Any, order: int, mode: str) -> Any:
    for axis in range(len(shape_of(x))):
        x = SPLINE(x, order=order, axis=axis, mode=mode)
    return x


def spline_filter(input: Any, order: int = 3, output: Any = np.float64, mode: str = "mirror") -> Any:
    """B-spline coefficients of an image."""
    _checked_order(order, 2)
    x = image(input, output)
    return deliver(_coefficients(x, int(order), mode), _doubled(output, x), x, "spline_filter")


# -- places ----------------------------------------------------------------------------------------------------


def _mapped(place: Any, n: int, mode: str) -> tuple[Any, Any]:
    """Where a place outside of n pixels lies inside, by the rule of this mode, and the slope of that: 1, −1 or 0."""
    c = np.array(place, dtype=np.float64)
    slope = np.ones_like(c)
    below, above = c < 0, c > n - 1
    if mode in ("constant", "grid-constant") or not (below.any() or above.any()):
        return c, slope
    with np.errstate(invalid="ignore"):
        if mode == "nearest" or n <= 1:
            low, high, slope_low, slope_high = 0.0 * c, 0.0 * c + (n - 1), 0.0 * c, 0.0 * c
        elif mode == "mirror":
            period = 2 * n - 2
            low = period * np.trunc(-c / period) + c
            turned = low > 1 - n
            low, slope_low = np.where(turned, -low, low + period), np.where(turned, -1.0, 1.0)
            high = c - period * np.trunc(c / period)
            high, slope_high = np.where(high >= n, period - high, high), np.where(high >= n, -1.0, 1.0)
        elif mode in ("reflect", "grid-mirror"):
            period = 2 * n
            low = np.where(c < -period, period * np.trunc(-c / period) + c, c)
            turned = low >= -n
            near = np.where(low > -1e-15, 1e-15, -low) - 1
            low, slope_low = np.where(turned, near, low + period), np.where(turned, -1.0, 1.0)
            high = c - period * np.trunc(c / period)
            high, slope_high = np.where(high >= n, period - high - 1, high), np.where(high >= n, -1.0, 1.0)
        elif mode == "wrap":
            low = c + (n - 1) * (np.trunc(-c / (n - 1)) + 1)
            high = c - (n - 1) * np.trunc(c / (n - 1))
            slope_low = slope_high = slope
        elif mode == "grid-wrap":
            low = c + n * (np.trunc(np.trunc(-1 - c) / n) + 1)
            high = c - n * np.trunc(c / n)
            slope_low = slope_high = slope
        else:
            raise RuntimeError("boundary mode not supported")
    mapped = np.where(below, low, np.where(above, high, c))
    return mapped, np.where(below, slope_low, np.where(above, slope_high, slope))


def spline_weights(u: Any, order: int) -> list[Any]:
    """The order + 1 uniform B-splines that are not zero at a place u ∈ [0, 1] between two knots."""
    w: list[Any] = [np.ones(shape_of(u))]
    for d in range(1, order + 1):
        new: list[Any] = []
        saved: Any = 0.0
        for r in range(d):
            part = w[r] / d
            new.append(saved + (r + 1 - u) * part)
            saved = (u + (d - r - 1)) * part
        w = [*new, saved]
    return w


def _spline_mode(mode: str) -> str:
    return "mirror" if mode in ("constant", "wrap") else mode


def _axis_terms(place: Any, n: int, order: int, mode: str, extra: int) -> tuple[Any, list[Any], Any]:
    """For the places along one axis: pixels that count (−1: the constant), their weights, and which lie outside."""
    padded = place + float(extra)
    value = plain(padded)
    mapped, slope = _mapped(value, n, mode)
    outside = (value < 0) | (value > n - 1) if mode == "constant" else np.zeros(np.shape(value), dtype=bool)
    outside = outside | ~np.isfinite(mapped)
    mapped = np.where(outside, 0.0, mapped)
    # The derivative through the mapping is its slope; the value is SciPy's own, to the last bit.
    traced = mapped + slope * (padded - value) if type(padded) in TRACED else mapped
    if order % 2:
        base = np.floor(mapped)
        u = traced - base
    else:
        base = np.floor(mapped + 0.5)
        u = traced - (base - 0.5)
    start = base.astype(int) - order // 2
    lowest = min(int(start.min(initial=0)), 0)
    highest = max(int(start.max(initial=0)) + order, n - 1)
    table = positions(n, -lowest, highest - n + 1, _spline_mode(mode))
    taps = table[start[..., None] + np.arange(order + 1) - lowest]
    return taps, spline_weights(u, order), outside


def interpolated(x: Any, places: Sequence[Any], order: int, mode: str, cval: Any, prefilter: bool) -> Any:
    """The image at places, one array of coordinates for each of its axes."""
    extra = 0
    coefficients = x.astype(np.complex128 if is_complex(x) else np.float64)
    if prefilter and order > 1:
        if mode in ("nearest", "grid-constant"):
            extra = 12
            for axis in range(len(shape_of(x))):
                coefficients = extend(coefficients, extra, extra, axis, mode, cval)
        coefficients = _coefficients(coefficients, order, mode)
    shape = shape_of(coefficients)
    index: Any = np.zeros((), dtype=int)
    weight: Any = 1.0
    missing: Any = np.zeros((), dtype=bool)
    outside: Any = np.zeros(shape_of(places[0]), dtype=bool)
    for axis, place in enumerate(places):
        taps, weights, out = _axis_terms(array(place), shape[axis], order, mode, extra)
        # One more axis for the taps of each axis of the image.
        stretch = (slice(None),) * out.ndim + (None,) * axis
        index = index[..., None] * shape[axis] + taps[stretch]
        missing = missing[..., None] | (taps[stretch] < 0)
        weight = (weight[..., None] if axis else 1.0) * np.stack(weights, axis=-1)[stretch]
        outside = outside | out
    pixels = np.reshape(coefficients, -1)[np.where(missing, 0, index)]
    if np.any(missing):
        pixels = np.where(missing, cval, pixels)
    y = np.sum(weight * pixels, axis=tuple(range(-len(places), 0)))
    return np.where(outside, cval, y) if np.any(outside) else y


def _handed_out(y: Any, output: Any, x: Any, name: str, expected: Callable[[], Any]) -> Any:
    """The result, after a look whether SciPy sees the same image at the same places."""
    same_as(y, expected(), f"scipy.ndimage.{name}")
    return deliver(y, output, x, name)


def _image(input: Any, output: Any, order: int) -> Any:
    _checked_order(order)
    x = image(input, output)
    if len(shape_of(x)) < 1:
        raise RuntimeError("input and output rank must be > 0")
    return x


# -- handlers ----------------------------------------------------------------------------------------------------


def map_coordinates(input: Any, coordinates: Any, output: Any = None, order: int = 3, mode: str = "constant",
                    cval: Any = 0.0, prefilter: bool = True) -> Any:  # fmt: skip
    """The image at given places: derivatives in the image, the places and the constant outside."""
    x = _image(input, output, order)
    c = floating(coordinates)
    if shape_of(c)[0] != len(shape_of(x)):
        raise RuntimeError("invalid shape for coordinate array")
    y = interpolated(x, [c[i] for i in range(shape_of(c)[0])], order, mode, cval, prefilter)
    return _handed_out(
        y, output, x, "map_coordinates",
        lambda: original(nd, "map_coordinates")(
            plain(x), plain(c), None, order, mode, plain(cval), prefilter
        ),
    )  # fmt: skip


def _grid(shape: Sequence[int]) -> list[Any]:
    return list(np.indices(tuple(shape)).astype(np.float64))


def _linear(matrix: Any, offset: Any, grid: Sequence[Any]) -> list[Any]:
    places = []
    for h in range(shape_of(matrix)[0]):
        place = offset[h]
        for k, g in enumerate(grid):
            place = place + g * matrix[h, k]
        places.append(place)
    return places


def affine_transform(input: Any, matrix: Any, offset: Any = 0.0, output_shape: Any = None, output: Any = None,
                     order: int = 3, mode: str = "constant", cval: Any = 0.0,
                     prefilter: bool = True) -> Any:  # fmt: skip
    """The image at matrix·o + offset: derivatives in the image, the matrix and the offset."""
    x = _image(input, output, order)
    ndim = len(shape_of(x))
    if output_shape is None:
        into = isinstance(output, np.ndarray) or type(output) in TRACED
        output_shape = shape_of(output) if into else shape_of(x)
    output_shape = tuple(int(k) for k in plain_tree(output_shape))
    m = floating(matrix)
    if len(shape_of(m)) not in (1, 2) or shape_of(m)[0] < 1:
        raise RuntimeError("no proper affine matrix provided")
    if len(shape_of(m)) == 2 and shape_of(m)[1] == ndim + 1 and shape_of(m)[0] in (ndim, ndim + 1):
        if shape_of(m)[0] == ndim + 1 and not np.all(plain(m)[ndim] == [0] * ndim + [1]):
            raise ValueError("Expected homogeneous transformation matrix")
        offset, m = m[:ndim, ndim], m[:ndim, :ndim]
    if shape_of(m)[0] != ndim:
        raise RuntimeError("affine matrix has wrong number of rows")
    offset = array(sequence(as_traced(offset), ndim))
    grid = _grid(output_shape)
    if len(shape_of(m)) == 1:
        places = [(g + offset[h] / m[h]) * m[h] for h, g in enumerate(grid)]
    else:
        if shape_of(m)[1] != len(output_shape):
            raise RuntimeError("affine matrix has wrong number of columns")
        places = _linear(m, offset, grid)
    y = interpolated(x, places, order, mode, cval, prefilter)
    return _handed_out(
        y, output, x, "affine_transform",
        lambda: original(nd, "affine_transform")(
            plain(x), plain(m), plain(offset), output_shape, None, order, mode, plain(cval), prefilter
        ),
    )  # fmt: skip


def shift(input: Any, shift: Any, output: Any = None, order: int = 3, mode: str = "constant", cval: Any = 0.0,
          prefilter: bool = True) -> Any:  # fmt: skip
    """The image moved: derivatives in the image and the way."""
    x = _image(input, output, order)
    steps = sequence(as_traced(shift), len(shape_of(x)))
    places = [g + (-s) for g, s in zip(_grid(shape_of(x)), steps, strict=True)]
    y = interpolated(x, places, order, mode, cval, prefilter)
    return _handed_out(
        y, output, x, "shift",
        lambda: original(nd, "shift")(plain(x), plain_tree(steps), None, order, mode, plain(cval), prefilter),
    )  # fmt: skip


def zoom(input: Any, zoom: Any, output: Any = None, order: int = 3, mode: str = "constant", cval: Any = 0.0,
         prefilter: bool = True, *, grid_mode: bool = False) -> Any:  # fmt: skip
    """The image resampled. The factors only say how many pixels there are: no derivative in them, by nature."""
    x = _image(input, output, order)
    factors = sequence(plain_tree(as_traced(zoom)), len(shape_of(x)))
    size = tuple(round(n * float(z)) for n, z in zip(shape_of(x), factors, strict=True))
    if all(z == 1 for z in factors) and prefilter:
        return deliver(+x, output, x, "zoom")
    if grid_mode and mode in ("constant", "wrap"):
        warnings.warn(
            f"It is recommended to use mode = grid-{mode} instead of {mode} when grid_mode is True.", stacklevel=3
        )
    less = 0 if grid_mode else 1
    places = []
    for axis, g in enumerate(_grid(size)):
        new, old = size[axis] - less, shape_of(x)[axis] - less
        step = old / new if new else 1.0
        places.append((g + 0.5) * step - 0.5 if grid_mode else g * step)
    y = interpolated(x, places, order, mode, cval, prefilter)

    def expected() -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return original(nd, "zoom")(
                plain(x), factors, None, order, mode, plain(cval), prefilter, grid_mode=grid_mode
            )

    return _handed_out(y, output, x, "zoom", expected)


def _both_ways(cosine: bool) -> Elementwise:
    """Cosine and sine of degrees, exact at multiples of 90°, as SciPy turns images by."""

    def value(x: Any) -> Any:
        if type(x) in TRACED:
            return elementwise(COSINE if cosine else SINE, (x,))
        return (sp.cosdg if cosine else sp.sindg)(x)

    def slope(_y: Any, x: Any) -> Any:
        return elementwise(SINE if cosine else COSINE, (x,)) * ((-1.0 if cosine else 1.0) * math.pi / 180.0)

    return Elementwise(value, slope, name="scipy.special.cosdg" if cosine else "scipy.special.sindg")


COSINE, SINE = _both_ways(True), _both_ways(False)


def rotate(input: Any, angle: Any, axes: Any = (1, 0), reshape: bool = True, output: Any = None, order: int = 3,
           mode: str = "constant", cval: Any = 0.0, prefilter: bool = True) -> Any:  # fmt: skip
    """The image turned: derivatives in the image and the angle."""
    x = _image(input, output, order)
    shape = shape_of(x)
    if len(shape) < 2:
        raise ValueError("input array should be at least 2D")
    if len(list(axes)) != 2:
        raise ValueError("axes should contain exactly two values")
    plane = sorted(int(a) + (len(shape) if a < 0 else 0) for a in axes)
    if plane[0] < 0 or plane[1] >= len(shape):
        raise ValueError("invalid rotation plane specified")
    c, s = elementwise(COSINE, (as_traced(angle),)), elementwise(SINE, (as_traced(angle),))
    turn = array([[c, s], [-s, c]])
    inside = np.array([shape[a] for a in plane])
    outside = inside
    if reshape:
        bounds = plain(turn) @ [[0, 0, inside[0], inside[0]], [0, inside[1], 0, inside[1]]]
        outside = (np.ptp(bounds, axis=1) + 0.5).astype(int)
    offset = (inside - 1) / 2 - turn @ ((outside - 1) / 2)
    places = _linear(turn, offset, _grid(tuple(int(n) for n in outside)))
    others = [i for i in range(len(shape)) if i not in plane]
    planes = []
    for key in itertools.product(*(range(shape[i]) for i in others)):
        whole: list[Any] = [slice(None)] * len(shape)
        for i, k in zip(others, key, strict=True):
            whole[i] = k
        planes.append(interpolated(x[tuple(whole)], places, order, mode, cval, prefilter))
    if not planes:
        y = x * 0.0
    elif others:
        stacked = np.reshape(np.stack(planes), tuple(shape[i] for i in others) + tuple(int(n) for n in outside))
        y = np.moveaxis(stacked, (-2, -1), tuple(plane))
    else:
        y = planes[0]
    return _handed_out(
        y, output, x, "rotate",
        lambda: original(nd, "rotate")(
            plain(x), plain_tree(angle), axes, reshape, None, order, mode, plain(cval), prefilter
        ),
    )  # fmt: skip


def geometric_transform(input: Any, mapping: Any, output_shape: Any = None, output: Any = None, order: int = 3,
                        mode: str = "constant", cval: Any = 0.0, prefilter: bool = True, extra_arguments: Any = (),
                        extra_keywords: Any = None) -> Any:  # fmt: skip
    """The image at the places that the user's function gives."""
    _checked_order(order)
    x = floating(input)
    if output_shape is None:
        output_shape = shape_of(x)
    output_shape = tuple(int(k) for k in plain_tree(output_shape))
    plain_call = not any_active((input, cval, extra_arguments, extra_keywords))
    if callable(mapping):
        where = [mapping(o, *extra_arguments, **(extra_keywords or {})) for o in np.ndindex(*output_shape)]
        plain_call = plain_call and not any_active(where)
    if plain_call or not callable(mapping):
        return original(nd, "geometric_transform")(
            plain_tree(input), mapping, output_shape, output, order, mode, plain(cval), prefilter, extra_arguments,
            extra_keywords,
        )  # fmt: skip
    image(input, output)
    places = [np.reshape(array([w[axis] for w in where]), output_shape) for axis in range(len(shape_of(x)))]
    y = interpolated(x, places, order, mode, cval, prefilter)
    plain_places = np.array([plain(p) for p in places], dtype=np.float64)
    return _handed_out(
        y, output, x, "geometric_transform",
        lambda: original(nd, "map_coordinates")(
            plain(x), plain_places, None, order, mode, plain(cval), prefilter
        ),
    )  # fmt: skip


HANDLERS: dict[str, Callable[..., Any]] = {
    "spline_filter1d": spline_filter1d, "spline_filter": spline_filter, "map_coordinates": map_coordinates,
    "affine_transform": affine_transform, "shift": shift, "zoom": zoom, "rotate": rotate,
    "geometric_transform": geometric_transform,
}  # fmt: skip
ALWAYS = ("geometric_transform",)
