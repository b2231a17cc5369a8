# ruff: noqa: E501  (tables: a case a line)
"""Every ufunc that has a rule: shapes, broadcasting, keywords, both modes, second order, float32, complex."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gradcheck.autodiff import core
from gradcheck.autodiff.rules import plain

from .checking import Case, Table, verify

rng = np.random.default_rng(1)
T = Table()


def points(low: float, high: float, *shape: int) -> Any:
    """Points that stay away from each other, so that none is near a tie."""
    n = int(np.prod(shape))
    return rng.permutation(np.linspace(low, high, n) if n > 1 else np.full(n, 0.37 * low + 0.63 * high)).reshape(shape)


ANY, POSITIVE, INSIDE, ABOVE = (-2.3, 2.1), (0.4, 2.6), (-0.71, 0.73), (1.2, 3.0)
ONE: dict[Any, tuple[float, float]] = {
    **dict.fromkeys((np.negative, np.positive, np.absolute, np.fabs, np.square, np.exp, np.exp2, np.expm1, np.sin, np.cos,
                     np.arctan, np.sinh, np.cosh, np.tanh, np.arcsinh, np.degrees, np.rad2deg, np.radians, np.deg2rad,
                     np.conjugate, np.reciprocal, np.cbrt), ANY),
    **dict.fromkeys((np.sqrt, np.log, np.log2, np.log10), POSITIVE),
    **dict.fromkeys((np.tan, np.arcsin, np.arccos, np.arctanh, np.log1p), INSIDE),
    np.arccosh: ABOVE,
    **dict.fromkeys((np.sign, np.floor, np.ceil, np.trunc, np.rint, np.spacing, np.isfinite, np.isinf, np.isnan, np.signbit,
                     np.logical_not), ANY),
}  # fmt: skip
HOLOMORPHIC = (np.negative, np.positive, np.square, np.exp, np.exp2, np.expm1, np.sin, np.cos, np.tan, np.sinh, np.cosh,
               np.tanh, np.sqrt, np.log, np.log2, np.log10, np.log1p, np.reciprocal, np.arctan, np.arcsin, np.arccos,
               np.arcsinh, np.arccosh, np.arctanh, np.conjugate, np.absolute, np.sign)  # fmt: skip

MASK = np.array([[True, False, True], [False, True, True]])


def masked_into(f: Any, x: Any) -> Any:
    """``out=`` with ``where=``: the places that are left out keep what was written before."""
    real = f(x).dtype.kind == "f"
    y = np.zeros_like(x) if real else np.zeros(x.shape, bool)
    y[0, 1] = 2.0 * x[0, 0] if real else True
    f(x, out=y, where=MASK)
    return y


for f, (low, high) in ONE.items():
    T.calls(f, [points(low, high, 2, 3)])
    T.calls(f, [float(points(low, high, 1)[0])], second=False)  # a Python float
    T.calls(f, [np.array(points(low, high, 1)[0])], second=False)  # a 0-d array
    T.calls(f, [np.float64(points(low, high, 1)[0])])
    T.calls(f, [np.zeros((0, 2))], second=False)
    T.add(f, lambda x, f=f: masked_into(f, x), points(low, high, 2, 3))
for f in HOLOMORPHIC:
    T.calls(f, [0.5 * points(0.2, 1.1, 3) + 0.7j * points(0.3, 0.9, 3)])

TWO: dict[Any, tuple[tuple[float, float], tuple[float, float]]] = {
    **dict.fromkeys((np.add, np.subtract, np.multiply, np.logaddexp, np.logaddexp2, np.maximum, np.minimum, np.fmax, np.fmin,
                     np.copysign, np.greater, np.greater_equal, np.less, np.less_equal, np.equal, np.not_equal,
                     np.logical_and, np.logical_or, np.logical_xor, np.heaviside), (ANY, (-1.93, 2.17))),
    **dict.fromkeys((np.divide, np.arctan2, np.hypot), (ANY, (0.61, 2.9))),
    **dict.fromkeys((np.power, np.float_power), (POSITIVE, (-1.9, 2.3))),
    **dict.fromkeys((np.remainder, np.fmod, np.floor_divide), ((3.13, 8.91), (0.93, 1.37))),
}  # fmt: skip
for f, (first, second) in TWO.items():
    a, b = points(*first, 2, 3), points(*second, 2, 3) + 0.017
    T.calls(f, [a, b])
    T.calls(f, [a, b[0]])  # broadcast: the second is stretched
    T.calls(f, [a[:, :1], b[:1]])  # both are
    T.calls(f, [float(a[0, 0]), float(b[0, 0])])
    T.calls(f, [float(a[0, 0]), b], second=False)
    T.calls(f, [a, float(b[0, 0])], second=False)
    T.calls(f, [np.array(a[0, 0]), b[0]], second=False)
    T.calls(f, [np.zeros((0, 3)), np.ones(3)], second=False)
    T.add(f, lambda x, f=f, c=b: f(x, c), a, second=False)
    T.add(f, lambda x, f=f, c=a: f(c, x), b, second=False)
    T.add(f, lambda x, f=f: f(x, 1.25), float(a[1, 1]))
    T.add(f, lambda x, f=f: f(4.3, x), float(b[1, 1]))
    T.calls(f, [a[:1, :1], b], {"dtype": None, "casting": "same_kind", "order": "C"}, second=False)
for f in (np.add, np.subtract, np.multiply, np.divide, np.power):
    z, u = points(0.3, 1.2, 3) + 1j * points(0.2, 0.8, 3), points(0.5, 1.4, 3) - 1j * points(0.1, 0.7, 3)
    T.calls(f, [z, u])
    T.calls(f, [z, np.real(u)])
    T.calls(f, [np.real(z), u])
    T.calls(f, [complex(z[0]), u[:1]])
    T.calls(f, [complex(z[0]), complex(u[1])])
    T.calls(f, [float(z[0].real), complex(u[1])])
x = points(-1.9, 2.2, 2, 3)
T.add(np.nextafter, lambda x: np.nextafter(x, 9.0), x)
T.add(np.ldexp, lambda x: np.ldexp(x, np.array([1, -2, 3])), x)
T.add(np.modf, lambda x: np.modf(x), x)
T.add(np.modf, lambda x: np.modf(x), 2.3)
T.add(np.frexp, lambda x: np.frexp(x), x)
T.add(np.frexp, lambda x: np.frexp(x), 2.3)
T.add(np.divmod, lambda a, b: np.divmod(a, b), x, points(0.91, 1.33, 2, 3), single=False)
T.add(np.divmod, lambda a, b: divmod(a, b), 3.7, 0.9, single=False)
T.add(np.power, lambda x: x**2 + x**3 + x**-1 + x**0, x)
T.add(np.power, lambda x: x**2 + x**3 + x**-1 + x**0, 1.3)
T.add(np.power, lambda x: x ** np.array([0, 1, 2]), x)
T.add(np.power, lambda x: x ** np.arange(3.0), x, single=False)
T.add(np.power, lambda x: 2.0**x + 3**x, x)
T.add(np.float_power, lambda x: np.float_power(x, 2), x)
T.add(np.absolute, lambda x: abs(x) * np.abs(x), x)
T.add(np.multiply, lambda x: np.multiply(x, x, dtype=np.float64), x, single=False)

# Products that are ufuncs.
M = points(-1.1, 1.4, 3, 2)
T.calls(np.matmul, [M, points(-2, 2, 2, 4)])
T.calls(np.matmul, [M, points(-2, 2, 2)])
T.calls(np.matmul, [points(-2, 2, 3), M])
T.calls(np.matmul, [points(-2, 2, 3), points(-1, 2, 3)])
T.calls(np.matmul, [points(-2, 2, 2, 1, 3, 2), points(-1, 2, 4, 2, 1)])
T.calls(np.matmul, [points(-2, 2, 2, 3, 2), points(-1, 2, 2)])
T.calls(np.matmul, [points(-2, 2, 3), points(-1, 2, 2, 3, 2)])
T.calls(np.matmul, [points(-2, 2, 2, 3) + 1j * points(0, 1, 2, 3), points(-1, 2, 3, 2)])
T.calls(np.matmul, [np.zeros((0, 3)), points(-1, 2, 3, 2)], second=False)
T.calls(np.matmul, [np.zeros((2, 0)), np.zeros((0, 3))], second=False)


def matmul_into(a: Any, b: Any) -> Any:
    y = np.ones_like(a @ b)
    np.matmul(a, b, out=y)
    return y


T.add(np.matmul, matmul_into, M, points(-2, 2, 2, 4))
for name in ("vecdot", "matvec", "vecmat"):
    f = getattr(np, name, None)
    if f is None:
        continue  # matvec and vecmat came with NumPy 2.2
    left = (2, 3) if name != "matvec" else (2, 4, 3)
    right = (2, 3) if name != "vecmat" else (2, 3, 4)
    T.calls(f, [points(-1, 2, *left), points(-2, 1, *right)])
    T.calls(f, [points(-1, 2, *left), points(-2, 1, *right[1:])])
    T.calls(f, [points(-1, 2, *left) + 1j * points(0, 1, *left), points(-2, 1, *right) - 1j * points(0, 2, *right)])
T.add(np.vecdot, lambda a, b: np.vecdot(a, b, axis=0), M, points(-1, 2, 3, 2))


@pytest.mark.parametrize("case", T.cases, ids=lambda case: case.id)
def test_rule(case: Case) -> None:
    verify(case)


def test_every_rule_is_in_the_table() -> None:
    # SciPy's ufuncs, when their rules have been loaded, are tested beside those; what carries no derivative is tested in
    # test_support.py.
    numpys = {id(f) for f in vars(np).values()}
    rules = {f for f, rule in core.UFUNCS.items() if id(f) in numpys and rule not in plain.HANDLERS}
    assert {f.__name__ for f in rules} <= {f.__name__ for f in T.covered()}
