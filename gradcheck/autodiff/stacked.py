"""Many rows of a Jacobian in one sweep: cotangents with one more axis in front.

``jacobians.py`` asks for the rows of an array; a sweep for each takes the tape's whole overhead each time. Here every
slot has a stack of cotangents, of shape ``(rows, *shape)``, and a record is looked at once. Elementwise records and
memory need nothing but NumPy's broadcasting; a pullback that says so (:func:`~gradcheck.autodiff.core.takes_stacks`)
gets the stack, any other one row after another. As long as only elementwise operations have been met, row i has a
single number that is not zero, and no matrix is made of them (:class:`Diagonal`).

What this way does not know (complex numbers, an outer trace, zero times infinity) is :class:`Unstackable`: the caller
then goes row by row.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gradcheck.autodiff.core import DEAD, MULTIPLIES, SCALARS, STACKABLE, TRACED, plain
from gradcheck.autodiff.errors import AutodiffError
from gradcheck.autodiff.memory import Broadcast, View, is_basic, reference
from gradcheck.autodiff.sweep import (
    GENERAL,
    Record,
    last_writes,
    pull_component,
    pull_element,
    pull_fill,
    pull_gather,
    pull_general,
    pull_increment,
    pull_input,
    pull_join,
    pull_one,
    pull_setitem,
    pull_tuple,
)
from gradcheck.autodiff.tape import Tape

# A stack of an input has at most so many numbers (half a megabyte: what a processor keeps close by), and that of the
# output, which may stay a diagonal, so many. It pays from so many rows on.
NUMBERS, OUTPUT, ROWS = 1 << 16, 1 << 20, 6
# A slot with more than this many times what was expected of it is left to the other way, for the sake of memory.
UNEXPECTED = 64


class Unstackable(Exception):
    """The rows must be taken one by one."""


class Diagonal:
    """A stack whose row i is zero but for the element ``start + i`` (in C order), where it is ``values[i]``."""

    __slots__ = ("shape", "start", "values")

    def __init__(self, values: Any, start: int, shape: tuple[int, ...]) -> None:
        self.values = values
        self.start = start
        self.shape = shape

    def picked(self, p: Any) -> Any:
        """The elements of p that stand beside the values."""
        p = p if np.shape(p) == self.shape else np.broadcast_to(p, self.shape)
        return p.reshape(-1)[self.start : self.start + len(self.values)]

    def times(self, p: Any) -> Diagonal:
        return Diagonal(self.values * (self.picked(p) if np.ndim(p) else p), self.start, self.shape)

    def __matmul__(self, matrix: Any) -> Any:
        """Of a vector's stack: each row is one of the matrix, scaled."""
        rows = matrix[self.start : self.start + len(self.values)]
        return self.values[:, None] * rows

    def dense(self) -> Any:
        rows = len(self.values)
        y = np.zeros((rows, math.prod(self.shape)), self.values.dtype)
        y[np.arange(rows), np.arange(self.start, self.start + rows)] = self.values
        return y.reshape(rows, *self.shape)


