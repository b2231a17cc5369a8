# ruff: noqa: E501  (tables: a case a line)
"""Every NumPy function that has a rule: keywords, axes, shapes, both modes, second order, float32, complex."""

from __future__ import annotations

import dataclasses
import warnings
from typing import Any

import numpy as np
import pytest

from gradcheck import value_and_grad
from gradcheck.autodiff import core
from gradcheck.autodiff.rules import plain

from .checking import Case, Table, leaves, verify

rng = np.random.default_rng(2)
T = Table()


def normal(*shape: int) -> Any:
    """Like normal numbers, but far enough from each other and from 0 that no step crosses a tie."""
    n = int(np.prod(shape))
    spread = np.linspace(-1.83, 1.97, n) if n > 1 else np.array([0.61])
    spread = spread + 0.03 * rng.uniform(size=n)
    return rng.permutation(spread + 0.05 * np.sign(spread)).reshape(shape)


def positive(*shape: int) -> Any:
    return np.asarray(rng.uniform(0.4, 2.3, size=shape))


def complexes(*shape: int) -> Any:
    return normal(*shape) + 1j * normal(*shape)


V, M, C, K = normal(4), normal(3, 4), normal(2, 3, 4), complexes(3, 4)
SCALAR, POINT, EMPTY, HOLLOW = 0.7, np.array(0.7), np.zeros(0), np.zeros((2, 0, 3))
MASK = np.array([[True, False, True, True], [True, True, False, False], [False, True, True, True]])

# -- reductions -------------------------------------------------------------------------------------------------------

AXES: list[dict[str, Any]] = [{}, {"axis": 0}, {"axis": -1}, {"axis": (0, 2)}, {"axis": (-1, 1), "keepdims": True},
                              {"keepdims": True}, {"axis": 1, "keepdims": True}, {"axis": (), "keepdims": False}]  # fmt: skip


def into(function: Any, shape: tuple[int, ...], **kw: Any) -> Any:
    """A call with ``out=``: a fresh array of ones is overwritten, and both it and the returned value are used."""

    def call(*args: Any) -> Any:
        y = np.ones(shape, np.result_type(*args))
        z = function(*args, out=y, **kw)
        return [y, z * 2.0]

    return call


for f in (np.sum, np.prod, np.max, np.min, np.amax, np.amin):
    T.calls(f, [C], *AXES)
    T.calls(f, [V], {"axis": 0}, {"axis": (0,)}, {"where": MASK[0], "initial": 1.5})
    T.calls(
        f,
        [M],
        {"axis": 0, "where": MASK, "initial": -0.3},
        {"where": MASK[:, :1], "axis": 1, "initial": 0.2, "keepdims": True},
    )
    T.calls(f, [M], {"initial": 2.5})
    T.add(f, into(f, (4,), axis=0), M)
    T.calls(f, [SCALAR])
    T.calls(f, [POINT])
    T.calls(f, [POINT], {"keepdims": True})
    T.calls(f, [normal(1)])
for f in (np.sum, np.prod):
    T.calls(f, [EMPTY])
    T.calls(f, [HOLLOW], {}, {"axis": 1}, {"axis": 0}, {"initial": 2.0})
    T.calls(f, [K], {}, {"axis": 0}, {"axis": 1, "keepdims": True})
    T.calls(f, [M], {"dtype": np.float64}, {"dtype": np.float64, "axis": 1}, single=False)
    T.calls(f, [M], {"where": MASK}, {"where": MASK, "axis": 1})
T.add(np.prod, np.prod, np.array([1.5, 0.0, -2.0]))
T.add(np.prod, np.prod, np.array([1.5, 0.0, 0.0]))
T.add(np.prod, lambda x: np.prod(x, axis=1), np.array([[1.5, 0.0], [0.3, 2.0]]))
for f in (np.mean, np.var, np.std):
    T.calls(f, [C], *AXES[:-1])
    T.calls(f, [M], {"where": MASK}, {"where": MASK, "axis": 1}, {"where": MASK[:, :2].any(axis=1, keepdims=True)})
    T.add(f, into(f, (4,), axis=0), M)
    T.calls(f, [K], {}, {"axis": 0})
T.calls(np.mean, [SCALAR], second=False)
T.calls(np.mean, [POINT])
T.calls(np.mean, [M], {"dtype": np.float64}, single=False)
for f in (np.var, np.std):
    T.calls(f, [C], {"ddof": 1}, {"ddof": 1, "axis": (0, 1)}, {"correction": 1, "axis": 2, "keepdims": True})
    T.calls(f, [M], {"where": MASK, "axis": 1, "ddof": 1})
    T.add(f, lambda x, f=f: f(x, axis=0, mean=np.mean(x, axis=0, keepdims=True)), M)
    T.add(f, lambda x, m, f=f: f(x, axis=0, mean=m), M, normal(1, 4))
T.calls(np.var, [SCALAR])
T.calls(np.ptp, [C], {}, {"axis": 0}, {"axis": (0, 1)}, {"axis": -1, "keepdims": True})
T.calls(np.median, [C], {}, {"axis": 0}, {"axis": -1, "keepdims": True}, {"axis": 1}, {"axis": (0, 2)})
T.calls(np.median, [V])
T.calls(
    np.average, [C], {}, {"axis": 1}, {"axis": (0, 2)}, {"axis": 0, "keepdims": True}, {"returned": True, "axis": 0}
)
T.add(np.average, lambda a, w: np.average(a, axis=1, weights=w), C, positive(3))
T.add(np.average, lambda a, w: np.average(a, axis=1, weights=w, returned=True), M, positive(3, 4))
T.add(np.average, lambda a, w: np.average(a, weights=w, keepdims=True), M, positive(3, 4))
T.calls(np.trapezoid, [M], {}, {"axis": 0}, {"dx": 0.3}, {"x": [0.0, 1.0, 1.5, 4.0]})
T.add(np.trapezoid, lambda y, x: np.trapezoid(y, x), M, np.cumsum(positive(4)))
T.add(np.trapezoid, lambda y, x: np.trapezoid(y, x, axis=0), M, np.cumsum(positive(3, 4), axis=0))
T.add(np.trapezoid, lambda y, x: np.trapezoid(y, x=x, axis=0), M, np.cumsum(positive(3)))
HOLES = np.where(MASK, 0.0, np.nan)
for f in (np.nansum, np.nanmean):
    for kw in AXES[:3]:
        T.add(f, lambda x, f=f, kw=kw: f(x + HOLES, **kw), M, single=False)
    T.add(f, lambda x, f=f: f(x + HOLES, axis=0, keepdims=True, where=MASK[::-1] | MASK), M, single=False)
