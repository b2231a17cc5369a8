"""The libraries behind one signature: ``peer.prepare(problem) -> Ready``.

What a library needs once (arrays of its own, a compiled program) is done in ``prepare``; ``Ready.run`` is one
derivative, in the way that the library's documentation shows, and waits for the result; ``Ready.read`` makes a NumPy
array of it. All in float64. A library that is not installed raises ImportError from ``prepare``, and what it has no
transform for raises ``Unsupported``.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np

from benchmarks.speed.workload import Problem


class Unsupported(Exception):
    """The library has no such transform."""


@dataclass(frozen=True)
class Ready:
    """One derivative, ready to be run any number of times."""

    run: Callable[[], Any]
    read: Callable[[Any], Any] = lambda result: result

    def arrays(self, result: Any) -> list[np.ndarray]:
        """The result of ``run`` as a list of NumPy arrays."""
        parts = result if isinstance(result, list | tuple) else [result]
        return [np.asarray(self.read(part)) for part in parts]


@dataclass(frozen=True)
class Peer:
    """A column of the table.

    Attributes:
        title: what the table calls it.
        package: the distribution that it needs.
        prepare: see above.
        tolerance: how far from gradcheck's derivative it may be, relative to the largest entry.
        only: the operations that it is for; None means all, and a dash stands in the table for any other.
    """

    title: str
    package: str
    prepare: Callable[[Problem], Ready]
    tolerance: float = 1e-6
    only: tuple[str, ...] | None = None


def _same(x: Any) -> Any:
    return x


def _each(convert: Callable[[Any], Any], x: Any) -> Any:
    return [convert(part) for part in x] if isinstance(x, list) else convert(x)


def _require(value: Any, kind: type) -> None:
    """Say in plain words what otherwise ends in "'float' object has no attribute 'backward'".

    Raises:
        TypeError: f has made a plain number of what it was given.
    """
    if not isinstance(value, kind):
        raise TypeError(f"the derivative is lost: f returns a plain {type(value).__name__}")


def _forward_is_cheaper(problem: Problem) -> bool:
    """Whether f has more outputs than inputs, which the user of a library with two kinds of Jacobians knows."""
    return bool(np.size(problem.plain(problem.x)) > np.size(problem.x))


def plain(problem: Problem) -> Ready:
    """f itself."""
    f, x = problem.plain, problem.x
    return Ready(lambda: f(x))


def _by_name(library: Any, problem: Problem, f: Callable[..., Any]) -> Ready:
    """With transforms of autograd's names."""
    x, v = problem.x, problem.vector
    if problem.operation == "hvp":
        product = library.hessian_vector_product(f)
        return Ready(lambda: product(x, v))
    derivative = {"gradient": library.grad, "jacobian": library.jacobian, "hessian": library.hessian}[
        problem.operation
    ](f)
    return Ready(lambda: derivative(x))


def gradcheck(problem: Problem) -> Ready:
    import gradcheck as g

    return _by_name(g, problem, problem.plain)


def autograd(problem: Problem) -> Ready:
    import autograd as a
    import autograd.numpy

    return _by_name(a, problem, problem.built(autograd.numpy, _same, "autograd"))


def mygrad(problem: Problem) -> Ready:
    import mygrad as mg

    if problem.operation != "gradient":
        raise Unsupported("has gradients only")
    f = problem.built(mg, _same, "mygrad")
    _require(f(_each(mg.tensor, problem.x)), mg.Tensor)

    def run() -> Any:
        x = _each(lambda part: mg.tensor(part, copy=False), problem.x)
        f(x).backward()
        return _each(lambda tensor: tensor.grad, x)

    return Ready(run)


def advect(problem: Problem) -> Ready:
    import advect as ad

    f, x, v = problem.built(np, _same, "advect"), problem.x, problem.vector
    if problem.operation == "hvp":
        product = ad.hvp(f)
        return Ready(lambda: product(x, vectors=v)[1])
    derivative = {"gradient": ad.grad, "jacobian": ad.jacobian, "hessian": ad.hessian}[problem.operation](f)
    return Ready(lambda: derivative(x))


