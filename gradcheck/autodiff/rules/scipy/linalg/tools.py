"""Tools of the matrix rules: a primitive made of its tangent rule alone, and linear systems.

A matrix function is given by its value (SciPy's own) and its tangent, written with NumPy functions that have rules.
The pullback is the transpose of that linear map, found by running the tangent rule on a tape of its own and sweeping
it: one formula, both modes, complex numbers included, and any order, since what runs there is traced by the traces
outside. (Cotangents pair without a conjugate; see ``tape.py``.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gradcheck.autodiff.core import TRACED, Primitive, is_complex, plain, shape_of, unbroadcast
from gradcheck.autodiff.forward import Forward, tangent_of
from gradcheck.autodiff.rules.matrices import identity_like, precision, transposed
from gradcheck.autodiff.rules.scipy.linear import array, floating
from gradcheck.autodiff.tape import Tape

Function = Callable[..., Any]

__all__ = ["array", "dims", "floating", "primitive", "pulled", "push", "symmetric", "system", "zeros"]


def dims(x: Any) -> int:
    return len(shape_of(x))


def zeros(like: Any, *shape: int) -> Any:
    """Zeros in the precision of ``like``."""
    return np.zeros(shape, precision(like))


def symmetric(x: Any, lower: bool) -> Any:
    """The symmetric matrix that is stored in one triangle of x."""
    half = np.tril(x) if lower else np.triu(x)
    return half + transposed(half) * (1.0 - identity_like(x))


def push(function: Function, k: int, args: Sequence[Any], t: Any) -> Any:
    """The tangent of ``function(*args)`` along t in argument k; zero of the value's shape where it does not depend.

    Whatever else ``function`` closes over is traced by no other traces than ``args``.
    """
    trace = Forward()
    with trace:
        y = function(*args[:k], trace.variable(args[k], t), *args[k + 1 :])
    tangent = tangent_of(y) if type(y) in TRACED and y.owner is trace else None
    if tangent is None:
        return np.zeros(shape_of(y))
    # The trace on whose behalf a rule runs is live: what has been made meanwhile may be a constant of it.
    owners = {id(x.owner) for x in (*args, t) if type(x) in TRACED}
    while type(tangent) in TRACED and id(tangent.owner) not in owners:
        tangent = tangent.value
    return tangent


def pulled(linear: Function, like: Any, g: Any) -> Any:
    """The transpose of the linear map ``linear``, whose argument is shaped as ``like``, applied to the cotangent g.

    ``linear`` may have a tuple of values; then g is one, too.
    """
    x = plain(like)
    dtype = np.result_type(x, np.float32)
    tape = Tape()
    with tape:
        t = tape.variable(np.zeros(np.shape(x), dtype))
        out = linear(t)
    pairs = zip(out, g, strict=True) if type(out) is tuple else [(out, g)]
    seeds = [(o, c) for o, c in pairs if type(o) in TRACED and o.owner is tape]
    cotangent = tape.sweep(seeds, [t])[0] if seeds else None
    if cotangent is None:
        return np.zeros(np.shape(x), dtype)
    return np.real(cotangent) if is_complex(cotangent) and dtype.kind == "f" else cotangent


def _fit(t: Any, y: Any) -> Any:
    """A tangent as real as its value."""
    if type(y) is tuple:
        return tuple(_fit(a, b) for a, b in zip(t, y, strict=True))
    return np.real(t) if is_complex(t) and not is_complex(y) else t


def _vjp(k: int, jvp: Function) -> Function:
    def vjp(y: Any, *operands: Any, **static: Any) -> Function:
        return lambda g: pulled(lambda t: jvp(t, y, *operands, **static), operands[k], g)

    return vjp


def primitive(
    name: str, function: Function, jvps: Sequence[Function], vjps: Sequence[Function | None] = (), outputs: int = 0
) -> Primitive:
    """A primitive from SciPy's function and its tangent rules.

    Args:
        name: for messages.
        function: of plain operands and static keywords.
        jvps: one an operand: ``jvp(t, y, *operands, **static)``, of NumPy functions that have rules.
        vjps: one an operand where the transpose is better written by hand; None where it is not.
        outputs: as in :class:`Primitive`.
    """

    def run(*operands: Any, **static: Any) -> Any:
        if any(type(o) in TRACED for o in operands):
            return rule(*operands, **static)
        return function(*operands, **static)

    def fitted(jvp: Function) -> Function:
        return lambda tangent, y, /, *operands, **static: _fit(jvp(tangent, y, *operands, **static), y)

    rules = [fitted(jvp) for jvp in jvps]
    hand = list(vjps) or [None] * len(rules)
    pullbacks = [_vjp(k, jvp) if own is None else own for k, (jvp, own) in enumerate(zip(rules, hand, strict=True))]
    rule = Primitive(run, pullbacks, rules, name=name, outputs=outputs)
    return rule


def system(
    name: str,
    solve: Function,
    flip: Function,
    product: Function,
    parameters: int = 1,
    back_product: Function | None = None,
) -> Primitive:
    """The solution x of M(p)·x = b, where the matrix M is linear in each of the parameters p.

    Args:
        name: for messages.
        solve: ``solve(*p, b, **static)``, of plain arrays.
        flip: ``flip(*p, **static)`` gives the parameters and keywords of the transposed matrix, ``(p, static)``.
        product: ``product(k, t, x, *p, **static)`` is M(..., t, ...)·x with t in the place of parameter k and
            without the parts of M that do not depend on it.
        parameters: their number.
        back_product: ``back_product(k, z, x, *p, **static)`` is the transpose of t ↦ M(..., t, ...)·x applied to z, of
            the shape of p[k] but for axes that were broadcast; None: by transposing ``product``, which takes longer.

    Source: M. Giles, *An extended collection of matrix derivative results*, Oxford NA-08/01, 2008, section 2.3.1.
    """

    def run(*operands: Any, **static: Any) -> Any:
        if any(type(o) in TRACED for o in operands):
            return rule(*operands, **static)
        return solve(*operands, **static)

    def back(operands: tuple[Any, ...], static: dict[str, Any], g: Any) -> Any:
        flipped, keywords = flip(*operands[:-1], **static)
        return rule(*flipped, g, **keywords)

    def vjp(k: int) -> Function:
        def of(x: Any, *operands: Any, **static: Any) -> Function:
            p, b = operands[:-1], operands[-1]

            def pull(g: Any) -> Any:
                z = back(operands, static, g)
                if k == parameters:
                    return z if is_complex(b) or not is_complex(z) else np.real(z)
                if back_product is not None:
                    d = unbroadcast(-back_product(k, z, x, *p, **static), shape_of(p[k]))
                    return np.real(d) if is_complex(d) and not is_complex(p[k]) else d
                return pulled(lambda t: -product(k, t, x, *p, **static), p[k], z)

            return pull

        return of

    def jvp(k: int) -> Function:
        def of(t: Any, x: Any, *operands: Any, **static: Any) -> Any:
            p = operands[:-1]
            right = t if k == parameters else -product(k, t, x, *p, **static)
            return rule(*p, right, **static)

        return of

    count = parameters + 1
    rule = Primitive(run, [vjp(k) for k in range(count)], [jvp(k) for k in range(count)], name=name)
    return rule
