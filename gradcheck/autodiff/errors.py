"""What the autodiff core says when it cannot follow the user's code, and where in that code it happened.

Lowest module of the autodiff floor. The rest of the core raises :class:`AutodiffError` and nothing else for code
that it does not support; exceptions of the user's own function pass through unchanged.
"""

from __future__ import annotations

import sys

from gradcheck.errors import GradcheckError, Location

# Frames of these packages are never "the user's line": the line that called into them is.
LIBRARIES = frozenset({"gradcheck", "numpy", "scipy"})


class AutodiffError(GradcheckError):
    """The autodiff core cannot follow the code: no rule, a cast that would lose the derivative, a stale value."""

    code = "GC020"


def user_location() -> Location | None:
    """The innermost line on the call stack that belongs neither to us nor to NumPy or SciPy."""
    frame = sys._getframe(1)
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if module.partition(".")[0] not in LIBRARIES:
            return Location(frame.f_code.co_filename, frame.f_lineno)
        frame = frame.f_back  # type: ignore[assignment]
    return None


def unsupported(message: str, hint: str | None = None) -> AutodiffError:
    """An :class:`AutodiffError` at the user's current line."""
    return AutodiffError(message, where=user_location(), hint=hint)
