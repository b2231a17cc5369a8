"""What a person sees: a real terminal of several widths, colours, pipes, the bar, and an interrupt."""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gradcheck.progress import ProgressBar
from gradcheck.runner import Step

from .command import ROOT, Run, Write, process, run, write

__all__ = ["run", "write"]

fcntl = pytest.importorskip("fcntl", reason="terminals are told apart otherwise on Windows")
termios = pytest.importorskip("termios")
pty = pytest.importorskip("pty")

MODEL = """
import time
import numpy as np
import gradcheck

@gradcheck.case(at=[1.0, 2.0], name="[bold]first[/bold] :smile:")
def first(x):
    return np.sum(x**2)

def first_grad(x):
    return x * np.array([2.0, 3.0])

@gradcheck.case(at=[1.0, 2.0])
def second(x):
    raise ValueError("[red]x[i][/red] :boom: \\x1b[2J")

@gradcheck.case(at=[0.0, 2.0])
def third(x):
    return np.sum(np.abs(x))
"""
# One line prints and sleeps: a signal that the sight of the word brings may arrive before the print returns.
SLOW = """
import time
import numpy as np
import gradcheck

@gradcheck.case(at=[1.0, 2.0])
def quick(x):
    return np.sum(x**2)

@gradcheck.case(at=[1.0, 2.0])
def slow(x):
    print("SLOW", flush=True); time.sleep(0.12)
    return np.sum(x**2)

@gradcheck.case(at=[1.0, 2.0])
def never(x):
    return np.sum(x**2)
"""
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@contextlib.contextmanager
def terminal(
    *arguments: str, cwd: Path, columns: int, program: str = "gradcheck", **environment: str
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The command, or another program, in a terminal; its process and the other end of the terminal."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    env = {
        k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "CI", "GITHUB_ACTIONS")
    }
    env |= {"PYTHONPATH": str(ROOT), "TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8", **environment}
    command = [sys.executable, "-m", program, *arguments]
    child = subprocess.Popen(
        command, cwd=cwd, env=env, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    try:
        yield child, ours
    finally:
        if child.poll() is None:
            child.kill()
        child.wait()
        os.close(ours)


def read(ours: int, until: str = "") -> str:
    """What the terminal shows, to the end or until a text has come."""
    data, deadline = b"", time.monotonic() + 60
    while time.monotonic() < deadline and (not until or until.encode() not in data):
        if not select.select([ours], [], [], 0.5)[0]:
            continue
        try:
            part = os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        data += part
    return data.decode()


def report(text: str) -> str:
    """The text without the bar, which is there if the run takes more than a second, and is gone at its end."""
    return text.rpartition("\x1b[?25h\r")[2].removeprefix("\x1b[1A\x1b[2K")


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_the_report_fits_into_the_terminal(write: Write, columns: int) -> None:
    home = write(model_py=MODEL)
    with terminal("model.py", cwd=home, columns=columns) as (child, ours):
        text = report(read(ours))
        assert child.wait() == 1
    assert "\x1b[1;31mFAIL" in text
    lines = ESCAPE.sub("", text).replace("\r", "").split("\n")
    too_long = [line for line in lines if len(line) > columns and "reproduce:" not in line]
    assert too_long == []
    plain = " ".join(" ".join(lines).split())
    assert "[bold]first[/bold] :smile:" in plain
    assert "[red]x[i][/red] :boom: \\x1b[2J" in plain  # as text, not as a command to the terminal
    assert "\x1b[2J" not in text
    assert "3 checks: 1 wrong, 1 inconclusive, 1 could not run" in plain


@pytest.mark.parametrize("workers", [[], ["-p", "xdist", "-n1"]], ids=["alone", "xdist"])
def test_pytest_shows_checks_as_wide_as_its_terminal(write: Write, workers: list[str]) -> None:
    home = write(model_py=MODEL)
    plugin = ["-p", "gradcheck.integrations.pytest_plugin", "-p", "no:cacheprovider", *workers]
    autoload = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    with terminal(*plugin, "--gradcheck", cwd=home, columns=70, program="pytest", **autoload) as (child, ours):
        text = read(ours)
        assert child.wait() == 1
    assert "\x1b[1;31mFAIL" in text
    lines = ESCAPE.sub("", text).replace("\r", "").split("\n")
    table = lines[next(i for i, line in enumerate(lines) if line.startswith("FAIL  model.py:first")) :]
    table = table[: next(i for i, line in enumerate(table) if line.startswith("____"))]
    assert [line for line in table if len(line) > 70 and "reproduce:" not in line] == []
    assert "\x1b[2J" not in text


@pytest.mark.parametrize(
    ("environment", "option", "colored"),
    [
        ({}, [], True),
        ({"NO_COLOR": "1"}, [], False),
        ({"NO_COLOR": ""}, [], True),
        ({"TERM": "dumb"}, [], False),
        ({"CLICOLOR": "0"}, [], False),
        ({"NO_COLOR": "1"}, ["--color", "always"], True),
        ({"GRADCHECK_COLOR": "never"}, [], False),
    ],
)
def test_colour_on_a_terminal(write: Write, environment: dict[str, str], option: list[str], colored: bool) -> None:
    home = write(model_py=MODEL)
    with terminal("model.py:third", *option, cwd=home, columns=80, **environment) as (child, ours):
        text = report(read(ours))
        assert child.wait() == 3
    assert ("\x1b[" in text) is colored


@pytest.mark.parametrize(
    ("environment", "colored"),
    [({}, False), ({"FORCE_COLOR": "1"}, True), ({"CLICOLOR_FORCE": "1"}, True), ({"FORCE_COLOR": "0"}, False)],
)
def test_colour_in_a_pipe(
    run: Run, write: Write, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], colored: bool
) -> None:
    write(model_py=MODEL)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert ("\x1b[" in run("model.py:third")[1]) is colored


