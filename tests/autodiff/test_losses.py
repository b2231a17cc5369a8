"""The ways in which a traced value could lose its derivative, and what becomes of each.

Every case is a function of a number or of an array, as people write it. A case is ``right`` (value and derivative as
plain Python's and finite differences'), ``refused`` (an error with this file and the line, and what to do), or
``noted`` (an array of texts; a warning says that a number read back from it would lose its derivative). None is silent.
"""

from __future__ import annotations

import array
import cmath
import copy
import ctypes
import datetime
import decimal
import fractions
import functools
import io
import json
import math
import multiprocessing
import os
import pickle
import statistics
import struct
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import scipy.integrate
import scipy.linalg
import scipy.optimize
from scipy.integrate import solve_ivp
from scipy.interpolate import RegularGridInterpolator, interp1d

from gradcheck.autodiff import (
    AutodiffError,
    checkpoint,
    defjvp,
    defvjp,
    grad,
    jvp,
    noting,
    primitive,
    vjp,
)
from gradcheck.autodiff.text import TextWarning

from . import jumping_module
from .checking import assert_close, difference

X = 1.37
A = np.array([0.31, -0.83, 1.27, 0.59])
Function = Callable[[Any], Any]


def through_bytes(x: Any) -> Any:
    stream = io.BytesIO()
    np.save(stream, x)
    stream.seek(0)
    return np.load(stream) * 1.0


def through_text(x: Any) -> Any:
    stream = io.StringIO()
    np.savetxt(stream, x)
    stream.seek(0)
    return np.loadtxt(stream) * 1.0


def zipped(x: Any) -> Any:
    stream = io.BytesIO()
    np.savez(stream, a=x)
    stream.seek(0)
    return np.load(stream)["a"] * 1.0


def into_record(x: Any) -> Any:
    y = np.zeros(2, dtype=[("p", float), ("q", float)])
    y["p"] = x[:2]
    return y["p"] * 1.0


def into_objects(x: Any) -> Any:
    y = np.empty(2, dtype=object)
    y[:] = [x[0], x[1]]
    return y.sum()


def into_plain_buffer(x: Any) -> Any:
    y = array.array("d", [0.0])
    y[0] = x[0]
    return y[0] * x[0]


def into_c(x: Any) -> Any:
    return ctypes.c_double(x).value * x


def into_pointer(x: Any) -> Any:
    return x.ctypes.data_as(ctypes.POINTER(ctypes.c_double))[0] * x


def in_thread(x: Any) -> Any:
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(np.sin(x[0]) * x[1]))
    thread.start()
    thread.join()
    return found[0]


def replaced_names_in_pool(x: Any) -> Any:
    def work(v: Any) -> Any:
        y = np.zeros(1)
        y[0] = v
        return math.sin(y[0])

    with ThreadPoolExecutor(2) as pool:
        return sum(pool.map(work, x))


def in_pool(x: Any) -> Any:
    with ThreadPoolExecutor(2) as pool:
        return sum(pool.map(lambda v: v * v, x))


def in_process(x: Any) -> Any:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(abs, (x,))


def cached_by_value(x: Any) -> Any:
    @functools.lru_cache
    def square(v: Any) -> Any:
        return v * v

    return square(x) + square(x)


@functools.lru_cache
def global_cache(v: Any) -> Any:
    return v * v * 3.0


class Lazy:
    def __init__(self, x: Any) -> None:
        self.x = x

    @functools.cached_property
    def square(self) -> Any:
        return self.x * self.x


def with_default(x: Any, f: Any = math.sin) -> Any:
    return f(x)


TABLE = {"sin": math.sin}

