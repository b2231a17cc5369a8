"""Matrix equations: Sylvester, Lyapunov, Riccati.

Each derivative solves the linear equation that is the solution's own equation linearised: by the implicit function
theorem the tangent of the residual, at the solution held fixed, is its right-hand side.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg as la

from gradcheck.autodiff.core import Primitive, plain, shape_of
from gradcheck.autodiff.rules.matrices import adjoint, times, transposed
from gradcheck.autodiff.rules.scipy.linalg.tools import array, floating, primitive, push
from gradcheck.autodiff.rules.scipy.registry import original

# -- Sylvester: A X + X B = Q ----------------------------------------------------------------------------------------


def _sylvester_vjp(k: int) -> Any:
    def vjp(x: Any, a: Any, b: Any, _q: Any) -> Any:
        def pull(g: Any) -> Any:
            z = SYLVESTER(transposed(a), transposed(b), g)
            d = z if k == 2 else -times(z, transposed(x)) if k == 0 else -times(transposed(x), z)
            return d if np.iscomplexobj(plain((a, b, _q)[k])) else np.real(d)

        return pull

    return vjp


SYLVESTER: Primitive = primitive(
    "scipy.linalg.solve_sylvester",
    lambda a, b, q: original(la, "solve_sylvester")(a, b, q),
    [
        lambda t, x, a, b, _q: SYLVESTER(a, b, -times(t, x)),
        lambda t, x, a, b, _q: SYLVESTER(a, b, -times(x, t)),
        lambda t, _x, a, b, _q: SYLVESTER(a, b, t),
    ],
    [_sylvester_vjp(k) for k in range(3)],
)


def solve_sylvester(a: Any, b: Any, q: Any) -> Any:
    """``scipy.linalg.solve_sylvester``: A X + X B = Q with a (m, m), b (n, n), q (m, n)."""
    return SYLVESTER(floating(a), floating(b), floating(q))


def solve_continuous_lyapunov(a: Any, q: Any) -> Any:
    """``scipy.linalg.solve_continuous_lyapunov``: A X + X Aᴴ = Q."""
    a = floating(a)
    return solve_sylvester(a, adjoint(a), q)


solve_lyapunov = solve_continuous_lyapunov  # SciPy's old name of it


# -- discrete Lyapunov: A X Aᴴ − X + Q = 0 ---------------------------------------------------------------------------


def _discrete_jvp(t: Any, x: Any, a: Any, q: Any, *, method: Any) -> Any:
    ah, th = adjoint(a), adjoint(t)
    return DISCRETE(a, times(t, x, ah) + times(a, x, th), method=method)


DISCRETE: Primitive = primitive(
    "scipy.linalg.solve_discrete_lyapunov",
    lambda a, q, *, method: original(la, "solve_discrete_lyapunov")(a, q, method),
    [_discrete_jvp, lambda t, _x, a, _q, *, method: DISCRETE(a, t, method=method)],
    # The pullback in q solves with Aᵀ; in a it is that, and the transpose of two products.
    [
        lambda x, a, q, *, method: lambda g: _discrete_pull_a(g, x, a, method),
        lambda _x, a, q, *, method: lambda g: _as_real(DISCRETE(transposed(a), g, method=method), q),
    ],
)


def _as_real(d: Any, like: Any) -> Any:
    return d if np.iscomplexobj(plain(like)) else np.real(d)


def _discrete_pull_a(g: Any, x: Any, a: Any, method: Any) -> Any:
    z = DISCRETE(transposed(a), g, method=method)
    # ⟨Z, dA X Aᴴ + A X dAᴴ⟩ without a conjugate in the pairing.
    first = times(z, transposed(times(x, adjoint(a))))
    second = np.conjugate(times(transposed(z), times(a, x)))
    return _as_real(first + second, a)


def solve_discrete_lyapunov(a: Any, q: Any, method: Any = None) -> Any:
    """``scipy.linalg.solve_discrete_lyapunov``: A X Aᴴ − X + Q = 0."""
    return DISCRETE(floating(a), floating(q), method=method)


# -- Riccati ---------------------------------------------------------------------------------------------------------


def _continuous_residual(x: Any, a: Any, b: Any, q: Any, r: Any, e: Any, s: Any) -> Any:
    """Aᴴ X E + Eᴴ X A − (Eᴴ X B + S) R⁻¹ (Bᴴ X E + Sᴴ) + Q"""
    eh, side = adjoint(e), times(adjoint(e), x, b) + s
    other = times(adjoint(b), x, e) + adjoint(s)
    return times(adjoint(a), x, e) + times(eh, x, a) - times(side, np.linalg.solve(r, other)) + q


def _discrete_residual(x: Any, a: Any, b: Any, q: Any, r: Any, e: Any, s: Any) -> Any:
    """Aᴴ X A − Eᴴ X E − (Aᴴ X B + S)(R + Bᴴ X B)⁻¹(Bᴴ X A + Sᴴ) + Q"""
    ah, bh = adjoint(a), adjoint(b)
    side, other = times(ah, x, b) + s, times(bh, x, a) + adjoint(s)
    inner = np.linalg.solve(r + times(bh, x, b), other)
    return times(ah, x, a) - times(adjoint(e), x, e) - times(side, inner) + q


def _continuous_step(d: Any, x: Any, a: Any, b: Any, _q: Any, r: Any, e: Any, s: Any) -> Any:
    """dX from (A − B K)ᴴ dX E + Eᴴ dX (A − B K) + d = 0, K = R⁻¹(Bᴴ X E + Sᴴ)."""
    gain = np.linalg.solve(r, times(adjoint(b), x, e) + adjoint(s))
    inverse = np.linalg.inv(e)
    closed = times(a - times(b, gain), inverse)
    return SYLVESTER(adjoint(closed), closed, -times(adjoint(inverse), d, inverse))


def _discrete_step(d: Any, x: Any, a: Any, b: Any, _q: Any, r: Any, e: Any, s: Any) -> Any:
    """dX from (A − B K)ᴴ dX (A − B K) − Eᴴ dX E + d = 0, K = (R + Bᴴ X B)⁻¹(Bᴴ X A + Sᴴ)."""
    bh = adjoint(b)
    gain = np.linalg.solve(r + times(bh, x, b), times(bh, x, a) + adjoint(s))
    inverse = np.linalg.inv(e)
    closed = times(a - times(b, gain), inverse)
    return DISCRETE(adjoint(closed), times(adjoint(inverse), d, inverse), method=None)


def _riccati(name: str, residual: Any, step: Any) -> Any:
    """The primitive of a Riccati solution of (a, b, q, r, e, s); e and s that were not given stand for 1 and 0.

    Source: implicit differentiation as in T.-C. Kao & G. Hennequin, *Automatic differentiation of Sylvester, Lyapunov,
    and algebraic Riccati equations*, arXiv:2011.11430, 2020.
    """

    def jvp(k: int) -> Any:
        def tangent(t: Any, x: Any, *p: Any, given: Any) -> Any:
            return step(push(lambda *args: residual(x, *args), k, p, t), x, *p)

        return tangent

    def value(*p: Any, given: tuple[bool, bool, bool]) -> Any:
        *matrices, e, s = p
        keywords = {"e": e if given[0] else None, "s": s if given[1] else None, "balanced": given[2]}
        return original(la, name)(*matrices, **keywords)

    return primitive(f"scipy.linalg.{name}", value, [jvp(k) for k in range(6)])


CONTINUOUS_RICCATI = _riccati("solve_continuous_are", _continuous_residual, _continuous_step)
DISCRETE_RICCATI = _riccati("solve_discrete_are", _discrete_residual, _discrete_step)


def _call_riccati(rule: Any, a: Any, b: Any, q: Any, r: Any, e: Any, s: Any, balanced: bool) -> Any:
    a, b, q, r = (np.atleast_2d(floating(m)) for m in (a, b, q, r))
    given = (e is not None, s is not None, bool(balanced))
    e = np.eye(shape_of(a)[0]) if e is None else floating(e)
    s = np.zeros(shape_of(b)) if s is None else floating(s)
    return rule(a, b, q, r, array(e), array(s), given=given)


def solve_continuous_are(a: Any, b: Any, q: Any, r: Any, e: Any = None, s: Any = None, balanced: bool = True) -> Any:
    """``scipy.linalg.solve_continuous_are``: a, q, e (n, n), b, s (n, m), r (m, m)."""
    return _call_riccati(CONTINUOUS_RICCATI, a, b, q, r, e, s, balanced)


def solve_discrete_are(a: Any, b: Any, q: Any, r: Any, e: Any = None, s: Any = None, balanced: bool = True) -> Any:
    """``scipy.linalg.solve_discrete_are``: shapes as for :func:`solve_continuous_are`."""
    return _call_riccati(DISCRETE_RICCATI, a, b, q, r, e, s, balanced)
