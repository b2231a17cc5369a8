"""``numpy.linalg``: solve, inv, det, slogdet, cholesky, eigh, svd, qr, pinv and what is composed of them.

All rules work on stacks of matrices as NumPy does, and are written with NumPy functions on the last two axes, so that
they can be differentiated again. Formulas, unless another source is named: M. Giles, *An extended collection of
matrix derivative results for forward and reverse mode algorithmic differentiation*, Oxford NA-08/01, 2008. Where two
eigenvalues or singular values coincide, the eigenvectors have no derivative; terms that would divide by such a gap
are left out, which is exact for functions that do not depend on the choice of the basis.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gradcheck.autodiff.core import Primitive, implements, is_complex, plain, shape_of, unbroadcast
from gradcheck.autodiff.errors import unsupported
from gradcheck.autodiff.rules.reductions import as_traced


def _t(x: Any) -> Any:
    return np.swapaxes(x, -1, -2)


def _h(x: Any) -> Any:
    return np.conjugate(_t(x)) if is_complex(x) else _t(x)


def _eye(x: Any) -> Any:
    return np.eye(shape_of(x)[-1])


def _diag(v: Any) -> Any:
    """A stack of diagonal matrices with the last axis of v on the diagonal."""
    return v[..., None] * np.eye(shape_of(v)[-1])


def _real_only(x: Any, name: str) -> Any:
    if is_complex(x):
        raise unsupported(f"np.linalg.{name} of a complex matrix")
    return x


# -- solving -------------------------------------------------------------------------------------------------------


SOLVE = Primitive(
    lambda a, b: np.linalg.solve(a, b),
    [
        lambda y, a, _b: lambda g: unbroadcast(-np.matmul(np.linalg.solve(_t(a), g), _t(y)), shape_of(a)),
        lambda _y, a, b: lambda g: unbroadcast(np.linalg.solve(_t(a), g), shape_of(b)),
    ],
    [lambda t, y, a, _b: -np.linalg.solve(a, np.matmul(t, y)), lambda t, _y, a, _b: np.linalg.solve(a, t)],
    name="solve",
)


@implements(np.linalg.solve)
def solve(a: Any, b: Any) -> Any:
    a, b = as_traced(a), as_traced(b)
    if len(shape_of(b)) == 1:  # one vector, also for a stack of matrices: anything else is a stack of matrices
        return SOLVE(a, np.reshape(b, (-1, 1)))[..., 0]
    return SOLVE(a, b)


INV = Primitive(
    lambda a: np.linalg.inv(a),
    [lambda y, _a: lambda g: -np.matmul(np.matmul(_t(y), g), _t(y))],
    [lambda t, y, _a: -np.matmul(np.matmul(y, t), y)],
    name="inv",
)


@implements(np.linalg.inv)
def inv(a: Any) -> Any:
    return INV(as_traced(a))


@implements(np.linalg.tensorsolve)
def tensorsolve(a: Any, b: Any, axes: Any = None) -> Any:
    a, b = as_traced(a), as_traced(b)
    if axes is not None:
        order = [i for i in range(len(shape_of(a))) if i not in axes] + list(axes)
        a = np.transpose(a, order)
    tail = shape_of(a)[len(shape_of(b)) :]
    return np.reshape(solve(np.reshape(a, (-1, int(np.prod(tail)))), np.ravel(b)), tail)


@implements(np.linalg.tensorinv)
def tensorinv(a: Any, ind: int = 2) -> Any:
    shape = shape_of(a)
    size = int(np.prod(shape[ind:]))
    return np.reshape(inv(np.reshape(a, (size, -1))), shape[ind:] + shape[:ind])


# -- determinants ----------------------------------------------------------------------------------------------------


def _cofactors(a: Any) -> Any:
    """∂det/∂a, by det·a⁻ᵀ where a is regular and by minors where it is not (for a larger one from the SVD)."""
    value = plain(a)
    n = shape_of(a)[-1]
    singular = np.linalg.cond(value) > 1e13
    if not np.any(singular):
        return np.linalg.det(a)[..., None, None] * _t(np.linalg.inv(a))
    if n <= 5:
        rest = [[k for k in range(n) if k != i] for i in range(n)]
        minors = [[_minor(a, rest[i], rest[j]) * (-1.0) ** (i + j) for j in range(n)] for i in range(n)]
        return np.stack([np.stack(row, axis=-1) for row in minors], axis=-2)
    u, s, vt = np.linalg.svd(a)
    # Products of all singular values but one, without dividing.
    others = [np.prod(np.concatenate([s[..., :i], s[..., i + 1 :]], axis=-1), axis=-1) for i in range(n)]
    sign = np.linalg.det(plain(u)) * np.linalg.det(plain(vt))
    return np.conjugate(sign)[..., None, None] * np.matmul(u * np.stack(others, axis=-1)[..., None, :], vt)


def _minor(a: Any, rows: list[int], columns: list[int]) -> Any:
    return det(a[..., rows, :][..., columns]) if rows else np.ones(shape_of(a)[:-2])


DET = Primitive(
    lambda a: np.linalg.det(a),
    [lambda _y, a: lambda g: np.asarray(g)[..., None, None] * _cofactors(a) if shape_of(a)[-1] else 0.0 * a],
    [lambda t, _y, a: np.sum(_cofactors(a) * t, axis=(-2, -1))],
    name="det",
)


@implements(np.linalg.det)
def det(a: Any) -> Any:
    return DET(as_traced(a))


def _slogdet_vjp(y: Any, a: Any) -> Any:
    def pull(g: Any) -> Any:
        d = np.reshape(g[1], (*shape_of(g[1]), 1, 1)) * _t(np.linalg.inv(a))
        return d

    return pull


SLOGDET = Primitive(
    lambda a: tuple(np.linalg.slogdet(_real_only(a, "slogdet"))),
    [_slogdet_vjp],
    [lambda t, y, a: (np.zeros(shape_of(y[0])), np.sum(_t(np.linalg.inv(a)) * t, axis=(-2, -1)))],
    name="slogdet",
    outputs=2,
)


@implements(np.linalg.slogdet)
def slogdet(a: Any) -> Any:
    sign, logdet = SLOGDET(as_traced(a))
    return type(np.linalg.slogdet(np.eye(1)))(plain(sign), logdet)


# -- factorisations --------------------------------------------------------------------------------------------------


def _low(x: Any) -> Any:
    """The lower triangle with its diagonal halved: the Φ of Murray's Cholesky rule."""
    return np.tril(x) * (1.0 - 0.5 * _eye(x))


