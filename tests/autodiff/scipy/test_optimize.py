"""scipy.optimize from plain imports: values, both modes, second order, against differences; refusals by name."""

from __future__ import annotations

import importlib
import inspect
import math
from typing import Any

import numpy as np
import pytest
import scipy.optimize
import scipy.optimize.elementwise
from scipy import optimize
from scipy.optimize import brentq, curve_fit, fsolve, least_squares, linprog, minimize, minimize_scalar, newton, root

from gradcheck.autodiff import AutodiffError, grad, hessian, jacobian, jvp
from tests.autodiff.checking import Case, Table, verify

T = Table()
P = np.array([0.7, 1.3])


# One engine serves them all (the implicit function theorem): second derivatives are tested where it differs.
ONCE = (
    *(
        "brenth",
        "bisect",
        "ridder",
        "toms748",
        "root_scalar",
        "fmin",
        "fmin_cg",
        "fmin_bfgs",
        "fmin_ncg",
        "fmin_powell",
    ),
    *("brute", "shgo", "dual_annealing", "differential_evolution", "basinhopping", "fmin_l_bfgs_b", "fmin_slsqp"),
    "leastsq",
)


def add(name: str, f: Any, *args: Any, **options: Any) -> None:
    if name in ONCE:
        options["second"] = False
    T.add(getattr(scipy.optimize, name), f, *(args or (P,)), **{"single": False, "rtol": 1e-6, **options})


# -- roots -------------------------------------------------------------------------------------------------------------


def cubic(x: Any, a: Any, b: Any) -> Any:
    return x**3 - a * x - b


def slope(x: Any, a: Any, b: Any) -> Any:
    return 3 * x**2 - a


for name in ("brentq", "brenth", "bisect", "ridder", "toms748"):
    add(name, lambda p, n=name: getattr(scipy.optimize, n)(lambda x: cubic(x, *p), 0, 3))
add("brentq", lambda a, b: brentq(cubic, 0, 3, args=(a, b)), 0.7, 1.3)
add("brentq", lambda a, b: brentq(cubic, 0, 3, args=(a, b), full_output=True)[1].root, 0.7, 1.3)
add("newton", lambda p: newton(lambda x: cubic(x, *p), 1.5, tol=1e-14))
add("newton", lambda a, b: newton(cubic, 1.5, slope, (a, b), full_output=True)[0], 0.7, 1.3)
add("newton", lambda p: newton(lambda x: x**3 - np.array([1.0, 2.0]) * p, np.array([1.0, 1.0]), tol=1e-14))
add("newton", lambda p: np.imag(newton(lambda x: x**2 + p[0] + p[1] * x, 0.1 + 1j, tol=1e-14)))
for method in ("brentq", "newton", "halley", "secant", "toms748"):
    add(
        "root_scalar",
        lambda a, b, m=method: (
            optimize.root_scalar(
                cubic,
                args=(a, b),
                method=m,
                bracket=[0, 3],
                x0=1.5,
                x1=1.6,
                fprime=slope,
                fprime2=lambda x, a, b: 6 * x,
                xtol=1e-14,
            ).root
        ),
        0.7,
        1.3,
    )
add("root_scalar", lambda p: optimize.root_scalar(lambda x: (cubic(x, *p), slope(x, *p)), fprime=True, x0=1.5).root)
add("fixed_point", lambda p: optimize.fixed_point(lambda x: p[1] * np.cos(p[0] * x), 0.5, xtol=1e-14))
add(
    "fixed_point",
    lambda a: optimize.fixed_point(lambda x, c: np.sqrt(c + x), np.array([1.2, 1.3]), args=(a,), xtol=1e-14),
    np.array([0.4, 0.9]),
)


def system(x: Any, p: Any) -> Any:
    return np.array([x[0] ** 2 + x[1] - p[0], x[1] - p[1] * x[0]])


def system_jac(x: Any, p: Any) -> Any:
    return np.array([[2 * x[0], 1.0], [-p[1], 1.0]])


add("fsolve", lambda p: fsolve(lambda x: [x[0] ** 2 + x[1] - p[0], x[1] - p[1] * x[0]], [1.0, 1.0], xtol=1e-13))
add("fsolve", lambda p: fsolve(system, [1.0, 1.0], args=(p,), fprime=system_jac, xtol=1e-13, full_output=True)[0])
for method in ("hybr", "lm", "broyden1", "krylov"):
    good = method in ("hybr", "lm")
    add(
        "root",
        lambda p, m=method, g=good: (
            root(
                lambda x: system(x, p),
                [0.35, 0.5],
                method=m,
                tol=1e-13 if g else 1e-9,
                jac=(lambda x: system_jac(x, p)) if g else None,
            ).x
        ),
        rtol=1e-5 if good else 1e-4,
        second=good,
    )
