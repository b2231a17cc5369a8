"""Kinds that need more than the derivative at the point: the value, other arguments and points, parts of the data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from math import comb, log2
from typing import Any, NamedTuple

import numpy as np

from gradcheck.check import judge
from gradcheck.check.claims import Autodiff, CallLog
from gradcheck.check.evidence import EXACT, Evidence, Mask, Pool, Told, are, written
from gradcheck.check.judge import agreement
from gradcheck.check.kinds.elsewhere import autodiff_of, claims_at
from gradcheck.check.preflight import prepare
from gradcheck.check.result import CheckError
from gradcheck.check.sampling import ALL_COLUMNS
from gradcheck.check.spaces import ArgumentSpace, argument_space, split
from gradcheck.check.witnesses import Witnesses
from gradcheck.numeric.scale import Array, coordinate_scales

#: Points beside the given ones at which a branch is confirmed, and the largest derivative that is taken there.
ELSEWHERE, LARGEST = 32, 100_000
#: What the confirmation must be worth, in bits.
BRANCH = 12.0


def value(pool: Pool) -> Told | None:
    """The claim is f's value, or the argument itself."""
    if not pool.all_wrong or pool.distinct < 2 or any(p.value is None for p in pool.points):
        return None
    rows, columns = pool.shape
    square = rows == columns > 1 and pool.uniform
    diagonal = (pool.row == pool.column).astype(float) if square else np.ones_like(pool.claim)
    f = pool.flat(lambda p: p.scene.center[:, None])
    x = pool.flat(lambda p: p.scene.x)
    for what, values in (("the value of f", f), (f"{pool.argname} itself", x)):
        if pool.fits(diagonal * values, EXACT * np.abs(values) * diagonal, hypotheses=2, whole=True):
            on = " on its diagonal" if square else ""
            count = int(np.sum(pool.scope))
            who = f"{_all(count, 'entries')} equal{'s' * (count == 1)} it"
            text = f"the derivative is {what}{on}, not its derivative: {who}"
            return Told("GC133", text, {"entries": count, "claimed": what})
    return None


def _all(count: int, noun: str) -> str:
    return f"all {count} {noun}" if count > 1 else f"the {noun.removesuffix('s').replace('entrie', 'entry')}"


def swapped(pool: Pool) -> Told | None:
    """The claim is the derivative with respect to another argument."""
    first = pool.first
    if first.request.order == 2 or not pool.uniform or pool.distinct < 2:
        return None  # one number alone may be that of many things
    for k, (name, item) in enumerate(first.arguments):
        if k == first.request.argnum or not isinstance(item, float | np.ndarray | np.generic):
            continue
        if np.shape(item) != first.scene.space.shape:
            continue
        found = [_other(p, k, name) for p in pool.points]
        if any(pair is None for pair in found):
            continue
        truth, bar = (np.concatenate([pair[i].reshape(-1) for pair in found if pair is not None]) for i in (0, 1))
        if pool.fits(truth, bar, hypotheses=len(first.arguments), whole=True):
            count = int(np.sum(pool.known))
            text = (
                f"the derivative is that with respect to {name}, not {pool.argname}: {_all(count, 'entries')} "
                f"agree{'s' * (count == 1)} with df/d{name}"
            )
            return Told("GC125", text, {"argument": name, "entries": count})
    return None


def _other(p: Evidence, k: int, name: str) -> tuple[Array, Array] | None:
    """The derivative with respect to another argument, and a bound on its error; None where there is none."""
    log = CallLog(p.request.log.strict)
    request = replace(p.request, argnum=k, argname=name, log=log)
    try:
        scene = prepare(p.scene.f, _args(p), k, name, [])
        if p.exact:  # autodiff was confirmed for this function: no second measurement
            ad = _of_args(replace(p, scene=scene), scene.space, scene.args)
            return None if ad is None else (ad, EXACT * np.abs(ad))
        if scene.x.size > ALL_COLUMNS:
            return None
        given = p.claim[: scene.value.size]
        if scene.value.complex:
            given = given + 1j * p.claim[scene.value.size :]
        witnesses = Witnesses(scene, given, None, request, [])
        measured = witnesses.compare([])
    except CheckError:  # an integer, or text: nothing to be mixed up with
        return None
    truth, bar = np.full(p.claim.shape, np.nan), np.full(p.claim.shape, np.nan)
    for m in measured:
        if m.line.column is not None:
            truth[:, m.line.column] = m.estimate.value
            bar[:, m.line.column] = judge.BARS * m.estimate.bar
    return truth, bar


