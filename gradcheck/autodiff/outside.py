"""Arrays outside of the function: globals, what it closes over, default arguments, attributes, elements of lists.

To a plain array NumPy's protocols are no help: ``W.dot(x)`` and ``buffer[0] = x`` are compiled methods of the array,
and ask the traced value for plain numbers. Such a call is refused at first; then the function is run once more with
the arrays that it reaches replaced by traced constants over the same memory, and all is put back at the end. What the
function writes to them is in them afterwards, as it is after a plain run.

An array that is also held by somebody whom the walk has not found (another name, a view of it) could be written to or
read behind the trace's back. A copy takes its place, and neither of the two may have changed at the end.

Between the threads of a process there is one set of globals: another thread sees the constants meanwhile, which for it
are arrays like any other.
"""

from __future__ import annotations

import functools
import sys
import types
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from gradcheck.autodiff import scalars
from gradcheck.autodiff.core import FLOAT_KINDS, TRACED, _state, constant, is_active, plain
from gradcheck.autodiff.errors import LIBRARIES, unsupported
from gradcheck.autodiff.memory import protect

Put = Callable[[Any], None]
# The walk ends here: a function that reaches more objects than this has other troubles.
LIMIT = 20_000
# (pytest's: a function with an assert in it reaches all of pytest, if that has rewritten it.)
_FOREIGN = LIBRARIES | set(sys.stdlib_module_names) | {"pytest", "_pytest", "pluggy"}
_CONTAINERS = (list, dict, tuple)


class Place:
    """Where a reference to an array stands: it can be replaced, and put back (``back``) if it is ``still`` there.

    ``count``: how many references to the array there are because of it, the reference itself and our own.
    """

    __slots__ = ("array", "back", "count", "put", "still")

    def __init__(self, array: Any, put: Put, back: Put, still: Callable[[Any], bool], count: int) -> None:
        self.array = array
        self.put = put
        self.back = back
        self.still = still
        self.count = count


class _Walk:
    """Finds the places of all float arrays that a function can reach."""

    def __init__(self) -> None:
        self.places: list[Place] = []
        self.functions: list[Place] = []  # of math, and float: kept in a table, a default, an attribute
        self.compares_types = False  # whether there is code that would see that casts are stand-ins
        self.seen: dict[int, Any] = {}
        self.todo: list[Any] = []

    def run(self, roots: Sequence[Any]) -> list[Place]:
        self.todo = list(roots)
        while self.todo and len(self.seen) < LIMIT:
            x = self.todo.pop()
            if id(x) not in self.seen:
                self.seen[id(x)] = x
                self._look_into(x)
        return self.places

    def _value(self, value: Any, put: Put, still: Callable[[Any], bool], back: Put | None = None) -> None:
        if type(value) is np.ndarray:
            if value.dtype.kind in FLOAT_KINDS and value.size:
                self.places.append(Place(value, put, back or put, still, 3 if back else 2))
        elif type(value) is tuple:
            parts = list(value)

            def put_element(k: int, new: Any) -> None:
                parts[k] = new
                put(tuple(parts))

            for k, e in enumerate(value):
                self._value(e, functools.partial(put_element, k), _always, lambda _old: put(value))
        elif (type(value) is types.BuiltinFunctionType and value in scalars.ORIGINALS) or _is_cast(value):
            self.functions.append(Place(value, put, back or put, still, 0))
        else:
            self.todo.append(value)

    def _items(self, space: Any, names: Any) -> None:
        """Values of a dictionary, or of what is used like one."""
        for name in names:
            if name in space:
                self._value(
                    space[name], functools.partial(space.__setitem__, name), functools.partial(_is_in, space, name)
                )

    def _look_into(self, x: Any) -> None:
        if isinstance(x, types.FunctionType):
            self._function(x)
        elif isinstance(x, types.MethodType):
            self.todo += [x.__func__, x.__self__]
        elif isinstance(x, staticmethod | classmethod):
            self.todo.append(x.__func__)
        elif isinstance(x, property):
            self.todo += [x.fget, x.fset]
        elif isinstance(x, functools.partial):
            self.todo.append(x.func)
            self._items(x.keywords, list(x.keywords))
            self._value(x.args, functools.partial(_set_partial, x), _always)
        elif type(x) is dict or isinstance(x, dict):
            self._items(x, list(x))
        elif isinstance(x, list):
            for k, e in enumerate(x[:LIMIT]):
                self._value(e, functools.partial(x.__setitem__, k), functools.partial(_is_at, x, k))
        elif isinstance(x, type):
            if not _foreign(x.__module__):
                self.todo += x.__bases__
                self._items(
                    _Attributes(x), [n for n in vars(x) if not n.startswith("__") or n in ("__call__", "__init__")]
                )
        elif not isinstance(x, types.ModuleType) and not _foreign(type(x).__module__):
            self.todo.append(type(x))
            if hasattr(x, "__dict__"):
                self._items(vars(x), list(vars(x)))
            slots = [s for c in type(x).__mro__ for s in _slots(c) if hasattr(x, s) and not s.startswith("__")]
            self._items(_Attributes(x), slots)

    def _function(self, f: types.FunctionType) -> None:
        if _foreign(f.__module__ or f.__globals__.get("__name__", "")):
            return
        names = {name for code in _nested(f.__code__) for name in code.co_names}
        self.compares_types = self.compares_types or "__class__" in names
        self._items(f.__globals__, [n for n in names if n in f.__globals__])
        for name in names:
            module = f.__globals__.get(name)
            if isinstance(module, types.ModuleType) and not _foreign(module.__name__):
                self._items(vars(module), names)
        for cell in f.__closure__ or ():
            if cell != types.CellType():
                self._value(cell.cell_contents, functools.partial(_set_cell, cell), functools.partial(_is_inside, cell))
        if f.__defaults__:
            self._value(f.__defaults__, functools.partial(setattr, f, "__defaults__"), _always)
        for space in (f.__kwdefaults__, f.__dict__):
            if space:
                self._items(space, list(space))


