"""The report for people: a line for what passed, a table for what did not, a summary.

Built with rich, but rendered to text of the width and character set of the
:class:`~gradcheck.report.style.Style`, so that it is a function of the outcomes like every other format. User
text is never read as markup: ``x[i]`` is not a tag.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Sequence

from rich.box import Box
from rich.console import Console, Group, RenderableType
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from gradcheck.check.result import Finding, Point, Result, Verdict
from gradcheck.frames import relative as relative_path
from gradcheck.outcomes import Outcome, Problem, Run, Status
from gradcheck.report import numbers
from gradcheck.report.common import (
    NAMES,
    VALUE_ROWS,
    WRONG_ROWS,
    Row,
    calls_text,
    compared,
    counts,
    counts_text,
    distinct,
    ignored_text,
    is_verdict,
    passed_text,
    place,
    point_text,
    shown_point,
    sort_of,
    worst_first,
)
from gradcheck.report.style import Style
from gradcheck.settings import Settings

# No width at all: lines are neither wrapped nor cut. Tables and paddings here never expand to it.
UNLIMITED = 1_000_000
HANG = 4

# Blanks at the end of a line, before the escape sequences that end a colour.
_TRAILING = re.compile(r"[ ]+((?:\x1b\[[0-9;]*m)*)$")
_COLORS = {Verdict.FAIL: "bold red", Verdict.INCONCLUSIVE: "bold yellow", Verdict.PASS: "bold green"}
_SORT_COLORS = {"wrong": "red", "inconclusive": "yellow", "warning": "yellow", "error": "red"}
_COUNT_COLORS = {
    "wrong": "bold red",
    "inconclusive": "bold yellow",
    "could not run": "bold red",
    "not as expected": "bold red",
    "ignored": "bold yellow",
    "as expected": "cyan",
    "passed": "bold green",
}
_LINES = Box("    \n    \n ── \n    \n    \n    \n    \n    \n")
_ASCII_LINES = Box("    \n    \n -- \n    \n    \n    \n    \n    \n", ascii=True)


def render(run: Run, style: Style) -> str:
    """The report as text; "" with ``style.quiet`` of 2 and more."""
    if style.quiet >= 2:
        return ""
    return _Report(run, style).text()


def outcome_text(outcome: Outcome, style: Style) -> str:
    """One outcome as it stands in the report."""
    report = _Report(Run((outcome,), Settings()), style)
    report.outcome(outcome)
    return report.written()


class _Report:
    """Writes one run; holds the style and the console that lays the parts out."""

    def __init__(self, run: Run, style: Style) -> None:
        self.run = run
        self.style = style
        self.out = io.StringIO()
        self.console = Console(
            file=self.out,
            width=style.width or UNLIMITED,
            force_terminal=style.color,
            color_system="standard" if style.color else None,
            no_color=not style.color,
            force_jupyter=False,
            force_interactive=False,
            legacy_windows=False,
            markup=False,
            emoji=False,
            highlight=False,
        )

    def text(self) -> str:
        for outcome in self.run.outcomes:
            self.outcome(outcome)
        self.summary()
        return self.written()

    def written(self) -> str:
        """What was printed so far, without blanks at the ends of lines."""
        lines = [_TRAILING.sub(r"\1", line) for line in self.out.getvalue().split("\n")]
        return "\n".join(lines)

    # layout

    def styled(self, *parts: str | tuple[str, str]) -> Text:
        """A text from pieces and (piece, style) pairs, in characters that the stream can write."""
        text = Text()
        for part in parts:
            piece, look = (part, "") if isinstance(part, str) else part
            text.append(self.style.plain(piece), style=look)
        return text

    def line(self, *parts: str | tuple[str, str], indent: int = 0, wrap: bool = True) -> None:
        """Print one line; where the width is limited it is wrapped, with a hanging indent."""
        text = self.styled(*parts)
        width = self.style.width
        if not wrap or width is None:
            self.console.print(Text(" " * indent) + text, soft_wrap=True)
            return
        for number, row in enumerate(text.wrap(self.console, max(width - indent - HANG, 20))):
            self.console.print(Text(" " * (indent + (HANG if number else 0))) + row, soft_wrap=True)

    # one outcome

    def outcome(self, outcome: Outcome) -> None:
        result = outcome.result
        if self.style.quiet and (outcome.status is Status.EXPECTED or _is_clean(outcome)):
            return
        if outcome.problem is not None:
            self.problem(outcome, outcome.problem)
        elif result is not None and outcome.status in (Status.EXPECTED, Status.IGNORED):
            self.set_aside(outcome, result)
            return
        elif result is not None and result.verdict is Verdict.PASS:
            self.passed(outcome, result)
        elif result is not None:
            self.not_passed(outcome, result)
        for note in outcome.notes:
            self.line(("note: ", "dim"), note, indent=2)
        if result is not None and result.calls is not None and (result.calls.numeric or self.style.verbose):
            self.line(("autodiff: ", "dim"), calls_text(result.calls), indent=2)
        if result is not None and self.style.verbose and not self.style.quiet:
            self.values(result)
        if result is not None and result.verdict is not Verdict.PASS and outcome.reproduce:
            self.line(("reproduce: ", "cyan"), outcome.reproduce, indent=2, wrap=False)
        if outcome.problem is not None or (result and (result.verdict is not Verdict.PASS or self.style.verbose)):
            self.console.print()

    def problem(self, outcome: Outcome, problem: Problem) -> None:
        where = f" ({problem.where})" if problem.where else ""
        code = (f"ERROR {problem.code}", "bold red")
        self.line(code, "  ", (outcome.target, "bold"), "  ", *_named(outcome), problem.message, where)
        for detail in problem.details:
            self.line(detail, indent=4)
        if problem.hint:
            self.line(("hint: ", "cyan"), problem.hint, indent=2)
        if problem.traceback and self.style.traceback:
            self.line(problem.traceback, indent=0, wrap=False)

    def set_aside(self, outcome: Outcome, result: Result) -> None:
        """A check that did not pass, and of which that was expected or is ignored: told in short, never as a pass."""
        expected = outcome.status is Status.EXPECTED
        head = ("EXPECTED", "bold cyan") if expected else ("IGNORED", "bold yellow")
        reason = f"as declared at {outcome.source}" if expected else "ignored"
        said = [*(result.findings if expected else ()), *(each.finding for each in outcome.ignored)]
        about = [finding for finding in said if is_verdict(finding.code)]
        codes = dict.fromkeys(f"{finding.code} {finding.kind}" for finding in about)
        verdict = (NAMES[result.verdict], _COLORS[result.verdict])
        place = (outcome.target, "bold"), "  ", (result.argname, "bold"), "  ", *_named(outcome)
        self.line(head, "  ", *place, verdict, f", {reason}: ", ", ".join(codes))
        if not expected:
            self.line(("worst: ", "dim"), _worst(result), indent=2)
        self.findings(finding for finding in result.findings if finding not in about)

    def passed(self, outcome: Outcome, result: Result) -> None:
        self.head(outcome, result, passed_text(result))
        self.findings(result.findings)

    def head(self, outcome: Outcome, result: Result, rest: str) -> None:
        hessian = " (second derivative)" if result.order == 2 else ""
        verdict = (NAMES[result.verdict], _COLORS[result.verdict])
        if outcome.status is Status.UNEXPECTED:
            verdict = (f"UNEXPECTED {verdict[0]}", "bold red")
        argument = (result.argname, "bold")
        self.line(verdict, "  ", (outcome.target, "bold"), "  ", argument, f"{hessian}  ", *_named(outcome), rest)

    def not_passed(self, outcome: Outcome, result: Result) -> None:
        rows = worst_first(result.entries)
        self.head(outcome, result, counts_text(result))
        self.line(("compared: ", "dim"), compared(result), (f", f at {place(result)}", "dim"), indent=2)
        # The values that -v adds have a table and a line for the point, too.
        again = bool(self.style.verbose) and len(result.points) == 1
        again = again and (self.style.verbose > 1 or len(result.entries) <= VALUE_ROWS)
        shown = [] if again else rows if self.style.verbose else rows[:WRONG_ROWS]
        if shown:
            self.table(shown, result)
        if len(rows) > len(shown) and not again:
            self.line(f"and {len(rows) - len(shown)} more (-v shows them all)", indent=2)
        self.findings(result.findings)
        shown_at = shown_point(result)
        if shown_at and not again:
            name, point = shown_at
            self.point(point, name, result)
        if result.simpler is not None:
            cost = f"  (fails alike; found in {result.shrinking} further evaluations)"
            self.line(("simpler: ", "dim"), result.simpler.text or "", (cost, "dim"), indent=2)

    def findings(self, findings: Iterable[Finding]) -> None:
        for finding, others in distinct(findings):
            name, _ = sort_of(finding.code)
            color = _SORT_COLORS[name]
            where = f" ({relative_path(finding.where.file)}:{finding.where.line})" if finding.where else ""
            more = f" (and {others} more like this)" if others else ""
            head = (f"{name} {finding.code} {finding.kind}: ", color)
            self.line(head, finding.message, where, (more, "dim"), indent=2)
            if finding.hint:
                self.line(("hint: ", "cyan"), finding.hint, indent=4)

    def point(self, point: Point, name: str, result: Result) -> None:
        written, how = point_text(point, result)
        self.line((f"{name}: ", "dim"), written, (f"  ({how})", "dim"), indent=2)

    # tables

    def values(self, result: Result) -> None:
        """The partial derivatives themselves, a table for each point."""
        limit = len(result.entries) if self.style.verbose > 1 else VALUE_ROWS
        for at, point in enumerate(result.points):
            entries = [e for e in result.entries if e.point == at]
            self.point(point, f"point {at + 1}" if len(result.points) > 1 else "point", result)
            if at < len(result.value):
                self.line(("value: ", "dim"), result.value[at], indent=2)
            if entries:
                self.table([Row(e, 1) for e in entries[:limit]], result, one_point=True)
            if len(entries) > limit:
                self.line(f"and {len(entries) - limit} more (-vv shows them all)", indent=2)

    def table(self, rows: Sequence[Row], result: Result, *, one_point: bool = False) -> None:
        """The widest layout that fits; where none does, an entry a paragraph."""
        several = len(result.points) > 1 and not one_point
        noted = any(row.entry.note for row in rows)
        # Given up in this order: notes beside the numbers, digits that show nothing, the count of points.
        for notes, spared, points in (
            (True, 0, several),
            (False, 0, several),
            (False, 2, several),
            (False, 2, False),
        ):
            table = self.build(rows, points, notes and noted, spared)
            if self.width_of(table) <= self.console.width - 2:
                self.console.print(Padding(table, (0, 0, 0, 2), expand=False))
                if noted and not notes:
                    self.notes(rows)
                return
        self.paragraphs(rows)

    def width_of(self, table: Table) -> int:
        return Measurement.get(self.console, self.console.options.update(max_width=UNLIMITED), table).maximum

    def build(self, rows: Sequence[Row], several: bool, notes: bool, spared: int) -> Table:
        lines = _ASCII_LINES if self.style.ascii else _LINES
        table = Table(
            box=lines,
            show_edge=False,
            pad_edge=False,
            padding=(0, 1, 0, 0),
            header_style="dim",
            safe_box=False,
        )
        columns: list[tuple[str, list[RenderableType]]] = []
        entries = [row.entry for row in rows]
        digits = [numbers.digits_for(entry) - spared for entry in entries]
        columns.append(("entry", [self.styled((entry.label, "bold")) for entry in entries]))
        for name in ("yours", "autodiff"):
            values = [getattr(entry, name) for entry in entries]
            if any(value is not None for value in values):
                texts = numbers.aligned([numbers.number(v, d) for v, d in zip(values, digits, strict=True)])
                columns.append((name, [self.styled(text) for text in texts]))
        measured = numbers.aligned(
            [numbers.measured(e.measured, e.error, d) for e, d in zip(entries, digits, strict=True)]
        )
        bars = [(f" ± {numbers.bar(e.error)}" if e.error is not None else "") for e in entries]
        columns.append(("measured ± error", [self.styled(m, (b, "dim")) for m, b in zip(measured, bars, strict=True)]))
        columns.append(("rel. diff.", [self.styled(numbers.relative(e.difference)) for e in entries]))
        if several:
            columns.append(("points", [self.styled(str(row.points)) for row in rows]))
        columns.append(("verdict", [self.styled((NAMES[e.verdict], _COLORS[e.verdict])) for e in entries]))
        if notes:
            columns.append(("note", [self.styled(e.note) for e in entries]))
        for title, _ in columns:
            right = title in ("rel. diff.", "points")
            table.add_column(self.styled(title), justify="right" if right else "left", no_wrap=True)
        for cells in zip(*(cells for _, cells in columns), strict=True):
            table.add_row(*cells)
        return table

    def notes(self, rows: Sequence[Row]) -> None:
        """Notes that found no room in the table: each once, with the entries that it is for."""
        together: dict[str, list[str]] = {}
        for row in rows:
            if row.entry.note:
                together.setdefault(row.entry.note, []).append(row.entry.label)
        for note, labels in together.items():
            more = f" and {len(labels) - 3} more" if len(labels) > 3 else ""
            self.line((", ".join(labels[:3]) + more + ": ", "bold"), note, indent=2)

    def paragraphs(self, rows: Sequence[Row]) -> None:
        """Where not even the numbers fit beside each other: below each other."""
        for row in rows:
            entry, digits = row.entry, numbers.digits_for(row.entry)
            self.line((entry.label, "bold"), "  ", (NAMES[entry.verdict], _COLORS[entry.verdict]), indent=2)
            shown: list[RenderableType] = []
            for name in ("yours", "autodiff", "measured"):
                value = getattr(entry, name)
                error = f" ± {numbers.bar(entry.error)}" if name == "measured" and entry.error is not None else ""
                if value is not None:
                    text = numbers.measured(value, entry.error if error else None, digits)
                    shown.append(self.styled((f"{name:>9} ", "dim"), text, error))
            if entry.difference is not None:
                shown.append(self.styled(("rel. diff ", "dim"), numbers.relative(entry.difference)))
            if entry.note:
                shown.append(self.styled(entry.note))
            self.console.print(Padding(Group(*shown), (0, 0, 0, 4), expand=False))

    # the last line

    def summary(self) -> None:
        run = self.run
        parts: list[str | tuple[str, str]] = []
        for count, name in counts(run):
            parts += [", " if parts else "", (f"{count} {name}", _COUNT_COLORS[name])]
        checks = len(run.outcomes)
        head = f"{checks} check{'s' * (checks != 1)}: " if checks else "nothing was checked"
        stopped = f"; {run.interrupted}" if run.interrupted else ""
        self.line(head, *parts, ignored_text(run), (stopped, "bold red"), (f"  ({run.seconds:.2f} s)", "dim"))


def _is_clean(outcome: Outcome) -> bool:
    """Passed, and there is nothing to say of it."""
    return outcome.status is Status.PASSED and outcome.result is not None and not outcome.result.findings


def _named(outcome: Outcome) -> list[str | tuple[str, str]]:
    return [(f"({outcome.name})", "cyan"), "  "] if outcome.name else []


def _worst(result: Result) -> str:
    """``df/dx[0], off by 1.8``: the worst of what is not shown."""
    row = worst_first(result.entries)[:1]
    if not row:
        return "nothing was compared"
    off = f", relative difference {numbers.relative(row[0].entry.difference)}" if row[0].entry.difference else ""
    return row[0].entry.label + off
