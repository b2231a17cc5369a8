"""Bounds of the differentiated argument, as the user gives them: f is never called outside of them.

Lowest part of the check floor, above the box of the numeric floor that keeps steps inside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradcheck.check.result import CheckError
from gradcheck.check.spaces import ArgumentSpace
from gradcheck.errors import Location
from gradcheck.numeric.box import Box
from gradcheck.numeric.scale import Array

HINT = "a pair (lower, upper), each a number or an array of the argument's shape, or a scipy.optimize.Bounds"


@dataclass(frozen=True)
class Bounds:
    """lower <= argument <= upper; both broadcast to the argument.

    >>> Bounds.read((0, None)).upper
    inf
    """

    lower: Any
    upper: Any

    @classmethod
    def read(cls, given: Any) -> Bounds:
        """Of a pair (lower, upper), in which None is no bound, or of anything with ``lb`` and ``ub``.

        Raises:
            CheckError: GC021, it is neither.
        """
        pair: tuple[Any, ...] = ()
        if hasattr(given, "lb") and hasattr(given, "ub"):
            pair = (given.lb, given.ub)
        elif isinstance(given, Sequence | np.ndarray):
            pair = tuple(given)
        if isinstance(given, str | dict) or len(pair) != 2:
            raise CheckError("bounds are not a pair (lower, upper)", hint=HINT, code="GC021")
        return cls(_side(pair[0], -np.inf), _side(pair[1], np.inf))

    @property
    def plain(self) -> tuple[Any, Any]:
        """Both as numbers and lists of Python's own."""
        return np.asarray(self.lower).tolist(), np.asarray(self.upper).tolist()

    def box(self, space: ArgumentSpace, x: Array, name: str, where: Location | None = None) -> Box:
        """The bounds of the flat argument, in its precision.

        Raises:
            CheckError: GC021, they do not broadcast to the argument, exclude each other, or exclude the point x.
        """
        sides = []
        for bound in (self.lower, self.upper):
            try:
                sides.append(np.broadcast_to(bound, space.shape).astype(space.dtype).astype(np.float64).reshape(-1))
            except ValueError:
                text = f"bounds of shape {np.shape(bound)} do not broadcast to {name} of shape {space.shape}"
                raise CheckError(text, where=where, hint=HINT, code="GC021") from None
        lower, upper = sides
        empty = np.flatnonzero(~(lower <= upper))
        if empty.size:
            text = f"the bounds of {name} exclude each other: {lower[empty[0]]:g} is not below {upper[empty[0]]:g}"
            raise CheckError(text, where=where, hint=HINT, code="GC021")
        outside = np.flatnonzero(~((lower <= x) & (x <= upper)))
        if outside.size:
            at = int(outside[0])
            index = ",".join(str(int(i)) for i in np.unravel_index(at, space.shape)) if space.shape else ""
            label = f"{name}[{index}]" if index else name
            text = f"the point is outside of the bounds: {label} is {x[at]:.17g}, not in [{lower[at]:g}, {upper[at]:g}]"
            raise CheckError(text, where=where, hint="choose a point inside of them", code="GC021")
        return Box(lower, upper)


def _side(value: Any, none: float) -> Any:
    """One bound as a number or an array."""
    if value is None:
        return none
    try:
        array = np.asarray([none if v is None else v for v in value] if isinstance(value, list | tuple) else value)
        array = array.astype(np.float64)
    except (TypeError, ValueError):
        array = np.asarray(np.nan)
    if np.any(np.isnan(array)):
        raise CheckError("a bound is not a number", hint=HINT, code="GC021")
    return array if array.ndim else float(array)
