# ruff: noqa: E501  (tables: a case a line)
"""``scipy.linalg`` from plain imports: values, both modes, second order, complex matrices, stored triangles and bands."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy
import scipy.linalg as la
from scipy import linalg
from scipy.linalg import cho_factor, cho_solve, expm, solve  # noqa: F401  (in the tables)

from gradcheck.autodiff import AutodiffError, grad, hessian, jacobian, jvp
from gradcheck.autodiff.core import noting
from tests.autodiff.checking import Case, verify
from tests.autodiff.scipy.written import Written

rng = np.random.default_rng(5)
C = Written(globals())
STACKS = tuple(int(n) for n in scipy.__version__.split(".")[:2]) >= (1, 16)
pytestmark = pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")


def normal(*shape: int) -> Any:
    return rng.normal(size=shape)


def complexes(*shape: int) -> Any:
    return rng.normal(size=shape) + 1j * rng.normal(size=shape)


def spd(x: Any) -> Any:
    """A positive definite matrix of any square one."""
    return x @ np.conj(np.swapaxes(x, -1, -2)) + 3 * np.eye(x.shape[-1])


def fixed(w: Any, v: Any) -> Any:
    """Eigenvectors with a sign that does not jump: LAPACK's may, from one call to the next."""
    top = v[np.argmax(np.abs(v), axis=0), np.arange(v.shape[1])]
    return w, v * np.sign(np.real(np.where(np.abs(np.real(top)) > np.abs(np.imag(top)), top, np.imag(top))))


A = normal(3, 3) + 2.5 * np.eye(3)
Z = complexes(3, 3) + 2.5 * np.eye(3)
S = spd(normal(3, 3))
H = spd(complexes(3, 3))
STACK = normal(2, 3, 3) + 2.5 * np.eye(3)
B, V, T, W = normal(3, 2), normal(3), normal(4, 2), normal(2, 4)
STABLE = normal(3, 3) * 0.3 - 1.5 * np.eye(3)

# -- systems ----------------------------------------------------------------------------------------------------------
C("scipy.linalg.solve(a, b)", a=A, b=V)
C("solve(a, b)", a=A, b=B)
C("solve(a, b)", a=Z, b=complexes(3))
C("solve(a, b)", a=A, b=complexes(3), second=False)
if STACKS:
    C("solve(a, b)", a=STACK, b=B, second=False)
C("solve(a, b, transposed=True)", a=A, b=V)
C("solve(a, b)", a=np.array([[2.0]]), b=V[:1], second=False)
for how in (
    "sym",
    "pos",
    "her",
    "gen",
    "upper triangular",
    "lower triangular",
    "diagonal",
    "tridiagonal",
    "symmetric",
    "positive definite",
):
    C.each(f"solve(a, b, assume_a='{how}'%s)", "", ", lower=True", a=S, b=V, second=how == "pos", single=False)
C("solve(a, b, assume_a='her', lower=True)", a=H, b=complexes(3), second=False)
C("solve(a, b, assume_a='pos')", a=H, b=complexes(3), second=False)
C("solve(a, b, assume_a='upper triangular', transposed=True)", a=A, b=V, second=False, single=False)
C("la.inv(a)", a=A)
C("la.inv(a)", a=Z, second=False)
C("la.det(a)", a=A)
C("la.det(a)", a=Z, second=False)
C("la.det(a)", a=STACK, second=False)
C("la.det(a)", a=np.array([[1.0, 2.0], [2.0, 4.0]]), single=False)
for how in (
    "",
    "trans=1",
    "trans='T'",
    "trans=2",
    "lower=True",
    "lower=True, trans=1",
    "unit_diagonal=True",
    "lower=True, unit_diagonal=True, trans='C'",
):
    C(f"la.solve_triangular(a, b, {how})", a=A, b=V if "C" in how else B, second="low" in how)
