"""``scipy.sparse`` from plain imports: plain matrices with traced arrays, traced entries, solvers, graphs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
import scipy.sparse.linalg as spl  # noqa: F401  (in the tables)
from scipy.sparse import csgraph

from gradcheck.autodiff import AutodiffError, grad
from tests.autodiff.checking import Case, verify
from tests.autodiff.scipy.written import Written

__all__ = ["csgraph"]
rng = np.random.default_rng(8)
C = Written(globals())


def normal(*shape: int) -> Any:
    return rng.normal(size=shape)


DENSE = np.array([[4.0, 1.0, 0.0], [0.5, 5.0, 2.0], [0.0, 1.5, 3.0]])
SPD = DENSE + DENSE.T
A, M = sp.csr_array(DENSE), sp.csr_matrix(DENSE)
S = sp.csc_array(SPD)
ROW, COL = np.array([0, 0, 1, 1, 2, 2]), np.array([0, 1, 1, 2, 2, 0])
DATA = np.array([4.0, 1.0, 5.0, 2.0, 3.0, 0.7])
INDPTR, INDICES = np.array([0, 2, 4, 6]), np.array([0, 1, 1, 2, 2, 0])
V, X = normal(3), normal(3, 2)
quick: dict[str, Any] = {"second": False, "single": False}
FORMATS = ("bsr", "coo", "csc", "csr", "dia", "dok", "lil")
KINDS = [f"{form}_{kind}" for form in FORMATS for kind in ("array", "matrix")]
PLAIN = {name: getattr(sp, name)(DENSE) for name in KINDS}

# -- plain matrices, traced arrays ----------------------------------------------------------------------------------
for kind in KINDS:
    C(f"PLAIN['{kind}'] @ x", x=X, **quick)
    C(f"x @ PLAIN['{kind}']", x=V, **quick)
    C(f"(PLAIN['{kind}'] * s).toarray()", s=0.7, **quick)
C("A @ x", x=V, single=False)
C("A.dot(x)", x=X, **quick)
C("M * x", x=V, **quick)
C("x * M", x=V, **quick)
C("(A * x).toarray()", x=normal(3, 3), **quick)
C("A.T @ x", x=V, **quick)
C("x.T @ A", x=X, **quick)
C("A.multiply(x).toarray()", x=normal(3, 3), single=False)
C("A.multiply(x).toarray()", x=V, **quick)
C("A + x", x=normal(3, 3), **quick)
C("x - A", x=normal(3, 3), **quick)
C("(A / s).toarray()", s=0.7, **quick)
C("(s * A).toarray() + (s * M).toarray()", s=0.7, **quick)
C("np.dot(x, x) + np.matmul(x, A @ x)", x=V, single=False)

# -- traced entries ---------------------------------------------------------------------------------------------------
C("sp.csr_matrix((d, INDICES, INDPTR), shape=(3, 3)).toarray()", d=DATA, **quick)
for kind in KINDS:
    C(f"sp.coo_array((d, (ROW, COL)), shape=(3, 3)).to{kind[:3]}().toarray()", d=DATA, **quick)
    C(f"sp.{kind}(x).toarray()", x=DENSE, **quick)
ENTRIES = "sp.coo_array((d, (ROW, COL)), shape=(3, 3)).tocsr()"
C(f"{ENTRIES} @ x", d=DATA, x=V, single=False)
C(f"x @ {ENTRIES}", d=DATA, x=X.T.copy(), **quick)
C(f"A @ {ENTRIES} @ x", d=DATA, x=V, **quick)
C(f"({ENTRIES} @ A).toarray()", d=DATA, **quick)
C(f"({ENTRIES} @ {ENTRIES}.T).toarray()", d=DATA, single=False)
C.each(f"({ENTRIES} %s).toarray()", "+ A", "- A", "* A", "* 2.5", "/ 2.0", "** 2", d=DATA, **quick)
C(f"(A - {ENTRIES}).toarray()", d=DATA, **quick)
C(f"(-{ENTRIES}).toarray() + np.eye(3) + {ENTRIES}.T", d=DATA, **quick)
C(f"{ENTRIES}.multiply(A).toarray()", d=DATA, **quick)
C(f"(s * {ENTRIES}).toarray()", d=DATA, s=0.3, **quick)
C.each(f"{ENTRIES}%s", ".sum()", ".sum(axis=0)", ".sum(axis=1)", ".mean()", ".diagonal()", ".trace()", ".data",
       "[1, 2]", "[1]. toarray()", ".T.data", ".tocsc().data", d=DATA, **quick)  # fmt: skip
C.each(
    f"{ENTRIES}%s.toarray()",
    "[:, [2, 0]]",
    "[1:]",
    "[[0, 2]]",
    ".reshape(1, 9)",
    ".sin()",
    ".power(3)",
    d=DATA,
    **quick,
)
C("sp.coo_array((d, ([0, 0, 1], [1, 1, 0])), shape=(2, 2)).toarray()", d=V, **quick)
C(
    "(sp.csr_matrix((d, (ROW, COL)), shape=(3, 3)) * sp.csr_matrix((d, (ROW, COL)), shape=(3, 3)))[0, 1]",
    d=DATA,
    **quick,
)
C("(sp.csr_matrix((d, (ROW, COL)), shape=(3, 3)) ** 3) @ V", d=DATA, **quick)
C("sp.diags([d, d[:2], d[1:]], [0, 1, -1]).toarray()", d=V, single=False)
C("sp.diags(d).toarray() @ V", d=V, **quick)
C("sp.diags([s, 2.0, s], [-1, 0, 1], shape=(4, 4)).toarray()", s=0.4, **quick)
C("sp.diags_array([d, d[:2]], offsets=[0, 1]) @ V", d=V, **quick)
C("sp.spdiags(d, [0, -1], 3, 3).toarray()", d=normal(2, 3), **quick)
C("sp.kron(sp.csr_array(x), A).toarray()", x=normal(2, 2), **quick)
C("sp.kronsum(sp.csr_array(x), A).toarray()", x=normal(2, 2), **quick)
C.each(f"sp.%s([{ENTRIES}, A]).toarray()", "hstack", "vstack", "block_diag", d=DATA, **quick)
C(f"sp.bmat([[{ENTRIES}, None], [A, {ENTRIES}]]).toarray()", d=DATA, **quick)
C(f"sp.tril({ENTRIES}).toarray() + 2 * sp.triu({ENTRIES}, 1).toarray()", d=DATA, **quick)
C(f"sp.find({ENTRIES})[2].sum()", d=DATA, **quick)

# -- solvers -----------------------------------------------------------------------------------------------------------
C("spl.spsolve(A, x)", x=V, single=False)
C("spl.spsolve(S, x)", x=X, **quick)
C(f"spl.spsolve({ENTRIES}.tocsc(), x)", d=DATA, x=V, single=False)
C("spl.spsolve(sp.diags([d, d[:2], d[1:]], [0, 1, -1]).tocsc(), x)", d=np.array([3.0, 4, 5]), x=V, **quick)
C("spl.spsolve_triangular(sp.csr_matrix(np.tril(DENSE)), x)", x=V, **quick)
C(
    "spl.spsolve_triangular(sp.csr_matrix((d, ([0, 1, 1, 2], [0, 0, 1, 2]))), V)",
    d=np.array([3.0, 1, 4, 5]),
    **quick,
)
C.each("spl.splu(S).solve(x%s)", "", ", 'T'", x=V, **quick)
C(f"spl.splu({ENTRIES}.tocsc()).solve(x, 'T')", d=DATA, x=V, **quick)
C("spl.factorized(S)(x)", x=V, **quick)
C(f"spl.factorized({ENTRIES}.tocsc())(V)", d=DATA, **quick)
for name in ("cg", "minres"):
    C(f"spl.{name}(S, x, rtol=1e-13)[0]", x=V, second=name == "cg", single=False)
for name in ("bicg", "bicgstab", "cgs", "gmres", "lgmres", "gcrotmk", "qmr", "tfqmr"):
    C(f"spl.{name}(A, x, rtol=1e-13)[0]", x=V, **quick)
C(f"spl.gmres({ENTRIES}, x, rtol=1e-13)[0]", d=DATA, x=V, **quick)
C("spl.cg(x + x.T, V, rtol=1e-13)[0]", x=DENSE, **quick)
C("spl.cg(spl.aslinearoperator(S), x, rtol=1e-13)[0]", x=V, **quick)
C("spl.cg(spl.LinearOperator((3, 3), matvec=lambda v: SPD @ v), x, rtol=1e-13)[0]", x=V, **quick)
C("spl.aslinearoperator(A) @ x", x=V, **quick)
C(f"spl.aslinearoperator({ENTRIES}).matvec(x)", d=DATA, x=V, **quick)
C("(2 * spl.aslinearoperator(A) + spl.aslinearoperator(A).H).matmat(x)", x=X, **quick)
C("spl.aslinearoperator(A).rmatvec(x)", x=V, **quick)
C("spl.LinearOperator((3, 3), matvec=lambda v: s * (DENSE @ v), dtype=float).matvec(V)", s=0.7, **quick)
C("(spl.aslinearoperator(A) @ spl.aslinearoperator(A))(x)", x=V, **quick)
C("spl.LinearOperator((3, 3), matvec=lambda v: DENSE @ v).matvec(x)", x=V, **quick)
C("spl.expm_multiply(A * 0.1, x)", x=V, **quick)
C("spl.expm_multiply(A * 0.1, x, start=0.0, stop=1.0, num=3, endpoint=True)", x=X, **quick)
C(f"spl.expm_multiply({ENTRIES} * 0.1, x)", d=DATA, x=V, **quick)
C(f"spl.expm({ENTRIES}.tocsc() * 0.1).toarray()", d=DATA, **quick)
C(f"spl.inv({ENTRIES}.tocsc()).toarray()", d=DATA, **quick)
C(f"spl.matrix_power({ENTRIES}, 3).toarray()", d=DATA, **quick)
C.each(f"spl.norm({ENTRIES}%s)", "", ", 1", ", np.inf", ", axis=0", d=DATA, **quick)
BIG = sp.diags([np.arange(1.0, 9), np.ones(7), np.ones(7)], [0, 1, -1]).tocsr()
START = np.ones(8)


def fixed(w: Any, v: Any) -> Any:
    return w, v * np.sign(v[0])


C("spl.eigsh(sp.diags([d, np.ones(7), np.ones(7)], [0, 1, -1]).tocsr(), 2, v0=START, return_eigenvectors=False)",
  d=np.arange(1.0, 9), **quick)  # fmt: skip
C(
    "fixed(*spl.eigsh(sp.diags([d, np.ones(7), np.ones(7)], [0, 1, -1]).tocsr(), 2, v0=START))",
    d=np.arange(1.0, 9),
    **quick,
)
C(
    "spl.eigs(sp.diags([d, np.ones(7)], [0, 1]).tocsr(), 2, v0=START, return_eigenvectors=False).real",
    d=np.arange(1.0, 9),
    **quick,
)
C("spl.svds(sp.csr_array(x), 2, v0=np.ones(4), return_singular_vectors=False)", x=normal(4, 5), **quick)

# -- graphs ------------------------------------------------------------------------------------------------------------
GRAPH = np.array([[0.0, 1.2, 3.5, 0], [0, 0, 1.1, 6.0], [0, 0, 0, 2.3], [0.9, 0, 0, 0]])
C.each("csgraph.%s(np.where(GRAPH > 0, g, 0.0))", "shortest_path", "dijkstra", "bellman_ford", "johnson",
       "floyd_warshall", g=GRAPH + 0.0, **quick)  # fmt: skip
C("csgraph.shortest_path(np.where(GRAPH > 0, g, 0.0), directed=False, indices=[1])", g=GRAPH + 0.0, **quick)
C("csgraph.dijkstra(sp.csr_array(np.where(GRAPH > 0, g, 0.0)), indices=0)", g=GRAPH + 0.0, **quick)
C("csgraph.minimum_spanning_tree(np.where(GRAPH > 0, g, 0.0)).sum()", g=GRAPH + 0.0, **quick)
C.each("csgraph.laplacian(np.where(GRAPH > 0, g, 0.0)%s)", "", ", normed=True", g=GRAPH + 0.0, **quick)


@pytest.mark.parametrize("case", C.all, ids=lambda case: case.id)
def test_rule(case: Case) -> None:
    verify(case)


def test_questions_about_the_type() -> None:
    def f(d: Any) -> Any:
        a = sp.csr_matrix((d, INDICES, INDPTR), shape=(3, 3))
        assert sp.issparse(a)
        assert isinstance(a, sp.csr_matrix)
        assert isinstance(a, sp.spmatrix)
        assert isinstance(A, sp.csr_array)
        assert a.shape == (3, 3)
        assert a.nnz == 6
        assert a.format == "csr"
        return (a @ V).sum()

    verify(Case(("type",), f, (DATA,), "type", second=False, single=False))


REFUSED = {
    "sp.csr_matrix((d, (ROW, COL))).sum(axis=0)": "np.matrix",
    "sp.csr_matrix((d, (ROW, COL))).todense()": "np.matrix",
    "sp.csr_array((d, (ROW, COL))).max()": "max",
    "spl.cg(S, d[:3], maxiter=1)[0]": "converged",
    "spl.lsqr(A, d[:3])[0]": "lstsq",
    "PLAIN['lil_array'].copy().__setitem__((0, 0), d[0])": "assigning",
    "spl.spsolve(A, sp.csc_array(d[:3, None]))": "sparse right-hand side",
    "spl.eigsh(spl.aslinearoperator(S), 1, sp.csr_array(d[:3, None] * np.eye(3)))": "LinearOperator",
    "1.0 / sp.csr_array((d, (ROW, COL)))": "divi|unsupported operand",
}


@pytest.mark.parametrize("text", REFUSED)
def test_refused_by_name(text: str) -> None:
    with pytest.raises((AutodiffError, TypeError), match=REFUSED[text]):
        grad(eval(f"lambda d: {text}", globals()))(DATA)
