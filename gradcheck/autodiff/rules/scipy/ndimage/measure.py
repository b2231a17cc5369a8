"""Measurements of an image's regions: sums, moments, extremes and centres, for one region or each of several labels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.ndimage as nd

from gradcheck.autodiff.core import any_active, is_complex, note_zero, plain, plain_tree, shape_of
from gradcheck.autodiff.errors import unsupported
from gradcheck.autodiff.fallback import numeric
from gradcheck.autodiff.rules.picking import SCATTER
from gradcheck.autodiff.rules.scipy.linear import floating
from gradcheck.autodiff.rules.scipy.registry import original


class Regions:
    """The pixels of each region.

    Attributes:
        x: the image as a vector, with one element for each label; added: the same for sums.
        members: the positions in x of all pixels that belong to a region.
        group: of each of these the number of its region.
        count: how many pixels each region has.
        shape: of the results: () for a single region, else that of ``index``.
    """

    def __init__(self, input: Any, labels: Any, index: Any) -> None:
        x = floating(input)
        labels, index = plain_tree(labels), plain_tree(index)
        if labels is None:
            if index is not None:
                raise ValueError("index without defined labels")
            wanted = np.zeros(1)
            flat = np.zeros(int(np.prod(shape_of(x), dtype=int)))
        else:
            labels = np.asarray(labels)
            full = np.broadcast_shapes(shape_of(x), labels.shape)
            x = np.broadcast_to(x, full) if shape_of(x) != full else x
            flat = np.broadcast_to(labels, full).ravel()
            if index is None:
                flat, wanted = (flat > 0).astype(int), np.ones(1, dtype=int)
            else:
                wanted = np.ravel(np.asarray(index))
        self.full = shape_of(x)
        self.x = np.reshape(x, -1)
        self.shape = () if labels is None or index is None else np.shape(index)
        # SciPy adds up several regions in double precision, and a single one in the image's own.
        self.added = self.x.astype(np.float64) if self.shape and not is_complex(x) else self.x
        distinct, number = np.unique(wanted, return_inverse=True)
        place = np.clip(np.searchsorted(distinct, flat), 0, len(distinct) - 1)
        self.members = np.flatnonzero(distinct[place] == flat)
        self.group = place[self.members]
        self.number = np.ravel(number)
        self.groups = len(distinct)
        self.count = np.bincount(self.group, minlength=self.groups)

    def sums(self, values: Any) -> Any:
        """The sum over each distinct region of values given for its members."""
        return SCATTER(values, key=(self.group,), shape=(self.groups,))

    def spread(self, per_region: Any) -> Any:
        """One value for each region, for each of its members."""
        return per_region[self.group]

    def result(self, per_region: Any) -> Any:
        """In the order and shape of ``index``."""
        y = per_region[self.number]
        return np.reshape(y, self.shape) if self.shape else y[0]

    def each(self, choose: Callable[[Any], list[int]]) -> Any:
        """The mean of the chosen members of each region, zero for a region without any."""
        flat = plain(self.x)
        order = np.lexsort((self.members, flat[self.members], self.group))
        members = self.members[order]
        starts = np.concatenate([[0], np.cumsum(self.count)])
        chosen = [
            [int(members[starts[g] + k]) for k in choose(int(self.count[g]))] if self.count[g] else [0]
            for g in range(self.groups)
        ]
        width = max((len(c) for c in chosen), default=1)
        table = np.array([c * (width // len(c)) for c in chosen])
        y = np.sum(self.x[table], axis=1) / width
        return np.where(self.count > 0, y, 0.0).astype(plain(self.x).dtype)


def _guarded(x: Any, name: str) -> None:
    if is_complex(x):
        raise unsupported(f"scipy.ndimage.{name} of complex numbers")


def sum_labels(input: Any, labels: Any = None, index: Any = None) -> Any:
    """The sum of each region's pixels."""
    r = Regions(input, labels, index)
    return r.result(r.sums(r.added[r.members]))


def mean(input: Any, labels: Any = None, index: Any = None) -> Any:
    """The mean of each region's pixels."""
    r = Regions(input, labels, index)
    return r.result(r.sums(r.added[r.members]) / r.count.astype(np.float64))


def variance(input: Any, labels: Any = None, index: Any = None) -> Any:
    """The mean square distance of each region's pixels from their mean."""
    r = Regions(input, labels, index)
    values = r.added[r.members]
    apart = values - r.spread(r.sums(values) / np.maximum(r.count, 1))
    return r.result(r.sums(apart * np.conjugate(apart)) / r.count.astype(np.float64))


