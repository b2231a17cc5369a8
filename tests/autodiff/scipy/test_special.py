# ruff: noqa: E501  (tables: a case a line)
"""Every rule for scipy.special: values, both modes, second order, float32; refused parameters; loading."""

from __future__ import annotations

import math
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import scipy.special as sp
from scipy.special import logsumexp, softmax

from gradcheck.autodiff import (
    AutodiffError,
    NumericDerivativeWarning,
    elementwise_grad,
    grad,
    hessian,
    jvp,
    noting,
)
from gradcheck.autodiff.rules import load_for_loaded_modules
from tests.autodiff.checking import Case, Table, verify

load_for_loaded_modules()
T = Table()
rng = np.random.default_rng(3)


def points(low: float, high: float, n: int = 5) -> Any:
    return rng.permutation(np.linspace(low, high, n))


ONE = {
    (
        -2.4,
        2.6,
    ): "erf erfc erfcx erfi dawsn ndtr log_ndtr expit log_expit cosm1 exp10 exp2 expm1 exprel sindg cosdg rgamma "
    "j0 j1 i0 i1 i0e i1e",
    (0.3, 3.7): "gamma gammaln loggamma psi entr y0 y1 k0 k1 k0e k1e exp1 expi spence log1p cbrt",
    (0.1, 0.9): "erfinv erfcinv ndtri logit ellipk ellipkm1 ellipe",
    (-3.0, -0.2): "ndtri_exp ellipk ellipe cbrt",
    (-1.8, -1.2): "gamma gammaln psi rgamma",
    (-1e-2, 1.1e-2): "exprel ellipk ellipe",
    (20.0, 60.0): "tandg cotdg round",
}
LESS_SMOOTH = {
    "gamma",
    "gammaln",
    "psi",
    "rgamma",
    "k1",
    "y1",
    "exp1",
    "erfinv",
    "erfcinv",
    "ndtri",
    "logit",
    "cotdg",
    "tandg",
}
for (low, high), names in ONE.items():
    for name in names.split():
        f = getattr(sp, name)
        rtol = 1e-5 if name in LESS_SMOOTH else 1e-7
        single = not (low == -1.8 or name == "round")
        T.calls(f, [points(low, high)], rtol=rtol, single=single)
        T.calls(f, [float(points(low, high)[0])], rtol=rtol, single=False)
for name in ("beta", "betaln", "xlogy", "xlog1py", "rel_entr", "kl_div", "pseudo_huber", "boxcox", "boxcox1p", "inv_boxcox",
             "inv_boxcox1p", "binom", "poch"):  # fmt: skip
    f = getattr(sp, name)
    T.calls(f, [points(0.6, 2.4, 3), points(0.7, 1.9, 3)])
    T.calls(f, [points(0.6, 2.4, 3)[:, None], points(0.7, 1.9, 2)])
    T.calls(f, [0.8, 1.7])
for f in (sp.boxcox, sp.boxcox1p, sp.inv_boxcox, sp.inv_boxcox1p):  # the other parameter near and at 0
    T.calls(f, [points(0.6, 2.4, 4), np.array([0.0, 1e-3, -4e-3, 0.2])])
T.calls(sp.huber, [np.array([0.5, 1.0, 1.5]), np.array([0.3, -2.0, 1.9])])
T.calls(sp.huber, [0.7, -1.9])

ORDERS: tuple[Any, ...] = (0, 1, 2.5)
for f in (sp.jv, sp.yv, sp.iv, sp.ive, sp.kv, sp.kve, sp.hyp0f1):
    for v in ORDERS if f is not sp.hyp0f1 else (1.0, 2.5):
        T.add(f, lambda x, f=f, v=v: f(v, x), points(0.6, 3.1))
        T.add(f, lambda x, f=f, v=v: f(v, x), 1.3, single=False)
for f in (sp.yn, sp.kn, sp.expn):
    for k in (0, 1, 3):
        T.add(f, lambda x, f=f, k=k: f(k, x), points(0.8, 3.1), rtol=1e-5)
