"""``np.fft``: all transforms, every ``n``, ``s``, ``axes`` and ``norm``.

A transform is linear, so its jvp is the transform itself. The matrix of the complex transforms is symmetric, so under
the core's bilinear pairing the vjp is the same transform again; the real ones are complex ones of which a half is
kept. Transforms over several axes are taken one axis after the other, in NumPy's order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.fft  # NumPy itself loads it on first use only

from gradcheck.autodiff.core import Primitive, implements, is_complex, plain_tree, shape_of
from gradcheck.autodiff.rules.reductions import as_traced, into


def _along(axis: int, ndim: int, part: slice) -> tuple[slice, ...]:
    return (slice(None),) * (axis % ndim) + (part,)


def _resized(x: Any, n: int, axis: int) -> Any:
    """x cut or filled with zeros to length n along the axis: what a transform does to its operand."""
    shape = shape_of(x)
    have = shape[axis]
    if have >= n:
        return x if have == n else x[_along(axis, len(shape), slice(n))]
    missing = list(shape)
    missing[axis] = n - have
    return np.concatenate([x, np.zeros(missing)], axis=axis)


def _complex_transform(function: Any) -> Primitive:
    def vjp(_y: Any, a: Any, *, n: int, axis: int, norm: Any) -> Any:
        length = shape_of(a)[axis]
        return lambda g: _resized(function(g, n, axis, norm), length, axis)

    return Primitive(
        lambda a, *, n, axis, norm: function(a, n, axis, norm), [vjp], "linear", name=f"fft.{function.__name__}"
    )


FFT, IFFT = _complex_transform(np.fft.fft), _complex_transform(np.fft.ifft)


def _rfft_vjp(_y: Any, a: Any, *, n: int, axis: int, norm: Any) -> Any:
    length = shape_of(a)[axis]
    return lambda g: _resized(np.fft.fft(_resized(g, n, axis), n, axis, norm), length, axis)


RFFT = Primitive(lambda a, *, n, axis, norm: np.fft.rfft(a, n, axis, norm), [_rfft_vjp], "linear", name="fft.rfft")


def _irfft_vjp(_y: Any, a: Any, *, n: int, axis: int, norm: Any) -> Any:
    """irfft(a) = Re ifft(w·a) with w = 2 for the frequencies that stand for two of the full spectrum."""
    shape, half = shape_of(a), n // 2 + 1
    weight = np.full(half, 2.0)
    weight[0] = 1.0
    if n % 2 == 0:
        weight[-1] = 1.0
    weight = weight.reshape((half,) + (1,) * (len(shape) - 1 - axis % len(shape)))
    part = _along(axis, len(shape), slice(half))

    def pull(g: Any) -> Any:
        d = _resized(weight * np.fft.ifft(g, n, axis, norm)[part], shape[axis], axis)
        return d if is_complex(a) else np.real(d)

    return pull


IRFFT = Primitive(lambda a, *, n, axis, norm: np.fft.irfft(a, n, axis, norm), [_irfft_vjp], "linear", name="fft.irfft")


def _one(primitive: Primitive, a: Any, n: Any, axis: int, norm: Any, out: Any = None, default: Any = None) -> Any:
    a, n, axis = as_traced(a), plain_tree(n), int(axis)
    length = shape_of(a)[axis]
    size = (length if default is None else default(length)) if n is None else int(n)
    return into(primitive(a, n=size, axis=axis, norm=norm), out)


def _mirrored(length: int) -> int:
    return 2 * (length - 1)


@implements(np.fft.fft)
def fft(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None) -> Any:
    return _one(FFT, a, n, axis, norm, out)


@implements(np.fft.ifft)
def ifft(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None) -> Any:
    return _one(IFFT, a, n, axis, norm, out)


@implements(np.fft.rfft)
def rfft(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None) -> Any:
    return _one(RFFT, a, n, axis, norm, out)


@implements(np.fft.irfft)
def irfft(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None) -> Any:
    return _one(IRFFT, a, n, axis, norm, out, _mirrored)


_SWAPPED = {None: "forward", "backward": "forward", "ortho": "ortho", "forward": "backward"}


@implements(np.fft.hfft)
def hfft(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None) -> Any:
    return _one(IRFFT, np.conjugate(as_traced(a)), n, axis, _SWAPPED[norm], out, _mirrored)


@implements(np.fft.ihfft)
def ihfft(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None) -> Any:
    return into(np.conjugate(_one(RFFT, a, n, axis, _SWAPPED[norm])), out)


# -- several axes ------------------------------------------------------------------------------------------------------


def _sizes(a: Any, s: Any, axes: Any, half: bool = False) -> list[tuple[int, int]]:
    """Pairs of a length and its axis, with NumPy's defaults. ``half``: the last axis holds half a spectrum."""
    shape, s, axes = shape_of(a), plain_tree(s), plain_tree(axes)
    if axes is None:
        axes = list(range(len(shape))) if s is None else list(range(-len(s), 0))
    if s is None:
        sizes = [shape[k] for k in axes]
        if half and sizes:
            sizes[-1] = _mirrored(sizes[-1])
    else:
        sizes = [shape[k] if n is None or n == -1 else int(n) for n, k in zip(s, axes, strict=True)]
    return list(zip(sizes, axes, strict=True))