C("la.solve_triangular(a, b, trans=2)", a=Z, b=complexes(3, 2), second=False)
C("la.solve_banded((1, 2), ab, b)", ab=normal(4, 5) + np.array([[0.0], [0], [4], [0]]), b=normal(5))
C("la.solve_banded((2, 0), ab, b)", ab=normal(3, 4) + np.array([[4.0], [0], [0]]), b=normal(4, 2), second=False)
C("la.solve_banded((1, 1), ab, b)", ab=complexes(3, 4) + np.array([[0.0], [4], [0]]), b=complexes(4), second=False)
C("la.solveh_banded(ab, b)", ab=np.array([[0.0, 0.3, 0.2, 0.5], [4.0, 5.0, 3.0, 4.5]]), b=normal(4))
C(
    "la.solveh_banded(ab, b, lower=True)",
    ab=np.array([[4.0, 5.0, 3.0, 4.5], [0.3, 0.2, 0.5, 0.0], [0.1, 0.4, 0, 0]]),
    b=normal(4, 2),
    second=False,
)
C(
    "la.solveh_banded(ab, b)",
    ab=np.array([[0.0, 0.3 + 1j, 0.2 - 1j, 0.5], [4.0, 5.0, 6.0, 4.5]]),
    b=complexes(4),
    second=False,
)
C("la.solve_toeplitz((c, r), b)", c=np.array([4.0, 1.0, 0.5]), r=np.array([1.0, 0.3, -0.7]), b=V, single=False)
C("la.solve_toeplitz(c, b)", c=np.array([4.0, 1.0, 0.5]), b=B, second=False, single=False)
C("la.solve_toeplitz(c, b)", c=np.array([4.0, 1.0j, 0.5 + 0.2j]), b=complexes(3), second=False)
C("la.matmul_toeplitz((c, r), b)", c=normal(3), r=normal(2), b=normal(2, 2), second=False, single=False)
C("la.solve_circulant(c, b)", c=np.array([4.0, 1.0, 0.5]), b=V, single=False)
C(
    "la.solve_circulant(c, b, baxis=-1, outaxis=1)",
    c=np.array([4.0, 1.0, 0.5]),
    b=normal(2, 3),
    second=False,
    single=False,
)
C("la.pinv(a)", a=T)
C("la.pinv(a)", a=W, second=False)
C("la.pinv(a)", a=complexes(3, 2), second=False)
C("la.pinv(a, rtol=1e-3, return_rank=True)[0]", a=A, second=False)
C("la.pinvh(a)", a=S, second=False)
C("la.pinvh(a, lower=False)", a=H, second=False)
C("la.lstsq(a, b)[:2]", a=T, b=normal(4), single=False)
C("la.lstsq(a, b)[0]", a=W, b=normal(2, 3), second=False, single=False)
C("la.lstsq(a, b)[:2]", a=complexes(4, 2), b=complexes(4, 3), second=False, single=False)
C("la.lstsq(a, b)[3]", a=T, b=normal(4), second=False, single=False)
C("la.lstsq(a, b, lapack_driver='gelsy')[0]", a=T, b=normal(4), second=False, single=False)

# -- factors -------------------------------------------------------------------------------------------------------------
C.each("la.cholesky(a%s)", "", ", lower=True", a=S)
C.each("la.cholesky(a%s)", "", ", lower=True", a=H, second=False)
if STACKS:
    C("la.cholesky(a)", a=spd(STACK), second=False)
