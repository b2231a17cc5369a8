"""Many rows of a Jacobian in one sweep are what the rows are one by one: for the systematic cases of the rules, and for
programs with views and writes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from gradcheck.autodiff import hessian, jacobian, jacobians, stacked
from tests.autodiff import (
    test_builders,
    test_fft,
    test_functions,
    test_inplace,
    test_linalg,
    test_statistics,
    test_ufuncs,
)
from tests.autodiff.checking import Table, leaves

TABLES = [module.T for module in (test_builders, test_fft, test_functions, test_linalg, test_statistics, test_ufuncs)]


class Both:
    """Jacobians by stacks and by rows; counts how many were by stacks."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.used = 0
        self.patch = monkeypatch
        self.patch.setattr(stacked, "ROWS", 1)

    def compare(self, f: Any, args: tuple[Any, ...], k: int = 0, what: str = "") -> None:
        def counted(*of: Any) -> Any:
            rows = stacked.stacked_rows(*of)
            self.used += rows is not None
            return rows

        with self.patch.context() as patch, np.errstate(all="ignore"):
            patch.setattr(jacobians, "stacked_rows", lambda *_: None)
            expected = list(leaves(jacobian(f, k)(*args)))
            patch.setattr(jacobians, "stacked_rows", counted)
            actual = list(leaves(jacobian(f, k)(*args)))
        for a, b in zip(actual, expected, strict=True):
            assert np.asarray(a).dtype == np.asarray(b).dtype, what
            np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-13, err_msg=what)


@pytest.fixture
def both(monkeypatch: pytest.MonkeyPatch) -> Both:
    return Both(monkeypatch)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.cases[0].id)
def test_the_cases_of_the_rules(both: Both, table: Table) -> None:
    real = [case for case in table.cases if not any(np.iscomplexobj(a) for a in case.args)]
    real = [case for case in real if all(np.result_type(y).kind == "f" for y in leaves(case.f(*case.args)))]
    for case in real:
        for k in range(len(case.args)):
            both.compare(case.f, case.args, k, f"{case.id}, argument {k}")
    assert both.used > len(real) // 3


@pytest.mark.filterwarnings("ignore")
def test_programs_with_views_and_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    both = Both(monkeypatch)

    @settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(test_inplace.programs)
    def compare(program: Any) -> None:
        def values(x: Any) -> Any:
            total = test_inplace.run(program, x)
            return total * np.array([1.0, 2.0]) * x[:2] + x[1:3]

        if np.all(np.isfinite(values(test_inplace.POINT))):
            both.compare(values, (test_inplace.POINT,))

    compare()
    assert both.used > 50


def test_what_it_is_for() -> None:
    """A dense layer, its diagonal by elementwise operations alone, and a Hessian; more rows than one stack holds."""
    rng = np.random.default_rng(3)
    for m, n in ((40, 30), (300, 250)):
        A, b, x = rng.normal(size=(m, n)), rng.normal(size=m), rng.normal(size=n)
        slope = 1.0 - np.tanh(A @ x + b) ** 2
        np.testing.assert_allclose(jacobian(lambda x, A=A, b=b: np.tanh(A @ x + b) * b)(x), (slope * b)[:, None] * A)
    y = rng.normal(size=(20, 15))
    J = jacobian(lambda y: np.sin(y) * y)(y)
    np.testing.assert_allclose(J.reshape(300, 300), np.diag((np.cos(y) * y + np.sin(y)).ravel()))
    H = hessian(lambda x: np.sum(np.exp(x) * np.sum(x)))(x[:8])
    e = np.exp(x[:8])
    np.testing.assert_allclose(H, np.diag(e * np.sum(x[:8])) + e[:, None] + e[None, :])


def test_zero_times_infinity_and_precision() -> None:
    x = np.array([0.0, 1.0, 2.0, 0.0, 4.0, 5.0, 6.0])
    with np.errstate(all="ignore"):
        J = jacobian(lambda x: np.where(x > 0, np.sqrt(x), 0.0))(x)
    np.testing.assert_array_equal(np.diag(J)[[0, 3]], 0.0)
    np.testing.assert_allclose(np.diag(J)[[1, 2]], 0.5 / np.sqrt(x[[1, 2]]))
    single = x.astype(np.float32)
    assert jacobian(lambda x: np.sin(x) * 2.0)(single).dtype == np.float32
    np.testing.assert_array_equal(jacobian(lambda x: np.sign(x) + 0.0)(x), np.zeros((7, 7)))
