"""``scipy.spatial``: trees of points, hulls, and what is composed of distances.

Which points are neighbours or corners is locally constant and comes from SciPy; lengths, areas and volumes are
functions of those points' coordinates. ``distance.py`` and ``transform.py`` beside this file hold the rules for
``scipy.spatial.distance`` and ``scipy.spatial.transform``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.spatial as sp

from gradcheck.autodiff.core import is_active, plain, plain_tree, shape_of
from gradcheck.autodiff.errors import unsupported
from gradcheck.autodiff.rules.scipy.linalg.singular import orthogonal_procrustes
from gradcheck.autodiff.rules.scipy.linear import floating
from gradcheck.autodiff.rules.scipy.registry import STATUS, carrier, construct, methods, original, replace
from gradcheck.autodiff.rules.scipy.registry import plain as not_differentiable
from gradcheck.autodiff.rules.scipy.spatial.distance import safe_root, same

# -- distances -------------------------------------------------------------------------------------------------------


def _lengths(d: Any, p: Any) -> Any:
    """The p-norm of the last axis, 0 with slope 0 for equal points."""
    if p == np.inf:
        return np.max(np.abs(d), axis=-1)
    if p == 1:
        return np.sum(np.abs(d), axis=-1)
    return safe_root(np.sum(np.abs(d) ** p, axis=-1), 1.0 / p)


def minkowski_distance_p(x: Any, y: Any, p: Any = 2.0) -> Any:
    """``scipy.spatial.minkowski_distance_p``: the p-th power of the distance; for p = ∞ the distance."""
    value = original(sp, "minkowski_distance_p")(*plain_tree((x, y, p)))
    d, p = floating(x) - floating(y), plain(p)
    y = np.sum(np.abs(d) ** p, axis=-1) if p not in (1, np.inf) else _lengths(d, p)
    return same(y, value, "scipy.spatial.minkowski_distance_p")


def minkowski_distance(x: Any, y: Any, p: Any = 2.0) -> Any:
    """``scipy.spatial.minkowski_distance``: x and y (..., n)."""
    value = original(sp, "minkowski_distance")(*plain_tree((x, y, p)))
    return same(_lengths(floating(x) - floating(y), plain(p)), value, "scipy.spatial.minkowski_distance")


def distance_matrix(x: Any, y: Any, p: Any = 2.0, threshold: Any = 1000000) -> Any:
    """``scipy.spatial.distance_matrix``: x (m, n), y (k, n) -> (m, k)."""
    value = original(sp, "distance_matrix")(*plain_tree((x, y, p)))
    x, y = floating(x), floating(y)
    return same(_lengths(x[:, None, :] - y[None, :, :], plain(p)), value, "scipy.spatial.distance_matrix")


def procrustes(data1: Any, data2: Any) -> Any:
    """``scipy.spatial.procrustes``: data1 and data2 (m, n) -> both standardised, and the disparity."""
    original(sp, "procrustes")(*plain_tree((data1, data2)))  # SciPy's own checks
    first, second = floating(data1), floating(data2)
    first, second = first - np.mean(first, axis=0), second - np.mean(second, axis=0)
    first, second = (m / np.sqrt(np.sum(m * m)) for m in (first, second))
    r, s = orthogonal_procrustes(first, second)
    second = np.matmul(second, r.T) * s
    return first, second, np.sum((first - second) ** 2)


def geometric_slerp(start: Any, end: Any, t: Any, tol: float = 1e-7) -> Any:
    """``scipy.spatial.geometric_slerp``: start and end (n,) on the unit sphere, t a number or (k,)."""
    value = original(sp, "geometric_slerp")(*plain_tree((start, end, t, tol)))
    start, end, t = floating(start), floating(end), floating(t)
    radius = np.sqrt(np.sum(start * start))
    first = start / radius
    across = end - np.sum(first * end) * first
    rise = np.sqrt(np.sum(across * across))
    if plain(rise) < 1e-12:
        raise unsupported("scipy.spatial.geometric_slerp between points that coincide or are opposite")
    angle = np.arctan2(radius * rise, np.sum(start * end))
    turn = (t * angle)[..., None]
    y = np.cos(turn) * first + np.sin(turn) * (across / rise)
    return same(y, value, "scipy.spatial.geometric_slerp")


replace(
    sp,
    {
        "minkowski_distance": minkowski_distance,
        "minkowski_distance_p": minkowski_distance_p,
        "distance_matrix": distance_matrix,
        "procrustes": procrustes,
        "geometric_slerp": geometric_slerp,
    },
)
not_differentiable(sp, ["tsearch", "convex_hull_plot_2d", "delaunay_plot_2d", "voronoi_plot_2d"])


# -- trees of points -------------------------------------------------------------------------------------------------


_TREE = sp.KDTree  # the original: the name is replaced while a trace is running


def _query(tree: Any, data: Any, x: Any, k: Any = 1, eps: Any = 0.0, p: Any = 2.0, distance_upper_bound: Any = np.inf,
           workers: Any = 1) -> Any:  # fmt: skip
    """Which points are nearest comes from the tree; their distances are functions of the coordinates."""
    lengths, found = original(_TREE, "query")(tree, *plain_tree((x, k, eps, p, distance_upper_bound)), workers=workers)
    x, found = floating(x), np.asarray(found)
    near = x[..., None, :] if found.ndim == len(shape_of(x)) else x
    exists = found < tree.n
    d = near - data[np.where(exists, found, 0)]
    if tree.boxsize is not None:
        box = np.where(np.asarray(tree.boxsize) > 0, tree.boxsize, np.inf)
        turns = np.round(plain(d) / box)
        d = d - np.where(turns == 0, 0.0, np.where(np.isfinite(box), box, 0.0) * turns)
    y = np.where(exists, _lengths(d, plain(p)), np.inf)
    return same(y if found.ndim else y[()], lengths, "scipy.spatial.KDTree.query"), found if found.ndim else int(found)


class TracedTree:
    """A ``KDTree`` of traced points: SciPy's tree of their plain values, and the points.

    Attributes:
        data: the points, (m, n), traced.
        tree: SciPy's own tree.
    """

    def __init__(self, data: Any, *args: Any, **keywords: Any) -> None:
        self.data = floating(data)
        self.tree = _TREE(plain(self.data), *plain_tree(args), **plain_tree(keywords))

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return _TREE

    def query(self, x: Any, k: Any = 1, eps: Any = 0.0, p: Any = 2.0, distance_upper_bound: Any = np.inf,
              workers: Any = 1) -> Any:  # fmt: skip
        return _query(self.tree, self.data, x, k, eps, p, distance_upper_bound, workers)

    @property
    def maxes(self) -> Any:
        return np.max(self.data, axis=0)

    @property
    def mins(self) -> Any:
        return np.min(self.data, axis=0)

    def sparse_distance_matrix(self, *_args: Any, **_keywords: Any) -> Any:
        raise unsupported("KDTree.sparse_distance_matrix of traced points", "use scipy.spatial.distance.cdist")

    def __getattr__(self, name: str) -> Any:
        """What else a tree has (sizes, indices of neighbours) is locally constant."""
        value = getattr(self.tree, name)
        if not callable(value):
            return value
        return lambda *args, **keywords: value(*_plain_trees(args), **_plain_trees(keywords))


def _plain_trees(x: Any) -> Any:
    """Arguments with plain trees and plain values."""
    if type(x) is dict:
        return {k: _plain_trees(v) for k, v in x.items()}
    if type(x) is tuple:
        return tuple(_plain_trees(v) for v in x)
    return x.tree if type(x) is TracedTree else plain_tree(x)


def _positions_only(name: str) -> Any:
    def handler(self: Any, *args: Any, **keywords: Any) -> Any:
        return original(_TREE, name)(self, *_plain_trees(args), **_plain_trees(keywords))

    return handler


_CONSTANT = ("query_ball_point", "query_ball_tree", "query_pairs", "count_neighbors")
methods(
    _TREE,
    {"query": lambda self, *args, **keywords: _query(self, self.data, *args, **keywords)}
    | {name: _positions_only(name) for name in _CONSTANT if name in vars(_TREE)},
)
construct(sp, "KDTree", TracedTree, stands=(TracedTree,))
construct(sp, "cKDTree", TracedTree, stands=(TracedTree,))
carrier(TracedTree, lambda tree: is_active(tree.data))


# -- hulls -----------------------------------------------------------------------------------------------------------


class _Corners:
    """Triangulated points: SciPy's object for their plain values, which knows who belongs to whom, and the points."""

    name = ""
    refused: tuple[str, ...] = ()

    def __init__(self, points: Any, *args: Any, **keywords: Any) -> None:
        self.points = floating(points)
        self.plain = original(sp, self.name)(plain(self.points), *plain_tree(args), **plain_tree(keywords))

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return original(sp, type(self).name)

    def __getattr__(self, name: str) -> Any:
        if name in type(self).refused:
            raise unsupported(f"scipy.spatial.{type(self).name}.{name} of traced points", "compute it from the points")
        value = getattr(self.plain, name)
        return value if not callable(value) else lambda *args, **keywords: value(*plain_tree(args), **keywords)

    @property
    def max_bound(self) -> Any:
        return np.max(self.points, axis=0)

    @property
    def min_bound(self) -> Any:
        return np.min(self.points, axis=0)


