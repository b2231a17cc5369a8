"""The floors of the house (design.md, section 2): a file imports only from its own floor and those below.

Held by reading the import statements of every file, those inside functions included. Beside it: what must not
be loaded for help and version.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "gradcheck"

# First part of the path within the package -> floor. A new module at the top level must be given one.
FLOORS = {
    **dict.fromkeys(["errors", "_version", "collecting"], 0),
    "autodiff": 1,
    "numeric": 2,
    "check": 3,
    **dict.fromkeys(
        ["frames", "loading", "targets", "partners", "trials", "values", "returned", "request", "search", "points"], 4
    ),
    **dict.fromkeys(
        [
            "settings",
            "explain",
            "examples",
            "options",
            "configuration",
            "declared",
            "scan",
            "discovery",
            "ignores",
            "alarm",
            "sources",
        ],
        4,
    ),
    "alarm": 4,
    **dict.fromkeys(["runner", "outcomes", "reproduce", "jobs"], 5),
    "report": 6,
    "schema": 7,
    **dict.fromkeys(["streams", "outputs", "progress", "help", "watch", "command"], 8),
    **dict.fromkeys(["cli", "__main__", "integrations"], 8),
    # What the user imports: the lazy public API, the drop-in namespaces, and autograd's modules by name.
    **dict.fromkeys(["__init__", "numpy", "scipy", "misc", "extend", "builtins", "tracer", "core"], 9),
    **dict.fromkeys(["differential_operators", "test_util", "util", "wrap_util"], 9),
}
FREE = ("gradcheck.check.result", "gradcheck.errors", "gradcheck._version")


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """Modules of the package that a file imports, with the line; ``from gradcheck.x import y`` gives x.y."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from ((name, node.lineno) for name in names if name.startswith("gradcheck."))


def floor_of(name: str) -> int:
    part = name.split(".")[1]
    # `from gradcheck import check` asks the public API for it.
    return FLOORS[part] if part in FLOORS else FLOORS["__init__"]


def source_files() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py"))


def test_every_module_has_a_floor() -> None:
    tops = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in source_files()}
    assert tops <= set(FLOORS), f"give these a floor: {sorted(tops - set(FLOORS))}"


@pytest.mark.parametrize("path", source_files(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_down(path: Path) -> None:
    own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    wrong = []
    for name, line in imports(path):
        if name.startswith(FREE) and (own != "autodiff" or not name.startswith("gradcheck.check")):
            continue
        above = floor_of(name) > FLOORS[own]
        # Two floors that stand side by side and know nothing of each other.
        sideways = own == "numeric" and name.startswith("gradcheck.autodiff")
        if above or sideways:
            wrong.append(f"line {line}: {name}")
    assert wrong == []


@pytest.mark.parametrize("path", [p for p in source_files() if "autodiff" in p.parts], ids=lambda path: path.name)
def test_autodiff_stands_on_numpy_alone(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            assert node.module.partition(".")[0] not in ("typer", "rich"), node.lineno


@pytest.mark.parametrize("option", ["--help", "--version", "--explain=GC101"])
def test_help_loads_neither_numpy_nor_scipy_nor_rich(option: str) -> None:
    program = (
        "import sys; from gradcheck.cli import main; code = main([sys.argv[1]]);"
        " print(code, sorted({'numpy', 'scipy', 'rich.table'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program, option], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "0 []"
    assert done.stdout.strip()
