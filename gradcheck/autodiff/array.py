"""NumPy's interface on traced values: protocols, operators, and ndarray's methods and attributes.

Operators are where the time goes, so a scalar operation on the tape is written out here, in :func:`_binary`: type
checks, one operation, one record. Whatever is not a pair of scalars of one tape takes the general way through
``core.elementwise``.

A traced value answers ``isinstance`` as its value would (``__class__`` is a property): guards such as ``isinstance(x,
np.ndarray)`` take the branch that they take on plain input. C code is not fooled; it looks at the real type, finds
neither a float nor an array, asks for a conversion, and is refused by name.
"""

from __future__ import annotations

import dis
import operator
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import numpy as np

from gradcheck.autodiff import forward as forward_mode
from gradcheck.autodiff import tape as reverse_mode
from gradcheck.autodiff.core import (
    FUNCTIONS,
    SCALARS,
    TRACED,
    UFUNCS,
    Elementwise,
    Traced,
    any_active,
    elementwise,
    innermost,
    is_active,
    is_array,
    is_complex,
    plain,
    plain_tree,
)
from gradcheck.autodiff.errors import AutodiffError, unsupported, user_frame
from gradcheck.autodiff.memory import View
from gradcheck.autodiff.rules import elementwise as table
from gradcheck.autodiff.rules.reductions import as_traced


def refuse(x: Any, what: str, hint: str) -> AutodiffError:
    """The error for a conversion that would lose x's derivative; remembered, in case the user's code swallows it."""
    error = unsupported(f"{what} would lose the derivative", hint)
    frame = user_frame()
    error.frame = None if frame is None else (frame.f_globals, frame.f_code)
    x.owner.lost = x.owner.lost or error
    return error


def _formats(frame: FrameType) -> bool:
    """Whether the running instruction is ``"%.3f" % x``, the one binary operator that asks x for a float directly."""
    instructions = dis.get_instructions(frame.f_code)
    return max((i for i in instructions if i.offset <= frame.f_lasti), key=lambda i: i.offset).opname == "BINARY_OP"


class ArrayInterface(Traced):
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
            if len(inputs) == 1 and type(self) is Taped and self.owner.live:
                return self.owner.unary(rule, self)  # type: ignore[attr-defined]
            return elementwise(rule, inputs)
        return _ufunc(ufunc, method, rule, inputs, keywords)

    def __array_function__(self, function: Any, types: Any, args: Any, keywords: Any) -> Any:
        handler = FUNCTIONS.get(function)
        if handler is not None:
            return handler(*args, **keywords)
        if any_active(args) or any_active(keywords):
            name = f"{function.__module__}.{function.__name__}"
            raise unsupported(f"no derivative rule for {name}")
        return function(*plain_tree(args), **plain_tree(keywords))

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        if is_active(self):
            raise refuse(
                self,
                "converting a traced value to a plain array",
                "the function called here is compiled or has no derivative rule, or it writes into a plain array "
                "that was made outside of the function (make it inside, with np.zeros or np.array)",
            )
        return np.array(plain(self), dtype=dtype, copy=copy)

    def __float__(self) -> float:
        if is_active(self) and not _formats(sys._getframe(1)):
            raise refuse(
                self,
                "float() of a traced value",
                "leave the conversion out, or make the array it is assigned to inside the function, with np.zeros or "
                "np.array",
            )
        return float(plain(self))

    def __complex__(self) -> complex:
        if is_active(self):
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

    def __repr__(self) -> str:
        return repr(plain(self))

    def __str__(self) -> str:
        return str(plain(self))

    def __format__(self, spec: str) -> str:
        return format(plain(self), spec)

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
        if type(value) in (list, tuple) and any_active(value):
            value = as_traced(value)
        elif type(value) in TRACED:
            inner = innermost((self, value))
            if inner is not self.owner and inner is not None and is_active(value):
                raise unsupported(
                    "a value of an inner differentiation is assigned to an array that was made outside of it",
                    "make the array inside the function that is differentiated",
                )
        self.owner.setitem(self, plain_tree(key), value)

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
        return plain(self) == plain(other)

    def __ne__(self, other: Any) -> Any:
        return plain(self) != plain(other)

    # -- attributes ------------------------------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, ...]:
        return plain(self).shape  # type: ignore[no-any-return]

    @property
    def ndim(self) -> int:
        return plain(self).ndim  # type: ignore[no-any-return]

    @property
    def size(self) -> int:
        return plain(self).size  # type: ignore[no-any-return]

    @property
    def dtype(self) -> Any:
        return plain(self).dtype

    @property
    def itemsize(self) -> int:
        return plain(self).itemsize  # type: ignore[no-any-return]

    @property
    def nbytes(self) -> int:
        return plain(self).nbytes  # type: ignore[no-any-return]

    @property
    def strides(self) -> tuple[int, ...]:
        return plain(self).strides  # type: ignore[no-any-return]

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

    @property
    def imag(self) -> Any:
        return np.imag(self)

    @property
    def flat(self) -> Flat:
        return Flat(self)

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
        return table.astype(self, dtype, casting=casting, copy=copy)

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
        return np.conjugate(self)

    conjugate = conj

    def is_integer(self) -> bool:
        return float(plain(self)).is_integer()

    # -- in-place operators ----------------------------------------------------------------------------------------

    def __iadd__(self, other: Any) -> Any:
        if not is_array(self):
            return self + other
        self.owner.increment(self, other, 1)
        return self

    def __isub__(self, other: Any) -> Any:
        if not is_array(self):
            return self - other
        self.owner.increment(self, other, -1)
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

    __slots__ = ("array",)

    def __init__(self, array: Any) -> None:
        self.array = array

    def _where(self, key: Any) -> Any:
        return np.unravel_index(np.arange(self.array.size)[plain_tree(key)], self.array.shape)

    def __getitem__(self, key: Any) -> Any:
        return self.array[self._where(key)]

    def __setitem__(self, key: Any, value: Any) -> None:
        self.array[self._where(key)] = value

    def __len__(self) -> int:
        return int(self.array.size)

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))


