"""The limits of a configuration, and what the engine makes of them: docs/risk.md has the table."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from adapters.cli.config_errors import refused, shown
from adapters.cli.durations import NS_PER_S, format_seconds, parse_duration
from adapters.whitebit.units import parse_units
from engine.errors import ConfigError
from engine.money import format_units
from engine.types import NO_LIMIT, AccountLimit, AccountLoss, Limits, Market

Bps = Annotated[int, Meta(ge=1, le=1_000)]

FLATTEN_COLLAR_BPS = 50
LOSS_PART = 10
"""Without a limit of its own, a market may lose this part of its largest order in a day."""


class MarketLimits(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits of one market that have a default; decimals are strings in the market's own assets."""

    order_qty_max: str | None = None
    """Base asset; None is as much as `position_max`."""
    position_notional_max: str | None = None
    """Quote asset, either way; None leaves it to `position_max`."""
    fills_per_minute_max: Annotated[int, Meta(ge=1, le=100_000)] = 60
    """Of one side."""
    loss_day_max: str | None = None
    """Quote asset; None is a tenth of `order_notional_max`."""
    drawdown_max: str | None = None
    """Quote asset; None is `loss_day_max`."""
    loss_flattens: bool = False
    """Whether a loss at its limit also flattens, not only cancels."""
    widen_bps: Bps = 10
    """How much further from the mid, at stage WIDEN."""
    flatten_collar_bps: Bps | None = None
    """Furthest from the mid that flattening may take; None is 50, or `collar_bps` if less."""
    flatten_patience: str = "30s"
    """How long flattening waits as a maker before it takes."""


