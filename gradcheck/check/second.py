"""Hessians of scalar functions: what is on trial, and two independent measurements.

Part of the check floor. Every entry is measured as a first difference of autodiff's gradient, which is exact
to rounding, so that one difference of n outputs gives a whole column. That measurement trusts the gradient;
so along a few random directions v the number vᵀHv is also measured from values of f alone, as a second
difference. Where autodiff cannot follow f, all entries
are second differences of f: 4 H_ij s_i s_j = φ''(s_i e_i + s_j e_j) − φ''(s_i e_i − s_j e_j).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from gradcheck.check import judge
from gradcheck.check.calls import UserFunction
from gradcheck.check.claims import Autodiff, WrongShapeError, Yours
from gradcheck.check.codes import kind
from gradcheck.check.compare import UNFINISHED, Measured, compare
from gradcheck.check.entries import AUTODIFF_MESSAGES, MESSAGES, judged_entry, tally
from gradcheck.check.evidence import Evidence, gather
from gradcheck.check.forms import curvatures, direction_of, label_of, trial_of
from gradcheck.check.hessp import hand_products, structure
from gradcheck.check.judge import Trial, agreement
from gradcheck.check.preflight import Scene
from gradcheck.check.products import by_products, products_beside
from gradcheck.check.result import CheckError, Entry, Finding, Verdict
from gradcheck.check.sampling import all_coordinates
from gradcheck.check.study import Term
from gradcheck.check.witnesses import modes_disagree
from gradcheck.numeric.lines import Line, Sampler, along
from gradcheck.numeric.noise import noise_level
from gradcheck.numeric.scale import Array

if TYPE_CHECKING:
    from gradcheck.check.witnesses import Request

#: Whole Hessians up to this many inputs; of more, products with vectors.
WHOLE = 2000
#: Columns measured at most, through autodiff's gradient; and entries at most, where there is only f.
COLUMNS, PAIRS = 64, 210
#: Relative error bar asked of each of the two second differences that make one entry.
SHARP_PAIR = 1e-6
#: An entry that is smaller than this part of the others is rounding, if f's values cannot tell it from zero.
ROUNDING = 64 * float(np.finfo(np.float64).eps)
#: Random directions along which f itself confirms the Hessian.
CONFIRMED = 3


def second_order(
    scene: Scene, yours: Yours | None, request: Request, point: int, findings: list[Finding]
) -> tuple[list[Entry], int, Callable[[], Evidence | None] | None]:
    """The entries of a Hessian, judged, how many there are in all, and what gathers what a diagnosis may reason from.

    Raises:
        CheckError: f is not scalar and real (GC020), or there is neither a hand-written nor an autodiff
            Hessian (GC016).
    """
    if scene.value.width != 1:
        text = f"{scene.f.name} returns shape {scene.value.shape}; Hessians need a real scalar function"
        raise CheckError(text, where=scene.f.where, hint="use order 1", code="GC020")
    n = scene.x.size
    if n > WHOLE or (yours is None and request.hessp is not None):
        entries = _doubted(scene, by_products(scene, yours, request, point, findings))
        findings += [*_findings(scene, entries, _function(yours, request)), *_sampled(scene, entries)]
        return entries, n * n, None
    try:
        structural = [] if request.hessp is None else structure(scene, hand_products(scene, None, request)[0], request)
        own = None if yours is None else np.asarray(yours.array(scene.args), dtype=np.float64).reshape(n, n)
    except WrongShapeError as error:
        findings.append(error.finding)
        return [], n * n, None
    tools = Autodiff(scene.f, scene.space, scene.value, request.argnum, request.log)
    ad = tools.hessian(scene.args) if request.autodiff else None
    if own is None and ad is None:
        trouble = tools.trouble
        text = "autodiff was switched off and no Hessian given" if trouble is None else trouble.message
        where, hint = (None, None) if trouble is None else (trouble.where, trouble.hint)
        raise CheckError(text, where=where or scene.f.where, hint=hint, code="GC016") from trouble
    gradient = tools.gradient_at(scene.args) if request.autodiff and tools.trouble is None else None
    doubtful = ad is not None and (own is None or not np.all(agreement(own, ad, judge.FLOOR)))
    if doubtful and tools.modes_disagree(scene.args, scene.x, request.seed):
        findings.append(modes_disagree(scene))
        ad = gradient = None
        if own is None:
            return [], n * n, None
    if tools.trouble is not None:
        text = f"no autodiff: {tools.trouble.message}"
        findings.append(Finding("GC304", kind("GC304"), text, tools.trouble.where, tools.trouble.hint))
    noise, rounding = scene.noise(request.seed)
    if gradient is not None:
        entries = _from_gradient(scene, own, ad, request, point, tools, gradient)
    else:
        entries = _from_values(scene, own, ad, request, point, noise, rounding)
    if request.columns is None:
        entries += _confirmed_by_values(scene, own, ad, request, point, noise, rounding)
    if request.hessp is not None and request.grad is not None and request.columns is None:
        entries += products_beside(scene, request, point, findings, (noise, rounding))
    findings += structural
    entries = _doubted(scene, entries)
    findings += _findings(scene, entries, _function(yours, request))
    if own is not None and yours is not None:
        asymmetric = _asymmetric(own, request, scene, yours)
        findings += [f for f in asymmetric if not any(g.code == f.code and g.where == f.where for g in findings)]
    findings += _sampled(scene, entries)
    differ = None
    if own is not None and ad is not None:
        gap = 1e-12 * np.nanmax(np.abs(ad), initial=0.0)
        differ = ~agreement(own, ad, judge.FLOOR) & (np.abs(own - ad) > gap) & np.isfinite(ad)
    return entries, n * n, functools.partial(gather, scene, yours, request, own, ad, entries, differ)


def _doubted(scene: Scene, entries: list[Entry]) -> list[Entry]:
    """No failure where a solver of SciPy gave up, and none of a random direction where an entry has a kink: directions
    go through it."""
    if scene.unfinished:
        entries = [
            replace(e, verdict=Verdict.INCONCLUSIVE, note=UNFINISHED) if e.verdict is Verdict.FAIL else e
            for e in entries
        ]
    if not any(e.note.startswith("kink") for e in entries):
        return entries
    return [
        replace(e, verdict=Verdict.INCONCLUSIVE, error=None, note="kink: see the entries")
        if e.direction is not None and e.verdict is Verdict.FAIL
        else e
        for e in entries
    ]


def _sampled(scene: Scene, entries: Sequence[Entry]) -> list[Finding]:
    """Not every entry was compared: say what was."""
    total, single = scene.x.size**2, sum(e.direction is None for e in entries)
    if single >= total or not entries:
        return []
    text = f"{single} of {total} entries and {len(entries) - single} random directions were checked"
    return [Finding("GC308", kind("GC308"), text, scene.f.where)]


def _function(yours: Yours | None, request: Request) -> UserFunction | None:
    """The hand-written derivative."""
    if yours is not None:
        return yours.function
    return None if request.hessp is None else UserFunction(request.hessp, request.hessp_name)


def _asymmetric(own: Array, request: Request, scene: Scene, yours: Yours) -> list[Finding]:
    """Where the hand-written Hessian is not symmetric: no value of f is needed to see that."""
    with np.errstate(all="ignore"):
        gap = np.abs(own - own.T)
        size = np.maximum(np.abs(own), np.abs(own.T))
        differ = gap > np.maximum(judge.FLOOR_SHORT * size + 1e-10 * _typical(scene, own), request.atol)
        differ &= gap > request.rtol * size
    if not np.any(differ):
        return []
    worst = np.argmax(np.divide(gap, size, out=np.zeros_like(gap), where=differ))
    i, j = (int(k) for k in np.unravel_index(worst, own.shape))
    (first, _), (second, _) = (label_of(request, scene.space.shape, *pair) for pair in ((i, j), (j, i)))
    text = f"the Hessian is not symmetric: {first} is {own[i, j]:.6g} and {second} is {own[j, i]:.6g}"
    return [Finding("GC108", kind("GC108"), text, yours.function.where)]


def _typical(scene: Scene, claim: Array) -> float:
    """What a zero entry is compared with: lower quartile of the other entries in natural units, or |f|.

    What is nothing but rounding beside the largest counts as zero.
    """
    scales = scene.scales
    parts = np.abs(claim * np.outer(scales, scales))
    parts = parts[np.isfinite(parts)]
    parts = parts[parts > ROUNDING * np.max(parts, initial=0.0)]
    return float(np.percentile(parts, 25)) if parts.size else float(np.max(np.abs(scene.center)))


def _from_gradient(
    scene: Scene,
    own: Array | None,
    ad: Array | None,
    request: Request,
    point: int,
    tools: Autodiff,
    center: Array,
) -> list[Entry]:
    """Columns of the Hessian as first differences of autodiff's gradient."""
    n = scene.x.size

    def gradient(x: Array) -> Array:
        found = tools.gradient_at(scene.at(x)) if scene.allows(x) else None
        return np.full(n, np.nan) if found is None else found

    sampler = Sampler(gradient, scene.x, center, box=scene.box)
    v = direction_of(scene, np.random.default_rng([request.seed, 3]))
    noise = noise_level(lambda steps: np.stack([gradient(scene.x + t * v) for t in steps]), center)
    columns = list(range(n) if request.columns is None else request.columns)
    if len(columns) > COLUMNS:
        columns = sorted(np.random.default_rng([request.seed, 4]).choice(n, COLUMNS, replace=False).tolist())
    lines = all_coordinates(scene.x, scene.space.dtype, columns)
    claim = own if own is not None else ad
    assert claim is not None
    scales = scene.scales
    floor = _typical(scene, claim)
    trials = []
    for j in columns:
        zero = floor / (scales * scales[j])
        witness = None if own is None or ad is None else ad[:, j]
        sharp = judge.SHARP if own is not None else judge.SHARP_AUTODIFF
        trials.append(trial_of(claim[:, j], witness, np.abs(claim[:, j]), zero, request, sharp))
    entries = []
    for j, m in zip(columns, compare(sampler, lines, trials, noise, slack=request.log.slack), strict=True):
        for i in range(n):
            label, index = label_of(request, scene.space.shape, i, j)
            both = (None if own is None else own[i, j], None if ad is None else ad[i, j])
            entries.append(judged_entry(m, i, label, (), index, point, both))
            if request.studies is not None:
                request.studies.offer(entries[-1], sampler, Term(m, i))
    return sorted(entries, key=lambda e: e.index)


