"""What kind of mistake a wrong derivative looks like, from the numbers alone.

Part of the check floor. Only what is certain is said: every wrong entry must fit the pattern to within its
error bar. The fuller diagnosis (permutations, missing terms, the line of the user's code) has its place here.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gradcheck.check import judge
from gradcheck.check.calls import UserFunction
from gradcheck.check.codes import kind
from gradcheck.check.compare import Measured
from gradcheck.check.preflight import Scene
from gradcheck.check.result import Entry, Finding, Verdict


def diagnose(
    scene: Scene, measured: Sequence[Measured], entries: Sequence[Entry], derivative: UserFunction
) -> list[Finding]:
    """Findings GC111 to GC115 for a failing check; none if no pattern fits.

    Args:
        scene: f at the point.
        measured: the judged lines.
        entries: the entries made of them.
        derivative: the hand-written one on trial.
    """
    if any(m.line.direction is not None for m in measured):
        single = [m.line.direction is None for m in measured] * scene.value.width
        entries = [e for e, one in zip(entries, single, strict=True) if one]
        measured = [m for m in measured if m.line.direction is None]
    wrong = np.array([e.verdict is Verdict.FAIL for e in entries])
    if not wrong.any() or any(np.any(m.state == judge.OUTSIDE) for m in measured):
        return []
    claim = np.stack([m.trial.claim for m in measured]).T.reshape(-1)
    value = np.stack([m.estimate.value for m in measured]).T.reshape(-1)
    bar = np.stack([m.estimate.bar for m in measured]).T.reshape(-1)
    found = _transposed(scene, measured, claim, value, bar) or _pattern(scene, claim, value, bar, wrong, entries)
    return [] if found is None else [Finding(found[0], kind(found[0]), found[1], derivative.where)]


def _close(a: np.ndarray, b: np.ndarray, bar: np.ndarray) -> np.ndarray:
    """Equal to within three bars and a thousandth."""
    with np.errstate(all="ignore"):
        return np.asarray((np.abs(a - b) <= 3 * bar + 1e-6 * np.abs(b)) & (3 * bar <= 1e-3 * np.abs(b)))


def _transposed(
    scene: Scene, measured: Sequence[Measured], claim: np.ndarray, value: np.ndarray, bar: np.ndarray
) -> tuple[str, str] | None:
    """The whole derivative of a square shape fits after transposition."""
    shape = scene.value.shape + scene.space.shape
    if len(shape) != 2 or shape[0] != shape[1] or len(measured) != scene.x.size or scene.value.complex:
        return None
    a, v, b = (z.reshape(shape) for z in (claim, value, bar))
    with np.errstate(all="ignore"):
        fits = np.all(np.abs(a.T - v) <= 3 * b + 1e-6 * np.abs(v))
    return ("GC113", "the derivative is transposed") if fits else None


def _pattern(
    scene: Scene,
    claim: np.ndarray,
    value: np.ndarray,
    bar: np.ndarray,
    wrong: np.ndarray,
    entries: Sequence[Entry],
) -> tuple[str, str] | None:
    """Sign, constant factor, zeros, a single entry."""
    a, v, b = claim[wrong], value[wrong], bar[wrong]
    which = (
        "every entry" if wrong.all() else f"the {wrong.sum()} wrong entries" if wrong.sum() > 1 else "the wrong entry"
    )
    if np.all(a == 0):
        return "GC115", f"{which}: the derivative is zero where f is not constant"
    if np.all(_close(-a, v, b)):
        return "GC111", f"{which}: right but for the sign"
    known = np.isfinite(v) & (v != 0)
    if wrong.sum() > 1 and np.all(known):
        n = max(scene.x.size, scene.value.size)
        factors = {2.0: "2", 0.5: "1/2", float(n): f"{n}", 1.0 / n: f"1/{n}"}
        for factor, name in factors.items():
            if factor != 1.0 and np.all(_close(a / factor, v, b)):
                return "GC112", f"{which}: {name} times the right derivative"
        ratio = float(np.median(a / v))
        if np.isfinite(ratio) and ratio != 0 and np.all(_close(a / ratio, v, b)):
            return "GC112", f"{which}: {ratio:.6g} times the right derivative"
    if wrong.sum() == 1 and len(entries) > 2:
        return "GC114", f"only {entries[int(np.flatnonzero(wrong)[0])].label} is wrong"
    return None
