"""Initial value problems: solve_ivp and odeint.

The derivative of the solution y' = f(t, y; c) with respect to initial values and to whatever f has captured is the
solution of the variational equations, S' = ∂f/∂y·S + ∂f/∂c. They are what f becomes on jets (``closures.py``), and are
solved along with y by SciPy's own methods; with nested traces the jets hold the higher variational equations too.
Values are SciPy's own, from a run of the user's call on plain numbers. Derivatives are those of the true solution,
solved for at the tolerances asked for or at :data:`RTOL`, :data:`ATOL` where those are tighter: not of the steps
that the solver happened to take. Finite differences of an adaptive solver are noisy, and off by as much as its
tolerance.

Times: the solution at t + δ, where δ is zero but for its derivatives, is one Runge-Kutta step of length δ on traced
values; its order is what the traces can ask for. An event is where g(t, y(t)) = 0 by Newton's method in δ.

Source: E. Hairer, S. Nørsett, G. Wanner, *Solving Ordinary Differential Equations I*, 2nd ed. 1993, I.14
(derivatives with respect to parameters and initial values).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import scipy.integrate

from gradcheck.autodiff.closures import Callback, Jets, cutting, enough, order, stripped
from gradcheck.autodiff.core import TRACED, any_active, is_active, is_complex, plain, plain_tree, shape_of
from gradcheck.autodiff.decisions import LOOKS, Path, noting, refuse_jump, watching
from gradcheck.autodiff.errors import unsupported
from gradcheck.autodiff.jumps import Samples, refuse_moving
from gradcheck.autodiff.products import jvp
from gradcheck.autodiff.rules.reductions import as_traced
from gradcheck.autodiff.rules.scipy.integrate.steps import free_steps
from gradcheck.autodiff.rules.scipy.registry import original, replace
from gradcheck.autodiff.stores import without_derivative

Function = Callable[..., Any]
RTOL, ATOL = 1e-8, 1e-10
# An explicit method for the variational equations that reaches these tolerances; implicit ones solve their own.
EXPLICIT = {"RK23": "DOP853", "RK45": "DOP853"}


def _step(f: Function, t: Any, y: Any, delta: Any) -> Any:
    """y(t + δ) from y(t), for a δ whose plain value is 0: exact to the number of live traces."""
    if not any_active(delta):
        return y
    n = order()
    k1 = f(t, y)
    if n == 1:
        return y + delta * k1
    half = delta * 0.5
    k2 = f(t + half, y + half * k1)
    if n == 2:
        return y + delta * k2
    if n > 4:
        raise unsupported("derivatives of an ODE's solution with respect to time of an order higher than 4")
    k3 = f(t + half, y + half * k2)
    k4 = f(t + delta, y + delta * k3)
    return y + delta / 6.0 * (k1 + 2.0 * (k2 + k3) + k4)


def _delta(t: Any) -> Any:
    return t - plain(t) if any_active(t) else 0.0


class _Right(Callback):
    """A right-hand side that remembers the states it was asked for.

    Args:
        shape: of a state; a call for several states at once, or for another kind of them, is not remembered.
        first: whether the time is its first argument.
    """

    def __init__(self, function: Function, args: tuple[Any, ...], shape: tuple[int, ...], first: bool) -> None:
        super().__init__(function, args)
        self.shape, self.first, self.samples = shape, first, Samples()

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        y = super().__call__(*args, **keywords)
        if len(args) == 2:
            t, state = args if self.first else args[::-1]
            if np.size(state) == np.prod(self.shape, dtype=int):
                self.samples.add(np.concatenate([[t], np.reshape(state, -1)]), y)
        return y

    def steady(self) -> None:
        """An error where it jumps along the solution, at a place that moves."""

        def evaluate(at: Any) -> Any:
            t, state = float(at[0].real), np.reshape(at[1:], self.shape)
            return Callback.__call__(self, *((t, state) if self.first else (state, t)))

        refuse_moving(evaluate, self.samples.all, "the right-hand side of an ODE")


class _Flow:
    """The solution of an initial value problem on jets.

    Args:
        f: f(t, y), with one state as argument.
        start: the (traced) initial time.
        y0: the (traced) initial state.
        solve: (right-hand side, initial vector) -> solution of the plain problem.
        twofold: whether the state is complex.
    """

    def __init__(self, f: Function, start: Any, y0: Any, solve: Function, twofold: bool) -> None:
        self.f, self.twofold = f, twofold
        # The last evaluation (where, value, path), the changes of path that were looked into, the largest value.
        self.last: Any = None
        self.looked: set[Any] = set()
        self.size = 0.0
        self.jets = jets = Jets()

        # What is differentiated again, where several traces are live: the slopes of a kink jump.
        self.samples = Samples()

        def rhs(t: float, jet: Any) -> Any:
            at = np.concatenate([[t], jet])
            value, path = self._evaluate(at)
            self._look(at, value, path)
            if len(jets.traces) > 1:
                self.samples.add(at, value[jets.lower(value.size // jets.factor)])
            return value

        def run() -> Any:
            self.last, self.looked, self.size = None, set(), 0.0
            self.samples = Samples()
            with cutting() as marks:
                # The solution at the plain initial time: a step back from the traced one.
                first = jets.encode(self._split(_step(self.right, start, self._cast(y0), -_delta(start))), marks)
            return solve(rhs, first)

        with watching():
            self.solution = jets.settle(run)

        def slopes(at: Any) -> Any:
            value, _ = self._evaluate(at)
            return value[jets.lower(value.size // jets.factor)]

        refuse_moving(slopes, self.samples.all, "the derivative of the right-hand side of an ODE")

    def _evaluate(self, at: Any) -> tuple[Any, Path]:
        """The right-hand side on jets, at (t, jet), and its path."""
        with noting() as path:
            value = self.jets.along(lambda z: self._right(float(at[0]), z), at[1:])
        return value, tuple(path)

    def _look(self, at: Any, value: Any, path: Path) -> None:
        """An error where the right-hand side jumps, by a decision of differentiated values, since the last time."""
        n = value.size // self.jets.factor
        self.size = max(self.size, float(np.max(np.abs(value[:n]), initial=0.0)))
        before, self.last = self.last, (at, value[:n], path)
        if before is None or before[2] == path or len(before[0]) != len(at) or len(self.looked) > LOOKS:
            return
        if (before[2], path) not in self.looked:
            self.looked |= {(before[2], path), (path, before[2])}

            def evaluate(x: Any) -> tuple[Any, Path]:
                y, p = self._evaluate(x)
                return y[:n], p

            refuse_jump(evaluate, before, self.last, self.size, "the right-hand side of an ODE")

    def _cast(self, y: Any) -> Any:
        return y + 0j if self.twofold and not is_complex(y) else y

    def right(self, t: Any, y: Any) -> Any:
        return np.reshape(as_traced(self.f(t, y)), shape_of(y))

    def _split(self, y: Any) -> Any:
        return np.concatenate([np.real(y), np.imag(y)], axis=-1) if self.twofold else y

    def join(self, z: Any) -> Any:
        """Real and imaginary parts, along the last axis, as what they are the parts of."""
        if not self.twofold:
            return z
        n = shape_of(z)[-1] // 2
        return z[..., :n] + 1j * z[..., n:]

    def _right(self, t: float, z: Any) -> Any:
        return self._split(self.right(t, self.join(z)))

    def states(self, jets: Any, values: Any) -> Any:
        """Traced states of shape (times, n) from jets, with SciPy's own values."""
        return self.join(self.jets.decode(jets, self._split(values)))

    def at(self, times: Any, states: Any) -> Any:
        """States at traced times from those at their plain values; times: a list, states: (times, n)."""
        if not any_active(list(times)):
            return states
        return np.stack([_step(self.right, plain(t), states[i], _delta(t)) for i, t in enumerate(times)])


