"""The command itself: exit codes, streams, options, and that its reproduce line reproduces."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from gradcheck import cli, command, points
from gradcheck.check.result import Point
from gradcheck.request import Request
from tests.fixture_cases import ALL, CASES, Case

ROOT = Path(__file__).resolve().parent.parent

MODEL = """
import os
import sys
import numpy as np

def h(x, t):
    return np.dot(x, t) + np.exp(np.dot(x, t))

def loss(w, X, y):
    return np.mean((X @ w - y) ** 2)

def loss_grad(w, X, y):
    return X.T @ (X @ w - y) / len(y)

def good(x):
    return np.sum(x**3)

def good_grad(x):
    return 3 * x**2

def other_slope(x):
    return 4 * x**2

def good_hess(x):
    return np.diag(6 * x)

def both(x):
    return np.sum(x**2), 2 * x

def pair(x, t):
    return np.sum(x * t**2)

def pair_grad(x, t):
    return t**2

def relu(x):
    return np.sum(np.maximum(x, 0.0))

def noisy(x):
    print("PRINTED")
    os.write(1, b"WRITTEN")
    return np.sum(x**2)

def boom(x):
    raise ValueError("boom [red]x[i]")

def leaves(x):
    sys.exit(0)

def forgets(x):
    np.sum(x)

def random(x):
    return np.sum(x) * np.random.rand()

def interrupted(x):
    raise KeyboardInterrupt

class Model:
    def fun(self, x):
        return np.sum(x**2)
    def jac(self, x):
        return 2 * x
"""

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def gradcheck(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Run the command in this process, in a folder with model.py; returns exit code, stdout and stderr."""
    (tmp_path / "model.py").write_text(MODEL, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str) -> tuple[int, str, str]:
        code = cli.main(list(arguments))
        captured = capfd.readouterr()
        return code, captured.out, captured.err

    yield run
    for name, module in list(sys.modules.items()):
        if str(tmp_path) in str(getattr(module, "__file__", "")):
            del sys.modules[name]


def process(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Run ``python -m gradcheck`` in a process of its own."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run(
        [sys.executable, "-m", "gradcheck", *arguments], cwd=cwd, env=env, capture_output=True, check=False
    )


# verdicts and exit codes


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["model.py:h"], 0, "PASS  model.py:h  x"),
        (["model.py:h", "--argnum", "1"], 0, "PASS  model.py:h  t"),
        (["model.py:h", "--argnum", "t"], 0, "PASS  model.py:h  t"),
        (["model.py::h", "-a", "0", "-a", "t"], 0, "2 checks: 2 passed"),
        (["model.py:h", "--argnum", "all"], 0, "2 checks: 2 passed"),
        (["model:good"], 0, "good_grad (found by name)"),
        (["model:good", "--grad", "other_slope"], 1, "3 of 3 entries wrong"),
        (["model:good", "--grad", "model.py:other_slope"], 1, "other_slope (given with --grad)"),
        (["model:good", "--grad", "none"], 0, "autodiff and measured agree"),
        (["model:both"], 0, "both (returned by f)"),
        (["model:both", "--grad", "returned"], 0, "both (returned by f)"),
        (["model.py:Model.fun"], 0, "Model.jac (found by name)"),
        (["model.py:loss"], 1, "3 of 3 entries wrong"),
        (["model.py:relu", "--at", "[1, -1, 0]"], 3, "1 of 3 entries undecided"),
        (["model.py:relu", "--at", "[1, -1, 0]", "--allow-inconclusive"], 0, "INCONCLUSIVE"),
        (["model.py:boom"], 2, "boom raised ValueError: boom [red]x[i]"),
        (["model.py:leaves"], 2, "leaves calls sys.exit(0)"),
        (["model.py:forgets"], 2, "forgets returned None"),
        (["model.py:forgets", "--at", "1.0"], 2, "GC011"),
        (["model.py:random"], 2, "GC012"),
        (["model.py:nosuch"], 2, "has no attribute 'nosuch'"),
        (["model.py:boom", "model.py:good"], 2, "2 checks: 1 could not run, 1 passed"),
        (["nosuch.py:f", "model.py:loss", "model.py:good"], 1, "1 wrong, 1 could not run, 1 passed"),
        (["scipy.optimize:rosen"], 0, "rosen_der (found by name)"),
        (["scipy.optimize:rosen", "--order", "2"], 0, "rosen_hess and rosen_hess_prod (found by name)"),
        (["model.py:good", "--order", "2"], 0, "good_hess (found by name)"),
    ],
)
def test_exit_codes(gradcheck: Run, arguments: list[str], code: int, text: str) -> None:
    got, out, _ = gradcheck(*arguments)
    assert text in out
    assert got == code


