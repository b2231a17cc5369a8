"""Counting: ``bincount``, ``histogram`` and its kin.

How many values fall into a bin is piecewise constant in the values. What is differentiable is the sum of the weights
in a bin, and the edges of the bins, which depend on the smallest and the largest value and which a density divides by.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gradcheck.autodiff.core import implements, is_active, plain, plain_tree, shape_of
from gradcheck.autodiff.rules.picking import SCATTER
from gradcheck.autodiff.rules.reductions import as_traced


@implements(np.bincount)
def bincount(x: Any, /, weights: Any = None, minlength: int = 0) -> Any:
    """Sums of weights; the bins are whole numbers."""
    bins = np.asarray(plain_tree(x))
    if weights is None or not is_active(as_traced(weights)):
        return np.bincount(bins, plain_tree(weights), minlength)
    weights = as_traced(weights)
    size = len(np.bincount(bins, minlength=minlength))
    if shape_of(weights) != bins.shape:
        raise ValueError("The weights and list don't have the same length.")
    return SCATTER(weights.astype(float), key=(bins,), shape=(size,))


def _edges(a: Any, bins: Any, range: Any, weights: Any) -> Any:
    """The edges of the bins along one axis, differentiable where they are computed from a or from the range."""
    if np.ndim(plain_tree(bins)) == 1:
        return as_traced(bins)
    known = np.histogram_bin_edges(plain(a), plain_tree(bins), plain_tree(range), plain_tree(weights))
    if range is not None:
        low, high = range
    elif not np.size(plain(a)):
        return known
    else:
        low, high = np.min(a), np.max(a)
    if not is_active(low) and not is_active(high):
        return known
    if plain(low) == plain(high):
        low, high = low - 0.5, high + 0.5
    t = np.linspace(0.0, 1.0, len(known))
    edges = low * (1.0 - t) + high * t
    return edges + (known - plain(edges))  # to the last bit what NumPy takes


@implements(np.histogram_bin_edges)
def histogram_bin_edges(a: Any, bins: Any = 10, range: Any = None, weights: Any = None) -> Any:
    """Evenly spaced from the smallest to the largest value; how many there are is piecewise constant."""
    return _edges(as_traced(a), bins, range, weights)


def _places(a: Any, edges: Any) -> tuple[Any, Any]:
    """The bin of each value, and whether it is in one."""
    a, edges = np.ravel(plain(a)), plain(edges)
    index = np.searchsorted(edges, a, side="right") - 1
    index[a == edges[-1]] = len(edges) - 2
    inside = (index >= 0) & (index < len(edges) - 1)
    return index, inside


@implements(np.histogram)
def histogram(a: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None) -> Any:
    """Counts (or the sums of weights) and edges; with ``density`` divided by total and width."""
    a, weights = as_traced(a), as_traced(weights)
    edges = _edges(a, bins, range, weights)
    counts, known = np.histogram(plain(a), plain_tree(bins), plain_tree(range), None, plain(weights))
    n: Any = counts
    if weights is not None and is_active(weights):
        index, inside = _places(a, known)
        n = SCATTER(np.ravel(weights)[inside], key=(index[inside],), shape=(len(known) - 1,))
        n = n + (counts - plain(n))
    if density:
        n = n / np.diff(edges) / np.sum(n)
    return n, edges


@implements(np.histogramdd)
def histogramdd(sample: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None) -> Any:
    """Counts in a grid of bins and the edges along each axis."""
    if isinstance(sample, list | tuple):  # one sequence an axis
        sample = np.transpose(np.atleast_2d(as_traced(sample)))
    elif len(shape_of(sample)) == 1:
        sample = np.reshape(sample, (-1, 1))
    weights = as_traced(weights)
    count = shape_of(sample)[1]
    if isinstance(bins, int | np.integer):
        bins = [int(bins)] * count
    if len(bins) != count:
        raise ValueError("The dimension of bins must be equal to the dimension of the sample x.")
    ranges = [None] * count if range is None else list(range)
    axes = [sample[:, k] for k in np.arange(count)]
    edges = [_edges(x, b, r, None) for x, b, r in zip(axes, bins, ranges, strict=True)]
    counts, known = np.histogramdd(plain(sample), plain_tree(list(bins)), plain_tree(range), None, plain(weights))
    n: Any = counts
    if weights is not None and is_active(weights):
        places = [_places(x, e) for x, e in zip(axes, known, strict=True)]
        inside = np.logical_and.reduce([p[1] for p in places])
        key = tuple(p[0][inside] for p in places)
        n = SCATTER(weights[inside], key=key, shape=counts.shape)
        n = n + (counts - plain(n))
    if density:
        n = n / np.sum(n)
        for k, e in enumerate(edges):
            n = n / np.reshape(np.diff(e), (-1,) + (1,) * (count - 1 - k))
    return n, type(known)(edges)


@implements(np.histogram2d)
def histogram2d(x: Any, y: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None) -> Any:
    """:func:`histogramdd` of two axes."""
    if shape_of(x) != shape_of(y):
        raise ValueError("x and y must have the same length.")
    if not isinstance(bins, int | np.integer) and len(bins) not in (1, 2):
        bins = [bins, bins]
    sample = np.stack([as_traced(x), as_traced(y)], axis=1)
    n, (first, second) = histogramdd(sample, bins, range, density, weights)
    return n, first, second
