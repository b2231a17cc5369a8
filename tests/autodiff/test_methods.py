"""Methods of ufuncs: reduce, accumulate, reduceat, outer and at, of every ufunc with two operands and a derivative."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gradcheck.autodiff import AutodiffError, grad, jacobian
from gradcheck.autodiff.core import UFUNCS, Elementwise

from .checking import Case, Table, assert_close, difference, verify

# No two numbers whose quotient is near a whole number, none that are equal, none near the branch cut of arctan2.
A = np.array([[1.313, 0.723, 2.131, 0.927], [0.619, 1.759, 0.3571, 1.137], [0.851, 1.933, 1.459, 0.571]])
BINARY = [
    u
    for u, rule in UFUNCS.items()
    if type(rule) is Elementwise and isinstance(u, np.ufunc) and u.nin == 2 and u is not np.ldexp
    and getattr(np, u.__name__, None) is u
]  # fmt: skip
# NumPy's own reduce of these leaves the recursion that it documents: a bug of its vectorised loops, see test below.
BROKEN = {np.power, np.arctan2}
PLACES = np.array([0, 2, 1, 1, 2, 1])


def at(ufunc: Any, start: Callable[[Any], Any], *rest: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """``ufunc.at`` as a function of x: the array it leaves behind."""

    def f(x: Any) -> Any:
        y = start(x)
        ufunc.at(y, *(r(x) for r in rest))
        return y

    return f


def into(function: Callable[..., Any], shape: tuple[int, ...]) -> Callable[[Any], Any]:
    def f(x: Any) -> Any:
        y = np.ones(shape)
        z = function(x, y)
        return y * z

    return f


def cases() -> list[Case]:
    table = Table()
    for ufunc in BINARY:
        options: dict[str, Any] = {
            "single": False,
            "second": ufunc in (np.subtract, np.hypot, np.logaddexp, np.maximum),
        }
        if ufunc not in BROKEN:
            for keywords in ({}, {"axis": 1}, {"axis": -1, "keepdims": True}, {"axis": 1, "initial": 1.7173},
                             {"axis": 1, "initial": 1.7173, "where": A > 0.6}, {"dtype": np.longdouble}):  # fmt: skip
                table.add((ufunc, "reduce"), lambda x, u=ufunc, k=keywords: u.reduce(x, **k), A, **options)
            if ufunc in (np.maximum, np.minimum, np.fmax, np.fmin, np.add, np.multiply, np.logaddexp, np.hypot):
                for axis in (None, (0, 1), (-1,)):
                    table.add((ufunc, "reduce"), lambda x, u=ufunc, a=axis: u.reduce(x, axis=a), A, **options)
            table.add((ufunc, "reduce"), lambda x, u=ufunc: u.reduce(x, axis=0, initial=x[1, 1] * 1.1), A, **options)
            table.add((ufunc, "reduceat"), lambda x, u=ufunc: u.reduceat(x, [0, 2, 1], axis=1), A, **options)
            table.add((ufunc, "reduceat"), lambda x, u=ufunc: u.reduceat(x, [1, 0]), A, **options)
            table.add((ufunc, "reduce"), into(lambda x, y, u=ufunc: u.reduce(x, axis=1, out=y), (3,)), A, **options)
        table.add((ufunc, "accumulate"), lambda x, u=ufunc: u.accumulate(x), A, **options)
        table.add((ufunc, "accumulate"), lambda x, u=ufunc: u.accumulate(x.T[::-1], axis=1), A, **options)
        table.add((ufunc, "accumulate"), into(lambda x, y, u=ufunc: u.accumulate(x, out=y), (3, 4)), A, **options)
        table.add((ufunc, "outer"), lambda x, u=ufunc: u.outer(x[0], x[1:]), A, **options)
        table.add((ufunc, "outer"), lambda x, u=ufunc: u.outer([1.2071, 0.4337], x[1], dtype=float), A, **options)
        table.add(
            (ufunc, "at"), at(ufunc, np.copy, lambda x: PLACES, lambda x: x[:, :1].repeat(2)[:, None]), A, **options
        )
        table.add(
            (ufunc, "at"), at(ufunc, np.copy, lambda x: (PLACES, [0, 1, 2, 2, 3, 2]), lambda x: x[1, 2]), A, **options
        )
        table.add((ufunc, "at"), at(ufunc, lambda x: np.ones(3), lambda x: [0, 0, 2], lambda x: x[0, :3]), A, **options)
        table.add((ufunc, "at"), at(ufunc, lambda x: x[0] * 1.0, lambda x: slice(1, 3), lambda x: 1.5), A, **options)
    for ufunc in (np.negative, np.exp, np.sin, np.absolute, np.square, np.conjugate):
        table.add((ufunc, "at"), at(ufunc, np.copy, lambda x: [0, 1, 1]), A, single=False)
    return table.cases


@pytest.mark.parametrize("case", cases(), ids=lambda c: c.id)
def test_method(case: Case) -> None:
    verify(case)


def test_every_binary_ufunc_is_here() -> None:
    assert {np.add, np.divide, np.fmax, np.logaddexp2, np.remainder, np.float_power, np.copysign} <= set(BINARY)
    assert len(BINARY) >= 20


@pytest.mark.parametrize("shape", [(0,), (1,), (3, 0), (0, 2), (1, 1, 4)])
@pytest.mark.parametrize("ufunc", [np.hypot, np.add, np.multiply, np.logaddexp], ids=lambda u: u.__name__)
def test_shapes(ufunc: Any, shape: tuple[int, ...]) -> None:
    x = np.linspace(0.7, 1.9, int(np.prod(shape))).reshape(shape)
    for f in (
        ufunc.reduce,
        ufunc.accumulate,
        lambda x: ufunc.outer(x, x),
        lambda x: ufunc.reduceat(x, [0] * bool(x.size)),
    ):
        if f not in (ufunc.reduce, ufunc.accumulate) and not x.size:
            continue
        y = f(x)
        direction = np.ones(shape)
        J = jacobian(f)(x)
        assert J.shape == y.shape + shape
        if y.size and x.size:
            assert_close(
                J.reshape(y.size, x.size) @ direction.ravel(), difference(f, (x,), (direction,))[0].ravel(), 1e-7, "J"
            )


def test_long_axes_take_few_operations() -> None:
    x = np.linspace(0.5, 1.5, 3000)
    measured = difference(lambda x: np.sum(np.logaddexp.accumulate(x) * np.cos(x)), (x,), (np.sin(x),))[0]
    found = grad(lambda x: np.sum(np.logaddexp.accumulate(x) * np.cos(x)))(x) @ np.sin(x)
    assert found == pytest.approx(float(measured), rel=1e-7)


def test_zeros_on_the_way() -> None:
    x = np.array([1.3, 0.0, -2.0, 0.0, 0.7])
    for f in (np.multiply.accumulate, np.hypot.accumulate, np.multiply.reduce, np.hypot.reduce):
        if f not in (np.hypot.accumulate, np.hypot.reduce):
            assert_close(jacobian(f)(x) @ np.ones(5), difference(f, (x,), (np.ones(5),))[0], 1e-7, "J")
        assert np.all(np.isfinite(jacobian(f)(x)))


def test_questions_are_plain() -> None:
    assert np.array_equal(
        grad(lambda x: np.sum(x * np.greater.outer(x[0], x[1])[:3]))(A), np.greater.outer(A[0], A[1])[:3]
    )
    assert np.array_equal(grad(lambda x: np.sum(x * np.logical_and.reduce(x > 1.0, axis=0)))(A), [[0] * 4] * 3)


@pytest.mark.parametrize("ufunc", [np.power, np.arctan2], ids=lambda u: u.__name__)
def test_numpys_own_reduce_is_compared(ufunc: Any) -> None:
    """On machines with AVX-512 these two reduce to something else than they accumulate to; then they are refused."""
    x = A[0]
    if np.isclose(ufunc.reduce(x), ufunc.accumulate(x)[-1]):
        assert_close(grad(ufunc.reduce)(x) @ x, difference(ufunc.reduce, (x,), (x,))[0], 1e-7, "grad")
    else:
        with pytest.raises(AutodiffError, match=r"functools\.reduce"):
            grad(ufunc.reduce)(x)


def test_errors_are_numpys() -> None:
    for call in (
        lambda x: np.subtract.reduce(x, axis=(0, 1)),
        lambda x: np.subtract.reduce(x[:, :0], axis=1),
        lambda x: np.maximum.reduce(x, where=x > 1),
        lambda x: np.exp.reduce(x),
        lambda x: np.negative.outer(x, x),
        lambda x: np.add.reduceat(x, [7]),
    ):
        with pytest.raises((ValueError, IndexError)) as plain_error:
            call(A)
        with pytest.raises(type(plain_error.value)):
            grad(call)(A)
