"""The transforms: grad, jacobian, hessian, jvp, vjp and their kin, in autograd's names and argument order.

Each one opens a trace, puts traced values in the place of the arguments to differentiate, calls the function, and
reads the derivative off the trace. Everything else is bookkeeping: containers, dtypes, and the errors for what has
no derivative.

Complex numbers follow autograd: for a real function of z = x + iy the gradient is ∂f/∂x − i ∂f/∂y; of a holomorphic
function the derivative is f'(z).
"""

from __future__ import annotations

import gc
import inspect
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from types import FunctionType
from typing import Any

import numpy as np

from gradcheck.autodiff import forks
from gradcheck.autodiff.codes import ByCode
from gradcheck.autodiff.core import (
    TRACED,
    _state,
    any_active,
    constant,
    is_active,
    is_array,
    is_complex,
    plain,
    shape_of,
)
from gradcheck.autodiff.errors import AutodiffError, StoredValue, WrongOutput, frame_of, translated, unsupported
from gradcheck.autodiff.operators import Taped
from gradcheck.autodiff.outside import Outside, refuse_aliases
from gradcheck.autodiff.scope import (
    escalate,
    escalate_at,
    replace_called,
    replace_compiled,
    replaces_nothing,
    stand_in,
    tracing,
)
from gradcheck.autodiff.swaps import Swap
from gradcheck.autodiff.tape import Tape
from gradcheck.autodiff.trees import is_container, leaves, tree_map, with_leaves
from gradcheck.collecting import long_tape
from gradcheck.errors import Location

Argnum = int | Sequence[int]
Function = Callable[..., Any]


# -- inputs and outputs ------------------------------------------------------------------------------------------------


def _numeric(x: Any) -> Any:
    """A leaf as something that can be varied: floats stay what they are, integers become floats, lists of numbers
    arrays."""
    if type(x) is np.ndarray and x.dtype.char == "d":
        return x.copy("K")
    if type(x) is float or type(x) in TRACED:
        return x
    if isinstance(x, bool) or not isinstance(x, int | float | complex | np.ndarray | np.generic):
        raise unsupported(f"cannot differentiate with respect to a {type(x).__name__}")
    if isinstance(x, np.ndarray | np.generic):
        if x.dtype.kind in "iu":
            return x.astype(float)
        if x.dtype.kind not in "fc":
            raise unsupported(f"cannot differentiate with respect to an array of dtype {x.dtype}")
        return x.copy("K") if isinstance(x, np.ndarray) else x
    return float(x) if isinstance(x, int) else x


# The code of functions that use arrays among their arguments in ways that need those to be traced constants, and
# whether arrays outside of them as well.
_NEED_CONSTANTS = ByCode()
# The code of functions of which a tape had more records than this.
_LONG = ByCode()
_MANY = 1000


