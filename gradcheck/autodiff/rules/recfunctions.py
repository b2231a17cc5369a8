"""``numpy.lib.recfunctions``: functions of structured arrays, which cannot hold traced values, are refused by name.

Loaded by :func:`gradcheck.autodiff.rules.load_for_loaded_modules`, as NumPy does not load that module, and ``numpy.ma``
with it, by itself.
"""

from __future__ import annotations

import numpy.lib.recfunctions

from gradcheck.autodiff.core import FUNCTIONS
from gradcheck.autodiff.rules.plain import refuse

for _name in numpy.lib.recfunctions.__all__:
    _function = getattr(numpy.lib.recfunctions, _name)
    if _function not in FUNCTIONS and not isinstance(_function, type):
        refuse(_function, "structured arrays cannot hold traced values", "keep each field in an array of its own")
