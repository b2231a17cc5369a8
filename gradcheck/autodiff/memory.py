"""Arrays as memory: views, what records have saved, and writes; used by reverse and forward mode alike.

An array stands for a buffer. A view of it stands for a part of the same buffer, and knows the way there from its
root, the array that owns the buffer: the same way leads to its part of the root's cotangent or tangent, if that lies
in memory as the root does.
"""

from __future__ import annotations

import contextlib
import dis
import math
import sys
from collections.abc import Callable, Sequence
from types import CodeType, FrameType, FunctionType
from typing import Any

import numpy as np

from gradcheck.autodiff.codes import ByCode
from gradcheck.autodiff.core import TRACED, is_array, outer_constant, plain, plain_tree, unbroadcast
from gradcheck.autodiff.errors import LIBRARIES, AutodiffError, calls_function, unsupported

# From this many elements on a temporary array costs more than finding out that one can be reused, and from that many on
# a copy more than finding out that it is not needed.
LARGE, DEAR = 4096, 8192


# The largest block for which glibc still raises its thresholds when it is freed: 32 MB, less what it needs itself.
_RAISES = (32 << 20) - (64 << 10)


def _keep_freed_memory() -> None:
    """Have glibc keep what is freed, so that the temporaries of the next gradient do not page-fault anew.

    What is freed at the end of its heap goes back to the system above a threshold of 128 kB, and a gradient frees more
    than f at once: a thousand page faults at each call, half of its time for 10^5 elements. The first free of a block
    with memory of its own raises the threshold to twice its size (mallopt(3), M_MMAP_THRESHOLD). One is asked for here
    and given back untouched: at most 64 MB of freed memory stay with the process then, as in any that has once freed an
    array of 32 MB. Elsewhere this does nothing.
    """
    with contextlib.suppress(MemoryError):  # under a limit so tight there is nothing to keep
        np.empty(_RAISES, np.uint8)


_keep_freed_memory()


class View:
    """How a view's part is found in a buffer that is laid out as its root's: from the parent view's part (None: the
    root's) by a key, or by a step of another kind.

    Attributes:
        spread: whether one of the steps is a :class:`Broadcast`; it is read-only then.
        turned: whether one of them takes the imaginary part: the part of the cotangent of z = x + iy that it leads to
            is that of −y.
    """

    __slots__ = ("key", "parent", "root", "spread", "step", "turned")
    root: Any
    parent: View | None
    key: Any
    step: Callable[[Any], Any] | None
    spread: bool
    turned: bool

    def of(self, buffer: Any) -> Any:
        way = [self]
        while way[-1].parent is not None:
            way.append(way[-1].parent)
        for view in reversed(way):
            buffer = buffer[view.key] if view.step is None else view.step(buffer)
        return buffer


def view_of(root: Any, parent: View | None, key: Any, step: Callable[[Any], Any] | None = None) -> View:
    """(Not a constructor: that of a slice is written out in ``operators.py``.)"""
    view = View()
    view.root = root
    view.parent = parent
    view.key = key
    view.step = step
    if parent is None:
        view.spread = view.turned = False
    else:
        view.spread, view.turned = parent.spread, parent.turned
    if step is not None:
        view.spread |= isinstance(step, Broadcast)
        view.turned |= type(step) is Imaginary
    return view


class Imaginary:
    """The step of a view that is the imaginary part of an array."""

    __slots__ = ()

    def __call__(self, buffer: Any) -> Any:
        return np.imag(buffer)


class Broadcast:
    """The step of a view that ``np.broadcast_to`` gives: read-only, one place of memory seen in many."""

    __slots__ = ("shape", "to")

    def __init__(self, shape: tuple[int, ...], to: tuple[int, ...]) -> None:
        self.shape = shape
        self.to = to

    def __call__(self, buffer: Any) -> Any:
        return np.broadcast_to(buffer, self.to)

    def back(self, d: Any, views: Sequence[View], empty: Any) -> Any:
        """A cotangent of a view of the view, by these steps, summed over the places that share memory."""
        if not views and type(self) is Broadcast:
            return unbroadcast(d, self.shape)
        size = math.prod(self.shape)
        places = self(np.arange(size).reshape(self.shape))
        for v in views:
            if type(v.step) is Imaginary:
                d = -1j * d
            else:
                places = places[v.key] if v.step is None else getattr(v.step, "apply", v.step)(places)
        total = np.full(size, empty, np.result_type(plain(d)))
        if type(d) in TRACED:
            total = outer_constant(total, d.owner.level + 1)
        np.add.at(total, np.ravel(places), np.reshape(d, -1))
        return np.reshape(total, self.shape)


def reference(x: Any) -> Any:
    """Where the cotangent of a value without a slot goes: a view of an active array has its View, else None."""
    link = x.link
    return link if type(link) is View and link.root.slot is not None else None


def origin(x: Any) -> Any:
    return x.link.root if type(x.link) is View else x


class Snapshots:
    """Plain arrays as records may save them: what is written to them later goes unseen by the tape.

    A small array is copied. A large one is copied where code of the user's on the stack writes to arrays in place at
    all (and once only, as long as it has not changed); elsewhere it is referred to, and the sweep refuses to run if a
    sample of its values has changed by then.
    """

    __slots__ = ("copies", "referred")

    def __init__(self) -> None:
        self.copies: dict[int, tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]] = {}
        self.referred: dict[int, tuple[np.ndarray[Any, Any], bytes]] = {}

    def keep(self, a: Any) -> Any:
        if type(a) is not np.ndarray:
            return np.copy(a) if type(a) in TRACED and is_array(a) else a
        if a.size <= DEAR:
            return a.copy("K")
        if not _user_writes():
            if id(a) not in self.referred:
                self.referred[id(a)] = (a, _sample_of(a))
            return a
        known = self.copies.get(id(a))
        if known is None or known[0] is not a or not np.array_equal(known[1], a, equal_nan=True):
            known = self.copies[id(a)] = (a, a.copy("K"))
        return known[1]

    def verify(self) -> None:
        for array, sample in self.referred.values():
            if _sample_of(array) != sample:
                raise AutodiffError(
                    f"an array of shape {array.shape} was changed in place after the function had used it",
                    hint="make a new array instead (w = w * 0.5), or make it inside the function with np.array(w)",
                )


