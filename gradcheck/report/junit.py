"""The JUnit report that CI servers read: one suite, one case a check.

A wrong derivative is a failure, a check that could not run an error. An inconclusive check is a failure as well,
since it fails the run; where that is allowed it is skipped, and so is what is ignored or fails as expected. A run that
was interrupted has one more case, an error: the checks that are missing must not look as if all was well.

The text is that of the full report. XML 1.0 knows no control characters: these are written out.
"""

from __future__ import annotations

from xml.etree import ElementTree as ET

from gradcheck.outcomes import Outcome, Run, Status
from gradcheck.report.common import aside, headline, title
from gradcheck.report.full import outcome_text
from gradcheck.report.style import Style, escaped

PASSED, FAILURE, ERROR, SKIPPED = "passed", "failure", "error", "skipped"
_KINDS = {
    Status.PASSED: PASSED,
    Status.WRONG: FAILURE,
    Status.UNEXPECTED: FAILURE,
    Status.INCONCLUSIVE: FAILURE,
    Status.ERROR: ERROR,
    Status.EXPECTED: SKIPPED,
    Status.IGNORED: SKIPPED,
}


def render(run: Run, style: Style) -> str:
    """The whole run as one XML document; verbosity and width do not change it."""
    kinds = [_kind(outcome, run.settings.allow_inconclusive) for outcome in run.outcomes]
    stopped = run.interrupted is not None
    counted = {
        "tests": str(len(run.outcomes) + stopped),
        "failures": str(kinds.count(FAILURE)),
        "errors": str(kinds.count(ERROR) + stopped),
    }
    root = ET.Element("testsuites", {"name": "gradcheck", **counted})
    more = {"skipped": str(kinds.count(SKIPPED)), "time": f"{run.seconds:.3f}"}
    suite = ET.SubElement(root, "testsuite", {"name": "gradcheck", **counted, **more})
    for outcome, kind in zip(run.outcomes, kinds, strict=True):
        _case(suite, outcome, kind)
    if run.interrupted is not None:
        case = ET.SubElement(suite, "testcase", {"classname": "gradcheck", "name": "interrupted", "time": "0.000"})
        ET.SubElement(case, ERROR, {"type": "interrupted", "message": escaped(str(run.interrupted))})
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _kind(outcome: Outcome, allow_inconclusive: bool) -> str:
    allowed = allow_inconclusive or outcome.allow_inconclusive
    return SKIPPED if allowed and outcome.status is Status.INCONCLUSIVE else _KINDS[outcome.status]


def _case(suite: ET.Element, outcome: Outcome, kind: str) -> None:
    seconds = outcome.result.seconds if outcome.result else 0.0
    module, _, function = outcome.target.rpartition(":")
    name = function + title(outcome).removeprefix(outcome.target)
    classname = module.rstrip(":").removesuffix(".py").replace("\\", ".").replace("/", ".").strip(".") or "gradcheck"
    case = ET.SubElement(
        suite, "testcase", {"classname": escaped(classname), "name": escaped(name), "time": f"{seconds:.3f}"}
    )
    text = escaped(outcome_text(outcome, Style()).strip())
    if kind != PASSED:
        ET.SubElement(case, kind, {"type": _sort(outcome), "message": escaped(_message(outcome))}).text = text
    elif outcome.notes or (outcome.result and outcome.result.findings):
        ET.SubElement(case, "system-out").text = text


def _sort(outcome: Outcome) -> str:
    if outcome.status in (Status.EXPECTED, Status.IGNORED, Status.UNEXPECTED):
        return outcome.status.value
    return outcome.result.verdict.value if outcome.result else "could-not-run"


def _message(outcome: Outcome) -> str:
    """What became of the check; where it is ignored, by whom and why."""
    reasons = dict.fromkeys(issue.reason for issue in aside(outcome)) if outcome.status is Status.IGNORED else {}
    said = (
        f"by {reason.said_by}" + f" ({reason.justification})" * bool(reason.justification)
        for reason in reasons
        if reason
    )
    return " ".join([headline(outcome), ", ".join(said)]).strip()
