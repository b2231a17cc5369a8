"""Hard numbers: units, offsets, cancellation, oscillation, saturation, poles."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.detection.problem import Bug, Problem, problem, real


@problem("scale")
def mixed_units(rng: np.random.Generator) -> Problem:
    """Arguments from 1e-12 to 1e12, each of the same weight in f."""
    unit = 10.0 ** np.linspace(-12, 12, 9)

    def g(x: Any, bug: Bug) -> Any:
        u = x / unit
        return (np.cos(u) + np.roll(u, 1) + np.roll(u, -1)) / bug("chain:units", unit, 1.0)

    x = unit * rng.choice([-1.0, 1.0], 9) * rng.uniform(0.5, 2, 9)
    return Problem(lambda x: np.sum(np.sin(x / unit)) + np.sum(x / unit * np.roll(x / unit, 1)), g, x)


@problem("scale", "vector")
def mixed_outputs(rng: np.random.Generator) -> Problem:
    """Outputs from 1e-12 to 1e12."""
    c, A = 10.0 ** np.linspace(-12, 12, 7), rng.normal(size=(7, 4))

    def g(x: Any, bug: Bug) -> Any:
        return (c * np.exp(A @ x))[:, None] * bug("shifted:rows", A, np.roll(A, 1, axis=0))

    return Problem(lambda x: c * np.exp(A @ x), g, 0.5 * rng.normal(size=4))


@problem("scale")
def tiny_values(rng: np.random.Generator) -> Problem:
    """Everything of order 1e-12, with a small ridge."""
    A = rng.normal(size=(8, 5))

    def g(x: Any, bug: Bug) -> Any:
        return 1e-12 * (A.T @ np.tanh(A @ x) + bug("regulariser:ridge", 0.2 * x))

    return Problem(lambda x: 1e-12 * (np.sum(np.log(np.cosh(A @ x))) + 0.1 * x @ x), g, rng.normal(size=5))


@problem("scale")
def huge_values(rng: np.random.Generator) -> Problem:
    """Everything of order 1e12."""
    A = rng.normal(size=(6, 4))

    def g(x: Any, bug: Bug) -> Any:
        return 1e12 * A.T @ (np.exp(A @ x) * bug("term:product", 1 + A @ x, 1.0))

    return Problem(lambda x: 1e12 * np.sum(np.exp(A @ x) * (A @ x)), g, 0.4 * rng.normal(size=4))


@problem("offset")
def offset_1e6(rng: np.random.Generator) -> Problem:
    """A constant of 1e6 hides ten digits below it."""
    c = rng.normal(size=6)

    def g(x: Any, bug: Bug) -> Any:
        return c * np.cos(c * x) + bug("regulariser:mean", np.full(6, 0.5))

    return Problem(lambda x: 1e6 + np.sum(np.sin(c * x)) + 0.5 * np.sum(x), g, rng.normal(size=6))


@problem("offset")
def offset_1e10(rng: np.random.Generator) -> Problem:
    A = rng.normal(size=(4, 4))

    def g(x: Any, bug: Bug) -> Any:
        return bug("transposed:", A.T, A) @ np.cos(A @ x)

    return Problem(lambda x: 1e10 + np.sum(np.sin(A @ x)), g, rng.normal(size=4))


@problem("x-scale")
def far_from_origin(rng: np.random.Generator) -> Problem:
    """x about 1e6 (seconds, say) with structure of length 1."""

    def g(x: Any, bug: Bug) -> Any:
        u = x - 1e6
        return np.cos(u) + bug("term:coupling", np.roll(u, -1) + np.roll(u, 1))

    return Problem(lambda x: np.sum(np.sin(x - 1e6) + (x - 1e6) * (np.roll(x, 1) - 1e6)), g, 1e6 + rng.normal(size=5))


@problem("zeros")
def exact_zeros(rng: np.random.Generator) -> Problem:
    """A smooth function at a point with zeros, where x sets no scale."""
    c = rng.normal(size=8)

    def g(x: Any, bug: Bug) -> Any:
        product = np.zeros(8)
        product[0], product[1] = x[1], x[0]
        return c * np.exp(x) + bug("term:product", product)

    x = np.where(np.arange(8) % 2 == 0, 0.0, rng.normal(size=8))
    return Problem(lambda x: np.sum(c * np.expm1(x)) + x[0] * x[1], g, x)


@problem("cancellation")
def naive_cosine(rng: np.random.Generator) -> Problem:
    """(1 - cos x) / x^2 near zero, without care: eps / x^2 of noise."""
    x = np.array([0.003, 0.02, 0.3])

    def g(x: Any, bug: Bug) -> Any:
        s = x * x
        series = -x / 12 * (1 - s / 15 + s * s / 560 - s**3 / 37800)
        return series * bug("factor:weights", np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 2.0]))

    def analytic(x: Any) -> Any:
        return np.sum(np.array([1.0, 2.0, 3.0]) * 2 * (np.sin(x / 2) / x) ** 2)

    def f(x: Any) -> Any:
        return np.sum(np.array([1.0, 2.0, 3.0]) * (1 - np.cos(x)) / (x * x))

    return Problem(f, g, x, analytic, tolerance=1e-7)


@problem("cancellation")
def variance_by_squares(rng: np.random.Generator) -> Problem:
    """sum x^2 - (sum x)^2 / n about 1e4; f insists on float64."""
    x = 1e4 + rng.normal(size=6)

    def g(x: Any, bug: Bug) -> Any:
        d = x - x[0]
        return 2 * (d - bug("term:mean", np.mean(d)))

    def analytic(x: Any) -> Any:
        d = x - x[0]
        return np.sum((d - np.mean(d)) ** 2)

    return Problem(lambda x: np.sum(real(x) ** 2) - np.sum(real(x)) ** 2 / 6, g, x, analytic)


@problem("oscillation")
def fast_waves(rng: np.random.Generator) -> Problem:
    """Waves of 300 to 30000 radians a unit on a slow background."""
    w = np.array([3e2, 3e3, 3e4])

    def g(x: Any, bug: Bug) -> Any:
        return 0.01 * bug("chain:frequency", w, 1.0) * np.cos(w * x) + 2 * x

    return Problem(lambda x: np.sum(0.01 * np.sin(w * x) + x * x), g, rng.uniform(0.5, 1.5, 3))


@problem("oscillation")
def chirp(rng: np.random.Generator) -> Problem:
    """sin(400 x^2): the frequency depends on where one is."""

    def g(x: Any, bug: Bug) -> Any:
        return bug("chain:square", 800 * x, 400.0) * np.cos(400 * x * x)

    return Problem(lambda x: np.sum(np.sin(400 * x * x)), g, rng.uniform(0.2, 1.2, 4))


@problem("saturation")
def saturated_units(rng: np.random.Generator) -> Problem:
    """Softplus from linear to exponentially flat."""
    x = np.array([-32.0, -18.0, -5.0, 0.4, 6.0, 20.0])

    def g(x: Any, bug: Bug) -> Any:
        return 1 / (1 + bug("branch:both sides", np.exp(-x), np.exp(-np.abs(x))))

    return Problem(lambda x: np.sum(np.log1p(np.exp(x))), g, x)


@problem("pole")
def near_poles(rng: np.random.Generator) -> Problem:
    """1/x, log x and x^-2 close to zero."""

    def f(x: Any) -> Any:
        return 1e-3 / x[0] + np.log(x[1]) + 1e-12 / x[2] ** 2 + x[3] * x[0]

    def g(x: Any, bug: Bug) -> Any:
        first = -1e-3 / x[0] ** 2 + x[3]
        return np.array([first, 1 / x[1], bug("factor:power", -2.0, -1.0) * 1e-12 / x[2] ** 3, x[0]])

    return Problem(f, g, np.array([2e-3, 3e-9, 1e-6, 0.7]))


@problem("pole")
def small_powers(rng: np.random.Generator) -> Problem:
    """x^2.5 and x^0.3 at small x; f insists on float64."""
    p = np.array([2.5, 0.3, 1.7, 0.5])

    def g(x: Any, bug: Bug) -> Any:
        return bug("factor:power", p, 1.0) * x ** (p - 1)

    return Problem(lambda x: np.sum(real(x) ** p), g, np.array([2e-4, 1e-6, 4e-3, 1e-8]), lambda x: np.sum(x**p))


@problem("bump")
def narrow_bump(rng: np.random.Generator) -> Problem:
    """A Gaussian of width 1e-4, beside its top, on a parabola."""

    def bump(x: Any) -> Any:
        return 1e-3 * np.exp(-0.5 * ((x - 1) / 1e-4) ** 2)

    def g(x: Any, bug: Bug) -> Any:
        return 2 * x - bug("term:bump", bump(x) * (x - 1) / 1e-8)

    return Problem(lambda x: np.sum(x * x + bump(x)), g, np.array([1.00005, 0.99991, 1.5]))


@problem("range")
def huge_exponents(rng: np.random.Generator) -> Problem:
    """Outputs from 1e-130 to 1e130."""
    k = np.array([-300.0, -100.0, 1.0, 100.0, 300.0])

    def g(x: Any, bug: Bug) -> Any:
        return (bug("factor:exponent", k, 1.0) * np.exp(k * x[0]) * x[1])[:, None] * np.array([[1.0, 0]]) + np.exp(
            k * x[0]
        )[:, None] * np.array([[0, 1.0]])

    return Problem(lambda x: np.exp(k * x[0]) * x[1], g, np.array([0.98, 1.4]))


@problem("stationary")
def near_minimum(rng: np.random.Generator) -> Problem:
    """Entries that are zero or tiny beside the curvature: nothing to be relative to."""
    c = np.array([1.0, 10.0, 0.3, 5.0])

    def g(x: Any, bug: Bug) -> Any:
        return 2 * c * (x - 1) + bug("term:quartic", 4 * (x - 1) ** 3)

    return Problem(lambda x: np.sum(c * (x - 1) ** 2 + (x - 1) ** 4), g, np.array([1.0, 1 + 2.0**-20, 1.25, 0.875]))


@problem("scalar")
def one_number(rng: np.random.Generator) -> Problem:
    """A number in, a number out."""

    def g(x: Any, bug: Bug) -> Any:
        return np.asarray(np.exp(-x) * (bug("term:product", 3 * np.cos(3 * x)) - np.sin(3 * x)))

    return Problem(lambda x: np.exp(-x) * np.sin(3 * x), g, np.array(rng.uniform(0.5, 1.5)))


@problem("scalar", "vector")
def one_to_many(rng: np.random.Generator) -> Problem:
    """A number in, a curve out."""
    k = np.arange(1, 6)

    def g(x: Any, bug: Bug) -> Any:
        return bug("chain:index", k, 1.0) * np.cos(k * x) * np.ones(5)

    return Problem(lambda x: np.sin(k * x), g, np.array(rng.uniform(0.5, 1.5)))
