"""Garbage collection while the command starts: seldom, since what is loaded stays.

A collection looks at every object, of which NumPy, SciPy and typer make hundreds of thousands: a tenth of the time to
the first check. From there on it is as Python has it, but for what is loaded by then, which is looked at no more.
"""

from __future__ import annotations

import gc

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
