"""Kinks at which a derivative is that of a convention: relu'(0) = 0, or 1, in the chain rule.

Part of the check floor. Where several ties meet at one point, what the chain rule makes of one slope for each need not
lie between the slopes of f; it is what every framework returns, and no mistake to be called wrong.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gradcheck.check import judge
from gradcheck.check.compare import Measured
from gradcheck.check.judge import agreement
from gradcheck.check.witnesses import Witnesses

#: What the note of such an entry says.
CONVENTION = "is outside, as the chain rule has it with one slope for each tie (relu'(0) = 0)"


def excuse_conventions(witnesses: Witnesses, measured: Sequence[Measured]) -> None:
    """Turn OUTSIDE into KINK, in place, where the claim is what autodiff gives, as it is or with all ties to one side.

    Autodiff's own, which shares evenly at ties, is excused where they matter.
    """
    suspects = [m for m in measured if np.any(m.state == judge.OUTSIDE) and m.line.column is not None]
    if not suspects or witnesses.ad is None:
        return
    from gradcheck.autodiff.rules.elementwise import first_at_ties

    sides = []
    for share in (0.0, 1.0):
        with first_at_ties(share):
            found = witnesses.autodiff.dense(witnesses.scene.args)
        if found is None:
            return
        sides.append(witnesses.matrix(found))
    if witnesses.own is None:
        excused = ~agreement(sides[0], sides[1], witnesses.floor)
    else:
        excused = np.any([agreement(witnesses.own, side, witnesses.floor) for side in sides], axis=0)
        excused &= ~agreement(sides[0], sides[1], witnesses.floor)
    for m in suspects:
        found_here = (m.state == judge.OUTSIDE) & (excused[:, m.line.column] | m.trial.witness_agrees)
        m.state[found_here] = judge.KINK
        if np.any(found_here):
            m.reason = CONVENTION
