"""``scipy.spatial.distance``: one formula a metric, on the last axis, for pairs, ``cdist`` and ``pdist`` alike.

A distance between equal points is a kink like that of ``abs`` at 0; its derivative there is the middle of the slopes,
0. Every value is compared with SciPy's own: an option that a formula does not follow is refused, never ignored.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.spatial.distance as sd
from scipy.special import rel_entr

from gradcheck.autodiff.core import TRACED, any_active, plain, plain_tree, shape_of
from gradcheck.autodiff.errors import unsupported
from gradcheck.autodiff.rules.scipy.linear import array, floating
from gradcheck.autodiff.rules.scipy.registry import original, replace
from gradcheck.autodiff.rules.scipy.registry import plain as not_differentiable

Metric = Callable[..., Any]


def safe_root(s: Any, power: Any = 0.5) -> Any:
    """s to a power below 1, with slope 0 where s is 0."""
    zero = plain(s) == 0
    if not np.any(zero):
        return s**power
    return np.where(zero, 0.0, np.where(zero, 1.0, s) ** power)


def total(x: Any, w: Any = None) -> Any:
    """The weighted sum along the last axis."""
    return np.sum(x if w is None else x * w, axis=-1)


def _quotient(a: Any, b: Any) -> Any:
    """a/b, and 0 where both are 0."""
    zero = (plain(a) == 0) & (plain(b) == 0)
    return a / b if not np.any(zero) else np.where(zero, 0.0, a / np.where(zero, 1.0, b))


# -- the formulas: u and v (..., n) -> (...) -------------------------------------------------------------------------


def _euclidean(u: Any, v: Any, w: Any = None) -> Any:
    return safe_root(total((u - v) ** 2, w))


def _sqeuclidean(u: Any, v: Any, w: Any = None) -> Any:
    return total((u - v) ** 2, w)


def _cityblock(u: Any, v: Any, w: Any = None) -> Any:
    return total(np.abs(u - v), w)


def _chebyshev(u: Any, v: Any, w: Any = None) -> Any:
    d = np.abs(u - v)
    if w is not None:  # only whether a weight is positive counts
        d = d * (np.asarray(plain_tree(w)) > 0)
    return np.max(d, axis=-1)


def _minkowski(u: Any, v: Any, p: Any = 2, w: Any = None) -> Any:
    if not any_active(p):
        p = plain(p)
        if p == np.inf:
            return _chebyshev(u, v, w)
        if p in (1, 2):
            return _cityblock(u, v, w) if p == 1 else _euclidean(u, v, w)
    d = np.abs(u - v)
    zero = plain(d) == 0
    powers = np.where(zero, 0.0, np.where(zero, 1.0, d) ** p) if np.any(zero) else d**p
    return safe_root(total(powers, w), 1.0 / p)


def _cosine(u: Any, v: Any, w: Any = None) -> Any:
    return 1.0 - total(u * v, w) / np.sqrt(total(u * u, w) * total(v * v, w))


def _correlation(u: Any, v: Any, w: Any = None, centered: bool = True) -> Any:
    if not centered:
        return _cosine(u, v, w)
    share = 1.0 / shape_of(u)[-1] if w is None else w / np.sum(w)
    return _cosine(u - total(u * share)[..., None], v - total(v * share)[..., None], w)


def _canberra(u: Any, v: Any, w: Any = None) -> Any:
    return total(_quotient(np.abs(u - v), np.abs(u) + np.abs(v)), w)


def _braycurtis(u: Any, v: Any, w: Any = None) -> Any:
    return total(np.abs(u - v), w) / total(np.abs(u + v), w)


def _jensenshannon(p: Any, q: Any, base: Any = None) -> Any:
    p, q = p / total(p)[..., None], q / total(q)[..., None]
    m = 0.5 * (p + q)
    js = total(rel_entr(p, m)) + total(rel_entr(q, m))
    if base is not None:
        js = js / np.log(base)
    return safe_root(np.maximum(0.5 * js, 0.0))


def _seuclidean(u: Any, v: Any, V: Any) -> Any:
    return safe_root(total((u - v) ** 2 / V))


def _mahalanobis(u: Any, v: Any, VI: Any) -> Any:
    d = u - v
    return safe_root(total(np.matmul(d, VI) * d))


def _correspondence(u: Any, v: Any, w: Any) -> tuple[Any, Any, Any, Any]:
    """How much of u and v is both false, false and true, true and false, both true. SciPy takes any numbers for truth
    values, so that these dissimilarities are smooth in them."""
    w = 1.0 if w is None else w
    return total(w * (1.0 - u) * (1.0 - v)), total(w * (1.0 - u) * v), total(w * u * (1.0 - v)), total(w * u * v)


def _dice(u: Any, v: Any, w: Any = None) -> Any:
    _, nft, ntf, ntt = _correspondence(u, v, w)
    return (ntf + nft) / (2.0 * ntt + ntf + nft)


def _rogerstanimoto(u: Any, v: Any, w: Any = None) -> Any:
    nff, nft, ntf, ntt = _correspondence(u, v, w)
    return 2.0 * (ntf + nft) / (ntt + nff + 2.0 * (ntf + nft))


def _russellrao(u: Any, v: Any, w: Any = None) -> Any:
    n = float(shape_of(u)[-1]) if w is None else total(w)
    return (n - _correspondence(u, v, w)[3]) / n


def _sokalsneath(u: Any, v: Any, w: Any = None) -> Any:
    _, nft, ntf, ntt = _correspondence(u, v, w)
    return 2.0 * (ntf + nft) / (ntt + 2.0 * (ntf + nft))


def _yule(u: Any, v: Any, w: Any = None) -> Any:
    nff, nft, ntf, ntt = _correspondence(u, v, w)
    some = plain(ntf * nft) != 0
    return np.where(some, 2.0 * ntf * nft / np.where(some, ntt * nff + ntf * nft, 1.0), 0.0)


def _hamming(u: Any, v: Any, w: Any = None) -> Any:
    """Constant in u and v, but not in the weights."""
    unequal = (plain(u) != plain(v)).astype(np.float64)
    return np.mean(unequal, axis=-1) if w is None else total(w * unequal) / total(w)


def _jaccard(u: Any, v: Any, w: Any = None) -> Any:
    true_u, true_v = plain(u) != 0, plain(v) != 0
    w = 1.0 if w is None else w
    some = total(w * (true_u | true_v))
    return total(w * (true_u ^ true_v)) / np.where(plain(some) != 0, some, 1.0)


METRICS: dict[str, Metric] = {
    "euclidean": _euclidean, "sqeuclidean": _sqeuclidean, "cityblock": _cityblock, "chebyshev": _chebyshev,
    "minkowski": _minkowski, "cosine": _cosine, "correlation": _correlation, "canberra": _canberra,
    "braycurtis": _braycurtis, "jensenshannon": _jensenshannon, "seuclidean": _seuclidean,
    "mahalanobis": _mahalanobis, "dice": _dice, "rogerstanimoto": _rogerstanimoto, "russellrao": _russellrao,
    "sokalsneath": _sokalsneath, "yule": _yule, "hamming": _hamming, "jaccard": _jaccard,
}  # fmt: skip
_ALIASES = {
    "euclid": "euclidean", "eu": "euclidean", "e": "euclidean", "sqe": "sqeuclidean", "sqeuclid": "sqeuclidean",
    "cblock": "cityblock", "cb": "cityblock", "c": "cityblock", "chebychev": "chebyshev", "cheby": "chebyshev",
    "cheb": "chebyshev", "ch": "chebyshev", "mi": "minkowski", "m": "minkowski", "pnorm": "minkowski",
    "cos": "cosine", "co": "correlation", "js": "jensenshannon", "mahal": "mahalanobis", "mah": "mahalanobis",
    "se": "seuclidean", "s": "seuclidean", "matching": "hamming", "hamm": "hamming", "ha": "hamming", "h": "hamming",
    "jacc": "jaccard", "ja": "jaccard", "j": "jaccard", "manhattan": "cityblock",
}  # fmt: skip


# Of these some of SciPy's compiled loops take the truth values, whatever the numbers.
_OF_TRUTH = frozenset({"dice", "rogerstanimoto", "russellrao", "sokalsneath", "yule"})


def _truth(x: Any) -> Any:
    return (plain(x) != 0).astype(np.float64)


def same(y: Any, value: Any, name: str) -> Any:
    """y in the type of SciPy's own value, which it must be equal to."""
    dtype = np.result_type(value)
    tolerance = 1e-9 if dtype.itemsize >= 8 else 1e-4
    scale = float(np.max(np.abs(value), initial=0.0, where=np.isfinite(value)))
    if shape_of(y) != np.shape(value) or not np.allclose(
        plain(y), value, rtol=tolerance, atol=tolerance * scale + 1e-14, equal_nan=True
    ):
        raise unsupported(f"{name} with these options", "its formula here comes to another value than SciPy's")
    return y if np.result_type(plain(y)) == dtype else y.astype(dtype)