def _shield(args: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """Arguments that are not differentiated: an array may be copied and then assigned to, so it becomes a constant.

    Two arguments that are the same array stay the same, and arrays that overlap in part stay plain. Plain lists,
    tuples and dicts that hold arrays are rebuilt; every other object is passed as it is. Gives the arguments and the
    constants among them.
    """
    found = [leaf for arg in args for leaf in _array_leaves(arg)]
    distinct = list({id(a): a for a in found}.values())
    alone = [a for a in distinct if not any(a is not b and np.may_share_memory(a, b) for b in distinct)]
    new = {id(a): constant(a) for a in alone}

    def swap(a: Any) -> Any:
        return new.get(id(a), a)

    shielded = [tree_map(swap, a) if type(a) in _PLAIN_CONTAINERS and _array_leaves(a) else swap(a) for a in args]
    return shielded, list(new.values())


_PLAIN_CONTAINERS = (list, tuple, dict)


def _array_leaves(a: Any) -> list[Any]:
    """The float arrays in an argument, or in plain lists, tuples and dicts."""
    if type(a) is np.ndarray:
        return [a] if a.dtype.kind in "fc" else []
    if type(a) not in _PLAIN_CONTAINERS:
        return []
    return [leaf for e in (a.values() if type(a) is dict else a) for leaf in _array_leaves(e)]


# Leaves of which one need not ask whether they are a container.
_COMMON = frozenset({np.ndarray, float, np.float64})


def stored(where: Any) -> StoredValue:
    """What is said where a function took its value from a cache."""
    return StoredValue(
        "the function found its argument equal to a stored one, and returned a value that does not depend on it",
        where=where if isinstance(where, Location) else None,
        hint="a value from a cache has no derivative: clear the cache first, or call the function elsewhere before",
    )


class _Traced:
    """One run of a function on a trace: its inputs (leaves), and what came out."""

    # What is so in most runs: whether arrays outside were copied, whether it raised, and what; whether arrays among the
    # other arguments are constants of the trace; the traces around it.
    copied = raised = shield = False
    # Whether the only argument is an array or a number.
    plain = False
    failed: Exception | None = None
    swaps: tuple[Swap, ...] = ()
    outer: Sequence[tuple[Any, Any]] = ()

    @property
    def where(self) -> Location | None:
        code = getattr(getattr(self.function, "__func__", self.function), "__code__", None)
        return None if code is None else Location(code.co_filename, code.co_firstlineno)

    def __init__(self, f: Function, argnums: tuple[int, ...], args: tuple[Any, ...], keywords: dict[str, Any],
                 make: Callable[[], Any], start: Callable[[Any, int, Any], Any]) -> None:  # fmt: skip
        for k in argnums:
            if not -len(args) <= k < len(args):
                raise AutodiffError(
                    f"argnum {k} is out of range: the function was called with {len(args)} positional argument(s)"
                )
        if type(f) is not FunctionType or (f.__module__ or "").startswith("scipy"):
            f = stand_in(f)  # math.sin itself
            # A function compiled by numba keeps the Python function that it was made of.
            f = getattr(f, "py_func", f)
        self.function = f
        self.argnums, self.args, self.keywords = argnums, args, keywords
        self.make, self.start = make, start
        # Some functions need it: see outside.py. Those that did once are run that way from the beginning.
        needs = _NEED_CONSTANTS.get(id(getattr(f, "__code__", None)))
        adopting = needs is True
        if needs is not None:
            self.shield = True
        if not self._attempt(False, adopting, adopting):
            self._persist(adopting)
        notes = _state.notes
        if notes is not None and not any_active(self.output):
            notes.independent = notes.independent is not False
        elif notes is not None:
            notes.independent = False
        if notes is not None and not notes.operations:
            notes.operations = len(getattr(self.trace, "records", ())) - len(self.inputs)

    @classmethod
    def taken_over(
        cls, f: Function, k: int, args: tuple[Any, ...], keywords: dict[str, Any], x: Any, output: Any, failed: Any,
        swaps: tuple[Swap, ...],
    ) -> _Traced:  # fmt: skip
        """The run of ``f(*args, **keywords)`` that :func:`_simply` made with x, an input, in the place of argument k,
        if there is more to it. ``failed``: what it raised, or None; ``swaps``: the names that were replaced."""
        run = cls.__new__(cls)
        run.function, run.trace, run.inputs, run.output = f, x.owner, [x], output
        run.argnums, run.args, run.keywords, run.tree = (k,), args, keywords, [x.value]
        run.plain = len(args) == 1 and not keywords
        run.make, run.start, run.swaps = Tape, _variable, swaps
        run.raised, run.failed = failed is not None, failed
        if failed is not None or not run._has_result():
            run._persist(False)
        return run

    def _attempt(self, bare: bool, generous: bool, adopting: bool) -> bool:
        """Run the function once: whether all went well; if not, ``failed`` is what it raised, or the refusal that it
        hid."""
        self.trace = self.make()
        if bare or generous:
            self.trace.bare, self.trace.generous = bare, generous
        self.inputs: list[Any] = []
        if _state.stack:
            self.outer = [(trace, trace.lost) for trace in _state.stack]
        try:
            self.output = self._run(adopting)
        except Exception as error:
            self.raised = True
            self.failed = error
            return False
        if self.raised:
            self.raised = False
        return self._has_result()

    def _has_result(self) -> bool:
        """After a run that raised nothing: whether nothing was lost in it."""
        self.failed = self.trace.lost
        if self.failed is not None:
            return False
        if self.trace.equal is not None and not self._depends(self.output):
            raise stored(self.trace.equal)
        if _state.pages:
            refused = forks.refusal()
            if refused is not None:
                raise refused
        return True

    def _depends(self, output: Any) -> bool:
        """Whether a result depends on what this trace differentiates, not only on what those around it do."""
        if type(output) in TRACED:  # what belongs to a trace that has ended is refused elsewhere
            around = any(output.owner is trace for trace in _state.stack if trace is not self.trace)
            return is_active(output) and not around
        if type(output) in (list, tuple, dict):
            return any(map(self._depends, output.values() if type(output) is dict else output))
        return False

    def _persist(self, adopting: bool) -> None:
        """After a run that failed: run the function again, each time with more names and arrays replaced, until
        it succeeds or nothing is left that might help. Then the first error is raised."""
        bare = collected = False
        generous = adopting
        refused: AutodiffError | None = None
        first: Exception | None = None
        own: Exception | None = None
        done = False
        while not done:
            failed, self.failed = self.failed, None
            assert failed is not None
            lost = failed if isinstance(failed, AutodiffError) else self.trace.lost
            if self.raised and first is not None:
                meant = translated(first)
                if meant is not None:
                    raise meant from first
                raise first from None
            if own is not None and type(own) is not type(failed):  # that has been helped
                own = None
            if self.raised and replace_compiled(failed):
                self._forget()
            elif self.raised and adopting and self.copied and not collected:
                # Perhaps what else holds the arrays is garbage of an earlier run.
                collected = True
                failed.__traceback__ = failed.__context__ = failed.__cause__ = self.trace.lost = None
                gc.collect()
            elif lost is not None:
                bare, generous, adopting, refused = self._more(lost, first, refused, bare, generous, adopting)
            # Otherwise NumPy, or the user's code, may have put an error of its own in the place of ours.
            elif refused is not None:
                raise refused from failed
            elif self._look_where(failed):
                # Compiled code may refuse traced values with an error of its own, in a module not looked through.
                self._forget()
                own = own or failed
            elif not self.trace.made:
                meant = translated(own or failed)
                if meant is not None:
                    raise meant from own or failed
                raise own or failed
            else:
                # Perhaps compiled code that wants real arrays where the function made some: once more, with those.
                bare, first = True, own or failed
            # The frames of the failed run hold on to arrays, and so does its trace.
            failed = lost = self.trace.lost = None
            getattr(self.trace, "records", []).clear()
            done = self._attempt(bare, generous, adopting)
        if hasattr(self.function, "__code__") and (adopting or self.shield):
            _NEED_CONSTANTS.note(self.function.__code__, adopting)

    def _more(self, lost: AutodiffError, first: Exception | None, refused: AutodiffError | None, bare: bool,
              generous: bool, adopting: bool) -> tuple[bool, bool, bool, AutodiffError | None]:  # fmt: skip
        """What to replace after a traced value was refused: the arrays among the other arguments, then names that the
        refusing module has bound (each module is tried once), then every array that the function makes, then those
        outside of it."""
        self._forget()
        if not self.shield and any(map(_array_leaves, self._others())):
            self.shield = True
        elif not escalate(lost, self.swaps) and not replace_called(lost):
            if first is not None or adopting:
                lost = refused or lost
                lost.where = lost.where or self.where
                raise first or lost
            if generous:
                adopting, refused = True, lost
            generous = True
        # The frames of the failed run hold on to its arrays.
        lost.__traceback__ = lost.__context__ = lost.__cause__ = None
        return bare, generous, adopting, refused

    def _look_where(self, error: Exception) -> bool:
        """Look through the module in which a call was refused. (Nobody may keep the frame: it holds arrays.)"""
        place = frame_of(error)
        return (place is not None and escalate_at(place, self.swaps)) or replace_called(error)

    def _forget(self) -> None:
        """What was refused here is this function's affair, not that of the traces around it."""
        for trace, before in self.outer:
            trace.lost = before

    def _run(self, adopting: bool) -> Any:
        f, args, trace, start = self.function, self.args, self.trace, self.start
        with tracing(f, trace) as names:
            self.swaps = names.swaps
            if len(args) == 1 and type(args[0]) in _COMMON and not self.keywords and not adopting:
                self.plain = True
                leaf = _numeric(args[0])
                self.tree = [leaf]
                x = start(trace, 0, leaf)
                self.inputs.append(x)
                return f(x)
            return self._run_among_others(adopting)

    def _run_among_others(self, adopting: bool) -> Any:
        """The call with arguments that are containers, or that are not differentiated."""
        f, args, keywords, trace, start = self.function, self.args, self.keywords, self.trace, self.start
        self.tree = [tree_map(_numeric, args[k]) for k in self.argnums]

        def enter(leaf: Any) -> Any:
            x = start(trace, len(self.inputs), leaf)
            self.inputs.append(x)
            return x

        call = list(args)
        for k, tree in zip(self.argnums, self.tree, strict=True):
            call[k] = tree_map(enter, tree)
        if len(args) <= len(self.argnums) and not keywords and not adopting:
            return f(*call)
        passive = self._others()
        roots = [f, *(a for a in passive if type(a) not in _PLAIN_CONTAINERS)]
        with Outside(roots) if adopting else nullcontext() as outside:
            self.copied = outside is not None and bool(outside.copies)
            shielded, constants = _shield(passive) if self.shield or adopting else (passive, [])
            rest = iter(shielded)
            chosen = {k % len(args) for k in self.argnums}
            call = [a if k in chosen else next(rest) for k, a in enumerate(call)]
            y = f(*call, **dict(zip(keywords, rest, strict=True)))
        written = [plain(c) for c in constants if is_active(c)]
        if written:
            refuse_aliases(roots, written)
        return y

    def _others(self) -> list[Any]:
        """The arguments that are not differentiated."""
        chosen = {k % len(self.args) for k in self.argnums}
        return [*(a for k, a in enumerate(self.args) if k not in chosen), *self.keywords.values()]

    def owns(self, x: Any) -> bool:
        if type(x) not in TRACED:
            return False
        if x.owner is self.trace:
            return True
        if not x.owner.live:
            what, hint = x.owner.ended
            error = unsupported(what.replace("is used", "is returned"), hint)
            error.where = self.where or error.where
            raise error
        return False

    def close(self) -> None:
        """Empty the tape: it and its values refer to each other, and memory should not wait for the garbage
        collector."""
        self.trace.records.clear()

    def value(self, x: Any) -> Any:
        """An output without this trace."""
        return x.value if self.owns(x) else x


def chosen(fun: Function, argnum: Any) -> Any:
    """The argument(s) to differentiate as positions: they may be given by name, and several as any sequence.

    >>> chosen(lambda x, rate: x * rate, ("rate", 0))
    (1, 0)
    """
    if isinstance(argnum, str):
        return _position(fun, argnum)
    if isinstance(argnum, int | np.integer) and not isinstance(argnum, bool):
        return int(argnum)
    if isinstance(argnum, Sequence | range) and len(argnum):
        return tuple(chosen(fun, k) for k in argnum)
    raise AutodiffError(
        f"argnum {argnum!r} does not say which argument to differentiate",
        hint="give a position such as 0, a name such as 'x', or a tuple of them",
    )


def _position(fun: Function, name: str) -> int:
    try:
        parameters = inspect.signature(fun).parameters
    except (TypeError, ValueError):
        raise AutodiffError(f"the argument {name!r} cannot be found: {_called(fun)} tells no signature") from None
    places = [p.name for p in parameters.values() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if name in places:
        return places.index(name)
    if name in parameters:
        raise AutodiffError(
            f"the argument {name!r} of {_called(fun)} cannot be passed by position",
            hint=f"differentiate lambda {name}: {_called(fun)}(..., {name}={name})",
        )
    raise AutodiffError(f"{_called(fun)} has no argument {name!r}", hint=f"it has {', '.join(parameters) or 'none'}")


def _called(fun: Function) -> str:
    return getattr(fun, "__name__", None) or repr(fun)


def _argnums(argnum: Argnum) -> tuple[int, ...]:
    return (argnum,) if isinstance(argnum, int) else tuple(argnum)


def by_position(
    fun: Function, argnum: Argnum, args: tuple[Any, ...], keywords: dict[str, Any]
) -> tuple[tuple[int, ...], tuple[Any, ...], dict[str, Any]]:
    """The call with the chosen arguments by position, where they were passed by keyword or left to their defaults."""
    argnums = _argnums(argnum)
    if max(argnums) >= len(args):
        try:
            bound = inspect.signature(fun).bind(*args, **keywords)
        except (TypeError, ValueError):
            return argnums, args, keywords  # Python's own message, or ours, comes from the call
        bound.apply_defaults()
        args, keywords = bound.args, bound.kwargs
    if len(argnums) > 1 and len({k % max(len(args), 1) for k in argnums}) < len(argnums):
        raise AutodiffError(f"argnum {argnums} names an argument twice")
    return argnums, args, keywords


def _record(f: Function, argnum: Argnum, args: tuple[Any, ...], keywords: dict[str, Any]) -> _Traced:
    argnums: tuple[int, ...]
    if type(argnum) is int and 0 <= argnum < len(args):
        argnums = (argnum,)
    else:
        argnums, args, keywords = by_position(f, argnum, args, keywords)
    try:
        return _Traced(f, argnums, args, keywords, Tape, _variable)
    except (TypeError, IndexError) as error:
        _note_integers(error, [args[k] for k in argnums if -len(args) <= k < len(args)])
        raise


def _note_integers(error: Exception, trees: list[Any]) -> None:
    """Where integers were to be differentiated and the function fails, say that it got floats in their places."""
    every = [leaf for tree in trees for leaf in (leaves(tree) if is_container(tree) else [tree])]
    whole = any(
        isinstance(leaf, int) or (isinstance(leaf, np.ndarray | np.generic) and leaf.dtype.kind in "iu")
        for leaf in every
    )
    if whole and not isinstance(error, AutodiffError):
        error.add_note(
            "gradcheck: integers that are differentiated are floats in the function. Where they are sizes or indices, "
            "pass them as an argument of their own that is not differentiated."
        )


def _variable(tape: Tape, _i: int, value: Any) -> Any:
    return tape.variable(value)


def _like(g: Any, value: Any) -> Any:
    """A cotangent as the user sees it: of the input's shape, type and precision, zero where nothing flowed back."""
    if type(g) is np.ndarray and type(value) is np.ndarray and g.dtype is value.dtype and g.shape == value.shape:
        return g
    kind = plain(value)
    if g is None:
        return np.zeros_like(kind) if isinstance(kind, np.ndarray) else type(kind)(0.0)
    if not is_complex(value) and is_complex(g):
        g = np.real(g)
    if type(g) in TRACED:
        return g if np.result_type(plain(g)) == np.result_type(kind) else g.astype(np.result_type(kind))
    if isinstance(kind, np.ndarray):
        return np.array(np.broadcast_to(g, kind.shape), dtype=kind.dtype)
    return type(kind)(g)


def _pull_back(run: _Traced, seeds: Sequence[tuple[Any, Any]]) -> list[Any]:
    """The cotangents of all inputs for these cotangents of outputs."""
    trace = run.trace
    seeds = [seed for seed in seeds if (type(seed[0]) in TRACED and seed[0].owner is trace) or run.owns(seed[0])]
    try:
        cotangents = trace.sweep(seeds, run.inputs)
    except AutodiffError as error:
        if not error.placed:
            error.where = run.where  # no line of the user's runs in the sweep: the function is the nearest place
        raise
    if run.plain:
        return [_like(cotangents[0], run.inputs[0].value)]
    return list(map(_like, cotangents, [x.value for x in run.inputs]))


def _gather(run: _Traced, argnum: Argnum, flat: list[Any]) -> Any:
    """Per-leaf derivatives in the shape of the argument(s)."""
    if type(argnum) is int and len(flat) == 1 and (type(run.tree[0]) in _COMMON or not is_container(run.tree[0])):
        return flat[0]
    rest = iter(flat)
    out = [with_leaves(tree, rest, live=False) for tree in run.tree]
    return out[0] if isinstance(argnum, int) else tuple(out)


def _scalar_output(y: Any) -> None:
    value = plain(y)
    if type(value) is float or type(value) is np.float64:
        return
    if isinstance(value, np.ndarray) and value.size == 1 and value.dtype.kind in "fciu":
        return
    if isinstance(value, np.ndarray) or is_container(value):
        what = f"an array of shape {value.shape}" if isinstance(value, np.ndarray) else f"a {type(value).__name__}"
        raise WrongOutput(
            f"grad needs a function that returns one number; it returned {what}",
            hint="use jacobian for a vector-valued function, elementwise_grad for an elementwise one",
        )
    _number(y)


def _number(y: Any) -> None:
    value = plain(y)
    numeric = isinstance(value, int | float | complex | np.number) and not isinstance(value, bool)
    if not numeric and not (isinstance(value, np.ndarray) and value.dtype.kind in "fciu"):
        what = "None" if value is None else f"a {type(value).__name__}"
        if isinstance(value, np.ndarray):
            what = f"an array of {value.dtype}"
        raise WrongOutput(f"the function returned {what}, not a number")


# -- reverse mode ------------------------------------------------------------------------------------------------------


def value_and_grad(fun: Function, argnum: Argnum = 0) -> Function:
    """A function that returns both f(x) and its gradient.

    Args:
        fun: real-valued function of one number as result.
        argnum: position or name of the argument to differentiate; a tuple of them gives a tuple of gradients.

    Returns:
        A function of the same arguments that returns ``(value, gradient)``; the gradient has the shape, the container
        structure and the dtype of the argument. Integers are differentiated as floats; text, None, truth values and
        functions inside a container stay what they are, in the argument and in the gradient.

    Raises:
        AutodiffError: the function returns no single number, or uses something that has no derivative rule.

    >>> import numpy as np
    >>> value_and_grad(lambda x: np.sum(x**2))(np.array([1.0, 2.0]))
    (np.float64(5.0), array([2., 4.]))
    """

    argnum = chosen(fun, argnum)

    def both(*args: Any, **keywords: Any) -> Any:
        return _value_and_gradient(fun, argnum, args, keywords)

    return _name(both, "value_and_grad", fun)


def _value_and_gradient(fun: Function, argnum: Argnum, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    if type(argnum) is int and 0 <= argnum < len(args):
        x = args[argnum]
        if type(x) is np.ndarray and x.dtype.char == "d":
            bare = replaces_nothing(fun)
            if bare is not None and id(fun.__code__) not in _NEED_CONSTANTS:
                if id(fun.__code__) in _LONG:
                    with long_tape():
                        return _simply(fun, argnum, args, keywords, bare)
                return _simply(fun, argnum, args, keywords, bare)
    return _read_off(_record(fun, argnum, args, keywords), argnum)


def _simply(fun: Function, k: int, args: tuple[Any, ...], keywords: dict[str, Any], bare: bool) -> Any:
    """Value and gradient by one array, in a run of which nothing is noted. ``bare``: no names are replaced.

    Most calls are such, and the other way, which is ready for anything, takes as long as thirty operations.
    """
    leaf = args[k].copy("K")
    trace = Tape()
    traced = trace.variable(leaf)
    output: Any = None
    failed: Exception | None = None
    live: Any = trace if bare else tracing(fun, trace)
    with live:
        try:
            if len(args) == 1 and not keywords:
                output = fun(traced)
            else:
                output = fun(*args[:k], traced, *args[k + 1 :], **keywords)
        except Exception as error:
            failed = error
    usual = type(output) is Taped and output.owner is trace and type(output.value) is np.float64
    if usual and output.slot is not None and trace.lost is None and not _state.pages:
        try:
            gradient = trace.gradient(output.slot)
        except AutodiffError:
            gradient = None  # the other way says where
        if gradient is not None:
            if len(trace.records) > _MANY:
                _LONG.note(fun.__code__, True)
            trace.records.clear()
            return output.value, _like(gradient, leaf)
    swaps = () if live is trace else live.swaps
    return _read_off(_Traced.taken_over(fun, k, args, keywords, traced, output, failed, swaps), k)


def _read_off(run: _Traced, argnum: Argnum) -> Any:
    """Value and gradient from a run."""
    output: Any = run.output
    value = output.value if type(output) in TRACED and output.owner is run.trace else run.value(output)
    one: Any = 1.0
    if type(value) is not np.float64:
        _scalar_output(run.output)
        if is_complex(value):
            raise WrongOutput(
                "grad needs a real-valued function; it returned a complex number",
                hint="use np.real, np.imag or np.abs of it, or jacobian of a holomorphic function",
            )
        if is_array(value):
            one = np.ones(shape_of(value))
    flat = _pull_back(run, [(output, one)])
    gradient = flat[0] if run.plain and type(argnum) is int else _gather(run, argnum, flat)
    run.close()
    return value, gradient


def grad(fun: Function, argnum: Argnum = 0) -> Function:
    """The gradient of a function of one number as result, with respect to argument ``argnum``.

    Arguments, result and errors as for :func:`value_and_grad`, without the value.

    >>> import numpy as np
    >>> def h(x, t):
    ...     return np.dot(x, t) + np.exp(np.dot(x, t))
    >>> x, t = np.array([0.5, 0.0]), np.array([2.0, 1.0])
    >>> grad(h, 0)(x, t), grad(h, 1)(x, t)
    (array([7.43656366, 3.71828183]), array([1.85914091, 0.        ]))
    """

    argnum = chosen(fun, argnum)

    def gradient(*args: Any, **keywords: Any) -> Any:
        return _value_and_gradient(fun, argnum, args, keywords)[1]

    return _name(gradient, "grad", fun)


def elementwise_grad(fun: Function, argnum: Argnum = 0) -> Function:
    """The derivative of an elementwise function at every element: the gradient of the sum of its values.

    >>> import numpy as np
    >>> elementwise_grad(np.sin)(np.array([0.0, np.pi]))
    array([ 1., -1.])
    """

    argnum = chosen(fun, argnum)

    def derivative(*args: Any, **keywords: Any) -> Any:
        run = _record(fun, argnum, args, keywords)
        _number(run.output)
        value = run.value(run.output)
        if is_complex(value) and not any(is_complex(x.value) for x in run.inputs):
            raise WrongOutput(
                "elementwise_grad needs a real-valued function of a real argument; it returned complex numbers",
                hint="use np.real, np.imag or np.abs of it, or jacobian",
            )
        one = np.ones(shape_of(value)) if is_array(value) else 1.0
        gradient = _gather(run, argnum, _pull_back(run, [(run.output, one)]))
        run.close()
        return gradient

    return _name(derivative, "elementwise_grad", fun)


def _name(wrapper: Function, transform: str, fun: Function) -> Function:
    wrapper.__name__ = f"{transform}_of_{getattr(fun, '__name__', 'function')}"
    wrapper.__qualname__ = wrapper.__name__
    return wrapper
