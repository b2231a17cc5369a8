"""The autodiff core: derivatives of plain NumPy code. It knows nothing of checking.

Read it in this order: ``core`` (the vocabulary), ``tape`` (reverse mode), ``forward`` (forward mode), ``array``
(NumPy's interface on traced values), ``scope`` (what the protocols do not see), ``transforms`` (grad and its kin),
and ``rules/`` as a reference.
"""

from gradcheck.autodiff.core import Notes, NumericDerivativeWarning, noting
from gradcheck.autodiff.errors import AutodiffError
from gradcheck.autodiff.rules import lists as _lists  # noqa: F401  (adds to scope)
from gradcheck.autodiff.transforms import (
    elementwise_grad,
    grad,
    hessian,
    hvp,
    jacobian,
    jvp,
    value_and_grad,
    value_and_jacobian,
    vjp,
)

__all__ = [
    "AutodiffError",
    "Notes",
    "NumericDerivativeWarning",
    "elementwise_grad",
    "grad",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "noting",
    "value_and_grad",
    "value_and_jacobian",
    "vjp",
]
