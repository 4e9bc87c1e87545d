"""`quotefold journal`: what is in a journal file, is it whole, show me the records.

Exit codes: 0 whole, 1 damaged (the place is named), 2 could not run. Heavy imports wait until a
command runs, since `--help` has to answer at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from adapters.cli.journal_cut import cut_command
from adapters.cli.journal_export import export_command
from adapters.cli.journal_renormalize import renormalize_command
from adapters.cli.places import json_option, print_json
from engine.errors import ConfigError, JournalError

if TYPE_CHECKING:
    from adapters.ports import SystemFs
    from adapters.runtime.journal_compact import Compacted
    from adapters.runtime.journal_verify import Report
    from engine.events import Record

_DAMAGED = 1

_directory = click.argument("directory", metavar="JOURNAL", type=click.Path(path_type=Path))


@click.group()
def journal() -> None:
    """Look into a journal directory, and look after it; only `compact` changes it."""


journal.add_command(cut_command)
journal.add_command(export_command)
journal.add_command(renormalize_command)


@journal.command("ls")
@_directory
@json_option
def list_command(directory: Path, as_json: bool) -> None:
    """List runs and segments with their sizes, records, seqs and times (UTC)."""
    _require_journal(directory)
    segments = list(_segment_rows(directory))
    if as_json:
        runs = segments[-1]["run"] if segments else 0
        records = sum(row["records"] for row in segments)
        found = {"journal": str(directory), "runs": runs, "records": records}
        print_json({**found, "segments": segments})
        return
    click.echo(
        "run  segment               bytes    on disk    records  seqs                   "
        "from                         to"
    )
    for row in segments:
        seqs = f"{row['first_seq']}-{row['last_seq']}"
        click.echo(
            f"{row['run']:>3}  {row['file']:<16}  {row['bytes']:>9}  {row['stored']:>9}"
            f"  {row['records']:>9}  {seqs:<21}"
            f"  {row['first_time'] or '-':<27}  {row['last_time'] or '-'}"
        )


@journal.command("verify")
@_directory
@json_option
def verify_command(directory: Path, as_json: bool) -> None:
    """Check every byte of a journal and of its raw capture."""
    from adapters.ports import SystemFs
    from adapters.runtime.journal_verify import verify_journal

    try:
        report = verify_journal(SystemFs(), directory)
    except JournalError as error:
        raise ConfigError(str(error)) from error
    if as_json:
        print_json(_report_object(report))
    else:
        _print_report(report)
    if report.all_problems:
        click.get_current_context().exit(_DAMAGED)


@journal.command("cat")
@_directory
@click.option("--from", "from_seq", type=click.IntRange(min=0), default=1, metavar="SEQ")
@click.option("--until", "until_seq", type=click.IntRange(min=0), metavar="SEQ", help="Included.")
@click.option("--tag", "tags", multiple=True, help="Only these: a tag (bd) or a name (BookDelta).")
@json_option
def cat_command(
    directory: Path, from_seq: int, until_seq: int | None, tags: tuple[str, ...], as_json: bool
) -> None:
    """Print records as JSON, one on a line; with --json as one object."""
    _check_tags(tags)
    _require_journal(directory)
    collected = []
    for record in _records(directory, from_seq, until_seq):
        shown = _record_object(record)
        if tags and shown["tag"] not in tags and shown["type"] not in tags:
            continue
        if as_json:
            collected.append(shown)
        else:
            print_json(shown)
    if as_json:
        print_json({"journal": str(directory), "records": collected})


@journal.command("compact")
@_directory
@json_option
def compact_command(directory: Path, as_json: bool) -> None:
    """Compress the closed segments of a journal that no engine is writing.

    `run` does this by itself beside its loop. Each segment is checked before it is replaced, and
    the journal reads, verifies and replays as before; `zstd -d` gives back the plain file.
    """
    from adapters.ports import SystemFs

    _require_journal(directory)
    done = _compact(SystemFs(), directory)
    plain, packed = sum(one.plain for one in done), sum(one.packed for one in done)
    if as_json:
        counts = {"segments": len(done), "bytes": plain, "stored": packed}
        print_json({"journal": str(directory), **counts})
    else:
        click.echo(f"{directory}: {len(done)} segments compressed, {plain} to {packed} bytes")


def _compact(fs: SystemFs, directory: Path) -> list[Compacted]:
    from adapters.runtime.journal import taken_lock
    from adapters.runtime.journal_compact import compact_journal

    with taken_lock(fs, directory) as lock:
        done = compact_journal(fs, directory)
    lock.release()
    return done


@journal.command("salvage")
@_directory
@click.argument("target", metavar="NEW", type=click.Path(path_type=Path))
@json_option
def salvage_command(directory: Path, target: Path, as_json: bool) -> None:
    """Copy what is whole of a damaged journal to NEW, and name what is lost.

    Where records are missing the copy is parted: NEW, NEW.2 and so on, each without a gap. NEW can
    be replayed and continued; the others can be read. The damaged journal is left as it is.

    Exit codes: 0 nothing lost, 1 something was, 2 could not run.
    """
    from adapters.ports import SystemFs
    from adapters.runtime.journal_salvage import salvage

    _require_journal(directory)
    try:
        found = salvage(SystemFs(), directory, target)
    except (JournalError, OSError) as error:
        raise ConfigError(str(error)) from error
    if as_json:
        import msgspec

        print_json({"journal": str(directory), **msgspec.to_builtins(found)})
    else:
        for stretch in found.stretches:
            click.echo(f"{stretch.directory}: seq {stretch.first_seq} to {stretch.last_seq}")
        for lost in found.lost:
            click.echo(f"LOST: {lost}")
    if found.lost:
        click.get_current_context().exit(_DAMAGED)


def _require_journal(directory: Path) -> None:
    from adapters.ports import SystemFs
    from adapters.runtime.journal_read import list_segments

    if not list_segments(SystemFs(), directory):
        raise ConfigError(f"{directory}: expected a journal with segments, found none")


def _check_tags(tags: tuple[str, ...]) -> None:
    from engine.events import AnyEvent

    known = {str(kind.__struct_config__.tag) for kind in AnyEvent.__args__}
    known |= {kind.__name__ for kind in AnyEvent.__args__}
    for tag in tags:
        if tag not in known:
            raise ConfigError(
                f"--tag: expected an event's tag such as bd or its name such as BookDelta, found"
                f" {tag!r}; all are in engine/events.py"
            )


def _records(directory: Path, from_seq: int, until_seq: int | None) -> Iterator[Record]:
    from adapters.ports import SystemFs
    from adapters.runtime.journal_read import JournalReader
    from engine.codec import decode_record

    for seq, payload in JournalReader(SystemFs(), directory).payloads(from_seq):
        if until_seq is not None and seq > until_seq:
            return
        yield decode_record(payload)


def _segment_rows(directory: Path) -> Iterator[dict[str, Any]]:
    from adapters.cli.moments import format_moment
    from adapters.ports import SystemFs
    from adapters.runtime.journal_read import read_segments
    from engine.codec import decode_record

    run = 0
    for segment in read_segments(SystemFs(), directory):
        run += not segment.header.rolled
        first = last = None
        for seq, payload in segment.records():
            last = (seq, payload)
            first = first or last
        yield {
            "run": run,
            "file": segment.path.name,
            "bytes": len(segment.walk.data),
            "stored": SystemFs().size(segment.path),
            "records": segment.walk.count,
            "first_seq": first[0] if first else 0,
            "last_seq": last[0] if last else 0,
            "first_time": format_moment(decode_record(first[1]).recv_ns) if first else None,
            "last_time": format_moment(decode_record(last[1]).recv_ns) if last else None,
            "schema_hash": segment.header.schema_hash.hex(),
            "config_hash": segment.header.config_hash.hex(),
        }


def _report_object(report: Report) -> dict[str, Any]:
    import msgspec

    counted = {
        "ok": not report.all_problems,
        "runs": report.runs,
        "records": report.records,
        "first_seq": report.first_seq,
        "last_seq": report.last_seq,
    }
    fields: dict[str, Any] = msgspec.to_builtins(report)
    if report.raw is not None:
        fields["raw"] = _report_object(report.raw)
    return {**counted, **fields}


def _print_report(report: Report, what: str = "events") -> None:
    size = sum(segment.size for segment in report.segments)
    click.echo(
        f"{report.directory}: {what}: {report.records} records in {len(report.segments)} segments"
        f" of {report.runs} runs, seq {report.first_seq} to {report.last_seq}, {size} bytes"
    )
    if report.torn is not None:
        torn = report.torn
        click.echo(
            f"torn tail: {torn.segment} offset {torn.offset}: {torn.bytes_cut} bytes of an"
            " interrupted write; the next run cuts them off"
        )
    if report.begins:
        click.echo(f"begins later: {report.begins}")
    for name in report.unknown_files:
        click.echo(f"unknown file: {name}")
    for problem in report.problems:
        click.echo(f"DAMAGED: {problem}")
    if report.raw is not None:
        _print_report(report.raw, "raw")


def _record_object(record: Record) -> dict[str, Any]:
    """Name what the journal stores by position, so that a person can read it."""
    shown = _named(record.event)
    head = {"seq": record.seq, "recv_ns": record.recv_ns, "cause_seq": record.cause_seq}
    tag, name = shown.pop("tag"), shown.pop("type")
    return {**head, "tag": tag, "type": name, "event": shown}


def _named(value: Any) -> Any:
    import msgspec

    if isinstance(value, msgspec.Struct):
        fields = {name: _named(getattr(value, name)) for name in value.__struct_fields__}
        tag = value.__struct_config__.tag
        return fields if tag is None else {"tag": tag, "type": type(value).__name__, **fields}
    if isinstance(value, tuple):
        return [_named(item) for item in value]
    if isinstance(value, bytes):
        return value.decode() if value.isascii() and value[:1] == b"{" else value.hex()
    return value