for f in (np.cumsum, np.cumprod):
    T.calls(f, [C], {}, {"axis": 0}, {"axis": -1}, {"axis": 1})
    T.calls(f, [EMPTY])
    T.calls(f, [SCALAR])
    T.calls(f, [K], {"axis": 1})
    T.add(f, into(f, (3, 4), axis=0), M)
    T.calls(f, [M], {"dtype": np.float64}, single=False)
T.add(np.cumprod, lambda x: np.cumprod(x, axis=1), np.array([[1.5, 0.0, 2.0], [0.0, 0.3, 0.0]]))
for u in (np.add, np.multiply, np.maximum, np.minimum):
    T.add((u, "reduce"), lambda x, u=u: u.reduce(x), M)  # over the first axis, not all
    T.add((u, "reduce"), lambda x, u=u: u.reduce(x, axis=1, keepdims=True), M)
    T.add((u, "reduce"), lambda x, u=u: u.reduce(x, axis=None), M)
    T.add((u, "reduce"), lambda x, u=u: u.reduce(x, axis=(0, 2), initial=0.1, where=MASK), C)
for u in (np.add, np.multiply):
    T.add((u, "accumulate"), lambda x, u=u: u.accumulate(x), M)
    T.add((u, "accumulate"), lambda x, u=u: u.accumulate(x, axis=1), M)
for u in (np.add, np.subtract, np.multiply):
    T.add((u, "outer"), lambda a, b, u=u: u.outer(a, b), V, M)
    T.add((u, "outer"), lambda a, u=u: u.outer(a, [1.0, 2.0]), V, single=False)
    T.add((u, "outer"), lambda a, b, u=u: u.outer(a, b), 0.3, V)

# -- norms and linear algebra -------------------------------------------------------------------------------------------

n = np.linalg
for order in (None, 2, 1, 3, 0.5, -1, np.inf, -np.inf, 0):
    T.calls(n.norm, [V], {"ord": order})
    T.calls(n.norm, [M], {"ord": order, "axis": 0}, {"ord": order, "axis": (-1,), "keepdims": True})
for order in (None, "fro", 1, -1, 2, -2, np.inf, -np.inf, "nuc"):
    T.calls(n.norm, [M], {"ord": order})
    T.calls(n.norm, [C], {"ord": order, "axis": (1, 2)}, {"ord": order, "axis": (2, 0), "keepdims": True})
    T.calls(
        n.matrix_norm,
        [C],
        {"ord": "fro" if order is None else order},
        {"ord": "fro" if order is None else order, "keepdims": True},
    )
T.calls(n.norm, [K], {}, {"axis": 0}, {"ord": 1, "axis": 1}, {"ord": "fro"}, {"ord": np.inf})
T.calls(n.norm, [C])
T.calls(n.vector_norm, [C], {}, {"axis": 0}, {"axis": (0, 2)}, {"keepdims": True}, {"axis": 1, "keepdims": True}, {"ord": 1},
        {"ord": 3, "axis": (1, 2)}, {"ord": np.inf, "axis": -1}, {"axis": (0, 1), "keepdims": True})  # fmt: skip


def square(*shape: int) -> Any:
    return 0.4 * normal(*shape) + 1.5 * np.eye(shape[-1])


def spd(x: Any) -> Any:
    """Symmetric positive definite, from any square matrix: the functions below read one triangle or both."""
    return np.matmul(x, np.swapaxes(x, -1, -2)) + 0.5 * np.eye(x.shape[-1])


A, S = square(3, 3), square(2, 3, 3)
T.calls(n.solve, [A, normal(3)])
T.calls(n.solve, [A, normal(3, 2)])
T.calls(n.solve, [S, normal(2, 3, 2)])
T.calls(n.solve, [S, normal(3, 2)])
T.calls(n.solve, [S, normal(3)])
T.calls(n.solve, [A, normal(2, 3, 2)])
T.calls(n.solve, [A + 0.2j * normal(3, 3), complexes(3)])
T.add(n.solve, lambda b: n.solve(A, b), normal(3), single=False)
T.add(n.solve, lambda a: n.solve(a, np.ones(3)), A, single=False)
for f in (n.inv, n.det, n.pinv):
    T.calls(f, [A])
    T.calls(f, [S])
    T.calls(f, [square(1, 1)])
T.calls(n.inv, [A + 0.2j * normal(3, 3)])
T.calls(n.det, [A + 0.2j * normal(3, 3)])
T.calls(n.det, [np.array([[1.0, 2.0], [2.0, 4.0]])], single=False)
T.calls(n.det, [np.zeros((2, 2))], single=False)
T.calls(n.pinv, [M], {}, {"rcond": 1e-12}, {"rtol": 1e-12})
T.calls(n.pinv, [C])
T.calls(n.pinv, [np.ascontiguousarray(M.T)])
T.add(n.pinv, lambda x: n.pinv(spd(x), hermitian=True), A)
T.add(n.slogdet, lambda a: n.slogdet(a), A)
T.add(n.slogdet, lambda a: n.slogdet(a).logabsdet, S)
T.add(n.slogdet, lambda a: tuple(n.slogdet(a[[1, 0, 2]])), A)
for upper in (False, True):
    T.add(n.cholesky, lambda x, u=upper: n.cholesky(spd(x), upper=u), A)
    T.add(n.cholesky, lambda x, u=upper: n.cholesky(spd(x), upper=u), S)
