"""B-splines with traced knots or coefficients, and how coefficients come from points.

The B-splines that reach a place follow from the knots by the recursion of Cox and de Boor, written in NumPy: so a
spline has derivatives in the place, in its coefficients and in its knots. Coefficients are linear in the values of the
points: where only those are traced, SciPy's own function fits, and its matrix takes the derivative back; where the
places of the points are traced too, the collocation system is built and solved here.

Source: C. de Boor, *A Practical Guide to Splines*, 1978, chapters IX, X and XIII.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.interpolate as si

from gradcheck.autodiff.core import any_active, plain, plain_tree, shape_of
from gradcheck.autodiff.errors import unsupported
from gradcheck.autodiff.fallback import numeric
from gradcheck.autodiff.rules.picking import SCATTER
from gradcheck.autodiff.rules.scipy.dense import DENSE
from gradcheck.autodiff.rules.scipy.interpolate.pointwise import at_places, leading, placed, zero_beyond
from gradcheck.autodiff.rules.scipy.interpolate.ppoly import implicit
from gradcheck.autodiff.rules.scipy.linear import array, fit, floating, padded, same_as
from gradcheck.autodiff.rules.scipy.registry import construct, methods, original

BSPLINE = si.BSpline  # the class itself: its name is replaced while a trace is running


def basis(t: Any, k: int, q: Any, cell: Any) -> list[Any]:
    """The k + 1 B-splines that are not zero in the cell [t[m], t[m + 1]] of each place."""
    w: list[Any] = [np.ones(shape_of(q))]
    for d in range(1, k + 1):
        new: list[Any] = []
        saved: Any = 0.0
        for r in range(d):
            high, low = t[cell + r + 1], t[cell + r + 1 - d]
            part = w[r] / (high - low)
            new.append(saved + (high - q) * part)
            saved = (q - low) * part
        w = [*new, saved]
    return w


def cells(t: Any, k: int, q: Any) -> Any:
    """The cell of each place; the first or last one for a place outside."""
    n = len(t) - k - 1
    return np.clip(np.searchsorted(t, np.nan_to_num(q), "right") - 1, k, n - 1)


def design(t: Any, k: int, x: Any) -> Any:
    """All B-splines at all places, shape (places, number of splines)."""
    n = shape_of(t)[0] - k - 1
    cell = cells(plain(t), k, plain(x))
    rows = np.arange(shape_of(x)[0])[:, None]
    columns = cell[:, None] - k + np.arange(k + 1)
    return SCATTER(np.stack(basis(t, k, x, cell), axis=-1), key=(rows, columns), shape=(shape_of(x)[0], n))


class Spline:
    """A B-spline with traced knots or coefficients: what ``BSpline`` is for plain ones.

    Attributes:
        t, c, k: knots, coefficients with the values' other dimensions behind, degree.
        extrapolate: True, False or "periodic".
        axis: where the places stand among the dimensions of the values.
    """

    def __init__(self, t: Any, c: Any, k: int, extrapolate: Any = True, axis: int = 0) -> None:
        self.t, self.k = floating(t), int(k)
        self.c = floating(c)[: shape_of(self.t)[0] - self.k - 1]
        self.extrapolate, self.axis = extrapolate, axis

    @property
    def tck(self) -> tuple[Any, Any, int]:
        return self.t, self.c, self.k

    @property
    def ends(self) -> tuple[Any, Any]:
        return self.t[self.k], self.t[shape_of(self.t)[0] - self.k - 1]

    def __call__(self, x: Any, nu: int = 0, extrapolate: Any = None) -> Any:
        mode = self.extrapolate if extrapolate is None else extrapolate
        x = floating(x)
        q = np.reshape(x, -1)
        low, high = self.ends
        if mode == "periodic":
            q = low + np.mod(q - low, high - low)
        s = self.derivative(nu) if nu else self
        cell = cells(plain(s.t), s.k, plain(q))
        extra = (1,) * (len(shape_of(s.c)) - 1)
        y: Any = 0.0
        for j, w in enumerate(basis(s.t, s.k, q, cell)):
            y = y + np.reshape(w, (-1, *extra)) * s.c[cell - s.k + j]
        if mode is False:
            outside = (plain(q) < plain(low)) | (plain(q) > plain(high))
            y = np.where(np.reshape(outside, (-1, *extra)), np.nan, y)
        return placed(np.reshape(y, shape_of(x) + shape_of(s.c)[1:]), len(shape_of(x)), self.axis)

    def _widths(self, k: int) -> Any:
        n = shape_of(self.t)[0] - self.k - 1
        h = self.t[self.k + 1 :][:n] - self.t[:n] if k else self.t[self.k + 1 : self.k + n] - self.t[1:n]
        return np.reshape(h, (-1,) + (1,) * (len(shape_of(self.c)) - 1))

    def derivative(self, nu: int = 1) -> Spline:
        if nu < 1:
            return self if nu == 0 else self.antiderivative(-nu)
        if self.k == 0:
            return Spline(self.t, self.c * 0.0, 0, self.extrapolate, self.axis)
        h = self._widths(0)
        empty = plain(h) == 0
        c = np.where(empty, 0.0, np.diff(self.c, axis=0) * self.k / np.where(empty, 1.0, h))
        return Spline(self.t[1:-1], c, self.k - 1, self.extrapolate, self.axis).derivative(nu - 1)

    def antiderivative(self, nu: int = 1) -> Spline:
        if nu < 1:
            return self if nu == 0 else self.derivative(-nu)
        c = np.cumsum(self.c * self._widths(1), axis=0) / (self.k + 1)
        t = np.concatenate([self.t[:1], self.t, self.t[-1:]])
        mode = False if self.extrapolate == "periodic" else self.extrapolate
        whole = Spline(t, np.concatenate([c[:1] * 0.0, c]), self.k + 1, mode, self.axis)
        return whole.antiderivative(nu - 1)

    def integrate(self, a: Any, b: Any, extrapolate: Any = None) -> Any:
        mode = self.extrapolate if extrapolate is None else extrapolate
        if mode == "periodic":
            raise unsupported("the integral of a periodic B-spline with traced values")
        if not mode:
            a, b = (np.minimum(np.maximum(e, self.ends[0]), self.ends[1]) for e in (a, b))
        whole = self.antiderivative()
        return array(whole(b, extrapolate=True) - whole(a, extrapolate=True))


# -- fits ------------------------------------------------------------------------------------------------------------


def fitted(y: Any, coefficients: Callable[[Any], Any], name: str) -> Any:
    """Coefficients, affine in the values y of shape (points, ...), by a function of plain values (points, columns)."""
    shape = shape_of(y)
    zero = coefficients(np.zeros((shape[0], 1)))

    def rows(r: Any) -> Any:
        return (coefficients(np.ascontiguousarray(r.T)) - zero).T

    c = DENSE(np.reshape(y, (shape[0], -1)).T, function=rows, name=name)
    return np.reshape(c.T + zero, (-1, *shape[1:]))


def solved(t: Any, k: int, x: Any, y: Any, w: Any = None) -> Any:
    """Coefficients of the spline through the points, or nearest to them by least squares."""
    shape = shape_of(y)
    a, b = design(t, k, x), np.reshape(y, (shape[0], -1))
    if shape_of(a)[0] != shape_of(a)[1]:
        if w is not None:
            a, b = a * np.reshape(w, (-1, 1)), b * np.reshape(w, (-1, 1))
        a, b = a.T @ a, a.T @ b
    return np.reshape(np.linalg.solve(a, b), (-1, *shape[1:]))


def knots(x: Any, k: int) -> Any:
    """The knots of an interpolating spline, some of the points or what lies between them (k even)."""
    if k == 0:
        return np.concatenate([x, x[-1:]])
    half = (k + 1) // 2 if k % 2 else k // 2
    inner = (x if k % 2 else (x[1:] + x[:-1]) / 2)[half:-half]
    return np.concatenate([np.broadcast_to(x[0], (k + 1,)), inner, np.broadcast_to(x[-1], (k + 1,))])


def make_interp_spline(x: Any, y: Any, k: int = 3, t: Any = None, bc_type: Any = None, axis: int = 0,
                       check_finite: bool = True) -> Any:  # fmt: skip
    """The B-spline through points."""
    y = np.moveaxis(floating(y), axis, 0)
    function = original(si, "make_interp_spline")
    if not any_active((x, t)):
        if any_active(bc_type):
            raise unsupported("scipy.interpolate.make_interp_spline with traced boundary values")
        rest = (plain_tree(t), plain_tree(bc_type), 0, check_finite)
        x = plain(floating(x))
        spline = function(x, plain(y), k, *rest)
        return Spline(spline.t, _interpolating(x, y, k, rest), k, spline.extrapolate, axis)
    if bc_type not in (None, "not-a-knot", (None, None)):
        raise unsupported("scipy.interpolate.make_interp_spline of traced places with boundary conditions")
    x = floating(x)
    t = knots(x, k) if t is None else floating(t)
    expected = function(plain(x), plain(y), k, plain(t) if k else None, None, 0, check_finite)
    same_as(t, expected.t, "scipy.interpolate.make_interp_spline")
    c = solved(t, k, x, y) if k else +y
    return Spline(t, same_as(c, expected.c, "scipy.interpolate.make_interp_spline"), k, True, axis)


def _interpolating(x: Any, y: Any, k: int, rest: tuple[Any, ...]) -> Any:
    """The coefficients of SciPy's spline through points at plain places."""
    function, bc = original(si, "make_interp_spline"), rest[1]
    name = "scipy.interpolate.make_interp_spline"
    if bc == "periodic":  # the last value is the first one
        return fitted(y[:-1], lambda v: function(x, np.concatenate([v, v[:1]]), k, *rest).c, name)
    if bc is None or isinstance(bc, str):
        return fitted(y, lambda v: function(x, v, k, *rest).c, name)
    if len(shape_of(y)) > 1:
        raise unsupported(f"{name} of traced values with several columns and boundary values")
    return fitted(y, lambda v: np.stack([function(x, e, k, *rest).c for e in v.T], axis=1), name)


