"""Which hand-written derivative belongs to a function: by its name, or as ``--grad`` says.

Stands on the floor of targets. The rule for names must never compare a function with somebody else's
derivative, so it is narrow:

1. For the function ``f`` and the checked argument ``x``, a name that says both comes first: ``f_grad_x``,
   ``grad_f_x``,
   ``f_jac_x``, ``df_dx``, ``f_dx``.
2. Then a name that says the function: ``f_grad``, ``grad_f``, ``f_gradient``, ``f_der``, ``f_prime``,
   ``fprime``,
   ``f_jac``, ``jac_f``, ``df``, ``d_f``; for order 2 ``f_hess``, ``hess_f``, ``f_hessian``, ``d2f``,
   ``f_der2``.
3. Then, and only for a function with a name that says nothing but its role (``fun``, ``f``, ``fn``,
   ``objective``, ``loss``, ``value``, ``__call__`` ...), a bare ``jac``, ``grad``, ``gradient``, ``fprime``
   beside it in the same class or module, provided that no second function with such a name stands there, to
   which it might belong. ``constraints`` owns a ``jacobian`` beside it.

A partner must be callable with the arguments of f. What it returns decides, at the point, which argument it
is for: see :func:`part_for`.
"""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from gradcheck.errors import Location
from gradcheck.frames import is_installed
from gradcheck.loading import TargetError
from gradcheck.points import is_differentiable
from gradcheck.targets import Parameter, Target, definition, resolve, split_spec

# Names that say only the role of a function: beside exactly one of them a bare `jac` has an owner.
ROLES = ("fun", "f", "fn", "func", "function", "objective", "loss", "cost", "energy", "fcn", "value", "__call__")
CONSTRAINTS = ("constraints", "constraint")
# No order of a derivative: the product of the Hessian with a vector, which is an argument more.
PRODUCT = 3
BARE = {
    1: ("jac", "grad", "gradient", "jacobian", "fprime", "der", "derivative"),
    2: ("hess", "hessian"),
    PRODUCT: ("hessp", "hvp", "hess_prod"),
}
_JACOBIANS = ("jac", "jacobian")
# Words in names of derivatives, and words that make something else of them: a method, a check, an approximation.
_WORDS = {
    1: frozenset(
        (*BARE[1], "gradients", "backward", "prime", "deriv", "derivatives", "jacobi", "vjp", "jvp", "adjoint")
    ),
    2: frozenset((*BARE[2], "hesse")),
    PRODUCT: frozenset(BARE[PRODUCT]),
}
_NO_DERIVATIVE = frozenset(
    (
        *("descent", "ascent", "check", "checker", "test", "clip", "clipped", "norm", "step", "update", "flow", "plot"),
        *("numeric", "numerical", "num", "approx", "fd"),
    )
)
GENERAL = {
    1: (
        *(
            "{f}_grad",
            "{f}_gradient",
            "{f}_der",
            "{f}_deriv",
            "{f}_derivative",
            "{f}_prime",
            "{f}_jac",
            "{f}_jacobian",
        ),
        *("grad_{f}", "gradient_{f}", "jac_{f}", "jacobian_{f}", "{f}prime", "d{f}", "d_{f}"),
    ),
    2: ("{f}_hess", "{f}_hessian", "hess_{f}", "hessian_{f}", "d2{f}", "d2_{f}", "{f}_der2"),
    PRODUCT: ("{f}_hess_prod", "{f}_hessp", "{f}_hvp", "hessp_{f}", "hvp_{f}", "{f}_hessian_product"),
}
FOR_ARGUMENT = {
    1: (
        "{f}_grad_{x}",
        "grad_{f}_{x}",
        "grad_{x}_{f}",
        "{f}_jac_{x}",
        "jac_{f}_{x}",
        "d{f}_d{x}",
        "{f}_d{x}",
        "d{f}d{x}",
    ),
    2: ("{f}_hess_{x}", "hess_{f}_{x}", "hess_{x}_{f}", "d2{f}_d{x}2"),
    PRODUCT: ("{f}_hessp_{x}", "{f}_hvp_{x}"),
}
# `loss_fn` has its gradient in `loss_grad` as often as in `loss_fn_grad`.
STEMS = ("_fun", "_func", "_fn", "_value", "_objective")


