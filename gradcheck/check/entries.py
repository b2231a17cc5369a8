"""From judged lines to the entries and findings of the frozen result.

Part of the check floor: words and plain Python numbers, no numerics.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gradcheck.check import judge
from gradcheck.check.claims import Yours
from gradcheck.check.codes import kind
from gradcheck.check.compare import Measured
from gradcheck.check.preflight import Scene
from gradcheck.check.result import Entry, Finding, Verdict, gravity
from gradcheck.errors import Location
from gradcheck.numeric.scale import Array

if TYPE_CHECKING:
    from gradcheck.check.witnesses import Request


@dataclass(frozen=True)
class Tally(Finding):
    """A finding of one point that counts and names entries; :func:`joined` makes one of those of all points.

    Attributes:
        template: the message, with ``{count}``, ``{worst}`` and ``{first}`` to be filled in.
        hits: the entries that it is about.
    """

    template: str = ""
    hits: tuple[Entry, ...] = ()


def tally(code: str, template: str, hits: Sequence[Entry], entries: Sequence[Entry], where: Location | None,
          hint: str | None = None) -> Tally:  # fmt: skip
    """A finding about some of the entries of a point."""
    return Tally(code, kind(code), _filled(template, hits, entries), where, hint, template=template, hits=tuple(hits))


def _filled(template: str, hits: Sequence[Entry], entries: Sequence[Entry]) -> str:
    named = [e for e in hits if e.direction is None] or hits  # name the entries where they are known
    return template.format(
        count=counted(hits, entries), worst=min(named, key=gravity).label, first=named[0].label if named else ""
    )


def joined(findings: Sequence[Finding], entries: Sequence[Entry]) -> list[Finding]:
    """The findings of all points, those that count the same thing at several points as one.

    Their numbers are those of the head of a report: an entry counts once, at however many points.
    """
    same: dict[tuple[str, str, Location | None], list[Tally]] = {}
    out: list[Finding | list[Tally]] = []
    for finding in findings:
        if not isinstance(finding, Tally):
            out.append(finding)
            continue
        key = (finding.code, finding.template, finding.where)
        if key not in same:
            same[key] = []
            out.append(same[key])
        same[key].append(finding)
    return [_one(item, entries) if isinstance(item, list) else item for item in out]


def _one(tallies: Sequence[Tally], entries: Sequence[Entry]) -> Finding:
    first = tallies[0]
    hints = [t.hint for t in tallies]
    # What is said to be right beside kinks must be so at all of them.
    hint = first.hint if len(set(hints)) == 1 or first.code == "GC201" else next(h for h in hints if h)
    if first.code == "GC201" and None in hints:
        hint = None
    hits = [e for t in tallies for e in t.hits]
    if first.code.startswith("GC2"):  # what is wrong at another point is no longer undecided
        wrong = {e.label for e in entries if e.verdict is Verdict.FAIL}
        hits = [e for e in hits if e.label not in wrong] or hits
    message = _filled(first.template, hits, entries)
    return Finding(first.code, first.kind, message, first.where, hint, first.evidence)


VERDICTS = {
    judge.PASS: Verdict.PASS,
    judge.FAIL: Verdict.FAIL,
    judge.OUTSIDE: Verdict.FAIL,
    judge.NAN: Verdict.FAIL,
}


def entries_of(
    scene: Scene, measured: Sequence[Measured], claims: dict[str, Array | None], argname: str, point: int
) -> list[Entry]:
    """One entry a line and output, in order of output and index."""
    own, ad = claims["yours"], claims["autodiff"]
    entries: list[tuple[int, Entry]] = []
    directions = 0
    for i, m in enumerate(measured):
        along = m.line.direction is not None
        directions += along
        index = () if m.line.column is None or not scene.space.shape else _unravel(m.line.column, scene.space.shape)
        for row in range(scene.value.width):
            output, part = scene.value.output(row)
            label = f"{part}df{_brackets(output)}/d{argname}{_brackets(index)}"
            if along:
                label += f" · v{directions}"
            both = (None if own is None else own[i, row], None if ad is None else ad[i, row])
            number = directions if along else None
            entries.append((row, judged_entry(m, row, label, output, index, point, both, number)))
    return [e for _, e in sorted(entries, key=lambda pair: pair[0])]


def judged_entry(
    m: Measured,
    row: int,
    label: str,
    output: tuple[int, ...],
    index: tuple[int, ...],
    point: int,
    both: tuple[float | None, float | None],
    direction: int | None = None,
) -> Entry:
    """One output of one judged line as an entry; ``both`` is what the user and autodiff claim of it."""
    own, ad = both
    value = _number(m.estimate.value[row])
    return Entry(
        label=label,
        output=output,
        index=index,
        point=point,
        yours=None if own is None else float(own),
        autodiff=None if ad is None else float(ad),
        measured=value,
        error=_number(_bound(m, row)),
        difference=_relative(float(m.trial.claim[row]), value),
        verdict=VERDICTS.get(int(m.state[row]), Verdict.INCONCLUSIVE),
        note=_note(m, row),
        resolution=_number(m.opinion.resolution[row]),
        direction=direction,
    )


def _bound(m: Measured, row: int) -> float:
    """What the measured value is off by at most: three error bars, which is what a failure must exceed.

    Where two derivatives agree, or autodiff explains a failure, the exact value is known, and the bound covers it.
    """
    value, trial = float(m.estimate.value[row]), m.trial
    bound = judge.BARS * float(m.estimate.bar[row])
    if int(m.state[row]) in (judge.KINK, judge.OUTSIDE):  # what is measured is the middle of the two slopes
        e = m.estimate
        bound = max(bound, float(0.5 * np.abs(e.right[row] - e.left[row]) + e.doubt[row]))
    if judge.staircase(m.estimate)[row]:
        gaps = np.abs(m.estimate.plain[:, row] - value)
        unexplained = gaps > judge.VISIBLE * m.estimate.plain_noise[:, row]
        bound = max(bound, float(np.nanmax(gaps, where=unexplained, initial=0.0)))
    if trial.witness is None or not np.isfinite(trial.witness[row]):
        return bound
    apart = abs(float(trial.witness[row]) - value)
    if trial.witness_agrees[row] or (m.state[row] == judge.FAIL and apart <= 0.1 * abs(trial.claim[row] - value)):
        return max(bound, apart)
    return bound


def counted(hits: Sequence[Entry], entries: Sequence[Entry]) -> str:
    """How many of how many: ``3 of 9 entries``, ``3 of 9 entries and 3 of 3 random directions``; at any point."""
    parts = []
    for along, noun in ((False, "entries"), (True, "random directions")):
        some = len({e.label for e in hits if (e.direction is not None) == along})
        if some:
            parts.append(f"{some} of {len({e.label for e in entries if (e.direction is not None) == along})} {noun}")
    return " and ".join(parts)


def _unravel(column: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(int(i) for i in np.unravel_index(column, shape))


def _brackets(index: tuple[int, ...]) -> str:
    return f"[{','.join(map(str, index))}]" if index else ""


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _relative(a: float, b: float | None) -> float | None:
    """|a - b| relative to the larger magnitude."""
    if b is None or not np.isfinite(a):
        return None
    size = max(abs(a), abs(b))
    return abs(a - b) / size if size else 0.0


def _note(m: Measured, row: int) -> str:
    """Why, where there is more to say than the numbers do."""
    state, e = int(m.state[row]), m.estimate
    if state in (judge.KINK, judge.OUTSIDE):
        left, right = (_known_digits(float(slope[row]), float(e.doubt[row])) for slope in (e.left, e.right))
        if e.vertical[row]:
            return "jump: f is discontinuous here, or its slope is infinite"
        text = f"kink: slope {left} on the left, {right} on the right".replace("-", "−")
        return f"{text}, the derivative {_in_subdifferential(m, row)}"
    notes = {
        judge.UNDECIDED: "the error bar is too wide to decide",
        judge.ALONE: "autodiff disagrees with both",
        judge.SCALES: "f jumps by tiny amounts nearby, which explain the difference",
        judge.GONE: "f is not finite beside the point",
        judge.ROUNDING: "nothing but rounding beside the other outputs",
        judge.NAN: "not finite, although f has a derivative here",
    }
    note = m.reason if m.reason and state == judge.UNDECIDED else notes.get(state, "")
    if state == judge.GONE and m.line.blocked:
        note = BLOCKED
    witness = m.trial.witness
    if (
        state == judge.UNDECIDED
        and not m.reason
        and witness is not None
        and not (m.trial.witness_agrees[row] or np.isnan(witness[row]))
    ):
        note = "autodiff and the hand-written derivative disagree; the measurement cannot tell which is right"
    elif (
        state == judge.UNDECIDED and not m.reason and m.trial.witness_agrees[row] and m.opinion.state[row] == judge.FAIL
    ):
        note = "yours and autodiff agree, and the measurement is off by little: f is rough, it seems"
    if m.complex_step is not None and m.opinion.state[row] == judge.UNDECIDED:
        by = {judge.PASS: "confirmed by", judge.FAIL: "autodiff agrees with", judge.ALONE: "yours agrees with"}.get(
            state
        )
        note = f"{by} a complex step" if by else note
    side = {0: "", 1: "measured from the right only", -1: "measured from the left only"}[m.line.side]
    return "; ".join(t for t in (note, side) if t)


def _known_digits(slope: float, doubt: float) -> str:
    """A slope, no further than it is known.

    >>> _known_digits(-0.687297, 1.2e-3), _known_digits(1.0, 1e-15), _known_digits(0.0, 0.0)
    ('-0.687', '1', '0')
    """
    digits = 6
    if slope and 0 < doubt < np.inf:
        digits = int(np.clip(np.floor(np.log10(abs(slope))) - np.floor(np.log10(doubt)) + 1, 2, 6))
    return f"{slope:.{digits}g}"


def _in_subdifferential(m: Measured, row: int) -> str:
    """Where the derivative on trial lies at a kink: among the slopes or outside."""
    if m.state[row] == judge.OUTSIDE:
        return "is outside"
    claim = float(m.trial.claim[row])
    for side, slope in (("left", float(m.estimate.left[row])), ("right", float(m.estimate.right[row]))):
        if abs(claim - slope) <= float(m.estimate.doubt[row]) + 1e-6 * max(abs(claim), abs(slope)):
            return f"is the {side} one"
    low, high = sorted((float(m.estimate.left[row]), float(m.estimate.right[row])))
    if m.reason and not low <= claim <= high:
        return m.reason
    return "lies between"


#: Of an entry whose argument is fixed by its bounds.
BLOCKED = "the bounds leave no room for a step"
#: state -> code and message of the finding it causes
MESSAGES = {
    judge.FAIL: ("GC101", "{count} are wrong; the worst is {worst}"),
    judge.NAN: ("GC103", "{count} are not finite where f has a derivative; the first is {first}"),
    judge.OUTSIDE: ("GC104", "at a kink the derivative is not between the slopes: {first}"),
    judge.KINK: ("GC201", "f has a kink at the point: {first}"),
    judge.UNDECIDED: ("GC202", "{count} could not be decided; the first is {first}"),
    judge.GONE: ("GC203", "f is not finite on either side of the point: {first}"),
    judge.SCALES: ("GC204", "f jumps by tiny amounts, which explain the difference: {first}"),
    judge.ROUNDING: ("GC209", "{count} differ, but by less than the rounding of the other outputs: {first}"),
    judge.ALONE: ("GC303", "autodiff disagrees with the derivative and the measurement: {first}"),
}

#: The same where autodiff's derivative is on trial, not one of the user's: code, message and hint.
REPORT = (
    "no derivative of yours was checked: either f cannot be followed (numbers that pass through text or files, values "
    "that are rounded or jump), or gradcheck has a bug; then please report it together with f"
)
AUTODIFF_MESSAGES = {
    judge.FAIL: ("GC106", "autodiff and the measurement disagree in {count}; the worst is {worst}", REPORT),
    judge.NAN: (
        "GC103",
        "autodiff's derivative is not finite in {count}, where f has a finite one; the first is {first}",
        "the chain rule meets 0·inf or 0/0 inside f at this point; a special case there avoids it",
    ),
    judge.OUTSIDE: ("GC104", "at a kink autodiff's derivative is not between the slopes: {first}", REPORT),
}


def findings_of(
    scene: Scene,
    measured: Sequence[Measured],
    entries: Sequence[Entry],
    request: Request,
    yours: Yours | None,
) -> list[Finding]:
    """What the entries mean for the check as a whole."""
    states = np.stack([m.state for m in measured]).T.reshape(-1)  # in the order of the entries
    vertical = np.stack([m.estimate.vertical for m in measured]).T.reshape(-1)
    where = yours.function.where if yours is not None else scene.f.where
    out: list[Finding] = []
    for state, (code, text) in MESSAGES.items():
        hits = [e for e, s in zip(entries, states, strict=True) if s == state]
        if not hits:
            continue
        if state == judge.KINK and np.all(vertical[states == state]):
            code, text = "GC205", "f jumps at the point, or its slope is infinite: {first}"
        if state == judge.GONE and all(e.note == BLOCKED for e in hits):
            text = BLOCKED + ": {first}"
        hint = None
        if yours is None and state in AUTODIFF_MESSAGES:
            code, text, hint = AUTODIFF_MESSAGES[state]
        out.append(tally(code, text, hits, entries, where if code.startswith("GC1") else scene.f.where, hint))
    if scene.x.size > len({m.line.column for m in measured if m.line.column is not None}):
        out.append(_sampled(scene, measured, entries))
    return out


def _sampled(scene: Scene, measured: Sequence[Measured], entries: Sequence[Entry]) -> Finding:
    """Not everything was compared one by one: say what was."""
    directions = sum(m.line.direction is not None for m in measured)
    seen = max((e.resolution or 0.0 for e in entries if e.direction is not None), default=0.0)
    single = len(measured) - directions
    along = f"{directions} random directions through all {scene.x.size} inputs"
    sharp = f"errors above {seen:.1e} of the whole"
    if single:
        text = f"{along} and {single} single inputs were checked; the directions see {sharp}"
    else:
        text = f"measured along {along} only, as the derivatives agree in each; {sharp} show"
    return Finding("GC308", kind("GC308"), text, scene.f.where)
