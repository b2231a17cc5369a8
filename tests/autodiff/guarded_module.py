"""A second module of a user's: guards on the type in code that the traced function only calls."""

from __future__ import annotations

from typing import Any

import numpy


def by_type(x: Any) -> Any:
    return x * 2.0 if type(x) is float else x * 3.0


def as_list(x: Any) -> Any:
    return sum(x) * 2.0 if hasattr(x, "__len__") else x * 3.0


class Scaler:
    def __call__(self, x: Any) -> Any:
        return x * 2.0 if type(x) is numpy.ndarray else x * 5.0
