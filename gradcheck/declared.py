"""``@gradcheck.case(...)``: a check declared beside the function that it is for.

Floor of settings, and part of the public API. The user's module imports it in production, so it does nothing but
take a note: no NumPy, no look at the options (``discovery.py`` reads them when the check is wanted), and the function
that is decorated is returned as it is.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any, NamedTuple, TypeVar, overload

F = TypeVar("F", bound=Callable[..., Any])


class Case(NamedTuple):
    """What one decorator says.

    Attributes:
        file, line: of the decorator.
        function: qualified name of the function.
        options: as they were given.
    """

    file: str
    line: int
    function: str
    options: Mapping[str, Any]


# The notes are kept in the module that they are about, by place: they go with it, and another load makes its own.
NOTES = "__gradcheck_cases__"


@overload
def case(function: F, /) -> F: ...
@overload
def case(**options: Any) -> Callable[[F], F]: ...
def case(function: Any = None, /, **options: Any) -> Any:
    """Declare a check of the function below; ``gradcheck file.py`` and ``gradcheck folder`` run it.

    Repeat it for several checks of one function. The function itself stays as it is: the same object is returned.

    Args:
        options: those of a ``[[tool.gradcheck.check]]``, with underscores: ``argnum``, ``grad`` (also the function
            itself), ``order``, ``shape``, ``points``, ``seed``, ``rtol``, ``atol``, ``budget``, ``strict``, ``ignore``,
            ..., ``name`` and ``expect`` ("pass", "fail" or "inconclusive"). ``at`` takes text as on the command line,
            a dict of values by name, a tuple of them in order, one value for the first argument, or a function that
            returns any of these; a list of them is several points.

    Raises:
        TypeError: what is decorated has no name by which it could be found.

    >>> @case(at={"x": 2.0}, argnum="x")
    ... def f(x):
    ...     return x**2
    >>> f(3.0)
    9.0
    """
    frame = sys._getframe(1)
    notes, file, line = frame.f_globals.setdefault(NOTES, {}), frame.f_code.co_filename, frame.f_lineno

    def note(decorated: F) -> F:
        name = getattr(decorated, "__qualname__", None)
        if not isinstance(name, str):
            raise TypeError(f"gradcheck.case decorates functions and classes that have a name, not {decorated!r}")
        notes[line, name] = Case(file, line, name, options)
        return decorated

    return note if function is None else note(function)


def cases(module: ModuleType) -> list[Case]:
    """The declared checks of a module that has been loaded, in the order of its lines."""
    notes: dict[tuple[int, str], Case] = getattr(module, NOTES, {})
    return [notes[place] for place in sorted(notes)]
