"""Files, folders and decorators: what is found to check, and what is never imported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import gradcheck
from gradcheck.declared import cases
from gradcheck.scan import scan

from .command import Run, Write, process, run, write

__all__ = ["run", "write"]

CASES = """
import numpy as np
import gradcheck

print("LOADED")

def my_grad(w, lam):
    return 3 * w**2 + 2 * lam * w

@gradcheck.case(at={"w": np.array([0.5, 1.0]), "lam": 0.3}, grad=my_grad, name="the loss")
@gradcheck.case(argnum="lam", at=[{"w": [1.0, 2.0], "lam": 0.5}, "w=[2.0]; lam=0.1"], seed=4)
def loss(w, lam=0.1):
    return np.sum(w**3) + lam * np.sum(w**2)

@gradcheck.case(at=lambda: (np.linspace(1, 2, 200), 0.5), expect="fail", grad="half")
def scaled(x, c):
    return c * np.sum(x**2)

def half(x, c):
    return c * x

class Model:
    @gradcheck.case(at=2.0)
    def fun(self, x):
        return x**2

@gradcheck.case
def plain(x):
    return np.sum(x**2)
"""
PAIRS = """
import numpy as np

def loss(w):
    return np.sum(w**2)

def loss_grad(w):
    return 2 * w

def loss_hess(w):
    return 2 * np.eye(len(w))

def price(spot, rate):
    return spot**2 * np.exp(-rate)

def dprice_drate(spot, rate):
    return -spot**2 * np.exp(-rate)

def alone(x):
    return x

def raw(x):
    return x

def draw(x):
    return "a picture"

class Model:
    def fun(self, x):
        return np.sum(x**2)

    def jac(self, x):
        return 2 * x

class NeedsData:
    def __init__(self, data):
        self.data = data

    def fun(self, x):
        return np.sum(x**2)

    def jac(self, x):
        return 2 * x