def _ufunc(ufunc: Any, method: str, rule: Any, inputs: Any, keywords: dict[str, Any]) -> Any:
    """A ufunc call that is not the plain one: with keywords, a method such as ``reduce``, or without a rule."""
    out = keywords.pop("out", None)
    if type(rule) is not Elementwise and not any(is_complex(x) for x in inputs):
        rule = table.REAL.get(ufunc, rule)
    name = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
    if method != "__call__":
        handler = FUNCTIONS.get((ufunc, method))
    elif type(rule) is Elementwise:
        handler = None
        mask, dtype = keywords.pop("where", True), keywords.pop("dtype", None)
        for keyword in [k for k in keywords if k in ("casting", "order", "subok")]:
            del keywords[keyword]  # memory layout and casting checks: no part of the derivative
        if keywords:
            raise unsupported(f"np.{name}: keyword {', '.join(keywords)} is not supported for traced values")
        return _store_out(elementwise(rule, inputs, plain(mask), dtype), out, plain(mask), name)
    else:
        handler = rule
    if handler is not None:
        mask = plain(keywords.get("where", True)) if method == "__call__" else True
        return _store_out(handler(*inputs, **keywords), out, mask, name)
    if any_active(inputs):
        raise unsupported(f"no derivative rule for np.{name}")
    return _store_out(getattr(ufunc, method)(*plain_tree(inputs), **plain_tree(keywords)), out, True, name)


def _store_out(result: Any, out: Any, mask: Any, name: str) -> Any:
    """Put the result where ``out=`` says."""
    if out is None:
        return result
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


# -- operators -----------------------------------------------------------------------------------------------------


def _function_of(partial: Any) -> Callable[..., Any]:
    """A constant partial as the function that it is."""
    return partial if callable(partial) else lambda _y, _a, _b: partial


def _binary(rule: Elementwise, op: Callable[[Any, Any], Any]) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """``x op y`` and its reflection ``y op x``, for values on a tape."""
    d0: Any
    d1: Any
    d0, d1 = rule.partials
    linear = not callable(d0) and not callable(d1)  # add and subtract: the partials are constants
    if not linear:
        d0, d1 = _function_of(d0), _function_of(d1)

    def forward(self: Any, other: Any) -> Any:
        slot = self.slot
        a = self.value
        kind = type(other)
        if slot is not None and type(a) in SCALARS:
            trace = self.owner
            if kind in SCALARS:
                y = op(a, other)
                if type(y) in SCALARS:
                    records = trace.records
                    n = len(records)
                    try:
                        records.append((n, slot, d0 if linear else d0(y, a, other), None, None))
                    except ArithmeticError:
                        return elementwise(rule, (self, other))
                    return taped(y, trace, n, None)
            elif kind is taped and other.owner is trace:
                other_slot = other.slot
                b = other.value
                if other_slot is not None and type(b) in SCALARS:
                    y = op(a, b)
                    if type(y) in SCALARS:
                        records = trace.records
                        n = len(records)
                        try:
                            if linear:
                                records.append((n, slot, d0, other_slot, d1))
                            else:
                                records.append((n, slot, d0(y, a, b), other_slot, d1(y, a, b)))
                        except ArithmeticError:
                            return elementwise(rule, (self, other))
                        return taped(y, trace, n, None)
        if (kind not in TRACED or (kind is taped and other.owner is self.owner)) and self.owner.live:
            return self.owner.binary(rule, self, other)
        return elementwise(rule, (self, other))

    def reflected(self: Any, other: Any) -> Any:
        slot = self.slot
        b = self.value
        if slot is not None and type(b) in SCALARS and type(other) in SCALARS:
            y = op(other, b)
            if type(y) in SCALARS:
                trace = self.owner
                records = trace.records
                n = len(records)
                try:
                    records.append((n, slot, d1 if linear else d1(y, other, b), None, None))
                except ArithmeticError:
                    return elementwise(rule, (other, self))
                return taped(y, trace, n, None)
        if type(other) not in TRACED and self.owner.live:
            return self.owner.binary(rule, other, self)
        return elementwise(rule, (other, self))

    return forward, reflected


