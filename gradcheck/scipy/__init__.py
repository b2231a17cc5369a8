"""``import gradcheck.scipy`` in the place of ``autograd.scipy``: SciPy under another name, loaded part by part.

The core differentiates plain SciPy, so every name is SciPy's own object; only ``signal.convolve`` has autograd's
arguments beside SciPy's.

>>> import gradcheck
>>> from gradcheck.scipy.special import gammaln
>>> round(gradcheck.grad(gammaln)(2.0), 6)
0.422784
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from types import ModuleType
from typing import Any

_OWN = frozenset(
    {
        "fft", "integrate", "interpolate", "linalg", "ndimage", "optimize", "signal", "sparse", "spatial", "special",
        "stats",
    }
)  # fmt: skip


def stand_in(name: str, module: ModuleType) -> tuple[list[str], Callable[[str], Any], Callable[[], list[str]]]:
    """``__all__``, ``__getattr__`` and ``__dir__`` of a module that has another one's names."""

    def lookup(attribute: str) -> Any:
        try:
            return getattr(module, attribute)
        except AttributeError:
            raise AttributeError(f"module '{name}' has no attribute '{attribute}'") from None

    return list(module.__all__), lookup, lambda: dir(module)


def __getattr__(name: str) -> Any:
    if name in _OWN:
        return importlib.import_module(f"{__name__}.{name}")
    if name.startswith("_"):
        raise AttributeError(f"module 'gradcheck.scipy' has no attribute '{name}'")
    import scipy

    try:
        return getattr(scipy, name)
    except AttributeError:
        raise AttributeError(f"module 'gradcheck.scipy' has no attribute '{name}'") from None


def __dir__() -> list[str]:
    return sorted(_OWN)
