"""``scipy.sparse.linalg``: direct and iterative solvers, exponentials, some eigenvalues, norms.

A solution's derivative is that of the equation that it solves: one more direct solve, whatever method has found the
solution. Eigenvalues and singular values go through the full matrix, O(n³): exact, and meant for the sizes that people
check derivatives at.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse as sparse
import scipy.sparse.linalg as sl

from gradcheck.autodiff.core import Primitive, any_active, is_complex, plain, plain_tree, shape_of
from gradcheck.autodiff.errors import unsupported
from gradcheck.autodiff.rules.matrices import times
from gradcheck.autodiff.rules.scipy.linalg.functions import EXPM
from gradcheck.autodiff.rules.scipy.linalg.singular import svd
from gradcheck.autodiff.rules.scipy.linalg.spectra import chosen_eigenpairs, eig
from gradcheck.autodiff.rules.scipy.linalg.tools import primitive, system
from gradcheck.autodiff.rules.scipy.linear import floating
from gradcheck.autodiff.rules.scipy.registry import holds_traced, methods, original, refuse, replace
from gradcheck.autodiff.rules.scipy.registry import plain as not_differentiable
from gradcheck.autodiff.rules.scipy.sparse.matrix import (
    CLASSES,
    COO,
    PRODUCT,
    TracedSparse,
    from_array,
    is_sparse,
    traced,
)

CSC: Any = sparse.csc_array
_OPERATOR: Any = sl.LinearOperator
# An operator without a matrix is written out for its derivative, a column a product.
LARGEST = 4000


def value_of(A: Any) -> Any:
    """A matrix of any kind with its plain entries."""
    return A.value() if type(A) is TracedSparse else plain(A)


def dense(A: Any) -> Any:
    """A matrix of any kind as an array, traced if its entries are."""
    if type(A) is TracedSparse:
        return A.toarray()
    return A.toarray() if is_sparse(A) else floating(A)


# -- systems ---------------------------------------------------------------------------------------------------------


def _solve(data: Any, b: Any, *, row: Any, col: Any, n: int) -> Any:
    return original(sl, "spsolve")(CSC((data, (row, col)), shape=(n, n)), b)


def _flip(data: Any, *, row: Any, col: Any, n: int) -> Any:
    return (data,), {"row": col, "col": row, "n": n}


SOLVE = system(
    "scipy.sparse.linalg.spsolve",
    _solve,
    _flip,
    lambda _k, t, x, _data, *, row, col, n: PRODUCT(t, x, row=row, col=col, shape=(n, n)),
)


def spsolve(A: Any, b: Any, permc_spec: Any = None, use_umfpack: bool = True) -> Any:
    """``scipy.sparse.linalg.spsolve``: A (n, n) sparse, b (n,) or (n, k) dense."""
    if is_sparse(b):
        raise unsupported(
            "scipy.sparse.linalg.spsolve of a sparse right-hand side and traced values", "use b.toarray()"
        )
    row, col, data = (traced(A) if is_sparse(A) else from_array(CSC, A)).entries
    b = floating(b)
    column = len(shape_of(b)) == 2 and shape_of(b)[1] == 1
    x = SOLVE(data, b[:, 0] if column else b, row=row, col=col, n=A.shape[0])
    return x  # SciPy, too, gives a vector for one column


def spsolve_triangular(A: Any, b: Any, lower: bool = True, overwrite_A: bool = False, overwrite_b: bool = False,
                       unit_diagonal: bool = False) -> Any:  # fmt: skip
    """``scipy.sparse.linalg.spsolve_triangular``: the other triangle must be empty."""
    part = traced(A)
    row, col, data = part.entries
    original(sl, "spsolve_triangular")(value_of(A), plain(floating(b)), lower, unit_diagonal=unit_diagonal)
    if unit_diagonal:
        inside = np.flatnonzero(row != col)
        n = part.shape[0]
        row, col = (np.concatenate([i[inside], np.arange(n)]) for i in (row, col))
        data = np.concatenate([data[inside], np.ones(n)])
    return SOLVE(data, floating(b), row=row, col=col, n=part.shape[0])


class TracedFactors:
    """What ``splu`` gives while a trace is running: a factorisation that also solves for traced right-hand sides.

    Attributes:
        A: the matrix, plain or traced.
        twin: SciPy's SuperLU of the plain entries.
    """

    def __init__(self, A: Any, twin: Any) -> None:
        self.A = A
        self.twin = twin

    def solve(self, rhs: Any, trans: str = "N") -> Any:
        if not any_active(rhs) and type(self.A) is not TracedSparse:
            return self.twin.solve(plain(rhs), trans)
        A = traced(self.A)
        A = A if trans == "N" else A.T if trans == "T" else A.T.conj()
        row, col, data = A.entries
        return SOLVE(data, floating(rhs), row=row, col=col, n=A.shape[0])

    def __getattr__(self, name: str) -> Any:
        if type(self.A) is TracedSparse and name in ("L", "U"):
            raise unsupported(f"SuperLU.{name} of a matrix with traced entries", "use scipy.linalg.lu of A.toarray()")
        return getattr(self.twin, name)


def splu(A: Any, *args: Any, **keywords: Any) -> Any:
    twin = original(sl, "splu")(value_of(A), *args, **keywords)
    return TracedFactors(A if is_sparse(A) else CSC(A), twin)


def factorized(A: Any) -> Callable[[Any], Any]:
    return splu(CSC(A) if not is_sparse(A) else A).solve  # type: ignore[no-any-return]


def _written_out(A: Any, name: str) -> Any:
    """A plain sparse matrix of a matrix of any kind or an operator."""
    if not isinstance(A, _OPERATOR):
        return A
    n = A.shape[1]
    if n > LARGEST:
        raise unsupported(f"scipy.sparse.linalg.{name} of a LinearOperator with more than {LARGEST} columns")
    y = A.matmat(np.eye(n))
    if holds_traced(y):
        raise unsupported(
            f"scipy.sparse.linalg.{name} of a LinearOperator that depends on traced values",
            "give the matrix itself, with traced entries",
        )
    return CSC(y)


def _iterated(name: str) -> Callable[..., Any]:
    """An iterative solver: SciPy's own solution, and its derivative by the implicit function theorem."""

    def run(data: Any, b: Any, *, row: Any, col: Any, n: int, call: Any) -> Any:
        x, info = call(b, data)
        if info != 0:
            raise unsupported(
                f"scipy.sparse.linalg.{name} has not converged (info = {info}): its result has no derivative",
                "raise maxiter, or use scipy.sparse.linalg.spsolve",
            )
        return x

    def tangent(t: Any, x: Any, data: Any, _b: Any, *, row: Any, col: Any, n: int, call: Any) -> Any:
        return -SOLVE(data, PRODUCT(t, x, row=row, col=col, shape=(n, n)), row=row, col=col, n=n)

    rule = primitive(
        f"scipy.sparse.linalg.{name}",
        run,
        [tangent, lambda t, _x, data, _b, *, row, col, n, call: SOLVE(data, t, row=row, col=col, n=n)],
    )

    def handler(A: Any, b: Any, x0: Any = None, **keywords: Any) -> Any:
        own, keywords = value_of(A), plain_tree(keywords)
        matrix = _written_out(A, name)
        row, col, data = (traced(matrix) if is_sparse(matrix) else from_array(CSC, matrix)).entries
        b = floating(b)
        flat = b[:, 0] if len(shape_of(b)) == 2 else b

        def call(right: Any, _data: Any) -> Any:
            return original(sl, name)(own, right, plain(x0), **keywords)

        return rule(data, flat, row=row, col=col, n=A.shape[0], call=call), 0

    return handler


