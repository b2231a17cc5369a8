"""Several checks at a time, each in a process of its own: ``--jobs``.

Beside the runner, with the same outcomes in the same order. A process is started anew (never forked: the user's
threads and locks would be), loads the user's modules for itself, and takes one item of the plan after the other. What
dies with a process (a crash in compiled code) is the check that it was at, not the run.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from typing import Any, cast

from gradcheck.configuration import Configuration
from gradcheck.discovery import Check, Failed, Plan, discover
from gradcheck.ignores import Comment
from gradcheck.outcomes import Interrupted, Outcome, Problem, Run
from gradcheck.runner import Progress, Running, Step
from gradcheck.settings import Settings


@dataclass(frozen=True)
class Done:
    """What came of one item of a plan."""

    outcomes: tuple[Outcome, ...]
    comments: dict[Comment, tuple[bool, int]]


Request = tuple[Sequence[str], Configuration]
Guard = Callable[[], AbstractContextManager[None]]

# Python's own: what the user's code calls by that name is refused while checks are running.
_leave = os._exit
# Seconds between two steps that a process tells of.
TELLING = 0.1


def run_in_processes(
    plan: Plan, settings: Settings, request: Request, jobs: int, progress: Progress | None, guard: Guard
) -> Run:
    """Carry out a plan as :func:`gradcheck.runner.run` does, ``jobs`` items at a time.

    Args:
        request: targets and configuration that the plan was made from: points that are Python values cannot be sent to
            another process, which makes the plan again for these.
        guard: entered in each process, around all that is the user's.
    """
    started = time.monotonic()
    pool = _Pool(plan, request, progress, guard)
    interrupted = None
    try:
        pool.work(jobs)
    except KeyboardInterrupt:
        done = sum(len(item.outcomes) for item in pool.done.values())
        interrupted = Interrupted(done, done + len(plan.items) - len(pool.done), ", ".join(sorted(pool.names())))
    finally:
        pool.close()
    running = Running(plan, None)
    for _, item in sorted(pool.done.items()):
        running.take(item.outcomes, item.comments)
    outcomes = running.with_unused_ignores() if interrupted is None else running.outcomes
    allow_empty = request[1].run_options().allow_empty
    return Run(tuple(outcomes), settings, time.monotonic() - started, allow_empty, interrupted)


class _Pool:
    """The processes, and what each is at."""

    def __init__(self, plan: Plan, request: Request, progress: Progress | None, guard: Guard) -> None:
        self.plan = plan
        self.request = request
        self.progress = progress
        self.guard = guard
        self.done: dict[int, Done] = {}
        self.waiting = [at for at, item in enumerate(plan.items) if isinstance(item, Check)]
        for at in set(range(len(plan.items))) - set(self.waiting):
            self.done[at] = _carried_out(plan.items[at], None)
        self.workers: dict[Connection, tuple[Any, int]] = {}
        self.context = multiprocessing.get_context("spawn")

    def work(self, jobs: int) -> None:
        for _ in range(min(jobs, len(self.waiting))):
            self.start()
        while self.workers:
            for connection in wait(list(self.workers)):
                self.hear(cast(Connection, connection))

    def start(self) -> None:
        """Start a process, if there is something for it to do."""
        if not self.waiting:
            return
        ours, theirs = self.context.Pipe()
        process = self.context.Process(
            target=_serve, args=(theirs, self.request, self.guard, self.progress is not None), daemon=True
        )
        process.start()
        theirs.close()
        self.workers[ours] = (process, -1)
        self.send(ours)

    def send(self, connection: Connection) -> None:
        """Give a process its next item, or let it go."""
        process, _ = self.workers[connection]
        at = self.waiting.pop(0) if self.waiting else -1
        item = self.plan.items[at] if at >= 0 else None
        # Points that are Python values are not sent.
        whole = isinstance(item, Check) and not item.points
        studies = item.studies if isinstance(item, Check) else 0
        with contextlib.suppress(OSError):  # it has died: hear() will be told
            connection.send((at, item if whole else None, studies))
        if at >= 0:
            self.workers[connection] = (process, at)
        else:
            del self.workers[connection]
            process.join()
            connection.close()

    def hear(self, connection: Connection) -> None:
        process, at = self.workers[connection]
        try:
            said = connection.recv()
        except (EOFError, OSError):
            process.join()
            del self.workers[connection]
            connection.close()
            self.done[at] = Done((self.died(at, process.exitcode),), {})
            self.start()
            return
        if isinstance(said, Step):
            if self.progress:
                finished = sum(len(item.outcomes) for item in self.done.values())
                checks = finished + len(self.plan.items) - len(self.done)
                self.progress(said._replace(finished=finished, checks=checks))
            return
        self.done[at] = said
        self.send(connection)

    def died(self, at: int, code: int | None) -> Outcome:
        item = self.plan.items[at]
        how = f"with signal {signal.Signals(-code).name}" if code is not None and code < 0 else f"with code {code}"
        problem = Problem(
            "GC010",
            f"the process of the check ended {how}",
            hint="compiled code that the function calls has crashed; --no-autodiff does not trace it",
        )
        argument = ", ".join(item.settings.argnum) if isinstance(item, Check) else item.argument
        name, expect = (item.name, item.expect) if isinstance(item, Check) else ("", "pass")
        return Outcome(item.target, argument, problem=problem, name=name, source=item.source, expect=expect)

    def names(self) -> list[str]:
        """The targets that are being checked."""
        return [self.plan.items[at].target for _, at in self.workers.values() if at >= 0]

    def close(self) -> None:
        for process, _ in self.workers.values():
            process.terminate()
        for process, _ in self.workers.values():
            process.join()


def _serve(connection: Connection, request: Request, guard: Guard, telling: bool) -> None:
    """What a process does: items of the plan, until there are no more. stdout is the run's stderr here."""
    # An interrupt is for the run, which ends its processes.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    plan: Plan | None = None
    told = 0.0

    def tell(step: Step) -> None:
        nonlocal told
        if time.monotonic() - told > TELLING:
            told = time.monotonic()
            connection.send(step)

    threading.Thread(target=_end_with_parent, daemon=True).start()
    with guard(), contextlib.suppress(EOFError, BrokenPipeError):  # the run has been killed
        while True:
            at, item, studies = connection.recv()
            if at < 0:
                return
            if item is None:
                plan = plan or discover(*request).studied(studies)
                item = plan.items[at]
            connection.send(_carried_out(item, tell if telling else None))


def _end_with_parent() -> None:
    """End this process when the one that has started it is gone, whatever a check is doing: nobody else would."""
    parent = multiprocessing.parent_process()
    assert parent is not None, "in a process of a run"
    wait([parent.sentinel])
    _leave(1)


def _carried_out(item: Check | Failed, progress: Progress | None) -> Done:
    running = Running(Plan((item,)), progress)
    running.item(item)
    return Done(tuple(_portable(outcome) for outcome in running.outcomes), running.comments)


def _portable(outcome: Outcome) -> Outcome:
    """The outcome without objects of the user's, whose classes another process may not have: their text instead."""
    if outcome.result is None:
        return outcome
    points = tuple(replace(point, args=tuple(map(_plain, point.args))) for point in outcome.result.points)
    return replace(outcome, result=replace(outcome.result, points=points))


def _plain(value: Any) -> Any:
    import numpy as np

    if isinstance(value, np.ndarray | np.generic):
        return value if value.dtype.kind != "O" else repr(value)
    return value if isinstance(value, int | float | complex | str | None) else repr(value)
