"""Containers of arrays: lists, tuples, dicts, namedtuples, dataclasses, and classes of the user's own, nested at will.

``tree_map`` puts traced values or cotangents in the places of an argument's numbers, so that a dict of parameters
has a dict of gradients. What is neither a container nor numeric (text, None, truth values, functions) stays where it
is: it is part of the structure. Classes of the user's own are made known by :func:`register_pytree_node`.
"""

from __future__ import annotations

import copy
import dataclasses
import enum
import functools
import sys
import types
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from gradcheck.autodiff.core import TRACED
from gradcheck.autodiff.errors import AutodiffError, unsupported

# The leaves there are most of, so that they need not be asked whether they are a dataclass.
_LEAVES = frozenset({float, int, np.ndarray, np.float64, str, type(None), bool})
# What has no derivative and passes through a container unchanged.
_PASSIVE = (
    str, bytes, bool, np.bool_, type(None), type(Ellipsis), enum.Enum, type, slice, range, np.dtype, np.ufunc,
    types.FunctionType, types.BuiltinFunctionType, types.MethodType, types.ModuleType,
)  # fmt: skip
_NUMBERS = frozenset({float, int, complex, np.float64, np.float32})

Flatten = Callable[[Any], tuple[Iterable[Any], Any]]
Unflatten = Callable[[Any, list[Any]], Any]
_registered: dict[type, tuple[Flatten, Unflatten]] = {}


def register_pytree_node(cls: type, flatten: Flatten, unflatten: Unflatten) -> None:
    """Make instances of a class of your own containers, as lists and dicts are, for every transform.

    Args:
        cls: the class (exactly this one; subclasses are registered on their own).
        flatten: ``flatten(instance)`` gives ``(children, rest)``: the parts to look into for numbers, and whatever
            else is needed to make an instance again.
        unflatten: ``unflatten(rest, children)`` makes an instance of them. It is also called with children that are
            traced values, tangents or derivatives, so it must not ask what they are.

    Raises:
        ValueError: the class is registered already.

    The names and the order of the arguments are JAX's.

    >>> class Line:
    ...     def __init__(self, slope, offset):
    ...         self.slope, self.offset = slope, offset
    >>> register_pytree_node(Line, lambda line: ((line.slope, line.offset), None), lambda _, parts: Line(*parts))
    >>> from gradcheck import grad
    >>> g = grad(lambda line: line.slope * 3.0 + line.offset)(Line(2.0, 1.0))
    >>> g.slope, g.offset
    (3.0, 1.0)
    """
    if cls in _registered:
        raise ValueError(f"{cls.__qualname__} is registered already")
    _registered[cls] = (flatten, unflatten)


class Node:
    """A container taken apart: its children, what they are called, and how one like it is made of others.

    ``build(children, live)``: without ``live`` the children are derivatives, and what a class computes from its
    fields is not computed from those.
    """

    __slots__ = ("build", "children", "keys")

    def __init__(self, keys: Sequence[Any], children: list[Any], build: Callable[[list[Any], bool], Any]) -> None:
        self.keys = keys
        self.children = children
        self.build = build


def node_of(tree: Any) -> Node | None:
    """A container taken apart; None for a leaf."""
    kind = type(tree)
    if kind in _LEAVES or kind in TRACED:
        return None
    if kind in _registered:
        flatten, unflatten = _registered[kind]
        children, rest = flatten(tree)
        children = list(children)
        return Node(range(len(children)), children, lambda new, _live: unflatten(rest, new))
    if isinstance(tree, dict):
        return Node(list(tree), list(tree.values()), lambda new, _live: _like_dict(tree, new))
    if isinstance(tree, tuple):
        make = getattr(kind, "_make", tuple)
        return Node(getattr(tree, "_fields", range(len(tree))), list(tree), lambda new, _live: make(new))
    if isinstance(tree, list):
        return Node(range(len(tree)), list(tree), lambda new, _live: _like_list(tree, new))
    if kind is types.SimpleNamespace:
        keys = list(vars(tree))
        return Node(
            keys,
            list(vars(tree).values()),
            lambda new, _live: types.SimpleNamespace(**dict(zip(keys, new, strict=True))),
        )
    if dataclasses.is_dataclass(tree) and not isinstance(tree, type):
        return _dataclass_node(tree)
    return None


def _like_dict(tree: dict[Any, Any], new: list[Any]) -> Any:
    twin = copy.copy(tree)  # keeps what subclasses add, such as the factory of a defaultdict
    for key, value in zip(tree, new, strict=True):
        twin[key] = value
    return twin


def _like_list(tree: list[Any], new: list[Any]) -> Any:
    if type(tree) is list:
        return new
    twin = copy.copy(tree)
    twin[:] = new
    return twin


def _dataclass_node(tree: Any) -> Node:
    """The fields that the caller gives are the children. What ``__post_init__`` computes of them is computed again:
    a copy of the old result would be a constant, and the derivative through it lost. So would be a cached property."""
    cls = type(tree)
    again = getattr(cls, "__post_init__", None)
    fields = dataclasses.fields(tree)
    chosen = [f.name for f in fields if f.init or again is None]
    derived = [f.name for f in fields if f.name not in chosen]
    names = {f.name for f in fields}
    extra = [name for name in getattr(tree, "__dict__", {}) if name not in names]
    cached = [name for name in extra if isinstance(getattr(cls, name, None), functools.cached_property)]
    beside = [name for name in extra if name not in cached]
    if (beside or derived) and (again is None or _takes_arguments(cls)):
        raise unsupported(
            f"the dataclass {cls.__qualname__} keeps {', '.join(map(repr, beside + derived))} beside its fields: "
            "their derivative would be lost",
            "make it a field or a property, or say how to take the class apart with gradcheck.register_pytree_node",
        )

    def build(new: list[Any], live: bool) -> Any:
        twin = copy.copy(tree)
        for name in extra:
            twin.__dict__.pop(name)
        for name in derived:
            object.__setattr__(twin, name, None)
        for name, value in zip(chosen, new, strict=True):
            object.__setattr__(twin, name, value)
        if live and (beside or derived):
            twin.__post_init__()
        return twin

    return Node(chosen, [getattr(tree, name) for name in chosen], build)


