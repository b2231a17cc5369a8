"""Arrays outside of the function: read by their own compiled methods, written to, kept in attributes, lists, defaults.

Whatever is not followed is refused; the user's objects are afterwards what they are after a plain run."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gradcheck.autodiff import AutodiffError, grad, hessian, jacobian, jvp, vjp

from .checking import assert_close, difference

P = np.array([1.3, -0.7])
DIRECTION = np.array([0.4, 1.1])
W = np.array([[1.0, 2.0], [3.0, 4.0]])
BUFFER = np.zeros(2)
GRID = np.zeros((2, 2))
ROW = GRID[0]
HELD: list[Any] = [np.zeros(2)]


def follows(f: Callable[..., Any], x: Any = P) -> None:
    y = np.asarray(f(x)) * 1.0
    value, tangent = jvp(f, (x,), (DIRECTION,))
    assert np.array_equal(value, y)
    measured = difference(f, (x,), (DIRECTION,))[0]
    assert_close(tangent, measured, 1e-7, "forward")
    J = jacobian(f)(x)
    assert_close(np.reshape(J, (y.size, -1)) @ DIRECTION, np.ravel(measured), 1e-7, "reverse")


@pytest.mark.parametrize(
    "f",
    [
        lambda x: W.dot(x),
        lambda x: W.T.dot(x).dot(x),
        lambda x: W.clip(x[1], x[0]),
        lambda x: W.sum(initial=x[0]),
        lambda x: W.max(initial=x[0] * 9),
        lambda x: W.std(axis=0, mean=x[None]),
        lambda x: W[(x > 0).astype(int)] @ x,
        lambda x: W.copy().dot(x),
        lambda x: W[0].searchsorted(x) * x,
    ],
)
def test_compiled_methods_of_a_global(f: Any) -> None:
    follows(f)
    assert type(W) is np.ndarray


def element(x: Any) -> Any:
    BUFFER[0] = x[0] * x[1]
    return BUFFER.sum() * x


def whole(x: Any) -> Any:
    BUFFER[:] = 0.0
    BUFFER[:] += x * x
    return BUFFER.prod()


def then(y: Any, write: Callable[..., Any], *args: Any) -> Any:
    write(*args)
    return y * 1.0


WRITES: dict[str, Callable[[Any], Any]] = {
    "out": lambda x: np.multiply(x, x, out=BUFFER) * 1.0,
    "sum out": lambda x: np.cumsum(x * x, out=BUFFER) * 1.0,
    "dot out": lambda x: np.dot(W, x, out=BUFFER) * 1.0,
    "einsum out": lambda x: np.einsum("ij,j->i", W, x, out=BUFFER) * 1.0,
    "matmul out": lambda x: np.matmul(W, x, out=BUFFER) * 1.0,
    "stack out": lambda x: np.stack([x[0], x[1] ** 2], out=BUFFER) * 1.0,
    "mean out": lambda x: np.mean(W * x, axis=0, out=BUFFER) * 1.0,
    "clip out": lambda x: x.clip(0, 1, out=BUFFER) * 1.0,
    "copyto": lambda x: then(BUFFER, np.copyto, BUFFER, x * x),
    "put": lambda x: then(BUFFER, BUFFER.put, [1, 0], x * x),
    "place": lambda x: then(BUFFER, np.place, BUFFER, [True, True], x * x),
    "putmask": lambda x: then(BUFFER, np.putmask, BUFFER, [True, True], x * x),
    "put_along_axis": lambda x: then(BUFFER, np.put_along_axis, BUFFER, np.array([1, 0]), x * x, 0),
    "flat": lambda x: then(BUFFER, setattr, BUFFER, "flat", x * x),
    "flat item": lambda x: then(BUFFER[:1], BUFFER.flat.__setitem__, 0, x[0] ** 2),
    "real": lambda x: then(BUFFER, setattr, BUFFER, "real", x * x),
    "fill": lambda x: then(BUFFER, BUFFER.fill, x[1] ** 2),
    "list element": lambda x: then(HELD[0], HELD[0].__setitem__, 0, x[0] ** 2),
}


@pytest.mark.parametrize("f", [element, whole, *WRITES.values()], ids=["element", "whole", *WRITES])
def test_writes_to_a_global(f: Any) -> None:
    BUFFER[:], HELD[0][:] = 0.0, 0.0
    before = f(P)
    left = BUFFER.copy(), HELD[0].copy()
    BUFFER[:], HELD[0][:] = 0.0, 0.0
    follows(f)
    BUFFER[:], HELD[0][:] = 0.0, 0.0
    assert np.array_equal(vjp(f, P)[0], before)
    assert type(BUFFER) is np.ndarray
    assert type(HELD[0]) is np.ndarray
    assert np.array_equal(BUFFER, left[0])
    assert np.array_equal(HELD[0], left[1])


class Base:
    scale = np.array([1.5, 2.5])


class Network(Base):
    __slots__ = ("bias",)

    def __init__(self) -> None:
        self.layers = [(np.array([[0.5, -0.2], [0.3, 0.8]]), np.array([0.1, 0.2])), (np.eye(2), np.ones(2))]
        self.options = {"weights": np.array([2.0, 3.0])}
        self.bias = np.array([0.5, 0.25])
        self.work = np.zeros(2)

    def forward(self, x: Any) -> Any:
        for weights, bias in self.layers:
            x = np.tanh(weights.dot(x) + bias)
        return x

    def attributes(self, x: Any) -> Any:
        return self.options["weights"].dot(x) * self.scale.dot(x) + self.bias.dot(x)

    def loop(self, x: Any) -> Any:
        self.work[:] = 0
        for i in range(2):
            self.work[i] += x[i] ** 2
        self.work *= x[0]
        return self.work.sum()

    def rebinds(self, x: Any) -> Any:
        self.work = self.work * 0 + self.scale.dot(x)
        return self.work.sum()


@pytest.mark.parametrize("name", ["forward", "attributes", "loop", "rebinds"])
def test_attributes(name: str) -> None:
    network = Network()
    f = getattr(network, name)
    if name == "rebinds":
        assert grad(f)(P) == pytest.approx(2 * Base.scale)
        return
    follows(f)
    follows(lambda x: f(x) * 2.0)
    assert all(type(a) is np.ndarray for layer in network.layers for a in layer)
    assert type(network.options["weights"]) is np.ndarray
    assert type(Network.scale) is np.ndarray
    assert type(network.bias) is np.ndarray
    assert type(network.work) is np.ndarray


def test_partials_defaults_closures() -> None:
    def affine(weights: Any, x: Any, bias: Any) -> Any:
        return weights.dot(x) + bias

    follows(functools.partial(affine, np.ones((3, 2)), bias=np.ones(3)))

    def defaults(x: Any, work: Any = np.zeros(2), *, more: Any = np.ones(2)) -> Any:  # noqa: B008
        work[0] = x[0]
        more[1] = x[1]
        return (work * more).sum()

    follows(defaults)
    assert all(type(a) is np.ndarray for a in (defaults.__defaults__ or ()))
    work = np.zeros(3)

    def closure(x: Any) -> Any:
        work[0] = x[0]
        work[1:] = x
        return np.sin(work).sum()

    follows(closure)


def test_pullback_after_the_buffer_was_used_again() -> None:
    network = Network()
    value, pullback = vjp(network.loop, P)
    network.loop(10 * P)
    assert pullback(1.0)[0] == pytest.approx(grad(network.loop)(P))
    assert value == network.loop(P)


def test_second_derivatives() -> None:
    assert hessian(lambda x: W.dot(x).dot(x))(P) == pytest.approx(W + W.T)
    with pytest.raises(AutodiffError):
        hessian(element)(P)  # under two traces a buffer outside is not followed


def test_nested_reading() -> None:
    def f(x: Any) -> Any:
        return grad(lambda y: W.dot(y * x).sum() ** 2)(x).sum()

    follows(f)


# -- never two answers for one memory ----------------------------------------------------------------------------------


def test_a_view_under_another_name_is_refused() -> None:
    def f(x: Any) -> Any:
        ROW[:] = x
        return GRID.sum()

    for mode in (lambda: grad(f)(P), lambda: jvp(f, (P,), (P,))):
        with pytest.raises(AutodiffError):
            mode()
    assert type(ROW) is np.ndarray


def test_an_alias_that_nobody_finds_is_refused() -> None:
    hidden = iter([BUFFER])
    first = next(hidden)

    class Odd:
        def __iter__(self) -> Any:
            yield first

    def f(x: Any) -> Any:
        BUFFER[:] = x
        return sum(a.sum() for a in Odd())

    with pytest.raises(AutodiffError):
        grad(f)(P)


def test_an_alias_that_is_found_is_followed() -> None:
    held = [BUFFER]

    def f(x: Any) -> Any:
        BUFFER[:] = x * x
        return held[0].sum()

    follows(f)
    assert held[0] is BUFFER


def test_an_argument_that_is_also_a_global_is_refused() -> None:
    def f(x: Any, work: Any) -> Any:
        work[0] = x[0]
        return BUFFER.sum() + work.sum()

    with pytest.raises(AutodiffError, match="another name"):
        grad(f)(P, BUFFER)
    assert grad(f)(P, np.zeros(2)) == pytest.approx([1.0, 0.0])


def test_swallowed_write_is_not_lost() -> None:
    kept = [BUFFER]  # a second name: not followed

    def f(x: Any) -> Any:
        try:
            BUFFER[0] = x[0]
        except Exception:
            return 3.0 * x[0]
        return iter(kept).__next__().sum()

    assert grad(f)(P) == pytest.approx([1.0, 0.0])


def test_written_by_an_inner_differentiation() -> None:
    state = np.ones(2)

    def f(x: Any) -> Any:
        def inner(y: Any) -> Any:
            state[0] = x[0] * y[0]
            return state[0] * y[1]

        return grad(inner)(x).sum()

    try:
        found = grad(f)(P)
    except AutodiffError:
        return
    assert found @ DIRECTION == pytest.approx(float(difference(f, (P,), (DIRECTION,))[0]))


def test_integer_arrays_and_wrong_shapes_say_what_numpy_says() -> None:
    counts = np.zeros(2, dtype=int)
    with pytest.raises(AutodiffError):
        grad(lambda x: then(x.sum(), counts.put, [0], x[:1]))(P)
    with pytest.raises((ValueError, AutodiffError)):
        grad(lambda x: W.dot(np.concatenate([x, x])).sum())(P)