add("root", lambda p: root(lambda x: (system(x, p), system_jac(x, p)), [0.35, 0.5], jac=True, tol=1e-13).x)


def mild(x: Any, p: Any) -> Any:
    """A system that even the simplest of these methods solve."""
    return x - 0.2 * np.sin(p * x[::-1]) - p


SMALL = np.array([0.6, 1.2])
add("broyden1", lambda p: optimize.broyden1(lambda x: mild(x, p), SMALL, f_tol=1e-12), second=False, rtol=1e-5)
add("broyden2", lambda p: optimize.broyden2(lambda x: mild(x, p), SMALL, f_tol=1e-12), second=False, rtol=1e-5)
add(
    "anderson",
    lambda p: optimize.anderson(lambda x: -mild(x, p), SMALL, f_tol=1e-10, alpha=0.7),
    second=False,
    rtol=1e-4,
)
add("diagbroyden", lambda p: optimize.diagbroyden(lambda x: mild(x, p), SMALL, f_tol=1e-12), second=False, rtol=1e-5)
add(
    "newton_krylov", lambda p: optimize.newton_krylov(lambda x: mild(x, p), SMALL, f_tol=1e-12), second=False, rtol=1e-5
)
add(
    "linearmixing",
    lambda p: optimize.linearmixing(lambda x: -mild(x, p), SMALL, f_tol=1e-10, alpha=0.7),
    second=False,
    rtol=1e-4,
)
add(
    "excitingmixing",
    lambda p: optimize.excitingmixing(lambda x: -mild(x, p), SMALL, f_tol=1e-10, alpha=0.7),
    second=False,
    rtol=1e-4,
)
for method in ("broyden2", "diagbroyden"):
    add(
        "root",
        lambda p, m=method: root(lambda x: mild(x, p), SMALL, method=m, options={"ftol": 1e-12}).x,
        second=False,
        rtol=1e-5,
    )

# -- minima ------------------------------------------------------------------------------------------------------------


def bowl(x: Any, p: Any) -> Any:
    return (x[0] - p[0]) ** 4 + (x[0] - p[0]) ** 2 + (x[1] - p[0] * p[1]) ** 2 + 0.3 * x[0] * x[1]


def bowl_jac(x: Any, p: Any) -> Any:
    u = x[0] - p[0]
    return np.array([4 * u**3 + 2 * u + 0.3 * x[1], 2 * (x[1] - p[0] * p[1]) + 0.3 * x[0]])


def bowl_hess(x: Any, p: Any) -> Any:
    return np.array([[12 * (x[0] - p[0]) ** 2 + 2, 0.3], [0.3, 2.0]])


START = [0.2, 0.3]
METHODS: dict[str, dict[str, Any]] = {
    "Nelder-Mead": {"options": {"xatol": 1e-11, "fatol": 1e-15}},
    "Powell": {"options": {"xtol": 1e-11, "ftol": 1e-15}},
    "CG": {"jac": bowl_jac, "tol": 1e-11},
    "BFGS": {"jac": bowl_jac, "tol": 1e-11},
    "Newton-CG": {"jac": bowl_jac, "hess": bowl_hess, "tol": 1e-12},
    "L-BFGS-B": {"jac": bowl_jac, "options": {"gtol": 1e-11, "ftol": 1e-16}},
    "TNC": {"jac": bowl_jac, "options": {"gtol": 1e-12, "ftol": 1e-16, "xtol": 1e-14}},
    "COBYLA": {"tol": 1e-9},
    "SLSQP": {"jac": bowl_jac, "tol": 1e-16},
    "trust-constr": {"jac": bowl_jac, "hess": bowl_hess, "tol": 1e-12},
    "dogleg": {"jac": bowl_jac, "hess": bowl_hess, "options": {"gtol": 1e-12}},
    "trust-ncg": {"jac": bowl_jac, "hess": bowl_hess, "options": {"gtol": 1e-12}},
    "trust-exact": {"jac": bowl_jac, "hess": bowl_hess, "options": {"gtol": 1e-12}},
    "trust-krylov": {"jac": bowl_jac, "hessp": lambda x, v, p: bowl_hess(x, p) @ v, "options": {"gtol": 1e-11}},
}
for method, options in METHODS.items():
    loose = method in ("Nelder-Mead", "Powell", "COBYLA", "TNC", "SLSQP")
    add(
        "minimize",
        lambda p, m=method, o=options: minimize(bowl, START, args=(p,), method=m, **o).x,
        rtol=3e-3 if loose else 1e-5,
        second=method == "trust-exact",
    )
