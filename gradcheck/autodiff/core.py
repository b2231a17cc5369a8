"""The vocabulary of the core: traced values, traces, primitives, and the tables that map NumPy to rules.

A *trace* is one differentiation in progress: the reverse trace of ``tape.py`` or the forward trace of
``forward.py``. A :class:`Traced` value stands in for a float or an ndarray while the user's function runs; it holds
the plain value and belongs to one trace. Traces nest: the plain value of an inner trace's value may itself be a
traced value of an outer trace, which is all that higher derivatives need.

Every operation on traced values ends in one of two calls: :func:`elementwise` for functions whose Jacobian is
diagonal (one table of partials serves both modes) or :func:`apply` for a :class:`Primitive` with a vjp and a jvp.
Both look for the innermost trace among the operands and hand over to it.
"""

from __future__ import annotations

import inspect
import itertools
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import CodeType
from typing import Any, TypeVar

import numpy as np

from gradcheck.autodiff.codes import ByCode
from gradcheck.autodiff.errors import AutodiffError, listeners, unsupported, user_location
from gradcheck.errors import Location

# Immutable values: no aliasing, no views, so the tape can take the short way. Complex numbers are left out because
# a cotangent of a real operand must then be made real, which the general way does.
SCALARS: frozenset[type] = frozenset(
    {float, int, bool, np.float64, np.float32, np.float16, np.longdouble, np.int64, np.int32, np.bool_}
)
FLOAT_KINDS = "fc"
# In a careful sweep the negative zero is the cotangent of what was not chosen: a branch of np.where, an element that
# nobody read. Times infinity it stays what it is, while a zero that was computed makes nan, as it should. Rules that
# choose write it.
DEAD = -0.0


class Traced:
    """A value that is being differentiated. ``array.py`` gives it NumPy's interface; two subclasses give it a meaning.

    Attributes:
        value: the plain value (float, NumPy scalar, ndarray), or a traced value of an outer trace.
        owner: the trace that it belongs to.
    """

    __slots__ = ("owner", "value")
    value: Any
    owner: Trace


# The concrete subclasses, filled where they are defined: `type(x) in TRACED` is the fastest test there is.
TRACED: set[type] = set()


class Trace:
    """One differentiation in progress. Subclasses say what an operation does beyond computing its value."""

    # Whether it is running.
    live = False
    # Whether arrays that the function makes stay plain, whether also those are wrapped as constants that are seldom
    # assigned to (np.arange), and whether one was wrapped so far.
    bare = False
    generous = False
    made = False
    # Where a value of this trace was found equal to an array: in a cache, perhaps.
    equal: Any = None
    # The first error that said "this would lose the derivative". Should the user's code swallow it
    # (`except Exception`), the transform raises it again at the end: a derivative is never lost in silence.
    lost: AutodiffError | None = None
    # What to say of a value that the trace has left behind, and what to do.
    ended = (
        "a traced value of an earlier call is used again",
        "it was kept in a cache, an attribute or a global; keep plain numbers there instead",
    )

    def __init__(self) -> None:
        # Later traces are inner ones, in whatever thread they run.
        self.level = next(_levels)

    def __enter__(self) -> Trace:
        _state.stack.append(self)
        self.live = True
        return self

    def __exit__(self, *_: object) -> None:
        self.live = False
        state = vars(_state)  # of this thread; each attribute of it would be looked for
        stack = state["stack"]
        if stack[-1] is self:
            stack.pop()
        else:
            stack.remove(self)
        if state["kept_by"] is self:
            _state.give_back()
        if state["texts"] and not stack:
            _state.texts = []

    def constant(self, value: Any) -> Any:
        """A plain value without derivative that can later be assigned traced values."""
        raise NotImplementedError

    def elementwise(self, rule: Elementwise, args: Sequence[Any], mask: Any, dtype: Any) -> Any:
        raise NotImplementedError

    def apply(self, primitive: Primitive, args: Sequence[Any], static: dict[str, Any]) -> Any:
        raise NotImplementedError

    def view(self, source: Any, step: Callable[[Any], Any]) -> Any:
        """``step(source)``, where step gives a NumPy view: what is written to either is seen in both."""
        raise NotImplementedError

    def getitem(self, source: Any, key: Any) -> Any:
        raise NotImplementedError

    def setitem(self, target: Any, key: Any, value: Any) -> None:
        raise NotImplementedError

    def increment(self, target: Any, value: Any, sign: int) -> None:
        """``target += sign * value`` in place, for an array target."""
        raise NotImplementedError

    def stale(self, value: Any) -> Any:
        """A value of this trace, which has ended: made of values that it has left behind."""
        raise NotImplementedError

    def active(self, value: Any) -> bool:
        """Whether ``value``, a traced value of this trace, carries a derivative."""
        raise NotImplementedError


