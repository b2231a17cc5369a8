"""The problems, by field."""

from benchmarks.detection.problems import (  # noqa: F401
    algebra,
    kinks,
    large,
    learning,
    mechanics,
    noise,
    scales,
    statistics,
)
