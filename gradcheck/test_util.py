"""``check_grads``: assert that both modes agree with differences, to any order; autograd's name and arguments.

For a test suite that was written for autograd. ``gradcheck.check`` says more: which entry, how sure, why.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gradcheck.autodiff.core import is_complex, plain
from gradcheck.autodiff.fallback import slopes
from gradcheck.autodiff.products import make_jvp, make_vjp
from gradcheck.autodiff.trees import is_container, leaves, matching_leaves, with_leaves
from gradcheck.extend import vspace
from gradcheck.wrap_util import unary_to_nary

__all__ = ["check_equivalent", "check_grads", "check_jvp", "check_vjp", "combo_check", "scalar_close"]

TOL = 1e-6
RTOL = 1e-6


def scalar_close(a: Any, b: Any) -> bool:
    """Whether two numbers agree to 1e-6, absolutely or relatively.

    >>> scalar_close(1.0, 1.0 + 1e-7), scalar_close(1.0, 1.001)
    (True, False)
    """
    return bool(abs(a - b) < TOL or abs(a - b) / abs(a + b) < RTOL)


def _values(tree: Any) -> list[Any]:
    return leaves(tree) if is_container(tree) else [tree]


def _random(rng: np.random.Generator, tree: Any) -> Any:
    """A random vector of the value's space."""

    def draw(e: Any) -> Any:
        t = rng.normal(size=np.shape(e))
        if is_complex(e):
            t = t + 1j * rng.normal(size=np.shape(e))
        e = plain(e)
        dtype = np.result_type(e)
        t = np.asarray(t, dtype if dtype.kind in "fc" else float)
        return t if isinstance(e, np.ndarray) else t[()]

    parts = [draw(e) for e in _values(tree)]
    return with_leaves(tree, parts, live=False) if is_container(tree) else parts[0]


def _pairing(space: Any, g: Any, v: Any) -> Any:
    """Re Σ g·v, how a cotangent pairs with a tangent."""
    if is_container(space):
        return sum(
            np.sum(np.real(a * b))
            for a, b in zip(matching_leaves(space, g, "it"), matching_leaves(space, v, "it"), strict=True)
        )
    return np.sum(np.real(g * v))


def _moved(x: Any, v: Any, t: float) -> Any:
    if not is_container(x):
        return x + t * v
    return with_leaves(x, [a + t * b for a, b in zip(leaves(x), leaves(v), strict=True)])


def _measured(f: Callable[[Any], Any], x: Any, v: Any, y: Any, g: Any) -> float:
    """d/dt of the pairing of g with f(x + t·v), by differences."""

    def along(t: Any) -> Any:
        return np.array([[float(_pairing(y, g, f(_moved(x, v, float(s))))) for s in row] for row in t])

    return float(slopes(along, np.array([float(_pairing(y, g, y))]), 1.0, _name(f))[0])


def _name(f: Any) -> str:
    return getattr(f, "__name__", "[unknown name]")


def _compare(mode: str, f: Any, x: Any, exact: Any, measured: float) -> None:
    if not scalar_close(exact, measured):
        raise AssertionError(
            f"Derivative ({mode}) check of {_name(f)} failed with arg {x}:\nanalytic: {exact}\nnumeric:  {measured}"
        )


def check_vjp(f: Callable[[Any], Any], x: Any, rng: np.random.Generator | None = None) -> None:
    """Assert that reverse mode agrees with differences, for a random cotangent along a random direction.

    Raises:
        AssertionError: it does not, or the gradient has not the structure and shapes of x.

    >>> check_vjp(np.sin, np.array([0.3, 0.4]))
    """
    rng = np.random.default_rng(0) if rng is None else rng
    pullback, y = make_vjp(f)(x)
    v, g = _random(rng, x), _random(rng, y)
    pulled = pullback(g)
    if vspace(pulled) != vspace(x):
        raise AssertionError(f"the gradient of {_name(f)} is of {vspace(pulled)}, its argument of {vspace(x)}")
    _compare("VJP", f, x, _pairing(x, pulled, v), _measured(f, x, v, y, g))


def check_jvp(f: Callable[[Any], Any], x: Any, rng: np.random.Generator | None = None) -> None:
    """Assert that forward mode agrees with differences, along a random direction.

    Raises:
        AssertionError: it does not.

    >>> check_jvp(np.sin, np.array([0.3, 0.4]))
    """
    rng = np.random.default_rng(0) if rng is None else rng
    v = _random(rng, x)
    y, t = make_jvp(f)(x)(v)
    g = _random(rng, y)
    _compare("JVP", f, x, _pairing(y, g, t), _measured(f, x, v, y, g))


def check_equivalent(x: Any, y: Any) -> None:
    """Assert that two values have the same structure and shapes, and the same numbers to 1e-6.

    >>> check_equivalent({"a": np.ones(2)}, {"a": np.ones(2)})
    """
    space, other = vspace(x), vspace(y)
    if space != other:
        raise AssertionError(f"VSpace mismatch:\nx: {space}\ny: {other}")
    for a, b in zip(_values(x), _values(y), strict=True):
        if not np.allclose(a, b, rtol=RTOL, atol=TOL, equal_nan=True):
            raise AssertionError(f"Value mismatch:\nx: {x}\ny: {y}")


def _check(f: Callable[[Any], Any], x: Any, modes: Sequence[str] = ("fwd", "rev"), order: int = 2) -> None:
    unknown = [m for m in modes if m not in ("fwd", "rev")]
    if unknown or not modes:
        raise ValueError(f"modes are 'fwd' and 'rev', not {list(modes)}")
    rng = np.random.default_rng(order)
    if "fwd" in modes:
        check_jvp(f, x, rng)
        if order > 1:

            def pushed(xv: Any) -> Any:
                return make_jvp(f)(xv[0])(xv[1])[1]

            pushed.__name__ = f"jvp_{_name(f)}"
            _check(pushed, (x, _random(rng, x)), modes, order - 1)
    if "rev" in modes:
        check_vjp(f, x, rng)
        if order > 1:

            def pulled(xg: Any) -> Any:
                return make_vjp(f)(xg[0])[0](xg[1])

            pulled.__name__ = f"vjp_{_name(f)}"
            _check(pulled, (x, _random(rng, f(x))), modes, order - 1)


check_grads = unary_to_nary(_check)
check_grads.__name__ = "check_grads"
check_grads.__doc__ = """Assert that derivatives agree with differences: ``check_grads(f, argnum=0, modes=("fwd",
"rev"), order=2)(*args)``.

Args:
    fun: function with numbers, arrays or containers of them as result.
    argnum: position or name of the argument(s) to differentiate.
    modes: "fwd", "rev" or both.
    order: up to which derivative; the second is taken in all combinations of the modes.

Raises:
    AssertionError: one does not.

>>> check_grads(np.multiply, (0, 1))(2.0, np.array([3.0, 4.0]))
"""


def combo_check(fun: Callable[..., Any], *args: Any, **keywords: Any) -> Callable[..., None]:
    """:func:`check_grads` for all combinations: ``combo_check(f, argnum, modes=..., order=...)(*lists, **lists)``.

    >>> combo_check(np.sum, 0)([np.ones(2), np.ones((2, 3))], axis=[None, 0], keepdims=[False, True])
    """

    def check(*choices: Any, **named: Any) -> None:
        for chosen in itertools.product(*choices):
            for values in itertools.product(*named.values()):
                check_grads(fun, *args, **keywords)(*chosen, **dict(zip(named, values, strict=True)))

    return check
