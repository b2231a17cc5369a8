"""Jumps of callbacks that move with what is differentiated, with no comparison to see: they are refused by name; jumps
that stay where they are, poles and steep slopes are none of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.interpolate
import scipy.optimize
import scipy.stats as stats
from scipy.integrate import nquad, odeint, quad, quad_vec, solve_ivp
from scipy.optimize import elementwise

from gradcheck import AutodiffError, grad, jvp

# NumPy 2.5 has deprecated it.
pytestmark = pytest.mark.filterwarnings("ignore:numpy.fix is deprecated:DeprecationWarning")

MOVING: dict[str, tuple[Callable[[Any, Any], Any], float, float]] = {
    "expon": (lambda t, c: stats.expon.pdf(t, loc=c), 0.3, 0.9),
    "uniform": (lambda t, c: stats.uniform.pdf(t, c, 1), 0.3, 0.9),
    "beta": (lambda t, c: stats.beta.pdf(t, 1, 2, c), 0.3, 0.9),
    "poisson": (lambda t, c: stats.poisson.cdf(t - c + 1, 2.0), 0.3, 0.9),
    "interp": (lambda t, c: np.interp(t, [c, 1.0], [1, 2.0], left=0), 0.3, 1.0),
    "interp1d": (
        lambda t, c: scipy.interpolate.interp1d([c, 1.0], [1, 2.0], bounds_error=False, fill_value=0)(t), 0.3, 1.0,
    ),
    "previous": (
        lambda t, c: scipy.interpolate.interp1d([0.0, c, 1.1], [1, 2.0, 3.0], kind="previous")(min(t, 1.0)), 0.3, 1.0,
    ),
    "searchsorted": (lambda t, c: float(np.searchsorted(np.array([c, 2 * c]), t)), 0.3, 0.9),
    "fix": (lambda t, c: np.fix(t / c), 0.3, 0.9),
    "astype": (lambda t, c: np.array([t / c]).astype(int)[0] * 1.0, 0.3, 0.9),
    "modf": (lambda t, c: math.modf(t / c)[1], 0.3, 0.9),
    "around": (lambda t, c: np.around(t / c / 2), 0.3, 0.9),
    "fmod": (lambda t, c: math.fmod(t, c / 2), 0.0, 0.5),
    "atan2": (lambda t, c: math.atan2(t - c, -1), 0.3, 0.9),
    "angle": (lambda t, c: np.angle(-1 + 1j * (t - c)), 0.3, 0.9),
    "bool": (lambda t, c: float(t > c) == 1.0, 0.3, 0.9),
    "small": (lambda t, c: math.exp(t) + 1e-3 * stats.uniform.pdf(t, c, 1), 0.3, 0.9),
}  # fmt: skip


def refused(f: Callable[[Any], Any]) -> None:
    for call in (lambda: grad(f)(0.71), lambda: jvp(f, (0.71,), (1.0,))):
        with pytest.raises(AutodiffError, match=r"jumps at (t = )?0\.(71|355)"):
            call()


@pytest.mark.parametrize("name", MOVING)
def test_a_moving_jump_in_an_integrand_is_refused(name: str) -> None:
    body, low, high = MOVING[name]
    refused(lambda c: quad(lambda t: body(t, c), low, high)[0])


@pytest.mark.parametrize("name", [n for n in MOVING if n not in ("small", "interp1d")])
def test_a_moving_jump_in_a_right_hand_side_is_refused(name: str) -> None:
    body, low, high = MOVING[name]
    refused(lambda c: solve_ivp(lambda t, y: [body(t, c)], (low, high), [0.0]).y[0, -1])
    refused(lambda c: odeint(lambda y, t: [body(t, c)], [0.0], [low, high])[-1, 0])


def test_other_quadratures() -> None:
    refused(lambda c: quad_vec(lambda t: np.array([t, 1.0]) * stats.expon.pdf(t, loc=c), 0.3, 0.9)[0][0])
    refused(lambda c: nquad(lambda s, t: s * np.fix(t / c), [[0, 1], [0.3, 0.9]])[0])


def test_a_plain_break_point_does_not_move() -> None:
    refused(lambda c: quad(lambda t: stats.expon.pdf(t, loc=c), 0.3, 0.9, points=[0.71])[0])
    f = lambda c: quad(lambda t: stats.expon.pdf(t, loc=c), 0.3, 0.9, points=[c])[0]  # noqa: E731
    assert grad(f)(0.71) == pytest.approx(-math.exp(-0.19), abs=1e-8)
    assert jvp(f, (0.71,), (1.0,))[1] == pytest.approx(-math.exp(-0.19), abs=1e-8)


STAYING: dict[str, tuple[Callable[[Any], Any], float]] = {
    "step": (lambda c: quad(lambda t: c * c * (t > 0.5), 0, 1)[0], 0.71),
    "step at a point": (lambda c: quad(lambda t: c * c * (t > 0.5), 0, 1, points=[0.5])[0], 0.71),
    "vector step at a point": (
        lambda c: quad_vec(lambda t: np.array([t, c * c if t > 0.5 else t]), 0, 1, points=[0.5])[0][1], 0.71,
    ),
    "plain table": (lambda c: quad(lambda t: c**2 * np.interp(t, [0.5, 1.0], [1.0, 2.0], left=0), 0, 1)[0], 1.065),
    "fix of time": (lambda c: quad(lambda t: c**2 + np.fix(t / 0.4), 0, 1)[0], 1.42),
    "log": (lambda c: quad(lambda t: c * c * math.log(abs(t - 0.5)), 0, 1, points=[0.5])[0], -1.42 * (1 + math.log(2))),
    "root": (lambda c: quad(lambda t: c * c / math.sqrt(t), 0, 1)[0], 2.84),
    "kink": (lambda c: quad(lambda t: np.abs(t - c), 0, 1)[0], 2 * 0.71 - 1),
    "input of an ODE": (
        lambda c: solve_ivp(
            lambda t, y: [c * (1.0 if t > 0.5 else 0.0)], (0, 1), [0.0], rtol=1e-9, atol=1e-9
        ).y[0, -1], 0.5,
    ),
    "input of an ODE, odeint": (lambda c: odeint(lambda y, t: [c * np.floor(2 * t)], [0.0], [0, 0.9])[-1, 0], 0.4),
}  # fmt: skip


@pytest.mark.parametrize("name", STAYING)
def test_what_stays_is_followed(name: str) -> None:
    f, slope = STAYING[name]
    assert grad(f)(0.71) == pytest.approx(slope, abs=1e-6)
    assert jvp(f, (0.71,), (1.0,))[1] == pytest.approx(slope, abs=1e-6)


@pytest.mark.parametrize(
    "body",
    [
        lambda t, c: math.exp(t) * c,
        lambda t, c: np.sin(7 * t) * c,
        lambda t, c: np.exp(-((t - c) ** 2) * 50),
        lambda t, c: 1 / (1e-2 + (t - c) ** 2),
        lambda t, c: np.tanh(30 * (t - c)),
    ],
)
def test_smooth_integrands_cost_a_few_dozen_evaluations(body: Callable[[Any, Any], Any]) -> None:
    from gradcheck.autodiff.jumps import refuse_moving

    samples: list[Any] = []
    quad(lambda t: samples.append((t, body(t, 0.71))) or samples[-1][1], 0, 1)
    calls: list[float] = []
    refuse_moving(lambda t: calls.append(t) or body(t, 0.71), samples, "it")
    assert len(calls) <= 48


def test_what_a_callback_has_computed_is_not_used_outside_of_it() -> None:
    """Its tangent would be that of SciPy's plain node, which moves with the limit."""

    def f(x: Any) -> Any:
        kept: list[Any] = []

        def body(t: Any) -> Any:
            kept.append(x[0] * t * t)
            return kept[-1]

        return quad(body, 0, x[1])[0] + (kept[0] * x[2] if x[2] else 0.0)

    x = np.array([0.71, 1.33, 0.43])
    for call in (lambda: grad(f)(x), lambda: jvp(f, (x,), (np.ones(3),))):
        with pytest.raises(AutodiffError, match=r"computed in a callback|of an earlier call|stored outside of itself"):
            call()
    x[2] = 0.0  # kept, and not used
    slopes = [x[1] ** 3 / 3, x[0] * x[1] ** 2, 0.0]
    assert np.allclose(grad(f)(x), slopes, atol=1e-8)
    assert jvp(f, (x,), (np.ones(3),))[1] == pytest.approx(sum(slopes), abs=1e-8)


