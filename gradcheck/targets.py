"""From the text of a target (``pkg.mod:attr``, ``path.py:attr``, ``path.py::attr``) to the function behind
it.

Stands beside ``points.py``, above the check floor and below the runner. Imports the user's module the way
Python would have done it for a script in that place, finds the attribute, makes an instance where a method
needs one, and tells the parameters that the function takes. Every mistake on the way becomes a
:class:`TargetError` of one or two lines that names the user's file and line; the frames of the import
machinery are never shown.
"""

from __future__ import annotations

import difflib
import functools
import inspect
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from gradcheck.errors import Location
from gradcheck.frames import describe, relative, user_location
from gradcheck.loading import TargetError, extend_path, is_file_spec, load_file, load_module


@dataclass(frozen=True)
class Parameter:
    """A parameter of the function on trial. ``default`` is ``Parameter.REQUIRED`` where there is none."""

    REQUIRED = inspect.Parameter.empty

    name: str
    default: Any = inspect.Parameter.empty
    annotation: Any = inspect.Parameter.empty

    @property
    def required(self) -> bool:
        return self.default is inspect.Parameter.empty


@dataclass(frozen=True)
class Target:
    """A function that can be called, and where it comes from.

    Attributes:
        spec: the target as the user wrote it.
        function: the callable; it takes the parameters positionally (keyword-only ones that are required
            included). name: attribute path within the module, ``Model.fun``. module: the module that was
            imported. parameters: what the function takes; () with ``variadic`` where the signature cannot
            be known. variadic: takes any number of arguments (``*args``, or a compiled function without a
            signature). owner: the module, class instance or object in which the last attribute was looked
            up: partners stand there. where: file and line of the definition, if it is Python code.
    """

    spec: str
    function: Callable[..., Any]
    name: str
    module: ModuleType
    parameters: tuple[Parameter, ...]
    variadic: bool = False
    owner: Any = field(default=None, compare=False)
    where: Location | None = None

    @property
    def last_name(self) -> str:
        return self.name.rpartition(".")[2]


def split_spec(spec: str) -> tuple[str, str]:
    """Split a target into module (or file) and attribute path; the attribute is "" where none is named.

    >>> split_spec("pkg.mod:Model.fun"), split_spec("a/b.py::Model::fun"), split_spec(r"C:\\work\\m.py:f")
    (('pkg.mod', 'Model.fun'), ('a/b.py', 'Model.fun'), ('C:\\\\work\\\\m.py', 'f'))
    >>> split_spec(r"C:\\work\\m.py")
    ('C:\\\\work\\\\m.py', '')
    """
    spec = spec.strip()
    left, double, right = spec.partition("::")
    if double:
        return left, right.replace("::", ".")
    left, colon, right = spec.rpartition(":")
    # A lone letter before the colon and a slash after it: a Windows drive, not a module.
    if not colon or (len(left) == 1 and right[:1] in ("\\", "/")):
        return spec, ""
    return left, right


def resolve(spec: str, pythonpath: Sequence[str] = ()) -> Target:
    """Import the module of a target and return the function that it names.

    Args:
        spec: ``pkg.mod:attr[.attr]``, ``path/to/file.py:attr`` or ``path.py::attr``.
        pythonpath: folders to search for modules before all others.

    Raises:
        TargetError: there is no such file, module or attribute, the import fails, or what is named is no
        function.

    >>> resolve("math:hypot").name
    'hypot'
    """
    head, attributes = split_spec(spec)
    extend_path(pythonpath)
    if not head:
        raise TargetError(f"'{spec}' names no module", hint="write module:function or path/to/file.py:function")
    module = load_file(Path(head)) if is_file_spec(head) else load_module(head)
    if not attributes:
        raise TargetError(f"'{spec}' does not name a function", hint=_suggest_functions(module, spec))
    owner, found = _walk(module, attributes, spec)
    function, owner = _callable(module, owner, found, attributes, spec)
    _refuse_other_kinds(function, attributes)
    parameters, variadic, function = taken_by(function)
    return Target(
        spec=spec,
        function=function,
        name=attributes,
        module=module,
        parameters=parameters,
        variadic=variadic,
        owner=owner,
        where=definition(found),
    )


