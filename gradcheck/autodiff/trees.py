"""Containers of arrays: lists, tuples, dicts, namedtuples and dataclasses, nested at will.

``tree_map`` puts traced values or cotangents in the places of an argument's numbers, so that a dict of parameters
has a dict of gradients. Anything that is neither a container nor numeric stays where it is.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from gradcheck.autodiff.core import TRACED

# The leaves there are most of, so that they need not be asked whether they are a dataclass.
_LEAVES = frozenset({float, int, np.ndarray, np.float64, str, type(None), bool})


def tree_map(function: Callable[[Any], Any], tree: Any) -> Any:
    """The container with ``function`` applied to every leaf (whatever is not itself a container).

    >>> tree_map(lambda x: 2 * x, {"w": [1.0, 2.0], "b": 3.0})
    {'w': [2.0, 4.0], 'b': 6.0}
    """
    if type(tree) in _LEAVES or type(tree) in TRACED:
        return function(tree)
    if type(tree) is list:
        return [tree_map(function, v) for v in tree]
    if isinstance(tree, dict):
        new = copy.copy(tree)  # keeps what subclasses add, such as the factory of a defaultdict
        for key, value in tree.items():
            new[key] = tree_map(function, value)
        return new
    if isinstance(tree, tuple):
        parts = [tree_map(function, v) for v in tree]
        return type(tree)(*parts) if hasattr(tree, "_fields") else tuple(parts)
    if isinstance(tree, list):
        items = copy.copy(tree)
        items[:] = [tree_map(function, v) for v in tree]
        return items
    if dataclasses.is_dataclass(tree) and not isinstance(tree, type):
        twin = copy.copy(tree)
        for f in dataclasses.fields(tree):
            object.__setattr__(twin, f.name, tree_map(function, getattr(tree, f.name)))
        return twin
    return function(tree)


def leaves(tree: Any) -> list[Any]:
    """The leaves in the order in which :func:`tree_map` visits them."""
    found: list[Any] = []
    tree_map(found.append, tree)
    return found


def is_container(x: Any) -> bool:
    return (
        type(x) not in _LEAVES
        and type(x) not in TRACED
        and (isinstance(x, dict | tuple | list) or (dataclasses.is_dataclass(x) and not isinstance(x, type)))
    )
