"""Values in the notation of ``--at``, so that a point in a message can be copied; ``values.py`` reads it.

Lowest part of the check floor.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Above this many numbers a value is not written out: the line would be longer than a terminal is high.
WRITTEN_OUT = 64

DTYPES = (
    "float",
    "int",
    "bool",
    "complex",
    "float16",
    "float32",
    "float64",
    "int32",
    "int64",
    "complex64",
    "complex128",
)


def write_values(values: Mapping[str, Any]) -> str | None:
    """Write values in the notation of ``--at``; None where one of them cannot be written or is too large.

    >>> write_values({"x": 0.5, "n": 3})
    'x=0.5; n=3'
    """
    parts = [(name, write_value(value)) for name, value in values.items()]
    if any(text is None for _, text in parts):
        return None
    return "; ".join(f"{name}={text}" for name, text in parts)


def write_value(value: Any) -> str | None:
    """One value as text that ``values.parse_values`` reads back to the same bits, or None.

    >>> write_value((1, 2.5)), write_value(float("inf"))
    ('(1, 2.5)', 'inf')
    """
    if value is None or isinstance(value, bool | int | str):
        return repr(value) if not isinstance(value, str) or ";" not in value else None
    if type(value) in (float, complex):
        return repr(value)
    if isinstance(value, tuple):
        items = [write_value(item) for item in value]
        written = [item for item in items if item is not None]
        if len(written) < len(items):
            return None
        return "(" + ", ".join(written) + ("," if len(items) == 1 else "") + ")"
    import numpy as np

    if isinstance(value, np.ndarray | np.generic) and value.size <= WRITTEN_OUT and value.dtype.name in DTYPES:
        listed = repr(value.tolist())
        if value.dtype == np.float64 and value.ndim > 0 and value.size > 0:
            return listed
        if isinstance(value, np.float64):
            return listed
        shaped = f"reshape({listed}, {value.shape})" if value.size == 0 and value.ndim > 1 else listed
        return f"array({shaped}, dtype={value.dtype.name})"
    return None
