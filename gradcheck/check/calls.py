"""Calling the user's code: copies in, exceptions turned into errors with the user's line, output kept off
stdout.

Part of the check floor; every call of a user's function by the checker goes through a :class:`UserFunction`.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import inspect
import io
import os
import sys
import sysconfig
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck.check.notation import write_values
from gradcheck.check.result import CheckError
from gradcheck.errors import InterruptedCall, Location

if TYPE_CHECKING:
    from gradcheck.check.budget import Budget

_PACKAGE = str(Path(__file__).resolve().parent.parent) + os.sep
_FOREIGN = tuple({sysconfig.get_path(name) + os.sep for name in ("stdlib", "platstdlib", "purelib", "platlib")})

#: So many values of a function are looked at for whether they lie in the memory of the first.
LOOKED_AT = 6


def user_location(trace: TracebackType | None) -> Location | None:
    """The innermost line of a traceback that is the user's: not ours, not a library's."""
    frames = traceback.extract_tb(trace)
    ours = [f for f in frames if not f.filename.startswith(_PACKAGE) and f.filename[:1] != "<"]
    theirs = [f for f in ours if not f.filename.startswith(_FOREIGN)]
    chosen = (theirs or ours)[-1:] or None
    if chosen is None or chosen[0].lineno is None:
        return None
    return Location(chosen[0].filename, chosen[0].lineno)


def definition(function: Any) -> Location | None:
    """File and line where a function (or the class of a callable) is defined, if it is Python code."""
    inner = getattr(function, "__func__", function)
    inner = getattr(inner, "func", inner)  # functools.partial
    code = getattr(inner, "__code__", None)
    if code is None and callable(inner):
        code = getattr(type(inner).__call__, "__code__", None)
    return Location(code.co_filename, code.co_firstlineno) if code is not None else None


def parameter_names(f: Callable[..., Any], count: int) -> list[str]:
    """Names of the first ``count`` positional arguments; ``arg0`` and so on where f does not name them.

    >>> parameter_names(lambda x, t: x * t, 3)
    ['x', 't', 'arg2']
    """
    try:
        parameters = [
            p.name
            for p in inspect.signature(f).parameters.values()
            if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
        ]
    except (TypeError, ValueError):  # builtins without a signature
        parameters = []
    return (parameters + [f"arg{i}" for i in range(len(parameters), count)])[:count]


def all_arguments(f: Callable[..., Any], args: Sequence[Any]) -> list[tuple[str, Any]]:
    """The positional arguments of f by name, those included that are left to their defaults.

    >>> all_arguments(lambda x, t=2.0, *, flag=True: x * t, (1.0,))
    [('x', 1.0), ('t', 2.0)]
    """
    try:
        parameters = list(inspect.signature(f).parameters.values())
    except (TypeError, ValueError):  # builtins without a signature
        parameters = []
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    left = [p for p in positional[len(args) :] if p.default is not p.empty]
    return list(zip(parameter_names(f, len(args) + len(left)), (*args, *(p.default for p in left)), strict=True))


def copied(value: Any) -> Any:
    """A copy of an argument that the user's code may damage: arrays are copied, containers too."""
    if isinstance(value, np.ndarray):
        return value.copy()
    if isinstance(value, (list, dict, set, tuple)):
        return copy.deepcopy(value)
    return value


def same(a: Any, b: Any) -> bool:
    """Whether two arguments are bitwise alike, as far as arrays are concerned."""
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(same(i, j) for i, j in zip(a, b, strict=True))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    return True


def _overlap(a: Any, b: Any) -> bool:
    """Whether two arrays lie in the same memory."""
    return isinstance(a, np.ndarray) and isinstance(b, np.ndarray) and np.may_share_memory(a, b)


class Adapted:
    """A function with something done to what it takes or returns, that can be traced as well as the function itself.

    The autodiff core replaces names in the module of the function that it traces (``autodiff/scope.py``); it finds
    that function by ``__func__``, as that of a bound method.

    Args:
        f: the function.
        change: what it returned -> what this returns; None for the same.
        place: what this is called with -> the arguments of f; None for the same.

    >>> Adapted(lambda x: (x, x), np.asarray)(2.0)
    array([2., 2.])
    >>> Adapted(pow, place=lambda x: (x, 3))(2.0)
    8.0
    """

    def __init__(
        self,
        f: Callable[..., Any],
        change: Callable[[Any], Any] | None = None,
        place: Callable[..., tuple[Any, ...]] | None = None,
    ) -> None:
        self.f = f
        self.change = change
        self.place = place
        inner: Any = f
        while isinstance(inner, functools.partial):
            inner = inner.func
        self.__func__ = getattr(inner, "__func__", inner)

    def __call__(self, *args: Any) -> Any:
        value = self.f(*(args if self.place is None else self.place(*args)))
        return value if self.change is None else self.change(value)


