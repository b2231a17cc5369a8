"""Which findings do not count: by ``--ignore``, by the ``ignore`` of a declaration, by a comment at the function.

Below the runner. An ignored finding is taken out of a result and kept beside it: what is ignored is told, counted, and
never called passed. Nothing here changes a verdict.
"""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from gradcheck.check.codes import kind
from gradcheck.check.result import Finding, Result, Verdict
from gradcheck.errors import Location
from gradcheck.frames import relative
from gradcheck.settings import SettingsError, refuse_unignorable
from gradcheck.targets import source_of

# The codes, and what is written behind them, to the next comment on the line, which is for another tool.
_COMMENT = re.compile(r"#\s*gradcheck:\s*ignore(?:\[([^\]]*)\]([^#]*))?")


class Comment(NamedTuple):
    """One code of a ``# gradcheck: ignore[...]`` and the line that it stands on.

    Attributes:
        code: or the beginning of codes. where: file and line.
        problem: why it does nothing; "" if it does.
        justification: what stands behind it.
    """

    code: str
    where: Location
    problem: str = ""
    justification: str = ""

    @property
    def reason(self) -> Reason:
        return Reason(self.code, f"the comment at {self.where}", True, self.justification)


class Reason(NamedTuple):
    """Why findings do not count.

    Attributes:
        code: those of this code, or that begin with it.
        said_by: what says so, as ``the comment at model.py:7``.
        in_source: that stands in the source, not in an option or a configuration.
        justification: what the user wrote beside it.
    """

    code: str
    said_by: str
    in_source: bool = False
    justification: str = ""


class Ignored(NamedTuple):
    """A finding that does not count, and why."""

    finding: Finding
    reason: Reason


def declared_reason(code: str, what: str, source: str, function: Location | None) -> Reason:
    """The reason that a declaration gives; a decorator's stands in the file of the function.

    >>> declared_reason("GC201", "the declaration", "model.py:8", Location("model.py", 9)).in_source
    True
    """
    file = relative(function.file) if function is not None else ""
    return Reason(code, f"{what} at {source}", source.rpartition(":")[0] == file)


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
        why = (comment[2] or "").strip(" \t-–—:;,")
        found += [Comment(code, where, _problem(code), why) for code in codes]
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


def sort_out(result: Result, reasons: Sequence[Reason]) -> tuple[Result, tuple[Ignored, ...]]:
    """The result without the findings that are ignored, and these, each with the first of the reasons that holds.

    With a wrong derivative goes what is said of the kind and the line of the mistake.
    """
    why = [next((r for r in reasons if matches(f.code, [r.code])), None) for f in result.findings]
    kept = [finding for finding, reason in zip(result.findings, why, strict=True) if reason is None]
    wrong = blocking(result, result.findings)
    if result.verdict is Verdict.FAIL and wrong and not blocking(result, kept):
        with_it = why[result.findings.index(wrong[0])]
        why = [r or (with_it if f.code.startswith("GC1") else None) for f, r in zip(result.findings, why, strict=True)]
    pairs = list(zip(result.findings, why, strict=True))
    found = tuple(finding for finding, reason in pairs if reason is None)
    return replace(result, findings=found), tuple(Ignored(f, reason) for f, reason in pairs if reason is not None)


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
