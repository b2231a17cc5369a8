"""``scipy.stats.gaussian_kde``: the estimate at traced points, and with a traced data set, weights or bandwidth.

Formula: D. W. Scott, *Multivariate Density Estimation*, 1992, chapter 6; a sum of normal densities with the data's
covariance times the bandwidth factor squared.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.special as sp
from scipy import stats

from gradcheck.autodiff.core import plain, plain_tree, shape_of
from gradcheck.autodiff.errors import unsupported
from gradcheck.autodiff.rules.reductions import as_traced
from gradcheck.autodiff.rules.scipy.partials import GRAFT
from gradcheck.autodiff.rules.scipy.registry import construct, methods, original

KDE = stats.gaussian_kde


def _log_estimate(points: Any, dataset: Any, weights: Any, covariance: Any) -> Any:
    """log Σᵢ wᵢ N(x; xᵢ, C) at each column x of the points."""
    points = as_traced(points)
    d = shape_of(dataset)[0]
    n = len(shape_of(points))
    if n < 2:
        points = np.reshape(points, (1, -1))
    if shape_of(points)[0] != d:
        if shape_of(points) != (1, d):
            raise ValueError(f"points have dimension {shape_of(points)[0]}, dataset has dimension {d}")
        points = np.reshape(points, (d, 1))
    L = np.linalg.inv(np.linalg.cholesky(covariance))
    white = L @ points
    data = L @ dataset
    square = np.sum((white[:, :, None] - data[:, None, :]) ** 2, axis=0)
    constant = 0.5 * (d * math.log(2.0 * math.pi) + np.linalg.slogdet(covariance)[1])
    exponent = -0.5 * square
    top = np.max(plain(exponent), axis=1, keepdims=True)
    return np.log(np.sum(weights * np.exp(exponent - top), axis=1)) + top[:, 0] - constant


class TracedKDE:
    """A kernel density estimate of traced data, with the interface of ``gaussian_kde`` for points and bandwidth."""

    def __init__(self, dataset: Any, bw_method: Any = None, weights: Any = None) -> None:
        dataset = as_traced(dataset)
        self.dataset = np.reshape(dataset, (1, -1)) if len(shape_of(dataset)) < 2 else dataset
        self.d, self.n = shape_of(self.dataset)
        if self.n < 2:
            raise ValueError("`dataset` input should have multiple elements.")
        weights = np.ones(self.n) if weights is None else as_traced(weights)
        self.weights = weights / np.sum(weights)
        self.neff = 1.0 / np.sum(self.weights * self.weights)
        self.factor = self._factor(bw_method)
        self.covariance = self._data_covariance() * self.factor**2

    def _factor(self, method: Any) -> Any:
        if method is None or isinstance(method, str):
            if method in (None, "scott"):
                return self.neff ** (-1.0 / (self.d + 4))
            if method == "silverman":
                return (self.neff * (self.d + 2.0) / 4.0) ** (-1.0 / (self.d + 4))
            raise ValueError("`bw_method` should be 'scott', 'silverman', a scalar or a callable.")
        return method(self) if callable(method) else method

    def _data_covariance(self) -> Any:
        """With weights as reliabilities: Σ w (x−m)(x−m)ᵀ/(1 − Σ w²), as np.cov has it."""
        centered = self.dataset - np.sum(self.dataset * self.weights, axis=1, keepdims=True)
        return (centered * self.weights) @ centered.T / (1.0 - np.sum(self.weights * self.weights))

    def covariance_factor(self) -> Any:
        return self.factor

    def scotts_factor(self) -> Any:
        return self._factor("scott")

    def silverman_factor(self) -> Any:
        return self._factor("silverman")

    def logpdf(self, x: Any) -> Any:
        value = KDE_LOGPDF(self._plain(), plain_tree(x))
        return GRAFT(_log_estimate(x, self.dataset, self.weights, self.covariance), value=value)

    def evaluate(self, points: Any) -> Any:
        value = KDE_EVALUATE(self._plain(), plain_tree(points))
        return GRAFT(np.exp(_log_estimate(points, self.dataset, self.weights, self.covariance)), value=value)

    pdf = __call__ = evaluate

    def _plain(self) -> Any:
        return ORIGINAL(plain(self.dataset), plain(self.factor), plain(self.weights))

    def integrate_box_1d(self, low: Any, high: Any) -> Any:
        spread = np.sqrt(self.covariance[0, 0])
        upper, lower = sp.ndtr((high - self.dataset[0]) / spread), sp.ndtr((low - self.dataset[0]) / spread)
        return np.sum(self.weights * (upper - lower))

    def __getattr__(self, name: str) -> Any:
        raise unsupported(f"scipy.stats.gaussian_kde.{name} of a traced data set is not supported")


ORIGINAL: Any = KDE
KDE_LOGPDF, KDE_EVALUATE = KDE.logpdf, KDE.evaluate


def _make(dataset: Any, bw_method: Any = None, weights: Any = None) -> Any:
    return TracedKDE(dataset, bw_method, weights)


def _logpdf(self: Any, x: Any) -> Any:
    y = _log_estimate(x, self.dataset, self.weights, self.covariance)
    return GRAFT(y, value=original(KDE, "logpdf")(self, plain_tree(x)))


def _evaluate(self: Any, points: Any) -> Any:
    y = _log_estimate(points, self.dataset, self.weights, self.covariance)
    return GRAFT(np.exp(y), value=KDE_EVALUATE(self, plain_tree(points)))


def _integrate_box_1d(self: Any, low: Any, high: Any) -> Any:
    if self.d != 1:
        raise ValueError("integrate_box_1d() only handles 1D pdfs")
    spread = np.sqrt(self.covariance[0, 0])
    upper, lower = sp.ndtr((high - self.dataset[0]) / spread), sp.ndtr((low - self.dataset[0]) / spread)
    return np.sum(self.weights * (upper - lower))


def _refused(name: str) -> Any:
    def handler(*_args: Any, **_keywords: Any) -> Any:
        raise unsupported(f"scipy.stats.gaussian_kde.{name} of traced values is not supported")

    return handler


methods(
    KDE,
    {
        "evaluate": _evaluate, "pdf": _evaluate, "__call__": _evaluate, "logpdf": _logpdf,
        "integrate_box_1d": _integrate_box_1d,
        **{name: _refused(name) for name in ("integrate_gaussian", "integrate_box", "set_bandwidth", "resample")},
    },
)  # fmt: skip
construct(stats, "gaussian_kde", _make, stands=(TracedKDE,))
