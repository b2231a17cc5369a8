"""Interpolation on rectangular grids: ``RegularGridInterpolator``, ``interpn``, ``RectBivariateSpline`` and its kin.

Linear interpolation weights the corners of the cell that a place lies in; the splines are products of B-splines of each
coordinate, their coefficients fitted along one axis after the other.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.interpolate as si

from gradcheck.autodiff.core import any_active, plain, plain_tree, shape_of
from gradcheck.autodiff.errors import unsupported
from gradcheck.autodiff.rules.scipy.interpolate.bsplines import Spline, basis, cells, make_interp_spline
from gradcheck.autodiff.rules.scipy.linear import array, floating, same_as
from gradcheck.autodiff.rules.scipy.registry import construct, methods, original

_DEGREE = {"slinear": 1, "cubic": 3, "quintic": 5}
GRID = si.RegularGridInterpolator  # the class itself: its name is replaced while a trace is running


def places(xi: Any, ndim: int) -> list[Any]:
    """The coordinates of places, given as an array (..., ndim) or as one array for each coordinate.

    As in SciPy, one dimension of numbers is a list of points: a single point of a plane is a list of one.
    """
    xi = xi[0] if isinstance(xi, tuple) and len(xi) == 1 else xi
    if isinstance(xi, tuple):
        parts = [floating(e) for e in xi]
        shape = np.broadcast_shapes(*(shape_of(p) for p in parts))
        return [np.broadcast_to(p, shape) if shape_of(p) != shape else p for p in parts]
    xi = floating(xi)
    if len(shape_of(xi)) == 1:
        xi = np.reshape(xi, (-1, ndim))
    if not shape_of(xi) or shape_of(xi)[-1] != ndim:
        raise ValueError(f"The requested sample points xi have dimension {shape_of(xi)[-1:]}, not {ndim}")
    return [xi[..., i] for i in range(ndim)]


def _spread(w: Any, extra: int) -> Any:
    return np.reshape(w, shape_of(w) + (1,) * extra)


class Grid:
    """A regular grid of traced values, or with traced coordinates, or at traced places."""

    def __init__(self, points: Any, values: Any, method: str = "linear", bounds_error: bool = True,
                 fill_value: Any = np.nan, **keywords: Any) -> None:  # fmt: skip
        self.points = [floating(p) for p in points]
        self.values = floating(values)
        if any(np.any(np.diff(plain(p)) <= 0) for p in self.points):
            raise unsupported("scipy.interpolate.RegularGridInterpolator of traced values with descending points")
        self.method, self.bounds_error, self.fill_value, self.keywords = method, bounds_error, fill_value, keywords
        self.fits: dict[str, tuple[list[Any], Any]] = {}

    def __call__(self, xi: Any, method: Any = None, *, nu: Any = None) -> Any:
        method = self.method if method is None else method
        where = places(xi, len(self.points))
        shape = shape_of(where[0])
        if nu is not None:
            raise unsupported("scipy.interpolate.RegularGridInterpolator of traced values with nu")
        where = [np.reshape(w, -1) for w in where]
        # Traced values are compared, so that decisions.py takes note.
        inside = [(w >= p[0]) & (w <= p[-1]) for w, p in zip(where, self.points, strict=True)]
        for i, ok in enumerate(inside):
            if self.bounds_error and not np.all(ok):
                raise ValueError(f"One of the requested xi is out of bounds in dimension {i}")
        if method in ("linear", "nearest"):
            y = self._corners(where, method)
        elif method in _DEGREE:
            y = self._splines(where, method)
        else:
            raise unsupported(f"scipy.interpolate.RegularGridInterpolator of traced values with method={method!r}")
        extra = len(shape_of(self.values)) - len(self.points)
        outside = ~np.logical_and.reduce(inside)
        if self.fill_value is not None and np.any(outside):
            y = np.where(_spread(outside, extra), self.fill_value, y)
        return np.reshape(y, shape + shape_of(self.values)[len(self.points) :])

    def _corners(self, where: list[Any], method: str) -> Any:
        lows, shares = [], []
        for w, p in zip(where, self.points, strict=True):
            low = np.clip(np.searchsorted(plain(p), plain(w)) - 1, 0, shape_of(p)[0] - 2)
            share = (w - p[low]) / (p[low + 1] - p[low])
            lows.append(low + (plain(share) > 0.5) if method == "nearest" else low)
            shares.append(share)
        if method == "nearest":
            return self.values[tuple(lows)]
        extra = len(shape_of(self.values)) - len(self.points)
        y: Any = 0.0
        for corner in itertools.product((0, 1), repeat=len(lows)):
            weight: Any = 1.0
            for share, up in zip(shares, corner, strict=True):
                weight = weight * (share if up else 1.0 - share)
            key = tuple(low + up for low, up in zip(lows, corner, strict=True))
            y = y + _spread(weight, extra) * self.values[key]
        return y

    def _splines(self, where: list[Any], method: str) -> Any:
        k = _DEGREE[method]
        if method not in self.fits:
            c, knots = self.values, []
            for axis, p in enumerate(self.points):
                c, t = along(c, p, k, axis)
                knots.append(t)
            self.fits[method] = knots, c
        knots, c = self.fits[method]
        return tensor(knots, c, [k] * len(where), where, [0] * len(where))


def along(values: Any, points: Any, k: int, axis: int) -> tuple[Any, Any]:
    """Spline coefficients along one axis, and the knots."""
    if any_active((values, points)):
        s = make_interp_spline(points, np.moveaxis(values, axis, 0), k)
    else:
        s = original(si, "make_interp_spline")(plain(points), np.moveaxis(plain(values), axis, 0), k)
    return np.moveaxis(s.c, 0, axis), s.t


def tensor(knots: list[Any], c: Any, degrees: list[int], where: list[Any], nus: list[int]) -> Any:
    """A product of B-splines at places, or a derivative of it."""
    sides = []
    for axis, (t, k, w, nu) in enumerate(zip(knots, degrees, where, nus, strict=True)):
        if nu:
            s = Spline(t, np.moveaxis(c, axis, 0), k).derivative(nu)
            c, t, k = np.moveaxis(s.c, 0, axis), s.t, s.k
        cell = cells(plain(t), k, plain(w))
        sides.append((cell - k, basis(t, k, w, cell)))
    extra = len(shape_of(c)) - len(knots)
    y: Any = 0.0
    for taps in itertools.product(*(range(len(w)) for _, w in sides)):
        weight: Any = 1.0
        for (_, w), j in zip(sides, taps, strict=True):
            weight = weight * w[j]
        y = y + _spread(weight, extra) * c[tuple(first + j for (first, _), j in zip(sides, taps, strict=True))]
    return y


def _checked_grid(y: Any, expected: Any, method: str) -> Any:
    if method in ("cubic", "quintic"):  # SciPy solves for the coefficients by iteration, to about six digits
        if not np.allclose(plain(y), expected, 1e-4, 1e-4 * np.nanmax(np.abs(expected), initial=0.0), equal_nan=True):
            raise unsupported("scipy.interpolate.RegularGridInterpolator: another spline than SciPy's")
        return y
    return same_as(y, expected, "scipy.interpolate.RegularGridInterpolator")


def _grid_call(self: Any, xi: Any, method: Any = None, *, nu: Any = None) -> Any:
    made = Grid(self.grid, self.values, self.method, self.bounds_error, self.fill_value)
    chosen = method or self.method
    if chosen in ("cubic", "quintic") and hasattr(self, "_construct_spline"):
        # SciPy's own coefficients, as it solves for them by iteration: this is the function that is evaluated.
        spline = self._spline if chosen == self.method else self._construct_spline(chosen)
        made.fits[chosen] = list(spline.t), spline.c
    given = {} if nu is None else {"nu": nu}
    expected = original(GRID, "__call__")(self, plain_tree(xi), method, **given)
    return _checked_grid(made(xi, method, **given), expected, chosen)


def interpn(points: Any, values: Any, xi: Any, method: str = "linear", bounds_error: bool = True,
            fill_value: Any = np.nan) -> Any:  # fmt: skip
    """Interpolation on a grid in one call."""
    expected = original(si, "interpn")(
        plain_tree(points), plain_tree(values), plain_tree(xi), method, bounds_error, fill_value
    )
    if method == "splinef2d":
        surface = rectangle(points[0], points[1], values)
        where = places(xi, 2)
        y = surface.ev(*where)
        inside = np.ones(shape_of(y), dtype=bool)
        for w, p in zip(where, points, strict=True):
            inside &= (w >= p[0]) & (w <= p[-1])
        return same_as(np.where(inside, y, fill_value), expected, "scipy.interpolate.interpn")
    return _checked_grid(Grid(points, values, method, bounds_error, fill_value)(xi), expected, method)


# -- surfaces --------------------------------------------------------------------------------------------------------


class Surface:
    """A product of B-splines of two variables."""

    def __init__(self, knots: list[Any], c: Any, degrees: list[int]) -> None:
        self.knots, self.c, self.degrees = knots, c, degrees

    def _clipped(self, w: Any, i: int) -> Any:
        """FITPACK takes the edge's value for a place outside."""
        t, k = self.knots[i], self.degrees[i]
        low, high = t[k], t[shape_of(t)[0] - k - 1]
        value = plain(w)
        return np.where(value < plain(low), low, np.where(value > plain(high), high, w))

    def __call__(self, x: Any, y: Any, dx: int = 0, dy: int = 0, grid: bool = True) -> Any:
        x, y = floating(x), floating(y)
        if grid:
            x, y = np.reshape(x, -1), np.reshape(y, -1)
            shape = (shape_of(x)[0], shape_of(y)[0])
            x, y = np.reshape(x, (-1, 1)), np.reshape(y, (1, -1))
        else:
            shape = np.broadcast_shapes(shape_of(x), shape_of(y))
        where = [np.reshape(np.broadcast_to(self._clipped(w, i), shape), -1) for i, w in enumerate((x, y))]
        return np.reshape(tensor(self.knots, self.c, self.degrees, where, [dx, dy]), shape)

    def ev(self, xi: Any, yi: Any, dx: int = 0, dy: int = 0) -> Any:
        return self(xi, yi, dx, dy, False)

    def integral(self, xa: Any, xb: Any, ya: Any, yb: Any) -> Any:
        c = self.c
        for axis, (a, b) in enumerate(((xa, xb), (ya, yb))):
            c = Spline(self.knots[axis], c, self.degrees[axis], False).integrate(a, b, False)
        return c[()]


