"""Which line of the function each mutant of the functions in ``blind/`` has wrong.

Written down before gradcheck had seen any of them, and never adjusted to what it says. Rows as in ``blame_labels.py``.
"""

from __future__ import annotations

from blame_labels import INSIDE, TERM, Row

BLIND_ROWS: list[Row] = [
    ("regression", (27,), "*", (19,), INSIDE),
    ("regression", (28,), "N", (20,), TERM),
    ("regression", (28,), "p", (19,), TERM),
    ("regression", (28,), "T", (19, 20), TERM),
    ("regression", (28,), "*", (20,), INSIDE),
    ("regression", (30,), "delta @ B.T", (16, 17), INSIDE),
    ("regression", (30,), "1.0 - hidden ** 2", (16,), TERM),
    ("regression", (30,), "*", (16,), INSIDE),
    ("regression", (32,), "*", (20,), TERM),
    ("pendulum", (37,), "angles[k + 1] - DATA[k]", (28,), TERM),
    ("pendulum", (37,), "a", (16, 18), INSIDE),
    ("pendulum", (37,), "*", (28,), INSIDE),
    ("pendulum", (38,), "v", (16, 17), INSIDE),
    ("pendulum", (38,), "DT * a", (18,), TERM),
    ("pendulum", (38,), "DT", (18,), TERM),
    ("pendulum", (38,), "a", (18,), INSIDE),
    ("pendulum", (39, 40), "DT", (16, 17), TERM),
    ("pendulum", (39, 40), "v", (16, 17), INSIDE),
    ("pendulum", (39, 40), "DT * v", (16, 17), INSIDE),
    ("pendulum", (39, 40), "*", (16,), TERM),
    ("pendulum", (41,), "a", (18,), TERM),
    ("pendulum", (42,), "+v", (17,), TERM),
    ("pendulum", (41, 42), "DT", (16, 17), TERM),
    ("pendulum", (41, 42), "v", (16, 17), INSIDE),
    ("pendulum", (41, 42), "DT * v", (16, 17), INSIDE),
    ("pendulum", (41, 42), "DT * v * p[0]", (16, 17), INSIDE),
    ("pendulum", (41, 42), "*", (16,), TERM),
    ("pendulum", (43,), "*", (29,), TERM),
    ("garch", (24, 25), "*", (13,), INSIDE),
    ("garch", (26,), "*", (13,), TERM),
    ("garch", (29,), "*", (16,), INSIDE),
    ("garch", (30, 31), "dh", (17,), INSIDE),
    ("garch", (30, 31), "0.5 * dh", (17,), INSIDE),
    ("garch", (30, 31), "0.5 * e ** 2 * dh", (17,), INSIDE),
    ("garch", (30, 31, 32), "*", (17,), TERM),
    ("garch", (34,), "*", (18,), INSIDE),
    ("garch", (35,), "dh", (18,), INSIDE),
    ("garch", (35, 36, 37, 38, 39), "*", (18,), TERM),
]
