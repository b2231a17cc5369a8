"""What a primitive, or a callback of SciPy's, stores outside of itself: in a global, a cache, an attribute, an array.

A primitive's function gets plain values, so what it stores is a plain number, whose derivative nobody follows. For the
function itself and for its rules that is as it should be (``self.last = x``, read by the vjp). But read by the function
that is differentiated it would be a constant, in silence. So until the trace has ended a value of an ended trace stands
in its place, which is refused as soon as anything is calculated with it; while the primitive's own code runs, and
afterwards, the plain value is back.

Which values are new is seen by looking through all that the function can reach, before and after; arrays cannot be
written to meanwhile, and if that fails, the function is run again. A function whose code stores nothing is not looked
through.
"""

from __future__ import annotations

import dis
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from gradcheck.autodiff.core import FLOAT_KINDS, TRACED, _state, is_array, plain
from gradcheck.autodiff.outside import Place, Put, _nested, _Walk
from gradcheck.autodiff.tape import Tape, taped

_STORES = frozenset({"STORE_GLOBAL", "STORE_ATTR", "STORE_SUBSCR", "STORE_SLICE"})
# Names of what stores without such an instruction.
_STORING = frozenset(
    {"append", "appendleft", "extend", "insert", "update", "setdefault", "setattr", "__setitem__", "__setattr__"}
)


class _Kept(Tape):
    """The trace to which the values belong that stand in the place of stored ones. It is never live."""

    ended = (
        "a value that a primitive, a checkpointed function or a callback has stored outside of itself is used",
        "its derivative is not known there: have the function return it, or compute it again where it is used",
    )


_KEPT = _Kept()


def without_derivative(found: Any, what: str) -> Any:
    """What a function of SciPy tells about its run, a dictionary: refused as soon as its floats are calculated with.

    Args:
        found: the dictionary; anything else is returned as it is.
        what: the function, for the error.
    """
    if not isinstance(found, dict):
        return found
    trace = _Kept()
    trace.ended = (f"what {what} tells about its run is used", "it has no derivative: use the result alone")
    return {
        name: taped(value, trace, 0) if isinstance(value, np.ndarray) and value.dtype.kind in FLOAT_KINDS else value
        for name, value in found.items()
    }


class _Stored(_Walk):
    """Finds the places of all floats and float arrays that a function can reach."""

    def _value(self, value: Any, put: Put, still: Callable[[Any], bool], back: Put | None = None) -> None:
        if type(value) in TRACED or isinstance(value, float | complex | np.inexact):
            self.places.append(Place(value, put, back or put, still, 0))
        else:
            super()._value(value, put, still, back)


def _may_store(f: Any) -> bool:
    if not isinstance(f, types.FunctionType):
        return False
    for code in _nested(f.__code__):
        if not _STORING.isdisjoint(code.co_names):
            return True
        for i in dis.get_instructions(code):
            if i.opname in _STORES or (i.opname == "STORE_DEREF" and i.argval in code.co_freevars):
                return True
    return False


def _memory(places: list[Place]) -> list[Any]:
    """The arrays in these places that can be written to."""
    found = {id(a): a for a in (plain(p.array) for p in places) if isinstance(a, np.ndarray)}
    return [a for a in found.values() if a.flags.writeable and a.dtype.kind in FLOAT_KINDS]


def run(rule: Any, call: Callable[[], Any]) -> Any:
    """``call()``, a call of a primitive's function; what it has stored is concealed from the end of the call on."""
    if rule.stores is False:  # its code stores nothing, but may have NumPy write to an array
        try:
            with _shut(rule.arrays):
                return call()
        except _Writes:
            rule.stores = True
    walk = _Stored()
    places = walk.run(rule.roots)
    arrays = _memory(places)
    if rule.stores is None and not any(_may_store(f) for f in walk.seen.values()):
        rule.stores, rule.arrays = False, arrays
        return run(rule, call)
    rule.stores = True
    before = {id(place.array) for place in places}
    written: set[int] = set()
    try:
        with _shut(arrays):
            ans = call()
    except _Writes:
        old = [a.copy() for a in arrays]
        ans = call()
        changed = [a for a, was in zip(arrays, old, strict=True) if not np.array_equal(a, was, equal_nan=True)]
        written = {id(a) for a in changed or arrays}
    _conceal_new(rule.roots, before, written)
    del places, walk  # until here, so that no object has the identity of an old one
    return ans


def watch(call: Callable[[], Any], roots: list[Any], moving: Callable[[Any], bool]) -> Any:
    """``call()``, a call of a function of SciPy's with these callbacks: what they have stored is concealed after it.

    ``moving(y)``: whether its value carries a derivative.
    """
    key = _codes(roots)
    if _state.revealing or key in _HARMLESS:  # within another one, whose callbacks reach as far
        return call()
    with revealed():
        walk = _Stored()
        places = walk.run(roots)
        if not any(_may_store(f) for f in walk.seen.values()):
            if key is not None:
                _HARMLESS.add(key)
            return call()
        before = {id(place.array) for place in places}
        old = [(a, a.copy()) for a in _memory(places)]
        y = call()
        if moving(y):
            changed = {id(a) for a, was in old if not np.array_equal(a, was, equal_nan=True)}
            _conceal_new(roots, before, changed)
        del places, walk
    return y


# Callbacks, by their code, that store nothing, whatever they close over.
_HARMLESS: set[Any] = set()


def _codes(roots: list[Any]) -> Any:
    """The code of callbacks that close over plain data alone; None for others, whose code does not tell what they
    call."""
    found = []
    for f in roots:
        if type(f) is tuple and not any(callable(e) for e in f):
            continue
        if type(f) is not types.FunctionType or f.__defaults__ or f.__kwdefaults__:
            return None
        for cell in f.__closure__ or ():
            if cell != types.CellType():
                kind = type(cell.cell_contents)
                if kind not in _DATA and kind not in TRACED:
                    return None
        found.append(f.__code__)
    return tuple(found)


_DATA = frozenset({float, int, bool, str, np.ndarray, np.float64, np.int64})


def _conceal_new(roots: Any, before: set[int], written: set[int]) -> None:
    _state.storing += [
        (place, taped(plain(place.array), _KEPT, 0))
        for place in _Stored().run(roots)
        if id(place.array) not in before or (is_array(place.array) and id(plain(place.array)) in written)
    ]


class _Writes(Exception):
    """The function writes to an array that it reaches."""


@contextmanager
def _shut(arrays: list[Any]) -> Iterator[None]:
    """In here these arrays cannot be written to."""
    for a in arrays:
        a.flags.writeable = False
    try:
        yield
    except ValueError as error:
        if "read-only" not in str(error) or not arrays:
            raise
        raise _Writes from error
    finally:
        for a in arrays:
            a.flags.writeable = True


@contextmanager
def revealed() -> Iterator[None]:
    """For a primitive's own code: what was stored is plain in here, and concealed after it, with what is new."""
    if _state.revealing:
        yield
        return
    _state.revealing = True
    for place, marked in _state.kept:
        if place.still(marked):
            place.back(place.array)
    try:
        yield
    finally:
        _state.revealing = False
        if _state.stack and (_state.kept or _state.storing):
            _state.kept, _state.storing = _state.kept + _state.storing, []
            _state.kept_by = _state.kept_by or _state.stack[0]
            for place, marked in _state.kept:
                if place.still(place.array):
                    place.put(marked)
