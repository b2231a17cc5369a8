"""Triangular and orthogonal factorisations of ``scipy.linalg``: cholesky, lu, ldl, qr, rq, and solving with them.

What pivoting has chosen (a permutation) is locally constant. LAPACK's signs are continuous, so the factors are
smooth functions of the matrix where the leading blocks are regular.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg as la

from gradcheck.autodiff.core import is_complex, plain, plain_tree, shape_of
from gradcheck.autodiff.errors import unsupported
from gradcheck.autodiff.rules.matrices import (
    adjoint,
    conjugated,
    half_low,
    identity,
    identity_like,
    mirrored,
    times,
    transposed,
)
from gradcheck.autodiff.rules.scipy.linalg.solving import solve_banded, solve_triangular
from gradcheck.autodiff.rules.scipy.linalg.tools import dims, floating, primitive, zeros
from gradcheck.autodiff.rules.scipy.registry import original

# -- Cholesky --------------------------------------------------------------------------------------------------------


def _cholesky_jvp(t: Any, y: Any, _a: Any, *, lower: bool) -> Any:
    """I. Murray, *Differentiation of the Cholesky decomposition*, arXiv:1602.07527, 2016, section 3."""
    low = y if lower else adjoint(y)
    inner = np.linalg.solve(low, mirrored(t, lower))
    inner = np.linalg.solve(low, adjoint(inner))  # L⁻¹ dA L⁻ᴴ, Hermitian
    d = times(low, half_low(inner))
    return d if lower else adjoint(d)


CHOLESKY = primitive(
    "scipy.linalg.cholesky", lambda a, *, lower: original(la, "cholesky")(a, lower=lower), [_cholesky_jvp]
)


def cholesky(a: Any, lower: bool = False, overwrite_a: bool = False, check_finite: bool = True) -> Any:
    """``scipy.linalg.cholesky``: a (..., n, n), of which one triangle is read."""
    return CHOLESKY(floating(a), lower=bool(lower))


def cho_factor(a: Any, lower: bool = False, overwrite_a: bool = False, check_finite: bool = True) -> Any:
    """``scipy.linalg.cho_factor``: the other triangle is what SciPy leaves there: a's, or (1.18) zeros."""
    a = floating(a)
    c = CHOLESKY(a, lower=bool(lower))
    triangle = np.tri(shape_of(a)[-1], dtype=bool)
    triangle = triangle if lower else triangle.T
    value = original(la, "cho_factor")(plain(a), lower=lower)[0]
    rest = a if np.array_equal(value[..., ~triangle], plain(a)[..., ~triangle]) else value
    return np.where(triangle, c, rest), lower


def cho_solve(c_and_lower: Any, b: Any, overwrite_b: bool = False, check_finite: bool = True) -> Any:
    """``scipy.linalg.cho_solve``: two triangular systems."""
    c, lower = c_and_lower
    c, lower = floating(c), bool(plain(lower))
    x = solve_triangular(c, b, trans=0 if lower else 2, lower=lower)
    return solve_triangular(c, x, trans=2 if lower else 0, lower=lower)


def _dense_from_lower(ab: Any) -> Any:
    """The lower triangular matrix whose diagonals are the rows of ab (the lower form of a band matrix)."""
    count, n = shape_of(ab)
    i, j = np.indices((n, n))
    inside = (i >= j) & (i - j < count)
    return np.where(inside, ab[np.where(inside, i - j, 0), j], 0.0)


def _flipped_bands(ab: Any) -> Any:
    """The lower form of a Hermitian band matrix from the upper one, and back."""
    count, n = shape_of(ab)
    k, j = np.indices((count, n))
    inside = j + k < n
    return np.where(inside, conjugated(ab[count - 1 - k, np.where(inside, j + k, 0)]), 0.0)


def cholesky_banded(ab: Any, overwrite_ab: bool = False, lower: bool = False, check_finite: bool = True) -> Any:
    """``scipy.linalg.cholesky_banded``: ab (u + 1, n); through the full matrix, O(n³)."""
    ab = floating(ab)
    original(la, "cholesky_banded")(plain(ab), lower=lower)  # it refuses what is not definite
    low = ab if lower else _flipped_bands(ab)
    factor = CHOLESKY(_dense_from_lower(low), lower=True)
    count, n = shape_of(ab)
    k, j = np.indices((count, n))
    if lower:
        read, at = j + k < n, (np.minimum(j + k, n - 1), j)
        return np.where(read, factor[at], ab)
    read, at = j - (count - 1 - k) >= 0, (j, np.maximum(j - (count - 1 - k), 0))
    return np.where(read, conjugated(factor[at]), ab)


