"""What a third reviewer found: options that only the command line could set, points off the domain, false alarms."""

from __future__ import annotations

import pytest

from .command import Run, Write, run, write

__all__ = ["run", "write"]

PRODUCT = """
import numpy as np
import gradcheck

def f(x):
    return np.sum(np.exp(x))

def by_vector(x, v):
    return np.exp(x) * v
"""


def test_a_product_with_a_vector_is_named_by_a_decorator(run: Run, write: Write) -> None:
    text = PRODUCT.replace("def f", '@gradcheck.case(at=[1.0, 2.0], order=2, hessp="by_vector")\ndef f')
    write(model_py=text)
    code, out, err = run("model.py")
    assert (code, err) == (0, ""), out
    assert "by_vector" in out, out


@pytest.mark.parametrize(
    "table",
    [
        '[[check]]\ntarget = "model.py:f"\norder = 2\nhessp = "by_vector"\n',
        'hessp = "by_vector"\n[[check]]\ntarget = "model.py:f"\norder = 2\n',
        'hessp = "by_vector"\norder = 2\n[[check]]\ntarget = "model.py:f"\n',
    ],
)
def test_a_product_with_a_vector_is_named_in_a_file(run: Run, write: Write, table: str) -> None:
    write(model_py=PRODUCT, gradcheck_toml=table)
    code, out, _ = run()
    assert code == 0, out
    assert "by_vector" in out, out