for triangle in "LU":
    T.add(n.eigh, lambda x, u=triangle: (n.eigh(spd(x), u)[0], np.abs(n.eigh(spd(x), u)[1])), A)
    T.add(n.eigh, lambda x, u=triangle: n.eigh(spd(x), u).eigenvalues, S)
    T.add(n.eigvalsh, lambda x, u=triangle: n.eigvalsh(spd(x), u), A)
    # NumPy reads one triangle of a matrix that need not be symmetric, and so does the derivative.
    T.add(n.eigvalsh, lambda x, u=triangle: n.eigvalsh(x, u), A)
    T.add(n.eigh, lambda x, u=triangle: np.abs(n.eigh(x, UPLO=u).eigenvectors), S)
T.calls(n.cholesky, [A], {}, {"upper": True})
T.calls(n.cholesky, [S])
T.add(n.svd, lambda x: n.svd(x - 1.3 * np.eye(3, dtype=x.dtype), hermitian=True, compute_uv=False), A)
T.add(n.svd, lambda x: [np.abs(y) for y in n.svd(x - 1.3 * np.eye(3, dtype=x.dtype), hermitian=True)], A, rtol=1e-6)
T.calls(n.pinv, [A], {"hermitian": True})
T.add(n.eigh, lambda x: (lambda e: (e[1] * np.exp(e[0])) @ e[1].T)(n.eigh(spd(x))), A)
for shape in ((3, 3), (4, 2), (2, 4), (2, 3, 2)):
    B = normal(*shape)
    T.calls(n.svdvals, [B])
    T.calls(n.svd, [B], {"compute_uv": False})
    T.add(n.svd, lambda x: (lambda u, s, vt: (np.abs(u), s, np.abs(vt)))(*n.svd(x, full_matrices=False)), B)
    T.add(n.svd, lambda x: (lambda d: np.matmul(d.U * np.tanh(d.S)[..., None, :], d.Vh))(n.svd(x, False)), B)
    T.calls(n.qr, [B], rtol=1e-6)
    T.calls(n.qr, [B], {"mode": "r"}, rtol=1e-6)
T.calls(n.qr, [A], {"mode": "complete"})
T.add(n.svd, lambda x: n.svd(x).S, A)
T.add(n.lstsq, lambda a, b: n.lstsq(a, b)[:2], normal(5, 2), normal(5))
T.add(n.lstsq, lambda a, b: n.lstsq(a, b, rcond=None)[0], normal(5, 2), normal(5, 3))
T.add(n.lstsq, lambda a, b: n.lstsq(a, b)[0], normal(2, 4), normal(2))
T.add(n.lstsq, lambda a, b: n.lstsq(a, b, rcond=-1)[0], normal(4, 2), normal(4))
for p in (None, 2, -2, 1, -1, np.inf, -np.inf, "fro", "nuc"):
    T.calls(n.cond, [A], {"p": p})
T.calls(n.cond, [S])
T.add(n.tensorinv, lambda a: n.tensorinv(a, ind=1), 0.3 * normal(6, 2, 3) + np.eye(6).reshape(6, 2, 3))
T.add(n.tensorinv, lambda a: n.tensorinv(a), 0.2 * normal(2, 3, 6, 1) + np.eye(6).reshape(2, 3, 6, 1), second=False)
T.add(n.tensorsolve, lambda a, b: n.tensorsolve(a, b), 0.3 * normal(2, 3, 6) + np.eye(6).reshape(2, 3, 6), normal(2, 3))
T.add(n.tensorsolve, lambda a, b: n.tensorsolve(a, b, axes=(1,)), 0.3 * normal(3, 6, 2) + np.eye(6).reshape(3, 2, 6).swapaxes(1, 2), normal(3, 2), second=False)  # fmt: skip
for power in (0, 1, 2, 3, 5, -1, -2):
    T.calls(n.matrix_power, [A], {"n": power})
T.calls(n.matrix_power, [S], {"n": 2})

# -- products -------------------------------------------------------------------------------------------------------------

for a, b in ((V, normal(4)), (M, normal(4)), (normal(3), M), (M, normal(4, 2)), (C, normal(4, 2)), (C, V), (V, normal(2, 4, 3)),
             (M, normal(2, 4, 3)), (0.3, M), (M, POINT), (0.3, 0.4), (np.zeros((0, 4)), V)):  # fmt: skip
    T.calls(np.dot, [a, b])
T.add(np.dot, into(np.dot, (3, 2)), M, normal(4, 2))
T.add(np.dot, lambda x: np.dot(x, [1.0, 2.0, 3.0, 4.0]) + x.dot(x), V)
T.add(np.dot, lambda x: np.dot([x[0], x[1]], x[2:]), V)
T.calls(np.dot, [K, complexes(4)])
T.calls(n.matmul, [M, normal(4, 2)])
T.add(n.matmul, lambda a: a @ [[1.0], [2.0], [3.0], [4.0]], M, single=False)
T.add(n.matmul, lambda a: np.ones((2, 3)) @ a, M, single=False)
for f in (np.tensordot, n.tensordot):
    T.calls(f, [C, normal(3, 4, 2)], {})
    T.calls(f, [C, normal(4, 3, 2)], {"axes": ([1, 2], [1, 0])}, {"axes": (2, 0)}, {"axes": ((-1,), (0,))})
    T.calls(f, [V, normal(2)], {"axes": 0})
