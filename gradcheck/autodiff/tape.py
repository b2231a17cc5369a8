"""Reverse mode: the tape, and the sweep that runs it backwards.

The tape is a list of records in the order of execution. A record's position is its *slot*, the name of what it
produced; during the sweep ``cotangents[slot]`` is what has flowed back to it. Three ideas keep it small and fast:

* **Scalars are values, arrays are memory.** A scalar operation leaves ``(slot, a, ∂a, b, ∂b)``: its operands' slots and
  the partials as plain numbers, so the sweep is two multiplications. An array has one slot for as long as it lives; a
  view has none, only the way from its root's buffer to its own part, and its cotangent is the same part of the root's
  cotangent. Reading an element adds into that buffer, writing one takes its cotangent out: loops are linear.
* **Write in place unless a saved value would be damaged.** What a record saves is remembered by the array it came from;
  a write first gives those records copies of their own (of just what they saved), then writes where NumPy would.
* **Nothing is saved that no partial reads**: see ``Elementwise.needs``; a primitive's pullback is a closure, and a
closure
  holds only what it uses.

Cotangents pair with tangents bilinearly (no conjugate), autograd's convention: for a complex operand z = x + iy of a
real function the cotangent is ∂f/∂x − i ∂f/∂y.

Source of the method: Griewank & Walther, *Evaluating Derivatives*, 2nd ed., SIAM 2008, chapters 3 (reverse mode) and 4
(memory and overwriting).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import FunctionType
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
    is_array,
    is_complex,
    plain,
    plain_tree,
    shape_of,
    unbroadcast,
)
from gradcheck.autodiff.errors import AutodiffError, unsupported

Record = tuple[int, Any, Any, Any, Any]

# From this many elements on, a temporary array costs more than finding out that one can be reused.
_LARGE = 4096


class View:
    """How a view's part is found in a buffer that is laid out as its root's: from the parent view's part (None: the
    root's) by a key, or by a step of another kind."""

    __slots__ = ("key", "parent", "root", "step")

    def __init__(
        self, root: TapedBase, parent: View | None, key: Any, step: Callable[[Any], Any] | None = None
    ) -> None:
        self.root = root
        self.parent = parent
        self.key = key
        self.step = step

    def of(self, buffer: Any) -> Any:
        if self.parent is not None:
            buffer = self.parent.of(buffer)
        return buffer[self.key] if self.step is None else self.step(buffer)


class TapedBase(Traced):
    """What a value needs to be on a tape; ``array.py`` adds NumPy's interface and the arithmetic.

    Attributes:
        slot: the position of the record that produced it; None for a view and for a constant.
        link: for a view its :class:`View`; for an array that records have saved, the list of what they saved; else
        None.
    """

    __slots__ = ("link", "slot")

    def __init__(self, value: Any, trace: Tape, slot: int | None, link: Any) -> None:
        self.value = value
        self.owner = trace
        self.slot = slot
        self.link = link


# The class of the values on a tape: set by array.py, which derives it from TapedBase.
Taped: type[TapedBase] = TapedBase


def set_taped(cls: type[TapedBase]) -> None:
    global Taped
    Taped = cls
    TRACED.add(cls)


def _origin(x: TapedBase) -> TapedBase:
    return x.link.root if type(x.link) is View else x


def _sample(a: np.ndarray[Any, Any]) -> bytes:
    """About five hundred of an array's values, evenly spread, as bytes (so that nan is equal to itself)."""
    step = a.size // 512
    return (a.reshape(-1)[::step] if a.flags.c_contiguous else a.flat[::step]).tobytes()


def _remember(x: Any, saved: Any) -> None:
    """Note on the array x that a record has saved (parts of) its buffer: see :func:`_protect`."""
    root = _origin(x)
    if root.link is None:
        root.link = [saved]
    else:
        root.link.append(saved)


