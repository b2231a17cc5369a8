"""Importing the user's module, by its dotted name or by its file, the way Python would do it.

Beside ``targets.py``, which finds the function in the module. Whatever goes wrong on the way, the user's code
included, becomes a :class:`TargetError` of one or two lines with their file and line, and the interpreter
where a module is missing; the frames of the import machinery are never shown.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.machinery
import importlib.util
import os
import sys
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from gradcheck.errors import GradcheckError, Location
from gradcheck.frames import describe, exit_call, relative, user_location


class TargetError(GradcheckError):
    """A target that cannot be loaded: no such file, module or attribute, or an import that fails."""

    code = "GC002"


def is_file_spec(head: str) -> bool:
    """Whether the left part of a target is a path rather than a dotted module name."""
    return head.endswith(".py") or "/" in head or "\\" in head or (Path(head).is_dir() and not _is_package(Path(head)))


def _is_package(folder: Path) -> bool:
    return (folder / "__init__.py").is_file()


def extend_path(pythonpath: Sequence[str] = ()) -> None:
    """Put the ``--pythonpath`` folders and the working directory first on ``sys.path``, as ``python -m``
    does.

    The working directory is left out where Python was told to be safe (``-P``, PYTHONSAFEPATH).
    """
    folders = [os.path.abspath(folder) for folder in pythonpath]
    for folder in folders:
        if not os.path.isdir(folder):
            raise TargetError(f"--pythonpath: there is no folder '{folder}'")
    if not sys.flags.safe_path:
        folders.append(os.getcwd())
    for folder in folders:
        refuse_hidden(folder)
    for folder in reversed(folders):
        if folder in sys.path:
            sys.path.remove(folder)
        sys.path.insert(0, folder)


# What gradcheck itself is built on: a user's file of that name would be taken for it.
OWN = ("numpy", "scipy", "rich", "typer")


def refuse_hidden(folder: str) -> None:
    """Refuse a folder that would, first on ``sys.path``, hide what gradcheck is built on.

    Raises:
        TargetError: it holds a ``numpy.py``, ``scipy/__init__.py`` or the like, and the real one is elsewhere.
    """
    others = [entry for entry in sys.path if os.path.abspath(entry or os.curdir) != os.path.abspath(folder)]
    for name in OWN:
        for file in (Path(folder) / f"{name}.py", Path(folder) / name / "__init__.py"):
            if not file.is_file():
                continue
            real = importlib.machinery.PathFinder.find_spec(name, others)
            if real is not None and real.origin and not file.samefile(real.origin):
                raise TargetError(
                    f"'{relative(str(file))}' hides the package {name} of {sys.executable}",
                    hint="rename the file",
                    code="GC003",
                )


def load_module(name: str) -> ModuleType:
    """Import a module by its dotted name.

    Raises:
        TargetError: no such module, or its code raises.
    """
    if not all(part.isidentifier() for part in name.split(".")):
        raise TargetError(f"'{name}' is not a module name", hint="a file is written with its path: path/to/file.py:f")
    with _import_errors(name, None):
        return importlib.import_module(name)
    raise AssertionError("unreachable: _import_errors does not swallow")


def load_file(path: Path) -> ModuleType:
    """Import a source file under its module name: as part of its package if it stands in one.

    Its own folder (or the folder that holds its package) comes first on ``sys.path``, as for a script.

    Raises:
        TargetError: no such file, or its code raises.
    """
    if path.is_dir():
        files = sorted(p.name for p in path.glob("*.py") if not p.name.startswith("_"))
        listed = ", ".join(files[:8]) or "none"
        raise TargetError(f"'{path}' is a folder", hint=f"name a function in one of its files: {listed}")
    if not path.is_file():
        raise TargetError(f"there is no file '{path}'", hint=_similar_file(path))
    full = path.resolve()
    parts, root = [full.stem], full.parent
    while _is_package(root):
        parts.insert(0, root.name)
        root = root.parent
    if full.stem == "__init__" and len(parts) > 1:
        parts.pop()
    refuse_hidden(str(root))
    if str(root) in sys.path:
        sys.path.remove(str(root))
    sys.path.insert(0, str(root))
    _turn_to(str(root))
    name = ".".join(parts)
    with _import_errors(name, path):
        if len(parts) > 1:
            return _load_in_package(name, full)
        return _load_alone(name, full)
    raise AssertionError("unreachable: _import_errors does not swallow")


# What was imported from a folder of targets, by its name, while the modules of another one stand in its place.
_shelved: dict[str, dict[str, ModuleType]] = {}


def _turn_to(root: str) -> None:
    """Have ``import helper`` mean the helper beside the target, also if another folder of targets has one, too.

    As it does in two runs of Python. A module that this folder has a file for is taken out of ``sys.modules`` with its
    submodules if it came from another folder; when a target of that one is looked up again, it is back.
    """
    own = _shelved.setdefault(root, {})
    if len(_shelved) > 1:
        for name, module in list(sys.modules.items()):
            folder = _folder_of(name, module) if "." not in name else None
            if folder is None or folder == root or folder not in _shelved or not _has(root, name):
                continue
            for part in [n for n in sys.modules if n == name or n.startswith(name + ".")]:
                _shelved[folder][part] = sys.modules.pop(part)
    for name in list(own):
        sys.modules.setdefault(name, own.pop(name))


def _folder_of(name: str, module: object) -> str | None:
    """The folder in which a top-level module is found."""
    file = getattr(module, "__file__", None)
    if not isinstance(file, str):
        return None
    folder, base = os.path.split(file)
    return os.path.dirname(folder) if base.startswith("__init__.") else folder


def _has(root: str, name: str) -> bool:
    return os.path.isfile(os.path.join(root, f"{name}.py")) or os.path.isfile(os.path.join(root, name, "__init__.py"))


def _load_in_package(name: str, full: Path) -> ModuleType:
    module = importlib.import_module(name)
    found = Path(getattr(module, "__file__", None) or "").resolve()
    if found != full:
        raise TargetError(f"'{full}' would be imported as {name}, but that name is taken by '{found}'")
    return module


def _load_alone(name: str, full: Path) -> ModuleType:
    """Load a file outside any package; a module of another file under the same name is left in its place."""
    taken = sys.modules.get(name)
    if taken is not None:
        if Path(getattr(taken, "__file__", None) or "").resolve() == full:
            return taken
        name = f"{name}__{zlib.crc32(str(full).encode()):08x}"
        if name in sys.modules:
            return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, full)
    if spec is None or spec.loader is None:
        raise TargetError(f"'{full}' is not a Python source file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return module


@contextmanager
def _import_errors(name: str, path: Path | None) -> Iterator[None]:
    """Turn what an import raises into a TargetError that shows the user's line."""
    argv = sys.argv
    # A module that reads sys.argv when it is imported must not see the arguments of gradcheck.
    sys.argv = [str(path) if path else name]
    shown = str(path) if path else name
    try:
        yield
    except GradcheckError:
        raise
    except ModuleNotFoundError as err:
        raise _module_not_found(err, name, shown) from err
    except SyntaxError as err:
        where = Location(relative(err.filename), err.lineno or 1) if err.filename else None
        raise TargetError(f"{type(err).__name__}: {err.msg}", where=where, code="GC003") from err
    except SystemExit as err:
        raise TargetError(
            f"{shown} calls {exit_call(err)} when it is imported",
            where=user_location(err),
            hint='put the script part under `if __name__ == "__main__":`',
            code="GC003",
        ) from err
    except Exception as err:
        raise TargetError(
            f"{shown} cannot be imported: {describe(err)}", where=user_location(err), code="GC003"
        ) from err
    finally:
        sys.argv = argv