NUMBERS: dict[str, tuple[str, Function]] = {
    "float": ("right", lambda x: float(x) * x),
    "int": ("right", lambda x: int(x) * x),
    "round": ("right", lambda x: round(x, 1) * x),
    "complex": ("refused", lambda x: abs(complex(x, 1.0))),
    "cmath": ("refused", lambda x: abs(cmath.exp(1j * x) * x)),
    "np.float64": ("right", lambda x: np.float64(x) * x),
    "np.asarray": ("right", lambda x: np.asarray(x) * x),
    "copy": ("right", lambda x: copy.copy(x) * copy.deepcopy(x)),
    "math in a table": ("right", lambda x: TABLE["sin"](x)),
    "math as default": ("right", with_default),
    "math of many": ("right", lambda x: math.fsum(v * v for v in (x, 1.0)) + math.prod(v for v in (x, x))),
    "math.frexp": ("right", lambda x: math.frexp(x)[0] * x),
    "math.modf": ("right", lambda x: math.modf(x)[0] * x),
    "math.nextafter": ("right", lambda x: math.nextafter(x, 5.0) * x),
    "math.ulp": ("right", lambda x: x + math.ulp(x)),
    "cache": ("right", cached_by_value),
    "global cache": ("right", global_cache),
    "cached property": ("right", lambda x: Lazy(x).square * x),
    "cache by rounded key": ("right", lambda x: {round(x, 3): x * x}[round(x, 3)]),
    "eval of an expression": ("right", lambda x: eval("x ** 2")),
    "decimal": ("refused", lambda x: float(decimal.Decimal(x)) * x),
    "fraction": ("refused", lambda x: float(fractions.Fraction(x)) * x),
    "ratio": ("refused", lambda x: x.as_integer_ratio()[0] / x),
    "hexadecimal": ("refused", lambda x: float.fromhex(x.hex()) * x),
    "pickle": ("refused", lambda x: pickle.loads(pickle.dumps(x)) * x),
    "struct": ("refused", lambda x: struct.unpack("d", struct.pack("d", x))[0] * x),
    "array.array": ("refused", lambda x: array.array("d", [x])[0] * x),
    "ctypes": ("refused", into_c),
    "json": ("refused", lambda x: json.loads(json.dumps({"a": x}))["a"] * x),
    "random numbers": ("refused", lambda x: np.random.default_rng(1).normal(x, 1.0)),
    "str": ("refused", lambda x: float(str(x)) * x),
    "repr": ("refused", lambda x: float(repr(x)) * x),
    "f-string": ("refused", lambda x: float(f"{x:.17g}") * x),
    "percent": ("refused", lambda x: float("%.17g" % x) * x),  # noqa: UP031
    "eval of text": ("refused", lambda x: eval(f"{x!r} ** 2") * x),
    "decimal of text": ("refused", lambda x: float(decimal.Decimal(str(x))) * x),
    "text among text": ("refused", lambda x: float(f"x = {x:.12f};".strip("x =;")) * x),
    "text in json": ("refused", lambda x: json.loads(f'{{"a": {x}}}')["a"] * x),
    "text in a file": ("refused", lambda x: np.loadtxt(io.StringIO(f"{x} 2.0"))[0] * x),
    "joined text": ("refused", lambda x: sum(float(part) for part in ",".join([str(x), "2.0"]).split(",")) * x),
    "rounded text": ("refused", lambda x: np.float64("%.3e" % x) * x),  # noqa: UP031
    "text of an array": ("refused", lambda x: float(str(np.array([x, 2.0]))[1:-1].split()[0]) * x),
    "timedelta": ("refused", lambda x: datetime.timedelta(seconds=x).total_seconds() * x),
    "intervals of quad": ("refused", lambda x: scipy.integrate.quad(np.exp, 0, x, full_output=1)[2]["rlist"][0] * x),
    "statistics.mean": ("refused", lambda x: statistics.mean([x, x * x, 2.0])),
    "statistics.fmean": ("right", lambda x: statistics.fmean([x, x * x, 2.0])),
    "statistics.median": ("right", lambda x: statistics.median([x, x * x, 7.0])),
    "statistics.stdev": ("refused", lambda x: statistics.stdev([x, x * x, 2.0])),
}
ARRAYS: dict[str, tuple[str, Function]] = {
    "float of an element": ("right", lambda x: float(x[0]) * x),
    "item": ("right", lambda x: x.item(2) * x),
    "tolist": ("right", lambda x: sum(v * v for v in x.tolist())),
    "list and back": ("right", lambda x: np.array(list(x)) ** 2),
    "np.array of lists": ("right", lambda x: np.array([[v, v * v] for v in x])),
    "np.asarray": ("right", lambda x: np.asarray(x, dtype=float) * x),
    "np.fromiter": ("right", lambda x: np.fromiter((v * v for v in x), float)),
    "np.vectorize": ("right", lambda x: np.vectorize(lambda v: v * v)(x)),
    "float32": ("right", lambda x: x.astype(np.longdouble).astype(float) ** 2),
    "integers": ("right", lambda x: x.astype(int) * x),
    "object array": ("refused", lambda x: np.array([x, None], dtype=object)[0] * 1.0),
    "object array of numbers": ("refused", into_objects),
    "record array": ("refused", into_record),
    "records": ("refused", lambda x: np.rec.fromarrays([x, x * x], names="a,b").a * 1.0),  # type: ignore[call-overload]
    "matrix": ("refused", lambda x: np.asarray(np.matrix(x) * np.matrix(x).T)[0, 0]),
    "masked array": ("refused", lambda x: np.ma.masked_less(x, 0.0).sum()),
    "array.array": ("refused", into_plain_buffer),
    "memoryview": ("refused", lambda x: sum(memoryview(x))),
    "np.frombuffer": ("refused", lambda x: np.frombuffer(x) * 1.0),
    "tobytes": ("refused", lambda x: np.frombuffer(x.tobytes()) * 1.0),
    "data": ("refused", lambda x: np.frombuffer(x.data) * 1.0),
    "pointer": ("refused", into_pointer),
    "view as integers": ("refused", lambda x: x.view(np.int64) * 1.0),
    "dlpack": ("refused", lambda x: np.from_dlpack(x) * 1.0),  # type: ignore[operator]
    "np.save": ("refused", through_bytes),
    "np.savez": ("refused", zipped),
    "np.savetxt": ("refused", through_text),
    "tofile": ("refused", lambda x: x.tofile("/nowhere/at/all")),
    "pickle": ("refused", lambda x: pickle.loads(pickle.dumps(x)) ** 2),
    "json": ("refused", lambda x: np.array(json.loads(json.dumps(x.tolist()))) ** 2),
    "text array": ("noted", lambda x: np.array([str(v) for v in x]).astype(float) ** 2),
    "array2string": ("refused", lambda x: sum(float(s) for s in np.array2string(x)[1:-1].split()) * x),
    "array of text": ("refused", lambda x: x.astype(str).astype(float) * x),
    "np.char": ("refused", lambda x: np.char.mod("%.15g", x).astype(float) * x),
    "timedelta64": ("refused", lambda x: (x * 1e9).astype("timedelta64[ns]").astype(float) * x),
    "nditer": ("refused", lambda x: sum(v * v for v in np.nditer(x))),  # type: ignore[misc, operator]
    "as_strided": ("refused", lambda x: np.lib.stride_tricks.as_strided(x, (2, 2), (8, 8)) * 1.0),
    "thread": ("right", in_thread),
    "thread pool": ("right", in_pool),
    "replaced names in threads": ("refused", replaced_names_in_pool),
    "process": ("refused", in_process),
}
CASES = [(name, "number", *case) for name, case in NUMBERS.items()]
CASES += [(name, "array", *case) for name, case in ARRAYS.items()]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")  # np.matrix
@pytest.mark.parametrize("mode", ["reverse", "forward"])
@pytest.mark.parametrize(("name", "kind", "fate", "f"), CASES, ids=[f"{k}: {n}" for n, k, *_ in CASES])
def test_fate(name: str, kind: str, fate: str, f: Function, mode: str) -> None:
    x: Any = X if kind == "number" else A.copy()
    direction: Any = 1.0 if kind == "number" else np.cos(np.arange(4.0))

    def derive() -> tuple[Any, Any]:
        if mode == "forward":
            return jvp(f, (x,), (direction,))
        value, pull = vjp(f, x)
        weights = np.ones(np.shape(value)) if isinstance(value, np.ndarray) else 1.0
        return value, np.sum(pull(weights)[0] * direction)

    if fate == "refused":
        with noting(), pytest.raises(AutodiffError) as caught:
            derive()
        assert caught.value.where is not None
        assert caught.value.where.file == __file__
        return
    if fate == "noted":
        with pytest.warns(TextWarning, match="would lose its derivative"):
            derive()
        with noting() as notes:
            derive()
        assert any(place is not None and place.file == __file__ for place in notes.texts)
        return
    value, slope = derive()
    expected = f(x)
    assert np.array_equal(value, expected)
    measured = difference(f, (x,), (direction,))[0]
    assert_close(slope, measured if mode == "forward" else np.sum(measured), 1e-7, name)


