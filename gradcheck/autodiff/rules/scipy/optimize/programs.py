"""Linear programs and linear least squares with bounds, by their active set.

The solution of a linear program is a vertex: as many active constraints as unknowns, M·x = b, so x = M⁻¹·b to all
orders; its multipliers are M⁻ᵀ·c. Which constraints are active is SciPy's finding. Where there are more, or a
multiplier is zero, the solution is not unique or not smooth, and is refused.

Source: D. Bertsimas, J. Tsitsiklis, *Introduction to Linear Optimization*, Athena 1997, ch. 5 (sensitivity).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.optimize

from gradcheck.autodiff.core import any_active, plain, plain_tree, shape_of
from gradcheck.autodiff.errors import unsupported
from gradcheck.autodiff.rules.reductions import as_traced
from gradcheck.autodiff.rules.scipy.optimize.constraints import TracedBounds
from gradcheck.autodiff.rules.scipy.optimize.implicit import completed, guarded
from gradcheck.autodiff.rules.scipy.registry import original, replace
from gradcheck.autodiff.rules.scipy.registry import plain as not_differentiable

Function = Callable[..., Any]
DEGENERATE = "the solution is not unique, or a constraint is just about to become active: there is no derivative"
TOLERANCE = 1e-9


# -- least squares -----------------------------------------------------------------------------------------------------


def _free_solution(A: Any, b: Any, free: Any, fixed: Any, name: str) -> Any:
    """argmin |A·x − b| over the free unknowns, with the values of the fixed ones given (zero at the free ones)."""
    n = shape_of(A)[1]
    at = np.flatnonzero(free)
    if not at.size:
        return fixed
    part = A[:, at]
    if np.linalg.matrix_rank(plain(part)) < at.size:
        raise unsupported(f"{name}: {DEGENERATE}")
    x = np.matmul(np.linalg.pinv(part), b - np.matmul(A, fixed))
    return fixed + np.matmul(np.eye(n)[:, at], x)


def nnls(A: Any, b: Any, *positional: Any, **keywords: Any) -> Any:
    """``scipy.optimize.nnls``: solution and norm of the residual."""
    A, b = as_traced(A), as_traced(b)
    own, norm = original(scipy.optimize, "nnls")(plain(A), plain(b), *positional, **plain_tree(keywords))
    slope = plain(A).T @ (plain(b) - plain(A) @ own)
    size = float(np.max(np.abs(plain(A).T @ plain(b)), initial=1.0))
    if np.any((own == 0) & (slope > -TOLERANCE * size)):
        raise unsupported(f"scipy.optimize.nnls: {DEGENERATE}")
    x = _free_solution(A, b, own > 0, np.zeros(len(own)), "scipy.optimize.nnls")
    return x + (own - plain(x)), np.linalg.norm(np.matmul(A, x) - b) if norm else norm


def _pair(bounds: Any, n: int) -> tuple[Any, Any]:
    if isinstance(bounds, scipy.optimize.Bounds):
        low, high = getattr(bounds, "traced", (bounds.lb, bounds.ub))
    else:
        low, high = bounds
    return as_traced(low) * np.ones(n), as_traced(high) * np.ones(n)


def _attained(at_low: Any, low: Any, at_high: Any, high: Any) -> Any:
    """The bounds that are attained, zero elsewhere."""
    low, high = (np.where(np.isfinite(plain(e)), e, 0.0) for e in (low, high))
    return np.where(at_low, low, np.where(at_high, high, 0.0))


def lsq_linear(A: Any, b: Any, bounds: Any = (-np.inf, np.inf), *positional: Any, **keywords: Any) -> Any:
    """``scipy.optimize.lsq_linear``: x, fun and cost carry derivatives."""
    name = "scipy.optimize.lsq_linear"
    A, b = as_traced(A), as_traced(b)
    own_bounds = (
        bounds if isinstance(bounds, scipy.optimize.Bounds) else tuple(plain_tree(as_traced(e)) for e in bounds)
    )
    result = original(scipy.optimize, "lsq_linear")(plain(A), plain(b), own_bounds, *positional, **plain_tree(keywords))
    if hasattr(A, "toarray"):
        A = A.toarray()
    if not isinstance(plain(A), np.ndarray):
        raise unsupported(f"{name} of a LinearOperator with other traced values")
    if not result.success:
        raise unsupported(f"{name} did not converge: {result.message}")
    low, high = _pair(bounds, len(result.x))
    at_low, at_high = result.active_mask < 0, result.active_mask > 0
    x = _free_solution(A, b, result.active_mask == 0, _attained(at_low, low, at_high, high), name)
    value = plain(x)
    slope = plain(A).T @ (plain(A) @ value - plain(b))
    size = float(np.max(np.abs(plain(A).T @ plain(b)), initial=1.0)) * TOLERANCE
    outside = (result.active_mask == 0) & ((value <= plain(low)) | (value >= plain(high)))
    if np.any(at_low & (slope <= size)) or np.any(at_high & (slope >= -size)) or np.any(outside):
        raise unsupported(f"{name}: {DEGENERATE}")
    x = x + (result.x - value)
    r = np.matmul(A, x) - b
    followed = {"x": x, "fun": r, "cost": 0.5 * np.sum(r * r)}
    if "unbounded_sol" in result and np.all(result.active_mask == 0):
        unbounded = result["unbounded_sol"]
        followed["unbounded_sol"] = (x, *(guarded(e, f"{name}: unbounded_sol") for e in unbounded[1:]))
    return completed(result, name, followed)


# -- linear programs ---------------------------------------------------------------------------------------------------


class _Program:
    """minimise c·x with upper·x ≤ b, equal·x = d, low ≤ x ≤ high; everything may be traced."""

    def __init__(self, c: Any, upper: Any, b: Any, equal: Any, d: Any, low: Any, high: Any) -> None:
        self.c, self.low, self.high = c, low, high
        n = shape_of(c)[0]
        self.upper: Any
        self.b: Any
        self.equal: Any
        self.d: Any
        self.upper, self.b = (np.zeros((0, n)), np.zeros(0)) if upper is None else (upper, b)
        self.equal, self.d = (np.zeros((0, n)), np.zeros(0)) if equal is None else (equal, d)

    def vertex(self, own: Any, integer: Any, name: str) -> tuple[Any, Any, list[Any]]:
        """x, the multipliers of all constraints that are active, and which these are."""
        n = len(own)
        low, high = plain(self.low).copy(), plain(self.high).copy()
        low[integer] = high[integer] = np.round(own[integer])
        some = original(scipy.optimize, "linprog")(
            plain(self.c),
            plain(self.upper),
            plain(self.b),
            plain(self.equal),
            plain(self.d),
            np.stack([low, high], axis=1),
        )
        scale = 1.0 + float(np.max(np.abs(own), initial=0.0))
        if not some.success or float(np.max(np.abs(some.x - own), initial=0.0)) > 1e-6 * scale:
            raise unsupported(f"{name}: {DEGENERATE}")
        size = TOLERANCE * (1.0 + float(np.max(np.abs(plain(self.c)), initial=0.0)))
        rows = np.flatnonzero(np.abs(some.ineqlin.marginals) > size)
        fixed = integer | (low == high)
        at_low = ~fixed & (np.abs(some.lower.marginals) > size)
        at_high = ~fixed & (np.abs(some.upper.marginals) > size)
        held = np.flatnonzero(fixed | at_low | at_high)
        M = np.concatenate([self.equal, self.upper[rows], np.eye(n)[held]])
        if shape_of(M)[0] != n or np.linalg.matrix_rank(plain(M)) < n:
            raise unsupported(f"{name}: {DEGENERATE}")
        slack = plain(self.b) - plain(self.upper) @ own
        idle = np.setdiff1d(np.arange(len(slack)), rows)
        free = ~(fixed | at_low | at_high)
        room = np.minimum(own - low, high - own)[free]
        if np.any(slack[idle] <= TOLERANCE * scale) or np.any(room <= TOLERANCE * scale):
            raise unsupported(f"{name}: {DEGENERATE}")
        limits = _attained(at_low | (fixed & ~integer), self.low, at_high, self.high)
        limits = np.where(integer, np.round(own), limits)
        x = np.linalg.solve(M, np.concatenate([self.d, self.b[rows], limits[held]]))
        multipliers = np.linalg.solve(np.transpose(M), self.c)
        return x + (own - plain(x)), multipliers, [rows, held, at_low, at_high, fixed]


def _matrix(A: Any) -> Any:
    if A is None:
        return None
    A = as_traced(A.toarray() if hasattr(A, "toarray") else A)
    return A if len(shape_of(A)) == 2 else np.reshape(A, (-1, shape_of(A)[-1]))


def _program_bounds(bounds: Any, n: int) -> tuple[Any, Any]:
    """linprog's bounds: None, one pair, or one pair a variable; None in a pair stands for infinity."""
    if bounds is None:
        return np.zeros(n), np.full(n, np.inf)
    many = len(shape_of(plain(bounds[0]) if not isinstance(bounds[0], list | tuple) else (0,) * 2)) > 0
    pairs = [bounds[i] for i in range(len(bounds))] if many else [bounds]
    if len(pairs) == 1:
        pairs = pairs * n
    low = as_traced([-np.inf if p[0] is None else p[0] for p in pairs])
    high = as_traced([np.inf if p[1] is None else p[1] for p in pairs])
    return low * 1.0, high * 1.0


