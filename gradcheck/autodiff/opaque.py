"""What stands behind a primitive of the user's own: its rules, and how a call of it goes through the traces.

``custom.py`` has what the user calls. A rule is checked for shapes where it is used. A mode that has no rule is taken
from the other one, by transposing it. Each primitive knows file and line of its rules, and can be watched
(:func:`recording`), so that a check can audit it call by call.

A call unwraps one trace at a time, from the innermost outwards: the function itself only ever sees plain values; a
vjp sees values of the outer traces, which is what makes it differentiable in turn.

The plain values are the traces' own memory, and no rule says what is written to them: a function that writes to its
arguments is refused, and of an array that it returns, and may have kept, a copy is taken.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradcheck.autodiff import stores
from gradcheck.autodiff.core import (
    FLOAT_KINDS,
    TRACED,
    Primitive,
    Trace,
    _state,
    any_active,
    innermost,
    is_active,
    is_array,
    is_complex,
    note_zero,
    plain,
    shape_of,
)
from gradcheck.autodiff.errors import AutodiffError, unsupported, user_location
from gradcheck.autodiff.tape import Tape
from gradcheck.autodiff.trees import is_container, is_passive, leaves, matching_leaves, tree_map, with_leaves
from gradcheck.errors import Location

Maker = Callable[..., Any]


@dataclass(frozen=True)
class Call:
    """One call of a primitive in a differentiated function, in plain values: what an audit of its rules needs.

    Attributes:
        active: positions of the arguments that carried a derivative, so that their rules are used.
    """

    rule: Rule
    args: tuple[Any, ...]
    keywords: dict[str, Any]
    ans: Any
    where: Location | None
    active: tuple[int, ...] = ()


class _Watch(threading.local):
    calls: list[Call] | None = None


_watch = _Watch()


@contextmanager
def recording() -> Iterator[list[Call]]:
    """Collect the calls of primitives with traced arguments, in this thread.

    >>> from gradcheck import defvjp, grad, primitive
    >>> square = primitive(lambda x: x * x)
    >>> defvjp(square, lambda ans, x: lambda g: 2.0 * g * x)
    >>> with recording() as calls:
    ...     grad(square)(3.0)
    6.0
    >>> calls[0].args, calls[0].ans
    ((3.0,), 9.0)
    """
    before, _watch.calls = _watch.calls, []
    try:
        yield _watch.calls
    finally:
        _watch.calls = before


@contextmanager
def _outside(trace: Trace) -> Iterator[None]:
    """For code that works on the plain values of a trace: arrays that it makes are no business of this trace."""
    before = _state.stack
    _state.stack = [t for t in before if t.level < trace.level]
    try:
        yield
    finally:
        _state.stack = before


class Rule:
    """A primitive's function with its rules.

    Attributes:
        function: what the user wrote.
        name: how errors call it.
        vjps: by argument: ``maker(ans, *args, **keywords)`` gives ``g -> cotangent``; None: zero by nature.
        vjp_of_all: ``maker(argnums, ans, args, keywords)`` gives ``g -> cotangents``, in the place of ``vjps``.
        jvps: by argument: ``maker(g, ans, *args, **keywords)``, ``"same"`` for a linear argument, or None.
        jvp_of_all: ``maker(argnums, gs, ans, args, keywords)``, or ``"same"``.
        constant: whether the value has no derivative by nature.
    """

    kind = "primitive"  # how errors call it

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.name = getattr(function, "__name__", None) or repr(function)
        self.wrapper: Callable[..., Any] = function
        self.vjps: dict[int, Maker | None] = {}
        self.vjp_of_all: Maker | None = None
        self.jvps: dict[int, Maker | str | None] = {}
        self.jvp_of_all: Maker | str | None = None
        self.constant = False
        # What the function may store to (see stores.py), and whether its code stores anything.
        self.roots: tuple[Any, ...] = (function,)
        self.stores: bool | None = None
        self.arrays: list[Any] = []
        self.defined: Location | None = None

    def where(self, argnum: int, mode: str = "vjp") -> Location | None:
        """File and line of the rule for an argument; None if there is none."""
        of_all, each = (self.vjp_of_all, self.vjps) if mode == "vjp" else (self.jvp_of_all, self.jvps)
        code = getattr(of_all or each.get(argnum), "__code__", None)
        return Location(code.co_filename, code.co_firstlineno) if code is not None else self.defined

    def told(self, argnum: int, mode: str = "vjp") -> str:
        """The rule for an argument, as errors name it."""
        place = self.where(argnum, mode)
        return f"the {mode} of {self.name} for argument {argnum}" + (f" ({place})" if place else "")

    # -- a call ----------------------------------------------------------------------------------------------------

    def call(self, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        """The function's value."""
        for name, value in keywords.items():
            if any_active(value) or (is_container(value) and any(is_active(e) for e in leaves(value))):
                raise unsupported(
                    f"the keyword argument {name!r} of the {self.kind} {self.name} carries a derivative",
                    "rules are for positional arguments: pass it as one",
                )
        layout, flat = _taken_apart(args)
        beside = _taken_apart(tuple(keywords.values()))[1]
        if not any(type(x) in TRACED for x in (*flat, *beside)):
            with stores.revealed():
                return self.function(*args, **keywords)
        # What depends on a traced value may be written to a plain array as well, unless it has no derivative.
        every = not self.constant and any(is_active(x) for x in flat)
        watched = [plain(x) for x in (*flat, *beside) if type(x) in TRACED or every]
        active = tuple(k for k, a in enumerate(args) if any(is_active(x) for x in _taken_apart((a,))[1]))
        before = [(a, a.copy("K")) for a in watched if isinstance(a, np.ndarray) and a.dtype.kind in FLOAT_KINDS]
        with stores.revealed():
            ans = self._through(layout, flat, keywords, frozenset(id(a) for a, _ in before), active, False)
        if not all(np.array_equal(a, old, equal_nan=True) for a, old in before):
            raise self.writes()
        return ans

    def writes(self) -> AutodiffError:
        return unsupported(
            f"the {self.kind} {self.name} writes to one of its arguments: the derivative of what it writes would be "
            "lost",
            "work on a copy of the argument, and return what is computed",
        )

    def _through(
        self,
        layout: Sequence[Any],
        flat: list[Any],
        keywords: dict[str, Any],
        watched: frozenset[int],
        active: tuple[int, ...],
        traced: bool,
    ) -> Any:
        """The value of a call, through the innermost of its traces and on; ``traced``: one was passed already.

        ``watched``: the arrays, by their ids, that must not be written to. ``active``: see :class:`Call`.
        """
        if self.constant:
            note_zero()
        top = None if self.constant else innermost(flat)
        if top is None:
            return self._call_plain(layout, [plain(x) for x in flat], keywords, watched, active if traced else None)
        live = [type(x) in TRACED and x.owner is top and top.active(x) for x in flat]
        raws = [x.value if type(x) in TRACED and x.owner is top else x for x in flat]
        with _outside(top):
            ans = self._through(layout, raws, keywords, watched, active, True)
        for e in _values(ans):
            if is_active(e) and e.owner.level >= top.level:
                raise unsupported(
                    f"the {self.kind} {self.name} uses a traced value that is not among its arguments",
                    "the rules could not see it: pass it as an argument",
                )
        return _Recorded(self, top, layout, flat, live, keywords, ans).apply() if any(live) else ans

    def _call_plain(
        self,
        layout: Sequence[Any],
        flat: list[Any],
        keywords: dict[str, Any],
        watched: frozenset[int],
        active: tuple[int, ...] | None,
    ) -> Any:
        args = _arguments(layout, flat)
        keywords = _plain_keywords(keywords)
        # A comparison alone would not see what is written once more.
        shut = [_shut(x, watched) for x in flat]
        keywords_shut = {
            name: tree_map(lambda x: _shut(x, watched), value) if is_container(value) else _shut(value, watched)
            for name, value in keywords.items()
        }
        try:
            ans = self._run(_arguments(layout, shut), shut, keywords_shut)
        except Exception as error:
            if isinstance(error, ValueError) and str(error).endswith("is read-only") and "buffer" not in str(error):
                raise self.writes() from error
            # Compiled code may ask for arrays that could be written to, and will not write.
            ans = self._run(args, flat, keywords)
        ans = tree_map(_copied, ans) if is_container(ans) else _copied(ans)
        if active is not None and _watch.calls is not None:
            _watch.calls.append(Call(self, args, keywords, ans, user_location(), active))
        return ans

    def _run(self, args: tuple[Any, ...], flat: list[Any], keywords: dict[str, Any]) -> Any:
        ans = stores.run(self, lambda: self.function(*args, **keywords))
        after = _taken_apart(args)[1]
        if len(after) != len(flat) or any(a is not b for a, b in zip(after, flat, strict=True)):
            raise self.writes()  # to a list, a dictionary
        return ans

    # -- its rules -------------------------------------------------------------------------------------------------

    def has(self, mode: str, argnum: int) -> bool:
        of_all, each = (self.vjp_of_all, self.vjps) if mode == "vjp" else (self.jvp_of_all, self.jvps)
        return of_all is not None or argnum in each

    def missing(self, mode: str, argnum: int) -> AutodiffError:
        return unsupported(
            f"the {self.kind} {self.name} has no {mode} for its argument {argnum}",
            f"gradcheck.extend.def{mode}({self.name}, ..., argnums=({argnum},)), with None for a derivative that is "
            "zero by nature",
        )

    @stores.revealed()
    def pulls(self, argnums: Sequence[int], ans: Any, args: tuple[Any, ...], keywords: dict[str, Any]) -> Maker:
        """The map of the value's cotangent to those of these arguments, each None for zero."""
        if self.vjp_of_all is not None:
            return self.vjp_of_all(argnums, ans, args, keywords)  # type: ignore[no-any-return]
        each = []
        for k in argnums:
            maker = self.vjps[k]
            each.append(None if maker is None else maker(ans, *args, **keywords))
        return lambda g: [None if pull is None else pull(g) for pull in each]

    @stores.revealed()
    def push(
        self, k: int, t: Any, ans: Any, args: tuple[Any, ...], keywords: dict[str, Any], look_inside: bool = False
    ) -> Any:
        """The tangent of the value for the tangent t of argument k; None for zero.

        ``look_inside``: where the rule is the function itself, take the function as it was written and not as a
        primitive: its transpose is wanted.
        """
        if callable(self.jvp_of_all):
            return self.jvp_of_all((k,), [t], ans, args, keywords)
        maker = self.jvp_of_all or self.jvps[k]
        if callable(maker):
            return maker(t, ans, *args, **keywords)
        if maker is None:
            return None
        return (self.function if look_inside else self.wrapper)(*args[:k], t, *args[k + 1 :], **keywords)


