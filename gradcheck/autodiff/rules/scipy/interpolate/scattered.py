"""Interpolation of scattered points: simplices, nearest neighbours, radial functions, polynomials.

Which simplex or neighbour a place belongs to is found by SciPy among plain points. Barycentric coordinates, radial
functions and Lagrange's polynomials are followed in the places, the values and the points.

Source: J.-P. Berrut, L. N. Trefethen, *Barycentric Lagrange interpolation*, SIAM Review 46 (2004) 501; G. E. Fasshauer,
*Meshfree Approximation Methods with MATLAB*, 2007, chapter 6.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.interpolate as si

from gradcheck.autodiff.core import is_complex, note_zero, plain, plain_tree, shape_of
from gradcheck.autodiff.errors import unsupported
from gradcheck.autodiff.fallback import numeric
from gradcheck.autodiff.rules.scipy.interpolate.grids import places
from gradcheck.autodiff.rules.scipy.interpolate.pointwise import at_places, leading, placed
from gradcheck.autodiff.rules.scipy.interpolate.univariate import Interpolant
from gradcheck.autodiff.rules.scipy.linear import array, floating, same_as
from gradcheck.autodiff.rules.scipy.registry import STATUS, construct, methods, original, refuse

LINEAR, NEAREST, RBF = si.LinearNDInterpolator, si.NearestNDInterpolator, si.RBFInterpolator


def _place_array(xi: tuple[Any, ...], ndim: int) -> Any:
    """Places (..., ndim), given as such or as one array for each coordinate."""
    return np.stack(places(xi[0] if len(xi) == 1 else xi, ndim), axis=-1)


def _scatter_points(points: Any) -> Any:
    if isinstance(points, tuple):
        return np.stack([np.reshape(floating(p), -1) for p in points], axis=-1)
    p = floating(points)
    return p if len(shape_of(p)) == 2 else p[:, None]


# -- simplices -------------------------------------------------------------------------------------------------------


class Simplices:
    """``LinearNDInterpolator`` of traced points or values, or at traced places."""

    def __init__(self, points: Any, values: Any, fill_value: Any = np.nan, rescale: bool = False) -> None:
        from scipy.spatial import Delaunay

        if rescale:
            raise unsupported("scipy.interpolate.LinearNDInterpolator of traced values with rescale")
        given = isinstance(points, Delaunay)
        self.points = np.asarray(points.points) if given else _scatter_points(points)
        self.tri = points if given else Delaunay(plain(self.points))
        self.values, self.fill_value = floating(values), fill_value

    def __call__(self, *xi: Any) -> Any:
        x = _place_array(xi, shape_of(self.points)[1])
        shape, ndim = shape_of(x)[:-1], shape_of(x)[-1]
        flat = np.reshape(x, (-1, ndim))
        simplex = self.tri.find_simplex(plain(flat))
        nodes = self.tri.simplices[np.maximum(simplex, 0)]
        corners = self.points[nodes]
        last = corners[:, -1]
        edges = np.swapaxes(corners[:, :-1] - last[:, None], 1, 2)
        some = np.linalg.solve(edges, (flat - last)[..., None])[..., 0]
        weights = np.concatenate([some, 1.0 - np.sum(some, axis=1, keepdims=True)], axis=1)
        extra = shape_of(self.values)[1:]
        y = np.sum(np.reshape(weights, (*shape_of(weights), *(1 for _ in extra))) * self.values[nodes], axis=1)
        outside = np.reshape(simplex < 0, (-1, *(1 for _ in extra)))
        y = np.where(outside, self.fill_value, y) if np.any(outside) else y
        return np.reshape(y, (*shape, *extra))


def _linear_call(self: Any, *xi: Any) -> Any:
    expected = original(LINEAR, "__call__")(self, *plain_tree(xi))
    made = Simplices(self.tri, np.asarray(self.values).reshape(len(self.tri.points), -1), self.fill_value)
    y = made(*xi)
    return same_as(np.reshape(y, np.shape(expected)), expected, "scipy.interpolate.LinearNDInterpolator")


class Neighbours:
    """``NearestNDInterpolator`` of traced values: piecewise constant in places and points."""

    def __init__(self, x: Any, y: Any, rescale: bool = False, tree_options: Any = None) -> None:
        x, self.values = plain_tree(x), floating(y)
        self.find = original(si, "NearestNDInterpolator")(x, np.arange(shape_of(self.values)[0]), rescale, tree_options)

    def __call__(self, *args: Any, **query_options: Any) -> Any:
        index = original(NEAREST, "__call__")(self.find, *plain_tree(args), **query_options)
        flat = self.values[np.reshape(index, -1).astype(int)]
        return np.reshape(flat, np.shape(index) + shape_of(self.values)[1:])


def _nearest_call(self: Any, *args: Any, **query_options: Any) -> Any:
    """Plain values: the nearest one does not depend on the place, but where another one is as near."""
    note_zero()
    return original(NEAREST, "__call__")(self, *plain_tree(args), **query_options)


def griddata(points: Any, values: Any, xi: Any, method: str = "linear", fill_value: Any = np.nan,
             rescale: bool = False) -> Any:  # fmt: skip
    """Scattered points at places."""
    expected = original(si, "griddata")(*plain_tree((points, values, xi)), method, plain(fill_value), rescale)
    p = _scatter_points(points)
    name = "scipy.interpolate.griddata"
    if shape_of(p)[1] == 1 and method in ("nearest", "linear", "cubic"):
        x = floating(xi[0] if isinstance(xi, tuple) else xi)
        if fill_value is not None and method == "nearest":
            fill_value = "extrapolate"
        y = Interpolant(p[:, 0], values, method, 0, True, False, fill_value)(np.reshape(x, shape_of(x)))
        return same_as(np.reshape(y, np.shape(expected)), expected, name)
    if method == "nearest":
        return same_as(Neighbours(plain(p), values, rescale)(plain_tree(xi)), expected, name)
    if method == "linear":
        return same_as(Simplices(p, values, fill_value, rescale)(xi), expected, name)
    return numeric(original(si, "griddata"), name)(points, values, xi, method, fill_value, rescale)


# -- radial functions ------------------------------------------------------------------------------------------------


def _root(s: Any) -> Any:
    zero = plain(s) == 0
    return np.where(zero, 0.0, np.sqrt(np.where(zero, 1.0, s)))


def _plate(s: Any) -> Any:
    zero = plain(s) == 0
    return np.where(zero, 0.0, 0.5 * s * np.log(np.where(zero, 1.0, s)))


# As functions of the square of the distance.
KERNELS: dict[str, Callable[[Any], Any]] = {
    "linear": lambda s: -_root(s),
    "thin_plate_spline": _plate,
    "cubic": lambda s: s * _root(s),
    "quintic": lambda s: -s * s * _root(s),
    "multiquadric": lambda s: -np.sqrt(s + 1.0),
    "inverse_multiquadric": lambda s: 1.0 / np.sqrt(s + 1.0),
    "inverse_quadratic": lambda s: 1.0 / (s + 1.0),
    "gaussian": lambda s: np.exp(-s),
}
_LEAST = {"multiquadric": 0, "linear": 0, "thin_plate_spline": 1, "cubic": 1, "quintic": 2}


def _squares(a: Any, b: Any) -> Any:
    d = a[:, None, :] - b[None, :, :]
    return np.sum(d * d, axis=-1)


class Radial:
    """``RBFInterpolator`` of traced points, values or parameters."""

    def __init__(self, y: Any, d: Any, neighbors: Any = None, smoothing: Any = 0.0, kernel: str = "thin_plate_spline",
                 epsilon: Any = None, degree: Any = None) -> None:  # fmt: skip
        arguments = (plain_tree(y), plain_tree(d), neighbors, plain_tree(smoothing), kernel, plain(epsilon), degree)
        self.check = original(si, "RBFInterpolator")(*arguments)
        if neighbors is not None:
            raise unsupported("scipy.interpolate.RBFInterpolator of traced values with neighbors")
        self.y, d = floating(y), floating(d)
        if is_complex(d):
            raise unsupported("scipy.interpolate.RBFInterpolator of complex values")
        n, ndim = shape_of(self.y)
        self.kernel, self.epsilon = KERNELS[kernel], 1.0 if epsilon is None else epsilon
        degree = max(_LEAST.get(kernel, -1), 0) if degree is None else int(degree)
        self.powers = [p for p in itertools.product(range(degree + 1), repeat=ndim) if sum(p) <= degree]
        # Monomials of coordinates between −1 and 1; any such basis gives the same interpolant.
        low, high = plain(self.y).min(axis=0), plain(self.y).max(axis=0)
        self.shift, self.scale = (high + low) / 2.0, np.where(high > low, (high - low) / 2.0, 1.0)
        self.trailing = shape_of(d)[1:]
        m = len(self.powers)
        k = self.kernel(_squares(self.y * self.epsilon, self.y * self.epsilon)) + np.diag(
            np.broadcast_to(array(smoothing), (n,))
        )
        right = np.concatenate([np.reshape(d, (n, -1)), np.zeros((m, max(1, int(np.prod(self.trailing)))))])
        if m:
            p = self._monomials(self.y)
            k = np.concatenate(
                [np.concatenate([k, p], axis=1), np.concatenate([p.T, np.zeros((m, m))], axis=1)], axis=0
            )
        self.c = np.linalg.solve(k, right)

    def _monomials(self, x: Any) -> Any:
        u = (x - self.shift) / self.scale
        columns = []
        for power in self.powers:
            column: Any = np.ones(shape_of(u)[0])
            for i, e in enumerate(power):
                column = column * u[:, i] ** e if e else column
            columns.append(column)
        return np.stack(columns, axis=1)

    def __call__(self, x: Any) -> Any:
        x = floating(x)
        k = self.kernel(_squares(x * self.epsilon, self.y * self.epsilon))
        k = np.concatenate([k, self._monomials(x)], axis=1) if self.powers else k
        y = np.reshape(k @ self.c, (shape_of(x)[0], *self.trailing))
        expected = original(RBF, "__call__")(self.check, plain(x))
        # The system is nearly singular by nature: two solutions agree to fewer digits than one has.
        return same_as(y, expected, "scipy.interpolate.RBFInterpolator") + (expected - plain(y))


def _radial_call(self: Any, x: Any) -> Any:
    if self.neighbors is not None:
        return numeric(lambda p: original(RBF, "__call__")(self, p), "scipy.interpolate.RBFInterpolator")(x)
    values = np.asarray(self.d).view(self.d_dtype).reshape(-1, *self.d_shape)
    degree = int(np.max(np.sum(self.powers, axis=1))) if len(self.powers) else -1
    return Radial(self.y, values, None, self.smoothing, self.kernel, self.epsilon, degree)(x)


# -- polynomials -----------------------------------------------------------------------------------------------------


class Polynomial:
    """The polynomial through points, in Lagrange's form: products of differences, which nothing divides by zero."""

    def __init__(self, xi: Any, yi: Any, axis: int = 0, **_plain: Any) -> None:
        self.x, self.axis = floating(xi), axis
        if len(np.unique(plain(self.x))) != shape_of(self.x)[0]:
            raise unsupported("an interpolating polynomial of traced values with repeated points")
        self.y = np.moveaxis(floating(yi), axis, 0)

    def __call__(self, x: Any) -> Any:
        x = floating(x)
        q = np.reshape(x, -1)
        n = shape_of(self.x)[0]
        d = [q - self.x[j] for j in range(n)]
        before, after = [np.ones(shape_of(q))], [np.ones(shape_of(q))]
        for j in range(n - 1):
            before.append(before[-1] * d[j])
            after.append(after[-1] * d[n - 1 - j])
        extra = (1,) * (len(shape_of(self.y)) - 1)
        y: Any = 0.0
        for j in range(n):
            scale: Any = 1.0
            for m in range(n):
                scale = scale * (self.x[j] - self.x[m]) if m != j else scale
            y = y + np.reshape(before[j] * after[n - 1 - j] / scale, (-1, *extra)) * self.y[j]
        return placed(np.reshape(y, shape_of(x) + shape_of(self.y)[1:]), len(shape_of(x)), self.axis)

    def derivative(self, x: Any, der: int = 1) -> Any:
        raise unsupported("the derivative of an interpolating polynomial of traced values", "evaluate it itself")