def rectangle(x: Any, y: Any, z: Any, bbox: Any = (None, None, None, None), kx: int = 3, ky: int = 3, s: Any = 0,
              maxit: int = 20) -> Any:  # fmt: skip
    """``RectBivariateSpline`` through its points."""
    if plain(s) != 0 or any(b is not None for b in plain_tree(list(bbox))):
        raise unsupported("scipy.interpolate.RectBivariateSpline of traced values with s or bbox")
    c, tx = along(floating(z), floating(x), kx, 0)
    c, ty = along(c, floating(y), ky, 1)
    expected = original(si, "RectBivariateSpline")(*plain_tree((x, y, z)), kx=kx, ky=ky, s=0)
    theirs = expected.get_coeffs().reshape(shape_of(c))
    same_as(c, theirs, "scipy.interpolate.RectBivariateSpline")
    return Surface([tx, ty], c, [kx, ky])


def _surface(self: Any) -> Surface:
    tx, ty, c = self.tck[:3]
    kx, ky = self.degrees
    return Surface([tx, ty], np.reshape(c, (len(tx) - kx - 1, len(ty) - ky - 1)), [kx, ky])


def _surface_call(self: Any, x: Any, y: Any, dx: int = 0, dy: int = 0, grid: bool = True) -> Any:
    return _surface(self)(x, y, dx, dy, grid)


