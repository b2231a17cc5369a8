"""Physics, chemistry and finance: forces, time stepping, implicit equations, prices."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special

from benchmarks.detection.problem import Bug, Problem, problem


@problem("matrix")
def lennard_jones(rng: np.random.Generator) -> Problem:
    """Energy of six atoms, x is (6, 3)."""
    grid = np.array([[i, j, k] for i in range(3) for j in range(2) for k in range(1)], dtype=float)
    i, j = np.triu_indices(6, 1)

    def f(x: Any) -> Any:
        d = x[i] - x[j]
        s = 1 / np.sum(d * d, axis=1) ** 3
        return np.sum(4 * (s * s - s))

    def g(x: Any, bug: Bug) -> Any:
        d = x[i] - x[j]
        r2 = np.sum(d * d, axis=1)
        s = 1 / r2**3
        force = (-24 * (2 * s * s - bug("term:attraction", s)) / r2)[:, None] * d
        G = np.zeros((6, 3))
        np.add.at(G, i, force)
        np.add.at(G, j, bug("term:reaction", -force))
        return G

    return Problem(f, g, 1.15 * grid + 0.05 * rng.normal(size=(6, 3)))


@problem("matrix", "vector")
def gravity(rng: np.random.Generator) -> Problem:
    """Accelerations of four bodies in a plane: (4, 2) by (4, 2)."""
    m = rng.uniform(0.5, 2, 4)

    def f(x: Any) -> Any:
        d = x[None] - x[:, None]
        r2 = np.sum(d * d, axis=2) + 0.01
        return np.sum(m[None, :, None] * d / r2[:, :, None] ** 1.5, axis=1)

    def g(x: Any, bug: Bug) -> Any:
        J = np.zeros((4, 2, 4, 2))
        for a in range(4):
            for b in range(4):
                if a != b:
                    d = x[b] - x[a]
                    r2 = d @ d + 0.01
                    T = m[b] * (np.eye(2) / r2**1.5 - bug("term:tidal", 3 * np.outer(d, d) / r2**2.5))
                    J[a, :, b] = T
                    J[a, :, a] -= T
        return J

    return Problem(f, g, rng.normal(size=(4, 2)) * 1.5)


@problem("loop", "vector")
def van_der_pol(rng: np.random.Generator) -> Problem:
    """Ten RK4 steps; the end by stiffness and start, sensitivities carried along."""

    def slope(y: Any, mu: Any) -> Any:
        return np.array([y[1], mu * (1 - y[0] ** 2) * y[1] - y[0]])

    def f(p: Any) -> Any:
        y, h = p[1:], 0.1
        for _ in range(10):
            a = slope(y, p[0])
            b = slope(y + 0.5 * h * a, p[0])
            c = slope(y + 0.5 * h * b, p[0])
            y = y + h / 6 * (a + 2 * b + 2 * c + slope(y + h * c, p[0]))
        return y

    def g(p: Any, bug: Bug) -> Any:
        mu, y, S, h = p[0], p[1:], np.hstack([np.zeros((2, 1)), np.eye(2)]), 0.1

        def both(y: Any, S: Any) -> tuple[Any, Any]:
            J = np.array([[0.0, 1.0], [-2 * mu * y[0] * y[1] - 1, mu * (1 - y[0] ** 2)]])
            direct = np.zeros((2, 3))
            direct[1, 0] = bug("term:explicit", (1 - y[0] ** 2) * y[1])
            return slope(y, mu), J @ S + direct

        for _ in range(10):
            a, A = both(y, S)
            b, B = both(y + 0.5 * h * a, S + 0.5 * h * A)
            c, C = both(y + 0.5 * h * b, S + 0.5 * h * B)
            d, D = both(y + h * c, S + h * C)
            y = y + h / 6 * (a + 2 * b + 2 * c + d)
            S = S + h / 6 * (A + bug("factor:midpoint", 2.0, 1.0) * B + 2 * C + D)
        return S

    return Problem(f, g, np.array([1.5, 0.8, -0.3]))


@problem("inplace", "loop")
def heat_equation(rng: np.random.Generator) -> Problem:
    """Explicit steps in place; the misfit at the end by the initial temperatures, adjoint by hand."""
    n, steps, r = 20, 15, 0.3
    goal = rng.normal(size=n)

    def march(u0: Any) -> Any:
        u = np.array(u0)
        for _ in range(steps):
            u[1:-1] += r * (u[2:] - 2 * u[1:-1] + u[:-2])
        return u

    def g(u0: Any, bug: Bug) -> Any:
        a = march(u0) - goal
        for _ in range(steps):
            back = a.copy()
            back[1:-1] -= 2 * r * a[1:-1]
            back[2:] += bug("term:flux from the left", r * a[1:-1])
            back[:-2] += r * a[1:-1]
            a = back
        return bug("overwritten:last step", a, march(u0) - goal)

    return Problem(lambda u0: 0.5 * np.sum((march(u0) - goal) ** 2), g, rng.normal(size=n))


@problem("loop")
def wave_equation(rng: np.random.Generator) -> Problem:
    """Leapfrog with cell speeds; energy at three sensors, adjoint by hand."""
    n, steps = 12, 10
    start = np.exp(-((np.arange(n) - 5.0) ** 2) / 4)

    def states(c: Any) -> list[Any]:
        u = [start + 0 * c, start + 0 * c]
        for _ in range(steps):
            lap = np.roll(u[-1], 1) - 2 * u[-1] + np.roll(u[-1], -1)
            u.append(2 * u[-1] - u[-2] + 0.25 * c * c * lap)
        return u

    def g(c: Any, bug: Bug) -> Any:
        u = states(c)
        now, later = np.zeros(n), np.zeros(n)
        now[[2, 6, 9]] = 2 * u[-1][[2, 6, 9]]
        out = np.zeros(n)
        for k in range(len(u) - 1, 1, -1):
            lap = np.roll(u[k - 1], 1) - 2 * u[k - 1] + np.roll(u[k - 1], -1)
            out += 0.25 * bug("chain:square", 2 * c, 1.0) * now * lap
            w = 0.25 * c * c * now
            spread = np.roll(w, 1) - 2 * w + np.roll(w, -1)
            now, later = later + 2 * now + spread, -bug("term:second level", now, 0 * now)
        return out

    x = rng.uniform(0.7, 1.3, n)
    return Problem(lambda c: np.sum(states(c)[-1][[2, 6, 9]] ** 2), g, x)


@problem("iteration")
def kepler(rng: np.random.Generator) -> Problem:
    """Position from mean anomaly and eccentricity by Newton; implicit derivative."""

    def anomaly(p: Any) -> Any:
        E = p[0] + p[1] * np.sin(p[0])
        for _ in range(12):
            E = E - (E - p[1] * np.sin(E) - p[0]) / (1 - p[1] * np.cos(E))
        return E

    def f(p: Any) -> Any:
        E = anomaly(p)
        return np.array([np.cos(E) - p[1], np.sqrt(1 - p[1] ** 2) * np.sin(E)])

    def g(p: Any, bug: Bug) -> Any:
        E, e = anomaly(p), p[1]
        dE = np.array([1.0, np.sin(E)]) / bug("chain:implicit", 1 - e * np.cos(E), 1.0)
        root = np.sqrt(1 - e * e)
        direct = np.array([[0.0, -1.0], [0.0, bug("term:axis", -e / root * np.sin(E))]])
        return np.outer([-np.sin(E), root * np.cos(E)], dE) + direct

    return Problem(f, g, np.array([1.1, 0.45]))


@problem("scale")
def peng_robinson(rng: np.random.Generator) -> Problem:
    """Pressure of carbon dioxide in pascal by kelvin and cubic metres a mole."""
    R, a, b, k, Tc = 8.314462618, 0.3965, 2.666e-5, 0.7098, 304.13

    def alpha(T: Any) -> Any:
        return (1 + k * (1 - np.sqrt(T / Tc))) ** 2

    def f(s: Any) -> Any:
        T, v = s[0], s[1]
        return R * T / (v - b) - a * alpha(T) / (v * v + 2 * b * v - b * b)

    def g(s: Any, bug: Bug) -> Any:
        T, v = s
        q = v * v + 2 * b * v - b * b
        slope = -k * np.sqrt(alpha(T) / (T * Tc))
        dT = R / (v - b) - bug("term:alpha", a * slope / q)
        return np.array([dT, -R * T / (v - b) ** 2 + a * alpha(T) * (2 * v + bug("term:2b", 2 * b)) / q**2])

    return Problem(f, g, np.array([350.0, 4.2e-4]))


@problem("special")
def black_scholes(rng: np.random.Generator) -> Problem:
    """Call price by spot, strike, rate, volatility, time."""

    def f(p: Any) -> Any:
        S, K, r, v, T = p[0], p[1], p[2], p[3], p[4]
        d = (np.log(S / K) + (r + 0.5 * v * v) * T) / (v * np.sqrt(T))
        return S * special.ndtr(d) - K * np.exp(-r * T) * special.ndtr(d - v * np.sqrt(T))

    def g(p: Any, bug: Bug) -> Any:
        S, K, r, v, T = p
        root, discount = np.sqrt(T), np.exp(-r * T)
        d = (np.log(S / K) + (r + 0.5 * v * v) * T) / (v * root)
        N, M = special.ndtr(d), special.ndtr(d - v * root)
        density = np.exp(-0.5 * d * d) / np.sqrt(2 * np.pi)
        delta = N + bug("term:hedged part", 0.0, S * density / (S * v * root))
        theta = S * density * v / (2 * root) + bug("term:carry", r * K * discount * M)
        vega = S * density * bug("chain:root of time", root, 1.0)
        return np.array([delta, -discount * M, K * T * discount * M, vega, theta])

    return Problem(f, g, np.array([105.0, 100.0, 0.03, 0.22, 0.75]))


@problem("scale")
def arrhenius(rng: np.random.Generator) -> Problem:
    """A rate of 1e13 exp(-80 kJ / RT), in (A, E, T): gradients over many orders."""
    R = 8.314462618

    def g(p: Any, bug: Bug) -> Any:
        A, E, T = p
        k = np.exp(-E / (R * T))
        return np.array([k, -A * k / (R * T), A * k * E / bug("chain:temperature", R * T * T, R * T)])

    return Problem(lambda p: p[0] * np.exp(-p[1] / (R * p[2])), g, np.array([1.3e13, 8.1e4, 310.0]))


@problem("vector")
def robot_arm(rng: np.random.Generator) -> Problem:
    """Tip of three links by joint angles, and its heading."""
    l = np.array([1.0, 0.8, 0.5])

    def f(q: Any) -> Any:
        s = np.cumsum(q)
        return np.array([np.sum(l * np.cos(s)), np.sum(l * np.sin(s)), s[-1]])

    def g(q: Any, bug: Bug) -> Any:
        s = np.cumsum(q)

        def tail(v: Any) -> Any:
            return np.cumsum(v[::-1])[::-1]

        rows = [bug("broadcast:later links", tail(w), w) for w in (-l * np.sin(s), l * np.cos(s))]
        return np.array([*rows, np.ones(3)])

    return Problem(f, g, rng.uniform(-1, 1, 3))


@problem("scale")
def haversine(rng: np.random.Generator) -> Problem:
    """Great-circle distance in metres by four angles in degrees."""
    R, unit = 6.371e6, np.pi / 180

    def f(p: Any) -> Any:
        a, b, c, d = p * unit
        h = np.sin((c - a) / 2) ** 2 + np.cos(a) * np.cos(c) * np.sin((d - b) / 2) ** 2
        return 2 * R * np.arcsin(np.sqrt(h))

    def g(p: Any, bug: Bug) -> Any:
        a, b, c, d = p * unit
        s2 = np.sin((d - b) / 2) ** 2
        h = np.sin((c - a) / 2) ** 2 + np.cos(a) * np.cos(c) * s2
        turn = 0.5 * np.sin(c - a)
        dl = 0.5 * np.cos(a) * np.cos(c) * np.sin(d - b)
        da = -turn - bug("term:meridians", np.sin(a) * np.cos(c) * s2)
        dc = turn - np.cos(a) * np.sin(c) * s2
        return bug("chain:degrees", unit, 1.0) * R / np.sqrt(h * (1 - h)) * np.array([da, -dl, dc, dl])

    return Problem(f, g, np.array([48.1, 11.6, 52.5, 13.4]))


@problem("vector")
def broyden_tridiagonal(rng: np.random.Generator) -> Problem:
    """Twelve equations of twelve unknowns."""

    def f(x: Any) -> Any:
        y = (3 - 2 * x) * x + 1
        y[1:] = y[1:] - x[:-1]
        y[:-1] = y[:-1] - 2 * x[1:]
        return y

    def g(x: Any, bug: Bug) -> Any:
        n = x.size
        J = np.diag(3 - bug("factor:square", 4.0, 2.0) * x)
        J += np.diag(np.full(n - 1, -1.0), bug("transposed:lower", -1, 1))
        return J + np.diag(np.full(n - 1, -2.0), bug("transposed:upper", 1, -1))

    return Problem(f, g, rng.normal(size=12))
