"""Products with a Jacobian or a Hessian that is never formed: vjp, jvp, hvp, and autograd's ``make_...`` family.

Reverse mode records the function once and pulls any number of cotangents back; forward mode runs it once for each
tangent. Everything here is one of the two, or one after the other.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from gradcheck.autodiff.core import is_array, is_complex, plain, shape_of
from gradcheck.autodiff.errors import AutodiffError
from gradcheck.autodiff.forward import Forward, aligned, settled, tangent_of
from gradcheck.autodiff.transforms import (
    Argnum,
    Function,
    _gather,
    _name,
    _number,
    _pull_back,
    _record,
    _Traced,
    by_position,
    chosen,
    grad,
)
from gradcheck.autodiff.trees import is_container, leaves, matching_leaves, tree_map, with_leaves


def _outputs(run: _Traced) -> list[Any]:
    """The leaves of what the function returned, all of them numbers or truth values."""
    found = leaves(run.output) if is_container(run.output) else [run.output]
    for y in found:
        value = plain(y)
        if not isinstance(value, bool | np.bool_) and getattr(value, "dtype", None) is not np.dtype(bool):
            _number(y)
    return found


def _seed(out: Any, c: Any, what: str) -> Any:
    """A cotangent or tangent that the user gave for ``out``, in memory of our own."""
    value = plain(c)
    if isinstance(value, bool) or not isinstance(value, int | float | complex | np.number | np.ndarray | list):
        raise AutodiffError(f"{what} is {'None' if value is None else 'a ' + type(value).__name__}, not a number")
    if type(c) is list:
        c = np.asarray(c, dtype=np.result_type(plain(out)))
    if isinstance(value, np.ndarray) and value.dtype.kind not in "fciu":
        raise AutodiffError(f"{what} is an array of {value.dtype}, not of numbers")
    if shape_of(out) != shape_of(c):
        raise AutodiffError(f"{what} has shape {shape_of(c)}, the function's value {shape_of(out)}")
    return np.array(c) if type(c) is np.ndarray else c


# -- reverse mode ------------------------------------------------------------------------------------------------------


def _pullback(fun: Function, argnum: Argnum, args: tuple[Any, ...], keywords: dict[str, Any]) -> tuple[Any, Function]:
    run = _record(fun, argnum, args, keywords)
    outputs = _outputs(run)

    def pullback(g: Any) -> Any:
        cotangents = matching_leaves(run.output, g, "the cotangent") if is_container(run.output) else [g]
        seeds = [(out, _seed(out, c, "the cotangent")) for out, c in zip(outputs, cotangents, strict=True)]
        return _gather(run, argnum, _pull_back(run, seeds))

    # The tape has saved the value, perhaps; the caller may do with his as he likes.
    return tree_map(lambda y: np.copy(y) if is_array(y) else y, tree_map(run.value, run.output)), pullback


def pulled_once(fun: Function, argnum: Argnum, args: tuple[Any, ...], g: Any) -> Any:
    """The cotangents for one cotangent of the value; what was recorded is given back at once."""
    run = _record(fun, argnum, args, {})
    cotangents = matching_leaves(run.output, g, "the cotangent") if is_container(run.output) else [g]
    seeds = [(out, _seed(out, c, "the cotangent")) for out, c in zip(_outputs(run), cotangents, strict=True)]
    found = _gather(run, argnum, _pull_back(run, seeds))
    run.close()
    return found


def vjp(fun: Function, *primals: Any) -> tuple[Any, Function]:
    """The value f(*primals) and the pullback, which maps a cotangent of the value to cotangents of all arguments.

    Args:
        fun: function of any arguments, with arrays or containers of arrays as result.
        primals: its arguments; all are differentiated.

    Returns:
        ``(value, pullback)``; ``pullback(g)``, with g of the value's structure and shapes, returns a tuple with one
        cotangent an argument. It may be called any number of times.

    >>> import numpy as np
    >>> value, pullback = vjp(np.multiply, np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    >>> pullback(np.array([1.0, 10.0]))
    (array([ 3., 40.]), array([ 1., 20.]))
    """
    return _pullback(fun, tuple(range(len(primals))), primals, {})


def make_vjp(fun: Function, argnum: Argnum = 0) -> Function:
    """``make_vjp(f)(*args)`` is ``(pullback, value)``: as :func:`vjp`, with autograd's arguments and order of results.

    Args:
        fun: function with arrays or containers of arrays as result.
        argnum: position or name of the argument(s) to differentiate.

    >>> import numpy as np
    >>> pullback, value = make_vjp(np.sin)(np.array([0.0, np.pi]))
    >>> pullback(np.array([1.0, 10.0]))
    array([  1., -10.])
    """
    argnum = chosen(fun, argnum)

    def maker(*args: Any, **keywords: Any) -> tuple[Function, Any]:
        value, pullback = _pullback(fun, argnum, args, keywords)
        return pullback, value

    return _name(maker, "make_vjp", fun)


# -- forward mode ------------------------------------------------------------------------------------------------------


def _push(
    fun: Function, argnum: Argnum, args: tuple[Any, ...], keywords: dict[str, Any], tangents: Any
) -> tuple[Any, Any]:
    """Value and tangent of the value, for the tangent(s) of the chosen argument(s)."""
    argnums, args, keywords = by_position(fun, argnum, args, keywords)
    flat: list[Any] | None = None

    def start(trace: Forward, i: int, v: Any) -> Any:
        nonlocal flat
        if i == 0:
            flat = _tangents(run_tree(), tangents if isinstance(argnum, tuple) else (tangents,))
        assert flat is not None
        t = flat[i]
        if shape_of(t) != shape_of(v):
            raise AutodiffError(f"tangent {i} does not have the shape {shape_of(v)} of its argument")
        if is_complex(t) and not is_complex(v):
            raise AutodiffError(f"tangent {i} is complex, its argument real")
        return trace.variable(v, aligned(t, plain(v), trace.level))

    def run_tree() -> list[Any]:
        return [args[k] for k in argnums]

    runs: list[_Traced] = []

    def tangents_of_run() -> list[Any]:
        runs.append(_Traced(fun, argnums, args, keywords, Forward, start))
        return [_tangent(runs[-1], y) for y in _outputs(runs[-1])]

    found = settled(tangents_of_run)
    run = runs[0]
    tangent = with_leaves(run.output, found, live=False) if is_container(run.output) else found[0]
    return tree_map(run.value, run.output), tangent


def _tangent(run: _Traced, y: Any) -> Any:
    t = tangent_of(y) if run.owns(y) else None
    value = plain(y)
    if t is not None:
        return t
    return np.zeros_like(value) if isinstance(value, np.ndarray) else type(value)(0)


def _tangents(trees: Sequence[Any], tangents: Sequence[Any]) -> list[Any]:
    """The leaves of the tangents, one tangent an argument."""
    if len(trees) != len(tangents):
        raise AutodiffError(f"{len(trees)} argument(s), but {len(tangents)} tangent(s)")
    flat = []
    for k, (tree, t) in enumerate(zip(trees, tangents, strict=True)):
        parts = matching_leaves(tree, t, f"tangent {k}") if is_container(tree) else [t]
        for part in parts:
            value = plain(part)
            if isinstance(value, bool) or not isinstance(value, int | float | complex | np.number | np.ndarray | list):
                raise AutodiffError(f"tangent {k} holds a {type(value).__name__}, not a number")
        flat += parts
    return flat


def jvp(fun: Function, primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """The value f(*primals) and its directional derivative along the tangents, by forward mode.

    Args:
        fun: function of any arguments, with arrays or containers of arrays as result.
        primals: its arguments.
        tangents: one an argument, of the same structure and shapes.

    Returns:
        ``(value, tangent)``, both of the structure of the value.

    >>> import numpy as np
    >>> jvp(np.sin, (0.0,), (2.0,))
    (np.float64(0.0), np.float64(2.0))
    """
    if len(primals) != len(tangents):
        raise AutodiffError(f"{len(primals)} argument(s), but {len(tangents)} tangent(s)")
    return _push(fun, tuple(range(len(primals))), tuple(primals), {}, tuple(tangents))


def make_jvp(fun: Function, argnum: Argnum = 0) -> Function:
    """``make_jvp(f)(*args)(v)`` is ``(value, tangent)``: as :func:`jvp`, with autograd's arguments; forward mode.

    >>> import numpy as np
    >>> make_jvp(np.multiply, 1)(2.0, np.array([3.0, 4.0]))(np.array([1.0, 0.0]))
    (array([6., 8.]), array([2., 0.]))
    """
    argnum = chosen(fun, argnum)

    def maker(*args: Any, **keywords: Any) -> Function:
        return lambda v: _push(fun, argnum, args, keywords, v)

    return _name(maker, "make_jvp", fun)


def deriv(fun: Function, argnum: Argnum = 0) -> Function:
    """The derivative along a tangent of ones, by forward mode: f'(x) for a number x, whatever the shape of f(x).

    >>> import numpy as np
    >>> deriv(lambda t: np.array([t**2, 3.0 * t]))(2.0)
    array([4., 3.])
    """
    argnum = chosen(fun, argnum)

    def derivative(*args: Any, **keywords: Any) -> Any:
        argnums, args, keywords = by_position(fun, argnum, args, keywords)
        ones = [tree_map(_ones, args[k], live=False) for k in argnums if -len(args) <= k < len(args)]
        return _push(fun, argnum, args, keywords, tuple(ones) if isinstance(argnum, tuple) else ones[0])[1]

    return _name(derivative, "deriv", fun)


def _ones(x: Any) -> Any:
    return np.ones(shape_of(x)) if is_array(x) else 1.0


def make_jvp_reversemode(fun: Function, argnum: Argnum = 0) -> Function:
    """``make_jvp_reversemode(f)(*args)(v)`` is J·v by reverse mode alone: the pullback, which is linear, transposed.

    The function is recorded once for any number of v. Elsewhere :func:`make_jvp` is faster.

    Source: J. Townsend, *A new trick for calculating Jacobian vector products*, 2017.

    >>> import numpy as np
    >>> make_jvp_reversemode(np.square)(np.array([1.0, 2.0]))(np.array([1.0, 10.0]))
    array([ 2., 40.])
    """
    argnum = chosen(fun, argnum)

    def maker(*args: Any, **keywords: Any) -> Function:
        value, pullback = _pullback(fun, argnum, args, keywords)
        zeros = tree_map(lambda y: np.zeros_like(y) if is_array(y) else type(plain(y))(0), value, live=False)
        return _pullback(pullback, 0, (zeros,), {})[1]

    return _name(maker, "make_jvp_reversemode", fun)


# -- second derivatives ------------------------------------------------------------------------------------------------


def hvp(fun: Function, argnum: Argnum = 0) -> Function:
    """Hessian-vector products without the Hessian: ``hvp(f)(*args, v)`` is H·v; forward over reverse.

    Args:
        fun: function of one number as result.
        argnum: position or name of the argument(s) to differentiate.

    Returns:
        A function of f's arguments and one more, v, of the shape and structure of the argument.

    Source: B. Pearlmutter, *Fast exact multiplication by the Hessian*, Neural Computation 6, 147, 1994.

    >>> import numpy as np
    >>> hvp(lambda x: np.sum(x**3))(np.array([1.0, 2.0]), np.array([1.0, 0.0]))
    array([6., 0.])
    """
    argnum = chosen(fun, argnum)
    gradient = grad(fun, argnum)

    def product(*args_and_vector: Any, **keywords: Any) -> Any:
        if not args_and_vector:
            raise AutodiffError("the product with the Hessian needs f's arguments and a vector, the vector last")
        *args, v = args_and_vector
        argnums, positional, rest = by_position(fun, argnum, tuple(args), keywords)
        on_all = tuple(k % max(len(positional), 1) for k in argnums)
        return _push(gradient, on_all if isinstance(argnum, tuple) else on_all[0], positional, rest, v)[1]

    return _name(product, "hvp", fun)


def hessian_tensor_product(fun: Function, argnum: Argnum = 0) -> Function:
    """``hessian_tensor_product(f)(*args, tensor)``: the Hessian times a tensor of the argument's shape; autograd's
    name for :func:`hvp`.

    >>> import numpy as np
    >>> hessian_tensor_product(lambda x: np.sum(x**3))(np.eye(2), np.ones((2, 2)))
    array([[6., 0.],
           [0., 6.]])
    """
    return _name(hvp(fun, argnum), "hessian_tensor_product", fun)


def hessian_vector_product(fun: Function, argnum: Argnum = 0) -> Function:
    """``hessian_vector_product(f)(*args, v)``: autograd's name for :func:`hvp`.

    >>> import numpy as np
    >>> hessian_vector_product(lambda x: np.sum(x**3))(np.array([1.0, 2.0]), np.array([1.0, 0.0]))
    array([6., 0.])
    """
    return _name(hvp(fun, argnum), "hessian_vector_product", fun)


def make_hvp(fun: Function, argnum: Argnum = 0) -> Function:
    """``make_hvp(f)(*args)`` is ``(product, gradient)``: one recording of the gradient for any number of products.

    >>> import numpy as np
    >>> product, gradient = make_hvp(lambda x: np.sum(x**3))(np.array([1.0, 2.0]))
    >>> product(np.array([1.0, 0.0])), product(np.array([0.0, 1.0])), gradient
    (array([6., 0.]), array([ 0., 12.]), array([ 3., 12.]))
    """
    argnum = chosen(fun, argnum)
    return _name(make_vjp(grad(fun, argnum), argnum), "make_hvp", fun)


def tensor_jacobian_product(fun: Function, argnum: Argnum = 0) -> Function:
    """``tensor_jacobian_product(f)(*args, tensor)``: the Jacobian with its leading axes contracted with a tensor.

    Args:
        fun: function with an array as result.
        argnum: position or name of the argument(s) to differentiate.

    Returns:
        A function of f's arguments and the tensor, of the shape of f's value or of its leading axes.

    >>> import numpy as np
    >>> tensor_jacobian_product(np.sin)(np.array([0.0, np.pi]), np.array([1.0, 10.0]))
    array([  1., -10.])
    """
    argnum = chosen(fun, argnum)

    def product(*args_and_tensor: Any, **keywords: Any) -> Any:
        if not args_and_tensor:
            raise AutodiffError("the product with the Jacobian needs f's arguments and a tensor, the tensor last")
        *args, tensor = args_and_tensor
        value, pullback = _pullback(fun, argnum, tuple(args), keywords)
        shape, leading = shape_of(value), shape_of(tensor)
        if is_container(value) or leading != shape[: len(leading)]:
            raise AutodiffError(
                f"the tensor has shape {leading}, which is not how the shape {shape} of the function's value begins"
            )
        if is_complex(value):
            raise AutodiffError(
                "tensor_jacobian_product needs a real-valued function; it returned complex numbers",
                hint="use jacobian and np.tensordot",
            )
        rest = shape[len(leading) :]
        if not rest:
            return pullback(tensor)
        rows = [pullback(np.multiply.outer(tensor, np.reshape(e, rest))) for e in np.eye(math.prod(rest))]
        parts = zip(*[leaves(row) if is_container(row) else [row] for row in rows], strict=True)
        stacked = [np.reshape(np.stack(part), rest + shape_of(part[0])) for part in parts]
        return with_leaves(rows[0], stacked, live=False) if is_container(rows[0]) else stacked[0]

    return _name(product, "tensor_jacobian_product", fun)


def vector_jacobian_product(fun: Function, argnum: Argnum = 0) -> Function:
    """``vector_jacobian_product(f)(*args, v)``: autograd's other name for :func:`tensor_jacobian_product`.

    >>> import numpy as np
    >>> vector_jacobian_product(np.sin)(np.array([0.0, np.pi]), np.array([1.0, 10.0]))
    array([  1., -10.])
    """
    return _name(tensor_jacobian_product(fun, argnum), "vector_jacobian_product", fun)


def _half_square(y: Any) -> Any:
    return 0.5 * np.sum(y**2, axis=-1)


def make_ggnvp(f: Function, g: Function = _half_square, f_argnum: Argnum = 0) -> Function:
    """``make_ggnvp(f, g)(*args)(v)``: the generalised Gauss-Newton matrix Jᵀ·H·J of g(f(x)) times v.

    Args:
        f: the inner function, an array (for the default g: a vector) as result; J is its Jacobian.
        g: the outer function, one number as result; H is its Hessian at f(x). Half the sum of squares if not given.
        f_argnum: position or name of f's argument to differentiate.

    Source: N. Schraudolph, *Fast curvature matrix-vector products*, Neural Computation 14, 1723, 2002.

    >>> import numpy as np
    >>> A = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    >>> make_ggnvp(lambda x: A @ x)(np.zeros(2))(np.array([1.0, 0.0]))
    array([35., 44.])
    """
    f_argnum = chosen(f, f_argnum)
    curvature = hvp(g)

    def maker(*args: Any, **keywords: Any) -> Function:
        value, pullback = _pullback(f, f_argnum, args, keywords)
        return lambda v: pullback(curvature(value, _push(f, f_argnum, args, keywords, v)[1]))

    return _name(maker, "make_ggnvp", f)
