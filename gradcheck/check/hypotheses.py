"""One operand of f that a hand-written derivative has wrong: left out, its sign flipped, counted twice, scaled, or
without its chain factor.

Part of the check floor, under ``blame.py``: the simplest hypotheses, which are tried first, for every operand.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import numpy as np

from gradcheck.check.flows import NAMED, Fit, Group, Site, affordable
from gradcheck.numeric.scale import Array

#: Steps of the tape that may be spent on leaving out operands.
BUDGET = 500_000
#: Factors that have no name: steps towards one, how far they are looked for, and where one is a matter of one sweep.
STEPS, FAR, LARGEST = 24, 20.0, 1e6


def single(site: Site) -> Iterator[Fit]:
    """What fits at one point."""
    for group in affordable(site, BUDGET):
        without = site.reached(group)
        if without is None:
            continue
        if site.told_apart(without):
            q = scaling(site, group, without)
            if q is not None:
                yield Fit(group, q)
        if site.owned(without):
            yield from _factors(site, group)


def scaling(site: Site, group: Group, without: Array) -> float | None:
    """The number that the contribution of the edges must be multiplied by to give the claim; None if there is none.

    Args:
        without: the derivative without that contribution.
    """
    if group.edges not in site.scales:
        site.scales[group.edges] = _scaling(site, group, without)
    return site.scales[group.edges]


def _scaling(site: Site, group: Group, without: Array) -> float | None:
    def rest(q: float) -> Array:
        return site.claim - site.scaled(group.edges, q)

    if len(group.edges) == 1:
        part = site.truth - without
        weight = 1.0 / np.maximum(site.rounding, 1e-300)
        weight = (weight / weight.max()) ** 2
        q = float(np.sum(weight * (site.claim - without) * part) / np.sum(weight * part * part))
        fits = abs(q) < LARGEST and bool(np.all(np.abs(rest(q)) <= site.tolerance))
        return _rounded(q) if fits else None
    # Passed more than once: the derivative is no linear function of the factor.
    known = {1.0: site.error, 0.0: site.claim - without}
    for q in NAMED:
        known[q] = known[q] if q in known else rest(q)
        if np.all(np.abs(known[q]) <= site.tolerance):
            return q
    if site.partial:  # a second time that would take too long
        return None
    for wide in (None, -FAR, FAR):
        if wide is not None:
            known[wide] = rest(wide)
        for a, b in itertools.pairwise(sorted(known)):
            if np.all((known[a] * known[b])[site.wrong] < 0) and wide in (None, a, b):
                found = _root(site, rest, (a, known[a]), (b, known[b]))
                if found is not None:
                    return _rounded(found)
    return None


def _root(
    site: Site, rest: Callable[[float], Array], left: tuple[float, Array], right: tuple[float, Array]
) -> float | None:
    """Where between two factors the rest is zero in all entries; None if it is nowhere.

    By the Illinois method, in the entry that is most wrong.

    Source: "A modified regula falsi method", Dowell and Jarratt, BIT 11 (1971).
    """
    at = np.unravel_index(np.argmax(np.abs(site.error) / np.maximum(site.rounding, 1e-300)), site.error.shape)
    (a, b), (fa, fb) = (left[0], right[0]), (float(left[1][at]), float(right[1][at]))
    fits = False
    q = a
    for _ in range(STEPS):
        if fa == fb:
            break
        q, before = b - fb * (b - a) / (fb - fa), q
        values = rest(q)
        value = float(values[at])
        now = bool(np.all(np.abs(values) <= site.tolerance))
        if now and (fits or value == 0) and abs(q - before) <= 1e-10 * abs(q):
            return q
        fits = now
        if value == 0:
            break
        a, fa = (b, fb) if value * fb < 0 else (a, fa / 2)
        b, fb = q, value
    return q if fits else None


def _rounded(q: float) -> float:
    """A factor that has a name, where it is one."""
    return next((named for named in NAMED if abs(named - q) <= 1e-6), q)


def _factors(site: Site, group: Group) -> Iterator[Fit]:
    """Chain factors without which the claim results."""
    from gradcheck.autodiff.edges import Without

    for k in range(min(edge.factors for edge in group.edges)):
        change = Without(k)
        possible = all(site.trail.possible(edge, change) for edge in group.edges)
        if possible and site.fits(site.with_changes(dict.fromkeys(group.edges, change))):
            yield Fit(group, change)
