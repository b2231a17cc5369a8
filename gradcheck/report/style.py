"""How a report may look where it is going: width, colour, characters, how much of it.

Decided by the command line from the stream and the options, used by the formats that people read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# For streams that cannot write them.
_ASCII = str.maketrans(
    {
        "±": "+/-",
        "×": "x",
        "·": "-",
        "−": "-",
        "–": "-",
        "—": "-",
        "∂": "d",
        "…": "...",
        "→": "->",
        "≤": "<=",
        "≥": ">=",
    }
)


# All but the line break and the tab: C0, delete, C1; and what is no character: no file and no format can hold it.
_CONTROL = re.compile("[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\ud800-\\udfff\\ufffe\\uffff]")


def escaped(text: str) -> str:
    """The text without control characters: they are written as Python writes them.

    >>> escaped("a\\tb\\x07c"), escaped("\\ud800")
    ('a\\tb\\\\x07c', '\\\\ud800')
    """
    return _CONTROL.sub(_written, text)


def _written(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


@dataclass(frozen=True)
class Style:
    """What the stream can show and what the user wants to see.

    Attributes:
        color: with ANSI colours.
        width: columns to fit into, or None to never wrap and never cut (files, pipes).
        ascii: only ASCII can be written.
        verbose: 0, 1 (values of all partial derivatives), 2 (without a limit on rows).
        quiet: 0, 1 (no passes), 2 (nothing).
        traceback: show the tracebacks of errors.
    """

    color: bool = False
    width: int | None = None
    ascii: bool = False
    verbose: int = 0
    quiet: int = 0
    traceback: bool = False

    def plain(self, text: str) -> str:
        """The text in characters that the stream can write; what has no substitute is escaped.

        So are control characters but line breaks: a message of the user's may hold what would recolour or clear a
        terminal.

        >>> Style().plain("\\x1b[31mred")
        '\\\\x1b[31mred'
        >>> Style(ascii=True).plain("1.0 ± 0.1"), Style().plain("±")
        ('1.0 +/- 0.1', '±')
        """
        text = escaped(text)
        if not self.ascii:
            return text
        return text.translate(_ASCII).encode("ascii", "backslashreplace").decode("ascii")
