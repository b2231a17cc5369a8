"""Rules for the methods of SciPy's distributions, standardised (loc 0, scale 1): the value is SciPy's own, each partial
comes from the best source that there is.

In this order: a relation (∂cdf/∂x = pdf), a formula of ``laws.py``, forward mode through the distribution's own code
(``_logpdf``, ``_cdf``: SciPy's, or a subclass of the user's), a finite difference, labelled. Which of them serves is
found out once for each class, method and parameter, at the first call: forward mode through code that is not ours is
believed only if it gives SciPy's value, and a derivative that a difference does not contradict.

Outside of the support the pdf is 0 and its logarithm −∞, there and nearby: the derivative is 0.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np
from scipy import stats

from gradcheck.autodiff.core import TRACED, Elementwise, elementwise, noting, plain, stack
from gradcheck.autodiff.errors import AutodiffError
from gradcheck.autodiff.fallback import numeric_partial
from gradcheck.autodiff.rules.scipy.partials import derivative, labelled
from gradcheck.autodiff.rules.scipy.registry import original
from gradcheck.autodiff.rules.scipy.stats import laws
from gradcheck.autodiff.scope import suspended

Function = Callable[..., Any]


class _Everything:
    """The plan of a rule that saves all its operands, whatever is differentiated."""

    def __init__(self, operands: int) -> None:
        self.row = (True,) * (operands + 1)

    def __getitem__(self, bits: int) -> tuple[bool, ...]:
        return self.row


class Law(Elementwise):
    """A method of a distribution as a rule. Made for each call: cheap, and as long-lived as the call's record.

    Attributes:
        dist: the distribution.
        method: of SciPy's public ones, with loc 0 and scale 1.
    """

    __slots__ = ("dist", "method")

    def __init__(self, dist: Any, method: str, partials: Sequence[Any]) -> None:
        self.dist = dist
        self.method = method
        self.name = f"scipy.stats.{dist.name}.{method}"
        self.partials = tuple(partials)
        self.numeric = tuple(k for k, p in enumerate(partials) if getattr(p, "numeric", False))
        self.plans: Any = _Everything(len(self.partials))
        self.function = self._evaluate

    def _evaluate(self, *operands: Any) -> Any:
        if any(type(o) in TRACED for o in operands):
            return elementwise(self, operands)
        return standard(self.dist, self.method, *operands)


def standard(dist: Any, method: str, *operands: Any) -> Any:
    """SciPy's own method at plain values, without the warnings of its far tails."""
    base = stats.rv_discrete if isinstance(dist, stats.rv_discrete) else stats.rv_continuous
    # A class of the user's may make arrays, which would be made for the trace.
    ours = type(dist).__module__.startswith("scipy.")
    with np.errstate(all="ignore"), nullcontext() if ours else suspended():
        if method in SUMMARIES:
            return SUMMARIES[method](dist, *operands)
        return original(base, method)(dist, *operands)


# Methods of the shape parameters alone: name -> value at plain shapes. ``moments.py`` fills it.
SUMMARIES: dict[str, Function] = {}


def overrides(dist: Any, name: str) -> bool:
    """Whether the distribution's class has a method of its own, not the generic one."""
    for base in (stats.rv_continuous, stats.rv_discrete):
        if isinstance(dist, base):
            return getattr(type(dist), name, None) is not getattr(base, name, None)
    return False


# -- points ------------------------------------------------------------------------------------------------------------


def at_points(expression: Function, k: int, operands: Sequence[Any], inside: Any, theirs: bool) -> Any:
    """∂expression/∂(operand k) where ``inside`` says so, elsewhere 0.

    The operands get one dimension, as SciPy's own code is used to; points outside are replaced by one inside.

    Args:
        theirs: whether the expression is not our code: then names are replaced in SciPy while it runs.
    """
    inside = np.asarray(inside)
    shape = inside.shape
    if not np.any(inside):
        return np.zeros(shape)[()]
    flat = [np.ravel(np.broadcast_to(o, shape)) for o in operands]
    chosen = np.ravel(inside)
    if not np.all(chosen):
        first = int(np.argmax(chosen))
        flat = [np.where(chosen, f, plain(f)[first]) for f in flat]
    d = derivative(expression, k, flat, theirs=theirs)
    d = np.reshape(np.broadcast_to(d, chosen.shape), shape)
    return (d if np.all(chosen) else np.where(inside, d, 0.0))[()]


def attempt(make: Callable[[], Any]) -> tuple[Any, bool] | None:
    """What ``make`` gives, and whether something in it is numeric; None if code that is not ours cannot be traced."""
    before = [(trace, trace.lost) for trace in stack()]
    try:
        with noting() as notes:
            y = make()
        return y, bool(notes.numeric)
    except (AutodiffError, TypeError, ValueError, AttributeError, IndexError, NotImplementedError, AssertionError):
        # No loss: the caller takes another way.
        for trace, lost in before:
            trace.lost = lost
        return None


