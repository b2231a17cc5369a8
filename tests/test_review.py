"""Wrong verdicts that a reviewer got out of the check: each was a false PASS, a false FAIL or silence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gradcheck import CheckError, check

X = np.array([0.7, 1.3, 0.4])


def codes(result: Any) -> set[str]:
    return {finding.code for finding in result.findings}


def test_value_in_a_buffer_that_is_used_again() -> None:
    out = np.empty(3)

    def f(x: Any) -> Any:
        out[:] = x**2
        return out

    assert check(f, X, grad=lambda x: 2 * np.diag(x), autodiff=False).verdict == "pass"
    assert check(f, X, grad=lambda x: np.zeros((3, 3)), autodiff=False).verdict == "fail"


def test_gradient_in_a_buffer_that_is_used_again() -> None:
    out = np.empty(3)

    def gradient(x: Any) -> Any:
        out[:] = x[1] * x[2], x[0] * x[2], x[0] * x[1]
        return out

    assert check(lambda x: x[0] * x[1] * x[2], X, grad=gradient).verdict == "pass"


@pytest.mark.parametrize("size", [1.0, 1e6])
def test_rounding_errors_where_the_derivative_is_zero(size: float) -> None:
    q = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]

    def gradient(x: Any) -> Any:
        return q.T @ (q @ np.array([2 * size * x[0], 0.0, 0.0]))

    assert np.any(gradient(X)[1:] != 0)
    assert check(lambda x: size * x[0] ** 2, X, grad=gradient).verdict == "pass"
    assert (
        check(lambda x: size * x[0] ** 2, X, grad=lambda x: gradient(x) + np.array([0, 1e-6 * size, 0])).verdict
        == "fail"
    )


def test_numbers_that_pass_through_text() -> None:
    def f(x: Any) -> Any:
        return float(str(x)) ** 2

    with pytest.raises(CheckError, match="text"):
        check(f, 1.3)
    right = check(f, 1.3, grad=lambda x: 2 * x)
    assert right.verdict == "pass"
    assert "GC304" in codes(right)
    assert check(f, 1.3, grad=lambda x: 3 * x).verdict == "fail"


def test_printing_is_no_text_that_is_read() -> None:
    def f(x: Any) -> Any:
        assert f"{x}"
        return x**2

    result = check(f, 1.3, grad=lambda x: 2 * x)
    assert result.verdict == "pass"
    assert "GC304" not in codes(result)


def test_elementwise_derivative_of_an_elementwise_function() -> None:
    right = check(np.tanh, X, grad=lambda x: 1 - np.tanh(x) ** 2)
    assert right.verdict == "pass"
    assert "GC311" in codes(right)
    assert len(right.entries) == 9
    assert check(np.tanh, X, grad=lambda x: 1 - np.tanh(x)).verdict == "fail"
    assert check(lambda x: np.tanh(x) + x[0], X, grad=lambda x: 1 - np.tanh(x) ** 2).verdict == "fail"


def test_nothing_varies() -> None:
    def f(x: Any) -> Any:
        return np.sum(np.maximum(x - 10, 0))

    by_hand = check(f, X, grad=lambda x: 77.0 * (x > 10))
    assert by_hand.verdict == "inconclusive"
    assert "GC206" in codes(by_hand)
    computed = check(f, X)
    assert computed.verdict == "pass"
    assert "GC312" in codes(computed)


def test_stationary_point_is_not_a_constant() -> None:
    result = check(lambda x: np.sum(x**2), np.zeros(3), grad=lambda x: 2 * x)
    assert (result.verdict, codes(result)) == ("pass", set())


def test_complex_derivative_of_a_real_function() -> None:
    result = check(lambda x: np.sum(x**2), X, grad=lambda x: 2 * x + 1e-3j)
    assert result.verdict == "fail"
    assert "GC107" in codes(result)
    assert check(lambda x: np.sum(x**2), X, grad=lambda x: 2 * x + 0j).verdict == "pass"
