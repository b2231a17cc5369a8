"""``scipy.optimize.elementwise``: roots and minima of many functions of one number at once.

Each element is a solution of its own, so the Jacobian of the equation that defines it is diagonal: one forward pass
gives all of it. Otherwise as in ``implicit.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.optimize.elementwise as module

from gradcheck.autodiff.closures import Callback, cutting, enough, order
from gradcheck.autodiff.core import any_active, plain, plain_tree
from gradcheck.autodiff.decisions import guard
from gradcheck.autodiff.errors import unsupported
from gradcheck.autodiff.jumps import moves, numbers
from gradcheck.autodiff.products import jvp
from gradcheck.autodiff.rules.reductions import as_traced
from gradcheck.autodiff.rules.scipy.optimize.implicit import completed
from gradcheck.autodiff.rules.scipy.optimize.minima import as_tuple
from gradcheck.autodiff.rules.scipy.registry import STATUS, original, replace

Function = Callable[..., Any]


def _slope(F: Function, x: Any) -> Any:
    return jvp(F, (x,), (np.ones(np.shape(plain(x))),))[1]


def _solution(F: Function, x0: Any, name: str) -> Any:
    """The elements of x with F(x) = 0, next to SciPy's, with their derivatives."""
    x = np.array(x0, dtype=float)
    size = np.inf
    for _ in range(10):
        with cutting():
            r, slope = plain(F(x)), plain(_slope(F, x))
        if not np.all(np.isfinite(slope)) or np.any(np.abs(slope) < 1e-9) or not np.all(np.isfinite(r)):
            raise unsupported(
                f"{name}: a solution has no derivative, as the equation that defines it is singular there"
            )
        step = r / slope
        last, size = size, float(np.max(np.abs(step) / (1.0 + np.abs(x)), initial=0.0))
        if size < 1e-13 or size > 0.3 * last:
            break
        x = x - step
    if size > 1e-6 or np.any(np.abs(x - x0) > 0.1 * (1.0 + np.abs(x0))):
        raise unsupported(f"{name} did not converge")
    z: Any = x
    for _ in range(order()):
        r = F(z)
        z = z - (r - plain(r)) / slope
    return z + (x0 - x)


def _steady(f: Function, result: Any, name: str) -> None:
    """An error where a change of sign that was found is a jump that moves: no value of f carries a derivative."""
    low, high = ((np.asarray(x), numbers(f(x))) for x in result.bracket)
    if np.all(np.isfinite(low[1])) and np.all(np.isfinite(high[1])) and moves(f, low, high):
        raise unsupported(
            f"{name}: the function changes sign, but has no root there: it jumps, and the place of the jump moves with "
            "differentiated values",
            "return the place of the jump itself",
        )


def _solver(name: str) -> Function:
    whole = f"scipy.optimize.elementwise.{name}"

    def handler(f: Function, init: Any, /, *, args: Any = (), **keywords: Any) -> Any:
        args = as_tuple(args)
        callback = Callback(f)
        result = original(module, name)(
            callback,
            plain_tree(init),
            args=tuple(plain_tree(as_traced(a)) for a in args),
            **{k: v if k == "callback" else plain_tree(v) for k, v in keywords.items()},
        )
        moving = callback.active or any_active(list(args))
        if name == "find_root" and not moving:
            _steady(lambda x: callback(x, *args), result, whole)
        if enough(moving):
            return result
        if not np.all(result.success):
            raise unsupported(f"{whole} did not converge")

        def g(x: Any) -> Any:
            return f(x, *args)

        x0 = np.asarray(result.x)
        if name == "find_root":
            x = _solution(g, x0, whole)
            followed = {"f_x": result.f_x}  # zero whatever the parameters are
        else:
            x = _solution(lambda y: _slope(g, y), x0, whole)
            followed = {"f_x": g(x)}
        return completed(result, whole, {"x": x if x0.ndim else x[()], **followed})

    return handler


def _bracket(name: str) -> Function:
    """The brackets are the algorithm's own, a grid of plain numbers: they have no derivative."""

    def handler(f: Function, *inits: Any, **keywords: Any) -> Any:
        return original(module, name)(Callback(f), *plain_tree(inits), **plain_tree(keywords))

    return handler


_HANDLERS: dict[str, Function] = {name: _solver(name) for name in ("find_root", "find_minimum")}
_HANDLERS |= {name: _bracket(name) for name in ("bracket_root", "bracket_minimum")}
replace(module, _HANDLERS, always=_HANDLERS)
STATUS.update({(module, name): "plain" for name in ("bracket_root", "bracket_minimum")})
guard()
