"""A failing point is made simpler for the reproduce line: the same failure at rounder numbers, or none."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradcheck.check import Verdict, check
from gradcheck.check.shrink import MOST, rounded
from tests.test_cli import process

MODEL = """
import numpy as np

def penalised(w, lam=0.1, data=np.array([1.23456, 2.34567])):
    return np.sum(np.exp(w) * np.arange(1, len(w) + 1)) + 0.5 * lam * np.sum(w**2) + np.sum(data)

def penalised_grad(w, lam=0.1, data=None):
    return np.exp(w) * np.arange(1, len(w) + 1)

def narrow(x):
    # wrong beyond three digits only: rounder numbers are right
    return np.sum(x**2)

def narrow_grad(x):
    g = 2 * x
    return np.where(np.round(x, 1) == x, g, 1.5 * g)

def picky(x):
    if np.any(np.round(x, 2) == x):
        raise ValueError("too round")
    return np.sum(x**2)

def picky_grad(x):
    return 3 * x

def cov(S):
    return np.sum(S**3)

def cov_grad(S):
    return 2 * S**2

def right(x):
    return np.sum(x**2)

def right_grad(x):
    return 2 * x
"""


def run(folder: Path, *arguments: str) -> dict[str, Any]:
    (folder / "model.py").write_text(MODEL)
    done = process(*arguments, "-f", "json", cwd=folder)
    (found,) = json.loads(done.stdout)["checks"]
    return {**found, "exit": done.returncode}


@pytest.mark.parametrize("more", [[], ["--no-autodiff"], ["--shape", "w=12"], ["--bounds", "w=[0.5, inf]"]])
def test_the_simpler_point_fails_alike(tmp_path: Path, more: list[str]) -> None:
    found = run(tmp_path, "model.py:penalised", *more)
    assert found["verdict"] == "fail"
    text = found["simpler"]["at"]
    assert all(len(number.lstrip("-")) <= 5 for number in re.findall(r"-?[\d.]+", text))
    assert 0 < found["simpler"]["evaluations"] <= MOST
    assert text in found["reproduce"]
    worst = max((e for e in found["entries"] if e["verdict"] == "fail"), key=lambda e: e["difference"])
    again = run(tmp_path, *shlex.split(found["reproduce"])[1:])
    assert again["exit"] == 1
    assert worst["label"] in [e["label"] for e in again["entries"] if e["verdict"] == "fail"]
    kinds = {f["code"] for f in found["findings"] if f["code"] == "GC101"}
    assert kinds <= {f["code"] for f in again["findings"]}


def test_the_table_shows_the_original(tmp_path: Path) -> None:
    plain = run(tmp_path, "model.py:penalised", "--no-shrink")
    found = run(tmp_path, "model.py:penalised")
    assert plain["simpler"] is None
    assert plain["entries"] == found["entries"]
    assert plain["findings"] == found["findings"]
    assert plain["points"] == found["points"]
    assert found["evaluations"] == plain["evaluations"] + found["simpler"]["evaluations"]
    assert "--no-shrink" not in found["reproduce"]


def test_where_rounder_numbers_are_right_there_is_none(tmp_path: Path) -> None:
    found = run(tmp_path, "model.py:narrow")
    assert found["verdict"] == "fail"
    again = run(tmp_path, *shlex.split(found["reproduce"])[1:])
    assert again["exit"] == 1


def test_where_f_does_not_run_there_is_none(tmp_path: Path) -> None:
    found = run(tmp_path, "model.py:picky")
    assert found["verdict"] == "fail"
    assert found["simpler"] is None
    again = run(tmp_path, *shlex.split(found["reproduce"])[1:])
    assert again["exit"] == 1


def test_given_points_stay_unless_asked(tmp_path: Path) -> None:
    at = ["--at", "w=[1.2345, 0.6789]; lam=0.3"]
    assert run(tmp_path, "model.py:penalised", *at)["simpler"] is None
    found = run(tmp_path, "model.py:penalised", *at, "--shrink")
    assert found["simpler"]["at"] == "w=[1.2, 0.7]; lam=0.3"
    assert run(tmp_path, *shlex.split(found["reproduce"])[1:])["exit"] == 1


def test_right_derivatives_cost_nothing(tmp_path: Path) -> None:
    with_, without = (run(tmp_path, "model.py:right", option) for option in ("--shrink", "--no-shrink"))
    assert with_["evaluations"] == without["evaluations"]
    assert with_["simpler"] is None


def test_the_budget_is_not_exceeded(tmp_path: Path) -> None:
    plain = run(tmp_path, "model.py:penalised", "--no-shrink")["evaluations"]
    found = run(tmp_path, "model.py:penalised", "--budget", str(plain + 5))
    assert found["evaluations"] <= plain + 5
    assert found["verdict"] == "fail"
    assert found["simpler"] is None


def test_symmetric_matrices_stay_symmetric(tmp_path: Path) -> None:
    found = run(tmp_path, "model.py:cov", "--at", "S=[[1.2345, 0.4321], [0.4321, 2.3456]]", "--shrink")
    assert found["simpler"]["at"] == "S=[[1.2, 0.4], [0.4, 2.0]]"


def test_from_python() -> None:
    x = np.array([1.2345, 0.6789, -2.3456])
    result = check(lambda x: np.sum(x**3), x, grad=lambda x: 6 * x**2, shrink=True)
    assert result.simpler is not None
    assert result.simpler.args[0].tolist() == [1.2, 0.7, -2.0]
    assert 0 < result.shrinking <= MOST
    assert check(lambda x: np.sum(x**3), x, grad=lambda x: 6 * x**2).simpler is None


def test_hessians(tmp_path: Path) -> None:
    x = np.array([1.2345, 0.6789])
    result = check(lambda x: np.sum(x**4), x, grad=lambda x: np.diag(24 * x**2), order=2, shrink=True, autodiff=True)
    assert result.verdict is Verdict.FAIL
    assert result.simpler is not None
    assert result.simpler.args[0].tolist() == [1.2, 0.7]


@pytest.mark.parametrize(
    ("values", "digits", "expected"),
    [
        ([0.456, 1.388, 2.508], 1, [0.5, 1.4, 3.0]),
        ([1.456, 1.388, 1.349], 1, [1.5, 1.4, 1.3]),
        ([1.02, 0.98], 1, [1.02, 0.98]),
        ([-0.31, 0.32], 1, [-0.31, 0.32]),  # not of the same size either
        ([123.4, 0.00123], 2, [120.0, 0.0012]),
    ],
)
def test_rounding_makes_nothing_equal_zero_or_one(values: list[float], digits: int, expected: list[float]) -> None:
    assert rounded(np.array(values), digits).tolist() == expected
