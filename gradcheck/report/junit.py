"""The JUnit report that CI servers read: one suite, one case a check.

A wrong derivative is a failure, a check that could not run an error. An inconclusive check is a failure as well,
since it fails the run; with ``--allow-inconclusive`` it is skipped. The text is that of the full report. XML 1.0
knows no control characters: these are written out.
"""

from __future__ import annotations

from xml.etree import ElementTree as ET

from gradcheck.check.result import Verdict
from gradcheck.outcomes import Outcome, Run
from gradcheck.report.common import headline, title
from gradcheck.report.full import outcome_text
from gradcheck.report.style import Style, escaped

PASSED, FAILURE, ERROR, SKIPPED = "passed", "failure", "error", "skipped"


def render(run: Run, style: Style) -> str:
    """The whole run as one XML document; verbosity and width do not change it."""
    kinds = [_kind(outcome, run.settings.allow_inconclusive) for outcome in run.outcomes]
    counted = {
        "tests": str(len(run.outcomes)),
        "failures": str(kinds.count(FAILURE)),
        "errors": str(kinds.count(ERROR)),
    }
    root = ET.Element("testsuites", {"name": "gradcheck", **counted})
    more = {"skipped": str(kinds.count(SKIPPED)), "time": f"{run.seconds:.3f}"}
    suite = ET.SubElement(root, "testsuite", {"name": "gradcheck", **counted, **more})
    for outcome, kind in zip(run.outcomes, kinds, strict=True):
        _case(suite, outcome, kind)
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _kind(outcome: Outcome, allow_inconclusive: bool) -> str:
    if outcome.result is None:
        return ERROR
    if outcome.result.verdict is Verdict.INCONCLUSIVE:
        return SKIPPED if allow_inconclusive else FAILURE
    return FAILURE if outcome.result.verdict is Verdict.FAIL else PASSED


def _case(suite: ET.Element, outcome: Outcome, kind: str) -> None:
    seconds = outcome.result.seconds if outcome.result else 0.0
    module, _, name = title(outcome).rpartition(":")
    classname = module.rstrip(":").removesuffix(".py").replace("\\", ".").replace("/", ".").strip(".") or "gradcheck"
    case = ET.SubElement(
        suite, "testcase", {"classname": escaped(classname), "name": escaped(name), "time": f"{seconds:.3f}"}
    )
    text = escaped(outcome_text(outcome, Style()).strip())
    if kind != PASSED:
        sort = outcome.result.verdict.value if outcome.result else "could-not-run"
        ET.SubElement(case, kind, {"type": sort, "message": escaped(headline(outcome))}).text = text
    elif outcome.notes or (outcome.result and outcome.result.findings):
        ET.SubElement(case, "system-out").text = text
