"""The implicit function theorem: the derivative of a solution x(c) of F(x; c) = 0, and what no rule follows.

SciPy finds x on plain numbers; how it got there plays no part. Then, for each live trace, one Newton step with the
plain Jacobian J = ∂F/∂x is taken on traced values, x ← x − J⁻¹·F(x; c): a step adds one exact order of derivative,
since what it leaves out, (1 − J⁻¹·∂F/∂x), is zero but for its derivatives. c need not be known, it is whatever F has
captured.

The derivative is taken at the solution itself, to which SciPy's is first carried by Newton's method in plain
numbers; the value stays SciPy's. Where that does not converge, or J is singular, there is no derivative to give, and
an error says so.

Source: Griewank & Walther, *Evaluating Derivatives*, 2nd ed., SIAM 2008, chapter 15.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gradcheck.autodiff.closures import cutting, order
from gradcheck.autodiff.core import any_active, plain
from gradcheck.autodiff.errors import unsupported
from gradcheck.autodiff.jacobians import value_and_jacobian
from gradcheck.autodiff.rules.reductions import as_traced

Function = Callable[..., Any]
STEPS = 25
# Newton's method has converged when its step is this small, or (with a noisy F) when the steps stay below that.
TIGHT, LOOSE = 1e-13, 1e-6
# Within this of a solution its Jacobian must not change by much.
NUDGE = 1e-7
# How far the solution may be from what SciPy found.
NEAR = 0.1


def vector(y: Any) -> Any:
    """What a callback returned as a flat array."""
    return np.reshape(as_traced(y), (-1,))


def _system(F: Function, x: Any) -> tuple[Any, Any]:
    """F(x) and its Jacobian on plain numbers."""
    with cutting():
        r, J = value_and_jacobian(F)(x)
        return np.asarray(plain(r)), np.asarray(plain(J))


def _newton(J: Any, r: Any, name: str) -> Any:
    """J⁻¹·r, or an error where J is singular. Equilibrated first, so that units play no part."""
    if not (np.all(np.isfinite(J)) and np.all(np.isfinite(r))):
        raise unsupported(f"{name}: the equation that defines the solution is not finite there")
    rows = np.max(np.abs(J), axis=1, initial=0.0)
    rows = np.where(rows > 0, rows, 1.0)
    columns = np.max(np.abs(J / rows[:, None]), axis=0, initial=0.0)
    columns = np.where(columns > 0, columns, 1.0)
    scaled = J / rows[:, None] / columns
    if J.size and not np.linalg.cond(scaled) < 1e13:
        raise unsupported(
            f"{name}: the solution has no derivative, as the Jacobian of the equation that defines it is singular",
            "the solution may not be unique, or not depend smoothly on its parameters",
        )
    y = np.linalg.solve(scaled, (r.T / rows).T) if J.size else r
    return (y.T / columns).T


def polish(F: Function, x0: Any, name: str) -> tuple[Any, Any]:
    """The solution of F(x) = 0 next to x0, and the Jacobian there; plain."""
    x, last, before = np.array(x0, dtype=float), np.inf, None
    for _ in range(STEPS):
        r, J = _system(F, x)
        step = _newton(J, r, name)
        size = float(np.max(np.abs(step), initial=0.0)) / (1.0 + float(np.max(np.abs(x), initial=0.0)))
        if size <= TIGHT or size > 0.3 * last:
            break
        x, last, before = x - step, size, J
    moved = float(np.max(np.abs(x - x0), initial=0.0)) / (1.0 + float(np.max(np.abs(x), initial=0.0)))
    if size > LOOSE or moved > NEAR:
        raise unsupported(f"{name} did not converge: what it returned does not solve the equation that defines it")
    # At a multiple root, or a flat minimum, J is zero but for rounding, and all of it changes next to the solution.
    signs = np.random.default_rng(0).choice([-1.0, 0.6], size=x.shape)
    aside = x + NUDGE * (1.0 + np.abs(x)) * signs
    for other in (before, _system(F, aside)[1]):
        if other is not None and J.size and not np.max(np.abs(_newton(J, J - other, name))) < 0.3:
            raise unsupported(
                f"{name}: the solution has no derivative, as the Jacobian of the equation that defines it is singular",
                "it may be a multiple root, or a minimum that is flat to second order",
            )
    return x, J


def implicit(F: Function, x0: Any, name: str) -> Any:
    """The solution of F(x) = 0 with SciPy's value x0, of shape (n,), and its derivatives.

    Args:
        F: (n,) -> (n,); whatever it has captured, its solution is differentiated with respect to.
        x0: plain.
        name: SciPy's function, for errors.
    """
    x, J = polish(F, x0, name)
    return steps(F, x, J) + (x0 - x)


def steps(F: Function, x: Any, J: Any) -> Any:
    """Newton steps on traced values from the plain solution x: one for each live trace."""
    z: Any = x
    for _ in range(order()):
        r = F(z)
        if not any_active(r):
            break
        z = z - np.linalg.solve(J, r - plain(r))
    return z


class Unfollowed:
    """A part of a result of which no derivative is known: it prints, and any other use is an error that names it."""

    __slots__ = ("_name", "_value")

    def __init__(self, value: Any, name: str) -> None:
        self._value, self._name = value, name

    def _refuse(self, *_args: Any, **_keywords: Any) -> Any:
        raise unsupported(
            f"{self._name} is a product of the algorithm: its derivative is not known",
            "compute what you need from the solution x",
        )

    def __getattr__(self, _attribute: str) -> Any:
        self._refuse()

    def __repr__(self) -> str:
        return repr(self._value)


for _name in (
    "__array__", "__float__", "__int__", "__index__", "__bool__", "__len__", "__iter__", "__getitem__", "__call__",
    "__add__", "__radd__", "__sub__", "__rsub__", "__mul__", "__rmul__", "__truediv__", "__rtruediv__", "__pow__",
    "__rpow__", "__matmul__", "__rmatmul__", "__neg__", "__abs__", "__lt__", "__le__", "__gt__", "__ge__", "__eq__",
    "__ne__", "__array_ufunc__", "__array_function__",
):  # fmt: skip
    setattr(Unfollowed, _name, Unfollowed._refuse)


def guarded(value: Any, name: str) -> Any:
    """A field of a result as it is if it is no floating-point number: a count, a message, a flag; else Unfollowed."""
    if isinstance(value, np.ndarray | np.generic):
        return value if value.dtype.kind in "iubUS" else Unfollowed(value, name)
    return value if isinstance(value, str | bool | int) or value is None else Unfollowed(value, name)


def completed(result: Any, name: str, followed: dict[str, Any]) -> Any:
    """SciPy's result object with the fields that are followed, the rest guarded."""
    fields = {k: followed.get(k, guarded(v, f"{name}(...).{k}")) for k, v in result.items()}
    return type(result)({**fields, **{k: v for k, v in followed.items() if k in result}})
