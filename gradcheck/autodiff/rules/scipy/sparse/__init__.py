"""``scipy.sparse``: sparse matrices with traced entries, and plain ones that meet traced arrays.

The classes of ``scipy.sparse`` make a ``TracedSparse`` (``matrix.py``) when they are called with traced entries;
functions that join or build matrices let SciPy do it with positions in the place of entries.
``solvers.py`` has the rules for ``scipy.sparse.linalg``, ``graphs.py`` those for ``scipy.sparse.csgraph``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import scipy.sparse as sparse

from gradcheck.autodiff.core import FOREIGN, FUNCTIONS, TRACED, UFUNCS, Primitive, is_array, plain_tree, shape_of
from gradcheck.autodiff.errors import unsupported
from gradcheck.autodiff.rules.scipy.linear import array
from gradcheck.autodiff.rules.scipy.registry import construct, methods, original, plain, refuse, replace
from gradcheck.autodiff.rules.scipy.sparse.matrix import (
    BASE,
    CLASSES,
    COO,
    TracedSparse,
    from_array,
    from_entries,
    from_pattern,
    is_sparse,
    joined,
    traced,
)

# -- the classes -----------------------------------------------------------------------------------------------------


def _maker(name: str) -> Callable[..., Any]:
    """What a class of scipy.sparse makes of traced entries: of an array, of another sparse matrix, or of a tuple."""
    cls = CLASSES[name]

    def make(arg1: Any, shape: Any = None, dtype: Any = None, copy: bool = False, **keywords: Any) -> TracedSparse:
        if keywords:
            raise unsupported(f"scipy.sparse.{name}: keyword {', '.join(keywords)} with traced entries")
        made = _made(cls, arg1, plain_tree(shape))
        return made if dtype is None else TracedSparse(made.pattern, made.values.astype(dtype), made.full)

    return make


def _made(cls: Any, arg1: Any, shape: Any) -> TracedSparse:
    if type(arg1) is TracedSparse:
        return from_pattern(cls(arg1.pattern), arg1.values, arg1.full)
    if not isinstance(arg1, tuple) or type(arg1) in TRACED:
        return from_array(cls, arg1)
    values, *where = arg1
    values = array(values)
    places = plain_tree(where)
    positions = np.arange(1, int(np.prod(shape_of(values))) + 1)
    if len(places) == 1 and isinstance(places[0], list | tuple) and len(places[0]) == 2:  # (data, (row, col))
        row, col = (np.asarray(i) for i in places[0])
        shape = shape or (int(np.max(row, initial=-1)) + 1, int(np.max(col, initial=-1)) + 1)
        return from_entries(cls, row, col, values, shape)
    if len(shape_of(values)) != 1:  # (data, offsets) of diagonals, (data, indices, indptr) of blocks
        pattern = cls((positions.reshape(shape_of(values)), *places), shape=shape)
        return TracedSparse(pattern, np.reshape(values, -1))
    pattern = cls((positions, *places), shape=shape)
    coordinates = COO(pattern)
    if len(set(zip(coordinates.row.tolist(), coordinates.col.tolist(), strict=True))) != len(positions):
        order = coordinates.data - 1
        return from_entries(cls, coordinates.row, coordinates.col, values[order], pattern.shape)
    return TracedSparse(pattern, values)


for _name in CLASSES:
    construct(sparse, _name, _maker(_name), stands=(TracedSparse,))


# -- plain matrices that meet traced operands ------------------------------------------------------------------------


def _as_traced(name: str) -> Callable[..., Any]:
    """A method of a plain matrix with a traced operand: that of the same matrix as one of ours."""
    return lambda self, *args, **keywords: getattr(traced(self), name)(*args, **keywords)


def _applied(x: Any, *, matrix: Any) -> Any:
    if type(x) in TRACED:
        return APPLIED(x, matrix=matrix)
    return matrix @ x


# A plain matrix times a traced vector or matrix.
APPLIED: Primitive = Primitive(
    _applied,
    [lambda _y, _x, *, matrix: lambda g: APPLIED(g, matrix=matrix.T)],
    "linear",
    name="sparse @ array",
)


def _times_array(name: str) -> Callable[..., Any]:
    """A product of a plain matrix of a format for arithmetic with a traced array."""
    general = _as_traced(name)

    def method(self: Any, other: Any) -> Any:
        if type(other) in TRACED and self.format in ("csr", "csc", "bsr", "coo", "dia") and is_array(other):
            return APPLIED(other, matrix=self.copy())  # its entries may be changed later
        return general(self, other)

    return method


def _no_assignment(_self: Any, _key: Any, _value: Any) -> None:
    raise unsupported(
        "assigning a traced value to an entry of a sparse matrix",
        "collect rows, columns and values in lists, and make a coo_array((values, (rows, columns)))",
    )


_METHODS = (
    "__matmul__", "__rmatmul__", "__mul__", "__rmul__", "__add__", "__radd__", "__sub__", "__rsub__", "__truediv__",
    "dot", "multiply",
)  # fmt: skip
for _cls in dict.fromkeys(c for cls in CLASSES.values() for c in cls.__mro__ if c.__module__.startswith("scipy")):
    _own = {name: _as_traced(name) for name in _METHODS if name in vars(_cls)}
    if "__setitem__" in vars(_cls):
        _own["__setitem__"] = _no_assignment
    _own |= {name: _times_array(name) for name in ("__matmul__", "dot") if name in _own}
    if _own:
        methods(_cls, _own, eager=True)


def _reflected(name: str, args: Sequence[Any]) -> Any:
    """An operator between a traced value and a sparse matrix."""
    x, y = args if len(args) == 2 else (args[0], None)
    operation = {"subtract": "sub", "multiply": "mul", "divide": "truediv", "true_divide": "truediv"}.get(name, name)
    if operation not in ("add", "sub", "mul", "truediv", "pow") or y is None:
        raise unsupported(f"{name} of a sparse matrix and a traced value", "use toarray()")
    if is_sparse(x):
        return getattr(traced(x), f"__{operation}__")(y)
    if operation in ("truediv", "pow"):
        raise unsupported("a traced value divided by a sparse matrix", "use toarray()")
    return getattr(traced(y), f"__r{operation}__")(x)


for _cls in (*CLASSES.values(), TracedSparse):
    FOREIGN[_cls] = _reflected


def _with_sparse(function: Any, dense: Callable[..., Any]) -> Callable[..., Any]:
    """NumPy's matmul and dot, where one operand is sparse."""

    def handler(a: Any, b: Any, *args: Any, **keywords: Any) -> Any:
        if is_sparse(a):
            return traced(a) @ b if function is np.matmul else traced(a).dot(b)
        if is_sparse(b):
            if function is np.dot:
                raise unsupported("np.dot of an array and a sparse matrix", "use A @ B")
            return traced(b).__rmatmul__(a)
        return dense(a, b, *args, **keywords)

    return handler


