"""Univariate distributions of scipy.stats: every method of every distribution, in all arguments, against differences.

The parameters are those of SciPy's own tests. What is numeric is first order and labelled; what is exact is tested in
both modes, and for the common distributions to second order, with arrays that broadcast.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from scipy import stats
from scipy.stats import norm
from scipy.stats._distr_params import distcont, distdiscrete

from gradcheck.autodiff import AutodiffError, elementwise_grad, grad, hessian, jacobian, jvp, noting
from tests.autodiff.checking import Case, verify

from .written import Written

POINTS = ("logpdf", "pdf", "cdf", "sf", "logcdf", "logsf", "ppf", "isf")
COUNTS = ("logpmf", "pmf", "cdf", "sf", "logcdf", "logsf")
# Distributions whose values are integrals by quadrature: too slow for a table.
SLOW = {"levy_stable", "studentized_range", "gausshyper", "genhyperbolic", "geninvgauss", "kappa4", "dpareto_lognorm"}
# Shapes that are whole numbers.
WHOLE = {"ksone": 1, "kstwo": 1, "irwinhall": 1}
FIXED = {
    "binom": {1}, "hypergeom": {1, 2, 3}, "nhypergeom": {1, 2, 3}, "betabinom": {1}, "boltzmann": {2},
    "randint": {1, 2}, "nchypergeom_fisher": {1, 2, 3}, "nchypergeom_wallenius": {1, 2, 3}, "zipfian": {2},
    "betanbinom": {1},
}  # fmt: skip


def first(table: Any) -> dict[str, tuple[Any, ...]]:
    found: dict[str, tuple[Any, ...]] = {}
    for name, shapes in table:
        if isinstance(name, str) and name not in SLOW and not any(isinstance(s, list | np.ndarray) for s in shapes):
            found.setdefault(name, tuple(shapes))
    return found


def method_of(dist: Any, name: str) -> Callable[..., Any]:
    function: Callable[..., Any] = eval(f"lambda *args: dist.{name}(*args)", {"dist": dist})
    return function


def slopes(f: Callable[..., Any], args: Sequence[Any], k: int) -> list[float]:
    """Differences at several steps, of which one must be met: SciPy's values have branches and noise."""
    found = []
    for h in (1e-3, 1e-4):
        at = []
        for step in (-2, -1, 1, 2):
            moved = list(args)
            moved[k] = moved[k] + step * h * max(1.0, abs(moved[k]))
            at.append(f(*moved))
        found.append((at[0] - 8 * at[1] + 8 * at[2] - at[3]) / (12 * h * max(1.0, abs(args[k]))))
    return [float(d) for d in found]


def check(f: Callable[..., Any], args: Sequence[Any], places: Sequence[int], what: str) -> None:
    with noting(), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        gradient = grad(f, tuple(places))(*args)
        value, tangent = jvp(f, tuple(args), tuple(1.0 if k in places else 0.0 for k in range(len(args))))
        expected = f(*args)
        assert value == pytest.approx(expected, rel=1e-12), what
        assert tangent == pytest.approx(sum(gradient), rel=1e-6, abs=1e-9), what
        for k, g in zip(places, gradient, strict=True):
            measured = slopes(f, args, k)
            assert any(abs(g - m) <= 1e-5 * max(abs(g), abs(m)) + 1e-7 for m in measured), (what, k, g, measured)


@pytest.mark.parametrize("name", sorted(first(distcont)))
def test_continuous(name: str) -> None:
    dist, shapes = getattr(stats, name), first(distcont)[name]
    loc, scale = 0.3, 1.7
    x = float(dist.ppf(0.37, *shapes)) * scale + loc
    for method in POINTS:
        args = [0.37 if method in ("ppf", "isf") else x, *map(float, shapes), loc, scale]
        places = [k for k in range(len(args)) if k != WHOLE.get(name)]
        check(method_of(dist, method), args, places, method)


def varied(name: str, shapes: tuple[Any, ...]) -> list[int]:
    """The places of a discrete distribution's parameters that are not whole numbers, after its count."""
    return [k for k in range(1, len(shapes) + 1) if k not in FIXED.get(name, ())]


@pytest.mark.parametrize("name", sorted(name for name, shapes in first(distdiscrete).items() if varied(name, shapes)))
def test_discrete(name: str) -> None:
    dist, shapes = getattr(stats, name), first(distdiscrete)[name]
    k0 = int(dist.ppf(0.4, *shapes))
    places = varied(name, shapes)
    args = [k0, *(s if k + 1 not in places else float(s) for k, s in enumerate(shapes))]
    for method in COUNTS:
        f = method_of(dist, method)
        check(lambda *a, f=f: f(k0, *a[1:]), [float(k0), *args[1:]], places, method)


SUMMARY = {
    "norm": (), "gamma": (1.9,), "beta": (2.3, 0.6), "t": (4.4,), "expon": (), "weibull_min": (1.8,), "pareto": (4.6,),
    "lognorm": (0.9,), "chi2": (5.5,), "gumbel_r": (), "uniform": (), "invgamma": (6.1,), "genpareto": (0.1,),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(SUMMARY))