# -- pairs of vectors ------------------------------------------------------------------------------------------------


def _pair(name: str) -> Metric:
    formula = METRICS[name]

    def handler(u: Any, v: Any, *args: Any, **keywords: Any) -> Any:
        value = original(sd, name)(*plain_tree((u, v, *args)), **plain_tree(keywords))
        rest = [array(a) if isinstance(a, list | tuple) else a for a in args]
        named = {k: array(a) if isinstance(a, list | tuple) else a for k, a in keywords.items()}
        return same(formula(floating(u), floating(v), *rest, **named), value, f"scipy.spatial.distance.{name}")

    handler.__name__ = name
    return handler


def jensenshannon(p: Any, q: Any, base: Any = None, *, axis: int = 0, keepdims: bool = False) -> Any:
    """``scipy.spatial.distance.jensenshannon``: p and q (..., n, ...) with n along ``axis``."""
    p, q = floating(p), floating(q)
    value = original(sd, "jensenshannon")(*plain_tree((p, q, base)), axis=axis, keepdims=keepdims)
    y = _jensenshannon(np.moveaxis(p, axis, -1), np.moveaxis(q, axis, -1), base)
    return same(np.expand_dims(y, axis) if keepdims else y, value, "scipy.spatial.distance.jensenshannon")


# -- all pairs -------------------------------------------------------------------------------------------------------


