"""``scipy.stats``: distributions, fits to data, statistics of samples."""

from __future__ import annotations

from gradcheck.autodiff.rules.scipy.stats import density, lazy, modern, moments, multivariate, samples, univariate

__all__ = ["density", "lazy", "modern", "moments", "multivariate", "samples", "univariate"]
