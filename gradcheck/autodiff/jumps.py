"""Jumps of callbacks that no decision tells of: found by their values, and told apart by whether they move.

``decisions.py`` sees the comparisons of differentiated values. But a function may jump without one that it could see:
the support of a distribution, the end of an interpolation, a branch cut, a table that is searched in compiled code.
The derivative of an integral, or of an ODE's solution, then lacks what the jump contributes as it moves. So the values
that SciPy asked for are looked through here: where two neighbours differ by more than the slopes around them explain,
the place is bracketed by bisection. What stays is a jump (or a pole), and is looked at once more with all captured
traced values changed a little: a jump that is where it was does not move with them, and is none of our business
(``u = 1.0 if t > 5 else 0.0``); any other is an error that names its place.

The captured values are changed where they are read: the attribute ``value`` of the traced classes is a property
while that one evaluation lasts.
"""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from gradcheck.autodiff.core import TRACED, is_active
from gradcheck.autodiff.decisions import JUMP
from gradcheck.autodiff.errors import unsupported
from gradcheck.autodiff.operators import Dual, Taped

# So many places are looked into, those first that slopes explain the least.
PLACES = 6
# A bracket is halved so often; and its jump, if it is one, is at least this part of what the slopes do not explain.
HALVINGS = 48
PART = 0.25
# How far captured values are changed, relatively.
NUDGE = 1e-4
# So many numbers of samples are kept; beyond that every other one is forgotten.
KEPT = 4_000_000

Sample = tuple[Any, Any]


class _State(threading.local):
    # What an evaluation on changed values has made so far, by id: those are not captured.
    made: dict[int, Any] | None = None


_state = _State()
_lock = threading.RLock()


def _changed(value: Any, key: int) -> Any:
    """A value moved by up to :data:`NUDGE`, each component by its own factor: the same for the same object."""
    if type(value) in TRACED or not isinstance(value, np.ndarray | np.generic | float | complex):
        return value
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind not in "fc":
        return value
    rng = np.random.default_rng(zlib.crc32(str(key).encode()))
    factors = rng.uniform(0.3, 1.0, np.shape(value)) * rng.choice([-1.0, 1.0], np.shape(value)) * NUDGE
    y = value + factors * (np.abs(value) + (np.abs(value) < 1e-8))
    return type(value)(y) if isinstance(value, float | complex | np.generic) else y.astype(value.dtype)


def _property(slot: Any) -> property:
    def get(self: Any) -> Any:
        value = slot.__get__(self, type(self))
        made = _state.made
        if made is None or id(self) in made:
            return value
        _state.made = None  # asking for what it is reads the value, too
        try:
            return _changed(value, id(self)) if self.owner.live and is_active(self) else value
        finally:
            _state.made = made

    def put(self: Any, value: Any) -> None:
        slot.__set__(self, value)
        if _state.made is not None:
            _state.made[id(self)] = self

    return property(get, put)


@contextmanager
def _captured_changed() -> Iterator[None]:
    """Traced values that exist before have other values in here, for this thread."""
    with _lock:
        classes = [(cls, next(vars(c)["value"] for c in cls.__mro__ if "value" in vars(c))) for cls in (Taped, Dual)]
        for cls, slot in classes:
            setattr(cls, "value", _property(slot))  # noqa: B010  (mypy: a slot of the base)
        _state.made = {}
        try:
            yield
        finally:
            _state.made = None
            for cls, _ in classes:
                delattr(cls, "value")


def numbers(y: Any) -> Any:
    """What a callback returned, as a flat array of floats (or complex numbers)."""
    flat = np.reshape(np.asarray(y), -1)
    return flat if flat.dtype.kind in "fc" else flat.astype(np.float64)


def _suspects(t: Any, y: Any) -> list[tuple[int, float]]:
    """Pairs (k, k + 1) whose difference is not explained by the slopes around them, the worst first, and by how much.

    Args:
        t: ascending, of shape (n,).
        y: of shape (n, components).
    """
    step = np.diff(t)[:, None]
    with np.errstate(all="ignore"):
        s = np.diff(y, axis=0) / step
        n = len(s)
        at = [np.arange(n) + k for k in (-2, -1, 1, 2)]
        # Beyond the ends the slopes of the other side stand in.
        at = [np.where((k < 0) | (k >= n), np.clip(2 * np.arange(n) - k, 0, n - 1), k) for k in at]
        before2, before, after, after2 = (s[k] for k in at)
        around = np.abs(after - before) + np.abs(before - before2) + np.abs(after2 - after)
        excess = (np.abs(s - 0.5 * (before + after)) - 1.5 * around) * step
        size = np.abs(y)
        local = np.maximum(size[:-1], size[1:])
        for shift in (1, 2):
            local[shift:] = np.maximum(local[shift:], size[:-1][:-shift])
            local[:-shift] = np.maximum(local[:-shift], size[1:][shift:])
        least = JUMP * np.maximum(local, 1e-3 * np.max(size, axis=0, initial=0.0))
        worth = np.where((excess > least) & np.isfinite(excess), excess / np.where(least > 0, least, 1.0), 0.0)
    ranked = np.argsort(-np.max(worth, axis=1, initial=0.0), kind="stable")
    found = []
    for k in ranked[:PLACES].tolist():
        component = int(np.argmax(worth[k]))
        if worth[k, component] > 0:
            found.append((k, max(float(excess[k, component]) * PART, float(least[k, component]))))
    return found


