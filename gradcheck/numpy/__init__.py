"""``import gradcheck.numpy as np``: NumPy under another name, for code written that way for other libraries.

The core differentiates plain NumPy, so nothing is wrapped here: every name is NumPy's own object. Only the names that
are replaced while a trace is running (``array``, ``zeros`` and the like: see ``autodiff/scope.py``) are looked up in
NumPy at each use, and ``float64`` and the other casts keep derivatives while one runs.

>>> import gradcheck
>>> import gradcheck.numpy as np
>>> gradcheck.grad(lambda x: np.sum(np.array([x, np.sin(x)]) ** 2))(0.0)
0.0
>>> np.linalg.norm is __import__("numpy").linalg.norm
True
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as _numpy

from gradcheck.autodiff import scope as _scope
from gradcheck.autodiff.core import stack as _stack
from gradcheck.autodiff.scalars import NUMPY_CASTS as _CASTS

__all__ = list(_numpy.__all__)

# (And NumPy's own test runner, which pytest would take for a test of ours.)
_LOOKED_UP = {name for module, names in _scope.SHADOWED if module is _numpy for name in names} | set(_CASTS) | {"test"}
globals().update(
    {name: value for name, value in vars(_numpy).items() if name not in _LOOKED_UP and not name.startswith("_")}
)
# `import gradcheck.numpy.linalg` and `from gradcheck.numpy.fft import rfft`: the same modules.
for _name in ("fft", "linalg", "random"):
    sys.modules[f"{__name__}.{_name}"] = getattr(_numpy, _name)


def make_diagonal(D: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """An array with D's last axis as diagonal of two new last axes: a function that autograd adds to NumPy.

    Raises:
        NotImplementedError: for any offset but 0 and any axes but the last two (as in autograd).

    >>> make_diagonal(_numpy.array([1.0, 2.0]), axis1=-1, axis2=-2)
    array([[1., 0.],
           [0., 2.]])
    """
    if offset or {axis1, axis2} != {-1, -2}:
        raise NotImplementedError("make_diagonal: only offset=0, axis1=-1, axis2=-2")
    return D[..., None] * _numpy.eye(D.shape[-1], dtype=D.dtype)


def __getattr__(name: str) -> Any:
    if name in _CASTS and _stack():
        return _CASTS[name]
    try:
        return getattr(_numpy, name)
    except AttributeError:
        raise AttributeError(f"module 'gradcheck.numpy' has no attribute '{name}'") from None


def __dir__() -> list[str]:
    return dir(_numpy)
