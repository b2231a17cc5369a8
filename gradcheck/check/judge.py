"""The verdict on one line: what three witnesses say of one derivative each, for all outputs of f at once.

Part of the check floor, free of evaluations: arrays in, arrays out. On trial is the hand-written derivative
if there is one, else autodiff's. The other witnesses are the measurement with its error bar and, beside a
hand-written derivative, autodiff. The rules, in order:

1.  Where the slope jumps at the point itself there is no derivative: inconclusive, unless what is on trial
    lies outside the closed interval of the two slopes; then it fails.
2.  Fail: beyond three error bars, and beyond the precision floor of 5e-7 relative, with the same sign at two
    steps or more. A short step confirms it first (a derivative is a limit). Where autodiff says what the
    measurement says, that is confirmation enough, and one and a half error bars are.
3.  Pass, if autodiff agrees with the hand-written derivative to the precision floor and the measurement does
    not contradict them.
4.  Pass, without a second analytic witness, if it agrees with the measurement and the error bar is small
    enough for the pass to mean something (:data:`SHARP` or :data:`SHARP_AUTODIFF`, relative).
5.  Otherwise inconclusive.

Nothing passes on an absolute tolerance; rtol and atol of the user widen the acceptance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gradcheck.numeric.ladder import Estimate
from gradcheck.numeric.scale import Array

Mask = NDArray[np.bool_]

#: Relative precision floor: no difference below it is called an error (float32 derivatives are that exact).
FLOOR = 5e-7
#: The same where f, its argument or the derivative is float32 or shorter: some 40 units in its last place.
FLOOR_SHORT = 5e-6
#: A hand-written derivative passes on the measurement alone only where the error bar is below this,
#: relatively.
SHARP = 5e-7
#: Autodiff's own derivative is exact by construction; its bugs are not small.
SHARP_AUTODIFF = 1e-4
#: Error bars that a difference must exceed to be called an error.
BARS = 3.0
#: The same at the longest short step, where the bar is nothing but noise.
BARS_SHORT = 2.0
#: The same where autodiff says what the measurement says.
BARS_OF_TWO = 1.5
#: A disagreement of so many noise levels is visible in a plain difference.
VISIBLE = 6.0
#: The shortest steps are so many.
SHORTEST = 4
#: So many of them need no further steps.
CLEAR = 10.0

OPEN, PASS, FAIL, KINK, OUTSIDE, UNDECIDED, ALONE, SCALES, GONE, NAN, ROUNDING = range(11)


@dataclass(frozen=True)
class Trial:
    """What is on trial along one line; arrays of shape (m,).

    Attributes:
        claim: the derivative on trial.
        witness: autodiff's, where the one on trial is hand-written and autodiff has one; nan where it has none; else
            None.
        witness_agrees: where the two are the same up to rounding.
        size: the magnitude that "relative" refers to: |claim|, or for a direction the root of the sum of
            squares.
        zero_size: what stands in for it where the claim is exactly zero.
        sharp: SHARP or SHARP_AUTODIFF.
        rtol, atol: the user's, or zero.
        floor: relative precision floor, FLOOR for a single entry.
    """

    claim: Array
    witness: Array | None
    witness_agrees: Mask
    size: Array
    zero_size: Array
    sharp: float
    rtol: float = 0.0
    atol: float = 0.0
    floor: float = FLOOR


@dataclass(frozen=True)
class Opinion:
    """What can be said after the steps taken so far; arrays of shape (m,).

    Attributes:
        state: OPEN while more steps may help, else one of the constants above.
        off: the claim is beyond three bars of the best estimate.
        resolution: the smallest relative error that would have been seen.
    """

    state: NDArray[np.int8]
    off: Mask
    resolution: Array


def magnitude(trial: Trial, value: Array) -> Array:
    """What "relative" refers to, shape (m,)."""
    size = np.maximum(trial.size, np.abs(np.nan_to_num(value)))
    return np.where(trial.size == 0, np.maximum(trial.zero_size, size), size)


def opinion(trial: Trial, e: Estimate, *, last: bool, confirmed: bool) -> Opinion:
    """The state of every output after the steps so far.

    Args:
        trial: the claims.
        e: the estimate.
        last: no more steps will come: nothing stays OPEN.
        confirmed: the short step that a FAIL needs has been taken.
    """
    with np.errstate(all="ignore"):
        size = magnitude(trial, e.value)
        known = np.isfinite(e.value) & np.isfinite(e.bar)
        difference = np.abs(trial.claim - e.value)
        allowed = np.maximum(trial.floor * size, trial.rtol * np.abs(trial.claim) + trial.atol)
        off = _beyond(trial, e, difference, allowed)
        calm = known & ~e.kink & (~e.bent | (e.steps >= 3))
        near = difference <= np.maximum(e.bar, allowed)
        sharp = e.bar <= np.maximum(trial.sharp * size, allowed - trial.floor * size)
        witnessed = trial.witness_agrees & (difference <= np.maximum(BARS * e.bar, allowed))
        alone, unwitnessed = np.zeros_like(near), np.ones_like(near)
        if trial.witness is not None:
            apart = np.abs(trial.claim - trial.witness)
            told_apart = ~trial.witness_agrees & (BARS * e.bar < np.abs(trial.witness - e.value))
            alone = near & (sharp | (BARS * e.bar < apart)) & told_apart & ~staircase(e)
            unwitnessed = np.isnan(trial.witness)
        passed = calm & ~off & (witnessed | (near & sharp & unwitnessed))
        if trial.witness is not None:  # the user's own tolerance needs no second opinion
            widened = trial.rtol * np.abs(trial.claim) + trial.atol
            passed |= calm & (difference + e.bar <= widened)
        state = np.full(trial.claim.shape, OPEN, dtype=np.int8)
        state[passed] = PASS
        state[calm & alone & ~passed & ~off] = ALONE
        limit = _at_the_limit(trial, e, last) if confirmed or last else off
        if confirmed:  # a difference of few bars waits for the whole ladder
            plain = (difference > CLEAR * e.bar) & ~e.bent  # a bend may be a kink, which shorter steps will tell
            state[off & ~e.kink & (last | plain) & limit] = FAIL
        if last:
            margin = BARS * (e.bar + e.doubt) + 0.01 * np.abs(e.right - e.left) + FLOOR * size
            low, high = np.minimum(e.left, e.right) - margin, np.maximum(e.left, e.right) + margin
            outside = ((trial.claim < low) | (trial.claim > high)) & ~e.vertical & limit
            state[e.kink] = KINK
            state[e.kink & outside] = OUTSIDE
            state[(state == OPEN) & ~e.kink & _told_by_two(trial, e, difference, allowed)] = FAIL
            state[(state == OPEN) & ~known & ~e.kink] = GONE
            state[state == OPEN] = UNDECIDED
            broken = ~np.isfinite(trial.claim)
            sure = np.isnan(trial.claim) | (e.bar <= 1e-2 * np.maximum(np.abs(e.value), trial.zero_size))
            state[broken & known & ~e.kink & sure] = NAN
        bar_relative = np.maximum(BARS * e.bar, trial.floor * size) / size
        resolution = np.where(trial.witness_agrees, np.minimum(bar_relative, max(trial.floor, FLOOR)), bar_relative)
    return Opinion(state, off, resolution)


def side_by_side(trials: Sequence[Trial]) -> Trial:
    """The trials of several lines, of the same witnesses, as one: their outputs side by side."""
    first = trials[0]
    names = [
        name for name in ("claim", "witness", "witness_agrees", "size", "zero_size") if getattr(first, name) is not None
    ]
    arrays = {name: np.concatenate([getattr(t, name) for t in trials]) for name in names}
    return replace(first, **arrays)  # type: ignore[arg-type]


def _told_by_two(trial: Trial, e: Estimate, difference: Array, allowed: Array) -> Mask:
    """Autodiff agrees with the measurement to within its error bar, and what is on trial with neither."""
    if trial.witness is None:
        return np.zeros_like(trial.witness_agrees)
    beside = (np.abs(trial.witness - e.value) <= e.bar) & ~staircase(e)
    return np.asarray(beside & ~trial.witness_agrees & (difference > np.maximum(BARS_OF_TWO * e.bar, allowed)))


def staircase(e: Estimate) -> Mask:
    """Where f loses its small digits, it seems, (m,): several steps see nothing, and others do."""
    return np.asarray((np.sum(e.plain == 0, axis=0) >= 2) & np.any(e.plain != 0, axis=0))


def _beyond(trial: Trial, e: Estimate, difference: Array, allowed: Array) -> Mask:
    """Beyond three bars at the best estimate, and on the same side beyond its bar at another step."""
    tiny = np.where(trial.size == 0, 1e-10 * trial.zero_size, 0.0)
    best = (difference > BARS * e.bar) & (difference > np.maximum(allowed, tiny))
    if trial.size.size and np.any(trial.size == 0):  # a claimed zero has no size of its own
        zero = trial.size == 0
        floor = np.maximum(FLOOR * np.abs(e.value), np.maximum(tiny, trial.atol))
        best = np.where(zero, (difference > BARS * e.bar) & (difference > floor), best)
    gap = trial.claim - e.rung_value
    clear = np.abs(gap) > e.rung_bar
    same_side = np.sign(gap) == np.sign(trial.claim - e.value)
    return np.asarray(best & ((clear & same_side).sum(axis=0) >= 2))


def _at_the_limit(trial: Trial, e: Estimate, last: bool) -> Mask:
    """Beyond two bars at a short step, too, which confirms the estimate: a derivative is a limit.

    Long steps average over whatever oscillates faster; with noise they are the only ones with a small error bar. And
    the shorter steps at which the noise leaves the disagreement visible must not say otherwise.
    """
    excluded = np.abs(trial.claim - e.rung_value) > BARS_SHORT * e.rung_bar
    confirms = np.abs(e.rung_value - e.value) <= 0.5 * np.abs(trial.claim - e.value)
    gap = np.abs(trial.claim - e.value)
    visible = np.isfinite(e.plain) & (VISIBLE * e.plain_noise < gap)
    rungs = np.arange(len(e.plain))[:, None]
    visible &= rungs < np.argmin(np.where(np.isfinite(e.rung_bar), e.rung_bar, np.inf), axis=0)
    # For a smooth f a plain difference is off by noise and by a 15th of its distance to the next longer step's.
    truncation = np.zeros_like(e.plain)
    truncation[:-1] = 0.15 * np.abs(np.diff(e.plain, axis=0))
    room = BARS * e.bar + VISIBLE * e.plain_noise + np.fmax(truncation, 0.0) + 1e-3 * gap
    otherwise = np.any(visible & (np.abs(e.plain - e.value) > room), axis=0)
    # Two short ones that say what is claimed do so by no chance, however much noise they are thought to have.
    claimed = (np.abs(trial.claim - e.plain) < 1e-3 * gap) & (e.plain_rounding < 1e-3 * gap)
    says_so = np.sum(claimed[:SHORTEST], axis=0) >= 2
    flat = staircase(e) & (trial.claim != 0)  # short steps see nothing, long ones what is claimed
    flat &= np.sum(np.abs(e.plain - trial.claim) <= 0.3 * np.abs(trial.claim), axis=0) >= 2
    # They count where autodiff is on the side of what would fail: without it, noise that changes from step to step (of
    # what rounds its argument) would hide many mistakes.
    doubts = otherwise.copy()
    if not last:  # what is plain to see at every step needs no more of them
        doubts |= np.any(np.abs(e.plain - e.value) > np.fmax(room, 0.1 * gap), axis=0)
    doubts = (doubts & (trial.witness_agrees | (trial.sharp == SHARP_AUTODIFF))) | (says_so & last) | flat
    return np.asarray(np.any(excluded & confirms & e.short, axis=0) & ~doubts)


def nearest(e: Estimate) -> tuple[Array, Array]:
    """The best candidate from short steps and its error bar, (m,) each; the bar is infinite where there is none."""
    bars = np.where(e.short & np.isfinite(e.rung_bar), e.rung_bar, np.inf)
    at = (np.argmin(bars, axis=0), np.arange(bars.shape[1]))
    return e.rung_value[at], bars[at]


def agreement(yours: Array, autodiff: Array, floor: float) -> np.ndarray:
    """Where a hand-written derivative and autodiff's are the same to the precision floor."""
    with np.errstate(all="ignore"):
        size = np.maximum(np.abs(yours), np.abs(autodiff))
        return np.asarray((np.abs(yours - autodiff) <= floor * size) | (yours == autodiff))
