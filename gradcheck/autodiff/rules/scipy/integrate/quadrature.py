"""Quadrature of callbacks: quad and its kin.

Leibniz's rule: the derivative of ∫ₐᵇ f(x; c) dx with respect to what f has captured, c, is the integral of ∂f/∂c, and
with respect to the limits f(b) and −f(a). The integral of the derivative is taken by the same SciPy function
with the same options, not by differentiating its sum over nodes: where ∂f/∂c wants other nodes than f, it gets them. So
the derivative is that of the true integral, to the tolerance asked of SciPy; differences of an adaptive quadrature are
noisy at the level of that tolerance.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import scipy.integrate

from gradcheck.autodiff.closures import Callback, Jets, enough, order, stripped
from gradcheck.autodiff.core import any_active, plain, plain_tree
from gradcheck.autodiff.decisions import Path, noting, unnoted, verify, watching
from gradcheck.autodiff.errors import unsupported
from gradcheck.autodiff.jumps import refuse_moving
from gradcheck.autodiff.rules.reductions import as_traced
from gradcheck.autodiff.rules.scipy.registry import STATUS, original, replace
from gradcheck.autodiff.stores import without_derivative

Function = Callable[..., Any]


class _Seen(Callback):
    """A callback of one variable that remembers where it was evaluated, and by which path."""

    def __init__(self, function: Function, args: Sequence[Any] = ()) -> None:
        super().__init__(function, args)
        self.samples: list[tuple[Any, Any, Path]] = []

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        with noting() as path:
            y = super().__call__(*args, **keywords)
        self.samples.append((args[0], np.array(y), tuple(path)))
        return y

    @property
    def points(self) -> list[Any]:
        """Where it was evaluated: all of it, as what it has captured may play no part in some of the interval."""
        return [x for x, _, _ in self.samples]

    @property
    def decided(self) -> bool:
        """Whether a differentiated value has decided anything."""
        return any(path for _, _, path in self.samples)

    def verify(self, what: str) -> None:
        """An error where the function jumps by such a decision."""
        if self.decided:

            def evaluate(x: Any) -> tuple[Any, Path]:
                with noting() as path:
                    y = Callback.__call__(self, x)
                return y, tuple(path)

            verify(evaluate, self.samples, what)

    def steady(self, what: str) -> None:
        """An error where the function jumps, by no such decision, at a place that moves."""
        refuse_moving(lambda x: Callback.__call__(self, x), [(x, y) for x, y, _ in self.samples], what)


# -- limits ------------------------------------------------------------------------------------------------------------


def _sliver(f: Function, limit: Any) -> Any:
    """∫ f from the plain value of a limit to its traced value, whose difference δ is zero but for its derivatives.

    Gauss's rule with k nodes is exact to order 2k in δ, which is all that so many traces can ask for.
    """
    start = plain(limit)
    if not any_active(limit) or not math.isfinite(start):
        return 0.0
    delta = limit - start
    nodes, weights = np.polynomial.legendre.leggauss((order() + 1) // 2)
    total: Any = 0.0
    for x, w in zip(nodes.tolist(), weights.tolist(), strict=True):
        total = total + (0.5 * w) * as_traced(f(start + delta * (0.5 * (x + 1.0))))
    return total * delta


def _ends(f: Function, a: Any, b: Any) -> Any:
    return _sliver(f, b) - _sliver(f, a)


# -- quad --------------------------------------------------------------------------------------------------------------


def _weight(name: Any, wvar: Any) -> Function:
    """The weight function of quad, as far as a limit may be traced with it."""
    if name is None:
        return lambda _x: 1.0
    if name == "cos":
        return lambda x: np.cos(plain(wvar) * x)
    if name == "sin":
        return lambda x: np.sin(plain(wvar) * x)
    if name == "cauchy":
        return lambda x: 1.0 / (x - plain(wvar))
    raise unsupported(f"scipy.integrate.quad with weight={name!r} and a traced limit")


def _integrate(f: Function, points: Sequence[Any], a: float, b: float, options: Mapping[str, Any], value: float) -> Any:
    """∫ f with SciPy's value and the derivatives with respect to what f has captured."""
    jets = Jets()

    def run() -> Any:
        cache: dict[float, Any] = {}

        def at(x: float) -> Any:
            if x not in cache:
                cache[x] = jets.call(f, x)
            return cache[x]

        for x in points:
            at(x)
        parts = [value, *(_component(at, k, a, b, options) for k in range(1, jets.factor))]
        # A kink that moves: the derivative of the integrand jumps there, and its integral is differentiated again.
        lower = jets.lower()
        if lower.size:
            samples = [(x, jet[lower]) for x, jet in cache.items()]
            refuse_moving(lambda x: jets.call(f, x)[lower], samples, "the derivative of the integrand of quad")
        return parts

    return jets.decode(np.array(jets.settle(run)))[0]