C("cho_solve(cho_factor(a), b)", a=S, b=B)
C("cho_solve(cho_factor(a, lower=True), b)", a=S, b=V, second=False)
C("cho_solve(cho_factor(a), b)", a=H, b=complexes(3), second=False)
C("cho_factor(a)[0]", a=S, second=False)
C("cho_factor(a, lower=True)[0]", a=S, second=False)
BANDS = np.array([[0.0, 0.3, 0.2, 0.5], [4.0, 5.0, 3.0, 4.5]])
C("la.cholesky_banded(ab)", ab=BANDS)
C("la.cholesky_banded(ab, lower=True)", ab=BANDS[::-1].copy(), second=False)
C("la.cho_solve_banded((la.cholesky_banded(ab), False), b)", ab=BANDS, b=normal(4))
C(
    "la.cho_solve_banded((la.cholesky_banded(ab, lower=True), True), b)",
    ab=np.array([[4.0, 5.0, 3.0, 4.5], [0.3, 0.2, 0.5, 0.0]]),
    b=normal(4, 2),
    second=False,
)
C("la.lu(a)[1:]", a=A)
C.each("la.lu(a%s)[-2:]", ", permute_l=True", ", p_indices=True", a=T, second=False)
C("la.lu(a)[1:]", a=W, second=False)
C("la.lu(a)[1:]", a=Z, second=False)
C("la.lu(a)[1:]", a=STACK, second=False)
C("la.lu_factor(a)[0]", a=A, second=False)
C.each("la.lu_solve(la.lu_factor(a), b%s)", "", ", trans=1", ", trans=2", a=normal(3, 3), b=B, second=False)
C("la.lu_solve(la.lu_factor(a), b, trans=2)", a=Z, b=complexes(3), second=False)
C("la.ldl(a)[:2]", a=S)
C("la.ldl(a, lower=False)[:2]", a=S, second=False)
C(
    "la.ldl(a)[:2]",
    a=np.array([[0.1, 2.0, 0.3, 1], [2, -0.2, 1.0, 0.4], [0.3, 1, 0.5, 3], [1, 0.4, 3, -0.1]]),
    second=False,
)
C("la.ldl(a, hermitian=False)[:2]", a=Z + Z.T, second=False)
C("la.ldl(a + np.conj(a.T))[:2]", a=H, second=False)
C.each("la.qr(a%s)", "", ", mode='economic'", a=A)
C.each("la.qr(a%s)", "", ", mode='economic'", ", mode='full'", a=T, second=False)
C.each("la.qr(a%s)", "", ", mode='economic'", a=W, second=False)
C.each("la.qr(a%s)", "", ", mode='economic'", a=complexes(4, 2), second=False)
C("la.qr(a)", a=Z, second=False)
C("la.qr(a, mode='r')[0]", a=T, second=False)
C("la.qr(a, pivoting=True)[:2]", a=normal(3, 4), second=False)
C("la.qr_multiply(a, c)", a=T, c=normal(2, 4), second=False)
C("la.qr_multiply(a, c, mode='left')", a=T, c=normal(2, 2), second=False)
C.each("la.rq(a%s)", "", ", mode='economic'", a=A, second=False)
C("la.rq(a, mode='economic')", a=W, second=False)
C("la.rq(a)", a=T, second=False)
C("la.rq(a, mode='r')", a=W, second=False)
C("la.rq(a)", a=Z, second=False)

# -- spectra ----------------------------------------------------------------------------------------------------------
C("fixed(*la.eigh(a))", a=S)
C("fixed(*la.eigh(a, lower=False))", a=S, second=False)
C("fixed(*la.eigh(a))", a=H, second=False)
C("fixed(*la.eigh(a, lower=False))", a=H, second=False)
C("la.eigvalsh(a)", a=H, second=False)
C("fixed(*la.eigh(a, subset_by_index=[1, 2]))", a=S)
C("la.eigh(a, eigvals_only=True, subset_by_index=[0, 0])", a=S, second=False)
C("fixed(*la.eigh(a, driver='ev'))", a=S, second=False)
for kind in (1, 2, 3):
    C(f"fixed(*la.eigh(a, b, type={kind}))", a=S, b=spd(normal(3, 3)), second=kind == 1, single=False, rtol=1e-6)
