"""Kinds in which the right numbers stand in the wrong place: transposed, shifted, permuted, summed over too much."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import permutations
from typing import NamedTuple

import numpy as np

from gradcheck.check.evidence import Pool, Told
from gradcheck.numeric.scale import Array

#: Most axes of which all orders are tried, and longest shift.
AXES, SHIFT = 4, 3
#: Longest axis on which a general permutation is looked for.
LONGEST = 100_000


class Move(NamedTuple):
    """Where the true entries went: a code, words for it, and what it does to an array of all axes."""

    code: str
    text: str
    of: Callable[[Array], Array]
    name: str


def moved(pool: Pool) -> Told | None:
    """The claim is the truth with its entries rearranged in a simple way."""
    if not pool.uniform:
        return None
    moves = [*_orders(pool), *_shifts(pool)]
    for move in moves:
        predicted, bar = _applied(pool, move.of)
        if pool.fits(predicted, bar, hypotheses=len(moves), whole=True):
            seen = pool.known & np.isfinite(predicted)
            edge = int(np.sum(pool.known & ~seen))
            rest = f" (the {edge} at the edge apart)" if edge else ""
            text = f"{move.text}: put back, all {int(np.sum(seen))} entries are right{rest}"
            return Told(move.code, text, {"move": move.name, "entries": int(np.sum(seen))})
    return None


def _applied(pool: Pool, of: Callable[[Array], Array]) -> tuple[Array, Array]:
    """Truth and bar after a move at every point."""
    shape = (*pool.first.outer, *pool.first.inner)
    both = [[of(m.reshape(shape)).reshape(-1) for m in (p.truth, p.bar)] for p in pool.points]
    truth, bar = (np.concatenate(parts) for parts in zip(*both, strict=True))
    return truth, bar


def _orders(pool: Pool) -> Iterator[Move]:
    """Other orders of the axes, and entries laid out in the other memory order."""
    outer, inner = pool.first.outer, pool.first.inner
    shape = (*outer, *inner)
    m, n = len(outer), len(inner)
    if 2 <= len(shape) <= AXES:
        for order in permutations(range(len(shape))):
            if order != tuple(range(len(shape))) and tuple(shape[a] for a in order) == shape:
                yield _order(pool, order, m)
    parts = (
        (pool.argname, m, m + n, n >= 2),
        ("the value", 0, m, m >= 2 and pool.first.request.order == 1),
    )
    for name, low, high, several in parts:
        if several:
            for back in (False, True):
                text = f"the entries were laid out in the other memory order (Fortran, not C) of {name}"
                yield Move("GC121", text, _memory(low, high, back), f"memory order of {name}")


def _order(pool: Pool, order: tuple[int, ...], m: int) -> Move:
    """One permutation of the axes."""
    name = f"axes {list(order)}"

    def of(a: Array) -> Array:
        return a.transpose(order)

    if all(order[a] == a for a in range(m)):
        where = f" in the axes of {pool.argname}" if m else ""
        return Move("GC113", f"the derivative is transposed{where}", of, name)
    if set(order[:m]) == set(range(m)):
        text = "the axes of the value are in the wrong order"
        return Move("GC120", f"{text}: {list(order[:m])} instead of {list(range(m))}", of, name)
    count = len(order)
    if order == tuple(range(count - 1, -1, -1)) or order == (*range(m, count), *range(m)):
        return Move("GC113", "the derivative is transposed", of, name)
    return Move("GC120", f"the axes are in the wrong order: {list(order)} instead of {list(range(count))}", of, name)


def _memory(low: int, high: int, back: bool) -> Callable[[Array], Array]:
    """The axes low to high, read in one memory order and filled in the other."""

    def of(a: Array) -> Array:
        before, part, after = a.shape[:low], a.shape[low:high], a.shape[high:]
        reverse = (*range(low), *range(high - 1, low - 1, -1), *range(high, a.ndim))
        if back:
            return a.reshape(*before, *part[::-1], *after).transpose(reverse)
        return a.transpose(reverse).reshape(*before, *part, *after)

    return of


def _lines(pool: Pool) -> Iterator[tuple[str, int, int, int]]:
    """Axes along which entries may move: name, first and last axis joined, and length."""
    outer, inner = pool.first.outer, pool.first.inner
    m, n = len(outer), len(inner)
    groups = [(pool.argname, m, n, inner)]
    if pool.first.request.order == 1:
        groups.append(("the value", 0, m, outer))
    for name, start, count, shape in groups:
        if count:
            yield name, start, start + count, int(np.prod(shape, dtype=int))
        if count > 1:
            for axis in range(count):
                yield f"axis {axis} of {name}", start + axis, start + axis + 1, shape[axis]


def _along(low: int, high: int, change: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """Apply a change of the first axis to the axes low to high, joined."""

    def of(a: Array) -> Array:
        joined = a.reshape(*a.shape[:low], -1, *a.shape[high:])
        return np.moveaxis(change(np.moveaxis(joined, low, 0)), 0, low).reshape(a.shape)

    return of


def _shifts(pool: Pool) -> Iterator[Move]:
    """Entries shifted along an axis, in a circle or over the edge, or in reverse."""
    for name, low, high, length in _lines(pool):
        steps = [s * k for k in range(1, SHIFT + 1) for s in (1, -1) if length > 2 * k]
        for step in steps:
            text = f"the entries are shifted by {abs(step)} along {name}: entry i holds what belongs to entry i "
            text += f"{'−' if step > 0 else '+'} {abs(step)}"
            name_of = f"shift by {step} along {name}"
            yield Move("GC118", text, _along(low, high, lambda a, s=step: np.roll(a, s, axis=0)), name_of)  # type: ignore[misc]
            if length > 2 + abs(step):
                yield Move("GC118", text, _along(low, high, lambda a, s=step: _pushed(a, s)), name_of)  # type: ignore[misc]
        if length > 2:
            text = f"the entries are in reverse order along {name}"
            yield Move("GC119", text, _along(low, high, lambda a: a[::-1]), f"reverse along {name}")


def _pushed(a: Array, step: int) -> Array:
    """Shifted along the first axis; what was pushed in is not known."""
    out = np.roll(a, step, axis=0).astype(np.float64)
    out[slice(0, step) if step > 0 else slice(step, None)] = np.nan
    return out


def permuted(pool: Pool) -> Told | None:
    """The claim is the truth with its columns, or rows, in another order; there is only one such order."""
    if not pool.uniform or np.any(~pool.known):
        return None
    for name, low, high, length in _lines(pool):
        if not 2 <= length <= LONGEST:
            continue
        shape = (*pool.first.outer, *pool.first.inner)

        def joined(of: Array, low: int = low, high: int = high, shape: tuple[int, ...] = shape) -> Array:
            a = of.reshape(len(pool.points), *shape[:low], -1, *shape[high:])
            return np.moveaxis(a, low + 1, 0).reshape(a.shape[low + 1], -1)

        claim, truth, bar = (joined(a) for a in (pool.claim, pool.truth, pool.bar))
        order = _unique_order(claim, truth, bar)
        if order is None:
            continue
        moving = np.flatnonzero(order != np.arange(length))
        change = _along(low, high, lambda a, order=order: a[order])  # type: ignore[misc]
        predicted, bars = _applied(pool, change)
        if pool.fits(predicted, bars, hypotheses=max(2, moving.size) ** 2, whole=True):
            if moving.size == 2:
                text = f"entries {moving[0]} and {moving[1]} of {name} are interchanged"
            else:
                shown = ", ".join(f"{i} holds {order[i]}" for i in moving[:4])
                text = f"the entries of {name} are in another order ({shown}{', ...' if moving.size > 4 else ''})"
            told = f"{text}: put back, all {pool.claim.size} are right"
            return Told("GC119", told, {"moved": int(moving.size), "entries": pool.claim.size})
    return None


def _unique_order(claim: Array, truth: Array, bar: Array) -> np.ndarray | None:
    """order with claim[i] = truth[order[i]] for all rows i; None unless exactly one fits."""
    rng = np.random.default_rng(0)
    weight = rng.uniform(0.5, 1.0, claim.shape[1]) * rng.choice([-1.0, 1.0], claim.shape[1])
    keys, width = truth @ weight, 2 * (bar @ np.abs(weight))
    ranked = np.argsort(keys, kind="stable")
    wanted, sorted_keys = claim @ weight, keys[ranked]
    widest = float(np.max(width, initial=0.0))
    order = np.arange(len(claim))
    right = np.all(np.abs(claim - truth) <= bar, axis=1)
    low = np.searchsorted(sorted_keys, wanted - widest)
    high = np.searchsorted(sorted_keys, wanted + widest, side="right")
    for i in np.flatnonzero(~right):
        if not 1 <= high[i] - low[i] <= 8:
            return None
        near = ranked[low[i] : high[i]]
        hits = near[np.all(np.abs(claim[i] - truth[near]) <= bar[near], axis=1)]
        if hits.size != 1 or right[hits[0]]:
            return None
        order[i] = hits[0]
    moving = np.flatnonzero(~right)
    return order if moving.size and np.array_equal(np.sort(order[moving]), moving) else None


def reduced(pool: Pool) -> Told | None:
    """The claim repeats along an axis, and is the sum or the mean of the truth there."""
    if not pool.uniform or pool.first.scene.value.complex:
        return None
    shape = (*pool.first.outer, *pool.first.inner)
    m = len(pool.first.outer)
    if not 1 <= len(shape) <= AXES:
        return None
    axes = [a for a in range(len(shape)) if shape[a] > 1]
    subsets = [(a,) for a in axes] + ([tuple(axes)] if len(axes) > 1 else [])
    for subset in subsets:
        count = int(np.prod([shape[a] for a in subset]))
        for what, c in (("sum", 1.0), ("mean", 1.0 / count)):

            def of(a: Array, subset: tuple[int, ...] = subset, c: float = c) -> Array:
                return np.broadcast_to(c * np.sum(a, axis=subset, keepdims=True), a.shape)

            predicted, bar = _applied(pool, of)
            if pool.fits(predicted, bar, hypotheses=2 * len(subsets), whole=True):
                where = " and ".join(
                    f"axis {a - m} of {pool.argname}" if a >= m else f"axis {a} of the value" for a in subset
                )
                text = (
                    f"the derivative was reduced along {where} where it should not be: every entry is the {what} of "
                    f"the {count} right ones there, in all {int(np.sum(pool.known))} entries"
                )
                return Told("GC123", text, {"reduction": what, "entries": int(np.sum(pool.known))})
    return None
