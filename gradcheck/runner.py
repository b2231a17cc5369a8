"""Many checks in one run: what to check, with which derivative, at which points; one outcome for each.

Above targets, points and the check floor, below the reports, which render a :class:`Run` and nothing else.
One broken target does not stop the others: what a target or a check raises becomes the ``problem`` of its
outcome, whether it is the user's mistake or a bug of ours (then ``bug`` is set, and the exit code says so).
"""

from __future__ import annotations

import contextlib
import copy
import io
import re
import time
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from gradcheck.check.codes import kind
from gradcheck.check.result import Finding, Point, Result, Verdict
from gradcheck.configuration import placed
from gradcheck.discovery import Check, Failed, Plan
from gradcheck.errors import GradcheckError, InterruptedCall, Location
from gradcheck.frames import relative, user_traceback
from gradcheck.ignores import Comment, Reason, comments_of, declared_reason, matches, sort_out, unused
from gradcheck.outcomes import Interrupted, Outcome, Problem, Run, Status
from gradcheck.partners import PRODUCT, Adapted, Partner, find_partner, given_partner, overlooked, part_for
from gradcheck.points import (
    are_inside,
    argument_position,
    find,
    inside_of,
    is_differentiable,
    parameters_of,
    parse_bounds,
    parse_shapes,
    read_at,
    values_of,
)
from gradcheck.reproduce import reproduce
from gradcheck.request import Request, write_point
from gradcheck.returned import PAIR_HINT, has_auxiliary, may_return_derivative, returns_gradient
from gradcheck.settings import Settings
from gradcheck.targets import Target, resolve

__all__ = ["Outcome", "Problem", "Progress", "Run", "Running", "Status", "Step", "run"]


class Step(NamedTuple):
    """How far a run is.

    Attributes:
        finished: outcomes so far; checks: at least so many in all.
        name: of the check that is running; done and total: its evaluations.
    """

    finished: int
    checks: int
    name: str
    done: int = 0
    total: int = 0


Progress = Callable[[Step], None]


def run(plan: Plan, settings: Settings, progress: Progress | None = None, *, allow_empty: bool = False) -> Run:
    """Carry out a plan: every check with every argument that it asks for.

    Nothing is raised, KeyboardInterrupt included; everything is in the run.
    """
    started = time.monotonic()
    running = Running(plan, progress)
    interrupted = None
    try:
        for item in plan.items:
            running.item(item)
    except KeyboardInterrupt as err:
        place = ""
        if isinstance(err, InterruptedCall):
            place = str(err) + (f" ({relative(err.where.file)}:{err.where.line})" if err.where else "")
        interrupted = Interrupted(len(running.outcomes), running.expected, running.name, place)
    outcomes = running.with_unused_ignores() if interrupted is None else running.outcomes
    return Run(tuple(outcomes), settings, time.monotonic() - started, allow_empty, interrupted)


def listing(plan: Plan) -> str:
    """What a plan would check, a line for each: target, arguments, where it was asked for."""
    rows = []
    for item in plan.items:
        if isinstance(item, Check):
            order = " order 2" if item.settings.order == 2 else ""
            expected = f" expect {item.expect}" if item.expect != "pass" else ""
            name = f" ({item.name})" if item.name else ""
            rows.append((item.target, f"argnum {','.join(item.settings.argnum)}{order}", item.source + expected + name))
    widths = [max((len(row[column]) for row in rows), default=0) for column in (0, 1)]
    return "".join(f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c}\n" for a, b, c in rows)


def problems_of(plan: Plan) -> list[Problem]:
    """The problems of the targets that could not be turned into checks."""
    return [problem_of(item.error) for item in plan.items if isinstance(item, Failed)]


