"""Reverse mode: the tape. ``sweep.py`` runs it backwards, ``memory.py`` looks after arrays and their views.

The tape is a list of records in the order of execution. A record's position is its *slot*, the name of what it
produced; during the sweep ``cotangents[slot]`` is what has flowed back to it. Three ideas keep it small and fast:

* **Scalars are values, arrays are memory.** A scalar operation leaves ``(slot, a, ∂a, b, ∂b)``: its operands' slots and
  the partials as plain numbers, so the sweep is two multiplications. An array has one slot for as long as it lives; a
  view has none, only the way from its root's buffer to its own part, and its cotangent is the same part of the root's
  cotangent. Reading an element adds into that buffer, writing one takes its cotangent out: loops are linear.
* **Write in place unless a saved value would be damaged.** What a record saves is remembered by the array it came from;
  a write first gives those records copies of their own (of just what they saved), then writes where NumPy would.
* **Nothing is saved that no partial reads**: see ``Elementwise.plans``; a primitive's pullback is a closure, and a
  closure holds only what it uses.

Cotangents pair with tangents bilinearly (no conjugate), autograd's convention: for a complex operand z = x + iy of a
real function the cotangent is ∂f/∂x − i ∂f/∂y.

Source of the method: Griewank & Walther, *Evaluating Derivatives*, 2nd ed., SIAM 2008, chapters 3 (reverse mode) and 4
(memory and overwriting).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from gradcheck.autodiff.core import (
    FLOAT_KINDS,
    SCALARS,
    TRACED,
    Elementwise,
    Primitive,
    Trace,
    Traced,
    _levels,
    evaluate,
    is_array,
    is_complex,
    living,
    note_zero,
    plain,
    plain_tree,
    shape_of,
)
from gradcheck.autodiff.errors import AutodiffError
from gradcheck.autodiff.memory import (
    Snapshots,
    View,
    is_basic,
    origin,
    protect,
    reference,
    remember,
    same_memory,
    still,
    store,
    view_of,
)
from gradcheck.autodiff.sweep import (
    Record,
    Sweep,
    Uniform,
    pull_carefully,
    pull_component,
    pull_cut,
    pull_cut_write,
    pull_element,
    pull_gather,
    pull_general,
    pull_increment,
    pull_input,
    pull_join,
    pull_one,
    pull_setitem,
    pull_tuple,
)


class TapedBase(Traced):
    """What a value needs to be on a tape; ``array.py`` adds NumPy's interface and the arithmetic.

    Attributes:
        slot: the position of the record that produced it; None for a view and for a constant.
        link: for a view its :class:`View`; for an array that records have saved, the list of what they saved; else
        None.
    """

    __slots__ = ("link", "slot")
    slot: int | None
    link: Any


def taped(value: Any, trace: Tape, slot: int | None, link: Any = None) -> Any:
    """A value on the tape. (Not a constructor: where it matters, the four lines are written out.)"""
    x = Taped()
    x.value = value
    x.owner = trace
    x.slot = slot
    x.link = link
    return x


# The class of the values on a tape: set by operators.py, which derives it from TapedBase.
Taped: type[TapedBase] = TapedBase


def set_taped(cls: type[TapedBase]) -> None:
    global Taped
    Taped = cls
    TRACED.add(cls)


class _Sparse(dict[int, Any]):
    """Cotangents of a few among many slots."""

    def __missing__(self, slot: int) -> None:
        return None


class Tape(Trace):
    """The reverse trace."""

    # Ranges of slots whose records were cut out.
    cuts: Sequence[tuple[int, int]] = ()
    snapshots: Snapshots | None = None

    def __init__(self) -> None:
        self.level = next(_levels)  # as in Trace (to call that one would take as long as a record)
        self.records: list[Record] = []

    # -- values ----------------------------------------------------------------------------------------------------

    def variable(self, value: Any) -> Any:
        """An input: a value that the derivative is taken with respect to."""
        x = Taped()
        x.value = value
        x.owner = self
        x.slot = slot = len(self.records)
        x.link = None
        self.records.append((slot, None, pull_input, None, None))
        return x

    def constant(self, value: Any) -> Any:
        if is_array(value) and plain(value).dtype.kind in FLOAT_KINDS:
            return taped(value, self, None)
        return value

    def stale(self, value: Any) -> Any:
        return self.variable(value)

    def active(self, value: Any) -> bool:
        return value.slot is not None or reference(value) is not None

    def view(self, source: Any, step: Callable[[Any], Any]) -> Any:
        parent = source.link if type(source.link) is View else None
        return taped(step(source.value), self, None, view_of(origin(source), parent, None, step))

    def keep(self, a: Any) -> Any:
        """An operand that is not on this tape, as a record may save it."""
        if type(a) is not np.ndarray and type(a) not in TRACED:
            return a
        if self.snapshots is None:
            self.snapshots = Snapshots()
        return self.snapshots.keep(a)

    def _new(self, value: Any, pull: Callable[..., None], refs: Any, payload: Any) -> Any:
        """Record an operation with a fresh value."""
        slot = len(self.records)
        self.records.append((slot, None, pull, refs, payload))
        return taped(value, self, slot)

    def _open(self, args: Sequence[Any]) -> tuple[list[Any], list[Any], bool]:
        """The operands' values and where their cotangents go (None: nowhere), and whether any goes somewhere."""
        raws = []
        refs: list[Any] = []
        found = False
        for a in args:
            if type(a) is Taped and a.owner is self:
                raws.append(a.value)
                ref = a.slot
                if ref is None:
                    ref = reference(a)
                refs.append(ref)
                if ref is not None:
                    found = True
            else:
                raws.append(living(a))
                refs.append(None)
        return raws, refs, found

    # -- operations ------------------------------------------------------------------------------------------------

    def elementwise(self, rule: Elementwise, args: Sequence[Any], mask: Any, dtype: Any) -> Any:
        raws, refs, found = self._open(args)
        y = rule.function(*raws) if mask is True and dtype is None else evaluate(rule.function, raws, mask, dtype)
        return self.note(rule, args, raws, refs, y, mask) if found else self.constant(y)

    def note(
        self, rule: Elementwise, args: Sequence[Any], raws: Sequence[Any], refs: Sequence[Any], y: Any, mask: Any = True
    ) -> Any:
        """Record an elementwise operation whose value y is known; for values of every kind."""
        bits = 0
        for k, (ref, partial) in enumerate(zip(refs, rule.partials, strict=True)):
            if ref is not None and partial is not None:
                bits |= 1 << k
        if not bits:
            if any(ref is not None for ref in refs):
                note_zero()
            return self.constant(y)
        kind = type(y)
        if kind in SCALARS and len(raws) <= 2 and mask is True and not any(type(r) is complex for r in raws):
            return self._scalar(rule, y, raws, [r if bits >> k & 1 else None for k, r in enumerate(refs)])
        keep_y, *keep = rule.plans[bits]
        saved: list[Any] = [y if keep_y else None]
        operands = []
        # A real value has real operands, and the short way of finding an operand's shape is open.
        simple = kind is np.ndarray and y.dtype.kind == "f"
        shape = y.shape if simple else shape_of(y)
        for k, raw in enumerate(raws):
            saved.append(raw if keep[k] else None)
            if bits >> k & 1:
                own = raw.shape if type(raw) is np.ndarray else shape_of(raw)
                real = not simple and not is_complex(raw)
                where = mask if mask is not True else None
                operands.append((refs[k], rule.partials[k], own if own != shape else None, real, where))
            if keep[k] and type(raw) not in SCALARS:
                a = args[k]
                if type(a) is Taped and a.owner is self:
                    remember(a, saved)
                else:
                    saved[k + 1] = self.keep(raw)
        slot = len(self.records)
        self.records.append((slot, None, pull_carefully, operands, saved))
        return taped(y, self, slot, [saved] if keep_y and kind not in SCALARS else None)

    def _scalar(self, rule: Elementwise, y: Any, raws: Sequence[Any], refs: Sequence[Any]) -> Any:
        """Record a scalar operation with its partials as numbers."""
        # A partial may be an operand itself; a 0-d array among them is memory that may be written to later.
        raws = [r[()] if type(r) is np.ndarray else r for r in raws]
        slot = len(self.records)
        pairs = [(r, _number(p, y, raws)) for r, p in zip(refs, rule.partials, strict=True) if r is not None]
        (a, da), (b, db) = pairs if len(pairs) == 2 else (*pairs, (None, None))
        if type(a) is int and (b is None or type(b) is int):
            self.records.append((slot, a, da, b, db))
        else:  # a 0-d view is among the operands
            pulls = [_scale(d) for _, d in pairs]
            self.records.append((slot, None, pull_general, [r for r, _ in pairs], pulls))
        return taped(y, self, slot)

    def apply(self, primitive: Primitive, args: Sequence[Any], static: dict[str, Any]) -> Any:
        if len(args) == 1 and not primitive.outputs and not primitive.variadic and primitive.join is None:
            return self._apply_one(primitive, args[0], static)
        raws, refs, found = self._open(args)
        y = primitive.function(*raws, **static)
        if primitive.join is not None and found:
            return self._apply_join(primitive, args, static, raws, refs, y)
        if primitive.outputs:
            return self._apply_tuple(primitive, args, static, raws, refs, y)
        if not found:
            return self.constant(y)
        kind = type(y)
        simple = kind in SCALARS or (kind is np.ndarray and y.dtype.kind == "f")
        live, pulls = self._pulls(primitive, args, static, raws, refs, y, simple)
        if not live:
            return self.constant(y)
        slot = len(self.records)
        self.records.append((slot, None, pull_general, live, pulls))
        out = taped(y, self, slot)
        if primitive.jvps != "linear":  # the pullback of a linear function depends on no value
            self._remember_all(args, pulls)
            if kind not in SCALARS:
                out.link = list(pulls)
        return out

    def _apply_one(self, primitive: Primitive, x: Any, static: dict[str, Any]) -> Any:
        """:meth:`apply` for one operand and one value, written out."""
        raw, ref = x.value, x.slot
        if ref is None:
            ref = reference(x)
        y = primitive.function(raw, **static)
        make = primitive.vjps[0]  # type: ignore[index]
        if ref is None or make is None:
            return self.constant(y)
        pull = make(y, raw, **static)
        kind = type(y)
        if kind not in SCALARS and is_complex(y) and not is_complex(raw):
            pull = _real(pull)
        slot = len(self.records)
        self.records.append((slot, None, pull_one, ref, pull))
        if primitive.jvps == "linear":  # the pullback depends on no value
            return taped(y, self, slot)
        if type(raw) not in SCALARS:
            remember(x, pull)
        return taped(y, self, slot, [pull] if kind not in SCALARS else None)

    def _apply_join(
        self,
        primitive: Primitive,
        args: Sequence[Any],
        static: dict[str, Any],
        raws: list[Any],
        refs: list[Any],
        y: Any,
    ) -> Any:
        """A primitive that joins many operands: one pullback for all of them."""
        assert primitive.join is not None
        pull = primitive.join[0](y, *raws, **static)
        live = [(k, ref, is_complex(y) and not is_complex(raws[k])) for k, ref in enumerate(refs) if ref is not None]
        slot = len(self.records)
        self.records.append((slot, None, pull_join, live, pull))
        return taped(y, self, slot)

    def _pulls(
        self,
        primitive: Primitive,
        args: Sequence[Any],
        static: dict[str, Any],
        raws: list[Any],
        refs: list[Any],
        y: Any,
        simple: bool,
    ) -> tuple[list[Any], list[Any]]:
        """For each operand that a cotangent goes to: where to, and the pullback. ``simple``: the value is real."""
        live, pulls = [], []
        raws = [r if type(a) is Taped else self.keep(r) for a, r in zip(args, raws, strict=True)]
        for k, ref in enumerate(refs):
            if ref is None:
                continue
            pull = primitive.pullback(k, y, raws, static)
            if pull is not None:
                live.append(ref)
                pulls.append(pull if simple or is_complex(raws[k]) else _real(pull))
        return live, pulls

    def _remember_all(self, args: Sequence[Any], pulls: list[Any]) -> None:
        for a in args:
            if type(a) is Taped and a.owner is self and type(a.value) not in SCALARS:
                for pull in pulls:
                    remember(a, pull)

    def _apply_tuple(self, primitive: Primitive, args: Sequence[Any], static: dict[str, Any], raws: list[Any],
                     refs: list[Any], y: tuple[Any, ...]) -> tuple[Any, ...]:  # fmt: skip
        """A primitive with several values: one record that collects their cotangents, and one for each value."""
        live, pulls = self._pulls(primitive, args, static, raws, refs, y, not any(is_complex(e) for e in y))
        if not live:
            return tuple(self.constant(e) for e in y)
        hub = len(self.records)
        self.records.append((hub, None, pull_tuple, live, (pulls, y)))
        out = []
        for k, e in enumerate(y):
            if plain(e).dtype.kind not in FLOAT_KINDS:
                out.append(e)
                continue
            slot = len(self.records)
            self.records.append((slot, None, pull_component, hub, (k, len(y))))
            out.append(taped(e, self, slot))
        self._remember_all([*args, *out], pulls)
        return tuple(out)

    # -- memory ----------------------------------------------------------------------------------------------------

    def getitem(self, source: Any, key: Any) -> Any:
        kind = type(key)
        value = source.value
        if kind is not int:
            key = plain_tree(key)
        y = value[key]
        basic = kind is int or is_basic(key)
        if basic and type(y) not in SCALARS and is_array(y):
            link = source.link
            if type(link) is View:
                return taped(y, self, None, view_of(link.root, link, key))
            return taped(y, self, None, view_of(source, None, key))
        place = source if source.slot is not None else reference(source)
        if place is None:
            return self.constant(y)
        if type(place) is View and place.spread:  # of a broadcast array, which has no memory of its own
            return self.getitem(np.copy(source), key)
        slot = len(self.records)
        self.records.append((slot, None, pull_element if basic else pull_gather, place, key if basic else still(key)))
        return taped(y, self, slot)

    def setitem(self, target: Any, key: Any, value: Any) -> None:
        root = origin(target)
        if type(value) is Taped and value.owner is self:
            if type(value.link) is View and value.link.root is root and same_memory(target.value, key, value.value):
                return  # the last step of `x[a:b] += y`: the view is assigned to itself
            raw = value.value
            ref = value.slot if value.slot is not None else reference(value)
        else:
            raw, ref = value, None
        if root.link is not None:
            protect(root)
        store(target.value, key, raw)
        if ref is None and root.slot is None:
            return
        if plain(root.value).dtype.kind not in FLOAT_KINDS:
            return  # an integer array: NumPy truncates, and the derivative of that is zero
        slot = len(self.records)
        if root.slot is None:
            root.slot = slot
        place = target.link if type(target.link) is View else target
        spec = None if ref is None else (shape_of(raw), is_complex(raw))
        self.records.append((root.slot, None, pull_setitem, ref, (place, still(key), spec)))

    def increment(self, target: Any, value: Any, sign: int) -> None:
        root = origin(target)
        raws, refs, _ = self._open([value])
        raw, ref = raws[0], refs[0]
        if root.link is not None:
            protect(root)
        update = np.add if sign > 0 else np.subtract
        if type(target.value) is np.ndarray:
            update(target.value, raw, out=target.value)
        else:
            target.value.owner.increment(target.value, raw, sign)
        if ref is None:
            return
        slot = len(self.records)
        if root.slot is None:
            root.slot = slot
        place = target.link if type(target.link) is View else target
        self.records.append((root.slot, None, pull_increment, ref, (place, sign, shape_of(raw), is_complex(raw))))

    # -- callbacks of SciPy functions: see closures.py ----------------------------------------------------------------

    def link(self, value: Any, places: Sequence[tuple[int, bool]], pull: Callable[[Any], list[Any]]) -> Any:
        """A value whose derivative with respect to earlier slots is known.

        Args:
            value: without this trace.
            places: slot, and whether its cotangent must be made real.
            pull: the value's cotangent -> cotangents of the places.
        """
        slot = len(self.records)
        self.records.append((slot, None, pull_join, [(k, ref, real) for k, (ref, real) in enumerate(places)], pull))
        return taped(value, self, slot)

    def local(self, mark: int, output: Any, g: Any) -> dict[int, Any]:
        """The cotangents of slots before the mark for a cotangent of an output, by the records after the mark alone."""
        ref = output.slot if output.slot is not None else reference(output)
        if ref is None:
            return {}
        records = self.records[mark:]
        found: dict[int, Any] = {}
        for careful in (False, True):
            sweep = Sweep(0, careful)
            sweep.cotangents = cotangents = _Sparse()
            sweep.accumulate(ref, g)
            sweep.run(records)
            found = {
                slot: c.array() if type(c) is Uniform else c
                for slot, c in cotangents.items()
                if slot < mark and c is not None
            }
            if not any(np.any(np.isnan(plain(c))) for c in found.values()):
                break
        self._verify_cuts((k, c) for k, c in cotangents.items() if k >= mark)
        return found

    def cut(self, mark: int) -> None:
        """Take the records from the mark on off the tape. Their slots are not given again: a value that was kept from
        then, and used, is found in the sweep."""
        records = self.records
        end = len(records)
        if end == mark:
            return
        # One record for all of them, so that what a thousand evaluations leave behind is a list of references.
        gone: Record = (mark, None, pull_cut, None, None)
        records[mark:end] = [_cut_write(r) if r[0] < mark else gone for r in records[mark:end]]
        start = mark
        cuts = list(self.cuts)
        while cuts and cuts[-1][1] >= start:
            start = min(start, cuts.pop()[0])
        self.cuts = (*cuts, (start, end))

    def _verify_cuts(self, cotangents: Iterable[tuple[int, Any]]) -> None:
        """Nothing flowed back to a value that was made in a callback and kept."""
        for slot, c in cotangents if self.cuts else ():
            if c is not None and self.is_cut(slot) and np.any(plain(c.value if type(c) is Uniform else c) != 0):
                raise AutodiffError(
                    "a value that was computed in a callback of a SciPy function is used outside of it",
                    hint="have the callback return it, or compute it again where it is used",
                )

    def is_cut(self, slot: int) -> bool:
        """Whether the record at this slot was cut out."""
        return any(start <= slot < end for start, end in self.cuts)

    # -- the sweep -------------------------------------------------------------------------------------------------

    def sweep(self, seeds: Sequence[tuple[Any, Any]], wanted: Sequence[Any]) -> list[Any]:
        """Run the tape backwards, and where that gives nan once more, carefully.

        A careful sweep takes 0 · ∞ for 0: where a cotangent is exactly zero (a branch that ``np.where`` did not take)
        an infinite partial must not make it nan. That costs a pass over every array.

        Args:
            seeds: pairs of an output (a value of this tape) and its cotangent, of the same shape.
            wanted: inputs whose cotangents are returned; None stands for one that nothing flowed back to.
        """
        one = len(wanted) == 1  # the two comprehensions would take as long as two records
        slots = [wanted[0].slot] if one else [x.slot for x in wanted]
        for careful in (False, True):
            sweep = Sweep(len(self.records), careful)
            for output, g in seeds:
                ref = output.slot if output.slot is not None else reference(output)
                if type(ref) is int and sweep.cotangents[ref] is None:
                    sweep.cotangents[ref] = g
                elif ref is not None:
                    sweep.accumulate(ref, g)
            if not self._swept(sweep, slots):
                break
        for start, end in self.cuts:
            self._verify_cuts(enumerate(sweep.cotangents[start:end], start))
        return [sweep.result(slots[0])] if one else [sweep.result(slot) for slot in slots]

    def gradient(self, slot: int) -> Any:
        """The cotangent of the first slot, an input and the only one, where that of the scalar at ``slot`` is 1.

        None where there is more to it than :meth:`sweep` at its simplest, or nothing flowed back. Errors as there.
        """
        if self.cuts:
            return None
        sweep = Sweep(len(self.records), False)
        sweep.cotangents[slot] = 1.0
        return None if self._swept(sweep, (0,)) else sweep.result(0)

    def _swept(self, sweep: Sweep, wanted: Sequence[int]) -> bool:
        """Run all records backwards; whether there is nan in what is wanted. Errors as of :meth:`verify`."""
        if self.snapshots is not None:
            self.snapshots.verify()
        records = self.records
        try:
            found = sweep.run(records, wanted)
        except Exception:
            self._verify_order()  # this may be why
            raise
        # A slot is never beyond its record's place: the sum tells whether all are right. (A careful sweep follows one
        # that was not.)
        n = len(records)
        if not sweep.careful and sweep.order != n * (n - 1) // 2:
            self._verify_order()
        return found

    def verify(self) -> None:
        """Raise unless the tape can be swept: what it saved is as it was, and its records are in order."""
        if self.snapshots is not None:
            self.snapshots.verify()
        self._verify_order()

    def _verify_order(self) -> None:
        """Every record stands at its own slot, but for writes. Two threads that record at once could break that."""
        if any(
            record[0] != i and record[2] not in (pull_setitem, pull_increment, pull_cut, pull_cut_write)
            for i, record in enumerate(self.records)
        ):
            raise AutodiffError("several threads worked on traced values at the same time", hint="use one thread")


def _cut_write(record: Record) -> Record:
    """What stays of a write to an older array when its record is cut out."""
    slot, _, pull, _, payload = record
    if pull is pull_cut_write:  # in a callback of a callback
        return record
    place, key = (payload[0], None) if pull is pull_increment else payload[:2]
    return slot, None, pull_cut_write, place, key


def _number(partial: Any, y: Any, raws: Sequence[Any]) -> Any:
    """A partial at scalar operands, as a number; infinite where Python's floats would raise ZeroDivisionError."""
    if not callable(partial):
        return partial
    with np.errstate(all="ignore"):
        try:
            return partial(y, *raws)
        except (ZeroDivisionError, OverflowError, ValueError):
            return partial(np.float64(y), *(np.float64(r) for r in raws))


def _scale(d: Any) -> Callable[[Any], Any]:
    return lambda g: g * d


def _real(pull: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda g: np.real(pull(g))
