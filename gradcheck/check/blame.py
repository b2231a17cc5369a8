"""Which line of f a hand-written derivative has wrong, from the trace.

Part of the check floor; runs only after a check has failed. For every operand of every operation of f the derivative
is computed once more with that operand left out, with its sign flipped, counted twice, scaled, or without its chain
factor (``autodiff/edges.py``). Where the hand-written derivative is exactly one of those, at several points and in all
entries, that operand is what it has wrong.

A wrong blame is worse than none: nothing is said unless every hypothesis that fits names one line, or operands through
which the same flows.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gradcheck.check.calls import copied
from gradcheck.check.claims import Autodiff, WrongShapeError, Yours
from gradcheck.check.codes import kind
from gradcheck.check.preflight import Scene
from gradcheck.check.result import Entry, Finding, Verdict
from gradcheck.check.source import Operand, operand_of
from gradcheck.errors import GradcheckError, Location
from gradcheck.numeric.scale import Array

if TYPE_CHECKING:
    from gradcheck.autodiff.edges import Change, Edge, Trail

#: How far the derivative may be from a hypothesis: relative to its error, to its size, and to the largest entry.
OF_ERROR, OF_SIZE, OF_LARGEST = 1e-6, 1e-9, 1e-13
#: An entry is wrong, for these purposes, when it is off by so many times more than rounding could be.
CLEAR = 1e3
#: Points at which the hypotheses are put to the test, and how far beside the given ones, relatively.
SITES, ASIDE = 5, 0.1
#: Directions in the space of the values where f returns many.
SEEDS = 4
#: Wrong entries that are needed, over all points; for a factor that is itself taken from the data.
EVIDENCE, EVIDENCE_FREE = 3, 4
#: How far the error must differ between points, relatively, to tell a factor.
VARIES = 1e-3
#: Steps of the tape that may be spent on leaving out operands; from SIZE inputs on a step counts as several.
BUDGET, SIZE = 500_000, 1000
#: Passes through an operation that are looked at one by one.
PASSES = 16

#: Factors that have no name: steps towards one, how far they are looked for, and where one is a matter of one sweep.
STEPS, FAR, LARGEST = 24, 20.0, 1e6

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
        # In the first pass of a loop another operand may still be a constant; then it is not known which one this is.
        return operand_of(max(self.edges, key=lambda edge: edge.operands))


class Site:
    """What is claimed and what is true at one point, each (seeds, n)."""

    def __init__(self, trail: Trail, seeds: list[Array], claim: Array) -> None:
        self.trail, self.seeds, self.claim = trail, seeds, claim
        self.truth = self.with_changes({})
        self.error = claim - self.truth
        size = np.maximum(np.abs(self.truth), np.abs(claim))
        self.rounding = OF_SIZE * size + OF_LARGEST * np.abs(self.truth).max(initial=0.0)
        self.tolerance = OF_ERROR * np.abs(self.error) + self.rounding
        self.wrong = np.abs(self.error) > CLEAR * self.rounding

    def with_changes(self, changes: Mapping[Edge, Change]) -> Array:
        """The derivative with some edges changed."""
        return np.stack([self.trail.cotangents(seed[()], changes) for seed in self.seeds])

    def fits(self, guess: Array) -> bool:
        """Whether the claim is this derivative."""
        return bool(np.all(np.abs(self.claim - guess) <= self.tolerance))

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
        edges = self.operands.get(group.key, [])
        if group.which is None:
            return edges
        number, passes = group.which
        return edges[number - 1 : number] if len(edges) == passes else ()


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
        with np.errstate(all="ignore"):
            return _blamed(suspects, seed)
    except (GradcheckError, WrongShapeError):  # f or the derivative cannot be followed: the check has said so already
        return []


def _blamed(suspects: Sequence[Suspect], seed: int) -> list[Finding]:
    sites = list(_sites(suspects, seed))
    if not sites or not _worth_it(sites):
        return []
    fits = [fit for fit in _hypotheses(sites[0]) if all(_holds(fit, site) for site in sites[1:])]
    scaled = {(fit.group.key, fit.group.which) for fit in fits if isinstance(fit.change, float)}
    # A factor that is constant: it has been said already.
    fits = [fit for fit in fits if isinstance(fit.change, float) or (fit.group.key, fit.group.which) not in scaled]
    chosen = _agreed(fits, sites)
    return [] if chosen is None else [_finding(*chosen, len(sites), sum(int(s.wrong.sum()) for s in sites))]


def sound(entries: Sequence[Entry]) -> bool:
    """Whether the entries of a point are something to look for a line for: some wrong, autodiff right in all."""
    if not any(e.verdict is Verdict.FAIL for e in entries):
        return False
    for e in entries:
        if e.autodiff is None or e.yours is None or e.measured is None or e.error is None:
            return False
        if not abs(e.autodiff - e.measured) <= e.error + 1e-6 * abs(e.measured):
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
        x = s.scene.x + s.scene.inward(ASIDE * rng.uniform(-1.0, 1.0, s.scene.x.size) * s.scene.scales)
        try:
            site = _site(s, x, rng)
        except (GradcheckError, WrongShapeError):  # outside of the domain
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
    if not np.all(np.isfinite(first.truth)) or not np.all(np.isfinite(first.claim)):
        return False
    if not first.wrong.any() or sum(int(s.wrong.sum()) for s in sites) < EVIDENCE:
        return False
    return not _one_factor(sites)


def _one_factor(sites: Sequence[Site]) -> bool:
    """Whether the claim is the truth times one number everywhere: that is no matter of a line."""
    truth, claim = (np.concatenate([getattr(s, name).ravel() for s in sites]) for name in ("truth", "claim"))
    tolerance = np.concatenate([s.tolerance.ravel() for s in sites])
    scale = truth @ truth
    return bool(scale > 0 and np.all(np.abs(claim - truth * (truth @ claim) / scale) <= 10 * tolerance))


# -- the hypotheses ------------------------------------------------------------------------------------------------


def _affordable(site: Site) -> list[Group]:
    """The groups that there is time for: on a long tape only operands of all passes together, on a longer one none."""
    step = len(site.trail.records) * (1 + site.truth.size // SIZE)
    every = list(site.groups())
    for chosen in (every, [group for group in every if group.which is None and group.key[0] != "all"]):
        if len(chosen) * step <= BUDGET:
            return chosen
    return []


def _hypotheses(site: Site) -> Iterator[Fit]:
    """What fits at one point."""
    for group in _affordable(site):
        without = site.with_changes(dict.fromkeys(group.edges, 0.0))
        part = np.abs(site.truth - without)
        # What is wrong must go through the edges; and what goes through them be wrong.
        if np.any(site.wrong & (part <= site.rounding)):
            continue
        whole = np.all(np.abs(without) <= site.rounding)
        if not whole and not np.any((part > CLEAR * site.rounding) & (np.abs(site.error) <= site.rounding)):
            q = _scaling(site, group, without)
            if q is not None:
                yield Fit(group, q)
        yield from _factors(site, group)


def _scaling(site: Site, group: Group, without: Array) -> float | None:
    """The number that the contribution of the edges must be multiplied by to give the claim; None if there is none."""

    def rest(q: float) -> Array:
        return site.claim - site.with_changes(dict.fromkeys(group.edges, q))

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


def _holds(fit: Fit, site: Site) -> bool:
    """Whether a hypothesis from another point holds here."""
    return site.fits(site.with_changes(dict.fromkeys(site.same(fit.group), fit.change)))


# -- what to say ---------------------------------------------------------------------------------------------------


def _agreed(fits: Sequence[Fit], sites: Sequence[Site]) -> tuple[Fit, list[Fit]] | None:
    """The hypothesis to report, and those for other lines through which the same flows; None where the hypotheses that
    fit do not mean the same.

    Of those that mean the same it is the term of a sum, if there is one, else the outermost operation. In a loop there
    is no outermost.
    """
    told = _enough(sites)
    fits = [fit for fit in fits if _named(fit) or told]
    if not fits:
        return None
    terms = {fit.group.line for fit in fits if fit.group.operand.term}
    chosen = max(fits, key=lambda fit: (_named(fit), fit.group.operand.term, fit.group.last, len(fit.group.edges)))
    others = [fit for fit in fits if fit.group.line != chosen.group.line]
    if not all(_same_flow(fit, chosen, sites[0]) for fit in others):
        return None
    if len(terms) != 1 and any(fit.group.last > chosen.group.edges[0].record for fit in others):
        return None
    if isinstance(chosen.change, float) and _scattered(chosen.group):
        return None
    return chosen, [fit for fit in others if fit.group.line[0] == chosen.group.line[0]]


def _scattered(group: Group) -> bool:
    """Whether what flows through the edges goes to several places: what is wrong may be there and not here.

    Outermost of all through which the same flows, and alone in its operation: so its value is used more than once.
    """
    return all(edge.operands == 1 and edge.kind in ("operation", "read") for edge in group.edges)


def _named(fit: Fit) -> bool:
    return isinstance(fit.change, float) and fit.change in NAMED


def _enough(sites: Sequence[Site]) -> bool:
    """Whether the data can tell a factor that was taken from them: several wrong entries, not the same at every point.

    An error of one entry that is a constant may be anything.
    """
    first = sites[0]
    varies = any(
        np.any(np.abs(site.error - first.error)[first.wrong] > VARIES * np.abs(first.error)[first.wrong])
        for site in sites[1:]
    )
    return (varies or int(first.wrong.sum()) >= EVIDENCE) and sum(int(s.wrong.sum()) for s in sites) >= EVIDENCE_FREE


def _same_flow(a: Fit, b: Fit, site: Site) -> bool:
    """Whether the same flows through the edges of two fits: to cut both is to cut one."""
    cut = dict.fromkeys((*a.group.edges, *b.group.edges), 0.0)
    both = site.with_changes(cut)
    one = site.with_changes(dict.fromkeys(b.group.edges, 0.0))
    if isinstance(a.change, float) and isinstance(b.change, float):
        same = abs(a.change - b.change) <= 1e-6 * abs(a.change)
    else:
        same = a.change == b.change
    return same and bool(np.all(np.abs(both - one) <= site.tolerance))


def _finding(fit: Fit, others: Sequence[Fit], points: int, wrong: int) -> Finding:
    group, change = fit.group, fit.change
    operand = group.operand
    what = f"the term {operand.text}" if operand.term else f"what flows through {operand.text}"
    if not isinstance(change, float):
        code, did = "GC145", "without that factor"
        text = f"your derivative lacks the chain factor of {operand.whole}"
    else:
        code = NAMED.get(change, "GC144")
        text, did = {
            "GC141": (f"your derivative lacks {what}", "with that left out"),
            "GC142": (f"your derivative has {what} with the wrong sign", "with that sign flipped"),
            "GC143": (f"your derivative counts {what} twice", "with that doubled"),
            "GC144": (f"your derivative has {what} {change:.6g} times", "with that factor"),
        }[code]
    if group.which is not None:
        text += ", in pass {} of {}".format(*group.which)
    where = Location(group.edges[0].stack[0].file, operand.line)
    if isinstance(change, float) and len(group.edges) == 1:
        hint = f"the error is {change - 1:.6f} times what flows through it, in {wrong} wrong entries at {points} points"
    else:
        hint = f"{did} autodiff gives what yours gives, in {wrong} wrong entries at {points} points"
    return Finding(code, kind(code), text, where, hint + _beside(operand, others))


def _beside(operand: Operand, others: Sequence[Fit]) -> str:
    """The other lines that the same flows through."""
    if not others:
        return ""
    numbers = [str(line) for line in sorted({other.group.line[1] for other in others})]
    text = f"; the same flows through line{'s' * (len(numbers) > 1)} {', '.join(numbers)}"
    if operand.text.strip("`").isidentifier():  # where it is made tells more
        text += ": " + max(others, key=lambda other: other.group.last).group.operand.text
    return text