class UserFunction:
    """A user's function, made safe to call.

    Args:
        f: the function.
        name: what messages call it.
        where: its definition; found from the code object if None.
        code: the code of the CheckError when it raises.

    Attributes:
        evaluations: at how many points it was evaluated.
        calls: how often it was called: less often, where one call evaluates several points.
        stacked: "leading" or "trailing" where it takes many points at once, along a further first or last axis.
        refuses_many: it was found not to.
        mutated: positions of the arguments that it was seen to change.
        shared: positions of the arguments whose memory its value was seen to lie in.
        reused: whether a later value was seen to be written over the first.
        progress: called after every call with the calls done and expected, if set.
        expected: how many calls the check is expected to take.
        budget: what the check may cost, if that is limited.

    >>> half = UserFunction(lambda x: x / 2, "half")
    >>> half(3.0), half.evaluations
    (1.5, 1)
    """

    def __init__(self, f: Callable[..., Any], name: str, where: Location | None = None, code: str = "GC010") -> None:
        self.f = f
        self.name = name
        self.where = where or definition(f)
        self.code = code
        self.evaluations = 0
        self.calls = 0
        self.stacked: str | None = None
        self.refuses_many = False
        self.mutated: set[int] = set()
        self.shared: set[int] = set()
        self.reused = False
        self.progress: Callable[[int, int], None] | None = None
        self.expected = 0
        self.budget: Budget | None = None
        self._heard = False
        self._first: tuple[Any, Any] = (None, None)

    @property
    def spent(self) -> bool:
        """Whether the budget of the check is."""
        return self.budget is not None and self.budget.spent(self.evaluations)

    @property
    def left(self) -> float:
        """How many evaluations the budget of the check still has."""
        return float("inf") if self.budget is None else self.budget.left(self.evaluations)

    @contextlib.contextmanager
    def quiet(self) -> Iterator[None]:
        """Keep f's output off stdout (the first call's goes to stderr) and silence NumPy's warnings."""
        out = io.StringIO() if self._heard else sys.stderr
        with contextlib.redirect_stdout(out), warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            self._heard = True
            yield

    def __call__(self, *args: Any, points: int = 1) -> Any:
        """f of copies of the arguments, one of which may hold several points.

        Raises:
            CheckError: f raised an exception or called sys.exit; it names the user's line. KeyboardInterrupt
                passes.
        """
        given = tuple(copied(a) for a in args)
        self.evaluations += points
        self.calls += 1
        try:
            with self.quiet():
                value = self.f(*given)
        except (Exception, SystemExit) as error:
            raise self.error(error) from error
        except KeyboardInterrupt as error:
            raise self.interrupted(error, args) from error
        if self.progress is not None:
            self.progress(self.evaluations, max(self.expected, self.evaluations))
        if self.calls <= 2:
            self.mutated |= {i for i, (a, b) in enumerate(zip(args, given, strict=True)) if not same(a, b)}
            self.shared |= {i for i, a in enumerate(given) if _overlap(a, value)}
        if self.calls == 1:
            self._first = (value, copied(value))
        elif self.calls <= LOOKED_AT:
            first, was = self._first
            self.reused |= _overlap(first, value) and not same(first, was)
        else:
            self._first = (None, None)
        # A copy: a function may return the same buffer each time, filled anew.
        return copied(value)

    def interrupted(self, error: KeyboardInterrupt, args: Sequence[Any], doing: str = "") -> InterruptedCall:
        """What the user is told when Ctrl-C came while f ran: where, and with which arguments."""
        point = write_values(dict(zip(parameter_names(self.f, len(args)), args, strict=True)))
        where = user_location(error.__traceback__) or self.where
        at = f" at {point}" if point else ""
        return InterruptedCall(f"{self.name}{doing}{at}", where)

    def error(self, error: BaseException) -> CheckError:
        """What the user is told when f raised."""
        if isinstance(error, SystemExit):
            # os._exit is replaced while a run is on: see streams.stays_alive.
            call = getattr(error, "call", "sys.exit")
            what = f"{self.name} called {call}({error.code if error.code is not None else ''})"
        else:
            text = str(error).strip().split("\n")[0]
            what = f"{self.name} raised {type(error).__name__}" + (f": {text}" if text else "")
        where = user_location(error.__traceback__) or self.where
        return CheckError(what, where=where, code=self.code)
