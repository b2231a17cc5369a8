"""Kinds that show entry by entry, in the ratio or the difference of claim and truth.

Sign, constant factor, zeros, float32, a missing conjugate, a constant or a penalty left out, clipping, a norm.
"""

from __future__ import annotations

import numpy as np

from gradcheck.check.evidence import Pool, Told, are, significant, written
from gradcheck.check.kinds.elsewhere import another_point
from gradcheck.check.kinds.quantities import PLAIN, quantities
from gradcheck.numeric.scale import Array

#: Largest error of a float32 computation, as a part of the largest entry of its row.
SINGLE = 1e-4
#: Factors that need no second entry: they come from squares, means and sums.
SMALL = (2.0, 0.5, 3.0, 1 / 3, 4.0, 0.25, -2.0, -0.5)
#: Limits and norms that people choose.
ROUND = (1.0, 0.1, 0.5, 2.0, 5.0, 10.0, 100.0, 0.01)


def single_precision(pool: Pool) -> Told | None:
    """The claim was computed in float32: all of it are float32 numbers, and it is nearly right."""
    claim = pool.claim[pool.known]
    some = significant(claim)
    with np.errstate(all="ignore"):
        if np.any(claim != claim.astype(np.float32)) or np.unique(claim[some]).size < 2:
            return None
        gap = np.abs(pool.claim - pool.truth)[pool.known]
        relative = float(np.nanmax((gap / np.abs(pool.truth[pool.known]))[pool.scope[pool.known]]))
    if not np.all(gap <= SINGLE * np.max(np.abs(pool.truth[pool.known]))) or not relative < 1e-2:
        return None
    text = (
        f"the derivative has only the precision of float32: all {claim.size} of its entries are float32 numbers, "
        f"and they are off by up to {relative:.0e} relatively"
    )
    return Told("GC126", text, {"entries": claim.size, "largest_relative_error": relative})


def zeros(pool: Pool) -> Told | None:
    """Every wrong entry is exactly zero."""
    if np.any(pool.claim[pool.scope] != 0):
        return None
    count = pool.wrong_count
    one = count == 1
    what = f"all {count} entries" if pool.all_wrong and not one else f"all {count} wrong entries"
    what = "the entry" if one and pool.all_wrong else "the wrong entry" if one else what
    evidence: dict[str, float | str] = {"entries": count, "claimed": 0.0}
    placed = _zero_places(pool)
    if placed is not None:
        code, where = placed
        return Told(code, f"{where}: all {count} that are wrong are exactly zero", evidence)
    verb, it = ("is", "it") if one else ("are", "they")
    text = f"the derivative is zero where f is not constant: {what} {verb} exactly 0, and {it} should not be"
    return Told("GC115", text, evidence)


def _zero_places(pool: Pool) -> tuple[str, str] | None:
    """Whether the zeros are all off, or all on, the diagonal, or on one side of it."""
    rows, columns = pool.shape
    if not pool.uniform or rows != columns or rows < 2 or pool.first.scene.value.complex:
        return None
    side = np.sign(pool.column - pool.row)
    right = pool.known & ~pool.wrong & (pool.claim != 0)
    wrong, seen = (set(np.unique(side[m]).tolist()) for m in (pool.scope, right))
    empty = [not np.any(pool.claim[pool.known & (side == s)]) for s in (-1, 0, 1)]
    if wrong == {0} and seen - {0} and empty[1]:
        return "GC131", "only the entries off the diagonal are there, the diagonal is missing"
    if 0 not in wrong and 0 in seen and empty[0] and empty[2]:
        return "GC130", "only the diagonal is there, the entries off it are missing"
    for s, other, name in ((-1, 1, "below"), (1, -1, "above")):
        if wrong == {s} and other in seen and empty[s + 1]:
            return "GC134", f"the entries {name} the diagonal are missing"
    return None


