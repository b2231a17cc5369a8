"""Who holds SciPy's functions with callbacks: a table, an attribute, a default, a closure, another user's module.

A callback that decides by a traced value and returns a plain number raises no error that would have the function
replaced wherever it was called from (``scope.replace_called``). So before a trace it is asked who holds such functions;
of those that are held by anything but SciPy itself the code is replaced. That takes a walk through all objects of the
process, so it is done only when the number of references to one of them is new.
"""

from __future__ import annotations

import gc
import sys
import types
from collections.abc import Callable, Collection, Iterable
from typing import Any

from gradcheck.autodiff.errors import LIBRARIES

# Numbers of references for which it was found out who holds the functions; the last of them, which are found faster.
_seen: set[tuple[int, ...]] = set()
_last: tuple[int, ...] = ()
_MANY = 1000


def newly_held(functions: Collection[types.FunctionType], ours: Callable[[], Iterable[Any]]) -> list[Any]:
    """Those of the functions that something of the user's holds, if any of them has gained or lost a holder.

    ``ours()`` are containers of our own that hold them.
    """
    if not _is_new(functions):
        return []
    wanted = {id(f): f for f in functions}
    # SciPy's own table of which functions take arrays of other libraries.
    table = getattr(sys.modules.get("scipy._lib._array_api"), "xp_capabilities_table", None)
    known = {id(x) for x in (functions, wanted, table, *ours())}
    found: dict[int, Any] = {}
    for holder in gc.get_referrers(*functions):
        if id(holder) not in known and _is_users(holder):
            found |= {id(x): x for x in gc.get_referents(holder) if id(x) in wanted}
    return list(found.values())


def _is_new(functions: Collection[types.FunctionType]) -> bool:
    """Whether the numbers of references are none that have been seen; from now on they have been."""
    global _last
    counts = tuple(map(sys.getrefcount, functions))
    if counts == _last:
        return False
    _last = counts
    if counts in _seen:
        return False
    if len(_seen) > _MANY:
        _seen.clear()
    _seen.add(counts)
    return True


def note_ours(functions: Collection[types.FunctionType]) -> None:
    """The holders that have come since :func:`newly_held` are our own: nobody need look for them."""
    _is_new(functions)


def _is_users(holder: Any) -> bool:
    if type(holder) is dict:
        # A module's namespace, or that of a function: our stand-ins name what they stand for.
        return str(holder.get("__name__", "")).partition(".")[0] not in LIBRARIES and "__wrapped__" not in holder
    return not isinstance(holder, types.FrameType | types.FunctionType)
