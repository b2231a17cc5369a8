"""Piecewise polynomials: ``PPoly``, ``BPoly`` and the interpolants that are made of cubics, with traced coefficients.

``Pieces`` stands for SciPy's object where values or break points are traced: it evaluates, differentiates and
integrates by Horner's rule in NumPy. The slopes of the cubic interpolants are computed here from traced points as
SciPy computes them, and compared with what SciPy makes of the plain points.

Source: C. de Boor, *A Practical Guide to Splines*, 1978, chapters IV and V; F. N. Fritsch, J. Butland, SIAM J. Sci.
Stat. Comput. 5 (1984) 300; H. Akima, J. ACM 17 (1970) 589.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.interpolate as si

from gradcheck.autodiff.core import TRACED, any_active, plain, plain_tree, shape_of
from gradcheck.autodiff.errors import unsupported
from gradcheck.autodiff.rules.scipy.interpolate.pointwise import at_places, falling, leading, placed
from gradcheck.autodiff.rules.scipy.linear import array, floating, same_as, transposes
from gradcheck.autodiff.rules.scipy.registry import construct, methods, original

# The classes themselves: their names are replaced while a trace is running.
PPOLY, BPOLY = si.PPoly, si.BPoly


class Pieces:
    """A piecewise polynomial with traced coefficients or break points.

    Attributes:
        c: coefficients, shape (order + 1, pieces, ...), the highest power first.
        x: break points, ascending.
        extrapolate: True, False or "periodic".
        axis: where the places stand among the dimensions of the values.
    """

    def __init__(self, c: Any, x: Any, extrapolate: Any = None, axis: int = 0) -> None:
        self.c, self.x = floating(c), floating(x)
        self.extrapolate = True if extrapolate is None else extrapolate
        self.axis = axis
        if np.any(np.diff(plain(self.x)) <= 0):
            raise unsupported("a piecewise polynomial of traced values whose break points do not ascend")

    def __call__(self, x: Any, nu: int = 0, extrapolate: Any = None) -> Any:
        mode = self.extrapolate if extrapolate is None else extrapolate
        x = floating(x)
        dims = len(shape_of(x))
        q = np.reshape(x, -1)
        if mode == "periodic":
            q = self.x[0] + np.mod(q - self.x[0], self.x[-1] - self.x[0])
        cell = np.clip(np.searchsorted(plain(self.x), plain(q), "right") - 1, 0, shape_of(self.x)[0] - 2)
        extra = shape_of(self.c)[2:]
        s = np.reshape(q - self.x[cell], (-1,) + (1,) * len(extra))
        order = shape_of(self.c)[0] - 1
        y: Any = np.zeros((*shape_of(q), *extra))
        for power in range(order, nu - 1, -1):
            y = y * s + self.c[order - power, cell] * falling(power, nu)
        if mode is False:
            outside = (plain(q) < plain(self.x)[0]) | (plain(q) > plain(self.x)[-1]) | np.isnan(plain(q))
            y = np.where(np.reshape(outside, (-1,) + (1,) * len(extra)), np.nan, y)
        return placed(np.reshape(y, shape_of(x) + extra), dims, self.axis)

    def derivative(self, nu: int = 1) -> Pieces:
        if nu < 0:
            return self.antiderivative(-nu)
        order = shape_of(self.c)[0] - 1
        if nu > order:
            return Pieces(self.c[:1] * 0.0, self.x, self.extrapolate, self.axis)
        factors = np.array([falling(p, nu) for p in range(order, nu - 1, -1)])
        kept = self.c[: order + 1 - nu] * np.reshape(factors, (-1,) + (1,) * (len(shape_of(self.c)) - 1))
        return Pieces(kept, self.x, self.extrapolate, self.axis)

    def antiderivative(self, nu: int = 1) -> Pieces:
        if nu <= 0:
            return self if nu == 0 else self.derivative(-nu)
        order, pieces = shape_of(self.c)[:2]
        ones = (1,) * (len(shape_of(self.c)) - 1)
        raised = self.c / np.reshape(np.arange(order, 0, -1.0), (-1, *ones))
        h = np.reshape(np.diff(self.x), (-1, *ones[1:]))
        area: Any = 0.0
        for k in range(order):
            area = (area + raised[k]) * h
        start = np.concatenate([area[:1] * 0.0, np.cumsum(area, axis=0)[: pieces - 1]], axis=0)
        mode = False if self.extrapolate == "periodic" else self.extrapolate
        return Pieces(np.concatenate([raised, start[None]], axis=0), self.x, mode, self.axis).antiderivative(nu - 1)

    def integrate(self, a: Any, b: Any, extrapolate: Any = None) -> Any:
        mode = self.extrapolate if extrapolate is None else extrapolate
        if mode == "periodic":
            raise unsupported("the integral of a periodic piecewise polynomial with traced values")
        whole = self.antiderivative()
        return array(whole(b, extrapolate=mode) - whole(a, extrapolate=mode))

    def solve(self, y: Any = 0.0, discontinuity: bool = True, extrapolate: Any = None) -> Any:
        mode = self.extrapolate if extrapolate is None else extrapolate
        if len(shape_of(self.c)) > 2:
            raise unsupported("the roots of several piecewise polynomials with traced values")
        found = original(PPOLY, "solve")(PPOLY(plain(self.c), plain(self.x)), plain(y), False, mode)
        return implicit(lambda x: self(x, extrapolate=mode) - y, lambda x: self(x, 1, mode), found)

    def roots(self, discontinuity: bool = True, extrapolate: Any = None) -> Any:
        return self.solve(0.0, discontinuity, extrapolate)


def implicit(f: Callable[[Any], Any], slope: Callable[[Any], Any], root: Any) -> Any:
    """A simple root as a function of what f depends on: two steps of Newton's from the root itself.

    Each step doubles the number of derivatives that are right; two give three of them.
    """
    root = np.asarray(root, dtype=np.float64)
    if not root.size:
        return root
    if not np.all(np.isfinite(root)) or np.any(np.abs(plain(slope(root))) < 1e-12):
        raise unsupported("a root of a spline that is not simple has no derivative")
    for _ in range(2):
        root = root - f(root) / slope(root)
    return root


# -- plain objects at traced places ----------------------------------------------------------------------------------


def _call(self: Any, x: Any, nu: int = 0, extrapolate: Any = None) -> Any:
    call = original(PPOLY if isinstance(self, PPOLY) else BPOLY, "__call__")
    mode = extrapolate if extrapolate is not None else self.extrapolate

    def curve(places: Any, order: int) -> Any:
        return leading(call(self, places, order, mode), np.ndim(places), self.axis)

    return at_places(curve, x, int(nu), self.axis)


def _integrate(self: Any, a: Any, b: Any, extrapolate: Any = None) -> Any:
    mode = self.extrapolate if extrapolate is None else extrapolate
    if mode == "periodic":
        raise unsupported("the integral of a periodic piecewise polynomial between traced limits")
    whole = self.antiderivative()
    return array(_call(whole, b, 0, mode) - _call(whole, a, 0, mode))


def _solve(self: Any, y: Any = 0.0, discontinuity: bool = True, extrapolate: Any = None) -> Any:
    return Pieces(self.c, self.x, self.extrapolate, self.axis).solve(y, discontinuity, extrapolate)


# -- slopes of cubics ------------------------------------------------------------------------------------------------


def _rows(v: Any, ndim: int) -> Any:
    return np.reshape(v, (-1,) + (1,) * (ndim - 1))


def _secants(x: Any, y: Any) -> tuple[Any, Any]:
    """The widths of the intervals, shaped as rows of y, and the slopes of the secants."""
    h = _rows(np.diff(x), len(shape_of(y)))
    return h, np.diff(y, axis=0) / h


def hermite(x: Any, y: Any, slopes: Any) -> Any:
    """The coefficients of the cubics with these values and slopes."""
    h, secant = _secants(x, y)
    t = (slopes[:-1] + slopes[1:] - 2 * secant) / h
    return np.stack([t / h, (secant - slopes[:-1]) / h - t, slopes[:-1], y[:-1]])


def _points(x: Any, y: Any, axis: int) -> tuple[Any, Any]:
    x, y = floating(x), np.moveaxis(floating(y), axis, 0)
    if len(shape_of(x)) != 1 or shape_of(x)[0] != shape_of(y)[0]:
        raise ValueError("The length of `y` along `axis` doesn't match the length of `x`")
    if np.any(np.diff(plain(x)) <= 0):
        raise ValueError("`x` must be strictly increasing sequence.")
    return x, y


def _checked(c: Any, x: Any, kind: str, axis: int, extrapolate: Any, default: Any, expected: Any) -> Pieces:
    same_as(c, expected.c, f"scipy.interpolate.{kind}")
    return Pieces(c, x, default if extrapolate is None else extrapolate, axis)


def _ends(h0: Any, h1: Any, m0: Any, m1: Any) -> Any:
    """The slope at an end that keeps the shape: of the parabola through three points, limited."""
    d = ((2 * h0 + h1) * m0 - h0 * m1) / (h0 + h1)
    turned = np.sign(plain(d)) != np.sign(plain(m0))
    steep = (np.sign(plain(m0)) != np.sign(plain(m1))) & (np.abs(plain(d)) > 3.0 * np.abs(plain(m0)))
    return np.where(turned, 0.0, np.where(steep, 3.0 * m0, d))


def pchip(x: Any, y: Any, axis: int = 0, extrapolate: Any = None) -> Any:
    """``PchipInterpolator``: weighted harmonic means of the secants."""
    x, y = _points(x, y, axis)
    h, m = _secants(x, y)
    if shape_of(x)[0] == 2:
        slopes = np.concatenate([m, m])
    else:
        flat = (np.sign(plain(m)[1:]) != np.sign(plain(m)[:-1])) | (plain(m)[1:] == 0) | (plain(m)[:-1] == 0)
        w1, w2 = 2 * h[1:] + h[:-1], h[1:] + 2 * h[:-1]
        before, after = np.where(flat, 1.0, m[:-1]), np.where(flat, 1.0, m[1:])
        inner = np.where(flat, 0.0, (w1 + w2) / (w1 / before + w2 / after))
        first, last = _ends(h[0], h[1], m[0], m[1]), _ends(h[-1], h[-2], m[-1], m[-2])
        slopes = np.concatenate([first[None], inner, last[None]])
    expected = original(si, "PchipInterpolator")(plain(x), plain(y))
    return _checked(hermite(x, y, slopes), x, "PchipInterpolator", axis, extrapolate, True, expected)


def akima(x: Any, y: Any, axis: int = 0, *, method: str = "akima", extrapolate: Any = None) -> Any:
    """``Akima1DInterpolator``: secants weighted by how the others bend."""
    x, y = _points(x, y, axis)
    _, m = _secants(x, y)
    if shape_of(x)[0] == 2:
        slopes = np.concatenate([m, m])
    else:
        left1 = 2.0 * m[0] - m[1]
        left0 = 2.0 * left1 - m[0]
        right1 = 2.0 * m[-1] - m[-2]
        right0 = 2.0 * right1 - m[-1]
        m = np.concatenate([left0[None], left1[None], m, right1[None], right0[None]])
        bend = np.abs(np.diff(m, axis=0))
        if method == "makima":
            bend = bend + 0.5 * np.abs(m[1:] + m[:-1])
        f1, f2 = bend[2:], bend[:-2]
        total = f1 + f2
        some = plain(total) > 1e-9 * np.max(plain(total), initial=-np.inf)
        weighted = (f1 * m[1:-2] + f2 * m[2:-1]) / np.where(some, total, 1.0)
        slopes = np.where(some, weighted, 0.5 * (m[3:] + m[:-3]))
    expected = original(si, "Akima1DInterpolator")(plain(x), plain(y), method=method)
    return _checked(hermite(x, y, slopes), x, "Akima1DInterpolator", axis, extrapolate, False, expected)


def cubic_hermite(x: Any, y: Any, dydx: Any, axis: int = 0, extrapolate: Any = None) -> Any:
    """``CubicHermiteSpline``: values and slopes given."""
    x, y = _points(x, y, axis)
    slopes = np.moveaxis(floating(dydx), axis, 0)
    expected = original(si, "CubicHermiteSpline")(plain(x), plain(y), plain(slopes))
    return _checked(hermite(x, y, slopes), x, "CubicHermiteSpline", axis, extrapolate, True, expected)


# -- CubicSpline -----------------------------------------------------------------------------------------------------


def _banded(b: Any, *, ab: Any) -> Any:
    from scipy.linalg import solve_banded

    return solve_banded((1, 1), ab, b)


def _banded_transposed(g: Any, *, ab: Any) -> Any:
    turned = np.zeros_like(ab)
    turned[0, 1:], turned[1], turned[2, :-1] = ab[2, :-1], ab[1], ab[0, 1:]
    return _banded(g, ab=turned)


BANDED, _ = transposes(_banded, _banded_transposed, "tridiagonal system")


def _tridiagonal(lower: Any, middle: Any, upper: Any, right: Any) -> Any:
    """The solution of a tridiagonal system; a full one is solved where the matrix is traced."""
    shape = shape_of(right)
    flat = np.reshape(right, (shape[0], -1))
    if any(type(v) in TRACED for v in (lower, middle, upper)):
        full = np.diag(middle) + np.diag(lower, -1) + np.diag(upper, 1)
        return np.reshape(np.linalg.solve(full, flat), shape)
    ab = np.zeros((3, shape[0]))
    ab[0, 1:], ab[1], ab[2, :-1] = upper, middle, lower
    return np.reshape(BANDED(flat, ab=ab), shape)


def _conditions(bc: Any, n: int) -> list[Any]:
    """The two boundary conditions: "not-a-knot", or (order, value)."""
    both = [bc, bc] if isinstance(bc, str) else list(bc)
    named = {"clamped": (1, 0.0), "natural": (2, 0.0)}
    out = [named.get(c, c) if isinstance(c, str) else c for c in both]
    if any(isinstance(c, str) and c not in ("not-a-knot", "periodic") for c in out):
        raise ValueError(f"bc_type={bc} is not allowed.")
    return out


def _end_row(condition: Any, h: Any, h2: Any, m: Any, m2: Any, sign: float, like: Any) -> tuple[Any, Any, Any]:
    """Diagonal, neighbour and right side of the row of one end; the second interval follows the first inwards."""
    if condition == "not-a-knot":
        d = h + h2
        return h2, d, ((h + 2 * d) * h2 * m + h * h * m2) / d
    order, value = condition
    value = floating(value)
    if order == 1:
        return 1.0 + 0.0 * h, 0.0 * h, value + 0.0 * like
    return 2 * h, h, 3 * m * h - sign * 0.5 * value * h * h + 0.0 * like


def _cubic_slopes(x: Any, y: Any, conditions: list[Any]) -> Any:
    n, ndim = shape_of(x)[0], len(shape_of(y))
    h = np.diff(x)
    m = np.diff(y, axis=0) / _rows(h, ndim)
    if n == 2:
        conditions = [(1, m[0]) if c == "not-a-knot" else c for c in conditions]
    if n == 3 and conditions == ["not-a-knot", "not-a-knot"]:
        full = np.array([[1.0, 1.0, 0.0], [0.0, 0.0, 0.0], [0.0, 1.0, 1.0]])
        row = np.stack([h[1], 2 * (h[0] + h[1]), h[0]])
        full = full + np.array([[0.0], [1.0], [0.0]]) * row
        right = np.stack([2 * m[0], 3 * (h[0] * m[1] + h[1] * m[0]), 2 * m[1]])
        return np.reshape(np.linalg.solve(full, np.reshape(right, (3, -1))), shape_of(y))
    second = min(1, n - 2)
    d0, u0, r0 = _end_row(conditions[0], h[0], h[second], m[0], m[second], 1.0, y[0])
    d1, l1, r1 = _end_row(conditions[1], h[-1], h[-1 - second], m[-1], m[-1 - second], -1.0, y[0])
    a, b = _rows(h[1:], ndim), _rows(h[:-1], ndim)
    inner = 3.0 * (a * m[:-1] + b * m[1:])
    middle = np.concatenate([np.reshape(d0, 1), 2 * (h[:-1] + h[1:]), np.reshape(d1, 1)])
    lower = np.concatenate([h[1:], np.reshape(l1, 1)])
    upper = np.concatenate([np.reshape(u0, 1), h[:-1]])
    return _tridiagonal(lower, middle, upper, np.concatenate([r0[None], inner, r1[None]]))


def _periodic_slopes(x: Any, y: Any) -> Any:
    n, ndim = shape_of(x)[0], len(shape_of(y))
    h = np.diff(x)
    m = np.diff(y, axis=0) / _rows(h, ndim)
    if n == 2:
        return np.concatenate([m * 0.0, m * 0.0])
    before = np.roll(h, 1)
    if n == 3:
        slope = np.sum(m / _rows(h, ndim), axis=0) / np.sum(1.0 / h)
        return np.stack([slope] * 3)
    eye = np.eye(n - 1)
    full = eye * (2 * (h + before)) + np.roll(eye, -1, axis=1) * h[:, None] + np.roll(eye, 1, axis=1) * before[:, None]
    right = 3.0 * (_rows(h, ndim) * np.roll(m, 1, axis=0) + _rows(before, ndim) * m)
    s = np.reshape(np.linalg.solve(full, np.reshape(right, (n - 1, -1))), shape_of(right))
    return np.concatenate([s, s[:1]])


def cubic_spline(x: Any, y: Any, axis: int = 0, bc_type: Any = "not-a-knot", extrapolate: Any = None) -> Any:
    """``CubicSpline``: slopes from continuity of the second derivative."""
    x, y = _points(x, y, axis)
    conditions = _conditions(bc_type, shape_of(x)[0])
    expected = original(si, "CubicSpline")(plain(x), plain(y), 0, plain_tree(bc_type))
    periodic = conditions[0] == "periodic"
    slopes = _periodic_slopes(x, y) if periodic else _cubic_slopes(x, y, conditions)
    c = hermite(x, y, slopes)
    return _checked(c, x, "CubicSpline", axis, extrapolate, "periodic" if periodic else True, expected)


def _bernstein(c: Any, x: Any, extrapolate: Any = None, axis: int = 0) -> Any:
    """``BPoly`` as powers: the k-th Bernstein coefficient's share of each power of (x − xᵢ)/h."""
    c, x = floating(c), floating(x)
    order = shape_of(c)[0] - 1
    h = np.reshape(np.diff(x), (-1,) + (1,) * (len(shape_of(c)) - 2))
    rows = []
    for power in range(order, -1, -1):
        term: Any = 0.0
        for k in range(power + 1):
            term = term + (-1.0) ** (power - k) * _binomial(order, power) * _binomial(power, k) * c[k]
        rows.append(term / h**power)
    return Pieces(np.stack(rows), x, extrapolate, axis)