def test_a_cache_filled_before_does_not_answer_for_a_traced_value() -> None:
    global_cache.cache_clear()
    assert global_cache(X) == 3 * X * X
    assert grad(global_cache)(X) == pytest.approx(6 * X)
    assert global_cache.cache_info().hits == 0
    assert grad(global_cache)(X) == pytest.approx(6 * X)


def test_a_cache_that_keeps_traced_values_is_named() -> None:
    kept = Lazy(0.0)

    def f(x: Any) -> Any:
        kept.x = x
        return kept.square * x

    assert grad(f)(2.0) == pytest.approx(12.0)
    with pytest.raises(AutodiffError, match="earlier call"):
        grad(f)(2.0)


def test_swallowed_losses_come_up_again() -> None:
    def f(x: Any) -> Any:
        try:
            return struct.unpack("d", struct.pack("d", x))[0]
        except Exception:
            return 2.0 * x

    with pytest.raises(AutodiffError):
        grad(f)(X)


TWICE = np.diag([2.0, 2.0, 1.0])
WEIGHTS = np.arange(9.0).reshape(3, 3)


@pytest.mark.parametrize(
    ("through", "at"),
    [
        (lambda u, s, vh: np.sum(WEIGHTS * ((u * np.exp(s)) @ vh)), TWICE),
        (lambda u, s, vh: ((u * s) @ vh)[0, 1], TWICE),
        (lambda u, s, vh: ((u * s) @ vh)[1, 2], np.diag([1.0, 0.0, 0.0])),
        (lambda u, s, vh: np.sum(u[:, 0] * vh[1] * WEIGHTS[0]), TWICE),
    ],
    ids=["exp", "an entry", "values 0", "one vector"],
)
def test_what_equal_singular_values_hide_is_nan(through: Function, at: Any) -> None:
    def f(x: Any) -> Any:
        return through(*scipy.linalg.svd(x))

    assert np.isnan(grad(f)(at)).any()
    assert np.isnan(jvp(f, (at,), (np.cos(WEIGHTS),))[1])


