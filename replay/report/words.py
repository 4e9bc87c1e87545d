"""How the report writes things: every text is escaped, every number has its place."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

NOTHING = "–"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NS = ((1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "µs"), (1, "ns"))
_CAPITAL = re.compile(r"(?<!^)([A-Z])")


class Markup(str):
    """Text that is HTML already; everything else is escaped."""

    __slots__ = ()


Cell = str | int | None


def escaped(value: Cell) -> Markup:
    """Return a value as HTML: markup as it is, nothing as a dash, numbers in groups of three."""
    if value is None or value == "":
        return Markup(NOTHING)
    if isinstance(value, Markup):
        return value
    return Markup(html.escape(f"{value:,}" if isinstance(value, int) else value, quote=True))


def money(value: str | None, width: int = 0) -> Markup:
    """Write an exact amount: to the cent, then the rest of its digits, fainter.

    Args:
        value: A plain decimal.
        width: Decimals of the longest one in the column, so that the points line up.
    """
    if value is None:
        return Markup(NOTHING)
    whole, _, part = value.partition(".")
    sign, digits = ("\u2212", whole[1:]) if whole.startswith("-") else ("", whole)
    cents, rest = part[:2].ljust(2, "0"), part[2:]
    tone = " class=neg" if sign else ""
    space = "\u2007" * max(0, width - 2 - len(rest))
    text = html.escape(f"{sign}{int(digits or 0):,}.{cents}")
    return Markup(f"<b{tone}>{text}</b><i>{html.escape(rest)}{space}</i>")


def decimals(values: Iterable[str | None]) -> int:
    """Return the decimals of the longest of some amounts, at least 2."""
    return max([2, *(len(value.partition(".")[2]) for value in values if value is not None)])


def number(value: float | None, places: int = 2, unit: str = "") -> str:
    """Write a statistic."""
    return NOTHING if value is None else f"{value:,.{places}f}{unit}".replace("-", "\u2212")


def percent(share: float | None) -> str:
    """Write a share, rounded down: 100 % is said of nothing less."""
    if share is None:
        return NOTHING
    tenths = int(share * 1000 + 1e-9)
    return f"{tenths // 10}.{tenths % 10} %"


def duration(took_ns: int | None) -> str:
    """Write a duration with three digits and its unit."""
    if took_ns is None:
        return NOTHING
    for size, unit in _NS:
        if took_ns >= size:
            value = took_ns / size
            places = 0 if value >= 100 or size == 1 else 1 if value >= 10 else 2
            return f"{value:.{places}f} {unit}"
    return "0"


def clock(took_ns: int) -> str:
    """Write a long duration as days, hours, minutes and seconds."""
    seconds = took_ns // 1_000_000_000
    days, rest = divmod(seconds, 86_400)
    text = f"{rest // 3600:d}:{rest // 60 % 60:02d}:{rest % 60:02d}"
    return f"{days} d {text}" if days else text


def moment(time_ns: int) -> str:
    """Write a time, UTC, to the millisecond."""
    when = _EPOCH + timedelta(microseconds=time_ns // 1000)
    return f"{when:%Y-%m-%d %H:%M:%S}.{time_ns // 1_000_000 % 1000:03d}"


def in_words(name: str) -> str:
    """Write `PlaceOrders` as "place orders"."""
    return _CAPITAL.sub(r" \1", name).lower().replace("_", " ")


def table(columns: Sequence[tuple[str, str]], rows: Sequence[Sequence[Cell]]) -> Markup:
    """Return a table that scrolls where it is too wide.

    Args:
        columns: Title and kind of each: `t` text, `n` number, `c` code.
        rows: Cells, as many a row as columns.
    """
    kinds = [kind for _, kind in columns]
    head = "".join(
        f"<th class={kind}>{escaped(title) if title else ''}</th>" for title, kind in columns
    )
    body = "".join(
        "<tr>"
        + "".join(
            f"<td class={kind}>{escaped(cell)}</td>" for kind, cell in zip(kinds, row, strict=True)
        )
        + "</tr>"
        for row in rows
    )
    return Markup(
        f'<div class=wide tabindex=0 role=region aria-label="Table">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def card(title: str, *parts: str, note: str = "") -> Markup:
    """Return a card: its title, a line that explains it, and what it holds."""
    lead = f"<p class=note>{escaped(note)}</p>" if note else ""
    return Markup(f"<section><h2>{escaped(title)}</h2>{lead}{''.join(parts)}</section>")


def heading(text: str) -> Markup:
    """Return a small heading within a card."""
    return Markup(f"<h3>{escaped(text)}</h3>")


def paragraph(text: str) -> Markup:
    """Return a line of text."""
    return Markup(f"<p>{escaped(text)}</p>")
