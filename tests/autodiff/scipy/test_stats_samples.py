# ruff: noqa: E501  (tables: a case a line)
"""Multivariate distributions, density estimates and statistics of samples, as user code, against differences."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import scipy
from scipy import stats
from scipy.stats import gaussian_kde, multivariate_normal

from gradcheck.autodiff import AutodiffError, grad, noting
from tests.autodiff.checking import Case, verify

from .written import Written

C = Written(globals())
X = np.array([[0.3, -0.4], [1.0, 2.0], [0.2, 0.9]])
S = np.array([[1.5, 0.4], [0.4, 0.8]])
R = np.eye(3) + 0.2
M = np.array([0.1, 0.3])
A = np.array([1.2, 2.0, 0.7])
P = np.array([0.2, 0.5, 0.3])
D = np.array([0.1, 0.7, 1.9, -0.3])
for text, values in {
    "multivariate_normal.logpdf(x, m, c)": {"x": X, "m": M, "c": S}, "stats.multivariate_normal.pdf(x, m, c)": {"x": X[0], "m": M, "c": S},
    "multivariate_normal(m, c).logpdf(x)": {"x": X[0], "m": M, "c": S}, "multivariate_normal(mean=M, cov=S).logpdf(x)": {"x": X},
    "multivariate_normal.logpdf(x, cov=s)": {"x": 0.4, "s": 1.3}, "multivariate_normal.logpdf(x, M, s)": {"x": X, "s": 1.3},
    "multivariate_normal.logpdf(x, M, d)": {"x": X, "d": np.array([0.6, 1.4])}, "multivariate_normal.entropy(M, c)": {"c": S},
    "stats.multivariate_t.logpdf(x, m, c, df)": {"x": X, "m": M, "c": S, "df": 3.4}, "stats.multivariate_t(m, S, df).pdf(X)": {"m": M, "df": 3.4},
    "stats.dirichlet.logpdf(x, a)": {"x": P[:2], "a": A}, "stats.dirichlet(a).pdf(P)": {"a": A}, "stats.dirichlet.mean(a)": {"a": A},
    "stats.dirichlet.var(a)": {"a": A}, "stats.dirichlet.cov(a)": {"a": A}, "stats.dirichlet.entropy(a)": {"a": A},
    "stats.dirichlet_multinomial.logpmf([1, 2, 3], a, 6)": {"a": A},
    "stats.wishart.logpdf(x, df, c)": {"x": S, "df": 4.2, "c": S + 0.1 * np.eye(2)}, "stats.wishart(4.2, c).pdf(S)": {"c": S},
    "stats.invwishart.logpdf(x, df, c)": {"x": S, "df": 4.2, "c": S + 0.1 * np.eye(2)},
    "stats.matrix_normal.logpdf(x, m, r, c)": {"x": X, "m": 0.4 * X, "r": R, "c": S}, "stats.matrix_normal(0.4 * X, R, c).logpdf(X)": {"c": S},
    "gaussian_kde(D)(x)": {"x": np.array([0.3, 0.5])}, "gaussian_kde(d).logpdf([0.3, 0.5])": {"d": D}, "stats.gaussian_kde(d, bw_method='silverman').pdf(0.3)": {"d": D},
    "gaussian_kde(D, weights=w).evaluate([0.2])": {"w": np.array([0.3, 0.4, 0.1, 0.7])}, "gaussian_kde(np.stack([d, d**2 + 0.1])).pdf([[0.1], [0.3]])": {"d": D},
    "gaussian_kde(d).integrate_box_1d(-1.0, x)": {"d": D, "x": 0.3},
}.items():  # fmt: skip
    C(text, **values, rtol=3e-5, single=False)
if hasattr(stats, "normal_inverse_gamma"):
    C(
        "stats.normal_inverse_gamma.logpdf(x, s, m, k, a, b)",
        x=0.3,
        s=0.4,
        m=0.5,
        k=0.6,
        a=0.7,
        b=1.8,
        rtol=1e-5,
        single=False,
    )

V = np.array([0.31, 1.2, -0.7, 2.1, 0.65, 1.9])
Y = np.array([0.2, 0.9, -0.4, 1.7, 1.1, 2.5])
W = np.abs(V) + 0.3
THROUGH = ("stats.iqr", "stats.median", "stats.levene", "stats.chi2", "stats.power_div")
EXACT = """
stats.zscore(v) | stats.zscore(v.reshape(2, 3), axis=1, ddof=1) | stats.zscore(v.reshape(2, 3), axis=None) | stats.zmap(v, Y) | stats.zmap(Y, v) | stats.gzscore(v**2 + 0.1)
stats.skew(v) | stats.skew(v, bias=False) | stats.skew(v.reshape(2, 3), axis=1, keepdims=True) | stats.kurtosis(v) | stats.kurtosis(v, fisher=False, bias=False) | stats.kurtosis(v.reshape(2, 3), axis=None)
stats.pearsonr(v, Y)[0] | stats.pearsonr(v, Y).pvalue | stats.pearsonr(v, Y, alternative='less').pvalue | stats.pearsonr(Y, v).statistic | stats.pointbiserialr([0, 1, 1, 0, 1, 0], v)[0]
stats.gmean(v**2 + 0.1) | stats.gmean(v**2 + 0.1, weights=W) | stats.hmean(v**2 + 0.1) | stats.pmean(v**2 + 0.1, 3) | stats.pmean(W, v[0]) | stats.trim_mean(v, 0.2) | stats.sem(v) | stats.variation(v, ddof=1) | stats.iqr(v)
stats.moment(v, 3) | stats.describe(v).variance | stats.describe(v).skewness | stats.ttest_ind(v, Y).pvalue | stats.ttest_ind(v, Y, equal_var=False).statistic | stats.ttest_1samp(v, 0.3)[1] | stats.ttest_rel(v, Y).statistic
stats.linregress(v, Y).slope | stats.linregress(Y, v).intercept | stats.linregress(v, Y).rvalue | stats.linregress(v, Y).stderr | stats.linregress(v, Y).intercept_stderr | stats.linregress(v, Y).pvalue | stats.ttest_ind(v, Y).confidence_interval(0.9).high | stats.entropy(v**2 + 0.1) | stats.entropy(W, v**2 + 0.1, base=2) | stats.differential_entropy(v)
stats.boxcox(v**2 + 0.3, 0.4) | stats.boxcox(W, v[0]) | stats.boxcox_llf(v[0], v**2 + 0.3) | stats.yeojohnson(v, 0.4) | stats.yeojohnson(V, v[0]) | stats.yeojohnson_llf(v[0], v)
stats.circmean(v) | stats.circvar(v) | stats.circstd(v) | stats.circstd(v, high=3.0, low=-1.0) | stats.wasserstein_distance(v, Y) | stats.wasserstein_distance(v, Y, v**2 + 0.1, W) | stats.energy_distance(v, Y)
stats.tmean(v, (-1, 1.95)) | stats.tvar(v, (-1, 1.95)) | stats.gstd(v**2 + 0.2) | stats.kstat(v, 3) | stats.median_abs_deviation(v) | stats.trimboth(v, 0.2) | stats.f_oneway(v, Y, W).statistic | stats.f_oneway(v, Y, W).pvalue
stats.bartlett(v, Y).pvalue | stats.levene(v, Y).statistic | stats.chi2_contingency((v**2 + 0.2).reshape(2, 3)).statistic | stats.power_divergence(v**2 + 0.2, lambda_=0.4)[0] | stats.jarque_bera(v).statistic
stats.combine_pvalues(1 / (1 + np.exp(-v))).statistic | stats.obrientransform(v, Y)[0]
"""
# What SciPy's own code is written with in older releases cannot be traced: by differences there, to first order.
OLD = tuple(int(part) for part in scipy.__version__.split(".")[:2]) < (1, 17)
for line in EXACT.strip().splitlines():
    for text in line.split(" | "):
        C(text, v=V, rtol=3e-5, single=False, second="median" not in text and not (OLD and text.startswith(THROUGH)))


@pytest.mark.parametrize("case", C.all, ids=lambda case: case.id)
def test_exact(case: Case) -> None:
    with noting(strict=not (OLD and case.id.startswith(THROUGH))):
        verify(case)


def test_multinomial() -> None:
    def f(p: Any) -> Any:
        return stats.multinomial.logpmf([1, 2, 3], 6, p)

    # The last probability is what the others leave.
    assert grad(f)(P) == pytest.approx([1 / 0.2 - 3 / 0.3, 2 / 0.5 - 3 / 0.3, 0.0])
    assert grad(lambda t: stats.multinomial(6, np.exp(t) / np.sum(np.exp(t))).logpmf([1, 2, 3]))(
        np.log(P)
    ) == pytest.approx(np.array([1.0, 2.0, 3.0]) - 6 * P)


def test_vonmises_fisher_in_its_concentration() -> None:
    if not hasattr(stats, "vonmises_fisher"):
        pytest.skip("SciPy 1.11 has it first")

    def f(k: float) -> Any:
        return stats.vonmises_fisher.logpdf(np.array([0.0, 1.0]), np.array([0.6, 0.8]), k)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with noting():  # the order of the Bessel function is fixed: nothing numeric is used
            assert grad(f)(1.3) == pytest.approx((f(1.3 + 1e-5) - f(1.3 - 1e-5)) / 2e-5, rel=1e-6)


@pytest.mark.parametrize(
    "f",
    [
        lambda v: stats.spearmanr(v, Y)[0],
        lambda v: stats.kendalltau(v, Y)[0],
        lambda v: stats.rankdata(v)[0] * 1.0,
        lambda v: stats.mannwhitneyu(v, Y).statistic * 1.0,
        lambda v: stats.weightedtau(v, Y)[0],
    ],
)
def test_ranks_have_no_derivative(f: Any) -> None:
    with noting():
        assert grad(lambda v: f(v) + 0.0 * v[0])(V) == pytest.approx(np.zeros(6), abs=1e-12)


@pytest.mark.parametrize(
    "f",
    [lambda v: multivariate_normal.cdf(v[:2], M, S)],
)  # fmt: skip
def test_numeric_and_labelled(f: Any) -> None:
    with noting() as notes:
        g = grad(f)(V)
    assert notes.numeric
    for k in range(len(V)):
        step = 1e-5 * np.eye(len(V))[k]
        assert g[k] == pytest.approx((f(V + step) - f(V - step)) / 2e-5, abs=2e-5)


@pytest.mark.parametrize(
    ("f", "name"),
    [
        (lambda v: multivariate_normal.rvs(v[:2], S), "rvs"),
        (lambda v: stats.mvsdist(v)[0].mean(), "mvsdist"),
        (lambda v: stats.bayes_mvs(v)[0].statistic, "bayes_mvs"),
        (lambda v: stats.bootstrap((v,), np.mean).standard_error, "bootstrap"),
        (lambda v: stats.fit(stats.norm, v, [(-1, 1), (0.1, 2)]).params[0], "fit"),
        (lambda v: gaussian_kde(V).resample(3) * v[0] + gaussian_kde(v).resample(3), "resample"),
        (lambda v: multivariate_normal.logpdf(v[:2], M, np.outer(v[:2], v[:2]), allow_singular=True), "singular"),
    ],
)
def test_refused_by_name(f: Any, name: str) -> None:
    with noting(), pytest.raises(AutodiffError, match=name):
        grad(lambda v: np.sum(f(v)))(V)


def test_nans_are_left_to_scipy() -> None:
    def f(v: Any) -> Any:
        return stats.skew(np.append(v, np.nan), nan_policy="omit")

    with noting():
        assert grad(f)(V) == pytest.approx(grad(lambda v: stats.skew(v))(V), rel=1e-4)