C("fixed(*la.eigh(a, b, subset_by_index=[0, 1]))", a=S, b=spd(normal(3, 3)), second=False, single=False)
C("la.eigvalsh(a, b)", a=H, b=spd(complexes(3, 3)), second=False)
C("fixed(*la.eigh_tridiagonal(d, e))", d=np.array([1.0, 3.0, -1.0]), e=np.array([0.5, 0.7]), single=False)
C(
    "fixed(*la.eigh_tridiagonal(d, e, select='i', select_range=(1, 2)))",
    d=np.array([1.0, 3.0, -1.0]),
    e=np.array([0.5, 0.7]),
    second=False,
    single=False,
)
C("la.eigvalsh_tridiagonal(d, e)", d=np.array([1.0, 3.0, -1.0]), e=np.array([0.5, 0.7]), second=False, single=False)
C("fixed(*la.eig_banded(ab))", ab=np.array([[0.0, 0.3, 0.2, 0.5], [4.0, 5.0, 3.0, 6.5]]), second=False, single=False)
C(
    "la.eigvals_banded(ab, lower=True)",
    ab=np.array([[4.0, 5.0, 3.0, 6.5], [0.3, 0.2, 0.5, 0.0]]),
    second=False,
    single=False,
)
ROTATING = np.array([[1.0, 2.0, 0.3], [-2.0, 1.0, 0.1], [0.4, 0.2, 3.0]])
C("la.eig(a)", a=np.array([[1.0, 2.0, 0.3], [0.4, 4.0, 0.1], [0.4, 0.2, -3.0]]), single=False)
C("la.eig(a)", a=ROTATING, single=False)
C("la.eig(a)", a=Z, second=False, single=False)
C(
    "fixed(*la.eig(a, left=True)[:2])",
    a=np.array([[1.0, 2.0, 0.3], [-1.0, 1.0, 0.1], [0.4, 0.9, 3.0]]),
    second=False,
    single=False,
)
C("fixed(*la.eig(a, left=True, right=False))", a=Z, second=False, single=False)
C("la.eigvals(a)", a=ROTATING, second=False, single=False)
C("la.eigvals(a, b)", a=ROTATING, b=A, second=False, single=False)
C("fixed(*la.eig(a, b))", a=S, b=spd(normal(3, 3)), second=False, single=False)
C("la.svd(a, full_matrices=False)", a=T)
C("la.svd(a, full_matrices=False)", a=W, second=False)
C("la.svd(a)", a=A, second=False)
C("la.svd(a)", a=normal(3, 2), second=False)
C("la.svd(a)", a=normal(2, 3), second=False)
C("la.svd(a, full_matrices=False)", a=complexes(4, 2), second=False)
C("la.svd(a, compute_uv=False)", a=T, second=False)
C("la.svd(a, full_matrices=False, lapack_driver='gesvd')", a=T, second=False)
C("la.svdvals(a)", a=complexes(2, 3), second=False)
C.each("la.polar(a%s)", "", ", side='left'", a=A, second=False)
C("la.polar(a)", a=T)
C("la.polar(a, side='left')", a=W, second=False)
C("la.polar(a)", a=complexes(3, 2), second=False)
C("la.polar(a)", a=W, second=False)
C("la.orthogonal_procrustes(a, b)", a=T, b=normal(4, 2), second=False)
C("la.orth(a)", a=T, second=False)
C("la.null_space(a)", a=normal(2, 3), single=False)
C("la.subspace_angles(a, b)", a=normal(5, 2), b=normal(5, 2), second=False, single=False)
C("la.subspace_angles(a, b)", a=normal(5, 1), b=normal(5, 2), second=False, single=False)

# -- functions ------------------------------------------------------------------------------------------------------------
C("expm(a)", a=A)
C("expm(a)", a=Z, second=False)
C("expm(a)", a=STACK, second=False)
C("expm(a * t)", a=A, t=0.4)
C("la.expm_frechet(a, e)", a=A * 0.1, e=normal(3, 3), single=False, second=False)
C("la.expm_frechet(a, e, compute_expm=False)", a=A, e=normal(3, 3), single=False)
C("la.logm(a)", a=S, single=False)
C("la.logm(a)", a=H, second=False, single=False)
C("la.sqrtm(a)", a=S, single=False)
C("la.sqrtm(a)", a=Z, second=False, single=False)
C("la.fractional_matrix_power(a, 0.3)", a=S, second=False, single=False)
C("la.fractional_matrix_power(a, t)", a=S, t=0.7, second=False, single=False)
for f in ("cosm", "sinm", "tanm", "coshm", "sinhm", "tanhm"):
    C(f"la.{f}(a)", a=normal(3, 3), second=f == "cosm", single=False)
C("la.cosm(a)", a=complexes(2, 2), second=False, single=False)
C("la.signm(a)", a=np.array([[2.0, 1.0], [0.3, -1.5]]), second=False, single=False)
C("la.funm(a, lambda w: w ** 2 + np.exp(w))", a=np.array([[2.0, 1.0], [0.3, -1.5]]), second=False, single=False)
C("la.funm(a, np.exp)", a=ROTATING, second=False, single=False)

