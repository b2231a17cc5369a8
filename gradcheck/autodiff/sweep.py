"""The sweep: a tape run backwards.

Each record names the function that takes its cotangent further, a *pull*. A scalar operation needs none: its
partials are numbers, and :meth:`Sweep.run` multiplies. Cotangents of arrays are added up in place as soon as nobody
else can hold the buffer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextvars import ContextVar, copy_context
from itertools import islice
from sys import getrefcount
from typing import Any

import numpy as np
from numpy import ndarray

from gradcheck.autodiff.core import (
    DEAD,
    SCALARS,
    TRACED,
    is_array,
    is_complex,
    outer_constant,
    plain,
    shape_of,
    unbroadcast,
)
from gradcheck.autodiff.errors import AutodiffError
from gradcheck.autodiff.memory import LARGE, Broadcast, View, same_order

# slot, then: first operand's slot and partial, second operand's slot and partial (None: no second operand);
# or, if the first is None: the pull, and two fields of its own.
Record = tuple[int, Any, Any, Any, Any]


def _living_product(g: Any, p: Any) -> Any:
    """g · p in a careful sweep."""
    dead = (plain(g) == 0) & np.signbit(np.real(plain(g)))
    if np.ndim(dead) or np.ndim(plain(p)):
        return np.where(dead, DEAD, g * p + 0.0)
    return DEAD if dead else g * p + 0.0


_total = np.add.reduce


def _has_nan(g: Any) -> bool:
    """Whether there is a nan in g. (There may be none where this says so: of two infinities, or after an overflow.)"""
    if type(g) is Uniform:
        g = g.value  # the object itself is equal to itself, nan or not
    elif type(g) is not ndarray:
        g = plain(g)
    if isinstance(g, np.ndarray):
        flat = g.reshape(-1)
        g = flat.dot(flat)  # faster than a sum, of a small array slower
    return bool(g != g)


def _warnings_off() -> tuple[ContextVar[Any], Any] | None:
    """NumPy's context variable for floating-point errors, and its value when all are ignored; None where it has none.

    ``np.errstate`` sets this variable, and takes six times as long as all else that is done once a sweep.
    """
    before = dict(copy_context())
    with np.errstate(all="ignore"):
        changed = [(v, off) for v, off in copy_context().items() if before.get(v) is not off]
    return changed[0] if len(changed) == 1 else None


_WARNINGS = _warnings_off()


class Uniform:
    """The cotangent of an array that is the same number everywhere, as that of a sum is, until an array is needed."""

    __slots__ = ("shape", "value")
    __array_ufunc__ = None  # an array times it is for us to say
    shape: tuple[int, ...]
    value: float

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    def array(self) -> Any:
        return fill(self.value, self.shape)

    def __mul__(self, p: Any) -> Any:
        if type(p) is ndarray and p.shape == self.shape:
            return p * self.value
        return uniform(self.value * float(p), self.shape) if type(p) in SCALARS else self.array() * p

    __rmul__ = __mul__

    def __neg__(self) -> Uniform:
        return uniform(-self.value, self.shape)

    def __add__(self, other: Any) -> Any:
        if type(other) is Uniform:
            return uniform(self.value + other.value, self.shape)
        return other + self.value  # of the same shape

    __radd__ = __add__


def uniform(value: float, shape: tuple[int, ...]) -> Uniform:
    """(Not a constructor: its call would take as long as the rest.)"""
    g = Uniform()
    g.value = value
    g.shape = shape
    return g


def _references_within() -> int:
    """How many references there are to an array that nobody holds but a list and a variable, as in ``Sweep.result``."""
    cotangents = [np.empty(0)]
    c = cotangents[0]
    return getrefcount(c)


_ALONE = _references_within()


class Sweep:
    """The state of one backward run: the cotangents, and which of their buffers nobody else holds; after it, unless
    it was careful, ``order``: the sum of the slots of all records."""

    __slots__ = ("careful", "cotangents", "order", "owned", "shaped")

    def __init__(self, slots: int, careful: bool) -> None:
        self.cotangents: Any = [None] * slots
        # Slots whose buffer is ours to write to, and those among them whose buffer also lies as the array itself does.
        self.owned: set[int] = set()
        self.shaped: set[int] = set()
        self.careful = careful

    def run(self, records: list[Record], wanted: Sequence[int] = ()) -> bool:
        """Take the cotangents through all records; whether there is nan in those of the slots wanted.

        Without floating-point warnings: they are of no use here.
        """
        if _WARNINGS is None:
            with np.errstate(all="ignore"):
                self._run(records, len(wanted) == 1 and wanted[0] == 0)
                return self._any_nan(wanted)
        variable, off = _WARNINGS
        token = variable.set(off)
        try:
            self._run(records, len(wanted) == 1 and wanted[0] == 0)
            return self._any_nan(wanted)
        finally:
            variable.reset(token)

    def _run(self, records: list[Record], one: bool) -> None:
        """``one``: a single input comes first, and has nothing to pull."""
        if self.careful:
            self._run_carefully(records)
            return
        cotangents = self.cotangents
        order = 0
        for slot, a, da, b, db in islice(reversed(records), len(records) - one):
            order += slot
            g = cotangents[slot]
            if g is None:
                continue
            if a is None:
                if type(g) is Uniform and da not in _TAKE_UNIFORM:
                    g = g.array()
                da(self, slot, g, b, db)
                continue
            c = cotangents[a]
            cotangents[a] = g * da if c is None else c + g * da
            if b is not None:
                c = cotangents[b]
                cotangents[b] = g * db if c is None else c + g * db
        self.order = order

    def _run_carefully(self, records: list[Record]) -> None:
        cotangents = self.cotangents
        for slot, a, da, b, db in reversed(records):
            g = cotangents[slot]
            if g is None:
                continue
            if a is not None:
                for operand, partial in ((a, da), (b, db)):
                    if operand is not None:
                        d = _living_product(g, partial)
                        c = cotangents[operand]
                        cotangents[operand] = d if c is None else c + d
            elif da in GENERAL:
                pull_carefully(self, slot, g, *GENERAL[da](b, db))
            else:
                da(self, slot, g, b, db)

    def _any_nan(self, wanted: Sequence[int]) -> bool:
        for slot in wanted:
            c = self.cotangents[slot]
            if type(c) is ndarray and c.size <= LARGE:
                c = _total(c, None)
                if c != c:
                    return True
            elif c is not None and _has_nan(c):
                return True
        return False

    def result(self, slot: int) -> Any:
        """The cotangent at a slot, in memory that is nobody else's."""
        c = self.cotangents[slot]
        if type(c) is ndarray:
            return c if slot in self.owned or (c.base is None and getrefcount(c) <= _ALONE) else c.copy()
        return c if type(c) is not Uniform else np.full(c.shape, c.value)

    def accumulate(self, ref: Any, d: Any, fresh: bool = False) -> None:
        """Add d to the cotangent at ref. ``fresh``: nobody else holds d, so that it may become the buffer."""
        if type(ref) is int:
            c = self.cotangents[ref]
            if c is None:
                self.cotangents[ref] = d
                if fresh:
                    self.owned.add(ref)
            elif type(c) is ndarray and ref in self.owned and type(d) is Uniform:
                c += d.value
            elif (
                type(c) is ndarray
                and ref in self.owned
                and type(d) not in TRACED
                and (c.dtype.kind == "c" or not is_complex(d))
            ):
                np.add(c, d, out=c, casting="unsafe")
            else:
                self.cotangents[ref] = c + d
                self.owned.add(ref)
                self.shaped.discard(ref)
        elif ref.parent is None and ref.step is None and type(d) is ndarray:  # most views: a slice of an array
            root = ref.root
            slot = root.slot
            if slot in self.shaped:
                part = self.cotangents[slot][ref.key]
                part += d
                return
            empty = self.cotangents[slot] is None
            self._make_buffer(root, slot, d)
            buffer = self.cotangents[slot]
            if empty and not self.careful and buffer.dtype is d.dtype:
                buffer[ref.key] = d
            else:
                part = buffer[ref.key]
                part += d
        elif type(d) is Uniform:
            self.accumulate(ref, d.array())
        elif ref.spread:
            views: list[View] = []
            while not isinstance(ref.step, Broadcast):
                views.insert(0, ref)
                ref = ref.parent
            d = ref.step.back(d, views, DEAD if self.careful else 0.0)
            self.accumulate(ref.root.slot if ref.parent is None else ref.parent, d)
        else:
            part = self.buffer(ref, d)
            if ref.turned:
                d = -d
            if type(part) is ndarray:
                np.add(part, d, part)
            else:
                part += d

    def buffer(self, place: Any, d: Any = None) -> Any:
        """The cotangent of an array (a Taped) or of a view (a View) as memory that may be written to.

        A traced d, of an outer trace, needs a buffer of that trace.
        """
        viewed = type(place) is View
        root = place.root if viewed else place
        slot = root.slot
        if slot not in self.shaped or type(d) in TRACED:
            self._make_buffer(root, slot, d)
        c = self.cotangents[slot]
        if not viewed:
            return c
        if place.parent is None and place.step is None:
            return c[place.key]
        return place.of(c)

    def _make_buffer(self, root: Any, slot: int, d: Any) -> None:
        """Make the cotangent of root memory of our own that lies as root's value does, so that views of them agree."""
        value = root.value if type(root.value) is ndarray else plain(root.value)
        c = self.cotangents[slot]
        zero = DEAD if self.careful else 0.0
        if type(d) in TRACED or type(c) in TRACED:
            level = max(x.owner.level for x in (c, d) if type(x) in TRACED)
            if type(c) not in TRACED or c.owner.level < level or slot not in self.shaped:
                fresh = outer_constant(np.full_like(value, zero), level + 1)
                if c is not None:
                    fresh[...] = c
                c = fresh
        elif c is None:
            c = np.zeros(value.shape, value.dtype) if value.flags.c_contiguous else np.zeros_like(value)
            if self.careful:
                c.fill(DEAD)
        elif type(c) is Uniform:
            c = np.full_like(value, c.value)
        elif slot not in self.owned or type(c) in SCALARS or c.dtype != value.dtype or not same_order(c, value):
            fresh = np.empty_like(value)
            fresh[...] = c
            c = fresh
        self.cotangents[slot] = c
        self.owned.add(slot)
        self.shaped.add(slot)


