"""``scipy.ndimage``: filters with every boundary mode, rank filters, interpolation, measurements."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.ndimage
from scipy import ndimage as nd
from scipy.ndimage import gaussian_filter, map_coordinates  # noqa: F401  (used in the texts)

from gradcheck.autodiff import AutodiffError, grad, jacobian, noting
from tests.autodiff.checking import Case, verify
from tests.autodiff.scipy.written import Written

RNG = np.random.default_rng(11)
L = RNG.normal(size=7)
X = RNG.normal(size=(4, 5))
X3 = RNG.normal(size=(3, 2, 4))
W = RNG.normal(size=(3, 2))
Z = RNG.normal(size=6) + 1j * RNG.normal(size=6)
LABELS = np.array([[0, 1, 1, 2, 2], [0, 1, 3, 2, 2], [1, 1, 3, 3, 4], [0, 0, 3, 4, 4]])
FOOT = np.array([[0, 1, 0], [1, 1, 1]], bool)
STRUCTURE = RNG.normal(size=(3, 2))
PLACES = RNG.integers(-2, 6, size=(2, 6)) + RNG.choice([-1, 1], (2, 6)) * RNG.uniform(0.1, 0.4, (2, 6))
MODES = ("reflect", "constant", "nearest", "mirror", "wrap", "grid-wrap", "grid-mirror", "grid-constant")
C = Written(globals())

for mode in MODES:
    cheap = {"second": mode == "reflect", "single": mode == "reflect"}
    C(f"nd.correlate1d(x, w, mode={mode!r}, cval=0.7)", x=L, w=RNG.normal(size=4), **cheap)
    C(f"nd.convolve1d(x, w, axis=0, mode={mode!r}, origin=-1)", x=X, w=RNG.normal(size=3), **cheap)
    C(f"nd.correlate(x, w, mode={mode!r}, cval=-0.3, origin=(1, 0))", x=X, w=W, **cheap)
    C(f"nd.convolve(x, w, mode={mode!r}, cval=0.4, origin=(-1, 0))", x=X, w=W, **cheap)
    C(f"gaussian_filter(x, 0.8, mode={mode!r}, cval=0.2)", x=X, **cheap)
    C(f"nd.sobel(x, 0, mode={mode!r})", x=X, **cheap)
    C(f"nd.median_filter(x, 3, mode={mode!r}, cval=0.1)", x=X, **cheap)
    C(f"nd.maximum_filter(x, 2, mode={mode!r})", x=X, **cheap)
    for order in range(6):
        rest = {"second": order in (3, 4) and mode == "reflect", "single": order == 3 and mode == "reflect"}
        C(f"map_coordinates(x, p, order={order}, mode={mode!r}, cval=0.3)", x=X, p=PLACES, **rest)
        if order > 1 and not mode.startswith("grid-c"):
            C(f"nd.spline_filter(x, {order}, mode={mode!r})", x=X, second=False, single=False)
C("nd.correlate1d(x, np.array([1.0, 2.0]), mode='wrap', cval=c)", x=L, c=0.3)
C("nd.correlate1d(x, np.array([1.0, 2.0, 0.5]), mode='constant', cval=c)", x=L, c=0.3)
C("nd.correlate1d(x, np.array([1.0, 2.0, 0.5, 3.0, 1.0]), mode='reflect')", x=L[:2])
C("nd.correlate1d(x, w)", x=Z, w=np.array([0.3 + 1j, 1.0, -0.4j]))
C("nd.convolve1d(x, w)", x=Z, w=np.array([0.3 + 1j, 1.0, -0.4j]))
C("nd.convolve(x, w)", x=Z, w=np.array([0.3 + 1j, 1.0, -0.4j]))
C("nd.correlate(x, w)", x=Z, w=np.array([0.3, 1.0, -0.4]), single=False)
C("nd.correlate(x, w)", x=X3, w=RNG.normal(size=(2, 2, 3)))
C("nd.gaussian_filter1d(x, s)", x=L, s=1.1, single=False)
C.each("nd.gaussian_filter1d(x, s, order=%s, truncate=3.0)", "1", "2", "3", x=L, s=0.9, single=False)
C.each("gaussian_filter(x, s, order=%s)", "(1, 0)", "2", x=X, s=0.8, single=False)
C("gaussian_filter(x, (s, t), mode=['wrap', 'mirror'], radius=2)", x=X, s=0.8, t=1.2, single=False)
C("gaussian_filter(x, (0.0, 0.7), output=float)", x=X)
C("gaussian_filter(x, 0.7, axes=(0, 2))", x=X3)
C("gaussian_filter(x, 0.0)", x=X)
C.each("nd.uniform_filter1d(x, %s)", "3", "4, origin=1", "1", "5, mode='mirror'", x=L)
C.each("nd.uniform_filter(x, %s)", "3", "(2, 3), origin=(0, -1), mode=['wrap', 'nearest']", x=X)
C("nd.prewitt(x, mode=['reflect', 'constant'])", x=X)
C("nd.sobel(x)", x=X3)
C("nd.sobel(x, axis=0)", x=L)
C.each("nd.laplace(x%s)", "", ", mode=['wrap', 'mirror']", x=X)
C.each("nd.gaussian_laplace(x, s%s)", "", ", mode='wrap', truncate=3.0", x=X, s=0.9, single=False)
C("nd.gaussian_laplace(x, [0.8, s])", x=X, s=0.9, single=False)
C.each("nd.gaussian_gradient_magnitude(x, s%s)", "", ", mode='nearest'", x=X, s=0.9, single=False)
C("nd.generic_laplace(x, lambda x, axis, o, m, c, k: k * nd.sobel(x, axis, o, m, c), extra_arguments=(a,))", x=X, a=0.7,
  single=False)  # fmt: skip
C("nd.generic_gradient_magnitude(x, nd.sobel, mode='wrap')", x=X, single=False)
C("nd.generic_filter(x, lambda v: np.sum(v ** 2) * v[0], size=(2, 2), mode='nearest')", x=X[:3, :3], single=False)
C(
    "nd.generic_filter(x, lambda v: np.sum(v ** 2), footprint=FOOT, mode='constant', cval=0.5)",
    x=X[:3, :3],
    single=False,
)
C("nd.generic_filter(X[:2, :3], lambda v: a * np.max(v), size=2)", a=0.3, single=False)
C.each("nd.maximum_filter1d(x, 3%s)", "", ", origin=1, mode='wrap'", ", mode='constant', cval=0.2", x=L)
C("nd.minimum_filter1d(x, 4, axis=0)", x=X)
C.each("nd.minimum_filter(x, %s)", "3", "size=(2, 3), mode=['wrap', 'mirror']", "footprint=FOOT, origin=(0, 1)", x=X)
C("nd.maximum_filter(x, footprint=FOOT, mode='constant', cval=0.1)", x=X)
C.each("nd.rank_filter(x, %s)", "1, 3", "-2, footprint=FOOT", "0, 3", x=X)
C.each("nd.percentile_filter(x, %s)", "30, 3", "-20, size=(2, 3)", "100, 3", x=X)
C("nd.median_filter(x, footprint=FOOT, origin=(0, 1))", x=X)
C("nd.median_filter(x, 5)", x=L)
for f in ("grey_erosion", "grey_dilation", "grey_opening", "grey_closing", "morphological_gradient",
          "morphological_laplace", "white_tophat", "black_tophat"):  # fmt: skip
    C.each(f"nd.{f}(x, %s)", "2", "size=(3, 2), origin=(1, 0)", x=X, single=False)
    C(f"nd.{f}(x, footprint=FOOT, mode='wrap')", x=X, second=False, single=False)
    C(f"nd.{f}(x, structure=STRUCTURE, mode='mirror')", x=X, second=False, single=False)
for order in (2, 3, 4, 5):
    for mode in ("mirror", "reflect", "grid-wrap", "nearest", "wrap"):
        C(f"nd.spline_filter1d(x, {order}, mode={mode!r})", x=L, second=False, single=False)
C("nd.spline_filter1d(x, axis=0)", x=X)
C("nd.spline_filter1d(x, output=complex)", x=Z, single=False)
C("nd.spline_filter1d(x)", x=L[:2], single=False)
C("map_coordinates(x, p)", x=X3, p=RNG.uniform(0.1, 0.9, (3, 4)) * np.array([[2.0], [1.0], [3.0]]))
C("map_coordinates(x, p, order=2, prefilter=False)", x=X, p=RNG.uniform(0.1, 2.9, (2, 3, 2)))
C("map_coordinates(x, p, order=1, mode='constant', cval=c)", x=X, p=PLACES, c=0.4)
C("map_coordinates(x, p, order=3, mode='grid-constant', cval=c)", x=X, p=PLACES, c=0.4)
C("map_coordinates(x, [[1.2, 0.4, 5.0]], order=3, mode='nearest')", x=Z, single=False)
for mode in ("constant", "reflect", "nearest", "grid-wrap"):
    rest = {"single": False, "second": mode == "reflect"}
    C(f"nd.shift(x, s, mode={mode!r})", x=X, s=np.array([0.7, -1.3]), **rest)
    C(f"nd.affine_transform(x, m, o, mode={mode!r}, order=2)", x=X, m=np.array([[0.812, 0.113], [-0.217, 1.09]]),
      o=np.array([0.31, -0.23]), **rest)  # fmt: skip
    C(
        f"nd.affine_transform(x, m, o, output_shape=(3, 4), mode={mode!r})",
        x=X,
        m=np.array([0.812, 0.717]),
        o=0.317,
        **rest,
    )
    C(f"nd.rotate(x, a, mode={mode!r}, order=3)", x=X, a=23.0, **rest)
    C(f"nd.zoom(x, (1.6, 0.7), mode={mode!r})", x=X, **rest)
C("nd.shift(x, s, order=1)", x=L, s=0.6)
C("nd.rotate(x, a, reshape=False, axes=(0, 2), order=1)", x=X3, a=31.0, single=False)
C("nd.rotate(x, 90.0)", x=X)
C("nd.zoom(x, 2, order=1, grid_mode=True, mode='grid-constant')", x=X)
C("nd.zoom(x, 1)", x=X)
C("nd.affine_transform(x, m)", x=X, m=np.array([[0.812, 0.113, 0.31], [-0.217, 1.09, 0.23]]), single=False)
C("nd.geometric_transform(x, lambda o: (o[0] * a, o[1] - 0.3))", x=X[:3, :3], a=0.9, single=False)
C.each("nd.fourier_gaussian(x, %s)", "1.2", "(0.5, 0.8)", x=X)
C("nd.fourier_uniform(x, 2.0)", x=X)
C("nd.fourier_ellipsoid(x, 2.0)", x=X)
C("nd.fourier_shift(x, 0.7)", x=X, single=False)
C("nd.fourier_shift(x, 0.7)", x=Z)
C("nd.fourier_gaussian(x, 1.2, n=10)", x=Z)
for f in ("sum", "sum_labels", "mean", "variance", "standard_deviation", "minimum", "maximum", "median", "extrema",
          "center_of_mass"):  # fmt: skip
    single = f not in ("sum", "sum_labels", "mean", "variance", "standard_deviation", "center_of_mass", "extrema")
    C(f"nd.{f}(x)", x=X, single=False)
    C(f"nd.{f}(x, LABELS)", x=X, single=False)
    C(f"nd.{f}(x, LABELS, 3)", x=X, single=False)
    C(f"nd.{f}(x, LABELS, index=[2, 1, 4, 3])", x=X, single=False)
C("nd.sum(x, LABELS, [7, 1, 1])", x=X)
C("nd.maximum(x, LABELS, [7, 1, 1])", x=X)
C("nd.labeled_comprehension(x, LABELS, [1, 2, 7], lambda v: np.sum(v ** 3), float, -1.0)", x=X, single=False)
C("nd.labeled_comprehension(X, LABELS, [1, 2], lambda v: a * np.sum(v), float, 0.0)", a=0.3, single=False)


@pytest.mark.filterwarnings("ignore:The behavior of affine_transform")  # SciPy 1.15
@pytest.mark.parametrize("case", C.all, ids=lambda c: c.id)
def test_rule(case: Case) -> None:
    verify(case)


def test_output_array_made_inside() -> None:
    def f(x: Any) -> Any:
        y = np.zeros((4, 5))
        scipy.ndimage.gaussian_filter(x, 1.0, output=y)
        return np.sum(y**2)

    h = 1e-6
    moved = X.copy()
    moved[1, 2] += h
    assert np.isclose(grad(f)(X)[1, 2], (f(moved) - f(X)) / h, rtol=1e-4)


def test_not_differentiable_ones_are_plain() -> None:
    def f(x: Any) -> Any:
        labels, n = scipy.ndimage.label(x > 0)
        return np.sum(scipy.ndimage.sum(x, labels, range(1, n + 1)) ** 2) + np.sum(
            scipy.ndimage.distance_transform_edt(x > 0)
        )

    g = grad(f)(X)
    h = 1e-6
    moved = X.copy()
    moved[0, 0] += h
    assert np.isclose(g[0, 0], (f(moved) - f(X)) / h, rtol=1e-4, atol=1e-5)


def test_where_the_gradient_is_zero_its_magnitude_has_slope_zero() -> None:
    assert np.all(grad(lambda x: np.sum(nd.gaussian_gradient_magnitude(x, 1.0)))(np.ones((3, 3))) == 0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nd.gaussian_filter1d(np.arange(5), a)", "integers"),
        ("nd.gaussian_filter(np.ones(3) * a, 1.0, output=int)", "output=int64"),
        ("nd.grey_dilation(np.ones((3, 3)), structure=np.ones((2, 2)) * a)", "structure"),
    ],
)
def test_refused_by_name(text: str, words: str) -> None:
    with pytest.raises(AutodiffError, match=words):
        grad(eval(f"lambda a: np.sum({text})", globals()))(1.3)


def test_the_distance_of_neighbours_counts() -> None:
    inside = np.pad(np.ones((3, 4)), 1)

    def f(s: Any) -> Any:
        return np.sum(nd.distance_transform_edt(inside, sampling=[s, 1.0]))

    with noting():
        found = grad(f)(0.7)
    assert np.isclose(found, (f(0.7 + 1e-6) - f(0.7 - 1e-6)) / 2e-6)


def test_parameters_of_fourier_filters_are_numeric() -> None:
    with noting() as notes:
        found = jacobian(lambda s: nd.fourier_gaussian(X, s))(1.2)
    h = 1e-5
    expected = (nd.fourier_gaussian(X, 1.2 + h) - nd.fourier_gaussian(X, 1.2 - h)) / (2 * h)
    assert np.allclose(found, expected, atol=1e-7)
    assert {name for name, _ in notes.numeric} == {"scipy.ndimage.fourier_gaussian"}
