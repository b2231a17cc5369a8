"""Arrays as memory: views, what records have saved, and writes; used by reverse and forward mode alike.

An array stands for a buffer. A view of it stands for a part of the same buffer, and knows the way there from its
root, the array that owns the buffer: the same way leads to its part of the root's cotangent or tangent, if that lies
in memory as the root does.
"""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any

import numpy as np

from gradcheck.autodiff.core import TRACED, is_array, plain, plain_tree
from gradcheck.autodiff.errors import unsupported

# From this many elements on, a temporary array costs more than finding out that one can be reused.
LARGE = 4096


class View:
    """How a view's part is found in a buffer that is laid out as its root's: from the parent view's part (None: the
    root's) by a key, or by a step of another kind."""

    __slots__ = ("key", "parent", "root", "step")

    def __init__(self, root: Any, parent: View | None, key: Any, step: Callable[[Any], Any] | None = None) -> None:
        self.root = root
        self.parent = parent
        self.key = key
        self.step = step

    def of(self, buffer: Any) -> Any:
        if self.parent is not None:
            buffer = self.parent.of(buffer)
        return buffer[self.key] if self.step is None else self.step(buffer)


def reference(x: Any) -> Any:
    """Where the cotangent of a value without a slot goes: a view of an active array has its View, else None."""
    link = x.link
    return link if type(link) is View and link.root.slot is not None else None


def origin(x: Any) -> Any:
    return x.link.root if type(x.link) is View else x


def sample_of(a: np.ndarray[Any, Any]) -> bytes:
    """About five hundred of an array's values, evenly spread, as bytes (so that nan is equal to itself)."""
    step = a.size // 512
    return (a.reshape(-1)[::step] if a.flags.c_contiguous else a.flat[::step]).tobytes()


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


def same_order(c: Any, value: Any) -> bool:
    """Whether a cotangent lies in memory as its root does, so that a view of the one is a view of the other."""
    flags, wanted = plain(c).flags, value.flags
    return bool(flags.c_contiguous or not wanted.c_contiguous) and bool(flags.f_contiguous or not wanted.f_contiguous)


def same_memory(target: Any, key: Any, value: Any) -> bool:
    part = plain(target)[plain_tree(key)]
    value = plain(value)
    if type(part) is not np.ndarray or part.shape != value.shape or part.strides != value.strides:
        return False
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
