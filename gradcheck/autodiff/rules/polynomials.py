"""Polynomials and convolution: ``np.convolve``, ``np.correlate``, ``np.polyval`` and their kin.

A polynomial is the vector of its coefficients.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from gradcheck.autodiff.core import (
    Primitive,
    implements,
    plain,
    shape_of,
)
from gradcheck.autodiff.rules.elementwise import astype
from gradcheck.autodiff.rules.reductions import (
    as_traced,
)


def _convolve_vjp(k: int, _y: Any, *args: Any, mode: str) -> Any:
    other = args[1 - k]
    n, m = shape_of(args[k])[0], shape_of(other)[0]
    full = n + m - 1
    length = {"full": full, "same": max(n, m), "valid": max(n, m) - min(n, m) + 1}[mode]
    start = {"full": 0, "same": (min(n, m) - 1) // 2, "valid": min(n, m) - 1}[mode]

    def pull(g: Any) -> Any:
        if length != full:
            g = np.concatenate([np.zeros(start), g, np.zeros(full - start - length)])
        return np.convolve(g, other[::-1], mode="full")[m - 1 : m - 1 + n]

    return pull


def _convolve_jvp(k: int, t: Any, _y: Any, *args: Any, mode: str) -> Any:
    return np.convolve(t, args[1], mode=mode) if k == 0 else np.convolve(args[0], t, mode=mode)  # type: ignore[call-overload]


CONVOLVE = Primitive(lambda a, v, *, mode: np.convolve(a, v, mode=mode), _convolve_vjp, _convolve_jvp, name="convolve")


@implements(np.convolve)
def convolve(a: Any, v: Any, mode: str = "full") -> Any:
    a, v = np.atleast_1d(as_traced(a)), np.atleast_1d(as_traced(v))
    if not shape_of(a)[0] or not shape_of(v)[0]:
        raise ValueError("a and v cannot be empty")
    modes = {"f": "full", "s": "same", "v": "valid"}
    return CONVOLVE(a, v, mode=modes[mode[0]])


@implements(np.correlate)
def correlate(a: Any, v: Any, mode: str = "valid") -> Any:
    a, v = np.atleast_1d(as_traced(a)), np.atleast_1d(as_traced(v))
    n, m = shape_of(a)[0], shape_of(v)[0]
    v = np.conjugate(v)[::-1]
    if n < m and mode[0] == "s":  # NumPy exchanges the two and turns the result round, which shifts the middle
        return convolve(a, v)[n // 2 : n // 2 + m]
    return convolve(a, v, mode)


# -- polynomials as vectors of coefficients, the highest power first ---------------------------------------------------


@implements(np.polyval)
def polyval(p: Any, x: Any) -> Any:
    """Horner's scheme. ``x`` may be a :class:`numpy.poly1d`, which gives the composition."""
    p = _coefficients(p)
    if isinstance(x, np.poly1d):
        y: Any = np.poly1d(np.zeros(1))
    else:
        x = as_traced(x)
        y = x * 0.0 + np.zeros((), np.asarray(plain(x)).dtype)
    for k in range(shape_of(p)[0]):
        y = y * x + p[k]
    return y


def _coefficients(p: Any) -> Any:
    """The coefficients of a polynomial given in any of NumPy's ways, as a vector."""
    return np.atleast_1d(p.coeffs if isinstance(p, np.poly1d) else as_traced(p))


def _like(y: Any, *given: Any) -> Any:
    return np.poly1d(y) if any(isinstance(p, np.poly1d) for p in given) else y


def _sum_of(a1: Any, a2: Any, sign: float) -> Any:
    first, second = _coefficients(a1), _coefficients(a2)
    n = max(shape_of(first)[0], shape_of(second)[0])
    first, second = (np.concatenate([np.zeros(n - shape_of(p)[0], plain(p).dtype), p]) for p in (first, second))
    return _like(first + second if sign > 0 else first - second, a1, a2)


@implements(np.polyadd)
def polyadd(a1: Any, a2: Any) -> Any:
    return _sum_of(a1, a2, 1.0)


@implements(np.polysub)
def polysub(a1: Any, a2: Any) -> Any:
    return _sum_of(a1, a2, -1.0)


@implements(np.polymul)
def polymul(a1: Any, a2: Any) -> Any:
    return _like(convolve(_coefficients(a1), _coefficients(a2)), a1, a2)


@implements(np.polydiv)
def polydiv(u: Any, v: Any) -> tuple[Any, Any]:
    """Quotient and remainder by long division; leading zeros of the remainder are dropped as NumPy drops them."""
    top, bottom = _coefficients(u) + 0.0, _coefficients(v) + 0.0
    m, n = shape_of(top)[0] - 1, shape_of(bottom)[0] - 1
    scale = 1.0 / bottom[0]
    quotient = []
    for k in range(m - n + 1):
        d = scale * top[k]
        quotient.append(d)
        top = np.concatenate([top[:k], top[k : k + n + 1] - d * bottom, top[k + n + 1 :]])
    q = np.stack(quotient) if quotient else np.zeros(1, np.result_type(plain(top), plain(bottom)))
    while np.allclose(plain(top)[0], 0, rtol=1e-14) and shape_of(top)[-1] > 1:
        top = top[1:]
    return _like(q, u, v), _like(top, u, v)


