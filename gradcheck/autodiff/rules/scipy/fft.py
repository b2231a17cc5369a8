"""``scipy.fft``: Fourier, cosine, sine and Hankel transforms. Loaded when the user has loaded ``scipy.fft``.

All of them are linear. The discrete Fourier matrix is symmetric, so a complex transform is its own transpose; the real
ones are that matrix with rows left out (``rfft``) or added to their mirror images (``irfft``). Cosine and sine
transforms are symmetric or transposes of each other but for their edges, which carry the weights that ``orthogonalize``
moves about. Zero-padding and truncation to ``n`` are done before, by functions with rules.

Source: G. Strang, *The Discrete Cosine Transform*, SIAM Review 41 (1999) 135; A. J. S. Hamilton, *Uncorrelated modes of
the non-linear power spectrum*, MNRAS 312 (2000) 257, for the fast Hankel transform.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import scipy.fft as sf

from gradcheck.autodiff.core import TRACED, Primitive, any_active, is_complex, plain_tree, shape_of
from gradcheck.autodiff.fallback import numeric
from gradcheck.autodiff.rules.scipy.linear import along, at, axis_tuple, fit, floating, symmetric
from gradcheck.autodiff.rules.scipy.registry import original, plain, replace

# -- the primitives --------------------------------------------------------------------------------------------------


def _complex(x: Any, *, name: str, axes: tuple[int, ...], norm: Any) -> Any:
    return original(sf, name)(x, axes=axes, norm=norm)


COMPLEX = symmetric(_complex, "scipy.fft.fftn")


def _real(x: Any, *, axes: tuple[int, ...], norm: Any) -> Any:
    return REAL(x, axes=axes, norm=norm) if type(x) in TRACED else original(sf, "rfftn")(x, axes=axes, norm=norm)


def _real_vjp(_y: Any, x: Any, *, axes: tuple[int, ...], norm: Any) -> Any:
    n = shape_of(x)[axes[-1]]
    return lambda g: np.real(COMPLEX(fit(g, n, axes[-1]), name="fftn", axes=axes, norm=norm))


REAL: Primitive = Primitive(_real, [_real_vjp], "linear", name="scipy.fft.rfftn")


def _back(x: Any, *, n: int, axes: tuple[int, ...], norm: Any) -> Any:
    if type(x) in TRACED:
        return BACK(x, n=n, axes=axes, norm=norm)
    shape = [x.shape[a] for a in axes[:-1]] + [n]
    return original(sf, "irfftn")(x, s=shape, axes=axes, norm=norm)


def _back_vjp(_y: Any, x: Any, *, n: int, axes: tuple[int, ...], norm: Any) -> Any:
    shape, last = shape_of(x), axes[-1]
    # Each frequency stands for its mirror image too, but for zero and, where n is even, the highest.
    weight = np.full(n // 2 + 1, 2.0)
    weight[0] = 1.0
    if n % 2 == 0:
        weight[-1] = 1.0

    def pull(g: Any) -> Any:
        full = COMPLEX(g, name="ifftn", axes=axes, norm=norm)
        return full[at(last, len(shape), slice(0, n // 2 + 1))] * along(weight, last, len(shape))

    return pull


BACK: Primitive = Primitive(_back, [_back_vjp], "linear", name="scipy.fft.irfftn")


# Type -> the type of the transposed matrix.
PARTNER = {1: 1, 2: 3, 3: 2, 4: 4}
_ROOT = 2.0**0.5


def _edges(kind: str, form: int, n: int) -> tuple[int, ...]:
    """The places whose weight differs from the others': both ends, or the constant's, or the highest wave's."""
    if kind == "dct":
        return {1: (0, n - 1), 2: (0,), 3: (0,), 4: ()}[form]
    return {1: (), 2: (n - 1,), 3: (n - 1,), 4: ()}[form]


def _wave(x: Any, *, kind: str, form: int, axes: tuple[int, ...], norm: Any, orthogonalize: bool) -> Any:
    if type(x) in TRACED:
        return WAVE(x, kind=kind, form=form, axes=axes, norm=norm, orthogonalize=orthogonalize)
    return original(sf, f"{kind}n")(x, form, axes=axes, norm=norm, orthogonalize=orthogonalize)


def _wave_vjp(
    _y: Any, x: Any, *, kind: str, form: int, axes: tuple[int, ...], norm: Any, orthogonalize: bool
) -> Callable[[Any], Any]:
    # P = L·K·R with a kernel K whose transpose is that of the partner type, and diagonal L and R that are 1 but at the
    # edges; the partner itself is K'·R'. So Pᵀ = R·(partner)·R'⁻¹·L, and L is 1 but for orthogonalized types 1, 2.
    shape = shape_of(x)
    partner = PARTNER[form]

    def scaled(g: Any, factor: float) -> Any:
        for axis in axes:
            n = shape[axis]
            weight = np.ones(n)
            for place in _edges(kind, form, n):
                weight[place] *= factor
            g = g * along(weight, axis, len(shape))
        return g

    def right(t: int, orthogonal: bool) -> float:
        """R: types 1 (cosine) and 3 count their edges half, or orthogonalized 1/√2."""
        if t == 3 or (t == 1 and kind == "dct"):
            return 0.5 * (_ROOT if orthogonal else 1.0)
        return 1.0

    left = 1.0 / _ROOT if orthogonalize and (form == 2 or (form == 1 and kind == "dct")) else 1.0
    inner = left / right(partner, False)
    outer = right(form, orthogonalize)

    def pull(g: Any) -> Any:
        h = scaled(g, inner)
        h = WAVE(h, kind=kind, form=partner, axes=axes, norm=norm, orthogonalize=False)
        return scaled(h, outer)

    return pull