_SIZED = frozenset({np.ndarray, Uniform})
_DOUBLES = frozenset({float, np.float64})

# -- pulls: what a record does in the sweep -------------------------------------------------------------------------
#
# Each takes the sweep, the record's slot, the cotangent found there, and the record's last two fields.


def pull_input(_sweep: Sweep, _slot: int, _g: Any, _refs: Any, _payload: Any) -> None:
    """An input has no operands: its cotangent stays where it is."""


def pull_elementwise(sweep: Sweep, slot: int, g: Any, operands: Sequence[Any], saved: Any) -> None:
    """Real arrays, nothing masked: the short way."""
    if type(g) in _SIZED and g.size > LARGE:
        pull_large(sweep, slot, g, operands, saved)
        return
    cotangents = sweep.cotangents
    cotangents[slot] = None
    for ref, partial, shape in operands:
        if type(partial) is not float:
            d = g * partial(*saved)
        elif partial == 1.0:
            d = g
        else:
            d = -g if partial == -1.0 else g * partial
        if shape is not None:
            d = unbroadcast(d if type(d) is not Uniform else d.array(), shape)
        if type(ref) is int and cotangents[ref] is None:
            cotangents[ref] = d
        else:
            sweep.accumulate(ref, d)


def pull_scaled(sweep: Sweep, slot: int, g: Any, ref: Any, factor: Any) -> None:
    """One operand, of the value's shape, and a number as its partial."""
    if type(g) is ndarray and g.size > LARGE:
        pull_large(sweep, slot, g, ((ref, factor, None),), ())
        return
    cotangents = sweep.cotangents
    cotangents[slot] = None
    d = g if factor == 1.0 else -g if factor == -1.0 else g * factor
    if type(ref) is int and cotangents[ref] is None:
        cotangents[ref] = d
    else:
        sweep.accumulate(ref, d)


