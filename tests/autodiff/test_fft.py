"""``np.fft``: every transform, length, axis and norm."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from .checking import Case, Table, verify
from .points import Points

P = Points(11)
T = Table()
V, M, C, K = P.normal(5), P.normal(3, 4), P.normal(2, 3, 4), P.complexes(3, 4)
f = np.fft
NORMS: list[Any] = [None, "backward", "ortho", "forward"]

for one in (f.fft, f.ifft, f.rfft, f.ihfft):
    T.calls(one, [V], *({"norm": norm} for norm in NORMS))
    T.calls(one, [M], {"axis": 0}, {"n": 3}, {"n": 6}, {"n": 5, "axis": 0, "norm": "ortho"})
    T.calls(one, [C], {"axis": 1})
for one in (f.fft, f.ifft, f.irfft, f.hfft):
    T.calls(one, [K], *({"norm": norm} for norm in NORMS))
    T.calls(one, [K], {"axis": 0}, {"n": 3}, {"n": 7}, {"n": 8}, {"n": 5, "axis": 0, "norm": "ortho"})
for one in (f.irfft, f.hfft):
    T.calls(one, [V], {}, {"n": 7})
    T.calls(one, [M], {"axis": 0, "n": 2})
for many in (f.fftn, f.ifftn, f.fft2, f.ifft2):
    T.calls(many, [C], {}, {"norm": "ortho"}, {"axes": (0, 2)}, {"axes": (-1, 0), "s": (3, 5)}, second=False)
    T.calls(many, [K], {}, {"norm": "forward"}, {"s": (2, -1), "axes": (0, 1)})
for many in (f.rfftn, f.rfft2):
    T.calls(many, [C], {}, {"norm": "ortho"}, {"axes": (0, 2)}, {"axes": (-1, 0), "s": (3, 5)})
for many in (f.irfftn, f.irfft2):
    T.calls(many, [K], {}, {"norm": "ortho"}, {"axes": (1, 0)}, {"axes": (0, 1), "s": (4, 5)}, {"norm": "forward"})
    T.calls(many, [C], {"axes": (0, 2)}, {"axes": (2, 1), "s": (3, 4)})
for shift in (f.fftshift, f.ifftshift):
    T.calls(shift, [C], {}, {"axes": 1}, {"axes": (0, -1)})
    T.calls(shift, [V])
T.add(f.fft, lambda x: f.fft(x, out=np.zeros(5, np.complex128)), V, single=False)
T.add(f.fft, lambda x: np.abs(f.ifft(f.fft(x) * np.arange(1, 6))) ** 2, V)
T.add(f.fft, lambda x: f.fftfreq(5, d=0.3) * f.fft(x).real, V)
T.add(f.fft, lambda d: f.fftfreq(5, d=d) * f.rfftfreq(9, d), 0.3)
T.add(f.rfft, lambda x: np.sum(np.abs(f.rfft(x)) ** 2), V)


@pytest.mark.parametrize("case", T.cases, ids=lambda case: case.id)
def test_rule(case: Case) -> None:
    verify(case)