def part(pool: Pool) -> Told | None:
    """The claim is the derivative of a part of the data: the last sample overwrote the others, or one was taken."""
    if pool.first.request.order == 2 or not all(p.exact for p in pool.points):
        return None
    for label, part_of in _parts(pool):
        found = [part_of(p) for p in pool.points]
        if any(matrix is None for matrix in found):
            continue
        truth = np.concatenate([matrix.reshape(-1) for matrix in found if matrix is not None])
        samples = _samples(pool.first)
        for c in (1.0, 1.0 / max(samples, 1)):
            if pool.fits(c * truth, c * EXACT * np.abs(truth), hypotheses=8):
                who = pool.counted("entries", pool.wrong_count)
                verb = "equals" if are(who) == "is" else "equal"
                text = (
                    f"the derivative was overwritten where it should be accumulated: {who} {verb} the contribution "
                    f"of {label}"
                )
                return Told("GC124", text, {"part": label, "entries": pool.wrong_count})
    return None


def _parts(pool: Pool) -> Iterator[tuple[str, Callable[[Evidence], Array | None]]]:
    """What is left of the derivative if one contribution survives, the last or the first: of samples, of an index."""
    for which, at in (("last", -1), ("first", 0)):
        count = _samples(pool.first)
        if count > 1:
            yield f"the {which} of {count} samples alone", lambda p, at=at: _one_sample(p, at)  # type: ignore[misc]
        for k, (name, item) in enumerate(pool.first.arguments):
            if isinstance(item, np.ndarray) and item.ndim == 1 and item.dtype.kind in "iu" and pool.first.inner:
                label = f"the {which} occurrence of each index in {name} alone"
                yield label, lambda p, k=k, at=at: _one_occurrence(p, k, at)  # type: ignore[misc]


def _args(p: Evidence) -> tuple[Any, ...]:
    return tuple(item for _, item in p.arguments)


def _samples(p: Evidence) -> int:
    """Length of the leading axis that all arrays but the differentiated one share; 0 if they do not."""
    lengths = {
        len(a)
        for k, a in enumerate(_args(p))
        if k != p.scene.argnum and isinstance(a, np.ndarray) and a.ndim and a.shape != p.scene.space.shape
    }
    return lengths.pop() if len(lengths) == 1 else 0


def _one_sample(p: Evidence, at: int) -> Array | None:
    """The derivative with one sample of the data."""
    count = _samples(p)
    args = tuple(
        a[[at]] if k != p.scene.argnum and isinstance(a, np.ndarray) and a.ndim and len(a) == count else a
        for k, a in enumerate(_args(p))
    )
    return _of_args(p, p.scene.space, args)


def _one_occurrence(p: Evidence, k: int, at: int) -> Array | None:
    """The derivative if of repeated indices into x one counts: f of x[index] and of an index without repetition."""
    args, index = list(_args(p)), _args(p)[k]
    x, n = np.asarray(args[p.scene.argnum]), p.inner[0]
    box = p.scene.box
    if box is not None and (np.ptp(box.lower) > 0 or np.ptp(box.upper) > 0):
        return None  # what stands at another place has other bounds
    if not index.size or np.min(index) < 0 or np.max(index) >= n or np.unique(index).size == index.size:
        return None
    args[p.scene.argnum], args[k] = x[index], np.arange(index.size, dtype=index.dtype)
    space = argument_space(args[p.scene.argnum], p.request.argname)
    parts = _of_args(p, space, tuple(args))
    if parts is None:
        return None
    parts = np.moveaxis(parts.reshape(len(parts), index.size, -1), 1, 0)
    total, one = np.zeros((n, *parts.shape[1:])), np.zeros((n, *parts.shape[1:]))
    np.add.at(total, index, parts)
    if np.any(np.abs(np.moveaxis(total, 0, 1).reshape(p.claim.shape) - p.truth) > p.bar):
        return None  # f uses x in other ways, too
    one[index if at else index[::-1]] = parts if at else parts[::-1]
    return np.moveaxis(one, 0, 1).reshape(p.claim.shape)


def _of_args(p: Evidence, space: ArgumentSpace, args: tuple[Any, ...]) -> Array | None:
    """Autodiff's derivative for other arguments, as (rows, columns); None where f does not take them."""
    tools = Autodiff(p.scene.f, space, p.scene.value, p.scene.argnum, CallLog(p.request.log.strict))
    found = tools.dense(args)
    if found is None:
        return None
    return split(found.reshape(p.scene.value.size, -1), p.scene.value.complex, 0)


class Rule(NamedTuple):
    """What may decide a branch: words for the side on which the claim is wrong, and who is on it, shape (columns,)."""

    wrong: str
    right: str
    side: Callable[[Array], Mask]