def _from_values(
    scene: Scene,
    own: Array | None,
    ad: Array | None,
    request: Request,
    point: int,
    noise: Array,
    rounding: Array,
) -> list[Entry]:
    """Entries as second differences of f along s_i e_i ± s_j e_j, as many as PAIRS allows."""
    claim = own if own is not None else ad
    assert claim is not None
    n, scales = scene.x.size, scene.scales
    pairs = [(i, j) for i in range(n) for j in range(i, n)]
    if request.columns is not None:
        pairs = [pair for pair in pairs if not set(pair).isdisjoint(request.columns)]
    if len(pairs) > PAIRS:
        rng = np.random.default_rng([request.seed, 4])
        pairs = [pairs[k] for k in sorted(rng.choice(len(pairs), PAIRS, replace=False))]
    sampler = scene.sampler(rounding)
    lines: list[Line] = []
    trials: list[Trial] = []
    for i, j in pairs:
        for sign in (1.0, -1.0) if i != j else (1.0,):
            v = np.zeros(n)
            v[i] = scales[i]
            if i != j:
                v[j] = sign * scales[j]
            lines.append(along(scene.x, v, scene.space.dtype))
            trials.append(_curvature_trial(claim, ad if own is not None else None, v, request, sharp=SHARP_PAIR))
    measured = compare(sampler, lines, trials, noise, second=True, slack=request.log.slack)
    typical = _typical(scene, claim)
    results = iter(measured)
    entries = []
    for i, j in pairs:
        up = next(results)
        down = next(results) if i != j else None
        for a, b in {(i, j), (j, i)}:
            entries.append(_pair_entry(scene, request, point, (a, b), (up, down), (own, ad), typical))
            if request.studies is not None:
                unit = scales[i] ** 2 if down is None else 4.0 * scales[i] * scales[j]
                terms = [Term(m, 0, w / unit) for m, w in ((up, 1.0), (down, -1.0)) if m is not None]
                request.studies.offer(entries[-1], sampler, *terms, second=True)
    return sorted(entries, key=lambda e: e.index)


