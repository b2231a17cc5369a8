"""Linear filters of images: correlation with weights, and the Gaussian, uniform and derivative filters made of it.

One primitive, the correlation of an image with weights wherever they fit (:data:`CORRELATE`), is linear in both. Its
transposes are correlations again: of the zero-padded cotangent with the weights turned round, and of the image with
the cotangent. The width of a Gaussian is followed through its weights.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.ndimage as nd

from gradcheck.autodiff.core import (
    TRACED,
    Primitive,
    any_active,
    is_complex,
    outer_constant,
    plain,
    plain_tree,
    shape_of,
)
from gradcheck.autodiff.rules.reductions import as_traced
from gradcheck.autodiff.rules.scipy.linear import along, axis_tuple, floating, padded, same_as
from gradcheck.autodiff.rules.scipy.ndimage.extend import (
    along_axes,
    checked_axes,
    deliver,
    expanded,
    extend,
    image,
    reach,
    sequence,
)
from gradcheck.autodiff.rules.scipy.registry import original

# -- the primitive ---------------------------------------------------------------------------------------------------


def _correlate(x: Any, w: Any) -> Any:
    """y[i] = Σ w[k]·x[i + k], wherever the weights fit in x."""
    if type(x) in TRACED or type(w) in TRACED:
        return CORRELATE(x, w)
    long = [i for i, n in enumerate(w.shape) if n != 1]
    if len(long) == 1:
        y = original(nd, "correlate1d")(x, _unconjugated(w.ravel()), long[0], mode="constant")
    else:
        y = original(nd, "correlate")(x, _unconjugated(w), mode="constant")
    return y[tuple(slice(k // 2, k // 2 + n - k + 1) for n, k in zip(x.shape, w.shape, strict=True))]


def _unconjugated(w: Any) -> Any:
    return w.conj() if w.dtype.kind == "c" else w  # ndimage conjugates complex weights


def _image_vjp(_y: Any, x: Any, w: Any) -> Any:
    shape = shape_of(w)

    def pull(g: Any) -> Any:
        for axis, k in enumerate(shape):
            g = padded(g, k - 1, k - 1, axis)
        return CORRELATE(g, np.flip(w))

    return pull


def _weights_vjp(_y: Any, x: Any, w: Any) -> Any:
    shape = shape_of(w)
    size = [n - k + 1 for n, k in zip(shape_of(x), shape, strict=True)]

    def pull(g: Any) -> Any:
        places = np.ndindex(*shape)
        parts = [np.sum(g * x[tuple(slice(k, k + n) for k, n in zip(p, size, strict=True))]) for p in places]
        return np.reshape(np.stack(parts), shape)

    return pull


CORRELATE: Primitive = Primitive(
    _correlate, [_image_vjp, _weights_vjp], ["linear", "linear"], name="scipy.ndimage.correlate"
)


def correlated(x: Any, w: Any, origins: list[int], modes: list[str], cval: Any) -> Any:
    """The image continued at its edges, and correlated with weights of as many dimensions."""
    for axis, (k, origin, mode) in enumerate(zip(shape_of(w), origins, modes, strict=True)):
        if k > 1 or origin:
            x = extend(x, *reach(k, origin), axis, mode, cval)
    return CORRELATE(x, w)


def line_filter(x: Any, w: Any, axis: int, mode: str, cval: Any, origin: int = 0) -> Any:
    """Correlation with weights along one axis."""
    ndim = len(shape_of(x))
    return CORRELATE(extend(x, *reach(shape_of(w)[0], origin), axis, mode, cval), along(w, axis, ndim))


# -- correlate, convolve ---------------------------------------------------------------------------------------------


def correlate1d(input: Any, weights: Any, axis: int = -1, output: Any = None, mode: str = "reflect",
                cval: Any = 0.0, origin: int = 0) -> Any:  # fmt: skip
    """Σ wₖ·x[i + k] along one axis; complex weights are conjugated."""
    x, w = image(input, output), floating(weights)
    if len(shape_of(w)) != 1 or not shape_of(w)[0]:
        raise RuntimeError("no filter weights given")
    w = np.conjugate(w) if is_complex(w) else w
    (axis,) = axis_tuple(axis, len(shape_of(x)))
    return deliver(line_filter(x, w, axis, mode, cval, origin), output, x, "correlate1d")


def convolve1d(input: Any, weights: Any, axis: int = -1, output: Any = None, mode: str = "reflect",
               cval: Any = 0.0, origin: int = 0) -> Any:  # fmt: skip
    """:func:`correlate1d` with the weights turned round."""
    w = np.conjugate(floating(weights)) if is_complex(as_traced(weights)) else floating(weights)
    origin = -origin - (shape_of(w)[0] % 2 == 0)
    return correlate1d(input, w[::-1], axis, output, mode, cval, origin)


def _many(convolution: bool) -> Callable[..., Any]:
    def handler(input: Any, weights: Any, output: Any = None, mode: str = "reflect", cval: Any = 0.0,
                origin: Any = 0, *, axes: Any = None) -> Any:  # fmt: skip
        x, w = image(input, output), floating(weights)
        ndim = len(shape_of(x))
        chosen = checked_axes(axes, ndim)
        w = expanded(w, chosen, ndim, "weights")
        origins = along_axes(origin, chosen, ndim, 0)
        if convolution:
            w = np.flip(w)
            origins = [-o - (k % 2 == 0) for o, k in zip(origins, shape_of(w), strict=True)]
        elif is_complex(w):
            w = np.conjugate(w)
        return deliver(correlated(x, w, origins, [mode] * ndim, cval), output, x, "correlate")

    return handler


# -- Gaussian, uniform -----------------------------------------------------------------------------------------------


def gaussian_weights(sigma: Any, order: int, radius: int) -> Any:
    """A sampled Gaussian of sum 1, times the polynomial of its derivative of this order.

    d/dx of q(x)·exp(−x²/2σ²) is (q′ − q·x/σ²)·exp(...): the recursion of the Hermite polynomials.
    """
    if order < 0:
        raise ValueError("order must be non-negative")
    x = np.arange(-radius, radius + 1.0)
    phi = np.exp(-0.5 * x * x / (sigma * sigma))
    phi = phi / np.sum(phi)
    q: list[Any] = [1.0] + [0.0] * order
    for _ in range(order):
        slope = [(i + 1) * q[i + 1] for i in range(order)] + [0.0]
        q = [slope[i] - (q[i - 1] / (sigma * sigma) if i else 0.0) for i in range(order + 1)]
    return phi if order == 0 else sum((q[i] * x**i for i in range(1, order + 1)), q[0] + np.zeros_like(x)) * phi


def _gaussian_line(x: Any, sigma: Any, axis: int, order: int, mode: str, cval: Any, truncate: Any, radius: Any) -> Any:
    reach_to = int(plain(truncate) * float(plain(sigma)) + 0.5) if radius is None else radius
    if reach_to < 0 or int(reach_to) != reach_to:
        raise ValueError("Radius must be a nonnegative integer.")
    w = gaussian_weights(as_traced(sigma), order, int(reach_to))
    return line_filter(x, w[::-1], axis, mode, cval)


def gaussian_filter1d(input: Any, sigma: Any, axis: int = -1, order: int = 0, output: Any = None,
                      mode: str = "reflect", cval: Any = 0.0, truncate: Any = 4.0, *,
                      radius: Any = None) -> Any:  # fmt: skip
    """A Gaussian, or a derivative of one, along one axis; also with respect to its width."""
    x = image(input, output)
    (axis,) = axis_tuple(axis, len(shape_of(x)))
    y = _gaussian_line(x, sigma, axis, order, mode, cval, truncate, radius)
    return deliver(y, output, x, "gaussian_filter1d")


def _typed(x: Any, output: Any) -> Any:
    """The input in the type that intermediate results have, which is the output's."""
    if output is None or type(output) in TRACED or isinstance(output, np.ndarray):
        return x
    kind = np.dtype(output)
    return x.astype(kind) if kind.kind == "f" and not is_complex(x) else x


