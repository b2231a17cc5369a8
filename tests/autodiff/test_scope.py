"""Names that are replaced while a trace runs, and everything Python does to a number: casts, guards, containers,
copies."""

from __future__ import annotations

import array as compiled
import contextlib
import copy
import dataclasses
import functools
import importlib
import itertools
import math
import pickle
import threading
from collections import namedtuple
from math import sin as sine
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy import array as make_array
from numpy import zeros as make_zeros

from gradcheck.autodiff import (
    AutodiffError,
    defvjp,
    grad,
    hessian,
    jacobian,
    jvp,
    noting,
    primitive,
    value_and_grad,
    vjp,
)

from . import user_module as um

X = np.array([0.3, 0.7, 1.1])
REPLACED = {
    np: [
        "array",
        "asarray",
        "zeros",
        "ones",
        "empty",
        "full",
        "zeros_like",
        "arange",
        "linspace",
        "eye",
        "copy",
        "sum",
    ],
    math: ["sin", "exp", "log", "hypot", "fsum"],
}
ORIGINALS = {(module, name): getattr(module, name) for module, names in REPLACED.items() for name in names}
GLOBALS = dict(vars(um))


@pytest.fixture(autouse=True)
def _everything_is_restored() -> Any:
    um.STORE.clear()
    um.GRID[:] = [0.0, 0.5, 1.0]
    yield
    for (module, name), original in ORIGINALS.items():
        assert getattr(module, name) is original, f"{name} was not restored"
    for name, value in vars(um).items():
        assert value is GLOBALS[name] or name not in GLOBALS, f"{name} of the user's module was not restored"
    assert "float" not in vars(um)
    assert make_array is ORIGINALS[np, "array"]


# -- restored, whatever happens --------------------------------------------------------------------------------------


class BoomError(Exception):
    pass


def test_restored_after_exception() -> None:
    def f(x: Any) -> Any:
        assert np.array is not ORIGINALS[np, "array"]
        assert math.sin is not ORIGINALS[math, "sin"]
        raise BoomError

    with pytest.raises(BoomError):
        grad(f)(X)


def test_restored_after_keyboard_interrupt_and_exit() -> None:
    def interrupted(x: Any) -> Any:
        np.zeros(2)
        raise KeyboardInterrupt

    def left(x: Any) -> Any:
        np.zeros(2)
        raise SystemExit(3)

    with pytest.raises(KeyboardInterrupt):
        grad(interrupted)(X)
    with pytest.raises(SystemExit):
        grad(left)(X)


def test_restored_after_nested_use() -> None:
    def f(x: Any) -> Any:
        inner = grad(lambda y: np.sum(np.array([y, y * x[0]]) ** 2))(x[1])
        with contextlib.suppress(AttributeError):
            grad(lambda y: np.zeros(2) + BoomError().missing)(1.0)  # type: ignore[attr-defined]
        z = np.zeros(2)
        z[0] = inner
        return math.sin(x[2]) * z[0]

    expected = lambda x: math.sin(x[2]) * 2 * x[1] * (1 + x[0] ** 2)  # noqa: E731
    step = 1e-6
    measured = [(expected(X + step * e) - expected(X - step * e)) / (2 * step) for e in np.eye(3)]
    assert grad(f)(X) == pytest.approx(measured, rel=1e-8)


def test_another_thread_sees_plain_numpy() -> None:
    seen: dict[str, Any] = {}
    started, looked = threading.Event(), threading.Event()

    def other() -> None:
        started.wait(10)
        seen["type"] = type(np.zeros(2))
        seen["array"] = type(np.array([1.0, 2.0]))
        seen["sin"] = math.sin(0.5)
        seen["float"] = um.casts(2.0)
        seen["full"] = type(np.full(2, 1.5))
        looked.set()

    thread = threading.Thread(target=other)
    thread.start()

    def f(x: Any) -> Any:
        y = np.zeros(3)
        y[:] = x
        z = math.sin(np.full(1, y[0])[0])
        started.set()
        assert looked.wait(10)
        return np.sum(np.array([z, y[1]]))

    assert grad(f)(X) == pytest.approx([math.cos(0.3), 1.0, 0.0])
    thread.join()
    assert seen == {"type": np.ndarray, "array": np.ndarray, "sin": math.sin(0.5), "float": 7.0, "full": np.ndarray}


