"""What the fourth reviewer found, with only the README, the guides and the command."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

from gradcheck import check
from gradcheck.check.result import CheckError

from .command import Run, run, write

__all__ = ["run", "write"]

ROOT = Path(__file__).resolve().parents[1]
MODEL = """
import numpy as np
from helper import slope
def f(x): return np.sum(x**3)
def f_grad(x):
    from helper import factor
    return factor * slope(x)
"""


@pytest.mark.parametrize(
    "order", [["a", "b"], ["b", "a"], ["a/model.py:f", "b/model.py:f"], ["."], ["a", "b", "-j", "2"]]
)
def test_a_helper_of_the_same_name_in_two_folders(order: list[str], tmp_path: Path, run: Run) -> None:
    for folder, power in (("a", "3*x**2"), ("b", "2*x**2")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "model.py").write_text(MODEL)
        (tmp_path / folder / "helper.py").write_text(f"factor = 1.0\ndef slope(x): return {power}\n")
    code, out, _ = run(*order)
    assert code == 1
    verdicts = dict(re.findall(r"^(\w+)  (a|b)/model.py:f", out, re.M)[i][::-1] for i in range(2))
    assert verdicts == {"a": "PASS", "b": "FAIL"}
    assert (sys.modules.get("helper") is None) or "helper.py" in str(sys.modules["helper"].__file__)


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals")
def test_processes_end_with_the_one_that_has_started_them(tmp_path: Path) -> None:
    endless = "import os\ndef f{0}(x):\n    os.write(2, b'%d\\n' % os.getpid())\n    while True: pass\n"
    (tmp_path / "s.py").write_text(endless.format(1) + endless.format(2))
    command = [sys.executable, "-m", "gradcheck", "s.py:f1", "s.py:f2", "--at", "x=[1.0]", "-j", "2"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stderr is not None
        workers = [int(child.stderr.readline()) for _ in range(2)]
        child.send_signal(signal.SIGTERM)
        child.communicate(timeout=20)  # nobody holds its streams open
    for _ in range(100):
        if not any(Path(f"/proc/{worker}").exists() for worker in workers):
            break
        time.sleep(0.1)
    for worker in workers:
        with pytest.raises(ProcessLookupError):
            os.kill(worker, 0)


def test_formats_that_declare_utf8_are_utf8(tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text("def f(x): return x**2\ndef f_grad(x): return 2.1 * x\n")
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "latin-1"}

    def report(form: str) -> bytes:
        command = [sys.executable, "-m", "gradcheck", "m.py:f", "-f", form]
        return subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, check=False).stdout

    assert ET.fromstring(report("junit").decode("utf-8").partition("?>")[2]).tag == "testsuites"
    for form in ("html", "markdown"):
        assert "±" in report(form).decode("utf-8")
    assert report("full").isascii()  # the lines of its table are not to be had in latin-1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([""], "'' names no file or module"),
        (["m.py:"], "'m.py:' names no function"),
        (["m.py:f", "-o", "-"], "'-' is no file"),
        (["m.py:f", "--report", "junit=m.py"], "not written over Python code"),
    ],
)
def test_what_is_refused(arguments: list[str], message: str, tmp_path: Path, run: Run) -> None:
    (tmp_path / "m.py").write_text("def f(x): return x**2\n")
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert not (tmp_path / "-").exists()
    assert (tmp_path / "m.py").read_text().startswith("def f")


def test_arguments_that_are_no_numbers_are_named(tmp_path: Path, run: Run) -> None:
    (tmp_path / "m.py").write_text("import numpy as np\ndef f(x): return np.sum(x * 1.0)\n")
    code, out, _ = run("m.py:f", "--at", "x=array([True, False])")
    assert code == 2
    assert "is an array of bool" in out


@pytest.mark.parametrize("given", [{"rtol": float("nan")}, {"rtol": -1.0}, {"atol": float("inf")}, {"seed": -1}])
def test_tolerances_and_seeds_are_checked_from_python(given: dict[str, float]) -> None:
    with pytest.raises(CheckError, match=next(iter(given))):
        check(np.sum, np.ones(2), **given)  # type: ignore[arg-type]


SHAPES = """
import numpy as np
def f(w): return np.mean((w - 1.0)**2)
def f_grad(w): return 2 * np.mean(w - 1.0)
def right(lam, x=np.array([1.0, 2.0, 3.0])): return np.sum((lam * x - 1.0)**2)
def right_grad(lam, x=np.array([1.0, 2.0, 3.0])): return np.sum(2.0 * (lam * x - 1.0) * x)
"""


def test_a_shape_that_suits_the_derivative_alone_is_told(tmp_path: Path, run: Run) -> None:
    """A derivative with a sum too many fits a number: f by itself would have been taken at an array."""
    (tmp_path / "m.py").write_text(SHAPES)
    code, out, _ = run("m.py")
    assert code == 0
    assert "w was taken as scalar, which fits f_grad; f also runs with w: (3,)" in out
    assert "--shape 'w=3'" in out
    assert out.count("was taken as") == 1
    code, out, _ = run("m.py:f", "--shape", "w=3")
    assert code == 1
    assert "GC102" in out


def test_a_shape_on_the_command_line_counts_before_configured_points(tmp_path: Path, run: Run) -> None:
    (tmp_path / "m.py").write_text("import numpy as np\ndef f(w, k=2.0): return np.sum(w**2) * k\n")
    table = '[[check]]\ntarget = "m.py:f"\nat = { w = [0.5, -1.2] }\n'
    (tmp_path / "gradcheck.toml").write_text(table)
    _, out, _ = run("m.py:f", "-v")
    assert "point: w=[0.5, -1.2]" in out
    assert "(given by gradcheck.toml:3" in out
    code, out, _ = run("m.py:f", "--shape", "w=5")
    assert code == 0
    assert "w: (5,)" in out
    assert "the points that gradcheck.toml:3 gives were not used: --shape counts before them" in out
    (tmp_path / "gradcheck.toml").write_text('[[check]]\ntarget = "m.py:f"\nat = { k = 3.0 }\n')
    _, out, _ = run("m.py:f", "--shape", "w=5", "-v")
    assert "k=3.0" in out
    assert "not used" not in out
