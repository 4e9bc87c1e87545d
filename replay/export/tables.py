"""Which tables an export has, with their columns; docs/export.md says what each is.

Money, prices and quantities are DECIMAL, with ticks and lots as integers beside them where there
are any; DOUBLE is for statistics alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from engine.errors import ConfigError
from replay.fill_rows import COLUMNS, HORIZON_NAMES

INTEGER, TEXT, DECIMAL, BOOLEAN, DOUBLE = "BIGINT", "VARCHAR", "DECIMAL", "BOOLEAN", "DOUBLE"

DECIMALS_MAX, DIGITS_MAX = 18, 20
"""After and before the point of a DECIMAL(38, 18)."""
_SHORT = DECIMALS_MAX + 1
"""A decimal of so many characters fits, whatever it is."""

Value = str | int | float | bool | None
Row = Sequence[Value]


class Table(msgspec.Struct, frozen=True):
    """One table."""

    name: str
    columns: tuple[tuple[str, str], ...]
    """Name and kind."""

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.columns]

    @property
    def decimals(self) -> tuple[int, ...]:
        """Which columns are exact decimals."""
        return tuple(n for n, (_, kind) in enumerate(self.columns) if kind is DECIMAL)


def check_decimals(table: Table, rows: Sequence[Row]) -> None:
    """Refuse what a DECIMAL(38, 18) would round.

    Raises:
        ConfigError: a value has more digits than that.
    """
    for index in table.decimals:
        for row in rows:
            value = row[index]
            if value is not None and len(value) > _SHORT and not _fits(value):  # type: ignore[arg-type]
                name = table.columns[index][0]
                raise ConfigError(
                    f"{table.name}.{name}: expected at most {DIGITS_MAX} digits before and"
                    f" {DECIMALS_MAX} after the point, found {value}; --format csv has no limit"
                )


def _fits(value: Value) -> bool:
    whole, _, part = str(value).partition(".")
    return len(part) <= DECIMALS_MAX and len(whole.lstrip("-")) <= DIGITS_MAX


EVENTS = Table(
    "events",
    (
        ("seq", INTEGER),
        ("recv_ns", INTEGER),
        ("cause_seq", INTEGER),
        ("run_id", TEXT),
        ("type", TEXT),
        ("tag", TEXT),
        ("market", TEXT),
        ("venue_us", INTEGER),
        ("event", TEXT),
    ),
)

TOPS = Table(
    "tops",
    (
        ("seq", INTEGER),
        ("recv_ns", INTEGER),
        ("market", TEXT),
        ("bid", DECIMAL),
        ("bid_qty", DECIMAL),
        ("ask", DECIMAL),
        ("ask_qty", DECIMAL),
        ("bid_ticks", INTEGER),
        ("bid_lots", INTEGER),
        ("ask_ticks", INTEGER),
        ("ask_lots", INTEGER),
    ),
)

QUOTES = Table(
    "quotes",
    (
        ("seq", INTEGER),
        ("recv_ns", INTEGER),
        ("market", TEXT),
        ("change", TEXT),
        ("client_order_id", TEXT),
        ("order_id", INTEGER),
        ("side", TEXT),
        ("level", INTEGER),
        ("rpi", BOOLEAN),
        ("price", DECIMAL),
        ("qty", DECIMAL),
        ("price_ticks", INTEGER),
        ("qty_lots", INTEGER),
    ),
)

ORDERS = Table(
    "orders",
    (
        ("client_order_id", TEXT),
        ("market", TEXT),
        ("run_id", TEXT),
        ("side", TEXT),
        ("level", INTEGER),
        ("rpi", BOOLEAN),
        ("post_only", BOOLEAN),
        ("stp", TEXT),
        ("sent_seq", INTEGER),
        ("sent_ns", INTEGER),
        ("price", DECIMAL),
        ("qty", DECIMAL),
        ("shown_seq", INTEGER),
        ("shown_ns", INTEGER),
        ("modifies", INTEGER),
        ("last_price", DECIMAL),
        ("status", TEXT),
        ("closed_seq", INTEGER),
        ("closed_ns", INTEGER),
        ("close_reason", TEXT),
        ("fills", INTEGER),
        ("filled_qty", DECIMAL),
        ("filled_notional", DECIMAL),
        ("price_ticks", INTEGER),
        ("qty_lots", INTEGER),
        ("last_price_ticks", INTEGER),
        ("filled_lots", INTEGER),
    ),
)

_FILL_KINDS = {
    **dict.fromkeys(("price", "qty", "notional", "fee", "fee_value", "edge"), DECIMAL),
    **dict.fromkeys(("position_before", "position_after"), DECIMAL),
    **dict.fromkeys(("queue_ahead", "queue_total"), DECIMAL),
    **dict.fromkeys(("is_late", "rpi", "post_only"), BOOLEAN),
    **dict.fromkeys(("deal_id", "seq", "recv_ns", "venue_us", "level", "order_id"), INTEGER),
    **dict.fromkeys(("leg", "parameter_set", "frame_seq", "trigger_seq", "age_ns"), INTEGER),
    **dict.fromkeys(("decided_seq", "sent_seq", "acknowledged_seq"), INTEGER),
    **dict.fromkeys(
        ("frame_to_decision_ns", "decision_to_sent_ns", "sent_to_acknowledged_ns"), INTEGER
    ),
    "edge_bps": DOUBLE,
    **{
        f"{moment}_{price}": DECIMAL
        for moment in ("decided", "sent", "acknowledged", "filled")
        for price in ("mid", "bid", "ask")
    },
    **{f"mid_{name}": DECIMAL for name in HORIZON_NAMES},
    **{f"markout_{name}": DECIMAL for name in HORIZON_NAMES},
    **{f"markout_bps_{name}": DOUBLE for name in HORIZON_NAMES},
    **{f"markout_seq_{name}": INTEGER for name in HORIZON_NAMES},
}

FILLS = Table("fills", tuple((name, _FILL_KINDS.get(name, TEXT)) for name in COLUMNS))

PNL = Table(
    "pnl",
    (
        ("seq", INTEGER),
        ("recv_ns", INTEGER),
        ("market", TEXT),
        ("quote_asset", TEXT),
        ("mark", DECIMAL),
        ("position", DECIMAL),
        ("total", DECIMAL),
        ("spread", DECIMAL),
        ("inventory", DECIMAL),
        ("fees", DECIMAL),
        ("funding", DECIMAL),
        ("interest", DECIMAL),
        ("fills", INTEGER),
        ("mark_half_ticks", INTEGER),
        ("position_lots", INTEGER),
    ),
)

TABLES = {table.name: table for table in (EVENTS, TOPS, QUOTES, ORDERS, FILLS, PNL)}
