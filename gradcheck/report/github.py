"""Workflow commands of GitHub Actions: annotations on the lines of a pull request, one a check and place.

``::error file=...,line=...,title=...::message``. GitHub shows ten errors and ten warnings a step, so what was found at
one place of a check is one annotation, and the grave ones come first. Files are written in full: the runner makes
them relative to the repository, whatever folder gradcheck ran in.

Source: https://docs.github.com/actions/reference/workflow-commands-for-github-actions
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from gradcheck.outcomes import Outcome, Run
from gradcheck.report.common import Issue, Level, issues, summary, title, word
from gradcheck.report.style import Style, escaped

_COMMANDS = {Level.ERROR: "error", Level.WARNING: "warning", Level.NOTE: "notice"}
_ORDER = list(_COMMANDS)


def render(run: Run, style: Style) -> str:
    """A command a line, and the summary; with ``style.quiet`` without notices, with 2 nothing at all."""
    if style.quiet >= 2:
        return ""
    found = [(outcome, group) for outcome in run.outcomes for group in _groups(issues(outcome))]
    found.sort(key=lambda pair: _ORDER.index(_level(pair[1])))
    stopped = [f"::error title=gradcheck interrupted::{_data(str(run.interrupted))}"] if run.interrupted else []
    shown = [_command(*pair) for pair in found if not (style.quiet and _level(pair[1]) is Level.NOTE)]
    return "".join(style.plain(line) + "\n" for line in [*stopped, *shown, summary(run)])


def _groups(found: Sequence[Issue]) -> list[list[Issue]]:
    """What was found at one place belongs together, but for warnings."""
    groups: dict[tuple[str, bool], list[Issue]] = {}
    for issue in found:
        groups.setdefault((str(issue.where), issue.level is Level.NOTE), []).append(issue)
    return list(groups.values())


def _level(group: Sequence[Issue]) -> Level:
    return min((issue.level for issue in group), key=_ORDER.index)


def _command(outcome: Outcome, group: Sequence[Issue]) -> str:
    place = group[0].where
    properties = {"file": os.path.abspath(place.file), "line": str(place.line)} if place else {}
    properties["title"] = f"gradcheck {word(outcome)}: {title(outcome)}"
    lines = [f"{issue.code} {issue.kind}: {issue.text}" + (f"\n  {issue.hint}" * bool(issue.hint)) for issue in group]
    if outcome.reproduce and _level(group) is not Level.NOTE:
        lines.append(f"reproduce: {outcome.reproduce}")
    named = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    return f"::{_COMMANDS[_level(group)]} {named}::{_data(chr(10).join(lines))}"


def _data(text: str) -> str:
    """Text after the second ``::``.

    >>> _data("100 %\\nnext")
    '100 %25%0Anext'
    """
    # A carriage return is a control character and was written out; GitHub would take it for a line break.
    return escaped(text).replace("%", "%25").replace("\n", "%0A")


def _property(text: str) -> str:
    """The value of a property, in which colons and commas have a meaning, too.

    >>> _property("C:\\\\a,b.py")
    'C%3A\\\\a%2Cb.py'
    """
    return _data(text).replace(":", "%3A").replace(",", "%2C")
