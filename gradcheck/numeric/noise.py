"""How rough f is: the noise level of its values, estimated from a table of differences.

Second part of the numeric floor. Every error bar is built on this number, so it is measured and never assumed
to be eps·|f|: float32 inside f, cancellation, iterative solvers and table look-ups have more, exact
operations have less. Method: ECNoise of J. Moré and S. Wild, "Estimating computational noise", SIAM J. Sci.
Comput. 33 (2011), 1292-1314, with a floor of half a unit in the last place of f.
"""

from __future__ import annotations

from collections.abc import Callable
from math import factorial

import numpy as np

from gradcheck.numeric.scale import Array

#: f is sampled at this many equally spaced points beside the centre.
POINTS = 7

#: Spacings tried, in units of the line's scale: the first is far below any structure of a float64 function,
#: the others are for functions that are constant at that scale because they compute in float32 or round their
#: value.
SPACINGS = (2.0**-36, 2.0**-18, 2.0**-9, 2.0**-5)

#: ECNoise's level is a standard deviation from few samples, good to a factor of two or so.
DOUBT = 1.5


def half_ulp(values: Array) -> Array:
    """Half a unit in the last place of every value: no float64 function is known better.

    >>> float(half_ulp(np.array([1.0]))[0]) == 2.0**-53
    True
    """
    with np.errstate(all="ignore"):
        return np.asarray(0.5 * np.spacing(np.abs(values)))


def noise_from_table(values: Array) -> Array:
    """Noise levels of m functions from equally spaced samples, by ECNoise.

    Args:
        values: shape (k + 1, m), samples at equally spaced points, k >= 4.

    Returns:
        Shape (m,): the standard deviation of the noise, nan where the table shows none (values too smooth, or
        all equal).

    Source: Moré and Wild 2011, section 5: in the k-th column of the difference table smooth parts vanish and
    noise grows by (2k)!/(k!)²; the level is taken where three columns agree and signs alternate.

    >>> rng = np.random.default_rng(0)
    >>> t = np.arange(7.0)
    >>> samples = (np.sin(1e-6 * t) + 1e-9 * rng.standard_normal(7))[:, None]
    >>> bool(1e-10 < noise_from_table(samples)[0] < 1e-8)
    True
    """
    count = len(values) - 1
    levels, changes = [], []
    table = values
    for k in range(1, count):
        table = np.diff(table, axis=0)
        gamma = factorial(k) ** 2 / factorial(2 * k)
        levels.append(np.sqrt(gamma * np.mean(table**2, axis=0)))
        changes.append((table.min(axis=0) * table.max(axis=0)) < 0)
    out = np.full(values.shape[1], np.nan)
    for k in range(len(levels) - 3, -1, -1):
        three = np.stack(levels[k : k + 3])
        agree = (three.max(axis=0) <= 4 * three.min(axis=0)) & changes[k] & (three.min(axis=0) > 0)
        out = np.where(agree, levels[k], out)
    return out


def _rest(values: Array) -> Array:
    """The largest level of the last three columns of the difference table, shape (m,)."""
    levels = []
    for k in range(len(values) - 4, len(values) - 1):
        gamma = factorial(k) ** 2 / factorial(2 * k)
        levels.append(np.sqrt(gamma * np.mean(np.diff(values, k, axis=0) ** 2, axis=0)))
    return np.asarray(np.max(levels, axis=0))


def noise_level(sample: Callable[[Array], Array], center: Array, shortest: float = SPACINGS[0]) -> Array:
    """Noise of every output of f along one line, at least half a unit in the last place.

    Args:
        sample: steps (k,) -> values of f, shape (k, m), at so many natural scales from the point along the line; nan
            where f does not exist.
        center: the values at t = 0, shape (m,).
        shortest: the first spacing; longer where x cannot move by so little of itself.

    Returns:
        Shape (m,), positive. Costs 7 evaluations, and 7 more for every spacing at which f is constant.

    >>> rough = noise_level(lambda t: np.float32(np.sin(1 + t))[:, None].astype(float), np.sin([1.0]))
    >>> bool(1e-9 < rough[0] < 1e-6)
    True
    """
    with np.errstate(all="ignore"):  # squares of huge values may overflow
        return _noise_level(sample, center, shortest)


def _noise_level(sample: Callable[[Array], Array], center: Array, shortest: float) -> Array:
    level = half_ulp(center)
    for attempt, spacing in enumerate((shortest, *(s for s in SPACINGS if s > shortest))):
        for side in (1.0, -1.0):  # the domain may end on one side of the point
            # Without the centre: f may jump there, which is no noise.
            values = sample(np.asarray(side * spacing * np.arange(1, POINTS + 1), dtype=np.float64))
            if np.all(np.isfinite(values)):
                break
        else:
            return level
        found = noise_from_table(values)
        if not attempt:  # So short that nothing smooth is left in high differences: what is there must be noise.
            found = np.where(np.isnan(found), _rest(values), found)
        level = np.maximum(level, DOUBT * np.nan_to_num(found, nan=0.0))
        rises = np.abs(np.diff(values, axis=0))
        constant = np.mean(rises == 0, axis=0) >= 0.5
        if not np.any(constant):
            break
        # Plateaus: a value may be anywhere between the two sides of the step.
        step = np.min(np.where(rises > 0, rises, np.inf), axis=0)
        level = np.maximum(level, np.where(constant & np.isfinite(step), 0.5 * step, 0.0))
    return level
