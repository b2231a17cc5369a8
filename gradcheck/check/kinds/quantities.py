"""Numbers that a chain factor may be made of: the argument, the value, the other arguments; and functions of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from gradcheck.check.evidence import Evidence, Pool, Told, are
from gradcheck.numeric.scale import Array

#: Single components of x that are tried as factors of other entries.
COMPONENTS = 16


class Quantity(NamedTuple):
    """A number for every entry of a pool: its name, values, whether it is one number a point, and another argument."""

    name: str
    values: Array
    scalar: bool
    other: bool = False


class Function(NamedTuple):
    """A function that chain factors are made of; ``{}`` in the name stands for its argument."""

    name: str
    of: Callable[[Array], Array]


def _sigmoid(q: Array) -> Array:
    return np.asarray(1.0 / (1.0 + np.exp(-q)))


PLAIN = (
    Function("{}", lambda q: q),
    Function("{}²", lambda q: q**2),
    Function("√{}", np.sqrt),
    Function("{}³", lambda q: q**3),
)
CHAIN = (
    *PLAIN,
    Function("exp({})", np.exp),
    Function("exp(−{})", lambda q: np.exp(-q)),
    Function("cos({})", np.cos),
    Function("sin({})", np.sin),
    Function("(1 − {}²)", lambda q: 1 - q**2),
    Function("(1 + {}²)", lambda q: 1 + q**2),
    Function("{0}·(1 − {0})", lambda q: q * (1 - q)),
    Function("(1 − {})", lambda q: 1 - q),
    Function("(1 + {})", lambda q: 1 + q),
    Function("√(1 + {}²)", lambda q: np.sqrt(1 + q**2)),
    Function("√(1 − {}²)", lambda q: np.sqrt(1 - q**2)),
    Function("tanh({})", np.tanh),
    Function("(1 − tanh({})²)", lambda q: 1 - np.tanh(q) ** 2),
    Function("σ({})", _sigmoid),
    Function("σ({0})·(1 − σ({0}))", lambda q: _sigmoid(q) * (1 - _sigmoid(q))),
    Function("log({})", np.log),
)


def quantities(pool: Pool) -> Iterator[Quantity]:
    """What there is, the most likely first."""
    first = pool.first
    yield Quantity(pool.argname, pool.flat(lambda p: p.scene.x), first.scene.space.shape == ())
    values = _values(pool)
    if values is not None:
        yield values
    for k, (name, _) in enumerate(first.arguments):
        if k != first.request.argnum:
            found = _argument(pool, k, name)
            if found is not None:
                yield found
    n = first.scene.x.size
    if pool.uniform and first.scene.space.shape and n <= COMPONENTS:
        for j in range(n):
            index = ",".join(str(int(i)) for i in np.unravel_index(j, first.scene.space.shape))
            label = f"{pool.argname}[{index}]"
            yield Quantity(label, pool.flat(lambda p, j=j: np.full((1, 1), p.scene.x[j])), True)  # type: ignore[misc]


def _values(pool: Pool) -> Quantity | None:
    """f's value: of the row that an entry stands in."""
    if any(p.value is None for p in pool.points) or pool.first.scene.value.complex:
        return None
    return Quantity("f", pool.flat(lambda p: p.scene.center[:, None]), pool.shape[0] == 1)


def _argument(pool: Pool, k: int, name: str) -> Quantity | None:
    """Another argument: one number, or an array that goes with the rows or with the columns."""
    items = [_array(p, k) for p in pool.points]
    if any(item.dtype.kind not in "fiu" or item.size == 0 or not np.all(np.isfinite(item)) for item in items):
        return None
    if all(item.size == 1 for item in items):
        return Quantity(name, _spread(pool, k, (1, 1)), True, True)
    if all(item.shape == p.inner for item, p in zip(items, pool.points, strict=True)):
        return Quantity(name, _spread(pool, k, (1, -1)), False, True)
    if all(item.shape == p.outer for item, p in zip(items, pool.points, strict=True)):
        return Quantity(name, _spread(pool, k, (-1, 1)), False, True)
    return None


def _array(p: Evidence, k: int) -> np.ndarray:
    """An argument as an array; an empty one where it is no array of numbers."""
    a = p.arguments[k][1]
    return np.asarray(a if isinstance(a, float | int | np.ndarray | np.generic) else [])