T.calls(np.inner, [C, M])
T.calls(np.inner, [V, V + 1.0])
T.calls(np.inner, [M, 0.3])
T.calls(np.outer, [V, M])
T.add(np.outer, into(np.outer, (4, 3)), V, normal(3))
T.calls(n.outer, [V, normal(3)])
T.calls(np.vdot, [M, normal(3, 4)])
T.calls(np.vdot, [K, complexes(3, 4)])
T.calls(n.vecdot, [M, normal(3, 4)], {}, {"axis": 0})
T.calls(n.vecdot, [K, complexes(3, 4)])
T.add(n.multi_dot, lambda a, b, c: n.multi_dot([a, b, c]), M, normal(4, 2), normal(2, 3))
T.add(n.multi_dot, lambda a, b, c: n.multi_dot([a, b, c]), normal(3), M, V)
T.add(n.multi_dot, lambda a, b: n.multi_dot([a, b], out=np.zeros((3, 2), a.dtype)), M, normal(4, 2))
T.calls(np.kron, [normal(2, 2), normal(2, 3)])
T.calls(np.kron, [normal(2), normal(2, 2)])
T.calls(np.cross, [normal(2, 3), normal(2, 3)])
T.calls(np.cross, [normal(3), normal(2, 3)])
T.calls(np.cross, [normal(3, 2), normal(2, 3)], {"axisa": 0, "axisc": 0})
T.calls(np.cross, [normal(3, 2), normal(3, 2)], {"axis": 0})
T.calls(n.cross, [normal(3, 2), normal(3, 2)], {"axis": 0})
for text, shapes in (
    ("ij,jk->ik", ((2, 3), (3, 4))), ("ij,jk", ((2, 3), (3, 2))), ("ij,kj->ki", ((2, 3), (4, 3))), ("i,i->", ((4,), (4,))),
    ("ii->i", ((3, 3),)), ("ii", ((3, 3),)), ("ij->ji", ((2, 3),)), ("ij->", ((2, 3),)), ("ij->j", ((2, 3),)),
    ("...ij,...jk->...ik", ((2, 2, 3), (3, 2))), ("i...,i...->...", ((2, 3), (2, 3))), ("ij,j->ij", ((2, 3), (3,))),
    ("ijk,ilm,njm,nlk,abc->", ((2, 2, 1), (2, 2, 2), (1, 2, 2), (1, 2, 1), (2, 1, 2))), ("i,j->ji", ((2,), (3,))),
    ("ij,jk,kl->il", ((2, 3), (3, 2), (2, 2))), ("iij->j", ((2, 2, 3),)), ("...->...", ((2, 3),)), (",i->i", ((), (3,))),
    ("ij , jk -> ik", ((2, 3), (3, 2))), ("iji->j", ((2, 3, 2),)), ("ij,ij->i", ((2, 3), (1, 3))),
):  # fmt: skip
    operands = [normal(*s) for s in shapes]
    T.add(np.einsum, lambda *a, t=text: np.einsum(t, *a), *operands)
    if len(operands) > 1:
        for how in (True, "greedy", "optimal"):
            T.add(np.einsum, lambda *a, t=text, how=how: np.einsum(t, *a, optimize=how), *operands)
T.add(np.einsum, lambda a, b: np.einsum(a, [0, 1], b, [1, 2], [0, 2]), normal(2, 3), normal(3, 2))
T.add(np.einsum, lambda a, b: np.einsum(a, [0, 1], b, [1, 2]), normal(2, 3), normal(3, 2))
T.add(np.einsum, into(lambda a, b, out: np.einsum("ij,jk->ik", a, b, out=out), (3, 2)), M, normal(4, 2))
T.add(np.einsum, lambda a, b: np.einsum("ij,jk->ik", a, b), K, complexes(4, 2))
for mode in ("full", "same", "valid"):
    for p, q in ((5, 3), (3, 5), (4, 2), (2, 4), (1, 3), (4, 4), (2, 5), (4, 5)):
        T.calls(np.convolve, [normal(p), normal(q)], {"mode": mode})
        T.calls(np.correlate, [normal(p), normal(q)], {"mode": mode})
T.calls(np.correlate, [complexes(4), complexes(2)], {"mode": "full"})
T.calls(np.convolve, [complexes(4), complexes(2)])
T.calls(np.polyval, [normal(4), normal(2, 3)])
T.calls(np.polyval, [normal(3), 0.3])
T.add(np.polyval, lambda x: np.polyval([1.0, -2.0, 0.5], x), V)
T.add(np.polyval, lambda p: np.polyval(p, 2.0), V)
NODES = np.cumsum(positive(5))
T.add(
    np.interp,
    lambda x, xp, fp: np.interp(x, xp, fp),
    np.linspace(NODES[0] - 1.0, NODES[-1] + 0.9, 7),
    NODES,
    normal(5),
    rtol=1e-6,
)
T.add(
    np.interp, lambda x: np.interp(x, NODES, NODES**2, left=-1.0, right=7.0), np.array([0.0, 1.7, 30.0]), single=False
)
T.add(np.interp, lambda x, fp: np.interp(x, [0.0, 1.0, 2.0], fp), 0.7, normal(3), single=False)
T.add(np.interp, lambda x, fp: np.interp(x, [1.0], fp), V, normal(1), single=False)

# -- shapes ---------------------------------------------------------------------------------------------------------------

for order in "CFAK":
    T.calls(np.ravel, [C], {"order": order})
    T.calls(np.ravel, [np.asfortranarray(M)], {"order": order})
    T.add(np.ravel, lambda x, o=order: x.T.ravel(o) * 1.0, C)
    T.add(np.ravel, lambda x, o=order: x.flatten(o), M)
for order in "CFA":
    T.calls(np.reshape, [M], {"shape": (2, 6), "order": order}, {"shape": -1, "order": order})
    T.add(
        np.reshape,
        lambda x, o=order: np.reshape(x.T, (3, -1), order=o) * np.arange(12.0).reshape(3, 4).astype(x.dtype),
        M,
    )
    T.add(np.reshape, lambda x, o=order: x[:, ::2].reshape(2, 3, order=o), M)
