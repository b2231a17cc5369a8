"""Which frames of a traceback are the user's own, so that an error shows their line and not ours.

A helper of the targets floor: imports nothing but the errors. A frame is the user's unless it belongs to
gradcheck, to the standard library, to the import machinery or to an installed package; where no frame is
(the target itself is an installed package), the last one outside gradcheck and the import machinery is
shown.
"""

from __future__ import annotations

import importlib
import sysconfig
import traceback
from collections.abc import Sequence
from pathlib import Path

from gradcheck.errors import Location

_OURS = str(Path(__file__).resolve().parent)
_IMPORTLIB = str(Path(importlib.__file__).parent)
_INSTALLED = tuple({sysconfig.get_path(kind) for kind in ("stdlib", "platstdlib", "purelib", "platlib")})


def is_ours(file: str) -> bool:
    """Whether a source file belongs to gradcheck or to Python's import machinery."""
    return file.startswith((_OURS, "<frozen ", _IMPORTLIB))


def is_installed(file: str) -> bool:
    """Whether a source file belongs to Python or to an installed package."""
    return file.startswith(_INSTALLED)


def is_users(file: str) -> bool:
    """Whether a source file is the user's own: neither of gradcheck, nor of Python, nor of an installed package."""
    return not is_ours(file) and not is_installed(file)


def user_frames(err: BaseException) -> list[traceback.FrameSummary]:
    """The frames of the user's own code, outermost first; else those of installed packages."""
    return _users(traceback.extract_tb(err.__traceback__))


def _users(stack: Sequence[traceback.FrameSummary]) -> list[traceback.FrameSummary]:
    foreign = [frame for frame in stack if not is_ours(frame.filename)]
    return [frame for frame in foreign if not frame.filename.startswith(_INSTALLED)] or foreign


def user_location(err: BaseException) -> Location | None:
    """File and line where the user's code raised, or called what raised; None if none of it ran."""
    return location_in(traceback.extract_tb(err.__traceback__))


def location_in(stack: Sequence[traceback.FrameSummary]) -> Location | None:
    """The innermost of these frames that is the user's, see :func:`user_frames`."""
    frames = _users(stack)
    if not frames:
        return None
    return Location(relative(frames[-1].filename), frames[-1].lineno or 1)


def user_traceback(err: BaseException) -> str:
    """The traceback of the user's error, from their first frame on, for ``--traceback``."""
    lines = ["Traceback (most recent call last):\n"]
    lines += traceback.format_list([f for f in traceback.extract_tb(err.__traceback__) if not is_ours(f.filename)])
    lines += traceback.format_exception_only(err)
    return "".join(lines).rstrip()


class HardExit(SystemExit):
    """What ``os._exit`` raises while the user's code runs: it would end the process without a report."""

    call = "os._exit"


def exit_call(err: SystemExit) -> str:
    """``sys.exit(1)`` or ``os._exit(0)``: how the user's code ended the program.

    >>> exit_call(SystemExit(1)), exit_call(SystemExit()), exit_call(HardExit(0))
    ('sys.exit(1)', 'sys.exit()', 'os._exit(0)')
    """
    return f"{getattr(err, 'call', 'sys.exit')}({'' if err.code is None else repr(err.code)})"


def describe(err: BaseException) -> str:
    """``ValueError: text``, on one line."""
    text = " ".join(str(err).split())
    return f"{type(err).__name__}: {text}" if text else type(err).__name__


def relative(file: str) -> str:
    """The file as the user would write it: relative to the working directory where it is below it."""
    try:
        return str(Path(file).resolve().relative_to(Path.cwd()))
    except (ValueError, OSError):
        return file
