"""What `quotefold replay` says of a what-if: lines, or one JSON object."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import click

from adapters.cli.moments import format_moment
from engine.money import format_units
from replay.changes import Changes
from replay.outcomes import Difference, Kind, Stand
from replay.whatif import EDGES_BPS, Asked, Differences, Part

NOTE = (
    "note: recorded facts (fills, answers, the market) are followed, so after the first difference"
    " the own orders in the state are still those recorded"
)
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_KINDS = {
    Kind.PRICE: "other price",
    Kind.QTY: "other size",
    Kind.SETTINGS: "other settings",
    Kind.MORE: "stands only now",
    Kind.FEWER: "stood only then",
    Kind.REQUESTS: "other requests",
    Kind.REFUSALS: "other refusals",
    Kind.STAGES: "other stages",
}


class Lister:
    """Prints each difference as it is found; with `as_json`, keeps them for the one object."""

    def __init__(self, *, as_json: bool) -> None:
        self.rows: list[dict[str, Any]] = []
        self._as_json = as_json

    def __call__(self, found: Difference) -> None:
        """Take a difference."""
        if self._as_json:
            self.rows.append(_row(found))
        else:
            click.echo(_line(found))


def print_text(journal: Path, changes: Changes, result: Differences) -> None:
    """Say what differs in lines."""
    click.echo(
        f"{journal}: {result.records:,} records, {result.decisions:,} decisions made again with"
        f" {_described(changes)}"
    )
    click.echo(NOTE)
    if result.stopped_seq:
        click.echo(f"STOPPED at seq {result.stopped_seq}, not to be followed: {result.stopped}")
    if result.first is None:
        click.echo("no decision differs")
        return
    share = 100 * result.differing / result.decisions
    differ = "decision differs" if result.differing == 1 else "decisions differ"
    click.echo(f"{result.differing:,} {differ} ({share:.1f} %)")
    click.echo(f"first: {_line(result.first)}")
    click.echo("")
    click.echo("orders asked for      placed  modified  cancelled   other requests  all requests")
    for name, asked in (("recorded", result.recorded), ("recomputed", result.recomputed)):
        click.echo(
            f"  {name:<14} {asked.place:>12,} {asked.modify:>9,} {asked.cancel:>10,}"
            f" {asked.other:>16,} {asked.requests:>13,}"
        )
    for part in _sorted(result):
        _print_part(part)


def _print_part(part: Part) -> None:
    click.echo("")
    kinds = ", ".join(f"{_KINDS[kind]} {part.kinds[kind]:,}" for kind in Kind if kind in part.kinds)
    differ = "decision differs" if part.decisions == 1 else "decisions differ"
    click.echo(f"{_name(part)}: {part.decisions:,} {differ}: {kinds}")
    if part.first is not None:
        click.echo(f"  first    {_line(part.first)}")
    if part.largest is None:
        return
    click.echo(f"  largest  {_line(part.largest)}")
    quantiles = "  ".join(
        f"p{100 * share:g} {part.quantile_bps(share):+.1f}" for share in QUANTILES
    )
    click.echo(f"  price    {quantiles} bps, + is further from the market")
    classes = [
        f"{name} {count:,}"
        for name, count in zip(_class_names(), part.classes(), strict=True)
        if count
    ]
    click.echo(f"           {'  '.join(classes)}")


def print_json(journal: Path, changes: Changes, result: Differences, lister: Lister | None) -> None:
    """Say what differs as one JSON object."""
    found: dict[str, Any] = {
        "journal": str(journal),
        "changes": {"strategy": changes.strategy or None, "set": dict(changes.keys)},
        "follows": "recorded facts",
        "records": result.records,
        "decisions": result.decisions,
        "differing": result.differing,
        "differences": result.found,
        "requests": {"recorded": _asked(result.recorded), "recomputed": _asked(result.recomputed)},
        "first": None if result.first is None else _row(result.first),
        "parts": [_part(part) for part in _sorted(result)],
        "stopped": None
        if not result.stopped_seq
        else {"seq": result.stopped_seq, "reason": result.stopped},
    }
    if lister is not None:
        found["list"] = lister.rows
    click.echo(json.dumps(found))


def _part(part: Part) -> dict[str, Any]:
    return {
        "market": part.market or None,
        "side": None if part.side is None else part.side.name.lower(),
        "decisions": part.decisions,
        "kinds": {kind.value: count for kind, count in sorted(part.kinds.items())},
        "first": None if part.first is None else _row(part.first),
        "largest": None if part.largest is None else _row(part.largest),
        "price_bps": {f"p{100 * share:g}": part.quantile_bps(share) for share in QUANTILES},
        "price_bps_classes": dict(zip(_class_names(), part.classes(), strict=True)),
    }


def _asked(asked: Asked) -> dict[str, int]:
    return {
        "place": asked.place,
        "modify": asked.modify,
        "cancel": asked.cancel,
        "other": asked.other,
        "requests": asked.requests,
    }


def _row(found: Difference) -> dict[str, Any]:
    bps = found.outward_bps
    return {
        "seq": found.seq,
        "recv_ns": found.at_ns,
        "kind": found.kind.value,
        "market": found.market or None,
        "side": None if found.side is None else found.side.name.lower(),
        "client_order_id": found.client_order_id or None,
        "level": None if found.side is None else found.level,
        "recorded": _stand(found, found.recorded),
        "recomputed": _stand(found, found.recomputed),
        "outward_bps": None if bps is None else round(bps, 4),
        "words": found.words or None,
    }


def _stand(found: Difference, stand: Stand | None) -> dict[str, str] | None:
    if stand is None or found.spec is None:
        return None
    return {
        "price": format_units(stand.price, found.spec.price_decimals),
        "qty": format_units(stand.qty, found.spec.qty_decimals),
    }


def _line(found: Difference) -> str:
    where = f"seq {found.seq} {format_moment(found.at_ns)} {found.market}".rstrip()
    if found.side is None:
        return f"{where} {found.words}"
    order = f"{found.side.name.lower()} level {found.level}"
    bps = found.outward_bps
    away = f" ({bps:+.2f} bps outward)" if bps and found.kind is Kind.PRICE else ""
    then, now = _words(found, found.recorded), _words(found, found.recomputed)
    return f"{where} {order}: {then} -> {now}{away}"


def _words(found: Difference, stand: Stand | None) -> str:
    if stand is None or found.spec is None:
        return "none"
    spec = found.spec
    price = format_units(stand.price, spec.price_decimals)
    return f"{format_units(stand.qty, spec.qty_decimals)} at {price}"


def _sorted(result: Differences) -> list[Part]:
    return [result.parts[key] for key in sorted(result.parts)]


def _name(part: Part) -> str:
    side = "" if part.side is None else part.side.name.lower()
    return f"{part.market} {side}".strip() or "the run"


def _described(changes: Changes) -> str:
    told = [f"{key}={text}" for key, text in changes.keys]
    if changes.strategy:
        told.insert(0, f"strategy {changes.strategy}")
    return ", ".join(told) or "the code as it is now"


def _class_names() -> list[str]:
    inner = [f"{low:g}..{high:g}" for low, high in pairwise(EDGES_BPS)]
    return [f"<{EDGES_BPS[0]:g}", *inner, f">{EDGES_BPS[-1]:g}"]
