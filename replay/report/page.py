"""The report as one HTML file: no network, no reference to anything outside of it."""

from __future__ import annotations

import base64
import hashlib
import json
from importlib.resources import files
from typing import Any

from replay.report.cards import inventory_card, markout_card, pnl_card, quoting_card, tiles
from replay.report.charts import Charts
from replay.report.fold import Report
from replay.report.more_cards import links_card, risk_card, runs_card, worst_card
from replay.report.request_cards import fees_card, latency_card, requests_card
from replay.report.words import Markup, clock, escaped, moment

Figures = dict[str, Any]

_MODES = {
    "paper": "Simulated: paper. No real money moved, and fills are the paper venue's.",
    "observe": "Observed only: no orders were placed.",
}


def page(report: Report, journal: str, version: str) -> bytes:
    """Write a report.

    Args:
        report: Folded.
        journal: Its path, as commands name it.
        version: Of the program.
    """
    figures, drawn = report.figures(), Charts()
    cards = [
        pnl_card(report, figures, drawn),
        inventory_card(report, figures, drawn),
        quoting_card(report, figures, drawn),
        markout_card(report, figures, drawn),
        worst_card(figures, journal),
        fees_card(figures),
        latency_card(report, figures, drawn),
        requests_card(figures),
        risk_card(figures),
        links_card(figures),
        runs_card(figures),
    ]
    script = f"{asset('uPlot.iife.min.js')}\n{asset('page.js')}"
    style = f"{asset('uPlot.min.css')}\n{asset('page.css')}"
    title = f"Quotefold report: {journal}"
    return (
        "<!doctype html>\n"
        '<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_policy(script)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{escaped(title)}</title>\n<style>{style}</style></head>\n<body><main>\n"
        f"{_header(figures, journal)}\n{tiles(figures)}\n"
        + "\n".join(filter(None, cards))
        + f"\n{_footer(figures, version)}\n</main>\n"
        f'<script type="application/json" id="data">{embedded(drawn.found)}</script>\n'
        f"<script>{script}</script>\n</body></html>\n"
    ).encode()


def asset(name: str) -> str:
    """Return a file that is shipped with the program."""
    return files("replay.report").joinpath("assets", name).read_text("utf-8")


def embedded(value: Any) -> str:
    """Write JSON that nothing in it can end the script it stands in."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _policy(script: str) -> str:
    # Only this very script runs, and nothing is ever loaded.
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline';"
        " base-uri 'none'; form-action 'none'"
    )


def _header(figures: Figures, journal: str) -> Markup:
    window, runs = figures["window"], figures["runs"]["count"]
    modes = figures["modes"]
    tags = [_MODES[mode] for mode in modes if mode in _MODES]
    tags += [
        f"{words}. No real money moved, and every fill is an estimate."
        for words in figures["backtests"]
    ]
    tags += ["Live: real orders, real money."] if "live" in modes else []
    badges = "".join(f"<div class=tag>{escaped(tag)}</div>" for tag in tags)
    took = window["until_ns"] - window["from_ns"]
    span = (
        f"{moment(window['from_ns'])} to {moment(window['until_ns'])} UTC, {clock(took)}"
        if window["until_seq"]
        else "nothing of the journal lies in what was asked for"
    )
    return Markup(
        f"<header>{badges}<h1>{escaped(journal)}</h1>"
        f"<p class=sub>{escaped(span)}<br>{figures['records']:,} records, seq "
        f"{window['from_seq']:,} to {window['until_seq']:,}, {runs:,} "
        f"{'run' if runs == 1 else 'runs'}</p></header>"
    )


def _footer(figures: Figures, version: str) -> Markup:
    lines = []
    foreign = sum(figures["foreign_fills"].values())
    if foreign:
        lines.append(
            f"{foreign:,} deals of the account were not this engine's: they are in the P&L, which"
            " follows the account's inventory, and in none of the figures of fills."
        )
    if figures["late_fills"]:
        lines.append(
            f"{figures['late_fills']:,} fills were told late, by history: they have no markouts."
        )
    lines.append(f"Made by Quotefold {version} from the journal alone. Charts: uPlot (MIT).")
    return Markup("<footer>" + "".join(f"<p>{escaped(line)}</p>" for line in lines) + "</footer>")
