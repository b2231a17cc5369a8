"""Derivatives with respect to a symmetric matrix, of which f reads one triangle only.

Part of the check floor, a convention that ``witnesses.py`` applies to what the hand-written derivative claims.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from gradcheck.check.codes import kind
from gradcheck.check.judge import agreement
from gradcheck.check.result import Finding
from gradcheck.numeric.scale import Array

if TYPE_CHECKING:
    from gradcheck.check.preflight import Scene
    from gradcheck.check.witnesses import Witnesses

#: How far a triangle is moved to see whether f reads it, in natural units.
BESIDE = 1e-3
#: A hint where the matrix is not symmetric.
TRIANGLE = "{0} reads one triangle of {1} only: at a symmetric {1} the derivative is right for symmetric changes"


def take_as_symmetric(witnesses: Witnesses, findings: list[Finding]) -> None:
    """Put the derivative of the triangle that f reads in the place of a symmetric one that says the same, in place.

    ``np.linalg.eigvalsh`` and its like read the lower triangle, and the gradient that textbooks give (v vᵀ) is that for
    symmetric changes of the matrix. Where it says the same of those as autodiff's, autodiff's stands for it; without
    autodiff f's values tell which triangle it reads, and what it says of symmetric changes is put there. At a matrix
    that is not symmetric it is no derivative: there is a hint.
    """
    scene, own, ad = witnesses.scene, witnesses.own, witnesses.ad
    shape = scene.space.shape
    if own is None or len(shape) != 2 or shape[0] != shape[1] or shape[0] < 2:
        return
    mine = own.reshape(-1, *shape)
    flipped = mine.swapaxes(1, 2)
    if not np.all(agreement(mine, flipped, witnesses.floor)) or not np.any(np.triu(mine, 1)):
        return
    if ad is None:
        triangle = _triangle_read(scene)
        if triangle is None:
            return
        ad = (triangle(mine + flipped, 0) - mine * np.eye(shape[0])).reshape(own.shape)
    theirs = ad.reshape(mine.shape)
    one_triangle = np.all(np.triu(theirs, 1) == 0) or np.all(np.tril(theirs, -1) == 0)
    if not one_triangle or np.all(agreement(mine, theirs, witnesses.floor)):
        return
    total = theirs + theirs.swapaxes(1, 2)
    rounding = np.abs(mine + flipped - total) <= 64 * np.finfo(np.float64).eps * np.abs(total).max()
    if not np.all(agreement(mine + flipped, total, witnesses.floor) | rounding):
        return
    x = scene.x.reshape(shape)
    if np.any(x != x.T):
        witnesses.hint = TRIANGLE.format(scene.f.name, witnesses.request.argname)
        return
    witnesses.own = ad
    text = (
        f"{scene.f.name} reads one triangle of {witnesses.request.argname} only; the derivative is symmetric, "
        "and was taken for that with respect to symmetric matrices"
    )
    where = witnesses.yours.function.where if witnesses.yours else None
    findings.append(Finding("GC315", kind("GC315"), text, where))


def _triangle_read(scene: Scene) -> Callable[..., Array] | None:
    """``np.tril`` or ``np.triu`` if f does not change with the other triangle of its square argument, else None."""
    aside = (BESIDE * scene.scales).reshape(scene.space.shape)
    blind = [
        bool(np.all(scene.evaluate(scene.x + other(aside, k).reshape(-1)) == scene.center))
        for other, k in ((np.triu, 1), (np.tril, -1))
    ]
    return None if blind[0] == blind[1] else np.tril if blind[0] else np.triu