class Running:
    """Carries out the items of a plan, one after the other."""

    def __init__(self, plan: Plan, progress: Progress | None) -> None:
        self.outcomes: list[Outcome] = []
        self.progress = progress
        self.expected = len(plan.items)
        self.name = ""
        # Of each comment that ignores a code: whether it did, and the last outcome of its function.
        self.comments: dict[Comment, tuple[bool, int]] = {}

    def item(self, item: Check | Failed) -> None:
        if isinstance(item, Failed):
            problem = problem_of(item.error)
            self.outcomes.append(Outcome(item.target, item.argument, problem=problem, source=item.source))
            return
        self.name = item.target
        self.tell(item.target)
        settings = item.settings
        try:
            target = resolve(item.target, settings.pythonpath)
            arguments = _arguments(target, item)
        except Exception as err:
            failed = Outcome(item.target, ", ".join(settings.argnum), problem=_problem(err, item))
            self.outcomes.append(_declared(failed, item))
            return
        comments = comments_of(target.function)
        self.expected += len(arguments) - 1
        for argument in arguments:
            outcome = _outcome(target, argument, item, self.tell if self.progress else None)
            self.outcomes.append(self.judged(outcome, item, comments))

    def take(self, outcomes: Sequence[Outcome], comments: Mapping[Comment, tuple[bool, int]]) -> None:
        """Add what another one has carried out."""
        for comment, (hit, at) in comments.items():
            used, _ = self.comments.get(comment, (False, 0))
            self.comments[comment] = (used or hit, len(self.outcomes) + at)
        self.outcomes += outcomes

    def tell(self, name: str, done: int = 0, total: int = 0) -> None:
        if self.progress:
            self.progress(Step(len(self.outcomes), self.expected, name, done, total))

    def judged(self, outcome: Outcome, check: Check, comments: tuple[Comment, ...]) -> Outcome:
        """The outcome with what is ignored aside, and with what was expected told."""
        outcome = _declared(outcome, check)
        if outcome.result is None:
            return outcome
        reasons = [comment.reason for comment in comments if not comment.problem]
        where = outcome.result.where
        reasons += [declared_reason(code, "the declaration", check.source, where) for code in check.ignore]
        reasons += [Reason(code, "the option ignore") for code in check.settings.ignore]
        result, ignored = sort_out(outcome.result, reasons)
        codes = [each.finding.code for each in ignored]
        for comment in comments:
            used, _ = self.comments.get(comment, (False, 0))
            hit = any(matches(code, [comment.code]) for code in codes) and not comment.problem
            self.comments[comment] = (used or hit, len(self.outcomes))
        extra = [
            unused(f'ignore = ["{code}"] of {check.source} ignores nothing', None)
            for code in check.ignore
            if not any(matches(found, [code]) for found in codes)
        ]
        outcome = replace(outcome, result=replace(result, findings=(*result.findings, *extra)), ignored=ignored)
        return _with_expectation(outcome)

    def with_unused_ignores(self) -> list[Outcome]:
        """All outcomes, with a warning for every comment that none of the checks of its function needed."""
        for comment, (used, at) in self.comments.items():
            result = self.outcomes[at].result
            if used or result is None:
                continue
            text = f"`# gradcheck: ignore[{comment.code}]`" if comment.code else "`# gradcheck: ignore`"
            why = comment.problem or "no check of the function found that"
            warning = unused(f"{text} ignores nothing: {why}", comment.where)
            changed = replace(result, findings=(*result.findings, warning))
            self.outcomes[at] = replace(self.outcomes[at], result=changed)
        return self.outcomes


def _declared(outcome: Outcome, check: Check) -> Outcome:
    return replace(
        outcome,
        name=check.name,
        source=check.source,
        expect=check.expect,
        allow_inconclusive=check.settings.allow_inconclusive,
    )


def _with_expectation(outcome: Outcome) -> Outcome:
    """The outcome with a finding if the check passed, or was inconclusive, and should not have."""
    if outcome.status is not Status.UNEXPECTED or outcome.result is None:
        return outcome
    was = {Verdict.PASS: "passed", Verdict.INCONCLUSIVE: "is inconclusive"}[outcome.result.verdict]
    finding = Finding(
        "GC150",
        kind("GC150"),
        f'the check {was}, but {outcome.source} says expect = "{outcome.expect}"',
        hint="if the mistake is mended, take the expectation out",
    )
    return replace(outcome, result=replace(outcome.result, findings=(*outcome.result.findings, finding)))