# -- equations ---------------------------------------------------------------------------------------------------------------
C("la.solve_sylvester(a, b, q)", a=A, b=normal(2, 2) + 3 * np.eye(2), q=B)
C("la.solve_sylvester(a, b, q)", a=Z, b=complexes(2, 2) + 3 * np.eye(2), q=complexes(3, 2), second=False, single=False)
C("la.solve_continuous_lyapunov(a, q)", a=A, q=S, second=False)
C("la.solve_continuous_lyapunov(a, q)", a=Z, q=H, second=False, single=False)
C.each("la.solve_discrete_lyapunov(a, q%s)", "", ", method='bilinear'", a=A * 0.2, q=S, single=False)
C("la.solve_discrete_lyapunov(a, q)", a=Z * 0.2, q=H, second=False, single=False)
for f in ("continuous", "discrete"):
    C(
        f"la.solve_{f}_are(a, b, q @ q.T, r @ r.T)",
        a=A,
        b=B,
        q=normal(3, 3),
        r=np.diag([1.0, 2.0]),
        second=f == "discrete",
        single=False,
        rtol=1e-6,
    )
    C(
        f"la.solve_{f}_are(a, b, np.eye(3), r @ r.T, e=e, s=s)",
        a=A,
        b=B,
        r=np.diag([1.0, 2.0]),
        e=np.eye(3) + 0.1 * A,
        s=0.1 * B,
        second=False,
        single=False,
        rtol=1e-6,
    )

# -- structure ------------------------------------------------------------------------------------------------------------------
C("la.toeplitz(c)", c=V)
C("la.toeplitz(c, r)", c=V, r=normal(2))
C("la.toeplitz(c)", c=complexes(3), second=False)
C("la.hankel(c)", c=V, second=False)
C("la.hankel(c, r)", c=V, r=normal(4), second=False)
C("la.circulant(c)", c=V, second=False)
C("la.companion(c)", c=np.array([2.0, 1.0, 0.5, 3.0]))
C.each("la.convolution_matrix(c, 4%s)", "", ", mode='same'", ", mode='valid'", c=V, second=False)
C("la.leslie(f, s)", f=V, s=V[:2], second=False)
C("la.fiedler(c)", c=V, second=False)
C("la.fiedler_companion(c)", c=np.array([2.0, 1.0, 0.5, 3.0, 0.7]), second=False)
C("la.block_diag(a, b, x)", a=A, b=B, x=V)
C("la.khatri_rao(a, b)", a=B, b=T, second=False)
C("la.diagsvd(s, 2, 3)", s=V[:2], second=False)
C.each(
    "la.norm(a%s)",
    "",
    ", 'fro'",
    ", 1",
    ", np.inf",
    ", 2",
    ", -2",
    ", 'nuc'",
    ", axis=0",
    ", 1, axis=1, keepdims=True",
    a=B,
    second=False,
)
C("la.norm(a)", a=V)
C("la.matrix_balance(a)[0]", a=np.array([[1.0, 200.0], [0.003, 2.0]]), second=False)
if hasattr(la, "kron"):
    C("la.kron(a, b)", a=A, b=B, second=False)


@pytest.mark.parametrize("case", C.all, ids=lambda case: case.id)
def test_rule(case: Case) -> None:
    verify(case)


def test_repeated_values() -> None:
    """Where singular values coincide, what does not depend on the basis still has its derivative."""
    a = np.diag([2.0, 2.0, 1.0])
    verify(Case(("polar",), lambda x: la.polar(x), (a,), "polar at equal singular values", second=False))
    verify(Case(("u @ vh",), lambda x: np.matmul(*la.svd(x)[::2]), (a,), "u @ vh", second=False))
    np.testing.assert_allclose(grad(lambda x: np.sum(la.eigvalsh(x) ** 2))(a), 2 * a, atol=1e-12)
    verify(Case(("polar",), lambda x: la.polar(x)[0], (np.eye(3),), "second order of polar at equal singular values"))
    with pytest.raises(AutodiffError, match="second derivative"):
        hessian(lambda x: np.sum(la.eigvalsh(x) ** 2))(a)


