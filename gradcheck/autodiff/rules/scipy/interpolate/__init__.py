"""``scipy.interpolate``: derivatives in the places, in the values and, where sensible, in the points themselves.

Loaded when the user has loaded ``scipy.interpolate``. A plain spline at a traced place is differentiated by its own
derivative (``pointwise.py``); an interpolant of traced points is an object of ours that does what SciPy's does.
"""

from __future__ import annotations

import scipy.interpolate

from gradcheck.autodiff.rules.scipy.interpolate import bsplines, grids, ppoly, scattered, univariate
from gradcheck.autodiff.rules.scipy.registry import replace

for _part in (ppoly, bsplines, grids, scattered):
    replace(scipy.interpolate, _part.HANDLERS)
for _register in (ppoly.register, bsplines.register, univariate.register, grids.register, scattered.register):
    _register()
