"""Forward mode: a tangent beside every value.

Far simpler than the tape: nothing is saved, so nothing can be damaged by a later write; what a write does to the value
it does to the tangent. A constant array has no tangent until a traced value is assigned to it; a view finds its tangent
in its root's, as on the tape.

A primitive without a jvp gets one by transposing its vjp: the pullback g ↦ ḡ is linear, so the tangent of the value is
the cotangent of g when the pullback itself is run on a tape and pulled back with the operand's tangent. (The same
trick in JAX and autograd goes by the name of "double vjp"; J. Townsend, 2017.)
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gradcheck.autodiff.core import (
    FLOAT_KINDS,
    TRACED,
    Elementwise,
    Primitive,
    Trace,
    Traced,
    evaluate,
    is_array,
    is_complex,
    living,
    outer_constant,
    plain,
    plain_tree,
    shape_of,
)
from gradcheck.autodiff.memory import View, is_basic, same_memory, store, view_of
from gradcheck.autodiff.tape import Tape


class _Choices(threading.local):
    """Whether a rule had a choice in this run, and whether this is the second run, in which it chooses otherwise."""

    asked = False
    again = False


choices = _Choices()


def other_choice() -> bool:
    """Whether a rule shall take another one of several values that are all as good (a basis of a space).

    Forward mode cannot see whether anything depends on the choice. So the transform runs the function a second time,
    and what then has another tangent has none: nan (:func:`settled`).
    """
    choices.asked = True
    return choices.again


def settled(run: Callable[[], list[Any]]) -> list[Any]:
    """The tangents that a run of a function gives, nan where they depend on a choice of :func:`other_choice`."""
    if choices.again:
        return run()
    before, choices.asked = choices.asked, False
    try:
        tangents = run()
        if choices.asked:
            choices.again = True
            tangents = [_agreed(t, other) for t, other in zip(tangents, run(), strict=True)]
    finally:
        choices.again, choices.asked = False, before
    return tangents


def _agreed(t: Any, other: Any) -> Any:
    one, two = np.asarray(plain(t)), np.asarray(plain(other))
    with np.errstate(invalid="ignore"):
        least = max(1e-7, 1e3 * float(np.finfo(np.result_type(one, np.float16)).eps))
        off = np.abs(one - two) > least * np.max(np.abs([one, two]), initial=0.0)
    return t + np.where(off, np.nan, 0.0).astype(one.dtype)[()] if np.any(off) else t


class DualBase(Traced):
    """A value with its tangent, before ``array.py`` adds NumPy's interface.

    Attributes:
        tangent: of the value's shape and dtype; None for a constant and for a view, which finds it through ``link``.
        link: the :class:`View` of a view, else None.
    """

    __slots__ = ("link", "tangent")

    def __init__(self, value: Any, trace: Forward, tangent: Any, link: View | None) -> None:
        self.value = value
        self.owner = trace
        self.tangent = tangent
        self.link = link
        if trace.born is not None:
            trace.born.append(self)


Dual: type[DualBase] = DualBase


def set_dual(cls: type[DualBase]) -> None:
    global Dual
    Dual = cls
    TRACED.add(cls)


def tangent_of(x: DualBase) -> Any:
    """The tangent of x as it is now; None for a constant."""
    if x.link is None:
        return x.tangent
    root: Any = x.link.root
    return None if root.tangent is None else x.link.of(root.tangent)


def aligned(t: Any, value: Any, level: int) -> Any:
    """A tangent in the value's type and, for an array, in memory of its own that lies as the value does.

    What is a view of the value is then a view of the tangent, and what is written to the one is written to the other.
    """
    if not isinstance(value, np.ndarray):
        return t if type(t) in TRACED or type(t) is type(value) else type(value)(t)
    fresh = outer_constant(np.empty_like(value), level)
    fresh[...] = t
    return fresh


class Forward(Trace):
    """The forward trace.

    Attributes:
        born: the values made by the call of a callback that is running now; None outside of one.
    """

    __slots__ = ("born",)

    def __init__(self) -> None:
        super().__init__()
        self.born: list[DualBase] | None = None

    def cut(self, before: list[DualBase] | None) -> None:
        """The end of a callback's call: what it has made is left behind, as if by a trace that has ended.

        Its tangents are those of a call with SciPy's plain numbers. Whoever has kept such a value and calculates
        with it gets the error for values of an earlier call.
        """
        born, self.born = self.born, before
        ended = Forward()
        for x in born or ():
            x.owner = ended

    def variable(self, value: Any, tangent: Any) -> Any:
        return Dual(value, self, tangent, None)

    def constant(self, value: Any) -> Any:
        if is_array(value) and plain(value).dtype.kind in FLOAT_KINDS:
            return Dual(value, self, None, None)
        return value

    def stale(self, value: Any) -> Any:
        return self.variable(value, 0.0)

    def active(self, value: Any) -> bool:
        return tangent_of(value) is not None

    def view(self, source: Any, step: Callable[[Any], Any]) -> Any:
        root = source if source.link is None else source.link.root
        return Dual(step(source.value), self, None, view_of(root, source.link, None, step))

    def _open(self, args: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        raws, tangents = [], []
        for a in args:
            if type(a) is Dual and a.owner is self:
                raws.append(a.value)
                tangents.append(tangent_of(a))
            else:
                raws.append(living(a))
                tangents.append(None)
        return raws, tangents

    def _result(self, y: Any, terms: list[Any]) -> Any:
        """The value with the sum of the terms as its tangent, in the value's shape and realness."""
        if not terms:
            return self.constant(y)
        t = terms[0]
        for term in terms[1:]:
            t = t + term
        if not is_complex(y) and is_complex(t):
            t = np.real(t)
        return Dual(y, self, aligned(t, plain(y), self.level), None)

    def elementwise(self, rule: Elementwise, args: Sequence[Any], mask: Any, dtype: Any) -> Any:
        raws, tangents = self._open(args)
        y = evaluate(rule.function, raws, mask, dtype)
        terms = []
        with np.errstate(all="ignore"):
            for t, partial in zip(tangents, rule.partials, strict=True):
                if t is None or partial is None:
                    continue
                term = t * (_partial(partial, y, raws) if callable(partial) else partial)
                terms.append(term if mask is True else np.where(mask, term, 0.0))
        return self._result(y, terms)

    def apply(self, primitive: Primitive, args: Sequence[Any], static: dict[str, Any]) -> Any:
        raws, tangents = self._open(args)
        y = primitive.function(*raws, **static)
        if primitive.join is not None and any(t is not None for t in tangents):
            return self._result(y, [primitive.join[1](tangents, y, *raws, **static)])
        terms = []
        with np.errstate(all="ignore"):
            for k, t in enumerate(tangents):
                if t is not None:
                    term = _push(primitive, k, t, y, raws, static)
                    if term is not None:
                        terms.append(term)
        if not primitive.outputs:
            return self._result(y, terms)
        return tuple(
            self._result(e, [term[k] for term in terms]) if plain(e).dtype.kind in FLOAT_KINDS else e
            for k, e in enumerate(y)
        )

    # -- memory ----------------------------------------------------------------------------------------------------

    def getitem(self, source: Any, key: Any) -> Any:
        key = plain_tree(key)
        y = source.value[key]
        if is_array(y) and is_basic(key):
            return Dual(y, self, None, view_of(_root(source), source.link, key))
        t = tangent_of(source)
        return self.constant(y) if t is None else Dual(y, self, t[key], None)

    def setitem(self, target: Any, key: Any, value: Any) -> None:
        (raw,), (t,) = self._open([value])
        if type(value) is Dual and value.link is not None and value.link.root is _root(target):
            if same_memory(target.value, key, raw):
                return  # the last step of `x[a:b] += y`
            t = None if t is None else np.copy(t)  # the store below may overlap it
        store(target.value, key, raw)
        part = self._writable_tangent(target, t)
        if part is not None:
            part[key] = 0.0 if t is None else t

    def increment(self, target: Any, value: Any, sign: int) -> None:
        (raw,), (t,) = self._open([value])
        if type(target.value) is np.ndarray:
            (np.add if sign > 0 else np.subtract)(target.value, raw, out=target.value)
        else:
            target.value.owner.increment(target.value, raw, sign)
        if t is not None:
            part = self._writable_tangent(target, t)
            part += t if sign > 0 else -t

    def _writable_tangent(self, target: Any, t: Any) -> Any:
        """The memory of target's tangent, made (of zeros) if a tangent t is about to be stored; None for no tangent."""
        root = _root(target)
        if root.tangent is None:
            if t is None or plain(root.value).dtype.kind not in FLOAT_KINDS:
                return None
            root.tangent = outer_constant(np.zeros_like(plain(root.value)), self.level)
        if type(t) in TRACED and (type(root.tangent) not in TRACED or root.tangent.owner.level < t.owner.level):
            root.tangent = t.owner.constant(root.tangent)
        return tangent_of(target)