T.add(np.reshape, lambda x: x.reshape(4, 3) + x.reshape((4, -1)) + np.reshape(x, shape=(4, 3), copy=True), M)
T.calls(np.reshape, [SCALAR], {"shape": (1, 1)})
T.calls(np.reshape, [HOLLOW], {"shape": (0, 5)})
T.calls(np.transpose, [C], {}, {"axes": (1, 0, 2)}, {"axes": [2, 0, 1]}, {"axes": (-1, 0, 1)})
T.add(np.transpose, lambda x: [x.T, x.transpose(), x.transpose(1, 2, 0), x.transpose((0, 2, 1)), x.mT], C)
T.calls(np.permute_dims, [C], {"axes": (2, 1, 0)})
T.calls(np.transpose, [V])
T.calls(np.transpose, [SCALAR])
T.add(np.swapaxes, lambda x: np.swapaxes(x, 0, -1) * x.swapaxes(2, 0), C)
T.calls(np.matrix_transpose, [C])
T.calls(n.matrix_transpose, [C])
T.add(
    np.moveaxis, lambda x: [np.moveaxis(x, 0, -1), np.moveaxis(x, [0, 1], [-1, 0]), np.moveaxis(x, (2, 0), (0, 1))], C
)
T.add(np.rollaxis, lambda x: [np.rollaxis(x, 2), np.rollaxis(x, 0, 2), np.rollaxis(x, 1, 3), np.rollaxis(x, -1, -2)], C)
T.add(np.squeeze, lambda x: [np.squeeze(x), np.squeeze(x, 0), np.squeeze(x, axis=(0, 2)), x.squeeze()], normal(1, 3, 1))
T.calls(np.squeeze, [normal(1, 1)])
T.calls(np.squeeze, [SCALAR])
T.add(
    np.expand_dims,
    lambda x: [np.expand_dims(x, 0), np.expand_dims(x, (0, -1)), x[None, :, None], x[..., np.newaxis]],
    M,
)
T.calls(np.expand_dims, [SCALAR], {"axis": 0})
for f in (np.atleast_1d, np.atleast_2d, np.atleast_3d):
    T.add(f, lambda a, b, c, f=f: f(a, b, c), 0.3, V, M)
    T.add(f, lambda a, f=f: f(a), POINT)
T.calls(np.flip, [C], {}, {"axis": 0}, {"axis": (0, -1)})
T.calls(np.flipud, [M])
T.calls(np.fliplr, [M])
T.calls(np.broadcast_to, [V], {"shape": (3, 4)}, {"shape": (2, 1, 4)})
T.calls(np.broadcast_to, [normal(3, 1)], {"shape": (2, 3, 4)})
T.calls(np.broadcast_to, [SCALAR], {"shape": (2,)}, {"shape": 3}, {"shape": ()})
T.add(np.broadcast_arrays, lambda a, b: np.broadcast_arrays(a, b), normal(3, 1), V)
T.calls(np.roll, [C], {"shift": 1}, {"shift": 2, "axis": 0}, {"shift": (1, -1), "axis": (0, 2)})
T.calls(np.tile, [M], {"reps": 2}, {"reps": (2, 1)}, {"reps": (2, 1, 2)})
T.calls(np.tile, [SCALAR], {"reps": 3})
T.calls(np.repeat, [M], {"repeats": 2}, {"repeats": 2, "axis": 1}, {"repeats": [1, 0, 2], "axis": 0})
T.calls(np.repeat, [SCALAR], {"repeats": 3})
T.calls(np.rot90, [C], {}, {"k": 2}, {"k": -1, "axes": (1, 2)})
T.calls(np.take, [M], {"indices": 5}, {"indices": [0, 2, 2], "axis": 1}, {"indices": np.array([[0, -1], [1, 1]]), "axis": 0},
        {"indices": [7, 100], "mode": "wrap"}, {"indices": [-3, 100], "mode": "clip"})  # fmt: skip
T.add(np.take, lambda x: x.take([1, 1, 0]), M)
T.add(np.take_along_axis, lambda x: np.take_along_axis(x, np.argsort(x, axis=1), axis=1), M)
T.add(np.take_along_axis, lambda x: np.take_along_axis(x, np.array([3, 3, 0]), axis=None), M)
T.calls(np.delete, [M], {"obj": 1}, {"obj": [0, 2], "axis": 1}, {"obj": slice(0, 2), "axis": 0})
T.add(np.compress, lambda x: np.compress([True, False, True], x, axis=0), M)
T.add(np.compress, lambda x: x.compress([False, True, True]), V)
T.add(np.extract, lambda x: np.extract(MASK, x), M)
T.calls(np.resize, [M], {"new_shape": (5, 3)}, {"new_shape": (2,)})
T.calls(np.diagonal, [M], {}, {"offset": 1}, {"offset": -1})
T.calls(np.diagonal, [C], {"axis1": 2, "axis2": 0}, {"offset": 1, "axis1": 1, "axis2": 2})
T.calls(n.diagonal, [C], {}, {"offset": -1})
T.calls(np.trace, [M], {}, {"offset": 1})
T.calls(np.trace, [C], {"axis1": 1, "axis2": 2})
T.add(np.trace, lambda x: x.trace(), M)
T.add(np.trace, into(np.trace, (4,)), C)
T.calls(n.trace, [C], {}, {"offset": 1})
T.calls(np.diag, [V], {}, {"k": 1}, {"k": -2})
T.calls(np.diag, [M], {}, {"k": 1}, {"k": -1})
T.calls(np.diagflat, [normal(2, 2)], {}, {"k": -1})
T.add(np.where, lambda a, b: np.where(MASK, a, b), M, V)
T.add(np.where, lambda a: np.where(a > 0, a**2, 0.0) + np.where(a > 0, 1.0, a), M, single=False)
T.add(np.where, lambda a: np.where(MASK[0], a, 1) + np.where([True, False, True, False], 2.0 * a, a), 0.3)
T.add(np.where, lambda a: np.where(a > 0, a, -a), 0.3)
T.add(np.where, lambda a, b: np.where(MASK, a, b), K, V)
T.add(np.where, lambda a: a[np.where(a > 0)], M)
T.add(np.select, lambda a, b: np.select([a > 1, a < -0.5], [a**2, a * b], default=b), M, V)
T.add(np.select, lambda a: np.select([a > 1, a < -0.5], [a**2, 3.0]), M, single=False)
T.add(np.choose, lambda a, b: np.choose([0, 1, 1, 0], [a, b]), V, normal(4))
T.add(np.choose, lambda a: np.choose([[0], [2], [1]], a, mode="clip"), M)
for kw in (
    {"min": -0.5, "max": 0.4},
    {"a_min": -0.3, "a_max": None},
    {"a_min": None, "a_max": 0.2},
    {"min": 0.1},
    {"max": [0.1, 0.2, 0.3, 0.4]},
):
    T.calls(np.clip, [M], kw, single=False)
