"""Configuration files and the environment: what they say, what comes before what, what is refused."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from gradcheck import schema
from gradcheck.configuration import load
from gradcheck.options import FIELDS, TYPES, from_text, variable
from gradcheck.settings import Settings

from .command import Run, Write, process, run, write

__all__ = ["run", "write"]

MODEL = """
import numpy as np

def loss(w, lam=0.1):
    return np.sum(w**3) + lam * np.sum(w**2)

def loss_grad(w, lam=0.1):
    return 3 * w**2 + 2 * lam * w

def wrong(x):
    return np.sum(x**2)

def wrong_grad(x):
    return -2 * x

def relu(x):
    return np.sum(np.maximum(x, 0.0))
"""
PROJECT = """
[project]
name = "sample"

[tool.gradcheck]
seed = 3

[[tool.gradcheck.check]]
target = "model.py:loss"
at = { w = [0.5, 1.0], lam = 0.3 }
name = "the loss"

[[tool.gradcheck.check]]
target = "model:loss"
argnum = ["w", 1]
seed = 4
points = 2
"""


def settings_of(out: str) -> list[dict[str, Any]]:
    return [{**check["settings"], "seed": check["seed"]} for check in json.loads(out)["checks"]]


def shown(out: str, name: str) -> tuple[str, str]:
    """Value and source that --show-settings tells of an option."""
    (line,) = [line for line in out.splitlines() if line.split()[:1] == [name] and "=" not in line.split()[1:2]]
    value, source = line.split(maxsplit=1)[1].rsplit("  ", 1)
    return value.strip(), source.strip()


# what is run


def test_what_is_configured_is_run(run: Run, write: Write) -> None:
    write(model_py=MODEL, pyproject_toml=PROJECT)
    code, out, err = run("-f", "json")
    assert (code, err) == (0, "")
    checks = json.loads(out)["checks"]
    assert [(c["target"], c["argument"], c["name"], c["seed"], c["source"]) for c in checks] == [
        ("model.py:loss", "w", "the loss", 3, "pyproject.toml:8"),
        ("model:loss", "w", None, 4, "pyproject.toml:13"),
        ("model:loss", "lam", None, 4, "pyproject.toml:13"),
    ]
    assert checks[0]["points"][0]["at"] == "w=[0.5, 1.0]; lam=0.3"
    assert [len(c["points"]) for c in checks] == [1, 2, 2]


def test_the_reproduce_line_of_a_configured_check(run: Run, write: Write) -> None:
    write(
        model_py=MODEL,
        pyproject_toml='[[tool.gradcheck.check]]\ntarget="model.py:wrong"\nseed=5\nrtol=1e-3\nstrict=true\npoints=2\nshrink=false\n',
    )
    code, out, _ = run("-f", "json")
    (check,) = json.loads(out)["checks"]
    words = shlex.split(check["reproduce"])
    assert (code, words[0]) == (1, "gradcheck")
    for option in ("--isolated", "--strict", "--rtol"):
        assert option in words
    again = run(*words[1:], "-f", "json")
    assert again[0] == 1
    worst = max(check["entries"], key=lambda entry: entry["difference"])
    assert worst["yours"] in [entry["yours"] for entry in json.loads(again[1])["checks"][0]["entries"]]


def test_a_named_function_takes_what_is_configured_for_it(run: Run, write: Write) -> None:
    write(model_py=MODEL, pyproject_toml=PROJECT)
    assert [c["seed"] for c in json.loads(run("model.py:loss", "-f", "json")[1])["checks"]] == [3, 4, 4]
    assert [c["seed"] for c in json.loads(run("model.py:wrong", "-f", "json")[1])["checks"]] == [3]
    checks = json.loads(run("model.py:loss", "-f", "json", "--isolated")[1])["checks"]
    assert [(c["seed"], c["source"]) for c in checks] == [(0, "command line")]


# where it is found


def test_paths_are_those_of_the_file(run: Run, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    home = write(
        src__pkg__model_py=MODEL,
        derivs_py="def g(w, lam): return 3 * w**2 + 2 * lam * w\ndef point(): return {'w': [1.0, 2.0], 'lam': 0.5}\n",
        gradcheck_toml="""
