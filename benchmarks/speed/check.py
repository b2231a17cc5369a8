"""What a check costs beside the function that it calls: f takes a millisecond, has 1000 inputs and a right gradient.

The checkers are those of the detection benchmark, with their defaults. f is busy until the millisecond is over, so that
every evaluation costs the same; its gradient by hand costs nothing beside it.
"""

from __future__ import annotations

import importlib
import statistics
import sys
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.detection.adapters import CHECKERS, Row, quietly
from benchmarks.speed.gradients import threads
from benchmarks.speed.table import digits, duration, environment

EVALUATION = 1e-3
INPUTS = 1000
ROUNDS = 3
# Checkers that take longer than this run once.
LONG = 3.0


class Function:
    """sum c sin x, no sooner than after a millisecond; counts its calls."""

    def __init__(self, inputs: int, seconds: float) -> None:
        self.c = np.random.default_rng(0).uniform(0.5, 1.5, inputs)
        self.seconds = seconds
        self.calls = 0

    def __call__(self, x: Any) -> Any:
        over = time.perf_counter() + self.seconds
        self.calls += 1
        value = np.sum(self.c * np.sin(x))
        while time.perf_counter() < over:
            pass
        return value

    def gradient(self, x: Any) -> Any:
        return self.c * np.cos(x)


@dataclass
class _Record:
    verdict: str = ""
    evaluations: int = 0
    walls: list[float] = field(default_factory=list)


def once(name: str, inputs: int = INPUTS, seconds: float = EVALUATION) -> tuple[str, int, float]:
    """One check: its verdict, how often it called f, and how long it took."""
    f = Function(inputs, seconds)
    x = np.random.default_rng(1).uniform(-1.0, 1.0, inputs)
    start = time.perf_counter()
    outcome = quietly(CHECKERS[name].check, f, f.gradient, x)
    return outcome.verdict, f.calls, time.perf_counter() - start


def measured() -> tuple[list[str], list[list[str]], str]:
    """Head, lines and what stands below the table; the checkers in turn, three rounds."""
    lines: dict[str, _Record] = {}
    absent: list[str] = []
    for name, checker in CHECKERS.items():
        if _fails(name, checker, absent):
            continue
        lines[name] = _Record()
    for _ in range(ROUNDS):
        for name, record in lines.items():
            if record.walls and record.walls[0] > LONG:
                continue
            record.verdict, record.evaluations, wall = once(name)
            record.walls.append(wall)
            print(f"{CHECKERS[name].title}: {wall:.2f} s", file=sys.stderr, flush=True)
    head = ["", "verdict", "evaluations", "wall time", "over evaluations x 1 ms"]
    body = []
    for name, record in lines.items():
        wall = statistics.median(record.walls)
        share = digits(wall / (record.evaluations * EVALUATION)) if record.evaluations else "–"
        body.append([CHECKERS[name].title, record.verdict, str(record.evaluations), duration(wall), share])
    return head, body, "\n".join([environment(["torch", "jax", "autograd"], threads()), *absent])


def _fails(name: str, checker: Row, absent: list[str]) -> bool:
    """Run it once without the wait, for its imports; note why it cannot run."""
    try:
        importlib.import_module(checker.package)
        once(name, seconds=0.0)
    except Exception as error:
        absent.append(f"{checker.title}: {type(error).__name__}: {error}")
        return True
    return False