T.add(np.clip, lambda x, lo, hi: np.clip(x, lo, hi), M, normal(4) - 1.0, 0.9)
T.add(np.clip, lambda x: x.clip(-0.5, 0.5) + x.clip(max=0.1), M)
T.add(np.clip, into(lambda a, out: np.clip(a, -0.3, 0.4, out=out), (3, 4)), M)
for f in (np.triu, np.tril):
    T.calls(f, [C], {}, {"k": 1}, {"k": -1})
for f in (np.concatenate, np.concat):
    T.add(f, lambda a, b, f=f: f([a, b]), V, normal(2))
    T.add(f, lambda a, b, f=f: f((a, b, a), axis=-1), M, normal(3, 2))
    T.add(f, lambda a, b, f=f: f([a, b], axis=None), M, V)
    T.add(f, lambda a, f=f: f([a, [1.0, 2.0], np.zeros(0)]), V, single=False)
    T.add(f, lambda a, b, f=f: f([a, b], out=np.zeros(6, a.dtype)), V, normal(2))
    T.add(f, lambda a, b, f=f: f([a, b], dtype=np.float64), V, normal(2), single=False)
    T.add(f, lambda a, b, f=f: f([a, b]), V, complexes(2))
T.add(np.stack, lambda a, b: np.stack([a, b]), V, normal(4))
T.add(np.stack, lambda a, b: np.stack((a, b, a), axis=-1), M, normal(3, 4))
T.add(np.stack, lambda a, b: np.stack([a, b], axis=1, out=np.zeros((4, 2), a.dtype)), V, normal(4))
T.add(np.stack, lambda a: np.stack([a, a * a, 1.0]), 0.3)
T.add(np.concatenate, lambda a: np.concatenate([[a], [a * a, 1.0]]), 0.3, single=False)
T.add(np.vstack, lambda a, b: np.vstack([a, b]), V, M)
T.add(np.hstack, lambda a, b: np.hstack([a, b]), M, normal(3, 1))
T.add(np.hstack, lambda a, b: np.hstack([a, b, 1.0]), V, 0.3)
T.add(np.dstack, lambda a, b: np.dstack([a, b]), M, normal(3, 4, 2))
T.add(np.column_stack, lambda a, b: np.column_stack([a, b]), normal(3), M)
T.add(np.append, lambda a, b: np.append(a, b), M, V)
T.add(np.append, lambda a, b: np.append(a, b, axis=0), M, normal(1, 4))
T.add(np.append, lambda a: np.append(a, 1.0), V)
T.add(np.block, lambda a, b: np.block([[a, b], [np.zeros((1, 4), a.dtype), np.ones((1, 2), a.dtype)]]), M, normal(3, 2))
T.add(np.block, lambda a: np.block([a, 1.0]), V, single=False)
T.add(np.block, lambda a, b: np.block([a, b]), V, 0.4)
T.add(np.split, lambda a: np.split(a, 2), V)
T.add(np.split, lambda a: np.split(a, [1, 3], axis=-1), M)
T.add(np.array_split, lambda a: np.array_split(a, 3, axis=1), M)
T.add(np.vsplit, lambda a: np.vsplit(a, [1]), M)
T.add(np.hsplit, lambda a: np.hsplit(a, 2), M)
T.add(np.hsplit, lambda a: np.hsplit(a, 2), V)
T.add(np.dsplit, lambda a: np.dsplit(a, 2), C)
if hasattr(np, "unstack"):  # since NumPy 2.1
    T.add(np.unstack, lambda a: np.unstack(a), M)
    T.add(np.unstack, lambda a: np.unstack(a, axis=-1), M)
for mode in ("constant", "edge", "wrap", "reflect", "symmetric"):
    T.calls(np.pad, [M], {"pad_width": 1, "mode": mode}, {"pad_width": ((1, 0), (2, 1)), "mode": mode})
T.calls(
    np.pad, [V], {"pad_width": (1, 2)}, {"pad_width": 2, "constant_values": (3.0, 4.0)}, {"pad_width": {-1: (1, 2)}}
)
for kw in ({}, {"indexing": "ij"}, {"sparse": True}, {"sparse": True, "indexing": "ij"}, {"copy": True}):
    T.add(np.meshgrid, lambda a, b, kw=kw: np.meshgrid(a, b, **kw), V, normal(3))
