"""``ArrayBox``, autograd's name for a traced array: for code that asks ``isinstance(x, ArrayBox)``."""

from __future__ import annotations

from gradcheck.tracer import Box as ArrayBox

__all__ = ["ArrayBox"]
