"""gradcheck: tells whether a derivative is right.

    >>> import numpy as np
    >>> import gradcheck
    >>> def f(x):
    ...     return np.sum(x**2)
    >>> gradcheck.grad(f)(np.array([1.0, 2.0]))
    array([2., 4.])
    >>> gradcheck.check(f, np.array([1.0, 2.0]), grad=lambda x: 2 * x).verdict
    <Verdict.PASS: 'pass'>

Everything here is loaded when it is first used, so that ``gradcheck --help`` needs neither NumPy nor SciPy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gradcheck._version import __version__

if TYPE_CHECKING:
    from gradcheck.autodiff import (
        AutodiffError,
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
    from gradcheck.check import CheckError, Entry, Finding, Point, Result, Verdict, WrongDerivative, check
    from gradcheck.errors import GradcheckError

_HOMES = {
    "gradcheck.autodiff": (
        "AutodiffError", "elementwise_grad", "grad", "hessian", "hvp", "jacobian", "jvp", "value_and_grad",
        "value_and_jacobian", "vjp",
    ),
    "gradcheck.check": ("CheckError", "Entry", "Finding", "Point", "Result", "Verdict", "WrongDerivative", "check"),
    "gradcheck.errors": ("GradcheckError",),
}  # fmt: skip

__all__ = [
    "AutodiffError",
    "CheckError",
    "Entry",
    "Finding",
    "GradcheckError",
    "Point",
    "Result",
    "Verdict",
    "WrongDerivative",
    "__version__",
    "check",
    "elementwise_grad",
    "grad",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "value_and_grad",
    "value_and_jacobian",
    "vjp",
]


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            from importlib import import_module

            value = getattr(import_module(home), name)
            # `gradcheck.check` is also a package: bind the function over it, as the public name.
            globals()[name] = value
            return value
    raise AttributeError(f"module 'gradcheck' has no attribute '{name}'")


def __dir__() -> list[str]:
    return __all__
