"""What is known of pieces of code, found by their identity.

Python computes the hash of a code object from all of its instructions, at every look-up: in Python 3.12 half a
microsecond for a function of thirty lines, as long as a record on the tape takes. Its address costs nothing.
"""

from __future__ import annotations

from types import CodeType
from typing import Any

# Whoever evaluates texts makes new code without end.
_MANY = 10_000


class ByCode(dict[int, Any]):
    """What was found out of code objects: read with ``table.get(id(code))``, written with :meth:`note`.

    >>> table = ByCode()
    >>> code = (lambda: 0).__code__
    >>> table.note(code, "known")
    >>> table.get(id(code)), id(code) in table
    ('known', True)
    """

    def __init__(self) -> None:
        super().__init__()
        self._alive: dict[int, CodeType] = {}  # so that no other object gets the address

    def note(self, code: CodeType, what: Any) -> None:
        if len(self) >= _MANY:
            self.clear()
        self._alive[id(code)] = code
        self[id(code)] = what

    def clear(self) -> None:
        super().clear()
        self._alive.clear()
