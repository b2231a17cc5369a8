"""What the command costs beside Python and the imports that it cannot do without, whole processes in turn."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.speed.table import digits, duration
from benchmarks.speed.timing import Times, ratio

ROOT = Path(__file__).resolve().parents[2]
ROUNDS = 11

SCALAR = ["fixtures/morse.py:potential", "--at", "r=0.9"]
TEN = [
    *("fixtures/morse.py:potential", "fixtures/logistic.py:loss", "fixtures/mlp.py:loss", "fixtures/heat.py:cost"),
    *("fixtures/softmax.py:cross_entropy", "fixtures/kalman.py:nll", "fixtures/decay.py:residuals"),
    *("fixtures/pde.py:misfit", "fixtures/quadrature.py:f", "fixtures/epidemic.py:cost"),
]
# What a check loads of other packages: the report, arrays, SciPy's finite differences, and what typer loads as soon as
# it reads a command line (newer versions: pydantic).
NEEDED = "import typer, rich.console, numpy, scipy.differentiate; typer.run(lambda: None)"

# Each command beside what it is measured against.
PAIRS: dict[str, tuple[list[str], list[str]]] = {
    "gradcheck --help": (["--help"], ["-c", "import typer, rich.console"]),
    "gradcheck --version": (["--version"], ["-c", "import typer, rich.console"]),
    f"gradcheck {' '.join(SCALAR)}": (SCALAR, ["-c", NEEDED]),
    "gradcheck, ten targets": (TEN, ["-c", NEEDED]),
}


def command() -> list[str]:
    """The console script of this Python, or ``python -m gradcheck`` where there is none."""
    script = Path(sys.executable).with_name("gradcheck")
    return [str(script)] if script.exists() else [sys.executable, "-m", "gradcheck"]


def _run(arguments: list[str]) -> None:
    """Raises CalledProcessError where the command fails."""
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    subprocess.run(arguments, cwd=ROOT, check=True, capture_output=True, env={**os.environ, "PYTHONPATH": path})


def measured(rounds: int = ROUNDS) -> tuple[list[str], list[list[str]]]:
    """Head and lines of the table."""
    runs: dict[str, Callable[[], None]] = {"python -c pass": partial(_run, [sys.executable, "-c", "pass"])}
    for ours, beside in PAIRS.values():
        runs[" ".join(ours)] = partial(_run, [*command(), *ours])
        runs[" ".join(beside)] = partial(_run, [sys.executable, *beside])
    samples: dict[str, list[float | None]] = {name: [] for name in runs}
    for run in runs.values():
        run()  # byte code is compiled and files are in memory
    for done in range(rounds):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            samples[name].append(time.perf_counter() - start)
        print(f"round {done + 1} of {rounds}", file=sys.stderr, flush=True)
    times = {name: Times(tuple(found)) for name, found in samples.items()}
    head = ["", "median", "beside", "median", "ratio"]
    body = [["python -c pass", duration(times["python -c pass"].median), "", "", ""]]
    for title, (ours, beside) in PAIRS.items():
        a, b = times[" ".join(ours)], times[" ".join(beside)]
        found = ratio(a, b)
        shown = f"{digits(found.median)} ±{digits((found.high - found.low) / 2)}"
        body.append([title, duration(a.median), f'python -c "{beside[1]}"', duration(b.median), shown])
    return head, body
