"""``gradcheck.scipy.signal``: SciPy's module, with a ``convolve`` that also takes autograd's arguments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.signal

from gradcheck.autodiff.core import shape_of
from gradcheck.scipy import stand_in

__all__, __getattr__, __dir__ = stand_in(__name__, scipy.signal)

Axes = Sequence[Sequence[int]]


def convolve(A: Any, B: Any, axes: Any = None, dot_axes: Axes = ((), ()), mode: str = "full", **keywords: Any) -> Any:
    """Convolution along some axes, product over others, all combinations of the rest.

    Args:
        A: array.
        B: array.
        axes: ``(axes of A, axes of B)`` to convolve, in pairs; all of them if not given. (A mode in this place is taken
            as SciPy's third argument.)
        dot_axes: ``(axes of A, axes of B)`` to multiply and sum over, in pairs.
        mode: "full", "valid" or "same", as in SciPy.
        keywords: SciPy's ``method``, where no axes are given.

    Returns:
        Array with the axes: what is left of A, what is left of B, the convolved ones.

    Raises:
        ValueError: the mode is none of these, or neither array covers the other in mode "valid".

    >>> convolve(np.array([1.0, 2.0, 3.0]), np.array([1.0, -1.0]), mode="valid")
    array([1., 1.])
    >>> convolve(np.ones((5, 4)), np.ones((2, 3)), axes=([1], [1]), mode="valid").shape
    (5, 2, 2)
    """
    if isinstance(axes, str):
        axes, mode = None, axes
    if mode not in ("full", "valid", "same"):
        raise ValueError(f"mode must be 'full', 'valid' or 'same', not {mode!r}")
    if axes is None and not any(dot_axes):
        whole: Any = scipy.signal.convolve
        return whole(A, B, mode=mode, **keywords)
    if keywords:
        raise ValueError(f"convolve: {', '.join(keywords)} cannot be combined with axes")
    every = range(len(shape_of(A)))
    return _convolve(A, B, (every, every) if axes is None else axes, dot_axes, mode)


def _positive(axes: Sequence[int], x: Any) -> list[int]:
    return [k % len(shape_of(x)) for k in axes]


def _convolve(A: Any, B: Any, axes: Axes, dot_axes: Axes, mode: str) -> Any:
    on_a, on_b = _positive(axes[0], A), _positive(axes[1], B)
    dot_a, dot_b = _positive(dot_axes[0], A), _positive(dot_axes[1], B)
    sizes = [(shape_of(A)[i], shape_of(B)[j]) for i, j in zip(on_a, on_b, strict=True)]
    left_a = [k for k in range(len(shape_of(A))) if k not in on_a and k not in dot_a]
    left_b = [k for k in range(len(shape_of(B))) if k not in on_b and k not in dot_b]
    if mode == "valid" and any(n < k for n, k in sizes):
        if any(n > k for n, k in sizes):
            raise ValueError("convolve: in mode 'valid' one array must cover the other along all convolved axes")
        y = _convolve(B, A, axes[::-1], dot_axes[::-1], mode)
        a, b = len(left_a), len(left_b)
        return np.transpose(y, [*range(b, a + b), *range(b), *range(a + b, len(shape_of(y)))])
    windows = _windows(_padded(A, on_a, sizes, mode), on_a, [k for _, k in sizes])
    kernel = B[tuple(slice(None, None, -1) if k in on_b else slice(None) for k in range(len(shape_of(B))))]
    inner = [len(shape_of(A)) + i for i in range(len(on_a))]
    y = np.tensordot(windows, kernel, axes=([*inner, *dot_a], [*on_b, *dot_b]))
    kept = [k for k in range(len(shape_of(A))) if k not in dot_a]
    rest = list(range(len(kept), len(kept) + len(left_b)))
    return np.transpose(y, [*(kept.index(k) for k in left_a), *rest, *(kept.index(k) for k in on_a)])


def _padded(A: Any, axes: Sequence[int], sizes: Sequence[tuple[int, int]], mode: str) -> Any:
    """A with zeros on both sides of the convolved axes, so that every place of the result is covered."""
    if mode == "valid":
        return A
    widths = [(0, 0)] * len(shape_of(A))
    for axis, (_, k) in zip(axes, sizes, strict=True):
        after = k - 1 if mode == "full" else (k - 1) // 2
        widths[axis] = (k - 1 if mode == "full" else k - 1 - after, after)
    return np.pad(A, widths)


def _windows(A: Any, axes: Sequence[int], lengths: Sequence[int]) -> Any:
    """All windows of these lengths, as new last axes: slices, stacked."""
    for axis, length in zip(axes, lengths, strict=True):
        n = shape_of(A)[axis] - length + 1
        before = (slice(None),) * axis
        A = np.stack([A[(*before, slice(i, i + n))] for i in range(length)], axis=-1)
    return A