def cho_solve_banded(cb_and_lower: Any, b: Any, overwrite_b: bool = False, check_finite: bool = True) -> Any:
    """``scipy.linalg.cho_solve_banded``: two triangular band systems."""
    cb, lower = cb_and_lower
    cb, lower = floating(cb), bool(plain(lower))
    low = cb if lower else _flipped_bands(cb)
    up = _upper_bands(cb) if lower else cb
    count = shape_of(cb)[0] - 1
    return solve_banded((0, count), up, solve_banded((count, 0), low, b))


def _upper_bands(low: Any) -> Any:
    """The upper form of the conjugate transpose of a lower band matrix."""
    count, n = shape_of(low)
    k, j = np.indices((count, n))
    offset = count - 1 - k
    inside = j - offset >= 0
    return np.where(inside, conjugated(low[offset, np.where(inside, j - offset, 0)]), 0.0)


# -- LU --------------------------------------------------------------------------------------------------------------


def _unit_lower(x: Any, k: int) -> Any:
    m = shape_of(x)[-2]
    return np.tril(x[..., :, :k], -1) + identity(x, m, k)


def _lu_jvp(t: Any, y: Any, _a: Any, *, order: Any) -> Any:
    """With M = PᵀA = LU: L⁻¹ dM U⁻¹ = L⁻¹ dL + dU U⁻¹, a strictly lower and an upper triangle (S. Walter & L. Lehmann,
    *Algorithmic differentiation of linear algebra functions*, arXiv:1001.1654, 2010), with the rows below and the
    columns beside the square block added."""
    m, n = shape_of(y)[-2:]
    k = min(m, n)
    d = _permuted(t, order)
    low, up = _unit_lower(y, k), np.triu(y[..., :k, :])
    low1, up1 = low[..., :k, :], up[..., :, :k]
    inner = _right(np.linalg.solve(low1, d[..., :k, :k]), up1)
    dlow1, dup1 = times(low1, np.tril(inner, -1)), times(np.triu(inner), up1)
    if m > n:
        below = _right(d[..., k:, :] - times(low[..., k:, :], dup1), up1)
        return np.concatenate([dlow1 + dup1, below], axis=-2)
    if n > m:
        beside = np.linalg.solve(low1, d[..., :, k:] - times(dlow1, up[..., :, k:]))
        return np.concatenate([dlow1 + dup1, beside], axis=-1)
    return dlow1 + dup1


def _right(x: Any, u: Any) -> Any:
    """x·u⁻¹"""
    return transposed(np.linalg.solve(transposed(u), transposed(x)))


def _permuted(a: Any, order: Any) -> Any:
    """The rows of each matrix in the given order (..., m)."""
    if np.ndim(order) == 1:
        return a[..., order, :]
    return np.take_along_axis(a, order[..., None], axis=-2)


def _packed(a: Any, *, order: Any) -> Any:
    _, low, up = original(la, "lu")(a)
    m, n = np.shape(a)[-2:]
    k = min(m, n)
    y = np.zeros(np.shape(a), low.dtype)
    y[..., :k, :] += up
    y[..., :, :k] += np.tril(low, -1)
    return y


# Both factors in one array, as LAPACK leaves them.
LU = primitive("scipy.linalg.lu", _packed, [_lu_jvp])


def _order(a: Any) -> Any:
    """Which row of a comes first, second, ... in L·U."""
    return np.argsort(original(la, "lu")(plain(a), p_indices=True)[0], axis=-1)


def lu(a: Any, permute_l: bool = False, overwrite_a: bool = False, check_finite: bool = True,
       p_indices: bool = False) -> Any:  # fmt: skip
    """``scipy.linalg.lu``: a (..., m, n)."""
    a = floating(a)
    k = min(shape_of(a)[-2:])
    y = LU(a, order=_order(a))
    low, up = _unit_lower(y, k), np.triu(y[..., :k, :])
    p = original(la, "lu")(plain(a), p_indices=p_indices)[0]
    return (times(p, low), up) if permute_l and not p_indices else (p, low, up)


def lu_factor(a: Any, overwrite_a: bool = False, check_finite: bool = True) -> Any:
    """``scipy.linalg.lu_factor``: a (..., m, n); the pivots are plain."""
    a = floating(a)
    pivots = original(la, "lu_factor")(plain(a))[1]
    return LU(a, order=_order(a)), pivots


def lu_solve(lu_and_piv: Any, b: Any, trans: int = 0, overwrite_b: bool = False, check_finite: bool = True) -> Any:
    """``scipy.linalg.lu_solve``: two triangular systems and a permutation."""
    factors, pivots = lu_and_piv
    factors, b, pivots = floating(factors), floating(b), np.asarray(plain(pivots))
    if dims(factors) > 2 or dims(b) > 2:
        raise unsupported("scipy.linalg.lu_solve of a stack of matrices", "loop over the first axis")
    order = np.arange(shape_of(b)[0])
    for i, p in enumerate(pivots):
        order[[i, p]] = order[[p, i]]
    if trans == 0:
        y = solve_triangular(factors, b[order], lower=True, unit_diagonal=True)
        return solve_triangular(factors, y)
    y = solve_triangular(factors, b, trans=trans)
    y = solve_triangular(factors, y, trans=trans, lower=True, unit_diagonal=True)
    return y[np.argsort(order)]