def problem_of(err: Exception) -> Problem:
    """A user's mistake as it is; anything else as a bug of ours, with the whole traceback."""
    if isinstance(err, GradcheckError):
        hint = err.hint and err.hint.replace("grad='returned'", "--grad returned")
        if hint is None and re.search(r"\breturn(s|ed) a (tuple|list)\b", err.message):
            hint = PAIR_HINT
        where = err.where and Location(relative(err.where.file), err.where.line)
        cause = err.__cause__
        return Problem(
            code=err.code,
            message=err.message,
            where=where,
            hint=hint,
            details=getattr(err, "details", ()),
            traceback=user_traceback(cause) if cause is not None else "",
        )
    if isinstance(err, MemoryError):
        return Problem("GC001", "there is not enough memory for this check", hint="check it at a smaller point")
    text = " ".join(str(err).split())
    return Problem(
        code="GC000",
        message=f"gradcheck failed: {type(err).__name__}: {text}",
        hint="this is a bug in gradcheck; please report it with the output of --traceback",
        traceback="".join(traceback.format_exception(err)).rstrip(),
        bug=True,
    )


def _problem(err: Exception, check: Check) -> Problem:
    """The problem of a check, whose options may stand in a file or a variable."""
    problem = problem_of(err)
    return problem if problem.bug else replace(problem, message=placed(problem.message, check.sources))


def _arguments(target: Target, check: Check) -> list[int]:
    """Positions of the arguments to check; ``all`` stands for those that hold floats where f is checked."""
    positions: list[int] = []
    for text in check.settings.argnum:
        if text == "all":
            positions += _real_arguments(target, check)
        else:
            positions.append(argument_position(text, target))
    return list(dict.fromkeys(positions))


def _real_arguments(target: Target, check: Check) -> list[int]:
    point = _points(target, 0, check, None, every=True)[0]
    found = [at for at, value in enumerate(point.args) if is_differentiable(value)]
    if not found:
        raise GradcheckError(f"{target.name} has no argument that holds floats", where=target.where, code="GC007")
    return found


def _points(
    target: Target,
    argnum: int,
    check: Check,
    partner: Partner | None,
    *,
    every: bool = False,
    also: Sequence[Partner] = (),
    notes: list[str] | None = None,
) -> list[Point]:
    """Points of a check; with ``every`` for any checked argument, with all defaults filled in.

    Defaults are varied that all derivatives take, the ``also`` ones, too.
    """
    base = _request(target, argnum, check.settings, partner, every=every, also=also, notes=notes)
    settings = check.settings
    found: list[Point] = []
    for value in check.points or settings.at:
        known = _known(value, target, check)
        if isinstance(value, str):
            source = check.sources.get("at")
            request = base.at(known, value)
            found += find(replace(request, how=f"given by {source}") if source else request)
        else:
            found += find(replace(base, known=known, count=1, how=f"given by {check.source}"))
    return found or find(base)


def _known(value: Any, target: Target, check: Check) -> dict[str, Any]:
    """Values by name of one point: text of ``--at``, or Python values from a decorator."""
    if isinstance(value, str):
        return read_at(value, target, check.settings.seed, check.settings.pythonpath)
    return values_of(value, target, f"at= of {check.source}:")


def _request(
    target: Target,
    argnum: int,
    settings: Settings,
    partner: Partner | None,
    *,
    every: bool = False,
    also: Sequence[Partner] = (),
    notes: list[str] | None = None,
) -> Request:
    """What is known before points are looked for."""
    taken = [p.takes for p in (partner, *also) if p is not None and p.takes is not None]
    bounds = parse_bounds(settings.bounds, target)
    return Request(
        target=target,
        argnum=argnum,
        shapes=inside_of(bounds) | parse_shapes(settings.shape, target),
        bounds=bounds,
        count=1 if every else settings.points,
        seed=settings.seed,
        derivative=partner.function if partner else None,
        movable=frozenset.intersection(*taken) if taken else None,
        returned=settings.grad == "returned",
        auxiliary=_may_have_auxiliary(settings, partner),
        order=settings.order,
        every=every,
        seconds=_seconds(settings.budget) if settings.budget else None,
        notes=[] if notes is None else notes,
    )


