"""Where reports go: ``--report``, ``--output``, ``--plot``, written whole, by processes of the command."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from gradcheck import outputs
from gradcheck.report import FORMATS
from gradcheck.settings import SettingsError
from gradcheck.streams import OutputError

ROOT = Path(__file__).resolve().parent.parent

MODEL = """
import ctypes
import os
import numpy as np


def good(x):
    return np.sum(x**3)


def good_grad(x):
    return 3 * x**2


def bad(x):
    return np.sum(x**3)


def bad_grad(x):
    return 4 * x**2


def loud(x):
    libc = ctypes.CDLL(None)
    print('{"not": "the report"}')
    os.write(1, b"]]>written<?xml")
    libc.puts(b"from C")
    libc.fflush(None)
    return np.sum(x**2)


def moves(x):
    os.chdir("/")
    return np.sum(x**2)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "model.py").write_text(MODEL, encoding="utf-8")
    return tmp_path


def process(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8", **environment}
    command = [sys.executable, "-m", "gradcheck", *arguments]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, encoding="utf-8", check=False)


def test_all_formats_in_one_run(folder: Path) -> None:
    wanted = [f"--report={name}=out/deep/{name}.txt" for name in FORMATS]
    done = process(folder, "model.py:bad", "model.py:good", "gone.py:f", *wanted, "--plot", "out/steps.svg", "-q")
    assert done.returncode == 1
    assert done.stderr == ""
    written = {path.name for path in (folder / "out" / "deep").iterdir()}
    assert written == {f"{name}.txt" for name in FORMATS}  # and no temporary files
    assert len(ET.parse(folder / "out/deep/junit.txt").findall(".//testcase")) == 3
    report = json.loads((folder / "out/deep/json.txt").read_text(encoding="utf-8"))
    assert report["summary"]["could_not_run"] == 1
    # -q is for the terminal: a file has everything.
    assert "PASS  model.py:good" in (folder / "out/deep/full.txt").read_text(encoding="utf-8")
    assert "PASS  model.py:good" not in done.stdout
    picture = ET.parse(folder / "out/steps.svg").getroot()
    assert "the step: df/dx[" in picture.findtext("{http://www.w3.org/2000/svg}title", "")


@pytest.mark.parametrize("name", ["full", "html"])
def test_an_output_file_keeps_stdout_empty(folder: Path, name: str) -> None:
    done = process(folder, "model.py:bad", "-f", name, "-o", "there/report.txt")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")
    assert (folder / "there" / "report.txt").stat().st_size > 100


@pytest.mark.parametrize("name", ["json", "junit"])
def test_prints_from_python_and_c_are_not_in_the_report(folder: Path, name: str) -> None:
    done = process(folder, "model.py:loud", "-f", name)
    assert done.returncode == 0
    for text in ("not", "]]>written<?xml", "from C"):
        assert text in done.stderr
    assert 'the report"}' not in done.stdout
    assert "from C" not in done.stdout
    assert "written<" not in done.stdout
    if name == "json":
        json.loads(done.stdout)
    else:
        ET.fromstring(done.stdout)


def _without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_times(v) for k, v in value.items() if k != "seconds"}
    return [_without_times(v) for v in value] if isinstance(value, list) else value


def test_two_runs_with_one_seed_give_the_same_json(folder: Path) -> None:
    targets = ["model.py:bad", "model.py:good", str(ROOT / "fixtures/logistic_wrong.py:loss"), "gone.py:f"]
    reports = []
    for seed in ("1", "2"):
        done = process(folder, *targets, "--seed=3", "--format=json", "--report=html=a.html", PYTHONHASHSEED=seed)
        assert done.returncode == 1
        reports.append(_without_times(json.loads(done.stdout)))
    assert reports[0] == reports[1]
    assert reports[0]["checks"][0]["studies"]


def test_a_file_is_replaced_whole(folder: Path) -> None:
    target = folder / "report.xml"
    target.write_text("old", encoding="utf-8")
    target.chmod(0o640)
    link = folder / "link.xml"
    link.symlink_to(target)
    inode = target.stat().st_ino
    assert process(folder, "model.py:good", "--report=junit=link.xml").returncode == 0
    assert link.is_symlink()
    assert target.read_text(encoding="utf-8").startswith("<?xml")
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert target.stat().st_ino != inode  # another file took its place


