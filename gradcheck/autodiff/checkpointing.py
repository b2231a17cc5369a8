"""Checkpointing: less memory for more time. What a function computes on the way is not kept, but computed again.

A recorded function keeps what its partials read. A checkpointed one keeps its arguments only; when the cotangent of
its value arrives, it is run again and recorded then, and forgotten after. A chain of n functions, each checkpointed, so
needs the memory of one function and n values.

Source: Griewank & Walther, *Evaluating Derivatives*, 2nd ed., SIAM 2008, chapter 12.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from gradcheck.autodiff.custom import defjvp_argnum, defvjp_argnums, primitive
from gradcheck.autodiff.products import _push, pulled_once
from gradcheck.autodiff.scope import stand_in
from gradcheck.autodiff.transforms import Function


def checkpoint(fun: Function) -> Function:
    """The same function, but differentiated by running it again in the backward sweep.

    Args:
        fun: function of numbers, arrays or containers of them, by position or keyword; what it depends on must be
            among its arguments. Its value is a number, an array or a container of them.

    Raises (when the result is differentiated):
        AutodiffError: fun uses a traced value that is not among its arguments.

    >>> import numpy as np
    >>> from gradcheck import grad
    >>> layer = checkpoint(lambda x, w: np.tanh(w * np.exp(np.sin(x))))
    >>> plain = lambda x, w: np.tanh(w * np.exp(np.sin(x)))
    >>> grad(layer)(0.5, 0.1) == grad(plain)(0.5, 0.1)
    True
    """

    def run(args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        return called(*args, **keywords)

    called = stand_in(fun)
    functools.update_wrapper(run, fun)
    opaque = primitive(run)

    def vjp(argnums: Sequence[int], _ans: Any, args: tuple[Any, ...], _keywords: dict[str, Any]) -> Any:
        return lambda g: pulled_once(run, tuple(argnums), args, g)

    def jvp(argnum: int, t: Any, _ans: Any, args: tuple[Any, ...], _keywords: dict[str, Any]) -> Any:
        return _push(run, argnum, args, {}, t)[1]

    defvjp_argnums(opaque, vjp)
    defjvp_argnum(opaque, jvp)

    @functools.wraps(fun)
    def checkpointed(*args: Any, **keywords: Any) -> Any:
        return opaque(args, keywords)

    return checkpointed
