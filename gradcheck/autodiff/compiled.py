"""Compiled functions of the user's: extensions, ``numba.njit``, ctypes. They take no traced values, so a stand-in does.

Part of the scope. A numba function keeps the Python function that it was made of (``py_func``), and that is traced;
where a module has such functions their names are replaced from the start. Any other compiled function is found out by
its failure: :func:`find` looks up in the traceback what was called there. If that is no Python code and the user's
module has it under a name, the name is replaced for the next try, and the call differentiated numerically, and
labelled (``fallback.py``).
"""

from __future__ import annotations

import ast
import functools
import linecache
import sys
import types
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from gradcheck.autodiff.core import _state, has_traced
from gradcheck.autodiff.errors import LIBRARIES
from gradcheck.autodiff.fallback import numeric

# What Python code of the user's is made of: a failure in a call of these is not the callee's refusal.
_PYTHON = (types.FunctionType, types.MethodType, type)


def find(error: BaseException) -> tuple[dict[str, Any], str, Any] | None:
    """The compiled function whose call raised ``error``: the namespace that has it, its name there, and itself."""
    place = error.__traceback__
    found = None
    while place is not None:
        frame = place.tb_frame
        if frame.f_globals.get("__name__", "").partition(".")[0] not in LIBRARIES:
            found = _called(frame, place) or found
        place = place.tb_next
    return found


def _called(frame: types.FrameType, place: types.TracebackType) -> tuple[dict[str, Any], str, Any] | None:
    expression = _expression(frame.f_code, place.tb_lasti)
    if expression is None:
        return None
    names: list[str] = []
    node = expression.func
    while isinstance(node, ast.Attribute):
        names.insert(0, node.attr)
        node = node.value
    if not isinstance(node, ast.Name) or (node.id in frame.f_locals and frame.f_locals is not frame.f_globals):
        return None
    space, name = frame.f_globals, node.id
    for attribute in names:
        owner = space.get(name)
        if not isinstance(owner, types.ModuleType):
            return None
        space, name = vars(owner), attribute
    function = space.get(name)
    if not callable(function) or isinstance(function, _PYTHON):
        return None
    home = (getattr(function, "__module__", None) or type(function).__module__ or "").partition(".")[0]
    if home in LIBRARIES or (home in sys.stdlib_module_names and not hasattr(type(function), "argtypes")):
        return None
    return space, name, function


def _expression(code: types.CodeType, at: int) -> ast.Call | None:
    """The call expression that the instruction ``at`` belongs to, read from the source."""
    positions = list(code.co_positions())
    if at // 2 >= len(positions):
        return None
    first, last, start, end = positions[at // 2]
    if first is None or last is None or start is None or end is None:
        return None
    lines = [linecache.getline(code.co_filename, n).encode() for n in range(first, last + 1)]
    if not all(lines):
        return None
    lines[-1] = lines[-1][:end]
    lines[0] = lines[0][start:]
    try:
        tree = ast.parse(b"(" + b"".join(lines) + b")", mode="eval")
    except SyntaxError:
        return None
    return tree.body if isinstance(tree.body, ast.Call) else None


def python_of(function: Any) -> types.FunctionType | None:
    """The Python function that a numba function was made of."""
    python = None if isinstance(function, _PYTHON) else getattr(function, "py_func", None)
    return python if isinstance(python, types.FunctionType) else None


def stand_in(function: Any, name: str, suspended: Callable[[], AbstractContextManager[None]]) -> Callable[..., Any]:
    """A function that takes traced values in the place of a compiled one.

    ``suspended``: takes all replaced names back for a while. A plain call may be the first one, and compile the
    function; the compiler must find NumPy and math as they are.
    """
    followed = python_of(function) or numeric(function, name)

    def replacement(*args: Any, **keywords: Any) -> Any:
        if not _state.stack:
            return function(*args, **keywords)
        if any(map(has_traced, args)) or any(map(has_traced, keywords.values())):
            return followed(*args, **keywords)
        with suspended():
            return function(*args, **keywords)

    functools.update_wrapper(replacement, function, assigned=("__doc__",), updated=())
    replacement.__name__ = name
    replacement.__wrapped__ = function  # type: ignore[attr-defined]
    return replacement
