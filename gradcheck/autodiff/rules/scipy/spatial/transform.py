"""``scipy.spatial.transform``: rotations whose quaternions are traced, and interpolation between them.

A :class:`TracedRotation` is SciPy's rotation of the plain values with a traced quaternion beside it. SciPy's own object
answers for shapes, checks and values; each value that is computed here is compared with it.

Formulas: J. Diebel, *Representing attitude: Euler angles, unit quaternions, and rotation vectors*, Stanford 2006; for
Euler angles E. Bernardes & S. Viollet, *Quaternion to Euler angles conversion*, PLoS ONE 17, e0276302, 2022; for the
mean F. Markley et al., *Averaging quaternions*, J. Guid. Control Dyn. 30, 1193, 2007; for aligning vectors W. Kabsch,
Acta Cryst. A32, 922, 1976.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import scipy.spatial.transform as st

from gradcheck.autodiff.core import is_active, plain, plain_tree, shape_of
from gradcheck.autodiff.errors import unsupported
from gradcheck.autodiff.rules.matrices import transposed
from gradcheck.autodiff.rules.scipy.linalg.singular import UNITARY, unitary_tangent
from gradcheck.autodiff.rules.scipy.linalg.spectra import EIGH
from gradcheck.autodiff.rules.scipy.linalg.tools import primitive
from gradcheck.autodiff.rules.scipy.linear import floating
from gradcheck.autodiff.rules.scipy.registry import STATUS, carrier, construct, methods
from gradcheck.autodiff.rules.scipy.spatial.distance import safe_root, same

# The originals: the names are replaced while a trace is running.
_ROTATION: Any = st.Rotation
_SLERP: Any = st.Slerp
DEGREE = np.pi / 180.0


# -- quaternions, (..., 4) with the scalar last ----------------------------------------------------------------------


def _join(*parts: Any) -> Any:
    return np.stack(np.broadcast_arrays(*parts), axis=-1)


def _unit(q: Any) -> Any:
    return q / np.sqrt(np.sum(q * q, axis=-1, keepdims=True))


def _conjugate(q: Any) -> Any:
    return q * np.array([-1.0, -1.0, -1.0, 1.0])


def _compose(p: Any, q: Any) -> Any:
    """Hamilton's product: first q, then p."""
    a, b, c, d = (p[..., k] for k in range(4))
    e, f, g, h = (q[..., k] for k in range(4))
    return _join(
        d * e + h * a + b * g - c * f, d * f + h * b + c * e - a * g, d * g + h * c + a * f - b * e,
        d * h - a * e - b * f - c * g,
    )  # fmt: skip


def _matrix(q: Any) -> Any:
    x, y, z, w = (q[..., k] for k in range(4))
    rows = (
        (x * x - y * y - z * z + w * w, 2 * (x * y - z * w), 2 * (x * z + y * w)),
        (2 * (x * y + z * w), -x * x + y * y - z * z + w * w, 2 * (y * z - x * w)),
        (2 * (x * z - y * w), 2 * (y * z + x * w), -x * x - y * y + z * z + w * w),
    )
    return np.stack([_join(*row) for row in rows], axis=-2)


def _series(small: Any, u: Any, coefficients: tuple[float, ...], exact: Any) -> Any:
    """``exact(u)``, and where u is small a power series."""
    total: Any = 0.0
    for c in reversed(coefficients):
        total = total * u + c
    return np.where(small, total, exact(np.where(small, 1.0, u)))


def _from_rotvec(v: Any) -> Any:
    """(sin(a/2)/a · v, cos(a/2)) with a = |v|, smooth at 0."""
    square = np.sum(v * v, axis=-1, keepdims=True)
    small = plain(square) < 1e-4
    scale = _series(small, square, (1 / 2, -1 / 48, 1 / 3840, -1 / 645120), lambda u: np.sin(u**0.5 / 2) / u**0.5)
    real = _series(small, square, (1.0, -1 / 8, 1 / 384, -1 / 46080), lambda u: np.cos(u**0.5 / 2))
    return np.concatenate([scale * v, real], axis=-1)


def _canonical(q: Any) -> Any:
    """The quaternion of the two with a scalar part that is not negative."""
    return q * np.where(plain(q)[..., 3:] < 0, -1.0, 1.0)