def test_moments(name: str) -> None:
    dist, shapes = getattr(stats, name), SUMMARY[name]
    args = [*shapes, 0.4, 1.3]
    for method in ("mean", "var", "std", "entropy", "median"):
        check(method_of(dist, method), args, range(len(args)), method)
    check(lambda *a: dist.moment(3, *a), args, range(len(args)), "moment")
    check(lambda *a: dist.interval(0.8, *a)[1], args, range(len(args)), "interval")
    check(lambda *a: dist.stats(*a, moments="mvsk")[1], args, range(len(args)), "stats")
    if np.all(np.isfinite(dist.support(*args))):
        check(lambda *a: dist.support(*a)[1], args, range(len(args)), "support")


C = Written(globals())
X = np.array([0.4, 1.3, 2.7])
for text, values in {
    "norm.logpdf(x, m, s)": {"x": X, "m": 0.3, "s": 1.2},
    "stats.norm.cdf(x, loc=m, scale=s)": {"x": X, "m": 0.3, "s": 1.2},
    "stats.norm(m, s).logsf(x)": {"x": X, "m": np.array([[0.1], [0.3]]), "s": 1.2},
    "stats.norm.ppf(p, m, s)": {"p": np.array([0.2, 0.7]), "m": 0.3, "s": 1.2},
    "stats.gamma.logpdf(x, a, scale=s)": {"x": X, "a": 1.7, "s": 1.2}, "stats.gamma.cdf(x, a)": {"x": X, "a": 1.7},
    "stats.gamma(a).ppf(p)": {"a": 1.7, "p": 0.3}, "stats.beta.logpdf(x, a, b)": {"x": X / 3, "a": 1.7, "b": 2.2},
    "stats.beta.sf(x, a, b)": {"x": X / 3, "a": 1.7, "b": 2.2}, "stats.t.logpdf(x, df)": {"x": X, "df": 3.3},
    "stats.t.logcdf(x, df)": {"x": X, "df": 3.3}, "stats.chi2.isf(p, df)": {"p": 0.3, "df": 3.3},
    "stats.f.logpdf(x, n, d)": {"x": X, "n": 3.3, "d": 5.5}, "stats.lognorm.pdf(x, s)": {"x": X, "s": 0.8},
    "stats.weibull_min.logpdf(x, c)": {"x": X, "c": 1.4}, "stats.genextreme.logpdf(x, c)": {"x": X, "c": 0.1},
    "stats.genextreme.logpdf(x, c) ": {"x": X, "c": 0.0}, "stats.genpareto.logpdf(x, c)": {"x": X, "c": 0.0},
    "stats.genpareto.cdf(x, c)": {"x": X, "c": 0.3}, "stats.truncnorm.logpdf(x, a, b)": {"x": X, "a": -0.4, "b": 3.1},
    "stats.truncnorm.cdf(x, a, b)": {"x": X, "a": -0.4, "b": 3.1}, "stats.skewnorm.logpdf(x, a)": {"x": X, "a": 1.4},
    "stats.laplace.logpdf(x, m)": {"x": X, "m": 0.3}, "stats.logistic.pdf(x, m, s)": {"x": X, "m": 0.3, "s": 1.2},
    "stats.cauchy.cdf(x, m)": {"x": X, "m": 0.3}, "stats.pareto.logpdf(x, b)": {"x": X + 1, "b": 1.3},
    "stats.nakagami.logpdf(x, nu)": {"x": X, "nu": 1.3}, "stats.poisson.logpmf([0, 2, 5], mu)": {"mu": 1.7},
    "stats.poisson.cdf([0, 2, 5], mu)": {"mu": 1.7}, "stats.binom.logpmf([0, 2, 5], 7, p)": {"p": 0.3},
    "stats.binom.sf(3, 7, p)": {"p": 0.3}, "stats.nbinom.logpmf(3, n, p)": {"n": 4.4, "p": 0.3},
    "stats.geom.pmf(3, p)": {"p": 0.3}, "stats.bernoulli.logpmf([0, 1], p)": {"p": 0.3},
    "stats.gamma.mean(a, scale=s)": {"a": 1.7, "s": 1.2}, "stats.beta.var(a, b)": {"a": 1.7, "b": 2.2},
    "stats.norm.logpdf([x[0], 0.5, x[1]], 0.2)": {"x": X},
}.items():  # fmt: skip
    C(text.strip(), **values, rtol=1e-5, single=False)


@pytest.mark.parametrize("case", C.all, ids=lambda case: case.id)
def test_all_orders_and_shapes(case: Case) -> None:
    with noting(strict=True):
        verify(case)