def bisplev(x: Any, y: Any, tck: Any, dx: int = 0, dy: int = 0) -> Any:
    """A surface on a grid."""
    tx, ty, c, kx, ky = tck
    shape = (shape_of(array(tx))[0] - kx - 1, shape_of(array(ty))[0] - ky - 1)
    z = Surface([floating(tx), floating(ty)], np.reshape(floating(c), shape), [kx, ky])(x, y, dx, dy)
    if shape_of(z)[0] > 1:
        return z if shape_of(z)[1] > 1 else z[:, 0]
    return z[0] if shape_of(z)[1] > 1 else z[0, 0]


def register() -> None:
    """Give SciPy's classes their rules."""
    construct(si, "RegularGridInterpolator", Grid, [Grid])
    methods(GRID, {"__call__": _grid_call})
    rules: dict[str, Callable[..., Any]] = {
        "__call__": _surface_call,
        "ev": lambda self, xi, yi, dx=0, dy=0: _surface_call(self, xi, yi, dx, dy, False),
        "integral": lambda self, xa, xb, ya, yb: _surface(self).integral(xa, xb, ya, yb),
    }
    for name, handler in rules.items():
        owner = next(c for c in si.RectBivariateSpline.__mro__ if name in vars(c))
        methods(owner, {name: handler})
    construct(si, "RectBivariateSpline", rectangle, [Surface])


HANDLERS: dict[str, Callable[..., Any]] = {"interpn": interpn, "bisplev": bisplev}