def _rotvec(q: Any) -> Any:
    """2·atan(s/w)/s · xyz with s = |xyz|, smooth at s = 0."""
    q = _canonical(q)
    xyz, w = q[..., :3], q[..., 3:]
    square = np.sum(xyz * xyz, axis=-1, keepdims=True)
    small = plain(square) < 1e-6
    root = np.where(small, 1.0, square) ** 0.5
    ratio = np.where(small, square / np.where(small, w, 1.0) ** 2, 0.0)
    near = 2.0 / np.where(small, w, 1.0) * (1.0 - ratio / 3.0 + ratio**2 / 5.0 - ratio**3 / 7.0)
    return np.where(small, near, 2.0 * np.arctan2(root, w) / root) * xyz


def _projects() -> bool:
    """Whether SciPy takes a matrix that is no rotation for the closest one; before 1.16 it did not."""
    m = np.array([[1.0, 0.2, 0.0], [0.0, 1.1, 0.0], [0.0, 0.0, 0.9]])
    u, _, vh = np.linalg.svd(m)
    return bool(np.allclose(_ROTATION.from_matrix(m).as_matrix(), u @ vh, atol=1e-9))


PROJECTS = _projects()


def _from_matrix(m: Any) -> Any:
    """By the largest of the four components."""
    if PROJECTS:
        m = UNITARY(m)
    values = plain(m)
    trace = np.trace(values, axis1=-2, axis2=-1)
    largest = np.argmax(np.concatenate([np.diagonal(values, axis1=-2, axis2=-1), trace[..., None]], axis=-1), axis=-1)
    t = m[..., 0, 0] + m[..., 1, 1] + m[..., 2, 2]
    vector = [m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0], m[..., 1, 0] - m[..., 0, 1]]
    choices = [_join(*vector, 1.0 + t)]
    for i in range(3):
        parts: list[Any] = [m[..., j, i] + m[..., i, j] for j in range(3)]
        parts[i] = 1.0 - t + 2.0 * m[..., i, i]
        choices.append(_join(*parts, vector[i]))
    q = choices[0]
    for i in range(3):
        q = np.where((largest == i)[..., None], choices[i + 1], q)
    return _unit(q)


def _turns(axes: list[Any], angles: Any, extrinsic: bool) -> Any:
    """Rotations about one axis after the other, by angles (..., n)."""
    q = _from_rotvec(angles[..., :1] * axes[0])
    for k, axis in enumerate(axes[1:], 1):
        turn = _from_rotvec(angles[..., k : k + 1] * axis)
        q = _compose(turn, q) if extrinsic else _compose(q, turn)
    return q


def _euler(q: Any, seq: str) -> Any:
    """The three angles about the axes of ``seq``, without the case of gimbal lock."""
    extrinsic = seq.islower()
    i, j, k = ("xyz".index(c) for c in (seq if extrinsic else seq.lower()[::-1]))
    symmetric = i == k
    if symmetric:
        k = 3 - i - j
    sign = (i - j) * (j - k) * (k - i) // 2
    x = [q[..., n] for n in range(4)]
    if symmetric:
        a, b, c, d = x[3], x[i], x[j], x[k] * sign
    else:
        a, b, c, d = x[3] - x[j], x[i] + x[k] * sign, x[j] + x[3], x[k] * sign - x[i]
    if np.any(np.minimum(np.hypot(plain(a), plain(b)), np.hypot(plain(c), plain(d))) < 1e-7):
        raise unsupported("Rotation.as_euler at gimbal lock", "the angles have no derivative there")
    middle = 2.0 * np.arctan2(np.hypot(c, d), np.hypot(a, b))
    half_sum, half_difference = np.arctan2(b, a), np.arctan2(d, c)
    first, third = half_sum - half_difference, half_sum + half_difference
    if not symmetric:
        middle, third = middle - np.pi / 2, third * sign
    if not extrinsic and not symmetric:
        first, third = half_sum - half_difference, (half_sum + half_difference) * sign
    angles = _join(first, middle, third) if extrinsic else _join(third, middle, first)
    value = plain(angles)
    return angles + np.where(value < -np.pi, 2 * np.pi, np.where(value > np.pi, -2 * np.pi, 0.0))


# -- rotations -------------------------------------------------------------------------------------------------------


