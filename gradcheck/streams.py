"""Where the report goes and everything else does not.

Part of the command line. The report owns stdout: while user code runs, file descriptor 1 is stderr, so that
neither a ``print`` nor a ``printf`` in a C extension can get into it. Also decided here: colour, characters.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping
from typing import BinaryIO, NoReturn, TextIO

from gradcheck.errors import GradcheckError
from gradcheck.frames import HardExit


class OutputError(GradcheckError):
    """The report cannot be written."""

    code = "GC001"


class Output:
    """The saved standard output: written to after user code has run.

    Attributes:
        encoding: of the text that the user's terminal or pipe expects.
        is_terminal: whether it is one.
        columns: width of the terminal, or None.
    """

    def __init__(self, stream: TextIO | None, binary: BinaryIO | None) -> None:
        self._stream = stream
        self._binary = binary
        self.encoding = getattr(stream, "encoding", None) or "utf-8"
        self.is_terminal = False
        self.columns: int | None = None
        with contextlib.suppress(OSError, ValueError):
            self.is_terminal = bool(binary.isatty() if binary else stream and stream.isatty())
            if binary is not None and self.is_terminal:
                self.columns = os.get_terminal_size(binary.fileno()).columns or None

    def write(self, text: str, encoding: str | None = None) -> None:
        """Write the report; a reader that has gone away (``| head -1``) is no error.

        Args:
            text: what is written.
            encoding: the one that the text declares, where it does.

        Raises:
            OutputError: it cannot be written, the disk is full.
        """
        try:
            if self._binary is not None:
                self._binary.write(
                    text.encode(encoding or self.encoding, "backslashreplace").replace(b"\n", os.linesep.encode())
                )
                self._binary.flush()
            elif self._stream is not None:
                self._stream.write(text)
                self._stream.flush()
        except BrokenPipeError:
            if self._binary is not None:
                # Closing would flush once more and complain: give the descriptor somewhere to write to.
                _discard(self._binary)
        except OSError as err:
            if self._binary is not None:
                _discard(self._binary)
            raise OutputError(f"cannot write the report to stdout: {err.strerror or err}") from None


def _discard(binary: BinaryIO) -> None:
    """Let what is still in the buffer go nowhere."""
    with open(os.devnull, "wb") as sink:
        os.dup2(sink.fileno(), binary.fileno())


@contextlib.contextmanager
def report_output(*, restore: bool = True) -> Iterator[Output]:
    """Save stdout for the report and point file descriptor 1 at stderr meanwhile.

    Args:
        restore: put it back at the end. The command itself does not: what user code prints at exit, or a
            thread that it has left behind, is not part of the report either.
    """
    stream = sys.stdout
    try:
        if stream is None:
            raise OSError
        saved = os.dup(stream.fileno())
    except (OSError, ValueError, AttributeError):
        # Closed, or no file at all (a StringIO, a notebook): only Python's own prints can be kept off.
        with contextlib.redirect_stdout(sys.stderr):
            yield Output(stream, None)
        return
    with contextlib.suppress(OSError, ValueError):
        stream.flush()
    descriptor = os.dup(1)
    binary = os.fdopen(saved, "wb")
    _redirect_to_stderr()
    # sys.stdout need not be file descriptor 1: pytest replaces it.
    sys.stdout = stream if stream.fileno() == 1 else sys.stderr
    try:
        yield Output(stream, binary)
    finally:
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
        if restore:
            os.dup2(descriptor, 1)
            sys.stdout = stream
        os.close(descriptor)
        with contextlib.suppress(OSError):
            binary.close()


@contextlib.contextmanager
def stays_alive(*, restore: bool = True) -> Iterator[None]:
    """Let ``os._exit`` raise a SystemExit in this process: nothing checked must not end with exit code 0.

    In a child process that user code has forked it ends the child, as it should.

    Args:
        restore: put it back at the end. The command itself does not: what runs at exit has no say either.
    """
    real, own = os._exit, os.getpid()

    def leave(status: int) -> NoReturn:
        if os.getpid() != own:
            real(status)
        raise HardExit(status)

    os._exit = leave
    try:
        yield
    finally:
        if restore:
            os._exit = real


def _redirect_to_stderr() -> None:
    try:
        os.dup2(2, 1)
    except OSError:  # stderr is closed
        with open(os.devnull, "wb") as sink:
            os.dup2(sink.fileno(), 1)


def discard_stdout() -> None:
    """Let what Python still holds for stdout go nowhere: it would complain once more when it ends."""
    with contextlib.suppress(OSError, ValueError, AttributeError), open(os.devnull, "wb") as sink:
        os.dup2(sink.fileno(), sys.stdout.fileno())


def wants_color(choice: str, is_terminal: bool, environment: Mapping[str, str]) -> bool:
    """Whether to colour: ``--color`` first, then NO_COLOR, FORCE_COLOR or CLICOLOR_FORCE, CLICOLOR and TERM.

    See https://no-color.org, https://force-color.org and https://bixense.com/clicolors.

    >>> wants_color("auto", True, {"NO_COLOR": "1"}), wants_color("auto", False, {"FORCE_COLOR": "1"})
    (False, True)
    >>> wants_color("auto", True, {"CLICOLOR": "0"}), wants_color("auto", False, {"CLICOLOR_FORCE": "1"})
    (False, True)
    >>> wants_color("always", False, {"NO_COLOR": "1"}), wants_color("auto", True, {"TERM": "dumb"})
    (True, False)
    """
    if choice != "auto":
        return choice == "always"
    if environment.get("NO_COLOR"):
        return False
    if any(environment.get(name, "0") not in ("", "0") for name in ("FORCE_COLOR", "CLICOLOR_FORCE")):
        return True
    return is_terminal and environment.get("TERM") != "dumb" and environment.get("CLICOLOR") != "0"


def can_write(text: str, encoding: str) -> bool:
    """Whether an encoding has all characters of a text.

    >>> can_write("±", "utf-8"), can_write("±", "ascii"), can_write("±", "no-such-codec")
    (True, False, False)
    """
    try:
        text.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True