SIGNS: dict[str, Callable[[Any, Any], Any]] = {
    "comparison": lambda t, x: -1.0 if t < x else 1.0,
    "sign": lambda t, x: np.sign(t - x),
    "where": lambda t, x: np.where(t < x, -1.0, 2.0),
    "searchsorted": lambda t, x: np.searchsorted(np.array([x, 2 * x]), t) - 0.5,
}


def bracketed(name: str, body: Callable[[Any], Any]) -> Any:
    if name == "root_scalar":
        return scipy.optimize.root_scalar(body, bracket=[0, 5], method="brenth").root
    return getattr(scipy.optimize, name)(body, 0, 5)


@pytest.mark.parametrize("name", ["brentq", "brenth", "bisect", "ridder", "toms748", "root_scalar"])
def test_a_change_of_sign_without_a_root_is_refused(name: str) -> None:
    for body in SIGNS.values():
        f = lambda x, body=body: bracketed(name, lambda t: body(t, x))  # noqa: E731
        for call in (lambda f=f: grad(f)(0.71), lambda f=f: jvp(f, (0.71,), (1.0,))):
            with pytest.raises(AutodiffError, match=r"changes sign at 0\.71\d*, but has no root"):
                call()
    plain = lambda x: x * bracketed(name, lambda t: -1.0 if t < 1.3 else 1.0)  # noqa: E731
    assert grad(plain)(0.71) == pytest.approx(1.3, abs=1e-8)
    smooth = lambda x: x * bracketed(name, lambda t: t * t - 2.0)  # noqa: E731
    assert grad(smooth)(0.71) == pytest.approx(math.sqrt(2), abs=1e-8)


def test_an_elementwise_root_that_is_a_jump_is_refused() -> None:
    f = lambda x: elementwise.find_root(lambda t: np.where(t < x, -1.0, 1.0), (0.0, 5.0)).x  # noqa: E731
    for call in (lambda: grad(f)(0.71), lambda: jvp(f, (0.71,), (1.0,))):
        with pytest.raises(AutodiffError, match="changes sign, but has no root"):
            call()
    plain = lambda x: x * elementwise.find_root(lambda t: t**3 - 8.0, (0.0, 5.0)).x  # noqa: E731
    assert grad(plain)(0.71) == pytest.approx(2.0)
