"""A factor that a hand-written derivative lacks, or has too often: one that stands in the expression of f.

Part of the check floor, under ``blame.py``; tried where no simpler hypothesis fits. Somebody who differentiates
``central / volume`` writes ``-central * dvolume / volume**2``, and may forget ``central``, or one ``volume``. So
what flows through an operand is multiplied by powers of all that stands in its operation, and its local derivative left
out, each up to a number. Beside that, two operands of one line that are wrong in the same way.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from gradcheck.check.flows import NAMED, Fit, Group, Lacking, Site, affordable
from gradcheck.check.hypotheses import BUDGET, scaling
from gradcheck.numeric.scale import Array

#: Powers of a factor that may be missing, or there too often.
POWERS = (-1, -2, 1, 2)
#: Numbers beyond a factor: how small and how large they may be, and those that need no mention.
SMALLEST, LARGEST = 1e-6, 1e6


def factors(site: Site) -> Iterator[Fit]:
    """What fits at one point, of single operands and of all operands of an operation together."""
    for group in _candidates(site):
        yield from _lacking(site, group)


def pairs(site: Site) -> Iterator[Fit]:
    """Two operands of one line, both left out, with the wrong sign or counted twice."""
    by_line: dict[tuple[object, ...], list[tuple[Group, Array]]] = {}
    for group in affordable(site, BUDGET):
        part = np.abs(site.truth - site.cut(group.edges)) > site.rounding
        if group.which is None and group.key[0] != "all" and np.any(part):
            by_line.setdefault(group.line, []).append((group, part))
    for together in by_line.values():
        for (a, in_a), (b, in_b) in itertools.combinations(together, 2):
            # What is wrong must go through one of them; and what goes through them be wrong.
            reached = np.logical_or(in_a, in_b)
            if not np.any(site.wrong & ~reached) and not site.spills(np.where(reached, np.inf, 0.0)):
                edges = tuple(dict.fromkeys((*a.edges, *b.edges)))
                yield from _alike(site, Group(("pair", a.key, b.key), edges, None, (a, b)))


def _alike(site: Site, both: Group) -> Iterator[Fit]:
    for q in NAMED:
        if not site.fits(site.with_changes(dict.fromkeys(both.edges, q), seeds=1)):
            continue
        if site.told_apart(site.cut(both.edges)) and site.fits(site.scaled(both.edges, q)):
            yield Fit(both, q)


def _candidates(site: Site) -> Iterator[Group]:
    """Operands through which all that is wrong flows."""
    every = [g for g in affordable(site, BUDGET) if g.which is None and g.key[0] != "all"]
    operations = [Group(key, tuple(edges)) for key, edges in site.operations.items() if edges[0].operands > 1]
    seen = set()
    for group in (*every, *operations):
        if group.edges not in seen and all(edge.kind == "operation" for edge in group.edges):
            seen.add(group.edges)
            without = site.reached(group)
            if without is not None and site.owned(without) and not site.spills(site.truth - without):
                yield group


def _lacking(site: Site, group: Group) -> Iterator[Fit]:
    from gradcheck.autodiff.edges import Without

    without = site.cut(group.edges)
    q = scaling(site, group, without)
    first = max(group.edges, key=lambda edge: edge.record)
    for text, value in site.values(first).items():
        if not np.all(np.isfinite(value)) or not np.any(value):
            continue
        if not _constant(site, group, text, value):
            yield from _fitting(site, group, [Lacking(text, power, 1.0) for power in POWERS])
        elif q:
            # At this point it is a number like any other; at the others it will show.
            number = float(np.ravel(value)[0])
            for power in POWERS:
                yield Fit(group, Lacking(text, power, _rounded(q * number**-power)))
    for k in range(min(edge.factors for edge in group.edges)):
        if all(site.trail.possible(edge, Without(k)) for edge in group.edges):
            yield from _fitting(site, group, [Lacking("", 0, 1.0, Without(k))])


def _constant(site: Site, group: Group, text: str, value: Array) -> bool:
    """Whether something is the same number wherever the operands are passed."""
    number = np.ravel(value)[0]
    every = (value if edge is group.edges[0] else site.values(edge).get(text, np.nan) for edge in group.edges)
    return all(bool(np.all(v == number)) for v in every)


def _fitting(site: Site, group: Group, changes: Sequence[Lacking]) -> Iterator[Fit]:
    for change in changes:
        times = _fitted(site, group, change)
        if times is not None:
            yield Fit(group, change._replace(times=times))


def _fitted(site: Site, group: Group, change: Lacking) -> float | None:
    """The number beside a change with which it gives the claim; None if there is none."""
    without = site.cut(group.edges)
    try:
        once = site.with_changes(site.changes(group.edges, change), seeds=1)
        if site.fits(once) and site.fits(site.with_changes(site.changes(group.edges, change))):
            return 1.0
        k = len(once)
        part, wanted = once - without[:k], site.claim[:k] - without[:k]
        if not np.all(np.isfinite(part)):
            return None
        weight = 1.0 / np.maximum(site.rounding[:k], 1e-300)
        weight = (weight / weight.max()) ** 2
        scale = float(np.sum(weight * part * part))
        times = float(np.sum(weight * wanted * part)) / scale if scale > 0 else 0.0
        # Where the operation is passed more than once this need not be so, and then the number is not found.
        if not SMALLEST < abs(times) < LARGEST or not site.fits(without[:k] + times * part):
            return None
        guess = site.with_changes(site.changes(group.edges, change._replace(times=times)))
    except ValueError:
        return None
    return _rounded(times) if site.fits(guess) else None


def _rounded(times: float) -> float:
    """A number that is meant, where it is one."""
    near = round(times * 12) / 12
    return near if near and abs(times - near) <= 1e-6 * abs(near) else times


def plain(fit: Fit) -> bool:
    """Whether the number beside a factor is one that somebody forgets, or none."""
    return not isinstance(fit.change, Lacking) or abs(fit.change.times) in (0.5, 1.0, 2.0)


def simplest(fits: Sequence[Fit]) -> list[Fit]:
    """Of factors that fit those that need the least explanation."""
    best = min(_rank(fit) for fit in fits)
    return [fit for fit in fits if _rank(fit) == best]


def _rank(fit: Fit) -> tuple[int, int]:
    change = fit.change
    assert isinstance(change, Lacking)
    return (0 if change.times == 1.0 else 1 if change.times in (-1.0, 0.5, 2.0) else 2), abs(change.power)