def conjugate(pool: Pool) -> Told | None:
    """The imaginary parts have the wrong sign, the real parts are right."""
    if not pool.uniform or not pool.first.scene.value.complex:
        return None
    imaginary = pool.row >= pool.first.scene.value.size
    if np.any(pool.scope & ~imaginary) or not np.any(pool.known & ~imaginary & (pool.claim != 0)):
        return None
    if np.any(imaginary & pool.known & ~pool.wrong & (np.abs(pool.truth) > pool.bar)):
        return None
    if not pool.fits(-pool.truth, pool.bar):
        return None
    r = pool.ratios()
    text = (
        f"the derivative is the complex conjugate of the right one: the ratios of all {r.size} imaginary parts are "
        f"{written(r, -1.0)}, the real parts are right"
    )
    return Told("GC128", text, {"ratio": -1.0, "entries": r.size})


def sign(pool: Pool) -> Told | None:
    """The wrong entries are right but for the sign."""
    if not pool.fits(-pool.truth, pool.bar):
        return None
    r = pool.ratios()
    who = pool.counted()
    return Told(
        "GC111",
        f"the derivative has the wrong sign: {who} {are(who)} {written(r, -1.0)}",
        {"ratio": -1.0, "entries": r.size},
    )


def factor(pool: Pool) -> Told | None:
    """The wrong entries are the right ones times one number."""
    r = pool.ratios()
    if not r.size:
        return None
    c = float(np.median(r))
    if not np.isfinite(c) or c == 0 or abs(c - 1) < 1e-6:
        return None
    lengths = _lengths(pool)
    named = next((f for f in (*SMALL, *lengths, *(1 / n for n in lengths)) if abs(c / f - 1) < 1e-7), None)
    if named is not None and pool.fits(named * pool.truth, abs(named) * pool.bar, hypotheses=8 + 2 * len(lengths)):
        c = named
    elif not pool.fits(c * pool.truth, abs(c) * pool.bar, parameters=1):
        return None
    who = pool.counted()
    text = f"{_times(c, lengths)}: {who} {are(who)} {written(r, c)}"
    evidence: dict[str, float | str] = {"ratio": c, "entries": r.size}
    parameter = _parameter(pool, c) if named is None else None
    if parameter is not None:
        text = f"the derivative {parameter}: {who} {are(who)} {written(r, c)}"
        return Told("GC122", text, evidence)
    return Told("GC112", text, evidence)


def _times(c: float, lengths: dict[float, str]) -> str:
    """``the derivative is 2 times the right one``, and where the number may come from."""
    for number, name in ((c, "{}"), (1 / c, "1/{}")):
        whole = round(number)
        if abs(whole) <= 1_000_000 and abs(number - whole) <= 1e-7 * abs(number) and whole:
            text = name.format(abs(whole)) if whole > 0 else "−" + name.format(abs(whole))
            origin = lengths.get(float(abs(whole)))
            return f"the derivative is {text} times the right one" + (
                f" ({abs(whole)} is {origin})" if origin and abs(whole) > 2 else ""
            )
    return "the derivative is wrong by a constant factor"


def _lengths(pool: Pool) -> dict[float, str]:
    """Lengths that sums and means go over: of the axes of arguments and value."""
    found: dict[float, str] = {}
    arrays = [(name, a.shape) for name, a in pool.first.arguments if isinstance(a, np.ndarray)]
    for name, shape in (*arrays, ("the value", pool.first.scene.value.shape)):
        whole = ((f"the number of entries of {name}", int(np.prod(shape, dtype=int))),) if len(shape) > 1 else ()
        for text, length in (*((f"the length of {name}", n) for n in shape), *whole):
            if length > 1:
                found.setdefault(float(length), text)
    return found


def _parameter(pool: Pool, c: float) -> str | None:
    """The one argument that a constant factor is a plain function of."""
    hits = []
    for q in quantities(pool):
        if q.scalar and np.ptp(q.values) <= 1e-12 * abs(q.values[0]):
            for function in PLAIN:
                with np.errstate(all="ignore"):
                    g = float(function.of(q.values[:1])[0])
                for number, how in ((1 / c, "lacks the factor"), (c, "has too much the factor")):
                    if np.isfinite(g) and abs(g - 1) > 1e-6 and abs(number - g) < 1e-8 * abs(g):
                        hits.append(f"{how} {function.name.format(q.name)}")
    return hits[0] if len({h.rpartition(" ")[2] for h in hits}) == 1 else None


