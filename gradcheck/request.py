"""What is known of a function's arguments before points are looked for, and points as text.

Between ``points.py``, which makes a request, and ``search.py``, which answers it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from gradcheck.check.notation import write_values
from gradcheck.targets import Parameter, Target


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
        auxiliary: of a number with something else beside it the number is f's value.
        order: 1 or 2.
        every: any argument will do as the checked one, and all that have defaults get a place in the point.
        movable: names of the parameters whose defaults may be varied: those that the derivative takes, too; None
            for all.
        seconds: how long one call may take at most, or None for what others take.
        notes: where remarks go that the report is to show.
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
    auxiliary: bool = False
    order: int = 1
    every: bool = False
    movable: frozenset[str] | None = None
    seconds: float | None = None
    notes: list[str] = field(default_factory=list, compare=False)
    bounds: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    how: str = "given with --at"

    def confined(self, name: str, value: Any, rng: Any) -> Any:
        """A value that was made up for a parameter, moved into its bounds."""
        from gradcheck.trials import confined

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

    That of the checked argument is, whatever array of floats it is; see :func:`is_movable` for the others.
    """
    name = parameter.name
    if parameter.required or name in request.known or name in request.shapes:
        return False
    if name in [p.name for p in request.target.parameters[request.argnum : request.argnum + 1]]:
        return _is_float(parameter.default)
    return is_movable(parameter.default) and (request.movable is None or name in request.movable)


def is_movable(default: Any) -> bool:
    """Whether a default may be varied from point to point: a finite float, or an array of nothing but zeros.

    Other arrays are data that belong together; integers, flags, text and None choose what f does.

    >>> is_movable(0.0), is_movable(1), is_movable(True), is_movable(float("inf"))
    (True, False, False, False)
    """
    import numpy as np

    if isinstance(default, np.ndarray):
        return default.dtype.kind == "f" and default.size > 0 and not default.any()
    return isinstance(default, float) and math.isfinite(default)


def _is_float(value: Any) -> bool:
    import numpy as np

    array = isinstance(value, float | np.ndarray | np.floating) and np.asarray(value)
    return array is not False and array.dtype.kind == "f" and array.size > 0 and bool(np.all(np.isfinite(array)))


def moved_text(names: Sequence[str]) -> str:
    """What ``Point.how`` says of varied defaults."""
    return f"; {', '.join(names)} moved off the default{'s' * (len(names) > 1)}"


def _same(default: Any, value: Any) -> bool:
    import numpy as np

    return default is not Parameter.REQUIRED and np.array_equal(default, value)
