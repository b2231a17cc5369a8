"""Operators, and the two classes of traced values: :class:`Taped` for reverse mode, :class:`Dual` for forward mode.

Operators are where the time goes, so a scalar operation on the tape is written out here, in :func:`_binary`: type
checks, one operation, one record. Arrays go the short ways of ``short.py``; whatever is left takes the general way
through ``core.elementwise``.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy import ndarray

from gradcheck.autodiff import forward as forward_mode
from gradcheck.autodiff import short
from gradcheck.autodiff import tape as reverse_mode
from gradcheck.autodiff.array import ArrayInterface, store_out
from gradcheck.autodiff.core import (
    FUNCTIONS,
    SCALARS,
    UFUNCS,
    Elementwise,
    elementwise,
    is_array,
    is_complex,
    plain,
)
from gradcheck.autodiff.errors import unsupported
from gradcheck.autodiff.memory import View, protect, view_of
from gradcheck.autodiff.rules import elementwise as table
from gradcheck.autodiff.sweep import pull_element, pull_setitem
from gradcheck.autodiff.tape import taped

# Plain operands for the short way: numbers and arrays. A list, for one, becomes an array first.
SHORT = SCALARS | {np.ndarray, complex, np.complex128}


def _function_of(partial: Any) -> Callable[..., Any]:
    """A constant partial as the function that it is."""
    return partial if callable(partial) else lambda _y, _a, _b: partial


def _binary(rule: Elementwise) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """``x op y`` and its reflection ``y op x``, for values on a tape."""
    d0: Any
    d1: Any
    d0, d1 = rule.partials
    op = rule.function
    linear = not callable(d0) and not callable(d1)  # add and subtract: the partials are constants
    if not linear:
        d0, d1 = _function_of(d0), _function_of(d1)
    first, second = short.with_number(rule, 0, Taped), short.with_number(rule, 1, Taped)
    both = short.binary(rule, Taped)
    pair = short.pair(rule, Taped) if linear or rule is OPERATORS["mul"] else both

    def forward(self: Any, other: Any) -> Any:
        a = self.value
        kind = type(other)
        if type(a) is ndarray:
            if kind is Taped:
                if other.owner is self.owner and self.owner.live:
                    return pair(self, other)
            elif kind in SCALARS and self.owner.live:
                return first(self, other)
        elif type(a) in SCALARS and self.slot is not None:
            trace = self.owner
            if kind in SCALARS:
                v = op(a, other)
                if type(v) in SCALARS:
                    records = trace.records
                    try:
                        d = d0 if linear else d0(v, a, other)
                    except ArithmeticError:
                        return elementwise(rule, (self, other))
                    y = Taped()
                    y.value = v
                    y.owner = trace
                    y.slot = n = len(records)
                    y.link = None
                    records.append((n, self.slot, d, None, None))
                    return y
            elif kind is Taped and other.owner is trace and type(other.value) in SCALARS and other.slot is not None:
                b = other.value
                v = op(a, b)
                if type(v) in SCALARS:
                    records = trace.records
                    try:
                        d, e = (d0, d1) if linear else (d0(v, a, b), d1(v, a, b))
                    except ArithmeticError:
                        return elementwise(rule, (self, other))
                    y = Taped()
                    y.value = v
                    y.owner = trace
                    y.slot = n = len(records)
                    y.link = None
                    records.append((n, self.slot, d, other.slot, e))
                    return y
        if (kind in SHORT or (kind is Taped and other.owner is self.owner)) and self.owner.live:
            return both(self, other)
        return elementwise(rule, (self, other))

    def reflected(self: Any, other: Any) -> Any:
        b = self.value
        if type(b) is ndarray:
            if type(other) in SCALARS and self.owner.live:
                return second(self, other)
        elif type(b) in SCALARS and type(other) in SCALARS and self.slot is not None:
            v = op(other, b)
            if type(v) in SCALARS:
                trace = self.owner
                records = trace.records
                try:
                    d = d1 if linear else d1(v, other, b)
                except ArithmeticError:
                    return elementwise(rule, (other, self))
                y = Taped()
                y.value = v
                y.owner = trace
                y.slot = n = len(records)
                y.link = None
                records.append((n, self.slot, d, None, None))
                return y
        if type(other) in SHORT and self.owner.live:
            return both(other, self)
        return elementwise(rule, (other, self))

    return forward, reflected


def _general(rule: Elementwise) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """``x op y`` and ``y op x`` for duals, and for operators that are rare in loops."""
    return (lambda self, other: elementwise(rule, (self, other))), (
        lambda self, other: elementwise(rule, (other, self))
    )


def _unary(name: str, rule: Elementwise) -> Callable[..., Any]:
    def method(self: Any) -> Any:
        if name == "abs" and is_complex(self):
            return np.abs(self)
        return elementwise(rule, (self,))

    return method


def _in_place(name: str) -> Callable[..., Any]:
    op = getattr(operator, name)

    def method(self: Any, other: Any) -> Any:
        result = op(self, other)
        if not is_array(self):
            return result
        return store_out(result, self, True, name)

    return method


def _operation(op: Callable[..., Any], rule: Elementwise) -> Elementwise:
    """The rule of a ufunc for the operator: on floats and in its errors Python's operator is not NumPy's ufunc."""
    return Elementwise(op, *rule.partials)


OPERATORS: dict[str, Elementwise] = {
    "add": _operation(operator.add, table.ADD),
    "sub": _operation(operator.sub, table.SUBTRACT),
    "mul": _operation(operator.mul, table.MULTIPLY),
    "truediv": _operation(operator.truediv, table.DIVIDE),
    "pow": _operation(operator.pow, table.POWER),
    "mod": _operation(operator.mod, table.REMAINDER),
    "floordiv": _operation(operator.floordiv, table.FLOOR_DIVIDE),
}
NEGATIVE = _operation(operator.neg, table.NEGATIVE)
UNARY: dict[str, Elementwise] = {
    "neg": NEGATIVE,
    "pos": _operation(operator.pos, table.POSITIVE),
    "abs": _operation(abs, table.ABSOLUTE),
}
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


def _short_method(name: str) -> Callable[..., Any]:
    function = getattr(np, name)

    def method(self: Any, *args: Any, **keywords: Any) -> Any:
        if not keywords and self.owner.live and _fit(args, self.owner):
            return _functions[function](self, *args)
        return FUNCTIONS[function](self, *args, **keywords)

    method.__name__ = name
    return method


class Taped(reverse_mode.TapedBase, ArrayInterface):
    """A value on the tape, with NumPy's interface."""

    __slots__ = ()

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **keywords: Any) -> Any:
        if not keywords and method == "__call__" and self.owner.live:
            way = _ways.get(ufunc) or _way_of(ufunc)
            if len(inputs) == 1:
                return way(self)
            if _fit(inputs, self.owner):
                return way(*inputs)
        return ArrayInterface.__array_ufunc__(self, ufunc, method, *inputs, **keywords)

    def __array_function__(self, function: Any, types: Any, args: Any, keywords: Any) -> Any:
        way = _functions.get(function)
        if way is not None and not keywords and self.owner.live:
            if len(args) == 1 and args[0] is self:
                return way(self)
            if _fit(args, self.owner):
                return way(*args)
        return ArrayInterface.__array_function__(self, function, types, args, keywords)

    def __matmul__(self, other: Any) -> Any:
        if self.owner.live and _fit((other,), self.owner):
            return _functions[np.matmul](self, other)
        return ArrayInterface.__matmul__(self, other)

    def __getitem__(self, key: Any) -> Any:
        value = self.value
        kind = type(key)
        if kind is slice:
            if type(value) is ndarray:
                y = Taped()
                y.value = value[key]
                y.owner = self.owner
                y.slot = None
                link = self.link
                if type(link) is View:
                    y.link = view_of(link.root, link, key)
                    return y
                y.link = view = View()
                view.root = self
                view.parent = view.step = None
                view.key = key
                view.spread = view.turned = False
                return y
        elif kind is int and self.slot is not None and type(value) is ndarray:
            v = value[key]
            if type(v) is np.float64:
                x = Taped()
                x.value = v
                trace: Any = self.owner
                x.owner = trace
                records = trace.records
                x.slot = n = len(records)
                x.link = None
                records.append((n, None, pull_element, self, key))
                return x
        return self.owner.getitem(self, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        trace: Any = self.owner
        link = self.link
        if (
            type(key) is int
            and type(value) is Taped
            and value.owner is self.owner
            and trace.live
            and type(value.value) is np.float64
            and value.slot is not None
            and type(self.value) is np.ndarray
            and self.value.dtype.kind == "f"
            and type(link) is not View
        ):
            if link is not None:
                protect(self)
            self.value[key] = value.value
            slot = self.slot
            if slot is None:
                self.slot = slot = len(trace.records)
            trace.records.append((slot, None, pull_setitem, value.slot, (self, key, _NUMBER)))
            return
        ArrayInterface.__setitem__(self, key, value)

    def __neg__(self) -> Any:
        value = self.value
        trace: Any = self.owner
        if type(value) is np.ndarray and trace.live:
            return _negative(self)
        if self.slot is not None and type(value) in SCALARS:
            n = len(trace.records)
            trace.records.append((n, self.slot, -1.0, None, None))
            return taped(-value, trace, n)
        return elementwise(NEGATIVE, (self,))


# What a write notes of a value that is a real number: its shape, and whether it is complex.
_NUMBER = ((), False)


class Dual(forward_mode.DualBase, ArrayInterface):
    """A value with a tangent, with NumPy's interface."""

    __slots__ = ()


def _fit(inputs: tuple[Any, ...], owner: Any) -> bool:
    """Whether these are plain operands or values of one tape, as the short ways take them."""
    for x in inputs:  # noqa: SIM110  (a generator would take as long as the operation)
        if type(x) not in SHORT and (type(x) is not Taped or x.owner is not owner):
            return False
    return True


_functions: dict[Any, Callable[..., Any]] = {
    np.sum: short.total(np.sum, Taped),
    np.mean: short.total(np.mean, Taped),
    np.dot: short.product(np.dot, Taped),
    np.matmul: short.product(np.matmul, Taped),
}
# The short ways of all ufuncs that were called so far.
_ways: dict[Any, Callable[..., Any]] = {np.matmul: _functions[np.matmul]}


def _way_of(ufunc: Any) -> Callable[..., Any]:
    rule = UFUNCS.get(ufunc)
    if type(rule) is Elementwise and not rule.numeric and len(rule.partials) <= 2:
        way = (short.unary if len(rule.partials) == 1 else short.binary)(rule, Taped)
    else:

        def way(*inputs: Any) -> Any:
            x = next(x for x in inputs if type(x) is Taped)
            return ArrayInterface.__array_ufunc__(x, ufunc, "__call__", *inputs)

    _ways[ufunc] = way
    return way


_negative = short.unary(NEGATIVE, Taped)
for _name, _rule in OPERATORS.items():
    for _cls, _pair in ((Taped, _binary(_rule)), (Dual, _general(_rule))):
        if not callable(_rule.partials[0]) and _rule.partials[0] is None:
            _pair = _general(_rule)  # floor division has no partials to take the short way with
        setattr(_cls, f"__{_name}__", _pair[0])
        setattr(_cls, f"__r{_name}__", _pair[1])
for _name, _rule in UNARY.items():
    for _cls in (Taped, Dual):
        if f"__{_name}__" not in vars(_cls):
            setattr(_cls, f"__{_name}__", _unary(_name, _rule))
for _name in ("mul", "truediv", "pow", "mod", "floordiv", "matmul"):
    setattr(ArrayInterface, f"__i{_name}__", _in_place(_name))
for _name in ("sum", "mean", "dot"):
    setattr(Taped, _name, _short_method(_name))
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
