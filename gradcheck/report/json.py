"""The JSON report, for programs: everything that the outcomes hold, under a schema with a number.

``schema`` is raised when a key changes its meaning or goes; keys may be added without. ``report.schema.json`` beside
this file is the JSON Schema of what this version writes. JSON has no nan, infinity or complex numbers: these are
written "nan", "inf", "-inf" and {"re": 1.0, "im": 2.0}. Keys come in the order in which they are written here.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import Any

from gradcheck._version import __version__
from gradcheck.check.result import Calls, Entry, Finding, Number, Point, Result, Verdict
from gradcheck.errors import Location
from gradcheck.frames import relative
from gradcheck.outcomes import Outcome, Problem, Run, Status
from gradcheck.report.style import Style

SCHEMA = 1


def render(run: Run, style: Style) -> str:
    """The whole run as one JSON object; verbosity and width do not change it."""
    return json.dumps(document(run), indent=2, allow_nan=False) + "\n"


def document(run: Run) -> dict[str, Any]:
    """The run as the object that :func:`render` writes."""
    return {
        "schema": SCHEMA,
        "tool": {"name": "gradcheck", "version": __version__},
        "exit_code": run.exit_code,
        "seconds": run.seconds,
        "settings": plain(asdict(run.settings)),
        "summary": {
            "checks": len(run.outcomes),
            "passed": run.count(Verdict.PASS),
            "wrong": run.count(Verdict.FAIL),
            "inconclusive": run.count(Verdict.INCONCLUSIVE),
            "could_not_run": run.problems,
            "expected": run.counted(Status.EXPECTED),
            "unexpected": run.counted(Status.UNEXPECTED),
            "ignored": run.counted(Status.IGNORED),
        },
        "interrupted": run.interrupted._asdict() if run.interrupted else None,
        "checks": [_outcome(outcome) for outcome in run.outcomes],
    }


def _outcome(outcome: Outcome) -> dict[str, Any]:
    head = {
        "target": outcome.target,
        "argument": outcome.argument,
        "verdict": outcome.result.verdict.value if outcome.result else "error",
        "status": outcome.status.value,
        "name": outcome.name or None,
        "source": outcome.source,
        "expect": outcome.expect,
        "ignored": [{**_finding(each.finding), "reason": each.reason._asdict()} for each in outcome.ignored],
    }
    body = _result(outcome.result) if outcome.result else {}
    return {
        **head,
        **body,
        "problem": _problem(outcome.problem) if outcome.problem else None,
        "notes": list(outcome.notes),
        "reproduce": outcome.reproduce or None,
    }


def _result(result: Result) -> dict[str, Any]:
    return {
        "argnum": result.argnum,
        "order": result.order,
        "derivative": {"name": result.derivative, "how": result.derivative_how},
        "where": _where(result.where),
        "seed": result.seed,
        "evaluations": result.evaluations,
        "f_calls": result.f_calls,
        "stacked": result.stacked,
        "seconds": result.seconds,
        "total_entries": result.total,
        "points": [_point(point, result, at) for at, point in enumerate(result.points)],
        "simpler": {"at": result.simpler.text, "evaluations": result.shrinking} if result.simpler else None,
        "entries": [_entry(entry) for entry in result.entries],
        "findings": [_finding(finding) for finding in result.findings],
        "calls": _calls(result.calls) if result.calls else None,
        "settings": plain(result.settings),
        "studies": [plain(asdict(study)) for study in result.studies],
    }


def _calls(calls: Calls) -> dict[str, Any]:
    numeric = [{"function": name, "where": _where(where), "calls": times} for name, where, times in calls.numeric]
    approximate = [{"function": f, "where": _where(at), "accuracy": accuracy} for f, at, accuracy in calls.approximate]
    return {"exact": calls.exact, "numeric": numeric, "zero": calls.zero, "approximate": approximate}


def _point(point: Point, result: Result, at: int) -> dict[str, Any]:
    value = result.value[at] if at < len(result.value) else None
    return {"at": point.text, "how": point.how, "seed": point.seed, "value": value}


def _entry(entry: Entry) -> dict[str, Any]:
    return {
        "label": entry.label,
        "point": entry.point,
        "output": list(entry.output),
        "index": list(entry.index),
        "direction": entry.direction,
        "yours": _number(entry.yours),
        "autodiff": _number(entry.autodiff),
        "measured": _number(entry.measured),
        "error": _number(entry.error),
        "difference": _number(entry.difference),
        "resolution": _number(entry.resolution),
        "verdict": entry.verdict.value,
        "note": entry.note,
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "code": finding.code,
        "kind": finding.kind,
        "message": finding.message,
        "where": _where(finding.where),
        "hint": finding.hint,
        "evidence": plain(finding.evidence),
    }


def _problem(problem: Problem) -> dict[str, Any]:
    return {
        "code": problem.code,
        "message": problem.message,
        "where": _where(problem.where),
        "hint": problem.hint,
        "details": list(problem.details),
        "traceback": problem.traceback or None,
        "bug": problem.bug,
    }


def _where(where: Location | None) -> dict[str, Any] | None:
    return None if where is None else {"file": relative(where.file), "line": where.line}


def _number(value: Number | None) -> Any:
    if isinstance(value, complex):
        return {"re": _number(value.real), "im": _number(value.imag)}
    if value is None or math.isfinite(value):
        return value
    return str(value)


def plain(value: Any) -> Any:
    """Settings as JSON knows them; what is not plain data is written as its repr.

    >>> plain({"a": (1, float("nan")), "b": None})
    {'a': [1, 'nan'], 'b': None}
    """
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, bool | str) or value is None:
        return value
    if isinstance(value, int | float | complex):
        return _number(value)
    return repr(value)
