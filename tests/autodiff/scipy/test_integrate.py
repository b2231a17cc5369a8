# ruff: noqa: E501  (tables: a case a line)
"""scipy.integrate from plain imports: values, both modes, second order, against differences; refusals by name."""

from __future__ import annotations

import importlib
import inspect
import math
from typing import Any

import numpy as np
import pytest
import scipy.integrate
import scipy.stats
from scipy import integrate
from scipy.integrate import (
    cumulative_simpson,
    dblquad,
    nquad,
    odeint,
    quad,
    quad_vec,
    romb,
    simpson,
    solve_bvp,
    solve_ivp,
)

from gradcheck.autodiff import AutodiffError, grad, hessian, jacobian, jvp
from tests.autodiff.checking import Case, Table, difference, verify

T = Table()
P = np.array([0.7, 1.3])


def add(name: str, f: Any, *args: Any, **options: Any) -> None:
    T.add(getattr(scipy.integrate, name), f, *(args or (P,)), **{"single": False, "rtol": 1e-6, **options})


# -- quadrature --------------------------------------------------------------------------------------------------------

add("quad", lambda p: quad(lambda x: np.exp(-p[0] * x) * math.sin(p[1] * x), 0, p[1])[0])
add("quad", lambda a, b: quad(lambda x, u, v: u * math.exp(-v * x * x), -1.0, 2.0, args=(a, b))[0], 0.4, 0.9)
add("quad", lambda a: quad(math.cos, a, 2.0 * a)[0], 0.6)
add("quad", lambda p: scipy.integrate.quad(lambda x: np.exp(-p[0] * x * x), -np.inf, np.inf)[0])
add("quad", lambda p: integrate.quad(lambda x: np.exp(-p[0] * x * x), p[1], np.inf)[0])
add("quad", lambda p: quad(lambda x: x ** (p[0] - 1.0), 0, 1)[0])
add("quad", lambda p: quad(lambda x: np.exp(-p[0] * x), 0, p[1], weight="cos", wvar=2.0)[0])
add("quad", lambda p: quad(lambda x: np.exp(-p[0] * x), 0, np.inf, weight="sin", wvar=2.0)[0])
add("quad", lambda p: quad(lambda x: np.exp(-p[0] * x), 0, 1, weight="alg", wvar=(-0.5, 0.0))[0])
add("quad", lambda p: quad(lambda x: np.exp(-p[0] * x), 0, 1, weight="cauchy", wvar=0.3)[0])
add("quad", lambda p: quad(lambda x: abs(x - 0.3) * p[0] * p[1], 0, 1, points=[0.3], limit=80)[0])
add("quad", lambda p: quad(lambda x: p[0] * x * p[1], 2.0, 0.5, full_output=1)[0])
add("quad", lambda p: abs(quad(lambda x: np.exp(1j * p[0] * x), 0, p[1], complex_func=True)[0]))
add("quad", lambda p: quad(lambda x: (1.0 if x < p[0] else 3.0) * x * p[1], 0, 1, points=[p[0]])[0])
add("quad", lambda p: quad(lambda x: (1.0 if x < 0.3 else 2.0) * p[1], 0, 1, points=[0.3])[0])
add("quad", lambda p: quad(lambda x: max(x, p[0]) * p[1], 0, 1, epsabs=1e-13)[0], second=False, rtol=2e-6)
add("quad", lambda w: quad(lambda x: np.sum(np.sin(w * x)), 0, 1)[0], np.linspace(0.2, 1.5, 70), second=False)
add("quad", lambda p: quad(lambda x: quad(lambda y: p[0] * x * np.exp(p[1] * y * x), 0, x)[0], 0, 1)[0], second=False)
add("dblquad", lambda p: dblquad(lambda y, x: np.exp(-p[0] * x * y), 0, p[1], 0, lambda x: p[0] * x)[0], second=False)
add("dblquad", lambda p: dblquad(lambda y, x, c: c * x * y * y, 0, p[1], 0, 1, args=(p[0],))[0])
add("nquad", lambda p: nquad(lambda x, y, c: c * x * y**2, [[0, p[1]], [0, 1]], args=(p[0],))[0])
add("nquad", lambda p: nquad(lambda x, y: p[0] * x * y, [lambda y: [0, y * p[1]], (0, 1)], opts={"limit": 60})[0])
add("quad_vec", lambda p: quad_vec(lambda x: np.array([p[0] * x, np.exp(-p[1] * x)]), 0, p[1])[0])
add("quad_vec", lambda p: quad_vec(lambda x: np.exp(-p[0] * x), 0, np.inf, norm="max")[0])
add("quad_vec", lambda p: np.abs(quad_vec(lambda x: np.exp(1j * p * x), 0.0, p[1], epsabs=1e-12)[0]))
add("fixed_quad", lambda p: integrate.fixed_quad(lambda x, c: c * np.exp(-p[0] * x), 0.0, p[1], args=(p[1],), n=4)[0])
add("fixed_quad", lambda p: integrate.fixed_quad(lambda x: np.stack([p[0] * x, p[1] * x * x]), 0.0, 1.0)[0])
for swap in (False, True):
    add(
        "qmc_quad",
        lambda p, swap=swap: (
            integrate.qmc_quad(
                lambda x: p[0] * x[0] ** 2 * x[1],
                [p[1], 0.0] if swap else [0.0, 0.0],
                [0.0, 1.0] if swap else [p[1], 1.0],
                n_points=64,
                qrng=scipy.stats.qmc.Halton(2, rng=1)
                if hasattr(scipy.stats.qmc.Halton, "rng")
                else scipy.stats.qmc.Halton(2, seed=1),
            ).integral
        ),
        second=False,
    )

