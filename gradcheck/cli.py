"""The command ``gradcheck``: options to settings, settings to a run, the run to a report and an exit code.

Top floor, without logic of its own. Help and version must stay fast: nothing here loads NumPy, SciPy or rich
before a check runs. Built on typer; help is typer's plain one, with the options in groups.
"""

from __future__ import annotations

import errno
import os
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from gradcheck._version import __version__
from gradcheck.errors import GradcheckError, Interrupted
from gradcheck.report import FORMATS, load, render
from gradcheck.report.style import Style, escaped
from gradcheck.settings import Settings, SettingsError
from gradcheck.streams import Output, OutputError, can_write, discard_stdout, report_output, stays_alive, wants_color

if TYPE_CHECKING:
    from gradcheck.outputs import Destination

WRONG, COULD_NOT_RUN, BUG, INTERRUPTED = 1, 2, 4, 130

WHAT, WHERE, VERDICT, REPORT, OTHER = (
    *("What to check", "Where to check it", "Verdict", "Report"),
    "Other",
)

TARGET = "TARGET"
TARGET_HELP = "module:function, path/to/file.py:function, or with Class.method after the colon."
HELP = """\
Tell whether the derivative of a numerical Python function is right.

The function is taken from your own module as it is: plain NumPy and SciPy. Its derivative, hand-written or by
gradcheck's automatic differentiation, is compared with finite differences that carry error bars.

\b
Examples:
  gradcheck model.py:loss              by its first argument; points are found
  gradcheck model.py:loss --argnum w   by the argument w (all: each in turn)
  gradcheck model.py:loss --at 'w=[0.5, 1.2]; lam=0.1'          at this point
  gradcheck model.py:loss --grad model.py:my_grad    with this on trial
  gradcheck model.py:loss --grad returned    loss returns (value, gradient)
  gradcheck model.py:Model.fun -v      a method; all partial derivatives shown
  gradcheck scipy.optimize:rosen --order 2   the Hessian; finds rosen_hess
  gradcheck model.py:loss --report junit=report.xml --report html=report.html

\b
The hand-written derivative of f is found beside f by its name: f_grad,
grad_f, f_der, f_prime, f_jac, df ... and f_hess, hess_f, f_hess_prod,
f_hessp, f_hvp for --order 2.

\b
Exit codes:
  0  all verified                  3  none wrong, some inconclusive
  1  a derivative is wrong         4  a bug in gradcheck
  2  a check could not run         5  nothing was checked
"""


