"""Text of traced values. To print a value is harmless; to read a number back from its text loses the derivative.

What ``str(x)``, ``repr(x)`` and ``f"{x:.3f}"`` give is a :class:`Text`, which is text in every respect, but ``float``
and ``int`` of it are refused while a trace is running. Text that was put together with other text is plain; of that
``core.Notes`` keeps the places, and where nobody takes notes and the code around has a name by which numbers are read
(``float``, ``eval``, ``Decimal``), a warning says so.
"""

from __future__ import annotations

import warnings
from typing import Any

from gradcheck.autodiff.core import note_text, stack, taken
from gradcheck.autodiff.errors import unsupported, user_frame, user_location

# Names of what makes numbers of text.
READERS = frozenset(
    {"float", "eval", "literal_eval", "exec", "Decimal", "Fraction", "loads", "load", "fromstring", "loadtxt", "astype"}
    | {"genfromtxt", "read_csv", "parse_expr", "sympify", "float64", "fromhex"}
)


class TextWarning(UserWarning):
    """A traced value was turned into text in code that reads numbers from text."""


def noted(text: str) -> Text:
    """The text of a traced value, and a note that it was made."""
    note_text()
    place, frame = user_location(), user_frame()
    if taken() is None and place is not None and frame is not None:
        readers = READERS & (set(frame.f_code.co_names) | set(frame.f_back.f_code.co_names if frame.f_back else ()))
        if readers:
            message = (
                f"a number that {min(readers)} reads back from the text of a traced value would lose its derivative"
            )
            warnings.warn_explicit(message, TextWarning, place.file, place.line)
    return Text(text)


class Text(str):
    """The text of a traced value.

    >>> Text(" 1.5").strip()
    '1.5'
    >>> float(Text("1.5"))  # no trace is running
    1.5
    """

    __slots__ = ()

    def _refuse(self) -> str:
        if stack():
            raise unsupported(
                "a number is read back from the text of a traced value: its derivative would be lost",
                "compute with the value itself; use its text for printing only",
            )
        return str.__str__(self)

    def __float__(self) -> float:
        return float(self._refuse())

    def __int__(self) -> int:
        return int(self._refuse())

    def __complex__(self) -> complex:
        return complex(self._refuse())

    def strip(self, chars: Any = None, /) -> Text:
        return Text(super().strip(chars))

    def replace(self, old: str, new: str, *count: Any, **keywords: Any) -> Text:
        return Text(super().replace(old, new, *count, **keywords))
