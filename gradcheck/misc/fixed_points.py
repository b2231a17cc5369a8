"""Fixed points by iteration, differentiated by the implicit function theorem and not through the iterations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gradcheck.autodiff.core import is_array, plain
from gradcheck.autodiff.custom import defjvp, defvjp, primitive
from gradcheck.autodiff.errors import AutodiffError
from gradcheck.autodiff.products import jvp, vjp
from gradcheck.autodiff.trees import is_container, leaves, matching_leaves, tree_map, with_leaves

__all__ = ["fixed_point"]

LIMIT = 100_000


@primitive
def fixed_point(
    f: Callable[[Any], Callable[[Any], Any]], a: Any, x0: Any, distance: Callable[[Any, Any], Any], tol: float
) -> Any:
    """The x for which f(a)(x) = x, by iteration from x0; differentiable with respect to a.

    Args:
        f: ``f(a)`` is a contracting function of x.
        a: parameters: a number, an array, or a container of them.
        x0: where the iteration starts; carries no derivative.
        distance: ``distance(x, previous)``, a number.
        tol: the iteration ends when the distance is not larger. The derivative solves a linear fixed-point problem by
            the same iteration, under the same distance and tolerance.

    Raises:
        AutodiffError: the distance is nan, or not below tol after 100 000 iterations.

    With x = F(a, x): dx = (I − ∂F/∂x)⁻¹ ∂F/∂a da. Source: Griewank & Walther, *Evaluating Derivatives*, 2nd ed., SIAM
    2008, chapter 15; B. Christianson, *Reverse accumulation and attractive fixed points*, 1994.

    >>> from gradcheck import grad
    >>> babylon = lambda a: lambda x: 0.5 * (x + a / x)
    >>> root = lambda a: fixed_point(babylon, a, 1.0, lambda x, y: abs(x - y), 1e-12)
    >>> root(4.0), grad(root)(4.0)
    (2.0, 0.25)
    """
    step = f(a)
    previous, x = x0, step(x0)
    for _ in range(LIMIT):
        d = distance(x, previous)
        if d != d:
            raise AutodiffError("fixed_point: the distance of two iterates is nan")
        if not d > tol:
            return x
        previous, x = x, step(x)
    raise AutodiffError(f"fixed_point: the distance is still {d:.3g} after {LIMIT} iterations, not below {tol:.3g}")


def _plus(x: Any, y: Any) -> Any:
    if not is_container(x):
        return x + y
    return with_leaves(x, [a + b for a, b in zip(leaves(x), matching_leaves(x, y, "f(a)(x)"), strict=True)], live=False)


def _zeros(x: Any) -> Any:
    return tree_map(lambda e: 0.0 * plain(e) if is_array(e) else 0.0, x, live=False)


def _adjoint(f: Any) -> Any:
    """The map w -> (∂F/∂x)ᵀw + g, whose fixed point is the cotangent of F."""

    def of(parts: Any) -> Any:
        a, x, g = parts
        pull = vjp(f(a), x)[1]
        return lambda w: _plus(pull(w)[0], g)

    return of


def _tangent(f: Any) -> Any:
    """The map t -> ∂F/∂x t + ∂F/∂a da, whose fixed point is the tangent of x."""

    def of(parts: Any) -> Any:
        a, x, da = parts
        return lambda t: jvp(lambda a, x: f(a)(x), (a, x), (da, t))[1]

    return of


def _vjp(ans: Any, f: Any, a: Any, _x0: Any, distance: Any, tol: float) -> Any:
    pull = vjp(lambda a: f(a)(ans), a)[1]
    return lambda g: pull(fixed_point(_adjoint(f), (a, ans, g), _zeros(ans), distance, tol))[0]


def _jvp(da: Any, ans: Any, f: Any, a: Any, _x0: Any, distance: Any, tol: float) -> Any:
    return fixed_point(_tangent(f), (a, ans, da), _zeros(ans), distance, tol)


defvjp(fixed_point, None, _vjp, None, None, None)
defjvp(fixed_point, None, _jvp, None, None, None)