def _taken_apart(args: tuple[Any, ...]) -> tuple[list[Any], list[Any]]:
    """The containers among the arguments (None for the others), and all leaves."""
    layout = [a if is_container(a) else None for a in args]
    flat: list[Any] = []
    for a, tree in zip(args, layout, strict=True):
        flat += [a] if tree is None else leaves(a)
    return layout, flat


def _shut(x: Any, watched: frozenset[int]) -> Any:
    """An array that is watched as one that cannot be written to."""
    if id(x) not in watched:
        return x
    shut = x.view()
    shut.flags.writeable = False
    return shut


def _copied(x: Any) -> Any:
    """An array as a copy, since the function may write to it again."""
    return x.copy("K") if type(x) not in TRACED and isinstance(x, np.ndarray) else x


def _arguments(layout: Sequence[Any], flat: Sequence[Any]) -> tuple[Any, ...]:
    """Arguments of these leaves."""
    rest = iter(flat)
    return tuple(next(rest) if tree is None else tree_map(lambda _leaf: next(rest), tree) for tree in layout)


def _plain_keywords(keywords: dict[str, Any]) -> dict[str, Any]:
    return {name: tree_map(plain, value) if is_container(value) else plain(value) for name, value in keywords.items()}


def _bare(tree: Any) -> Any:
    """A container's structure without its arrays; None for a leaf, which has none."""
    return None if tree is None else tree_map(lambda _leaf: 0.0, tree, live=False)


