"""``import gradcheck.numpy as np`` as a drop-in for NumPy."""

from __future__ import annotations

import math
import types
from typing import Any

import numpy
import pytest
from gradcheck.numpy.linalg import norm

import gradcheck.numpy as np
from gradcheck.autodiff import grad, hessian, jacobian
from gradcheck.numpy import array, float64, zeros
from gradcheck.numpy import sum as total


def test_every_public_name_is_numpys() -> None:
    assert np.__all__ == numpy.__all__
    assert {name for name in numpy.__all__ if getattr(np, name) is not getattr(numpy, name)} == set()
    assert np.linalg is numpy.linalg
    assert np.fft is numpy.fft
    assert np.random is numpy.random
    assert set(dir(np)) >= set(numpy.__all__)


def test_unknown_name() -> None:
    with pytest.raises(AttributeError, match=r"module 'gradcheck.numpy' has no attribute 'no_such'"):
        np.no_such  # noqa: B018


def test_star_import() -> None:
    space: dict[str, Any] = {}
    exec("from gradcheck.numpy import *", space)
    assert space["einsum"] is numpy.einsum
    assert space["zeros"] is numpy.zeros


def test_module_form() -> None:
    def f(x: Any) -> Any:
        y = np.zeros(3)
        for i in range(3):
            y[i] = np.sin(x[i]) * x[0]
        a = np.array([[x[0], x[1]], [x[1], 3.0]])
        return np.linalg.det(a) + np.sum(y) + np.float64(x[2]) * np.ones(2)[0] + np.full(2, x[1])[0]

    x = numpy.array([0.3, 0.7, 1.1])
    s, c = numpy.sin(x), numpy.cos(x)
    expected = [3.0 + s.sum() + x[0] * c[0], -2 * x[1] + x[0] * c[1] + 1.0, x[0] * c[2] + 1.0]
    assert grad(f)(x) == pytest.approx(expected)


def test_names_bound_by_from_import() -> None:
    def f(x: Any) -> Any:
        y = zeros(2)
        y[0] = x * x
        return total(array([x, y[0]])) + norm(array([x, x])) + float64(x)

    assert grad(f)(3.0) == pytest.approx(1 + 6 + math.sqrt(2.0) + 1)


def test_types_take_their_branch() -> None:
    def f(x: Any) -> Any:
        assert isinstance(x, np.ndarray)
        assert isinstance(x[0], np.float64)
        assert x.dtype == np.float64
        return np.where(x > 0, x**3, 0.0)

    assert jacobian(f)(numpy.array([2.0, -1.0])) == pytest.approx(numpy.array([[12.0, 0.0], [0.0, 0.0]]))
    assert hessian(lambda x: np.sum(f(x)))(numpy.array([2.0, -1.0])) == pytest.approx(
        numpy.array([[12.0, 0.0], [0.0, 0.0]])
    )


def test_modules_are_importable() -> None:
    import gradcheck.numpy.fft as fft
    import gradcheck.numpy.random as random

    assert isinstance(fft, types.ModuleType)
    assert random.default_rng is numpy.random.default_rng