def _is_cast(value: Any) -> bool:
    return type(value) is type and value in scalars.CASTS


def _always(_new: Any) -> bool:
    return True


def _is_in(space: Any, name: Any, new: Any) -> bool:
    return name in space and space[name] is new


def _is_at(items: list[Any], k: int, new: Any) -> bool:
    return k < len(items) and items[k] is new


def _is_inside(cell: types.CellType, new: Any) -> bool:
    return cell.cell_contents is new


def _nowhere(_new: Any) -> None:
    """For a place that is only counted."""


class _Attributes:
    """An object's attributes as a dictionary."""

    def __init__(self, x: Any) -> None:
        self.x = x

    def __contains__(self, name: str) -> bool:
        return name in vars(self.x) if isinstance(self.x, type) else hasattr(self.x, name)

    def __getitem__(self, name: str) -> Any:
        return vars(self.x)[name] if isinstance(self.x, type) else getattr(self.x, name)

    def __setitem__(self, name: str, value: Any) -> None:
        if isinstance(self.x, type):
            setattr(self.x, name, value)
        else:
            object.__setattr__(self.x, name, value)


def _foreign(module: Any) -> bool:
    return str(module).partition(".")[0] in _FOREIGN


def _nested(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for c in code.co_consts:
        if isinstance(c, types.CodeType):
            yield from _nested(c)


def _slots(cls: type) -> tuple[str, ...]:
    slots = vars(cls).get("__slots__", ())
    return (slots,) if isinstance(slots, str) else tuple(slots)


def _set_cell(cell: types.CellType, value: Any) -> None:
    cell.cell_contents = value


def _set_partial(p: Any, args: Any) -> None:
    p.__setstate__((p.func, args, p.keywords, p.__dict__))


class Outside:
    """The arrays that a function reaches as traced constants, for the time of one run in a live trace.

    ``grad(lambda x: W.dot(x).sum())(x)``, with W an array of the module's, is run in it. (That is no example to be run
    here: functions of our own modules are not looked through.)
    """

    def __init__(self, roots: Sequence[Any]) -> None:
        self.roots = roots
        self.done: list[tuple[Place, Any]] = []
        self.copies: list[tuple[Any, Any]] = []

    def __enter__(self) -> Outside:
        walk = _Walk()
        places = walk.run(self.roots)
        for place in walk.functions:
            if walk.compares_types and _is_cast(place.array):
                continue
            new_function = scalars.CASTS[place.array] if _is_cast(place.array) else scalars.ORIGINALS[place.array]
            place.put(new_function)
            self.done.append((place, new_function))
        shared = _held_elsewhere(places)
        new: dict[int, Any] = {}
        for place in places:
            a = place.array
            if id(a) not in new:
                memory = a
                if id(a) in shared:
                    memory = a.copy("K")
                new[id(a)] = constant(memory)
                if memory is not a:
                    self.copies.append((a, new[id(a)]))
            place.put(new[id(a)])
            self.done.append((place, new[id(a)]))
        return self

    def __exit__(self, kind: Any, *_rest: object) -> None:
        for place, marked in _state.kept:  # what primitives have stored in the constants: see stores.py
            if place.still(marked):
                place.back(place.array)
        for place, new in reversed(self.done):
            if place.still(new):
                place.back(place.array)
        if kind is None:
            self._verify()
        for _place, new in self.done:
            _let_go(new)

    def _verify(self) -> None:
        for array, copy in self.copies:
            if is_active(copy) or not np.array_equal(array, plain(copy), equal_nan=True):
                raise unsupported(
                    f"an array of shape {array.shape} outside of the function, which has other names or views, is "
                    "written to",
                    "make the array inside the function, with np.zeros or np.array",
                )
        for _place, new in self.done:
            outer: Any = new.value if type(new) in TRACED else None
            while type(outer) in TRACED:
                if outer.owner.active(outer):
                    raise unsupported(
                        "an inner differentiation writes traced values to an array outside of its function",
                        "make the array inside the function that is differentiated",
                    )
                outer = outer.value


def _let_go(x: Any) -> None:
    """The run is over: the trace keeps copies of its own of what the next run will write to."""
    while type(x) in TRACED:
        if type(x.link) is list:
            protect(x)
        if type(x.value) is np.ndarray:
            x.value = x.value.copy("K")
        x = x.value


def _held_elsewhere(places: Sequence[Place]) -> set[int]:
    """The arrays (by id) that something holds a reference to, or a view of, besides these places."""
    # A measure of what asking itself adds: of a reference of our own, in a Place.
    alone = _references(Place(np.zeros(1), _nowhere, _nowhere, _always, 1)) - 1
    viewed_once = _references_to_base(Place(np.zeros(1)[:], _nowhere, _nowhere, _always, 1))
    counts: dict[int, int] = {}
    for place in places:
        counts[id(place.array)] = counts.get(id(place.array), 0) + place.count
    found = set()
    for place in places:
        owner = place.array.base
        foreign = owner is not None and type(owner) is not np.ndarray
        del owner
        if foreign or (place.array.base is not None and _references_to_base(place) > viewed_once):
            found.add(id(place.array))
        if _references(place) > alone + counts[id(place.array)]:
            found.add(id(place.array))
    return found


def _references(place: Place) -> int:
    return sys.getrefcount(place.array)


def _references_to_base(place: Place) -> int:
    return sys.getrefcount(place.array.base)


# -- arguments ---------------------------------------------------------------------------------------------------------


def refuse_aliases(roots: Sequence[Any], written: Sequence[Any]) -> None:
    """After traced values were written to these arrays, which the function got as arguments: whether it can also reach
    them by another way, on which it would find plain numbers in them."""
    for place in _Walk().run(roots):
        if any(np.may_share_memory(place.array, a) for a in written):
            raise unsupported(
                f"an argument of shape {place.array.shape} that traced values were written to is also reached under "
                "another name",
                "use one name for it, or pass a copy",
            )
