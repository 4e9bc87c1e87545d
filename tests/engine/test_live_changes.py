"""Changes of parameters and limits while a market is quoted: exact, whole, and named."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest
from msgspec.structs import replace

import strategies as _strategies  # noqa: F401 - registers the strategy that is changed here
from engine.errors import ConfigError
from engine.inventory import Inventory
from engine.live_changes import CHANGES_MAX, SAFE, UNSAFE, changed, current, parse_changes
from engine.money import from_units
from engine.snapshot import decode_state, encode_state
from engine.state import MarketState, State
from engine.types import Limits
from tests.engine.builders import MARKET, NAME, PERPETUAL, Run, limits, quoted

PARAMETERS = (
    '{"ladder":[{"qty":"0.005","stp":"cn"},{"qty":"0.01","stp":"cn","offset_bps":1.0}],'
    '"half_spread_bps":0.3}'
)


def market(*, perpetual: bool = False) -> MarketState:
    spec = PERPETUAL if perpetual else MARKET
    limit = limits(collar_bps=100)
    run = Run(quoted(spec, PARAMETERS, "inventory_skew", limit, inventory_target=2_000))
    inventory = Inventory(baseline=Decimal(3), quote_baseline=Decimal(0))
    return replace(run.market, inventory=inventory)


def after(**changes: str) -> MarketState:
    return changed(market(), {key.replace("__", "."): text for key, text in changes.items()})


# --- numbers ----------------------------------------------------------------------------------

NUMBERS = [
    ("position_max", "0.25", 250),
    ("order_notional_max", "12.34567", 1_234_567),
    ("collar_bps", "60", 60),
    ("open_orders_max", "7", 7),
    ("limits.widen_bps", "1000", 1_000),
    ("limits.order_qty_max", "0.001", 1),
    ("limits.position_notional_max", "5", 500_000),
    ("limits.fills_per_minute_max", "1", 1),
    ("limits.loss_day_max", "0.00001", 1),
    ("limits.drawdown_max", "1", 100_000),
    ("limits.flatten_collar_bps", "1", 1),
]


@pytest.mark.parametrize(("key", "text", "value"), NUMBERS)
def test_a_limit_is_changed_to_the_last_digit_and_no_other(key: str, text: str, value: int) -> None:
    before = market()
    found = changed(before, {key: text}).quoted.limits
    name = key.rpartition(".")[2]
    assert getattr(found, name) == value
    assert replace(found, **{name: getattr(before.quoted.limits, name)}) == before.quoted.limits
    assert current(changed(before, {key: text}))[key] == text


def test_a_state_can_hold_the_largest_number_that_may_be_set() -> None:
    most = str(from_units((1 << 62) - 1, MARKET.qty_decimals))
    found = after(position_max=most, inventory_target=most)
    assert decode_state(encode_state(State(markets={NAME: found}))).markets[NAME] == found


def test_every_safe_key_is_tried_here() -> None:
    others = {"price_tolerance", "inventory_target", "uptime_bps"}
    assert {key for key, _, _ in NUMBERS} | others == set(SAFE)
    assert {key.rpartition(".")[2] for key in SAFE} - others <= set(Limits.__struct_fields__)


def test_room_and_position_follow_what_they_are_made_of() -> None:
    found = after(position_max="0.04")
    assert (found.long_max, found.short_max, found.inventory_max) == (40, 40, 40)
    assert after(inventory_target="2.5").position == 500
    assert after(inventory_target="0").position == 3_000
    assert after(price_tolerance="0.07").quoted.price_tolerance == 7
    assert after(price_tolerance="0").quoted.price_tolerance == 0
    assert after(uptime_bps="1000").quoted.uptime_bps == 1_000


# --- parameters -------------------------------------------------------------------------------


def test_a_parameter_is_changed_wherever_it_stands() -> None:
    found = after(ladder__1__qty="0.02", parameters__half_spread_bps="2", ladder__0__rpi="true")
    parameters = msgspec.json.decode(found.quoted.parameters)
    assert parameters["ladder"][1]["qty"] == "0.02"
    assert parameters["ladder"][0]["rpi"] is True
    assert parameters["half_spread_bps"] == 2.0
    assert found.strategy == type(found.strategy)(**msgspec.structs.asdict(found.strategy))
    assert msgspec.json.decode(found.quoted.parameters, type=type(found.strategy)) == found.strategy
    assert found.memory == market().memory, "what the strategy has learnt stays"


def test_a_ladder_is_replaced_whole() -> None:
    found = after(ladder='[{"qty":"0.003","stp":"co"}]')
    assert [key for key in current(found) if "ladder" in key] == [
        "parameters.ladder.0.qty",
        "parameters.ladder.0.stp",
        "parameters.ladder.0.offset_bps",
        "parameters.ladder.0.rpi",
    ]


def test_what_may_be_changed_is_listed_as_it_would_be_typed() -> None:
    found = market()
    listed = current(found)
    assert listed["position_max"] == "0.1"
    assert listed["limits.loss_day_max"] == "no limit"
    assert listed["parameters.ladder.0.qty"] == "0.005"
    assert listed["parameters.half_spread_bps"] == "0.3"
    assert listed["inventory_target"] == "2"
    typed = {key: text for key, text in listed.items() if text != "no limit"}
    again = changed(found, typed)
    assert current(again) == listed
    assert (again.quoted.limits, again.strategy) == (found.quoted.limits, found.strategy)


def test_a_perpetual_has_no_target_to_change() -> None:
    found = market(perpetual=True)
    assert "inventory_target" not in current(found)
    with pytest.raises(ConfigError, match="a perpetual has none"):
        changed(found, {"inventory_target": "0"})


# --- refusals ---------------------------------------------------------------------------------

REFUSALS = [
    ("finer than a lot", "position_max", "0.0001", "position_max: expected 0.001 or more"),
    ("finer than a tick", "price_tolerance", "0.001", "price_tolerance: expected 0 or more"),
    ("no 64 bits", "position_max", str(1 << 62), "position_max: expected fewer than 2^62 units"),
    ("far beyond", "collar_bps", "1e30", "collar_bps: expected fewer than 2^62 units"),
    ("nothing", "position_max", "0", "expected 0.001 or more (base asset, 3 decimals at most)"),
    ("negative", "price_tolerance", "-1", "found -1"),
    ("no number", "position_max", "much", "expected a decimal number, found 'much'"),
    ("infinite", "position_max", "inf", "expected a finite decimal number"),
    ("too many basis points", "collar_bps", "1001", "expected 1 to 1000 (basis points)"),
    ("no basis points", "limits.widen_bps", "0", "expected 1 to 1000 (basis points), found 0"),
    ("too many orders", "open_orders_max", "101", "expected 1 to 100 (count), found 101"),
    ("half an order", "open_orders_max", "1.5", "open_orders_max: expected 1 to 100 (count)"),
    ("too many fills", "limits.fills_per_minute_max", "100001", "expected 1 to 100000"),
    ("a collar within the other", "collar_bps", "49", "expected at most collar_bps, 49, found 50"),
    ("an unknown key", "positionmax", "1", "positionmax: expected one of position_max"),
    ("an unknown inner key", "ladder.0.quantity", "1", "found none at 'quantity'"),
    ("a level that is not there", "ladder.2.qty", "1", "found none at '2'"),
    ("a level that is no number", "ladder.-1.qty", "1", "found none at '-1'"),
    ("inside a number", "half_spread_bps.x", "1", "found none at 'x'"),
    ("another type", "half_spread_bps", "wide", "Expected `float`, got `str`"),
    ("out of its bounds", "half_spread_bps", "-1", "Expected `float` >= 0.0"),
    ("an unknown choice", "ladder.0.stp", "zz", "Invalid enum value 'zz'"),
    ("an empty ladder", "ladder", "[]", "length >= 1"),
    ("a size that is no number", "ladder.0.qty", "x", "not usable: ValueError expected a size"),
    ("a size below zero", "ladder.0.qty", "-0.01", "not usable: ValueError expected a size above"),
    ("a size finer than a lot", "ladder.0.qty", "0.0001", "not usable: ValueError"),
    *[(f"not live: {key}", f"{key}.x", "1", f"since {why}") for key, why in UNSAFE.items()],
]


@pytest.mark.parametrize(
    ("key", "text", "reason"), [case[1:] for case in REFUSALS], ids=[case[0] for case in REFUSALS]
)
def test_what_does_not_fit_is_refused_by_name(key: str, text: str, reason: str) -> None:
    with pytest.raises(ConfigError) as caught:
        changed(market(), {key: text})
    assert reason in str(caught.value)


def test_two_limits_that_fit_only_together_are_changed_together() -> None:
    found = changed(market(), {"collar_bps": "20", "limits.flatten_collar_bps": "20"})
    assert (found.quoted.limits.collar_bps, found.quoted.limits.flatten_collar_bps) == (20, 20)


@pytest.mark.parametrize(
    "argument", ["", "{", "[]", "{}", '{"a":1}', '{"a":null}', "null", "[" * 100_000]
)
def test_changes_that_are_no_texts_by_key_are_refused(argument: str) -> None:
    with pytest.raises(ConfigError, match="expected"):
        parse_changes(argument)


def test_changes_have_a_limit() -> None:
    def many(count: int) -> str:
        return msgspec.json.encode({str(n): "" for n in range(count)}).decode()

    assert len(parse_changes(many(CHANGES_MAX))) == CHANGES_MAX == 64
    with pytest.raises(ConfigError, match="expected 1 to 64 keys, found 65"):
        parse_changes(many(CHANGES_MAX + 1))
