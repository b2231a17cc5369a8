"""Functions of matrices: expm, logm, sqrtm, powers, trigonometric and hyperbolic ones, sign, funm.

The Fréchet derivative L(A, E) of a matrix function stands in the corner of the function of a block matrix,
f([[A, E], [0, A]]) = [[f(A), L(A, E)], [0, f(A)]], and its transpose is L(Aᵀ, G) (N. Higham, *Functions of Matrices*,
SIAM 2008, sections 3.1 and 3.2). So the derivative of any order is the same function of a larger matrix.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.linalg as la

from gradcheck.autodiff.core import Primitive, any_active, is_complex, plain, shape_of
from gradcheck.autodiff.errors import unsupported
from gradcheck.autodiff.rules.matrices import diagonal_matrix, times, transposed
from gradcheck.autodiff.rules.scipy.linalg.equations import solve_sylvester
from gradcheck.autodiff.rules.scipy.linalg.tools import dims, floating, primitive, push, zeros
from gradcheck.autodiff.rules.scipy.registry import original


def _blocks(a: Any, e: Any) -> Any:
    zero = zeros(a, *shape_of(a))
    top, bottom = np.concatenate([a, e], axis=-1), np.concatenate([zero, a], axis=-1)
    return np.concatenate([top, bottom], axis=-2)


def _corner(x: Any, n: int) -> Any:
    return x[..., :n, n:]


def _matrix_function(name: str, function: Callable[..., Any]) -> Any:
    """The primitive of a holomorphic matrix function, from its value."""

    def frechet(a: Any, e: Any, static: dict[str, Any]) -> Any:
        return _corner(rule(_blocks(a, e), **static), shape_of(a)[-1])

    def vjp(y: Any, a: Any, **static: Any) -> Callable[[Any], Any]:
        def pull(g: Any) -> Any:
            d = frechet(transposed(a), g, static)
            return np.real(d) if is_complex(d) and not is_complex(a) and not is_complex(y) else d

        return pull

    def jvp(t: Any, _y: Any, a: Any, **static: Any) -> Any:
        return frechet(a, t, static)

    rule = primitive(name, function, [jvp], [vjp])
    return rule


EXPM = _matrix_function("scipy.linalg.expm", lambda a: original(la, "expm")(a))
LOGM = _matrix_function("scipy.linalg.logm", lambda a: original(la, "logm")(a))
POWER = _matrix_function(
    "scipy.linalg.fractional_matrix_power", lambda a, *, power: original(la, "fractional_matrix_power")(a, power)
)


def expm(A: Any) -> Any:
    """``scipy.linalg.expm``: A (..., n, n)."""
    a = floating(A)
    return EXPM(a) if dims(a) >= 2 else np.exp(a)


def _frechet_of(a: Any, e: Any) -> Any:
    return _corner(EXPM(_blocks(a, e)), shape_of(a)[-1])


FRECHET: Primitive = primitive(
    "scipy.linalg.expm_frechet",
    lambda a, e: original(la, "expm_frechet")(a, e, compute_expm=False),
    [lambda t, _y, a, e: push(_frechet_of, 0, (a, e), t), lambda t, _y, a, _e: FRECHET(a, t)],
    [None, lambda _y, a, _e: lambda g: FRECHET(transposed(a), g)],
)


def expm_frechet(A: Any, E: Any, method: Any = None, compute_expm: bool = True, check_finite: bool = True) -> Any:
    """``scipy.linalg.expm_frechet``: A and E (n, n)."""
    a, e = (x if np.result_type(plain(x)) != np.float32 else x.astype(float) for x in (floating(A), floating(E)))
    d = FRECHET(a, e)
    if not compute_expm:
        return d
    return EXPM(a), d


def _plain_disp(name: str, disp: Any) -> None:
    """``disp=False`` adds an error estimate to the value."""
    if disp is False:
        raise unsupported(f"scipy.linalg.{name} with disp=False of traced values", "leave disp out")


def logm(A: Any, disp: Any = None) -> Any:
    """``scipy.linalg.logm``: A (n, n), without eigenvalues on the negative real axis."""
    _plain_disp("logm", disp)
    return LOGM(floating(A))


def _sqrtm_jvp(t: Any, y: Any, _a: Any) -> Any:
    """From X² = A: X dX + dX X = dA (Higham, section 6.1)."""
    return solve_sylvester(y, y, t)


def _sqrtm_vjp(y: Any, a: Any) -> Any:
    def pull(g: Any) -> Any:
        d = solve_sylvester(transposed(y), transposed(y), g)
        return np.real(d) if is_complex(d) and not is_complex(a) and not is_complex(y) else d

    return pull


def _sqrtm(a: Any) -> Any:
    return original(la, "sqrtm")(a)


SQRTM = primitive("scipy.linalg.sqrtm", _sqrtm, [_sqrtm_jvp], [_sqrtm_vjp])


def sqrtm(A: Any, disp: Any = None, blocksize: Any = None) -> Any:
    """``scipy.linalg.sqrtm``: A (n, n), regular."""
    _plain_disp("sqrtm", disp)
    a = floating(A)
    if dims(a) != 2:
        raise unsupported("scipy.linalg.sqrtm of a number, or of a stack of matrices", "np.sqrt, or a loop")
    return SQRTM(a)


def fractional_matrix_power(A: Any, t: Any) -> Any:
    """``scipy.linalg.fractional_matrix_power``: A (n, n), t a number; with respect to t it is log(A)·Aᵗ."""
    if not any_active(t):
        return POWER(floating(A), power=plain(t))
    a = floating(A)
    value = original(la, "fractional_matrix_power")(plain(a), plain(t))
    return _like(EXPM(LOGM(a) * t), value)


def _like(y: Any, value: Any) -> Any:
    """y as real as SciPy's own value, and the same."""
    y = np.real(y) if is_complex(y) and not np.iscomplexobj(value) else y
    if not np.allclose(plain(y), value, rtol=1e-8, atol=1e-10):
        raise unsupported("a matrix function whose value is not on the branch of its formula", None)
    return y


