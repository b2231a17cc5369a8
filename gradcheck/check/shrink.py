"""A failing point made simpler: rounder numbers at which the same mistake is as plain, for the ``reproduce:`` line.

Part of the check floor, above everything but ``core.py``. It adds nothing to the verdict and takes nothing from it.
Candidates are compared by the two derivatives first, which costs no evaluation of f; the first at which they differ as
they did is then checked like any other point, in the column of the worst entry. It counts if that fails with the same
codes. No two entries are made equal and none zero or one, where mistakes hide and kinks are, unless the kind of
mistake is recognised there, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gradcheck.check.budget import Budget
from gradcheck.check.calls import UserFunction
from gradcheck.check.claims import Autodiff, WrongShapeError
from gradcheck.check.diagnosis import diagnose
from gradcheck.check.evidence import Evidence
from gradcheck.check.result import CheckError, Entry, Finding, Point, Verdict
from gradcheck.check.spaces import split
from gradcheck.numeric.scale import Array

#: Evaluations of f that a simpler point may cost, and candidates that are checked.
MOST, CHECKED = 20, 2
#: Points of more numbers are not simple however round these are.
NUMBERS = 64
#: At a simpler point the difference is at least this part of what it was, relatively.
AS_PLAIN = 0.1
#: Findings that entries cause; others do not depend on the point.
OF_ENTRIES = ("GC101", "GC103", "GC104", "GC106")


@dataclass(frozen=True)
class Failure:
    """What failed at one point.

    Attributes:
        worst: the entry to look at first.
        codes: of its findings and of the diagnosis of this point alone.
        evidence: the derivatives there, or None.
    """

    worst: Entry
    codes: frozenset[str]
    evidence: Evidence | None


def failure(
    entries: Sequence[Entry], findings: Sequence[Finding], evidence: Evidence | None, label: str = ""
) -> Failure | None:
    """The failure at a point, or None if no single entry (none of that label) fails there."""
    wrong = [e for e in entries if e.verdict is Verdict.FAIL and e.direction is None and label in ("", e.label)]
    if not wrong or any(e.note.startswith(("kink", "jump")) for e in entries):
        return None
    worst = max(wrong, key=lambda e: e.difference or 0.0)
    codes = {f.code for f in findings if f.code in OF_ENTRIES}
    if evidence is not None and evidence.exact:
        codes |= {f.code for f in diagnose([evidence], cheap=True)}
    return Failure(worst, frozenset(codes), evidence)


def simpler(
    f: UserFunction,
    point: Point,
    argnum: int,
    failed: Failure,
    check: Callable[[Point, Failure], Failure | None],
    allowed: Callable[[tuple[Any, ...]], bool] | None = None,
) -> Point | None:
    """A simpler point with the same failure, or None.

    Args:
        f: the function, whose evaluations are limited meanwhile.
        point: where it failed.
        argnum: the differentiated argument.
        failed: how.
        check: what fails at another point, in the entry that is worst here; None if that does not.
        allowed: whether arguments are inside of all bounds.
    """
    budget = f.budget
    limit = f.evaluations + min(MOST, f.left)
    f.budget = Budget(int(limit)) if budget is None else replace(budget, evaluations=int(limit))
    tried = 0
    try:
        for args, special in candidates(point, argnum):
            if f.spent or tried == CHECKED:
                break
            if (allowed is not None and not allowed(args)) or not _promising(failed, args, argnum, special):
                continue
            tried += 1
            candidate = Point(args, f"simpler than {point.how}", point.seed, None, point.drawn)
            try:
                found = check(candidate, failed)
            except (CheckError, WrongShapeError):  # f, or the derivative, is not defined there
                continue
            if found is not None and found.codes == failed.codes and not f.spent:
                return candidate
    finally:
        f.budget = budget
    return None


def candidates(point: Point, argnum: int) -> Iterator[tuple[tuple[Any, ...], bool]]:
    """Arguments with rounder numbers, simplest first, and whether they are special: one digit, two digits, ones."""
    places = [k for k in point.drawn or (argnum,) if np.asarray(point.args[k]).dtype.kind == "f"]
    if sum(np.size(point.args[k]) for k in places) > NUMBERS:
        return
    seen = [_key(point.args, places)]
    for digits in (1, 2, 0):
        args = list(point.args)
        for k in places:
            args[k] = rounded(args[k], digits) if digits else _ones(args[k])
        if _key(args, places) not in seen:
            seen.append(_key(args, places))
            yield tuple(args), not digits


def _key(args: Sequence[Any], places: Sequence[int]) -> list[Any]:
    return [np.asarray(args[k]).tolist() for k in places]


def rounded(value: Any, digits: int) -> Any:
    """A float or an array of floats in so many digits; in more where it would be one, or like another entry.

    >>> rounded(np.array([1.456, 1.388, 0.508]), 1).tolist()
    [1.5, 1.4, 0.5]
    """
    array = np.asarray(value)
    square = array.ndim == 2 and array.shape[0] == array.shape[1] and bool(np.all(array == array.T))
    out, taken = array.astype(np.float64), {0.0, 1.0}
    short = {float(f"{v:.{digits}g}") for v in array.reshape(-1)}
    often = [float(f"{abs(v):.{digits}g}") for v in (array[np.triu_indices(len(array))] if square else array.flat)]
    clash = {size for size in short | set(often) if often.count(abs(size)) > 1}
    for index in np.ndindex(array.shape):
        if square and index[0] > index[1]:
            out[index] = out[index[::-1]]
            continue
        v = float(array[index])
        first = float(f"{v:.{digits}g}")
        options = [first] if abs(first) not in clash else []
        options += [float(f"{v:.{d}g}") for d in range(digits + 1, 4)]
        out[index] = next((o for o in options if abs(o) not in taken), v)
        taken.add(abs(float(out[index])))
    return out.astype(array.dtype) if isinstance(value, np.ndarray) else type(value)(out)


def _ones(value: Any) -> Any:
    """Ones of the same signs."""
    ones = np.copysign(np.ones_like(value), value)
    return ones if isinstance(value, np.ndarray) else type(value)(ones)


def _promising(failed: Failure, args: tuple[Any, ...], argnum: int, special: bool) -> bool:
    """Whether the two derivatives differ at other arguments as they did; where there are not two, that is left open."""
    p = failed.evidence
    if p is None or not p.exact:
        return not special
    space = p.scene.space
    if p.scene.box is not None and not p.scene.box.contains(space.flat(args[argnum])):
        return False
    row, column = np.unravel_index(int(np.argmax(np.where(p.wrong, _relative(p.claim, p.truth), -1.0))), p.claim.shape)
    tools = Autodiff(p.scene.f, space, p.scene.value, argnum, p.request.log)
    try:
        own = _matrix(p, p.yours.array(args))
    except (CheckError, WrongShapeError):
        return False
    truth = tools.hessian(args) if p.request.order == 2 else _matrix(p, tools.dense(args))
    if own is None or truth is None or own.shape != truth.shape:
        return False
    before, now = (float(_relative(*pair)[row, column]) for pair in ((p.claim, p.truth), (own, truth)))
    return bool(np.all(np.isfinite(own)) and np.all(np.isfinite(truth)) and now >= AS_PLAIN * before)


def _matrix(p: Evidence, derivative: np.ndarray | None) -> Array | None:
    """A derivative as (rows, columns)."""
    if derivative is None:
        return None
    if p.request.order == 2:
        return np.asarray(derivative, dtype=np.float64).reshape(p.claim.shape)
    return split(derivative.reshape(p.scene.value.size, -1), p.scene.value.complex, 0)


def _relative(a: Array, b: Array) -> Array:
    """|a − b| relative to the larger of the two."""
    with np.errstate(all="ignore"):
        return np.asarray(np.nan_to_num(np.abs(a - b) / np.maximum(np.abs(a), np.abs(b))))


def column_of(entry: Entry, shape: tuple[int, ...]) -> int:
    """The column that an entry is in: of a Hessian, that of its second index."""
    index = entry.index[-len(shape) :] if shape else ()
    return int(np.ravel_multi_index(index, shape)) if index else 0
