"""Functions without a derivative on purpose: questions about values, shapes and types.

They are piecewise constant or not numeric at all, so they see the plain values and answer as NumPy does. A listing, not
a catch-all: a function that stands in no table is refused by name.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gradcheck.autodiff.core import FUNCTIONS, UFUNCS, constant, plain_tree

PLAIN = (
    np.shape, np.ndim, np.size, np.argsort, np.argmax, np.argmin, np.nonzero, np.flatnonzero, np.any, np.all,
    np.searchsorted, np.count_nonzero, np.argwhere, np.allclose, np.isclose, np.array_equal, np.array_equiv, np.lexsort,
    np.digitize, np.argpartition, np.iscomplexobj, np.isrealobj, np.iscomplex, np.isreal, np.result_type, np.can_cast,
    np.isneginf, np.isposinf, np.around, np.round, np.fix, np.min_scalar_type, np.array2string, np.array_repr,
    np.array_str, np.nanargmax, np.nanargmin, np.histogram_bin_edges, np.shares_memory, np.may_share_memory,
    np.common_type, np.linalg.matrix_rank, np.isin, np.tril_indices_from,
    np.triu_indices_from, np.diag_indices_from, np.save, np.savetxt,
)  # fmt: skip
PLAIN_UFUNCS = (
    np.greater, np.greater_equal, np.less, np.less_equal, np.equal, np.not_equal, np.logical_and, np.logical_or,
    np.logical_xor, np.logical_not, np.isfinite, np.isinf, np.isnan, np.signbit, np.frexp,
)  # fmt: skip


def _plain(function: Any) -> Any:
    def handler(*args: Any, **keywords: Any) -> Any:
        return function(*plain_tree(args), **plain_tree(keywords))

    return handler


for _function in dict.fromkeys(PLAIN):
    FUNCTIONS[_function] = _plain(_function)


def _plain_ufunc(ufunc: Any) -> Any:
    def handler(*args: Any, **keywords: Any) -> Any:
        if "where" in keywords:
            keywords["out"] = None  # meant: whoever calls puts the rest in its place
        return ufunc(*plain_tree(args), **plain_tree(keywords))

    return handler


for _ufunc in PLAIN_UFUNCS:
    UFUNCS[_ufunc] = _plain_ufunc(_ufunc)


def _like(function: Any) -> Any:
    """``zeros_like`` and its kin: a fresh array that traced values may be assigned to."""

    def handler(*args: Any, **keywords: Any) -> Any:
        return constant(function(*plain_tree(args), **plain_tree(keywords)))

    return handler


for _function in (np.zeros_like, np.ones_like, np.empty_like):
    FUNCTIONS[_function] = _like(_function)


def full_like(a: Any, fill_value: Any, dtype: Any = None, **keywords: Any) -> Any:
    y = constant(np.zeros_like(plain_tree(a), dtype=dtype, **plain_tree(keywords)))
    y[...] = fill_value
    return y


FUNCTIONS[np.full_like] = full_like
