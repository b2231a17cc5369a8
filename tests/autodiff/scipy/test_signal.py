"""``scipy.signal``: convolution, recursive filters, resampling, smoothing, spectra, waveforms, responses, peaks."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import scipy.signal as sg
from scipy import signal  # noqa: F401  (used in the texts)
from scipy.signal import lfilter  # noqa: F401  (used in the texts)

from gradcheck.autodiff import AutodiffError, grad, jacobian, noting
from tests.autodiff.checking import Case, verify
from tests.autodiff.scipy.written import Written

RNG = np.random.default_rng(3)
L = RNG.normal(size=9)
S = RNG.normal(size=5)
LONG = RNG.normal(size=30)
X = RNG.normal(size=(4, 5))
X3 = RNG.normal(size=(2, 3, 4))
W = RNG.normal(size=(3, 2))
B2 = RNG.normal(size=(2, 30))
Z = RNG.normal(size=6) + 1j * RNG.normal(size=6)
B, A = np.array([0.3, 0.4, 0.1]), np.array([1.3, -0.5, 0.2])
SOS = sg.butter(4, 0.3, output="sos")
WIN = RNG.uniform(0.5, 1.5, size=8)
SFT = sg.ShortTimeFFT(np.hanning(8)[1:] + 0.1, hop=3, fs=2.0)
SPECTRUM = RNG.normal(size=(5, 6)) + 1j * RNG.normal(size=(5, 6))
ZOOM = sg.ZoomFFT(9, [0.1, 0.6], 5)
T = np.linspace(0.05, 1.9, 7)
FREQ = np.array([0.3, 0.9, 1.7])
C = Written(globals())
QUICK = {"single": False, "second": False}

for mode in ("full", "same", "valid"):
    for method in ("auto", "direct", "fft"):
        C(f"sg.convolve(x, y, {mode!r}, {method!r})", x=L, y=S, single=False, second=method == "fft")
    C(f"signal.correlate(x, y, mode={mode!r})", x=S, y=L, single=False)
    C(f"sg.correlate(x, y, mode={mode!r})", x=Z, y=Z[:3] * 1j, single=False)
    C(f"sg.convolve(x, y, mode={mode!r})", x=X, y=W, single=False)
    C(f"sg.correlate(x, y, mode={mode!r}, method='fft')", x=W, y=X, **QUICK)
    C(f"sg.fftconvolve(x, y, {mode!r})", x=X, y=W, single=False)
    C(f"sg.fftconvolve(x, y, {mode!r}, axes=1)", x=X, y=W[:1], single=False)
    C(f"sg.fftconvolve(x, y, {mode!r}, axes=[-1])", x=Z[None], y=Z[None, :2], **QUICK)
    C(f"sg.oaconvolve(x, y, {mode!r})", x=LONG, y=S, **QUICK)
    C(f"sg.oaconvolve(x, y, {mode!r}, axes=0)", x=X, y=W[:, :1], **QUICK)
    for boundary in ("fill", "wrap", "symm"):
        C(f"sg.convolve2d(x, y, {mode!r}, {boundary!r}, fillvalue=0.3)", x=X, y=W, single=False, second=mode == "same")
        C(f"sg.correlate2d(x, y, {mode!r}, {boundary!r})", x=X, y=W, **QUICK)
C("sg.convolve2d(x, y, 'valid')", x=W, y=X, **QUICK)
C("sg.correlate2d(x, y, 'valid')", x=W, y=X, **QUICK)
C("sg.convolve(x, LONG)", x=0.5 * L)
C("sg.convolve(x, y)", x=X3, y=X3[:, :2, :1], single=False)

C("lfilter(b, a, x)", b=B, a=A, x=L, single=False)
C("lfilter(b, a, x, axis=0)", b=B[:2], a=A, x=X, single=False)
C("lfilter(b, a, x, zi=z)", b=B, a=A, x=L, z=np.array([0.3, -0.2]), single=False)
C("lfilter(b, a, x, zi=z)[1]", b=B, a=A[:2], x=L[:1], z=np.array([0.3, -0.2]), single=False)
C("lfilter(b, a, x, axis=0, zi=z)", b=B, a=A, x=X, z=RNG.normal(size=(2, 5)), single=False)
C("lfilter(b, 1.0, x)", b=LONG[:4], x=X)
C("lfilter(b, [2.0], x)", b=np.tile(S, 8), x=LONG, single=False)
C("lfilter([1.0], a, x)", a=A, x=L, single=False)
C("lfilter(b, a, x)", b=np.array([0.3 + 1j, 0.2]), a=np.array([1.0, 0.3j]), x=Z, single=False)
C("lfilter(B, A, x)", x=L)
C("sg.lfilter_zi(b, a)", b=B, a=A, single=False)
C("sg.lfilter_zi(b, a)", b=B[:2], a=np.array([1.0, -0.5, 0.2, 0.1]), single=False)
C("sg.lfiltic(b, a, y, x)", b=B, a=A, y=S[:2], x=S[2:4], single=False)
C("sg.lfiltic(b, a, y)", b=B[:2], a=A, y=S[:1], single=False)
C("sg.deconvolve(x, d)", x=L, d=B, single=False)
C("sg.deconvolve(x, d)[1]", x=B, d=L, **QUICK)
C("sg.sosfilt([[b[0], b[1], b[2], 1.0, a[0], a[1]]], x)", b=B, a=0.3 * A[:2], x=L, single=False)
C("sg.sosfilt(SOS, x, axis=0)", x=X, single=False)
C("sg.sosfilt(SOS, x, zi=z)", x=L, z=RNG.normal(size=(2, 2)), single=False)
C("sg.sosfilt(SOS, x, axis=0, zi=z)", x=X, z=RNG.normal(size=(2, 2, 5)), single=False)
C("sg.sosfilt_zi(s)", s=SOS, single=False)
C("sg.filtfilt(b, a, x)", b=B[:2], a=A[:2], x=L, single=False)
for pad in ("even", "constant", None):
    C(f"sg.filtfilt(B, A, x, axis=0, padtype={pad!r}, padlen=2)", x=X, single=False)
C("sg.filtfilt(B, A, x, method='gust')", x=LONG, single=False)
C("sg.filtfilt(B, A, x, axis=1, method='gust', irlen=12)", x=B2, **QUICK)
C("sg.sosfiltfilt(SOS, x)", x=LONG, single=False)
C("sg.sosfiltfilt(SOS, x, padtype='even', padlen=3)", x=B2, **QUICK)

C.each("sg.detrend(x%s)", "", ", type='constant'", ", bp=[4]", x=L, single=False)
C.each("sg.detrend(x, axis=%s)", "0", "-2, type='c'", x=X, single=False)
C.each("sg.hilbert(x%s)", "", ", N=12", ", N=6", x=L, single=False)
C("sg.hilbert(x, axis=0)", x=X, single=False)
C("sg.hilbert2(x)", x=X, single=False)
for mode in ("interp", "mirror", "constant", "nearest", "wrap"):
    C(f"sg.savgol_filter(x, 5, 2, mode={mode!r}, cval=0.3)", x=L, **QUICK)
    C(f"sg.savgol_filter(x, 4, 2, deriv=1, delta=d, axis=0, mode={mode!r})", x=X, d=0.7, **QUICK)
C("sg.savgol_filter(x, 5, 3, deriv=2, delta=d)", x=L, d=0.7, single=False)
C("sg.savgol_coeffs(5, 3, deriv=2, delta=d)", d=0.7, single=False)
for n in (4, 5, 9, 14, 15):
    C(f"sg.resample(x, {n})", x=L, single=False, second=n == 4)
    C(f"sg.resample(x, {n})", x=L[:8], **QUICK)
    C(f"sg.resample(x, {n})", x=Z, **QUICK)
C("sg.resample(x, 6, axis=1, window='hamming')", x=X, **QUICK)
C("sg.resample(x, 6, t=np.arange(9) * 0.5)[0]", x=L, **QUICK)
C.each("sg.resample_poly(x, %s)", "3, 2", "2, 3, padtype='mean'", "1, 2",
       "2, 2", "3, 2, padtype='edge'", "3, 1, cval=0.5", x=L, single=False, second=False)  # fmt: skip
C("sg.resample_poly(x, 2, 1, axis=1, window=w)", x=X, w=S, single=False)
C.each("sg.decimate(x, 2%s)", "", ", ftype='fir'", ", zero_phase=False", ", 3, ftype='fir', zero_phase=False",
       x=np.r_[LONG, LONG], single=False, second=False)  # fmt: skip
C.each("sg.upfirdn(h, x%s)", "", ", up=3, down=2", ", down=3", ", 2, 1, mode='wrap'", ", 3, 2, mode='symmetric'",
       ", 2, 1, mode='reflect'", ", 2, 1, mode='edge'", ", 2, 3, cval=0.5", h=S, x=L, single=False)  # fmt: skip
C("sg.upfirdn(S, x, 2, axis=0)", x=X)
C.each("sg.medfilt(x%s)", "", ", 5", x=L)
C("sg.medfilt(x, [3, 1])", x=X)
C("sg.medfilt2d(x, 3)", x=X)
C("sg.order_filter(x, np.ones((3, 1)), 1)", x=X)
C("sg.wiener(x)", x=X, single=False)
C("sg.wiener(x, 5, noise=n)", x=L, n=0.5, single=False)
C.each("sg.envelope(x, residual=None%s)", "", ", squared=True", ", n_out=12", ", bp_in=(2, 4)", x=L, **QUICK)

for average in ("mean", "median"):
    C(f"sg.welch(x, nperseg=8, average={average!r})[1]", x=LONG, single=False, second=average == "mean")
    C(f"sg.csd(x, y, nperseg=8, average={average!r})[1]", x=LONG, y=LONG[::-1].copy(), **QUICK)
C("sg.welch(x, fs=f, nperseg=8, noverlap=2, nfft=11, scaling='spectrum')", x=LONG, f=2.0, **QUICK)
C("sg.welch(x, fs=f, window=w, detrend='linear', return_onesided=False)[1]", x=LONG, f=2.0, w=WIN, **QUICK)
C("sg.welch(x, nperseg=6, detrend=lambda d: d - 0.5 * np.mean(d, axis=-1, keepdims=True))[1]", x=LONG, **QUICK)
C("sg.welch(x, nperseg=4, axis=0, detrend=False)[1]", x=B2.T.copy(), **QUICK)
C("sg.welch(x, nperseg=4, return_onesided=False)[1]", x=Z, **QUICK)
C("sg.csd(x, y, nperseg=8, return_onesided=False)[1]", x=LONG[:20] + 1j, y=LONG, **QUICK)
C("sg.csd(x, y, nperseg=8)[1]", x=B2, y=LONG + 0.1, **QUICK)
C.each("sg.periodogram(x%s)[1]", "", ", nfft=12", ", nfft=6", ", window='hann', scaling='spectrum'", x=L, **QUICK)
C("sg.periodogram(x, fs=f, axis=0)", x=X, f=3.0, **QUICK)
C("sg.coherence(x, y, nperseg=8)[1]", x=LONG, y=LONG[::-1] ** 2, **QUICK)
for mode in ("psd", "complex", "magnitude", "angle", "phase"):
    C(f"sg.spectrogram(x, nperseg=8, noverlap=3, mode={mode!r})[2]", x=LONG + 1.0, **QUICK)
C("sg.spectrogram(x, nperseg=4, axis=0)[2]", x=B2.T.copy(), **QUICK)
C.each("sg.stft(x, nperseg=8%s)[2]", "", ", boundary='even', padded=False", ", boundary='odd', noverlap=6",
       ", boundary=None, scaling='psd'", ", boundary='constant', nfft=10", x=LONG, **QUICK)  # fmt: skip
C("sg.stft(x, fs=f, nperseg=4, axis=0)", x=B2.T.copy(), f=2.0, **QUICK)
C.each("sg.istft(s%s)[1]", "", ", scaling='psd'", ", boundary=False, window='hamming'", s=SPECTRUM, **QUICK)
C("sg.istft(s, input_onesided=False, nperseg=5, noverlap=3)[1]", s=SPECTRUM, **QUICK)
C("sg.istft(s, time_axis=0, freq_axis=1)[1]", s=np.ascontiguousarray(SPECTRUM.T), **QUICK)
C("sg.lombscargle(x, y, f)", x=np.sort(RNG.uniform(0, 5, 9)), y=L, f=FREQ, **QUICK)
C("sg.lombscargle(x, y, f, normalize=True)", x=np.sort(RNG.uniform(0, 5, 9)), y=L, f=FREQ, **QUICK)

C.each("sg.chirp(t, f0, t1, f1, method=%s)", "'linear'", "'quadratic'", "'quadratic', vertex_zero=False",
       "'logarithmic'", "'hyperbolic', phi=30", t=T, f0=0.4, t1=1.5, f1=1.1, single=False)  # fmt: skip
C("sg.chirp(t, 0.4, 1.5, f1, 'log')", t=0.7, f1=0.4, single=False, rtol=1e-6)
C("sg.gausspulse(t, fc=fc, bw=bw, bwr=bwr)", t=T * 0.1, fc=5.0, bw=0.5, bwr=-6.0, single=False)
C("sg.gausspulse(t, fc=5, retquad=True, retenv=True)", t=T * 0.1, single=False)
C("sg.gausspulse('cutoff', fc=fc, tpr=tpr)", fc=5.0, tpr=-50.0, single=False)
C("sg.sawtooth(t, w)", t=T * 5, w=0.6, single=False)
C("sg.sawtooth(t)", t=T * 5, single=False)
C("sg.sweep_poly(t, p, phi=20)", t=T, p=np.array([0.3, -0.2, 0.5]), single=False)
C("sg.freqz(b, a, worN=8)[1]", b=B, a=A, single=False)
C("sg.freqz(b, A, worN=w, fs=5.0)", b=B, w=FREQ, single=False)
C("sg.freqz(B, A, worN=4, fs=f)", f=5.0, single=False)
C("sg.freqz_sos([[b[0], b[1], b[2], 1.0, a[0], a[1]]], worN=5)[1]", b=B, a=0.3 * A[:2], **QUICK)
C("sg.sosfreqz([[b[0], b[1], b[2], 1.0, a[0], a[1]]], worN=FREQ)[1]", b=B, a=0.3 * A[:2], **QUICK)
C("sg.freqz_zpk(z, p, k, worN=FREQ)[1]", z=Z[:1], p=0.3 * Z[1:3], k=0.7, **QUICK)
C("sg.freqs(b, a, worN=w)", b=B, a=A, w=FREQ, single=False)
C("sg.freqs_zpk(z, p, k, worN=FREQ)[1]", z=S[:1], p=S[1:3], k=0.7, **QUICK)
C("sg.find_peaks(x, height=-9, threshold=0, prominence=0, width=0)[1]['peak_heights']", x=LONG)
for key in ("prominences", "widths", "width_heights", "left_ips", "right_ips", "left_thresholds", "right_thresholds"):
    C(f"sg.find_peaks(x, height=-9, threshold=0, prominence=0, width=0)[1][{key!r}]", x=LONG, single=False)
C("sg.peak_prominences(x, np.array([i for i in sg.find_peaks(x)[0]]))[0]", x=LONG, single=False)
C("sg.peak_widths(x, sg.find_peaks(x)[0], rel_height=r)", x=LONG, r=0.6, single=False)
C.each("sg.cspline1d(x%s)", "", ", 0.7", x=L, single=False)
C("sg.qspline1d(x)", x=L, single=False)
C("sg.symiirorder1(x, 0.3, 0.1)", x=LONG, **QUICK)
C("sg.symiirorder2(x, 0.1, 0.4)", x=LONG, **QUICK)
C("sg.sepfir2d(x, [0.2, 0.5, 0.2], [0.1, 1.0, 0.1])", x=X, **QUICK)
C("sg.lsim(([1.0], [1.0, 0.5]), u, T)[1]", u=S[:1].repeat(7) * T, **QUICK)
C("sg.czt(x, 5)", x=L, single=False)
C("sg.zoom_fft(x, [0.1, 0.5], 4, axis=0)", x=X, **QUICK)
C("ZOOM(x)", x=L, single=False)
C("SFT.stft(x)", x=LONG, single=False)
C("SFT.stft(x, axis=0)", x=X3.reshape(12, 2), **QUICK)
C("SFT.spectrogram(x)", x=LONG, single=False)
C("SFT.istft(s)", s=SFT.stft(LONG), **QUICK)


@pytest.mark.parametrize("case", C.all, ids=lambda c: c.id)
def test_rule(case: Case) -> None:
    verify(case)


DESIGN = [
    ("sg.butter(3, a)", 0.3),
    ("sg.butter(2, [a, 0.6], 'band', output='sos')", 0.3),
    ("sg.firwin(7, a)", 0.3),
    ("sg.get_window(('gaussian', a), 6)", 1.3),
    ("sg.windows.kaiser(6, a)", 2.3),
    ("sg.bilinear([1.0, a], [1.0, 2.0, 0.3], fs=2.0)", 0.7),
    ("sg.tf2zpk([1.0, a], [1.0, 2.0, 0.3])", 0.7),
    ("sg.zpk2tf([0.3], [a, 0.2], 0.4)", 0.7),
    ("sg.sos2tf(SOS * a)", 1.0),
    ("sg.kaiser_beta(a)", 30.0),
    ("sg.buttord(a, 0.5, 1.0, 40.0)", 0.3),
    ("sg.group_delay(([1.0, a], [1.0, 0.3]), w=FREQ)", 0.5),
    ("sg.lsim(([1.0], [1.0, a]), T, T)", 0.5),
    ("sg.impulse(([1.0], [1.0, a]), T=T)", 0.5),
    ("sg.vectorstrength(T, a)", 0.8),
    ("sg.fftconvolve(np.ones(2), sg.windows.tukey(5, a))", 0.6),
]


@pytest.mark.parametrize(("text", "at"), DESIGN, ids=[t for t, _ in DESIGN])
def test_design_functions_without_a_rule(text: str, at: float) -> None:
    def total(y: Any) -> Any:
        if isinstance(y, tuple):
            return sum(total(e) * (k + 1) for k, e in enumerate(y))
        return np.sum(np.real(y) * (1.0 + np.arange(np.size(y)).reshape(np.shape(y))))

    f = eval(f"lambda a: total({text})", {**globals(), "total": total})
    with noting():  # a numeric derivative of a call is a warning otherwise
        found = grad(f)(at)
    h = 1e-6
    assert np.isclose(found, (f(at + h) - f(at - h)) / (2 * h), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "text",
    ["sg.StateSpace(a, 1.0, 1.0, 0.0)", "sg.lti([a], [1.0, 2.0])", "sg.TransferFunction([a], [1.0, 2.0])",
     "sg.ShortTimeFFT(np.ones(4) * a, 2, 1.0)", "sg.dlti([a], [1.0, 2.0])"],
)  # fmt: skip
def test_systems_of_traced_values_are_refused_by_name(text: str) -> None:
    f = eval(f"lambda a: {text} and a", globals())
    with pytest.raises(AutodiffError, match=r"scipy\.signal"):
        grad(f)(1.3)


def test_refused_by_name() -> None:
    with pytest.raises(AutodiffError, match="gust"):
        grad(lambda b: np.sum(sg.filtfilt([b, 0.3], [1.0, 0.2], LONG, method="gust")))(0.5)
    with pytest.raises(AutodiffError, match="freqs"):
        grad(lambda b: np.sum(np.abs(sg.freqs([b, 0.3], [1.0, 0.2])[1])))(0.5)


def test_places_are_plain() -> None:
    def f(x: Any) -> Any:
        return np.sum(x[sg.argrelmax(x)[0]] ** 2) + np.sum(sg.square(x))

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        g = grad(f)(LONG)
    peaks = sg.argrelmax(LONG)[0]
    expected = np.zeros(30)
    expected[peaks] = 2 * LONG[peaks]
    assert np.allclose(g, expected)


def test_a_long_signal() -> None:
    x = RNG.normal(size=20000)
    found = grad(lambda s: np.sum(sg.filtfilt(B, A, s) ** 2))(x)
    assert found.shape == x.shape
    v = RNG.normal(size=x.size)
    h = 1e-5
    f = [np.sum(sg.filtfilt(B, A, x + k * h * v) ** 2) for k in (-1, 1)]
    assert np.isclose(found @ v, (f[1] - f[0]) / (2 * h), rtol=1e-6)
    assert jacobian(lambda s: sg.resample(s, 3))(x[:50]).shape == (3, 50)


def test_sums_of_a_convolution_do_not_meet_what_lies_beside_them() -> None:
    """The image has an infinity in a corner: of the nine weights only those that meet it have no finite derivative."""
    image = RNG.normal(size=(12, 14))
    image[0, -1] = np.inf
    with np.errstate(all="ignore"):
        found = grad(lambda w: np.sum(sg.convolve2d(image, w, mode="valid")))(np.ones((3, 3)))
    expected = np.array([[np.sum(image[2 - i : 12 - i, 2 - j : 14 - j]) for j in range(3)] for i in range(3)])
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert np.isinf(expected).sum() == 1


@pytest.mark.parametrize("shapes", [((40, 50), (30, 45)), ((300,), (2,)), ((6, 7, 8), (5, 3, 6))])
@pytest.mark.parametrize("mode", ["full", "valid"])
def test_convolutions_with_long_and_with_few_sums(shapes: Any, mode: str) -> None:
    """Each of the ways back, against the definition: the derivative is a correlation with the cotangent."""
    a, b = (RNG.normal(size=shape) for shape in shapes)
    weights = RNG.normal(size=sg.convolve(a, b, mode).shape)
    by_a = grad(lambda a: np.sum(weights * sg.convolve(a, b, mode, "direct")))(a)
    by_b = grad(lambda b: np.sum(weights * sg.convolve(a, b, mode, "direct")))(b)
    back = "valid" if mode == "full" else "full"
    np.testing.assert_allclose(by_a, sg.correlate(weights, b, back, "direct"), rtol=1e-9, atol=1e-9)
    expected = sg.correlate(weights, a, "valid") if mode == "full" else np.flip(sg.correlate(a, weights, "valid"))
    np.testing.assert_allclose(by_b, expected, rtol=1e-9, atol=1e-9)