def test_the_other_argument_is_not_blamed_with_the_derivative_of_the_first(gradcheck: Run) -> None:
    code, out, _ = gradcheck("model.py:pair", "--argnum", "all")
    assert code == 0
    first, second = (line for line in out.split("\n") if line.startswith("PASS"))
    assert "pair_grad" in first
    assert "pair_grad" not in second
    assert "pair_grad was not used: it returns one derivative, taken to be with respect to x" in out


def test_wrong_entries_of_a_point(gradcheck: Run) -> None:
    code, out, _ = gradcheck("model.py:good", "--grad", "other_slope", "--at", "x=[1, 0, 2]", "-f", "json")
    (check,) = json.loads(out)["checks"]
    assert code == 1
    assert [entry["index"] for entry in check["entries"] if entry["verdict"] == "fail"] == [[0], [2]]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.target}-{case.argname}-{case.order}-{case.grad}")
def test_fixtures(case: Case, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """No point is given: it is found, as is the derivative; exactly the wrong entries are named."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "path", list(sys.path))
    grad = ["--grad", case.grad] if case.grad else []
    arguments = [case.target, "--argnum", case.argname, "--order", str(case.order), *grad, "-f", "json"]
    code = cli.main(arguments)
    (check,) = json.loads(capfd.readouterr().out)["checks"]
    # Entries along random directions have no index of their own.
    entries = [e for e in check["entries"] if " · " not in e["label"]]
    indices = [(*e["output"], *e["index"]) for e in entries]
    expected = set(indices) if case.wrong == ALL else set(case.wrong)
    assert {i for i, e in zip(indices, entries, strict=True) if e["verdict"] == "fail"} == expected
    assert {i for i, e in zip(indices, entries, strict=True) if e["verdict"] != "pass"} == expected
    assert check["derivative"]["name"].rpartition(".")[2] == case.derivative.rpartition(".")[2]
    assert code == (1 if expected else 0)


# reproduce


@pytest.mark.parametrize(
    "arguments",
    [
        ["model.py:loss"],
        ["model.py:loss", "--shape", "X=(30, 5)", "--seed", "3"],
        ["model.py:good", "--grad", "model.py:other_slope", "--at", "linspace(0.5, 1, 3)", "--rtol", "1e-6"],
        ["model.py:loss", "--argnum", "w", "--points", "2"],
    ],
)
def test_the_reproduce_line_reproduces(gradcheck: Run, arguments: list[str]) -> None:
    code, out, _ = gradcheck(*arguments, "-f", "json")
    (check,) = json.loads(out)["checks"]
    assert code == 1
    worst = max((e for e in check["entries"] if e["verdict"] == "fail"), key=lambda e: e["difference"])
    command = shlex.split(check["reproduce"])
    assert command[0] == "gradcheck"
    again, out, _ = gradcheck(*command[1:], "-f", "json")
    assert again == code
    entries = json.loads(out)["checks"][0]["entries"]
    same = [e for e in entries if e["verdict"] == "fail" and e["label"] == worst["label"]]
    assert same
    assert check["simpler"] or [e for e in same if e["yours"] == worst["yours"]]


def test_the_same_seed_gives_the_same_report(gradcheck: Run) -> None:
    texts = [gradcheck("model.py:h", "-v", "--seed", seed)[1].rpartition("(")[0] for seed in ("0", "0", "5")]
    assert texts[0] == texts[1] != texts[2]


# points given


def test_points_from_files_and_functions(gradcheck: Run, tmp_path: Path) -> None:
    np.savez(tmp_path / "p.npz", x=np.array([1.5, 2.5]), t=np.array([0.5, 0.25]))
    (tmp_path / "here.py").write_text("def point(): return [1.5, 2.5], [0.5, 0.25]\n")
    for at in ("@p.npz", "here.py:point", "[1.5, 2.5]; t=[0.5, 0.25]"):
        code, out, _ = gradcheck("model.py:h", "--at", at, "-v")
        assert code == 0
        assert "point: x=[1.5, 2.5]; t=[0.5, 0.25]" in out


def test_several_points(gradcheck: Run) -> None:
    code, out, _ = gradcheck("model.py:good", "--at", "[1, 2]", "--at", "[3, 4, 5]", "-f", "json")
    assert code == 0
    assert [point["at"] for point in json.loads(out)["checks"][0]["points"]] == [
        "x=[1.0, 2.0]",
        "x=[3.0, 4.0, 5.0]",
    ]


# mistakes in options


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["-v"], "no target is given"),
        (["model.py:h", "--order", "3"], "only 1 (gradient, Jacobian) and 2 (Hessian)"),
        (["model.py:h", "--points", "0"], "at least one point"),
        (["model.py:h", "--points", "2", "--at", "1"], "--points does not go with --at"),
        (["model.py:h", "--format", "xml"], "not one of full, concise, json, junit"),
        (["model.py:h", "--color", "red"], "not one of auto, always, never"),
        (["model.py:h", "--rtol", "-1"], "a tolerance is"),
        (["model.py:h", "--seed", "-1"], "a seed is not negative"),
        (["model.py:both", "--grad", "returned", "--order", "2"], "does not go with --order 2"),
        (["--explain", "GC999"], "there is no code 'GC999'"),
        (["--nosuch"], "No such option"),
        (["model.py:h", "-o", "model.py/report"], "cannot write"),
    ],
)
def test_mistakes_in_options_go_to_stderr(gradcheck: Run, arguments: list[str], text: str) -> None:
    code, out, err = gradcheck(*arguments)
    assert code == 2
    assert out == ""
    assert text in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--argnum", "5"], "h takes 2 arguments (x, t)"),
        (["--argnum", "u"], "h has no parameter 'u'"),
        (["--at", "x=[1, 2"], "this is not a value"),
        (["--at", "@none.npy"], "cannot read 'none.npy'"),
        (["--shape", "x=a"], "'a' is not known here"),
        (["--grad", "nosuch"], "there is no function 'nosuch' beside h"),
        (["--pythonpath", "nowhere"], "there is no folder"),
    ],
)
def test_mistakes_that_need_the_target_are_outcomes(gradcheck: Run, arguments: list[str], text: str) -> None:
    code, out, _ = gradcheck("model.py:h", *arguments)
    assert code == 2
    assert text in out


def test_no_arguments_is_help(gradcheck: Run) -> None:
    code, out, err = gradcheck()
    assert code == 2
    assert "Usage: gradcheck [OPTIONS] [TARGET]..." in out + err


def test_help_and_version(gradcheck: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, _ = gradcheck("-h")
    assert code == 0
    for part in (
        "Examples:",
        "Exit codes:",
        "--argnum N|NAME",
        "What to check:",
        "Report:",
        "--install-completion",
    ):
        assert part in out
    assert max(len(line) for line in out.split("\n")) <= 80
    assert "\x1b[" not in out
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    assert gradcheck("--help")[1] == out
    assert gradcheck("-V")[1].startswith("gradcheck ")


def test_explain(gradcheck: Run) -> None:
    for code in ("GC101", "gc005"):
        got, out, _ = gradcheck("--explain", code)
        assert got == 0
        assert out.startswith(code.upper())


def test_codes_that_are_raised_are_explained() -> None:
    from gradcheck.explain import explain

    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "gradcheck").rglob("*.py"))
    import re

    for code in sorted(set(re.findall(r'code="(GC\d{3})"', source))):
        assert explain(code).startswith(code)


# streams


def test_what_user_code_prints_is_not_in_the_report(gradcheck: Run) -> None:
    code, out, err = gradcheck("model.py:noisy", "-f", "json")
    assert code == 0
    assert json.loads(out)["summary"]["passed"] == 1
    assert "PRINTED" in err
    assert "WRITTEN" in err


def test_what_is_printed_at_exit_is_not_in_the_report(tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text("import atexit\natexit.register(print, 'LATE')\ndef f(x): return x * 2.0\n")
    done = process("m.py:f", "-f", "json", cwd=tmp_path)
    assert json.loads(done.stdout)["exit_code"] == 0
    assert b"LATE" in done.stderr


def test_stdout_is_given_back(gradcheck: Run, capfd: pytest.CaptureFixture[str]) -> None:
    gradcheck("model.py:good")
    os.write(1, b"still there")
    assert capfd.readouterr().out == "still there"


def test_output_file(gradcheck: Run, tmp_path: Path) -> None:
    code, out, _ = gradcheck("model.py:good", "-f", "json", "-o", "report.json")
    assert (code, out) == (0, "")
    assert json.loads((tmp_path / "report.json").read_text())["exit_code"] == 0


def test_quiet(gradcheck: Run) -> None:
    code, out, _ = gradcheck("model.py:good", "model.py:loss", "-q")
    assert code == 1
    assert "PASS" not in out
    assert "FAIL" in out
    assert gradcheck("model.py:good", "model.py:loss", "-qq")[:2] == (1, "")


def test_color(gradcheck: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\x1b[" not in gradcheck("model.py:good")[1]
    assert "\x1b[" in gradcheck("model.py:good", "--color", "always")[1]
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[" in gradcheck("model.py:good")[1]
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in gradcheck("model.py:good")[1]


def test_traceback_of_the_user_only(gradcheck: Run, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("def g():\n    return 1 / 0\ng()\n")
    code, out, _ = gradcheck("broken.py:f", "--traceback")
    assert code == 2
    assert "ZeroDivisionError: division by zero (broken.py:2)" in out
    assert 'broken.py", line 3' in out
    assert "importlib" not in out
    assert "gradcheck/" not in out.partition("Traceback")[2]


def test_interrupt(gradcheck: Run) -> None:
    assert gradcheck("model.py:interrupted")[0] == 130


def test_a_bug_of_ours_is_told_and_stops_nothing(gradcheck: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    real = points.find

    def fails(request: Request) -> list[Point]:
        if request.target.name == "h":
            raise KeyError("our mistake")
        return real(request)

    monkeypatch.setattr("gradcheck.runner.find", fails)
    code, out, _ = gradcheck("model.py:h", "model.py:good")
    assert code == 4
    assert "this is a bug in gradcheck; please report it" in out
    assert "1 passed" in out
    assert "Traceback" not in out
    assert "our mistake" in gradcheck("model.py:h", "--traceback")[1].partition("Traceback")[2]


def test_a_bug_in_a_report_is_told(gradcheck: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*args: object) -> str:
        raise KeyError("our mistake")

    monkeypatch.setattr(command, "render", fails)
    code, out, err = gradcheck("model.py:good")
    assert (code, out) == (4, "")
    assert "please report it" in err


def test_in_processes_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text(MODEL)
    ascii_only = process("model.py:relu", "--at", "[1, 0]", cwd=tmp_path, PYTHONIOENCODING="ascii")
    assert ascii_only.returncode == 3
    assert ascii_only.stdout.isascii()
    assert b"+/-" in ascii_only.stdout
    command = f"{shlex.quote(sys.executable)} -m gradcheck model.py:loss model.py:loss model.py:loss | head -1"
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    piped = subprocess.run(["sh", "-c", command], cwd=tmp_path, env=env, capture_output=True, check=False)
    assert piped.stdout.startswith(b"FAIL")
    assert piped.stderr == b""


def test_closed_stdout(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text(MODEL)
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = f"{shlex.quote(sys.executable)} -m gradcheck model.py:loss >&-"
    done = subprocess.run(["sh", "-c", command], cwd=tmp_path, env=env, capture_output=True, check=False)
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr


# mistakes that a convenient point would hide


HIDDEN = """
import numpy as np

def loss(w, lam=0.0):
    return np.sum(w**2) + lam * np.sum(w**4)

def loss_grad(w, lam=0.0):
    return 2 * w

def fixed(w, lam=0.5):
    return np.sum(w**2) + lam * np.sum(w**4)

def fixed_grad(w, eps=1e-6):
    return 2 * w + 4 * 0.5 * w**3

def shape(w, lam=0.0):
    return np.sum(w**2) + lam

def shape_grad(w, lam=0.0):
    return 2 * np.sum(w)
"""


def test_a_term_that_a_default_switches_off_is_seen(gradcheck: Run, tmp_path: Path) -> None:
    (tmp_path / "hidden.py").write_text(HIDDEN, encoding="utf-8")
    code, out, _ = gradcheck("hidden.py:loss")
    assert code == 1
    assert "lam moved off the default" in out
    command = next(line for line in out.splitlines() if "reproduce:" in line).partition(": ")[2]
    assert gradcheck(*shlex.split(command)[1:])[0] == 1


def test_a_derivative_for_the_default_alone_is_right(gradcheck: Run, tmp_path: Path) -> None:
    (tmp_path / "hidden.py").write_text(HIDDEN, encoding="utf-8")
    assert gradcheck("hidden.py:fixed")[0] == 0


def test_a_wrong_shape_is_not_taken_for_another_argument(gradcheck: Run, tmp_path: Path) -> None:
    (tmp_path / "hidden.py").write_text(HIDDEN, encoding="utf-8")
    code, out, _ = gradcheck("hidden.py:shape", "--shape", "w=3")
    assert code == 1, out
    assert "GC102" in out


KEYWORDS = """
import numpy as np

def kd(x, *, y=2.0):
    return np.sum(x**2) * y**2

def kd_grad(x, *, y=2.0):
    return 2 * x * y**2

def mixed(a, /, b=1.5, *, c, d=0.5):
    return a**2 * b * c**3 * np.exp(d)

class Fit:
    def __call__(self, x, *, lam=0.1):
        return np.sum(x**2) + lam * np.sum(x)

    def grad(self, x, *, lam=0.1):
        return 2 * x + lam

fit = Fit()
"""


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["kw.py:kd", "--argnum", "y", "--at", "x=[1, 2]; y=5", "--grad", "none", "-v"], "df/dy"),
        (["kw.py:kd", "--at", "x=[1, 2]; y=5", "-v"], "100.00000"),
        (["kw.py:kd", "--argnum", "y", "--grad", "none", "-v"], "df/dy"),
        (["kw.py:mixed", "--argnum", "c", "-v"], "df/dc"),
        (["kw.py:mixed", "--argnum", "d", "--at", "a=1.5; c=2.0", "-v"], "df/dd"),
        (["kw.py:mixed", "--argnum", "b", "--at", "a=1.5; c=2.0; b=3", "-v"], "df/db"),
        (["kw.py:fit", "-v"], "fit.grad (found by name)"),
    ],
)
def test_keyword_only_arguments(gradcheck: Run, tmp_path: Path, arguments: list[str], text: str) -> None:
    (tmp_path / "kw.py").write_text(KEYWORDS, encoding="utf-8")
    code, out, _ = gradcheck(*arguments)
    assert code == 0, out
    assert text in out
    assert "arg0" not in out


def test_a_derivative_that_was_not_compared_is_mentioned(gradcheck: Run, tmp_path: Path) -> None:
    source = "import numpy as np\nclass Ip:\n    def fobj(self, x): return np.sum(x**2)\n"
    (tmp_path / "ip.py").write_text(source + "    def jacobian(self, x): return 3 * x\n", encoding="utf-8")
    code, out, _ = gradcheck("ip.py:Ip.fobj")
    assert code == 0
    said = "note: no hand-written derivative was compared; there is Ip.jacobian: --grad ip.py:Ip.jacobian"
    assert said in out
    assert gradcheck("ip.py:Ip.fobj", "--grad", "ip.py:Ip.jacobian")[0] == 1
    assert "note:" not in gradcheck("ip.py:Ip.fobj", "--grad", "none")[1]


RETURNS = """
import numpy as np

def res(x):
    value = np.array([x[0] ** 2 * x[1], 5 * x[0] + np.sin(x[1])])
    return value, np.array([[2 * x[0] * x[1], x[0] ** 2], [5, np.cos(x[1])]])

def wrong(x):
    value, jacobian = res(x)
    return value, jacobian.T

def listed(x):
    return [np.sum(x**2), 2 * x]

def triple(x):
    return np.sum(x), 2 * x, 3.0

def waves(x):
    return np.sin(x), -np.cos(x)
"""


@pytest.mark.parametrize("option", [[], ["--grad", "returned"]])
def test_a_returned_jacobian(gradcheck: Run, tmp_path: Path, option: list[str]) -> None:
    (tmp_path / "ret.py").write_text(RETURNS, encoding="utf-8")
    code, out, _ = gradcheck("ret.py:res", *option)
    assert (code, "res (returned by f)" in out, "4 entries" in out) == (0, True, True)
    assert gradcheck("ret.py:wrong", *option)[0] == 1
    assert gradcheck("ret.py:listed", *option)[0] == 0


def test_what_may_be_returned_is_hinted(gradcheck: Run, tmp_path: Path) -> None:
    (tmp_path / "ret.py").write_text(RETURNS, encoding="utf-8")
    for function in ("triple", "waves"):
        code, out, _ = gradcheck(f"ret.py:{function}")
        assert code == 2, out
        assert "hint: if it is, --grad returned puts it on trial" in out
    assert gradcheck("ret.py:waves", "--grad", "returned", "--at", "0.5")[0] == 1


# what would end the process, or has nowhere to go


@pytest.mark.parametrize(
    ("source", "code", "text"),
    [
        ("import os\nos._exit(0)\ndef f(x): return x**2\n", 2, "calls os._exit(0) when it is imported (bye.py:2)"),
        ("import os\ndef f(x): os._exit(0)\n", 2, "calls os._exit(0)"),
        ("import atexit, os\natexit.register(os._exit, 0)\n"
         "def f(x): return x**2\ndef f_grad(x): return x\n", 1, "FAIL"),
        ("import os\nif (pid := os.fork()) == 0: os._exit(3)\nassert os.waitpid(pid, 0)[1] == 3 << 8\n"
         "def f(x): return x**2\n", 0, "PASS"),
    ],
)  # fmt: skip
def test_os_exit_does_not_end_the_run(tmp_path: Path, source: str, code: int, text: str) -> None:
    (tmp_path / "bye.py").write_text(source, encoding="utf-8")
    done = process("bye.py:f", cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert text in done.stdout.decode()


def test_os_exit_at_a_given_point(tmp_path: Path) -> None:
    (tmp_path / "bye.py").write_text("import os\ndef f(x): os._exit(0)\n", encoding="utf-8")
    done = process("bye.py:f", "--at", "2.0", cwd=tmp_path)
    assert done.returncode == 2
    assert "ERROR GC010  bye.py:f  bye.py:f called os._exit(0) (bye.py:2)" in done.stdout.decode()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
@pytest.mark.parametrize("arguments", [["math:sin"], ["--version"], ["--help"], ["--explain", "GC101"]])
def test_stdout_that_is_full(tmp_path: Path, arguments: list[str]) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "gradcheck", *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert done.returncode == 2
    assert done.stderr.decode().count("\n") == 1
    assert "cannot write" in done.stderr.decode()


# messages


ODD = """
import sys
import numpy as np

def counts(n):
    return sum(i**2.0 for i in range(n))

def power(x, n):
    return sum(x**i for i in range(n))

async def coroutine(x):
    return x**2

def hands_on(x):
    return coroutine(x)

def generates(x):
    yield x

def coloured(x):
    raise ValueError("\\x1b[31mred\\x07")

def outer(x):
    return inner(x)

def inner(x):
    return x.foo

def none(x):
    np.sum(x)

def leaves(x):
    sys.exit(3)

def ragged(x):
    return np.sum(x), 2 * x, 3

def loss(w):
    return np.sum(w**2)

def loss_grad(w):
    return 2 * w

class M:
    def fun(self, x):
        return np.sum(x**2)
    def jac(self, x):
        return 2 * x

m = M()
"""


@pytest.mark.parametrize(
    ("arguments", "said", "unsaid"),
    [
        (["counts", "--at", "n=5"], "counts does not run with n=5.0, only with n=5: n is an integer", "GC010"),
        (["power", "--at", "x=2; n=3", "--argnum", "n"], "n is an integer", "GC010"),
        (["coroutine"], "coroutine is a coroutine function", "awaited"),
        (["coroutine", "--at", "2"], "coroutine is a coroutine function", "awaited"),
        (["hands_on"], "returned a coroutine", "awaited"),
        (["generates"], "generates is a generator function", "--at"),
        (["coloured"], r"\x1b[31mred\x07", "\x1b"),
        (["coloured", "--at", "2.0"], r"\x1b[31mred\x07", "\x1b"),
        (["coloured", "--traceback"], r"ValueError: \x1b[31mred\x07", "\x1b"),
        (["outer", "--traceback"], "in outer\n    return inner(x)", "gradcheck/"),
        (["none"], "is a return statement missing?", "--at"),
        (["leaves"], "calls sys.exit(3), at all", "--at"),
        (["ragged", "--at", "[1, 2]"], "--grad returned", "grad='returned'"),
        (["loss", "--grad", "lossgrad"], "did you mean 'loss_grad'?", "module:function"),
        (["loss", "--grad", "m.jc"], "did you mean 'm.jac'?", "module:function"),
        (["m.fum"], "did you mean 'm.fun'?", "it has"),
        (["loss", "--shape", "w=foo"], "--shape: 'foo' is not known here", "--at"),
        (["loss", "--shape", "v=3"], "--shape: the function has no parameter 'v'", "--at"),
        (["loss", "--shape", "w=[1"], "--shape: this is not a value", "--at"),
        (["loss", "--shape", "w=2; w=3"], "--shape gives 'w' twice", "--at"),
        (["loss", "--shape", ""], "--shape is empty", "--at"),
    ],
)
def test_messages(
    gradcheck: Run, tmp_path: Path, arguments: list[str], said: str, unsaid: str, recwarn: pytest.WarningsRecorder
) -> None:
    (tmp_path / "odd.py").write_text(ODD, encoding="utf-8")
    code, out, err = gradcheck(f"odd.py:{arguments[0]}", *arguments[1:])
    assert code == 2
    assert said in out
    assert unsaid not in out + err
    assert not recwarn.list


def test_a_method_named_with_dots(gradcheck: Run, tmp_path: Path) -> None:
    (tmp_path / "odd.py").write_text(ODD, encoding="utf-8")
    code, out, _ = gradcheck("odd.py:loss", "--grad", "m.jac")
    assert (code, "m.jac (given with --grad)" in out) == (0, True)


def test_options_are_told_without_control_characters(gradcheck: Run) -> None:
    code, _, err = gradcheck("model.py:good", "--format", "\x1b[2J")
    assert code == 2
    assert "\\x1b[2J" in err
    assert "\x1b" not in err


@pytest.mark.parametrize("name", ["numpy", "scipy", "rich", "typer"])
@pytest.mark.parametrize("program", ["-m", "-c"])
def test_a_file_that_hides_a_package(tmp_path: Path, name: str, program: str) -> None:
    (tmp_path / "model.py").write_text("def f(x): return x**2\n", encoding="utf-8")
    (tmp_path / f"{name}.py").write_text("x = 1\n", encoding="utf-8")
    # The console script differs from -m in what is first on sys.path.
    script = ["-m", "gradcheck"] if program == "-m" else ["-c", "import sys; sys.path.pop(0)\n"
        "from gradcheck.__main__ import main; main()"]  # fmt: skip
    done = subprocess.run(
        [sys.executable, *script, "model.py:f"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (2, "")
    assert f"ERROR GC003  model.py:f  '{name}.py' hides the package {name} of " in done.stdout
    assert "hint: rename the file" in done.stdout


def test_calls_are_counted_one_by_one(gradcheck: Run, tmp_path: Path) -> None:
    (tmp_path / "calls.py").write_text(
        "import numpy as np\nfrom scipy import special\n\ndef f(x):\n    y = np.sum(x)\n    for k in range(3):\n"
        "        y = y * special.pro_cv(1.0, 2.0, x[k]) + np.sign(x[0])\n    return y\n"
    )
    at = ["calls.py:f", "--at", "[0.3, 0.5, 0.7]"]
    code, out, _ = gradcheck(*at, "-v")
    assert code == 0, out
    assert "3 numeric: scipy.special.pro_cv at calls.py:7, 3 zero by nature" in out
    report = json.loads(gradcheck(*at, "-f", "json")[1])
    calls = report["checks"][0]["calls"]
    assert calls["zero"] == 3
    found = [(c["function"], c["where"]["line"], c["calls"]) for c in calls["numeric"]]
    assert found == [("scipy.special.pro_cv", 7, 3)]
    code, out, _ = gradcheck(*at, "--strict")
    assert code == 2
    assert "scipy.special.pro_cv has no derivative rule" in out
    assert "calls.py:7" in out


def test_a_zero_among_the_defaults_hides_no_sign(gradcheck: Run, tmp_path: Path) -> None:
    (tmp_path / "zeros.py").write_text(
        "import numpy as np\n\ndef f(x=np.array([0.0, 2.0])):\n    return x[0] ** 2 + np.cos(x[1])\n\n"
        "def f_grad(x=np.array([0.0, 2.0])):\n    return np.array([-2 * x[0], -np.sin(x[1])])\n"
    )
    assert gradcheck("zeros.py:f")[0] == 1


def test_without_autodiff(gradcheck: Run) -> None:
    code, out, _ = gradcheck("scipy.optimize:rosen", "--no-autodiff", "-f", "json")
    assert code == 0
    [check] = json.loads(out)["checks"]
    assert {entry["autodiff"] for entry in check["entries"]} == {None}
    assert "--no-autodiff" in check["reproduce"]
    code, _, err = gradcheck("scipy.optimize:rosen", "--no-autodiff", "--grad", "none")
    assert code == 2
    assert "nothing to check" in err


def test_a_budget(gradcheck: Run) -> None:
    code, out, _ = gradcheck("scipy.optimize:rosen", "--budget", "20")
    assert code == 3
    assert "the budget of 20 evaluations was spent" in out
    assert gradcheck("scipy.optimize:rosen", "--budget", "soon")[0] == 2
