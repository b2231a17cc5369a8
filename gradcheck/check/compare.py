"""Taking as many steps as the verdict needs: two evaluations for an entry in no doubt, a ladder for one in
doubt.

Part of the check floor: it drives the numeric floor (``numeric/ladder.py``) by the opinions of ``judge.py``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gradcheck.check import judge
from gradcheck.check.judge import BARS, FAIL, OPEN, PASS, SCALES, UNDECIDED, Opinion, Trial
from gradcheck.numeric.ladder import RATIO, Estimate, Ladder, climb, estimate, first_estimates, first_step, part
from gradcheck.numeric.lines import Line, Sampler, along
from gradcheck.numeric.noise import half_ulp
from gradcheck.numeric.rough import jump_size
from gradcheck.numeric.scale import Array, coordinate_scales, power_of_two, random_weights

#: Rungs added round after round while an entry stays open; after them everything between the shortest and
#: the longest.
ROUNDS = ((-1, 1), (-2, 2, 3))
#: By how much more lines are taken at first sight each time.
GROWTH = 16
#: So many outputs of lines are judged side by side: some dozens of arrays are made of them.
SIDE_BY_SIDE = 1 << 16
#: Where small jumps of f are looked for before a small difference is called an error: random lines, and how
#: far.
ROUGH_LINES, ROUGH_REACH = 3, 0.1
#: A function that amplifies rounding by this much may iterate (or compute in float32): then its slope is not
#: known better than this part of its largest contribution, whatever the differences say.
SLIGHT = 1e-7
#: What yours and autodiff agree on is not overruled by a measurement that is off it by fewer error bars than that.
VAGUE = 10.0
AMPLIFIES = 300.0
#: Two derivatives so close are the same up to what is lost in the rounding of f.
ALIKE = 0.1

#: Why nothing is wrong where f's value is no solution.
UNFINISHED = "a solver gave up here: f's value is no solution"


@dataclass
class Measured:
    """One line, measured and judged.

    Attributes:
        line: the line.
        trial: what was on trial.
        estimate: the last estimate.
        state: per output, a constant of ``judge``.
        opinion: the last opinion.
        complex_step: the derivative by a complex step, (m,), where it was asked for.
        reason: why failures of this line are none, or "".
    """

    line: Line
    trial: Trial
    estimate: Estimate
    state: np.ndarray
    opinion: Opinion
    complex_step: Array | None = None
    reason: str = ""


def compare(
    sampler: Sampler,
    lines: Sequence[Line],
    trials: Sequence[Trial],
    noise: Array,
    *,
    second: bool = False,
    largest: Array | None = None,
    slack: float = 0.0,
) -> list[Measured]:
    """Measure along every line until each claim is judged.

    Args:
        sampler: f and its values.
        lines: where to measure.
        trials: what is claimed along each line.
        noise: noise of f, shape (m,).
        second: the claims are second derivatives along the lines.
        largest: the largest contribution to f of a natural step in any coordinate, shape (m,); where given,
            failures are forgiven (state SCALES) that are no larger than tiny jumps of f explain.
        slack: how far the slopes of f are off those of what it approximates, relatively: wider error bars.
    """
    ladders = [_ladder(sampler, line, trial, noise, second) for line, trial in zip(lines, trials, strict=True)]
    climb(sampler, ladders, [[0]] * len(ladders))
    _find_sides(sampler, ladders)
    typical = np.zeros_like(noise) if largest is None else 0.1 * largest
    measured = _settle(sampler, ladders, trials, slack, typical)
    if largest is not None:
        _discount_jumps(sampler, measured, noise, largest)
    return measured


def glance(sampler: Sampler, line: Line, trial: Trial, noise: Array, rungs: Sequence[int] = (0,)) -> Estimate:
    """What one difference says, or those at a few rungs: two evaluations each."""
    ladder = _ladder(sampler, line, trial, noise)
    climb(sampler, [ladder], [rungs])
    return estimate(sampler, ladder)


def _ladder(sampler: Sampler, line: Line, trial: Trial, noise: Array, second: bool = False) -> Ladder:
    """The ladder of a line, inside of the bounds, before the first step."""
    sampler.confine(line)
    base = _one_sided_base(line) if line.side else _base(line, noise, trial, sampler.center, second)
    typical: Array | float = 0.0
    if line.direction is not None and np.all(trial.witness_agrees):
        # What happens to cancel in a slope does not in the curvature. (One witness alone needs the narrow bar: what is
        # beyond it is looked at more closely.)
        typical = np.nan_to_num(trial.size, posinf=0.0)
    return Ladder(line, base, noise, second, 0.0 if second else _bottom(trial, noise), typical)


def at_first_sight(
    sampler: Sampler, lines: Sequence[Line], trials: Sequence[Trial], noise: Array, *, sure: bool = False
) -> list[Measured]:
    """The lines that pass after two evaluations, where the noise of f is thought to be the least possible.

    That is sound where autodiff agrees with what is on trial up to rounding: they are two, and a measurement that
    comes out the same by chance is none. The error bar covers what they agree on. The first line that does not pass
    ends it: f may be noisy. ``sure``: all at once, and one that does not is one by itself.
    """
    agreed = []
    for line, trial in zip(lines, trials, strict=True):
        sampler.confine(line)
        if np.all(trial.witness_agrees) and not line.side:  # one step on one side shows too little
            agreed.append((line, trial))
    passed: list[Measured] = []
    # More and more at a time: SciPy takes as long for many lines as for one, but the first may be in vain.
    count = len(agreed) if sure or sampler.many is not None else 1
    while agreed:
        now, agreed, count = agreed[:count], agreed[count:], count * GROWTH
        ladders = [_ladder(sampler, line, trial, noise) for line, trial in now]
        climb(sampler, ladders, [[0]] * len(now))
        looks = _first_looks(sampler, ladders, [trial for _, trial in now])
        for (line, trial), (e, o) in zip(now, looks, strict=True):
            if not np.all(o.state == PASS):
                if sure:
                    continue
                return passed
            e = replace(e, bar=np.fmax(e.bar, np.abs(trial.claim - e.value)))
            passed.append(Measured(line, trial, e, o.state.copy(), o))
    return passed


def _first_looks(
    sampler: Sampler, ladders: Sequence[Ladder], trials: Sequence[Trial]
) -> Iterator[tuple[Estimate, Opinion]]:
    """What the first step of each line says, many of them side by side: few outputs take as long as one."""
    width = len(sampler.center)
    alike = len({(t.witness is None, t.sharp, t.rtol, t.atol, t.floor) for t in trials}) == 1
    batch = max(1, SIDE_BY_SIDE // max(width, 1)) if alike else 1
    for start in range(0, len(ladders), batch):
        some = ladders[start : start + batch]
        e = first_estimates(sampler, some)
        o = judge.opinion(judge.side_by_side(trials[start : start + batch]), e, last=False, confirmed=False)
        for k, ladder in enumerate(some):
            own = slice(k * width, (k + 1) * width)
            yield part(e, k, ladder), Opinion(o.state[own], o.off[own], o.resolution[own])


def _bottom(trial: Trial, noise: Array) -> float:
    """The step at which noise hides any slope that is to be expected here, whatever is claimed."""
    with np.errstate(all="ignore"):
        ratio = noise / np.fmax(trial.size, trial.zero_size)
    ratio = ratio[np.isfinite(ratio)]
    return float(np.min(ratio)) if ratio.size else 0.0


def _base(line: Line, noise: Array, trial: Trial, center: Array, second: bool) -> float:
    """The step of the first difference."""
    size = np.where(trial.size == 0, trial.zero_size, trial.size)
    size = np.where(size > 0, size, np.maximum(np.abs(center), noise) / line.scale)
    if not second:
        return first_step(line, noise, size)
    with np.errstate(all="ignore"):
        ratios = noise / (size * line.scale**2)
    ratios = ratios[~np.isnan(ratios)]
    ratio = float(np.median(ratios)) if ratios.size else np.nan
    relative = np.clip((10.0 * ratio) ** 0.25 if np.isfinite(ratio) else 1e-3, 2.0**-14, 2.0**-4)
    return float(power_of_two(min(relative * line.scale, line.longest)))


def _one_sided_base(line: Line) -> float:
    """The step of the first difference where f exists on one side only."""
    step = np.clip(2.0**-13 * line.scale, 4 * line.shortest, max(line.longest, 4 * line.shortest))
    return float(power_of_two(step))


def _find_sides(sampler: Sampler, ladders: Sequence[Ladder]) -> None:
    """Where f is not finite on one side: shorten the step; in the end, measure on the other side only."""
    for ladder in ladders:
        line, shrink = ladder.line, 0
        h = ladder.step(0)
        while not line.blocked and not np.all(np.isfinite(ladder.slopes[0])):
            up, down = (t in line.samples and bool(np.all(np.isfinite(line.samples[t]))) for t in (h, -h))
            shrink += 1
            if h <= line.shortest * RATIO**2 or shrink > 5:
                if not line.side and up != down:
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
    ladder.base = _one_sided_base(ladder.line)
    climb(sampler, [ladder], [[0]])


def _settle(
    sampler: Sampler, ladders: Sequence[Ladder], trials: Sequence[Trial], slack: float, typical: Array
) -> list[Measured]:
    """Add steps along all lines, a rung of all at a time, until every output of each is judged."""

    def look(i: int, last: bool = False, confirmed: bool = False) -> tuple[Estimate, Opinion]:
        e = estimate(sampler, ladders[i])
        if slack:
            wider = slack * np.fmax(np.abs(e.value), typical / ladders[i].line.scale)
            e = replace(e, bar=e.bar + wider, rung_bar=e.rung_bar + wider)
        return e, judge.opinion(trials[i], e, last=last, confirmed=confirmed)

    seen = [look(i) for i in range(len(ladders))]

    def add(wanted: dict[int, Sequence[int]], *, last: bool = False, confirmed: bool = False) -> None:
        rungs = []
        for i, steps in wanted.items():
            low, high = min(ladders[i].lowest, 0), max(ladders[i].highest, 1 - ladders[i].line.blocked)
            rungs.append([k for k in steps if low <= k <= high])
        climb(sampler, [ladders[i] for i in wanted], rungs)
        for i in wanted:
            seen[i] = look(i, last, confirmed)

    for rungs in ROUNDS:
        add({i: rungs for i, (_, o) in enumerate(seen) if np.any(o.state == OPEN)})
        off = [i for i, (_, o) in enumerate(seen) if np.any((o.state == OPEN) & o.off)]
        add({i: _short_rungs(ladders[i], trials[i], *seen[i]) for i in off}, confirmed=True)
    rest = [i for i, (e, o) in enumerate(seen) if np.any(_looked_at_twice(trials[i], e, o))]
    add({i: range(ladders[i].highest, ladders[i].lowest - 1, -1) for i in rest}, last=True, confirmed=True)
    return [
        Measured(ladder.line, trial, e, o.state.copy(), o)
        for ladder, trial, (e, o) in zip(ladders, trials, seen, strict=True)
    ]


def _short_rungs(ladder: Ladder, trial: Trial, e: Estimate, o: Opinion) -> list[int]:
    """Two steps near those where the disagreement would drown in the noise: a derivative is a limit."""
    with np.errstate(all="ignore"):
        gap = np.abs(trial.claim - e.value)[o.off]
        noise = ladder.noise[o.off]
        h = np.max(6.0 * (noise / gap if not ladder.second else np.sqrt(noise / gap)))
    visible = ladder.lowest
    if np.isfinite(h) and h > 0:
        visible = max(int(np.ceil(np.log(h / ladder.base) / np.log(RATIO))), ladder.lowest)
    taken = min(ladder.rungs())
    short = min(visible + (taken - visible) // 3, taken - 1)
    return [short, short + 1]


def _looked_at_twice(trial: Trial, e: Estimate, o: Opinion) -> np.ndarray:
    """What is open, small, or said by autodiff, too: long steps may all be whole periods of f."""
    return np.asarray((o.state == OPEN) | _small_failures(trial, e, o) | ((o.state == FAIL) & trial.witness_agrees))


def _small_failures(trial: Trial, e: Estimate, o: Opinion) -> np.ndarray:
    """Failures by less than a thousandth: rough functions imitate them, so they are looked at twice."""
    with np.errstate(all="ignore"):
        gap = np.abs(trial.claim - e.value)
        return np.asarray((o.state == FAIL) & (gap < 1e-3 * judge.magnitude(trial, e.value)))


def _discount_jumps(sampler: Sampler, measured: Sequence[Measured], noise: Array, largest: Array) -> None:
    """Turn failures that are no larger than tiny jumps of f nearby explain into SCALES, in place."""
    small = [_small_failures(m.trial, m.estimate, m.opinion) for m in measured]
    if not any(np.any(s) for s in small):
        return
    jumps = _jumps_nearby(sampler, noise)
    amplifies = noise > AMPLIFIES * half_ulp(sampler.center)
    for m, suspects in zip(measured, small, strict=True):
        gap = np.abs(m.trial.claim - m.estimate.value) * m.line.scale
        explained = (gap <= BARS * jumps) | (amplifies & (gap <= SLIGHT * largest))
        m.state[suspects & explained] = SCALES


def doubt_slight(measured: Sequence[Measured]) -> None:
    """Turn slight failures of what autodiff agrees with into UNDECIDED, in place.

    Two analytic derivatives are not wrong by the same little, but differences of rough functions are. Nor are they
    overruled by a measurement that is hardly one: steps of whole periods see no slope at all.
    """
    for m in measured:
        gap = np.abs(m.trial.claim - m.estimate.value)
        slight = _small_failures(m.trial, m.estimate, m.opinion) | (gap < VAGUE * m.estimate.bar)
        slight &= m.state == FAIL
        m.state[slight & m.trial.witness_agrees] = UNDECIDED


def doubt_unfinished(measured: Sequence[Measured]) -> None:
    """Turn failures where f's value is no solution into UNDECIDED, in place, but for those that autodiff confirms."""
    for m in measured:
        confirmed = np.zeros_like(m.trial.witness_agrees)
        if m.trial.witness is not None:
            with np.errstate(all="ignore"):
                apart = np.abs(m.trial.witness - m.estimate.value)
                confirmed = ~m.trial.witness_agrees & (apart <= 0.1 * np.abs(m.trial.claim - m.estimate.value))
        m.state[np.isin(m.state, (FAIL, judge.OUTSIDE, judge.NAN)) & ~confirmed] = UNDECIDED
        m.reason = UNFINISHED