@dataclass(frozen=True)
class Partner:
    """A hand-written derivative, callable with the arguments of f.

    Attributes:
        name: as it is named in the report, ``rosen_der``.
        how: ``found by name``, ``given with --grad``.
        function: takes the arguments of f positionally.
        argument: the argument that its name says, or None where its name leaves that open.
        certain: given with ``--grad``: used for the checked argument whatever it returns.
        where: file and line of its definition.
        takes: the parameters of f that it takes, too; None for all of them.
    """

    name: str
    how: str
    function: Callable[..., Any]
    argument: str | None = None
    certain: bool = False
    where: Location | None = None
    takes: frozenset[str] | None = None


def find_partner(target: Target, argument: str, order: int = 1) -> tuple[Partner | None, tuple[str, ...]]:
    """Look for the hand-written derivative of a target by name.

    Args:
        target: the function on trial.
        argument: name of the checked argument.
        order: 1 for a gradient or Jacobian, 2 for a Hessian, PRODUCT for its product with a vector.

    Returns:
        The partner or None, and remarks for the report on derivatives that were seen but not used, with the
        reason.

    >>> from gradcheck.targets import resolve
    >>> partner, remarks = find_partner(resolve("scipy.optimize:rosen"), "x")
    >>> partner.name, partner.how, remarks
    ('rosen_der', 'found by name', ())
    """
    remarks: list[str] = []
    for owner, prefix in _places(target):
        for name, says_argument in _candidates(target, owner, argument, order, remarks):
            candidate = getattr(owner, name, None)
            if not callable(candidate) or inspect.isclass(candidate) or candidate == _original(target):
                continue
            adapted = _adapted(candidate, target, argument, order)
            if adapted is None:
                remarks.append(f"{prefix}{name} was not used: it cannot be called with the arguments of {target.name}")
                continue
            partner = Partner(
                name=prefix + name,
                how="found by name",
                function=adapted,
                argument=argument if says_argument else None,
                where=definition(candidate),
                takes=_taken(adapted, target),
            )
            return partner, tuple(remarks)
    return None, tuple(remarks)


