"""The GitHub Action: its definition is read, and its steps are run as a runner would run them.

:class:`Runner` knows as much of GitHub's language as the definition uses: ``${{ inputs.x }}`` in values, ``if:
inputs.x != ''``, ``env``, ``working-directory``, ``shell: bash``, and the files for outputs and the summary. Anything
else is an error, so that what is tested is what stands there.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
ACTION = ROOT / ".github" / "actions" / "gradcheck"
DEFINITION: dict[str, Any] = yaml.safe_load((ACTION / "action.yml").read_text(encoding="utf-8"))
WORKFLOW: dict[str, Any] = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))
FIXTURES = ("logistic.py", "logistic_wrong.py", "behaviour.py", "rosenbrock_class.py")
EXPRESSION = re.compile(r"\$\{\{ *(.*?) *\}\}")

runs_bash = pytest.mark.skipif(os.name == "nt" or not shutil.which("bash"), reason="runs the steps with bash")


@dataclass
class Runner:
    """One use of the Action: ``with:`` of these inputs, in a workspace."""

    workspace: Path
    inputs: dict[str, str]
    environment: dict[str, str] = field(default_factory=dict)
    code: int = 0
    log: str = ""
    ran: list[str] = field(default_factory=list)
    steps: dict[str, dict[str, str]] = field(default_factory=dict)

    def value(self, text: str) -> str:
        def replaced(match: re.Match[str]) -> str:
            source, _, name = match[1].partition(".")
            if source == "inputs":
                return self.inputs[name]
            step, kind, output = name.split(".")
            assert (source, kind) == ("steps", "outputs"), match[0]
            return self.steps.get(step, {}).get(output, "")

        return EXPRESSION.sub(replaced, text)

    def wanted(self, step: dict[str, Any]) -> bool:
        if "if" not in step:
            return True
        match = re.fullmatch(r"inputs\.([\w-]+) != ''", step["if"])
        assert match, step["if"]
        return self.inputs[match[1]] != ""

    def run(self) -> Runner:
        assert set(self.inputs) <= set(DEFINITION["inputs"])
        self.inputs = {name: row["default"] for name, row in DEFINITION["inputs"].items()} | self.inputs
        for step in DEFINITION["runs"]["steps"]:
            assert set(step) <= {"name", "id", "if", "shell", "env", "working-directory", "run"}
            if self.code == 0 and self.wanted(step):
                self.ran.append(step["name"])
                self.step(step)
        return self

    def step(self, step: dict[str, Any]) -> None:
        assert step["shell"] == "bash"
        own = self.workspace.parent
        script, outputs, summary = own / "script.sh", own / "outputs", own / "summary.md"
        assert "${{" not in step["run"]
        script.write_text(step["run"], encoding="utf-8")
        outputs.write_text("", encoding="utf-8")
        summary.write_text("Written by another step.\n", encoding="utf-8")
        kept = {name: text for name, text in os.environ.items() if not name.startswith(("GRADCHECK_", "GITHUB_"))}
        env = {
            **kept,
            "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])),
            "PYTHONPATH": str(ROOT),
            "GITHUB_ACTIONS": "true",
            "GITHUB_ACTION_PATH": str(ACTION),
            "GITHUB_WORKSPACE": str(self.workspace),
            "GITHUB_OUTPUT": str(outputs),
            "GITHUB_STEP_SUMMARY": str(summary),
            **self.environment,
            **{name: self.value(text) for name, text in step.get("env", {}).items()},
        }
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)],
            cwd=self.workspace / self.value(step.get("working-directory", ".")),
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            check=False,
        )
        self.code, self.log = done.returncode, self.log + done.stdout
        text = outputs.read_text(encoding="utf-8")
        found = re.findall(r"^([\w-]+)<<(\w+)\n(.*?)\n\2$", text, re.MULTILINE | re.DOTALL)
        self.steps[step.get("id", "")] = {name: value for name, _, value in found}

    def outputs(self) -> dict[str, str]:
        return {name: self.value(row["value"]) for name, row in DEFINITION["outputs"].items()}

    @property
    def summary(self) -> str:
        return (self.workspace.parent / "summary.md").read_text(encoding="utf-8")

    @property
    def annotations(self) -> list[str]:
        return [line for line in self.log.splitlines() if line.startswith("::")]


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    (folder / "code").mkdir(parents=True)
    for name in FIXTURES:
        shutil.copy(ROOT / "fixtures" / name, folder / "code")
    return folder


def line_of(file: Path, text: str) -> int:
    (number,) = (at for at, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1) if text in line)
    return number


@runs_bash
def test_right_derivatives(workspace: Path) -> None:
    done = Runner(workspace, {"targets": "code/logistic.py:loss code/rosenbrock_class.py"}).run()
    assert done.code == 0, done.log
    assert done.ran == ["Check derivatives"]
    assert done.annotations == []
    assert "3 checks: 3 passed" in done.log
    assert done.outputs() == {"exit-code": "0", "html": "", "sarif": "", "junit": ""}
    assert done.summary.startswith("Written by another step.\n## gradcheck: 3 checks: 3 passed")


@runs_bash
def test_a_wrong_derivative(workspace: Path) -> None:
    inputs = {"targets": "logistic_wrong.py:loss", "working-directory": "code", "html": "out/a report.html"}
    done = Runner(workspace, {**inputs, "sarif": "out/g.sarif", "junit": "out/g.xml"}).run()
    assert done.code == 1
    file = workspace / "code" / "logistic_wrong.py"
    errors = [line for line in done.annotations if line.startswith("::error")]
    # In the whole path of the file: the runner makes it relative to the repository.
    assert f"::error file={file},line={line_of(file, 'def loss_grad')}," in errors[0]
    assert "GC101 wrong-derivative" in errors[0]
    assert "| ❌ FAIL |" in done.summary
    assert done.summary.startswith("Written by another step.\n")
    paths = {name: Path(path) for name, path in done.outputs().items() if name != "exit-code"}
    assert done.outputs()["exit-code"] == "1"
    assert {name: path.relative_to(workspace).as_posix() for name, path in paths.items()} == {
        "html": "code/out/a report.html",
        "sarif": "code/out/g.sarif",
        "junit": "code/out/g.xml",
    }
    assert all(path.stat().st_size for path in paths.values())


@runs_bash
@pytest.mark.parametrize(("choice", "code"), [("true", 3), ("false", 0), ("False", 0), ("no", 2)])
def test_inconclusive(workspace: Path, choice: str, code: int) -> None:
    done = Runner(workspace, {"targets": "code/behaviour.py:relu_sum", "fail-on-inconclusive": choice}).run()
    assert (done.code, done.outputs()["exit-code"]) == (code, str(code))
    if code == 2:
        assert done.annotations == [
            "::error title=gradcheck::the input fail-on-inconclusive is true or false, not 'no'"
        ]


@runs_bash
def test_what_is_configured(workspace: Path) -> None:
    (workspace / "gradcheck.toml").write_text('[[check]]\ntarget = "code/logistic.py:loss"\n', encoding="utf-8")
    done = Runner(workspace, {}).run()
    assert (done.code, done.annotations) == (0, [])
    assert "1 check: 1 passed" in done.log


@runs_bash
def test_words_are_split_as_a_shell_does_it(workspace: Path) -> None:
    (workspace / "my model.py").write_text("def f(x):\n    return x[0] * x[1]\n", encoding="utf-8")
    done = Runner(workspace, {"targets": "'my model.py:f'", "args": "--at 'x=[1.5, 2.5]'\n--argnum x -f full -v"}).run()
    assert done.code == 0, done.log
    assert "point: x=[1.5, 2.5]" in done.log


INERT = [
    ("targets", "$(touch pwned)"),
    ("targets", '"; touch pwned; "'),
    ("targets", "`touch pwned`"),
    ("targets", "x\ntouch pwned"),
    ("targets", "--output=pwned"),
    ("args", "$(touch pwned) code/logistic.py:loss"),
    ("args", "--at '$(touch pwned)'"),
    ("args", "'unclosed; touch pwned"),
    ("fail-on-inconclusive", "true; touch pwned"),
    ("fail-on-inconclusive", "$(touch pwned)"),
    ("version", "$(touch pwned)"),
    ("version", '"; touch pwned; "'),
    ("version", "--log=pwned"),
]


@runs_bash
@pytest.mark.parametrize(("name", "text"), INERT)
def test_inputs_are_inert(workspace: Path, name: str, text: str) -> None:
    done = Runner(workspace, {name: text}, {"PIP_NO_INDEX": "1"}).run()
    assert done.code in (1, 2), done.log
    assert not list(workspace.rglob("*pwned*"))


@runs_bash
@pytest.mark.parametrize("text", ["out/$(touch pwned).html", 'out/"; touch pwned; ".html', "out/x\nexit-code=0"])
def test_paths_are_inert(workspace: Path, text: str) -> None:
    done = Runner(workspace, {"targets": "code/logistic_wrong.py:loss", "html": text}).run()
    assert (done.code, done.outputs()["exit-code"]) == (1, "1")
    assert Path(done.outputs()["html"]) == workspace / text
    assert not (workspace / "pwned").exists()


@runs_bash
def test_the_version_is_installed_first(workspace: Path, tmp_path: Path) -> None:
    wheel = workspace / "demo-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr("demo.py", "")
        file.writestr("demo-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n")
        file.writestr("demo-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr("demo-1.0.dist-info/RECORD", "")
    installed = {"PIP_NO_INDEX": "1", "PIP_TARGET": str(tmp_path / "installed")}
    done = Runner(workspace, {"version": f"./{wheel.name}", "targets": "code/logistic.py:loss"}, installed).run()
    assert done.code == 0, done.log
    assert done.ran == ["Install gradcheck", "Check derivatives"]
    assert (tmp_path / "installed" / "demo.py").is_file()


@runs_bash
def test_it_says_that_gradcheck_is_not_installed(workspace: Path, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    # A Python that sees no installed packages.
    script = f'#!/bin/sh\nPYTHONPATH= exec "{sys.executable}" -S "$@"\n'
    (tmp_path / "bin" / "python").write_text(script, encoding="utf-8")
    (tmp_path / "bin" / "python").chmod(0o755)
    done = Runner(workspace, {"targets": "code/logistic.py:loss"}, {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"})
    assert done.run().code == 2
    assert "has no gradcheck: install it in an earlier step, or give the input version" in done.log
    assert done.outputs()["exit-code"] == "2"


def test_the_summary_of_a_step_is_added_to(tmp_path: Path) -> None:
    """Also without the Action: what wrote to it before must not be lost."""
    summary = tmp_path / "summary.md"
    summary.write_text("before\n", encoding="utf-8")
    env = {**os.environ, "PYTHONPATH": str(ROOT), "GITHUB_STEP_SUMMARY": str(summary)}
    other = tmp_path / "other.md"
    other.write_text("before\n", encoding="utf-8")
    command = [sys.executable, "-m", "gradcheck", "scipy.optimize:rosen", "--report", f"markdown={other}"]
    for _ in range(2):
        done = subprocess.run(
            [*command, "--report", f"markdown={summary}"], env=env, cwd=tmp_path, capture_output=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, b"")
    text = summary.read_text(encoding="utf-8")
    assert text.startswith("before\n## gradcheck: 1 check: 1 passed")
    assert text.count("## gradcheck") == 2
    assert other.read_text(encoding="utf-8").count("## gradcheck") == 1
    assert "before" not in other.read_text(encoding="utf-8")


def test_the_workflow_uses_the_action_with_inputs_that_it_has() -> None:
    steps = [step for job in WORKFLOW["jobs"].values() for step in job["steps"]]
    used = [step for step in steps if step.get("uses") == "./.github/actions/gradcheck"]
    assert len(used) == 2
    for step in used:
        assert set(step["with"]) <= set(DEFINITION["inputs"])


@runs_bash
def test_the_workflow_says_the_truth_of_the_fixtures(workspace: Path) -> None:
    """What this project's CI does with its own fixtures, but for the installation."""
    shutil.copytree(ROOT / "fixtures", workspace / "fixtures", ignore=shutil.ignore_patterns("__pycache__"))
    steps = {step["name"]: step for step in WORKFLOW["jobs"]["action"]["steps"] if "name" in step}
    right = Runner(workspace, {**steps["Right derivatives"]["with"], "version": ""}).run()
    wrong = Runner(workspace, steps["A wrong derivative"]["with"]).run()
    check = steps["The wrong derivative was found, and the report is there"]
    env = {**os.environ, "OUTCOME": "failure" if wrong.code else "success", "CODE": wrong.outputs()["exit-code"]}
    done = subprocess.run(["bash", "-eo", "pipefail", "-c", check["run"]], cwd=workspace, env=env, check=False)
    assert (right.code, wrong.code, done.returncode) == (0, 1, 0)
    assert wrong.annotations == []


