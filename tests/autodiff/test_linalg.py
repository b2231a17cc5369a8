"""``np.linalg`` beyond the basics: complex matrices, eigenvectors, full factorisations, degenerate points."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gradcheck.autodiff import AutodiffError, grad, jacobian, jvp

from .checking import Case, Table, verify
from .points import Points

P = Points(13)
T = Table()
n = np.linalg


def square(*shape: int) -> Any:
    return 0.4 * P.normal(*shape) + 1.5 * np.eye(shape[-1])


def complex_square(*shape: int) -> Any:
    return square(*shape) + 0.4j * P.normal(*shape)


def hermitian(x: Any) -> Any:
    return (x + np.conjugate(np.swapaxes(x, -1, -2))) * 0.5


def definite(x: Any) -> Any:
    return np.matmul(x, np.conjugate(np.swapaxes(x, -1, -2))) + 0.5 * np.eye(x.shape[-1], dtype=x.dtype)


A, S, Z, ZS = square(3, 3), square(2, 3, 3), complex_square(3, 3), complex_square(2, 3, 3)

# -- eigenvalues ------------------------------------------------------------------------------------------------------

REAL = np.array([[1.0, 0.3, -0.2], [0.1, 2.5, 0.4], [0.5, -0.3, 4.0]])
TURNING = np.array([[1.0, 2.0, 0.3], [-1.5, 0.8, -0.4], [0.2, 0.3, 3.0]])
SPREAD = ZS + np.diag([0.0, 1.5, 3.5])
for a in (REAL, TURNING, Z, SPREAD, np.stack([REAL, REAL.T + 0.1])):
    T.calls(n.eigvals, [a], single=False)
    T.add(n.eig, lambda x: tuple(n.eig(x)), a, single=False)
T.add(n.eig, lambda x: n.eig(x).eigenvalues, REAL, single=False)
T.add(n.eig, lambda x: (lambda e: ((e[1] * np.exp(e[0])) @ n.inv(e[1])).real)(n.eig(x)), TURNING, single=False)
T.add(n.eigvals, lambda x: np.sum(n.eigvals(x) ** 2).real, TURNING, single=False)
for triangle in "LU":
    T.add(n.eigh, lambda x, u=triangle: tuple(n.eigh(hermitian(x), u)), Z, single=False)
    T.add(n.eigh, lambda x, u=triangle: tuple(n.eigh(x, u)), ZS, single=False)
    T.calls(n.eigvalsh, [Z], {"UPLO": triangle}, single=False)
T.add(n.eigh, lambda x: (lambda e: (e[1] * np.exp(e[0])) @ e[1].conj().T)(n.eigh(hermitian(x))), Z, single=False)

# -- complex factorisations -------------------------------------------------------------------------------------------

for upper in (False, True):
    T.add(n.cholesky, lambda x, u=upper: n.cholesky(definite(x), upper=u), Z, single=False)
    T.add(n.cholesky, lambda x, u=upper: n.cholesky(definite(x), upper=u), ZS, single=False)
for shape in ((3, 3), (4, 2), (2, 4), (2, 3, 2)):
    B = P.complexes(*shape)
    T.calls(n.svdvals, [B], single=False)
    T.add(n.svd, lambda x: tuple(n.svd(x, full_matrices=False)), B, single=False, rtol=1e-6)
    T.add(
        n.svd,
        lambda x: (lambda d: np.matmul(d[0] * np.tanh(d[1])[..., None, :], d[2]))(n.svd(x, False)),
        B,
        single=False,
    )
    T.add(n.qr, lambda x: tuple(n.qr(x)), B, single=False, rtol=1e-6)
    T.calls(n.pinv, [B], single=False)
for shape in ((4, 2), (3, 2), (2, 3), (2, 4), (2, 3, 2)):
    B = P.normal(*shape)
    T.add(n.svd, lambda x: n.svd(x)[1], B, single=False)
    k = min(shape[-2:])
    T.add(n.svd, lambda x, k=k: [np.abs(n.svd(x)[0][..., :k]), np.abs(n.svd(x)[2][..., :k, :])], B, single=False)

    def projector(x: Any, k: int = k) -> Any:
        """On the space that the extra vectors span."""
        u, _, vh = n.svd(x)
        extra = u[..., k:] if u.shape[-1] > k else np.swapaxes(vh[..., k:, :], -1, -2)
        return np.matmul(extra, np.swapaxes(extra, -1, -2))

    if abs(shape[-1] - shape[-2]) == 1:  # a single vector is determined: both modes, twice
        T.add(n.svd, projector, B, single=False)
        T.add(n.svd, lambda x: [np.abs(y) for y in n.svd(x)], B, single=False)
        T.add(n.qr, lambda x: tuple(n.qr(x, mode="complete")), B, single=False)
T.add(n.svd, lambda x: [np.abs(y) for y in n.svd(hermitian(x), hermitian=True)], Z, single=False)
T.add(n.svd, lambda x: n.svd(x, hermitian=True, compute_uv=False), Z, single=False)
T.add(n.pinv, lambda x: n.pinv(x, hermitian=True), Z, single=False)
T.add(n.slogdet, lambda x: tuple(n.slogdet(x)), Z, single=False)
T.add(n.slogdet, lambda x: tuple(n.slogdet(x)), ZS, single=False)
T.calls(n.det, [ZS], single=False)
T.calls(n.tensorinv, [(0.2 * P.complexes(6, 6) + np.eye(6)).reshape(2, 3, 6)], {"ind": 2}, second=False, single=False)
T.calls(n.matrix_power, [Z], {"n": 3}, {"n": -2}, single=False)
T.calls(n.cond, [Z], {}, {"p": -2}, single=False)
if np.lib.NumpyVersion(np.__version__) >= "2.2.0":  # before, some were complex numbers
    T.calls(n.cond, [Z], {"p": 1}, {"p": "fro"}, single=False)
for order in ("nuc", 2, -2, 1, np.inf):
    T.calls(n.norm, [Z], {"ord": order}, single=False)

# -- least squares ----------------------------------------------------------------------------------------------------

for a, b in ((P.normal(5, 2), P.normal(5)), (P.normal(5, 2), P.normal(5, 3)), (P.normal(2, 4), P.normal(2)),
             (P.complexes(5, 2), P.complexes(5)), (P.complexes(2, 4), P.complexes(2, 3))):  # fmt: skip
    T.add(n.lstsq, lambda a, b: tuple(n.lstsq(a, b, None)), a, b, single=False)


@pytest.mark.parametrize("case", T.cases, ids=lambda case: case.id)
def test_rule(case: Case) -> None:
    verify(case)


# -- points where a factor is not determined --------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 30, 65, 130])
def test_cholesky_factors_of_any_size(size: int) -> None:
    """LAPACK works in blocks of 64. The gradient of the log determinant is the inverse, of which one triangle counts
    twice, as NumPy reads that one only (Jacobi's formula)."""
    root = P.normal(size, size)
    matrix = root @ root.T + size * np.eye(size)
    inverse = n.inv(matrix)
    expected = np.tril(inverse) + np.tril(inverse, -1)
    for upper in (False, True):
        got = grad(lambda a, u=upper: 2.0 * np.sum(np.log(np.diag(n.cholesky(a, upper=u)))))(matrix)
        np.testing.assert_allclose(got, expected.T if upper else expected, rtol=1e-10, atol=1e-12)
    weights, tangent = P.normal(size, size), P.normal(size, size)
    forth = np.sum(weights * jvp(n.cholesky, (matrix,), (tangent,))[1])
    back = grad(lambda a: np.sum(weights * n.cholesky(a)))(matrix)
    assert np.sum(back * tangent) == pytest.approx(forth, rel=1e-9)


def test_a_larger_complement_is_followed_as_a_space() -> None:
    B = P.normal(5, 2)

    def outside(x: Any) -> Any:
        u = n.svd(x)[0]
        q = n.qr(x, mode="complete").Q
        W = np.arange(25.0).reshape(5, 5)
        return np.sum(W * (u[:, 2:] @ u[:, 2:].T)) + np.sum(W**0.5 * (q[:, 2:] @ q[:, 2:].T))

    t, h = P.normal(5, 2), 1e-5
    slope = (outside(B + h * t) - outside(B - h * t)) / (2 * h)
    assert np.sum(grad(outside)(B) * t) == pytest.approx(slope, rel=1e-7)


@pytest.mark.parametrize("f", [lambda x: n.svd(x)[0][0, -1], lambda x: n.qr(x, mode="complete")[0][0, -1]])
def test_a_vector_that_is_not_determined_is_refused(f: Any) -> None:
    B = P.normal(4, 2)
    with pytest.raises(AutodiffError, match="which basis completes"):
        grad(f)(B)
    assert np.isnan(jvp(f, (B,), (np.ones((4, 2)),))[1])


def test_raw_qr_is_refused() -> None:
    with pytest.raises(AutodiffError, match="mode='raw'"):
        grad(lambda a: np.sum(n.qr(a, mode="raw")[0]))(A)


def matrix_function(x: Any) -> Any:
    w, v = n.eigh(x)
    return np.sum(np.arange(9.0).reshape(3, 3) * ((v * np.exp(w)) @ v.T))


def polar(x: Any) -> Any:
    u, _, vh = n.svd(x)
    return np.sum(np.arange(9.0).reshape(3, 3) * (u @ vh))


@pytest.mark.parametrize("f", [matrix_function, polar])
def test_what_equal_eigenvalues_hide_is_nan_and_never_a_wrong_number(f: Any) -> None:
    B = np.diag([2.0, 2.0, 3.0])
    assert np.isnan(grad(f)(B)).any()
    t = hermitian(P.normal(3, 3)) if f is matrix_function else P.normal(3, 3)
    assert np.isnan(jvp(f, (B,), (t,))[1])
    # Beside that point the derivative is right.
    near = np.diag([2.0, 2.01, 3.0])
    slope = (f(near + 1e-5 * t) - f(near - 1e-5 * t)) / 2e-5
    assert np.sum(grad(f)(near) * t) == pytest.approx(slope, rel=1e-4)


def test_singular_values_of_a_matrix_without_full_rank() -> None:
    B = np.outer([1.0, 2.0, 3.0], [1.0, -1.0])
    g = grad(lambda x: n.svd(x, compute_uv=False)[0])(B)
    assert g == pytest.approx(np.outer([1.0, 2.0, 3.0], [1.0, -1.0]) / np.sqrt(28.0))
    assert np.isfinite(grad(lambda x: n.norm(x, "nuc"))(B)).all()


def test_eigenvalues_of_a_defective_matrix_have_no_derivative() -> None:
    B = np.array([[1.0, 1.0], [0.0, 1.0]])
    try:
        J = jacobian(n.eigvals)(B)
    except n.LinAlgError:
        return  # LAPACK found its eigenvectors to be parallel to the last bit
    assert not np.isfinite(J).all() or np.max(np.abs(J)) > 1e7


def test_rank_and_singular_values_of_lstsq() -> None:
    a, b = P.normal(5, 2), P.normal(5)
    s = n.svd(a, compute_uv=False)
    assert grad(lambda x: np.sum(n.lstsq(x, b, None)[3]))(a) == pytest.approx(
        grad(lambda x: np.sum(n.svd(x, compute_uv=False)))(a)
    )
    assert n.lstsq(a, b, None)[3] == pytest.approx(s)