T.add(sp.expn, lambda x: sp.expn([0, 1, 2, 3, 4], x), points(0.8, 3.1), rtol=1e-5)
for f in (sp.gammainc, sp.gammaincc):
    T.add(f, lambda x, f=f: f(2.5, x), points(0.4, 4.0))
for f in (sp.gammaincinv, sp.gammainccinv):
    T.add(f, lambda p, f=f: f(2.5, p), points(0.2, 0.8), rtol=1e-6)
for f in (sp.betainc, sp.betaincc, sp.betaincinv):
    T.add(f, lambda x, f=f: f(2.5, 1.5, x), points(0.2, 0.8), rtol=1e-6)
T.add(sp.hyp2f1, lambda z: sp.hyp2f1(0.5, 1.5, 2.5, z), points(-0.6, 0.6), rtol=1e-6)
T.add(sp.hyp1f1, lambda x: sp.hyp1f1(0.5, 1.5, x), points(-1.6, 1.6))
T.add(sp.hyperu, lambda x: sp.hyperu(0.5, 1.5, x), points(0.6, 2.6))
T.add(sp.ellipkinc, lambda x: sp.ellipkinc(x, 0.4), points(-1.0, 1.3))
T.add(sp.ellipeinc, lambda x: sp.ellipeinc(x, 0.4), points(-1.0, 1.3))
T.add(sp._ufuncs._zeta, lambda q: sp.zeta(2.5, q), points(0.7, 2.6))
T.add(sp._ufuncs._lambertw, lambda x: sp.lambertw(x), points(0.3, 2.6))
T.add(sp._ufuncs._lambertw, lambda z: sp.lambertw(z, 1), points(0.3, 2.6) + 0.4j)
Z = points(0.3, 1.6, 3) + 1j * points(0.2, 0.9, 3)
for f in (sp.wofz, sp.erf, sp.loggamma, sp.expi, sp.exp1, sp.spence, sp.dawsn, sp.gamma):
    T.calls(f, [Z], rtol=1e-6, second=f not in (sp.loggamma, sp.gamma))
T.add(sp.wofz, lambda x: sp.wofz(x), points(-1.0, 1.3))
for f in (sp.hankel1, sp.hankel2, sp.kve):
    T.add(f, lambda z, f=f: f(1, z), Z, rtol=1e-6)
for f in (sp.fresnel, sp.sici, sp.shichi):
    T.add(f, lambda x, f=f: f(x), points(0.3, 2.2), single=False)
    T.add(f, lambda x, f=f: f(x)[0], 0.01 * points(-0.3, 0.4), single=False)

PYTHON: list[Case] = []
A = points(-1.5, 2.0, 6).reshape(2, 3)
P = Table()
for n in (0, 1, 2):
    P.add("polygamma", lambda x, n=n: sp.polygamma(n, x), points(0.7, 2.6), rtol=1e-6)
P.add("polygamma", lambda x: sp.polygamma(1, x), 1.3)
for kw in ({}, {"axis": 0}, {"axis": -1, "keepdims": True}, {"axis": (0, 1)}, {"keepdims": True}):
    P.add("logsumexp", lambda x, kw=kw: sp.logsumexp(x, **kw), A)
    P.add("logsumexp", lambda x, b, kw=kw: sp.logsumexp(x, b=b, **kw), A, 0.3 + points(0.4, 1.0, 3))
P.add("logsumexp", lambda x, b: sp.logsumexp(x, b=b, return_sign=True), A, -np.abs(A))
P.add("logsumexp", lambda x: sp.logsumexp(x, b=[1.0, -0.2, 0.5], return_sign=True, axis=1), A, single=False)
P.add("logsumexp", lambda x: sp.logsumexp([x[0], 1.0, x[1] * x[2]]), A[0], single=False)
P.add("logsumexp", lambda x: logsumexp(x), A)  # bound by name
P.add("logsumexp", lambda x: logsumexp(x), 0.7)
for kw in ({}, {"axis": 0}, {"axis": -1}, {"axis": (0, 1)}):
    P.add("softmax", lambda x, kw=kw: sp.softmax(x, **kw), A)
    P.add("log_softmax", lambda x, kw=kw: sp.log_softmax(x, **kw), A)
