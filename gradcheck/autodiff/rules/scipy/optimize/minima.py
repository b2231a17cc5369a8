"""Minima: minimize and minimize_scalar, their older forms, and the global optimisers.

A minimum is where the gradient of the Lagrangian f − λ·C vanishes and the active constraints C hold: the equation for
the implicit function theorem (``implicit.py``). Which bounds and inequalities are active is read off SciPy's solution
and its multipliers, and verified: a constraint that is active with a multiplier of zero makes the minimum non-smooth,
and is refused. Gradient and Hessian are those of our own core; the user's ``jac`` and ``hess`` serve SciPy's run
alone.

Source: A. Fiacco, *Introduction to Sensitivity and Stability Analysis in Nonlinear Programming*, Academic Press 1983,
ch. 3.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.optimize

from gradcheck.autodiff.closures import Callback, cutting, enough, stripped
from gradcheck.autodiff.core import any_active, plain, plain_tree, shape_of
from gradcheck.autodiff.errors import StoredValue, unsupported
from gradcheck.autodiff.jacobians import jacobian
from gradcheck.autodiff.rules.reductions import as_traced
from gradcheck.autodiff.rules.scipy.optimize.constraints import (
    Constraint,
    Constraints,
    bound_constraints,
    spread_limits,
    standard_bounds,
)
from gradcheck.autodiff.rules.scipy.optimize.implicit import completed, guarded, polish, steps, vector
from gradcheck.autodiff.rules.scipy.registry import original, replace
from gradcheck.autodiff.transforms import grad

Function = Callable[..., Any]
# A constraint within this of its bound may be active; within that it is at it.
_STRATEGY: Any = scipy.optimize.HessianUpdateStrategy
CANDIDATE, AT = 1e-4, 1e-9
# How far away f is called to make it forget what it has kept of the solution.
ASIDE = 1e-3


# -- the minimum -------------------------------------------------------------------------------------------------------


def minimum(f: Function, x0: Any, constraints: list[Constraint], name: str) -> Any:
    """The minimum of f under constraints next to SciPy's x0, of shape (n,), with its derivatives."""
    x0 = np.array(x0, dtype=float)
    if np.result_type(x0).kind == "c":
        raise unsupported(f"{name} of complex numbers")
    chosen, multipliers = _active_set(f, x0, constraints)
    n = x0.size

    def held(x: Any) -> Any:
        """The active constraints, less their bounds: zero at the solution."""
        values = [limit.subtracted(c.c(x))[index] for c, index, limit in chosen]
        return np.concatenate(values) if values else np.zeros(0)

    def F(z: Any) -> Any:
        if not multipliers.size:
            return grad(f)(z)
        x, m = z[:n], z[n:]
        slope = grad(lambda y: f(y) - np.dot(m, held(y)))(x)
        return np.concatenate([slope, held(x)])

    z, J = polish(F, np.concatenate([x0, multipliers]), name)
    if constraints:
        _verify(z[:n], z[n:], chosen, constraints, name)
    return steps(F, z, J)[:n] + (x0 - z[:n])


def _forgetful(f: Function) -> Function:
    """f, called elsewhere before each call: what keeps its last argument and value has those of another point then."""

    def called(x: Any) -> Any:
        there = np.array(plain_tree(x), dtype=float)
        with cutting():
            f(there + ASIDE * (1.0 + np.abs(there)))
        return f(x)

    return called


def _plain_values(constraints: list[Constraint], x: Any) -> list[tuple[Any, Any, Any]]:
    """Value, lower and upper limit of each constraint on plain numbers."""
    with cutting():
        found = []
        for c in constraints:
            value = np.array(plain(c.c(x)), dtype=float)
            low, high = (np.broadcast_to(plain(as_traced(limit)), value.shape) for limit in (c.lower, c.upper))
            found.append((value, np.array(low, dtype=float), np.array(high, dtype=float)))
        return found


