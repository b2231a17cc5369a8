"""Taking as many steps as the verdict needs: two evaluations for an entry in no doubt, a ladder for one in doubt.

Part of the check floor: it drives the numeric floor (``numeric/ladder.py``) by the opinions of ``judge.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradcheck.check import judge
from gradcheck.check.judge import FAIL, GONE, KINK, OPEN, OUTSIDE, SCALES, UNDECIDED, Opinion, Trial
from gradcheck.numeric.ladder import RATIO, Estimate, Ladder, climb, estimate, first_step
from gradcheck.numeric.lines import Line, Sampler
from gradcheck.numeric.scale import Array, power_of_two

#: Rungs added round after round while an entry stays open; after them everything between the shortest and the longest.
ROUNDS = ((-1, 1), (-2, 2, 3))


@dataclass
class Measured:
    """One line, measured and judged.

    Attributes:
        line: the line.
        trial: what was on trial.
        estimate: the last estimate.
        state: per output, a constant of ``judge``.
        opinion: the last opinion.
    """

    line: Line
    trial: Trial
    estimate: Estimate
    state: np.ndarray
    opinion: Opinion


def compare(
    sampler: Sampler, lines: Sequence[Line], trials: Sequence[Trial], noise: Array, *, second: bool = False
) -> list[Measured]:
    """Measure along every line until each claim is judged.

    Args:
        sampler: f and its values.
        lines: where to measure.
        trials: what is claimed along each line.
        noise: noise of f, shape (m,).
        second: the claims are second derivatives along the lines.
    """
    ladders = [
        Ladder(line, _base(line, noise, trial, sampler.center, second), noise, second)
        for line, trial in zip(lines, trials, strict=True)
    ]
    climb(sampler, ladders, [[0]] * len(ladders))
    _find_sides(sampler, ladders)
    return [_settle(sampler, ladder, trial) for ladder, trial in zip(ladders, trials, strict=True)]


def _base(line: Line, noise: Array, trial: Trial, center: Array, second: bool) -> float:
    """The step of the first difference."""
    size = np.where(trial.size == 0, trial.zero_size, trial.size)
    size = np.where(size > 0, size, np.maximum(np.abs(center), noise) / line.scale)
    if not second:
        return first_step(line, noise, size)
    with np.errstate(all="ignore"):
        ratio = float(np.nanmedian(noise / (size * line.scale**2)))
    relative = np.clip((10.0 * ratio) ** 0.25 if np.isfinite(ratio) else 1e-3, 2.0**-14, 2.0**-4)
    return float(power_of_two(relative * line.scale))


def _find_sides(sampler: Sampler, ladders: Sequence[Ladder]) -> None:
    """Where f does not exist on one side: shorten the step; if that does not help, measure on the other side only."""
    for ladder in ladders:
        line, shrink = ladder.line, 0
        h = ladder.step(0)
        while not np.all(np.isfinite(ladder.slopes[0])):
            up, down = (bool(np.all(np.isfinite(line.samples[t]))) for t in (h, -h))
            shrink += 1
            if h <= line.shortest * RATIO**2 or shrink > 5:
                if not ladder.second and up != down:
                    _go_one_sided(sampler, ladder, 1 if up else -1)
                break
            h = float(h / RATIO**3)
            ladder.base = h
            ladder.slopes.clear()
            climb(sampler, [ladder], [[0]])


def _go_one_sided(sampler: Sampler, ladder: Ladder, side: int) -> None:
    """Measure on one side from here on."""
    ladder.line.side = side
    ladder.slopes.clear()
    ladder.base = float(power_of_two(np.clip(2.0**-13 * ladder.line.scale, 4 * ladder.line.shortest, None)))
    climb(sampler, [ladder], [[0]])


def _settle(sampler: Sampler, ladder: Ladder, trial: Trial) -> Measured:
    """Add steps along one line until every output is judged."""

    def look(last: bool = False, confirmed: bool = False) -> tuple[Estimate, Opinion]:
        e = estimate(sampler, ladder)
        return e, judge.opinion(trial, e, last=last, confirmed=confirmed)

    def add(rungs: Sequence[int]) -> None:
        low, high = min(ladder.lowest, 0), max(ladder.highest, 1)
        climb(sampler, [ladder], [[k for k in rungs if low <= k <= high]])

    e, o = look()
    for rungs in ROUNDS:
        if not np.any(o.state == OPEN):
            break
        add(rungs)
        e, o = look()
        if np.any((o.state == OPEN) & o.off):
            add(_short_rungs(ladder, trial, e, o))
            e, o = look(confirmed=True)
    if np.any((o.state == OPEN) | _small_failures(trial, e, o)):
        add(range(ladder.highest, ladder.lowest - 1, -1))
        e, o = look(last=True, confirmed=True)
    state = o.state.copy()
    state[_fits_long_steps(trial, e, o)] = SCALES
    return Measured(ladder.line, trial, e, state, o)


def _short_rungs(ladder: Ladder, trial: Trial, e: Estimate, o: Opinion) -> list[int]:
    """The shortest steps at which the disagreement would still stand out of the noise: a derivative is a limit."""
    with np.errstate(all="ignore"):
        gap = np.abs(trial.claim - e.value)[o.off]
        noise = ladder.noise[o.off]
        h = np.max(6.0 * (noise / gap if not ladder.second else np.sqrt(noise / gap)))
    if not np.isfinite(h) or h <= 0:
        return [ladder.lowest, ladder.lowest + 1]
    k = int(np.ceil(np.log(h / ladder.base) / np.log(RATIO)))
    k = min(max(k, ladder.lowest), -2)
    return [k, k + 1]


def _small_failures(trial: Trial, e: Estimate, o: Opinion) -> np.ndarray:
    """Failures by less than a hundredth: rough functions imitate them, so long steps are heard too."""
    with np.errstate(all="ignore"):
        return (o.state == FAIL) & (np.abs(trial.claim - e.value) < 1e-2 * judge.magnitude(trial, e.value))


def _fits_long_steps(trial: Trial, e: Estimate, o: Opinion) -> np.ndarray:
    """Placeholder for the scale conflict; see the ladder's contradicted candidates."""
    return np.zeros(o.state.shape, dtype=bool)


__all__ = ["FAIL", "GONE", "KINK", "OUTSIDE", "UNDECIDED", "Measured", "compare"]
