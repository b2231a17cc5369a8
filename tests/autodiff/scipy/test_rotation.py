"""``scipy.spatial.transform`` from plain imports: every way in, every way out, and what is between."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import (
    Rotation,  # noqa: F401  (in the tables)
    RotationSpline,
    Slerp,
)
from scipy.spatial.transform import Rotation as R  # noqa: N817  (as everybody does)

from gradcheck.autodiff import AutodiffError, grad
from tests.autodiff.checking import Case, verify
from tests.autodiff.scipy.written import Written

__all__ = ["RotationSpline", "Slerp"]

rng = np.random.default_rng(7)
C = Written(globals())
# Before SciPy 1.17 the class is compiled: a rotation that was made outside refuses traced values.
PYTHON_CLASS = "__dict__" in vars(R)


def normal(*shape: int) -> Any:
    return rng.normal(size=shape)


V, Q, MANY = normal(3), normal(4), normal(3, 3)
FIXED = R.from_rotvec([0.3, -0.4, 0.5])

C("R.from_rotvec(v).as_matrix()", v=V, single=False)
C("R.from_rotvec(v).as_matrix()", v=np.zeros(3), single=False)
C("R.from_rotvec(v, degrees=True).as_quat()", v=20 * MANY, second=False, single=False)
C("R.from_quat(q).as_matrix()", q=Q, single=False)
C("R.from_quat(q, scalar_first=True).as_quat()", q=Q, second=False, single=False)
C.each(
    "R.from_quat(q).as_quat(%s)", "", "canonical=True", "scalar_first=True", q=normal(2, 4), second=False, single=False
)
C("R.from_matrix(m).as_rotvec()", m=FIXED.as_matrix(), single=False)
for turn in ([3.0, 0.1, 0.2], [0.1, 3.0, 0.2], [0.1, -0.2, 3.0]):
    C("R.from_matrix(m).as_quat()", m=R.from_rotvec(turn).as_matrix(), second=False, single=False)
C("R.from_matrix(m).as_matrix()", m=FIXED.as_matrix()[None] + 0.1 * normal(2, 3, 3), second=False, single=False)
C("R.from_mrp(v).as_mrp()", v=0.3 * V, single=False)
C("R.from_mrp(v).as_matrix()", v=MANY, second=False, single=False)
for seq in ("xyz", "XYZ", "zxz", "ZYX", "zyz", "YXY"):
    C(f"R.from_euler('{seq}', a).as_euler('{seq}')", a=np.array([0.3, 0.9, -0.7]), second=seq == "xyz", single=False)
    C(f"R.from_euler('{seq}', a).as_matrix()", a=MANY, second=False, single=False)
    C(f"R.from_rotvec(v).as_euler('{seq}', degrees=True)", v=MANY, second=False, single=False)
C("R.from_euler('z', a).as_matrix()", a=0.4, single=False)
C("R.from_euler('Z', a, degrees=True).as_matrix()", a=np.array([[30.0], [50.0]]), second=False, single=False)
C("R.from_euler('xy', a).as_quat()", a=normal(2), second=False, single=False)
C.each(
    "R.from_davenport([[0, 0, 1], [0, 1, 0], [1, 0, 0]], '%s', a).as_matrix()",
    "extrinsic",
    "i",
    a=V,
    second=False,
    single=False,
)
C("R.from_rotvec(v).as_rotvec()", v=V, single=False)
C("R.from_rotvec(v).as_rotvec(degrees=True)", v=1e-5 * MANY, second=False, single=False)
C("R.from_rotvec(v).apply(x)", v=V, x=MANY, single=False)
C("R.from_rotvec(v).apply(x, inverse=True)", v=MANY, x=V, second=False, single=False)
C("FIXED.apply(x)", x=V, second=False, single=False)
C("R.from_rotvec(v).inv().as_quat()", v=V, second=False, single=False)
C("(R.from_rotvec(v) * FIXED).as_matrix()", v=V, second=False, single=False)
C("(R.from_rotvec(v) ** 0.5).as_rotvec()", v=V, second=False, single=False)
if PYTHON_CLASS:
    C("(R.from_rotvec(v) * R.from_quat(q)).as_matrix()", v=V, q=Q, single=False)
    C("(FIXED * R.from_rotvec(v)).as_matrix()", v=V, second=False, single=False)
    C("(R.from_rotvec(v) ** n).as_rotvec()", v=V, n=0.4, single=False)
    C("(FIXED ** n).as_rotvec()", n=1.7, second=False, single=False)
    C("R.from_rotvec(v).mean(w).as_matrix()", v=MANY, w=np.array([1.0, 2.0, 0.5]), second=False, single=False)
C("R.from_rotvec(v).magnitude()", v=V, second=False, single=False)
C("R.from_rotvec(v).magnitude()", v=MANY, second=False, single=False)
C("R.from_rotvec(v).mean().as_matrix()", v=MANY, second=False, single=False)
C(
    "R.from_rotvec(v)[1].as_matrix() + R.concatenate([R.from_rotvec(v[0]), FIXED])[0].as_matrix()",
    v=MANY,
    second=False,
    single=False,
)
C("sum(r.as_rotvec() for r in R.from_rotvec(v))", v=MANY, second=False, single=False)
C("R.align_vectors(a, b)[0].as_matrix()", a=normal(4, 3), b=normal(4, 3), second=True, single=False)
C(
    "R.align_vectors(a, b, w)[1]",
    a=normal(4, 3),
    b=normal(4, 3),
    w=np.array([1.0, 2.0, 0.5, 1.0]),
    second=False,
    single=False,
)
C("Slerp([0.0, 1.0, 2.5], R.from_rotvec(v))(t).as_matrix()", v=MANY, t=0.4, single=False)
C(
    "Slerp(s, R.from_rotvec(MANY))(t).as_rotvec()",
    s=np.array([0.0, 1.0, 2.5]),
    t=np.array([0.4, 1.7]),
    second=False,
    single=False,
)
C("Rotation(q).as_matrix()", q=Q, second=False, single=False)


@pytest.mark.parametrize("case", C.all, ids=lambda case: case.id)
def test_rule(case: Case) -> None:
    verify(case)


def test_made_outside() -> None:
    slerp = Slerp([0.0, 1.0], R.from_rotvec(MANY[:2]))
    verify(Case(("slerp",), lambda t: slerp(t).as_rotvec(), (0.3,), "slerp", second=False, single=False))


@pytest.mark.skipif(PYTHON_CLASS, reason="followed")
@pytest.mark.parametrize("text", ["FIXED ** v[0]", "FIXED * R.from_rotvec(v)", "R.from_rotvec(MANY).mean(v**2)"])
def test_compiled_class_refuses(text: str) -> None:
    with pytest.raises((AutodiffError, TypeError)):
        grad(eval(f"lambda v: np.sum(({text}).as_matrix())", globals()))(V)


def test_isinstance() -> None:
    def f(v: Any) -> Any:
        r = R.from_rotvec(v)
        assert isinstance(r, R)
        assert isinstance(FIXED, R)
        assert r.single
        assert not r.approx_equal(FIXED)
        return np.sum(r.as_rotvec())

    np.testing.assert_allclose(grad(f)(V), np.ones(3), atol=1e-12)


REFUSED = {
    "R.from_rotvec(v).as_euler('zyx')": "gimbal",
    "R.from_rotvec(v).as_davenport(np.eye(3), 'e')": "as_davenport",
    "RotationSpline([0.0, 1.0], R.from_rotvec(np.stack([v, 2 * v])))": "RotationSpline",
    "R.from_rotvec(np.stack([v, 2 * v])).reduce()": "reduce",
}


@pytest.mark.filterwarnings("ignore:Gimbal lock")
@pytest.mark.parametrize("text", REFUSED)
def test_refused_by_name(text: str) -> None:
    with pytest.raises(AutodiffError, match=REFUSED[text]):
        grad(eval(f"lambda v: {text}", globals()))(np.array([0.0, np.pi / 2, 0.0]))
