"""Roots: the bracketing methods, newton, fsolve, root in all its methods, and fixed points.

A root is differentiated by the implicit function theorem (``implicit.py``), whichever method has found it. The user's
``fprime`` and ``jac`` serve SciPy's run alone.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.optimize

from gradcheck.autodiff.closures import Callback, cutting, enough, order, stripped
from gradcheck.autodiff.core import plain, plain_tree
from gradcheck.autodiff.errors import unsupported
from gradcheck.autodiff.jumps import Samples, refuse_sign_change
from gradcheck.autodiff.products import jvp
from gradcheck.autodiff.rules.reductions import as_traced
from gradcheck.autodiff.rules.scipy.optimize.implicit import completed, guarded, implicit, vector
from gradcheck.autodiff.rules.scipy.optimize.minima import as_tuple
from gradcheck.autodiff.rules.scipy.registry import original, replace

Function = Callable[..., Any]


def root_of(f: Function, x0: Any, name: str) -> Any:
    """The root of f next to SciPy's x0, a number or an array, with its derivatives."""
    x0 = plain(x0)
    if np.iscomplexobj(x0):
        return _complex_root(f, x0, name)
    shape = np.shape(x0)

    def F(x: Any) -> Any:
        return vector(f(np.reshape(x, shape) if shape else x[0]))

    x = implicit(F, np.reshape(np.asarray(x0, dtype=float), -1), name)
    return np.reshape(x, shape) if shape or isinstance(x0, np.ndarray) else x[0]


def _complex_root(f: Function, x0: Any, name: str) -> Any:
    """A root of a holomorphic function of one number."""
    if np.ndim(x0):
        raise unsupported(f"{name} of an array of complex numbers")
    with cutting():
        slope = complex(plain(jvp(f, (complex(x0),), (1.0 + 0.0j,))[1]))
    if not np.isfinite(slope) or abs(slope) < 1e-9:
        raise unsupported(f"{name}: the derivative of the function at its root is zero, or not finite")
    x: Any = complex(x0)
    for _ in range(order()):
        r = f(x)
        x = x - (r - plain(r)) / slope
    return x


BRACKETING = ("brentq", "brenth", "bisect", "ridder", "toms748")


class _Bracketed(Callback):
    """A function of one number that remembers its values."""

    def __init__(self, function: Function, args: tuple[Any, ...]) -> None:
        super().__init__(function, args)
        self.samples = Samples()

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        y = super().__call__(*args, **keywords)
        self.samples.add(args[0], y[0] if isinstance(y, tuple) else y)
        return y

    def steady(self, root: Any, name: str) -> None:
        """An error where the root is a jump that moves: none of its values carries a derivative."""

        def evaluate(x: Any) -> Any:
            y = Callback.__call__(self, x)
            return y[0] if isinstance(y, tuple) else y

        if not self.active and np.ndim(root) == 0 and not np.iscomplexobj(root) and np.isfinite(root):
            refuse_sign_change(evaluate, self.samples.all, float(root), name)


_CALLABLES = ("fprime", "fprime2", "jac", "Dfun")


def _scalar(name: str) -> Function:
    """brentq and its kin, newton, fixed_point: a root, perhaps with a RootResults beside it."""
    whole = f"scipy.optimize.{name}"

    def handler(*positional: Any, **keywords: Any) -> Any:
        run = original(scipy.optimize, name)
        given = inspect.signature(run).bind(*positional, **keywords).arguments
        args = as_tuple(given.pop("args", ()))
        key = "f" if "f" in given else "func"
        fun = given[key]
        call = {k: plain_tree(v) for k, v in given.items()}
        call |= {k: stripped(call[k], args) for k in (key, *_CALLABLES) if k in call}
        if name in BRACKETING:
            call[key] = _Bracketed(fun, args)
        result = run(**call)
        own = result[0] if isinstance(result, tuple) else result
        if name in BRACKETING:
            call[key].steady(own, whole)
        if enough(call[key].active):
            return result

        def f(x: Any) -> Any:
            y = fun(x, *args)
            return x - as_traced(y) if name == "fixed_point" else y

        if not isinstance(result, tuple):
            return root_of(f, own, whole)
        if not np.all(np.asarray(getattr(result[1], "converged", True))):
            raise unsupported(f"{whole} did not converge")
        root = root_of(f, own, whole)
        rest = []
        for part in result[1:]:
            if hasattr(part, "root"):
                part.root = root
            rest.append(part if hasattr(part, "root") else guarded(part, f"{whole}: result"))
        return type(result)(root, *rest) if hasattr(result, "_fields") else (root, *rest)

    return handler


