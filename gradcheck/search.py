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
from dataclasses import dataclass, field, replace
from typing import Any

from gradcheck.check.result import Point
from gradcheck.errors import Location
from gradcheck.frames import describe, exit_call, user_location
from gradcheck.returned import describe_value, returns_gradient, sizes_in
from gradcheck.targets import Parameter, Target
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
    confined,
    draw,
    generator,
    is_movable,
    kinds_for,
    moved,
)
from gradcheck.values import PointError, write_values

# Attempts in all; attempts after the first success; attempts that fail in the same way; seconds.
ATTEMPTS, AFTER_SUCCESS, SAME_FAILURE, SECONDS = 1500, 150, 60, 20.0
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


@dataclass(frozen=True)
class Request:
    """What is known before points are looked for.

    Attributes:
        target: the function.
        argnum: position of the checked argument.
        known: values by name that the user has given.
        known_text: the ``--at`` that gave them, for the reproduce line of values too large to be written out.
        shapes: by name, from ``--shape``.
        bounds: by name, from ``--bounds``: lower and upper.
        count: how many points; None for one where everything is given, else ``DEFAULT_POINTS``.
        seed: of all random values.
        derivative: hand-written, takes the arguments of f; a point is better if it runs there.
        returned: f returns (value, derivative).
        order: 1 or 2.
        every: any argument will do as the checked one, and all that have defaults get a place in the point.
        movable: names of the parameters whose defaults may be varied: those that the derivative takes, too; None
            for all.
        how: who has given the known values, for the report.
    """

    target: Target
    argnum: int
    known: Mapping[str, Any] = field(default_factory=dict)
    known_text: str | None = None
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    count: int | None = None
    seed: int = 0
    derivative: Callable[..., Any] | None = None
    returned: bool = False
    order: int = 1
    every: bool = False
    movable: frozenset[str] | None = None
    how: str = "given with --at"
    bounds: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)

    def confined(self, name: str, value: Any, rng: Any) -> Any:
        """A value that was made up for a parameter, moved into its bounds."""
        return confined(value, *self.bounds[name], rng) if name in self.bounds else value

    def at(self, known: Mapping[str, Any], text: str) -> Request:
        """The same request with values that the user has given."""
        return replace(self, known=known, known_text=text, count=1)


def write_point(request: Request, parameters: Sequence[Parameter], args: Sequence[Any]) -> str | None:
    """The point in ``--at`` notation; what has its default is left out, the checked argument is not."""
    chosen = {
        p.name: value
        for at, (p, value) in enumerate(zip(parameters, args, strict=True))
        if p.required
        or at == request.argnum
        or p.name in request.known
        or p.name in request.shapes
        or (is_movable(p.default) and not _same(p.default, value))
    }
    if all(p.name.startswith("arg") and p not in request.target.parameters for p in parameters):
        written = write_values(chosen)
        return written and re.sub(r"(^|; )arg\d+=", r"\1", written)
    written = write_values(chosen)
    default = parameters[request.argnum].default
    if written is None and len(chosen) > 1 and _same(default, args[request.argnum]):
        del chosen[parameters[request.argnum].name]
        written = write_values(chosen)
    if written is None and request.known and set(chosen) <= {*request.known, parameters[request.argnum].name}:
        return request.known_text
    return written


def varies(request: Request, parameter: Parameter) -> bool:
    """Whether the default of a parameter is varied from the second found point on.

    That of the checked argument is, whatever array of floats it is; see ``trials.is_movable`` for the others.
    """
    name = parameter.name
    if parameter.required or name in request.known or name in request.shapes:
        return False
    if name in [p.name for p in request.target.parameters[request.argnum : request.argnum + 1]]:
        return _is_float(parameter.default)
    return is_movable(parameter.default) and (request.movable is None or name in request.movable)


def _is_float(value: Any) -> bool:
    import numpy as np

    array = isinstance(value, float | np.ndarray | np.floating) and np.asarray(value)
    return array is not False and array.dtype.kind == "f" and array.size > 0 and bool(np.all(np.isfinite(array)))


def runs(request: Request, parameters: Sequence[Parameter], args: Sequence[Any]) -> bool:
    """Whether f runs at a point and its value is finite."""
    values = {p.name: value for p, value in zip(parameters, args, strict=True)}
    try:
        Search(request, parameters, values, ()).evaluate(values)
    except _AttemptError:
        return False
    return True


def moved_text(names: Sequence[str]) -> str:
    """What ``Point.how`` says of varied defaults."""
    return f"; {', '.join(names)} moved off the default{'s' * (len(names) > 1)}"


def _same(default: Any, value: Any) -> bool:
    import numpy as np

    return default is not Parameter.REQUIRED and np.array_equal(default, value)


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

    def __init__(self, text: str, where: Location | None = None, domain: bool = False) -> None:
        super().__init__(text)
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
        self.learned: list[int] = []
        # The only argument may be negative; of several scalars some are usually rates, widths or times,
        # which may not.
        self.signed_scalars = len(parameters) == 1

    def run(self) -> list[Point]:
        started = time.monotonic()
        best = self.elementwise() or self.search(started)
        if best is None:
            # --traceback shows where the first attempt went wrong.
            raise self.no_point() from next((f.cause for f in self.failures.values() if f.cause), None)
        count = self.request.count or DEFAULT_POINTS
        points = [self.point(best, number) for number in range(count)]
        found = [point for point in points if point is not None]
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
        try:
            with (
                contextlib.redirect_stdout(io.StringIO()),
                warnings.catch_warnings(),
                np.errstate(all="ignore"),
            ):
                warnings.simplefilter("ignore")
                result = (function or self.request.target.function)(*args)
        except SystemExit as err:
            raise _AttemptError(f"it calls {exit_call(err)}", user_location(err)) from err
        except Exception as err:
            raise _AttemptError(f"it raised {describe(err)}", user_location(err)) from err
        if inspect.iscoroutine(result):
            result.close()  # Python would warn that it was never awaited
        return result

    def evaluate(self, values: Mapping[str, Any]) -> Any:
        """f's value as an array, if it is one that can be differentiated."""
        return self.evaluate_both(values)[0]

    def evaluate_both(self, values: Mapping[str, Any]) -> tuple[Any, Any]:
        """f's value as an array, and the derivative that it returns beside it, or None."""
        import numpy as np

        result, beside = self.call(values), None
        pair = isinstance(result, tuple | list) and len(result) >= 2 if self.request.returned else False
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
                self.note(kinds, err)
                return None
            more = self.beside_penalty(values, value, beside) if self.request.returned else 0.0
            return _Found(cost + more + self.penalty(kinds, domain, values, value), kinds, domain)
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
        return total + self.derivative_penalty(values, value)

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
        # It may be the derivative with respect to another argument.
        others = {
            value.shape + np.shape(v) * self.request.order for name, v in values.items() if name not in self.varied
        }
        return 2.0 if others & shapes else 20.0

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
            for vary in (True, False) if number and self.varied else (False,):
                try:
                    self.evaluate(self.values(best.kinds, domain, number, vary))
                except _AttemptError:
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
            hint = "if it returns value and derivative: --grad returned"
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