def test_a_new_file_has_the_usual_permissions(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("", encoding="utf-8")
    outputs.write_whole(tmp_path / "report", "text")
    assert (tmp_path / "report").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_what_fails_midway_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "report.json"
    target.write_text("old", encoding="utf-8")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(outputs.os, "fsync", full)
    with pytest.raises(OutputError, match="cannot write the file: No space left on device"):
        outputs.write_whole(target, "new")
    assert target.read_text(encoding="utf-8") == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


def test_what_is_no_file_is_written_to(folder: Path) -> None:
    done = process(folder, "model.py:good", "--format=concise", "--report=json=/dev/stderr", "--report=json=/dev/null")
    assert done.returncode == 0
    assert json.loads(done.stderr)["exit_code"] == 0
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_files_of_the_user_that_are_named_like_modules_of_python(folder: Path) -> None:
    for name in ("html", "xml", "json", "urllib", "hashlib", "saxutils", "svg", "matplotlib"):
        (folder / f"{name}.py").write_text("raise RuntimeError('not that one')", encoding="utf-8")
    wanted = [f"--report={name}=out/{name}" for name in FORMATS]
    pictures = ["--plot=out/a.png"] if importlib.util.find_spec("matplotlib") else ["--plot=out/a.svg"]
    command = [sys.executable, "-P", "-m", "gradcheck", "model.py:good", *wanted, *pictures, "-qq"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(list((folder / "out").iterdir())) == len(FORMATS) + 1


def test_two_reports_on_stdout(folder: Path) -> None:
    done = process(folder, "model.py:loud", "--format=concise", "--report=json=/dev/stdout")
    first, _, last = done.stdout.rpartition("1 check: ")
    assert json.loads(first)["exit_code"] == 0
    assert last == "1 passed\n"


@pytest.mark.parametrize(
    ("target", "code"), [("model.py:good", 2), ("model.py:bad", 1)], ids=["alone", "a wrong derivative is still that"]
)
def test_a_report_that_cannot_be_written(folder: Path, target: str, code: int) -> None:
    (folder / "file").write_text("", encoding="utf-8")
    done = process(folder, target, "--report=json=file/x.json", "--report=junit=fine.xml", "--format=concise")
    assert done.returncode == code
    assert done.stderr == "gradcheck: GC001: --report json=file/x.json: cannot write the file: Not a directory\n"
    assert (folder / "fine.xml").exists()
    assert done.stdout.splitlines()[-1].startswith("1 check: ")


def test_a_bug_in_a_format_does_not_lose_the_others(folder: Path) -> None:
    program = (
        "import sys; from gradcheck import cli; from gradcheck.report import html;"
        " html.render = lambda *_: 1 / 0;"
        " sys.exit(cli.main(['model.py:good', '--report=html=a.html', '--report=json=b.json']))"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", program], cwd=folder, env=env, capture_output=True, check=False)
    assert done.returncode == 4
    assert b"ZeroDivisionError" in done.stderr
    assert not (folder / "a.html").exists()
    assert json.loads((folder / "b.json").read_text(encoding="utf-8"))["exit_code"] == 0


def test_the_users_chdir_moves_no_report(folder: Path) -> None:
    done = process(folder, "model.py:moves", "--report=json=here.json", "-qq")
    assert (done.returncode, done.stderr) == (0, "")
    assert (folder / "here.json").exists()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--report", "xml=a"], "--report xml=a: 'xml' is not one of full, concise, json"),
        (["--report", "junit"], "--report junit: there is no path"),
        (["--report", "junit="], "--report junit=: that is no file"),
        (["--report", "junit=."], "--report junit=.: that is no file"),
        (
            ["--report", "junit=a", "--report", "json=./a"],
            "--report json=./a: --report junit=a writes to the same file",
        ),
        (["--report", "junit=a", "-o", "a"], "--output a: --report junit=a writes to the same file"),
        (["--plot", "a.gif"], "--plot a.gif: a picture is an .svg or a .png file"),
    ],
)
def test_mistakes_are_told_before_the_run(folder: Path, arguments: list[str], text: str) -> None:
    done = process(folder, "model.py:good", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert text in done.stderr
    assert sorted(path.name for path in folder.iterdir() if path.name != "__pycache__") == ["model.py"]


def test_a_picture_of_nothing(folder: Path) -> None:
    done = process(folder, "gone.py:f", "--plot", "a.svg", "-qq")
    assert done.returncode == 2
    assert done.stderr == "gradcheck: GC001: --plot a.svg: there is nothing to draw: no entry was measured\n"


def test_a_png_without_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SettingsError, match=r"a \.png needs matplotlib, which is not installed") as caught:
        outputs.destinations([], None, "full", Path("a.png"))
    assert caught.value.hint == "pip install 'gradcheck[plot]', or write an .svg, which needs nothing"


def test_a_png(folder: Path) -> None:
    pytest.importorskip("matplotlib", reason="the extra gradcheck[plot] is not installed")
    done = process(folder, "model.py:bad", "--plot", "a.PNG", "-qq")
    assert (done.returncode, done.stderr) == (1, "")
    assert (folder / "a.PNG").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_pictures_cost_evaluations_only_where_they_are_wanted(folder: Path) -> None:
    plain, drawn = (
        process(folder, "model.py:good", f"--report={name}=a").stdout.partition("\n")[0] for name in ("junit", "html")
    )
    assert re.sub(r" and \d+ more for the picture$", "", drawn) == plain != drawn


# where else the options may stand


def shown(folder: Path, name: str, *arguments: str, **environment: str) -> list[str]:
    """Value and source that --show-settings tells of an option."""
    done = process(folder, "--show-settings", *arguments, **environment)
    (line,) = [line for line in done.stdout.splitlines() if line.startswith(f"{name} ")]
    return re.split(r"\s{2,}", line)[1:]


def test_reports_and_a_picture_from_a_configuration(folder: Path) -> None:
    text = 'report = ["junit=out/r.xml", "html=out/r.html"]\nplot = "out/p.svg"\n'
    (folder / "gradcheck.toml").write_text(text, encoding="utf-8")
    (folder / "sub").mkdir()
    done = process(folder / "sub", "../model.py:bad", "-qq")
    assert (done.returncode, done.stderr) == (1, "")
    # Paths are those from the file that they stand in.
    assert {path.name for path in (folder / "out").iterdir()} == {"r.xml", "r.html", "p.svg"}
    assert "<svg" in (folder / "out/r.html").read_text(encoding="utf-8")
    assert shown(folder, "report") == ['["junit=out/r.xml", "html=out/r.html"]', "gradcheck.toml:1"]
    assert shown(folder, "plot") == ['"out/p.svg"', "gradcheck.toml:2"]
    assert shown(folder, "report", "--report=json=a.json") == ['["json=a.json"]', "--report"]
    assert shown(folder, "plot", "--isolated") == ["none", "default"]


def test_reports_from_the_environment(folder: Path) -> None:
    wanted = "json=e.json, junit=e.xml"
    done = process(folder, "model.py:good", "-qq", GRADCHECK_REPORT=wanted, GRADCHECK_PLOT="e.svg")
    assert (done.returncode, done.stderr) == (0, "")
    assert {path.name for path in folder.glob("e.*")} == {"e.json", "e.xml", "e.svg"}
    assert shown(folder, "report", GRADCHECK_REPORT=wanted) == ['["json=e.json", "junit=e.xml"]', "GRADCHECK_REPORT"]


def test_isolated_takes_only_the_command_line(folder: Path) -> None:
    (folder / "gradcheck.toml").write_text('report = "junit=r.xml"\nplot = "p.svg"\n', encoding="utf-8")
    done = process(folder, "model.py:good", "--isolated", "--plot=i.svg", "-qq", GRADCHECK_REPORT="json=e.json")
    assert (done.returncode, done.stderr) == (0, "")
    assert {path.name for path in folder.iterdir()} - {"__pycache__"} == {"model.py", "gradcheck.toml", "i.svg"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('report = "xml=a"', "--report xml=a of gradcheck.toml:1: 'xml' is not one of full, concise"),
        ('plot = "a.gif"', "--plot a.gif of gradcheck.toml:1: a picture is an .svg or a .png file"),
        ('report = "junit=."', "--report junit=. of gradcheck.toml:1: that is no file"),
    ],
)
def test_mistakes_in_a_configuration_name_it(folder: Path, text: str, message: str) -> None:
    (folder / "gradcheck.toml").write_text(text, encoding="utf-8")
    done = process(folder, "model.py:good")
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr


def test_pictures_of_checks_in_processes(folder: Path) -> None:
    one, two = (
        process(folder, "model.py:bad", "model.py:good", "-qq", "--report=html=x.html", "--plot=p.svg", *jobs)
        and (folder / "x.html").read_text(encoding="utf-8").count("<svg")
        for jobs in ((), ("-j2",))
    )
    assert one == two > 2
    assert "the step: df/dx[" in (folder / "p.svg").read_text(encoding="utf-8")
