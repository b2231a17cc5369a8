"""Files that reports are written to: ``--report FORMAT=PATH``, ``--output``, ``--plot``.

Part of the command line. A file is written whole or not at all: into a temporary file beside it, which takes its
place when it is complete, so that nobody reads half a report, and an old one survives a full disk. Folders are made,
as pytest does for ``--junitxml``. Only the summary of a step on GitHub, to which others may have written, is added to.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from gradcheck.errors import GradcheckError
from gradcheck.report import FORMATS, STUDIES, load, render
from gradcheck.report.style import Style
from gradcheck.settings import SettingsError
from gradcheck.streams import Output, OutputError

if TYPE_CHECKING:
    from gradcheck.outcomes import Run

#: Names of standard output, which is not where these lead while the user's code runs.
STDOUT = ("/dev/stdout", "/dev/fd/1", "/proc/self/fd/1")
#: What ``--plot`` draws.
PICTURES = (".svg", ".png")


class Destination(NamedTuple):
    """A file, what is to be written to it, and the option that asked for it.

    Attributes:
        option: as ``--report html=report.html``, for messages.
        format: a name of ``FORMATS``, or "" for a picture.
        path: the file.
        shared: others write to it as well: the report is added at its end.
    """

    option: str
    format: str
    path: Path
    shared: bool = False

    def load(self) -> None:
        """Import what writing it takes, before the user's folder is first on the path."""
        if self.format:
            load(self.format)
            return
        from gradcheck.report import plot  # noqa: F401

        if self.path.suffix.lower() == ".png":
            import matplotlib.figure  # noqa: F401

    def content(self, run: Run, style: Style) -> str | bytes:
        """What is to be written."""
        if self.format:
            return render(self.format, run, style)
        from gradcheck.report.plot import plot

        return plot(run, self.path.suffix.lower())


def destinations(
    reports: Sequence[str],
    output: Path | None,
    format: str,
    plot: Path | None,
    sources: Mapping[str, str] | None = None,
) -> tuple[Destination, ...]:
    """All files that the options ask for.

    Args:
        reports: ``--report``. output: ``--output``, in this format. plot: ``--plot``.
        sources: where the values of these options stand, for messages, if that is not the command line.

    Raises:
        SettingsError: an unknown format, a path that is missing, a folder, or asked for twice.

    >>> [d.format for d in destinations(["junit=out.xml"], None, "full", None)]
    ['junit']
    """
    said = {name: "" if source.startswith("--") else f" of {source}" for name, source in (sources or {}).items()}
    found = [_report(text, f"--report {text}{said.get('report', '')}") for text in reports]
    if output is not None:
        found.append(Destination(f"--output {output}{said.get('output', '')}", format, output))
    if plot is not None:
        found.append(_plot(plot, f"--plot {plot}{said.get('plot', '')}"))
    taken: dict[str, Destination] = {}
    for each in found:
        if each.path == Path() or each.path.is_dir():
            raise SettingsError(f"{each.option}: that is no file")
        if str(each.path) == "-":
            raise SettingsError(
                f"{each.option}: '-' is no file", hint=f"stdout has the report without it: -f {each.format}"
            )
        if each.path.suffix == ".py":
            raise SettingsError(f"{each.option}: a report is not written over Python code")
        other = taken.setdefault(os.path.realpath(each.path), each)
        if other is not each and str(each.path) not in STDOUT and _is_plain(each.path):
            raise SettingsError(f"{each.option}: {other.option} writes to the same file")
    # The user's code may change the working directory, and the environment.
    return tuple(
        each._replace(path=Path(os.path.abspath(each.path)), shared=_is_step_summary(each.path)) for each in found
    )


def _is_step_summary(path: Path) -> bool:
    """Whether that is what ``$GITHUB_STEP_SUMMARY`` names: everything in a step adds to that file."""
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    return bool(summary) and os.path.realpath(path) == os.path.realpath(summary or "")


def _report(text: str, option: str) -> Destination:
    name, equals, path = text.partition("=")
    if name not in FORMATS or not equals:
        known = f"'{name}' is not one of {', '.join(FORMATS)}" if name not in FORMATS else "there is no path"
        raise SettingsError(f"{option}: {known}", hint="write FORMAT=PATH, for instance junit=report.xml")
    return Destination(option, name, Path(path))


def _plot(path: Path, option: str) -> Destination:
    suffix = path.suffix.lower()
    if suffix not in PICTURES:
        raise SettingsError(f"{option}: a picture is an .svg or a .png file")
    if suffix == ".png" and importlib.util.find_spec("matplotlib") is None:
        hint = "pip install 'gradcheck[plot]', or write an .svg, which needs nothing"
        raise SettingsError(f"{option}: a .png needs matplotlib, which is not installed", hint=hint)
    return Destination(option, "", path)


def studies_for(files: Sequence[Destination], format: str) -> int:
    """Of how many entries the step sizes are wanted for the pictures in these files and on stdout.

    >>> studies_for([], "full"), studies_for([], "html")
    (0, 3)
    """
    formats = [format, *(each.format for each in files)]
    return max(1 if "" in formats else 0, *(STUDIES.get(name, 0) for name in formats))


def write_all(run: Run, files: Sequence[Destination], style: Style, stdout: Output) -> list[GradcheckError]:
    """Write every file; what cannot be written does not stop the others.

    Args:
        run: what happened.
        files: where to.
        style: of ``--output``; further reports are written in full, without colour.
        stdout: what ``/dev/stdout`` means.

    Returns:
        why a file is missing, for each that is.

    Raises:
        Exception: a bug in one of the formats, when the others are written.
    """
    missing: list[GradcheckError] = []
    bugs: list[Exception] = []
    for each in files:
        look = style if each.option.startswith("--output") else replace(style, color=False, quiet=0)
        try:
            content = each.content(run, look)
            if str(each.path) in STDOUT and isinstance(content, str):
                stdout.write(content)
            elif each.shared:
                add_to(each.path, content)
            else:
                write_whole(each.path, content)
        except GradcheckError as err:
            missing.append(SettingsError(f"{each.option}: {err.message}", hint=err.hint))
        except Exception as err:
            bugs.append(err)
    if bugs:
        raise bugs[0]
    return missing


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file so that it is there completely or as it was before; text as UTF-8.

    A link stays one, the target is replaced. What is no file (``/dev/stdout``, a pipe) is written to.

    Raises:
        OutputError: it cannot be written.
    """
    data = _encoded(content)
    try:
        target = path.resolve()
        if not _is_plain(path):
            path.write_bytes(data)
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        _replace(target, data)
    except OSError as err:
        raise OutputError(f"cannot write the file: {err.strerror or err}") from None


def add_to(path: Path, content: str | bytes) -> None:
    """Write at the end of a file; text as UTF-8.

    Raises:
        OutputError: it cannot be written.
    """
    try:
        with open(path, "ab") as file:
            file.write(_encoded(content))
    except OSError as err:
        raise OutputError(f"cannot write the file: {err.strerror or err}") from None


def _encoded(content: str | bytes) -> bytes:
    return content if isinstance(content, bytes) else content.encode("utf-8", "backslashreplace")


def _is_plain(path: Path) -> bool:
    """Whether that is a file, or will be one."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except FileNotFoundError:
        return True


def _replace(target: Path, data: bytes) -> None:
    temporary = target.with_name(f".{target.name}.{os.urandom(4).hex()}.tmp")
    try:
        with open(temporary, "xb") as file:  # with the permissions that any new file has
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileNotFoundError):
            os.chmod(temporary, stat.S_IMODE(target.stat().st_mode))
        os.replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
