"""What somebody who uses the command takes for granted, in thirty points, each with the test that it is so.

Most are tested where they belong, and only named here; what belongs nowhere else has its test below, through the
command in a process of its own.
"""

from __future__ import annotations

import ast
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gradcheck.report import FORMATS
from tests.command import ROOT, Write, process
from tests.command import write as write

POINTS = {
    "help, version and explanations need no NumPy":
        "tests/test_floors.py::test_help_loads_neither_numpy_nor_scipy_nor_rich",
    "the exit code says what happened": "tests/test_cli.py::test_exit_codes",
    "help and README have the same exit codes":
        "tests/test_checklist.py::test_help_and_readme_have_the_same_exit_codes",
    "the exit code is the same in every format": "tests/test_checklist.py::test_every_format_has_the_same_exit_code",
    "nothing checked is no success": "tests/test_discovery.py::test_a_file_without_checks",
    "a mistake in the options goes to stderr": "tests/test_cli.py::test_mistakes_in_options_go_to_stderr",
    "a misspelt option: did you mean": "tests/test_checklist.py::test_a_misspelt_option_is_suggested",
    "a misspelt function or method: did you mean": "tests/test_targets.py::test_attribute_mistakes",
    "a misspelt file or module: did you mean": "tests/test_targets.py::test_missing_file_and_module",
    "a misspelt argument at a point: did you mean": "tests/test_points.py::test_misspelt_names_are_suggested",
    "a misspelt key of a configuration: did you mean": "tests/test_configuration.py::test_mistakes_in_a_file",
    "an import that fails is one line and a hint": "tests/test_checklist.py::test_an_import_that_fails_is_one_line",
    "--traceback shows the user's frames alone": "tests/test_cli.py::test_traceback_of_the_user_only",
    "the reproduce line reproduces": "tests/test_cli.py::test_the_reproduce_line_reproduces",
    "the reproduce line can be pasted into a shell": "tests/test_checklist.py::test_the_reproduce_line_in_a_shell",
    "two runs with one seed give the same JSON":
        "tests/test_outputs.py::test_two_runs_with_one_seed_give_the_same_json",
    "JSON survives prints from Python and C":
        "tests/test_outputs.py::test_prints_from_python_and_c_are_not_in_the_report",
    "JSON survives warnings": "tests/test_checklist.py::test_warnings_are_not_in_the_report",
    "JSON is what its schema says": "tests/test_formats.py::test_json_is_what_its_schema_says",
    "a report file is written whole or not at all": "tests/test_outputs.py::test_a_file_is_replaced_whole",
    "no file is written but those asked for, and Python's cache":
        "tests/test_checklist.py::test_no_file_is_left_behind",
    "names may be of any alphabet": "tests/test_checklist.py::test_names_of_any_alphabet",
    "a terminal without Unicode gets ASCII": "tests/test_cli.py::test_in_processes_of_their_own",
    "colour only where it is wanted": "tests/test_terminal.py::test_colour_in_a_pipe",
    "a pipe that is closed early is no error": "tests/test_terminal.py::test_a_pipe_that_is_closed_early",
    "Ctrl-C tells what was done": "tests/test_terminal.py::test_an_interrupt_tells_what_was_done",
    "code that ends the process ends its check only": "tests/test_cli.py::test_os_exit_does_not_end_the_run",
    "it does not matter where the command is called": "tests/test_checklist.py::test_called_from_another_folder",
    "Python's own options change nothing": "tests/test_checklist.py::test_options_of_python_change_nothing",
    "every code is explained": "tests/test_ignores.py::test_every_code_in_the_source_is_explained",
}  # fmt: skip

MODEL = """
import warnings
import numpy as np

def good(x):
    return np.sum(x**2)

def good_grad(x):
    return 2 * x

def bad(x):
    return np.sum(x**3)

def bad_grad(x):
    return 2 * x**2

def relu(x=0.0):
    return np.maximum(x, 0.0)

def warns(x):
    warnings.warn('{"not": "the report"}', stacklevel=1)
    return np.sum(x**2) + 0.0 * np.nan_to_num(np.log(np.array(-1.0)))

def énergie(θ):
    return np.sum(θ**2)

def énergie_grad(θ):
    return θ
"""


