"""Linear systems of ``scipy.linalg``: solve and its structured kin, inv, det, lstsq, pinv.

The derivative of x = M⁻¹b needs one more solve with the same matrix and one with its transpose (``tools.system``). What
a matrix is made of (a triangle, bands, the first column) is followed as LAPACK reads it: entries that are not read
have derivative zero.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg as la

from gradcheck.autodiff.core import any_active, is_complex, plain, plain_tree, shape_of
from gradcheck.autodiff.errors import unsupported
from gradcheck.autodiff.rules.matrices import adjoint, conjugated, identity, identity_like, mirrored, times, transposed
from gradcheck.autodiff.rules.scipy.linalg.tools import dims, floating, primitive, push, symmetric, system, zeros
from gradcheck.autodiff.rules.scipy.registry import original

_STRUCTURES = {
    "gen": "general", "pos": "positive definite", "sym": "symmetric", "her": "hermitian",
}  # fmt: skip


def _named(assume_a: Any) -> str:
    return "general" if assume_a is None else _STRUCTURES.get(assume_a, assume_a)


def stored(a: Any, structure: str, lower: bool) -> Any:
    """The matrix that LAPACK takes ``a`` for under an assumed structure; linear in a."""
    if structure == "symmetric":
        return symmetric(a, lower)
    if structure in ("hermitian", "positive definite"):
        return mirrored(a, lower)
    if structure == "upper triangular":
        return np.triu(a)
    if structure == "lower triangular":
        return np.tril(a)
    if structure == "diagonal":
        return a * identity_like(a)
    return np.triu(np.tril(a, 1), -1) if structure == "tridiagonal" else a


def _flip_stored(a: Any, *, structure: str, lower: bool, assume_a: Any) -> Any:
    """The transposed matrix in the same kind of storage."""
    if structure == "symmetric":
        flipped = a
    elif structure in ("hermitian", "positive definite"):
        flipped = conjugated(a)
    else:
        flipped = transposed(a)
        other = {"upper triangular": "lower triangular", "lower triangular": "upper triangular"}
        structure = other.get(structure, structure)
        assume_a = other.get(assume_a, assume_a)
    return (flipped,), {"structure": structure, "lower": lower, "assume_a": assume_a}


SOLVE = system(
    "scipy.linalg.solve",
    lambda a, b, *, structure, lower, assume_a: original(la, "solve")(a, b, lower=lower, assume_a=assume_a),
    _flip_stored,
    lambda _k, t, x, _a, *, structure, lower, assume_a: times(stored(t, structure, lower), x),
)


def _columns(a: Any, b: Any) -> tuple[Any, Any, bool]:
    """Matrix and right-hand side of a system with the same leading axes, b as columns; whether it was a vector."""
    a, b = floating(a), floating(b)
    vector = dims(b) == 1
    if vector:
        b = np.reshape(b, (-1, 1))
    lead = np.broadcast_shapes(shape_of(a)[:-2], shape_of(b)[:-2])
    if lead != shape_of(a)[:-2]:
        a = np.broadcast_to(a, lead + shape_of(a)[-2:])
    if lead != shape_of(b)[:-2]:
        b = np.broadcast_to(b, lead + shape_of(b)[-2:])
    return a, b, vector


def solve(a: Any, b: Any, lower: bool = False, overwrite_a: bool = False, overwrite_b: bool = False,
          check_finite: bool = True, assume_a: Any = None, transposed: bool = False) -> Any:  # fmt: skip
    """``scipy.linalg.solve``: a (..., n, n), b (..., n) or (..., n, k)."""
    original(la, "solve")(plain_tree(a), plain_tree(b), lower=lower, assume_a=assume_a, transposed=transposed)
    a, b, vector = _columns(np.atleast_2d(floating(a)), np.atleast_1d(floating(b)))
    structure = _named(assume_a)
    if shape_of(a)[-1] == 1 and shape_of(b)[-2] != 1:
        x = b / a  # SciPy takes a matrix of one element for a number
    else:
        if transposed:
            (a,), static = _flip_stored(a, structure=structure, lower=lower, assume_a=assume_a)
        else:
            static = {"structure": structure, "lower": lower, "assume_a": assume_a}
        x = SOLVE(a, b, **static)
    return x[..., 0] if vector else x


def _inv_jvp(t: Any, y: Any, _a: Any, *, structure: str, lower: bool, options: Any) -> Any:
    return -times(y, stored(t, structure, lower), y)


INV = primitive(
    "scipy.linalg.inv",
    lambda a, *, structure, lower, options: original(la, "inv")(a, **dict(options)),
    [_inv_jvp],
)


def inv(a: Any, overwrite_a: bool = False, check_finite: bool = True, **keywords: Any) -> Any:
    """``scipy.linalg.inv``: a (..., n, n); d(A⁻¹) = −A⁻¹ dA A⁻¹ (Giles, section 2.2.3)."""
    structure = _named(keywords.get("assume_a"))
    return INV(floating(a), structure=structure, lower=keywords.get("lower", False), options=tuple(keywords.items()))


def _det_jvp(t: Any, y: Any, a: Any) -> Any:
    """Jacobi's formula; near a singular matrix the rule for NumPy's det, which does not divide."""
    if np.any(np.linalg.cond(plain(a)) > 1e12):
        return push(np.linalg.det, 0, (a,), t)
    return y * np.sum(transposed(np.linalg.inv(a)) * t, axis=(-2, -1))


DET = primitive("scipy.linalg.det", lambda a: np.asarray(original(la, "det")(a))[()], [_det_jvp])


def det(a: Any, overwrite_a: bool = False, check_finite: bool = True) -> Any:
    """``scipy.linalg.det``: a (..., n, n)."""
    return DET(floating(a)) if shape_of(a)[-1] else original(la, "det")(plain(a))


# -- triangular ------------------------------------------------------------------------------------------------------


def _triangle(t: Any, lower: bool, unit: bool) -> Any:
    return np.tril(t, -int(unit)) if lower else np.triu(t, int(unit))


TRIANGULAR = system(
    "scipy.linalg.solve_triangular",
    lambda a, b, *, lower, unit: original(la, "solve_triangular")(a, b, lower=lower, unit_diagonal=unit),
    lambda a, *, lower, unit: ((transposed(a),), {"lower": not lower, "unit": unit}),
    lambda _k, t, x, _a, *, lower, unit: times(_triangle(t, lower, unit), x),
    back_product=lambda _k, z, x, _a, *, lower, unit: _triangle(times(z, transposed(x)), lower, unit),
)


def solve_triangular(a: Any, b: Any, trans: Any = 0, lower: bool = False, unit_diagonal: bool = False,
                     overwrite_b: bool = False, check_finite: bool = True) -> Any:  # fmt: skip
    """``scipy.linalg.solve_triangular``: a (..., n, n), of which one triangle is read, b (..., n) or (..., n, k)."""
    way = {"N": 0, "T": 1, "C": 2}.get(trans, trans)
    a, b, vector = _columns(a, b)
    if way in (1, 2):
        a, lower = (transposed(a) if way == 1 else adjoint(a)), not lower
    x = TRIANGULAR(a, b, lower=bool(lower), unit=bool(unit_diagonal))
    return x[..., 0] if vector else x


# -- bands -----------------------------------------------------------------------------------------------------------


def _shifted(x: Any, k: int) -> Any:
    """x[i + k] along the first axis, zero beyond the ends."""
    n = shape_of(x)[0]
    if not k:
        return x
    hole = zeros(x, min(abs(k), n), *shape_of(x)[1:])
    return np.concatenate([x[k:], hole] if k > 0 else [hole, x[:k]], axis=0)


def _band_product(_k: int, t: Any, x: Any, _ab: Any, *, below: int, above: int) -> Any:
    """The product of a band matrix, stored as LAPACK does (A[i, j] at [above + i − j, j]), and columns x."""
    total: Any = 0.0
    for k in range(-below, above + 1):
        total = total + _shifted(t[above - k][:, None] * x, k)
    return total


def _band_flip(ab: Any, *, below: int, above: int) -> Any:
    rows = [_shifted(ab[above - k], k) for k in range(-below, above + 1)]
    return (np.stack(rows),), {"below": above, "above": below}


BANDED = system(
    "scipy.linalg.solve_banded",
    lambda ab, b, *, below, above: original(la, "solve_banded")((below, above), ab, b),
    _band_flip,
    _band_product,
)


def _two_dimensional(name: str, *arrays: Any) -> None:
    if any(dims(a) > 2 for a in arrays):
        raise unsupported(f"scipy.linalg.{name} of a stack of matrices", "loop over the first axis")


def solve_banded(l_and_u: Any, ab: Any, b: Any, overwrite_ab: bool = False, overwrite_b: bool = False,
                 check_finite: bool = True) -> Any:  # fmt: skip
    """``scipy.linalg.solve_banded``: ab (l + u + 1, n), b (n,) or (n, k)."""
    _two_dimensional("solve_banded", ab, b)
    ab, b, vector = _columns(ab, b)
    x = BANDED(ab, b, below=int(l_and_u[0]), above=int(l_and_u[1]))
    return x[..., 0] if vector else x


def full_bands(ab: Any, lower: bool) -> tuple[Any, int]:
    """A Hermitian band matrix from its stored half, in the storage of :func:`solve_banded`; and its bandwidth.

    The diagonal is read as real.
    """
    n = shape_of(ab)[0] - 1
    middle = ab[0] if lower else ab[n]
    if is_complex(middle):
        middle = np.real(middle) + 0j
    if lower:
        half = [ab[k] for k in range(1, n + 1)]
        above = [_shifted(conjugated(half[k - 1]), -k) for k in range(n, 0, -1)]
        return np.stack([*above, middle, *half]), n
    half = [ab[k] for k in range(n)]
    below = [_shifted(conjugated(half[n - k]), k) for k in range(1, n + 1)]
    return np.stack([*half, middle, *below]), n


def solveh_banded(ab: Any, b: Any, overwrite_ab: bool = False, overwrite_b: bool = False, lower: bool = False,
                  check_finite: bool = True) -> Any:  # fmt: skip
    """``scipy.linalg.solveh_banded``: ab (u + 1, n), b (n,) or (n, k)."""
    _two_dimensional("solveh_banded", ab, b)
    original(la, "solveh_banded")(plain_tree(ab), plain_tree(b), lower=lower)  # it refuses what is not definite
    bands, n = full_bands(floating(ab), lower)
    return solve_banded((n, n), bands, b)


# -- Toeplitz and circulant ------------------------------------------------------------------------------------------


def toeplitz_of(c: Any, r: Any) -> Any:
    """The Toeplitz matrix with first column c and first row r; r[0] is not read."""
    m, n = shape_of(c)[0], shape_of(r)[0]
    values = np.concatenate([c[::-1], r[1:]])
    return values[np.arange(n) + (m - 1 - np.arange(m))[:, None]]


def _toeplitz_product(k: int, t: Any, x: Any, c: Any, r: Any) -> Any:
    zero = zeros(t, *shape_of(c if k else r))
    return times(toeplitz_of(t, zero) if k == 0 else toeplitz_of(zero, t), x)


TOEPLITZ = system(
    "scipy.linalg.solve_toeplitz",
    lambda c, r, b: original(la, "solve_toeplitz")((c, r), b),
    lambda c, r: ((np.concatenate([c[:1], r[1:]]), c), {}),
    _toeplitz_product,
    parameters=2,
)


def _column_and_row(c_or_cr: Any) -> tuple[Any, Any]:
    if isinstance(c_or_cr, tuple):
        c, r = (np.ravel(floating(v)) for v in c_or_cr)
        return c, r
    c = np.ravel(floating(c_or_cr))
    return c, conjugated(c)


def solve_toeplitz(c_or_cr: Any, b: Any, check_finite: bool = True) -> Any:
    """``scipy.linalg.solve_toeplitz``: c (n,), r (n,), b (n,) or (n, ...)."""
    if any(dims(v) > 1 for v in (c_or_cr if isinstance(c_or_cr, tuple) else (c_or_cr,))):
        raise unsupported("scipy.linalg.solve_toeplitz with columns of more than one dimension")
    c, r = _column_and_row(c_or_cr)
    b = floating(b)
    return np.reshape(TOEPLITZ(c, r, np.reshape(b, (shape_of(b)[0], -1))), shape_of(b))


def matmul_toeplitz(c_or_cr: Any, x: Any, check_finite: bool = False, workers: Any = None) -> Any:
    """``scipy.linalg.matmul_toeplitz``: c (m,), r (n,), x (n,) or (n, k)."""
    c, r = _column_and_row(c_or_cr)
    return times(toeplitz_of(c, r), floating(x))


def circulant_of(c: Any) -> Any:
    """A[i, j] = c[(i − j) mod n], on the last axis of c."""
    n = shape_of(c)[-1]
    return c[..., (np.arange(n)[:, None] - np.arange(n)) % n]


def solve_circulant(c: Any, b: Any, singular: str = "raise", tol: Any = None, caxis: int = -1, baxis: int = 0,
                    outaxis: int = 0) -> Any:  # fmt: skip
    """``scipy.linalg.solve_circulant``: c (n,), b with n along ``baxis``."""
    if singular != "raise" or dims(c) != 1:
        raise unsupported("scipy.linalg.solve_circulant with singular='lstsq' or several matrices")
    original(la, "solve_circulant")(plain_tree(c), plain_tree(b), tol=tol, baxis=baxis)  # it refuses a singular one
    b = np.moveaxis(floating(b), baxis, 0)
    flat = np.reshape(b, (shape_of(b)[0], -1))
    x = SOLVE(circulant_of(floating(c)), flat, structure="general", lower=False, assume_a="gen")
    return np.moveaxis(np.reshape(x, shape_of(b)), 0, outaxis)


# -- pseudo-inverse --------------------------------------------------------------------------------------------------


def _pinv_jvp(t: Any, p: Any, a: Any, **_static: Any) -> Any:
    """G. Golub & V. Pereyra, SIAM J. Numer. Anal. 10, 413, 1973, eq. 4.12 (constant rank)."""
    m, n = shape_of(a)[-2:]
    ph, th = adjoint(p), adjoint(t)
    left = times(p, ph, th, identity(a, m) - times(a, p))
    right = times(identity(a, n) - times(p, a), th, ph, p)
    return left + right - times(p, t, p)


PINV = primitive("scipy.linalg.pinv", lambda a, **cuts: original(la, "pinv")(a, **cuts), [_pinv_jvp])


def _pinv(a: Any, atol: Any, rtol: Any, return_rank: bool, plain_rank: Any) -> Any:
    if any_active((atol, rtol)):
        raise unsupported("scipy.linalg.pinv: no derivative with respect to its tolerances")
    y = PINV(a, atol=plain(atol), rtol=plain(rtol))
    return (y, plain_rank()) if return_rank else y


def pinv(a: Any, *, atol: Any = None, rtol: Any = None, return_rank: bool = False, check_finite: bool = True) -> Any:
    """``scipy.linalg.pinv``: a (m, n), of locally constant rank."""
    a = floating(a)
    rank = lambda: original(la, "pinv")(plain(a), atol=atol, rtol=rtol, return_rank=True)[1]  # noqa: E731
    return _pinv(a, atol, rtol, return_rank, rank)


def pinvh(a: Any, atol: Any = None, rtol: Any = None, lower: bool = True, return_rank: bool = False,
          check_finite: bool = True) -> Any:  # fmt: skip
    """``scipy.linalg.pinvh``: of the Hermitian matrix stored in one triangle of a (n, n)."""
    full = mirrored(floating(a), lower)
    rank = lambda: original(la, "pinvh")(plain(full), atol=atol, rtol=rtol, return_rank=True)[1]  # noqa: E731
    return _pinv(full, atol, rtol, return_rank, rank)


def _as_type(y: Any, value: Any) -> Any:
    """y as an array or a number, and of the dtype, as the value that SciPy gives."""
    if isinstance(value, np.ndarray) and not shape_of(y):
        y = np.reshape(y, ())
    return y if np.result_type(plain(y)) == value.dtype else y.astype(value.dtype)


def lstsq(a: Any, b: Any, cond: Any = None, overwrite_a: bool = False, overwrite_b: bool = False,
          check_finite: bool = True, lapack_driver: Any = None) -> Any:  # fmt: skip
    """``scipy.linalg.lstsq``: solution and residuals by the pseudo-inverse (locally constant rank), singular values by
    the rule for svdvals; the rank as it is."""
    from gradcheck.autodiff.rules.scipy.linalg.singular import svdvals

    _two_dimensional("lstsq", a, b)
    a, b = floating(a), floating(b)
    _, residuals, rank, s = original(la, "lstsq")(plain(a), plain(b), cond, lapack_driver=lapack_driver)
    cut = float(np.finfo(plain(a).dtype).eps) if cond is None else plain(cond)
    x = times(PINV(a, atol=0.0, rtol=cut), b)
    if np.size(residuals):
        d = b - times(a, x)
        y = np.sum(np.real(d * conjugated(d)), axis=0)
        residuals = _as_type(y, residuals)
    return x, residuals, rank, None if s is None else svdvals(a)
