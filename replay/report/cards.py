"""The cards of the report about money and quoting."""

from __future__ import annotations

from typing import Any

from replay.fill_rows import HORIZON_NAMES
from replay.money import PARTS
from replay.report import charts
from replay.report.charts import Charts
from replay.report.fold import Report
from replay.report.money import POSITION, TOTAL
from replay.report.words import (
    Cell,
    Markup,
    card,
    decimals,
    escaped,
    heading,
    money,
    number,
    paragraph,
    percent,
    table,
)

Figures = dict[str, Any]

POINTS = ("at fill", *HORIZON_NAMES)


def pnl_card(report: Report, figures: Figures, drawn: Charts) -> Markup:
    """P&L of each market and of each quote asset: exact, and over time."""
    markets, totals = figures["pnl"]["markets"], figures["pnl"]["all"]
    columns = [(name, found) for name, found in markets.items()]
    columns += [(f"all {asset}", found) for asset, found in totals.items() if found["markets"] > 1]
    if not columns:
        return card("P&L", paragraph("No market was quoted."))
    parts = [part for part in PARTS if part in _shown_parts(markets)]
    keys = ["total", *parts, "low", "high", "drawdown"]
    widths = [decimals(found[key] for key in keys) for _, found in columns]
    rows: list[list[Cell]] = [
        [
            key if key in parts else _NAMES[key],
            *(money(found[key], width) for (_, found), width in zip(columns, widths, strict=True)),
        ]
        for key in keys
    ]
    heads = [
        (f"{name} ({found['quote_asset']})" if "quote_asset" in found else name, "n")
        for name, found in columns
    ]
    pieces: list[str] = [table([("", "t"), *heads], rows)]
    series = report.money.charts()
    for name, found in columns:
        asset = found.get("quote_asset", name.removeprefix("all "))
        names = {TOTAL: "total"}
        names |= {1 + PARTS.index(part): part for part in parts}
        chart = charts.lines(series.get(name, []), names, asset)
        pieces += [heading(f"{name}, {asset}"), drawn.place(f"P&L of {name} over time", chart)]
    pieces += _unpriced(markets)
    return card(
        "P&L",
        *pieces,
        note="Exact, since the beginning of what is reported on. The total is the sum of its parts:"
        " spread is earned against the mid at each fill, inventory is what the mid then did to what"
        " was held, fees are below zero when paid. Low, high and furthest fall are of the samples,"
        " one a second and one a deal.",
    )


_NAMES = {"total": "total", "low": "lowest", "high": "highest", "drawdown": "furthest fall"}


def _shown_parts(markets: Figures) -> set[str]:
    # Interest and funding only where there may be any.
    parts = {"spread", "inventory", "fees"}
    for found in markets.values():
        product = found.get("product")
        if product == "perpetual" or found["funding"] != "0":
            parts.add("funding")
        if product == "margin" or found["interest"] != "0":
            parts.add("interest")
    return parts


def _unpriced(markets: Figures) -> list[str]:
    untold: list[str] = [
        paragraph(f"{name}: the last funding is not in the P&L, the venue has not told it yet.")
        for name, found in markets.items()
        if found.get("unknown_funding_s")
    ]
    return untold + [
        paragraph(f"{name}: fees of {fee} {asset} are not in the P&L, their worth is not known.")
        for name, found in markets.items()
        for asset, fee in found.get("unknown_fees", {}).items()
    ]


def inventory_card(report: Report, figures: Figures, drawn: Charts) -> Markup:
    """What is held, over time."""
    pieces: list[str] = []
    rows: list[list[Cell]] = []
    series = report.money.charts()
    for name, found in figures["pnl"]["markets"].items():
        if "position" not in found:
            continue
        base = found["base_asset"]
        rows.append(
            [name, _amount(found["position"], base), _amount(found["mark"], found["quote_asset"])]
        )
        chart = charts.lines(series.get(name, []), {POSITION: "held"}, base, step=True)
        pieces += [heading(f"{name}, {base}"), drawn.place(f"Inventory of {name}", chart)]
    head = table([("Market", "t"), ("Held at the end", "n"), ("Marked at", "n")], rows)
    return card(
        "Inventory",
        head,
        *pieces,
        note="Against the target on spot, the signed position on a perpetual.",
    )


def _amount(value: str | None, asset: str) -> Cell:
    return None if value is None else f"{value} {asset}"


def quoting_card(report: Report, figures: Figures, drawn: Charts) -> Markup:
    """Uptime, fill ratio, order-to-trade ratio."""
    pieces: list[str] = []
    uptime = figures["uptime"]
    if uptime:
        rows: list[list[Cell]] = [
            [name, f"{found['within_bps']} bps", percent(found["bid"]), percent(found["ask"])]
            for name, found in uptime.items()
        ]
        pieces.append(
            table([("Market", "t"), ("Within", "n"), ("Bid up", "n"), ("Ask up", "n")], rows)
        )
        for name, found in report.quoting.charts().items():
            chart = charts.shares(found, ("bid", "ask"))
            pieces += [
                heading(f"{name}, share of the time"),
                drawn.place(f"Uptime of {name} over time", chart),
            ]
    else:
        pieces.append(paragraph("Nothing was quoted."))
    orders = figures["orders"]
    if orders:
        pieces.append(heading("Orders and fills"))
        pieces.append(_orders_table(orders))
    return card(
        "Quoting",
        *pieces,
        note="Uptime is the share of the time since the first quote of each run in which the venue"
        " had acknowledged an order this close to the mid. The fill ratio is the share of quotes,"
        " each a place or a modify of an order, that a deal met. Order-to-trade is orders placed,"
        " modified and cancelled for each deal.",
    )