@pytest.mark.parametrize(
    ("through", "at"),
    [
        (lambda u, _s, vh: np.sum(WEIGHTS * (u @ vh)), TWICE),
        (lambda _u, s, _vh: np.sum(np.exp(s)), TWICE),
        (lambda u, _s, _vh: np.sum(WEIGHTS * (u[:, :2] @ u[:, :2].T)), TWICE),
        (
            lambda u, s, vh: np.sum(WEIGHTS * (u[:, :1] * s[:1] @ vh[:1]) ** 2),
            np.outer([1.0, 2.0, 0.5], [0.3, 1.0, 2.0]),
        ),
    ],
    ids=["polar", "values", "space", "truncated"],
)
def test_what_equal_singular_values_do_not_hide_is_right(through: Function, at: Any) -> None:
    def f(x: Any) -> Any:
        return through(*scipy.linalg.svd(x))

    direction = np.cos(WEIGHTS)
    measured = difference(f, (at,), (direction,))[0]
    assert_close(np.sum(grad(f)(at) * direction), measured, 1e-6, "reverse")
    assert_close(jvp(f, (at,), (direction,))[1], measured, 1e-6, "forward")


STORE: dict[str, Any] = {}
WORKSPACE = np.zeros(4)


def own_primitive(f: Function) -> Function:
    p = primitive(f)
    defvjp(p, lambda _ans, u: lambda g: g * np.cos(u))
    defjvp(p, lambda g, _ans, u: g * np.cos(u))
    return p


def into_dictionary(u: Any) -> Any:
    STORE["sum"] = u.sum()
    return np.sin(u)


def into_array(u: Any) -> Any:
    np.multiply(u, 2.0, out=WORKSPACE)
    return np.sin(u)


class Model:
    def __init__(self) -> None:
        self.cos: Any = None
        self.history: list[Any] = []

    def __call__(self, u: Any) -> Any:
        self.cos = np.cos(u)
        self.history.append(float(u.sum()))
        return np.sin(u)


