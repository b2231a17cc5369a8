"""Matrices, transforms and geometry."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import linalg

from benchmarks.detection.problem import Bug, Problem, problem


@problem("matrix")
def log_det_gram(rng: np.random.Generator) -> Problem:
    """log det(A A^T + I) by Cholesky."""

    def f(A: Any) -> Any:
        L = np.linalg.cholesky(A @ A.T + np.eye(4))
        return 2 * np.sum(np.log(np.diag(L)))

    def g(A: Any, bug: Bug) -> Any:
        inverse = np.linalg.inv(A @ A.T + np.eye(4))
        G = bug("factor:both sides", 2.0, 1.0) * inverse @ A
        return bug("transposed:", G, G.T)

    return Problem(f, g, rng.normal(size=(4, 4)), lambda A: np.log(np.linalg.det(A @ A.T + np.eye(4))))


@problem()
def quadratic_form(rng: np.random.Generator) -> Problem:
    """x^T A x + b^T x with A not symmetric."""
    A, b = rng.normal(size=(7, 7)), rng.normal(size=7)

    def g(x: Any, bug: Bug) -> Any:
        return A @ x + bug("term:transpose", A.T @ x) + bug("regulariser:linear", b)

    return Problem(lambda x: x @ A @ x + b @ x, g, rng.normal(size=7))


@problem("matrix")
def inverse_trace(rng: np.random.Generator) -> Problem:
    """tr(X^-1 B)."""
    B = rng.normal(size=(4, 4))

    def g(X: Any, bug: Bug) -> Any:
        inverse = np.linalg.inv(X)
        G = -inverse @ B @ inverse
        return bug("transposed:", G.T, G)

    return Problem(lambda X: np.trace(np.linalg.solve(X, B)), g, rng.normal(size=(4, 4)) + 3 * np.eye(4))


@problem("vector")
def least_squares_fit(rng: np.random.Generator) -> Problem:
    """Weighted least squares: the coefficients as a function of the log weights."""
    A, y = rng.normal(size=(9, 3)), rng.normal(size=9)

    def solve(w: Any) -> Any:
        N = A.T @ (np.exp(w)[:, None] * A)
        return N, np.linalg.solve(N, A.T @ (np.exp(w) * y))

    def g(w: Any, bug: Bug) -> Any:
        N, beta = solve(w)
        residual = y - bug("term:fit", A @ beta)
        weights = bug("chain:log weights", np.exp(w), 1.0)
        return np.linalg.solve(N, A.T * (weights * residual))

    return Problem(lambda w: solve(w)[1], g, 0.5 * rng.normal(size=9))


@problem("matrix", "scipy")
def matrix_exponential(rng: np.random.Generator) -> Problem:
    """sum(C * expm(A))."""
    C = rng.normal(size=(3, 3))

    def g(A: Any, bug: Bug) -> Any:
        full = linalg.expm_frechet(A.T, C, compute_expm=False)
        E = linalg.expm(A)
        commuting = E.T @ C
        return bug("term:commutator", full, commuting)

    return Problem(lambda A: np.sum(C * linalg.expm(A)), g, 0.7 * rng.normal(size=(3, 3)))


@problem("fft")
def power_spectrum(rng: np.random.Generator) -> Problem:
    """Squared misfit of a power spectrum."""
    n = 12
    w, goal = rng.uniform(0.5, 1.5, 7), rng.uniform(1, 5, 7)
    F = np.exp(-2j * np.pi * np.outer(np.arange(7), np.arange(n)) / n)

    def f(x: Any) -> Any:
        return np.sum(w * (np.abs(np.fft.rfft(x)) ** 2 - goal) ** 2) / 100

    def analytic(x: Any) -> Any:
        return np.sum(w * ((F.real @ x) ** 2 + (F.imag @ x) ** 2 - goal) ** 2) / 100

    def g(x: Any, bug: Bug) -> Any:
        z = np.fft.rfft(x)
        d = w * (np.abs(z) ** 2 - goal) / 100
        back = bug("conjugate:spectrum", np.conj(z), z)
        return np.real(4 * (d * back) @ F)

    return Problem(f, g, rng.normal(size=n), analytic)


@problem("complex")
def phase_retrieval(rng: np.random.Generator) -> Problem:
    """|sum_k c_k exp(i a_k x_k)|^2 with complex c."""
    c = rng.normal(size=5) + 1j * rng.normal(size=5)
    a = rng.uniform(0.5, 2, 5)

    def f(x: Any) -> Any:
        return np.abs(np.sum(c * np.exp(1j * a * x))) ** 2

    def analytic(x: Any) -> Any:
        re = np.sum(c.real * np.cos(a * x) - c.imag * np.sin(a * x))
        im = np.sum(c.imag * np.cos(a * x) + c.real * np.sin(a * x))
        return re * re + im * im

    def g(x: Any, bug: Bug) -> Any:
        terms = c * np.exp(1j * a * x)
        total = np.sum(terms)
        return 2 * np.real(bug("conjugate:total", np.conj(total), total) * 1j * a * terms)

    return Problem(f, g, rng.normal(size=5), analytic)


@problem("vector", "inplace")
def horner(rng: np.random.Generator) -> Problem:
    """Values of a polynomial at eight places by its coefficients, evaluated in place."""
    t = np.linspace(-1.2, 1.2, 8)

    def f(c: Any) -> Any:
        y = np.zeros(8, dtype=c.dtype)
        for k in range(c.size):
            y *= t
            y += c[k]
        return y

    def g(c: Any, bug: Bug) -> Any:
        powers = np.arange(c.size - 1, -1, -1)
        return t[:, None] ** bug("permuted:order", powers, powers[::-1])

    return Problem(f, g, rng.normal(size=5))


@problem("matrix")
def matrix_chain(rng: np.random.Generator) -> Problem:
    """tr(A B C D) in all three matrices at once, (3, 3, 3)."""
    D = rng.normal(size=(3, 3))

    def g(x: Any, bug: Bug) -> Any:
        A, B, C = x
        parts = [(B @ C @ D).T, (C @ D @ A).T, (D @ A @ B).T]
        first, second = bug("swapped:A and B", (parts[0], parts[1]), (parts[1], parts[0]))
        return np.stack([first, second, bug("transposed:C", parts[2], parts[2].T)])

    return Problem(lambda x: np.trace(x[0] @ x[1] @ x[2] @ D), g, rng.normal(size=(3, 3, 3)))


@problem("vector")
def cross_product(rng: np.random.Generator) -> Problem:
    """a x b, three outputs of six inputs."""

    def hat(v: Any) -> Any:
        return np.array([[0, -v[2], v[1]], [v[2], 0, -v[0]], [-v[1], v[0], 0]])

    def f(x: Any) -> Any:
        a, b = x[:3], x[3:]
        return np.array([a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]])

    def g(x: Any, bug: Bug) -> Any:
        first, second = bug("swapped:a and b", (-hat(x[3:]), hat(x[:3])), (-hat(x[:3]), hat(x[3:])))
        return np.hstack([first, second])

    return Problem(f, g, rng.normal(size=6))


@problem()
def eigenvalue_2x2(rng: np.random.Generator) -> Problem:
    """Larger eigenvalue of [[a, b], [b, c]] from eigvalsh; the formula proves it."""

    def f(x: Any) -> Any:
        return np.linalg.eigvalsh(np.array([[x[0], x[1]], [x[1], x[2]]]))[-1]

    def analytic(x: Any) -> Any:
        return 0.5 * (x[0] + x[2]) + np.sqrt(0.25 * (x[0] - x[2]) ** 2 + x[1] ** 2)

    def g(x: Any, bug: Bug) -> Any:
        v = np.linalg.eigh(np.array([[x[0], x[1]], [x[1], x[2]]]))[1][:, -1]
        return np.array([v[0] ** 2, bug("factor:symmetry", 2.0, 1.0) * v[0] * v[1], v[1] ** 2])

    return Problem(f, g, np.array([1.3, 0.4, -0.2]), analytic)


@problem("vector")
def circular_convolution(rng: np.random.Generator) -> Problem:
    """A circular filter over eight samples: the Jacobian is a circulant."""
    k = rng.normal(size=8)
    index = (np.arange(8)[:, None] - np.arange(8)) % 8

    def f(x: Any) -> Any:
        return np.array([np.sum(k[(i - np.arange(8)) % 8] * x) for i in range(8)]) ** 2

    def g(x: Any, bug: Bug) -> Any:
        C = k[bug("transposed:circulant", index, index.T)]
        return 2 * (k[index] @ x)[:, None] * bug("shifted:circulant", C, np.roll(C, 1, axis=1))

    return Problem(f, g, rng.normal(size=8))
