"""Functions without a derivative on purpose: questions about values, shapes, types and texts.

They are piecewise constant or not numeric at all, so they see the plain values and answer as NumPy does. A listing, not
a catch-all: a function that stands in no table is differentiated numerically, and reported.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.char
import numpy.strings
from numpy._core import umath

from gradcheck.autodiff.core import (
    FUNCTIONS,
    TRACED,
    UFUNCS,
    any_active,
    constant,
    is_active,
    note_equal,
    note_zero,
    plain_tree,
)
from gradcheck.autodiff.errors import unsupported
from gradcheck.autodiff.text import noted

# By name, since some came with later versions of NumPy and some will go.
PLAIN = """
    shape ndim size argsort argmax argmin nonzero flatnonzero any all searchsorted count_nonzero argwhere allclose
    isclose array_equal array_equiv lexsort digitize argpartition iscomplexobj isrealobj iscomplex isreal result_type
    can_cast isneginf isposinf around round fix min_scalar_type array2string array_repr array_str nanargmax nanargmin
    shares_memory may_share_memory common_type isin in1d tril_indices_from triu_indices_from
    diag_indices_from einsum_path busday_count busday_offset is_busday datetime_as_string packbits unpackbits
    ravel_multi_index unravel_index
"""
FILES = "save savetxt savez savez_compressed"
PLAIN_LINALG = "matrix_rank"
PLAIN_UFUNCS = (
    np.greater, np.greater_equal, np.less, np.less_equal, np.equal, np.not_equal, np.logical_and, np.logical_or,
    np.logical_xor, np.logical_not, np.isfinite, np.isinf, np.isnan, np.isnat, np.signbit, np.bitwise_and,
    np.bitwise_or, np.bitwise_xor, np.bitwise_count, np.invert, np.left_shift, np.right_shift, np.gcd, np.lcm,
)  # fmt: skip

# The handlers that carry no derivative, and why not: ``support.py`` reads it.
HANDLERS: dict[Callable[..., Any], str] = {}


# Questions that have nothing to do with values.
_OF_FORM = frozenset(
    {np.shape, np.ndim, np.size, np.result_type, np.can_cast, np.common_type, np.min_scalar_type, np.iscomplexobj,
     np.isrealobj, np.shares_memory, np.may_share_memory, np.array2string, np.array_repr, np.array_str}
)  # fmt: skip


def _plain(function: Any, why: str) -> Any:
    counts = why == "piecewise constant" and function not in _OF_FORM

    def handler(*args: Any, **keywords: Any) -> Any:
        if counts and any_active(args):
            note_zero()
        if why == "text" and any_active(args):
            raise unsupported("text of a traced array would lose the derivative", "use str() of it for printing")
        y = function(*plain_tree(args), **plain_tree(keywords))
        return noted(y, args[0]) if type(y) is str and args and is_active(args[0]) else y

    return handler


def _register(module: Any, names: str, why: str) -> None:
    for name in names.split():
        function = getattr(module, name, None)
        if function is not None and function not in FUNCTIONS:
            FUNCTIONS[function] = _plain(function, why)
            HANDLERS[FUNCTIONS[function]] = why


def _asking(function: Callable[..., Any]) -> Any:
    """A question whether two arrays are equal as a whole."""

    def handler(a: Any, b: Any, *args: Any, **keywords: Any) -> Any:
        answer = function(plain_tree(a), plain_tree(b), *args, **keywords)
        for one, other in ((a, b), (b, a)):
            if type(one) in TRACED:
                note_equal(one, plain_tree(other), answer)
        return answer

    return handler


for _question in (np.array_equal, np.array_equiv, np.allclose):
    FUNCTIONS[_question] = _asking(_question)
    HANDLERS[FUNCTIONS[_question]] = "piecewise constant"
_register(np, PLAIN, "piecewise constant")
_register(np.linalg, PLAIN_LINALG, "piecewise constant")
for _module in (np.strings, np.char):
    # Those of numpy.char that make a chararray warn when they are looked at: NumPy 2.5 has deprecated the class.
    _names = [n for n in _module.__all__ if n not in ("array", "asarray", "chararray")]
    _register(_module, " ".join(_names), "text")


def _plain_ufunc(ufunc: Any) -> Any:
    def handler(*args: Any, **keywords: Any) -> Any:
        if "where" in keywords:
            keywords["out"] = None  # meant: whoever calls puts the rest in its place
        return ufunc(*plain_tree(args), **plain_tree(keywords))

    return handler


def _register_ufunc(ufunc: Any, why: str) -> None:
    if isinstance(ufunc, np.ufunc) and ufunc not in UFUNCS:
        UFUNCS[ufunc] = _plain_ufunc(ufunc)
        HANDLERS[UFUNCS[ufunc]] = why


for _ufunc in PLAIN_UFUNCS:
    _register_ufunc(_ufunc, "piecewise constant")
# The ufuncs behind np.strings have no public name; they take texts only.
for _ufunc in vars(umath).values():
    if isinstance(_ufunc, np.ufunc) and not _ufunc.types:  # NumPy lists types of numbers only
        _register_ufunc(_ufunc, "text")
_register_ufunc(umath._ones_like, "constant")  # type: ignore[attr-defined]


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

# -- refused ---------------------------------------------------------------------------------------------------------

# The handlers that refuse, and why.
REFUSED: dict[Callable[..., Any], str] = {}


def refuse(function: Any, why: str, hint: str) -> None:
    """Refuse derivatives through one of NumPy's functions, by name."""

    def handler(*args: Any, **keywords: Any) -> Any:
        if any_active(args) or any_active(keywords):
            raise unsupported(f"{function.__module__}.{function.__name__}: {why}", hint)
        return function(*plain_tree(args), **plain_tree(keywords))

    FUNCTIONS[function] = handler
    REFUSED[handler] = why


for _name in FILES.split():
    refuse(
        getattr(np, _name),
        "what is read back from a file has no derivative",
        "write it after the function has returned",
    )