def make_splrep(x: Any, y: Any, *, w: Any = None, xb: Any = None, xe: Any = None, k: int = 3, s: Any = 0, t: Any = None,
                nest: Any = None, bc_type: Any = None) -> Any:  # fmt: skip
    """``splrep`` with a ``BSpline`` as its result: here only the interpolating one."""
    if plain(s) != 0 or any(e is not None for e in (xb, xe, t, nest, bc_type)):
        raise unsupported(
            "scipy.interpolate.make_splrep of traced values with s > 0 or other keywords", "use make_lsq_spline"
        )
    return make_interp_spline(x, y, k)


def make_lsq_spline(x: Any, y: Any, t: Any, k: int = 3, w: Any = None, axis: int = 0, check_finite: bool = True,
                    **keywords: Any) -> Any:  # fmt: skip
    """The B-spline nearest to points."""
    x, y, t = floating(x), np.moveaxis(floating(y), axis, 0), floating(t)
    function = original(si, "make_lsq_spline")
    expected = function(plain(x), plain(y), plain(t), k, plain_tree(w), 0, check_finite, **keywords)
    if any_active((x, t, w)):
        # SciPy weights the residuals, not their squares.
        c = same_as(solved(t, k, x, y, None if w is None else floating(w)), expected.c, "make_lsq_spline")
    else:
        weights = plain_tree(w)
        c = fitted(
            y,
            lambda v: function(plain(x), v, plain(t), k, weights, 0, check_finite, **keywords).c,
            "scipy.interpolate.make_lsq_spline",
        )
    return Spline(t, c, k, True, axis)


