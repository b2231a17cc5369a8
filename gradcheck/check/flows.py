"""What is claimed and what is true at one point, and what the derivative would be with some operands of f changed.

Part of the check floor, under ``blame.py``. A *group* is an operand of an expression of the user's, in all passes of
its loop or in one; a *fit* is a group with a change that gives exactly what is claimed.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gradcheck.check.source import Operand, line_of, operand_of, values_in
from gradcheck.numeric.scale import Array

if TYPE_CHECKING:
    from gradcheck.autodiff.edges import Change, Edge, Trail, Without

#: How far the derivative may be from a hypothesis: relative to its error, to its size, and to the largest entry.
OF_ERROR, OF_SIZE, OF_LARGEST = 1e-6, 1e-9, 1e-13
#: An entry is wrong, for these purposes, when it is off by so many times more than rounding could be.
CLEAR = 1e3
#: Wrong entries that are needed, over all points; for a factor that is itself taken from the data.
EVIDENCE, EVIDENCE_FREE = 3, 4
#: How far the error must differ between points, relatively, to tell a factor.
VARIES = 1e-3
#: From so many inputs on a step of the tape counts as several.
SIZE = 1000
#: Derivatives with so many numbers are kept.
KEPT = 2000
#: Passes through an operation that are looked at one by one.
PASSES = 16

#: The factors that have a name.
NAMED = {0.0: "GC141", -1.0: "GC142", 2.0: "GC143"}


class SpentError(Exception):
    """More would have to be tried than there is time for: what was not tried might fit as well as what did."""


class Meter:
    """How many steps of the tape may still be taken."""

    def __init__(self, left: int) -> None:
        self.left = left

    def spend(self, steps: int) -> None:
        """Take so many steps.

        Raises:
            SpentError: there are not so many left.
        """
        self.left -= steps
        if self.left < 0:
            raise SpentError


class Lacking(NamedTuple):
    """A change: what flows through an operand, times a power of something that stands in the expression.

    Attributes:
        text: what, as it is written; "" for nothing.
        power: negative where the derivative lacks it, positive where it has it too often.
        times: and times this number.
        without: a factor of the local derivative that is left out beside that.
    """

    text: str
    power: int
    times: float
    without: Without | None = None


@dataclass(frozen=True)
class Group:
    """Edges that are changed together: one operand of one expression of the user's.

    Attributes:
        key: what identifies them at every point.
        which: number of the pass that is meant, of how many; None for all passes.
        parts: of several operands that are changed alike, the groups of each.
    """

    key: tuple[object, ...]
    edges: tuple[Edge, ...]
    which: tuple[int, int] | None = None
    parts: tuple[Group, ...] = ()

    @property
    def last(self) -> int:
        return self.edges[-1].record

    @property
    def line(self) -> tuple[str, int]:
        return self.edges[0].stack[0].file, self.operand.line

    @functools.cached_property
    def operand(self) -> Operand:
        # In the first pass of a loop another operand may still be a constant; then it is not known which one this is.
        most = max(self.edges, key=lambda edge: edge.operands)
        if len({(edge.stack[0], edge.operand) for edge in self.edges if edge.operands == most.operands}) > 1:
            return line_of(most)  # several operands of a line
        return operand_of(most)


@dataclass(frozen=True)
class Fit:
    """A hypothesis that holds at every point."""

    group: Group
    change: float | Without | Lacking


class Site:
    """What is claimed and what is true at one point, each (seeds, n).

    Args:
        trail: of f.
        seeds: weights of the values, each of the value's shape.
        matrix: the derivative that is claimed, a row a value.
        meter: of the time that is left.
        base: changes that are made beside all others, and change nothing by themselves.
        columns: the entries of the input that are looked at; None for all.
    """

    def __init__(
        self,
        trail: Trail,
        seeds: Sequence[Array],
        matrix: Array,
        meter: Meter,
        base: Mapping[Edge, Change] | None = None,
    ) -> None:
        self.trail, self.seeds, self.matrix, self.meter, self.base = trail, seeds, matrix, meter, dict(base or {})
        self._whole: Site | None = None
        self.columns: Any = slice(None)
        self._scaled: dict[tuple[tuple[Edge, ...], float], Array] = {}
        self._values: dict[tuple[object, ...], Mapping[str, Array]] = {}
        self._compare(np.stack([w.reshape(-1) @ matrix for w in seeds]), self.with_changes({}))

    def _compare(self, claim: Array, truth: Array) -> None:
        self.claim, self.truth = claim, truth
        self.error = claim - truth
        size = np.maximum(np.abs(truth), np.abs(claim))
        self.rounding = OF_SIZE * size + OF_LARGEST * np.abs(truth).max(initial=0.0)
        self.tolerance = OF_ERROR * np.abs(self.error) + self.rounding
        self.wrong = np.abs(self.error) > CLEAR * self.rounding
        self.scales: dict[tuple[Edge, ...], float | None] = {}

    def only(self, columns: Array) -> Site:
        """The same of some entries of the input; what has been computed is not computed again."""
        part = copy.copy(self)
        part._whole, part.columns = self, columns
        part._compare(self.claim[:, columns], self.truth[:, columns])
        return part

    @property
    def partial(self) -> bool:
        """Whether these are some entries of the input only."""
        return self._whole is not None

    @property
    def step(self) -> int:
        """What one sweep costs, in steps of the tape."""
        return len(self.trail.records) * (1 + int(self.matrix.shape[1]) // SIZE)

    def with_changes(self, changes: Mapping[Edge, Change], seeds: int | None = None) -> Array:
        """The derivative with some edges changed; for the first seeds only.

        Raises:
            SpentError: there is no time left.
            ValueError: an edge cannot be changed like that.
        """
        changes = {**self.base, **changes}
        chosen = self.seeds[:seeds]
        self.meter.spend(len(chosen) * self.step)
        return np.stack([self.trail.cotangents(seed[()], changes)[self.columns] for seed in chosen])

    def scaled(self, edges: tuple[Edge, ...], q: float) -> Array:
        """The derivative with what flows through these edges multiplied by a number; kept."""
        if self._whole is not None:
            return self._whole.scaled(edges, q)[:, self.columns]
        if (edges, q) not in self._scaled:
            found = self.with_changes(dict.fromkeys(edges, q))
            if found.size > KEPT:
                return found
            self._scaled[edges, q] = found
        return self._scaled[edges, q]

    def cut(self, edges: tuple[Edge, ...]) -> Array:
        """The derivative without what flows through these edges."""
        return self.scaled(edges, 0.0)

    def fits(self, guess: Array) -> bool:
        """Whether the claim is this derivative."""
        return bool(np.all(np.abs(self.claim[: len(guess)] - guess) <= self.tolerance[: len(guess)]))

    def changes(self, edges: Sequence[Edge], change: float | Without | Lacking) -> dict[Edge, Change]:
        """A change of these edges, for the trail.

        Raises:
            ValueError: what they are to be multiplied by has no value there.
        """
        if not isinstance(change, Lacking):
            return dict.fromkeys(edges, change)
        from gradcheck.autodiff.edges import Times

        found: dict[Edge, Change] = {}
        for edge in edges:
            by: Any = change.times
            if change.text:
                value = self.values(edge).get(change.text)
                if value is None or (change.power < 0 and not np.all(value)):
                    raise ValueError(f"{change.text} cannot be a factor here")
                by = by * np.asarray(value, float) ** change.power
            found[edge] = Times(by, change.without)
        return found

    def values(self, edge: Edge) -> Mapping[str, Array]:
        """What stands in the operation of an edge, see :func:`values_in`."""
        key = (edge.record, edge.stack[0])
        if key not in self._values:
            self._values[key] = values_in(edge, self.trail.scope(edge))
        return self._values[key]

    @functools.cached_property
    def operands(self) -> dict[tuple[object, ...], list[Edge]]:
        """All operands of f, by expression, by call of the function that it is in, and by line and what they are."""
        found: dict[tuple[object, ...], list[Edge]] = {}
        for edge in self.trail.edges:
            found.setdefault((edge.kind, edge.operand, edge.stack[0]), []).append(edge)
            found.setdefault((edge.kind, edge.operand, edge.stack), []).append(edge)
            if edge.source is not None:
                line, (made, part) = edge.stack[0][:2], edge.source
                sources: list[tuple[object, ...]] = [(edge.stack[1:], made, part), (edge.stack[1:], made)]
                for source in (*sources, (made[:1], part), made[:1]):
                    found.setdefault(("all", line, *source), []).append(edge)
        return found

    @functools.cached_property
    def operations(self) -> dict[tuple[object, ...], list[Edge]]:
        """All operands of an expression together."""
        found: dict[tuple[object, ...], list[Edge]] = {}
        for edge in self.trail.edges:
            found.setdefault(("operation", edge.stack[0]), []).append(edge)
        return found

    def groups(self) -> Iterator[Group]:
        """The operands, in all passes through them and in single ones; the same edges once."""
        seen = set()
        for key, edges in self.operands.items():
            if tuple(edges) not in seen:
                seen.add(tuple(edges))
                yield Group(key, tuple(edges))
                if key[0] != "all" and 1 < len(edges) <= PASSES:
                    seen.update((edge,) for edge in edges)
                    yield from (Group(key, (edge,), (i, len(edges))) for i, edge in enumerate(edges, 1))

    def same(self, group: Group) -> Sequence[Edge]:
        """The edges that are a group of another point; none if f takes another branch here."""
        if group.parts:
            found = [self.same(part) for part in group.parts]
            return [edge for edges in found for edge in edges] if all(found) else ()
        edges = self.operands.get(group.key) or self.operations.get(group.key, [])
        if group.which is None:
            return edges
        number, passes = group.which
        return edges[number - 1 : number] if len(edges) == passes else ()

    def reached(self, group: Group) -> Array | None:
        """The derivative without a group, if what is wrong may be there: all wrong entries depend on it."""
        without = self.cut(group.edges)
        part = np.abs(self.truth - without)
        return None if np.any(self.wrong & (part <= self.rounding)) else without

    def owned(self, without: Array) -> bool:
        """Whether a factor that is missing here may be said to be missing here: where several entries are wrong
        and others right, and all of it flows through an operand, it may be missing anywhere on the way."""
        return not self.partial or self.claim.shape[1] == 1 or not bool(np.all(np.abs(without) <= self.rounding))

    def told_apart(self, without: Array) -> bool:
        """Whether what flows there is not all of the derivative, and nothing of it is in entries that are right."""
        part = np.abs(self.truth - without)
        return not np.all(np.abs(without) <= self.rounding) and not self.spills(part)

    def spills(self, part: Array) -> bool:
        """Whether something of a contribution is in entries that are right."""
        return bool(np.any((np.abs(part) > CLEAR * self.rounding) & (np.abs(self.error) <= self.rounding)))


def holds(fit: Fit, site: Site) -> bool:
    """Whether a hypothesis from another point holds here."""
    edges = site.same(fit.group)
    try:
        return bool(edges) and site.fits(site.with_changes(site.changes(edges, fit.change)))
    except ValueError:
        return False


def enough(sites: Sequence[Site]) -> bool:
    """Whether the data can tell a factor that was taken from them: several wrong entries, not the same at every point.

    An error of one entry that is a constant may be anything.
    """
    first = sites[0]
    varies = any(
        np.any(np.abs(site.error - first.error)[first.wrong] > VARIES * np.abs(first.error)[first.wrong])
        for site in sites[1:]
    )
    return (varies or int(first.wrong.sum()) >= EVIDENCE) and sum(int(s.wrong.sum()) for s in sites) >= EVIDENCE_FREE


def same_flow(a: Group, b: Group, site: Site) -> bool:
    """Whether the same flows through two groups: to cut both is to cut one."""
    both = site.cut(tuple(dict.fromkeys((*a.edges, *b.edges))))
    one = site.cut(b.edges)
    return bool(np.all(np.abs(both - one) <= site.tolerance))


def affordable(site: Site, budget: int) -> list[Group]:
    """The groups that there is time for: on a long tape only operands of all passes together, on a longer one none."""
    every = list(site.groups())
    for chosen in (every, [group for group in every if group.which is None and group.key[0] != "all"]):
        if len(chosen) * site.step <= budget:
            return chosen
    return []