def linprog(
    c: Any,
    A_ub: Any = None,
    b_ub: Any = None,
    A_eq: Any = None,
    b_eq: Any = None,
    bounds: Any = (0, None),
    method: str = "highs",
    callback: Any = None,
    options: Any = None,
    x0: Any = None,
    integrality: Any = None,
) -> Any:
    """``scipy.optimize.linprog``: x, fun, slack, con, and residuals and marginals of the constraints carry
    derivatives."""
    name = "scipy.optimize.linprog"
    result = original(scipy.optimize, "linprog")(
        *(plain_tree(as_traced(e)) for e in (c, A_ub, b_ub, A_eq, b_eq)),
        plain_tree(bounds),
        method,
        callback,
        plain_tree(options),
        plain_tree(x0),
        plain_tree(integrality),
    )
    if not result.success:
        return result  # infeasible or unbounded: x is None
    c = np.ravel(as_traced(c)) * 1.0
    n = shape_of(c)[0]
    low, high = _program_bounds(bounds, n)
    b_ub, b_eq = (None if e is None else np.ravel(as_traced(e)) * 1.0 for e in (b_ub, b_eq))
    program = _Program(c, _matrix(A_ub), b_ub, _matrix(A_eq), b_eq, low, high)
    integer = np.zeros(n, dtype=bool) | (np.asarray(0 if integrality is None else plain_tree(integrality)) == 1)
    x, multipliers, active = program.vertex(np.asarray(result.x), integer, name)
    followed: dict[str, Any] = {"x": x, "fun": np.dot(c, x)}
    residuals = {
        "ineqlin": program.b - np.matmul(program.upper, x),
        "eqlin": program.d - np.matmul(program.equal, x),
        "lower": x - low,
        "upper": high - x,
    }
    marginals = _marginals(program, multipliers, active)
    for key, residual in residuals.items():
        if key in result:
            own = result[key]
            margin = marginals[key] if not np.any(integer) else own["marginals"]
            followed[key] = type(own)(
                residual=residual,
                marginals=guarded(margin, f"{name}(...).{key}.marginals") if np.any(integer) else margin,
            )
    followed["slack"], followed["con"] = residuals["ineqlin"], residuals["eqlin"]
    return completed(result, name, followed)