def gaussian_filter(input: Any, sigma: Any, order: Any = 0, output: Any = None, mode: Any = "reflect",
                    cval: Any = 0.0, truncate: Any = 4.0, *, radius: Any = None, axes: Any = None) -> Any:  # fmt: skip
    """Gaussians along several axes, one after the other."""
    x = image(input, output)
    y = _typed(x, output)
    chosen = checked_axes(axes, len(shape_of(x)))
    n = len(chosen)
    each = zip(chosen, sequence(sigma, n), sequence(order, n), sequence(mode, n), sequence(radius, n), strict=True)
    for axis, s, o, m, r in each:
        if plain(s) > 1e-15:
            y = _gaussian_line(y, s, axis, o, m, cval, truncate, r)
    return deliver(+y if y is x else y, output, x, "gaussian_filter")


def uniform_filter1d(input: Any, size: int, axis: int = -1, output: Any = None, mode: str = "reflect",
                     cval: Any = 0.0, origin: int = 0) -> Any:  # fmt: skip
    """The mean of a window along one axis."""
    x = image(input, output)
    if size < 1:
        raise RuntimeError("incorrect filter size")
    (axis,) = axis_tuple(axis, len(shape_of(x)))
    w = np.full(int(size), 1.0 / int(size))
    return deliver(line_filter(x, w, axis, mode, cval, origin), output, x, "uniform_filter1d")