class _GroupedHelp(TyperCommand):
    """typer's plain help with the options under the headings that ``rich_help_panel`` names."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        return ["[OPTIONS]", f"[{TARGET}]..."]  # typer before 0.29 leaves out the dots

    def format_options(self, ctx: Any, formatter: Any) -> None:
        groups: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if param.param_type_name == "argument":
                record = (TARGET, TARGET_HELP)
            if record is not None:
                groups[getattr(param, "rich_help_panel", None) or OTHER].append(record)
        for title in (WHAT, WHERE, VERDICT, REPORT, OTHER):
            with formatter.section(title):
                formatter.write_dl(groups[title])


app = typer.Typer(
    add_completion=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"gradcheck {__version__}")
        raise typer.Exit


def _option(group: str, *names: str, text: str, metavar: str | None = None, **more: Any) -> Any:
    return typer.Option(*names, help=text, metavar=metavar, rich_help_panel=group, show_default=False, **more)


@app.command(cls=_GroupedHelp, help=HELP, no_args_is_help=True)
def gradcheck(
    targets: Annotated[
        list[str] | None,
        typer.Argument(
            metavar=TARGET,
            help=TARGET_HELP,
            rich_help_panel=WHAT,
            show_default=False,
        ),
    ] = None,
    argnum: Annotated[
        list[str] | None,
        _option(
            WHAT,
            "--argnum",
            "-a",
            metavar="N|NAME",
            text="Argument to differentiate by: position (default 0, without self), name, or all. Repeat it.",
        ),
    ] = None,
    grad: Annotated[
        str,
        _option(
            WHAT,
            "--grad",
            "-g",
            metavar="WHAT",
            text="Hand-written derivative: auto (by name, default), none, returned (f returns both),"
            " a function beside f, or a target.",
        ),
    ] = "auto",
    order: Annotated[
        int, _option(WHAT, "--order", metavar="1|2", text="1: gradient or Jacobian (default), 2: Hessian.")
    ] = 1,
    hessp: Annotated[
        str,
        _option(
            WHAT,
            "--hessp",
            metavar="WHAT",
            text="For --order 2, the hand-written product of the Hessian with a vector, hessp(x, v, ...): auto (by"
            " name, default), none, a function beside f, or a target.",
        ),
    ] = "auto",
    vectorized: Annotated[
        bool,
        _option(
            WHAT,
            "--vectorized",
            text="The function takes many points in one call: the argument with one further axis, the first or the"
            " last, (k, n) or (n, k); its value has that axis, too: (k,). Other arguments stay as they are.",
        ),
    ] = False,
    at: Annotated[
        list[str] | None,
        _option(
            WHERE,
            "--at",
            metavar="VALUES",
            text="The point: 'x=[1, 2]; t=zeros(3)', or without names in order, or @file (.json .csv"
            " .npy .npz), or module:function to call for it. Repeat it for more points.",
        ),
    ] = None,
    shape: Annotated[
        list[str] | None,
        _option(
            WHERE,
            "--shape",
            metavar="SHAPES",
            text="Shapes of the arguments, for points that are found: 'x=(3, 2); t=4'.",
        ),
    ] = None,
    bounds: Annotated[
        list[str] | None,
        _option(
            WHERE,
            "--bounds",
            metavar="BOUNDS",
            text="Lower and upper bound of arguments, numbers or arrays: 'x=[0, inf]; t=(0, [1, 2])'. The function"
            " is not evaluated outside of them.",
        ),
    ] = None,
    points: Annotated[
        int | None,
        _option(
            WHERE,
            "--points",
            metavar="N",
            text="How many points to find. Default 5; 1 where all parameters have defaults, 2 if one is 0 or 1.",
        ),
    ] = None,
    seed: Annotated[int, _option(WHERE, "--seed", metavar="N", text="Of everything random. Default 0.")] = 0,
    pythonpath: Annotated[
        list[str] | None,
        _option(
            WHERE,
            "--pythonpath",
            metavar="DIR",
            text="Folder to import modules from, before the working directory. Repeat it.",
        ),
    ] = None,
    shrink: Annotated[
        bool | None,
        _option(
            WHERE,
            "--shrink/--no-shrink",
            text="After a failure, look for rounder numbers that fail alike, in at most 20 evaluations."
            " Default: at points that were found.",
        ),
    ] = None,
    rtol: Annotated[
        float | None,
        _option(VERDICT, "--rtol", metavar="X", text="Accept relative differences up to X. Not needed as a rule."),
    ] = None,
    atol: Annotated[
        float | None, _option(VERDICT, "--atol", metavar="X", text="Accept absolute differences up to X.")
    ] = None,
    allow_inconclusive: Annotated[
        bool, _option(VERDICT, "--allow-inconclusive", text="Exit with 0 also if checks are inconclusive.")
    ] = False,
    strict: Annotated[
        bool,
        _option(
            VERDICT,
            "--strict",
            text="Autodiff refuses functions without a rule; else it takes differences of that call.",
        ),
    ] = False,
    no_autodiff: Annotated[
        bool,
        _option(
            VERDICT,
            "--no-autodiff",
            text="Compare yours with the measurement alone: for compiled code that breaks when it is traced.",
        ),
    ] = False,
    budget: Annotated[
        str | None,
        _option(
            VERDICT,
            "--budget",
            metavar="N|TIME",
            text="Stop a check after N evaluations, or after TIME (30s, 2min); what is open then is inconclusive.",
        ),
    ] = None,
    format: Annotated[
        str,
        _option(REPORT, "--format", "-f", metavar="|".join(FORMATS), text="Format of the report. Default full."),
    ] = "full",
    output: Annotated[
        Path | None, _option(REPORT, "--output", "-o", metavar="FILE", text="Write the report to a file.")
    ] = None,
    report: Annotated[
        list[str] | None,
        _option(
            REPORT,
            "--report",
            metavar="FORMAT=PATH",
            text="Write a further report: junit=report.xml. Repeat it.",
        ),
    ] = None,
    plot: Annotated[
        Path | None,
        _option(
            REPORT,
            "--plot",
            metavar="FILE",
            text="Draw error against step size of the worst entry: .svg, or .png (gradcheck[plot]).",
        ),
    ] = None,
    color: Annotated[
        str,
        _option(
            REPORT,
            "--color",
            metavar="auto|always|never",
            text="Default auto: on a terminal, unless NO_COLOR is set.",
        ),
    ] = "auto",
    quiet: Annotated[
        int,
        _option(
            REPORT,
            "--quiet",
            "-q",
            count=True,
            text="Failures and summary only; -qq: nothing but the exit code.",
        ),
    ] = 0,
    verbose: Annotated[
        int,
        _option(
            REPORT,
            "--verbose",
            "-v",
            count=True,
            text="Show all partial derivatives and points; -vv: however many.",
        ),
    ] = 0,
    traceback: Annotated[
        bool, _option(REPORT, "--traceback", text="Show the whole traceback of errors in your code.")
    ] = False,
    explain: Annotated[
        str | None,
        _option(OTHER, "--explain", metavar="CODE", text="Explain a code of the report, as GC101, and exit."),
    ] = None,
    version: Annotated[
        bool,
        _option(OTHER, "--version", "-V", callback=_version, is_eager=True, text="Show the version and exit."),
    ] = False,
) -> None:
    """The command; :data:`HELP` is what the user reads."""
    try:
        if explain is not None:
            from gradcheck.explain import explain as explanation

            typer.echo(explanation(explain), nl=False)
            raise typer.Exit
        from gradcheck.outputs import destinations, studies_for

        _one_of("--format", format, tuple(FORMATS))
        files = destinations(report or (), output, format, plot)
        settings = Settings(
            argnum=tuple(argnum or ("0",)),
            grad=grad,
            order=order,
            hessp=hessp,
            at=tuple(at or ()),
            shape=tuple(shape or ()),
            bounds=tuple(bounds or ()),
            vectorized=vectorized,
            points=points,
            seed=seed,
            rtol=rtol,
            atol=atol,
            allow_inconclusive=allow_inconclusive,
            strict=strict,
            no_autodiff=no_autodiff,
            budget=budget,
            shrink=shrink,
            pythonpath=tuple(pythonpath or ()),
            studies=studies_for(files, format),
        )
        _one_of("--color", color, ("auto", "always", "never"))
        if not targets:
            raise SettingsError("no target is given", hint="name a function: gradcheck model.py:f (-h for more)")
    except GradcheckError as err:
        complain(err)
        raise typer.Exit(COULD_NOT_RUN) from None
    look = Style(verbose=verbose, quiet=quiet, traceback=traceback)
    raise typer.Exit(check(targets, settings, look, format=None if output else format, files=files, color=color))


def _one_of(option: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise SettingsError(f"{option} {value}: not one of {', '.join(choices)}")


def complain(err: GradcheckError) -> None:
    """Tell a mistake in the options: two lines on stderr."""
    place = f" ({err.where})" if err.where else ""
    typer.echo(escaped(f"gradcheck: {err.message}{place}"), err=True)
    if err.hint:
        typer.echo(escaped(f"  hint: {err.hint}"), err=True)


def check(
    targets: list[str],
    settings: Settings,
    look: Style,
    *,
    format: str | None,
    color: str,
    files: Sequence[Destination] = (),
) -> int:
    """Run the checks and write the reports, to ``files`` and, with a format, to stdout; returns the exit code."""
    # The command's process ends after this: a test's does not, and wants its stdout back.
    with report_output(restore=not _STANDALONE) as stdout, stays_alive(restore=not _STANDALONE):
        from gradcheck.outputs import write_all
        from gradcheck.runner import run

        # Before the user's folder is first on the path.
        load(format or "full")
        for file in files:
            file.load()

        with _Progress(enabled=_shows_progress(look)) as progress:
            result = run(targets, settings, progress.update if progress.enabled else None)
        unwritten = write_all(result, files, _style(look, None, color), stdout)
        try:
            if format is not None:
                stdout.write(render(format, result, _style(look, stdout, color)))
        except OutputError as err:
            unwritten.append(err)
        for each in unwritten:
            complain(each)
        # A wrong derivative, or a bug, is still that.
        return COULD_NOT_RUN if unwritten and result.exit_code not in (WRONG, BUG) else result.exit_code


def _style(look: Style, stdout: Output | None, color: str) -> Style:
    """How the report looks at its destination; None is a file."""
    terminal = stdout is not None and stdout.is_terminal
    columns = os.environ.get("COLUMNS", "")
    width = int(columns) if columns.isdigit() and int(columns) > 0 else stdout.columns if stdout else None
    return Style(
        color=wants_color(color, terminal, os.environ if stdout else {}),
        width=(width or 80) if terminal else None,
        ascii=stdout is not None and not can_write("±×─", stdout.encoding),
        verbose=look.verbose,
        quiet=look.quiet,
        traceback=look.traceback,
    )


def _shows_progress(look: Style) -> bool:
    return not look.quiet and sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


class _Progress:
    """A bar on stderr for checks that take more than a second; rich is loaded only then."""

    def __init__(self, enabled: bool) -> None:
        self.enabled = enabled
        self._started = time.monotonic()
        self._bar: Any = None
        self._tasks: dict[str, Any] = {}

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def update(self, name: str, done: int, total: int) -> None:
        if self._bar is None:
            if time.monotonic() - self._started < 1.0:
                return
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

            console = Console(stderr=True, markup=False, highlight=False, emoji=False)
            columns = (TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn())
            # The user's prints go their own way, not through rich.
            self._bar = Progress(
                *columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False
            )
            self._bar.start()
        if name not in self._tasks:
            for task in self._tasks.values():
                self._bar.update(task, visible=False)
            self._tasks[name] = self._bar.add_task(name, total=total)
        self._bar.update(self._tasks[name], completed=done, total=max(total, done))


# Set by __main__ in the process of the command: see check().
_STANDALONE = False


def main(arguments: list[str] | None = None, *, standalone: bool = False) -> int:
    """Run the command and return its exit code.

    Args:
        arguments: without the program's name; those of the process if None.
        standalone: the process ends afterwards, stdout need not be given back.
    """
    global _STANDALONE
    _STANDALONE = standalone
    try:
        app(arguments, prog_name="gradcheck", standalone_mode=True)
    except SystemExit as end:
        if end.code == INTERRUPTED and sys.stderr is not None:
            sys.stderr.write(escaped(f"gradcheck: interrupted{_place_of(end)}") + "\n")
        return end.code if isinstance(end.code, int) else BUG if end.code else 0
    except KeyboardInterrupt:
        return INTERRUPTED
    except OSError as err:
        if err.errno != errno.ENOSPC:
            return _own_bug(err)
        # Of help, version and explanations; reports are written in check().
        discard_stdout()
        complain(OutputError(f"cannot write to stdout: {err.strerror}"))
        return COULD_NOT_RUN
    except Exception as err:
        return _own_bug(err)
    return 0


def _place_of(end: BaseException) -> str:
    """`` in model.py:f at x=2.0 (model.py:3)``, where Ctrl-C came while the user's code ran."""
    cause: BaseException | None = end
    while cause is not None:
        if isinstance(cause, Interrupted):
            return f" in {cause}"
        cause = cause.__cause__ or cause.__context__
    return ""


def _own_bug(err: Exception) -> int:
    """Something of ours failed outside a check: a report format, the command line itself."""
    import traceback

    asked = "--traceback" in sys.argv
    text = "".join(traceback.format_exception(err)) if asked else f"gradcheck failed: {type(err).__name__}: {err}\n"
    sys.stderr.write(text)
    sys.stderr.write("  hint: this is a bug in gradcheck; please report it with the output of --traceback\n")
    return BUG
