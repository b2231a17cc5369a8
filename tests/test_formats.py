"""Every format of a report against its own consumer: schema, parser, or the rules that its reader documents."""

from __future__ import annotations

import importlib.resources
import json
import re
from collections import Counter
from dataclasses import replace
from html import unescape as html_unescape
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import html5lib
import jsonschema
import pytest
import xmlschema
from markdown_it import MarkdownIt

from gradcheck.check.codes import CODES
from gradcheck.check.result import Verdict
from gradcheck.explain import REQUEST_CODES, explain
from gradcheck.outcomes import Status
from gradcheck.report import FORMATS, render
from gradcheck.report.common import worst_study
from gradcheck.report.style import Style
from gradcheck.runner import Outcome, Problem, Run
from gradcheck.settings import Settings
from tests.report_runs import NASTY, judged_run, nasty_run, real_run, working_in

SCHEMAS = Path(__file__).resolve().parent / "schemas"
EMPTY = Run((), Settings())


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("formats")
    with working_in(folder):
        return real_run(folder)


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("judged")
    with working_in(folder):
        return judged_run(folder)


@pytest.fixture(params=["real", "judged", "nasty", "empty"])
def any_run(request: pytest.FixtureRequest, real: Run, judged: Run) -> Run:
    return {"real": real, "judged": judged, "nasty": nasty_run(), "empty": EMPTY}[request.param]


def test_the_runs_hold_what_they_are_to_hold(real: Run) -> None:
    verdicts = Counter(o.result.verdict if o.result else None for o in real.outcomes)
    assert set(verdicts) == {Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE, None}
    assert {o.result.order for o in real.outcomes if o.result} == {1, 2}
    assert any(e.direction for o in real.outcomes if o.result for e in o.result.entries)


def test_the_judged_run_holds_every_status(judged: Run) -> None:
    assert {outcome.status for outcome in judged.outcomes} == set(Status) - {Status.ERROR}
    assert judged.interrupted is not None


def test_the_picture_is_of_what_counts(judged: Run) -> None:
    found = worst_study(judged)
    assert found is not None
    # An ignored check before it is as far off.
    assert (found[0].target, found[0].status) == ("judged.py:accepted", Status.WRONG)
    assert worst_study(replace(judged, outcomes=judged.outcomes[:1])) is not None


# all of them


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_tells_that_a_run_was_interrupted(name: str, judged: Run) -> None:
    text = html_unescape(render(name, judged, Style())).replace("\\", "")
    assert "judged.py:f at x=[1.0] (judged.py:3)" in text
    assert "interrupted" in text
    done = replace(judged, interrupted=None)
    assert "interrupted" not in render(name, done, Style()).replace('"interrupted": null', "")


@pytest.mark.parametrize("name", FORMATS)
def test_a_function_of_the_run(name: str, any_run: Run) -> None:
    text = render(name, any_run, Style())
    assert text.endswith("\n")
    assert text == render(name, any_run, Style())


