"""Hessians through products with vectors: hand-written ones on trial, and inputs too many for a matrix."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from scipy.optimize import rosen, rosen_der, rosen_hess, rosen_hess_prod

from gradcheck.check import CheckError, Result, Verdict, check
from tests.test_cli import process


def point(n: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(0.3, 1.7, n)


def codes(result: Result) -> list[str]:
    return [f.code for f in result.findings]


def failing(result: Result) -> list[str]:
    return [e.label for e in result.entries if e.verdict is Verdict.FAIL]


def doubled(x: np.ndarray, p: np.ndarray) -> Any:
    return 2 * rosen_hess_prod(x, p)


def negative(x: np.ndarray, p: np.ndarray) -> Any:
    return -rosen_hess_prod(x, p)


def one_entry(x: np.ndarray, p: np.ndarray) -> Any:
    h = rosen_hess_prod(x, p)
    h[x.size // 2] += 0.1 * p[2]
    return h


def symmetric_pair(x: np.ndarray, p: np.ndarray) -> Any:
    h = rosen_hess_prod(x, p)
    h[0] += 50 * p[2]
    h[2] += 50 * p[0]
    return h


@pytest.mark.parametrize("n", [2, 3, 64, 65, 300, 3000])
@pytest.mark.parametrize("autodiff", [True, False])
def test_a_right_product_passes(n: int, autodiff: bool) -> None:
    result = check(rosen, point(n), order=2, hessp=rosen_hess_prod, autodiff=autodiff, jac=rosen_der)
    assert result.verdict is Verdict.PASS, (failing(result), result.findings)
    assert result.derivative == "rosen_hess_prod"
    assert result.total == n * n
    assert any(e.measured is not None and e.yours is not None for e in result.entries)
    assert (n <= 64) == bool(result.located)


@pytest.mark.parametrize("autodiff", [True, False])
def test_of_few_inputs_all_entries_are_compared(autodiff: bool) -> None:
    result = check(rosen, point(4), order=2, hessp=one_entry, autodiff=autodiff)
    assert result.verdict is Verdict.FAIL
    assert [label for label in failing(result) if "·" not in label] == ["d2f/dx[2]dx[2]"]


@pytest.mark.parametrize("n", [4, 100, 3000])
@pytest.mark.parametrize(("hessp", "code"), [(doubled, "GC112"), (negative, "GC111")])
def test_kinds_of_mistakes(n: int, hessp: Callable[..., Any], code: str) -> None:
    result = check(rosen, point(n), order=2, hessp=hessp)
    assert result.verdict is Verdict.FAIL
    assert {"GC101", code} <= set(codes(result))


@pytest.mark.parametrize("n", [100, 3000])
def test_the_wrong_entry_of_many_is_named(n: int) -> None:
    result = check(rosen, point(n), order=2, hessp=one_entry)
    assert result.verdict is Verdict.FAIL
    assert [e.label for e in result.located] == [f"d2f/dx[{n // 2}]dx[2]"]
    assert result.located[0].index == (n // 2, 2)
    rows = {e.index for e in result.along if e.index}
    assert rows == {(n // 2,)}  # and the directions in which it showed name its row
    pair = check(rosen, point(n), order=2, hessp=symmetric_pair)
    assert {e.index for e in pair.located if e.verdict is Verdict.FAIL} == {(0, 2), (2, 0)}


@pytest.mark.parametrize("n", [100, 3000])
def test_without_autodiff_the_gradient_measures(n: int) -> None:
    result = check(rosen, point(n), order=2, hessp=one_entry, autodiff=False, jac=rosen_der)
    assert result.verdict is Verdict.FAIL
    assert "GC318" in codes(result)
    assert {e.index for e in result.along if e.index and e.verdict is Verdict.FAIL} == {(n // 2,)}


def test_a_gradient_that_f_does_not_confirm_is_not_used() -> None:
    result = check(
        rosen, point(100), order=2, hessp=rosen_hess_prod, autodiff=False, jac=lambda x: 1.001 * rosen_der(x)
    )
    assert "GC317" in codes(result)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "GC210" in codes(result)
    assert all("u" not in e.label.partition("·")[2] for e in result.entries)  # vᵀHv from values of f alone


def test_a_gradient_that_ends_beside_the_point() -> None:
    x = point(100)

    def jac(z: np.ndarray) -> Any:
        if np.any(np.abs(z - x) > 1e-4):
            raise ValueError("too far")
        return rosen_der(z)

    assert check(rosen, x, order=2, hessp=rosen_hess_prod, autodiff=False, jac=jac).verdict is Verdict.PASS
    wrong = check(rosen, x, order=2, hessp=doubled, autodiff=False, jac=jac)
    assert wrong.verdict is Verdict.FAIL


@pytest.mark.parametrize("n", [3, 100, 3000])
def test_linear_and_symmetric(n: int) -> None:
    def squared(x: np.ndarray, p: np.ndarray) -> Any:
        return rosen_hess_prod(x, p) * (1 + 0.1 * np.abs(p))

    def lopsided(x: np.ndarray, p: np.ndarray) -> Any:
        h = rosen_hess_prod(x, p)
        h[0] += 100 * p[1]
        return h

    assert "GC110" in codes(check(rosen, point(n), order=2, hessp=squared))
    result = check(rosen, point(n), order=2, hessp=lopsided)
    assert result.verdict is Verdict.FAIL
    assert "GC108" in codes(result)
    right = check(rosen, point(n), order=2, hessp=rosen_hess_prod)
    assert not {"GC108", "GC110"} & set(codes(right))


def test_a_product_by_differences_of_the_gradient_is_no_mistake() -> None:
    """Not exact, but linear and symmetric as far as it goes."""

    def by_differences(x: np.ndarray, p: np.ndarray) -> Any:
        h = 1e-5
        return (rosen_der(x + h * p) - rosen_der(x - h * p)) / (2 * h)

    result = check(rosen, point(100), order=2, hessp=by_differences)
    assert result.verdict is Verdict.PASS, (failing(result), codes(result))


def test_both_on_trial() -> None:
    for n in (3, 3000):
        x = point(n)
        right = check(rosen, x, order=2, grad=rosen_hess, hessp=rosen_hess_prod)
        assert right.verdict is Verdict.PASS
        assert right.derivative == "rosen_hess and rosen_hess_prod"
        wrong = check(rosen, x, order=2, grad=rosen_hess, hessp=doubled)
        assert wrong.verdict is Verdict.FAIL
        assert all("(doubled)" in label for label in failing(wrong))
        other = check(rosen, x, order=2, grad=lambda x: 3 * rosen_hess(x), hessp=rosen_hess_prod)
        assert other.verdict is Verdict.FAIL
        assert not any("(rosen_hess_prod)" in label for label in failing(other))


def test_shapes_and_arguments() -> None:
    def f(a: float, x: np.ndarray, b: float) -> Any:
        return a * np.sum(x**3) * b

    def hessp(a: float, x: np.ndarray, v: np.ndarray, b: float) -> Any:
        return 6 * a * b * x * v

    for n in (2, 6):
        x = point(n * 20).reshape(n, 20)
        assert check(f, 2.0, x, 0.5, argnum="x", order=2, hessp=hessp).verdict is Verdict.PASS
    scalar = check(lambda t: t**3, 2.0, order=2, hessp=lambda t, v: 6 * t * v)
    assert scalar.verdict is Verdict.PASS
    for n in (3, 100):
        wrong = check(rosen, point(n), order=2, hessp=lambda x, p: rosen_hess(x))
        assert wrong.verdict is Verdict.FAIL
        assert "GC102" in codes(wrong)


@pytest.mark.parametrize("n", [3, 100])
def test_float32(n: int) -> None:
    x = point(n).astype(np.float32)

    def f(x: np.ndarray) -> Any:
        return np.sum(x**3) + np.sum(np.sin(x[1:] * x[:-1]))

    def hessp(x: np.ndarray, v: np.ndarray) -> Any:
        a, b = x[1:], x[:-1]
        s, c = np.sin(a * b), np.cos(a * b)
        h = 6 * x * v
        h[1:] += -s * b * b * v[1:] + (c - s * a * b) * v[:-1]
        h[:-1] += -s * a * a * v[:-1] + (c - s * a * b) * v[1:]
        return h

    assert hessp(x, x).dtype == np.float32
    right = check(f, x, order=2, hessp=hessp)
    assert not failing(right)
    assert not {"GC108", "GC110"} & set(codes(right))
    assert check(f, x, order=2, hessp=lambda x, v: 1.01 * hessp(x, v)).verdict is Verdict.FAIL


def test_what_is_refused() -> None:
    with pytest.raises(CheckError, match="hessp is for order=2"):
        check(rosen, point(3), hessp=rosen_hess_prod)

    def hessp(x: np.ndarray) -> np.ndarray:
        return x

    with pytest.raises(CheckError, match="hessp raised TypeError") as caught:
        check(rosen, point(100), order=2, hessp=hessp)
    assert caught.value.code == "GC017"


def quartic(x: np.ndarray) -> Any:
    return np.sum(x**4) + np.sum(x[1:] * x[:-1] ** 2)


def quartic_hessp(x: np.ndarray, v: np.ndarray) -> Any:
    h = 12 * x**2 * v
    h[:-1] += 2 * x[1:] * v[:-1] + 2 * x[:-1] * v[1:]
    h[1:] += 2 * x[:-1] * v[:-1]
    return h


@pytest.mark.parametrize("hessp", [quartic_hessp, None])
def test_memory_is_flat(hessp: Any) -> None:
    n = 200_000
    tracemalloc.start()
    result = check(quartic, point(n), order=2, hessp=hessp)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert result.verdict is Verdict.PASS
    assert result.evaluations < 40
    assert peak < 200 * 8 * n  # n² numbers would be 320 GB


def test_a_large_sparse_hessian_stays_sparse() -> None:
    n = 50_000

    def hess(x: np.ndarray) -> Any:
        off = 2 * x[:-1]
        diagonal = 12 * x**2
        diagonal[:-1] += 2 * x[1:]
        return scipy.sparse.diags([off, diagonal, off], [-1, 0, 1])

    assert check(quartic, point(n), order=2, grad=hess).verdict is Verdict.PASS
    wrong = check(quartic, point(n), order=2, grad=lambda x: hess(x) * 1.5)
    assert wrong.verdict is Verdict.FAIL


def test_bounds_and_budget() -> None:
    x = point(100)
    x[:50] = 0.3
    seen: list[float] = []

    def f(x: np.ndarray) -> Any:
        seen.append(float(np.min(np.asarray(getattr(x, "value", x)))))
        return quartic(x)

    result = check(f, x, order=2, hessp=quartic_hessp, bounds=(0.3, None), autodiff=False)
    assert result.verdict is not Verdict.FAIL
    assert min(seen) >= 0.3
    assert check(quartic, x, order=2, hessp=quartic_hessp, bounds=(0.3, None)).verdict is Verdict.PASS
    spent = check(quartic, point(100), order=2, hessp=quartic_hessp, budget=5)
    assert spent.verdict is Verdict.INCONCLUSIVE


MODEL = """
import numpy as np

