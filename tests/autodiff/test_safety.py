"""Ways in which a derivative could get lost or wrong in silence, each found by a reviewer: memory that changes behind
the tape's back, aliases, caches, threads, guards that swallow errors."""

from __future__ import annotations

import array as compiled
import collections
import functools
import sys
import types
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from gradcheck.autodiff import AutodiffError, grad, hvp, jvp, noting, vjp
from gradcheck.autodiff.text import TextWarning

from .checking import numeric_gradient

X = np.arange(1.0, 6.0)
BIG = np.ones(5000)


def agrees(f: Any, x: np.ndarray = X, rtol: float = 1e-6) -> None:
    expected = numeric_gradient(f, (x,), 0)
    assert grad(f)(x) == pytest.approx(expected, rel=rtol, abs=1e-7)
    direction = np.linspace(-1.0, 1.0, x.size).reshape(x.shape)
    assert jvp(f, (x,), (direction,))[1] == pytest.approx(np.sum(expected * direction), rel=rtol, abs=1e-6)


# -- memory that changes after it was used ------------------------------------------------------------


def test_masks_and_indices_that_change_later() -> None:
    def f(x: Any) -> Any:
        m, i = np.zeros(5, bool), np.array([0, 1])
        m[0] = True
        y = np.zeros(5)
        s = np.sum(x[m] ** 2) + np.sum(np.where(m, x, 0.0)) + np.sum(x, where=m)
        y[i] = x[i] ** 2
        np.add.at(y, i, x[i])
        m[1], i[:] = True, [3, 4]
        return s + np.sum(y * X)

    agrees(f)


def test_lists_that_change_later() -> None:
    def f(x: Any) -> Any:
        w = [1.0, 2.0, 3.0, 4.0, 5.0]
        y = x * w
        w[0] = 50.0
        return np.sum(y * y)

    agrees(f)


def test_large_plain_array_that_changes_later() -> None:
    def f(x: Any) -> Any:
        BIG[:] = 1.0
        s = np.sum(x * BIG)
        BIG[-1] = 0.0
        return s

    assert np.all(grad(f)(np.ones(5000)) == 1.0)


def test_tangents_under_an_outer_trace() -> None:
    def f(x: Any) -> Any:
        y = x * 1.0
        s = np.sum(y * np.sin(x))
        y[-1] = 0.0
        return s + np.sum(y * y)

    x, v = np.linspace(0, 1, 5000), np.ones(5000)
    assert grad(lambda z: jvp(f, (z,), (v,))[1])(x) == pytest.approx(hvp(f)(x, v))


def test_value_of_vjp_belongs_to_the_caller() -> None:
    value, pullback = vjp(np.exp, np.zeros(3))
    value -= 3.0
    assert np.array_equal(pullback(np.ones(3))[0], np.ones(3))


def test_outer_array_written_by_the_inner_function() -> None:
    def f(x: Any) -> Any:
        z = x * 1.0

        def inner(y: Any) -> Any:
            q = np.sum(y * z * y)
            z[0] = 5.0
            return q * z[1]

        return np.sum(grad(inner)(np.ones(5) * x[2]))

    assert grad(f)(X) == pytest.approx(numeric_gradient(f, (X,), 0), rel=1e-6, abs=1e-7)


def test_inner_array_that_takes_outer_values() -> None:
    def f(x: Any) -> Any:
        def inner(y: Any) -> Any:
            out = np.zeros(2)
            out[0] = y[0] * x[0]
            out[1] = y[1] ** 2
            return out[0] * out[1]

        return np.sum(hvp(inner)(np.ones(2), np.ones(2)))

    assert grad(f)(X) == pytest.approx(numeric_gradient(f, (X,), 0), rel=1e-6, abs=1e-7)


# -- views and copies, as NumPy has them ------------------------------------------------------------


@pytest.mark.parametrize(
    "view",
    [
        lambda y: np.broadcast_to(y[0], (3, 5)),
        lambda y: np.broadcast_to(y[:, :1], (5, 5))[1:, ::2],
        lambda y: np.einsum("ii->i", y),
        lambda y: np.einsum("ij->ji", y),
        lambda y: np.rot90(y),
        lambda y: np.rot90(y, 3),
        lambda y: np.diagonal(y),
        lambda y: np.diag(y, 1),
        lambda y: np.ascontiguousarray(y.T),
        lambda y: np.asfortranarray(y),
        lambda y: np.asarray(y, order="F"),
    ],
)
def test_reading_a_view_after_its_root_was_written(view: Any) -> None:
    def f(x: Any) -> Any:
        y = np.outer(x, x)
        v = view(y)
        y[0] = 5.0 * x[1]
        y[2, 2] *= 3.0
        return np.sum(v * v * np.arange(1.0, 1.0 + v.size).reshape(v.shape)) + np.sum(y * y)

    agrees(f)


