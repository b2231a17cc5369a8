"""SARIF 2.1.0, for code scanning and editors: a result a finding, on the line of the derivative or function.

Rules are the codes of ``--explain``. Files below the working directory are relative to ``%SRCROOT%``. Fingerprints hold
nothing that a run, a line or a seed changes. What could not run and has no place in a file is a notification of the
invocation, since a result without a location is refused by code scanning; so is that the run was interrupted.

What is ignored, or was expected, is a suppressed result: in the source or, for options and configurations, external.
Its level is a note, since code scanning shows suppressed results like others.

Source: OASIS, Static Analysis Results Interchange Format (SARIF) Version 2.1.0.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import quote

from gradcheck._version import __version__
from gradcheck.check.codes import CODES
from gradcheck.errors import Location
from gradcheck.explain import REQUEST_CODES
from gradcheck.ignores import Reason
from gradcheck.outcomes import Outcome, Run
from gradcheck.report.common import Issue, aside, issues, near, sort_of, title
from gradcheck.report.style import Style, escaped

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
ROOT = "%SRCROOT%"


def render(run: Run, style: Style) -> str:
    """The whole run as one SARIF log; verbosity and width do not change it."""
    found = [(outcome, issue) for outcome in run.outcomes for issue in [*issues(outcome), *aside(outcome)]]
    codes = sorted({issue.code for _, issue in found})
    seen: Counter[str] = Counter()
    log = {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": {"name": "gradcheck", "version": __version__, "rules": [_rule(c) for c in codes]}},
                "originalUriBaseIds": {ROOT: {"description": {"text": "The folder that gradcheck ran in."}}},
                "columnKind": "unicodeCodePoints",
                "invocations": [_invocation(run)],
                "results": [_result(o, i, codes.index(i.code), seen) for o, i in found if i.where],
            }
        ],
    }
    return json.dumps(log, indent=2) + "\n"


def _rule(code: str) -> dict[str, Any]:
    row = (REQUEST_CODES | CODES)[code]
    help_text = f"{row.title}. {row.explanation}"
    return {
        "id": code,
        "name": "".join(part.capitalize() for part in row.kind.split("-")),
        "shortDescription": {"text": row.title},
        "fullDescription": {"text": row.explanation},
        "help": {"text": help_text, "markdown": f"**{code} {row.kind}**: {help_text}"},
        "defaultConfiguration": {"level": sort_of(code)[1].value},
        "properties": {"tags": ["gradient", sort_of(code)[0]]},
    }


def _invocation(run: Run) -> dict[str, Any]:
    homeless = [(outcome, issue) for outcome in run.outcomes for issue in issues(outcome) if not issue.where]
    stopped = [{"level": "error", "message": {"text": escaped(str(run.interrupted))}}] if run.interrupted else []
    return {
        "executionSuccessful": not run.problems and run.interrupted is None,
        "exitCode": run.exit_code,
        "toolExecutionNotifications": [
            {
                "descriptor": {"id": issue.code},
                "level": issue.level.value,
                "message": {"text": escaped(f"{title(outcome)}: {_text(issue)}")},
            }
            for outcome, issue in homeless
        ]
        + stopped,
    }


def _result(outcome: Outcome, issue: Issue, rule: int, seen: Counter[str]) -> dict[str, Any]:
    where = issue.where
    assert where is not None
    fingerprint = _fingerprint(outcome, issue, seen)
    function = near(outcome.result.where) if outcome.result else None
    related = (
        [{"id": 0, **_place(function), "message": {"text": "the function"}}] if function not in (None, where) else []
    )
    return {
        "ruleId": issue.code,
        "ruleIndex": rule,
        "level": issue.level.value,
        "message": {"text": escaped(f"{title(outcome)}: {_text(issue)}")},
        "locations": [
            {**_place(where), "logicalLocations": [{"fullyQualifiedName": outcome.target, "kind": "function"}]}
        ],
        **({"relatedLocations": related} if related else {}),
        "partialFingerprints": {"gradcheckFinding/v1": fingerprint},
        **({"suppressions": [_suppression(issue.reason)]} if issue.reason else {}),
        "properties": {
            "target": outcome.target,
            "argument": outcome.argument,
            "name": outcome.name,
            "source": outcome.source,
            "status": outcome.status.value,
            "reproduce": outcome.reproduce,
        },
    }


def _suppression(reason: Reason) -> dict[str, str]:
    why = f"{reason.said_by}: {reason.justification}" if reason.justification else reason.said_by
    return {"kind": "inSource" if reason.in_source else "external", "status": "accepted", "justification": escaped(why)}


def _text(issue: Issue) -> str:
    return issue.text + (f"; {issue.hint}" if issue.hint else "")


def _place(where: Location | None) -> dict[str, Any]:
    if where is None:
        return {}
    path = Path(where.file)
    artifact = {"uri": path.as_uri()} if path.is_absolute() else {"uri": quote(path.as_posix()), "uriBaseId": ROOT}
    return {"physicalLocation": {"artifactLocation": artifact, "region": {"startLine": where.line}}}


def _fingerprint(outcome: Outcome, issue: Issue, seen: Counter[str]) -> str:
    """The same for the same finding in every run: code, check and file, and which of several alike it is."""
    file = issue.where.file if issue.where else ""
    key = "\0".join([issue.code, title(outcome), Path(file).as_posix()])
    seen[key] += 1
    return hashlib.sha256(f"{key}\0{seen[key]}".encode("utf-8", "backslashreplace")).hexdigest()[:32]
