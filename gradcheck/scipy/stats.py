"""``gradcheck.scipy.stats``: SciPy's own functions, looked up at each use.

autograd has a module for each distribution (``import autograd.scipy.stats.norm as norm``), so there are modules of
those names here too; what they hold is looked up in SciPy's distribution.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import scipy.stats

from gradcheck.scipy import stand_in

__all__, _lookup, __dir__ = stand_in(__name__, scipy.stats)


class _Distribution(ModuleType):
    """A module whose names are the methods of a distribution."""

    def __init__(self, name: str, distribution: Any) -> None:
        super().__init__(f"{__name__}.{name}")
        self._distribution = distribution

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self._distribution, name)


def __getattr__(name: str) -> Any:
    return _lookup(name)


for _name in ("beta", "chi2", "dirichlet", "gamma", "multivariate_normal", "norm", "poisson", "t"):
    sys.modules[f"{__name__}.{_name}"] = _Distribution(_name, getattr(scipy.stats, _name))