def offset(pool: Pool) -> Told | None:
    """The wrong entries are all off by the same number."""
    if pool.first.request.order == 2 and _on_diagonal(pool):
        return None
    return _difference(pool, [("", np.ones_like(pool.claim))], "GC117")


def _on_diagonal(pool: Pool) -> bool:
    """Whether nothing but the diagonal of a Hessian is wrong."""
    return pool.wrong_count > 1 and not np.any(pool.row[pool.scope] != pool.column[pool.scope])


def regulariser(pool: Pool) -> Told | None:
    """The wrong entries are off by a multiple of x, of its sign, or for a Hessian of the identity."""
    ones, x, name = np.ones_like(pool.claim), pool.flat(lambda p: p.scene.x), pool.argname
    if pool.first.request.order == 2:
        return _difference(pool, [("", ones)], "GC116") if _on_diagonal(pool) else None
    if pool.shape[0] != 1:
        return None
    return _difference(pool, [(name, x), (f"sign({name})", np.sign(x))], "GC116")


def _difference(pool: Pool, shapes: list[tuple[str, Array]], code: str) -> Told | None:
    """claim − truth = c · shape in all wrong entries, or c times another argument, such as the weight of a penalty."""
    weights = [("", np.ones_like(pool.claim))]
    weights += [(q.name, q.values) for q in quantities(pool) if q.scalar and q.other]
    for weight, scale in weights:
        for shape, values in shapes:
            found = _multiple(pool, values * scale, len(shapes) * len(weights))
            sure = found is not None and (len(pool.points) > 1 or _is_round(found[1]))
            if found is not None and (sure or _elsewhere(pool, found[1], scale, shape)):
                times = "·".join(t for t in (weight, shape) if t)
                return _told(pool, *found, times, weight, shape, code)
    return None


def _elsewhere(pool: Pool, c: float, scale: Array, shape: str) -> bool:
    """Whether the wrong entries are off by as much at another point: at one alone that may be geometry."""
    found = another_point(pool.first)
    if found is None:
        return False
    x, own, ad = found
    expected = c * scale.reshape(own.shape) * (np.sign(x) if "sign" in shape else x if shape else np.ones_like(x))
    wrong = pool.scope.reshape(own.shape)
    off = np.abs(own - ad - expected)[wrong]
    return bool(np.all(off <= 1e-4 * np.abs(expected[wrong]) + 1e-9 * np.max(np.abs(ad))))


def _is_round(c: float) -> bool:
    """Whether somebody may have written that number: at a single point any number can come of chance, or geometry."""
    return abs(c - float(f"{c:.2g}")) <= 1e-6 * abs(c)


def _multiple(pool: Pool, shape: Array, tried: int) -> tuple[Array, float] | None:
    """The differences divided by the shape, and the one number that they all are; None where they are not."""
    scope, size = pool.scope, np.abs(shape)
    if np.any(size[scope] == 0):
        return None
    if np.ptp(size[scope]) == 0 and np.ptp(shape[scope]) > 0 and pool.distinct < 4:
        return None  # two that were interchanged differ by as much, with opposite signs
    c = (pool.claim - pool.truth)[scope] / shape[scope]
    doubt = pool.bar[scope] / size[scope]
    best = float(np.median(c[doubt <= np.median(doubt)]))
    # The bar of the truth does not know that c was taken from entries with bars of their own.
    bar = pool.bar + float(np.min(doubt)) * size
    fits = pool.fits(pool.truth + best * shape, bar, parameters=1, hypotheses=tried)
    return (c, best) if fits else None


