"""The kind of mistake from the numbers: single mistakes are called by their name, unrelated errors by none.

Random functions with a right derivative in closed form, of which a copy with one mistake is checked: gradients,
Jacobians, Hessians, few inputs and many. What the command says of realistic code stands in
``test_kind_fixtures.py``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gradcheck.check import Result, check

Vector = np.ndarray
SEEDS = st.integers(0, 10_000)
RANDOM = settings(max_examples=3, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


def kinds(result: Result) -> list[str]:
    """The codes of the diagnosis."""
    return [f.code for f in result.findings if "GC111" <= f.code <= "GC199"]


def told(result: Result, code: str) -> str:
    (finding,) = [f for f in result.findings if f.code == code]
    assert finding.where is not None
    assert finding.evidence or code == "GC113"
    return finding.message


class Made:
    """f(x) = Σ a sin(w x) + b x²/2 + c x₀x₁ ..., its gradient and Hessian; and the Jacobian of tanh(Mx)."""

    def __init__(self, seed: int, n: int = 7) -> None:
        rng = np.random.default_rng([seed, 41])
        self.x = rng.choice([-1.0, 1.0], n) * rng.uniform(0.3, 1.7, n)
        self.a, self.b, self.w = rng.normal(size=n), rng.normal(size=n), rng.uniform(0.5, 2.0, n)
        self.m = rng.normal(size=(n, n))
        self.rng = rng

    def f(self, x: Vector) -> Any:
        return np.sum(self.a * np.sin(self.w * x)) + np.sum(self.b * np.cos(x)) + 0.5 * np.sum(np.sin(self.m @ x))

    def g(self, x: Vector) -> Vector:
        inner = 0.5 * self.m.T @ np.cos(self.m @ x)
        return np.asarray(self.a * self.w * np.cos(self.w * x) - self.b * np.sin(x) + inner)

    def h(self, x: Vector) -> Vector:
        diagonal = -self.a * self.w**2 * np.sin(self.w * x) - self.b * np.cos(x)
        return np.asarray(np.diag(diagonal) - 0.5 * self.m.T @ np.diag(np.sin(self.m @ x)) @ self.m)

    def y(self, x: Vector) -> Vector:
        return np.asarray(np.tanh(0.3 * self.m @ x))

    def j(self, x: Vector) -> Vector:
        return np.asarray(0.3 * (1 - self.y(x) ** 2)[:, None] * self.m)


def one(g: Vector) -> Vector:
    g = g.copy()
    g.reshape(-1)[2] *= 1.37
    return g


def swap(g: Vector) -> Vector:
    order = np.arange(len(g))
    order[[1, 4]] = order[[4, 1]]
    return g[order]


def clip(g: Vector) -> Vector:
    limit = np.sort(np.abs(g))[len(g) // 2] - 1e-3
    return np.clip(g, -limit, limit)


def single(g: Vector) -> Vector:
    # An error that is larger than rounding to float32 alone, as sums in float32 have it.
    return (g * (1 + 4e-6)).astype(np.float32).astype(np.float64)


GRADIENTS: dict[str, tuple[Callable[[Vector, Vector], Vector], set[str]]] = {
    "sign": (lambda g, x: -g, {"GC111"}),
    "twice": (lambda g, x: 2 * g, {"GC112"}),
    "half": (lambda g, x: g / 2, {"GC112"}),
    "mean": (lambda g, x: g / len(g), {"GC112"}),
    "any": (lambda g, x: 0.8137 * g, {"GC112"}),
    "zero": (lambda g, x: 0 * g, {"GC115"}),
    "one": (lambda g, x: one(g), {"GC114"}),
    "penalty": (lambda g, x: g - 0.37 * x, {"GC116"}),
    "lasso": (lambda g, x: g - 0.37 * np.sign(x), {"GC116"}),
    "offset": (lambda g, x: g + 0.25, {"GC117"}),
    "rolled": (lambda g, x: np.roll(g, 1), {"GC118"}),
    "pushed": (lambda g, x: np.concatenate([[0.0], g[:-1]]), {"GC118"}),
    "reverse": (lambda g, x: g[::-1].copy(), {"GC119"}),
    "interchanged": (lambda g, x: swap(g), {"GC119"}),
    "x missing": (lambda g, x: g / x, {"GC122"}),
    "x too much": (lambda g, x: g * x, {"GC122"}),
    "tanh": (lambda g, x: g / (1 - np.tanh(x) ** 2), {"GC122"}),
    "sigmoid": (lambda g, x: g * (1 + np.exp(-x)) ** 2 / np.exp(-x), {"GC122"}),
    "exp": (lambda g, x: g / np.exp(x), {"GC122"}),
    "summed": (lambda g, x: np.full_like(g, g.sum()), {"GC123"}),
    "float32": (lambda g, x: single(g), {"GC126"}),
    "unit length": (lambda g, x: g / np.linalg.norm(g), {"GC132"}),
    "clipped": (lambda g, x: clip(g), {"GC132"}),
    "argument": (lambda g, x: x.copy(), {"GC133"}),
}


@pytest.mark.parametrize("autodiff", [True, False], ids=["autodiff", "measured"])
@pytest.mark.parametrize("mistake", GRADIENTS)
def test_a_gradient_with_one_mistake(mistake: str, autodiff: bool) -> None:
    mutate, codes = GRADIENTS[mistake]

    @RANDOM
    @given(SEEDS)
    def holds(seed: int) -> None:
        made = Made(seed)
        result = check(made.f, made.x, grad=lambda x: mutate(made.g(x), x), autodiff=autodiff)
        assert result.verdict == "fail"
        assert kinds(result)[:1] == sorted(codes), (seed, result.findings)

    holds()


@pytest.mark.parametrize("mistake", ["sign", "tanh", "interchanged"])
def test_one_mistake_in_two_thousand_entries(mistake: str) -> None:
    mutate, codes = GRADIENTS[mistake]
    rng = np.random.default_rng(3)
    n = 2000
    a, w, x = rng.normal(size=n), rng.uniform(0.5, 2.0, n), rng.normal(size=n)
    result = check(
        lambda x: np.sum(a * np.sin(w * x)) + np.prod(np.cos(x[:3])),
        x,
        grad=lambda x: mutate(a * w * np.cos(w * x) - pad(np.prod(np.cos(x[:3])) * np.tan(x[:3]), n), x),
    )
    assert kinds(result)[:1] == sorted(codes), result.findings
    if mistake == "sign":
        assert "all 2000 ratios are −1.000000" in told(result, "GC111")


def pad(a: Vector, n: int) -> Vector:
    return np.concatenate([a, np.zeros(n - len(a))])


def line(j: Vector, axis: int) -> Vector:
    j = j.copy()
    np.moveaxis(j, axis, 0)[2] += np.random.default_rng(5).uniform(0.3, 1.0, j.shape[1 - axis])
    return j


JACOBIANS: dict[str, tuple[Callable[[Vector], Vector], str]] = {
    "sign": (lambda j: -j, "GC111"),
    "factor": (lambda j: 1.7 * j, "GC112"),
    "transposed": (lambda j: j.T.copy(), "GC113"),
    "row": (lambda j: line(j, 0), "GC129"),
    "column": (lambda j: line(j, 1), "GC129"),
    "diagonal only": (lambda j: np.diag(np.diag(j)), "GC130"),
    "off the diagonal only": (lambda j: j - np.diag(np.diag(j)), "GC131"),
    "triangle": (np.triu, "GC134"),
    "rows shifted": (lambda j: np.roll(j, 1, axis=0), "GC118"),
    "columns interchanged": (lambda j: swap(j.T).T, "GC119"),
}


@pytest.mark.parametrize("autodiff", [True, False], ids=["autodiff", "measured"])
@pytest.mark.parametrize("mistake", JACOBIANS)
def test_a_jacobian_with_one_mistake(mistake: str, autodiff: bool) -> None:
    mutate, code = JACOBIANS[mistake]

    @RANDOM
    @given(SEEDS)
    def holds(seed: int) -> None:
        made = Made(seed, n=5)
        result = check(made.y, made.x, grad=lambda x: mutate(made.j(x)), autodiff=autodiff)
        assert kinds(result) == [code], (seed, result.findings)

    holds()


HESSIANS = ["sign", "factor", "diagonal only", "off the diagonal only", "triangle"]


@pytest.mark.parametrize("mistake", HESSIANS)
def test_a_hessian_with_one_mistake(mistake: str) -> None:
    mutate, code = JACOBIANS[mistake]
    made = Made(5, n=4)
    for autodiff in (True, False):
        result = check(made.f, made.x, grad=lambda x: mutate(made.h(x)), order=2, autodiff=autodiff)
        assert kinds(result) == [code], result.findings


def test_a_hessian_without_that_of_the_penalty() -> None:
    made = Made(6, n=4)
    f = lambda x: made.f(x) + 0.15 * np.sum(x**2)  # noqa: E731
    result = check(f, made.x, grad=made.h, order=2)
    assert "−0.300000" in told(result, "GC116")


UNRELATED: dict[str, Callable[[Vector, np.random.Generator], Vector]] = {
    "other numbers": lambda g, rng: rng.normal(size=g.shape),
    "each off by its own part": lambda g, rng: g * rng.uniform(0.5, 1.5, g.shape),
    "a few wrong": lambda g, rng: np.where(np.arange(g.size) % 3 == 0, g + rng.normal(size=g.shape), g),
    "tiny errors": lambda g, rng: g * (1 + 1e-3 * rng.uniform(0.5, 1.5, g.shape)),
}


@pytest.mark.parametrize("autodiff", [True, False], ids=["autodiff", "measured"])
@pytest.mark.parametrize("error", UNRELATED)
def test_unrelated_errors_have_no_kind(error: str, autodiff: bool) -> None:
    @RANDOM
    @given(SEEDS)
    def holds(seed: int) -> None:
        made = Made(seed)
        wrong = UNRELATED[error](made.g(made.x), np.random.default_rng(seed))
        result = check(made.f, made.x, grad=lambda x: wrong + (made.g(x) - made.g(made.x)), autodiff=autodiff)
        assert result.verdict == "fail"
        assert kinds(result) == [], (seed, result.findings)

    holds()


@RANDOM
@given(SEEDS)
def test_unrelated_errors_of_a_jacobian_have_no_kind(seed: int) -> None:
    made = Made(seed, n=4)
    noise = np.random.default_rng(seed).normal(size=(4, 4))
    assert kinds(check(made.y, made.x, grad=lambda x: made.j(x) + noise)) == []


@RANDOM
@given(SEEDS)
def test_one_wrong_number_alone_is_of_no_kind(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, wrong = rng.uniform(0.3, 1.7), rng.normal()
    assert kinds(check(lambda x: np.sin(x) + x**3, x, grad=lambda x: wrong)) == []


def test_equal_entries_prove_no_factor() -> None:
    # 1.7 and 1.0 in every entry: a factor, an offset or something else
    result = check(lambda x: np.sum(x), np.array([0.3, 0.7, 1.1]), grad=lambda x: np.full(3, 1.7312))
    assert kinds(result) == []


def test_a_permutation_that_is_not_unique_is_not_told() -> None:
    a = np.array([1.5, 1.5, 0.25, 0.7, 0.7, 3.1])
    result = check(lambda x: np.sum(a * x), np.ones(6), grad=lambda x: a[[2, 5, 0, 1, 3, 4]])
    assert kinds(result) == []


@pytest.mark.parametrize("autodiff", [True, False])
@pytest.mark.parametrize("slope", [
    lambda x: 3 * x**2, lambda x: x**2, lambda x: 2 * x + 1, lambda x: 0 * x, lambda x: np.exp(x),
    lambda x: np.cos(x), lambda x: 3 * x, lambda x: x[::-1].copy(), lambda x: np.full_like(x, 1e300), np.abs,
])  # fmt: skip
def test_zeros_in_argument_value_and_derivative(slope: Callable[[Vector], Vector], autodiff: bool) -> None:
    # division by x, by the truth, by f, all zero: the diagnosis must not stumble
    for x in (np.array([1.0, 0.0, 2.0]), np.array([0.0, 0.0, 1.0]), np.array([-1.0, 1.0, 0.0])):
        result = check(lambda x: np.sum(x**2) - x[0] ** 2, x, grad=slope, autodiff=autodiff)
        assert result.verdict == "fail"


def test_a_round_length_by_chance_is_a_factor() -> None:
    result = check(lambda x: np.sum(x**2), np.array([1.0, 0.0, 2.0]), grad=lambda x: x)
    assert "1/2 times the right one" in told(result, "GC112")


def test_one_number_is_not_taken_for_the_value_of_f() -> None:
    # 8 is 2**3, but also 4 x
    assert kinds(check(lambda x: x**3, 2.0, grad=lambda x: 4 * x)) == []


def test_a_branch_with_a_threshold() -> None:
    f = lambda x: np.sum(np.where(np.abs(x) < 1, 0.5 * x**2, np.abs(x) - 0.5))  # noqa: E731
    result = check(f, np.array([0.3, -0.7, 1.2, -1.6, 0.9, 2.2]), grad=lambda x: x)
    message = told(result, "GC127")
    threshold = re.search(r"wrong where \|x\[i\]\| > (\S+) or so, right below", message)
    assert threshold is not None
    assert float(threshold[1]) == pytest.approx(1.0, abs=0.1)


def test_wrong_entries_that_have_other_signs_by_accident_are_no_branch() -> None:
    x = np.array([-0.3, -0.7, 0.4, 0.9])  # the first two are wrong, wherever they are
    result = check(lambda x: np.sum(np.sin(x)), x, grad=lambda x: np.cos(x) + np.array([0.1, 0.3, 0, 0]))
    assert kinds(result) == []


def test_a_single_entry_of_a_sample_is_not_said_to_be_the_only_one() -> None:
    x = np.random.default_rng(0).normal(size=600)
    result = check(
        lambda x: np.sum(np.sin(x)),
        x,
        grad=lambda x: np.where(np.arange(600) == 77, 3.0, np.cos(x)),
        autodiff=False,
    )
    assert "that could be compared one by one only df/dx[77] is wrong" in told(result, "GC114")


@pytest.mark.parametrize("kept", [-1, 0])
def test_overwritten_rows_of_a_repeated_index(kept: int) -> None:
    index, x = np.array([1, 0, 1, 2, 1, 3]), np.linspace(0.1, 1.6, 12).reshape(4, 3)
    c = np.linspace(0.5, 2.0, 18).reshape(6, 3)

    def f(x: Vector, index: Vector) -> Any:
        return np.sum(c * np.sin(x[index]))

    def grad(x: Vector, index: Vector) -> Vector:
        g, order = np.zeros_like(x), slice(None) if kept else slice(None, None, -1)
        g[index[order]] = (c * np.cos(x[index]))[order]
        return g

    result = check(f, x, index, grad=grad)
    assert ("last" if kept else "first") + " occurrence of each index in index" in told(result, "GC124")


def test_swapped_arguments_without_autodiff() -> None:
    a, b = np.array([0.3, 0.4]), np.array([1.2, -0.4])
    f = lambda a, b: np.sum(np.sin(a) * b**2)  # noqa: E731
    result = check(f, a, b, grad=lambda a, b: 2 * np.sin(a) * b, autodiff=False)
    assert "that with respect to b, not a" in told(result, "GC125")


def test_a_transposed_derivative_of_the_wrong_shape() -> None:
    m = np.arange(1.0, 7.0).reshape(2, 3)
    result = check(lambda x: np.sin(m @ x), np.array([0.1, 0.2, 0.3]), grad=lambda x: (np.cos(m @ x)[:, None] * m).T)
    assert [f.code for f in result.findings] == ["GC102", "GC113"]


def test_the_sentence_and_the_numbers() -> None:
    made = Made(1, n=12)
    result = check(made.f, made.x, grad=lambda x: -made.g(x))
    assert told(result, "GC111") == "the derivative has the wrong sign: all 12 ratios are −1.000000"
    (finding,) = [f for f in result.findings if f.code == "GC111"]
    assert finding.evidence == {"ratio": -1.0, "entries": 12}