"""
TRAP = "raise SystemExit('a script')\n"


def listed(out: str) -> list[tuple[str, ...]]:
    return [tuple(part.strip() for part in line.split("  ") if part.strip()) for line in out.splitlines()]


# decorators


def test_declared_checks_of_a_file(run: Run, write: Write) -> None:
    write(model_py=CASES)
    code, out, err = run("model.py", "-f", "json")
    assert code == 0
    assert err.count("LOADED") == 1
    checks = json.loads(out)["checks"]
    assert [(c["target"], c["argument"], c["name"], c["seed"], c["status"], c["source"]) for c in checks] == [
        ("model.py:loss", "w", "the loss", 0, "passed", "model.py:10"),
        ("model.py:loss", "lam", None, 4, "passed", "model.py:11"),
        ("model.py:scaled", "x", None, 0, "expected", "model.py:15"),
        ("model.py:Model.fun", "x", None, 0, "passed", "model.py:23"),
        ("model.py:plain", "x", None, 0, "passed", "model.py:27"),
    ]
    assert checks[0]["derivative"]["name"].endswith("my_grad")
    assert [point["at"] for point in checks[1]["points"]] == ["w=[1.0, 2.0]; lam=0.5", "w=[2.0]; lam=0.1"]
    assert [point["how"] for point in checks[3]["points"]] == ["given by model.py:23"]
    assert checks[2]["points"][0]["at"] is None  # 200 numbers are not written out
    assert checks[2]["reproduce"] == "gradcheck model.py:scaled"
    assert checks[0]["reproduce"].endswith("--at 'w=[0.5, 1.0]; lam=0.3' --isolated")


def test_the_command_line_counts_before_a_decorator(run: Run, write: Write) -> None:
    write(model_py=CASES)
    (check,) = json.loads(run("model.py:Model.fun", "--at", "x=3.0", "-f", "json")[1])["checks"]
    assert [point["at"] for point in check["points"]] == ["x=3.0"]
    (check,) = json.loads(run("model.py:plain", "--points", "2", "-f", "json")[1])["checks"]
    assert len(check["points"]) == 2


def test_a_decorator_leaves_the_function_alone() -> None:
    def f(x: float) -> float:
        return x

    assert gradcheck.case(argnum=0)(f) is f
    assert gradcheck.case(f) is f
    assert vars(f) == {}
    with pytest.raises(TypeError, match="functions and classes that have a name"):
        gradcheck.case()(3)  # type: ignore[type-var]
    assert len([c for c in cases(sys.modules[__name__]) if c.function.endswith("<locals>.f")]) == 2


def test_a_decorator_costs_nothing(tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text("import gradcheck\n@gradcheck.case(at=1, nosuch=2)\ndef f(x): return x\n")
    program = "import sys, m; print(m.f(3), sorted({'numpy', 'scipy', 'rich', 'typer', 'inspect'} & set(sys.modules)))"
    folders = (str(tmp_path), str(Path(gradcheck.__file__).parent.parent))
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(folders)}
    done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("3 []\n", "")


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        (
            "@gradcheck.case(agrnum=1)",
            "@gradcheck.case has no option 'agrnum' (m.py:2)\n  hint: did you mean 'argnum'?",
        ),
        ("@gradcheck.case(seed='x')", "@gradcheck.case: seed must be a whole number, not 'x' (text) (m.py:2)"),
        ("@gradcheck.case(expect='fails')", "expect must be one of pass, fail, inconclusive, not 'fails'"),
        ("@gradcheck.case(grad=lambda x: x)", "cannot be reached by a name"),
        ("@gradcheck.case(at=1.0, points=3)", "points does not go with at"),
        ("@gradcheck.case(at={'y': 1.0})", "at= of m.py:2: a value for 'y', which f does not take"),
        ("@gradcheck.case(at=lambda: 1 / 0)", "at= of m.py:2: raised ZeroDivisionError"),
        ("@gradcheck.case(ignore=['GC0'])", "cannot be ignored"),
    ],
)
def test_mistakes_in_a_decorator(run: Run, write: Write, declared: str, message: str) -> None:
    write(m_py=f"import gradcheck\n{declared}\ndef f(x): return x**2\n\n@gradcheck.case(at=2.0)\ndef g(x): return x\n")
    code, out, _ = run("m.py")
    assert code == 2
    assert message in out
    assert "1 could not run, 1 passed" in out


def test_a_function_within_a_function(run: Run, write: Write) -> None:
    write(
        m_py="import gradcheck\ndef make():\n    @gradcheck.case()\n    def f(x): return x\n    return f\nf = make()\n"
    )
    code, out, _ = run("m.py")
    assert code == 2
    assert "make.<locals>.f is made by a function, and cannot be reached by name (m.py:3)" in out
    write(n_py="import gradcheck\nf = gradcheck.case(at=1.0)(lambda x: x)\n")
    assert "<lambda> is a lambda, and cannot be reached by name (n.py:2)" in run("n.py")[1]


# derivatives found by name


def test_pairs_of_a_file(run: Run, write: Write) -> None:
    write(model_py=PAIRS)
    code, out, _ = run("model.py", "--list")
    assert code == 0
    assert listed(out) == [
        ("model.py:loss", "argnum 0", "model.py:4 with loss_grad"),
        ("model.py:loss", "argnum 0 order 2", "model.py:4 with loss_hess"),
        ("model.py:price", "argnum rate", "model.py:13 with dprice_drate"),
        ("model.py:Model.fun", "argnum 0", "model.py:29 with Model.jac"),
    ]
    code, out, _ = run("model.py")
    assert code == 0
    assert "4 checks: 4 passed" in out
    assert run("model.py", "--no-partners")[0] == 5


def test_a_declared_check_takes_the_place_of_a_pair(run: Run, write: Write) -> None:
    declared = "import gradcheck\n" + PAIRS.replace("def loss(w)", "@gradcheck.case(at=[1.0, 2.0])\ndef loss(w)")
    write(model_py=declared, gradcheck_toml='[[check]]\ntarget = "model:price"\nargnum = ["spot", "rate"]\n')
    assert listed(run("model.py", "--list")[1]) == [
        ("model:price", "argnum spot,rate", "gradcheck.toml:1"),
        ("model.py:loss", "argnum 0", "model.py:5"),
        ("model.py:Model.fun", "argnum 0", "model.py:31 with Model.jac"),
    ]


@pytest.mark.parametrize(
    ("source", "pairs"),
    [
        ("def f(x): ...\ndf = make(f)", ["f"]),
        ("def loss_fn(x): ...\ndef loss_grad(x): ...", ["loss_fn"]),
        ("def fun(x): ...\ndef jac(x): ...", ["fun"]),
        ("def fun(x): ...\ndef cost(x): ...\ndef jac(x): ...", []),
        ("def raw(x): ...\ndef draw(x): ...", []),
        ("def f(): ...\ndef f_grad(): ...", []),
        ("def test_f(x): ...\ndef test_f_grad(x): ...", []),
        ("async def f(x): ...\ndef f_grad(x): ...", []),
        ("def f(x): ...\ndef f_hessp(x, v): ...", ["f"]),
        ("class A:\n  x: int\n  def fun(self, x): ...\n  def jac(self, x): ...", ["A.fun"]),
        ("@dataclass\nclass A:\n  x: int\n  def fun(self, x): ...\n  def jac(self, x): ...", []),
        ("class A:\n  @property\n  def fun(self): ...\n  def jac(self, x): ...", []),
    ],
)
def test_which_names_are_pairs(source: str, pairs: list[str]) -> None:
    assert [pair.function for pair in scan(source).pairs] == pairs


@pytest.mark.parametrize(
    ("source", "declares"),
    [
        ("from gradcheck import case\n@case()\ndef f(x): ...", True),
        ("from gradcheck import case as check\ncheck(at=1)(f)", True),
        ("import gradcheck\ngradcheck.grad(f)", False),
        ("import numpy as gradcheck2\n@other.case()\ndef f(x): ...", False),
        ("match x:\n  case 1: ...", False),
    ],
)
def test_which_files_declare_something(source: str, declares: bool) -> None:
    assert scan(source).cases is declares


# files and folders


def test_a_folder_imports_only_what_declares_something(run: Run, write: Write) -> None:
    home = write(
        src__model_py=PAIRS,
        src__cases_py=CASES,
        src__script_py=TRAP,
        src___hidden__x_py=PAIRS + TRAP,
        src__broken_py="def f(x:",
        environment__y_py=PAIRS + TRAP,
    )
    (home / "src" / "_hidden").rename(home / "src" / ".hidden")
    (home / "environment" / "pyvenv.cfg").touch()
    code, out, err = run(".", "-f", "json")
    assert code == 0
    assert {c["target"].split(":")[0] for c in json.loads(out)["checks"]} == {"src/model.py", "src/cases.py"}
    assert "src/broken.py is not valid Python, and was passed over" in err
    # A file that is named twice is taken once.
    twice = json.loads(run(".", "src/model.py", "src", "-f", "json")[1])["checks"]
    assert len(twice) == len(json.loads(out)["checks"])


def test_a_file_without_checks(run: Run, write: Write) -> None:
    write(script_py=TRAP + "def useful(x): ...", model_py=PAIRS)
    code, out, err = run("script.py")
    assert code == 5
    assert out.startswith("nothing was checked")
    assert "nothing was checked: script.py declares no check, and no `def` at its top level has a derivative" in err
    assert "name a function: script.py:useful" in err
    assert run("script.py", "-qq") == (5, "", "")
    code, out, err = run("script.py", "--allow-empty")
    assert (code, err) == (0, "")
    code, out, err = run("script.py", "model.py")
    assert (code, err) == (0, "gradcheck: nothing to check in script.py\n")
    assert run("script.py", "model.py", "--allow-empty")[2] == ""
    assert run("script.py", "-f", "json")[0] == json.loads(run("script.py", "-f", "json")[1])["exit_code"] == 5


def test_files_that_cannot_be_read(run: Run, write: Write) -> None:
    home = write(broken_py="def f(x:", ours_py="import gradcheck\ndef f(x:", raises_py=CASES + "\n1 / 0\n")
    for name, message in [
        ("broken.py", "ERROR GC003  broken.py  SyntaxError"),
        ("raises.py", "raises.py cannot be imported: ZeroDivisionError"),
        ("nosuch.py", "there is no file 'nosuch.py'"),
    ]:
        code, out, _ = run(name)
        assert code == 2
        assert message in out
    assert run("broken.py", "--allow-empty")[0] == 0
    assert run("ours.py", "--allow-empty")[0] == 2  # it may declare something
    (home / "empty").mkdir()
    code, _, err = run("empty")
    assert code == 5
    assert "no check is declared in 'empty'" in err


def test_configured_checks_of_a_file(run: Run, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    home = write(
        src__pkg__model_py=PAIRS,
        src__pkg__other_py=PAIRS,
        gradcheck_toml="""
