"""What kind of mistake a wrong derivative looks like, from the numbers alone.

Top of the diagnosis, part of the check floor. The evidence of all points (``evidence.py``) goes through the kinds
(``kinds/``) in the order of :data:`KINDS`, and the first that explains every wrong entry is told: the more special
ones of two that cannot both hold by accident, then the simpler of two that can. Beside it, where the wrong entries
are, if that is one entry, row or column. A wrong kind is worse than none: what is not certain is not said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from gradcheck.check import judge
from gradcheck.check.claims import WrongShapeError
from gradcheck.check.codes import kind
from gradcheck.check.evidence import Evidence, Pool, Told
from gradcheck.check.kinds import context, elementwise, places, quantities, structure
from gradcheck.check.preflight import Scene
from gradcheck.check.result import CheckError, Finding
from gradcheck.check.witnesses import Request, Witnesses

KINDS: tuple[Callable[[Pool], Told | None], ...] = (
    elementwise.single_precision,
    context.branch,
    elementwise.zeros,
    elementwise.conjugate,
    elementwise.sign,
    structure.moved,
    structure.reduced,
    elementwise.normalised,
    context.swapped,
    structure.permuted,
    elementwise.factor,
    context.value,
    elementwise.clipped,
    elementwise.offset,
    elementwise.regulariser,
    quantities.chain,
    context.part,
    quantities.outer,
)


#: Those that run f at other points, or differentiate it there.
DEAR = (context.branch, context.swapped, context.part)


def diagnose(points: Sequence[Evidence | None], *, cheap: bool = False) -> list[Finding]:
    """Findings GC111 to GC134 for a failing check: what is wrong, and where; none if no pattern fits.

    Args:
        points: the evidence of every point; None where there is none.
        cheap: try only what the numbers at hand say.
    """
    known = [p for p in points if p is not None]
    if len(known) != len(points) or not any(np.any(p.wrong & p.known) for p in known):
        return []
    pool = Pool(known)
    if not pool.wrong_count:
        return []
    with np.errstate(all="ignore"):
        kinds = [of for of in KINDS if not (cheap and of in DEAR)]
        told = [next((t for of in kinds if (t := of(pool)) is not None), None), places.place(pool)]
    where = pool.first.yours.function.where
    return [Finding(t.code, kind(t.code), t.message, where, None, t.evidence) for t in told if t is not None]


def explain_shape(scene: Scene, error: WrongShapeError, request: Request) -> list[Finding]:
    """What would make a derivative of the wrong shape right, measured: a sum over an axis, or a transposition."""
    array = error.array
    if array is None or request.order == 2 or array.size > 100_000:
        return []
    expected = scene.value.shape + scene.space.shape
    for told, candidate in _reshaped(array, expected):
        if np.unique(array).size < 2 or np.unique(candidate).size < min(2, candidate.size):
            continue  # equal numbers fit too easily
        witnesses = Witnesses(scene, candidate, None, request, [])
        try:
            right = all(np.all(m.state == judge.PASS) for m in witnesses.compare([]))
        except CheckError:
            return []
        if right:
            return [Finding(told.code, kind(told.code), told.message, error.finding.where, None, told.evidence)]
    return []


def _reshaped(array: np.ndarray, expected: tuple[int, ...]) -> Iterator[tuple[Told, np.ndarray]]:
    """Derivatives of the expected shape that one of another shape may have been meant for."""
    count = f"all {int(np.prod(expected, dtype=int))} entries are right"
    for axis in range(array.ndim):
        if array.shape[:axis] + array.shape[axis + 1 :] == expected and array.shape[axis] > 1:
            for what, of in (("sum", np.sum), ("mean", np.mean)):
                text = (
                    f"the derivative was not reduced over the {array.shape[axis]} elements of axis {axis}, over which "
                    f"the argument is broadcast: after a {what} over it {count}"
                )
                yield Told("GC123", text, {"axis": axis, "reduction": what}), np.asarray(of(array, axis=axis))
    if array.T.shape == expected:
        yield Told("GC113", f"the derivative is transposed: put back, {count}", {}), array.T
