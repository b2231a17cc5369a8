"""The hooks of .pre-commit-hooks.yaml, by the real ``pre-commit try-repo`` in a git repository made for the test.

The hook ``gradcheck`` runs in the active environment and needs no network. ``gradcheck-isolated`` is installed by
pip into an environment of its own, which takes a package index and half a minute: it is tried where the variable
``TEST_ISOLATED_HOOK`` is set, as ``.ci/run`` does.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from .command import ROOT, Run, Write, run, write

__all__ = ["run", "write"]

pytest.importorskip("pre_commit", reason="pre-commit is not installed")

RIGHT = "import numpy as np\n\ndef f(x):\n    return np.sum(x**3)\n\ndef f_grad(x):\n    return 3 * x**2\n"
WRONG = RIGHT.replace("3 * x**2", "3 * x**3")
PLAIN = "print('a script, never imported')\nraise SystemExit(1)\n"
COMMIT = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "test"), ("EMAIL", "test@localhost"))
}


def environment(home: Path) -> dict[str, str]:
    """Nothing of the user's: neither their configuration of git nor their hooks; `gradcheck` is that of this Python."""
    foreign = ("GIT_", "GRADCHECK_", "PYTHONPATH")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    own = {"GIT_CONFIG_GLOBAL": str(home / "gitconfig"), "GIT_CONFIG_NOSYSTEM": "1", "PRE_COMMIT_HOME": str(home)}
    return {**kept, **COMMIT, **own, "PATH": path, "PRE_COMMIT_COLOR": "never", "PYTHONIOENCODING": "utf-8"}


def commit(folder: Path, env: dict[str, str]) -> Path:
    for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "all"]):
        subprocess.run(["git", *arguments], cwd=folder, env=env, check=True, stdin=subprocess.DEVNULL)
    return folder


def try_repo(hook: str, tmp_path: Path, files: dict[str, str], *more: str, whole: bool = False) -> tuple[int, str]:
    """Exit code and output of a hook of this project on the files of a repository; ``whole``: it can be installed."""
    home = tmp_path / "home"
    home.mkdir()
    env = environment(home)
    hooks, project = tmp_path / "hooks", tmp_path / "project"
    hooks.mkdir()
    for name in (".pre-commit-hooks.yaml", *(("pyproject.toml", "README.md", "LICENSE") if whole else ())):
        shutil.copy(ROOT / name, hooks)
    if whole:
        shutil.copytree(ROOT / "gradcheck", hooks / "gradcheck", ignore=shutil.ignore_patterns("__pycache__"))
    else:
        env["PYTHONPATH"] = str(ROOT)
    for name, text in files.items():
        path = project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pre_commit", "try-repo", str(commit(hooks, env)), hook, "--all-files", *more],
        cwd=commit(project, env),
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=600,
        check=False,
    )
    return done.returncode, done.stdout


def test_right_derivatives_and_files_without_any_are_green(tmp_path: Path) -> None:
    script = "#!/usr/bin/env python3\nraise SystemExit('no module is called tool')\n"
    files = {"model.py": RIGHT, "src/other.py": RIGHT, "script.py": PLAIN, "tool": script, "notes.txt": "x"}
    code, text = try_repo("gradcheck", tmp_path, files, "--verbose")
    assert code == 0, text
    assert "Passed" in text
    assert "PASS  model.py:f" in text
    assert "2 checks: 2 passed" in text
    assert "script" not in text


def test_a_wrong_derivative_is_red(tmp_path: Path) -> None:
    code, text = try_repo("gradcheck", tmp_path, {"good.py": RIGHT, "model.py": WRONG})
    assert code == 1
    assert "- exit code: 1" in text
    assert "FAIL  model.py:f" in text
    assert "GC101" in text
    assert "2 checks: 1 wrong, 1 passed" in text


def test_what_is_configured_for_a_file_is_checked(tmp_path: Path) -> None:
    configuration = '[[tool.gradcheck.check]]\ntarget = "model.py:g"\ngrad = "slope"\nat = "x=[1.0, 2.0]"\n'
    source = RIGHT.replace("f_grad", "slope").replace("def f(", "def g(")
    files = {"pyproject.toml": configuration, "model.py": source.replace("3 * x**2", "x**2"), "script.py": PLAIN}
    code, text = try_repo("gradcheck", tmp_path, files)
    assert code == 1
    assert "FAIL  model.py:g" in text


def test_nothing_but_files_without_checks_is_green(tmp_path: Path) -> None:
    code, text = try_repo("gradcheck", tmp_path, {"script.py": PLAIN}, "--verbose")
    assert code == 0, text
    assert "Passed" in text


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Skip unless the hook's environment is to be made, and pip can fetch what it needs."""
    if not os.environ.get("TEST_ISOLATED_HOOK"):
        pytest.skip("TEST_ISOLATED_HOOK is not set: takes a package index and half a minute")
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--dest", str(tmp_path_factory.mktemp("p"))]
    if subprocess.run([*command, "hatchling"], capture_output=True, check=False).returncode:
        pytest.skip("pip reaches no package index")


@pytest.mark.usefixtures("index")
def test_the_isolated_hook(tmp_path: Path) -> None:
    """One environment for both: a wrong derivative is found, and a package that only the user has is missed."""
    needy = "import a_package_of_mine\n" + RIGHT
    code, text = try_repo("gradcheck-isolated", tmp_path, {"model.py": WRONG, "needy.py": needy}, whole=True)
    assert code == 1
    assert "FAIL  model.py:f" in text
    assert "needy.py imports 'a_package_of_mine'" in text
    assert "additional_dependencies: [a_package_of_mine]" in text


@pytest.mark.parametrize(
    ("folder", "pre_commit", "hinted"),
    [("py_env-python3.13", "1", True), ("py_env-python3.13", "", False), (".venv", "1", False)],
)
def test_the_hint_where_the_hooks_environment_lacks_a_package(
    run: Run, write: Write, monkeypatch: pytest.MonkeyPatch, folder: str, pre_commit: str, hinted: bool
) -> None:
    write(model_py="import a_package_of_mine.part\n" + RIGHT)
    monkeypatch.setenv("PRE_COMMIT", pre_commit)
    monkeypatch.setattr(sys, "prefix", os.path.join(os.sep, "home", "repo12345678", folder))
    code, out, _ = run("model.py")
    assert code == 2
    assert "model.py imports 'a_package_of_mine" in out
    assert ("additional_dependencies: [a_package_of_mine]" in out) is hinted


def test_the_hooks_of_the_guide() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    guide = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
    examples = map(yaml.safe_load, re.findall(r"^```yaml\n(repos:.*?)^```$", guide, re.MULTILINE | re.DOTALL))
    shown = [hook["id"] for example in examples for repo in example["repos"] for hook in repo["hooks"]]
    assert shown == [hook["id"] for hook in hooks]
