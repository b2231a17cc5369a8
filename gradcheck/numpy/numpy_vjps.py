"""``unbroadcast``, which rules of the user's own need: the one thing that code takes from autograd's file of rules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gradcheck.autodiff.core import shape_of
from gradcheck.autodiff.core import unbroadcast as _unbroadcast

__all__ = ["unbroadcast", "unbroadcast_f"]


def unbroadcast(x: Any, target_meta: Any, broadcast_idx: int = 0) -> Any:
    """Sum x over the axes that broadcasting to its shape added or stretched.

    Args:
        x: a cotangent of a broadcast result.
        target_meta: ``(shape, ...)`` of the operand, or the operand itself.
        broadcast_idx: where broadcasting put new axes; 0, NumPy's way, is the only one.

    >>> import numpy as np
    >>> unbroadcast(np.ones((2, 3)), np.zeros(3))
    array([2., 2., 2.])
    """
    if broadcast_idx:
        raise NotImplementedError("unbroadcast: broadcast_idx other than 0")
    is_meta = isinstance(target_meta, tuple) and target_meta and isinstance(target_meta[0], tuple)
    return _unbroadcast(x, target_meta[0] if is_meta else shape_of(target_meta))


def unbroadcast_f(target: Any, f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The pullback f, its result summed to the shape of ``target``.

    >>> import numpy as np
    >>> unbroadcast_f(np.zeros(3), lambda g: 2.0 * g)(np.ones((2, 3)))
    array([4., 4., 4.])
    """
    shape = shape_of(target)
    return lambda g: _unbroadcast(f(g), shape)
