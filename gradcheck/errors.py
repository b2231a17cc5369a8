"""The base of every error that gradcheck raises for a reason outside itself.

Ground floor: every other module may import this one. An error has up to three parts, kept apart so that
each report format lays them out itself: what happened, where (the user's file and line), and what to do.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Location:
    """A place in the user's source: file name and line number (from 1)."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class InterruptedCall(KeyboardInterrupt):
    """Ctrl-C while the user's code ran; its text says in which function, at which point."""

    def __init__(self, message: str, where: Location | None = None) -> None:
        super().__init__(message)
        self.where = where


class GradcheckError(Exception):
    """Something that the user can mend. Never used for a bug in gradcheck itself.

    Attributes:
        message: what happened, one sentence without a final line break.
        where: the user's file and line, if it is known.
        hint: what to do about it, if there is something.
        code: the stable code of the finding (GC0xx), see ``check/codes.py``.
    """

    code = "GC001"

    def __init__(
        self, message: str, *, where: Location | None = None, hint: str | None = None, code: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint
        if code is not None:
            self.code = code

    def __str__(self) -> str:
        text = self.message
        if self.where is not None:
            text += f" ({self.where})"
        if self.hint is not None:
            text += f"; {self.hint}"
        return text
