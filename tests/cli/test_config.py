"""The configuration file: what it means, and how it is refused."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from adapters.cli.config import (
    BUILT_IN,
    Config,
    config_json,
    default_config,
    load_config,
    parse_config,
    to_quoted,
    to_settings,
)
from adapters.ports import SystemFs
from engine.errors import ConfigError
from engine.strategy import load_strategy
from engine.types import Market, Product, Settings
from strategies.inventory_skew import InventorySkew

SPOT = Market(
    "BTC_USDT", "BTC", "USDT", Product.SPOT, 2, 6, 10, 505_000_000, 0, Decimal("0.001"),
    Decimal("0.001"),
)  # fmt: skip
PERP = Market(
    "BTC_PERP", "BTC", "USDT", Product.PERPETUAL, 1, 3, 1, 50_500, 0, Decimal("0.0001"),
    Decimal("0.00055"),
)  # fmt: skip

GOOD = """
[engine]
request_deadline = "1500ms"

[market.BTC_USDT]
strategy = "inventory_skew"
position_max = "0.25"
order_notional_max = "1000.5"
inventory_target = "1.5"
price_tolerance = "1.50"

[market.BTC_USDT.parameters]
half_spread_bps = 2
ladder = [{qty = "0.001", stp = "cn"}]
"""


def config_of(text: str = GOOD) -> Config:
    return parse_config(text.encode(), "my.toml")


def test_amounts_become_ticks_and_lots() -> None:
    quoted = to_quoted(config_of(), SPOT)
    limits = quoted.limits
    assert limits.position_max == 250_000
    assert limits.order_notional_max == 100_050_000_000
    assert (limits.collar_bps, limits.open_orders_max) == (100, 12)
    assert (quoted.inventory_target, quoted.price_tolerance) == (1_500_000, 150)
    assert quoted.market is SPOT
    assert quoted.uptime_bps == 25


def test_parameters_are_journaled_with_every_default_filled_in() -> None:
    quoted = to_quoted(config_of(), SPOT)
    strategy = load_strategy(quoted.strategy, quoted.parameters)
    assert isinstance(strategy, InventorySkew)
    assert (strategy.half_spread_bps, strategy.skew_bps) == (2.0, 5.0)
    assert "volatility_half_life_s" in quoted.parameters


def test_durations_become_settings() -> None:
    expected = Settings(
        request_deadline_ns=1_500_000_000,
        reconcile_every_ns=60_000_000_000,
        requests_max=2_000,
        kill_switch_refresh_ns=4_000_000_000,
    )
    assert to_settings(config_of()) == expected


def test_default_settings_are_the_engines_own() -> None:
    # Journals from before these settings are replayed without them.
    expected = Settings(
        reconcile_every_ns=60_000_000_000,
        requests_max=2_000,
        kill_switch_refresh_ns=4_000_000_000,
    )
    assert to_settings(default_config()) == expected


def test_what_becomes_of_orders_at_a_restart_is_a_choice() -> None:
    adopting = config_of(GOOD.replace('request_deadline = "1500ms"', 'on_restart = "adopt"'))
    assert to_settings(adopting).on_restart == "adopt"


def test_documented_file_is_the_built_in_configuration() -> None:
    path = Path(__file__).parents[2] / "config" / "paper.toml"
    documented = load_config(SystemFs(), path)
    built_in = default_config()
    assert msgspec.structs.replace(documented, source=BUILT_IN) == built_in
    for market in (SPOT, PERP):
        assert to_quoted(documented, market) == to_quoted(built_in, market)


def test_default_ladder_leaves_room_for_a_modify_of_every_order() -> None:
    for market in (SPOT, PERP):
        quoted = to_quoted(default_config(), market)
        strategy = load_strategy(quoted.strategy, quoted.parameters)
        assert isinstance(strategy, InventorySkew)
        scale = 10**quoted.market.qty_decimals
        ladder = sum(int(Decimal(rung.qty) * scale) for rung in strategy.ladder)
        assert 2 * ladder < quoted.limits.position_max // 4
        assert 2 * 2 * len(strategy.ladder) <= quoted.limits.open_orders_max


def test_config_as_json_tells_its_source_and_decodes() -> None:
    shown = msgspec.json.decode(config_json(config_of()))
    assert shown["source"] == "my.toml"
    assert shown["market"]["BTC_USDT"]["position_max"] == "0.25"


VENUE = '[venue]\nrest_url = "{rest}"\nws_url = "{ws}"\n'


@pytest.mark.parametrize(
    ("rest", "ws"),
    [
        pytest.param("https://whitebit.com", "wss://api.whitebit.com/ws", id="live"),
        pytest.param("http://127.0.0.1:80", "ws://127.0.0.1:80/ws", id="IPv4 loopback"),
        pytest.param("http://[::1]:80", "ws://localhost:80/ws", id="IPv6 loopback and localhost"),
    ],
)
def test_venue_is_taken_as_given(rest: str, ws: str) -> None:
    venue = config_of(VENUE.format(rest=rest, ws=ws) + GOOD).venue
    assert venue is not None
    assert (venue.rest_url, venue.ws_url) == (rest, ws)


M = "my.toml: market.BTC_USDT"

REFUSALS = [
    (
        "unknown section",
        ("[engine]", "[engines]"),
        "my.toml: engines: unknown key; did you mean engine?",
    ),
    (
        "unknown key",
        ("position_max", "positon_max"),
        f"{M}.positon_max: unknown key; did you mean position_max?",
    ),
    (
        "unknown key like no other",
        ("request_deadline", "zzz"),
        "my.toml: engine.zzz: unknown key; known here: kill_switch_timeout, "
        "kill_switch_refresh, request_deadline, "
        "feed_max_age, ping_every, pong_deadline, fresh_after_stall, shutdown_deadline, "
        "reconcile_every, on_restart, depth_limit, rate_percent, hedge_mode",
    ),
    (
        "missing key",
        ('strategy = "inventory_skew"\n', ""),
        f"{M}.strategy: expected a value, found none",
    ),
    (
        "a float where money stands",
        ('"0.25"', "0.25"),
        f'{M}.position_max: expected a string, found 0.25; write it in quotes: "0.25"',
    ),
    (
        "wrong type",
        ('price_tolerance = "1.50"', "collar_bps = true"),
        f"{M}.collar_bps: expected an integer, found true",
    ),
    (
        "too large a number",
        ('price_tolerance = "1.50"', "collar_bps = 5000"),
        f"{M}.collar_bps: expected an integer <= 1000, found 5000",
    ),
    (
        "a value outside the choices",
        ('request_deadline = "1500ms"', "depth_limit = 7"),
        "my.toml: engine.depth_limit: expected one of 1, 5, 10, 20, 30, 50, 100, found 7",
    ),
    (
        "no duration",
        ("1500ms", "3 sec"),
        "my.toml: engine.request_deadline: expected a duration above zero such as 250ms, 3s, 10m "
        "or 2h, found '3 sec'",
    ),
    (
        "too long a duration",
        ("1500ms", "2h"),
        'my.toml: engine.request_deadline: expected 0.1s to 30.0s, found "2h"',
    ),
    (
        "a kill-switch timer too short",
        ("request_deadline", "kill_switch_timeout"),
        "my.toml: engine.kill_switch_timeout: expected 5.0s to 600.0s, found \"1500ms\"",
    ),
    (
        "unknown strategy",
        ('"inventory_skew"', '"inventory_sqew"'),
        f'{M}.strategy: expected a strategy, found "inventory_sqew"; did you mean inventory_skew?',
    ),
    (
        "unknown strategy parameter",
        ("half_spread_bps", "half_spred_bps"),
        f"{M}.parameters.half_spred_bps: unknown key; did you mean half_spread_bps?",
    ),
    (
        "strategy parameter out of range",
        ("half_spread_bps = 2", "half_spread_bps = -1"),
        f"{M}.parameters.half_spread_bps: expected a number >= 0.0, found -1",
    ),
    (
        "bad choice deep in the parameters",
        ('"cn"', '"cx"'),
        f'{M}.parameters.ladder[0].stp: expected one of "no", "cb", "cn", "co", found "cx"',
    ),
    (
        "unknown key deep in the parameters",
        ("stp =", "stq ="),
        f"{M}.parameters.ladder[0].stq: unknown key; did you mean stp?",
    ),
    (
        "missing parameter",
        ("half_spread_bps = 2", ""),
        f"{M}.parameters.half_spread_bps: expected a value, found none",
    ),
    (
        "a market that is no table",
        ("[market.BTC_USDT]\n", "[market]\nETH_USDT = 1\n[market.BTC_USDT]\n"),
        "my.toml: market.ETH_USDT: expected a table, found 1",
    ),
    (
        "not TOML",
        ("[engine]", "[engine"),
        "my.toml: not TOML: Expected ']' at the end of a table declaration (at line 2, column 8)",
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "message"), [pytest.param(*case[1:], id=case[0]) for case in REFUSALS]
)
def test_file_is_refused_in_one_line(change: tuple[str, str], message: str) -> None:
    assert change[0] in GOOD
    with pytest.raises(ConfigError) as caught:
        config_of(GOOD.replace(*change))
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("timeout", "refresh", "third"),
    [("15s", "5001ms", "5.0s"), ("10s", "4s", "3.3s"), ("5s", "2s", "1.6s")],
)
def test_a_refresh_may_fail_once_before_the_timer_fires(
    timeout: str, refresh: str, third: str
) -> None:
    keys = f'kill_switch_timeout = "{timeout}"\nkill_switch_refresh = "{refresh}"'
    text = GOOD.replace('request_deadline = "1500ms"', keys)
    problem = f'my.toml: engine.kill_switch_refresh: expected {third} at most, found "{refresh}"'
    with pytest.raises(ConfigError, match=re.escape(problem)):
        config_of(text)


def test_a_refresh_takes_a_third_of_the_timeout_at_most() -> None:
    text = GOOD.replace('request_deadline = "1500ms"', 'kill_switch_refresh = "5s"')
    assert to_settings(config_of(text)).kill_switch_refresh_ns == 5_000_000_000


def test_kill_switch_must_be_whole_seconds() -> None:
    text = GOOD.replace("request_deadline", "kill_switch_timeout").replace("1500ms", "7.5s")
    with pytest.raises(ConfigError, match=r'expected whole seconds, found "7.5s"'):
        config_of(text)


def test_no_market_is_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        config_of("")
    assert str(caught.value) == (
        "my.toml: market: expected at least one market, found none; "
        "name one, such as [market.BTC_USDT]"
    )


PRECISION = [
    (
        "quantity finer than a lot",
        ('"0.25"', '"0.1234567"'),
        f"{M}.position_max: expected at most 6 decimals, found 0.1234567; "
        "one lot of BTC_USDT is 0.000001 BTC",
    ),
    (
        "price finer than a tick",
        ('"1.50"', '"1.505"'),
        f"{M}.price_tolerance: expected at most 2 decimals, found 1.505; "
        "one tick of BTC_USDT is 0.01 USDT",
    ),
    (
        "no number",
        ('"1000.5"', '"1e3"'),
        f"{M}.order_notional_max: expected a plain decimal number, found '1e3'; "
        "one unit of BTC_USDT is 0.00000001 USDT",
    ),
    (
        "a limit of nothing",
        ('"0.25"', '"0"'),
        f'{M}.position_max: expected more than 0 BTC, found "0"',
    ),
    (
        "spot without a target",
        ('inventory_target = "1.5"', ""),
        f"{M}.inventory_target: expected the BTC that the account should hold, found none; "
        "what it holds beyond this is offered for sale",
    ),
    (
        "ladder size finer than a lot",
        ('"0.001"', '"0.0000001"'),
        f"{M}.parameters: expected a size above zero with at most 6 decimals, "
        "such as 0.01, found '0.0000001'",
    ),
]


@pytest.mark.parametrize(
    ("change", "message"), [pytest.param(*case[1:], id=case[0]) for case in PRECISION]
)
def test_misfit_with_the_market_is_refused(change: tuple[str, str], message: str) -> None:
    assert change[0] in GOOD
    with pytest.raises(ConfigError) as caught:
        to_quoted(config_of(GOOD.replace(*change)), SPOT)
    assert str(caught.value) == message


def test_perpetual_with_a_target_is_refused() -> None:
    config = config_of(GOOD.replace("BTC_USDT", "BTC_PERP"))
    with pytest.raises(ConfigError) as caught:
        to_quoted(config, PERP)
    assert str(caught.value) == (
        'my.toml: market.BTC_PERP.inventory_target: expected no target where a position is held, '
        'found "1.5"; its inventory is the position itself'
    )  # fmt: skip


URLS = [
    (
        "no URL",
        ("whitebit.com", "wss://api.whitebit.com/ws"),
        "my.toml: venue.rest_url: expected a URL of https, http with a host, found 'whitebit.com'",
    ),
    (
        "REST over a socket scheme",
        ("wss://whitebit.com", "wss://api.whitebit.com/ws"),
        "my.toml: venue.rest_url: expected a URL of https, http with a host, "
        "found 'wss://whitebit.com'",
    ),
    (
        "no TLS to another machine",
        ("https://whitebit.com", "ws://api.whitebit.com/ws"),
        'my.toml: venue.ws_url: expected wss, found "ws://api.whitebit.com/ws"; '
        "only this machine is reached without TLS",
    ),
]


@pytest.mark.parametrize(
    ("urls", "message"), [pytest.param(*case[1:], id=case[0]) for case in URLS]
)
def test_venue_url_is_refused(urls: tuple[str, str], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config_of(VENUE.format(rest=urls[0], ws=urls[1]) + GOOD)
    assert str(caught.value) == message


def test_missing_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "none.toml"
    with pytest.raises(ConfigError) as caught:
        load_config(SystemFs(), path)
    assert str(caught.value) == (
        f"{path}: expected a file, found none; "
        "without a file, the built-in paper configuration is used"
    )


def test_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(SystemFs(), tmp_path)
    assert str(caught.value) == f"{tmp_path}: cannot be read: Is a directory"