# -- operators -------------------------------------------------------------------------------------------------------


def _shaped(x: Any, length: int) -> Any:
    x = floating(x)
    if shape_of(x) not in ((length,), (length, 1)):
        raise ValueError("dimension mismatch")
    return x


def _matvec(self: Any, x: Any) -> Any:
    """An operator's own product, without the conversions to plain arrays around it.

    Called in every trace, whatever x is: what the operator closes over may be traced.
    """
    x = _shaped(x, self.shape[1])
    return np.reshape(self._matvec(x), (self.shape[0],) if len(shape_of(x)) == 1 else (self.shape[0], 1))


def _rmatvec(self: Any, x: Any) -> Any:
    x = _shaped(x, self.shape[0])
    return np.reshape(self._rmatvec(x), (self.shape[1],) if len(shape_of(x)) == 1 else (self.shape[1], 1))


def _matmat(self: Any, x: Any) -> Any:
    x = floating(x)
    if type(self)._matmat is not _OPERATOR._matmat:
        return self._matmat(x)
    return np.stack([self.matvec(x[:, k]) for k in range(shape_of(x)[1])], axis=1)


def _rmatmat(self: Any, x: Any) -> Any:
    x = floating(x)
    if type(self)._rmatmat is not _OPERATOR._rmatmat:
        return self._rmatmat(x)
    return np.stack([self.rmatvec(x[:, k]) for k in range(shape_of(x)[1])], axis=1)


def _applied(self: Any, x: Any) -> Any:
    if is_sparse(x) or not shape_of(x):
        raise unsupported("a LinearOperator times a traced number or sparse matrix", "scale its result instead")
    return _matvec(self, x) if len(shape_of(x)) == 1 or shape_of(x)[1:] == (1,) else _matmat(self, x)