def top_level_tests(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {n.name for n in tree.body if isinstance(n, ast.FunctionDef) and n.name.startswith("test_")}


def test_there_are_thirty_points_and_each_has_its_test() -> None:
    assert len(POINTS) == len(set(POINTS.values())) == 30
    for place in POINTS.values():
        path, _, name = place.partition("::")
        assert name in top_level_tests(path), place


def test_every_test_here_is_of_a_point() -> None:
    here = {place.partition("::")[2] for place in POINTS.values() if place.startswith("tests/test_checklist.py")}
    assert top_level_tests("tests/test_checklist.py") - here == {
        "test_there_are_thirty_points_and_each_has_its_test",
        "test_every_test_here_is_of_a_point",
    }


@pytest.fixture
def home(write: Write) -> Path:
    return write(model_py=MODEL)


def without_times(report: str) -> str:
    return re.sub(r"\d+\.\d\d s\b", "... s", report)


def test_help_and_readme_have_the_same_exit_codes(tmp_path: Path) -> None:
    said = process("--help", cwd=tmp_path).stdout.partition("Exit codes:")[2].partition("What to check:")[0]
    table = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Exit codes")[2].partition("\n## ")[0]
    rows = dict(re.findall(r"^\| (\d+) \| (.*?) \|$", table, re.MULTILINE))
    helped = dict(re.findall(r"(\d)  (.+?)(?=   |$)", said, re.MULTILINE))
    assert helped.keys() == rows.keys() - {"130"}
    for code, text in helped.items():
        assert rows[code].startswith(text.strip())


@pytest.mark.parametrize(("function", "code"), [("good", 0), ("bad", 1), ("gone", 2), ("relu", 3)])
def test_every_format_has_the_same_exit_code(home: Path, function: str, code: int) -> None:
    # Two formats of each verdict: all eight are written in one run by tests/test_outputs.py.
    formats = sorted(FORMATS)[2 * code : 2 * code + 2]
    assert [process(f"model.py:{function}", "-f", name, cwd=home).returncode for name in formats] == [code] * 2


@pytest.mark.parametrize(("given", "meant"), [("--argnun=x", "--argnum"), ("--shap=3", "--shape")])
def test_a_misspelt_option_is_suggested(home: Path, given: str, meant: str) -> None:
    done = process("model.py:good", given, cwd=home)
    assert (done.returncode, done.stdout) == (2, "")
    assert meant in done.stderr
    assert "Traceback" not in done.stderr


def test_an_import_that_fails_is_one_line(home: Path) -> None:
    (home / "broken.py").write_text("import no_such_library\n", encoding="utf-8")
    done = process("broken.py:f", cwd=home)
    assert (done.returncode, done.stderr) == (2, "")
    error, hint, empty, summary = done.stdout.splitlines()
    assert error.startswith("ERROR GC003  broken.py:f  broken.py imports 'no_such_library', which ")
    assert error.endswith("(broken.py:1)")
    assert hint.startswith("  hint: ")
    assert not empty
    assert summary.startswith("1 check: 1 could not run")


@pytest.mark.skipif(sys.platform == "win32", reason="the line is for a POSIX shell")
def test_the_reproduce_line_in_a_shell(home: Path) -> None:
    folder = home / "it's $HOME"
    folder.mkdir()
    (home / "model.py").rename(folder / "my model.py")
    first = process("it's $HOME/my model.py:bad", cwd=home)
    (line,) = (line for line in first.stdout.splitlines() if line.startswith("  reproduce: gradcheck "))
    command = f"{shlex.quote(sys.executable)} -m {line.removeprefix('  reproduce: ')}"
    script = f"PYTHONPATH={shlex.quote(str(ROOT))} {command}"
    again = subprocess.run(["sh", "-c", script], cwd=home, capture_output=True, encoding="utf-8", check=False)
    assert (first.returncode, again.returncode, again.stderr) == (1, 1, "")
    assert again.stdout.startswith("FAIL  it's $HOME/my model.py:bad  x  3 of 3 entries wrong")


def test_warnings_are_not_in_the_report(home: Path) -> None:
    done = process("model.py:warns", "-f", "json", cwd=home, PYTHONWARNINGS="always")
    assert done.returncode == 0
    (check,) = json.loads(done.stdout)["checks"]
    assert check["status"] == "passed"


def files_below(folder: Path) -> Iterator[str]:
    paths = (path.relative_to(folder) for path in folder.rglob("*"))
    return (path.as_posix() for path in paths if "__pycache__" not in path.parts)


def test_no_file_is_left_behind(home: Path) -> None:
    before = set(files_below(home))
    done = process("model.py", "--report", "json=there/report.json", "-j", "2", cwd=home)
    assert done.returncode == 1
    assert set(files_below(home)) - before == {"there", "there/report.json"}


def test_names_of_any_alphabet(home: Path) -> None:
    done = process("model.py:énergie", "--argnum", "θ", "--at", "θ=[1.5, 2.5]", cwd=home)
    assert done.returncode == 1
    assert done.stdout.startswith("FAIL  model.py:énergie  θ  2 of 2 entries wrong\n")
    assert "\n  df/dθ[1]  2.50000  5.00000" in done.stdout
    narrow = process("model.py:énergie", "-f", "json", cwd=home, PYTHONIOENCODING="ascii")
    assert json.loads(narrow.stdout)["checks"][0]["argument"] == "θ"


def test_called_from_another_folder(home: Path) -> None:
    elsewhere = home / "elsewhere"
    elsewhere.mkdir()
    here = process("model.py:bad", "-f", "json", cwd=home)
    there = process("../model.py:bad", "-f", "json", cwd=elsewhere)
    absolute = process(f"{home / 'model.py'}:bad", "-f", "json", cwd=elsewhere)
    entries = [json.loads(done.stdout)["checks"][0]["entries"] for done in (here, there, absolute)]
    assert entries[0]
    assert entries[0] == entries[1] == entries[2]


@pytest.mark.parametrize("environment", [{"PYTHONOPTIMIZE": "2"}, {"PYTHONWARNINGS": "error"}, {"PYTHONHASHSEED": "7"}])
def test_options_of_python_change_nothing(home: Path, environment: dict[str, str]) -> None:
    plain = process("model.py:bad", cwd=home)
    other = process("model.py:bad", cwd=home, **environment)
    assert (other.returncode, other.stderr) == (plain.returncode, plain.stderr) == (1, "")
    assert without_times(other.stdout) == without_times(plain.stdout)