def _metric_name(metric: Any) -> str | None:
    """The name of one of SciPy's metrics; None for a function of the user's."""
    if isinstance(metric, str):
        name = metric.lower()
        return _ALIASES.get(name, name)
    name = getattr(metric, "__name__", "")
    own = original(sd, name) if hasattr(sd, name) else None
    return name if own is not None and metric in (own, getattr(sd, name)) else None


def _defaults(name: str, points: list[Any], keywords: dict[str, Any]) -> dict[str, Any]:
    """The parameters that SciPy takes from the points where they are not given: variances and covariances."""
    options = {k: array(v) if isinstance(v, list | tuple) else v for k, v in keywords.items() if v is not None}
    if name == "seuclidean" and "V" not in options:
        options["V"] = np.var(np.concatenate(points), axis=0, ddof=1)
    if name == "mahalanobis" and "VI" not in options:
        x = np.concatenate(points)
        d = x - np.mean(x, axis=0)
        options["VI"] = np.linalg.inv(np.matmul(d.T, d) / (shape_of(x)[0] - 1))
    return options


def _all_pairs(u: Any, v: Any, points: list[Any], metric: Any, keywords: dict[str, Any]) -> Any:
    """The distances of u[k] and v[k], (..., n), broadcast."""
    name = _metric_name(metric)
    if name is None:
        lead = np.broadcast_shapes(shape_of(u)[:-1], shape_of(v)[:-1])
        u, v = (np.broadcast_to(x, (*lead, shape_of(x)[-1])) for x in (u, v))
        values = [metric(u[k], v[k], **keywords) for k in np.ndindex(lead)]
        return np.reshape(np.stack(values), lead) if values else np.zeros(lead)
    if name not in METRICS:
        raise unsupported(f"scipy.spatial.distance with the metric {metric!r} of traced values")
    return METRICS[name](u, v, **_defaults(name, points, keywords))


