"""One check from end to end: preflight, claims, measurement, verdict, result.

Top of the check floor. :func:`check` is the public function for one point; :func:`check_points` is what the
runner calls.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gradcheck.check import judge
from gradcheck.check.blame import Suspect, blame, sound
from gradcheck.check.budget import Budget
from gradcheck.check.calls import Adapted, UserFunction, definition, parameter_names
from gradcheck.check.claims import CallLog, WrongShapeError, Yours
from gradcheck.check.codes import kind
from gradcheck.check.diagnosis import diagnose, explain_shape
from gradcheck.check.entries import entries_of, findings_of
from gradcheck.check.evidence import Evidence, gather
from gradcheck.check.preflight import Scene, call_order, memory_findings, prepare
from gradcheck.check.result import CheckError, Entry, Finding, Point, Result, Verdict
from gradcheck.check.rules import audited
from gradcheck.check.sampling import ALL_COLUMNS, MOST_LINES
from gradcheck.check.study import Studies, Term
from gradcheck.check.witnesses import Request, Witnesses
from gradcheck.errors import Location
from gradcheck.numeric.scale import coordinate_scales

#: Evaluations of f at a point beside those of its entries: twice for preflight, then noise, then call order.
OVERHEAD = 12
#: How far beside a kink the derivative is looked at again, in natural units.
BESIDE_KINKS = 1e-3


def check(
    f: Callable[..., Any],
    *args: Any,
    argnum: int | str = 0,
    grad: Callable[..., Any] | str | None = None,
    order: int = 1,
    rtol: float | None = None,
    atol: float | None = None,
    seed: int = 0,
    autodiff: bool = True,
    strict: bool = False,
    budget: int | str | None = None,
    studies: int = 0,
) -> Result:
    """Check a derivative of f at one point.

    Args:
        f: the function; it is called with ``args``. Its value is a number or an array of numbers.
        args: the point. The differentiated argument is a float or an array of floats of any shape.
        argnum: which argument to differentiate with respect to, by position or name.
        grad: the hand-written derivative, called as ``grad(*args)``: shape of the value followed by the shape
            of the argument (``order=2``: twice the shape of the argument); or "returned" if f returns (value,
            derivative); or None to check the derivative that gradcheck's autodiff computes.
        order: 1 for gradients and Jacobians, 2 for Hessians of scalar functions.
        rtol, atol: widen the acceptance; not needed as a rule.
        seed: of random directions.
        autodiff: False keeps the autodiff core out: the hand-written derivative against the measurement
            alone.
        strict: autodiff refuses functions that have no derivative rule, where otherwise it takes finite differences of
            that single call.
        budget: what the check may cost: evaluations of f, or time ("30s"); what is not decided then is inconclusive.
        studies: of how many of the worst entries ``Result.studies`` is to tell how they depend on the step: some 30
            evaluations each.

    Raises:
        CheckError: the check could not be carried out.

    >>> result = check(lambda x: x**3, 2.0, grad=lambda x: 3 * x**2, autodiff=False)
    >>> result.verdict.value, result.entries[0].label
    ('pass', 'df/dx')
    """
    point = Point(args)
    return check_points(
        f,
        [point],
        argnum=argnum,
        grad=grad,
        order=order,
        rtol=rtol,
        atol=atol,
        seed=seed,
        autodiff=autodiff,
        strict=strict,
        budget=budget,
        studies=studies,
    )


def check_points(
    f: Callable[..., Any],
    points: Sequence[Point],
    *,
    argnum: int | str = 0,
    grad: Callable[..., Any] | str | None = None,
    order: int = 1,
    rtol: float | None = None,
    atol: float | None = None,
    seed: int = 0,
    target: str = "",
    derivative: str = "",
    derivative_how: str = "",
    where: Location | None = None,
    progress: Callable[[int, int], None] | None = None,
    autodiff: bool = True,
    strict: bool = False,
    budget: int | str | None = None,
    studies: int = 0,
) -> Result:
    """Check a derivative of f at several points; see :func:`check` for the arguments they share.

    Args:
        points: where.
        target: how the user names f; its qualified name if empty.
        derivative, derivative_how: the same for the hand-written derivative.
        where: file and line of f, if the caller knows better than its code object.
        progress: called now and then with evaluations of f done, and expected in all.

    Raises:
        CheckError: the check could not be carried out at one of the points.
    """
    start = time.perf_counter()
    if order not in (1, 2):
        raise CheckError(f"order is {order}; 1 and 2 are supported", code="GC020")
    if isinstance(grad, str) and grad != "returned":
        raise CheckError(f"grad is {grad!r}; a function, 'returned' or None", code="GC020")
    if not points:
        raise CheckError("no point was given", code="GC020")
    name = target or getattr(f, "__qualname__", type(f).__name__)
    position, argname = _argument(f, argnum, points[0], where)
    own = derivative or _derivative_name(grad)
    log = CallLog(strict)
    kept = Studies(studies) if studies else None
    request = Request(position, argname, grad, order, rtol or 0.0, atol or 0.0, seed, autodiff, own, log, kept)
    caller = UserFunction(_value_only(f) if grad == "returned" else f, name, where or definition(f))
    if progress is not None:
        caller.progress = progress
        columns = [np.size(p.args[position]) for p in points]
        caller.expected = sum(2 * (n if n <= ALL_COLUMNS else 2 * MOST_LINES) + OVERHEAD for n in columns)
    caller.budget = _budget(budget)
    parts: list[Part] = []
    for number, point in enumerate(points):
        if not caller.spent or not parts:
            part = _at_point(caller, f, point, number, request)
            if part.kinks and not caller.spent:
                part = _retested(part, caller, f, point, number, request)
            parts.append(_without_rest(part, caller) if caller.spent else part)
    entries = tuple(e for p in parts for e in p.entries)
    found = _own_rules([f for p in parts for f in p.findings], log) + _diagnosis(parts)
    found += blame([p.suspect for p in parts if p.suspect], seed)
    found += (
        _unchecked(caller, len(points) - len(parts))
        + _vacuous(caller, parts, bool(own))
        + _approximate(caller, log, entries)
    )
    findings = tuple(dict.fromkeys(found))
    evaluations = caller.evaluations
    return Result(
        target=name,
        argnum=position,
        argname=argname,
        order=order,
        verdict=_worst(entries, findings),
        entries=entries,
        findings=findings,
        evaluations=evaluations,
        points=tuple(points),
        derivative=own or "autodiff",
        derivative_how=derivative_how,
        total=sum(p.total for p in parts),
        seconds=time.perf_counter() - start,
        where=caller.where,
        value=tuple(p.value for p in parts),
        seed=seed,
        calls=log.calls if any(e.autodiff is not None for e in entries) else None,
        settings={"rtol": rtol, "atol": atol, "autodiff": autodiff, "strict": strict, "budget": budget},
        studies=kept.finish() if kept is not None else (),
    )


@dataclass(frozen=True)
class Part:
    """The check at one point."""

    entries: tuple[Entry, ...]
    findings: tuple[Finding, ...]
    total: int
    value: str
    evidence: Callable[[], Evidence | None] | None = None
    constant: bool = False
    kinks: bool = False
    independent: bool = False
    shape: tuple[Finding, ...] = ()
    suspect: Suspect | None = None


def _budget(budget: int | str | None) -> Budget | None:
    if budget is None:
        return None
    try:
        return Budget.parse(str(budget))
    except ValueError:
        hint = "a number of evaluations, or a time such as 30s or 2min"
        raise CheckError(f"budget is {budget!r}", hint=hint, code="GC020") from None


def _without_rest(part: Part, f: UserFunction) -> Part:
    """What is left of a point during which the budget was spent: what could not be measured then is open."""
    entries = tuple(
        replace(e, note="the budget was spent") if e.verdict is Verdict.INCONCLUSIVE else e for e in part.entries
    )
    undecided = sum(e.verdict is Verdict.INCONCLUSIVE for e in entries)
    findings = tuple(x for x in part.findings if not x.code.startswith("GC2"))
    if undecided:
        text = f"the budget of {f.budget} was spent: {undecided} of {len(entries)} entries were not decided"
        findings += (Finding("GC208", kind("GC208"), text, f.where, "give a larger --budget"),)
    return replace(part, entries=entries, findings=findings, constant=False)


def _unchecked(f: UserFunction, points: int) -> list[Finding]:
    """What is to be said of points that were not looked at."""
    if not points:
        return []
    text = f"the budget of {f.budget} was spent: {points} {'point was' if points == 1 else 'points were'} not checked"
    return [Finding("GC208", kind("GC208"), text, f.where, "give a larger --budget")]


def _diagnosis(parts: Sequence[Part]) -> list[Finding]:
    """What kind of mistake it is, from all points together; of a wrong shape, what holds at each of them."""
    shape = [f for f in parts[0].shape if all(f in p.shape for p in parts)]
    failed = any(e.verdict is Verdict.FAIL for p in parts for e in p.entries)
    return shape + (diagnose([p.evidence and p.evidence() for p in parts]) if failed else [])


def _own_rules(findings: Sequence[Finding], log: CallLog) -> list[Finding]:
    """Autodiff alone against the measurement, where it used rules that the user wrote: those come first to mind."""
    rules = ", ".join(f"{name} ({where})" if where else name for name, where in log.rules.items())
    hint = f"f uses derivative rules of yours, one of which may be wrong: {rules}"
    known = any(f.code == "GC146" for f in findings)
    return [replace(f, hint=hint) if f.code == "GC106" and rules and not known else f for f in findings]


def _approximate(f: UserFunction, log: CallLog, entries: Sequence[Entry]) -> list[Finding]:
    """Where not all is verified and f is an approximation: that this may be why."""
    undecided = [e for e in entries if e.verdict is Verdict.INCONCLUSIVE]
    if not undecided or not log.approximate:
        return []
    (name, where), accuracy = max(log.approximate.items(), key=lambda item: item[1])
    text = f"{f.name} goes through {name}, so that its slopes are accurate to about {accuracy:.0e} only"
    options = "rtol=1e-10, atol=1e-12" if name.startswith("scipy.integrate") else "tol=1e-12"
    return [Finding("GC207", kind("GC207"), text, where, f"tighten its tolerances, for instance {options}")]


def _retested(part: Part, caller: UserFunction, f: Callable[..., Any], point: Point, number: int,
              request: Request) -> Part:  # fmt: skip
    """A point with kinks, and what the check says beside them, on either side.

    At a kink there is no derivative to compare with, and a wrong one would go unseen.
    """
    given = np.asarray(point.args[request.argnum], dtype=np.float64)
    rng = np.random.default_rng([request.seed, 12])
    # All coordinates, as others may be at kinks of their own that the check did not see.
    aside = BESIDE_KINKS * coordinate_scales(given.reshape(-1)) * rng.uniform(0.5, 1.0, given.size)
    if given.ndim == 2 and given.shape[0] == given.shape[1] and np.all(given == given.T):
        aside = 0.5 * (aside.reshape(given.shape) + aside.reshape(given.shape).T)
    request = replace(request, studies=None)
    sides = []
    for sign in (1.0, -1.0):
        moved: Any = given + sign * aside.reshape(given.shape)
        if not isinstance(point.args[request.argnum], np.ndarray):
            moved = float(moved)
        args = (*point.args[: request.argnum], moved, *point.args[request.argnum + 1 :])
        try:
            beside = _at_point(caller, f, Point(args), number, request)
        except CheckError:  # f, or the derivative, is not defined there
            continue
        sides.append(beside)
        wrong = [e for e in beside.entries if e.verdict is Verdict.FAIL]
        if wrong:
            worst = max(wrong, key=lambda e: e.difference or 0.0)
            claim = worst.autodiff if worst.yours is None else worst.yours
            style: Any = {"float_kind": lambda x: f"{x:.6g}"}
            shown = np.array2string(np.asarray(moved), threshold=8, separator=", ", formatter=style)
            shown = " ".join(shown.split())
            text = (
                f"beside the kink, at {request.argname}={shown}, {worst.label} is wrong: {claim:.6g}, where "
                f"{worst.measured:.6g} was measured"
            )
            wrongs = [x for x in beside.findings if x.code in ("GC101", "GC106")]
            code, where = (wrongs[0].code, wrongs[0].where) if wrongs else ("GC101", caller.where)
            return replace(part, findings=(*part.findings, Finding(code, kind(code), text, where)))
    if len(sides) < 2 or any(e.verdict is not Verdict.PASS for s in sides for e in s.entries):
        return part
    hint = "beside it, on both sides, the derivative is right"
    return replace(part, findings=tuple(replace(x, hint=hint) if x.code == "GC201" else x for x in part.findings))


def _vacuous(f: UserFunction, parts: Sequence[Part], hand_written: bool) -> list[Finding]:
    """Where f is constant about every point nothing was verified: any multiple of the derivative would have passed."""
    if not parts or any(not p.constant or any(e.verdict is not Verdict.PASS for e in p.entries) for p in parts):
        return []
    # What depends on no argument is constant everywhere, not only about the points.
    code = "GC206" if hand_written and not all(p.independent for p in parts) else "GC312"
    text = f"{f.name} does not change with this argument at any point: every derivative is zero"
    return [Finding(code, kind(code), text, f.where, "check where it does: --at")]


def _constant(scene: Scene, entries: Sequence[Entry], seed: int) -> bool:
    """Whether every derivative is zero and f is the same at a natural distance (at a minimum it is not)."""
    if any((e.autodiff if e.yours is None else e.yours) != 0 for e in entries):
        return False
    step = np.random.default_rng([seed, 8]).choice([-0.25, 0.25], scene.x.size) * scene.scales
    return bool(np.all(scene.evaluate(scene.x + step) == scene.center))


def _worst(entries: Sequence[Entry], findings: Sequence[Finding]) -> Verdict:
    """The verdict of a whole check: a GC1xx finding fails it, and nothing compared is never a pass."""
    if any(f.code.startswith("GC1") for f in findings) or any(e.verdict is Verdict.FAIL for e in entries):
        return Verdict.FAIL
    if not entries or any(e.verdict is Verdict.INCONCLUSIVE for e in entries):
        return Verdict.INCONCLUSIVE
    if any(f.code in ("GC206", "GC208") for f in findings):
        return Verdict.INCONCLUSIVE
    return Verdict.PASS


def _derivative_name(grad: Callable[..., Any] | str | None) -> str:
    """What the hand-written derivative is called where the caller gave no name."""
    if grad is None:
        return ""
    return "returned by f" if isinstance(grad, str) else getattr(grad, "__qualname__", type(grad).__name__)


def _value_only(f: Callable[..., Any]) -> Callable[..., Any]:
    """f without the derivative that it returns beside its value."""
    return Adapted(f, lambda returned: _pair(returned, 0))


def _pair(returned: Any, item: int) -> Any:
    """One of value and derivative."""
    if not isinstance(returned, tuple | list) or len(returned) < 2:
        raise TypeError(f"it returns a {type(returned).__name__}, not (value, derivative)")
    return returned[item]


def _argument(f: Callable[..., Any], argnum: int | str, point: Point, where: Location | None) -> tuple[int, str]:
    """Position and name of the argument."""
    count = len(point.args)
    names = parameter_names(f, max(count, 1))
    if isinstance(argnum, str):
        if argnum not in names:
            raise CheckError(
                f"there is no argument {argnum!r}; there are {', '.join(names)}", where=where, code="GC020"
            )
        return names.index(argnum), argnum
    position = argnum + count if argnum < 0 else argnum
    if not 0 <= position < count:
        raise CheckError(f"argnum is {argnum}, but the point has {count} arguments", where=where, code="GC020")
    return position, names[position]


def _at_point(caller: UserFunction, f: Callable[..., Any], point: Point, number: int, request: Request) -> Part:
    """The check at one point."""
    findings: list[Finding] = []
    scene = prepare(caller, point.args, request.argnum, request.argname, findings)
    yours = _hand_written(scene, f, request, findings)
    if request.order == 2:
        from gradcheck.check.second import second_order

        entries, total, evidence = second_order(scene, yours, request, number, findings)
        return Part(tuple(entries), tuple(findings), total, scene.text, evidence)
    total = scene.value.width * scene.x.size
    try:
        given = yours.array(scene.args) if yours else None
    except WrongShapeError as error:
        found = explain_shape(scene, error, request)
        return Part((), (*findings, error.finding), total, scene.text, shape=tuple(found))
    if yours is not None and yours.function.mutated:
        text = f"{yours.function.name} changes its argument in place"
        findings.append(Finding("GC302", kind("GC302"), text, yours.function.where, "copy it first"))
    witness = Witnesses(scene, given, yours, request, findings)
    if witness.broken and given is None:  # nothing is left that could be compared
        return Part((), tuple(audited(findings, witness.autodiff.rule_calls, False, request.seed)), total, scene.text)
    measured = witness.compare(findings)
    if yours is not None and given is not None and not caller.spent:
        right = all(np.all(m.state == judge.PASS) for m in measured)
        call_order(scene, yours, given, request.seed, witness.possible(measured), right, findings)
    entries = entries_of(scene, measured, witness.claims, request.argname, number)
    if request.studies is not None:
        for k, e in enumerate(entries):  # in order of output and line
            row, line = divmod(k, len(measured))
            request.studies.offer(e, witness.sampler, Term(measured[line], row))
    findings += findings_of(scene, measured, entries, request, yours)
    findings = audited(findings, witness.autodiff.rule_calls, yours is not None, request.seed)
    names = [request.argname if i == request.argnum else f"number {i}" for i in range(len(scene.args))]
    for function in (caller, yours.function) if yours else (caller,):
        findings += memory_findings(function, names)
    evidence = functools.partial(gather, scene, yours, request, witness.own, witness.ad, entries, witness.disagree)
    constant = _constant(scene, entries, request.seed)
    kinks = scene.x.size <= ALL_COLUMNS and any(np.any(m.state == judge.KINK) for m in measured)
    independent = witness.ad is not None and witness.autodiff.independent
    suspect = Suspect(scene, yours, witness.autodiff) if yours and sound(entries) else None
    return Part(
        tuple(entries), tuple(findings), total, scene.text, evidence, constant, kinks, independent, suspect=suspect
    )


def _hand_written(scene: Scene, f: Callable[..., Any], request: Request, findings: list[Finding]) -> Yours | None:
    """The hand-written derivative, ready to be called."""
    if request.grad is None:
        return None
    if isinstance(request.grad, str):
        function = UserFunction(lambda *a: _pair(f(*a), 1), scene.f.name, scene.f.where, "GC017")
    else:
        function = UserFunction(request.grad, request.derivative, None, "GC017")
    shape = scene.space.shape * 2 if request.order == 2 else scene.value.shape + scene.space.shape
    same = request.order == 1 and scene.value.shape == scene.space.shape != ()
    return Yours(function, shape, len(scene.args), request.argnum, findings, same, not scene.value.complex)