def stacked_rows(tape: Tape, output: Any, inputs: Sequence[Any]) -> list[Any] | None:
    """The rows of the Jacobian of an array on the tape with respect to each input, as arrays ``(y.size, *x.shape)``.

    None in the place of an input that nothing flows back to; None altogether if the rows must be taken one by one.
    """
    value = output.value
    ref = output.slot if output.slot is not None else reference(output)
    if ref is None or type(value) is not np.ndarray or value.dtype.kind != "f" or tape.cuts:
        return None
    widest = max([1, *(np.size(plain(x.value)) for x in inputs)])
    rows = min(value.size, NUMBERS // widest, OUTPUT // max(value.size, 1))
    if rows < ROWS or any(plain(x.value).dtype.kind != "f" for x in inputs if type(x.value) not in SCALARS):
        return None
    parts = []
    try:
        tape.verify()
        for start in range(0, value.size, rows):
            stop = min(start + rows, value.size)
            one = Diagonal(np.ones(stop - start, value.dtype), start, value.shape)
            parts.append(_Stacks(len(tape.records), stop - start, widest).rows(tape.records, ref, one, inputs))
    except (Unstackable, AutodiffError):  # an error comes again row by row, and is told of there
        return None
    return [
        None if columns[0] is None else columns[0] if len(columns) == 1 else np.concatenate(columns)
        for columns in zip(*parts, strict=True)
    ]


class _Stacks:
    """The state of one sweep."""

    def __init__(self, slots: int, rows: int, widest: int) -> None:
        self.k = rows
        self.most = UNEXPECTED * NUMBERS + rows * widest
        self.cotangents: list[Any] = [None] * slots
        # Slots whose stack nobody else holds.
        self.owned: set[int] = set()

    def rows(self, records: list[Record], ref: Any, one: Diagonal, inputs: Sequence[Any]) -> list[Any]:
        """The cotangents of the inputs where those of the output at ref are ``one``."""
        with np.errstate(all="ignore"):
            self.accumulate(ref, one)
            cotangents = self.cotangents
            for slot, a, da, b, db in reversed(records):
                g = cotangents[slot]
                if g is None:
                    continue
                if a is not None:
                    self.accumulate(a, g * da)
                    if b is not None:
                        self.accumulate(b, g * db)
                elif da in GENERAL:
                    cotangents[slot] = None
                    self.elementwise(g, *GENERAL[da](b, db))
                else:
                    pull = PULLS.get(da)
                    if pull is None:
                        raise Unstackable
                    pull(self, slot, g, b, db)
            found = [cotangents[x.slot] for x in inputs]
            found = [c.dense() if type(c) is Diagonal else c for c in found]
        # Where there is nan it may be zero times infinity, which a careful sweep takes for zero.
        if any(c is not None and np.isnan(c.sum()) for c in found):
            raise Unstackable
        return found

    def accumulate(self, ref: Any, d: Any) -> None:
        """Add a stack to that of an array, of a number, or of a view."""
        if type(d) is not Diagonal and (type(d) is not np.ndarray or d.size > self.most or d.dtype.kind != "f"):
            raise Unstackable
        if type(ref) is not int:
            self.add_to_part(ref, d.dense() if type(d) is Diagonal else d)
            return
        c = self.cotangents[ref]
        if c is None:
            self.cotangents[ref] = d
            return
        if type(c) is Diagonal and type(d) is Diagonal:
            self.cotangents[ref] = Diagonal(c.values + d.values, c.start, c.shape)
            return
        c = c.dense() if type(c) is Diagonal else c
        d = d.dense() if type(d) is Diagonal else d
        if ref in self.owned and c.dtype == np.result_type(c, d):
            c += d
        else:
            self.cotangents[ref] = c + d
            self.owned.add(ref)

    # -- memory --------------------------------------------------------------------------------------------------------

    def buffer(self, root: Any) -> Any:
        """The stack of an array as memory that may be written to, whose rows lie as the array does."""
        value, slot = root.value, root.slot
        if type(value) is not np.ndarray or value.dtype.kind != "f" or not value.flags.c_contiguous:
            raise Unstackable
        c = self.cotangents[slot]
        shape = (self.k, *value.shape)
        if c is None:
            if math.prod(shape) > self.most:
                raise Unstackable
            c = np.zeros(shape, value.dtype)
        elif type(c) is Diagonal:
            c = c.dense()
        if slot not in self.owned or c.dtype != value.dtype or not c.flags.c_contiguous:
            c = np.array(c, value.dtype, order="C")
        self.cotangents[slot] = c
        self.owned.add(slot)
        return c

    def parts(self, place: Any) -> tuple[Any, list[Any]]:
        """The part of an array or a view: of the whole stack, or, where only NumPy knows the way, of each row."""
        if type(place) is not View:
            return self.buffer(place), []
        if place.turned or place.spread:
            raise Unstackable
        whole = self.buffer(place.root)
        way = [place]
        while way[-1].parent is not None:
            way.append(way[-1].parent)
        if any(view.step is not None for view in way):
            return None, [place.of(row) for row in _each(whole)]
        for view in reversed(way):
            whole = whole[_behind(view.key)]
        return whole, []

    def add_to_part(self, ref: Any, d: Any) -> None:
        if type(ref) is View and ref.spread:
            views: list[View] = []
            while not isinstance(ref.step, Broadcast):
                views.insert(0, ref)
                ref = ref.parent
            summed = np.stack([ref.step.back(row, views, 0.0) for row in d])
            self.accumulate(ref.root.slot if ref.parent is None else ref.parent, summed)
            return
        part, rows = self.parts(ref)
        if part is not None:
            part += d
        for row, e in zip(rows, d, strict=True) if rows else ():
            row += e

    # -- records -------------------------------------------------------------------------------------------------------

    def elementwise(self, g: Any, operands: Sequence[Any], saved: Any) -> None:
        for ref, partial, shape, *rest in operands:
            if rest and (rest[0] or rest[1] is not None):  # made real, or masked
                raise Unstackable
            p = partial(*saved) if callable(partial) else partial
            if type(p) in TRACED:
                raise Unstackable
            if type(g) is Diagonal:
                d = g.times(p) if type(p) is not float or p != 1.0 else g
                self.accumulate(ref, d if shape is None else _unbroadcast(d.dense(), shape))
            else:
                d = g * p if type(p) is not float or p != 1.0 else g
                self.accumulate(ref, d if shape is None else _unbroadcast(d, shape))

    def through(self, pull: Callable[[Any], Any], g: Any) -> Any:
        """A stack through a pullback."""
        code = id(getattr(pull, "__code__", None))
        if code in STACKABLE:
            return pull(g if code in MULTIPLIES else _dense(g))
        return np.stack([pull(row) for row in _dense(g)])


def _behind(key: Any) -> tuple[Any, ...]:
    """A basic key, for the axes after the first."""
    return (slice(None), *key) if type(key) is tuple else (slice(None), key)


def _each(stack: Any) -> list[Any]:
    """Its rows as memory, also where they are single numbers."""
    return [stack[i, ...] for i in range(len(stack))]


def _unbroadcast(d: Any, shape: tuple[int, ...]) -> Any:
    """The transpose of broadcasting ``shape``, for each of a stack."""
    core = shape
    while len(core) > d.ndim - 1 and core[0] == 1:  # which an assignment may drop
        core = core[1:]
    extra = d.ndim - 1 - len(core)
    if extra:
        d = d.sum(axis=tuple(range(1, 1 + extra)))
    stretched = tuple(i for i, n in enumerate(core, 1) if n == 1 and d.shape[i] != 1)
    if stretched:
        d = d.sum(axis=stretched, keepdims=True)
    return d if core == shape else d.reshape(len(d), *shape)


def _dense(g: Any) -> Any:
    return g.dense() if type(g) is Diagonal else g


def _input(_stacks: _Stacks, _slot: int, _g: Any, _refs: Any, _payload: Any) -> None:
    pass


def _fill(stacks: _Stacks, slot: int, g: Any, ref: Any, payload: Any) -> None:
    shape, count = payload
    stacks.cotangents[slot] = None
    g = g if count is None else g / count
    stacks.accumulate(ref, np.broadcast_to(g.reshape(-1, *(1,) * len(shape)), (stacks.k, *shape)))


def _one(stacks: _Stacks, slot: int, g: Any, ref: Any, pull: Any) -> None:
    stacks.cotangents[slot] = None
    stacks.accumulate(ref, stacks.through(pull, g))


def _general(stacks: _Stacks, slot: int, g: Any, refs: Any, pulls: Any) -> None:
    stacks.cotangents[slot] = None
    for ref, pull in zip(refs, pulls, strict=True):
        stacks.accumulate(ref, stacks.through(pull, g))


def _join(stacks: _Stacks, slot: int, g: Any, live: Any, pull: Any) -> None:
    stacks.cotangents[slot] = None
    if any(real for _, _, real in live):
        raise Unstackable
    g = _dense(g)
    if id(getattr(pull, "__code__", None)) in STACKABLE:
        parts = pull(g)
        for k, ref, _ in live:
            stacks.accumulate(ref, parts[k])
        return
    by_row = [pull(row) for row in g]
    for k, ref, _ in live:
        stacks.accumulate(ref, np.stack([parts[k] for parts in by_row]))


def _component(stacks: _Stacks, slot: int, g: Any, hub: int, payload: tuple[int, int]) -> None:
    k, n = payload
    stacks.cotangents[slot] = None
    if stacks.cotangents[hub] is None:
        stacks.cotangents[hub] = [None] * n
    stacks.cotangents[hub][k] = _dense(g)


def _tuple(stacks: _Stacks, slot: int, g: Any, refs: Any, payload: Any) -> None:
    pulls, y = payload
    stacks.cotangents[slot] = None
    values = [plain(e) for e in y]
    parts = [np.full((stacks.k, *e.shape), DEAD, e.dtype) if d is None else d for d, e in zip(g, values, strict=True)]
    for ref, pull in zip(refs, pulls, strict=True):
        stacks.accumulate(ref, np.stack([pull(row) for row in zip(*parts, strict=True)]))


def _element(stacks: _Stacks, slot: int, g: Any, place: Any, key: Any) -> None:
    stacks.cotangents[slot] = None
    part, rows = stacks.parts(place)
    if part is not None:
        part[_behind(key)] += g
    for row, e in zip(rows, g, strict=True) if rows else ():
        row[key] += e


def _gather(stacks: _Stacks, slot: int, g: Any, place: Any, key: Any) -> None:
    stacks.cotangents[slot] = None
    g = _dense(g)
    part, rows = stacks.parts(place)
    for row, e in zip(rows if part is None else _each(part), g, strict=True):
        np.add.at(row, key, e)


def _setitem(stacks: _Stacks, _slot: int, _g: Any, ref: Any, payload: Any) -> None:
    place, key, spec = payload
    part, rows = stacks.parts(place)
    if part is not None and (is_basic(key) or type(key) in SCALARS):
        key = _behind(key)
        d = np.copy(part[key])
        part[key] = 0.0
    else:
        taken = []
        for row in rows if part is None else _each(part):
            e = np.copy(row[key])
            winners = last_writes(row, key)
            taken.append(e if winners is None else np.where(winners, e, 0.0))
            row[key] = 0.0
        d = np.stack(taken)
    if ref is not None:
        shape, holomorphic = spec
        if holomorphic:
            raise Unstackable
        stacks.accumulate(ref, _unbroadcast(d, shape))


def _increment(stacks: _Stacks, _slot: int, _g: Any, ref: Any, payload: Any) -> None:
    place, sign, shape, _ = payload
    part, rows = stacks.parts(place)
    d = np.copy(part) if part is not None else np.stack(rows)
    stacks.accumulate(ref, _unbroadcast(d if sign > 0 else -d, shape))


PULLS: dict[Any, Callable[[_Stacks, int, Any, Any, Any], None]] = {
    pull_input: _input,
    pull_fill: _fill,
    pull_one: _one,
    pull_general: _general,
    pull_join: _join,
    pull_component: _component,
    pull_tuple: _tuple,
    pull_element: _element,
    pull_gather: _gather,
    pull_setitem: _setitem,
    pull_increment: _increment,
}
