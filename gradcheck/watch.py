"""``--watch``: the checks of a file once more whenever it changes, for the person who is mending a derivative.

Part of the command line. Every run is a process of its own, started anew, so that modules are loaded as they are now;
it tells which of the user's files each check depends on (``sources.py``), and the next run is narrowed to the checks
that a change concerns. watchfiles wakes us up. What has changed we see by ourselves, by comparing the files with what
they were when the last run began: so nothing that is saved during a run is lost, and saving the same is no change.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path

from gradcheck.configuration import Configuration
from gradcheck.discovery import Check, Failed, Plan, python_files
from gradcheck.errors import GradcheckError
from gradcheck.frames import relative
from gradcheck.report.style import escaped
from gradcheck.settings import SettingsError
from gradcheck.sources import files_of
from gradcheck.targets import split_spec

#: A run of the command, given what narrows its plan.
Start = Callable[[Callable[[Plan], Plan]], None]
#: Which check: its target and where it was asked for.
Key = tuple[str, str]
#: What each check depends on; None where that is not known: then every change counts.
Sources = Mapping[Key, frozenset[Path] | None]

# Milliseconds without an event after which we look once for ourselves, and that a burst of changes is waited for.
LOOK, BURST = 300, 200
# Seconds that a run has to end after an interrupt, which the terminal sends to it as well.
ENDING = 3.0
CLEAR = "\x1b[2J\x1b[H"


class WatchError(GradcheckError):
    """Files cannot be watched."""


def prepare(start: Start, targets: Sequence[str], configuration: Configuration, quiet: int, *, listed: bool) -> Watch:
    """A watch over the files of these targets.

    Raises:
        SettingsError: watchfiles is not installed, or an option does not go with a watch.
    """
    if listed:
        raise SettingsError("--watch does not go with --list")
    if importlib.util.find_spec("watchfiles") is None:
        hint = "pip install 'gradcheck[watch]'"
        raise SettingsError("--watch needs watchfiles, which is not installed", hint=hint)
    heads = [Path(split_spec(target)[0]).absolute() for target in targets]
    folders = [*configuration.settings().pythonpath, "."]
    file = configuration.file.absolute() if configuration.file else None
    return Watch(start, [head for head in heads if head.exists()], folders, file, quiet)


@dataclass(frozen=True)
class Narrowing:
    """What a run is narrowed to; without ``changed`` it is not.

    Attributes:
        sources: of the checks, as far as they have been run.
        changed: files; None for all that there is to check.
    """

    sources: Sources
    changed: frozenset[Path] | None

    def applied(self, plan: Plan) -> Plan:
        """The part of a plan that the change concerns."""
        if self.changed is None:
            return plan
        names = _names(self.changed)
        items = tuple(item for item in plan.items if self.concerns(item))
        return replace(plan, items=items) if items else Plan((), plan.remarks, f"no check depends on {names}")

    def concerns(self, item: Check | Failed) -> bool:
        files = self.sources.get(key(item))
        return files is None or self.changed is None or not files.isdisjoint(self.changed)


def key(item: Check | Failed) -> Key:
    """What a check is known by from one run to the next."""
    return item.target, item.source


def _serve(connection: Connection, start: Start, narrowing: Narrowing) -> None:
    """What the process of a run does; it sends the sources of all checks."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which was ignored while Python started
    # Bytecode is known by second and size of its source: of two saves within a second it might be that of the first.
    sys.dont_write_bytecode = True
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"  # for processes that this one starts
    plans: list[tuple[Plan, Plan]] = []

    def narrow(plan: Plan) -> Plan:
        plans.append((plan, narrowing.applied(plan)))
        return plans[0][1]

    with contextlib.suppress(KeyboardInterrupt):  # the watch tells of it
        start(narrow)
        for plan, ran in plans:
            connection.send(_sources(plan, ran, narrowing.sources))


def _sources(plan: Plan, ran: Plan, before: Sources) -> Sources:
    """The sources of all checks of a plan; of those that were not run the former ones hold."""
    checks = [item for item in plan.items if isinstance(item, Check)]
    found = dict(zip(map(key, checks), files_of([_targets(item) for item in checks]), strict=True))
    # What could not be loaded may be mended anywhere.
    found |= {key(item): None for item in plan.items if isinstance(item, Failed)}
    run = set(map(key, ran.items))
    return {at: files if at in run else before.get(at) for at, files in found.items()}


def _targets(check: Check) -> list[str]:
    """The targets that a check names: its function and its derivatives."""
    more = (check.settings.grad, check.settings.hessp)
    return [check.target, *(text for text in more if split_spec(text)[1])]


