# ruff: noqa: B008  (a case is bound to the loop by a default)
"""NumPy's objects that are no functions: r_, mgrid, vectorize, frompyfunc, fromiter, numpy.polynomial."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy import polynomial as package
from numpy.polynomial import Polynomial

from gradcheck.autodiff import AutodiffError, grad

from .checking import Case, Table, verify
from .points import Points

P = Points(15)
T = Table()
V, M = P.normal(4), P.normal(3, 4)

# -- r_, c_, mgrid, ogrid ---------------------------------------------------------------------------------------------

T.add("r_", lambda x: np.r_[x, 1.0, x[0], [2.0, 3.0]], V, single=False)
T.add("r_", lambda x: np.r_[x[0], x[1:3], 5], V, single=False)
T.add("r_", lambda x, y: np.r_["-1", x, y], M, P.normal(3, 2), single=False)
T.add("r_", lambda x: np.r_["0,2", x, x[::-1]], V, single=False)
T.add("r_", lambda x: np.r_["1,2,0", x, x * x], V, single=False)
T.add("r_", lambda a: np.r_[a:3.0:4j, 7.0], 0.4, single=False)
T.add("r_", lambda a, h: np.r_[a:3.0:h], 0.4, 0.7, single=False)
T.add("c_", lambda x: np.c_[x, x**2, np.ones(4)], V, single=False)
T.add("c_", lambda x, y: np.c_[x, y], M, P.normal(3), single=False)
T.add("c_", lambda x: np.c_[x[0], x[1]], V, single=False)
T.add("mgrid", lambda a, b: np.mgrid[a:b:3j, 0:1:2j], 0.3, 2.0, single=False)
T.add("mgrid", lambda a, b: np.mgrid[0:a:b], 2.3, 0.5, single=False)
T.add("mgrid", lambda b: np.mgrid[0:2.0:b, 1:3], 0.6, single=False)
T.add("ogrid", lambda a, b: np.ogrid[a:b:3j, 0:1:2j], 0.3, 2.0, single=False)

# -- vectorize, frompyfunc, fromiter ----------------------------------------------------------------------------------


def relu_like(x: float, k: float = 2.0) -> float:
    return k * x if x > 0 else x**2


two = np.vectorize(lambda a, b: (a * b, a + b))
T.add("vectorize", lambda x: np.vectorize(relu_like)(x), M, single=False)
T.add("vectorize", lambda x: np.vectorize(relu_like, otypes=[float])(x, 3.0), M, single=False)
T.add("vectorize", lambda x, k: np.vectorize(relu_like, excluded=["k"])(x, k=k), V, 1.3, single=False)
T.add("vectorize", lambda x: np.vectorize(relu_like)(x), 0.7, single=False)
T.add("vectorize", two, M, V, single=False)
T.add("vectorize", lambda x: np.vectorize(lambda i: x[i] ** 2)(np.arange(4)), V, single=False)
T.add("vectorize", np.vectorize(lambda u, v: np.dot(u, v), signature="(n),(n)->()"), M, V, single=False)
T.add("vectorize", np.vectorize(lambda u: (u * u, u.sum()), signature="(n)->(n),()"), M, single=False)
product = np.frompyfunc(lambda a, b: a * b + a, 2, 1)
T.add("frompyfunc", lambda x: np.sum(product(x, 2.0)), V, single=False)
T.add("frompyfunc", lambda x, y: product(x, y).astype(float) * 2.0, V, 0.3, single=False)
T.add("fromiter", lambda x: np.fromiter((e * e for e in x), float), V, single=False)
T.add("fromiter", lambda x: np.fromiter((e * e for e in x), dtype=np.float64, count=3), V, single=False)

# -- numpy.polynomial -------------------------------------------------------------------------------------------------

C, D = P.normal(4), P.normal(3)
X, GRID = P.normal(6) / 2.5, np.linspace(-1.0, 1.0, 6)
MODULES = {
    "poly": package.polynomial, "cheb": package.chebyshev, "leg": package.legendre, "herm": package.hermite,
    "herme": package.hermite_e, "lag": package.laguerre,
}  # fmt: skip
if hasattr(package.polynomial, "polyvalnd"):  # since NumPy 2.5
    T.add(
        package.polynomial.polyvalnd,
        lambda x, c: package.polynomial.polyvalnd([x, x[::-1] * 0.5], c),
        X,
        P.normal(2, 3),
        single=False,
    )
for prefix, module in MODULES.items():

    def named(name: str, prefix: str = prefix, module: Any = module) -> Any:
        return getattr(module, prefix + name)

    options: dict[str, Any] = {"single": False, "second": prefix in ("poly", "cheb")}
    T.add(prefix, lambda x, c, f=named("val"): f(x, c), X, C, **options)
    T.add(prefix, lambda c, f=named("val"): f(0.3, c), C, **options)
    T.add(prefix, lambda c, f=named("val"): f(X, c, tensor=False), P.normal(3, 6), **options)
    T.add(
        np.polynomial.polynomial.polyval2d if prefix == "poly" else prefix,
        lambda x, c, f=named("val2d"): f(x, x + 0.1, c),
        X,
        P.normal(2, 3),
        **options,
    )
    T.add(
        np.polynomial.polynomial.polygrid2d if prefix == "poly" else prefix,
        lambda x, c, f=named("grid2d"): f(x, x[:2], c),
        X,
        P.normal(2, 3),
        **options,
    )
    for name in ("add", "sub", "mul"):
        T.add(prefix, named(name), C, D, **options)
        T.add(prefix, lambda c, f=named(name): f([1.0, 2.0], c), D, **options)
    T.add(prefix, named("div"), C, D, **options)
    T.add(prefix, lambda c, f=named("mulx"): f(c), C, **options)
    T.add(prefix, lambda c, f=named("pow"): f(c, 2), D, **options)
    T.add(prefix, lambda c, f=named("der"): f(c, 2), C, **options)
    T.add(prefix, lambda c, f=named("der"): f(c, scl=2.0, axis=1), P.normal(2, 4), **options)
    T.add(prefix, lambda c, k, f=named("int"): f(c, 1, k=[k], lbnd=0.4), C, 0.7, **options)
    T.add(prefix, lambda x, f=named("vander"): f(x, 3), X, **options)
    T.add(prefix, lambda r, f=named("fromroots"): f(r), D, **options)
    T.add(prefix, lambda c, f=named("roots"): f(c), np.array([-1.0, 0.3, 1.4]), rtol=1e-6, **options)
    T.add(prefix, lambda y, f=named("fit"): f(GRID, y, 2), P.normal(6), **options)
    T.add(prefix, lambda x, w, f=named("fit"): f(x, GRID**3, 2, w=w), GRID + 0.1, P.positive(6), rtol=1e-6, **options)
    T.add(prefix, lambda a, b, f=named("line"): f(a, b), 0.3, 0.4, **options)
    if prefix != "poly":
        T.add(prefix, lambda c, f=getattr(module, prefix + "2poly"): f(c), C, **options)
        T.add(prefix, lambda c, f=getattr(module, "poly2" + prefix): f(c), C, **options)
        T.add(prefix, lambda x, f=named("weight"): f(x), np.abs(X) * 0.4, **options)
for cls in (Polynomial, package.Chebyshev, package.Legendre, package.Hermite, package.HermiteE, package.Laguerre):
    o: dict[str, Any] = {"single": False, "second": cls in (Polynomial, package.Chebyshev)}
    T.add(cls.__name__, lambda c, x, k=cls: k(c)(x), C, X, **o)
    T.add(cls.__name__, lambda x, k=cls: k([1.0, 2.0, 3.0])(x), X, **o)
    T.add(cls.__name__, lambda c, k=cls: (k(c) * k([1.0, 2.0]) + 3.0 - k(c) // k([1.0, 0.5])).coef, C, **o)
    T.add(cls.__name__, lambda c, k=cls: k(c).deriv()(0.3) * k(c).integ(lbnd=0.1)(0.7) + (k(c) ** 2)(0.2), C, **o)
    T.add(cls.__name__, lambda y, k=cls: k.fit(GRID, y, 2)(0.4), P.normal(6), **o)
    T.add(cls.__name__, lambda c, d, k=cls: k(c, domain=[0.0, d])(0.3), C, 1.7, **o)
T.add("Polynomial", lambda c: Polynomial(c).roots(), np.array([-1.0, 0.3, 1.4]), single=False, rtol=1e-6)
T.add("Polynomial", lambda c: Polynomial([c, 2.0, c * c])(0.3), 0.7, single=False)
T.add(
    "Polynomial", lambda c: np.polynomial.polynomial.polyval(0.3, c) * np.polynomial.Polynomial(c)(0.1), C, single=False
)


@pytest.mark.parametrize("case", T.cases, ids=lambda case: case.id)
def test_rule(case: Case) -> None:
    verify(case)


def test_numbers_that_the_first_one_makes_integers() -> None:
    """NumPy takes the type of all results from the first one, and truncates."""
    f = np.vectorize(lambda a: 0 if a > 0 else a * 2.5)
    x = np.array([1.0, -1.0])
    assert f(x).dtype.kind == "i"
    assert np.array_equal(grad(lambda a: np.sum(f(a) * 1.0))(x), [0.0, 0.0])


def test_matrix_directives_are_refused() -> None:
    with pytest.raises(AutodiffError, match="directive 'r'"):
        grad(lambda x: np.sum(np.r_["r", x, x]))(V)


def test_names_are_numpys_again() -> None:
    assert package.polynomial.np is np
    assert package.polynomial.polyval(0.5, [1.0, 2.0]) == 2.0
    assert "tracing" not in repr(np.r_[0.0, 1.0])


# -- what is refused by name ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("f", "message"),
    [
        (lambda x: np.ma.array(x).sum(), r"np\.ma\.array: masked arrays cannot hold traced values"),
        (lambda x: np.ma.masked_array(x, mask=x > 0).sum(), r"np\.ma\.MaskedArray: masked arrays"),
        (lambda x: np.ma.masked_where(x > 1, x).sum(), r"np\.ma\.masked_where"),
        (lambda x: np.asmatrix(x).sum(), r"np\.asmatrix: np\.matrix cannot hold traced values"),
        (lambda x: np.matrix([[x[0], x[1]]]).sum(), r"np\.matrix: np\.matrix cannot"),
        (lambda x: np.random.default_rng(0).normal(loc=x[0]), r"random generator's normal\(\)"),
        (lambda x: np.sum(np.random.normal(x, 1.0)), r"random generator's normal\(\).*standard_normal"),
        (lambda x: np.random.default_rng(0).uniform(0.0, x[0]), r"random generator's uniform\(\)"),
    ],
)
def test_refused_by_name_with_advice(f: Any, message: str) -> None:
    with pytest.raises(AutodiffError, match=message):
        grad(f)(V)


def test_subclasses_without_traced_values_work() -> None:
    def f(x: Any) -> Any:
        mask = np.ma.masked_array([1.0, 2.0, 3.0, 4.0], mask=[0, 1, 0, 1])
        assert isinstance(mask, np.ma.MaskedArray)
        assert not isinstance(x, np.ma.MaskedArray | np.matrix)
        return np.sum(x * mask.filled(0.0)) + np.random.default_rng(0).normal()

    assert np.array_equal(grad(f)(V), [1.0, 0.0, 3.0, 0.0])
    assert np.ma.masked_array is np.ma.MaskedArray
