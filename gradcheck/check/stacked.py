"""Functions that take many points in one call: whether they do, and calling them so.

Part of the check floor, below ``preflight.py``. The differentiated argument gets one further axis of points, the other
arguments stay as they are, and the value has one further axis: the first ("leading", as in NumPy's gufuncs) or the last
("trailing", as in ``scipy.differentiate`` and ``scipy.optimize.differential_evolution``). Which one it is is found out
by comparing a few points with single calls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck.check.codes import kind
from gradcheck.check.result import CheckError, Finding
from gradcheck.check.spaces import numbers, split
from gradcheck.numeric.scale import Array, random_weights

if TYPE_CHECKING:
    from gradcheck.check.preflight import Scene

#: Numbers in the argument or the value of one call, at most.
LARGEST = 2**22
#: Points at which stacked and single calls are compared beside the point itself, and how far away, relatively.
BESIDE, ASIDE = 2, 1e-2
#: Stacked and single calls may differ by rounding: sums in another order.
SAME, SAME_SHORT = 1e-10, 1e-5


def evaluate_many(scene: Scene, x: Array) -> Array:
    """f at many vectors, (k, n) -> (k, m); nan as in single calls."""
    out = np.full((len(x), scene.value.width), np.nan)
    inside = [i for i, point in enumerate(x) if scene.allows(point)]
    size = max(1, LARGEST // max(scene.x.size, scene.value.width))
    for start in range(0, len(inside), size):
        rows = inside[start : start + size]
        values = None
        if scene.f.stacked and len(rows) > 1 and not scene.f.spent:
            rows = rows[: int(min(scene.f.left, len(rows)))]
            values = _stacked(scene, x[rows], scene.f.stacked)
        if values is None:  # one point, or f raised at one of them
            values = np.stack([scene.evaluate(x[row]) for row in rows])
        out[rows] = values
    return out


def _stacked(scene: Scene, x: Array, axis: str) -> Array | None:
    """f at all vectors in one call, (k, n) -> (k, m); None where it raises, or its value has another shape."""
    space, value, count = scene.space, scene.value, len(x)
    argument = x.astype(space.dtype).reshape(count, *space.shape)
    if axis == "trailing":
        argument = np.ascontiguousarray(np.moveaxis(argument, 0, -1))
    args = list(scene.args)
    args[scene.argnum] = argument
    try:
        array = numbers(scene.f(*args, points=count), scene.f.name)
    except CheckError:
        return None
    if axis == "trailing" and array.ndim:
        array = np.moveaxis(array, -1, 0)
    if array.shape != (count, *value.shape):
        return None
    return split(array.reshape(count, -1), value.complex, 1)


def verify_stacked(scene: Scene, seed: int, findings: list[Finding]) -> Array:
    """Find out along which axis f takes many points, or say that it takes none: then it is called point by point.

    Returns:
        How far stacked and single calls differ at the point, (m,).
    """
    rng = np.random.default_rng([seed, 316])
    steps = [scene.inward(ASIDE * random_weights(rng, scene.x.size) * scene.scales) for _ in range(BESIDE)]
    x = np.stack([scene.x, *(scene.x + step for step in steps)])
    single = np.stack([scene.center, *(scene.evaluate(point) for point in x[1:])])
    seen = np.all(np.isfinite(single), axis=1)
    short = min(scene.space.dtype.itemsize, scene.value.dtype.itemsize) < 8
    allowed = (SAME_SHORT if short else SAME) * np.max(np.abs(single[seen]), axis=0)
    why: Any = "f raises, or its value has another shape"
    if np.sum(seen) < 2:
        why = "beside the point it is not finite, so that nothing could be compared"
    for axis in ("leading", "trailing") if np.sum(seen) > 1 else ():
        values = _stacked(scene, x[seen], axis)
        if values is None:
            continue
        apart = np.abs(values - single[seen])
        if np.all(apart <= allowed):
            scene.f.stacked = axis
            return np.asarray(apart[0])
        row, output = np.unravel_index(int(np.argmax(apart / np.where(allowed > 0, allowed, 1.0))), apart.shape)
        together, alone = values[row, output], single[seen][row, output]
        why = f"along a {axis} axis, point {row + 1} gives {together:.6g}, alone {alone:.6g}"
    scene.f.stacked, scene.f.refuses_many = None, True
    text = f"{scene.f.name} does not take many points at once: {why}; it is called point by point"
    hint = "the argument gets one further axis, the first or the last, and so must the value; other arguments stay"
    findings.append(Finding("GC316", kind("GC316"), text, scene.f.where, hint))
    return np.zeros_like(scene.center)
