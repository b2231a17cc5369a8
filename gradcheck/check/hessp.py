"""Hand-written Hessian-vector products: calling them, and what they must be whatever f is, linear and symmetric.

Part of the check floor, below ``products.py``. A Hessian that is given as a matrix, dense or sparse, is a product, too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck.check.calls import UserFunction, definition
from gradcheck.check.claims import WrongShapeError, Yours
from gradcheck.check.codes import kind
from gradcheck.check.forms import direction_of
from gradcheck.check.preflight import Scene
from gradcheck.check.result import Finding
from gradcheck.check.spaces import numbers
from gradcheck.numeric.scale import Array

if TYPE_CHECKING:
    from gradcheck.check.witnesses import Request

Product = Callable[[Array], Array | None]

#: A product with a vector is linear and symmetric to this part; some are made by differences of a gradient.
EXACT = 1e-5


class Assembled:
    """The whole Hessian of a small argument from products with unit vectors; called with the arguments of f."""

    def __init__(self, hessp: Callable[..., Any], argnum: int) -> None:
        self.hessp = hessp
        self.argnum = argnum
        self.func = hessp  # where it is defined

    def __call__(self, *args: Any) -> np.ndarray:
        x = np.asarray(args[self.argnum])
        columns = []
        for j in range(x.size):
            unit = np.zeros(x.size, dtype=x.dtype)
            unit[j] = 1.0
            columns.append(np.asarray(_called(self.hessp, args, self.argnum, unit.reshape(x.shape)[()])).reshape(-1))
        return np.stack(columns, axis=1).reshape(x.shape * 2)


def _called(hessp: Callable[..., Any], args: Sequence[Any], argnum: int, v: Any) -> Any:
    """A product with v, which follows the differentiated argument, as in ``scipy.optimize.minimize``."""
    return hessp(*args[: argnum + 1], v, *args[argnum + 1 :])


@dataclass
class Claim:
    """What is claimed of Hv, for every v.

    Attributes:
        name: what messages call the hand-written function; "" for autodiff's own.
        product: of the hand-written function, or None.
        function: it, for its place.
    """

    name: str
    product: Product | None
    function: UserFunction | None


def hand_products(scene: Scene, yours: Yours | None, request: Request) -> list[Claim]:
    """The hand-written claims: a product with a vector, and a Hessian, times a vector."""
    claims = []
    if request.hessp is not None:
        function = UserFunction(request.hessp, request.hessp_name, definition(request.hessp), "GC017")

        def product(v: Array) -> Array:
            raw = _called(function, scene.args, request.argnum, scene.space.build(v))
            return _vector(raw, scene, function)

        claims.append(Claim(function.name, product, function))
    if yours is not None:
        matrix = _matrix(yours, scene)
        claims.append(Claim(yours.function.name, lambda v: _vector(matrix @ v, scene, yours.function), yours.function))
    return claims


def _matrix(yours: Yours, scene: Scene) -> Any:
    """What the hand-written Hessian returns, sparse or dense, as something that multiplies vectors (n,)."""
    raw, n = yours.function(*scene.args), scene.x.size
    if isinstance(raw, tuple) and len(raw) == 1:
        raw = raw[0]
    if not hasattr(raw, "shape") or not hasattr(raw, "__matmul__"):
        raw = numbers(raw, yours.function.name, "GC014", yours.function.where)
    if isinstance(raw, np.ndarray) and raw.size == n * n:
        return raw.reshape(n, n)
    if tuple(raw.shape) != (n, n):
        text = f"{yours.function.name} returns shape {tuple(raw.shape)}; the derivative has shape {yours.expected}"
        raise WrongShapeError(Finding("GC102", kind("GC102"), text, yours.function.where))
    return raw


def _vector(raw: Any, scene: Scene, function: UserFunction) -> Array:
    """A product as a vector (n,).

    Raises:
        WrongShapeError: it has another shape than the argument.
    """
    array = numbers(raw, function.name, "GC014", function.where)
    if np.iscomplexobj(array) and np.any(array.imag != 0):
        text = f"{function.name} returns complex numbers with an imaginary part, where f is real"
        raise WrongShapeError(Finding("GC107", kind("GC107"), text, function.where))
    if array.size != scene.x.size or [k for k in array.shape if k != 1] != [k for k in scene.space.shape if k != 1]:
        text = f"{function.name} returns shape {array.shape}; the product has the argument's, {scene.space.shape}"
        raise WrongShapeError(Finding("GC102", kind("GC102"), text, function.where))
    return np.asarray(array.real, dtype=np.float64).reshape(-1)


def structure(scene: Scene, claim: Claim, request: Request) -> list[Finding]:
    """Whether a product is linear in the vector and symmetric: no value of f is needed to see that."""
    rng = np.random.default_rng([request.seed, 13])
    u, v = (direction_of(scene, rng) for _ in range(2))
    assert claim.product is not None
    assert claim.function is not None
    hu, hv, both = (claim.product(w) for w in (u, v, 0.75 * u + v))
    assert hu is not None
    assert hv is not None
    assert both is not None
    out = []
    with np.errstate(all="ignore"):
        apart = np.linalg.norm((both - (0.75 * hu + hv)) * scene.scales)
        size = np.linalg.norm(hu * scene.scales) + np.linalg.norm(hv * scene.scales)
        left, right = float(np.sum(u * hv)), float(np.sum(v * hu))
        terms = float(np.sqrt(np.sum((u * hv) ** 2)) + np.sqrt(np.sum((v * hu) ** 2)))
    where = claim.function.where
    if apart > EXACT * size:
        text = f"{claim.name} is not linear in the vector: H(0.75u + v) differs from 0.75Hu + Hv by {apart / size:.1g}"
        out.append(Finding("GC110", kind("GC110"), text, where))
    elif abs(left - right) > EXACT * terms:
        text = f"{claim.name} is not symmetric: along random u and v u·Hv is {left:.6g} and v·Hu is {right:.6g}"
        out.append(Finding("GC108", kind("GC108"), text, where))
    if claim.function.mutated:
        text = f"{claim.name} changes its argument in place"
        out.append(Finding("GC302", kind("GC302"), text, where, "copy it first"))
    return out