methods(
    _OPERATOR,
    {"matvec": _matvec, "rmatvec": _rmatvec, "matmat": _matmat, "rmatmat": _rmatmat}
    | dict.fromkeys(("dot", "__matmul__", "__mul__", "__call__"), _applied),
    always=("matvec", "rmatvec", "matmat", "rmatmat"),
    eager=True,
)


def aslinearoperator(A: Any) -> Any:
    """``scipy.sparse.linalg.aslinearoperator``: of a sparse matrix with traced entries."""
    if type(A) is not TracedSparse:
        raise unsupported("scipy.sparse.linalg.aslinearoperator of a traced array", "make a csr_array of it first")
    return original(sl, "aslinearoperator")(A)


# -- exponentials ----------------------------------------------------------------------------------------------------


def _expm_multiply(b: Any, *, A: Any, grid: Any) -> Any:
    return original(sl, "expm_multiply")(A, b, **dict(grid))


def _expm_back(_y: Any, _b: Any, *, A: Any, grid: Any) -> Callable[[Any], Any]:
    def pull(g: Any) -> Any:
        if not grid:
            return EXPM_MULTIPLY(g, A=A.T, grid=grid)
        options = dict(grid)
        times = np.linspace(options["start"], options["stop"], options["num"], endpoint=options["endpoint"])
        return sum(EXPM_MULTIPLY(g[k], A=A.T * t, grid=()) for k, t in enumerate(times))

    return pull


def _run_expm(b: Any, *, A: Any, grid: Any) -> Any:
    return EXPM_MULTIPLY(b, A=A, grid=grid) if holds_traced(b) else _expm_multiply(b, A=A, grid=grid)


EXPM_MULTIPLY: Primitive = Primitive(_run_expm, [_expm_back], "linear", name="scipy.sparse.linalg.expm_multiply")


def expm_multiply(A: Any, B: Any, start: Any = None, stop: Any = None, num: Any = None, endpoint: Any = None,
                  traceA: Any = None) -> Any:  # fmt: skip
    """``scipy.sparse.linalg.expm_multiply``: linear in B; for traced A, start or stop through the full exponential."""
    B = floating(B)
    given = [v is not None for v in (start, stop, num, endpoint)]
    if isinstance(A, _OPERATOR):
        raise unsupported("scipy.sparse.linalg.expm_multiply of a LinearOperator and traced values", "give a matrix")
    if not any(given):
        if type(A) is not TracedSparse and not any_active(A):
            return EXPM_MULTIPLY(B, A=plain(A), grid=())
        return times(EXPM(dense(A)), B)
    if not all(given[:2]) or num is None:
        raise unsupported("scipy.sparse.linalg.expm_multiply without start, stop or num", "give all three")
    last = True if endpoint is None else bool(endpoint)
    if type(A) is not TracedSparse and not any_active((A, start, stop)):
        grid = (("start", plain(start)), ("stop", plain(stop)), ("num", int(num)), ("endpoint", last))
        return EXPM_MULTIPLY(B, A=plain(A), grid=grid)
    a, steps = dense(A), max(int(num) - last, 1)
    points = [start + (stop - start) * (k / steps) for k in range(int(num))]
    return np.stack([times(EXPM(a * t), B) for t in points])


def expm(A: Any) -> Any:
    """``scipy.sparse.linalg.expm``: of a sparse matrix a sparse one."""
    y = EXPM(dense(A))
    return from_array(type(A.pattern), y) if type(A) is TracedSparse else y


def inv(A: Any) -> Any:
    """``scipy.sparse.linalg.inv``: a sparse matrix of all the inverse's entries."""
    return from_array(type(A.pattern), np.linalg.inv(dense(A)))


def matrix_power(A: Any, power: int) -> Any:
    """``scipy.sparse.linalg.matrix_power``: a non-negative integer power."""
    if power == 0:
        return original(sl, "matrix_power")(value_of(A), 0)
    y = A
    for _ in range(power - 1):
        y = y @ A
    return y


def norm(x: Any, ord: Any = None, axis: Any = None) -> Any:
    """``scipy.sparse.linalg.norm``: as of the full matrix; the Frobenius norm of its entries alone."""
    if ord in (None, "fro", "f") and axis is None:
        return np.linalg.norm(x.entries[2])
    original(sl, "norm")(value_of(x), ord, axis)  # SciPy's own refusals
    return np.linalg.norm(dense(x), ord, axis)


# -- some eigenvalues ------------------------------------------------------------------------------------------------


def _no_operator(name: str, *matrices: Any) -> None:
    if any(isinstance(m, _OPERATOR) for m in matrices):
        raise unsupported(f"scipy.sparse.linalg.{name} of a LinearOperator and traced values", "give a matrix")