# -- samples -----------------------------------------------------------------------------------------------------------

Y = np.array([[0.3, 1.1, -0.4, 0.8, 2.0], [1.0, 0.2, 0.9, -1.3, 0.4]])
X = np.array([0.0, 0.4, 1.1, 1.5, 2.7])
for n in (2, 3, 4, 5):
    add("simpson", lambda y, x: simpson(y, x=x), Y[:, :n].copy(), X[:n].copy())
    add("simpson", lambda y, h: simpson(y, dx=h, axis=0), Y[:, :n].T.copy(), 0.3)
    add("trapezoid", lambda y, x: integrate.trapezoid(y, x), Y[0, :n].copy(), X[:n].copy())
    add("cumulative_simpson", lambda y, x: cumulative_simpson(y, x=x), Y[:, :n].copy(), X[:n].copy())
    add("cumulative_simpson", lambda y, h: cumulative_simpson(y, dx=h, initial=h), Y[:, :n].copy(), 0.3)
    add(
        "cumulative_trapezoid",
        lambda y, x: integrate.cumulative_trapezoid(y, x, initial=0),
        Y[:, :n].copy(),
        X[:n].copy(),
    )
add("simpson", lambda y: simpson(y, axis=1), Y[:, :1].copy())
add("simpson", lambda y: simpson(y, x=np.sort(Y.T, axis=0), axis=0), Y.T.copy())
add("simpson", lambda a, b: simpson([a, b, a * b], dx=0.5), 0.4, 1.2)
add("trapezoid", lambda y, h: integrate.trapezoid(y, dx=h, axis=0), Y, 0.3)
add("cumulative_trapezoid", lambda y, h: integrate.cumulative_trapezoid(y, dx=h), Y, 0.3)
add("cumulative_simpson", lambda y: cumulative_simpson(y, dx=np.array([[0.3], [0.6]])), Y)
add(
    "cumulative_simpson",
    lambda y, x: cumulative_simpson(y, x=np.cumsum(x * x + 0.2, axis=0), axis=0),
    Y.T.copy(),
    Y.T.copy(),
)
for n in (2, 3, 5):
    add("romb", lambda y, h: romb(y, dx=h), Y[:, :n].copy(), 0.3)