def _component(at: Function, k: int, a: float, b: float, options: Mapping[str, Any]) -> float:
    result = original(scipy.integrate, "quad")(lambda x: at(x)[k], a, b, **options, full_output=1)
    value, error = float(result[0]), float(result[1])
    if len(result) > 3 and not error <= max(10.0 * options.get("epsabs", 1.5e-8), 1e-4 * abs(value)):
        raise unsupported(f"the integral of the derivative does not converge: {result[3]}")
    return value


def quad(
    func: Any,
    a: Any,
    b: Any,
    args: Any = (),
    full_output: Any = 0,
    *positional: Any,
    complex_func: bool = False,
    **options: Any,
) -> Any:
    """``scipy.integrate.quad``; every option is followed but a traced ``wvar``, and traced limits of an ``alg``
    weight."""
    names = ("epsabs", "epsrel", "limit", "points", "weight", "wvar", "wopts", "maxp1", "limlst")
    options = {**dict(zip(names, positional, strict=False)), **options}
    run = original(scipy.integrate, "quad")
    args = args if isinstance(args, tuple) else (args,)
    if not callable(func):
        if any_active((list(args), a, b)):
            raise unsupported("scipy.integrate.quad of a compiled function with traced arguments")
        return run(func, plain(a), plain(b), plain_tree(args), full_output, **plain_tree(options))
    if any_active(options.get("wvar")):
        raise unsupported("scipy.integrate.quad with a traced wvar", "put the weight into the integrand")
    if any_active(_listed(options.get("points"))):
        return _split(func, a, b, args, full_output, options)
    options = plain_tree(options)
    callback = _Seen(func, args)
    low, high = float(plain(a)), float(plain(b))
    complex_options = {"complex_func": True} if complex_func else {}
    with watching():
        result = run(callback, low, high, full_output=full_output, **options, **complex_options)
        callback.verify("the integrand of scipy.integrate.quad")
    done = enough(callback.active or any_active((a, b)))
    if not (done and callback.active):  # an active one is asked again, by whatever integrates its derivative
        callback.steady("the integrand of scipy.integrate.quad")
    if done:
        return result

    def f(x: Any) -> Any:
        return func(x, *args)

    with unnoted():
        told = (without_derivative(e, "scipy.integrate.quad") for e in result[1:])
        return (_quad(f, callback, a, b, options, result[0]), *told)


def _listed(x: Any) -> list[Any]:
    return [] if x is None else list(x) if isinstance(x, list | tuple) else [x[i] for i in range(len(x))]


def _split(func: Function, a: Any, b: Any, args: tuple[Any, ...], full_output: Any, options: dict[str, Any]) -> Any:
    """quad with traced break points: they are limits of integrals that are added up, each seen from its own side, so
    that a jump of the integrand there moves with them."""
    if options.get("weight") is not None or full_output:
        raise unsupported("scipy.integrate.quad with traced points, and a weight or full_output")
    points = sorted(_listed(options.pop("points")), key=plain)
    low, high = plain(a), plain(b)
    points = [p for p in points if min(low, high) < plain(p) < max(low, high)]
    points = points if low <= high else points[::-1]
    edges = [a, *points, b]
    total, error = 0.0, 0.0
    toward = 1.0 if low <= high else -1.0
    for k, (start, end) in enumerate(itertools.pairwise(edges)):
        # One step of the last bit inwards from a break point, so that comparisons with it come out as they do inside.
        first = _nudged(start, toward) if k else start
        last = _nudged(end, -toward) if k < len(edges) - 2 else end
        value, bar = quad(func, first, last, args, **options)[:2]
        total, error = total + value, error + bar
    return total, error


def _nudged(x: Any, direction: float) -> Any:
    value = plain(x)
    return x + (np.nextafter(value, direction * np.inf) - value)


def _quad(f: Function, callback: _Seen, a: Any, b: Any, options: Mapping[str, Any], value: Any) -> Any:
    if isinstance(value, complex):
        real = _quad(lambda x: np.real(f(x)), callback, a, b, options, value.real)
        return real + 1j * _quad(lambda x: np.imag(f(x)), callback, a, b, options, value.imag)
    low, high = float(plain(a)), float(plain(b))
    total: Any = value
    if callback.active:
        total = _integrate(f, callback.points, low, high, options, value)
    if any_active((a, b)):
        weight = _weight(options.get("weight"), options.get("wvar"))
        total = total + _ends(lambda x: f(x) * weight(x), a, b)
    return total


