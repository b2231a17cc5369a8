"""What is ignored, expected, and explained: never silently, and never as a pass."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from gradcheck.check.codes import CODES
from gradcheck.examples import HELP
from gradcheck.explain import TABLE
from gradcheck.ignores import comments_of

from .command import ROOT, Run, Write, forget, run, write

__all__ = ["run", "write"]

MODEL = """
import numpy as np

def wrong(x):
    return -np.sum(x**3)

def wrong_grad(x):
    return 3 * x**2

def relu(x, t=2.0):
    return np.sum(np.maximum(x, 0.0)) + t**2

def relu_smooth(x):
    return np.sum(x**2)

def long(x=np.linspace(1.0, 2.0, 300)):
    return np.sum(x**3)
"""
KINK = "x=[0.0, 1.0]"


def check_of(out: str) -> dict[str, Any]:
    (check,) = json.loads(out)["checks"]
    assert isinstance(check, dict)
    return check


# --ignore


def test_a_wrong_derivative_that_is_ignored_is_loud(run: Run, write: Write) -> None:
    write(model_py=MODEL)
    code, out, _ = run("model.py:wrong", "--ignore", "GC101")
    assert code == 0
    assert "IGNORED  model.py:wrong  x  FAIL, ignored: GC101 wrong-derivative, GC111 sign-flipped" in out
    assert "worst: df/dx[" in out
    assert "1 check: 1 ignored" in out
    assert "passed" not in out
    assert "IGNORED" in run("model.py:wrong", "--ignore", "GC101", "-q")[1]
    document = json.loads(run("model.py:wrong", "--ignore", "GC1", "-f", "json")[1])
    assert document["summary"] == {
        "checks": 1,
        "passed": 0,
        "wrong": 0,
        "inconclusive": 0,
        "could_not_run": 0,
        "expected": 0,
        "unexpected": 0,
        "ignored": 1,
    }
    check = document["checks"][0]
    assert (check["verdict"], check["status"], check["findings"]) == ("fail", "ignored", [])
    assert {finding["code"] for finding in check["ignored"]} >= {"GC101", "GC111"}


def test_the_kind_of_a_mistake_is_not_the_mistake(run: Run, write: Write) -> None:
    write(model_py=MODEL)
    code, out, _ = run("model.py:wrong", "--ignore", "GC111")
    assert code == 1
    assert "GC101" in out
    assert "GC111" not in out
    assert "1 finding ignored" in out


def test_ignored_doubts_and_warnings(run: Run, write: Write) -> None:
    write(model_py=MODEL)
    assert run("model.py:relu", "--at", KINK)[0] == 3
    code, out, _ = run("model.py:relu", "--at", KINK, "--ignore", "GC2")
    assert code == 0
    assert "IGNORED  model.py:relu  x  INCONCLUSIVE, ignored: GC201 kink" in out
    assert run("model.py:relu", "--at", KINK, "--ignore", "GC202")[0] == 3
    code, out, _ = run("model.py:long", "--ignore", "GC308")
    assert code == 0
    assert "GC308" not in out
    assert "1 check: 1 passed; 1 finding ignored" in out


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("GC010", "cannot be ignored"),
        ("GC", "cannot be ignored"),
        ("GC999", "there is no such code"),
        ("gc101", "did you mean GC101?"),
        ("kink", "there is no such code"),
    ],
)
def test_what_cannot_be_ignored(run: Run, write: Write, code: str, text: str) -> None:
    write(model_py=MODEL)
    got, out, err = run("model.py:relu", "--ignore", code)
    assert (got, out) == (2, "")
    assert text in err


# comments


@pytest.mark.parametrize(
    "head",
    [
        "def relu(x, t=2.0):  # gradcheck: ignore[GC201] a relu has one",
        "def relu(\n    x,  # gradcheck: ignore[GC201]\n    t=2.0,\n):",
        "def relu(x, t=2.0) -> 'dict[str, int]':  # noqa: X # gradcheck: ignore[GC308, GC201]",
        "@same({1: 2}, key=lambda f: f)  # gradcheck: ignore[GC201]\ndef relu(x, t=2.0):",
    ],
)
def test_comments_at_the_function(run: Run, write: Write, head: str) -> None:
    decorator = "def same(*a, **k):\n    return lambda f: f\n\n"
    write(model_py=MODEL.replace("def relu(x, t=2.0):", decorator + head))
    code, out, _ = run("model.py:relu", "--at", KINK)
    assert code == 0
    assert "IGNORED  model.py:relu  x  INCONCLUSIVE, ignored: GC201 kink" in out


def test_comments_elsewhere_say_nothing(run: Run, write: Write) -> None:
    body = "def relu(x, t=2.0):\n    # gradcheck: ignore[GC201]"
    write(model_py=MODEL.replace("def relu(x, t=2.0):", "# gradcheck: ignore[GC201]\n" + body))
    assert run("model.py:relu", "--at", KINK)[0] == 3


def test_a_method_and_a_lambda(run: Run, write: Write) -> None:
    write(
        model_py="import numpy as np\nclass M:\n    def f(self, x):  # gradcheck: ignore[GC201]\n"
        "        return np.sum(np.abs(x))\n\ng = lambda x: abs(x)  # gradcheck: ignore[GC201]\n"
    )
    assert run("model.py:M.f", "--at", KINK)[0] == 0
    assert run("model.py:g", "--at", "x=0.0")[0] == 0
    assert comments_of(len) == ()


@pytest.mark.parametrize(
    ("comment", "text"),
    [
        ("ignore[GC202]", "`# gradcheck: ignore[GC202]` ignores nothing: no check of the function found that"),
        ("ignore[GC999]", "`# gradcheck: ignore[GC999]` ignores nothing: there is no such code"),
        ("ignore[GC012]", "GC0xx says that nothing was checked, which cannot be ignored"),
        ("ignore", "it names no code: write `# gradcheck: ignore[GC201]`"),
    ],
)
def test_unused_comments(run: Run, write: Write, comment: str, text: str) -> None:
    write(model_py=MODEL.replace("def relu_smooth(x):", f"def relu_smooth(x):  # gradcheck: {comment}"))
    code, out, _ = run("model.py:relu_smooth")
    assert code == 0
    assert f"warning GC330 unused-ignore: {text if text[0] == '`' else ''}" in out
    assert text in out
    assert "(model.py:13)" in out


def test_a_comment_is_used_if_any_argument_needs_it(run: Run, write: Write) -> None:
    write(model_py=MODEL.replace("def relu(x, t=2.0):", "def relu(x, t=2.0):  # gradcheck: ignore[GC201]"))
    code, out, _ = run("model.py:relu", "-a", "x", "-a", "t", "--at", KINK)
    assert code == 0
    assert "2 checks: 1 ignored, 1 passed" in out
    assert "GC330" not in out
    assert out.count("GC330") == 0
    assert run("model.py:relu", "-a", "t", "--at", KINK)[1].count("GC330") == 1


def test_unused_ignores_of_a_declaration(run: Run, write: Write) -> None:
    write(model_py=MODEL, gradcheck_toml='[[check]]\ntarget="model:relu_smooth"\nignore=["GC201"]\n')
    code, out, _ = run()
    assert code == 0
    assert 'warning GC330 unused-ignore: ignore = ["GC201"] of gradcheck.toml:1 ignores nothing' in out
    # Those of the command line are for all checks of a run: one need not have it.
    assert "GC330" not in run("model.py:relu_smooth", "--isolated", "--ignore", "GC201")[1]


# expect


@pytest.mark.parametrize(
    ("target", "expect", "code", "status", "text"),
    [
        ("wrong", "fail", 0, "expected", "EXPECTED  model:wrong  x  FAIL, as declared at gradcheck.toml:1: GC101"),
        ("relu", "inconclusive", 0, "expected", "EXPECTED  model:relu  x  INCONCLUSIVE, as declared at"),
        ("relu_smooth", "fail", 1, "unexpected", 'the check passed, but gradcheck.toml:1 says expect = "fail"'),
        ("relu", "fail", 1, "unexpected", "UNEXPECTED INCONCLUSIVE  model:relu"),
        ("wrong", "inconclusive", 1, "wrong", "FAIL  model:wrong"),
        ("relu_smooth", "pass", 0, "passed", "PASS  model:relu_smooth"),
        ("nosuch", "fail", 2, "could_not_run", "has no attribute 'nosuch'"),
    ],
)
def test_expectations(run: Run, write: Write, target: str, expect: str, code: int, status: str, text: str) -> None:
    write(model_py=MODEL, gradcheck_toml=f'[[check]]\ntarget="model:{target}"\nexpect="{expect}"\nat="{KINK}"\n')
    got, out, _ = run()
    assert got == code
    assert text in out
    got, out, _ = run("-f", "json")
    assert got == code
    check = check_of(out)
    assert (check["status"], check["expect"]) == (status, expect)
    assert ("GC150" in {f["code"] for f in check.get("findings", [])}) == (status == "unexpected")


def test_an_inconclusive_check_may_be_allowed_by_itself(run: Run, write: Write) -> None:
    relu = f'[[check]]\ntarget="model:relu"\nat="{KINK}"\n'
    write(model_py=MODEL, gradcheck_toml=relu + "allow-inconclusive = true\n")
    assert run()[0] == 0
    write(gradcheck_toml=relu + "allow-inconclusive = true\n" + relu)
    assert run()[0] == 3


# --explain


def test_every_code_has_a_cause_an_example_and_a_remedy() -> None:
    assert set(HELP) == set(TABLE) >= set(CODES)
    for code, row in TABLE.items():
        assert len(row.explanation) > 50, code
        assert len(HELP[code].example) > 20, code
        assert HELP[code].remedy.endswith("."), code


def test_every_code_in_the_source_is_explained() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "gradcheck").rglob("*.py"))
    assert "GC101" in source
    written = set(re.findall(r"\bGC\d{3}\b", source)) - {"GC999"}
    assert written <= set(TABLE)


EXAMPLES = [code for code, row in HELP.items() if row.example.startswith("$ gradcheck ")]


@pytest.mark.parametrize("code", EXAMPLES)
@pytest.mark.filterwarnings("ignore")
def test_the_example_of_a_code_gives_it(run: Run, tmp_path: Path, code: str) -> None:
    command, _, source = HELP[code].example.partition("\n")
    (tmp_path / "model.py").write_text(f"import numpy as np\n\n{source}\n", encoding="utf-8")
    _, out, err = run(*shlex.split(command)[2:], "-f", "json")
    forget(tmp_path)
    if not out:
        assert code in err
        return
    check = check_of(out)
    problem = [check["problem"]["code"]] if check["problem"] else []
    assert code in problem + [finding["code"] for finding in check.get("findings", [])]


def test_most_codes_have_an_example_that_is_run() -> None:
    assert len(EXAMPLES) >= 65


def test_explanations(run: Run) -> None:
    code, out, _ = run("--explain", "GC124")
    assert code == 0
    assert out.startswith("GC124 overwritten: ")
    assert "\nExample:\n  $ gradcheck model.py:f" in out
    assert "\nWhat to do: Accumulate with np.add.at" in out
    assert run("--explain", "overwritten")[1] == out
    code, out, _ = run("--explain")
    assert code == 0
    assert len(out.splitlines()) == len(TABLE)
    assert run("--explain", "all")[1] == out
    for asked, hint in [
        ("kinks", "did you mean GC201 (kink)?"),
        ("GC20", "GC201 (kink), GC202"),
        ("x", "--explain all"),
    ]:
        code, out, err = run("--explain", asked)
        assert (code, out) == (2, "")
        assert hint in err