@pytest.mark.parametrize("name", FORMATS)
def test_no_control_characters(name: str) -> None:
    text = render(name, nasty_run(), Style())
    assert re.findall(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", text) == []


@pytest.mark.parametrize("name", ["json", "junit", "sarif", "html"])
def test_formats_for_programs_do_not_depend_on_verbosity(name: str, real: Run) -> None:
    assert render(name, real, Style(verbose=2, quiet=2, width=40, ascii=True)) == render(name, real, Style())


# concise


def test_concise_lines_are_places(real: Run) -> None:
    *lines, last = render("concise", real, Style()).splitlines()
    assert last.startswith(f"{len(real.outcomes)} checks: ")
    for line in lines:
        assert re.fullmatch(r"(\S+?:\d+|gone\.py:f): GC\d{3} [a-z0-9-]+ \S.* \[.+ by .+\]", line), line
    told = {line.rpartition("[")[2] for line in lines}
    for outcome in real.outcomes:
        if outcome.result is None or outcome.result.verdict is not Verdict.PASS:
            assert any(text.startswith(f"{outcome.target} by ") for text in told)


def test_concise_in_other_words() -> None:
    broken = Outcome("a.py:f", "x", problem=Problem("GC002", "there is no file 'a.py'"))
    assert render("concise", Run((broken,), Settings()), Style()) == (
        "a.py:f: GC002 no-target there is no file 'a.py' [a.py:f by x]\n1 check: 1 could not run\n"
    )
    assert render("concise", EMPTY, Style()) == "nothing was checked\n"
    assert render("concise", EMPTY, Style(quiet=2)) == ""


def test_concise_quiet_leaves_out_warnings(real: Run) -> None:
    loud, quiet = (render("concise", real, Style(quiet=q)) for q in (0, 1))
    assert " GC3" in loud
    assert " GC3" not in quiet
    assert " GC101 " in quiet


def test_concise_is_one_line_a_finding() -> None:
    assert len(render("concise", nasty_run(), Style()).splitlines()) == 5


def test_concise_counts_what_is_set_aside(judged: Run) -> None:
    *lines, last = render("concise", judged, Style()).splitlines()
    assert [line.split()[1] for line in lines] == ["GC150", "GC201", "GC101", "GC112"]
    assert lines[1].endswith("[judged.py:relu by x (allowed)]")
    counts = "1 wrong, 1 inconclusive, 1 not as expected, 3 ignored, 3 as expected, 2 passed; 2 findings ignored"
    assert last.startswith(f"11 checks: {counts}; interrupted: 11 of 13 checks done, in judged.py:f")


# json


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    text = importlib.resources.files("gradcheck.report").joinpath("report.schema.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    jsonschema.Draft202012Validator.check_schema(loaded)
    return loaded


def _strict(text: str) -> Any:
    """JSON without the nan and Infinity that Python's parser lets pass."""

    def refuse(name: str) -> None:
        raise ValueError(f"{name} is no JSON")

    return json.loads(text, parse_constant=refuse)


def test_json_is_what_its_schema_says(any_run: Run, schema: dict[str, Any]) -> None:
    document = _strict(render("json", any_run, Style()))
    jsonschema.Draft202012Validator(schema).validate(document)


def test_the_schema_is_strict(schema: dict[str, Any]) -> None:
    objects = []

    def visit(node: Any) -> None:
        if isinstance(node, dict):
            if node.get("type") == "object":
                objects.append(node)
            for child in node.values():
                visit(child)
        elif isinstance(node, list):
            for child in node:
                visit(child)

    visit(schema)
    assert len(objects) > 15
    for node in objects:
        closed = node["additionalProperties"] is False and set(node["required"]) == set(node["properties"])
        assert closed or node.get("description") == "The numbers behind the message."


@pytest.mark.parametrize(
    "spoil",
    [
        lambda d: d.update(schema=2),
        lambda d: d.update(more=1),
        lambda d: d.pop("summary"),
        lambda d: d["checks"][0]["entries"][0].update(verdict="maybe"),
        lambda d: d["checks"][0].update(problem="x"),
        lambda d: d["checks"][0]["entries"][0].update(yours="many"),
    ],
)
def test_the_schema_refuses(spoil: Any, real: Run, schema: dict[str, Any]) -> None:
    document = _strict(render("json", real, Style()))
    spoil(document)
    assert not jsonschema.Draft202012Validator(schema).is_valid(document)


def test_json_numbers_that_json_does_not_have(schema: dict[str, Any]) -> None:
    first = _strict(render("json", nasty_run(), Style()))["checks"][0]
    assert [e["yours"] for e in first["entries"][:3]] == ["-inf", "nan", {"re": 1.0, "im": 2.0}]
    assert first["entries"][1]["label"] == NASTY


def test_json_says_why_findings_do_not_count(judged: Run) -> None:
    document = _strict(render("json", judged, Style()))
    assert document["settings"]["ignore"] == ["GC3"]
    checks = {(check["target"], check["status"]): check for check in document["checks"]}
    reasons = {key: check["ignored"][0]["reason"] for key, check in checks.items() if check["ignored"]}
    assert reasons["judged.py:hinge", "ignored"] == {
        "code": "GC201",
        "said_by": "the comment at judged.py:23",
        "in_source": True,
        "justification": "the kink is meant",
    }
    assert reasons["judged.py:configured", "ignored"]["said_by"] == "the declaration at gradcheck.toml:4"
    assert not reasons["judged.py:configured", "ignored"]["in_source"]
    assert reasons["judged.py:accepted", "ignored"]["in_source"]
    assert reasons["judged.py:careless", "passed"]["said_by"] == "the option ignore"
    mistaken = checks["judged.py:mistaken", "expected"]
    assert (mistaken["name"], mistaken["source"], mistaken["expect"]) == ("known: a | b", "judged.py:6", "fail")
    stacked = checks["judged.py:mended", "passed"]
    assert stacked["stacked"] == "leading"
    assert 0 < stacked["f_calls"] < stacked["evaluations"]
    assert stacked["settings"]["bounds"] == [0.5, 2.5]
    status = Counter(check["status"] for check in document["checks"])
    assert {name: document["summary"][name] for name in status} == status


def test_json_tells_the_simpler_point(real: Run) -> None:
    checks = _strict(render("json", real, Style()))["checks"]
    simpler = [check["simpler"] for check in checks if check.get("simpler")]
    assert simpler
    assert all(point["at"].startswith(("x=", "w=")) and point["evaluations"] > 0 for point in simpler)


# junit


def test_junit_is_what_ci_servers_read(any_run: Run) -> None:
    text = render("junit", any_run, Style())
    xmlschema.XMLSchema(SCHEMAS / "junit-10.xsd").validate(text)
    suites = ET.fromstring(text)
    (suite,) = suites
    assert int(suite.get("tests", "")) == len(suite) == len(any_run.outcomes) + (any_run.interrupted is not None)
    for name, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        assert int(suite.get(name, "")) == len(suite.findall(f"testcase/{tag}"))


def test_junit_says_what_each_check_came_to(real: Run) -> None:
    cases = list(ET.fromstring(render("junit", real, Style())).iter("testcase"))
    for case, outcome in zip(cases, real.outcomes, strict=True):
        expected = (outcome.result.verdict.value if outcome.result else "could-not-run") if case.find("*") else None
        found = [child.get("type") for child in case if child.tag in ("failure", "error")]
        passed = outcome.result is not None and outcome.result.verdict is Verdict.PASS
        assert passed == (found == [])
        assert found in ([], [expected or (outcome.result and outcome.result.verdict.value) or "could-not-run"])
    wrong = cases[0]
    assert (wrong.get("name"), wrong.get("classname", "").rpartition(".")[2]) == ("loss by w", "logistic_wrong")
    assert "df/dw[1]" in (wrong.findtext("failure") or "")


def test_junit_skips_what_is_allowed(real: Run) -> None:
    lenient = replace(real, settings=replace(real.settings, allow_inconclusive=True))
    strict, allowed = (ET.fromstring(render("junit", r, Style())).find("testsuite") for r in (real, lenient))
    assert strict is not None
    assert allowed is not None
    undecided = real.count(Verdict.INCONCLUSIVE)
    assert undecided > 0
    assert (strict.get("skipped"), allowed.get("skipped")) == ("0", str(undecided))
    assert int(strict.get("failures", "")) == int(allowed.get("failures", "")) + undecided


def test_junit_skips_what_is_expected_or_ignored(judged: Run) -> None:
    cases = list(ET.fromstring(render("junit", judged, Style())).iter("testcase"))
    found = {}
    for case, outcome in zip(cases[:-1], judged.outcomes, strict=True):
        kind = next((child for child in case if child.tag in ("failure", "error", "skipped")), None)
        found[outcome.target, outcome.status] = kind if kind is None else (kind.tag, kind.get("type"))
        if outcome.status is Status.IGNORED and "hinge" in outcome.target:
            assert kind is not None
            message = "1 finding ignored by the comment at judged.py:23 (the kink is meant)"
            assert (kind.get("message") or "").endswith(message)
    assert set(found.values()) == {
        None,
        ("failure", "fail"),
        ("failure", "unexpected"),
        ("skipped", "expected"),
        ("skipped", "ignored"),
        ("skipped", "inconclusive"),  # the declaration allows it
    }
    for (_, status), kind in found.items():
        assert (kind is None) == (status is Status.PASSED)
    assert cases[1].get("name") == "mistaken by x (known: a | b)"
    assert [child.tag for child in cases[-1]] == ["error"]


# sarif


@pytest.fixture(scope="module")
def sarif_schema() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((SCHEMAS / "sarif-2.1.0.json").read_text(encoding="utf-8"))
    return loaded


def test_sarif_is_sarif(any_run: Run, sarif_schema: dict[str, Any]) -> None:
    log = _strict(render("sarif", any_run, Style()))
    jsonschema.Draft4Validator(sarif_schema, format_checker=jsonschema.FormatChecker()).validate(log)
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert [rules[r["ruleIndex"]]["id"] for r in run["results"]] == [r["ruleId"] for r in run["results"]]
    for result in run["results"]:
        (location,) = result["locations"]
        artifact = location["physicalLocation"]["artifactLocation"]
        assert artifact.get("uriBaseId") == "%SRCROOT%" or artifact["uri"].startswith("file:///")
        assert not re.search(r"[ \\]|^/", artifact["uri"])
    assert run["invocations"][0]["executionSuccessful"] == (any_run.interrupted is None and not any_run.problems)
    told = len(run["results"]) + len(run["invocations"][0]["toolExecutionNotifications"])
    assert told >= len([o for o in any_run.outcomes if not (o.result and o.result.verdict is Verdict.PASS)])


def test_sarif_rules_are_the_explained_codes(real: Run) -> None:
    driver = json.loads(render("sarif", real, Style()))["runs"][0]["tool"]["driver"]
    levels = {"0": "error", "1": "error", "2": "warning", "3": "note"}
    for rule in driver["rules"]:
        row = (REQUEST_CODES | CODES)[rule["id"]]
        assert row.explanation in rule["help"]["text"]
        assert rule["shortDescription"]["text"] in explain(rule["id"])
        assert rule["defaultConfiguration"]["level"] == levels[rule["id"][2]]


def _fingerprints(run: Run) -> list[str]:
    results = json.loads(render("sarif", run, Style()))["runs"][0]["results"]
    return [result["partialFingerprints"]["gradcheckFinding/v1"] for result in results]


def test_sarif_fingerprints_outlive_numbers_and_lines(real: Run) -> None:
    first = _fingerprints(real)
    assert len(set(first)) == len(first)

    def moved(outcome: Outcome) -> Outcome:
        if outcome.result is None:
            return outcome
        findings = tuple(
            replace(f, message=f.message + " 17", where=f.where and replace(f.where, line=f.where.line + 30))
            for f in outcome.result.findings
        )
        return replace(outcome, result=replace(outcome.result, findings=findings, seed=9, seconds=3.0))

    assert _fingerprints(replace(real, outcomes=tuple(moved(o) for o in real.outcomes))) == first


def test_sarif_suppresses_what_does_not_count(judged: Run) -> None:
    (run,) = json.loads(render("sarif", judged, Style()))["runs"]
    suppressed = [result for result in run["results"] if result.get("suppressions")]
    for result in run["results"]:
        aside = result["properties"]["status"] in ("expected", "ignored")
        assert not aside or result["suppressions"][0]["status"] == "accepted"
        assert result["level"] == "note" or not result.get("suppressions")
    said = {(r["properties"]["target"], r["ruleId"]): r["suppressions"] for r in suppressed}
    comment = "the comment at judged.py:23: the kink is meant"
    kinds = {key: (value[0]["kind"], value[0]["justification"]) for key, value in said.items()}
    assert kinds == {
        ("judged.py:configured", "GC101"): ("external", "the declaration at gradcheck.toml:4"),
        ("judged.py:configured", "GC112"): ("external", "the declaration at gradcheck.toml:4"),
        ("judged.py:mistaken", "GC101"): ("inSource", 'expect = "fail" at judged.py:6'),
        ("judged.py:mistaken", "GC111"): ("inSource", 'expect = "fail" at judged.py:6'),
        ("judged.py:hinge", "GC201"): ("inSource", comment),
        ("judged.py:relu", "GC201"): ("inSource", 'expect = "inconclusive" at judged.py:27'),
        ("judged.py:accepted", "GC101"): ("inSource", "the declaration at judged.py:33"),
        ("judged.py:accepted", "GC112"): ("inSource", "the declaration at judged.py:33"),
        ("judged.py:careless", "GC301"): ("external", "the option ignore"),
    }
    errors = {result["ruleId"] for result in run["results"] if result["level"] == "error"}
    assert errors == {"GC150", "GC101", "GC112"}  # as expected no longer, and expected to be inconclusive


# github


def test_github_annotates_only_what_counts(judged: Run) -> None:
    commands = _commands(render("github", judged, Style()))
    assert [(name, properties["title"]) for name, properties, _ in commands] == [
        ("error", "gradcheck interrupted"),
        ("error", "gradcheck UNEXPECTED: judged.py:mended by x"),
        ("error", "gradcheck FAIL: judged.py:accepted by x"),
        ("warning", "gradcheck INCONCLUSIVE: judged.py:relu by x (allowed)"),
    ]


def _commands(text: str) -> list[tuple[str, dict[str, str], str]]:
    """Workflow commands as the runner of GitHub Actions reads them."""
    found = []
    for line in text.splitlines():
        match = re.fullmatch(r"::(\w+) (.*?)::(.*)", line)
        if match:
            name, properties, data = match.groups()
            pairs = dict(pair.split("=", 1) for pair in properties.split(","))
            found.append((name, {k: _unescaped(v, True) for k, v in pairs.items()}, _unescaped(data, False)))
    return found


def _unescaped(text: str, within: bool) -> str:
    more = (("%3A", ":"), ("%2C", ",")) if within else ()
    for code, plain in (("%0D", "\r"), ("%0A", "\n"), *more, ("%25", "%")):
        text = text.replace(code, plain)
    return text


def test_github_annotates_lines(real: Run) -> None:
    commands = _commands(render("github", real, Style()))
    first = commands[0]
    assert first[0] == "error"
    assert first[1]["file"].endswith("fixtures/logistic_wrong.py")
    assert Path(first[1]["file"]).is_absolute()
    assert first[1]["line"] == "17"
    assert first[1]["title"].endswith("logistic_wrong.py:loss by w")
    assert "GC101 wrong-derivative: " in first[2]
    assert "\nreproduce: gradcheck " in first[2]
    order = [("error", "warning", "notice").index(name) for name, *_ in commands]
    assert order == sorted(order)
    assert set(order) == {0, 1, 2}


def test_github_text_cannot_leave_its_command() -> None:
    text = render("github", nasty_run(), Style())
    commands = _commands(text)
    assert len(commands) == len(text.splitlines()) - 1  # and the summary
    for name, properties, message in commands:
        assert name in ("error", "warning", "notice")
        assert set(properties) <= {"file", "line", "title"}
        assert "::error::%0A% " in message
    assert commands[0][1]["title"] == "gradcheck interrupted"
    assert commands[1][1]["file"].endswith("dir with space/mödel,a:b.py")


# markdown


def test_markdown_shows_tables_and_details(real: Run) -> None:
    page = _page(render("markdown", real, Style()))
    assert next(h.text or "" for h in page.iter("h2")).startswith("gradcheck: ")
    tables = list(page.iter("table"))
    assert len(list(tables[0].iter("tr"))) == len(real.outcomes) + 1
    bad = [o for o in real.outcomes if not (o.result and o.result.verdict is Verdict.PASS)]
    assert len(list(page.iter("details"))) == len(list(page.iter("summary"))) == len(bad)
    widths = [{len(list(row)) for row in table.iter("tr")} for table in tables]
    assert all(len(width) == 1 for width in widths)
    commands = [code.text.strip() for code in page.iterfind(".//pre/code")]
    assert commands == [o.reproduce for o in _in_order(bad) if o.reproduce]


def test_markdown_tells_what_does_not_count(judged: Run) -> None:
    page = _page(render("markdown", judged, Style()))
    rows = next(page.iter("table")).iterfind("tbody/tr")
    words = Counter((row.findtext("td") or "").split()[-1] for row in rows)
    assert words == {"FAIL": 1, "UNEXPECTED": 1, "INCONCLUSIVE": 1, "IGNORED": 3, "EXPECTED": 3, "PASS": 2}
    details = {"".join(d.find("summary").itertext()): "".join(d.itertext()) for d in page.iter("details")}  # type: ignore[union-attr]
    told = next(text for name, text in details.items() if "IGNORED judged.py:hinge" in name)
    assert "does not count: GC201 kink" in told
    assert "ignored by the comment at judged.py:23: the kink is meant" in told
    assert any("PASS judged.py:careless" in name for name in details)  # a warning of it is ignored
    assert "known: a | b" in next(text for name, text in details.items() if "EXPECTED judged.py:mistaken" in name)


def _in_order(outcomes: list[Outcome]) -> list[Outcome]:
    rank = {Verdict.FAIL: 0, None: 1, Verdict.INCONCLUSIVE: 2}
    return sorted(outcomes, key=lambda o: rank[o.result.verdict if o.result else None])


def _page(markdown: str) -> ET.Element:
    """As GitHub renders it: CommonMark with tables and strikethrough, HTML let through."""
    html = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(markdown)
    page: ET.Element = html5lib.parse(html, namespaceHTMLElements=False)
    return page


def test_markdown_of_the_user_is_text() -> None:
    markdown = render("markdown", nasty_run(), Style())
    page = _page(markdown)
    allowed = {"html", "head", "body", "h2", "table", "thead", "tbody", "tr", "th", "td", "code", "pre", "p", "ul"}
    allowed |= {"li", "strong", "details", "summary"}
    assert {element.tag for element in page.iter()} == allowed
    text = "".join(page.itertext())
    assert "<script>alert(1)</script>" in text
    assert "*e* _f_" in text
    assert "[x](http://y) ![i](j) @all #1" in text


def test_markdown_says_what_it_leaves_out(real: Run) -> None:
    many = replace(real, outcomes=(real.outcomes[0],) * 600)
    text = render("markdown", many, Style())
    assert "and 100 more checks\n" in text
    assert "and 550 more checks with details\n" in text
    assert len(text.encode()) < 1_000_000
