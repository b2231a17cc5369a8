"""Wrong gradients, made mechanically of right ones, each with the kind of bug it is.

A :class:`Mutation` has fresh state every time it is made. Which entry is hit is decided here, once, from the seed. The
bugs that need the inside of a gradient (a missing term, a lost reduction) are the marks of ``problem.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.detection.floors import Floors
from benchmarks.detection.problem import Problem, generator

Pair = tuple[Callable[[Any], Any], Callable[[Any], Any]]


@dataclass(frozen=True)
class Mutation:
    """One bug: its label within the problem, its kind, and what makes (f, g)."""

    label: str
    kind: str
    make: Callable[[], Pair]


class Mutator:
    """Makes the mutations of one problem.

    ``number`` is the problem's place in the list: what is done to every second or third problem only goes by it, so
    that all of it is done somewhere and no problem takes forever.
    """

    def __init__(self, problem: Problem, floors: Floors, number: int, seed: int = 0) -> None:
        self.problem, self.floors, self.number = problem, floors, number
        self.rng = generator("mutations", problem.name, seed)
        self.exact = problem.exact()
        self.places = [(i, int(j)) for j in floors.columns for i in range(len(self.exact)) if self.exact[i, j] != 0]

    def all(self) -> Iterator[Mutation]:
        for group in (self.values, self.whole, self.order, self.added, self.entries, self.special, self.marked):
            yield from group()

    def on_output(self, label: str, kind: str, change: Callable[[np.ndarray], np.ndarray]) -> Mutation:
        """g'(x) = change(g(x)) with g(x) as an (m, n) array."""
        p = self.problem

        def g(x: Any) -> Any:
            value = np.array(p.gradient()(x))
            return np.asarray(change(value.reshape(-1, p.x.size)), dtype=value.dtype).reshape(value.shape)

        return Mutation(label, kind, lambda: (p.f, g))

    def at(self, label: str, kind: str, place: tuple[int, int], change: Callable[[Any], Any]) -> Mutation:
        def changed(J: np.ndarray) -> np.ndarray:
            J[place] = change(J[place])
            return J

        return self.on_output(label, kind, changed)

    def place(self) -> tuple[int, int]:
        return self.places[int(self.rng.integers(len(self.places)))]

    def values(self) -> Iterator[Mutation]:
        """One value off, by a fraction of itself or by so many floors."""
        for k in {1 + self.number % 6, 1 + (self.number + 3) % 6, 1 + (self.number + 4) % 6}:
            factor = 1 + float(self.rng.choice([-1.0, 1.0])) * 10.0**-k
            yield self.at(f"value off by 1e-{k}", "single", self.place(), lambda v, factor=factor: v * factor)
        floor = self.floors.value
        known = [p for p in self.places if np.isfinite(floor[p]) and floor[p] > 0]
        if known:
            worst = max(known, key=lambda p: floor[p] / abs(self.exact[p]))
            for k in (30, 1):
                gap = k * floor[worst]
                if gap > 1e-6 * abs(self.exact[worst]):  # smaller ones are below what is called an error
                    yield self.at(f"value off by {k} floors", "single", worst, lambda v, gap=gap: v + gap)

    def whole(self) -> Iterator[Mutation]:
        """Sign and factor."""
        n = self.problem.samples or self.problem.x.size
        yield self.on_output("sign", "sign", lambda J: -J)
        two = [2.0, 0.5][self.number % 2]
        yield self.on_output(f"times {two:g}", "factor", lambda J: J * two)
        if n > 2:
            many, name = [(float(n), f"{n}"), (1.0 / n, f"1/{n}")][self.number // 2 % 2]
            yield self.on_output(f"times {name}", "factor", lambda J: J * many)
        if self.number % 3 == 0:
            yield self.on_output("times 1.001", "factor", lambda J: J * 1.001)
        if self.number % 3 == 1:
            yield self.on_output("float32", "precision", lambda J: J.astype(np.float32))

    def order(self) -> Iterator[Mutation]:
        """Right numbers in wrong places."""
        p, n = self.problem, self.problem.x.size
        shape = (*np.shape(p.f(p.x.copy())), *p.x.shape)
        if n > 1 and len(self.exact) == n and p.x.ndim == 1:
            yield self.on_output("transposed", "transposed", lambda J: J.T)
        if p.x.ndim == 2 and p.x.shape[0] == p.x.shape[1] and len(shape) == 2:
            yield self.on_output("transposed", "transposed", lambda J: J.reshape(p.x.shape).T)
        if p.kinks or n < 3:
            return
        if self.number % 2:
            yield self.on_output("shifted by one", "shifted", lambda J: np.roll(J, 1, axis=1))
        else:
            permutation = self.rng.permutation(n)
            yield self.on_output("permuted", "permuted", lambda J: J[:, permutation])
        if self.number % 3 == 0:
            a, b = self.rng.choice(self.floors.columns, 2, replace=False)
            yield self.on_output("two exchanged", "permuted", lambda J: _exchanged(J, int(a), int(b)))

    def added(self) -> Iterator[Mutation]:
        """A difference that is proportional to x, to its sign, or constant: somebody else's regulariser."""
        x = np.asarray(self.problem.x, dtype=float).ravel()
        forms: dict[str, Callable[[Any], Any]] = {"x": lambda x: x, "sign x": np.sign, "one": np.ones_like}
        name = list(forms)[self.number % 3]
        form = forms[name]
        term = form(x)
        with np.errstate(all="ignore"):
            ratio = np.abs(self.exact[:, term != 0] / term[term != 0])
        if self.problem.kinks or x.size < 3 or len(self.exact) > 1 or not ratio.size or not np.any(ratio > 0):
            return
        weight = 0.05 * float(np.median(ratio[ratio > 0]))
        gradient = self.problem.gradient

        def g(x: Any) -> Any:
            value = np.array(gradient()(x))
            extra = weight * form(np.asarray(x, dtype=float)).reshape(value.shape)
            return np.asarray(value + extra, dtype=value.dtype)

        yield Mutation(f"plus a multiple of {name}", "regulariser", lambda: (self.problem.f, g))

    def entries(self) -> Iterator[Mutation]:
        """Entries zero, nan, or with the wrong sign."""
        yield self.at("one zero", "detached", self.place(), lambda v: 0 * v)
        if self.problem.x.size > 1:
            yield self.at("one sign", "sign", self.place(), lambda v: -v)
        if self.number % 2:
            yield self.at("one nan", "nan", self.place(), lambda v: v * np.nan)
        else:
            yield self.on_output("all zero", "detached", lambda J: 0 * J)
        if self.problem.x.size >= 6:
            start = int(self.rng.integers(self.problem.x.size // 2))
            block = slice(start, start + self.problem.x.size // 3)
            yield self.on_output("a block zero", "detached", lambda J: _scaled(J, block, 0.0))
            if self.number % 2:
                yield self.on_output("a block's sign", "sign", lambda J: _scaled(J, block, -1.0))

    def special(self) -> Iterator[Mutation]:
        """Gradients that remember another point."""
        p = self.problem
        with np.errstate(all="ignore"):
            near = (p.x * (1 + 1e-2 * self.rng.choice([1.0, -1.0], p.x.shape))).astype(p.x.dtype)
        near = np.where(near == 0, self.rng.choice([1e-2, 2e-2], p.x.shape).astype(p.x.dtype), near)
        for k in p.kinks:
            near.reshape(-1)[k] = p.x.flat[k]
        right = p.gradient()
        with np.errstate(all="ignore"):
            if not np.all(np.isfinite(right(near))):  # outside the domain
                return
        name, make = [("cached at the first point", _cached), ("of the call before", _late)][self.number % 2]
        yield Mutation(name, "stale", lambda: make(p.f, right, near))

    def marked(self) -> Iterator[Mutation]:
        """The marks that g itself has."""
        p = self.problem
        for mark in p.marks():
            yield Mutation(mark, mark.partition(":")[0], lambda mark=mark: (p.f, p.gradient(mark)))


def _exchanged(J: np.ndarray, a: int, b: int) -> np.ndarray:
    J[:, [a, b]] = J[:, [b, a]]
    return J


def _scaled(J: np.ndarray, block: slice, factor: float) -> np.ndarray:
    J[:, block] *= factor
    return J


def _cached(f: Callable[[Any], Any], g: Callable[[Any], Any], near: np.ndarray) -> Pair:
    once = g(near.copy())
    return f, lambda x: np.array(once)


def _late(f: Callable[[Any], Any], g: Callable[[Any], Any], near: np.ndarray) -> Pair:
    seen = [near.copy()]

    def late(x: Any) -> Any:
        out = g(seen[-1])
        seen.append(np.array(x))
        return out

    return f, late
