"""NumPy's interface on traced values: protocols, operators, and ndarray's methods and attributes.

A traced value answers ``isinstance`` as its value would (``__class__`` is a property): guards such as ``isinstance(x,
np.ndarray)`` take the branch that they take on plain input. C code is not fooled; it looks at the real type, finds
neither a float nor an array, asks for a conversion, and is refused by name.
"""

from __future__ import annotations

import dis
import operator
import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any

import numpy as np

from gradcheck.autodiff.advice import advice
from gradcheck.autodiff.core import (
    FUNCTIONS,
    TRACED,
    UFUNCS,
    Elementwise,
    any_active,
    elementwise,
    innermost,
    is_active,
    is_array,
    is_complex,
    is_living,
    living,
    note_equal,
    plain,
    plain_tree,
    would_lose,
)
from gradcheck.autodiff.errors import AutodiffError, unsupported
from gradcheck.autodiff.fallback import numeric, numeric_ufunc
from gradcheck.autodiff.memory import origin
from gradcheck.autodiff.rawmemory import RawMemory, reshape_in_place
from gradcheck.autodiff.rules import elementwise as table
from gradcheck.autodiff.rules import load_for_loaded_modules
from gradcheck.autodiff.rules.functional import python_ufunc
from gradcheck.autodiff.rules.methods import method_of
from gradcheck.autodiff.rules.reductions import as_traced
from gradcheck.autodiff.text import noted


def refuse(x: Any, what: str, hint: str) -> AutodiffError:
    """The error for a conversion that would lose x's derivative; remembered, in case the user's code swallows it."""
    what, hint = advice() or (what, hint)
    error = unsupported(f"{what} would lose the derivative", hint)
    x.owner.lost = x.owner.lost or error
    return error


def _formats(frame: FrameType) -> bool:
    """Whether the running instruction is ``"%.3f" % x``, the one binary operator that asks x for a float directly."""
    instructions = dis.get_instructions(frame.f_code)
    current = max((i for i in instructions if i.offset <= frame.f_lasti), key=lambda i: i.offset)
    # Not any operator: those of compiled classes (Rotation ** x, before SciPy 1.17) ask for a float, too.
    return current.opname == "BINARY_OP" and current.argrepr.startswith("%")


