"""What became of a run: plain frozen data, from which every report and the exit code are made.

Beside the runner, which fills it in; a check's own numbers are its :class:`~gradcheck.check.result.Result`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from gradcheck.check.result import Result, Verdict
from gradcheck.errors import Location
from gradcheck.ignores import Ignored, blocking
from gradcheck.settings import Settings

OK, WRONG, COULD_NOT_RUN, INCONCLUSIVE, BUG, NOTHING, INTERRUPTED = 0, 1, 2, 3, 4, 5, 130


class Status(StrEnum):
    """What a check counts as: its verdict, in the light of what was expected and what is ignored."""

    PASSED = "passed"
    WRONG = "wrong"
    INCONCLUSIVE = "inconclusive"
    ERROR = "could_not_run"
    EXPECTED = "expected"
    UNEXPECTED = "unexpected"
    IGNORED = "ignored"


_STATUS = {
    Verdict.PASS: Status.PASSED,
    Verdict.FAIL: Status.WRONG,
    Verdict.INCONCLUSIVE: Status.INCONCLUSIVE,
}


@dataclass(frozen=True)
class Problem:
    """Why a check could not be carried out.

    Attributes:
        code: stable code, GC0xx.
        message: what happened.
        where: the user's file and line, if known.
        hint: what to do about it.
        details: further lines, one for each attempt.
        traceback: of the user's frames (of all, for a bug), shown with ``--traceback``.
        bug: gradcheck itself is at fault.
    """

    code: str
    message: str
    where: Location | None = None
    hint: str | None = None
    details: tuple[str, ...] = ()
    traceback: str = ""
    bug: bool = False


@dataclass(frozen=True)
class Outcome:
    """What became of one check: a result or a problem, never both.

    Attributes:
        target: as the user wrote it.
        argument: name of the argument, or what ``--argnum`` said where that could not be resolved.
        result: of the check.
        problem: why there is none.
        notes: remarks on how the check was set up (derivatives that were seen but not used).
        reproduce: a command line that repeats this check at its worst point; "" where there is none.
        name: of a declared check; "" for none. source: where it was asked for. expect: the verdict that is right.
        ignored: findings that do not count, and why; ``result`` has the others.
        allow_inconclusive: the check may be inconclusive.
    """

    target: str
    argument: str
    result: Result | None = None
    problem: Problem | None = None
    notes: tuple[str, ...] = ()
    reproduce: str = ""
    name: str = ""
    source: str = "command line"
    expect: str = "pass"
    ignored: tuple[Ignored, ...] = ()
    allow_inconclusive: bool = False

    @property
    def status(self) -> Status:
        """What the check counts as.

        An expectation must be met exactly, as with pytest's strict xfail. A check counts as ignored if everything for
        which it did not pass is ignored; it never counts as passed then.
        """
        if self.result is None:
            return Status.ERROR
        verdict = self.result.verdict
        if self.expect != "pass":
            if verdict.value == self.expect:
                return Status.EXPECTED
            return Status.WRONG if verdict is Verdict.FAIL else Status.UNEXPECTED
        ignored = [each.finding for each in self.ignored]
        if blocking(self.result, ignored) and not blocking(self.result, self.result.findings):
            return Status.IGNORED
        return _STATUS[verdict]


class Interrupted(NamedTuple):
    """A run that was stopped: so many of the checks were done, in the middle of this one, at this place in it."""

    done: int
    checks: int
    name: str
    place: str = ""

    def __str__(self) -> str:
        where = f", in {self.place or self.name}" if self.place or self.name else ""
        return f"interrupted: {self.done} of {self.checks} check{'s' * (self.checks != 1)} done{where}"


@dataclass(frozen=True)
class Run:
    """All outcomes of a run, in the order of the targets and arguments.

    >>> Run((), Settings()).exit_code
    5
    """

    outcomes: tuple[Outcome, ...]
    settings: Settings
    seconds: float = 0.0
    allow_empty: bool = False
    interrupted: Interrupted | None = None

    def count(self, verdict: Verdict) -> int:
        """How many checks have this verdict and it counts: neither expected nor ignored."""
        return self.counted(_STATUS[verdict])

    def counted(self, status: Status) -> int:
        return sum(1 for outcome in self.outcomes if outcome.status is status)

    @property
    def problems(self) -> int:
        return self.counted(Status.ERROR)

    @property
    def exit_code(self) -> int:
        """0 verified, 1 wrong, 2 not run, 3 inconclusive, 4 a bug, 5 nothing, 130 interrupted; 1 before 4, 2, 3."""
        if self.interrupted:
            return INTERRUPTED
        if not self.outcomes:
            return OK if self.allow_empty else NOTHING
        if self.counted(Status.WRONG) or self.counted(Status.UNEXPECTED):
            return WRONG
        if any(outcome.problem and outcome.problem.bug for outcome in self.outcomes):
            return BUG
        if self.problems:
            return COULD_NOT_RUN
        open_ = [outcome for outcome in self.outcomes if outcome.status is Status.INCONCLUSIVE]
        if self.settings.allow_inconclusive or all(outcome.allow_inconclusive for outcome in open_):
            return OK
        return INCONCLUSIVE
