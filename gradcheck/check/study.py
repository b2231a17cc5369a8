"""How the measurement of the worst entries depends on the step, for the picture that explains a number.

Part of the check floor, on request only: a check does not need it. While a check runs, :class:`Studies` keeps the lines
of the few worst entries; when the verdict stands, their ladders are filled up with steps from where rounding hides the
slope to where f is no longer a parabola. The verdict is not touched, and what that takes is counted apart.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradcheck.check.compare import Measured
from gradcheck.check.result import Entry, Step, StepStudy, Verdict, gravity
from gradcheck.numeric.ladder import RATIO, Estimate, Ladder, climb, estimate
from gradcheck.numeric.lines import Sampler
from gradcheck.numeric.scale import power_of_two

#: Every step within so many rungs of the chosen one, every second one further out.
NEAR = 4
#: The error of long steps is c·h² where it grows by 16 from a step to the next, give or take this factor,
REGULAR = 2.0
#: and is more than the noise by this one.
CLEAR = 10.0


@dataclass(frozen=True)
class Term:
    """An output of a measured line, and how often it counts for the entry; most entries have one such term."""

    measured: Measured
    row: int
    weight: float = 1.0


@dataclass(frozen=True)
class _Kept:
    """An entry that may be shown, and what it was measured from."""

    entry: Entry
    sampler: Sampler
    terms: tuple[Term, ...]
    second: bool


class Studies:
    """Keeps the worst entries of a check, and studies them at its end.

    Args:
        wanted: at most so many, of different entries; a single one where all pass.
    """

    def __init__(self, wanted: int) -> None:
        self.wanted = wanted
        self._kept: dict[str, _Kept] = {}

    def offer(self, entry: Entry, sampler: Sampler, *terms: Term, second: bool = False) -> None:
        """Keep the entry if it is among the worst so far, each at its worst point."""
        held = self._kept.get(entry.label)
        if held is not None and gravity(held.entry) <= gravity(entry):
            return
        if held is None and len(self._kept) >= self.wanted:
            best = max(self._kept, key=lambda label: gravity(self._kept[label].entry))
            if gravity(self._kept[best].entry) <= gravity(entry):
                return
            del self._kept[best]
        self._kept[entry.label] = _Kept(entry, sampler, terms, second)

    def finish(self) -> tuple[StepStudy, ...]:
        """The studies, worst first."""
        kept = sorted(self._kept.values(), key=lambda k: gravity(k.entry))
        shown = [k for k in kept if k.entry.verdict is not Verdict.PASS] or kept[:1]
        return tuple(s for s in (_study(k) for k in shown) if s is not None)


def _study(kept: _Kept) -> StepStudy | None:
    """One entry; None where f is finite at no step at all."""
    before = _samples(kept)
    taken = kept.terms[0].measured.estimate.lengths
    chosen = _chosen(kept)
    # What was measured in a group of columns has no sample of its own, and steps that are no powers of two.
    base = float(power_of_two(taken[0] if chosen is None else chosen)) if not before else float(taken[0])
    near = 0 if chosen is None else round(math.log(chosen / base, RATIO))
    found = []
    for term in kept.terms:
        line, known = term.measured.line, term.measured.estimate
        ladder = Ladder(line, base, known.noise, kept.second)
        rungs = range(min(ladder.lowest, near), max(ladder.highest, near) + 1)
        wanted = [k for k in rungs if abs(k - near) <= NEAR or (k - near) % 2 == 0 or ladder.step(k) in taken]
        climb(kept.sampler, [ladder], [wanted])
        found.append(estimate(kept.sampler, ladder))
    return _record(kept, found, chosen, _samples(kept) - before)


def _samples(kept: _Kept) -> int:
    return sum(len(term.measured.line.samples) for term in kept.terms)


def _chosen(kept: _Kept) -> float | None:
    """The step of the candidate that the verdict took."""
    term = kept.terms[0]
    bars = term.measured.estimate.rung_bar[:, term.row]
    if not np.any(np.isfinite(bars)):
        return None
    return float(term.measured.estimate.lengths[np.nanargmin(bars)])


def _record(kept: _Kept, found: Sequence[Estimate], chosen: float | None, extra: int) -> StepStudy | None:
    """What was seen, as plain numbers."""
    entry = kept.entry
    pairs = list(zip(kept.terms, found, strict=True))
    with np.errstate(all="ignore"):
        plain = np.sum([t.weight * e.plain[:, t.row] for t, e in pairs], axis=0)
        noise = np.sum([abs(t.weight) * e.plain_noise[:, t.row] for t, e in pairs], axis=0)
        best = float(np.sum([t.weight * e.value[t.row] for t, e in pairs]))
    lengths = found[0].lengths
    reference, source = _reference(entry, best)
    if not math.isfinite(reference) or not np.any(np.isfinite(plain)):
        return None
    errors = np.abs(plain - reference)
    used = kept.terms[0].measured.estimate.lengths
    power = 2 if kept.second else 1
    claim = entry.autodiff if entry.yours is None else entry.yours
    known = claim is not None and math.isfinite(abs(claim))
    return StepStudy(
        label=entry.label,
        point=entry.point,
        on_trial="autodiff" if entry.yours is None else "yours",
        claim=float(claim.real) if known and claim is not None else None,
        claim_error=float(abs(claim - reference)) if known and claim is not None else None,
        measured=None if entry.measured is None else float(entry.measured.real),
        bar=entry.error,
        reference=reference,
        reference_from=source,
        chosen=chosen,
        steps=tuple(
            Step(float(h), float(v) if ok else None, float(n), float(x) if ok else None, bool(np.any(used == h)))
            for h, v, n, x, ok in zip(lengths, plain, noise, errors, np.isfinite(plain), strict=True)
        ),
        truncation=_truncation(lengths, errors, noise),
        rounding=float(np.median(noise * lengths**power)),
        order=power,
        natural=kept.terms[0].measured.line.direction is not None,
        evaluations=extra,
    )


def _reference(entry: Entry, best: float) -> tuple[float, str]:
    """The number nearest to the truth: autodiff's, if the measurement confirms it, else what all steps say."""
    ad, measured = entry.autodiff, entry.measured
    if ad is not None and measured is not None and entry.error is not None and abs(ad - measured) <= entry.error:
        return float(ad.real), "autodiff"
    return (best if math.isfinite(best) or measured is None else float(measured.real)), "measured"


def _truncation(lengths: np.ndarray, errors: np.ndarray, noise: np.ndarray) -> float | None:
    """The factor c of c·h², from the shortest two neighbouring steps at which the error is seen to grow like that."""
    for k in range(len(lengths) - 1):
        short, long = errors[k], errors[k + 1]
        expected = (lengths[k + 1] / lengths[k]) ** 2
        if short > CLEAR * noise[k] and expected / REGULAR <= long / short <= expected * REGULAR:
            return float(short / lengths[k] ** 2)
    return None