def _mirrored(a: Any, triangle: str) -> Any:
    """The symmetric matrix that NumPy takes a for when it reads one triangle only."""
    low = _low(a) if triangle.upper() == "L" else _t(_low(_t(a)))
    return low + _t(low)


def _cholesky_vjp(y: Any, _a: Any) -> Any:
    """I. Murray, *Differentiation of the Cholesky decomposition*, arXiv:1602.07527, 2016, section 3."""

    def pull(g: Any) -> Any:
        phi = _low(np.matmul(_h(y), g))
        middle = np.linalg.solve(_h(y), _h(np.linalg.solve(_h(y), _h(phi))))
        return _low(middle + _h(middle))

    return pull


def _cholesky_jvp(t: Any, y: Any, _a: Any) -> Any:
    middle = np.linalg.solve(y, _h(np.linalg.solve(y, _mirrored(t, "L"))))
    return np.matmul(y, _low(middle))


CHOLESKY = Primitive(
    lambda a: np.linalg.cholesky(_real_only(a, "cholesky")), [_cholesky_vjp], [_cholesky_jvp], name="cholesky"
)


@implements(np.linalg.cholesky)
def cholesky(a: Any, /, *, upper: bool = False) -> Any:
    """NumPy reads one triangle only, and the derivative with respect to the other is 0, as a difference would find."""
    a = as_traced(a)
    return _t(CHOLESKY(_t(a))) if upper else CHOLESKY(a)


def _gaps(w: Any, tolerance: float = 0.0) -> Any:
    """1/(w_j − w_i) off the diagonal, 0 on it and where eigenvalues coincide."""
    d = w[..., None, :] - w[..., :, None]
    size = np.max(np.abs(plain(w)), axis=-1, initial=0.0)[..., None, None]
    equal = np.abs(plain(d)) <= 8 * np.finfo(float).eps * size + tolerance
    return np.where(equal, 0.0, 1.0 / np.where(equal, 1.0, d))


def _eigh_vjp(y: Any, _a: Any, *, UPLO: str) -> Any:
    w, v = y

    def pull(g: Any) -> Any:
        gw, gv = g
        inner = _diag(gw) + _gaps(w) * np.matmul(_t(v), gv)
        d = np.matmul(np.matmul(v, inner), _t(v))
        d = _low(d + _t(d))
        return d if UPLO.upper() == "L" else _t(d)

    return pull


