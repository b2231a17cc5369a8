"""What pytest shows of a check: the command's table below the failing line, one line each for ``-v``, ``-r`` and JUnit.

Beside ``pytest_plugin.py``, and loaded once a check has been made. The texts are made where the check ran and travel in
``report.gradcheck``, which is plain data: with pytest-xdist that is another process than the one with the terminal.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, cast

import pytest

from gradcheck.check.notation import write_value
from gradcheck.check.result import CheckError, Verdict, WrongDerivative
from gradcheck.errors import GradcheckError, Location
from gradcheck.frames import is_ours
from gradcheck.outcomes import Outcome, Status
from gradcheck.report.common import difference_text, entries_text, headline, tally, title
from gradcheck.report.style import Style, escaped
from gradcheck.streams import can_write

if TYPE_CHECKING:
    from gradcheck.integrations.pytest_items import Project


class CheckFailed(Exception):
    """A check that is an item of its own did not pass."""

    def __init__(self, outcomes: Sequence[Outcome]) -> None:
        super().__init__(message_of(outcomes))
        self.outcomes = tuple(outcomes)


@dataclass
class Crash:
    """Where something failed and why, in a line: what ``-ra``, ``--tb=line`` and JUnit's ``message`` are made of."""

    path: str
    lineno: int
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.lineno}: {self.message}"


class Failure:
    """A failure as pytest shows it: the test's traceback, if it is one of a test, then the table of the check."""

    def __init__(self, before: Any, data: dict[str, Any]) -> None:
        self.before = before
        self.data = data
        self.reprcrash = getattr(before, "reprcrash", None) or Crash(data["path"], data["line"], data["message"])

    def toterminal(self, tw: Any) -> None:
        """Write it to pytest's terminal, or to the text file that it takes for one."""
        if hasattr(self.before, "toterminal"):
            self.before.toterminal(tw)
            tw.line()
        elif self.before is not None:
            tw.line(f"{self.before}\n")
        plain = self.data["colored"] and not tw.hasmarkup
        for line in self.data["plain" if plain else "shown"].split("\n"):
            tw.line(line)

    def __str__(self) -> str:
        before = "" if self.before is None else f"{self.before}\n\n"
        return before + str(self.data["plain"])


# texts


def terminal_of(config: pytest.Config) -> dict[str, Any]:
    """What the terminal can show, as plain data: the arguments of a Style."""
    if hasattr(config, "workerinput"):  # of pytest-xdist: it writes to no terminal
        told: dict[str, Any] = config.workerinput.get("gradcheck", {})
        return told
    reporter: Any = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None:
        return {}
    tw = config.get_terminal_writer()
    # Off a terminal nothing is wrapped or cut, as with the command.
    width = tw.fullwidth if reporter.isatty else None
    stream = sys.__stdout__
    return {
        "color": bool(tw.hasmarkup),
        "width": width,
        "ascii": stream is not None and not can_write("±×─", stream.encoding),
    }


def message_of(outcomes: Sequence[Outcome]) -> str:
    """``loss by w: 2 of 3 entries wrong``."""
    return escaped("; ".join(f"{title(outcome)}: {headline(outcome)}" for outcome in outcomes))


def texts(outcomes: Sequence[Outcome], config: pytest.Config, where: Location, message: str) -> dict[str, Any]:
    """What a report has to show of checks that did not pass: for files and for the terminal."""
    bug = any(outcome.problem and outcome.problem.bug for outcome in outcomes)
    terminal = Style(**terminal_of(config), traceback=bug or config.option.fulltrace)
    plain = replace(terminal, color=False, width=None, ascii=False)
    return {
        "message": message,
        "colored": terminal.color,
        "shown": text_of(outcomes, terminal),
        "plain": text_of(outcomes, plain),
        "path": where.file,
        "line": where.line,
    }


def text_of(outcomes: Sequence[Outcome], style: Style | None = None) -> str:
    """What the command would say."""
    from gradcheck.report.full import outcome_text

    return "\n".join(outcome_text(outcome, style or Style()).strip("\n") for outcome in outcomes)


# reports


