"""Fit of a damped pendulum to measured angles: symplectic Euler, gradient by the discrete adjoint."""

import numpy as np

STEPS, DT = 12, 0.1
rng = np.random.default_rng(43)
DATA = 0.8 * np.cos(2.0 * DT * np.arange(1, STEPS + 1)) + 0.02 * rng.normal(size=STEPS)
P0 = np.array([4.1, 0.3, 0.75, 0.1])


def simulate(p):
    """p = (stiffness, damping, initial angle, initial velocity)."""
    angle, velocity = p[2], p[3]
    angles, velocities = [angle], [velocity]
    for _ in range(STEPS):
        force = -p[0] * np.sin(angle) - p[1] * velocity
        velocity = velocity + DT * force
        angle = angle + DT * velocity
        angles.append(angle)
        velocities.append(velocity)
    return angles, velocities


def misfit(p=P0):
    angles, _ = simulate(p)
    total = 0.0
    for k in range(STEPS):
        total = total + 0.5 * (angles[k + 1] - DATA[k]) ** 2
    return total + 0.05 * p[1] ** 2


def misfit_grad(p=P0):
    angles, velocities = simulate(p)
    a, v = 0.0, 0.0
    g = np.zeros(4)
    for k in range(STEPS - 1, -1, -1):
        a = a + (angles[k + 1] - DATA[k])
        v = v + DT * a
        g[0] -= DT * v * np.sin(angles[k])
        g[1] -= DT * v * velocities[k]
        a = a - DT * v * p[0] * np.cos(angles[k])
        v = v - DT * v * p[1]
    g[1] += 0.1 * p[1]
    g[2] = a
    g[3] = v
    return g