# -- where a partial comes from ----------------------------------------------------------------------------------------


class Source:
    """Where the partials of a function of z and the shapes come from.

    Attributes:
        expression: a function of the operands that can be differentiated; None: differences of SciPy's value.
        theirs: whether it is SciPy's or the user's code.
        labelled: whether something in it is numeric.
    """

    __slots__ = ("expression", "labelled", "theirs")

    def __init__(self, expression: Function | None, theirs: bool, numeric: bool) -> None:
        self.expression = expression
        self.theirs = theirs
        self.labelled = numeric


# class -> (what, operand) -> index of the candidate that serves, and whether it is labelled
_DECIDED: weakref.WeakKeyDictionary[type, dict[tuple[str, int], tuple[int, bool]]] = weakref.WeakKeyDictionary()
Candidate = tuple[Function, bool]


def choose(dist: Any, what: str, k: int, operands: Sequence[Any], candidates: Sequence[Candidate]) -> Source:
    """The first candidate that differentiates SciPy's ``what`` in operand k at these operands."""
    known = _DECIDED.setdefault(type(dist), {})
    if (what, k) not in known:
        found = _decide(dist, what, k, [plain(o) for o in operands], candidates)
        if found is None:  # no point to judge by
            expression, theirs = candidates[0] if candidates else (None, False)
            return Source(expression, theirs, expression is None)
        known[what, k] = found
    index, numeric = known[what, k]
    if index < 0:
        return Source(None, False, True)
    expression, theirs = candidates[index]
    return Source(expression, theirs, numeric)


def _decide(
    dist: Any, what: str, k: int, operands: Sequence[Any], candidates: Sequence[Candidate]
) -> tuple[int, bool] | None:
    sample = _sample(dist, what, operands)
    if sample is None:
        return None
    value = standard(dist, what, *sample)
    for index, (expression, theirs) in enumerate(candidates):
        if theirs and not _same_value(expression, sample, value):
            continue

        def slope(expression: Function = expression, theirs: bool = theirs) -> Any:
            return at_points(expression, k, sample, np.ones(np.shape(sample[0]), bool), theirs)

        result = attempt(slope)
        if not theirs:
            return index, result is None or result[1]
        if result is not None and not _contradicted(dist, what, k, sample, value, result[0]):
            return index, result[1]
    return -1, True


def _sample(dist: Any, what: str, operands: Sequence[Any]) -> list[Any] | None:
    """A few points at which the value is an ordinary number."""
    arrays = [np.ravel(a) for a in np.broadcast_arrays(*(np.asarray(o, dtype=np.float64) for o in operands))]
    if not arrays[0].size:
        return None
    picks = np.unique(np.linspace(0, arrays[0].size - 1, 32).astype(int))
    value = np.ravel(standard(dist, what, *(a[picks] for a in arrays)))
    low, high = (0.0, 1.0) if what in ("cdf", "sf") else (-np.inf, np.inf)
    good = picks[np.isfinite(value) & (value > low) & (value < high)][:4]
    return [a[good] for a in arrays] if good.size else None


def _same_value(expression: Function, sample: Sequence[Any], value: Any) -> bool:
    with np.errstate(all="ignore"):
        found = attempt(lambda: expression(*sample))
    if found is None or np.shape(found[0]) not in ((), np.shape(value)):
        return False
    return bool(np.allclose(found[0], value, rtol=1e-6, atol=1e-10))


def _contradicted(dist: Any, what: str, k: int, sample: Sequence[Any], value: Any, slope: Any) -> bool:
    """Whether a derivative is grossly other than a difference of SciPy's values: a lost derivative, say."""
    x = np.asarray(sample[k], dtype=np.float64)
    h = 1e-4 * np.maximum(np.abs(x), 1e-2)
    ends = []
    for side in (-1.0, 1.0):
        moved = list(sample)
        moved[k] = x + side * h
        ends.append(standard(dist, what, *moved))
    with np.errstate(all="ignore"):
        difference = (ends[1] - ends[0]) / (2.0 * h)
    known = np.isfinite(difference)
    slope = np.broadcast_to(slope, x.shape)
    size = np.maximum(np.abs(slope), np.abs(difference))
    apart = np.abs(slope - difference) > 0.02 * size + 1e-7 * np.abs(value) + 1e-12
    return bool(np.any(apart & known)) or not np.all(np.isfinite(slope[known]))


# -- partials ----------------------------------------------------------------------------------------------------------


def _mask(y: Any, low: float, high: float = np.inf) -> Any:
    """Where the value is not at an end of its range, beyond which nothing changes."""
    value = np.asarray(plain(y))
    return (value > low) & (value < high if high < np.inf else True)


