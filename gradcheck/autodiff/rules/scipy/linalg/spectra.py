"""Eigenvalues and singular values of ``scipy.linalg``: eigh, eig, svd and what is composed of them.

Eigenvectors are determined up to a factor of modulus one. A sign is constant along a smooth path; a complex phase is
not, and the derivative of a vector's entries depends on how it is chosen. Where LAPACK chooses it by making one
component real, the rule keeps that component real, so that its tangents are those of LAPACK's own vectors; where the
choice cannot be seen, the vectors' derivative is refused. Where eigenvalues coincide the vectors within their space
have no derivative, and what is made of them may have one that cannot be found from it (V·exp(w)·Vᴴ has): nan, if those
vectors turn within their space (forward mode) or anything depends on them (reverse mode).

Formulas: M. Giles, *An extended collection of matrix derivative results for forward and reverse mode algorithmic
differentiation*, Oxford NA-08/01, 2008, section 3.1; J. Townsend, *Differentiating the singular value
decomposition*, 2016.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg as la

from gradcheck.autodiff.core import any_active, is_complex, plain, shape_of
from gradcheck.autodiff.errors import unsupported
from gradcheck.autodiff.rules.matrices import adjoint, diagonal_matrix, diagonal_of, mirrored, times
from gradcheck.autodiff.rules.scipy.linalg.solving import full_bands
from gradcheck.autodiff.rules.scipy.linalg.tools import dims, floating, primitive, pulled
from gradcheck.autodiff.rules.scipy.registry import original

EPS = float(np.finfo(float).eps)


def coincide(rows: Any, columns: Any) -> Any:
    """Which of ``rows`` (..., n) and ``columns`` (..., m) are equal up to rounding: (..., n, m)."""
    rows, columns = plain(rows), plain(columns)
    size = np.max(np.abs(rows), axis=-1, initial=0.0)[..., None, None]
    return np.abs(columns[..., None, :] - rows[..., :, None]) <= 64 * np.finfo(rows.dtype).eps * size


def inverse_gaps(rows: Any, columns: Any) -> Any:
    """1/(columns_j − rows_i), and 0 where the two coincide.

    Second derivatives of what does not depend on the basis do exist where eigenvalues coincide, but not from here.
    """
    gap = columns[..., None, :] - rows[..., :, None]
    equal = coincide(rows, columns)
    if any_active((rows, columns)) and np.any(np.sum(equal, axis=-2) > 1):
        raise unsupported("a second derivative of eigenvalues or singular values where some of them coincide")
    return np.where(equal, 0.0, 1.0 / np.where(equal, 1.0, gap))


def _shared(all_w: Any, w: Any) -> Any:
    """Which eigenvalues ``w`` (..., m) coincide with another of all of them, ``all_w`` (..., n): (..., 1, m)."""
    return np.sum(coincide(all_w, w), axis=-2, keepdims=True) > 1


def _large(x: Any) -> Any:
    """Which entries are more than the rounding errors of others."""
    size = np.abs(plain(x))
    return size > 1e-10 * np.max(size, axis=(-2, -1), initial=0.0, keepdims=True)


def _turned(p: Any, all_w: Any, w: Any) -> Any:
    """p_ij/(w_j − all_w_i), 0 on the diagonal, nan where it is hidden."""
    turn = inverse_gaps(all_w, w) * p
    hidden = coincide(all_w, w) & _shared(all_w, w) & _large(p)
    if hidden.shape[-2] == hidden.shape[-1]:
        hidden &= ~np.eye(hidden.shape[-1], dtype=bool)
    return np.where(hidden, np.nan, turn) if np.any(hidden) else turn


def _pullback(k: int, jvp: Any, everything: Any = lambda y, *_operands, **_static: y) -> Any:
    """The pullback for operand k: the transpose of the tangent rule, or nan where that would leave out what is hidden.

    ``everything(y, *operands, **static)`` are all eigenvalues and vectors where y may be some of them.
    """

    def vjp(y: Any, *operands: Any, **static: Any) -> Any:
        def pull(g: Any) -> Any:
            d = pulled(lambda t: jvp(t, y, *operands, **static), operands[k], g)
            if not np.any(plain(g[1])):
                return d
            all_w, _ = everything(y, *operands, **static)
            return d * np.nan if np.any(_shared(all_w, y[0]) & _large(g[1])) else d

        return pull

    return vjp


def _keep_real(d: Any, v: Any, row: Any) -> Any:
    """The tangent d of vectors v with each turned by a phase, so that the component in its row stays real.

    ``row`` is one number, or one a vector.
    """
    if dims(v) > 2:
        row = np.broadcast_to(row, (*shape_of(v)[:-2], 1, shape_of(v)[-1]))
        at_d, at_v = np.take_along_axis(d, row, axis=-2), np.take_along_axis(v, row, axis=-2)
    else:
        columns = np.arange(shape_of(v)[-1])
        at_d, at_v = d[row, columns][None, :], v[row, columns][None, :]
    return d - 1j * v * (np.imag(at_d) / np.real(at_v))


def real_row(v: Any) -> int | None:
    """The first or the last row of v, if it is real and nowhere nearly zero: where LAPACK's phases are pinned."""
    value = plain(v)
    for row in (0, -1):
        entries = value[..., row, :]
        if np.all(np.abs(entries.imag) <= 4 * EPS * np.abs(entries)) and np.all(np.abs(entries) > 1e-6):
            return row
    return None


