"""``UnivariateSpline`` and its kin, and ``interp1d``: objects of one variable made of traced points."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.interpolate as si

from gradcheck.autodiff.core import any_active, plain, plain_tree, shape_of
from gradcheck.autodiff.errors import unsupported
from gradcheck.autodiff.rules.reductions import as_traced
from gradcheck.autodiff.rules.scipy.interpolate import bsplines
from gradcheck.autodiff.rules.scipy.interpolate.bsplines import Spline, evaluated
from gradcheck.autodiff.rules.scipy.interpolate.pointwise import at_places, placed, zero_beyond
from gradcheck.autodiff.rules.scipy.interpolate.ppoly import implicit
from gradcheck.autodiff.rules.scipy.linear import array, floating, same_as
from gradcheck.autodiff.rules.scipy.registry import construct, methods, original

UNIVARIATE: Any = si.UnivariateSpline  # the class itself: its name is replaced while a trace is running
_EXT = {"extrapolate": 0, "zeros": 1, "raise": 2, "const": 3}


class Univariate:
    """A spline of one variable with traced knots or coefficients; what ``UnivariateSpline`` is for plain ones."""

    def __init__(self, spline: Spline, ext: Any = 0) -> None:
        self.spline = spline
        self.ext = _EXT.get(ext, ext)

    def __call__(self, x: Any, nu: int = 0, ext: Any = None) -> Any:
        return evaluated(self.spline, x, nu, self.ext if ext is None else _EXT.get(ext, ext))

    def derivative(self, n: int = 1) -> Univariate:
        return Univariate(self.spline.derivative(n), 1 if self.ext == 3 else self.ext)

    def antiderivative(self, n: int = 1) -> Univariate:
        return Univariate(self.spline.antiderivative(n), self.ext)

    def integral(self, a: Any, b: Any) -> Any:
        return self.spline.integrate(a, b, False)[()]

    def derivatives(self, x: Any) -> Any:
        return np.stack([self.spline(x, nu) for nu in range(self.spline.k + 1)])

    def get_coeffs(self) -> Any:
        return self.spline.c

    def get_knots(self) -> Any:
        k = self.spline.k
        return self.spline.t[k : shape_of(self.spline.t)[0] - k]

    def get_residual(self) -> Any:
        raise unsupported("the residual of a spline of traced values")

    def roots(self) -> Any:
        t, c, k = (plain_tree(e) for e in self.spline.tck)
        found = UNIVARIATE._from_tck((t, np.r_[c, np.zeros(k + 1)], k)).roots()
        return implicit(self.spline, lambda x: self.spline(x, 1), found)


def _bounds(x: Any, bbox: Any) -> list[Any]:
    return [x[e] if b is None else b for b, e in zip(bbox, (0, -1), strict=True)]


def _univariate(kind: str) -> Callable[..., Any]:
    name = f"scipy.interpolate.{kind}"

    def make(x: Any, y: Any, t: Any, w: Any, bbox: Any, k: int, s: Any, ext: Any, check_finite: bool) -> Any:
        x, y = floating(x), floating(y)
        cls = original(si, kind)
        inner = {"t": plain_tree(t)} if kind == "LSQUnivariateSpline" else {}
        smooth = {"s": plain(s)} if kind == "UnivariateSpline" else {}
        keywords = {"w": plain_tree(w), "bbox": plain_tree(bbox), "k": k, "ext": ext, **inner, **smooth}

        def coefficients(v: Any) -> Any:
            return cls(plain(x), v, check_finite=check_finite, **keywords)._eval_args

        knots, c, _ = coefficients(plain(y))
        n = len(knots) - k - 1
        level = plain(s)
        if kind == "UnivariateSpline":
            level = float(len(plain(x))) if s is None else level
            bsplines.smoothed(x, y, knots, k, w, level, name)
        least = kind == "LSQUnivariateSpline" or bool(level)
        if any_active((x, t, w, bbox)) or least:
            first, last = (np.broadcast_to(array(e), (k + 1,)) for e in _bounds(x, bbox))
            middle = floating(t) if kind == "LSQUnivariateSpline" else bsplines.knots(x, k)[k + 1 : -k - 1]
            new = np.concatenate([first, middle if not level else np.zeros(0), last])
            fitted = bsplines.solved(new, k, x, y, None if w is None else floating(w))
            fitted = same_as(fitted, c[:n], name)
        else:
            new = knots
            fitted = bsplines.fitted(y, lambda v: np.stack([coefficients(e)[1][:n] for e in v.T], axis=1), name)
        return Univariate(Spline(same_as(new, knots, name), fitted, k), ext)

    def smoothing(x: Any, y: Any, w: Any = None, bbox: Any = (None, None), k: int = 3, s: Any = None, ext: Any = 0,
                  check_finite: bool = False) -> Any:  # fmt: skip
        return make(x, y, None, w, bbox, k, s, ext, check_finite)

    def through(x: Any, y: Any, w: Any = None, bbox: Any = (None, None), k: int = 3, ext: Any = 0,
                check_finite: bool = False) -> Any:  # fmt: skip
        return make(x, y, None, w, bbox, k, 0, ext, check_finite)

    def least_squares(x: Any, y: Any, t: Any, w: Any = None, bbox: Any = (None, None), k: int = 3, ext: Any = 0,
                      check_finite: bool = False) -> Any:  # fmt: skip
        return make(x, y, t, w, bbox, k, 0, ext, check_finite)

    makers: dict[str, Callable[..., Any]] = {"UnivariateSpline": smoothing, "LSQUnivariateSpline": least_squares}
    return makers.get(kind, through)


def _call(self: Any, x: Any, nu: int = 0, ext: Any = None) -> Any:
    call = original(UNIVARIATE, "__call__")
    mode = self.ext if ext is None else _EXT.get(ext, ext)
    t, _, k = self._eval_args
    low, high = t[k], t[len(t) - k - 1]

    def curve(places: Any, order: int) -> Any:
        y = np.asarray(call(self, places, order, mode))
        if mode == 3 and order > nu:
            y = np.where((places < low) | (places > high), 0.0, y)
        return y

    return at_places(zero_beyond(curve, k), x, int(nu))


def _integral(self: Any, a: Any, b: Any) -> Any:
    t, c, k = self._eval_args
    return Spline(t, c, k).integrate(a, b, False)[()]


# -- interp1d --------------------------------------------------------------------------------------------------------

_DEGREE = {"zero": 0, "slinear": 1, "quadratic": 2, "cubic": 3}


class Interpolant:
    """``interp1d`` of traced points, or at traced places."""

    def __init__(self, x: Any, y: Any, kind: Any = "linear", axis: int = -1, copy: bool = True,
                 bounds_error: Any = None, fill_value: Any = np.nan, assume_sorted: bool = False) -> None:  # fmt: skip
        x, y = floating(x), floating(y)
        self.axis = axis % len(shape_of(y))
        y = np.moveaxis(y, self.axis, 0)
        if not assume_sorted:
            order = np.argsort(plain(x), kind="mergesort")
            x, y = x[order], y[order]
        self.x, self.y, self.kind = x, y, kind
        self.extrapolate = isinstance(fill_value, str) and fill_value == "extrapolate"
        self.fill_value = fill_value
        self.bounds_error = (
            not self.extrapolate and not any_active(fill_value) and np.ndim(fill_value) == 0 and np.isnan(fill_value)
            if bounds_error is None
            else bounds_error
        )
        self.spline = None
        if kind in _DEGREE or isinstance(kind, int):
            k = _DEGREE[kind] if isinstance(kind, str) else int(kind)
            if k:
                made = bsplines.make_interp_spline(x, y, k)
                self.spline = made if isinstance(made, Spline) else Spline(*made.tck)
        elif kind not in ("linear", "nearest", "nearest-up", "previous", "next"):
            raise NotImplementedError(f"{kind} is unsupported: Use fitpack routines for other types.")

    def _inside(self, q: Any) -> Any:
        x = plain(self.x)
        n = len(x)
        if self.spline is not None:
            return self.spline(q, extrapolate=True)
        if self.kind == "linear":
            low = np.clip(np.searchsorted(x, plain(q)), 1, n - 1) - 1
            ones = (-1,) + (1,) * (len(shape_of(self.y)) - 1)
            slope = (self.y[low + 1] - self.y[low]) / np.reshape(self.x[low + 1] - self.x[low], ones)
            return slope * np.reshape(q - self.x[low], ones) + self.y[low]
        if self.kind in ("nearest", "nearest-up"):
            middle = (x[1:] + x[:-1]) / 2.0
            return self.y[np.searchsorted(middle, q, "left" if self.kind == "nearest" else "right")]
        if self.kind == "next":
            return self.y[np.clip(np.searchsorted(x, q, "left"), 0, n - 1)]
        return self.y[np.clip(np.searchsorted(x, q, "right") - 1, 0, n - 1)]

    def __call__(self, x: Any) -> Any:
        places = floating(x)
        q = np.reshape(places, -1)
        y = self._inside(q)
        below, above = q < self.x[0], q > self.x[-1]  # of traced values: decisions.py takes note of them
        if self.bounds_error and (below.any() or above.any()):
            raise ValueError("A value in x_new is outside the interpolation range.")
        if not self.extrapolate and (below.any() or above.any()):
            pair = isinstance(self.fill_value, tuple) and len(self.fill_value) == 2
            low, high = self.fill_value if pair else (self.fill_value, self.fill_value)
            shape = (-1,) + (1,) * (len(shape_of(self.y)) - 1)
            y = np.where(
                np.reshape(below, shape), as_traced(low), np.where(np.reshape(above, shape), as_traced(high), y)
            )
        y = np.reshape(y, shape_of(places) + shape_of(self.y)[1:])
        return placed(y, len(shape_of(places)), self.axis)


def _interp1d(x: Any, y: Any, *args: Any, **keywords: Any) -> Any:
    original(si, "interp1d")(plain_tree(x), plain_tree(y), *plain_tree(args), **plain_tree(keywords))  # its own checks
    return Interpolant(x, y, *args, **keywords)


def _interp1d_call(self: Any, x: Any) -> Any:
    fill = "extrapolate" if self._extrapolate else self.fill_value
    spline = self._kind == "spline"
    kind = "linear" if spline else self._kind
    made = Interpolant(self.x, self.y, kind, self.axis, True, bool(self.bounds_error), fill, True)
    if spline:
        t, c, k = self._spline.tck
        made.spline = Spline(t, np.reshape(c, (-1, *shape_of(made.y)[1:])), k)
    return same_as(made(x), original(type(self), "__call__")(self, plain_tree(x)), "scipy.interpolate.interp1d")


def register() -> None:
    """Give SciPy's classes their rules."""
    for kind in ("UnivariateSpline", "InterpolatedUnivariateSpline", "LSQUnivariateSpline"):
        construct(si, kind, _univariate(kind), [Univariate])
    methods(si.UnivariateSpline, {"__call__": _call, "integral": _integral})
    construct(si, "interp1d", _interp1d, [Interpolant])
    methods(si.interp1d, {"__call__": _interp1d_call})
