"""Partials that need not be written down: the tools of the rules for ``scipy.special`` and ``scipy.stats``.

Many of their functions are another one's composition (``fdtr`` is ``betainc`` of a ratio) or inverse (``fdtri``). For
these it is enough to say so: the partial of a composition is forward mode through the expression, that of an inverse
is the implicit function theorem. The value stays SciPy's own. Everything here may be called with operands that an
outer trace follows, which is what makes second derivatives work.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gradcheck.autodiff.core import TRACED, UFUNCS, Elementwise, Primitive, elementwise, is_complex, noting, plain
from gradcheck.autodiff.errors import unsupported
from gradcheck.autodiff.fallback import numeric_partial
from gradcheck.autodiff.forward import Forward, tangent_of
from gradcheck.autodiff.scope import tracing

Function = Callable[..., Any]


class _Numeric:
    """The mark of a parameter without a formula in a table of partials."""


NUMERIC = _Numeric()


def floats(x: Any) -> Any:
    """An operand as float64 (or wider): NumPy's numbers divide by zero where Python's raise, and integers promote."""
    if type(x) in TRACED:
        return x if np.result_type(plain(x)).kind in "fc" else x * 1.0
    x = np.asarray(x)
    return (x if x.dtype.kind in "fc" else x.astype(np.float64))[()]


def derivative(expression: Function, k: int, operands: Sequence[Any], *, theirs: bool = False) -> Any:
    """∂/∂(operand k) of an elementwise expression, by forward mode with ones for tangents.

    Args:
        expression: a function of all operands, made of functions that have rules.
        k: which operand.
        operands: numbers or arrays that broadcast, possibly traced by outer traces.
        theirs: whether the expression is code of SciPy's or of the user's: then names are replaced while it runs, as
            in a trace of the user's function.

    Returns:
        An array of the expression's shape; 0.0 if it does not depend on the operand.

    >>> derivative(lambda x, y: x * np.exp(y), 1, (2.0, np.zeros(2)))
    array([2., 2.])
    """
    new = [floats(x) for x in operands]
    trace = Forward()
    with tracing(None, trace) if theirs else trace, np.errstate(all="ignore"):
        one = np.ones_like(plain(new[k]))
        new[k] = trace.variable(new[k], one if one.ndim else one[()])
        y = expression(*new)
        if type(y) not in TRACED or y.owner is not trace:
            return 0.0
        t: Any = tangent_of(y)
    # Forward mode made its memory a constant of every live trace, of which those within the operands' are no concern.
    while type(t) in TRACED and not t.owner.active(t):
        t = t.value
    return 0.0 if t is None else t


def nested(plain_function: Function, traced_function: Function) -> Function:
    """A rule's function: ``plain_function``, and of values of an enclosing trace ``traced_function``."""

    def function(*operands: Any) -> Any:
        if any(type(o) in TRACED for o in operands):
            return traced_function(*operands)
        return plain_function(*operands)

    return function


def family(plain_function: Function, *partials: Any, name: str) -> Elementwise:
    """An :class:`Elementwise` of a Python function, which NumPy's protocol would not bring back to us when nested."""
    rule = Elementwise(nested(plain_function, lambda *operands: elementwise(rule, operands)), *partials, name=name)
    return rule


def partials_of(ufunc: Any, partials: Sequence[Any]) -> list[Any]:
    """The partials of a table, with numeric ones where it says so."""
    return [numeric_partial(ufunc, k) if p is NUMERIC else p for k, p in enumerate(partials)]


def composed(expression: Function, operands: int, skip: Sequence[int] = ()) -> list[Any]:
    """All partials of a function that equals ``expression``; ``skip``: operands of which it is piecewise constant."""

    def make(k: int) -> Function:
        return lambda _y, *args: derivative(expression, k, args)

    return [None if k in skip else make(k) for k in range(operands)]


def labelled(partial: Function) -> Function:
    """A partial in which something is numeric: the rule notes it when it is called, at the user's line, so the partial
    itself is silent."""

    def silent(*args: Any) -> Any:
        with noting():
            return partial(*args)

    silent.numeric = True  # type: ignore[attr-defined]
    return silent


# An inverse that misses the probability by more has not found a solution.
SOLVED = 1e-5


