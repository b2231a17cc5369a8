"""Processes that the differentiated function forks: they share memory with this one, but no tape.

What a child computes of traced values, and hands back through shared memory or a pipe, is a plain number. Where it
would lose the derivative the child refuses as it should, but nobody reads what a child raises: the function would go on
with whatever stood in the memory before. So the first refusal of a child is written to a page of memory that parent and
child share, and raised in the parent when the function has returned.
"""

from __future__ import annotations

import mmap
import os

from gradcheck.autodiff.core import _state
from gradcheck.autodiff.errors import AutodiffError, listeners
from gradcheck.errors import Location

_SIZE = 4096
# In a child: the page that it shares with its parent, and how many traces were live there.
_child: tuple[mmap.mmap, int] | None = None


def _before() -> None:
    if _state.stack:
        _state.pages.append(mmap.mmap(-1, _SIZE))


def _after_in_child() -> None:
    global _child
    _child = (_state.pages[-1], len(_state.stack)) if _state.stack and _state.pages else None


def _tell_parent(error: AutodiffError) -> None:
    if _child is None:
        return
    page, depth = _child
    if len(_state.stack) == depth and not page[0]:  # not one of a derivative of the child's own
        where = error.where or Location("", 0)
        text = f"{where.line}\n{where.file}\n{error.message}"
        page[: _SIZE - 1] = text.encode()[: _SIZE - 1].ljust(_SIZE - 1, b"\0")


def refusal() -> AutodiffError | None:
    """What a process that was forked in this run has refused, if any."""
    pages, _state.pages = _state.pages, []
    for page in pages:
        if page[0]:
            line, file, message = page[:].rstrip(b"\0").decode(errors="replace").split("\n", 2)
            return AutodiffError(
                f"in a forked process: {message}",
                where=Location(file, int(line)) if int(line) else None,
                hint="processes cannot share a derivative; compute it in this process",
            )
    return None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_child=_after_in_child)
listeners.append(_tell_parent)
