"""Peaks: their places are found among plain values, their heights, prominences and widths are followed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.signal as ss

from gradcheck.autodiff.core import plain, plain_tree, shape_of
from gradcheck.autodiff.rules.scipy.linear import floating, same_as
from gradcheck.autodiff.rules.scipy.registry import original


def _double(x: Any) -> Any:
    return floating(x).astype(np.float64)


def _prominences(x: Any, peaks: Any, left: Any, right: Any) -> Any:
    """The height over the higher of the two bases."""
    return x[peaks] - np.where(plain(x)[left] >= plain(x)[right], x[left], x[right])


def peak_prominences(x: Any, peaks: Any, wlen: Any = None) -> Any:
    """How far each peak stands out, and its bases."""
    x, peaks = _double(x), np.asarray(plain_tree(peaks))
    expected, left, right = original(ss, "peak_prominences")(plain(x), peaks, plain(wlen))
    y = _prominences(x, peaks.astype(int), left, right)
    return same_as(y, expected, "scipy.signal.peak_prominences"), left, right


def _crossing(x: Any, height: Any, place: Any, side: int) -> Any:
    """Where a flank crosses the height: between the sample at or below it and the next one towards the peak."""
    n = shape_of(x)[0]
    at = (np.floor(place) if side < 0 else np.ceil(place)).astype(int)
    inner = np.clip(at - side, 0, n - 1)
    below = plain(x)[at] < plain(height)
    step = x[inner] - x[at]
    share = (height - x[at]) / np.where(below, step, 1.0)
    return np.where(below, at - side * share, at.astype(np.float64))


def _widths(x: Any, peaks: Any, rel_height: Any, data: Any, wlen: Any) -> tuple[Any, ...]:
    prominences, left, right = peak_prominences(x, peaks, wlen) if data is None else data
    plain_data = (np.asarray(plain_tree(prominences), dtype=np.float64), left, right)
    found = original(ss, "peak_widths")(plain(x), peaks, plain(rel_height), plain_data)
    height = x[peaks] - prominences * rel_height
    low, high = _crossing(x, height, found[2], -1), _crossing(x, height, found[3], 1)
    results = (high - low, height, low, high)
    for y, expected in zip(results, found, strict=True):
        same_as(y, expected, "scipy.signal.peak_widths")
    return results


def peak_widths(x: Any, peaks: Any, rel_height: Any = 0.5, prominence_data: Any = None, wlen: Any = None) -> Any:
    """The width of each peak at a part of its prominence, and the height and places where it is measured."""
    return _widths(_double(x), np.asarray(plain_tree(peaks)).astype(int), rel_height, prominence_data, wlen)


def find_peaks(x: Any, height: Any = None, threshold: Any = None, distance: Any = None, prominence: Any = None,
               width: Any = None, wlen: Any = None, rel_height: Any = 0.5,
               plateau_size: Any = None) -> Any:  # fmt: skip
    """The places of peaks, which are plain, and their properties, which are traced."""
    x = _double(x)
    peaks, properties = original(ss, "find_peaks")(
        plain(x), *plain_tree((height, threshold, distance, prominence, width, wlen, rel_height, plateau_size))
    )
    found = dict(properties)
    if "peak_heights" in found:
        found["peak_heights"] = x[peaks]
    if "left_thresholds" in found:
        found["left_thresholds"] = x[peaks] - x[peaks - 1]
        found["right_thresholds"] = x[peaks] - x[peaks + 1]
    if "prominences" in found:
        bases = found["left_bases"], found["right_bases"]
        found["prominences"] = _prominences(x, peaks, *bases)
        if "widths" in found:
            data = (found["prominences"], *bases)
            names = ("widths", "width_heights", "left_ips", "right_ips")
            found |= dict(zip(names, _widths(x, peaks, rel_height, data, wlen), strict=True))
    for name, value in properties.items():
        same_as(found[name], value, f"scipy.signal.find_peaks ({name})")
    return peaks, found


HANDLERS: dict[str, Callable[..., Any]] = {
    "find_peaks": find_peaks, "peak_prominences": peak_prominences, "peak_widths": peak_widths,
}  # fmt: skip
