"""``const_graph``: for code that calls it. Recording is cheap here, so nothing is cached."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any


def const_graph(fun: Callable[..., Any], *args: Any, **keywords: Any) -> Callable[..., Any]:
    """``functools.partial(fun, *args, **keywords)``.

    autograd's runs fun's Python code once only and repeats the recorded operations, which is wrong where fun has
    branches; here fun is called every time.

    >>> const_graph(lambda a, x: a * x, 2.0)(3.0)
    6.0
    """
    return functools.wraps(fun)(functools.partial(fun, *args, **keywords))