class ArrayInterface(RawMemory):
    """Everything that ndarray and float offer, in terms of the rules."""

    __slots__ = ()
    __array_priority__ = 1000.0

    # -- protocols -------------------------------------------------------------------------------------------------

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return type(plain(self))

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **keywords: Any) -> Any:
        rule = UFUNCS.get(ufunc)
        if method == "__call__" and not keywords and type(rule) is Elementwise:
            return elementwise(rule, inputs)
        return _ufunc(ufunc, method, rule, inputs, keywords)

    def __array_function__(self, function: Any, types: Any, args: Any, keywords: Any) -> Any:
        handler = FUNCTIONS.get(function)
        if handler is None:
            load_for_loaded_modules()  # the function itself may have imported a part of NumPy
            handler = FUNCTIONS.get(function)
        if handler is not None:
            return handler(*args, **keywords)
        if any_active(args) or any_active(keywords):
            return numeric(function, f"{function.__module__}.{function.__name__}")(*args, **keywords)
        return function(*plain_tree(args), **plain_tree(keywords))

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        if would_lose(self):
            raise refuse(
                self,
                "converting a traced value to a plain array",
                "the function called here is compiled or has no derivative rule, or it writes into a plain array "
                "that was made outside of the function (make it inside, with np.zeros or np.array)",
            )
        return np.array(plain(self), dtype=dtype, copy=copy)

    def __float__(self) -> float:
        if would_lose(self):
            if not _formats(sys._getframe(1)):
                raise refuse(
                    self,
                    "float() of a traced value",
                    "leave the conversion out, or make the array it is assigned to inside the function, with np.zeros "
                    "or np.array",
                )
            noted("", self)
        return float(plain(self))

    def __complex__(self) -> complex:
        if would_lose(self):
            raise refuse(self, "complex() of a traced value", "multiply by (1 + 0j) instead")
        return complex(plain(self))

    # Piecewise constant by nature: the derivative is zero, so a plain number is the whole truth.
    def __int__(self) -> int:
        return int(plain(self))

    def __index__(self) -> int:
        return operator.index(plain(self))

    def __round__(self, digits: int | None = None) -> Any:
        return round(plain(self)) if digits is None else round(plain(self), digits)

    def __trunc__(self) -> int:
        return int(plain(self))

    def __floor__(self) -> int:
        return int(np.floor(plain(self)))

    def __ceil__(self) -> int:
        return int(np.ceil(plain(self)))

    def __bool__(self) -> bool:
        return bool(plain(self))

    def __len__(self) -> int:
        return len(plain(self))

    def __delitem__(self, key: Any) -> None:
        del plain(self)[plain_tree(key)]  # NumPy's and Python's own errors

    def __iter__(self) -> Iterator[Any]:
        if not is_array(self):
            raise TypeError(f"'{type(plain(self)).__name__}' object is not iterable")
        return (self[i] for i in range(len(self)))

    def __contains__(self, item: Any) -> bool:
        return plain(item) in plain(self)

    def __hash__(self) -> int:
        if is_array(self):
            raise TypeError("unhashable type: 'numpy.ndarray'")
        # By identity, never by value: a cache that was filled with plain numbers must not answer for a traced one.
        return object.__hash__(self)

    def _as_text(self, text: str) -> str:
        return noted(text, self) if is_active(self) else text

    def __repr__(self) -> str:
        return self._as_text(repr(plain(self)))

    def __str__(self) -> str:
        return self._as_text(str(plain(self)))

    def __format__(self, spec: str) -> str:
        return self._as_text(format(plain(self), spec))

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise refuse(self, "pickling a traced value", "processes cannot share a derivative; run it in this one")

    def __copy__(self) -> Any:
        return np.copy(self) if is_array(self) else self

    def __deepcopy__(self, memo: Any) -> Any:
        return self.__copy__()

    # -- items -----------------------------------------------------------------------------------------------------

    def __getitem__(self, key: Any) -> Any:
        return self.owner.getitem(self, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        value = as_traced(value) if type(value) in (list, tuple) and any_active(value) else value
        if not self.owner.live:
            self._revive(plain_tree(key), value)
        elif type(value) in TRACED:
            inner = innermost((self, value))
            if inner is not self.owner and inner is not None and is_active(value):
                raise unsupported(
                    "a value of an inner differentiation is assigned to an array that was made outside of it",
                    "make the array inside the function that is differentiated",
                )
            value = living(value)
        if self.owner.live:
            self.owner.setitem(self, plain_tree(key), value)
        else:
            plain(self)[plain_tree(key)] = plain_tree(value)

    def _revive(self, key: Any, value: Any) -> None:
        """An array that was made in a trace that has ended, and kept: the trace of the value adopts it.

        One that holds values of that trace is free of them once all of it is being overwritten.
        """
        root: Any = origin(self)
        stale = root.owner.active(root)
        if stale and root is self and plain(self)[key].size == self.size:
            stale = False
            for name in ("slot", "tangent"):
                if hasattr(root, name):
                    setattr(root, name, None)
        if not is_living(value):
            return
        if type(value) is not type(root) or type(root.value) is not np.ndarray or type(value.value) in TRACED:
            raise unsupported("a traced value is assigned to an array that was made in an earlier call")
        if stale:
            innermost((self, value))  # says that it is a value of an earlier call
        root.link = None  # what the records of that trace have saved
        root.owner = self.owner = value.owner

    # -- comparisons: piecewise constant, so plain ---------------------------------------------------------------------

    def __lt__(self, other: Any) -> Any:
        return plain(self) < plain(other)

    def __le__(self, other: Any) -> Any:
        return plain(self) <= plain(other)

    def __gt__(self, other: Any) -> Any:
        return plain(self) > plain(other)

    def __ge__(self, other: Any) -> Any:
        return plain(self) >= plain(other)

    def __eq__(self, other: Any) -> Any:
        equal = plain(self) == plain(other)
        note_equal(self, other, equal)
        return equal

    def __ne__(self, other: Any) -> Any:
        differ = plain(self) != plain(other)
        if other is not self:  # a test for nan
            note_equal(self, other, np.logical_not(differ))
        return differ

    # -- attributes ------------------------------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, ...]:
        return plain(self).shape  # type: ignore[no-any-return]

    @shape.setter
    def shape(self, value: Any) -> None:
        reshape_in_place(self, value)

    @property
    def ndim(self) -> int:
        return plain(self).ndim  # type: ignore[no-any-return]

    @property
    def size(self) -> int:
        return plain(self).size  # type: ignore[no-any-return]

    @property
    def dtype(self) -> Any:
        return plain(self).dtype

    @dtype.setter
    def dtype(self, value: Any) -> None:
        raise unsupported("assigning to the dtype of a traced array", "use y = y.astype(...)")

    @property
    def itemsize(self) -> int:
        return plain(self).itemsize  # type: ignore[no-any-return]

    @property
    def nbytes(self) -> int:
        return plain(self).nbytes  # type: ignore[no-any-return]

    @property
    def strides(self) -> tuple[int, ...]:
        return plain(self).strides  # type: ignore[no-any-return]

    @strides.setter
    def strides(self, value: Any) -> None:
        raise unsupported("assigning to the strides of a traced array", "use a slice")

    @property
    def flags(self) -> Any:
        return plain(self).flags

    @property
    def T(self) -> Any:
        return np.transpose(self) if is_array(self) else self

    @property
    def mT(self) -> Any:
        return np.matrix_transpose(self)

    @property
    def real(self) -> Any:
        return np.real(self)

    @real.setter
    def real(self, value: Any) -> None:
        self[...] = value + 1j * np.imag(self) if is_complex(self) else value

    @property
    def imag(self) -> Any:
        return np.imag(self)

    @imag.setter
    def imag(self, value: Any) -> None:
        if not is_complex(self):
            raise TypeError("array does not have imaginary part to set")
        self[...] = np.real(self) + 1j * value

    @property
    def flat(self) -> Flat:
        return Flat(self)

    @flat.setter
    def flat(self, value: Any) -> None:
        Flat(self)[:] = np.resize(as_traced(value), (self.size,)) if np.ndim(plain_tree(value)) else value

    # -- methods whose signature differs from the function's -----------------------------------------------------------

    def reshape(self, *shape: Any, order: str = "C", copy: Any = None) -> Any:
        new = shape[0] if len(shape) == 1 else shape
        return FUNCTIONS[np.reshape](self, new, order=order, copy=copy)

    def transpose(self, *axes: Any) -> Any:
        single = len(axes) == 1 and (axes[0] is None or isinstance(axes[0], tuple | list))
        order = axes[0] if single else axes
        return FUNCTIONS[np.transpose](self, order or None)

    def flatten(self, order: str = "C") -> Any:
        return np.copy(FUNCTIONS[np.ravel](self, order=order))

    def astype(
        self, dtype: Any, order: str = "K", casting: str = "unsafe", subok: bool = True, copy: bool = True
    ) -> Any:
        return table.astype(self, dtype, order=order, casting=casting, copy=copy)

    def copy(self, order: str = "C") -> Any:
        return np.copy(self, order=order)  # type: ignore[call-overload]

    def item(self, *index: Any) -> Any:
        if not is_array(self):
            return self
        if not index:
            if self.size != 1:
                raise ValueError("can only convert an array of size 1 to a Python scalar")
            return self[(0,) * self.ndim]
        return (
            self.flat[index[0]]
            if len(index) == 1 and not isinstance(index[0], tuple)
            else self[index[0] if len(index) == 1 else index]
        )

    def tolist(self) -> Any:
        return [row.tolist() for row in self] if is_array(self) and self.ndim else self.item()

    def compress(self, condition: Any, axis: Any = None, out: Any = None) -> Any:
        return FUNCTIONS[np.compress](condition, self, axis=axis, out=out)

    def fill(self, value: Any) -> None:
        self[...] = value

    def sort(self, axis: int = -1, kind: Any = None, order: Any = None, *, stable: Any = None) -> None:
        self[...] = FUNCTIONS[np.sort](self, axis=axis)

    def put(self, indices: Any, values: Any, mode: str = "raise") -> None:
        FUNCTIONS[np.put](self, indices, values, mode)

    def conj(self) -> Any:
        return np.conjugate(self) if is_complex(self) else self  # as NumPy: of real numbers no copy

    conjugate = conj

    def is_integer(self) -> bool:
        return float(plain(self)).is_integer()

    # -- in-place operators ----------------------------------------------------------------------------------------

    def __iadd__(self, other: Any) -> Any:
        if not is_array(self):
            return self + other
        if self.owner.live:
            self.owner.increment(self, other, 1)
        else:
            self[...] = self + other
        return self

    def __isub__(self, other: Any) -> Any:
        if not is_array(self):
            return self - other
        if self.owner.live:
            self.owner.increment(self, other, -1)
        else:
            self[...] = self - other
        return self

    def __matmul__(self, other: Any) -> Any:
        return FUNCTIONS[np.matmul](self, other)

    def __rmatmul__(self, other: Any) -> Any:
        return FUNCTIONS[np.matmul](other, self)

    def __divmod__(self, other: Any) -> tuple[Any, Any]:
        return self // other, self % other

    def __rdivmod__(self, other: Any) -> tuple[Any, Any]:
        return other // self, other % self


class Flat:
    """``x.flat``: one-dimensional access in C order, for reading and writing."""

    __slots__ = ("base", "index")

    def __init__(self, array: Any) -> None:
        self.base = array
        self.index = 0

    def _where(self, key: Any) -> Any:
        if not self.base.ndim:
            return ()
        return np.unravel_index(np.arange(self.base.size)[plain_tree(key)], self.base.shape)

    def __getitem__(self, key: Any) -> Any:
        return self.base[self._where(key)]

    def __setitem__(self, key: Any, value: Any) -> None:
        where = self._where(key)
        if not isinstance(where, tuple) or not where or not np.ndim(where[0]):
            self.base[where] = value
            return
        count = np.size(where[0])
        values = np.ravel(as_traced(value)) if np.ndim(plain_tree(value)) else value
        # As NumPy: a value that is too long is cut, one that is too short is repeated.
        self.base[where] = np.reshape(np.resize(values, count), np.shape(where[0])) if np.ndim(values) else values

    def __len__(self) -> int:
        return int(self.base.size)

    @property
    def coords(self) -> tuple[int, ...]:
        if self.index >= len(self):
            return (len(self),)  # past the end, where next() stops
        return tuple(int(i) for i in np.unravel_index(self.index, self.base.shape))

    def copy(self) -> Any:
        return self.base.flatten()

    def __iter__(self) -> Flat:
        return self

    def __next__(self) -> Any:
        if self.index >= len(self):
            raise StopIteration
        self.index += 1
        return self[self.index - 1]

    def __eq__(self, other: Any) -> Any:
        return self.copy() == _without_flat(other)

    def __ne__(self, other: Any) -> Any:
        return self.copy() != _without_flat(other)

    def __lt__(self, other: Any) -> Any:
        return self.copy() < _without_flat(other)

    def __le__(self, other: Any) -> Any:
        return self.copy() <= _without_flat(other)

    def __gt__(self, other: Any) -> Any:
        return self.copy() > _without_flat(other)

    def __ge__(self, other: Any) -> Any:
        return self.copy() >= _without_flat(other)

    __hash__ = None  # type: ignore[assignment]

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **keywords: Any) -> Any:
        return getattr(ufunc, method)(*map(_without_flat, inputs), **keywords)

    def __array_function__(self, function: Any, types: Any, args: Any, keywords: Any) -> Any:
        return function(*map(_without_flat, args), **{k: _without_flat(v) for k, v in keywords.items()})

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return np.array(self.copy(), dtype=dtype)


