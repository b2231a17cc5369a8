"""The pytest plugin, as pytest runs it: a process of its own in a sample project.

The environment of the tests need not have gradcheck's entry point, so plugins are named with ``-p``; what the entry
point itself does is tested with metadata that a folder on the path provides.

    python -m tests.test_pytest_plugin     writes what the examples of docs/pytest.md print now into it
"""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.pytest_runs import PLUGIN, ROOT, copy_of_sample, make_project, run_pytest, shown
from tests.test_readme import assert_same_text, blocks, sessions

GUIDE = ROOT / "docs" / "pytest.md"

EXTRA = """
import numpy as np
import gradcheck

def twice(x):
    return 2.0 * np.sum(x)

def twice_grad(x):
    return np.array([2.0, 2.5])

gradcheck.case(at={"x": [1.0, 3.0]}, grad="twice_grad")(twice)

@gradcheck.case(at={"x": [0.0, 1.0]})
def kink(x):
    print("printed by kink")
    return np.sum(np.maximum(x, 0.0))

@gradcheck.case(at={"x": [0.0, 1.0]}, allow_inconclusive=True)
def tolerated(x):
    return np.sum(np.abs(x))

@gradcheck.case(at={"x": 1.0})
def broken(x):
    raise ValueError("no luck")

@gradcheck.case(at={"x": 2.0}, expect="fail")
def mended(x):
    return x**2

@gradcheck.case(at={"a": 2.0, "b": 3.0}, argnum=["a", "b"])
@gradcheck.case(at={"a": 2.5, "b": 3.0})
@gradcheck.case(at={"a": 2.0, "b": 3.0}, order=2, name="curved")
def product(a, b):
    return a**2 * b

@gradcheck.case(at={"a": 2.0, "b": 3.0}, argnum="all")
def whole(a, b):
    return a * b
"""