class TracedRotation:
    """A rotation with a traced quaternion.

    Attributes:
        quat: (4,) or (..., 4), scalar last, in the sign that SciPy has chosen.
        twin: SciPy's rotation of the plain values.
    """

    __slots__ = ("quat", "twin")
    __array_priority__ = 2000.0

    def __init__(self, quat: Any, twin: Any) -> None:
        value = twin.as_quat()
        turned = np.sum(plain(quat) * value, axis=-1, keepdims=True) < 0
        self.quat = same(quat * np.where(turned, -1.0, 1.0), value, "scipy.spatial.transform.Rotation")
        self.twin = twin

    @property
    def single(self) -> bool:
        return bool(self.twin.single)

    @property
    def shape(self) -> tuple[int, ...]:
        return shape_of(self.quat)[:-1]

    def __len__(self) -> int:
        return len(self.twin)

    def __bool__(self) -> bool:
        return True

    def __iter__(self) -> Iterator[TracedRotation]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, indexer: Any) -> TracedRotation:
        indexer = plain_tree(indexer)
        return TracedRotation(self.quat[indexer], self.twin[indexer])

    def __setitem__(self, indexer: Any, value: Any) -> None:
        raise unsupported("assigning to a part of a Rotation", "use Rotation.concatenate")

    def __getattr__(self, name: str) -> Any:
        if hasattr(_ROTATION, name):
            raise unsupported(f"scipy.spatial.transform.Rotation.{name} of a traced rotation", None)
        raise AttributeError(f"'Rotation' object has no attribute '{name}'")

    # -- representations -----------------------------------------------------------------------------------------------

    def as_quat(self, canonical: bool = False, *, scalar_first: bool = False) -> Any:
        value = self.twin.as_quat(canonical, scalar_first=scalar_first)
        q = self.quat
        if canonical:
            want = value[..., [1, 2, 3, 0]] if scalar_first else value
            q = q * np.where(np.sum(plain(q) * want, axis=-1, keepdims=True) < 0, -1.0, 1.0)
        return same(q[..., [3, 0, 1, 2]] if scalar_first else q, value, "Rotation.as_quat")

    def as_matrix(self) -> Any:
        return _matrix(self.quat)

    def as_rotvec(self, degrees: bool = False) -> Any:
        v = _rotvec(self.quat)
        return same(v / DEGREE if degrees else v, self.twin.as_rotvec(degrees), "Rotation.as_rotvec")

    def as_mrp(self) -> Any:
        q = _canonical(self.quat)
        return same(q[..., :3] / (1.0 + q[..., 3:]), self.twin.as_mrp(), "Rotation.as_mrp")

    def as_euler(self, seq: str, degrees: bool = False, **keywords: Any) -> Any:
        value = self.twin.as_euler(seq, degrees, **keywords)
        angles = _euler(self.quat, seq)
        return same(angles / DEGREE if degrees else angles, value, "Rotation.as_euler")

    # -- operations ----------------------------------------------------------------------------------------------------

    def apply(self, vectors: Any, inverse: bool = False) -> Any:
        return _apply(self.quat, self.twin, vectors, inverse)

    def inv(self) -> TracedRotation:
        return TracedRotation(_conjugate(self.quat), self.twin.inv())

    def magnitude(self) -> Any:
        q = self.quat
        y = 2.0 * np.arctan2(safe_root(np.sum(q[..., :3] ** 2, axis=-1)), np.abs(q[..., 3]))
        return same(y, self.twin.magnitude(), "Rotation.magnitude")

    def approx_equal(self, other: Any, *args: Any, **keywords: Any) -> Any:
        return self.twin.approx_equal(_twin(other), *args, **keywords)

    def __mul__(self, other: Any) -> TracedRotation:
        return _product(self, other)

    def __rmul__(self, other: Any) -> TracedRotation:
        return _product(other, self)

    def __pow__(self, n: Any, modulus: None = None) -> TracedRotation:
        return _power(self, n)

    def mean(self, weights: Any = None, **keywords: Any) -> TracedRotation:
        return _mean(self, weights, **keywords)


carrier(TracedRotation, lambda r: is_active(r.quat))


def _twin(r: Any) -> Any:
    return r.twin if type(r) is TracedRotation else r


def _quat(r: Any) -> Any:
    return r.quat if type(r) is TracedRotation else r.as_quat()


def _apply(q: Any, twin: Any, vectors: Any, inverse: Any = False) -> Any:
    v = floating(vectors)
    value = twin.apply(plain(v), inverse)
    m = _matrix(q)
    return same(np.matmul(transposed(m) if inverse else m, v[..., None])[..., 0], value, "Rotation.apply")


def _product(p: Any, q: Any) -> TracedRotation:
    if not isinstance(_twin(p), _ROTATION) or not isinstance(_twin(q), _ROTATION):
        raise TypeError("a rotation is multiplied by a rotation; use apply for vectors")
    return TracedRotation(_unit(_compose(_quat(p), _quat(q))), _twin(p) * _twin(q))