def _marginals(program: _Program, multipliers: Any, active: list[Any]) -> dict[str, Any]:
    """The multipliers of the active constraints in their places among all."""
    rows, held, at_low, at_high, fixed = active
    equal, n = shape_of(program.d)[0], shape_of(program.c)[0]
    inequal = shape_of(program.b)[0]
    bound = np.matmul(np.eye(n)[:, held], multipliers[equal + len(rows) :])
    low = at_low | (fixed & (plain(bound) >= 0))
    return {
        "eqlin": multipliers[:equal],
        "ineqlin": np.matmul(np.eye(inequal)[:, rows], multipliers[equal : equal + len(rows)]),
        "lower": np.where(low, bound, 0.0),
        "upper": np.where(at_high | (fixed & ~low), bound, 0.0),
    }


def milp(c: Any, *, integrality: Any = None, bounds: Any = None, constraints: Any = None, options: Any = None) -> Any:
    """``scipy.optimize.milp``: integers stay what they are, the other unknowns are those of the linear program that
    is left."""
    many = () if constraints is None else constraints if isinstance(constraints, list) else [constraints]
    given = [k if isinstance(k, scipy.optimize.LinearConstraint) else tuple(k) for k in many]
    moving = any_active(c) or isinstance(bounds, TracedBounds)
    moving = moving or any(any_active(list(getattr(k, "traced", k if isinstance(k, tuple) else ()))) for k in given)
    result = original(scipy.optimize, "milp")(
        plain_tree(as_traced(c)),
        integrality=plain_tree(integrality),
        bounds=plain_tree(bounds),
        constraints=[plain_tree(k) for k in given] if given else None,
        options=plain_tree(options),
    )
    if not moving or not result.success:
        return result
    c = np.ravel(as_traced(c)) * 1.0
    n = shape_of(c)[0]
    kinds = np.zeros(n, dtype=int) + np.asarray(0 if integrality is None else plain_tree(integrality))
    if np.any(kinds > 1):
        raise unsupported("scipy.optimize.milp with semi-continuous unknowns")
    low, high = (np.zeros(n), np.full(n, np.inf)) if bounds is None else _pair(bounds, n)
    uppers, limits, equals, values = [], [], [], []
    for k in given:
        A, least, most = k if isinstance(k, tuple) else getattr(k, "traced", (k.A, k.lb, k.ub))
        A = _matrix(A)
        least, most = (as_traced(e) * np.ones(shape_of(A)[0]) for e in (least, most))
        same = plain(least) == plain(most)
        for rows, sign, limit in (
            (np.flatnonzero(~same & np.isfinite(plain(most))), 1.0, most),
            (np.flatnonzero(~same & np.isfinite(plain(least))), -1.0, least),
        ):
            uppers.append(sign * A[rows])
            limits.append(sign * limit[rows])
        equals.append(A[np.flatnonzero(same)])
        values.append(least[np.flatnonzero(same)])
    joined = [np.concatenate(e) if e else None for e in (uppers, limits, equals, values)]
    program = _Program(c, joined[0], joined[1], joined[2], joined[3], low, high)
    x, _, _ = program.vertex(np.asarray(result.x), kinds == 1, "scipy.optimize.milp")
    return completed(result, "scipy.optimize.milp", {"x": x, "fun": np.dot(c, x)})


