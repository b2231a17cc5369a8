"""The report in Markdown, for ``$GITHUB_STEP_SUMMARY`` and comments: a table of the checks, details to unfold.

The user's text is escaped: neither Markdown nor HTML in it has an effect. GitHub takes a megabyte a step, so rows and
details have a limit, which is said.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from gradcheck.check.result import Result
from gradcheck.outcomes import Outcome, Run
from gradcheck.report import numbers
from gradcheck.report.common import (
    NAMES,
    WRONG_ROWS,
    Issue,
    Row,
    aside,
    compared,
    headline,
    issues,
    ordered,
    place,
    point_text,
    reason_text,
    shown_point,
    sort_of,
    summary,
    title,
    word,
    worst_first,
)
from gradcheck.report.style import Style, escaped

#: Checks in the table, and checks with details.
MOST_CHECKS, MOST_DETAILS = 500, 50
_SIGNS = {
    "PASS": "✅",
    "FAIL": "❌",
    "INCONCLUSIVE": "❔",
    "ERROR": "⚠️",
    "UNEXPECTED": "❌",
    "IGNORED": "🔕",
    "EXPECTED": "☑️",
}
# What makes Markdown, and of GitHub's additions: formulas, @names, #numbers and addresses.
_SPECIAL = re.compile(r"([\\`*_\[\]#!|~$@]|(?<=www)\.|:(?=//))")


def render(run: Run, style: Style) -> str:
    """The whole run; with ``style.verbose`` the details hold all entries that did not pass."""
    lines = [f"## gradcheck: {text(summary(run))}", ""]
    if run.outcomes:
        lines += ["| | check | by | result |", "| --- | --- | --- | --- |"]
    # What did not pass first: it must not fall to the limit.
    outcomes = [outcome for _, outcome in ordered(run)]
    for outcome in outcomes[:MOST_CHECKS]:
        verdict = word(outcome)
        argument = outcome.result.argname if outcome.result else outcome.argument
        named = f" {text(outcome.name)}" if outcome.name else ""
        cells = (f"{_SIGNS[verdict]} {verdict}", code(outcome.target) + named, code(argument), text(headline(outcome)))
        lines.append("| " + " | ".join(cells) + " |")
    lines += _rest(len(outcomes) - MOST_CHECKS, "checks")
    failing = [outcome for outcome in outcomes if word(outcome) != "PASS" or outcome.ignored]
    for outcome in failing[:MOST_DETAILS]:
        lines += ["", *_details(outcome, style)]
    lines += _rest(len(failing) - MOST_DETAILS, "checks with details")
    return "\n".join(lines) + "\n"


def _rest(count: int, what: str) -> list[str]:
    return ["", f"and {count} more {what}"] if count > 0 else []


def _details(outcome: Outcome, style: Style) -> list[str]:
    lines = ["<details>", f"<summary>{word(outcome)} {html(title(outcome))}</summary>", ""]
    result = outcome.result
    if result is not None:
        lines += [f"Compared: {text(compared(result))}, f at {code(place(result))}.", ""]
        rows = worst_first(result.entries)
        lines += _table(rows if style.verbose else rows[:WRONG_ROWS], result)
        lines += [*_rest(0 if style.verbose else len(rows) - WRONG_ROWS, "entries"), ""]
    for issue in [*issues(outcome), *aside(outcome)]:
        lines += _issue(issue)
    details = outcome.problem.details if outcome.problem else ()
    lines += [f"  - {text(detail)}" for detail in details] + [f"- note: {text(note)}" for note in outcome.notes]
    at = shown_point(result) if result else None
    if result and at:
        written, how = point_text(at[1], result)
        lines += ["", f"{at[0]}: {code(written)} ({text(how)})"]
    if outcome.reproduce:
        lines += ["", *fence(outcome.reproduce)]
    return [*lines, "", "</details>"]


def _issue(issue: Issue) -> list[str]:
    where = f" ({code(str(issue.where))})" if issue.where and issue.known else ""
    sort = "does not count:" if issue.reason else sort_of(issue.code)[0]
    lines = [f"- {sort} **{issue.code}** {text(issue.kind)}: {text(issue.text)}{where}"]
    if issue.reason:
        return [*lines, f"  - {text(reason_text(issue.reason))}"]
    return [*lines, f"  - hint: {text(issue.hint)}"] if issue.hint else lines


def _table(rows: Sequence[Row], result: Result) -> list[str]:
    if not rows:
        return []
    names = [name for name in ("yours", "autodiff") if any(getattr(row.entry, name) is not None for row in rows)]
    heads = ["entry", *names, "measured ± error", "rel. diff.", "verdict"]
    noted = any(row.entry.note for row in rows)
    heads += ["note"] if noted else []
    lines = ["| " + " | ".join(heads) + " |", "| --- " + "| ---: " * (len(names) + 2) + "| --- " * (1 + noted) + "|"]
    for row in rows:
        entry, digits = row.entry, numbers.digits_for(row.entry)
        bar = f" ± {numbers.bar(entry.error)}" if entry.error is not None else ""
        cells = [code(entry.label), *(numbers.number(getattr(entry, name), digits) for name in names)]
        cells += [numbers.measured(entry.measured, entry.error, digits) + bar, numbers.relative(entry.difference)]
        points = f" at {row.points} points" if len(result.points) > 1 and row.points > 1 else ""
        cells += [NAMES[entry.verdict] + points, *([text(entry.note)] if noted else [])]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def text(plain: str) -> str:
    """Plain text, on one line, in which nothing is markup.

    >>> text("a*b* <i> | x[i]")
    'a\\\\*b\\\\* &lt;i&gt; \\\\| x\\\\[i\\\\]'
    """
    return html(_SPECIAL.sub(r"\\\1", " ".join(escaped(plain).split())))


def html(plain: str) -> str:
    """Plain text where Markdown lets HTML through.

    >>> html("a < b & c")
    'a &lt; b &amp; c'
    """
    return " ".join(escaped(plain).split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def code(plain: str) -> str:
    """A code span, also in a cell of a table; its fence is longer than any run of backticks within.

    >>> code("x[i]"), code("a`b"), code("a|b")
    ('`x[i]`', '`` a`b ``', '`a\\\\|b`')
    """
    inside = " ".join(escaped(plain).split()).replace("|", "\\|")
    runs = [len(run) for run in re.findall(r"`+", inside)]
    ticks = "`" * (max(runs) + 1) if runs else "`"
    return f"{ticks} {inside} {ticks}" if runs else f"{ticks}{inside or ' '}{ticks}"


def fence(plain: str) -> list[str]:
    """The lines of a block of code."""
    ticks = "`" * max([3, *(len(run) + 1 for run in re.findall(r"`+", plain))])
    return [f"{ticks}sh", escaped(plain), ticks]