class TracedHull(_Corners):
    """A ``ConvexHull`` of traced points: volume and area as functions of the corners."""

    name = "ConvexHull"
    refused = ("equations", "add_points", "_equations", "good", "coplanar")

    def _corners(self) -> Any:
        return self.points[self.plain.simplices]

    @property
    def volume(self) -> Any:
        """The sum of the simplices between a point inside and each facet."""
        corners = self._corners()
        inside = np.mean(plain(self.points)[self.plain.vertices], axis=0)
        y = np.sum(np.abs(np.linalg.det(corners - inside))) / math.factorial(shape_of(self.points)[1])
        return same(y, np.float64(self.plain.volume), "scipy.spatial.ConvexHull.volume")

    @property
    def area(self) -> Any:
        """The sum of the facets: √det(EEᵀ)/(n − 1)! with the edges E from one corner."""
        corners = self._corners()
        edges = corners[:, 1:] - corners[:, :1]
        gram = np.matmul(edges, np.swapaxes(edges, -1, -2))
        y = np.sum(np.sqrt(np.linalg.det(gram))) / math.factorial(shape_of(self.points)[1] - 1)
        return same(y, np.float64(self.plain.area), "scipy.spatial.ConvexHull.area")


class TracedDelaunay(_Corners):
    """A ``Delaunay`` triangulation of traced points: who belongs to whom is locally constant."""

    name = "Delaunay"
    refused = ("transform", "equations", "add_points", "paraboloid_scale", "paraboloid_shift", "lift_points")


