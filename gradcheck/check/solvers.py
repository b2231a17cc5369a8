"""Solvers of SciPy that gave up while the user's function ran: what they return then is no solution.

Lowest part of the check floor, without NumPy: the search for points passes over such points, and a check at one says
so. SciPy says it in a result whose ``success`` is False (``solve_ivp``, ``root``, ``minimize``, ``solve_bvp``,
``fsolve``) or in a warning (``odeint``); the code of many users looks at neither.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

#: What SciPy makes when a solver ends: module and class.
RESULTS = ("scipy.optimize._optimize", "OptimizeResult")
WARNINGS = ("scipy.integrate._odepack_py", "ODEintWarning")


@dataclass
class Watch:
    """The solvers that ran during a call; :meth:`failure` tells of one that gave up.

    Attributes:
        results: what they made, by the call of SciPy's by the user's code that it was made in.
        warned: name and warning of those that only warned.
    """

    results: dict[int, tuple[FrameType, list[Any]]] = field(default_factory=dict)
    warned: list[tuple[str, str]] = field(default_factory=list)

    def failure(self) -> str:
        """``solve_ivp did not come to its end: Required step size is ...``, or "" where none gave up.

        A solver that calls others (``basinhopping``) has given up if all of them have.
        """
        found = [f"{name} did not come to its end: {_sentence(text)}" for name, text in self.warned]
        for frame, results in self.results.values():
            outcomes = [result.get("success") for result in results]
            if outcomes and all(outcome is not None and not outcome for outcome in outcomes):
                text = _sentence(str(results[-1].get("message", "")))
                found.append(f"{frame.f_code.co_name} did not come to its end" + (f": {text}" if text else ""))
        return found[0] if found else ""


@contextmanager
def watched() -> Iterator[Watch]:
    """Take down which solvers of SciPy run, for as long as this is open; what is not imported yet does not run."""
    watch = Watch()

    def made(result: dict[str, Any], *args: Any, **keywords: Any) -> None:
        dict.__init__(result, *args, **keywords)
        frame = _outermost(sys._getframe(1))
        if frame is not None:
            watch.results.setdefault(id(frame), (frame, []))[1].append(result)

    def warned(warning: Warning, *args: Any) -> None:
        Warning.__init__(warning, *args)
        frame = _outermost(sys._getframe(1))
        watch.warned.append((frame.f_code.co_name if frame else "odeint", str(warning)))

    with ExitStack() as stack:
        for (module, name), method in ((RESULTS, made), (WARNINGS, warned)):
            owner = getattr(sys.modules.get(module), name, None)
            if owner is not None and "__init__" not in vars(owner):
                owner.__init__ = method
                stack.callback(delattr, owner, "__init__")
        yield watch


def _outermost(frame: FrameType | None) -> FrameType | None:
    """The frame of the function of SciPy's that the user's code called."""
    last = None
    while frame is not None and str(frame.f_globals.get("__name__", "")).startswith("scipy."):
        last, frame = frame, frame.f_back
    return last


def _sentence(text: str) -> str:
    """The first sentence, on one line."""
    return " ".join(text.split()).split(". ")[0].rstrip(".")
