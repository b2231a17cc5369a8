"""``--watch`` as a process: files are edited while it runs, and what it prints is waited for."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .command import ROOT, Run, Write, run, write

__all__ = ["run", "write"]

pytest.importorskip("watchfiles", reason="watchfiles is not installed")
posix = pytest.mark.skipif(os.name == "nt", reason="sends signals")

RIGHT = "import numpy as np\n\ndef f(x):\n    return np.sum(x**3)\n\ndef f_grad(x):\n    return 3 * x**2\n"
WRONG = RIGHT.replace("3 * x**2", "4 * x**2")
READY = "Ctrl-C ends\n"


class Watching:
    """A running watch; what it prints on stdout and stderr goes to one file."""

    def __init__(self, child: subprocess.Popen[bytes], log: Path) -> None:
        self.child = child
        self.log = log
        self.at = 0

    def until(self, *texts: str) -> str:
        """What was printed since the last time, when all these texts have come."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            text = self.log.read_text(encoding="utf-8")[self.at :]
            if all(wanted in text for wanted in texts):
                self.at += len(text)
                return text
            if self.child.poll() is not None:
                break
            time.sleep(0.05)
        raise AssertionError(f"{texts} did not come, but:\n{text}")

    def interrupt(self) -> str:
        self.child.send_signal(signal.SIGINT)
        assert self.child.wait(60) == 130
        return self.log.read_text(encoding="utf-8")[self.at :]


@contextlib.contextmanager
def watching(*arguments: str, cwd: Path, log: Path) -> Iterator[Watching]:
    foreign = ("GRADCHECK_", "PYTHONDONTWRITEBYTECODE")
    env = {name: text for name, text in os.environ.items() if not name.startswith(foreign)}
    env |= {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, "-m", "gradcheck", "--watch", *arguments]
    with open(log, "wb") as file:
        child = subprocess.Popen(command, cwd=cwd, env=env, stdout=file, stderr=file, start_new_session=True)
    try:
        yield Watching(child, log)
    finally:
        if child.poll() is None:
            child.kill()
        child.wait()


@pytest.fixture
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("log") / "log.txt"


@posix
def test_from_wrong_to_right(write: Write, log: Path) -> None:
    home = write(model_py=WRONG, other_py=RIGHT.replace(" f", " g"))
    with watching("model.py", "other.py:g", cwd=home, log=log) as watch:
        first = watch.until(READY)
        assert "FAIL  model.py:f" in first
        assert "2 checks: 1 wrong, 1 passed" in first
        write(model_py=RIGHT)
        second = watch.until(READY)
        assert re.match(r"gradcheck: \d\d:\d\d:\d\d  model\.py changed\n", second)
        assert "PASS  model.py:f" in second
        assert "1 check: 1 passed" in second
        write(model_py="def f(x:\n")
        broken = watch.until(READY)
        assert "ERROR GC003  model.py  SyntaxError: '(' was never closed (model.py:1)\n" in broken
        assert "Traceback" not in broken
        write(model_py=WRONG)
        assert "FAIL  model.py:f" in watch.until(READY)
        assert watch.interrupt() == "gradcheck: interrupted\n"


@posix
def test_what_a_check_imports(write: Write, log: Path) -> None:
    """By a statement, from its package, inside a function, by importlib: only the checks concerned are run again."""
    home = write(
        pkg____init___py="",
        pkg__a_py="from . import shared\nfrom ..pkg import shared\n" + RIGHT.replace("3 *", "shared.k *"),
        pkg__shared_py="k = 3\n",
        late_py="import numpy as np\ndef f(x):\n    import lazy\n    return lazy.f(x)\n",
        lazy_py="from pkg.shared import k\nimport numpy as np\ndef f(x): return np.sum(x**k)\n",
        alone_py="import importlib\n" + RIGHT.replace("3 *", "importlib.import_module('by_name').k *"),
        by_name_py="k = 3\n",
    )
    (home / "pkg" / "a.py").write_text("from . import shared\n" + RIGHT.replace("3 *", "shared.k *"), encoding="utf-8")
    (home / "pkg" / "__init__.py").write_text("", encoding="utf-8")
    with watching("pkg/a.py", "late.py:f", "alone.py", "scipy.optimize:rosen", cwd=home, log=log) as watch:
        assert "4 checks: 4 passed" in watch.until(READY)
        write(pkg__shared_py="k = 3.0\n")
        text = watch.until(READY)
        assert "2 checks: 2 passed" in text
        assert "alone" not in text
        write(lazy_py="import numpy as np\ndef f(x): return np.sum(x**2)\n")
        text = watch.until(READY)
        assert "PASS  late.py:f" in text
        assert "1 check: 1 passed" in text
        # No statement leads there: it counts for all.
        write(by_name_py="k = 4\n")
        text = watch.until(READY)
        assert "FAIL  alone.py:f" in text
        assert "rosen" in text
        watch.interrupt()