class Watch:
    """Runs checks, waits for a change, runs those that it concerns, and so on until it is interrupted."""

    def __init__(
        self, start: Start, named: Sequence[Path], folders: Sequence[str], configuration: Path | None, quiet: int
    ) -> None:
        self.start = start
        self.named = named
        self.roots = [Path(folder).absolute() for folder in folders]
        self.configuration = configuration
        self.quiet = quiet
        self.sources: Sources = {}
        self.seen: dict[Path, bytes | None] = {}

    def run(self) -> int:
        """Watch until Ctrl-C, which is raised as KeyboardInterrupt."""
        changed: frozenset[Path] | None = None
        while True:
            began = time.time()
            self.seen = {file: _digest(file) for file in self.files()}
            self.check(changed)
            for file in self.files() - set(self.seen):
                # Loaded for the first time, perhaps not as it is now.
                self.seen[file] = None if _modified(file) >= began else _digest(file)
            count = len(self.files())
            self.tell(f"watching {count} file{'s' * (count != 1)}, Ctrl-C ends")
            changed = self.wait()
            if _is_terminal():
                print(CLEAR, end="", file=sys.stderr, flush=True)
            self.tell(f"{time.strftime('%H:%M:%S')}  {_names(changed)} changed")
            if self.configuration in changed:
                changed = None

    def tell(self, text: str) -> None:
        if self.quiet < 2:
            print(escaped(f"gradcheck: {text}"), file=sys.stderr, flush=True)

    # one run

    def check(self, changed: frozenset[Path] | None) -> None:
        """Run the checks that a change concerns, in a new process."""
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_serve, args=(theirs, self.start, Narrowing(self.sources, changed)))
        with _uninterrupted():
            process.start()
        theirs.close()
        try:
            self.sources = ours.recv()
        except EOFError:  # it had nothing to tell: a mistake in the configuration, or a crash
            process.join()
            if process.exitcode:
                self.tell(f"the run ended with exit code {process.exitcode}")
        finally:
            # The user's code may have left threads behind, or not take notice of an interrupt.
            with contextlib.suppress(KeyboardInterrupt):
                process.join(ENDING)
            process.terminate()
            process.join()
            ours.close()

    # what is watched

    def files(self) -> set[Path]:
        """All files of which a change counts."""
        found = {file for files in self.sources.values() for file in files or ()}
        for path in self.named:
            found.update(python_files(path) if path.is_dir() else [path])
        if not self.sources or None in self.sources.values():
            found.update(file.absolute() for root in self.roots for file in root.glob("*.py"))
        if self.configuration:
            found.add(self.configuration)
        return {file.resolve() for file in found}

    def folders(self) -> set[Path]:
        """The folders that these files are in, or may come to be in."""
        found = {file.parent for file in self.files()} | {path for path in self.named if path.is_dir()}
        return {folder for folder in (*found, *self.roots) if folder.is_dir()}

    def changed(self) -> frozenset[Path]:
        """The files that are no longer what they were when the last run began."""
        files = self.files() | set(self.seen)
        return frozenset(file for file in files if self.seen.get(file) != _digest(file))

    def wait(self) -> frozenset[Path]:
        """Wait for a change; which files have changed."""
        while True:
            folders = self.folders()
            looked = False
            with contextlib.closing(_events(folders)) as events:
                for event in events:
                    if event or not looked:  # the first time for what was saved before these events began
                        looked = True
                        changed = self.changed()
                        if changed:
                            return changed
                        if self.folders() != folders:
                            break


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Ignore Ctrl-C here, and in a process that is started here until it does otherwise."""
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)


def _events(folders: set[Path]) -> Generator[object, None, None]:
    """What happens in these folders, and an empty set whenever nothing does for a while.

    Raises:
        WatchError: the system does not let us.
    """
    import watchfiles

    try:
        yield from watchfiles.watch(
            *sorted(folders),
            watch_filter=None,
            recursive=False,
            step=50,
            debounce=BURST,
            rust_timeout=LOOK,
            yield_on_timeout=True,
            raise_interrupt=True,
        )
    except OSError as err:
        raise WatchError(f"--watch: cannot watch {len(folders)} folders: {err.strerror or err}") from None


def _digest(file: Path) -> bytes | None:
    try:
        return hashlib.sha256(file.read_bytes()).digest()
    except OSError:
        return None


def _modified(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except OSError:
        return 0.0


def _names(files: Iterable[Path]) -> str:
    return ", ".join(sorted(Path(relative(str(file))).as_posix() for file in files))


def _is_terminal() -> bool:
    return sys.stdout.isatty() and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
