"""The short ways of the tape: operations on real arrays, which are most of what runs.

For elementwise functions each function here makes, for one rule, the function that computes the value and appends the
record, with all that the rule says looked up beforehand. It does what ``Tape.elementwise`` does, and hands over to it
(``Tape.note``) whatever is not a real array: scalars, complex numbers, values of an outer trace. Six kinds of records
are left:

* ``pull_scaled``: one operand, and a number as partial. Nothing is saved: ``2.0 * x``, ``1.0 - x``, all that is linear.
* ``pull_single``: one operand of the value's shape, and what the partial reads. Squares, of which there are most, have
  ``pull_square``.
* ``pull_linear``: the sum or difference of two arrays of one shape. Nothing is saved.
* ``pull_product``: the product of two arrays of one shape.
* ``pull_elementwise``: all other pairs of operands, and broadcasting.

Sums, means and products of matrices have short ways of their own: without keywords they need nothing of the way through
handler and primitive.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy import ndarray

from gradcheck.autodiff.core import FUNCTIONS, SCALARS, Elementwise, shape_of
from gradcheck.autodiff.memory import reference, remember
from gradcheck.autodiff.rules.elementwise import MULTIPLY, POWER
from gradcheck.autodiff.rules.products import left_of_one, right_of_one
from gradcheck.autodiff.sweep import (
    pull_elementwise,
    pull_fill,
    pull_general,
    pull_linear,
    pull_one,
    pull_product,
    pull_scaled,
    pull_single,
    pull_square,
)
from gradcheck.autodiff.tape import TapedBase

Way = Callable[..., Any]
# The dtype of most arrays. (There may be other objects for it: what follows from its being this one is speed alone.)
DOUBLE = np.dtype(np.float64)


def with_number(rule: Elementwise, k: int, taped: type[TapedBase]) -> Way:
    """``way(x, number)``: an array on a live tape as operand k, a number as the other one.

    The value has the array's shape, and of a linear function nothing is saved.
    """
    function = rule.function
    partial: Any = rule.partials[k]
    keep_v, keep_a = rule.alone[k]
    linear = not keep_v and not keep_a
    constant = partial if type(partial) is float else None
    product = partial is MULTIPLY.partials[k]

    def note(x: Any, number: Any, ref: Any, v: Any) -> Any:
        """What is no array of floats, or has no derivative."""
        if k:
            return x.owner.note(rule, (number, x), (number, x.value), (None, ref), v)
        return x.owner.note(rule, (x, number), (x.value, number), (ref, None), v)

    def scaled(x: Any, number: Any) -> Any:
        ref = x.slot
        if ref is None:
            ref = reference(x)
        v = function(number, x.value) if k else function(x.value, number)
        if ref is None or partial is None or type(v) is not ndarray or (v.dtype is not DOUBLE and v.dtype.kind != "f"):
            return note(x, number, ref, v)
        y = taped()
        y.value = v
        y.owner = trace = x.owner
        records: list[Any] = trace.records
        y.slot = slot = len(records)
        y.link = None
        factor = constant if constant is not None else number if product else _factor(partial, k, number)
        records.append((slot, None, pull_scaled, ref, factor))
        return y

    def way(x: Any, number: Any) -> Any:
        a, ref, root = x.value, x.slot, x
        if ref is None:
            ref = reference(x)
            if ref is not None:
                root = ref.root
        v = function(number, a) if k else function(a, number)
        if ref is None or partial is None or type(v) is not ndarray or (v.dtype is not DOUBLE and v.dtype.kind != "f"):
            return note(x, number, ref, v)
        y = taped()
        y.value = v
        y.owner = trace = x.owner
        records: list[Any] = trace.records
        y.slot = slot = len(records)
        saved: list[Any] = [v if keep_v else None, number, a] if k else [v if keep_v else None, a, number]
        records.append((slot, None, pull_single, (ref, partial), saved))
        if keep_a:
            if root.link is None:
                root.link = [saved]
            else:
                root.link.append(saved)
        y.link = [saved] if keep_v else None
        return y

    def square(x: Any, number: Any) -> Any:
        if number != 2:
            return way(x, number)
        a, ref, root = x.value, x.slot, x
        if ref is None:
            ref = reference(x)
            if ref is not None:
                root = ref.root
        v = function(a, number)
        if ref is None or type(v) is not ndarray or (v.dtype is not DOUBLE and v.dtype.kind != "f"):
            return note(x, number, ref, v)
        y = taped()
        y.value = v
        y.owner = trace = x.owner
        records: list[Any] = trace.records
        y.slot = slot = len(records)
        y.link = None
        saved = [a]
        records.append((slot, None, pull_square, ref, saved))
        if root.link is None:
            root.link = [saved]
        else:
            root.link.append(saved)
        return y

    if linear:
        return scaled
    return square if k == 0 and partial is POWER.partials[0] else way


def _factor(partial: Any, k: int, number: Any) -> Any:
    """The partial with respect to operand k where it reads the other operand alone, a number."""
    try:
        return partial(None, number, None) if k else partial(None, None, number)
    except ZeroDivisionError:  # x / 0.0 is infinite for an array x, and so is the partial
        with np.errstate(all="ignore"):
            return partial(None, np.float64(number), None) if k else partial(None, None, np.float64(number))


def unary(rule: Elementwise, taped: type[TapedBase]) -> Way:
    """``way(x)``: one operand, a value on a live tape."""
    function = rule.function
    partial: Any = rule.partials[0]
    keep_v, keep_a = rule.alone[0]
    constant = type(partial) is float

    def way(x: Any) -> Any:
        a, trace, ref = x.value, x.owner, x.slot
        if ref is None:
            ref = reference(x)
        v = function(a)
        if type(v) is not ndarray or v.dtype.kind != "f" or a.dtype.kind != "f" or ref is None or partial is None:
            return trace.note(rule, (x,), (a,), (ref,), v)
        records = trace.records
        y = taped()
        y.value = v
        y.owner = trace
        y.slot = slot = len(records)
        if constant:
            records.append((slot, None, pull_scaled, ref, partial))
            y.link = None
            return y
        saved = [v if keep_v else None, a if keep_a else None]
        if keep_a:
            root = x if x.slot is not None else ref.root
            if root.link is None:
                root.link = [saved]
            else:
                root.link.append(saved)
        records.append((slot, None, pull_single, (ref, partial), saved))
        y.link = [saved] if keep_v else None
        return y

    return way


def binary(rule: Elementwise, taped: type[TapedBase]) -> Way:
    """``way(x, y)``: two operands, each a value of the same live tape or plain."""
    function = rule.function
    d0: Any
    d1: Any
    d0, d1 = rule.partials
    plans = rule.plans

    def way(x: Any, y: Any) -> Any:
        rx = ry = None
        a, b = x, y
        trace: Any
        if type(x) is taped:
            a, rx, trace = x.value, x.slot, x.owner
            if rx is None and x.link is not None:
                rx = reference(x)
        if type(y) is taped:
            b, ry, trace = y.value, y.slot, y.owner
            if ry is None and y.link is not None:
                ry = reference(y)
        v = function(a, b)
        if type(v) is not ndarray or v.dtype.kind != "f":
            return trace.note(rule, (x, y), (a, b), (rx, ry), v)
        bits = (rx is not None and d0 is not None) + 2 * (ry is not None and d1 is not None)
        if not bits:
            return trace.constant(v)
        keep_v, keep_a, keep_b = plans[bits]
        saved: Any = None
        if keep_v or keep_a or keep_b:
            saved = [v if keep_v else None, a if keep_a else None, b if keep_b else None]
            if keep_a and type(a) not in SCALARS:
                if type(x) is taped:
                    remember(x, saved)
                else:
                    saved[1] = trace.keep(a)
            if keep_b and type(b) not in SCALARS:
                if type(y) is taped:
                    remember(y, saved)
                else:
                    saved[2] = trace.keep(b)
        shape = v.shape
        first = a.shape if type(a) is ndarray else shape_of(a)
        second = b.shape if type(b) is ndarray else shape_of(b)
        if first == shape:
            first = None
        if second == shape:
            second = None
        operands: Any
        if bits == 3:
            operands = ((rx, d0, first), (ry, d1, second))
        else:
            operands = ((rx, d0, first),) if bits == 1 else ((ry, d1, second),)
        records = trace.records
        out = taped()
        out.value = v
        out.owner = trace
        out.slot = slot = len(records)
        out.link = [saved] if keep_v else None
        records.append((slot, None, pull_elementwise, operands, saved))
        return out

    return way


def pair(rule: Elementwise, taped: type[TapedBase]) -> Way:
    """``way(x, y)``: the sum, difference or product of an array and another value of the same live tape, of one
    shape."""
    function = rule.function
    general = binary(rule, taped)
    product = rule.partials[1] is MULTIPLY.partials[1]
    sign: Any = rule.partials[1]

    def way(x: Any, y: Any) -> Any:
        a, b, rx, ry = x.value, y.value, x.slot, y.slot
        if type(b) is not ndarray or a.dtype is not DOUBLE or b.dtype is not DOUBLE:
            return general(x, y)
        if rx is None:
            rx = reference(x)
        if ry is None:
            ry = reference(y)
        shape = a.shape
        if rx is None or ry is None or not shape or shape != b.shape:
            return general(x, y)
        out = taped()
        out.value = function(a, b)
        out.owner = trace = x.owner
        records: list[Any] = trace.records
        out.slot = slot = len(records)
        out.link = None
        if product:
            saved = [None, a, b]
            records.append((slot, None, pull_product, (rx, ry), saved))
            remember(x, saved)
            remember(y, saved)
        else:
            records.append((slot, None, pull_linear, (rx, ry), sign))
        return out

    return way


def total(function: Callable[..., Any], taped: type[TapedBase]) -> Way:
    """``way(x)``: the sum or the mean of all elements of a value on a live tape."""
    averaged = function is np.mean
    add = np.add.reduce

    def way(x: Any, *more: Any) -> Any:
        if more:
            return FUNCTIONS[function](x, *more)
        a, ref = x.value, x.slot
        if ref is None:
            ref = reference(x)
        if type(a) is not ndarray or a.dtype.char != "d" or ref is None or not a.size:
            return FUNCTIONS[function](x)
        count = float(a.size) if averaged else None
        trace = x.owner
        y = taped()
        y.value = add(a, None) if count is None else add(a, None) / count
        y.owner = trace
        y.slot = slot = len(trace.records)
        y.link = None
        trace.records.append((slot, None, pull_fill, ref, (a.shape, count)))
        return y

    return way


def product(function: Callable[..., Any], taped: type[TapedBase]) -> Way:
    """``way(x, y)``: ``np.dot`` or ``np.matmul`` of vectors and matrices, values of the same live tape or plain."""

    def way(x: Any, y: Any, *more: Any) -> Any:
        if more:
            return FUNCTIONS[function](x, y, *more)
        rx = ry = None
        a, b = x, y
        trace: Any
        if type(x) is taped:
            a, rx, trace = x.value, x.slot, x.owner
            if rx is None:
                rx = reference(x)
        if type(y) is taped:
            b, ry, trace = y.value, y.slot, y.owner
            if ry is None:
                ry = reference(y)
        if (
            type(a) is not ndarray
            or type(b) is not ndarray
            or not 0 < a.ndim < 3
            or not 0 < b.ndim < 3
            or a.dtype.kind != "f"
            or b.dtype.kind != "f"
        ):
            return FUNCTIONS[function](x, y)
        v = function(a, b)
        slot = len(trace.records)
        if rx is None:
            if ry is None:
                return trace.constant(v)
            pull = right_of_one(v, a if type(x) is taped else trace.keep(a), b)
            trace.records.append((slot, None, pull_one, ry, pull))
        elif ry is None:
            pull = left_of_one(v, a, b if type(y) is taped else trace.keep(b))
            trace.records.append((slot, None, pull_one, rx, pull))
        else:
            pull = [left_of_one(v, a, b), right_of_one(v, a, b)]
            trace.records.append((slot, None, pull_general, (rx, ry), pull))
        if type(x) is taped:
            remember(x, pull)
        if type(y) is taped:
            remember(y, pull)
        out = taped()
        out.value = v
        out.owner = trace
        out.slot = slot
        out.link = None
        return out

    return way
