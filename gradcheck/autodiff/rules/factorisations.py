"""Factorisations of matrices: ``cholesky``, ``qr``, ``svd``, ``svdvals``.

Written with NumPy functions on the last two axes, so that they can be differentiated again, for real and complex
matrices. Where a factor is not determined by the matrix (the extra columns of a full ``svd`` or a complete ``qr``,
vectors of equal singular values), its derivative is that of the smallest turn, and nan or an error where something
depends on more than that.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gradcheck.autodiff.core import TRACED, Primitive, implements, is_complex, plain, shape_of
from gradcheck.autodiff.errors import unsupported
from gradcheck.autodiff.rules.eigen import EIGH, has_phase, phased
from gradcheck.autodiff.rules.matrices import (
    adjoint,
    diagonal_matrix,
    diagonal_of,
    half_low,
    hermitian_pull,
    identity_like,
    mirrored,
    over_gaps,
    real_of,
    times,
)
from gradcheck.autodiff.rules.reductions import as_traced

# -- Cholesky ---------------------------------------------------------------------------------------------------------


def _cholesky_vjp(y: Any, _a: Any) -> Any:
    """I. Murray, *Differentiation of the Cholesky decomposition*, arXiv:1602.07527, 2016, section 3."""

    def pull(g: Any) -> Any:
        if type(g) is np.ndarray and type(y) is np.ndarray and y.ndim == 2 and g.dtype.char == y.dtype.char == "d":
            return _cholesky_back(y, g)
        phi = half_low(np.matmul(adjoint(y), g))
        middle = np.linalg.solve(adjoint(y), adjoint(np.linalg.solve(adjoint(y), adjoint(phi))))
        return half_low(middle + adjoint(middle))

    return hermitian_pull(pull)


def _cholesky_back(y: Any, g: Any) -> Any:
    """The same for one plain matrix, at a tenth of the time of a general solver: with P the symmetric matrix that has
    the lower triangle of LᵀG, the cotangent is the lower triangle of L⁻ᵀPL⁻¹ with half its diagonal.

    LAPACK has the congruence of a symmetric matrix with the inverse of a lower triangle on its left (``sygst``, for
    generalised eigenvalue problems), at half the work of two solves with a triangle. Ours stands transposed there:
    with rows and columns in reverse order it does not.
    """
    from scipy.linalg.blas import dtrmm
    from scipy.linalg.lapack import dsygst

    product = dtrmm(1.0, y.T, g.T, side=1, trans_a=1).T
    reverse = (slice(None, None, -1),) * 2
    triangle = np.asfortranarray(product.T[reverse])
    congruent, info = dsygst(triangle, np.asfortranarray(y.T[reverse]), itype=1, lower=1, overwrite_a=1)
    assert info == 0, info
    return half_low(congruent[reverse].T)


def _cholesky_jvp(t: Any, y: Any, _a: Any) -> Any:
    middle = np.linalg.solve(y, adjoint(np.linalg.solve(y, mirrored(t, True))))
    return np.matmul(y, half_low(middle))


CHOLESKY = Primitive(lambda a: np.linalg.cholesky(a), [_cholesky_vjp], [_cholesky_jvp], name="cholesky")


@implements(np.linalg.cholesky)
def cholesky(a: Any, /, *, upper: bool = False) -> Any:
    """NumPy reads one triangle only, and the derivative with respect to the other is 0, as a difference would find."""
    a = as_traced(a)
    return adjoint(CHOLESKY(adjoint(a))) if upper else CHOLESKY(a)


# -- columns that complete a basis ------------------------------------------------------------------------------------


def _complement_vjp(_y: Any, a: Any, *, extra: Any) -> Any:
    columns = extra.shape[-1]

    def pull(g: Any) -> Any:
        if not np.any(plain(g)):
            return np.zeros(shape_of(a), plain(a).dtype)
        inner = np.matmul(adjoint(extra), plain(g))
        free = inner - adjoint(inner)
        turns = np.max(np.abs(free), initial=0.0) > 1e-9 * np.max(np.abs(inner), initial=0.0)
        if turns and (columns > 1 or is_complex(extra)):
            raise unsupported(
                "the result depends on which basis completes the columns of a factorisation, which the matrix does not "
                "determine",
                "pass full_matrices=False to svd, mode='reduced' to qr",
            )
        return -times(_y, adjoint(g), adjoint(np.linalg.pinv(a)))

    return hermitian_pull(pull)


def _complement_jvp(t: Any, y: Any, a: Any, *, extra: Any) -> Any:
    turn = -times(adjoint(np.linalg.pinv(a)), adjoint(t), y)
    # More than one column, or a complex one: forward mode cannot see whether what is made of them is determined.
    return turn if extra.shape[-1] == 1 and not is_complex(extra) else turn * np.nan


def _complement(a: Any, *, extra: Any) -> Any:
    return COMPLEMENT(a, extra=extra) if type(a) in TRACED else extra


# a of full column rank, and columns (found by LAPACK) that complete its range: they stay orthogonal to it.
COMPLEMENT = Primitive(_complement, [_complement_vjp], [_complement_jvp], name="complement")


# -- singular values --------------------------------------------------------------------------------------------------


def _svd_jvp(t: Any, y: Any, a: Any) -> Any:
    """J. Townsend, *Differentiating the singular value decomposition*, 2016, with the full-rank completion terms; for
    complex matrices Z.-Q. Wan & S.-X. Zhang, *Automatic differentiation for complex valued SVD*, arXiv:1909.02659."""
    u, s, vh = y
    v = adjoint(vh)
    p = times(adjoint(u), t, v)
    row, column = s[..., None, :], s[..., :, None]
    du = np.matmul(u, over_gaps(p * row + column * adjoint(p), s * s, p))
    dv = np.matmul(v, over_gaps(column * p + adjoint(p) * row, s * s, p))
    if is_complex(p):
        du = du + u * (1j * np.imag(diagonal_of(p)) / s)[..., None, :]
    m, n = shape_of(a)[-2:]
    if m > n:
        rest = np.matmul(t, v) / row
        du = du + rest - times(u, adjoint(u), rest)
    if n > m:
        rest = np.matmul(adjoint(t), u) / row
        dv = dv + rest - times(v, vh, rest)
    return du, real_of(diagonal_of(p)), adjoint(dv)


def _svd_vjp(y: Any, a: Any) -> Any:
    u, s, vh = y
    m, n = shape_of(a)[-2:]

    def pull(g: Any) -> Any:
        gu, gs, gvh = g
        d = times(u, diagonal_matrix(gs), vh)
        row, column = s[..., None, :], s[..., :, None]
        if np.any(plain(gu)):
            x = np.matmul(adjoint(u), gu)
            turn = over_gaps(x, s * s)
            inner = (turn + adjoint(turn)) * row
            if is_complex(x):
                inner = inner + diagonal_matrix(1j * np.imag(diagonal_of(x)) / s)
            d = d + times(u, inner, vh)
            if m > n:
                d = d + np.matmul((gu - np.matmul(u, x)) / row, vh)
        if np.any(plain(gvh)):
            gv = adjoint(gvh)
            x = np.matmul(vh, gv)
            turn = over_gaps(x, s * s)
            d = d + times(u, column * (turn + adjoint(turn)), vh)
            if n > m:
                d = d + np.matmul(u, adjoint((gv - np.matmul(adjoint(vh), x)) / row))
        return d

    return hermitian_pull(pull)


SVD = Primitive(lambda a: tuple(np.linalg.svd(a, full_matrices=False)), [_svd_vjp], [_svd_jvp], name="svd", outputs=3)


def _reduced_svd(a: Any) -> tuple[Any, Any, Any]:
    u, s, vh = SVD(a)
    if not is_complex(u) or type(u) not in TRACED:
        return u, s, vh
    # The pair (u, v) turns by one phase; LAPACK makes a component of one of the two real.
    v = adjoint(vh)
    if has_phase(v):
        v, u = phased(v, u)
    else:
        u, v = phased(u, v)
    return u, s, adjoint(v)


@implements(np.linalg.svd)
def svd(a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False) -> Any:
    """Singular values and vectors. With ``full_matrices`` the columns beyond the smaller side are followed as far as
    the matrix determines them: as a space, and one real column also by itself."""
    a = as_traced(a)
    m, n = shape_of(a)[-2:]
    if hermitian:
        u, s, vh = _svd_by_eigh(a)
    elif not compute_uv:
        return SVD(a)[1]
    else:
        u, s, vh = _reduced_svd(a)
    if not compute_uv:
        return s
    if full_matrices and m != n:
        full_u, _, full_vh = np.linalg.svd(plain(a))
        if m > n:
            extra = _completed(a, u, full_u)
            u = np.concatenate([u, extra], axis=-1)
        else:
            extra = _completed(adjoint(a), adjoint(vh), adjoint(full_vh))
            vh = np.concatenate([vh, adjoint(extra)], axis=-2)
    return type(np.linalg.svd(np.eye(1)))(u, s, vh)


def _completed(a: Any, basis: Any, full: Any) -> Any:
    """The columns of ``full`` behind those of the basis."""
    return COMPLEMENT(a, extra=full[..., shape_of(basis)[-1] :])


def _svd_by_eigh(a: Any) -> tuple[Any, Any, Any]:
    """What NumPy does for ``hermitian=True``: the eigenvalues by size, their signs in V."""
    w, v = EIGH(a, UPLO="L")
    v = phased(v) if is_complex(v) and type(v) in TRACED else v
    order = np.argsort(np.abs(plain(w)), axis=-1)[..., ::-1]
    w = np.take_along_axis(w, order, axis=-1)
    v = np.take_along_axis(v, order[..., None, :], axis=-1)
    return v, np.abs(w), adjoint(v * np.sign(plain(w))[..., None, :])


@implements(np.linalg.svdvals)
def svdvals(x: Any, /) -> Any:
    return SVD(as_traced(x))[1]


# -- QR ---------------------------------------------------------------------------------------------------------------


def _qr_vjp(y: Any, a: Any) -> Any:
    """M. Seeger et al., *Auto-differentiating linear algebra*, arXiv:1710.08717, 2017; the diagonal of R is real."""
    q, r = y

    def pull(g: Any) -> Any:
        gq, gr = g
        upper = np.triu(np.matmul(gr, adjoint(r)) - np.matmul(adjoint(q), gq))
        both = (upper + adjoint(upper)) * (1.0 - 0.5 * identity_like(upper))
        middle = gq + np.matmul(q, both)
        return adjoint(np.linalg.solve(r, adjoint(middle)))

    return hermitian_pull(pull)


def _qr_jvp(t: Any, y: Any, a: Any) -> Any:
    q, r = y
    x = adjoint(np.linalg.solve(adjoint(r), adjoint(t)))  # dA·R⁻¹
    inner = np.matmul(adjoint(q), x)
    low = np.tril(inner, -1)
    turn = low - adjoint(low)
    if is_complex(inner):
        turn = turn + diagonal_matrix(1j * np.imag(diagonal_of(inner)))
    rise = inner - turn
    return x - np.matmul(q, rise), np.matmul(rise, r)


QR = Primitive(lambda a: tuple(np.linalg.qr(a)), [_qr_vjp], [_qr_jvp], name="qr", outputs=2)


@implements(np.linalg.qr)
def qr(a: Any, mode: str = "reduced") -> Any:
    """``reduced``, ``r`` and ``complete``; the columns that complete Q are followed as :func:`svd` follows its own."""
    a = as_traced(a)
    m, n = shape_of(a)[-2:]
    if mode not in ("reduced", "r", "complete"):
        raise unsupported(f"np.linalg.qr with mode={mode!r} of a traced value", "use mode='reduced'")
    if m < n:  # R = [R₁, QᴴA₂]: the factorisation of the square left part decides Q
        q, r1 = QR(a[..., :m])
        r = np.concatenate([r1, np.matmul(adjoint(q), a[..., m:])], axis=-1)
    else:
        q, r = QR(a)
    if mode == "r":
        return r
    if mode == "complete" and m > n:
        full, _ = np.linalg.qr(plain(a), mode="complete")
        q = np.concatenate([q, _completed(a, q, full)], axis=-1)
        r = np.concatenate([r, np.zeros((*shape_of(a)[:-2], m - n, n), plain(r).dtype)], axis=-2)
    return type(np.linalg.qr(np.eye(1)))(q, r)
