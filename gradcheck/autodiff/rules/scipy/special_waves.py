"""``scipy.special``: functions that solve a linear differential equation and come with their derivative: Mathieu,
spheroidal wave, parabolic cylinder and Legendre functions, spherical harmonics; and orthogonal polynomials.

The derivative of such a function is SciPy's, that of its derivative is the equation. Real parameters (a degree, a
characteristic value's q) are numeric, and labelled so.

Formulas: NIST DLMF 12.2, 14.2, 14.10, 18.9, 28.2, 28.20, 30.2; Abramowitz & Stegun chapters 20 to 22.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.special as sp

from gradcheck.autodiff.core import TRACED, plain
from gradcheck.autodiff.rules.scipy.partials import NUMERIC, register, register_tuple

DEGREE = math.pi / 180.0


def _pair(ufunc: Any, parameters: tuple[Any, ...], second: Callable[..., Any], unit: float = 1.0) -> None:
    """A ufunc of a function and its derivative in the last operand, with ``second(y, y′, *operands)`` = y″.

    ``unit``: the last operand in units of the variable of the derivative.
    """
    register_tuple(
        ufunc,
        (*parameters, lambda _y, *args: ufunc(*args)[1] * unit),
        (*parameters, lambda y, *args: second(ufunc(*args)[0], y, *args) * unit),
    )


# -- parabolic cylinder functions, DLMF 12.2.2, 12.2.3 with a = −v − 1/2 -----------------------------------------------

for _name in ("pbdv", "pbvv"):
    _pair(getattr(sp, _name), (NUMERIC,), lambda w, _d, v, x: (0.25 * x * x - v - 0.5) * w)
_pair(sp.pbwa, (NUMERIC,), lambda w, _d, a, x: (a - 0.25 * x * x) * w)

# -- Mathieu functions, DLMF 28.2.1 (the angle in degrees), 28.20.1; the order is an integer ---------------------------

register(sp.mathieu_a, (None, NUMERIC))
register(sp.mathieu_b, (None, NUMERIC))


def _angular(characteristic: Any) -> Callable[..., Any]:
    return lambda y, _d, m, q, x: (2.0 * q * np.cos(2.0 * DEGREE * x) - characteristic(m, q)) * y


def _radial(characteristic: Any) -> Callable[..., Any]:
    return lambda y, _d, m, q, x: (characteristic(m, q) - 2.0 * q * np.cosh(2.0 * x)) * y


_pair(sp.mathieu_cem, (None, NUMERIC), _angular(sp.mathieu_a), DEGREE)
_pair(sp.mathieu_sem, (None, NUMERIC), _angular(sp.mathieu_b), DEGREE)
for _kind in "12":
    _pair(getattr(sp, f"mathieu_modcem{_kind}"), (None, NUMERIC), _radial(sp.mathieu_a))
    _pair(getattr(sp, f"mathieu_modsem{_kind}"), (None, NUMERIC), _radial(sp.mathieu_b))

# -- spheroidal wave functions, DLMF 30.2.1, 30.13.8, 30.14.8; m and n are integers ------------------------------------


def _spheroidal(sign: float, radial: bool) -> Callable[..., Any]:
    """y″ for the prolate (sign = 1) or the oblate equation, of which the oblate radial one has 1 + x² for 1 − x²."""
    inner = 1.0 if radial and sign < 0 else -1.0

    def second(y: Any, d: Any, m: Any, _n: Any, c: Any, characteristic: Any, x: Any) -> Any:
        m = plain(m)
        s = 1.0 + inner * x * x
        square = c * c * x * x
        if inner > 0:
            return (-2.0 * x * d + (characteristic - square - m * m / s) * y) / s
        return (2.0 * x * d - (characteristic - sign * square - m * m / s) * y) / s

    return second


def _register_spheroidal() -> None:
    for kind, sign in (("pro", 1.0), ("obl", -1.0)):
        characteristic = getattr(sp, f"{kind}_cv")
        register(characteristic, (None, None, NUMERIC), name=f"scipy.special.{kind}_cv")
        for which in ("ang1", "rad1"):
            second = _spheroidal(sign, which != "ang1")

            def without(
                y: Any, d: Any, m: Any, n: Any, c: Any, x: Any, second: Any = second, value: Any = characteristic
            ) -> Any:
                return second(y, d, m, n, c, value(m, n, c), x)

            _pair(getattr(sp, f"{kind}_{which}"), (None, None, NUMERIC), without)
            _pair(getattr(sp, f"{kind}_{which}_cv"), (None, None, NUMERIC, NUMERIC), second)
        # What SciPy gives for the derivative of these is not that of the value that it gives beside it (1.17).
        register_tuple(getattr(sp, f"{kind}_rad2"), *[(None, None, NUMERIC, NUMERIC)] * 2)
        register_tuple(getattr(sp, f"{kind}_rad2_cv"), *[(None, None, NUMERIC, NUMERIC, NUMERIC)] * 2)


_register_spheroidal()

# -- orthogonal polynomials, DLMF 18.9.15–18.9.28; functions of any real degree n, which is numeric --------------------


def _lower(n: Any) -> Any:
    """n − 1, but 0 for n = 0, where it is multiplied by 0. A traced degree is no integer."""
    if type(n) in TRACED:
        return n - 1.0
    return np.maximum(plain(n) - 1, 0) if np.all(plain(n) == np.floor(plain(n))) else n - 1.0


def _jacobi_slope(_y: Any, n: Any, a: Any, b: Any, x: Any) -> Any:
    lower = sp.eval_jacobi(_lower(n), a + 1.0, b + 1.0, x)
    return np.where(plain(n) == 0, 0.0, 0.5 * (n + a + b + 1.0) * lower)[()]


def _gegenbauer_slope(_y: Any, n: Any, a: Any, x: Any) -> Any:
    return np.where(plain(n) == 0, 0.0, 2.0 * a * sp.eval_gegenbauer(_lower(n), a + 1.0, x))[()]


def _genlaguerre_slope(_y: Any, n: Any, a: Any, x: Any) -> Any:
    return np.where(plain(n) == 0, 0.0, -sp.eval_genlaguerre(_lower(n), a + 1.0, x))[()]


def _sh_jacobi_slope(_y: Any, n: Any, p: Any, q: Any, x: Any) -> Any:
    return n * sp.eval_sh_jacobi(_lower(n), p + 2.0, q + 1.0, x)


POLYNOMIALS: dict[str, Any] = {
    "eval_jacobi": (NUMERIC, NUMERIC, NUMERIC, _jacobi_slope),
    "eval_sh_jacobi": (NUMERIC, NUMERIC, NUMERIC, _sh_jacobi_slope),
    "eval_gegenbauer": (NUMERIC, NUMERIC, _gegenbauer_slope),
    "eval_genlaguerre": (NUMERIC, NUMERIC, _genlaguerre_slope),
    "eval_legendre": (NUMERIC, lambda y, n, x: _jacobi_slope(y, n, 0.0, 0.0, x)),
    "eval_sh_legendre": (NUMERIC, lambda y, n, x: 2.0 * _jacobi_slope(y, n, 0.0, 0.0, 2.0 * x - 1.0)),
    "eval_chebyt": (NUMERIC, lambda _y, n, x: n * sp.eval_chebyu(_lower(n), x)),
    "eval_chebyu": (NUMERIC, lambda y, n, x: _gegenbauer_slope(y, n, 1.0, x)),
    "eval_chebyc": (NUMERIC, lambda _y, n, x: n * sp.eval_chebyu(_lower(n), 0.5 * x)),
    "eval_chebys": (NUMERIC, lambda y, n, x: 0.5 * _gegenbauer_slope(y, n, 1.0, 0.5 * x)),
    "eval_sh_chebyt": (NUMERIC, lambda _y, n, x: 2.0 * n * sp.eval_chebyu(_lower(n), 2.0 * x - 1.0)),
    "eval_sh_chebyu": (NUMERIC, lambda y, n, x: 2.0 * _gegenbauer_slope(y, n, 1.0, 2.0 * x - 1.0)),
    "eval_laguerre": (NUMERIC, lambda y, n, x: _genlaguerre_slope(y, n, 0.0, x)),
    # these two take integers only
    "eval_hermite": (None, lambda _y, n, x: 2.0 * n * sp.eval_hermite(np.maximum(n - 1, 0), x)),
    "eval_hermitenorm": (None, lambda _y, n, x: n * sp.eval_hermitenorm(np.maximum(n - 1, 0), x)),
}
for _name, _row in POLYNOMIALS.items():
    register(getattr(sp, _name), _row)


def _lpmv_slope(y: Any, m: Any, v: Any, x: Any) -> Any:
    """DLMF 14.10.5."""
    return (v * x * y - (v + m) * sp.lpmv(m, v - 1.0, x)) / (x * x - 1.0)


register(sp.lpmv, (None, NUMERIC, _lpmv_slope))
