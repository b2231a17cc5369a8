"""What several formats say of a run, in one place: counts, places, findings, and the short texts of a check.

Part of the report floor. Plain text and plain data, without layout, colour or escaping: those are the formats' own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple

from gradcheck.check.codes import CODES
from gradcheck.check.result import Calls, Entry, Finding, Point, Result, StepStudy, Verdict, gravity
from gradcheck.errors import Location
from gradcheck.explain import REQUEST_CODES
from gradcheck.frames import relative
from gradcheck.ignores import Reason, declared_reason
from gradcheck.outcomes import Outcome, Run, Status
from gradcheck.report import numbers

#: Rows of a table of wrong entries, and of a table of values, where not all are asked for.
WRONG_ROWS, VALUE_ROWS = 10, 60
#: What a check counts as, in words, the worst first.
STATUS_NAMES = {
    Status.WRONG: "wrong",
    Status.INCONCLUSIVE: "inconclusive",
    Status.ERROR: "could not run",
    Status.UNEXPECTED: "not as expected",
    Status.IGNORED: "ignored",
    Status.EXPECTED: "as expected",
    Status.PASSED: "passed",
}
#: How a verdict, or that there is none, is written.
NAMES = {Verdict.FAIL: "FAIL", Verdict.INCONCLUSIVE: "INCONCLUSIVE", Verdict.PASS: "PASS"}
#: How a status is written, in the order in which checks are to be looked at.
WORDS = {
    Status.WRONG: "FAIL",
    Status.UNEXPECTED: "UNEXPECTED",
    Status.ERROR: "ERROR",
    Status.INCONCLUSIVE: "INCONCLUSIVE",
    Status.IGNORED: "IGNORED",
    Status.EXPECTED: "EXPECTED",
    Status.PASSED: "PASS",
}
#: Did not pass, and that changes no exit code.
SET_ASIDE = (Status.EXPECTED, Status.IGNORED)


class Level(StrEnum):
    """How grave a finding is; the words are SARIF's."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


#: By the first digit of a code: what such findings are called, and how grave they are.
SORTS = {
    "0": ("error", Level.ERROR),
    "1": ("wrong", Level.ERROR),
    "2": ("inconclusive", Level.WARNING),
    "3": ("warning", Level.NOTE),
}


def sort_of(code: str) -> tuple[str, Level]:
    """What findings of a code are called, and how grave they are.

    >>> sort_of("GC101"), sort_of("GC308")
    (('wrong', <Level.ERROR: 'error'>), ('warning', <Level.NOTE: 'note'>))
    """
    return SORTS[code[2:3]]


@dataclass(frozen=True)
class Issue:
    """One thing to say of a check: a problem, or a finding at all points at which it was seen.

    Attributes:
        code, kind: as GC101, wrong-derivative.
        message, hint: what it is, and what to do about it.
        where: the user's file, relative to the working directory, and line.
        known: ``where`` is that of the finding, and not merely that of the function.
        more: how often the like was seen at the same place beside this.
        reason: why it does not count; None if it does.
    """

    code: str
    kind: str
    message: str
    where: Location | None
    known: bool
    hint: str | None = None
    more: int = 0
    reason: Reason | None = None

    @property
    def level(self) -> Level:
        return Level.NOTE if self.reason else sort_of(self.code)[1]

    @property
    def text(self) -> str:
        """The message, and how often the like was seen."""
        return self.message + (f" (and {self.more} more like this)" if self.more else "")


def issues(outcome: Outcome) -> list[Issue]:
    """What counts of what there is to say of an outcome, in the order in which it was found.

    That is something, unless the check passed, is as expected or is ignored.
    """
    problem, result = outcome.problem, outcome.result
    if problem is not None:
        row = (REQUEST_CODES | CODES).get(problem.code)
        known = problem.where is not None
        return [
            Issue(problem.code, row.kind if row else "error", problem.message, near(problem.where), known, problem.hint)
        ]
    if result is None:
        return []
    found = _of_findings(result.findings, result)
    if outcome.status is Status.EXPECTED:
        return [issue for issue in found if not is_verdict(issue.code)]
    return found if outcome.status is Status.IGNORED else _with_verdict(found, result)