# -- nquad -------------------------------------------------------------------------------------------------------------


def nquad(func: Any, ranges: Any, args: Any = None, opts: Any = None, full_output: bool = False) -> Any:
    """Nested quads, the last variable outermost; ranges and options may be functions of the outer variables."""
    args = () if args is None else args if isinstance(args, tuple) else (args,)
    many = isinstance(opts, list | tuple)
    callbacks: list[Any] = [Callback(func, args)]
    plain_ranges = [_strip_with(r, args, callbacks) for r in ranges]
    plain_opts = [_strip_with(o, args, callbacks) for o in opts] if many else _strip_with(opts, args, callbacks)
    with watching(), noting() as path:
        result = original(scipy.integrate, "nquad")(callbacks[0], plain_ranges, (), plain_opts, full_output)
    limits = [list(r) for r in ranges if not callable(r)]
    active = any(c.active for c in callbacks)
    done = enough(active or bool(path) or any_active(limits))
    if done and active:
        return result

    def integral(level: int, outer: tuple[Any, ...]) -> Any:
        """∫ over variables 0 … level, the outer ones given."""
        bounds = ranges[level]
        low, high = bounds(*outer, *args) if callable(bounds) else bounds
        option = opts[level] if many else opts
        option = dict((option(*outer, *args) if callable(option) else option) or {})
        if "points" in option:
            option["points"] = [p for p in option["points"] if plain(low) <= p <= plain(high)]
        inner = (lambda x: func(x, *outer, *args)) if level == 0 else (lambda x: integral(level - 1, (x, *outer)))
        return quad(inner, low, high, **option)[0]

    traced = integral(len(ranges) - 1, ())  # also of plain values: a jump that moves is found, or there is none
    return result if done else (traced, *result[1:])


def _strip_with(x: Any, args: tuple[Any, ...], callbacks: list[Any]) -> Any:
    if not callable(x):
        return plain_tree(x)
    callbacks.append(Callback(x, args))
    return callbacks[-1]


def _edge(g: Any, *x: Any) -> Any:
    return g(*x) if callable(g) else g


def dblquad(
    func: Any, a: Any, b: Any, gfun: Any, hfun: Any, args: Any = (), epsabs: float = 1.49e-8, epsrel: float = 1.49e-8
) -> Any:
    """∫ₐᵇ dx ∫ dy func(y, x)."""

    def inner(x: Any, *_rest: Any) -> Any:
        return [_edge(gfun, x), _edge(hfun, x)]

    return nquad(func, [inner, [a, b]], args, {"epsabs": epsabs, "epsrel": epsrel})


def tplquad(
    func: Any,
    a: Any,
    b: Any,
    gfun: Any,
    hfun: Any,
    qfun: Any,
    rfun: Any,
    args: Any = (),
    epsabs: float = 1.49e-8,
    epsrel: float = 1.49e-8,
) -> Any:
    """∫ₐᵇ dx ∫ dy ∫ dz func(z, y, x)."""

    def innermost(y: Any, x: Any, *_rest: Any) -> Any:
        return [_edge(qfun, x, y), _edge(rfun, x, y)]

    def middle(x: Any, *_rest: Any) -> Any:
        return [_edge(gfun, x), _edge(hfun, x)]

    return nquad(func, [innermost, middle, [a, b]], args, {"epsabs": epsabs, "epsrel": epsrel})


# -- vectors -----------------------------------------------------------------------------------------------------------


def quad_vec(f: Any, a: Any, b: Any, *positional: Any, args: Any = (), **options: Any) -> Any:
    """``scipy.integrate.quad_vec``; all derivatives are integrated at once, under its own tolerance and norm."""
    names = ("epsabs", "epsrel", "norm", "cache_size", "limit", "workers", "points", "quadrature", "full_output")
    options = plain_tree({**dict(zip(names, positional, strict=False)), **options})
    callback = _Seen(f, args if isinstance(args, tuple) else (args,))
    low, high = float(plain(a)), float(plain(b))
    with watching():
        result = original(scipy.integrate, "quad_vec")(callback, low, high, **options)
        callback.verify("the integrand of scipy.integrate.quad_vec")
    done = enough(callback.active or any_active((a, b)))
    if not (done and callback.active):
        callback.steady("the integrand of scipy.integrate.quad_vec")
    if done:
        return result

    def g(x: Any) -> Any:
        return f(x, *callback.args)

    with unnoted():
        return (_quad_vec(g, callback, a, b, options, result[0]), *result[1:])