def _protect(root: TapedBase) -> None:
    """Before root's buffer is written: give every record that saved a part of it a copy of its own."""
    if not root.link:
        return
    buffer = plain(root.value)

    def detach(x: Any) -> Any:
        if type(x) in TRACED:
            # Of an outer trace: its values are copied by value, its own tape by a recorded copy.
            return np.copy(x) if is_array(x) and np.may_share_memory(plain(x), buffer) else x
        if isinstance(x, np.ndarray):
            return x.copy() if np.may_share_memory(x, buffer) else x
        if type(x) in (tuple, list):
            return type(x)(detach(e) for e in x)
        if type(x) is FunctionType:
            for cell in x.__closure__ or ():
                cell.cell_contents = detach(cell.cell_contents)
        return x

    for saved in root.link:
        if type(saved) is list:
            saved[:] = [detach(x) for x in saved]
        else:
            detach(saved)
    root.link = None


class Tape(Trace):
    """The reverse trace."""

    __slots__ = ("foreign", "records")

    def __init__(self) -> None:
        super().__init__()
        self.records: list[Record] = []
        # Large plain arrays that records refer to, each with a sample of its values then.
        self.foreign: list[tuple[np.ndarray[Any, Any], bytes]] = []

    # -- values ----------------------------------------------------------------------------------------------------

    def variable(self, value: Any) -> Any:
        """An input: a value that the derivative is taken with respect to."""
        slot = len(self.records)
        self.records.append((slot, None, _input, None, None))
        return Taped(value, self, slot, None)

    def constant(self, value: Any) -> Any:
        if is_array(value) and plain(value).dtype.kind in FLOAT_KINDS:
            return Taped(value, self, None, None)
        return value

    def active(self, value: Any) -> bool:
        return value.slot is not None or _reference(value) is not None

    def view(self, source: Any, step: Callable[[Any], Any]) -> Any:
        parent = source.link if type(source.link) is View else None
        return Taped(step(source.value), self, None, View(_origin(source), parent, None, step))

    def _new(self, value: Any, pull: Callable[..., None], refs: Any, payload: Any) -> Any:
        """Record an operation with a fresh value."""
        slot = len(self.records)
        self.records.append((slot, None, pull, refs, payload))
        return Taped(value, self, slot, None)

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
                    ref = _reference(a)
                refs.append(ref)
                if ref is not None:
                    found = True
            else:
                raws.append(a)
                refs.append(None)
        return raws, refs, found

    def _keep(self, a: Any) -> Any:
        """An operand that is not on the tape, as a record may save it: what is written to it later goes unseen.

        A small array is copied. A large one is referred to, and the sweep refuses to run if it has changed by then.
        """
        if type(a) is not np.ndarray:
            return a
        if a.size <= _LARGE:
            return a.copy()
        if not any(a is known for known, _ in self.foreign):
            self.foreign.append((a, _sample(a)))
        return a

    # -- operations ------------------------------------------------------------------------------------------------

    def elementwise(self, rule: Elementwise, args: Sequence[Any], mask: Any, dtype: Any) -> Any:
        raws, refs, found = self._open(args)
        y = rule.function(*raws) if mask is True and dtype is None else _evaluate(rule.function, raws, mask, dtype)
        if not found:
            return self.constant(y)
        bits = 0
        for k, (ref, partial) in enumerate(zip(refs, rule.partials, strict=True)):
            if ref is not None and partial is not None:
                bits |= 1 << k
        if not bits:
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
                    _remember(a, saved)
                else:
                    saved[k + 1] = self._keep(raw)
        slot = len(self.records)
        self.records.append((slot, None, _pull_carefully, operands, saved))
        return Taped(y, self, slot, [saved] if keep_y and kind not in SCALARS else None)

    def binary(self, rule: Elementwise, x: Any, y: Any) -> Any:
        """:meth:`elementwise` of two operands, each a value of this tape or plain, written out: it is most of what
        runs."""
        rx = ry = None
        a, b = x, y
        if type(x) is Taped:
            a, rx = x.value, x.slot
            if rx is None and x.link is not None:
                rx = _reference(x)
        if type(y) is Taped:
            b, ry = y.value, y.slot
            if ry is None and y.link is not None:
                ry = _reference(y)
        v = rule.function(a, b)
        if type(v) is not np.ndarray or v.dtype.kind != "f":
            return self.elementwise(rule, (x, y), True, None)
        d0, d1 = rule.partials
        shape = v.shape
        if rx is None or d0 is None:
            if ry is None or d1 is None:
                return Taped(v, self, None, None)
            bits = 2
            own = b.shape if type(b) is np.ndarray else shape_of(b)
            operands: tuple[Any, ...] = ((ry, d1, None if own == shape else own),)
        else:
            own = a.shape if type(a) is np.ndarray else shape_of(a)
            if ry is None or d1 is None:
                bits = 1
                operands = ((rx, d0, None if own == shape else own),)
            else:
                bits = 3
                other = b.shape if type(b) is np.ndarray else shape_of(b)
                operands = (
                    (rx, d0, None if own == shape else own),
                    (ry, d1, None if other == shape else other),
                )
        keep_v, keep_a, keep_b = rule.plans[bits]
        saved: Any = None
        if keep_v or keep_a or keep_b:
            saved = [v if keep_v else None, a if keep_a else None, b if keep_b else None]
            if keep_a and type(a) is np.ndarray:
                if type(x) is Taped:
                    if x.link is None:
                        x.link = [saved]
                    else:
                        _remember(x, saved)
                else:
                    saved[1] = self._keep(a)
            if keep_b and type(b) is np.ndarray:
                if type(y) is Taped:
                    _remember(y, saved)
                else:
                    saved[2] = self._keep(b)
        slot = len(self.records)
        self.records.append((slot, None, _pull_elementwise, operands, saved))
        return Taped(v, self, slot, [saved] if keep_v else None)

    def unary(self, rule: Elementwise, x: Any) -> Any:
        """:meth:`elementwise` of one operand of this tape, written out."""
        a, ref = x.value, x.slot
        if ref is None and x.link is not None:
            ref = _reference(x)
        partial = rule.partials[0]
        if type(a) is not np.ndarray or a.dtype.kind != "f" or partial is None or ref is None:
            return self.elementwise(rule, (x,), True, None)
        v = rule.function(a)
        if type(v) is not np.ndarray:  # a 0-d array becomes a scalar
            return self.elementwise(rule, (x,), True, None)
        keep_v, keep_a = rule.plans[1]
        saved = [v if keep_v else None, a if keep_a else None]
        if keep_a:
            _remember(x, saved)
        slot = len(self.records)
        self.records.append((slot, None, _pull_elementwise, ((ref, partial, None),), saved))
        return Taped(v, self, slot, [saved] if keep_v else None)

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
            self.records.append((slot, None, _pull_general, [r for r, _ in pairs], pulls))
        return Taped(y, self, slot, None)

    def apply(self, primitive: Primitive, args: Sequence[Any], static: dict[str, Any]) -> Any:
        if len(args) == 1 and not primitive.outputs and not primitive.variadic:
            return self._apply_one(primitive, args[0], static)
        raws, refs, found = self._open(args)
        y = primitive.function(*raws, **static)
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
        self.records.append((slot, None, _pull_general, live, pulls))
        out = Taped(y, self, slot, None)
        if primitive.jvps != "linear":  # the pullback of a linear function depends on no value
            self._remember_all(args, pulls)
            if kind not in SCALARS:
                out.link = list(pulls)
        return out

    def _apply_one(self, primitive: Primitive, x: Any, static: dict[str, Any]) -> Any:
        """:meth:`apply` for one operand and one value, written out."""
        raw, ref = x.value, x.slot
        if ref is None:
            ref = _reference(x)
        y = primitive.function(raw, **static)
        make = primitive.vjps[0]  # type: ignore[index]
        if ref is None or make is None:
            return self.constant(y)
        pull = make(y, raw, **static)
        kind = type(y)
        if kind not in SCALARS and is_complex(y) and not is_complex(raw):
            pull = _real(pull)
        slot = len(self.records)
        self.records.append((slot, None, _pull_one, ref, pull))
        if primitive.jvps == "linear":  # the pullback depends on no value
            return Taped(y, self, slot, None)
        if type(raw) not in SCALARS:
            _remember(x, pull)
        return Taped(y, self, slot, [pull] if kind not in SCALARS else None)

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
        raws = [r if type(a) is Taped else self._keep(r) for a, r in zip(args, raws, strict=True)]
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
                    _remember(a, pull)

    def _apply_tuple(self, primitive: Primitive, args: Sequence[Any], static: dict[str, Any], raws: list[Any],
                     refs: list[Any], y: tuple[Any, ...]) -> tuple[Any, ...]:  # fmt: skip
        """A primitive with several values: one record that collects their cotangents, and one for each value."""
        live, pulls = self._pulls(primitive, args, static, raws, refs, y, not any(is_complex(e) for e in y))
        if not live:
            return tuple(self.constant(e) for e in y)
        hub = len(self.records)
        self.records.append((hub, None, _pull_tuple, live, (pulls, y)))
        out = []
        for k, e in enumerate(y):
            if plain(e).dtype.kind not in FLOAT_KINDS:
                out.append(e)
                continue
            slot = len(self.records)
            self.records.append((slot, None, _pull_component, hub, (k, len(y))))
            out.append(Taped(e, self, slot, None))
        self._remember_all([*args, *out], pulls)
        return tuple(out)

    # -- memory ----------------------------------------------------------------------------------------------------

    def getitem(self, source: Any, key: Any) -> Any:
        kind = type(key)
        value = source.value
        if kind is not int:
            key = plain_tree(key)
        y = value[key]
        basic = kind is int or _is_basic(key)
        if basic and type(y) not in SCALARS and is_array(y):
            link = source.link
            if type(link) is View:
                return Taped(y, self, None, View(link.root, link, key))
            return Taped(y, self, None, View(source, None, key))
        place = source if source.slot is not None else _reference(source)
        if place is None:
            return self.constant(y)
        slot = len(self.records)
        self.records.append((slot, None, _pull_element if basic else _pull_gather, place, key))
        return Taped(y, self, slot, None)

    def setitem(self, target: Any, key: Any, value: Any) -> None:
        root = _origin(target)
        if type(value) is Taped and value.owner is self:
            if type(value.link) is View and value.link.root is root and _same_memory(target.value, key, value.value):
                return  # the last step of `x[a:b] += y`: the view is assigned to itself
            raw = value.value
            ref = value.slot if value.slot is not None else _reference(value)
        else:
            raw, ref = value, None
        if root.link is not None:
            _protect(root)
        _store(target.value, key, raw)
        if ref is None and root.slot is None:
            return
        if plain(root.value).dtype.kind not in FLOAT_KINDS:
            return  # an integer array: NumPy truncates, and the derivative of that is zero
        slot = len(self.records)
        if root.slot is None:
            root.slot = slot
        place = target.link if type(target.link) is View else target
        spec = None if ref is None else (shape_of(raw), is_complex(raw))
        self.records.append((root.slot, None, _pull_setitem, ref, (place, key, spec)))

    def increment(self, target: Any, value: Any, sign: int) -> None:
        root = _origin(target)
        raws, refs, _ = self._open([value])
        raw, ref = raws[0], refs[0]
        if root.link is not None:
            _protect(root)
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
        self.records.append((root.slot, None, _pull_increment, ref, (place, sign, shape_of(raw), is_complex(raw))))

    # -- the sweep -------------------------------------------------------------------------------------------------

    def sweep(self, seeds: Sequence[tuple[Any, Any]], wanted: Sequence[Any], *, careful: bool = False) -> list[Any]:
        """Run the tape backwards.

        Args:
            seeds: pairs of an output (a value of this tape) and its cotangent, of the same shape.
            wanted: inputs whose cotangents are returned; None stands for one that nothing flowed back to.
            careful: take 0 · ∞ for 0: where a cotangent is exactly zero (a branch that ``np.where`` did not take)
                an infinite partial must not make it nan. Costs a pass over every array, so it is asked for only
                when a sweep has produced nan.
        """
        for array, sample in self.foreign:
            if _sample(array) != sample:
                raise AutodiffError(
                    f"an array of shape {array.shape} was changed in place after the function had used it",
                    hint="make a new array instead (w = w * 0.5), or make it inside the function with np.array(w)",
                )
        sweep = Sweep(len(self.records), careful)
        for output, g in seeds:
            ref = output.slot if output.slot is not None else _reference(output)
            if ref is not None:
                sweep.accumulate(ref, g)
        with np.errstate(all="ignore"):
            sweep.run(self.records)
        return [sweep.result(x.slot) for x in wanted]


