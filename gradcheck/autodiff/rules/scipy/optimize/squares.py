"""Least squares: least_squares, leastsq and curve_fit.

The solution is a minimum of the cost, with the full Hessian of it: not the Gauss-Newton matrix, which would be wrong
by the curvature of the residuals. Covariances are (JᵀJ)⁻¹ at the differentiated solution.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.optimize

from gradcheck.autodiff.closures import Callback, enough, stripped
from gradcheck.autodiff.core import any_active, plain, plain_tree, shape_of
from gradcheck.autodiff.errors import unsupported
from gradcheck.autodiff.jacobians import jacobian
from gradcheck.autodiff.rules.reductions import as_traced
from gradcheck.autodiff.rules.scipy.optimize.constraints import Constraint, standard_bounds
from gradcheck.autodiff.rules.scipy.optimize.implicit import Unfollowed, completed, guarded, vector
from gradcheck.autodiff.rules.scipy.optimize.minima import as_tuple, minimum
from gradcheck.autodiff.rules.scipy.registry import original, replace
from gradcheck.autodiff.transforms import grad

Function = Callable[..., Any]


def _huber(z: Any) -> Any:
    small = plain(z) <= 1
    return np.where(small, z, 2.0 * np.sqrt(np.where(small, 1.0, z)) - 1.0)


LOSSES: dict[str, Function] = {
    "linear": lambda z: z,
    "huber": _huber,
    "soft_l1": lambda z: 2.0 * (np.sqrt(1.0 + z) - 1.0),
    "cauchy": lambda z: np.log1p(z),
    "arctan": lambda z: np.arctan(z),
}


def _cost(residuals: Function, loss: Any, scale: Any) -> Function:
    """½ Σ C²ρ((r/C)²)."""

    def cost(x: Any) -> Any:
        z = (residuals(x) / scale) ** 2
        return 0.5 * scale**2 * np.sum(as_traced(loss(z))[0] if callable(loss) else LOSSES[loss](z))

    return cost


def _bounds(bounds: Any, n: int) -> list[Constraint]:
    low, high = (
        getattr(bounds, "traced", (bounds.lb, bounds.ub)) if isinstance(bounds, scipy.optimize.Bounds) else bounds
    )
    low, high = as_traced(low) * np.ones(n), as_traced(high) * np.ones(n)
    if not np.any(np.isfinite(plain(low))) and not np.any(np.isfinite(plain(high))):
        return []
    return [Constraint(lambda x: x, low, high)]


def _bounds_active(bounds: Any) -> bool:
    if isinstance(bounds, scipy.optimize.Bounds):
        return any_active(list(getattr(bounds, "traced", (bounds.lb, bounds.ub))))
    return any_active(list(bounds))


def _plain_bounds(bounds: Any) -> Any:
    return (
        standard_bounds(bounds)
        if isinstance(bounds, scipy.optimize.Bounds)
        else tuple(plain_tree(as_traced(b)) for b in bounds)
    )


def shifted(value: Any, own: Any) -> Any:
    """A traced value with SciPy's own number, which may have come about by differences."""
    return value + (own - plain(value))


def least_squares(
    fun: Function,
    x0: Any,
    jac: Any = "2-point",
    bounds: Any = (-np.inf, np.inf),
    *rest: Any,
    loss: Any = "linear",
    f_scale: Any = 1.0,
    args: Any = (),
    kwargs: Any = None,
    **options: Any,
) -> Any:
    """``scipy.optimize.least_squares``: x, fun, cost, grad and (for the linear loss) jac carry derivatives; the rest is
    guarded."""
    names = ("method", "ftol", "xtol", "gtol", "x_scale", "loss", "f_scale", "diff_step", "tr_solver", "tr_options",
             "jac_sparsity", "max_nfev", "verbose", "args", "kwargs", "callback", "workers")  # fmt: skip
    given = {"loss": loss, "f_scale": f_scale, "args": args, "kwargs": kwargs, **options}
    given |= dict(zip(names, rest, strict=False))
    loss, f_scale = given.pop("loss"), given.pop("f_scale")
    args, kwargs = as_tuple(given.pop("args")), given.pop("kwargs") or {}

    def residuals(x: Any) -> Any:
        return vector(fun(x, *args, **kwargs))

    system = Callback(lambda x: fun(x, *args, **kwargs))
    own_loss = stripped(loss)
    settings = {k: v if k == "callback" else plain_tree(v) for k, v in given.items()}
    result = original(scipy.optimize, "least_squares")(
        system,
        plain(as_traced(x0)),
        Callback(lambda x, *_: jac(x, *args, **kwargs)) if callable(jac) else jac,
        _plain_bounds(bounds),
        loss=own_loss,
        f_scale=plain(f_scale),
        **settings,
    )
    moving = system.active or _bounds_active(bounds) or any_active(f_scale) or getattr(own_loss, "active", False)
    if enough(moving):
        return result
    name = "scipy.optimize.least_squares"
    cost = _cost(residuals, loss, f_scale)
    x = minimum(cost, np.atleast_1d(result.x), _bounds(bounds, np.size(result.x)), name)
    followed = {"x": x, "fun": residuals(x), "cost": cost(x), "grad": shifted(grad(cost)(x), result.grad)}
    if not callable(loss) and loss == "linear" and isinstance(result.jac, np.ndarray):
        followed["jac"] = shifted(jacobian(residuals)(x), result.jac)
    return completed(result, name, followed)