T.add(np.meshgrid, lambda a, b: np.meshgrid(a, b, [1.0, 2.0])[:2], V, 0.3, single=False)
T.calls(np.sort, [C], {}, {"axis": 0}, {"axis": None}, {"axis": 1, "kind": "stable"}, {"stable": True})
T.calls(np.partition, [M], {"kth": 1}, {"kth": 1, "axis": 0}, {"kth": (1, 2), "axis": None})
T.calls(
    np.diff, [C], {}, {"n": 2}, {"axis": 0}, {"n": 0}, {"prepend": 0.5}, {"append": np.zeros((2, 3, 1), np.float32)}
)
T.add(np.diff, lambda x, p: np.diff(x, prepend=p, append=x[-1]), V, 0.3)
T.calls(np.ediff1d, [M], {}, {"to_begin": [1.0], "to_end": [2.0, 3.0]}, single=False)
T.add(np.ediff1d, lambda x, e: np.ediff1d(x, to_end=e), V, normal(2))
T.calls(np.copy, [M], {}, {"order": "F"})
T.add(np.copy, lambda x: x.copy() * np.copy(x), 0.3 * V)
T.add(np.copy, lambda x: np.copy(x), 0.3)
T.add(np.real, lambda z: [np.real(z), z.real], K)
T.add(np.real, lambda x: [np.real(x), x.real, x.imag], M)
T.add(np.real, lambda z: z.real**2, complex(0.3, 0.7))
T.add(np.imag, lambda z: [np.imag(z), z.imag * 2.0], K)
T.add(np.imag, lambda z: z.imag**2, complex(0.3, 0.7))
T.add(np.angle, lambda z: [np.angle(z), np.angle(z, deg=True)], K)
T.add(np.angle, lambda z: np.angle(z), complex(0.3, 0.7))
T.add(np.angle, lambda x: np.angle(x), M)
T.calls(np.sinc, [M])
T.calls(np.sinc, [0.4])
T.add(np.sinc, lambda x: np.sinc(1e-4 * x), V, single=False)
T.add(np.nan_to_num, lambda x: np.nan_to_num(x + HOLES, nan=3.0), M, single=False)
T.add(np.nan_to_num, lambda x: np.nan_to_num(x, copy=False) * np.nan_to_num(1.0 * x, posinf=2.0), M)
T.add(np.nan_to_num, lambda x: np.nan_to_num(x), 0.4)
T.add(np.array, lambda x: np.array([x[0], [x[1] * 2.0, 1.0][0], x[2]]), V)
T.add(np.array, lambda x: np.array([[x[0], 1.0], [x[1], x[2]]]), V)
T.add(np.array, lambda x: np.array([x, x * x]) + np.array((x[0], 2, 3.0, x[1])), V)
T.add(np.array, lambda a, b: [np.array([a, b]), np.array(a), np.asarray([a, b]) ** 2], 0.3, 0.4)
T.add(np.array, lambda a, b: np.array([a, b, 1.0]), complex(0.3, 0.1), 0.4)
T.add(np.array, lambda a: np.array([a, 1j, 1]), 0.4)
T.add(np.array, lambda a: np.array([[a, 2.0], [1, a]], dtype=float, ndmin=3), 0.4)

# -- lists with traced values inside, which NumPy's protocol does not see -----------------------------------------------

T.add(
    np.sum, lambda x: np.sum([x[0] * x[1], 0.25, x[2]]) + np.sum([[x[0], x[1]], [x[1], x[2]]], axis=0), V, single=False
)
T.add(np.prod, lambda x: np.prod([x[0] * x[1], 0.25, x[2]]), V, single=False)
T.add(np.mean, lambda x: np.mean([x[0] * x[1], 0.25, x[2]]), V, single=False)
T.add(np.std, lambda x: np.std([x[0] * x[1], 0.25, x[2]]) + np.var([x[0], x[1]], ddof=1), V, single=False)
T.add(np.max, lambda x: np.max([x[0] * x[1], 0.25, x[2]]) * np.min([x[0], x[1], 0.1]), V, single=False)
T.add(
    np.median, lambda x: np.median([x[0], x[1], x[2]]) + np.average([x[0], x[1]], weights=[x[2], 3.0]), V, single=False
)
T.add(np.cumsum, lambda x: np.cumsum([x[0], 1.0, x[2]]) + np.sort([x[0], x[1], x[2]]), V, single=False)
T.add(np.diff, lambda x: np.diff([x[0], x[1], 2.0]) * np.trapezoid([x[0], x[1]]), V, single=False)
T.add(n.norm, lambda x: n.norm([x[0], x[1], 2.0]), V, single=False)
T.add(np.dot, lambda x: np.dot([x[0], x[1]], [x[2], 2.0]) + np.dot([3.0, x[0]], (x[1], x[2])), V, single=False)
T.add(np.outer, lambda x: np.outer([x[0], x[1]], [1.0, 2.0]), V, single=False)
T.add(np.clip, lambda x: np.clip([x[0], x[1]], -0.5, 0.5), V, single=False)
T.add(np.where, lambda x: np.where([True, False], [x[0], x[1]], [x[2], x[3]]), V, single=False)
T.add(np.cross, lambda x: np.cross([x[0], x[1], 0.0], [0.0, 1.0, x[2]]), V, single=False)
T.add(np.reshape, lambda x: np.reshape([x[0], [x[1]][0], 1.0, x[2]], (2, 2)), V, single=False)
T.add(n.det, lambda x: n.det([[x[0], x[1]], [x[2], 1.0]]), V, single=False)
T.add(n.inv, lambda x: n.inv([[x[0], x[1]], [x[2], 4.0]]), V, single=False)
T.add(n.solve, lambda x: n.solve([[x[0], x[1]], [x[2], 4.0]], [x[3], 1.0]), V, single=False)
T.add(n.eigvalsh, lambda x: n.eigvalsh([[x[0], x[1]], [x[1], 4.0]]), V, single=False)
T.add(np.argmax, lambda x: [x[0], x[1]][np.argmax([x[0], x[1]])] * np.size([x[0], 1.0]), V)

# -- writing ----------------------------------------------------------------------------------------------------------


def write(covers: Any, f: Any, *args: Any, **options: Any) -> None:
    """f(y, *args) writes into y, which holds something that depends on the arguments already."""

    def program(x: Any, *rest: Any) -> Any:
        y = x * x
        f(y, *rest)
        return y + 0.5 * x

    T.add(covers, program, *args, **options)


