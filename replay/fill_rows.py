"""A fill's trail as one flat row of named values, for JSON, CSV and tables of others.

Money, prices and quantities are exact decimal strings; times and durations are nanoseconds;
basis points are rounded to `BPS_PLACES`. What the journal does not tell is None.
"""

from __future__ import annotations

from decimal import Decimal

from engine.money import format_units
from replay.trails import HORIZONS_NS, FillTrail, Leg, Moment

BPS_PLACES = 4

Value = str | int | float | bool | None


def horizon_name(horizon_ns: int) -> str:
    """Return `0.1s`, `5s` and so on."""
    return f"{format_units(horizon_ns, 9)}s"


HORIZON_NAMES = tuple(horizon_name(horizon_ns) for horizon_ns in HORIZONS_NS)


def fill_row(trail: FillTrail) -> dict[str, Value]:
    """Return every figure of a fill by its name; docs/fills.md says what each is."""
    fill, spec = trail.fill, trail.spec
    return {
        "deal_id": fill.deal_id,
        "seq": trail.seq,
        "recv_ns": trail.filled.at_ns,
        "venue_us": fill.venue_us,
        "told_by": trail.told_by,
        "is_late": trail.is_late,
        "market": fill.market,
        "side": fill.side.name.lower(),
        "role": fill.role.name.lower(),
        "price": format_units(fill.price, spec.price_decimals),
        "qty": format_units(fill.qty, spec.qty_decimals),
        "notional": plain(trail.notional),
        "fee": plain(fill.fee),
        "fee_asset": fill.fee_asset,
        "fee_value": plain(trail.fee_value),
        "quote_asset": spec.quote_asset,
        "level": trail.level,
        "order_id": fill.order_id,
        "client_order_id": fill.client_order_id,
        "position_before": format_units(trail.position_before, spec.qty_decimals),
        "position_after": format_units(trail.position_after, spec.qty_decimals),
        **_leg_values(trail, trail.leg),
        **_top_values(trail, trail.filled, "filled"),
        "queue_ahead": _lots(trail, trail.queue[-1].ahead if trail.queue else None),
        "queue_total": _lots(trail, trail.queue[-1].total if trail.queue else None),
        "age_ns": trail.age_ns,
        "frame_to_decision_ns": trail.frame_to_decision_ns,
        "decision_to_sent_ns": trail.decision_to_sent_ns,
        "sent_to_acknowledged_ns": trail.sent_to_acknowledged_ns,
        "edge": plain(trail.edge),
        "edge_bps": rounded_bps(trail.edge_bps),
        **_markout_values(trail),
    }


def _leg_values(trail: FillTrail, leg: Leg | None) -> dict[str, Value]:
    found: dict[str, Value] = dict.fromkeys(_LEG_VALUES)
    if leg is not None:
        parameters, frame, trigger = leg.parameters, leg.frame, leg.trigger
        values: tuple[Value, ...] = (
            leg.rpi,
            leg.stp.value,
            leg.post_only,
            leg.number if leg.number >= 0 else None,
            leg.run_id,
            parameters.index if parameters is not None else None,
            parameters.digest if parameters is not None else None,
            frame.seq if frame is not None else None,
            frame.kind if frame is not None else None,
            trigger.seq if trigger is not None else None,
            trigger.kind if trigger is not None else None,
            leg.acknowledged_by or None,
        )
        found = dict(zip(_LEG_VALUES, values, strict=True))
    for name in ("decided", "sent", "acknowledged"):
        moment: Moment | None = getattr(leg, name, None)
        found[f"{name}_seq"] = None if moment is None else moment.seq
        found.update(_top_values(trail, moment, name))
    return found


_LEG_VALUES = (
    *("rpi", "stp", "post_only", "leg", "run_id", "parameter_set", "parameter_digest"),
    *("frame_seq", "frame", "trigger_seq", "trigger", "acknowledged_by"),
)
_TOP_VALUES = ("mid", "bid", "ask")
COLUMNS = (
    *("deal_id", "seq", "recv_ns", "venue_us", "told_by", "is_late", "market", "side", "role"),
    *("price", "qty", "notional", "fee", "fee_asset", "fee_value", "quote_asset", "level"),
    *("order_id", "client_order_id", "position_before", "position_after"),
    *_LEG_VALUES,
    *("decided_seq", "decided_mid", "decided_bid", "decided_ask"),
    *("sent_seq", "sent_mid", "sent_bid", "sent_ask"),
    *("acknowledged_seq", "acknowledged_mid", "acknowledged_bid", "acknowledged_ask"),
    *("filled_mid", "filled_bid", "filled_ask", "queue_ahead", "queue_total", "age_ns"),
    *("frame_to_decision_ns", "decision_to_sent_ns", "sent_to_acknowledged_ns"),
    *("edge", "edge_bps"),
    *(
        f"{what}_{name}"
        for name in HORIZON_NAMES
        for what in ("mid", "markout", "markout_bps", "markout_seq", "markout_missing")
    ),
)
"""Names of `fill_row`, in its order; new ones are added, none is renamed."""


def _top_values(trail: FillTrail, moment: Moment | None, name: str) -> dict[str, Value]:
    # The mid as P&L counts it; bid and ask are those of everybody else.
    if moment is None:
        return {f"{name}_{value}": None for value in _TOP_VALUES}
    decimals = trail.spec.price_decimals
    bid, _, ask, _ = moment.top
    return {
        f"{name}_mid": _price2(moment.mid2, decimals),
        f"{name}_bid": format_units(bid, decimals) if bid else None,
        f"{name}_ask": format_units(ask, decimals) if ask else None,
    }


def _markout_values(trail: FillTrail) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for index, (name, markout) in enumerate(zip(HORIZON_NAMES, trail.markouts, strict=True)):
        found[f"mid_{name}"] = _price2(markout.mid2, trail.spec.price_decimals)
        found[f"markout_{name}"] = plain(trail.markout(index))
        found[f"markout_bps_{name}"] = rounded_bps(trail.markout_bps(index))
        found[f"markout_seq_{name}"] = markout.seq or None
        found[f"markout_missing_{name}"] = markout.missing or None
    return found


def _price2(price2: int, decimals: int) -> str | None:
    # Half a tick is five of the next decimal.
    return format_units(5 * price2, decimals + 1) if price2 else None


def _lots(trail: FillTrail, lots: int | None) -> str | None:
    # Below zero stands for unknown.
    return None if lots is None or lots < 0 else format_units(lots, trail.spec.qty_decimals)


def plain(value: Decimal | None) -> str | None:
    """Write an amount without an exponent."""
    return None if value is None else f"{value:f}"


def rounded_bps(value: float | None) -> float | None:
    """Round basis points, which are a statistic, for display."""
    return None if value is None else round(value, BPS_PLACES)
