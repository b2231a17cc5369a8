"""The step of the Action that checks: from its inputs, which stand in the environment, to one command ``gradcheck``.

Its report goes to the log as annotations, to the summary of the step as Markdown, and to the files that are asked for.
Inputs that are words of a command are split as a shell does it, and nothing in them is expanded or run.
"""

from __future__ import annotations

import importlib.util
import os
import secrets
import shlex
import subprocess
import sys
from pathlib import Path

COULD_NOT_RUN = 2
REPORTS = ("html", "sarif", "junit")


class InputError(Exception):
    """An input has a value that it cannot have."""


def given(name: str) -> str:
    return os.environ.get(f"INPUT_{name}", "").strip()


def words(name: str) -> list[str]:
    try:
        return shlex.split(given(name))
    except ValueError as err:
        raise InputError(f"the input {name.lower()} cannot be split into words: {err}") from None


def command() -> list[str]:
    """The arguments of gradcheck; what stands in ``args`` comes after our own, and so counts before it."""
    arguments = ["--format", "github"]
    if os.environ.get("GITHUB_STEP_SUMMARY"):
        arguments += ["--report", f"markdown={os.environ['GITHUB_STEP_SUMMARY']}"]
    for name in REPORTS:
        if given(name.upper()):
            arguments += ["--report", f"{name}={given(name.upper())}"]
    choice = given("FAIL_ON_INCONCLUSIVE").lower()
    if choice not in ("true", "false"):
        raise InputError(f"the input fail-on-inconclusive is true or false, not '{choice}'")
    if choice == "false":
        arguments.append("--allow-inconclusive")
    targets = words("TARGETS")
    return [*arguments, *words("ARGS"), *(["--", *targets] if targets else [])]


def check() -> int:
    """Run gradcheck; its exit code."""
    if importlib.util.find_spec("gradcheck") is None:
        raise InputError(f"{sys.executable} has no gradcheck: install it in an earlier step, or give the input version")
    # The log of a step is UTF-8, whatever the runner's code page is.
    environment = {"PYTHONIOENCODING": "utf-8", **os.environ}
    return subprocess.run([sys.executable, "-m", "gradcheck", *command()], env=environment, check=False).returncode


def tell(values: dict[str, str]) -> None:
    """Set outputs of the step."""
    if os.environ.get("GITHUB_OUTPUT"):
        with open(os.environ["GITHUB_OUTPUT"], "a", encoding="utf-8") as file:
            for name, value in values.items():
                end = secrets.token_hex(16)
                file.write(f"{name}<<{end}\n{value}\n{end}\n")


def main() -> int:
    try:
        code = check()
    except InputError as err:
        print(f"::error title=gradcheck::{str(err).replace('%', '%25')}", flush=True)
        code = COULD_NOT_RUN
    paths = {name: Path(given(name.upper())).absolute() for name in REPORTS if given(name.upper())}
    tell({"exit-code": str(code), **{name: str(path) for name, path in paths.items() if path.is_file()}})
    return code


if __name__ == "__main__":
    sys.exit(main())
