"""Bounds of the argument: f is never called outside of them, and the verdict is as good as without."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.optimize import Bounds

import gradcheck
from gradcheck.check import CheckError, Result, Verdict, check
from tests.test_cli import process


class Guarded:
    """A function that raises, and takes it down, where its argument is outside of the bounds."""

    def __init__(self, f: Callable[..., Any], lower: Any, upper: Any) -> None:
        self.f, self.lower, self.upper = f, lower, upper
        self.outside: list[Any] = []
        self.called = 0

    def __call__(self, x: Any) -> Any:
        self.called += 1
        plain = np.real(np.asarray(getattr(x, "value", x)))
        if np.any(plain < self.lower) or np.any(plain > self.upper):
            self.outside.append(x)
            raise ValueError("out of bounds")
        return self.f(x)


def guarded(f: Callable[..., Any], x: Any, grad: Any, bounds: Any, **options: Any) -> Result:
    lower, upper = (bounds.lb, bounds.ub) if isinstance(bounds, Bounds) else bounds
    lower = -np.inf if lower is None else lower
    upper = np.inf if upper is None else upper
    g = Guarded(f, lower, upper)
    result = check(g, x, grad=None if grad is None else Guarded(grad, lower, upper), bounds=bounds, **options)
    assert g.called
    assert not g.outside
    return result


def roots(x: np.ndarray) -> Any:
    return np.sum(np.sqrt(1.0 + x) * np.arange(1.0, x.size + 1))


def roots_grad(x: np.ndarray) -> Any:
    return 0.5 / np.sqrt(1.0 + x) * np.arange(1.0, x.size + 1)


def roots_wrong(x: np.ndarray) -> Any:
    g = roots_grad(x)
    g[1] *= 1.001
    return g


CORNER = np.array([0.0, 2.0, 1e-9, 3.0, 3.0 - 1e-7])


@pytest.mark.parametrize("autodiff", [True, False])
@pytest.mark.parametrize("bounds", [(0, 3), (np.zeros(5), [3, 3, 3, 3, 3]), Bounds(0.0, 3.0), Bounds(np.zeros(5), 3)])
def test_a_point_on_its_bounds(bounds: Any, autodiff: bool) -> None:
    right = guarded(roots, CORNER, roots_grad, bounds, autodiff=autodiff)
    assert right.verdict is Verdict.PASS
    sides = {e.label: e.note for e in right.entries}
    assert "right only" in sides["df/dx[0]"]
    assert "left only" in sides["df/dx[3]"]
    assert "only" not in sides["df/dx[1]"]
    exact = roots_grad(CORNER)
    for e in right.entries:
        assert e.measured is not None
        assert e.error is not None
        assert abs(e.measured - exact[e.index]) <= e.error
    wrong = guarded(roots, CORNER, roots_wrong, bounds, autodiff=autodiff)
    assert wrong.verdict is Verdict.FAIL
    assert [e.label for e in wrong.entries if e.verdict is Verdict.FAIL] == ["df/dx[1]"]


@pytest.mark.parametrize("lower", [None, 0.0])
def test_an_error_at_a_bound_itself_is_seen(lower: float | None) -> None:
    upper = 3.0 if lower is None else None
    x = np.array([0.0 if lower is not None else 3.0, 1.0])

    def wrong(z: np.ndarray) -> Any:
        return roots_grad(z) * np.array([1.001, 1.0])

    for autodiff in (True, False):
        result = guarded(roots, x, wrong, (lower, upper), autodiff=autodiff)
        assert [e.label for e in result.entries if e.verdict is Verdict.FAIL] == ["df/dx[0]"]


@pytest.mark.parametrize("autodiff", [True, False])
def test_many_inputs_on_bounds(autodiff: bool) -> None:
    x = np.linspace(0.0, 1.0, 400)
    x[::3], x[1::3] = 0.0, 1.0
    assert guarded(roots, x, roots_grad, (0, 1), autodiff=autodiff).verdict is Verdict.PASS
    wrong = guarded(roots, x, roots_wrong, (0, 1), autodiff=autodiff)
    assert [e.index for e in wrong.entries if e.verdict is Verdict.FAIL and e.direction is None] == [(1,)]


def test_beside_a_kink_and_at_a_bound() -> None:
    def f(x: np.ndarray) -> Any:
        return np.sum(np.abs(x - 1.0) * np.array([1.0, 2.0, 3.0]))

    def g(x: np.ndarray) -> Any:
        return np.sign(x - 1.0) * np.array([1.0, 2.0, 3.0])

    x = np.array([1.0, 0.0, 2.0])
    result = guarded(f, x, g, (0, 2))
    assert "GC201" in [finding.code for finding in result.findings]
    assert result.verdict is Verdict.INCONCLUSIVE
    wrong = guarded(f, x, lambda x: g(x) * np.where(x > 1.0, 2.0, 1.0), (0, 2))
    assert wrong.verdict is Verdict.FAIL


def test_a_complex_step_stays_inside() -> None:
    """Noise that hides the derivative from differences; a complex step decides, with a real part inside."""
    seen: list[complex] = []

    def f(x: np.ndarray) -> Any:
        if np.iscomplexobj(x):
            seen.extend(x.tolist())
        return np.sum(1e12 + x**2) - 1e12 * x.size

    result = guarded(f, np.array([1.0, 2.0]), lambda x: 2 * x, (1, 2), autodiff=False)
    assert seen
    assert all(1 <= z.real <= 2 for z in seen)
    assert result.verdict is Verdict.PASS


@pytest.mark.parametrize("autodiff", [True, False])
def test_hessians_at_bounds(autodiff: bool) -> None:
    def hess(x: np.ndarray) -> Any:
        return np.diag(-0.25 / (1.0 + x) ** 1.5 * np.arange(1.0, x.size + 1))

    x = np.array([0.0, 1.0])
    right = guarded(roots, x, hess, (0, 5), autodiff=autodiff, order=2)
    assert right.verdict is Verdict.PASS
    wrong = guarded(roots, x, lambda x: hess(x) * 1.01, (0, 5), autodiff=autodiff, order=2)
    assert wrong.verdict is Verdict.FAIL


def test_a_fixed_argument_is_not_passed() -> None:
    result = guarded(roots, np.array([1.0, 2.0]), roots_grad, (np.array([1.0, 0.0]), np.array([1.0, 5.0])))
    assert result.verdict is Verdict.INCONCLUSIVE
    assert [(e.label, e.note) for e in result.entries if e.verdict is not Verdict.PASS] == [
        ("df/dx[0]", "the bounds leave no room for a step")
    ]
    assert any(f.code == "GC203" and "bounds" in f.message for f in result.findings)


def test_float32_and_scalars() -> None:
    lower = 0.1  # not a float32, and below the point, which is
    x = np.full(3, 0.1, dtype=np.float32)
    result = check(lambda x: np.sum(np.float64(x) ** 2), x, grad=lambda x: 2 * np.float64(x), bounds=(lower, 1))
    assert result.verdict is Verdict.PASS
    scalar = guarded(lambda t: t**3, 2.0, lambda t: 3 * t**2, (2, None))
    assert scalar.verdict is Verdict.PASS
    assert scalar.entries[0].note == "measured from the right only"


@pytest.mark.parametrize(
    ("bounds", "text"),
    [
        ((1, 2), r"x\[0\] is 0.5, not in \[1, 2\]"),
        ((2, 1), "exclude each other"),
        ((np.zeros(3), 9), r"shape \(3,\) do not broadcast"),
        (5, "not a pair"),
        ([(0, 1), (0, 1), (0, 1)], "not a pair"),
        (("a", 1), "not a number"),
        ((np.nan, 1), "not a number"),
        ({"x": (0, 1)}, "not a pair"),
    ],
)
def test_bounds_that_are_refused(bounds: Any, text: str) -> None:
    with pytest.raises(CheckError, match=text) as caught:
        check(roots, np.array([0.5, 1.5]), grad=roots_grad, bounds=bounds)
    assert caught.value.code == "GC021"


def test_no_call_outside_for_kinds_of_mistakes() -> None:
    """The diagnosis looks at further points: of branches, say."""
    rng = np.random.default_rng(0)
    x = rng.uniform(0.2, 0.9, 6) * np.array([1, -1, 1, 1, -1, 1])
    result = guarded(
        lambda x: np.sum(np.where(x > 0, x**2, np.sin(x))), x, lambda x: 2 * x + 0.0, (np.full(6, -0.95), 0.95)
    )
    assert result.verdict is Verdict.FAIL


MODEL = """
import numpy as np