def _root(x: Any) -> Any:
    return x if x.link is None else x.link.root


def _partial(partial: Callable[..., Any], y: Any, raws: Sequence[Any]) -> Any:
    try:
        return partial(y, *raws)
    except (ZeroDivisionError, OverflowError, ValueError):
        # Python floats raise where NumPy's give inf; the derivative there is infinite, not an error.
        return partial(np.float64(y), *(np.float64(r) for r in raws))


def _push(primitive: Primitive, k: int, t: Any, y: Any, raws: Sequence[Any], static: dict[str, Any]) -> Any:
    """Operand k's part of the value's tangent; None where the derivative is zero by nature."""
    jvps = primitive.jvps
    if callable(jvps):
        return jvps(k, t, y, *raws, **static)
    jvp = jvps if jvps is None or isinstance(jvps, str) else jvps[k]
    if jvp == "linear":
        return primitive.function(*raws[:k], t, *raws[k + 1 :], **static)
    if callable(jvp):
        return jvp(t, y, *raws, **static)
    pull = primitive.pullback(k, y, raws, static)
    return None if pull is None else _transpose(pull, y, t)


def _transpose(pull: Callable[[Any], Any], y: Any, t: Any) -> Any:
    """The transpose of the linear map ``pull``, applied to t; ``y`` has the shape of pull's argument."""
    many = type(y) is tuple
    tape = Tape()
    with tape:
        parts = y if many else (y,)
        gs = [tape.variable(np.zeros(shape_of(e), np.result_type(plain(e), np.float32))) for e in parts]
        out = pull(tuple(gs) if many else gs[0])
    if type(out) not in TRACED or out.owner is not tape:
        cotangents: list[Any] = [None] * len(gs)
    else:
        cotangents = tape.sweep([(out, t)], gs)
    tangents = tuple(np.zeros(shape_of(e)) if c is None else c for c, e in zip(cotangents, parts, strict=True))
    return tangents if many else tangents[0]