pythonpath = ["src"]
no-partners = true
[[check]]
target = "pkg.model:loss"
[[check]]
target = "src/pkg/model.py:alone"
[[check]]
target = "pkg.other:loss"
""",
    )
    (home / "src" / "pkg" / "__init__.py").touch()
    assert [row[0] for row in listed(run("src/pkg/model.py", "--list")[1])] == [
        "pkg.model:loss",
        "src/pkg/model.py:alone",
    ]
    assert len(listed(run("src", "--list")[1])) == len(listed(run("--list")[1])) == 3
    assert run("src/pkg/model.py", "src/pkg/other.py", "-f", "json")[0] == 0
    monkeypatch.chdir(home / "src")
    assert [row[0] for row in listed(run("pkg/other.py", "--list")[1])] == ["pkg.other:loss"]


def test_nothing_named_and_nothing_configured(run: Run, write: Write) -> None:
    code, out, err = run()
    assert (code, out) == (2, "")
    assert "Usage: gradcheck [OPTIONS] [TARGET]..." in err
    assert "No target is given, and no check is configured" in err
    assert run("--allow-empty")[0] == 0
    assert run("--list")[0] == 2
    write(gradcheck_toml="seed = 1\n")
    code, _, err = run()
    assert code == 2
    assert "gradcheck.toml configures no check" in err


def test_listing_tells_what_cannot_be_listed(run: Run, write: Write) -> None:
    write(model_py=PAIRS, bad_py="import gradcheck\n@gradcheck.case(nosuch=1)\ndef f(x): ...\n")
    code, out, err = run("bad.py", "model.py", "--list")
    assert code == 2
    assert len(listed(out)) == 4
    assert "GC008: @gradcheck.case has no option 'nosuch' (bad.py:2)" in err


def test_in_a_process_of_its_own(write: Write) -> None:
    home = write(model_py=CASES)
    done = process("model.py", cwd=home)
    assert done.returncode == 0
    assert "LOADED" not in done.stdout
    assert "EXPECTED  model.py:scaled  x  FAIL, as declared at model.py:15: GC101" in done.stdout
    assert done.stdout.endswith(" s)\n")
    assert "5 checks: 1 as expected, 4 passed" in done.stdout
