"""Log-likelihoods and penalised regressions."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special

from benchmarks.detection.problem import Bug, Problem, log_sum_exp, problem, softmax


@problem("matrix")
def softmax_regression(rng: np.random.Generator) -> Problem:
    """Multinomial logistic regression with a ridge; the weights are a matrix (4, 3)."""
    A, y = rng.normal(size=(25, 4)), rng.integers(0, 3, 25)
    Y = np.eye(3)[y]

    def f(W: Any) -> Any:
        Z = A @ W
        return np.mean(log_sum_exp(Z) - np.sum(Z * Y, axis=1)) + 0.05 * np.sum(W * W)

    def g(W: Any, bug: Bug) -> Any:
        P = softmax(A @ W)
        P = P - bug("term:labels", Y)
        return A.T @ P / 25 + bug("regulariser:ridge", 0.1 * W)

    return Problem(f, g, rng.normal(size=(4, 3)), samples=25)


@problem()
def gamma_likelihood(rng: np.random.Generator) -> Problem:
    """Shape and rate of gamma draws, both as logarithms."""
    y = rng.gamma(2.5, 0.4, 30)

    def value(p: Any, log_gamma: Any) -> Any:
        a, b = np.exp(p[0]), np.exp(p[1])
        return np.sum(log_gamma(a) - a * np.log(b) - (a - 1) * np.log(y) + b * y)

    def g(p: Any, bug: Bug) -> Any:
        a, b = np.exp(p[0]), np.exp(p[1])
        shape = 30 * (special.digamma(a) - np.log(b)) - np.sum(np.log(y))
        rate = bug("term:normaliser", -30 * a / b) + np.sum(y)
        return np.array([shape * bug("chain:log shape", a, 1.0), rate * bug("chain:log rate", b, 1.0)])

    return Problem(
        lambda p: value(p, special.gammaln), g, np.array([0.7, 1.1]), lambda p: value(p, special.loggamma), samples=30
    )


@problem()
def student_t(rng: np.random.Generator) -> Problem:
    """Location, log scale and log degrees of freedom."""
    y = 1.5 + 0.7 * rng.standard_t(4, 20)

    def value(p: Any, log_gamma: Any) -> Any:
        s, v = np.exp(p[1]), np.exp(p[2])
        z = (y - p[0]) / s
        constant = log_gamma((v + 1) / 2) - log_gamma(v / 2) - 0.5 * np.log(v * np.pi) - p[1]
        return 20 * constant - (v + 1) / 2 * np.sum(np.log1p(z * z / v))

    def g(p: Any, bug: Bug) -> Any:
        s, v = np.exp(p[1]), np.exp(p[2])
        z = (y - p[0]) / s
        w = (v + 1) * z / (v + z * z)
        tail = 10 * (special.digamma((v + 1) / 2) - special.digamma(v / 2) - 1 / v)
        tail += -0.5 * np.sum(np.log1p(z * z / v)) + bug("term:nu in z", np.sum(w * z) / (2 * v))
        return np.array([np.sum(w) / s, np.sum(w * z) - 20, tail * bug("chain:log nu", v, 1.0)])

    return Problem(
        lambda p: value(p, special.gammaln), g, np.array([1.2, -0.3, 1.3]), lambda p: value(p, special.loggamma)
    )


@problem()
def gaussian_mixture(rng: np.random.Generator) -> Problem:
    """Three components: logits, means, log scales."""
    y = np.concatenate([rng.normal(-2, 0.5, 12), rng.normal(1, 0.8, 14), rng.normal(3, 0.3, 8)])[:, None]

    def parts(p: Any) -> Any:
        logits, mu, s = p[:3], p[3:6], np.exp(p[6:])
        z = (y - mu) / s
        return logits, s, z, logits - p[6:] - 0.5 * z * z

    def f(p: Any) -> Any:
        logits, _, _, joint = parts(p)
        return -np.sum(log_sum_exp(joint) - log_sum_exp(logits))

    def g(p: Any, bug: Bug) -> Any:
        logits, s, z, joint = parts(p)
        r = softmax(joint)
        weights = -np.sum(r, axis=0) + bug("term:normaliser", 34 * softmax(logits))
        means = -np.sum(r * z / s, axis=0)
        scales = -np.sum(r * (z * z - bug("term:log scale", 1.0, 0.0)), axis=0)
        first, second = bug("swapped:means and scales", (means, scales), (scales, means))
        return np.concatenate([weights, first, second])

    x = np.concatenate([rng.normal(size=3), [-1.5, 0.7, 2.6], 0.2 * rng.normal(size=3)])
    return Problem(f, g, x, samples=34)


@problem("loop")
def autoregression(rng: np.random.Generator) -> Problem:
    """AR(2) with drift and log variance, conditional likelihood, one observation after the other."""
    y = np.cumsum(rng.normal(size=40)) * 0.3

    def f(p: Any) -> Any:
        total = 0.0
        for t in range(2, 40):
            e = y[t] - p[0] - p[1] * y[t - 1] - p[2] * y[t - 2]
            total = total + 0.5 * (p[3] + e * e * np.exp(-p[3]))
        return total

    def g(p: Any, bug: Bug) -> Any:
        e = y[2:] - p[0] - p[1] * y[1:-1] - p[2] * y[:-2]
        w = -e * bug("chain:precision", np.exp(-p[3]), 1.0)
        lags = bug("shifted:lag", (y[1:-1], y[:-2]), (y[2:], y[1:-1]))
        spread = 0.5 * np.sum(bug("term:determinant", 1.0) - e * e * np.exp(-p[3]))
        return np.array([np.sum(w), w @ lags[0], w @ lags[1], spread])

    return Problem(f, g, np.array([0.05, 0.8, 0.1, -1.2]), samples=38)


@problem("loop")
def garch(rng: np.random.Generator) -> Problem:
    """GARCH(1,1): the variance is a recursion."""
    r = 0.01 * rng.standard_t(5, 50)

    def f(p: Any) -> Any:
        h, total = 1e-4, 0.0
        for t in range(50):
            total = total + 0.5 * (np.log(h) + r[t] ** 2 / h)
            h = p[0] + p[1] * r[t] ** 2 + p[2] * h
        return total

    def g(p: Any, bug: Bug) -> Any:
        h, dh, total = 1e-4, np.zeros(3), np.zeros(3)
        for t in range(50):
            step = 0.5 * (1 / h - r[t] ** 2 / h**2) * dh
            total = bug("overwritten:sum", total + step, step)
            dh = np.array([1.0, r[t] ** 2, h]) + bug("term:recursion", p[2] * dh)
            h = p[0] + p[1] * r[t] ** 2 + p[2] * h
        return total

    return Problem(f, g, np.array([2e-6, 0.08, 0.88]))


@problem("matrix")
def normal_by_cholesky(rng: np.random.Generator) -> Problem:
    """Gaussian likelihood in the lower-triangular factor of the precision; above the diagonal nothing matters."""
    Y = rng.normal(size=(15, 4))

    def f(L: Any) -> Any:
        T = np.tril(L)
        return -15 * np.sum(np.log(np.diag(T))) + 0.5 * np.sum((Y @ T) ** 2)

    def g(L: Any, bug: Bug) -> Any:
        T = np.tril(L)
        G = Y.T @ (Y @ T)
        G = bug("term:mask", np.tril(G), G)
        return G - np.diag(bug("term:determinant", 15.0) / np.diag(T))

    return Problem(f, g, 0.4 * rng.normal(size=(4, 4)) + 2 * np.eye(4), samples=15)


@problem("special")
def ordinal_probit(rng: np.random.Generator) -> Problem:
    """Two slopes, two thresholds (the second as the log of a gap)."""
    A = rng.normal(size=(30, 2))
    k = rng.integers(0, 3, 30)

    def limits(p: Any) -> Any:
        c1 = p[2]
        c2 = p[2] + np.exp(p[3])
        eta = A @ p[:2]
        return c1 - eta, c2 - eta

    def f(p: Any) -> Any:
        lo, hi = limits(p)
        a, b = special.ndtr(lo), special.ndtr(hi)
        chance = (k == 0) * a + (k == 1) * (b - a) + (k == 2) * (1 - b)
        return -np.sum(np.log(chance))

    def g(p: Any, bug: Bug) -> Any:
        lo, hi = limits(p)
        a, b = special.ndtr(lo), special.ndtr(hi)
        chance = (k == 0) * a + (k == 1) * (b - a) + (k == 2) * (1 - b)
        density = np.exp(-0.5 * np.array([lo, hi]) ** 2) / np.sqrt(2 * np.pi)
        da = ((k == 0) - 1.0 * (k == 1)) * density[0] / chance
        db = ((k == 1) - bug("branch:top class", 1.0 * (k == 2), 0.0)) * density[1] / chance
        slopes = A.T @ (da + db)
        return np.array([*slopes, -np.sum(da + db), -np.sum(db) * bug("chain:gap", np.exp(p[3]), 1.0)])

    return Problem(f, g, np.array([0.4, -0.6, -0.5, 0.1]), samples=30)


@problem("special")
def beta_likelihood(rng: np.random.Generator) -> Problem:
    """Mean and log concentration."""
    y = rng.beta(2, 5, 25)

    def value(p: Any, log_gamma: Any) -> Any:
        a, b = p[0] * np.exp(p[1]), (1 - p[0]) * np.exp(p[1])
        constant = log_gamma(a) + log_gamma(b) - log_gamma(a + b)
        return 25 * constant - np.sum((a - 1) * np.log(y) + (b - 1) * np.log1p(-y))

    def g(p: Any, bug: Bug) -> Any:
        c = np.exp(p[1])
        a, b = p[0] * c, (1 - p[0]) * c
        both = bug("term:joint", special.digamma(a + b))
        da = 25 * (special.digamma(a) - both) - np.sum(np.log(y))
        db = 25 * (special.digamma(b) - both) - np.sum(np.log1p(-y))
        first, second = bug("swapped:a and b", (da, db), (db, da))
        return np.array([c * (first - second), a * first + b * second])

    return Problem(
        lambda p: value(p, special.gammaln), g, np.array([0.3, 1.6]), lambda p: value(p, special.loggamma), samples=25
    )


@problem("loop")
def hawkes_process(rng: np.random.Generator) -> Problem:
    """Self-exciting events: log base rate, log excitation, log decay."""
    t = np.cumsum(rng.exponential(0.7, 30))
    T = t[-1] + 0.5

    def f(p: Any) -> Any:
        mu, a, b = np.exp(p)
        R, total = 0.0, mu * T
        for i in range(30):
            if i:
                R = np.exp(-b * (t[i] - t[i - 1])) * (1 + R)
            total = total - np.log(mu + a * R) + a / b * (1 - np.exp(-b * (T - t[i])))
        return total

    def g(p: Any, bug: Bug) -> Any:
        mu, a, b = np.exp(p)
        R, dR, out = 0.0, 0.0, np.array([T, 0.0, 0.0])
        for i in range(30):
            if i:
                gap = t[i] - t[i - 1]
                k = np.exp(-b * gap)
                dR = k * (bug("term:recursion", dR) - gap * (1 + R))
                R = k * (1 + R)
            rate = mu + a * R
            k = np.exp(-b * (T - t[i]))
            out -= np.array([1.0, R, a * dR]) / rate
            out += np.array([0.0, (1 - k) / b, -a / b**2 * (1 - k) + bug("term:decay", a / b * (T - t[i]) * k)])
        return out * bug("chain:logs", np.array([mu, a, b]), 1.0)

    return Problem(f, g, np.array([-0.4, -0.8, 0.3]))


@problem()
def elastic_net(rng: np.random.Generator) -> Problem:
    """Squares with L1, L2 and a linear term: three ways to forget a regulariser."""
    A, y = rng.normal(size=(20, 9)), rng.normal(size=20)
    x = rng.choice([-1.0, 1.0], 9) * rng.uniform(0.3, 1.5, 9)

    def value(w: Any, absolute: Any) -> Any:
        r = A @ w - y
        return np.sum(r * r) / 40 + 0.3 * np.sum(absolute(w)) + 0.2 * np.sum(w * w) + 0.1 * np.sum(w)

    def g(w: Any, bug: Bug) -> Any:
        data = A.T @ (A @ w - y) / 20
        lasso = bug("regulariser:lasso", 0.3 * np.sign(w))
        ridge = bug("regulariser:ridge", 0.4 * w)
        return data + lasso + ridge + bug("regulariser:linear", np.full(9, 0.1))

    return Problem(lambda w: value(w, np.abs), g, x, lambda w: value(w, lambda z: z * np.sign(z.real)), samples=20)


@problem("special")
def von_mises(rng: np.random.Generator) -> Problem:
    """Mean direction and log concentration of angles."""
    y = rng.vonmises(0.8, 3.0, 20)

    def value(p: Any, bessel: Any) -> Any:
        return 20 * np.log(bessel(np.exp(p[1]))) - np.exp(p[1]) * np.sum(np.cos(y - p[0]))

    def g(p: Any, bug: Bug) -> Any:
        k = np.exp(p[1])
        ratio = bug("term:normaliser", special.i1(k) / special.i0(k))
        spread = (20 * ratio - np.sum(np.cos(y - p[0]))) * bug("chain:log", k, 1.0)
        return np.array([-k * np.sum(np.sin(y - p[0])), spread])

    def series(k: Any) -> Any:
        m = np.arange(40)
        return np.sum((k / 2) ** (2 * m) / special.factorial(m) ** 2)

    return Problem(lambda p: value(p, special.i0), g, np.array([0.6, 0.9]), lambda p: value(p, series))
