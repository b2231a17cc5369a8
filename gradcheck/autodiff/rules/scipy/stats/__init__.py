"""``scipy.stats``: distributions, fits to data, statistics of samples."""

from __future__ import annotations

from gradcheck.autodiff.rules.scipy.stats import lazy, moments, univariate

__all__ = ["lazy", "moments", "univariate"]