def make_smoothing_spline(x: Any, y: Any, w: Any = None, lam: Any = None, *, axis: int = 0) -> Any:
    """The smoothing spline: linear in the values for a given lam; numeric in lam, and where that is chosen."""
    if any_active((x, w)):
        raise unsupported("scipy.interpolate.make_smoothing_spline of traced places or weights")
    x, w = plain_tree(x), plain_tree(w)
    y = np.moveaxis(floating(y), axis, 0)
    function = original(si, "make_smoothing_spline")
    t = function(x, plain(y), w, plain(lam)).t
    name = "scipy.interpolate.make_smoothing_spline"
    if lam is None or any_active(lam):
        c = numeric(lambda v, level: function(x, v, w, level).c, name)(y, lam)
    else:
        c = fitted(y, lambda v: np.stack([function(x, e, w, plain(lam)).c for e in v.T], axis=1), name)
    return Spline(t, c, 3, True, axis)


# -- FITPACK's functions ---------------------------------------------------------------------------------------------


def smoothed(x: Any, y: Any, t: Any, k: int, w: Any, s: Any, name: str) -> None:
    """Refuse a smoothing spline whose knots or smoothness FITPACK has found by iteration."""
    if s is None or s > 0:
        if len(t) == 2 * k + 2:
            return  # a single polynomial by least squares was smooth enough
        raise unsupported(
            f"{name} of traced values with s > 0: FITPACK finds the smoothing spline by an iteration that ends at a "
            "relative error of 0.001",
            "use s=0, or make_smoothing_spline with lam",
        )