# -- solve_ivp ---------------------------------------------------------------------------------------------------------


def _event(event: Function, args: tuple[Any, ...]) -> Callback:
    callback = Callback(event, args)
    for name in ("terminal", "direction"):
        if hasattr(event, name):
            setattr(callback, name, plain_tree(getattr(event, name)))
    return callback


def solve_ivp(
    fun: Function,
    t_span: Any,
    y0: Any,
    method: Any = "RK45",
    t_eval: Any = None,
    dense_output: bool = False,
    events: Any = None,
    vectorized: bool = False,
    args: Any = None,
    **options: Any,
) -> Any:
    """``scipy.integrate.solve_ivp``: t, y, sol, t_events and y_events carry derivatives with respect to y0, t_span,
    t_eval, args, and whatever fun and the events have captured; without t_eval what depends on which steps the solver
    takes is refused (``steps.py``). Every method and option is followed; ``jac`` is used in SciPy's own run alone."""
    args = () if args is None else tuple(args)
    y0, times = as_traced(y0), None if t_eval is None else as_traced(t_eval)
    callback = _Right(fun, args, (*np.shape(plain(y0)), 1) if vectorized else np.shape(plain(y0)), True)
    many: list[Any] = [] if events is None else [events] if callable(events) else list(events)
    plain_events = [_event(e, args) for e in many]
    settings = {k: stripped(v, args if k == "jac" else ()) for k, v in options.items()}
    with watching(), noting() as path:
        result = original(scipy.integrate, "solve_ivp")(
            callback,
            plain_tree(list(t_span)),
            plain(y0),
            method,
            plain(times),
            dense_output,
            plain_events if events is not None else None,
            vectorized,
            None,
            **settings,
        )
    moving = callback.active or bool(path) or any_active([y0, times, *t_span])
    done = enough(moving or any(e.active for e in plain_events))
    if not (done and moving):
        callback.steady()
    if done:
        return result

    def f(t: Any, y: Any) -> Any:
        return fun(t, y[:, None], *args)[:, 0] if vectorized else fun(t, y, *args)

    return _traced_result(result, f, t_span, y0, times, [(e, args) for e in many], method, settings, dense_output)