def _finish(d: Any, y: Any) -> Any:
    """nan where the value is (parameters that are not allowed)."""
    bad = np.isnan(plain(y))
    return np.where(bad, np.nan, d)[()] if np.any(bad) else d


# Its code goes through np.nditer, which kills the process when an operand refuses to become an array (NumPy 2.0).
UNTRACEABLE = frozenset({"kstwo"})


def _sources(dist: Any, what: str) -> list[Candidate]:
    """The expressions whose derivative is that of ``what``, best first."""
    law = laws.of(dist)
    found: list[Candidate] = []
    if law is not None and law.get(what) is not None:
        found.append((law[what], False))
    own = f"_{what}"
    if overrides(dist, own):
        found.append((lambda *ops: getattr(dist, own)(*ops), True))
    if what in ("logpdf", "logpmf"):
        density = "_pdf" if what == "logpdf" else "_pmf"
        if overrides(dist, density):
            found.append((lambda *ops: np.log(getattr(dist, density)(*ops)), True))
    if what in ("cdf", "sf"):
        other = "sf" if what == "cdf" else "cdf"
        if law is not None and law.get(other) is not None:
            found.append((lambda *ops: 1.0 - law[other](*ops), False))
        if overrides(dist, f"_{other}"):
            found.append((lambda *ops: 1.0 - getattr(dist, f"_{other}")(*ops), True))
    if what in ("cdf", "sf") and isinstance(dist, stats.rv_discrete):
        found += _sums(dist, what)
    if dist.name in UNTRACEABLE:
        found = [candidate for candidate in found if not candidate[1]]
    return sorted(found, key=lambda candidate: candidate[1])  # ours first; stable


# More terms than this are not summed.
TERMS = 4096


def _sums(dist: Any, what: str) -> list[Candidate]:
    """A discrete distribution function as the sum of the probabilities up to k, or 1 less it."""

    def make(logpmf: Function) -> Function:
        def total(k: Any, *shapes: Any) -> Any:
            first, _ = dist._get_support(*(plain(s) for s in shapes))
            start, stop = float(np.min(first)), float(np.max(plain(k)))
            if not stop - start < TERMS:
                raise NotImplementedError
            steps = np.arange(start, stop + 1.0)[:, None]
            wanted = (steps <= plain(k)) & (steps >= first)
            terms = np.exp(logpmf(np.where(wanted, steps, plain(k)), *shapes))
            below = np.sum(np.where(wanted, terms, 0.0), axis=0)
            return below if what == "cdf" else 1.0 - below

        return total

    return [(make(expression), True) for expression, _ in _sources(dist, "logpmf")]


def partial_of(
    dist: Any,
    what: str,
    k: int,
    operands: Sequence[Any],
    low: float,
    high: float = np.inf,
    sources: Sequence[Candidate] | None = None,
) -> Any:
    """The partial of logpdf, logpmf, cdf, sf and summaries in operand k by its best source."""
    source = choose(dist, what, k, operands, _sources(dist, what) if sources is None else sources)
    expression = source.expression
    if expression is None or (source.theirs and _at_a_gap(expression, k, operands)):
        return numeric_of(dist, what, k)

    def partial(y: Any, *ops: Any) -> Any:
        way = attempt(lambda: at_points(expression, k, ops, _mask(y, low, high), True)) if source.theirs else None
        if source.theirs and way is None:
            with noting():
                return numeric_of(dist, what, k)(y, *ops)
        d = way[0] if way is not None else at_points(expression, k, ops, _mask(y, low, high), False)
        return _finish(d, y)

    return labelled(partial) if source.labelled else partial


# Their code may have a branch for one value of a parameter (kappa4's h = 0), in which the parameter does not occur: its
# derivative is lost there. Such values are these, or nearby.
GAPS = np.array([-1.0, 0.0, 0.5, 1.0, 2.0])
NEAR_GAP = 1e-3


def _at_a_gap(expression: Function, k: int, operands: Sequence[Any]) -> bool:
    """Whether the derivative of their code is exactly zero at a value of the operand for which it may have a branch."""
    plains = [np.asarray(plain(o), dtype=np.float64) for o in operands]
    near = np.any(np.abs(plains[k][..., None] - GAPS) < NEAR_GAP, axis=-1)
    if not np.any(near):
        return False
    shape = np.broadcast_shapes(*(p.shape for p in plains))
    found = attempt(lambda: at_points(expression, k, plains, np.broadcast_to(near, shape), True))
    return found is not None and bool(np.any((found[0] == 0) & near))


def numeric_of(dist: Any, what: str, k: int) -> Function:
    """Finite differences of SciPy's value."""

    def function(*operands: Any) -> Any:
        return standard(dist, what, *np.broadcast_arrays(*operands))

    function.__name__ = f"scipy.stats.{dist.name}.{what}"
    return numeric_partial(function, k)
