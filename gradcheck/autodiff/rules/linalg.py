"""``numpy.linalg``: solving, inverses, determinants, least squares and what is composed of them.

All rules work on stacks of matrices as NumPy does, and are written with NumPy functions on the last two axes, so that
they can be differentiated again. Formulas, unless another source is named: M. Giles, *An extended collection of
matrix derivative results for forward and reverse mode algorithmic differentiation*, Oxford NA-08/01, 2008.
Factorisations are in ``factorisations.py``, eigenvalues in ``eigen.py``, norms in ``norms.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gradcheck.autodiff.core import TRACED, Primitive, implements, is_complex, plain, shape_of, unbroadcast
from gradcheck.autodiff.rules.factorisations import SVD
from gradcheck.autodiff.rules.matrices import adjoint, hermitian_pull, mirrored, times, transposed
from gradcheck.autodiff.rules.reductions import as_traced

# -- solving ----------------------------------------------------------------------------------------------------------


SOLVE = Primitive(
    lambda a, b: np.linalg.solve(a, b),
    [
        lambda y, a, _b: (
            lambda g: unbroadcast(-np.matmul(np.linalg.solve(transposed(a), g), transposed(y)), shape_of(a))
        ),
        lambda _y, a, b: lambda g: unbroadcast(np.linalg.solve(transposed(a), g), shape_of(b)),
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
    [lambda y, _a: lambda g: -np.matmul(np.matmul(transposed(y), g), transposed(y))],
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


# -- determinants -----------------------------------------------------------------------------------------------------


def _cofactors(a: Any) -> Any:
    """∂det/∂a, by det·a⁻ᵀ where a is regular and by minors where it is not (for a larger one from the SVD)."""
    value = plain(a)
    n = shape_of(a)[-1]
    singular = np.linalg.cond(value) > 1e13
    if not np.any(singular):
        return np.linalg.det(a)[..., None, None] * transposed(np.linalg.inv(a))
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
    """d log|det| = Re tr(A⁻¹dA), d sign = i·sign·Im tr(A⁻¹dA)."""

    def pull(g: Any) -> Any:
        sign, logdet = g
        weight = logdet
        if is_complex(y[0]):
            weight = weight - 1j * np.real(1j * sign * y[0])
        return np.reshape(weight, (*shape_of(weight), 1, 1)) * transposed(np.linalg.inv(a))

    return pull


def _slogdet_jvp(t: Any, y: Any, a: Any) -> Any:
    slope = np.sum(transposed(np.linalg.inv(a)) * t, axis=(-2, -1))
    if is_complex(y[0]):
        return 1j * y[0] * np.imag(slope), np.real(slope)
    return np.zeros(shape_of(y[0])), slope


SLOGDET = Primitive(lambda a: tuple(np.linalg.slogdet(a)), [_slogdet_vjp], [_slogdet_jvp], name="slogdet", outputs=2)


@implements(np.linalg.slogdet)
def slogdet(a: Any) -> Any:
    sign, logdet = SLOGDET(as_traced(a))
    return type(np.linalg.slogdet(np.eye(1)))(sign if is_complex(sign) else plain(sign), logdet)


# -- pseudo-inverses and least squares --------------------------------------------------------------------------------


def _projectors(p: Any, a: Any) -> tuple[Any, Any]:
    """On what A does not reach, and on what it maps to 0."""
    left = np.eye(shape_of(a)[-2], dtype=plain(a).dtype) - np.matmul(a, p)
    return left, np.eye(shape_of(a)[-1], dtype=plain(a).dtype) - np.matmul(p, a)


def _pinv_jvp(t: Any, y: Any, a: Any, **_static: Any) -> Any:
    """G. Golub & V. Pereyra, SIAM J. Numer. Anal. 10, 413, 1973, eq. 4.12 (constant rank)."""
    p, th = y, adjoint(t)
    outside, kernel = _projectors(p, a)
    return times(p, adjoint(p), th, outside) + times(kernel, th, adjoint(p), p) - times(p, t, p)


def _pinv_vjp(y: Any, a: Any, **_static: Any) -> Any:
    def pull(g: Any) -> Any:
        p, ph, gh = y, adjoint(y), adjoint(g)
        outside, kernel = _projectors(p, a)
        return times(outside, gh, p, ph) + times(ph, p, gh, kernel) - times(ph, g, ph)

    return hermitian_pull(pull)


PINV = Primitive(lambda a, **static: np.linalg.pinv(a, **static), [_pinv_vjp], [_pinv_jvp], name="pinv")


@implements(np.linalg.pinv)
def pinv(a: Any, rcond: Any = None, hermitian: bool = False, *, rtol: Any = np._NoValue) -> Any:
    a = as_traced(a)
    static: dict[str, Any] = {}
    if hermitian:
        a = mirrored(a, True)
    if rcond is not None:
        static["rcond"] = plain(rcond)
    if rtol is not np._NoValue:
        static["rtol"] = plain(rtol)
    return PINV(a, **static)


def _lstsq(a: Any, b: Any, *, rcond: Any) -> Any:
    return LSTSQ(a, b, rcond=rcond) if type(a) in TRACED or type(b) in TRACED else np.linalg.lstsq(a, b, rcond)[0]


def _cutoff(a: Any, rcond: Any) -> Any:
    """lstsq's own bound for what counts as a singular value of 0."""
    eps = float(np.finfo(plain(a).dtype).eps)
    return eps * max(shape_of(a)) if rcond is None else eps if rcond == -1 else rcond