def _traced_result(
    result: Any,
    f: Function,
    t_span: Any,
    y0: Any,
    t_eval: Any,
    events: Sequence[Any],
    method: Any,
    settings: dict[str, Any],
    dense: bool,
) -> Any:
    if not result.success:
        raise unsupported(f"scipy.integrate.solve_ivp did not come to the end: {result.message}")
    found = [(e, float(t)) for e, ts in enumerate(result.t_events or []) for t in ts]
    points = np.unique([float(plain(t_span[0])), *result.t, *(t for _, t in found)])
    flow = _Flow(
        f, t_span[0], y0, _ivp(t_span, points, method, settings, dense), is_complex(result.y) or is_complex(y0)
    )
    table = flow.solution[0]

    def row(t: float) -> Any:
        return table[int(np.searchsorted(points, t))]

    out = dict(result)
    crossings = []
    for e, t in found:
        values = result.y_events[e][list(result.t_events[e]).index(t)]
        event, args = events[e]
        crossings.append(_crossing(flow, event, args, t, flow.states(row(t), values)))
    if found:
        out["t_events"], out["y_events"] = _sorted_by_event(found, crossings, result)
    times: list[Any] = [float(t) for t in result.t]
    if t_eval is not None:
        times = [t_eval[i] for i in range(len(times))]
    elif times:
        times[0] = t_span[0] if any_active(t_span[0]) else times[0]
        if result.status == 0 and any_active(t_span[1]):
            times[-1] = t_span[1]
    out["y"] = result.y
    if len(times):
        states = flow.at(times, flow.states(np.stack([row(t) for t in result.t]), np.ascontiguousarray(result.y.T)))
        if result.status == 1 and t_eval is None:  # it ended at an event: the last one in time
            last = max(range(len(found)), key=lambda i: found[i][1] * np.sign(result.t[-1] - result.t[0]))
            times[-1] = crossings[last][0]
            states = np.concatenate([states[:-1], crossings[last][1][None]])
        out["t"] = as_traced(times) if any_active(times) else result.t
        if t_eval is None and len(times) > 2 and not _equal_steps(result.t, settings):
            with cutting():
                slopes = np.stack([plain(flow.right(float(t), y)) for t, y in zip(result.t, result.y.T, strict=True)])
            out["t"], states = free_steps(out["t"], states, slopes)
        out["y"] = np.transpose(states)
    if dense:
        out["sol"] = TracedSolution(flow, result.sol, out["t"] if t_eval is None else None)
    return type(result)(out)