def _without_flat(x: Any) -> Any:
    """An iterator over an array as the one-dimensional copy that NumPy makes of it."""
    if type(x) is Flat:
        return x.copy()
    return type(x)(map(_without_flat, x)) if type(x) in (list, tuple) else x


def _ufunc(ufunc: Any, method: str, rule: Any, inputs: Any, keywords: dict[str, Any]) -> Any:
    """A ufunc call that is not the plain one: with keywords, a method such as ``reduce``, or without a rule."""
    out = keywords.pop("out", None)
    if type(rule) is not Elementwise and not any(is_complex(x) for x in inputs):
        rule = table.REAL.get(ufunc, rule)
    name = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
    if method != "__call__":
        handler = method_of(ufunc, method)
    elif type(rule) is Elementwise:
        handler = None
        mask, dtype = keywords.pop("where", True), keywords.pop("dtype", None)
        _without_layout(keywords, name)
        return store_out(elementwise(rule, inputs, plain(mask), dtype), out, plain(mask), name)
    else:
        handler = rule
        if ufunc.nout > 1 and rule is not None:
            mask = keywords.pop("where", True)
            _without_layout(keywords, name)
            keywords["where"] = mask
    if handler is not None:
        mask = plain(keywords.pop("where", True)) if method == "__call__" else True
        return store_out(handler(*inputs, **keywords), out, mask, name)
    if any_active(inputs):
        if method == "__call__" and all(types.strip("O") == "->" for types in ufunc.types):
            return store_out(python_ufunc(ufunc, *inputs), out, True, name)
        handler = (
            numeric_ufunc(ufunc) if method == "__call__" and ufunc.nout == 1 else numeric(getattr(ufunc, method), name)
        )
        return store_out(handler(*inputs, **keywords), out, True, name)
    return store_out(getattr(ufunc, method)(*plain_tree(inputs), **plain_tree(keywords)), out, True, name)


def _without_layout(keywords: dict[str, Any], name: str) -> None:
    for keyword in [k for k in keywords if k in ("casting", "order", "subok")]:
        del keywords[keyword]  # memory layout and casting checks: no part of the derivative
    if keywords:
        raise unsupported(f"np.{name}: keyword {', '.join(keywords)} is not supported for traced values")


def store_out(result: Any, out: Any, mask: Any, name: str) -> Any:
    """Put the result, or each of several, where ``out=`` says."""
    if out is None:
        return result
    if type(result) is tuple:
        return tuple(store_out(r, (o,), mask, name) for r, o in zip(result, out, strict=True))
    target = out[0] if type(out) is tuple else out
    if type(target) not in TRACED:
        if target is None:
            return result
        if not any_active(result):
            np.copyto(target, plain(result), where=mask, casting="same_kind")
            return target
        raise unsupported(
            f"np.{name} writes a traced value into a plain array that was made outside of the function",
            "make the array inside the function, with np.zeros or np.array",
        )
    if not np.can_cast(plain(result).dtype, target.dtype, "same_kind"):
        raise TypeError(f"cannot cast the result of np.{name} from {plain(result).dtype} to {target.dtype}")
    target[...] = result if mask is True else np.where(mask, result, target)
    return target