def _active_set(f: Function, x: Any, constraints: list[Constraint]) -> tuple[list[Any], Any]:
    """The constraints that hold with equality, as (constraint, indices, limit), and their multipliers."""
    candidates = []
    rows, slacks, signs = [], [], []
    for c, (value, low, high) in zip(constraints, _plain_values(constraints, x), strict=True):
        scale = 1.0 + np.abs(value)
        # 0: an equality, 1: at the lower limit, -1: at the upper one
        near_low, near_high = value - low <= CANDIDATE * scale, high - value <= CANDIDATE * scale  # or violated
        sign = np.where(low == high, 0, np.where(near_low, 1, -1))
        index = np.flatnonzero((low == high) | near_low | near_high)
        if not index.size:
            continue
        with cutting():
            J = np.asarray(plain(jacobian(lambda y, c=c: c.c(y) * 1.0)(x)))
        rows.append(J[index])
        slacks.append(np.where(sign == 0, 0.0, np.maximum(np.minimum(value - low, high - value), 0.0))[index])
        signs.append(sign[index])
        candidates.append((c, index))
    if not candidates:
        return [], np.zeros(0)
    with cutting():
        slope = np.asarray(plain(grad(f)(x)))
    A, slack, sign = np.concatenate(rows), np.concatenate(slacks), np.concatenate(signs)
    keep = np.ones(len(A), dtype=bool)
    multipliers = np.zeros(len(A))
    for _ in range(len(A) + 1):
        multipliers[:] = 0.0
        multipliers[keep] = np.linalg.lstsq(A[keep].T, slope, rcond=None)[0]
        wrong = keep & (sign != 0) & (sign * multipliers <= slack)
        if not np.any(wrong):
            break
        worst = np.argmin(np.where(wrong, sign * multipliers - slack, np.inf))
        keep[worst] = False
    chosen, start = [], 0
    for c, index in candidates:
        part = slice(start, start + len(index))
        start += len(index)
        mine = index[keep[part]]
        if mine.size:
            upper = np.zeros(int(index.max()) + 1, dtype=bool)
            upper[index] = sign[part] < 0
            chosen.append((c, mine, _limit_of(c, mine, upper)))
    return chosen, multipliers[keep]


def _limit_of(c: Constraint, index: Any, upper: Any) -> Any:
    """The limits that are attained, in the place of all: zero elsewhere."""
    size = max(int(index.max()) + 1, *(int(np.size(plain(as_traced(e)))) for e in (c.lower, c.upper)))
    low, high = spread_limits(c.lower, c.upper, size) if size > 1 else (c.lower * np.ones(1), c.upper * np.ones(1))
    mask = np.zeros(size, dtype=bool)
    mask[: len(upper)] = upper[:size]
    # What is not attained may be infinite: it is not looked at, and must not make nan.
    low, high = (np.where(np.isfinite(plain(e)), e, 0.0) for e in (low, high))
    return _Attained(np.where(mask, high, low))


class _Attained:
    """Limits to be subtracted from the first elements of a constraint's values."""

    def __init__(self, limit: Any) -> None:
        self.limit = limit

    def subtracted(self, value: Any) -> Any:
        have, want = shape_of(self.limit)[0], shape_of(value)[0]
        return value - (self.limit if have == want else np.concatenate([self.limit, np.zeros(want - have)]))


def _verify(x: Any, multipliers: Any, chosen: list[Any], constraints: list[Constraint], name: str) -> None:
    """That each active inequality pushes, and each other one has room."""
    start = 0
    held: dict[int, Any] = {}
    for c, index, _ in chosen:
        held.setdefault(id(c), {}).update(zip(index.tolist(), multipliers[start : start + len(index)], strict=True))
        start += len(index)
    size = float(np.max(np.abs(multipliers), initial=0.0))
    for c, (value, low, high) in zip(constraints, _plain_values(constraints, x), strict=True):
        mine = held.get(id(c), {})
        for i in range(value.size):
            if low[i] == high[i]:
                continue
            room = min(value[i] - low[i], high[i] - value[i])
            scale = 1.0 + abs(value[i])
            if i in mine:
                push = mine[i] if abs(value[i] - low[i]) <= abs(high[i] - value[i]) else -mine[i]
                fine = push > 1e-8 * max(size, 1e-3) and abs(room) <= 1e-6 * scale
            else:
                fine = room > AT * scale
            if not fine:
                raise unsupported(
                    f"{name}: the minimum has no derivative, as a constraint is just about to become active",
                    "at such a point the derivatives to the two sides differ",
                )


# -- minimize ----------------------------------------------------------------------------------------------------------


def functional(fun: Function, args: Any, pair: bool = False) -> Function:
    """The objective as a function of x alone that returns one number; ``pair``: it returns its gradient, too."""

    def f(x: Any) -> Any:
        y = fun(x, *args)
        return vector(y[0] if pair else y)[0]

    return f


def as_tuple(args: Any) -> tuple[Any, ...]:
    return args if isinstance(args, tuple) else (args,)


def _finish(result: Any, x: Any, f: Function, name: str) -> Any:
    """An OptimizeResult with x, fun, and the gradient if it holds one."""
    followed = {"x": x, "fun": f(x) if np.ndim(result.fun) == 0 else np.reshape(f(x), np.shape(result.fun))}
    jac = result.get("jac")
    if isinstance(jac, np.ndarray) and jac.shape == shape_of(x) and jac.dtype.kind == "f":
        slope = grad(f)(x)
        followed["jac"] = slope + (jac - plain(slope))  # SciPy's may be a difference
    return completed(result, name, followed)