def f(x, lam=0.5):
    return np.sum(x**4) + lam * np.sum(x[1:] * x[:-1] ** 2)

def f_hessp(x, v, lam=0.5):
    h = 12 * x**2 * v
    h[:-1] += 2 * lam * (x[1:] * v[:-1] + x[:-1] * v[1:])
    h[1:] += 2 * lam * x[:-1] * v[:-1]
    return h

def vector_last(x, lam, v):
    return f_hessp(x, v, lam)

def wrong(x, v, lam=0.5):
    return f_hessp(x, v, 0.5)

def g(x, lam=0.5):
    return f(x, lam)

def g_hvp(x, v):
    return f_hessp(x, v)

def many():
    return {"x": np.linspace(0.5, 1.5, 100_000)}
"""


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["f"], 0, "yours f_hessp (found by name)"),
        (["f", "--hessp", "f_hessp"], 0, "yours f_hessp (given with --hessp)"),
        (["f", "--hessp", "none"], 0, "autodiff and measured"),
        (["f", "--hessp", "model.py:wrong"], 1, "reproduce: gradcheck model.py:f --argnum x --order 2 --hessp"),
        (["f", "--hessp", "vector_last", "--at", "x=[1, 2, 3.5]; lam=0.3"], 0, "yours vector_last"),
        (["f", "--hessp", "nowhere"], 2, "--hessp: there is no function 'nowhere'"),
        (["f", "--hessp", "many"], 2, "many cannot be called with the arguments of f (x, lam and a vector)"),
        (["g"], 0, "yours g_hvp (found by name)"),  # lam, which it does not take, stays at its default
        (["f", "--at", "model.py:many"], 0, "18 random directions through 10000000000 entries"),
    ],
)
def test_the_command(tmp_path: Path, arguments: list[str], code: int, text: str) -> None:
    (tmp_path / "model.py").write_text(MODEL)
    done = process("model.py:" + arguments[0], "--order", "2", *arguments[1:], cwd=tmp_path)
    out = done.stdout.decode()
    assert done.returncode == code, out
    assert text in out


def test_hessp_needs_order_2(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text(MODEL)
    done = process("model.py:f", "--hessp", "f_hessp", cwd=tmp_path)
    assert done.returncode == 2
    assert "--order 2" in done.stderr.decode()
