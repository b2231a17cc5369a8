"""``scipy.signal``: convolution, recursive filters, resampling, smoothing, spectra, waveforms, responses, peaks.

Loaded when the user has loaded ``scipy.signal``. Convolution (``convolution.py``) and the recursive filter
(``recursive.py``) are primitives; nearly all else is composed of them and of the Fourier transforms. Filter design and
windows are differentiated numerically at the call; the classes of linear systems take plain numbers.
"""

from __future__ import annotations

from typing import Any

import scipy.signal

from gradcheck.autodiff.errors import unsupported
from gradcheck.autodiff.rules.scipy.registry import STATUS, construct, plain, replace
from gradcheck.autodiff.rules.scipy.signal import (
    convolution,
    dense,
    peaks,
    recursive,
    resampling,
    responses,
    smoothing,
    spectral,
    waves,
)

for _part in (convolution, recursive, resampling, smoothing, spectral, waves, responses, peaks, dense):
    replace(scipy.signal, _part.HANDLERS)
plain(
    scipy.signal,
    [
        "argrelextrema", "argrelmax", "argrelmin", "check_COLA", "check_NOLA", "choose_conv_method",
        "correlation_lags", "find_peaks_cwt", "max_len_seq", "unit_impulse", "square",
    ],
)  # fmt: skip


def _system(name: str) -> None:
    def handler(*_args: Any, **_keywords: Any) -> Any:
        raise unsupported(
            f"scipy.signal.{name} made of traced values is not supported",
            "give the coefficients to the function itself, as in lsim((num, den), u, t)",
        )

    construct(scipy.signal, name, handler)
    STATUS[scipy.signal, name] = "refused: made of traced values"


for _name in ("StateSpace", "TransferFunction", "ZerosPolesGain", "lti", "dlti", "ShortTimeFFT", "CZT", "ZoomFFT"):
    _system(_name)
