"""What is left of scipy.optimize: the Rosenbrock function, differences, and searches whose result is the algorithm's
own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.optimize

from gradcheck.autodiff.closures import Callback, enough, stripped
from gradcheck.autodiff.core import any_active, plain, plain_tree, shape_of
from gradcheck.autodiff.errors import unsupported
from gradcheck.autodiff.rules.reductions import as_traced
from gradcheck.autodiff.rules.scipy.registry import STATUS, original, replace
from gradcheck.autodiff.rules.scipy.registry import plain as not_differentiable

Function = Callable[..., Any]
EPSILON = float(np.sqrt(np.finfo(float).eps))


def rosen(x: Any) -> Any:
    """Σ 100(xᵢ₊₁ − xᵢ²)² + (1 − xᵢ)² along the first axis (H. Rosenbrock, Computer J. 3, 175, 1960)."""
    x = as_traced(x)
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2, axis=0)


def rosen_der(x: Any) -> Any:
    x = as_traced(x)
    zero = np.zeros((1, *shape_of(x)[1:]))
    u = 200.0 * (x[1:] - x[:-1] ** 2)  # each term's derivative in its second variable
    return np.concatenate([zero, u]) + np.concatenate([-2.0 * x[:-1] * u - 2.0 * (1.0 - x[:-1]), zero])


def rosen_hess(x: Any) -> Any:
    x = np.atleast_1d(as_traced(x))
    n = shape_of(x)[0]
    side = np.matmul(np.eye(n)[:, : n - 1] * (-400.0 * x[:-1]), np.eye(n)[1:])
    first = np.concatenate([1200.0 * x[:-1] ** 2 - 400.0 * x[1:] + 2.0, np.zeros(1)])
    second = np.concatenate([np.zeros(1), np.full(n - 1, 200.0)])
    return np.eye(n) * (first + second) + side + np.transpose(side)


def rosen_hess_prod(x: Any, p: Any) -> Any:
    return np.matmul(rosen_hess(x), np.atleast_1d(as_traced(p)))


def approx_fprime(xk: Any, f: Function, epsilon: Any = EPSILON, *args: Any) -> Any:
    """The forward difference that SciPy takes, of traced values."""
    callback = Callback(f, args)
    own = original(scipy.optimize, "approx_fprime")(plain(as_traced(xk)), callback, plain_tree(as_traced(epsilon)))
    if enough(callback.active or any_active([as_traced(xk)])):
        return own
    x = np.atleast_1d(as_traced(xk)) * 1.0
    n = shape_of(x)[0]
    h = as_traced(epsilon) * np.ones(n)
    if any_active(h):
        raise unsupported("scipy.optimize.approx_fprime with a traced step")
    y = as_traced(f(x, *args))
    columns = []
    for i in range(n):
        moved = x + h[i] * np.eye(n)[i]
        columns.append((as_traced(f(moved, *args)) - y) / (plain(moved)[i] - plain(x)[i]))
    return np.stack([np.reshape(c, np.shape(own)[:-1]) for c in columns], axis=-1)


def check_grad(
    func: Function,
    grad: Function,
    x0: Any,
    *args: Any,
    epsilon: Any = EPSILON,
    direction: str = "all",
    **keywords: Any,
) -> Any:
    """|gradient − difference|."""
    callbacks = [Callback(func, args), Callback(grad, args)]
    own = original(scipy.optimize, "check_grad")(
        *callbacks, plain(as_traced(x0)), epsilon=epsilon, direction=direction, **keywords
    )
    if enough(any(c.active for c in callbacks) or any_active([as_traced(x0)])):
        return own
    if direction != "all":
        raise unsupported("scipy.optimize.check_grad along a random direction")
    apart = as_traced(grad(as_traced(x0), *args)) - approx_fprime(x0, func, epsilon, *args)
    return np.sqrt(np.sum(np.abs(apart) ** 2))


def _algorithmic(name: str, callables: int) -> Function:
    """A search whose result is not the solution of an equation: on plain values itself, else refused."""

    def handler(*args: Any, **keywords: Any) -> Any:
        extra = keywords.get("args", ())
        wrapped = [stripped(a) if i < callables else plain_tree(a) for i, a in enumerate(args)]
        result = original(scipy.optimize, name)(
            *wrapped,
            **{k: stripped(v) if k in ("func", "f", "myfprime") else plain_tree(v) for k, v in keywords.items()},
        )
        moving = any(isinstance(w, Callback) and w.active for w in wrapped)
        if moving or any_active(list(args)) or any_active(extra) or any_active(keywords):
            raise unsupported(f"scipy.optimize.{name} of traced values: its result depends on its own steps alone")
        return result

    return handler


_VALUES: dict[str, Function] = {
    "rosen": rosen, "rosen_der": rosen_der, "rosen_hess": rosen_hess, "rosen_hess_prod": rosen_hess_prod,
}  # fmt: skip
_CALLBACKS: dict[str, Function] = {
    "approx_fprime": approx_fprime, "check_grad": check_grad, "line_search": _algorithmic("line_search", 2),
    "bracket": _algorithmic("bracket", 1),
}  # fmt: skip
replace(scipy.optimize, _VALUES)
replace(scipy.optimize, _CALLBACKS, always=_CALLBACKS)
for _name in ("line_search", "bracket"):
    STATUS[scipy.optimize, _name] = "refused: its result depends on its own steps alone"
not_differentiable(scipy.optimize, ["show_options", "linprog_verbose_callback"])
