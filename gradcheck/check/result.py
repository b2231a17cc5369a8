"""The frozen result of a check: plain data from which every report, the pytest plugin and the API render.

Nothing here computes; a result can be pickled, compared and printed without NumPy or SciPy loaded. Numbers
are Python floats (or complex) so that a report never depends on array printing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from gradcheck.errors import GradcheckError, Location

Number = float | complex


class Verdict(StrEnum):
    """What is said of one entry, or of a whole check (then the worst of its entries)."""

    PASS = "pass"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True)
class Entry:
    """One partial derivative, ∂f[output]/∂x[index], with its witnesses.

    Attributes:
        label: how the user would name it: ``df/dx[3]``, ``df[0]/dx[1,2]``, ``d2f/dx[0]dx[1]``; for a check along
            a random direction ``df/dx · v1``, see ``direction``.
        output: index into the value of f; ``()`` where f is scalar.
        index: index into the argument (for order 2: both indices one after the other); ``()`` where it is scalar.
        point: which of ``Result.points`` this was taken at.
        yours: the hand-written derivative, or None where there is none.
        autodiff: the autodiff core's, or None where it could not be computed (a finding says why).
        measured: the finite difference, or None where it could not be measured.
        error: error bar on ``measured``, in its units: a bound on truncation plus rounding error, beyond which a
            difference is no accident; None with it.
        difference: |on trial − reference| relative to the larger of the two magnitudes, where the one on trial is
            ``yours`` if there is one, else ``autodiff``; the reference is ``measured``. None if not comparable.
        verdict: pass, fail or inconclusive.
        note: why, where there is more to say: ``kink: slope −1 on the left, +1 on the right``.
        resolution: the smallest relative error that would have been seen here.
        direction: None for a single entry; number of the random direction (from 1) that this was taken along: a sum
            over all entries, which says that something is wrong but not what.
    """

    label: str
    output: tuple[int, ...]
    index: tuple[int, ...]
    point: int
    yours: Number | None
    autodiff: Number | None
    measured: Number | None
    error: float | None
    difference: float | None
    verdict: Verdict
    note: str = ""
    resolution: float | None = None
    direction: int | None = None


def gravity(entry: Entry) -> tuple[int, bool, float, int]:
    """Sorts entries, worst first: by verdict, single entries before directions, by difference, by point."""
    difference = entry.difference if entry.difference is not None else 0.0
    # nan sorts as the largest: nothing differs more than what is no number.
    size = -difference if difference == difference else -float("inf")
    rank = (Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.PASS).index(entry.verdict)
    return rank, entry.direction is not None, size, entry.point


@dataclass(frozen=True)
class Finding:
    """Something to say of the check as a whole, with a stable code that ``--explain`` will explain.

    Attributes:
        code: GC0xx could not run, GC1xx wrong, GC2xx inconclusive, GC3xx warning.
        kind: short name in kebab-case, ``mutated-input``.
        message: one sentence for the user.
        where: the user's file and line, if known.
        hint: what to do about it, if there is something.
        evidence: the numbers behind the message, by name: ``{"ratio": -1.0, "entries": 12}``.
    """

    code: str
    kind: str
    message: str
    where: Location | None = None
    hint: str | None = None
    evidence: dict[str, float | str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Calls:
    """How autodiff differentiated the operations of one call of f.

    Attributes:
        exact: how many by a rule; None where that was not counted (forward mode).
        numeric: name, place and number of those that have no rule and were differentiated by finite differences at that
            call.
        zero: how many have no derivative by nature (a sort order, a sign).
        approximate: name and place of those whose value is an approximation (an adaptive integrator), and how far,
            relatively, its slopes may be off those of what is approximated, which is what autodiff gives.
    """

    exact: int | None = None
    numeric: tuple[tuple[str, Location | None, int], ...] = ()
    zero: int = 0
    approximate: tuple[tuple[str, Location | None, float], ...] = ()


@dataclass(frozen=True)
class Point:
    """Where f is checked.

    Attributes:
        args: the positional arguments of f.
        how: how they were found, for the report: ``given with --at``, ``defaults``, ``trial shapes x: (3,), t: (3,)``.
        seed: the seed that made them, or None where no randomness was used.
        text: the arguments in the notation of ``--at``, so that a ``reproduce:`` line can be pasted; None where
            they are too large to be written out.
        drawn: positions of the arguments whose values were made up.
    """

    args: tuple[Any, ...]
    how: str = "given"
    seed: int | None = None
    text: str | None = None
    drawn: tuple[int, ...] = ()


@dataclass(frozen=True)
class Step:
    """What one step says of a derivative, see :class:`StepStudy`.

    Attributes:
        length: of the step.
        value: the plain difference at this step; None where f is not finite there.
        noise: a bound on what rounding and other noise of f make of it.
        error: its distance from the study's reference.
        used: the verdict rests on it; else it was taken for the study.
    """

    length: float
    value: float | None
    noise: float
    error: float | None
    used: bool


@dataclass(frozen=True)
class StepStudy:
    """How the measurement of one entry depends on the step: what explains a number and its error bar.

    Made on request, for the worst entries only (``check/study.py``).

    Attributes:
        label, point: of the entry.
        on_trial: ``yours`` or ``autodiff``.
        claim: what that says, None where it is not finite.
        claim_error: its distance from the reference.
        measured, bar: of the entry.
        reference: what errors are distances from.
        reference_from: ``autodiff`` where it agrees with the measurement, else ``measured``: the best extrapolation of
            all the steps here.
        chosen: the step whose extrapolation the verdict took, if there is one.
        steps: shortest first.
        truncation: c, where the error of long steps is seen to be c·h²; else None.
        rounding: r, where that of short steps is r/h (r/h² if ``order`` is 2).
        order: 1 for first differences, 2 for second differences of f.
        natural: the steps are along several inputs at once, in the natural unit of each.
        evaluations: what the study took beside those of the verdict: of f, or of its gradient.
    """

    label: str
    point: int
    on_trial: str
    claim: float | None
    claim_error: float | None
    measured: float | None
    bar: float | None
    reference: float
    reference_from: str
    chosen: float | None
    steps: tuple[Step, ...]
    truncation: float | None
    rounding: float
    order: int = 1
    natural: bool = False
    evaluations: int = 0


@dataclass(frozen=True)
class Result:
    """One check: one function, one argument, one order, at one or several points.

    Attributes:
        target: the function as the user names it (``mod:f``), or its ``__qualname__`` when called from Python.
        argnum: position of the argument.
        argname: its name.
        order: 1 (gradient or Jacobian) or 2 (Hessian).
        verdict: the worst of the entries' (fail before inconclusive before pass); never pass without an entry.
        entries: all compared entries, in order of point, output and index.
        findings: what else was seen.
        evaluations: at how many points f was evaluated for the measurement, preflight included, autodiff not.
        f_calls: how many calls that took: as many, unless f takes many points at once.
        stacked: the further axis along which f took many points in one call, "leading" or "trailing"; None where each
            point was a call.
        simpler: a point of rounder numbers at which the worst entry fails with the same codes, or None.
        shrinking: evaluations that were spent on it, which are among ``evaluations``.
        points: where.
        derivative: what is on trial: ``autodiff``, or the name of the hand-written derivative.
        derivative_how: how that was found: ``found by name``, ``given with --grad``, ``returned by f``; "" for
            autodiff.
        total: number of entries of the whole derivative at all points; more than ``len(entries)`` when sampled.
        seconds: wall-clock time of the check.
        where: file and line of f, if known.
        value: f's value at each point, as text.
        calls: which operations of f autodiff differentiated exactly; None if it was not asked, or could not follow f.
        studies: how the worst entries depend on the step, worst first, if that was asked for; what they took is not
            among the ``evaluations``.
    """

    target: str
    argnum: int
    argname: str
    order: int
    verdict: Verdict
    entries: tuple[Entry, ...]
    findings: tuple[Finding, ...]
    evaluations: int
    points: tuple[Point, ...]
    derivative: str = "autodiff"
    derivative_how: str = ""
    total: int = 0
    seconds: float = 0.0
    where: Location | None = None
    value: tuple[str, ...] = ()
    seed: int = 0
    calls: Calls | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    f_calls: int = 0
    stacked: str | None = None
    simpler: Point | None = None
    shrinking: int = 0
    studies: tuple[StepStudy, ...] = ()

    @property
    def worst_point(self) -> int:
        """Index of the point to look at first: of the worst verdict, the one with the largest difference."""
        candidates = [entry for entry in self.entries if entry.verdict is self.verdict] or list(self.entries)
        return min(candidates, key=gravity).point if candidates else 0

    @property
    def located(self) -> tuple[Entry, ...]:
        """The entries that are single partial derivatives, without those along random directions."""
        return tuple(e for e in self.entries if e.direction is None)

    @property
    def along(self) -> tuple[Entry, ...]:
        """The entries along random directions."""
        return tuple(e for e in self.entries if e.direction is not None)

    def raise_if_wrong(self) -> Result:
        """Raise :class:`WrongDerivative` unless the verdict is pass; return self if it is.

        An inconclusive check raises too: what was not verified must not look verified.
        """
        __tracebackhide__ = True  # pytest shows the line that called this, not this one
        if self.verdict is not Verdict.PASS:
            raise WrongDerivative(self)
        return self


class WrongDerivative(AssertionError):
    """Raised by :meth:`Result.raise_if_wrong`; its text names the worst entries."""

    def __init__(self, result: Result) -> None:
        self.result = result
        shown = [e for e in result.entries if e.verdict is result.verdict][:5]
        lines = [f"{result.target}: derivative with respect to {result.argname}: {result.verdict.value}"]
        for e in shown:
            on_trial = e.autodiff if e.yours is None else e.yours
            lines.append(f"  {e.label}: {on_trial!r}, measured {e.measured!r} ± {e.error!r} {e.note}".rstrip())
        lines += [f"  {f.code} {f.message}" for f in result.findings]
        super().__init__("\n".join(lines))


class CheckError(GradcheckError):
    """A check that could not be carried out: f raised, returned no number, is not deterministic."""

    code = "GC010"


# Where users know them from: a traceback names an error by its module.
WrongDerivative.__module__ = CheckError.__module__ = "gradcheck"