def leastsq(
    func: Function, x0: Any, args: Any = (), Dfun: Any = None, full_output: Any = False, *rest: Any, **options: Any
) -> Any:
    """``scipy.optimize.leastsq``: x, cov_x and infodict["fvec"] carry derivatives."""
    args = as_tuple(args)
    system = Callback(func, args)
    result = original(scipy.optimize, "leastsq")(
        system, plain(as_traced(x0)), (), stripped(Dfun, args), full_output, *rest, **plain_tree(options)
    )
    if enough(system.active):
        return result
    name = "scipy.optimize.leastsq"
    if result[-1] not in (1, 2, 3, 4):
        raise unsupported(f"{name} did not converge")

    def residuals(x: Any) -> Any:
        return vector(func(x, *args))

    x = minimum(_cost(residuals, "linear", 1.0), np.atleast_1d(result[0]), [], name)
    if not full_output:
        return (x, *result[1:])
    cov = None if result[1] is None else shifted(_covariance(residuals, x), result[1])
    info = {k: guarded(v, f"{name}: {k}") for k, v in result[2].items()}
    return (x, cov, {**info, "fvec": residuals(x)}, *result[3:])


def _covariance(residuals: Function, x: Any) -> Any:
    J = jacobian(residuals)(x)
    return np.linalg.inv(np.matmul(np.transpose(J), J))


def curve_fit(
    f: Function,
    xdata: Any,
    ydata: Any,
    p0: Any = None,
    sigma: Any = None,
    absolute_sigma: bool = False,
    check_finite: Any = None,
    bounds: Any = (-np.inf, np.inf),
    method: Any = None,
    jac: Any = None,
    *,
    full_output: bool = False,
    nan_policy: Any = None,
    **kwargs: Any,
) -> Any:
    """``scipy.optimize.curve_fit``: popt and pcov carry derivatives with respect to xdata, ydata, sigma, the bounds
    and what f has captured; p0 has none."""
    model = Callback(f)
    ydata, sigma = as_traced(ydata), as_traced(sigma)
    xdata = as_traced(xdata)
    result = original(scipy.optimize, "curve_fit")(
        model,
        plain(xdata),
        plain(ydata),
        plain_tree(as_traced(p0)),
        plain(sigma),
        absolute_sigma,
        check_finite,
        _plain_bounds(bounds),
        method,
        stripped(jac),
        full_output=full_output,
        nan_policy=nan_policy,
        **{k: stripped(v) for k, v in kwargs.items()},
    )
    if enough(model.active or any_active([xdata, ydata, sigma]) or _bounds_active(bounds)):
        return result
    if nan_policy == "omit":
        raise unsupported(
            "scipy.optimize.curve_fit with nan_policy='omit' of traced values", "leave out the nan yourself"
        )
    if kwargs.get("loss", "linear") != "linear":
        raise unsupported("scipy.optimize.curve_fit with a loss function", "use least_squares")
    popt, pcov = result[0], result[1]
    whiten = _whitening(sigma, shape_of(ydata))

    def residuals(p: Any) -> Any:
        return vector(whiten(as_traced(f(xdata, *(p[i] for i in range(len(popt))))) - ydata))

    name = "scipy.optimize.curve_fit"
    x = minimum(_cost(residuals, "linear", 1.0), popt, _bounds(bounds, len(popt)), name)
    if not np.all(np.isfinite(pcov)):
        cov: Any = Unfollowed(pcov, f"{name}: pcov")
    else:
        cov = _covariance(residuals, x)
        if not absolute_sigma:
            r = residuals(x)
            cov = cov * np.sum(r * r) / (shape_of(r)[0] - len(popt))
        cov = shifted(cov, pcov)
    rest = [*result[2:]]
    if rest:
        rest[0] = {k: guarded(v, f"{name}: {k}") for k, v in rest[0].items()} | {"fvec": residuals(x)}
    return (x, cov, *rest)


def _whitening(sigma: Any, shape: tuple[int, ...]) -> Function:
    """What makes residuals of unit variance: 1/σ, or L⁻¹ where σ = L·Lᵀ is a covariance matrix."""
    if sigma is None:
        return lambda r: r
    if len(shape_of(sigma)) < 2 or shape == (1,):
        return lambda r: r / sigma
    low = np.linalg.cholesky(sigma)
    return lambda r: np.linalg.solve(low, r)


_HANDLERS: dict[str, Function] = {"least_squares": least_squares, "leastsq": leastsq, "curve_fit": curve_fit}
replace(scipy.optimize, _HANDLERS, always=_HANDLERS)
