"""Bounds and constraints of a minimisation, in all the forms that SciPy takes: stripped for SciPy's own run, and as one
kind, lower ≤ c(x) ≤ upper, for the implicit function theorem (``minima.py``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.optimize

from gradcheck.autodiff.closures import Callback
from gradcheck.autodiff.core import any_active, plain_tree
from gradcheck.autodiff.rules.reductions import as_traced
from gradcheck.autodiff.rules.scipy.optimize.implicit import vector
from gradcheck.autodiff.rules.scipy.registry import carrier, construct, original

Function = Callable[..., Any]
_STRATEGY: Any = scipy.optimize.HessianUpdateStrategy


class TracedBounds(scipy.optimize.Bounds):
    """``Bounds`` with traced limits: SciPy sees plain ones, ``traced`` has the others."""

    def __init__(self, lb: Any = -np.inf, ub: Any = np.inf, keep_feasible: Any = False) -> None:
        super().__init__(plain_tree(lb), plain_tree(ub), keep_feasible)
        self.traced = (as_traced(lb), as_traced(ub))


class TracedLinear(scipy.optimize.LinearConstraint):
    """``LinearConstraint`` with traced matrix or limits."""

    def __init__(self, A: Any, lb: Any = -np.inf, ub: Any = np.inf, keep_feasible: Any = False) -> None:
        super().__init__(plain_tree(A), plain_tree(lb), plain_tree(ub), keep_feasible)
        self.traced = (as_traced(A), as_traced(lb), as_traced(ub))


class TracedNonlinear(scipy.optimize.NonlinearConstraint):
    """``NonlinearConstraint`` with traced limits."""

    def __init__(self, fun: Any, lb: Any, ub: Any, *args: Any, **keywords: Any) -> None:
        super().__init__(fun, plain_tree(lb), plain_tree(ub), *args, **keywords)
        self.traced = (as_traced(lb), as_traced(ub))


for _cls in (TracedBounds, TracedLinear, TracedNonlinear):
    carrier(_cls)
construct(scipy.optimize, "Bounds", TracedBounds, (TracedBounds,))
construct(scipy.optimize, "LinearConstraint", TracedLinear, (TracedLinear,))
construct(scipy.optimize, "NonlinearConstraint", TracedNonlinear, (TracedNonlinear,))


def standard_bounds(bounds: Any) -> Any:
    """Bounds as SciPy may see them: an object that the original class has made may hold traced limits, too."""
    if isinstance(bounds, scipy.optimize.Bounds):
        moving = type(bounds) is not TracedBounds and any_active([bounds.lb, bounds.ub])
        return TracedBounds(bounds.lb, bounds.ub, bounds.keep_feasible) if moving else bounds
    return plain_tree(bounds)


class Constraint:
    """lower ≤ c(x) ≤ upper."""

    def __init__(self, c: Function, lower: Any, upper: Any) -> None:
        self.c, self.lower, self.upper = c, lower, upper


def spread_limits(low: Any, high: Any, n: int) -> tuple[Any, Any]:
    return as_traced(low) * np.ones(n), as_traced(high) * np.ones(n)


def bound_constraints(bounds: Any, n: int) -> list[Constraint]:
    """The bounds of the variables, in each of the forms that SciPy takes."""
    if bounds is None:
        return []
    if isinstance(bounds, scipy.optimize.Bounds):
        low, high = getattr(bounds, "traced", (bounds.lb, bounds.ub))
    else:
        pairs = list(bounds) if not isinstance(bounds, np.ndarray) else [bounds[i] for i in range(len(bounds))]
        pairs = pairs or [(None, None)] * n
        low = as_traced([-np.inf if p[0] is None else p[0] for p in pairs])
        high = as_traced([np.inf if p[1] is None else p[1] for p in pairs])
    return [Constraint(lambda x: x, *spread_limits(low, high, n))]


class Constraints:
    """The user's ``constraints=``: for SciPy stripped, for us as :class:`Constraint`."""

    def __init__(self, given: Any, args: tuple[Any, ...] = ()) -> None:
        many = list(given) if isinstance(given, list | tuple) else [given]
        self.callbacks: list[Callback] = []
        self.own: list[Constraint] = []
        self.traced = False
        self.plain = [self._one(c) for c in many if c is not None]

    def callback(self, f: Any, args: Any = ()) -> Any:
        if not callable(f):
            return plain_tree(f)
        self.callbacks.append(Callback(f, args))
        return self.callbacks[-1]

    def _one(self, c: Any) -> Any:
        if isinstance(c, dict):
            args = tuple(c.get("args", ()))
            fun = c["fun"]
            upper = 0.0 if c["type"].lower() == "eq" else np.inf
            self.own.append(Constraint(lambda x: vector(fun(x, *args)), 0.0, upper))
            new = {k: v for k, v in c.items() if k != "args"}
            return {k: self.callback(v, args) if k in ("fun", "jac") else v for k, v in new.items()}
        if isinstance(c, scipy.optimize.LinearConstraint):
            A: Any
            A, low, high = getattr(c, "traced", (c.A, c.lb, c.ub))
            self.traced = self.traced or any_active([A, low, high])
            if hasattr(A, "toarray"):
                A = A.toarray()
            A = np.atleast_2d(A)
            self.own.append(Constraint(lambda x: np.matmul(A, x), low, high))
            if type(c) is not TracedLinear and any_active([A, low, high]):  # made by the original class
                return TracedLinear(A, low, high, c.keep_feasible)
            return c
        if isinstance(c, scipy.optimize.NonlinearConstraint):
            low, high = getattr(c, "traced", (c.lb, c.ub))
            self.traced = self.traced or any_active([low, high])
            self.own.append(Constraint(lambda x: vector(c.fun(x)), low, high))
            make = original(scipy.optimize, "NonlinearConstraint")
            return make(
                self.callback(c.fun),
                plain_tree(c.lb),
                plain_tree(c.ub),
                self.callback(c.jac),
                self._callback_or(c.hess),
            )
        return c

    def _callback_or(self, hess: Any) -> Any:
        return hess if isinstance(hess, _STRATEGY) else self.callback(hess)

    @property
    def active(self) -> bool:
        return self.traced or any(c.active for c in self.callbacks)