TESTS = """
import unittest
import numpy as np
import pytest
import gradcheck as gc
from model import cost, cost_grad, old_cost, old_cost_grad

W = np.array([0.5, -1.2])

def kink(x):
    return abs(x)

def raises(x):
    raise ValueError("not here")

def test_right(gradcheck):
    result = gradcheck(cost, W, grad=cost_grad)
    assert result.verdict is gc.Verdict.PASS
    assert result.seed == 1  # of the project

def test_wrong(gradcheck):
    gradcheck(old_cost, W, grad=old_cost_grad)

def test_plain():
    gc.check(old_cost, W, grad=old_cost_grad).raise_if_wrong()

def test_caught():
    with pytest.raises(gc.WrongDerivative, match="derivative with respect to w: fail"):
        gc.check(old_cost, W, grad=old_cost_grad).raise_if_wrong()

def test_undecided(gradcheck):
    gradcheck(kink, 0.0)

def test_allowed(gradcheck):
    assert gradcheck(kink, 0.0, allow_inconclusive=True).verdict is gc.Verdict.INCONCLUSIVE

@pytest.mark.gradcheck(seed=7, allow_inconclusive=True)
def test_marked(gradcheck):
    assert gradcheck(kink, 0.0).seed == 7
    assert gradcheck(kink, 0.0, seed=8).seed == 8

def test_ignored(gradcheck):
    gradcheck(kink, 0.0, ignore="GC201")

def test_raises(gradcheck):
    gradcheck(raises, 1.0)

class TestOld(unittest.TestCase):
    def test_unit(self):
        gc.check(old_cost, W, grad=old_cost_grad).raise_if_wrong()
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_of_sample(tmp_path_factory.mktemp("sample") / "project", extra_py=EXTRA, test_model_py=TESTS)


@pytest.fixture(scope="module")
def report(project: Path) -> str:
    """All checks and tests of the project, in one run."""
    return run_pytest(project, "--gradcheck", "-v", "-rsx", "--junitxml=junit.xml", code=1)


IDS = {
    "model.py::gradcheck::cost[w]": "PASSED",
    "model.py::gradcheck::old_cost[w-until ticket 42 is mended]": "XFAIL",
    "model.py::gradcheck::decay[x]": "PASSED",
    "model.py::gradcheck::decay[k]": "PASSED",
    "model.py::gradcheck::hinge[x]": "SKIPPED",
    "extra.py::gradcheck::twice[x]": "FAILED",
    "extra.py::gradcheck::kink[x]": "FAILED",
    "extra.py::gradcheck::tolerated[x]": "SKIPPED",
    "extra.py::gradcheck::broken[x]": "FAILED",
    "extra.py::gradcheck::mended[x]": "FAILED",
    "extra.py::gradcheck::product[a]": "PASSED",
    "extra.py::gradcheck::product[a#2]": "PASSED",
    "extra.py::gradcheck::product[b]": "PASSED",
    "extra.py::gradcheck::product[a-order2-curved]": "PASSED",
    "extra.py::gradcheck::whole[all]": "PASSED",
    "test_model.py::test_right": "PASSED",
    "test_model.py::test_wrong": "FAILED",
    "test_model.py::test_plain": "FAILED",
    "test_model.py::test_caught": "PASSED",
    "test_model.py::test_undecided": "FAILED",
    "test_model.py::test_allowed": "PASSED",
    "test_model.py::test_marked": "PASSED",
    "test_model.py::test_ignored": "PASSED",
    "test_model.py::test_raises": "FAILED",
    "test_model.py::TestOld::test_unit": "FAILED",
}


def told(report: str) -> dict[str, str]:
    return dict(re.findall(r"^(\S+?\.py::.+?) (PASSED|FAILED|SKIPPED|XFAIL|XPASS|ERROR)\b", report, re.MULTILINE))


def section(report: str, name: str) -> str:
    """What is shown of one failure."""
    found = re.search(rf"^_+ {re.escape(name)} _+\n(.*?)(?=^_+ |^gradcheck: |^=+ )", report, re.MULTILINE | re.DOTALL)
    assert found, report
    return found[1]


def test_every_check_has_a_node_id_and_an_outcome(report: str) -> None:
    assert told(report) == IDS


def test_v_shows_what_was_compared(report: str) -> None:
    assert re.search(r"::cost\[w\] PASSED \(2 entries, difference \S+, 7 evaluations\)", report)
    assert re.search(r"::test_marked PASSED \(2 derivatives, \d+ evaluations\)", report)


def test_a_wrong_derivative_is_shown_as_by_the_command(report: str) -> None:
    text = section(report, "gradcheck twice[x]")
    assert text.startswith("FAIL  extra.py:twice  x  1 of 2 entries wrong\n")
    assert re.search(r"^  df/dx\[1\]  2\.5\S* +2\.0\S* .*FAIL$", text, re.MULTILINE)
    assert "reproduce: gradcheck extra.py:twice --argnum x --grad twice_grad" in text
    assert "Traceback" not in text
    assert "integrations" not in text


def test_what_could_not_be_decided_is_a_failure(report: str) -> None:
    text = section(report, "gradcheck kink[x]")
    assert text.startswith("INCONCLUSIVE  extra.py:kink")
    assert "GC201" in text
    assert "printed by kink" in text  # captured, as of any test


def test_what_could_not_run_is_a_failure_of_one_paragraph(report: str) -> None:
    text = section(report, "gradcheck broken[x]")
    assert text.startswith("ERROR GC010  extra.py:broken  extra.py:broken raised ValueError: no luck (extra.py:24)")


def test_an_expectation_is_strict(report: str) -> None:
    assert "UNEXPECTED PASS  extra.py:mended" in section(report, "gradcheck mended[x]")
    assert re.search(
        r'^XFAIL .*until ticket 42 is mended\] - (reason: )?expect = "fail" at pyproject.toml:12: GC101', report, re.M
    )


def test_what_does_not_count_is_skipped_with_a_reason(report: str) -> None:
    assert re.search(r"^SKIPPED \[1\] model.py:\d+: ignored: GC201 kink", report, re.MULTILINE)
    assert re.search(r"^SKIPPED \[1\] extra.py:\d+: inconclusive, 1 of 2 entries undecided: GC201", report, re.M)


@pytest.mark.parametrize("name", ["test_wrong", "test_plain", "TestOld.test_unit"])
def test_a_failing_test_shows_its_line_then_the_table(report: str, name: str) -> None:
    text = section(report, name)
    lines = text.split("\n")
    assert "E       gradcheck.WrongDerivative: old_cost by w: 2 of 2 entries wrong" in lines
    (shown,) = (line for line in lines if line.startswith(">"))
    assert "check(old_cost, W, grad=old_cost_grad)" in shown
    table = text[text.index("FAIL  old_cost  w  2 of 2 entries wrong") :]
    assert re.search(r"^  df/dw\[1\] +-3\.6\d* +4\.32\d* .* FAIL$", table, re.MULTILINE)
    assert "GC122 missing-chain-factor" in table
    assert "point: [0.5, -1.2]  (given, seed" in table
    assert "gradcheck/check" not in text.replace(os.sep, "/")


def test_errors_of_a_check_have_no_frames_of_ours(report: str) -> None:
    text = section(report, "test_raises")
    assert "E       gradcheck.CheckError: raises raised ValueError: not here" in text
    assert 'raise ValueError("not here")' in text
    assert "gradcheck/check" not in text.replace(os.sep, "/")


def test_an_inconclusive_test_says_so(report: str) -> None:
    assert "WrongDerivative: kink by x: 1 of 1 entry undecided" in section(report, "test_undecided").replace(
        "entries", "entry"
    )


def test_the_summary_counts_checks(report: str) -> None:
    (line,) = re.findall(r"^gradcheck: (\d+ checks, .*)$", report, re.MULTILINE)
    assert line == (
        "26 checks, 4 wrong, 6 inconclusive, 2 could not run, 1 not as expected, 2 ignored, 1 as expected, 10 passed"
    )


def test_junit_has_cases_and_properties(project: Path, report: str) -> None:
    cases = {case.get("name"): case for case in ET.parse(project / "junit.xml").iter("testcase")}
    assert {name for case in cases.values() for name in [case.get("classname")]} == {
        "model.gradcheck",
        "extra.gradcheck",
        "test_model",
        "test_model.TestOld",
    }
    properties = {p.get("name"): p.get("value") for p in cases["cost[w]"].iter("property")}
    assert properties == {"verdict": "pass", "evaluations": "7"}
    failure = cases["twice[x]"].find("failure")
    assert failure is not None
    assert failure.get("message") == "1 of 2 entries wrong"
    assert "FAIL  extra.py:twice  x" in str(failure.text)
    plain = cases["test_plain"].find("failure")
    assert plain is not None
    assert "df/dw[1]" in str(plain.text)
    assert {p.get("value") for p in cases["broken[x]"].iter("property")} == {"could not run"}


def test_xdist_runs_and_shows_the_same(project: Path) -> None:
    report = run_pytest(project, "--gradcheck", "-p", "xdist", "-n2", "--color=yes", "--junitxml=two.xml", code=1)
    junit = (project / "two.xml").read_text(encoding="utf-8")
    names = {case.get("name") for case in ET.fromstring(junit).iter("testcase")}
    assert names == {node.rpartition("::")[2] for node in IDS}
    assert "\x1b[1;31mFAIL\x1b[0m  \x1b[1mextra.py:twice\x1b[0m" in report
    assert "\x1b[1;31mFAIL\x1b[0m  \x1b[1mold_cost\x1b[0m" in report
    assert "gradcheck: 26 checks, 4 wrong" in report
    assert "FAIL  old_cost  w" in junit
    assert "[1;31m" not in junit.partition("old_cost  w")[2].partition("</failure>")[0]


def test_a_node_id_runs_one_check_and_does_not_import_for_tests(tmp_path: Path) -> None:
    folder = make_project(tmp_path, model_py=EXTRA)
    out = run_pytest(folder, "--gradcheck", "-v", "model.py::gradcheck::product[a#2]", code=0)
    assert told(out) == {"model.py::gradcheck::product[a#2]": "PASSED"}
    out = run_pytest(folder, "--gradcheck", "-v", "model.py::gradcheck::product", code=0)
    assert len(told(out)) == 4
    out = run_pytest(folder, "--gradcheck", "-v", "-k", "twice or mended", "-m", "gradcheck", code=1)
    assert set(told(out)) == {"model.py::gradcheck::twice[x]", "model.py::gradcheck::mended[x]"}
    out = run_pytest(folder, "--gradcheck", "-v", "--lf", code=1)
    assert set(told(out)) == {"model.py::gradcheck::twice[x]", "model.py::gradcheck::mended[x]"}
    assert "rerun previous 2 failures" in out
    # pytest itself would import it, and stop.
    (folder / "bad.py").write_text("import not_there, gradcheck\n@gradcheck.case\ndef f(x):\n    return x\n")
    out = run_pytest(folder, "--gradcheck", "bad.py::gradcheck", code=1)
    assert "bad.py imports 'not_there'" in out
    assert "error" not in out.rstrip().split("\n")[-1]


def test_without_the_option_nothing_is_collected(project: Path) -> None:
    out = run_pytest(project, "--collect-only", "-q", "--strict-markers", code=0)
    assert "::gradcheck::" not in out
    assert "test_model.py::test_right" in out


def test_nothing_heavy_is_loaded_where_nothing_is_checked(tmp_path: Path) -> None:
    make_project(tmp_path, test_a_py="def test_a():\n    assert True\n", other_py="# gradcheck is not used here\n")
    program = (
        "import sys, pytest\n"
        "code = pytest.main(sys.argv[1:])\n"
        "heavy = {'numpy', 'scipy', 'typer', 'rich', 'click'} & {name.partition('.')[0] for name in sys.modules}\n"
        "ours = sorted(name for name in sys.modules if name.partition('.')[0] == 'gradcheck')\n"
        "print('CODE', int(code), sorted(heavy), ours)\n"
    )
    light = "['gradcheck', 'gradcheck._version', 'gradcheck.integrations', 'gradcheck.integrations.pytest_plugin']"
    for arguments, loaded in ((["--collect-only"], light), ([], light), (["--gradcheck", "--collect-only"], None)):
        out = run_pytest(tmp_path, *arguments, start=("-c", program), code=0)
        last = out.rstrip().split("\n")[-1]
        assert last.startswith("CODE 0 [] "), out
        assert loaded is None or last == f"CODE 0 [] {loaded}"


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("sede = 1", "unknown key 'sede' (gradcheck.toml:1); did you mean 'seed'?"),
        ("seed = ", "'gradcheck.toml' is not valid TOML"),
        ("seed = 'x'", "seed must be a whole number, not 'x' (text) (gradcheck.toml:1)"),
    ],
)
def test_a_broken_configuration_is_a_usage_error_of_one_line(tmp_path: Path, table: str, message: str) -> None:
    make_project(tmp_path, gradcheck_toml=table)
    out = run_pytest(tmp_path, "--gradcheck", code=4)
    assert len(out.strip().split("\n")) == 1
    assert out.startswith("ERROR: gradcheck: ")
    assert message in out


def test_one_broken_check_or_module_does_not_stop_the_others(tmp_path: Path) -> None:
    checks = "".join(
        f'[[check]]\ntarget = "{target}"\nat = "x=2"\n'
        for target in ("a.py:f", "a.py:Model.fun", "a.py:missing", "b.py:f", "missing.py:f", "math:sin")
    )
    folder = make_project(
        tmp_path,
        gradcheck_toml=checks + '[[check]]\ntarget = "a.py:f"\norder = 2\ngrad = "returned"\n',
        a_py="def f(x):\n    return x**2\nclass Model:\n    def fun(self, x):\n        return x**2\n",
        b_py="import not_there\ndef f(x):\n    return x\n",
        c_py="import gradcheck\nraise RuntimeError('at import')\n@gradcheck.case\ndef f(x):\n    return x\n",
        d_py="import gradcheck\n@gradcheck.case\ndef f(x:\n",
    )
    out = run_pytest(folder, "--gradcheck", "-v", code=1)
    found = dict(re.findall(r"^(\S+::gradcheck::\S+) (PASSED|FAILED)", out, re.MULTILINE))
    assert found == {
        "a.py::gradcheck::f[x]": "PASSED",
        "a.py::gradcheck::Model.fun[x]": "PASSED",
        "a.py::gradcheck::missing[0]": "FAILED",
        "a.py::gradcheck::f": "FAILED",
        "b.py::gradcheck::f[0]": "FAILED",
        "c.py::gradcheck::import": "FAILED",
        "d.py::gradcheck::import": "FAILED",
        "gradcheck.toml::gradcheck::missing.py:f[0]": "FAILED",
        "gradcheck.toml::gradcheck::math:sin[x]": "PASSED",
    }
    assert "b.py imports 'not_there'" in section(out, "gradcheck f[0]")
    assert "grad returned does not go with order 2" in section(out, "gradcheck f")
    assert "at import" in out
    again = run_pytest(folder, "--gradcheck", "-v", "gradcheck.toml::gradcheck::math:sin[x]", code=0)
    assert "gradcheck.toml::gradcheck::math:sin[x] PASSED" in again


def test_modules_and_files_outside_have_ids_by_their_file(tmp_path: Path) -> None:
    inner = '[[check]]\ntarget = "pkg.mod:f"\nat = "x=2"\n[[check]]\ntarget = "../other/far.py:g"\nat = "x=2"\n'
    folder = make_project(
        tmp_path / "inner",
        gradcheck_toml=inner,
        pkg____init___py="",
        src__unused_py="",
        tests__test_a_py="def test_a():\n    pass\n",
        pytest_ini="[pytest]\ntestpaths = tests\n",
    )
    (folder / "pkg" / "__init__.py").touch()
    (folder / "pkg" / "mod.py").write_text("def f(x):\n    return x**2\n", encoding="utf-8")
    make_project(tmp_path / "other", far_py="def g(x):\n    return x**3\n")
    out = run_pytest(folder, "--gradcheck", "-v", code=0)
    wanted = {"pkg/mod.py::gradcheck::f[x]", "../other/far.py::gradcheck::g[x]", "tests/test_a.py::test_a"}
    assert set(told(out)) == wanted
    assert "far.py" not in run_pytest(folder, "--gradcheck", "-v", "--ignore=../other", code=0)
    # In a folder that is named only what belongs there; from another folder of the project the same ids.
    assert set(told(run_pytest(folder, "--gradcheck", "-v", "pkg", code=0))) == {"pkg/mod.py::gradcheck::f[x]"}
    out = run_pytest(folder / "pkg", "--gradcheck", "-v", "mod.py::gradcheck::f[x]", code=0)
    assert re.search(r"gradcheck::f\[x\] PASSED", out)


def test_derivatives_found_by_name_are_asked_for(tmp_path: Path) -> None:
    folder = make_project(
        tmp_path, pair_py="def f(x):\n    return x**2\ndef f_grad(x):\n    return 3 * x\n", bad_py="def f(:\n"
    )
    out = run_pytest(folder, "--gradcheck", code=5)
    assert "gradcheck: nothing was checked" in out
    out = run_pytest(folder, "--gradcheck-partners", "-v", code=1)
    assert told(out) == {"pair.py::gradcheck::f[x]": "FAILED"}


def test_runxfail_shows_what_was_expected_to_fail(project: Path) -> None:
    out = run_pytest(project, "--gradcheck", "--runxfail", "model.py", code=1)
    assert "EXPECTED  model.py:old_cost" in out
    traceback = ["--xfail-tb"] if pytest.version_tuple >= (8, 1) else []
    out = run_pytest(project, "--gradcheck", "-rx", *traceback, "model.py", code=0)
    assert "EXPECTED  model.py:old_cost" in out
    assert "pytest_items" not in out


def test_a_fixture_of_the_users_own_wins(tmp_path: Path) -> None:
    text = "import pytest\n@pytest.fixture\ndef gradcheck():\n    return 'mine'\n"
    make_project(tmp_path, conftest_py=text, test_a_py="def test_a(gradcheck):\n    assert gradcheck == 'mine'\n")
    run_pytest(tmp_path, code=0)


def test_it_goes_with_hypothesis(tmp_path: Path) -> None:
    text = (
        "from hypothesis import given, settings, strategies as st\n"
        "@settings(max_examples=3, deadline=None, database=None)\n"
        "@given(st.floats(1.0, 2.0))\n"
        "def test_a(gradcheck, x):\n"
        "    gradcheck(lambda x: x**3, x, grad=lambda x: 3 * x**2)\n"
    )
    make_project(tmp_path, test_a_py=text)
    out = run_pytest(tmp_path, "-p", "hypothesispytest", "-v", "-W", "error", code=0)
    assert "PASSED (3 derivatives," in out


def test_a_mark_with_a_mistake_is_told(tmp_path: Path) -> None:
    text = (
        "import pytest\n"
        "@pytest.mark.gradcheck(1e-3)\ndef test_a(gradcheck):\n    gradcheck(abs, 1.0)\n"
        "@pytest.mark.gradcheck(rtoll=1e-3)\ndef test_b(gradcheck):\n    gradcheck(abs, 1.0)\n"
    )
    make_project(tmp_path, test_a_py=text)
    out = run_pytest(tmp_path, code=1)
    assert "takes options by name only" in out
    assert "'rtoll'" in out


def test_the_entry_point_and_how_it_is_switched_off(tmp_path: Path) -> None:
    points = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["entry-points"]["pytest11"]
    assert points == {"gradcheck": PLUGIN}
    installed = tmp_path / "site" / "gradcheck_entry-1.0.dist-info"
    installed.mkdir(parents=True)
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: gradcheck-entry\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text(f"[pytest11]\ngradcheck = {PLUGIN}\n")
    folder = make_project(tmp_path / "project", test_a_py="def test_a(gradcheck):\n    gradcheck(abs, 1.0)\n")
    site = str(installed.parent)
    run_pytest(folder, "--gradcheck", autoload=True, PYTHONPATH=site, code=0)
    # Imported before pytest, as in a notebook: pytest must not warn that it cannot rewrite the package.
    (installed / "RECORD").write_text("gradcheck/__init__.py,,\n")
    (installed.parent / "gradcheck").symlink_to(ROOT / "gradcheck")
    early = "import sys, gradcheck, pytest; sys.exit(pytest.main(['-W', 'error']))"
    run_pytest(folder, start=("-c", early), autoload=True, PYTHONPATH=site, code=0)
    assert "fixture 'gradcheck' not found" in run_pytest(
        folder, "-p", "no:gradcheck", autoload=True, PYTHONPATH=site, code=1
    )


def test_a_narrow_terminal_and_one_of_ascii(tmp_path: Path) -> None:
    folder = make_project(tmp_path, model_py=EXTRA)
    out = run_pytest(folder, "--gradcheck", "-k", "twice", PYTHONIOENCODING="ascii", code=1)
    assert "measured +/- error" in out
    assert "±" not in out


def guide_runs() -> list[tuple[str, str]]:
    """The commands of the guide with what is shown below them."""
    return [pair for block in blocks("console", GUIDE.read_text(encoding="utf-8")) for pair in sessions(block)]


def from_guide(command: str) -> str:
    name, *arguments = command.split()
    assert name == "pytest"
    (test,) = blocks("python", GUIDE.read_text(encoding="utf-8"))
    return shown(arguments, test_model_py=test)


@pytest.mark.parametrize(("command", "shown_there"), guide_runs(), ids=lambda text: text.partition("\n")[0])
def test_the_guide_shows_what_happens(command: str, shown_there: str) -> None:
    assert_same_text(shown_there, from_guide(command))


def rewritten() -> str:
    """The guide with what its examples print now."""
    text = GUIDE.read_text(encoding="utf-8")
    for command, old in guide_runs():
        text = text.replace(f"$ {command}\n{old}", f"$ {command}\n{from_guide(command)}")
    return text


if __name__ == "__main__":
    GUIDE.write_text(rewritten(), encoding="utf-8")
