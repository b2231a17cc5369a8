"""Looking under a traced value: ``getval``, ``isbox`` and ``Box``, in autograd's names.

The plain value has no derivative: it is for printing, for conditions, for whatever is constant by nature.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gradcheck.autodiff.core import TRACED, plain
from gradcheck.autodiff.custom import notrace_primitive, primitive, rule_of
from gradcheck.autodiff.errors import AutodiffError
from gradcheck.autodiff.trees import is_container, tree_map

__all__ = ["Box", "getval", "isbox", "notrace_primitive", "primitive", "register_notrace"]


def getval(x: Any) -> Any:
    """The plain value of a traced one (also inside containers); anything else as it is.

    >>> from gradcheck import grad
    >>> grad(lambda x: x * getval(x))(3.0)
    3.0
    """
    return tree_map(plain, x) if is_container(x) else plain(x)


def isbox(x: Any) -> bool:
    """Whether x is a traced value.

    >>> isbox(1.0)
    False
    """
    return type(x) in TRACED


class _BoxMeta(type):
    def __instancecheck__(cls, instance: Any) -> bool:
        return isbox(instance)


class Box(metaclass=_BoxMeta):
    """What traced values are an instance of: ``isinstance(x, Box)`` says the same as :func:`isbox`."""

    def __init__(self, *_args: Any) -> None:
        raise AutodiffError(
            "Box cannot be made by hand", hint="classes of your own are made known with register_pytree_node"
        )

    def __init_subclass__(cls) -> None:
        raise AutodiffError(
            "Box cannot be subclassed", hint="classes of your own are made known with register_pytree_node"
        )

    @classmethod
    def register(cls, value_type: type) -> None:
        raise AutodiffError(
            f"Box.register({value_type.__name__}) is not supported",
            hint="make the class a container with gradcheck.register_pytree_node",
        )


def register_notrace(_trace_type: Any, primitive_fun: Callable[..., Any]) -> None:
    """Say that a primitive's value has no derivative by nature (in either mode, whatever trace type is given).

    >>> from gradcheck import grad
    >>> count = primitive(lambda x: 2.0 + (x > 0))
    >>> register_notrace(None, count)
    >>> grad(lambda x: x * count(x))(1.0)
    3.0
    """
    rule_of(primitive_fun, "register_notrace").constant = True