def _equal_steps(t: Any, settings: dict[str, Any]) -> bool:
    """Whether all steps but the last one are as long as they may be: then they do not move."""
    longest = float(settings.get("max_step", np.inf))
    return bool(np.all(np.abs(np.abs(np.diff(t)[:-1]) - longest) <= 1e-9 * longest)) if longest < np.inf else False


def _ivp(t_span: Any, points: Any, method: Any, settings: dict[str, Any], dense: bool) -> Function:
    """The solver of the variational equations: (their values at the points, their continuous solution)."""
    start, end = (float(plain(t)) for t in t_span)
    kept: dict[str, Any] = {k: settings[k] for k in ("max_step", "min_step") if k in settings}
    kept["rtol"] = min(float(np.min(settings.get("rtol", RTOL))), RTOL)
    kept["atol"] = min(float(np.min(settings.get("atol", ATOL))), ATOL)
    if method not in EXPLICIT and method != "DOP853":
        kept["rtol"], kept["atol"] = max(kept["rtol"], 1e-7), max(kept["atol"], 1e-9)

    def solve(rhs: Function, first: Any) -> Any:
        forwards = end >= start
        solution = original(scipy.integrate, "solve_ivp")(
            rhs,
            (start, end),
            first,
            EXPLICIT.get(method, method) if isinstance(method, str) else method,
            points if forwards else points[::-1],
            dense,
            **kept,
        )
        if not solution.success:
            raise unsupported(f"the variational equations of an ODE could not be solved: {solution.message}")
        table = solution.y.T
        return (table if forwards else table[::-1]), solution.sol

    return solve


def _crossing(flow: _Flow, event: Function, args: tuple[Any, ...], t: float, y: Any) -> tuple[Any, Any]:
    """Time and state of an event, traced."""

    def g(delta: Any, state: Any) -> Any:
        return np.reshape(as_traced(event(t + delta, _step(flow.right, t, state, delta), *args)), (-1,))[0]

    state = np.array(plain(y))
    with cutting():
        k = plain(flow.right(t, state))
        slope = plain(jvp(lambda s: event(t + s, state + s * k, *args), (0.0,), (1.0,))[1])
    slope = float(np.reshape(slope, -1)[0])
    if slope == 0 or not np.isfinite(slope):
        raise unsupported(f"the event at t = {t:g} is touched, not crossed: its time has no derivative")
    delta: Any = 0.0
    for _ in range(order()):
        residual = g(delta, y)
        if type(residual) in TRACED:
            delta = delta - (residual - plain(residual)) / slope
    return t + delta, _step(flow.right, t, y, delta)


def _sorted_by_event(found: list[tuple[int, float]], crossings: list[Any], result: Any) -> tuple[list[Any], list[Any]]:
    times, states = list(result.t_events), list(result.y_events)
    for e in {e for e, _ in found}:
        mine = [c for (k, _), c in zip(found, crossings, strict=True) if k == e]
        times[e] = as_traced([t for t, _ in mine])
        states[e] = np.stack([y for _, y in mine])
    return times, states