class TracedVoronoi(_Corners):
    """A ``Voronoi`` diagram of traced points: its vertices are the centres of the circles through their points."""

    name = "Voronoi"
    refused = ("add_points",)

    @property
    def vertices(self) -> Any:
        """Equidistant from the corners of a simplex of the Delaunay triangulation: 2(pₖ − p₀)·c = pₖ² − p₀²."""
        points, value = self.points, self.plain.vertices
        away = np.sum((value[:, None, :] - plain(points)) ** 2, axis=-1)
        n = shape_of(points)[1]
        nearest = np.argsort(away, axis=1, kind="stable")
        ties = np.take_along_axis(away, nearest, axis=1)
        if np.any(ties[:, n + 1 :] < ties[:, :1] * (1 + 1e-9)):
            raise unsupported("scipy.spatial.Voronoi.vertices with more than n + 1 points on a circle")
        corners = points[nearest[:, : n + 1]]
        edges = 2.0 * (corners[:, 1:] - corners[:, :1])
        squares = np.sum(corners**2, axis=-1)
        y = np.linalg.solve(edges, (squares[:, 1:] - squares[:, :1])[..., None])[..., 0]
        return same(y, value, "scipy.spatial.Voronoi.vertices")


for _cls in (TracedHull, TracedDelaunay, TracedVoronoi):
    construct(sp, _cls.name, _cls, stands=(_cls,))
    carrier(_cls, lambda corners: is_active(corners.points))


def _refuse_class(name: str, why: str) -> None:
    def handler(*_args: Any, **_keywords: Any) -> Any:
        raise unsupported(f"scipy.spatial.{name} of traced values is not supported", why)

    construct(sp, name, handler)
    STATUS[sp, name] = f"refused: {why}"


_refuse_class("SphericalVoronoi", "compute what you need from the points and its plain regions")
_refuse_class("HalfspaceIntersection", "solve for the corners with np.linalg.solve of the planes that meet there")
_refuse_class("Rectangle", "compute the distance from the bounds")
__all__ = ["TracedDelaunay", "TracedHull", "TracedTree", "TracedVoronoi"]
