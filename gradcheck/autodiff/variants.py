"""Gradients in other dress: with a value beside them, of arguments by name, of all arguments at once, of holomorphic
functions. Names and arguments are autograd's."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np

from gradcheck.autodiff.core import is_array, is_complex, shape_of
from gradcheck.autodiff.errors import AutodiffError, WrongOutput
from gradcheck.autodiff.jacobians import _require_holomorphic
from gradcheck.autodiff.scope import stand_in
from gradcheck.autodiff.transforms import (
    Argnum,
    Function,
    _called,
    _gather,
    _name,
    _pull_back,
    _record,
    _scalar_output,
    by_position,
    chosen,
    grad,
)
from gradcheck.autodiff.trees import is_container, is_passive, tree_map


def grad_and_aux(fun: Function, argnum: Argnum = 0) -> Function:
    """Gradient of the first of two results, and the second one as it is.

    Args:
        fun: function that returns a pair: one real number, and anything.
        argnum: position or name of the argument(s) to differentiate.

    Returns:
        A function of the same arguments that returns ``(gradient, aux)``.

    >>> import numpy as np
    >>> grad_and_aux(lambda x: (np.sum(x**2), {"largest": np.max(x)}))(np.array([1.0, 2.0]))
    (array([2., 4.]), {'largest': np.float64(2.0)})
    """
    argnum = chosen(fun, argnum)

    def both(*args: Any, **keywords: Any) -> Any:
        run = _record(fun, argnum, args, keywords)
        if not isinstance(run.output, tuple | list) or len(run.output) != 2:
            what = (
                f"{len(run.output)} results"
                if isinstance(run.output, tuple | list)
                else (f"a {type(run.output).__name__}")
            )
            raise WrongOutput(f"grad_and_aux needs a function that returns a number and something else, not {what}")
        y, aux = run.output
        _scalar_output(y)
        if is_complex(y):
            raise WrongOutput("grad_and_aux needs a real number as first result; it is complex")
        one = np.ones(shape_of(y)) if is_array(y) else 1.0
        gradient = _gather(run, argnum, _pull_back(run, [(y, one)]))
        aux = tree_map(run.value, aux)
        run.close()
        return gradient, aux

    return _name(both, "grad_and_aux", fun)


def grad_named(fun: Function, argname: str) -> Function:
    """The gradient with respect to an argument by its name.

    Raises:
        AutodiffError: there is none of that name, or it cannot be passed by position.

    >>> grad_named(lambda x, rate: x * rate**2, "rate")(2.0, 3.0)
    12.0
    """
    return grad(fun, chosen(fun, argname))


def multigrad(fun: Function, argnums: Sequence[int] = (0,)) -> Function:
    """The gradients with respect to several arguments, as a tuple: ``grad(fun, tuple(argnums))``.

    >>> multigrad(lambda x, y: x * y, [0, 1])(2.0, 3.0)
    (3.0, 2.0)
    """
    return grad(fun, tuple(argnums))


def multigrad_dict(fun: Function) -> Function:
    """The gradients with respect to all arguments at once, by name.

    Arguments that were left out are differentiated at their defaults; those that are no numbers (text, None, truth
    values) are left out. What was passed to ``*args`` and ``**kwargs`` comes as a tuple and a dict.

    >>> multigrad_dict(lambda x, rate=3.0, method="plain": x * rate)(2.0)
    {'x': 3.0, 'rate': 2.0}
    """
    try:
        signature = inspect.signature(fun)
    except (TypeError, ValueError):
        raise AutodiffError(f"multigrad_dict: {_called(fun)} tells no signature") from None

    def of_all(chosen_values: dict[str, Any], fixed: dict[str, Any]) -> Any:
        bound = inspect.BoundArguments(signature, fixed | chosen_values)
        return called(*bound.args, **bound.kwargs)

    called = stand_in(fun)

    def gradients(*args: Any, **keywords: Any) -> dict[str, Any]:
        bound = signature.bind(*args, **keywords)
        bound.apply_defaults()
        varied = {name: value for name, value in bound.arguments.items() if not is_passive(value)}
        fixed = {name: value for name, value in bound.arguments.items() if name not in varied}
        found = grad(of_all)(varied, fixed)
        return {name: found[name] for name in bound.arguments if name in varied}

    return _name(gradients, "multigrad_dict", fun)


def holomorphic_grad(fun: Function, argnum: Argnum = 0) -> Function:
    """f'(z) of a holomorphic function with one complex number as result; of several z, the partial derivatives.

    A real argument is taken as a complex one with imaginary part zero.

    Raises:
        AutodiffError: f is not holomorphic at this point (as ``np.conj``, ``np.abs``), or returns no single number.

    >>> holomorphic_grad(lambda z: z**2 * 1j)(1.0 + 2.0j)
    (-4+2j)
    """
    argnum = chosen(fun, argnum)

    def derivative(*args: Any, **keywords: Any) -> Any:
        argnums, args, keywords = by_position(fun, argnum, args, keywords)
        call = list(args)
        for k in argnums:
            if -len(call) <= k < len(call):
                call[k] = tree_map(_as_complex, call[k])
        run = _record(fun, argnum, tuple(call), keywords)
        _scalar_output(run.output)
        one = np.ones(shape_of(run.output)) if is_array(run.output) else 1.0
        first = _pull_back(run, [(run.output, one)])
        if not is_complex(run.output):
            if any(np.any(g != 0) for g in first):
                raise WrongOutput(
                    "holomorphic_grad needs a holomorphic function; it returned a real number",
                    hint="use grad for a real function of complex numbers",
                )
        else:
            for a, b in zip(first, _pull_back(run, [(run.output, one * 1j)]), strict=True):
                _require_holomorphic(a, b)
        run.close()
        return _gather(run, argnum, first)

    return _name(derivative, "holomorphic_grad", fun)


def _as_complex(x: Any) -> Any:
    if is_container(x) or is_complex(x):
        return x
    return x * (1 + 0j)
