"""Singular values of ``scipy.linalg`` and what is composed of them: polar factors, spaces, angles between spaces.

Signs and phases are treated as in ``spectra.py``. Where singular values coincide, u and v turn within their space, by
the same turn, which no derivative tells: what does not depend on it (u·vh, projections) is exact, the rest nan. A
function u·f(s)·vh does not depend on it either, but lacks a term with f'(s) all the same: nan, if anything depends on
both the vectors and the values of one such space.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg as la

from gradcheck.autodiff.core import Primitive, is_complex, plain, shape_of
from gradcheck.autodiff.errors import unsupported
from gradcheck.autodiff.forward import other_choice
from gradcheck.autodiff.rules.matrices import adjoint, conjugated, diagonal_of, times, transposed
from gradcheck.autodiff.rules.scipy.linalg.spectra import PHASES, coincide, inverse_gaps, real_row
from gradcheck.autodiff.rules.scipy.linalg.tools import dims, floating, primitive, pulled
from gradcheck.autodiff.rules.scipy.registry import original

# -- singular values -------------------------------------------------------------------------------------------------


def _svd_jvp(t: Any, y: Any, a: Any, **_static: Any) -> Any:
    """With P = Uᴴ dA V, H its Hermitian and K its skew part: Uᴴ dU has H_ij/(s_j − s_i) + K_ij/(s_j + s_i), Vᴴ dV the
    same with the other sign in front of K. The first term alone depends on the basis where two values coincide: there
    it is taken for 0, and whether anything depends on it is looked at by :func:`_turns` and :func:`_value`."""
    u, s, vh = y
    v = adjoint(vh)
    p = times(adjoint(u), t, v)
    ds = np.real(diagonal_of(p))
    ph = adjoint(p)
    turn = 0.5 * (p + ph) * inverse_gaps(s, s)
    total = s[..., None, :] + s[..., :, None]
    zero = plain(total) == 0
    skew = np.where(zero, 0.0, 0.5 * (p - ph) / np.where(zero, 1.0, total))
    du, dv = times(u, turn + skew), times(v, turn - skew)
    m, n = shape_of(a)[-2:]
    if m > n:
        rest = times(t, v) / s[..., None, :]
        du = du + rest - times(u, adjoint(u), rest)
    if n > m:
        rest = times(adjoint(t), u) / s[..., None, :]
        dv = dv + rest - times(v, vh, rest)
    if is_complex(u):
        du, dv = _pinned(du, dv, u, v)
    return du, ds, adjoint(dv)


def _pinned(du: Any, dv: Any, u: Any, v: Any) -> tuple[Any, Any]:
    """The tangents of u and v turned by one phase a pair, so that the row that LAPACK has made real stays real."""
    for d, x, other, y in ((dv, v, du, u), (du, u, dv, v)):
        row = real_row(x)
        if row is not None:
            turn = np.imag(d[..., row, :]) / np.real(x[..., row, :])
            d, other = d - 1j * x * turn[..., None, :], other - 1j * y * turn[..., None, :]
            return (other, d) if x is v else (d, other)
    return du, dv


def _twins(s: Any) -> Any:
    """Which pairs of singular values coincide: (..., n, n), False on the diagonal."""
    return coincide(s, s) & ~np.eye(shape_of(s)[-1], dtype=bool)


def _value(a: Any, *, driver: str) -> Any:
    """SciPy's decomposition. Where singular values coincide it is one of many: in the second run of forward mode
    another one, with the vectors turned within their spaces."""
    u, s, vh = original(la, "svd")(a, full_matrices=False, lapack_driver=driver)
    if not np.any(_twins(s)) or not other_choice():
        return u, s, vh
    rng = np.random.default_rng(0)
    left, right = (np.linalg.qr(rng.normal(size=s.shape[-1:] * 2) * coincide(s, s))[0] for _ in "uv")
    right = np.where(_null(s)[..., None, :], right, left)
    return (u @ left).astype(u.dtype), s, (transposed(right) @ vh).astype(vh.dtype)


def _null(s: Any) -> Any:
    return s <= 64 * np.finfo(s.dtype).eps * np.max(s, axis=-1, keepdims=True, initial=0.0)


def _used(g: Any) -> Any:
    """What anything depends on: in a careful sweep an element that nobody has read has the cotangent −0."""
    g = plain(g)
    dead = np.signbit(g.real) & (g == 0)
    return ~dead


def _turns(y: Any, g: Any) -> bool:
    """Whether something depends on a turn within the space of coinciding singular values, or on both vectors and
    values of such a space."""
    u, s, vh = (plain(e) for e in y)
    twins = _twins(s)
    if not np.any(twins):
        return False
    gu, gs, gvh = (plain(e) for e in g)
    vectors = np.any(_used(gu), axis=-2) | np.any(_used(gvh), axis=-1)
    values = _used(gs)
    if np.any(twins & (values[..., :, None] & vectors[..., None, :])):
        return True
    left, right = times(transposed(u), gu), times(gvh, transposed(vh))
    size = 1e-9 * max(np.max(np.abs(left)), np.max(np.abs(right)))
    w = left - right
    # Spaces of the value 0 turn each for itself.
    own = np.where(_null(s)[..., None], np.abs(left) + np.abs(right), np.abs(w - adjoint(w)))
    return bool(np.any(twins & (own > size)))


def _svd_vjp(y: Any, a: Any, **static: Any) -> Any:
    def pull(g: Any) -> Any:
        d = pulled(lambda t: _svd_jvp(t, y, a, **static), a, g)
        return d * np.nan if _turns(y, g) else d

    return pull


SVD = primitive("scipy.linalg.svd", _value, [_svd_jvp], [_svd_vjp], outputs=3)


def svd(a: Any, full_matrices: bool = True, compute_uv: bool = True, overwrite_a: bool = False,
        check_finite: bool = True, lapack_driver: str = "gesdd") -> Any:  # fmt: skip
    """``scipy.linalg.svd``: a (..., m, n). With ``full_matrices`` one extra vector of a real matrix is determined (up
    to its sign); more of them are refused."""
    a = floating(a)
    m, n = shape_of(a)[-2:]
    u, s, vh = SVD(a, driver=lapack_driver)
    if not compute_uv:
        return s
    if is_complex(u) and real_row(u) is None and real_row(adjoint(vh)) is None:
        raise unsupported("scipy.linalg.svd: " + PHASES.format("singular vectors"), "pass compute_uv=False")
    if not full_matrices or m == n:
        return u, s, vh
    if abs(m - n) > 1 or is_complex(a) or dims(a) > 2:
        raise unsupported(
            "scipy.linalg.svd with full_matrices=True of a matrix that is not square",
            "the extra vectors are not determined; pass full_matrices=False",
        )
    full_u, _, full_vh = original(la, "svd")(plain(a), lapack_driver=lapack_driver)
    if m > n:
        return np.concatenate([u, COMPLEMENT(u, value=full_u[:, -1:])], axis=1), s, vh
    extra = COMPLEMENT(transposed(vh), value=full_vh[-1:].T)
    return u, s, np.concatenate([vh, transposed(extra)], axis=0)


def _complement_jvp(t: Any, y: Any, u: Any, *, value: Any) -> Any:
    """From UᵀX = 0 and XᵀX = 1, of one vector X beside the columns of U."""
    return -times(u, adjoint(t), y)


# The one vector that is orthogonal to all columns of a basis of one dimension less.
COMPLEMENT = primitive("complement", lambda u, *, value: value, [_complement_jvp])


def svdvals(a: Any, overwrite_a: bool = False, check_finite: bool = True) -> Any:
    """``scipy.linalg.svdvals``: a (..., m, n)."""
    return SVD(floating(a), driver="gesdd")[1]


def _balanced(p: Any, c: Any) -> Any:
    w, v = np.linalg.eigh(p)
    total = w[..., None, :] + w[..., :, None]
    inner = times(adjoint(v), c, v)
    return times(v, np.where(total == 0, 0.0, inner / np.where(total == 0, 1.0, total)), adjoint(v))


# X of P X + X P = C, for stacks of Hermitian P that may have equal eigenvalues.
BALANCED: Primitive = primitive(
    "P X + X P = C",
    _balanced,
    [lambda t, x, p, _c: BALANCED(p, -times(t, x) - times(x, t)), lambda t, _x, p, _c: BALANCED(p, t)],
    [
        lambda x, p, c: lambda g: _balanced_pull(g, x, p),
        lambda _x, p, c: lambda g: _real_as(BALANCED(transposed(p), g), c),
    ],
)


def _balanced_pull(g: Any, x: Any, p: Any) -> Any:
    z, xt = BALANCED(transposed(p), g), transposed(x)
    return _real_as(-times(z, xt) - times(xt, z), p)


def _real_as(d: Any, like: Any) -> Any:
    return np.real(d) if is_complex(d) and not is_complex(like) else d


def unitary_tangent(t: Any, y: Any, a: Any) -> Any:
    """The tangent of the unitary factor y (m, n), m ≥ n, of a = y·p (N. Higham, *Functions of Matrices*, section 8.2).

    With p·k + k·p = yᴴ da − daᴴ y it is y·k and, across the columns of y, (1 − y·yᴴ) da p⁻¹: it needs no gaps between
    singular values."""
    yh = adjoint(y)
    p, c = times(yh, a), times(yh, t)
    p = 0.5 * (p + adjoint(p))
    d = times(y, BALANCED(p, c - adjoint(c)))
    m, n = shape_of(a)[-2:]
    if m > n:
        rest = t - times(y, c)
        d = d + transposed(np.linalg.solve(transposed(p), transposed(rest)))
    return d


def _unitary_jvp(t: Any, y: Any, a: Any) -> Any:
    m, n = shape_of(a)[-2:]
    if m >= n:
        return unitary_tangent(t, y, a)
    return adjoint(unitary_tangent(*(adjoint(x) for x in (t, y, a))))


def _unitary(a: Any) -> Any:
    u, _, vh = np.linalg.svd(a, full_matrices=False)  # SciPy's takes no stacks before 1.16
    return u @ vh


# U·Vᴴ of the singular value decomposition.
UNITARY = primitive("scipy.linalg.polar", _unitary, [_unitary_jvp])


def polar(a: Any, side: str = "right") -> Any:
    """``scipy.linalg.polar``: a (m, n) of full rank."""
    if side not in ("right", "left"):
        raise ValueError("`side` must be either 'right' or 'left'")
    a = floating(a)
    u = UNITARY(a)
    uh = adjoint(u)
    if side == "right":
        p = times(uh, a)
    else:
        p = times(a, uh)
    return u, 0.5 * (p + adjoint(p))


def orthogonal_procrustes(A: Any, B: Any, check_finite: bool = True) -> Any:
    """``scipy.linalg.orthogonal_procrustes``: A and B (m, n)."""
    a, b = floating(A), floating(B)
    product = transposed(times(transposed(b), conjugated(a)))
    return UNITARY(product), np.sum(svdvals(product))


# -- spaces ----------------------------------------------------------------------------------------------------------


def _rank(s: Any, shape: tuple[int, ...], rcond: Any) -> int:
    s = plain(s)
    cut = float(np.finfo(s.dtype).eps) * max(shape) if rcond is None else plain(rcond)
    return int(np.sum(s > np.max(s, initial=0.0) * cut))


def orth(A: Any, rcond: Any = None) -> Any:
    """``scipy.linalg.orth``: the first left singular vectors of A (m, n)."""
    a = floating(A)
    u, s, _ = svd(a, full_matrices=False)
    return u[:, : _rank(s, shape_of(a), rcond)]


def null_space(A: Any, rcond: Any = None, *, overwrite_a: bool = False, check_finite: bool = True,
               lapack_driver: str = "gesdd") -> Any:  # fmt: skip
    """``scipy.linalg.null_space``: of one dimension and real; a basis of more is not determined, and refused."""
    a = floating(A)
    value = original(la, "null_space")(plain(a), rcond)
    k = value.shape[1]
    if not k:
        return value
    if k > 1 or is_complex(a):
        raise unsupported(
            "scipy.linalg.null_space of more than one dimension, or complex: its basis is not determined",
            "use the projection np.eye(n) - scipy.linalg.pinv(A) @ A",
        )
    return NULL_VECTOR(a, value=value)


def _null_jvp(t: Any, y: Any, a: Any, *, value: Any) -> Any:
    """A x = 0 and |x| = 1: dx = −A⁺ dA x."""
    return -times(np.linalg.pinv(a), t, y)


NULL_VECTOR = primitive("scipy.linalg.null_space", lambda _a, *, value: value, [_null_jvp])


def subspace_angles(A: Any, B: Any) -> Any:
    """``scipy.linalg.subspace_angles``: sines for the small angles, cosines for the large ones, as SciPy does."""
    qa, qb = orth(A), orth(B)
    overlap = times(adjoint(qa), qb)
    sigma = svdvals(overlap)
    if shape_of(qa)[1] >= shape_of(qb)[1]:
        rest = qb - times(qa, overlap)
    else:
        rest = qa - times(qb, adjoint(overlap))
    small = plain(sigma) ** 2 >= 0.5
    sine = np.arcsin(np.where(small, np.clip(svdvals(rest), -1.0, 1.0), 0.0))
    cosine = np.arccos(np.where(small, 0.0, np.clip(sigma[::-1], -1.0, 1.0)))
    return np.where(small, sine, cosine)