def pull_linear(sweep: Sweep, slot: int, g: Any, refs: tuple[Any, Any], sign: float) -> None:
    """The sum of two operands of the value's shape, or their difference."""
    first, second = refs
    cotangents = sweep.cotangents
    if type(g) is ndarray and g.size > LARGE:
        pull_large(sweep, slot, g, ((first, 1.0, None), (second, sign, None)), ())
        return
    cotangents[slot] = None
    if type(first) is int and cotangents[first] is None:
        cotangents[first] = g
    else:
        sweep.accumulate(first, g)
    d = g if sign == 1.0 else -g
    if type(second) is int and cotangents[second] is None:
        cotangents[second] = d
    else:
        sweep.accumulate(second, d)


def pull_single(sweep: Sweep, slot: int, g: Any, operand: Any, saved: Any) -> None:
    """One operand, of the value's shape."""
    ref, partial = operand
    if type(g) in _SIZED and g.size > LARGE:
        pull_large(sweep, slot, g, ((ref, partial, None),), saved)
        return
    cotangents = sweep.cotangents
    cotangents[slot] = None
    d = g * (partial(saved[0], saved[1]) if len(saved) == 2 else partial(*saved))
    if type(ref) is int and cotangents[ref] is None:
        cotangents[ref] = d
    else:
        sweep.accumulate(ref, d)