EXACT = METHODS["trust-exact"]
add("minimize", lambda p: minimize(lambda x: bowl(x, p), START, jac=lambda x: bowl_jac(x, p), tol=1e-11).fun)
add(
    "minimize",
    lambda p: minimize(lambda x: (bowl(x, p), bowl_jac(x, p)), START, jac=True, tol=1e-11).x,
    rtol=1e-5,
    second=False,
)
add(
    "minimize",
    lambda a: minimize(lambda x: np.cosh(x - a), 0.3, jac=lambda x: np.sinh(x - a), tol=1e-12).x,
    0.9,
    rtol=1e-5,
)
for bounds in ([(0, 0.2), (None, None)], optimize.Bounds([0, -5], [0.2, 5])):
    add(
        "minimize",
        lambda p, b=bounds: (
            minimize(bowl, START, (p,), "L-BFGS-B", bowl_jac, bounds=b, options=METHODS["L-BFGS-B"]["options"]).x
        ),
        rtol=1e-5,
    )
add(
    "minimize",
    lambda p: (
        minimize(
            bowl,
            [0.0, 0.3],
            (P,),
            "L-BFGS-B",
            bowl_jac,
            bounds=[(0, 0.2 * p[0]), (None, None)],
            options={"gtol": 1e-11, "ftol": 1e-16},
        ).x
    ),
    rtol=1e-5,
)
add(
    "minimize",
    lambda p: (
        minimize(
            bowl, [0.0, 0.3], (P,), "SLSQP", bowl_jac, bounds=optimize.Bounds([0, -1], [0.2 * p[0], p[1]]), tol=1e-16
        ).x
    ),
    rtol=1e-5,
)
add(
    "minimize",
    lambda p: minimize(bowl, [0.0, 0.3], (P,), "SLSQP", bowl_jac, bounds=[(0, 0.2 * p[0]), (0, 4)], tol=1e-16).jac,
    rtol=1e-5,
    second=False,
)
SQP = {"method": "SLSQP", "tol": 1e-16}


def limit(x: Any, p: Any) -> Any:
    return 0.3 * p[0] - x[0] - x[1] ** 2


def limit_jac(x: Any, p: Any) -> Any:
    return np.array([-1.0, -2 * x[1]])


CONSTRAINED: list[Any] = [
    lambda p: [{"type": "eq", "fun": lambda x: x[0] + x[1] * p[0] - p[1], "jac": lambda x: np.array([1.0, p[0]])}],
    lambda p: {"type": "ineq", "fun": limit, "jac": limit_jac, "args": (p,)},
    lambda p: optimize.LinearConstraint([[1.0, 1.0]], -np.inf, 0.3 * p[0]),
    lambda p: optimize.LinearConstraint(np.array([[p[0], 1.0]]), 2.0, 2.0),
    lambda p: optimize.NonlinearConstraint(
        lambda x: x[0] + x[1] ** 2, -np.inf, 0.3 * p[0], jac=lambda x: np.array([[1.0, 2 * x[1]]])
    ),
    lambda p: optimize.NonlinearConstraint(lambda x: limit(x, p), 0, np.inf, jac=lambda x: limit_jac(x, p)),
    lambda p: [{"type": "ineq", "fun": lambda x: 5.0 - x[0] * p[0], "jac": lambda x: np.array([-p[0], 0.0])}],
]
for constraint in CONSTRAINED:
    add(
        "minimize",
        lambda p, c=constraint: minimize(bowl, START, (p,), jac=bowl_jac, constraints=c(p), **SQP).x,
        rtol=1e-5,
    )
add("minimize", lambda p: minimize(bowl, START, (p,), jac=bowl_jac, constraints=CONSTRAINED[0](p), **SQP).fun)
add(
    "minimize",
    lambda p: (
        minimize(bowl, START, (p,), "trust-constr", bowl_jac, bowl_hess, constraints=CONSTRAINED[3](p), tol=1e-12).x
    ),
    rtol=1e-4,
    second=False,
)


