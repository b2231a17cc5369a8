"""The verdict: a right derivative is never called wrong, a wrong one never passes.

Random functions with derivatives known in closed form, over the scales, offsets, noises and kinks that real
code has. The
autodiff core is kept out, so that the measurement has to carry the verdict alone.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gradcheck.check import Result, Verdict, check
from gradcheck.check import judge as rules
from gradcheck.numeric.ladder import Estimate

Vector = np.ndarray
RANDOM = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


@dataclass(frozen=True)
class Made:
    """A random function of n variables with its gradient and Hessian, and where to check it."""

    f: Callable[[Vector], float]
    g: Callable[[Vector], Vector]
    h: Callable[[Vector], Vector]
    x: Vector


def made(seed: int) -> Made:
    """Sums of sines, exponentials, powers and products over very different scales of x and of f."""
    rng = np.random.default_rng([seed, 99])
    n = int(rng.integers(1, 6))
    unit = 10.0 ** rng.uniform(-12, 12, n) if rng.random() < 0.4 else 10.0 ** rng.uniform(-2, 2, n)
    x = unit * rng.choice([-1.0, 1.0], n) * rng.uniform(0.5, 2.0, n)
    size = 10.0 ** rng.uniform(-12, 12)
    a, b, c = rng.normal(size=(3, n))
    w = 10.0 ** rng.uniform(-1, 1, n)
    if rng.random() < 0.2:
        w[0] = 1000.0
    offset = size * 10.0 ** rng.uniform(0, 6) if rng.random() < 0.3 else 0.0

    def f(x: Vector) -> float:
        u = x / unit
        return float(offset + size * (np.sum(a * np.sin(w * u)) + np.sum(b * np.exp(c * u)) + np.prod(u)))

    def g(x: Vector) -> Vector:
        u = x / unit
        others = np.array([np.prod(np.delete(u, i)) for i in range(n)])
        return np.asarray(size * (a * w * np.cos(w * u) + b * c * np.exp(c * u) + others) / unit)

    def h(x: Vector) -> Vector:
        u = x / unit
        pairs = [[np.prod(np.delete(u, [i, j])) if i != j else 0.0 for j in range(n)] for i in range(n)]
        diagonal = -a * w**2 * np.sin(w * u) + b * c**2 * np.exp(c * u)
        return np.asarray(size * (pairs + np.diag(diagonal)) / np.outer(unit, unit))

    return Made(f, g, h, x)


def run(m: Made, g: Callable[[Vector], Vector] | None = None) -> Result:
    return check(m.f, m.x, grad=g or m.g, autodiff=False)


@given(st.integers(0, 10**6))
@RANDOM
def test_a_right_gradient_is_never_called_wrong(seed: int) -> None:
    assert run(made(seed)).verdict != "fail"


@given(st.integers(0, 10**6), st.sampled_from([1e-3, -1e-3, 1e-2, 0.5, -2.0, -1.0]))
@RANDOM
def test_a_wrong_entry_never_passes(seed: int, relative: float) -> None:
    m = made(seed)
    i = seed % m.x.size
    right = m.g(m.x)

    def wrong(x: Vector) -> Vector:
        g = m.g(x)
        g[i] *= 1 + relative
        return g

    result = run(m, wrong)
    assert result.entries[i].verdict is not Verdict.PASS
    for j, e in enumerate(result.entries):  # and only the wrong one fails
        if j != i:
            assert e.verdict is not Verdict.FAIL
    # What fails, fails for a reason: the right value would not have.
    e = result.entries[i]
    if e.verdict is Verdict.FAIL:
        assert e.measured is not None
        assert e.error is not None
        assert abs(e.measured - right[i]) < abs(e.measured - e.yours)


def test_most_of_them_are_decided() -> None:
    right = [run(made(seed)) for seed in range(150)]
    passed = sum(e.verdict is Verdict.PASS for r in right for e in r.entries)
    total = sum(len(r.entries) for r in right)
    assert passed > 0.8 * total
    evaluations = sum(r.evaluations for r in right)
    assert evaluations < 20 * total


DRAWS = {
    "normal": lambda rng: rng.normal(size=4096),
    "uniform": lambda rng: rng.uniform(-1, 1, size=4096),
    "heavy tails": lambda rng: rng.standard_t(3, size=4096),
}


def noisy(m: Made, salt: int, level: float = 1e-8, kind: str = "normal") -> Made:
    """The same with noise that is a function of x alone, of a level relative to f."""
    table = DRAWS[kind](np.random.default_rng(salt))
    size = level * max(abs(m.f(m.x)), 1e-300)

    def f(x: Vector) -> float:
        return m.f(x) + size * float(table[zlib.crc32(x.tobytes(), salt) % len(table)])

    return Made(f, m.g, m.h, m.x)


def one_entry_flipped(m: Made, i: int) -> Callable[[Vector], Vector]:
    return lambda x: np.where(np.arange(x.size) == i, -2, 1) * m.g(x)


@given(
    st.integers(0, 10**6), st.integers(0, 2**32 - 1), st.sampled_from([1e-8, 1e-6, 1e-4]), st.sampled_from(list(DRAWS))
)
@settings(RANDOM, max_examples=60)
def test_noise_makes_a_verdict_undecided_but_not_wrong(seed: int, salt: int, level: float, kind: str) -> None:
    m = noisy(made(seed), salt, level, kind)
    assert run(m).verdict != "fail"
    i = seed % m.x.size
    wrong = run(m, one_entry_flipped(m, i))
    assert wrong.entries[i].verdict is not Verdict.PASS
    assert all(e.verdict is not Verdict.FAIL for j, e in enumerate(wrong.entries) if j != i)


@pytest.mark.parametrize(
    ("seed", "salt", "level", "kind"),
    [
        (245, 0, 1e-8, "heavy tails"),
        (307, 6, 1e-8, "uniform"),
        (390, 5, 1e-8, "normal"),
        (992, 5, 1e-8, "heavy tails"),
        (303, 2, 1e-6, "normal"),
        (103, 5, 1e-6, "uniform"),
        (69, 6, 1e-4, "normal"),
        (79, 2, 1e-4, "uniform"),
        (104, 6, 1e-4, "heavy tails"),
    ],
)
def test_an_oscillation_hidden_by_noise_is_no_error(seed: int, salt: int, level: float, kind: str) -> None:
    """Long steps average over it and see another slope; at short steps there is nothing but noise."""
    assert run(noisy(made(seed), salt, level, kind)).verdict != "fail"


@pytest.mark.parametrize(
    ("seed", "salt", "level", "kind"),
    [
        (437, 3, 1e-8, "heavy tails"),
        (477, 1, 1e-8, "normal"),
        (303, 2, 1e-6, "normal"),
        (443, 2, 1e-6, "heavy tails"),
        (439, 5, 1e-4, "uniform"),
        (459, 4, 1e-4, "normal"),
    ],
)
def test_nor_is_one_hidden_from_a_hessian(seed: int, salt: int, level: float, kind: str) -> None:
    m = noisy(made(seed), salt, level, kind)
    assert check(m.f, m.x, grad=m.h, order=2, autodiff=False).verdict != "fail"


def test_hessians_with_little_noise_are_decided() -> None:
    for seed in range(12):
        m = noisy(made(seed), salt=seed, level=1e-12)
        assert check(m.f, m.x, grad=m.h, order=2, autodiff=False).verdict != "fail"
        assert check(m.f, m.x, grad=lambda x, m=m: -2 * m.h(x), order=2, autodiff=False).verdict == "fail"


def test_most_errors_are_seen_through_noise() -> None:
    states = []
    for seed in range(60):
        m = noisy(made(seed), salt=seed)
        i = seed % m.x.size
        states.append(run(m, one_entry_flipped(m, i)).entries[i].verdict)
    assert states.count(Verdict.FAIL) > 0.85 * len(states)


def test_float32_inside_a_function_is_rounding_not_noise() -> None:
    a = np.random.default_rng(3).normal(size=(40, 8)).astype(np.float32)
    x = np.random.default_rng(4).normal(size=8).astype(np.float32).astype(float)

    def f(w: Vector) -> float:
        return float(np.mean(np.log1p(np.exp(a @ w.astype(np.float32))), dtype=np.float32))

    def g(w: Vector) -> Vector:
        p = 1 / (1 + np.exp(-(a.astype(float) @ w)))
        return np.asarray(a.T.astype(float) @ p / len(a))

    assert check(f, x, grad=g, autodiff=False).verdict != "fail"
    result = check(f, x, grad=lambda w: g(w) * np.where(np.arange(8) == 2, 1.1, 1.0), autodiff=False)
    assert result.entries[2].verdict is Verdict.FAIL


@given(st.integers(0, 10**6), st.sampled_from([0.0, 1e-9, 1e-7, 1e-4, 1e-2]), st.booleans())
@settings(RANDOM, max_examples=40)
def test_kinks_at_and_near_the_point(seed: int, distance: float, above: bool) -> None:
    rng = np.random.default_rng(seed)
    k, slope, c = rng.uniform(0.5, 2), rng.uniform(0.5, 3), rng.normal()
    x0 = k * (1 + distance * (1 if above else -1))
    side = np.sign(x0 - k) if distance else 1.0

    def f(x: float) -> float:
        return slope * abs(x - k) + c * np.sin(x)

    def right(x: float) -> float:
        return slope * (np.sign(x - k) or 1.0) + c * np.cos(x)

    result = check(f, float(x0), grad=right, autodiff=False)
    if distance:
        assert result.verdict != "fail"
        wrong = check(f, float(x0), grad=lambda x: right(x) - 2 * side * slope, autodiff=False)
        assert wrong.verdict != "pass"
        if distance >= 1e-7:
            assert wrong.verdict == "fail"
        if distance >= 1e-4:
            assert result.verdict == "pass"
    else:
        assert result.verdict == "inconclusive"
        assert "kink" in result.entries[0].note
        outside = check(f, float(x0), grad=lambda x: right(x) + slope, autodiff=False)
        assert outside.verdict == "fail"
        assert "GC104" in [f.code for f in outside.findings]


def test_a_subgradient_at_a_kink_with_a_zero_central_difference() -> None:
    for value in (-1.0, 0.0, 0.3, 1.0):
        result = check(abs, 0.0, grad=lambda x, v=value: np.sign(x) or v, autodiff=False)
        assert result.verdict == "inconclusive"
        assert result.entries[0].note == "kink: slope −1 on the left, 1 on the right, the derivative " + {
            -1.0: "is the left one",
            1.0: "is the right one",
        }.get(value, "lies between")
    assert check(abs, 0.0, grad=lambda x: 1.1, autodiff=False).verdict == "fail"


@given(st.integers(0, 10**6))
@settings(RANDOM, max_examples=20)
def test_oscillations(seed: int) -> None:
    rng = np.random.default_rng(seed)
    w, x0 = 10.0 ** rng.uniform(2, 6), rng.uniform(0.5, 2)

    def f(x: float) -> float:
        return float(np.sin(w * x) + x**2)

    def g(x: float) -> float:
        return float(w * np.cos(w * x) + 2 * x)

    assert check(f, x0, grad=g, autodiff=False).verdict != "fail"
    assert check(f, x0, grad=lambda x: 1.001 * g(x), autodiff=False).verdict != "pass"
    assert check(f, x0, grad=lambda x: 2 * x, autodiff=False).verdict == "fail"  # what long steps see


@pytest.mark.parametrize("x", [1e-300, 1e-30, -1e-12, 1e-8, 0.0])
def test_tiny_arguments(x: float) -> None:
    f, g = (lambda v: np.cos(v) + v), (lambda v: 1 - np.sin(v))
    assert check(f, x, grad=g, autodiff=False).verdict == "pass"
    assert check(f, x, grad=lambda v: 1.001 * g(v), autodiff=False).verdict == "fail"


@pytest.mark.parametrize("power", [-12, -6, 0, 6, 12])
def test_neither_the_size_of_f_nor_that_of_x_matters(power: int) -> None:
    for fs, xs in ((10.0**power, 1.0), (1.0, 10.0**power), (10.0**power, 10.0**-power)):
        f, g = (lambda x, a=fs, b=xs: a * np.sin(x / b)), (lambda x, a=fs, b=xs: a / b * np.cos(x / b))
        assert check(f, 0.7 * xs, grad=g, autodiff=False).verdict == "pass"
        for wrong in (1.001, -1.0, 1 + 1e-5):
            result = check(f, 0.7 * xs, grad=lambda x, w=wrong, g=g: w * g(x), autodiff=False)
            assert result.verdict == "fail"


def test_an_entry_costs_two_evaluations_where_nothing_is_in_doubt() -> None:
    x = np.random.default_rng(0).normal(size=200)
    result = check(lambda v: np.sum(np.sin(v)), x, grad=np.cos, autodiff=False)
    assert result.verdict == "pass"
    assert result.evaluations < 2.3 * x.size


def test_outputs_share_evaluations() -> None:
    a = np.random.default_rng(0).normal(size=(50, 4))
    calls: list[int] = []

    def f(x: Vector) -> Vector:
        calls.append(1)
        return np.asarray(np.tanh(a @ x))

    x = np.array([0.1, 0.2, -0.3, 0.4])
    result = check(f, x, grad=lambda x: (1 - np.tanh(a @ x) ** 2)[:, None] * a, autodiff=False)
    assert result.verdict == "pass"
    assert result.evaluations == len(calls) < 60


def test_float32_functions() -> None:
    a = np.random.default_rng(1).normal(size=(20, 5)).astype(np.float32)
    x = np.random.default_rng(2).normal(size=5).astype(np.float32)

    def f(v: Vector) -> Vector:
        return np.sum(np.sin(a @ v), dtype=np.float32)

    def g(v: Vector) -> Vector:
        return a.T @ np.cos(a @ v)

    assert check(f, x, grad=g, autodiff=False).verdict != "fail"
    assert check(f, x, grad=lambda v: np.float32(1.05) * g(v), autodiff=False).verdict == "fail"
    assert check(f, x, grad=lambda v: np.float32(1.001) * g(v), autodiff=False).verdict != "pass"


@pytest.mark.parametrize(("edge", "sign"), [(0.0, 1), (2.0, -1)])
def test_the_edge_of_the_domain(edge: float, sign: int) -> None:
    def f(x: float) -> float:
        if sign * (x - edge) < 0:
            raise ValueError("outside")
        return float(np.exp(x) + x)

    result = check(f, edge, grad=lambda x: np.exp(x) + 1, autodiff=False)
    assert result.verdict == "pass"
    assert result.entries[0].note == f"measured from the {'right' if sign > 0 else 'left'} only"
    assert check(f, edge, grad=lambda x: np.exp(x) + 1.001, autodiff=False).verdict == "fail"


def test_a_wall_near_the_point_is_no_edge() -> None:
    f, g = (lambda x: x - 1e-3 * np.log(1 - x)), (lambda x: 1 + 1e-3 / (1 - x))
    x = 1 - 1e-7
    assert check(f, x, grad=g, autodiff=False).verdict != "fail"
    assert check(f, x, grad=lambda v: 1.01 * g(v), autodiff=False).verdict == "fail"


@pytest.mark.parametrize(
    ("f", "g"),
    [
        (np.cbrt, lambda x: np.cbrt(x) / (3 * x)),
        (lambda x: np.sqrt(np.abs(x)), lambda x: 0.5 * np.sqrt(np.abs(x)) / x),
        (lambda x: np.sign(x) + x, lambda x: 1.0),
    ],
    ids=["cbrt", "sqrt", "sign"],
)
def test_where_there_is_no_finite_slope_nothing_is_decided(
    f: Callable[[float], float], g: Callable[[float], float]
) -> None:
    for claim in (0.0, 1.0, np.inf):
        result = check(f, 0.0, grad=lambda x, c=claim: g(x) if x else c, autodiff=False)
        assert result.verdict == "inconclusive"
        assert "jump" in result.entries[0].note
        # Beside the point there is a slope.
        assert check(f, 0.0, grad=lambda x, c=claim: g(x) + 2.0 if x else c, autodiff=False).verdict == "fail"


def test_stationary_points() -> None:
    f, g = (lambda x: np.sum(x**2) + 3), (lambda x: 2 * x)
    assert check(f, np.zeros(3), grad=g, autodiff=False).verdict == "pass"
    assert check(f, np.zeros(3), grad=lambda x: 2 * x + 1e-3, autodiff=False).verdict == "fail"
    rosen = lambda x: 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2  # noqa: E731
    zero = check(rosen, np.ones(2), grad=lambda x: np.zeros(2), autodiff=False)
    assert all(e.verdict is Verdict.PASS for e in zero.entries)


def test_a_table_means_the_slope_of_its_segment() -> None:
    grid = np.arange(-3.0, 3.0005, 1e-3)
    table = np.exp(grid)
    x = 0.4123

    def slope(v: float) -> float:
        i = int(np.searchsorted(grid, v, side="right")) - 1
        return float((table[i + 1] - table[i]) / (grid[i + 1] - grid[i]))

    f = lambda v: np.interp(v, grid, table)  # noqa: E731
    assert check(f, x, grad=slope, autodiff=False).verdict != "fail"
    assert check(f, x, grad=np.exp, autodiff=False).verdict == "fail"


def test_tolerances_of_the_user_widen_the_acceptance() -> None:
    f, wrong = np.sin, lambda x: np.cos(x) * 1.001
    assert check(f, 0.7, grad=wrong, autodiff=False).verdict == "fail"
    assert check(f, 0.7, grad=wrong, rtol=2e-3, autodiff=False).verdict == "pass"
    assert check(f, 0.7, grad=wrong, atol=2e-3, autodiff=False).verdict == "pass"
    assert check(f, 0.7, grad=wrong, rtol=5e-4, autodiff=False).verdict == "fail"


def test_resolution_says_what_would_have_been_seen() -> None:
    scale = 1e9
    e = check(lambda x: scale + np.sin(x), 0.7, grad=np.cos, autodiff=False).entries[0]
    assert e.resolution is not None
    assert e.resolution > 1e-8
    seen = check(lambda x: scale + np.sin(x), 0.7, grad=lambda x: (1 + 3 * e.resolution) * np.cos(x), autodiff=False)
    assert seen.verdict != "pass"


def weierstrass(x: np.ndarray, levels: int = 20) -> float:
    """Smooth, but on no scale above 1e-10."""
    k = np.arange(levels + 1)
    return float(np.sum(0.5**k * np.cos(2 * np.pi * 3.0**k * (x[:, None] + 0.5))))


def katsuura(x: np.ndarray) -> float:
    """A kink on every scale down to 2^-32, so that its slope is known by the shortest steps only."""
    p = 2.0 ** np.arange(1, 33)
    rough = np.sum(np.abs(p * x[:, None] - np.round(p * x[:, None])) / p, axis=1)
    return float(10 / x.size**2 * (np.prod(1 + np.arange(1, x.size + 1) * rough) ** (10 / x.size**1.2) - 1))


@pytest.mark.parametrize("f", [weierstrass, katsuura])
@pytest.mark.parametrize("seed", range(4))
def test_rough_functions_never_fail_a_right_derivative(f: Any, seed: int) -> None:
    x = np.random.default_rng(seed).uniform(-1.7, 1.7, 4)
    assert check(f, x).verdict != "fail"


def test_the_rules_alone() -> None:
    """Three witnesses on one entry, without any function."""

    def opinion(claim: float, witness: float | None, value: float, bar: float, short: bool = True) -> int:
        one = np.array
        e = Estimate(
            value=one([value]), bar=one([bar]), kink=one([False]), vertical=one([False]), left=one([value]),
            right=one([value]), doubt=one([0.0]), bent=one([False]),
            rung_value=one([[value], [value]]), rung_bar=one([[bar], [bar]]),
            short=one([[short], [False]]), steps=9,
            plain=one([[value], [value]]), plain_noise=one([[1e-12], [1e-13]]),
            plain_rounding=one([[1e-12], [1e-13]]), lengths=one([1e-4, 4e-4]), noise=one([1e-16]),
        )  # fmt: skip
        agrees = witness is not None and abs(claim - witness) <= 5e-7 * abs(claim)
        trial = rules.Trial(
            claim=one([claim]), witness=None if witness is None else one([witness]), witness_agrees=one([agrees]),
            size=one([abs(claim)]), zero_size=one([1.0]), sharp=rules.SHARP,
        )  # fmt: skip
        return int(rules.opinion(trial, e, last=True, confirmed=True).state[0])

    assert opinion(1.0, None, 1.0, 1e-9) == rules.PASS
    assert opinion(1.0, None, 1.0, 1e-5) == rules.UNDECIDED  # too wide to mean anything
    assert opinion(1.0, 1.0, 1.0, 1e-5) == rules.PASS  # autodiff is a second witness
    assert opinion(1.0, 1.0, 1.1, 1e-5) == rules.FAIL  # both contradicted by what was measured
    assert opinion(1.0, 1.0, 1.1, 1e-5, short=False) == rules.UNDECIDED  # a derivative is a limit
    assert opinion(1.0, 1.1, 1.1, 1e-9) == rules.FAIL
    assert opinion(1.0, 1.1, 1.0, 1e-9) == rules.ALONE  # autodiff stands alone
    assert opinion(1.0, 1.1, 1.05, 1.0) == rules.UNDECIDED  # they disagree and nobody can tell
    assert opinion(0.0, None, 1e-3, 1e-9) == rules.FAIL


@pytest.mark.parametrize("seed", range(8))
def test_a_staircase_makes_no_false_alarm(seed: int) -> None:
    """f loses its small digits to a large number, so that short steps see nothing at all."""
    x = np.random.default_rng(seed).uniform(-1.7, 1.7, 3)
    for large in (1e8, 1e10):
        right = check(lambda x, large=large: (large + np.sin(x).sum()) - large, x, grad=np.cos)
        assert right.verdict != "fail"
        wrong = check(lambda x, large=large: (large + np.sin(x).sum()) - large, x, grad=lambda x: -np.cos(x))
        assert wrong.verdict != "pass"
