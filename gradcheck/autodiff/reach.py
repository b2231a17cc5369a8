"""What a user's code reaches by the names that it uses: its functions' code, the modules and classes beside them.

``scope.py`` asks here what to replace for a function: names that no code reaches are left alone.
"""

from __future__ import annotations

import site
import sys
import sysconfig
import types
from collections.abc import Iterable, Iterator
from typing import Any

from gradcheck.autodiff.errors import LIBRARIES
from gradcheck.autodiff.swaps import Namespace

# Where Python's own modules and installed packages are.
FOLDERS = tuple(
    {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")} | set(site.getsitepackages())
)


def _code_of(value: Any, namespace: Namespace) -> types.CodeType | None:
    """The code of a function, method, property or whatever wraps one, if it was defined in this module."""
    value = getattr(value, "fget", None) or getattr(value, "__func__", value)
    value = getattr(value, "__wrapped__", value)
    return value.__code__ if isinstance(value, types.FunctionType) and value.__globals__ is namespace else None


def _is_generated(cls: type, name: str, member: Any) -> bool:
    """Whether a method was written by ``@dataclass`` or attrs: its ``__eq__`` compares ``__class__``, of instances."""
    if not name.startswith("__") or not isinstance(member, types.FunctionType):
        return False
    file = member.__code__.co_filename
    return (file == "<string>" and "__dataclass_fields__" in vars(cls)) or file.startswith("<attrs generated")


def codes_of(namespace: Namespace, start: types.CodeType | None) -> Iterator[types.CodeType]:
    """The code that ``start`` reaches by the names it uses in its module; without it all code of the module."""
    names = list(namespace) if start is None else []
    todo = [] if start is None else [start]
    seen: set[Any] = set()
    while todo or names:
        for name in names:
            value = namespace.get(name)
            members = [value]
            if isinstance(value, type):
                members = [member for name, member in vars(value).items() if not _is_generated(value, name, member)]
            todo += [c for c in (_code_of(member, namespace) for member in members) if c is not None]
        names = []
        if todo:
            code = todo.pop()
            if code not in seen:
                seen.add(code)
                yield code
                todo += [c for c in code.co_consts if isinstance(c, types.CodeType)]
                names = [name for name in code.co_names if name in namespace and name not in seen]
                seen.update(names)


# Methods that use self.__class__ for its name.
_TELL_NAME = frozenset({"__repr__", "__str__"})


def compares_types(codes: list[types.CodeType]) -> bool:
    """Whether code looks at ``x.__class__``, and would see that a cast is a stand-in."""
    return any("__class__" in c.co_names and c.co_name not in _TELL_NAME for c in codes)


def names_in(codes: Iterable[types.CodeType]) -> set[str]:
    """The names of modules and attributes that code uses."""
    return {name for c in codes for name in c.co_names}


def neighbours(namespace: Namespace, names: set[str]) -> Iterator[Namespace]:
    """The namespaces of what these names are in a namespace: modules, functions, classes, objects of classes."""
    for name in names & namespace.keys():
        value = namespace[name]
        if isinstance(value, types.ModuleType):
            yield vars(value)
            continue
        value = getattr(value, "__wrapped__", value)
        module = sys.modules.get(getattr(value, "__module__", None) or type(value).__module__)
        if module is not None and vars(module) is not namespace:
            yield vars(module)


def same_author(namespace: Namespace, package: str) -> bool:
    """Whether a module belongs to a package, or is a script of the user's."""
    name = namespace.get("__name__", "").partition(".")[0]
    if name in LIBRARIES or name in sys.stdlib_module_names:
        return False
    return name == package or not (namespace.get("__file__") or "/").startswith((*FOLDERS, sys.base_prefix))
