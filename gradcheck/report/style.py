"""How a report may look where it is going: width, colour, characters, how much of it.

Decided by the command line from the stream and the options, used by the formats that people read.
"""

from __future__ import annotations

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

        >>> Style(ascii=True).plain("1.0 ± 0.1"), Style().plain("±")
        ('1.0 +/- 0.1', '±')
        """
        if not self.ascii:
            return text
        return text.translate(_ASCII).encode("ascii", "backslashreplace").decode("ascii")
