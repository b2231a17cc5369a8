"""How accurate SciPy's adaptive and iterative functions are: how far the slope of what they return is off.

An integrator with ``rtol=1e-3`` returns a smooth function of the parameters whose slope is not that of the solution;
differences measure the former, the rules here give the latter. The check widens its error bars by what stands here
(``core.Notes.approximate``), so that it does not call either of them wrong. The factors over the tolerances are
experience with smooth problems, on the generous side.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

# Tolerances among the options of scipy.optimize.
_TOLERANCES = ("tol", "gtol", "xtol", "ftol", "xatol", "fatol", "x_tol", "f_tol", "xrtol", "rtol")


def _fixed(accuracy: float) -> Callable[..., float]:
    return lambda *_args, **_keywords: accuracy


def _solve_ivp(*_args: Any, **options: Any) -> float:
    method = options.get("method", "RK45")
    return float(options.get("rtol", 1e-3)) * (10.0 if method in ("RK45", "RK23", "DOP853") else 30.0)


def _odeint(*_args: Any, **options: Any) -> float:
    return 300.0 * float(options.get("rtol") or 1.49012e-8)


def _solve_bvp(*_args: Any, **options: Any) -> float:
    return 10.0 * float(options.get("tol", 1e-3))


def _search(unless: float, least: float) -> Callable[..., float]:
    """A search: hundredfold the smallest tolerance that was given; ``unless`` one was, and at the ``least``."""

    def accuracy(*_args: Any, **keywords: Any) -> float:
        options = keywords | (keywords.get("options") or {})
        given = [options[t] for t in _TOLERANCES if isinstance(options.get(t), float)]
        return max(100.0 * min(given), least) if given else unless

    return accuracy


INTEGRATE = {"solve_ivp": _solve_ivp, "odeint": _odeint, "solve_bvp": _solve_bvp}

OPTIMIZE: dict[str, Callable[..., float]] = {
    "minimize": _search(1e-3, 1e-6),
    "minimize_scalar": _search(1e-5, 1e-6),
    **dict.fromkeys(["fminbound", "brent", "golden"], _fixed(1e-4)),
    **dict.fromkeys(["fmin", "fmin_powell", "fmin_cobyla"], _search(1e-2, 1e-5)),
    **dict.fromkeys(
        ["fmin_bfgs", "fmin_cg", "fmin_ncg", "fmin_l_bfgs_b", "fmin_tnc", "fmin_slsqp"], _search(1e-3, 1e-6)
    ),
    **dict.fromkeys(
        ["differential_evolution", "shgo", "dual_annealing", "basinhopping", "brute", "direct"], _search(1e-3, 1e-5)
    ),
    **dict.fromkeys(["fsolve", "root", "newton", "root_scalar", "fixed_point"], _search(1e-6, 1e-8)),
    **dict.fromkeys(
        ["broyden1", "broyden2", "anderson", "linearmixing", "diagbroyden", "excitingmixing", "newton_krylov"],
        _search(1e-3, 1e-6),
    ),
    **dict.fromkeys(["least_squares", "leastsq", "curve_fit"], _search(1e-5, 1e-6)),
}

ITERATIVE: dict[str, Callable[..., float]] = dict.fromkeys(
    ["cg", "cgs", "bicg", "bicgstab", "gmres", "lgmres", "gcrotmk", "minres", "qmr", "tfqmr"], _search(1e-3, 1e-8)
)

# Part of SciPy -> function -> its arguments -> how far the slopes of its value may be off, relatively.
ACCURACY: dict[str, dict[str, Callable[..., float]]] = {
    "scipy.integrate": INTEGRATE,
    "scipy.optimize": OPTIMIZE,
    "scipy.sparse.linalg": ITERATIVE,
}
