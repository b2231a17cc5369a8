"""Peak memory of a gradient over that of the plain function, each in a process of its own.

The peak is that of the process's resident memory while the one call runs, beyond what it held before it (the argument
and data of f, the loaded libraries). On Linux the high-water mark is set back before the call; elsewhere ``ru_maxrss``
is read twice, which misses what stays below an earlier peak.

    python -m benchmarks.speed.memory PEER WORKLOAD     what the processes run: prints bytes; threads are inherited
"""

from __future__ import annotations

import gc
import os
import resource
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.speed.peers import PEERS, Unsupported, plain
from benchmarks.speed.workload import Workload
from benchmarks.speed.workloads import WORKLOADS

PLAIN = "plain"
NAMES = ("Rosenbrock n = 10^7", "MLP 500-1000-1, batch 10^4")
ROOT = Path(__file__).resolve().parents[2]
STATUS, MARK = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def _from_status(key: str) -> int:
    (line,) = (line for line in STATUS.read_text().splitlines() if line.startswith(key))
    return int(line.split()[1]) * 1024


def peak(run: Callable[[], Any]) -> int:
    """Bytes by which resident memory rises while ``run`` runs."""
    gc.collect()
    if STATUS.exists() and os.access(MARK, os.W_OK):
        MARK.write_text("5")  # sets the high-water mark to what is resident now
        before = _from_status("VmRSS")
        result = run()
        after = _from_status("VmHWM")
    else:
        unit = 1 if sys.platform == "darwin" else 1024
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
        result = run()
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    del result
    return after - before


def workload(name: str) -> Workload:
    (found,) = (w for w in WORKLOADS if w.name == name)
    return found


def child(peer: str, name: str) -> int:
    """The peak of one peer on one workload. What is loaded at the first call is loaded before, at the small size."""
    chosen = workload(name)
    prepare = plain if peer == PLAIN else PEERS[peer].prepare
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        prepare(chosen.small_problem()).run()
        ready = prepare(chosen.problem())
        return peak(ready.run)


def _measured(peer: str, name: str) -> int | str:
    """The peak from a process of its own, or why there is none."""
    command = [sys.executable, "-m", "benchmarks.speed.memory", peer, name]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        return (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1][:100]
    return int(done.stdout)


def _size(x: Any) -> int:
    return sum(part.nbytes for part in x) if isinstance(x, list) else int(np.asarray(x).nbytes)


def measured(peers: list[str], only: list[str]) -> tuple[list[str], list[list[str]]]:
    """Head and lines of the table: the peaks in MB, and over that of plain f."""
    head = ["", "x", "peak of plain f", "peer", "peak", "over plain f's", "with x"]
    body = []
    for name in NAMES:
        if only and not any(text in name for text in only):
            continue
        base, x = _measured(PLAIN, name), _size(workload(name).problem().x)
        if isinstance(base, str):
            raise RuntimeError(f"plain f: {base}")
        for peer in (p for p in peers if PEERS[p].only is None and p != "jax-compile"):
            found = _measured(peer, name)
            print(f"{name}: {peer}", file=sys.stderr, flush=True)
            cells = [f"fails: {found}", "", ""] if isinstance(found, str) else [
                _megabytes(found), f"{found / base:.2f}", f"{(found + x) / (base + x):.2f}"
            ]  # fmt: skip
            body.append([name, _megabytes(x), _megabytes(base), PEERS[peer].title, *cells])
    return head, body


def _megabytes(count: int) -> str:
    return f"{count / 1e6:.0f} MB"


if __name__ == "__main__":
    try:
        print(child(*sys.argv[1:]))
    except (ImportError, Unsupported) as reason:
        sys.exit(str(reason))
