"""Softmax regression with one hidden layer and weight decay; backpropagation by hand, over the batch."""

import numpy as np

rng = np.random.default_rng(41)
N, D, H, C = 14, 2, 3, 3
X = rng.normal(size=(N, D))
T = np.eye(C)[rng.integers(0, C, size=N)]
DECAY = 0.02
W0 = 0.6 * rng.normal(size=D * H + H * C)


def loss(w=W0):
    """Mean cross-entropy plus half the decay times the squared weights."""
    A, B = w[: D * H].reshape(D, H), w[D * H :].reshape(H, C)
    hidden = np.tanh(X @ A)
    logits = hidden @ B
    logits = logits - logits.max(axis=1, keepdims=True)
    logp = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return -(T * logp).sum() / N + 0.5 * DECAY * (w @ w)


def loss_grad(w=W0):
    A, B = w[: D * H].reshape(D, H), w[D * H :].reshape(H, C)
    hidden = np.tanh(X @ A)
    e = np.exp(hidden @ B)
    p = e / e.sum(axis=1, keepdims=True)
    delta = (p - T) / N
    gB = hidden.T @ delta
    back = (delta @ B.T) * (1.0 - hidden**2)
    gA = X.T @ back
    return np.concatenate([gA.ravel(), gB.ravel()]) + DECAY * w
