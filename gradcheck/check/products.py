"""Hessians through products with vectors: hand-written Hessian-vector products, and Hessians too large to be held.

Part of the check floor, beside ``second.py``. No n×n array is made here. Along a few random directions v the vector Hv
is claimed by the hand-written product (or by the hand-written Hessian, times v) and by autodiff (forward over reverse),
and measured as a difference of the gradient along v: autodiff's, or a hand-written one. Of Hv not every component is
judged: sums u·Hv over all and over strata of components cover them, and the components in which the claims, or claim
and difference, differ most are judged one by one. So a wrong row of H is found for nothing; its column is found by
halving v. As the gradient is trusted here, vᵀHv is also measured from values of f alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from gradcheck.check import judge
from gradcheck.check.calls import UserFunction, definition
from gradcheck.check.claims import Autodiff, WrongShapeError, Yours
from gradcheck.check.codes import kind
from gradcheck.check.compare import compare
from gradcheck.check.entries import judged_entry
from gradcheck.check.forms import curvatures, direction_of, label_of, trial_of
from gradcheck.check.hessp import Claim, Product, hand_products, structure
from gradcheck.check.preflight import Scene
from gradcheck.check.result import CheckError, Entry, Finding, Verdict
from gradcheck.check.sampling import all_coordinates
from gradcheck.check.witnesses import agreement, modes_disagree
from gradcheck.numeric.lines import Line, Sampler, along
from gradcheck.numeric.noise import noise_level
from gradcheck.numeric.scale import Array, random_weights

if TYPE_CHECKING:
    from gradcheck.check.witnesses import Request

#: Random directions, sums u·Hv along each over strata of components, and components judged one by one.
DIRECTIONS, STRATA, SUSPECTS = 3, 4, 8
#: Wrong rows whose wrong column is looked for, and what remains of an error in the half that has it.
ROWS = 3
#: What differs by less than this part of the largest contribution is rounding of terms that cancel.
ROUNDING, ROUNDING_SHORT = 1e-12, 1e-6


class Products:
    """One claim of Hv at one point, and what measures it.

    Args:
        scene, request, point: the check.
        claim: what is on trial.
        tools: autodiff.
        gradient: differences of it measure; vector (n,) -> (n,), None where it fails.
        center: the gradient at the point.
        suffix: of labels, where several claims are on trial.
    """

    def __init__(
        self, scene: Scene, request: Request, point: int, claim: Claim, tools: Autodiff, *, suffix: str = ""
    ) -> None:
        self.scene, self.request, self.point, self.claim, self.tools = scene, request, point, claim, tools
        self.suffix = suffix
        rng = np.random.default_rng([request.seed, 5])
        self.directions = [direction_of(scene, rng) for _ in range(DIRECTIONS)]
        self.own: list[Array | None] = [None if claim.product is None else claim.product(v) for v in self.directions]
        self.ad: list[Array | None] = [self.autodiff(v) for v in self.directions]
        self.rows: set[int] = set()

    def autodiff(self, v: Array) -> Array | None:
        """Autodiff's Hv."""
        if not self.request.autodiff or self.tools.trouble is not None:
            return None
        return self.tools.hessian_product(self.scene.args, v)

    @property
    def doubtful(self) -> bool:
        """Whether autodiff is on trial alone, or differs from the hand-written product."""
        pairs = zip(self.own, self.ad, strict=True)
        return any(ad is not None and (own is None or np.any(self.differ(own, ad))) for own, ad in pairs)

    def differ(self, own: Array, ad: Array) -> np.ndarray:
        """Where two products differ by more than rounding, (n,)."""
        scales = self.scene.scales
        with np.errstate(all="ignore"):
            largest = np.nanmax(np.abs(ad) * scales, initial=0.0)
            tiny = np.abs(own - ad) * scales <= (ROUNDING_SHORT if self.short else ROUNDING) * largest
            return ~agreement(own, ad, self.floor) & ~tiny & ~np.isnan(ad)

    @property
    def short(self) -> bool:
        """Whether f or its argument is float32 or shorter."""
        return min(self.scene.space.dtype.itemsize, self.scene.value.dtype.itemsize) < 8

    @property
    def floor(self) -> float:
        """Relative precision floor."""
        return judge.FLOOR_SHORT if self.short else judge.FLOOR

    def factor(self) -> list[Finding]:
        """Whether the hand-written product is autodiff's times one number, in all components."""
        own = np.concatenate([h for h in self.own if h is not None] or [np.empty(0)])
        ad = np.concatenate([h for h in self.ad if h is not None] or [np.empty(0)])
        some = np.abs(ad) > ROUNDING * np.max(np.abs(ad), initial=0.0)
        if own.shape != ad.shape or self.claim.function is None or np.sum(some) < 3:
            return []
        with np.errstate(all="ignore"):
            ratios = own[some] / ad[some]
            ratio = float(np.median(ratios))
            same = np.all(np.abs(ratios - ratio) <= self.floor * abs(ratio)) and np.all(np.isfinite(own))
        if not same or ratio == 0 or abs(ratio - 1.0) <= self.floor:
            return []
        code = "GC111" if abs(ratio + 1.0) <= self.floor else "GC112"
        count = f"all {ratios.size} components of Hv along {len(self.directions)} random directions"
        what = "has the wrong sign" if code == "GC111" else f"is {ratio:.6g} times the right one"
        text = f"{self.claim.name} {what}: {count} say so"
        evidence: dict[str, float | str] = {"ratio": ratio, "entries": int(ratios.size)}
        return [Finding(code, kind(code), text, self.claim.function.where, None, evidence)]

    def measured(self, gradient: Product, center: Array) -> list[Entry]:
        """Judged sums u·Hv along every direction, and the components in which something differs."""
        scene = self.scene
        suspects = self._suspects(gradient)
        sums = self._sums()

        def chosen(g: Array) -> Array:
            return np.concatenate([sums @ g, g[suspects]])

        def select(x: Array) -> Array:
            found = gradient(x) if scene.allows(x) and not scene.f.spent else None
            return np.full(len(sums) + len(suspects), np.nan) if found is None else chosen(found)

        sampler = Sampler(select, scene.x, chosen(center), box=scene.box)
        v = self.directions[0]
        noise = noise_level(lambda steps: np.stack([select(scene.x + t * v) for t in steps]), sampler.center)
        # A sum is not known better than its terms.
        noise[: len(sums)] = np.maximum(noise[: len(sums)], 2.0**-53 * np.sqrt((sums**2) @ center**2))
        lines = [along(scene.x, v, scene.space.dtype) for v in self.directions]
        trials = [self._trial(own, ad, sums, suspects) for own, ad in zip(self.own, self.ad, strict=True)]
        entries = []
        found = compare(sampler, lines, trials, noise, slack=self.request.log.slack)
        for k, (m, own, ad) in enumerate(zip(found, self.own, self.ad, strict=True), start=1):
            for row in range(len(sums) + len(suspects)):
                label = f"d2f/d{self.request.argname}2 · u{row + 1} v{k}"
                index: tuple[int, ...] = ()
                both = tuple(None if h is None else float(chosen(h)[row]) for h in (own, ad))
                if row >= len(sums):
                    index = tuple(int(i) for i in np.unravel_index(suspects[row - len(sums)], scene.space.shape))
                    label = f"d2f/d{self.request.argname}[{','.join(map(str, index))}]d{self.request.argname} · v{k}"
                entry = judged_entry(m, row, label + self.suffix, (), index, self.point, (both[0], both[1]), k)
                if row < len(sums) or entry.verdict is not Verdict.PASS:
                    entries.append(entry)
                if row >= len(sums) and entry.verdict is Verdict.FAIL:
                    self.rows.add(int(suspects[row - len(sums)]))
        return entries

    def _sums(self) -> Array:
        """Vectors u, (1 + strata, n): random through all components, and through strata of their size."""
        rng = np.random.default_rng([self.request.seed, 14])
        first = next(h for h in (self.own[0], self.ad[0]) if h is not None)
        order = np.argsort(np.abs(np.nan_to_num(first)) * self.scene.scales, kind="stable")
        groups = [order, *(g for g in np.array_split(order, STRATA) if g.size)]
        out = np.zeros((len(groups), self.scene.x.size))
        for u, group in zip(out, groups, strict=True):
            u[group] = random_weights(rng, group.size) * self.scene.scales[group]
        return out

    def _suspects(self, gradient: Product) -> np.ndarray:
        """Components in which the claims differ most, or where there is one only, claim and a plain difference."""
        found: set[int] = set()
        for v, own, ad in zip(self.directions, self.own, self.ad, strict=True):
            claim = own if own is not None else ad
            other = ad if own is not None and ad is not None else self._difference(gradient, v)
            if claim is None or other is None:
                continue
            with np.errstate(all="ignore"):
                gap = np.abs(claim - other) * self.scene.scales
                part = np.nan_to_num(gap / (np.maximum(np.abs(claim), np.abs(other)) * self.scene.scales))
            gap = np.where(np.isfinite(gap), gap, np.inf)
            if ad is not None and own is not None:
                gap, part = (np.where(self.differ(own, ad), z, 0.0) for z in (gap, part))
            for size in (gap, np.where(gap > 1e-9 * np.max(gap), part, 0.0)):
                worst = np.argpartition(-size, min(SUSPECTS, size.size - 1))[:SUSPECTS]
                found |= {int(i) for i in worst if size[i] > 0}
        return np.array(sorted(found), dtype=np.intp)

    def _difference(self, gradient: Product, v: Array) -> Array | None:
        """One plain central difference of the gradient along v."""
        h = 2.0**-16
        if not self.scene.allows(self.scene.x - h * v):
            return None
        up, down = gradient(self.scene.x + h * v), gradient(self.scene.x - h * v)
        return None if up is None or down is None else (up - down) / (2 * h)

    def _trial(self, own: Array | None, ad: Array | None, sums: Array, suspects: np.ndarray) -> judge.Trial:
        """What is claimed of the sums and the suspects along one direction."""
        claim = own if own is not None else ad
        assert claim is not None
        finite = np.nan_to_num(claim, posinf=0.0, neginf=0.0)
        parts = np.abs(finite) * self.scene.scales
        some = parts[parts > 0]
        typical = float(np.percentile(some, 25)) if some.size else float(np.max(np.abs(self.scene.center)))
        size = np.concatenate([np.sqrt((sums**2) @ finite**2), np.abs(claim[suspects])])
        zero = np.concatenate([np.full(len(sums), typical), typical / self.scene.scales[suspects]])
        witness = ad if own is not None else None

        def pick(g: Array) -> Array:
            return np.concatenate([sums @ g, g[suspects]])

        sharp = judge.SHARP if own is not None else judge.SHARP_AUTODIFF
        trial = trial_of(pick(claim), None if witness is None else pick(witness), size, zero, self.request, sharp)
        trial = replace(trial, floor=self.floor)
        if own is None or ad is None:
            return trial
        differ = self.differ(own, ad)
        agrees = np.concatenate([[not np.any(differ[u != 0]) for u in sums], ~differ[suspects]]).astype(bool)
        return replace(trial, witness_agrees=agrees & ~np.isnan(pick(ad)))

    def located(self, gradient: Product, center: Array) -> list[Entry]:
        """Single wrong entries: of some wrong rows, a column that makes them wrong, found by halving and measured."""
        scene, product = self.scene, self.claim.product
        if product is None or self.tools.trouble is not None or not self.request.autodiff:
            return []
        pairs = []
        for row in sorted(self.rows)[:ROWS]:
            column = self._column(row)
            pairs += [] if column is None else [(row, column)]
        entries = []
        for row, column in pairs:
            unit = np.zeros(scene.x.size)
            unit[column] = 1.0
            own, ad = product(unit), self.autodiff(unit)
            if own is None or ad is None:
                continue

            def one(x: Array, row: int = row) -> Array:
                found = gradient(x) if scene.allows(x) and not scene.f.spent else None
                return np.full(1, np.nan) if found is None else found[[row]]

            line = all_coordinates(scene.x, scene.space.dtype, [column])[0]
            sampler = Sampler(one, scene.x, center[[row]], box=scene.box)
            noise = noise_level(lambda steps, one=one, line=line: _along(one, scene.x, line, steps), sampler.center)  # type: ignore[misc]
            sizes = np.abs(own[[row]]), np.abs(own[[row]] - ad[[row]])
            trial = replace(trial_of(own[[row]], ad[[row]], *sizes, self.request, judge.SHARP), floor=self.floor)
            m = compare(sampler, [line], [trial], noise, slack=self.request.log.slack)[0]
            label, index = label_of(self.request, scene.space.shape, row, column)
            both = (float(own[row]), float(ad[row]))
            entries.append(judged_entry(m, 0, label + self.suffix, (), index, self.point, both))
        return entries

    def _column(self, row: int) -> int | None:
        """A column in which that row of the hand-written product is wrong, by halving a direction."""
        assert self.claim.product is not None

        def error(v: Array) -> float:
            own, ad = self.claim.product(v), self.autodiff(v)  # type: ignore[misc]
            return 0.0 if own is None or ad is None else abs(float(own[row] - ad[row]))

        errors = [error(v) for v in self.directions]
        v = self.directions[int(np.argmax(errors))].copy()
        while np.count_nonzero(v) > 1:
            moving = np.flatnonzero(v)
            first, second = np.zeros_like(v), v.copy()
            half = moving[: moving.size // 2]
            first[half], second[half] = v[half], 0.0
            one, two = error(first), error(second)
            v = first if one >= two else second
            if not max(one, two) > 0:
                return None
        return int(np.flatnonzero(v)[0])


def _along(f: Callable[[Array], Array], x: Array, line: Line, steps: Array) -> Array:
    """f at steps in units of a line's scale."""
    return np.stack([f(line.point(x, float(t) * line.scale)) for t in steps])


def by_products(
    scene: Scene, yours: Yours | None, request: Request, point: int, findings: list[Finding]
) -> list[Entry]:
    """The entries of a Hessian that is checked through products with vectors alone.

    Raises:
        CheckError: GC016, there is neither a hand-written derivative nor autodiff's.
    """
    tools = Autodiff(scene.f, scene.space, scene.value, request.argnum, request.log)
    try:
        claims = hand_products(scene, yours, request) or [Claim("", None, None)]
        judged = [
            Products(scene, request, point, c, tools, suffix=f" ({c.name})" if len(claims) > 1 else "") for c in claims
        ]
        for claim in claims:
            findings += structure(scene, claim, request) if claim.product is not None else []
    except WrongShapeError as error:
        findings.append(error.finding)
        return []
    if claims[0].product is None and judged[0].ad[0] is None:
        _no_derivative(scene, tools)
    if any(p.doubtful for p in judged) and tools.modes_disagree(scene.args, scene.x, request.seed):
        findings.append(modes_disagree(scene))
        if claims[0].product is None:
            return []
        request = replace(request, autodiff=False)
        for p in judged:
            p.request, p.ad = request, [None] * len(p.ad)
    if tools.trouble is not None:
        text = f"no autodiff: {tools.trouble.message}"
        findings.append(Finding("GC304", kind("GC304"), text, tools.trouble.where, tools.trouble.hint))
    return _judged(scene, request, judged, tools, findings, scene.noise(request.seed))


def _no_derivative(scene: Scene, tools: Autodiff) -> None:
    trouble = tools.trouble
    text = "autodiff was switched off and no second derivative given" if trouble is None else trouble.message
    where, hint = (None, None) if trouble is None else (trouble.where, trouble.hint)
    raise CheckError(text, where=where or scene.f.where, hint=hint, code="GC016") from trouble


def _judged(
    scene: Scene,
    request: Request,
    judged: Sequence[Products],
    tools: Autodiff,
    findings: list[Finding],
    noise: tuple[Array, Array],
    *,
    confirmed: bool = False,
) -> list[Entry]:
    """All claims against differences of the gradient, and unless values of f have confirmed those against values."""
    gradient, center = _gradient(scene, request, tools, findings, noise)
    if gradient is None and judged[0].claim.product is not None:
        text = "of the second derivative only v·Hv along random directions could be measured: there is no gradient"
        hint = "give the hand-written gradient with jac=, or name it so that it is found beside f"
        findings.append(Finding("GC210", kind("GC210"), text, scene.f.where, hint))
    entries: list[Entry] = []
    for p in judged:
        if gradient is not None and center is not None:
            found = p.measured(gradient, center)
            entries += p.located(gradient, center) + found
            findings += p.factor() if any(e.verdict is Verdict.FAIL for e in found) else []
            if confirmed:
                continue
        forms = []
        for v, own, ad in zip(p.directions, p.own, p.ad, strict=True):
            claim = own if own is not None else ad
            assert claim is not None
            size = float(np.sqrt(np.sum(np.nan_to_num(v * claim) ** 2)))
            forms.append((v, None if own is None else float(v @ own), None if ad is None else float(v @ ad), size))
        entries += curvatures(scene, forms, request, p.point, noise, p.suffix)
    return entries


def products_beside(
    scene: Scene, request: Request, point: int, findings: list[Finding], noise: tuple[Array, Array]
) -> list[Entry]:
    """Entries of a hand-written product that is on trial beside a whole Hessian."""
    tools = Autodiff(scene.f, scene.space, scene.value, request.argnum, request.log)
    try:
        claim = hand_products(scene, None, request)[0]
        p = Products(scene, request, point, claim, tools, suffix=f" ({claim.name})")
    except WrongShapeError as error:
        findings.append(error.finding)
        return []
    return _judged(scene, request, [p], tools, findings, noise, confirmed=True)


def _gradient(
    scene: Scene, request: Request, tools: Autodiff, findings: list[Finding], noise: tuple[Array, Array]
) -> tuple[Product | None, Array | None]:
    """What is differenced: autodiff's gradient, or the hand-written one if values of f say that it is one."""
    if request.autodiff and tools.trouble is None:
        center = tools.gradient_at(scene.args)
        if center is not None and tools.trouble is None:
            return (lambda x: tools.gradient_at(scene.at(x))), center
    if request.jac is None:
        return None, None
    name = getattr(request.jac, "__name__", "jac")
    function = UserFunction(request.jac, name, definition(request.jac), "GC017")
    yours = Yours(function, scene.space.shape, len(scene.args), request.argnum, findings)
    try:
        center = np.asarray(yours.array(scene.args), dtype=np.float64).reshape(-1)
    except WrongShapeError as error:
        text = f"{error.finding.message}: no second derivative was measured with it"
        findings.append(Finding("GC317", kind("GC317"), text, function.where))
        return None, None
    rng = np.random.default_rng([request.seed, 15])
    vectors = [direction_of(scene, rng) for _ in range(DIRECTIONS)]
    trials = []
    for v in vectors:
        size = np.array([np.sqrt(np.sum((v * center) ** 2))])
        trials.append(trial_of(np.array([v @ center]), None, size, size, request, judge.SHARP))
    lines = [along(scene.x, v, scene.space.dtype) for v in vectors]
    if any(np.any(m.state != judge.PASS) for m in compare(scene.sampler(noise[1]), lines, trials, noise[0])):
        text = f"the gradient {name} was not confirmed by values of f, so no second derivative was measured with it"
        findings.append(Finding("GC317", kind("GC317"), text, function.where))
        return None, None
    text = f"the second derivative was measured by differences of {name}, not of autodiff's gradient"
    findings.append(Finding("GC318", kind("GC318"), text, function.where))

    def gradient(x: Array) -> Array | None:
        try:
            return np.asarray(yours.array(scene.at(x)), dtype=np.float64).reshape(-1)
        except (CheckError, WrongShapeError):  # the edge of its domain
            return None

    return gradient, center