def _adapted(candidate: Callable[..., Any], target: Target, argument: str, order: int) -> Callable[..., Any] | None:
    """A derivative made callable with the arguments of f; a product takes the vector after the checked argument.

    The vector is the parameter that f does not have, if it stands after the argument; failing that, the one right after
    the argument. A product that takes the vector before it is none: SciPy would give it the two the other way round.
    """
    if order != PRODUCT:
        return adapt(candidate, target.parameters, target.variadic)
    names = [p.name for p in target.parameters]
    at = names.index(argument) + 1 if argument in names else 1
    try:
        own = list(inspect.signature(candidate).parameters.values())
    except (TypeError, ValueError):
        return candidate
    positional = [p.name for p in own if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    new = [name for name in positional if name not in names]
    if not any(p.kind is p.VAR_POSITIONAL for p in own) and len(positional) < 2:
        return None
    if len(new) == 1 and argument in positional and positional.index(new[0]) < positional.index(argument):
        return None
    vector = Parameter(new[0] if len(new) == 1 else "v" if len(positional) <= at else positional[at])
    return adapt(candidate, [*target.parameters[:at], vector, *target.parameters[at:]], target.variadic)


def given_partner(
    spec: str, target: Target, pythonpath: Sequence[str] = (), *, argument: str = "", order: int = 1
) -> Partner:
    """The derivative named by ``--grad``, or of order PRODUCT by ``--hessp``: a target, or a name beside f.

    Raises:
        TargetError: it cannot be loaded, or not be called with the arguments of f.
    """
    function: Any
    option = "--hessp" if order == PRODUCT else "--grad"
    if ":" in spec:
        found = resolve(spec, pythonpath)
        function, name, where = found.function, found.name, found.where
    else:
        function, name = _beside(spec, target, pythonpath, option), spec
        where = definition(function)
    adapted = _adapted(function, target, argument, order)
    if adapted is None:
        wanted = ", ".join(p.name for p in target.parameters) + (" and a vector" if order == PRODUCT else "")
        raise TargetError(
            f"{option}: {name} cannot be called with the arguments of {target.name} ({wanted})",
            where=where,
            hint=f"the vector stands after {argument}, as in SciPy: {name}({argument}, v)"
            if order == PRODUCT
            else None,
            code="GC004",
        )
    return Partner(
        name=name,
        how=f"given with {option}",
        function=adapted,
        certain=True,
        where=where,
        takes=_taken(adapted, target),
    )


def _beside(name: str, target: Target, pythonpath: Sequence[str], option: str = "--grad") -> Callable[..., Any]:
    """The function of this name, which may have dots, where f stands or in its module.

    Raises:
        TargetError: there is none; a name that is nearly the same is suggested.
    """
    for place in (target.owner, target.module):
        function = getattr(place, name, None)
        if callable(function):
            return function  # type: ignore[no-any-return]
    if "." in name:
        try:
            return resolve(f"{split_spec(target.spec)[0]}:{name}", pythonpath).function
        except TargetError as err:
            raise TargetError(f"{option}: {err.message}", where=err.where, hint=err.hint, code="GC004") from err
    functions = [n for place in (target.owner, target.module) for n in dir(place) if callable(getattr(place, n, None))]
    close = difflib.get_close_matches(name, [n for n in functions if not n.startswith("__")], 1)
    raise TargetError(
        f"{option}: there is no function '{name}' beside {target.name}",
        hint=f"did you mean '{close[0]}'?"
        if close
        else f"write auto, none, {'' if option == '--hessp' else 'returned, '}module:function or path.py:function",
        code="GC004",
    )


def _original(target: Target) -> Any:
    """The function itself, where ``targets.by_keyword`` has wrapped it."""
    return getattr(target.function, "__wrapped__", target.function)


def _places(target: Target) -> Iterator[tuple[Any, str]]:
    """Where partners may stand, with the prefix that the report puts before their names."""
    owner = target.owner
    if owner is None:
        return
    path = "" if isinstance(owner, ModuleType) else target.name
    called = path and owner is _original(target)  # an object that is called itself: its methods are beside __call__
    prefix = f"{path}." if called else (f"{path.rpartition('.')[0]}." if "." in path else "")
    yield owner, prefix
    # A function imported from elsewhere keeps its derivative at home.
    home = inspect.getmodule(target.function)
    if isinstance(owner, ModuleType) and home is not None and home is not owner:
        yield home, ""


def _candidates(
    target: Target, owner: Any, argument: str, order: int, remarks: list[str]
) -> Iterator[tuple[str, bool]]:
    """Names to look for, best first; True where the name says the argument too."""
    name = "__call__" if owner is _original(target) else target.last_name
    stems = [name]
    for suffix in STEMS:
        stem = name.removesuffix(suffix)
        if stem not in (name, "") and not callable(getattr(owner, stem, None)):
            stems.append(stem)
    for stem in stems:
        yield from ((pattern.format(f=stem, x=argument), True) for pattern in FOR_ARGUMENT[order])
    for stem in stems:
        yield from ((pattern.format(f=stem), False) for pattern in GENERAL[order])
    yield from ((bare, False) for bare in _bare(owner, name, order, remarks))


def _bare(owner: Any, name: str, order: int, remarks: list[str]) -> Iterator[str]:
    """Names like ``jac`` that have an owner only where no second function claims them."""
    names = BARE[order]
    constraints = [other for other in CONSTRAINTS if other != name and _is_defined(owner, other)]
    if name in CONSTRAINTS and order == 1:
        # As in cyipopt: objective and gradient, constraints and jacobian.
        names = _JACOBIANS
        own = any(_is_defined(owner, bare) for bare in BARE[1] if bare not in _JACOBIANS)
        rivals = [] if own else [role for role in ROLES if role != "__call__" and _is_defined(owner, role)]
    elif name in ROLES:
        rivals = [role for role in ROLES if role not in (name, "__call__") and _is_defined(owner, role)]
    else:
        return
    for bare in names:
        if not _is_defined(owner, bare):
            continue
        claimed = rivals or (constraints if order == 1 and bare in _JACOBIANS else [])
        if claimed and name != "__call__":
            if order == 1 and not rivals and any(_is_defined(owner, b) for b in BARE[1] if b not in _JACOBIANS):
                continue
            remarks.append(f"{bare} was not used: it may belong to {name} or to {claimed[0]}; --grad {bare} uses it")
            return
        yield bare


def overlooked(target: Target, order: int, remarks: Sequence[str] = ()) -> str:
    """A remark on functions that look like derivatives where none was compared; "" where there are none.

    Left out are those that belong to another function by their name, and those of installed packages.

    >>> from gradcheck.targets import resolve
    >>> overlooked(resolve("scipy.optimize:rosen"), 1)
    ''
    """
    if target.where is None or is_installed(target.where.file):
        return ""
    seen = [
        prefix + name
        for owner, prefix in _unique_places(target)
        for name in dir(owner)
        if not name.startswith("__")
        and _is_defined(owner, name)
        and getattr(owner, name) != _original(target)
        and _says_derivative(name, target.last_name, order)
        and not _belongs_to_another(owner, name, target.last_name)
        and not any(name in remark for remark in remarks)
    ]
    if not seen:
        return ""
    head = split_spec(target.spec)[0]
    there = f"is {seen[0]}: " if len(seen) == 1 else "are " + ", ".join(seen[:4]) + ": for example "
    return f"no hand-written derivative was compared; there {there}--grad {head}:{seen[0]}"


def _unique_places(target: Target) -> Iterator[tuple[Any, str]]:
    """Where f stands, and for a method its module, too."""
    for owner, prefix in _places(target):
        if owner is target.module or not isinstance(owner, ModuleType):
            yield owner, prefix
    if target.owner is not target.module:
        yield target.module, ""


def _says_derivative(name: str, function: str, order: int) -> bool:
    """Whether a name has a word for a derivative in it, or is that of f with a d before it."""
    words = {word.lower() for word in re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])", name)}
    if words & _NO_DERIVATIVE:
        return False
    rest = name.lower().replace(function.lower(), "")
    wanted = _WORDS[order]
    return (
        bool(words & wanted)
        or rest in wanted
        or (order == 1 and name.lower().startswith((f"d{function}".lower(), f"d_{function}".lower())))
    )