class NumericDerivativeWarning(UserWarning):
    """A function without a derivative rule was differentiated numerically, at that call alone."""


class Notes:
    """What happened in a trace that no error tells of.

    Attributes:
        strict: whether a numeric derivative of a single call is refused.
        texts: where a traced value was turned into text. Printing is harmless; but text can be read back as a number,
            and then the derivative is lost.
        equal: where a traced value was found equal to something: a branch on that is taken at single points only.
        numeric: name and place of each call that was differentiated numerically, because it has no rule.
        approximate: name and place of calls whose value is that of an approximation (an adaptive integrator, an
            iteration), while the derivative is that of what is approximated; and how far, relatively, the slopes of
            the two may be apart.
        zero: how many calls had no derivative by nature (``np.argsort``, ``np.sign``).
        independent: whether no value that the function returned depends on its argument; None before it has returned.
        operations, numeric_records: how many records the tape of the function has, and how many of numeric calls.
    """

    def __init__(self, strict: bool = False) -> None:
        self.strict = strict
        self.texts: list[Location | None] = []
        self.equal: list[Location | None] = []
        self.numeric: list[tuple[str, Location | None]] = []
        self.approximate: list[tuple[str, Location | None, float]] = []
        self.zero = 0
        self.independent: bool | None = None
        self.operations = 0
        self.numeric_records = 0


_levels = itertools.count()


class _State(threading.local):
    def __init__(self) -> None:
        self.stack: list[Trace] = []
        self.notes: Notes | None = None
        # What primitives have stored (see stores.py): places and what stands there until this trace ends.
        self.storing: list[tuple[Any, Any]] = []
        self.kept: list[tuple[Any, Any]] = []
        self.kept_by: Trace | None = None
        self.revealing = False
        # The values of traced values that have become text: see text.py.
        self.texts: list[Any] = []
        # Memory shared with the processes that were forked in this run: see forks.py.
        self.pages: list[Any] = []

    def give_back(self) -> None:
        for place, marked in self.kept:
            if place.still(marked):
                place.back(place.array)
        self.kept, self.kept_by = [], None


_state = _State()


def stack() -> list[Trace]:
    """The live traces of this thread, outermost first."""
    return _state.stack


@contextmanager
def noting(strict: bool = False) -> Iterator[Notes]:
    """Collect :class:`Notes` of the traces of this thread.

    ``strict``: a function without a derivative rule is refused, not differentiated numerically.
    """
    before, _state.notes = _state.notes, Notes(strict)
    try:
        yield _state.notes
    finally:
        _state.notes = before


def taken() -> Notes | None:
    """The notes that are being collected in this thread."""
    return _state.notes


def note_text() -> None:
    """A traced value is being turned into text."""
    if _state.notes is not None:
        _state.notes.texts.append(user_location())


def note_equal(x: Any, other: Any, equal: Any) -> None:
    """A traced value was compared with something, and this is where the two are equal.

    To be equal as a whole to an array, or to one of NumPy's numbers, is to be found in a cache, perhaps.
    """
    if not is_active(x) or not np.any(equal):
        return
    if _state.notes is not None:
        _state.notes.equal.append(user_location())
    if isinstance(other, np.ndarray | np.generic) and np.all(equal):
        x.owner.equal = user_location() or True


def note_zero() -> None:
    """A call that has no derivative by nature gets traced operands."""
    if _state.notes is not None:
        _state.notes.zero += 1


def note_approximate(name: str, accuracy: float) -> None:
    """A call gives an approximation, whose slopes are those of its derivative up to this accuracy, relatively."""
    if _state.notes is not None:
        _state.notes.approximate.append((name, user_location(), accuracy))


def note_numeric(name: str, records: int = 1) -> None:
    """A call is being differentiated numerically: noted, or said in a warning if nobody takes notes."""
    notes = _state.notes
    if notes is None:
        place = user_location() or Location("<unknown>", 1)
        text = f"{name} has no derivative rule: differentiated numerically"
        warnings.warn_explicit(text, NumericDerivativeWarning, place.file, place.line)
        return
    if notes.strict:
        raise unsupported(f"{name} has no derivative rule", "without --strict it is differentiated numerically")
    notes.numeric.append((name, user_location()))
    notes.numeric_records += records


def _remember_error(error: AutodiffError) -> None:
    for trace in _state.stack:
        trace.lost = trace.lost or error


