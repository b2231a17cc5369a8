"""``scipy.sparse.csgraph``: lengths of shortest paths, spanning trees, the Laplacian.

Which way is shortest is locally constant and comes from SciPy; the length is the sum of the weights along it. What has
no length in it (orders, components, matchings) has no derivative.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse.csgraph as cg

from gradcheck.autodiff.core import plain, plain_tree, shape_of
from gradcheck.autodiff.errors import unsupported
from gradcheck.autodiff.rules.scipy.registry import STATUS, original, refuse, replace
from gradcheck.autodiff.rules.scipy.sparse.matrix import CLASSES, TracedSparse, from_array
from gradcheck.autodiff.rules.scipy.sparse.solvers import dense, value_of
from gradcheck.autodiff.rules.scipy.spatial.distance import same


def _lengths(weights: Any, before: Any, sources: Any, directed: bool) -> Any:
    """The sums of weights along the ways that the predecessors give, (sources, n)."""
    value, n = plain(weights), shape_of(weights)[0]
    total: Any = 0.0
    place = np.broadcast_to(np.arange(n), before.shape)
    line = np.arange(len(sources))[:, None]
    for _ in range(n):
        last = before[line, place]
        moving = last >= 0
        if not np.any(moving):
            break
        i, j = np.where(moving, last, 0), place
        if not directed:  # of the two weights of an edge the smaller one counts
            other = (value[j, i] != 0) & ((value[i, j] == 0) | (value[j, i] < value[i, j]))
            i, j = np.where(other, j, i), np.where(other, i, j)
        total = total + np.where(moving, weights[i, j], 0.0)
        place = np.where(moving, last, place)
    return total


def _paths(name: str) -> Callable[..., Any]:
    def handler(csgraph: Any, *args: Any, **keywords: Any) -> Any:
        names = {
            "shortest_path": ("method", "directed", "return_predecessors", "unweighted", "overwrite", "indices"),
            "floyd_warshall": ("directed", "return_predecessors", "unweighted", "overwrite"),
            "dijkstra": ("directed", "indices", "return_predecessors", "unweighted", "limit", "min_only"),
            "bellman_ford": ("directed", "indices", "return_predecessors", "unweighted"),
            "johnson": ("directed", "indices", "return_predecessors", "unweighted"),
        }[name]
        options = dict(zip(names, plain_tree(args), strict=False)) | plain_tree(keywords)
        if options.get("min_only"):
            raise unsupported("scipy.sparse.csgraph.dijkstra with min_only=True and traced weights", "leave it out")
        wanted = options.pop("return_predecessors", False)
        options.pop("overwrite", None)
        value, before = original(cg, name)(value_of(csgraph), return_predecessors=True, **options)
        if options.get("unweighted"):
            return (value, before) if wanted else value
        weights = dense(csgraph)
        sources = np.atleast_1d(options["indices"]) if options.get("indices") is not None else np.arange(len(value))
        lengths = _lengths(weights, np.atleast_2d(before), sources, options.get("directed", True))
        lengths = np.where(np.isfinite(np.atleast_2d(value)), lengths, np.inf)
        y = same(np.reshape(lengths, value.shape), value, f"scipy.sparse.csgraph.{name}")
        return (y, before) if wanted else y

    return handler


def minimum_spanning_tree(csgraph: Any, overwrite: bool = False) -> Any:
    """``scipy.sparse.csgraph.minimum_spanning_tree``: the weights of the edges that SciPy has chosen."""
    part = csgraph if type(csgraph) is TracedSparse else from_array(CLASSES["csr_array"], csgraph)
    tree = original(cg, "minimum_spanning_tree")(value_of(csgraph))
    chosen = (tree != 0).astype(float)
    return part.multiply(chosen.toarray()).moved(type(tree))


def laplacian(csgraph: Any, normed: bool = False, return_diag: bool = False, use_out_degree: bool = False,
              **keywords: Any) -> Any:  # fmt: skip
    """``scipy.sparse.csgraph.laplacian``: D − A, or with ``normed`` divided by the roots of the degrees; dense only."""
    if type(csgraph) is TracedSparse:
        raise unsupported("scipy.sparse.csgraph.laplacian of a sparse graph with traced weights", "use toarray()")
    if any(keywords.values()) and keywords != {"form": "array"}:
        names = ", ".join(keywords)
        raise unsupported(f"scipy.sparse.csgraph.laplacian: keyword {names} is not supported for traced weights")
    values = original(cg, "laplacian")(plain(csgraph), normed, True, use_out_degree)
    n = shape_of(csgraph)[0]
    a = csgraph * (1.0 - np.eye(n))
    degree = np.sum(a, axis=1 if use_out_degree else 0)
    if normed:
        alone = plain(degree) == 0
        root = np.where(alone, 1.0, np.sqrt(np.where(alone, 1.0, degree)))
        y, d = np.diag(1.0 - alone) - a / root / root[:, None], root
    else:
        y, d = degree * np.eye(n) - a, degree
    y = same(y, values[0], "scipy.sparse.csgraph.laplacian")
    return (y, same(d, values[1], "scipy.sparse.csgraph.laplacian")) if return_diag else y


replace(cg, {name: _paths(name) for name in ("shortest_path", "floyd_warshall", "dijkstra", "bellman_ford", "johnson")})
replace(cg, {"minimum_spanning_tree": minimum_spanning_tree, "laplacian": laplacian})


def _constant(name: str) -> Callable[..., Any]:
    def handler(*args: Any, **keywords: Any) -> Any:
        return original(cg, name)(*(value_of(a) for a in args), **plain_tree(keywords))

    return handler


_PLAIN = (
    "connected_components", "breadth_first_order", "depth_first_order", "reverse_cuthill_mckee", "structural_rank",
    "maximum_bipartite_matching", "min_weight_full_bipartite_matching",
)  # fmt: skip
replace(cg, {name: _constant(name) for name in _PLAIN})
STATUS.update({(cg, name): "plain" for name in _PLAIN})
_REFUSED = (
    "breadth_first_tree", "depth_first_tree", "maximum_flow", "yen", "reconstruct_path", "construct_dist_matrix",
    "csgraph_masked_from_dense", "csgraph_from_dense", "csgraph_from_masked", "csgraph_to_dense", "csgraph_to_masked",
)  # fmt: skip
refuse(cg, dict.fromkeys(_REFUSED, "take the weights of the edges that it gives for plain numbers"))
