"""``scipy.fftpack``, the older interface: its transforms are those of ``fft.py`` in another packing.

The pseudo-differential operators (``diff``, ``hilbert``, ``shift`` ...) multiply each frequency by a number: they are
circulant, and a circulant matrix is transposed by turning the signal round, before and after.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.fftpack as fp

from gradcheck.autodiff.core import any_active, is_complex, plain_tree, shape_of
from gradcheck.autodiff.fallback import numeric
from gradcheck.autodiff.rules.scipy import fft
from gradcheck.autodiff.rules.scipy.linear import at, axis_tuple, fit, floating, transposes
from gradcheck.autodiff.rules.scipy.registry import original, plain, replace


def _one(name: str) -> Callable[..., Any]:
    def handler(x: Any, n: Any = None, axis: int = -1, overwrite_x: bool = False) -> Any:
        return fft.HANDLERS[name](x, n, axis)

    return handler


def _many(name: str, default: Any) -> Callable[..., Any]:
    def handler(x: Any, shape: Any = None, axes: Any = default, overwrite_x: bool = False) -> Any:
        return fft.HANDLERS[name](x, shape, axes)

    return handler


def _real_sequence(x: Any, n: Any, axis: int) -> tuple[Any, int, int, int]:
    """The real operand, the length of its transform, the axis, and how many axes there are."""
    x = floating(x)
    if is_complex(x):
        raise TypeError("x must be a real sequence")
    ndim = len(shape_of(x))
    return x, shape_of(x)[axis] if n is None else int(plain_tree(n)), axis_tuple(axis, ndim)[0], ndim


def rfft(x: Any, n: Any = None, axis: int = -1, overwrite_x: bool = False) -> Any:
    """[Re y₀, Re y₁, Im y₁, Re y₂, ...]."""
    x, n, axis, ndim = _real_sequence(x, n, axis)
    y = fft.real_transform(x, (n,), (axis,), None)
    # Both parts beside each other; then the imaginary parts that are zero by nature are left out.
    both = np.stack([np.real(y), np.imag(y)], axis=axis + 1)
    flat = np.reshape(both, (*shape_of(y)[:axis], 2 * (n // 2 + 1), *shape_of(y)[axis + 1 :]))
    keep = np.r_[0, 2 : n + 1]
    return flat[at(axis, ndim, keep)]


def irfft(x: Any, n: Any = None, axis: int = -1, overwrite_x: bool = False) -> Any:
    """The inverse of :func:`rfft`."""
    x, n, axis, ndim = _real_sequence(x, n, axis)
    x = fit(x, n, axis)
    parts = [x[at(axis, ndim, slice(0, 1))], x[at(axis, ndim, slice(0, 1))] * 0.0, x[at(axis, ndim, slice(1, None))]]
    if n % 2 == 0:
        parts.append(parts[1])
    flat = np.concatenate(parts, axis=axis)
    half = flat[at(axis, ndim, slice(0, None, 2))] + 1j * flat[at(axis, ndim, slice(1, None, 2))]
    return fft.real_inverse(half, (n,), (axis,), None)


def _wave_one(kind: str, inverse: bool) -> Callable[..., Any]:
    def handler(x: Any, type: int = 2, n: Any = None, axis: int = -1, norm: Any = None,
                overwrite_x: bool = False) -> Any:  # fmt: skip
        form = fft.PARTNER.get(type, type) if inverse else type  # here an inverse is not divided by the length
        return fft.wave_transform(x, form, None if n is None else (n,), (axis,), norm, None, kind, False)

    return handler


def _wave_many(kind: str, inverse: bool) -> Callable[..., Any]:
    def handler(x: Any, type: int = 2, shape: Any = None, axes: Any = None, norm: Any = None,
                overwrite_x: bool = False) -> Any:  # fmt: skip
        form = fft.PARTNER.get(type, type) if inverse else type
        return fft.wave_transform(x, form, shape, axes, norm, None, kind, False)

    return handler


# -- circulant operators -----------------------------------------------------------------------------------------------


def _turned(x: Any) -> Any:
    """x₋ⱼ, in a period of n."""
    return np.roll(x[::-1], 1)


def _apply(x: Any, *, name: str, parameters: tuple[Any, ...], keywords: tuple[tuple[str, Any], ...]) -> Any:
    return original(fp, name)(x, *parameters, **dict(keywords))


def _apply_turned(g: Any, **static: Any) -> Any:
    return _turned(_apply(_turned(g), **static))


CIRCULANT, _ = transposes(_apply, _apply_turned, "scipy.fftpack.diff")


def _circulant(name: str) -> Callable[..., Any]:
    fallback = numeric(original(fp, name), f"scipy.fftpack.{name}")

    def handler(x: Any, *parameters: Any, **keywords: Any) -> Any:
        if any_active(parameters) or any_active(keywords):
            return fallback(x, *parameters, **keywords)
        named = tuple(plain_tree(keywords).items())
        return CIRCULANT(floating(x), name=name, parameters=plain_tree(parameters), keywords=named)

    return handler


HANDLERS: dict[str, Callable[..., Any]] = {
    "fft": _one("fft"), "ifft": _one("ifft"), "rfft": rfft, "irfft": irfft,
    "fft2": _many("fft2", (-2, -1)), "ifft2": _many("ifft2", (-2, -1)),
    "fftn": _many("fftn", None), "ifftn": _many("ifftn", None),
    "fftshift": fft.HANDLERS["fftshift"], "ifftshift": fft.HANDLERS["ifftshift"],
    "fftfreq": fft.HANDLERS["fftfreq"],
    "rfftfreq": lambda n, d=1.0: original(fp, "rfftfreq")(plain_tree(n)) / d,
}  # fmt: skip
for _kind in ("dct", "dst"):
    HANDLERS |= {_kind: _wave_one(_kind, False), f"i{_kind}": _wave_one(_kind, True)}
    HANDLERS |= {f"{_kind}n": _wave_many(_kind, False), f"i{_kind}n": _wave_many(_kind, True)}
for _name in (
    "diff",
    "tilbert",
    "itilbert",
    "hilbert",
    "ihilbert",
    "sc_diff",
    "cs_diff",
    "cc_diff",
    "ss_diff",
    "shift",
):
    HANDLERS[_name] = _circulant(_name)

replace(fp, HANDLERS)
plain(fp, ["next_fast_len"])