def _values(ans: Any) -> list[Any]:
    return leaves(ans) if is_container(ans) else [ans]


def _has_derivative(e: Any) -> bool:
    e = plain(e)
    if isinstance(e, np.ndarray | np.generic):
        return e.dtype.kind in FLOAT_KINDS
    return isinstance(e, float | complex)


def _own(x: Any) -> Any:
    """A value as a rule may keep it: the user's code may write to the original later."""
    return np.copy(x) if is_array(x) else x


class _Recorded:
    """One call on one trace: the core's primitive that stands for it."""

    def __init__(
        self,
        rule: Rule,
        trace: Trace,
        layout: Sequence[Any],
        flat: list[Any],
        live: list[bool],
        keywords: dict[str, Any],
        ans: Any,
    ) -> None:
        self.rule = rule
        self.trace = trace
        # What lives as long as the tape holds structures only, no arrays: hence the bare ones.
        self.layout = [_bare(tree) for tree in layout]
        self.flat = flat
        self.keywords = _plain_keywords(keywords)
        self.tree = _bare(ans if is_container(ans) else None)
        self.values = _values(ans)
        self.smooth = [_has_derivative(e) for e in self.values]
        # For each leaf the argument that it belongs to, and its place there; and the arguments that are differentiated.
        counts = [1 if tree is None else len(leaves(tree)) for tree in layout]
        self.places = [(k, i) for k, n in enumerate(counts) for i in range(n)]
        self.live = {place for place, on in zip(self.places, live, strict=True) if on}
        self.argnums = sorted({k for k, _ in self.live})
        self.shared: _Shared | None = None

    def apply(self) -> Any:
        outputs = [e for e, on in zip(self.values, self.smooth, strict=True) if on]
        self.values = [None if on else e for e, on in zip(self.values, self.smooth, strict=True)]
        if not outputs:
            note_zero()
            return self._answer([])
        if self.tree is not None:
            outputs = [np.float64(e) if type(e) is float else np.complex128(e) if type(e) is complex else e
                       for e in outputs]  # fmt: skip
        result: Any = outputs[0] if self.tree is None else tuple(outputs)
        primitive = Primitive(
            lambda *_raws: result,
            self._vjp,
            self._jvp,
            name=self.rule.name,
            outputs=0 if self.tree is None else len(outputs),
        )
        found = self.trace.apply(primitive, self.flat, {})
        # The records must not keep the arguments alive, nor refer to themselves in a circle.
        self.flat, self.shared = [], None
        return self._answer([found] if self.tree is None else list(found))

    def _answer(self, found: list[Any], like: str = "value") -> Any:
        """The value's tree with these in the places of its smooth leaves, and the others as they are, or zero."""
        rest = iter(found)
        new = [
            next(rest) if on else (e if like == "value" else np.zeros(shape_of(e)))
            for e, on in zip(self.values, self.smooth, strict=True)
        ]
        return new[0] if self.tree is None else with_leaves(self.tree, new, like == "value")

    def _opened(self, y: Any, raws: Sequence[Any]) -> tuple[Any, tuple[Any, ...]]:
        """Value and arguments as the rules get them."""
        ans = self._answer([_own(e) for e in (y if self.tree is not None else (y,))])
        return ans, _arguments(self.layout, [_own(r) for r in raws])

    # -- reverse mode ----------------------------------------------------------------------------------------------

    def _vjp(self, leaf: int, y: Any, *raws: Any) -> Callable[[Any], Any] | None:
        if self.shared is None:
            ans, args = self._opened(y, raws)
            with _outside(self.trace):
                self.shared = _Shared(self, ans, args, self.argnums)
        return _Pull(self.shared, *self.places[leaf])

    # -- forward mode ----------------------------------------------------------------------------------------------

    def _jvp(self, leaf: int, t: Any, y: Any, *raws: Any) -> Any:
        argnum, i = self.places[leaf]
        rule = self.rule
        ans, args = self._opened(y, raws)
        with _outside(self.trace):
            if not rule.has("jvp", argnum):
                if not rule.has("vjp", argnum):
                    raise rule.missing("jvp", argnum)
                from gradcheck.autodiff.forward import _transpose

                return _transpose(_Pull(_Shared(self, ans, args, [argnum]), argnum, i), y, t)
            pushed = rule.push(argnum, _tangent_tree(args[argnum], i, t), ans, args, self.keywords)
        return self._tangent(pushed, y, argnum)

    def _tangent(self, pushed: Any, y: Any, argnum: int) -> Any:
        """What a jvp gave, in the value's smooth leaves."""
        if pushed is None:
            return None
        what = f"the tangent from {self.rule.told(argnum, 'jvp')}"
        every = [pushed] if self.tree is None else matching_leaves(self.tree, pushed, what)
        found = [e for e, on in zip(every, self.smooth, strict=True) if on]
        for t, e in zip(found, y if self.tree is not None else (y,), strict=True):
            _check_shape(t, e, what, "value")
        return found[0] if self.tree is None else tuple(found)