def pull_square(sweep: Sweep, slot: int, g: Any, ref: Any, saved: Any) -> None:
    """x**2."""
    cotangents = sweep.cotangents
    cotangents[slot] = None
    if type(g) is Uniform:
        d = saved[0] * (g.value + g.value)
    else:
        d = g * saved[0]
        d += d
    if type(ref) is int and cotangents[ref] is None:
        cotangents[ref] = d
        sweep.owned.add(ref)
    else:
        sweep.accumulate(ref, d)


def pull_product(sweep: Sweep, slot: int, g: Any, refs: tuple[Any, Any], saved: Any) -> None:
    """The product of two operands of the value's shape."""
    if type(g) in _SIZED and g.size > LARGE:
        pull_large(sweep, slot, g, *product_operands(refs, saved))
        return
    first, second = refs
    _, a, b = saved
    cotangents = sweep.cotangents
    cotangents[slot] = None
    d = g * b
    if type(first) is int and cotangents[first] is None:
        cotangents[first] = d
    else:
        sweep.accumulate(first, d)
    d = g * a
    if type(second) is int and cotangents[second] is None:
        cotangents[second] = d
    else:
        sweep.accumulate(second, d)


def product_operands(refs: tuple[Any, Any], saved: Any) -> tuple[Any, Any]:
    """A product as the most general elementwise record."""
    return ((refs[0], lambda _y, _a, b: b, None), (refs[1], lambda _y, a, _b: a, None)), saved


def pull_fill(sweep: Sweep, slot: int, g: Any, ref: Any, payload: Any) -> None:
    """The sum, or mean, of all elements of an array: the shape, and what the sum was divided by."""
    shape, count = payload
    cotangents = sweep.cotangents
    cotangents[slot] = None
    if count is not None:
        g = g / count
    if type(g) in _DOUBLES and not sweep.careful:
        d = Uniform()
        d.value = float(g)
        d.shape = shape
    else:
        d = fill(g, shape)
    if type(ref) is int and cotangents[ref] is None:
        cotangents[ref] = d
    else:
        sweep.accumulate(ref, d)


def fill(g: Any, shape: tuple[int, ...]) -> Any:
    """One number in the given shape; where that is large, without using memory for it (strides of zero)."""
    if type(g) in TRACED:
        return np.broadcast_to(g, shape)
    dtype = float if type(g) is float or type(g) is np.float64 else np.result_type(g)
    if math.prod(shape) > 1024:
        return np.ndarray(shape, dtype, np.array(g), strides=(0,) * len(shape))
    y = np.empty(shape, dtype)
    y.fill(g)
    return y


_TAKE_UNIFORM = frozenset(
    {pull_elementwise, pull_scaled, pull_linear, pull_single, pull_square, pull_product, pull_input}
)