def _takes_arguments(cls: type) -> bool:
    """Whether ``__post_init__`` takes init-only arguments, which an instance does not remember."""
    return any(f._field_type is dataclasses._FIELD_INITVAR for f in cls.__dataclass_fields__.values())  # type: ignore[attr-defined]


def is_passive(x: Any) -> bool:
    """Whether x, inside a container, is part of the structure and not a number."""
    kind = type(x)
    if kind in _NUMBERS or kind in TRACED:
        return False
    if isinstance(x, np.ndarray | np.generic):
        return x.dtype.kind in "bUSMmV"
    return isinstance(x, _PASSIVE) or _is_random(x)


def _is_random(x: Any) -> bool:
    """Whether x is a random generator; NumPy loads their module on first use, and so nothing here loads it."""
    random = sys.modules.get("numpy.random")
    return isinstance(x, (getattr(random, "Generator", ()), getattr(random, "RandomState", ())))


def tree_map(function: Callable[[Any], Any], tree: Any, live: bool = True) -> Any:
    """The container with ``function`` applied to every leaf (whatever is not itself a container).

    ``live``: whether the result is an instance to be used, and not one that holds derivatives.

    >>> tree_map(lambda x: 2 * x, {"w": [1.0, 2.0], "b": 3.0, "name": "first"})
    {'w': [2.0, 4.0], 'b': 6.0, 'name': 'first'}
    """
    kind = type(tree)
    if kind in _LEAVES or kind in TRACED:
        return function(tree)
    if (kind is list or kind is tuple) and kind not in _registered:  # most containers, without a node
        return kind([_map_child(function, c, live) for c in tree])
    node = node_of(tree)
    if node is None:
        return function(tree)
    return node.build([_map_child(function, c, live) for c in node.children], live)


def _map_child(function: Callable[[Any], Any], child: Any, live: bool) -> Any:
    if type(child) is np.ndarray and child.dtype.char == "d":
        return function(child)
    return child if is_passive(child) else tree_map(function, child, live)


def leaves(tree: Any) -> list[Any]:
    """The leaves in the order in which :func:`tree_map` visits them.

    >>> leaves({"w": [1.0, 2.0], "b": (3.0, None)})
    [1.0, 2.0, 3.0]
    """
    found: list[Any] = []
    _collect(tree, found)
    return found


def _collect(tree: Any, found: list[Any]) -> None:
    node = node_of(tree)
    if node is None:
        found.append(tree)
        return
    for child in node.children:
        if not is_passive(child):
            _collect(child, found)


def with_leaves(tree: Any, new: Iterable[Any], live: bool = True) -> Any:
    """The container with other leaves, given in the order of :func:`leaves`.

    >>> with_leaves({"w": [1.0, 2.0], "b": 3.0}, [4.0, 5.0, 6.0])
    {'w': [4.0, 5.0], 'b': 6.0}
    """
    rest = iter(new)
    return tree_map(lambda _leaf: next(rest), tree, live)


def matching_leaves(tree: Any, other: Any, what: str, where: str = "") -> list[Any]:
    """The leaves of ``other``, which must have the structure of ``tree``: the same keys and lengths.

    Args:
        tree: the structure that is wanted.
        other: a container like it; a list may stand for a tuple.
        what: how to call ``other`` in the error.

    Raises:
        AutodiffError: it has another structure; names the place.
    """
    node, twin = node_of(tree), node_of(other)
    if node is None:
        if twin is not None:
            raise AutodiffError(f"{what}{where} is a {type(other).__name__}, where one array or number belongs")
        return [other]
    if twin is None:
        raise AutodiffError(f"{what}{where} must be a {type(tree).__name__}, as the value is, not {_describe(other)}")
    if isinstance(tree, dict) and isinstance(other, dict):
        found = dict(zip(twin.keys, twin.children, strict=True))
        if set(found) != set(node.keys):
            raise AutodiffError(f"{what}{where} has the keys {list(found)}, not {list(node.keys)}")
        children = [found[key] for key in node.keys]
    else:
        children = twin.children
        if len(children) != len(node.children):
            raise AutodiffError(f"{what}{where} has {len(children)} parts, not {len(node.children)}")
    found_leaves: list[Any] = []
    for key, mine, theirs in zip(node.keys, node.children, children, strict=True):
        if not is_passive(mine):
            found_leaves += matching_leaves(mine, theirs, what, f"{where}[{key!r}]")
    return found_leaves


def _describe(x: Any) -> str:
    return f"an array of shape {x.shape}" if isinstance(x, np.ndarray) else f"a {type(x).__name__}"


def is_container(x: Any) -> bool:
    """Whether x is taken apart into leaves.

    >>> is_container([1.0]), is_container(1.0)
    (True, False)
    """
    return (
        type(x) not in _LEAVES
        and type(x) not in TRACED
        and (
            type(x) in _registered
            or isinstance(x, dict | tuple | list | types.SimpleNamespace)
            or (dataclasses.is_dataclass(x) and not isinstance(x, type))
        )
    )
