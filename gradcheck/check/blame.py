"""Which line of f a hand-written derivative has wrong, from the trace.

Part of the check floor; runs only after a check has failed. For every operand of every operation of f the derivative
is computed once more with that operand left out, with its sign flipped, counted twice, scaled, or without its chain
factor (``autodiff/edges.py``, ``hypotheses.py``). Where the hand-written derivative is exactly one of those, at several
points and in all entries, that operand is what it has wrong. If none of them fits, factors are tried (``factors.py``),
then two mistakes at once (``twofold.py``).

A wrong blame is worse than none: nothing is said unless every hypothesis that fits names one line, or operands through
which the same flows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gradcheck.check.calls import copied
from gradcheck.check.claims import WrongShapeError
from gradcheck.check.codes import kind
from gradcheck.check.factors import factors, pairs, plain, simplest
from gradcheck.check.flows import (
    EVIDENCE,
    NAMED,
    Fit,
    Group,
    Lacking,
    Meter,
    Site,
    SpentError,
    affordable,
    enough,
    holds,
    same_flow,
)
from gradcheck.check.hypotheses import BUDGET as SINGLE
from gradcheck.check.hypotheses import single
from gradcheck.check.parts import Suspect
from gradcheck.check.preflight import Scene
from gradcheck.check.result import Finding
from gradcheck.check.source import Operand, quoted
from gradcheck.check.twofold import twofold
from gradcheck.errors import GradcheckError, Location
from gradcheck.numeric.scale import Array

if TYPE_CHECKING:
    from gradcheck.autodiff.edges import Without

#: Points at which the hypotheses are put to the test, and how far beside the given ones, relatively.
SITES, ASIDE = 5, 0.1
#: Directions in the space of the values where f returns many.
SEEDS = 4
#: Steps of the tape that may be taken for single operands, and then for all that is tried after them.
FIRST, BUDGET = 8_000_000, 1_500_000
#: Of so many values it is asked which have a wrong derivative.
ROWS = 64


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
    except (GradcheckError, WrongShapeError, SpentError):
        # It cannot be followed, which the check has said already; or there is no time for all that might fit.
        return []


def _blamed(suspects: Sequence[Suspect], seed: int) -> list[Finding]:
    sites = list(_sites(suspects, seed))
    if not sites or not _worth_it(sites):
        return []
    told, view = _simply(sites), View(sites)
    if told is None:
        sites[0].meter.left = BUDGET
        views = [view, *_views(sites)]
        stages = [(_simply, v) for v in views[1:]] + [(_by_factors, v) for v in views] + [(_as_two, v) for v in views]
        for stage, view in stages:
            told = stage(view.sites)
            if told is not None:
                break
    count = len(sites), sum(int(s.wrong.sum()) for s in view.sites)
    return [_finding(*chosen, view.where, *count) for chosen in told or ()]


#: What to say: hypotheses, each with those for other lines through which the same flows.
Told = list[tuple[Fit, list[Fit]]]


@dataclass(frozen=True)
class View:
    """The points, or a part of what is known of them.

    Attributes:
        where: which part, for the message.
    """

    sites: list[Site]
    where: str = ""


def _views(sites: list[Site]) -> Iterator[View]:
    """Without what cancels; what is wrong, where that is a few rows or columns: each may have its own formula."""
    idle = _without_idle(sites)
    if idle:
        yield View(idle)
    rows = _wrong_rows(sites)
    parts = [_of_rows(s, rows) for s in sites] if rows is not None else sites
    where = "" if rows is None else _counted("row", rows)
    if rows is not None and _worth_it(parts):
        yield View(parts, where)
    columns = np.any([np.any(s.wrong, axis=0) for s in sites], axis=0)
    if not np.all(columns):
        parts = [s.only(columns) for s in parts]
        if _worth_it(parts):
            yield View(parts, _counted("entry", columns) + where)


def _wrong_rows(sites: Sequence[Site]) -> Array | None:
    """Which of several values have a wrong derivative; None if all, or there are too many to ask."""
    size = len(sites[0].matrix)
    if not 1 < size <= ROWS:
        return None
    wrong = np.zeros(size, bool)
    for site in sites[:2]:
        single = np.eye(size).reshape(size, *site.seeds[0].shape)
        wrong |= Site(site.trail, list(single), site.matrix, site.meter).wrong.any(axis=1)
    return None if wrong.all() else wrong


def _of_rows(site: Site, rows: Array) -> Site:
    count = min(SEEDS, int(rows.sum()))
    return Site(site.trail, [w * rows.reshape(w.shape) for w in site.seeds[:count]], site.matrix, site.meter)


def _counted(what: str, chosen: Array) -> str:
    """Which rows or entries, in words."""
    numbers = np.flatnonzero(chosen)
    if len(numbers) == 1:
        return f", in {what} {numbers[0]}"
    many = {"row": "rows", "entry": "entries"}[what]
    return f", in {many} {', '.join(map(str, numbers))}" if len(numbers) <= 4 else f", in {len(numbers)} {many}"


def _at_all(fits: Iterator[Fit] | Sequence[Fit], sites: Sequence[Site]) -> list[Fit]:
    return [fit for fit in fits if all(holds(fit, site) for site in sites[1:])]


def _simply(sites: Sequence[Site]) -> Told | None:
    """What to say of one operand that is left out, scaled, or without its chain factor; None if nothing fits."""
    fits = _at_all(single(sites[0]), sites)
    scaled = {(fit.group.key, fit.group.which) for fit in fits if isinstance(fit.change, float)}
    # A factor that is constant: it has been said already.
    fits = [fit for fit in fits if isinstance(fit.change, float) or (fit.group.key, fit.group.which) not in scaled]
    if not fits:
        return None
    chosen = _agreed(fits, sites)
    return [chosen] if chosen else []


def _by_factors(sites: Sequence[Site]) -> Told | None:
    """The same of a factor that stands in the expression, and of two operands of a line."""
    if not enough(sites):
        return []
    fits = _at_all(pairs(sites[0]), sites)
    if not fits:
        # With few entries any number can be had.
        many = int(sites[0].wrong.sum()) >= EVIDENCE
        fits = _at_all([fit for fit in factors(sites[0]) if many or plain(fit)], sites)
        if not fits:
            return None
        fits = simplest(fits)
    if len({fit.group.line for fit in fits}) > 1:
        return []
    # The operation that shows the factor best.
    return [(min(fits, key=lambda fit: (len(fit.group.operand.whole), -fit.group.last)), [])]


def _as_two(sites: Sequence[Site]) -> Told | None:
    """The same of two mistakes, each of which has its line."""
    found = twofold(sites) if enough(sites) else []
    if not found:
        return None
    first, second = found[0]
    sides: tuple[list[Fit], list[Fit]] = ([], [])
    for a, b in found:
        if not (_means(a, first, sites[0]) and _means(b, second, sites[0])):
            a, b = b, a
        if not (_means(a, first, sites[0]) and _means(b, second, sites[0])):
            return []
        sides[0].append(a)
        sides[1].append(b)
    told = [_agreed(fits, sites) for fits in sides]
    return [chosen for chosen in told if chosen] if all(told) else []


def _means(a: Fit, b: Fit, site: Site) -> bool:
    """Whether two fits mean the same."""
    return _alike(a, b) and same_flow(a.group, b.group, site)


def _without_idle(sites: Sequence[Site]) -> list[Site]:
    """The points without the operands through which flows what cancels in the end, as the largest logit in a softmax:
    somebody who differentiates by hand leaves them out. Empty if there are none."""
    first = sites[0]
    idle = [
        group for group in affordable(first, SINGLE)
        if group.which is None and np.all(np.abs(first.truth - first.cut(group.edges)) <= first.rounding)
    ]  # fmt: skip
    found = []
    for site in sites:
        base = {edge: 0.0 for group in idle for edge in site.same(group)}
        if not base or np.any(np.abs(site.with_changes(base) - site.truth) > site.rounding):
            return []
        found.append(Site(site.trail, site.seeds, site.matrix, site.meter, base))
    return found


def _single(scene: Scene) -> bool:
    """Whether f computes in single precision."""
    return min(scene.space.dtype.itemsize, scene.value.dtype.itemsize) < 8


# -- the points ----------------------------------------------------------------------------------------------------


def _sites(suspects: Sequence[Suspect], seed: int) -> Iterator[Site]:
    """The points of the suspects, then points beside them."""
    rng = np.random.default_rng([seed, 9])
    meter = Meter(FIRST)
    count = 0
    for s in suspects[: SITES - 2]:
        yield _site(s, s.scene.x, rng, meter)
        count += 1
    for i in range(SITES - count):
        s = suspects[i % count]
        x = s.scene.x + s.scene.inward(ASIDE * rng.uniform(-1.0, 1.0, s.scene.x.size) * s.scene.scales)
        try:
            site = _site(s, x, rng, meter)
        except (GradcheckError, WrongShapeError):  # outside of the domain
            continue
        if np.all(np.isfinite(site.claim)) and np.all(np.isfinite(site.truth)):
            yield site


def _site(suspect: Suspect, x: Array, rng: np.random.Generator, meter: Meter) -> Site:
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
    return Site(trail, seeds, matrix, meter)


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


# -- what to say ---------------------------------------------------------------------------------------------------


def _agreed(fits: Sequence[Fit], sites: Sequence[Site]) -> tuple[Fit, list[Fit]] | None:
    """The hypothesis to report, and those for other lines through which the same flows; None where the hypotheses that
    fit do not mean the same.

    Of those that mean the same it is the term of a sum, if there is one, else the outermost operation. In a loop there
    is no outermost.
    """
    told = enough(sites)
    fits = [fit for fit in fits if _named(fit) or told]
    if not fits:
        return None
    # A sum that was added up before (`total`) is a term, but it is better to say what was added to it.
    terms = {fit.group.line for fit in fits if _written_out(fit)}
    terms = terms or {fit.group.line for fit in fits if fit.group.operand.term}
    chosen = max(
        fits,
        key=lambda fit: (
            not _scattered(fit),
            _named(fit),
            _written_out(fit),
            fit.group.operand.term,
            fit.group.last,
            len(fit.group.edges),
        ),
    )
    others = [fit for fit in fits if fit.group.line != chosen.group.line]
    if not all(_alike(fit, chosen) and same_flow(fit.group, chosen.group, sites[0]) for fit in others):
        return None
    if len(terms) != 1 and any(fit.group.last > chosen.group.edges[0].record for fit in others):
        return None
    if _scattered(chosen):
        return None
    return chosen, [fit for fit in others if fit.group.line[0] == chosen.group.line[0]]


def _written_out(fit: Fit) -> bool:
    """Whether it is a term of a sum that is no mere name."""
    return fit.group.operand.term and not fit.group.operand.text.strip("`").isidentifier()


def _scattered(fit: Fit) -> bool:
    """Whether what flows through the edges goes to several places: what is wrong may be there and not here.

    Outermost of all through which the same flows, and alone in its operation: so its value is used more than once.
    """
    edges = fit.group.edges
    alone = all(edge.operands == 1 and edge.kind in ("operation", "read") for edge in edges)
    return isinstance(fit.change, float) and alone and len({edge.stack[0] for edge in edges}) == 1


def _named(fit: Fit) -> bool:
    return isinstance(fit.change, float) and fit.change in NAMED


def _alike(a: Fit, b: Fit) -> bool:
    """Whether two fits change what they change alike."""
    if isinstance(a.change, float) and isinstance(b.change, float):
        return abs(a.change - b.change) <= 1e-6 * abs(a.change)
    return a.change == b.change


def _finding(fit: Fit, others: Sequence[Fit], part: str, points: int, wrong: int) -> Finding:
    group, change = fit.group, fit.change
    operand = group.operand
    if isinstance(change, float):
        code, text, did = _of_number(group, change)
    else:
        code, (text, did) = "GC145", _of_factor(group, change)
    if group.which is not None:
        text += ", in pass {} of {}".format(*group.which)
    text += part
    where = Location(group.edges[0].stack[0].file, operand.line)
    if isinstance(change, float) and len(group.edges) == 1:
        hint = f"the error is {change - 1:.6f} times what flows through it, in {wrong} wrong entries at {points} points"
    else:
        hint = f"{did} autodiff gives what yours gives, in {wrong} wrong entries at {points} points"
    return Finding(code, kind(code), text, where, hint + _beside(operand, others))


def _of_number(group: Group, q: float) -> tuple[str, str, str]:
    """Code, message, and what was done, for a contribution that is multiplied by a number."""
    if group.parts:
        what = " and ".join(f"the derivative through {part.operand.text}" for part in group.parts)
    else:
        what = ("the term " if group.operand.term else "the derivative through ") + group.operand.text + _which(group)
    code = NAMED.get(q, "GC144")
    text, did = {
        "GC141": (f"your derivative lacks {what}", "with that left out"),
        "GC142": (f"your derivative has {what} with the wrong sign", "with that sign flipped"),
        "GC143": (f"your derivative counts {what} twice", "with that doubled"),
        "GC144": (f"your derivative has {what} {q:.6g} times", "with that factor"),
    }[code]
    return code, text, did


def _which(group: Group) -> str:
    """Which operand it is, where the text alone does not say it: ``, the second operand of `np.sin(w) * w` ``."""
    text, whole = group.operand.text.strip("`"), group.operand.whole.strip("`")
    if text == whole or len(re.findall(rf"(?<!\w){re.escape(text)}(?!\w)", whole)) < 2:
        return ""
    place = {0: "first", 1: "second"}.get(max(group.edges, key=lambda edge: edge.operands).operand)
    return f", the {place} operand of {group.operand.whole}" if place else ""


def _of_factor(group: Group, change: Without | Lacking) -> tuple[str, str]:
    """Message, and what was done, for a factor that is missing or one too many."""
    if not isinstance(change, Lacking):
        return f"your derivative lacks the chain factor of {group.operand.whole}", "without that factor"
    beside = "" if change.times == 1.0 else f", and times {change.times:.6g},"
    if not change.text:
        return f"your derivative lacks the chain factor of {group.operand.whole}", f"without that factor{beside}"
    together = group.key[0] == "operation" and len(group.key) == 2
    at = group.operand.whole if together or group.operand.text == quoted(change.text) else group.operand.text
    factor = quoted(change.text) + " squared" * (abs(change.power) == 2)
    if change.power < 0:
        text = f"your derivative lacks the factor {factor} in the derivative through {at}"
        return text, f"without that factor{beside}"
    text = f"your derivative has the factor {factor} too much (or is not divided by it) in the derivative through {at}"
    return text, f"with that factor too much{beside}"


def _beside(operand: Operand, others: Sequence[Fit]) -> str:
    """The other lines that the same flows through."""
    if not others:
        return ""
    numbers = [str(line) for line in sorted({other.group.line[1] for other in others})]
    text = f"; the same flows through line{'s' * (len(numbers) > 1)} {', '.join(numbers)}"
    if operand.text.strip("`").isidentifier():  # where it is made tells more
        text += ": " + max(others, key=lambda other: other.group.last).group.operand.text
    return text
