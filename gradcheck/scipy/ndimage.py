"""``gradcheck.scipy.ndimage``: SciPy's own functions, looked up at each use."""

from __future__ import annotations

import scipy.ndimage

from gradcheck.scipy import stand_in

__all__, __getattr__, __dir__ = stand_in(__name__, scipy.ndimage)