def hill(x: Any, p: Any) -> Any:
    return (x - p[0]) ** 2 + np.exp(p[1] * x)


for kw in ({}, {"bracket": (-1, 1)}, {"method": "golden"}, {"bounds": (-3, 3), "method": "bounded"}):
    add("minimize_scalar", lambda p, kw=kw: minimize_scalar(hill, args=(p,), **kw).fun)
    add("minimize_scalar", lambda p, kw=kw: minimize_scalar(hill, args=(p,), **kw).x, rtol=5e-2, second=False)
add(
    "minimize_scalar",
    lambda p: minimize_scalar(lambda x: hill(x, P), bounds=(p[0], 3), method="bounded", options={"xatol": 1e-10}).x,
    rtol=1e-4,
)
add("fminbound", lambda p: hill(optimize.fminbound(lambda x: hill(x, p), -3, 3), p))
for name in ("brent", "golden"):
    add(name, lambda p, n=name: getattr(scipy.optimize, n)(hill, args=(p,), full_output=True)[1])
QUIET = {"disp": 0}
add("fmin", lambda p: optimize.fmin(bowl, START, (p,), full_output=True, **QUIET)[1], rtol=1e-4)
add("fmin", lambda p: optimize.fmin(bowl, START, (p,), 1e-11, 1e-15, **QUIET), rtol=3e-3, second=False)
add("fmin_powell", lambda p: optimize.fmin_powell(lambda x: bowl(x, p), START, full_output=True, **QUIET)[1], rtol=1e-3)
add("fmin_cg", lambda p: optimize.fmin_cg(bowl, START, bowl_jac, (p,), 1e-11, **QUIET), rtol=1e-5)
add(
    "fmin_bfgs",
    lambda p: optimize.fmin_bfgs(bowl, START, bowl_jac, (p,), 1e-11, full_output=True, **QUIET)[0],
    rtol=1e-5,
)
add(
    "fmin_ncg",
    lambda p: optimize.fmin_ncg(bowl, START, bowl_jac, fhess=bowl_hess, args=(p,), avextol=1e-12, **QUIET),
    rtol=1e-5,
)
add(
    "fmin_l_bfgs_b",
    lambda p: optimize.fmin_l_bfgs_b(
        bowl, START, bowl_jac, (p,), bounds=[(0, 0.2), (None, None)], pgtol=1e-11, factr=1
    )[0],
    rtol=1e-5,
)
add(
    "fmin_l_bfgs_b",
    lambda p: optimize.fmin_l_bfgs_b(lambda x: (bowl(x, p), bowl_jac(x, p)), START, pgtol=1e-11, factr=1)[1],
    rtol=1e-5,
)
add(
    "fmin_tnc",
    lambda p: optimize.fmin_tnc(bowl, START, bowl_jac, (p,), pgtol=1e-12, ftol=1e-16, xtol=1e-14, messages=0)[0],
    rtol=1e-4,
    second=False,
)
add(
    "fmin_slsqp",
    lambda p: optimize.fmin_slsqp(
        bowl, START, eqcons=[lambda x, p: x[0] + x[1] - p[1]], fprime=bowl_jac, args=(p,), iprint=0, acc=1e-16
    ),
    rtol=1e-5,
)
add(
    "fmin_slsqp",
    lambda p: optimize.fmin_slsqp(
        bowl,
        START,
        f_ieqcons=lambda x, p: [limit(x, p)],
        fprime=bowl_jac,
        args=(p,),
        iprint=0,
        acc=1e-16,
        full_output=True,
    )[0],
    rtol=1e-4,
    second=False,
)
add(
    "fmin_cobyla",
    lambda p: bowl(optimize.fmin_cobyla(lambda x: bowl(x, p), START, [lambda x: 9.0 - x[0]], rhoend=1e-8), p),
    rtol=1e-3,
    second=False,
)
BOX = [(-2.0, 2.0), (-2.0, 2.0)]
SEED = {"rng" if "rng" in inspect.signature(optimize.differential_evolution).parameters else "seed": 1}
add("brute", lambda p: optimize.brute(bowl, BOX, args=(p,), Ns=5, full_output=True)[1], rtol=1e-3)
add("differential_evolution", lambda p: optimize.differential_evolution(bowl, BOX, (p,), maxiter=5, **SEED).fun)
add(
    "differential_evolution",
    lambda p: optimize.differential_evolution(
        lambda x: bowl(x, p), optimize.Bounds([-2, -2], [0.3 * p[0], 2]), maxiter=5, **SEED
    ).x[0],
)
add(
    "differential_evolution",
    lambda p: (
        optimize.differential_evolution(
            lambda x: bowl(x, p), BOX, maxiter=5, vectorized=True, updating="deferred", **SEED
        ).fun
    ),
    second=False,
)
add("dual_annealing", lambda p: optimize.dual_annealing(bowl, BOX, (p,), maxiter=5, **SEED).fun)
add(
    "basinhopping",
    lambda p: (
        optimize.basinhopping(bowl, START, 1, minimizer_kwargs={"args": (p,), "jac": bowl_jac, "tol": 1e-11}, **SEED).x
    ),
    rtol=1e-5,
)
add(
    "basinhopping",
    lambda p: optimize.basinhopping(lambda x: bowl(x, p), START, 1, **SEED).lowest_optimization_result.fun,
)
add("shgo", lambda p: optimize.shgo(bowl, BOX, (p,), n=16).fun)
add("direct", lambda p: optimize.direct(bowl, BOX, args=(p,)).fun, rtol=1e-3, second=False)