add("romb", lambda y: romb(y, axis=0), Y.T.copy())

# -- differential equations --------------------------------------------------------------------------------------------

TIGHT = {"rtol": 1e-10, "atol": 1e-12}


def predator(p: Any) -> Any:
    def right(_t: float, y: Any) -> Any:
        return [p[0] * y[0] - p[1] * y[0] * y[1], -y[1] + p[1] * y[0] * y[1]]

    return solve_ivp(right, (0, 1.5), [1.0, p[0]], t_eval=[0.0, 0.7, 1.5], **TIGHT).y


def falls(_t: float, y: Any) -> Any:
    return y[0]


falls.terminal = True  # type: ignore[attr-defined]
falls.direction = -1  # type: ignore[attr-defined]


def throw(p: Any) -> Any:
    return solve_ivp(lambda t, y: [y[1], -9.8 * p[0]], (0, 10), [p[1], 1.0], events=[falls], **TIGHT)


def pendulum(p: Any, **options: Any) -> Any:
    return solve_ivp(lambda t, y: [y[1], -3.0 * p[0] * np.sin(y[0])], (0, 0.5), [p[1], 1.0], **{**TIGHT, **options})


add("solve_ivp", predator, second=False)
add("solve_ivp", lambda p: throw(p).t_events[0], rtol=1e-5)
add("solve_ivp", lambda p: throw(p).y[:, -1], rtol=1e-5, second=False)
add("solve_ivp", lambda p: throw(p).y_events[0][0], rtol=1e-5, second=False)
add("solve_ivp", lambda p: throw(p).t[-1], rtol=1e-5, second=False)
add("solve_ivp", lambda p: pendulum(p, dense_output=True).sol(0.3 * p[0]), rtol=1e-5)
add("solve_ivp", lambda p: pendulum(p, dense_output=True).sol([0.1, 0.4]), second=False, rtol=1e-5)
add("solve_ivp", lambda a, b: solve_ivp(lambda t, y: t * y, (a, b), [a * b], **TIGHT).y[0, -1], 0.3, 1.4, rtol=1e-5)
add("solve_ivp", lambda a, b: solve_ivp(lambda t, y: -t * y, (b, a), [b], **TIGHT).y[0, -1], 0.3, 1.4, rtol=1e-5)
add(
    "solve_ivp",
    lambda t: solve_ivp(lambda s, y: s * y, (0, 2), [1.5], t_eval=[0.0, t, 1.9], **TIGHT).y[0],
    0.8,
    rtol=1e-4,
)
for method in ("RK23", "DOP853", "Radau", "BDF", "LSODA"):
    tolerance = {"rtol": 1e-8, "atol": 1e-10} if method == "RK23" else TIGHT
    add(
        "solve_ivp",
        lambda p, m=method, o=tolerance: pendulum(p, method=m, **o).y[:, -1],
        second=method == "DOP853",
        rtol=1e-4 if method in ("BDF", "LSODA") else 1e-5,
    )
add(
    "solve_ivp",
    lambda p: abs(solve_ivp(lambda t, y: (1j * p[0] - p[1]) * y, (0, 1), [1.0 + 1j], **TIGHT).y[0, -1]),
    second=False,
)
add(
    "solve_ivp",
    lambda p: solve_ivp(
        lambda t, y, a: -a * y**2, (0, 1), [1.0, 2.0], args=(p[0],), vectorized=True, jac=lambda t, y, a: np.diag(-2 * a * y),
        method="Radau", **TIGHT,
    ).y[:, -1],
    second=False,
    rtol=1e-5,
)  # fmt: skip
add(
    "odeint",
    lambda p: odeint(lambda y, t, a: [y[1], -a * y[0]], [p[1], 0.0], [0, 0.5, 1.0], args=(p[0],), **TIGHT),
    rtol=1e-5,
)
add(
    "odeint",
    lambda t, y: odeint(lambda s, z: [s * z[0]], [y], [0.1, t], tfirst=True, full_output=True, **TIGHT)[0],
    0.8,
    1.2,
    second=False,
    rtol=1e-5,
)


