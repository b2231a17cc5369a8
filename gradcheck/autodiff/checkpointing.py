"""Checkpointing: less memory for more time. What a function computes on the way is not kept, but computed again.

A recorded function keeps what its partials read. A checkpointed one keeps its arguments only; when the cotangent of
its value arrives, it is run again and recorded then, and forgotten after. A chain of n functions, each checkpointed, so
needs the memory of one function and n values.

That is right only if the function does the same again: one that writes to its arguments is refused, and so is one whose
second run has another value (it has a state, or draws random numbers).

Source: Griewank & Walther, *Evaluating Derivatives*, 2nd ed., SIAM 2008, chapter 12.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from gradcheck.autodiff.core import plain, shape_of
from gradcheck.autodiff.custom import defjvp_argnum, defvjp_argnums, primitive
from gradcheck.autodiff.errors import unsupported
from gradcheck.autodiff.products import _push, pulled_once
from gradcheck.autodiff.scope import stand_in
from gradcheck.autodiff.transforms import Function
from gradcheck.autodiff.trees import is_container, leaves


def checkpoint(fun: Function) -> Function:
    """The same function, but differentiated by running it again in the backward sweep.

    Args:
        fun: function of numbers, arrays or containers of them, by position or keyword; what it depends on must be
            among its arguments. Its value is a number, an array or a container of them.

    Raises (when the result is differentiated):
        AutodiffError: fun uses a traced value that is not among its arguments; it writes to an argument; run again, it
            has another value.

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
    opaque.rule.kind = "checkpointed function"  # type: ignore[attr-defined]
    opaque.rule.roots = (fun,)  # type: ignore[attr-defined]

    def vjp(argnums: Sequence[int], ans: Any, args: tuple[Any, ...], _keywords: dict[str, Any]) -> Any:
        first = _digest(ans)  # not the value itself: its memory is to be given back

        def pull(g: Any) -> Any:
            values: list[Any] = []

            @functools.wraps(run)
            def again(args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
                value = run(args, keywords)
                values[:] = [value]  # of the last run, if there have to be several
                return value

            found = pulled_once(again, tuple(argnums), args, g)
            _must_agree(opaque, first, _digest(values[0]))
            return found

        return pull

    def jvp(argnum: int, t: Any, ans: Any, args: tuple[Any, ...], _keywords: dict[str, Any]) -> Any:
        value, tangent = _push(run, argnum, args, {}, t)
        _must_agree(opaque, _digest(ans), _digest(value))
        return tangent

    defvjp_argnums(opaque, vjp)
    defjvp_argnum(opaque, jvp)

    @functools.wraps(fun)
    def checkpointed(*args: Any, **keywords: Any) -> Any:
        return opaque(args, keywords)

    return checkpointed


# A value is compared by so many weighted sums over parts of it.
_PARTS = 64


def _digest(value: Any) -> list[tuple[Any, Any, Any]]:
    """What two runs are compared by, for each leaf: its shape, weighted sums over parts of it, and how much those may
    differ: half of the digits, as a traced run may sum in another order."""
    found: list[tuple[Any, Any, Any]] = []
    for leaf in leaves(value) if is_container(value) else [value]:
        a = np.ravel(plain(leaf))
        if a.dtype.kind not in "biufc" or not a.size:
            found.append((shape_of(leaf), 0.0, 0.0))
            continue
        starts = np.unique(np.linspace(0, a.size, _PARTS, endpoint=False).astype(int))
        weights = 1.0 + np.cos(np.arange(a.size)) / 2.0  # so that elements cannot change places
        eps = np.finfo(np.result_type(a, np.float16)).eps if a.dtype.kind in "fc" else 2.0**-52
        with np.errstate(all="ignore"):
            sums = np.add.reduceat(a * weights, starts)
            scale = np.add.reduceat(np.abs(a), starts)
        found.append((shape_of(leaf), sums, np.sqrt(float(eps)) * scale))
    return found


def _must_agree(opaque: Any, first: list[tuple[Any, Any, Any]], second: list[tuple[Any, Any, Any]]) -> None:
    """Refuse a function whose second run has another value than the first."""
    same = len(first) == len(second) and all(
        one[0] == two[0] and bool(np.all(_close(one[1], two[1], one[2])))
        for one, two in zip(first, second, strict=True)
    )
    if not same:
        raise unsupported(
            f"the checkpointed function {opaque.rule.name} has another value when it is run again: it has a state, or "
            "draws random numbers",
            "make what it depends on its arguments: draw random numbers outside of it and pass them",
        )


def _close(a: Any, b: Any, tolerance: Any) -> Any:
    with np.errstate(all="ignore"):
        return (np.abs(a - b) <= tolerance) | (a == b) | (np.isnan(a) & np.isnan(b))
