"""The table of partials: every elementwise function of NumPy, one line each, for forward and reverse mode alike.

``lambda y, x: ...`` reads "the partial of y = f(x) is ..."; a leading underscore marks what the partial does not use,
and the tape then does not keep it. A constant is a constant partial; None means zero by nature (floor, sign: piecewise
constant). At points where one function has several subgradients the middle one is taken: sign(0) = 0 for ``abs``, one
half each for ties of ``maximum``, so that a symmetric function has a symmetric derivative.

Formulas: Abramowitz & Stegun, *Handbook of Mathematical Functions*, 1964, 4.1–4.6; NIST DLMF, https://dlmf.nist.gov,
chapter 4.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from gradcheck.autodiff.core import (
    SCALARS,
    TRACED,
    UFUNCS,
    Elementwise,
    Primitive,
    elementwise,
    implements,
    is_active,
    is_array,
    is_complex,
    plain,
)
from gradcheck.autodiff.errors import unsupported
from gradcheck.autodiff.rules.reductions import as_traced

LN2 = float(np.log(2.0))
LN10 = float(np.log(10.0))


def _power_base(_y: Any, a: Any, b: Any) -> Any:
    """∂(a**b)/∂a = b·a**(b−1), with 0 for b = 0 also at a = 0."""
    if type(b) in SCALARS:
        if b == 2:
            return a + a
        if b == 0:
            return 0.0 * a
        if b < 1 and type(a) in SCALARS and a == 0:
            return np.copysign(np.inf, b)
        return b * a ** (b - 1)
    return b * a ** np.where(plain(b) == 0, 1.0, b - 1)


def _power_exponent(y: Any, a: Any, _b: Any) -> Any:
    """∂(a**b)/∂b = y·log a, with 0 where a = 0 (the limit for b > 0)."""
    with np.errstate(invalid="ignore"):  # of a negative base: nan, though the power itself may exist
        return y * np.log(np.where(plain(a) == 0, 1.0, a))


_FIRST_AT_TIES: ContextVar[float] = ContextVar("share of the first operand at a tie of maximum", default=0.5)


@contextmanager
def first_at_ties(share: float) -> Iterator[None]:
    """Give the first operand of ``maximum`` and its like this share at ties, the second the rest; 0 and 1 are what
    code that takes one side makes of it (relu'(0) = 0)."""
    token = _FIRST_AT_TIES.set(share)
    try:
        yield
    finally:
        _FIRST_AT_TIES.reset(token)


def _chosen(y: Any, a: Any, b: Any, share: float) -> Any:
    """One where a was chosen, its share at a tie, zero elsewhere; a nan is passed on to the operand that has it."""
    y, a, b = plain(y), plain(a), plain(b)
    chosen = (a == y) | (np.isnan(a) & np.isnan(y))
    tie = (a == b) | (np.isnan(a) & np.isnan(b))
    return np.where(chosen, np.where(tie, share, 1.0), 0.0)[()]


def _ties(y: Any, a: Any, b: Any) -> Any:
    return _chosen(y, a, b, _FIRST_AT_TIES.get())


def _ties_second(y: Any, a: Any, b: Any) -> Any:
    return _chosen(y, b, a, 1.0 - _FIRST_AT_TIES.get())


def _safe_ratio(x: Any, y: Any) -> Any:
    """x/y with 0 for 0/0: the middle subgradient of a norm at the origin."""
    zero = plain(y) == 0
    return x / np.where(zero, 1.0, y) if np.any(zero) else x / y


def _weight(x: Any, y: Any, exponential: Any = np.exp) -> Any:
    """exp(x − y), the share of x in logaddexp, with equal infinities sharing evenly."""
    both = np.isinf(plain(x)) & (plain(x) == plain(y))
    if not np.any(both):
        return exponential(x - y)
    return np.where(both, 0.5, exponential(np.where(both, 0.0, x - np.where(both, 0.0, y))))


def _quotient(y: Any, a: Any, b: Any) -> Any:
    """How often b was taken off a to leave the remainder y: a whole number, also where a/b rounds up to the next."""
    a, b = plain(a), plain(b)
    return np.rint((a - plain(y)) / b)


def _over_square(x: Any, a: Any, b: Any) -> Any:
    """x/(a² + b²), for any size of a and b."""
    r = np.hypot(a, b)
    return x / r / r


def _sinc_slope(y: Any, x: Any) -> Any:
    """(cos πx − sinc x)/x, by its series −π²x/3 + π⁴x³/30 near 0 where the difference cancels."""
    near = np.abs(plain(x)) < 1e-3
    far = np.where(near, 1.0, x)
    u = np.pi**2 * x * x
    series = -(np.pi**2) * x / 3.0 * (1.0 - u / 10.0 + u * u / 280.0)
    return np.where(near, series, (np.cos(np.pi * far) - y) / far)[()]


def _root_inside(x: Any) -> Any:
    """√(1 − x²), as (1 − x)(1 + x) where that would cancel; on the cuts of the complex plane on the value's side."""
    if is_complex(x):
        return np.sqrt(-(x - 1.0)) * np.sqrt(x + 1.0)  # 1 − x would turn the sign of a zero imaginary part
    return np.sqrt((1.0 - x) * (1.0 + x))


ADD = Elementwise(np.add, 1.0, 1.0)
SUBTRACT = Elementwise(np.subtract, 1.0, -1.0)
MULTIPLY = Elementwise(np.multiply, lambda _y, _a, b: b, lambda _y, a, _b: a)
DIVIDE = Elementwise(np.divide, lambda _y, _a, b: 1.0 / b, lambda y, _a, b: -y / b)
POWER = Elementwise(np.power, _power_base, _power_exponent)
REMAINDER = Elementwise(np.remainder, 1.0, lambda y, a, b: -_quotient(y, a, b))
FLOOR_DIVIDE = Elementwise(np.floor_divide, None, None)
NEGATIVE = Elementwise(np.negative, -1.0)
POSITIVE = Elementwise(np.positive, 1.0)
SIGN = Elementwise(np.sign, None)
ABSOLUTE = Elementwise(np.absolute, lambda _y, x: np.sign(plain(x)))

TABLE = (
    ADD, SUBTRACT, MULTIPLY, DIVIDE, POWER, REMAINDER, FLOOR_DIVIDE, NEGATIVE, POSITIVE,
    Elementwise(np.float_power, _power_base, _power_exponent),
    Elementwise(np.fmod, 1.0, lambda y, a, b: -_quotient(y, a, b)),
    Elementwise(np.fabs, lambda _y, x: np.sign(plain(x))),
    Elementwise(np.square, lambda _y, x: 2.0 * x),
    Elementwise(np.sqrt, lambda y, _x: 0.5 / y),
    Elementwise(np.cbrt, lambda y, _x: 1.0 / (3.0 * y * y)),
    Elementwise(np.reciprocal, lambda y, _x: -y * y),
    Elementwise(np.exp, lambda y, _x: y),
    Elementwise(np.exp2, lambda y, _x: LN2 * y),
    Elementwise(np.expm1, lambda y, _x: y + 1.0),
    Elementwise(np.log, lambda _y, x: 1.0 / x),
    Elementwise(np.log2, lambda _y, x: (1.0 / LN2) / x),
    Elementwise(np.log10, lambda _y, x: (1.0 / LN10) / x),
    Elementwise(np.log1p, lambda _y, x: 1.0 / (1.0 + x)),
    Elementwise(np.logaddexp, lambda y, a, _b: _weight(a, y), lambda y, _a, b: _weight(b, y)),
    Elementwise(np.logaddexp2, lambda y, a, _b: _weight(a, y, np.exp2), lambda y, _a, b: _weight(b, y, np.exp2)),
    Elementwise(np.sin, lambda _y, x: np.cos(x)),
    Elementwise(np.cos, lambda _y, x: -np.sin(x)),
    Elementwise(np.tan, lambda y, _x: 1.0 + y * y),
    Elementwise(np.arcsin, lambda _y, x: 1.0 / _root_inside(x)),
    Elementwise(np.arccos, lambda _y, x: -1.0 / _root_inside(x)),
    Elementwise(np.arctan, lambda _y, x: 1.0 / (1.0 + x * x)),
    Elementwise(np.arctan2, lambda _y, a, b: _over_square(b, a, b), lambda _y, a, b: _over_square(-a, a, b)),
    Elementwise(np.hypot, lambda y, a, _b: _safe_ratio(a, y), lambda y, _a, b: _safe_ratio(b, y)),
    Elementwise(np.sinh, lambda _y, x: np.cosh(x)),
    Elementwise(np.cosh, lambda _y, x: np.sinh(x)),
    Elementwise(np.tanh, lambda y, _x: 1.0 - y * y),
    Elementwise(np.arcsinh, lambda _y, x: 1.0 / np.sqrt(x * x + 1.0)),
    Elementwise(np.arccosh, lambda _y, x: 1.0 / (np.sqrt(x - 1.0) * np.sqrt(x + 1.0))),
    Elementwise(np.arctanh, lambda _y, x: 1.0 / ((1.0 - x) * (1.0 + x))),
    Elementwise(np.degrees, 180.0 / np.pi), Elementwise(np.rad2deg, 180.0 / np.pi),
    Elementwise(np.radians, np.pi / 180.0), Elementwise(np.deg2rad, np.pi / 180.0),
    Elementwise(np.maximum, _ties, _ties_second), Elementwise(np.fmax, _ties, _ties_second),
    Elementwise(np.minimum, _ties, _ties_second), Elementwise(np.fmin, _ties, _ties_second),
    Elementwise(np.copysign, lambda y, a, _b: np.sign(plain(a)) * np.sign(plain(y)), None),
    Elementwise(np.nextafter, 1.0, None),
    Elementwise(np.ldexp, lambda _y, _a, b: np.exp2(b), None),
    Elementwise(np.heaviside, None, lambda _y, a, _b: np.where(plain(a) == 0, 1.0, 0.0)),
    *(Elementwise(f, None) for f in (np.floor, np.ceil, np.trunc, np.rint, np.spacing)),
)  # fmt: skip
UFUNCS.update({rule.function: rule for rule in TABLE})

SINC = Elementwise(np.sinc, _sinc_slope)

# -- complex numbers: real-linear functions, whose vjp and jvp differ ----------------------------------------------

CONJUGATE = Primitive(np.conjugate, [lambda _y, _x: np.conjugate], [lambda t, _y, _x: np.conjugate(t)])


# Of one number. Of an array it is a view, as NumPy's: see ``shape.py``.
IMAG = Primitive(lambda z: np.imag(z), [lambda _y, _z: lambda g: -1j * g], [lambda t, _y, _z: np.imag(t)], name="imag")


def _unit(z: Any, r: Any) -> Any:
    return _safe_ratio(np.conjugate(z), r)


MODULUS = Primitive(
    np.absolute,
    [lambda y, z: lambda g: g * _unit(z, y)],
    [lambda t, y, z: np.real(t * _unit(z, y))],
    name="absolute",
)
ANGLE = Primitive(
    np.angle,
    [lambda _y, z: lambda g: g * (-1j / z)],
    [lambda t, _y, z: np.imag(t / z)],
)


def absolute(x: Any) -> Any:
    return MODULUS(x) if is_complex(x) else elementwise(ABSOLUTE, (x,))


def sign(x: Any) -> Any:
    """Piecewise constant for real numbers; for complex ones z/|z|, and 0 at 0."""
    return _safe_ratio(x, absolute(x)) if is_complex(x) else elementwise(SIGN, (x,))


def conjugate(x: Any) -> Any:
    return CONJUGATE(x) if is_complex(x) else elementwise(POSITIVE, (x,))


# What these two are for real operands.
REAL: dict[Any, Elementwise] = {np.absolute: ABSOLUTE, np.conjugate: Elementwise(np.conjugate, 1.0), np.sign: SIGN}
UFUNCS[np.absolute] = absolute
UFUNCS[np.sign] = sign
UFUNCS[np.conjugate] = conjugate


@implements(np.angle)
def angle(z: Any, deg: bool = False) -> Any:
    """Of real numbers 0 or π: piecewise constant."""
    z = as_traced(z)
    if not is_complex(z):
        return np.angle(plain(z), deg)
    y = ANGLE(z)
    return y * (180.0 / np.pi) if deg else y


@implements(np.sinc)
def sinc(x: Any) -> Any:
    return elementwise(SINC, (as_traced(x),))


@implements(np.nan_to_num)
def nan_to_num(x: Any, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    """The derivative is 1 at finite elements, 0 where an element is replaced."""
    x = as_traced(x)
    value = plain(x)
    finite = np.isfinite(value)
    if is_complex(value) and not np.all(finite):
        raise unsupported("np.nan_to_num of complex numbers that are not finite")
    y = np.where(finite, x, np.nan_to_num(value, nan=nan, posinf=posinf, neginf=neginf))
    if not copy and isinstance(value, np.ndarray):
        x[...] = y
        return x
    return y if isinstance(value, np.ndarray) else y[()]


def _bessel_slope(_y: Any, x: Any) -> Any:
    """I₀′ = I₁ (DLMF 10.29.3). NumPy has no I₁; SciPy's is differentiable as soon as its rules are loaded."""
    from scipy.special import i1

    from gradcheck.autodiff.rules import load_for_loaded_modules

    load_for_loaded_modules()
    return i1(x)


I0 = Elementwise(np.i0, _bessel_slope)


@implements(np.i0)
def i0(x: Any) -> Any:
    x = as_traced(x)
    return elementwise(I0, (x if is_array(x) else np.asarray(x) if type(x) not in TRACED else np.reshape(x, ()),))


@implements(np.real_if_close)
def real_if_close(a: Any, tol: float = 100) -> Any:
    """The real part, if all imaginary parts are within rounding of 0: which is decided by the values."""
    a = as_traced(a)
    if not is_complex(a):
        return a
    return np.real(a) if np.isrealobj(np.real_if_close(plain(a), tol)) else a


# -- functions with several values ---------------------------------------------------------------------------------


def modf(x: Any) -> tuple[Any, Any]:
    whole = np.trunc(plain(x))
    return x - whole, whole


def divmod_(a: Any, b: Any) -> tuple[Any, Any]:
    return plain(a) // plain(b), elementwise(REMAINDER, (a, b))


def frexp(x: Any) -> tuple[Any, Any]:
    """x = m·2ᵉ: the exponent is a whole number, the mantissa is x times a constant."""
    _, exponent = np.frexp(plain(x))
    return np.ldexp(x, -exponent), exponent


UFUNCS[np.frexp] = frexp
UFUNCS[np.modf] = modf
UFUNCS[np.divmod] = divmod_

# -- conversion of the type ----------------------------------------------------------------------------------------


def _astype(x: Any, *, dtype: Any, order: str = "K") -> Any:
    return x.astype(dtype, order) if isinstance(plain(x), (np.ndarray, np.generic)) else np.dtype(dtype).type(x)


ASTYPE = Primitive(
    _astype, [lambda _y, x, dtype, order="K": _back_to(np.result_type(plain(x)))], "linear", name="astype"
)


def _back_to(dtype: np.dtype[Any]) -> Any:
    return lambda g: astype(g if dtype.kind == "c" or not is_complex(g) else np.real(g), dtype)


def lies_in(value: Any, order: Any) -> bool:
    """Whether an array lies in memory in the order asked for, so that NumPy makes no copy for that."""
    flags = value.flags
    if order in ("C", "F"):
        return bool(flags.c_contiguous if order == "C" else flags.f_contiguous)
    return order in (None, "K") or bool(flags.forc)


def astype(x: Any, dtype: Any, *, order: Any = "K", casting: Any = "unsafe", copy: bool = True) -> Any:
    """``x.astype(dtype)``: exact between real and complex floats; to integers the derivative is zero by nature."""
    order = "K" if order is None else order.upper()
    value = plain(x)
    dtype = np.dtype(dtype)
    if not isinstance(value, (np.ndarray, np.generic)):
        value = np.asarray(value)
    if value.dtype == dtype and not copy and lies_in(value, order):
        return x
    if dtype.kind in "OV" and is_active(x):
        raise unsupported(f"a traced value in an array of dtype {dtype}", "use an array of floats")
    if dtype.kind in "SUT" and is_active(x):
        raise unsupported("text of a traced array would lose the derivative", "use str() of it for printing")
    if dtype.kind in "mM" and is_active(x):
        raise unsupported(f"a traced value in an array of dtype {dtype}", "compute with seconds, in floats")
    if dtype.kind not in "fc" or value.dtype.kind not in "fc":
        return value.astype(dtype, order, casting)
    if not np.can_cast(value.dtype, dtype, casting):
        raise TypeError(f"Cannot cast from {value.dtype} to {dtype} according to the rule '{casting}'")
    if value.dtype == dtype:
        return np.copy(x, order) if isinstance(value, np.ndarray) else x
    return ASTYPE(x, dtype=dtype) if order == "K" else ASTYPE(x, dtype=dtype, order=order)
