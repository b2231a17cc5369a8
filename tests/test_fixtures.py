"""Every fixture passes and every twin fails in exactly the entries that are wrong, through the real command.

The command runs as a process, as a user runs it. A start costs about a second, so the rows of
``fixture_cases.py`` that share their options share a process.
"""

from __future__ import annotations

import difflib
import io
import json
import re
import subprocess
import sys
import tokenize
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from .fixture_cases import CASES, Case

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Run:
    """What came out of one process."""

    code: int
    stdout: str
    stderr: str

    @property
    def report(self) -> dict[str, Any]:
        report = json.loads(self.stdout)
        assert isinstance(report, dict)
        return report

    def check(self, target: str, argument: str = "") -> dict[str, Any]:
        checks = [
            c for c in self.report["checks"] if c["target"] == target and (not argument or c["argument"] == argument)
        ]
        assert len(checks) == 1, (target, argument, self.stdout, self.stderr)
        found = checks[0]
        assert isinstance(found, dict)
        return found


@cache
def gradcheck(*arguments: str) -> Run:
    done = subprocess.run(
        [sys.executable, "-m", "gradcheck", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    return Run(done.returncode, done.stdout, done.stderr)


def options(case: Case) -> tuple[str, ...]:
    several = sum(c.target == case.target and c.order == case.order and c.grad == case.grad for c in CASES) > 1
    found = ["--argnum", "all"] if several else ["--argnum", str(case.argnum)]
    if case.order != 1:
        found += ["--order", str(case.order)]
    if case.grad is not None:
        found += ["--grad", case.grad]
    return tuple(found)


def is_twin(case: Case) -> bool:
    return "_wrong.py:" in case.target


def companions() -> dict[tuple[bool, tuple[str, ...]], list[str]]:
    """Targets that can share a process: same options, and all right files or all twins."""
    groups: dict[tuple[bool, tuple[str, ...]], list[str]] = defaultdict(list)
    for case in CASES:
        targets = groups[is_twin(case), options(case)]
        if case.target not in targets:
            targets.append(case.target)
    return groups


GROUPS = companions()


def run_group(key: tuple[bool, tuple[str, ...]]) -> Run:
    return gradcheck("--format", "json", *key[1], *GROUPS[key])


def name(case: Case) -> str:
    return f"{case.target.removeprefix('fixtures/')}-{case.argname}-{case.order}-{case.grad or 'auto'}"


@pytest.mark.parametrize("case", CASES, ids=name)
def test_exactly_the_wrong_entries_fail(case: Case) -> None:
    check = run_group((is_twin(case), options(case))).check(case.target, case.argname)
    assert check["order"] == case.order
    assert case.derivative.rpartition(".")[2] in check["derivative"]["name"]
    # a Hessian is also checked along random directions: those are no entries of it
    entries = [e for e in check["entries"] if "·" not in e["label"]]
    along = [e for e in check["entries"] if "·" in e["label"]]
    assert entries
    shape = tuple(max(axis) + 1 for axis in zip(*(at(e) for e in entries), strict=True))
    wrong = set(case.wrong_entries(shape))
    assert {at(e) for e in entries if e["verdict"] == "fail"} == wrong
    for entry in entries:  # at every point
        assert entry["verdict"] == ("fail" if at(entry) in wrong else "pass"), entry
    assert {e["verdict"] for e in along} <= {"fail" if wrong else "pass"}
    assert check["verdict"] == ("fail" if wrong else "pass")
    for entry in entries:
        assert entry["yours"] is not None
        assert entry["autodiff"] is not None
        # autodiff is the independent witness: it sides with the measurement, whatever is on trial
        assert entry["autodiff"] == pytest.approx(entry["measured"], rel=1e-5, abs=3 * entry["error"] + 1e-12), entry


def at(entry: dict[str, Any]) -> tuple[int, ...]:
    return (*entry["output"], *entry["index"])


@pytest.mark.parametrize("key", GROUPS, ids=lambda key: f"{'twins' if key[0] else 'right'} {' '.join(key[1])}")
def test_exit_codes(key: tuple[bool, tuple[str, ...]]) -> None:
    some_wrong = any(
        case.wrong for case in CASES if (is_twin(case), options(case)) == key and case.target in GROUPS[key]
    )
    run = run_group(key)
    assert run.code == (1 if some_wrong else 0), run.stderr


def code_lines(path: Path) -> list[str]:
    """The file without its opening docstring, comments and blank lines."""
    text = re.sub(r'\A""".*?"""\n', "", path.read_text(), flags=re.DOTALL)
    comments = {
        token.start[0]
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type == tokenize.COMMENT and token.line.lstrip().startswith("#")
    }
    return [line for number, line in enumerate(text.splitlines(), 1) if line.strip() and number not in comments]


TWINS = sorted((ROOT / "fixtures").glob("*_wrong.py"))


@pytest.mark.parametrize("twin", TWINS, ids=lambda path: path.stem)
def test_twin_differs_by_one_mistake(twin: Path) -> None:
    origin = re.match(r'"""Twin of (\w+\.py) with one mistake: ', twin.read_text())
    assert origin, twin
    before, after = code_lines(twin.parent / origin[1]), code_lines(twin)
    changed = [line for line in difflib.ndiff(before, after) if line[0] in "+-"]
    assert 1 <= len(changed) <= 4, changed


def test_every_file_is_in_the_table() -> None:
    listed = {Path(case.target.partition(":")[0]).name for case in CASES}
    present = {path.name for path in (ROOT / "fixtures").glob("*.py")}
    assert present - listed == {"founding.py", "behaviour.py", "random_walk.py", "kinds.py"}


def test_fixtures_are_the_users_own_code() -> None:
    for path in (ROOT / "fixtures").glob("*.py"):
        assert "import gradcheck" not in path.read_text()
        assert "from gradcheck" not in path.read_text()


@pytest.mark.parametrize("argnum", ["0", "1", "t"])
def test_founding_question_with_no_point_given(argnum: str) -> None:
    run = gradcheck("--format", "json", "fixtures/founding.py:h", "--argnum", argnum)
    assert run.code == 0, run.stderr
    check = run.check("fixtures/founding.py:h")
    assert check["argument"] == {"0": "x", "1": "t", "t": "t"}[argnum]
    assert check["verdict"] == "pass"
    assert check["derivative"]["name"] == "autodiff"
    assert check["entries"]


BEHAVIOUR = "fixtures/behaviour.py"

# Right answers from functions that make it hard: exit code 0.
RIGHT = [
    "log_likelihood",
    "entropy",
    "prints",
    "seeded",
    "mutates_harmlessly",
    "power",
    "integer_point",
    "integer_array",
    "choose",
    "keyword_only",
    "guarded",
    "listed",
    "constant",
    "partly_unused",
    "slow",
    "single",
]

# No derivative at the point: exit code 3, with the index of the undecided entries.
UNDECIDED: dict[str, set[tuple[int, ...]]] = {
    "absolute": {()},
    "builtin_absolute": {()},
    "relu_sum": {(0,)},
    "relu_branch": {()},
    "jump": {()},
    "root": {()},
}

# Could not be checked: exit code 2, with what the message must say.
IMPOSSIBLE = {
    "raises": r"ValueError: matrix is \[singular\]",
    "exits": r"sys\.exit\(0\)",
    "returns_none": "returns None",
    "returns_text": "returns a str",
    "returns_pair": "returned a tuple|returns a tuple",
    "noisy": "not deterministic",
    "counting": "not deterministic",
    "outside": "nan",
    "infinite": "inf",
    "not_callable": "not a function",
    "missing": "no attribute 'missing'",
}


def of(names: Iterable[str]) -> list[str]:
    return [f"{BEHAVIOUR}:{each}" for each in names]


@pytest.mark.parametrize("function", RIGHT)
def test_right_answers_in_spite_of_behaviour(function: str) -> None:
    run = gradcheck("--format", "json", *of(RIGHT))
    assert run.code == 0, run.stderr
    check = run.check(f"{BEHAVIOUR}:{function}")
    assert check["verdict"] == "pass", check
    assert check["entries"]


def test_output_of_the_function_does_not_mix_with_the_report() -> None:
    run = gradcheck("--format", "json", *of(RIGHT))
    assert run.report["schema"] == 1
    assert "[bold]evaluating[/bold]" in run.stderr


@pytest.mark.parametrize("function", UNDECIDED)
def test_points_without_a_derivative_are_inconclusive(function: str) -> None:
    run = gradcheck("--format", "json", *of(UNDECIDED))
    assert run.code == 3, run.stderr
    check = run.check(f"{BEHAVIOUR}:{function}")
    assert check["verdict"] == "inconclusive", check
    assert {at(e) for e in check["entries"] if e["verdict"] == "inconclusive"} == UNDECIDED[function]
    assert all(e["note"] for e in check["entries"] if e["verdict"] == "inconclusive"), check


@pytest.mark.parametrize("function", IMPOSSIBLE)
def test_what_cannot_be_checked_says_why(function: str) -> None:
    run = gradcheck("--format", "json", *of(IMPOSSIBLE))
    assert run.code == 2, run.stderr
    check = run.check(f"{BEHAVIOUR}:{function}")
    assert check["verdict"] == "error", check
    assert not check["problem"]["bug"], check
    assert re.search(IMPOSSIBLE[function], check["problem"]["message"]), check


def test_no_traceback_for_what_cannot_be_checked() -> None:
    run = gradcheck(*of(IMPOSSIBLE))
    assert run.code == 2
    assert "Traceback" not in run.stdout + run.stderr


def test_an_argument_changed_in_place_is_found() -> None:
    run = gradcheck("--format", "json", *of(["mutates", "mutates_harmlessly"]))
    for function in ("mutates", "mutates_harmlessly"):
        check = run.check(f"{BEHAVIOUR}:{function}")
        assert "mutated-input" in {finding["kind"] for finding in check["findings"]}, check
        assert check["verdict"] == "pass", check


def test_no_derivative_with_respect_to_an_integer_parameter() -> None:
    run = gradcheck("--format", "json", f"{BEHAVIOUR}:power", "--argnum", "n")
    assert run.code == 2, run.stderr
    check = run.check(f"{BEHAVIOUR}:power", "n")
    assert "n" in check["problem"]["message"]


def test_compiled_code_that_makes_arrays_during_a_trace() -> None:
    # numpy.random looks np.empty up by name and takes the address of what it gets: a crash if that is no ndarray
    run = gradcheck("--format", "json", "fixtures/random_walk.py:mean_square")
    assert run.code == 0, run.stderr
    assert run.check("fixtures/random_walk.py:mean_square")["entries"][0]["autodiff"] is not None