FUNCTIONS[np.dot] = _with_sparse(np.dot, FUNCTIONS[np.dot])
FUNCTIONS[np.matmul] = UFUNCS[np.matmul] = _with_sparse(np.matmul, FUNCTIONS[np.matmul])


# -- functions -------------------------------------------------------------------------------------------------------


def _joining(name: str) -> Callable[..., Any]:
    def handler(blocks: Any, *args: Any, **keywords: Any) -> Any:
        return joined(blocks, lambda p: original(sparse, name)(p, *plain_tree(args), **plain_tree(keywords)))

    return handler


def _moving(name: str) -> Callable[..., Any]:
    def handler(A: Any, *args: Any, **keywords: Any) -> Any:
        part = traced(A) if is_sparse(A) else from_array(CLASSES["csr_array"], A)
        return part.moved(lambda p: original(sparse, name)(p, *plain_tree(args), **plain_tree(keywords)))

    return handler


def _diagonals(name: str) -> Callable[..., Any]:
    """Functions that make a matrix of its diagonals: SciPy places the positions of the elements."""

    def handler(diagonals: Any, *args: Any, **keywords: Any) -> Any:
        values: list[Any] = []
        count = 0

        def positions(d: Any) -> Any:
            nonlocal count
            d = array(d)
            size = int(np.prod(shape_of(d)))
            values.append(np.reshape(d, -1))
            count += size
            # Floats: SciPy warns of integers. They are exact up to 2⁵³.
            return np.arange(count - size + 1.0, count + 1).reshape(shape_of(d))

        if keywords.pop("dtype", None) is not None:
            raise unsupported(f"scipy.sparse.{name} with dtype= and traced entries", "use astype of its result")
        nested = isinstance(diagonals, list | tuple) and any(shape_of(array(d)) for d in diagonals)
        places = [positions(d) for d in diagonals] if nested else positions(diagonals)
        pattern = original(sparse, name)(places, *plain_tree(args), **plain_tree(keywords))
        return from_pattern(pattern.astype(np.int64), np.concatenate(values))

    return handler


