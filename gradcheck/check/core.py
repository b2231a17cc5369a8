"""One check from end to end: preflight, claims, measurement, verdict, result.

Top of the check floor. :func:`check` is the public function for one point; :func:`check_points` is what the
runner calls.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck.check import judge
from gradcheck.check.calls import Adapted, UserFunction, definition, parameter_names
from gradcheck.check.claims import CallLog, WrongShapeError, Yours
from gradcheck.check.codes import kind
from gradcheck.check.compare import doubt_unfinished
from gradcheck.check.entries import entries_of, findings_of, joined
from gradcheck.check.notation import write_value
from gradcheck.check.parts import (
    Part,
    Suspect,
    approximate,
    diagnosis,
    is_constant,
    own_rules,
    sound,
    unchecked,
    vacuous,
    verdict_of,
    without_rest,
)
from gradcheck.check.preflight import Scene, call_order, memory_findings, prepare
from gradcheck.check.result import CheckError, Finding, Point, Result, Verdict, gravity
from gradcheck.check.rules import audited
from gradcheck.check.sampling import ALL_COLUMNS, MOST_LINES
from gradcheck.check.spaces import argument_space
from gradcheck.check.ties import excuse_conventions
from gradcheck.check.witnesses import Request, Witnesses
from gradcheck.errors import Location
from gradcheck.numeric.scale import coordinate_scales

if TYPE_CHECKING:
    from gradcheck.check.bounds import Bounds
    from gradcheck.check.budget import Budget
    from gradcheck.check.evidence import Evidence
    from gradcheck.check.study import Studies

#: Evaluations of f at a point beside those of its entries: twice for preflight, then noise, then call order.
OVERHEAD = 12
#: Hand-written Hessian-vector products of so many inputs make a whole Hessian, with all its entries.
ASSEMBLED = 64
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
    bounds: Any = None,
    vectorized: bool = False,
    hessp: Callable[..., Any] | None = None,
    jac: Callable[..., Any] | None = None,
    shrink: bool = False,
    has_aux: bool = False,
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
        bounds: of the argument: a pair (lower, upper) of what broadcasts to it, None for none, or a
            ``scipy.optimize.Bounds``. f is not evaluated outside of them.
        vectorized: f takes many points in one call: the argument with one further axis, the first or the last,
            (k, *shape) or (*shape, k), the other arguments as they are; its value has that axis, too. A few points are
            compared with single calls before that is believed.
        hessp: for ``order=2`` the hand-written product of the Hessian with a vector of the argument's shape, called as
            ``hessp(x, v, *args)``, the vector after the differentiated argument, as in ``scipy.optimize.minimize``.
        shrink: after a failure, look for a point of rounder numbers that fails alike (``Result.simpler``), in at
            most 20 further evaluations.
        jac: for ``order=2`` the hand-written gradient, differences of which measure where autodiff cannot follow f.
        has_aux: f returns a tuple whose first item is its value; the rest is ignored.
        studies: of how many of the worst entries ``Result.studies`` is to tell how they depend on the step: some 30
            evaluations each.

    Raises:
        CheckError: the check could not be carried out.

    >>> result = check(lambda x: x**3, 2.0, grad=lambda x: 3 * x**2, autodiff=False)
    >>> result.verdict.value, result.entries[0].label
    ('pass', 'df/dx')
    """
    point = Point(args)
    # Overflow in what is made of differences of huge or tiny numbers is judged where it matters, and is no news.
    with np.errstate(all="ignore"):
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
            bounds=bounds,
            vectorized=vectorized,
            hessp=hessp,
            jac=jac,
            shrink=shrink,
            has_aux=has_aux,
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
    bounds: Any = None,
    vectorized: bool = False,
    hessp: Callable[..., Any] | None = None,
    hessp_name: str = "",
    jac: Callable[..., Any] | None = None,
    shrink: bool | None = None,
    allowed: Callable[[tuple[Any, ...]], bool] | None = None,
    has_aux: bool = False,
    studies: int = 0,
) -> Result:
    """Check a derivative of f at several points; see :func:`check` for the arguments they share.

    Args:
        points: where.
        hessp_name: what the hand-written Hessian-vector product is called.
        shrink: whether a simpler point is looked for after a failure; None: where the point was made up.
        allowed: whether f may be called with other arguments than those of the points.
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
    if order != 2 and (hessp is not None or jac is not None):
        given = "hessp" if hessp is not None else "jac"
        raise CheckError(f"{given} is for order=2", hint="a gradient is checked as grad=", code="GC020")
    for what, tolerance in (("rtol", rtol), ("atol", atol)):
        if tolerance is not None and not 0.0 <= tolerance < np.inf:
            raise CheckError(f"{what} is {tolerance}: a tolerance is a finite number, zero or more", code="GC020")
    if seed < 0:
        raise CheckError(f"seed is {seed}: a seed is not negative", code="GC020")
    if not points:
        raise CheckError("no point was given", code="GC020")
    name = target or getattr(f, "__qualname__", type(f).__name__)
    position, argname = _argument(f, argnum, points[0], where)
    own = derivative or _derivative_name(grad)
    log = CallLog(strict)
    kept = _studies(studies) if studies else None
    box = None if bounds is None else _bounds(bounds)
    request = Request(
        position, argname, grad, order, rtol or 0.0, atol or 0.0, seed, autodiff, own, log, box, vectorized,
        hessp, hessp_name or _derivative_name(hessp), jac, None, kept,
    )  # fmt: skip
    own = " and ".join(name for name in (own, request.hessp_name) if name)
    caller = UserFunction(_value_only(f) if grad == "returned" or has_aux else f, name, where or definition(f))
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
            parts.append(without_rest(part, caller) if caller.spent else part)
    entries = tuple(e for p in parts for e in p.entries)
    found = own_rules(joined([f for p in parts for f in p.findings], entries), log) + diagnosis(parts)
    suspects = [p.suspect for p in parts if p.suspect]
    if suspects:
        from gradcheck.check.blame import blame

        found += blame(suspects, seed)
    found += (
        unchecked(caller, len(points) - len(parts))
        + vacuous(caller, parts, bool(own))
        + approximate(caller, log, entries)
    )
    findings = tuple(dict.fromkeys(found))
    before = caller.evaluations
    simple = None if shrink is False else _simpler(caller, f, points, parts, request, bool(shrink), allowed)
    evaluations = caller.evaluations
    return Result(
        target=name,
        argnum=position,
        argname=argname,
        order=order,
        verdict=verdict_of(entries, findings),
        entries=entries,
        findings=findings,
        evaluations=evaluations,
        f_calls=caller.calls,
        stacked=caller.stacked,
        simpler=simple,
        shrinking=evaluations - before,
        points=tuple(points),
        derivative=own or "autodiff",
        derivative_how=derivative_how,
        total=sum(p.total for p in parts),
        seconds=time.perf_counter() - start,
        where=caller.where,
        value=tuple(p.value for p in parts),
        seed=seed,
        calls=log.calls if any(e.autodiff is not None for e in entries) else None,
        settings={
            "rtol": rtol,
            "atol": atol,
            "autodiff": autodiff,
            "strict": strict,
            "budget": budget,
            "vectorized": vectorized,
            "bounds": None if box is None else box.plain,
        },
        studies=kept.finish() if kept is not None else (),
    )


def _simpler(
    caller: UserFunction,
    f: Callable[..., Any],
    points: Sequence[Point],
    parts: Sequence[Part],
    request: Request,
    given: bool,
    allowed: Callable[[tuple[Any, ...]], bool] | None,
) -> Point | None:
    """A simpler point than the worst one at which its worst entry fails alike; of given points only if asked for."""
    wrong = [e for p in parts for e in p.entries if e.verdict is Verdict.FAIL]
    if not wrong or caller.spent:
        return None
    from gradcheck.check.shrink import Failure, column_of, failure, simpler

    at = min(wrong, key=gravity).point
    part, point = parts[at], points[at]
    if not given and (point.seed is None or point.text is None):
        return None
    failed = failure(part.entries, part.findings, part.evidence and part.evidence())
    if failed is None:
        return None
    column = column_of(failed.worst, np.shape(point.args[request.argnum]))
    narrow = replace(request, columns=(column,), vectorized=False, studies=None)

    def check_again(candidate: Point, failed: Failure) -> Failure | None:
        part = _at_point(caller, f, candidate, at, narrow)
        return failure(part.entries, part.findings, part.evidence and part.evidence(), failed.worst.label)

    return simpler(caller, point, request.argnum, failed, check_again, allowed)


def _studies(count: int) -> Studies:
    from gradcheck.check.study import Studies

    return Studies(count)


def _bounds(given: Any) -> Bounds:
    from gradcheck.check.bounds import Bounds

    return Bounds.read(given)


def _budget(budget: int | str | None) -> Budget | None:
    if budget is None:
        return None
    from gradcheck.check.budget import Budget

    try:
        return Budget.parse(str(budget))
    except ValueError:
        hint = "a number of evaluations, or a time such as 30s or 2min"
        raise CheckError(f"budget is {budget!r}", hint=hint, code="GC020") from None


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
        step = sign * aside.reshape(-1)
        if request.bounds is not None:
            space = argument_space(point.args[request.argnum], request.argname)
            step = request.bounds.box(space, given.reshape(-1), request.argname).inward(given.reshape(-1), step)
        moved: Any = given + step.reshape(given.shape)
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
            written = write_value(moved)
            place = f"beside the kink, at {request.argname}={written}," if written else "beside the kink"
            text = f"{place} {worst.label} is wrong: {claim:.6g}, where {worst.measured:.6g} was measured"
            wrongs = [x for x in beside.findings if x.code in ("GC101", "GC106")]
            code, where = (wrongs[0].code, wrongs[0].where) if wrongs else ("GC101", caller.where)
            return replace(part, findings=(*part.findings, Finding(code, kind(code), text, where)))
    if len(sides) < 2 or any(e.verdict is not Verdict.PASS for s in sides for e in s.entries):
        return part
    hint = "beside it, on both sides, the derivative is right"
    return replace(part, findings=tuple(replace(x, hint=hint) if x.code == "GC201" else x for x in part.findings))


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
        raise TypeError(f"it returns a {type(returned).__name__}, not a value and something beside it")
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
    scene = prepare(caller, point.args, request.argnum, request.argname, findings, request.bounds)
    if request.vectorized and not caller.refuses_many:
        from gradcheck.check.stacked import verify_stacked

        scene = replace(scene, spread=np.maximum(scene.spread, verify_stacked(scene, request.seed, findings)))
    yours = _hand_written(scene, f, request, findings)
    if request.order == 2:
        from gradcheck.check.second import second_order

        hessian, total, gathered = second_order(scene, yours, request, number, findings)
        return Part(tuple(hessian), tuple(findings), total, scene.text, gathered)
    total = scene.value.width * scene.x.size
    try:
        given = yours.array(scene.args) if yours else None
    except WrongShapeError as error:
        from gradcheck.check.diagnosis import explain_shape

        found = explain_shape(scene, error, request)
        return Part((), (*findings, error.finding), total, scene.text, shape=tuple(found))
    if yours is not None and yours.function.mutated:
        text = f"{yours.function.name} changes its argument in place"
        findings.append(Finding("GC302", kind("GC302"), text, yours.function.where, "copy it first"))
    witness = Witnesses(scene, given, yours, request, findings)
    if witness.broken and given is None:  # nothing is left that could be compared
        return Part((), tuple(audited(findings, witness.autodiff.rule_calls, False, request.seed)), total, scene.text)
    measured = witness.compare(findings)
    excuse_conventions(witness, measured)
    if scene.unfinished:
        doubt_unfinished(measured)
    if yours is not None and given is not None and not caller.spent and request.columns is None:
        right = all(np.all(m.state == judge.PASS) for m in measured)
        call_order(scene, yours, given, request.seed, witness.possible(measured), right, findings)
    entries = entries_of(scene, measured, witness.claims, request.argname, number)
    if request.studies is not None:
        from gradcheck.check.study import Term

        for k, e in enumerate(entries):  # in order of output and line
            row, line = divmod(k, len(measured))
            request.studies.offer(e, witness.sampler, Term(measured[line], row))
    if all(e.verdict is Verdict.PASS for e in entries):
        findings = [f for f in findings if f.code != "GC211"]
    told = findings_of(scene, measured, entries, request, yours)
    findings += [replace(f, hint=witness.hint) if f.code == "GC101" and witness.hint else f for f in told]
    findings = audited(findings, witness.autodiff.rule_calls, yours is not None, request.seed)
    names = [request.argname if i == request.argnum else f"number {i}" for i in range(len(scene.args))]
    for function in (caller, yours.function) if yours else (caller,):
        findings += memory_findings(function, names)
    evidence: Callable[[], Evidence | None] | None = None
    if not witness.hint:  # which says what there is to say
        evidence = functools.partial(
            _gathered, scene, yours, request, witness.own, witness.ad, entries, witness.disagree
        )
    constant = is_constant(scene, entries, request.seed)
    kinks = scene.x.size <= ALL_COLUMNS and any(np.any(m.state == judge.KINK) for m in measured)
    independent = witness.ad is not None and witness.autodiff.independent
    suspect = Suspect(scene, yours, witness.autodiff) if yours and sound(entries) else None
    return Part(
        tuple(entries), tuple(findings), total, scene.text, evidence, constant, kinks, independent, suspect=suspect
    )


def _gathered(*of: Any) -> Evidence | None:
    """What a failing point tells of the kind of mistake: see :func:`~gradcheck.check.evidence.gather`."""
    from gradcheck.check.evidence import gather

    return gather(*of)


def _hand_written(scene: Scene, f: Callable[..., Any], request: Request, findings: list[Finding]) -> Yours | None:
    """The hand-written derivative, ready to be called."""
    if request.grad is None:
        if request.hessp is None or scene.x.size > ASSEMBLED:
            return None
        from gradcheck.check.hessp import Assembled

        whole = Assembled(request.hessp, request.argnum)
        function = UserFunction(whole, request.hessp_name, definition(request.hessp), "GC017")
        return Yours(function, scene.space.shape * 2, len(scene.args), request.argnum, findings, False, True)
    if isinstance(request.grad, str):
        function = UserFunction(lambda *a: _pair(f(*a), 1), scene.f.name, scene.f.where, "GC017")
    else:
        function = UserFunction(request.grad, request.derivative, None, "GC017")
    shape = scene.space.shape * 2 if request.order == 2 else scene.value.shape + scene.space.shape
    outputs = len(scene.space.shape if request.order == 2 else scene.value.shape)
    same = request.order == 1 and scene.value.shape == scene.space.shape != ()
    return Yours(function, shape, len(scene.args), request.argnum, findings, same, not scene.value.complex, outputs)