def nonlocal_sum(wrap: Function, x: Any) -> Any:
    s = 0.0

    def f(u: Any) -> Any:
        nonlocal s
        s = u.sum()
        return np.sin(u)

    return wrap(f)(x).sum() * s


def attribute(wrap: Function, x: Any) -> Any:
    model = Model()
    return wrap(model.__call__)(x).sum() * model.cos[0]


def history(wrap: Function, x: Any) -> Any:
    model = Model()
    return wrap(model.__call__)(x).sum() * model.history[-1]


@pytest.mark.parametrize("wrap", [own_primitive, checkpoint])
@pytest.mark.parametrize(
    "f",
    [
        lambda wrap, x: wrap(into_dictionary)(x).sum() * STORE["sum"],
        lambda wrap, x: wrap(into_array)(x).sum() * WORKSPACE[0],
        nonlocal_sum,
        attribute,
        history,
    ],
    ids=["dictionary", "array", "nonlocal", "attribute", "list"],
)
def test_what_a_primitive_stores_outside_is_refused_where_it_is_read(wrap: Function, f: Function) -> None:
    for _ in range(2):  # the second time with the same values, which are there already
        WORKSPACE[:] = 0.0
        with pytest.raises(AutodiffError, match="stored outside of itself") as caught:
            grad(lambda x: f(wrap, x))(A)
        assert caught.value.where is not None
        assert caught.value.where.file == __file__
    assert type(WORKSPACE) is np.ndarray
    assert isinstance(STORE.get("sum", 0.0), float)


def test_what_a_primitive_stores_for_its_own_rules_is_plain_there_and_afterwards() -> None:
    model = Model()
    p = primitive(model.__call__)
    defvjp(p, lambda _ans, _u: lambda g: g * model.cos)
    f = [lambda x: p(x).sum(), lambda x: p(x).sum() if len(model.history) and model.history[-1] > 0 else x.sum()]
    for g in f:
        assert grad(g)(A) == pytest.approx(np.cos(A))
        assert type(model.cos) is np.ndarray
        assert type(model.history[-1]) is float


def kept_in_a_callback(solve: Function) -> Function:
    """The function that reads what the callback of a function of SciPy has kept of its last call."""

    def f(x: Any) -> Any:
        kept: dict[str, Any] = {}

        def keep(*values: Any) -> Any:
            kept["last"] = values[0] if np.ndim(values[0]) == 0 else values[0][0]
            return values[-1]

        return solve(x, keep) * kept["last"]

    return f


@pytest.mark.filterwarnings("ignore::gradcheck.autodiff.NumericDerivativeWarning")
@pytest.mark.parametrize(
    "solve",
    [
        lambda x, keep: scipy.integrate.quad(lambda t, c: keep(c * c, t * c), 0.0, 1.0, args=(x,))[0],
        lambda x, keep: scipy.integrate.quad(lambda t: keep(t, t * x), 0.0, x)[0],
        lambda x, keep: scipy.optimize.brentq(lambda y: keep(y * x, y**3 - x), 0.0, 5.0),
        lambda x, keep: scipy.optimize.brentq(lambda y: keep(y, y**3 - x), 0.0, 5.0),
        lambda x, keep: scipy.optimize.minimize(lambda y: (y[0] - x) ** 2, [0.0], callback=keep).x[0],
        lambda x, keep: solve_ivp(lambda t, y: keep(t, -x * y), (0.0, 1.0), [1.0]).y[0, -1],
        lambda x, keep: solve_ivp(lambda _t, _y: [x], (0, 2), [-1.0], events=lambda t, y: keep(t, y[0])).t_events[0][0],
    ],
    ids=["quad, args", "quad, place", "root, traced", "root, plain", "iterate", "ODE", "event"],
)
def test_what_a_callback_keeps_is_refused_where_it_is_read(solve: Function) -> None:
    with pytest.raises(AutodiffError, match="a callback has stored outside of itself"):
        grad(kept_in_a_callback(solve))(X)


def test_what_a_callback_keeps_of_constants_is_constant() -> None:
    f = kept_in_a_callback(lambda x, keep: x * scipy.optimize.brentq(lambda y: keep(y, y**3 - 8.0), 0.0, 5.0))
    assert grad(f)(X) == pytest.approx(4.0)