def _many(primitive: Primitive, a: Any, s: Any, axes: Any, norm: Any, out: Any) -> Any:
    a = as_traced(a)
    for n, axis in reversed(_sizes(a, s, axes)):
        a = primitive(a, n=n, axis=axis, norm=norm)
    return into(a, out)


def _real_many(a: Any, s: Any, axes: Any, norm: Any, out: Any) -> Any:
    a = as_traced(a)
    *rest, (n, axis) = _sizes(a, s, axes)
    a = RFFT(a, n=n, axis=axis, norm=norm)
    for n, axis in reversed(rest):
        a = FFT(a, n=n, axis=axis, norm=norm)
    return into(a, out)


def _inverse_real_many(a: Any, s: Any, axes: Any, norm: Any, out: Any) -> Any:
    a = as_traced(a)
    *rest, (last, final) = _sizes(a, s, axes, half=True)
    for n, axis in rest:
        a = IFFT(a, n=n, axis=axis, norm=norm)
    return into(IRFFT(a, n=last, axis=final, norm=norm), out)


def _register(names: tuple[str, str], transform: Callable[..., Any]) -> None:
    many, two = names

    @implements(getattr(np.fft, many))
    def over_axes(a: Any, s: Any = None, axes: Any = None, norm: Any = None, out: Any = None) -> Any:
        return transform(a, s, axes, norm, out)

    @implements(getattr(np.fft, two))
    def over_two(a: Any, s: Any = None, axes: Any = (-2, -1), norm: Any = None, out: Any = None) -> Any:
        return transform(a, s, axes, norm, out)


_register(("fftn", "fft2"), lambda *args: _many(FFT, *args))
_register(("ifftn", "ifft2"), lambda *args: _many(IFFT, *args))
_register(("rfftn", "rfft2"), _real_many)
_register(("irfftn", "irfft2"), _inverse_real_many)


def _shift(x: Any, axes: Any, sign: int) -> Any:
    x = as_traced(x)
    shape = shape_of(x)
    if axes is None:
        axes = tuple(range(len(shape)))
    every = (axes,) if isinstance(axes, int | np.integer) else tuple(axes)
    return np.roll(x, [sign * (shape[k] // 2) for k in every], every)


@implements(np.fft.fftshift)
def fftshift(x: Any, axes: Any = None) -> Any:
    return _shift(x, axes, 1)


@implements(np.fft.ifftshift)
def ifftshift(x: Any, axes: Any = None) -> Any:
    return _shift(x, axes, -1)
