"""From values of f at several steps to a derivative with an error bar, and to a kink.

Fourth part of the numeric floor. Steps stand on a ladder h·4^k. Along a line split f into

    odd part    (f(h) - f(-h)) / 2h       = D + c3 h² + ...     D is the derivative
    even part   (f(h) + f(-h) - 2f(0)) / h = J + c2 h + ...     J is the jump of the slope, zero where f is
    smooth

Richardson extrapolation (L. F. Richardson 1911; Stoer and Bulirsch, "Introduction to Numerical Analysis",
3.4) removes one power of h for every further rung. Every extrapolated value is a candidate with an error
bar: its distance to the same estimate one rung further out, plus the noise of f times its weights. A
derivative is a limit, so a candidate from large steps is dropped when it contradicts what smaller steps say
(aliasing, a kink nearby). Of what is left the candidate with the smallest error bar is the estimate.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import NamedTuple

import numpy as np

from gradcheck.numeric.lines import SIDE_RATIO, Line, Sampler
from gradcheck.numeric.noise import half_ulp
from gradcheck.numeric.scale import Array, power_of_two

RATIO = 4.0
#: No more rungs than this below the first one.
DEEPEST = 20
#: Highest extrapolation: with central differences an error of order h^8, like SciPy's default.
LEVELS = 3
#: Noise levels in an error bar. Of a correctly rounded f one level (half an ulp) is a bound; three bars are
#: a bound for worse.
NOISE_BARS = 1.0
#: With a single step the truncation error cannot be seen; the bar assumes |f'''| up to 6·CURVED·|f'|/scale².
CURVED = 100.0
#: A slope jump that falls by less than this from one rung to the next smaller (smooth: by 4) does not vanish.
PERSISTS = 0.7

#: No difference is known better than this, relatively: some units in the last place.
EXACTEST = 1e-15

#: With this many rungs the noise is measured again, and corrected upwards by up to this factor.
MANY, UNDERRATED = 8, 16.0
#: Only steps up to this part of the line's scale tell of the limit: what oscillates faster than some 2000 times
#: over that scale, with an amplitude below the noise, stays hidden from every test by values of f.
SHORT, SHORT_SECOND = 2.0**-11, 2.0**-10
#: Noise above this many half units in the last place of f is more than the rounding of its operations.
NOISY = 100.0
#: A slope that grows by this with every rung towards zero has no limit (|x|^p has one for p > 0.84).
GROWS = 1.25


@dataclass(frozen=True)
class Estimate:
    """What the samples of one line say of the derivative of the m outputs; all arrays have shape (m,) or
    (rungs, m).

    Attributes:
        value: the derivative with respect to t; nan where it could not be measured.
        bar: bound on its error.
        kink: the slope jumps at the point itself.
        vertical: the jump grows as the step shrinks: f is discontinuous, or its slope is infinite.
        left, right: the one-sided slopes.
        doubt: how well these are known.
        bent: the jump of the slope at the middle step is larger than smoothness explains; needs more steps.
        rung_value, rung_bar: the best candidate of every rung, smallest step first; inadmissible ones are nan.
        short: whether the step of a rung is short enough to tell of the limit, (rungs, m).
        plain, plain_noise, plain_rounding: the difference itself at every rung, the noise in it, and the rounding of
            f's values alone, (rungs, m).
        steps: how many steps it rests on.
        lengths: of these steps, shortest first, (rungs,).
        noise: of f's values, as it was assumed, (m,).
    """

    value: Array
    bar: Array
    kink: np.ndarray
    vertical: np.ndarray
    left: Array
    right: Array
    doubt: Array
    bent: np.ndarray
    rung_value: Array
    rung_bar: Array
    short: np.ndarray
    plain: Array
    plain_noise: Array
    plain_rounding: Array
    steps: int
    lengths: Array
    noise: Array


@dataclass
class Ladder:
    """The steps taken along one line.

    Attributes:
        line: the line.
        base: the step of rung 0, a power of two.
        noise: noise of f's values, shape (m,).
        second: estimate the second derivative, from the even part, instead of the first.
        bottom: the step at which noise equals the slope of every output; nothing is seen below.
        typical: the derivative as it would be if nothing cancelled in it, shape (m,), or 0: what the curvature of f is
            guessed from as long as there is but one step.
        slopes: rung -> SciPy's second-order difference there, shape (m,).
    """

    line: Line
    base: float
    noise: Array
    second: bool = False
    bottom: float = 0.0
    typical: Array | float = 0.0
    slopes: dict[int, Array] = field(default_factory=dict)

    def step(self, rung: int) -> float:
        """The length of the step of that rung."""
        return float(self.base * RATIO**rung)

    @property
    def lowest(self) -> int:
        """The rung of the shortest step worth taking: x can take it, and noise does not hide the slope."""
        possible = int(np.ceil(np.log(self.line.shortest / self.base) / np.log(RATIO) - 1e-9))
        useful = int(np.log(max(self.bottom / self.base, RATIO**-DEEPEST)) / np.log(RATIO))
        return max(possible, min(useful, -3))

    @property
    def highest(self) -> int:
        """The rung of the longest step that still tells of f at the point."""
        longest = self.line.longest
        if self.base <= self.line.scale / 16:
            longest = min(longest, self.line.scale)
        return max(int(np.floor(np.log(longest / self.base) / np.log(RATIO) + 1e-9)), 0)

    def rungs(self) -> list[int]:
        """Rungs taken, shortest step first."""
        return sorted(self.slopes)


def first_step(line: Line, noise: Array, slope: Array) -> float:
    """The step where truncation and rounding error of a central difference should balance.

    (3·noise / |f'''|)^(1/3) with f''' ~ |slope|/scale², between 2⁻²⁰ and 2⁻⁵ scales; and never so short that
    noise hides the slope altogether. ``slope`` is what somebody claims the derivative is, shape (m,): only
    its magnitude is used.

    Source of the balance: Nocedal and Wright, "Numerical Optimization", 8.1.
    """
    with np.errstate(all="ignore"):
        ratio = noise / (np.abs(slope) * line.scale)
        ratio = ratio[np.isfinite(ratio)]
        # (The median of one number, the commonest, takes NumPy longer than all the rest here.)
        typical = float(ratio[0] if ratio.size == 1 else np.median(ratio)) if ratio.size else 1e-16
        relative = float(np.clip((3.0 * typical) ** (1.0 / 3.0), 2.0**-20, 2.0**-5))
        visible = 1e4 * typical
    step = max(relative, min(visible, 1.0 / 16 * line.longest / line.scale)) * line.scale
    step = float(np.clip(step, 4 * line.shortest, max(line.longest, 4 * line.shortest)))
    return float(power_of_two(step)) if step > 1e-290 else step


def climb(sampler: Sampler, ladders: Sequence[Ladder], rungs: Sequence[Sequence[int]]) -> None:
    """Take the steps that are missing, SciPy doing one rung of all ladders at a time."""
    todo = [[k for k in wanted if k not in ladder.slopes] for ladder, wanted in zip(ladders, rungs, strict=True)]
    while any(todo):
        now = [(ladder, left.pop(0)) for ladder, left in zip(ladders, todo, strict=True) if left]
        found = sampler.differences([a.line for a, _ in now], [a.step(k) for a, k in now])
        for (ladder, rung), slope in zip(now, found, strict=True):
            ladder.slopes[rung] = slope


def estimate(sampler: Sampler, ladder: Ladder) -> Estimate:
    """Derivative, error bar and kinks from the steps taken so far. Evaluates nothing.

    >>> from gradcheck.numeric.lines import coordinate
    >>> s = Sampler(np.exp, np.array([1.0]), np.exp([1.0]))
    >>> a = Ladder(coordinate(s.x, 0, 1.0, 1.0, s.x.dtype), 2.0**-12, np.array([2e-16]))
    >>> climb(s, [a], [[-1, 0, 1, 2]])
    >>> e = estimate(s, a)
    >>> bool(abs(e.value - np.e)[0] < e.bar[0] < 1e-11)
    True
    """
    rungs = ladder.rungs()
    steps = np.array([ladder.step(k) for k in rungs])[:, None]
    slopes = np.stack([ladder.slopes[k] for k in rungs])
    noise = _noise_at(sampler, ladder, rungs)
    if ladder.line.side:
        values, base_noise, jumps = slopes, noise * 4.0 / steps, np.zeros_like(slopes)
        if ladder.second:
            values, base_noise = _curvatures(sampler, ladder, rungs), 16.0 * noise / steps**2
    else:
        jumps = _jumps(sampler, ladder, rungs)
        values, base_noise = slopes, noise / steps
    if ladder.second and not ladder.line.side:
        values, base_noise = jumps / steps, 4.0 * noise / steps**2
    seen = _Seen(rungs, steps, ladder.line.scale, ladder.typical, ladder.line.side, ladder.second, slopes, jumps, noise)
    return _concluded(seen, values, base_noise, ladder.noise, sampler.rounding, half_ulp(sampler.center))


def first_estimates(sampler: Sampler, ladders: Sequence[Ladder]) -> Estimate:
    """What :func:`estimate` says of each, where each has taken its first step alone, to both sides.

    Their outputs stand side by side: :func:`part` gives those of one. For a function of few outputs that takes no
    longer than one of them.
    """
    count, width = len(ladders), len(sampler.center)
    h = np.array([ladder.step(0) for ladder in ladders])[:, None]
    up = np.stack([ladder.line.samples[ladder.step(0)] for ladder in ladders])
    down = np.stack([ladder.line.samples[-ladder.step(0)] for ladder in ladders])
    level = np.stack([ladder.noise for ladder in ladders])
    with np.errstate(all="ignore"):
        values = np.abs(np.stack([up, down]))
        largest = np.maximum(np.abs(sampler.center), np.where(np.isfinite(values), values, 0.0).max(axis=0))
        noise = np.maximum(level, half_ulp(largest))
        jumps = ((up - sampler.center) + (down - sampler.center)) / h

    def wide(rows: Sequence[object]) -> Array:
        return np.concatenate([np.broadcast_to(np.asarray(row, dtype=np.float64), width) for row in rows])

    def flat(table: Array) -> Array:
        return np.broadcast_to(table, (count, width)).reshape(1, -1)

    slopes = np.stack([ladder.slopes[0] for ladder in ladders])
    seen = _Seen(
        [0],
        flat(h),
        wide([ladder.line.scale for ladder in ladders]),
        wide([ladder.typical for ladder in ladders]),
        0,
        False,
        flat(slopes),
        flat(jumps),
        flat(noise),
    )
    ulp = half_ulp(sampler.center)
    return _concluded(
        seen, seen.slopes, seen.noise / seen.steps, level.ravel(), np.tile(sampler.rounding, count), np.tile(ulp, count)
    )


def part(e: Estimate, k: int, ladder: Ladder) -> Estimate:
    """That of the ladder at place k among those whose first estimates stand side by side."""
    width = len(ladder.noise)
    names = [f.name for f in fields(e) if f.name not in ("steps", "lengths")]
    arrays = {name: getattr(e, name)[..., k * width : (k + 1) * width] for name in names}
    return Estimate(**arrays, steps=e.steps, lengths=np.array([ladder.step(0)]))


class _Seen(NamedTuple):
    """The differences along a line, or along several lines side by side.

    Attributes:
        rungs: those taken, shortest first.
        steps: their lengths, shape (rungs, 1), or (rungs, m) of several lines.
        scale, typical: of the line, or of each output of several lines.
        side, second: of the ladder.
        slopes, jumps, noise: at every rung, shape (rungs, m).
    """

    rungs: list[int]
    steps: Array
    scale: Array | float
    typical: Array | float
    side: int
    second: bool
    slopes: Array
    jumps: Array
    noise: Array


def _concluded(seen: _Seen, values: Array, base_noise: Array, level: Array, rounding: Array, ulp: Array) -> Estimate:
    """The estimate.

    Args:
        seen: the differences.
        values, base_noise: approximations of the derivative at every rung and the noise in them, shape (rungs, m).
        level, rounding, ulp: the noise of f as it was assumed, its rounding, and half a unit in the last place, (m,).
    """
    rungs, steps, slopes, jumps, noise = seen.rungs, seen.steps, seen.slopes, seen.jumps, seen.noise
    with np.errstate(all="ignore"):
        value, bar, rung_value, rung_bar = _extrapolate(seen, values, base_noise)
        kink, vertical, at = _kinks(jumps, 4.0 * noise / steps, slopes)
        if not seen.second:
            steep = _diverges(slopes, noise / steps)
            kink, vertical = kink | steep, vertical | steep
        pick = (at, np.arange(values.shape[1]))
        beyond = (np.minimum(at + 1, len(jumps) - 1), pick[1])
        bend = (jumps[beyond] - jumps[pick]) / (RATIO - 1)  # the jump's own term of first order in the step
        half = 0.5 * (jumps[pick] - bend)
        doubt = np.abs(bend) + 4.0 * noise[pick] / np.broadcast_to(steps, noise.shape)[pick]
        middle = rungs.index(0) if 0 in rungs else len(rungs) // 2
        smooth = 30.0 * steps[middle] / seen.scale * np.maximum(np.abs(slopes[middle]), seen.typical)
        bent = np.abs(jumps[middle]) > (np.inf if seen.second else 1.0) * np.maximum(
            smooth, 4.0 * NOISE_BARS * noise[middle] / steps[middle]
        )
        # Steps short enough to tell of the limit: all, where f has no noise but rounding.
        short = (steps <= (SHORT_SECOND if seen.second else SHORT) * seen.scale) | ~(level > NOISY * rounding)
    return Estimate(
        value=value,
        bar=bar,
        kink=kink,
        vertical=vertical,
        left=slopes[pick] - half,
        right=slopes[pick] + half,
        doubt=doubt,
        bent=bent & np.isfinite(jumps[middle]),
        rung_value=rung_value,
        rung_bar=rung_bar,
        short=short,
        plain=values,
        plain_noise=NOISE_BARS * base_noise,
        plain_rounding=ulp * (4.0 / steps**2 if seen.second else 1.0 / steps),
        steps=len(rungs),
        lengths=steps[:, 0],
        noise=level,
    )


def _noise_at(sampler: Sampler, ladder: Ladder, rungs: list[int]) -> Array:
    """Noise of f at every rung, shape (rungs, m): the level, but at least half an ulp of the values."""
    rows = []
    for k in rungs:
        h = ladder.step(k)
        near = (h, -h) if ladder.line.side == 0 else (ladder.line.side * h, ladder.line.side * h / SIDE_RATIO)
        largest = np.abs(sampler.center)
        for t in near:
            value = np.abs(ladder.line.samples[t])
            largest = np.maximum(largest, np.where(np.isfinite(value), value, 0.0))
        rows.append(np.maximum(ladder.noise, half_ulp(largest)))
    noise = np.stack(rows)
    if len(rungs) < MANY:
        return noise
    # At the shortest steps differences of slopes are noise over h: many of them tell more than ECNoise's few.
    slopes = np.stack([ladder.slopes[k] for k in rungs])
    lengths = np.array([ladder.step(k) for k in rungs])[:, None]
    with np.errstate(all="ignore"):
        seen = np.median((np.abs(np.diff(slopes, axis=0)) * lengths[:-1])[: len(rungs) // 2], axis=0)
    return np.asarray(np.maximum(noise, np.minimum(np.fmax(seen, 0.0), UNDERRATED * noise)))


def _jumps(sampler: Sampler, ladder: Ladder, rungs: list[int]) -> Array:
    """Even part of f over h at every rung, shape (rungs, m): right slope minus left slope."""
    samples = ladder.line.samples
    with np.errstate(all="ignore"):
        return np.stack(
            [
                ((samples[h] - sampler.center) + (samples[-h] - sampler.center)) / h
                for h in (ladder.step(k) for k in rungs)
            ]
        )


def _curvatures(sampler: Sampler, ladder: Ladder, rungs: list[int]) -> Array:
    """One-sided second differences at every rung, shape (rungs, m): from f at h and h/2, with an error of order h."""
    samples, side = ladder.line.samples, ladder.line.side
    with np.errstate(all="ignore"):
        return np.stack(
            [
                4.0
                * ((samples[side * h] - sampler.center) - 2.0 * (samples[side * h / SIDE_RATIO] - sampler.center))
                / h**2
                for h in (ladder.step(k) for k in rungs)
            ]
        )


def _extrapolate(seen: _Seen, values: Array, noise: Array) -> tuple[Array, Array, Array, Array]:
    """Richardson's table with error bars; the best admissible candidate of all and of each rung."""
    rungs, steps = seen.rungs, seen.steps
    count, width = values.shape
    table, noises = values, noise
    all_values, all_bars = [], []
    consecutive = np.array([b - a == 1 for a, b in itertools.pairwise(rungs)], dtype=bool)
    for level in range(min(LEVELS, count - 1) + 1):
        if level:
            power = RATIO ** (2 * level)
            if seen.side:
                power = RATIO ** (level if seen.second else level + 1)
            usable = np.array([consecutive[i : i + level].all() for i in range(count - level)])[:, None]
            lower = table
            table = np.where(usable, lower[:-1] + (lower[:-1] - lower[1:]) / (power - 1), np.nan)
            noises = (power * noises[:-1] + noises[1:]) / (power - 1)
            fallback = np.abs(table - lower[:-1])
        else:
            order = 1 if seen.side else 2
            fallback = CURVED * (steps / seen.scale) ** order * np.maximum(np.abs(values), seen.typical)
        rows = len(table)
        outward = np.full((rows, width), np.nan)
        outward[:-1] = np.abs(np.diff(table, axis=0))
        further = np.full((rows, width), np.nan)
        further[:-1] = outward[1:] / (2.0 if seen.side else RATIO**2)
        inward = np.zeros((rows, width))
        inward[1:] = np.abs(np.diff(table, axis=0)) - 3 * NOISE_BARS * (noises[:-1] + noises[1:])
        truncation = np.where(np.isfinite(outward), np.fmax(outward, further), fallback)
        bars = np.fmax(truncation, np.nan_to_num(inward)) + NOISE_BARS * noises
        padding = np.full((count - rows, width), np.nan)
        all_values.append(np.concatenate([table, padding]))
        all_bars.append(np.concatenate([bars, padding]))
    candidates, bars = np.stack(all_values, axis=1), np.stack(all_bars, axis=1)  # (rungs, levels, m)
    bars = np.where(np.isfinite(candidates) & np.isfinite(bars), bars, np.inf)
    bars = np.where(_contradicted(rungs, candidates, bars, values, noise), np.inf, bars)
    level_pick = np.argmin(bars, axis=1)[:, None, :]
    rung_bar = np.take_along_axis(bars, level_pick, axis=1)[:, 0]
    rung_value = np.take_along_axis(candidates, level_pick, axis=1)[:, 0]
    rung_bar = np.fmax(rung_bar, EXACTEST * np.abs(rung_value))  # fmax: what is not known stays so
    best = np.argmin(rung_bar, axis=0)
    columns = np.arange(width)
    value, bar = rung_value[best, columns], rung_bar[best, columns]
    unknown = ~np.isfinite(bar)
    gone = ~np.isfinite(rung_bar)
    return (
        np.where(unknown, np.nan, value),
        np.where(unknown, np.nan, bar),
        np.where(gone, np.nan, rung_value),
        np.where(gone, np.nan, rung_bar),
    )


def _contradicted(rungs: list[int], candidates: Array, bars: Array, values: Array, noise: Array) -> np.ndarray:
    """Candidates that plain differences at two smaller steps exclude: a derivative is a limit."""
    count = len(values)
    # The truncation error of a plain difference is below its distance to the one at the next step, either way.
    own = np.full(values.shape, np.inf)
    for i, (low, high) in enumerate(itertools.pairwise(rungs)):
        if high - low == 1:
            distance = np.abs(values[i + 1] - values[i])
            own[i] = distance
            own[i + 1] = np.where(np.isfinite(own[i + 1]), own[i + 1], distance)
    own += NOISE_BARS * noise
    against = np.zeros(bars.shape, dtype=np.intp)
    for k in range(1, count):
        for j in range(k):
            finite = np.isfinite(values[j]) & np.isfinite(own[j])
            apart = np.abs(candidates[k] - values[j]) > 3 * (bars[k] + own[j])
            against[k] += apart & finite
    return np.asarray(against >= 2)


def _kinks(jumps: Array, noise: Array, slopes: Array) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where the slope jump stays as the step shrinks, as far down as the noise lets one see.

    Returns:
        kink, vertical (shape (m,), bool) and the rung at which each output was judged.
    """
    count, width = jumps.shape
    kink = np.zeros(width, dtype=bool)
    vertical = np.zeros(width, dtype=bool)
    at = np.zeros(width, dtype=np.intp)
    open_ = np.ones(width, dtype=bool)
    size = np.abs(jumps)
    need = 3 if count < MANY else 4  # three make a suspicion, four of the same sign a verdict
    for k in range(count - need + 1):
        some = slice(k, k + need)
        largest = np.max(size[some], axis=0)
        seen = open_ & (10 * noise[k] <= largest) & np.isfinite(largest)
        stays = np.all(size[k : k + need - 1] >= PERSISTS * size[k + 1 : k + need], axis=0)
        stays &= np.abs(np.sum(np.sign(jumps[some]), axis=0)) == need
        kink |= seen & stays & (size[k] > 1e-6 * np.abs(slopes[k]))
        vertical |= seen & stays & (size[k] >= 1.5 * size[k + 1])
        at = np.where(seen, k, at)
        open_ &= ~seen
    return kink, vertical, at


def _diverges(slopes: Array, noise: Array) -> np.ndarray:
    """Where the slope grows without bound as the step shrinks, as far down as noise lets one see; (m,)."""
    out = np.zeros(slopes.shape[1], dtype=bool)
    open_ = np.ones(slopes.shape[1], dtype=bool)
    size = np.abs(slopes)
    for k in range(len(slopes) - 3):
        seen = open_ & (10 * noise[k] <= size[k]) & np.isfinite(size[k]) & (size[k] > 0)
        grows = np.all(size[k : k + 3] >= GROWS * size[k + 1 : k + 4], axis=0)
        out |= seen & grows
        open_ &= ~seen
    return out