def bratu(p: Any) -> Any:
    start = np.zeros((2, 9))
    return solve_bvp(
        lambda x, y: np.vstack([y[1], -p[0] * np.exp(y[0])]),
        lambda a, b: np.array([a[0], b[0] - 0.1 * p[1]]),
        np.linspace(0, 1, 9),
        start,
        tol=1e-7,
    )


def eigenvalue(p: Any) -> Any:
    x = np.linspace(0, 1, 9)
    return solve_bvp(
        lambda x, y, k: np.vstack([y[1], -(k[0] ** 2) * p[0] * y[0]]),
        lambda a, b, k: np.array([a[0], b[0], a[1] - k[0] * p[1]]),
        x,
        np.vstack([np.sin(3 * x)] * 2),
        p=[3.0],
        tol=1e-7,
    )


add("solve_bvp", lambda p: bratu(p).sol(np.array([0.25, 0.5])), second=False, rtol=1e-4)
add("solve_bvp", lambda p: bratu(p).y[1, 0], second=False, rtol=1e-4)
add("solve_bvp", lambda p: eigenvalue(p).p[0], second=False, rtol=1e-4)


@pytest.mark.parametrize("case", T.cases, ids=lambda c: c.id)
def test_rule(case: Case) -> None:
    verify(case)


# -- what must not be lost ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "integrand",
    [
        lambda x, p: 1.0 if x < p[0] else 0.0,
        lambda x, p: p[1] if x < p[0] else 0.0,
        lambda x, p: p[1] * np.heaviside(x - p[0], 0.5),
        lambda x, p: p[1] * np.sign(x - p[0]),
        lambda x, p: p[1] * ((x - p[0]) % 1.0),
        lambda x, p: p[1] * int(x / p[0]),
        lambda x, p: np.where(x < p[0], p[1], 0.0),
        lambda x, p: p[1] * (3.0 if np.less(x, p[0]) else 1.0),
    ],
)
def test_a_jump_that_moves_is_refused(integrand: Any) -> None:
    for f in (
        lambda p: quad(lambda x: integrand(x, p), 0, 1)[0],
        lambda p: quad_vec(lambda x: integrand(x, p), 0, 1)[0],
    ):
        with pytest.raises(AutodiffError, match=r"jumps at 0\.7"):
            grad(f)(P)
        with pytest.raises(AutodiffError, match=r"jumps at 0\.7"):
            jvp(f, (P,), (P,))


def test_a_kink_and_a_guard_are_followed() -> None:
    assert grad(lambda c: quad(lambda x: abs(x - c), 0, 1)[0])(0.7) == pytest.approx(0.4, abs=1e-6)
    assert grad(lambda c: quad(lambda x: x * c if c > 0 else 0.0, 0, 1)[0])(0.7) == pytest.approx(0.5)


def test_an_indicator_in_the_plane_is_refused() -> None:
    with pytest.raises(AutodiffError, match="jumps"):
        grad(lambda r: dblquad(lambda y, x: 1.0 if x * x + y * y < r else 0.0, -1, 1, -1, 1, epsabs=0.5)[0])(0.7)


def test_a_right_hand_side_that_jumps_is_refused() -> None:
    for c in (lambda y, p: 1.0 if y < p else 3.0, lambda y, p: p if y < 0.5 * p else 3.0 * p):
        with pytest.raises(AutodiffError, match="ODE jumps at"):
            grad(lambda p, c=c: solve_ivp(lambda t, y: [c(y[0], p)], (0, 1), [0.2], rtol=1e-8).y[0, -1])(0.7)
    with pytest.raises(AutodiffError, match="ODE jumps at"):
        grad(lambda q: odeint(lambda y, t: [1.0 if y[0] < 0.5 else 3.0], [q], [0, 1])[-1, 0])(0.2)


