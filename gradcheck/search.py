"""The search for a point at which a function of unknown arguments can be checked.

Beside ``points.py``, which asks for it when neither ``--at`` nor defaults give all arguments. Combinations of
trial kinds (``trials.py``) are tried cheapest first; sizes that error messages mention are tried next; values
move into f's domain where it returns nan. Of the combinations that work, the one is taken whose cost and
penalties sum to least: see :meth:`Search.penalty`.
"""

from __future__ import annotations

import contextlib
import copy
import inspect
import io
import itertools
import re
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gradcheck.alarm import OvertimeError, within
from gradcheck.check.notation import write_values
from gradcheck.check.result import Point
from gradcheck.check.solvers import watched
from gradcheck.errors import Location
from gradcheck.frames import describe, exit_call, location_in, user_location
from gradcheck.request import Request, moved_text, varies, write_point
from gradcheck.returned import PAIR_HINT, describe_value, has_auxiliary, returns_gradient, sizes_in
from gradcheck.targets import Parameter
from gradcheck.trials import (
    DOMAINS,
    INTEGER,
    POSITIVE,
    SCALAR,
    SIGNED,
    VECTOR,
    Domain,
    Kind,
    combinations,
    draw,
    generator,
    kinds_for,
    moved,
)
from gradcheck.values import PointError

# Attempts in all; attempts after the first success; attempts that fail in the same way; seconds.
ATTEMPTS, AFTER_SUCCESS, SAME_FAILURE, SECONDS = 1500, 150, 60, 20.0
# What a derivative costs that fits no argument.
MISFIT = 20.0
# A call that takes longer is given up: seconds before any has returned, afterwards, and times the longest that has.
FIRST_CALL, CALL, TIMES = 10.0, 5.0, 20.0
DEFAULT_POINTS = 5

_ABOUT_SHAPES = "shape|dimension|size|unpack|axis|aligned|ind(ex|ic)|subscript|operand|length|square|mismatch|matrix"


_PAIR = re.compile(r"it returned a (tuple|list)\b")
_ANYWHERE = re.compile(r"it calls |it returned (None|an? (?!tuple|list)\w+), where")


class NoPointError(PointError):
    """No trial shapes make f run; ``details`` has one line for each way in which it failed."""

    code = "GC006"

    def __init__(self, message: str, details: Sequence[str], **parts: Any) -> None:
        super().__init__(message, **parts)
        self.details = tuple(details)


def runs(request: Request, parameters: Sequence[Parameter], args: Sequence[Any], *, patient: bool = False) -> bool:
    """Whether f runs at a point and its value is finite; with ``patient`` a call that takes long may do so."""
    values = {p.name: value for p, value in zip(parameters, args, strict=True)}
    try:
        Search(request, parameters, values, ()).evaluate(values)
    except _AttemptError as err:
        return patient and err.endless
    return True


@dataclass
class _Found:
    """A combination of kinds at which f runs."""

    total: float
    kinds: tuple[Kind, ...]
    domain: Domain


@dataclass
class _Failure:
    """Attempts that failed in the same way."""

    first: str
    text: str
    where: Location | None
    cause: BaseException | None
    count: int = 1


class _AttemptError(Exception):
    """f does not run at a trial point, or its value is of no use there."""

    def __init__(self, text: str, where: Location | None = None, domain: bool = False, endless: bool = False) -> None:
        super().__init__(text)
        self.endless = endless
        self.text = text
        self.where = where
        self.domain = domain


