"""Bounds of the argument: how far a line stays inside of them, and which way leads inside.

Part of the numeric floor, beside ``scale.py``: pure arithmetic on the point. Where a bound is near, a line is measured
on the other side only, like at the edge of the domain of f.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradcheck.numeric.scale import Array

#: Room for steps to both sides, as a part of the line's scale, below which one side is left alone.
ROOM = 2.0**-12
#: Part of the room that is used: a step is rounded to the nearest power of two.
USED = 0.7


@dataclass(frozen=True)
class Box:
    """lower <= x <= upper.

    Attributes:
        lower, upper: shape (n,); -inf and inf where there is no bound.
    """

    lower: Array
    upper: Array

    def contains(self, x: Array) -> bool:
        """Whether x (n,) is inside; a bound is.

        >>> Box(np.zeros(2), np.ones(2)).contains(np.array([0.0, 0.5]))
        True
        """
        return bool(np.all((self.lower <= x) & (x <= self.upper)))

    def reach(self, x: Array, column: int | None, direction: Array | None) -> tuple[float, float]:
        """How far one can go from x along a coordinate or a direction, downwards and upwards.

        >>> Box(np.zeros(2), np.ones(2)).reach(np.array([0.0, 0.5]), None, np.array([1.0, -1.0]))
        (0.0, 0.5)
        """
        if direction is None:
            assert column is not None
            return float(x[column] - self.lower[column]), float(self.upper[column] - x[column])
        moving = direction != 0
        v = direction[moving]
        with np.errstate(all="ignore"):
            ends = np.stack([(self.lower - x)[moving] / v, (self.upper - x)[moving] / v])
        ends = np.sort(ends, axis=0)
        return float(np.min(-ends[0], initial=np.inf)) + 0.0, float(np.min(ends[1], initial=np.inf)) + 0.0

    def inward(self, x: Array, step: Array) -> Array:
        """A step (n,) with components turned round or shortened where they would leave the box.

        >>> Box(np.zeros(3), np.ones(3)).inward(np.array([0.0, 0.9, 0.5]), np.array([-0.2, 0.2, 0.2])).round(6)
        array([ 0.2, -0.2,  0.2])
        """
        down, up = x - self.lower, self.upper - x
        ahead, behind = np.where(step >= 0, up, down), np.where(step >= 0, down, up)
        size = np.abs(step)
        turned = (ahead < size) & (behind > ahead)
        room = np.where(turned, behind, ahead) * (1.0 - 2.0**-40)
        return np.asarray(np.where(turned, -1.0, 1.0) * np.sign(step) * np.minimum(size, room))