WAVE: Primitive = Primitive(_wave, [_wave_vjp], "linear", name="scipy.fft.dctn")


# -- handlers --------------------------------------------------------------------------------------------------------

_SWAPPED = {None: "forward", "backward": "forward", "forward": "backward", "ortho": "ortho"}


def _no_plan(plan: Any) -> None:
    if plan is not None:
        raise NotImplementedError("Passing a precomputed plan is not yet supported by scipy.fft functions")


def shape_and_axes(x: Any, s: Any, axes: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Sizes to transform, and along which axes, as ``scipy.fft`` reads its arguments."""
    ndim, s = len(shape_of(x)), plain_tree(s)
    if s is not None and not isinstance(s, int | np.integer):
        s = tuple(int(k) for k in s)
    elif s is not None:
        s = (int(s),)
    if axes is None:
        chosen = tuple(range(ndim)) if s is None else tuple(range(ndim - len(s), ndim))
        if s is not None and len(s) > ndim:
            raise ValueError("shape requires more axes than are present")
    else:
        chosen = axis_tuple(axes, ndim)
        if len(set(chosen)) != len(chosen):
            raise ValueError("all axes must be unique")
    own = tuple(shape_of(x)[a] for a in chosen)
    if s is None:
        return own, chosen
    if len(s) != len(chosen):
        raise ValueError("when given, axes and shape arguments have to be of the same length")
    sizes = tuple(o if k == -1 else k for k, o in zip(s, own, strict=True))
    if any(k < 1 for k in sizes):
        raise ValueError(f"invalid number of data points ({sizes}) specified")
    return sizes, chosen


def _fitted(x: Any, sizes: Sequence[int], axes: Sequence[int]) -> Any:
    for n, axis in zip(sizes, axes, strict=True):
        x = fit(x, n, axis)
    return x


def complex_transform(x: Any, s: Any, axes: Any, norm: Any, name: str) -> Any:
    """``fftn`` or ``ifftn``."""
    x = floating(x)
    sizes, axes = shape_and_axes(x, s, axes)
    return COMPLEX(_fitted(x, sizes, axes), name=name, axes=axes, norm=norm) if axes else x + 0j


def real_transform(x: Any, s: Any, axes: Any, norm: Any) -> Any:
    """``rfftn``."""
    x = floating(x)
    if is_complex(x):
        raise TypeError("x must be a real sequence")
    sizes, axes = shape_and_axes(x, s, axes)
    if not axes:
        raise ValueError("at least 1 axis must be transformed")
    return REAL(_fitted(x, sizes, axes), axes=axes, norm=norm)


def real_inverse(x: Any, s: Any, axes: Any, norm: Any) -> Any:
    """``irfftn``."""
    x = floating(x)
    sizes, axes = shape_and_axes(x, s, axes)
    if not axes:
        raise ValueError("at least 1 axis must be transformed")
    n = sizes[-1] if s is not None and np.ravel(plain_tree(s))[-1] != -1 else 2 * (shape_of(x)[axes[-1]] - 1)
    if n < 1:
        raise ValueError(f"Invalid number of data points ({n}) specified")
    x = x if is_complex(x) else x + 0j
    return BACK(_fitted(x, (*sizes[:-1], n // 2 + 1), axes), n=n, axes=axes, norm=norm)


def wave_transform(
    x: Any, form: Any, s: Any, axes: Any, norm: Any, orthogonalize: Any, kind: str, inverse: bool
) -> Any:
    """``dctn``, ``dstn`` and their inverses, which are the partner type with the norm turned round."""
    x = floating(x)
    sizes, axes = shape_and_axes(x, s, axes)
    if form not in PARTNER:
        raise ValueError(f"invalid DCT/DST type: {form}")
    orthogonal = norm == "ortho" if orthogonalize is None else bool(orthogonalize)
    if inverse:
        form, norm = PARTNER[form], _SWAPPED[norm]
    x = _fitted(x, sizes, axes)
    if kind == "dct" and form == 1 and any(n < 2 for n in sizes):
        raise ValueError("DCT-I is not defined for size < 2")
    return WAVE(x, kind=kind, form=form, axes=axes, norm=norm, orthogonalize=orthogonal) if axes else x


def _hermitian(x: Any, s: Any, axes: Any, norm: Any) -> Any:
    """``hfftn``: the spectrum of a signal with Hermitian symmetry, an ``irfftn`` of the conjugate."""
    return real_inverse(np.conjugate(floating(x)), s, axes, _SWAPPED[norm])


def _hermitian_inverse(x: Any, s: Any, axes: Any, norm: Any) -> Any:
    return np.conjugate(real_transform(x, s, axes, _SWAPPED[norm]))


_FAMILIES: dict[str, Callable[[Any, Any, Any, Any], Any]] = {
    "fft": lambda x, s, axes, norm: complex_transform(x, s, axes, norm, "fftn"),
    "ifft": lambda x, s, axes, norm: complex_transform(x, s, axes, norm, "ifftn"),
    "rfft": real_transform,
    "irfft": real_inverse,
    "hfft": _hermitian,
    "ihfft": _hermitian_inverse,
}


def _one(work: Callable[[Any, Any, Any, Any], Any]) -> Callable[..., Any]:
    def handler(x: Any, n: Any = None, axis: int = -1, norm: Any = None, overwrite_x: bool = False,
                workers: Any = None, *, plan: Any = None) -> Any:  # fmt: skip
        _no_plan(plan)
        return work(x, None if n is None else (n,), (axis,), norm)

    return handler


def _many(work: Callable[[Any, Any, Any, Any], Any], default: Any) -> Callable[..., Any]:
    def handler(x: Any, s: Any = None, axes: Any = default, norm: Any = None, overwrite_x: bool = False,
                workers: Any = None, *, plan: Any = None) -> Any:  # fmt: skip
        _no_plan(plan)
        return work(x, s, axes, norm)

    return handler


def _wave_one(kind: str, inverse: bool) -> Callable[..., Any]:
    def handler(x: Any, type: int = 2, n: Any = None, axis: int = -1, norm: Any = None, overwrite_x: bool = False,
                workers: Any = None, orthogonalize: Any = None) -> Any:  # fmt: skip
        return wave_transform(x, type, None if n is None else (n,), (axis,), norm, orthogonalize, kind, inverse)

    return handler


def _wave_many(kind: str, inverse: bool) -> Callable[..., Any]:
    def handler(x: Any, type: int = 2, s: Any = None, axes: Any = None, norm: Any = None, overwrite_x: bool = False,
                workers: Any = None, orthogonalize: Any = None) -> Any:  # fmt: skip
        return wave_transform(x, type, s, axes, norm, orthogonalize, kind, inverse)

    return handler


def _shifter(sign: int) -> Callable[..., Any]:
    def handler(x: Any, axes: Any = None) -> Any:
        x = floating(x)
        axes = axis_tuple(axes, len(shape_of(x)))
        return np.roll(
            x, tuple((sign * shape_of(x)[a]) // 2 if sign > 0 else -(shape_of(x)[a] // 2) for a in axes), axes
        )

    return handler


def _frequencies(name: str) -> Callable[..., Any]:
    def handler(n: Any, d: Any = 1.0, **keywords: Any) -> Any:
        """k/(n·d)."""
        return original(sf, name)(plain_tree(n), **plain_tree(keywords)) / d

    return handler


def _hankel(a: Any, *, name: str, parameters: tuple[Any, ...]) -> Any:
    return original(sf, name)(a, *parameters)


# Multiplication by the bias, a convolution, a reversal, and the bias again: a convolution reversed is symmetric, and
# the two biases differ by a constant.
HANKEL = symmetric(_hankel, "scipy.fft.fht")


def _hankel_handler(name: str) -> Callable[..., Any]:
    fallback = numeric(original(sf, name), f"scipy.fft.{name}")

    def handler(a: Any, dln: Any, mu: Any, offset: Any = 0.0, bias: Any = 0.0) -> Any:
        parameters = (dln, mu, offset, bias)
        if any_active(parameters):
            return fallback(a, *parameters)
        return HANKEL(floating(a), name=name, parameters=plain_tree(parameters))

    return handler


HANDLERS: dict[str, Callable[..., Any]] = {}
for _name, _work in _FAMILIES.items():
    HANDLERS |= {_name: _one(_work), f"{_name}2": _many(_work, (-2, -1)), f"{_name}n": _many(_work, None)}
for _kind in ("dct", "dst"):
    HANDLERS |= {_kind: _wave_one(_kind, False), f"i{_kind}": _wave_one(_kind, True)}
    HANDLERS |= {f"{_kind}n": _wave_many(_kind, False), f"i{_kind}n": _wave_many(_kind, True)}
HANDLERS |= {"fftshift": _shifter(1), "ifftshift": _shifter(-1), "fht": _hankel_handler("fht"),
             "ifht": _hankel_handler("ifht"), "fftfreq": _frequencies("fftfreq"),
             "rfftfreq": _frequencies("rfftfreq")}  # fmt: skip

replace(sf, HANDLERS)
plain(sf, ["next_fast_len", "prev_fast_len", "get_workers", "set_workers"])
plain(sf, ["set_backend", "skip_backend", "set_global_backend", "register_backend"])
