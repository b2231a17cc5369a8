"""Where a function is checked: the points that the user gives, and those that are found when none is given.

Above the check floor, beside ``targets.py``. In this order: what ``--at`` gives, the defaults of the
parameters, and for parameters that remain a search over trial shapes (``trials.py``) for a combination at
which f runs and returns finite numbers. Of those that work, one is preferred at which the hand-written
derivative runs and fits in shape, f depends on the checked argument, f is a scalar, and some argument is an
array: a function that accepts anything elementwise is checked with scalars, and one that reduces
(``np.dot(x, t)``) with vectors. How a point came about stands in ``Point.how``, and ``Point.text``
reproduces it.
"""

from __future__ import annotations

import copy
import difflib
import itertools
import re
from collections.abc import Mapping, Sequence
from typing import Any

from gradcheck.check.result import Point
from gradcheck.frames import describe, user_location
from gradcheck.request import Request, moved_text, varies, write_point
from gradcheck.targets import Parameter, Target, resolve
from gradcheck.values import PointError, as_array, parse_values

_CALL_TARGET = re.compile(r"[\w./\\~-]+(\.py)?::?[A-Za-z_][\w.]*")


def argument_position(text: str, target: Target) -> int:
    """Position of the argument that ``--argnum`` names by number (negative: from the end) or by name.

    Raises:
        PointError: there is no such argument.
    """
    names = [p.name for p in target.parameters]
    if re.fullmatch(r"-?\d+", text):
        number = int(text)
        if target.variadic and number >= 0:
            return number
        if -len(names) <= number < len(names):
            return number % len(names)
        takes = f"{len(names)} argument{'s' * (len(names) != 1)} ({', '.join(names)})" if names else "no arguments"
        raise PointError(f"--argnum {text}: {target.name} takes {takes}", where=target.where, code="GC007")
    if text in names:
        return names.index(text)
    close = difflib.get_close_matches(text, names, 1)
    hint = f"did you mean '{close[0]}'? " if close else ""
    hint += "the parameters are " + ", ".join(names) if names else "use a number"
    raise PointError(f"--argnum: {target.name} has no parameter '{text}'", where=target.where, hint=hint, code="GC007")


def parameters_of(target: Target, at_least: int = 0) -> list[Parameter]:
    """The parameters, with made-up names for further positional ones of a function that takes any number."""
    taken = list(target.parameters)
    if target.variadic:
        taken += [Parameter(f"arg{i}") for i in range(len(taken), max(at_least, len(taken)))]
    return taken


def read_at(text: str, target: Target, seed: int, pythonpath: Sequence[str] = ()) -> dict[str, Any]:
    """Values by parameter name from one ``--at``: literals, ``@file`` or ``module:function`` that is called
    for them.

    Raises:
        PointError: it cannot be read, or the function raises.
    """
    names = [p.name for p in parameters_of(target, at_least=12)]
    if not _CALL_TARGET.fullmatch(text.strip()):
        return parse_values(text, names, seed=seed)
    maker = resolve(text.strip(), pythonpath)
    try:
        made = maker.function()
    except (Exception, SystemExit) as err:
        raise PointError(f"--at {text}: it raised {describe(err)}", where=user_location(err)) from err
    return values_of(made, target, f"--at {text}: it returned", call=False)


def values_of(made: Any, target: Target, label: str, *, call: bool = True) -> dict[str, Any]:
    """Values by parameter name from Python values: a mapping, a tuple in order, or one for the first parameter.

    Args:
        made: these values, or a function that returns them.
        label: begins the messages.
        call: whether a function is to be called for them.

    Raises:
        PointError: they do not fit the parameters, or the function raises.
    """
    if call and callable(made):
        try:
            made = made()
        except (Exception, SystemExit) as err:
            raise PointError(f"{label} raised {describe(err)}", where=user_location(err)) from err
    names = [p.name for p in parameters_of(target, at_least=12)]
    if isinstance(made, Mapping):
        unknown = [name for name in made if name not in names]
        if unknown:
            raise PointError(f"{label} a value for '{unknown[0]}', which {target.name} does not take")
        return {name: as_array(value) if isinstance(value, list) else value for name, value in made.items()}
    values = made if isinstance(made, tuple) else (made,)
    if len(values) > len(names):
        raise PointError(f"{label} {len(values)} values, {target.name} takes {len(names)}")
    arrays = [as_array(value) if isinstance(value, list) else value for value in values]
    return dict(zip(names, arrays, strict=False))


