"""Extending the differentiation, in autograd's names: rules of one's own, and the vector space of a value.

``VSpace``, ``Box`` and ``SparseObject`` are there to be asked for; to subclass or register them is refused by name.
Classes of one's own become containers with :func:`gradcheck.register_pytree_node`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from gradcheck.autodiff.core import is_array, is_complex, plain, shape_of
from gradcheck.autodiff.custom import (
    Call,
    Rule,
    def_linear,
    defjvp,
    defjvp_argnum,
    defjvp_argnums,
    defvjp,
    defvjp_argnum,
    defvjp_argnums,
    notrace_primitive,
    primitive,
    recording,
)
from gradcheck.autodiff.errors import AutodiffError
from gradcheck.autodiff.trees import is_container, leaves, matching_leaves, register_pytree_node, with_leaves
from gradcheck.tracer import Box, register_notrace

__all__ = [
    "Box",
    "Call",
    "JVPNode",
    "Rule",
    "SparseObject",
    "VJPNode",
    "VSpace",
    "def_linear",
    "defjvp",
    "defjvp_argnum",
    "defjvp_argnums",
    "defvjp",
    "defvjp_argnum",
    "defvjp_argnums",
    "notrace_primitive",
    "primitive",
    "recording",
    "register_notrace",
    "register_pytree_node",
    "vspace",
]


class VJPNode:
    """What :func:`register_notrace` is told for reverse mode."""


class JVPNode:
    """What :func:`register_notrace` is told for forward mode."""


class SparseObject:
    """Refused by name: a cotangent is an array here, and reads and writes of elements need no sparse one."""

    def __init__(self, *_args: Any) -> None:
        raise AutodiffError(
            "SparseObject is not supported", hint="return the cotangent as an array: np.zeros, then np.add.at"
        )


class VSpace:
    """The vector space of a value: its zeros, its units, sums and products. Made by :func:`vspace`.

    Attributes:
        shape: of an array; of a container the tuple of its arrays' shapes.
        size: how many real numbers; a complex one counts as two.
        dtype: of all of it together.
        iscomplex: whether any part is complex.
    """

    def __init__(self, value: Any) -> None:
        self._value = value
        self._leaves = leaves(value) if is_container(value) else [value]
        for e in self._leaves:
            numeric = isinstance(plain(e), int | float | complex | np.number | np.ndarray)
            if not numeric or (is_array(e) and plain(e).dtype.kind not in "fciu"):
                raise AutodiffError(f"there is no vector space of a {type(plain(e)).__name__}")
        shapes = tuple(shape_of(e) for e in self._leaves)
        self.shape: Any = shapes if is_container(value) else shapes[0]
        self.size = sum(math.prod(shape_of(e)) * (2 if is_complex(e) else 1) for e in self._leaves)
        self.iscomplex = any(is_complex(e) for e in self._leaves)
        self.dtype = np.result_type(float, *[plain(e) for e in self._leaves])
        if self._leaves and all(is_array(e) or isinstance(plain(e), np.generic) for e in self._leaves):
            self.dtype = np.result_type(*[plain(e) for e in self._leaves])

    def __init_subclass__(cls) -> None:
        raise AutodiffError(
            "VSpace cannot be subclassed", hint="make the class a container with gradcheck.register_pytree_node"
        )

    @classmethod
    def register(cls, value_type: type, vspace_maker: Any = None) -> None:
        raise AutodiffError(
            f"VSpace.register({value_type.__name__}) is not supported",
            hint="make the class a container with gradcheck.register_pytree_node",
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, VSpace) and self._signature() == other._signature()

    def __hash__(self) -> int:
        return hash(str(self._signature()))

    def _signature(self) -> Any:
        kinds = [(shape_of(e), is_complex(e)) for e in self._leaves]
        return (type(plain(self._value)) if is_container(self._value) else None, kinds)

    def __repr__(self) -> str:
        return f"VSpace(shape={self.shape}, dtype={self.dtype})"

    def _made(self, parts: list[Any]) -> Any:
        return with_leaves(self._value, parts, live=False) if is_container(self._value) else parts[0]

    def _fill(self, number: float) -> Any:
        return self._made(
            [np.full(shape_of(e), number, _float(e)) if is_array(e) else _float(e).type(number) for e in self._leaves]
        )

    def zeros(self) -> Any:
        """Zero."""
        return self._fill(0.0)

    def ones(self) -> Any:
        """Ones everywhere; 1 + i for complex numbers: the sum of the standard basis, as autograd has it."""
        ones = [
            e + 1j if is_complex(e) else e
            for e in (leaves(self._fill(1.0)) if is_container(self._value) else [self._fill(1.0)])
        ]
        return self._made(ones)

    def randn(self) -> Any:
        """Normal random numbers, from NumPy's global generator."""
        parts: list[Any] = []
        for e in self._leaves:
            x = np.random.randn(*shape_of(e))
            if is_complex(e):
                x = x + 1j * np.random.randn(*shape_of(e))
            parts.append(np.asarray(x, _float(e))[()] if not is_array(e) else np.asarray(x, _float(e)))
        return self._made(parts)

    def standard_basis(self) -> Iterator[Any]:
        """The units; for complex numbers 1 and i of each."""
        for k, e in enumerate(self._leaves):
            for j in range(int(np.prod(shape_of(e), dtype=int))):
                for one in (1.0, 1j) if is_complex(e) else (1.0,):
                    parts = leaves(self.zeros()) if is_container(self._value) else [self.zeros()]
                    unit = np.zeros(shape_of(e), _float(e))
                    unit.reshape(-1)[j] = one
                    parts[k] = unit if is_array(e) else unit[()]
                    yield self._made(parts)

    def _pairs(self, x: Any, y: Any) -> Iterator[tuple[Any, Any]]:
        if not is_container(self._value):
            return iter([(x, y)])
        return zip(
            matching_leaves(self._value, x, "the first vector"),
            matching_leaves(self._value, y, "the second vector"),
            strict=True,
        )

    def add(self, x: Any, y: Any) -> Any:
        """x + y."""
        return self._made([a + b for a, b in self._pairs(x, y)])

    def scalar_mul(self, x: Any, a: Any) -> Any:
        """x · a for a number a."""
        return self._made([p * a for p, _ in self._pairs(x, x)])

    def inner_prod(self, x: Any, y: Any) -> Any:
        """Re Σ x·ȳ."""
        return sum((np.sum(np.real(np.conj(a) * b)) for a, b in self._pairs(x, y)), 0.0)

    def covector(self, x: Any) -> Any:
        """The complex conjugate, which makes a vector a cotangent."""
        return self._made([np.conj(a) if is_complex(a) else a for a, _ in self._pairs(x, x)])


def _float(e: Any) -> Any:
    dtype = np.result_type(plain(e))
    return dtype if dtype.kind in "fc" else np.dtype(float)


def vspace(value: Any) -> VSpace:
    """The vector space of a number, an array or a container of them.

    >>> import numpy as np
    >>> space = vspace({"w": np.ones(2), "b": 1.0})
    >>> space.size, space.zeros()
    (3, {'w': array([0., 0.]), 'b': np.float64(0.0)})
    """
    return VSpace(value)