def _sample_of(a: np.ndarray[Any, Any]) -> bytes:
    """Over a hundred of an array's values, evenly spread, as bytes (so that nan is equal to itself).

    Each of them comes from a place in memory of its own, which takes longer than all else here.
    """
    step = a.size // 128
    return (a.reshape(-1)[::step] if a.flags.c_contiguous else a.flat[::step]).tobytes()


# Names of methods, functions and keywords by which an array is written to.
_WRITERS = frozenset(
    {
        "out",
        "fill",
        "sort",
        "put",
        "place",
        "copyto",
        "at",
        "shuffle",
        "partition",
        "resize",
        "putmask",
        "fill_diagonal",
    }
    | {"put_along_axis", "itemset", "byteswap", "setfield", "flat", "__setitem__"}
)
# By code object: whether it writes to arrays in place; None for the code that calls the user's function.
_writes = ByCode()


def _user_writes() -> bool:
    """Whether any code of the user's on the stack, or nested in it, writes to arrays in place (as far as one can
    tell)."""
    frame: FrameType | None = sys._getframe(3)  # past Snapshots.keep and Tape.keep
    while frame is not None:
        code = frame.f_code
        known = _writes.get(id(code), _writes)
        if known is _writes:
            known = _judge(frame)
            _writes.note(code, known)
        if known is not False:
            return known is True
        frame = frame.f_back
    return True


def _judge(frame: FrameType) -> bool | None:
    name = frame.f_globals.get("__name__", "")
    if name.partition(".")[0] not in LIBRARIES:
        return _may_write(frame.f_code)
    return None if calls_function(frame) else False


def _may_write(code: CodeType) -> bool:
    if _WRITERS & set(code.co_names):
        return True
    for i in dis.get_instructions(code):
        if i.opname in ("STORE_SUBSCR", "STORE_SLICE") or (i.opname == "BINARY_OP" and i.argrepr.endswith("=")):
            return True
        if isinstance(i.argval, tuple) and _WRITERS & {e for e in i.argval if isinstance(e, str)}:
            return True  # names of keyword arguments
    return any(_may_write(c) for c in code.co_consts if isinstance(c, CodeType))


def still(key: Any) -> Any:
    """A key as a record may save it: index and mask arrays are copied, as they may be changed later."""
    if type(key) is np.ndarray:
        return key.copy()
    return tuple(still(k) for k in key) if type(key) is tuple else key


def remember(x: Any, saved: Any) -> None:
    """Note on the array x that a record has saved (parts of) its buffer: see :func:`protect`."""
    root = origin(x)
    if root.link is None:
        root.link = [saved]
    else:
        root.link.append(saved)


def protect(root: Any) -> None:
    """Before root's buffer is written: give every record that saved a part of it a copy of its own."""
    if not root.link:
        return
    buffer = plain(root.value)
    for saved in root.link:
        if type(saved) is list:
            saved[:] = [_detach(x, buffer) for x in saved]
        else:
            _detach(saved, buffer)
    root.link = None


def _detach(x: Any, buffer: Any) -> Any:
    """What a record has saved, with a copy in the place of what lies in the buffer."""
    if type(x) in TRACED:
        # Of an outer trace: its values are copied by value, its own tape by a recorded copy.
        return np.copy(x) if is_array(x) and np.may_share_memory(plain(x), buffer) else x
    if isinstance(x, np.ndarray):
        return x.copy() if np.may_share_memory(x, buffer) else x
    if type(x) in (tuple, list):
        return type(x)(_detach(e, buffer) for e in x)
    if type(x) is FunctionType:
        for cell in x.__closure__ or ():
            cell.cell_contents = _detach(cell.cell_contents, buffer)
    return x


def same_order(c: Any, value: Any) -> bool:
    """Whether a cotangent lies in memory as its root does, so that a view of the one is a view of the other."""
    flags, wanted = plain(c).flags, value.flags
    return bool(flags.c_contiguous or not wanted.c_contiguous) and bool(flags.f_contiguous or not wanted.f_contiguous)


def same_memory(target: Any, key: Any, value: Any) -> bool:
    part = plain(target)[plain_tree(key)]
    value = plain(value)
    if type(part) is not np.ndarray or part.shape != value.shape or part.strides != value.strides:
        return False
    if part.dtype != value.dtype:
        return False  # complex numbers and their real parts
    return bool(part.__array_interface__["data"] == value.__array_interface__["data"])


def store(target: Any, key: Any, raw: Any) -> None:
    if type(target) is np.ndarray and type(raw) in TRACED:
        raise unsupported(
            "a value of an outer differentiation is assigned to an array that was made outside of it",
            "make the array inside the function that is differentiated",
        )
    target[key] = raw


_INTEGERS = frozenset({int, np.int64, np.int32, np.intp})
_BASIC = _INTEGERS | {slice, type(None), type(Ellipsis)}


def is_basic(key: Any) -> bool:
    """Whether NumPy answers this key with a view or an element, not with a copy."""
    if type(key) in _BASIC:
        return True
    if type(key) is tuple:
        return all(type(k) in _BASIC or (isinstance(k, np.integer)) for k in key)
    return isinstance(key, np.integer)
