"""One vector of all numbers in a container, and back, for optimisers, which want vectors. Both are differentiable."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from gradcheck.autodiff.core import is_array, plain, shape_of
from gradcheck.autodiff.errors import AutodiffError
from gradcheck.autodiff.trees import is_container, is_passive, leaves, node_of, with_leaves

__all__ = ["flatten", "flatten_func"]


def flatten(value: Any) -> tuple[Any, Callable[[Any], Any]]:
    """All numbers of a container as one vector, and the function that makes such a container of such a vector.

    Args:
        value: numbers, arrays, or nested lists, tuples, dicts and so on of them. The entries of a dict come in the
            order of its sorted keys, as in autograd. Integers become floats; text and the like stays in the structure.

    Returns:
        ``(vector, unflatten)``: a 1-d array, and a function of 1-d arrays of that length.

    Raises:
        AutodiffError: ``unflatten`` is given a vector of another length.

    >>> import numpy as np
    >>> vector, unflatten = flatten({"w": np.array([1.0, 2.0]), "b": 3.0})
    >>> vector
    array([3., 1., 2.])
    >>> unflatten(10.0 * vector)
    {'w': array([10., 20.]), 'b': np.float64(30.0)}
    """
    order = _order(value)
    parts = leaves(value) if is_container(value) else [value]
    shapes = [shape_of(parts[k]) for k in order]
    arrays = [is_array(parts[k]) for k in order]
    flat = [np.ravel(parts[k]) for k in order]
    total = sum(math.prod(s) for s in shapes)
    # As one array of a common type; integers become floats there.
    vector = np.concatenate([p if plain(p).dtype.kind in "fc" else p * 1.0 for p in flat]) if flat else np.zeros(0)

    def unflatten(x: Any) -> Any:
        if shape_of(x) != (total,):
            raise AutodiffError(f"unflatten: a vector of shape {shape_of(x)}, not {(total,)}")
        found: list[Any] = [None] * len(order)
        start = 0
        for k, shape, array in zip(order, shapes, arrays, strict=True):
            end = start + math.prod(shape)
            found[k] = np.reshape(x[start:end], shape) if array else x[start]
            start = end
        return with_leaves(value, found) if is_container(value) else found[0]

    return vector, unflatten


def _order(value: Any) -> list[int]:
    """The positions of the leaves in the order of the vector: dicts by sorted keys, all else as it stands."""
    count = 0

    def visit(tree: Any) -> list[int]:
        nonlocal count
        node = node_of(tree)
        if node is None:
            count += 1
            return [count - 1]
        places = [[] if is_passive(child) else visit(child) for child in node.children]
        if isinstance(tree, dict):
            ranks = sorted(range(len(node.keys)), key=lambda i: node.keys[i])
            places = [places[i] for i in ranks]
        return [k for part in places for k in part]

    return visit(value)


def flatten_func(func: Callable[..., Any], example: Any) -> tuple[Callable[..., Any], Callable[[Any], Any], Any]:
    """A function of a container as a function of vectors.

    Returns:
        ``(flat_func, unflatten, flat_example)``; ``flat_func(vector, *args)`` is the flattened
        ``func(unflatten(vector), *args)``.

    >>> import numpy as np
    >>> flat, unflatten, x = flatten_func(lambda p: {"sum": p["a"] + p["b"]}, {"a": 1.0, "b": 2.0})
    >>> flat(x)
    array([3.])
    """
    vector, unflatten = flatten(example)

    def flat_func(x: Any, *args: Any) -> Any:
        return flatten(func(unflatten(x), *args))[0]

    return flat_func, unflatten, vector