def standard_deviation(input: Any, labels: Any = None, index: Any = None) -> Any:
    """The square root of :func:`variance`."""
    _guarded(input, "standard_deviation")
    return np.sqrt(variance(input, labels, index))


def minimum(input: Any, labels: Any = None, index: Any = None) -> Any:
    """The smallest pixel of each region."""
    _guarded(input, "minimum")
    r = Regions(input, labels, index)
    return r.result(r.each(lambda n: [0]))


def maximum(input: Any, labels: Any = None, index: Any = None) -> Any:
    """The largest pixel of each region."""
    _guarded(input, "maximum")
    r = Regions(input, labels, index)
    return r.result(r.each(lambda n: [n - 1]))


def median(input: Any, labels: Any = None, index: Any = None) -> Any:
    """The median of each region, the mean of the two in the middle for an even number."""
    _guarded(input, "median")
    r = Regions(input, labels, index)
    return r.result(r.each(lambda n: [(n - 1) // 2, n // 2]))


def extrema(input: Any, labels: Any = None, index: Any = None) -> Any:
    """Smallest and largest pixel, and where they are."""
    _, _, low, high = original(nd, "extrema")(plain(input), plain_tree(labels), plain_tree(index))
    return minimum(input, labels, index), maximum(input, labels, index), low, high


def center_of_mass(input: Any, labels: Any = None, index: Any = None) -> Any:
    """Σ x·place / Σ x."""
    r = Regions(input, labels, index)
    values = r.added[r.members]
    total = r.sums(values)
    places = np.unravel_index(r.members, r.full)
    parts = [r.result(r.sums(values * p.astype(np.float64)) / total) for p in places]
    if not r.shape:
        return tuple(parts)
    return [tuple(p[i] for p in parts) for i in range(r.shape[0])]


def labeled_comprehension(input: Any, labels: Any, index: Any, func: Callable[..., Any], out_dtype: Any,
                          default: Any, pass_positions: bool = False) -> Any:  # fmt: skip
    """The user's function of each region's pixels."""
    results: list[Any] = []

    def call(values: Any, places: Any) -> Any:
        y = func(values, places) if pass_positions else func(values)
        results.append(y)
        return y

    x = floating(input) if any_active(input) else np.asarray(plain_tree(input))
    flat = np.reshape(x, -1)
    shape = shape_of(x)
    if labels is None:
        if index is not None:
            raise ValueError("index without defined labels")
        return call(flat, np.arange(flat.size))
    labels = np.broadcast_to(np.asarray(plain_tree(labels)), shape).ravel()
    if index is None:
        chosen = np.flatnonzero(labels > 0)
        return call(flat[chosen], chosen)
    wanted = np.atleast_1d(np.asarray(plain_tree(index)))
    parts = []
    for label in wanted.ravel():
        # In the order of SciPy's own sort, which the function may see.
        chosen = np.flatnonzero(labels == label)
        parts.append(call(flat[chosen], chosen) if chosen.size else default)
    if not any_active(results) and not any_active(default):
        y = np.array(plain_tree(parts), dtype=out_dtype).reshape(wanted.shape)
    elif np.dtype(out_dtype).kind not in "fc":
        raise unsupported(f"scipy.ndimage.labeled_comprehension of traced values with out_dtype={out_dtype}")
    else:
        y = np.reshape(np.stack([floating(p) for p in parts]), wanted.shape).astype(out_dtype)
    return y[0] if not np.ndim(plain_tree(index)) else y


def _distance(name: str) -> Callable[..., Any]:
    """Distances between pixels do not depend on their values; in the distance of neighbours they are numeric."""
    function = original(nd, name)
    fallback = numeric(function, f"scipy.ndimage.{name}")

    def handler(input: Any, *args: Any, **keywords: Any) -> Any:
        if any_active(keywords.get("sampling")) or any_active(args[:2]):
            return fallback(plain_tree(input), *args, **keywords)
        note_zero()
        return function(plain_tree(input), *plain_tree(args), **plain_tree(keywords))

    return handler


HANDLERS: dict[str, Callable[..., Any]] = {
    "sum": sum_labels, "sum_labels": sum_labels, "mean": mean, "variance": variance,
    "standard_deviation": standard_deviation, "minimum": minimum, "maximum": maximum, "median": median,
    "extrema": extrema, "center_of_mass": center_of_mass, "labeled_comprehension": labeled_comprehension,
    "distance_transform_edt": _distance("distance_transform_edt"),
    "distance_transform_bf": _distance("distance_transform_bf"),
}  # fmt: skip
ALWAYS = ("labeled_comprehension",)