def _seconds(budget: str) -> float | None:
    from gradcheck.check.budget import Budget

    return Budget.parse(budget).seconds


def _may_have_auxiliary(settings: Settings, partner: Partner | None) -> bool:
    """Whether a number with something else beside it is a value: not where the other may be a derivative on trial."""
    return settings.grad == "none" or (settings.grad != "returned" and partner is not None)


Told = Callable[[str, int, int], None]


def _outcome(target: Target, argnum: int, check: Check, tell: Told | None) -> Outcome:
    """One check, its errors caught."""
    parameters = parameters_of(target, argnum + 1)
    argument = parameters[argnum].name
    notes = list(check.notes)
    try:
        result = _check(target, argnum, argument, check, tell, notes)
    except Exception as err:
        return Outcome(target.spec, argument, problem=_problem(err, check), notes=tuple(notes))
    command = reproduce(result, argument if argument in {p.name for p in target.parameters} else str(argnum), check)
    return Outcome(target.spec, argument, result=result, notes=tuple(notes), reproduce=command)


def _check(
    target: Target,
    argnum: int,
    argument: str,
    check: Check,
    tell: Told | None,
    notes: list[str],
) -> Result:
    # The check floor loads NumPy and SciPy, which --help must not wait for.
    import numpy as np

    from gradcheck.check import check_points

    settings = check.settings
    partner: Partner | None = None
    if settings.grad == "auto":
        partner, remarks = find_partner(target, argument, settings.order)
        notes += remarks
    elif settings.grad not in ("none", "returned"):
        partner = given_partner(settings.grad, target, settings.pythonpath)
    product, jac = _second(target, argument, settings, notes)
    points = _points(target, argnum, check, partner, also=[p for p in (product, jac) if p is not None], notes=notes)
    grad: Any = "returned" if settings.grad == "returned" else None
    derivative, how = (target.last_name, "returned by f") if grad else ("", "")
    if settings.grad != "returned" and (partner or settings.grad == "auto"):
        grad, remark = _derivative(target, partner, points[0], argnum, check)
        notes += [remark] if remark else []
        if grad == "returned":
            derivative, how = target.last_name, "returned by f"
        elif grad is not None and partner is not None:
            derivative, how = partner.name, partner.how
    if product is not None:
        how = how or product.how
    if grad is None and product is None and settings.grad == "auto":
        remark = overlooked(target, settings.order, notes)
        notes += [remark] if remark else []
    beside = _may_have_auxiliary(settings, partner) and grad != "returned"
    has_aux = beside and has_auxiliary(_quietly(target.function, points[0]))
    if has_aux:
        notes.append(
            f"{target.name} returns a number and something beside it; the number was checked, the rest ignored"
        )
    label = f"{target.spec} {argument}"
    with np.errstate(all="ignore"):  # see ``check``: overflow of ours is no news
        result = check_points(
            target.function,
            points,
            argnum=argnum,
            grad=grad,
            order=settings.order,
            rtol=settings.rtol,
            atol=settings.atol,
            seed=settings.seed,
            target=target.spec,
            derivative=derivative,
            derivative_how=how,
            where=target.where,
            progress=(lambda done, total: tell(label, done, total)) if tell else None,
            strict=settings.strict,
            autodiff=not settings.no_autodiff,
            budget=settings.budget,
            bounds=parse_bounds(settings.bounds, target).get(argument),
            vectorized=settings.vectorized,
            hessp=product.function if product else None,
            hessp_name=product.name if product else "",
            jac=jac.function if jac else None,
            shrink=settings.shrink,
            allowed=lambda args: are_inside(args, target, settings.bounds),
            has_aux=has_aux,
            studies=check.studies,
        )
    result = _with_doubt(result) if grad == "returned" and settings.grad == "auto" else result
    return _with_text(result, target, argnum, check)


