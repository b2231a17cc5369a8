"""Callbacks: functions that the user hands to SciPy (an integrand, an objective, a right-hand side), and what they
close over.

SciPy calls them with plain numbers. But a callback may close over traced values, nobody knows which, and then returns
a traced value. Two things are made of it here.

* For SciPy's own run, :class:`Callback` strips the derivative off what it returns.
* For the derivative, :class:`Jets` writes a traced value as a plain vector, the *jet*: its components, followed by
  their derivatives with respect to whatever the live traces differentiate: a tangent for forward mode; for reverse
  mode the derivatives with respect to the captured values, which are those slots of the tape, older than the call,
  that a local sweep over the call's own records arrives at. With several traces each doubles (or multiplies) the
  vector in turn, from the innermost outwards, so that the mixed derivatives are in it. A jet can be turned back into
  a traced value, of the same derivatives. So any algorithm on plain vectors that is linear in the callback (a
  quadrature), or that takes vectors through it (an ODE solver), is differentiated to any order by running it on
  jets: on jets an ODE becomes its variational equations.

What a call leaves on a tape is cut off again (``Tape.cut``). A callback that keeps a traced value of one call for
another, or writes it to an array outside, is found out in the sweep, and refused.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from gradcheck.autodiff.core import TRACED, any_active, is_complex, plain, plain_tree, shape_of, stack
from gradcheck.autodiff.errors import unsupported
from gradcheck.autodiff.forward import Forward, aligned, tangent_of
from gradcheck.autodiff.rules.reductions import as_traced
from gradcheck.autodiff.tape import Tape

Array = np.ndarray[Any, np.dtype[np.float64]]
# Captured arrays up to this size are taken whole; of larger ones only the elements that anything flows back to.
WHOLE = 64


@contextmanager
def cutting() -> Iterator[list[int]]:
    """Whatever is recorded in here is cut off the tapes at the end, and what forward traces make is left behind.

    Gives the marks, one a live trace.
    """
    traces = list(stack())
    marks = [len(t.records) if isinstance(t, Tape) else 0 for t in traces]
    snapshots = [t.snapshots if isinstance(t, Tape) else None for t in traces]
    born = [t.born if isinstance(t, Forward) else None for t in traces]
    for t in traces:
        if isinstance(t, Forward):
            t.born = []
        if isinstance(t, Tape):
            t.snapshots = None  # what SciPy passes to a callback is its own memory, to be written to again
    try:
        yield marks
    finally:
        for t, mark, before, outer in zip(traces, marks, snapshots, born, strict=True):
            if isinstance(t, Forward):
                t.cut(outer)
            if isinstance(t, Tape):
                t.cut(mark)
                t.snapshots = before


class _State(threading.local):
    """Whether a callback of SciPy's own run is running now, of which the value alone is wanted (``depth``: with so many
    traces live), and whether something in it would have had a derivative."""

    depth = 0
    touched = False


_state = _State()


def enough(moving: bool) -> bool:
    """Whether SciPy's own result is all that is wanted of a function with callbacks.

    Args:
        moving: whether anything that it depends on carries a derivative.
    """
    if moving and _state.depth == len(stack()):
        _state.touched = True
        return True
    return not moving


@contextmanager
def _wanted(depth: int) -> Iterator[None]:
    before = _state.depth, _state.touched
    _state.depth, _state.touched = depth, False
    try:
        yield
    finally:
        _state.depth, _state.touched = before


class Callback:
    """The user's function as SciPy may call it: plain numbers in, plain numbers out.

    Attributes:
        active: whether anything that it returned so far carried a derivative.
    """

    def __init__(self, function: Callable[..., Any], args: Sequence[Any] = ()) -> None:
        # Names and __wrapped__ only: curve_fit asks for the signature, and an attribute may be called as one of ours.
        functools.update_wrapper(self, function, ("__name__", "__doc__"), ())
        self.function = function
        self.args = tuple(args)
        self.active = False

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        with cutting(), _wanted(len(stack())):
            y = self.function(*args, *self.args, **keywords)
            self.active = self.active or _state.touched or any_active(y)
            return plain_tree(y)


def stripped(x: Any, args: Sequence[Any] = ()) -> Any:
    """A callable as a :class:`Callback`; anything else (a method's name, None, numbers) as its plain value."""
    return Callback(x, args) if callable(x) and type(x) not in TRACED else plain_tree(x)


def order() -> int:
    """How many traces are live: the highest order of derivative that may be asked for."""
    return len(stack())


class Grown(Exception):
    """A callback has captured a value that was not in the layout: begin again with the larger one."""


class _Layout:
    """Which captured values of a tape a jet holds derivatives for: slot -> shape, complex?, flat indices (None:
    all)."""

    def __init__(self, tape: Tape) -> None:
        self.tape = tape
        self.places: dict[int, tuple[tuple[int, ...], bool, Any]] = {}
        self.size = 0

    def row(self, cotangents: dict[int, Any], growing: bool = True) -> Any:
        """The cotangents of one output as a vector; raises Grown if there is one that has no place in it."""
        grown = False
        for slot, c in cotangents.items() if growing else ():
            flat = np.reshape(plain(c), -1)
            used = flat != 0
            if slot in self.places and self.places[slot][2] is not None:
                used[self.places[slot][2]] = False
            elif slot in self.places:
                continue
            if np.any(used):
                self._add(slot, shape_of(c), is_complex(c), used)
                grown = True
        if grown:
            raise Grown
        parts = []
        for slot, (shape, twofold, indices) in self.places.items():
            c = cotangents.get(slot)
            count = int(np.prod(shape, dtype=int)) if indices is None else len(indices)
            if c is None:
                parts.append(np.zeros(count * (1 + twofold)))
                continue
            flat = np.reshape(c, (-1,))
            flat = flat if indices is None else flat[indices]
            # A cotangent is ∂/∂x − i ∂/∂y: both partials are real.
            parts += [np.real(flat), -np.imag(flat)] if twofold else [flat]
        return np.concatenate(parts) if parts else np.zeros(0)

    def _add(self, slot: int, shape: tuple[int, ...], twofold: bool, used: Any) -> None:
        if self.tape.is_cut(slot):
            raise unsupported(
                "a callback of a SciPy function uses a value that an earlier call of it has kept",
                "have it compute what it needs in each call, or keep plain numbers",
            )
        if slot in self.places:
            used[self.places[slot][2]] = True
        count = int(np.count_nonzero(used))
        whole = used.size <= WHOLE or 2 * count > used.size
        self.places[slot] = (shape, twofold, None if whole else np.flatnonzero(used))
        self.size = sum(
            (int(np.prod(s, dtype=int)) if i is None else len(i)) * (1 + t) for s, t, i in self.places.values()
        )

    def spread(self, row: Any) -> list[Any]:
        """The inverse of :meth:`row`: cotangents of the places."""
        parts = []
        start = 0
        for shape, twofold, indices in self.places.values():
            count = int(np.prod(shape, dtype=int)) if indices is None else len(indices)
            part = row[start : start + count]
            start += count
            if twofold:
                part = part - 1j * row[start : start + count]
                start += count
            if indices is not None:
                full = np.zeros(int(np.prod(shape, dtype=int)), plain(part).dtype)
                if type(part) in TRACED:
                    part = np.concatenate([part, np.zeros(1)])
                    where = np.full(full.shape, len(indices))
                    where[indices] = np.arange(len(indices))
                    part = part[where]
                else:
                    full[indices] = part
                    part = full
            parts.append(np.reshape(part, shape) if shape else part[0])
        return parts


class Jets:
    """Traced values as plain vectors, and back, for the traces that are live now."""

    def __init__(self) -> None:
        self.traces = list(stack())
        self.layouts = [_Layout(t) if isinstance(t, Tape) else None for t in self.traces]

    def settle(self, run: Callable[[], Any]) -> Any:
        """The result of a run on jets, begun again until the layout of the jets has not changed in its course."""
        while True:
            try:
                return run()
            except Grown:
                continue

    @property
    def factor(self) -> int:
        """How many components a jet has for each component of the value."""
        return int(np.prod([2 if layout is None else 1 + layout.size for layout in self.layouts], dtype=int))

    def lower(self, n: int = 1) -> Any:
        """Which components of the jet of n numbers are derivatives that are differentiated again."""
        orders = np.zeros(n, dtype=int)
        for layout in reversed(self.layouts):
            orders = np.concatenate([orders, np.repeat(orders, 1 if layout is None else layout.size) + 1])
        return np.flatnonzero((orders > 0) & (orders < len(self.traces)))

    def call(self, function: Callable[..., Any], *args: Any) -> Array:
        """The jet of what a callback returns, flat."""
        with cutting() as marks, _wanted(0):
            return self.encode(np.reshape(as_traced(function(*args)), (-1,)), marks)

    def along(self, function: Callable[..., Any], *args: Any) -> Array:
        """The jet of what a callback returns for arguments that are jets (arrays) or plain (all others)."""
        with cutting() as marks, _wanted(0):
            return self.encode(
                as_traced(function(*(self.decode(a) if isinstance(a, np.ndarray) else a for a in args))), marks
            )

    def encode(self, y: Any, marks: Sequence[int]) -> Array:
        """A traced array as a plain one, the jets along its last axis: first the components of the value, then the
        derivatives.

        Complex components become real ones: first all real parts, then all imaginary parts.
        """
        if is_complex(y):
            y = np.concatenate([np.real(y), np.imag(y)], axis=-1)
        for trace, layout, mark in zip(reversed(self.traces), reversed(self.layouts), reversed(marks), strict=True):
            shape = shape_of(y)
            own = type(y) in TRACED and y.owner is trace
            value = y.value if own else y
            if layout is None:
                t = tangent_of(y) if own else None
                slopes = np.zeros(shape) if t is None else t
            elif own:
                slopes = _slopes(layout, mark, y)
            else:
                slopes = np.zeros((*shape, layout.size))
            y = np.concatenate([value, np.reshape(slopes, (*shape[:-1], -1))], axis=-1)
        return np.array(plain(y), dtype=np.float64)

    def decode(self, jet: Any, value: Any = None) -> Any:
        """The traced array that stands in a plain one as jets.

        Args:
            jet: as :meth:`encode` makes it, of shape (..., n·factor).
            value: what to put in the place of its values: SciPy's own result, of shape (..., n).
        """
        y: Any = np.array(jet, dtype=np.float64)
        if value is not None:
            y[..., : value.shape[-1]] = value
        for trace, layout in zip(self.traces, self.layouts, strict=True):
            count = 2 if layout is None else 1 + layout.size
            batch, size = shape_of(y)[:-1], shape_of(y)[-1] // count
            head, rest = np.copy(y[..., :size]), y[..., size:]
            if layout is None:
                y = trace.variable(head, aligned(rest, plain(head), trace.level))  # type: ignore[attr-defined]
            elif layout.size:
                y = _link(layout, head, np.reshape(rest, (*batch, size, layout.size)))
            else:
                y = head
        return y


def _slopes(layout: _Layout, mark: int, y: Any) -> Any:
    """∂y/∂c for all captured values c of the layout, of shape y.shape + (c,), by local sweeps."""
    tape, shape = layout.tape, shape_of(y)
    count = int(np.prod(shape, dtype=int))
    if count > max(4, 2 * layout.size):
        # Fewer captured values than components. First any combination, to see what is captured.
        layout.row(tape.local(mark, y, np.random.default_rng(0).normal(size=shape)))
        return _columns(layout, mark, y)
    rows = []
    for i in range(count):
        unit = np.zeros(shape)
        unit.reshape(-1)[i] = 1.0
        rows.append(layout.row(tape.local(mark, y, unit)))
    return np.reshape(np.stack(rows), (*shape, layout.size)) if rows else np.zeros((*shape, layout.size))


def _columns(layout: _Layout, mark: int, y: Any) -> Any:
    """The same a column at a time: the local sweep is linear in its cotangent g, so it is put on a tape of its own and
    transposed."""
    transposed = Tape()
    with transposed:
        g = transposed.variable(np.zeros(shape_of(y)))
        row = layout.row(layout.tape.local(mark, y, g), growing=False)
    if type(row) not in TRACED or row.owner is not transposed:
        return np.zeros((*shape_of(y), layout.size))
    columns = []
    for k in range(layout.size):
        unit = np.zeros(layout.size)
        unit[k] = 1.0
        (column,) = transposed.sweep([(row, unit)], [g])
        columns.append(np.zeros(shape_of(y)) if column is None else column)
    return np.stack(columns, axis=-1)


def _link(layout: _Layout, value: Any, slopes: Any) -> Any:
    frozen = _Layout(layout.tape)  # it may grow while this record is on the tape
    frozen.places, frozen.size = dict(layout.places), layout.size
    places = [(slot, False) for slot in frozen.places]
    flat = np.reshape(slopes, (-1, layout.size))
    return layout.tape.link(value, places, lambda g: frozen.spread(np.matmul(np.reshape(g, (-1,)), flat)))