def test_a_kept_value_is_refused() -> None:
    def kept_in_a_list(p: Any) -> Any:
        values: list[Any] = []
        quad(lambda x: values.append(p * x) or p * x, 0, 1)
        return values[-1] * p

    def kept_for_the_next_call(p: Any) -> Any:
        cache: dict[str, Any] = {}

        def f(x: float) -> Any:
            if "slope" not in cache:
                cache["slope"] = 2.0 * p
            return cache["slope"] * x

        return quad(f, 0, 1)[0]

    def written_and_used(p: Any) -> Any:
        w = np.zeros(2)

        def f(x: float) -> Any:
            w[0] = p * x
            return w[0] ** 2

        return quad(f, 0, 1)[0] + w[0]

    for f in (kept_in_a_list, kept_for_the_next_call, written_and_used):
        with pytest.raises(AutodiffError, match="callback"):
            grad(f)(0.7)


def test_work_arrays_of_a_callback_are_followed() -> None:
    def f(p: Any) -> Any:
        w = np.zeros(3)
        w[1] = p

        def g(x: float) -> Any:
            w[0] = p * x
            w[2] = w[0] * w[1]
            return w[0] * w[2]

        return quad(g, 0, 1)[0]

    assert grad(f)(0.7) == pytest.approx(3 * 0.7**2 / 3)
    assert jvp(f, (0.7,), (1.0,))[1] == pytest.approx(3 * 0.7**2 / 3)


def test_tplquad() -> None:
    """∫₀¹dx ∫₀ˣdy ∫₀ᵃdz a·x·z = a³/6."""

    def f(a: Any) -> Any:
        return integrate.tplquad(lambda z, y, x: a * x * z, 0, 1, 0, lambda x: x, 0, a)[0]

    assert jvp(f, (0.7,), (1.0,))[1] == pytest.approx(0.7**2 / 2, rel=1e-9)


def test_third_order() -> None:
    def f(a: Any) -> Any:
        return quad(lambda x: math.exp(a * x), 0, a)[0]

    third = grad(grad(grad(f)))(0.5)
    assert third == pytest.approx(float(difference(grad(grad(f)), (0.5,), (1.0,))[0]), rel=1e-8)


def test_the_integral_of_the_derivative_has_nodes_of_its_own() -> None:
    """At c = 0 the integrand is zero everywhere, its derivative a sharp peak that no fixed rule would see."""

    def f(c: Any) -> Any:
        return quad(lambda x: c * np.exp(-(((x - 0.3) / 1e-3) ** 2)), 0, 1, points=[0.3])[0]

    assert grad(f)(0.0) == pytest.approx(1e-3 * math.sqrt(math.pi), rel=1e-9)


def test_a_divergent_derivative_is_refused() -> None:
    with pytest.raises(AutodiffError, match="does not converge"):
        grad(lambda c: quad(lambda x: c / x, 0, 1)[0])(0.0)


def test_plain_calls_are_scipys_own() -> None:
    def f(x: Any) -> Any:
        assert type(quad(math.sin, 0, 1)[0]) is float
        assert type(solve_ivp(lambda t, y: -y, (0, 1), [1.0]).y) is np.ndarray
        return x * quad(math.sin, 0, 1)[0]

    assert grad(f)(2.0) == quad(math.sin, 0, 1)[0]


