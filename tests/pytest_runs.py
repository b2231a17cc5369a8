"""pytest in a process of its own, in a project of the test's own; and as the documentation shows it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PLUGIN = "gradcheck.integrations.pytest_plugin"
SAMPLE = ROOT / "fixtures" / "project"
# What the documentation does not show: it is another on each machine.
_MACHINE = re.compile(r"^(platform|cachedir|rootdir|configfile|plugins)\b.*\n", re.MULTILINE)


def run_pytest(
    folder: Path,
    *arguments: str,
    code: int | None = None,
    autoload: bool = False,
    start: tuple[str, ...] = ("-m", "pytest"),
    **environment: str,
) -> str:
    """Run pytest in a folder; what it printed, errors included.

    Args:
        code: the exit code that it must have.
        autoload: use the plugins of the environment, which need not have gradcheck's; else gradcheck's alone.
        start: what to run, in the place of pytest.
    """
    variables = {k: v for k, v in os.environ.items() if not k.startswith(("GRADCHECK_", "PYTEST_", "COLUMNS"))}
    for name in ("FORCE_COLOR", "NO_COLOR", "PY_COLORS", "CI", "BUILD_NUMBER"):
        variables.pop(name, None)
    path = os.pathsep.join([str(ROOT), *filter(None, [environment.pop("PYTHONPATH", "")])])
    variables |= {"PYTHONPATH": path, "PYTHONIOENCODING": "utf-8", "PYTHONDONTWRITEBYTECODE": "1", **environment}
    plugins = [] if autoload else ["-p", PLUGIN]
    if not autoload:
        variables["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    done = subprocess.run(
        [sys.executable, *start, *plugins, *arguments],
        cwd=folder,
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=300,
        check=False,
    )
    assert code is None or done.returncode == code, done.stdout
    return done.stdout


def make_project(folder: Path, **files: str) -> Path:
    """A folder with these files (``a_py``), with pytest's rootdir there."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in {"pytest_ini": "[pytest]\n", **files}.items():
        path = folder / re.sub("_(?=(py|toml|ini)$)", ".", name.replace("__", "/"))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def copy_of_sample(folder: Path, **files: str) -> Path:
    """The project of ``fixtures/project``, with further files."""
    shutil.copytree(SAMPLE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    return make_project(folder, **files)


def shown(arguments: list[str], **files: str) -> str:
    """What the documentation shows of a run in the sample project: without what depends on the machine."""
    with tempfile.TemporaryDirectory() as folder:
        out = run_pytest(copy_of_sample(Path(folder).resolve() / "project", **files), *arguments)
    return timeless(_MACHINE.sub("", out))


def timeless(text: str) -> str:
    """The text without the seconds of pytest's last line, and the width that they take."""
    return re.sub(r"^=+ (.*) in \d+\.\d\ds =+$", r"=== \1 ===", text, flags=re.MULTILINE)