def _eigh_jvp(t: Any, y: Any, _a: Any, *, UPLO: str) -> Any:
    w, v = y
    inner = np.matmul(np.matmul(_t(v), _mirrored(t, UPLO)), v)
    return np.sum(inner * np.eye(shape_of(w)[-1]), axis=-1), np.matmul(v, _gaps(w) * inner)


EIGH = Primitive(
    lambda a, *, UPLO: tuple(np.linalg.eigh(_real_only(a, "eigh"), UPLO)),
    [_eigh_vjp],
    [_eigh_jvp],
    name="eigh",
    outputs=2,
)


@implements(np.linalg.eigh)
def eigh(a: Any, UPLO: str = "L") -> Any:
    w, v = EIGH(as_traced(a), UPLO=UPLO)
    return type(np.linalg.eigh(np.eye(1)))(w, v)


@implements(np.linalg.eigvalsh)
def eigvalsh(a: Any, UPLO: str = "L") -> Any:
    return EIGH(as_traced(a), UPLO=UPLO)[0]


def _svd_jvp(t: Any, y: Any, a: Any) -> Any:
    """J. Townsend, *Differentiating the singular value decomposition*, 2016 (with the full-rank completion terms)."""
    u, s, vt = y
    ds_full = np.matmul(np.matmul(_t(u), t), _t(vt))
    f = _gaps(s * s)
    row, column = s[..., None, :], s[..., :, None]
    du = np.matmul(u, f * (ds_full * row + column * _t(ds_full)))
    dv = np.matmul(_t(vt), f * (column * ds_full + _t(ds_full) * row))
    m, n = shape_of(a)[-2:]
    if m > n:
        rest = np.matmul(t, _t(vt)) / row
        du = du + rest - np.matmul(u, np.matmul(_t(u), rest))
    if n > m:
        rest = np.matmul(_t(t), u) / row
        dv = dv + rest - np.matmul(_t(vt), np.matmul(vt, rest))
    return du, np.sum(ds_full * np.eye(shape_of(s)[-1]), axis=-1), _t(dv)


def _svd_vjp(y: Any, a: Any) -> Any:
    u, s, vt = y
    m, n = shape_of(a)[-2:]

    def pull(g: Any) -> Any:
        gu, gs, gvt = g
        f = _gaps(s * s)
        row, column = s[..., None, :], s[..., :, None]
        ut_gu, vt_gv = np.matmul(_t(u), gu), np.matmul(vt, _t(gvt))
        inner = _diag(gs) + f * (ut_gu - _t(ut_gu)) * row + column * f * (vt_gv - _t(vt_gv))
        d = np.matmul(np.matmul(u, inner), vt)
        if m > n:
            d = d + np.matmul((gu - np.matmul(u, ut_gu)) / row, vt)
        if n > m:
            d = d + np.matmul(u, _t((_t(gvt) - np.matmul(_t(vt), vt_gv)) / row))
        return d

    return pull


SVD = Primitive(
    lambda a: tuple(np.linalg.svd(_real_only(a, "svd"), full_matrices=False)),
    [_svd_vjp],
    [_svd_jvp],
    name="svd",
    outputs=3,
)


@implements(np.linalg.svd)
def svd(a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False) -> Any:
    a = as_traced(a)
    m, n = shape_of(a)[-2:]
    if compute_uv and full_matrices and m != n:
        raise unsupported(
            "np.linalg.svd with full_matrices=True of a matrix that is not square",
            "the extra vectors are not determined; pass full_matrices=False",
        )
    u, s, vt = _svd_by_eigh(a) if hermitian else SVD(a)
    if not compute_uv:
        return s
    return type(np.linalg.svd(np.eye(1)))(u, s, vt)


def _svd_by_eigh(a: Any) -> tuple[Any, Any, Any]:
    """What NumPy does for ``hermitian=True``: the eigenvalues by size, their signs in V."""
    w, v = EIGH(a, UPLO="L")
    order = np.argsort(np.abs(plain(w)), axis=-1)[..., ::-1]
    w = np.take_along_axis(w, order, axis=-1)
    v = np.take_along_axis(v, order[..., None, :], axis=-1)
    return v, np.abs(w), _t(v * np.sign(plain(w))[..., None, :])


@implements(np.linalg.svdvals)
def svdvals(x: Any, /) -> Any:
    return SVD(as_traced(x))[1]


