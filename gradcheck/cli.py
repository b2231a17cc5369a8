"""The command ``gradcheck``: its options and its help; ``command.py`` carries it out.

Top floor, without logic of its own. Help and version must stay fast: nothing here loads NumPy, SciPy or rich
before a check runs. Built on typer; help is typer's plain one, with the options in groups.
"""

from __future__ import annotations

import errno
import functools
from pathlib import Path
from typing import Annotated, Any

import typer

from gradcheck._version import __version__
from gradcheck.command import (
    BUG,
    COULD_NOT_RUN,
    INTERRUPTED,
    again,
    check,
    complain,
    configured_by,
    files_of,
    own_bug,
)
from gradcheck.errors import GradcheckError
from gradcheck.help import (
    NO_TARGET,
    NOT_CONFIGURED,
    OTHER,
    REPORT,
    TARGET,
    TARGET_HELP,
    VERDICT,
    WHAT,
    WHERE,
    GroupedHelp,
)
from gradcheck.report import FORMATS
from gradcheck.report.style import escaped
from gradcheck.settings import SettingsError
from gradcheck.streams import OutputError, discard_stdout

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
  gradcheck model.py:loss -f json -o report.json
  gradcheck src        checks declared in a file or folder (@gradcheck.case)
  gradcheck            checks configured in pyproject.toml ([tool.gradcheck])
  gradcheck --watch model.py   and again whenever a file is saved

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


