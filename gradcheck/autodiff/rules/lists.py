"""NumPy functions that are given a list with traced values inside: ``np.sum([x[0], x[1] ** 2])``, ``np.max([a, b])``.

NumPy's protocol asks a function's arguments, not what is in a list; so after a traced value was refused these functions
and all ufuncs with a rule are replaced while a trace is running, as ``scope.py`` replaces ``np.array``. The rules take
such lists as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gradcheck.autodiff.core import FUNCTIONS, TRACED, UFUNCS, has_traced
from gradcheck.autodiff.rules.reductions import as_traced
from gradcheck.autodiff.scope import shadow

_NUMPY = """
    sum prod mean std var max min amax amin ptp median average quantile percentile nansum nanprod nanmean nanstd nanvar
    nanmax nanmin nanmedian nanquantile nanpercentile nancumsum nancumprod cumsum cumprod cumulative_sum cumulative_prod
    cov corrcoef histogram histogram2d histogramdd bincount
    dot vdot inner outer cross kron tensordot einsum convolve correlate
    diff ediff1d gradient trapezoid interp unwrap sort sort_complex partition unique union1d intersect1d setdiff1d
    setxor1d unique_values unique_counts unique_inverse unique_all argmax argmin argsort argpartition argwhere nonzero
    flatnonzero count_nonzero searchsorted digitize isin nanargmax nanargmin
    transpose permute_dims matrix_transpose moveaxis swapaxes rollaxis reshape ravel squeeze expand_dims atleast_1d
    atleast_2d atleast_3d flip flipud fliplr rot90 roll repeat tile resize take take_along_axis delete insert compress
    extract choose select piecewise clip where broadcast_to broadcast_arrays diag diagflat diagonal trace tril triu
    vander pad trim_zeros concatenate concat stack vstack hstack dstack column_stack append block split array_split
    vsplit hsplit dsplit unstack meshgrid ix_ any all shape ndim size isclose allclose array_equal array_equiv
    real imag angle real_if_close nan_to_num sinc i0 isreal iscomplex isneginf isposinf around round fix
    iscomplexobj isrealobj
    poly polyval polyfit polyadd polysub polymul polydiv polyder polyint roots
    apply_along_axis apply_over_axes copyto put place putmask astype require
"""
_LINALG = """
    norm det inv solve eigh eigvalsh eig eigvals cholesky slogdet svd svdvals qr pinv lstsq cond matrix_rank
    matrix_power multi_dot tensorinv tensorsolve vector_norm matrix_norm cross outer vecdot matmul tensordot trace
    diagonal matrix_transpose
"""
_FFT = """
    fft ifft rfft irfft hfft ihfft fft2 ifft2 fftn ifftn rfft2 irfft2 rfftn irfftn fftshift ifftshift
"""


def _with_lists(function: Callable[..., Any], handler: Callable[..., Any]) -> Callable[..., Any]:
    def replacement(*args: Any, **keywords: Any) -> Any:
        if args and type(args[0]) in TRACED:
            return handler(*args, **keywords)
        for a in (*args, *keywords.values()):
            if type(a) not in TRACED and has_traced(a):
                return handler(*args, **keywords)
        return function(*args, **keywords)

    replacement.__name__ = function.__name__
    replacement.__doc__ = function.__doc__  # a module that is imported now may read it
    replacement.__wrapped__ = function  # type: ignore[attr-defined]
    # The rules look handlers up by NumPy's function, and find the replacement there while a trace is running.
    FUNCTIONS[replacement] = handler
    return replacement


class _UfuncWithLists:
    """A ufunc that takes lists with traced values inside; everything else is the ufunc's own."""

    def __init__(self, ufunc: np.ufunc) -> None:
        self.__wrapped__ = ufunc
        self.__name__ = ufunc.__name__
        self.__doc__ = ufunc.__doc__

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return np.ufunc

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        return self.__wrapped__(*[_joined(a) for a in args], **keywords)

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.__wrapped__, name)
        if name not in ("reduce", "accumulate", "outer", "reduceat", "at"):
            return value
        return lambda *args, **keywords: value(*[_joined(a) for a in args], **keywords)

    # The rules look handlers up by NumPy's ufunc.
    def __eq__(self, other: object) -> bool:
        return other is self or other is self.__wrapped__

    def __hash__(self) -> int:
        return hash(self.__wrapped__)

    def __repr__(self) -> str:
        return repr(self.__wrapped__)


def _joined(a: Any) -> Any:
    return as_traced(a) if type(a) in (list, tuple) and has_traced(a) else a


for _module, _names in ((np, _NUMPY), (np.linalg, _LINALG), (np.fft, _FFT)):
    _functions = {name: getattr(_module, name) for name in _names.split() if hasattr(_module, name)}
    _new = {name: _with_lists(f, FUNCTIONS[f]) for name, f in _functions.items()}
    shadow(_module, _new, on_demand=True)
_ufuncs = {name: f for name, f in vars(np).items() if isinstance(f, np.ufunc) and (f in UFUNCS or f in FUNCTIONS)}
shadow(np, {name: _UfuncWithLists(f) for name, f in _ufuncs.items()}, on_demand=True)
