"""Numbers as text: enough digits to see the difference, error bars with two digits, columns that line up.

Used by the formats that people read. Works on the plain numbers of a result; needs no NumPy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from gradcheck.check.result import Entry, Number

# Significant digits where no difference is in sight.
DEFAULT_DIGITS = 8


def number(value: Number | None, digits: int = DEFAULT_DIGITS) -> str:
    """A number with a given count of significant digits; fixed notation from 1e-4 to 1e7.

    >>> number(-0.00123456, 3), number(123456.7, 8), number(1.5e-9, 3), number(2 - 1j, 2), number(None)
    ('-0.00123', '123456.70', '1.50e-09', '2.0-1.0j', '')
    """
    if value is None:
        return ""
    if isinstance(value, complex):
        imaginary = number(value.imag, digits)
        return f"{number(value.real, digits)}{'' if imaginary.startswith('-') else '+'}{imaginary}j"
    if value == 0.0 or not math.isfinite(value):
        return f"{value:g}"
    exponent = math.floor(math.log10(abs(value)))
    if -4 <= exponent < 7:
        return f"{value:.{max(digits - 1 - exponent, 0)}f}"
    return f"{value:.{digits - 1}e}"


def measured(value: Number | None, error: float | None, digits: int = DEFAULT_DIGITS) -> str:
    """A measured number: no further than the second digit of its error bar.

    >>> measured(0.757847087, 3.7e-5, 9), measured(0.757847087, 1e-12, 6), measured(2.0, None, 3)
    ('0.757847', '0.757847', '2.00')
    """
    if value is None or not error or not math.isfinite(error) or value == 0 or not math.isfinite(abs(value)):
        return number(value, digits)
    known = math.floor(math.log10(abs(value))) - math.floor(math.log10(error)) + 2
    return number(value, min(digits, max(known, 2)))


def bar(error: float | None) -> str:
    """An error bar with two digits.

    >>> bar(1.234e-9), bar(0.0), bar(None)
    ('1.2e-09', '0', '')
    """
    if error is None:
        return ""
    return "0" if error == 0.0 else f"{error:.1e}"


def relative(difference: float | None) -> str:
    """A relative difference: plain where it is large, with an exponent where it is small.

    >>> relative(2.0), relative(0.01234), relative(3.21e-7), relative(None)
    ('2', '0.012', '3.2e-07', '')
    """
    if difference is None:
        return ""
    return f"{difference:.2g}" if difference == 0.0 or difference >= 1e-3 else f"{difference:.1e}"


def digits_for(entry: Entry) -> int:
    """Significant digits at which the numbers of a row can be told apart, and two more.

    >>> from gradcheck.check.result import Verdict
    >>> digits_for(Entry("df/dx", (), (), 0, 1.0, None, 1.01, 1e-9, 1e-2, Verdict.FAIL))
    6
    """
    values = [v for v in (entry.yours, entry.autodiff, entry.measured) if v is not None]
    gaps = [abs(a - b) / max(abs(a), abs(b)) for a in values for b in values if a != b and max(abs(a), abs(b)) > 0]
    # The pair that matters differs clearly; the others may agree to rounding, which needs no digits.
    visible = [gap for gap in gaps if math.isfinite(gap) and gap >= (entry.difference or 0.0) * 0.3]
    if not visible:
        return DEFAULT_DIGITS
    return min(max(math.ceil(-math.log10(min(visible))) + 3, 6), 12)


def aligned(texts: Sequence[str]) -> list[str]:
    """Pad numbers so that their decimal points stand below each other, if none has an exponent.

    >>> aligned(["1.25", "-10.5", ""])
    ['  1.25', '-10.5 ', '      ']
    """
    if any("e" in text or "j" in text for text in texts):
        width = max((len(text) for text in texts), default=0)
        return [text.rjust(width) for text in texts]
    parts = [text.partition(".") for text in texts]
    before = max((len(whole) for whole, _, _ in parts), default=0)
    after = max((len(dot + rest) for _, dot, rest in parts), default=0)
    return [whole.rjust(before) + (dot + rest).ljust(after) for whole, dot, rest in parts]
