"""Derivative rules of the user's own: ``primitive`` makes a function opaque, ``defvjp`` and ``defjvp`` say its rule.

Names, arguments and meaning are autograd's; ``opaque.py`` does the work.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from gradcheck.autodiff.errors import AutodiffError, user_location
from gradcheck.autodiff.opaque import Call, Maker, Rule, recording

__all__ = [
    "Call", "Rule", "def_linear", "defjvp", "defjvp_argnum", "defjvp_argnums", "defvjp", "defvjp_argnum",
    "defvjp_argnums", "notrace_primitive", "primitive", "recording", "rule_of",
]  # fmt: skip


def primitive(f: Callable[..., Any]) -> Callable[..., Any]:
    """A function that the differentiation does not look into: its derivative is what ``defvjp`` or ``defjvp`` say.

    Args:
        f: function of plain values; of its positional arguments (arrays, numbers, containers of them) those can be
            differentiated that have a rule. Its value may be a number, an array or a container of them.

    Returns:
        A function of the same arguments. ``.fun`` is f, ``.rule`` what is known of it.

    Errors, when it is called with traced arguments: an argument has no rule; a keyword argument carries a derivative;
    f uses a traced value that is not among its arguments.

    >>> import numpy as np
    >>> from gradcheck import grad
    >>> @primitive
    ... def softplus(x):
    ...     return np.logaddexp(0.0, x)
    >>> defvjp(softplus, lambda ans, x: lambda g: g / (1.0 + np.exp(-x)))
    >>> grad(softplus)(0.0), grad(grad(softplus))(0.0)
    (0.5, 0.25)
    """
    rule = Rule(f)

    @functools.wraps(f)
    def wrapper(*args: Any, **keywords: Any) -> Any:
        return rule.call(args, keywords)

    rule.wrapper = wrapper
    wrapper.fun = f  # type: ignore[attr-defined]
    wrapper.rule = rule  # type: ignore[attr-defined]
    wrapper.defgrad = functools.partial(_defgrad, wrapper)  # type: ignore[attr-defined]
    wrapper.defvjp = functools.partial(_old_defvjp, wrapper)  # type: ignore[attr-defined]
    wrapper.defvjp_is_zero = functools.partial(_is_zero, wrapper)  # type: ignore[attr-defined]
    return wrapper


def rule_of(fun: Callable[..., Any], caller: str) -> Rule:
    """The rule behind a primitive.

    Raises:
        AutodiffError: fun is none.
    """
    rule = getattr(fun, "rule", None)
    if not isinstance(rule, Rule):
        name = getattr(fun, "__name__", repr(fun))
        raise AutodiffError(
            f"{caller}: {name} is not a primitive",
            where=user_location(),
            hint=f"make it one first: {name.rpartition('.')[2]} = primitive({name})",
        )
    rule.defined = rule.defined or user_location()
    return rule


def _numbered(caller: str, makers: Sequence[Any], argnums: Sequence[int] | None) -> dict[int, Any]:
    positions = tuple(range(len(makers))) if argnums is None else tuple(argnums)
    if argnums is not None and len(positions) < len(makers):
        raise AutodiffError(f"{caller}: {len(makers)} rules for {len(positions)} argnums", where=user_location())
    return dict(zip(positions, makers, strict=False))


def defvjp(fun: Callable[..., Any], *vjpmakers: Maker | None, argnums: Sequence[int] | None = None) -> None:
    """Say how cotangents go back through a primitive, argument by argument.

    Args:
        fun: the primitive.
        vjpmakers: ``vjpmaker(ans, *args, **keywords)`` returns ``vjp``, and ``vjp(g)``, for a cotangent g of the value
            (its shape or structure), the cotangent of the argument (the argument's shape or structure). None where the
            derivative is zero by nature. Written in NumPy, they can be differentiated again.
        argnums: positions of the arguments they are for; without it 0, 1, 2, ...

    Cotangents pair with tangents without a conjugate: see ``transforms.py`` for what that means for complex arguments.

    >>> from gradcheck import grad
    >>> scale = primitive(lambda x, name: x * len(name))
    >>> defvjp(scale, lambda ans, x, name: lambda g: g * len(name), None)
    >>> grad(scale)(2.0, "three")
    5.0
    """
    rule = rule_of(fun, "defvjp")
    for k, maker in _numbered("defvjp", vjpmakers, argnums).items():
        if maker is not None and not callable(maker):
            raise AutodiffError(f"defvjp: the rule for argument {k} of {rule.name} is {maker!r}, not a function")
        rule.vjps[k] = maker
    rule.vjp_of_all = None


def defvjp_argnum(fun: Callable[..., Any], vjpmaker: Maker) -> None:
    """One rule for all arguments: ``vjpmaker(argnum, ans, args, keywords)`` returns ``g -> cotangent``.

    >>> from gradcheck import grad
    >>> total = primitive(lambda *numbers: sum(numbers))
    >>> defvjp_argnum(total, lambda argnum, ans, args, keywords: lambda g: g)
    >>> grad(total, (0, 2))(1.0, 2.0, 3.0)
    (1.0, 1.0)
    """

    def of_all(argnums: Sequence[int], ans: Any, args: tuple[Any, ...], keywords: dict[str, Any]) -> Maker:
        pulls = [vjpmaker(k, ans, args, keywords) for k in argnums]
        return lambda g: [pull(g) for pull in pulls]

    defvjp_argnums(fun, functools.wraps(vjpmaker)(of_all))


def defvjp_argnums(fun: Callable[..., Any], vjpmaker: Maker) -> None:
    """One rule for all arguments at once: ``vjpmaker(argnums, ans, args, keywords)`` returns ``g -> cotangents``."""
    rule = rule_of(fun, "defvjp_argnums")
    rule.vjp_of_all = vjpmaker


def defjvp(fun: Callable[..., Any], *jvpfuns: Maker | str | None, argnums: Sequence[int] | None = None) -> None:
    """Say how tangents go forward through a primitive, argument by argument.

    Args:
        fun: the primitive.
        jvpfuns: ``jvpfun(g, ans, *args, **keywords)`` returns the tangent of the value for the tangent g of the
            argument. ``"same"`` for an argument in which fun is linear; None where the derivative is zero by nature.
        argnums: positions of the arguments they are for; without it 0, 1, 2, ...

    Without it forward mode transposes the vjp: right as well, and slower.

    >>> from gradcheck import jvp
    >>> double = primitive(lambda x: 2.0 * x)
    >>> defjvp(double, "same")
    >>> jvp(double, (3.0,), (10.0,))
    (6.0, 20.0)
    """
    rule = rule_of(fun, "defjvp")
    for k, maker in _numbered("defjvp", jvpfuns, argnums).items():
        if maker is not None and maker != "same" and not callable(maker):
            raise AutodiffError(f"defjvp: the rule for argument {k} of {rule.name} is {maker!r}, not a function")
        rule.jvps[k] = maker
    rule.jvp_of_all = None


def defjvp_argnum(fun: Callable[..., Any], jvpmaker: Maker) -> None:
    """One rule for all arguments: ``jvpmaker(argnum, g, ans, args, keywords)`` returns the tangent of the value."""

    def of_all(
        argnums: Sequence[int], gs: Sequence[Any], ans: Any, args: tuple[Any, ...], keywords: dict[str, Any]
    ) -> Any:
        return jvpmaker(argnums[0], gs[0], ans, args, keywords)

    defjvp_argnums(fun, functools.wraps(jvpmaker)(of_all))


def defjvp_argnums(fun: Callable[..., Any], jvpmaker: Maker) -> None:
    """One rule for all arguments: ``jvpmaker(argnums, gs, ans, args, keywords)``. It is asked for one at a time."""
    rule_of(fun, "defjvp_argnums").jvp_of_all = jvpmaker


def def_linear(fun: Callable[..., Any]) -> None:
    """Say that a primitive is linear in each of its arguments.

    >>> import numpy as np
    >>> from gradcheck import grad
    >>> product = primitive(lambda a, b: np.dot(a, b))
    >>> def_linear(product)
    >>> grad(product, 1)(np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    array([1., 2.])
    """

    rule_of(fun, "def_linear").jvp_of_all = "same"


def notrace_primitive(f: Callable[..., Any]) -> Callable[..., Any]:
    """A function that is handed plain values, and whose value has no derivative: for what is piecewise constant.

    >>> import numpy as np
    >>> from gradcheck import grad
    >>> rank = notrace_primitive(lambda x: np.argsort(x).astype(float))
    >>> grad(lambda x: np.sum(rank(x) * x))(np.array([3.0, 1.0]))
    array([1., 0.])
    """
    wrapper = primitive(f)
    wrapper.rule.constant = True  # type: ignore[attr-defined]
    return wrapper


# -- the methods of autograd before 1.2 --------------------------------------------------------------------------------


def _defgrad(fun: Callable[..., Any], gradfun: Maker, argnum: int = 0) -> None:
    defvjp(fun, gradfun, argnums=(argnum,))


def _is_zero(fun: Callable[..., Any], argnums: Sequence[int] = (0,)) -> None:
    defvjp(fun, *[None] * len(argnums), argnums=argnums)


def _old_defvjp(fun: Callable[..., Any], *_args: Any, **_keywords: Any) -> None:
    raise AutodiffError(
        f"the method {getattr(fun, '__name__', 'fun')}.defvjp of autograd before 1.2 is not supported",
        where=user_location(),
        hint="use gradcheck.extend.defvjp(fun, lambda ans, *args: lambda g: ...)",
    )