class Search:
    """Looks for kinds of the unknown parameters at which f runs, and draws points of them."""

    def __init__(
        self,
        request: Request,
        parameters: Sequence[Parameter],
        fixed: Mapping[str, Any],
        unknown: Sequence[Parameter],
    ) -> None:
        self.request = request
        self.parameters = parameters
        self.fixed = fixed
        self.unknown = unknown
        self.names = [p.name for p in unknown]
        self.checked = parameters[request.argnum].name
        self.varied = [p.name for p in parameters if p.name in fixed and varies(request, p)]
        self.failures: dict[tuple[str, Location | None], _Failure] = {}
        self.attempts = 0
        self.started = time.monotonic()
        self.longest = 0.0  # call of f that has returned, in seconds
        self.endless: set[Domain] = set()  # where one did not
        self.remarks: list[str] = []  # of those
        self.unfinished = ""  # which solver gave up in the last call of f
        self.gave_up = False  # one did somewhere
        self.lenient = False  # and that is taken: there is nothing better
        self.learned: list[int] = []
        # The only argument may be negative; of several scalars some are usually rates, widths or times,
        # which may not.
        self.signed_scalars = len(parameters) == 1
        # The best kinds at which f returns a number, and the derivative something of another shape than the argument's.
        self.misfit: _Found | None = None

    def run(self) -> list[Point]:
        started = time.monotonic()
        best = self.elementwise() or self.search(started)
        if best is None and self.gave_up:
            self.lenient = True
            best = self.search(time.monotonic())
        if best is None:
            # --traceback shows where the first attempt went wrong.
            raise self.no_point() from next((f.cause for f in self.failures.values() if f.cause), None)
        self.tell_misfit(best)
        best = self.symmetric(best)
        count = self.request.count or DEFAULT_POINTS
        points = [self.point(best, number) for number in range(count)]
        found = [point for point in points if point is not None]
        self.request.notes.extend(self.remarks[:1])
        # A drawn point may miss f's domain in every try; the same point twice would prove nothing.
        return found or [self.drawn(best.kinds, best.domain, 0)]

    def values(self, kinds: Sequence[Kind], domain: Domain, number: int, vary: bool = False) -> dict[str, Any]:
        seed = self.request.seed
        drawn = {}
        for name, kind in zip(self.names, kinds, strict=True):
            rng = generator(seed, name, number)
            drawn[name] = self.request.confined(name, draw(kind, domain, rng, self.signed_scalars), rng)
        for name in self.varied if vary else ():
            rng = generator(seed, name, number)
            drawn[name] = self.request.confined(name, moved(self.fixed[name], rng), rng)
        return {p.name: drawn[p.name] if p.name in drawn else self.fixed[p.name] for p in self.parameters}

    def call(self, values: Mapping[str, Any], function: Callable[..., Any] | None = None) -> Any:
        """Call f (or the derivative) with copies, quietly; every failure becomes an _AttemptError."""
        import numpy as np

        args = [copy.deepcopy(value) for value in values.values()]
        user, limit = function or self.request.target.function, self.limit
        name = self.request.target.name if function is None else getattr(function, "__name__", "the derivative")
        try:
            with (
                contextlib.redirect_stdout(io.StringIO()),
                warnings.catch_warnings(),
                np.errstate(all="ignore"),
                watched() as solvers,
            ):
                warnings.simplefilter("ignore")
                begun = time.monotonic()
                result = within(limit, name, lambda: user(*args))
                self.longest = max(self.longest, time.monotonic() - begun)
                self.unfinished = solvers.failure()
        except OvertimeError as err:
            text, where, point = f"did not return within {limit:g} s", location_in(err.frames), write_values(values)
            if point is not None:
                place = f" ({where})" if where else ""
                self.remarks.append(f"{name} {text} at the trial point {point}{place}; it was passed over")
            raise _AttemptError(f"it {text}", where, endless=True) from None
        except KeyboardInterrupt as err:
            from gradcheck.check.calls import UserFunction  # loads NumPy, which --help must not wait for

            raise UserFunction(user, name).interrupted(err, args, ", in the search for points,") from err
        except SystemExit as err:
            raise _AttemptError(f"it calls {exit_call(err)}", user_location(err)) from err
        except Exception as err:
            raise _AttemptError(f"it raised {describe(err)}", user_location(err)) from err
        if inspect.iscoroutine(result):
            result.close()  # Python would warn that it was never awaited
        return result

    @property
    def limit(self) -> float:
        """Seconds that the next call may take."""
        usual = max(CALL, TIMES * self.longest) if self.longest else FIRST_CALL
        return usual if self.request.seconds is None else min(usual, self.request.seconds)

    def evaluate(self, values: Mapping[str, Any]) -> Any:
        """f's value as an array, if it is one that can be differentiated."""
        return self.evaluate_both(values)[0]

    def evaluate_both(self, values: Mapping[str, Any]) -> tuple[Any, Any]:
        """f's value as an array, and the derivative that it returns beside it, or None."""
        import numpy as np

        result, beside = self.call(values), None
        pair = isinstance(result, tuple | list) and len(result) >= 2 if self.request.returned else False
        if self.request.auxiliary and has_auxiliary(result):
            result = result[0]
        if pair or returns_gradient(result, values[self.checked]):
            result, beside = result[0], result[1]
        if result is None:
            raise _AttemptError("it returned None, where a number or an array is needed")
        try:
            value = np.asarray(result)
        except ValueError:
            value = np.asarray(None)
        if value.dtype.kind not in "fciu":
            raise _AttemptError(f"it returned {describe_value(result)}, where a number or an array is needed")
        if value.size == 0:
            raise _AttemptError("it returned an empty array")
        if not np.all(np.isfinite(value)):
            raise _AttemptError("it returned nan or inf", domain=True)
        if self.unfinished and not self.lenient:
            self.gave_up = True
            raise _AttemptError(self.unfinished, domain=True)
        return value, beside

    def attempt(self, kinds: tuple[Kind, ...], cost: float) -> _Found | None:
        """Try a combination in one domain after the other; rate it if f runs."""
        self.attempts += 1
        for domain in DOMAINS:
            values = self.values(kinds, domain, 0)
            try:
                value, beside = self.evaluate_both(values)
            except _AttemptError as err:
                # A LinAlgError or a math domain error depends on the values as much as a nan does.
                if err.domain or "LinAlgError" in err.text or "math domain" in err.text:
                    last = err
                    continue
                if err.endless and time.monotonic() < self.started + SECONDS:
                    self.endless.add(domain)
                    last = err
                    continue
                self.note(kinds, err)
                return None
            more = self.beside_penalty(values, value, beside) if self.request.returned else 0.0
            shown, fits = self.penalty(kinds, domain, values, value), self.derivative_penalty(values, value)
            if fits == MISFIT and not value.ndim and (self.misfit is None or cost + shown < self.misfit.total):
                self.misfit = _Found(cost + shown, kinds, domain)
            return _Found(cost + more + shown + fits, kinds, domain)
        self.note(kinds, last)
        return None

    def penalty(self, kinds: Sequence[Kind], domain: Domain, values: dict[str, Any], value: Any) -> float:
        """How little a combination at which f runs would show."""
        import numpy as np

        total = 0.0
        if value.ndim:
            total += 1.5 if self.request.order == 1 else 15.0
        if not any(np.ndim(v) for v in values.values()):
            total += 0.8
        if not self.depends(kinds, domain, values, value):
            total += 10.0
        return total

    def tell_misfit(self, best: _Found) -> None:
        """Say so where f alone would have been checked at an array, which the derivative does not fit, and not at a
        number: it may be the derivative that is wrong."""
        if self.misfit is None or self.misfit.total >= best.total or self.checked not in self.names:
            return
        at = self.names.index(self.checked)
        kind, taken = self.misfit.kinds[at], best.kinds[at]
        if taken.shape or not kind.shape or self.request.derivative is None:  # f may read two elements of any array
            return
        name = getattr(self.request.derivative, "__name__", "the derivative")
        shape = f"{kind.shape[0]}" if len(kind.shape) == 1 else str(kind.shape)
        self.request.notes.append(
            f"{self.checked} was taken as {taken}, which fits {name}; {self.request.target.name} also runs with"
            f" {self.checked}: {kind}, where the value of {name} has another shape: if that is meant, check it with"
            f" --shape '{self.checked}={shape}'"
        )

    def depends(self, kinds: Sequence[Kind], domain: Domain, values: dict[str, Any], value: Any) -> bool:
        """Whether f changes with the checked argument: softmax of a scalar is 1 whatever it is."""
        import numpy as np

        if self.checked in self.names:
            other = self.values(kinds, domain, 1)[self.checked]
        else:
            rng = generator(self.request.seed, self.checked, 1)
            other = self.request.confined(self.checked, values[self.checked] * 1.1, rng)
        try:
            return not np.array_equal(self.evaluate({**values, self.checked: other}), value)
        except _AttemptError:
            return True

    def derivative_penalty(self, values: dict[str, Any], value: Any) -> float:
        import numpy as np

        if self.request.derivative is None:
            return 0.0
        try:
            result = self.call(values, self.request.derivative)
        except _AttemptError:
            return 30.0
        parts = [result, *(result if isinstance(result, tuple) else ())]
        if isinstance(result, dict):
            parts = list(result.values())
        shapes = set()
        for part in parts:
            with contextlib.suppress(ValueError):
                shapes.add(np.shape(part))
        if value.shape + np.shape(values[self.checked]) * self.request.order in shapes:
            return 0.0
        if value.ndim > 1 and (value.size, np.size(values[self.checked])) in shapes:  # outputs by inputs
            return 0.0
        # It may be the derivative with respect to another argument.
        others = {
            value.shape + np.shape(v) * self.request.order for name, v in values.items() if name not in self.varied
        }
        return 2.0 if others & shapes else MISFIT

    def beside_penalty(self, values: dict[str, Any], value: Any, beside: Any) -> float:
        """How badly the derivative that f returns fits; its shape tells the argument's, which is tried next.

        A function that reads x[0] and x[1] runs with any longer x: its Jacobian has two columns all the same.
        """
        import numpy as np

        try:
            shape = np.shape(beside)
        except ValueError:  # ragged
            return 20.0
        if shape == value.shape + np.shape(values[self.checked]):
            return 0.0
        if shape[: value.ndim] == value.shape:
            self.learn(shape[value.ndim :])
        return 20.0

    def learn(self, sizes: Sequence[int]) -> None:
        """Sizes to try, too."""
        for size in sizes:
            if size > 1 and size not in self.learned and len(self.learned) < 8:
                self.learned.append(size)

    def note(self, kinds: Sequence[Kind], err: _AttemptError) -> None:
        # Numbers in a message (shapes, sizes) are no difference of kind.
        key = (re.sub(r"[\d., ()]+", "#", err.text), err.where)
        if key in self.failures:
            self.failures[key].count += 1
        else:
            tried = ", ".join(f"{name}: {kind}" for name, kind in zip(self.names, kinds, strict=True))
            self.failures[key] = _Failure(tried, err.text, err.where, err.__cause__)
        self.learn(sizes_in(err.text))

    def symmetric(self, best: _Found) -> _Found:
        """With a symmetric matrix for the checked argument, where f reads one triangle of a square one only.

        ``eigvalsh`` and its like do. Textbook gradients are those for symmetric matrices, and need not hold at others;
        a derivative that is not symmetric there is that of the triangle, which any matrix will do for.
        """
        import numpy as np

        if self.checked not in self.names:
            return best
        at = self.names.index(self.checked)
        shape = best.kinds[at].shape
        if best.kinds[at].content != "real" or len(shape) != 2 or shape[0] != shape[1] or shape[0] < 2:
            return best
        values = self.values(best.kinds, best.domain, 0)
        x = values[self.checked]
        lower, upper = (part(x) + part(x, k).T for part, k in ((np.tril, -1), (np.triu, 1)))
        try:
            value = self.evaluate(values)
            same = [np.array_equal(self.evaluate({**values, self.checked: y}), value) for y in (lower, upper)]
            if same[0] == same[1]:
                return best
            kinds = (*best.kinds[:at], Kind(shape, "symmetric"), *best.kinds[at + 1 :])
            values = self.values(kinds, best.domain, 0)
            value, beside = self.evaluate_both(values)
            if self.request.derivative is not None:
                beside = self.call(values, self.request.derivative)
            found = np.asarray(beside, dtype=np.float64)
        except (_AttemptError, TypeError, ValueError):
            return best
        if found.shape != value.shape + shape or not np.allclose(found, found.swapaxes(-1, -2), rtol=1e-6, atol=0.0):
            return best
        return _Found(best.total, kinds, best.domain)

    def elementwise(self) -> _Found | None:
        """Scalars, if f of vectors is f of their elements: then vectors would show nothing more."""
        import numpy as np

        if self.request.shapes or any(np.ndim(value) for value in self.fixed.values() if _is_number(value)):
            return None
        for p in self.unknown:
            kinds = [kind for _, kind in kinds_for(p, p.name == self.checked, ())]
            if SCALAR not in kinds or VECTOR not in kinds:
                return None
        vectors = self.values((VECTOR,) * len(self.unknown), POSITIVE, 0)
        try:
            whole = self.evaluate(vectors)
            for at in range(3):
                single = {name: float(v[at]) if name in self.names else v for name, v in vectors.items()}
                value = self.evaluate(single)
                if whole.shape != (3,) or value.shape != () or not np.isclose(value, whole[at], rtol=1e-10, atol=0.0):
                    return None
        except _AttemptError:
            return None
        found = self.attempt((SCALAR,) * len(self.unknown), 0.0)
        return found if found is not None and found.total < 5.0 else None

    def search(self, started: float) -> _Found | None:
        """Best first over the kinds of all unknown parameters; begins anew when an error teaches a size."""
        best: _Found | None = None
        tried: set[tuple[Kind, ...]] = set()
        succeeded = 0
        while True:
            known = list(self.learned)
            for cost, kinds in self.candidates(known):
                if kinds in tried:
                    continue
                if best is not None and (cost >= best.total or self.attempts > succeeded + AFTER_SUCCESS):
                    return best
                if self.attempts >= ATTEMPTS or time.monotonic() > started + SECONDS:
                    return best
                if best is None and self.hopeless():
                    return None
                tried.add(kinds)
                found = self.attempt(kinds, cost)
                if found is not None and (best is None or found.total < best.total):
                    succeeded = succeeded or self.attempts
                    best = found
                if self.learned != known:
                    break
            else:
                return best

    def candidates(self, learned: Sequence[int]) -> Iterator[tuple[float, tuple[Kind, ...]]]:
        shapes = self.request.shapes
        return combinations([kinds_for(p, p.name == self.checked, learned, shapes.get(p.name)) for p in self.unknown])

    def hopeless(self) -> bool:
        """Every attempt so far ended in the same way, and it was no matter of shapes."""
        if self.attempts < SAME_FAILURE or len(self.failures) > 1:
            return False
        only = next(iter(self.failures.values()))
        return not re.search(_ABOUT_SHAPES, only.text)

    def point(self, best: _Found, number: int) -> Point | None:
        """The point of a number; after the first, signs alternate where f's domain allows."""
        order = [best.domain, *DOMAINS]
        if number % 2 and best.domain is POSITIVE:
            order.insert(0, SIGNED)
        for domain in order:
            if domain in self.endless:
                continue
            for vary in (True, False) if number and self.varied else (False,):
                try:
                    self.evaluate(self.values(best.kinds, domain, number, vary))
                except _AttemptError as err:
                    if err.endless:
                        self.endless.add(domain)
                        break
                    continue
                return self.drawn(best.kinds, domain, number, vary)
        return None

    def drawn(self, kinds: Sequence[Kind], domain: Domain, number: int, vary: bool = False) -> Point:
        values = self.values(kinds, domain, number, vary)
        tried = ", ".join(f"{name}: {kind}" for name, kind in zip(self.names, kinds, strict=True))
        args = tuple(values.values())
        how = f"trial shapes {tried}; values {domain.name}" + (moved_text(self.varied) if vary else "")
        made = [*self.names, *(self.varied if vary else ())]
        places = tuple(at for at, p in enumerate(self.parameters) if p.name in made)
        return Point(args, how, self.request.seed, write_point(self.request, self.parameters, args), places)

    def no_point(self) -> PointError:
        """What was tried, one line for each way in which it failed, and an ``--at`` to fill in."""
        target = self.request.target
        example = "; ".join(
            f"{name}=[0.5, 1.2, 0.8]" if at == 0 else f"{name}=0.7" for at, name in enumerate(self.names)
        )
        hint: str | None = f"say where: --at '{example}'"
        ranked = sorted(self.failures.values(), key=lambda failure: -failure.count)
        if not self.request.returned and all(_PAIR.match(failure.text) for failure in ranked):
            hint = PAIR_HINT
        elif all(_ANYWHERE.match(failure.text) for failure in ranked):
            # It would do the same at any point.
            hint = "is a return statement missing?" if "None" in ranked[0].text else None
        if len(ranked) == 1:
            only = ranked[0]
            tries = f"at all {only.count} trial points" if only.count > 1 else f"at the trial point {only.first}"
            return PointError(
                f"{target.name} {only.text.removeprefix('it ')}, {tries}",
                where=only.where or target.where,
                hint=hint,
                code="GC006",
            )
        if self.integers_only():
            return PointError(
                f"{target.name} runs only with an integer {self.checked}: there is nothing to differentiate",
                where=target.where,
                hint="choose another argument with --argnum",
                code="GC007",
            )
        details = []
        for failure in ranked[:6]:
            place = f" ({failure.where})" if failure.where else ""
            more = f"  [{failure.count} trials like this]" if failure.count > 1 else ""
            details.append(f"{failure.first}:  {failure.text}{place}{more}")
        if len(ranked) > 6:
            details.append(f"and {len(ranked) - 6} more kinds of failure")
        message = f"no point was found for {target.name}: it ran at none of {self.attempts} trial points"
        return NoPointError(message, details, where=target.where, hint=hint)

    def integers_only(self) -> bool:
        """Whether f runs once the checked argument is an integer."""
        if self.checked not in self.names:
            return False
        lists = [[(0.0, INTEGER)] if p.name == self.checked else kinds_for(p, False, ()) for p in self.unknown]
        for _, kinds in itertools.islice(combinations(lists), 100):
            with contextlib.suppress(_AttemptError):
                self.evaluate(self.values(kinds, POSITIVE, 0))
                return True
        return False


def _is_number(value: Any) -> bool:
    import numpy as np

    return isinstance(value, int | float | complex | np.ndarray | np.generic)