class TracedSolution:
    """What ``solve_ivp(..., dense_output=True).sol`` is where the solution carries derivatives: t -> y(t), of shape
    (n,) or (n, times); t may be traced. Limits and breakpoints are ``OdeSolution``'s."""

    def __init__(self, flow: _Flow, own: Any, steps: Any) -> None:
        self.flow, self.own = flow, own
        if steps is not None:
            self.ts = steps

    def __getattr__(self, name: str) -> Any:
        if name in ("t_min", "t_max", "n_segments", "ascending", "side"):
            return getattr(self.own, name)
        raise unsupported(f"OdeSolution.{name} of a solution that carries derivatives")

    def __call__(self, t: Any) -> Any:
        t = as_traced(t)
        value = plain(t)
        single = np.ndim(value) == 0
        times = [t] if single else [t[i] for i in range(len(value))]
        values = np.atleast_2d(self.own(np.atleast_1d(value)).T)
        jets = self.flow.solution[1](np.atleast_1d(value)).T
        states = self.flow.at(times, self.flow.states(jets, values))
        return states[0] if single else np.transpose(states)


# -- odeint ------------------------------------------------------------------------------------------------------------


def odeint(func: Function, y0: Any, t: Any, args: Any = (), Dfun: Any = None, *positional: Any, **options: Any) -> Any:
    """``scipy.integrate.odeint``: derivatives with respect to y0, t, args and whatever func has captured. ``Dfun``
    is used in SciPy's own run alone."""
    names: tuple[str, ...] = (
        "col_deriv",
        "full_output",
        "ml",
        "mu",
        "rtol",
        "atol",
        "tcrit",
        "h0",
        "hmax",
        "hmin",
        "ixpr",
        "mxstep",
    )
    names += ("mxhnil", "mxordn", "mxords", "printmessg", "tfirst")
    options = plain_tree({**dict(zip(names, positional, strict=False)), **options})
    args = args if isinstance(args, tuple) else (args,)
    first = options.get("tfirst", False)
    y0, t = as_traced(y0), as_traced(t)
    callback = _Right(func, args, shape_of(y0) or (1,), bool(first))
    run = original(scipy.integrate, "odeint")
    with watching(), noting() as path:
        result = run(callback, plain(y0), plain(t), (), stripped(Dfun, args), **options)
    moving = callback.active or bool(path) or any_active([y0, t])
    done = enough(moving)
    if not (done and moving):
        callback.steady()
    if done:
        return result
    quiet = {k: v for k, v in options.items() if k in ("tcrit", "h0", "hmax", "hmin", "mxordn", "mxords")}
    for name, bound in (("rtol", RTOL), ("atol", ATOL)):
        quiet[name] = bound if options.get(name) is None else min(float(np.min(options[name])), bound)
    quiet["mxstep"] = max(options.get("mxstep", 0), 5000)

    def solve(rhs: Function, start: Any) -> Any:
        table, info = run(rhs, start, plain(t), tfirst=True, full_output=True, **quiet)
        if info["message"] != "Integration successful.":
            raise unsupported(f"the variational equations of an ODE could not be solved: {info['message']}")
        return table

    def f(s: Any, y: Any) -> Any:
        return func(s, y, *args) if first else func(y, s, *args)

    state = y0 if shape_of(y0) else np.reshape(y0, (1,))
    flow = _Flow(f, t[0], state, solve, False)
    own = result[0] if options.get("full_output") else result
    states = flow.states(flow.solution, own)
    if type(t) in TRACED and is_active(t):
        states = flow.at([t[i] for i in range(len(plain(t)))], states)
    if options.get("full_output"):
        return states, without_derivative(result[1], "scipy.integrate.odeint")
    return states


replace(scipy.integrate, {"solve_ivp": solve_ivp, "odeint": odeint}, always=("solve_ivp", "odeint"))