def _qr_vjp(y: Any, a: Any) -> Any:
    """Liao, Liu, Wang, Xiang, *Differentiable programming tensor networks*, Phys. Rev. X 9, 031041, 2019, eq. 5."""
    q, r = y

    def pull(g: Any) -> Any:
        gq, gr = g
        m = np.matmul(r, _t(gr)) - np.matmul(_t(gq), q)
        symmetric = np.tril(m, -1)
        middle = gq + np.matmul(q, symmetric + _t(symmetric) + m * _eye(m))
        return _t(np.linalg.solve(r, _t(middle)))

    return pull


QR = Primitive(lambda a: tuple(np.linalg.qr(_real_only(a, "qr"))), [_qr_vjp], None, name="qr", outputs=2)


@implements(np.linalg.qr)
def qr(a: Any, mode: str = "reduced") -> Any:
    a = as_traced(a)
    m, n = shape_of(a)[-2:]
    if mode not in ("reduced", "r") and not (mode == "complete" and m == n):
        raise unsupported(f"np.linalg.qr with mode={mode!r}")
    if m < n:  # R = [R₁, QᵀA₂]: the factorisation of the square left part decides Q
        q, r1 = QR(a[..., :m])
        r = np.concatenate([r1, np.matmul(_t(q), a[..., m:])], axis=-1)
    else:
        q, r = QR(a)
    return r if mode == "r" else type(np.linalg.qr(np.eye(1)))(q, r)


def _pinv_jvp(t: Any, y: Any, a: Any, **_static: Any) -> Any:
    """G. Golub & V. Pereyra, SIAM J. Numer. Anal. 10, 413, 1973, eq. 4.12 (constant rank)."""
    p, th = y, _t(t)
    left = np.matmul(np.matmul(p, _t(p)), np.matmul(th, np.eye(shape_of(a)[-2]) - np.matmul(a, p)))
    right = np.matmul(np.matmul(np.eye(shape_of(a)[-1]) - np.matmul(p, a), th), np.matmul(_t(p), p))
    return -np.matmul(np.matmul(p, t), p) + left + right


def _pinv_vjp(y: Any, a: Any, **_static: Any) -> Any:
    def pull(g: Any) -> Any:
        p, pt, gt = y, _t(y), _t(g)
        left = np.matmul(np.matmul(np.eye(shape_of(a)[-2]) - np.matmul(a, p), gt), np.matmul(p, pt))
        right = np.matmul(np.matmul(pt, p), np.matmul(gt, np.eye(shape_of(a)[-1]) - np.matmul(p, a)))
        return -np.matmul(np.matmul(pt, g), pt) + left + right

    return pull


PINV = Primitive(
    lambda a, **static: np.linalg.pinv(_real_only(a, "pinv"), **static), [_pinv_vjp], [_pinv_jvp], name="pinv"
)


@implements(np.linalg.pinv)
def pinv(a: Any, rcond: Any = None, hermitian: bool = False, *, rtol: Any = np._NoValue) -> Any:
    a = as_traced(a)
    static: dict[str, Any] = {}
    if hermitian:
        a = np.tril(a) + _t(np.tril(a, -1))
    if rcond is not None:
        static["rcond"] = plain(rcond)
    if rtol is not np._NoValue:
        static["rtol"] = plain(rtol)
    return PINV(a, **static)


@implements(np.linalg.lstsq)
def lstsq(a: Any, b: Any, rcond: Any = None) -> Any:
    """Solution and residuals through the pseudo-inverse (constant rank); rank and singular values as NumPy's."""
    a, b = as_traced(a), as_traced(b)
    _, residuals, rank, s = np.linalg.lstsq(plain(a), plain(b), rcond)
    # lstsq's own bound for what counts as a singular value of 0
    eps = float(np.finfo(plain(a).dtype).eps)
    bound = eps * max(shape_of(a)) if rcond is None else eps if rcond == -1 else rcond
    x = np.matmul(pinv(a, bound), b)
    if residuals.size:
        d = b - np.matmul(a, x)
        residuals = np.sum(d * d, axis=0, keepdims=len(shape_of(b)) == 1)
    return x, residuals, rank, s


@implements(np.linalg.cond)
def cond(x: Any, p: Any = None) -> Any:
    if p is None or p in (2, -2):
        s = SVD(as_traced(x))[1]
        return s[..., -1] / s[..., 0] if p == -2 else s[..., 0] / s[..., -1]
    return np.linalg.norm(x, p, axis=(-2, -1)) * np.linalg.norm(inv(x), p, axis=(-2, -1))