def parse_shapes(texts: Sequence[str], target: Target) -> dict[str, tuple[int, ...]]:
    """Read ``--shape``: ``x=3``, ``x=(3,2); t=()``, or a bare ``3`` for the first parameter.

    Raises:
        PointError: no shape, or no such parameter.
    """
    names = [p.name for p in parameters_of(target, at_least=12)]
    shapes: dict[str, tuple[int, ...]] = {}
    for text in texts:
        if text.strip().startswith("@"):
            raise PointError(f"--shape: {text!r} is not a shape", hint="files are read by --at")
        for name, value in parse_values(text, names, option="--shape").items():
            numbers = value.tolist() if hasattr(value, "tolist") else value
            shape = (numbers,) if isinstance(numbers, int) else numbers
            if not isinstance(shape, tuple | list) or not all(_is_size(n) for n in shape):
                raise PointError(f"--shape: {text!r} is not a shape", hint="write for example --shape 'x=(3, 2); t=4'")
            shapes[name] = tuple(int(n) for n in shape)
    return shapes


def parse_bounds(texts: Sequence[str], target: Target) -> dict[str, tuple[Any, Any]]:
    """Read ``--bounds``: a pair of numbers or arrays by parameter, ``x=[0, inf]; t=(0, [1, 2])``.

    Raises:
        PointError: no pair, no numbers, or no such parameter.
    """
    import numpy as np

    names = [p.name for p in parameters_of(target, at_least=12)]
    bounds: dict[str, tuple[Any, Any]] = {}
    for text in texts:
        for name, pair in parse_values(text, names, option="--bounds").items():
            hint = "write for example --bounds 'x=[0, inf]', or with arrays 'x=([0, 0], [1, 2])'"
            if not isinstance(pair, tuple | np.ndarray) or len(pair) != 2:
                raise PointError(f"--bounds: {name} has no pair of bounds: {text}", hint=hint, code="GC021")
            low, high = (np.asarray(side) for side in pair)
            try:
                np.broadcast_shapes(low.shape, high.shape)
            except ValueError:
                text = f"--bounds: those of {name} have the shapes {low.shape} and {high.shape}"
                raise PointError(text, hint=hint, code="GC021") from None
            numeric = all(side.dtype.kind in "fiu" and not np.isnan(side).any() for side in (low, high))
            if not numeric:
                raise PointError(f"--bounds: {name} has no lower and upper bound: {text}", hint=hint, code="GC021")
            crossed = np.argwhere(low > high)
            if len(crossed):
                lower, upper = (side[tuple(crossed[0])] for side in np.broadcast_arrays(low, high))
                text = f"--bounds: the lower bound {lower:g} of {name} is above the upper one {upper:g}"
                raise PointError(text, hint=hint, code="GC021")
            bounds[name] = (low.astype(float), high.astype(float))
    return bounds


def inside_of(bounds: Mapping[str, tuple[Any, Any]]) -> dict[str, tuple[int, ...]]:
    """The shapes that arguments have by their bounds: where those are arrays."""
    import numpy as np

    shapes = {name: np.broadcast_shapes(low.shape, high.shape) for name, (low, high) in bounds.items()}
    return {name: shape for name, shape in shapes.items() if shape}


def are_inside(args: Sequence[Any], target: Target, texts: Sequence[str]) -> bool:
    """Whether the arguments are inside of the bounds that ``--bounds`` gives."""
    names = [p.name for p in parameters_of(target, len(args))]
    bounds = parse_bounds(texts, target)
    return all(_is_inside(value, *bounds[name]) for name, value in zip(names, args, strict=False) if name in bounds)


def _is_inside(value: Any, low: Any, high: Any) -> bool:
    """Whether numbers are inside of bounds, in their own precision."""
    import numpy as np

    array = np.asarray(value)
    if array.dtype.kind not in "fiu":
        return False
    dtype = np.result_type(array, np.float16 if array.dtype.kind == "f" else np.float64)
    low, high = (np.broadcast_to(bound, array.shape).astype(dtype) for bound in (low, high))
    return bool(np.all((low <= array) & (array <= high)))