pythonpath = ["src"]
[[check]]
target = "pkg.model:loss"
grad = "derivs.py:g"
at = ["derivs.py:point", "w=@w.json; lam=0.2"]
""",
    )
    (home / "src" / "pkg" / "__init__.py").write_text("")
    (home / "w.json").write_text("[0.5, 1.5, 2.5]")
    (home / "deep" / "er").mkdir(parents=True)
    for folder in (home, home / "deep" / "er"):
        monkeypatch.chdir(folder)
        code, out, err = run("-f", "json")
        assert (code, err) == (0, "")
        (check,) = json.loads(out)["checks"]
        assert check["derivative"]["name"] == "g"
        assert [point["at"] for point in check["points"]] == ["w=[1.0, 2.0]; lam=0.5", "w=[0.5, 1.5, 2.5]; lam=0.2"]
        assert run(*shlex.split(check["reproduce"])[1:])[0] == 0
    assert check["source"].endswith("gradcheck.toml:3")


def test_the_nearest_file_counts_and_gradcheck_toml_before_pyproject(
    run: Run, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = write(pyproject_toml="[tool.gradcheck]\nseed = 1\n", sub__pyproject_toml="[project]\nname = 'gradcheck'\n")
    monkeypatch.chdir(home / "sub")
    assert shown(run("--show-settings")[1], "seed")[0] == "1"
    write(sub__gradcheck_toml="seed = 2\n")
    assert shown(run("--show-settings")[1], "seed") == ("2", "gradcheck.toml:1")
    write(sub__other_toml="seed = 7\n")
    assert shown(run("--show-settings", "--config", "other.toml")[1], "seed") == ("7", "other.toml:1")
    assert shown(run("--show-settings", "--config", "../pyproject.toml")[1], "seed")[0] == "1"
    assert shown(run("--show-settings", "--isolated")[1], "seed") == ("0", "default")
    monkeypatch.setenv("GRADCHECK_CONFIG", "other.toml")
    assert shown(run("--show-settings")[1], "seed") == ("7", "other.toml:1")


def test_a_project_file_that_is_not_about_us_is_not_read(run: Run, write: Write) -> None:
    write(pyproject_toml="this is no TOML")
    assert run("--show-settings")[0] == 0
    write(pyproject_toml="[tool.gradcheck\n")
    code, _, err = run("--show-settings")
    assert code == 2
    assert "GC008" in err
    assert "pyproject.toml:1" in err


# what comes before what


def test_precedence(run: Run, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    write(
        model_py=MODEL,
        pyproject_toml='[tool.gradcheck]\nseed=1\n[[tool.gradcheck.check]]\ntarget="model.py:loss"\nseed=2\n'
        '[[tool.gradcheck.check]]\ntarget="model.py:loss"\nargnum="lam"\n',
    )

    def seeds(*arguments: str) -> list[int]:
        return [check["seed"] for check in json.loads(run("-f", "json", *arguments)[1])["checks"]]

    assert seeds() == [2, 1]
    monkeypatch.setenv("GRADCHECK_SEED", "3")
    assert seeds() == [3, 3]
    assert shown(run("--show-settings")[1], "seed") == ("3", "GRADCHECK_SEED")
    assert seeds("--seed", "0") == [0, 0]
    assert shown(run("--show-settings", "--seed", "0")[1], "seed") == ("0", "--seed")
    assert shown(run("--show-settings", "--isolated")[1], "seed") == ("0", "default")


def test_flags_are_undone(run: Run, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    write(gradcheck_toml="strict = true\nquiet = 1\n")
    assert shown(run("--show-settings")[1], "strict") == ("true", "gradcheck.toml:1")
    assert shown(run("--show-settings", "--no-strict")[1], "strict") == ("false", "--strict")
    monkeypatch.setenv("GRADCHECK_STRICT", "0")
    assert shown(run("--show-settings")[1], "strict") == ("false", "GRADCHECK_STRICT")
    assert shown(run("--show-settings", "-qq")[1], "quiet") == ("2", "--quiet")


def test_ignores_add_up_and_points_give_way(run: Run, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    write(
        model_py=MODEL, gradcheck_toml='points = 2\nignore = ["GC3"]\n[[check]]\ntarget="model.py:loss"\nat="[1, 2]"\n'
    )
    monkeypatch.setenv("GRADCHECK_IGNORE", "GC201, GC202")
    value, source = shown(run("--show-settings", "--ignore", "GC208")[1], "ignore")
    assert json.loads(value) == ["GC208", "GC201", "GC202", "GC3"]
    assert source == "--ignore, GRADCHECK_IGNORE, gradcheck.toml:2"
    (check,) = json.loads(run("-f", "json")[1])["checks"]
    assert [point["at"] for point in check["points"]] == ["w=[1.0, 2.0]"]
    (check,) = json.loads(run("-f", "json", "--points", "3")[1])["checks"]
    assert len(check["points"]) == 3


@pytest.mark.parametrize(
    ("written", "texts"),
    [
        ('"x=[1, 2]"', ("x=[1, 2]",)),
        ("[0.5, 1.0]", ("[0.5, 1.0]",)),
        ("[[0.5, 1.0], [2.0, 3.0]]", ("[[0.5, 1.0], [2.0, 3.0]]",)),
        ("2.5", ("2.5",)),
        ('["x=1", "x=2"]', ("x=1", "x=2")),
        ("[{ x = 1.0 }, { x = [2.0] }]", ("x=1.0", "x=[2.0]")),
        ('{ x = "@x.npy", t = inf }', ("x=@x.npy; t=inf",)),
    ],
)
def test_points_as_text_and_as_toml(run: Run, write: Write, written: str, texts: tuple[str, ...]) -> None:
    home = write(gradcheck_toml=f'[[check]]\ntarget = "m:f"\nat = {written}\n')
    configuration = load({}, {}, file=str(home / "gradcheck.toml"))
    assert configuration.settings(configuration.checks[0].options).at == texts


# what is refused


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("sed = 3", "unknown key 'sed' (gradcheck.toml:1)", "did you mean 'seed'?"),
        ("allow_inconclusive = true", "unknown key 'allow_inconclusive'", "did you mean 'allow-inconclusive'?"),
        ("\nseed = '3'", "seed must be a whole number, not '3' (text) (gradcheck.toml:2)", ""),
        ("seed = true", "seed must be a whole number, not True", ""),
        ("seed = -1", "seed: -1: a seed is not negative", ""),
        ("strict = 1", "strict must be true or false, not 1", ""),
        ("color = 'red'", "color = 'red': not one of auto, always, never", ""),
        ("format = 'xml'", "gradcheck.toml:1: xml is not one of full, concise, json", ""),
        ("budget = 'soon'", "budget", "a number of evaluations"),
        ("ignore = ['GC999']", "ignore: GC999: there is no such code", ""),
        ("ignore = ['GC0']", "cannot be ignored", "GC1xx, GC2xx and GC3xx"),
        ("target = 'm:f'", "unknown key 'target'", "'target' belongs into a [[check]]"),
        ("[[check]]\nname = 'x'", "a check has no target (gradcheck.toml:1)", "target ="),
        ("[[check]]\ntarget = 'm:f'\nagrnum = 1", "unknown key 'agrnum' in a check (gradcheck.toml:3)", "'argnum'"),
        ("[[check]]\ntarget = 'm:f'\nformat = 'json'", "unknown key 'format' in a check", "above the checks"),
        ("[[check]]\ntarget = 'm:f'\nexpect = 'fails'", "expect = 'fails': not one of pass, fail", ""),
        ("[[check]]\ntarget = 3", "target must be text", ""),
        ("check = 3", "check must be a list of tables", "write [[check]]"),
        ("seed = 1\nseed = 2", "is not valid TOML", ""),
    ],
)
def test_mistakes_in_a_file(run: Run, write: Write, text: str, message: str, hint: str) -> None:
    write(gradcheck_toml=text, model_py=MODEL)
    code, out, err = run("model.py:loss")
    assert (code, out) == (2, "")
    assert message in err
    assert hint in err
    assert err.startswith("gradcheck: GC0")
    assert err.count("\n") <= 2


def test_a_line_is_told_only_where_it_is_known(run: Run, write: Write) -> None:
    text = 'tool.gradcheck.check = [{target = "m:f", argmun = 1}]\n[tool.gradcheck]\n'
    write(pyproject_toml='tool = {gradcheck = {check = [{target = "m:f", argmun = 1}]}}\n')
    code, _, err = run()
    assert code == 2
    assert "unknown key 'argmun' in a check, in pyproject.toml [[tool.gradcheck.check]] number 1" in err
    with pytest.raises(tomllib.TOMLDecodeError):
        tomllib.loads(text)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("SEED", "three", "GRADCHECK_SEED=three: not a whole number"),
        ("STRICT", "maybe", "GRADCHECK_STRICT=maybe: not one of 1, true"),
        ("RTOL", "-1", "GRADCHECK_RTOL: -1.0: a tolerance is"),
        ("FORMAT", "xml", "GRADCHECK_FORMAT: xml is not one of"),
        ("COLOR", "red", "GRADCHECK_COLOR = 'red': not one of"),
    ],
)
def test_mistakes_in_the_environment(
    run: Run, write: Write, monkeypatch: pytest.MonkeyPatch, name: str, text: str, message: str
) -> None:
    write(model_py=MODEL)
    monkeypatch.setenv(f"GRADCHECK_{name}", text)
    code, out, err = run("model.py:loss")
    assert (code, out) == (2, "")
    assert message in err
    assert run("model.py:loss", "--isolated")[0] == 0


def test_a_misspelt_variable_is_mentioned(run: Run, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    write(model_py=MODEL)
    monkeypatch.setenv("GRADCHECK_SED", "3")
    monkeypatch.setenv("GRADCHECK_VERSION", "1.0")  # somebody else's
    code, _, err = run("model.py:loss")
    assert code == 0
    assert err == "gradcheck: the environment variable GRADCHECK_SED is not known; did you mean GRADCHECK_SEED?\n"


def test_options_that_do_not_go_together(run: Run, write: Write) -> None:
    write(model_py=MODEL, gradcheck_toml='no-autodiff = true\n[[check]]\ntarget = "model.py:loss"\ngrad = "none"\n')
    code, out, _ = run()
    assert code == 2
    assert "no-autodiff does not go with grad none" in out
    assert "(of gradcheck.toml:1, gradcheck.toml:4)" in out
    assert "in the check of gradcheck.toml:2" in out
    assert run("--isolated", "--config", "x.toml", "model.py:loss")[0] == 2
    assert "cannot read the configuration 'x.toml'" in run("--config", "x.toml", "model.py:loss")[2]


# the options as a whole


def test_every_option_has_a_type_that_is_known_everywhere() -> None:
    assert {str(field.type) for field in FIELDS.values()} <= set(TYPES)
    for name, field in FIELDS.items():
        text = {"bool": "yes", "bool | None": "yes", "int": "1", "int | None": "2", "float | None": "0.5"}.get(
            str(field.type)
        )
        if text:
            assert from_text(name, text) in (True, 1, 2, 0.5), variable(name)


def test_every_setting_is_an_option_of_the_command(run: Run) -> None:
    text = run("--help")[1]
    for name in FIELDS:
        assert f"--{name.replace('_', '-')}" in text, name


def test_the_schema_that_is_shipped_is_the_one_of_the_settings() -> None:
    assert schema.FILE.read_text(encoding="utf-8") == schema.written(), "run: python -m gradcheck.schema"
    for name, part in schema.tool_schema()["properties"].items():
        assert part["description"], name


def test_the_schema_and_the_reader_agree() -> None:
    validate = pytest.importorskip("validate_pyproject.api")
    plugins = pytest.importorskip("validate_pyproject.plugins")
    validator = validate.Validator(extra_plugins=[plugins.PluginWrapper("gradcheck", schema.tool_schema)])
    document = tomllib.loads(PROJECT)
    document["project"]["version"] = "1"
    assert validator(document)
    for section, key, value in [
        ("table", "sed", 3),
        ("table", "seed", "3"),
        ("table", "color", "red"),
        ("check", "expect", "fails"),
        ("check", "format", "json"),
        ("check", "target", 3),
    ]:
        bad = tomllib.loads(PROJECT)
        bad["project"]["version"] = "1"
        tool = bad["tool"]["gradcheck"]
        (tool if section == "table" else tool["check"][0])[key] = value
        with pytest.raises(Exception, match=f"gradcheck.*{key}|{key}.*gradcheck"):
            validator(bad)


def test_the_entry_point_is_there() -> None:
    project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["entry-points"]["validate_pyproject.tool_schema"] == {"gradcheck": "gradcheck.schema:tool_schema"}


def test_reading_a_configuration_loads_no_numpy(write: Write) -> None:
    home = write(pyproject_toml=PROJECT)
    program = (
        "import sys; from gradcheck.cli import main; code = main(['--show-settings']);"
        " print(code, sorted({'numpy', 'scipy', 'rich.table'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=home, capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "0 []"
    assert "check model.py:loss  pyproject.toml:8" in done.stdout


def test_in_a_process_of_its_own(write: Write) -> None:
    home = write(model_py=MODEL, pyproject_toml=PROJECT)
    done = process(cwd=home, GRADCHECK_FORMAT="json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["settings"]["seed"] == 3
    assert Settings().seed == 0
