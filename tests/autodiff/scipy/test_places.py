"""Interpolation at single points, in every form in which they are given: SciPy's shapes, and derivatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import interpolate as si
from scipy import ndimage

from gradcheck import grad, jvp
from gradcheck.autodiff.core import plain

RNG = np.random.default_rng(0)
G = np.arange(4.0)
Z, Z2, W = RNG.normal(size=(4, 4)), RNG.normal(size=(4, 4, 2)), RNG.normal(size=(4, 2))
P, V, V2 = RNG.uniform(size=(12, 2)) * 3, RNG.normal(size=12), RNG.normal(size=(12, 2))
X = np.array([1.31, 0.77, 0.43, 1.9])
RGI, LIN = si.RegularGridInterpolator, si.LinearNDInterpolator

CASES: dict[str, Callable[[Any], Any]] = {
    "grid 1": lambda x: si.RegularGridInterpolator((G,), x)([0.5]),
    "grid 1, (1, 1)": lambda x: si.RegularGridInterpolator((G,), x)([[0.5]]),
    "grid 1, two": lambda x: si.RegularGridInterpolator((G,), x)([0.5, 1.5]),
    "grid 1, tuple": lambda x: si.RegularGridInterpolator((G,), x)(([0.5, 1.5],)),
    "grid 1, vectors": lambda x: si.RegularGridInterpolator((G,), x[:, None] * W)([0.5]),
    "grid 2": lambda x: si.RegularGridInterpolator((G, G), Z * x)([1.3, 0.7]),
    "grid 2, flat": lambda x: si.RegularGridInterpolator((G, G), Z * x)([1.3, 0.7, 0.2, 0.4]),
    "grid 2, two": lambda x: si.RegularGridInterpolator((G, G), Z * x)([[1.3, 0.7], [0.2, 0.3]]),
    "grid 2, tuple": lambda x: si.RegularGridInterpolator((G, G), Z * x)((1.3, 0.7)),
    "grid 2, vectors": lambda x: si.RegularGridInterpolator((G, G), Z2 * x[:2])([1.3, 0.7]),
    "grid 2, nearest": lambda x: si.RegularGridInterpolator((G, G), Z * x, method="nearest")([1.3, 0.7]),
    "grid 2, moving": lambda x: si.RegularGridInterpolator((G, G), Z)(x[:2]),
    "grid 2, moving list": lambda x: si.RegularGridInterpolator((G, G), Z)([x[0], x[1]]),
    "grid 2, moving list, first": lambda x: si.RegularGridInterpolator((G, G), Z)([x[0], x[1]])[0],
    "grid 2, moving tuple": lambda x: si.RegularGridInterpolator((G, G), Z)((x[0], x[1])),
    "grid 2, moving, vectors": lambda x: si.RegularGridInterpolator((G, G), Z2)(x[:2]),
    "grid 2, moving, cubic": lambda x: si.RegularGridInterpolator((G, G), Z, method="cubic")(x[:2]),
    "interpn": lambda x: si.interpn((G, G), Z, x[:2]),
    "interpn of a list": lambda x: si.interpn((G, G), Z, [x[0], x[1]]),
    "interpn of values": lambda x: si.interpn((G, G), Z * x, [1.3, 0.7]),
    "interpn, splinef2d": lambda x: si.interpn((G, G), Z, x[:2], method="splinef2d"),
    "griddata": lambda x: si.griddata(P, V, x[:2]),
    "griddata of a list": lambda x: si.griddata(P, V, [x[0], x[1]]),
    "griddata, first": lambda x: si.griddata(P, V, [x[0], x[1]])[0],
    "griddata of a tuple": lambda x: si.griddata(P, V, (x[0], x[1])),
    "griddata of values": lambda x: si.griddata(P, V * x[0], [1.3, 0.7]),
    "griddata, nearest": lambda x: si.griddata(P, V * x[0], [1.3, 0.7], method="nearest"),
    "griddata of vectors": lambda x: si.griddata(P, V2, x[:2]),
    "simplices": lambda x: si.LinearNDInterpolator(P, V * x[0])(x[:2]),
    "simplices, list": lambda x: si.LinearNDInterpolator(P, V * x[0])([x[0], x[1]]),
    "simplices, x and y": lambda x: si.LinearNDInterpolator(P, V * x[0])(x[0], x[1]),
    "simplices, tuple": lambda x: si.LinearNDInterpolator(P, V * x[0])((x[0], x[1])),
    "simplices, vectors": lambda x: si.LinearNDInterpolator(P, V2 * x[0])(x[:2]),
    "simplices, plain": lambda x: si.LinearNDInterpolator(P, V)([x[0], x[1]]),
    "nearest": lambda x: si.NearestNDInterpolator(P, V * x[0])([1.3, 0.7]),
    "nearest, x and y": lambda x: si.NearestNDInterpolator(P, V * x[0])(1.3, 0.7),
    "nearest, moving": lambda x: x[0] * si.NearestNDInterpolator(P, V)(x[:2]),
}


@pytest.mark.parametrize("name", CASES)
def test_a_point_has_scipys_shape(name: str) -> None:
    f = CASES[name]
    expected = f(X)
    seen: list[Any] = []

    def total(x: Any) -> Any:
        y = f(x)
        seen.append(plain(y))
        return np.sum(np.sin(y))

    steps = 1e-6 * np.eye(4)
    slopes = [float(np.sum(np.sin(f(X + s))) - np.sum(np.sin(f(X - s)))) / 2e-6 for s in steps]
    assert np.allclose(grad(total)(X), slopes, atol=1e-6)
    assert jvp(total, (X,), (np.ones(4),))[1] == pytest.approx(sum(slopes), abs=1e-5)
    for y in seen:
        assert np.shape(y) == np.shape(expected)
        assert isinstance(y, np.ndarray) == isinstance(expected, np.ndarray)
        assert np.allclose(y, expected)


@pytest.mark.parametrize("place", [lambda x: x[0], lambda x: x[None, :3], lambda x: x[:3]])
def test_what_scipy_refuses_is_refused(place: Callable[[Any], Any]) -> None:
    for make in (lambda: RGI((G, G), Z), lambda: LIN(P, V)):
        with pytest.raises(Exception) as own:  # noqa: PT011
            make()(place(X))
        with pytest.raises((type(own.value), ValueError)):
            grad(lambda x, make=make: np.sum(make()(place(x))))(X)


def test_map_coordinates_takes_no_single_point() -> None:
    """SciPy's own error, word by word; a list of one point is followed."""
    for f in (lambda x: ndimage.map_coordinates(Z, [x[0], x[1]]), lambda x: ndimage.map_coordinates(Z, x[:2])):
        for call in (f, grad(f)):
            with pytest.raises(RuntimeError, match="input and output rank must be > 0"):
                call(X)
    assert np.any(grad(lambda x: ndimage.map_coordinates(Z, [[x[0]], [x[1]]])[0])(X))