class Sweep:
    """The state of one backward run: the cotangents, and which of their buffers nobody else holds."""

    __slots__ = ("careful", "cotangents", "owned", "shaped")

    def __init__(self, slots: int, careful: bool) -> None:
        self.cotangents: list[Any] = [None] * slots
        # Slots whose buffer is ours to write to, and those among them whose buffer also lies as the array itself does.
        self.owned: set[int] = set()
        self.shaped: set[int] = set()
        self.careful = careful

    def run(self, records: list[Record]) -> None:
        cotangents = self.cotangents
        careful = self.careful
        for slot, a, da, b, db in reversed(records):
            g = cotangents[slot]
            if g is None:
                continue
            if a is None:
                if careful and da is _pull_elementwise:
                    da = _pull_carefully
                da(self, slot, g, b, db)
                continue
            # A scalar operation. An exact zero stops here: it says nothing, and 0 · ∞ would say nan. (A traced
            # zero may have a derivative and goes on.)
            if type(g) in SCALARS and not g:
                continue
            c = cotangents[a]
            cotangents[a] = g * da if c is None else c + g * da
            if b is not None:
                c = cotangents[b]
                cotangents[b] = g * db if c is None else c + g * db

    def result(self, slot: int) -> Any:
        """The cotangent at a slot, in memory that is nobody else's."""
        c = self.cotangents[slot]
        return c if type(c) is not np.ndarray or slot in self.owned else c.copy()

    def accumulate(self, ref: Any, d: Any, fresh: bool = False) -> None:
        """Add d to the cotangent at ref. ``fresh``: nobody else holds d, so that it may become the buffer."""
        if type(ref) is int:
            c = self.cotangents[ref]
            if c is None:
                self.cotangents[ref] = d
                if fresh:
                    self.owned.add(ref)
            elif type(c) is np.ndarray and ref in self.owned and type(d) not in TRACED:
                np.add(c, d, out=c, casting="unsafe")
            else:
                self.cotangents[ref] = c + d
                self.owned.add(ref)
                self.shaped.discard(ref)
        else:
            part = self.buffer(ref, d)
            if type(part) is np.ndarray:
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
        value = root.value if type(root.value) is np.ndarray else plain(root.value)
        c = self.cotangents[slot]
        if c is None:
            c = np.zeros(value.shape, value.dtype) if value.flags.c_contiguous else np.zeros_like(value)
        elif slot not in self.owned or type(c) in SCALARS or not _same_order(c, value):
            fresh = np.empty_like(value)
            if type(c) in TRACED:
                fresh = c.owner.constant(fresh)
            fresh[...] = c
            c = fresh
        if type(d) in TRACED and (type(c) not in TRACED or c.owner.level < d.owner.level):
            c = d.owner.constant(c)
        self.cotangents[slot] = c
        self.owned.add(slot)
        self.shaped.add(slot)


