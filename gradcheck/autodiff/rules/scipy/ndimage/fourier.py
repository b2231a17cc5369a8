"""Filters of an image's Fourier transform: each multiplies it by weights that do not depend on it.

The weights are SciPy's own, the filter of an image of ones; in their parameters (the width of a Gaussian, the way of a
shift) the call is differentiated numerically.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.ndimage as nd

from gradcheck.autodiff.core import any_active, is_complex, plain, plain_tree, shape_of
from gradcheck.autodiff.fallback import numeric
from gradcheck.autodiff.rules.scipy.ndimage.extend import deliver, image
from gradcheck.autodiff.rules.scipy.registry import original


def _filter(name: str) -> Callable[..., Any]:
    function = original(nd, name)
    fallback = numeric(function, f"scipy.ndimage.{name}")

    def handler(input: Any, parameter: Any, n: int = -1, axis: int = -1, output: Any = None) -> Any:
        if any_active(parameter):
            return fallback(input, parameter, n, axis, output)
        x = image(input, output)
        weights = function(np.ones(shape_of(x)), plain_tree(parameter), n, axis)
        y = x * weights
        if output is None:  # a shift makes complex what was real, and SciPy has no other complex type than the double
            return y if is_complex(y) and not is_complex(x) else y.astype(plain(x).dtype)
        return deliver(y, output, x, name)

    def by_size(input: Any, size: Any, *args: Any, **keywords: Any) -> Any:
        return handler(input, size, *args, **keywords)

    def by_sigma(input: Any, sigma: Any, *args: Any, **keywords: Any) -> Any:
        return handler(input, sigma, *args, **keywords)

    def by_shift(input: Any, shift: Any, *args: Any, **keywords: Any) -> Any:
        return handler(input, shift, *args, **keywords)

    return {"fourier_gaussian": by_sigma, "fourier_shift": by_shift}.get(name, by_size)


HANDLERS = {
    name: _filter(name) for name in ("fourier_gaussian", "fourier_uniform", "fourier_ellipsoid", "fourier_shift")
}
ALWAYS: tuple[str, ...] = ()
