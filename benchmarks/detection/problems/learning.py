"""Layers and losses of machine learning with their backward passes."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special

from benchmarks.detection.problem import Bug, Problem, problem, real, softmax


def sigmoid(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


@problem()
def two_layers(rng: np.random.Generator) -> Problem:
    """Sigmoid network 3-5-2, all parameters in one vector."""
    X, Y = rng.normal(size=(10, 3)), rng.normal(size=(10, 2))

    def parts(p: Any) -> Any:
        return p[:15].reshape(3, 5), p[15:20], p[20:30].reshape(5, 2), p[30:]

    def f(p: Any) -> Any:
        W, b, V, c = parts(p)
        return np.mean((sigmoid(X @ W + b) @ V + c - Y) ** 2)

    def g(p: Any, bug: Bug) -> Any:
        W, b, V, c = parts(p)
        a = sigmoid(X @ W + b)
        d = (a @ V + c - Y) / 10
        e = (d @ V.T) * bug("chain:sigmoid", a * (1 - a), 1.0)
        db = bug("broadcast:hidden bias", e.sum(0), e[0])
        dV = bug("transposed:output weights", a.T @ d, (d.T @ a).reshape(5, 2))
        return np.concatenate([(X.T @ e).ravel(), db, dV.ravel(), bug("broadcast:output bias", d.sum(0), d[-1])])

    return Problem(f, g, rng.normal(size=32), samples=10)


@problem("matrix")
def layer_norm(rng: np.random.Generator) -> Problem:
    """Rows normalised, then a weighted sum; x is (3, 6)."""
    C = rng.normal(size=(3, 6))

    def f(x: Any) -> Any:
        d = x - np.mean(x, axis=1, keepdims=True)
        return np.sum(C * d / np.sqrt(np.mean(d * d, axis=1, keepdims=True) + 1e-5))

    def g(x: Any, bug: Bug) -> Any:
        d = x - np.mean(x, axis=1, keepdims=True)
        s = np.sqrt(np.mean(d * d, axis=1, keepdims=True) + 1e-5)
        y = d / s
        G = C - bug("term:mean", np.mean(C, axis=1, keepdims=True))
        return (G - bug("term:variance", y * np.mean(C * y, axis=1, keepdims=True))) / s

    return Problem(f, g, rng.normal(size=(3, 6)))


@problem("matrix", "vector")
def batch_norm(rng: np.random.Generator) -> Problem:
    """Scale times normalised columns, whole array as output: (5, 2) by (5, 2)."""
    gamma = np.array([1.5, -0.7])

    def f(x: Any) -> Any:
        d = x - np.mean(x, axis=0)
        return gamma * d / np.sqrt(np.mean(d * d, axis=0) + 1e-3)

    def g(x: Any, bug: Bug) -> Any:
        d = x - np.mean(x, axis=0)
        s = np.sqrt(np.mean(d * d, axis=0) + 1e-3)
        J = np.zeros((5, 2, 5, 2))
        for c in range(2):
            y = d[:, c] / s[c]
            inner = np.eye(5) - bug("term:mean", 0.2) - bug("term:variance", np.outer(y, y) / 5)
            J[:, c, :, c] = bug("factor:gamma", gamma[c], 1.0) * inner / s[c]
        return J

    return Problem(f, g, rng.normal(size=(5, 2)))


@problem("loop")
def gated_unit(rng: np.random.Generator) -> Problem:
    """Four steps of a scalar GRU over a sequence; x is its six weights."""
    u = rng.normal(size=4)

    def f(w: Any) -> Any:
        h = 0.5 * w[0] / w[0]
        for t in range(4):
            z = sigmoid(w[0] * u[t] + w[1] * h)
            r = sigmoid(w[2] * u[t] + w[3] * h)
            h = (1 - z) * h + z * np.tanh(w[4] * u[t] + w[5] * r * h)
        return h * h

    def g(w: Any, bug: Bug) -> Any:
        h, dh = 0.5, np.zeros(6)
        e = np.eye(6)
        for t in range(4):
            carried = bug("term:recurrence", dh, np.zeros(6))
            z = sigmoid(w[0] * u[t] + w[1] * h)
            dz = z * (1 - z) * (u[t] * e[0] + h * e[1] + w[1] * carried)
            r = sigmoid(w[2] * u[t] + w[3] * h)
            dr = r * (1 - r) * (u[t] * e[2] + h * e[3] + w[3] * carried)
            c = np.tanh(w[4] * u[t] + w[5] * r * h)
            inner = u[t] * e[4] + r * h * e[5] + w[5] * (bug("term:reset gate", dr * h) + r * carried)
            dc = bug("chain:tanh", 1 - c * c, 1.0) * inner
            h, dh = (1 - z) * h + z * c, (1 - z) * carried + (c - h) * dz + z * dc
        return 2 * h * dh

    return Problem(f, g, rng.normal(size=6))


@problem("matrix")
def convolution_kernel(rng: np.random.Generator) -> Problem:
    """A 3 x 3 kernel over a 7 x 7 image, squared misfit."""
    image, target = rng.normal(size=(7, 7)), rng.normal(size=(5, 5))

    def out(k: Any) -> Any:
        y = np.zeros((5, 5)) * k[0, 0]
        for i in range(3):
            for j in range(3):
                y = y + k[i, j] * image[i : i + 5, j : j + 5]
        return y

    def g(k: Any, bug: Bug) -> Any:
        d = out(k) - target
        G = np.zeros((3, 3))
        for i in range(3):
            for j in range(3):
                G[i, j] = np.sum(d * image[i : i + 5, j : j + 5])
        G = bug("transposed:kernel", G, G.T)
        return bug("permuted:flipped kernel", G, G[::-1, ::-1])

    return Problem(lambda k: 0.5 * np.sum((out(k) - target) ** 2), g, rng.normal(size=(3, 3)), samples=25)


@problem("matrix")
def contrastive_loss(rng: np.random.Generator) -> Problem:
    """InfoNCE of five normalised embeddings against five fixed ones."""
    B = rng.normal(size=(5, 3))
    B = B / np.sqrt(np.sum(B * B, axis=1, keepdims=True))

    def f(x: Any) -> Any:
        u = x / np.sqrt(np.sum(x * x, axis=1, keepdims=True))
        return -np.sum(np.log(np.diag(softmax(u @ B.T / 0.5))))

    def g(x: Any, bug: Bug) -> Any:
        length = np.sqrt(np.sum(x * x, axis=1, keepdims=True))
        u = x / length
        d = (softmax(u @ B.T / 0.5) - np.eye(5)) / bug("factor:temperature", 0.5, 1.0)
        G = d @ B
        return (G - bug("term:normalisation", u * np.sum(G * u, axis=1, keepdims=True))) / length

    return Problem(f, g, rng.normal(size=(5, 3)))


@problem()
def focal_loss(rng: np.random.Generator) -> Problem:
    """(1 - p)^2 log p over logits."""
    y = rng.choice([-1.0, 1.0], 12)

    def f(z: Any) -> Any:
        p = sigmoid(y * z)
        return -np.sum((1 - p) ** 2 * np.log(p))

    def g(z: Any, bug: Bug) -> Any:
        p = sigmoid(y * z)
        slope = bug("term:modulation", 2 * (1 - p) * np.log(p)) - (1 - p) ** 2 / p
        return slope * bug("chain:sigmoid", p * (1 - p), 1.0) * y

    return Problem(f, g, 1.5 * rng.normal(size=12))


@problem()
def radial_basis(rng: np.random.Generator) -> Problem:
    """Centres (4), log widths (4) and weights (4) of a one-dimensional RBF network."""
    t = np.linspace(-2, 2, 15)[:, None]
    y = np.sin(2 * t[:, 0])

    def parts(p: Any) -> Any:
        d = t - p[:4]
        k = np.exp(-d * d * np.exp(-2 * p[4:8]))
        return d, k, k @ p[8:] - y

    def g(p: Any, bug: Bug) -> Any:
        d, k, r = parts(p)
        common = 2 * r[:, None] * k * p[8:] * d * np.exp(-2 * p[4:8])
        centres = np.sum(common, axis=0)
        widths = np.sum(common * bug("chain:width", d, 1.0), axis=0)
        weights = k.T @ r
        first, last = bug("swapped:centres and weights", (centres, weights), (weights, centres))
        return np.concatenate([first, widths, last])

    x = np.concatenate([[-1.5, -0.4, 0.5, 1.4], 0.3 * rng.normal(size=4), rng.normal(size=4)])
    return Problem(lambda p: 0.5 * np.sum(parts(p)[2] ** 2), g, x, samples=15)


@problem()
def matrix_factorisation(rng: np.random.Generator) -> Problem:
    """R = U V^T on observed cells, U (5, 2) then V (5, 2) in one vector."""
    R, seen = rng.normal(size=(5, 5)), rng.random((5, 5)) < 0.7

    def parts(p: Any) -> Any:
        return p[:10].reshape(5, 2), p[10:].reshape(5, 2)

    def f(p: Any) -> Any:
        U, V = parts(p)
        return 0.5 * np.sum(np.where(seen, U @ V.T - R, 0.0) ** 2) + 0.05 * np.sum(p * p)

    def g(p: Any, bug: Bug) -> Any:
        U, V = parts(p)
        E = U @ V.T - R
        E = bug("branch:unseen cells", np.where(seen, E, 0.0), E)
        dU, dV = E @ V, bug("transposed:error", E.T, E) @ U
        dU, dV = bug("swapped:factors", (dU, dV), (dV, dU))
        return np.concatenate([dU.ravel(), dV.ravel()]) + bug("regulariser:ridge", 0.1 * p)

    return Problem(f, g, rng.normal(size=20))


@problem("matrix", "inplace")
def embedding_bag(rng: np.random.Generator) -> Problem:
    """Rows gathered with repeats; the gradient must accumulate."""
    words = np.array([0, 2, 2, 5, 1, 2, 0, 4])
    C = rng.normal(size=(8, 3))

    def f(E: Any) -> Any:
        return np.sum(np.tanh(E[words] * C))

    def g(E: Any, bug: Bug) -> Any:
        d = C * (1 - np.tanh(E[words] * C) ** 2)
        G, once = np.zeros((6, 3)), np.zeros((6, 3))
        np.add.at(G, words, d)
        once[words] = d
        return bug("overwritten:repeated words", G, once)

    return Problem(f, g, rng.normal(size=(6, 3)))


@problem("vector")
def softmax_layer(rng: np.random.Generator) -> Problem:
    """softmax(A x), six outputs of six inputs."""
    A = rng.normal(size=(6, 6))

    def g(x: Any, bug: Bug) -> Any:
        p = softmax(A @ x)
        inner = np.diag(p) - bug("term:off-diagonal", np.outer(p, p))
        return inner @ bug("transposed:weights", A, A.T)

    return Problem(lambda x: softmax(A @ x), g, rng.normal(size=6))


@problem("special")
def gelu(rng: np.random.Generator) -> Problem:
    """Exact GELU of a scaled vector; f insists on float64."""
    c = rng.normal(size=7)

    def value(x: Any) -> Any:
        return np.sum(c * x * 0.5 * (1 + special.erf(x / np.sqrt(2))))

    def g(x: Any, bug: Bug) -> Any:
        density = np.exp(-0.5 * x * x) / np.sqrt(2 * np.pi)
        return c * (0.5 * (1 + special.erf(x / np.sqrt(2))) + bug("term:density", x * density))

    return Problem(lambda x: value(real(x)), g, 1.3 * rng.normal(size=7), value)


@problem()
def dropout_network(rng: np.random.Generator) -> Problem:
    """A fixed mask, scaled by the chance to stay; forgetting the mask in the backward pass is the classic."""
    X, W = rng.normal(size=(8, 6)), rng.normal(size=(6, 6))
    mask = np.array([1.0, 0.0, 1.0, 1.0, 0.0, 1.0]) / (4 / 6)

    def hidden(w: Any) -> Any:
        return np.tanh(X @ W * w)

    def g(w: Any, bug: Bug) -> Any:
        a = hidden(w)
        d = 2 * np.sum(a * mask, axis=1, keepdims=True) * bug("branch:mask", mask, 1.0)
        return np.sum(d * (1 - a * a) * (X @ W), axis=0)

    return Problem(lambda w: np.sum(np.sum(hidden(w) * mask, axis=1) ** 2), g, rng.normal(size=6), samples=8)