def test_a_product_with_a_vector_is_named_in_a_variable(
    run: Run, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(model_py=PRODUCT)
    monkeypatch.setenv("GRADCHECK_HESSP", "by_vector")
    code, out, _ = run("model.py:f", "--order", "2")
    assert code == 0, out
    assert "by_vector" in out, out
    code, _, err = run("model.py:f")
    assert code == 2
    assert "GRADCHECK_HESSP by_vector goes with --order 2 only" in err


def test_a_check_may_mend_what_the_table_contradicts(run: Run, write: Write) -> None:
    table = 'no-autodiff = true\ngrad = "none"\n[[check]]\ntarget = "model.py:g"\ngrad = "auto"\n'
    write(model_py="def g(x):\n    return x**2\n\ndef g_grad(x):\n    return 2 * x\n", gradcheck_toml=table)
    assert run()[0] == 0


@pytest.mark.parametrize("bounds", ["x=[[0, 0], [1, 1]]", "x=([0, 0], [1, 1])"])
def test_bounds_of_another_shape_than_the_argument_are_refused(run: Run, write: Write, bounds: str) -> None:
    write(model_py="import numpy as np\n\ndef f(x):\n    return np.sum(x**2)\n")
    code, out, _ = run("model.py:f", "--bounds", bounds, "--shape", "x=3")
    assert code == 2, out
    assert "GC021" in out, out
    assert "do not broadcast to its shape (3,)" in out, out


@pytest.mark.parametrize("bounds", ["x=[1, 0]", "x=([0, 1], [2, 0])"])
def test_a_lower_bound_above_the_upper_one_is_told(run: Run, write: Write, bounds: str) -> None:
    write(model_py="import numpy as np\n\ndef f(x):\n    return np.sum(x**2)\n")
    code, out, _ = run("model.py:f", "--bounds", bounds)
    assert code == 2, out
    assert "the lower bound 1 of x is above the upper one 0" in out, out


DOMAIN = """
import numpy as np

def angle(x=1 - 1e-12):
    return np.arccos(x)

def angle_grad(x):
    return -1 / np.sqrt((1 - x) * (1 + x))

def dome(x=np.array([0.6, 0.8 - 1e-9])):
    return np.sqrt(1 - x @ x)

def dome_grad(x):
    return -x / np.sqrt(1 - x @ x)

def only_there(x=0.5):
    return x**2 if abs(x - 0.5) < 1e-5 else np.nan

def only_there_grad(x):
    return 2 * x
"""


@pytest.mark.parametrize("name", ["angle", "dome"])
def test_a_move_off_the_default_stays_where_f_is_finite(run: Run, write: Write, name: str) -> None:
    write(model_py=DOMAIN)
    code, out, _ = run(f"model.py:{name}", "--points", "3")
    assert code != 2, out
    assert "GC013" not in out, out


def test_the_default_alone_is_checked_where_no_move_stays_in_the_domain(run: Run, write: Write) -> None:
    write(model_py=DOMAIN)
    code, out, _ = run("model.py:only_there", "--points", "3")
    assert code == 0, out
    assert "does not run beside the default of x" in out, out


MATRICES = """
import numpy as np
S = np.array([[2.0, 0.3, 0.1], [0.3, 1.5, -0.2], [0.1, -0.2, 1.0]])
R = np.array([[1.0, 0.999], [0.999, 1.0]])

def least(C=np.array([[2.0, 0.0], [0.0, 1.0]])):
    return np.linalg.eigvalsh(C)[0]

def least_grad(C):
    v = np.linalg.eigh(C)[1][:, 0]
    return np.outer(v, v)

def volume(A=S):
    return 2 * np.sum(np.log(np.diag(np.linalg.cholesky(A))))

def volume_grad(A):
    return np.linalg.inv(A)

def narrow(A=R):
    return volume(A)

def narrow_grad(A):
    return np.linalg.inv(A)

def gauss(A=S, x=np.array([0.3, -0.5, 0.9])):
    return 0.5 * x @ np.linalg.solve(A, x) + 0.5 * np.linalg.slogdet(A)[1]

def gauss_grad(A, x=np.array([0.3, -0.5, 0.9])):
    i = np.linalg.inv(A)
    return 0.5 * (i - i @ np.outer(x, x) @ i)

def saddle(A=np.array([[1.0, 2.0], [2.0, 1.0]])):
    return np.trace(A @ A)

def saddle_grad(A):
    return 2 * A

def unfilled(W=np.zeros((2, 2))):
    return np.trace(W @ W)

def unfilled_grad(W):
    return 2 * W
"""


@pytest.mark.parametrize("name", ["least", "volume", "narrow", "gauss", "saddle"])
def test_a_symmetric_default_stays_symmetric_when_it_is_moved(run: Run, write: Write, name: str) -> None:
    write(model_py=MATRICES)
    code, out, _ = run(f"model.py:{name}", "--points", "4")
    assert code == 0, out
    assert "at the defaults and 3 beside" in out, out
    assert run(f"model.py:{name}")[0] == 0


def test_a_matrix_of_zeros_is_filled_with_any_numbers(run: Run, write: Write) -> None:
    write(model_py=MATRICES)
    code, out, _ = run("model.py:unfilled")
    assert code == 1, out
    assert "GC1" in out, out


SWAPPED = """
import numpy as np

def f(x, lam=0.5):
    return lam * np.sum(x**4)

def f_hessp(v, x, lam=0.5):
    return 12 * lam * x**2 * v
"""


def test_a_product_with_the_vector_first_is_refused(run: Run, write: Write) -> None:
    write(model_py=SWAPPED)
    code, out, _ = run("model.py:f", "--order", "2", "--hessp", "f_hessp")
    assert code == 2, out
    assert "GC004" in out, out
    assert "the vector stands after x, as in SciPy: f_hessp(x, v)" in out, out
    code, out, _ = run("model.py:f", "--order", "2")
    assert code == 0, out
    assert "f_hessp was not used" in out, out


@pytest.mark.parametrize("order", ["1", "2"])
@pytest.mark.parametrize("bounds", ["x=[0, 1e-300]", "x=[0, 1e-310]", "x=[-1e-300, 1e-300]", "x=[1e300, 1.1e300]"])
@pytest.mark.parametrize("body", ["np.sum(x**2)", "np.sum(np.abs(x)**1.5)", "np.sin(x) * 1e200"])
def test_nothing_of_ours_warns_of_overflow(run: Run, write: Write, body: str, bounds: str, order: str) -> None:
    write(model_py=f"import numpy as np\n\ndef f(x):\n    return {body}\n")
    _, out, err = run("model.py:f", "--bounds", bounds, "--order", order)  # warnings are errors here
    assert "GC000" not in out, out
    assert err == "", err


DECLARED = """
import gradcheck

@gradcheck.case(at={AT})
def f(x, k=2.0):
    return k * x**2

def f_grad(x, k=2.0):
    return 2 * k * x
"""
NOT_USED = "the points that {} gives were not used: {} counts before them"


@pytest.mark.parametrize("at", ["[(1.0, 3.0), (2.0, 3.0)]", '"x=1"'])
def test_declared_points_that_do_not_count_are_told(run: Run, write: Write, at: str) -> None:
    write(model_py=DECLARED.replace("{AT}", at))
    _, out, _ = run("model.py")
    assert "were not used" not in out, out
    code, out, _ = run("model.py:f", "--points", "3")
    assert code == 0, out
    assert NOT_USED.format("model.py:4", "--points") in out, out
    assert "were not used" not in run("model.py:f", "--at", "x=3")[1]


def test_configured_points_that_do_not_count_are_told(run: Run, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    table = '[[check]]\ntarget = "model.py:f"\nat = { x = 2.0 }\n'
    write(model_py=DECLARED.replace("@gradcheck.case(at={AT})\n", ""), gradcheck_toml=table)
    monkeypatch.setenv("GRADCHECK_POINTS", "2")
    assert NOT_USED.format("gradcheck.toml:3", "GRADCHECK_POINTS") in run()[1]
    monkeypatch.delenv("GRADCHECK_POINTS")
    assert "were not used" not in run()[1]


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("bounds = { x = [1, 0] }", "  bounds: the lower bound 1 of x is above the upper one 0 (of gradcheck.toml:3)"),
        ('argnum = "y"', "  argnum: f has no parameter 'y' (of gradcheck.toml:3)"),
        ("at = { y = 1 }", "  at: the function has no parameter 'y'"),
        ('grad = "nowhere"', "  grad: there is no function 'nowhere' beside f (of gradcheck.toml:3)"),
        ("order = 2\ngrad = 'returned'", "grad returned does not go with order 2"),
    ],
)
def test_a_mistake_in_a_file_is_told_with_its_place(run: Run, write: Write, option: str, text: str) -> None:
    table = f'[[check]]\ntarget = "model.py:f"\n{option}\n'
    write(model_py=DECLARED.replace("@gradcheck.case(at={AT})\n", ""), gradcheck_toml=table)
    code, out, _ = run()
    assert code == 2, out
    assert text in out, out
    assert "gradcheck.toml:3" in out, out


