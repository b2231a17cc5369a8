"""What the two ways to check a Hessian share: labels, trials, and vᵀHv measured from values of f alone.

Part of the check floor, below ``second.py`` and ``products.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from gradcheck.check import judge
from gradcheck.check.compare import compare
from gradcheck.check.entries import judged_entry
from gradcheck.check.judge import Trial
from gradcheck.check.preflight import Scene
from gradcheck.check.result import Entry
from gradcheck.numeric.lines import along
from gradcheck.numeric.scale import Array, random_weights

if TYPE_CHECKING:
    from gradcheck.check.witnesses import Request


def direction_of(scene: Scene, rng: np.random.Generator) -> Array:
    """A random direction: components ±U[.5, 1]·scale, inside of the bounds."""
    return scene.inward(random_weights(rng, scene.x.size) * scene.scales)


def trial_of(claim: Array, witness: Array | None, size: Array, zero: Array, request: Request, sharp: float) -> Trial:
    """Claims along one line."""
    agrees = np.zeros(claim.shape, dtype=bool)
    if witness is not None:
        with np.errstate(all="ignore"):
            agrees = np.abs(claim - witness) <= judge.FLOOR * np.maximum(np.abs(claim), np.abs(witness))
    return Trial(claim, witness, agrees, size, zero, sharp, request.rtol, request.atol)


def label_of(request: Request, shape: tuple[int, ...], i: int, j: int) -> tuple[str, tuple[int, ...]]:
    """``d2f/dx[0]dx[1]`` and the double index."""
    if not shape:
        return f"d2f/d{request.argname}2", ()
    a, b = (tuple(int(k) for k in np.unravel_index(c, shape)) for c in (i, j))
    first, second = (f"d{request.argname}[{','.join(map(str, k))}]" for k in (a, b))
    return f"d2f/{first}{second}", a + b


def curvatures(
    scene: Scene,
    forms: Sequence[tuple[Array, float | None, float | None, float]],
    request: Request,
    point: int,
    noise: tuple[Array, Array],
    suffix: str = "",
) -> list[Entry]:
    """vᵀHv along random directions, from values of f alone: a witness that shares nothing with autodiff.

    Args:
        scene, request, point: the check.
        forms: of every direction v, what the user and autodiff claim of vᵀHv, and the root of the sum of squares of its
            terms.
        noise: of f and its rounding, see ``Scene.noise``.
        suffix: of the labels.
    """
    lines = [along(scene.x, v, scene.space.dtype) for v, *_ in forms]
    trials = []
    for _, own, ad, size in forms:
        claim = own if own is not None else ad
        assert claim is not None
        sizes = np.array([size])
        trials.append(trial_of(np.array([claim]), None, sizes, sizes, request, judge.SHARP_AUTODIFF))
    measured = compare(scene.sampler(noise[1]), lines, trials, noise[0], second=True, slack=request.log.slack)
    entries = []
    for k, ((_, own, ad, _), m) in enumerate(zip(forms, measured, strict=True), start=1):
        label = f"d2f/d{request.argname}2 · v{k} v{k}{suffix}"
        entries.append(judged_entry(m, 0, label, (), (), point, (own, ad), direction=k))
    return entries
