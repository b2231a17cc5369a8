"""How much a check may cost: evaluations of f, or seconds.

Lowest part of the check floor; loads nothing, since the options of the command are read with it.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Budget:
    """What may be spent on one check.

    Attributes:
        evaluations: so many calls of f, or None.
        seconds: so long, or None. What runs then is not interrupted.

    Raises:
        ValueError: from :meth:`parse`, for a text that is neither.

    >>> Budget.parse("500"), Budget.parse("1.5s").seconds, Budget.parse("2min").seconds
    (Budget(evaluations=500, seconds=None), 1.5, 120.0)
    """

    evaluations: int | None = None
    seconds: float | None = None
    started: float = field(default_factory=time.monotonic, repr=False, compare=False)

    @classmethod
    def parse(cls, text: str) -> Budget:
        """``500``: evaluations of f; ``30s``, ``2min``, ``1h``: time."""
        for unit, length in (("min", 60.0), ("s", 1.0), ("h", 3600.0)):
            if text.endswith(unit):
                seconds = float(text.removesuffix(unit)) * length
                if not (math.isfinite(seconds) and seconds > 0):
                    raise ValueError(text)
                return cls(seconds=seconds)
        evaluations = int(text)
        if evaluations < 1:
            raise ValueError(text)
        return cls(evaluations)

    def spent(self, evaluations: int) -> bool:
        """Whether nothing is left after so many evaluations."""
        if self.evaluations is not None and evaluations >= self.evaluations:
            return True
        return self.seconds is not None and time.monotonic() - self.started >= self.seconds

    def left(self, evaluations: int) -> float:
        """How many evaluations may follow after so many: inf where only time is limited."""
        return float("inf") if self.evaluations is None else max(self.evaluations - evaluations, 0)

    def __str__(self) -> str:
        return f"{self.evaluations} evaluations" if self.evaluations is not None else f"{self.seconds:g} s"