def test_a_mistake_in_a_variable_or_a_decorator_is_told_with_its_place(
    run: Run, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(model_py=DECLARED.replace("at={AT}", "argnum='y'"))
    assert "argnum: f has no parameter 'y' (of model.py:4)" in run("model.py")[1]
    monkeypatch.setenv("GRADCHECK_ARGNUM", "z")
    assert "  GRADCHECK_ARGNUM: f has no parameter 'z'" in run("model.py")[1]
    assert "  --argnum: f has no parameter 'q'" in run("model.py", "--argnum", "q")[1]


def test_a_table_of_the_project_may_stand_in_another_file(run: Run, write: Write) -> None:
    table = 'seed = 7\n[[tool.gradcheck.check]]\ntarget = "model.py:f"\nexpect = "fail"\n'
    write(model_py=DECLARED.replace("@gradcheck.case(at={AT})\n", ""), t_toml="[tool.gradcheck]\n" + table)
    code, out, _ = run("--config", "t.toml")
    assert code == 1, out  # it was to fail
    assert "t.toml:3 says expect" in out, out
    write(t_toml=table)
    code, _, err = run("--config", "t.toml")
    assert code == 2, err
    assert "unknown key 'tool'" in err, err


def test_a_broken_file_is_an_error_if_it_is_named_or_speaks_of_gradcheck(run: Run, write: Write) -> None:
    good = "def f(x):\n    return x**2\n\ndef f_grad(x):\n    return 2 * x\n"
    write(a__good_py=good, a__bad_py="def f(x: return\n", b__bad_py="import gradcheck\ndef f(x: return\n")
    code, _, err = run("a")
    assert code == 0
    assert "a/bad.py is not valid Python, and was passed over" in err, err
    for target in ("a/bad.py", "b"):
        code, out, _ = run(target)
        assert code == 2, out
        assert "GC003" in out, out
