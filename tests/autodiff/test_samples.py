"""Samples, grids and pieces: differences, polynomials, padding, sets, functions of functions, emath."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

from gradcheck.autodiff import AutodiffError, grad, jacobian

from .checking import Case, Table, verify
from .points import Points

P = Points(14)
T = Table()
V, M, C, K = P.normal(5), P.normal(3, 4), P.normal(2, 3, 4), P.complexes(3, 4)
GRID = np.cumsum(P.positive(5))

# -- differences and integrals ----------------------------------------------------------------------------------------

for order in (1, 2):
    kw = {"edge_order": order}
    T.calls(np.gradient, [V], kw, single=False)
    T.calls(np.gradient, [P.normal(3, 5)], kw, {"axis": 1, **kw}, {"axis": (1, 0), **kw}, single=False)
    T.add(np.gradient, lambda f, h, kw=kw: np.gradient(f, h, **kw), V, 0.7, single=False)
    T.add(np.gradient, lambda f, x, kw=kw: np.gradient(f, x, **kw), V, GRID, single=False)
    T.add(np.gradient, lambda f, x, kw=kw: np.gradient(f, x, **kw), V, np.linspace(0.0, 1.0, 5), single=False)
    T.add(np.gradient, lambda f, x, kw=kw: np.gradient(f, 0.3, x, **kw), P.normal(3, 5), GRID, single=False)
T.calls(np.gradient, [K], {"axis": 1})
T.calls(np.gradient, [P.normal(2)])
PHASE = np.array([0.3, 2.9, 6.8, 13.5, 12.1])
T.calls(np.unwrap, [PHASE], {}, {"discont": 4.0}, {"period": 5.0}, single=False)
T.add(np.unwrap, lambda p, t: np.unwrap(p, period=t), PHASE, 5.0, single=False)
T.calls(np.unwrap, [np.stack([PHASE, PHASE[::-1]])], {"axis": 0}, {"axis": 1}, single=False)
if hasattr(np, "cumulative_sum"):
    for f in (np.cumulative_sum, np.cumulative_prod):
        T.calls(f, [V], {}, {"include_initial": True}, single=False)
        T.calls(
            f, [C], {"axis": 1}, {"axis": -1, "include_initial": True}, {"axis": 0, "dtype": np.float64}, single=False
        )
        T.add(f, lambda x, f=f: f(x, axis=0, out=np.zeros((3, 4))), M, single=False)
POINTS = np.array([-0.4, 0.3, 5.9, 8.1])
for period in (6.0, -6.0):
    T.add(np.interp, lambda x, fp, p=period: np.interp(x, GRID, fp, period=p), POINTS, V, single=False)
T.add(np.interp, lambda xp, p: np.interp(POINTS, xp, V, period=p), GRID, 9.3, single=False)
T.calls(np.i0, [M], single=False)
T.calls(np.i0, [0.4], single=False)
T.add(np.kaiser, lambda b: np.kaiser(5, b), 3.0, single=False)
T.add(np.kaiser, lambda x: np.kaiser(4, 3.0) * x[:4], V)
T.calls(np.real_if_close, [M])
T.add(np.real_if_close, lambda x: np.real_if_close(x * (1 + 1e-17j)) ** 2, M, single=False)
T.calls(np.real_if_close, [K])
T.calls(np.sort_complex, [V], single=False)
T.calls(np.sort_complex, [K])

# -- polynomials ------------------------------------------------------------------------------------------------------

a, b = P.normal(4), P.normal(3)
for f in (np.polyadd, np.polysub, np.polymul):
    T.calls(f, [a, b])
    T.calls(f, [b, a])
    T.add(f, lambda x, f=f: f([1.0, 2.0], x), a, single=False)
T.calls(np.polydiv, [a, b], single=False)
T.calls(np.polydiv, [b, a], single=False)
T.calls(np.polyder, [a], {}, {"m": 2}, {"m": 0}, single=False)
T.calls(np.polyint, [a], {}, {"m": 2}, {"m": 2, "k": [1.0, 2.0]}, {"k": 3.0}, single=False)
T.add(np.polyint, lambda p, k: np.polyint(p, 2, k), a, np.array([0.3, 0.4]), single=False)
T.calls(np.poly, [a])
T.calls(np.poly, [P.normal(3, 3)], single=False)
T.add(np.poly, lambda x: np.poly(np.stack([x[0] + 1j * x[1], x[0] - 1j * x[1], x[2] + 0j])), a, single=False)
for p in (np.array([1.0, -2.3, -1.1, 0.4]), np.array([0.7, 0.3, 1.9, -0.2, 1.4]), np.array([2.0, 1.0, -3.0, 0.0])):
    T.calls(np.roots, [p], single=False, rtol=1e-6)
T.calls(np.roots, [np.array([1.0 + 1j, 0.3, -2.0 + 0.4j])], single=False)
T.calls(np.vander, [V], {}, {"N": 3}, {"increasing": True}, {"N": 4, "increasing": True})
T.calls(
    np.polyfit,
    [GRID, V],
    {"deg": 2},
    {"deg": 1, "w": [1.0, 2.0, 0.5, 1.0, 1.5]},
    {"deg": 2, "full": True},
    single=False,
)
T.calls(np.polyfit, [GRID, V], {"deg": 2, "cov": True}, {"deg": 1, "cov": "unscaled"}, single=False, rtol=1e-6)
T.add(np.polyfit, lambda x, y, w: np.polyfit(x, y, 2, w=w), GRID, V, P.positive(5), single=False, rtol=1e-6)
T.calls(np.polyfit, [GRID, P.normal(5, 2)], {"deg": 1}, {"deg": 1, "cov": True}, single=False)
T.add(np.polyval, lambda c, x: np.poly1d(c)(x) + np.polyval(np.poly1d(c), x), a, M, single=False)
T.add(np.polyval, lambda c: np.poly1d(c).deriv()(0.3) * np.poly1d(c).integ()(0.7), a, single=False)
T.add(np.polyval, lambda c: (np.poly1d(c) * np.poly1d([1.0, 2.0]) + 3.0).coeffs, a, single=False)
T.add(np.polyval, lambda x: np.poly1d([1.0, -2.0, 3.0])(x), M, single=False)

# -- grids ------------------------------------------------------------------------------------------------------------

for f in (np.linspace, np.geomspace):
    T.calls(
        f, [0.4, 2.9], {"num": 5}, {"num": 4, "endpoint": False}, {"num": 1}, {"num": 3, "dtype": float}, single=False
    )
    T.add(f, lambda a, f=f: f(a, 7.0, 4), 0.8, single=False)
    T.add(f, lambda b, f=f: f(0.3, stop=b, num=4), 0.8, single=False)
    T.calls(f, [P.positive(3), 4.0], {"num": 4}, {"num": 3, "axis": -1}, single=False)
    T.calls(f, [0.5 + 0.3j, 2.0 - 0.4j], {"num": 4}, single=False)
T.add(np.geomspace, lambda a, b: np.geomspace(-a, -b, 4), 0.4, 2.0, single=False)
T.add(np.linspace, lambda a, b: np.linspace(a, b, 5, retstep=True), 0.4, 2.0, single=False)
T.calls(np.logspace, [0.4, 1.9], {"num": 4}, {"num": 3, "base": 2.0}, {"num": 3, "endpoint": False}, single=False)
T.add(np.logspace, lambda a, b: np.logspace(0.0, a, 4, base=b), 0.7, 3.0, single=False)
T.add(np.logspace, lambda b: np.logspace(0.0, 2.0, 4, base=b), np.array([2.0, 3.0]), single=False)
T.add(np.arange, lambda a, h: np.arange(a, 3.0, h), 0.33, 0.41, single=False)
T.add(np.arange, lambda b: np.arange(b) * b, 3.7, single=False)
T.add(np.ix_, lambda a, b: np.ix_(a, b), V, P.normal(3))
T.add(np.tri, lambda x: np.tri(3, 4, dtype=x.dtype) * x, M)
T.add(np.require, lambda x: np.require(x.T, requirements=["C", "W"]) * 2.0, M)
T.add(np.asarray_chkfinite, lambda x: np.asarray_chkfinite(x) ** 2, M)
if hasattr(np, "astype"):
    T.add(np.astype, lambda x: np.astype(x, np.float64) * np.astype(x, np.complex128), M, single=False)

# -- padding, inserting, trimming -------------------------------------------------------------------------------------

WIDTHS = ((1, 2), (3, 0))
for mode in ("constant", "linear_ramp", "maximum", "minimum", "mean", "median", "reflect", "symmetric", "edge", "wrap"):
    T.calls(np.pad, [M], {"pad_width": WIDTHS, "mode": mode})
    T.calls(np.pad, [V], {"pad_width": 7, "mode": mode})
for mode in ("maximum", "minimum", "mean", "median"):
    T.calls(np.pad, [M], {"pad_width": WIDTHS, "mode": mode, "stat_length": 2},
            {"pad_width": 2, "mode": mode, "stat_length": ((1, 2), (3, 9))})  # fmt: skip
for mode in ("reflect", "symmetric"):
    T.calls(np.pad, [M], {"pad_width": WIDTHS, "mode": mode, "reflect_type": "odd"})
    T.calls(np.pad, [V], {"pad_width": (2, 3), "mode": mode, "reflect_type": "odd"})
T.add(np.pad, lambda x, c: np.pad(x, 2, constant_values=c), M, 0.3)
T.add(np.pad, lambda x, c: np.pad(x, WIDTHS, constant_values=c), M, P.normal(2, 2))
T.add(np.pad, lambda x, c: np.pad(x, WIDTHS, "linear_ramp", end_values=c), M, P.normal(2, 2))
T.add(np.pad, lambda x, c: np.pad(x, (1, 2), "linear_ramp", end_values=(c, 2.0)), V, 0.4, single=False)


def fill_with_twice(vector: Any, width: Any, axis: int, keywords: Any) -> None:
    vector[: width[0]] = keywords["factor"] * vector[width[0]]
    vector[len(vector) - width[1] :] = vector[width[0]] ** 2


T.add(np.pad, lambda x: np.pad(x, ((1, 2), (2, 1)), fill_with_twice, factor=2.0), M, single=False)
T.add(np.insert, lambda x, v: np.insert(x, 1, v), V, 0.3)
T.add(np.insert, lambda x, v: np.insert(x, [1, 3], v), V, P.normal(2))
T.add(np.insert, lambda x, v: np.insert(x, 1, v, axis=1), M, P.normal(3))
T.add(np.insert, lambda x, v: np.insert(x, slice(0, 2), v, axis=0), M, P.normal(4))
T.add(np.insert, lambda v: np.insert(np.zeros(3, v.dtype), 1, v), P.normal(2))
ZEROS = np.array([0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 0.0])
for trim in ("fb", "f", "b"):
    T.add(np.trim_zeros, lambda x, t=trim: np.trim_zeros(x * ZEROS, t), P.normal(7), single=False)

windows = np.lib.stride_tricks.sliding_window_view
T.calls(windows, [V], {"window_shape": 3})
T.calls(windows, [M], {"window_shape": (2, 2)}, {"window_shape": 3, "axis": 1})
T.calls(windows, [M], {"window_shape": (2, 2), "axis": (0, 0)})
T.add(windows, lambda x: windows(x.T[::-1], 2, axis=0).max(axis=-1) * windows(x, (2, 2))[0, 1, 1, 0], M)


def smoothed(x: Any) -> Any:
    y = 1.0 * x
    w = windows(y, 3)
    y[1] *= 2.0  # is seen in the windows
    return w.mean(axis=-1) + w[0]


T.add(windows, smoothed, V, single=False)

# -- sets -------------------------------------------------------------------------------------------------------------

DOUBLE = np.array([2, 0, 1, 0, 4, 2])
T.add(np.unique, lambda x: np.unique(x[DOUBLE]), V)
T.add(np.unique, lambda x: np.unique(x[DOUBLE], return_index=True, return_inverse=True, return_counts=True)[0], V)
T.add(np.unique, lambda x: np.unique(x[[1, 0, 1]], axis=0), M)
for name in ("unique_values", "unique_counts", "unique_inverse", "unique_all"):
    f = getattr(np, name)
    first = (lambda y: y) if name == "unique_values" else (lambda y: y.values)
    T.add(f, lambda x, f=f, first=first: first(f(x[DOUBLE])), V)
for f in (np.union1d, np.intersect1d, np.setdiff1d, np.setxor1d):
    T.add(f, lambda x, f=f: f(x[:4], x[1:]), V)
    T.add(f, lambda x, f=f: f(x[:4], [1.0, 2.0]), V, single=False)
T.add(np.intersect1d, lambda x: np.intersect1d(x[:4], x[1:], assume_unique=True, return_indices=True)[0], V)
T.add(np.setdiff1d, lambda x: np.setdiff1d(x[:4], x[2:], assume_unique=True), V)
T.add(np.setxor1d, lambda x: np.setxor1d(x[:4], x[2:], assume_unique=True), V)

# -- functions of functions -------------------------------------------------------------------------------------------

T.add(np.piecewise, lambda x: np.piecewise(x, [x < 0, x >= 0], [lambda z: z**2, lambda z: np.sin(z)]), M)
T.add(np.piecewise, lambda x: np.piecewise(x, [x < -1, x > 1], [-1.0, lambda z: 2.0 * z, lambda z: z**3]), M)
T.add(np.piecewise, lambda x, c: np.piecewise(x, [x < 0], [lambda z, k: z * k, lambda z, k: z + k], c), V, 0.3)
T.add(np.piecewise, lambda x: np.piecewise(x, x < 0, [lambda z: -z, lambda z: z * z]), V)
T.add(np.apply_along_axis, lambda x: np.apply_along_axis(np.sum, 0, x), M)
T.add(np.apply_along_axis, lambda x: np.apply_along_axis(lambda v: v * v[0], 1, x), C)
T.add(np.apply_along_axis, lambda x: np.apply_along_axis(np.outer, 1, x, x[0, 0, :2]), C)
T.add(
    np.apply_along_axis, lambda x: np.apply_along_axis(lambda v, k: [v.sum() * k, 1.0], -1, x, k=2.0), M, single=False
)
T.add(np.apply_over_axes, lambda x: np.apply_over_axes(np.sum, x, [0, 2]), C)
T.add(np.apply_over_axes, lambda x: np.apply_over_axes(np.max, x, -1), C)

# -- emath ------------------------------------------------------------------------------------------------------------

e = np.emath
for f in (e.sqrt, e.log, e.log2, e.log10):
    T.calls(f, [V], single=False)
    T.calls(f, [np.abs(V)], single=False)
    T.calls(f, [-0.7], single=False)
for f in (e.arccos, e.arcsin, e.arctanh):
    T.calls(f, [0.4 * V], single=False)
    T.calls(f, [V], single=False)
T.add(e.logn, lambda n, x: e.logn(n, x), 3.0, V, single=False)
T.add(e.power, lambda x: e.power(x, 2), V, single=False)
T.add(e.power, lambda x: e.power(np.abs(x), -2), V, single=False)
T.add(e.power, lambda x, p: e.power(x, p), V, 0.3, single=False)


@pytest.mark.parametrize("case", T.cases, ids=lambda case: case.id)
def test_rule(case: Case) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", np.exceptions.ComplexWarning)
        try:
            case.f(*case.args)
        except TypeError as err:
            pytest.skip(f"a keyword that this NumPy does not have: {err}")
        verify(case)


def test_cross_products_in_the_plane() -> None:
    u, v = P.normal(4, 2), P.normal(4, 2)
    with pytest.warns(DeprecationWarning, match="2-dimensional"):
        J = jacobian(lambda a: np.cross(a, v))(u)
    assert J[1, 1] == pytest.approx(np.array([v[1, 1], -v[1, 0]]))
    with pytest.warns(DeprecationWarning, match="2-dimensional"):
        J = jacobian(lambda a: np.cross(a[0], [1.0, 2.0, 3.0]))(u)
    assert J[:, 0] == pytest.approx(np.array([[0, 3.0], [-3.0, 0], [2.0, -1.0]]))


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.concatenate([x, x], dtype=int),
        lambda x: np.concatenate([x, x], dtype=np.float32, casting="safe"),
        lambda x: np.stack([x, x], dtype=int),
        lambda x: np.hstack([x, x], dtype=int),
        lambda x: np.copyto(np.zeros(5, int), x),
        lambda x: np.array(x).astype(int, casting="safe"),
        lambda x: np.sort(x, order="a"),
        lambda x: np.clip(x, 0.0, 1.0, bounds=3),
        lambda x: np.sum(x, axes=0),
        lambda x: np.linspace(x[0], 1.0, -3),
        lambda x: np.cov(x, fweights=[0.5] * 5),
        lambda x: np.quantile(x, 1.5),
        lambda x: np.gradient(x, edge_order=3),
    ],
)
def test_what_numpy_does_not_take_is_not_taken(f: Any) -> None:
    with pytest.raises((TypeError, ValueError)) as plain_error:
        f(V)
    with pytest.raises(type(plain_error.value)):
        grad(lambda x: np.sum(f(x)))(V)


def test_a_polynomial_with_a_double_root_has_no_finite_slope() -> None:
    assert not np.isfinite(jacobian(np.roots)(np.array([1.0, -2.0, 1.0]))).all()


def test_unique_values_among_nan_are_refused() -> None:
    with pytest.raises(AutodiffError, match="nan"):
        grad(lambda x: np.nansum(np.unique_values(np.append(x, np.nan))))(V)
