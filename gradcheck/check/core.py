"""One check from end to end: preflight, claims, measurement, verdict, result.

Top of the check floor. :func:`check` is the public function for one point; :func:`check_points` is what the
runner calls.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradcheck.check import judge
from gradcheck.check.calls import UserFunction, definition
from gradcheck.check.claims import Autodiff, WrongShapeError, Yours, along_lines
from gradcheck.check.codes import kind
from gradcheck.check.compare import Measured, compare
from gradcheck.check.diagnosis import diagnose
from gradcheck.check.entries import entries_of, findings_of
from gradcheck.check.judge import Trial
from gradcheck.check.preflight import Scene, call_order, prepare
from gradcheck.check.result import CheckError, Entry, Finding, Point, Result, Verdict
from gradcheck.check.sampling import ALL_COLUMNS, all_coordinates, sample
from gradcheck.check.spaces import split
from gradcheck.errors import Location
from gradcheck.numeric.lines import Line, Sampler
from gradcheck.numeric.scale import Array, coordinate_scales


@dataclass(frozen=True)
class Request:
    """What to check, the same at every point.

    Attributes:
        argnum, argname: the argument.
        grad: the hand-written derivative, "returned", or None.
        order: 1 or 2.
        rtol, atol: the user's tolerances, zero if not given.
        seed: of all random choices.
        autodiff: whether the autodiff core is asked at all.
        derivative: name of the hand-written derivative.
    """

    argnum: int
    argname: str
    grad: Callable[..., Any] | str | None
    order: int
    rtol: float
    atol: float
    seed: int
    autodiff: bool
    derivative: str


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

    Raises:
        CheckError: the check could not be carried out.

    >>> result = check(lambda x: x**3, 2.0, grad=lambda x: 3 * x**2, autodiff=False)
    >>> result.verdict.value, result.entries[0].label
    ('pass', 'df/dx')
    """
    point = Point(args)
    return check_points(
        f, [point], argnum=argnum, grad=grad, order=order, rtol=rtol, atol=atol, seed=seed, autodiff=autodiff
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
    request = Request(position, argname, grad, order, rtol or 0.0, atol or 0.0, seed, autodiff, own)
    caller = UserFunction(_value_only(f) if grad == "returned" else f, name, where or definition(f))
    if progress is not None:
        caller.progress = progress
    parts = [_at_point(caller, f, point, number, request) for number, point in enumerate(points)]
    entries = tuple(e for p in parts for e in p.entries)
    findings = tuple(dict.fromkeys(f for p in parts for f in p.findings))
    return Result(
        target=name,
        argnum=position,
        argname=argname,
        order=order,
        verdict=_worst(entries, findings),
        entries=entries,
        findings=findings,
        evaluations=caller.evaluations,
        points=tuple(points),
        derivative=own or "autodiff",
        derivative_how=derivative_how,
        total=sum(p.total for p in parts),
        seconds=time.perf_counter() - start,
        where=caller.where,
        value=tuple(p.value for p in parts),
        seed=seed,
        settings={"rtol": rtol, "atol": atol, "autodiff": autodiff},
    )


@dataclass(frozen=True)
class Part:
    """The check at one point."""

    entries: tuple[Entry, ...]
    findings: tuple[Finding, ...]
    total: int
    value: str


def _worst(entries: Sequence[Entry], findings: Sequence[Finding]) -> Verdict:
    """The verdict of a whole check: a GC1xx finding fails it, and nothing compared is never a pass."""
    if any(f.code.startswith("GC1") for f in findings) or any(e.verdict is Verdict.FAIL for e in entries):
        return Verdict.FAIL
    if not entries or any(e.verdict is Verdict.INCONCLUSIVE for e in entries):
        return Verdict.INCONCLUSIVE
    return Verdict.PASS


def _derivative_name(grad: Callable[..., Any] | str | None) -> str:
    """What the hand-written derivative is called where the caller gave no name."""
    if grad is None:
        return ""
    return "returned by f" if isinstance(grad, str) else getattr(grad, "__qualname__", type(grad).__name__)


def _value_only(f: Callable[..., Any]) -> Callable[..., Any]:
    """f without the derivative that it returns beside its value."""

    def value(*args: Any) -> Any:
        return _pair(f(*args), 0)

    return value


def _pair(returned: Any, item: int) -> Any:
    """One of value and derivative."""
    if not isinstance(returned, tuple | list) or len(returned) < 2:
        raise TypeError(f"it returns a {type(returned).__name__}, not (value, derivative)")
    return returned[item]


def _argument(
    f: Callable[..., Any], argnum: int | str, point: Point, where: Location | None
) -> tuple[int, str]:
    """Position and name of the argument."""
    count = len(point.args)
    try:
        parameters = [
            p.name
            for p in inspect.signature(f).parameters.values()
            if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
        ]
    except (TypeError, ValueError):  # builtins without a signature
        parameters = []
    names = (parameters + [f"arg{i}" for i in range(len(parameters), count)])[: max(count, 1)]
    if isinstance(argnum, str):
        if argnum not in names:
            raise CheckError(
                f"there is no argument {argnum!r}; there are {', '.join(names)}", where=where, code="GC020"
            )
        return names.index(argnum), argnum
    position = argnum + count if argnum < 0 else argnum
    if not 0 <= position < count:
        raise CheckError(
            f"argnum is {argnum}, but the point has {count} arguments", where=where, code="GC020"
        )
    return position, names[position]


def _at_point(
    caller: UserFunction, f: Callable[..., Any], point: Point, number: int, request: Request
) -> Part:
    """The check at one point."""
    findings: list[Finding] = []
    scene = prepare(caller, point.args, request.argnum, request.argname, findings)
    yours = _hand_written(scene, f, request, findings)
    if request.order == 2:
        from gradcheck.check.second import second_order

        entries, total = second_order(scene, yours, request, number, findings)
        return Part(tuple(entries), tuple(findings), total, scene.text)
    total = scene.value.width * scene.x.size
    try:
        given = yours.array(scene.args) if yours else None
    except WrongShapeError as error:
        return Part((), (*findings, error.finding), total, scene.text)
    if yours is not None and yours.function.mutated:
        text = f"{yours.function.name} changes its argument in place"
        findings.append(Finding("GC302", kind("GC302"), text, yours.function.where, "copy it first"))
    witness = Witnesses(scene, given, request, findings)
    measured = witness.compare(given)
    if yours is not None and given is not None:
        wrong = any(np.any(np.isin(m.state, (judge.FAIL, judge.OUTSIDE, judge.NAN))) for m in measured)
        call_order(scene, yours, given, request.seed, None if wrong else witness.plausible, findings)
    entries = entries_of(scene, measured, witness.claims, request.argname, number)
    findings += findings_of(scene, measured, entries, request, yours)
    findings += diagnose(scene, measured, entries, yours.function if yours else None)
    return Part(tuple(entries), tuple(findings), total, scene.text)


def _hand_written(
    scene: Scene, f: Callable[..., Any], request: Request, findings: list[Finding]
) -> Yours | None:
    """The hand-written derivative, ready to be called."""
    if request.grad is None:
        return None
    if isinstance(request.grad, str):
        function = UserFunction(lambda *a: _pair(f(*a), 1), scene.f.name, scene.f.where, "GC017")
    else:
        function = UserFunction(request.grad, request.derivative, None, "GC017")
    shape = scene.space.shape * 2 if request.order == 2 else scene.value.shape + scene.space.shape
    return Yours(function, shape, len(scene.args), request.argnum, findings)


class Witnesses:
    """The claims along all lines at one point, and the sampler that measures them.

    Attributes:
        lines: what is measured.
        claims: "yours" and "autodiff" -> values along the lines, (lines, m), or None.
        sampler: f's values.
        noise: of f, (m,).
    """

    def __init__(
        self, scene: Scene, given: np.ndarray | None, request: Request, findings: list[Finding]
    ) -> None:
        self.scene, self.request = scene, request
        self.sampler = Sampler(scene.evaluate, scene.x, scene.center)
        self.noise = scene.noise(request.seed)
        self.autodiff = Autodiff(scene.f, scene.space, scene.value, request.argnum)
        self.lines, self.coordinates = self._choose(given)
        own = None if given is None else self._along(given, self.lines)
        ad = self.autodiff.lines(scene.args, self.lines) if request.autodiff else None
        self.claims = {"yours": own, "autodiff": ad}
        self._report_autodiff(findings)

    def _along(self, derivative: np.ndarray, lines: Sequence[Line]) -> Array:
        return along_lines(derivative, lines, self.scene.value, self.scene.x.size)

    def _choose(self, given: np.ndarray | None) -> tuple[list[Line], list[Line]]:
        """All coordinates, or for many a sample with directions."""
        scene = self.scene
        if scene.x.size <= ALL_COLUMNS:
            lines = all_coordinates(scene.x, scene.space.dtype)
            return lines, lines
        weight = np.ones(scene.x.size)
        if given is not None:
            matrix = split(given.reshape(scene.value.size, scene.x.size), scene.value.complex, 0)
            weight = np.nan_to_num(np.abs(matrix)).max(axis=0)
        weight = weight * coordinate_scales(scene.x)
        directions, coordinates = sample(scene.x, weight, scene.space.dtype, self.request.seed)
        return directions + coordinates, coordinates

    def _report_autodiff(self, findings: list[Finding]) -> None:
        """What there is to say of the autodiff core; without any derivative there is no check."""
        scene, trouble = self.scene, self.autodiff.trouble
        if self.claims["autodiff"] is None and self.claims["yours"] is None:
            if trouble is None:
                raise CheckError("no derivative was given, and autodiff was switched off", code="GC016")
            raise CheckError(
                trouble.message, where=trouble.where, hint=trouble.hint, code="GC016"
            ) from trouble
        if trouble is not None:
            text = f"no autodiff: {trouble.message}"
            findings.append(Finding("GC304", kind("GC304"), text, trouble.where, trouble.hint))
        elif self.request.autodiff:
            traced = np.asarray(self.autodiff.value)
            value = split(traced.reshape(-1), scene.value.complex, 0) if traced.dtype.kind in "fiuc" else None
            if (
                value is None
                or value.shape != scene.center.shape
                or np.any(np.abs(value - scene.center) > 8 * self.noise + 1e-12 * np.abs(scene.center))
            ):
                text = f"{scene.f.name} returns another value while it is traced"
                findings.append(Finding("GC305", kind("GC305"), text, scene.f.where))

    def trials(
        self, lines: Sequence[Line], claims: dict[str, Array | None], given: np.ndarray | None
    ) -> list[Trial]:
        """What is on trial along each line."""
        own, ad = claims["yours"], claims["autodiff"]
        claim = own if own is not None else ad
        assert claim is not None
        witness = ad if own is not None else None
        agrees = np.zeros(claim.shape, dtype=bool) if witness is None else agreement(claim, witness)
        sharp = judge.SHARP if own is not None else judge.SHARP_AUTODIFF
        sizes = self._sizes(lines, claim, given)
        zero = self._zero_sizes(lines, claim)
        return [
            Trial(c, None if witness is None else witness[i], agrees[i], sizes[i], zero[i], sharp,
                  self.request.rtol, self.request.atol)
            for i, c in enumerate(claim)
        ]  # fmt: skip

    def _sizes(self, lines: Sequence[Line], claim: Array, given: np.ndarray | None) -> Array:
        """What "relative" refers to: |claim|, or along a direction the root of the sum of squares."""
        sizes = np.abs(claim)
        for i, line in enumerate(lines):
            if line.direction is not None and given is not None:
                matrix = split(given.reshape(self.scene.value.size, -1), self.scene.value.complex, 0)
                sizes[i] = np.sqrt((matrix * matrix) @ (line.direction**2))
        return sizes

    def _zero_sizes(self, lines: Sequence[Line], claim: Array) -> Array:
        """The size of a zero entry: the lower quartile of what the other entries of that output contribute.

        Not the largest: beside entries of 1e12 a true 1e-12 looks like a zero, and must not pass as one.
        """
        scales = np.array([line.scale for line in lines])[:, None]
        parts = np.abs(claim) * scales
        parts = np.where(np.isfinite(parts) & (parts > 0), parts, np.nan)
        out = np.full(claim.shape[1], np.nan)
        some = np.any(np.isfinite(parts), axis=0)
        out[some] = np.nanpercentile(parts[:, some], 25, axis=0)
        if not np.all(some):  # at a stationary point: how much does f move over a natural step?
            rng = np.random.default_rng([self.request.seed, 6])
            step = rng.choice([-0.25, 0.25], self.scene.x.size) * coordinate_scales(self.scene.x)
            moved = np.abs(np.nan_to_num(self.scene.evaluate(self.scene.x + step) - self.scene.center))
            out = np.where(some, out, np.maximum(moved, np.abs(self.scene.center)))
        return np.asarray(out / scales)

    def compare(self, given: np.ndarray | None) -> list[Measured]:
        """Measure and judge every line."""
        trials = self.trials(self.lines, self.claims, given)
        return compare(self.sampler, self.lines, trials, self.noise)

    def plausible(self, x: Array, derivative: np.ndarray) -> bool:
        """Whether the measurement at another point allows that derivative, along one random direction."""
        rng = np.random.default_rng([self.request.seed, 2])
        v = rng.choice([-1.0, 1.0], x.size) * rng.uniform(0.5, 1.0, x.size) * coordinate_scales(x)
        from gradcheck.numeric.lines import along

        line = along(x, v, self.scene.space.dtype)
        sampler = Sampler(self.scene.evaluate, x, self.scene.evaluate(x))
        claims: dict[str, Array | None] = {"yours": self._along(derivative, [line]), "autodiff": None}
        measured = compare(sampler, [line], self.trials([line], claims, derivative), self.noise)
        return not bool(np.any(measured[0].state == judge.FAIL))


def agreement(yours: Array, autodiff: Array) -> np.ndarray:
    """Where a hand-written derivative and autodiff's are the same to the precision floor."""
    with np.errstate(all="ignore"):
        return np.asarray(
            np.abs(yours - autodiff) <= judge.FLOOR * np.maximum(np.abs(yours), np.abs(autodiff))
        )
