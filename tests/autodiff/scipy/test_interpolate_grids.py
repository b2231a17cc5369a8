"""``scipy.interpolate`` in several dimensions and of scattered points."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.interpolate as ip

from gradcheck.autodiff import AutodiffError, grad, noting
from tests.autodiff.checking import Case, verify
from tests.autodiff.scipy.written import Written

# SciPy 1.18 has deprecated them.
pytestmark = pytest.mark.filterwarnings("ignore:`(pade|lagrange)` is deprecated:DeprecationWarning")

RNG = np.random.default_rng(4)
GX, GY = np.cumsum(RNG.uniform(0.5, 1.5, 6)), np.cumsum(RNG.uniform(0.5, 1.5, 7))
G = RNG.normal(size=(6, 7))
G2 = RNG.normal(size=(6, 7, 2))
Q = np.stack([RNG.uniform(GX[0], GX[-1], 4), RNG.uniform(GY[0], GY[-1], 4)], axis=-1)
FAR = np.concatenate([Q, [[GX[0] - 0.3, 0.6 * GY[2] + 0.4 * GY[3]]]])
P = RNG.uniform(size=(9, 2))
V = RNG.normal(size=9)
V2 = RNG.normal(size=(9, 2))
S = P[:6].reshape(2, 3, 2).mean(axis=1)
PLAIN = ip.RegularGridInterpolator((GX, GY), G2)
SURFACE = ip.RectBivariateSpline(GX, GY, G)
CUBIC = ip.RegularGridInterpolator((GX, GY), G, "cubic")
TRIANGLES = ip.LinearNDInterpolator(P, V)
RADIAL = ip.RBFInterpolator(P, V, kernel="gaussian", epsilon=1.3)
CLOUGH = ip.CloughTocher2DInterpolator(P, V)
X = np.array([0.1, 0.7, 1.3, 2.0, 2.4])
KROGH = ip.KroghInterpolator(X, V2[:5])
BARY = ip.BarycentricInterpolator(X, V[:5])
TCK = (*SURFACE.tck, 3, 3)
C = Written(globals())
ONCE = {"single": False}
QUICK = {"single": False, "second": False}

C("PLAIN(q)", q=Q, **ONCE)
C("PLAIN((a, b))", a=Q[:, 0], b=Q[0, 1], **ONCE)
C("ip.RegularGridInterpolator((x, y), v)(q)", x=GX, y=GY, v=G, q=Q, **ONCE)
C("ip.RegularGridInterpolator((GX, GY), v, bounds_error=False, fill_value=None)(q)", v=G2, q=FAR, **QUICK)
C("ip.RegularGridInterpolator((GX, GY), v, bounds_error=False, fill_value=0.3)(FAR)", v=G, **QUICK)
C("ip.RegularGridInterpolator((GX, GY), v, 'nearest')(Q)", v=G, **QUICK)
C("ip.RegularGridInterpolator((GX, GY), v, 'slinear')(q)", v=G, q=Q, **QUICK)
C("ip.interpn((GX, GY), v, q)", v=G, q=Q, **QUICK)
C("ip.interpn((GX, GY), v, q, method='splinef2d')", v=G, q=Q, **QUICK)
C("SURFACE(a, b)", a=np.sort(Q[:, 0]), b=np.sort(Q[:3, 1]), **ONCE)
C("SURFACE(a, b, dx=1, dy=1, grid=False)", a=Q[:, 0], b=Q[:, 1], **ONCE)
C("SURFACE.ev(a, b)", a=FAR[:, 0], b=FAR[:, 1], **ONCE)
C("SURFACE.integral(a, b, 2.0, 3.0)", a=Q[0, 0], b=Q[1, 0], **ONCE)
C("ip.bisplev(a, b, TCK)", a=np.sort(Q[:, 0]), b=np.sort(Q[:3, 1]), **QUICK)
C("ip.RectBivariateSpline(x, y, v)(Q[:, 0], Q[:, 1], grid=False)", x=GX, y=GY, v=G, **QUICK)
C("ip.RectBivariateSpline(GX, GY, v, kx=2, ky=1).ev(a, b)", v=G, a=Q[:, 0], b=Q[:, 1], **QUICK)

C("TRIANGLES(q)", q=S, **ONCE)
C("TRIANGLES(a, b)", a=S[:, 0], b=S[:, 1], **ONCE)
C("ip.LinearNDInterpolator(p, v)(q)", p=P, v=V2, q=S, **QUICK)
C("ip.NearestNDInterpolator(P, v)(S)", v=V2, **QUICK)
C.each("ip.griddata(p, v, q%s)", "", ", 'nearest'", ", fill_value=0.5", p=P, v=V, q=S, **QUICK)
C("ip.griddata(X, v, a, method='cubic')", v=V[:5], a=np.array([0.4, 1.1]), **QUICK)
for kernel in ("linear", "thin_plate_spline", "cubic", "quintic", "gaussian", "multiquadric", "inverse_quadratic",
               "inverse_multiquadric"):  # fmt: skip
    C(f"ip.RBFInterpolator(p, v, smoothing=s, kernel={kernel!r}, epsilon=e)(q)", p=P, v=V, s=0.1, e=1.2, q=S, rtol=1e-6,
      **QUICK)  # fmt: skip
C("ip.RBFInterpolator(P, v, degree=2)(q)", v=V2, q=S, single=False, rtol=1e-6)
C("RADIAL(q)", q=S, single=False, rtol=1e-6)
C("KROGH(q)", q=np.array([[0.3, 0.9]]), **ONCE)
C("BARY(q)", q=np.array([0.3, 0.9]), **ONCE)
C("ip.KroghInterpolator(x, y)(q)", x=X, y=V[:5], q=np.array([0.3, 0.7]), **ONCE)
C("ip.BarycentricInterpolator(x, y)(q)", x=X, y=V2[:5], q=np.array([0.3, 0.9]), **ONCE)
C("ip.barycentric_interpolate(x, y, q)", x=X, y=V[:5], q=np.array([0.3, 0.9]), **QUICK)
C("ip.krogh_interpolate(x, y, q)", x=X, y=V[:5], q=np.array([0.3, 0.9]), **QUICK)
C("ip.lagrange(x, y)(q)", x=X[:4], y=V[:4], q=np.array([0.3, 0.9]), **ONCE)
C("ip.lagrange(X, y).coef", y=V[:5], **ONCE)
C("(lambda p, q: p(0.3) / q(0.3))(*ip.pade(c, 2))", c=V[:5], **ONCE)
C("ip.pade(c, 1, n=2)[0](0.4)", c=V[:5], **ONCE)


@pytest.mark.parametrize("case", C.all, ids=lambda c: c.id)
def test_rule(case: Case) -> None:
    verify(case)


@pytest.mark.parametrize("method", ["cubic", "quintic"])
def test_splines_on_a_grid(method: str) -> None:
    """SciPy solves for their coefficients by iteration: the value agrees to as many digits, the slope is exact."""

    def f(v: Any) -> Any:
        return np.sum(ip.RegularGridInterpolator((GX, GY), v, method)(Q))

    g = grad(f)(G)
    direction = RNG.normal(size=G.shape)
    # Linear in the values, so a large step costs nothing.
    assert np.isclose(np.sum(g * direction), (f(G + direction) - f(G - direction)) / 2, rtol=1e-4)


@pytest.mark.parametrize("method", ["cubic", "quintic"])
def test_a_plain_spline_on_a_grid_has_the_slope_of_what_scipy_evaluates(method: str) -> None:
    def f(a: Any) -> Any:
        return np.sum(CUBIC([[a, float(GY[2]) + 0.2]], method))

    at, h = float(Q[0, 0]), 1e-5
    assert np.isclose(grad(f)(at), (f(at + h) - f(at - h)) / (2 * h), rtol=1e-8)


def test_clough_tocher_at_a_traced_place_is_numeric() -> None:
    def f(a: Any) -> Any:
        return np.sum(CLOUGH(np.stack([a * S[:, 0], S[:, 1]], axis=-1)))

    with noting() as notes:
        found = grad(f)(1.0)
    assert np.isclose(found, (f(1 + 1e-6) - f(1 - 1e-6)) / 2e-6, rtol=1e-5)
    assert notes.numeric


@pytest.mark.parametrize(
    "text",
    ["ip.CloughTocher2DInterpolator(P, V * a)", "ip.Rbf(P[:, 0], P[:, 1], V * a)",
     "ip.SmoothBivariateSpline(P[:, 0], P[:, 1], V * a, kx=1, ky=1)", "ip.splprep([V * a, V])",
     "ip.RBFInterpolator(P, V * a, neighbors=5)", "ip.RegularGridInterpolator((GX, GY), G * a, 'pchip')(Q)"],
)  # fmt: skip
def test_refused_by_name(text: str) -> None:
    f = eval(f"lambda a: {text} and a", globals())
    with pytest.raises(AutodiffError, match=r"scipy\.interpolate"):
        grad(f)(1.3)
