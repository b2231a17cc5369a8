"""However a function of SciPy's was bound: by a name, in a container, as an attribute or default, in a closure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy
import scipy.fft
import scipy.linalg
from scipy import integrate, signal, stats
from scipy.linalg import expm
from scipy.linalg import solve as solve_it

from gradcheck.autodiff import AutodiffError, grad, hessian, jvp

A = np.array([[2.0, 0.3], [0.1, 1.5]])
TABLE = {"solve": scipy.linalg.solve, "expm": scipy.linalg.expm}


class Model:
    solve = staticmethod(scipy.linalg.solve)

    def __init__(self) -> None:
        self.filter = signal.lfilter
        self.power = scipy.linalg.expm

    def value(self, a: Any) -> Any:
        return np.sum(self.solve(a, np.ones(2)) ** 2) + np.sum(self.power(a)[0])


def closed_over(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda a: np.sum(function(a) ** 2)


def by_default(a: Any, function: Any = scipy.linalg.expm) -> Any:
    return np.sum(function(a) ** 2)


CASES: dict[str, Callable[[Any], Any]] = {
    "a name": lambda a: np.sum(expm(a) ** 2),
    "another name": lambda a: np.sum(solve_it(a, np.ones(2)) ** 2),
    "the module": lambda a: np.sum(scipy.linalg.expm(a) ** 2),
    "a table": lambda a: np.sum(TABLE["expm"](a) ** 2) + np.sum(TABLE["solve"](a, np.ones(2)) ** 2),
    "getattr": lambda a: np.sum(getattr(scipy.linalg, "ex" + "pm")(a) ** 2),
    "attributes": Model().value,
    "a closure": closed_over(scipy.linalg.expm),
    "a default": by_default,
    "a list": lambda a: sum(np.sum(f(a)) for f in [scipy.linalg.expm, scipy.linalg.inv]),
    "map": lambda a: sum(map(np.sum, map(TABLE["expm"], [a, 2.0 * a]))),
    "uarray": lambda a: np.sum(np.abs(getattr(scipy.fft, "fft")(a[0])) ** 2 * np.arange(2.0)),  # noqa: B009
}


@pytest.mark.parametrize("name", CASES)
def test_every_binding_is_followed(name: str) -> None:
    f = CASES[name]
    v = np.array([[0.5, -1.0], [0.25, 0.75]])
    h = 1e-5
    expected = (f(A + h * v) - f(A - h * v)) / (2 * h)
    assert np.sum(grad(f)(A) * v) == pytest.approx(expected, rel=1e-7)
    assert jvp(f, (A,), (v,))[1] == pytest.approx(expected, rel=1e-7)
    second = hessian(f)(A)
    assert np.einsum("ijkl,ij,kl", second, v, v) == pytest.approx(
        (f(A + 1e-4 * v) - 2 * f(A) + f(A - 1e-4 * v)) / 1e-8, rel=1e-4
    )


N = stats.norm.cdf


def test_a_bound_method_under_a_name() -> None:
    for _ in range(2):
        assert grad(lambda x: np.sum(N(x)))(A) == pytest.approx(stats.norm.pdf(A))
    assert type(N(0.3)) is np.float64


def test_functions_are_their_own_again() -> None:
    code = scipy.linalg.expm.__code__
    for f in CASES.values():
        grad(f)(A)
    assert scipy.linalg.expm.__code__ is code
    assert TABLE["expm"] is scipy.linalg.expm is expm
    assert type(scipy.linalg.expm(A)) is np.ndarray


rule: Any = None


def by_a_name_that_moves(y: Any) -> Any:
    return rule(y, dx=0.5)


def test_a_name_that_is_bound_anew() -> None:
    global rule
    y = np.array([1.0, 2.0, 4.0, 3.0, 1.0])
    weights = {
        integrate.trapezoid: [0.25, 0.5, 0.5, 0.5, 0.25],
        integrate.simpson: np.array([1, 4, 2, 4, 1]) / 6,
        np.sum: None,
    }
    for _ in range(2):
        for function, expected in weights.items():
            rule = function if expected is not None else (lambda y, dx: np.sum(y) * dx)
            got = grad(by_a_name_that_moves)(y)
            assert got == pytest.approx(expected if expected is not None else np.full(5, 0.5))


def test_a_callback_of_plain_numbers_in_a_closure() -> None:
    def made() -> tuple[Callable[[Any], Any], ...]:
        from scipy.integrate import quad
        from scipy.optimize import brentq

        def helper(x: Any) -> Any:
            return quad(lambda t: -1.0 if t < x else 1.0, 0, 5)[0]

        return (
            lambda x: quad(lambda t: -1.0 if t < x else 1.0, 0, 5)[0],
            lambda x: brentq(lambda t: -1.0 if t < x else 1.0, 0, 5),
            lambda x: helper(x) * 2.0,
        )

    for f in made():
        with pytest.raises(AutodiffError, match=r"jumps|has no root"):
            grad(f)(1.3)
