"""In-place code: random programs of assignments through views, and values that are overwritten after they were saved.

A program works on a pool of arrays that hold functions of the input; every step writes into one of them, through a
view of a view as likely as not, or makes a new one from others. The same program runs on plain NumPy: that is its
value, and by differences its derivative. Programs are smooth by construction: indices come from the program, never
from the values (but for sorting and masks, whose outcome is taken at the point).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gradcheck.autodiff import grad, hvp, jacobian, jvp

from .checking import STEP, assert_close, difference, numeric_gradient

# NumPy 2.5 has deprecated what NumPy 2.0 to 2.4 do.
pytestmark = pytest.mark.filterwarnings("ignore:Setting the shape:DeprecationWarning")

SHAPE = (3, 4)
POINT = np.array([0.31, -0.83, 1.27, 0.59])
DIRECTION = np.array([0.7, -0.4, 0.2, 1.1])
OUTSIDE = np.linspace(-1.0, 1.0, 12).reshape(SHAPE)
WEIGHTS = np.random.default_rng(5).normal(size=(3, 4))

# -- the vocabulary of programs --------------------------------------------------------------------------------------

VIEWS: dict[str, Callable[[Any], Any]] = {
    "whole": lambda y: y,
    "ellipsis": lambda y: y[...],
    "row": lambda y: y[1],
    "last row": lambda y: y[-1],
    "column": lambda y: y[:, 2],
    "block": lambda y: y[1:, :2],
    "backwards": lambda y: y[::-1, ::-2],
    "steps": lambda y: y[::2, 1::2],
    "transpose": lambda y: y.T,
    "transposed block": lambda y: y.T[1:3],
    "new axis": lambda y: y[:, None, :],
    "ravel": lambda y: y.ravel(),
    "reshape": lambda y: y.reshape(2, 6),
    "reshape part": lambda y: y.reshape(2, 6)[1, ::2],
    "transposed reshape": lambda y: y.T.reshape(6, 2),  # a copy: what is written to it is lost
    "fortran": lambda y: y.T.reshape(12, order="F")[3:8],
    "swapped": lambda y: np.swapaxes(y, 0, 1)[::-1],
    "moved": lambda y: np.moveaxis(y, 0, -1)[1],
    "flipped": lambda y: np.flip(y, 1),
    "squeezed": lambda y: y[1:2].squeeze(0),
    "expanded": lambda y: np.expand_dims(y, 0)[0, 2],
    "empty": lambda y: y[:0],
    "zero-d": lambda y: y[1, 2, ...],
    "split": lambda y: np.split(y, 2, axis=1)[1],
    "at least 3-d": lambda y: np.atleast_3d(y)[:, 1],
    "diagonal of transpose": lambda y: y.T[:3, :3].swapaxes(0, 1)[1:],
    "rolled axes": lambda y: np.rollaxis(y, 1)[::-1, 1:],
    "ravel in Fortran order": lambda y: y.ravel(order="F"),  # a copy of C order
    "ravel in memory order": lambda y: y.T.ravel(order="K")[2:9],
    "three dimensions": lambda y: y.reshape(3, 2, 2)[:, ::-1, 1],
    "view": lambda y: y.view()[::-1],
    "view of view of view": lambda y: y[::-1][:, ::-1].T[1:][:, ::2],
    "all new": lambda y: y[None, ..., None][0, :, 1],
    "one row as matrix": lambda y: y[1:2],
    "nothing of a row": lambda y: y[1, 4:],
    "rotated": lambda y: np.rot90(y)[1:3],
    "broadcast part": lambda y: np.broadcast_arrays(y, 0.0)[0].copy(),
    "by iteration": lambda y: list(y)[2],
    "flat copy": lambda y: y.flat[2:7],
    "real part": lambda y: y.real[1:],
    "ravel of columns": lambda y: y[:, 1].ravel(),  # a copy
    "ravel backwards": lambda y: y[::-1].ravel(),
    "ravel of part": lambda y: np.ravel(y[1:, ::-1], order="A"),
    "ravel in memory order of swapped": lambda y: np.ravel(np.flip(y.T), order="K")[1:],
    "ravel of one column": lambda y: y[:, :1].T.ravel("F"),
    "reshape backwards": lambda y: y[1, ::-1].reshape(-1),
    "conjugate": lambda y: y[::2].conj(),
    "function conjugate": lambda y: np.conj(y[:, ::2]),
    "astype": lambda y: y[:, ::-1].astype(float, copy=False),
    "astype in Fortran order": lambda y: y.T.astype(float, order="F", copy=False)[1:],
    "astype in C order": lambda y: y[1:].astype(float, order="C", copy=False),
    "mesh": lambda y: np.meshgrid(y[:, ::2], copy=False)[0],
    "sparse mesh": lambda y: np.meshgrid(y[0], y[:, 1], sparse=True, copy=False)[1],
    "copied mesh": lambda y: np.meshgrid(y[0], y[:, 1], sparse=True)[0],
    "array in Fortran order": lambda y: np.array(y, copy=None, order="F")[:, 1:],
    "array in any order": lambda y: np.array(y[::-1, 1:], copy=None, order="A"),
    "contiguous": lambda y: np.ascontiguousarray(y[:, 1:]),
    "contiguous transpose": lambda y: np.asfortranarray(y.T)[1],
    "imaginary part": lambda y: (y[::-1] * 1j).imag[1:],
    "window": lambda y: np.lib.stride_tricks.sliding_window_view(y[0], 2).copy(),
    "in place shape": lambda y: reshaped(y.copy()),
    "column split": lambda y: np.hsplit(y, [1, 3])[1],
    "row split": lambda y: np.vsplit(y, 3)[2][0],
}


def reshaped(y: Any) -> Any:
    """A new array that gets another shape in place."""
    y.shape = (4, 3)
    return y


KEYS: dict[str, Any] = {
    "all": ...,
    "slice": slice(1, None),
    "first": 0,
    "negative": -1,
    "reverse": slice(None, None, -1),
    "list": [0, -1],
    "repeated": [0, 0],
    "array": np.array([0, -1, 0]),
    "none": None,
    "tail": (..., slice(-1, None)),
    "negative steps": slice(-1, None, -2),
    "booleans": "mask",
    "grid": "grid",
    "integer array": np.array([[0], [-1]]),
    "NumPy integer": np.int64(-1),
    "empty list": [],
}


def part(y: Any, key: Any) -> Any:
    """The key, if it fits the array; else everything."""
    if isinstance(key, str):
        if y.ndim == 0 or 0 in y.shape:
            return ...
        if key == "mask":
            return np.arange(y.shape[0]) % 2 == 0
        return np.ix_([0, -1], [-1, 0]) if y.ndim == 2 else [-1]
    if y.ndim == 0 or (y.shape[0] < 1 and not isinstance(key, slice)):
        return ...
    return key


WRITES: dict[str, Callable[[Any, Any, Any, Any], Any]] = {
    # y: the view to write into; key; v: a value of the pool; s: a number that depends on the input
    "assign number": lambda y, k, v, s: y.__setitem__(k, s),
    "assign constant": lambda y, k, v, s: y.__setitem__(k, 0.25),
    "assign function": lambda y, k, v, s: y.__setitem__(k, np.sin(y[k]) * s),
    "assign itself": lambda y, k, v, s: y.__setitem__(k, y[k]),
    "assign row": lambda y, k, v, s: y.__setitem__(..., np.resize(v.ravel()[:4], y.shape)),
    "add": lambda y, k, v, s: augment(y, k, "+", s),
    "subtract": lambda y, k, v, s: augment(y, k, "-", s * s),
    "multiply": lambda y, k, v, s: augment(y, k, "*", s),
    "divide": lambda y, k, v, s: augment(y, k, "/", 2.0 + s * s),
    "power": lambda y, k, v, s: augment(y, k, "**", 2),
    "add itself": lambda y, k, v, s: augment(y, k, "+", y[k] * 1.0),
    "add view of itself": lambda y, k, v, s: augment(y, ..., "+", y[..., ::-1] if y.ndim else y),
    "out": lambda y, k, v, s: np.multiply(y, s, out=y),
    "exp out": lambda y, k, v, s: np.exp(0.3 * y, out=y),
    "masked out": lambda y, k, v, s: np.multiply(y, s, out=y, where=np.arange(y.size).reshape(y.shape) % 2 == 0),
    "add.at": lambda y, k, v, s: np.add.at(y, k, s) if y.size else None,
    "put": lambda y, k, v, s: np.put(y, [0, -1, 1], [s, 0.5, s * s], mode="wrap") if y.size else None,
    "copyto": lambda y, k, v, s: np.copyto(y, s * np.ones(y.shape), where=np.arange(y.size).reshape(y.shape) % 3 == 0),
    "fill": lambda y, k, v, s: y.fill(s),
    "flat": lambda y, k, v, s: y.flat.__setitem__(slice(None, None, 2), s),
    "flat element": lambda y, k, v, s: y.flat.__setitem__(0, s) if y.size else None,
    "sort": lambda y, k, v, s: y.sort() if y.ndim else None,
    "mask": lambda y, k, v, s: y.__setitem__(np.arange(y.size).reshape(y.shape) % 2 == 1, s),
    "mask of values": lambda y, k, v, s: y.__setitem__(y > 0.2, s),
    "fill diagonal": lambda y, k, v, s: np.fill_diagonal(y, s) if y.ndim == 2 and y.size else None,
    "putmask": lambda y, k, v, s: np.putmask(y, np.arange(y.size).reshape(y.shape) % 2 == 1, s),
    "place": lambda y, k, v, s: np.place(y, np.arange(y.size).reshape(y.shape) % 3 == 1, [s, 0.5]),
    "put along axis": lambda y, k, v, s: (
        np.put_along_axis(y, np.zeros((1,) * y.ndim, int), s, 0) if y.size and y.ndim else None
    ),
    "subtract.at": lambda y, k, v, s: np.subtract.at(y, k, s) if y.size else None,
    "multiply.at": lambda y, k, v, s: np.multiply.at(y, k, s) if y.size else None,
    "divide.at": lambda y, k, v, s: np.divide.at(y, k, 2.0 + s * s) if y.size else None,
    "maximum.at": lambda y, k, v, s: np.maximum.at(y, k, s) if y.size else None,
    "sine.at": lambda y, k, v, s: np.sin.at(y, k) if y.size else None,
    "sum out": lambda y, k, v, s: np.sum(np.stack([y, y * s]), axis=0, out=y),
    "cumulative out": lambda y, k, v, s: np.cumsum(y * 0.5, axis=0, out=y) if y.ndim else None,
    "clip out": lambda y, k, v, s: np.clip(y, -0.9, s * s + 1.0, out=y),
    "matmul in place": lambda y, k, v, s: y.__imatmul__(np.full((y.shape[1],) * 2, 0.3) * s) if y.ndim == 2 else None,
    "remainder": lambda y, k, v, s: y.__imod__(7.3),
    "whole division": lambda y, k, v, s: y[k].__ifloordiv__(0.37) if np.ndim(y[k]) else None,
    "partition": lambda y, k, v, s: y.partition(y.shape[-1] // 2) if y.ndim and y.size else None,
    "swap": lambda y, k, v, s: y.__setitem__(slice(None), y[::-1]) if y.ndim else None,
    "swap by list": lambda y, k, v, s: y.__setitem__([0, -1], y[[-1, 0]]) if y.ndim and y.size else None,
    "overlap": lambda y, k, v, s: y[1:].__iadd__(y[:-1]) if y.ndim else None,
    "flat repeated": lambda y, k, v, s: y.flat.__setitem__(slice(1, None), [s, 0.3]) if y.size > 1 else None,
    "flat mask": lambda y, k, v, s: y.flat.__setitem__(np.arange(y.size) % 2 == 0, s) if y.ndim else None,
    "real": lambda y, k, v, s: setattr(y, "real", y * s),
    "assign list": lambda y, k, v, s: y.__setitem__(..., [s] * y.shape[-1]) if y.ndim else None,
    "rows": lambda y, k, v, s: [row.__imul__(s) for row in y] if y.ndim > 1 else None,
    "through ravel": lambda y, k, v, s: y[..., ::-1].ravel("K").__imul__(s) if y.ndim else None,
    "through repeated": lambda y, k, v, s: y.__setitem__(..., late_read(y, s)),
    "through complex": lambda y, k, v, s: y.__setitem__(..., by_parts(y, s)),
    "elements": lambda y, k, v, s: [y.__setitem__(i, y[i] * s) for i in np.ndindex(y.shape)],
}


def augment(y: Any, key: Any, op: str, value: Any) -> None:
    if op == "+":
        y[key] += value
    elif op == "-":
        y[key] -= value
    elif op == "*":
        y[key] *= value
    elif op == "/":
        y[key] /= value
    else:
        y[key] **= value


def late_read(y: Any, s: Any) -> Any:
    """Views of a repeated array, made before the array is written to."""
    y = y * 1.0
    seen = np.broadcast_to(y, (2, *y.shape)).swapaxes(0, -1)[..., 0]
    y *= s
    return np.swapaxes(seen[..., None], 0, -1)[0] * 1.0 if y.ndim else y


def by_parts(y: Any, s: Any) -> Any:
    z = y * (0.5 + 1.0j)
    real, imaginary = z.real, z.imag[..., ::-1] if y.ndim else z.imag
    z *= 1j
    imaginary *= s
    real -= imaginary
    return z.real + z.imag


USES: dict[str, Callable[[Any, Any], Any]] = {
    # what is saved on the tape, and damaged by a later write if nobody takes care
    "sine": lambda a, b: np.sin(a),
    "square": lambda a, b: a * a,
    "product": lambda a, b: a * b,
    "exponential": lambda a, b: np.exp(0.2 * a),
    "tanh": lambda a, b: np.tanh(a),
    "matrix product": lambda a, b: (a @ b.T) @ a * 0.1,
    "dot": lambda a, b: np.dot(a, b.T) @ b * 0.1,
    "einsum": lambda a, b: np.einsum("ij,kj->ik", a, b) @ a * 0.1,
    "copy": lambda a, b: a.copy(),
    "sum": lambda a, b: a + np.sum(b * b) * 0.1,
    "norm": lambda a, b: a * np.linalg.norm(b),
    "views": lambda a, b: a[::-1] * b[:, ::-1],
    "gathered": lambda a, b: a[[2, 0, 0]] * b,
    "stacked": lambda a, b: np.concatenate([a[:1], b[1:]]),
    "same": lambda a, b: a,
    "division": lambda a, b: a / (1.5 + b * b),
    "power": lambda a, b: (1.5 + a * a) ** 0.5,
    "where": lambda a, b: np.where(np.arange(12).reshape(3, 4) % 2 == 0, a, b * b),
    "fortran copy": lambda a, b: a.copy(order="F"),
    "view that stays": lambda a, b: a[::-1],
    "accumulated": lambda a, b: np.hypot.accumulate(a, axis=1) + b,
    "solved": lambda a, b: np.linalg.solve(a @ a.T + 3.0 * np.eye(3), b),
    "reduced": lambda a, b: np.subtract.reduce(a, axis=0) * b,
    "outer": lambda a, b: np.multiply.outer(a[0], b[:, 0])[:3, :1] * a,
    "taken": lambda a, b: np.take(a, [2, 0, 1], axis=0) * b,
    "tiled": lambda a, b: np.tile(a[:1], (3, 1)) + b,
    "iterated": lambda a, b: np.array([row * other.sum() for row, other in zip(a, b, strict=True)]),
    "kept apart": lambda a, b: np.array(a) * 1.0 + np.asarray(b),
}
STARTS: dict[str, Callable[[Any], Any]] = {
    "zeros": lambda x: np.zeros(SHAPE),
    "zeros in Fortran order": lambda x: np.zeros(SHAPE, order="F"),
    "ones": lambda x: np.ones(SHAPE),
    "array": lambda x: np.array([x, 2.0 * x, x * x]),
    "outer": lambda x: np.outer(x[:3], x),
    "zeros_like": lambda x: np.zeros_like(np.outer(x[:3], x)),
    "plain": lambda x: np.arange(12.0).reshape(SHAPE) * 0.1,
    "transposed": lambda x: np.zeros((4, 3)).T,
    "full": lambda x: np.full(SHAPE, x[2]),
    "empty and filled": lambda x: filled(np.empty(SHAPE), x[1]),
    "part of a larger one": lambda x: (np.ones((5, 9)) * 0.2)[1:4, ::-2][:, :4],
    "stacked": lambda x: np.stack([x, x[::-1], np.sin(x)]),
    "outside": lambda x: OUTSIDE.copy(),
}


def filled(y: Any, value: Any) -> Any:
    y.fill(value)
    return y


names = {kind: st.sampled_from(sorted(table)) for kind, table in
         {"view": VIEWS, "key": KEYS, "write": WRITES, "use": USES, "start": STARTS}.items()}  # fmt: skip
writes = st.tuples(st.just("write"), st.integers(0, 3), names["view"], names["key"], names["write"], st.integers(0, 3))
uses = st.tuples(st.just("use"), st.integers(0, 3), st.integers(0, 3), names["use"], st.booleans())
programs = st.tuples(
    st.lists(names["start"], min_size=2, max_size=2), st.lists(st.one_of(writes, writes, uses), max_size=7)
)


def run(program: Any, x: Any) -> Any:
    starts, steps = program
    pool = [STARTS[name](x) for name in starts]
    pool[0][0, 1] = x[0] * x[1]
    total: Any = 0.0
    for step in steps:
        if step[0] == "write":
            _, i, view, key, write, j = step
            y = VIEWS[view](pool[i % len(pool)])
            v = pool[j % len(pool)]
            s = v[2, j] * 0.5 + x[j] * x[0]
            k = part(y, KEYS[key])
            if y.size or isinstance(k, slice) or k is ...:
                WRITES[write](y, k, v, s)
        else:
            _, i, j, use, keep = step
            new = USES[use](pool[i % len(pool)], pool[j % len(pool)])
            if keep and len(pool) < 4:
                pool.append(new)
            else:
                total = total + np.sum(new * WEIGHTS)
    for n, y in enumerate(pool):
        total = total + np.sum(np.cos(y) * WEIGHTS) * (n + 1.0)
    return total


def smooth(program: Any) -> bool:
    """Masks and sorting switch somewhere: not within the steps of the difference; and values stay moderate."""
    values = [float(run(program, POINT + k * STEP * DIRECTION)) for k in (-4, -3, -2, -1, 0, 1, 2, 3, 4)]
    if not all(np.isfinite(values)) or max(map(abs, values)) > 1e4:
        return False
    second = np.diff(values, 4)
    return bool(np.max(np.abs(second)) < 1e-6 * max(1.0, max(map(abs, values))))


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(programs)
def test_random_programs(program: Any) -> None:
    with np.errstate(all="ignore"):
        if not smooth(program):
            return

        def f(x: Any) -> Any:
            return run(program, x)

        expected = numeric_gradient(f, (POINT,), 0)
        size = max(1.0, float(np.max(np.abs(expected))), abs(float(f(POINT))))
        if size > 100.0:
            return  # cosines of large numbers: no measure
        found = grad(f)(POINT)
        assert_close(found, expected, 1e-6, "reverse", 1e-7 * size)
        value, tangent = jvp(f, (POINT,), (DIRECTION,))
        assert value == pytest.approx(f(POINT), rel=1e-14)
        assert_close(tangent, expected @ DIRECTION, 1e-6, "forward", 1e-7 * size)
        second = difference(grad(f), (POINT,), (DIRECTION,))[0]
        size = max(size, float(np.max(np.abs(second))))
        for way, product in (
            ("forward over reverse", hvp(f)(POINT, DIRECTION)),
            ("reverse over reverse", grad(lambda x: np.sum(grad(f)(x) * DIRECTION))(POINT)),
            ("reverse over forward", grad(lambda x: jvp(f, (x,), (DIRECTION,))[1])(POINT)),
        ):
            assert_close(product, second, 1e-5, way, 1e-6 * size)


# -- named cases -----------------------------------------------------------------------------------------------------


def check(f: Callable[[Any], Any], x: Any = POINT) -> None:
    """Value and both modes of a function against plain NumPy."""
    y = f(x)
    value, tangent = jvp(f, (x,), (DIRECTION[: x.size].reshape(x.shape),))
    assert np.array_equal(value, y)
    measured = difference(f, (x,), (DIRECTION[: x.size].reshape(x.shape),))[0]
    assert_close(tangent, measured, 1e-7, "forward")
    J = jacobian(f)(x)
    assert_close(np.tensordot(J, DIRECTION[: x.size].reshape(x.shape), x.ndim), measured, 1e-7, "reverse")


def overwritten_operand(x: Any) -> Any:
    y = x * 1.0
    z = np.sin(y) + y * y
    y[0] = 5.0
    return z * y


def overwritten_result(x: Any) -> Any:
    y = np.exp(x)  # the partial is the result itself
    z = y * 2.0
    y[1:] = 0.0
    y *= x
    return z + y


def overwritten_dot(x: Any) -> Any:
    a = np.outer(x, x)
    y = a @ x
    a[:, 0] = x
    a.T[1] *= 2.0
    return y + a @ y


def overwritten_through_view_made_before(x: Any) -> Any:
    y = x * 2.0
    v = y[::-1]
    z = np.tanh(y)
    v[1:3] = x[0]
    return z * y


def overwritten_solve(x: Any) -> Any:
    a = np.diag(2.0 + x) + 0.1
    y = np.linalg.solve(a, x)
    a[...] = 0.0
    y2 = y * y
    y[:] = 1.0
    return y2 + y


def overwritten_einsum_and_where(x: Any) -> Any:
    a = np.outer(x, x)
    e = np.einsum("ij,j->i", a, x)
    w = np.where(x > 0, a[0], a[1])
    a[0] = 7.0
    np.negative(a, out=a)
    return e * w + a.sum(axis=0)


def swap_rows(x: Any) -> Any:
    y = np.array([x, x * x, np.sin(x)])
    y[[0, 2]] = y[[2, 0]]
    y[0], y[1] = y[1].copy(), y[0].copy()
    return y


def overlapping(x: Any) -> Any:
    y = x * x
    y[1:] += y[:-1]
    y[:-1] *= y[1:]
    y[::2] = y[1::2] * y[::-2][:2]
    return y


def assign_in_loop(x: Any) -> Any:
    y = np.zeros(6)
    y[0] = x[0]
    for i in range(1, 6):
        y[i] = 0.5 * y[i - 1] + np.sin(y[i - 1]) * x[i % 4]
    return y


def in_place_operators_on_names(x: Any) -> Any:
    y = x.copy()
    z = y  # the same array
    y += x
    y *= z
    y -= 0.5
    y /= 2.0 + x * x
    y **= 3
    s = x[0]
    s += 1.0  # a number: rebinds
    s *= s
    return y + z * s + x[0]


def argument_written_to(x: Any) -> Any:
    before = x * 3.0
    x[0] = x[1] * x[2]
    x += before
    return x


def broadcast_writes(x: Any) -> Any:
    y = np.zeros((3, 4))
    y[...] = x
    y[1:, :2] = x[:1]
    y[:, 3] = x[0]
    y[0] += x[None, :][0]
    y += x[:, None][:3]
    return y


def array_of_arrays(x: Any) -> Any:
    y = np.empty((2, 2))
    y[0, 0], y[0, 1] = x[0], x[1] ** 2
    y[1] = [x[2] * 2.0, 1.0]
    y[:, 1] = (x[0], 3)
    return np.linalg.inv(y + 3.0 * np.eye(2))


def fancy_reads_then_writes(x: Any) -> Any:
    y = np.arange(12.0).reshape(3, 4) * x
    picked = y[[0, 2, 2], [1, 1, 3]]
    y[[0, 1], [0, 1]] = picked[:2]
    y[np.array([True, False, True]), 2:] *= 2.0
    y[np.ix_([0, 2], [1, 3])] += x[:2]
    return y * picked[0]


def integer_array_stays_plain(x: Any) -> Any:
    count = np.zeros(4, dtype=int)
    count[1] = 3
    count += 1
    return x * count


@pytest.mark.parametrize(
    "f",
    [overwritten_operand, overwritten_result, overwritten_dot, overwritten_through_view_made_before, overwritten_solve,
     overwritten_einsum_and_where, swap_rows, overlapping, assign_in_loop, in_place_operators_on_names,
     argument_written_to, broadcast_writes, array_of_arrays, fancy_reads_then_writes, integer_array_stays_plain],
    ids=lambda f: f.__name__,
)  # fmt: skip
def test_named(f: Callable[[Any], Any]) -> None:
    check(lambda x: f(x.copy()))
    if f is argument_written_to:
        x = POINT.copy()
        jacobian(f)(x)
        assert np.array_equal(x, POINT), "the user's argument was changed"


def test_element_loop_is_linear() -> None:
    """A loop of n element writes must not copy the array n times: the tape stays as long as the loop."""

    def f(x: Any, n: int) -> Any:
        y = np.zeros(n)
        y[0] = x
        for i in range(1, n):
            y[i] = y[i - 1] * 0.999
        return y[n - 1]

    assert grad(f)(1.0, 3000) == pytest.approx(0.999**2999)


def test_complex_parts_are_written() -> None:
    def f(x: Any) -> Any:
        z = np.zeros(2, dtype=complex)
        z[0] = x[0] + 1j * x[1]
        z[1] = x[2]
        z *= 1j
        z.real[1] = x[3]
        z.imag[0] *= x[1]
        z.imag[::-1] += x[:2]
        return np.array([z[0].real, z[0].imag, np.abs(z[1])])

    check(f)


def test_read_only_broadcast() -> None:
    with pytest.raises(ValueError, match="read-only"):
        grad(lambda x: np.broadcast_to(x, (2, 4)).__setitem__(0, 1.0))(POINT)


def test_write_of_wrong_shape_is_numpys_error() -> None:
    def f(x: Any) -> Any:
        y = np.zeros(3)
        y[:] = x
        return y

    with pytest.raises(ValueError, match="could not broadcast input array from shape \\(4,\\) into shape \\(3,\\)"):
        grad(f)(POINT)
    with pytest.raises(IndexError, match="out of bounds"):
        grad(lambda x: x[7])(POINT)


def test_imaginary_value_into_real_array() -> None:
    with pytest.raises((TypeError, ValueError)):
        grad(lambda x: np.multiply(x, 1j, out=np.zeros(4)))(POINT)


def test_parts_are_set_by_name() -> None:
    def f(x: Any) -> Any:
        z = np.zeros(4, dtype=complex)
        z.real = x
        z.imag = x * x
        y = np.zeros((2, 2))
        y.flat = x
        return np.abs(z) * y.ravel()

    check(f)


def test_flat_of_one_number() -> None:
    def f(x: Any) -> Any:
        y = x * x
        v = y[1, ...]
        v.flat[:] = x[0]
        v.flat[0] *= x[2]
        return y * v.flat[0]

    check(f)
