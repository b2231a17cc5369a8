"""What flows through each operand of each operation: a run of a function that can be asked "what if".

:func:`explain` records the function on a tape that also notes where in the user's code every record was made, down to
the expression (the interpreter knows the columns of each instruction). An *edge* is one operand of one record: all that
the derivative gets on the paths through it goes through this edge in the sweep. :meth:`Trail.cotangents` runs the sweep
with some edges changed: left out, scaled, or without their local derivative. That is the gradient that somebody gets
who makes this mistake by hand, in every pass of a loop alike.

A slow path, for when a derivative was found to be wrong. An ordinary trace knows nothing of it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from types import CellType, CodeType, FrameType, FunctionType
from typing import Any, NamedTuple

import numpy as np

from gradcheck.autodiff import sweep as sweeps
from gradcheck.autodiff.core import SCALARS, plain
from gradcheck.autodiff.errors import LIBRARIES, calls_function
from gradcheck.autodiff.memory import View, reference
from gradcheck.autodiff.rules.products import PRODUCT_PULLS
from gradcheck.autodiff.sweep import Record, Sweep
from gradcheck.autodiff.tape import Tape
from gradcheck.autodiff.transforms import _Traced, _variable


class Place(NamedTuple):
    """An expression of the user's code: the file, the first and last line, and columns in bytes as ``ast`` has them."""

    file: str
    line: int
    end_line: int
    column: int
    end_column: int


#: Where in the user's code an operand was made, and how it is a part of that: the keys of the views.
Source = tuple[tuple[Place, ...], tuple[str, ...]]


class Edge(NamedTuple):
    """An operand that a derivative flows through.

    Attributes:
        record: position of the operation on the tape.
        operand: which of its operands that are differentiated, from 0; for ``y += x`` y itself is 0, x is 1.
        operands: how many there are.
        stack: where in the user's code, the innermost call first.
        factors: how many factors the local derivative is known to have, see :class:`Without`.
        source: what the operand is; None where that cannot be told.
        kind: "read" or "write" of a part of an array, "increment" for ``+=`` in place, else "operation".
    """

    record: int
    operand: int
    operands: int
    stack: tuple[Place, ...]
    factors: int
    kind: str
    source: Source | None


class Without(NamedTuple):
    """Change of an edge: its local derivative without a factor; 0 for all of it (then it is one; of a product of
    matrices: the other operand is ones), k for the k-th of the values that it is computed from."""

    factor: int


class Times(NamedTuple):
    """Change of an edge: its local derivative, or what is left of it, times a value.

    Attributes:
        by: a number, or an array that is multiplied entry by entry with an elementwise derivative.
        without: a factor to leave out before that; None to leave none out.
    """

    by: Any
    without: Without | None = None


#: What an edge's contribution is multiplied by, or how else its local derivative is to be changed.
Change = float | Without | Times
#: The names that an expression is made of: those of its function, then those of its module.
Scope = tuple[Mapping[str, Any], Mapping[str, Any]]
# One operand of a record: the pull, and its two fields.
_Part = tuple[Callable[..., None], Any, Any]
# Of so many records the values of the user's variables are kept.
_SCOPES = 20_000


# -- where ---------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1024)
def _positions(code: CodeType) -> list[Any]:
    return list(code.co_positions())


