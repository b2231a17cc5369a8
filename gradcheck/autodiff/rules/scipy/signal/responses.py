"""Frequency responses: rational functions of e^{iω} or of iω, in their coefficients, roots and frequencies."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.signal as ss

from gradcheck.autodiff.core import any_active, plain, plain_tree, shape_of
from gradcheck.autodiff.errors import unsupported
from gradcheck.autodiff.rules.scipy.linear import floating, same_as
from gradcheck.autodiff.rules.scipy.registry import original


def _frequencies(w: Any, given: Any, fs: Any) -> Any:
    """The frequencies that SciPy returned: the traced ones where the user gave them, multiples of fs otherwise."""
    if any_active(given) and shape_of(floating(given)) != ():
        return floating(given)
    if any_active(given):
        raise unsupported("scipy.signal: a traced number of frequencies", "give the frequencies as an array")
    return w * (fs / plain(fs)) if any_active(fs) else w


def _polynomial(c: Any, z: Any) -> Any:
    """Σ cₖ·zᵏ."""
    y: Any = 0.0
    for k in range(shape_of(c)[0] - 1, -1, -1):
        y = y * z + c[k]
    return y


def _coefficients(c: Any) -> Any:
    c = floating(c)
    c = np.reshape(c, (1,)) if not shape_of(c) else c
    if len(shape_of(c)) != 1:
        raise unsupported("scipy.signal.freqz of traced coefficients with more than one dimension")
    return c


def _rational(b: Any, a: Any, z: Any) -> Any:
    return _polynomial(_coefficients(b), z) / _polynomial(_coefficients(a), z) + 0.0 * z


def _roots(zeros: Any, poles: Any, gain: Any, x: Any) -> Any:
    y: Any = gain + 0.0 * x
    for part, up in ((floating(zeros), True), (floating(poles), False)):
        for k in range(shape_of(part)[0]):
            y = y * (x - part[k]) if up else y / (x - part[k])
    return y


def _unplotted(plot: Any, w: Any, h: Any) -> None:
    if plot is not None:
        plot(plain(w), plain(h))


def freqz(b: Any, a: Any = 1, worN: Any = 512, whole: bool = False, plot: Any = None, fs: Any = 2 * math.pi,
          include_nyquist: bool = False) -> Any:  # fmt: skip
    """B/A at e^{iω}."""
    w, expected = original(ss, "freqz")(*plain_tree((b, a, worN)), whole, None, plain(fs), include_nyquist)
    w = _frequencies(w, worN, fs)
    h = _rational(b, a, np.exp(-2j * math.pi * w / fs))
    _unplotted(plot, w, h)
    return w, same_as(h, expected, "scipy.signal.freqz")


def freqz_sos(sos: Any, worN: Any = 512, whole: bool = False, fs: Any = 2 * math.pi) -> Any:
    """The product of the sections' responses."""
    name = "freqz_sos" if hasattr(ss, "freqz_sos") else "sosfreqz"
    w, expected = original(ss, name)(*plain_tree((sos, worN)), whole, plain(fs))
    w = _frequencies(w, worN, fs)
    sos, z = floating(sos), np.exp(-2j * math.pi * w / fs)
    h: Any = 1.0
    for k in range(shape_of(sos)[0]):
        h = h * _rational(sos[k, :3], sos[k, 3:], z)
    return w, same_as(h, expected, "scipy.signal.freqz_sos")


def freqz_zpk(z: Any, p: Any, k: Any, worN: Any = 512, whole: bool = False, fs: Any = 2 * math.pi) -> Any:
    """k·Π(e^{iω} − z)/Π(e^{iω} − p)."""
    w, expected = original(ss, "freqz_zpk")(*plain_tree((z, p, k, worN)), whole, plain(fs))
    w = _frequencies(w, worN, fs)
    return w, same_as(_roots(z, p, k, np.exp(2j * math.pi * w / fs)), expected, "scipy.signal.freqz_zpk")


def freqs(b: Any, a: Any, worN: Any = 200, plot: Any = None) -> Any:
    """B/A at iω."""
    if (worN is None or not np.ndim(plain_tree(worN))) and any_active((b, a)):
        raise unsupported(
            "scipy.signal.freqs of traced coefficients chooses its frequencies by them",
            "give the frequencies as an array",
        )
    w, expected = original(ss, "freqs")(*plain_tree((b, a, worN)), None)
    w = _frequencies(w, worN, 1.0)
    h = _rational(_coefficients(b)[::-1], _coefficients(a)[::-1], 1j * w)
    _unplotted(plot, w, h)
    return w, same_as(h, expected, "scipy.signal.freqs")


def freqs_zpk(z: Any, p: Any, k: Any, worN: Any = 200) -> Any:
    """k·Π(iω − z)/Π(iω − p)."""
    if (worN is None or not np.ndim(plain_tree(worN))) and any_active((z, p, k)):
        raise unsupported(
            "scipy.signal.freqs_zpk of traced roots chooses its frequencies by them", "give the frequencies as an array"
        )
    w, expected = original(ss, "freqs_zpk")(*plain_tree((z, p, k, worN)))
    w = _frequencies(w, worN, 1.0)
    return w, same_as(_roots(z, p, k, 1j * w), expected, "scipy.signal.freqs_zpk")


HANDLERS: dict[str, Callable[..., Any]] = {
    "freqz": freqz, "freqz_sos": freqz_sos, "sosfreqz": freqz_sos, "freqz_zpk": freqz_zpk, "freqs": freqs,
    "freqs_zpk": freqs_zpk,
}  # fmt: skip