@implements(np.polyder)
def polyder(p: Any, m: int = 1) -> Any:
    m = int(m)
    if m < 0:
        raise ValueError("Order of derivative must be positive (see polyint)")
    y = _coefficients(p)
    for _ in range(m):
        n = shape_of(y)[0] - 1
        y = y[:-1] * np.arange(n, 0, -1)
    return _like(y, p)


@implements(np.polyint)
def polyint(p: Any, m: int = 1, k: Any = None) -> Any:
    m = int(m)
    if m < 0:
        raise ValueError("Order of integral must be positive (see polyder)")
    constants = np.zeros(m) if k is None else np.atleast_1d(as_traced(k))
    if shape_of(constants)[0] == 1 and m > 1:
        constants = constants * np.ones(m)
    if shape_of(constants)[0] < m:
        raise ValueError("k must be a scalar or a rank-1 array of length 1 or >m.")
    y = _coefficients(p)
    for i in range(m):
        y = np.concatenate([y / np.arange(shape_of(y)[0], 0, -1), constants[i : i + 1]])
    return _like(y, p)


@implements(np.poly)
def poly(seq_of_zeros: Any) -> Any:
    """The polynomial with the given roots, or the characteristic one of a square matrix."""
    zeros = np.atleast_1d(as_traced(seq_of_zeros))
    shape = shape_of(zeros)
    if len(shape) == 2 and shape[0] == shape[1] and shape[0] != 0:
        zeros = np.linalg.eigvals(zeros)
    elif len(shape) != 1:
        raise ValueError("input must be 1d or non-empty square 2d array.")
    if not shape_of(zeros)[0]:
        return 1.0
    value = plain(zeros)
    y: Any = np.ones(1, value.dtype)
    for k in range(shape_of(zeros)[0]):
        y = convolve(y, np.stack([np.ones((), value.dtype)[()], -zeros[k]]))
    if value.dtype.kind == "c" and np.all(np.sort(value) == np.sort(value.conj())):
        y = np.real(y)
    return y


def _roots_slopes(y: Any, p: Any) -> Any:
    """∂(root i)/∂(coefficient k), since P(z) = 0 stays true: −zⁿ⁻ᵏ/P′(z)."""
    n = shape_of(p)[0] - 1
    powers = np.stack([y ** (n - k) for k in range(n + 1)], axis=-1)
    return -powers / polyval(polyder(p), y)[..., None]


ROOTS = Primitive(
    lambda p: np.roots(p),
    [lambda y, p: lambda g: np.matmul(g, _roots_slopes(y, p))],
    [lambda t, y, p: np.matmul(_roots_slopes(y, p), t)],
    name="roots",
)


@implements(np.roots)
def roots(p: Any) -> Any:
    """The roots of a polynomial; those of a multiple root move infinitely fast."""
    p = np.atleast_1d(as_traced(p))
    if len(shape_of(p)) != 1:
        raise ValueError("Input must be a rank-1 array.")
    return ROOTS(p) if np.size(np.roots(plain(p))) else np.array([])


@implements(np.vander)
def vander(x: Any, N: Any = None, increasing: bool = False) -> Any:
    x = as_traced(x)
    if len(shape_of(x)) != 1:
        raise ValueError("x must be a one-dimensional array or sequence.")
    n = shape_of(x)[0] if N is None else int(N)
    if not n:
        return np.empty((shape_of(x)[0], 0), plain(x).dtype)
    x = astype(x, np.promote_types(plain(x).dtype, int), copy=False)
    columns: list[Any] = [np.ones(shape_of(x), plain(x).dtype)]
    for _ in range(n - 1):
        columns.append(columns[-1] * x)
    return np.stack(columns if increasing else columns[::-1], axis=1)


@implements(np.polyfit)
def polyfit(x: Any, y: Any, deg: Any, rcond: Any = None, full: bool = False, w: Any = None, cov: Any = False) -> Any:
    """The least-squares polynomial, differentiable in x, y and the weights; the columns are scaled as in NumPy."""
    order = int(deg) + 1
    x, y = as_traced(x) + 0.0, as_traced(y) + 0.0
    if deg < 0:
        raise ValueError("expected deg >= 0")
    if len(shape_of(x)) != 1 or shape_of(y)[:1] != shape_of(x) or len(shape_of(y)) > 2:
        raise TypeError("expected x and y to have same length")
    if rcond is None:
        rcond = shape_of(x)[0] * np.finfo(plain(x).dtype).eps
    left, right = vander(x, order), y
    if w is not None:
        weight = as_traced(w) + 0.0
        left = left * weight[:, None]
        right = right * (weight[:, None] if len(shape_of(y)) == 2 else weight)
    scale = np.sqrt(np.sum(left * left, axis=0))
    c, residuals, rank, s = np.linalg.lstsq(left / scale, right, rcond)
    c = np.transpose(np.transpose(c) / scale)
    if rank != order and not full:
        warnings.warn("Polyfit may be poorly conditioned", np.exceptions.RankWarning, stacklevel=3)
    if full:
        return c, residuals, rank, s, rcond
    if not cov:
        return c
    base = np.linalg.inv(np.matmul(np.transpose(left), left) / np.outer(scale, scale)) / np.outer(scale, scale)
    if isinstance(cov, str) and cov == "unscaled":
        factor: Any = 1.0
    else:
        if shape_of(x)[0] <= order:
            raise ValueError("the number of data points must exceed order to scale the covariance matrix")
        factor = residuals / (shape_of(x)[0] - order)
    return c, base[:, :, None] * factor if len(shape_of(y)) == 2 else base * factor
