"""The cards of the report about requests and fees."""

from __future__ import annotations

from typing import Any

from replay.report import charts
from replay.report.charts import Charts
from replay.report.fold import Report
from replay.report.quoting import OUTCOMES
from replay.report.words import (
    Cell,
    Markup,
    card,
    decimals,
    duration,
    heading,
    in_words,
    money,
    paragraph,
    table,
)

Figures = dict[str, Any]

_LEGS = {
    "frame_to_decision_ns": "market frame to decision",
    "decision_to_sent_ns": "decision to request",
    "sent_to_acknowledged_ns": "request to acknowledgement",
    "age_ns": "age of the quote at the fill",
}


def latency_card(report: Report, figures: Figures, drawn: Charts) -> Markup:
    """How long things took."""
    rows: list[list[Cell]] = [
        [_LEGS[each["leg"]], each["count"], *_spread(each)] for each in figures["latency"]
    ]
    rows += [
        [f"{in_words(each['kind'])}: request to answer", each["count"], *_spread(each)]
        for each in figures["requests"]
        if each["count"]
    ]
    pieces: list[str] = ["<div class=grid>"]
    for leg, words in _LEGS.items():
        histogram = report.fills.legs[leg]
        if leg == "age_ns" or not histogram.longest_ns:
            continue
        chart = drawn.place(words, charts.bars(histogram))
        pieces.append(f"<div>{heading(f'Filled orders: {words}')}{chart}</div>")
    for kind in ("PlaceOrders", "ModifyOrder", "CancelOrder"):
        if kind in report.quoting.latencies:
            words = f"{in_words(kind)}: request to answer"
            chart = drawn.place(words, charts.bars(report.quoting.latencies[kind]))
            pieces.append(f"<div>{heading(words.capitalize())}{chart}</div>")
    pieces.append("</div>")
    columns = [
        ("", "t"),
        ("Count", "n"),
        ("Median", "n"),
        ("90 %", "n"),
        ("99 %", "n"),
        ("Longest", "n"),
    ]
    return card(
        "Latency",
        *pieces,
        table(columns, rows),
        note="The first rows are of orders that were filled, one for each fill; the others of every"
        " request. Percentiles are rounded up to two digits. A decision's requests carry its time.",
    )


def _spread(found: Figures) -> list[str]:
    return [duration(found[name]) for name in ("p50_ns", "p90_ns", "p99_ns", "max_ns")]


def requests_card(figures: Figures) -> Markup:
    """Requests by kind and outcome."""
    columns = [
        ("Request", "t"),
        ("Sent", "n"),
        *((_OUTCOME[name], "n") for name in OUTCOMES),
        ("Late", "n"),
    ]
    rows: list[list[Cell]] = [
        [
            in_words(row["kind"]),
            row["sent"],
            *(row[name] or None for name in OUTCOMES),
            row["late"] or None,
        ]
        for row in figures["requests"]
    ]
    if not rows:
        return card("Requests", paragraph("Nothing was sent."))
    return card(
        "Requests",
        table(columns, rows),
        note="Late answers came after their deadline. What goes out on a stream (open, close, ping,"
        " resubscribe) has no answer of its own.",
    )


_OUTCOME = {
    "ok": "Done",
    "refused": "Refused",
    "throttled": "Throttled",
    "unknown": "Unknown",
    "malformed": "Malformed",
    "withheld": "Withheld",
    "none": "No answer",
}


def fees_card(figures: Figures) -> Markup:
    """Fees and rebates of our fills, by asset."""
    fees = figures["fees"]
    if not fees:
        return Markup("")
    width = decimals(value for found in fees.values() for value in found.values())
    rows: list[list[Cell]] = [
        [asset, money(found["paid"], width), money(found["rebates"], width)]
        for asset, found in fees.items()
    ]
    return card(
        "Fees and rebates",
        table([("Asset", "t"), ("Paid", "n"), ("Got back", "n")], rows),
        note="As the venue charged them for our fills.",
    )