# -- pulls: what a record does in the sweep -------------------------------------------------------------------------
#
# Each takes the sweep, the record's slot, the cotangent found there, and the record's last two fields.


def _input(_sweep: Sweep, _slot: int, _g: Any, _refs: Any, _payload: Any) -> None:
    """An input has no operands: its cotangent stays where it is."""


def _pull_elementwise(sweep: Sweep, slot: int, g: Any, operands: Sequence[Any], saved: Any) -> None:
    """Real arrays, nothing masked: the short way."""
    if type(g) is np.ndarray and g.size > _LARGE:
        _pull_large(sweep, slot, g, operands, saved)
        return
    cotangents = sweep.cotangents
    cotangents[slot] = None
    for ref, partial, shape in operands:
        if type(partial) is not float:
            d = g * partial(*saved)
        elif partial == 1.0:
            d = g
        else:
            d = g * partial
        if shape is not None:
            d = unbroadcast(d, shape)
        if type(ref) is int and cotangents[ref] is None:
            cotangents[ref] = d
        else:
            sweep.accumulate(ref, d)


def _pull_large(sweep: Sweep, slot: int, g: Any, operands: Sequence[Any], saved: Any) -> None:
    """The same for arrays so large that it pays to use memory again."""
    cotangents = sweep.cotangents
    cotangents[slot] = None
    # With one operand g ends here, and whoever owned it may use its memory again.
    ours = slot in sweep.owned and len(operands) == 1
    for ref, partial, shape in operands:
        if type(partial) is not float:
            d = _times(g, partial(*saved), saved, ours)
        elif partial == 1.0:
            d = g
        else:
            d = np.multiply(g, partial, out=g) if ours else g * partial
        if shape is not None:
            d = unbroadcast(d, shape)
        if type(ref) is int and cotangents[ref] is None:
            cotangents[ref] = d
            if d is not g or ours:
                sweep.owned.add(ref)
        else:
            sweep.accumulate(ref, d)


