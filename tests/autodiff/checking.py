"""What every rule must satisfy, written once: value, first derivative in both modes, second in all four nestings.

The measure is plain NumPy: a fourth-order central difference of the plain function for first derivatives, and of the
first derivative (which has just been tested) for second ones. Cotangents and tangents are random, so no entry is left
out. Derivatives with respect to complex arguments follow the core's convention: the gradient of a real L is ∂L/∂x − i
∂L/∂y.
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gradcheck.autodiff import grad, jvp, vjp

STEP = 4e-4


@dataclass(frozen=True)
class Case:
    """A function of the arguments that are differentiated, and the rules that it exercises.

    Attributes:
        covers: keys of the rule tables.
        f: the function; everything that is not differentiated is in its closure.
        args: floats or arrays, at a point where f is smooth.
        second: whether second derivatives are tested.
        single: whether the float32 run is tested.
        rtol: tolerance of first and second derivatives, relative to the largest entry.
    """

    covers: tuple[Any, ...]
    f: Callable[..., Any]
    args: tuple[Any, ...]
    id: str
    second: bool = True
    single: bool = True
    rtol: float = 1e-7
    marks: tuple[Any, ...] = field(default=())


def name_of(key: Any) -> str:
    if isinstance(key, tuple):
        return f"{key[0].__name__}.{key[1]}"
    module = getattr(key, "__module__", "") or ""
    return ("linalg." if "linalg" in module else "") + getattr(key, "__name__", str(key))


class Table:
    """Collects cases and gives each an id."""

    def __init__(self) -> None:
        self.cases: list[Case] = []
        self._count: dict[str, int] = {}

    def add(self, covers: Any, f: Callable[..., Any], *args: Any, **options: Any) -> None:
        keys = tuple(covers) if isinstance(covers, list) else (covers,)
        name = name_of(keys[0])
        n = self._count[name] = self._count.get(name, 0) + 1
        self.cases.append(Case(keys, f, args, f"{name}-{n}", **options))

    def calls(self, function: Any, args: Sequence[Any], *keywords: dict[str, Any], **options: Any) -> None:
        """One case for each set of keywords: ``function(*args, **keywords)``."""
        for kw in keywords or ({},):
            self.add(function, lambda *a, kw=kw: function(*a, **kw), *args, **options)

    def covered(self) -> set[Any]:
        return {key for case in self.cases for key in case.covers}


# -- plain arithmetic on the results ---------------------------------------------------------------------------------


def leaves(y: Any) -> Iterator[Any]:
    if isinstance(y, list | tuple):
        for e in y:
            yield from leaves(e)
    else:
        yield y


def smooth(y: Any) -> bool:
    """Whether a result has a derivative at all; counts, positions and truth values have none."""
    return np.result_type(y).kind in "fc"


def random_like(rng: np.random.Generator, x: Any) -> Any:
    t = rng.normal(size=np.shape(x))
    if np.iscomplexobj(x):
        t = t + 1j * rng.normal(size=np.shape(x))
    if not isinstance(x, np.ndarray):
        return complex(t) if np.iscomplexobj(t) else float(t)
    y = np.empty_like(x)  # laid out as x, so that x + h·t is
    y[...] = t
    return y


def shifted(args: Sequence[Any], directions: Sequence[Any], h: float) -> list[Any]:
    return [a if d is None else a + h * d for a, d in zip(args, directions, strict=True)]


def difference(f: Callable[..., Any], args: Sequence[Any], directions: Sequence[Any]) -> list[Any]:
    """The derivative of all results of f along the directions (None: stay), by a fourth-order difference."""
    at = [[np.asarray(y) for y in leaves(f(*shifted(args, directions, k * STEP)))] for k in (-2, -1, 1, 2)]
    return [
        (a - 8.0 * b + 8.0 * c - d) / (12 * STEP) if smooth(a) else np.zeros(a.shape)
        for a, b, c, d in zip(*at, strict=True)
    ]


def numeric_gradient(L: Callable[..., Any], args: Sequence[Any], k: int) -> Any:
    x = np.asarray(args[k])
    g = np.zeros(x.shape, np.result_type(x.dtype, np.float64))
    for i in np.ndindex(x.shape):
        unit = np.zeros_like(x)
        unit[i] = 1.0
        ways = [None] * len(args)

        def slope(direction: Any, ways: list[Any] = ways) -> float:
            ways[k] = direction
            return float(difference(L, args, ways)[0])

        g[i] = slope(unit) - (1j * slope(1j * unit) if g.dtype.kind == "c" else 0.0)
    return g


def assert_close(actual: Any, expected: Any, rtol: float, what: str, atol: float = 1e-9) -> None:
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape, f"{what}: shape {actual.shape}, not {expected.shape}"
    scale = float(np.max(np.abs(expected), initial=0.0))
    error = float(np.max(np.abs(actual - expected), initial=0.0))
    assert error <= atol + rtol * max(scale, 1e-3), f"{what}: off by {error:g}\ngot      {actual}\nexpected {expected}"


def same_value(actual: Any, expected: Any, what: str) -> None:
    actual, expected = list(leaves(actual)), list(leaves(expected))
    assert len(actual) == len(expected), f"{what}: {len(actual)} results, not {len(expected)}"
    for a, e in zip(actual, expected, strict=True):
        assert np.shape(a) == np.shape(e), f"{what}: shape {np.shape(a)}, not {np.shape(e)}"
        assert isinstance(a, np.ndarray) == isinstance(e, np.ndarray), f"{what}: {type(a)}, not {type(e)}"
        if not isinstance(e, str):
            assert np.result_type(a) == np.result_type(e), f"{what}: {np.result_type(a)}, not {np.result_type(e)}"
            kind = np.result_type(e)
            tiny = 1e-14 if kind.kind not in "fc" or np.finfo(kind).eps < 1e-10 else 1e-5
            np.testing.assert_allclose(a, e, rtol=tiny, atol=tiny * float(np.max(np.abs(e), initial=0.0)), err_msg=what)


# -- what a case must satisfy ----------------------------------------------------------------------------------------


def verify(case: Case) -> None:
    f, args = case.f, case.args
    rng = np.random.default_rng(zlib.crc32(case.id.encode()))
    everything = tuple(range(len(args)))
    before = [np.array(a) for a in args]
    y = f(*args)
    tangents = [random_like(rng, a) for a in args]
    value, tangent = jvp(f, args, tangents)
    same_value(value, y, "value in forward mode")
    value, _ = vjp(f, *args)
    same_value(value, y, "value in reverse mode")

    measured = difference(f, args, tangents)
    for i, (t, m) in enumerate(zip(leaves(tangent), measured, strict=True)):
        if smooth(m) and np.size(m) and smooth(list(leaves(y))[i]):
            assert_close(t, m, case.rtol, f"jvp, result {i}")
    if len(args) > 1:
        for k in everything:
            # np.array: a plain array of the closure can be written to in the trace, as an argument can.
            only = jvp(
                lambda x, k=k: f(
                    *(x if i == k else np.array(a) if isinstance(a, np.ndarray) else a for i, a in enumerate(args))
                ),
                (args[k],),
                (tangents[k],),
            )[1]
            measured = difference(f, args, [t if i == k else None for i, t in enumerate(tangents)])
            for t, m, e in zip(leaves(only), measured, leaves(y), strict=True):
                if smooth(e):
                    assert_close(t, m, case.rtol, f"jvp along argument {k} alone")

    seeds = [random_like(rng, e) if smooth(e) else None for e in leaves(y)]

    def L(*a: Any) -> Any:
        total: Any = 0.0
        for e, g in zip(leaves(f(*a)), seeds, strict=True):
            if g is not None:
                total = total + np.sum(np.real(g * e))
        return total

    gradients = grad(L, everything)(*args)
    for k in everything:
        expected = numeric_gradient(L, args, k)
        assert_close(grad(L, k)(*args), expected, case.rtol, f"grad with respect to argument {k}")
        assert_close(gradients[k], expected, case.rtol, f"grad with respect to all arguments, argument {k}")
        assert np.result_type(gradients[k]) == np.result_type(args[k])
    if case.second:
        verify_second(case, L, tangents, [random_like(rng, a) for a in args])
    if case.single and all(np.result_type(a) == np.float64 for a in args):
        verify_single(case, gradients, L)
    for a, b in zip(args, before, strict=True):
        assert np.array_equal(a, b, equal_nan=True), "the argument was changed"


def pairing(gradient: Sequence[Any], direction: Sequence[Any]) -> Any:
    total: Any = 0.0
    for g, v in zip(gradient, direction, strict=True):
        total = total + np.sum(np.real(g * v))
    return total


def verify_second(case: Case, L: Callable[..., Any], v: list[Any], w: list[Any]) -> None:
    args, everything = case.args, tuple(range(len(case.args)))
    G = grad(L, everything)
    expected = difference(G, args, v)
    # The step shares its error between first and second derivatives: judge by the larger of the two.
    size = max((float(np.max(np.abs(g), initial=0.0)) for g in (*G(*args), *expected)), default=0.0)
    nestings = {
        "forward over reverse": jvp(G, args, v)[1],
        "reverse over reverse": grad(lambda *a: pairing(G(*a), v), everything)(*args),
        "reverse over forward": grad(lambda *a: jvp(L, a, v)[1], everything)(*args),
    }
    for name, found in nestings.items():
        for k in everything:
            assert_close(found[k], expected[k], case.rtol, f"{name}, argument {k}", 1e-8 + case.rtol * size)
    twice = jvp(lambda *a: jvp(L, a, v)[1], args, w)[1]
    total = pairing(expected, w)
    count = sum(np.size(a) for a in args)
    assert_close(twice, total, case.rtol, "forward over forward", (1e-8 + case.rtol * size) * max(count, 1))


def verify_single(case: Case, gradients: Sequence[Any], L: Callable[..., Any]) -> None:
    small = tuple(np.float32(a) if not isinstance(a, np.ndarray) else a.astype(np.float32) for a in case.args)
    y = case.f(*small)
    same_value(vjp(case.f, *small)[0], y, "float32 value in reverse mode")
    value, tangent = jvp(case.f, small, [np.ones_like(a) for a in small])
    same_value(value, y, "float32 value in forward mode")
    for t, e in zip(leaves(tangent), leaves(y), strict=True):
        if smooth(e) and type(t) is not float:
            assert np.result_type(t) == np.result_type(e), f"tangent is {np.result_type(t)}, value {np.result_type(e)}"
    for g, exact, x in zip(grad(L, tuple(range(len(small))))(*small), gradients, small, strict=True):
        assert np.result_type(g) == np.float32, f"float32 gradient is {np.result_type(g)}"
        assert np.shape(g) == np.shape(x)
        assert_close(g, exact, 5e-3, "float32 gradient", 1e-4)


def subsets(names: Sequence[str]) -> Iterator[tuple[str, ...]]:
    for n in range(len(names) + 1):
        yield from itertools.combinations(names, n)
