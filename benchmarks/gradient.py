"""Gradient time over plain-f time, beside autograd's, in one run.

    python benchmarks/gradient.py [--seconds 1.0] [WORKLOAD...]

For each workload the plain function, our gradient and autograd's are timed in turn, again and again, and the medians
compared, so that a slow moment of the machine falls on all three. One thread (set before NumPy loads). autograd
needs its own copy of NumPy's namespace, which is what ``make(np)`` receives; ours gets the plain one.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

import numpy  # noqa: E402

from gradcheck import grad  # noqa: E402

Workload = tuple[Callable[[Any], Callable[..., Any]], tuple[Any, ...]]
rng = numpy.random.default_rng(0)


def scalar_loop(np: Any) -> Callable[..., Any]:
    def f(x: Any) -> Any:
        y = x
        for _ in range(300):
            y = y * 0.99 + x * 0.01 - y * x * 0.001
        return y

    return f


def element_loop(np: Any) -> Callable[..., Any]:
    def f(x: Any) -> Any:
        y = np.zeros(300)
        y[0] = x[0]
        for i in range(1, 300):
            y[i] = 0.9 * y[i - 1] + x[i] * x[i]
        return np.sum(y)

    return f


def rosenbrock(np: Any) -> Callable[..., Any]:
    return lambda x: np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


def layer(np: Any) -> Callable[..., Any]:
    inputs = rng.normal(size=(100, 50))
    return lambda w: np.sum(np.tanh(np.dot(inputs, w)) ** 2)


def mlp(np: Any) -> Callable[..., Any]:
    inputs, labels = rng.normal(size=(100, 50)), rng.normal(size=(100, 1))

    def f(parameters: Any) -> Any:
        w1, b1, w2, b2 = parameters
        hidden = np.tanh(np.dot(inputs, w1) + b1)
        return np.mean((np.dot(hidden, w2) + b2 - labels) ** 2)

    return f


def logistic(np: Any) -> Callable[..., Any]:
    data, labels = rng.normal(size=(2000, 100)), rng.integers(0, 2, 2000) * 2.0 - 1.0
    return lambda w: np.mean(np.log1p(np.exp(-labels * np.dot(data, w)))) + 0.1 * np.sum(w**2)


WORKLOADS: dict[str, Workload] = {
    "scalar loop, 300 steps": (scalar_loop, (numpy.float64(0.7),)),
    "element loop, 300 items": (element_loop, (rng.normal(size=300),)),
    "Rosenbrock n = 100": (rosenbrock, (rng.normal(size=100),)),
    "Rosenbrock n = 10^6": (rosenbrock, (rng.normal(size=10**6),)),
    "MLP 100 x 50 x 20": (layer, (0.1 * rng.normal(size=(50, 20)),)),
    "MLP 50-20-1, batch 100": (
        mlp,
        ([0.1 * rng.normal(size=(50, 20)), rng.normal(size=20), rng.normal(size=(20, 1)), rng.normal(size=1)],),
    ),
    "logistic 2000 x 100": (logistic, (0.1 * rng.normal(size=100),)),
}


def peers(make: Callable[[Any], Callable[..., Any]], args: tuple[Any, ...]) -> dict[str, Callable[[], Any]]:
    """What is timed; autograd only where it can run the function, and both must agree."""
    plain = make(numpy)
    ours = grad(plain)
    runs: dict[str, Callable[[], Any]] = {"plain": lambda: plain(*args), "gradcheck": lambda: ours(*args)}
    try:
        import autograd
        import autograd.numpy
    except ImportError:
        return runs
    state = rng.bit_generator.state
    theirs = autograd.grad(make(autograd.numpy))
    rng.bit_generator.state = state
    ours = grad(make(numpy))
    runs["gradcheck"] = lambda: ours(*args)
    try:
        expected = theirs(*args)
    except ValueError:  # "setting an array element with a sequence": no item assignment
        return runs
    for mine, other in (
        zip(ours(*args), expected, strict=True) if isinstance(expected, list) else [(ours(*args), expected)]
    ):
        numpy.testing.assert_allclose(mine, other, rtol=1e-9)
    return runs | {"autograd": lambda: theirs(*args)}


def measure(runs: dict[str, Callable[[], Any]], seconds: float) -> dict[str, float]:
    """Median seconds a call, the candidates taken in turn."""
    calls = {}
    for name, run in runs.items():
        run()
        start = time.perf_counter()
        run()
        calls[name] = max(1, int(0.01 / max(time.perf_counter() - start, 1e-7)))
    samples: dict[str, list[float]] = {name: [] for name in runs}
    stop = time.perf_counter() + seconds
    while time.perf_counter() < stop or len(samples["plain"]) < 5:
        for name, run in runs.items():
            start = time.perf_counter()
            for _ in range(calls[name]):
                run()
            samples[name].append((time.perf_counter() - start) / calls[name])
    return {name: statistics.median(s) for name, s in samples.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workload", nargs="*", help="only workloads whose name contains one of these")
    parser.add_argument("--seconds", type=float, default=1.0, help="time spent on each workload")
    options = parser.parse_args()
    print(f"{'':26} {'plain f':>12} {'gradcheck':>12} {'ratio':>7} {'autograd':>12} {'ratio':>7}")
    for name, (make, args) in WORKLOADS.items():
        if options.workload and not any(w in name for w in options.workload):
            continue
        times = measure(peers(make, args), options.seconds)
        row = f"{name:26} {times['plain'] * 1e6:9.1f} us {times['gradcheck'] * 1e6:9.1f} us"
        row += f" {times['gradcheck'] / times['plain']:7.1f}"
        if "autograd" in times:
            row += f" {times['autograd'] * 1e6:9.1f} us {times['autograd'] / times['plain']:7.1f}"
        else:
            row += f" {'fails':>12}"
        print(row)


if __name__ == "__main__":
    main()