def _is_rounding(hessian: Array | None, scales: Array, i: int, j: int) -> bool:
    """Whether an entry is nothing but rounding beside the others of its row and column."""
    assert hessian is not None
    row, column = np.abs(hessian[i]) * scales, np.abs(hessian[:, j]) * scales
    others = max(np.nanmax(row, initial=0.0) * scales[i], np.nanmax(column, initial=0.0) * scales[j])
    return bool(row[j] * scales[i] <= ROUNDING * others)


def _curvature_trial(
    claim: Array,
    witness: Array | None,
    v: Array,
    request: Request,
    typical: float = 0.0,
    sharp: float = judge.SHARP_AUTODIFF,
) -> Trial:
    """The claim vᵀHv, with the root of the sum of squares of its terms for a size; ``typical`` stands in for zero."""
    terms = claim * np.outer(v, v)
    size = np.array([np.sqrt(np.sum(terms**2))])
    other = None if witness is None else np.array([v @ witness @ v])
    return trial_of(np.array([v @ claim @ v]), other, size, np.maximum(size, typical), request, sharp)


def _pair_entry(
    scene: Scene,
    request: Request,
    point: int,
    pair: tuple[int, int],
    lines: tuple[Measured, Measured | None],
    both: tuple[Array | None, Array | None],
    typical: float,
) -> Entry:
    """One entry from one or two second differences, judged by its own error bar."""
    i, j = pair
    scales = scene.scales
    up, down = lines
    unit = scales[i] ** 2 if down is None else 4.0 * scales[i] * scales[j]
    value, bar = up.estimate.value[0] / unit, up.estimate.bar[0] / unit
    near, near_bar = (z[0] / unit for z in judge.nearest(up.estimate))
    if down is not None:
        value, bar = value - down.estimate.value[0] / unit, bar + down.estimate.bar[0] / unit
        other, other_bar = (z[0] / unit for z in judge.nearest(down.estimate))
        near, near_bar = near - other, near_bar + other_bar
    own, ad = (None if h is None else float(h[i, j]) for h in both)
    claim = own if own is not None else ad
    assert claim is not None
    size = max(abs(claim), abs(value))
    rounding = _is_rounding(both[0] if both[0] is not None else both[1], scales, i, j)
    if claim == 0 or (rounding and max(abs(claim), abs(value)) <= judge.BARS * bar):
        size = max(size, typical / (scales[i] * scales[j]))
    kinked = any(m is not None and m.estimate.kink[0] for m in lines)
    allowed = max(judge.FLOOR * size, request.rtol * abs(claim) + request.atol)
    # At a short step, too: see judge.nearest.
    limit = abs(claim - near) > judge.BARS_SHORT * near_bar and abs(near - value) <= 0.5 * abs(claim - value)
    verdict, note = Verdict.INCONCLUSIVE, "measured by second differences of f"
    if kinked:
        note = "kink: f has no second derivative here"
    elif not np.isfinite(value):
        blocked = any(m is not None and m.line.blocked for m in lines)
        note = "the bounds leave no room for a step" if blocked else "f is not finite beside the point"
    elif not np.isfinite(claim) or (limit and abs(claim - value) > max(judge.BARS * bar, allowed)):
        verdict = Verdict.FAIL
    elif abs(claim - value) <= max(bar, allowed) and bar <= max(judge.SHARP_AUTODIFF * size, allowed):
        verdict = Verdict.PASS
    else:
        note += "; the error bar is too wide to decide"
    label, index = label_of(request, scene.space.shape, i, j)
    known = bool(np.isfinite(value))
    return Entry(
        label=label, output=(), index=index, point=point, yours=own, autodiff=ad,
        measured=float(value) if known else None, error=float(judge.BARS * bar) if known else None,
        difference=abs(claim - value) / size if known and np.isfinite(claim) else None,
        verdict=verdict, note=note, resolution=float(judge.BARS * bar / size) if known else None,
    )  # fmt: skip