# -- least squares -----------------------------------------------------------------------------------------------------


def residuals(x: Any, p: Any) -> Any:
    return np.array([x[0] - p[0], x[1] ** 2 - p[1], x[0] * x[1] - 1.0])


def residuals_jac(x: Any, p: Any) -> Any:
    return np.array([[1.0, 0.0], [0.0, 2 * x[1]], [x[1], x[0]]])


FINE = {"xtol": 1e-15, "ftol": 1e-15, "gtol": 1e-15}
LSQ: dict[str, Any] = {"jac": residuals_jac, **FINE}
for method in ("trf", "dogbox", "lm"):
    add(
        "least_squares",
        lambda p, m=method: least_squares(residuals, [1.0, 1.0], method=m, args=(p,), **LSQ).x,
        rtol=1e-5,
        second=method == "trf",
    )
for loss in ("huber", "soft_l1", "cauchy", "arctan"):
    add(
        "least_squares",
        lambda p, k=loss: (
            least_squares(
                lambda x: residuals(x, p), [1.0, 1.0], loss=k, f_scale=0.3, jac=lambda x: residuals_jac(x, p), **FINE
            ).cost
        ),
        rtol=1e-5,
        second=False,
    )
add(
    "least_squares",
    lambda p: (
        least_squares(
            residuals,
            [1.0, 1.0],
            kwargs={"p": p},
            loss=lambda z: np.stack([np.log1p(z), 1 / (1 + z), -1 / (1 + z) ** 2]),
            **LSQ,
        ).x
    ),
    rtol=1e-5,
    second=False,
)
add(
    "least_squares",
    lambda p: least_squares(residuals, [0.1, 1.0], bounds=([0, 0], [0.5 * p[0], 4]), args=(p,), **LSQ).x,
    rtol=1e-4,
    second=False,
)
for field in ("fun", "jac", "cost"):
    add(
        "least_squares",
        lambda p, k=field: least_squares(residuals, [1.0, 1.0], args=(p,), **LSQ)[k],
        rtol=1e-4,
        second=False,
    )
LM = {"xtol": 1e-15, "ftol": 1e-15}
add("leastsq", lambda p: optimize.leastsq(residuals, [1.0, 1.0], args=(p,), Dfun=residuals_jac, **LM)[0], rtol=1e-5)
add(
    "leastsq",
    lambda p: optimize.leastsq(residuals, [1.0, 1.0], (p,), residuals_jac, True, **LM)[1],
    rtol=1e-4,
    second=False,
)
add(
    "leastsq",
    lambda p: optimize.leastsq(residuals, [1.0, 1.0], (p,), residuals_jac, True, **LM)[2]["fvec"],
    rtol=1e-4,
    second=False,
)
XS = np.linspace(0, 2, 7)
DATA = np.exp(-XS) + 0.1 * np.sin(5 * XS)


def decay(x: Any, a: Any, b: Any) -> Any:
    return a * np.exp(-b * x)


def decay_jac(x: Any, a: Any, b: Any) -> Any:
    return np.stack([np.exp(-b * x), -a * x * np.exp(-b * x)], axis=1)


