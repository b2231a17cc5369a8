"""What a diagnosis reasons from: at every point the derivative on trial beside the true one, with a bound on its error.

Part of the check floor, between the judged entries (``entries.py``, ``second.py``) and the kinds of mistakes
(``kinds/``). The truth is autodiff's derivative where the measurement confirms it in every entry and direction that
was measured: then all entries are known to rounding, also those of a large argument of which only a sample was
measured. Otherwise it is the measurement, where there is one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradcheck.check.calls import all_arguments
from gradcheck.check.claims import Yours
from gradcheck.check.preflight import Scene
from gradcheck.check.result import Entry, Verdict
from gradcheck.numeric.scale import Array

if TYPE_CHECKING:
    from gradcheck.check.witnesses import Request

Mask = NDArray[np.bool_]

#: Autodiff's derivative and a hand-written one that says the same differ by less than this, relatively.
EXACT = 1e-8
#: The same where f, its argument or the derivative is float32.
EXACT_SHORT = 2e-5
#: Rounding of terms that cancel, as a part of the largest contribution to f of a natural step.
CANCELLED = 1e-13
#: Autodiff is confirmed by what agrees with it to the error bar and this.
CONFIRMED = 1e-6
#: What a pattern must be worth beyond chance and beyond its free parameters, in bits, and what one entry is at most.
ENOUGH, MOST = 16.0, 26.0
#: Entries of all points together that are looked at, and how many of them count as proof.
TOO_MANY, COUNTED = 4_000_000, 2_000


class Told(NamedTuple):
    """A kind of mistake: its code, a sentence with the numbers, and the numbers by name."""

    code: str
    message: str
    evidence: dict[str, float | str]


@dataclass(frozen=True)
class Evidence:
    """One point; matrices are (rows, columns): outputs (of a Hessian: first indices) and inputs.

    Attributes:
        scene: f at the point.
        yours: the derivative on trial, which can be called elsewhere.
        request: what is checked.
        claim: the derivative on trial.
        truth: the true one; nan where it is not known.
        bar: bound on |claim − truth| if the two were meant to be the same.
        wrong: where the claim is wrong.
        outer, inner: the shapes that rows and columns have been flattened from; a complex value has a leading 2.
        exact: the truth is autodiff's.
    """

    scene: Scene
    yours: Yours
    request: Request
    claim: Array
    truth: Array
    bar: Array
    wrong: Mask
    outer: tuple[int, ...]
    inner: tuple[int, ...]
    exact: bool

    @property
    def known(self) -> Mask:
        """Where there is a truth."""
        return np.isfinite(self.truth) & np.isfinite(self.bar)

    @property
    def arguments(self) -> list[tuple[str, Any]]:
        """All arguments of f by name, those included that are left to their defaults."""
        return all_arguments(self.scene.f.f, self.scene.args)

    @property
    def value(self) -> Array | None:
        """f's value for every row; None for a Hessian."""
        return None if self.request.order == 2 else self.scene.center


def gather(
    scene: Scene,
    yours: Yours | None,
    request: Request,
    own: Array | None,
    ad: Array | None,
    entries: Sequence[Entry],
    differ: Mask | None,
) -> Evidence | None:
    """The evidence of one point; None where nothing of the user's is on trial or nothing can be said of it.

    Args:
        scene, yours, request: the check.
        own: the hand-written derivative, (rows, columns).
        ad: autodiff's, or None.
        entries: what was judged at this point.
        differ: where the two derivatives differ by more than rounding, or None if there is only one.
    """
    if own is None or yours is None or not np.all(np.isfinite(own)):
        return None
    second = request.order == 2
    outer = scene.space.shape if second else scene.value.shape
    outer = (2, *outer) if scene.value.complex else outer
    measured, error, wrong, kinked = _measured(scene, own.shape, entries, second)
    truth, exact = measured, False
    with np.errstate(all="ignore"):
        bar = error + EXACT * np.abs(measured)
        if ad is not None and differ is not None and _confirmed(entries, request):
            exact, rel = True, _precision(scene, own, request)
            largest = np.nanmax(np.abs(np.nan_to_num(ad)) * scene.scales, axis=1, keepdims=True)
            close = rel * np.abs(ad) + CANCELLED * largest / scene.scales
            seen = np.isfinite(ad)
            truth, bar = np.where(seen, ad, measured), np.where(seen, close, bar)
            wrong = np.where(seen, differ, wrong)
    truth = np.where(kinked, np.nan, truth)
    return Evidence(scene, yours, request, own, truth, bar, wrong & np.isfinite(truth), outer, scene.space.shape, exact)