def _confirmed_by_values(
    scene: Scene,
    own: Array | None,
    ad: Array | None,
    request: Request,
    point: int,
    noise: Array,
    rounding: Array,
) -> list[Entry]:
    """vᵀHv along random directions, from values of f alone."""
    claim = own if own is not None else ad
    assert claim is not None
    rng = np.random.default_rng([request.seed, 5])
    forms = []
    for v in (direction_of(scene, rng) for _ in range(CONFIRMED if scene.x.size > 1 else 1)):
        size = float(np.sqrt(np.sum((claim * np.outer(v, v)) ** 2)))
        own_form, ad_form = (None if h is None else float(v @ h @ v) for h in (own, ad))
        forms.append((v, own_form, ad_form, size))
    return curvatures(scene, forms, request, point, (noise, rounding), zero=_typical(scene, claim))


def _findings(scene: Scene, entries: Sequence[Entry], yours: UserFunction | None) -> list[Finding]:
    """What the entries mean for the Hessian as a whole."""
    out: list[Finding] = []
    wrong = [e for e in entries if e.verdict is Verdict.FAIL]
    unsure = [e for e in entries if e.verdict is Verdict.INCONCLUSIVE]
    if wrong:
        if yours is not None:
            out.append(tally(*MESSAGES[judge.FAIL], wrong, entries, yours.where))
        else:
            code, text, hint = AUTODIFF_MESSAGES[judge.FAIL]
            out.append(tally(code, text, wrong, entries, scene.f.where, hint))
    if unsure:
        code = "GC201" if any(e.note.startswith("kink") for e in unsure) else "GC202"
        out.append(tally(code, MESSAGES[judge.UNDECIDED][1], unsure, entries, scene.f.where))
    return out