def _with_text(result: Result, target: Target, argnum: int, check: Check) -> Result:
    """The simpler point, if there is one, in the notation of ``--at``."""
    settings = check.settings
    if result.simpler is None:
        return result
    request = _request(target, argnum, settings, None)
    if check.points or settings.at:
        given = (check.points or settings.at)[result.worst_point]
        request = request.at(_known(given, target, check), "")
    args = result.simpler.args
    text = write_point(request, parameters_of(target, len(args))[: len(args)], args)
    return replace(result, simpler=replace(result.simpler, text=text) if text else None)


def _second(
    target: Target, argument: str, settings: Settings, notes: list[str]
) -> tuple[Partner | None, Partner | None]:
    """For Hessians, the hand-written product with a vector, and the gradient, which may serve to measure it."""
    if settings.order != 2:
        return None, None
    product = jac = None
    if settings.hessp not in ("auto", "none"):
        product = given_partner(settings.hessp, target, settings.pythonpath, argument=argument, order=PRODUCT)
    elif settings.hessp == "auto" and settings.grad == "auto":
        product, remarks = find_partner(target, argument, PRODUCT)
        notes += remarks
    if settings.grad != "none":
        jac, _ = find_partner(target, argument, 1)
    return product, jac


def _with_doubt(result: Result) -> Result:
    """What was taken for a gradient and is wrong nearly everywhere may be none: say so."""
    wrong = [e for e in result.located if e.verdict is Verdict.FAIL]
    if 2 * len(wrong) <= len(result.located):
        return result
    hint = "f returns a number and an array of the argument's shape, taken for its gradient; if it is not: --grad none"
    findings = (replace(f, hint=f.hint or hint) if f.code == "GC101" else f for f in result.findings)
    return replace(result, findings=tuple(findings))


def _derivative(target: Target, partner: Partner | None, point: Point, argnum: int, check: Check) -> tuple[Any, str]:
    """What goes to the check as ``grad``: the part that is for this argument, and a remark if none is.

    One call of f and one of the derivative decide it. Where one of them raises, the check will say so.
    """
    settings = check.settings
    value = _quietly(target.function, point)
    if _may_have_auxiliary(settings, partner) and has_auxiliary(value):
        if settings.grad == "auto" and settings.order == 1 and returns_gradient(value, point.args[argnum]):
            return "returned", ""
        value = value[0]
    if settings.grad == "auto" and settings.order == 1 and returns_gradient(value, point.args[argnum]):
        return "returned", ""
    if partner is None:
        if settings.grad == "auto" and settings.order == 1 and may_return_derivative(value, point.args[argnum]):
            raise GradcheckError(
                f"{target.name} returned a tuple, of which the second part may be the derivative of the first",
                where=target.where,
                hint="if it is, --grad returned puts it on trial; if all parts are values: --grad none",
                code="GC011",
            )
        return None, ""
    function = partner.function
    returned = _quietly(function, point)
    if value is None or returned is None:
        return function, ""
    names = [p.name for p in parameters_of(target, len(point.args))]
    # Arguments that are at the point only because their defaults are varied are no candidates.
    last = max(at for at, p in enumerate(parameters_of(target, len(names))) if p.required or at in (0, argnum))
    given = point.args if settings.at or check.points else point.args[: last + 1]
    part, remark = part_for(partner, returned, value, given, names, argnum, settings.order)
    if part is None:
        return None, remark
    return Adapted(function, lambda *args: part(function(*args))), remark


def _quietly(function: Callable[..., Any], point: Point) -> Any:
    """The value of a function at a point, or None where it raises."""
    import numpy as np

    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            return function(*copy.deepcopy(point.args))
        except (Exception, SystemExit):
            return None
        except KeyboardInterrupt as err:
            from gradcheck.check.calls import UserFunction

            name = str(getattr(function, "__qualname__", type(function).__name__))
            raise UserFunction(function, name).interrupted(err, point.args) from err