def before_report(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """Take our frames out of what a test raised, and say it in one line: the table has the rest."""
    excinfo = call.excinfo
    if excinfo is None or not isinstance(excinfo.value, WrongDerivative | GradcheckError):
        return
    if isinstance(excinfo.value, WrongDerivative):
        excinfo.value.args = (message_of([outcome_of(excinfo.value)]),)
    if item.config.option.fulltrace:
        return
    # pytest's own filter would be undone where it cuts off what called the test.
    excinfo.traceback = type(excinfo.traceback)(_without_ours(excinfo.tb) or excinfo.tb)
    for error in _causes(excinfo.value):
        error.__traceback__ = _without_ours(error.__traceback__)


def outcome_of(error: WrongDerivative) -> Outcome:
    """What ``raise_if_wrong`` raised, as an outcome."""
    result = error.result
    points = tuple(point if point.text else replace(point, text=_written(point.args)) for point in result.points)
    return Outcome(result.target, result.argname, result=replace(result, points=points))


def _written(args: Sequence[Any]) -> str | None:
    """The arguments in their order, as ``--at`` takes them; None where they are too large, or no plain values."""
    values = [write_value(value) for value in args]
    texts = [text for text in values if text is not None]
    return "; ".join(texts) if len(texts) == len(values) else None


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen = {id(error)}
    following = error.__cause__ or error.__context__
    while following is not None and id(following) not in seen:
        seen.add(id(following))
        yield following
        following = following.__cause__ or following.__context__


def _without_ours(tb: TracebackType | None) -> TracebackType | None:
    """A traceback without our frames; as it is, if there are no others."""
    kept: list[TracebackType] = []
    at = tb
    while at is not None:
        if not is_ours(at.tb_frame.f_code.co_filename):
            kept.append(at)
        at = at.tb_next
    made: TracebackType | None = None
    for one in reversed(kept):
        made = TracebackType(made, one.tb_frame, one.tb_lasti, one.tb_lineno)
    return made or tb


def after_report(
    item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport, checked: Sequence[Outcome]
) -> None:
    """Put into the report what was checked, and how what did not pass is shown.

    Args:
        checked: outcomes of the item, or those that the fixture of a test has found right.
    """
    error = call.excinfo.value if call.excinfo else None
    outcomes, failed = list(checked), []
    if isinstance(error, WrongDerivative):
        failed = [outcome_of(error)]
        outcomes += failed
    elif isinstance(error, CheckFailed):
        failed = [outcome for outcome in outcomes if outcome in error.outcomes]
    statuses = [outcome.status for outcome in outcomes] + [Status.ERROR] * isinstance(error, CheckError)
    if not statuses:
        return
    data: dict[str, Any] = {"statuses": [status.value for status in statuses]}
    path, line, _ = item.reportinfo()
    where = Location(os.fspath(path), (line or 0) + 1)
    if failed:
        # The id of an item names the function already; that of a test does not.
        data["bare"] = isinstance(error, CheckFailed)
        message = escaped(headline(failed[0])) if data["bare"] and len(failed) == 1 else message_of(failed)
        data |= texts(failed, item.config, where, message)
    elif call.when == "call" and outcomes:
        data["detail"] = _detail(outcomes)
        data["details"] = "; ".join(map(headline, outcomes))
    if isinstance(report.longrepr, tuple) and is_ours(report.longrepr[0]):
        # Skipped by the item itself, which stands in a file of ours.
        report.longrepr = (where.file, where.line, report.longrepr[2])
    cast(Any, report).gradcheck = data
    if not hasattr(item.config, "workerinput"):
        dress(report)


def _detail(outcomes: Sequence[Outcome]) -> str:
    """``2 entries, difference 4.0e-11, 7 evaluations``."""
    results = [outcome.result for outcome in outcomes if outcome.result is not None]
    said = [entries_text(results[0]), difference_text(results[0])]
    if len(results) > 1:
        said = [f"{len(results)} derivatives"]
    said.append(f"{sum(result.evaluations for result in results)} evaluations")
    return ", ".join(text for text in said if text)


def dress(report: pytest.TestReport) -> None:
    """Give a report of a failure the object that shows it."""
    data = cast(Any, report).gradcheck
    if "plain" in data and not isinstance(report.longrepr, Failure):
        shown: Any = Failure(None if data["bare"] else report.longrepr, data)
        report.longrepr = shown


# items


def accepted(outcome: Outcome, allow_inconclusive: bool) -> bool:
    """Whether a check is no failure: it passed, was expected or ignored, or may be inconclusive and is."""
    if outcome.status is Status.INCONCLUSIVE:
        return allow_inconclusive
    return outcome.status in (Status.PASSED, Status.EXPECTED, Status.IGNORED)


def aside(outcome: Outcome) -> str:
    """Why a check that is no failure did not pass: ``expect = "fail" at pyproject.toml:12: GC101 wrong-derivative``."""
    result = outcome.result
    if result is None or outcome.status is Status.PASSED:
        return ""
    ignored = outcome.status is Status.IGNORED
    found = [each.finding for each in outcome.ignored] if ignored else result.findings
    codes = dict.fromkeys(f"{f.code} {f.kind}" for f in found if f.code.startswith(("GC1", "GC2")))
    why = {
        Status.EXPECTED: f'expect = "{outcome.expect}" at {outcome.source}',
        Status.IGNORED: "ignored",
        Status.INCONCLUSIVE: f"inconclusive, {headline(outcome)}",
    }[outcome.status]
    return f"{why}: {', '.join(codes)}" if codes else why


def properties(outcomes: Sequence[Outcome]) -> list[tuple[str, object]]:
    """What JUnit's ``properties`` of an item say."""
    results = [outcome.result for outcome in outcomes if outcome.result is not None]
    if len(results) < len(outcomes) or not results:
        return [("verdict", "could not run")]
    order = (Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.PASS)
    worst = min((result.verdict for result in results), key=order.index)
    return [("verdict", worst.value), ("evaluations", sum(result.evaluations for result in results))]


# the summary


def summary_lines(reporter: Any, project: Project | None) -> list[str]:
    """What was checked, in a line, and what of the project was not looked at."""
    statuses = [
        Status(text)
        for reports in reporter.stats.values()
        for report in reports
        for text in getattr(report, "gradcheck", {}).get("statuses", ())
    ]
    lines = list(project.remarks) if project else []
    if statuses:
        counted = ", ".join(f"{count} {name}" for count, name in tally(statuses))
        lines.append(f"{len(statuses)} check{'s' * (len(statuses) != 1)}, {counted}")
    elif project and not reporter.config.option.collectonly:
        lines.append("nothing was checked")
    return lines
