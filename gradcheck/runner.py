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
import shlex
import time
import traceback
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gradcheck.check.budget import Budget
from gradcheck.check.result import Point, Result, Verdict
from gradcheck.errors import GradcheckError, Location
from gradcheck.frames import relative, user_traceback
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
)
from gradcheck.request import Request, write_point
from gradcheck.returned import PAIR_HINT, has_auxiliary, may_return_derivative, returns_gradient
from gradcheck.settings import Settings
from gradcheck.targets import Target, resolve

# done and total evaluations of the check that is running, under its name
Progress = Callable[[str, int, int], None]

OK, WRONG, COULD_NOT_RUN, INCONCLUSIVE, BUG, NOTHING, INTERRUPTED = 0, 1, 2, 3, 4, 5, 130


@dataclass(frozen=True)
class Problem:
    """Why a check could not be carried out.

    Attributes:
        code: stable code, GC0xx.
        message: what happened.
        where: the user's file and line, if known.
        hint: what to do about it.
        details: further lines, one for each attempt.
        traceback: of the user's frames (of all, for a bug), shown with ``--traceback``.
        bug: gradcheck itself is at fault.
    """

    code: str
    message: str
    where: Location | None = None
    hint: str | None = None
    details: tuple[str, ...] = ()
    traceback: str = ""
    bug: bool = False


@dataclass(frozen=True)
class Outcome:
    """What became of one check: a result or a problem, never both.

    Attributes:
        target: as the user wrote it.
        argument: name of the argument, or what ``--argnum`` said where that could not be resolved.
        result: of the check.
        problem: why there is none.
        notes: remarks on how the check was set up (derivatives that were seen but not used).
        reproduce: a command line that repeats this check at its worst point; "" where there is none.
    """

    target: str
    argument: str
    result: Result | None = None
    problem: Problem | None = None
    notes: tuple[str, ...] = ()
    reproduce: str = ""


@dataclass(frozen=True)
class Run:
    """All outcomes of a run, in the order of the targets and arguments.

    >>> Run((), Settings()).exit_code
    5
    """

    outcomes: tuple[Outcome, ...]
    settings: Settings
    seconds: float = 0.0

    def count(self, verdict: Verdict) -> int:
        return sum(1 for outcome in self.outcomes if outcome.result and outcome.result.verdict is verdict)

    @property
    def problems(self) -> int:
        return sum(1 for outcome in self.outcomes if outcome.problem)

    @property
    def exit_code(self) -> int:
        """0 verified, 1 wrong, 2 could not run, 3 inconclusive, 4 a bug, 5 nothing; 1 before 4, 2, 3."""
        if not self.outcomes:
            return NOTHING
        if self.count(Verdict.FAIL):
            return WRONG
        if any(outcome.problem and outcome.problem.bug for outcome in self.outcomes):
            return BUG
        if self.problems:
            return COULD_NOT_RUN
        if self.count(Verdict.INCONCLUSIVE) and not self.settings.allow_inconclusive:
            return INCONCLUSIVE
        return OK


def run(specs: Sequence[str], settings: Settings, progress: Progress | None = None) -> Run:
    """Check every target with every argument asked for.

    Nothing but KeyboardInterrupt is raised; everything else is in the outcomes.
    """
    started = time.monotonic()
    outcomes: list[Outcome] = []
    for spec in specs:
        try:
            target = resolve(spec, settings.pythonpath)
            arguments = _arguments(target, settings)
        except Exception as err:
            outcomes.append(Outcome(spec, ", ".join(settings.argnum), problem=problem_of(err)))
            continue
        outcomes += [_outcome(target, argument, settings, progress) for argument in arguments]
    return Run(tuple(outcomes), settings, time.monotonic() - started)


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


def _arguments(target: Target, settings: Settings) -> list[int]:
    """Positions of the arguments to check; ``all`` stands for those that hold floats where f is checked."""
    positions: list[int] = []
    for text in settings.argnum:
        if text == "all":
            positions += _real_arguments(target, settings)
        else:
            positions.append(argument_position(text, target))
    return list(dict.fromkeys(positions))


def _real_arguments(target: Target, settings: Settings) -> list[int]:
    point = _points(target, 0, settings, None, every=True)[0]
    found = [at for at, value in enumerate(point.args) if is_differentiable(value)]
    if not found:
        raise GradcheckError(f"{target.name} has no argument that holds floats", where=target.where, code="GC007")
    return found


def _points(
    target: Target,
    argnum: int,
    settings: Settings,
    partner: Partner | None,
    *,
    every: bool = False,
    also: Sequence[Partner] = (),
    notes: list[str] | None = None,
) -> list[Point]:
    """Points of a check; with ``every`` for any checked argument, with all defaults filled in.

    Defaults are varied that all derivatives take, the ``also`` ones, too.
    """
    base = _request(target, argnum, settings, partner, every=every, also=also, notes=notes)
    if not settings.at:
        return find(base)
    found: list[Point] = []
    for text in settings.at:
        known = read_at(text, target, settings.seed, settings.pythonpath)
        found += find(base.at(known, text))
    return found


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
        seconds=Budget.parse(settings.budget).seconds if settings.budget else None,
        notes=[] if notes is None else notes,
    )