def f(x, t=0.5):
    if np.any(x < 0) or np.any(x > 0.01) or t < 0.45:
        raise ValueError("out of bounds")
    return np.sum(np.sqrt(1 + x)) * t

def f_grad(x, t=0.5):
    return t * 0.5 / np.sqrt(1 + x)

def wrong(x, t):
    if np.any(x < 0) or np.any(x > 0.01) or not 0.5 <= t <= 0.52:
        print("OUT OF BOUNDS")
    return np.sum(np.sqrt(1 + x)) * t

def wrong_grad(x, t):
    return t * 0.5 / np.sqrt(1 + 2 * x) * 1.5
"""


def gradcheck_in(folder: Path, *arguments: str) -> tuple[int, str, str]:
    (folder / "model.py").write_text(MODEL)
    done = process(*arguments, cwd=folder)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def test_points_are_found_inside(tmp_path: Path) -> None:
    code, out, _ = gradcheck_in(tmp_path, "model.py:f", "--bounds", "x=[0, 0.01]; t=[0.45, inf]")
    assert code == 0, out
    assert "5 points" in out


def test_the_shape_of_bounds_is_that_of_the_argument(tmp_path: Path) -> None:
    code, out, _ = gradcheck_in(tmp_path, "model.py:f", "--bounds", "x=([0, 0.005], 0.01); t=[0.45, 1]", "-v")
    assert code == 0, out
    assert "x: (2,)" in out


def test_simpler_points_are_inside(tmp_path: Path) -> None:
    """Rounded to one digit t would be 0.5 and x zero or 0.01: within the bounds, or not taken."""
    code, out, err = gradcheck_in(tmp_path, "model.py:wrong", "--bounds", "x=[0, 0.01]; t=[0.5, 0.52]")
    assert code == 1
    assert "OUT OF BOUNDS" not in out + err
    assert "--bounds 'x=[0, 0.01]; t=[0.5, 0.52]'" in out


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--bounds", "x=[0, 0.01]", "--at", "x=[0.005, 0.02]"], "the value of x is outside of its bounds"),
        (["--bounds", "t=[0.6, 1]"], "the default of t is outside of its bounds"),
        (["--bounds", "x=3"], "x has no pair of bounds"),
        (["--bounds", "x=[1, 0]"], "the lower bound 1 of x is above the upper one 0"),
        (["--bounds", "y=[0, 1]"], "no parameter 'y'"),
        (["--bounds", "x=([0, 0], [1, 1, 1])"], "shapes"),
        (["--bounds", "x=([0, 0], 1)", "--at", "x=[0.005, 0.002, 0.001]"], "do not broadcast"),
    ],
)
def test_usage_errors(tmp_path: Path, arguments: list[str], text: str) -> None:
    code, out, _ = gradcheck_in(tmp_path, "model.py:f", *arguments)
    assert code == 2, out
    assert text in out


def test_given_on_the_bound(tmp_path: Path) -> None:
    code, out, _ = gradcheck_in(tmp_path, "model.py:f", "--bounds", "x=[0, 0.01]", "--at", "x=[0, 0.01]")
    assert code == 0, out


def test_bounds_are_in_the_result() -> None:
    result = gradcheck.check(roots, np.array([0.5, 1.0]), grad=roots_grad, bounds=(np.zeros(2), None))
    assert result.settings["bounds"] == ([0.0, 0.0], np.inf)
