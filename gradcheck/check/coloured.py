"""Sparse Jacobians: columns that share no output are measured together.

Part of the check floor. Where no output depends on two of some inputs, one direction through all of them tells every
one of their derivatives, as each output has only one of them to tell of: a tridiagonal Jacobian of any size takes three
directions. Which entries are zero is what both derivatives claim, and the same measurement verifies it: an entry that
they forgot shows in its output. A group that does not pass as a whole is measured column by column.

Source: A. Curtis, M. Powell and J. Reid, "On the estimation of sparse Jacobian matrices", IMA Journal of Applied
Mathematics 13 (1974), 117-119.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from gradcheck.check import judge
from gradcheck.check.compare import Measured
from gradcheck.check.sampling import all_coordinates
from gradcheck.numeric.lines import along
from gradcheck.numeric.scale import Array, random_weights

if TYPE_CHECKING:
    from gradcheck.check.witnesses import Witnesses

#: Groups pay where there are at most so many for each column, and not for fewer columns than this.
WORTH, FEWEST = 0.5, 6


def groups_of(pattern: np.ndarray) -> list[list[int]]:
    """Columns of a pattern (rows, n) in groups that have no row in common, the fullest columns first.

    >>> groups_of(np.eye(4, dtype=bool) | np.eye(4, k=1, dtype=bool))
    [[1, 3], [0, 2]]
    """
    taken: list[int] = []
    groups: list[list[int]] = []
    rows = [int.from_bytes(np.packbits(column).tobytes(), "big") for column in pattern.T]
    for j in sorted(range(pattern.shape[1]), key=lambda j: -int(np.sum(pattern[:, j]))):
        for k, used in enumerate(taken):
            if not used & rows[j]:
                taken[k] |= rows[j]
                groups[k].append(j)
                break
        else:
            taken.append(rows[j])
            groups.append([j])
    return [sorted(group) for group in groups]


def worthwhile_groups(matrices: Sequence[Array]) -> list[list[int]]:
    """The groups of columns of derivatives (width, n), or none where measuring by groups saves little."""
    width, n = matrices[0].shape
    if width < 2 or n < FEWEST or not all(np.all(np.isfinite(m)) for m in matrices):
        return []
    groups = groups_of(np.any([m != 0 for m in matrices], axis=0))
    return groups if len(groups) <= WORTH * n else []


def judged_by_groups(witnesses: Witnesses, groups: Sequence[Sequence[int]]) -> list[Measured]:
    """Every column, judged: in groups where they pass, else on its own; in order."""
    scene = witnesses.scene
    scales = scene.scales
    rng = np.random.default_rng([witnesses.request.seed, 11])
    out: dict[int, Measured] = {}
    alone: list[int] = []
    for group in groups:
        v = np.zeros(scene.x.size)
        v[group] = random_weights(rng, len(group)) * scales[group]
        v = scene.inward(v)
        if np.any(v[group] == 0):  # bounds leave no room in one of them
            alone += group
            continue
        whole = witnesses.judged([along(scene.x, v, scene.space.dtype)])[0] if len(group) > 1 else None
        if whole is None or not np.all(whole.state == judge.PASS):
            alone += group
        else:
            out |= {j: _column(witnesses, whole, j, float(v[j])) for j in group}
    lines = all_coordinates(scene.x, scene.space.dtype, alone)
    out |= dict(zip(alone, witnesses.judged(lines), strict=True))
    return [out[j] for j in sorted(out)]


def _column(witnesses: Witnesses, whole: Measured, column: int, step: float) -> Measured:
    """What a direction through a group says of one of its columns, if the others are what is claimed."""
    line = all_coordinates(witnesses.scene.x, witnesses.scene.space.dtype, [column])[0]
    trial = witnesses.trials([line], witnesses.claims_along([line]))[0]
    e = whole.estimate
    rest = trial.claim - whole.trial.claim / step

    def own(slopes: Array) -> Array:
        return slopes / step + rest

    value = own(e.value)
    estimate = replace(
        e,
        value=value,
        # The group passed: what is left over is an error of the measurement.
        bar=np.fmax(e.bar / abs(step), np.abs(value - trial.claim) / judge.BARS),
        left=own(e.left),
        right=own(e.right),
        doubt=e.doubt / abs(step),
        rung_value=own(e.rung_value),
        rung_bar=e.rung_bar / abs(step),
        plain=own(e.plain),
        plain_noise=e.plain_noise / abs(step),
        plain_rounding=e.plain_rounding / abs(step),
    )
    with np.errstate(all="ignore"):
        seen = np.maximum(judge.BARS * estimate.bar / judge.magnitude(trial, estimate.value), trial.floor)
    opinion = replace(whole.opinion, resolution=np.where(trial.witness_agrees, np.minimum(seen, trial.floor), seen))
    return Measured(line, trial, estimate, whole.state.copy(), opinion)
