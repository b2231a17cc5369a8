"""Functions that the core calls on plain values, or runs again: primitives and checkpoints that write to their
arguments, keep what they return, or have a state."""

from __future__ import annotations

import gc
import os
import platform
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gradcheck import AutodiffError, checkpoint, grad, jvp
from gradcheck.extend import defjvp, defvjp, notrace_primitive, primitive

X = np.array([1.0, 2.0, 3.0])
ONES = np.ones(3)


def in_both_modes(f: Any) -> tuple[Callable[[], Any], Callable[[], Any]]:
    return lambda: grad(f)(X), lambda: jvp(f, (X,), (ONES,))


def refused(f: Any, message: str) -> None:
    for run in in_both_modes(f):
        with pytest.raises(AutodiffError, match=message):
            run()


def sets_an_element(u: Any) -> Any:
    u[0] = 7.0
    return u * u


def sorts(u: Any) -> Any:
    u[::2].sort()
    return u * u


def writes_by_out(u: Any) -> Any:
    np.multiply(u, 2.0, out=u)
    return u * u


def sets_one_of_a_view(u: Any) -> Any:
    u[::-1][0] = 3.0  # what it was before
    return u * u


def replaces_an_item(d: Any) -> Any:
    d["w"] = d["w"] * 2.0
    return d["w"]


def extends_a_list(d: Any) -> Any:
    d["all"].append(d["w"])
    return d["w"] * 2.0


@pytest.mark.parametrize("writes", [sets_an_element, sets_one_of_a_view, sorts, writes_by_out])
@pytest.mark.parametrize("opaque", [checkpoint, primitive])
def test_function_that_writes_to_its_argument(opaque: Any, writes: Any) -> None:
    call = opaque(writes)
    if opaque is primitive:
        defvjp(call, lambda ans, u: lambda g: g * ONES)
        defjvp(call, lambda t, ans, u: t)

    def f(x: Any) -> Any:
        w = x * 1.0
        return np.sum(call(w)) + np.sum(w)

    kind = "checkpointed function" if opaque is checkpoint else "primitive"
    refused(f, f"the {kind} {writes.__name__} writes to one of its arguments")


@pytest.mark.parametrize("writes", [replaces_an_item, extends_a_list])
def test_function_that_writes_to_a_container(writes: Any) -> None:
    def f(x: Any) -> Any:
        d: dict[str, Any] = {"w": x * 1.0, "all": []}
        return np.sum(checkpoint(writes)(d) * d["w"])

    refused(f, "writes to one of its arguments")


def test_function_that_doubles_its_argument_in_place() -> None:
    def doubled(u: Any) -> Any:
        u *= 2.0
        return u

    def f(x: Any) -> Any:
        w = x * 1.0
        return np.sum(checkpoint(doubled)(w)) + np.sum(w)

    refused(f, "writes to one of its arguments")


@pytest.mark.parametrize("made", [np.zeros, lambda n: np.zeros(n) * 1.0])
@pytest.mark.parametrize("by_name", [False, True])
def test_primitive_that_fills_a_buffer(made: Any, by_name: bool) -> None:
    @primitive
    def fill(a: Any, out: Any) -> Any:
        out[:] = a
        return np.sum(a)

    defvjp(fill, lambda ans, a, out: lambda g: g * ONES, None)
    defjvp(fill, lambda t, ans, a, out: np.sum(t), None)
    outside = np.zeros(3)

    def f(x: Any) -> Any:
        out = made(3)
        total = fill(x, out=out) if by_name else fill(x, out)
        return total + np.sum(out)

    refused(f, "the primitive fill writes to one of its arguments")
    assert fill(X, outside) == 6.0  # nothing is differentiated: a function like any other
    assert np.array_equal(outside, X)
    refused(lambda x: fill(x, outside) + np.sum(outside), "writes to one of its arguments")


def test_constant_primitive_that_writes() -> None:
    @notrace_primitive
    def ranks(a: Any, out: Any) -> Any:
        out[:] = np.argsort(a)
        return out

    buffer = np.zeros(3)
    assert np.array_equal(grad(lambda x: np.sum(ranks(x, buffer) * x))(X), [0.0, 1.0, 2.0])
    assert np.array_equal(buffer, [0.0, 1.0, 2.0])  # whole numbers, without derivative by nature
    refused(lambda x: np.sum(ranks(X, x * 1.0)), "the primitive ranks writes to one of its arguments")


@pytest.mark.parametrize("kept", [lambda b: b, lambda b: b[:], lambda b: {"y": b}])
def test_primitive_that_keeps_the_array_it_returns(kept: Any) -> None:
    buffer = np.zeros(3)

    @primitive
    def doubled(a: Any) -> Any:
        buffer[:] = 2.0 * a
        return kept(buffer)

    def taken(g: Any) -> Any:
        return g["y"] if isinstance(g, dict) else g

    defvjp(doubled, lambda ans, a: lambda g: 2.0 * taken(g))
    defjvp(doubled, lambda t, ans, a: kept(2.0 * t))

    def f(x: Any) -> Any:
        return np.sum(taken(doubled(x)) * taken(doubled(3.0 * x)) * 3.0)

    assert grad(f)(X) == pytest.approx([72.0, 144.0, 216.0])
    assert jvp(f, (X,), (ONES,))[1] == pytest.approx(72.0 + 144.0 + 216.0)


def test_primitive_without_traced_arguments_gets_them_as_they_are() -> None:
    kept: list[float] = []
    note = primitive(lambda to: to.append(1.0))
    note(kept)
    assert kept == [1.0]