def aside(outcome: Outcome) -> list[Issue]:
    """What there is to say of an outcome and does not count: what is ignored, and what was expected."""
    result = outcome.result
    if result is None:
        return []
    found: list[Issue] = []
    for reason in dict.fromkeys(each.reason for each in outcome.ignored):
        ignored = [each.finding for each in outcome.ignored if each.reason == reason]
        found += [replace(issue, reason=reason) for issue in _of_findings(ignored, result)]
    if outcome.status is Status.EXPECTED:
        about = [issue for issue in _of_findings(result.findings, result) if is_verdict(issue.code)]
        reason = declared_reason("", f'expect = "{outcome.expect}"', outcome.source, result.where)
        told = any(is_verdict(issue.code) for issue in found)
        found += [replace(issue, reason=reason) for issue in (about if told else _with_verdict(about, result))]
    return found


def reason_text(reason: Reason) -> str:
    """Why something does not count.

    >>> reason_text(Reason("GC201", "the comment at model.py:7", True, "the kink is meant"))
    'ignored by the comment at model.py:7: the kink is meant'
    """
    why = f": {reason.justification}" if reason.justification else ""
    return ("ignored by " if reason.code else "as expected: ") + reason.said_by + why


def is_verdict(code: str) -> bool:
    """Whether a finding says why a check did not pass; others are warnings."""
    return code.startswith(("GC1", "GC2"))


def _of_findings(findings: Iterable[Finding], result: Result) -> list[Issue]:
    return [
        Issue(f.code, f.kind, f.message, near(f.where or result.where), f.where is not None, f.hint, more)
        for f, more in distinct(findings)
    ]


def _with_verdict(found: list[Issue], result: Result) -> list[Issue]:
    """With the verdict itself, where no finding says it."""
    wanted = {Verdict.FAIL: "GC101", Verdict.INCONCLUSIVE: "GC202"}.get(result.verdict)
    if wanted and not any(is_verdict(issue.code) for issue in found):
        return [Issue(wanted, CODES[wanted].kind, counts_text(result), near(result.where), False), *found]
    return found


def near(where: Location | None) -> Location | None:
    """A place, with the file as the user would write it."""
    return where and Location(relative(where.file), where.line)


def distinct(findings: Iterable[Finding]) -> list[tuple[Finding, int]]:
    """The same is often seen at every point: once, with the first message, and how many more there are."""
    seen: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        seen.setdefault((finding.code, str(finding.where)), []).append(finding)
    return [(found[0], len(found) - 1) for found in seen.values()]


def word(outcome: Outcome) -> str:
    """What a check counts as: ``PASS``, ``FAIL``, ``ERROR`` where there was none, or another of ``WORDS``."""
    return WORDS[outcome.status]


def title(outcome: Outcome) -> str:
    """``model.py:loss by w``, with the name of a declared check: a check in a few words."""
    second = " (second derivative)" if outcome.result and outcome.result.order == 2 else ""
    argument = outcome.result.argname if outcome.result else outcome.argument
    return f"{outcome.target} by {argument}{second}" + (f" ({outcome.name})" if outcome.name else "")


def headline(outcome: Outcome) -> str:
    """What became of a check, in one line: counts and agreement, or what went wrong."""
    result = outcome.result
    if result is None:
        return outcome.problem.message if outcome.problem else ""
    text = passed_text(result) if result.verdict is Verdict.PASS else counts_text(result)
    if outcome.status is Status.UNEXPECTED:
        return next((f.message for f in result.findings if f.code == "GC150"), text)
    if outcome.status is Status.EXPECTED:
        return f"{text}; as declared at {outcome.source}"
    hidden = len(outcome.ignored)
    return text + (f"; {hidden} finding{'s' * (hidden != 1)} ignored" if hidden else "")


def counts(run: Run) -> list[tuple[int, str]]:
    """How many checks came to what, the worst first; what none came to is left out."""
    return tally(outcome.status for outcome in run.outcomes)


def tally(statuses: Iterable[Status]) -> list[tuple[int, str]]:
    """How many of these there are of each status, as :func:`counts` tells it.

    >>> tally([Status.PASSED, Status.WRONG, Status.PASSED])
    [(1, 'wrong'), (2, 'passed')]
    """
    counted = Counter(statuses)
    return [(counted[status], name) for status, name in STATUS_NAMES.items() if counted[status]]