def _general(rule: Elementwise) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """``x op y`` and ``y op x`` for duals, and for operators that are rare in loops."""
    return (lambda self, other: elementwise(rule, (self, other))), (
        lambda self, other: elementwise(rule, (other, self))
    )


def _in_place(name: str) -> Callable[..., Any]:
    op = getattr(operator, name)

    def method(self: Any, other: Any) -> Any:
        result = op(self, other)
        if not is_array(self):
            return result
        return _store_out(result, self, True, name)

    return method


OPERATORS: dict[str, tuple[Elementwise, Callable[[Any, Any], Any]]] = {
    "add": (table.ADD, operator.add),
    "sub": (table.SUBTRACT, operator.sub),
    "mul": (table.MULTIPLY, operator.mul),
    "truediv": (table.DIVIDE, operator.truediv),
    "pow": (table.POWER_OPERATOR, operator.pow),
    "mod": (table.REMAINDER, operator.mod),
    "floordiv": (table.FLOOR_DIVIDE, operator.floordiv),
}
UNARY: dict[str, Elementwise] = {"neg": table.NEGATIVE, "pos": table.POSITIVE, "abs": table.ABSOLUTE}
METHODS = [
    "sum",
    "prod",
    "mean",
    "std",
    "var",
    "min",
    "max",
    "argmin",
    "argmax",
    "cumsum",
    "cumprod",
    "ravel",
    "swapaxes",
    "squeeze",
    "diagonal",
    "trace",
    "dot",
    "repeat",
    "take",
    "clip",
    "round",
    "any",
    "all",
    "nonzero",
    "argsort",
    "searchsorted",
    "choose",
]


def _method(name: str) -> Callable[..., Any]:
    function = getattr(np, name)

    def method(self: Any, *args: Any, **keywords: Any) -> Any:
        handler = FUNCTIONS.get(function)
        if handler is None:
            return function(self, *args, **keywords)
        return handler(self, *args, **keywords)

    method.__name__ = name
    return method


class Taped(reverse_mode.TapedBase, ArrayInterface):
    """A value on the tape, with NumPy's interface."""

    __slots__ = ()

    def __getitem__(self, key: Any) -> Any:
        value = self.value
        if type(key) is slice and type(value) is np.ndarray:
            link = self.link
            owner: Any = self.owner
            if type(link) is View:
                return taped(value[key], owner, None, View(link.root, link, key))
            return taped(value[key], owner, None, View(self, None, key))
        return self.owner.getitem(self, key)

    def __neg__(self) -> Any:
        value = self.value
        if self.slot is not None and type(value) in SCALARS:
            trace: Any = self.owner
            n = len(trace.records)
            trace.records.append((n, self.slot, -1.0, None, None))
            return taped(-value, trace, n, None)
        return elementwise(table.NEGATIVE, (self,))


class Dual(forward_mode.DualBase, ArrayInterface):
    """A value with a tangent, with NumPy's interface."""

    __slots__ = ()


taped = Taped
for _name, (_rule, _op) in OPERATORS.items():
    for _cls, _pair in ((Taped, _binary(_rule, _op)), (Dual, _general(_rule))):
        if not callable(_rule.partials[0]) and _rule.partials[0] is None:
            _pair = _general(_rule)  # floor division has no partials to take the short way with
        setattr(_cls, f"__{_name}__", _pair[0])
        setattr(_cls, f"__r{_name}__", _pair[1])
for _name, _rule in UNARY.items():
    for _cls in (Taped, Dual):
        if f"__{_name}__" not in vars(_cls):
            setattr(_cls, f"__{_name}__", lambda self, _rule=_rule: elementwise(_rule, (self,)))
for _name in ("mul", "truediv", "pow", "mod", "floordiv", "matmul"):
    setattr(ArrayInterface, f"__i{_name}__", _in_place(_name))
for _name in METHODS:
    setattr(ArrayInterface, _name, _method(_name))


def _refused(name: str) -> property:
    """An attribute of ndarray or float that traced values do not have.

    One property each, not ``__getattr__``: with that, every access to a slot would take Python's slow way.
    """

    def attribute(self: Any) -> Any:
        value = plain(self)
        if not hasattr(value, name):
            raise AttributeError(f"'{type(value).__name__}' object has no attribute '{name}'")
        kind = "ndarray" if is_array(self) else type(value).__name__
        raise unsupported(f"{kind}.{name} is not supported for traced values")

    return property(attribute)


for _name in sorted({*dir(np.ndarray), *dir(np.float64), *dir(complex)}):
    if not _name.startswith("__") and not hasattr(ArrayInterface, _name):
        setattr(ArrayInterface, _name, _refused(_name))

reverse_mode.set_taped(Taped)
forward_mode.set_dual(Dual)