def torch(problem: Problem) -> Ready:
    import torch as t
    from torch import func

    t.set_default_dtype(t.float64)
    if os.environ.get("OMP_NUM_THREADS") == "1":
        t.set_num_threads(1)
    f = problem.built(t, t.as_tensor, "torch")
    x = _each(lambda part: t.as_tensor(part, dtype=t.float64), problem.x)

    def read(tensor: Any) -> Any:
        return tensor.detach().numpy()

    if problem.operation == "gradient":
        inputs = _each(lambda tensor: tensor.clone().requires_grad_(), x)
        _require(f(inputs), t.Tensor)
        return Ready(lambda: t.autograd.grad(f(inputs), inputs), read)
    if problem.operation == "hvp":
        v = t.as_tensor(problem.vector)
        slope = func.grad(f)
        return Ready(lambda: func.jvp(slope, (x,), (v,))[1], read)
    if problem.operation == "hessian":
        derivative = func.hessian(f)
    else:
        derivative = (func.jacfwd if _forward_is_cheaper(problem) else func.jacrev)(f)
    return Ready(lambda: derivative(x), read)


def _jax(problem: Problem, *names: str) -> tuple[Callable[[], Callable[[Any], Any]], Any]:
    """What makes a new derivative (a function of x that JAX has not seen), and x."""
    import jax as j

    j.config.update("jax_enable_x64", True)
    x = _each(j.numpy.asarray, problem.x)
    vector = None if problem.vector is None else j.numpy.asarray(problem.vector)

    def derivative() -> Callable[[Any], Any]:
        f = problem.built(j.numpy, j.numpy.asarray, *names)
        if problem.operation == "hvp":
            return lambda x: j.jvp(j.grad(f), (x,), (vector,))[1]
        if problem.operation == "jacobian":
            transform = j.jacfwd if _forward_is_cheaper(problem) else j.jacrev
        else:
            transform = {"gradient": j.grad, "hessian": j.hessian}[problem.operation]
        derived: Callable[[Any], Any] = transform(f)
        return derived

    return derivative, x


def jax(problem: Problem) -> Ready:
    """Without jit."""
    from jax import block_until_ready

    derivative, x = _jax(problem, "jax")
    run = derivative()
    return Ready(lambda: block_until_ready(run(x)))


def jax_jit(problem: Problem) -> Ready:
    """The compiled derivative, after its first call."""
    from jax import block_until_ready, jit

    derivative, x = _jax(problem, "jax-jit", "jax")
    run = jit(derivative())
    return Ready(lambda: block_until_ready(run(x)))


def jax_compile(problem: Problem) -> Ready:
    """The first call: traced, compiled and run."""
    from jax import block_until_ready, jit

    derivative, x = _jax(problem, "jax-jit", "jax")
    return Ready(lambda: block_until_ready(jit(derivative())(x)))


def approx_derivative(problem: Problem) -> Ready:
    """Forward differences by SciPy, what ``least_squares`` does by default."""
    from scipy.optimize._numdiff import approx_derivative as approximate

    f, x = problem.plain, problem.x
    return Ready(lambda: approximate(f, x, method="2-point"))


def central_differences(problem: Problem) -> Ready:
    """Central differences as everybody writes them."""
    f, x = problem.plain, problem.x

    def run() -> Any:
        h = 6e-6
        J = np.empty((np.size(f(x)), np.size(x)))
        for i in range(np.size(x)):
            step = np.zeros(np.size(x))
            step[i] = h
            J[:, i] = (f(x + step) - f(x - step)) / (2.0 * h)
        return J

    return Ready(run)


_JACOBIANS = ("jacobian",)

PEERS: dict[str, Peer] = {
    "gradcheck": Peer("gradcheck", "gradcheck", gradcheck),
    "autograd": Peer("autograd", "autograd", autograd),
    "mygrad": Peer("MyGrad", "mygrad", mygrad),
    "advect": Peer("advect", "advect", advect),
    "torch": Peer("PyTorch eager", "torch", torch),
    "jax": Peer("JAX eager", "jax", jax),
    "jax-jit": Peer("JAX jit", "jax", jax_jit),
    "jax-compile": Peer("JAX jit, first call", "jax", jax_compile),
    "scipy": Peer("SciPy 2-point", "scipy", approx_derivative, 1e-4, _JACOBIANS),
    "central": Peer("central differences", "numpy", central_differences, 1e-4, _JACOBIANS),
}


def versions(names: list[str]) -> dict[str, str]:
    """The versions of what the peers need, the missing ones left out."""
    found = {}
    for package in dict.fromkeys(["numpy", "scipy", *(PEERS[name].package for name in names)]):
        try:
            found[package] = version(package)
        except ModuleNotFoundError:
            continue
    return found