def _walk(module: ModuleType, attributes: str, spec: str) -> tuple[Any, Any]:
    """Follow the dotted attributes; returns the last owner (an instance for a class) and what it holds."""
    owner: Any = module
    found: Any = module
    walked: list[str] = []
    for name in attributes.split("."):
        owner = _instance(found, walked, name, spec) if inspect.isclass(found) else found
        try:
            found = getattr(owner, name)
        except AttributeError as err:
            # An attribute that exists but whose property raises AttributeError within is the user's error,
            # not a typo.
            if name in dir(owner):
                raise TargetError(f"{name} cannot be read: {describe(err)}", where=user_location(err)) from err
            raise _no_attribute(owner, walked, name, module) from None
        except Exception as err:
            raise TargetError(f"{name} cannot be read: {describe(err)}", where=user_location(err)) from err
        walked.append(name)
    return owner, found


def _no_attribute(owner: Any, walked: list[str], name: str, module: ModuleType) -> TargetError:
    what = f"'{'.'.join(walked)}'" if walked else f"module '{module.__name__}'"
    public = [known for known in dir(owner) if not known.startswith("_") and not _imported(owner, known, module)]
    close = difflib.get_close_matches(name, public, 1, cutoff=0.6)
    if close:
        hint: str | None = f"did you mean '{'.'.join([*walked, close[0]])}'?"
    else:
        functions = public_functions(owner)
        hint = "it has " + ", ".join(functions[:8]) + (" ..." if len(functions) > 8 else "") if functions else None
    return TargetError(f"{what} has no attribute '{name}'", hint=hint)


def _imported(owner: Any, name: str, module: ModuleType) -> bool:
    """Whether the name is a module that was merely imported (np), which nobody means by a misspelt function."""
    value = inspect.getattr_static(owner, name, None)
    return isinstance(value, ModuleType) and not value.__name__.startswith(f"{module.__name__}.")


def public_functions(owner: Any) -> list[str]:
    """Names of the functions that an object itself defines (a module: not those that it has imported)."""
    names = []
    for name in vars(owner) if isinstance(owner, ModuleType) else dir(owner):
        if name.startswith("_"):
            continue
        value = inspect.getattr_static(owner, name, None)
        if not inspect.isroutine(value):
            continue
        home = getattr(value, "__module__", None)
        if not isinstance(owner, ModuleType) or home == owner.__name__:
            names.append(name)
    return names


def _suggest_functions(module: ModuleType, spec: str) -> str:
    functions = public_functions(module)
    if not functions:
        return "write module:function or path/to/file.py:function"
    shown = [f"{spec.rstrip(':')}:{name}" for name in functions[:5]]
    return "name one: " + ", ".join(shown) + (f" ... ({len(functions)} in all)" if len(functions) > 5 else "")


def _instance(cls: type, walked: list[str], attribute: str, spec: str) -> Any:
    """The object meant by ``Class`` in ``Class.attribute``: itself, or an instance made for a method."""
    static = inspect.getattr_static(cls, attribute, None)
    if static is None or isinstance(static, staticmethod | classmethod) or inspect.isclass(static):
        return cls
    name = ".".join(walked)
    hint = f"expose an instance at module level, `model = {cls.__name__}(...)`, and name model.{attribute}"
    needed = [p.name for p in _signature_parameters(cls) if _is_required(p)]
    if needed:
        raise TargetError(
            f"the class {name} needs arguments to be constructed ({', '.join(needed)})",
            where=definition(cls),
            hint=hint,
        )
    try:
        return cls()
    except (Exception, SystemExit) as err:
        raise TargetError(f"{name}() raises {describe(err)}", where=user_location(err), hint=hint) from err


def _is_required(p: inspect.Parameter) -> bool:
    return p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)


def _signature_parameters(function: Any) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return []


def _callable(module: ModuleType, owner: Any, found: Any, attributes: str, spec: str) -> tuple[Callable[..., Any], Any]:
    """What to call for the attribute that was found, and where its partners are."""
    if isinstance(found, ModuleType):
        raise TargetError(f"'{spec}' is a module", hint=_suggest_functions(found, f"{found.__name__}:"))
    if inspect.isclass(found):
        methods = public_functions(found)
        if "__call__" not in dir(found) or not inspect.isfunction(inspect.getattr_static(found, "__call__", None)):
            listed = ", ".join(f"{attributes}.{m}" for m in methods[:5])
            raise TargetError(
                f"'{spec}' is a class, not a function", hint=f"name a method: {listed}" if listed else None
            )
        instance = _instance(found, attributes.split("."), "__call__", spec)
        return instance, instance
    if not callable(found):
        raise TargetError(f"'{spec}' is not a function but {_a(type(found).__name__)}")
    plain = inspect.isroutine(found) or isinstance(found, functools.partial)
    # An object with __call__ (a fitted model, a polynomial) carries its derivative itself: model.jac beside
    # model().
    return found, owner if plain or type(found).__name__ in ("ufunc", "vectorize") else found


