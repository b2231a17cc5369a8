"""What a parameter of unknown kind may be, most likely first, and values for it.

Used by ``points.py`` for functions that come without a point. A :class:`Kind` is a shape with a sort of
content; each parameter has a list of kinds with costs, ordered by what its name and annotation suggest. The
costs decide only which of the combinations that *work* is taken; a function is never judged by the names of
its parameters alone.
"""

from __future__ import annotations

import heapq
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gradcheck.loading import TargetError
from gradcheck.targets import Parameter

if TYPE_CHECKING:
    import numpy as np

    Generator = np.random.Generator

# Small, and different from each other, so that a wrong transpose does not go unseen.
SIZES = (3, 4, 2)

_MATRICES = re.compile(r"[A-Z]\w*|cov\w*|\w+_cov|design|weights\d|\w*(matrix|mat)", re.ASCII)
_COUNTS = re.compile(r"[nmkijNM]|n_\w+|num_\w+|\w+_size|order|degree|size|num|steps|iters?|axis|dim|ndim", re.ASCII)
_COVARIANCES = re.compile(r"cov\w*|Cov\w*|Sigma\w*|\w+_cov", re.ASCII)
_LABELS = re.compile(r"labels?|idx|ind(ex|ices)|classes|y_true|targets?", re.ASCII)
_SCALARS = re.compile(
    r"sigma|lam(bda_?)?|alpha|beta|gamma|eps(ilon)?|tol|dt|rate|reg|ridge|temperature|scale|tau|nu|rho|strike|spot",
    re.ASCII,
)


@dataclass(frozen=True)
class Kind:
    """A shape and what fills it: ``real``, ``integer`` (a count), ``index``, ``spd``, ``symmetric`` or ``flag``."""

    shape: tuple[int, ...] = ()
    content: str = "real"

    def __str__(self) -> str:
        if self.content == "integer":
            return "an integer"
        if self.content == "flag":
            return "False"
        shape = "scalar" if not self.shape else str(self.shape)
        suffix = {"index": " of indices", "spd": " positive definite", "symmetric": " symmetric"}
        return shape + suffix.get(self.content, "")


SCALAR, VECTOR, INTEGER, FLAG = Kind(), Kind((SIZES[0],)), Kind((), "integer"), Kind((), "flag")


@dataclass(frozen=True)
class Domain:
    """Where values are drawn from: ``[low, high]``, and for arrays with random signs if ``signed``."""

    name: str
    low: float
    high: float
    signed: bool = False


POSITIVE = Domain("in [0.3, 1.7]", 0.3, 1.7)
SIGNED = Domain("in ±[0.3, 1.7]", 0.3, 1.7, signed=True)
DOMAINS = (
    POSITIVE,
    SIGNED,
    Domain("in [0.1, 0.9]", 0.1, 0.9),
    Domain("in [1.2, 3]", 1.2, 3.0),
    Domain("in [3, 10]", 3.0, 10.0),
    Domain("in ±[0.02, 0.2]", 0.02, 0.2, signed=True),
    Domain("in [-1.7, -0.3]", -1.7, -0.3),
)


def kinds_for(
    parameter: Parameter, checked: bool, learned: Sequence[int], shape: tuple[int, ...] | None = None
) -> list[tuple[float, Kind]]:
    """Kinds that a parameter may have, with their costs, cheapest first.

    Args:
        parameter: its name and annotation are used.
        checked: differentiate with respect to it: no integers then.
        learned: sizes that error messages of f have mentioned.
        shape: given with ``--shape``; then only what fills it is open.

    >>> [str(kind) for _, kind in kinds_for(Parameter("x"), True, ())][:3]
    ['(3,)', '(4,)', 'scalar']
    >>> [str(kind) for _, kind in kinds_for(Parameter("order"), False, ())][:2]
    ['an integer', 'scalar']
    """
    if shape is not None:
        return [
            (0.0, Kind(shape)),
            *([(0.5, Kind(shape, "spd"))] if len(shape) == 2 and shape[0] == shape[1] else []),
        ]
    vector, scalar, matrix, integer, index = _costs_of(parameter.name)
    kinds = [(scalar, SCALAR), (integer, INTEGER)]
    for cost, size in _sizes(learned):
        kinds += [(vector + cost, Kind((size,))), (index + cost, Kind((size,), "index"))]
    kinds += [
        (matrix + cost, kind) for cost, kind in _matrices(learned, _COVARIANCES.fullmatch(parameter.name) is not None)
    ]
    kinds += [(matrix + 2.2, Kind((2, 3, 4))), (vector + 2.6, Kind((1,)))]
    allowed = _annotated(parameter)
    if allowed is not None:
        kinds = [(cost, kind) for cost, kind in kinds if _class_of(kind) in allowed]
        kinds += [(0.0, FLAG)] if "flag" in allowed else []
    if checked:
        kinds = [(cost, kind) for cost, kind in kinds if kind.content in ("real", "spd")] or [(0.0, SCALAR)]
    return sorted(kinds, key=lambda pair: pair[0])