def test_two_threads_trace_at_once() -> None:
    results: dict[int, Any] = {}
    barrier = threading.Barrier(2, timeout=10)

    def work(k: int) -> None:
        def f(x: Any) -> Any:
            y = np.zeros(2)
            barrier.wait()
            y[0] = x * k
            y[1] = math.exp(y[0])
            barrier.wait()
            return np.sum(np.array([y[0], y[1] * x]))

        for _ in range(20):
            results[k] = grad(f)(0.5)

    threads = [threading.Thread(target=work, args=(k,)) for k in (1, 2)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(20)
    for k in (1, 2):
        assert results[k] == pytest.approx(k + math.exp(0.5 * k) * (1 + 0.5 * k))


# -- names bound early -----------------------------------------------------------------------------------------------


def test_names_bound_in_a_users_module() -> None:
    x = 0.8
    f = lambda x: (math.sin(x) * math.exp(x) + math.sqrt(x) + x) * x + math.hypot(x, 2.0)  # noqa: E731
    assert um.bound_early(x) == pytest.approx(f(x))
    measured = (f(x + 1e-6) - f(x - 1e-6)) / 2e-6
    assert grad(um.bound_early)(x) == pytest.approx(measured, rel=1e-8)
    assert jvp(um.bound_early, (x,), (1.0,))[1] == pytest.approx(measured, rel=1e-8)


def test_names_bound_in_a_module_that_is_called() -> None:
    def f(x: Any) -> Any:
        return um.bound_early(x) * 2.0 + um.casts(x)

    assert grad(f)(0.8) == pytest.approx(2 * grad(um.bound_early)(0.8) + 2 * 0.8 + 1.0)


def test_names_bound_in_this_module() -> None:
    def f(x: Any) -> Any:
        y = make_zeros(2)
        y[0] = sine(x)
        return make_array([y[0], x])[0]

    assert grad(f)(0.3) == pytest.approx(math.cos(0.3))


def test_names_bound_inside_the_function() -> None:
    def f(x: Any) -> Any:
        from math import cos

        from numpy import array as a
        from numpy import zeros as z

        y = z(1)
        y[0] = cos(x)
        return a([y[0], x])[0]

    assert grad(f)(0.3) == pytest.approx(-math.sin(0.3))


@pytest.mark.parametrize(("name", "expected"), [("pair", [1.0, 0.6]), ("sum", 1.6)])
def test_functions_in_a_dispatch_table(name: str, expected: Any) -> None:
    assert jacobian(um.in_dispatch_table(name))(0.3) == pytest.approx(expected)
    assert jacobian(lambda x: um.in_dispatch_table(name)(x))(0.3) == pytest.approx(expected)


def test_methods_partials_and_callable_objects() -> None:
    model = um.Model()
    x = np.array([0.5, -1.0])
    expected = 2.0 * np.array([1.0 * -2.5 + 3.0 * -1.5, 2.0 * -2.5 + 4.0 * -1.5])
    assert grad(model.energy)(x) == pytest.approx(expected)
    assert grad(model)(x) == pytest.approx(expected)
    assert grad(functools.partial(um.Model.energy, model))(x) == pytest.approx(expected)
    assert grad(lambda x: model.energy(x))(x) == pytest.approx(expected)
    assert model.energy(x) == pytest.approx(2.0 * -1.5 * -2.5)
    assert isinstance(model.energy(x), float)


def test_decorated_function() -> None:
    def twice(f: Any) -> Any:
        @functools.wraps(f)
        def wrapper(*args: Any) -> Any:
            return 2.0 * f(*args)

        return wrapper

    @twice
    def f(x: Any) -> Any:
        return np.sum(np.array([x, math.sin(x)]))

    assert grad(f)(0.3) == pytest.approx(2 + 2 * math.cos(0.3))


# -- casts and conversions -------------------------------------------------------------------------------------------


def test_casts_keep_the_derivative() -> None:
    assert grad(um.casts)(3.0) == pytest.approx(7.0)
    assert grad(lambda x: float(x[0]) * np.float64(x[1]))(X) == pytest.approx([0.7, 0.3, 0.0])
    assert grad(lambda x: np.float32(x) ** 2)(3.0) == pytest.approx(6.0)
    assert grad(lambda x: float(np.sum(x * x)))(X) == pytest.approx(2 * X)
    assert grad(lambda x: np.sum(x * x).item())(X) == pytest.approx(2 * X)
    assert grad(lambda x: (x * x).tolist()[1])(X) == pytest.approx([0.0, 1.4, 0.0])
    assert grad(lambda x: x.item(2) + x[0].item())(X) == pytest.approx([1.0, 0.0, 1.0])


def test_math_functions() -> None:
    def f(x: Any) -> Any:
        return (
            math.sin(x) + math.log(x, 2.0) + math.log10(x) + math.hypot(x, 1.0, 2.0) + math.atan2(x, 2.0)
            + math.pow(x, 3) + math.erf(x) + math.gamma(x) + math.dist([x, 0.0], [1.0, 2.0]) + math.fsum([x, x, 1.0])
            + math.prod([x, x, 2]) + math.degrees(x) + math.fmod(5.0, x) + math.copysign(x, -1.0) + math.exp2(x)
            + math.cbrt(x) + math.ldexp(x, 3)
        )  # fmt: skip

    x = 1.3
    value, derivative = value_and_grad(f)(x)
    assert value == f(x)
    measured = (f(x - 2e-4) - 8 * f(x - 1e-4) + 8 * f(x + 1e-4) - f(x + 2e-4)) / 12e-4
    assert derivative == pytest.approx(measured, rel=1e-9)
    assert jvp(f, (x,), (1.0,))[1] == pytest.approx(measured, rel=1e-9)
    assert grad(lambda x: math.sqrt(x[0:1]))(X)[0] == pytest.approx(0.5 / math.sqrt(0.3))  # one element is a number


def test_math_questions() -> None:
    def f(x: Any) -> Any:
        assert math.isfinite(x)
        assert not math.isnan(x)
        assert math.isclose(x, 2.7)
        return x * math.floor(x) + math.ceil(x) + math.trunc(x) + int(x) + round(x) + math.comb(int(x), 1)

    assert f(2.7) == value_and_grad(f)(2.7)[0]
    assert grad(f)(2.7) == 2.0


def test_math_domain_error_is_pythons() -> None:
    with pytest.raises(ValueError, match=r"math domain error|expected a"):
        grad(lambda x: math.sqrt(x))(-1.0)
    with pytest.raises(ZeroDivisionError):
        grad(lambda x: 1.0 / x)(0.0)


def test_isinstance_guards_take_the_branch_of_plain_input() -> None:
    def f(x: Any, s: Any, n: Any) -> Any:
        assert isinstance(x, np.ndarray)
        assert not isinstance(x, float | list | tuple)
        assert isinstance(s, float)
        assert not isinstance(s, np.ndarray)
        assert isinstance(n, np.float64)
        assert isinstance(n, float)
        assert isinstance(x[0], np.float64)
        assert isinstance(x[:1], np.ndarray)
        assert isinstance(x.sum(), np.floating)
        assert isinstance(s * 2, float)
        assert x.__class__ is np.ndarray
        assert np.isscalar(s)
        assert np.ndim(x) == 1
        assert hasattr(x, "shape")
        assert not hasattr(s, "shape")
        assert np.issubdtype(x.dtype, np.floating)
        assert callable(getattr(x, "sum", None))
        return np.sum(x) * s * n

    assert grad(f, (0, 1, 2))(X, 2.0, np.float64(3.0))[1] == pytest.approx(3 * X.sum())


def test_formatting_and_questions_of_python() -> None:
    def f(x: Any) -> Any:
        s = x[0]
        texts = [f"{s:.3f}", f"{s}", str(s), repr(x), f"{x.sum():6.2e}", "%.2f" % s, format(s, ".1f")]  # noqa: UP031
        assert texts[0] == "0.300"
        assert texts[1] == "0.3"
        assert "0.7" in texts[3]
        assert texts[5] == "0.30"
        assert len(x) == 3
        assert 0.7 in x
        assert 5.0 not in x
        assert bool(s)
        assert s == 0.3
        assert s < x[1] <= 0.7
        assert {0.3: 1}[float(X[0])] == 1
        assert [int(e) for e in x] == [0, 0, 1]
        assert divmod(x[2], 0.5)[0] == 2.0
        assert "abc"[int(x[2])] == "b"
        return s

    with noting():
        assert np.array_equal(grad(f)(X), [1.0, 0.0, 0.0])


def test_builtins_on_traced_values() -> None:
    def f(x: Any) -> Any:
        total = sum(x) + max(x) * 2.0 + min(x[0], x[1]) + abs(-x[2]) + sum(e * e for e in x)
        a, b, c = sorted(x, reverse=True)
        first, *rest = x
        return total + a * b + first * rest[-1] + pow(c, 2) + sum(p * q for p, q in itertools.pairwise(x))

    value, derivative = value_and_grad(f)(X)
    assert value == f(X)
    measured = [(f(X + 1e-6 * e) - f(X - 1e-6 * e)) / 2e-6 for e in np.eye(3)]
    assert derivative == pytest.approx(measured, rel=1e-8)


def test_copies() -> None:
    def f(x: Any) -> Any:
        a, b, c = copy.copy(x), copy.deepcopy(x), copy.deepcopy({"k": [x[0], x]})
        a[0] = 7.0
        b *= 2.0
        c["k"][1][1] = 0.0
        return np.sum(a) + np.sum(b) + c["k"][0] * 3.0 + np.sum(c["k"][1]) + np.sum(x)

    value, derivative = value_and_grad(f)(X)
    assert value == pytest.approx(f(X))
    assert derivative == pytest.approx([0 + 2 + 3 + 1 + 1, 1 + 2 + 0 + 1, 1 + 2 + 1 + 1])


def test_pickling_is_refused() -> None:
    with pytest.raises((AutodiffError, TypeError), match=r"pickl|derivative|not supported"):
        grad(lambda x: pickle.loads(pickle.dumps(x)) ** 2)(2.0)


def test_recursion_generators_closures() -> None:
    def power(x: Any, n: int) -> Any:
        return x if n == 1 else x * power(x, n - 1)

    def partial_sums(x: Any) -> Any:
        total = 0.0
        for e in x:
            total = total + e
            yield total

    def f(x: Any) -> Any:
        scale = x[0]

        def scaled(y: Any) -> Any:
            return scale * y

        return power(x[1], 4) + sum(partial_sums(x)) + sum(map(scaled, x)) + functools.reduce(lambda a, b: a * b, x)

    measured = [(f(X + 1e-6 * e) - f(X - 1e-6 * e)) / 2e-6 for e in np.eye(3)]
    assert grad(f)(X) == pytest.approx(measured, rel=1e-8)


# -- containers ------------------------------------------------------------------------------------------------------

Pair = namedtuple("Pair", "a b")


class Typed(NamedTuple):
    a: Any
    b: float


@dataclasses.dataclass
class Box:
    a: Any
    b: float


@dataclasses.dataclass(frozen=True)
class Frozen:
    a: Any
    b: float
    label: str = "kept"


@pytest.mark.parametrize("kind", [Pair, Typed, Box, Frozen], ids=lambda k: k.__name__)
def test_records_as_arguments(kind: Any) -> None:
    g = grad(lambda p: np.sum(p.a**2) * p.b)(kind(X, 3.0))
    assert type(g) is kind
    assert g.a == pytest.approx(6 * X)
    assert g.b == pytest.approx(np.sum(X**2))


def test_plain_containers_as_arguments() -> None:
    def f(p: Any) -> Any:
        w, (b, c) = p["w"], p["rest"]
        return np.sum(w @ w) * b + math.sin(c[0])

    w = np.array([[1.0, 2.0], [3.0, 4.0]])
    g = grad(f)({"w": w, "rest": (2.0, [0.5])})
    assert set(g) == {"w", "rest"}
    assert isinstance(g["rest"], tuple)
    assert isinstance(g["rest"][1], list)
    assert g["rest"][1][0] == pytest.approx(math.cos(0.5))
    assert g["rest"][0] == pytest.approx(np.sum(w @ w))
    assert grad(lambda v: v[0] * v[1])([2.0, 3.0]) == [3.0, 2.0]
    assert grad(lambda v: v[0] * v[1])((2, 3)) == (3.0, 2.0)


def test_containers_as_other_arguments_and_keywords() -> None:
    def f(x: Any, parts: Any, *, scale: Any, options: Any) -> Any:
        y = parts["w"].copy()
        y[0] = x
        return np.sum(y) * scale + options[0]

    parts = {"w": np.ones(2)}
    assert grad(f)(2.0, parts, scale=3.0, options=(1.0,)) == 3.0
    assert np.array_equal(parts["w"], [1.0, 1.0])


# -- nothing is lost in silence --------------------------------------------------------------------------------------


def located(error: AutodiffError, file: str, text: str) -> None:
    """The error names the user's file, and the line with this text."""
    assert error.where is not None
    assert str(error.where.file).endswith(file)
    with open(error.where.file, encoding="utf-8") as source:
        assert text in source.read().splitlines()[error.where.line - 1]


def test_write_to_a_global_plain_array_names_file_and_line() -> None:
    with pytest.raises(AutodiffError) as caught:
        grad(um.writes_to_global)(2.0)
    located(caught.value, "user_module.py", "GRID[1] = x")
    assert np.array_equal(um.GRID, [0.0, 0.5, 1.0])


def test_swallowed_refusal_is_raised_all_the_same() -> None:
    with pytest.raises(AutodiffError) as caught:
        grad(um.swallows)(2.0)
    located(caught.value, "user_module.py", "GRID.__setitem__")


def test_swallowed_by_a_bare_fallback() -> None:
    def f(x: Any) -> Any:
        try:
            return math.fabs(complex(x).real)
        except BaseException:
            return 2.0 * x

    with pytest.raises(AutodiffError, match="complex"):
        grad(f)(2.0)


def test_conversion_by_a_compiled_extension_is_refused() -> None:
    with pytest.raises(AutodiffError, match="derivative"):
        grad(lambda x: compiled.array("d", [x, 2.0])[0])(1.0)


def test_value_of_an_earlier_call_is_refused() -> None:
    assert um.keeps(3.0) == 18.0
    um.STORE.clear()
    assert grad(um.keeps)(3.0) == pytest.approx(12.0)
    with pytest.raises(AutodiffError, match="earlier call"):
        grad(um.keeps)(3.0)
    with pytest.raises(AutodiffError, match="earlier call"):
        jvp(um.keeps, (3.0,), (1.0,))
    with pytest.raises(AutodiffError, match="earlier call"):
        grad(lambda x: um.STORE["first"])(3.0)
    with pytest.raises(AutodiffError, match="earlier call"):
        grad(lambda x: um.STORE["first"] * 2.0)(3.0)


class Kernel:
    """Keeps its parameters between calls, and looks at the old ones for their shape only."""

    def __init__(self) -> None:
        self.theta: Any = np.ones(3)

    def likelihood(self, theta: Any) -> Any:
        old = np.log(np.hstack([self.theta[:1], np.reshape(self.theta[1:] ** 2, -1)]))
        self.theta = np.exp(theta[: old.shape[0]])
        return np.sum(self.theta**2)

    def stale(self, theta: Any) -> Any:
        return np.sum(self.theta) + np.sum(theta)


def test_state_that_a_trace_leaves_behind() -> None:
    kernel = Kernel()
    expected = 2 * np.exp(2 * X)
    for _ in range(2):
        assert grad(kernel.likelihood)(X) == pytest.approx(expected)
        assert jvp(kernel.likelihood, (X,), (np.ones(3),))[1] == pytest.approx(expected.sum())
    # Between traces it is as good as plain numbers.
    assert float(np.sum(kernel.theta)) == pytest.approx(np.exp(X).sum())
    assert type(kernel.theta * 2.0) is np.ndarray
    assert np.asarray(kernel.theta) == pytest.approx(np.exp(X))
    assert kernel.stale(X) == pytest.approx(np.exp(X).sum() + X.sum())
    for transform in (grad(kernel.stale), lambda x: jvp(kernel.stale, (x,), (X,))):
        with pytest.raises(AutodiffError, match="earlier call"):
            transform(X)
    with pytest.raises(AutodiffError, match="earlier call"):
        grad(lambda _x: kernel.theta[0] * 2.0 + 1.0)(X)
    with pytest.raises(AutodiffError, match="earlier call"):
        grad(lambda x: np.sum(x) * float(kernel.theta[0]))(X)


def test_plain_state_is_allowed() -> None:
    um.STORE["sum"] = 4.0
    assert grad(um.keeps_plain)(3.0) == 4.0


def test_user_exceptions_pass_unchanged() -> None:
    error = BoomError("mine")

    def f(x: Any) -> Any:
        raise error

    with pytest.raises(BoomError) as caught:
        grad(f)(X)
    assert caught.value is error


def test_unsupported_function_names_line() -> None:
    with pytest.raises(AutodiffError, match="lose the derivative") as caught:
        grad(lambda x: compiled.array("d", x)[0])(X)
    located(caught.value, "test_scope.py", 'compiled.array("d", x)')


def test_object_arrays_are_refused() -> None:
    with pytest.raises(AutodiffError):
        grad(lambda x: np.sum(np.array([x, x], dtype=object)))(1.0)


def test_constants_made_in_the_function_stay_plain_numbers_outside() -> None:
    made: dict[str, Any] = {}

    def f(x: Any) -> Any:
        made["zeros"] = np.zeros(2)
        made["shape"] = np.zeros(len(x)).shape
        return np.sum(x)

    vjp(f, X)
    assert made["shape"] == (3,)
    # A constant that outlives its trace is still its value.
    assert np.array_equal(np.asarray(made["zeros"]), [0.0, 0.0])
    assert float(made["zeros"][0] + 1.0) == 1.0


def test_random_numbers_inside() -> None:
    def f(x: Any) -> Any:
        noise = np.random.default_rng(3).normal(size=3)
        state = np.random.RandomState(3).uniform(size=3)
        return np.sum(x * noise) + x[0] * state[0]

    expected = np.random.default_rng(3).normal(size=3)
    expected[0] += np.random.RandomState(3).uniform(size=3)[0]
    assert grad(f)(X) == pytest.approx(expected)


def test_hessian_through_replaced_names() -> None:
    def f(x: Any) -> Any:
        y = np.zeros(2)
        y[0] = math.sin(x[0]) * x[1]
        y[1] = float(x[1]) ** 2
        return float(np.sum(np.array([y[0] * y[1], y[0]])))

    def g(x: Any) -> Any:
        return np.sin(x[0]) * x[1] * (x[1] ** 2 + 1.0)

    assert hessian(f)(X[:2]) == pytest.approx(hessian(g)(X[:2]), rel=1e-12)


def test_other_names_of_the_module_are_left_alone() -> None:
    assert grad(um.looks_at_none)(0.3) == pytest.approx(math.cos(0.3))


def test_compiled_code_that_refuses_with_an_error_of_its_own(tmp_path: Any, monkeypatch: Any) -> None:
    """SciPy's as_strided finds no memory (AttributeError): the names of the helper's module are replaced then, too."""
    (tmp_path / "strided_helper.py").write_text(
        "import scipy.linalg as la\ndef f(x):\n    return la.toeplitz(x).sum()\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    helper = importlib.import_module("strided_helper")
    helpers = {"f": helper.f}
    np.testing.assert_array_equal(grad(lambda x: helpers["f"](x))(np.ones(3)), [3.0, 4.0, 2.0])
    with pytest.raises(ZeroDivisionError):
        grad(lambda x: x / 0 if helpers["f"](np.ones(2)) else x)(1.0)


def test_a_name_that_is_bound_to_an_array_now(monkeypatch: Any) -> None:
    """It was bound to a function that is replaced: arrays cannot be asked whether they are equal to one."""
    assert grad(um.bound_early)(0.3) == pytest.approx(grad(um.bound_early)(0.3))
    for _ in range(2):
        monkeypatch.setattr(um, "exp", np.ones(3))
        assert grad(um.looks_at_none)(0.3) == pytest.approx(math.cos(0.3))
        assert isinstance(um.exp, np.ndarray)
        assert grad(um.looks_at_none)(0.3) == pytest.approx(math.cos(0.3))


def test_the_gradient_is_nobody_elses_memory() -> None:
    """Pullbacks may give what others hold: a constant of the function's, what the tape has saved, the cotangent."""
    constant = np.array([1.0, 2.0, 3.0])
    held = primitive(lambda x: np.sum(constant * x))
    defvjp(held, lambda ans, x: lambda g: constant)
    for f in (lambda x: np.sum(constant * x), lambda x: np.dot(constant, x), lambda x: constant @ x, held):
        first = grad(f)(X)
        first[:] = 7.0
        np.testing.assert_array_equal(constant, [1.0, 2.0, 3.0])
        np.testing.assert_array_equal(grad(f)(X), constant)
    seed = np.array([1.0, 10.0, 100.0])
    _, pullback = vjp(lambda x: x + 1.0, X)
    (found,) = pullback(seed)
    found[:] = 0.0
    np.testing.assert_array_equal(seed, [1.0, 10.0, 100.0])


def test_who_holds_functions_with_callbacks_is_asked_once_a_change(monkeypatch: Any) -> None:
    import gc

    from scipy.optimize import brentq

    walks = []
    real = gc.get_referrers
    monkeypatch.setattr(gc, "get_referrers", lambda *objects: walks.append(len(objects)) or real(*objects))

    def f(x: Any) -> Any:
        return np.sum(x * x)

    grad(f)(X)
    del walks[:]
    for _ in range(3):
        grad(f)(X)
    assert not walks
    table = {"solve": brentq}
    for _ in range(3):
        grad(f)(X)
    assert len(walks) == 1
    assert table