def test_nothing_is_cut_off_a_terminal(run: Run, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    write(model_py=MODEL)
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("TERM", "dumb")
    code, out, _ = run("model.py", "-vv")
    assert code == 1
    assert max(len(line) for line in out.splitlines()) > 100
    assert "…" not in out


@pytest.mark.parametrize("name", ["GITHUB_ACTIONS", "CI", "JENKINS_URL"])
def test_the_same_report_in_ci(write: Write, name: str) -> None:
    home = write(model_py=MODEL)
    bare = dict.fromkeys(("GITHUB_ACTIONS", "CI", "NO_COLOR", "FORCE_COLOR"), "")
    here = process("model.py:third", cwd=home, **bare)
    there = process("model.py:third", cwd=home, **{**bare, name: "true"})
    timing = re.compile(r"\(\d+\.\d+ s\)")
    assert timing.sub("", there.stdout) == timing.sub("", here.stdout)
    assert there.returncode == here.returncode == 3


@pytest.mark.parametrize(
    ("option", "there", "absent"),
    [
        ([], ["PASS  model.py:fine", "FAIL  model.py:bad", "2 checks"], ["d2", "df/dx[299]"]),
        (["-q"], ["FAIL  model.py:bad", "2 checks"], ["PASS"]),
        (["-v"], ["PASS  model.py:fine", "  df/dx[0]", "and 11 more (-vv shows them all)"], []),
        (["-vv"], ["df/dx[70]"], ["-vv shows them all"]),
        (["-qq"], [], ["PASS", "FAIL", "check"]),
    ],
)
def test_quiet_and_verbose(run: Run, write: Write, option: list[str], there: list[str], absent: list[str]) -> None:
    write(
        model_py="import numpy as np\ndef fine(x=np.linspace(1, 2, 71)): return np.sum(x**2)\n"
        "def bad(x=2.0): return x**2\ndef bad_grad(x): return 3 * x\n"
    )
    code, out, err = run("model.py:fine", "model.py:bad", *option)
    assert (code, err) == (1, "")
    for text in there:
        assert text in out
    for text in absent:
        assert text not in out


def test_a_pipe_that_is_closed_early(write: Write) -> None:
    home = write(model_py=MODEL)
    for arguments in ("model.py", "--help", "--explain", "model.py --list", "--show-settings"):
        command = f"{sys.executable} -m gradcheck {arguments} | head -c 5; exit ${{PIPESTATUS[0]}}"
        env = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(["bash", "-c", command], cwd=home, env=env, capture_output=True, text=True, check=False)
        assert "Traceback" not in done.stderr
        assert "BrokenPipe" not in done.stderr


def test_the_bar(write: Write) -> None:
    home = write(model_py=SLOW)
    with terminal("model.py", cwd=home, columns=80) as (child, ours):
        text = read(ours)
        assert child.wait() == 0
    plain = ESCAPE.sub("", text)
    assert re.search(r"model.py:slow.*1/3 checks +\d+(\.\d)? calls/s", plain)
    assert "3 checks: 3 passed" in plain


@pytest.mark.parametrize("environment", [{"TERM": "dumb"}, {"GRADCHECK_QUIET": "1"}])
def test_no_bar_where_it_is_not_wanted(write: Write, environment: dict[str, str]) -> None:
    home = write(model_py=SLOW)
    with terminal("model.py", cwd=home, columns=80, **environment) as (child, ours):
        text = read(ours)
        assert child.wait() == 0
    assert "calls/s" not in text


def test_the_bar_follows_the_steps(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gradcheck.progress.PATIENCE", -1.0)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    with ProgressBar() as bar:
        bar.update(Step(0, 1, "model.py:[b]f[/b]", 10, 40))
        bar.update(Step(0, 1, "model.py:[b]f[/b]", 30, 20))
    text = ESCAPE.sub("", capsys.readouterr().err)
    assert "model.py:[b]f[/b]" in text
    assert "30/20 evaluations" in text


def test_an_interrupt_tells_what_was_done(write: Write) -> None:
    home = write(model_py=SLOW)
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    for form in ("full", "json"):
        command = [sys.executable, "-m", "gradcheck", "model.py", "-f", form]
        with subprocess.Popen(
            command, cwd=home, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as child:
            assert child.stderr is not None
            assert child.stdout is not None
            assert child.stderr.readline() == "SLOW\n"
            child.send_signal(signal.SIGINT)
            out, err = child.stdout.read(), child.stderr.read()
            assert child.wait() == 130
        place = "model.py:slow at x=[1.0, 2.0] (model.py:12)"
        assert err.replace("SLOW\n", "") == f"gradcheck: interrupted: 1 of 3 checks done, in {place}\n"
        if form == "json":
            document = json.loads(out)
            assert document["exit_code"] == 130
            assert document["interrupted"] == {"done": 1, "checks": 3, "name": "model.py:slow", "place": place}
            assert [check["verdict"] for check in document["checks"]] == ["pass"]
        else:
            assert out.startswith("PASS  model.py:quick")
            assert f"1 check: 1 passed; interrupted: 1 of 3 checks done, in {place}" in out


def test_an_interrupt_while_a_file_is_loaded(run: Run, write: Write) -> None:
    write(model_py="import gradcheck\nraise KeyboardInterrupt\n@gradcheck.case()\ndef f(x): return x\n")
    assert run("model.py") == (130, "", "gradcheck: interrupted\n")