def doubt_flat(measured: Sequence[Measured]) -> None:
    """Turn failures where yours is like autodiff's, and f is the same number at all steps, into UNDECIDED, in place.

    What it depends on is lost in the rounding of something larger inside of it, or in an underflow.
    """
    for m in measured:
        if m.trial.witness is None:
            continue
        with np.errstate(all="ignore"):
            alike = np.abs(m.trial.claim - m.trial.witness) <= ALIKE * np.abs(m.trial.witness)
        flat = np.all(m.estimate.plain == 0, axis=0) & alike & (m.trial.witness != 0) & (m.state == FAIL)
        m.state[flat] = UNDECIDED
        if np.any(flat):
            m.reason = "f is the same number at all steps: the slope is below its rounding"


def _jumps_nearby(sampler: Sampler, noise: Array) -> Array:
    """Tiny jumps of f along random lines through the point, shape (m,); looked for once at each point."""
    if sampler.jumps is not None:
        return sampler.jumps
    x = sampler.x
    jumps = np.zeros_like(noise)
    for seed in range(ROUGH_LINES):
        rng = np.random.default_rng([seed, x.size])
        v = sampler.inward(random_weights(rng, x.size) * coordinate_scales(x))
        line = along(x, v, x.dtype)
        found = jump_size(sampler, line, ROUGH_REACH, noise)
        values = np.stack(list(line.samples.values()))
        with np.errstate(all="ignore"):
            tiny = found <= 1e-3 * (np.max(values, axis=0) - np.min(values, axis=0))
        jumps = np.maximum(jumps, np.where(tiny, found, 0.0))
    sampler.jumps = jumps
    return jumps