# The kinds of elementwise records as the last two fields of the most general.
GENERAL: dict[Any, Callable[[Any, Any], tuple[Any, Any]]] = {
    pull_elementwise: lambda operands, saved: (operands, saved),
    pull_scaled: lambda ref, factor: (((ref, factor, None),), ()),
    pull_linear: lambda refs, sign: (((refs[0], 1.0, None), (refs[1], sign, None)), ()),
    pull_single: lambda operand, saved: (((*operand, None),), saved),
    pull_product: product_operands,
    pull_square: lambda ref, saved: (((ref, lambda x: x + x, None),), saved),
}


def pull_large(sweep: Sweep, slot: int, g: Any, operands: Sequence[Any], saved: Any) -> None:
    """The same for arrays so large that it pays to use memory again."""
    cotangents = sweep.cotangents
    cotangents[slot] = None
    # With one operand g ends here, and whoever owned it may use its memory again.
    ours = slot in sweep.owned and len(operands) == 1
    for ref, partial, shape in operands:
        if callable(partial):
            d = _times(g, partial(*saved), saved, ours)
        elif partial == 1.0:
            d = g
        else:
            d = np.multiply(g, partial, out=g) if ours and type(g) is ndarray else g * partial
        if shape is not None:
            d = unbroadcast(d if type(d) is not Uniform else d.array(), shape)
        if type(ref) is int and cotangents[ref] is None:
            cotangents[ref] = d
            if d is not g or ours:
                sweep.owned.add(ref)
        else:
            sweep.accumulate(ref, d)


def _times(g: Any, p: Any, saved: Sequence[Any], ours: bool) -> Any:
    """g · p for a large g, in the memory of p unless that is a saved value itself, or in that of g if it is ours."""
    if type(g) is Uniform:
        fresh = type(p) is ndarray and p.shape == g.shape and p.base is None and not any(p is s for s in saved)
        return np.multiply(p, g.value, out=p) if fresh else g * p
    if type(p) is ndarray and p.shape == g.shape and p.dtype == g.dtype:
        if p.base is None and not any(p is s for s in saved):
            return np.multiply(g, p, out=p)
        if ours:
            return np.multiply(g, p, out=g)
    return g * p


def pull_carefully(sweep: Sweep, slot: int, g: Any, operands: Sequence[Any], saved: Any) -> None:
    """Complex or traced values, ``where=``, and any careful sweep."""
    sweep.cotangents[slot] = None
    for ref, partial, shape, *rest in operands:
        real, mask = rest or (False, None)
        d = g if mask is None else np.where(mask, g, DEAD)
        if callable(partial) or partial != 1.0:
            p = partial(*saved) if callable(partial) else partial
            d = _living_product(d, p) if sweep.careful else d * p
        if mask is not None:
            d = np.where(mask, d, DEAD)
        if shape is not None:
            d = unbroadcast(d, shape)
        sweep.accumulate(ref, np.real(d) if real and is_complex(d) else d)


def pull_general(sweep: Sweep, slot: int, g: Any, refs: Sequence[Any], pulls: Sequence[Any]) -> None:
    sweep.cotangents[slot] = None
    for ref, pull in zip(refs, pulls, strict=True):
        sweep.accumulate(ref, pull(g))


def pull_one(sweep: Sweep, slot: int, g: Any, ref: Any, pull: Any) -> None:
    sweep.cotangents[slot] = None
    if type(ref) is int and sweep.cotangents[ref] is None:
        sweep.cotangents[ref] = pull(g)
    else:
        sweep.accumulate(ref, pull(g))


def pull_join(sweep: Sweep, slot: int, g: Any, live: Sequence[tuple[int, Any, bool]], pull: Any) -> None:
    sweep.cotangents[slot] = None
    parts = pull(g)
    for k, ref, real in live:
        sweep.accumulate(ref, np.real(parts[k]) if real else parts[k])


def pull_component(sweep: Sweep, slot: int, g: Any, hub: int, payload: tuple[int, int]) -> None:
    k, n = payload
    sweep.cotangents[slot] = None
    if sweep.cotangents[hub] is None:
        sweep.cotangents[hub] = [None] * n
    sweep.cotangents[hub][k] = g


