"""The detection benchmark: its right gradients are right, and a sample of it is judged without false alarm or miss.

python -m benchmarks.detection      runs all of it, beside other checkers
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.detection import cases, run, score, verify
from benchmarks.detection.adapters import CHECKERS
from benchmarks.detection.problem import Bug, generator, load

ROOT = Path(__file__).resolve().parent.parent
PROBLEMS = load()
#: Every third of the smaller problems, each with its right gradient and three wrong ones.
SAMPLE = [name for name, problem in PROBLEMS.items() if problem.exact().size <= 100][::3]
WRONG = 3


@pytest.mark.parametrize("name", PROBLEMS)
def test_the_complex_step_confirms_every_right_gradient(name: str) -> None:
    problem = PROBLEMS[name]
    assert verify.worst(problem) <= problem.tolerance


def test_problems_span_what_they_should() -> None:
    sizes = {p.x.size for p in PROBLEMS.values()}
    assert len(PROBLEMS) >= 60
    assert min(sizes) == 1
    assert max(sizes) == 2000
    assert any(p.x.dtype == np.float32 for p in PROBLEMS.values())
    entries = np.concatenate([np.abs(p.exact()).ravel() for p in PROBLEMS.values()])
    assert entries[entries > 0].min() < 1e-12
    assert entries.max() > 1e12


@pytest.mark.parametrize("name", PROBLEMS)
def test_every_mark_of_a_gradient_changes_it(name: str) -> None:
    problem = PROBLEMS[name]
    right = problem.gradient()(problem.x)
    for mark in problem.marks():
        wrong = np.asarray(problem.g(problem.x.copy(), Bug(mark)))
        assert wrong.shape == np.shape(right), mark
        assert not np.array_equal(wrong, right), mark


@pytest.mark.parametrize("name", SAMPLE)
def test_no_false_alarm_and_no_miss(name: str) -> None:
    right, *wrong = cases.cases_of(PROBLEMS[name], list(PROBLEMS).index(name))
    chosen = generator("sample", name).permutation(len(wrong))[:WRONG]
    for case in [right, *(wrong[i] for i in chosen)]:
        row = run.run(CHECKERS["gradcheck"].check, case, score.truth(case.problem))
        assert row.complaint not in ("false alarm", "miss", "no verdict"), (case.label.id, row.said, row.note)


def test_bugs_below_the_floor_are_not_counted_as_decidable() -> None:
    found = {c.label.id: c.label for c in cases.build(["offset_1e10"])}
    assert not found["offset_1e10/value off by 1 floors"].decidable
    assert found["offset_1e10/value off by 30 floors"].decidable
    assert found["offset_1e10/sign"].decidable


def test_the_command_prints_the_table_and_names_what_is_absent() -> None:
    blocked = "import sys; sys.modules['numdifftools'] = None; from benchmarks.detection.run import main; main()"
    arguments = ["--checker", "gradcheck", "--checker", "numdifftools", "--problem", "one_number", "--label", "sign"]
    done = subprocess.run(
        [sys.executable, "-c", blocked, *arguments],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=True,
    )
    assert "| gradcheck | 0 of 0 | 0 of 1 | 0 + 0 (0.0 %) |" in done.stdout
    assert "| numdifftools, rtol=1e-6 | not installed" in done.stdout


def test_the_command_writes_json() -> None:
    arguments = ["--checker", "gradcheck", "--problem", "one_number", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.detection", *arguments],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=True,
    )
    document = json.loads(done.stdout)
    assert document["figures"]["gradcheck"]["misses"] == 0
    assert {case["verdict"] for case in document["cases"]} == {"pass", "fail"}