def _power(r: Any, n: Any) -> TracedRotation:
    # Until SciPy 1.16 SciPy itself rounds the exponent to single precision.
    twin = _ROTATION.from_rotvec(plain(n) * _twin(r).as_rotvec())
    return TracedRotation(_from_rotvec(n * _rotvec(_quat(r))), twin)


def _mean(r: Any, weights: Any = None, **keywords: Any) -> TracedRotation:
    """The eigenvector of Σ w·q·qᵀ of the largest eigenvalue."""
    if keywords.get("axis") is not None or len(shape_of(_quat(r))) != 2:
        raise unsupported("Rotation.mean with axis= of traced rotations")
    q = _quat(r)
    w = np.ones(shape_of(q)[0]) if weights is None else floating(weights)
    _, vectors = EIGH(np.matmul(q.T * w, q), lower=True, options=())
    twin = _twin(r).mean() if weights is None else _twin(r).mean(plain(w))
    return TracedRotation(vectors[:, -1], twin)


# -- ways to make one ------------------------------------------------------------------------------------------------


def from_quat(quat: Any, *, scalar_first: bool = False) -> TracedRotation:
    q = floating(quat)
    twin = _ROTATION.from_quat(plain(q), scalar_first=scalar_first)
    return TracedRotation(_unit(q[..., [1, 2, 3, 0]] if scalar_first else q), twin)


def from_matrix(matrix: Any, **keywords: Any) -> TracedRotation:
    m = floating(matrix)
    return TracedRotation(_from_matrix(m), _ROTATION.from_matrix(plain(m), **keywords))


def from_rotvec(rotvec: Any, degrees: bool = False) -> TracedRotation:
    v = floating(rotvec)
    return TracedRotation(_from_rotvec(v * DEGREE if degrees else v), _ROTATION.from_rotvec(plain(v), degrees))


def from_mrp(mrp: Any) -> TracedRotation:
    p = floating(mrp)
    square = np.sum(p * p, axis=-1, keepdims=True)
    q = np.concatenate([2.0 * p, 1.0 - square], axis=-1) / (1.0 + square)
    return TracedRotation(q, _ROTATION.from_mrp(plain(p)))


def from_euler(seq: str, angles: Any, degrees: bool = False) -> TracedRotation:
    angles = floating(angles)
    twin = _ROTATION.from_euler(seq, plain(angles), degrees)
    angles = np.reshape(angles * DEGREE if degrees else angles, (*twin.as_quat().shape[:-1], len(seq)))
    axes = [np.eye(3)["xyz".index(c)] for c in seq.lower()]
    return TracedRotation(_turns(axes, angles, seq.islower()), twin)


def from_davenport(axes: Any, order: str, angles: Any, degrees: bool = False) -> TracedRotation:
    axes, angles = floating(axes), floating(angles)
    twin = _ROTATION.from_davenport(plain(axes), order, plain(angles), degrees)
    axes = np.reshape(axes, (-1, 3))
    axes = axes / np.sqrt(np.sum(axes * axes, axis=-1, keepdims=True))
    count = shape_of(axes)[0]
    angles = np.reshape(angles * DEGREE if degrees else angles, (*twin.as_quat().shape[:-1], count))
    return TracedRotation(_turns([axes[k] for k in range(count)], angles, order in ("e", "extrinsic")), twin)


def concatenate(rotations: Any) -> TracedRotation:
    if type(rotations) is TracedRotation:
        return rotations
    parts = list(rotations)
    q = np.concatenate([np.reshape(_quat(r), (-1, 4)) for r in parts])
    return TracedRotation(q, _ROTATION.concatenate([_twin(r) for r in parts]))


def _proper(b: Any) -> Any:
    """The rotation closest to b."""
    u, _, vh = np.linalg.svd(b)
    u[:, -1] *= np.sign(np.linalg.det(u @ vh))
    return u @ vh


def _proper_jvp(t: Any, y: Any, b: Any) -> Any:
    """As for the polar factor, whose Hermitian partner may now have a negative eigenvalue."""
    w = np.linalg.eigvalsh(plain(y).T @ plain(b))
    if min(abs(w[0] + w[1]), abs(w[0] + w[2]), abs(w[1] + w[2])) < 1e-12 * np.max(np.abs(w)):
        raise unsupported("Rotation.align_vectors of vectors that leave the rotation open")
    return unitary_tangent(t, y, b)


PROPER = primitive("scipy.spatial.transform.Rotation.align_vectors", _proper, [_proper_jvp])


