"""What is claimed, and what autodiff says, at points beside those of the check.

Part of the diagnosis: a pattern that may be chance, or the geometry of a single point, is looked for at another one.
"""

from __future__ import annotations

import numpy as np

from gradcheck.check.claims import Autodiff, CallLog, WrongShapeError
from gradcheck.check.evidence import Evidence
from gradcheck.check.result import CheckError
from gradcheck.check.spaces import split
from gradcheck.numeric.scale import Array

#: How far away another point is, relatively.
AWAY = 0.1


def autodiff_of(p: Evidence) -> Autodiff:
    """Autodiff of the function that was checked, with a log of its own."""
    return Autodiff(p.scene.f, p.scene.space, p.scene.value, p.scene.argnum, CallLog(p.request.log.strict))


def claims_at(p: Evidence, tools: Autodiff, x: Array) -> tuple[Array, Array] | None:
    """The hand-written derivative at x and autodiff's, (m, n) each; None where one of them does not exist."""
    args = p.scene.at(x)
    try:
        own = p.yours.array(args)
    except (CheckError, WrongShapeError):  # outside of its domain
        return None
    ad = tools.dense(args)
    if ad is None or not np.all(np.isfinite(ad)) or not np.all(np.isfinite(own)):
        return None
    mine, theirs = (split(a.reshape(p.scene.value.size, -1), p.scene.value.complex, 0) for a in (own, ad))
    return mine, theirs


def another_point(p: Evidence) -> tuple[Array, Array, Array] | None:
    """A point nearby, within the bounds, with :func:`claims_at` it; None where autodiff was not confirmed."""
    if not p.exact or p.request.order == 2:
        return None
    rng = np.random.default_rng([p.request.seed, 12])
    x = p.scene.x + p.scene.inward(AWAY * rng.uniform(-1.0, 1.0, p.scene.x.size) * p.scene.scales)
    claims = claims_at(p, autodiff_of(p), x)
    return None if claims is None else (x, *claims)
