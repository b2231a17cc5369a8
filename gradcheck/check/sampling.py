"""Which lines are measured: every coordinate, or for many inputs random directions and a sample of
coordinates.

Part of the check floor. Up to :data:`ALL_COLUMNS` inputs every partial derivative is measured. Beyond, all
entries are covered together by directions with components ±U[.5, 1]·scale (not ±1: equal errors would
cancel), and a seeded sample of coordinates, the largest entries among them, is measured one by one. A
direction sees an error in one entry that is larger than its own resolution times the root of the sum of
squares of all contributions; entries much smaller than the rest are covered by directions of their own
stratum.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradcheck.numeric.lines import Line, along, coordinate
from gradcheck.numeric.scale import Array, coordinate_scales, random_weights, typical_scale

#: Every coordinate is measured up to this many.
ALL_COLUMNS = 256
#: Directions over all coordinates, and over each stratum of magnitude.
DIRECTIONS, STRATA = 4, 4
#: Where two derivatives agree: directions over all coordinates, and over a stratum whose entries are all smaller than
#: this part of the largest.
FEW, SMALL = 2, 1e-3
#: Single coordinates measured of a larger argument: this many at random, and this many of the largest and of
#: the smallest.
SAMPLED, EXTREME = 4, 4
#: Coordinates at which two derivatives disagree: so many of them are measured.
SUSPECTS = 64
#: Lines of a sampled argument, before any splitting.
MOST_LINES = DIRECTIONS + STRATA + SAMPLED + 2 * EXTREME


class Sample(NamedTuple):
    """Lines through a large argument; ``few`` are those of the directions that do where two derivatives agree."""

    directions: list[Line]
    coordinates: list[Line]
    few: list[Line]


def all_coordinates(x: Array, dtype: np.dtype[Any], columns: Sequence[int] | None = None) -> list[Line]:
    """The lines along coordinates."""
    scales, typical = coordinate_scales(x), typical_scale(x)
    chosen = range(x.size) if columns is None else columns
    return [coordinate(x, int(j), float(scales[j]), typical, dtype) for j in chosen]


def sample(
    x: Array,
    weight: Array,
    dtype: np.dtype[Any],
    seed: int,
    suspects: NDArray[np.intp],
    inward: Callable[[Array], Array],
) -> Sample:
    """Directions and coordinates for a large argument.

    Args:
        x: the point, (n,).
        weight: magnitude of each entry of the derivative on trial times its scale, (n,).
        dtype: in which f sees its argument.
        seed: of the choice.
        suspects: coordinates to be taken as well, up to :data:`SUSPECTS` of them.
        inward: turns a step so that it does not leave the bounds.
    """
    rng = np.random.default_rng([seed, x.size])
    scales = coordinate_scales(x)
    order = np.argsort(weight, kind="stable")
    groups = [np.arange(x.size)] * DIRECTIONS + [np.sort(g) for g in np.array_split(order, STRATA)]
    directions = []
    for group in groups:
        v = np.zeros(x.size)
        v[group] = random_weights(rng, group.size) * scales[group]
        directions.append(along(x, inward(v), dtype))
    chosen = {*order[-EXTREME:].tolist(), *order[:EXTREME].tolist()}
    few = suspects if suspects.size <= SUSPECTS else rng.choice(suspects, SUSPECTS, replace=False)
    chosen |= set(few.tolist())
    chosen |= set(rng.choice(x.size, SAMPLED, replace=False).tolist())
    small = [line for line, g in zip(directions, groups, strict=True) if weight[g].max() < SMALL * weight.max()]
    return Sample(directions, all_coordinates(x, dtype, sorted(chosen)), directions[:FEW] + small)