def _check_bounds(request: Request, fixed: Mapping[str, Any]) -> None:
    """Whether values that are given, or defaults, are inside of the bounds.

    Raises:
        PointError: they are not.
    """
    import numpy as np

    for name, (low, high) in request.bounds.items():
        shape = np.shape(fixed[name]) if name in fixed else request.shapes.get(name)
        if shape is None:
            continue
        try:
            for side in (low, high):
                np.broadcast_to(side, shape)
        except ValueError:
            text = f"--bounds: those of {name} do not broadcast to its shape {shape}"
            raise PointError(text, where=request.target.where, code="GC021") from None
        if name in fixed and not _is_inside(fixed[name], low, high):
            which = "the value" if name in request.known else "the default"
            text = f"{which} of {name} is outside of its bounds: {fixed[name]}"
            hint = "say where inside of them: --at"
            raise PointError(text, where=request.target.where, hint=hint, code="GC021")


def _is_size(number: Any) -> bool:
    return isinstance(number, int | float) and not isinstance(number, bool) and number >= 0 and number == int(number)


def find(request: Request) -> list[Point]:
    """Find points for a request, as the module's docstring says.

    Raises:
        PointError: a given value is no number that one can differentiate with respect to.
        NoPointError: a search found nothing; its text has an ``--at`` to fill in.
    """
    given = set(request.known)
    parameters = parameters_of(request.target, max(request.argnum + 1, _last_extra(request)))
    if not parameters:
        raise PointError(
            f"{request.target.name} takes no arguments",
            where=request.target.where,
            hint="there is nothing to check",
        )
    needed = [
        at
        for at, p in enumerate(parameters)
        if p.required or p.name in given or at in (0, request.argnum) or request.every
    ]
    found = request.count != 1 and not given
    last = max(needed + [at for at, p in enumerate(parameters) if found and varies(request, p)])
    parameters = parameters[: last + 1]
    checked = parameters[request.argnum].name
    fixed: dict[str, Any] = {}
    for p in parameters:
        if p.name in given:
            fixed[p.name] = request.known[p.name]
        elif not p.required and p.name not in request.shapes and (p.name != checked or p.default is not None):
            fixed[p.name] = copy.deepcopy(p.default)
    _check_bounds(request, fixed)
    if checked in fixed and not request.every:
        real = _differentiable(fixed[checked], checked, request.target)
        # --at 'x=2' means 2.0; an integer default may be meant as one: the check promotes it and says so.
        if checked not in given and _is_integral(fixed[checked]):
            real = fixed[checked]
        if len(fixed) == len(parameters) and _refuses_floats(request, parameters, fixed, real):
            raise PointError(
                f"{request.target.name} does not run with {checked}={real}, only with {checked}={fixed[checked]}:"
                f" {checked} is an integer, and one cannot differentiate with respect to it",
                where=request.target.where,
                hint="choose another argument with --argnum",
                code="GC007",
            )
        fixed[checked] = real
    unknown = [p for p in parameters if p.name not in fixed]
    if unknown:
        from gradcheck.search import Search

        return Search(request, parameters, fixed, unknown).run()
    return _given_points(request, parameters, fixed)


def _last_extra(request: Request) -> int:
    extra = [int(name[3:]) + 1 for name in request.known if re.fullmatch(r"arg\d+", name)]
    return max(extra, default=0)


def is_differentiable(value: Any) -> bool:
    """Whether a value at a point is made of floats; integers and flags are no variables."""
    import numpy as np

    if isinstance(value, list | tuple):
        try:
            return bool(value) and np.asarray(value).dtype.kind == "f"
        except ValueError:
            return False
    return isinstance(value, float | np.ndarray | np.floating) and np.asarray(value).dtype.kind in "fc"