def _bracketed(evaluate: Callable[[Any], Any], low: Sample, high: Sample, least: float) -> tuple[Sample, Sample] | None:
    """The closest bracket of a jump of at least that height, None where there is none."""
    (x, v), (y, w) = low, high
    for _ in range(HALVINGS):
        middle = 0.5 * (x + y)
        if np.all((middle == x) | (middle == y)):
            break
        value = numbers(evaluate(middle))
        if not np.all(np.isfinite(value)) or value.shape != v.shape:
            return None
        left, right = (float(np.max(np.abs(d))) for d in (value - v, w - value))
        if max(left, right) < least:
            return None
        if left > right:
            y, w = middle, value
        else:
            x, v = middle, value
    return (x, v), (y, w)


def refuse_moving(evaluate: Callable[[Any], Any], samples: Sequence[Sample], what: str) -> None:
    """An error if a callback jumps between two samples, at a place that moves with captured traced values.

    Args:
        evaluate: the callback, argument -> plain value.
        samples: (argument, value); an argument is a number, or an array whose first component is the time.
        what: the callback, for the error.
    """
    by_time = {float(np.reshape(x, -1)[0].real): (x, numbers(v)) for x, v in samples}  # the last one of each time
    times = np.array(sorted(t for t in by_time if np.isfinite(t)))
    if len(times) < 4:
        return
    ordered = [by_time[t] for t in times.tolist()]
    width = len(ordered[0][1])
    if not width or any(len(v) != width for _, v in ordered):
        return
    table = np.stack([v for _, v in ordered])
    columns = np.concatenate([table.real, table.imag], axis=1) if np.iscomplexobj(table) else table
    for k, least in _suspects(times, columns):
        found = _bracketed(evaluate, ordered[k], ordered[k + 1], least)
        if found is not None and moves(evaluate, *found):
            x = np.reshape(found[0][0], -1)
            place = f"{float(x[0].real):.6g}"
            raise unsupported(
                f"{what} jumps at {place if len(x) == 1 else f't = {place}'}, "
                "and the place of the jump moves with differentiated values",
                "split the integral there, at the differentiated value itself (points=[...] of quad), or end the "
                "solution at an event",
            )


def moves(evaluate: Callable[[Any], Any], low: Sample, high: Sample) -> bool:
    """Whether a jump is no longer there, or is another one, when captured values change a little."""
    (x, v), (y, w) = low, high
    sides = []
    for at in (x, y):
        with _captured_changed():
            sides.append(np.array(numbers(evaluate(at))))
    was, now = w - v, sides[1] - sides[0]
    if was.shape != now.shape or not np.all(np.isfinite(now)):
        return True
    return bool(np.max(np.abs(now - was)) > 0.05 * np.max(np.abs(was)))


def refuse_sign_change(evaluate: Callable[[Any], Any], samples: Sequence[Sample], root: float, what: str) -> None:
    """An error if a function of one variable changes its sign at what was found as its root by a jump that moves.

    Args:
        evaluate: the function, on plain numbers.
        samples: the arguments and values that led to the root; both signs are among them, or there is nothing to say.
        root: what was found.
        what: SciPy's function, for the error.
    """
    nearest: dict[bool, Sample] = {}
    for x, v in sorted(samples, key=lambda s: -abs(float(np.reshape(s[0], ())) - root)):
        value = numbers(v)
        if value.size == 1 and value[0] != 0:
            nearest[bool(value[0] > 0)] = (float(np.reshape(x, ())), value)
    if len(nearest) < 2:
        return
    low, high = nearest[False], nearest[True]
    found = _bracketed(evaluate, low, high, PART * float(np.abs(high[1][0] - low[1][0])))
    if found is not None and moves(evaluate, *found):
        raise unsupported(
            f"{what}: the function changes sign at {found[0][0]:.6g}, but has no root there: it jumps, and the place "
            "of the jump moves with differentiated values",
            "return the place of the jump itself",
        )


class Samples:
    """Arguments and values of a callback, as many as are wanted of them."""

    def __init__(self) -> None:
        self.all: list[Sample] = []
        self.numbers = 0

    def add(self, x: Any, y: Any) -> None:
        value = np.array(y)
        self.all.append((x, value))
        self.numbers += np.size(x) + value.size
        if self.numbers > KEPT:
            self.all = self.all[::2]
            self.numbers = sum(np.size(a) + b.size for a, b in self.all)