def _column(x: Any) -> Any:
    return x if len(shape_of(x)) == 2 else np.reshape(x, (-1, 1))


def _lstsq_vjp_matrix(y: Any, a: Any, b: Any, *, rcond: Any) -> Any:
    """The transpose of :func:`_lstsq_jvp_matrix`."""

    def pull(g: Any) -> Any:
        p, x, rest, g = np.linalg.pinv(a, _cutoff(a, rcond)), _column(y), _column(b - np.matmul(a, y)), _column(g)
        ph, gh = adjoint(p), adjoint(g)
        _, kernel = _projectors(p, a)
        return times(rest, gh, p, ph) + times(ph, x, gh, kernel) - times(ph, g, adjoint(x))

    return hermitian_pull(pull)


def _lstsq_vjp_side(_y: Any, a: Any, _b: Any, *, rcond: Any) -> Any:
    return lambda g: np.matmul(transposed(np.linalg.pinv(a, _cutoff(a, rcond))), g)


def _lstsq_jvp_matrix(t: Any, y: Any, a: Any, b: Any, *, rcond: Any) -> Any:
    """x = A⁺b with Golub & Pereyra's dA⁺; the residual is b − Ax."""
    p, th = np.linalg.pinv(a, _cutoff(a, rcond)), adjoint(t)
    _, kernel = _projectors(p, a)
    return times(p, adjoint(p), th, b - np.matmul(a, y)) + times(kernel, th, adjoint(p), y) - times(p, t, y)


# The solution alone, in LAPACK's own numbers; constant rank.
LSTSQ = Primitive(
    _lstsq,
    [_lstsq_vjp_matrix, _lstsq_vjp_side],
    [_lstsq_jvp_matrix, lambda t, _y, a, _b, rcond: np.matmul(np.linalg.pinv(a, _cutoff(a, rcond)), t)],
    name="lstsq",
)


@implements(np.linalg.lstsq)
def lstsq(a: Any, b: Any, rcond: Any = None) -> Any:
    """Solution, residuals, rank and singular values."""
    a, b = as_traced(a), as_traced(b)
    _, residuals, rank, _ = np.linalg.lstsq(plain(a), plain(b), rcond)
    x = LSTSQ(a, b, rcond=rcond)
    if residuals.size:
        d = b - np.matmul(a, x)
        squares = np.real(d * np.conjugate(d)) if is_complex(d) else d * d
        residuals = np.sum(squares, axis=0, keepdims=len(shape_of(b)) == 1)
    return x, residuals, rank, SVD(a)[1]


@implements(np.linalg.cond)
def cond(x: Any, p: Any = None) -> Any:
    if p is None or p in (2, -2):
        s = SVD(as_traced(x))[1]
        return s[..., -1] / s[..., 0] if p == -2 else s[..., 0] / s[..., -1]
    return np.linalg.norm(x, p, axis=(-2, -1)) * np.linalg.norm(inv(x), p, axis=(-2, -1))