def _differentiable(value: Any, name: str, target: Target) -> Any:
    """The checked argument as floats; lists and tuples become arrays."""
    import numpy as np

    if isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, float | complex):
        return value
    if isinstance(value, list | tuple | np.ndarray | np.generic):
        try:
            array = np.asarray(value)
        except ValueError:
            array = np.asarray(None)
        if array.dtype.kind in "iu":
            array = array.astype(float)
        if array.dtype.kind in "fc":
            return array if array.ndim or isinstance(value, np.ndarray) else value
    kind = "None" if value is None else f"a {type(value).__name__}"
    if isinstance(value, np.ndarray):
        kind = f"an array of {value.dtype}"
    raise PointError(
        f"the argument '{name}' of {target.name} is {kind}: one cannot differentiate with respect to it",
        where=target.where,
        hint="choose another with --argnum, or give it numbers with --at",
        code="GC007",
    )


def _refuses_floats(request: Request, parameters: Sequence[Parameter], fixed: Mapping[str, Any], real: Any) -> bool:
    """Whether f runs with the integer that the user has given, and not with the same number as a float."""
    checked = parameters[request.argnum].name
    if not isinstance(fixed[checked], int) or not isinstance(real, float):
        return False
    from gradcheck.search import runs

    values = [fixed[p.name] for p in parameters]
    floats = [real if p.name == checked else fixed[p.name] for p in parameters]
    return not runs(request, parameters, floats) and runs(request, parameters, values)


def _is_integral(value: Any) -> bool:
    import numpy as np

    return isinstance(value, int | np.ndarray | np.integer) and np.asarray(value).dtype.kind in "iu"


def _given_points(request: Request, parameters: Sequence[Parameter], fixed: dict[str, Any]) -> list[Point]:
    """The point that is fully known; with ``--points`` further ones near the defaults."""
    import numpy as np

    args = tuple(fixed[p.name] for p in parameters)
    if request.known:
        defaulted = [p.name for p in parameters if p.name not in request.known]
        how = request.how + (f", default {', '.join(defaulted)}" if defaulted else "")
        return [Point(args, how, None, write_point(request, parameters, args))]
    points = [Point(args, "defaults of the parameters", None, write_point(request, parameters, args))]
    varied = [at for at, p in enumerate(parameters) if at != request.argnum and varies(request, p)]
    # One point, unless it would not show what a zero switches off, or a power of one.
    hidden = any(np.all(np.isin(args[at], (0.0, 1.0))) for at in [*varied, request.argnum])
    hidden = hidden or bool(np.any(np.equal(args[request.argnum], 0.0)))  # -2x passes for 2x there
    for number in range(1, request.count or (1 + hidden)):
        beside = _near_defaults(request, parameters, args, varied, number)
        if beside is None:
            name = parameters[request.argnum].name
            text = f"no further point was found: {request.target.name} does not run beside the default of {name}"
            request.notes.append(text)
            break
        points.append(beside)
    return points


# Parts of a move off the default that are tried where f does not run: to the other side, and shorter ones.
PARTS = (1.0, -1.0, 0.1, -0.1, 0.01, -0.01, 1e-3, -1e-3)


def _near_defaults(
    request: Request, parameters: Sequence[Parameter], args: tuple[Any, ...], varied: Sequence[int], number: int
) -> Point | None:
    """A point of which the checked argument, and where f runs there the other floats, are beside the defaults.

    None where f runs at the defaults, and at no point that was tried beside them.
    """
    from gradcheck.search import runs
    from gradcheck.trials import generator, is_symmetric, moved

    checked = request.argnum
    choices = ([sorted({checked, *varied})] if varied else []) + [[checked]]
    for part, made in itertools.product(PARTS, choices):
        near = list(args)
        for at in made:
            name = parameters[at].name
            rng = generator(request.seed, name, number)
            near[at] = request.confined(name, moved(args[at], rng, part), rng)
        if runs(request, parameters, near, patient=made == [checked]):
            break
        if made == [checked] and part == 1.0 and not runs(request, parameters, args):
            break  # the check will say why
    else:
        return None
    how = f"within 10 % of the default of {parameters[checked].name}"
    how += moved_text([parameters[at].name for at in varied]) if made != [checked] else ""
    kept = [parameters[at].name for at in made if is_symmetric(args[at])]
    how += f"; {', '.join(kept)} kept symmetric" if kept else ""
    return Point(tuple(near), how, request.seed, write_point(request, parameters, near), tuple(made))
