"""All workloads, in the order of the table."""

from __future__ import annotations

from benchmarks.speed.workload import Workload
from benchmarks.speed.workloads import arrays, fitting, loops, matrices, of_fixtures

WORKLOADS: list[Workload] = [
    *loops.WORKLOADS,
    *arrays.WORKLOADS,
    *fitting.WORKLOADS,
    *matrices.WORKLOADS,
    *of_fixtures.WORKLOADS,
]


def chosen(only: list[str], sets: str = "default", large: bool = False) -> list[Workload]:
    """The workloads of a set whose names contain one of ``only`` (any, where it is empty).

    A workload asked for by its whole name is taken whatever its set is.
    """
    wanted = {sets, "large"} if large else {sets}
    return [
        w
        for w in WORKLOADS
        if w.name in only or (wanted.intersection(w.sets) and (not only or any(text in w.name for text in only)))
    ]
