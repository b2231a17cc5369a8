"""Which findings do not count: by ``--ignore``, by the ``ignore`` of a declaration, by a comment at the function.

Below the runner. An ignored finding is taken out of a result and kept beside it: what is ignored is told, counted, and
never called passed. Nothing here changes a verdict.
"""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gradcheck.check.codes import kind
from gradcheck.check.result import Finding, Result, Verdict
from gradcheck.errors import Location
from gradcheck.frames import relative
from gradcheck.settings import SettingsError, refuse_unignorable
from gradcheck.targets import source_of

_COMMENT = re.compile(r"#\s*gradcheck:\s*ignore(?:\[([^\]]*)\])?")


@dataclass(frozen=True)
class Comment:
    """One code of a ``# gradcheck: ignore[...]`` and the line that it stands on; problem: why it does nothing."""

    code: str
    where: Location
    problem: str = ""


def comments_of(function: Callable[..., Any]) -> tuple[Comment, ...]:
    """The codes that comments at a function ignore: on its decorators and its ``def``, to the colon.

    As with noqa, a comment further down in the body says nothing of the function.
    """
    file, lines, first = source_of(function)
    found = []
    for line, text in _head_comments("".join(lines)):
        comment = _COMMENT.search(text)
        if comment is None:
            continue
        where = Location(relative(file), first + line - 1)
        codes = [code.strip() for code in (comment[1] or "").split(",") if code.strip()]
        if not codes:
            found.append(Comment("", where, "it names no code: write `# gradcheck: ignore[GC201]`"))
        found += [Comment(code, where, _problem(code)) for code in codes]
    return tuple(found)


def _problem(code: str) -> str:
    try:
        refuse_unignorable(code)
    except SettingsError as err:
        return err.message.partition(": ")[2]
    return ""


def _head_comments(source: str) -> list[tuple[int, str]]:
    """Comments from the first decorator to the line on which the head of the function ends, with their lines."""
    found: list[tuple[int, str]] = []
    depth, defining, ended = 0, False, False
    # A method is indented, which would be a mistake at the top.
    above = int(source[:1].isspace())
    try:
        for token in tokenize.generate_tokens(io.StringIO("if True:\n" * above + source).readline):
            if token.type == tokenize.COMMENT:
                found.append((token.start[0] - above, token.string))
            elif token.type == tokenize.NAME and token.string in ("def", "class", "lambda") and depth == 0:
                defining = True
            elif token.type == tokenize.OP:
                depth += (token.string in "([{") - (token.string in ")]}")
                ended = ended or (token.string == ":" and depth == 0 and defining)
            elif token.type == tokenize.NEWLINE and ended:
                break
    except (tokenize.TokenError, SyntaxError):
        # The source of a lambda is a part of a line: what stands before the break is all there is.
        return found
    return found


def matches(code: str, patterns: Iterable[str]) -> bool:
    """Whether a code is one of these, or begins with one.

    >>> matches("GC308", ["GC201", "GC3"]), matches("GC308", ["GC30"]), matches("GC308", [])
    (True, True, False)
    """
    return any(code.startswith(pattern) for pattern in patterns)


def sort_out(result: Result, patterns: Sequence[str]) -> tuple[Result, tuple[Finding, ...]]:
    """The result without the findings that are ignored, and these.

    With a wrong derivative goes what is said of the kind and the line of the mistake.
    """
    ignored = [finding for finding in result.findings if matches(finding.code, patterns)]
    if result.verdict is Verdict.FAIL and ignored and not blocking(result, _without(result.findings, ignored)):
        ignored = [f for f in result.findings if f in ignored or f.code.startswith("GC1")]
    return replace(result, findings=tuple(_without(result.findings, ignored))), tuple(ignored)


def _without(findings: Iterable[Finding], gone: Sequence[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding not in gone]


def blocking(result: Result, findings: Iterable[Finding]) -> list[Finding]:
    """Those of the findings for which the check did not pass: what is wrong, not which kind of mistake it is."""
    found = list(findings)
    if result.verdict is Verdict.FAIL:
        # Those below GC111 say that it is wrong, the others what the mistake looks like.
        return [f for f in found if "GC101" <= f.code < "GC111"]
    return [f for f in found if f.code.startswith("GC2")] if result.verdict is Verdict.INCONCLUSIVE else []


def unused(what: str, where: Location | None, hint: str = "take it out") -> Finding:
    """The warning that an ignore ignores nothing."""
    return Finding("GC330", kind("GC330"), what, where, hint)