listeners.append(_remember_error)


# -- rules ---------------------------------------------------------------------------------------------------------

Partial = Callable[..., Any] | float | None


class Elementwise:
    """A function with a diagonal Jacobian, and the partial with respect to each operand.

    A partial is a function of the value and the operands, ``lambda y, a, b: ...``, a constant, or None where the
    derivative is zero by nature. A parameter whose name starts with an underscore is not used by the partial; the
    tape does not keep it alive then.
    """

    __slots__ = ("alone", "function", "name", "numeric", "partials", "plans")

    def __init__(self, function: Callable[..., Any], *partials: Partial, name: str = "") -> None:
        self.function = function
        self.name = name or getattr(function, "__name__", repr(function))
        self.partials = partials
        # The operands whose partial is a finite difference (``fallback.numeric_partial``).
        self.numeric = tuple(k for k, p in enumerate(partials) if getattr(p, "numeric", False))
        needs = [_used(p, len(partials)) for p in partials]
        # Whether an operand's partial reads the value, and the operand itself.
        self.alone = tuple((need[0], need[k + 1]) for k, need in enumerate(needs))
        # What must be saved, by the set of operands that are differentiated (as bits): value, operand 0, operand 1, ...
        self.plans = tuple(
            tuple(any(needs[k][i] for k in range(len(partials)) if bits >> k & 1) for i in range(len(partials) + 1))
            for bits in range(2 ** len(partials))
        )

    def __call__(self, *args: Any) -> Any:
        return elementwise(self, args)


def _used(partial: Partial, operands: int) -> tuple[bool, ...]:
    if not callable(partial):
        return (False,) * (operands + 1)
    code = partial.__code__
    names = code.co_varnames[: code.co_argcount]
    if code.co_flags & inspect.CO_VARARGS:
        names += ("operand",) * (operands + 1 - len(names))
    if len(names) != operands + 1:
        raise TypeError(f"a partial takes the value and {operands} operand(s), not {names}")
    return tuple(not name.startswith("_") for name in names)


class Primitive:
    """A function that is not elementwise, with its vjp and jvp side by side.

    Attributes:
        function: ``function(*operands, **static)``; operands are what can be differentiated, the rest is keyword-only.
        vjps: one a operand: ``vjp(y, *operands, **static)`` gives ``pull(g)``, the cotangent of that operand, with
            the operand's shape. None where the derivative is zero by nature. A single function with ``variadic``
            takes the operand's position first: ``vjp(k, y, *operands, **static)``.
        jvps: one a operand: ``jvp(t, y, *operands, **static)``, the tangent of the value. ``"linear"`` stands for
            a function that is linear in that operand: the function itself with the tangent in the operand's place.
            None: derived from the vjp by transposing it (correct, slower).
        outputs: 0 for one array; n for a tuple of n (then y and g are tuples). join: for a function that joins many
        operands, vjp and jvp of all of them at once: ``vjp(y, *operands, **static)``
            gives ``pull(g)``, a list of cotangents; ``jvp(tangents, y, *operands, **static)`` takes a list, None for
            zero.
    """

    __slots__ = ("function", "join", "jvps", "name", "outputs", "variadic", "vjps")

    def __init__(
        self,
        function: Callable[..., Any],
        vjps: Sequence[Callable[..., Any] | None] | Callable[..., Any],
        jvps: Sequence[Callable[..., Any] | str | None] | Callable[..., Any] | str | None = None,
        *,
        name: str = "",
        outputs: int = 0,
        join: tuple[Callable[..., Any], Callable[..., Any]] | None = None,
    ) -> None:
        self.function = function
        self.join = join
        self.name = name or getattr(function, "__name__", repr(function))
        self.vjps = vjps
        self.jvps = jvps
        self.variadic = callable(vjps)
        self.outputs = outputs

    def pullback(self, k: int, y: Any, args: Sequence[Any], static: dict[str, Any]) -> Callable[[Any], Any] | None:
        """The map from the value's cotangent to operand k's; None where the derivative is zero by nature."""
        if callable(self.vjps):
            return self.vjps(k, y, *args, **static)  # type: ignore[no-any-return]
        make = self.vjps[k]
        return None if make is None else make(y, *args, **static)

    def __call__(self, *args: Any, **static: Any) -> Any:
        return apply(self, args, static)


# The code of pullbacks that take a stack of cotangents, too, with one more axis in front: see stacked.py.
STACKABLE = ByCode()
_Vjp = TypeVar("_Vjp", bound=Callable[..., Any])