def root_scalar(
    f: Function,
    args: Any = (),
    method: Any = None,
    bracket: Any = None,
    fprime: Any = None,
    fprime2: Any = None,
    x0: Any = None,
    x1: Any = None,
    xtol: Any = None,
    rtol: Any = None,
    maxiter: Any = None,
    options: Any = None,
) -> Any:
    """``scipy.optimize.root_scalar``: the root carries derivatives, the counts and the flag do not."""
    args = as_tuple(args)
    callback = _Bracketed(f, args)
    result = original(scipy.optimize, "root_scalar")(
        callback,
        (),
        method,
        plain_tree(bracket),
        stripped(fprime, args),
        stripped(fprime2, args),
        plain(x0),
        plain(x1),
        xtol,
        rtol,
        maxiter,
        options,
    )
    if bracket is not None:
        callback.steady(result.root, "scipy.optimize.root_scalar")
    if enough(callback.active):
        return result
    if not result.converged:
        raise unsupported(f"scipy.optimize.root_scalar did not converge: {result.flag}")

    def g(x: Any) -> Any:
        y = f(x, *args)
        return y[0] if isinstance(y, tuple) else y  # fprime=True: the function returns its derivatives, too

    result.root = root_of(g, result.root, "scipy.optimize.root_scalar")
    return result


def root(
    fun: Function,
    x0: Any,
    args: Any = (),
    method: str = "hybr",
    jac: Any = None,
    tol: Any = None,
    callback: Any = None,
    options: Any = None,
) -> Any:
    """``scipy.optimize.root``, all methods. The residual at the root, ``fun``, is zero whatever the parameters are."""
    args = as_tuple(args)
    system = Callback(fun, args)
    result = original(scipy.optimize, "root")(
        system, plain(as_traced(x0)), (), method, stripped(jac, args), tol, callback, plain_tree(options)
    )
    if enough(system.active):
        return result
    x = _system_root(fun, args, jac is True, result.x, np.size(result.fun), "scipy.optimize.root")
    return completed(result, "scipy.optimize.root", {"x": x, "fun": result.fun})


def _system_root(fun: Function, args: tuple[Any, ...], pair: bool, x0: Any, equations: int, name: str) -> Any:
    def f(x: Any) -> Any:
        y = fun(x, *args)
        return y[0] if pair else y

    if equations == np.size(x0):
        return root_of(f, x0, name)
    raise unsupported(f"{name} with {equations} equations for {np.size(x0)} unknowns", "use least_squares")


def fsolve(func: Function, x0: Any, args: Any = (), fprime: Any = None, full_output: Any = 0, *rest: Any,
           **options: Any) -> Any:  # fmt: skip
    """``scipy.optimize.fsolve``."""
    args = as_tuple(args)
    system = Callback(func, args)
    result = original(scipy.optimize, "fsolve")(
        system, plain(as_traced(x0)), (), stripped(fprime, args), full_output, *rest, **plain_tree(options)
    )
    if enough(system.active):
        return result
    own = result[0] if full_output else result
    x = _system_root(func, args, False, own, np.size(own), "scipy.optimize.fsolve")
    if not full_output:
        return x
    info = {k: v if k == "fvec" else guarded(v, f"scipy.optimize.fsolve: {k}") for k, v in result[1].items()}
    return (x, info, *result[2:])


def _nonlinear(name: str) -> Function:
    """broyden1, newton_krylov and their kin: F(x) = 0 for an x of any shape."""

    def handler(F: Function, xin: Any, *rest: Any, **keywords: Any) -> Any:
        system = Callback(F)
        x = original(scipy.optimize, name)(system, plain(as_traced(xin)), *rest, **plain_tree(keywords))
        return root_of(F, x, f"scipy.optimize.{name}") if system.active else x

    return handler


_HANDLERS: dict[str, Function] = {"root_scalar": root_scalar, "root": root, "fsolve": fsolve}
for _name in ("brentq", "brenth", "bisect", "ridder", "toms748", "newton", "fixed_point"):
    _HANDLERS[_name] = _scalar(_name)
for _name in ["broyden1", "broyden2", "anderson", "linearmixing", "diagbroyden", "excitingmixing", "newton_krylov"]:
    _HANDLERS[_name] = _nonlinear(_name)
replace(scipy.optimize, _HANDLERS, always=_HANDLERS)