def splrep(x: Any, y: Any, w: Any = None, xb: Any = None, xe: Any = None, k: int = 3, task: int = 0, s: Any = None,
           t: Any = None, full_output: int = 0, per: int = 0, quiet: int = 1) -> Any:  # fmt: skip
    """Knots, coefficients and degree of a spline through points, or near them."""
    if full_output or per:
        raise unsupported("scipy.interpolate.splrep of traced values with full_output or per")
    x, y = floating(x), floating(y)
    function = original(si, "splrep")
    keywords = {
        "xb": plain(xb), "xe": plain(xe), "k": k, "task": task, "s": plain(s), "t": plain_tree(t), "quiet": quiet,
    }  # fmt: skip
    tck = function(plain(x), plain(y), plain_tree(w), **keywords)
    n = len(tck[0]) - k - 1
    level = (0.0 if w is None else len(plain(x)) - (2 * len(plain(x))) ** 0.5) if s is None else plain(s)
    if task != -1:
        smoothed(x, y, tck[0], k, w, level, "scipy.interpolate.splrep")
    least = task == -1 or level > 0
    if any_active((x, w, t, xb, xe)) or least:
        ends = (x[0] if xb is None else xb, x[-1] if xe is None else xe)
        left, right = (np.broadcast_to(array(e), (k + 1,)) for e in ends)
        inner = floating(t) if task == -1 else knots(x, k)[k + 1 : -k - 1] if not least else np.zeros(0)
        new = np.concatenate([left, inner, right])
        weights = None if w is None else floating(w)
        c = same_as(solved(new, k, x, y, weights), tck[1][:n], "scipy.interpolate.splrep")
    else:
        new = tck[0]
        c = fitted(
            y,
            lambda v: np.stack([function(plain(x), e, plain_tree(w), **keywords)[1][:n] for e in v.T], axis=1),
            "scipy.interpolate.splrep",
        )
    same_as(new, tck[0], "scipy.interpolate.splrep")
    return new, padded(c, 0, k + 1, 0), k


def evaluated(s: Spline, x: Any, nu: int, ext: int, low: Any = None, high: Any = None) -> Any:
    """A spline at places, those outside as FITPACK treats them: 0 continued, 1 zero, 2 an error, 3 the last value."""
    x = floating(x)
    first, last = s.ends
    outside = (plain(x) < plain(first)) | (plain(x) > plain(last))
    if ext in (2, "raise") and np.any(outside):
        raise ValueError("Found x value not in the domain")
    if ext in (3, "const"):
        y = s(np.where(plain(x) < plain(first), first, np.where(plain(x) > plain(last), last, x)), nu, True)
        return y
    y = s(x, nu, True)
    return np.where(outside, 0.0, y) if ext in (1, "zeros") else y


def _unlist(c: Any) -> bool:
    """Whether the coefficients are those of several splines."""
    return isinstance(c, list | tuple) or len(shape_of(c)) > 1


