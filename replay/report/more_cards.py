"""The cards of the report about single fills, risk, links and runs."""

from __future__ import annotations

import json
import shlex
from typing import Any

from replay.fill_rows import HORIZON_NAMES
from replay.report.fills import WORST, WORST_HORIZON
from replay.report.words import (
    Cell,
    Markup,
    card,
    clock,
    decimals,
    duration,
    escaped,
    heading,
    in_words,
    moment,
    money,
    number,
    paragraph,
    percent,
    table,
)

Figures = dict[str, Any]

_AFTER = HORIZON_NAMES[WORST_HORIZON]


def worst_card(figures: Figures, journal: str) -> Markup:
    """The fills that lost the most, and how to look into them."""
    worst = figures["worst"]
    if not worst:
        return card("Worst fills", paragraph(f"No fill had lost anything after {_AFTER}."))
    width = decimals(row[f"markout_{_AFTER}"] for row in worst)
    columns = [
        ("Time (UTC)", "t"),
        ("Market", "t"),
        ("Side", "t"),
        ("Price", "n"),
        ("Qty", "n"),
        ("Level", "n"),
        (f"After {_AFTER}, bps", "n"),
        ("in quote asset", "n"),
        ("Quote age", "n"),
        ("Deal", "c"),
    ]
    rows: list[list[Cell]] = [
        [
            moment(row["recv_ns"]),
            row["market"],
            row["side"],
            row["price"],
            row["qty"],
            row["level"],
            Markup(f"<b class=neg>{number(row[f'markout_bps_{_AFTER}'])}</b>"),
            money(row[f"markout_{_AFTER}"], width),
            duration(row["age_ns"]),
            str(row["deal_id"]),
        ]
        for row in worst
    ]
    commands = "\n".join(
        f"quotefold explain {shlex.quote(journal)} {row['deal_id']}" for row in worst
    )
    return card(
        "Worst fills",
        table(columns, rows),
        Markup(
            f"<details><summary>Commands that explain each of them</summary>"
            f"<pre>{escaped(commands)}</pre></details>"
        ),
        note=f"The {WORST} that had lost the most {_AFTER} later, in basis points of their price.",
    )


def risk_card(figures: Figures) -> Markup:
    """What risk and the venue refused, and how far markets were held back."""
    risk = figures["risk"]
    pieces = [*_refusals(risk), *_stages(risk), *_venue_refusals(risk)]
    return card("Risk", *(pieces or [paragraph("Nothing was refused, nothing was held back.")]))


def _refusals(risk: Figures) -> list[Markup]:
    rows: list[list[Cell]] = [
        [
            each["market"],
            " ".join(filter(None, (each["rule"], each["key"]))),
            each["count"],
            moment(each["last_ns"]),
            each["last"],
        ]
        for each in risk["refusals"]
    ]
    columns = [("Market", "t"), ("Rule", "c"), ("Times", "n"), ("Last (UTC)", "t")]
    return [heading("Refused by risk"), _wide_last(columns, rows)] if rows else []


def _stages(risk: Figures) -> list[Markup]:
    pieces = []
    rows: list[list[Cell]] = [
        [
            each["market"],
            each["rule"],
            each["stage"],
            each["count"],
            moment(each["last_ns"]),
            each["last"],
        ]
        for each in risk["stages"]
    ]
    if rows:
        columns = [("Market", "t"), ("Rule", "c"), ("Stage", "c"), ("Times", "n")]
        pieces += [heading("Held back"), _wide_last([*columns, ("Last (UTC)", "t")], rows)]
    if any(each["stage"] != "QUOTE" for each in risk["stage_s"]):
        rows = [
            [each["market"], each["stage"], number(float(each["seconds"]), 1, " s")]
            for each in risk["stage_s"]
        ]
        columns = [("Market", "t"), ("Stage", "c"), ("Time", "n")]
        pieces += [heading("Time in each stage"), table(columns, rows)]
    return pieces


def _venue_refusals(risk: Figures) -> list[Markup]:
    rows: list[list[Cell]] = [
        [each["market"], in_words(each["kind"]), each["count"], each["last"]]
        for each in risk["venue_refusals"]
    ]
    columns = [("Market", "t"), ("Why", "t"), ("Times", "n")]
    listing = _wide_last(columns, rows, "What it said last")
    return [heading("Refused by the venue"), listing] if rows else []


