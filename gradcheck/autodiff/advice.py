"""What to do instead, for code that the core refuses without seeing it: compiled functions have no frame of their own.

The user's line tells what was being called there.
"""

from __future__ import annotations

import dis
import sys
from types import FrameType
from typing import Any

from gradcheck.autodiff.errors import user_frame


def _called(frame: FrameType) -> list[str]:
    """The names in the expression that the frame is calling at this moment."""
    instructions = list(dis.get_instructions(frame.f_code))
    place = max((i for i in instructions if i.offset <= frame.f_lasti), key=lambda i: i.offset).positions
    if place is None:
        return []
    start = (place.lineno, place.col_offset)
    return [
        i.argval
        for i in instructions
        if isinstance(i.argval, str) and i.positions and (i.positions.lineno, i.positions.col_offset) == start
    ]


def advice() -> tuple[str, str] | None:
    """What a refused conversion was probably for, and what to write instead; None if that is not known."""
    frame = user_frame()
    random: Any = sys.modules.get("numpy.random")
    if frame is None or random is None:
        return None
    drawn = [name for name in _called(frame) if name[0] != "_" and callable(getattr(random.Generator, name, None))]
    if not drawn:
        return None
    name = drawn[-1]  # the method: its object, np.random perhaps, comes before it
    what = f"a traced value given to the random generator's {name}()"
    if name in ("choice", "permutation", "permuted", "shuffle"):
        return what, "draw positions and index with them: x[rng.permutation(len(x))]"
    return what, "draw standard numbers and transform them: loc + scale * rng.standard_normal(n)"
