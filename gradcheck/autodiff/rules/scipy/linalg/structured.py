"""Matrices made of vectors, and what only moves elements: toeplitz, hankel, companion, block_diag, khatri_rao, norm.

Each element of the result is an element of the operand or a constant, so an index does it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg as la

from gradcheck.autodiff.core import any_active, plain, plain_tree, shape_of
from gradcheck.autodiff.errors import unsupported
from gradcheck.autodiff.rules.matrices import conjugated, identity, precision, times
from gradcheck.autodiff.rules.scipy.linalg.solving import circulant_of, toeplitz_of
from gradcheck.autodiff.rules.scipy.linalg.tools import array, dims, floating, zeros
from gradcheck.autodiff.rules.scipy.registry import original


def _vector(name: str, x: Any) -> Any:
    x = np.atleast_1d(array(x))
    if dims(x) != 1:
        raise unsupported(f"scipy.linalg.{name} of an array of more than one dimension", "loop over the first axis")
    return x


def toeplitz(c: Any, r: Any = None) -> Any:
    """``scipy.linalg.toeplitz``: c (m,), r (n,)."""
    c = _vector("toeplitz", c)
    return toeplitz_of(c, conjugated(c) if r is None else _vector("toeplitz", r))


def hankel(c: Any, r: Any = None) -> Any:
    """``scipy.linalg.hankel``: c (m,), r (n,); r[0] is not read."""
    c = _vector("hankel", c)
    m = shape_of(c)[0]
    tail = zeros(c, m - 1) if r is None else _vector("hankel", r)[1:]
    values = np.concatenate([c, tail])
    return values[np.arange(m)[:, None] + np.arange(shape_of(tail)[0] + 1)]


def circulant(c: Any) -> Any:
    """``scipy.linalg.circulant``: c (..., n)."""
    return circulant_of(np.atleast_1d(array(c)))


def _placed(values: Any, where: Any, shape: tuple[int, int]) -> Any:
    """A matrix with values (flat) in places (a mask), zero elsewhere."""
    index = np.zeros(shape, dtype=int)
    index[where] = np.arange(1, int(np.sum(where)) + 1)
    return np.concatenate([zeros(values, 1), values])[index]


def companion(a: Any) -> Any:
    """``scipy.linalg.companion``: a (n,)."""
    a = floating(_vector("companion", a))
    original(la, "companion")(plain(a))  # SciPy's own checks
    n = shape_of(a)[0] - 1
    return np.concatenate([np.reshape(-a[1:] / a[0], (1, n)), identity(a, n - 1, n)], axis=0)


def convolution_matrix(a: Any, n: int, mode: str = "full") -> Any:
    """``scipy.linalg.convolution_matrix``: a (m,)."""
    a = _vector("convolution_matrix", a)
    m = shape_of(a)[0]
    positions = original(la, "convolution_matrix")(np.arange(1, m + 1), n, mode)
    return np.concatenate([zeros(a, 1), a])[positions]


def leslie(f: Any, s: Any) -> Any:
    """``scipy.linalg.leslie``: f (n,), s (n − 1,)."""
    f, s = floating(_vector("leslie", f)), floating(_vector("leslie", s))
    n = shape_of(f)[0]
    if shape_of(s)[0] != n - 1:
        raise ValueError("The length of s must be one less than the length of f")
    return np.concatenate([np.reshape(f, (1, n)), identity(f, n - 1, n) * s[:, None]], axis=0)


def fiedler(a: Any) -> Any:
    """``scipy.linalg.fiedler``: F[i, j] = |a_i − a_j|."""
    a = _vector("fiedler", a)
    return np.abs(a[:, None] - a)


def fiedler_companion(a: Any) -> Any:
    """``scipy.linalg.fiedler_companion``: coefficients, scaled by the first, in places of a fixed pattern."""
    a = floating(_vector("fiedler_companion", a))
    size = shape_of(a)[0]
    # 0 and 1 are constants of the pattern: primes of no meaning stand for the coefficients.
    marks = np.arange(2.0, size + 1)
    pattern = original(la, "fiedler_companion")(np.concatenate([[1.0], marks]))
    scaled = np.concatenate([zeros(a, 1), zeros(a, 1) + 1, -a[1:] / a[0]])
    return scaled[np.where(pattern < 0, -pattern, pattern).astype(int)]


def block_diag(*arrs: Any) -> Any:
    """``scipy.linalg.block_diag``: matrices (m, n); vectors are rows."""
    parts = [np.atleast_2d(array(a)) for a in (arrs or ([],))]
    if any(dims(p) > 2 for p in parts):
        raise unsupported("scipy.linalg.block_diag of stacks of matrices", "loop over the first axis")
    columns = sum(shape_of(p)[1] for p in parts)
    rows, start = [], 0
    for p in parts:
        m, n = shape_of(p)
        rows.append(np.concatenate([zeros(p, m, start), p, zeros(p, m, columns - start - n)], axis=1))
        start += n
    return np.concatenate(rows, axis=0)


def khatri_rao(a: Any, b: Any) -> Any:
    """``scipy.linalg.khatri_rao``: a (k, n), b (m, n): the Kronecker products of their columns."""
    a, b = array(a), array(b)
    original(la, "khatri_rao")(plain(a), plain(b))  # SciPy's own checks
    if dims(a) > 2 or dims(b) > 2:
        raise unsupported("scipy.linalg.khatri_rao of stacks of matrices", "loop over the first axis")
    return np.reshape(a[:, None, :] * b[None, :, :], (-1, shape_of(a)[1]))


def kron(a: Any, b: Any) -> Any:
    """``scipy.linalg.kron`` (until SciPy 1.16)."""
    return np.kron(array(a), array(b))


def diagsvd(s: Any, M: int, N: int) -> Any:
    """``scipy.linalg.diagsvd``: s (min(M, N),)."""
    s = _vector("diagsvd", s)
    original(la, "diagsvd")(plain(s), plain(M), plain(N))
    return _placed(s, np.eye(plain(M), plain(N), dtype=bool), (plain(M), plain(N)))


def norm(a: Any, ord: Any = None, axis: Any = None, keepdims: bool = False, check_finite: bool = True) -> Any:
    """``scipy.linalg.norm``: NumPy's."""
    if any_active(ord):
        raise unsupported("scipy.linalg.norm: no derivative with respect to its order")
    a = floating(a)
    if ord in (None, 2, -2, "nuc") and axis is None and dims(a) == 2 and ord is not None:
        from gradcheck.autodiff.rules.scipy.linalg.singular import svdvals

        s = svdvals(a)
        y = s[0] if ord == 2 else s[-1] if ord == -2 else np.sum(s)
        return np.reshape(y, (1, 1)) if keepdims else y
    y = np.linalg.norm(a, ord=ord, axis=axis, keepdims=keepdims)
    dtype = np.result_type(original(la, "norm")(plain(a), ord, axis, keepdims))
    return y if np.result_type(plain(y)) == dtype else y * dtype.type(1)


def matrix_balance(
    A: Any, permute: Any = True, scale: Any = True, separate: Any = False, overwrite_a: bool = False
) -> Any:
    """``scipy.linalg.matrix_balance``: permutation and powers of two are locally constant, T⁻¹ A T is linear in A."""
    a = floating(A)
    found = original(la, "matrix_balance")(plain(a), *plain_tree((permute, scale)), separate=False)
    t = found[1]
    t = t.astype(precision(a))
    balanced = times(np.linalg.inv(t), a, t)
    if separate:
        return balanced, original(la, "matrix_balance")(plain(a), *plain_tree((permute, scale)), separate=True)[1]
    return balanced, t
