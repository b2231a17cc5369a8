"""What a problem is: a function, its exact gradient with marked places for bugs, and a point.

Lowest part of the benchmark; the files of ``problems/`` fill :data:`REGISTRY`. A gradient is written once, as
``g(x, bug)``. Where a program could go wrong in the way a :class:`Bug` has a kind for, it says so in place::

    return A.T @ r + bug("regulariser:ridge", lam * w)                  # wrong: left out
    back = (d @ W.T) * bug("chain:tanh", 1 - a * a, 1.0)                # wrong: no factor

and the mutation is made by running the same code with one of the marks switched.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

#: Builders of problems by name, in the order of the files.
REGISTRY: dict[str, Callable[[np.random.Generator], Problem]] = {}
TAGS: dict[str, tuple[str, ...]] = {}


class Bug:
    """The marks of a gradient. ``active`` is the one that is switched on; "" is the right gradient.

    >>> Bug("chain:exp")("chain:exp", 3.0, 1.0), Bug()("chain:exp", 3.0, 1.0)
    (1.0, 3.0)
    """

    def __init__(self, active: str = "") -> None:
        self.active = active
        self.seen: dict[str, None] = {}

    def __call__(self, label: str, right: Any, wrong: Any = 0) -> Any:
        """``right``, unless this mark is on; ``wrong=0`` means that the term is left out."""
        self.seen[label] = None
        return wrong if label == self.active else right


@dataclass
class Problem:
    """A function and its exact gradient at a point.

    Attributes:
        f: takes an array of the shape of ``x``; returns a number or an array.
        g: ``g(x, bug)``, of shape ``f(x).shape + x.shape``.
        x: the point, float64 or float32.
        analytic: f for complex arguments, where f itself does not take them (abs, max, a solver, float32 inside): the
            complex step proves g with it. None: f does.
        tolerance: how far g may be off that, relatively.
        kinks: flat indices into x along which f has no derivative at x.
        edges: flat indices into x where f exists on one side only.
        samples: N of a mean or a sum over samples, for bugs of a factor N.
    """

    f: Callable[[Any], Any]
    g: Callable[[Any, Bug], Any]
    x: Any
    analytic: Callable[[Any], Any] | None = None
    tolerance: float = 1e-9
    kinks: tuple[int, ...] = ()
    edges: tuple[int, ...] = ()
    samples: int = 0
    name: str = ""
    tags: tuple[str, ...] = ()

    def gradient(self, active: str = "") -> Callable[[Any], Any]:
        """g as a checker gets it, with one mark switched on or none."""
        return lambda x: self.g(x, Bug(active))

    @property
    def outputs(self) -> int:
        return int(np.size(self.f(self.x.copy())))

    def exact(self) -> np.ndarray:
        """The right Jacobian at x, (m, n)."""
        with np.errstate(all="ignore"):
            return np.asarray(self.g(self.x.astype(float), Bug()), dtype=float).reshape(-1, self.x.size)

    def marks(self) -> list[str]:
        """The labels of all bugs that g has a place for."""
        bug = Bug()
        self.g(self.x.copy(), bug)
        return list(bug.seen)


Builder = Callable[[np.random.Generator], Problem]


def problem(*tags: str) -> Callable[[Builder], Builder]:
    """Register a builder under its name."""

    def register(build: Builder) -> Builder:
        name = build.__name__
        if name in REGISTRY:
            raise ValueError(f"two problems are called {name}")
        REGISTRY[name], TAGS[name] = build, tags
        return build

    return register


def generator(*key: object) -> np.random.Generator:
    """Random numbers that depend on nothing but the key."""
    return np.random.default_rng(zlib.crc32(repr(key).encode()))


def load(names: list[str] | None = None, seed: int = 0) -> dict[str, Problem]:
    """The problems whose name contains one of ``names``; another seed gives other data and other points."""
    from benchmarks.detection import problems  # noqa: F401 - fills REGISTRY

    out = {}
    for name, build in REGISTRY.items():
        if not names or any(part in name for part in names):
            made = build(generator("problem", name, seed))
            made.name, made.tags, made.x = name, TAGS[name], np.array(made.x)
            out[name] = made
    return out


def real(x: Any) -> np.ndarray:
    """As much code does: whatever comes becomes float64 (and complex arguments are refused)."""
    return np.asarray(x, dtype=np.float64)


def log_sum_exp(z: Any, axis: int = -1) -> Any:
    """Stable, and for complex z as well."""
    top = np.max(np.real(z), axis=axis, keepdims=True)
    return np.squeeze(top, axis) + np.log(np.sum(np.exp(z - top), axis=axis))


def softmax(z: Any, axis: int = -1) -> Any:
    e = np.exp(z - np.max(np.real(z), axis=axis, keepdims=True))
    return e / np.sum(e, axis=axis, keepdims=True)
