"""``make_vjp`` and ``make_jvp`` of one argument, as ``autograd.core`` has them, beside what ``extend`` has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gradcheck.autodiff import products
from gradcheck.extend import (
    JVPNode,
    SparseObject,
    VJPNode,
    VSpace,
    def_linear,
    defjvp,
    defjvp_argnum,
    defjvp_argnums,
    defvjp,
    defvjp_argnum,
    defvjp_argnums,
    primitive,
    vspace,
)
from gradcheck.tracer import getval, isbox

__all__ = [
    "JVPNode",
    "SparseObject",
    "VJPNode",
    "VSpace",
    "def_linear",
    "defjvp",
    "defjvp_argnum",
    "defjvp_argnums",
    "defvjp",
    "defvjp_argnum",
    "defvjp_argnums",
    "getval",
    "isbox",
    "make_jvp",
    "make_vjp",
    "primitive",
    "vspace",
]


def make_vjp(fun: Callable[[Any], Any], x: Any) -> tuple[Callable[[Any], Any], Any]:
    """``(pullback, fun(x))``.

    >>> pullback, value = make_vjp(lambda x: x * x, 3.0)
    >>> pullback(1.0), value
    (6.0, 9.0)
    """
    pullback, value = products.make_vjp(fun)(x)
    return pullback, value


def make_jvp(fun: Callable[[Any], Any], x: Any) -> Callable[[Any], tuple[Any, Any]]:
    """The function of a tangent that returns ``(fun(x), tangent of the value)``.

    >>> make_jvp(lambda x: x * x, 3.0)(1.0)
    (9.0, 6.0)
    """
    push: Callable[[Any], tuple[Any, Any]] = products.make_jvp(fun)(x)
    return push