@pytest.mark.parametrize("view", [lambda y: np.einsum("ii->i", y), np.rot90, lambda y: np.ascontiguousarray(y.T)])
def test_writing_to_a_view_or_a_copy(view: Any) -> None:
    def f(x: Any) -> Any:
        y = np.outer(x, x)
        v = view(y)
        v[...] = 2.0 * v
        v[0] = x[0]
        return np.sum(y * y) + np.sum(v)

    agrees(f)


def test_long_chain_of_views() -> None:
    def f(x: Any) -> Any:
        s: Any = 0.0
        while len(x):
            s, x = s + x[0] ** 2, x[1:]
        return s

    assert np.array_equal(grad(f)(np.ones(1500)), np.full(1500, 2.0))


def test_one_array_under_two_names() -> None:
    def f(x: Any, b: Any, c: Any) -> Any:
        b[0] = x[0] * 3.0
        return c[0] * x[1] + b[0]

    b = np.ones(2)
    assert np.array_equal(grad(f)(np.array([1.0, 2.0]), b, b), [9.0, 3.0])


# -- what outlives a trace ------------------------------------------------------------


def test_arrays_kept_in_a_cache_stay_arrays() -> None:
    @functools.lru_cache
    def nodes(n: int) -> Any:
        return np.ones(n)

    def f(x: Any) -> Any:
        return np.sum(nodes(5) * x**2)

    for _ in range(2):
        assert np.array_equal(grad(f)(X), 2 * X)
    assert f(X) == 55.0
    assert isinstance(f(X), float)


def test_buffer_kept_on_an_object() -> None:
    class Model:
        work: Any = None

        def value(self, x: Any) -> Any:
            if self.work is None:
                self.work = np.zeros(5)
            self.work[:] = x * x
            return np.sum(self.work * X)

    model = Model()
    assert grad(model.value)(X) == pytest.approx(2 * X * X)
    assert model.value(X) == pytest.approx(np.sum(X**3))  # no trace is running: a buffer like any other
    assert grad(model.value)(X) == pytest.approx(2 * X * X)


def test_module_imported_in_a_trace_has_the_originals(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "imported_late.py").write_text("from numpy import zeros\nfrom math import sin\n")
    monkeypatch.syspath_prepend(tmp_path)

    def f(x: Any) -> Any:
        import math

        import imported_late  # type: ignore[import-not-found]

        y = np.zeros(1)
        y[0] = math.sin(x)
        return y[0] + imported_late.sin(x)

    assert grad(f)(0.3) == pytest.approx(2 * np.cos(0.3))
    assert sys.modules["imported_late"].zeros is np.zeros
    assert isinstance(sys.modules["imported_late"].sin, types.BuiltinFunctionType)


# -- zero times infinity ------------------------------------------------------------


@np.errstate(all="ignore")
def test_branch_not_taken_is_zero_but_a_computed_zero_is_not() -> None:
    assert grad(lambda x: np.where(x > 0, np.sqrt(x), 0.0))(0.0) == 0.0
    assert np.array_equal(
        grad(lambda x: np.sum(np.where(x > 0, np.log(x), x)))(np.array([-1.0, 0.0, 2.0])), [1, 1, 0.5]
    )
    assert np.array_equal(grad(lambda x: np.sum(np.log(x)[x > 0]))(np.array([0.0, 2.0])), [0.0, 0.5])
    assert np.isnan(grad(lambda x: np.cbrt(x) ** 3)(0.0))  # f(x) = x: not 0
    assert np.isnan(grad(lambda x: np.sqrt(x) * np.sqrt(x))(0.0))


def test_a_branch_that_is_not_taken_through_a_sum() -> None:
    """The cotangent of a sum is one number for all elements: that it is nan must be seen there, too."""

    def f(x: np.ndarray) -> np.ndarray:
        total = np.sum(x)
        return np.where(total > 5.0, np.sqrt(total - 3.0), np.sum(2.0 * x))

    np.testing.assert_array_equal(grad(f)(np.ones(3)), [2.0, 2.0, 2.0])
    np.testing.assert_array_equal(grad(f)(np.ones(6000)), np.full(6000, 0.5 / np.sqrt(5997.0)))


# -- threads, errors that are swallowed, containers ------------------------------------------------------------


def test_gradient_in_a_thread_over_an_outer_value() -> None:
    def f(x: Any) -> Any:
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(lambda: grad(lambda y: x * y)(x)).result() * x

    assert grad(f)(1.5) == 3.0