def uniform_filter(input: Any, size: Any = 3, output: Any = None, mode: Any = "reflect", cval: Any = 0.0,
                   origin: Any = 0, *, axes: Any = None) -> Any:  # fmt: skip
    """The mean of a window."""
    x = image(input, output)
    y = _typed(x, output)
    chosen = checked_axes(axes, len(shape_of(x)))
    n = len(chosen)
    for axis, k, o, m in zip(chosen, sequence(size, n), sequence(origin, n), sequence(mode, n), strict=True):
        if k > 1:
            y = line_filter(y, np.full(int(k), 1.0 / int(k)), axis, m, cval, o)
    return deliver(+y if y is x else y, output, x, "uniform_filter")


# -- derivatives ----------------------------------------------------------------------------------------------------

_SLOPE, _CURVE = np.array([-1.0, 0.0, 1.0]), np.array([1.0, -2.0, 1.0])


def _edge_filter(smooth: Any, name: str) -> Callable[..., Any]:
    weights = np.array(smooth)

    def handler(input: Any, axis: int = -1, output: Any = None, mode: Any = "reflect", cval: Any = 0.0) -> Any:
        x = image(input, output)
        ndim = len(shape_of(x))
        (axis,) = axis_tuple(axis, ndim)
        modes = sequence(mode, ndim)
        y = line_filter(_typed(x, output), _SLOPE, axis, modes[axis], cval)
        for other in range(ndim):
            if other != axis:
                y = line_filter(y, weights, other, modes[other], cval)
        return deliver(y, output, x, name)

    return handler


def root(s: Any) -> Any:
    """√s, with a derivative of zero where s is zero: the length of a vector that is zero."""
    zero = plain(s) == 0
    return np.where(zero, 0.0, np.sqrt(np.where(zero, 1.0, s))) if np.any(zero) else np.sqrt(s)


def _summed(x: Any, terms: list[Any], squared: bool) -> Any:
    if not terms:
        return +x
    total: Any = 0.0
    for t in terms:
        total = total + (t * t if squared else t)
    return root(total) if squared else total


def _generic(squared: bool, name: str) -> Callable[..., Any]:
    def handler(input: Any, derivative: Any, output: Any = None, mode: Any = "reflect", cval: Any = 0.0,
                extra_arguments: Any = (), extra_keywords: Any = None, *, axes: Any = None) -> Any:  # fmt: skip
        x = floating(input)
        chosen = checked_axes(axes, len(shape_of(x)))
        modes = sequence(mode, len(chosen))
        kind = plain(_typed(x, output)).dtype
        terms = []
        for k, (axis, m) in enumerate(zip(chosen, modes, strict=True)):
            # As SciPy does: the first derivative is what the function writes, the others what it returns.
            into = kind if k else outer_constant(np.zeros(shape_of(x), kind), sys.maxsize)
            returned = derivative(x, axis, into, m, cval, *extra_arguments, **(extra_keywords or {}))
            terms.append(returned if k else into)
        if any(t is None for t in terms):
            raise TypeError(f"scipy.ndimage.{name}: the derivative function returned None")
        y = _summed(x, terms, squared)
        if not any_active(y):  # neither the image nor the callback is traced
            out = original(nd, name)
            return out(
                plain(input), derivative, output, mode, cval, extra_arguments, extra_keywords, **_only(axes=axes)
            )
        image(input, output)
        return deliver(y, output, x, name)

    def by_other_name(input: Any, derivative2: Any, *args: Any, **keywords: Any) -> Any:
        return handler(input, derivative2, *args, **keywords)

    return handler if squared else by_other_name