def summary(run: Run) -> str:
    """``3 checks: 1 wrong, 2 passed``, without the time; where the run was interrupted, that."""
    checks = len(run.outcomes)
    text = f"{checks} check{'s' * (checks != 1)}: " + ", ".join(f"{n} {name}" for n, name in counts(run))
    text = text + ignored_text(run) if checks else "nothing was checked"
    return text + ("; " + " ".join(str(run.interrupted).split()) if run.interrupted else "")


def ignored_text(run: Run) -> str:
    """``; 2 findings ignored``: those of checks that do not count as ignored themselves."""
    hidden = sum(len(outcome.ignored) for outcome in run.outcomes if outcome.status is not Status.IGNORED)
    return f"; {hidden} finding{'s' * (hidden != 1)} ignored" if hidden else ""


def passed_text(result: Result) -> str:
    """What is said of a check that passed."""
    parts = [f"{compared(result)} agree: {entries_text(result)}{points_text(result)}", difference_text(result)]
    resolution = max((e.resolution for e in result.entries if e.resolution is not None), default=None)
    if resolution is not None:
        parts[-1] += f" (resolution {numbers.relative(resolution)})"
    calls = f" in {result.f_calls} calls" if result.stacked else ""
    parts.append(f"{result.evaluations} evaluations{calls}{extra_text(result)}")
    return ", ".join(part for part in parts if part)


def extra_text(result: Result) -> str:
    """What the pictures took beside the check."""
    extra = sum(study.evaluations for study in result.studies)
    return f" and {extra} more for the picture{'s' * (len(result.studies) > 1)}" if extra else ""


def counts_text(result: Result) -> str:
    """``2 of 3 entries wrong, 5 points``: what is said of a check that did not pass."""
    rows = worst_first(result.entries)
    # Without a hand-written derivative nothing of the user's is wrong.
    wrong = "wrong" if any(e.yours is not None for e in result.entries) else "disagree"
    found = []
    for verdict, name in {Verdict.FAIL: wrong, Verdict.INCONCLUSIVE: "undecided"}.items():
        hits = [row.entry for row in rows if row.entry.verdict is verdict]
        single, along = part(hits, result.located, "entries"), part(hits, result.along, "random directions")
        if single:
            found.append(f"{single} {name}" + (f", and {along}" if along else ""))
        elif along:
            found.append(f"{along} {name}")
    if result.verdict is Verdict.FAIL and not any(row.entry.verdict is Verdict.FAIL for row in rows):
        found[:0] = [f"{f.kind} ({f.code})" for f in result.findings if f.code.startswith("GC1")][:1]
    points = f", {len(result.points)} points" if len(result.points) > 1 else ""
    return ", ".join(found or ["nothing was verified" if result.entries else "no entry could be compared"]) + points


def point_text(point: Point, result: Result) -> tuple[str, str]:
    """The point in the notation of ``--at``, and how it was found."""
    seed = point.seed if point.seed is not None else result.seed
    return (
        point.text if point.text is not None else "not written out: too large, or not of numbers alone",
        f"{point.how}, seed {seed}",
    )


def shown_point(result: Result) -> tuple[str, Point] | None:
    """The point to look at first, and what it is called: ``point 5``, or ``point`` where it is the only one."""
    if not result.points:
        return None
    at = result.worst_point
    return (f"point {at + 1}" if len(result.points) > 1 else "point"), result.points[at]


def ordered(run: Run) -> list[tuple[int, Outcome]]:
    """All checks with their numbers from 1, wrong ones first, passed ones last."""
    rank = list(WORDS)
    return sorted(enumerate(run.outcomes, start=1), key=lambda pair: rank.index(pair[1].status))


def entry_of(result: Result, study: StepStudy) -> Entry:
    """The entry that a study is about."""
    return next(e for e in result.entries if (e.label, e.point) == (study.label, study.point))


def worst_study(run: Run) -> tuple[Outcome, StepStudy] | None:
    """The study of the worst entry of all checks, and the check; one that counts, if there is one."""
    found = [(outcome, outcome.result) for outcome in run.outcomes if outcome.result and outcome.result.studies]
    ranked = []
    for at, (outcome, result) in enumerate(found):
        study = result.studies[0]
        ranked.append((outcome.status in SET_ASIDE, gravity(entry_of(result, study)), at, outcome, study))
    return min(ranked, key=lambda row: row[:3])[3:] if ranked else None


