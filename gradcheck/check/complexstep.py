"""A further witness, where f allows it: the derivative by a complex step.

Part of the check floor. f(x + ih·v) of an analytic f has the imaginary part h·∂f·v up to rounding, without any
difference that could cancel. Code that takes absolute values or real parts gives something else, and code that makes
real arrays refuses it, so it decides only where it says the same as another witness.

Source: W. Squire and G. Trapp, "Using complex variables to estimate derivatives of real functions", SIAM Review 40
(1998), 110-112.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gradcheck.check import judge
from gradcheck.check.calls import copied
from gradcheck.check.compare import Measured
from gradcheck.check.judge import BARS, FLOOR
from gradcheck.check.preflight import Scene
from gradcheck.numeric.lines import Line
from gradcheck.numeric.scale import Array

#: The step in natural units: its square is nothing beside one.
STEP, STEP_SHORT = 2.0**-70, 2.0**-30
#: Two derivatives are the same if they differ by no more than this part of what the third is off by.
SAME = 1e-3
#: What autodiff and the complex step share is the code of f, and with it cancellation: how they scatter at nearby
#: points tells how much of that there is, and they must be closer together than what they say is off by so many times.
NEARBY, SCATTER, FURTHER = (2.0**-30, -(2.0**-31), 3 * 2.0**-31), 10.0, 2.0**-12
#: So many undecided lines are asked of it.
MOST = 64


def complex_step(scene: Scene, line: Line, aside: float = 0.0) -> Array | None:
    """∂f along a line, shape (m,); None where f does not take complex arguments, or is not analytic to see.

    ``aside``: at a point that is so far beside, relatively in every coordinate.
    """
    if scene.value.complex:
        return None
    short = scene.space.dtype.itemsize < 8
    h = (STEP_SHORT if short else STEP) * line.scale
    z = (scene.x + scene.inward(scene.x * aside)).astype(complex)
    if line.direction is None:
        z[line.column] += 1j * h
    else:
        z += 1j * h * line.direction
    args = [copied(a) for a in scene.args]
    if scene.space.kind is np.ndarray:
        args[scene.argnum] = z.astype(np.complex64 if short else np.complex128).reshape(scene.space.shape)
    else:
        args[scene.argnum] = complex(z[0])
    scene.f.evaluations += 1
    scene.f.calls += 1
    try:
        with scene.f.quiet():
            warnings.simplefilter("error", np.exceptions.ComplexWarning)
            value = np.asarray(scene.f.f(*args))
    except (Exception, SystemExit):  # complex numbers are nothing that f was written for
        return None
    if value.shape != scene.value.shape or value.dtype.kind != "c":
        return None
    real, slope = value.real.reshape(-1).astype(float), value.imag.reshape(-1).astype(float) / h
    with np.errstate(all="ignore"):
        same = np.abs(real - scene.center) <= 1e-6 * np.abs(scene.center) + 8 * scene.least_noise
    if aside:
        return slope
    return np.where(same, slope, np.nan)


def decide(scene: Scene, measured: Sequence[Measured]) -> None:
    """Settle, in place, what differences left undecided and a complex step can tell.

    It confirms what is on trial where no other derivative speaks against it; and where autodiff disagrees, the one of
    the two that it agrees with is right. The measurement must not contradict, and they must differ by more than
    rounding.
    """
    undecided = [m for m in measured if np.any(m.state == judge.UNDECIDED)]
    for m in undecided[:MOST]:
        seen = complex_step(scene, m.line)
        if seen is None:
            return
        claim, witness = m.trial.claim, m.trial.witness
        rival = np.full_like(claim, np.nan) if witness is None else witness
        with np.errstate(all="ignore"):
            size = judge.magnitude(m.trial, seen)
            allowed = np.maximum(m.trial.floor * size, m.trial.rtol * np.abs(claim) + m.trial.atol)
            open_ = (m.state == judge.UNDECIDED) & ~m.estimate.kink & (m.opinion.state == judge.UNDECIDED)
            possible = np.abs(claim - m.estimate.value) <= BARS * m.estimate.bar
            confirmed = (np.abs(seen - claim) <= allowed) & possible
            gap = np.abs(claim - rival)
            unopposed = np.isnan(rival) | m.trial.witness_agrees
            if np.any(open_ & ~unopposed):
                unopposed |= gap <= SCATTER * _scatter(scene, m.line, seen)
            apart = SAME * gap
            # Two zeros may have lost the same small term to rounding.
            for_claim = (np.abs(seen - claim) <= apart) & possible & (seen != 0)
            against = (np.abs(seen - rival) <= apart) & (np.abs(rival - m.estimate.value) <= BARS * m.estimate.bar)
            m.state[open_ & confirmed & unopposed] = judge.PASS
            m.state[open_ & ~unopposed & for_claim] = judge.ALONE
            m.state[open_ & ~unopposed & against & (gap > allowed)] = judge.FAIL
        floor = np.full_like(claim, max(m.trial.floor, FLOOR))
        m.opinion = replace(m.opinion, resolution=np.where(m.state != m.opinion.state, floor, m.opinion.resolution))
        m.complex_step = seen


def _scatter(scene: Scene, line: Line, seen: Array) -> Array:
    """How much a complex step varies at nearby points, (m,): what there is of rounding errors in f's derivative."""
    nearby = [complex_step(scene, line, aside) for aside in NEARBY]
    varies = [np.full_like(seen, np.inf) if s is None else np.abs(s - seen) for s in nearby]
    # So near, what cancels may not move at all. Further away a smooth derivative changes, hardly in the second order.
    left, right = (complex_step(scene, line, aside) for aside in (-FURTHER, FURTHER))
    if left is not None and right is not None:
        bend = 0.5 * np.abs(left - 2.0 * seen + right)
        varies.append(np.where(np.isfinite(bend), bend, 0.0))
    return np.asarray(np.max(varies, axis=0))