FIT: dict[str, Any] = {"jac": decay_jac, **LM}
COV = np.diag(0.5 + XS) + 0.1
for k in (0, 1):
    add("curve_fit", lambda y, k=k: curve_fit(decay, XS, y, **FIT)[k], DATA, rtol=1e-3, second=k == 0)
    add("curve_fit", lambda x, k=k: curve_fit(decay, x, DATA, **FIT)[k], XS, rtol=1e-3, second=False)
    add(
        "curve_fit",
        lambda s, k=k: curve_fit(decay, XS, DATA, sigma=s, absolute_sigma=True, **FIT)[k],
        1 + XS,
        rtol=2e-3,
        second=False,
    )
    add(
        "curve_fit",
        lambda c, k=k: curve_fit(decay, XS, DATA, [1.0, 1.0], sigma=COV * c, absolute_sigma=True, **FIT)[k],
        1.5,
        rtol=1e-4,
        second=False,
    )
    add(
        "curve_fit",
        lambda c, k=k: curve_fit(
            lambda x, a, b: a * np.exp(-b * x) + c, XS, DATA, bounds=([0, 0], [5, 9]), jac=decay_jac, **FINE
        )[k],
        0.1,
        rtol=1e-4,
        second=False,
    )
add("curve_fit", lambda y: curve_fit(decay, XS, y, full_output=True, **FIT)[2]["fvec"], DATA, rtol=1e-4, second=False)

# -- programs ----------------------------------------------------------------------------------------------------------

A, B = np.array([[1, 2, 0.0], [0, 1, 1], [1, 0.5, 3], [2, 0, 1]]), np.array([0.7, 1, 0.3, -1])
add("nnls", lambda a, b: optimize.nnls(a, b)[0], A, B)
add("nnls", lambda a, b: optimize.nnls(a, b)[1], A, B)
for method in ("bvls", "trf"):
    add(
        "lsq_linear",
        lambda a, b, m=method: optimize.lsq_linear(a, b, bounds=([-0.1, -1, -1], 1.0), method=m, tol=1e-14).x,
        A,
        B,
        rtol=1e-5,
        second=False,
    )
add("lsq_linear", lambda a, b: optimize.lsq_linear(a, b, method="bvls").cost, A, B)
add(
    "lsq_linear",
    lambda c: optimize.lsq_linear(A, B, bounds=optimize.Bounds([c, -1, -1], [1, 1, 1]), method="bvls").x,
    -0.1,
)
C, UB, LIMIT = np.array([-1.7, -1.3]), np.array([[1.0, 2.0], [3.0, 0.7]]), np.array([4.0, 6.5])
for field in ("x", "fun"):
    add("linprog", lambda c, a, b, k=field: linprog(c, a, b)[k], C, UB, LIMIT)
for field in ("ineqlin", "lower"):
    add("linprog", lambda c, a, b, k=field: linprog(c, a, b)[k].marginals, C, UB, LIMIT)
add("linprog", lambda p: linprog([-1, -p[1]], [[1, 2]], [4 * p[0]], bounds=[(0, None), (0, 0.5 * p[0])]).x)
add("linprog", lambda p: linprog([1, p[1], 3], A_eq=[[1, 1, p[0]]], b_eq=[2 * p[1]], bounds=(0.1, None)).x)
add(
    "linprog", lambda p: linprog([1, p[1], 3], A_eq=[[1, 1, p[0]]], b_eq=[2 * p[1]], bounds=(0.1, None)).eqlin.marginals
)
add("linprog", lambda p: linprog([-1, -p[1]], [[1, 2]], [4 + p[0]], bounds=(0, 3), integrality=[1, 0]).x)
add(
    "milp",
    lambda p: (
        optimize.milp(
            [-1, -p[1]],
            integrality=[1, 0],
            bounds=optimize.Bounds([0, 0], [3, 10]),
            constraints=optimize.LinearConstraint([[1, 2]], -np.inf, 4 + p[0]),
        ).x
    ),
)
add("milp", lambda p: optimize.milp([1, 2], bounds=optimize.Bounds([p[0], p[1]], [3, 10])).x)
add(
    "isotonic_regression",
    lambda y, w: optimize.isotonic_regression(y, weights=w).x,
    np.array([0.7, 1.3, 0.2, 1.9, 1.4]),
    np.array([1.0, 2.0, 0.5, 1.5, 1.0]),
)
add(
    "isotonic_regression",
    lambda y: optimize.isotonic_regression(y, increasing=False).x,
    np.array([0.7, 1.3, 0.2, 1.9, 1.4]),
)
add("quadratic_assignment", lambda a, b: optimize.quadratic_assignment(a, b).fun, A[:3] + 0.1, A[1:] * 0.7)
add("linear_sum_assignment", lambda a: np.sum(a[optimize.linear_sum_assignment(a)]), A)