def minimize(
    fun: Function,
    x0: Any,
    args: Any = (),
    method: Any = None,
    jac: Any = None,
    hess: Any = None,
    hessp: Any = None,
    bounds: Any = None,
    constraints: Any = (),
    tol: Any = None,
    callback: Any = None,
    options: Any = None,
) -> Any:
    """``scipy.optimize.minimize``, all methods: x, fun and jac carry derivatives with respect to what the objective,
    the constraints and the bounds have captured; x0 has none. The other fields are guarded."""
    args = as_tuple(args)
    objective, limits = Callback(fun, args), Constraints(constraints)
    start = np.atleast_1d(plain(as_traced(x0)))
    result = original(scipy.optimize, "minimize")(
        objective,
        plain(as_traced(x0)),
        (),
        method,
        stripped(jac, args),
        hess if isinstance(hess, _STRATEGY) else stripped(hess, args),
        stripped(hessp, args),
        standard_bounds(bounds),
        limits.plain if limits.plain else (),
        tol,
        callback,
        plain_tree(options),
    )
    if enough(objective.active or limits.active or _traced_bounds(bounds)):
        return result
    f = functional(fun, args, pair=jac is True)
    name = "scipy.optimize.minimize"
    rules = bound_constraints(bounds, start.size) + limits.own
    try:
        return _finish(result, minimum(f, np.atleast_1d(result.x), rules, name), f, name)
    except StoredValue:  # fun and jac share what was computed last, as with SciPy's MemoizeJac: at this very point
        f = _forgetful(f)
        return _finish(result, minimum(f, np.atleast_1d(result.x), rules, name), f, name)


def _traced_bounds(bounds: Any) -> bool:
    if isinstance(bounds, scipy.optimize.Bounds):
        return any_active(list(getattr(bounds, "traced", (bounds.lb, bounds.ub))))
    return (isinstance(bounds, list | tuple) and any(any_active(list(b)) for b in bounds)) or any_active(bounds)


def minimize_scalar(
    fun: Function,
    bracket: Any = None,
    bounds: Any = None,
    args: Any = (),
    method: Any = None,
    tol: Any = None,
    options: Any = None,
) -> Any:
    """``scipy.optimize.minimize_scalar``: as :func:`minimize`, for one number."""
    args = as_tuple(args)
    objective = Callback(fun, args)
    result = original(scipy.optimize, "minimize_scalar")(
        objective, plain_tree(bracket), plain_tree(bounds), (), method, tol, plain_tree(options)
    )
    if enough(objective.active or any_active(list(bounds or ()))):
        return result
    f = _of_number(fun, args)
    x = minimum(f, np.atleast_1d(result.x), _interval(bounds), "scipy.optimize.minimize_scalar")
    out = {"x": np.reshape(x, np.shape(result.x)) if np.ndim(result.x) else x[0], "fun": f(x)}
    return completed(result, "scipy.optimize.minimize_scalar", out)


def _of_number(fun: Function, args: tuple[Any, ...]) -> Function:
    return lambda x: vector(fun(x[0], *args))[0]


def _interval(bounds: Any) -> list[Constraint]:
    """The bounds of a scalar minimisation. Brent's method never evaluates at them, so it stops just before."""
    return [] if bounds is None else [Constraint(lambda x: x, *(as_traced([b]) for b in bounds))]


# -- the older forms ---------------------------------------------------------------------------------------------------

_OBJECTIVES = ("func", "f", "fprime", "fhess", "fhess_p", "f_eqcons", "f_ieqcons", "fprime_eqcons", "fprime_ieqcons")


def _older(name: str) -> Function:
    """fmin and its kin: a tuple with x first, perhaps with the value of the objective second."""
    whole = f"scipy.optimize.{name}"

    def handler(*positional: Any, **keywords: Any) -> Any:
        run = original(scipy.optimize, name)
        given = inspect.signature(run).bind(*positional, **keywords).arguments
        extra = given.pop("args", ())
        args = as_tuple(extra)
        limits = _older_constraints(given, args)
        call = {k: v if k == "callback" else plain_tree(v) for k, v in given.items()}
        for k in _OBJECTIVES:
            if callable(call.get(k)):
                call[k] = Callback(call[k], args)
        fun = given["func" if "func" in given else "f"]
        objective = call["func" if "func" in given else "f"]
        call |= limits.plain[0] if limits.plain else {}
        result = run(**call)
        bounds = given.get("bounds", given.get("ranges"))
        if name == "brute":
            bounds = None
        edges = [given[k] for k in ("x1", "x2") if k in given]
        if enough(objective.active or limits.active or _traced_bounds(bounds) or any_active(edges)):
            return result
        parts = result if isinstance(result, tuple) else (result,)
        scalar = name in ("fminbound", "brent", "golden")
        x0 = np.atleast_1d(np.asarray(parts[0], dtype=float))
        pair = name in ("fmin_l_bfgs_b", "fmin_tnc") and given.get("fprime") is None and not given.get("approx_grad")
        f = _of_number(fun, args) if scalar else functional(fun, args, pair)
        rules = _interval(edges or None) + bound_constraints(bounds or None, x0.size) + limits.own
        x = minimum(f, x0, rules, whole)
        followed: list[Any] = [x[0] if np.ndim(parts[0]) == 0 else x]
        for place, part in enumerate(parts[1:], 1):
            if place == 1 and isinstance(part, float | np.ndarray) and np.ndim(part) == 0:
                followed.append(f(x))
            elif isinstance(part, dict):
                followed.append({key: guarded(v, f"{whole}: {key}") for key, v in part.items()})
            else:
                followed.append(guarded(part, f"{whole}: result {place}"))
        return tuple(followed) if isinstance(result, tuple) else followed[0]

    return handler