def test_compiled_code_that_asks_for_arrays_that_could_be_written_to() -> None:
    @primitive
    def total(a: Any) -> Any:
        if not a.flags.writeable:
            raise TypeError("array must have flags ['WRITEABLE']")
        return np.sum(a)

    defvjp(total, lambda ans, a: lambda g: g * ONES)
    assert np.array_equal(grad(total)(X), ONES)


class Counter:
    k = 0

    def step(self, u: Any) -> Any:
        self.k += 1
        return u * self.k


def test_checkpoint_of_a_function_with_a_state() -> None:
    def counted(x: Any) -> Any:
        saved = checkpoint(Counter().step)
        return np.sum(saved(x) + saved(x))

    refused(counted, "the checkpointed function step has another value when it is run again")
    rng = np.random.default_rng(1)
    refused(lambda x: np.sum(checkpoint(lambda u: u * rng.standard_normal(3))(x)), "another value when it is run again")

    def late(x: Any) -> Any:
        for k in (1.0, 2.0):
            x = checkpoint(lambda u: u * k)(x)  # noqa: B023  (that is what is wrong with it)
        return np.sum(x)

    with pytest.raises(AutodiffError, match="another value when it is run again"):
        grad(late)(X)

    def one_of_many(u: Any) -> Any:
        u = u * np.ones(5000)
        u[rng.integers(5000)] *= 1.5
        return u

    refused(lambda x: np.sum(checkpoint(one_of_many)(x[0])), "another value when it is run again")


def test_checkpoint_of_values_that_are_hard_to_compare() -> None:
    def odd(u: Any) -> Any:
        infinite = np.where(u > 1.5, np.inf, 0.0)
        return {
            "y": u * u,
            "nan": np.where(u > 1.5, np.nan, 0.0),
            "inf": infinite,
            "n": 3,
            "name": "odd",
            "none": np.zeros(0),
        }

    def f(x: Any) -> Any:
        return np.sum(checkpoint(odd)(x)["y"])

    assert grad(f)(X) == pytest.approx(2.0 * X)
    assert jvp(f, (X,), (ONES,))[1] == pytest.approx(12.0)
    assert grad(lambda x: np.sum(checkpoint(np.sort)(x) * X))(X[::-1]) == pytest.approx(X[::-1])


IN_THREADS = """
import threading
from concurrent.futures import ThreadPoolExecutor
import numpy as np
from scipy import integrate, signal
from gradcheck import grad

barrier = threading.Barrier(6)

def work(k):
    def f(x):
        area = integrate.quad(lambda t: t * x[0] * k, 0, 1)[0]
        return area + signal.lfilter([1, x[0]], [1.0], x).sum() + np.sin(x).sum()
    barrier.wait()
    return grad(f)(np.array([0.7, 1.3, 0.4]))

with ThreadPoolExecutor(6) as pool:
    found = list(pool.map(work, range(6)))
for k in range(6):
    assert abs(found[k][0] - found[0][0] - 0.5 * k) < 1e-9, found
"""


def test_first_traces_in_several_threads_at_once() -> None:
    """Rules load in one of them, and the others wait for that."""
    subprocess.run([sys.executable, "-W", "error", "-c", IN_THREADS], check=True, timeout=120)


# -- the same gradient, again and again -------------------------------------------------------------------------------

FAULTS = """
import resource
import numpy as np
from gradcheck import grad

gradient = grad(lambda x: np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2))
x = np.linspace(-1.0, 1.0, 100_000)
gradient(x), gradient(x)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    gradient(x)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc needs to be told to keep freed memory")
def test_the_temporaries_of_a_gradient_find_their_memory_again() -> None:
    """Of six arrays with 200 pages each: a call faulted a thousand times, which took as long as all the rest."""
    own = {
        name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_", "LD_PRELOAD"))
    }
    run = subprocess.run([sys.executable, "-c", FAULTS], env=own, capture_output=True, text=True, check=True)
    assert int(run.stdout) < 20 * 100


def item_by_item(x: Any) -> Any:
    y = np.zeros(1000)
    for i in range(1, 1000):
        y[i] = 0.9 * y[i - 1] + x[i] * x[i]
    if x[0] > 0:
        raise ValueError("not here")
    return np.sum(y)


def test_a_long_tape_is_not_looked_through_for_garbage() -> None:
    """Its records live anyway; Python looked at them a dozen times, and now and then at every object there is."""
    collections: list[int] = []

    def seen(phase: str, information: dict[str, int]) -> None:
        if phase == "start":
            collections.append(information["generation"])

    usual = gc.get_threshold()
    gradient, x = grad(item_by_item), np.linspace(-1.0, 1.0, 1000)
    gradient(x)
    gc.collect()
    gc.callbacks.append(seen)
    try:
        gradient(x)
    finally:
        gc.callbacks.remove(seen)
    assert collections in ([], [0])  # one of the youngest when it is over
    assert gc.get_threshold() == usual
    with pytest.raises(ValueError, match="not here"):
        gradient(-x)
    assert gc.get_threshold() == usual


def test_who_sets_the_garbage_collector_in_a_function_finds_it_so() -> None:
    usual = gc.get_threshold()
    own = (usual[0] + 1, *usual[1:])

    def f(x: Any) -> Any:
        gc.set_threshold(*own)
        return sum(x[i] * x[i] for i in range(1000))

    try:
        grad(f)(X.repeat(400))
        gc.set_threshold(*usual)
        grad(f)(X.repeat(400))
        assert gc.get_threshold() == own
    finally:
        gc.set_threshold(*usual)