class Powers:
    """What ``numpy.poly1d`` is for plain coefficients, the highest power first."""

    def __init__(self, c: Any) -> None:
        self.c = self.coef = self.coeffs = self.coefficients = c

    @property
    def order(self) -> int:
        return int(shape_of(self.c)[0]) - 1

    def __call__(self, x: Any) -> Any:
        return np.polyval(self.c, x)


def lagrange(x: Any, w: Any) -> Any:
    """The polynomial through points, as powers."""
    x, w = floating(x), floating(w)
    n = shape_of(x)[0]
    total: Any = 0.0
    for j in range(n):
        term: Any = np.ones(1)
        for m in range(n):
            if m != j:
                term = np.convolve(term, np.stack([1.0 + 0.0 * x[m], -x[m]]) / (x[j] - x[m]))
        total = total + term * w[j]
    expected = original(si, "lagrange")(plain(x), plain(w)).c
    return Powers(same_as(total[n - len(expected) :], expected, "scipy.interpolate.lagrange"))


def pade(an: Any, m: int, n: Any = None) -> Any:
    """The rational function with this Taylor series: the denominator's coefficients solve a linear system."""
    an = floating(an)
    count = shape_of(an)[0]
    n = count - 1 - m if n is None else int(n)
    if n < 0 or n + m > count - 1:
        raise ValueError("Order of q+p <m+n> must be smaller than len(an).")
    padded = np.concatenate([np.zeros(m), an])  # aₖ stands at k + m
    index = np.arange(n + 1, n + m + 1)[:, None] - np.arange(1, m + 1)
    q = np.concatenate([np.ones(1), np.linalg.solve(padded[index + m], -an[n + 1 : n + m + 1])]) if m else np.ones(1)
    p = np.convolve(an[: n + 1], q)[: n + 1]
    expected = original(si, "pade")(plain(an), m, n)
    results = [c[::-1] for c in (p, q)]
    for c, theirs in zip(results, expected, strict=True):
        same_as(c[shape_of(c)[0] - len(theirs.c) :], theirs.c, "scipy.interpolate.pade")
    return tuple(Powers(c) for c in results)


