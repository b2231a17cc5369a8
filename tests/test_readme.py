"""The README shows what really happens: its console examples, its JSON and its Python session are run and compared.

Timings may differ, and the digits of numbers that are rounding noise (error bars, differences of two derivatives that
agree), since NumPy's and BLAS's rounding depends on the processor. Everything else must be as printed.

    python -m tests.test_readme     writes what the examples print now into the README
"""

from __future__ import annotations

import doctest
import json
import math
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.pytest_runs import shown

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")

NUMBER = re.compile(r"-?\d+\.\d+(?:e[+-]\d+)?|-?\d+e[+-]\d+")
# Below this a number printed in the README is an error bar or a difference between equals.
NOISE = 1e-4
JSON_EXAMPLE = "gradcheck fixtures/logistic_wrong.py:loss -f json"


def blocks(language: str, page: Path = ROOT / "README.md") -> list[str]:
    text = page.read_text(encoding="utf-8")
    found = re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert found, language
    return found


def sessions(block: str) -> list[tuple[str, str]]:
    """The commands of a console block, each with what is printed below it."""
    first, *parts = re.split(r"^\$ ", block, flags=re.MULTILINE)
    assert not first
    return [(command, output) for command, _, output in (part.partition("\n") for part in parts)]


def run(command: str, last: int) -> tuple[str, int]:
    """What a command prints on stdout, and its exit code; ``last`` is that of the command before it."""
    if command == "echo $?":
        return f"{last}\n", 0
    name, *arguments = shlex.split(command)
    if name == "pytest":
        return shown(arguments), 0
    assert name == "gradcheck"
    done = subprocess.run(
        [sys.executable, "-m", "gradcheck", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout, done.returncode


def assert_same_number(expected: float, got: float) -> None:
    if abs(expected) < NOISE:
        assert abs(got) < NOISE, (expected, got)
    else:
        assert math.isclose(expected, got, rel_tol=1e-6), (expected, got)


def assert_same_text(expected: str, got: str) -> None:
    """Line by line the same words, blanks aside (columns are as wide as their numbers), and the same numbers."""
    texts = [re.sub(r"\(\d+\.\d\d s\)", "(... s)", text).rstrip() for text in (expected, got)]
    words = [
        [" ".join(NUMBER.sub("#", re.sub("─+", "─", line)).split()) for line in text.split("\n")] for text in texts
    ]
    assert words[0] == words[1]
    for a, b in zip(*(NUMBER.findall(text) for text in texts), strict=True):
        assert_same_number(float(a), float(b))


@pytest.mark.parametrize("block", blocks("console"), ids=lambda block: block.partition("\n")[0])
def test_console_examples(block: str) -> None:
    code = 0
    for command, printed in sessions(block):
        got, code = run(command, code)
        assert_same_text(printed, got)


def test_the_entry_shown_as_json_is_in_the_report() -> None:
    (block,) = blocks("json")
    expected: dict[str, Any] = json.loads(block)
    got, _ = run(JSON_EXAMPLE, 0)
    entries = json.loads(got)["checks"][0]["entries"]
    (entry,) = (e for e in entries if e["label"] == expected["label"] and e["point"] == expected["point"])
    assert list(entry) == list(expected)
    for key, value in expected.items():
        if isinstance(value, float):
            assert_same_number(value, entry[key])
        else:
            assert entry[key] == value


def test_the_project_shown_is_the_fixture() -> None:
    folder = ROOT / "fixtures" / "project"
    for language, file in (("toml", "pyproject.toml"), ("python", "model.py")):
        (block,) = blocks(language)
        assert block in (folder / file).read_text(encoding="utf-8")


def test_python_session() -> None:
    (block,) = blocks("pycon")
    test = doctest.DocTestParser().get_doctest(block, {}, "README.md", "README.md", 0)
    assert test.examples
    runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.ELLIPSIS)
    assert runner.run(test).failed == 0


def test_the_two_commands_are_one_line_each() -> None:
    for name in ("run", "test"):
        (block,) = re.findall(rf"^<!-- ci: {name} -->\n```sh\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
        assert block.count("\n") == 1
        assert block.startswith("python3 -m venv .venv && ")


def rewritten() -> str:
    """The README with what its console and JSON examples print now."""
    text = README
    for block in blocks("console"):
        code, new = 0, ""
        for command, _ in sessions(block):
            got, code = run(command, code)
            new += f"$ {command}\n{got}"
        text = text.replace(f"```console\n{block}", f"```console\n{new}")
    (block,) = blocks("json")
    old = json.loads(block)
    entries = json.loads(run(JSON_EXAMPLE, 0)[0])["checks"][0]["entries"]
    (entry,) = (e for e in entries if e["label"] == old["label"] and e["point"] == old["point"])
    new = json.dumps(entry, indent=2, ensure_ascii=False)
    new = re.sub(r"\[\s+([^]]*?)\s+\]", lambda m: f"[{' '.join(m[1].split())}]", new)
    return text.replace(block, new + "\n")


if __name__ == "__main__":
    (ROOT / "README.md").write_text(rewritten(), encoding="utf-8")