def _tangent_tree(value: Any, i: int, t: Any) -> Any:
    """A tangent of an argument whose leaf i alone moves."""
    if not is_container(value):
        return t
    return with_leaves(value, [t if j == i else _zero(e) for j, e in enumerate(leaves(value))], live=False)


def _zero(e: Any) -> Any:
    e = plain(e)
    return np.zeros_like(e) if isinstance(e, np.ndarray) else 0.0


def _check_shape(c: Any, wanted: Any, what: str, of: str) -> None:
    if c is None or is_passive(c) or not (_has_derivative(c) or isinstance(plain(c), int | np.number | np.ndarray)):
        raise AutodiffError(f"{what} is {'None' if c is None else 'a ' + type(plain(c)).__name__}, not a number")
    if shape_of(c) != shape_of(wanted):
        raise AutodiffError(f"{what} has shape {shape_of(c)}, the {of} {shape_of(wanted)}")


class _Shared:
    """The pullback of one call: run once for one cotangent, whatever the number of leaves that ask."""

    def __init__(self, call: _Recorded, ans: Any, args: tuple[Any, ...], argnums: list[int]) -> None:
        self.call = call
        self.args = args
        rule = call.rule
        self.transposed = [k for k in argnums if not rule.has("vjp", k)]
        for k in self.transposed:
            if not rule.has("jvp", k):
                raise rule.missing("vjp", k)
        self.argnums = [k for k in argnums if k not in self.transposed]
        self.pull = rule.pulls(self.argnums, ans, args, call.keywords) if self.argnums else None
        self.ans = ans if self.transposed else None
        self.last: Any = None
        self.found: dict[int, list[Any]] = {}
        self.waiting: set[tuple[int, int]] = set()

    def cotangents(self, g: Any, argnum: int, i: int) -> Any:
        if self.last is not g or (argnum, i) not in self.waiting:
            self.last = g
            self.found = self._run(g)
            self.waiting = {place for place in self.call.live if place[0] in self.found}
        self.waiting.discard((argnum, i))
        c = self.found[argnum][i]
        if not self.waiting:
            self.last, self.found = None, {}
        return c

    @stores.revealed()
    def _run(self, g: Any) -> dict[int, list[Any]]:
        call = self.call
        tree = call._answer([g] if call.tree is None else list(g), "cotangent")
        found = {}
        if self.pull is not None:
            for k, c in zip(self.argnums, self.pull(tree), strict=True):
                found[k] = self._fit(k, c)
        for k in self.transposed:
            found[k] = _transposed_jvp(call, k, self.ans, self.args, g)
        return found

    def _fit(self, k: int, c: Any) -> list[Any]:
        value = self.args[k]
        wanted = _values(value)
        if c is None and (self.call.rule.vjp_of_all is not None or self.call.rule.vjps[k] is None):
            return [_zero(e) for e in wanted]
        what = f"the cotangent from {self.call.rule.told(k)}"
        parts = matching_leaves(value, c, what) if is_container(value) else [c]
        fitted = []
        for part, e in zip(parts, wanted, strict=True):
            if _has_derivative(e):
                _check_shape(part, e, what, "argument")
                part = np.real(part) if is_complex(part) and not is_complex(e) else part
            fitted.append(part)
        return fitted