def _orders_table(orders: Figures) -> Markup:
    columns = [
        ("Market", "t"),
        ("Placed", "n"),
        ("Modified", "n"),
        ("Cancelled", "n"),
        ("Deals", "n"),
        ("Quotes filled", "n"),
        ("Fill ratio", "n"),
        ("Quantity filled", "n"),
        ("of offered", "n"),
        ("Order-to-trade", "n"),
    ]
    rows: list[list[Cell]] = [
        [
            name,
            found["places"],
            found["modifies"],
            found["cancels"] + found["cancel_alls"],
            found["fills"],
            found["filled_quotes"],
            number(None if found["fill_ratio"] is None else 100 * found["fill_ratio"], 2, " %"),
            found["filled_qty"],
            found["placed_qty"],
            number(found["order_to_trade"], 2),
        ]
        for name, found in orders.items()
    ]
    return table(columns, rows)


def markout_card(report: Report, figures: Figures, drawn: Charts) -> Markup:
    """What the market did after fills."""
    if not figures["markouts"]:
        return card("Markouts", paragraph("No fills."))
    pieces: list[str] = []
    for market in dict.fromkeys(row["market"] for row in figures["markouts"]):
        grouped = report.fills.grouped

        def of_side(name: str, side: str, level: Any, rpi: Any, market: str = market) -> Any:
            return f"{side}s" if name == market else None

        def of_level(name: str, side: str, level: Any, rpi: Any, market: str = market) -> Any:
            words = "level not known" if level is None else f"level {level}"
            return words if name == market else None

        def of_rpi(name: str, side: str, level: Any, rpi: Any, market: str = market) -> Any:
            return (
                {True: "RPI", False: "not RPI", None: "not known"}[rpi] if name == market else None
            )

        pieces.append("<div class=grid>")
        for title, key in (("by side", of_side), ("by level", of_level), ("by RPI", of_rpi)):
            found = {name: list(row["bps"].values()) for name, row in grouped(key).items()}
            if title == "by RPI" and list(found) == ["not RPI"]:
                continue
            chart = charts.curve(POINTS, found, "bps")
            label = f"{market}, {title}"
            pieces.append(f"<div>{heading(f'{label}, bps')}{drawn.place(label, chart)}</div>")
        pieces.append("</div>")
    return card(
        "Markouts",
        *pieces,
        heading("Every group, basis points, and below them of how many fills"),
        _markout_table(figures["markouts"]),
        note="What fills had gained against the mid so long after them, in basis points of the"
        " price, weighted by notional. Below zero the market went against us.",
    )


def _markout_table(rows: list[Figures]) -> Markup:
    columns = [("Market", "t"), ("Side", "t"), ("Level", "n"), ("RPI", "t"), ("Fills", "n")]
    columns += [(name, "n") for name in POINTS]
    return table(
        columns,
        [
            [
                row["market"],
                row["side"],
                row["level"],
                {True: "yes", False: "no", None: None}[row["rpi"]],
                row["fills"],
                *(
                    _bps(bps, count)
                    for bps, count in zip(row["bps"].values(), row["counts"].values(), strict=True)
                ),
            ]
            for row in rows
        ],
    )


def _bps(bps: float | None, count: int) -> Markup:
    tone = "neg" if bps is not None and bps < 0 else ""
    return Markup(f"<b class={tone or 'pos'}>{number(bps)}</b><br><small>{count:,}</small>")


def tiles(figures: Figures) -> Markup:
    """The figures that one looks for first."""
    found: list[tuple[str, str, str]] = []
    for asset, whole in figures["pnl"]["all"].items():
        tone = "neg" if whole["total"].startswith("-") else "good"
        cents = money(whole["total"]).partition("<i>")[0].replace("class=neg", "")
        found.append(
            (
                f"P&L, {asset}",
                f"<span_ class={tone}>{cents}</span_>",
                f"furthest fall {_cents(whole['drawdown'])}",
            )
        )
    for asset, notional in figures["notional"].items():
        found.append(
            (
                f"Traded, {asset}",
                escaped(_cents(notional)),
                f"{figures['fills']:,} fills, {figures['maker_fills']:,} as maker",
            )
        )
    for name, uptime in figures["uptime"].items():
        lower = min(uptime["bid"], uptime["ask"])
        found.append(
            (
                f"Uptime, {name}",
                percent(lower),
                f"the lower side, within {uptime['within_bps']} bps",
            )
        )
    trouble = figures["incidents"]["counts"]
    gaps, unknown = trouble.get("gap", 0), trouble.get("unknown", 0)
    refused = sum(each["count"] for each in figures["risk"]["refusals"])
    found.append(("Risk refusals", f"{refused:,}", f"{gaps:,} gaps, {unknown:,} unknown outcomes"))
    return Markup(
        "<div class=tiles>"
        + "".join(
            f"<div class=tile><span>{escaped(name)}</span><strong>{value}</strong>"
            f"<em>{escaped(note)}</em></div>"
            for name, value, note in found
        ).replace("span_", "b")
        + "</div>"
    )


def _cents(value: str) -> str:
    whole, _, part = value.partition(".")
    return f"{int(whole):,}.{part[:2].ljust(2, '0')}".replace("-", "\u2212")