def _only(**keywords: Any) -> dict[str, Any]:
    """The keywords that are given: some came with later versions of SciPy."""
    return {k: v for k, v in keywords.items() if v is not None}


def laplace(input: Any, output: Any = None, mode: Any = "reflect", cval: Any = 0.0, *, axes: Any = None) -> Any:
    """The sum of the second differences."""
    x = image(input, output)
    y = _typed(x, output)
    chosen = checked_axes(axes, len(shape_of(x)))
    modes = sequence(mode, len(chosen))
    terms = [line_filter(y, _CURVE, a, m, cval) for a, m in zip(chosen, modes, strict=True)]
    return deliver(_summed(y, terms, False), output, x, "laplace")


def _gaussian_parts(x: Any, sigma: Any, each_order: int, output: Any, mode: Any, cval: Any, axes: tuple[int, ...],
                    keywords: dict[str, Any]) -> list[Any]:  # fmt: skip
    """The image under a derivative of a Gaussian along each of the axes in turn."""
    ndim = len(shape_of(x))
    parts = []
    for axis, m in zip(axes, sequence(mode, len(axes)), strict=True):
        order = [each_order if i == axis else 0 for i in range(ndim)]
        # Each term is filtered with this axis's boundary mode along all of the axes.
        parts.append(gaussian_filter(_typed(x, output), sigma, order, None, m, cval, **keywords))
    return parts


def gaussian_laplace(input: Any, sigma: Any, output: Any = None, mode: Any = "reflect", cval: Any = 0.0, *,
                     axes: Any = None, **kwargs: Any) -> Any:  # fmt: skip
    """The Laplacian by second derivatives of Gaussians."""
    x = image(input, output)
    chosen = checked_axes(axes, len(shape_of(x)))
    sigmas = along_axes(sigma, chosen, len(shape_of(x)), 0.0)
    y = _summed(x, _gaussian_parts(x, sigmas, 2, output, mode, cval, chosen, kwargs), False)
    return deliver(y, output, x, "gaussian_laplace")


def gaussian_gradient_magnitude(input: Any, sigma: Any, output: Any = None, mode: Any = "reflect", cval: Any = 0.0,
                                *, axes: Any = None, **kwargs: Any) -> Any:  # fmt: skip
    """The length of the gradient by first derivatives of Gaussians; where it is zero, so is the derivative here.

    SciPy smooths along all axes, also along those that ``axes`` leaves out.
    """
    x = image(input, output)
    chosen = checked_axes(axes, len(shape_of(x)))
    y = _summed(x, _gaussian_parts(x, sigma, 1, output, mode, cval, chosen, kwargs), True)
    if axes is not None:
        keywords = {"mode": mode, "cval": plain(cval), "axes": axes, **plain_tree(kwargs)}
        expected = original(nd, "gaussian_gradient_magnitude")(plain(x), plain_tree(sigma), **keywords)
        same_as(y, expected, "scipy.ndimage.gaussian_gradient_magnitude with axes")
    return deliver(y, output, x, "gaussian_gradient_magnitude")


HANDLERS: dict[str, Callable[..., Any]] = {
    "correlate1d": correlate1d, "convolve1d": convolve1d, "correlate": _many(False), "convolve": _many(True),
    "gaussian_filter1d": gaussian_filter1d, "gaussian_filter": gaussian_filter,
    "uniform_filter1d": uniform_filter1d, "uniform_filter": uniform_filter,
    "sobel": _edge_filter([1.0, 2.0, 1.0], "sobel"), "prewitt": _edge_filter([1.0, 1.0, 1.0], "prewitt"),
    "laplace": laplace, "generic_laplace": _generic(False, "generic_laplace"),
    "generic_gradient_magnitude": _generic(True, "generic_gradient_magnitude"),
    "gaussian_laplace": gaussian_laplace, "gaussian_gradient_magnitude": gaussian_gradient_magnitude,
}  # fmt: skip
ALWAYS = ("generic_laplace", "generic_gradient_magnitude")