@pytest.mark.parametrize(
    "table",
    [
        interp1d([0.0, 1.0, 2.0], [0.0, 1.0, 1.5], bounds_error=False, fill_value=1.501),
        lambda t: np.interp(t, [0.0, 1.0, 2.0], [0.0, 1.0, 1.5], right=1.501),
        lambda t: RegularGridInterpolator(([0.0, 1.0, 2.0],), [0.0, 1.0, 1.5], "linear", False, 1.501)([t])[0],
    ],
    ids=["interp1d", "interp", "grid"],
)
@pytest.mark.parametrize(
    "integrate",
    [
        lambda f: scipy.integrate.odeint(lambda y, t: f(t) - 0.1 * y, [0.5], [0.0, 3.0])[-1, 0],
        lambda f: scipy.integrate.quad(f, 0.0, 3.0)[0],
    ],
    ids=["odeint", "quad"],
)
def test_a_small_jump_at_the_end_of_a_table_is_found(table: Function, integrate: Function) -> None:
    with pytest.raises(AutodiffError, match="jumps"):
        grad(lambda x: integrate(lambda t: table(t * x)))(X)


def decay(rate: Any, **options: Any) -> Any:
    return solve_ivp(lambda _t, y: -rate * y, (0.0, 2.0), [1.0], **options)


@pytest.mark.parametrize(
    "f",
    [
        lambda s: np.interp(0.77, s.t, s.y[0]),
        lambda s: np.sum(0.5 * (s.y[0, 1:] + s.y[0, :-1]) * np.diff(s.t)),
        lambda s: s.t[1],
        lambda s: np.sum(s.y),
        lambda s: s.sol.ts[1],
    ],
    ids=["interp", "trapezoid", "a time", "all states", "dense"],
)
def test_the_steps_of_an_ode_solver_have_no_derivative(f: Function) -> None:
    with pytest.raises(AutodiffError, match="which steps solve_ivp takes") as caught:
        grad(lambda x: f(decay(x, dense_output=True)))(X)
    assert caught.value.where is not None
    assert caught.value.where.line == decay.__code__.co_firstlineno + 1
    assert np.isnan(jvp(lambda x: f(decay(x, dense_output=True)), (X,), (1.0,))[1])


@pytest.mark.parametrize(
    "f",
    [
        lambda x: decay(x, rtol=1e-10, atol=1e-12).y[0, -1],
        lambda x: np.min(decay(x, rtol=1e-10, atol=1e-12).y[0]) * len(decay(X).t),
        lambda x: np.interp(
            0.77, np.linspace(0, 2, 9), decay(x, t_eval=np.linspace(0, 2, 9), rtol=1e-12, atol=1e-13).y[0]
        ),
        lambda x: np.interp(0.77, *(lambda s: (s.t, s.y[0]))(decay(x, max_step=0.01, first_step=0.01, rtol=1e-3))),
        lambda x: decay(x, dense_output=True, rtol=1e-10, atol=1e-12).sol(0.77)[0],
        lambda x: solve_ivp(lambda _t, y: -y, (0.0, x), [1.0], rtol=1e-10).t[-1] ** 2,
    ],
    ids=["last", "smallest", "t_eval", "equal steps", "dense", "end"],
)
def test_what_does_not_depend_on_the_steps_of_an_ode_solver_is_right(f: Function) -> None:
    measured = difference(f, (X,), (1.0,))[0]
    assert_close(grad(f)(X), measured, 1e-6, "reverse")
    assert_close(jvp(f, (X,), (1.0,))[1], measured, 1e-6, "forward")


class Solvers:
    """Functions of SciPy that no name in this module is bound to."""

    quad = staticmethod(scipy.integrate.quad)

    def __init__(self) -> None:
        self.root = scipy.optimize.brentq


SOLVERS = {"quad": scipy.integrate.quad, "ivp": scipy.integrate.solve_ivp}
OBJECT = Solvers()


def above(x: Any) -> Function:
    return lambda t: 1.0 if t > x else -1.0


