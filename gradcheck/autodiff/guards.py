"""Guards: ``type(x) is float``, ``hasattr(x, "__len__")``, ``isinstance(x, Iterable)`` on traced values.

``isinstance`` of ordinary classes asks ``x.__class__``, which a traced value answers as its value would. These three
look at the real type. ``scope.py`` puts the functions of this module in their place in the user's modules, so that
every guard takes the branch that it takes on plain input.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import Any

import numpy as np

from gradcheck.autodiff import scalars
from gradcheck.autodiff.core import TRACED, plain
from gradcheck.autodiff.swaps import class_that_calls

# Classes that answer for whatever has a method of a certain name.
ABSTRACT = frozenset(
    {"Iterable", "Sized", "Container", "Collection", "Sequence", "Hashable", "Reversible", "Iterator", "Callable"}
    | {"SupportsIndex", "SupportsInt", "SupportsFloat", "SupportsAbs", "SupportsRound", "SupportsComplex"}
)
NAMES = frozenset({"type", "hasattr"})


def has_attribute(x: Any, name: str, /) -> bool:
    """``hasattr`` of the plain value."""
    return builtins.hasattr(plain(x), name)


def is_instance(x: Any, classes: Any, /) -> bool:
    """``isinstance`` of the plain value."""
    return builtins.isinstance(plain(x), classes)


def stand_in_for_type(casts: Callable[[], Any]) -> Any:
    """A ``type`` for one of the user's modules.

    Where ``float`` and ``np.float64`` have stand-ins in that module (``casts`` gives them, by name), the type of a
    number is the stand-in: ``type(x) is float`` compares it with what the module finds under the name ``float``.
    """
    replaced: dict[Any, Any] = {}
    known = -1

    def call(*args: Any, **keywords: Any) -> Any:
        nonlocal known
        if len(args) != 1 or keywords:
            return builtins.type(*args, **keywords)
        kind = builtins.type(plain(args[0]) if builtins.type(args[0]) in TRACED else args[0])
        names = casts()
        if len(names) != known:
            known = len(names)
            replaced.clear()
            replaced.update(_originals(names))
        return replaced.get(kind, kind) if kind.__hash__ is not None else kind

    return class_that_calls(builtins.type, call, {"__class_getitem__": lambda _cls, item: builtins.type[item]})


def _originals(names: dict[str, Any]) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    for value in names.values():
        if value is scalars.Float:
            found[float] = value
        for name, cast in scalars.NUMPY_CASTS.items():
            if value is cast or getattr(value, name, None) is cast:
                found[getattr(np, name)] = cast
    return found


def needed(used: set[str]) -> dict[str, Any]:
    """The stand-ins but for ``type`` that code with these names needs."""
    found: dict[str, Any] = {}
    if "hasattr" in used:
        found["hasattr"] = has_attribute
    if "isinstance" in used and used & ABSTRACT:
        found["isinstance"] = is_instance
    return found
