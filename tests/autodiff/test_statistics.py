# ruff: noqa: E501  (tables: a case a line)
"""Statistics: quantiles by every method, covariances, what skips nan, counts and histograms."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

from gradcheck.autodiff import AutodiffError, grad, jacobian

from .checking import Case, Table, verify
from .points import Points

P = Points(12)
T = Table()
V, M, C, K = P.normal(5), P.normal(3, 4), P.normal(2, 3, 4), P.complexes(3, 4)
MASK = np.array([[True, False, True, True], [True, True, False, False], [False, True, True, True]])
HOLES = np.where(MASK, 0.0, np.nan)
METHODS = ("inverted_cdf", "averaged_inverted_cdf", "closest_observation", "interpolated_inverted_cdf", "hazen", "weibull",
           "linear", "median_unbiased", "normal_unbiased", "lower", "higher", "midpoint", "nearest")  # fmt: skip

# -- quantiles --------------------------------------------------------------------------------------------------------

AXES: list[dict[str, Any]] = [{}, {"axis": 0}, {"axis": (0, 2)}, {"axis": -1, "keepdims": True}, {"keepdims": True}]
for skip, whole in ((np.nanquantile, np.quantile), (np.nanpercentile, np.percentile)):
    unit = 1.0 if whole is np.quantile else 100.0
    for f in (skip, whole):
        for kw in AXES:
            T.add(f, lambda x, f=f, kw=kw, u=unit: f(x, 0.37 * u, **kw), C)
        T.add(f, lambda x, f=f, u=unit: f(x, np.array([[0.1], [0.62]]) * u, axis=1), M, single=False)
        T.add(f, lambda x, f=f, u=unit: f(x, [0.0, 0.41 * u, u], axis=0, keepdims=True), M, single=False)
        for method in METHODS:
            T.add(f, lambda x, f=f, m=method, u=unit: f(x, 0.37 * u, axis=1, method=m), M)
            T.add(f, lambda x, q, f=f, m=method, u=unit: f(x, q * u, axis=1, method=m), M, 0.37, single=False)
        T.add(f, lambda x, q, f=f, u=unit: f(x, q * u, axis=0), M, np.array([0.21, 0.83]), single=False)
        w = np.array([1.0, 2.0, 0.5, 1.5]) * np.ones((3, 1))
        T.add(f, lambda x, f=f, u=unit, w=w: f(x, 0.3 * u, axis=1, weights=w, method="inverted_cdf"), M)
        T.add(
            f,
            lambda x, w, f=f, u=unit: f(x, 0.3 * u, axis=1, weights=w, method="inverted_cdf"),
            M,
            P.positive(3, 4),
        )
    T.add(skip, lambda x, f=skip, u=unit: f(x + HOLES, 0.37 * u, axis=1), M, single=False)
    T.add(skip, lambda x, f=skip, u=unit: f(x + HOLES, [0.1 * u, 0.9 * u], axis=0), M, single=False)
    T.add(skip, lambda x, q, f=skip, u=unit: f(x + HOLES, q * u, axis=1), M, 0.44, single=False)
for f in (np.quantile, np.percentile):
    T.add(f, lambda x, f=f: f(x, 0.3, axis=1, weights=[1.0, 2.0, 0.5, 1.5], method="inverted_cdf"), M)
    T.add(f, lambda x, f=f: f(x, 0.4, axis=(0, 2), weights=np.arange(1.0, 9.0).reshape(2, 4), method="inverted_cdf"), C)
T.calls(np.nanmedian, [C], *AXES)
T.add(np.nanmedian, lambda x: np.nanmedian(x + HOLES, axis=1), M, single=False)
T.add(np.quantile, lambda x: np.quantile(x, 0.5, axis=0, out=np.zeros(4, x.dtype)), M)
T.add(np.quantile, lambda x: np.quantile([x[0], x[1] * x[2], 0.3], 0.4), V, single=False)

# -- what skips nan ---------------------------------------------------------------------------------------------------

for f in (np.nanmax, np.nanmin, np.nanprod):
    for kw in AXES[:3]:
        T.calls(f, [C], kw)
    for kw in ({}, {"axis": 0}, {"axis": 1, "keepdims": True}, {"axis": 1, "initial": 0.3, "where": MASK[::-1]}):
        T.add(f, lambda x, f=f, kw=kw: f(x + HOLES, **kw), M, single=False)
for f in (np.nanvar, np.nanstd):
    for kw in ({}, {"axis": 0}, {"axis": 1, "keepdims": True, "ddof": 1}, {"axis": 1, "where": MASK[:, ::-1] | MASK}):
        T.add(f, lambda x, f=f, kw=kw: f(x + HOLES, **kw), M, single=False)
    T.calls(f, [C], {"axis": (0, 1)}, {"correction": 1})
for f in (np.nancumsum, np.nancumprod):
    T.add(f, lambda x, f=f: f(x + HOLES), M, single=False)
    T.add(f, lambda x, f=f: f(x + HOLES, axis=0), M, single=False)

# -- covariances ------------------------------------------------------------------------------------------------------

for f in (np.cov, np.corrcoef):
    T.calls(f, [M], {}, {"rowvar": False}, single=False)
    T.add(f, lambda x, y, f=f: f(x, y), M, P.normal(4), single=False)
    T.add(f, lambda x, y, f=f: f(x, y, rowvar=False), M, P.normal(3, 2), single=False)
    T.calls(f, [V], single=False)
    T.calls(f, [K], single=False)
    T.add(f, lambda x, f=f: f(x, dtype=np.float32), M.astype(np.float32), second=False, rtol=3e-3)
for kw in ({"bias": True}, {"ddof": 0}, {"ddof": 2}, {"fweights": [1, 3, 1, 2]}, {"aweights": [0.3, 1.0, 2.0, 0.5]},
           {"fweights": [1, 3, 1, 2], "aweights": [0.3, 1.0, 2.0, 0.5], "ddof": 0}):  # fmt: skip
    T.calls(np.cov, [M], kw, single=False)
T.add(np.cov, lambda x, w: np.cov(x, aweights=w), M, P.positive(4), single=False)
T.add(np.cov, lambda x, w: np.cov(x, fweights=[1, 2, 2, 1], aweights=w, ddof=1), M, P.positive(4), single=False)
T.add(np.average, lambda a, w: np.average(a, axis=(0, 2), weights=w), C, P.positive(2, 4))
T.add(np.average, lambda a, w: np.average(a, axis=(2, 1), weights=w, keepdims=True), C, P.positive(4, 3))

# -- counts -----------------------------------------------------------------------------------------------------------

PLACES = np.array([0, 3, 1, 3, 3])
T.add(np.bincount, lambda w: np.bincount(PLACES, w), V, single=False)
T.add(np.bincount, lambda w: np.bincount(PLACES, weights=w, minlength=7), V, single=False)
T.add(np.bincount, lambda x: x * np.bincount(PLACES + (x > 0), minlength=5)[:5], V)
EDGES = [-2.0, -0.7, 0.1, 1.4, 2.5]
for bins in (4, EDGES, "sqrt"):
    T.add(np.histogram_bin_edges, lambda a, b=bins: np.histogram_bin_edges(a, b), V, single=False)
T.add(np.histogram_bin_edges, lambda a, r: np.histogram_bin_edges(a, 3, range=(-r, r)), V, 2.3, single=False)
for bins in (4, EDGES, "sqrt"):
    T.add(np.histogram, lambda a, b=bins: np.histogram(a, b), V, single=False)
    T.add(np.histogram, lambda a, b=bins: np.histogram(a, b, density=True), V, single=False)
for bins in (4, EDGES):
    T.add(np.histogram, lambda a, w, b=bins: np.histogram(a, b, weights=w), V, P.positive(5), single=False)
    T.add(
        np.histogram, lambda a, w, b=bins: np.histogram(a, b, weights=w, density=True), V, P.positive(5), single=False
    )
T.add(np.histogram, lambda r: np.histogram(V, 4, range=(-r, r), density=True), 2.3, single=False)
T.add(np.histogram, lambda a: np.histogram(a, 3, range=(-1.0, 1.5)), M, single=False)
T.add(np.histogram, lambda e: np.histogram(V, e, density=True), np.array(EDGES), single=False)
X, Y, W = P.normal(6), P.normal(6), P.positive(6)
for kw in ({"bins": 3}, {"bins": [2, 3]}, {"bins": EDGES}, {"bins": [EDGES, 2]}, {"bins": 3, "density": True},
           {"bins": 2, "range": [[-1.0, 1.0], [-2.0, 2.0]]}):  # fmt: skip
    T.add(np.histogram2d, lambda x, y, kw=kw: np.histogram2d(x, y, **kw), X, Y, single=False)
    T.add(np.histogram2d, lambda x, w, kw=kw: np.histogram2d(x, Y, weights=w, **kw), X, W, single=False)
T.add(np.histogramdd, lambda x: np.histogramdd(x, 2)[0] * 1.0, P.normal(6, 2), single=False)
T.add(np.histogramdd, lambda x: np.histogramdd(x, 2, density=True)[0], P.normal(6, 2), single=False)
T.add(np.histogramdd, lambda x, w: np.histogramdd(x, (2, 3), weights=w)[0], P.normal(6, 2), W, single=False)
T.add(np.histogramdd, lambda x, y: np.histogramdd((x, y), 2)[1][0], X, Y, single=False)


@pytest.mark.parametrize("case", T.cases, ids=lambda case: case.id)
def test_rule(case: Case) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", np.exceptions.ComplexWarning)
        try:
            case.f(*case.args)
        except TypeError as err:
            pytest.skip(f"a keyword that this NumPy does not have: {err}")
        try:
            verify(case)
        except AutodiffError as err:
            if "orders in its own way" not in str(err) or np.lib.NumpyVersion(np.__version__) >= "2.3.0":
                raise
            pytest.skip(str(err))


def test_a_quantile_at_an_element_is_that_element() -> None:
    x = np.array([3.0, 1.0, 2.0])
    assert np.array_equal(jacobian(lambda a: np.quantile(a, [0.0, 0.5, 1.0]))(x), [[0, 1, 0], [0, 0, 1], [1, 0, 0]])


def test_quantiles_of_nothing_but_nan_are_nan() -> None:
    def f(x: Any) -> Any:
        y = np.stack([x, np.nan * x])
        return np.nanquantile(y, 0.3, axis=1)[0]

    with pytest.warns(RuntimeWarning, match="All-NaN"):
        assert np.count_nonzero(grad(f)(V)) == 2


def test_a_quantile_passes_nan_on() -> None:
    assert np.isnan(np.quantile(np.append(V, np.nan), 0.4))
    assert grad(lambda x: np.nansum(np.quantile(np.append(x, np.nan), 0.4)))(V).shape == V.shape


def test_perfect_correlation_has_no_slope() -> None:
    g = grad(lambda x: np.corrcoef(x, 2.0 * x + 1.0)[0, 1])(V)
    assert np.max(np.abs(g)) < 1e-14


def test_too_few_degrees_of_freedom() -> None:
    with pytest.warns(RuntimeWarning, match="Degrees of freedom"):
        assert not np.isfinite(grad(lambda x: np.cov(x, ddof=9))(V)).any()


def test_complex_nan_to_num_is_refused() -> None:
    with pytest.raises(AutodiffError, match="nan_to_num"), np.errstate(all="ignore"):
        grad(lambda x: np.sum(np.abs(np.nan_to_num(x * (1 + 1j) / 0.0))))(np.array([1.0]))
