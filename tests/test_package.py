"""What an installation consists of: version, licence, console script, `python -m`, types, the public names."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest

import gradcheck

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def installed() -> Distribution:
    return distribution("gradcheck")


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_version_stands_in_one_place(installed: Distribution) -> None:
    assert installed.version == gradcheck.__version__
    written = [
        path.relative_to(ROOT).as_posix()
        for path in [*(ROOT / "gradcheck").rglob("*.py"), ROOT / "pyproject.toml"]
        if re.search(rf"""["']{re.escape(gradcheck.__version__)}["']""", path.read_text(encoding="utf-8"))
    ]
    assert written == ["gradcheck/_version.py"]


def test_python_m(installed: Distribution) -> None:
    done = python("-m", "gradcheck", "--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"gradcheck {installed.version}\n", "")


def test_the_console_script_is_the_same_command(installed: Distribution) -> None:
    (script,) = installed.entry_points.select(group="console_scripts")
    assert script.name == "gradcheck"
    done = python("-c", f"from {script.module} import {script.attr}; {script.attr}()", "--version")
    assert (done.returncode, done.stdout) == (0, f"gradcheck {installed.version}\n")


def test_the_licence_comes_with_it(installed: Distribution) -> None:
    assert installed.metadata["License-Expression"] == "MIT"
    assert installed.metadata.get_all("License-File") == ["LICENSE"]
    (shipped,) = (file for file in installed.files or [] if file.name == "LICENSE")
    assert shipped.read_text() == (ROOT / "LICENSE").read_text(encoding="utf-8")


def test_what_is_needed_to_run_is_what_is_imported(installed: Distribution) -> None:
    needed = {re.split(r"[<>=!~; ]", line)[0] for line in installed.requires or [] if "extra ==" not in line}
    assert needed == {"numpy", "rich", "scipy", "typer"}


def test_types_are_announced() -> None:
    assert (Path(gradcheck.__file__).parent / "py.typed").is_file()


def test_every_public_name_is_there() -> None:
    assert sorted(dir(gradcheck)) == sorted(gradcheck.__all__)
    for name in gradcheck.__all__:
        assert getattr(gradcheck, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'nosuch'"):
        _ = gradcheck.nosuch


@pytest.mark.parametrize(
    "before",
    ["", "from gradcheck import Result", "import gradcheck.runner", "import gradcheck.check.core", "gradcheck.check"],
)
def test_check_is_the_function_whatever_was_imported_first(before: str) -> None:
    done = python("-c", f"import gradcheck\n{before}\nfrom gradcheck import check\nprint(check(abs, 2.0).verdict)")
    assert (done.stdout, done.stderr) == ("pass\n", "")
