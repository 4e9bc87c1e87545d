"""`quotefold replay`: fold a journal again, and prove it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from engine.state import State
    from replay.verify import Proof

EXIT_DIVERGED = 1
EXIT_COULD_NOT_RUN = 2


@click.command()
@click.argument("journal", type=click.Path(path_type=Path))
@click.option("--verify", is_flag=True, help="Compare states, intents and request bytes.")
@click.option("--until", type=int, metavar="SEQ", help="Stop after this record.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, nothing else.")
def replay(journal: Path, verify: bool, until: int | None, as_json: bool) -> int:
    """Fold JOURNAL from its first record, by the code as it is now.

    With --verify, three levels are proved: every decision's intents, every request's bytes from
    the recomputed intent and the recorded nonce, and every fingerprint of the whole state.

    Exit codes: 0 done or proved, 1 diverged (the first seq and field are named), 2 could not run.
    """
    from adapters.ports import SystemFs
    from adapters.runtime.journal_start import start_state
    from engine.errors import ConfigError, JournalError
    from replay.progress import with_progress
    from replay.read import read_records
    from replay.verify import verify as prove

    fs = SystemFs()
    if not fs.list_dir(journal):
        raise ConfigError(f"{journal}: expected a journal directory, found none or an empty one")
    try:
        start = start_state(fs, journal)
        found = read_records(fs, journal, until, start.seq + 1)
        records = with_progress(found, enabled=not as_json)
        proof, state = prove(records, start=start, compare=verify)
    except (JournalError, ConfigError) as error:
        # The journal cannot be read, which proves nothing about the run.
        raise ConfigError(str(error)) from error
    if as_json:
        _print_json(proof)
    else:
        _print_text(proof, state, journal, verified=verify)
    return EXIT_DIVERGED if proof.divergences else 0


def _print_json(proof: Proof) -> None:
    import json

    result: dict[str, Any] = {
        "events": proof.events,
        "records": proof.records,
        "decisions": proof.decisions,
        "intents": proof.intents,
        "requests": proof.requests,
        "fingerprints": proof.fingerprints,
        "runs": proof.runs,
        "divergences": proof.divergences,
        "fingerprint": proof.fingerprint.hex(),
    }
    if proof.first is not None:
        result["first"] = {
            "seq": proof.first.seq,
            "level": proof.first.level,
            "difference": proof.first.difference,
            "cause_seq": proof.first.cause_seq,
        }
    click.echo(json.dumps(result))


def _print_text(proof: Proof, state: State, journal: Path, *, verified: bool) -> None:
    from adapters.runtime.run import versions

    click.echo(
        f"{journal}: {proof.records:,} records, {proof.runs} runs, {proof.events:,} events, "
        f"{proof.decisions:,} decisions, {proof.intents:,} intents, {proof.requests:,} requests"
    )
    recorded, now = dict(proof.versions), dict(versions())
    for name, version in recorded.items():
        if now.get(name) != version:
            click.echo(f"note: {name} was {version} when recorded, is {now.get(name)} now")
    click.echo(f"state at seq {state.seq}: fingerprint {proof.fingerprint.hex()}")
    if not verified:
        return
    if proof.first is None:
        click.echo(
            f"proved: {proof.fingerprints:,} states, {proof.decisions:,} decisions and "
            f"{proof.requests:,} requests came out the same"
        )
        return
    first = proof.first
    click.echo(
        f"DIVERGED at seq {first.seq} ({first.level}, caused by seq {first.cause_seq}): "
        f"{first.difference}"
    )
    click.echo(f"{proof.divergences:,} divergences in all; only the first is sure to be a cause")
