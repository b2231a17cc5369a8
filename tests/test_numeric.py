"""The numeric floor: every number has an error bar, and the bar holds."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields

import numpy as np
import pytest

from gradcheck.numeric.ladder import Estimate, Ladder, climb, estimate, first_estimates, first_step, part
from gradcheck.numeric.lines import Sampler, along, coordinate
from gradcheck.numeric.noise import half_ulp, noise_from_table, noise_level
from gradcheck.numeric.rough import jump_size
from gradcheck.numeric.scale import coordinate_scales, power_of_two, smallest_step, typical_scale

Scalar = Callable[[np.ndarray], np.ndarray]


def each(f: Callable[[float], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    """f of one step as a function of several."""
    return lambda steps: np.stack([f(float(t)) for t in steps])


def measure(f: Scalar, x: float, rungs: list[int] | None = None, side: int = 0) -> tuple[Estimate, Sampler]:
    """The estimate of df/dx at a scalar point, from the given rungs, or all of them."""
    point = np.array([x])
    with np.errstate(all="ignore"):
        center = np.atleast_1d(f(point[0]))
        sampler = Sampler(lambda v: np.atleast_1d(f(v[0])), point, center)
        scale = float(coordinate_scales(point)[0])
        line = coordinate(point, 0, scale, typical_scale(point), point.dtype)
        line.side = side
        noise = noise_level(each(lambda t: np.atleast_1d(f(x + t * scale))), center)
        guess = 1e-4 * scale if scale > 1e-12 else 1e-4
        slope = (np.atleast_1d(f(x + guess)) - center) / guess
        ladder = Ladder(line, first_step(line, noise, slope), noise)
        chosen = range(ladder.lowest, ladder.highest + 1) if rungs is None else rungs
        climb(sampler, [ladder], [list(chosen)])
        return estimate(sampler, ladder), sampler


SMOOTH = [
    (np.sin, np.cos, 1.0),
    (np.exp, np.exp, 20.0),
    (np.log, lambda x: 1 / x, 1e-6),
    (np.sqrt, lambda x: 0.5 / np.sqrt(x), 3e-9),
    (lambda x: np.sin(1e3 * x), lambda x: 1e3 * np.cos(1e3 * x), 1.0),
    (lambda x: 1e-12 * np.tanh(x), lambda x: 1e-12 / np.cosh(x) ** 2, 0.7),
    (lambda x: 1e6 + 1e-3 * np.sin(x), lambda x: 1e-3 * np.cos(x), 1.0),
    (lambda x: x**3, lambda x: 3 * x**2, -1e8),
    (lambda x: np.cos(x) + x, lambda x: 1 - np.sin(x), 1e-30),
    (lambda x: 1 / (1 + np.exp(-x)), lambda x: np.exp(-x) / (1 + np.exp(-x)) ** 2, 12.0),
    (lambda x: np.arctan(1e4 * (x - 1)), lambda x: 1e4 / (1 + 1e8 * (x - 1) ** 2), 1.0001),
]


@pytest.mark.parametrize(("f", "df", "x"), SMOOTH)
def test_the_error_bar_bounds_the_error(f: Scalar, df: Scalar, x: float) -> None:
    e, _ = measure(f, x)
    error = abs(e.value[0] - df(x))
    # Rounding of the reference itself is part of what is compared.
    assert error <= 2 * e.bar[0] + 4e-16 * abs(df(x))
    assert e.bar[0] < 1e-4 * abs(df(x))
    assert not e.kink[0]


@pytest.mark.parametrize(("f", "df", "x"), SMOOTH)
def test_three_steps_have_honest_bars_too(f: Scalar, df: Scalar, x: float) -> None:
    e, sampler = measure(f, x, [-1, 0, 1])
    assert abs(e.value[0] - df(x)) <= 3 * e.bar[0] + 4e-16 * abs(df(x))
    assert e.steps == 3
    assert sampler.x.size == 1


def test_error_bars_hold_over_random_functions() -> None:
    rng = np.random.default_rng(20)
    outside = 0
    for _ in range(150):
        a, b, c = rng.normal(size=3) * 10.0 ** rng.uniform(-3, 3, 3)
        w, x = 10.0 ** rng.uniform(-1, 2), rng.normal()
        offset = rng.choice([0.0, 10.0 ** rng.uniform(0, 6)])

        def f(t: float, p: tuple[float, ...] = (a, b, c, w, offset)) -> float:
            return p[4] + p[0] * np.sin(p[3] * t) + p[1] * t**2 + p[2] * np.exp(0.3 * t)

        true = a * w * np.cos(w * x) + 2 * b * x + 0.3 * c * np.exp(0.3 * x)
        e, _ = measure(f, x)
        outside += abs(e.value[0] - true) > 3 * e.bar[0] + 1e-15 * abs(true)
    assert outside == 0


def test_one_pair_of_evaluations_a_step_and_none_twice() -> None:
    calls: list[float] = []

    def f(v: np.ndarray) -> np.ndarray:
        calls.append(float(v[0]))
        return np.array([np.sin(v[0]), np.cos(v[0])])

    x = np.array([0.7])
    sampler = Sampler(f, x, np.array([np.sin(0.7), np.cos(0.7)]))
    line = coordinate(x, 0, 0.7, 1.0, x.dtype)
    ladder = Ladder(line, 2.0**-14, np.full(2, 1e-16))
    climb(sampler, [ladder], [[0]])
    assert len(calls) == 2
    climb(sampler, [ladder], [[-1, 0, 1]])
    assert len(calls) == 6
    e = estimate(sampler, ladder)
    assert len(calls) == 6
    assert e.value == pytest.approx([np.cos(0.7), -np.sin(0.7)], rel=1e-9)


def test_lines_share_one_call_of_scipy_but_not_their_steps() -> None:
    x = np.array([1e-3, 1e3])
    sampler = Sampler(lambda v: v**2, x, x**2)
    lines = [coordinate(x, j, abs(x[j]), 1.0, x.dtype) for j in (0, 1)]
    found = sampler.differences(lines, [2.0**-20, 2.0**-3])
    assert found == pytest.approx(np.diag(2 * x), rel=1e-6)
    assert set(lines[0].samples) == {2.0**-20, -(2.0**-20)}
    assert set(lines[1].samples) == {0.125, -0.125}


def test_directions_are_lines_as_well() -> None:
    x, v = np.array([1.0, 2.0, 3.0]), np.array([0.5, -1.0, 2.0])
    sampler = Sampler(lambda z: np.atleast_1d(np.sum(z**3)), x, np.atleast_1d(np.sum(x**3)))
    found = sampler.differences([along(x, v, x.dtype)], [2.0**-12])
    assert found[0, 0] == pytest.approx(3 * x**2 @ v, rel=1e-6)


@pytest.mark.parametrize("shift", [0.0, 1e-3])
def test_a_kink_is_seen_where_it_is(shift: float) -> None:
    e, _ = measure(lambda x: np.abs(x - 0.5) + x**2, 0.5 + shift)
    assert bool(e.kink[0]) == (shift == 0.0)
    if shift == 0.0:
        assert e.left[0] == pytest.approx(0.0, abs=1e-6)
        assert e.right[0] == pytest.approx(2.0, abs=1e-6)
    else:
        assert e.value[0] == pytest.approx(1 + 2 * 0.501, rel=1e-9)


@pytest.mark.parametrize("f", [lambda x: np.floor(x) + x, np.cbrt, lambda x: np.sqrt(np.abs(x))])
def test_jumps_and_infinite_slopes_are_vertical(f: Scalar) -> None:
    x = 2.0 if f(2.0) == 4.0 else 0.0
    e, _ = measure(f, x)
    assert e.kink[0]
    assert e.vertical[0]


@pytest.mark.parametrize("f", [lambda x: np.maximum(x, 0) ** 2 + x, lambda x: np.abs(x) ** 1.5 + x])
def test_a_bend_of_the_curvature_is_no_kink(f: Scalar) -> None:
    e, _ = measure(f, 0.0)
    assert not e.kink[0]
    assert abs(e.value[0] - 1) <= 3 * e.bar[0]


def test_one_sided_differences_at_the_edge_of_the_domain() -> None:
    e, sampler = measure(lambda x: np.exp(x) if x >= 0 else np.nan, 0.0, side=1)
    assert abs(e.value[0] - 1) <= 3 * e.bar[0]
    assert e.bar[0] < 1e-8
    assert sampler.center[0] == 1.0


def test_long_steps_that_alias_are_contradicted_by_short_ones() -> None:
    e, _ = measure(lambda x: np.sin(1e6 * x), 1.2345)
    true = 1e6 * np.cos(1e6 * 1.2345)
    assert abs(e.value[0] - true) <= 3 * e.bar[0] + 1e-9 * abs(true)


@pytest.mark.parametrize("level", [1e-12, 1e-8, 1e-4])
def test_noise_is_measured(level: float) -> None:
    rng = np.random.default_rng(3)
    found = noise_level(each(lambda t: np.atleast_1d(np.sin(1 + t) + level * rng.normal())), np.sin([1.0]))
    assert level / 5 < found[0] < level * 5


def test_noise_of_an_exact_function_is_half_an_ulp() -> None:
    found = noise_level(each(lambda t: np.atleast_1d(2.0 * (1 + t))), np.array([2.0]))
    assert found[0] <= 2 * half_ulp(np.array([2.0]))[0]
    assert np.isnan(noise_from_table(np.ones((7, 1)))[0])


def test_noise_of_float32_inside_is_seen_although_the_argument_is_float64() -> None:
    def f(t: float) -> np.ndarray:
        x = np.linspace(1, 2, 50, dtype=np.float32) * np.float32(1 + t)
        return np.atleast_1d(np.float64(np.sum(np.sin(x), dtype=np.float32)))

    assert 1e-8 < noise_level(each(f), f(0.0))[0] < 1e-4


def test_scales_and_steps() -> None:
    assert coordinate_scales(np.zeros(2)).tolist() == [1.0, 1.0]
    assert typical_scale(np.array([100.0, 0.0])) == 100.0
    assert float(power_of_two(3e-5)) == 2.0**-15
    assert float(smallest_step(1.0, np.dtype("f8"))) == 8 * np.spacing(1.0)


def test_tiny_jumps_are_found_and_kinks_are_not_taken_for_them() -> None:
    x = np.array([0.5])
    noise = np.array([1e-16])

    def size(f: Scalar) -> float:
        sampler = Sampler(lambda v: np.atleast_1d(f(v[0])), x, np.atleast_1d(f(0.5)))
        return float(jump_size(sampler, coordinate(x, 0, 0.5, 1.0, x.dtype), 0.1, noise)[0])

    assert size(lambda t: np.exp(t) + 1e-7 * (t > 0.5373)) == pytest.approx(1e-7, rel=1e-3)
    assert size(np.exp) == 0.0
    assert size(lambda t: np.exp(t) + 1e-4 * np.abs(t - 0.5373)) == 0.0


def test_the_floor_never_loads_scipy_optimize_and_loads_scipy_late() -> None:
    code = (
        "import sys, numpy as np\n"
        "from gradcheck.numeric import ladder, lines, noise, rough, scale\n"
        "assert 'scipy' not in sys.modules\n"
        "s = lines.Sampler(np.exp, np.array([1.0]), np.exp([1.0]))\n"
        "s.differences([lines.coordinate(s.x, 0, 1.0, 1.0, s.x.dtype)], [1e-5])\n"
        "assert 'scipy.differentiate' in sys.modules and 'scipy.optimize' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_first_estimates_are_what_each_is_alone() -> None:
    """Several lines at once say what each says by itself, field by field; the same holds for what is judged of them."""
    x = np.array([0.3, -2.0, 40.0, 1e-3])

    def f(v: np.ndarray) -> np.ndarray:
        return np.array([np.sum(np.sin(v) * v), np.abs(v[0] - 0.3) + v[1], np.log(v[3] - 0.9999e-3)])

    with np.errstate(all="ignore"):
        sampler = Sampler(f, x, f(x))
        noise = np.array([1e-15, 1e-12, 1e-9])
        lines = [coordinate(x, k, abs(x[k]), 1.0, x.dtype) for k in range(4)]
        lines.append(along(x, np.array([0.1, 0.2, -3.0, 1e-4]), x.dtype))
        typical = np.array([3.0, 1.0, 200.0])
        ladders = [
            Ladder(line, 2.0 ** (-8 - k) * line.scale, noise, typical=typical if k == 4 else 0.0)
            for k, line in enumerate(lines)
        ]
        climb(sampler, ladders, [[0]] * 5)
        wide, alone = first_estimates(sampler, ladders), [estimate(sampler, ladder) for ladder in ladders]
        together = [part(wide, k, ladder) for k, ladder in enumerate(ladders)]
    for one, other in zip(together, alone, strict=True):
        for field in fields(one):
            a, b = getattr(one, field.name), getattr(other, field.name)
            assert np.shape(a) == np.shape(b) or field.name in ("short", "plain_rounding"), field.name
            np.testing.assert_array_equal(np.broadcast_to(a, np.shape(b)), b, err_msg=field.name)
    assert not all(np.all(np.isfinite(e.value)) for e in alone)  # the logarithm ends below the point