# -- LDLᵀ ------------------------------------------------------------------------------------------------------------


def _ldl_jvp(t: Any, y: Any, _a: Any, *, lower: bool, hermitian_: bool, order: Any) -> Any:
    """A = L·D·Lᴴ with D of blocks of one or two; with X = L⁻¹ dL, which is outside of the blocks, L⁻¹ dA L⁻ᴴ =
    X D + dD + D Xᴴ."""
    factor, d = y
    across = adjoint if hermitian_ else transposed
    strict = np.tril(t, -1) if lower else np.triu(t, 1)
    middle = np.real(t) if hermitian_ else t
    full = strict + across(strict) + middle * identity_like(t)
    low = factor[order]
    inner = np.linalg.solve(low, full[order][:, order])
    inner = across(np.linalg.solve(low, across(inner)))
    n = shape_of(d)[-1]
    block = np.eye(n, dtype=bool)
    off = np.flatnonzero(np.diagonal(plain(d), -1))
    block[off + 1, off] = block[off, off + 1] = True
    outside = (np.tri(n, dtype=bool) if lower else np.tri(n, dtype=bool).T) & ~block
    x = _right(np.where(outside, inner, 0.0), d)
    # Columns and rows of x within one block pair with d^-1's block: nothing inside of a block is left over.
    x = np.where(outside, x, 0.0)
    return times(low, x)[np.argsort(order)], np.where(block, inner, 0.0)


LDL = primitive(
    "scipy.linalg.ldl",
    lambda a, *, lower, hermitian_, order: original(la, "ldl")(a, lower=lower, hermitian=hermitian_)[:2],
    [_ldl_jvp],
    outputs=2,
)


def ldl(
    A: Any, lower: bool = True, hermitian: bool = True, overwrite_a: bool = False, check_finite: bool = True
) -> Any:
    """``scipy.linalg.ldl``: A (n, n), of which one triangle is read; the permutation is plain."""
    a = floating(A)
    if dims(a) > 2:
        raise unsupported("scipy.linalg.ldl of a stack of matrices", "loop over the first axis")
    order = original(la, "ldl")(plain(a), lower=lower, hermitian=hermitian)[2]
    factor, d = LDL(a, lower=bool(lower), hermitian_=bool(hermitian) or not is_complex(a), order=order)
    return factor, d, order


# -- QR --------------------------------------------------------------------------------------------------------------


def _qr_jvp(t: Any, y: Any, _a: Any) -> Any:
    """With X = Qᴴ dA R⁻¹: dQ = (1 − QQᴴ) dA R⁻¹ + Q Ω, where Ω is the skew-Hermitian matrix with X's strictly lower
    triangle, and dR = (X − Ω) R; LAPACK's R has a real diagonal (S. Walter & L. Lehmann, 2010, as above)."""
    q, r = y
    scaled = _right(t, r)
    x = times(adjoint(q), scaled)
    strict = np.tril(x, -1)
    omega = strict - adjoint(strict)
    if is_complex(x):
        omega = omega + 1j * np.imag(x) * identity_like(x)
    return scaled - times(q, x - omega), np.triu(times(x - omega, r))


QR = primitive("scipy.linalg.qr", lambda a: tuple(original(la, "qr")(a, mode="economic")), [_qr_jvp], outputs=2)


def _no_pivot(a: Any) -> Any:
    """L·U without exchanging rows, both factors in one array."""
    y = np.array(a)
    for k in range(y.shape[-1] - 1):
        y[k + 1 :, k] /= y[k, k]
        y[k + 1 :, k + 1 :] -= np.outer(y[k + 1 :, k], y[k, k + 1 :])
    return y


ELIMINATION = primitive("elimination", _no_pivot, [lambda t, y, a: _lu_jvp(t, y, a, order=np.arange(shape_of(a)[-2]))])


def _completed(q1: Any) -> Any:
    """The other columns that Householder's reflections give to an orthonormal basis q1 (m, n).

    Q = 1 − V·T·Vᴴ with V unit lower trapezoidal and T upper triangular, so that E₁ − Q₁ = V·(T·V₁ᴴ) is an elimination
    without pivots: V and T are functions of Q₁ (G. Ballard et al., *Reconstructing Householder vectors from
    tall-skinny QR*, J. Parallel Distrib. Comput. 85, 3, 2015).
    """
    m, n = shape_of(q1)
    difference = identity(q1, m, n) - q1
    packed = ELIMINATION(difference[:n])
    up = np.triu(packed)
    v1 = np.tril(packed, -1) + identity(q1, n)
    v2 = _right(difference[n:], up)
    middle = _right(up, adjoint(v1))
    v = np.concatenate([v1, v2], axis=0)
    return identity(q1, m)[:, n:] - times(v, middle, adjoint(v2))


