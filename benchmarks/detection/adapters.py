"""The checkers behind one signature: ``checker(f, g, x) -> Outcome``, each with its own defaults.

f takes an array of the shape of x and returns a number or an array, g returns f's shape followed by x's; f counts its
calls. What a tool leaves to its user (a threshold, where it returns a number) is written beside it here. A tool that is
not installed raises ImportError when it is asked for its version, and the table names it. Only gradcheck says what kind
of bug it sees, and only gradcheck and numdifftools give error bars.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np

Function = Callable[[Any], Any]


@dataclass(frozen=True)
class Measured:
    """A derivative with an error bar, of the entry with these indices; or along a direction, with what it should be if
    the gradient on trial is right.
    """

    output: tuple[int, ...]
    index: tuple[int, ...]
    value: float
    bar: float
    right: float | None = None


@dataclass(frozen=True)
class Outcome:
    """What a checker said: "pass", "fail" or "inconclusive"; names of kinds of bugs; its error bars."""

    verdict: str
    said: tuple[str, ...] = ()
    measured: tuple[Measured, ...] = ()
    note: str = ""


Checker = Callable[[Function, Function, np.ndarray], Outcome]


def _verdict(ok: Any) -> Outcome:
    return Outcome("pass" if ok else "fail")


def _flat(f: Function, g: Function, x: np.ndarray) -> tuple[Function, Function, np.ndarray]:
    """f and g for tools that know vectors only; g is (n,) or (m, n)."""

    def flat_f(z: Any) -> Any:
        value = np.asarray(f(np.asarray(z).reshape(x.shape)))
        return value.ravel() if value.ndim else value[()]

    def flat_g(z: Any) -> Any:
        J = np.asarray(g(np.asarray(z).reshape(x.shape)))
        return J.ravel() if J.ndim == x.ndim else J.reshape(-1, x.size)

    return flat_f, flat_g, x.ravel()


def _gradcheck(f: Function, g: Function, x: np.ndarray, autodiff: bool) -> Outcome:
    from gradcheck import check

    result = check(f, x, grad=g, autodiff=autodiff)
    measured = tuple(
        Measured(e.output, e.index, float(e.measured), e.error, None if e.direction is None else float(e.yours))
        for e in result.entries
        if e.measured is not None and e.error is not None and "kink" not in e.note
    )
    kinds = sorted({finding.kind for finding in result.findings if finding.code.startswith("GC1")})
    notes = sorted({e.note for e in result.entries if e.verdict == result.verdict and e.note})
    note = " ".join([*sorted({finding.code for finding in result.findings}), *notes])
    return Outcome(str(result.verdict), tuple(kinds), measured, note)


def gradcheck(f: Function, g: Function, x: np.ndarray) -> Outcome:
    """gradcheck.check as it comes, autodiff the second witness."""
    return _gradcheck(f, g, x, autodiff=True)


def gradcheck_without(f: Function, g: Function, x: np.ndarray) -> Outcome:
    """The same, from values of f alone."""
    return _gradcheck(f, g, x, autodiff=False)


def torch_gradcheck(f: Function, g: Function, x: np.ndarray, **options: Any) -> Outcome:
    """torch.autograd.gradcheck of an autograd.Function: eps 1e-6, atol 1e-5, rtol 1e-3."""
    import torch

    class Wrapped(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, t: Any) -> Any:
            ctx.save_for_backward(t)
            return torch.as_tensor(np.asarray(f(t.detach().numpy().copy())))

        @staticmethod
        def backward(ctx: Any, cotangent: Any) -> Any:
            (t,) = ctx.saved_tensors
            J = torch.as_tensor(np.array(g(t.detach().numpy().copy()), order="C"))
            return torch.tensordot(cotangent, J.to(cotangent.dtype), dims=cotangent.ndim)

    t = torch.tensor(x, requires_grad=True)
    return _verdict(torch.autograd.gradcheck(Wrapped.apply, (t,), raise_exception=False, **options))


def torch_fast(f: Function, g: Function, x: np.ndarray) -> Outcome:
    """The same with fast_mode=True: one random projection."""
    return torch_gradcheck(f, g, x, fast_mode=True)


def _jax(f: Function, g: Function, x: np.ndarray, x64: bool) -> Outcome:
    """check_vjp is what check_grads(order=1, modes=["rev"]) calls, and it takes f and its vjp as plain functions."""
    import jax
    from jax.test_util import check_vjp

    jax.config.update("jax_enable_x64", x64)
    kind = x.dtype if x64 else np.dtype(np.float32)

    def call(function: Function, z: Any) -> np.ndarray:
        return np.asarray(function(np.array(z, dtype=kind).astype(x.dtype)), dtype=kind)

    def with_vjp(z: Any) -> tuple[np.ndarray, Function]:
        J = call(g, z)
        return call(f, z), lambda cotangent: (np.tensordot(cotangent, J, axes=J.ndim - x.ndim),)

    try:
        check_vjp(lambda z: call(f, z), with_vjp, (x.astype(kind),))
    except AssertionError:
        return Outcome("fail")
    return Outcome("pass")


def jax_default(f: Function, g: Function, x: np.ndarray) -> Outcome:
    """jax.test_util.check_grads, order 1, reverse mode, in float32 as JAX has it out of the box."""
    return _jax(f, g, x, x64=False)


def jax_x64(f: Function, g: Function, x: np.ndarray) -> Outcome:
    """The same with jax_enable_x64."""
    return _jax(f, g, x, x64=True)


def autograd_check(f: Function, g: Function, x: np.ndarray) -> Outcome:
    """autograd.test_util.check_grads of a primitive, order 1, reverse mode."""
    from autograd.extend import defvjp, primitive
    from autograd.test_util import check_grads

    wrapped = primitive(lambda z: f(np.array(z)))

    def vjp(value: Any, z: Any) -> Any:
        J = np.asarray(g(np.array(z)))
        return lambda cotangent: np.tensordot(cotangent, J, axes=np.ndim(value))

    defvjp(wrapped, vjp)
    np.random.seed(0)  # autograd draws its direction from NumPy's global generator
    try:
        check_grads(wrapped, modes=["rev"], order=1)(x if x.ndim else float(x))
    except AssertionError:
        return Outcome("fail")
    return Outcome("pass")


def scipy_absolute(f: Function, g: Function, x: np.ndarray) -> Outcome:
    """scipy.optimize.check_grad <= 1e-6. It names no threshold; this is what check_derivative calls likely correct."""
    from scipy.optimize import check_grad

    return _verdict(check_grad(*_flat(f, g, x)) <= 1e-6)


def scipy_relative(f: Function, g: Function, x: np.ndarray) -> Outcome:
    """The same, <= 1e-6 times the norm of the gradient."""
    from scipy.optimize import check_grad

    return _verdict(check_grad(*_flat(f, g, x)) <= 1e-6 * np.linalg.norm(np.ravel(g(x.copy()))))


def scipy_derivative(f: Function, g: Function, x: np.ndarray) -> Outcome:
    """scipy.optimize._numdiff.check_derivative <= 1e-6, the threshold of its docstring."""
    from scipy.optimize._numdiff import check_derivative

    return _verdict(check_derivative(*_flat(f, g, x)) <= 1e-6)


def numdifftools(f: Function, g: Function, x: np.ndarray) -> Outcome:
    """np.allclose(numdifftools.Jacobian(f)(x), g(x), rtol=1e-6), atol 1e-8; its error estimates are the bars."""
    import numdifftools

    flat_f, flat_g, flat_x = _flat(f, g, x)
    claim = np.atleast_2d(flat_g(flat_x.copy()))
    found = numdifftools.Jacobian(lambda z: np.atleast_1d(flat_f(z)), full_output=True)(flat_x)
    value, bars = np.reshape(found.estimate, claim.shape), np.reshape(found.error_estimate, claim.shape)
    shape = np.shape(g(x.copy()))
    split = len(shape) - x.ndim
    places = [np.unravel_index(k, shape) for k in range(claim.size)]
    measured = tuple(
        Measured(tuple(map(int, p[:split])), tuple(map(int, p[split:])), float(v), float(b))
        for p, v, b in zip(places, value.ravel(), bars.ravel(), strict=True)
    )
    return Outcome("pass" if np.allclose(value, claim, rtol=1e-6) else "fail", measured=measured)


@dataclass(frozen=True)
class Row:
    """A row of the table: the checker, the package that it needs, what the table calls it."""

    check: Checker
    package: str
    title: str


CHECKERS: dict[str, Row] = {
    "gradcheck": Row(gradcheck, "gradcheck", "gradcheck"),
    "gradcheck-without": Row(gradcheck_without, "gradcheck", "gradcheck, autodiff=False"),
    "torch": Row(torch_gradcheck, "torch", "torch gradcheck"),
    "torch-fast": Row(torch_fast, "torch", "torch gradcheck, fast_mode"),
    "jax-x64": Row(jax_x64, "jax", "jax check_grads, float64"),
    "jax": Row(jax_default, "jax", "jax check_grads, default"),
    "autograd": Row(autograd_check, "autograd", "autograd check_grads"),
    "scipy-derivative": Row(scipy_derivative, "scipy", "scipy check_derivative"),
    "scipy-relative": Row(scipy_relative, "scipy", "scipy check_grad, relative"),
    "scipy-absolute": Row(scipy_absolute, "scipy", "scipy check_grad, absolute"),
    "numdifftools": Row(numdifftools, "numdifftools", "numdifftools, rtol=1e-6"),
}


def installed(name: str) -> str:
    """The version of what a checker needs.

    Raises:
        ImportError: it is not installed, or does not load.
    """
    package = CHECKERS[name].package
    module = importlib.import_module(package)
    return str(module.__version__) if package == "gradcheck" else version(package)


def quietly(check: Checker, f: Function, g: Function, x: np.ndarray) -> Outcome:
    """Run a checker without warnings."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return check(f, g, x)