def _times(g: Any, p: Any, saved: Sequence[Any], ours: bool) -> Any:
    """g · p for a large g, in the memory of p unless that is a saved value itself, or in that of g if it is ours."""
    if type(p) is np.ndarray and p.shape == g.shape and p.dtype == g.dtype:
        if p.base is None and not any(p is s for s in saved):
            return np.multiply(g, p, out=p)
        if ours:
            return np.multiply(g, p, out=g)
    return g * p


def _pull_carefully(sweep: Sweep, slot: int, g: Any, operands: Sequence[Any], saved: Any) -> None:
    """Complex or traced values, ``where=``, and any sweep that takes 0 · ∞ for 0."""
    sweep.cotangents[slot] = None
    for ref, partial, shape, *rest in operands:
        real, mask = rest or (False, None)
        d = g if mask is None else np.where(mask, g, 0.0)
        if type(partial) is not float:
            d = d * partial(*saved)
        elif partial != 1.0:
            d = d * partial
        if mask is not None:
            d = np.where(mask, d, 0.0)
        if sweep.careful:
            d = np.where((plain(g) == 0) & np.isnan(plain(d)), 0.0, d)
        if shape is not None:
            d = unbroadcast(d, shape)
        sweep.accumulate(ref, np.real(d) if real and is_complex(d) else d)