def branch(pool: Pool) -> Told | None:
    """The claim is right on one side of a boundary and wrong on the other, here and at further points."""
    if pool.first.request.order == 2 or not pool.uniform or not all(p.exact for p in pool.points):
        return None
    if pool.claim.size > LARGEST or pool.all_wrong:
        return None
    if np.any(pool.known & ~pool.wrong & (np.abs(pool.claim - pool.truth) > 3 * pool.bar)):
        return None  # nearly right is not right: the error goes to zero somewhere
    units = [(p.scene.x, *_columns(p.wrong, p.truth, p.bar)) for p in pool.points]
    if not any(_separates(rule, units) for rule in _rules(pool, units)):
        return None
    further = _elsewhere(pool)
    total = sum(int(np.sum(seen)) for _, _, seen in further)
    bad = sum(int(np.sum(wrong & seen)) for _, wrong, seen in further)
    # A threshold is a free number: it costs as much as there are places for it.
    if not total < 20 * bad < 19 * total or log2(comb(total, bad)) - log2(total) < BRANCH:
        return None
    for rule in _rules(pool, units + further):
        if not _separates(rule, units + further):
            continue
        first = sum(int(np.sum(w & s)) for _, w, s in units)
        text = (
            f"the derivative is that of one branch only: wrong {rule.wrong}, right {rule.right} "
            f"(all {first} wrong entries here, and {bad} of {total} at {len(further)} further points)"
        )
        r = pool.ratios()
        if r.size and np.ptp(r) < 1e-6 * abs(r[0]):
            text += f"; there the ratios are {written(r, float(np.median(r)))}"
        return Told("GC127", text, {"right": rule.right, "wrong": rule.wrong, "points": len(further)})
    return None


def _columns(wrong: Mask, truth: Array, bar: Array) -> tuple[Mask, Mask]:
    """Which columns are wrong, and which of them tell anything at all."""
    with np.errstate(all="ignore"):
        seen = np.any((np.abs(truth) > bar) | wrong, axis=0)
    return np.any(wrong, axis=0), np.asarray(seen)


def _separates(rule: Rule, units: list[tuple[Array, Mask, Mask]]) -> bool:
    """Whether exactly those on one side are wrong."""
    return all(np.array_equal(rule.side(x)[seen], wrong[seen]) for x, wrong, seen in units)


def _rules(pool: Pool, units: list[tuple[Array, Mask, Mask]]) -> Iterator[Rule]:
    """Boundaries that fit what was seen: the sign of each x, a threshold of x or of |x|, the sign of a sum."""
    name = pool.argname if pool.first.scene.space.shape == () else f"{pool.argname}[i]"
    yield Rule(f"where {name} < 0", f"where {name} > 0", lambda x: x < 0)
    yield Rule(f"where {name} > 0", f"where {name} < 0", lambda x: x > 0)
    for text, size in ((name, lambda x: x), (f"|{name}|", np.abs)):
        bad = np.concatenate([size(x)[wrong & seen] for x, wrong, seen in units])
        good = np.concatenate([size(x)[~wrong & seen] for x, wrong, seen in units])
        if bad.size and good.size and bad.min() > good.max():
            t = 0.5 * float(bad.min() + good.max())
            yield Rule(f"where {text} > {t:.3g} or so", "below", lambda x, t=t, s=size: s(x) > t)  # type: ignore[misc]
        if bad.size and good.size and bad.max() < good.min():
            t = 0.5 * float(bad.max() + good.min())
            yield Rule(f"where {text} < {t:.3g} or so", "above", lambda x, t=t, s=size: s(x) < t)  # type: ignore[misc]


def _elsewhere(pool: Pool) -> list[tuple[Array, Mask, Mask]]:
    """Claim against autodiff at further points: magnitudes as given, in another order and with other signs."""
    p = pool.first
    rng = np.random.default_rng([p.request.seed, 11])
    tools = autodiff_of(p)
    found = []
    sizes = np.concatenate([np.abs(q.scene.x) for q in pool.points])
    for _ in range(ELSEWHERE):
        x = rng.choice(sizes, p.scene.x.size) * rng.uniform(0.7, 1.3, p.scene.x.size)
        x = x * rng.choice([-1.0, 1.0], x.size)
        if p.scene.box is not None:
            x = np.where((p.scene.box.lower <= x) & (x <= p.scene.box.upper), x, p.scene.x)
        claims = claims_at(p, tools, x)
        if claims is None:
            continue
        mine, theirs = claims
        largest = np.max(np.abs(theirs) * coordinate_scales(x), axis=1, keepdims=True)
        rounding = 1e-12 * largest / coordinate_scales(x)
        wrong = ~agreement(mine, theirs, judge.FLOOR) & (np.abs(mine - theirs) > rounding)
        found.append((x, *_columns(wrong, theirs, rounding)))
    return found
