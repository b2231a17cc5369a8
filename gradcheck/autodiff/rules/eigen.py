"""Eigenvalues and eigenvectors: ``eigh``, ``eigvalsh``, ``eig``, ``eigvals``.

Formulas: M. Giles, *An extended collection of matrix derivative results for forward and reverse mode algorithmic
differentiation*, Oxford NA-08/01, 2008, section 3.1; for the general case C. Boeddeker et al., *On the computation of
complex-valued gradients with application to statistically optimum beamforming*, arXiv:1701.00392, 2017.

An eigenvector is determined up to a factor. The primitives here let it turn as little as possible; then the vectors
are brought, by differentiable operations that leave the value as it is, into the form in which LAPACK gives them:
of length 1 with the largest component real (``eig``), or with the first or last component real (complex ``eigh``).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gradcheck.autodiff.core import TRACED, Primitive, implements, is_complex, plain, shape_of
from gradcheck.autodiff.rules.matrices import (
    adjoint,
    diagonal_matrix,
    diagonal_of,
    half_low,
    hermitian_pull,
    mirrored,
    over_gaps,
    real_of,
    times,
    transposed,
)
from gradcheck.autodiff.rules.reductions import as_traced

# -- Hermitian matrices ------------------------------------------------------------------------------------------------


def _eigh_vjp(y: Any, _a: Any, *, UPLO: str) -> Any:
    w, v = y

    def pull(g: Any) -> Any:
        gw, gv = g
        inner = diagonal_matrix(gw) + over_gaps(times(adjoint(v), gv), w)
        d = times(v, inner, adjoint(v))
        d = half_low(d + adjoint(d))
        return d if UPLO.upper() == "L" else adjoint(d)

    return hermitian_pull(pull)


def _eigh_jvp(t: Any, y: Any, _a: Any, *, UPLO: str) -> Any:
    w, v = y
    inner = times(adjoint(v), mirrored(t, UPLO.upper() == "L"), v)
    return real_of(diagonal_of(inner)), np.matmul(v, over_gaps(inner, w))


def _eigh_alone(a: Any, *, UPLO: str) -> Any:
    # For a value of an outer trace without LAPACK's phases: what the rules make of the vectors does not depend on them.
    return EIGH(a, UPLO=UPLO) if type(a) in TRACED else tuple(np.linalg.eigh(a, UPLO))  # type: ignore[call-overload]


EIGH = Primitive(_eigh_alone, [_eigh_vjp], [_eigh_jvp], name="eigh", outputs=2)

# What carries a phase that we do not know: the value is passed on, a derivative that depends on the phase is nan.
_UNKNOWN_PHASE = Primitive(
    lambda v: v * 1.0,
    [lambda _y, _v: lambda g: np.where(np.any(plain(g) != 0), np.nan, 0.0) * g],
    [lambda t, _y, _v: t * np.nan],
    name="eigenvectors",
)


def _real_row(v: Any) -> int | None:
    """The row of a complex matrix of eigenvectors that LAPACK made real, the first or the last one."""
    value = plain(v)
    rounding = 100 * np.finfo(value.dtype).eps
    for row in (0, -1) if value.size else ():
        part = value[..., row, :]
        if np.max(np.abs(part.imag)) <= rounding and np.min(np.abs(part)) > 1e-6:
            return row
    return None


def has_phase(v: Any) -> bool:
    """Whether it is known which component of each vector is real."""
    return _real_row(v) is not None


def phased(v: Any, other: Any = None) -> Any:
    """Complex vectors (columns) with that component real that LAPACK made real.

    With ``other``, columns that turn by the same phase: a pair (v, other) is returned.
    """
    row = _real_row(v)
    if row is None:
        return _UNKNOWN_PHASE(v) if other is None else (_UNKNOWN_PHASE(v), _UNKNOWN_PHASE(other))
    component = v[..., row, :]
    turn = np.conjugate(component) / np.abs(component) * np.sign(plain(component).real)
    turn = turn[..., None, :]
    return v * turn if other is None else (v * turn, other * turn)


def _eigh(a: Any, UPLO: str) -> tuple[Any, Any]:
    w, v = EIGH(as_traced(a), UPLO=UPLO)
    return w, phased(v) if is_complex(v) and type(v) in TRACED else v


@implements(np.linalg.eigh)
def eigh(a: Any, UPLO: str = "L") -> Any:
    w, v = _eigh(a, UPLO)
    return type(np.linalg.eigh(np.eye(1)))(w, v)


@implements(np.linalg.eigvalsh)
def eigvalsh(a: Any, UPLO: str = "L") -> Any:
    return EIGH(as_traced(a), UPLO=UPLO)[0]


# -- general matrices --------------------------------------------------------------------------------------------------


def _eig_vjp(y: Any, _a: Any) -> Any:
    w, v = y

    def pull(g: Any) -> Any:
        gw, gv = g
        inner = diagonal_matrix(gw) + over_gaps(np.matmul(transposed(v), gv), w)
        return np.linalg.solve(transposed(v), np.matmul(inner, transposed(v)))

    return pull


def _eig_jvp(t: Any, y: Any, _a: Any) -> Any:
    w, v = y
    inner = np.linalg.solve(v, np.matmul(t, v))
    return diagonal_of(inner), np.matmul(v, over_gaps(inner, w))


def _eig_alone(a: Any) -> Any:
    return EIG(a) if type(a) in TRACED else tuple(np.linalg.eig(a))


EIG = Primitive(_eig_alone, [_eig_vjp], [_eig_jvp], name="eig", outputs=2)


def _as_lapack(v: Any) -> Any:
    """Columns of length 1 with the component of largest modulus real."""
    length = np.sqrt(np.sum(real_of(v * np.conjugate(v)), axis=-2, keepdims=True))
    v = v / length
    if not is_complex(v):
        return v
    value = plain(v)
    place = np.argmax(np.abs(value), axis=-2)[..., None, :]
    largest = np.take_along_axis(v, place, axis=-2)
    return v * (np.conjugate(largest) / np.abs(largest)) * np.sign(plain(largest).real)


@implements(np.linalg.eig)
def eig(a: Any) -> Any:
    """Eigenvalues and right eigenvectors of any square matrix; nan where eigenvectors of equal eigenvalues turn."""
    w, v = EIG(as_traced(a))
    if type(v) in TRACED and 0 not in shape_of(v):
        v = _as_lapack(v)
    return type(np.linalg.eig(np.eye(1)))(w, v)


def _matched(y: Any, a: Any) -> Any:
    """The eigenvectors in the order of the eigenvalues y, which another routine of LAPACK has computed."""
    w, v = EIG(a)
    gap = np.abs(plain(y)[..., :, None] - plain(w)[..., None, :])
    order = np.argmin(gap, axis=-1)
    if np.array_equal(np.sort(order, axis=-1), np.broadcast_to(np.arange(order.shape[-1]), order.shape)):
        return np.take_along_axis(v, order[..., None, :], axis=-1)
    return v  # equal ones among them: in LAPACK's own order


def _eigvals_vjp(y: Any, a: Any) -> Any:
    def pull(g: Any) -> Any:
        v = transposed(_matched(y, a))
        return np.linalg.solve(v, g[..., :, None] * v)

    return pull


def _eigvals_jvp(t: Any, y: Any, a: Any) -> Any:
    v = _matched(y, a)
    return diagonal_of(np.linalg.solve(v, np.matmul(t, v)))


EIGVALS = Primitive(lambda a: np.linalg.eigvals(a), [_eigvals_vjp], [_eigvals_jvp], name="eigvals")


@implements(np.linalg.eigvals)
def eigvals(a: Any) -> Any:
    return EIGVALS(as_traced(a))
