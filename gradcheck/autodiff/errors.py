"""What the autodiff core says when it cannot follow the user's code, and where in that code it happened.

Lowest module of the autodiff floor. The rest of the core raises :class:`AutodiffError` and nothing else for code
that it does not support; exceptions of the user's own function pass through unchanged.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any

from gradcheck.errors import GradcheckError, Location

# Frames of these packages are never "the user's line": the line that called into them is.
LIBRARIES = frozenset({"gradcheck", "numpy", "scipy"})


class AutodiffError(GradcheckError):
    """The autodiff core cannot follow the code: no rule, a cast that would lose the derivative, a stale value.

    Attributes:
        frame: globals and code of where that was: ``scope.escalate`` may help.
        placed: whether the sweep, in which no line of the user's runs, found a place that the record has kept.
    """

    code = "GC020"
    frame: tuple[dict[str, Any], CodeType] | None = None
    placed = False


class WrongOutput(AutodiffError, TypeError):
    """What the function returned has no derivative of the kind that was asked for (a TypeError, as in autograd)."""


class StoredValue(AutodiffError):
    """The function found its argument equal to one that it had kept, and returned what it had kept with it."""


def calls_function(frame: FrameType) -> bool:
    """Whether this is where a transform calls the function that it transforms: what lies beyond is the caller's."""
    return (
        frame.f_code.co_name in ("_run", "_simply")
        and frame.f_globals.get("__name__") == "gradcheck.autodiff.transforms"
    )


def user_frame() -> FrameType | None:
    """The innermost frame on the call stack that belongs neither to us nor to NumPy or SciPy.

    None if there is none before the transform that called the function: beyond lies whoever called the transform.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        name = frame.f_globals.get("__name__", "")
        if name.partition(".")[0] not in LIBRARIES:
            return frame
        if calls_function(frame):
            return None
        frame = frame.f_back
    return None


def user_location() -> Location | None:
    """File and line of :func:`user_frame`; if that is in Python's own library, of the code that called it, if any."""
    frame = user_frame()
    # Code without a module has been made by one of Python's own (multiprocessing.sharedctypes).
    while frame is not None and frame.f_globals.get("__name__", "sys").partition(".")[0] in _STANDARD:
        frame = frame.f_back
        name = "" if frame is None else frame.f_globals.get("__name__", "")
        if name.partition(".")[0] in LIBRARIES:
            frame = None  # called by nobody but us
    return None if frame is None else Location(frame.f_code.co_filename, frame.f_lineno)


_STANDARD = sys.stdlib_module_names - {"__main__"}


def translated(error: Exception) -> AutodiffError | None:
    """The error for compiled code, or code of Python's own library, that has found out that it was given no plain
    number; None if the error is about something else."""
    text = str(error)
    if text == "object __array__ method not producing an array":
        message = "an object's __array__ returned a traced value, where NumPy needs a plain array"
    elif any(word in text for word in ("'Taped'", "'Dual'", " Taped ", " Dual ", "(type Taped)", "(type Dual)")) or (
        text.endswith((" Taped", " Dual"))
    ):
        name = type(error).__name__
        text = text.replace("'Taped'", "a traced value").replace("'Dual'", "a traced value")
        text = text.replace("(type Taped)", "(type: a traced value)").replace("(type Dual)", "(type: a traced value)")
        text = text.removesuffix("Taped").removesuffix("Dual") + "a traced value" * text.endswith((" Taped", " Dual"))
        text = text.replace(" Taped ", " a traced value ").replace(" Dual ", " a traced value ")
        message = f"a function that needs plain numbers was given a traced value ({name}: {text})"
    elif text.endswith("is not JSON serializable"):
        message = "json of a traced value would lose the derivative"
    else:
        return None
    frame = error.__traceback__
    where = None
    while frame is not None:
        name = frame.tb_frame.f_globals.get("__name__", "").partition(".")[0]
        if name not in LIBRARIES and name not in _STANDARD:
            where = Location(frame.tb_frame.f_code.co_filename, frame.tb_lineno)
        frame = frame.tb_next
    return AutodiffError(message, where=where, hint="compute with floats and NumPy arrays, or leave this call out")


def frame_of(error: BaseException) -> tuple[dict[str, Any], CodeType] | None:
    """Globals and code of the innermost frame of the user's that an exception of a library's came through.

    None for an exception that the user's code has raised itself.
    """
    found, library = None, False
    traceback = error.__traceback__
    while traceback is not None:
        frame = traceback.tb_frame
        library = frame.f_globals.get("__name__", "").partition(".")[0] in LIBRARIES
        if not library:
            found = (frame.f_globals, frame.f_code)
        traceback = traceback.tb_next
    # A compiled function has no frame; when it gets something that it cannot take it raises TypeError.
    return found if library or isinstance(error, TypeError) else None


# Called with every error that is made while the user's function runs: the live traces remember it (see ``core``).
listeners: list[Callable[[AutodiffError], None]] = []


def unsupported(message: str, hint: str | None = None) -> AutodiffError:
    """An :class:`AutodiffError` at the user's current line."""
    error = AutodiffError(message, where=user_location(), hint=hint)
    frame = user_frame()
    error.frame = None if frame is None else (frame.f_globals, frame.f_code)
    for listener in listeners:
        listener(error)
    return error