def _quad_vec(g: Function, callback: _Seen, a: Any, b: Any, options: dict[str, Any], total: Any) -> Any:
    low, high = float(plain(a)), float(plain(b))
    shape, twofold = np.shape(total), np.iscomplexobj(total)
    if callback.active:
        jets = Jets()
        own = np.concatenate([np.ravel(np.real(total)), np.ravel(np.imag(total))]) if twofold else np.ravel(total)
        quiet = {**options, "full_output": False, "workers": 1}

        def run() -> Any:
            for x in callback.points:
                jets.call(g, x)
            rest = original(scipy.integrate, "quad_vec")(lambda x: jets.call(g, x)[own.size :], low, high, **quiet)[0]
            return np.concatenate([own, rest])

        flat = jets.decode(jets.settle(run))
        if twofold:
            half = own.size // 2
            flat = flat[:half] + 1j * flat[half:]
        total = np.reshape(flat, shape) if shape else flat[0]
    return total + _ends(g, a, b)


def fixed_quad(func: Any, a: Any, b: Any, args: Any = (), n: int = 5) -> Any:
    """Gauss-Legendre quadrature: a sum, so func sees traced abscissae if a limit is traced."""
    if np.isinf(plain(a)) or np.isinf(plain(b)):
        raise ValueError("Gaussian quadrature is only available for finite limits.")
    nodes, weights = np.polynomial.legendre.leggauss(n)
    y = (b - a) * (nodes + 1) / 2.0 + a
    return (b - a) / 2.0 * np.sum(weights * as_traced(func(y, *args)), axis=-1), None


def qmc_quad(
    func: Any,
    a: Any,
    b: Any,
    *,
    n_estimates: int = 8,
    n_points: int = 1024,
    qrng: Any = None,
    log: bool = False,
) -> Any:
    """Means of func at SciPy's own points: they are kept, and the sums taken again on traced values."""
    points: list[Any] = []

    class Keeping(Callback):
        def __call__(self, *args: Any, **keywords: Any) -> Any:
            points.append(np.array(args[0]))
            return super().__call__(*args, **keywords)

    callback = Keeping(func)
    keywords = {"n_estimates": n_estimates, "n_points": n_points, "qrng": qrng, "log": log}
    result = original(scipy.integrate, "qmc_quad")(callback, plain_tree(a), plain_tree(b), **keywords)
    if enough(callback.active or any_active((a, b))):
        return result
    if log:
        raise unsupported("scipy.integrate.qmc_quad with log=True")
    a, b = np.atleast_1d(as_traced(a)), np.atleast_1d(as_traced(b))
    low, high = plain(a), plain(b)
    swaps = np.where(low > high, -1.0, 1.0)
    estimates = []
    # SciPy asks func for one value first, to see whether it takes vectors.
    samples = [p for p in points if p.shape[-1] == n_points and p.ndim == 2]
    if len(samples) < n_estimates:
        raise unsupported("scipy.integrate.qmc_quad of a function that does not take many points at once")
    for x in samples[-n_estimates:]:
        least, width = np.minimum(low, high)[:, None], np.abs(high - low)[:, None]
        unit = (x - least) / width
        unit = np.where(swaps[:, None] < 0, 1.0 - unit, unit)
        y = func(a[:, None] + unit * (b - a)[:, None])
        estimates.append(np.prod(b - a) * np.mean(as_traced(y), axis=-1))
    values = np.stack(estimates)
    error = np.std(values, ddof=1) / math.sqrt(n_estimates)
    return type(result)(np.mean(values), error)


def _refused(name: str) -> Function:
    """A function whose derivative is not followed: on plain values it is itself, and anything else is an error."""

    def handler(f: Any, *args: Any, **keywords: Any) -> Any:
        callback = stripped(f)
        result = original(scipy.integrate, name)(callback, *plain_tree(args), **plain_tree(keywords))
        if callback.active or any_active(list(args)) or any_active(keywords):
            raise unsupported(f"scipy.integrate.{name} of traced values", "use quad, quad_vec or nquad")
        return result

    return handler


_CALLBACKS: dict[str, Function] = {
    "quad": quad, "nquad": nquad, "dblquad": dblquad, "tplquad": tplquad, "quad_vec": quad_vec,
    "fixed_quad": fixed_quad, "qmc_quad": qmc_quad, "tanhsinh": _refused("tanhsinh"), "nsum": _refused("nsum"),
    "cubature": _refused("cubature"),
}  # fmt: skip
replace(scipy.integrate, _CALLBACKS, always=_CALLBACKS)
for _name in ("tanhsinh", "nsum", "cubature"):
    if hasattr(scipy.integrate, _name):
        STATUS[scipy.integrate, _name] = "refused: use quad, quad_vec or nquad"