def _spread(pool: Pool, k: int, shape: tuple[int, int]) -> Array:
    def of(p: Evidence) -> Array:
        return np.asarray(p.arguments[k][1], dtype=np.float64).reshape(shape)

    found: Array = pool.flat(of)
    return found


def chain(pool: Pool) -> Told | None:
    """The ratio of claim and truth is a simple function of a quantity: a factor of the chain rule is missing."""
    if pool.distinct < 2:
        return None
    known = list(quantities(pool))
    tried = 2 * len(CHAIN) * len(known)
    for function in CHAIN:
        for q in known:
            for missing in (True, False):
                if _predicted(pool, function, q, missing, pool.proof) is None:  # a few entries tell that it is not
                    continue
                found = _predicted(pool, function, q, missing, slice(None))
                if found is None:
                    continue
                predicted, bar, c = found
                parameters = 0 if c == 1.0 else 1
                enough = pool.distinct > 2 * parameters + 1 and np.all(np.isfinite(predicted[pool.scope]))
                if enough and pool.fits(predicted, bar, parameters=parameters, hypotheses=tried):
                    return _told(pool, function, q, missing, c)
    return None


def _predicted(
    pool: Pool, function: Function, q: Quantity, missing: bool, part: Any
) -> tuple[Array, Array, float] | None:
    """What the claim would be without, or with an additional, factor, its bar, and the constant beside it."""
    truth, claim, scope = pool.truth[part], pool.claim[part], pool.scope[part]
    with np.errstate(all="ignore"):
        g = function.of(q.values[part])
        g = 1 / g if missing else g
        r = (claim / (truth * g))[scope]
        r = r[np.isfinite(r) & (r != 0)]
        if not r.size:
            return None
        c = float(np.median(r))
        c = 1.0 if abs(c - 1) < 1e-6 else c
        predicted, bar = c * truth * g, 2 * np.abs(c * g) * pool.bar[part]
        if np.any((np.abs(claim - predicted) > bar)[scope]):
            return None
    return predicted, bar, c


def _told(pool: Pool, function: Function, q: Quantity, missing: bool, c: float) -> Told:
    name = function.name.format(q.name)
    number = 1 / c
    front = "" if c == 1.0 else "−" if abs(number + 1) < 1e-9 else f"{number:.6g}·".replace("-", "−")
    made = f"{front}{name}" if missing else f"{front or '1'}/{name}".replace("·/", "/").replace("−/", "−1/")
    who = pool.counted("entries", pool.wrong_count)
    verb = "agrees" if are(who) == "is" else "agree"
    text = f"the derivative lacks the factor {made}: yours times it is right, {who} {verb} to 8 digits"
    if not all(p.exact for p in pool.points):
        text = text.replace(" to 8 digits", " within the error bars")
    return Told("GC122", text, {"factor": made, "entries": pool.wrong_count})


def outer(pool: Pool) -> Told | None:
    """One factor at each point, another one at every point: the derivative of what f does last is missing."""
    points = [i for i in range(len(pool.points)) if np.any(pool.scope & (pool.at == i))]
    scale, found = np.full(pool.claim.shape, np.nan), []
    for i in points:
        here = pool.scope & (pool.at == i) & (np.abs(pool.truth) > pool.bar)
        if np.sum(here) < 2:
            return None
        found.append(float(np.median(pool.claim[here] / pool.truth[here])))
        scale[pool.at == i] = found[-1]
    if len(points) < 2 or np.any(~np.isfinite(found)) or 0 in found:
        return None
    # One number a point is free: every point must bring more entries than that.
    if not pool.fits(scale * pool.truth, 2 * np.abs(scale) * pool.bar, parameters=len(points), hypotheses=4):
        return None
    low, high = (f"{r:.6g}".replace("-", "−") for r in (min(found), max(found)))
    text = (
        f"the derivative lacks a factor that all its entries have in common: at each of {len(points)} points all "
        f"ratios are the same, from {low} to {high}, as if the derivative of the last step of f were missing"
    )
    return Told("GC122", text, {"lowest_ratio": min(found), "highest_ratio": max(found), "points": len(points)})