def _refuse_other_kinds(function: Any, name: str) -> None:
    """Functions that return no value when they are called, by their definition."""
    for kind, is_kind in (
        ("a coroutine function", inspect.iscoroutinefunction),
        ("an asynchronous generator function", inspect.isasyncgenfunction),
        ("a generator function", inspect.isgeneratorfunction),
    ):
        if is_kind(function) or is_kind(getattr(function, "__call__", None)):  # noqa: B004
            raise TargetError(
                f"{name} is {kind}: calling it returns no number",
                where=definition(function),
                hint="wrap it in a function that returns a number or an array",
                code="GC011",
            )


def _a(noun: str) -> str:
    return f"an {noun}" if noun[:1].lower() in "aeiou" else f"a {noun}"


def taken_by(function: Callable[..., Any]) -> tuple[tuple[Parameter, ...], bool, Callable[..., Any]]:
    """The parameters, whether more are taken, and the function so wrapped that all of them are positional."""
    count = getattr(function, "nin", None)
    if isinstance(count, int):  # a NumPy or SciPy ufunc; its keywords (out=, where=) are not arguments
        names = ["x"] if count == 1 else [f"x{i + 1}" for i in range(count)]
        return tuple(Parameter(name) for name in names), False, function
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return (), True, function
    own = list(signature.parameters.values())
    positional = [p for p in own if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    keyword_only = [p for p in own if p.kind is p.KEYWORD_ONLY]
    variadic = any(p.kind is p.VAR_POSITIONAL for p in own)
    required = [p.name for p in keyword_only if p.default is p.empty]
    if variadic and required:
        raise TargetError(
            f"it takes *args beside the keyword-only {', '.join(required)}",
            where=definition(function),
            hint="wrap it in a function that names its arguments",
        )
    if variadic or not keyword_only:
        return tuple(Parameter(p.name, p.default, p.annotation) for p in positional), variadic, function
    # Required first: a required keyword-only parameter may follow positional ones that have defaults.
    taken = sorted([*positional, *keyword_only], key=lambda p: p.default is not p.empty)
    parameters = tuple(Parameter(p.name, p.default, p.annotation) for p in taken)
    return parameters, False, by_keyword(function, taken)


def by_keyword(function: Callable[..., Any], taken: Sequence[inspect.Parameter]) -> Callable[..., Any]:
    """The function, taking the parameters ``taken`` as positional arguments in that order.

    >>> def scaled(x, /, *, by=2.0):
    ...     return x * by
    >>> both = by_keyword(scaled, list(inspect.signature(scaled).parameters.values()))
    >>> both(3.0), both(3.0, 5.0), both.__name__, str(inspect.signature(both))
    (6.0, 15.0, 'scaled', '(x, by=2.0)')
    """

    @functools.wraps(function, assigned=("__doc__", "__name__", "__qualname__", "__module__"), updated=())
    def call(*args: Any) -> Any:
        pairs = list(zip(taken, args, strict=False))
        # Those without a name to call them by stand first among the positional ones, in their order.
        bare = [value for p, value in pairs if p.kind is p.POSITIONAL_ONLY]
        return function(*bare, **{p.name: value for p, value in pairs if p.kind is not p.POSITIONAL_ONLY})

    named = [p.replace(kind=p.POSITIONAL_OR_KEYWORD) for p in taken]
    call.__signature__ = inspect.Signature(named)  # type: ignore[attr-defined]
    return call


_DEFINES = re.compile(r"\s*(async\s+)?(def|class)\b|.*\blambda\b")


def source_of(function: Any) -> tuple[str, list[str], int]:
    """File, lines and first line of a function or class, decorators included; ("", [], 0) for compiled code."""
    function = function.func if isinstance(function, functools.partial) else function
    function = inspect.unwrap(function)
    if not (inspect.isroutine(function) or inspect.isclass(function)):
        function = inspect.getattr_static(type(function), "__call__", function)
    try:
        file = inspect.getsourcefile(function)
        lines, first = inspect.getsourcelines(function)
    except (TypeError, OSError):
        return "", [], 0
    return (file, lines, first) if file is not None else ("", [], 0)


def definition(function: Any) -> Location | None:
    """File and line of the ``def`` of a function or the ``class`` of a class; None for compiled code."""
    file, lines, first = source_of(function)
    if not file:
        return None
    # The first line may be a decorator.
    skipped = next((i for i, line in enumerate(lines) if _DEFINES.match(line)), 0)
    return Location(relative(file), first + skipped)
