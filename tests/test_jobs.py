"""Checks in several processes: the same report, and a crash is that of one check."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from typing import Any

import pytest

from .command import ROOT, Write, process, write

__all__ = ["write"]

MODEL = """
import os, signal, sys
import numpy as np
import gradcheck

class Scale:
    by = 2.0

@gradcheck.case(at={"x": np.array([0.5, 1.0])})
@gradcheck.case(at="x=[1, 2]", argnum="all")
def loss(x, scale=Scale(), t=0.5):  # gradcheck: ignore[GC201]
    print("FROM PYTHON")
    os.write(1, b"FROM C\\n")
    return scale.by * np.sum(x**2) * t

@gradcheck.case(at=[1.0, 2.0], nosuch=1)
def mistake(x):
    return x

@gradcheck.case(at=[0.0, 2.0])
def kink(x):  # gradcheck: ignore[GC201, GC202]
    return np.sum(np.abs(x))

def wrong(x):
    return np.sum(x**2)

def wrong_grad(x):
    return 3 * x
"""
CRASH = """
import os, signal
import gradcheck

@gradcheck.case(at=2.0)
def first(x): return x**2

@gradcheck.case(at=2.0)
def crashes(x): os.kill(os.getpid(), signal.SIGKILL)

@gradcheck.case(at=2.0)
def leaves(x): os._exit(0)

@gradcheck.case(at=2.0)
def last(x): return x**2
"""


def timeless(value: Any) -> Any:
    """The document without what differs between any two runs."""
    if isinstance(value, dict):
        return {key: timeless(item) for key, item in value.items() if key != "seconds"}
    if isinstance(value, list):
        return [timeless(item) for item in value]
    return re.sub(r" at 0x[0-9a-f]+", "", value) if isinstance(value, str) else value


def test_the_same_json(write: Write) -> None:
    home = write(model_py=MODEL)
    alone, several = (process("model.py", "-f", "json", "-j", jobs, cwd=home) for jobs in ("1", "3"))
    assert alone.returncode == several.returncode == 1
    documents = [json.loads(done.stdout) for done in (alone, several)]
    assert timeless(documents[0]) == timeless(documents[1])
    assert [check["status"] for check in documents[0]["checks"]] == [
        "passed", "passed", "passed", "could_not_run", "ignored", "wrong"
    ]  # fmt: skip
    unused = [f["message"] for c in documents[1]["checks"] for f in c.get("findings", []) if f["code"] == "GC330"]
    assert len(unused) == 2
    for text in ("FROM PYTHON", "FROM C"):
        assert several.stderr.count(text) == alone.stderr.count(text) > 0


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals")
def test_a_crash_is_that_of_one_check(write: Write) -> None:
    home = write(model_py=CRASH)
    done = process("model.py", "-f", "json", "-j", "2", cwd=home)
    assert done.returncode == 2
    checks = json.loads(done.stdout)["checks"]
    assert [check["status"] for check in checks] == ["passed", "could_not_run", "could_not_run", "passed"]
    assert checks[1]["problem"]["message"] == "the process of the check ended with signal SIGKILL"
    assert "os._exit(0)" in checks[2]["problem"]["message"]


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals")
@pytest.mark.parametrize("form", ["full", "json"])
def test_an_interrupt(write: Write, form: str) -> None:
    # In one piece, which print is not where PYTHONUNBUFFERED is set, and not silenced with the first call.
    waits = 'os.write(2, b"1\\n"); time.sleep(60); '
    slow = "import gradcheck, os, time\n" + "".join(
        f"@gradcheck.case(at=2.0)\ndef f{i}(x): {waits if i > 1 else ''}return x\n" for i in range(5)
    )
    home = write(model_py=slow)
    command = [sys.executable, "-m", "gradcheck", "model.py", "-j", "2", "-f", form]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, cwd=home, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as child:
        assert child.stderr is not None
        assert child.stdout is not None
        said = [child.stderr.readline() for _ in range(2)]
        os.killpg(child.pid, signal.SIGINT)  # as Ctrl-C does
        out, err = child.stdout.read(), child.stderr.read()
        assert child.wait() == 130
    assert said == ["1\n"] * 2
    assert err == "gradcheck: interrupted: 2 of 5 checks done, in model.py:f2, model.py:f3\n"
    if form == "json":
        assert [check["status"] for check in json.loads(out)["checks"]] == ["passed", "passed"]
    else:
        assert "2 checks: 2 passed; interrupted" in out


def test_mistakes(write: Write) -> None:
    home = write(model_py=MODEL)
    done = process("model.py", "-j", "-1", cwd=home)
    assert done.returncode == 2
    assert "--jobs" in done.stderr