def _into(y: Any, out: Any, name: str) -> Any:
    if out is None:
        return y
    if type(out) not in TRACED:
        raise unsupported(f"{name} writes into a plain array that was made outside of the function", "leave out= away")
    out[...] = y
    return out


def _double(x: Any) -> Any:
    """SciPy computes in double precision."""
    x = floating(x)
    return x if np.result_type(plain(x)) == np.float64 else x.astype(np.float64)


def _plain_metric(metric: Any) -> Any:
    """A metric for SciPy's own run: a user's function may close over traced values."""
    name = _metric_name(metric)
    if name is not None:
        return name
    return lambda u, v, **keywords: plain_tree(metric(u, v, **keywords))


def cdist(XA: Any, XB: Any, metric: Any = "euclidean", *, out: Any = None, **kwargs: Any) -> Any:
    """``scipy.spatial.distance.cdist``: XA (m, n), XB (k, n) -> (m, k), all metrics and their parameters."""
    value = original(sd, "cdist")(*plain_tree((XA, XB)), _plain_metric(metric), **plain_tree(kwargs))
    xa, xb = _double(XA), _double(XB)
    y = _all_pairs(xa[:, None, :], xb[None, :, :], [xa, xb], metric, kwargs)
    if _metric_name(metric) in _OF_TRUTH and not np.allclose(plain(y), value, rtol=1e-9):
        y = _all_pairs(_truth(xa)[:, None, :], _truth(xb)[None, :, :], [xa, xb], metric, kwargs)
    return _into(same(y, value, "scipy.spatial.distance.cdist"), out, "scipy.spatial.distance.cdist")


def pdist(X: Any, metric: Any = "euclidean", *, out: Any = None, **kwargs: Any) -> Any:
    """``scipy.spatial.distance.pdist``: X (m, n) -> (m·(m − 1)/2,), all metrics and their parameters."""
    value = original(sd, "pdist")(plain_tree(X), _plain_metric(metric), **plain_tree(kwargs))
    x = _double(X)
    i, j = np.triu_indices(shape_of(x)[0], 1)
    y = _all_pairs(x[i], x[j], [x], metric, kwargs)
    if _metric_name(metric) in _OF_TRUTH and not np.allclose(plain(y), value, rtol=1e-9):
        y = _all_pairs(_truth(x)[i], _truth(x)[j], [x], metric, kwargs)
    return _into(same(y, value, "scipy.spatial.distance.pdist"), out, "scipy.spatial.distance.pdist")


def squareform(X: Any, force: str = "no", checks: bool = True) -> Any:
    """``scipy.spatial.distance.squareform``: (n·(n − 1)/2,) -> (n, n) and back; only moves elements."""
    x = array(X)
    original(sd, "squareform")(plain(x), force, checks)  # SciPy's own checks
    if len(shape_of(x)) == 1:
        count = shape_of(x)[0]
        places = original(sd, "squareform")(np.arange(1, count + 1))
        zero = np.zeros(1, plain(x).dtype)
        return np.concatenate([zero, x])[places] if count else original(sd, "squareform")(plain(x))
    n = shape_of(x)[0]
    places = original(sd, "squareform")(np.arange(n * n).reshape(n, n), checks=False)
    return np.reshape(x, -1)[places]


def directed_hausdorff(u: Any, v: Any, rng: Any = 0, **keywords: Any) -> Any:
    """``scipy.spatial.distance.directed_hausdorff``: the distance of the pair that decides; its indices are plain."""
    seed = keywords.pop("seed", rng)
    value, i, j = original(sd, "directed_hausdorff")(*plain_tree((u, v)), seed, **keywords)
    return same(_euclidean(_double(u)[i], _double(v)[j]), np.float64(value), "directed_hausdorff"), i, j


replace(sd, {name: _pair(name) for name in METRICS if name != "jensenshannon"})
replace(
    sd,
    {
        "jensenshannon": jensenshannon,
        "cdist": cdist,
        "pdist": pdist,
        "squareform": squareform,
        "directed_hausdorff": directed_hausdorff,
    },
)
not_differentiable(sd, ["is_valid_dm", "is_valid_y", "num_obs_dm", "num_obs_y"])
