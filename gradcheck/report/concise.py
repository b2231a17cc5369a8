"""The concise report: a line for each finding, ``path:line: CODE name message``, as linters write them.

Editors and terminals make such lines clickable. What passed has no line, nor what is
ignored or was expected; the last one counts.
"""

from __future__ import annotations

from gradcheck.outcomes import Outcome, Run
from gradcheck.report.common import Issue, Level, issues, summary, title
from gradcheck.report.style import Style


def render(run: Run, style: Style) -> str:
    """The lines; with ``style.quiet`` without warnings, with 2 nothing at all."""
    if style.quiet >= 2:
        return ""
    lines = [_line(outcome, issue) for outcome in run.outcomes for issue in issues(outcome) if _told(issue, style)]
    return "".join(style.plain(line) + "\n" for line in [*lines, summary(run)])


def _told(issue: Issue, style: Style) -> bool:
    return not (style.quiet and issue.level is Level.NOTE)


def _line(outcome: Outcome, issue: Issue) -> str:
    """One finding; one without a place begins with the target."""
    place = issue.where if issue.where else outcome.target
    return " ".join(f"{place}: {issue.code} {issue.kind} {issue.text} [{title(outcome)}]".split())
