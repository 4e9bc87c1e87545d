"""`quotefold replay`: fold journals again, and prove them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from adapters.cli.whatif import is_asked, run_what_if, what_if_options

NEWEST = "snapshot"


@click.command()
@click.argument(
    "journals", metavar="JOURNAL...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@click.option("--verify", is_flag=True, help="Compare states, intents and request bytes.")
@click.option(
    "--from",
    "from_where",
    metavar="SEQ|snapshot",
    help="Begin with the newest snapshot at or before this record, or with the newest of all.",
)
@click.option("--until", type=click.IntRange(min=1), metavar="SEQ", help="Stop after this record.")
@click.option("--follow", is_flag=True, help="Prove a journal while its run writes it.")
@click.option(
    "--jobs", type=click.IntRange(1), metavar="N", help="Processes to verify in. Default: cores."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, nothing else.")
@what_if_options
def replay(
    journals: tuple[Path, ...],
    verify: bool,
    from_where: str | None,
    until: int | None,
    follow: bool,
    jobs: int | None,
    as_json: bool,
    **wished: Any,
) -> int:
    """Fold each JOURNAL from its first record, by the code as it is now.

    With --verify, three levels are proved: every decision's intents, every request's bytes from
    the recomputed intent and the recorded nonce, and every fingerprint of the whole state. What
    differs between the code and packages of then and now is said first. --follow does it for a
    run that goes on, until that ends, a difference is found, or Ctrl-C.

    With --set, --strategy or --what-if, every decision is made again along the recorded facts, and
    what comes out otherwise is summarised; docs/what-if.md explains it. A difference is no error.

    Exit codes: 0 done or proved, 1 diverged (the first seq and field are named) or not to be
    followed, 2 could not run.
    """
    if is_asked(wished):
        beside = {"--verify": verify, "--from": from_where, "--follow": follow, "--jobs": jobs}
        return run_what_if(journals, until, as_json=as_json, beside=beside, **wished)
    from functools import partial

    from adapters.cli.proof_text import print_beginning, print_proofs
    from adapters.cli.proving import Asked, prove_journals
    from adapters.ports import SystemFs
    from engine.errors import ConfigError, JournalError
    from replay.parallel import cores

    at_most = _at_most(from_where)
    if follow and (len(journals) > 1 or until is not None):
        raise ConfigError("--follow: expected one journal, and no --until")
    fs = SystemFs()
    shown = len(journals) == 1 and not as_json
    tell = partial(print_beginning, verified=verify) if shown else lambda one: None
    try:
        if follow:
            from adapters.cli.follow import follow_journal

            return follow_journal(fs, journals[0], at_most, as_json=as_json)
        asked = Asked(at_most, until, jobs or cores(), verify, quiet=as_json)
        found = prove_journals(fs, journals, asked, tell)
    except JournalError as error:
        # The journal cannot be read, which proves nothing about the run.
        raise ConfigError(str(error)) from error
    return print_proofs(fs, found, verified=verify, as_json=as_json)


def _at_most(from_where: str | None) -> int | None:
    # The last record whose snapshot may be used: 0 for none, None for any.
    from engine.errors import ConfigError

    if from_where is None:
        return 0
    if from_where == NEWEST:
        return None
    if not from_where.isdecimal() or int(from_where) < 1:
        raise ConfigError(f"--from: expected a seq or `{NEWEST}`, found {from_where!r}")
    return int(from_where)
