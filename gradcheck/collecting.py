"""Garbage collection while much is made that stays: seldom.

A collection looks at every object, of which NumPy, SciPy and typer make hundreds of thousands: a tenth of the time to
the first check. From there on it is as Python has it, but for what is loaded by then, which is looked at no more.

So does a long tape: its records live until the sweep has been, and are so many that Python looks at all objects of the
process again and again. With PyTorch loaded that took as long as the gradient itself.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

# Allocations to the first, and the factors to the two that look at more.
SELDOM = (20_000, 50, 100)

_usual: tuple[int, int, int] | None = None


def seldom() -> None:
    """Collect seldom until :func:`as_usual`: for a process of our own."""
    global _usual
    _usual = gc.get_threshold()
    gc.set_threshold(*SELDOM)


def as_usual() -> None:
    """The end of the start, if there was one."""
    global _usual
    if _usual is not None:
        gc.freeze()
        gc.set_threshold(*_usual)
        _usual = None


# While a long tape is made and swept.
LONG_TAPE = (100_000, 10, 10)
_lock = threading.Lock()
_tapes = 0
_before: tuple[int, int, int] = LONG_TAPE


@contextmanager
def long_tape() -> Iterator[None]:
    """Collect seldom. (Tapes nest, and several threads may have one: the last to end restores what was.)"""
    global _tapes, _before
    with _lock:
        if not _tapes:
            _before = gc.get_threshold()
            if 0 < _before[0] < LONG_TAPE[0]:  # nobody switched it off, or collects more seldom
                gc.set_threshold(*LONG_TAPE)
        _tapes += 1
    try:
        yield
    finally:
        with _lock:
            _tapes -= 1
            if not _tapes and gc.get_threshold() == LONG_TAPE:  # else the function has set it
                gc.set_threshold(*_before)
