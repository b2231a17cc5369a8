"""Small things that the rules of linear algebra share: transposes, triangles, gaps between eigenvalues.

The rules of complex factorisations are written in the usual pairing Re tr(Ḡᴴ dY), where the cotangent Ḡ is the
conjugate of the core's: :func:`hermitian_pull` translates.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gradcheck.autodiff.core import is_complex, plain, shape_of


def transposed(x: Any) -> Any:
    return np.swapaxes(x, -1, -2)


def conjugated(x: Any) -> Any:
    return np.conjugate(x) if is_complex(x) else x


def adjoint(x: Any) -> Any:
    """The conjugate transpose."""
    return conjugated(transposed(x))


def times(*factors: Any) -> Any:
    """The matrix product of all factors, from left to right."""
    y = factors[0]
    for factor in factors[1:]:
        y = np.matmul(y, factor)
    return y


def precision(x: Any) -> Any:
    """The real dtype of the precision of x."""
    return np.real(plain(x)).dtype


def identity(like: Any, m: int, n: int | None = None) -> Any:
    """The identity (m, n) in the precision of ``like``."""
    return np.eye(m, n, dtype=precision(like))


def identity_like(x: Any) -> Any:
    """The identity of the size of x's last axis, in its precision."""
    return identity(x, shape_of(x)[-1])


def diagonal_matrix(v: Any) -> Any:
    """A stack of diagonal matrices with the last axis of v on the diagonal."""
    return v[..., None] * identity_like(v)


def diagonal_of(x: Any) -> Any:
    """The diagonals of a stack of square matrices."""
    return np.diagonal(x, 0, -2, -1)


def real_of(x: Any) -> Any:
    return np.real(x) if is_complex(x) else x


def half_low(x: Any) -> Any:
    """The lower triangle with its diagonal halved: the Φ of Murray's Cholesky rule."""
    if type(x) is np.ndarray and x.ndim == 2 and x.dtype.kind == "f":
        low = np.tril(x)
        low.reshape(-1)[:: len(x) + 1] *= 0.5
        return low
    return np.tril(x) * (1.0 - 0.5 * identity_like(x))


def mirrored(a: Any, lower: bool) -> Any:
    """The Hermitian matrix that LAPACK takes a for: it reads one triangle only, and the diagonal as real."""
    low = half_low(a) if lower else adjoint(half_low(adjoint(a)))
    return low + adjoint(low)


def hermitian_pull(pull: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A pullback in the pairing Re tr(Ḡᴴ dY), for the core's pairing Re Σ g·dY."""

    def bilinear(g: Any) -> Any:
        return conjugated(pull(tuple(conjugated(e) for e in g) if type(g) is tuple else conjugated(g)))

    return bilinear


def over_gaps(x: Any, w: Any, mixing: Any = None) -> Any:
    """x_ij/(w_j − w_i) off the diagonal and 0 on it: how eigenvectors turn into each other.

    Where two eigenvalues coincide and x_ij does not vanish the eigenvectors have no derivative, and what is made of
    them may have one that cannot be found from it: nan. Where x_ij (or ``mixing``, if x is made of that) vanishes
    nothing turns.
    """
    value = plain(w)
    gap = w[..., None, :] - w[..., :, None]
    size = np.max(np.abs(value), axis=-1, initial=0.0)[..., None, None]
    equal = np.abs(plain(gap)) <= 8 * np.finfo(value.dtype).eps * size
    found = np.abs(plain(x if mixing is None else mixing))
    scale = np.max(found, axis=(-2, -1), initial=0.0, keepdims=True)
    turning = np.maximum(found, transposed(found)) > 1e-10 * scale
    on_diagonal = np.eye(value.shape[-1], dtype=bool)
    quotient = np.where(equal, 0.0, x / np.where(equal, 1.0, gap))
    undefined = equal & turning & ~on_diagonal
    return np.where(undefined, np.nan, quotient) if np.any(undefined) else quotient