PHASES = "the phases of complex {0} are not determined; use what does not depend on them (projections, absolute values)"


# -- Hermitian ------------------------------------------------------------------------------------------------------


def _reduced(k: int, t: Any, a: Any, b: Any, kind: int) -> tuple[Any, Any]:
    """Tangents (dA, dB) of the problem A'v = w B'v with VᴴB'V = 1 that is meant by one of the three kinds of LAPACK's.

    Kind 2, A B v = w v, is B A B v = w B v; kind 3, B A v = w v, is A v = w B⁻¹ v with VᴴB⁻¹V = 1.
    """
    zero = np.zeros(shape_of(a))
    if kind == 1:
        return (t, zero) if k == 0 else (zero, t)
    if kind == 2:
        return (times(b, t, b), zero) if k == 0 else (times(t, a, b) + times(b, a, t), t)
    if k == 0:
        return t, zero
    inverse = np.linalg.inv(b)
    return zero, -times(inverse, t, inverse)


def _spectral_tangents(da: Any, db: Any, w: Any, v: Any, all_w: Any, all_v: Any) -> tuple[Any, Any]:
    """Tangents of the chosen eigenvalues w and B-orthonormal vectors v, given all of them."""
    vh = adjoint(all_v)
    p = times(vh, da, v)
    overlap = None
    if db is not None:
        overlap = times(vh, db, v)
        p = p - overlap * w[..., None, :]
    vector = adjoint(v)
    own = times(vector, da, v) if db is None else times(vector, da, v) - times(vector, db, v) * w[..., None, :]
    dw = np.real(diagonal_of(own))
    dv = times(all_v, _turned(p, all_w, w))
    if db is not None:
        dv = dv - 0.5 * v * np.real(diagonal_of(times(vector, db, v)))[..., None, :]
    if is_complex(v):
        row = real_row(v)
        if row is not None:
            dv = _keep_real(dv, v, row)
    return dw, dv


def _all_of_eigh(y: Any, a: Any, *, lower: bool, options: Any) -> Any:
    return y if shape_of(y[1])[-1] == shape_of(a)[-1] else EIGH(a, lower=lower, options=())


def _eigh_jvp(t: Any, y: Any, a: Any, *, lower: bool, options: Any) -> Any:
    everything = _all_of_eigh(y, a, lower=lower, options=options)
    return _spectral_tangents(mirrored(t, lower), None, *y, *everything)


EIGH = primitive(
    "scipy.linalg.eigh",
    lambda a, *, lower, options: original(la, "eigh")(a, lower=lower, **dict(options)),
    [_eigh_jvp],
    [_pullback(0, _eigh_jvp, _all_of_eigh)],
    outputs=2,
)


def _all_of_general(y: Any, a: Any, b: Any, *, lower: bool, kind: int, options: Any) -> Any:
    return y if shape_of(y[1])[-1] == shape_of(a)[-1] else EIGH_GENERAL(a, b, lower=lower, kind=kind, options=())


def _eigh_general_jvp(k: int) -> Any:
    def jvp(t: Any, y: Any, a: Any, b: Any, *, lower: bool, kind: int, options: Any) -> Any:
        everything = _all_of_general(y, a, b, lower=lower, kind=kind, options=options)
        da, db = _reduced(k, mirrored(t, lower), mirrored(a, lower), mirrored(b, lower), kind)
        return _spectral_tangents(da, db, *y, *everything)

    return jvp


_GENERAL_JVPS = [_eigh_general_jvp(0), _eigh_general_jvp(1)]


EIGH_GENERAL = primitive(
    "scipy.linalg.eigh",
    lambda a, b, *, lower, kind, options: original(la, "eigh")(a, b, lower=lower, type=kind, **dict(options)),
    _GENERAL_JVPS,
    [_pullback(k, jvp, _all_of_general) for k, jvp in enumerate(_GENERAL_JVPS)],
    outputs=2,
)


def _unpinned(v: Any) -> bool:
    return is_complex(v) and real_row(v) is None


