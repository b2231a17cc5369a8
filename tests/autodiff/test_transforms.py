"""The transforms: results of all shapes, arguments of all kinds, errors, dtypes, complex numbers, and the points
where rules are hard."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gradcheck.autodiff import (
    AutodiffError,
    elementwise_grad,
    grad,
    hessian,
    hvp,
    jacobian,
    jvp,
    value_and_grad,
    value_and_jacobian,
    vjp,
)

X = np.array([0.3, -0.7, 1.1])


def numeric(f: Callable[[Any], Any], x: Any, step: float = 1e-3) -> Any:
    """The Jacobian of plain f by fourth-order differences, of shape f.shape + x.shape."""
    x = np.asarray(x, float)
    columns = []
    for i in np.ndindex(x.shape):
        e = np.zeros(x.shape)
        e[i] = step
        at = [np.asarray(f(x + k * e), float) for k in (-2, -1, 1, 2)]
        columns.append((at[0] - 8 * at[1] + 8 * at[2] - at[3]) / (12 * step))
    shape = np.shape(f(x))
    return np.stack(columns, -1).reshape(shape + x.shape) if columns else np.zeros(shape + x.shape)


# -- shapes -----------------------------------------------------------------------------------------------------------

SHAPES: list[tuple[int, ...]] = [(), (1,), (3,), (2, 2), (30,), (0,)]


@pytest.mark.parametrize(("inner", "outer"), list(itertools.product(SHAPES, SHAPES)), ids=str)
def test_jacobian_of_all_shapes(inner: tuple[int, ...], outer: tuple[int, ...]) -> None:
    """Tall (forward mode) and wide (reverse mode), numbers, matrices, empty arrays."""
    rng = np.random.default_rng(1)
    A = rng.normal(size=(math.prod(outer), math.prod(inner)))

    def f(x: Any) -> Any:
        return np.sin(A @ np.reshape(x, -1)).reshape(outer) if outer else np.sum(np.sin(A @ np.reshape(x, -1)))

    x: Any = rng.normal(size=inner)
    value, J = value_and_jacobian(f)(x)
    assert np.array_equal(value, f(x))
    assert np.shape(J) == outer + inner
    assert pytest.approx(numeric(f, x), abs=1e-10) == J
    if not inner:
        J = jacobian(f)(float(x))
        assert isinstance(J, np.ndarray if outer else float)
        assert pytest.approx(numeric(f, x), abs=1e-10) == J


@pytest.mark.parametrize("shape", [(), (1,), (3,), (2, 2), (0,)], ids=str)
def test_hessian_and_hvp_of_all_shapes(shape: tuple[int, ...]) -> None:
    def f(x: Any) -> Any:
        return np.sum(np.sin(x) * np.exp(0.5 * x)) ** 2 + np.sum(x) ** 3

    x: Any = np.random.default_rng(2).normal(size=shape)
    H = hessian(f)(x)
    assert np.shape(H) == shape + shape
    assert pytest.approx(numeric(grad(f), x), abs=1e-8) == H
    v = np.cos(np.arange(math.prod(shape))).reshape(shape)
    assert hvp(f)(x, v) == pytest.approx(np.tensordot(H, v, len(shape)), abs=1e-10)


def test_hessian_of_tall_and_wide_inner_functions() -> None:
    A = np.random.default_rng(3).normal(size=(20, 2))
    f = lambda x: np.sum(np.tanh(A @ x) ** 2)  # noqa: E731
    x = np.array([0.3, -0.2])
    assert hessian(f)(x) == pytest.approx(numeric(grad(f), x), abs=1e-8)
    J = lambda x: np.sum(jacobian(lambda x: np.tanh(A @ x))(x) ** 2)  # noqa: E731
    assert grad(J)(x) == pytest.approx(numeric(J, x), rel=1e-7)
    wide = lambda x: np.sum(jacobian(lambda x: np.tanh(A.T @ x))(x) ** 2)  # noqa: E731
    y = np.linspace(-0.2, 0.2, 20)
    assert grad(wide)(y) == pytest.approx(numeric(wide, y), rel=1e-6, abs=1e-7)


def test_third_and_fourth_derivatives() -> None:
    f = lambda x: np.exp(2.0 * x) * np.sin(x)  # noqa: E731
    third = grad(grad(grad(f)))
    assert third(0.3) == pytest.approx(math.exp(0.6) * (2 * math.sin(0.3) + 11 * math.cos(0.3)))
    assert jvp(third, (0.3,), (1.0,))[1] == pytest.approx(math.exp(0.6) * (-7 * math.sin(0.3) + 24 * math.cos(0.3)))
    assert grad(lambda x: x * grad(lambda y: x * y * y)(x))(3.0) == pytest.approx(3 * 2 * 9.0)


def test_no_confusion_of_perturbations() -> None:
    # Siskind & Pearlmutter, Confusion of perturbations, 2005.
    assert grad(lambda x: x * grad(lambda y: x + y)(1.0))(1.0) == 1.0
    assert jvp(lambda x: x * jvp(lambda y: x + y, (1.0,), (1.0,))[1], (1.0,), (1.0,))[1] == 1.0
    assert jvp(lambda x: x * grad(lambda y: x * y)(2.0), (3.0,), (1.0,))[1] == 6.0
    assert grad(lambda x: jvp(lambda y: np.sum(x * y), (x,), (np.ones(3),))[1])(X) == pytest.approx(np.ones(3))


# -- arguments -------------------------------------------------------------------------------------------------------


def test_argnum() -> None:
    f = lambda a, b, c: a * b**2 * np.sum(c)  # noqa: E731
    args = (2.0, 3.0, np.array([1.0, 4.0]))
    assert grad(f)(*args) == 45.0
    assert grad(f, 1)(*args) == 60.0
    assert grad(f, -1)(*args) == pytest.approx([18.0, 18.0])
    both = grad(f, (0, 2))(*args)
    assert isinstance(both, tuple)
    assert both[0] == 45.0
    assert np.array_equal(both[1], [18.0, 18.0])
    assert grad(f, [2, 0])(*args)[1] == 45.0
    value, gradients = value_and_grad(f, (-2, 0))(*args)
    assert (value, gradients) == (90.0, (60.0, 45.0))
    assert jacobian(lambda a, b: a * b, 1)(2.0, X) == pytest.approx(2.0 * np.eye(3))
    assert hessian(lambda a, b: np.sum(a * b**3), 1)(2.0, X) == pytest.approx(np.diag(12.0 * X))
    assert hvp(lambda a, b: np.sum(a * b**3), 1)(2.0, X, np.ones(3)) == pytest.approx(12.0 * X)
    assert elementwise_grad(np.multiply, 1)(2.0, X) == pytest.approx([2.0, 2.0, 2.0])


def test_the_same_array_in_two_places() -> None:
    assert grad(lambda a, b: np.sum(a * b), (0, 1))(X, X)[0] == pytest.approx(X)
    assert grad(lambda a, b: np.sum(a * b * b))(X, X) == pytest.approx(X * X)
    assert grad(lambda x: np.sum(x * x * x))(X) == pytest.approx(3 * X * X)


def test_keyword_arguments() -> None:
    f = lambda x, *, power=2, weights=None: np.sum((x if weights is None else x * weights) ** power)  # noqa: E731
    assert grad(f)(X, power=3) == pytest.approx(3 * X**2)
    assert grad(f)(X, weights=np.array([1.0, 2.0, 3.0])) == pytest.approx(2 * X * np.array([1.0, 4.0, 9.0]))


def test_the_argument_is_not_changed() -> None:
    x = X.copy()

    def f(x: Any) -> Any:
        x *= 2.0
        return np.sum(x**2)

    assert grad(f)(x) == pytest.approx(8 * X)
    assert jvp(f, (x,), (np.ones(3),))[1] == pytest.approx(8 * X.sum())
    assert np.array_equal(x, X)


def test_the_result_is_memory_of_its_own() -> None:
    g = grad(lambda x: np.sum(x * 2.0))
    a, b = g(X), g(X)
    a[0] = 99.0
    assert b[0] == 2.0
    identity = grad(lambda a, b: np.sum(a + b), (0, 1))(X, X)
    identity[0][0] = 99.0
    assert identity[1][0] == 1.0
    value, pullback = vjp(lambda x: x, X)
    value[0] = 7.0
    seed = np.ones(3)
    pulled = pullback(seed)[0]
    pulled[0] = 5.0
    assert seed[0] == 1.0
    assert X[0] == 0.3
    assert pullback(seed)[0][0] == 1.0


# -- results -----------------------------------------------------------------------------------------------------------


def test_constant_functions_have_zero_derivatives() -> None:
    assert np.array_equal(grad(lambda x: 3.0)(X), np.zeros(3))
    assert grad(lambda x: 3)(2.0) == 0.0
    assert np.array_equal(grad(lambda x: np.float64(1.0))(X), np.zeros(3))
    assert np.array_equal(jacobian(lambda x: np.ones(2))(X), np.zeros((2, 3)))
    assert np.array_equal(jacobian(lambda x: np.ones(40))(X), np.zeros((40, 3)))
    assert np.array_equal(hessian(lambda x: np.sum(x))(X), np.zeros((3, 3)))
    assert np.array_equal(hessian(lambda x: 1.0)(X), np.zeros((3, 3)))
    assert np.array_equal(hvp(lambda x: np.sum(x))(X, X), np.zeros(3))
    assert jvp(lambda x: 5.0, (2.0,), (1.0,)) == (5.0, 0.0)
    assert np.array_equal(grad(lambda x: np.sum(np.floor(x)) + len(x))(X), np.zeros(3))
    assert np.array_equal(grad(lambda x: np.sum(np.zeros(3)))(X), np.zeros(3))
    assert np.array_equal(vjp(lambda x: np.ones(2), X)[1](np.ones(2))[0], np.zeros(3))
    assert grad(lambda a, b: a, (0, 1))(2.0, X)[1] == pytest.approx(np.zeros(3))


def test_the_input_itself_and_its_views() -> None:
    assert grad(lambda x: x)(2.0) == 1.0
    assert np.array_equal(jacobian(lambda x: x)(X), np.eye(3))
    assert np.array_equal(jacobian(lambda x: x[::-1])(X), np.eye(3)[::-1])
    M = np.arange(6.0).reshape(2, 3)
    assert np.array_equal(
        jacobian(lambda x: x.T)(M).reshape(6, 6), np.eye(6).reshape(2, 3, 6).transpose(1, 0, 2).reshape(6, 6)
    )
    assert np.array_equal(grad(lambda x: x[1])(X), [0.0, 1.0, 0.0])
    assert np.array_equal(grad(lambda x: x[1:2])(X), [0.0, 1.0, 0.0])
    assert np.array_equal(jvp(lambda x: x[1:], (X,), (2 * X,))[1], 2 * X[1:])
    assert np.array_equal(jvp(lambda x: x, (X,), (2 * X,))[1], 2 * X)
    assert np.array_equal(vjp(lambda x: x[1:], X)[1](np.ones(2))[0], [0.0, 1.0, 1.0])
    assert np.array_equal(jacobian(lambda x: np.broadcast_to(x[0], (20,)))(X), np.eye(3)[[0] * 20])


def test_results_of_size_one() -> None:
    for f in (
        lambda x: np.sum(x * x, keepdims=True),
        lambda x: np.array(np.sum(x * x)),
        lambda x: np.array([[np.sum(x * x)]]),
    ):
        value, g = value_and_grad(f)(X)
        assert np.shape(value) == np.shape(f(X))
        assert g == pytest.approx(2 * X)


def test_results_in_containers() -> None:
    def f(x: Any) -> Any:
        return {"a": x * 2.0, "b": (np.sum(x), [3.0])}

    value, tangent = jvp(f, (X,), (np.ones(3),))
    assert value["b"][0] == X.sum()
    assert np.array_equal(tangent["a"], [2.0, 2.0, 2.0])
    assert tangent["b"] == (3.0, [0.0])
    value, pullback = vjp(f, X)
    assert pullback({"a": np.ones(3), "b": (10.0, [1.0])})[0] == pytest.approx([12.0, 12.0, 12.0])
    with pytest.raises(AutodiffError, match=r"keys \[.a.\], not"):
        pullback({"a": np.ones(3)})


def test_vjp_many_times() -> None:
    _, pullback = vjp(lambda a, b: np.sin(a) * b, X, 2.0)
    for seed in np.eye(3):
        a, b = pullback(seed)
        assert a == pytest.approx(2.0 * np.cos(X) * seed)
        assert b == pytest.approx(np.sin(X) @ seed)


def test_names_of_the_wrappers() -> None:
    def energy(x: Any) -> Any:
        return x

    assert grad(energy).__name__ == "grad_of_energy"
    assert hessian(energy).__name__ == "hessian_of_energy"


# -- errors ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: grad(lambda x: x)(X), r"returned an array of shape \(3,\)"),
        (lambda: grad(lambda x: None)(X), "returned None"),
        (lambda: grad(lambda x: "text")(X), "returned a str"),
        (lambda: grad(lambda x: (x[0], x[1]))(X), "returned a tuple"),
        (lambda: grad(lambda x: x[0] > 0)(X), "returned a bool"),
        (lambda: jacobian(lambda x: {1})(X), "returned a set"),
        (lambda: jacobian(lambda x: None)(X), "returned None"),
        (lambda: grad(lambda x: x * 1j)(1.0), "complex"),
        (lambda: grad(lambda x: x)("text"), "with respect to a str"),
        (lambda: grad(lambda x: x)(None), "with respect to a NoneType"),
        (lambda: grad(lambda x: x)(True), "with respect to a bool"),
        (lambda: grad(lambda x: np.sum(x))(np.array(["a"])), "dtype <U1"),
        (lambda: grad(lambda x: np.sum(x))(np.array([True])), "dtype bool"),
        (lambda: grad(lambda x: np.sum(x))(np.array([1.0, None])), "dtype object"),
        (lambda: grad(lambda x: x, 1)(2.0), "argnum 1 is out of range"),
        (lambda: grad(lambda x: x, -2)(2.0), "argnum -2 is out of range"),
        (lambda: grad(lambda: 1.0)(), "argnum 0 is out of range"),
        (lambda: jvp(lambda x: x, (X,), (np.ones(2),)), "tangent 0"),
        (lambda: jvp(lambda x: x, (X,), ()), "1 argument"),
        (lambda: vjp(lambda x: x, X)[1](np.ones(2)), "cotangent has shape"),
    ],
)
def test_errors(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(AutodiffError, match=message):
        call()


def test_hvp_of_wrong_shape() -> None:
    with pytest.raises(AutodiffError, match="shape"):
        hvp(lambda x: np.sum(x**2))(X, np.ones(2))


def test_argument_errors_are_pythons() -> None:
    with pytest.raises(TypeError, match="positional argument"):
        grad(lambda a, b: a)(1.0)


# -- dtypes -----------------------------------------------------------------------------------------------------------


def test_float32_stays_float32() -> None:
    x = X.astype(np.float32)
    f = lambda x: np.sum(np.sin(x) * 2.0 + x**2 / 3 - 1)  # noqa: E731
    value, g = value_and_grad(f)(x)
    assert value.dtype == g.dtype == np.float32
    assert jacobian(lambda x: np.exp(x) * 2)(x).dtype == np.float32
    assert jacobian(lambda x: np.outer(x, np.ones(20, np.float32)).ravel())(x).dtype == np.float32
    assert hessian(f)(x).dtype == np.float32
    assert hvp(f)(x, x).dtype == np.float32
    value, tangent = jvp(f, (x,), (np.ones(3),))
    assert value.dtype == np.float32
    assert np.result_type(tangent) == np.float32
    assert type(grad(lambda s: s * s)(np.float32(2.0))) is np.float32
    seen = []
    grad(lambda x: seen.append((x.dtype, (x * 2).dtype, np.zeros_like(x).dtype, np.mean(x).dtype)) or np.sum(x))(x)
    assert set(seen[0]) == {np.dtype(np.float32)}


def test_integers_are_promoted() -> None:
    assert grad(lambda x: x**2)(3) == 6.0
    assert isinstance(grad(lambda x: x**2)(3), float)
    g = grad(lambda x: np.sum(x**3))(np.array([1, 2]))
    assert g.dtype == np.float64
    assert np.array_equal(g, [3.0, 12.0])
    assert np.array_equal(jacobian(lambda x: np.array([x[0] * x[1], 1]))(np.array([2, 3])), [[3.0, 2.0], [0.0, 0.0]])
    assert np.array_equal(hessian(lambda x: np.sum(x**3))(np.array([1, 2])), [[6.0, 0.0], [0.0, 12.0]])
    assert jvp(lambda x: x * x, (3,), (1,))[1] == 6.0
    assert grad(lambda x: np.sum(x))(np.int64(3)) == 1.0


def test_integers_as_other_arguments() -> None:
    assert grad(lambda x, n: np.sum(x**n) * n)(X, 3) == pytest.approx(9 * X**2)
    assert grad(lambda x, i: np.sum(x[i]))(X, np.array([0, 0, 2])) == pytest.approx([2.0, 0.0, 1.0])
    assert grad(lambda x, n: sum(x[k] for k in range(n)))(X, 2) == pytest.approx([1.0, 1.0, 0.0])


def test_python_types_of_results() -> None:
    assert type(grad(lambda x: x * x)(2.0)) is float
    assert type(grad(lambda x: x * x)(np.float64(2.0))) is np.float64
    assert isinstance(grad(lambda x: x * x)(np.array(2.0)), np.ndarray)
    assert type(value_and_grad(lambda x: x * x)(2.0)[0]) is float


# -- complex numbers -------------------------------------------------------------------------------------------------


def test_complex_convention() -> None:
    """∂f/∂x − i ∂f/∂y for real f; f′(z) for holomorphic f, as autograd has it."""
    z = 0.4 + 0.9j
    assert grad(lambda z: np.abs(z) ** 2)(z) == pytest.approx(2 * np.conjugate(z))
    assert grad(np.real)(z) == 1.0
    assert grad(np.imag)(z) == -1j
    assert grad(lambda z: np.real(z**2))(z) == pytest.approx(2 * z)
    assert elementwise_grad(lambda z: np.exp(z) * z)(np.array([z])) == pytest.approx([np.exp(z) * (z + 1)])
    assert jacobian(lambda z: z**3)(z) == pytest.approx(3 * z**2)
    assert jvp(lambda z: z**2, (z,), (1j,))[1] == pytest.approx(2j * z)
    assert jvp(np.conjugate, (z,), (1j,))[1] == -1j


def test_real_argument_of_complex_intermediate_has_real_gradient() -> None:
    def f(x: Any) -> Any:
        z = np.exp(1j * x) * (1 + x)
        return np.sum(np.abs(z) ** 2) + np.sum(np.real(z)) + np.sum(np.imag(z) ** 2)

    g = grad(f)(X)
    assert g.dtype == np.float64
    assert g == pytest.approx(numeric(f, X), abs=1e-9)
    assert jvp(f, (X,), (np.ones(3),))[1] == pytest.approx(g.sum())
    assert hessian(f)(X) == pytest.approx(numeric(grad(f), X), abs=1e-8)


# -- hard points -----------------------------------------------------------------------------------------------------


def test_zero_times_infinity_on_the_branch_not_taken() -> None:
    root = lambda x: np.sum(np.where(x > 0, np.sqrt(np.where(x > 0, x, 0.0)), 0.0))  # noqa: E731
    direct = lambda x: np.sum(np.where(x > 0, np.sqrt(x), 0.0))  # noqa: E731
    quotient = lambda x: np.sum(np.where(x != 0, np.sin(x) / x, 1.0))  # noqa: E731
    x = np.array([4.0, 0.0, 9.0])
    with np.errstate(all="ignore"):
        for f in (root, direct):
            assert np.array_equal(grad(f)(x), [0.25, 0.0, 1 / 6])
            assert grad(f)(np.array([4.0, -1.0])) == pytest.approx([0.25, 0.0])
            assert jvp(f, (x,), (np.ones(3),))[1] == pytest.approx(0.25 + 1 / 6)
        assert grad(quotient)(np.array([0.0, 1.0])) == pytest.approx([0.0, math.cos(1.0) - math.sin(1.0)])
        assert grad(lambda x: np.where(x > 0, np.log(x), x))(0.0) == 1.0
        assert grad(lambda x: np.where(x > 0, x**0.5, x))(0.0) == 1.0


def test_a_true_infinity_stays() -> None:
    with np.errstate(all="ignore"):
        assert grad(np.sqrt)(np.float64(0.0)) == np.inf
        assert grad(lambda x: np.sum(np.sqrt(x)))(np.array([0.0, 1.0]))[0] == np.inf
        assert np.isnan(grad(lambda x: np.sum(np.log(x)))(np.array([np.nan])))[0]


def test_norm_at_zero() -> None:
    zero = np.zeros(3)
    assert np.array_equal(grad(np.linalg.norm)(zero), zero)
    assert np.array_equal(grad(lambda x: np.linalg.norm(x - x))(X), zero)
    assert jvp(np.linalg.norm, (zero,), (X,))[1] == 0.0
    M = np.array([[0.0, 0.0], [3.0, 4.0]])
    assert np.array_equal(grad(lambda x: np.sum(np.linalg.norm(x, axis=1)))(M), [[0.0, 0.0], [0.6, 0.8]])
    assert np.array_equal(grad(lambda x: np.hypot(x[0], x[1]))(np.zeros(2)), [0.0, 0.0])
    assert grad(np.abs)(0.0) == 0.0
    assert np.array_equal(grad(lambda x: np.linalg.norm(x, 1))(zero), zero)


def test_product_with_zeros() -> None:
    for x, expected in (([0.0, 2.0, 3.0], [6.0, 0.0, 0.0]), ([0.0, 0.0, 3.0], [0.0, 0.0, 0.0]), ([0.0], [1.0])):
        assert np.array_equal(grad(np.prod)(np.array(x)), expected)
    assert hessian(np.prod)(np.array([0.0, 0.0, 3.0])) == pytest.approx(np.array([[0, 3.0, 0], [3.0, 0, 0], [0, 0, 0]]))
    assert grad(lambda x: np.sum(np.cumprod(x)))(np.array([2.0, 0.0, 5.0])) == pytest.approx([1.0, 12.0, 0.0])


def test_powers_at_zero() -> None:
    with np.errstate(all="ignore"):
        assert grad(lambda x: x**2)(0.0) == 0.0
        assert grad(lambda x: x**1)(0.0) == 1.0
        assert grad(lambda x: x**0)(0.0) == 0.0
        assert grad(lambda x: np.sum(x**3))(np.zeros(2)) == pytest.approx([0.0, 0.0])
        assert grad(lambda x: np.sum(x ** np.array([0.0, 1.0, 2.0])))(np.zeros(3)) == pytest.approx([0.0, 1.0, 0.0])
        assert hessian(lambda x: np.sum(x**2))(np.zeros(2)) == pytest.approx(2 * np.eye(2))
        assert hessian(lambda x: np.sum(x**3))(np.zeros(2)) == pytest.approx(np.zeros((2, 2)))
        assert grad(lambda n: 0.0**n)(2.0) == 0.0
        assert grad(lambda x: x**-1.0)(1e-200) == -np.inf
        assert grad(lambda x: (-2.0) ** 2 * x + x**2.0)(-2.0) == 0.0


def test_ties_share_evenly() -> None:
    assert np.array_equal(grad(np.max)(np.array([1.0, 3.0, 3.0])), [0.0, 0.5, 0.5])
    assert grad(np.min)(np.array([2.0, 2.0, 2.0, 5.0])) == pytest.approx([1 / 3, 1 / 3, 1 / 3, 0.0])
    assert grad(np.maximum, (0, 1))(2.0, 2.0) == (0.5, 0.5)
    assert grad(lambda x: np.clip(x, 0.0, 1.0))(0.0) == 0.5
    assert grad(lambda x: np.max(np.array([x, -x])))(0.0) == 0.0
    assert jvp(np.max, (np.array([1.0, 1.0]),), (np.array([1.0, 3.0]),))[1] == 2.0


def test_sinc_near_zero() -> None:
    # The slope of sinc is −π²x/3 + π⁴x³/30 − ...
    for x in (0.0, 1e-12, 1e-4, 9e-4, 1.1e-3, 0.01):
        expected = -(math.pi**2) * x / 3 + math.pi**4 * x**3 / 30 - math.pi**6 * x**5 / 840
        assert grad(np.sinc)(x) == pytest.approx(expected, rel=1e-8, abs=1e-14)
    assert grad(grad(np.sinc))(0.0) == pytest.approx(-(math.pi**2) / 3)


def test_logaddexp_at_the_ends() -> None:
    with np.errstate(all="ignore"):
        assert grad(np.logaddexp, (0, 1))(1000.0, 0.0) == (1.0, 0.0)
        assert grad(np.logaddexp, (0, 1))(-np.inf, 0.0) == (0.0, 1.0)
        assert grad(np.logaddexp, (0, 1))(-np.inf, -np.inf) == (0.5, 0.5)
        assert grad(np.logaddexp2, (0, 1))(-np.inf, 0.0) == (0.0, 1.0)
        assert grad(np.logaddexp2, (0, 1))(-np.inf, -np.inf) == (0.5, 0.5)


def test_remainder_counts_as_numpy_does() -> None:
    # 1.0/0.1 rounds to 10, but 0.1 goes into 1.0 nine times.
    assert grad(lambda b: 1.0 % b)(0.1) == -9.0
    assert grad(lambda b: np.remainder(1.0, b))(0.1) == -9.0
    assert grad(lambda b: math.fmod(1.0, b))(0.1) == -9.0
    assert grad(lambda b: -7.5 % b)(2.0) == 4.0
    assert grad(lambda b: np.fmod(-7.5, b))(2.0) == 3.0


def test_large_and_small_arguments() -> None:
    for s in (1e-200, 1e200):
        assert np.asarray(grad(np.arctan2, (0, 1))(s, s)) * s == pytest.approx([0.5, -0.5])
    near = 1.0 - 2.0**-40
    assert grad(np.arctanh)(near) == pytest.approx(2.0**40 / (2.0 - 2.0**-40), rel=1e-15)
    assert grad(np.arcsin)(near) == pytest.approx(2.0**20 / math.sqrt(2.0 - 2.0**-40), rel=1e-15)


def test_spread_of_equal_numbers() -> None:
    same = np.full(3, 2.0)
    assert np.array_equal(grad(np.std)(same), np.zeros(3))
    assert np.array_equal(grad(np.var)(same), np.zeros(3))
    assert hessian(np.var)(same) == pytest.approx((np.eye(3) - 1 / 3) * 2 / 3)
    assert jvp(np.std, (same,), (np.array([1.0, 0.0, 0.0]),))[1] == 0.0


def test_repeated_eigenvalues() -> None:
    A = np.diag([1.0, 1.0, 3.0])
    # A symmetric function of the eigenvalues is smooth there.
    assert grad(lambda a: np.sum(np.linalg.eigvalsh(a) ** 2))(A) == pytest.approx(2 * A)
    f = lambda a: np.sum((lambda e: (e[1] * np.exp(e[0])) @ e[1].T)(np.linalg.eigh(a)) * A)  # noqa: E731
    assert np.all(np.isfinite(grad(f)(A)))
    # The vectors of equal singular values are not determined: nan, and not a number that happens to be finite.
    assert np.isnan(grad(lambda a: np.sum(np.linalg.svd(a)[0]))(A)).any()
    assert grad(lambda a: np.sum(np.linalg.svd(a, compute_uv=False)))(A) == pytest.approx(np.eye(3))
    assert grad(lambda a: np.linalg.norm(a, "nuc"))(A) == pytest.approx(np.eye(3))
    assert np.array_equal(grad(lambda a: np.linalg.norm(a, 2))(A), np.diag([0.0, 0.0, 1.0]))


def test_determinant_of_singular_matrices() -> None:
    rank1 = np.array([[1.0, 2.0], [2.0, 4.0]])
    assert grad(np.linalg.det)(rank1) == pytest.approx(np.array([[4.0, -2.0], [-2.0, 1.0]]))
    assert np.array_equal(grad(np.linalg.det)(np.zeros((3, 3))), np.zeros((3, 3)))
    assert grad(np.linalg.det)(np.diag([0.0, 2.0, 3.0])) == pytest.approx(np.diag([6.0, 0.0, 0.0]))
    seven = np.diag([0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    assert grad(np.linalg.det)(seven)[0, 0] == pytest.approx(720.0)


def test_numpy_errors_pass() -> None:
    with pytest.raises(np.linalg.LinAlgError, match="Singular"):
        grad(lambda a: np.sum(np.linalg.inv(a)))(np.zeros((2, 2)))
    with pytest.raises(ValueError, match="operands could not be broadcast"):
        grad(lambda x: np.sum(x + np.ones(4)))(X)
    with pytest.raises(TypeError):
        grad(lambda x: np.sum(x, nonsense=3))(X)


def test_warnings_are_those_of_plain_numpy() -> None:
    """The derivative's own arithmetic warns of nothing; filterwarnings turns a warning into an error here."""
    grad(lambda x: np.sum(np.abs(x) ** 1.5))(np.array([0.0, 1.0]))
    grad(lambda x: np.sum(np.sqrt(x)))(np.array([0.0, 1.0]))
    grad(lambda x, n: x**n, (0, 1))(-2.0, 2.0)
    jvp(lambda x: np.sum(np.sqrt(x)), (np.array([0.0, 1.0]),), (np.ones(2),))
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        grad(lambda x: np.sum(np.log(x)))(np.array([0.0, 1.0]))