def test_swallowed_refusal_is_raised() -> None:
    def f(x: Any) -> Any:
        try:
            y = compiled.array("d", x)
        except Exception:
            y = x**3
        return np.sum(y)

    with pytest.raises(AutodiffError, match="lose the derivative"):
        grad(f)(X)


@dataclass
class Model:
    b: float
    fixed: float = field(default=2.0, init=False)


def test_containers_keep_what_they_are() -> None:
    c = Model(1.0)
    c.fixed = 7.0
    assert grad(lambda x, m: x * m.fixed)(1.0, c) == 7.0
    assert grad(lambda m: m.b * 3.0 + m.fixed)(c).b == 3.0
    log: list[Any] = []
    grad(lambda x, to: (to.append(1), x * x)[1])(2.0, log)
    assert log == [1]
    counts: Any = collections.defaultdict(float, a=2.0)
    assert grad(lambda d: d["a"] ** 2 + d["b"])(counts)["a"] == 4.0


def test_python_floats_stay_python_floats_in_forward_mode() -> None:
    def f(x: Any) -> Any:
        try:
            return 1 / x
        except ZeroDivisionError:
            return 5 * x

    assert jvp(f, (0.0,), (1.0,)) == (0.0, 5.0)
    assert grad(f)(0.0) == 5.0


def test_compiled_code_that_wants_real_arrays() -> None:
    from scipy.interpolate import CubicSpline

    def f(x: Any) -> Any:
        return x * float(CubicSpline(np.linspace(0.0, 1.0, 5), np.ones(5))(0.5))

    assert grad(f)(2.0) == pytest.approx(1.0)


def test_modulus_by_the_operator() -> None:
    assert grad(lambda x: abs(x * (1 + 2j)))(1.0) == pytest.approx(5**0.5)


def test_items_by_ndenumerate() -> None:
    assert np.array_equal(grad(lambda x: sum(v * i for (i,), v in np.ndenumerate(x)))(X), np.arange(5.0))


def test_type_comparisons_of_plain_numbers() -> None:
    def f(x: Any) -> Any:
        return x * (3.0 if type(2.0) is float else 0.0) + float(2) * 0.0  # noqa: UP003

    assert grad(f)(1.0) == 3.0


def test_text_is_noted_and_no_number_is_read_from_it() -> None:
    def put_together(x: Any) -> Any:
        return np.array(["%.17g" % x]).astype(float)[0] * x  # noqa: UP031

    with noting() as notes:
        assert grad(put_together)(2.0) == 2.0  # not 4: text cannot be followed
    assert [place.file for place in notes.texts if place] == [__file__]
    with pytest.warns(TextWarning, match="astype reads back"):
        grad(put_together)(2.0)
    for read in (lambda x: float(str(x)), lambda x: float(f"{x:.17g}"), lambda x: float(repr(x).strip()),
                 lambda x: complex(float(f"{x}")).real, lambda x: x * int(f"{x:.0f}")):  # fmt: skip
        with noting(), pytest.raises(AutodiffError, match="read back from the text"):
            grad(read)(2.0)
    texts: list[str] = []

    def printed(x: Any) -> Any:
        texts.append(str(x))
        return x

    grad(printed)(2.5)
    assert float(texts[-1]) == 2.5  # the trace is over


def test_buffer_kept_on_an_object_and_written_in_part() -> None:
    class Model:
        work: Any = None
        row: Any = None

        def value(self, x: Any) -> Any:
            if self.work is None:
                self.work = np.zeros((2, 5))
                self.row = self.work[1]
            self.work[0] = x * x
            return np.sum(self.work * X)

        def through_view(self, x: Any) -> Any:
            self.value(x)
            self.work[:] = x
            return np.sum(self.row * x)

    model = Model()
    assert grad(model.value)(X) == pytest.approx(2 * X * X)
    with pytest.raises(AutodiffError, match="earlier call"):
        grad(model.value)(X)
    model = Model()
    assert grad(model.through_view)(X) == pytest.approx(2 * X)
    with pytest.raises(AutodiffError, match="earlier call"):
        grad(model.through_view)(X)


@pytest.mark.parametrize("x", [np.array([1.0, 2.0]), 3.0], ids=["array", "number"])
def test_a_tape_out_of_order_is_refused(x: Any) -> None:
    """As two threads leave it that record at once: a record at another's slot."""

    def f(x: Any) -> Any:
        y = x * x
        x.owner.records.append(x.owner.records[-1])
        return np.sum(y * x)

    with pytest.raises(AutodiffError, match="several threads"):
        grad(f)(x)
