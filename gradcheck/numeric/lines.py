"""SciPy takes the steps, we keep every value: f along lines through the point.

Third part of the numeric floor. A line is a coordinate or a direction; t is the signed step along it.
``scipy.differentiate.derivative`` is asked for one second-order difference of all lines at once, each line
with its own initial step, and gets f's values from a wrapper that remembers them. So one evaluation of f
serves the derivative (odd part), the jump of the slope (even part), the error bar (neighbouring steps) and
all the outputs of f. SciPy's own iteration is not used: it starts with a large step, which aliases on
oscillating functions, and stops when its error estimate grows, which is what a kink or a noisy function
makes it do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck.numeric.noise import half_ulp
from gradcheck.numeric.scale import Array, smallest_step

if TYPE_CHECKING:
    from gradcheck.numeric.box import Box

#: a one-sided difference of second order uses f at h and at h / SIDE_RATIO
SIDE_RATIO = 2.0


@dataclass
class Line:
    """A line through the point, and what was seen of f on it.

    Attributes:
        column: the coordinate that moves, or None for a direction.
        direction: shape (n,), the direction that x moves in per unit of t; None for a coordinate.
        scale: the natural unit of t.
        shortest: the shortest step worth taking.
        longest: the longest step that still tells of f at the point.
        side: 0 central, +1 or -1 where f exists on that side only, or bounds leave room there only.
        blocked: bounds leave no room on either side.
        samples: t -> values of f, shape (m,); nan where f does not exist.
    """

    column: int | None
    direction: Array | None
    scale: float
    shortest: float
    longest: float
    side: int = 0
    blocked: bool = False
    samples: dict[float, Array] = field(default_factory=dict)

    def point(self, x: Array, t: float) -> Array:
        """x moved by t along the line, shape (n,)."""
        if self.direction is not None:
            return np.asarray(x + t * self.direction)
        moved = x.copy()
        moved[self.column] += t
        return moved


def coordinate(x: Array, column: int, scale: float, typical: float, dtype: np.dtype[Any]) -> Line:
    """The line along one coordinate, its step limits from the point and the dtype that f sees."""
    shortest = max(float(smallest_step(x[column], dtype)), 2.0**-44 * scale)
    return Line(column, None, scale, shortest, max(scale, 0.0625 * typical))


def along(x: Array, direction: Array, dtype: np.dtype[Any]) -> Line:
    """The line along a direction whose components are already in natural units, so that t has scale 1."""
    moving = direction != 0
    with np.errstate(all="ignore"):
        shortest = np.max(smallest_step(x[moving], dtype) / np.abs(direction[moving]))
    return Line(None, direction, 1.0, max(float(shortest), 2.0**-44), 1.0)


class Sampler:
    """f on lines through x: every value evaluated once and kept.

    Args:
        f: flat float64 vector (n,) -> flat float64 values (m,), nan where it does not exist.
        x: the point, shape (n,).
        center: f(x), shape (m,), which is therefore never evaluated here.
        rounding: half a unit in the last place of f's values in the precision that f computes in, shape (m,);
            that of float64 if None.
        box: bounds that no point may leave.
        many: f of several vectors at once, (k, n) -> (k, m), where f can do that.
    """

    def __init__(
        self,
        f: Callable[[Array], Array],
        x: Array,
        center: Array,
        rounding: Array | None = None,
        *,
        box: Box | None = None,
        many: Callable[[Array], Array] | None = None,
    ) -> None:
        self.f = f
        self.x = x
        self.center = center
        self.rounding = half_ulp(center) if rounding is None else rounding
        self.box = box
        self.many = many
        self.jumps: Array | None = None  # what numeric/rough.py found, kept because it is dear

    def inward(self, step: Array) -> Array:
        """A step from the point that does not leave its bounds."""
        return step if self.box is None else self.box.inward(self.x, step)

    def reach(self, line: Line, longest: float) -> tuple[float, float]:
        """How far one may go along a line, ``longest`` at most, downwards and upwards."""
        if self.box is None:
            return longest, longest
        down, up = self.box.reach(self.x, line.column, line.direction)
        return min(down, longest), min(up, longest)

    def confine(self, line: Line) -> None:
        """Shorten a line to the room that bounds leave; where there is little on one side, to the other side."""
        if self.box is None:
            return
        from gradcheck.numeric.box import ROOM, USED

        down, up = self.box.reach(self.x, line.column, line.direction)
        room, most = min(down, up), max(down, up)
        line.blocked = USED * most < 4 * line.shortest
        if room < max(ROOM * line.scale, 16 * line.shortest) and not line.blocked:
            line.side, room = (1 if up >= down else -1), most
        line.longest = min(line.longest, USED * room) if not line.blocked else line.longest

    def prefetch(self, points: Sequence[tuple[Line, float]]) -> None:
        """Evaluate f at steps along lines, in one call where it takes many points."""
        missing = list({(id(line), t): (line, t) for line, t in points if t and t not in line.samples}.values())
        if self.many is None or len(missing) < 2:
            for line, t in missing:
                self.value(line, t)
            return
        values = self.many(np.stack([line.point(self.x, t) for line, t in missing]))
        for (line, t), value in zip(missing, values, strict=True):
            line.samples[t] = value

    def value(self, line: Line, t: float) -> Array:
        """f at step t along the line, shape (m,)."""
        if t == 0:
            return self.center
        if t not in line.samples:
            line.samples[t] = np.asarray(self.f(line.point(self.x, t)), dtype=np.float64)
        return line.samples[t]

    def differences(self, lines: Sequence[Line], steps: Sequence[float]) -> Array:
        """Second-order differences of all lines at once, by SciPy, each line with its own step.

        Two evaluations of f a line: at ±h, or at h and h/2 on the side where f exists.

        Returns:
            Shape (lines, m): an approximation of df/dt, nan where f does not exist at a point that it needs.

        >>> s = Sampler(lambda x: x**2, np.array([3.0]), np.array([9.0]))
        >>> s.differences([coordinate(s.x, 0, 3.0, 3.0, s.x.dtype)], [2.0**-10])
        array([[6.]])
        """
        from scipy.differentiate import derivative

        width = len(self.center)
        if not lines or not width:
            return np.empty((len(lines), width))

        def served(t: Array) -> Array:
            if t.ndim == 2:
                return np.broadcast_to(self.center, t.shape)
            self.prefetch([(line, float(step)) for i, line in enumerate(lines) for step in t[i, 0]])
            columns = [
                np.stack([self.value(line, float(step)) for step in t[i, 0]], axis=-1) for i, line in enumerate(lines)
            ]
            return np.stack(columns)

        with np.errstate(all="ignore"):
            result = derivative(
                served,
                np.zeros((len(lines), width)),
                order=2,
                maxiter=1,
                initial_step=np.asarray(steps, dtype=np.float64)[:, None],
                step_factor=SIDE_RATIO**2,
                step_direction=np.array([line.side for line in lines])[:, None],
                preserve_shape=True,
                tolerances={"atol": 0.0, "rtol": 0.0},
            )
        return np.asarray(result.df, dtype=np.float64)
