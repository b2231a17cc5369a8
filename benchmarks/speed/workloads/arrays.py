"""Array expressions: elementwise arithmetic, contractions, convolution, sparse products."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy

from benchmarks.speed.workload import Problem, Program, family


def rosenbrock_of(np: Any) -> Callable[[Any], Any]:
    """Rosenbrock's function in one namespace."""
    return lambda x: np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


def rosenbrock(rng: numpy.random.Generator, n: int, operation: str = "gradient") -> Problem:
    """Rosenbrock's function, its gradient, Hessian or Hessian-vector product."""
    x = rng.normal(size=n)
    vector = rng.normal(size=n) if operation == "hvp" else None
    return Problem(lambda np, d: rosenbrock_of(np), x, operation=operation, vector=vector)


def einsum(rng: numpy.random.Generator, batch: int, length: int, width: int, optimize: bool) -> Problem:
    """Unnormalised attention scores, a batched contraction, squared and summed."""

    def program(np: Any, d: SimpleNamespace, **how: bool) -> Callable[[Any], Any]:
        return lambda x: np.sum(np.einsum("bqd,bkd->bqk", x, d.keys, **how) ** 2)

    shape = (batch, length, width)
    return Problem(
        partial(program, optimize=True) if optimize else program,
        rng.normal(size=shape),
        {"keys": rng.normal(size=shape)},
        variants={"torch": program},  # which has no such keyword
    )


def convolution(rng: numpy.random.Generator, size: int, kernel: int) -> Problem:
    """The kernel of a two-dimensional convolution, fitted to an image."""
    from scipy import signal

    data = {"image": rng.normal(size=(size, size)), "target": rng.normal(size=(size - kernel + 1,) * 2)}

    def fitted(convolve: Callable[[Any, Any], Any]) -> Program:
        def program(np: Any, d: SimpleNamespace) -> Callable[[Any], Any]:
            return lambda w: np.sum((convolve(d.image, w) - d.target) ** 2)

        return program

    def scipy(image: Any, w: Any) -> Any:
        return signal.convolve2d(image, w, mode="valid")

    def autograd(image: Any, w: Any) -> Any:
        from autograd.scipy.signal import convolve

        return convolve(image, w, mode="valid")

    def mygrad(image: Any, w: Any) -> Any:
        from mygrad.nnet.layers import conv_nd  # a correlation

        return conv_nd(image[None, None], w[None, None, ::-1, ::-1], stride=1)[0, 0]

    def jax(image: Any, w: Any) -> Any:
        from jax.scipy.signal import convolve2d

        return convolve2d(image, w, mode="valid")

    def torch(image: Any, w: Any) -> Any:
        from torch.nn.functional import conv2d  # a correlation

        return conv2d(image[None, None], w.flip(0, 1)[None, None])[0, 0]

    variants = {
        name: fitted(f) for name, f in (("autograd", autograd), ("mygrad", mygrad), ("jax", jax), ("torch", torch))
    }
    return Problem(fitted(scipy), rng.normal(size=(kernel, kernel)), data, variants=variants)


def sparse_product(rng: numpy.random.Generator, n: int, density: float) -> Problem:
    """A constant sparse matrix times x, squared and summed."""
    from scipy import sparse

    A = sparse.random_array((n, n), density=density, format="csr", rng=rng, data_sampler=rng.normal)

    def program(np: Any, d: SimpleNamespace) -> Callable[[Any], Any]:
        return lambda x: np.sum((d.A @ x) ** 2)

    def jax(np: Any, d: SimpleNamespace) -> Callable[[Any], Any]:
        from jax.experimental.sparse import BCSR

        B = BCSR.from_scipy_sparse(d.A)
        return lambda x: np.sum((B @ x) ** 2)

    def torch(np: Any, d: SimpleNamespace) -> Callable[[Any], Any]:
        parts = (np.as_tensor(part) for part in (d.A.indptr, d.A.indices, d.A.data))
        B = np.sparse_csr_tensor(*parts, size=d.A.shape)
        return lambda x: np.sum((B @ x) ** 2)

    return Problem(program, rng.normal(size=n), {"A": A}, variants={"jax": jax, "torch": torch})


WORKLOADS = [
    *family(
        rosenbrock,
        {"n": 7},
        {
            "Rosenbrock n = 100": ({"n": 100}, "default readme"),
            "Rosenbrock n = 10^4": ({"n": 10**4}, "default"),
            "Rosenbrock n = 10^6": ({"n": 10**6}, "default readme"),
            "Rosenbrock n = 10^7": ({"n": 10**7}, "large"),
        },
    ),
    *family(
        einsum,
        {"batch": 2, "length": 3, "width": 2, "optimize": True},
        {
            "einsum bqd,bkd->bqk, 8 x 128 x 64": (
                {"batch": 8, "length": 128, "width": 64, "optimize": False},
                "default",
            ),
            "einsum with optimize=True, 8 x 128 x 64": (
                {"batch": 8, "length": 128, "width": 64, "optimize": True},
                "default",
            ),
        },
    ),
    *family(
        convolution,
        {"size": 6, "kernel": 3},
        {"convolve2d, 5 x 5 over 128 x 128": ({"size": 128, "kernel": 5}, "default")},
    ),
    *family(
        sparse_product,
        {"n": 6, "density": 0.4},
        {"sparse product, 10^4 x 10^4, 10^5 entries": ({"n": 10**4, "density": 1e-3}, "default")},
    ),
]
