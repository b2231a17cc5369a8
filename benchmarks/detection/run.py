"""Run checkers on cases and print the table.

    python -m benchmarks.detection                              every checker that is installed, every case
    python -m benchmarks.detection --checker gradcheck --problem barrier --label sign --verbose
    python -m benchmarks.detection --list                       the cases
    python -m benchmarks.detection --verify                     prove the right gradients

One thread a process. Evaluations are calls of f, whoever makes them, for each input of f, over the right gradients.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import platform
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import numpy as np  # noqa: E402

from benchmarks.detection import cases, score, verify  # noqa: E402
from benchmarks.detection.adapters import CHECKERS, Checker, Outcome, installed, quietly  # noqa: E402
from benchmarks.detection.problem import load  # noqa: E402


class _OutOfTime(Exception):
    pass


@contextlib.contextmanager
def _limit(seconds: int) -> Iterator[None]:
    """Raise after so many seconds of CPU time, where the system has timers for that."""
    if not hasattr(signal, "SIGPROF"):
        yield
        return

    def ring(*_: object) -> None:
        raise _OutOfTime(f"over {seconds} s")

    before = signal.signal(signal.SIGPROF, ring)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def run(checker: Checker, case: cases.Case, known: tuple[np.ndarray, np.ndarray], limit: int = 60) -> score.Row:
    """One checker on one case. A checker that raises or takes too long gives no verdict, which counts as inconclusive.

    Args:
        known: the derivative and how well it is known, from ``score.truth``.
        limit: in seconds of CPU time.
    """
    f, g = case.make()
    calls = [0]

    def counted(x: Any) -> Any:
        calls[0] += 1
        return f(x)

    start = time.process_time()
    try:
        with _limit(limit):
            outcome = quietly(checker, counted, g, case.problem.x.copy())
    except Exception as error:
        text = str(error).strip().partition("\n")[0]
        outcome = Outcome("inconclusive", note=f"no verdict: {type(error).__name__}: {text[:150]}")
    seconds = time.process_time() - start
    bars, outside = score.within(case, outcome.measured, *known)
    return score.Row(case.label, outcome.verdict, outcome.said, calls[0], seconds, bars, outside, outcome.note)


@dataclass(frozen=True)
class Job:
    """All chosen checkers on the cases of one problem: what a process is given."""

    problem: str
    checkers: tuple[str, ...]
    seed: int
    label: str
    limit: int


def work(job: Job) -> list[tuple[str, score.Row]]:
    """Every checker on every case of a problem."""
    problems = load(seed=job.seed)
    problem, number = problems[job.problem], list(problems).index(job.problem)
    chosen = [c for c in cases.cases_of(problem, number, job.seed) if job.label in c.label.id.partition("/")[2]]
    known = score.truth(problem)
    return [(name, run(CHECKERS[name].check, case, known, job.limit)) for case in chosen for name in job.checkers]


def run_all(jobs: list[Job], processes: int) -> dict[str, list[score.Row]]:
    """The rows of every checker, in the order of the problems; progress on stderr."""
    rows: dict[str, list[score.Row]] = {name: [] for name in jobs[0].checkers}
    spawn = multiprocessing.get_context("spawn")  # torch and JAX do not survive a fork
    with contextlib.ExitStack() as stack:
        pool = stack.enter_context(spawn.Pool(processes)) if processes > 1 else None
        for number, found in enumerate(pool.imap(work, jobs) if pool else map(work, jobs)):
            print(f"{number + 1} of {len(jobs)} problems: {jobs[number].problem}", file=sys.stderr, flush=True)
            for name, row in found:
                rows[name].append(row)
    return rows


def complaints(name: str, rows: list[score.Row]) -> Iterator[str]:
    """What is to be mended, a line each."""
    for r in rows:
        about = f"{r.case.id}  [{r.case.cls}, relative {r.case.relative:.1e}, {r.case.floors:.1e} floors]"
        if r.complaint:
            yield f"{name}: {r.complaint}: {about} {r.evaluations} evaluations {r.note}"
        if r.kind_right is False and CHECKERS[name].package == "gradcheck":
            yield f"{name}: kind {r.case.kind}: {about} said {', '.join(r.said)}"
        yield from (f"{name}: outside of its bar: {r.case.id} {text}" for text in r.outside)
    right = sorted((r for r in rows if r.case.cls == "right"), key=lambda r: -r.per_entry)
    yield from (f"{name}: dear: {r.case.id} {r.per_entry:.1f} an input, n = {r.case.inputs}" for r in right[:15])


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m benchmarks.detection", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checker", action="append", choices=CHECKERS, help="repeat it; default: all")
    parser.add_argument("--problem", action="append", help="problems whose name contains this; repeat it")
    parser.add_argument("--label", default="", help="cases whose label contains this")
    parser.add_argument("--seed", type=int, default=0, help="other data, points and places of bugs")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--limit", type=int, default=60, help="seconds of CPU time for a case")
    parser.add_argument("--json", action="store_true", help="figures and cases for programs")
    parser.add_argument("--verbose", action="store_true", help="what is wrong with each verdict; the dearest cases")
    parser.add_argument("--list", action="store_true", help="print the cases and stop")
    parser.add_argument("--verify", action="store_true", help="prove the right gradients and stop")
    return parser.parse_args()


def main() -> None:
    chosen = options()
    if chosen.verify:
        return _verify(chosen)
    if chosen.list:
        for case in cases.build(chosen.problem, chosen.seed, chosen.label):
            c = case.label
            print(f"{c.id:60} {c.kind:12} {c.cls:12} relative {c.relative:.1e}  floors {c.floors:.1e}")
        return None
    versions, absent = {}, {}
    for name in chosen.checker or CHECKERS:
        try:
            versions[name] = installed(name)
        except ImportError as error:
            absent[CHECKERS[name].title] = f"not installed ({error})"
    names = load(chosen.problem, chosen.seed)
    jobs = [Job(name, tuple(versions), chosen.seed, chosen.label, chosen.limit) for name in names]
    if not jobs or not versions:
        sys.exit("no problem, or no checker, is left: " + ", ".join(f"{title} {why}" for title, why in absent.items()))
    rows = run_all(jobs, chosen.jobs)
    figures = {name: score.summary(found) for name, found in rows.items()}
    if chosen.json:
        print(json.dumps(_document(figures, absent, rows, versions), indent=1))
        return None
    print(score.table({CHECKERS[name].title: s for name, s in figures.items()}, absent))
    used = ", ".join(f"{CHECKERS[n].package} {v}" for n, v in versions.items() if n == _first(n))
    count = len(next(iter(rows.values())))
    print(f"\n{len(names)} problems, {count} cases, seed {chosen.seed}; Python {platform.python_version()}, {used}")
    if chosen.verbose:
        for name, found in rows.items():
            print("\n".join(complaints(name, found)))
    return None


def _first(name: str) -> str:
    """The first checker of the same package."""
    return next(other for other, row in CHECKERS.items() if row.package == CHECKERS[name].package)


def _document(
    figures: dict[str, Any], absent: dict[str, str], rows: dict[str, list[score.Row]], versions: dict[str, str]
) -> dict[str, Any]:
    return {
        "versions": versions,
        "absent": absent,
        "figures": figures,
        "cases": [
            {
                "checker": name,
                "case": r.case.id,
                "kind": r.case.kind,
                "class": r.case.cls,
                "verdict": r.verdict,
                "complaint": r.complaint,
                "said": r.said,
                "kind_right": r.kind_right,
                "evaluations": r.evaluations,
                "inputs": r.case.inputs,
                "outside": r.outside,
                "note": r.note,
            }
            for name, found in rows.items()
            for r in found
        ],
    }


def _verify(chosen: argparse.Namespace) -> None:
    bad = 0
    for name, problem in load(chosen.problem, chosen.seed).items():
        gap = verify.worst(problem)
        bad += not gap <= problem.tolerance
        print(f"{name:30} {gap:.1e}{'' if gap <= problem.tolerance else '  WRONG'}")
    print(f"{bad} wrong")
    sys.exit(bool(bad))
