"""A bar on stderr that tells how far a run is: which check, how many are done, at what rate, how long it will take.

Part of the command line. Shown on a terminal only, and only for a run that takes a while; rich is loaded then.
"""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gradcheck.runner import Step

# A run that is over by then shows no bar.
PATIENCE = 1.0


def wanted(quiet: int) -> bool:
    """Whether stderr can show a bar, and the user wants one."""
    return not quiet and sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


class ProgressBar:
    """Follows the steps of a run; a context, at the end of which the bar is gone."""

    def __init__(self, color: bool = True) -> None:
        self._color = color
        self._started = time.monotonic()
        self._bar: Any = None
        self._task: Any = None
        self._rate = _Rate()

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def update(self, step: Step) -> None:
        """Take notice of a step."""
        self._rate.add(step)
        now = time.monotonic()
        if self._bar is None and now - self._started < PATIENCE:
            return
        opening = self._bar is None
        if opening:
            self._make()
        part = min(step.done / step.total, 1.0) if step.total else 0.0
        count = f"{step.finished}/{step.checks} checks" if step.checks > 1 else f"{step.done}/{step.total} evaluations"
        rate = self._rate.text(now - self._started)
        self._bar.update(
            self._task, total=step.checks, completed=step.finished + part, description=step.name, count=count, rate=rate
        )
        if opening:
            self._bar.start()

    def _make(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
        from rich.table import Column

        console = Console(stderr=True, markup=False, highlight=False, emoji=False, no_color=not self._color)
        name = Column(ratio=1, no_wrap=True, overflow="ellipsis")
        columns = (
            TextColumn("{task.description}", markup=False, table_column=name),
            BarColumn(bar_width=20 if console.width >= 80 else 8),
            TextColumn("{task.fields[count]}", markup=False),
            TextColumn("{task.fields[rate]}", markup=False),
            TimeRemainingColumn(compact=True),
        )
        # The user's prints go their own way, not through rich.
        self._bar = Progress(
            *columns, console=console, transient=True, expand=True, redirect_stdout=False, redirect_stderr=False
        )
        self._task = self._bar.add_task("", total=1, count="", rate="")


class _Rate:
    """Evaluations in all, and how many there are in a second."""

    def __init__(self) -> None:
        self._before = 0
        self._now = 0
        self._check: tuple[int, str] = (0, "")

    def add(self, step: Step) -> None:
        if (step.finished, step.name) != self._check:
            self._before += self._now
            self._now, self._check = 0, (step.finished, step.name)
        self._now = max(self._now, step.done)

    def text(self, seconds: float) -> str:
        rate = (self._before + self._now) / max(seconds, 1e-9)
        return f"{rate:.0f} calls/s" if rate >= 10 else f"{rate:.1f} calls/s"
