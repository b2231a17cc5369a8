"""``gradcheck.scipy.spatial``: SciPy's own functions, looked up at each use."""

from __future__ import annotations

import sys

import scipy.spatial
import scipy.spatial.distance

from gradcheck.scipy import stand_in

__all__, __getattr__, __dir__ = stand_in(__name__, scipy.spatial)
sys.modules[f"{__name__}.distance"] = scipy.spatial.distance
