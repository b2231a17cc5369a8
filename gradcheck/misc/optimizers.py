"""Stochastic gradient descent, RMSProp and Adam, in autograd's signatures: for containers of parameters.

``grad(x, i)`` is the gradient at x in iteration i, ``callback(x, i, g)`` is called before each step. Written in plain
arithmetic, so that an optimisation can itself be differentiated.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gradcheck.misc.flatten import flatten

__all__ = ["adam", "rmsprop", "sgd"]

Gradient = Callable[[Any, int], Any]
Callback = Callable[[Any, int, Any], Any] | None
# One step: the parameters, their gradient and the iteration, to the new parameters.
Step = Callable[[Any, Any, int], Any]


def _run(grad: Gradient, x0: Any, callback: Callback, num_iters: int, make: Callable[[Any], Step]) -> Any:
    x, unflatten = flatten(x0)
    step = make(x)
    for i in range(num_iters):
        at = unflatten(x)
        g = flatten(grad(at, i))[0]
        if callback is not None:
            callback(at, i, unflatten(g))
        x = step(x, g, i)
    return unflatten(x)


def sgd(
    grad: Gradient,
    x0: Any,
    callback: Callback = None,
    num_iters: int = 200,
    step_size: float = 0.1,
    mass: float = 0.9,
) -> Any:
    """Gradient descent with momentum: v ← mass·v − (1 − mass)·g, x ← x + step_size·v.

    Source: B. Polyak, *Some methods of speeding up the convergence of iteration methods*, 1964.

    >>> x = sgd(lambda x, i: 2.0 * (x - 3.0), 0.0)
    >>> abs(x - 3.0) < 1e-4
    np.True_
    """

    def make(x: Any) -> Step:
        v = 0.0 * x

        def step(x: Any, g: Any, _i: int) -> Any:
            nonlocal v
            v = mass * v - (1.0 - mass) * g
            return x + step_size * v

        return step

    return _run(grad, x0, callback, num_iters, make)


def rmsprop(
    grad: Gradient,
    x0: Any,
    callback: Callback = None,
    num_iters: int = 100,
    step_size: float = 0.1,
    gamma: float = 0.9,
    eps: float = 1e-8,
) -> Any:
    """Steps divided by the root of a running mean of squared gradients, which starts at one.

    Source: T. Tieleman & G. Hinton, lecture 6.5 of *Neural Networks for Machine Learning*, 2012.

    >>> x = rmsprop(lambda x, i: 2.0 * (x - 3.0), 0.0, num_iters=300, step_size=0.05)
    >>> abs(x - 3.0) < 0.1
    np.True_
    """

    def make(x: Any) -> Step:
        mean = np.ones(len(x))

        def step(x: Any, g: Any, _i: int) -> Any:
            nonlocal mean
            mean = gamma * mean + (1.0 - gamma) * g**2
            return x - step_size * g / (np.sqrt(mean) + eps)

        return step

    return _run(grad, x0, callback, num_iters, make)


def adam(
    grad: Gradient,
    x0: Any,
    callback: Callback = None,
    num_iters: int = 100,
    step_size: float = 0.001,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
) -> Any:
    """Adam: running means of the gradient and its square, corrected for their start at zero.

    Source: D. Kingma & J. Ba, *Adam: a method for stochastic optimization*, ICLR 2015, algorithm 1.

    >>> x = adam(lambda x, i: 2.0 * (x - 3.0), 0.0, num_iters=300, step_size=0.1)
    >>> abs(x - 3.0) < 0.1
    np.True_
    """

    def make(x: Any) -> Step:
        first: Any = 0.0 * x
        second: Any = 0.0 * x

        def step(x: Any, g: Any, i: int) -> Any:
            nonlocal first, second
            first = b1 * first + (1.0 - b1) * g
            second = b2 * second + (1.0 - b2) * g**2
            mean = first / (1.0 - b1 ** (i + 1))
            square = second / (1.0 - b2 ** (i + 1))
            return x - step_size * mean / (np.sqrt(square) + eps)

        return step

    return _run(grad, x0, callback, num_iters, make)
