"""What a check says as a whole, of its points together.

Part of the check floor, below ``core.py``: words and the worst verdict, no measurement but whether f is constant.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gradcheck.check.calls import UserFunction
from gradcheck.check.claims import Autodiff, CallLog, Yours
from gradcheck.check.codes import kind
from gradcheck.check.entries import tally
from gradcheck.check.preflight import Scene
from gradcheck.check.result import Entry, Finding, Verdict

if TYPE_CHECKING:
    from gradcheck.check.evidence import Evidence


class Suspect(NamedTuple):
    """A point at which the hand-written derivative was found wrong, and autodiff right."""

    scene: Scene
    yours: Yours
    autodiff: Autodiff


@dataclass(frozen=True)
class Part:
    """The check at one point."""

    entries: tuple[Entry, ...]
    findings: tuple[Finding, ...]
    total: int
    value: str
    evidence: Callable[[], Evidence | None] | None = None
    constant: bool = False
    kinks: bool = False
    independent: bool = False
    shape: tuple[Finding, ...] = ()
    suspect: Suspect | None = None


def without_rest(part: Part, f: UserFunction) -> Part:
    """What is left of a point during which the budget was spent: what could not be measured then is open."""
    entries = tuple(
        replace(e, note="the budget was spent") if e.verdict is Verdict.INCONCLUSIVE else e for e in part.entries
    )
    undecided = [e for e in entries if e.verdict is Verdict.INCONCLUSIVE]
    findings: tuple[Finding, ...] = tuple(x for x in part.findings if not x.code.startswith("GC2"))
    if undecided:
        text = f"the budget of {f.budget} was spent: {{count}} were not decided"
        findings += (tally("GC208", text, undecided, entries, f.where, "give a larger --budget"),)
    return replace(part, entries=entries, findings=findings, constant=False)


def unchecked(f: UserFunction, points: int) -> list[Finding]:
    """What is to be said of points that were not looked at."""
    if not points:
        return []
    text = f"the budget of {f.budget} was spent: {points} {'point was' if points == 1 else 'points were'} not checked"
    return [Finding("GC208", kind("GC208"), text, f.where, "give a larger --budget")]


def diagnosis(parts: Sequence[Part]) -> list[Finding]:
    """What kind of mistake it is, from all points together; of a wrong shape, what holds at each of them."""
    shape = [f for f in parts[0].shape if all(f in p.shape for p in parts)]
    if not any(e.verdict is Verdict.FAIL for p in parts for e in p.entries):
        return shape
    from gradcheck.check.diagnosis import diagnose

    return shape + diagnose([p.evidence and p.evidence() for p in parts])


def sound(entries: Sequence[Entry]) -> bool:
    """Whether the entries of a point are something to look for a line for: some wrong, autodiff right in all."""
    if not any(e.verdict is Verdict.FAIL for e in entries):
        return False
    for e in entries:
        if e.autodiff is None or e.yours is None or e.measured is None or e.error is None:
            return False
        if not abs(e.autodiff - e.measured) <= e.error + 1e-6 * abs(e.measured):
            return False
    return True


def own_rules(findings: Sequence[Finding], log: CallLog) -> list[Finding]:
    """Autodiff alone against the measurement, where it used rules that the user wrote: those come first to mind."""
    rules = ", ".join(f"{name} ({where})" if where else name for name, where in log.rules.items())
    hint = f"f uses derivative rules of yours, one of which may be wrong: {rules}"
    known = any(f.code == "GC146" for f in findings)
    return [replace(f, hint=hint) if f.code == "GC106" and rules and not known else f for f in findings]


def approximate(f: UserFunction, log: CallLog, entries: Sequence[Entry]) -> list[Finding]:
    """Where not all is verified and f is an approximation: that this may be why."""
    undecided = [e for e in entries if e.verdict is Verdict.INCONCLUSIVE]
    if not undecided or not log.approximate:
        return []
    (name, where), accuracy = max(log.approximate.items(), key=lambda item: item[1])
    text = f"{f.name} goes through {name}, so that its slopes are accurate to about {accuracy:.0e} only"
    options = "rtol=1e-10, atol=1e-12" if name.startswith("scipy.integrate") else "tol=1e-12"
    return [Finding("GC207", kind("GC207"), text, where, f"tighten its tolerances, for instance {options}")]


def vacuous(f: UserFunction, parts: Sequence[Part], hand_written: bool) -> list[Finding]:
    """Where f is constant about every point nothing was verified: any multiple of the derivative would have passed."""
    if not parts or any(not p.constant or any(e.verdict is not Verdict.PASS for e in p.entries) for p in parts):
        return []
    # What depends on no argument is constant everywhere, not only about the points.
    code = "GC206" if hand_written and not all(p.independent for p in parts) else "GC312"
    text = f"{f.name} does not change with this argument at any point: every derivative is zero"
    return [Finding(code, kind(code), text, f.where, "check where it does: --at")]


def is_constant(scene: Scene, entries: Sequence[Entry], seed: int) -> bool:
    """Whether every derivative is zero and f is the same at a natural distance (at a minimum it is not)."""
    if any((e.autodiff if e.yours is None else e.yours) != 0 for e in entries):
        return False
    step = scene.inward(np.random.default_rng([seed, 8]).choice([-0.25, 0.25], scene.x.size) * scene.scales)
    return bool(np.all(scene.evaluate(scene.x + step) == scene.center))


def verdict_of(entries: Sequence[Entry], findings: Sequence[Finding]) -> Verdict:
    """The verdict of a whole check: a GC1xx finding fails it, and nothing compared is never a pass."""
    if any(f.code.startswith("GC1") for f in findings) or any(e.verdict is Verdict.FAIL for e in entries):
        return Verdict.FAIL
    if not entries or any(e.verdict is Verdict.INCONCLUSIVE for e in entries):
        return Verdict.INCONCLUSIVE
    if any(f.code in ("GC206", "GC208", "GC210") for f in findings):
        return Verdict.INCONCLUSIVE
    return Verdict.PASS
