"""What `quotefold replay` says of a proof: in words, or as one JSON object."""

from __future__ import annotations

import json
from typing import Any

import click

from adapters.cli.proving import Proven
from adapters.ports import Fs
from replay.cause import Records, chain
from replay.verify import Divergence, Proof

EXIT_PROVED = 0
EXIT_DIVERGED = 1
EXIT_COULD_NOT_RUN = 2
SHOWN = 8
"""Differing fields printed of one divergence; --json has all that were found."""


def exit_code(found: list[Proven]) -> int:
    """Return 1 if any journal diverged, else 2 if any could not be read, else 0."""
    if any(one.proof.divergences for one in found):
        return EXIT_DIVERGED
    return EXIT_COULD_NOT_RUN if any(one.error for one in found) else EXIT_PROVED


def print_beginning(one: Proven, *, verified: bool) -> None:
    """Say, before a journal is proved, what is to be expected."""
    for note in one.notes:
        click.echo(f"note: {note}")
    if one.from_seq > 1:
        click.echo(f"begins with the state after seq {one.from_seq - 1}, which the journal records")
    if verified:
        for line in one.expectations:
            click.echo(line)


def print_proof(fs: Fs, one: Proven, *, verified: bool) -> None:
    """Say at length what became of one journal."""
    proof = one.proof
    click.echo(f"{one.journal}: {_counts(proof)}")
    click.echo(f"state at seq {one.state.seq}: fingerprint {proof.fingerprint.hex()}")
    if not verified:
        return
    if proof.first is None:
        click.echo(f"proved: {_proved(proof)} came out the same")
    else:
        print_divergence(fs, one, proof.first)


def print_divergence(fs: Fs, one: Proven, first: Divergence) -> None:
    """Say where recording and recomputation first differ, how, and what led there."""
    proof = one.proof
    click.echo(
        f"DIVERGED at seq {first.seq} ({first.level}, caused by seq {first.cause_seq}): "
        f"{first.difference}"
    )
    for difference in first.differences[1:SHOWN]:
        click.echo(f"  also {difference}")
    if len(first.differences) > SHOWN:
        click.echo(f"  and {len(first.differences) - SHOWN} fields more at least")
    _section("what led there, from the record back to what came from outside", _chain(fs, one))
    _section("the state on both sides", _sides(proof, first))
    _section("what was recomputed, before the record", list(first.state))
    click.echo(f"{proof.divergences:,} divergences in all; only the first is sure to be a cause")


def print_lines(found: list[Proven]) -> None:
    """Say in a line each what became of several journals."""
    for one in found:
        if one.error:
            click.echo(f"{one.journal}: could not be read: {one.error}")
        elif (first := one.proof.first) is not None:
            click.echo(
                f"{one.journal}: DIVERGED at seq {first.seq} ({first.level}): {first.difference}"
            )
        else:
            click.echo(
                f"{one.journal}: proved: {_proved(one.proof)}, {one.proof.records:,} records"
            )


def to_json(fs: Fs, one: Proven) -> dict[str, Any]:
    """Return what became of one journal as an object."""
    proof = one.proof
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
        "from_seq": one.from_seq,
        "expected": list(one.expectations),
        "notes": list(one.notes),
        "manifest": [
            {
                "run_id": run.run_id,
                "seq": run.seq,
                "versions": dict(run.made.versions),
                "code": dict(run.made.code),
                "config_hash": run.config_hash,
                "config_agrees": run.config_agrees,
                "schema_hash": run.made.schema_hash.hex(),
            }
            for run in one.manifests
        ],
    }
    if (first := proof.first) is not None:
        result["first"] = {
            "seq": first.seq,
            "level": first.level,
            "difference": first.difference,
            "cause_seq": first.cause_seq,
            "differences": list(first.differences),
            "chain": _chain(fs, one),
            "agreed_seq": first.agreed_seq,
            "checked_seq": proof.checked_seq,
            "checked_agreed": proof.checked_agreed,
            "sides": _sides(proof, first),
            "state": list(first.state),
        }
    return result


def print_proofs(fs: Fs, found: list[Proven], *, verified: bool, as_json: bool) -> int:
    """Say what became of journals, and return the exit code."""
    if as_json:
        click.echo(json.dumps(_object(fs, found)))
    elif len(found) == 1:
        print_proof(fs, found[0], verified=verified)
    elif verified:
        print_lines(found)
    else:
        for one in found:
            text = f"could not be read: {one.error}" if one.error else _counts(one.proof)
            click.echo(f"{one.journal}: {text}")
    return exit_code(found)


def _object(fs: Fs, found: list[Proven]) -> dict[str, Any]:
    if len(found) == 1:
        return to_json(fs, found[0])
    named = [{"journal": str(one.journal)} for one in found]
    told = [{"error": one.error} if one.error else to_json(fs, one) for one in found]
    return {
        "journals": [name | rest for name, rest in zip(named, told, strict=True)],
        "divergences": sum(one.proof.divergences for one in found),
    }


def _counts(proof: Proof) -> str:
    return (
        f"{proof.records:,} records, {proof.runs} runs, {proof.events:,} events, "
        f"{proof.decisions:,} decisions, {proof.intents:,} intents, {proof.requests:,} requests"
    )


def _proved(proof: Proof) -> str:
    return (
        f"{proof.fingerprints:,} states, {proof.decisions:,} decisions and "
        f"{proof.requests:,} requests"
    )


def _section(title: str, lines: list[str]) -> None:
    if lines:
        click.echo(f"{title}:")
        for line in lines:
            click.echo(f"  {line}")


def _chain(fs: Fs, one: Proven) -> list[str]:
    first = one.proof.first
    assert first is not None
    return chain(Records(fs, one.journal), first.seq, first.markets)


def _sides(proof: Proof, first: Divergence) -> list[str]:
    """What is known of the recorded state: its fingerprints, and what the run kept of it."""
    since = f"seq {first.agreed_seq}" if first.agreed_seq else "the beginning"
    lines: list[str] = []
    if first.level == "state":
        lines.append(
            f"equal up to {since}; one of the records from there to seq {first.seq - 1} is"
            " folded otherwise, or is not what it was"
        )
    elif proof.checked_seq and proof.checked_agreed:
        lines.append(
            f"equal: the fingerprints of {since} and of seq {proof.checked_seq} come out the same,"
            " so the same state led to something else"
        )
    elif proof.checked_seq:
        lines.append(
            f"equal up to {since}, different at seq {proof.checked_seq}, the next fingerprint: what"
            " is folded may differ, and not only what follows from it"
        )
    else:
        lines.append(f"equal up to {since}; no fingerprint follows that could tell")
    if (kept := proof.kept) is not None:
        lines.append(f"against the state that the run kept at seq {kept.seq}:")
        lines += [f"  {difference}" for difference in kept.differences]
    return lines