def eigsh(A: Any, k: int = 6, M: Any = None, *args: Any, **keywords: Any) -> Any:
    """``scipy.sparse.linalg.eigsh``: the eigenvalues (and vectors, in SciPy's signs) that SciPy has found."""
    _no_operator("eigsh", A, M)
    found = original(sl, "eigsh")(value_of(A), k, value_of(M), *plain_tree(args), **plain_tree(keywords))
    w, v = found if isinstance(found, tuple) else (found, None)
    if v is not None and is_complex(v):
        raise unsupported("scipy.sparse.linalg.eigsh: phases of complex eigenvectors", "use return_eigenvectors=False")
    a = dense(A)
    y = chosen_eigenpairs("scipy.sparse.linalg.eigsh", a, w, v, None if M is None else dense(M))
    return y if v is not None else y[0]


def eigs(A: Any, k: int = 6, M: Any = None, *args: Any, **keywords: Any) -> Any:
    """``scipy.sparse.linalg.eigs``: the eigenvalues that SciPy has found, and real vectors in SciPy's signs."""
    _no_operator("eigs", A, M)
    if M is not None:
        raise unsupported("scipy.sparse.linalg.eigs of a generalised problem with traced values", "solve with M first")
    found = original(sl, "eigs")(value_of(A), k, None, *plain_tree(args), **plain_tree(keywords))
    w, v = found if isinstance(found, tuple) else (found, None)
    all_w, all_v = eig(dense(A))
    place = np.argmin(np.abs(plain(all_w)[:, None] - w), axis=0)
    if v is None:
        return all_w[place]
    if np.any(w.imag != 0) or len(set(place.tolist())) != len(place):
        raise unsupported("scipy.sparse.linalg.eigs: phases of complex eigenvectors", "use return_eigenvectors=False")
    chosen = all_v[:, place]
    return all_w[place], chosen * np.sum(np.conjugate(plain(chosen)) * v, axis=0)


def svds(A: Any, k: int = 6, *args: Any, **keywords: Any) -> Any:
    """``scipy.sparse.linalg.svds``: the singular values (and vectors, in SciPy's signs) that SciPy has found."""
    _no_operator("svds", A)
    found = original(sl, "svds")(value_of(A), k, *plain_tree(args), **plain_tree(keywords))
    a = dense(A)
    if is_complex(a):
        raise unsupported("scipy.sparse.linalg.svds of a complex matrix with traced values")
    u, s, vh = svd(a, full_matrices=False)
    values = found[1] if isinstance(found, tuple) else found
    place = np.argmin(np.abs(plain(s)[:, None] - values), axis=0)
    if not isinstance(found, tuple):
        return s[place]
    if len(set(place.tolist())) != len(place):
        raise unsupported("scipy.sparse.linalg.svds: vectors of singular values that coincide")
    side = found[0] if found[0] is not None else found[2].T
    mine = u[:, place] if found[0] is not None else vh[place].T
    sign = np.sign(np.sum(plain(mine) * side, axis=0))
    left = u[:, place] * sign if found[0] is not None else None
    return left, s[place], vh[place] * sign[:, None] if found[2] is not None else None


replace(
    sl,
    {
        "spsolve": spsolve, "spsolve_triangular": spsolve_triangular, "expm_multiply": expm_multiply, "expm": expm,
        "inv": inv, "matrix_power": matrix_power, "norm": norm, "eigsh": eigsh, "eigs": eigs, "svds": svds,
        "aslinearoperator": aslinearoperator,
    },
)  # fmt: skip
replace(sl, {"splu": splu, "factorized": factorized}, always=("splu", "factorized"))
_ITERATIVE = ("bicg", "bicgstab", "cg", "cgs", "gmres", "lgmres", "gcrotmk", "minres", "qmr", "tfqmr")
replace(sl, {name: _iterated(name) for name in _ITERATIVE})
not_differentiable(sl, ["use_solver", "is_sptriangular", "spbandwidth"])
refuse(
    sl,
    {
        "spilu": "it is an approximation; give it plain numbers, as a preconditioner",
        "lobpcg": "use scipy.sparse.linalg.eigsh",
        "onenormest": "it is an estimate; use scipy.sparse.linalg.norm(A, 1)",
        "lsqr": "use scipy.linalg.lstsq of A.toarray(), or spsolve of the normal equations",
        "lsmr": "use scipy.linalg.lstsq of A.toarray(), or spsolve of the normal equations",
        "funm_multiply_krylov": "use scipy.linalg.funm of A.toarray()",
    },
)
__all__ = ["CLASSES", "COO", "dense", "value_of"]