def _module_not_found(err: ModuleNotFoundError, name: str, shown: str) -> TargetError:
    missing = err.name or ""
    if missing and (name == missing or name.startswith(missing + ".")) and user_location(err) is None:
        nearby = [p.stem for p in Path.cwd().glob("*.py")] + [p.parent.name for p in Path.cwd().glob("*/__init__.py")]
        close = difflib.get_close_matches(missing.partition(".")[0], [*nearby, *sys.stdlib_module_names], 1)
        hint = f"did you mean '{close[0]}'?" if close else "a file is written with its path, or give --pythonpath DIR"
        return TargetError(f"there is no module '{missing}' for {sys.executable}, started in {os.getcwd()}", hint=hint)
    hint = "install it into this environment, or run gradcheck from the environment that has it"
    if missing and _made_by_pre_commit():
        hint = (
            f"the environment is the hook's own: add the package of '{missing.partition('.')[0]}' to the hook in"
            f" .pre-commit-config.yaml, additional_dependencies: [{missing.partition('.')[0]}]; or use the hook"
            " gradcheck, which runs in yours"
        )
    return TargetError(
        f"{shown} imports '{missing or err}', which {sys.executable} does not have",
        where=user_location(err),
        hint=hint,
        code="GC003",
    )


def _made_by_pre_commit() -> bool:
    """Whether this is a hook of pre-commit with ``language: python``: then the environment has gradcheck alone."""
    return os.environ.get("PRE_COMMIT") == "1" and Path(sys.prefix).name.startswith("py_env")


def _similar_file(path: Path) -> str | None:
    folder = path.parent
    if not folder.is_dir():
        return f"there is no folder '{folder}' either (started in {os.getcwd()})"
    close = difflib.get_close_matches(path.name, [p.name for p in folder.glob("*.py")], 1)
    return f"did you mean '{folder / close[0]}'?" if close else f"started in {os.getcwd()}"
