"""Which line of f a hand-written derivative has wrong, from the trace.

Part of the check floor; runs only after a check has failed. For every operand of every operation of f the derivative is
computed once more with that operand left out, with its sign flipped, counted twice, scaled, or without its chain factor
(``autodiff/edges.py``). Where the hand-written derivative is exactly one of those, at several points and in all entries,
that operand is what it has wrong.

A wrong blame is worse than none: nothing is said unless every hypothesis that fits names one line, or operands through
which the same flows.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gradcheck.check.calls import copied
from gradcheck.check.claims import Autodiff, Yours
from gradcheck.check.codes import kind
from gradcheck.check.preflight import Scene
from gradcheck.check.result import Entry, Finding, Verdict
from gradcheck.check.source import Operand, operand_of
from gradcheck.errors import GradcheckError, Location
from gradcheck.numeric.scale import Array, coordinate_scales

if TYPE_CHECKING:
    from gradcheck.autodiff.edges import Change, Edge, Trail

#: How far the derivative may be from a hypothesis: relative to its error, to its size, and to the largest entry.
OF_ERROR, OF_SIZE, OF_LARGEST = 1e-6, 1e-9, 1e-12
#: An entry is wrong, for these purposes, when it is off by so many times more than rounding could be.
CLEAR = 1e3
#: Points at which the hypotheses are put to the test, and how far beside the given ones, relatively.
SITES, ASIDE = 5, 0.1
#: Directions in the space of the values where f returns many.
SEEDS = 4
#: Wrong entries that are needed, over all points; for a factor that is itself taken from the data.
EVIDENCE, EVIDENCE_FREE = 3, 5
#: Steps of the tape, in all, that may be spent.
BUDGET = 4_000_000
#: Passes through an operation that are looked at one by one.
PASSES = 16

#: The factors that have a name.
NAMED = {0.0: "GC141", -1.0: "GC142", 2.0: "GC143"}


@dataclass(frozen=True)
class Suspect:
    """A point at which the hand-written derivative was found wrong, and autodiff right."""

    scene: Scene
    yours: Yours
    autodiff: Autodiff


@dataclass(frozen=True)
class Group:
    """Edges that are changed together: one operand of one expression of the user's.

    Attributes:
        key: what identifies them at every point.
        which: number of the pass that is meant, of how many; None for all passes.
    """

    key: tuple[object, ...]
    edges: tuple[Edge, ...]
    which: tuple[int, int] | None = None

    @property
    def last(self) -> int:
        return self.edges[-1].record

    @property
    def line(self) -> tuple[str, int]:
        return self.edges[0].stack[0].file, self.operand.line

    @functools.cached_property
    def operand(self) -> Operand:
        return operand_of(self.edges[0])


class Site:
    """What is claimed and what is true at one point, each (seeds, n)."""

    def __init__(self, trail: Trail, seeds: list[Array], claim: Array) -> None:
        self.trail, self.seeds, self.claim = trail, seeds, claim
        self.truth = self.with_changes({})
        self.error = claim - self.truth
        size = np.maximum(np.abs(self.truth), np.abs(claim))
        self.rounding = OF_SIZE * size + OF_LARGEST * size.max(initial=0.0)
        self.tolerance = OF_ERROR * np.abs(self.error) + self.rounding
        self.wrong = np.abs(self.error) > CLEAR * self.rounding

    def with_changes(self, changes: dict[Edge, Change]) -> Array:
        """The derivative with some edges changed."""
        return np.stack([self.trail.cotangents(seed[()], changes) for seed in self.seeds])

    def fits(self, guess: Array) -> bool:
        """Whether the claim is this derivative."""
        return bool(np.all(np.abs(self.claim - guess) <= self.tolerance))

    @functools.cached_property
    def groups(self) -> dict[tuple[object, ...], Group]:
        """All operands of f by what identifies them: by expression, by call of the function that it is in, by pass."""
        found: dict[tuple[object, ...], list[Edge]] = {}
        for edge in self.trail.edges:
            found.setdefault((edge.kind, edge.operand, edge.stack[0]), []).append(edge)
            found.setdefault((edge.kind, edge.operand, edge.stack), []).append(edge)
        groups: dict[tuple[object, ...], Group] = {}
        seen = set()
        for key, edges in found.items():
            if tuple(edges) not in seen:
                seen.add(tuple(edges))
                groups[key] = Group(key, tuple(edges))
                for i, edge in enumerate(edges if 1 < len(edges) <= PASSES else ()):
                    seen.add((edge,))
                    groups[*key, i] = Group((*key, i), (edge,), (i + 1, len(edges)))
        return groups


@dataclass(frozen=True)
class Fit:
    """A hypothesis that holds at every point."""

    group: Group
    change: Change


def blame(suspects: Sequence[Suspect], seed: int) -> list[Finding]:
    """The line of f whose derivative is wrong, as a finding GC141 to GC145; none where the evidence does not suffice.

    Args:
        suspects: points at which the derivative is wrong.
        seed: of all random choices.
    """
    if not suspects or any(s.scene.value.complex or _single(s.scene) for s in suspects):
        return []
    try:
        sites = list(_sites(suspects, seed))
    except GradcheckError:  # f or the derivative cannot be followed: the check has said so already
        return []
    if not sites or not _worth_it(sites):
        return []
    fits = [fit for fit in _hypotheses(sites[0]) if all(_holds(fit, site) for site in sites[1:])]
    chosen = _agreed(fits, sites)
    return [] if chosen is None else [_finding(chosen, len(sites), sum(int(s.wrong.sum()) for s in sites))]


def sound(entries: Sequence[Entry]) -> bool:
    """Whether the entries of a point are something to look for a line for: some wrong, autodiff right in all."""
    if not any(e.verdict is Verdict.FAIL for e in entries):
        return False
    for e in entries:
        if e.autodiff is None or e.yours is None or e.measured is None or e.error is None:
            return False
        if not abs(e.autodiff - e.measured) <= 3 * e.error + 1e-6 * abs(e.measured):
            return False
    return True


def _single(scene: Scene) -> bool:
    """Whether f computes in single precision."""
    return min(scene.space.dtype.itemsize, scene.value.dtype.itemsize) < 8


# -- the points ----------------------------------------------------------------------------------------------------


def _sites(suspects: Sequence[Suspect], seed: int) -> Iterator[Site]:
    """The points of the suspects, then points beside them."""
    rng = np.random.default_rng([seed, 9])
    count = 0
    for s in suspects[: SITES - 2]:
        yield _site(s, s.scene.x, rng)
        count += 1
    for i in range(SITES - count):
        s = suspects[i % count]
        x = s.scene.x + ASIDE * rng.uniform(-1.0, 1.0, s.scene.x.size) * coordinate_scales(s.scene.x)
        try:
            site = _site(s, x, rng)
        except GradcheckError:  # outside of the domain
            continue
        if np.all(np.isfinite(site.claim)) and np.all(np.isfinite(site.truth)):
            yield site


def _site(suspect: Suspect, x: Array, rng: np.random.Generator) -> Site:
    from gradcheck.autodiff.edges import explain

    scene = suspect.scene
    args = scene.at(x)
    given = tuple(copied(a) for a in args)
    trail = suspect.autodiff.guarded(lambda: explain(suspect.autodiff.traceable, scene.argnum, given))
    if trail is None:
        raise suspect.autodiff.trouble or GradcheckError("it cannot be followed")
    shape = scene.value.shape
    count = min(SEEDS, scene.value.size)
    seeds = [np.ones(shape)] if not shape else [rng.uniform(0.5, 1.0, shape) * rng.choice([-1.0, 1.0], shape)
                                                for _ in range(count)]  # fmt: skip
    matrix = suspect.yours.array(args).reshape(scene.value.size, -1)
    return Site(trail, seeds, np.stack([w.reshape(-1) @ matrix for w in seeds]))


def _worth_it(sites: Sequence[Site]) -> bool:
    """Whether there is enough to go by, and something other than one factor on everything."""
    first = sites[0]
    if not all(np.all(np.isfinite(s.truth)) and np.all(np.isfinite(s.claim)) for s in sites[:1]):
        return False
    if not first.wrong.any() or sum(int(s.wrong.sum()) for s in sites) < EVIDENCE:
        return False
    if len(first.trail.records) * len(first.groups) > BUDGET:
        return False
    return not _one_factor(sites)


def _one_factor(sites: Sequence[Site]) -> bool:
    """Whether the claim is the truth times one number everywhere: that is no matter of a line."""
    truth, claim = (np.concatenate([getattr(s, name).ravel() for s in sites]) for name in ("truth", "claim"))
    tolerance = np.concatenate([s.tolerance.ravel() for s in sites])
    scale = truth @ truth
    return bool(scale > 0 and np.all(np.abs(claim - truth * (truth @ claim) / scale) <= 10 * tolerance))


# -- the hypotheses ------------------------------------------------------------------------------------------------


def _hypotheses(site: Site) -> Iterator[Fit]:
    """What fits at one point."""
    for group in site.groups.values():
        without = site.with_changes(dict.fromkeys(group.edges, 0.0))
        part = site.truth - without
        moved = np.abs(part) > site.rounding
        # What is wrong must go through the edges; what goes through them is wrong, but for a factor that happens to be
        # one.
        if np.any(site.wrong & ~moved) or not moved.any():
            continue
        whole = np.all(np.abs(without) <= site.rounding)
        if not whole and not np.any(moved & ~site.wrong):
            q = _scaling(site, group, without)
            if q is not None:
                yield Fit(group, q)
        yield from _factors(site, group)


def _scaling(site: Site, group: Group, without: Array) -> float | None:
    """The number that the contribution of the edges must be multiplied by to give the claim; None if there is none."""

    def with_factor(q: float) -> Array:
        return site.with_changes(dict.fromkeys(group.edges, q))

    part = site.truth - without
    weight = 1.0 / np.maximum(site.rounding, 1e-300)
    square = np.sum((weight * part) ** 2)

    def projected(guess: Array) -> float:
        return float(np.sum(weight**2 * (site.claim - guess) * part) / square)

    if len(group.edges) > 1:
        for q in NAMED:
            if site.fits(with_factor(q) if q else without):
                return q
    # Where an edge is passed more than once the derivative is no linear function of the factor: secant steps.
    a, ra, b, rb = 1.0, projected(site.truth), 0.0, projected(without)
    for _ in range(1 if len(group.edges) == 1 else 6):
        if ra == rb:
            return None
        a, b, ra = b, b - rb * (b - a) / (rb - ra), rb
        if not abs(b) < 1e6:
            return None
        guess = with_factor(b)
        if site.fits(guess):
            return next((q for q in NAMED if abs(q - b) <= 1e-6), b)
        rb = projected(guess)
    return None


def _factors(site: Site, group: Group) -> Iterator[Fit]:
    """Chain factors without which the claim results."""
    from gradcheck.autodiff.edges import Without

    for k in range(min(edge.factors for edge in group.edges)):
        change = Without(k)
        if all(site.trail.possible(edge, change) for edge in group.edges):
            with np.errstate(all="ignore"):
                guess = site.with_changes(dict.fromkeys(group.edges, change))
            if site.fits(guess):
                yield Fit(group, change)


def _holds(fit: Fit, site: Site) -> bool:
    """Whether a hypothesis from another point holds here."""
    group = site.groups.get(fit.group.key)
    if group is None:  # another branch
        return not site.wrong.any()
    return site.fits(site.with_changes(dict.fromkeys(group.edges, fit.change)))


# -- what to say ---------------------------------------------------------------------------------------------------


def _agreed(fits: Sequence[Fit], sites: Sequence[Site]) -> Fit | None:
    """The hypothesis to report: the outermost of those that fit; None where they do not mean the same."""
    fits = [fit for fit in fits if _named(fit) or _enough(fit, sites)]
    if not fits:
        return None
    chosen = max(fits, key=lambda fit: (_named(fit), fit.group.last, len(fit.group.edges)))
    for fit in fits:
        if fit.group.line != chosen.group.line and not _same_flow(fit, chosen, sites[0]):
            return None
    return chosen


def _named(fit: Fit) -> bool:
    return isinstance(fit.change, float) and fit.change in NAMED


def _enough(fit: Fit, sites: Sequence[Site]) -> bool:
    """Whether the data can tell a factor that was taken from them."""
    return sum(int(s.wrong.sum()) for s in sites) >= EVIDENCE_FREE


def _same_flow(a: Fit, b: Fit, site: Site) -> bool:
    """Whether the same flows through the edges of two fits: to cut both is to cut one."""
    cut = dict.fromkeys((*a.group.edges, *b.group.edges), 0.0)
    both = site.with_changes(cut)
    one = site.with_changes(dict.fromkeys(b.group.edges, 0.0))
    return a.change == b.change and bool(np.all(np.abs(both - one) <= site.tolerance))


def _finding(fit: Fit, points: int, wrong: int) -> Finding:
    from gradcheck.autodiff.edges import Without

    operand = fit.group.operand
    term = operand.term
    what = f"the term {operand.text}" if term else f"what flows through {operand.text}"
    if isinstance(fit.change, Without):
        code = "GC145"
        what = f"your derivative lacks the chain factor of {operand.whole}"
        evidence = "without it"
    else:
        code = NAMED.get(fit.change, "GC144")
        says: dict[str, Callable[[], str]] = {
            "GC141": lambda: f"your derivative lacks {what}",
            "GC142": lambda: f"your derivative has {what} with the wrong sign",
            "GC143": lambda: f"your derivative counts {what} twice",
            "GC144": lambda: f"your derivative has {what} {fit.change:.6g} times",
        }
        what = says[code]()
        evidence = f"{fit.change - 1:.6f} times what flows through it"
    where = Location(fit.group.edges[0].stack[0].file, operand.line)
    if fit.group.which is not None:
        what += ", in pass {} of {}".format(*fit.group.which)
    if code == "GC145":
        hint = f"{evidence} autodiff gives what yours does: {wrong} wrong entries at {points} points agree"
    else:
        hint = f"the error is {evidence}, in {wrong} wrong entries at {points} points"
    return Finding(code, kind(code), what, where, hint)
