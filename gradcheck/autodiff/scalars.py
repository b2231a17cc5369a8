"""Python's own numeric functions on traced values: ``math.*`` and ``float()``.

``scope.py`` puts these in the place of the originals while a trace is running. Each one calls the original for plain
numbers, so values agree to the last bit, and takes its partials from the same table as NumPy's function of that name.
"""

from __future__ import annotations

import builtins
import math
import types
from collections.abc import Callable
from typing import Any

import numpy as np

from gradcheck.autodiff.core import TRACED, UFUNCS, Elementwise, elementwise, has_traced, is_array, plain, plain_tree
from gradcheck.autodiff.rules import elementwise as table
from gradcheck.autodiff.swaps import PassesFor, class_that_calls
from gradcheck.autodiff.text import from_text


def _scalar(x: Any) -> Any:
    """An array of one element as that element, which is what ``math`` makes of it."""
    return x.item() if type(x) in TRACED and is_array(x) else x


def _number(x: Any) -> Any:
    """An object of the user's with a ``__float__`` as the number that it gives, which Python would insist is plain."""
    method = getattr(type(x), "__float__", None)
    if type(x) in TRACED or not isinstance(method, types.FunctionType):
        return x
    y = method(x)
    return y if type(y) in TRACED or isinstance(y, builtins.float) else x


def _traceable(original: Callable[..., Any], *partials: Any) -> Callable[..., Any]:
    def replacement(*args: Any) -> Any:
        for a in args:
            if type(a) in TRACED:
                return elementwise(rule, [_scalar(_number(a)) for a in args])
        try:
            return original(*args)
        except TypeError:
            numbers = [_number(a) for a in args]
            if all(a is b for a, b in zip(numbers, args, strict=True)):
                raise
            return replacement(*numbers)

    replacement.__name__ = original.__name__
    replacement.__wrapped__ = original  # type: ignore[attr-defined]
    rule = Elementwise(replacement, *partials, name=f"math.{original.__name__}")
    return replacement


def _psi(x: Any) -> Any:
    # ∂Γ needs the digamma function: SciPy loads only for code that differentiates math.gamma or math.lgamma. With it
    # the rules for it, for second derivatives.
    import scipy.special

    from gradcheck.autodiff.rules import load_for_loaded_modules

    load_for_loaded_modules()
    return scipy.special.psi(x)


_ROOT_PI = math.sqrt(math.pi)
_SAME_AS_NUMPY = {
    "sqrt": np.sqrt, "exp": np.exp, "exp2": np.exp2, "expm1": np.expm1, "log2": np.log2, "log10": np.log10, "log1p":
    np.log1p, "sin": np.sin, "cos": np.cos, "tan": np.tan, "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan,
    "atan2": np.arctan2, "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh, "asinh": np.arcsinh, "acosh": np.arccosh,
    "atanh": np.arctanh, "fabs": np.fabs, "degrees": np.degrees, "radians": np.radians, "copysign": np.copysign,
    "fmod": np.fmod, "cbrt": np.cbrt, "pow": np.power, "ldexp": np.ldexp,
}  # fmt: skip

REPLACEMENTS: dict[str, Callable[..., Any]] = {}
for _name, _ufunc in _SAME_AS_NUMPY.items():
    _rule = UFUNCS[_ufunc]
    assert isinstance(_rule, Elementwise)
    REPLACEMENTS[_name] = _traceable(getattr(math, _name), *_rule.partials)
REPLACEMENTS["erf"] = _traceable(math.erf, lambda _y, x: (2.0 / _ROOT_PI) * np.exp(-x * x))
REPLACEMENTS["erfc"] = _traceable(math.erfc, lambda _y, x: (-2.0 / _ROOT_PI) * np.exp(-x * x))
REPLACEMENTS["gamma"] = _traceable(math.gamma, lambda y, x: y * _psi(x))
REPLACEMENTS["lgamma"] = _traceable(math.lgamma, lambda _y, x: _psi(x))
REPLACEMENTS["remainder"] = _traceable(math.remainder, 1.0, lambda _y, a, b: -float(np.round(plain(a) / plain(b))))
_natural_log = _traceable(math.log, *UFUNCS[np.log].partials)  # type: ignore[union-attr]
_LOG = math.log


def log(x: Any, base: Any = None) -> Any:
    if base is None:
        return _natural_log(x)
    x, base = _number(x), _number(base)
    if type(x) in TRACED or type(base) in TRACED:
        return _natural_log(x) / _natural_log(base)
    return _LOG(x, base)


_NUMBERS = frozenset({float, int, bool, np.float64})


def _whole(name: str) -> Callable[..., Any]:
    """A function of plain values only where nothing is traced, else composed of operators."""
    original = getattr(math, name)

    def replacement(*args: Any, **keywords: Any) -> Any:
        if all(type(a) in _NUMBERS for a in args):
            return original(*args, **keywords)
        return COMPOSED[name](original, *map(_number, args), **keywords)

    replacement.__name__ = name
    replacement.__wrapped__ = original  # type: ignore[attr-defined]
    return replacement


