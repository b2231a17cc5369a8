"""Negative log-likelihood of a GARCH(1, 1) model with a mean, gradient by its variance's recursion."""

import numpy as np

rng = np.random.default_rng(47)
RETURNS = 0.05 + rng.normal(size=20) * (0.8 + 0.4 * np.sin(np.arange(20)))
P0 = np.array([0.08, 0.2, 0.15, 0.6])


def nll(p=P0):
    """p = (mean, constant, weight of the last shock, weight of the last variance)."""
    mu, omega, alpha, beta = p
    h = omega / (1.0 - alpha - beta)
    total = 0.0
    for r in RETURNS:
        e = r - mu
        total += 0.5 * np.log(h) + 0.5 * e**2 / h
        h = omega + alpha * e**2 + beta * h
    return total


def nll_grad(p=P0):
    mu, omega, alpha, beta = p
    slack = 1.0 - alpha - beta
    h = omega / slack
    dh = np.array([0.0, 1.0 / slack, h / slack, h / slack])
    g = np.zeros(4)
    for r in RETURNS:
        e = r - mu
        g += 0.5 * dh / h
        g -= 0.5 * e**2 * dh / h**2
        g[0] -= e / h
        last = h
        h = omega + alpha * e**2 + beta * h
        dh = beta * dh
        dh[0] -= 2.0 * alpha * e
        dh[1] += 1.0
        dh[2] += e**2
        dh[3] += last
    return g
