"""Time of a derivative over time of the plain function, for every peer and every workload.

Each workload has a process of its own, with all peers in it: what one workload makes a library load or replace must not
count in the next.

    python -m benchmarks.speed.gradients WORKLOAD PEERS SECONDS LIMIT    what the processes run: prints JSON
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.speed.peers import PEERS, Peer, Ready, Unsupported, plain
from benchmarks.speed.timing import OutOfTime, Ratio, Times, interleaved, limit, quartiles, ratio
from benchmarks.speed.workload import Problem, Workload

PLAIN = "plain"
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Cell:
    """What became of one peer on one workload: a ratio, or a word in its place and the reason."""

    ratio: Ratio | None
    seconds: float = 0.0
    word: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Row:
    """A line of the table: the workload, the time of plain f, and a cell for each peer."""

    workload: str
    plain: Ratio
    cells: dict[str, Cell]

    @classmethod
    def read(cls, text: str) -> Row:
        """From JSON."""
        found = json.loads(text)
        cells = {
            name: Cell(**cell | {"ratio": cell["ratio"] and Ratio(**cell["ratio"])})
            for name, cell in found["cells"].items()
        }
        return cls(found["workload"], Ratio(**found["plain"]), cells)


def _first_line(error: BaseException) -> str:
    text = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {text[:120]}".rstrip(": ")


def _error(found: list[np.ndarray], expected: list[np.ndarray]) -> float:
    """The largest difference, relative to the largest entry; inf where the shapes are others."""
    worst = 0.0
    if len(found) != len(expected):
        return float("inf")
    for a, b in zip(found, expected, strict=True):
        if a.shape != b.shape or a.dtype.kind not in "fc":
            return float("inf")
        difference = float(np.max(np.abs(a - b), initial=0.0))
        worst = max(worst, difference / float(np.max(np.abs(b), initial=1e-300)))
        if np.isnan(difference):
            return float("inf")
    return worst


@dataclass(frozen=True)
class _Tried:
    """A peer that has run once: what to time, or the cell that says why not."""

    run: Callable[[], Any] | None
    arrays: list[np.ndarray]
    cell: Cell | None = None


def _attempt(peer: Peer, problem: Problem, seconds: float) -> _Tried:
    """Prepare a peer and run it once. Whatever it raises becomes the reason beside the table."""

    def gone(word: str, reason: str) -> _Tried:
        return _Tried(None, [], Cell(None, word=word, reason=reason))

    if peer.only and problem.operation not in peer.only:
        return gone("–", "")
    try:
        importlib.import_module(peer.package)
    except ImportError as error:
        return gone("–", f"not installed ({error})")
    try:
        with limit(seconds):
            ready: Ready = peer.prepare(problem)
            return _Tried(ready.run, ready.arrays(ready.run()))
    except Unsupported as error:
        return gone("–", str(error))
    except OutOfTime:
        return gone(f"> {seconds:g} s", f"the first call takes over {seconds:g} s")
    except Exception as error:
        return gone("fails", _first_line(error))


def _judged(name: str, tried: _Tried, expected: list[np.ndarray]) -> _Tried:
    """The same, or without anything to time if the derivative is not gradcheck's."""
    if tried.run is None or not expected:
        return tried
    error = _error(tried.arrays, expected)
    if error <= PEERS[name].tolerance:
        return tried
    if any(array.dtype == object for array in tried.arrays):
        reason = "the derivative is None"
    elif np.isinf(error):
        reason = "of another shape, or not finite"
    else:
        reason = f"off by {error:.1e} of the largest entry"
    return _Tried(None, [], Cell(None, word="WRONG", reason=reason))


def row(workload: Workload, peers: list[str], seconds: float, patience: float) -> Row:
    """Time plain f and the peers on one workload, in this process. Warnings of the peers are not shown.

    Args:
        seconds: given to each candidate.
        patience: seconds for a peer's first call.
    """
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        problem = workload.problem()
        expected = _attempt(PEERS["gradcheck"], problem, patience).arrays
        tried = {name: _judged(name, _attempt(PEERS[name], problem, patience), expected) for name in peers}
        runs = {PLAIN: plain(problem).run} | {name: t.run for name, t in tried.items() if t.run is not None}
        runs[PLAIN]()
        times = interleaved(runs, seconds)
    base = times[PLAIN]
    cells = {name: t.cell or _cell(times[name], base) for name, t in tried.items()}
    return Row(workload.name, quartiles([s for s in base.samples if s is not None]), cells)


def _cell(times: Times, base: Times) -> Cell:
    return Cell(ratio(times, base), times.median)


def rows(workloads: list[Workload], peers: list[str], seconds: float, patience: float) -> Iterator[Row]:
    """The rows one after another, each as soon as it is measured, in a process of its own.

    Raises:
        RuntimeError: such a process has died.
    """
    for workload in workloads:
        arguments = [workload.name, ",".join(peers), str(seconds), str(patience)]
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.speed.gradients", *arguments],
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{workload.name}: exit code {done.returncode}\n{done.stderr}")
        yield Row.read(done.stdout)


def threads() -> str:
    """How many threads the numerical libraries were told to use, for the line below the table."""
    return "one thread" if os.environ.get("OMP_NUM_THREADS") == "1" else f"default threads ({os.cpu_count()} cores)"


def main() -> None:
    from benchmarks.speed.workloads import WORKLOADS

    name, peers, seconds, patience = sys.argv[1:]
    (workload,) = (w for w in WORKLOADS if w.name == name)
    print(json.dumps(asdict(row(workload, peers.split(","), float(seconds), float(patience)))))


if __name__ == "__main__":
    main()
