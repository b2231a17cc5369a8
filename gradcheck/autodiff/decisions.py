"""Decisions that depend on differentiated values, inside callbacks of SciPy functions.

In ordinary code ``if x > c`` has no derivative and needs none: almost everywhere both sides are smooth. Under an
integral it is not so. The integral over x of a function that jumps where x = c moves with c, by the height of the
jump, although the derivative of the integrand is zero wherever it exists; and an ODE whose right-hand side jumps
where y = c the same. So while such a callback runs, every operation that makes a plain result of an active value (a
comparison, ``np.sign``, ``//``, ``int()``) is noted: the *path* of the evaluation. Where two neighbouring
evaluations take different paths, the place of the change is bracketed by bisection, and if the callback jumps there,
that is an error that says so. A kink is none.

:func:`guard` is for the other way in which SciPy's own Python code loses a derivative: a search that compares traced
values of the objective, and returns plain numbers.
"""

from __future__ import annotations

import functools
import itertools
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from gradcheck.autodiff.core import any_active, is_active, plain
from gradcheck.autodiff.errors import unsupported
from gradcheck.autodiff.operators import Dual, Taped

COMPARISONS = ("__lt__", "__le__", "__gt__", "__ge__", "__eq__", "__ne__")
CASTS = ("__int__", "__index__", "__bool__", "__round__", "__floor__", "__ceil__", "__trunc__")
# Whole quotients: what is left over jumps with them.
QUOTIENTS = ("__mod__", "__rmod__", "__floordiv__", "__rfloordiv__", "__divmod__", "__rdivmod__")
PROTOCOLS = ("__array_ufunc__", "__array_function__")
REMAINDERS = (np.remainder, np.fmod, np.divmod, np.modf)
# A change of this size, relative to the largest value, within the closest bracket is a jump.
JUMP = 1e-6
# So many changes of path are looked into.
LOOKS = 24

Path = tuple[bytes, ...]


class _State(threading.local):
    path: list[bytes] | None = None


_state = _State()
_lock = threading.RLock()
_installed = 0
_before: list[tuple[type, str, Any]] = []


def _note(outcome: Any) -> None:
    assert _state.path is not None
    _state.path.append(np.asarray(outcome).tobytes() if not isinstance(outcome, str) else outcome.encode())


def _watched(name: str, old: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(old)
    def method(self: Any, *args: Any, **keywords: Any) -> Any:
        y = old(self, *args, **keywords)
        if _state.path is None or y is NotImplemented:
            return y
        operands = args[2:] if name == "__array_ufunc__" else args[2] if name == "__array_function__" else (self, *args)
        if not any_active(tuple(operands)):
            return y
        if name in QUOTIENTS or (name == "__array_ufunc__" and args[0] in REMAINDERS and args[1] == "__call__"):
            a, b = (plain(o) for o in ((*operands, 1.0) if len(operands) == 1 else operands))
            _note(np.floor_divide(b, a) if name.startswith("__r") else np.floor_divide(a, b))
        elif not any_active(y) and (isinstance(plain(y), np.ndarray | np.generic | float | bool | int)):
            _note(plain(y))
        return y

    return method


@contextmanager
def watching() -> Iterator[None]:
    """Decisions can be noted while this lasts; it replaces methods of the traced classes, and puts them back."""
    global _installed
    with _lock:
        _installed += 1
        if _installed == 1:
            for cls in (Taped, Dual):
                for name in (*COMPARISONS, *CASTS, *QUOTIENTS, *PROTOCOLS):
                    own = vars(cls).get(name)
                    _before.append((cls, name, own))
                    setattr(cls, name, _watched(name, getattr(cls, name)))
    try:
        yield
    finally:
        with _lock:
            _installed -= 1
            if not _installed:
                for changed, name, own in _before:
                    if own is None:
                        delattr(changed, name)
                    else:
                        setattr(changed, name, own)
                _before.clear()


@contextmanager
def noting() -> Iterator[list[bytes]]:
    """The path of what runs in here; nested ones are apart."""
    before, _state.path = _state.path, []
    try:
        yield _state.path
    finally:
        _state.path = before


@contextmanager
def unnoted() -> Iterator[None]:
    before, _state.path = _state.path, None
    try:
        yield
    finally:
        _state.path = before


def refuse_jump(
    evaluate: Callable[[Any], tuple[Any, Path]],
    low: tuple[Any, Any, Path],
    high: tuple[Any, Any, Path],
    size: float,
    what: str,
) -> None:
    """An error if the callback jumps where its path changes between two arguments (number or array) of it.

    Args:
        evaluate: argument -> value and path.
        low, high: argument, value and path, of different paths.
        size: the largest value there is.
        what: the callback, for the error.
    """
    (x, v, path), (y, w, _) = low, high
    for _ in range(70):
        middle = 0.5 * (x + y)
        if np.all((middle == x) | (middle == y)):
            break
        value, at = evaluate(middle)
        if at == path:
            x, v = middle, value
        else:
            y, w = middle, value
    jump = float(np.max(np.abs(np.asarray(v) * 1.0 - np.asarray(w)), initial=0.0))
    if np.isfinite(jump) and jump > JUMP * size:
        place = f"{float(x):.6g}" if np.ndim(x) == 0 else "a state that the solution passes"
        raise unsupported(
            f"{what} jumps at {place}, where a comparison of differentiated values changes",
            "the place of the jump may move with them: split the integral there, or end the solution at an event",
        )


def verify(evaluate: Callable[[Any], tuple[Any, Path]], samples: Sequence[tuple[Any, Any, Path]], what: str) -> None:
    """:func:`refuse_jump` between all neighbouring samples (argument, value, path) of different paths."""
    ordered = sorted(samples, key=lambda s: s[0])
    size = max((float(np.max(np.abs(v), initial=0.0)) for _, v, _ in ordered), default=0.0)
    changes = [(a, b) for a, b in itertools.pairwise(ordered) if a[2] != b[2]]
    changes.sort(key=lambda c: -float(np.max(np.abs(np.asarray(c[0][1]) * 1.0 - np.asarray(c[1][1])), initial=0.0)))
    for a, b in changes[:LOOKS]:
        refuse_jump(evaluate, a, b, size, what)


# -- searches of SciPy's own -------------------------------------------------------------------------------------------

SEARCHES = (
    "scipy.optimize",
    "scipy.integrate._quad_vec",
    "scipy.integrate._ivp",
    "scipy.integrate._tanhsinh",
    "scipy.integrate._cubature",
    "scipy.integrate._bvp",
    "scipy._lib._elementwise_iterative_method",
)
_guarded = False


def guard() -> None:
    """From now on a comparison of active values in the Python code of :data:`SEARCHES` is an error.

    Their functions have rules that hand them plain numbers. One that is called by a name that is not replaced (bound in
    another module than the differentiated function's) would decide by traced values and return plain ones; the
    error has the names of that module replaced, and the function run again.
    """
    global _guarded
    if _guarded:
        return
    _guarded = True
    cls = Taped.__mro__[1:]
    interface = next(c for c in cls if "__lt__" in vars(c))
    for name in COMPARISONS:
        setattr(interface, name, _guarded_comparison(vars(interface)[name]))


def _guarded_comparison(compare: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    def method(self: Any, other: Any) -> Any:
        if sys._getframe(1).f_globals.get("__name__", "").startswith(SEARCHES) and (
            is_active(self) or is_active(other)
        ):
            raise unsupported(
                "a SciPy function decides by a traced value: it would lose the derivative",
                "call it as scipy.optimize.<name> in the function that is differentiated",
            )
        return compare(self, other)

    return method