def pull_tuple(sweep: Sweep, slot: int, g: Any, refs: Sequence[Any], payload: Any) -> None:
    pulls, y = payload
    sweep.cotangents[slot] = None
    g = tuple(np.full_like(plain(e), DEAD) if d is None else d for d, e in zip(g, y, strict=True))
    for ref, pull in zip(refs, pulls, strict=True):
        sweep.accumulate(ref, pull(g))


def turned(place: Any) -> bool:
    """Whether the buffer of an array or a view holds the cotangent with the other sign: of an imaginary part."""
    return type(place) is View and place.turned


def pull_element(sweep: Sweep, slot: int, g: Any, place: Any, key: Any) -> None:
    cotangents = sweep.cotangents
    cotangents[slot] = None
    if type(place) is not View and place.slot in sweep.shaped and type(g) not in TRACED:
        cotangents[place.slot][key] += g
        return
    part = sweep.buffer(place, g)
    part[key] += -g if turned(place) else g


def pull_gather(sweep: Sweep, slot: int, g: Any, place: Any, key: Any) -> None:
    sweep.cotangents[slot] = None
    part = sweep.buffer(place, g)
    np.add.at(part, key, -g if turned(place) else g)


def pull_setitem(sweep: Sweep, _slot: int, g: Any, ref: Any, payload: Any) -> None:
    place, key, spec = payload
    part = sweep.buffer(place, g)
    if type(key) is int and type(ref) is int and type(place) is not View:
        d = part[key]
        if type(d) is np.float64 and not spec[0]:
            part[key] = 0.0
            c = sweep.cotangents[ref]
            sweep.cotangents[ref] = d if c is None else c + d
            return
    if ref is None:
        part[key] = 0.0
        return
    d = part[key]
    if is_array(d):
        d = np.copy(d)
        winners = last_writes(part, key)
        if winners is not None:
            d = np.where(winners, d, 0.0)
    if turned(place):
        d = -d
    part[key] = 0.0
    sweep.accumulate(ref, _fit(d, *spec), fresh=True)


def pull_cut(_sweep: Sweep, _slot: int, _g: Any, _refs: Any, _payload: Any) -> None:
    """A record of a callback, cut out: ``Tape.sweep`` looks afterwards whether a cotangent got there."""


def pull_cut_write(sweep: Sweep, _slot: int, g: Any, place: Any, key: Any) -> None:
    """A write to an older array, cut out: what was written there has lost its derivative, so nobody may ask for it."""
    part = sweep.buffer(place, g)
    if np.any(plain(part if key is None else part[key]) != 0):
        raise AutodiffError(
            "a callback of a SciPy function writes to an array that is made outside of it, and used after",
            hint="make the array inside the callback",
        )


def pull_increment(sweep: Sweep, _slot: int, _g: Any, ref: Any, payload: Any) -> None:
    place, sign, shape, holomorphic = payload
    part = sweep.buffer(place)
    d = np.copy(part) if (sign > 0) is not turned(place) else -part
    sweep.accumulate(ref, _fit(d, shape, holomorphic), fresh=True)


def _fit(d: Any, shape: tuple[int, ...], holomorphic: bool) -> Any:
    """A cotangent of an assigned value: undo NumPy's broadcasting (which here also drops leading 1s), and be real."""
    core = shape
    while len(core) > len(shape_of(d)) and core[0] == 1:
        core = core[1:]
    d = unbroadcast(d, core)
    if core != shape:
        d = np.reshape(d, shape)
    return d if holomorphic or not is_complex(d) else np.real(d)


def last_writes(part: Any, key: Any) -> Any:
    """For an index with integer arrays: which of the writes survived. None where no place can be written twice."""
    parts = key if type(key) is tuple else (key,)
    if not any(isinstance(k, (list, np.ndarray)) and np.asarray(k).dtype.kind in "iu" for k in parts):
        return None
    order = np.zeros(plain(part).shape, dtype=np.intp)
    count = np.arange(order[key].size).reshape(order[key].shape)
    order[key] = count
    return order[key] == count
