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

PYTEST_DONT_REWRITE: pytest wants to rewrite the asserts of packages with a plugin, and warns where it comes too late.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from gradcheck._version import __version__

if TYPE_CHECKING:
    from gradcheck.autodiff import (
        AutodiffError,
        checkpoint,
        def_linear,
        defjvp,
        defjvp_argnum,
        defjvp_argnums,
        defvjp,
        defvjp_argnum,
        defvjp_argnums,
        deriv,
        elementwise_grad,
        grad,
        grad_and_aux,
        grad_named,
        hessian,
        hessian_tensor_product,
        hessian_vector_product,
        holomorphic_grad,
        hvp,
        jacobian,
        jvp,
        make_ggnvp,
        make_hvp,
        make_jvp,
        make_jvp_reversemode,
        make_vjp,
        multigrad,
        multigrad_dict,
        notrace_primitive,
        primitive,
        register_pytree_node,
        tensor_jacobian_product,
        value_and_grad,
        value_and_jacobian,
        vector_jacobian_product,
        vjp,
    )
    from gradcheck.autodiff.catalogue import support
    from gradcheck.check import CheckError, Entry, Finding, Point, Result, Verdict, WrongDerivative, check
    from gradcheck.declared import case
    from gradcheck.errors import GradcheckError

_HOMES = {
    "gradcheck.autodiff": (
        "AutodiffError", "checkpoint", "def_linear", "defjvp", "defjvp_argnum", "defjvp_argnums", "defvjp",
        "defvjp_argnum", "defvjp_argnums", "deriv", "elementwise_grad", "grad", "grad_and_aux", "grad_named",
        "hessian", "hessian_tensor_product", "hessian_vector_product", "holomorphic_grad", "hvp", "jacobian",
        "jvp", "make_ggnvp", "make_hvp", "make_jvp", "make_jvp_reversemode", "make_vjp", "multigrad",
        "multigrad_dict", "notrace_primitive", "primitive", "register_pytree_node",
        "tensor_jacobian_product", "value_and_grad", "value_and_jacobian", "vector_jacobian_product", "vjp",
    ),
    "gradcheck.autodiff.catalogue": ("support",),
    "gradcheck.check": ("CheckError", "Entry", "Finding", "Point", "Result", "Verdict", "WrongDerivative"),
    "gradcheck.declared": ("case",),
    "gradcheck.errors": ("GradcheckError",),
    # For `from gradcheck import isinstance`; not listed, so that `from gradcheck import *` leaves Python's own alone.
    "gradcheck.builtins": ("dict", "isinstance", "list", "tuple", "type"),
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
    "case",
    "check",
    "checkpoint",
    "def_linear",
    "defjvp",
    "defjvp_argnum",
    "defjvp_argnums",
    "defvjp",
    "defvjp_argnum",
    "defvjp_argnums",
    "deriv",
    "elementwise_grad",
    "grad",
    "grad_and_aux",
    "grad_named",
    "hessian",
    "hessian_tensor_product",
    "hessian_vector_product",
    "holomorphic_grad",
    "hvp",
    "jacobian",
    "jvp",
    "make_ggnvp",
    "make_hvp",
    "make_jvp",
    "make_jvp_reversemode",
    "make_vjp",
    "multigrad",
    "multigrad_dict",
    "notrace_primitive",
    "primitive",
    "register_pytree_node",
    "support",
    "tensor_jacobian_product",
    "value_and_grad",
    "value_and_jacobian",
    "vector_jacobian_product",
    "vjp",
]


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            from importlib import import_module

            value = getattr(import_module(home), name)
            if home != "gradcheck.builtins":
                globals()[name] = value
            return value
    raise AttributeError(f"module 'gradcheck' has no attribute '{name}'")


def __dir__() -> list[str]:
    return __all__


class _Package(ModuleType):
    """This package. Its attribute ``check`` is the function, although a subpackage has the same name.

    The import system binds a subpackage to its parent when it is first imported, which would put the module in the
    place of the function, or not, depending on what was imported first.
    """

    @property
    def check(self) -> Any:
        from gradcheck.check.core import check

        return check

    @check.setter
    def check(self, value: Any) -> None:
        if value is not sys.modules.get(f"{__name__}.check"):
            raise AttributeError("gradcheck.check cannot be replaced")


sys.modules[__name__].__class__ = _Package
