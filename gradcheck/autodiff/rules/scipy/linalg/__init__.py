"""``scipy.linalg``: which handler stands for which function.

Loaded when the user's code has loaded ``scipy.linalg``. What has no rule here (schur, hessenberg, qz, cossin, the
updates of QR) is differentiated numerically at the call; the wrappers of BLAS and LAPACK are refused by name.
"""

from __future__ import annotations

import types

import scipy.linalg as la

from gradcheck.autodiff.rules.scipy.linalg import equations, factors, functions, singular, solving, spectra, structured
from gradcheck.autodiff.rules.scipy.registry import complete, plain, refuse, replace

_PARTS: dict[types.ModuleType, tuple[str, ...]] = {
    solving: (
        "solve", "inv", "det", "solve_triangular", "solve_banded", "solveh_banded", "solve_toeplitz",
        "matmul_toeplitz", "solve_circulant", "pinv", "pinvh", "lstsq",
    ),
    factors: (
        "cholesky", "cho_factor", "cho_solve", "cholesky_banded", "cho_solve_banded", "lu", "lu_factor", "lu_solve",
        "ldl", "qr", "qr_multiply", "rq",
    ),
    spectra: (
        "eigh", "eigvalsh", "eigh_tridiagonal", "eigvalsh_tridiagonal", "eig_banded", "eigvals_banded", "eig",
        "eigvals",
    ),
    singular: (
        "svd", "svdvals", "polar", "orthogonal_procrustes", "orth", "null_space", "subspace_angles",
    ),
    functions: (
        "expm", "expm_frechet", "logm", "sqrtm", "fractional_matrix_power", "cosm", "sinm", "tanm", "coshm", "sinhm",
        "tanhm", "signm", "funm",
    ),
    equations: (
        "solve_sylvester", "solve_lyapunov", "solve_continuous_lyapunov", "solve_discrete_lyapunov",
        "solve_continuous_are", "solve_discrete_are",
    ),
    structured: (
        "toeplitz", "hankel", "circulant", "companion", "convolution_matrix", "leslie", "fiedler",
        "fiedler_companion", "block_diag", "khatri_rao", "kron", "diagsvd", "norm", "matrix_balance",
    ),
}  # fmt: skip
for _module, _names in _PARTS.items():
    replace(la, {name: getattr(_module, name) for name in _names})

_INTEGERS = ("dft", "hadamard", "helmert", "hilbert", "invhilbert", "invpascal", "pascal")
plain(la, ["bandwidth", "issymmetric", "ishermitian", "find_best_blas_type", *_INTEGERS])
refuse(
    la,
    {
        "clarkson_woodruff_transform": "it is random; make the sketch matrix outside and multiply by it",
        "get_blas_funcs": "call the function of scipy.linalg or the operator that does the same",
        "get_lapack_funcs": "call the function of scipy.linalg that does the same",
        "expm_cond": "it is an estimate; use np.linalg.cond of the matrix or expm_frechet",
    },
)
complete(la)

# What to write instead of a routine of BLAS or LAPACK, by what follows the letter of its type.
_INSTEAD = {
    "gemm": "use A @ B", "gemv": "use A @ x", "symm": "use A @ B", "hemm": "use A @ B", "symv": "use A @ x",
    "hemv": "use A @ x", "dot": "use x @ y", "dotu": "use x @ y", "dotc": "use np.vdot(x, y)", "axpy": "use a * x + y",
    "scal": "use a * x", "nrm2": "use np.linalg.norm(x)", "asum": "use np.sum(np.abs(x))", "ger": "use np.outer(x, y)",
    "syrk": "use A @ A.T", "herk": "use A @ A.conj().T", "trmm": "use np.tril(A) @ B", "trmv": "use np.tril(A) @ x",
    "trsm": "use scipy.linalg.solve_triangular", "trsv": "use scipy.linalg.solve_triangular",
    "trtrs": "use scipy.linalg.solve_triangular", "gesv": "use scipy.linalg.solve", "posv": "use scipy.linalg.solve",
    "sysv": "use scipy.linalg.solve", "potrf": "use scipy.linalg.cholesky", "potrs": "use scipy.linalg.cho_solve",
    "getrf": "use scipy.linalg.lu_factor", "getrs": "use scipy.linalg.lu_solve", "getri": "use scipy.linalg.inv",
    "geqrf": "use scipy.linalg.qr", "orgqr": "use scipy.linalg.qr", "ormqr": "use scipy.linalg.qr",
    "gels": "use scipy.linalg.lstsq", "gelsd": "use scipy.linalg.lstsq", "gelsy": "use scipy.linalg.lstsq",
    "gesvd": "use scipy.linalg.svd", "gesdd": "use scipy.linalg.svd", "syev": "use scipy.linalg.eigh",
    "syevd": "use scipy.linalg.eigh", "syevr": "use scipy.linalg.eigh", "heev": "use scipy.linalg.eigh",
    "heevr": "use scipy.linalg.eigh", "geev": "use scipy.linalg.eig", "gbsv": "use scipy.linalg.solve_banded",
    "gtsv": "use scipy.linalg.solve_banded", "pbsv": "use scipy.linalg.solveh_banded",
    "ptsv": "use scipy.linalg.solveh_banded", "trsyl": "use scipy.linalg.solve_sylvester",
    "gees": "use scipy.linalg.schur", "gehrd": "use scipy.linalg.hessenberg", "sytrf": "use scipy.linalg.ldl",
}  # fmt: skip


def _refuse_wrappers(module: types.ModuleType) -> None:
    """Every compiled wrapper of a module is refused, with the function of scipy.linalg to use."""
    default = "use the function of scipy.linalg or the operator that does the same"
    names = [n for n in dir(module) if n[0] in "sdczi" and type(getattr(module, n)).__name__ == "fortran"]
    refuse(module, {name: _INSTEAD.get(name[1:], default) for name in names})


_refuse_wrappers(la.blas)
_refuse_wrappers(la.lapack)
