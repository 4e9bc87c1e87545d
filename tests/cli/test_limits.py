"""Limits of a configuration: safe defaults, exact amounts, and one line on what is wrong."""

from __future__ import annotations

import pytest

from adapters.cli.config import Config, default_config, parse_config, to_quoted, to_settings
from engine.errors import ConfigError
from engine.types import NO_LIMIT, AccountLimit, AccountLoss, Limits
from tests.cli.test_config import GOOD, PERP, SPOT

S = 1_000_000_000


def config(market: str = "", run: str = "", base: str = GOOD) -> Config:
    """The good configuration with lines in its two tables of limits."""
    tables = f"[limits]\n{run}\n{base}\n[market.BTC_USDT.limits]\n{market}\n"
    return parse_config(tables.encode(), "my.toml")


def limits(market: str = "", base: str = GOOD) -> Limits:
    return to_quoted(config(market, base=base), SPOT).limits


def test_defaults_follow_from_the_markets_own_sizes() -> None:
    found = limits()
    assert found == Limits(
        position_max=250_000,
        order_notional_max=100_050_000_000,
        collar_bps=100,
        open_orders_max=12,
        widen_bps=10,
        order_qty_max=250_000,
        position_notional_max=NO_LIMIT,
        fills_per_minute_max=60,
        loss_day_max=10_005_000_000,
        drawdown_max=10_005_000_000,
        loss_flattens=False,
        flatten_collar_bps=50,
        flatten_patience_ns=30 * S,
    )


def test_every_limit_can_be_set() -> None:
    found = limits("""
        order_qty_max = "0.02"
        position_notional_max = "20000"
        fills_per_minute_max = 7
        loss_day_max = "150.5"
        drawdown_max = "300"
        loss_flattens = true
        widen_bps = 3
        flatten_collar_bps = 20
        flatten_patience = "5s"
    """)
    assert found == Limits(
        position_max=250_000,
        order_notional_max=100_050_000_000,
        collar_bps=100,
        open_orders_max=12,
        widen_bps=3,
        order_qty_max=20_000,
        position_notional_max=2_000_000_000_000,
        fills_per_minute_max=7,
        loss_day_max=15_050_000_000,
        drawdown_max=30_000_000_000,
        loss_flattens=True,
        flatten_collar_bps=20,
        flatten_patience_ns=5 * S,
    )


def test_a_drawdown_is_by_default_what_a_day_may_lose() -> None:
    assert limits('loss_day_max = "20"').drawdown_max == 2_000_000_000


def test_flattening_is_by_default_within_the_collar() -> None:
    tight = GOOD.replace("price_tolerance", "collar_bps = 20\nprice_tolerance")
    assert limits(base=tight).flatten_collar_bps == 20
    assert limits("flatten_collar_bps = 20", base=tight).flatten_collar_bps == 20


def test_limits_of_the_run() -> None:
    found = to_settings(
        config(
            run='requests_max = 10\nrequests_span = "1s"\n'
            'position_max = { BTC = "0.8" }\nnotional_max = { USDT = "50000" }'
        )
    )
    assert (found.requests_max, found.requests_span_ns) == (10, S)
    assert found.account_limits == (
        AccountLimit("BTC", 80_000_000, False),
        AccountLimit("USDT", 5_000_000_000_000, True),
    )


def test_what_all_markets_may_lose_together() -> None:
    found = to_settings(
        config(
            run='loss_day_max = { USDT = "500", BTC = "0.5" }\n'
            'drawdown_max = { USDT = "700.5", ETH = "2" }'
        )
    )
    assert found.account_losses == (
        AccountLoss("USDT", 50_000_000_000, 70_050_000_000),
        AccountLoss("BTC", 50_000_000, 50_000_000),
        AccountLoss("ETH", NO_LIMIT, 200_000_000),
    )
    assert to_settings(config()).account_losses == ()


AT = "my.toml: market.BTC_USDT.limits"
REFUSED_OF_MARKET: tuple[tuple[str, str], ...] = (
    ('loss_day_max = "0"', f'{AT}.loss_day_max: expected more than 0 USDT, found "0"'),
    ('drawdown_max = "-1"', f"{AT}.drawdown_max: expected a plain decimal number, found '-1'"),
    (
        'order_qty_max = "0.0000001"',
        f"{AT}.order_qty_max: expected at most 6 decimals, found 0.0000001; "
        "one lot of BTC_USDT is 0.000001 BTC",
    ),
    ('position_notional_max = "x"', f"{AT}.position_notional_max: expected a plain decimal"),
    ("fills_per_minute_max = 0", f"{AT}.fills_per_minute_max: "),
    ("fills_per_minute = 5", f"{AT}.fills_per_minute: unknown key"),
    ("widen_bps = 0", f"{AT}.widen_bps: "),
    (
        "flatten_collar_bps = 101",
        f"{AT}.flatten_collar_bps: expected at most collar_bps, 100, found 101",
    ),
    (
        'flatten_patience = "999ms"',
        f'{AT}.flatten_patience: expected 1.0s to 3600.0s, found "999ms"',
    ),
    ('flatten_patience = "2h"', f'{AT}.flatten_patience: expected 1.0s to 3600.0s, found "2h"'),
)


@pytest.mark.parametrize(("line", "problem"), REFUSED_OF_MARKET)
def test_what_is_wrong_with_a_markets_limits(line: str, problem: str) -> None:
    with pytest.raises(ConfigError) as error:
        limits(line)
    assert str(error.value).startswith(problem)
    assert "\n" not in str(error.value)


REFUSED_OF_RUN: tuple[tuple[str, str], ...] = (
    ('position_max = { BTC = "0" }', 'position_max.BTC: expected more than 0 BTC, found "0"'),
    (
        'notional_max = { USDT = "1.000000001" }',
        "notional_max.USDT: expected at most 8 decimals, found 1.000000001",
    ),
    ('loss_day_max = { USDT = "0" }', 'loss_day_max.USDT: expected more than 0 USDT, found "0"'),
    ('drawdown_max = { USDT = "x" }', "drawdown_max.USDT: expected a plain decimal number"),
    ("requests_max = 9", "requests_max: "),
    ('requests_span = "999ms"', 'requests_span: expected 1.0s to 600.0s, found "999ms"'),
    ('requests_span = "601s"', 'requests_span: expected 1.0s to 600.0s, found "601s"'),
    ("nothing = 1", "nothing: unknown key"),
)


@pytest.mark.parametrize(("line", "problem"), REFUSED_OF_RUN)
def test_what_is_wrong_with_the_limits_of_the_run(line: str, problem: str) -> None:
    with pytest.raises(ConfigError) as error:
        config(run=line)
    assert str(error.value).startswith(f"my.toml: limits.{problem}")


def test_paper_quotes_lose_and_are_filled_without_an_end() -> None:
    for spec in (SPOT, PERP):
        found = to_quoted(default_config(), spec).limits
        unit: int = 10**spec.notional_decimals
        assert found.loss_day_max == found.drawdown_max == 1_000_000 * unit
        assert found.fills_per_minute_max == 600