# -- monotone and combinatorial
# ------------------------------------------------------------------------------------------


def isotonic_regression(y: Any, *, weights: Any = None, increasing: bool = True) -> Any:
    """``scipy.optimize.isotonic_regression``: the (weighted) mean of each block."""
    y, weights = as_traced(y), as_traced(weights)
    result = original(scipy.optimize, "isotonic_regression")(
        plain_tree(y), weights=plain_tree(weights), increasing=increasing
    )
    w = np.ones(shape_of(y)) if weights is None else weights
    means, sums = [], []
    edges = result.blocks.tolist()
    sign = 1.0 if increasing else -1.0
    for i, j in itertools.pairwise(edges):
        sums.append(np.sum(w[i:j]))
        means.append(np.sum(w[i:j] * y[i:j]) / sums[-1])
        value, weight = plain(y)[i:j], plain(w)[i:j]
        heads = np.cumsum(value * weight)[:-1] / np.cumsum(weight)[:-1]
        if np.any(sign * (heads - plain(means[-1])) <= 1e-14 * (1.0 + np.abs(plain(means[-1])))):
            raise unsupported(
                "scipy.optimize.isotonic_regression: two neighbours are equal, where it has no derivative"
            )
    if any(plain(a) == plain(b) for a, b in itertools.pairwise(means)):
        raise unsupported("scipy.optimize.isotonic_regression: two blocks are equal, where it has no derivative")
    x = np.repeat(np.stack(means), np.diff(edges))
    return completed(result, "isotonic_regression", {"x": x, "weights": np.stack(sums), "blocks": result.blocks})


def quadratic_assignment(A: Any, B: Any, method: str = "faq", options: Any = None) -> Any:
    """``scipy.optimize.quadratic_assignment``: the assignment is an index, the objective carries derivatives."""
    A, B = as_traced(A), as_traced(B)
    result = original(scipy.optimize, "quadratic_assignment")(plain(A), plain(B), method, plain_tree(options))
    order = result.col_ind
    return completed(
        result,
        "scipy.optimize.quadratic_assignment",
        {"fun": np.sum(A * B[order][:, order]), "col_ind": order},
    )


_HANDLERS: dict[str, Function] = {
    "nnls": nnls, "lsq_linear": lsq_linear, "linprog": linprog, "isotonic_regression": isotonic_regression,
    "quadratic_assignment": quadratic_assignment, "milp": milp,
}  # fmt: skip
# Traced bounds are no traced arguments in the registry's eyes: these look for themselves.
replace(scipy.optimize, _HANDLERS)
not_differentiable(scipy.optimize, ["linear_sum_assignment"])