class _Pull:
    """The pullback to one leaf. (An object, not a closure: what it holds is its own, and need not be protected.)"""

    __slots__ = ("argnum", "i", "shared")

    def __init__(self, shared: _Shared, argnum: int, i: int) -> None:
        self.shared = shared
        self.argnum = argnum
        self.i = i

    def __call__(self, g: Any) -> Any:
        return self.shared.cotangents(g, self.argnum, self.i)


def _transposed_jvp(call: _Recorded, k: int, ans: Any, args: tuple[Any, ...], g: Any) -> list[Any]:
    """The cotangents of argument k from its jvp, which is linear in the tangent: run on a tape and swept."""
    value = args[k]
    tape = Tape()
    parts = _values(value)
    y = [e for e, on in zip(_values(ans), call.smooth, strict=True) if on]
    with tape:
        ts = [tape.variable(np.zeros(shape_of(e), np.result_type(plain(e)))[()]) if _has_derivative(e) else e
              for e in parts]  # fmt: skip
        t = with_leaves(value, ts, live=False) if is_container(value) else ts[0]
        pushed = call.rule.push(k, t, ans, args, call.keywords, look_inside=True)
        out = call._tangent(pushed, y if call.tree is not None else y[0], k)
    outs = [] if out is None else [out] if call.tree is None else list(out)
    seeds = [
        (o, c)
        for o, c in zip(outs, [g] if call.tree is None else g, strict=True)
        if type(o) in TRACED and o.owner is tape
    ]
    wanted = [t for t, e in zip(ts, parts, strict=True) if _has_derivative(e)]
    swept = iter(tape.sweep(seeds, wanted))
    found = [next(swept) if _has_derivative(e) else None for e in parts]
    return [_zero(e) if c is None else c for c, e in zip(found, parts, strict=True)]
