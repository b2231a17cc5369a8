"""The command: ``python -m benchmarks.speed [gradients|memory|check|startup] [options]``.

The number of threads is settled here, before anything loads NumPy.
"""

from __future__ import annotations

import argparse
import os
import sys


def options(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks.speed", description="Speed of gradcheck beside its peers.")
    parser.add_argument("what", nargs="?", default="gradients", choices=("gradients", "memory", "check", "startup"))
    parser.add_argument("--peers", help="names separated by commas; default: all")
    parser.add_argument("--only", action="append", default=[], metavar="TEXT", help="workloads whose name contains it")
    parser.add_argument("--set", default="default", dest="chosen", choices=("default", "readme"), help="which rows")
    parser.add_argument("--large", action="store_true", help="the large sizes as well")
    parser.add_argument("--seconds", type=float, default=0.5, help="for each workload and peer")
    parser.add_argument("--limit", type=float, default=30.0, help="seconds for a peer's first call")
    parser.add_argument("--threads", choices=("1", "default"), default="1")
    parser.add_argument("--markdown", action="store_true", help="print Markdown")
    parser.add_argument(
        "--update-docs", action="store_true", help="write the tables into docs/performance.md and README.md"
    )
    parser.add_argument("--list", action="store_true", help="print the names of workloads and peers, and stop")
    return parser.parse_args(arguments)


def settle_threads(count: str) -> None:
    """One thread for every library that is loaded later, or what the environment says; JAX on the CPU."""
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if count != "1":
        return
    for name in ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "NUMBA"):
        os.environ[f"{name}_NUM_THREADS"] = "1"
    os.environ["NPROC"] = "1"  # the size of XLA's thread pool
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_cpu_multi_thread_eigen=false".strip()


def main() -> None:
    chosen = options()
    settle_threads(chosen.threads)
    from benchmarks.speed import run

    sys.exit(run.run(chosen))


if __name__ == "__main__":
    main()