# -- sine, cosine and their kin, of exponentials as SciPy's ----------------------------------------------------------


def cosm(A: Any) -> Any:
    a = floating(A)
    return np.real(EXPM(1j * a)) if not is_complex(a) else 0.5 * (EXPM(1j * a) + EXPM(-1j * a))


def sinm(A: Any) -> Any:
    a = floating(A)
    return np.imag(EXPM(1j * a)) if not is_complex(a) else -0.5j * (EXPM(1j * a) - EXPM(-1j * a))


def tanm(A: Any) -> Any:
    return np.linalg.solve(cosm(A), sinm(A))


def coshm(A: Any) -> Any:
    a = floating(A)
    return 0.5 * (EXPM(a) + EXPM(-a))


def sinhm(A: Any) -> Any:
    a = floating(A)
    return 0.5 * (EXPM(a) - EXPM(-a))


def tanhm(A: Any) -> Any:
    return np.linalg.solve(coshm(A), sinhm(A))


def signm(A: Any, disp: Any = None) -> Any:
    """``scipy.linalg.signm``: A (A²)^(−1/2) (Higham, section 5.1)."""
    _plain_disp("signm", disp)
    a = floating(A)
    return _like(times(a, np.linalg.inv(SQRTM(times(a, a)))), original(la, "signm")(plain(a)))


def funm(A: Any, func: Any, disp: Any = True) -> Any:
    """``scipy.linalg.funm``: A (n, n) with distinct eigenvalues, by V f(Λ) V⁻¹; func is traced."""
    from gradcheck.autodiff.rules.scipy.linalg.spectra import eig

    if not disp:
        raise unsupported("scipy.linalg.funm with disp=False of traced values", "leave disp out")
    a = floating(A)
    w, v = eig(a)
    value = plain(w)
    gaps = np.where(np.eye(len(value), dtype=bool), np.inf, np.abs(value[:, None] - value))
    if len(value) > 1 and (np.linalg.cond(plain(v)) > 1e8 or np.min(gaps) < 1e-8 * np.max(np.abs(value))):
        raise unsupported("scipy.linalg.funm of a matrix whose eigenvalues coincide")
    y = times(v, diagonal_matrix(func(w)), np.linalg.inv(v))
    return _like(y, original(la, "funm")(plain(a), lambda z: plain(func(z))))