@app.command(cls=GroupedHelp, help=HELP)
def gradcheck(
    ctx: typer.Context,
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
        str | None,
        _option(
            WHAT,
            "--grad",
            "-g",
            metavar="WHAT",
            text="Hand-written derivative: auto (by name, default), none, returned (f returns both),"
            " a function beside f, or a target.",
        ),
    ] = None,
    order: Annotated[
        int | None, _option(WHAT, "--order", metavar="1|2", text="1: gradient or Jacobian (default), 2: Hessian.")
    ] = None,
    hessp: Annotated[
        str | None,
        _option(
            WHAT,
            "--hessp",
            metavar="WHAT",
            text="For --order 2, the hand-written product of the Hessian with a vector, hessp(x, v, ...): auto (by"
            " name, default), none, a function beside f, or a target.",
        ),
    ] = None,
    vectorized: Annotated[
        bool | None,
        _option(
            WHAT,
            "--vectorized/--no-vectorized",
            text="The function takes many points in one call: the argument with one further axis, the first or the"
            " last, (k, n) or (n, k); its value has that axis, too: (k,). Other arguments stay as they are.",
        ),
    ] = None,
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
    seed: Annotated[int | None, _option(WHERE, "--seed", metavar="N", text="Of everything random. Default 0.")] = None,
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
        bool | None,
        _option(
            VERDICT, "--allow-inconclusive/--no-allow-inconclusive", text="Exit with 0 also if checks are inconclusive."
        ),
    ] = None,
    strict: Annotated[
        bool | None,
        _option(
            VERDICT,
            "--strict/--no-strict",
            text="Autodiff refuses functions without a rule; else it takes differences of that call.",
        ),
    ] = None,
    no_autodiff: Annotated[
        bool | None,
        _option(
            VERDICT,
            "--no-autodiff/--autodiff",
            text="Compare yours with the measurement alone: for compiled code that breaks when it is traced.",
        ),
    ] = None,
    budget: Annotated[
        str | None,
        _option(
            VERDICT,
            "--budget",
            metavar="N|TIME",
            text="Stop a check after N evaluations, or after TIME (30s, 2min); what is open then is inconclusive.",
        ),
    ] = None,
    ignore: Annotated[
        list[str] | None,
        _option(
            VERDICT,
            "--ignore",
            metavar="CODE",
            text="Do not count findings of this code (GC201) or these (GC3). Repeat it.",
        ),
    ] = None,
    format: Annotated[
        str | None,
        _option(REPORT, "--format", "-f", metavar="|".join(FORMATS), text="Format of the report. Default full."),
    ] = None,
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
        str | None,
        _option(
            REPORT,
            "--color",
            metavar="auto|always|never",
            text="Default auto: on a terminal, unless NO_COLOR is set.",
        ),
    ] = None,
    quiet: Annotated[
        int | None,
        _option(
            REPORT,
            "--quiet",
            "-q",
            count=True,
            text="Findings and summary only; -qq: nothing but the exit code.",
        ),
    ] = None,
    verbose: Annotated[
        int | None,
        _option(
            REPORT,
            "--verbose",
            "-v",
            count=True,
            text="Show all partial derivatives and points; -vv: however many.",
        ),
    ] = None,
    traceback: Annotated[
        bool | None,
        _option(REPORT, "--traceback/--no-traceback", text="Show the whole traceback of errors in your code."),
    ] = None,
    no_partners: Annotated[
        bool | None,
        _option(
            OTHER,
            "--no-partners/--partners",
            text="In files and folders run declared checks only, not derivatives found by name.",
        ),
    ] = None,
    allow_empty: Annotated[
        bool | None,
        _option(OTHER, "--allow-empty/--no-allow-empty", text="Exit with 0 also if there is nothing to check."),
    ] = None,
    jobs: Annotated[
        int | None,
        _option(OTHER, "--jobs", "-j", metavar="N", text="Run N checks at a time, in processes; 0: one a processor."),
    ] = None,
    list_checks: Annotated[bool, _option(OTHER, "--list", text="List the checks that would be run, and exit.")] = False,
    watch: Annotated[
        bool,
        _option(
            OTHER,
            "--watch",
            text="Repeat the checks of a file whenever it, or one that it imports, changes; Ctrl-C ends.",
        ),
    ] = False,
    config: Annotated[
        str | None,
        _option(OTHER, "--config", metavar="FILE", text="Configuration, in place of the pyproject.toml that is found."),
    ] = None,
    isolated: Annotated[
        bool, _option(OTHER, "--isolated", text="Use no configuration, environment variables or declared checks.")
    ] = False,
    show_settings: Annotated[
        bool, _option(OTHER, "--show-settings", text="Show every option with its value and origin, and exit.")
    ] = False,
    explain: Annotated[
        str | None,
        _option(
            OTHER,
            "--explain",
            metavar="CODE|all",
            text="Explain a code of the report, as GC101, and exit; all: list them.",
        ),
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
            from gradcheck.explain import listed

            typer.echo(listed() if explain.strip().lower() == "all" else explanation(explain), nl=False)
            raise typer.Exit
        from gradcheck.configuration import shown_settings

        configuration = configured_by(_given(ctx), config, isolated)
        for remark in configuration.remarks:
            typer.echo(escaped(f"gradcheck: {remark}"), err=True)
        if show_settings:
            typer.echo(shown_settings(configuration), nl=False)
            raise typer.Exit
        options = configuration.run_options()
        files = files_of(configuration)
        if not targets and not configuration.checks and not options.allow_empty:
            file = configuration.file
            configured = f"{file.name} configures no check" if file else NOT_CONFIGURED
            if _given(ctx):
                hint = "name a function: gradcheck model.py:f (-h for more)"
                raise SettingsError(f"no target is given, and {configured}", hint=hint)
            typer.echo("\n".join((ctx.get_usage(), "", f"No target is given, and {configured}.", *NO_TARGET)), err=True)
            raise typer.Exit(COULD_NOT_RUN)
        if watch:
            from gradcheck.watch import prepare

            once_more = functools.partial(again, targets or [], _given(ctx), config, isolated)
            watching = prepare(once_more, targets or [], configuration, options.quiet, listed=list_checks)
    except GradcheckError as err:
        complain(err)
        raise typer.Exit(COULD_NOT_RUN) from None
    try:
        if watch:
            code = watching.run()
        else:
            code = check(targets or [], configuration, options, files, listed=list_checks, standalone=_STANDALONE)
    except GradcheckError as err:
        complain(err)
        code = COULD_NOT_RUN
    except KeyboardInterrupt:
        # Before or after the checks: run() keeps what was finished.
        typer.echo("gradcheck: interrupted", err=True)
        code = INTERRUPTED
    raise typer.Exit(code)


def _given(ctx: typer.Context) -> dict[str, Any]:
    """The options that stand on the command line, by the names of the parameters, which are those of the settings."""
    return {
        name: value
        for name, value in ctx.params.items()
        if getattr(ctx.get_parameter_source(name), "name", "") == "COMMANDLINE"
    }


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
        return end.code if isinstance(end.code, int) else BUG if end.code else 0
    except KeyboardInterrupt:
        return INTERRUPTED
    except OSError as err:
        if err.errno != errno.ENOSPC:
            return own_bug(err)
        # Of help, version and explanations; reports are written in check().
        discard_stdout()
        complain(OutputError(f"cannot write to stdout: {err.strerror}"))
        return COULD_NOT_RUN
    except Exception as err:
        return own_bug(err)
    return 0
