"""A limit to how long one call of the user's code may take, for the search for points: some arguments never end.

Beside ``search.py``. On POSIX a timer's signal raises an exception in the user's code, elsewhere a thread that
simulates Ctrl-C does; both on the main thread only, and only where Python gets to run: compiled code that does not
return is not interrupted. Code that catches everything catches this, too: what it returns then is not taken, and the
timer comes back.
"""

from __future__ import annotations

import _thread
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeVar

T = TypeVar("T")

#: Seconds between further attempts to interrupt code that has caught the first; after so many it is told.
AGAIN, STUBBORN = 1.0, 5


class OvertimeError(Exception):
    """The call took too long; ``frames`` are where it was, outermost first."""

    def __init__(self, frames: traceback.StackSummary) -> None:
        super().__init__("it took too long")
        self.frames = frames


class _Ring(BaseException):
    """Raised in the user's code."""


class _Alarm:
    """Raises :class:`_Ring` in the main thread while it is armed."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.armed = True
        self.rings = 0
        self.frames = traceback.StackSummary()

    def ring(self, _signal: int, frame: FrameType | None) -> None:
        stack = traceback.extract_stack(frame)
        # A module that is half imported would stay so.
        if not self.armed or any(f.filename.startswith("<frozen importlib") for f in stack):
            return
        self.frames = self.frames or stack
        self.rings += 1
        if self.rings == STUBBORN and sys.stderr is not None:
            sys.stderr.write(f"gradcheck: {self.name} does not return, and catches what would stop it\n")
        raise _Ring


def within(seconds: float, name: str, call: Callable[[], T]) -> T:
    """What a call returns, if it does so in time; without a limit where there are no means to set one.

    Raises:
        OvertimeError: it did not. What the call raises passes.

    >>> within(5.0, "f", lambda: 2)
    2
    """
    alarm = _Alarm(name)
    try:
        with _set(alarm, seconds):
            try:
                result = call()
            finally:
                alarm.armed = False
    except (Exception, _Ring):
        if alarm.rings:
            raise OvertimeError(alarm.frames) from None
        raise
    if alarm.rings:  # whatever it returned, it was disturbed
        raise OvertimeError(alarm.frames)
    return result


@contextmanager
def _set(alarm: _Alarm, seconds: float) -> Iterator[None]:
    """The alarm is set to ring after so long, and again and again."""
    if threading.current_thread() is not threading.main_thread():
        yield
    elif not hasattr(signal, "setitimer"):
        with _watchdog(alarm, seconds):
            yield
    elif signal.getitimer(signal.ITIMER_REAL)[0] > 0:  # somebody else's
        yield
    else:
        with _handling(signal.SIGALRM, alarm.ring):
            signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN)
            try:
                yield
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0.0)


@contextmanager
def _watchdog(alarm: _Alarm, seconds: float) -> Iterator[None]:
    """A thread that simulates Ctrl-C when the time is up."""
    done, biting = threading.Event(), threading.Event()

    def watch() -> None:
        wait = seconds
        while not done.wait(wait):
            biting.set()
            _thread.interrupt_main()
            wait = AGAIN

    def interrupted(number: int, frame: FrameType | None) -> None:
        if not biting.is_set():
            raise KeyboardInterrupt
        biting.clear()
        alarm.ring(number, frame)

    thread = threading.Thread(target=watch, daemon=True)
    with _handling(signal.SIGINT, interrupted):
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()


@contextmanager
def _handling(number: int, handler: Callable[[int, FrameType | None], Any]) -> Iterator[None]:
    """A handler of a signal for a while; one that the user's code sets in between stays."""
    before = signal.signal(number, handler)
    try:
        yield
    finally:
        if signal.getsignal(number) is handler or signal.getsignal(number) == handler:
            signal.signal(number, before)
