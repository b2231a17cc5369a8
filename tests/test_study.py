"""How the worst entries depend on the step: what a study holds, what it costs, and that it changes no verdict."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import gradcheck
from gradcheck.check.result import Result, Verdict

X = np.array([1.0, 0.5, 2.0])


def f(x: Any) -> Any:
    return np.sum(np.exp(x) * np.sin(3 * x))


def right(x: Any) -> Any:
    return np.exp(x) * (np.sin(3 * x) + 3 * np.cos(3 * x))


def wrong(x: Any) -> Any:
    g = right(x)
    g[1] *= 1.01
    return g


def bare(result: Result) -> Result:
    return replace(result, studies=(), seconds=0.0)


@pytest.mark.parametrize(
    "options",
    [
        {"grad": right},
        {"grad": wrong},
        {"grad": wrong, "autodiff": False},
        {},
        {"order": 2},
        {"order": 2, "grad": lambda x: np.ones((3, 3)), "autodiff": False},
    ],
)
def test_a_study_changes_nothing_else(options: dict[str, Any]) -> None:
    plain, studied = (gradcheck.check(f, X, studies=k, **options) for k in (0, 3))
    assert plain.studies == ()
    assert studied.studies
    assert bare(plain) == bare(studied)


def test_the_worst_entries_are_studied() -> None:
    (study,) = gradcheck.check(f, X, grad=wrong, studies=3).studies
    assert (study.label, study.point, study.on_trial, study.reference_from) == ("df/dx[1]", 0, "yours", "autodiff")
    assert study.reference == pytest.approx(right(X)[1], rel=1e-14)
    assert study.claim_error == pytest.approx(0.01 * right(X)[1], rel=1e-9)
    assert len(gradcheck.check(f, X, grad=right, studies=3).studies) == 1
    assert len(gradcheck.check(f, X, grad=lambda x: 2 * right(x), studies=2).studies) == 2


@pytest.mark.parametrize("autodiff", [True, False])
def test_errors_lie_below_the_two_slopes(autodiff: bool) -> None:
    study = gradcheck.check(f, X, grad=wrong, autodiff=autodiff, studies=1).studies[0]
    assert study.truncation is not None
    third = abs(_third_derivative(X[1]))
    assert study.truncation == pytest.approx(third / 6, rel=0.1)
    lengths = [step.length for step in study.steps]
    assert lengths == sorted(lengths)
    for step in study.steps:
        assert step.value is not None
        assert step.error == pytest.approx(abs(step.value - study.reference), rel=1e-12)
        if step.length < 0.1:  # further out h⁴ and more count as well
            assert step.error <= 3 * (study.truncation * step.length**2 + study.rounding / step.length)
    assert study.chosen in [step.length for step in study.steps if step.used]


def _third_derivative(x: float) -> float:
    """Of exp(x) sin(3x), which is the imaginary part of exp((1+3i)x), three times the derivative of its slope."""
    return float(((1 + 3j) ** 3 * np.exp((1 + 3j) * x)).imag)


def test_evaluations_are_counted_apart() -> None:
    calls = 0

    def counted(x: Any) -> Any:
        nonlocal calls
        calls += 1
        return f(x)

    plain = gradcheck.check(counted, X, grad=right, autodiff=False)
    before, calls = calls, 0
    studied = gradcheck.check(counted, X, grad=right, autodiff=False, studies=3)
    extra = sum(study.evaluations for study in studied.studies)
    assert plain.evaluations == studied.evaluations == before
    assert 0 < extra <= 44
    assert calls == before + extra


def test_a_budget_that_is_spent_studies_what_there_is() -> None:
    result = gradcheck.check(f, X, grad=right, autodiff=False, studies=3, budget=6)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert all(step.used for study in result.studies for step in study.steps if step.value is not None)


def test_of_many_inputs_few_are_kept() -> None:
    def g(x: Any) -> Any:
        d = 3 * x**2
        d[[5, 700]] *= 1.5
        return d

    result = gradcheck.check(lambda x: np.sum(x**3), np.linspace(1.0, 2.0, 1000), grad=g, studies=3)
    assert {study.label for study in result.studies} == {"df/dx[5]", "df/dx[700]"}


def test_columns_that_were_measured_together() -> None:
    result = gradcheck.check(lambda x: np.diff(x**2) + x[1:] ** 3, np.linspace(1.0, 2.0, 20), studies=1)
    (study,) = result.studies
    assert result.verdict is Verdict.PASS
    assert study.chosen is not None
    near = min(study.steps, key=lambda step: abs(np.log(step.length / study.chosen)))
    assert near.error is not None
    assert near.error < 1e-6


def test_one_side_of_an_edge() -> None:
    result = gradcheck.check(lambda x: np.where(x < 1.0, np.nan, x**3), 1.0, grad=lambda x: 3 * x**2, studies=1)
    (study,) = result.studies
    assert study.reference == pytest.approx(3.0, rel=1e-9)
    assert study.truncation == pytest.approx(1.0, rel=0.6)


def test_a_derivative_that_is_not_finite() -> None:
    (study,) = gradcheck.check(lambda x: x**3, 2.0, grad=lambda x: float("nan"), studies=1).studies
    assert (study.claim, study.claim_error, study.on_trial) == (None, None, "yours")
    assert study.reference == pytest.approx(12.0)


def test_hessians_from_values_alone() -> None:
    result = gradcheck.check(lambda x: np.sum(x**4) + x[0] * x[1], X, grad=lambda x: np.diag(12 * x**2), order=2,
                             autodiff=False, studies=3)  # fmt: skip
    first = result.studies[0]
    assert first.label in ("d2f/dx[0]dx[1]", "d2f/dx[1]dx[0]")
    assert (first.order, first.natural) == (2, True)
    assert first.reference == pytest.approx(1.0, abs=1e-5)
    assert first.claim_error == pytest.approx(1.0, abs=1e-5)
