"""``scipy.spatial`` from plain imports: every metric with its parameters, trees, hulls."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.spatial
from scipy.spatial import ConvexHull, Delaunay, KDTree, Voronoi, distance, geometric_slerp, procrustes
from scipy.spatial.distance import cdist, pdist, squareform

from gradcheck.autodiff import AutodiffError, grad, jvp
from tests.autodiff.checking import Case, verify
from tests.autodiff.scipy.written import Written

__all__ = ["ConvexHull", "Delaunay", "Voronoi", "geometric_slerp", "procrustes", "squareform"]

rng = np.random.default_rng(6)
C = Written(globals())
# Some of these names are deprecated in the newest SciPy.
pytestmark = pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")


def normal(*shape: int) -> Any:
    return rng.normal(size=shape)


U, V = np.array([0.5, -1.2, 2.0]), np.array([1.1, 0.4, -0.7])
W = np.array([0.5, 1.5, 1.0])
X, Y = normal(4, 3), normal(3, 3)
SPREAD = np.array([[2.0, 0.3, 0.1], [0.3, 1.0, 0.2], [0.1, 0.2, 1.5]])
SIMPLE = ("euclidean", "sqeuclidean", "cityblock", "chebyshev", "cosine", "correlation", "canberra", "braycurtis")

for name in SIMPLE:
    C(f"distance.{name}(u, v)", u=U, v=V, single=name not in ("canberra", "braycurtis", "cosine", "correlation"))
    if name == "chebyshev":
        C(f"distance.{name}(u, v, W)", u=U, v=V, second=False)
    else:
        C(f"distance.{name}(u, v, w)", u=U, v=V, w=W, second=False, single=False)
    C(f"cdist(x, y, '{name}')", x=X, y=Y, second=name in ("euclidean", "cosine"), single=False)
    C(f"pdist(x, '{name}')", x=X, second=False, single=False)
C("distance.correlation(u, v, centered=False)", u=U, v=V, second=False, single=False)
C.each("distance.minkowski(u, v%s)", "", ", 3", ", p=1.5", ", 1", ", np.inf", u=U, v=V, second=False, single=False)
C("distance.minkowski(u, v, p, w)", u=U, v=V, p=2.5, w=W, single=False)
C("distance.seuclidean(u, v, s)", u=U, v=V, s=W, single=False)
C("distance.mahalanobis(u, v, m)", u=U, v=V, m=SPREAD, single=False)
C("distance.jensenshannon(u, v)", u=np.array([0.2, 0.5, 0.3]), v=np.array([0.6, 0.1, 0.9]), single=False)
C(
    "distance.jensenshannon(u, v, 2.0, axis=1, keepdims=True)",
    u=rng.uniform(0.2, 1, (2, 3)),
    v=rng.uniform(0.2, 1, (2, 3)),
    second=False,
    single=False,
)
C("cdist(x, y, 'minkowski', p=3, w=w)", x=X, y=Y, w=W, second=False, single=False)
C("cdist(x, y, w=w)", x=X, y=Y, w=W, second=False, single=False)
C.each("cdist(x, y, 'seuclidean'%s)", "", ", V=[0.5, 1.0, 2.0]", x=X, y=Y, second=False, single=False)
C("pdist(x, 'seuclidean')", x=X, second=False, single=False)
C.each("cdist(x, y, 'mahalanobis'%s)", "", ", VI=SPREAD", x=X, y=Y, second=False, single=False)
C("pdist(x, 'mahalanobis')", x=normal(5, 2), second=False, single=False)
C("cdist(x, y, 'js')", x=rng.uniform(0.2, 1, (2, 3)), y=rng.uniform(0.2, 1, (2, 3)), second=False, single=False)
C("cdist(x, y, lambda u, v: np.sum(np.abs(u - v) ** 3))", x=X, y=Y, second=False, single=False)
C("pdist(x, distance.euclidean)", x=X, second=False, single=False)
C("pdist(x, lambda u, v: np.sum((u - v) ** 2))", x=X, second=False, single=False)
C("squareform(pdist(x))", x=X, second=False, single=False)
C("squareform(pdist(x) ** 2 @ np.eye(6))", x=X, single=False)
C("squareform(d + d.T, checks=False)", d=normal(3, 3) * (1 - np.eye(3)), second=False)
C("distance.directed_hausdorff(x, y)[0]", x=X, y=Y, second=False, single=False)
C.each("scipy.spatial.distance_matrix(x, y%s)", "", ", p=1", ", p=3", x=X, y=Y, second=False, single=False)
C.each("scipy.spatial.minkowski_distance(u, v%s)", "", ", np.inf", u=U, v=V, second=False, single=False)
C("scipy.spatial.minkowski_distance_p(u, v, 3)", u=U, v=V, second=False, single=False)
C("procrustes(x, y)", x=normal(4, 2), y=normal(4, 2), second=False, single=False)
C("procrustes(x, y)[2]", x=normal(4, 3), y=normal(4, 3), single=False)
C("geometric_slerp(u / np.sqrt(np.sum(u**2)), v / np.sqrt(np.sum(v**2)), t)", u=U, v=V, t=0.3, single=False)
C(
    "geometric_slerp(u / np.sqrt(np.sum(u**2)), v / np.sqrt(np.sum(v**2)), t)",
    u=U,
    v=V,
    t=np.array([0.3, 0.8]),
    second=False,
    single=False,
)
C("KDTree(x).query(y)[0]", x=X, y=Y, single=False)
C.each(
    "KDTree(x).query(y, %s)[0]", "k=2", "k=[1, 3]", "p=1", "k=2, p=np.inf", "p=3", x=X, y=Y, second=False, single=False
)
C("KDTree(x).query(y)[0]", x=X, y=U, second=False, single=False)
C("KDTree(x % 2.0, boxsize=2.0).query(y % 2.0)[0]", x=X, y=Y, second=False, single=False)
C("scipy.spatial.cKDTree(x).query(Y, k=2)[0]", x=X, second=False, single=False)
C("ConvexHull(x).volume", x=normal(6, 3), single=False)
C("ConvexHull(x).area", x=normal(6, 3), single=False)
C("ConvexHull(x).volume", x=normal(6, 2), second=False, single=False)
C("ConvexHull(x).area", x=normal(6, 2), second=False, single=False)
C("np.sum(x[Delaunay(x).simplices] ** 2)", x=normal(5, 2), second=False, single=False)
C("Voronoi(x).vertices", x=normal(5, 2), second=False, single=False, rtol=1e-6)
C.each("%s(x).max_bound", "ConvexHull", "Delaunay", "Voronoi", x=normal(5, 2), second=False, single=False)


@pytest.mark.parametrize("case", C.all, ids=lambda case: case.id)
def test_rule(case: Case) -> None:
    verify(case)


def test_tree_of_plain_points() -> None:
    tree = KDTree(X)

    def f(p: Any) -> Any:
        lengths, _ = tree.query(p, k=2)
        return np.sum(lengths**2)

    verify(Case(("query",), f, (U,), "a tree made outside", single=False))
    # Which points are within a radius is locally constant.
    count = lambda p: len(tree.query_ball_point(p, 2.0)) * np.sum(p)  # noqa: E731
    np.testing.assert_array_equal(grad(count)(U), np.full(3, len(tree.query_ball_point(U, 2.0))))
    none = lambda x: np.sum(x) + (0.0 if np.isinf(KDTree(x).query(U, distance_upper_bound=1e-9)[0]) else 1.0)  # noqa: E731
    np.testing.assert_array_equal(grad(none)(X), np.ones((4, 3)))


def test_equal_points() -> None:
    """A distance of 0 is a kink: the derivative in its middle, not nan."""
    twice = np.stack([U, U, V])
    for metric in ("euclidean", "cityblock", "chebyshev", "minkowski", "canberra", "sqeuclidean"):
        g = grad(lambda x, metric=metric: np.sum(pdist(x, metric)))(twice)
        assert np.all(np.isfinite(g)), metric
        other = grad(lambda x, metric=metric: np.sum(cdist(x, V[None], metric)))(twice)
        np.testing.assert_allclose(g[:2], other[:2])


def test_piecewise_constant_metrics() -> None:
    np.testing.assert_array_equal(grad(lambda x: np.sum(cdist(x, Y, "hamming")) + np.sum(x))(X), np.ones((4, 3)))
    assert grad(lambda u: distance.hamming(u, V) * np.sum(u))(U).tolist() == [1.0, 1.0, 1.0]


def test_isinstance_goes_on_working() -> None:
    def f(x: Any) -> Any:
        tree, hull = KDTree(x), ConvexHull(x)
        assert isinstance(tree, KDTree)
        assert isinstance(hull, ConvexHull)
        assert tree.n == 4
        return hull.volume + np.sum(tree.data)

    verify(Case(("isinstance",), f, (X,), "isinstance", second=False, single=False))


REFUSED = {
    "ConvexHull(x).equations": "equations",
    "Delaunay(x).transform": "transform",
    "scipy.spatial.SphericalVoronoi(x).vertices": "SphericalVoronoi",
    "KDTree(x).sparse_distance_matrix(KDTree(x), 2.0)": "sparse_distance_matrix",
}


@pytest.mark.parametrize("text", REFUSED)
def test_refused_by_name(text: str) -> None:
    with pytest.raises(AutodiffError, match=REFUSED[text]):
        grad(eval(f"lambda x: {text}", globals()))(X)


@pytest.mark.parametrize("name", ["dice", "rogerstanimoto", "russellrao", "sokalsneath", "yule", "hamming", "jaccard"])
def test_dissimilarities_of_numbers(name: str) -> None:
    """SciPy's Python functions are smooth in numbers; some of its compiled loops take their truth values."""
    rng = np.random.default_rng(0)
    u, v, w = rng.uniform(0.1, 0.9, (3, 5))
    m, n = rng.uniform(0.1, 0.9, (3, 5)), rng.uniform(0.1, 0.9, (2, 5))
    pair = getattr(scipy.spatial.distance, name)
    functions = [
        (lambda u: pair(u, v) * 1.0, u),
        (lambda v: pair(u, v, w) * 1.0, v),
        (lambda w: pair(u, v, w) * 1.0, w),
        (lambda m: np.sum(scipy.spatial.distance.cdist(m, n, name) ** 2), m),
        (lambda m: np.sum(scipy.spatial.distance.pdist(m, name) ** 2), m),
    ]
    if name != "dice":  # whose compiled loop weighs in a way of its own, and is refused
        functions.append((lambda w: np.sum(scipy.spatial.distance.cdist(m, n, name, w=w) ** 2), w))
    for f, x in functions:
        d = rng.normal(size=x.shape)
        expected = (f(x + 1e-6 * d) - f(x - 1e-6 * d)) / 2e-6
        assert np.sum(grad(f)(x) * d) == pytest.approx(expected, rel=1e-6, abs=1e-8)
        assert jvp(f, (x,), (d,))[1] == pytest.approx(expected, rel=1e-6, abs=1e-8)