def takes_stacks(vjp: _Vjp) -> _Vjp:
    """Mark a vjp whose pullbacks give, for a stack of cotangents, the stack of what they give for each."""
    _mark(vjp, STACKABLE)
    return vjp


# Of those, the code of pullbacks that do nothing with a cotangent but ``g @ matrix``.
MULTIPLIES = ByCode()


def only_multiplies(vjp: _Vjp) -> _Vjp:
    """Mark a vjp whose pullbacks are ``lambda g: g @ matrix`` for a cotangent that is a vector."""
    _mark(vjp, MULTIPLIES)
    return takes_stacks(vjp)


def _mark(vjp: Callable[..., Any], table: ByCode) -> None:
    for code in vjp.__code__.co_consts:
        if isinstance(code, CodeType):
            table.note(code, True)


# Classes that are no arrays but calculate with them (sparse matrices) -> ``handler(name of the operation, operands)``.
FOREIGN: dict[type, Callable[[str, Sequence[Any]], Any]] = {}
# NumPy's name -> what it does for traced operands. `rules/` fills both.
UFUNCS: dict[Any, Elementwise | Callable[..., Any]] = {}
FUNCTIONS: dict[Any, Callable[..., Any]] = {}
_ARRAY = np.array  # the original: the name is replaced while a trace is running


