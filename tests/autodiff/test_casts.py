"""Conversions to float, wherever the function that converts is kept: a default argument, an attribute, a list; and
those of classes of the user's own."""

from __future__ import annotations

import builtins
import doctest
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from gradcheck import AutodiffError, grad, jvp
from gradcheck.autodiff import entrypoints, scope

X = np.array([1.5, 2.0, 3.0])


@dataclass
class Pair:
    a: float

    def square(self) -> Any:
        return float(self.a) ** 2


@dataclass(frozen=True, order=True)
class Frozen:
    a: float

    def square(self) -> Any:
        return float(self.a) ** 2


class Named:
    def __init__(self, a: Any) -> None:
        self.a = a

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}({self.a})"

    def square(self) -> Any:
        return float(self.a) ** 2


def by_default(x: Any, convert: Any = float) -> Any:
    return convert(x[0]) ** 2


def by_keyword_default(x: Any, *, convert: Any = np.float64) -> Any:
    return convert(x[0]) ** 2


class Model:
    convert = float

    def value(self, x: Any) -> Any:
        return self.convert(x[0]) ** 2


class Kept:
    def __init__(self) -> None:
        self.convert = {"float": float, "kinds": (int, float)}

    def value(self, x: Any) -> Any:
        return self.convert["float"](x[0]) * self.convert["kinds"][1](x[0])  # type: ignore[operator, index]


LIST = [float, np.float64]


class Celsius:
    def __init__(self, x: Any) -> None:
        self.x = x

    def __float__(self) -> float:
        return float(self.x[0])


class Bare(Celsius):
    def __float__(self) -> Any:
        return self.x[0]


def is_as_it_was() -> bool:
    return (
        by_default.__defaults__ == (float,)
        and by_default.__defaults__[0] is builtins.float
        and Model.convert is builtins.float
        and LIST[0] is builtins.float
        and LIST[1] is np.float64
    )


@pytest.mark.parametrize(
    ("f", "slope"),
    [
        (lambda x: Pair(x[0]).square(), 3.0),
        (lambda x: Frozen(x[0]).square(), 3.0),
        (lambda x: Named(x[0]).square(), 3.0),
        (by_default, 3.0),
        (lambda x: by_default(x), 3.0),
        (lambda x: by_keyword_default(x), 3.0),
        (lambda x: Model().value(x), 3.0),
        (Model().value, 3.0),
        (Kept().value, 3.0),
        (lambda x: sum(c(x[0]) for c in LIST) ** 2, 12.0),
        (lambda x: float(Celsius(x)) ** 2, 3.0),
        (lambda x: float(Bare(x)) ** 2, 3.0),
        (lambda x: np.float64(Bare(x)) ** 2, 3.0),
        (lambda x: math.sin(Celsius(x)), math.cos(1.5)),
        (lambda x: math.log(Bare(x)), 1.0 / 1.5),
        (lambda x: math.log(Bare(x), 2), 1.0 / 1.5 / math.log(2.0)),
        (lambda x: math.hypot(Bare(x), 2.0), 1.5 / 2.5),
        (lambda x: math.atan2(Bare(x), x[0]), 0.0),
    ],
)
def test_conversions_are_followed(f: Any, slope: float) -> None:
    for _ in range(2):
        assert grad(f)(X) == pytest.approx([slope, 0.0, 0.0])
    assert jvp(f, (X,), (np.ones(3),))[1] == pytest.approx(slope)
    assert is_as_it_was()


class Compares:
    convert = float

    def value(self, x: Any) -> Any:
        plain = (1.0).__class__ is self.convert
        return self.convert(x[0]) * (2.0 if plain else 3.0)


class Array:
    def __init__(self, x: Any) -> None:
        self.x = x

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return self.x * 2.0


class Wrong(Celsius):
    def __float__(self) -> Any:
        return "1.5"


def test_conversions_that_are_not_followed_are_refused() -> None:
    for f in (lambda x: builtins.float(x[0]), lambda x: x[0].__float__(), Compares().value):
        with pytest.raises(AutodiffError, match=r"float\(\) of a traced value"):
            grad(f)(X)
    for f in (lambda x: np.sum(np.sin(Array(x))), lambda x: np.sum(np.asarray(Array(x)))):
        with pytest.raises(AutodiffError, match="__array__ returned a traced value"):
            grad(f)(X)
    with pytest.raises(TypeError, match="__float__ returned non-float"):
        grad(lambda x: x[0] * float(Wrong(x)))(X)
    with pytest.raises(TypeError, match="must be real number"):
        grad(lambda x: x[0] * math.sin(None))(X)  # type: ignore[arg-type]


@pytest.mark.parametrize("module", [entrypoints, scope])
def test_examples_are_our_own(module: Any) -> None:
    """The stand-ins have NumPy's documentation, whose examples are not ours to run."""
    tests = doctest.DocTestFinder().find(module)
    assert not [t.name for t in tests if "np.array(" in "".join(e.source for e in t.examples)]