@posix
def test_a_folder_and_a_configuration(write: Write, log: Path) -> None:
    table = '[tool.gradcheck]\nseed = 1\n[[tool.gradcheck.check]]\ntarget = "src/model.py:f"\n'
    home = write(pyproject_toml=table, src__model_py=RIGHT)
    with watching("src", cwd=home, log=log) as watch:
        assert "1 check: 1 passed" in watch.until(READY)
        write(src__new_py=WRONG)
        text = watch.until(READY)
        assert "src/new.py changed" in text
        assert "1 check: 1 wrong" in text
        write(src__deep__newer_py=RIGHT)
        assert "PASS  src/deep/newer.py:f" in watch.until(READY)
        write(pyproject_toml=table + 'grad = "nothing"\n')
        text = watch.until(READY)
        assert "pyproject.toml changed" in text
        assert "3 checks: 1 wrong, 1 could not run, 1 passed" in text
        write(pyproject_toml=table.replace("seed", "sed"))
        text = watch.until(READY)
        assert "gradcheck: GC008: " in text
        assert "Traceback" not in text
        write(src__script_py="x = 1\n", pyproject_toml=table)
        assert "3 checks: 1 wrong, 2 passed" in watch.until(READY)
        write(src__script_py="x = 2\n")
        assert "nothing was checked: no check depends on src/script.py" in watch.until(READY)
        watch.interrupt()


SLOW = """
import time
import pathlib
import numpy as np

def f(x):
    if pathlib.Path("slow").exists():
        pathlib.Path("called").touch()
        time.sleep(0.1)
    return 2.0 * np.sum(x)

def f_grad(x):
    return 2.0 + 0 * x
"""


@posix
def test_an_edit_and_an_interrupt_during_a_run(write: Write, log: Path) -> None:
    home = write(model_py=SLOW)
    slow, called = home / "slow", home / "called"

    def wait_for_the_call() -> None:
        deadline = time.monotonic() + 60
        while not called.exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        called.unlink()

    with watching("model.py", cwd=home, log=log) as watch:
        watch.until(READY)
        slow.touch()
        write(model_py=SLOW + "# 1\n")
        wait_for_the_call()
        write(model_py=SLOW.replace("return 2.0 +", "return 3.0 +"))
        slow.unlink()
        # The run at work ends, and what was saved meanwhile is run next.
        assert "FAIL  model.py:f" in watch.until("FAIL", READY)
        slow.touch()
        write(model_py=SLOW)
        wait_for_the_call()
        os.killpg(watch.child.pid, signal.SIGINT)  # as a terminal does
        assert watch.child.wait(60) == 130
        text = log.read_text(encoding="utf-8")[watch.at :]
        assert "interrupted: 0 of 1 check" in text
        assert text.endswith("gradcheck: interrupted\n")
        assert "Traceback" not in text


@posix
def test_a_crash_is_told_and_is_not_the_end(write: Write, log: Path) -> None:
    home = write(model_py="import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n" + RIGHT)
    with watching("model.py", cwd=home, log=log) as watch:
        assert "gradcheck: the run ended with exit code -9\n" in watch.until(READY)
        write(model_py=RIGHT)
        assert "PASS  model.py:f" in watch.until(READY)
        # Saved without a change.
        write(model_py=RIGHT)
        write(model_py=WRONG)
        text = watch.until(READY)
        assert text.count("changed") == 1
        assert "FAIL" in text
        watch.interrupt()


@posix
@pytest.mark.parametrize("jobs", [[], ["-j2"]], ids=["alone", "in processes"])
def test_two_saves_within_a_second(write: Write, log: Path, jobs: list[str]) -> None:
    """Of the same size, so that Python would take the bytecode of the first for that of the second."""
    home = write(model_py=RIGHT, other_py=RIGHT)
    now = time.time()
    os.utime(home / "model.py", (now, now))
    with watching("model.py:f", "other.py:f", *jobs, cwd=home, log=log) as watch:
        assert "2 checks: 2 passed" in watch.until(READY)
        new = home / "new"
        new.write_text(WRONG, encoding="utf-8")
        os.utime(new, (now, now))
        new.replace(home / "model.py")
        assert "FAIL  model.py:f" in watch.until(READY)
        watch.interrupt()


@posix
def test_the_screen_is_cleared_on_a_terminal(write: Write) -> None:
    from .test_terminal import read, terminal

    home = write(model_py=WRONG)
    with terminal("--watch", "model.py", cwd=home, columns=100) as (child, ours):
        assert "\x1b[2J" not in read(ours, "Ctrl-C ends")
        write(model_py=RIGHT)
        text = read(ours, "Ctrl-C ends")
        assert re.search(r"\x1b\[2J\x1b\[Hgradcheck: \d\d:\d\d:\d\d  model\.py changed", text)
        assert "PASS" in text
        child.send_signal(signal.SIGINT)
        assert "interrupted" in read(ours)
        assert child.wait(60) == 130


def test_without_watchfiles(run: Run, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    write(model_py=RIGHT)
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: None if name == "watchfiles" else find(name))
    code, out, err = run("model.py", "--watch")
    assert (code, out) == (2, "")
    assert err == (
        "gradcheck: GC001: --watch needs watchfiles, which is not installed\n  hint: pip install 'gradcheck[watch]'\n"
    )


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["model.py", "--watch", "--list"], "--watch does not go with --list"),
        (["--watch"], "no target is given"),
        (["model.py", "--watch", "--seed=-1"], "a seed is not negative"),
    ],
)
def test_mistakes_are_told_at_once(run: Run, write: Write, arguments: list[str], text: str) -> None:
    write(model_py=RIGHT)
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert text in err