# -- the rest ----------------------------------------------------------------------------------------------------------

Z = np.array([0.4, -0.8, 1.1])
add("rosen", lambda x: scipy.optimize.rosen(x), Z)
add("rosen_der", lambda x: optimize.rosen_der(x), Z)
add("rosen_hess", lambda x: optimize.rosen_hess(x), Z)
add("rosen", lambda x: optimize.rosen(x), np.outer(Z, [1.0, 0.5]))
add("rosen_hess_prod", lambda x, v: optimize.rosen_hess_prod(x, v), Z, Z[::-1].copy())
add(
    "approx_fprime",
    lambda x: optimize.approx_fprime(x, lambda y: y[0] ** 2 * y[1] * x[0], 1e-4),
    P,
    rtol=1e-5,
    second=False,
)
add(
    "approx_fprime",
    lambda x: optimize.approx_fprime(x, lambda y, c: np.array([c * y[0], y[1] ** 2, y[0]]), [1e-4, 1e-3], 2.0),
    P,
    rtol=1e-5,
    second=False,
)
add(
    "check_grad",
    lambda p: optimize.check_grad(lambda x: p[0] * x[0] ** 2 + x[1], lambda x: p * x, P, epsilon=1e-4),
    rtol=1e-5,
    second=False,
)


@pytest.mark.parametrize("case", T.cases, ids=lambda c: c.id)
def test_rule(case: Case) -> None:
    verify(case)


@pytest.mark.parametrize(
    "f",
    [
        lambda p: (
            scipy.optimize.elementwise.find_root(lambda x, c: x**3 - c, (0.0, 5.0), args=(np.array([1.0, 2.0]) * p,)).x
        ),
        lambda p: (
            scipy.optimize.elementwise.find_minimum(
                lambda x, c: (x - c) ** 4 + (x - c) ** 2 + 0.1 * x, (-1.0, 0.8, 5.0), args=(p,)
            ).f_x
        ),
    ],
)
def test_elementwise(f: Any) -> None:
    verify(Case(("elementwise",), f, (P,), "elementwise", single=False, rtol=1e-5))


# -- what must not be lost ---------------------------------------------------------------------------------------------


class Held:
    solver = staticmethod(minimize_scalar)


def by_local_import(c: Any) -> Any:
    from scipy.optimize import minimize_scalar as search

    return search(lambda x: (x - c) ** 2 + x**4).x


def by_class_attribute(c: Any) -> Any:
    return Held.solver(lambda x: (x - c) ** 2 + x**4).x


def by_default(c: Any, search: Any = minimize_scalar) -> Any:
    return search(lambda x: (x - c) ** 2 + x**4).x


TABLE = {"newton": newton}