def _wide_last(
    columns: list[tuple[str, str]], rows: list[list[Cell]], last: str = "Reason"
) -> Markup:
    return table([*columns, (last, "w")], rows)


def links_card(figures: Figures) -> Markup:
    """Streams and incidents."""
    rows: list[list[Cell]] = [
        [
            name,
            percent(found["ready"]),
            clock(found["ready_ns"]),
            found["closed"] or None,
            duration(found["longest_outage_ns"]) if found["longest_outage_ns"] else None,
        ]
        for name, found in figures["streams"].items()
    ]
    pieces: list[str] = []
    if rows:
        pieces.append(
            table(
                [
                    ("Stream", "t"),
                    ("Ready", "n"),
                    ("for", "n"),
                    ("Lost", "n"),
                    ("Longest outage", "n"),
                ],
                rows,
            )
        )
    incidents = figures["incidents"]
    if incidents["counts"]:
        rows = [[kind, count] for kind, count in incidents["counts"].items()]
        pieces += [heading("How often"), table([("What", "t"), ("Times", "n")], rows)]
        listed = incidents["listed"]
        whole = sum(incidents["counts"].values())
        rows = [
            [moment(each.at_ns), str(each.seq), each.kind, each.where, each.text] for each in listed
        ]
        shown = f"{len(listed):,} of {whole:,}" if len(listed) < whole else f"all {whole:,}"
        listing = table(
            [("Time (UTC)", "t"), ("Seq", "n"), ("What", "t"), ("Where", "t"), ("", "w")], rows
        )
        pieces.append(f"<details><summary>In order ({shown})</summary>{listing}</details>")
    return card(
        "Links and incidents",
        *(pieces or [paragraph("No streams, no incidents.")]),
        note="Readiness counts from the start of each run; a lost stream is one that was"
        " ready before. Outages include the time that the first connection took.",
    )


def runs_card(figures: Figures) -> Markup:
    """Each run with its versions and parameters."""
    runs = figures["runs"]
    rows: list[list[Cell]] = [
        [
            each["run_id"],
            each["mode"],
            moment(each["from_ns"]),
            clock(each["until_ns"] - each["from_ns"]),
            f"{each['from_seq']}–{each['until_seq']}",
            {True: "clean", False: "NOT CLEAN", None: "did not end here"}[each["clean"]],
            each["reason"],
        ]
        for each in runs["listed"]
    ]
    columns = [
        ("Run", "c"),
        ("Mode", "t"),
        ("From (UTC)", "t"),
        ("Took", "n"),
        ("Seqs", "n"),
        ("Ended", "t"),
        ("", "t"),
    ]
    pieces: list[str] = [table(columns, rows)]
    for each in runs["listed"]:
        pieces.append(_run_details(each))
    if figures["parameter_sets"]:
        rows = [
            [
                found.index,
                found.market,
                found.strategy,
                found.digest,
                found.since_seq,
                found.parameters,
            ]
            for found in figures["parameter_sets"]
        ]
        listing = _wide_last(
            [("Set", "n"), ("Market", "t"), ("Strategy", "c"), ("Digest", "c"), ("First seq", "n")],
            rows,
            "Parameters",
        )
        pieces.append(f"<details><summary>Parameter sets that decided</summary>{listing}</details>")
    shown = len(runs["listed"])
    more = "" if shown == runs["count"] else f"{shown} of {runs['count']} runs are listed."
    return card("Runs", *pieces, note=more)


def _run_details(run: Figures) -> Markup:
    versions = run["versions"]
    lines = (
        ["versions: not in the part that is reported on"]
        if versions is None
        else [f"{name} {version}" for name, version in versions.items()]
    )
    for market in run["markets"]:
        lines.append("")
        lines.append(
            f"{market['market']} ({market['product']}), {market['strategy']}, "
            f"uptime within {market['uptime_bps']} bps"
        )
        lines.append(_pretty(market["parameters"]))
    text = escaped("\n".join(lines))
    return Markup(
        f"<details><summary>{escaped(run['run_id'])}: versions and parameters"
        f"</summary><pre>{text}</pre></details>"
    )


def _pretty(parameters: str) -> str:
    try:
        return json.dumps(json.loads(parameters), indent=1)
    except ValueError:
        return parameters
