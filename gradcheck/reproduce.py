"""The command line that repeats a check, for the ``reproduce:`` line of a report.

Beside the runner. What the check was told by configurations and decorators is written out, and ``--isolated`` keeps
these from having their say again.
"""

from __future__ import annotations

import shlex
from dataclasses import fields

from gradcheck.check.result import Result
from gradcheck.discovery import Check
from gradcheck.options import kebab
from gradcheck.settings import Settings

# Told by the words of the report, or of no use for one check at one point.
_TOLD = ("argnum", "grad", "order", "hessp", "at", "shape", "points", "seed", "allow_inconclusive", "ignore", "shrink")


def reproduce(result: Result, argument: str, check: Check) -> str:
    """The command line that repeats a check at its worst point, or a simpler one, quoted for a POSIX shell."""
    settings = check.settings
    words = ["gradcheck", result.target, "--argnum", argument]
    if settings.grad != "auto":
        words += ["--grad", settings.grad]
    if result.order != 1:
        words += ["--order", str(result.order)]
    if settings.hessp != "auto":
        words += ["--hessp", settings.hessp]
    worst = result.worst_point
    point = result.simpler or result.points[worst]
    if check.points and point.text is None:
        # Values that cannot be written down stand in the declaration only.
        return shlex.join(["gradcheck", result.target])
    if settings.at:
        # One --at makes one point, in the order given.
        words += ["--at", (result.simpler and result.simpler.text) or settings.at[worst]]
        words += [f"--shape={shape}" for shape in settings.shape]
    elif (point.seed is not None or check.points) and point.text is not None:
        words += ["--at", point.text]
    elif point.seed is not None:
        words += [f"--shape={shape}" for shape in settings.shape]
        words += ["--points", str(len(result.points))]
    if settings.seed or (point.seed is not None and point.text is None):
        words += ["--seed", str(settings.seed)]
    words += _other_options(settings)
    return shlex.join([*words, "--isolated"] if check.isolated else words)


def _other_options(settings: Settings) -> list[str]:
    """The options of a check that have no words of their own in :func:`reproduce`, where they are not the default."""
    words: list[str] = []
    for row in fields(settings):
        value, option = getattr(settings, row.name), f"--{kebab(row.name)}"
        if row.name in _TOLD or value == row.default:
            continue
        if value is True:
            words.append(option)
        else:
            for item in value if isinstance(value, tuple) else (value,):
                words += [option, str(item)]
    return words