@pytest.mark.parametrize(
    "f", [by_local_import, by_class_attribute, by_default, lambda c: TABLE["newton"](lambda x: x**3 - c, 1.0)]
)
def test_a_name_bound_elsewhere_is_followed_or_refused(f: Any) -> None:
    h = 1e-3
    expected = (f(0.7 + h) - f(0.7 - h)) / (2 * h)
    found, error = None, ""
    try:
        found = grad(f)(0.7)
    except AutodiffError as refusal:
        error = str(refusal)
    assert "lose the derivative" in error if found is None else found == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    ("f", "message"),
    [
        (lambda p: optimize.fsolve(lambda x: (x - p[0]) ** 2 * (1 + x), [1.2])[0], "singular|did not converge"),
        (lambda p: brentq(lambda x: 1 / (x - p[0]), 0, 2), "singular|did not converge"),
        (lambda p: minimize(lambda x: (x[0] - p[0]) ** 2, [0.0, 0.0]).x[0], "singular"),
        (
            lambda p: minimize(lambda x: np.sum(np.abs(x - p)), [0.0, 0.0], method="Nelder-Mead").x[0],
            "singular|converge",
        ),
        (lambda p: minimize(bowl, START, (p,), options={"maxiter": 1}).x[0], "did not converge"),
        (
            lambda p: minimize(lambda x: (x[0] - p[0] + 0.7) ** 2, [1.0], bounds=[(0, None)]).x[0],
            "about to become active",
        ),
        (lambda p: np.sum(minimize(bowl, START, (p,), jac=bowl_jac).hess_inv), "hess_inv"),
        (lambda p: optimize.fmin_bfgs(bowl, START, args=(p,), full_output=True, disp=0)[3][0, 0], "fmin_bfgs"),
        (
            lambda p: optimize.line_search(lambda x: bowl(x, p), lambda x: bowl_jac(x, p), np.zeros(2), np.ones(2))[0],
            "line_search",
        ),
        (lambda p: optimize.bracket(lambda x: (x - p[0]) ** 2)[0], "bracket"),
        (lambda p: linprog([-1.0, -1.0], [[1.0, 1.0]], [p[0]]).x[0], "not unique"),
        (lambda p: optimize.nnls(np.eye(3), np.array([1.0, 0.0, 1.0]) * p[0])[0][1], "not unique"),
        (lambda p: optimize.isotonic_regression(np.ones(3) * p[0]).x[0], "equal"),
        (
            lambda p: (
                optimize.differential_evolution(
                    lambda x: (x[0] - 2 * p[0]) ** 2, [(0, 3)], integrality=[True], maxiter=3
                ).fun
            ),
            "integrality",
        ),
        (lambda p: root(lambda x: [x[0] - p[0], x[0] - p[1], x[0]], [0.0], method="lm").x[0], "equations"),
    ],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::UserWarning")
def test_refused_by_name(f: Any, message: str) -> None:
    with pytest.raises(AutodiffError, match=message):
        grad(f)(P)
    with pytest.raises(AutodiffError, match=message):
        jvp(f, (P,), (P,))


def test_the_users_wrong_jacobian_does_not_matter() -> None:
    """It serves SciPy's run alone: the derivative is that of the objective."""

    def f(c: Any) -> Any:
        return newton(lambda x: x**2 - c, 1.0, fprime=lambda x: 3.0 * x, tol=1e-14, maxiter=200)

    assert grad(f)(2.0) == pytest.approx(0.5 / math.sqrt(2.0), rel=1e-9)


def test_the_initial_guess_has_no_derivative() -> None:
    assert grad(lambda x0: newton(lambda x: x**2 - 2.0, x0))(1.0) == 0.0
    assert grad(lambda x0: minimize(lambda x: (x[0] - 1.0) ** 2, [x0]).x[0])(0.3) == 0.0


def test_a_solution_inside_of_an_objective() -> None:
    """y(c) minimises over x the distance of x³ to the root of z³ = c + x: nested callbacks, second order."""

    def inner(x: Any, c: Any) -> Any:
        return brentq(lambda z: z**3 - c - x, 0, 3, xtol=1e-14)

    def f(c: Any) -> Any:
        return minimize(lambda x: (x[0] - inner(x[0], c)) ** 2 + x[0] ** 2, [0.5], tol=1e-10).fun

    verify(Case(("nested",), f, (0.9,), "nested", single=False, rtol=1e-4))


def test_exact_second_derivatives() -> None:
    """The root of x² = a·b, and the minimum of (x − a)² + b·x², at a·a·b/(1+b)..."""
    H = hessian(lambda p: brentq(lambda x: x * x - p[0] * p[1], 0, 3, xtol=1e-14))(P)
    s = math.sqrt(0.7 * 1.3)
    a, b = P
    np.testing.assert_allclose(H, [[-s / (4 * a * a), 1 / (4 * s)], [1 / (4 * s), -s / (4 * b * b)]], rtol=1e-8)
    J = jacobian(lambda p: minimize(lambda x: (x[0] - p[0]) ** 2 + p[1] * x[0] ** 2, [0.0]).x)(P)
    np.testing.assert_allclose(J, [[1 / (1 + b), -a / (1 + b) ** 2]], rtol=1e-6)


def test_every_public_function_is_accounted_for() -> None:
    registry = importlib.import_module("gradcheck.autodiff.rules.scipy.registry")
    grad(lambda x: x * x)(1.0)
    functions = [n for n in scipy.optimize.__all__ if inspect.isfunction(getattr(scipy.optimize, n))]
    status = {n: registry.STATUS.get((scipy.optimize, n)) for n in functions}
    assert all(s is not None and s.startswith(("exact", "plain", "refused")) for s in status.values()), status
