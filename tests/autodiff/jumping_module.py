"""A module of the user's whose callback returns plain numbers, so that nothing in it is ever refused."""

from __future__ import annotations

from typing import Any

from scipy.integrate import quad


def step_integral(x: Any, high: float) -> Any:
    return quad(lambda t: 1.0 if t > x else 0.0, 0.0, high)[0]