def _place(frame: FrameType) -> Place:
    line, end, column, end_column = _positions(frame.f_code)[frame.f_lasti // 2]
    line = line or frame.f_lineno
    return Place(frame.f_code.co_filename, line, end or line, column or 0, end_column or 0)


def _user_stack() -> tuple[tuple[Place, ...], FrameType | None]:
    """The expressions of the user's code that are being evaluated, innermost first; and the frame of the innermost."""
    found = []
    innermost: FrameType | None = None
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        name = frame.f_globals.get("__name__", "")
        top = name.partition(".")[0]
        if top not in LIBRARIES and (top not in sys.stdlib_module_names or top == "__main__"):
            found.append(_place(frame))
            innermost = innermost or frame
        if calls_function(frame):
            break
        frame = frame.f_back
    return tuple(found), innermost


class _Located(list[Record]):
    """The records of a tape, with the place of each, and what the user's variables held then."""

    def __init__(self) -> None:
        super().__init__()
        self.stacks: list[tuple[Place, ...]] = []
        self.scopes: list[Scope] = []

    def append(self, record: Record) -> None:
        super().append(record)
        stack, frame = _user_stack()
        self.stacks.append(stack)
        if len(self.scopes) < _SCOPES:
            self.scopes.append(({}, {}) if frame is None else (dict(frame.f_locals), frame.f_globals))

    def clear(self) -> None:
        super().clear()
        self.stacks.clear()
        self.scopes.clear()


class _Explaining(Tape):
    """A tape that notes where its records are made."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__()
        self.records = _Located()


# -- one operand at a time -----------------------------------------------------------------------------------------


def _pull_number(sweep: Sweep, _slot: int, g: Any, ref: Any, factor: Any) -> None:
    sweep.accumulate(ref, g * factor)


def _keep(_sweep: Sweep, _slot: int, _g: Any, _ref: Any, _payload: Any) -> None:
    """What an array was before ``+=``: its cotangent stays in the buffer."""


_ALONE = frozenset(
    {
        sweeps.pull_scaled,
        sweeps.pull_single,
        sweeps.pull_square,
        sweeps.pull_fill,
        sweeps.pull_one,
        sweeps.pull_element,
        sweeps.pull_gather,
    }
)
_KINDS = {
    sweeps.pull_setitem: "write",
    sweeps.pull_increment: "increment",
    sweeps.pull_element: "read",
    sweeps.pull_gather: "read",
}


def _parts(record: Record) -> list[_Part]:
    """A record as one record for each of its operands; empty where it stands for no operation."""
    _, a, da, b, db = record
    if a is not None:
        return [(_pull_number, a, da)] + ([] if b is None else [(_pull_number, b, db)])
    if da in _ALONE:
        return [(da, b, db)]
    if da is sweeps.pull_linear:
        return [(sweeps.pull_scaled, b[0], 1.0), (sweeps.pull_scaled, b[1], db)]
    if da is sweeps.pull_product:
        operands, saved = sweeps.product_operands(b, db)
        return [(sweeps.pull_elementwise, (operand,), saved) for operand in operands]
    if da is sweeps.pull_elementwise or da is sweeps.pull_carefully:
        return [(da, (operand,), db) for operand in b]
    if da is sweeps.pull_general:
        return [(sweeps.pull_one, ref, pull) for ref, pull in zip(b, db, strict=True)]
    if da is sweeps.pull_tuple:
        return [(da, (ref,), ((pull,), db[1])) for ref, pull in zip(b, db[0], strict=True)]
    if da is sweeps.pull_join:
        return [(da, (one,), db) for one in b]
    if da is sweeps.pull_setitem:
        return [] if b is None else [(da, b, db)]
    return [(_keep, None, None), (da, b, db)] if da is sweeps.pull_increment else []


def _partial(part: _Part) -> tuple[Any, Any, Any, Sequence[Any]] | None:
    """Where an elementwise operand's cotangent goes, its partial, its shape, and what the partial is computed from."""
    pull, refs, payload = part
    if pull is _pull_number or pull is sweeps.pull_scaled:
        return refs, payload, None, ()
    if pull is sweeps.pull_single:
        return refs[0], refs[1], None, payload
    if pull is sweeps.pull_square:
        return refs, lambda x: x + x, None, payload
    if pull is sweeps.pull_elementwise:
        return (*refs[0], payload)
    return None


def _bare(part: _Part) -> _Part | None:
    """An operand of a product of matrices, with ones for the other operand; None if it is none."""
    pull, ref, back = part
    if pull is not sweeps.pull_one or getattr(back, "__code__", None) not in PRODUCT_PULLS:
        return None
    names = back.__code__.co_freevars
    cells = [
        CellType(np.ones_like(plain(cell.cell_contents))) if name in ("a", "b") else cell
        for name, cell in zip(names, back.__closure__, strict=True)
    ]
    return pull, ref, FunctionType(back.__code__, back.__globals__, back.__name__, None, tuple(cells))


def _factors(part: _Part) -> int:
    """How many ways there are to leave a factor of the local derivative out."""
    found = _partial(part)
    if found is None:
        return int(_bare(part) is not None)
    if not callable(found[1]) and abs(found[1]) == 1.0:
        return 0
    return 1 + (len(found[3]) if callable(found[1]) else 0)


def _without(part: _Part, factor: int) -> _Part | None:
    """The part without a factor; None where there is no such factor."""
    found = _partial(part)
    if found is None:
        return _bare(part)
    ref, partial, shape, saved = found
    if factor == 0:
        return sweeps.pull_elementwise, ((ref, 1.0, shape),), ()
    if saved[factor - 1] is None:
        return None
    return sweeps.pull_elementwise, ((ref, lambda *values: partial(*values) / values[factor - 1], shape),), saved


def _multiplied(part: _Part, by: Any) -> _Part:
    """The part with its local derivative times a value.

    Raises:
        ValueError: it is no elementwise derivative, and the value no number.
    """
    found = _partial(part)
    if found is None:
        if np.ndim(by):
            raise ValueError("an array cannot be a factor here")
        pull, ref, payload = part
        return (lambda sweep, slot, g, *rest: pull(sweep, slot, _times(g, by), *rest)), ref, payload
    ref, partial, shape, saved = found

    def pull_multiplied(sweep: Sweep, slot: int, g: Any, *_: Any) -> None:
        if np.broadcast_shapes(np.shape(g), np.shape(by)) != np.shape(g):
            raise ValueError("the factor has more axes than the value")
        p = (partial(*saved) if callable(partial) else partial) * by
        sweeps.pull_elementwise(sweep, slot, g, ((ref, lambda: p, shape),), ())

    return pull_multiplied, ref, None


def _times(g: Any, q: float) -> Any:
    return [None if e is None else e * q for e in g] if type(g) is list else g * q


def _changed(part: _Part, change: Without | Times) -> _Part:
    """The part with its local derivative changed.

    Raises:
        ValueError: it cannot be changed like that.
    """
    without = change if isinstance(change, Without) else change.without
    found = part if without is None else _without(part, without.factor)
    if found is None:
        raise ValueError("there is no such factor")
    return found if isinstance(change, Without) else _multiplied(found, change.by)


def _pull_changed(sweep: Sweep, slot: int, g: Any, parts: Sequence[_Part], changes: Mapping[int, Change]) -> None:
    """An operation, some of whose operands are changed."""
    sweep.cotangents[slot] = None
    sweep.owned.discard(slot)  # several operands read the cotangent
    for k, part in enumerate(parts):
        change = changes.get(k, 1.0)
        if isinstance(change, Without | Times):
            other = _changed(part, change)
            other[0](sweep, slot, g, *other[1:])
        elif change != 0.0:
            part[0](sweep, slot, g if change == 1.0 else _times(g, change), *part[1:])


def _pull_changed_write(sweep: Sweep, slot: int, g: Any, parts: Sequence[_Part], changes: Mapping[int, Any]) -> None:
    """A write to memory; what it overwrites, and what it adds to, is in the cotangent's buffer."""
    pull, ref, payload = parts[-1]
    if pull is sweeps.pull_setitem:
        place, key, _ = payload
        part = sweep.buffer(place, g)
        part[key] = part[key] * changes.get(0, 1.0)
        pull(sweep, slot, g, ref, payload)
        return
    place, sign, shape, holomorphic = payload
    part = sweep.buffer(place)
    d = np.copy(part) * (changes.get(1, 1.0) * (sign if not sweeps.turned(place) else -sign))
    sweep.accumulate(ref, sweeps._fit(d, shape, holomorphic), fresh=True)
    part *= changes.get(0, 1.0)


# -- the trail -----------------------------------------------------------------------------------------------------


class Trail:
    """A run of a function, to be pulled back along with changes.

    Attributes:
        value: what the function returned, plain.
        edges: all edges, in the order of execution.
    """

    def __init__(self, run: _Traced) -> None:
        self._run = run
        run.trace.verify()
        self.records: list[Record] = list(run.trace.records)
        self.value = plain(run.output)
        self._pieces = [_parts(record) for record in self.records]
        self.edges = tuple(self._found(run.trace.records.stacks))
        self._scopes = run.trace.records.scopes

    def _found(self, stacks: Sequence[tuple[Place, ...]]) -> Iterator[Edge]:
        for i, (record, parts) in enumerate(zip(self.records, self._pieces, strict=True)):
            for k, part in enumerate(parts):
                # The first traced value that is added to an array of constants: there was nothing before.
                if stacks[i] and not (part[0] is _keep and record[0] == i):
                    kind = _KINDS.get(record[2], "operation") if record[1] is None else "operation"
                    yield Edge(i, k, len(parts), stacks[i], _factors(part), kind, self._source(part, stacks))

    def _source(self, part: _Part, stacks: Sequence[tuple[Place, ...]]) -> Source | None:
        ref = part[1]
        while type(ref) in (tuple, list) and ref:
            ref = ref[1] if part[0] is sweeps.pull_join and len(ref) == 3 and type(ref[0]) is int else ref[0]
        way: list[str] = []
        if type(ref) is View:
            view: View | None = ref
            while view is not None:
                way.insert(0, repr(view.key) if view.step is None else "step")
                view = view.parent
            ref = ref.root.slot
        elif part[0] in (sweeps.pull_element, sweeps.pull_gather) and type(ref) is not int:
            ref = ref.slot
        return (stacks[ref], tuple(way)) if type(ref) is int else None

    def scope(self, edge: Edge) -> Scope:
        """What the user's variables held when the operation was recorded; nothing late on a long tape."""
        return self._scopes[edge.record] if edge.record < len(self._scopes) else ({}, {})

    def possible(self, edge: Edge, change: Change) -> bool:
        """Whether an edge has the factor that it is to be without."""
        if isinstance(change, Times):
            return change.without is None or self.possible(edge, change.without)
        if not isinstance(change, Without):
            return True
        part = self._pieces[edge.record][edge.operand]
        return change.factor < edge.factors and _without(part, change.factor) is not None

    def cotangents(self, seed: Any, changes: Mapping[Edge, Change] | None = None) -> np.ndarray:
        """The cotangent of the input, flat, for that of the value; with some edges changed.

        Args:
            seed: of the value's shape; a number for a number.
            changes: see :data:`Change`; edges of this trail.

        Raises:
            ValueError: an edge cannot be changed like that.

        >>> explain(lambda x: x * x + 3.0 * x, 0, (2.0,)).cotangents(1.0)
        array([7.])
        """
        records = self.records
        if changes:
            records = list(records)
            by_record: dict[int, dict[int, Change]] = {}
            for edge, change in changes.items():
                by_record.setdefault(edge.record, {})[edge.operand] = change
            for i, how in by_record.items():
                slot, a, pull, _, _ = records[i]
                write = a is None and _KINDS.get(pull, "") in ("write", "increment")
                records[i] = (slot, None, _pull_changed_write if write else _pull_changed, self._pieces[i], how)
        sweep = Sweep(len(records), False)
        output = self._run.output
        if self._run.owns(output):
            ref = output.slot if output.slot is not None else reference(output)
            if ref is not None:
                sweep.accumulate(ref, seed)
        sweep.run(records)
        (x,) = self._run.inputs
        g = sweep.result(x.slot)
        if g is None:
            return np.zeros(np.size(plain(x.value)))
        value = plain(x.value)
        return np.array(np.broadcast_to(g, np.shape(value)) if type(value) not in SCALARS else g).reshape(-1)


def explain(f: Callable[..., Any], argnum: int, args: tuple[Any, ...]) -> Trail:
    """Run f once and keep what is needed to ask what flows where.

    Args:
        f: function of one array or number among its arguments, real.
        argnum: position of that one.
        args: the point.

    Raises:
        AutodiffError: as for :func:`gradcheck.grad`.
    """
    return Trail(_Traced(f, (argnum,), args, {}, _Explaining, _variable))
