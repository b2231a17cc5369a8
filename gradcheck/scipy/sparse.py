"""``gradcheck.scipy.sparse``: SciPy's own functions, looked up at each use."""

from __future__ import annotations

import sys

import scipy.sparse
import scipy.sparse.linalg

from gradcheck.scipy import stand_in

__all__, __getattr__, __dir__ = stand_in(__name__, scipy.sparse)
sys.modules[f"{__name__}.linalg"] = scipy.sparse.linalg
