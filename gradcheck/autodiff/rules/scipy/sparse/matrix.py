"""A sparse matrix whose entries are traced: where they stand is plain, what they are is one traced vector.

Beside the vector stands a *pattern*: SciPy's own matrix of the same class, whose entries are the positions 1, 2, 3, ...
in the vector. Whatever SciPy does that only moves entries (indexing, transposing, joining, converting) it does on the
pattern, and its result says which entry went where. So formats and their order of entries are SciPy's by
construction. Arithmetic is on the vector; products with arrays are one bilinear primitive, :data:`PRODUCT`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse as sparse

from gradcheck.autodiff.core import TRACED, Primitive, is_active, is_complex, plain, plain_tree, shape_of
from gradcheck.autodiff.errors import unsupported
from gradcheck.autodiff.rules.scipy.linear import array, floating
from gradcheck.autodiff.rules.scipy.registry import carrier

# The originals: the names are replaced while a trace is running.
COO: Any = sparse.coo_array
CSR: Any = sparse.csr_array
BASE: Any = next(c for c in sparse.csr_array.__mro__ if c.__name__ == "_spbase")
CLASSES: dict[str, Any] = {
    f"{form}_{kind}": getattr(sparse, f"{form}_{kind}")
    for form in ("bsr", "coo", "csc", "csr", "dia", "dok", "lil")
    for kind in ("array", "matrix")
}
_MATRIX: Any = sparse.spmatrix


def is_sparse(x: Any) -> bool:
    return isinstance(x, TracedSparse | BASE)


# -- products with arrays --------------------------------------------------------------------------------------------


def _multiply(data: Any, x: Any, *, row: Any, col: Any, shape: Any) -> Any:
    if type(data) in TRACED or type(x) in TRACED:
        return PRODUCT(data, x, row=row, col=col, shape=shape)
    return CSR((data, (row, col)), shape=shape) @ x


def _pull_entries(_y: Any, data: Any, x: Any, *, row: Any, col: Any, shape: Any) -> Any:
    def pull(g: Any) -> Any:
        d = g[row] * x[col]
        return np.sum(d, axis=-1) if len(shape_of(d)) > 1 else d

    return pull


PRODUCT: Primitive = Primitive(
    _multiply,
    [
        _pull_entries,
        lambda _y, data, _x, *, row, col, shape: lambda g: PRODUCT(data, g, row=col, col=row, shape=shape[::-1]),
    ],
    ["linear", "linear"],
    name="sparse @ array",
)


def collected(values: Any, places: Any, count: int) -> Any:
    """Sums of values by their place, (count,): the transpose of a gather."""
    size = shape_of(values)[0]
    ones = np.ones(size)
    if not size:
        return np.zeros(count)
    return PRODUCT(ones, values, row=places, col=np.arange(size), shape=(count, size))


# -- the matrix ------------------------------------------------------------------------------------------------------


class TracedSparse:
    """A sparse matrix with traced entries.

    Attributes:
        pattern: SciPy's matrix of positions, of the class that this one stands for.
        values: the entries, (n,), traced; position k is ``values[k − 1]``.
        full: whether entries that are zero stand in the pattern that SciPy would have left out.
    """

    __array_priority__ = 2000.0  # NumPy's operators leave it to ours, and its ufuncs ask for methods, as of SciPy's

    def __init__(self, pattern: Any, values: Any, full: bool = False) -> None:
        self.pattern = pattern
        self.values = values
        self.full = full

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return type(self.pattern)

    # -- where entries stand -------------------------------------------------------------------------------------------

    @property
    def entries(self) -> tuple[Any, Any, Any]:
        """Rows, columns and values, in one order."""
        where = COO(self.pattern)
        real = where.data > 0  # blocks have holes
        return where.row[real], where.col[real], self.values[where.data[real] - 1]

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.pattern.shape)

    @property
    def ndim(self) -> int:
        return int(self.pattern.ndim)

    @property
    def format(self) -> str:
        return str(self.pattern.format)

    @property
    def dtype(self) -> Any:
        return plain(self.values).dtype

    def __len__(self) -> int:
        raise TypeError("sparse array length is ambiguous; use getnnz()")

    def __bool__(self) -> bool:
        raise ValueError("The truth value of an array with more than one element is ambiguous. Use a.any() or a.all().")

    def __getattr__(self, name: str) -> Any:
        """The parts of a format: entries in its order, and the plain arrays that say where they stand."""
        if name in ("data", "indices", "indptr", "row", "col", "nnz", "offsets", "coords", "has_sorted_indices"):
            if self.full and name != "offsets":
                raise unsupported(f"{name} of a sparse matrix made from a traced array that has zeros")
            value = getattr(self.pattern, name)
            if name != "data":
                return value
            if self.format in ("lil", "dok"):
                raise unsupported(f"data of a traced sparse matrix in the format {self.format}", "use .tocsr().data")
            return self._gather(value)
        if hasattr(self.pattern, name):
            raise unsupported(
                f"{type(self.pattern).__name__}.{name} of traced entries", "take .toarray(), or work on .tocsr().data"
            )
        raise AttributeError(f"'{type(self.pattern).__name__}' object has no attribute '{name}'")

    def _gather(self, positions: Any) -> Any:
        """The entries at positions, 0 for none."""
        zero = np.zeros(1, self.dtype)
        return np.concatenate([zero, self.values])[np.asarray(positions, dtype=int)]

    def moved(self, step: Callable[[Any], Any]) -> Any:
        """What a function of SciPy's that only moves entries makes of this matrix."""
        result = step(self.pattern)
        if isinstance(result, BASE):
            return from_pattern(result, self.values, self.full)
        if isinstance(result, np.matrix):
            raise unsupported("np.matrix with traced entries", "use toarray(), or csr_array instead of csr_matrix")
        if np.ndim(result) == 0:
            return self._gather(np.reshape(result, (1,)))[0]
        return self._gather(result)

    def value(self) -> Any:
        """SciPy's matrix of the plain entries."""
        row, col, data = self.entries
        data = plain(data)
        if self.full:
            row, col, data = row[data != 0], col[data != 0], data[data != 0]
        # Where SciPy's compiled code wants small indices they are small.
        index = sparse.get_index_dtype(maxval=max(*self.shape, len(data)))
        return type(self.pattern)(COO((data, (row.astype(index), col.astype(index))), shape=self.shape))

    def _with(self, values: Any) -> TracedSparse:
        return TracedSparse(self.pattern, values, self.full)

    # -- moving --------------------------------------------------------------------------------------------------------

    def __getitem__(self, key: Any) -> Any:
        return self.moved(lambda p: p[plain_tree(key)])

    def __setitem__(self, key: Any, value: Any) -> None:
        raise unsupported("assigning to an entry of a traced sparse matrix", "collect rows, columns and values first")

    @property
    def T(self) -> Any:
        return self.moved(lambda p: p.T)

    def transpose(self, *args: Any, **keywords: Any) -> Any:
        return self.moved(lambda p: p.transpose(*args, **keywords))

    def reshape(self, *args: Any, **keywords: Any) -> Any:
        return self.moved(lambda p: p.reshape(*args, **keywords))

    def diagonal(self, k: int = 0) -> Any:
        return self.moved(lambda p: p.diagonal(k))

    def trace(self, offset: int = 0) -> Any:
        return np.sum(self.diagonal(offset))

    def asformat(self, format: Any, copy: bool = False) -> Any:
        return self.moved(lambda p: p.asformat(format))

    def copy(self) -> TracedSparse:
        return self._with(self.values)

    def toarray(self, order: Any = None, out: Any = None) -> Any:
        if out is not None:
            raise unsupported("toarray(out=...) of traced entries", "leave out= away")
        return self._gather(COO(self.pattern).toarray())

    def todense(self, order: Any = None, out: Any = None) -> Any:
        if isinstance(self.pattern, _MATRIX):
            raise unsupported("todense() of traced entries gives an np.matrix", "use toarray()")
        return self.toarray(order, out)

    def conj(self, copy: bool = True) -> Any:
        return self._with(np.conjugate(self.values) if is_complex(self.values) else self.values)

    conjugate = conj

    @property
    def real(self) -> Any:
        return self._with(np.real(self.values))

    @property
    def imag(self) -> Any:
        return self._with(np.imag(self.values))

    def astype(self, dtype: Any, casting: str = "unsafe", copy: bool = True) -> Any:
        return self._with(self.values.astype(dtype))

    # -- sums ----------------------------------------------------------------------------------------------------------

    def sum(self, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
        if out is not None or dtype is not None:
            raise unsupported("sum(dtype=..., out=...) of a sparse matrix with traced entries")
        row, col, data = self.entries
        if axis is None or axis in ((0, 1), (1, 0)):
            return np.sum(data)
        if isinstance(self.pattern, _MATRIX):
            raise unsupported(
                "sum(axis) of a sparse matrix with traced entries gives an np.matrix",
                "use csr_array instead of csr_matrix, or A @ np.ones(n)",
            )
        kept = 1 - axis % 2
        return collected(data, (row, col)[kept], self.shape[kept])

    def mean(self, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
        total = self.sum(axis, dtype, out)
        count = self.shape[0] * self.shape[1] if axis is None else self.shape[axis % 2]
        return total / count

    # -- arithmetic ----------------------------------------------------------------------------------------------------

    def __neg__(self) -> Any:
        return self._with(-self.values)

    def __pos__(self) -> Any:
        return self

    def __abs__(self) -> Any:
        return self._with(np.abs(self.values))

    def power(self, n: Any, dtype: Any = None) -> Any:
        if np.ndim(plain(n)) or plain(n) <= 0:
            raise unsupported("power of a sparse matrix with an exponent that is not a positive number")
        return self._with(self.values**n)

    def __pow__(self, n: Any, modulo: Any = None) -> Any:
        if not isinstance(self.pattern, _MATRIX):
            return self.power(n)
        if not isinstance(n, int) or n < 1:
            raise unsupported("a power of a sparse matrix other than a positive integer")
        result = self
        for _ in range(n - 1):
            result = result @ self
        return result

    def __add__(self, other: Any) -> Any:
        return _add(self, other, 1)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        return _add(self, other, -1)

    def __rsub__(self, other: Any) -> Any:
        return _add(-self, other, 1)

    def __mul__(self, other: Any) -> Any:
        if _is_number(other):
            return self._with(self.values * other)
        return self @ other if isinstance(self.pattern, _MATRIX) else self.multiply(other)

    def __rmul__(self, other: Any) -> Any:
        if _is_number(other):
            return self._with(self.values * other)
        return other @ self if isinstance(self.pattern, _MATRIX) else self.multiply(other)

    def __truediv__(self, other: Any) -> Any:
        if not _is_number(other):
            raise unsupported("a sparse matrix with traced entries divided by a matrix", "use toarray()")
        return self._with(self.values / other)

    def multiply(self, other: Any) -> Any:
        if _is_number(other):
            return self._with(self.values * other)
        row, col, data = self.entries
        if is_sparse(other):
            right = traced(other)
            mine, found = _common(self, right)
            shape = np.broadcast_shapes(self.shape, right.shape)
            if shape != self.shape or shape != right.shape:
                raise unsupported("multiply of sparse matrices that are broadcast", "use toarray()")
            rows, cols = row[mine], col[mine]
            return from_entries(_like(self.pattern, CSR), rows, cols, data[mine] * right.entries[2][found], shape)
        other = array(other)
        if np.broadcast_shapes(self.shape, shape_of(other)) != self.shape:
            raise unsupported("multiply of a sparse matrix by a larger array", "use toarray()")
        factors = np.broadcast_to(other, self.shape)[row, col]
        return from_entries(_like(self.pattern, COO), row, col, data * factors, self.shape)

    def __matmul__(self, other: Any) -> Any:
        if is_sparse(other):
            return _sparse_product(self, traced(other))
        other = floating(other)
        if len(shape_of(other)) not in (1, 2):
            raise unsupported("a sparse matrix times an array of more than two dimensions")
        row, col, data = self.entries
        if shape_of(other)[0] != self.shape[1]:
            raise ValueError("dimension mismatch")
        return PRODUCT(data, other, row=row, col=col, shape=self.shape)

    def __rmatmul__(self, other: Any) -> Any:
        if is_sparse(other):
            return _sparse_product(traced(other), self)
        other = floating(other)
        y = self.T @ (other if len(shape_of(other)) == 1 else other.T)
        return y if len(shape_of(y)) == 1 else y.T

    def dot(self, other: Any) -> Any:
        return self._with(self.values * other) if _is_number(other) else self @ other

    def __gt__(self, other: Any) -> Any:
        return self.value() > plain_tree(other)

    def __lt__(self, other: Any) -> Any:
        return self.value() < plain_tree(other)

    def __ge__(self, other: Any) -> Any:
        return self.value() >= plain_tree(other)

    def __le__(self, other: Any) -> Any:
        return self.value() <= plain_tree(other)

    def __ne__(self, other: Any) -> Any:
        return self.value() != (other.value() if type(other) is TracedSparse else plain_tree(other))

    __hash__ = object.__hash__


def _elementwise(name: str) -> Callable[[TracedSparse], TracedSparse]:
    function = getattr(np, name)
    return lambda self: self._with(function(self.values))


# Functions with f(0) = 0, which a sparse matrix has as methods, and changes of format.
_ELEMENTWISE = (
    "sin", "tan", "arcsin", "arctan", "sinh", "tanh", "arcsinh", "arctanh", "expm1", "log1p", "sqrt", "deg2rad",
    "rad2deg",
)  # fmt: skip
for _name in _ELEMENTWISE:
    setattr(TracedSparse, _name, _elementwise(_name))
for _form in ("bsr", "coo", "csc", "csr", "dia", "dok", "lil"):
    setattr(
        TracedSparse,
        f"to{_form}",
        lambda self, *args, _form=_form, **keywords: self.moved(operator.methodcaller(f"to{_form}", *args, **keywords)),
    )
carrier(TracedSparse, lambda s: is_active(s.values))


def _is_number(x: Any) -> bool:
    return not is_sparse(x) and shape_of(x) == ()


def _like(pattern: Any, cls: Any) -> Any:
    """The class of this format that is an array if the pattern is one, a matrix if not."""
    kind = "matrix" if isinstance(pattern, _MATRIX) else "array"
    return CLASSES[f"{cls.__name__[:3]}_{kind}"]


# -- making them -----------------------------------------------------------------------------------------------------


def from_entries(cls: Any, row: Any, col: Any, values: Any, shape: Any, full: bool = False) -> TracedSparse:
    """A matrix of entries at rows and columns; entries in the same place are added."""
    row, col = np.asarray(row, dtype=np.int64), np.asarray(col, dtype=np.int64)
    keys, inverse = np.unique(row * shape[1] + col, return_inverse=True)
    if len(keys) != len(row):
        values = collected(values, inverse, len(keys))
        row, col = keys // shape[1], keys % shape[1]
    positions = np.arange(1, len(row) + 1)
    return TracedSparse(cls(COO((positions, (row, col)), shape=shape)), values, full)


def from_pattern(pattern: Any, values: Any, full: bool = False) -> TracedSparse:
    """A matrix from a pattern that SciPy has made of another one's."""
    return TracedSparse(pattern, values, full)


def traced(x: Any) -> TracedSparse:
    """A plain sparse matrix as one of ours."""
    if type(x) is TracedSparse:
        return x
    where = COO(x)
    return from_entries(type(x), where.row, where.col, where.data, x.shape)


def from_array(cls: Any, x: Any) -> TracedSparse:
    """A sparse matrix of a traced array. Its zeros stay, since they may have a derivative."""
    x = np.atleast_2d(array(x))
    if len(shape_of(x)) != 2:
        raise unsupported(f"{cls.__name__} of a traced array of {len(shape_of(x))} dimensions")
    row, col = (i.reshape(-1) for i in np.indices(shape_of(x)))
    return from_entries(cls, row, col, np.reshape(x, -1), shape_of(x), bool(np.any(plain(x) == 0)))


# -- two matrices ----------------------------------------------------------------------------------------------------


def _common(left: TracedSparse, right: TracedSparse) -> tuple[Any, Any]:
    """The entries of two matrices of one shape that stand in the same places, as indices into each."""
    (r1, c1, _), (r2, c2, _) = left.entries, right.entries
    width = max(left.shape[1], right.shape[1])
    _, mine, theirs = np.intersect1d(r1 * np.int64(width) + c1, r2 * np.int64(width) + c2, return_indices=True)
    return mine, theirs


def _add(left: TracedSparse, right: Any, sign: int) -> Any:
    if not is_sparse(right):
        if _is_number(right):
            if type(right) not in TRACED and right == 0:
                return left
            raise NotImplementedError("adding a nonzero scalar to a sparse array is not supported")
        if isinstance(left.pattern, _MATRIX):
            raise unsupported(
                "a sparse matrix with traced entries plus an array gives an np.matrix", "use toarray(), or csr_array"
            )
        return sign * array(right) + left.toarray()
    right = traced(right)
    if left.shape != right.shape:
        raise ValueError("inconsistent shapes")
    (r1, c1, d1), (r2, c2, d2) = left.entries, right.entries
    rows, cols = np.concatenate([r1, r2]), np.concatenate([c1, c2])
    cls = type(left.pattern) if left.format in ("csr", "csc") else _like(left.pattern, CSR)
    return from_entries(cls, rows, cols, np.concatenate([d1, sign * d2]), left.shape, left.full or right.full)


def _sparse_product(left: TracedSparse, right: TracedSparse) -> TracedSparse:
    """Every entry (i, k) of the left one meets the entries of row k of the right one."""
    if left.shape[1] != right.shape[0]:
        raise ValueError("dimension mismatch")
    (r1, c1, d1), (r2, c2, d2) = left.entries, right.entries
    order = np.argsort(r2, kind="stable")
    starts = np.searchsorted(r2[order], np.arange(right.shape[0] + 1))
    counts = np.diff(starts)[c1]
    mine = np.repeat(np.arange(len(r1)), counts)
    offset = np.arange(len(mine)) - np.repeat(np.cumsum(counts) - counts, counts)
    theirs = order[starts[c1][mine] + offset]
    cls = type(left.pattern) if left.format in ("csr", "csc") else _like(left.pattern, CSR)
    return from_entries(cls, r1[mine], c2[theirs], d1[mine] * d2[theirs], (left.shape[0], right.shape[1]))


def joined(blocks: Any, build: Callable[[Any], Any]) -> TracedSparse:
    """What SciPy builds of blocks (nested lists of sparse matrices, arrays and None), some of them traced."""
    values: list[Any] = []
    count = 0
    full = False

    def positions(block: Any) -> Any:
        nonlocal count, full
        if isinstance(block, list | tuple):
            return [positions(b) for b in block]
        if block is None or _is_number(block):
            return block
        part = traced(block) if is_sparse(block) else from_array(_like(COO((1, 1)), CSR), block)
        shifted = part.pattern.tocoo()
        shifted.data = shifted.data + count
        count += shape_of(part.values)[0]
        values.append(part.values)
        full = full or part.full
        return shifted

    pattern = build(positions(blocks))
    return TracedSparse(pattern, np.concatenate(values), full)
