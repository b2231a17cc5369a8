"""From a direction that fails to the entries that make it fail, by binary splitting.

Part of the check floor, for many inputs. Half of the components of a failing direction are measured, then
the other half, and so on down to single coordinates: one wrong entry of n costs about 2·log2(n) lines and not n.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from gradcheck.check import judge
from gradcheck.check.compare import Measured
from gradcheck.check.sampling import all_coordinates
from gradcheck.numeric.lines import Line, along
from gradcheck.numeric.scale import Array

if TYPE_CHECKING:
    from gradcheck.check.witnesses import Witnesses

#: Lines that may be spent on splitting, for all directions together.
BUDGET = 160


def locate(measured: Sequence[Measured], witnesses: Witnesses) -> list[Measured]:
    """Find the coordinates behind failing directions; pass directions whose coordinates turn out to be right.

    Args:
        measured: directions and coordinates, judged.
        witnesses: who measures more lines.

    Returns:
        The same with further coordinates appended. A direction that fails by less than the precision floor of
        single entries, and whose coordinates are all right to that floor, passes: that is rounding, of
        float32 say.
    """
    directions = [m for m in measured if m.line.direction is not None]
    singles = {int(m.line.column): m for m in measured if m.line.column is not None}
    budget = BUDGET
    for m in directions:
        if np.any(m.state == judge.FAIL) and not _explained(m, singles):
            budget = _split(m.line, singles, witnesses, budget)
    for m in directions:
        failing = m.state == judge.FAIL
        with np.errstate(all="ignore"):
            slight = np.abs(m.trial.claim - m.estimate.value) <= witnesses.floor * judge.magnitude(
                m.trial, m.estimate.value
            )
        wrong = np.zeros(failing.shape, dtype=bool)
        for column, single in singles.items():
            if m.line.direction is not None and m.line.direction[column] != 0:
                wrong |= single.state == judge.FAIL
        m.state[failing & slight & ~wrong] = judge.PASS
    return directions + [singles[column] for column in sorted(singles)]


def _split(line: Line, singles: dict[int, Measured], witnesses: Witnesses, budget: int) -> int:
    """Split a failing direction until the budget is spent or its wrong coordinates are known; budget left."""
    assert line.direction is not None
    x, dtype = witnesses.scene.x, witnesses.scene.space.dtype
    queue: list[Array] = [line.direction]
    while queue and budget > 0:
        v = queue.pop()
        moving = np.flatnonzero(v)
        for part in np.array_split(moving, 2):
            if not part.size or budget <= 0:
                continue
            if part.size == 1:
                column = int(part[0])
                if column not in singles:
                    budget -= 1
                    singles[column] = witnesses.judged(all_coordinates(x, dtype, [column]))[0]
                continue
            half = np.zeros_like(v)
            half[part] = v[part]
            budget -= 1
            found = witnesses.judged([along(x, half, dtype)], settle=False)[0]
            if np.any(found.state == judge.FAIL) and not _explained(found, singles):
                queue.append(half)
    return budget


def _explained(m: Measured, singles: dict[int, Measured]) -> bool:
    """Whether the wrong coordinates known so far account for what a direction is off by."""
    assert m.line.direction is not None
    rest, bar = m.trial.claim - m.estimate.value, m.estimate.bar.copy()
    with np.errstate(all="ignore"):
        for column, single in singles.items():
            weight = m.line.direction[column]
            if weight != 0 and np.any(single.state == judge.FAIL):
                rest = rest - weight * (single.trial.claim - single.estimate.value)
                bar = bar + abs(weight) * single.estimate.bar
        return bool(np.all((np.abs(rest) <= judge.BARS * bar) | (m.state != judge.FAIL)))
