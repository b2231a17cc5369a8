"""``scipy.optimize``: roots, minima and least squares by the implicit function theorem, linear programs by their active
basis.

``implicit.py`` has the theorem; ``roots.py``, ``minima.py``, ``squares.py`` and ``programs.py`` the functions; what
is left is in ``helpers.py``. The tools for callbacks are in ``autodiff/closures.py``.
"""

from __future__ import annotations

from gradcheck.autodiff.decisions import guard
from gradcheck.autodiff.rules.scipy.optimize import helpers, minima, programs, roots, squares

__all__ = ["helpers", "minima", "programs", "roots", "squares"]

guard()