def align_vectors(a: Any, b: Any, weights: Any = None, return_sensitivity: bool = False) -> Any:
    a, b = floating(a), floating(b)
    if len(shape_of(a)) != 2 or shape_of(a)[0] < 2 or return_sensitivity:
        raise unsupported("Rotation.align_vectors of one vector, or with return_sensitivity, with traced values")
    w = np.ones(shape_of(a)[0]) if weights is None else floating(weights)
    if not np.all(np.isfinite(plain(w))):
        raise unsupported("Rotation.align_vectors with infinite weights and traced values")
    twin, distance = _ROTATION.align_vectors(plain(a), plain(b), plain(w))
    c = PROPER(np.matmul((a * w[:, None]).T, b))
    left = a - np.matmul(b, c.T)
    rest = safe_root(np.sum(w * np.sum(left * left, axis=-1)))
    return TracedRotation(_from_matrix(c), twin), rest if distance < 1e-7 else same(rest, distance, "align_vectors")


_MAKERS: dict[str, Callable[..., Any]] = {
    "from_quat": from_quat, "from_matrix": from_matrix, "from_rotvec": from_rotvec, "from_mrp": from_mrp,
    "from_euler": from_euler, "from_davenport": from_davenport, "concatenate": concatenate,
    "align_vectors": align_vectors,
}  # fmt: skip


def _new(quat: Any, normalize: bool = True, copy: bool = True, scalar_first: bool = False) -> TracedRotation:
    if not normalize:
        raise unsupported("Rotation(quat, normalize=False) of traced values", "use Rotation.from_quat")
    return from_quat(quat, scalar_first=scalar_first)


construct(st, "Rotation", _new, stands=(TracedRotation,), members=_MAKERS)
# Until SciPy 1.16 the class is compiled, and what it does with traced vectors cannot be replaced: it refuses them.
_IMMUTABLE, _HEAP = 1 << 8, 1 << 9
if _ROTATION.__flags__ & _HEAP and not _ROTATION.__flags__ & _IMMUTABLE:
    methods(
        _ROTATION,
        {
            "apply": lambda self, vectors, inverse=False: _apply(self.as_quat(), self, vectors, inverse),
            "mean": _mean,
            "__pow__": lambda self, n, modulus=None: _power(self, n),
            "__mul__": lambda self, other: _product(self, other),
        },
    )


# -- interpolation ---------------------------------------------------------------------------------------------------


class TracedSlerp:
    """A ``Slerp`` of traced rotations or times."""

    def __init__(self, times: Any, rotations: Any) -> None:
        self.twin = _SLERP(plain(floating(times)), _twin(rotations))
        self.times = floating(times)
        self.quats = _quat(rotations)

    def __call__(self, times: Any) -> TracedRotation:
        return _slerp(self.twin, self.times, self.quats, times)


def _slerp(twin: Any, knots: Any, quats: Any, times: Any) -> TracedRotation:
    times = floating(times)
    result, value = twin(plain(times)), plain(times)
    k = np.clip(np.searchsorted(plain(knots), value, side="left") - 1, 0, None)
    share = (times - knots[k]) / (knots[k + 1] - knots[k])
    step = _rotvec(_compose(_conjugate(quats[k]), quats[k + 1]))
    return TracedRotation(_compose(quats[k], _from_rotvec(step * share[..., None])), result)


def _plain_slerp(self: Any, times: Any) -> TracedRotation:
    quats = _ROTATION.concatenate([self.rotations, self.rotations[-1] * _ROTATION.from_rotvec(self.rotvecs[-1])])
    return _slerp(self, self.times, quats.as_quat(), times)


construct(st, "Slerp", TracedSlerp, stands=(TracedSlerp,))
carrier(TracedSlerp, lambda s: is_active(s.times) or is_active(s.quats))
methods(_SLERP, {"__call__": _plain_slerp})


def _refuse_class(name: str, why: str) -> None:
    def handler(*_args: Any, **_keywords: Any) -> Any:
        raise unsupported(f"scipy.spatial.transform.{name} of traced values is not supported", why)

    if hasattr(st, name):
        members = {k: handler for k in vars(getattr(st, name)) if k.startswith("from_")}
        construct(st, name, handler, members=members)
        STATUS[st, name] = f"refused: {why}"


_refuse_class("RotationSpline", "interpolate with Slerp, or solve for the spline's rotation vectors yourself")
_refuse_class("RigidTransform", "keep a Rotation and a translation vector, and apply one after the other")