class Row(NamedTuple):
    """An entry at its worst point, and at how many points it has that verdict."""

    entry: Entry
    points: int


def worst_first(entries: Sequence[Entry]) -> list[Row]:
    """What did not pass, a row for each entry at its worst point: wrong first, largest first."""
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.verdict is not Verdict.PASS:
            groups.setdefault(entry.label, []).append(entry)
    rows = []
    for group in groups.values():
        worst = min(group, key=gravity)
        rows.append(Row(worst, sum(1 for entry in group if entry.verdict is worst.verdict)))
    return sorted(rows, key=lambda row: gravity(row.entry))


def part(hits: Iterable[Entry], entries: Sequence[Entry], noun: str) -> str:
    """``3 of 9 entries``: how many of these are among the hits; "" for none."""
    labels = {e.label for e in entries}
    some = len(labels & {e.label for e in hits})
    return f"{some} of {len(labels)} {noun}" if some else ""


def entries_text(result: Result) -> str:
    """``3 entries``; where only a sample was measured ``12 of 1000 entries and 8 random directions``, or ``2 random
    directions through 1000 entries``."""
    different, along = len({e.label for e in result.located}), len({e.label for e in result.along})
    total = result.total // max(len(result.points), 1)
    noun = "entry" if max(different, total) == 1 else "entries"
    if along and not different:
        return f"{along} random direction{'s' * (along > 1)} through {total} {noun}"
    text = f"{different} of {total} {noun}" if total > different else f"{different} {noun}"
    return text + (f" and {along} random direction{'s' * (along > 1)}" if along else "")


def points_text(result: Result) -> str:
    """Where a check was carried out, in short: `` at 5 points (x: (3,); seed 0)``, `` at the given point``."""
    points = result.points
    if not points:
        return ""
    several, first, last = len(points) > 1, points[0].how, points[-1]
    seed = "" if last.seed is None else f"seed {last.seed}"
    if first.startswith("trial shapes "):
        shapes = first.removeprefix("trial shapes ").partition("; ")[0]
        return f" at {len(points)} point{'s' * several} ({shapes}; {seed})"
    if first.startswith("defaults"):
        return " at the defaults" + (f" and {len(points) - 1} beside them ({seed})" if several else "")
    if first.startswith("given"):
        return f" at {len(points)} given points" if several else " at the given point"
    return f" at {len(points)} points" if several else ""


def difference_text(result: Result) -> str:
    """The largest relative difference; where a measured value is all error bar (0 against noise) it says nothing."""
    known = [e for e in result.entries if e.difference is not None]
    clear = [e.difference for e in known if e.measured is None or abs(e.measured) > (e.error or 0.0)]
    if not clear:
        return "difference within the error bars" if known else ""
    return f"difference {numbers.relative(max(d for d in clear if d is not None))}"


def compared(result: Result) -> str:
    """``rosen_der (found by name) = autodiff = measured``: the witnesses there were."""
    yours = any(e.yours is not None for e in result.entries) or result.derivative not in ("", "autodiff")
    parts = [f"yours {result.derivative} ({result.derivative_how})"] if yours and result.derivative_how else []
    if yours and not parts:
        parts.append(f"yours {result.derivative}")
    if any(e.autodiff is not None for e in result.entries):
        parts.append("autodiff")
    if any(e.measured is not None for e in result.entries):
        parts.append("measured")
    return ", ".join(parts[:-1]) + " and " + parts[-1] if len(parts) > 1 else "".join(parts)


def calls_text(calls: Calls) -> str:
    """``21 of 23 calls exact, 1 numeric: scipy.x.y at model.py:41, 1 zero by nature``."""
    numeric = [f"{name} at {relative(at.file)}:{at.line}" if at else name for name, at, _ in calls.numeric]
    times = sum(times for *_, times in calls.numeric)
    total = (calls.exact or 0) + times + calls.zero
    if calls.exact is None:
        exact = ["all but these calls exact" if numeric else "all calls exact"]
    else:
        exact = [f"{calls.exact} of {total} calls exact" if total > calls.exact else f"all {total} calls exact"]
    parts = exact + ([f"{times} numeric: {', '.join(numeric)}"] if numeric else [])
    return ", ".join(parts + ([f"{calls.zero} zero by nature"] if calls.zero else []))


def place(result: Result) -> str:
    return f"{relative(result.where.file)}:{result.where.line}" if result.where else result.target