def _older_constraints(given: dict[str, Any], args: tuple[Any, ...]) -> Constraints:
    """The constraints of fmin_slsqp and fmin_cobyla; ``plain[0]``: their keywords for SciPy."""
    limits = Constraints(())
    new: dict[str, Any] = {}
    own = given.pop("consargs", None)
    extra = args if own is None else as_tuple(own)
    for key, upper in (("eqcons", 0.0), ("ieqcons", np.inf), ("cons", np.inf)):
        if key not in given:
            continue
        many = given.pop(key)
        many = list(many) if isinstance(many, list | tuple) else [many]
        extras = extra if key == "cons" else args
        new[key] = [limits.callback(c, extras) for c in many]
        limits.own += [Constraint(lambda x, c=c, e=extras: vector(c(x, *e)), 0.0, upper) for c in many]
    for key, upper in (("f_eqcons", 0.0), ("f_ieqcons", np.inf)):
        if given.get(key) is not None:
            c = given.pop(key)
            new[key] = limits.callback(c, args)
            limits.own.append(Constraint(lambda x, c=c: vector(c(x, *args)), 0.0, upper))
    limits.plain = [new] if new else []
    return limits


# -- global optimisers -------------------------------------------------------------------------------------------------


def _global(name: str) -> Function:
    """differential_evolution and its kin: an OptimizeResult whose x is a minimum of the objective."""
    whole = f"scipy.optimize.{name}"

    def handler(func: Function, *positional: Any, **keywords: Any) -> Any:
        run = original(scipy.optimize, name)
        given = inspect.signature(run).bind(func, *positional, **keywords).arguments
        inner = dict(given.get("minimizer_kwargs") or {})
        args = as_tuple(given.pop("args", inner.pop("args", ())))
        objective = Callback(func, args)
        limits = Constraints(given.get("constraints") or inner.get("constraints") or ())
        bounds = given.get("bounds", inner.get("bounds"))
        call = {k: v if callable(v) else plain_tree(v) for k, v in given.items()}
        call["func"] = objective
        if "bounds" in call:
            call["bounds"] = standard_bounds(given["bounds"])
        if limits.plain:
            (inner if "constraints" in inner else call)["constraints"] = limits.plain
        pair = inner.get("jac") is True
        for k in ("jac", "hess"):
            if k in inner:
                inner[k] = stripped(inner[k], args)
        if inner:
            if "bounds" in inner:
                inner["bounds"] = standard_bounds(inner["bounds"])
            call["minimizer_kwargs"] = inner
        result = run(**call)
        if enough(objective.active or limits.active or _traced_bounds(bounds)):
            return result
        if any_active(given.get("integrality")) or np.any(plain_tree(given.get("integrality", 0))):
            raise unsupported(f"{whole} with integrality and a traced objective", "minimise over the other variables")
        if given.get("vectorized"):
            f = functional(lambda x, *a: func(x[:, None], *a), args)
        else:
            f = functional(func, args, pair)
        x0 = np.atleast_1d(result.x)
        x = minimum(f, x0, bound_constraints(bounds, x0.size) + limits.own, whole)
        done = _finish(result, x, f, whole)
        if "lowest_optimization_result" in result:
            done["lowest_optimization_result"] = _finish(result["lowest_optimization_result"], x, f, whole)
        return done

    return handler


_HANDLERS: dict[str, Function] = {"minimize": minimize, "minimize_scalar": minimize_scalar}
for _name in (
    "fmin", "fmin_powell", "fmin_cg", "fmin_bfgs", "fmin_ncg", "fmin_l_bfgs_b", "fmin_tnc", "fmin_slsqp", "fmin_cobyla",
    "fminbound", "brent", "golden", "brute",
):  # fmt: skip
    _HANDLERS[_name] = _older(_name)
for _name in ("differential_evolution", "dual_annealing", "basinhopping", "shgo", "direct"):
    _HANDLERS[_name] = _global(_name)
replace(scipy.optimize, _HANDLERS, always=_HANDLERS)