def _full_q(q1: Any, value: Any) -> Any:
    """All of Q, whose value is known, from its first columns."""
    m, n = shape_of(q1)
    if m == n:
        return q1
    rest = _completed(q1) if n else identity(q1, m)
    if not np.allclose(plain(rest), value[:, n:], rtol=0.0, atol=np.sqrt(np.finfo(value.dtype).eps)):
        raise unsupported(
            "scipy.linalg.qr with mode='full' of this matrix: its extra columns are not determined by the first ones",
            "pass mode='economic'",
        )
    return np.concatenate([q1, rest], axis=1)


def qr(a: Any, overwrite_a: bool = False, lwork: Any = None, mode: str = "full", pivoting: bool = False,
       check_finite: bool = True) -> Any:  # fmt: skip
    """``scipy.linalg.qr``: a (m, n) of full rank; mode 'full', 'r' or 'economic'; the permutation is plain."""
    a = floating(a)
    if mode == "raw" or dims(a) > 2:
        raise unsupported(f"scipy.linalg.qr with mode={mode!r} of traced values" if mode == "raw" else
                          "scipy.linalg.qr of a stack of matrices", "pass mode='full' or 'economic'")  # fmt: skip
    value = original(la, "qr")(plain(a), mode=mode, pivoting=pivoting)
    order = value[-1] if pivoting else None
    if pivoting:
        a = a[:, order]
    m, n = shape_of(a)
    k = min(m, n)
    q, r = QR(a[:, :k])
    if m < n:
        r = np.concatenate([r, times(adjoint(q), a[:, k:])], axis=1)
    if mode == "full":
        q = _full_q(q, value[0])
    if mode in ("full", "r") and m > n:
        r = np.concatenate([r, zeros(r, m - n, n)], axis=0)
    parts = (r,) if mode == "r" else (q, r)
    return (*parts, order) if pivoting else parts


def qr_multiply(a: Any, c: Any, mode: str = "right", pivoting: bool = False, conjugate: bool = False,
                overwrite_a: bool = False, overwrite_c: bool = False) -> Any:  # fmt: skip
    """``scipy.linalg.qr_multiply``: a (m, n), c (m,), (k, m) or (m, k); through Q itself."""
    value = original(la, "qr_multiply")(*plain_tree((a, c, mode, pivoting, conjugate)))
    q, r, *order = qr(a, mode="economic", pivoting=pivoting)
    c = floating(c)
    if conjugate:
        q = np.conjugate(q)
    if mode == "left":
        y = times(q, c[: shape_of(q)[1]])
    else:
        y = times(c, q)
    if shape_of(y) != value[0].shape or not np.allclose(plain(y), value[0], atol=1e-10):
        raise unsupported("scipy.linalg.qr_multiply with this shape of c", "multiply by the Q of scipy.linalg.qr")
    return (y, r, *order)


def rq(a: Any, overwrite_a: bool = False, lwork: Any = None, mode: str = "full", check_finite: bool = True) -> Any:
    """``scipy.linalg.rq``: a (m, n); by QR of the matrix with its rows reversed, conjugated and transposed."""
    a = floating(a)
    if dims(a) > 2:
        raise unsupported("scipy.linalg.rq of a stack of matrices", "loop over the first axis")
    m, n = shape_of(a)
    if mode == "full" and m < n:
        raise unsupported(
            "scipy.linalg.rq with mode='full' of a matrix with more columns than rows",
            "the extra rows of Q are not determined; pass mode='economic'",
        )
    value = original(la, "rq")(plain(a), mode=mode)
    r_value = value if mode == "r" else value[0]
    k = min(m, n)
    q0, r0 = QR(adjoint(a[m - k :][::-1]))
    q, r = adjoint(q0)[::-1], adjoint(r0)[::-1, ::-1]
    if m > n:
        r = np.concatenate([times(a[: m - k], adjoint(q)), r], axis=0)
    have = np.diagonal(plain(r)[-k:])
    want = np.diagonal(r_value[-k:, -k:])
    sign = np.where(have == 0, 1.0, want / np.where(have == 0, 1.0, have))
    sign = (sign / np.abs(sign)).astype(r_value.dtype)
    r, q = r * sign, np.conjugate(sign)[:, None] * q
    if mode == "r" and m < n:
        r = np.concatenate([zeros(r, m, n - m), r], axis=1)
    return r if mode == "r" else (r, q)
