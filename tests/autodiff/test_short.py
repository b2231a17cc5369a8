"""The short ways of the tape: what they must do as the general way does, case by case.

The rule tests run through them anyway; here are the places where a short way could differ: writes to what was saved,
number types, zeros and infinities, shapes of no elements or no dimensions, the careful sweep, second derivatives.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gradcheck.autodiff import elementwise_grad, grad, hessian, jacobian, value_and_grad, vjp

X = np.array([0.3, -1.2, 2.6, 0.8])
M = np.array([[0.5, -1.0, 2.0, 0.1], [1.5, 0.3, -0.7, 0.9], [-0.2, 1.1, 0.4, -1.3]])
NUMBERS = [3, 2.5, True, np.float64(1.5), np.float32(1.5), np.int64(2), np.longdouble(1.5)]


def differences(f: Callable[[Any], Any], x: Any) -> Any:
    """The gradient by central differences."""
    g = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        h = np.zeros_like(x)
        h[i] = 1e-6
        g[i] = (f(x + h) - f(x - h)) / 2e-6
    return g


OPERATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "x + c": lambda x, c: x + c,
    "c + x": lambda x, c: c + x,
    "x - c": lambda x, c: x - c,
    "c - x": lambda x, c: c - x,
    "x * c": lambda x, c: x * c,
    "c * x": lambda x, c: c * x,
    "x / c": lambda x, c: x / c,
    "c / x": lambda x, c: c / x,
    "(x * x) ** c": lambda x, c: (x * x) ** c,
    "c ** x": lambda x, c: c**x,
    "x % c": lambda x, c: x % c,
    "np.multiply(x, c)": np.multiply,
    "np.divide(c, x)": lambda x, c: np.divide(c, x),
    "np.hypot(x, c)": np.hypot,
}


@pytest.mark.parametrize("number", NUMBERS, ids=lambda c: type(c).__name__)
@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("part", [slice(None), slice(1, None), slice(None, None, -2)], ids=str)
def test_number_as_an_operand(name: str, number: Any, part: Any) -> None:
    def f(x: Any) -> Any:
        return np.sum(np.sin(OPERATIONS[name](x[part], number)))

    value, g = value_and_grad(f)(X)
    assert value == f(X)
    assert g.dtype == np.float64
    np.testing.assert_allclose(g, differences(f, X), rtol=1e-6, atol=1e-8)
    second = hessian(lambda x: np.sum(OPERATIONS[name](x[part], number) ** 2))(X)
    expected = jacobian(lambda x: grad(lambda z: np.sum(OPERATIONS[name](z[part], number) ** 2))(x))(X)
    np.testing.assert_allclose(second, expected)
    np.testing.assert_allclose(second, second.T, atol=1e-12)


@pytest.mark.parametrize("name", OPERATIONS)
def test_precision_stays(name: str) -> None:
    x = X.astype(np.float32)
    value, g = value_and_grad(lambda x: np.sum(OPERATIONS[name](x, 2.0)))(x)
    assert g.dtype == np.float32
    assert value.dtype == np.float32
    np.testing.assert_allclose(g, grad(lambda x: np.sum(OPERATIONS[name](x, 2.0)))(X), rtol=1e-5)


def test_division_by_zero_is_infinite() -> None:
    with np.errstate(all="ignore"):
        g = grad(lambda x: np.sum(x / 0.0))(X)
    assert np.all(np.isinf(g))


FORMS: dict[str, Callable[[Any], Any]] = {
    "np.sum": np.sum,
    "np.mean": np.mean,
    ".sum": lambda x: x.sum(),
    ".mean": lambda x: x.mean(),
    "np.sum positional": lambda x: np.sum(np.sum(x, 0)),
    "np.mean keyword": lambda x: np.mean(np.mean(x, axis=0)),
    ".sum keyword": lambda x: x.sum(axis=0).sum(),
    "np.dot": lambda x: np.sum(np.dot(M, x) ** 2),
    ".dot": lambda x: x.dot(M.T).dot(np.ones(3)),
    "@": lambda x: (M @ x) @ (M @ x),
    "matmul": lambda x: np.matmul(x, M.T).sum(),
    "vector @ vector": lambda x: x @ x,
    "vector @ itself, a view": lambda x: x[1:] @ x[:-1],
    "out": lambda x: np.dot(M, x, np.zeros(3)).sum(),
    "integers": lambda x: np.dot(np.arange(4), x) + np.dot(x, np.arange(4)),
    "number": lambda x: np.sum(np.dot(2.0, x) * np.dot(x, 3.0)),
}


@pytest.mark.parametrize("form", FORMS)
def test_sums_and_products(form: str) -> None:
    f = FORMS[form]
    value, g = value_and_grad(lambda x: f(x**2) * f(x))(X)
    assert value == f(X**2) * f(X)
    np.testing.assert_allclose(g, differences(lambda x: f(x**2) * f(x), X), rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(
        hessian(lambda x: f(x * x))(X), jacobian(grad(lambda x: f(x * x)))(X), rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize("shape", [(2, 3), (3,), (1, 1), (3, 1)], ids=str)
@pytest.mark.parametrize("other", [(3, 2), (3,), (1, 3), (1, 1)], ids=str)
def test_shapes_of_products(shape: tuple[int, ...], other: tuple[int, ...]) -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=shape), rng.normal(size=other)
    if shape[-1] != other[0]:
        with pytest.raises(ValueError, match=r"align|mismatch"):
            grad(lambda a: np.sum(np.dot(a, b)))(a)
        return
    w = rng.normal(size=np.dot(a, b).shape)
    ga, gb = grad(lambda a, b: np.sum(w * np.dot(a, b)), (0, 1))(a, b)
    np.testing.assert_allclose(ga, differences(lambda a: np.sum(w * np.dot(a, b)), a), rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(gb, differences(lambda b: np.sum(w * np.dot(a, b)), b), rtol=1e-6, atol=1e-8)
    np.testing.assert_array_equal(grad(lambda a: np.sum(w * np.dot(a, b)))(a), ga)
    np.testing.assert_array_equal(grad(lambda b: np.sum(w * np.matmul(a, b)))(b), gb)


def test_no_dimensions_and_no_elements() -> None:
    assert grad(lambda x: np.sum(2.0 * x**2))(np.array(3.0)) == 12.0
    assert grad(lambda x: np.mean(x) * 3.0)(np.array(3.0)) == 3.0
    assert grad(lambda x: np.sum(x * 2.0) + np.sum(x @ x))(np.zeros(0)).shape == (0,)


def written_after_use(use: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """What was read is overwritten before the sweep: through the array, and through a view."""

    def f(x: Any) -> Any:
        y = 1.0 * x
        z = use(y)
        y[0] = 100.0
        w = use(y[1:])
        v = y[1:]
        v *= 0.0
        return np.sum(np.sin(z)) + np.sum(np.cos(w)) + np.sum(y)

    return f


USES: dict[str, Callable[[Any], Any]] = {
    "number": lambda y: y**2,
    "reflected": lambda y: 2.0**y,
    "quotient": lambda y: 3.0 / y,
    "pair": lambda y: y * y,
    "constant": lambda y: y * X[-len(y) :],
    "unary": np.exp,
    "product": lambda y: y @ y,
    "matrix": lambda y: np.dot(M[:, -len(y) :], y),
    "sum": np.sum,
}


@pytest.mark.parametrize("use", USES)
def test_what_was_saved_may_be_written_to(use: str) -> None:
    f = written_after_use(USES[use])
    np.testing.assert_allclose(grad(f)(X), differences(f, X), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("size", [5, 5000], ids=["small", "large"])
def test_careful_sweep(size: int) -> None:
    """A branch that was not taken has an infinite partial: through all three kinds of elementwise records."""
    x = np.linspace(0.0, 2.0, size)

    def f(x: Any) -> Any:
        return np.sum(np.where(x > 0.0, 2.0 * (1.0 - np.sqrt(3.0 * x)) ** 2 * np.log(x + 0.0), -x))

    def plain(t: Any) -> Any:
        r = np.sqrt(3.0 * t)
        return -6.0 * (1.0 - r) / r * np.log(t) + 2.0 * (1.0 - r) ** 2 / t

    with np.errstate(all="ignore"):
        g = grad(f)(x)
    assert g[0] == -1.0
    np.testing.assert_allclose(g[1:], plain(x[1:]), rtol=1e-9)


def test_several_sweeps_over_one_tape() -> None:
    """A sweep leaves what was saved as it is, also where it uses memory again."""
    x = np.linspace(-1.0, 1.0, 6000)
    _, pullback = vjp(lambda x: 2.0 * (1.0 - x**2) ** 2 + x[::-1], x)
    ones = np.ones_like(x)
    first = pullback(ones)[0]
    np.testing.assert_array_equal(pullback(ones)[0], first)
    np.testing.assert_array_equal(ones, 1.0)
    np.testing.assert_allclose(first, -8.0 * x * (1.0 - x**2) + 1.0, atol=1e-12)
    np.testing.assert_allclose(elementwise_grad(lambda x: 2.0 * (1.0 - x**2) ** 2)(x), first - 1.0, atol=1e-12)


def test_floating_point_errors_are_the_callers_own() -> None:
    """The sweep switches warnings off for itself, and puts back what was there, also after an error."""
    with np.errstate(divide="raise", over="warn", invalid="call", under="ignore"):
        before = np.geterr()
        grad(lambda x: np.sum(np.sqrt(x)))(np.array([0.0, 1.0]))
        assert np.geterr() == before
    with np.errstate(all="raise"):
        assert grad(lambda x: np.sum(np.sqrt(x)))(np.array([0.0, 1.0]))[0] == np.inf
        with pytest.raises(FloatingPointError):
            np.float64(1.0) / np.float64(0.0)
