"""``scipy.interpolate`` in one dimension: places, values and points, for splines that are plain and traced."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.interpolate as ip
from scipy import interpolate  # noqa: F401  (used in the texts)
from scipy.interpolate import CubicSpline, splev, splrep  # noqa: F401  (used in the texts)

from gradcheck.autodiff import AutodiffError, grad, noting
from tests.autodiff.checking import Case, verify
from tests.autodiff.scipy.written import Written

RNG = np.random.default_rng(8)
K = np.cumsum(RNG.uniform(0.5, 1.5, 8))  # the points
V = RNG.normal(size=8)
VP = np.r_[V[:-1], V[0]]
V2 = RNG.normal(size=(8, 2))
VT = RNG.normal(size=(2, 8))
Q = RNG.uniform(K[0] + 0.05, K[-1] - 0.05, 5)
Q2 = RNG.uniform(K[0] + 0.05, K[-1] - 0.05, (2, 2))
WIDE = np.r_[K[0] - 0.4, Q, K[-1] + 0.3]
PLAIN = CubicSpline(K, V2)
ACROSS = CubicSpline(K, VT, axis=1)
SPLINE = ip.make_interp_spline(K, V)
TCK = splrep(K, V)
ONE = ip.InterpolatedUnivariateSpline(K, V)
CLAMPED = ip.UnivariateSpline(K, V, s=0, ext=3)
PIECES = ip.PPoly(RNG.normal(size=(3, 7)), K)
BERNSTEIN = ip.BPoly(RNG.normal(size=(4, 7)), K)
WAVE = ip.make_interp_spline(K, np.cos(3 * K))
LINE = ip.interp1d(K, VT)
CURVE = ip.interp1d(K, V, "cubic", fill_value=(1.0, 2.0), bounds_error=False)
C = Written(globals())
ONCE = {"single": False}
QUICK = {"single": False, "second": False}

# Plain objects at traced places.
for text in ("PLAIN(q)", "PLAIN(q, 1)", "PLAIN(q, nu=2, extrapolate=True)", "ACROSS(q)", "PIECES(q)",
             "PIECES(q, extrapolate='periodic')", "BERNSTEIN(q, 1)", "SPLINE(q)", "SPLINE(q, 2)", "SPLINE(q, 3)",
             "ONE(q)", "ONE(q, 2)", "CLAMPED(q)", "splev(q, TCK)", "splev(q, TCK, der=2)", "splev(q, TCK, ext=3)",
             "splev(q, TCK, ext=1)", "PLAIN.derivative()(q)", "SPLINE.antiderivative()(q)", "ONE.derivative()(q)",
             "LINE(q)"):  # fmt: skip
    C(text, q=Q if "LINE" in text else WIDE, **ONCE)
C("PLAIN(q)", q=Q2, **ONCE)
C("ACROSS(q)", q=Q2, **ONCE)
C("CURVE(q)", q=WIDE, **ONCE)
C("PLAIN(q, extrapolate=False)", q=Q, **ONCE)
C("PLAIN(q)", q=3.3, **ONCE)
C("splev(q, TCK)", q=3.3, **ONCE)
for text in ("PLAIN.integrate(a, b)", "SPLINE.integrate(a, b)", "ONE.integral(a, b)", "ip.splint(a, b, TCK)"):
    C(text, a=Q[0], b=Q[1], **ONCE)
C("ip.splint(a, b, TCK)", a=K[0] - 1.0, b=Q[1], **ONCE)

# Cubics of traced points.
for bc in ("'not-a-knot'", "'clamped'", "'natural'", "((1, 0.3), (2, -0.2))", "((2, 0.5), 'not-a-knot')"):
    C(f"CubicSpline(x, y, bc_type={bc})(q)", x=K, y=V, q=Q, single=False, second="not" in bc)
C("CubicSpline(K, y, bc_type='natural')(Q)", y=V2, **QUICK)
C("CubicSpline(x, np.concatenate([y, y[:1]]), bc_type='periodic')(q)", x=K, y=V[:-1], q=WIDE, **QUICK)
C("CubicSpline(K, y, bc_type=((1, s), (1, 0.2)))(Q, 1)", y=V, s=0.3, **ONCE)
C("CubicSpline(K[:3], y)(Q)", y=V[:3], **ONCE)
C("CubicSpline(K[:2], y)(Q)", y=V[:2], **ONCE)
C("CubicSpline(K[:2], y, bc_type='clamped')(Q)", y=V[:2], **ONCE)
C("CubicSpline(x, y, axis=1)(q, 1)", x=K, y=VT, q=Q2, **QUICK)
C("CubicSpline(K, y).derivative()(Q)", y=V, **ONCE)
C("CubicSpline(x, y).antiderivative()(q)", x=K, y=V, q=Q, **QUICK)
C("CubicSpline(x, y).integrate(a, b)", x=K, y=V, a=Q[0], b=Q[1], **QUICK)
C("CubicSpline(K, y, extrapolate=False)(Q)", y=V, **ONCE)
C("CubicSpline(K, y).roots(extrapolate=False)", y=np.cos(K * 1.3), **ONCE)
C("CubicSpline(K, y).c", y=V, **ONCE)
C("ip.PchipInterpolator(x, y)(q)", x=K, y=V, q=Q, **ONCE)
C("ip.PchipInterpolator(K[:2], y)(Q)", y=V2[:2], **ONCE)
C("ip.pchip_interpolate(x, y, q, der=1)", x=K, y=V2, q=Q, **QUICK)
C("ip.Akima1DInterpolator(x, y)(q)", x=K, y=V, q=Q, **ONCE)
C("ip.Akima1DInterpolator(x, y, method='makima', axis=1)(q)", x=K, y=VT, q=Q, **QUICK)
C("ip.CubicHermiteSpline(x, y, d)(q, 1)", x=K, y=V, d=V2[:, 0], q=WIDE, **ONCE)
C("ip.PPoly(c, x)(q)", c=RNG.normal(size=(3, 7)), x=K, q=WIDE, **ONCE)
C("ip.PPoly(c, K, extrapolate='periodic')(q)", c=RNG.normal(size=(3, 7, 2)), q=WIDE, **ONCE)
C("ip.PPoly(c, x).derivative(2)(q)", c=RNG.normal(size=(4, 7)), x=K, q=WIDE, **QUICK)
C("ip.PPoly(c, x).antiderivative(2)(q)", c=RNG.normal(size=(3, 7)), x=K, q=WIDE, **QUICK)
C("ip.BPoly(c, x)(q)", c=RNG.normal(size=(4, 7)), x=K, q=WIDE, **ONCE)

# B-splines.
for k in (0, 1, 2, 3, 4, 5):
    C(f"ip.make_interp_spline(x, y, k={k})(q)", x=K, y=V, q=Q, single=False, second=k in (2, 3))
    C(f"ip.make_interp_spline(K, y, {k})(Q)", y=V2, **QUICK)
if hasattr(ip, "make_splrep"):
    C("ip.make_splrep(x, y, s=0)(q)", x=K, y=V, q=Q, **QUICK)
C("ip.make_interp_spline(K, y, bc_type='natural')(Q, 1)", y=V, **ONCE)
C("ip.make_interp_spline(K, y, bc_type=([(1, 0.3)], [(2, 0.1)]))(Q)", y=V, **ONCE)
C("ip.make_interp_spline(K, np.concatenate([y, y[:1]]), bc_type='periodic')(WIDE)", y=V[:-1], **ONCE)
C("ip.make_interp_spline(x, y, axis=1)(q, 2)", x=K, y=VT, q=Q2, **QUICK)
C("ip.make_interp_spline(x, y).derivative(1)(q)", x=K, y=V, q=Q, **QUICK)
C("ip.make_interp_spline(x, y).antiderivative()(q)", x=K, y=V, q=Q, **QUICK)
C("ip.make_interp_spline(x, y).integrate(a, b)", x=K, y=V, a=Q[0], b=Q[1], **QUICK)
C("ip.make_lsq_spline(x, y, np.concatenate([[0.1] * 4, t, [11.0] * 4]))(Q)", x=K, y=V, t=np.array([4.4]), **QUICK)
C("ip.make_lsq_spline(K, y, np.r_[[K[0]] * 4, 4.4, [K[-1]] * 4], w=np.arange(1.0, 9.0))(Q)", y=V2, **QUICK)
C("ip.make_lsq_spline(K, y, np.r_[[K[0]] * 4, 4.4, [K[-1]] * 4], w=w)(Q)", y=V, w=np.arange(1.0, 9.0), **QUICK)
C("ip.make_smoothing_spline(K, y, lam=0.3)(q)", y=V, q=Q, **ONCE)
C("ip.BSpline(t, c, 2)(q)", t=np.r_[1.0, 2, 3, 4.2, 5, 6.5, 7, 8], c=V[:5], q=Q * 0.5 + 2.0, **ONCE)
C("ip.BSpline(t, c, 2, extrapolate='periodic')(q)", t=np.r_[1.0, 2, 3, 4.2, 5, 6.5, 7, 8], c=V2[:5], q=WIDE, **QUICK)
C("ip.BSpline(t, c, 3).integrate(2.1, b, extrapolate=False)", t=np.r_[1.0, 1.3, 1.6, 2, 3, 4.2, 5, 6.5], c=V[:4], b=2.7,
  **QUICK)  # fmt: skip
for k in (1, 2, 3, 4, 5):
    C(f"splev(q, splrep(x, y, k={k}, s=0))", x=K, y=V, q=Q, single=False, second=k == 3)
C("splev(Q, splrep(K, y), der=1)", y=V, **ONCE)
C("splev(Q, splrep(K, y, s=100.0))", y=V, **ONCE)
C("splev(Q, splrep(x, y, w=w, task=-1, t=[4.0, 5.0]))", x=K, y=V, w=np.arange(1.0, 9.0), **QUICK)
C("splev(q, splrep(K, y), ext=3)", y=V, q=WIDE, **QUICK)
C("ip.splint(a, b, splrep(x, y))", a=Q[0], b=Q[1], x=K, y=V, **QUICK)
C("splev(Q, ip.splder(splrep(K, y)))", y=V, **QUICK)
C("splev(Q, ip.splantider(splrep(K, y)))", y=V, **QUICK)
C("ip.sproot(splrep(K, y))", y=np.cos(K * 1.3), **ONCE)
C("ip.InterpolatedUnivariateSpline(x, y)(q)", x=K, y=V, q=Q, **ONCE)
C("ip.InterpolatedUnivariateSpline(K, y, k=2, ext=1)(q)", y=V, q=WIDE, **QUICK)
C("ip.InterpolatedUnivariateSpline(K, y).derivative()(q)", y=V, q=Q, **QUICK)
C("ip.InterpolatedUnivariateSpline(K, y).integral(a, b)", y=V, a=0.1, b=Q[1], **QUICK)
C("ip.InterpolatedUnivariateSpline(K, y).roots()", y=np.cos(K * 1.3), **ONCE)
C("ip.UnivariateSpline(K, y, s=0)(q)", y=V, q=Q, **QUICK)
C("ip.UnivariateSpline(x, y, s=1000)(q)", x=K, y=V, q=Q, **QUICK)
C("ip.LSQUnivariateSpline(x, y, [4.4])(q)", x=K, y=V, q=Q, **QUICK)

# interp1d.
for kind in ("linear", "nearest", "nearest-up", "previous", "next", "zero", "slinear", "quadratic", "cubic"):
    C(f"ip.interp1d(x, y, {kind!r})(q)", x=K, y=V, q=Q, **QUICK)
    C(f"ip.interp1d(K, y, kind={kind!r}, axis=0)(Q2)", y=V2, **QUICK)
C("ip.interp1d(K, y, fill_value='extrapolate')(q)", y=VT, q=WIDE, **ONCE)
C("ip.interp1d(x, y, bounds_error=False, fill_value=(a, 2.0))(q)", x=K[::-1].copy(), y=V, a=0.3, q=WIDE, **ONCE)
C("ip.interp1d(x, y, 3)(q)", x=K, y=V, q=Q, **QUICK)


@pytest.mark.parametrize("case", C.all, ids=lambda c: c.id)
def test_rule(case: Case) -> None:
    verify(case)


def test_chosen_smoothness_is_numeric() -> None:
    def f(lam: Any) -> Any:
        return np.sum(ip.make_smoothing_spline(K, V, lam=lam)(Q) ** 2)

    with noting() as notes:
        found = grad(f)(0.3)
    assert np.isclose(found, (f(0.3 + 1e-6) - f(0.3 - 1e-6)) / 2e-6, rtol=1e-5)
    assert notes.numeric


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("splrep(K, V * a, s=0.3)", "0.001"),
        ("ip.UnivariateSpline(K, V * a, s=0.3)", "0.001"),
        ("ip.make_interp_spline(K * a, V, bc_type='natural')", "boundary"),
        ("ip.make_smoothing_spline(K * a, V, lam=0.3)", "places"),
        ("ip.interp1d(K, V * a)(99.0)", "range"),
    ],
)
def test_refused_by_name(text: str, words: str) -> None:
    f = eval(f"lambda a: {text} and a", globals())
    with pytest.raises((AutodiffError, ValueError), match=words):
        grad(f)(1.3)


def test_stand_ins_are_instances() -> None:
    def f(y: Any) -> Any:
        s = ip.CubicSpline(K, y)
        assert isinstance(s, ip.CubicSpline)
        return s(3.0)

    assert np.isclose(np.sum(grad(f)(V)), 1.0)


def test_many_points() -> None:
    x = np.linspace(0.0, 1.0, 30000)
    found = grad(lambda y: np.sum(ip.CubicSpline(x, y)(Q / 20.0)))(np.sin(x))
    assert np.isclose(np.sum(found), len(Q))
