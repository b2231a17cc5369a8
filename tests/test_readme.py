"""README and guides show what really happens: console examples, JSON and the Python session are run and compared.

Timings may differ, and the digits of numbers that are rounding noise (error bars, differences of two derivatives that
agree), since NumPy's and BLAS's rounding depends on the processor. Everything else must be as printed.

The examples run in a folder of their own, where there is a copy of the fixtures and files may be written.

    python -m tests.test_readme     writes what the examples print now into README and guides
"""

from __future__ import annotations

import doctest
import json
import math
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from tests.pytest_runs import shown

ROOT = Path(__file__).resolve().parent.parent
GUIDES = [path for path in sorted((ROOT / "docs").glob("*.md")) if path.name != "architecture.md"]
TEXTS = {path: path.read_text(encoding="utf-8") for path in (ROOT / "README.md", *GUIDES)}
README = TEXTS[ROOT / "README.md"]

NUMBER = re.compile(r"-?\d+\.\d+(?:e[+-]\d+)?|-?\d+e[+-]\d+")
# Below this a number printed in the README is an error bar or a difference between equals.
NOISE = 1e-4
JSON_EXAMPLE = "gradcheck fixtures/logistic_wrong.py:loss -f json"


def blocks(language: str, text: str = README) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def consoles(text: str) -> list[str]:
    """The blocks of a text that show the command; those of pytest in its guide are run by its tests."""
    shown_here = ("$ gradcheck ", "$ pytest ") if text is README else ("$ gradcheck ",)
    return [block for block in blocks("console", text) if block.startswith(shown_here)]


CONSOLES = [(path.name, block) for path, text in TEXTS.items() for block in consoles(text)]


def sessions(block: str) -> list[tuple[str, str]]:
    """The commands of a console block, each with what is printed below it."""
    first, *parts = re.split(r"^\$ ", block, flags=re.MULTILINE)
    assert not first
    return [(command, output) for command, _, output in (part.partition("\n") for part in parts)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return furnished(tmp_path_factory.mktemp("examples"))


def furnished(folder: Path) -> Path:
    """A folder with what the examples name."""
    shutil.copytree(ROOT / "fixtures", folder / "fixtures", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def run(command: str, last: int, folder: Path) -> tuple[str, int]:
    """What a command prints on stdout, and its exit code; ``last`` is that of the command before it."""
    if command == "echo $?":
        return f"{last}\n", 0
    name, *arguments = shlex.split(command)
    if name == "pytest":
        return shown(arguments), 0
    assert name == "gradcheck"
    done = subprocess.run(
        [sys.executable, "-m", "gradcheck", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"},
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


@pytest.mark.parametrize(("name", "block"), CONSOLES, ids=[f"{n}: {b.partition(chr(10))[0]}" for n, b in CONSOLES])
def test_console_examples(name: str, block: str, folder: Path) -> None:
    code = 0
    for command, printed in sessions(block):
        got, code = run(command, code, folder)
        assert_same_text(printed, got)


def test_the_entry_shown_as_json_is_in_the_report(folder: Path) -> None:
    (block,) = blocks("json")
    expected: dict[str, Any] = json.loads(block)
    got, _ = run(JSON_EXAMPLE, 0, folder)
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


@pytest.mark.parametrize("name", ["rules", "passes"])
def test_the_rules_shown_are_the_fixtures(name: str) -> None:
    source = (ROOT / "fixtures" / "guides" / f"{name}.py").read_text(encoding="utf-8")
    shown_parts = blocks("python", TEXTS[ROOT / "docs" / "custom-rules.md"])
    assert sum(part in source for part in shown_parts) == {"rules": 1, "passes": 3}[name]


def test_python_session() -> None:
    (block,) = blocks("pycon")
    test = doctest.DocTestParser().get_doctest(block, {}, "README.md", "README.md", 0)
    assert test.examples
    runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.ELLIPSIS)
    assert runner.run(test).failed == 0


def test_examples_are_found() -> None:
    assert {"README.md", "ci.md", "optimiser.md", "custom-rules.md", "student.md"} <= {name for name, _ in CONSOLES}


def test_the_two_commands_are_one_line_each() -> None:
    for name in ("run", "test"):
        (block,) = re.findall(rf"^<!-- ci: {name} -->\n```sh\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
        assert block.count("\n") == 1
        assert block.startswith("python3 -m venv .venv && ")


def rewritten(path: Path, folder: Path) -> str:
    """A text with what its console examples, and the README's JSON, print now."""
    text = TEXTS[path]
    for block in consoles(text):
        code, new = 0, ""
        for command, _ in sessions(block):
            got, code = run(command, code, folder)
            new += f"$ {command}\n{got}"
        text = text.replace(f"```console\n{block}", f"```console\n{new}")
    if path.name != "README.md":
        return text
    (block,) = blocks("json")
    old = json.loads(block)
    entries = json.loads(run(JSON_EXAMPLE, 0, folder)[0])["checks"][0]["entries"]
    (entry,) = (e for e in entries if e["label"] == old["label"] and e["point"] == old["point"])
    new = json.dumps(entry, indent=2, ensure_ascii=False)
    new = re.sub(r"\[\s+([^]]*?)\s+\]", lambda m: f"[{' '.join(m[1].split())}]", new)
    return text.replace(block, new + "\n")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        examples = furnished(Path(temporary))
        for each in TEXTS:
            each.write_text(rewritten(each, examples), encoding="utf-8")
