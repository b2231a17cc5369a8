"""NumPy functions that are given a list with traced values inside: ``np.sum([x[0], x[1] ** 2])``, ``np.max([a, b])``.

NumPy's protocol asks a function's arguments, not what is in a list; so these functions are replaced while a trace is
running, as ``scope.py`` replaces ``np.array``. The rules take such lists as they are. A listing of what people call
with lists: any other function says that it would lose the derivative.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gradcheck.autodiff.core import FUNCTIONS, TRACED, has_traced
from gradcheck.autodiff.scope import shadow

_NUMPY = [
    "sum",
    "prod",
    "mean",
    "std",
    "var",
    "max",
    "min",
    "amax",
    "amin",
    "median",
    "average",
    "cumsum",
    "cumprod",
    "dot",
    "vdot",
    "inner",
    "outer",
    "cross",
    "diff",
    "sort",
    "transpose",
    "reshape",
    "ravel",
    "clip",
    "where",
    "repeat",
    "tile",
    "interp",
    "polyval",
    "argmax",
    "argmin",
    "argsort",
    "any",
    "all",
    "diag",
    "trapezoid",
    "concatenate",
    "stack",
    "vstack",
    "hstack",
    "column_stack",
    "append",
    "shape",
    "ndim",
    "size",
]
_LINALG = ["norm", "det", "inv", "solve", "eigh", "eigvalsh", "cholesky", "slogdet"]


def _with_lists(function: Callable[..., Any], handler: Callable[..., Any]) -> Callable[..., Any]:
    def replacement(*args: Any, **keywords: Any) -> Any:
        if args and type(args[0]) in TRACED:
            return handler(*args, **keywords)
        for a in args:
            if type(a) not in TRACED and has_traced(a):
                return handler(*args, **keywords)
        return function(*args, **keywords)

    replacement.__name__ = function.__name__
    replacement.__wrapped__ = function  # type: ignore[attr-defined]
    # The rules look handlers up by NumPy's function, and find the replacement there while a trace is running.
    FUNCTIONS[replacement] = handler
    return replacement


for _module, _names in ((np, _NUMPY), (np.linalg, _LINALG)):
    _new = {name: _with_lists(getattr(_module, name), FUNCTIONS[getattr(_module, name)]) for name in _names}
    shadow(_module, _new, on_demand=True)
