"""``np.ma`` and ``np.matrix``: subclasses of ndarray, which cannot hold traced values, are refused by name.

Their names are replaced while a trace of code that uses them is running; without a traced value they are NumPy's own.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

import numpy as np

from gradcheck.autodiff import core
from gradcheck.autodiff.core import any_active
from gradcheck.autodiff.errors import unsupported
from gradcheck.autodiff.scope import shadow
from gradcheck.autodiff.swaps import class_that_calls

_ADVICE = {
    "np.ma": ("masked arrays", "keep the mask in an array of its own: np.where(mask, ...), np.sum(x, where=mask)"),
    "np": ("np.matrix", "use np.array and the operator @"),
}


def _stand_in(value: Any, home: str) -> Any:
    """A function or class that refuses traced values by name."""
    kind, hint = _ADVICE[home]

    def call(*args: Any, **keywords: Any) -> Any:
        if core.stack() and any_active((args, keywords)):
            raise unsupported(f"{home}.{value.__name__}: {kind} cannot hold traced values", hint)
        return value(*args, **keywords)

    if not isinstance(value, type):
        call.__name__, call.__doc__ = value.__name__, value.__doc__
        call.__wrapped__ = value  # type: ignore[attr-defined]
        return call

    return class_that_calls(value, call)


class _MaskedArrays(ModuleType):
    """``np.ma`` for the time of a trace. NumPy loads the original on first use, and so does this."""

    @property
    def __wrapped__(self) -> Any:
        return sys.modules.get("numpy.ma", self)

    def __getattr__(self, name: str) -> Any:
        value = getattr(importlib.import_module("numpy.ma"), name)
        return _stand_in(value, "np.ma") if callable(value) else value


shadow(np, {"ma": _MaskedArrays("numpy.ma")})
shadow(np, {name: _stand_in(getattr(np, name), "np") for name in ("matrix", "asmatrix", "bmat")})
