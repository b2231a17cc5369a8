"""Text of traced values. To print a value is harmless; to read a number back from its text loses the derivative.

What ``str(x)``, ``repr(x)`` and ``f"{x:.3f}"`` give is a :class:`Text`, which is text in every respect, but ``float``
and ``int`` of it are refused while a trace is running. Text that was put together with other text is plain. Within the
arguments of ``eval``, ``Decimal``, ``json.loads`` and their kin it is refused, and so is ``float`` of any text that
stands for the number that a traced value was when it became text. For other ways ``core.Notes`` keeps the places, and
where nobody takes notes and the code that is running, or what it calls in its module, has a name by which numbers are
read, a warning says so. For what is printed or logged only the function that prints is looked at.
"""

from __future__ import annotations

import dis
import math
import sys
import types
import warnings
from collections.abc import Iterator
from types import FrameType
from typing import Any

import numpy as np

from gradcheck.autodiff.core import _state, note_text, plain, stack, taken
from gradcheck.autodiff.errors import LIBRARIES, AutodiffError, calls_function, unsupported, user_frame, user_location

# Names of what makes numbers of text.
_SURE = frozenset(
    {"float", "complex", "eval", "literal_eval", "exec", "Decimal", "Fraction", "loads", "fromstring", "loadtxt"}
    | {"genfromtxt", "read_csv", "parse_expr", "sympify", "fromhex"}
)
# With those that mostly do something else.
READERS = _SURE | {"load", "astype", "float64"}
# So many numbers are remembered that have become text.
_MANY = 1000
# Calls whose text goes to people.
_PRINTS = frozenset({"print", "debug", "info", "warning", "error", "critical", "exception", "log", "warn"})


def noted(text: str, value: Any) -> Text:
    """The text of a traced value, and a note that it was made."""
    note_text()
    place, frame = user_location(), user_frame()
    if place is None or frame is None:
        return Text(text)
    if _is_for(frame, _SURE - {"float"}):
        raise _lost()
    readers = READERS & {
        name for f in (frame, frame.f_back) if f is not None and _is_users(f) for name in f.f_code.co_names
    }
    printed = not readers and _is_printed(frame)
    if not printed:
        _remember(value)
    if taken() is None and not printed:
        readers = readers or _SURE & _names_around(frame)
        if readers:
            message = (
                f"a number that {min(readers)} reads back from the text of a traced value would lose its derivative"
            )
            warnings.warn_explicit(message, TextWarning, place.file, place.line)
    return Text(text)


def _lost() -> AutodiffError:
    return unsupported(
        "a number is read back from the text of a traced value: its derivative would be lost",
        "compute with the value itself; use its text for printing only",
    )


def _remember(value: Any) -> None:
    value = np.asarray(plain(value))
    if _state.stack and value.size + len(_state.texts) <= _MANY:
        _state.texts += value.ravel().tolist()


def from_text(text: str) -> float:
    """``float(text)`` in the user's code: refused if a traced value of that value, to the digits of the text, has
    become text in the trace that is running."""
    number = float(text)
    if _state.texts and number != 0 and math.isfinite(number):
        mantissa, _, exponent = text.strip().replace("_", "").lower().partition("e")
        unit = 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))
        if any(abs(number - x) <= 0.500001 * unit for x in _state.texts if type(x) is float):
            raise _lost()
    return number


def _names_around(frame: FrameType | None) -> set[str]:
    """The names that are used in the user's functions that are running now, and in those of their modules that these
    name, and so on."""
    todo: list[tuple[types.CodeType, dict[str, Any]]] = []
    while frame is not None:
        if calls_function(frame):
            break
        if _is_users(frame):
            todo.append((frame.f_code, frame.f_globals))
        frame = frame.f_back
    names: set[str] = set()
    seen: set[types.CodeType] = set()
    while todo:
        code, space = todo.pop()
        if code in seen:
            continue
        seen.add(code)
        todo += [(c, space) for c in code.co_consts if isinstance(c, types.CodeType)]
        new = set(code.co_names) - names
        names |= new
        for name in new & space.keys():
            todo += [(f.__code__, space) for f in _functions(space[name]) if f.__globals__ is space]
    return names


_NOT_THE_USERS = LIBRARIES | (sys.stdlib_module_names - {"__main__"})


def _is_users(frame: FrameType) -> bool:
    return frame.f_globals.get("__name__", "").partition(".")[0] not in _NOT_THE_USERS


def _functions(value: Any) -> Iterator[types.FunctionType]:
    for member in vars(value).values() if isinstance(value, type) else (value,):
        function = getattr(member, "fget", None) or getattr(member, "__func__", member)
        if isinstance(function, types.FunctionType):
            yield function


def _is_printed(frame: FrameType | None) -> bool:
    """Whether the text is made for a call such as ``print(f"x = {x}")`` or ``log.info("%s", x)``."""
    while frame is not None and not _is_users(frame):
        if frame.f_globals["__name__"].partition(".")[0] == "logging":
            return True
        frame = frame.f_back
    return frame is not None and _is_for(frame, _PRINTS)


def _is_for(frame: FrameType, names: frozenset[str]) -> bool:
    """Whether what runs in a frame is within the arguments of a call by one of these names."""
    if names.isdisjoint(frame.f_code.co_names):
        return False
    instructions = [i for i in dis.get_instructions(frame.f_code) if i.positions is not None]
    now = max((i for i in instructions if i.offset <= frame.f_lasti), key=lambda i: i.offset, default=None)
    if now is None:
        return False
    return any(
        i.argval in names and _start(call) == _start(i) and _start(call) <= _start(now) and _end(now) <= _end(call)
        for call in instructions
        if call.opname.startswith("CALL")
        for i in instructions
        if i.opname.startswith("LOAD_")
    )


def _start(i: dis.Instruction) -> tuple[int, int]:
    return (i.positions and i.positions.lineno) or 0, (i.positions and i.positions.col_offset) or 0


def _end(i: dis.Instruction) -> tuple[int, int]:
    return (i.positions and i.positions.end_lineno) or 0, (i.positions and i.positions.end_col_offset) or 0


class TextWarning(UserWarning):
    """A traced value was turned into text in code that reads numbers from text."""


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
            raise _lost()
        return str.__str__(self)

    def __float__(self) -> float:
        return float(self._refuse())

    def __int__(self) -> int:
        return int(self._refuse())

    def __complex__(self) -> complex:
        return complex(self._refuse())

    def strip(self, chars: Any = None, /) -> Text:
        return Text(super().strip(chars))

    def lstrip(self, chars: Any = None, /) -> Text:
        return Text(super().lstrip(chars))

    def rstrip(self, chars: Any = None, /) -> Text:
        return Text(super().rstrip(chars))

    def replace(self, old: str, new: str, *count: Any, **keywords: Any) -> Text:
        return Text(super().replace(old, new, *count, **keywords))

    def split(self, *args: Any, **keywords: Any) -> list[Any]:
        return [Text(part) for part in super().split(*args, **keywords)]

    def __getitem__(self, key: Any, /) -> Text:
        return Text(super().__getitem__(key))
