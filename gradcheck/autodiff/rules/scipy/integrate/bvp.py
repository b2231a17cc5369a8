"""Boundary value problems: solve_bvp.

On jets (``closures.py``) the problem y' = f(x, y, p), bc(y(a), y(b), p) = 0 becomes itself and its linearisation,
which is solved by SciPy's own collocation, from SciPy's own solution as the first guess. Values are SciPy's;
derivatives those of the true solution, to the tolerance asked for or :data:`TOL` where that is tighter.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.integrate

from gradcheck.autodiff.closures import Callback, Jets, enough, stripped
from gradcheck.autodiff.core import any_active, plain, plain_tree
from gradcheck.autodiff.errors import unsupported
from gradcheck.autodiff.rules.reductions import as_traced
from gradcheck.autodiff.rules.scipy.registry import original, replace

Function = Callable[..., Any]
TOL = 1e-6


def solve_bvp(
    fun: Function,
    bc: Function,
    x: Any,
    y: Any,
    p: Any = None,
    S: Any = None,
    fun_jac: Any = None,
    bc_jac: Any = None,
    tol: float = 1e-3,
    max_nodes: int = 1000,
    verbose: int = 0,
    bc_tol: Any = None,
) -> Any:
    """``scipy.integrate.solve_bvp``: y, p, yp and sol carry derivatives with respect to what fun and bc have captured;
    the guesses carry none. A traced x and a singular term S are refused."""
    right, ends = Callback(fun), Callback(bc)
    if any_active([x, S]):
        raise unsupported("scipy.integrate.solve_bvp with a traced mesh or singular term")
    run = original(scipy.integrate, "solve_bvp")
    start = plain(as_traced(y))
    result = run(
        right,
        ends,
        plain_tree(x),
        start,
        plain_tree(p),
        plain_tree(S),
        stripped(fun_jac),
        stripped(bc_jac),
        tol,
        max_nodes,
        verbose,
        bc_tol,
    )
    if enough(right.active or ends.active):
        return result
    if S is not None:
        raise unsupported("scipy.integrate.solve_bvp with a singular term S")
    if not result.success:
        raise unsupported(f"scipy.integrate.solve_bvp did not converge: {result.message}")
    if np.iscomplexobj(result.y):
        raise unsupported("scipy.integrate.solve_bvp of a complex problem")
    return _traced(result, fun, bc, min(tol, TOL), max_nodes)


def _traced(result: Any, fun: Function, bc: Function, tol: float, max_nodes: int) -> Any:
    jets = Jets()
    n, free = result.y.shape[0], result.p is not None

    def right(x: Any, Y: Any, P: Any = None) -> Any:
        def f(y: Any, *p: Any) -> Any:
            return np.transpose(as_traced(fun(x, np.transpose(y), *p)))

        return jets.along(f, Y.T, *([P] if free else [])).T

    def ends(Ya: Any, Yb: Any, P: Any = None) -> Any:
        return jets.along(lambda a, b, *p: bc(a, b, *p), Ya, Yb, *([P] if free else []))

    def solve() -> Any:
        Ya, Yb = np.zeros(n * jets.factor), np.zeros(n * jets.factor)
        Ya[:n], Yb[:n] = result.y[:, 0], result.y[:, -1]
        P = np.zeros(len(result.p) * jets.factor) if free else None
        if P is not None:
            P[: len(result.p)] = result.p
        ends(Ya, Yb, P)  # what is captured, before the collocation starts
        guess = np.zeros((n * jets.factor, len(result.x)))
        guess[:n] = result.y
        right(result.x, guess, P)
        run = original(scipy.integrate, "solve_bvp")
        return run(right, ends, result.x, guess, P, tol=tol, max_nodes=max(10 * max_nodes, 10 * len(result.x)))

    solution = jets.settle(solve)
    if not solution.success:
        raise unsupported(f"the linearised boundary value problem could not be solved: {solution.message}")
    out = dict(result)
    y = np.transpose(jets.decode(solution.sol(result.x).T, np.ascontiguousarray(result.y.T)))
    out["y"] = y
    p = jets.decode(solution.p, result.p) if free else None
    if free:
        out["p"] = p
    out["yp"] = as_traced(fun(result.x, y, *([p] if free else [])))
    out["sol"] = TracedSpline(jets, solution.sol, result.sol, n)
    return type(result)(out)


class TracedSpline:
    """What ``solve_bvp(...).sol`` is where the solution carries derivatives: x -> y(x), of shape (n,) or (n,
    len(x))."""

    def __init__(self, jets: Jets, solution: Any, own: Any, n: int) -> None:
        self.jets, self.solution, self.own, self.n = jets, solution, own, n

    def __getattr__(self, name: str) -> Any:
        raise unsupported(f"solve_bvp(...).sol.{name} of a solution that carries derivatives")

    def __call__(self, x: Any, nu: int = 0) -> Any:
        if any_active(x) or nu:
            raise unsupported("solve_bvp(...).sol at a traced abscissa, or its derivative", "use y' = fun(x, y)")
        x = plain(as_traced(x))
        y = self.jets.decode(self.solution(x).T, np.ascontiguousarray(self.own(x).T))
        return np.transpose(y)


replace(scipy.integrate, {"solve_bvp": solve_bvp}, always=("solve_bvp",))