class RunLimits(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits over all markets of a run."""

    requests_max: Annotated[int, Meta(ge=10, le=1_000_000)] = 2_000
    requests_span: str = "10s"
    position_max: dict[str, str] = {}
    """By base asset: its net position over spot and perpetual, either way."""
    notional_max: dict[str, str] = {}
    """By quote asset: the sum of what all markets hold, each at its mid."""
    loss_day_max: dict[str, str] = {}
    """By quote asset: what all markets may lose together in a UTC day."""
    drawdown_max: dict[str, str] = {}
    """By quote asset, since the highest P&L of all markets together; left out, `loss_day_max`."""


class Amounts:
    """Decimal strings of one market as integers, exactly."""

    def __init__(self, source: str, market: Market) -> None:
        """Read for a market of the configuration file `source`."""
        self.source = source
        self.market = market
        lots = ("lot", market.qty_decimals, market.base_asset)
        notional = ("unit", market.notional_decimals, market.quote_asset)
        self._units = {
            "position_max": lots,
            "inventory_target": lots,
            "price_tolerance": ("tick", market.price_decimals, market.quote_asset),
            "order_notional_max": notional,
            "limits.order_qty_max": lots,
            "limits.position_notional_max": notional,
            "limits.loss_day_max": notional,
            "limits.drawdown_max": notional,
        }

    def path(self, key: str) -> str:
        """Return where `key` of this market stands in the file."""
        return f"market.{self.market.name}.{key}"

    def read(self, key: str, text: str, *, minimum: int = 1) -> int:
        """Return the value of `key` in its own unit, at least `minimum`.

        Raises:
            ConfigError: it does not fit the market's precision, or is less.
        """
        unit, decimals, asset = self._units[key]
        try:
            units = parse_units(text, decimals)
        except ValueError as error:
            hint = f"one {unit} of {self.market.name} is {format_units(1, decimals)} {asset}"
            raise refused(self.source, self.path(key), str(error), hint) from error
        if units < minimum:
            problem = f"expected more than 0 {asset}, found {shown(text)}"
            raise refused(self.source, self.path(key), problem)
        return units

    def read_or(self, key: str, text: str | None, default: int) -> int:
        """Return the value of `key` as `read`, or the default where there is none."""
        return default if text is None else self.read(key, text)


def market_limits(
    amounts: Amounts,
    section: MarketLimits,
    *,
    position_max: int,
    order_notional_max: int,
    collar_bps: int,
    open_orders_max: int,
) -> Limits:
    """Return the limits of one market in ticks and lots.

    Raises:
        ConfigError: a number that does not fit the market, or a collar wider than the market's.
    """
    loss_default = max(1, order_notional_max // LOSS_PART)
    loss_day_max = amounts.read_or("limits.loss_day_max", section.loss_day_max, loss_default)
    flatten_bps = section.flatten_collar_bps
    if flatten_bps is not None and flatten_bps > collar_bps:
        problem = f"expected at most collar_bps, {collar_bps}, found {flatten_bps}"
        raise refused(amounts.source, amounts.path("limits.flatten_collar_bps"), problem)
    notional = section.position_notional_max
    return Limits(
        position_max=position_max,
        order_notional_max=order_notional_max,
        collar_bps=collar_bps,
        open_orders_max=open_orders_max,
        widen_bps=section.widen_bps,
        order_qty_max=amounts.read_or("limits.order_qty_max", section.order_qty_max, position_max),
        position_notional_max=amounts.read_or("limits.position_notional_max", notional, NO_LIMIT),
        fills_per_minute_max=section.fills_per_minute_max,
        loss_day_max=loss_day_max,
        drawdown_max=amounts.read_or("limits.drawdown_max", section.drawdown_max, loss_day_max),
        loss_flattens=section.loss_flattens,
        flatten_collar_bps=flatten_bps or min(FLATTEN_COLLAR_BPS, collar_bps),
        flatten_patience_ns=duration_ns(
            amounts.source,
            amounts.path("limits.flatten_patience"),
            section.flatten_patience,
            NS_PER_S,
            3_600 * NS_PER_S,
        ),
    )


def account_limits(source: str, section: RunLimits) -> tuple[AccountLimit, ...]:
    """Return the limits over all markets.

    Raises:
        ConfigError: an amount that is none, or of more than 8 decimals.
    """
    limits = []
    for key, by_asset, gross in (
        ("position_max", section.position_max, False),
        ("notional_max", section.notional_max, True),
    ):
        for asset, text in by_asset.items():
            most = _amount(source, f"limits.{key}.{asset}", asset, text)
            limits.append(AccountLimit(asset, most, gross))
    return tuple(limits)


def account_losses(source: str, section: RunLimits) -> tuple[AccountLoss, ...]:
    """Return what all markets may lose together, by quote asset.

    Raises:
        ConfigError: an amount that is none, or of more than 8 decimals.
    """
    losses, drawdowns = (
        {asset: _amount(source, f"limits.{key}.{asset}", asset, text) for asset, text in by.items()}
        for key, by in (
            ("loss_day_max", section.loss_day_max),
            ("drawdown_max", section.drawdown_max),
        )
    )
    return tuple(
        [
            AccountLoss(asset, losses.get(asset, NO_LIMIT), most)
            for asset, most in {**losses, **drawdowns}.items()
        ]
    )


def _amount(source: str, path: str, asset: str, text: str) -> int:
    try:
        most = parse_units(text, AccountLimit.DECIMALS)
    except ValueError as error:
        raise refused(source, path, str(error)) from error
    if most < 1:
        raise refused(source, path, f"expected more than 0 {asset}, found {shown(text)}")
    return most


def duration_ns(source: str, path: str, text: str, low_ns: int, high_ns: int) -> int:
    """Return a duration of the file.

    Raises:
        ConfigError: it is none, or out of its bounds.
    """
    try:
        found_ns = parse_duration(text)
    except ConfigError as error:
        raise refused(source, path, str(error)) from error
    if low_ns <= found_ns <= high_ns:
        return found_ns
    bounds = f"{format_seconds(low_ns)} to {format_seconds(high_ns)}"
    raise refused(source, path, f"expected {bounds}, found {shown(text)}")