def test_exceptions_and_prints_of_a_callback_pass_through(capsys: pytest.CaptureFixture[str]) -> None:
    def f(x: float) -> Any:
        print("here")
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        grad(lambda p: quad(lambda x: p * f(x), 0, 1)[0])(0.5)
    assert "here" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("f", "message"),
    [
        (lambda p: quad(lambda x: p * x, 0, 1, weight="cos", wvar=p)[0], "wvar"),
        (lambda p: quad(lambda x: p * x, 0, p, weight="alg", wvar=(0, 0))[0], "alg"),
        (lambda p: scipy.integrate.tanhsinh(lambda x: p * x, 0, 1).integral, "tanhsinh"),
        (lambda p: scipy.integrate.nsum(lambda k: p / k**2, 1, np.inf).sum, "nsum"),
        (lambda p: scipy.integrate.cubature(lambda x: p * x[:, 0], [0, 0], [1, 1]).estimate, "cubature"),
        (lambda p: scipy.integrate.RK45(lambda t, y: p * y, 0, [1.0], 1.0).step(), "lose the derivative"),
        (lambda p: scipy.integrate.ode(lambda t, y: p * y).set_initial_value([1.0]).integrate(1.0)[0], "lose the deriv"),
        (lambda p: scipy.integrate.ode(lambda t, y: y).set_initial_value([p]).integrate(1.0)[0], "lose the derivative"),
        (lambda p: solve_bvp(lambda x, y: y, lambda a, b: a - p, [0, 1], [[1.0, 1.0]]).sol(p), "abscissa"),
        (lambda p: simpson([p, 1.0, 2.0], x=[0.0, 0.0, 1.0]), "equal abscissae"),
    ],
)  # fmt: skip
def test_refused_by_name(f: Any, message: str) -> None:
    with pytest.raises(AutodiffError, match=message):
        grad(f)(0.5)


def test_every_public_function_is_accounted_for() -> None:
    registry = importlib.import_module("gradcheck.autodiff.rules.scipy.registry")
    grad(lambda x: x * x)(1.0)
    functions = [n for n in scipy.integrate.__all__ if inspect.isfunction(getattr(scipy.integrate, n))]
    status = {n: registry.STATUS.get((scipy.integrate, n)) for n in functions}
    assert all(s is not None and s.startswith(("exact", "plain", "refused")) for s in status.values()), status


def test_hessian_and_jacobian_of_a_solution() -> None:
    """x' = −a x: x(1) = x0·exp(−a)."""

    def f(p: Any) -> Any:
        return solve_ivp(lambda t, y: -p[0] * y, (0, 1), [p[1]], **TIGHT).y[0, -1]

    e = math.exp(-0.7)
    np.testing.assert_allclose(jacobian(f)(P), [-1.3 * e, e], rtol=1e-7)
    np.testing.assert_allclose(hessian(f)(P), [[1.3 * e, -e], [-e, 0.0]], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    "f",
    [
        lambda a: scipy.integrate.quad(lambda x: abs(x - a), 0, 2)[0],
        lambda a: scipy.integrate.quad(lambda x: max(x - a, 0), 0, 2)[0],
        lambda a: scipy.integrate.quad(lambda x: np.clip(x, a, 1.8) ** 2, 0, 2)[0],
        lambda a: scipy.integrate.solve_ivp(lambda t, y: [abs(t - a)], (0, 2), [0.0], rtol=1e-9, atol=1e-10).y[0, -1],
    ],
)
def test_a_kink_that_moves_has_no_second_derivative_under_the_integral(f: Any) -> None:
    assert grad(f)(1.3) == pytest.approx((f(1.3 + 1e-4) - f(1.3 - 1e-4)) / 2e-4, rel=1e-3)
    with pytest.raises(AutodiffError, match=r"derivative of the .* jumps"):
        hessian(f)(1.3)


def test_a_kink_that_stays_has_one() -> None:
    def f(a: Any) -> Any:
        return scipy.integrate.quad(lambda x: abs(x - 0.5) * a**3, 0, 2)[0]

    assert hessian(f)(1.3) == pytest.approx(6 * 1.3 * f(1.0), rel=1e-6)
