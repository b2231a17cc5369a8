"""The witnesses at one point: what is claimed along every line, and what the measurement says of it.

Part of the check floor, between the claims (``claims.py``), the choice of lines (``sampling.py``) and the
measurement (``compare.py``).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck.check import judge
from gradcheck.check.claims import Autodiff, CallLog, Yours, columns_along
from gradcheck.check.codes import kind
from gradcheck.check.coloured import judged_by_groups, worthwhile_groups
from gradcheck.check.compare import Measured, at_first_sight, compare, doubt_flat, doubt_slight, glance
from gradcheck.check.judge import Trial, agreement
from gradcheck.check.preflight import Scene
from gradcheck.check.result import CheckError, Finding
from gradcheck.check.sampling import ALL_COLUMNS, all_coordinates, sample
from gradcheck.check.spaces import split
from gradcheck.check.symmetry import take_as_symmetric
from gradcheck.errors import Location
from gradcheck.numeric.ladder import Estimate
from gradcheck.numeric.lines import Line, along
from gradcheck.numeric.scale import Array, coordinate_scales, random_weights

if TYPE_CHECKING:
    from gradcheck.check.bounds import Bounds
    from gradcheck.check.study import Studies

#: Directions are decided on their error bar, not on the precision floor: one wrong entry of a million is
#: small.
DIRECTION_FLOOR = 1e-9
#: How far beside the point two derivatives are compared where both are tiny there, relatively.
BESIDE = 1e-3

#: How many times its rounding f must move by for that to count as its size.
VISIBLE = 1e3

#: A derivative that is stale by a step of a hundredth is off by more than this.
STALE = 1e-5

#: Why autodiff is no witness where it disagrees.
TEXT = "{} turns numbers into text, through which autodiff cannot follow them"
EQUAL = "{} asks whether numbers are equal, and at the point they are: autodiff sees the branch of that one point"
ROUNDS = "{} goes through calls whose derivative is zero by nature (np.round, a sort order), and they matter here"


@dataclass(frozen=True)
class Request:
    """What to check, the same at every point.

    Attributes:
        argnum, argname: the argument.
        grad: the hand-written derivative, "returned", or None.
        order: 1 or 2.
        rtol, atol: the user's tolerances, zero if not given.
        seed: of all random choices.
        autodiff: whether the autodiff core is asked at all.
        derivative: name of the hand-written derivative.
        log: takes down how autodiff went about f.
        bounds: of the argument, or None.
        vectorized: f is said to take many points at once.
        hessp: the hand-written product of the Hessian with a vector, or None; ``hessp_name`` is what it is called.
        columns: the only inputs to look at, or None for all.
        jac: the hand-written gradient, for order 2: differences of it measure where autodiff cannot follow f.
        studies: keeps the worst entries for pictures of their steps, if such are wanted.
    """

    argnum: int
    argname: str
    grad: Callable[..., Any] | str | None
    order: int
    rtol: float
    atol: float
    seed: int
    autodiff: bool
    derivative: str
    log: CallLog
    bounds: Bounds | None = None
    vectorized: bool = False
    hessp: Callable[..., Any] | None = None
    hessp_name: str = ""
    jac: Callable[..., Any] | None = None
    columns: tuple[int, ...] | None = None
    studies: Studies | None = None


class Witnesses:
    """The claims along all lines at one point, and the sampler that measures them.

    Attributes:
        lines: what is measured.
        claims: "yours" and "autodiff" -> values along the lines, (lines, m), or None.
        sampler: f's values.
        floor: relative precision floor of single entries.
        tried: whether autodiff's two modes were compared.
        broken: they disagree, so that autodiff is no witness.
        hint: what may be the reason for wrong entries, or "".
        suspects: of many inputs those at which the two derivatives disagree, or are not finite.
        few: of many inputs the directions that do, as the two agree in every entry.
    """

    def __init__(
        self,
        scene: Scene,
        given: np.ndarray | None,
        yours: Yours | None,
        request: Request,
        findings: list[Finding],
    ) -> None:
        self.scene, self.request, self.yours = scene, request, yours
        self.sampler = scene.sampler()
        self.autodiff = Autodiff(scene.f, scene.space, scene.value, request.argnum, request.log)
        self.autodiff.elsewhere = lambda: scene.evaluate(scene.x + scene.inward(BESIDE * scene.scales))
        shorts = (scene.space.dtype, scene.value.dtype, *(() if given is None else (given.real.dtype,)))
        short = any(d.kind == "f" and d.itemsize < 8 for d in shorts)
        self.floor = judge.FLOOR_SHORT if short else judge.FLOOR
        self.broken = self.tried = False
        self.own = None if given is None else self.matrix(given)
        self.ad = None
        if request.autodiff and self.autodiff.dense_fits:
            found = self.autodiff.dense(scene.args)
            self.ad = None if found is None else self.matrix(found)
        self.hint = ""
        take_as_symmetric(self, findings)
        self.disagree = self._disagreement()
        self.suspects = np.empty(0, dtype=np.intp)
        self.few: list[Line] = []
        self.lines = self._choose()
        self.claims = self.claims_along(self.lines)
        if self._doubtful():
            self._try_modes(findings)
        self._report_autodiff(findings)

    @functools.cached_property
    def noise(self) -> Array:
        """The noise of f, (m,); measured when it is first asked for."""
        noise, self.sampler.rounding = self.scene.noise(self.request.seed)
        return noise

    def _doubtful(self) -> bool:
        """Whether autodiff is on trial alone, or differs from the hand-written derivative."""
        own, ad = self.claims["yours"], self.claims["autodiff"]
        if ad is None or own is None:
            return ad is not None
        if self.disagree is not None:
            return bool(np.any(self.disagree))
        return not np.all(agreement(own, ad, self.floor) | np.isnan(ad))

    def _try_modes(self, findings: list[Finding]) -> None:
        """Autodiff is no witness where its two modes disagree."""
        scene = self.scene
        self.tried = True
        if self.autodiff.modes_disagree(scene.args, scene.x, self.request.seed):
            findings.append(modes_disagree(scene))
            self.ad = self.disagree = None
            self.broken = True
            self.claims["autodiff"] = None

    def matrix(self, derivative: np.ndarray) -> Array:
        """A derivative as (width, n)."""
        return split(derivative.reshape(self.scene.value.size, -1), self.scene.value.complex, 0)

    def claims_along(self, lines: Sequence[Line]) -> dict[str, Array | None]:
        """What both claim along lines."""
        own = None if self.own is None else columns_along(self.own, lines)
        ad = None
        if self.ad is not None:
            ad = columns_along(self.ad, lines)
        elif self.request.autodiff and not self.autodiff.dense_fits and not self.broken:
            ad = self.autodiff.lines(self.scene.args, lines)
        return {"yours": own, "autodiff": ad}

    def _disagreement(self) -> np.ndarray | None:
        """Where the two derivatives differ by more than rounding, (width, n); None if there is only one.

        Where autodiff's is nan it is no witness, and disagrees with nothing.
        """
        if self.own is None or self.ad is None:
            return None
        differ = ~agreement(self.own, self.ad, self.floor) & ~np.isnan(self.ad)
        return differ & ~self._only_rounding(differ) if np.any(differ) else differ

    def _only_rounding(self, differ: np.ndarray) -> np.ndarray:
        """Entries that are nothing but the rounding errors of larger terms that cancel, in one or both.

        Beside the point they either agree like all others, or their difference is still tiny, and is another
        one.
        """
        own, ad, yours = self.own, self.ad, self.yours
        assert own is not None
        assert ad is not None
        scales = self.scene.scales
        with np.errstate(all="ignore"):
            gaps = [np.abs(own - ad)]
            largest = np.max(np.nan_to_num(np.abs(ad) * scales), axis=1, keepdims=True)
            unit = 64 * np.finfo(np.float64).eps * largest / scales
        unit = np.maximum(unit, 4 * self.noise[:, None] / scales)
        tiny = differ & (gaps[0] <= unit)
        if yours is None or not np.any(tiny):
            return np.zeros_like(differ)
        same, rng = tiny.copy(), np.random.default_rng([self.request.seed, 7])
        for _ in range(2):
            x = self.scene.x + self.scene.inward(self.scene.x * BESIDE * rng.uniform(0.5, 1.0, self.scene.x.size))
            args = self.scene.at(x)
            try:
                mine = self.matrix(yours.array(args))
            except CheckError:
                return np.zeros_like(differ)
            found = self.autodiff.dense(args)
            if found is None:
                return np.zeros_like(differ)
            theirs = self.matrix(found)
            same &= agreement(mine, theirs, self.floor)
            gaps.append(np.abs(mine - theirs))
        spread = np.max(gaps, axis=0) - np.min(gaps, axis=0)
        noisy = (np.max(gaps, axis=0) <= unit) & (spread >= 0.1 * np.max(gaps, axis=0))
        return np.asarray(tiny & (same | noisy | (ad == 0)))

    def _choose(self) -> list[Line]:
        """All coordinates, or for many a sample with directions."""
        scene = self.scene
        if self.request.columns is not None:
            return all_coordinates(scene.x, scene.space.dtype, self.request.columns)
        if scene.x.size <= ALL_COLUMNS:
            return all_coordinates(scene.x, scene.space.dtype)
        matrix = self.own if self.own is not None else self.ad
        weight = np.ones(scene.x.size)
        if matrix is not None:
            weight = np.nan_to_num(np.abs(matrix)).max(axis=0)
            odd = ~np.isfinite(matrix).all(axis=0)
            if self.disagree is not None:
                odd |= self.disagree.any(axis=0)
            self.suspects = np.flatnonzero(odd)
        weight = weight * scene.scales
        chosen = sample(scene.x, weight, scene.space.dtype, self.request.seed, self.suspects, scene.inward)
        if self._agree_everywhere():
            self.few = chosen.few
        return chosen.directions + chosen.coordinates

    def _agree_everywhere(self) -> bool:
        """Whether two derivatives agree in every entry, of which neither can have its value from the other."""
        if self.disagree is None or self.suspects.size or self.request.log.rules:
            return False
        return not np.any(self.disagree) and bool(np.all(np.isfinite(self.ad)))  # type: ignore[arg-type]

    def _report_autodiff(self, findings: list[Finding]) -> None:
        """What there is to say of the autodiff core; without any derivative there is no check."""
        scene, trouble = self.scene, self.autodiff.trouble
        if self.broken:
            return
        if self.claims["autodiff"] is None and self.claims["yours"] is None:
            if trouble is None:
                raise CheckError("no derivative was given, and autodiff was switched off", code="GC016")
            where = trouble.where or scene.f.where
            raise CheckError(trouble.message, where=where, hint=trouble.hint, code="GC016") from trouble
        if trouble is not None:
            text = f"no autodiff: {trouble.message}"
            findings.append(Finding("GC304", kind("GC304"), text, trouble.where, trouble.hint))
            return
        own, ad = self.claims["yours"], self.claims["autodiff"]
        if own is not None and ad is not None and np.any(np.isnan(ad)):
            text = f"no autodiff where it is nan, in {np.sum(np.isnan(ad))} of {ad.size} comparisons"
            hint = "the chain rule meets 0·inf, 0/0 or equal eigenvalues inside f at this point"
            findings.append(Finding("GC304", kind("GC304"), text, scene.f.where, hint))
        if self.request.autodiff and self._value_differs():
            text = f"{scene.f.name} returns another value while it is traced"
            findings.append(Finding("GC305", kind("GC305"), text, scene.f.where))

    def _value_differs(self) -> bool:
        """Whether f's value under the trace is another one than plain."""
        scene = self.scene
        traced = np.asarray(self.autodiff.value)
        if traced.dtype.kind not in "fiuc":
            return True
        value = split(traced.reshape(-1), scene.value.complex, 0)
        if value.shape != scene.center.shape:
            return True
        beyond = np.abs(value - scene.center) - 1e-12 * np.abs(scene.center)
        return bool(np.any(beyond > 8 * scene.least_noise) and np.any(beyond > 8 * self.noise))

    def trials(self, lines: Sequence[Line], claims: dict[str, Array | None]) -> list[Trial]:
        """What is on trial along each line."""
        own, ad = claims["yours"], claims["autodiff"]
        claim = own if own is not None else ad
        assert claim is not None
        witness = ad if own is not None else None
        agrees = np.zeros(claim.shape, dtype=bool)
        if witness is not None:
            agrees = self._agreement_along(lines, claim, witness)
            # Rounding errors of larger terms, where f does not depend on the coordinate at all: zero is on trial.
            claim = np.where(agrees & (witness == 0), witness, claim)
        sharp = judge.SHARP if own is not None else judge.SHARP_AUTODIFF
        sizes, zero = self._sizes(lines, claim), self._zero_sizes(lines, claim)
        return [
            Trial(
                claim=c,
                witness=None if witness is None else witness[i],
                witness_agrees=agrees[i],
                size=sizes[i],
                zero_size=zero[i],
                sharp=sharp,
                rtol=self.request.rtol,
                atol=self.request.atol,
                floor=self.floor if lines[i].direction is None else DIRECTION_FLOOR,
            )
            for i, c in enumerate(claim)
        ]

    def _agreement_along(self, lines: Sequence[Line], claim: Array, witness: Array) -> np.ndarray:
        """Where the two claims are the same: entry by entry, also for what a direction sums up."""
        agrees = agreement(claim, witness, self.floor)
        if self.disagree is not None:
            for i, line in enumerate(lines):
                if line.direction is None:
                    agrees[i] = ~self.disagree[:, line.column]
                else:
                    agrees[i] = ~np.any(self.disagree[:, line.direction != 0], axis=1)
        return agrees & ~np.isnan(witness)

    def _sizes(self, lines: Sequence[Line], claim: Array) -> Array:
        """What "relative" refers to: |claim|, or along a direction the root of the sum of squares."""
        sizes = np.abs(claim)
        matrix = self.own if self.own is not None else self.ad
        if matrix is not None and any(line.direction is not None for line in lines):
            squares = np.nan_to_num(matrix, nan=0.0, posinf=0.0, neginf=0.0) ** 2
            for i, line in enumerate(lines):
                if line.direction is not None:
                    sizes[i] = np.sqrt(squares @ (line.direction**2))
        return sizes

    def _zero_sizes(self, lines: Sequence[Line], claim: Array) -> Array:
        """The size of a zero entry: the lower quartile of what the other entries of that output contribute.

        Not the largest: beside entries of 1e12 a true 1e-12 looks like a zero, and must not pass as one.
        """
        scales = np.array([line.scale for line in lines])[:, None]
        parts = np.abs(claim) * scales
        parts = np.where(np.isfinite(parts) & (parts > 0), parts, np.nan)
        out = np.full(claim.shape[1], np.nan)
        some = np.any(np.isfinite(parts), axis=0)
        out[some] = np.nanpercentile(parts[:, some], 25, axis=0)
        if not np.all(some):  # at a stationary point: how much does f move over a natural step?
            rng = np.random.default_rng([self.request.seed, 6])
            step = rng.choice([-0.25, 0.25], self.scene.x.size) * self.scene.scales
            step = self.scene.inward(step)
            moved = np.abs(np.nan_to_num(self.scene.evaluate(self.scene.x + step) - self.scene.center))
            visible = moved > VISIBLE * self.scene.least_noise
            out = np.where(some, out, np.where(visible, moved, np.abs(self.scene.center)))
        return np.asarray(out / scales)

    def compare(self, findings: list[Finding]) -> list[Measured]:
        """Measure and judge every line; where a direction fails, find the entries that make it fail."""
        measured = self._measure()
        against = (judge.FAIL, judge.NAN, judge.OUTSIDE, judge.ALONE)
        if self.claims["autodiff"] is not None and not self.tried and _any_state(measured, against):
            self._try_modes(findings)
        texts, equal = self.autodiff.texts, self.autodiff.equal
        rounds = self.request.log.zero > 0 and self.own is not None
        for applies, where, reason, states, hint in (
            (bool(texts), texts[:1], TEXT, (*against, judge.UNDECIDED), "keep them numbers"),
            (bool(equal), equal[:1], EQUAL, against, "check beside that point"),
            (rounds, [], ROUNDS, (judge.ALONE,), ""),
        ):
            if applies and self.claims["autodiff"] is not None and _any_state(measured, states):
                measured = self._without_autodiff(reason, next(iter(where), None), hint, findings)
        return measured

    def _measure(self) -> list[Measured]:
        """Measure and judge all lines; where directions are among them, find the entries that make them fail."""
        if all(line.direction is None for line in self.lines):
            matrices = [m for m in (self.own, self.ad) if m is not None]
            groups = worthwhile_groups(matrices) if matrices and self.request.columns is None else []
            return judged_by_groups(self, groups) if groups else self.judged(self.lines, self.claims)
        from gradcheck.check.locate import Search

        measured = Search(self).run(self.lines)
        self.lines = [m.line for m in measured]
        self.claims = self.claims_along(self.lines)
        return measured

    def glance(self, line: Line, rungs: Sequence[int] = (0,)) -> tuple[Trial, Estimate]:
        """What is on trial along a line, and what differences at these rungs say of it."""
        trial = self.trials([line], self.claims_along([line]))[0]
        return trial, glance(self.sampler, line, trial, self.noise, rungs)

    def _without_autodiff(
        self, reason: str, where: Location | None, hint: str, findings: list[Finding]
    ) -> list[Measured]:
        """Judge again without autodiff, which may have lost the derivative."""
        text = reason.format(self.scene.f.name)
        if self.claims["yours"] is None:
            hint += ", or give a hand-written derivative with --grad"
            raise CheckError(text, where=where or self.scene.f.where, hint=hint, code="GC016")
        findings.append(Finding("GC304", kind("GC304"), f"no autodiff: {text}", where))
        self.ad = self.disagree = None
        self.broken = True
        self.claims["autodiff"] = None
        return self._measure()

    def judged(
        self, lines: Sequence[Line], claims: dict[str, Array | None] | None = None, *, settle: bool = True
    ) -> list[Measured]:
        """Measure and judge lines; without ``settle`` small failures stand as they are."""
        trials = self.trials(lines, self.claims_along(lines) if claims is None else claims)
        slack = self.request.log.slack
        passed = [] if slack else at_first_sight(self.sampler, lines, trials, self.scene.least_noise)
        done = {id(m.line): m for m in passed}
        left = [i for i, line in enumerate(lines) if id(line) not in done]
        if left:
            noise, largest = self.noise, self.largest if settle else None
            rest = compare(
                self.sampler, [lines[i] for i in left], [trials[i] for i in left], noise, largest=largest, slack=slack
            )
            for m in rest if slack else ():
                _doubt(m, slack)
            doubt_slight(rest)
            if not self.request.log.rules:  # which may be wrong in the same way
                doubt_flat(rest)
            for m in rest:
                self._forgive_rounding(m)
            if settle and not slack:
                from gradcheck.check.complexstep import decide

                decide(self.scene, rest)
            done |= {id(m.line): m for m in rest}
        return [done[id(line)] for line in lines]

    def at_first_sight(self, lines: Sequence[Line]) -> dict[int, Measured]:
        """What passes with two evaluations a line, all of them taken together: by the id of the line."""
        if self.request.log.slack or not lines:
            return {}
        trials = self.trials(lines, self.claims_along(lines))
        return {id(m.line): m for m in at_first_sight(self.sampler, lines, trials, self.scene.least_noise, sure=True)}

    def _forgive_rounding(self, m: Measured) -> None:
        """No failure of an output that is zero up to the rounding of the others, value and derivative."""
        center, largest = np.abs(self.scene.center), np.max(self.largest)
        if largest == 0 or center.size < 2 or not np.any(m.state == judge.FAIL):
            return
        unit = 4 * np.finfo(np.float64).eps
        with np.errstate(all="ignore"):
            size = np.maximum(np.abs(m.trial.claim), np.abs(m.estimate.value)) * m.line.scale
            tiny = (size <= unit * largest) & (center <= unit * center.max())
        m.state[(m.state == judge.FAIL) & tiny] = judge.ROUNDING

    @functools.cached_property
    def largest(self) -> Array:
        """The largest contribution to f of a natural step in any one coordinate, shape (m,)."""
        matrix = self.own if self.own is not None else self.ad
        if matrix is None:
            return np.zeros_like(self.scene.center)
        return np.asarray(np.nan_to_num(np.abs(matrix) * self.scene.scales).max(axis=1))

    def possible(self, measured: Sequence[Measured]) -> Callable[[Array, np.ndarray], bool]:
        """(x, derivative there) -> whether it can be that the hand-written derivative is there what it is here."""
        states = np.concatenate([m.state for m in measured])
        if np.all(states == judge.PASS):
            return self._plausible
        smooth = np.any(states == judge.FAIL) and not np.any(np.isin(states, (judge.KINK, judge.OUTSIDE)))
        return lambda x, _derivative: not (smooth and self._moves(x))

    def _moves(self, x: Array) -> bool:
        """Whether autodiff's derivative at another point is another one."""
        found = None if self.ad is None else self.autodiff.dense(self.scene.at(x))
        if self.ad is None or found is None:
            return False
        return not np.allclose(self.matrix(found), self.ad, rtol=STALE, atol=0.0, equal_nan=True)

    def _plausible(self, x: Array, derivative: np.ndarray) -> bool:
        """Whether the measurement at another point allows that derivative, along one random direction."""
        rng = np.random.default_rng([self.request.seed, 2])
        there = replace(self.scene, x=x, center=self.scene.evaluate(x))
        line = along(x, there.inward(random_weights(rng, x.size) * coordinate_scales(x)), self.scene.space.dtype)
        noise = self.noise
        sampler = there.sampler(self.sampler.rounding)
        claims: dict[str, Array | None] = {
            "yours": columns_along(self.matrix(derivative), [line]),
            "autodiff": None,
        }
        measured = compare(sampler, [line], self.trials([line], claims), noise, slack=self.request.log.slack)
        trial, value = measured[0].trial, measured[0].estimate.value
        gross = np.abs(trial.claim - value) > STALE * judge.magnitude(trial, value)
        return not bool(np.any((measured[0].state == judge.FAIL) & gross))


def _any_state(measured: Sequence[Measured], states: Sequence[int]) -> bool:
    """Whether any output of any line is in one of these states."""
    return bool(np.any(np.isin(np.concatenate([m.state for m in measured]), states))) if measured else False


def _doubt(m: Measured, slack: float) -> None:
    """No failure where f is an approximation and autodiff says the same but for its accuracy."""
    if m.trial.witness is not None:
        with np.errstate(all="ignore"):
            apart = np.abs(m.trial.claim - m.trial.witness)
            same = apart <= slack * np.maximum(np.abs(m.trial.claim), np.abs(m.trial.witness))
        m.state[(m.state == judge.FAIL) & (same | m.trial.witness_agrees)] = judge.UNDECIDED


def modes_disagree(scene: Scene) -> Finding:
    """What is said where forward and reverse mode give two derivatives."""
    text = f"forward and reverse mode of autodiff give two derivatives of {scene.f.name}, so neither was used"
    hint = "does it write into an array that lives outside of it? If not, please report a bug of gradcheck"
    return Finding("GC310", kind("GC310"), text, scene.f.where, hint)