def eigh(a: Any, b: Any = None, *, lower: bool = True, eigvals_only: bool = False, overwrite_a: bool = False,
         overwrite_b: bool = False, type: int = 1, check_finite: bool = True, subset_by_index: Any = None,
         subset_by_value: Any = None, driver: Any = None) -> Any:  # fmt: skip
    """``scipy.linalg.eigh``: a and b (n, n), of which one triangle is read; all kinds, subsets and drivers."""
    options: dict[str, Any] = {"subset_by_index": subset_by_index, "subset_by_value": subset_by_value, "driver": driver}
    options = {name: value for name, value in options.items() if value is not None}
    a = floating(a)
    if b is None:
        w, v = EIGH(a, lower=bool(lower), options=tuple(options.items()))
    else:
        w, v = EIGH_GENERAL(a, floating(b), lower=bool(lower), kind=int(type), options=tuple(options.items()))
    if eigvals_only:
        return w
    if _unpinned(v):
        raise unsupported("scipy.linalg.eigh: " + PHASES.format("eigenvectors"), "pass eigvals_only=True")
    return w, v


def eigvalsh(a: Any, b: Any = None, **keywords: Any) -> Any:
    """``scipy.linalg.eigvalsh``: as :func:`eigh`."""
    return eigh(a, b, eigvals_only=True, **keywords)


def _matched(w: Any, v: Any, chosen: Any, vectors: Any) -> tuple[Any, Any]:
    """Those columns of a full decomposition that are SciPy's, with SciPy's signs or phases."""
    overlap = np.conjugate(plain(v)).T @ vectors
    best = np.argmax(np.abs(overlap), axis=0)
    factor = overlap[best, np.arange(len(best))]
    if not np.allclose(np.abs(factor), 1.0, atol=1e-6):  # eigenvalues coincide: by their order then
        return w[_nearest(plain(w), chosen)], None
    return w[best], v[:, best] * (factor / np.abs(factor))


def _nearest(w: Any, chosen: Any) -> Any:
    left, found = list(range(len(w))), []
    for value in chosen:
        k = min(left, key=lambda i: abs(w[i] - value))
        left.remove(k)
        found.append(k)
    return np.array(found, dtype=int)


def chosen_eigenpairs(name: str, a: Any, plain_w: Any, plain_v: Any, b: Any = None) -> tuple[Any, Any]:
    """Eigenvalues and vectors of a full Hermitian matrix, those that another routine has found (plain_w, plain_v).

    Args:
        name: of that routine, for messages.
        a, b: traced matrices.
        plain_w: its eigenvalues; plain_v: its vectors, or None.
    """
    w, v = eigh(a, b)
    if plain_v is None:
        return w[_nearest(plain(w), plain_w)], None
    if b is not None:
        plain_v = np.asarray(plain(b)) @ plain_v
    w, v = _matched(w, v, plain_w, plain_v)
    if v is None:
        raise unsupported(f"{name}: eigenvectors of eigenvalues that coincide", "use the eigenvalues alone")
    return w, v


def eigh_tridiagonal(d: Any, e: Any, eigvals_only: bool = False, select: Any = "a", select_range: Any = None,
                     check_finite: bool = True, tol: float = 0.0, lapack_driver: str = "auto") -> Any:  # fmt: skip
    """``scipy.linalg.eigh_tridiagonal``: d (n,), e (n − 1,); through the full matrix, O(n³)."""
    d, e = floating(d), floating(e)
    found = original(la, "eigh_tridiagonal")(
        plain(d), plain(e), eigvals_only, select, select_range, True, tol, lapack_driver
    )
    n = shape_of(d)[0]
    full = diagonal_matrix(d)
    if n > 1:
        full = full + np.diag(e, -1)
    return _from_full("eigh_tridiagonal", full, found, eigvals_only)


def _from_full(name: str, a: Any, found: Any, eigvals_only: bool) -> Any:
    if eigvals_only:
        return chosen_eigenpairs(f"scipy.linalg.{name}", a, found, None)[0]
    return chosen_eigenpairs(f"scipy.linalg.{name}", a, *found)


def eigvalsh_tridiagonal(d: Any, e: Any, select: Any = "a", select_range: Any = None, check_finite: bool = True,
                         tol: float = 0.0, lapack_driver: str = "auto") -> Any:  # fmt: skip
    return eigh_tridiagonal(d, e, True, select, select_range, check_finite, tol, lapack_driver)


