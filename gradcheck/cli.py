"""The command ``gradcheck``: options to settings, settings to a run, the run to a report and an exit code.

Top floor, without logic of its own. Help and version must stay fast: nothing here loads NumPy, SciPy or rich
before a check runs. Built on typer; help is typer's plain one, with the options in groups.
"""

from __future__ import annotations

import errno
import functools
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gradcheck._version import __version__
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
from gradcheck.report import FORMATS, load, render
from gradcheck.report.style import Style, escaped
from gradcheck.settings import RunOptions, SettingsError
from gradcheck.streams import Output, OutputError, can_write, discard_stdout, report_output, stays_alive, wants_color

if TYPE_CHECKING:
    from gradcheck.configuration import Configuration, Value
    from gradcheck.discovery import Plan
    from gradcheck.outcomes import Run
    from gradcheck.outputs import Destination

OK, WRONG, COULD_NOT_RUN, BUG, NOTHING, INTERRUPTED = 0, 1, 2, 4, 5, 130

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

        configuration = _configured(_given(ctx), config, isolated)
        for remark in configuration.remarks:
            typer.echo(escaped(f"gradcheck: {remark}"), err=True)
        if show_settings:
            typer.echo(shown_settings(configuration), nl=False)
            raise typer.Exit
        options = configuration.run_options()
        files = _files(configuration)
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

            again = functools.partial(_again, targets or [], _given(ctx), config, isolated)
            watching = prepare(again, targets or [], configuration, options.quiet, listed=list_checks)
    except GradcheckError as err:
        complain(err)
        raise typer.Exit(COULD_NOT_RUN) from None
    try:
        code = watching.run() if watch else check(targets or [], configuration, options, files, listed=list_checks)
    except GradcheckError as err:
        complain(err)
        code = COULD_NOT_RUN
    except KeyboardInterrupt:
        # Before or after the checks: run() keeps what was finished.
        typer.echo("gradcheck: interrupted", err=True)
        code = INTERRUPTED
    raise typer.Exit(code)


def _configured(given: dict[str, Any], file: str | None, isolated: bool) -> Configuration:
    """The layers of the run, whose values can be.

    Raises:
        GradcheckError: they cannot.
    """
    from gradcheck.configuration import load as load_configuration

    configuration = load_configuration(given, os.environ, file=file, isolated=isolated)
    values = configuration.values()
    _one_of(values["format"], tuple(FORMATS))
    _one_of(values["color"], ("auto", "always", "never"))
    configuration.settings()
    return configuration


def _files(configuration: Configuration) -> Sequence[Destination]:
    """Where reports are to be written."""
    from gradcheck.outputs import destinations

    options, values = configuration.run_options(), configuration.values()
    sources = {name: values[name].source for name in ("report", "output", "plot")}
    return destinations(options.report, _path(options.output), options.format, _path(options.plot), sources)


def _given(ctx: typer.Context) -> dict[str, Any]:
    """The options that stand on the command line, by the names of the parameters, which are those of the settings."""
    return {
        name: value
        for name, value in ctx.params.items()
        if getattr(ctx.get_parameter_source(name), "name", "") == "COMMANDLINE"
    }


def _one_of(value: Value, choices: tuple[str, ...]) -> None:
    if value.value not in choices:
        raise SettingsError(f"{value.source}: {value.value} is not one of {', '.join(choices)}")


def complain(err: GradcheckError) -> None:
    """Tell a mistake in the options: two lines on stderr."""
    place = f" ({err.where})" if err.where else ""
    code = f"{err.code}: " if err.code else ""
    typer.echo(escaped(f"gradcheck: {code}{err.message}{place}"), err=True)
    if err.hint:
        typer.echo(escaped(f"  hint: {err.hint}"), err=True)


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)


def check(
    targets: list[str],
    configuration: Configuration,
    options: RunOptions,
    files: Sequence[Destination] = (),
    *,
    listed: bool = False,
    narrow: Callable[[Plan], Plan] | None = None,
) -> int:
    """Run the checks and write the reports, or list the checks; returns the exit code.

    Args:
        narrow: makes another plan of the plan.
    """
    # The command's process ends after this: a test's does not, and wants its stdout back.
    with report_output(restore=not _STANDALONE) as stdout, stays_alive(restore=not _STANDALONE):
        from gradcheck.discovery import discover
        from gradcheck.outputs import studies_for
        from gradcheck.runner import listing

        # Before the user's folder is first on the path.
        load(options.format)
        for file in files:
            file.load()
        try:
            plan = discover(targets, configuration).studied(studies_for(files, options.format))
        except GradcheckError as err:
            complain(err)
            return COULD_NOT_RUN
        plan = narrow(plan) if narrow else plan
        _remarks(plan, options)
        if listed:
            stdout.write(listing(plan))
            return _listed(plan, options)
        result = _run(plan, targets, configuration, options)
        unwritten = _write(result, options, files, stdout)
        if result.interrupted:
            typer.echo(escaped(f"gradcheck: {result.interrupted}"), err=True)
        # A wrong derivative, a bug or an interrupt is still that.
        return COULD_NOT_RUN if unwritten and result.exit_code not in (WRONG, BUG, INTERRUPTED) else result.exit_code