def _may_have_auxiliary(settings: Settings, partner: Partner | None) -> bool:
    """Whether a number with something else beside it is a value: not where the other may be a derivative on trial."""
    return settings.grad == "none" or (settings.grad != "returned" and partner is not None)


def _outcome(target: Target, argnum: int, settings: Settings, progress: Progress | None) -> Outcome:
    """One check, its errors caught."""
    parameters = parameters_of(target, argnum + 1)
    argument = parameters[argnum].name
    notes: list[str] = []
    try:
        result = _check(target, argnum, argument, settings, progress, notes)
    except Exception as err:
        return Outcome(target.spec, argument, problem=problem_of(err), notes=tuple(notes))
    command = reproduce(result, argument if argument in {p.name for p in target.parameters} else str(argnum), settings)
    return Outcome(target.spec, argument, result=result, notes=tuple(notes), reproduce=command)


def _check(
    target: Target,
    argnum: int,
    argument: str,
    settings: Settings,
    progress: Progress | None,
    notes: list[str],
) -> Result:
    # The check floor loads NumPy and SciPy, which --help must not wait for.
    from gradcheck.check import check_points

    partner: Partner | None = None
    if settings.grad == "auto":
        partner, remarks = find_partner(target, argument, settings.order)
        notes += remarks
    elif settings.grad not in ("none", "returned"):
        partner = given_partner(settings.grad, target, settings.pythonpath)
    product, jac = _second(target, argument, settings, notes)
    points = _points(target, argnum, settings, partner, also=[p for p in (product, jac) if p is not None], notes=notes)
    grad: Any = "returned" if settings.grad == "returned" else None
    derivative, how = (target.last_name, "returned by f") if grad else ("", "")
    if settings.grad != "returned" and (partner or settings.grad == "auto"):
        grad, remark = _derivative(target, partner, points[0], argnum, settings)
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
        progress=(lambda done, total: progress(label, done, total)) if progress else None,
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
        studies=settings.studies,
    )
    result = _with_doubt(result) if grad == "returned" and settings.grad == "auto" else result
    return _with_text(result, target, argnum, settings)


def _with_text(result: Result, target: Target, argnum: int, settings: Settings) -> Result:
    """The simpler point, if there is one, in the notation of ``--at``."""
    if result.simpler is None:
        return result
    request = _request(target, argnum, settings, None)
    if settings.at:
        given = settings.at[result.worst_point]
        request = request.at(read_at(given, target, settings.seed, settings.pythonpath), "")
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


def _derivative(
    target: Target, partner: Partner | None, point: Point, argnum: int, settings: Settings
) -> tuple[Any, str]:
    """What goes to the check as ``grad``: the part that is for this argument, and a remark if none is.

    One call of f and one of the derivative decide it. Where one of them raises, the check will say so.
    """
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
    given = point.args if settings.at else point.args[: last + 1]
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


def reproduce(result: Result, argument: str, settings: Settings) -> str:
    """The command line that repeats a check at its worst point, or a simpler one, quoted for a POSIX shell."""
    words = ["gradcheck", result.target, "--argnum", argument]
    if settings.grad != "auto":
        words += ["--grad", settings.grad]
    if result.order != 1:
        words += ["--order", str(result.order)]
    words += ["--hessp", settings.hessp] if settings.hessp != "auto" else []
    worst = result.worst_point
    point = result.simpler or result.points[worst]
    if settings.at:
        # One --at makes one point, in the order given.
        words += ["--at", (result.simpler and result.simpler.text) or settings.at[worst]]
        words += [f"--shape={shape}" for shape in settings.shape]
    elif point.seed is not None and point.text is not None:
        words += ["--at", point.text]
    elif point.seed is not None:
        words += [f"--shape={shape}" for shape in settings.shape]
        words += ["--points", str(len(result.points))]
    words += [word for text in settings.bounds for word in ("--bounds", text)]
    if settings.seed or (point.seed is not None and point.text is None):
        words += ["--seed", str(settings.seed)]
    for name, tolerance in (("--rtol", settings.rtol), ("--atol", settings.atol)):
        words += [name, repr(tolerance)] if tolerance is not None else []
    words += ["--vectorized"] if settings.vectorized else []
    words += ["--no-autodiff"] if settings.no_autodiff else []
    words += ["--budget", settings.budget] if settings.budget is not None else []
    for folder in settings.pythonpath:
        words += ["--pythonpath", folder]
    return shlex.join(words)