def _measured(
    scene: Scene, shape: tuple[int, int], entries: Sequence[Entry], second: bool
) -> tuple[Array, Array, Mask, Mask]:
    """Values and bars of the decided entries, where they are wrong, and where f has a kink; (rows, columns)."""
    measured, error = np.full(shape, np.nan), np.full(shape, np.nan)
    wrong, kinked = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
    single = [e for e in entries if e.direction is None]
    for (row, column), e in zip(_places(scene, single, second), single, strict=True):
        kinked[row, column] |= e.note.startswith(("kink", "jump"))
        if e.verdict is not Verdict.INCONCLUSIVE and e.measured is not None and e.error is not None:
            measured[row, column], error[row, column] = np.real(e.measured), e.error
            wrong[row, column] = e.verdict is Verdict.FAIL
    return measured, error, wrong, kinked


def _places(scene: Scene, entries: Sequence[Entry], second: bool) -> list[tuple[int, int]]:
    """Row and column of entries."""
    found = []
    for e in entries:
        ndim = len(scene.space.shape)
        output, index = (e.index[:ndim], e.index[ndim:]) if second else (e.output, e.index)
        outer = scene.space.shape if second else scene.value.shape
        row = int(np.ravel_multi_index(output, outer)) if output else 0
        row += scene.value.size * e.label.startswith("Im ")
        found.append((row, int(np.ravel_multi_index(index, scene.space.shape)) if index else 0))
    return found


def _confirmed(entries: Sequence[Entry], request: Request) -> bool:
    """Whether autodiff agrees with everything that was measured, at kinks apart."""
    with np.errstate(all="ignore"):
        for e in entries:
            if e.autodiff is None or e.measured is None or e.error is None or e.note.startswith(("kink", "jump")):
                continue
            ad, value = float(np.real(e.autodiff)), float(np.real(e.measured))
            size = max(abs(ad), abs(value)) * max(CONFIRMED, request.log.slack)
            if np.isfinite(ad) and abs(ad - value) > e.error + size:
                return False
    return True


def _precision(scene: Scene, own: Array, request: Request) -> float:
    """How well two right derivatives agree, relatively."""
    short = any(d.kind == "f" and d.itemsize < 8 for d in (scene.space.dtype, scene.value.dtype))
    short |= bool(np.all(own == own.astype(np.float32)) and np.any(significant(own)))
    return max(EXACT_SHORT if short else EXACT, 4 * request.log.slack)


def significant(values: Array) -> Mask:
    """Numbers with more than 12 binary digits: that such a one is a float32 is no accident.

    >>> significant(np.array([2.5, 0.1, 4097.0, 0.0]))
    array([False,  True,  True, False])
    """
    mantissa, _ = np.frexp(values)
    return np.asarray(mantissa * 2.0**12 != np.rint(mantissa * 2.0**12))