INDEX = np.array([0, 2, 2, 5])
write((np.add, "at"), lambda y, b: np.add.at(y, (np.array([0, 2, 2, 1]), slice(1, 2)), b[:, None]), M, V)
write((np.add, "at"), lambda y, b: np.add.at(y, [0, 0, 1], b), V, normal(3))
write((np.add, "at"), lambda y: np.add.at(y, [0, 0, 1], 1.0), V)
write((np.subtract, "at"), lambda y, b: np.subtract.at(y, [0, 0, 1], b), V, normal(3))
write(np.copyto, lambda y, b: np.copyto(y, b), M, V)
write(np.copyto, lambda y, b: np.copyto(y, b, where=MASK), M, V)
write(np.copyto, lambda y: np.copyto(y, 1.0, where=MASK), M)
write(np.put, lambda y, b: np.put(y, INDEX, b), M, V)
write(np.put, lambda y, b: y.put([1, 100], b[0], mode="clip"), M, V)
write(np.put, lambda y: np.put(y, [-1, 3], [1.0, 2.0]), M)
write(np.place, lambda y, b: np.place(y, MASK, b), M, V)
write(np.putmask, lambda y, b: np.putmask(y, MASK, b), M, V)
write(np.putmask, lambda y: np.putmask(y, y > 0.4, 0.4), M)
write(np.fill_diagonal, lambda y, b: np.fill_diagonal(y, b), M, 0.3)
write(np.fill_diagonal, lambda y, b: np.fill_diagonal(y, b), M, V)
write(np.fill_diagonal, lambda y: np.fill_diagonal(y, 2.0, wrap=True), normal(5, 2))
write(np.put_along_axis, lambda y, b: np.put_along_axis(y, np.array([[0], [2], [1]]), b, axis=1), M, normal(3, 1))
write(np.put_along_axis, lambda y: np.put_along_axis(y, np.array([[0, 2, 1, 1]]), 3.0, axis=0), M)
for f in (np.zeros_like, np.ones_like, np.empty_like):

    def filled(x: Any, f: Any = f) -> Any:
        y = f(x)
        y[...] = 2.0 * x
        return y

    T.add(f, filled, M)
T.add(np.full_like, lambda x, c: np.full_like(x, c) * x, M, 0.3)
T.add(np.full_like, lambda x: np.full_like(x, 2.0) * x, M)

# -- questions: NumPy's answer, no derivative ---------------------------------------------------------------------------

for f in (np.shape, np.ndim, np.size, np.argsort, np.argmax, np.argmin, np.nonzero, np.flatnonzero, np.any, np.all,
          np.count_nonzero, np.argwhere, np.iscomplexobj, np.isrealobj, np.iscomplex, np.isreal, np.result_type,
          np.isneginf, np.isposinf, np.around, np.round, np.array2string, np.array_repr, np.array_str,
          np.nanargmax, np.nanargmin, np.common_type, n.matrix_rank, np.tril_indices_from, np.triu_indices_from,
          np.min_scalar_type):  # fmt: skip
    T.add(f, lambda x, f=f: [str(f(x))] and x * 0.0 + len(str(f(x))), M, second=False, single=False)
for f in (np.allclose, np.isclose, np.array_equal, np.array_equiv, np.isin, np.intersect1d, np.setdiff1d, np.shares_memory,
          np.may_share_memory):  # fmt: skip
    T.add(f, lambda x, f=f: x * 0.0 + len(str(f(x, x[::-1] + 0.1))), V, second=False, single=False)


def fix(x: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # since NumPy 2.5
        return np.fix(x)


T.add(np.fix, lambda x: x * 0.0 + len(str(fix(x))), M, second=False, single=False)
T.add(np.searchsorted, lambda x: np.searchsorted(np.sort(x), x), V)
T.add(np.digitize, lambda x: np.digitize(x, [-1.0, 0.0, 1.0]), V)
T.add(np.lexsort, lambda x: np.lexsort((x, x > 0)), V)
T.add(np.argpartition, lambda x: np.sort(np.argpartition(x, 2)[:2]), V)
T.add(np.can_cast, lambda x: x * (1.0 if np.can_cast(x.dtype, float) else 2.0), V)
T.add(np.diag_indices_from, lambda x: x[np.diag_indices_from(x)], A)


@pytest.mark.parametrize("case", T.cases, ids=lambda case: case.id)
def test_rule(case: Case) -> None:
    if np.lib.NumpyVersion(np.__version__) < "2.3.0":
        if case.id.startswith("einsum-"):
            case = dataclasses.replace(
                case, f=lambda *a, f=case.f: [y + 0.0 for y in leaves(f(*a))]
            )  # some of its scalars were 0-d arrays
        try:
            case.f(*case.args)
        except TypeError as err:
            pytest.skip(f"a keyword that this NumPy does not have: {err}")
    verify(case)


@pytest.mark.parametrize("how", [False, True, "greedy", ("optimal", 1000)])
@pytest.mark.parametrize("text", ["bqd,bkd->bqk", "bqd,bkd,de->bqe", "bqd,bkd,bk,de->qe"])
def test_einsum_gives_the_value_to_the_last_digit(text: str, how: Any) -> None:
    """By BLAS where NumPy takes that, and in the same order."""
    shapes = {"bqd": (3, 17, 8), "bkd": (3, 13, 8), "bk": (3, 13), "de": (8, 5)}
    operands = [normal(*shapes[term]) for term in text.partition("->")[0].split(",")]

    def f(x: Any) -> Any:
        return np.sum(np.einsum(text, x, *operands[1:], optimize=how) ** 2)

    assert value_and_grad(f)(operands[0])[0] == f(operands[0])


def test_every_rule_is_in_the_table() -> None:
    from . import test_builders, test_fft, test_linalg, test_samples, test_statistics, test_ufuncs

    tables = (test_builders, test_fft, test_linalg, test_samples, test_statistics, test_ufuncs)
    covered = T.covered().union(*(module.T.covered() for module in tables))
    # A replacement of lists.py is not a rule of its own; SciPy's functions are tested beside their rules, methods of
    # ufuncs in test_methods.py, what carries no derivative or is refused in test_support.py.
    plain_handlers = {id(h) for h in plain.HANDLERS}
    numpys = {
        f
        for f, handler in core.FUNCTIONS.items()
        if id(handler) not in plain_handlers
        and handler not in plain.REFUSED
        and (getattr(f, "__module__", None) or "").startswith("numpy")
    }
    assert {str(f) for f in numpys - covered} == set()