def inverse(
    forward: Function, operands: int, unknown: int, given: int, skip: Sequence[int] = (), numeric: Sequence[int] = ()
) -> list[Any]:
    """All partials of a function y(..., p, ...) that solves ``forward(..., y, ...) = p`` for one of its arguments.

    Args:
        forward: the function that is inverted; its arguments are those of the inverse with y put at ``unknown``.
        operands: how many the inverse has.
        unknown: the position of y among forward's arguments.
        given: the position of p among the inverse's operands, which is taken out before y is put in.
        skip: positions, of the inverse, of which it is piecewise constant.
        numeric: positions, of the inverse, for which a numeric partial of ``forward`` is needed.
    """

    def at(y: Any, args: Sequence[Any]) -> list[Any]:
        rest = [a for i, a in enumerate(args) if i != given]
        return [*rest[:unknown], y, *rest[unknown:]]

    def make(k: int) -> Function:
        def partial(y: Any, *args: Any) -> Any:
            full = at(y, args)
            slope = derivative(forward, unknown, full)
            # Where there is no solution SciPy gives the end of its search, which moves with nothing.
            found = np.abs(plain(forward(*map(plain, full))) - plain(args[given])) <= SOLVED
            slope = slope if np.all(found) else np.where(found, slope, np.nan)
            if k == given:
                return 1.0 / slope
            place = k - (k > given)
            return -derivative(forward, place + (place >= unknown), full) / slope

        return labelled(partial) if k in numeric else partial

    return [None if k in skip else make(k) for k in range(operands)]


def register(ufunc: Any, partials: Sequence[Any], *, real: bool = False, name: str = "") -> None:
    """Make this the rule of a ufunc of one value. ``real``: complex arguments are refused by name."""
    name = name or f"scipy.special.{ufunc.__name__}"
    rule = Elementwise(ufunc, *partials_of(ufunc, partials), name=name)
    if not real:
        UFUNCS[ufunc] = rule
        return

    def handler(*args: Any) -> Any:
        if any(is_complex(a) for a in args):
            raise unsupported(f"{name} of a complex argument, which has no complex derivative")
        return elementwise(rule, args)

    UFUNCS[ufunc] = handler


def register_tuple(ufunc: Any, *rows: Sequence[Any]) -> None:
    """A ufunc of several values: one row of partials for each of them."""
    n = ufunc.nin

    def part(k: int) -> Elementwise:
        def function(*args: Any) -> Any:
            return ufunc(*args)[k]

        function.__name__ = f"{ufunc.__name__}[{k}]"
        return Elementwise(function, *partials_of(function, rows[k]), name=f"scipy.special.{ufunc.__name__}")

    rules = [part(k) for k in range(len(rows))]

    def handler(*args: Any) -> Any:
        if len(args) != n:
            raise TypeError(f"{ufunc.__name__}() takes {n} positional arguments but {len(args)} were given")
        return tuple(elementwise(rule, args) for rule in rules)

    UFUNCS[ufunc] = handler


# -- the value of one, the derivative of another -----------------------------------------------------------------------


def _graft(y: Any, *, value: Any) -> Any:
    return GRAFT(y, value=value) if type(y) in TRACED else value


# The derivative of y with another value: y is our formula, the value SciPy's, and they differ in the last bits.
GRAFT: Primitive = Primitive(_graft, [lambda _y, _x, value: lambda g: g], [lambda t, _y, _x, value: t], name="graft")


def near_zero(u: Any, radius: float, coefficients: Sequence[float], exact: Callable[[Any], Any]) -> Any:
    """``exact(u)``, and within the radius, where it would cancel, the power series with these coefficients."""
    near = np.abs(plain(u)) < radius
    series: Any = 0.0
    for c in reversed(coefficients):
        series = series * u + c
    if np.all(near):
        return series
    return np.where(near, series, exact(np.where(near, 1.0, u)[()]))[()]


def ratio(x: Any, y: Any) -> Any:
    """x/y, and 0 for x = 0 whatever y is."""
    zero = plain(x) == 0
    return np.where(zero, 0.0, x / np.where(zero, 1.0, y))[()] if np.any(zero) else x / y
