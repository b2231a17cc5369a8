"""Whole Jacobians and Hessians: a row for each output by reverse mode, or a column for each input by forward mode."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from gradcheck.autodiff.core import is_array, is_complex, plain, shape_of
from gradcheck.autodiff.errors import WrongOutput
from gradcheck.autodiff.forward import Forward, aligned, settled, tangent_of
from gradcheck.autodiff.stacked import stacked_rows
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
)
from gradcheck.autodiff.trees import is_container, leaves, with_leaves

# Up to this many rows reverse mode is asked even where forward mode needs fewer columns: it runs the function once.
FEW_ROWS = 16
# So many rows at a time, in one sweep for many of them, cost about what a column does.
ROWS_A_COLUMN = 128


def _size(x: Any) -> int:
    return math.prod(shape_of(x))


def value_and_jacobian(fun: Function, argnum: Argnum = 0) -> Function:
    """A function that returns both f(x) and its Jacobian: see :func:`jacobian`.

    >>> value_and_jacobian(lambda x: x * x)(3.0)
    (9.0, 6.0)
    """
    argnum = chosen(fun, argnum)

    def derivative(*args: Any, **keywords: Any) -> Any:
        run = _record(fun, argnum, args, keywords)
        outputs = leaves(run.output) if is_container(run.output) else [run.output]
        for y in outputs:
            _number(y)
        value = run.value(run.output) if not is_container(run.output) else _values(run)
        m, n = sum(map(_size, outputs)), sum(map(_size, run.inputs))
        stacks = [_stack(run, y) if m <= ROWS_A_COLUMN * n else None for y in outputs]
        left = sum(_size(y) for y, stack in zip(outputs, stacks, strict=True) if stack is None and run.owns(y))
        if n and left > max(n, FEW_ROWS) and not _complex_inputs(run):
            run.close()
            blocks = _columns(fun, argnum, args, keywords, run)
        else:
            blocks = [_rows(run, y) if stack is None else stack for y, stack in zip(outputs, stacks, strict=True)]
            run.close()
        parts = [_gather(run, argnum, block) for block in blocks]
        return value, with_leaves(run.output, parts, live=False) if is_container(run.output) else parts[0]

    return _name(derivative, "value_and_jacobian", fun)


def _values(run: _Traced) -> Any:
    return with_leaves(run.output, [run.value(y) for y in leaves(run.output)])


def _complex_inputs(run: _Traced) -> bool:
    return any(is_complex(x.value) for x in run.inputs)


# -- rows --------------------------------------------------------------------------------------------------------------


def _rows(run: _Traced, y: Any) -> list[Any]:
    """The Jacobian of one output a row at a time: one trace, one sweep for each element. A block for each input."""
    shape = shape_of(y)
    pull = _complex_row if is_complex(y) else _real_row
    if not shape:
        return pull(run, y, 0)
    rows = [pull(run, y, i) for i in range(math.prod(shape))]
    joined = []
    for k, x in enumerate(run.inputs):
        part = [row[k] for row in rows]
        stacked = np.stack(part) if part else np.zeros((0, *shape_of(x)), np.result_type(plain(x)))
        joined.append(np.reshape(stacked, shape + shape_of(x)))
    return joined


def _stack(run: _Traced, y: Any) -> list[Any] | None:
    """The same for an array by stacks of rows; None where that cannot be."""
    stacks = stacked_rows(run.trace, y, run.inputs) if run.owns(y) and is_array(y) else None
    if stacks is None:
        return None
    return [_block(stack, shape_of(y), x.value) for stack, x in zip(stacks, run.inputs, strict=True)]


def _block(stack: Any, shape: tuple[int, ...], x: Any) -> Any:
    """All rows with respect to one input, in its precision."""
    if stack is None:
        return np.zeros(shape + np.shape(x), np.result_type(x))
    return np.asarray(stack.reshape(shape + np.shape(x)), np.result_type(x))


def _real_row(run: _Traced, y: Any, i: int) -> list[Any]:
    return _pull_back(run, [(y, _unit(y, i))])


def _complex_row(run: _Traced, y: Any, i: int) -> list[Any]:
    """The row of a complex output. Of a real input the pullback gives the real part only, so the imaginary part is
    asked for as well. For a complex input the two together tell whether the function is holomorphic."""
    unit = _unit(y, i)
    first = _pull_back(run, [(y, unit)])
    second = _pull_back(run, [(y, unit * 1j)])
    row = []
    for x, a, b in zip(run.inputs, first, second, strict=True):
        if not is_complex(x.value):
            row.append(a - 1j * b)  # Re f' and Re (i f') = -Im f'
            continue
        _require_holomorphic(a, b)
        row.append(a)
    return row


def _require_holomorphic(a: Any, b: Any) -> None:
    """Raise unless b = i·a: pullbacks of 1 and of i, which differ for a function like ``np.conj``."""
    a, b = plain(a), plain(b)
    size = float(np.max(np.abs(a), initial=0.0) + np.max(np.abs(b), initial=0.0))
    epsilon = float(np.finfo(np.result_type(a, np.float32)).eps)
    if not np.all(np.abs(b - 1j * a) <= math.sqrt(epsilon) * size) and np.all(np.isfinite(a)):
        raise WrongOutput(
            "the function is not holomorphic here: its derivative is no complex number",
            hint="differentiate np.real and np.imag of it apart, as functions of the real and imaginary parts",
        )


def _unit(y: Any, i: int) -> Any:
    value = plain(y)
    if not isinstance(value, np.ndarray):
        return 1.0
    g = np.zeros(value.shape, value.dtype if value.dtype.kind in "fc" else float)
    g.reshape(-1)[i] = 1.0
    return g


# -- columns -----------------------------------------------------------------------------------------------------------


def _along(leaf: int, j: int) -> Callable[[Any, int, Any], Any]:
    """Start forward mode along coordinate j of one input; the others stay."""

    def start(trace: Any, i: int, value: Any) -> Any:
        return trace.variable(value, aligned(_unit(value, j), plain(value), trace.level) if i == leaf else None)

    return start


def _columns(
    fun: Function, argnum: Argnum, args: tuple[Any, ...], keywords: dict[str, Any], run: _Traced
) -> list[list[Any]]:
    """The Jacobian a column at a time by forward mode: for each output a block for each input."""
    argnums, args, keywords = by_position(fun, argnum, args, keywords)
    by_input = []
    for leaf, x in enumerate(run.inputs):
        columns: list[list[Any]] = []
        for j in range(_size(x)):
            columns.append(settled(functools.partial(_column, fun, argnums, args, keywords, _along(leaf, j))))
        by_input.append((shape_of(x), columns))
    outputs = leaves(run.output) if is_container(run.output) else [run.output]
    return [[_joined(y, k, shape, columns) for shape, columns in by_input] for k, y in enumerate(outputs)]


def _column(fun: Function, argnums: tuple[int, ...], args: tuple[Any, ...], keywords: dict[str, Any],
            start: Any) -> list[Any]:  # fmt: skip
    forward = _Traced(fun, argnums, args, keywords, Forward, start)
    outputs = leaves(forward.output) if is_container(forward.output) else [forward.output]
    return [_tangent(forward, y) for y in outputs]


def _joined(y: Any, k: int, shape: tuple[int, ...], columns: list[list[Any]]) -> Any:
    """The block of output k and one input."""
    if not columns:
        return np.zeros(shape_of(y) + shape, np.result_type(plain(y)))
    if not shape:
        return columns[0][k]
    return np.reshape(np.stack([column[k] for column in columns], axis=-1), shape_of(y) + shape)


def _tangent(run: _Traced, y: Any) -> Any:
    t = tangent_of(y) if run.owns(y) else None
    if t is not None:
        return t
    value = plain(y)
    dtype = np.result_type(value)
    return np.zeros(shape_of(y), dtype if dtype.kind in "fc" else float) if is_array(y) else 0.0


# -- the transforms ----------------------------------------------------------------------------------------------------


def jacobian(fun: Function, argnum: Argnum = 0) -> Function:
    """The Jacobian of an array-valued function, ``J[out..., in...] = ∂f[out...]/∂x[in...]``.

    Args:
        fun: function with a number, an array or a container of them as result.
        argnum: position or name of the argument to differentiate (an array, a number, or a container of them); a tuple
            of them gives a tuple of Jacobians.

    Returns:
        A function of the same arguments that returns an array of shape ``f(x).shape + x.shape`` (a number where both
        are numbers). For containers: in the place of each array of the value, one Jacobian for each array of the
        argument. Computed by reverse or forward mode, whichever takes fewer passes.

    Complex numbers: of a real argument the Jacobian is complex where f is. For a complex argument f must be holomorphic
    (J = f') or real (J = ∂f/∂x − i ∂f/∂y).

    Raises:
        AutodiffError: the function returns no numbers, is complex and not holomorphic, or uses something that has no
            derivative rule.

    >>> import numpy as np
    >>> jacobian(lambda x: np.array([x[0] * x[1], x[0] ** 2, x[1]]))(np.array([2.0, 3.0]))
    array([[3., 2.],
           [4., 0.],
           [0., 1.]])
    """
    both = value_and_jacobian(fun, argnum)
    return _name(lambda *args, **keywords: both(*args, **keywords)[1], "jacobian", fun)


def hessian(fun: Function, argnum: Argnum = 0) -> Function:
    """The Hessian of a function of one number as result, of shape ``x.shape + x.shape``.

    Of a vector-valued function: the Hessian of each element, of shape ``f(x).shape + x.shape + x.shape``. Of a
    container of arrays (and of several arguments): a Hessian block for each pair of them, as containers of containers.
    Computed by reverse over reverse mode: the gradient is recorded once and swept once for each input, which
    costs less than one run of forward mode for each.

    >>> import numpy as np
    >>> hessian(lambda x: x[0] ** 2 * x[1])(np.array([1.0, 2.0]))
    array([[4., 2.],
           [2., 0.]])
    """
    argnum = chosen(fun, argnum)

    def slope(*args: Any, **keywords: Any) -> Any:
        value, J = value_and_jacobian(fun, argnum)(*args, **keywords)
        shape = shape_of(value) if is_array(value) else ()
        if not shape or math.prod(shape) != 1:
            return J
        blocks = (
            [np.reshape(b, shape_of(b)[len(shape) :]) for b in leaves(J)]
            if is_container(J)
            else [np.reshape(J, shape_of(J)[len(shape) :])]
        )
        return with_leaves(J, blocks, live=False) if is_container(J) else blocks[0]

    return _name(jacobian(slope, argnum), "hessian", fun)
