"""Times of several candidates, taken in turn, so that a slow moment of the machine falls on all of them."""

from __future__ import annotations

import contextlib
import math
import signal
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

# A sample is as many calls as take this long, so that neither the clock's own cost counts nor that of the first calls
# after another library's, for which caches and branch predictors still hold that one's code.
SAMPLE = 0.02
# What is faster than this is called once before each sample, so that caches hold its own data and not its neighbour's.
QUICK = 0.05
# Of what takes longer than the time given to it: as many samples, one only above LONG seconds.
SLOW_SAMPLES = 3
LONG = 5.0


@dataclass(frozen=True)
class Times:
    """Seconds a call, one for each round; None in a round that was left out."""

    samples: tuple[float | None, ...]

    @property
    def median(self) -> float:
        return statistics.median(s for s in self.samples if s is not None)


@dataclass(frozen=True)
class Ratio:
    """Median and quartiles."""

    median: float
    low: float
    high: float


def quartiles(values: list[float]) -> Ratio:
    """Median and quartiles of what may be a single value."""
    if len(values) == 1:
        return Ratio(values[0], values[0], values[0])
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return Ratio(median, low, high)


def ratio(times: Times, base: Times) -> Ratio:
    """How many times as long, round by round: both samples of a round were taken one after the other."""
    pairs = zip(times.samples, base.samples, strict=True)
    return quartiles([a / b for a, b in pairs if a is not None and b is not None])


class OutOfTime(Exception):
    pass


@contextlib.contextmanager
def limit(seconds: float) -> Iterator[None]:
    """Raise OutOfTime after so many seconds, where the system has timers for that; between two lines of Python only."""
    if not hasattr(signal, "setitimer"):
        yield
        return

    def ring(*_: object) -> None:
        raise OutOfTime(f"over {seconds:g} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _sample(run: Callable[[], Any], calls: int) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        run()
    return (time.perf_counter() - start) / calls


def _calls(run: Callable[[], Any], first: float) -> int:
    """How many calls make a sample: by what a call takes among many, of which the first tells little."""
    calls, taken = 1, first
    while taken * calls < SAMPLE / 4:
        calls = min(4 * calls, math.ceil(SAMPLE / 2 / taken))
        taken = max(_sample(run, calls), 1e-8)
    return math.ceil(SAMPLE / taken)


def interleaved(runs: Mapping[str, Callable[[], Any]], seconds: float) -> dict[str, Times]:
    """Time all candidates round by round; garbage is collected as in any other program.

    Args:
        runs: the candidates, already run once; the first is in every round.
        seconds: given to each of them. A candidate has a few samples even if it takes longer.
    """
    first = {name: max(_sample(run, 1), 1e-8) for name, run in runs.items()}
    for name, run in runs.items():
        if first[name] < LONG:  # once more, as what one of them has loaded another may look through at its next call
            first[name] = min(first[name], max(_sample(run, 1), 1e-8))
    calls = {name: _calls(run, first[name]) for name, run in runs.items()}
    base, *others = runs
    samples: dict[str, list[float | None]] = {name: [] for name in runs}
    spent = dict.fromkeys(runs, 0.0)
    counts = dict.fromkeys(runs, 0)

    def wants(name: str) -> bool:
        enough = 1 if counts[name] and spent[name] > LONG * counts[name] else SLOW_SAMPLES
        return spent[name] < seconds or counts[name] < enough

    while any(wants(name) for name in others or [base]):
        for name, run in runs.items():
            if name != base and not wants(name):
                samples[name].append(None)
                continue
            if first[name] < QUICK:
                run()
            taken = _sample(run, calls[name])
            samples[name].append(taken)
            spent[name] += taken * calls[name]
            counts[name] += 1
    return {name: Times(tuple(found)) for name, found in samples.items()}