P.add("softmax", lambda x: softmax(x), A)
if hasattr(sp, "softplus"):
    P.add("softplus", lambda x: sp.softplus(x), A)


@pytest.mark.parametrize("case", T.cases, ids=lambda case: case.id)
def test_ufunc(case: Case) -> None:
    verify(case)


@pytest.mark.parametrize("case", P.cases, ids=lambda case: case.id)
def test_python_function(case: Case) -> None:
    verify(case)


def test_ufunc_without_rule_is_numeric_and_said_to_be() -> None:
    with noting() as notes:
        assert grad(lambda x: sp.pro_cv(1.0, 2.0, x))(0.3) == pytest.approx(
            (sp.pro_cv(1.0, 2.0, 0.3 + 1e-5) - sp.pro_cv(1.0, 2.0, 0.3 - 1e-5)) / 2e-5, rel=1e-6
        )
    assert ["pro_cv" in name for name, _ in notes.numeric] == [True]
    with noting(strict=True), pytest.raises(AutodiffError, match="pro_cv"):
        grad(lambda x: sp.pro_cv(1.0, 2.0, x))(0.3)
    with pytest.warns(NumericDerivativeWarning, match="pro_cv"):
        grad(lambda x: sp.pro_cv(1.0, 2.0, x))(0.3)


def test_tails() -> None:
    # Far out on the left Φ underflows, and the inverse Mills ratio tends to −x.
    assert grad(sp.log_ndtr)(-200.0) == pytest.approx(200.0049996, rel=1e-9)
    assert grad(sp.log_expit)(-800.0) == 1.0
    assert grad(sp.expit)(40.0) == pytest.approx(math.exp(-40.0), rel=1e-12)
    assert elementwise_grad(sp.exprel)(np.array([0.0, 1e-9])) == pytest.approx([0.5, 0.5])
    assert grad(sp.spence)(1.0) == -1.0
    assert grad(sp.ellipk)(0.0) == pytest.approx(math.pi / 8)
    assert grad(sp.j1)(0.0) == 0.5


def test_conventions_at_zero() -> None:
    assert grad(lambda y: sp.xlogy(0.0, y))(0.0) == 0.0
    assert grad(lambda a: logsumexp(np.array([a, -np.inf])))(0.3) == 1.0
    assert np.array_equal(grad(lambda a: logsumexp(a))(np.array([-np.inf, 2.0])), [0.0, 1.0])
    assert np.array_equal(grad(lambda a: logsumexp(a))(np.array([1000.0, 0.0])), [1.0, 0.0])


def test_softmax_cross_entropy_hessian_is_diag_minus_outer() -> None:
    x = np.array([0.3, -1.2, 2.0])
    p = softmax(x)
    assert hessian(lambda x: logsumexp(x))(x) == pytest.approx(np.diag(p) - np.outer(p, p), abs=1e-14)


def test_math_gamma_twice() -> None:
    assert grad(grad(lambda x: math.lgamma(x)))(2.5) == pytest.approx(float(sp.polygamma(1, 2.5)))
    assert jvp(lambda x: math.gamma(x), (2.5,), (1.0,))[1] == pytest.approx(math.gamma(2.5) * float(sp.psi(2.5)))


def test_plain_calls_are_scipys_own() -> None:
    before = sp.logsumexp
    grad(lambda x: sp.logsumexp(x) + float(sp.logsumexp([1.0, 2.0])))(np.array([0.1, 0.2]))
    assert sp.logsumexp is before
    assert sp.logsumexp([1.0, 2.0]) == before([1.0, 2.0])


PROGRAM = """
import sys
import numpy as np
import gradcheck
assert gradcheck.grad(lambda x: np.sum(x**2))(np.ones(2))[0] == 2.0
assert not any(name.startswith("scipy") for name in sys.modules), "SciPy was loaded for nothing"
from scipy.special import erf, logsumexp
print(round(gradcheck.grad(lambda x: erf(x) + logsumexp(np.array([x, x])))(0.5), 6))
"""


def test_rules_load_with_the_users_scipy() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert done.stdout.split() == [f"{2 / math.sqrt(math.pi) * math.exp(-0.25) + 1:.6f}"], done.stderr
