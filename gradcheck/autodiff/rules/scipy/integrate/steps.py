"""The steps that solve_ivp takes by itself, where no t_eval is given.

Where they lie depends on all that the solution depends on, by the solver's error estimates; the derivative of that is
noise of the method, of no use to anybody, but a difference quotient of the user's function has it. The derivative here
is that of the solution, at steps that stay. So whatever depends on where a step lies is refused: with cotangents ḡ of
the times and states the result moves with step i by ḡt_i + ḡy_i · y'(t_i), which must be zero.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gradcheck.autodiff.core import TRACED, Primitive, is_complex, plain, shape_of
from gradcheck.autodiff.errors import AutodiffError, user_location
from gradcheck.autodiff.forward import other_choice
from gradcheck.errors import Location

# What stays of such a sum is rounding.
ROUNDING = 1e-9


def _function(times: Any, states: Any, **static: Any) -> Any:
    if type(times) in TRACED or type(states) in TRACED:
        return NODES(times, states, **static)
    other_choice()
    return np.array(times), np.array(states)


def _pull(g: Any, slopes: Any, where: Location | None) -> None:
    by_time, by_state = (plain(e) for e in g)
    parts = np.real(by_state * slopes)
    moved = by_time + np.sum(parts, axis=-1)
    size = np.abs(by_time) + np.sum(np.abs(parts), axis=-1)
    if np.any((np.abs(moved) > ROUNDING * size)[1:-1]):
        error = AutodiffError(
            "the result depends on which steps solve_ivp takes: their derivative is not that of the solution",
            where=where,
            hint="pass t_eval=..., or use dense_output=True and sol(t); the first and the last step are right",
        )
        error.placed = True
        raise error


def _vjp(k: int, _y: Any, times: Any, states: Any, *, slopes: Any, where: Location | None) -> Any:
    def pull(g: Any) -> Any:
        _pull(g, slopes, where)
        d = g[k]
        return np.real(d) if is_complex(d) and not is_complex((times, states)[k]) else d

    return pull


def _jvp(k: int, t: Any, _y: Any, times: Any, states: Any, *, slopes: Any, where: Location | None) -> Any:
    along = (t, np.zeros(shape_of(states))) if k == 0 else (np.zeros(shape_of(times)), t)
    if k == 0 or not other_choice():
        return along
    # In the second run the steps move, each by its own part: nan for whatever depends on that.
    move = np.max(np.abs(plain(t))) * np.random.default_rng(0).uniform(0.5, 1.0, len(slopes))
    move[[0, -1]] = 0.0
    return along[0] + move, along[1] + move[:, None] * slopes


NODES: Primitive = Primitive(_function, _vjp, _jvp, name="scipy.integrate.solve_ivp", outputs=2)


def free_steps(times: Any, states: Any, slopes: Any) -> tuple[Any, Any]:
    """Times (n,) and states (n, m) at the solver's own steps, with the plain time derivatives of the states (n, m):
    right for what does not depend on the steps between the first and the last, refused for the rest."""
    found: tuple[Any, Any] = NODES(times, states, slopes=slopes, where=user_location())
    return found