def _interpolate(name: str) -> Callable[..., Any]:
    fallback = numeric(original(si, name), f"scipy.interpolate.{name}")

    def handler(xi: Any, yi: Any, x: Any, *args: Any, **keywords: Any) -> Any:
        if args or set(keywords) - {"axis"}:
            return fallback(xi, yi, x, *args, **keywords)
        expected = original(si, name)(*plain_tree((xi, yi, x)), **keywords)
        return same_as(Polynomial(xi, yi, **keywords)(x), expected, f"scipy.interpolate.{name}")

    return handler


def _polynomial_dispatch(owner: type) -> Callable[..., Any]:
    def handler(self: Any, x: Any) -> Any:
        call = original(owner, "__call__")

        def curve(places: Any, nu: int) -> Any:
            if nu and not hasattr(self, "derivative"):
                raise unsupported(f"the derivative of a {type(self).__name__} at a traced place")
            y = call(self, places) if nu == 0 else self.derivative(places, nu)
            return leading(y, np.ndim(places), self._y_axis)

        return at_places(curve, x, 0, self._y_axis)

    return handler


# -- registration ----------------------------------------------------------------------------------------------------

_REFUSED = (
    "AAA", "CloughTocher2DInterpolator", "FloaterHormannInterpolator", "LSQBivariateSpline", "LSQSphereBivariateSpline",
    "NdBSpline", "NdPPoly", "Rbf", "RectSphereBivariateSpline", "SmoothBivariateSpline", "SmoothSphereBivariateSpline",
)  # fmt: skip


