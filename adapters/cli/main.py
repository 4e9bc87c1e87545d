"""The program `quotefold`: finds the command, runs it, turns what stops it into one line.

Every command is a module of its own, imported only when it is called, so that `--help` stays
quick. Exit codes: 0 done, 1 failed (or the reader of our output went away), 2 refused before
anything was started (usage and configuration), 130 interrupted; a command may define more. With
`--json` an error is one object on stdout as well, `{"error": "...", "kind": "ConfigError"}`, and
stderr stays empty.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module

import click

from engine.errors import ConfigError, QuotefoldError

COMMANDS: Mapping[str, tuple[str, str]] = {
    "run": ("adapters.cli.run:run", "Quote; paper by default, with a venue of its own."),
    "paper": ("adapters.cli.paper:paper", "Serve the paper venue alone."),
    "backtest": (
        "adapters.cli.backtest:backtest",
        "Quote on recorded market data, in virtual time.",
    ),
    "sweep": ("adapters.cli.sweep:sweep", "Backtest a grid of parameters, judged walk-forward."),
    "parity": ("adapters.cli.parity:parity", "What a run did, against a backtest of it."),
    "replay": ("adapters.cli.replay:replay", "Fold a journal; --verify proves the run."),
    "fills": ("adapters.cli.fills:fills", "Every fill: queue, latency, fee, edge, markouts."),
    "explain": ("adapters.cli.explain:explain", "Why one fill came, and what it cost."),
    "inspect": ("adapters.cli.inspect:inspect", "Show the state of a run at any record or time."),
    "step": ("adapters.cli.step:step", "Show records one by one, and what each changed."),
    "search": ("adapters.cli.search:search", "Find an order, a price, a kind, a broken invariant."),
    "diff": ("adapters.cli.inspect:diff", "Compare the states after two records."),
    "report": ("adapters.cli.report:report", "P&L, uptime, markouts, trouble: one page."),
    "ctl": ("adapters.cli.ctl:ctl", "Tell a running engine what to do."),
    "panic": ("adapters.cli.panic:panic", "Cancel all, prove it, and forbid placing."),
    "doctor": ("adapters.cli.doctor:doctor", "Check machine, account and venue; no order placed."),
    "new": ("adapters.cli.new:new", "Write a new strategy, its test and a configuration."),
    "init": ("adapters.cli.init:init", "Write a configuration with every key explained."),
    "journal": ("adapters.cli.journal:journal", "List, check, print and repair journal files."),
}
"""Command name -> where it is, and its line of help."""

EXIT_FAILED = 1
EXIT_REFUSED = 2
EXIT_INTERRUPTED = 130


class LazyGroup(click.Group):
    """A group that knows its commands by name, and imports one only to run it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            raise click.NoSuchCommand(cmd_name, possibilities=list(COMMANDS), ctx=ctx)
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command), f"{module}:{attribute} is no command"
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


def version() -> str:
    """Return the version of the installed project, or what says that it is not installed."""
    # Slow to import, and only this needs it.
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    try:
        return installed("quotefold")
    except PackageNotFoundError:
        return "not installed"


def _print_version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        click.echo(f"quotefold {version()}")
        ctx.exit()


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Show the version and exit.",
)
def cli() -> None:
    """Make markets on WhiteBIT, with every fact and intent in a journal that replays exactly.

    Start with "quotefold run": it quotes on a paper venue on this machine, with no account and no
    network.
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    as_json = "--json" in given
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        # A sign that the terminal lacks must end no command, a run that quotes least of all.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        code = _run(given, as_json=as_json)
        sys.stdout.flush()
    except OSError as error:
        is_closed = isinstance(error, BrokenPipeError)
        if not is_closed and (error.errno != errno.ENOSPC or error.filename is not None):
            raise
        # What is still in the buffer must not fail once more when Python exits.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
        if not is_closed:
            click.echo("error: standard output: no space is left for what is printed", err=True)
        return EXIT_FAILED
    return code


def _run(arguments: list[str], *, as_json: bool) -> int:
    try:
        code = cli.main(arguments, prog_name="quotefold", standalone_mode=False)
    except click.Abort:
        return _report("interrupted", "interrupted", EXIT_INTERRUPTED, as_json=as_json)
    except click.ClickException as error:
        if as_json or isinstance(error, click.FileError):
            return _report("usage", error.format_message(), error.exit_code, as_json=as_json)
        error.show()
        return error.exit_code
    except QuotefoldError as error:
        return _stopped(error, as_json=as_json)
    except BaseExceptionGroup as group:
        if group.split(KeyboardInterrupt)[1] is None:
            return _report("interrupted", "interrupted", EXIT_INTERRUPTED, as_json=as_json)
        stopped = _only_ours(group)
        if stopped is None:
            raise
        return _stopped(stopped, as_json=as_json)
    return code if isinstance(code, int) else 0


def _only_ours(group: BaseExceptionGroup[BaseException]) -> QuotefoldError | None:
    # A nursery wraps what stopped its tasks; one that holds anything else is a bug to be shown.
    ours, other = group.split(QuotefoldError)
    if ours is None or other is not None:
        return None
    first: BaseException = ours
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    assert isinstance(first, QuotefoldError)
    return first


def _stopped(error: QuotefoldError, *, as_json: bool) -> int:
    code = EXIT_REFUSED if isinstance(error, ConfigError) else EXIT_FAILED
    return _report(type(error).__name__, str(error), code, as_json=as_json)


def _report(kind: str, message: str, code: int, *, as_json: bool) -> int:
    line = " ".join(message.split())
    if as_json:
        import json

        click.echo(json.dumps({"error": line, "kind": kind}, ensure_ascii=False))
    else:
        click.echo(f"error: {line}", err=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
