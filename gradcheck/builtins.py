"""``list``, ``tuple``, ``dict``, ``isinstance`` and ``type`` for code written with autograd's.

Python's own containers hold traced values here, and ``isinstance`` answers for the plain value, so most of it is
Python's; only ``type`` has to look under the trace.
"""

from __future__ import annotations

import builtins
from typing import Any

from gradcheck.autodiff.core import plain

dict, isinstance, list, tuple = builtins.dict, builtins.isinstance, builtins.list, builtins.tuple

__all__ = ["dict", "isinstance", "list", "tuple", "type"]


def type(x: Any, *args: Any, **keywords: Any) -> Any:
    """The type of the plain value.

    >>> from gradcheck import grad
    >>> grad(lambda x: x if type(x) is float else 2.0 * x)(3.0)
    1.0
    """
    return builtins.type(x, *args, **keywords) if args else builtins.type(plain(x))