def _again(
    targets: list[str], given: dict[str, Any], file: str | None, isolated: bool, narrow: Callable[[Plan], Plan]
) -> None:
    """One of the runs of a watch, in a process of its own, with the configuration as it is now."""
    global _STANDALONE
    _STANDALONE = True
    try:
        configuration = _configured(given, file, isolated)
        options = configuration.run_options()
        check(targets, configuration, options, _files(configuration), narrow=narrow)
    except GradcheckError as err:
        complain(err)
    except Exception as err:
        _own_bug(err)


def _run(plan: Plan, targets: list[str], configuration: Configuration, options: RunOptions) -> Run:
    """Carry out the plan, with a bar if it takes long."""
    from gradcheck.progress import ProgressBar, wanted
    from gradcheck.runner import run

    with ProgressBar(color=wants_color(options.color, True, os.environ)) as bar:
        show = bar.update if wanted(options.quiet) else None
        jobs = options.jobs or os.cpu_count() or 1
        if jobs > 1 and len(plan.items) > 1:
            from gradcheck.jobs import run_in_processes

            request = (targets, configuration)
            return run_in_processes(plan, configuration.settings(), request, jobs, show, stays_alive)
        return run(plan, configuration.settings(), show, allow_empty=options.allow_empty)


def _write(result: Run, options: RunOptions, files: Sequence[Destination], stdout: Output) -> bool:
    """Write all reports; whether one could not be written, which is told."""
    from gradcheck.outputs import write_all

    unwritten = write_all(result, files, _style(options, None), stdout)
    try:
        if options.output is None:
            stdout.write(render(options.format, result, _style(options, stdout)))
    except OutputError as err:
        unwritten.append(err)
    for each in unwritten:
        complain(each)
    return bool(unwritten)


def _listed(plan: Plan, options: RunOptions) -> int:
    """Tell the targets that cannot be listed; returns the exit code."""
    from gradcheck.runner import problems_of

    for problem in problems_of(plan):
        place = f" ({problem.where})" if problem.where else ""
        typer.echo(escaped(f"gradcheck: {problem.code}: {problem.message}{place}"), err=True)
    if any(problem.bug for problem in problems_of(plan)):
        return BUG
    nothing = OK if options.allow_empty else NOTHING
    return COULD_NOT_RUN if problems_of(plan) else OK if plan.items else nothing


def _remarks(plan: Plan, options: RunOptions) -> None:
    """Tell on stderr what is not in the report: files without checks, and that nothing is there at all."""
    if options.quiet >= 2:
        return
    for remark in plan.remarks:
        typer.echo(escaped(f"gradcheck: {remark}"), err=True)
    if plan.nothing and not options.allow_empty:
        complain(SettingsError(f"nothing was checked: {plan.nothing}", hint=plan.hint, code=""))


def _style(options: RunOptions, stdout: Output | None) -> Style:
    """How the report looks at its destination; None is a file."""
    terminal = stdout is not None and stdout.is_terminal
    columns = os.environ.get("COLUMNS", "")
    width = int(columns) if columns.isdigit() and int(columns) > 0 else stdout.columns if stdout else None
    return Style(
        color=wants_color(options.color, terminal, os.environ if stdout else {}),
        width=(width or 80) if terminal else None,
        ascii=stdout is not None and not can_write("±×─", stdout.encoding),
        verbose=options.verbose,
        quiet=options.quiet,
        traceback=options.traceback,
    )


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
            return _own_bug(err)
        # Of help, version and explanations; reports are written in check().
        discard_stdout()
        complain(OutputError(f"cannot write to stdout: {err.strerror}"))
        return COULD_NOT_RUN
    except Exception as err:
        return _own_bug(err)
    return 0


def _own_bug(err: Exception) -> int:
    """Something of ours failed outside a check: a report format, the command line itself."""
    import traceback

    asked = "--traceback" in sys.argv
    text = "".join(traceback.format_exception(err)) if asked else f"gradcheck failed: {type(err).__name__}: {err}\n"
    sys.stderr.write(text)
    sys.stderr.write("  hint: this is a bug in gradcheck; please report it with the output of --traceback\n")
    return BUG