def _binomial(n: int, k: int) -> float:
    return float(np.prod([(n - i) / (i + 1) for i in range(k)]))


def register() -> None:
    """Give SciPy's classes their rules."""
    for cls in (si.PPoly, si.BPoly):
        methods(cls, {"__call__": _call, "integrate": _integrate})
    methods(si.PPoly, {"solve": _solve, "roots": lambda self, d=True, e=None: _solve(self, 0.0, d, e)})
    construct(si, "PPoly", lambda c, x, extrapolate=None, axis=0: Pieces(c, x, extrapolate, axis), [Pieces])
    construct(si, "BPoly", _bernstein, [Pieces])
    construct(si, "CubicSpline", cubic_spline, [Pieces])
    construct(si, "PchipInterpolator", pchip, [Pieces])
    construct(si, "Akima1DInterpolator", akima, [Pieces])
    construct(si, "CubicHermiteSpline", cubic_hermite, [Pieces])


def pchip_interpolate(xi: Any, yi: Any, x: Any, der: Any = 0, axis: int = 0) -> Any:
    """A shape-preserving cubic and its derivatives."""
    spline = pchip(xi, yi, axis) if any_active((xi, yi)) else original(si, "PchipInterpolator")(xi, yi, axis)
    call = spline if isinstance(spline, Pieces) else lambda p, nu: _call(spline, p, nu)
    return call(x, der) if np.ndim(der) == 0 else [call(x, int(d)) for d in der]


HANDLERS: dict[str, Callable[..., Any]] = {"pchip_interpolate": pchip_interpolate}
