"""Problems times mutations: the labelled cases, and what is to be said of each.

class        what it is                                                       what must be said
right        the right gradient                                               pass; inconclusive is no fault where f's
                                                                              values do not determine it to 1e-6
kink         the right gradient, or a subgradient, at a kink                  anything but fail
bug          wrong by ten floors or more, and by 2e-7 or more                 fail
marginal     wrong by three to ten floors                                     anything but pass
undecidable  wrong by fewer                                                   anything
precision    rounded to float32, or wrong by less than 2e-7                   anything
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.detection.floors import DECIDABLE, UNDECIDABLE, Floors
from benchmarks.detection.mutate import Mutator, Pair
from benchmarks.detection.problem import Problem, load

#: No relative difference below this is called a bug.
SMALLEST = 2e-7


@dataclass(frozen=True)
class Label:
    """What is known of a case: plain data.

    Attributes:
        id: problem/label.
        kind: of bug; "right" for the right gradient.
        cls: see above.
        decidable: whether f's values suffice; always for ``bug``, never for ``marginal`` and below.
        relative: the largest relative error of an entry.
        floors: the same in floors.
        inputs: n.
        entries: of the whole Jacobian.
        wrong: how many of them are.
    """

    id: str
    kind: str
    cls: str
    decidable: bool
    relative: float
    floors: float
    inputs: int
    entries: int
    wrong: int


@dataclass(frozen=True)
class Case:
    """One pair of function and gradient, made afresh each time, with its label."""

    problem: Problem
    label: Label
    make: Callable[[], Pair]


def build(names: list[str] | None = None, seed: int = 0, labels: str = "") -> Iterator[Case]:
    """All cases of the problems whose name contains one of ``names``, the right gradient of each first."""
    chosen = load(names, seed)
    for number, name in enumerate(load(seed=seed)):
        if name in chosen:
            yield from (
                case for case in cases_of(chosen[name], number, seed) if labels in case.label.id.partition("/")[2]
            )


def cases_of(problem: Problem, number: int, seed: int = 0) -> Iterator[Case]:
    floors = Floors(problem)
    exact = problem.exact()
    yield _right(problem, exact, floors)
    for mutation in Mutator(problem, floors, number, seed).all():
        case = _wrong(problem, mutation.label, mutation.kind, mutation.make, exact, floors)
        if case is not None:
            yield case


def _right(problem: Problem, exact: np.ndarray, floors: Floors) -> Case:
    size = np.where(exact != 0, np.abs(exact), np.max(np.abs(exact), axis=1, keepdims=True))
    known = ~np.isnan(floors.value)
    decidable = bool(np.all((DECIDABLE * floors.value <= 1e-6 * size)[known])) and not problem.kinks
    cls = "kink" if problem.kinks else "right"
    label = Label(f"{problem.name}/right", "right", cls, decidable, 0.0, 0.0, problem.x.size, exact.size, 0)
    return Case(problem, label, lambda: (problem.f, problem.gradient()))


def _wrong(
    problem: Problem, label: str, kind: str, make: Callable[[], Pair], exact: np.ndarray, floors: Floors
) -> Case | None:
    """The case of a mutation; None if it changes nothing."""
    with np.errstate(all="ignore"):
        claim: Any = make()[1](problem.x.copy())
        claim = np.asarray(claim, dtype=float).reshape(exact.shape)
        gap = np.where(np.isnan(claim), np.inf, np.abs(claim - exact))
        gap[:, list(problem.kinks)] = 0.0
        relative = float(np.max(np.where(gap > 0, gap / np.abs(exact), 0.0)))
        known = ~np.isnan(floors.value)
        significance = float(np.max(np.where(gap > 0, gap / floors.value, 0.0)[known], initial=0.0))
    if not np.any(gap > 0):
        return None
    if kind == "precision" and relative > 1e-6:  # 1e-130 is zero in float32
        kind = "detached"
    if kind == "factor" and not _constant_ratio(claim, exact, gap > 0):
        kind = "term"
    if kind in ("transposed", "shifted", "permuted", "swapped") and not _rearranged(claim, exact):
        kind = "term"
    if kind == "precision" or relative < SMALLEST:
        cls = "precision"
    else:
        cls = "bug" if significance >= DECIDABLE else "marginal" if significance >= UNDECIDABLE else "undecidable"
    known_as = f"{problem.name}/{label}"
    sizes = problem.x.size, exact.size, int(np.sum(gap > 0))
    about = Label(known_as, kind, cls, cls == "bug", relative, significance, *sizes)
    return Case(problem, about, make)


def _constant_ratio(claim: np.ndarray, exact: np.ndarray, wrong: np.ndarray) -> bool:
    """Whether all wrong entries are the right ones times one number (a mark may say so of a part that is added to)."""
    with np.errstate(all="ignore"):
        ratio = claim[wrong] / exact[wrong]
        return bool(np.all(np.abs(ratio - ratio[0]) <= 1e-6 * np.abs(ratio[0])))


def _rearranged(claim: np.ndarray, exact: np.ndarray) -> bool:
    """Whether these are the right numbers in other places (a mark may sit where more is computed from them)."""
    return bool(np.allclose(np.sort(claim, axis=None), np.sort(exact, axis=None), rtol=1e-9, atol=0.0))