def zizmor(folder: Path) -> subprocess.CompletedProcess[str]:
    name = "zizmor.exe" if os.name == "nt" else "zizmor"
    program = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if program is None:
        pytest.skip("zizmor is not installed")
    command = [program, "--offline", "--no-progress", "--persona=pedantic", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)


def test_zizmor_finds_nothing() -> None:
    done = zizmor(ROOT / ".github")
    assert done.returncode == 0, done.stdout
    assert "action.yml" in done.stderr
    assert "ci.yml" in done.stderr


GUIDE = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
USES = "OWNER/gradcheck/.github/actions/gradcheck@REV"


def test_the_workflow_of_the_guide(tmp_path: Path) -> None:
    """What people copy has inputs and outputs that there are, and is clean once its placeholders are filled in."""
    (example,) = (text for text in EXAMPLES if USES in text)
    (step,) = (step for step in yaml.safe_load(example)["jobs"]["gradcheck"]["steps"] if step.get("uses") == USES)
    assert set(step["with"]) <= set(DEFINITION["inputs"])
    outputs = {name for text in EXAMPLES for name in re.findall(r"steps\.gradcheck\.outputs\.([\w-]+)", text)}
    assert outputs == {"html", "sarif"} <= set(DEFINITION["outputs"])
    file = tmp_path / ".github" / "workflows" / "derivatives.yml"
    file.parent.mkdir(parents=True)
    file.write_text(re.sub(r"@(v\d+|REV)", f"@{'0' * 40} #", example), encoding="utf-8")
    done = zizmor(tmp_path)
    assert done.returncode == 0, done.stdout


def test_the_guide_names_all_inputs_and_outputs() -> None:
    rows = re.findall(r"^\| (`.*?) \|", GUIDE.partition("| input | |")[2].partition("\n\n")[0], re.MULTILINE)
    assert [name for row in rows for name in re.findall(r"`([\w-]+)`", row)] == list(DEFINITION["inputs"])
    said = GUIDE.partition("Outputs are")[2].partition("\n\n")[0]
    assert [name for name in DEFINITION["outputs"] if f"`{name}`" not in said] == []