def _hypot(original: Any, *coordinates: Any) -> Any:
    if not any(type(c) in TRACED for c in coordinates):
        return original(*coordinates)
    total: Any = _scalar(coordinates[0])
    if len(coordinates) == 1:
        return abs(total)
    for c in coordinates[1:]:
        total = np.hypot(total, _scalar(c))
    return total


def _dist(original: Any, p: Any, q: Any) -> Any:
    if not (has_traced(p) or has_traced(q)):
        return original(p, q)
    return np.linalg.norm(np.asarray(p) - np.asarray(q))


def _fsum(original: Any, values: Any) -> Any:
    values = list(values)
    if not has_traced(values):
        return original(values)
    # fsum's exact value, and the plain sum's derivative (all ones): the difference of the two is a constant.
    total: Any = sum(values[1:], values[0])
    return total + (original([plain(v) for v in values]) - plain(total))


def _prod(original: Any, values: Any, *, start: Any = 1) -> Any:
    values = list(values)
    if not has_traced(values) and type(start) not in TRACED:
        return original(values, start=start)
    total = start
    for v in values:
        total = total * v
    return total


def _question(original: Any, *args: Any, **keywords: Any) -> Any:
    return original(*plain_tree(args), **plain_tree(keywords))


def _sumprod(original: Any, p: Any, q: Any, /) -> Any:
    p, q = list(p), list(q)
    if not (has_traced(p) or has_traced(q)):
        return original(p, q)
    # The exact value, and the plain sum's derivative.
    total: Any = sum((a * b for a, b in zip(p, q, strict=True)), start=0.0)
    return total + (original([plain(a) for a in p], [plain(b) for b in q]) - plain(total))


def _frexp(original: Any, x: Any, /) -> Any:
    """x = m·2^e: the exponent is piecewise constant."""
    e = original(plain(_scalar(x)))[1]
    return _scalar(x) * 2.0**-e, e


def _modf(original: Any, x: Any, /) -> Any:
    whole = original(plain(_scalar(x)))[1]
    return _scalar(x) - whole, whole


def _nextafter(original: Any, x: Any, y: Any, /, **keywords: Any) -> Any:
    return _scalar(x) + (original(plain(x), plain(y), **keywords) - plain(_scalar(x)))


def _fma(original: Any, x: Any, y: Any, z: Any, /) -> Any:
    total = _scalar(x) * _scalar(y) + _scalar(z)
    return total + (original(plain(_scalar(x)), plain(_scalar(y)), plain(_scalar(z))) - plain(total))


COMPOSED: dict[str, Callable[..., Any]] = {
    "hypot": _hypot, "dist": _dist, "fsum": _fsum, "prod": _prod,
    "frexp": _frexp, "modf": _modf, "nextafter": _nextafter, "sumprod": _sumprod, "fma": _fma, "ulp": _question,
    "isnan": _question, "isinf": _question, "isfinite": _question, "isclose": _question,
}  # fmt: skip
log.__wrapped__ = _LOG  # type: ignore[attr-defined]
REPLACEMENTS["log"] = log
REPLACEMENTS.update({name: _whole(name) for name in COMPOSED if hasattr(math, name)})
ORIGINALS: dict[Any, Callable[..., Any]] = {getattr(math, name): new for name, new in REPLACEMENTS.items()}


# -- float() ---------------------------------------------------------------------------------------------------------


class _FloatMeta(PassesFor):
    def __call__(self, x: Any = 0.0, /) -> Any:
        x = _number(x)
        if type(x) is str:
            return from_text(x)
        return elementwise(_FLOAT, [_scalar(x)]) if type(x) in TRACED else builtins.float(x)


class Float(builtins.float, metaclass=_FloatMeta):
    """Stands in the place of ``float`` in the user's modules: ``Float(x)`` of a traced value keeps its derivative."""

    original = kinds = builtins.float
    dtype = np.dtype(builtins.float)  # so that NumPy takes it where it takes float: ``np.zeros(3, dtype=float)``


Float.__name__ = Float.__qualname__ = "float"
_FLOAT = Elementwise(Float, 1.0, name="float")


def _numpy_cast(original: Any) -> Any:
    """``np.float64(x)`` or ``np.float32(x)`` for the user's modules: the class itself but for traced values."""

    def call(*args: Any) -> Any:
        x = _number(args[0]) if args else None
        if type(x) in TRACED:
            if is_array(x):
                y = table.astype(x, original)
                return y if y.ndim else y[()]
            return elementwise(rule, [x])
        return original(from_text(x) if type(x) is str else x, *args[1:]) if args else original()

    cast = class_that_calls(original, call, {"dtype": np.dtype(original)})
    rule = Elementwise(cast, 1.0, name=f"np.{original.__name__}")
    return cast


NUMPY_CASTS: dict[str, Any] = {name: _numpy_cast(getattr(np, name)) for name in ("float64", "float32")}
NUMPY_CASTS["double"] = NUMPY_CASTS["float64"]
# The types that are called to convert a number, and what keeps derivatives in their place.
CASTS: dict[Any, Any] = {getattr(np, name): cast for name, cast in NUMPY_CASTS.items()} | {float: Float}