def _told(pool: Pool, c: Array, best: float, times: str, weight: str, shape: str, code: str) -> Told:
    """The sentence for a difference that is ``best`` times ``times``."""
    who = pool.counted("differences", c.size)
    number = written(c, best)
    told = f"{who} to the right {'one' if c.size == 1 else 'ones'} {are(who)} {number}{'·' * bool(times)}{times}"
    evidence: dict[str, float | str] = {"difference": best, "times": times, "entries": c.size}
    if code == "GC117":
        return Told(code, f"the derivative is off by a constant: {told}", evidence)
    half = 1.0 if "sign" in shape else 0.5
    term = f"Σ|{pool.argname}|" if "sign" in shape else f"Σ{pool.argname}²"
    penalty = f"{half * abs(best):.6g}·{weight}{'·' * bool(weight)}{term}"
    text = f"the derivative lacks that of a penalty, {penalty}, or has it with another weight: {told}"
    return Told(code, text, evidence)


def normalised(pool: Pool) -> Told | None:
    """The claim has the right direction and a length that does not depend on the point."""
    points = range(len(pool.points))
    if pool.shape[0] * pool.shape[1] < 2:
        return None
    for name, order in (("length", 2.0), ("largest entry", np.inf), ("sum of magnitudes", 1.0)):
        scale, lengths, true = np.ones_like(pool.claim), [], []
        for i in points:
            here = (pool.at == i) & pool.known
            true.append(float(np.linalg.norm(pool.truth[here], order)))
            lengths.append(float(np.linalg.norm(pool.claim[here], order)))
            scale[pool.at == i] = lengths[-1] / true[-1] if true[-1] else np.nan
        wrong = [i for i in points if np.any(pool.scope & (pool.at == i))]
        c = lengths[wrong[0]]
        if c == 0 or any(abs(lengths[i] / c - 1) > 1e-6 for i in wrong):
            continue
        if len(wrong) == 1 and (abs(c - 1) > 1e-7 or _whole(c / true[wrong[0]])):
            continue  # at one point a round length may be chance, and a round factor is the simpler thing
        chosen = min(ROUND, key=lambda r: abs(r / c - 1))
        known = abs(chosen / c - 1) < 1e-7
        if not known and len({f"{true[i]:.6g}" for i in wrong}) < 2:
            continue
        right = [i for i in points if i not in wrong]
        if any(true[i] > c * (1 + 1e-6) for i in right):
            continue
        if right and any(true[i] < c for i in wrong):
            continue
        if pool.fits(scale * pool.truth, np.abs(scale) * pool.bar * 4, parameters=len(wrong), hypotheses=3):
            text = (
                f"the derivative was normalised or clipped: it has the right direction, and its {name} is "
                f"{written(np.array([lengths[i] for i in wrong]), chosen if known else c)} "
                f"{'at all points' if len(wrong) > 1 else ''}".rstrip()
                + (" where the right one is longer" if right else "")
            )
            return Told("GC132", text, {"norm": c, "points": len(wrong)})
    return None


def _whole(ratio: float) -> bool:
    """Whether a ratio is a whole number or one part of a whole."""
    return any(abs(r - round(r)) < 1e-7 * r for r in (ratio, 1 / ratio))


def clipped(pool: Pool) -> Told | None:
    """The wrong entries are larger than a limit, and the claim is the limit."""
    claim, truth = pool.claim[pool.scope], pool.truth[pool.scope]
    c = float(np.abs(claim[0]))
    right = pool.known & ~pool.wrong
    if c == 0 or np.any(np.abs(np.abs(claim) - c) > 1e-12 * c) or np.any(np.sign(claim) != np.sign(truth)):
        return None
    if np.any(np.abs(truth) <= c) or np.any(np.abs(pool.truth[right]) > c + pool.bar[right]):
        return None
    if np.sum(right & (pool.truth != 0)) < 2 or pool.distinct < 3:
        return None
    text = (
        f"the derivative was clipped: all {claim.size} entries that are larger than {written(np.array([c]), c)} in "
        f"magnitude were cut to it, and no others are wrong"
    )
    return Told("GC132", text, {"limit": c, "entries": claim.size})