def exponential(spectrum: Any) -> Any:
    """A function of a matrix by its spectrum, which does not depend on the basis."""

    def f(x: Any) -> Any:
        w, v, inverse = spectrum(x)
        return np.sum(np.arange(9.0).reshape(3, 3) * np.real((v * np.exp(w)) @ inverse))

    return f


def by_eigh(x: Any, **keywords: Any) -> Any:
    w, v = la.eigh(x, **keywords)
    return w, v, v.T


def by_eig(x: Any) -> Any:
    w, v = la.eig(x)
    return w, v, la.inv(v)


@pytest.mark.parametrize(
    "spectrum",
    [
        by_eigh,
        lambda x: by_eigh(x, b=np.eye(3)),
        lambda x: by_eigh(x, subset_by_index=[0, 1]),
        lambda x: by_eigh(x, subset_by_index=[0, 0]),
        by_eig,
    ],
    ids=["eigh", "general", "subset", "half of a pair", "eig"],
)
def test_what_equal_eigenvalues_hide_is_nan_and_never_a_wrong_number(spectrum: Any) -> None:
    f, twice = exponential(spectrum), np.diag([2.0, 2.0, 3.0])
    t = np.array([[0.3, 0.7, 0.2], [0.7, -0.4, 0.9], [0.2, 0.9, 0.5]])
    assert np.isnan(grad(f)(twice)).any()
    assert np.isnan(jvp(f, (twice,), (t,))[1])
    assert np.isfinite(grad(lambda x: np.real(np.sum(spectrum(x)[0])))(twice)).all()
    near = np.diag([2.0, 2.01, 3.0])
    slope = (f(near + 1e-5 * t) - f(near - 1e-5 * t)) / 2e-5
    assert np.sum(grad(f)(near) * t) == pytest.approx(slope, rel=1e-4)


def test_however_the_name_was_bound() -> None:
    def inside(x: Any) -> Any:
        from scipy.linalg import inv as invert

        return np.sum(invert(x))

    expected = grad(lambda x: np.sum(la.solve(x, V)))(A)
    np.testing.assert_allclose(grad(lambda x: np.sum(linalg.solve(x, V)))(A), expected)
    np.testing.assert_allclose(grad(inside)(A), grad(lambda x: np.sum(np.linalg.inv(x)))(A))


NUMERIC = ["la.hessenberg(x)"]


@pytest.mark.parametrize("text", NUMERIC)
def test_numeric_fallback_is_labelled(text: str) -> None:
    f = eval(f"lambda x: {text}", globals())
    x = np.array([[1.0, 2.0, 0.3], [0.4, 4.0, 0.1], [0.4, 0.2, -3.0]])
    with noting() as notes:
        found = jacobian(f)(x)
    assert notes.numeric
    step = 1e-6
    for i in np.ndindex(3, 3):
        d = np.zeros((3, 3))
        d[i] = step
        np.testing.assert_allclose(found[(..., *i)], (f(x + d) - f(x - d)) / (2 * step), atol=1e-7)


REFUSED = {
    "la.svd(np.vstack([x, x[:1], x[:1]]))": "full_matrices",
    "la.null_space(x[:1])": "null_space",
    "la.qr(x, mode='raw')": "raw",
    "la.rq(x[:2])": "economic",
    "la.eig(x, x.T, left=True)": "phases",
    "la.blas.dgemm(1.0, x, x)": "A @ B",
    "la.lapack.dpotrf(x)": "cholesky",
    "la.get_blas_funcs(('gemm',), (x,))": "scipy.linalg",
    "la.eig(x, homogeneous_eigvals=True)": "homogeneous",
    "la.solve_circulant(x[0], x[1], singular='lstsq')": "lstsq",
    "la.funm(0 * x + np.eye(3), np.exp)": "coincide",
}


@pytest.mark.parametrize("text", REFUSED)
def test_refused_by_name(text: str) -> None:
    f = eval(f"lambda x: {text}", globals())
    with pytest.raises(AutodiffError, match=REFUSED[text]):
        grad(f)(S)


def test_not_differentiable() -> None:
    assert grad(lambda x: np.sum(x) if la.issymmetric(x) else 0.0 * np.sum(x))(S).sum() == 9.0
    assert hessian(lambda x: la.bandwidth(x)[0] * np.sum(x**2))(A).shape == (3, 3, 3, 3)
