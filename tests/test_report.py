"""Reports as functions of outcomes: what stands in them, at which width, in which characters."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace

import pytest

from gradcheck.check.result import Entry, Finding, Point, Result, Verdict
from gradcheck.errors import Location
from gradcheck.report import FORMATS, numbers, render
from gradcheck.report.common import worst_first
from gradcheck.report.style import Style
from gradcheck.runner import Outcome, Problem, Run
from gradcheck.settings import Settings

POINT = Point((1.0,), "trial shapes x: (3,)", 7, "x=[1.25, 0.5, 0.75]")


def entry(index: int, yours: float, measured: float, verdict: Verdict, point: int = 0, note: str = "") -> Entry:
    difference = abs(yours - measured) / max(abs(yours), abs(measured))
    label = f"df/dx[{index}]"
    return Entry(label, (), (index,), point, yours, measured, measured, 1.5e-10, difference, verdict, note, 1e-7)


def result(*entries: Entry, verdict: Verdict = Verdict.FAIL, points: int = 1, **more: object) -> Result:
    base = Result(
        target="model.py:f",
        argnum=0,
        argname="x",
        order=1,
        verdict=verdict,
        entries=entries,
        findings=(),
        evaluations=42,
        points=(POINT,) * points,
        derivative="f_grad",
        derivative_how="found by name",
        total=len(entries),
        where=Location("model.py", 3),
        value=("6.0",) * points,
    )
    return replace(base, **more)  # type: ignore[arg-type]


def outcome(checked: Result, **more: object) -> Outcome:
    base = Outcome(checked.target, checked.argname, result=checked, reproduce="gradcheck model.py:f --at 'x=[1]'")
    return replace(base, **more)  # type: ignore[arg-type]


def run(*outcomes: Outcome, settings: Settings | None = None) -> Run:
    return Run(outcomes, settings or Settings(), 0.5)


PASSED = outcome(result(entry(0, 1.0, 1.0 + 1e-11, Verdict.PASS), verdict=Verdict.PASS))
WRONG = outcome(
    result(
        entry(0, 2.0, 2.0, Verdict.PASS),
        entry(1, -1.0, 1.0, Verdict.FAIL),
        entry(2, 3.0, 1.0, Verdict.FAIL, note="factor 3"),
        findings=(
            Finding(
                "GC112",
                "constant-factor",
                "your x[i] is 3 times too large",
                Location("model.py", 9),
                "sum or mean?",
            ),
        ),
    )
)
UNSURE = outcome(result(entry(0, 0.0, 1e-9, Verdict.INCONCLUSIVE), verdict=Verdict.INCONCLUSIVE))
BROKEN = Outcome(
    "gone.py:f", "0", problem=Problem("GC002", "there is no file 'gone.py'", hint="did you mean 'one.py'?")
)
BUG = Outcome("a:b", "x", problem=Problem("GC000", "gradcheck failed", traceback="Traceback ...", bug=True))


def full(*outcomes: Outcome, **style: object) -> str:
    return render("full", run(*outcomes), Style(**style))  # type: ignore[arg-type]


# exit codes


@pytest.mark.parametrize(
    ("outcomes", "code"),
    [
        ((), 5),
        ((PASSED,), 0),
        ((PASSED, WRONG), 1),
        ((PASSED, BROKEN), 2),
        ((PASSED, UNSURE), 3),
        ((BUG,), 4),
        ((UNSURE, BROKEN), 2),
        ((UNSURE, BROKEN, WRONG, BUG), 1),
        ((UNSURE, BROKEN, BUG), 4),
    ],
)
def test_exit_codes(outcomes: tuple[Outcome, ...], code: int) -> None:
    assert run(*outcomes).exit_code == code


def test_allow_inconclusive_allows_nothing_else() -> None:
    lenient = Settings(allow_inconclusive=True)
    assert run(PASSED, UNSURE, settings=lenient).exit_code == 0
    assert run(UNSURE, BROKEN, settings=lenient).exit_code == 2
    assert run(UNSURE, WRONG, settings=lenient).exit_code == 1


# full


def test_a_pass_is_one_line() -> None:
    line, summary, rest = full(PASSED).split("\n")
    assert line.startswith("PASS  model.py:f  x  ")
    for part in (
        "f_grad (found by name)",
        "autodiff",
        "measured",
        "1 entry at 1 point (x: (3,); seed 7), ",
        "1.0e-11",
        "1.0e-07",
        "42 evaluations",
    ):
        assert part in line
    assert summary == "1 check: 1 passed  (0.50 s)"
    assert rest == ""


@pytest.mark.parametrize(
    ("points", "text"),
    [
        ([Point((1.0,), "given with --at, default n")], "1 entry at the given point, "),
        ([Point((1.0,), "given with --at")] * 2, "1 entry at 2 given points, "),
        ([Point((1.0,), "defaults of the parameters")], "1 entry at the defaults, "),
        (
            [
                Point((1.0,), "defaults of the parameters"),
                Point((1.1,), "within 10 % of the default of x; lam moved off the default", 4),
            ],
            "1 entry at the defaults and 1 beside them (seed 4), ",
        ),
        (
            [Point((1.0,), "trial shapes x: (3,), t: scalar; values in [0.3, 1.7]", 0)] * 5,
            "1 entry at 5 points (x: (3,), t: scalar; seed 0), ",
        ),
        ([], "1 entry, "),
    ],
)
def test_a_pass_says_where(points: list[Point], text: str) -> None:
    checked = result(entry(0, 1.0, 1.0, Verdict.PASS), verdict=Verdict.PASS)
    assert text in full(outcome(replace(checked, points=tuple(points))))


def test_the_difference_of_a_zero_from_noise_is_not_shown() -> None:
    noise = replace(entry(0, 0.0, 1e-12, Verdict.PASS), difference=1.0)
    clear = entry(1, 1.0, 1.0 + 1e-11, Verdict.PASS)
    assert "difference within the error bars (resolution" in full(outcome(result(noise, verdict=Verdict.PASS)))
    assert "difference 1.0e-11 (" in full(outcome(result(noise, clear, verdict=Verdict.PASS)))


@pytest.mark.parametrize("checked", [WRONG, PASSED])
def test_the_only_point_is_shown_once(checked: Outcome) -> None:
    assert full(checked, verbose=1).count("point: x=[1.25, 0.5, 0.75]") == 1


def test_a_failure_names_the_wrong_entries_worst_first() -> None:
    text = full(WRONG)
    assert "FAIL  model.py:f  x  2 of 3 entries wrong" in text
    rows = [line.split() for line in text.split("\n") if line.strip().startswith("df/dx")]
    assert [row[0] for row in rows] == ["df/dx[1]", "df/dx[2]"]
    assert rows[0][1:3] == ["-1.00000", "1.00000"]
    assert "± 1.5e-10" in text
    assert "factor 3" in text
    assert "wrong GC112 constant-factor: your x[i] is 3 times too large (model.py:9)" in text
    assert "hint: sum or mean?" in text
    assert "point: x=[1.25, 0.5, 0.75]  (trial shapes x: (3,), seed 7)" in text
    assert "reproduce: gradcheck model.py:f --at 'x=[1]'" in text


def test_entries_of_several_points_are_one_row_at_the_worst() -> None:
    entries = [entry(0, 1.0 + 0.1 * k, 1.0, Verdict.FAIL, point=k) for k in range(1, 4)]
    rows = worst_first([*entries, entry(1, 1.0, 1.0, Verdict.PASS)])
    assert [(row.entry.label, row.entry.point, row.points) for row in rows] == [("df/dx[0]", 3, 3)]


def test_wrong_comes_before_undecided_and_nan_before_all() -> None:
    unsure = entry(0, 5.0, 1.0, Verdict.INCONCLUSIVE)
    slight, nan = entry(1, 1.1, 1.0, Verdict.FAIL), entry(2, math.nan, 1.0, Verdict.FAIL)
    assert [row.entry.label for row in worst_first([unsure, slight, nan])] == [
        "df/dx[2]",
        "df/dx[1]",
        "df/dx[0]",
    ]


def test_ten_rows_and_the_rest_with_v() -> None:
    many = outcome(result(*(entry(k, 2.0 + k, 1.0, Verdict.FAIL) for k in range(22))))
    rows = [line for line in full(many).split("\n") if line.strip().startswith("df/dx[")]
    assert len(rows) == 10
    assert "df/dx[21]" in rows[0]
    assert "and 12 more (-v shows them all)" in full(many)
    assert "more (-v" not in full(many, verbose=1)


def test_verbose_shows_the_partial_derivatives() -> None:
    text = full(PASSED, verbose=1)
    assert "df/dx[0]" in text
    assert "point: x=[1.25, 0.5, 0.75]" in text
    assert "value: 6.0" in text


def test_quiet() -> None:
    assert "PASS" not in full(PASSED, WRONG, quiet=1)
    assert "FAIL" in full(PASSED, WRONG, quiet=1)
    assert full(PASSED, WRONG, quiet=2) == ""


def test_problems() -> None:
    text = full(BROKEN, BUG)
    assert "ERROR GC002  gone.py:f  there is no file 'gone.py'\n  hint: did you mean 'one.py'?" in text
    assert "Traceback" not in text
    assert "Traceback" in full(BUG, traceback=True)
    assert "2 checks: 2 could not run" in text


def test_markup_of_the_user_is_text() -> None:
    odd = replace(PASSED, target="[red]x[i].py:f :smile:")
    assert "[red]x[i].py:f :smile:" in full(odd, color=True)


def test_without_a_width_nothing_is_wrapped_or_cut() -> None:
    long = outcome(result(entry(1, -1.0, 1.0, Verdict.FAIL, note="why " * 100)), notes=("note " * 100,))
    text = full(long)
    assert ("why " * 100).strip() in text
    assert ("note " * 100).strip() in text
    assert all(line == line.rstrip() for line in text.split("\n"))


@pytest.mark.parametrize("width", [30, 40, 60, 80, 120])
def test_in_a_terminal_numbers_are_never_cut(width: int) -> None:
    text = full(WRONG, width=width)
    lines = [line for line in text.split("\n") if "reproduce" not in line]
    assert max(len(line) for line in lines) <= width
    assert "…" not in text
    for number in ("-1.00", "3.00", "1.5e-10"):
        assert number in text
    assert "factor 3" in text


def test_ascii() -> None:
    note = "slope −1 … ü"
    odd = outcome(result(entry(1, -1.0, 1.0, Verdict.FAIL, note=note)))
    text = full(odd, ascii=True)
    assert text.isascii()
    assert "+/- 1.5e-10" in text
    assert "slope -1 ... \\xfc" in text


def test_color_only_where_wanted() -> None:
    assert "\x1b[" not in full(WRONG, PASSED)
    colored = full(WRONG, PASSED, color=True)
    assert "\x1b[1;31mFAIL" in colored
    assert re.sub(r"\x1b\[[\d;]*m", "", colored) == full(WRONG, PASSED)


def test_findings_seen_at_every_point_are_told_once() -> None:
    same = [Finding("GC101", "wrong", f"at point {k}", Location("model.py", 3)) for k in range(3)]
    text = full(outcome(result(entry(1, -1.0, 1.0, Verdict.FAIL), findings=tuple(same))))
    assert text.count("GC101") == 1
    assert "and 2 more like this" in text


def test_a_sample_is_called_a_sample() -> None:
    sampled = result(entry(0, 1.0, 1.0, Verdict.PASS), verdict=Verdict.PASS, total=1000)
    assert "1 of 1000 entries" in full(outcome(sampled))


def along(number: int, verdict: Verdict) -> Entry:
    return replace(entry(0, 1.0, 2.0, verdict), label=f"df/dx · v{number}", index=(), direction=number)


def test_random_directions_are_counted_apart() -> None:
    single = [entry(i, 1.0 if i else -1.0, 1.0, Verdict.PASS if i else Verdict.FAIL) for i in range(9)]
    both = result(*single, along(1, Verdict.FAIL), along(2, Verdict.PASS), total=9)
    assert "  1 of 9 entries wrong, and 1 of 2 random directions\n" in full(outcome(both))
    only = result(*single[1:], along(1, Verdict.FAIL), along(2, Verdict.FAIL), total=100)
    assert "  2 of 2 random directions wrong\n" in full(outcome(only))
    passed = result(*single[1:], along(1, Verdict.PASS), verdict=Verdict.PASS, total=100)
    assert "agree: 8 of 100 entries and 1 random direction at" in full(outcome(passed))
    shown = json.loads(render("json", run(outcome(both)), Style()))["checks"][0]["entries"]
    assert [e["direction"] for e in shown] == [None] * 9 + [1, 2]


# numbers


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (0.0, 6, "0"),
        (1.0, 6, "1.00000"),
        (-123.456, 5, "-123.46"),
        (1e7, 3, "1.00e+07"),
        (math.nan, 3, "nan"),
        (-math.inf, 3, "-inf"),
        (1 + 2j, 2, "1.0+2.0j"),
        (12345.6, 3, "12346"),
    ],
)
def test_numbers(value: complex, digits: int, text: str) -> None:
    assert numbers.number(value, digits) == text


@pytest.mark.parametrize("gap", [1.0, 1e-2, 1e-5, 1e-8])
def test_digits_show_the_difference(gap: float) -> None:
    row = entry(0, 1.2345 * (1 + gap), 1.2345, Verdict.FAIL)
    digits = numbers.digits_for(row)
    assert numbers.number(row.yours, digits) != numbers.number(row.measured, digits)


# json


def test_json_has_everything() -> None:
    document = json.loads(render("json", run(WRONG, PASSED, BROKEN), Style(quiet=2)))
    assert document["schema"] == 1
    assert document["exit_code"] == 1
    assert document["summary"] == {
        "checks": 3,
        "passed": 1,
        "wrong": 1,
        "inconclusive": 0,
        "could_not_run": 1,
        "expected": 0,
        "unexpected": 0,
        "ignored": 0,
    }
    wrong, passed, broken = document["checks"]
    assert [check["verdict"] for check in document["checks"]] == ["fail", "pass", "error"]
    assert wrong["entries"][1] == {
        "label": "df/dx[1]",
        "point": 0,
        "output": [],
        "index": [1],
        "direction": None,
        "yours": -1.0,
        "autodiff": 1.0,
        "measured": 1.0,
        "error": 1.5e-10,
        "difference": 2.0,
        "resolution": 1e-7,
        "verdict": "fail",
        "note": "",
    }
    assert wrong["derivative"] == {"name": "f_grad", "how": "found by name"}
    assert wrong["points"][0]["at"] == "x=[1.25, 0.5, 0.75]"
    assert wrong["points"][0]["seed"] == 7
    assert wrong["findings"][0]["where"] == {"file": "model.py", "line": 9}
    assert wrong["reproduce"].startswith("gradcheck")
    assert passed["problem"] is None
    assert broken["problem"]["code"] == "GC002"


def test_json_of_numbers_that_json_does_not_have() -> None:
    odd = result(Entry("df/dx", (), (), 0, math.nan, complex(1.0, -math.inf), math.inf, None, None, Verdict.FAIL))
    (written,) = json.loads(render("json", run(outcome(odd)), Style()))["checks"][0]["entries"]
    assert written["yours"] == "nan"
    assert written["autodiff"] == {"re": 1.0, "im": "-inf"}
    assert written["measured"] == "inf"
    assert written["error"] is None


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_every_format_renders_every_outcome(name: str) -> None:
    text = render(name, run(WRONG, PASSED, UNSURE, BROKEN, BUG), Style())
    assert text.endswith("\n")
    assert "model.py:f" in text
    assert render(name, run(), Style())
