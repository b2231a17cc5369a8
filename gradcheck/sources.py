"""Which of the user's files a check depends on: that of its target, and what is imported from there on.

Floor of targets; for the watch, which repeats the checks that a change concerns. Imports are read from the syntax of
each file, those inside functions included, and found among the loaded modules or on ``sys.path``. A file that is
loaded though no import statement leads to it (``importlib``, a plugin) counts for every check.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from gradcheck.frames import is_users
from gradcheck.loading import is_file_spec
from gradcheck.targets import split_spec


def files_of(checks: Sequence[Sequence[str]]) -> list[frozenset[Path] | None]:
    """The files that each check depends on, given the targets it names; None where one of them is not loaded.

    >>> files_of([["no_such_module:f"]])
    [None]
    """
    graph = _Graph()
    reached = [graph.reached(split_spec(target)[0] for target in targets) for targets in checks]
    others = graph.loaded - {file for files in reached for file in files or ()}
    return [None if files is None else frozenset(files | others) for files in reached]


class _Graph:
    """The user's files as they are now, and which imports which."""

    def __init__(self) -> None:
        named = {name: getattr(module, "__file__", None) for name, module in list(sys.modules.items())}
        # The program that was started is ours.
        files = {n: f for n, f in named.items() if isinstance(f, str) and n not in ("__main__", "__mp_main__")}
        self.modules = {name: Path(file).resolve() for name, file in files.items() if is_users(file)}
        self.loaded = frozenset(self.modules.values())
        self._imported: dict[Path, frozenset[Path]] = {}

    def reached(self, heads: Iterable[str]) -> set[Path] | None:
        """The files that can be reached from the modules and paths that targets begin with."""
        found: set[Path] = set()
        waiting: list[Path] = []
        for head in heads:
            file = Path(head).resolve() if is_file_spec(head) else self.modules.get(head)
            if file in self.loaded:
                waiting.append(file)
            elif head not in sys.modules and (file is None or is_users(str(file))):
                return None  # what an installed package brings is loaded, and never changes
        while waiting:
            file = waiting.pop()
            if file not in found:
                found.add(file)
                waiting += self.imported(file)
        return found

    def imported(self, file: Path) -> frozenset[Path]:
        if file not in self._imported:
            names = _imported_names(file) if file.suffix == ".py" else ()
            files = {self.find(name) for name in names}
            self._imported[file] = frozenset(found for found in files if found is not None)
        return self._imported[file]

    def find(self, name: str) -> Path | None:
        """The user's file of a module, if there is one."""
        if name in sys.modules:
            return self.modules.get(name)
        way = name.split(".")
        for folder in sys.path:
            base = Path(folder).joinpath(*way)
            for file in (base / "__init__.py", base.with_suffix(".py")):
                if file.is_file():
                    return file.resolve() if is_users(str(file)) else None
        return None


def _imported_names(file: Path) -> Iterator[str]:
    """The dotted names of all that a file may import, with the packages that they are in."""
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError):  # it has changed since it was loaded, and will be read again
        return
    package = _package_of(file)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            names = [f"{base}.{alias.name}" if base else alias.name for alias in node.names]
        else:
            continue
        for name in names:
            parts = name.split(".")
            yield from (".".join(parts[:end]) for end in range(1, len(parts) + 1))


def _package_of(file: Path) -> list[str]:
    """The names of the packages that a file stands in, outermost first."""
    parts: list[str] = []
    folder = file.parent
    while (folder / "__init__.py").is_file():
        parts.insert(0, folder.name)
        folder = folder.parent
    return parts
