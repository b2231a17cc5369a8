"""``scipy.special``: all its rules, by family.

Loaded by :func:`gradcheck.autodiff.rules.load_for_loaded_modules` when the user's code has loaded ``scipy.special``.
The partials are written with functions that have rules themselves, so that they can be differentiated again. A
parameter without a formula (the order of a Bessel function) is differentiated numerically, and labelled so; an integer
one has no derivative.
"""

from __future__ import annotations

from gradcheck.autodiff.rules.scipy import (
    special_bessel,
    special_distributions,
    special_elliptic,
    special_error,
    special_functions,
    special_gamma,
    special_waves,
)

__all__ = [
    "special_bessel",
    "special_distributions",
    "special_elliptic",
    "special_error",
    "special_functions",
    "special_gamma",
    "special_waves",
]