def _pull_general(sweep: Sweep, slot: int, g: Any, refs: Sequence[Any], pulls: Sequence[Any]) -> None:
    sweep.cotangents[slot] = None
    for ref, pull in zip(refs, pulls, strict=True):
        sweep.accumulate(ref, pull(g))


def _pull_one(sweep: Sweep, slot: int, g: Any, ref: Any, pull: Any) -> None:
    sweep.cotangents[slot] = None
    if type(ref) is int and sweep.cotangents[ref] is None:
        sweep.cotangents[ref] = pull(g)
    else:
        sweep.accumulate(ref, pull(g))


def _pull_component(sweep: Sweep, slot: int, g: Any, hub: int, payload: tuple[int, int]) -> None:
    k, n = payload
    sweep.cotangents[slot] = None
    if sweep.cotangents[hub] is None:
        sweep.cotangents[hub] = [None] * n
    sweep.cotangents[hub][k] = g


def _pull_tuple(sweep: Sweep, slot: int, g: Any, refs: Sequence[Any], payload: Any) -> None:
    pulls, y = payload
    sweep.cotangents[slot] = None
    g = tuple(np.zeros_like(plain(e)) if d is None else d for d, e in zip(g, y, strict=True))
    for ref, pull in zip(refs, pulls, strict=True):
        sweep.accumulate(ref, pull(g))


def _pull_element(sweep: Sweep, slot: int, g: Any, place: Any, key: Any) -> None:
    sweep.cotangents[slot] = None
    part = sweep.buffer(place, g)
    part[key] += g


def _pull_gather(sweep: Sweep, slot: int, g: Any, place: Any, key: Any) -> None:
    sweep.cotangents[slot] = None
    part = sweep.buffer(place, g)
    np.add.at(part, key, g)


