"""``scipy.integrate``: quadrature of functions and of samples, and differential equations.

``quadrature.py`` integrates callbacks, ``samples.py`` given values; ``ode.py`` solves initial value problems by the
variational equations, ``bvp.py`` boundary value problems. The tools for callbacks are in ``autodiff/closures.py``.
"""

from __future__ import annotations

from gradcheck.autodiff.decisions import guard
from gradcheck.autodiff.rules.scipy.integrate import bvp, ode, quadrature, samples

__all__ = ["bvp", "ode", "quadrature", "samples"]

guard()
