"""``scipy.fft`` and ``scipy.fftpack``: every transform against finite differences, both modes and second order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.fft  # noqa: F401  (used in the texts)
import scipy.fftpack as fp  # noqa: F401  (used in the texts)
from scipy.fft import fht, rfft

from gradcheck.autodiff import grad, noting
from tests.autodiff.checking import Case, verify
from tests.autodiff.scipy.written import Written

RNG = np.random.default_rng(5)
X = RNG.normal(size=7)
X2 = RNG.normal(size=(3, 6))
Z = RNG.normal(size=5) + 1j * RNG.normal(size=5)
Z2 = RNG.normal(size=(3, 4)) + 1j * RNG.normal(size=(3, 4))
X3 = RNG.normal(size=(2, 3, 4))
C = Written(globals())

for f in ("fft", "ifft"):
    C.each(f"scipy.fft.{f}(x%s)", "", ", 9", ", n=4, norm='ortho'", ", norm='forward'", x=X, single=False)
    C.each(f"scipy.fft.{f}(x%s)", ", axis=0, n=5, norm='forward'", x=Z2)
    C.each(f"scipy.fft.{f}n(x%s)", "", ", s=(2, 6), norm='ortho'", ", axes=(0,)", ", s=(3,)", ", s=(-1, 3)", x=Z2)
    C.each(f"scipy.fft.{f}2(x%s)", "", ", s=(4, 4)", x=X3, single=False)
C.each("rfft(x%s)", "", ", n=10", ", n=4", ", norm='ortho'", ", norm='forward'", x=X, single=False)
C.each("scipy.fft.rfft(x%s)", ", axis=0", ", n=5", x=X2, single=False)
C.each("scipy.fft.rfftn(x%s)", "", ", (4, 5), norm='forward'", ", axes=(1, 0)", ", s=(2, -1)", x=X2, single=False)
C.each("scipy.fft.rfft2(x%s)", "", ", s=(2, 9), norm='ortho'", x=X2, single=False)
C.each("scipy.fft.irfft(x%s)", "", ", n=7", ", n=12, norm='forward'", ", n=4", ", norm='ortho'", x=Z)
C("scipy.fft.irfft(x, n=6)", x=X, single=False)
C.each("scipy.fft.irfftn(x%s)", "", ", s=(4, 5), norm='forward'", ", axes=(0,)", x=Z2)
C.each("scipy.fft.irfft2(x%s)", ", norm='ortho'", ", s=(2, 8)", x=Z2)
C.each("scipy.fft.hfft(x%s)", "", ", n=7, norm='forward'", ", norm='ortho'", x=Z)
C.each("scipy.fft.ihfft(x%s)", "", ", n=6, norm='forward'", x=X, single=False)
C.each("scipy.fft.hfftn(x%s)", "", ", s=(4, 5)", x=Z2)
C("scipy.fft.hfft2(x, norm='forward')", x=Z2)
C.each("scipy.fft.ihfftn(x%s)", "", ", axes=(0,)", x=X2, single=False)
C("scipy.fft.ihfft2(x, norm='ortho')", x=X2, single=False)
for f in ("dct", "idct", "dst", "idst"):
    for form in (1, 2, 3, 4):
        for norm in (None, "ortho", "forward"):
            for orth in (None, True, False):
                rest = {"x": X[:5], "second": orth is None and norm is None, "single": False}
                C(f"scipy.fft.{f}(x, {form}, norm={norm!r}, orthogonalize={orth})", **rest)
    C.each(f"scipy.fft.{f}(x%s)", ", axis=0", ", n=4", ", n=8, type=3", x=X2)
    C(f"scipy.fft.{f}(x)", x=Z)
    C.each(f"scipy.fft.{f}n(x%s)", "", ", type=1, norm='ortho'", ", s=(2, 7)", ", axes=(0,)", x=X2)
C.each("scipy.fft.fftshift(x%s)", "", ", axes=0", x=X)
C("scipy.fft.fftshift(x, axes=(1,))", x=X2)
C("scipy.fft.ifftshift(x, axes=0)", x=X2)
C("scipy.fft.ifftshift(x)", x=X)
C("fht(x, 0.3, 0.5)", x=X)
C("fht(x, 0.3, 0.5, offset=0.1, bias=0.4)", x=X2)
C("scipy.fft.ifht(x, 0.3, 0.5, offset=0.1, bias=-0.2)", x=X2)
C("scipy.fft.fftfreq(6, d)", d=0.3, single=False)
C("scipy.fft.rfftfreq(6, d=d)", d=0.3, single=False)

C.each("fp.fft(x%s)", "", ", n=3, axis=0", x=Z2)
C("fp.ifft(x)", x=X, single=False)
C.each("fp.fftn(x%s)", "", ", shape=(2, 5)", x=Z2)
C("fp.ifftn(x, axes=(0,))", x=Z2)
C("fp.fft2(x)", x=Z2)
C("fp.ifft2(x)", x=X2, single=False)
for f in ("rfft", "irfft"):
    C.each(f"fp.{f}(x%s)", "", ", n=6", ", n=9", ", n=10", ", n=1", ", n=2", x=X)
    C.each(f"fp.{f}(x%s)", "", ", axis=0", x=X2)
for f in ("dct", "idct", "dst", "idst"):
    C.each(f"fp.{f}(x%s)", "", ", type=3, norm='ortho'", ", type=1", x=X)
    C.each(f"fp.{f}n(x%s)", "", ", norm='ortho'", ", shape=(2, 4)", x=X2)
C.each("fp.diff(x%s)", "", ", order=2", ", order=-1, period=2.0", x=X - X.mean(), single=False)
C("fp.diff(x)", x=X[:6], single=False)
C("fp.hilbert(x)", x=X, single=False)
C("fp.ihilbert(x)", x=X[:6], single=False)
C("fp.tilbert(x, 0.5)", x=X, single=False)
C("fp.itilbert(x, 0.5, period=3.0)", x=X, single=False)
C("fp.shift(x, 0.2)", x=X, single=False)
C("fp.shift(x, 0.2)", x=Z, single=False)
for f in ("sc_diff", "cs_diff", "cc_diff", "ss_diff"):
    C(f"fp.{f}(x, 0.3, 0.7)", x=X, single=False)
C("fp.fftshift(x)", x=X)
C("fp.rfftfreq(6, d)", d=0.3, single=False)


@pytest.mark.parametrize("case", C.all, ids=lambda c: c.id)
def test_rule(case: Case) -> None:
    verify(case)


def test_bound_names_and_nesting() -> None:
    def power(x: Any) -> Any:
        return np.sum(np.abs(rfft(x)) ** 4)

    h = 1e-6
    unit = np.eye(X.size)[2]
    assert np.isclose(grad(power)(X)[2], (power(X + h * unit) - power(X - h * unit)) / (2 * h), rtol=1e-6)


def test_parameters_of_the_hankel_transform_are_numeric() -> None:
    with noting() as notes:
        g = grad(lambda mu: np.sum(fht(X, 0.3, mu) ** 2))(0.5)
    h = 1e-5
    expected = (np.sum(fht(X, 0.3, 0.5 + h) ** 2) - np.sum(fht(X, 0.3, 0.5 - h) ** 2)) / (2 * h)
    assert np.isclose(g, expected, rtol=1e-5)
    assert [name for name, _ in notes.numeric] == ["scipy.fft.fht"]
