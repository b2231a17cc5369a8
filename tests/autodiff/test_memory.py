"""What NumPy answers with a view and what with a copy: a write to either side tells which.

Whether ``ravel``, ``astype(copy=False)`` and their kin share memory depends on how the array lies there. Each is asked
of arrays that lie in many ways; then the result is written to, or the array that it was taken of. The expected value
is plain NumPy's, and so are the derivatives, by differences.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gradcheck.autodiff import grad, hvp, jvp
from gradcheck.autodiff.errors import AutodiffError

from .checking import difference, numeric_gradient

# Of np.broadcast_arrays, whose results NumPy will make read-only.
pytestmark = pytest.mark.filterwarnings("ignore:Numpy has detected that you:DeprecationWarning")

POINT = np.array([0.7, -1.2, 1.6])
DIRECTION = np.array([0.7, -0.4, 0.2])

BASES: dict[str, Callable[[Any], Any]] = {
    "vector": lambda x: x * 1.0,
    "matrix": lambda x: np.outer(x, x),
    "in Fortran order": lambda x: np.outer(x, x + 1.0).T,
    "three axes": lambda x: np.multiply.outer(x, np.outer(x[:2], x)),
    "column": lambda x: (x * 2.0).reshape(-1, 1),
    "complex": lambda x: np.outer(x, x) * (1.0 + 2.0j),
}
LAYOUTS: dict[str, Callable[[Any], Any]] = {
    "whole": lambda a: a,
    "reversed": lambda a: a[::-1],
    "every second": lambda a: a[::2],
    "all reversed": np.flip,
    "part": lambda a: a[1:],
    "left to right": lambda a: np.fliplr(a) if a.ndim > 1 else a[::-2],
    "rotated": lambda a: np.rot90(a) if a.ndim > 1 else a,
    "one column": lambda a: a[..., :1].T,
    "reversed column as row": lambda a: a.reshape(-1, 1)[::-1].T,
    "diagonal": lambda a: a.reshape(-1)[::4],
    "repeated": lambda a: np.broadcast_to(a, (2, *a.shape)),
    "row of repeated": lambda a: np.broadcast_to(a, (2, *a.shape)).T[..., -1],
    "windows": lambda a: np.lib.stride_tricks.sliding_window_view(a, 2, 0)[1:],
    "true diagonal": lambda a: a.diagonal() if a.ndim > 1 else a,
    "imaginary part": lambda a: (a * (1.0 - 1.0j)).imag,
    "imaginary part of repeated": lambda a: np.broadcast_to(a * (1.0 - 1.0j), (2, *a.shape)).imag[1],
}
KIN: dict[str, Callable[[Any, Any], Any]] = {
    "ravel": lambda a, order: a.ravel(order),
    "np.ravel": lambda a, order: np.ravel(a, order=order),
    "flatten": lambda a, order: a.flatten(order),
    "astype without copy": lambda a, order: a.astype(a.dtype, order=order, copy=False),
    "astype": lambda a, order: a.astype(a.dtype, order=order).ravel("K"),
    "astype another": lambda a, order: a.astype(complex, order=order, copy=False).ravel("K"),
    "array": lambda a, order: np.array(a, order=order).ravel("K"),
    "array without copy": lambda a, order: np.array(a, copy=None, order=order),
    "asarray": lambda a, order: np.asarray(a, order=order),
    "asarray of a type": lambda a, order: np.asarray(a, a.dtype, order),
    "copy": lambda a, order: a.copy(order).ravel("K"),
    "reshape": lambda a, order: a.reshape(-1, order="C" if order == "K" else order),
    "reshape with copy": lambda a, order: a.reshape(a.shape, order="C" if order == "K" else order, copy=True),
}
ALONE: dict[str, Callable[[Any], Any]] = {
    "squeeze": lambda a: a.squeeze(),
    "ascontiguousarray": lambda a: np.ascontiguousarray(a),
    "asfortranarray": lambda a: np.asfortranarray(a),
    "asarray with copy": lambda a: np.asarray(a, copy=True),
    "asarray never copied": lambda a: np.asarray(a, copy=False),
    "array of three axes": lambda a: np.array(a, ndmin=3, copy=None),
    "require C": lambda a: np.require(a, None, "C"),
    "require F": lambda a: np.require(a, None, ["F", "W"]),
    "require own": lambda a: np.require(a, None, "O"),
    "meshgrid": lambda a: np.meshgrid(a)[0],
    "meshgrid without copy": lambda a: np.meshgrid(a, copy=False)[0],
    "sparse meshgrid": lambda a: np.meshgrid(a, a * 2.0, sparse=True)[0],
    "sparse meshgrid without copy": lambda a: np.meshgrid(a, a * 2.0, sparse=True, copy=False)[0],
    "broadcast_arrays": lambda a: np.broadcast_arrays(a, 0.0)[0],
    "atleast_1d": np.atleast_1d,
    "atleast_2d": np.atleast_2d,
    "atleast_3d": np.atleast_3d,
    "expand_dims": lambda a: np.expand_dims(a, 0),
    "transpose": np.transpose,
    "conj": lambda a: a.conj(),
    "conjugate": lambda a: a.conjugate(),
    "np.conj": np.conj,
    "plus": lambda a: +a,
    "real": lambda a: a.real,
    "np.real": np.real,
    "imag": lambda a: a.imag if a.dtype == complex else a,
    "real_if_close": np.real_if_close,
    "view": lambda a: a.view(),
}


def write_to_result(a: Any, c: Any, x: Any) -> None:
    c[(0,) * c.ndim] = x[1] * 3.0
    c *= x[0]


def write_to_source(a: Any, c: Any, x: Any) -> None:
    a[(-1,) * a.ndim] = x[0] * 5.0
    a[(0,) * a.ndim] *= x[2]


def total(a: Any) -> Any:
    s = np.sum(a * a * a * np.arange(1.0, a.size + 1.0).reshape(a.shape))
    return s.real + s.imag


def check(base: Any, layout: Any, kin: Any, write: Any, second: bool = False) -> None:
    def f(x: Any) -> Any:
        a = base(x)
        c = kin(layout(a))
        write(a, c, x)
        return total(a) + 0.3 * total(c)

    try:
        f(POINT)
    except ValueError as e:
        with pytest.raises(ValueError, match=str(e)):  # NumPy's own: for reading only, or has to be copied
            grad(f)(POINT)
        return
    y, expected = f(POINT), numeric_gradient(f, (POINT,), 0)
    near = 1e-6 * max(1.0, float(np.max(np.abs(expected))))
    assert grad(f)(POINT) == pytest.approx(expected, rel=1e-6, abs=near)
    value, tangent = jvp(f, (POINT,), (DIRECTION,))
    assert value == pytest.approx(y, rel=1e-13)
    assert tangent == pytest.approx(expected @ DIRECTION, rel=1e-6, abs=near)
    if second:
        curved = difference(grad(f), (POINT,), (DIRECTION,))[0]
        near = 1e-5 * max(1.0, float(np.max(np.abs(curved))))
        assert hvp(f)(POINT, DIRECTION) == pytest.approx(curved, rel=1e-5, abs=near)
        assert grad(lambda x: jvp(f, (x,), (DIRECTION,))[1])(POINT) == pytest.approx(curved, rel=1e-5, abs=near)


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("kin", KIN)
def test_in_an_order(kin: str, base: str) -> None:
    for i, layout in enumerate(LAYOUTS.values()):
        for k, order in enumerate("CFKA"):
            write = (write_to_result, write_to_source)[(i + k) % 2 == 0]
            second = k == 0 and layout is LAYOUTS["reversed"]
            check(BASES[base], layout, lambda a, order=order: KIN[kin](a, order), write, second)


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("kin", ALONE)
def test_kin(kin: str, base: str) -> None:
    for layout in LAYOUTS.values():
        check(BASES[base], layout, ALONE[kin], write_to_source, second=layout is LAYOUTS["reversed"])
        if kin != "broadcast_arrays":
            check(BASES[base], layout, ALONE[kin], write_to_result)


def test_copy_that_must_not_be() -> None:
    with pytest.raises(ValueError, match="Unable to avoid copy"):
        grad(lambda x: np.sum(np.asarray([x[0], x[1]], copy=False)))(POINT)
    with pytest.raises(ValueError, match="Unable to avoid copy"):
        grad(lambda x: np.sum(np.array(np.outer(x, x), order="F", copy=False)))(POINT)


def modf_by_place(x: Any, t: Any, u: Any) -> Any:
    np.modf(x * 2.0, t, u)
    return t * t + u * x


def modf_in_place(x: Any, t: Any, u: Any) -> Any:
    a = x * 3.0
    first, second = np.modf(a, out=(a, u))
    assert first is a
    assert second is u
    return a * a * u


def modf_masked(x: Any, t: Any, u: Any) -> Any:
    t[:] = x * x
    np.modf(x, out=(t, None), where=np.array([True, False, True]), casting="same_kind")
    return t * x


def divmod_into_views(x: Any, t: Any, u: Any) -> Any:
    a, b = np.outer(x, x), np.zeros((3, 3))
    np.divmod(a, 0.37, out=(b.T, a[::-1]))
    return (a * a * (1.0 + b)).sum(axis=0)


def frexp_into(x: Any, t: Any, u: Any) -> Any:
    exponent = np.zeros(3, np.int32)
    np.frexp(x, out=(t, exponent))
    return t * t * (exponent + 2.0)


@pytest.mark.parametrize("f", [modf_by_place, modf_in_place, modf_masked, divmod_into_views, frexp_into])
def test_out_of_two_results(f: Callable[..., Any]) -> None:
    def g(x: Any) -> Any:
        return np.sum(f(x, np.zeros(3), np.zeros(3)))

    expected = numeric_gradient(g, (POINT,), 0)
    assert grad(g)(POINT) == pytest.approx(expected, rel=1e-7)
    assert jvp(g, (POINT,), (DIRECTION,)) == pytest.approx((g(POINT), expected @ DIRECTION), rel=1e-7)


def test_type_of_two_results_is_refused_by_name() -> None:
    with pytest.raises(AutodiffError, match="modf: keyword dtype is not supported"):
        grad(lambda x: np.sum(np.modf(x, dtype=float)[0]))(POINT)


def test_parts_of_complex_numbers_are_views() -> None:
    def f(x: Any) -> Any:
        w = np.zeros(3, complex)
        w.imag[0] = x[2]
        w.real[:] += x
        part = w.imag[::-1]
        part[:2] -= x[1:] * x[0]
        z = x + 1j * x
        late = z[1:].imag
        z.imag[0] = x[1] * part[1]
        z[2] *= w[2]
        late *= x[0]
        z.imag += late[[0, 1, 1]] * late[0]
        w[...] = w.real * z
        return np.sum(np.abs(w) ** 2 + np.real(z * z * w)) + np.sum(late * part[1:])

    check(lambda x: x * 1.0, lambda a: f(a) * np.ones(1), lambda c: c, lambda a, c, x: None, second=True)


def test_cotangents_of_both_kinds() -> None:
    """Real ones that come to a complex array first, and a complex one after."""

    def f(x: Any) -> Any:
        z = x * (1.0 + 1.0j)
        s = np.sum(z * z * 1j).real
        return np.ones(1) * (s + np.sum(z * 2.0).real + np.sum(z + 0.0).real + np.sum(z * 3.0).real)

    check(lambda x: x * 1.0, f, lambda c: c, lambda a, c, x: None, second=True)