@pytest.mark.parametrize(
    "f",
    [
        lambda x: SOLVERS["quad"](above(x), 0.0, 2.0)[0],
        lambda x: SOLVERS["ivp"](lambda t, _y: [above(x)(t)], (0.0, 2.0), [0.0], rtol=1e-8).y[0, -1],
        lambda x: Solvers.quad(above(x), 0.0, 2.0)[0],
        lambda x: OBJECT.root(above(x), 0.0, 2.0),
        lambda x, q=scipy.integrate.quad: q(above(x), 0.0, 2.0)[0],
        lambda x: jumping_module.step_integral(x, 2.0),
    ],
    ids=["table", "table, ODE", "class", "attribute", "default", "another module"],
)
def test_a_jump_in_a_callback_is_found_however_the_function_is_held(f: Function) -> None:
    with pytest.raises(AutodiffError, match="jumps"):
        grad(f)(X)


def test_a_function_that_is_held_only_now() -> None:
    holder: list[Any] = []

    def f(x: Any) -> Any:
        return holder[0](above(x), 0.0, 2.0) if holder else x

    assert grad(f)(X) == 1.0
    holder.append(scipy.optimize.ridder)
    with pytest.raises(AutodiffError, match="jumps"):
        grad(f)(X)


FORK = multiprocessing.get_context("fork") if "fork" in multiprocessing.get_all_start_methods() else None


def run_forked(work: Callable[[], None]) -> None:
    assert FORK is not None
    process = FORK.Process(target=work)
    process.start()
    process.join()


def by_shared_value(x: Any) -> Any:
    assert FORK is not None
    shared = FORK.Value("d", 0.0)

    def work() -> None:
        shared.value = x * x

    run_forked(work)
    return shared.value * x


def by_shared_array(x: Any) -> Any:
    assert FORK is not None
    shared = np.frombuffer(FORK.RawArray("d", 2))

    def work() -> None:
        shared[0] = x * x

    run_forked(work)
    return shared[0] * x


def by_pipe(x: Any) -> Any:
    reading, writing = os.pipe()
    run_forked(lambda: os.write(writing, struct.pack("d", x)) and None)
    os.close(writing)
    with os.fdopen(reading, "rb") as file:
        data = file.read()
    return x * x if not data else struct.unpack("d", data)[0] * x


@pytest.mark.skipif(FORK is None, reason="processes cannot be forked here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
@pytest.mark.parametrize("f", [by_shared_value, by_shared_array, by_pipe])
def test_what_a_forked_process_would_lose_is_refused_in_this_one(f: Function, capfd: Any) -> None:
    with pytest.raises(AutodiffError, match="in a forked process") as caught:
        grad(f)(X)
    assert caught.value.where is not None
    assert caught.value.where.file == __file__
    assert "Traceback" in capfd.readouterr().err  # the child's own


@pytest.mark.skipif(FORK is None, reason="processes cannot be forked here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_what_a_forked_process_decides_has_no_derivative() -> None:
    assert FORK is not None
    shared = FORK.Value("d", 0.0)

    def f(x: Any) -> Any:
        def work() -> None:
            shared.value = 2.0 if x > 1.0 else grad(lambda y: np.ones(1).dot(y))(np.ones(1))[0]

        run_forked(work)
        return shared.value * x

    assert grad(f)(X) == 2.0
    assert grad(f)(0.5) == 1.0


def test_a_value_from_a_cache_is_refused() -> None:
    class Model:
        x: Any = None

        def fun(self, x: Any) -> Any:
            if self.x is None or not np.array_equal(x, self.x):
                self.x = np.array(x)
                self.value = np.sum(x**2)
            return self.value

    model, x = Model(), np.array([1.0, 2.0])
    np.testing.assert_allclose(grad(model.fun)(x), 2 * x)
    np.testing.assert_allclose(grad(model.fun)(x + 1), 2 * x + 2)
    with pytest.raises(AutodiffError, match="earlier call"):  # what that has left there
        grad(model.fun)(x + 1)
    model.fun(x)
    with pytest.raises(AutodiffError, match="equal to a stored one") as caught:
        grad(model.fun)(x)
    assert caught.value.where is not None
    assert caught.value.where.file == __file__
    # What compares with numbers of the code, or with parts, is no cache.
    assert grad(lambda v: 1.0 if v == 0 else np.sin(v) / v)(0.0) == 0.0
    np.testing.assert_allclose(grad(lambda v: 1.0 * np.sum(v == x[0]))(x), 0.0)
