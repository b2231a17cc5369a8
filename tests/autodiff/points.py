"""Points for the tables of rule tests: arrays whose elements stay away from each other and from zero."""

from __future__ import annotations

from typing import Any

import numpy as np


class Points:
    """A seeded source of arrays."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def normal(self, *shape: int) -> Any:
        """Like normal numbers, but far enough from each other and from 0 that no step crosses a tie."""
        n = int(np.prod(shape))
        spread = np.linspace(-1.83, 1.97, n) if n > 1 else np.array([0.61])
        spread = spread + 0.03 * self.rng.uniform(size=n)
        return self.rng.permutation(spread + 0.05 * np.sign(spread)).reshape(shape)

    def positive(self, *shape: int) -> Any:
        return np.asarray(self.rng.uniform(0.4, 2.3, size=shape))

    def complexes(self, *shape: int) -> Any:
        return self.normal(*shape) + 1j * self.normal(*shape)