def splev(x: Any, tck: Any, der: int = 0, ext: int = 0) -> Any:
    """A spline at places, or its derivative."""
    if isinstance(tck, Spline | BSPLINE):
        if any_active((getattr(tck, "t", None), getattr(tck, "c", None))) or isinstance(tck, Spline):
            return evaluated(tck if isinstance(tck, Spline) else Spline(*tck.tck), x, der, ext)
        tck = tck.tck
    t, c, k = tck
    if _unlist(c):
        return [splev(x, (t, e, k), der, ext) for e in c]
    if not 0 <= der <= k:
        raise ValueError(f"0<=der={der}<=k={k} must hold")
    if any_active((t, c)):
        return evaluated(Spline(t, c, k), x, der, ext)
    call = original(si, "splev")
    t = np.asarray(plain(t))
    n = len(t) - k - 1

    def curve(places: Any, nu: int) -> Any:
        y = np.asarray(call(places, (t, plain(c), k), nu, ext))
        if ext == 3 and nu > der:  # constant outside, where FITPACK gives the derivative at the end
            y = np.where((places < t[k]) | (places > t[n]), 0.0, y)
        return y

    return at_places(zero_beyond(curve, k), x, der)


def splint(a: Any, b: Any, tck: Any, full_output: int = 0) -> Any:
    """The integral of a spline, which is zero outside of its knots."""
    if full_output:
        raise unsupported("scipy.interpolate.splint of traced values with full_output")
    t, c, k = tck if isinstance(tck, tuple | list) else tck.tck
    if _unlist(c):
        return [splint(a, b, (t, e, k)) for e in c]
    return Spline(t, c, k, False).integrate(a, b, False)[()]


def splder(tck: Any, n: int = 1) -> Any:
    """The derivative as knots, coefficients and degree."""
    if isinstance(tck, Spline):
        return tck.derivative(n)
    t, c, k = tck
    s = Spline(t, c, k).derivative(n)
    return s.t, fit(s.c, shape_of(s.t)[0], 0), s.k


def splantider(tck: Any, n: int = 1) -> Any:
    """The antiderivative as knots, coefficients and degree."""
    if isinstance(tck, Spline):
        return tck.antiderivative(n)
    t, c, k = tck
    s = Spline(t, c, k).antiderivative(n)
    return s.t, np.concatenate([s.c, np.broadcast_to(s.c[-1], (s.k + 1, *shape_of(s.c)[1:]))]), s.k


def sproot(tck: Any, mest: int = 10) -> Any:
    """The roots of a cubic spline, each a function of knots and coefficients."""
    t, c, k = tck if isinstance(tck, tuple | list) else tck.tck
    if _unlist(c):
        return [sproot((t, e, k), mest) for e in c]
    s = Spline(t, c, k)
    return implicit(s, lambda x: s(x, 1), original(si, "sproot")((plain(t), plain(c), k), mest))


# -- plain BSplines at traced places ---------------------------------------------------------------------------------


def _call(self: Any, x: Any, nu: int = 0, extrapolate: Any = None) -> Any:
    call = original(BSPLINE, "__call__")
    mode = self.extrapolate if extrapolate is None else extrapolate

    def curve(places: Any, order: int) -> Any:
        return leading(call(self, places, order, mode), np.ndim(places), self.axis)

    return at_places(zero_beyond(curve, self.k), x, int(nu), self.axis)


def _integrate(self: Any, a: Any, b: Any, extrapolate: Any = None) -> Any:
    mode = self.extrapolate if extrapolate is None else extrapolate
    return Spline(self.t, self.c, self.k, mode).integrate(a, b)


def register() -> None:
    """Give SciPy's classes their rules."""
    methods(si.BSpline, {"__call__": _call, "integrate": _integrate})
    construct(si, "BSpline", lambda t, c, k, extrapolate=True, axis=0: Spline(
        t, np.moveaxis(floating(c), axis, 0), k, extrapolate, axis), [Spline])  # fmt: skip


HANDLERS: dict[str, Callable[..., Any]] = {
    "make_splrep": make_splrep,
    "make_interp_spline": make_interp_spline, "make_lsq_spline": make_lsq_spline,
    "make_smoothing_spline": make_smoothing_spline, "splrep": splrep, "splev": splev, "splint": splint,
    "splder": splder, "splantider": splantider, "sproot": sproot,
}  # fmt: skip
