"""The story of one fill as one object: every figure whole, prices and quantities as decimals."""

from __future__ import annotations

from typing import Any

import msgspec

from adapters.cli.explain_money import short_story
from adapters.cli.words import sentence
from engine.money import format_units
from engine.types import Level, Market
from replay.explain import Priced, Race, Story
from replay.fields import named
from replay.fill_rows import fill_row
from replay.scenes import Scene
from replay.watching import Told


def to_object(story: Story) -> dict[str, Any]:
    """Return everything a story holds as builtins; docs/debugging-a-fill.md names the parts."""
    spec = story.trail.spec
    return {
        "words": list(short_story(story)),
        "fill": fill_row(story.trail),
        "moments": [_scene(scene, spec) for scene in story.scenes],
        "planner": [msgspec.to_builtins(looks) for looks in story.looks],
        "chain": [_told(told) for told in story.chain],
        "events": [_told(told) for told in story.touching],
        "queue": [
            {
                "seq": point.seq,
                "at_ns": at_ns,
                "ahead": _qty(spec, point.ahead),
                "total": _qty(spec, point.total),
            }
            for at_ns, point in story.queue
        ],
        "mids": [[at_ns, _mid(spec, mid2)] for at_ns, mid2 in story.mids],
        "trades": [_trade(spec, *found) for found in story.trades],
        "met": None if story.met is None else _trade(spec, *story.met),
        "race": _race(story.race, spec),
        "parameters": None if story.priced is None else _priced(story.priced, spec),
        "parameters_of_sweep": None if story.swept is None else _priced(story.swept, spec),
        "left_seq": story.left_seq,
        "mode": story.mode,
        "backtest": None if story.made is None else msgspec.to_builtins(story.made),
    }


def _qty(spec: Market, lots: int) -> str | None:
    # Below zero stands for unknown.
    return format_units(lots, spec.qty_decimals) if lots >= 0 else None


def _price(spec: Market, ticks: int) -> str | None:
    return format_units(ticks, spec.price_decimals) if ticks else None


def _mid(spec: Market, mid2: int) -> str | None:
    return format_units(5 * mid2, spec.price_decimals + 1) if mid2 else None


def _level(spec: Market, level: Level | None) -> dict[str, Any] | None:
    if level is None:
        return None
    return {"price": _price(spec, level.price), "qty": _qty(spec, level.qty)}


def _scene(scene: Scene, spec: Market) -> dict[str, Any]:
    bid, bid_qty, ask, ask_qty = scene.moment.top
    order = scene.order
    return {
        "name": scene.name,
        "seq": scene.moment.seq,
        "at_ns": scene.moment.at_ns,
        "bid": _price(spec, bid),
        "bid_qty": _qty(spec, bid_qty),
        "ask": _price(spec, ask),
        "ask_qty": _qty(spec, ask_qty),
        "mid": _mid(spec, scene.moment.mid2),
        "position": format_units(scene.position, spec.qty_decimals),
        "inventory_max": _qty(spec, scene.inventory_max),
        "room": _qty(spec, scene.room),
        "gate": scene.gate,
        "holds": named(scene.holds),
        "limits": named(scene.limits),
        "strategy": scene.strategy,
        "parameters": msgspec.json.decode(scene.parameters),
        # Prices among the figures are in ticks, as the strategy has them.
        "reasoning": named(scene.reasoning),
        "level": scene.level,
        "wanted": _level(spec, scene.want),
        "bids": [_level(spec, level) for level in scene.quote.bids],
        "asks": [_level(spec, level) for level in scene.quote.asks],
        "order": None if order is None else named(order),
        "verdict": msgspec.to_builtins(scene.verdict),
    }


def _told(told: Told) -> dict[str, Any]:
    record = told.record
    return {
        "seq": record.seq,
        "recv_ns": record.recv_ns,
        "cause_seq": record.cause_seq,
        "kind": type(record.event).__name__,
        "words": sentence(record, told.before),
    }


def _trade(spec: Market, seq: int, at_ns: int, trade: Any) -> dict[str, Any]:
    return {
        "seq": seq,
        "at_ns": at_ns,
        "trade_id": trade.trade_id,
        "price": _price(spec, trade.price),
        "qty": _qty(spec, trade.qty),
        "taker": trade.side.name.lower(),
        "rpi": trade.rpi,
        "venue_us": trade.venue_us,
    }


def _race(race: Race, spec: Market) -> dict[str, Any]:
    found = msgspec.to_builtins(race)
    if race.move is not None:
        found["move"]["price"] = _price(spec, race.move.price)
    return {**found, "late_ns": race.late_ns}


def _priced(priced: Priced, spec: Market) -> dict[str, Any]:
    return {
        "price": _price(spec, priced.price),
        "best": _price(spec, priced.best),
        "is_met": priced.is_met,
        "ways": [
            {
                "parameter": way.parameter.name,
                "in_force": way.parameter.value,
                "low": way.parameter.at(way.parameter.low),
                "high": way.parameter.at(way.parameter.high),
                "needed": way.from_value,
                "needed_until": way.until_value,
                "remembered": way.is_remembered,
                "or_more": way.is_higher,
                "best_then": _price(spec, way.price),
            }
            for way in priced.ways
        ],
    }
