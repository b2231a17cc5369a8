"""Two mistakes at once: two operands of f, each left out, with the wrong sign or counted twice.

Part of the check floor, under ``blame.py``; tried last. The operands must lie on different ways to the value, so that
what the two mistakes make wrong adds up: then all pairs can be compared at the price of the single ones. Each pair
that adds up to the error is computed in full, at every point.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from gradcheck.check.flows import CLEAR, NAMED, Fit, Site, affordable
from gradcheck.check.hypotheses import BUDGET
from gradcheck.numeric.scale import Array

#: Entries that pairs are compared in, and single mistakes that are combined: more would take too long.
COMPARED, MOST = 12, 1500
#: Wrong entries that are needed, over all points, and pairs that may fit: more can mean anything.
EVIDENCE, AT_MOST = 6, 60

Pair = tuple[Fit, Fit]


def twofold(sites: Sequence[Site]) -> list[Pair]:
    """The pairs of mistakes that give what is claimed at every point; none if too many do.

    Raises:
        SpentError: there is no time left.
    """
    if sum(int(s.wrong.sum()) for s in sites) < EVIDENCE:
        return []
    found = []
    for pair in _adding_up(sites[0]):
        if all(_hold(pair, site) for site in sites):
            found.append(pair)
            if len(found) > AT_MOST:
                return []
    return found


def _adding_up(site: Site) -> Iterator[Pair]:
    """Pairs whose errors add up to what is wrong at one point."""
    mistakes = list(_mistakes(site))
    if not 1 < len(mistakes) <= MOST:
        return
    worst = np.argsort(-np.abs(site.error / np.maximum(site.rounding, 1e-300)), axis=None)[:COMPARED]
    errors = np.stack([error.ravel()[worst] for _, error in mistakes])
    tolerance = site.tolerance.ravel()[worst]
    wanted = site.error.ravel()[worst]
    for i, (first, error) in enumerate(mistakes):
        # What rounding makes of a difference of large contributions does not matter: the pair is computed in full.
        adds = np.all(np.abs(wanted - errors[i] - errors[i + 1 :]) <= tolerance + 1e-9 * np.abs(errors[i]), axis=1)
        for j in np.flatnonzero(adds):
            second, other = mistakes[i + 1 + int(j)]
            if _distinct(site, error, other):
                yield first, second


def _mistakes(site: Site) -> Iterator[tuple[Fit, Array]]:
    """Each single mistake that is part of what is wrong, and what it makes wrong."""
    for group in affordable(site, BUDGET):
        if group.which is not None or group.key[0] == "all":
            continue
        part = site.truth - site.cut(group.edges)
        if np.all(np.abs(part) <= CLEAR * site.rounding) or site.spills(part):
            continue
        for q in NAMED:
            error = (q - 1.0) * part if len(group.edges) == 1 else site.scaled(group.edges, q) - site.truth
            yield Fit(group, q), error


def _distinct(site: Site, a: Array, b: Array) -> bool:
    """Whether two errors are not one a multiple of the other: of the same operand, there would be many such pairs."""
    a, b = a.ravel(), b.ravel()
    norm = float(a @ a)
    return bool(np.any(np.abs(b - a * (a @ b) / norm) > CLEAR * site.rounding.ravel())) if norm > 0 else False


def _hold(pair: Pair, site: Site) -> bool:
    changes = {}
    for fit in pair:
        edges = site.same(fit.group)
        if not edges or not isinstance(fit.change, float):
            return False
        changes.update(dict.fromkeys(edges, fit.change))
    return site.fits(site.with_changes(changes))