def _pull_setitem(sweep: Sweep, _slot: int, g: Any, ref: Any, payload: Any) -> None:
    place, key, spec = payload
    part = sweep.buffer(place, g)
    if ref is None:
        part[key] = 0.0
        return
    d = part[key]
    if is_array(d):
        d = np.copy(d)
        winners = _last_writes(part, key)
        if winners is not None:
            d = np.where(winners, d, 0.0)
    part[key] = 0.0
    sweep.accumulate(ref, _fit(d, *spec), fresh=True)


def _pull_increment(sweep: Sweep, _slot: int, _g: Any, ref: Any, payload: Any) -> None:
    place, sign, shape, holomorphic = payload
    part = sweep.buffer(place)
    d = np.copy(part) if sign > 0 else -part
    sweep.accumulate(ref, _fit(d, shape, holomorphic), fresh=True)


# -- helpers -------------------------------------------------------------------------------------------------------


def _same_order(c: Any, value: Any) -> bool:
    """Whether a cotangent lies in memory as its root does, so that a view of the one is a view of the other."""
    flags, wanted = plain(c).flags, value.flags
    return bool(flags.c_contiguous or not wanted.c_contiguous) and bool(flags.f_contiguous or not wanted.f_contiguous)


_INTEGERS = frozenset({int, np.int64, np.int32, np.intp})
_BASIC = _INTEGERS | {slice, type(None), type(Ellipsis)}


def _is_basic(key: Any) -> bool:
    """Whether NumPy answers this key with a view or an element, not with a copy."""
    if type(key) in _BASIC:
        return True
    if type(key) is tuple:
        return all(type(k) in _BASIC or (isinstance(k, np.integer)) for k in key)
    return isinstance(key, np.integer)


def _reference(x: TapedBase) -> Any:
    """Where the cotangent of a value without a slot goes: a view of an active array has its View, else None."""
    link = x.link
    return link if type(link) is View and link.root.slot is not None else None


def _same_memory(target: Any, key: Any, value: Any) -> bool:
    part = plain(target)[plain_tree(key)]
    value = plain(value)
    if type(part) is not np.ndarray or part.shape != value.shape or part.strides != value.strides:
        return False
    return bool(part.__array_interface__["data"] == value.__array_interface__["data"])


def _store(target: Any, key: Any, raw: Any) -> None:
    if type(target) is np.ndarray and type(raw) in TRACED:
        raise unsupported(
            "a value of an outer differentiation is assigned to an array that was made outside of it",
            "make the array inside the function that is differentiated",
        )
    target[key] = raw


def _evaluate(function: Callable[..., Any], raws: Sequence[Any], mask: Any, dtype: Any) -> Any:
    if mask is True and dtype is None:
        return function(*raws)
    keywords: dict[str, Any] = {} if dtype is None else {"dtype": dtype}
    if mask is True:
        return function(*raws, **keywords)
    # NumPy leaves the places that `where` excludes as they are in `out`; the caller puts those in. Zero till then.
    y = function(*(plain(r) for r in raws), **keywords, where=mask, out=None)
    y = np.where(mask, y, np.zeros((), y.dtype))
    if any(type(r) in TRACED for r in raws):
        return function(*raws, **keywords, where=mask, out=None)
    return y


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


def _fit(d: Any, shape: tuple[int, ...], holomorphic: bool) -> Any:
    """A cotangent of an assigned value: undo NumPy's broadcasting (which here also drops leading 1s), and be real."""
    core = shape
    while len(core) > len(shape_of(d)) and core[0] == 1:
        core = core[1:]
    d = unbroadcast(d, core)
    if core != shape:
        d = np.reshape(d, shape)
    return d if holomorphic or not is_complex(d) else np.real(d)


def _last_writes(part: Any, key: Any) -> Any:
    """For an index with integer arrays: which of the writes survived. None where no place can be written twice."""
    parts = key if type(key) is tuple else (key,)
    if not any(isinstance(k, (list, np.ndarray)) and np.asarray(k).dtype.kind in "iu" for k in parts):
        return None
    order = np.zeros(plain(part).shape, dtype=np.intp)
    count = np.arange(order[key].size).reshape(order[key].shape)
    order[key] = count
    return order[key] == count