class Pool:
    """All points together, entry after entry; arrays of shape (entries,).

    A pattern that holds at every point is worth more than one that was seen at one. Points that would make the arrays
    too large are left out.

    Attributes:
        points: the evidence.
        claim, truth, bar, wrong, known: as in :class:`Evidence`.
        scope: where the claim is known to be wrong.
        at, row, column: which point, row and column an entry is of.
    """

    def __init__(self, points: Sequence[Evidence]) -> None:
        sizes = np.cumsum([p.claim.size for p in points])
        self.points = [p for p, size in zip(points, sizes, strict=True) if size <= TOO_MANY] or list(points[:1])
        self.claim: Array = self.flat(lambda p: p.claim)
        self.truth: Array = self.flat(lambda p: p.truth)
        self.bar: Array = self.flat(lambda p: p.bar)
        self.wrong: Mask = self.flat(lambda p: p.wrong)
        self.known: Mask = self.flat(lambda p: p.known)
        self.scope: Mask = self.wrong & self.known
        self.at = np.concatenate([np.full(p.claim.size, i) for i, p in enumerate(self.points)])
        self.row = self.flat(lambda p: np.arange(p.claim.shape[0])[:, None])
        self.column = self.flat(lambda p: np.arange(p.claim.shape[1]))

    def flat(self, of: Callable[[Evidence], np.ndarray]) -> Any:
        """Something of every point, broadcast to its entries."""
        return np.concatenate([np.broadcast_to(of(p), p.claim.shape).reshape(-1) for p in self.points])

    @property
    def first(self) -> Evidence:
        return self.points[0]

    @cached_property
    def uniform(self) -> bool:
        """Whether the derivative has the same shape at all points."""
        return len({(p.outer, p.inner) for p in self.points}) == 1

    @cached_property
    def shape(self) -> tuple[int, int]:
        rows, columns = self.first.claim.shape
        return rows, columns

    @property
    def argname(self) -> str:
        return self.first.request.argname

    @cached_property
    def wrong_count(self) -> int:
        return int(np.sum(self.scope))

    @cached_property
    def all_wrong(self) -> bool:
        """Whether every known entry is wrong, those apart that are zero and claimed to be."""
        right = self.known & ~self.wrong
        return not np.any(right & (np.abs(self.truth) > self.bar))

    @cached_property
    def proof(self) -> NDArray[np.intp]:
        """Some wrong entries, no two of them the same: repeated numbers prove nothing new."""
        chosen = np.flatnonzero(self.scope)
        if chosen.size > COUNTED:
            chosen = np.random.default_rng(0).choice(chosen, COUNTED, replace=False)
        pairs = np.stack([self.claim[chosen], self.truth[chosen]], axis=1)
        with np.errstate(all="ignore"):
            size = 10.0 ** np.floor(np.log10(np.where(pairs == 0, 1.0, np.abs(pairs))) - 7)
        _, unique = np.unique(np.round(pairs / size) * size, axis=0, return_index=True)
        return np.asarray(chosen[unique])

    @property
    def distinct(self) -> int:
        """How many different wrong entries there are to reason from."""
        return int(self.proof.size)

    def fits(
        self,
        predicted: Array,
        bar: Array,
        *,
        parameters: int = 0,
        hypotheses: int = 1,
        whole: bool = False,
    ) -> bool:
        """Whether a pattern explains the wrong entries, by more than chance.

        Args:
            predicted: what the claim would be, (entries,); nan where the pattern says nothing.
            bar: bound on the error of that.
            parameters: how many numbers in it were taken from the claim itself.
            hypotheses: how many patterns of this kind are tried.
            whole: the right entries must be explained, too.
        """
        proof = self.proof
        with np.errstate(all="ignore"):
            if not self._near(predicted[proof], bar[proof], self.claim[proof]):
                return False
            scope = self.known if whole else self.scope
            if not self._near(predicted[scope], bar[scope], self.claim[scope]):
                return False
            told = np.isfinite(predicted[proof])
            if np.sum(told) < 0.5 * proof.size:
                return False
            gap = np.abs(self.claim[proof] - self.truth[proof])
            bits = np.log2(gap / (2 * np.maximum(bar[proof], np.finfo(float).tiny)))
        bits = np.sort(np.clip(np.where(told, np.nan_to_num(bits), 0.0), 0.0, MOST))[::-1]
        return bool(np.sum(bits[parameters:]) >= ENOUGH + np.log2(hypotheses))

    @staticmethod
    def _near(predicted: Array, bar: Array, claim: Array) -> bool:
        return not np.any(np.abs(claim - predicted) > bar)

    def ratios(self) -> Array:
        """claim / truth of the wrong entries where the truth is not zero."""
        some = self.scope & (np.abs(self.truth) > self.bar)
        return np.asarray(self.claim[some] / self.truth[some])

    def counted(self, noun: str = "ratios", number: int | None = None) -> str:
        """``all 12 ratios``, ``the 3 ratios of the wrong entries``, ``the one ratio``."""
        count = self.ratios().size if number is None else number
        one = noun.removesuffix("s") if noun != "entries" else "entry"
        if noun == "entries" and not self.all_wrong:
            noun, one = "wrong entries", "wrong entry"
        elif not self.all_wrong:
            noun, one = f"{noun} of the wrong entries", f"{one} of the wrong entry"
        return f"all {count} {noun}" if count > 1 else f"the {one}"


def are(text: str) -> str:
    """The verb that goes with what :meth:`Pool.counted` says."""
    return "are" if text.startswith("all ") else "is"


def written(values: Array, exact: float) -> str:
    """A number that all values are, with as many decimals as they agree in, six at most.

    >>> written(np.array([-1.0, -1.0 + 1e-9]), -1.0)
    '−1.000000'
    >>> written(np.array([1e-9, 1.1e-9]), 1e-9)
    '1e-09'
    """
    apart = float(np.max(np.abs(values - exact))) if values.size else 0.0
    size = abs(exact)
    if size and not 1e-3 <= size < 1e6:
        digits = int(np.clip(-np.log10(2 * apart / size), 1, 6)) if apart else 6
        return f"{exact:.{digits}g}".replace("-", "−", 1) if exact < 0 else f"{exact:.{digits}g}"
    decimals = int(np.clip(-np.log10(2 * apart), 1, 6)) if apart else 6
    return f"{exact:.{decimals}f}".replace("-", "−")