def eig_banded(a_band: Any, lower: bool = False, eigvals_only: bool = False, overwrite_a_band: bool = False,
               select: Any = "a", select_range: Any = None, max_ev: int = 0,
               check_finite: bool = True) -> Any:  # fmt: skip
    """``scipy.linalg.eig_banded``: a_band (u + 1, n); through the full matrix, O(n³)."""
    a_band = floating(a_band)
    if is_complex(a_band) and not eigvals_only:
        raise unsupported("scipy.linalg.eig_banded: " + PHASES.format("eigenvectors"), "pass eigvals_only=True")
    found = original(la, "eig_banded")(plain(a_band), lower, eigvals_only, False, select, select_range, max_ev)
    bands, k = full_bands(a_band, lower)
    n = shape_of(a_band)[1]
    i, j = np.indices((n, n))
    inside = np.abs(i - j) <= k
    full = np.where(inside, bands[np.where(inside, k + i - j, 0), j], 0.0)
    return _from_full("eig_banded", full, found, eigvals_only)


def eigvals_banded(a_band: Any, lower: bool = False, overwrite_a_band: bool = False, select: Any = "a",
                   select_range: Any = None, check_finite: bool = True) -> Any:  # fmt: skip
    return eig_banded(a_band, lower, True, overwrite_a_band, select, select_range)


# -- general ---------------------------------------------------------------------------------------------------------


def _normalised(c: Any, v: Any) -> Any:
    """The tangent of vectors of norm 1 whose largest component is real, as LAPACK's geev scales them, from the
    tangent c of vectors of any scale."""
    c = c - v * np.real(np.sum(np.conjugate(v) * c, axis=-2, keepdims=True))
    if not is_complex(v):
        return c
    return _keep_real(c, v, np.argmax(np.abs(plain(v)), axis=-2, keepdims=dims(v) > 2))


def _eig_jvp(k: int) -> Any:
    def jvp(t: Any, y: Any, a: Any, *b: Any, **_static: Any) -> Any:
        w, v = y
        if b and k == 1:
            t = -times(t, v * w[..., None, :])
        else:
            t = times(t, v)
        p = np.linalg.solve(times(b[0], v) if b else v, t)
        return diagonal_of(p) + 0j, _normalised(times(v, _turned(p, w, w)), v)

    return jvp


def _eig(*matrices: Any) -> Any:
    w, v = original(la, "eig")(*matrices)
    return w, v


_EIG_JVPS = [_eig_jvp(0), _eig_jvp(1)]
_EIG_VJPS = [_pullback(k, jvp) for k, jvp in enumerate(_EIG_JVPS)]
EIG = primitive("scipy.linalg.eig", _eig, _EIG_JVPS[:1], _EIG_VJPS[:1], outputs=2)
EIG_GENERAL = primitive("scipy.linalg.eig", _eig, _EIG_JVPS, _EIG_VJPS, outputs=2)


def eig(a: Any, b: Any = None, left: bool = False, right: bool = True, overwrite_a: bool = False,
        overwrite_b: bool = False, check_finite: bool = True, homogeneous_eigvals: bool = False) -> Any:  # fmt: skip
    """``scipy.linalg.eig``: a and b (n, n), of distinct eigenvalues; left and right vectors."""
    if homogeneous_eigvals:
        raise unsupported("scipy.linalg.eig with homogeneous_eigvals=True of traced values")
    a = floating(a)
    if b is not None:
        w, v = EIG_GENERAL(a, floating(b))
        if (right and is_complex(v)) or left:
            raise unsupported(
                "scipy.linalg.eig: " + PHASES.format("eigenvectors of a generalised problem"),
                "use scipy.linalg.eigvals(a, b), or eig(solve(b, a))",
            )
        return (w, v) if right else w
    w, v = EIG(a)
    if not left:
        return (w, v) if right else w
    vl = _left_vectors(v, original(la, "eig")(plain(a), left=True, right=False)[1])
    return (w, vl, v) if right else (w, vl)


def _left_vectors(v: Any, value: Any) -> Any:
    """Left eigenvectors: the rows of V⁻¹, of norm 1 and with the component real that LAPACK has made real."""
    x = adjoint(np.linalg.inv(v))
    x = x / np.sqrt(np.sum(np.real(x * np.conjugate(x)), axis=-2, keepdims=True))
    if not is_complex(x):
        return x * np.sign(np.sum(plain(x) * value, axis=-2, keepdims=True))
    row = np.argmax(np.abs(value), axis=-2)[..., None, :]
    top = np.take_along_axis(x, row, axis=-2)
    sign = np.sign(np.real(np.take_along_axis(value, row, axis=-2)))
    return x * (np.conjugate(top) / np.abs(top)) * sign


def eigvals(a: Any, b: Any = None, overwrite_a: bool = False, check_finite: bool = True,
            homogeneous_eigvals: bool = False) -> Any:  # fmt: skip
    """``scipy.linalg.eigvals``: a and b (n, n)."""
    return eig(a, b, right=False, homogeneous_eigvals=homogeneous_eigvals)
