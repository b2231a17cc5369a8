"""``unary_to_nary``: a transform of functions of one argument made one of functions of many, as autograd has it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from gradcheck.autodiff.errors import AutodiffError
from gradcheck.autodiff.scope import stand_in
from gradcheck.autodiff.transforms import Argnum, by_position, chosen

__all__ = ["unary_to_nary"]


def unary_to_nary(operator: Callable[..., Any]) -> Callable[..., Any]:
    """``operator(fun, x, ...)`` as ``nary(fun, argnum=0, ...)(*args, **keywords)``.

    Args:
        operator: takes a function of one argument and the argument.

    Returns:
        A function of ``fun``, the position, name or positions of the argument(s) (several are passed as one tuple), and
        whatever else the operator takes; it returns a function of fun's arguments.

    >>> at_double = unary_to_nary(lambda fun, x: fun(2.0 * x))
    >>> at_double(lambda x, y: x - y, 1)(10.0, 3.0)
    4.0
    """

    @functools.wraps(operator)
    def nary(fun: Callable[..., Any], argnum: Argnum = 0, *rest: Any, **options: Any) -> Callable[..., Any]:
        position = chosen(fun, argnum)
        call_it = stand_in(fun)  # math.sin itself

        def call(*args: Any, **keywords: Any) -> Any:
            argnums, args, keywords = by_position(fun, position, args, keywords)
            for k in argnums:
                if not -len(args) <= k < len(args):
                    raise AutodiffError(f"argnum {k} is out of range: there are {len(args)} positional argument(s)")

            def unary(x: Any) -> Any:
                new = list(args)
                for k, value in zip(argnums, x if isinstance(position, tuple) else (x,), strict=True):
                    new[k] = value
                return call_it(*new, **keywords)

            unary.__name__ = getattr(fun, "__name__", "function")
            x = tuple(args[k] for k in argnums) if isinstance(position, tuple) else args[argnums[0]]
            return operator(unary, x, *rest, **options)

        return call

    return nary
