"""What a problem is: a program that can be built for any library, the point, and which derivative is asked for.

A program is written once against a namespace with NumPy's names, ``program(np, data) -> f``. Where a library's users
would write it in another way (``x.at[i].set`` in JAX, ``lax.scan`` under ``jit``), there is a variant for that library.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np

Program = Callable[[Any, SimpleNamespace], Callable[..., Any]]

OPERATIONS = ("gradient", "jacobian", "hessian", "hvp")


@dataclass(frozen=True)
class Problem:
    """A function and the derivative that is wanted of it.

    Attributes:
        program: builds f from a namespace (NumPy, or one like it) and the data in that library's arrays.
        x: the argument: a number, an array, or a list of arrays, all of them differentiated.
        data: constants of f by name. Arrays are given to ``program`` as the library's own, all else as it is.
        operation: one of ``OPERATIONS``.
        vector: for "hvp", what the Hessian is multiplied by.
        variants: programs in the idiom of one library, by the name of the peer. "jax-jit" is looked up before "jax".
    """

    program: Program
    x: Any
    data: Mapping[str, Any] = field(default_factory=dict)
    operation: str = "gradient"
    vector: Any = None
    variants: Mapping[str, Program] = field(default_factory=dict)

    def built(self, namespace: Any, convert: Callable[[Any], Any], *names: str) -> Callable[..., Any]:
        """f for a library: its first variant among ``names``, otherwise the program."""
        program = next((self.variants[name] for name in names if name in self.variants), self.program)
        data = {key: convert(value) if isinstance(value, np.ndarray) else value for key, value in self.data.items()}
        return program(namespace, SimpleNamespace(**data))

    @property
    def plain(self) -> Callable[..., Any]:
        """f in NumPy."""
        return self.built(np, lambda array: array)


@dataclass(frozen=True)
class Workload:
    """A row of the table.

    Attributes:
        name: what the table calls it.
        build: makes the problem of this size; takes a generator for its data.
        small: makes the same problem so small that the tests can check it by differences.
        sets: names of the sets it belongs to: "default", "large", "readme".
    """

    name: str
    build: Callable[[np.random.Generator], Problem]
    small: Callable[[np.random.Generator], Problem]
    sets: tuple[str, ...] = ("default",)

    def problem(self) -> Problem:
        """The problem, with the same data every time."""
        return self.build(np.random.default_rng(0))

    def small_problem(self) -> Problem:
        return self.small(np.random.default_rng(0))


def family(
    build: Callable[..., Problem], small: Mapping[str, Any], rows: Mapping[str, tuple[Mapping[str, Any], str]]
) -> list[Workload]:
    """Rows for several sizes of one problem.

    Args:
        build: ``build(rng, **size) -> Problem``.
        small: a size for the tests.
        rows: by the name of the row, its size and the sets that it belongs to, separated by blanks.
    """

    def shrunk(rng: np.random.Generator) -> Problem:
        return build(rng, **small)

    def of_size(size: Mapping[str, Any]) -> Callable[[np.random.Generator], Problem]:
        return lambda rng: build(rng, **size)

    return [Workload(name, of_size(size), shrunk, tuple(sets.split())) for name, (size, sets) in rows.items()]