def _belongs_to_another(owner: Any, name: str, function: str) -> bool:
    """Whether another function beside it has a better claim on a derivative: ``loss_grad`` where there is ``loss``."""
    for other in dir(owner):
        if other in (name, function) or other.startswith("__") or not _is_defined(owner, other):
            continue
        patterns = [*GENERAL[1], *GENERAL[2], *GENERAL[PRODUCT], "{f}_backward", "backward_{f}"]
        if any(name == pattern.format(f=other) for pattern in patterns):
            return True
        if any(
            name.startswith(pattern.format(f=other, x=""))
            for pattern in (*FOR_ARGUMENT[1], *FOR_ARGUMENT[2])
            if pattern.endswith("{x}")
        ):
            return True
    return False


def _is_defined(owner: Any, name: str) -> bool:
    """Whether a module or object has such a function of its own (a module: not an imported one)."""
    value = getattr(owner, name, None)
    if not callable(value) or inspect.isclass(value):
        return False
    return not isinstance(owner, ModuleType) or getattr(value, "__module__", None) in (owner.__name__, None)


def adapt(
    candidate: Callable[..., Any], parameters: Sequence[Parameter], variadic: bool = False
) -> Callable[..., Any] | None:
    """Make a derivative callable with the arguments of f, or tell by None that it cannot be.

    Where all its required parameters are among those of f it is called by name, so that another order does
    no harm; otherwise by position, if it takes as many as f requires.
    """
    try:
        signature = inspect.signature(candidate)
    except (TypeError, ValueError):
        return candidate
    own = list(signature.parameters.values())
    if any(p.kind is p.VAR_POSITIONAL for p in own) or variadic:
        return candidate
    names = [p.name for p in parameters]
    required = [p for p in own if p.default is p.empty and p.kind is not p.VAR_KEYWORD]
    positional = [p for p in own if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    same_order = [p.name for p in positional][: len(names)] == names
    if same_order and len(required) <= len(names) and not any(p.kind is p.KEYWORD_ONLY for p in required):
        return candidate
    by_name = [p for p in own if p.name in names and p.kind is not p.POSITIONAL_ONLY]
    if by_name and all(p in by_name for p in required):
        return _pick_arguments(candidate, names, [p.name for p in by_name])
    needed = sum(1 for p in parameters if p.required)
    if needed <= len(positional) and len(required) <= max(needed, 1) and not _overlap(positional, names):
        return _at_most(candidate, names[: len(positional)])
    return None


def _taken(adapted: Callable[..., Any], target: Target) -> frozenset[str] | None:
    """Which parameters of f a derivative that :func:`adapt` has returned takes as well; None for all."""
    if isinstance(adapted, Adapted):
        return frozenset(adapted.taken)
    if not target.variadic:
        return None
    try:
        own = list(inspect.signature(adapted).parameters.values())
    except (TypeError, ValueError):
        return None
    if any(p.kind is p.VAR_POSITIONAL for p in own):
        return None
    return frozenset(p.name for p, _ in zip(target.parameters, own, strict=False))


def _overlap(positional: Sequence[inspect.Parameter], names: Sequence[str]) -> bool:
    """Whether a name of f stands at another place: then calling by position would swap arguments."""
    return any(p.name in names and names.index(p.name) != at for at, p in enumerate(positional))


class Adapted:
    """A function called in another way; ``func`` is the user's own, as in functools.partial, ``taken`` the names
    of the arguments of f that it gets."""

    def __init__(self, func: Callable[..., Any], call: Callable[..., Any], taken: Sequence[str] = ()) -> None:
        self.func = getattr(func, "func", func) if isinstance(func, Adapted) else func
        self.call = call
        self.taken = taken
        self.__name__ = getattr(func, "__name__", type(func).__name__)

    def __call__(self, *args: Any) -> Any:
        return self.call(*args)


def _pick_arguments(candidate: Callable[..., Any], names: Sequence[str], taken: Sequence[str]) -> Callable[..., Any]:
    def call(*args: Any) -> Any:
        return candidate(**{name: value for name, value in zip(names, args, strict=False) if name in taken})

    return Adapted(candidate, call, taken)


def _at_most(candidate: Callable[..., Any], names: Sequence[str]) -> Callable[..., Any]:
    return Adapted(candidate, lambda *args: candidate(*args[: len(names)]), names)


def part_for(
    partner: Partner,
    returned: Any,
    value: Any,
    args: Sequence[Any],
    names: Sequence[str],
    argnum: int,
    order: int,
) -> tuple[Callable[[Any], Any] | None, str]:
    """Decide from what a derivative returns at a point which part of it is for argument ``argnum``.

    A dict is taken by the argument's name. A tuple or list of arrays holds one derivative per argument if
    it is as long as the arguments are many (or, shorter, if its parts fit the first arguments). A single
    array is for the one argument whose shape it fits; fitting several it is for the first of them; fitting
    none it is for the first argument (and wrong). A partner whose name says the argument, or that
    ``--grad`` names, is used for it anyway.

    Returns:
        A function that takes the part, or None where the derivative is not for this argument; and a remark
        why.
    """
    import numpy as np

    out = np.shape(value)
    wanted = [out + np.shape(arg) * order for arg in args]
    if isinstance(returned, dict):
        if names[argnum] in returned:
            return (lambda result: result[names[argnum]]), ""
        return None, f"{partner.name} was not used: it returns no derivative for {names[argnum]}"
    if isinstance(returned, tuple | list) and not partner.argument:
        fits = [_fits(part, shape) for part, shape in zip(returned, wanted, strict=False)]
        whole = _fits(returned, wanted[argnum])
        # A list of floats is the gradient itself, unless it is one number per argument of scalar arguments.
        if isinstance(returned, tuple) or not whole:
            if argnum < len(returned) and (all(fits) or (len(returned) == len(args) and not whole)):
                return (lambda result: result[argnum]), ""
            if all(fits) and argnum >= len(returned):
                return None, (f"{partner.name} was not used: it has none with respect to {names[argnum]}")
    if partner.certain or partner.argument or len(args) == 1:
        return _whole, ""
    fitting = [at for at, shape in enumerate(wanted) if is_differentiable(args[at]) and _fits(returned, shape)]
    owner = fitting[0] if fitting else 0
    if argnum == owner:
        return _whole, ""
    return None, (
        f"{partner.name} was not used: it returns one derivative, taken to be with respect to {names[owner]}"
        f" (--grad {partner.name} insists)"
    )


def _whole(result: Any) -> Any:
    return result


def _fits(part: Any, shape: tuple[int, ...]) -> bool:
    import numpy as np

    try:
        array = np.asarray(part)
    except ValueError:  # ragged: a list of derivatives of different shapes
        return False
    if array.dtype.kind not in "fciu":
        return False
    return array.shape == shape or (array.size == 1 and shape in ((), (1,), (1, 1)))
