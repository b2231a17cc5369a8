"""One check: preflight, claims, measurement, verdict, diagnosis -> a frozen result.

The floor above the autodiff core and the numeric derivatives. The result types are plain data and load
without NumPy; ``check`` and ``check_points`` load when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gradcheck.check.result import CheckError, Entry, Finding, Point, Result, Verdict, WrongDerivative

if TYPE_CHECKING:
    from gradcheck.check.core import check, check_points

__all__ = [
    "CheckError",
    "Entry",
    "Finding",
    "Point",
    "Result",
    "Verdict",
    "WrongDerivative",
    "check",
    "check_points",
]


def __getattr__(name: str) -> Any:
    if name in ("check", "check_points"):
        from gradcheck.check import core

        return getattr(core, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