def _costs_of(name: str) -> tuple[float, float, float, float, float]:
    """Costs of vector, scalar, matrix, integer and vector of indices, as the name suggests."""
    if _COUNTS.fullmatch(name):
        return 1.5, 0.5, 2.5, 0.0, 3.0
    if _LABELS.fullmatch(name):
        return 0.0, 1.6, 1.2, 2.0, 0.8
    if _MATRICES.fullmatch(name):
        return 1.0, 1.6, 0.0, 3.0, 3.6
    if _SCALARS.fullmatch(name):
        return 0.8, 0.0, 2.0, 2.4, 3.6
    return 0.0, 1.0, 1.6, 3.0, 3.6


def _sizes(learned: Sequence[int]) -> list[tuple[float, int]]:
    known = [(0.9 * at, size) for at, size in enumerate(SIZES)]
    return known + [(0.5 + 0.1 * at, size) for at, size in enumerate(learned) if size not in SIZES]


def _matrices(learned: Sequence[int], spd: bool) -> list[tuple[float, Kind]]:
    """Oblong before square, tall before wide (samples before features), general before positive definite."""
    others = [size for _, size in _sizes(learned) if size not in (3, 4)]
    kinds = []
    for at, rows in enumerate([4, 3, *others]):
        for beside, columns in enumerate([3, 4, *others]):
            if rows != columns:
                kinds.append((0.15 * (at + beside), Kind((rows, columns))))
    for at, rows in enumerate([3, 4, *others]):
        # Dear, so that a transpose is seen wherever an oblong matrix works too.
        kinds.append((1.3 + 0.2 * at, Kind((rows, rows))))
        kinds.append((1.4 + 0.2 * at - (1.5 if spd else 0.0), Kind((rows, rows), "spd")))
    return kinds


def _class_of(kind: Kind) -> str:
    if kind.content in ("integer", "flag"):
        return kind.content
    return "scalar" if not kind.shape else "array"


def _annotated(parameter: Parameter) -> set[str] | None:
    """Classes of kinds that an annotation allows; None where it says nothing that is understood."""
    annotation = parameter.annotation
    if annotation is Parameter.REQUIRED:
        return None
    text = annotation.__name__ if isinstance(annotation, type) else str(annotation)
    words = set(re.findall(r"\w+", text))
    allowed: set[str] = set()
    if words & {"float", "floating", "float64", "Real", "Number"}:
        allowed.add("scalar")
    if words & {"ndarray", "NDArray", "Array", "list", "List", "Sequence", "Iterable", "tuple", "Tuple"}:
        # The float of NDArray[float64] is the element's.
        allowed = {"array"} if "|" not in text and "Union" not in text else allowed | {"array"}
    if words & {"ArrayLike"}:
        allowed |= {"array", "scalar"}
    if not allowed and words & {"int", "Integral"}:
        allowed.add("integer")
    if not allowed and "bool" in words:
        allowed.add("flag")
    if not allowed and words & {"str", "Callable", "Path", "dict", "Mapping", "bytes"}:
        raise TargetError(
            f"no value can be made up for the parameter '{parameter.name}: {text}'",
            hint="wrap f in a function that binds it, or give it a default",
            code="GC006",
        )
    return allowed or None


def combinations(lists: Sequence[Sequence[tuple[float, Kind]]]) -> Iterator[tuple[float, tuple[Kind, ...]]]:
    """All combinations of one kind per parameter, cheapest sum of costs first, made as they are asked for.

    >>> a, b = Kind((3,)), Kind()
    >>> [cost for cost, _ in combinations([[(0.0, a), (1.0, b)], [(0.0, a), (0.4, b)]])]
    [0.0, 0.4, 1.0, 1.4]
    """
    if not all(lists):
        return
    start = (0,) * len(lists)
    heap = [(sum(kinds[0][0] for kinds in lists), start)]
    seen = {start}
    while heap:
        cost, at = heapq.heappop(heap)
        yield cost, tuple(kinds[i][1] for kinds, i in zip(lists, at, strict=True))
        for place, i in enumerate(at):
            if i + 1 < len(lists[place]):
                following = (*at[:place], i + 1, *at[place + 1 :])
                if following not in seen:
                    seen.add(following)
                    step = lists[place][i + 1][0] - lists[place][i][0]
                    heapq.heappush(heap, (cost + step, following))


def generator(seed: int, name: str, number: int) -> Generator:
    """Random numbers for one parameter at one point: the same whatever else is tried beside it."""
    import numpy as np

    return np.random.default_rng([seed, zlib.crc32(name.encode()), number])


def is_symmetric(value: Any) -> bool:
    """Whether a value is a square matrix of real numbers, not all zero, that is its own transpose.

    Such a default is a covariance or the like, and the derivatives that textbooks give for f hold at its like only. A
    matrix of zeros is one that has not been filled yet.

    >>> import numpy as np
    >>> is_symmetric(np.eye(2)), is_symmetric(np.zeros((2, 2))), is_symmetric(2.0)
    (True, False, False)
    """
    import numpy as np

    array = np.asarray(value)
    square = array.ndim == 2 and array.shape[0] == array.shape[1] > 1 and array.dtype.kind in "fiu"
    return square and bool(array.any()) and bool(np.array_equal(array, array.T))