def implements(*functions: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a function with NumPy's own signature as what these NumPy functions do for traced operands."""

    def register(handler: Callable[..., Any]) -> Callable[..., Any]:
        for function in dict.fromkeys(functions):
            if function in FUNCTIONS:
                raise ValueError(f"{function} has two rules")
            FUNCTIONS[function] = handler
        return handler

    return register


# -- the two ways in -----------------------------------------------------------------------------------------------


def innermost(args: Sequence[Any]) -> Trace | None:
    """The innermost live trace among the operands; None if none is traced.

    A constant of a trace that has ended (an array that the function made and keeps) counts as the plain array that it
    is. So do the other values that a trace has left behind, for as long as no value of a live trace is mixed with them:
    see :func:`left_behind`.
    """
    best: Trace | None = None
    stale: Any = None
    for a in args:
        if type(a) in TRACED:
            trace = a.owner
            if not trace.live:
                if trace.active(a):
                    stale = a
            elif best is None or trace.level > best.level:
                best = trace
    if stale is not None and (type(stale.value) in TRACED or any(is_living(a) for a in args)):
        raise unsupported(*stale.owner.ended)
    return best if stale is None else None


def is_living(a: Any) -> bool:
    """Whether a carries a derivative in a live trace."""
    return type(a) in TRACED and a.owner.live and a.owner.active(a)


def left_behind(args: Sequence[Any], y: Any) -> Any:
    """The value y of plain operands, some of which may be what a trace that has ended has left in the user's objects.

    Outside of all traces that is a plain value. Within a later one its derivative would be lost, so y is marked as
    they are: good for its shape and for comparisons, an error as soon as the result depends on it.
    """
    if _state.stack:
        for a in args:
            if type(a) in TRACED and not a.owner.live and a.owner.active(a):
                return tuple(a.owner.stale(e) for e in y) if type(y) is tuple else a.owner.stale(y)
    return y


def elementwise(rule: Elementwise, args: Sequence[Any], mask: Any = True, dtype: Any = None) -> Any:
    """Value and derivative of an elementwise function of the operands, of which at least one may be traced."""
    args = [FUNCTIONS[_ARRAY](a) if type(a) in (list, tuple) else a for a in args]
    if FOREIGN:
        for a in args:
            if type(a) in FOREIGN:
                return FOREIGN[type(a)](rule.name, args)
    trace = innermost(args)
    if trace is None:
        return left_behind(args, evaluate(rule.function, [plain(a) for a in args], mask, dtype))
    if rule.numeric and any(is_active(args[k]) for k in rule.numeric):
        note_numeric(rule.name)
    return trace.elementwise(rule, args, mask, dtype)


def apply(primitive: Primitive, args: Sequence[Any], static: dict[str, Any]) -> Any:
    """Value and derivative of a primitive of the operands, of which at least one may be traced."""
    if len(args) == 1 and type(args[0]) in TRACED and args[0].owner.live:
        return args[0].owner.apply(primitive, args, static)
    trace = innermost(args)
    if trace is None:
        return left_behind(args, primitive.function(*[plain(a) for a in args], **static))
    return trace.apply(primitive, args, static)


def living(a: Any) -> Any:
    """An operand of a live trace as it is; a constant of one that has ended as a plain array."""
    return plain(a) if type(a) in TRACED and not a.owner.live else a


# -- plain values --------------------------------------------------------------------------------------------------


def plain(x: Any) -> Any:
    """The plain value under all traces; anything else unchanged. Drops the derivative: for shapes, guards, print."""
    while type(x) in TRACED:
        x = x.value
    return x


def plain_tree(x: Any) -> Any:
    """:func:`plain` through lists, tuples and slices, as they occur in shapes, keys and keyword arguments."""
    if type(x) in TRACED:
        return plain(x)
    if type(x) is tuple:
        return tuple(plain_tree(e) for e in x)
    if type(x) is list:
        return [plain_tree(e) for e in x]
    if type(x) is dict:
        return {k: plain_tree(e) for k, e in x.items()}
    if type(x) is slice:
        return slice(plain(x.start), plain(x.stop), plain(x.step))
    return x


def is_active(x: Any) -> bool:
    """Whether x carries a derivative with respect to the input of any live trace."""
    while type(x) in TRACED:
        if x.owner.active(x):
            return True
        x = x.value
    return False


def would_lose(x: Any) -> bool:
    """Whether turning x into a plain number would lose a derivative. What a trace has left behind in the user's objects
    is a plain number again as soon as no trace is running."""
    if not is_active(x):
        return False
    while type(x) in TRACED:
        if x.owner.live:
            return True
        x = x.value
    return bool(_state.stack)


def has_traced(x: Any) -> bool:
    """Whether x is a traced value, or a list or tuple with one inside, at any depth."""
    return type(x) in TRACED or (isinstance(x, list | tuple) and any(has_traced(e) for e in x))


def any_active(x: Any) -> bool:
    """:func:`is_active` through lists, tuples and dicts."""
    if type(x) in TRACED:
        return is_active(x)
    if type(x) in (list, tuple):
        return any(any_active(e) for e in x)
    if type(x) is dict:
        return any(any_active(e) for e in x.values())
    return False


def is_array(x: Any) -> bool:
    """Whether x is an ndarray or stands for one (a NumPy scalar or a float is not)."""
    return isinstance(plain(x), np.ndarray)


def constant(value: Any) -> Any:
    """A fresh plain array as a traced constant of every live trace, so that traced values can be assigned to it."""
    stack = _state.stack
    if stack and stack[-1].bare:
        return value
    for trace in stack:
        trace.made = True
        value = trace.constant(value)
    return value


def outer_constant(value: Any, level: int) -> Any:
    """Memory of our own in a trace of this level, as a constant of every live trace outside of it.

    What an outer trace has saved of it is then protected when the inner one writes to it.
    """
    for trace in _state.stack:
        if trace.level < level:
            value = trace.constant(value)
    return value


def shape_of(x: Any) -> tuple[int, ...]:
    """The shape of any operand: traced, array, scalar or nested list."""
    if type(x) is not np.ndarray:
        x = plain(x)
        if not isinstance(x, (np.ndarray, np.generic)):
            return np.shape(x)
    shape: tuple[int, ...] = x.shape
    return shape


def is_complex(x: Any) -> bool:
    """Whether the value is of a complex type."""
    if type(x) in SCALARS:
        return False
    x = plain(x)
    return x.dtype.kind == "c" if type(x) is np.ndarray else np.iscomplexobj(x)


def unbroadcast(g: Any, shape: tuple[int, ...]) -> Any:
    """Sum g over the axes that broadcasting ``shape`` to ``g.shape`` added or stretched: the transpose of
    broadcasting."""
    have = shape_of(g)
    if have == shape:
        return g
    extra = len(have) - len(shape)
    if extra:
        axes = tuple(range(extra))
        g = np.add.reduce(g, axes) if type(g) is np.ndarray else np.sum(g, axis=axes)
        have = have[extra:]
    stretched = tuple(i for i, n in enumerate(shape) if n == 1 and have[i] != 1)
    return np.sum(g, axis=stretched, keepdims=True) if stretched else g


def evaluate(function: Callable[..., Any], raws: Sequence[Any], mask: Any, dtype: Any) -> Any:
    if mask is True and dtype is None:
        return function(*raws)
    keywords: dict[str, Any] = {} if dtype is None else {"dtype": dtype}
    if mask is True:
        return function(*raws, **keywords)
    # NumPy leaves the places that `where` excludes as they are in `out`; the caller puts those in. Zero till then.
    y = function(*(plain(r) for r in raws), **keywords, where=mask, out=None)
    y = np.where(mask, y, np.zeros((), y.dtype))
    if any(type(r) in TRACED for r in raws):
        return function(*raws, **keywords, where=mask, out=None)
    return y