def test_outside_of_the_support_nothing_changes() -> None:
    assert elementwise_grad(lambda x: stats.expon.pdf(x))(np.array([-0.5, 0.5])) == pytest.approx([0.0, -np.exp(-0.5)])
    assert elementwise_grad(lambda x: stats.gamma.logpdf(x, 2.0))(np.array([-0.5, 0.5])) == pytest.approx([0.0, 1.0])
    assert elementwise_grad(lambda x: stats.beta.cdf(x, 2.0, 3.0))(np.array([-0.5, 1.5])).tolist() == [0.0, 0.0]
    assert np.isnan(grad(lambda s: stats.norm.logpdf(0.3, 0.0, s))(-1.0))
    assert grad(lambda k: stats.poisson.cdf(k, 2.0))(2.5) == 0.0
    assert grad(lambda m: stats.poisson.ppf(0.5, 2.0, loc=m))(1.0) == 1.0
    assert jacobian(lambda m: stats.norm.logpdf(np.zeros(0), m))(0.3).shape == (0,)


law = norm.logpdf


class Frozen:
    prior = stats.gamma(2.0, scale=3.0)

    def energy(self, x: Any) -> Any:
        from scipy.stats import beta

        return -self.prior.logpdf(x) - law(x, 0.5) - beta(2.0, 3.0).logpdf(x / 10)


def test_however_the_name_is_bound() -> None:
    def f(x: float) -> Any:
        return Frozen().energy(x)

    assert grad(f)(1.3) == pytest.approx((f(1.3 + 1e-6) - f(1.3 - 1e-6)) / 2e-6, rel=1e-7)


class Mine(stats.rv_continuous):
    def _pdf(self, x: Any, rate: Any) -> Any:
        return rate * np.exp(-rate * x)


class Odd(stats.rv_continuous):
    def _logpdf(self, x: Any, rate: Any) -> Any:
        return np.array([np.log(r) - r * float(v) for r, v in zip(rate, x, strict=True)])


def test_a_distribution_of_the_users_own() -> None:
    mine = Mine(name="mine", a=0.0, shapes="rate")
    with noting() as notes:
        assert grad(lambda r: mine.logpdf(0.7, r))(1.3) == pytest.approx(1 / 1.3 - 0.7)
        assert grad(lambda x: mine.cdf(x, 1.3))(0.7) == pytest.approx(1.3 * np.exp(-0.91))
    assert not notes.numeric
    odd = Odd(name="odd", a=0.0, shapes="rate")
    with noting() as notes:
        assert grad(lambda x: odd.logpdf(x, 1.3))(0.7) == pytest.approx(-1.3)  # float() would lose it
    assert [name for name, _ in notes.numeric] in ([], ["scipy.stats.odd.logpdf"])  # or the cast is replaced here


def test_a_branch_for_one_value_of_a_parameter_is_not_believed() -> None:
    # kappa4's own code has a branch for h = 0 in which h does not occur.
    f = method_of(stats.kappa4, "logpdf")
    with noting() as notes:
        g = grad(f, 1)(0.8, 0.0, 0.5)
    assert notes.numeric
    assert g == pytest.approx((f(0.8, 1e-4, 0.5) - f(0.8, -1e-4, 0.5)) / 2e-4, rel=1e-4)


@pytest.mark.parametrize(
    ("f", "advice"),
    [
        (lambda m: stats.norm.rvs(m, size=3).sum(), "standard variates"),
        (lambda m: stats.gamma(m).rvs(3).sum(), "standard variates"),
        (lambda m: stats.gamma.fit(np.array([m, 1.0, 2.0]))[0], "log-likelihood"),
        (lambda m: stats.norm.expect(lambda x: x, loc=m), "quad"),
    ],
)
def test_refused_with_advice(f: Any, advice: str) -> None:
    with pytest.raises(AutodiffError) as caught:
        grad(f)(0.7)
    assert "scipy.stats" in caught.value.message
    assert advice in str(caught.value.hint)


def test_hessian_of_a_likelihood() -> None:
    data = np.array([0.4, 1.2, 3.0, 0.7])

    def loss(p: Any) -> Any:
        return -np.sum(stats.gamma.logpdf(data, p[0], scale=p[1]))

    p = np.array([1.5, 0.7])
    H, G = hessian(loss)(p), grad(loss)
    for k in range(2):
        step = np.eye(2)[k] * 1e-6
        assert H[k] == pytest.approx((G(p + step) - G(p - step)) / 2e-6, rel=1e-6)


@pytest.mark.skipif(not hasattr(stats, "Normal"), reason="SciPy 1.15 has them first")
@pytest.mark.parametrize(
    "f",
    [
        lambda m: stats.Normal(mu=m, sigma=2.0).logpdf(0.3),
        lambda s: stats.Normal(mu=0.2, sigma=s).ccdf(0.3),
        lambda p: stats.Normal(mu=0.2, sigma=1.4).icdf(p),
        lambda b: stats.Uniform(a=0.0, b=b).pdf(0.2),
        lambda s: stats.Normal(mu=0.2, sigma=s).entropy(),
        lambda x: stats.Normal().logcdf(x),
    ],
)
def test_new_interface(f: Any) -> None:
    assert grad(f)(0.4) == pytest.approx((f(0.4 + 1e-5) - f(0.4 - 1e-5)) / 2e-5, rel=1e-6)
    assert jvp(f, (0.4,), (1.0,))[1] == pytest.approx(grad(f)(0.4))