def moved(default: Any, rng: Generator, part: float = 1.0) -> Any:
    """A float default, or an array of floats, times 1 ± 10 %; zeros become something in [0.1, 0.3].

    At a default of zero (a penalty that is off, a shift of nothing) whole terms of f are unseen. A symmetric matrix
    stays one, and positive definite if it is.

    Args:
        part: of the move, 1.0 for all of it; negative to the other side.

    >>> import numpy as np
    >>> A = moved(np.eye(3), np.random.default_rng(0))
    >>> bool((A == A.T).all() and (np.linalg.eigvalsh(A) > 0).all() and A.all())
    True
    """
    import numpy as np

    array = np.asarray(default)
    factors = rng.uniform(0.02, 0.1, size=array.shape) * rng.choice([-1.0, 1.0], size=array.shape)
    zero = np.round(rng.uniform(0.1, 0.3, size=array.shape), 3)
    if is_symmetric(array):
        near = _moved_symmetric(array, part * factors, part * zero)
    else:
        with np.errstate(over="ignore"):  # inf is a point like any other at which f does not run
            near = np.where(array == 0.0, part * zero, array * (1.0 + part * factors))
    if array.ndim or array.dtype.kind == "c":
        near = near.astype(array.dtype) if array.dtype.kind in "fc" else near
        return near if array.ndim else near.item()
    short = float(f"{float(near):.6g}") if part == 1.0 else float(near)
    return array.dtype.type(short) if isinstance(default, np.floating) else short


def _moved_symmetric(array: np.ndarray, factors: np.ndarray, zero: np.ndarray) -> np.ndarray:
    """A symmetric matrix beside one: a definite one as DAD + ssᵀ, any other entry by entry."""
    import numpy as np

    factors, zero = (np.tril(each) + np.tril(each, -1).T for each in (factors, zero))
    if np.linalg.eigvalsh(array.astype(float))[0] <= 0.0:
        return np.asarray(np.where(array == 0.0, zero, array * (1.0 + factors)))
    d, s = 1.0 + np.diag(factors), np.sqrt(np.diag(array) * np.abs(np.diag(factors)))
    return np.asarray(array * np.outer(d, d) + np.outer(s, s))


def confined(value: Any, low: np.ndarray, high: np.ndarray, rng: Generator) -> Any:
    """A made-up value with what is out of its bounds moved inside; the type stays.

    >>> import numpy as np
    >>> confined(-0.7, np.asarray(0.0), np.asarray(np.inf), np.random.default_rng(0))
    0.7
    """
    import numpy as np

    array = np.asarray(value)
    if array.dtype.kind != "f":
        return value
    low, high = np.broadcast_to(low, array.shape), np.broadcast_to(high, array.shape)
    part = rng.uniform(0.1, 0.9, size=array.shape)
    with np.errstate(all="ignore"):
        between = low + part * (high - low)
        moved_in = np.where(np.isfinite(low), low + np.abs(array), high - np.abs(array))
    bounded = np.isfinite(low) & np.isfinite(high)
    new = np.where((low <= array) & (array <= high), array, np.where(bounded, between, moved_in))
    for short in (np.round(new, 3), np.vectorize(lambda v: float(f"{v:.6g}"), otypes=[float])(new)):
        if np.all((low < short) & (short < high)):
            new = short
            break
    if is_symmetric(array) and np.array_equal(low, low.T) and np.array_equal(high, high.T):
        new = np.tril(new) + np.tril(new, -1).T
    new = new.astype(array.dtype)
    return new if array.ndim else type(value)(new)


def draw(kind: Kind, domain: Domain, rng: Generator, signed_scalars: bool = False) -> Any:
    """A value of a kind: generic, rounded to three decimals (so that it can be written out), never near 0
    or 1.

    >>> import numpy as np
    >>> draw(VECTOR, POSITIVE, np.random.default_rng(0)).shape
    (3,)
    """
    import numpy as np

    if kind.content == "integer":
        return 2
    if kind.content == "flag":
        return False
    if kind.content == "index":
        return rng.integers(0, min(2, kind.shape[0]) + 1, size=kind.shape) % kind.shape[0]
    values = rng.uniform(domain.low, domain.high, size=kind.shape)
    if domain.signed and (kind.shape or signed_scalars):
        values = values * rng.choice([-1.0, 1.0], size=kind.shape)
    # At 1 logarithms vanish and powers agree, which would hide mistakes.
    values = np.where(np.abs(np.abs(values) - 1.0) < 0.04, values * 1.07, values)
    if kind.content == "spd":
        root = rng.uniform(-1.0, 1.0, size=kind.shape)
        values = root @ root.T / kind.shape[0] + np.diag(rng.uniform(1.0, 2.0, size=kind.shape[0]))
    if kind.content == "symmetric":
        values = np.tril(values) + np.tril(values, -1).T
    values = np.round(values, 3)
    return values if kind.shape else float(values)