def kron(A: Any, B: Any, format: Any = None) -> Any:
    """``scipy.sparse.kron``: sparse matrices or arrays."""
    a, b = (traced(m) if is_sparse(m) else from_array(CLASSES["coo_array"], m) for m in (A, B))
    (r1, c1, d1), (r2, c2, d2) = a.entries, b.entries
    rows = (r1[:, None] * np.int64(b.shape[0]) + r2).reshape(-1)
    columns = (c1[:, None] * np.int64(b.shape[1]) + c2).reshape(-1)
    kind = "array" if any(isinstance(m, sparse.sparray) for m in (A, B)) else "matrix"
    cls = CLASSES[f"{format or 'csr'}_{kind}"]
    values = np.reshape(d1[:, None] * d2, -1)
    return from_entries(
        cls, rows, columns, values, (a.shape[0] * b.shape[0], a.shape[1] * b.shape[1]), a.full or b.full
    )


def kronsum(A: Any, B: Any, format: Any = None) -> Any:
    """``scipy.sparse.kronsum``: I ⊗ A + B ⊗ I."""
    a, b = traced(A), traced(B)
    eye = CLASSES["csr_array" if isinstance(A, sparse.sparray) else "csr_matrix"]
    y = kron(eye(np.eye(b.shape[0])), a) + kron(b, eye(np.eye(a.shape[0])))
    return y if format is None else y.asformat(format)


def find(A: Any) -> Any:
    """``scipy.sparse.find``: rows, columns and values of the entries that are not zero."""
    row, col, values = (traced(A) if is_sparse(A) else from_array(CLASSES["csr_array"], A)).entries
    kept = np.flatnonzero(plain_tree(values) != 0)
    order = np.lexsort((row[kept], col[kept])) if type(A) is not TracedSparse else np.arange(len(kept))
    return row[kept][order], col[kept][order], values[kept[order]]


def _question(name: str) -> Callable[..., Any]:
    return lambda x: original(sparse, name)(x.pattern if type(x) is TracedSparse else x)


replace(sparse, {name: _joining(name) for name in ("hstack", "vstack", "bmat", "block_array", "block_diag")})
replace(sparse, {name: _moving(name) for name in ("tril", "triu", "swapaxes", "permute_dims", "expand_dims")})
replace(sparse, {name: _diagonals(name) for name in ("diags", "diags_array", "spdiags")})
replace(sparse, {"kron": kron, "kronsum": kronsum, "find": find})
replace(sparse, {n: _question(n) for n in dir(sparse) if n == "issparse" or n.startswith("isspmatrix")})
_PLAIN = (
    "eye", "eye_array", "identity", "get_index_dtype", "safely_cast_index_arrays", "load_npz", "rand", "random",
    "random_array",
)  # fmt: skip
plain(sparse, _PLAIN)
refuse(sparse, {"save_npz": "save plain numbers, after the derivative has been taken"})
__all__ = ["BASE", "TracedSparse"]
