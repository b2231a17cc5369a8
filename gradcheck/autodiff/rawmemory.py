"""What ndarray offers for its memory as such: bytes, buffers, other types of view, flags, a new shape in place.

The derivative lives beside the numbers, so whatever reads or writes them as bytes would lose it, and is refused by
name; the rest works as NumPy's. :class:`RawMemory` is a part of ``array.py``'s interface, apart because ordinary
numerical code seldom uses any of it.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import numpy as np

from gradcheck.autodiff.core import Traced, is_active, is_array, plain, plain_tree
from gradcheck.autodiff.errors import unsupported
from gradcheck.autodiff.memory import View, origin, view_of
from gradcheck.autodiff.rules.shape import Step
from gradcheck.autodiff.sweep import pull_input


def _of(x: Any, name: str) -> Any:
    """The attribute of the plain value; AttributeError in NumPy's (or Python's) own words where it has none."""
    return getattr(plain(x), name)


def _bytes(name: str, instead: str) -> Callable[..., Any]:
    """A method that reads the memory as bytes: works on constants, refused where a derivative would be lost."""

    def method(self: Any, *args: Any, **keywords: Any) -> Any:
        function = _of(self, name)
        if is_active(self):
            kind = "ndarray" if is_array(self) else type(plain(self)).__name__
            raise unsupported(f"{kind}.{name}() of a traced value would lose the derivative", instead)
        return function(*args, **keywords)

    method.__name__ = name
    return method


def _refused(name: str, instead: str) -> property:
    def attribute(self: Any) -> Any:
        _of(self, name)
        raise unsupported(f"ndarray.{name} is not supported for traced arrays", instead)

    def assign(self: Any, _value: Any) -> None:
        _of(self, name)
        raise unsupported(f"assigning to the {name} of a traced array is not supported", instead)

    return property(attribute, assign)


_KEEP = "keep the array itself; to hash or compare it, use its values before they depend on the argument"
_PARTS = "use .real, .imag, or np.stack([z.real, z.imag], axis=-1)"


class RawMemory(Traced):
    """The part of NumPy's interface that is about memory; ``self`` is a traced value of either mode."""

    __slots__ = ()

    tobytes = _bytes("tobytes", _KEEP)
    tofile = _bytes("tofile", "write the result after the function has returned")
    dump = _bytes("dump", "write the result after the function has returned")
    dumps = _bytes("dumps", _KEEP)
    hex = _bytes("hex", "use str(x), to look at")
    as_integer_ratio = _bytes("as_integer_ratio", "compute with floats; fractions have no derivative")
    data = _refused("data", "use the array itself; a buffer of plain numbers has no derivative")
    ctypes = _refused("ctypes", "compiled code cannot be followed; write this part in NumPy")
    getfield = _refused("getfield", _PARTS)
    setfield = _refused("setfield", "assign to .real or .imag")
    byteswap = _refused("byteswap", "derivatives are of numbers in the machine's own byte order")

    @property
    def base(self) -> Any:
        root = origin(self)
        if not is_array(self) or (root is self and _of(self, "base") is None):
            return _of(self, "base")
        if root is not self:
            return root
        raise unsupported("the base of an array that was made as a view outside of the function")

    @property
    def device(self) -> Any:
        return _of(self, "device")

    def to_device(self, device: Any, /, *, stream: Any = None) -> Any:
        _of(self, "to_device")(device, stream=stream)  # NumPy's own checks and messages
        return self

    def setflags(self, write: Any = None, align: Any = None, uic: Any = None) -> None:
        _of(self, "setflags")(write, align, uic)

    def fromhex(self, text: str) -> Any:
        return _of(self, "fromhex")(text)

    def view(self: Any, *args: Any, **keywords: Any) -> Any:
        """``view()`` and views of the same type; those that read the same bytes as other numbers are refused."""
        value = _of(self, "view")(*args, **keywords)
        if not is_array(self):
            return self
        if type(value) is not np.ndarray:
            name = f"np.{type(value).__name__}"
            raise unsupported(f"a traced array cannot become a {name}", "use a plain array")
        if value.dtype != self.dtype:
            raise unsupported(f"a view of a traced array of {self.dtype} as {value.dtype}", f"use .astype, or {_PARTS}")
        return self[...]

    def resize(self: Any, *shape: Any, refcheck: bool = True) -> None:
        new = plain_tree(shape[0] if len(shape) == 1 else shape)
        if np.prod(new, dtype=int) != self.size:
            raise unsupported(
                "ndarray.resize of a traced array to another size",
                "make a new array with np.zeros and assign the old one to a part of it",
            )
        reshape_in_place(self, new)

    def partition(self: Any, kth: Any, axis: int = -1, kind: str = "introselect", order: Any = None) -> None:
        self[...] = np.partition(self, kth, axis, kind, order)  # type: ignore[call-overload]

    def argpartition(self, kth: Any, axis: Any = -1, kind: str = "introselect", order: Any = None) -> Any:
        return _of(self, "argpartition")(kth, axis, kind, order)

    def __reduce__(self) -> Any:
        return self.__reduce_ex__(2)

    @property
    def __array_namespace__(self) -> Any:
        return _of(self, "__array_namespace__")

    def __dlpack__(self, **_keywords: Any) -> Any:
        raise unsupported("handing a traced array to another library would lose the derivative")

    def __dlpack_device__(self) -> Any:
        return _of(self, "__dlpack_device__")()


def reshape_in_place(x: Any, shape: Any) -> None:
    """``x.shape = shape``: the same array object, which keeps its memory and its views.

    The object becomes a view of a new one that takes its place as the owner of the memory, and views of it learn that.
    Where the trace has it noted as the owner (an argument that is differentiated, an array whose elements were read or
    written one by one), that is refused.
    """
    new = np.reshape(x.value, plain_tree(shape))
    if plain(new).size and not np.may_share_memory(plain(new), plain(x.value)):
        raise AttributeError("Incompatible shape for in-place modification. Use `.reshape()` to make a copy.")
    if plain(new).shape == x.shape:
        return
    step = Step(lambda buffer: np.reshape(buffer, plain(new).shape))
    if type(x.link) is View:
        x.value, x.link = new, view_of(x.link.root, x.link, None, step)
        return
    known = gc.get_referrers(x)
    slot = getattr(x, "slot", None)
    if any(type(r) is tuple for r in known) or (slot is not None and x.owner.records[slot][2] is pull_input):
        raise unsupported("assigning to the shape of this traced array", "use y = y.reshape(...)")
    root = object.__new__(type(x))
    for name in ("value", "owner", "link", "slot", "tangent"):
        if hasattr(x, name):
            setattr(root, name, getattr(x, name))
    for r in known:
        if type(r) is View:
            r.root = root
    x.value, x.link = new, view_of(root, None, None, step)
    for name in ("slot", "tangent"):
        if hasattr(x, name):
            setattr(x, name, None)