_REFUSED_FUNCTIONS = {
    "splprep": "make a spline of each coordinate with make_interp_spline",
    "make_splprep": "make a spline of each coordinate with make_interp_spline",
    "approximate_taylor_polynomial": "differentiate the function itself",
    "generate_knots": "knots for smoothing are found by iteration",
}


def _refuse(name: str) -> Callable[..., Any]:
    def handler(*_args: Any, **_keywords: Any) -> Any:
        raise unsupported(f"scipy.interpolate.{name} of traced values is not supported")

    return handler


def _not_itself(name: str) -> Callable[..., Any]:
    """The constructor of a compiled class, which takes a traced value for an array and crashes.

    It is reached only where the name has not been replaced yet: the refusal has that done.
    """

    def handler(_self: Any, *_args: Any, **_keywords: Any) -> None:
        raise unsupported(f"scipy.interpolate.{name} of traced values in a module that was not looked through")

    return handler


def _numeric_call(cls: Any, name: str) -> None:
    """A plain object at traced places, where it has no derivative of its own."""
    call = numeric(cls.__call__, f"scipy.interpolate.{name}")
    methods(cls, {"__call__": call})


def register() -> None:
    """Give SciPy's classes their rules."""
    for name in ("AAA", "CloughTocher2DInterpolator", "FloaterHormannInterpolator", "NdPPoly", "NdBSpline", "Rbf"):
        cls = getattr(si, name, None)
        if cls is not None:
            _numeric_call(cls, name)
    owners: dict[type, None] = {}
    for name in ("KroghInterpolator", "BarycentricInterpolator"):
        cls = getattr(si, name)
        owner = next(c for c in cls.__mro__ if "__call__" in vars(c))
        owners.setdefault(owner, None)
    for owner in owners:
        methods(owner, {"__call__": _polynomial_dispatch(owner)})
    for name in ("LinearNDInterpolator", "NearestNDInterpolator", "CloughTocher2DInterpolator"):
        methods(getattr(si, name), {"__init__": _not_itself(name)}, eager=True)
    construct(si, "LinearNDInterpolator", Simplices, [Simplices])
    methods(LINEAR, {"__call__": _linear_call})
    construct(si, "NearestNDInterpolator", Neighbours, [Neighbours])
    methods(NEAREST, {"__call__": _nearest_call})
    construct(si, "RBFInterpolator", Radial, [Radial])
    methods(RBF, {"__call__": _radial_call})
    construct(si, "BarycentricInterpolator", Polynomial, [Polynomial])
    construct(si, "KroghInterpolator", Polynomial, [Polynomial])
    refuse(si, {name: why for name, why in _REFUSED_FUNCTIONS.items() if hasattr(si, name)})
    for name in _REFUSED:
        if hasattr(si, name):
            construct(si, name, _refuse(name))
            STATUS[si, name] = "refused: made of traced values"


HANDLERS: dict[str, Callable[..., Any]] = {
    "griddata": griddata,
    "lagrange": lagrange,
    "pade": pade,
    "barycentric_interpolate": _interpolate("barycentric_interpolate"),
    "krogh_interpolate": _interpolate("krogh_interpolate"),
}
