"""Functions that take many points in one call: few calls, the same verdict, and nothing believed unseen."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.optimize import rosen, rosen_der

from gradcheck.check import Verdict, check
from tests.test_cli import process

X = np.linspace(0.5, 1.5, 40)


def cubes(x: np.ndarray) -> Any:
    """Points along the first axis."""
    return np.sum(x**3, axis=-1)


def cubes_grad(x: np.ndarray) -> Any:
    return 3 * x**2


def counted(f: Callable[..., Any]) -> tuple[Callable[..., Any], list[Any]]:
    shapes: list[Any] = []

    def g(x: Any, *args: Any) -> Any:
        shapes.append(np.shape(x))
        return f(x, *args)

    return g, shapes


@pytest.mark.parametrize(("f", "g", "axis"), [(cubes, cubes_grad, "leading"), (rosen, rosen_der, "trailing")])
@pytest.mark.parametrize("n", [3, 40])
def test_a_rung_is_a_call(f: Callable[..., Any], g: Callable[..., Any], axis: str, n: int) -> None:
    counting, shapes = counted(f)
    plain = check(f, X[:n], grad=g, autodiff=False)
    result = check(counting, X[:n], grad=g, autodiff=False, vectorized=True)
    assert result.verdict is plain.verdict is Verdict.PASS
    assert result.stacked == axis
    assert result.f_calls == len(shapes) <= 16
    assert plain.f_calls == plain.evaluations
    assert result.evaluations == sum(int(np.prod(s)) // n for s in shapes)
    at = 0 if axis == "leading" else -1
    assert max(s[at] for s in shapes if len(s) == 2) >= 2 * n  # a rung of all entries
    for e, p in zip(result.entries, plain.entries, strict=True):
        assert e.measured == pytest.approx(p.measured, rel=1e-7)


def test_a_wrong_entry_is_found_as_without() -> None:
    def wrong(x: np.ndarray) -> Any:
        return cubes_grad(x) * (1 + 1e-4 * (np.arange(x.size) == 7))

    for autodiff in (True, False):
        result = check(cubes, X, grad=wrong, vectorized=True, autodiff=autodiff)
        assert [e.label for e in result.entries if e.verdict is Verdict.FAIL] == ["df/dx[7]"]


def test_values_that_are_arrays_and_scalars_and_other_arguments() -> None:
    a = np.array([[1.0, 2.0, 0.5], [0.3, 0.1, 4.0]])
    result = check(lambda x, a: x**2 @ a.T, np.array([0.5, 1.5, 2.5]), a, grad=lambda x, a: 2 * a * x, vectorized=True)
    assert (result.verdict, result.stacked) == (Verdict.PASS, "leading")
    scalar = check(np.sin, 0.7, grad=np.cos, vectorized=True)
    assert (scalar.verdict, scalar.stacked) == (Verdict.PASS, "leading")
    # complex values, and a matrix for an argument
    both = check(
        lambda x: np.exp(1j * np.sum(x, axis=(-1, -2))),
        np.array([[0.1, 0.2], [0.3, 0.5]]),
        grad=lambda x: np.full((2, 2), 1j * np.exp(1j * np.sum(x))),
        vectorized=True,
    )
    assert (both.verdict, both.stacked) == (Verdict.PASS, "leading")


@pytest.mark.parametrize(
    ("f", "text"),
    [
        (lambda x: np.sum(x**3), "another shape"),  # sums over the points, too
        (lambda x: np.sum(x**3, axis=-1) / (1.0 if x.ndim == 1 else np.max(x)), "gives"),
        (lambda x: float(np.sum(x**3)), "another shape"),
        (lambda x: np.sum(x**3, axis=-1)[()] if x.ndim == 1 else np.zeros(len(x)), "gives 0"),
    ],
)
def test_what_is_not_vectorised_is_said_and_checked_point_by_point(f: Callable[..., Any], text: str) -> None:
    scale = 1.0
    result = check(f, X[:3], grad=lambda x: scale * cubes_grad(x), autodiff=False, vectorized=True)
    assert result.verdict is Verdict.PASS
    assert result.stacked is None
    finding = next(f for f in result.findings if f.code == "GC316")
    assert text in finding.message
    assert finding.hint


def test_a_call_that_raises_is_repeated_point_by_point() -> None:
    """At the edge of the domain: a batch with one point outside raises as a whole."""

    def f(x: np.ndarray) -> Any:
        if np.any(x < 1.0):
            raise ValueError("outside")
        return np.sum((x - 1.0) ** 2 + x, axis=-1)

    x = np.array([1.0, 2.0, 3.0])
    result = check(f, x, grad=lambda x: 2 * (x - 1.0) + 1.0, autodiff=False, vectorized=True)
    assert result.verdict is Verdict.PASS
    assert "measured from the right only" in result.entries[0].note


def test_many_inputs_in_calls_of_bounded_size() -> None:
    counting, shapes = counted(cubes)
    x = np.random.default_rng(0).uniform(0.5, 1.5, 2**18)
    result = check(counting, x, grad=cubes_grad, autodiff=False, vectorized=True)
    assert result.verdict is Verdict.PASS
    assert max(int(np.prod(s)) for s in shapes) == 2**22


def test_a_budget_counts_points() -> None:
    result = check(cubes, X, grad=cubes_grad, autodiff=False, vectorized=True, budget=30)
    assert result.evaluations == 30
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "GC208" in [f.code for f in result.findings]


def test_bounds_hold_for_stacks() -> None:
    def f(x: np.ndarray) -> Any:
        assert np.all((x >= 0.5) & (x <= 1.5))
        return np.sum(x**3, axis=-1)

    result = check(f, X, grad=cubes_grad, autodiff=False, vectorized=True, bounds=(0.5, 1.5))
    assert (result.verdict, result.stacked) == (Verdict.PASS, "leading")


def test_hessians() -> None:
    result = check(cubes, X[:3], grad=lambda x: np.diag(6 * x), order=2, autodiff=False, vectorized=True)
    plain = check(cubes, X[:3], grad=lambda x: np.diag(6 * x), order=2, autodiff=False)
    assert result.verdict is Verdict.PASS
    assert result.f_calls < plain.f_calls / 3


def test_the_command(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text(
        "import numpy as np\n"
        "def f(x):\n    return np.sum(np.sin(x), axis=0)\n"
        "def f_grad(x):\n    return np.cos(x)\n"
        "def g(x):\n    return np.sum(np.sin(x))\n"
        "def g_grad(x):\n    return 1.1 * np.cos(x)\n"
    )
    done = process("model.py:f", "--vectorized", "--shape", "x=40", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert " evaluations in " in done.stdout.decode()
    report = json.loads(process("model.py:f", "--vectorized", "-f", "json", cwd=tmp_path).stdout)
    assert report["checks"][0]["stacked"] == "trailing"
    assert report["checks"][0]["f_calls"] < report["checks"][0]["evaluations"]
    done = process("model.py:g", "--vectorized", cwd=tmp_path)
    assert done.returncode == 1
    assert "GC316 not-vectorized" in done.stdout.decode()
    assert "--vectorized" in done.stdout.decode().partition("reproduce: ")[2]
