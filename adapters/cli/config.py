"""The configuration file, and what the engine makes of it.

A file is read whole and refused whole: an unknown key, a number that does not fit the market's
precision or a parameter that the strategy does not take stops the program before it connects.
Decimals are strings, so that no float stands between the file and the money. Without a file, the
built-in defaults below hold; `config/paper.toml` is the same configuration with a comment on each
key.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

# Importing the package registers every strategy under its name.
import strategies as _strategies  # noqa: F401
from adapters.cli.config_errors import convert, nearest, refused, shown
from adapters.cli.durations import NS_PER_S, format_seconds
from adapters.cli.journal_config import JournalConfig, to_keep
from adapters.cli.limits import (
    Amounts,
    Bps,
    MarketLimits,
    RunLimits,
    account_limits,
    account_losses,
    duration_ns,
    market_limits,
)
from adapters.cli.panic_config import default_directory
from adapters.cli.venue_config import VenueConfig
from adapters.ports import Fs
from engine.strategy import Strategy, View, registered_names, strategy_class
from engine.types import Limits, Market, Placement, Product, Quoted, Settings

BUILT_IN = "built-in defaults"
"""Source of the configuration that `run` uses without a file."""


class EngineConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Times as texts such as `3s` or `250ms`; what they mean is said at `Settings`."""

    kill_switch_timeout: str = "15s"
    kill_switch_refresh: str = "4s"
    request_deadline: str = "3s"
    feed_max_age: str = "12s"
    ping_every: str = "5s"
    pong_deadline: str = "10s"
    fresh_after_stall: str = "1s"
    shutdown_deadline: str = "8s"
    reconcile_every: str = "60s"
    on_restart: Literal["cancel", "adopt"] = "cancel"
    depth_limit: Literal[1, 5, 10, 20, 30, 50, 100] = 20
    rate_percent: Annotated[int, Meta(ge=1, le=100)] = 80
    hedge_mode: bool = False


class OperatorConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a human reaches a running engine from outside."""

    directory: str | None = None
    """Of the panic latch and the control socket, absolute, so that it is the same one wherever a
    command is called; None is `quotefold` under `XDG_STATE_HOME` or `~/.local/state`."""


class MetricsConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a monitoring system may ask for figures of the run (`/metrics`)."""

    port: Annotated[int, Meta(ge=1, le=65_535)] | None = None
    """None: nowhere."""
    host: str = "127.0.0.1"
    """An address of this machine; any but loopback lets others on the network read them."""


class MarketConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One market to quote; decimals are strings in the market's own assets."""

    strategy: str
    position_max: str
    """Base asset, either way from the target."""
    order_notional_max: str
    """Quote asset."""
    product: Product | None = None
    """`margin` quotes a spot pair through the collateral account; None is as the venue lists it."""
    inventory_target: str | None = None
    """Base asset to hold; a spot market needs it, where a position is held it is always 0."""
    price_tolerance: str = "0"
    """Quote asset."""
    collar_bps: Bps = 100
    open_orders_max: Annotated[int, Meta(ge=1, le=100)] = 12
    placement: Placement = Placement.BULK
    uptime_bps: Bps = 25
    limits: MarketLimits = MarketLimits()
    parameters: dict[str, Any] = {}
    """Of the strategy."""


class Config(Struct, frozen=True, kw_only=True):
    """A configuration that has passed every check that needs no venue."""

    source: str
    """The file it came from, or `BUILT_IN`."""
    venue: VenueConfig | None = None
    engine: EngineConfig = EngineConfig()
    journal: JournalConfig = JournalConfig()
    metrics: MetricsConfig = MetricsConfig()
    operator: OperatorConfig = OperatorConfig()
    limits: RunLimits = RunLimits()
    market: dict[str, MarketConfig]


_SECTIONS = ("venue", "engine", "limits", "journal", "metrics", "operator", "market")

_S = NS_PER_S
_BOUNDS_NS: dict[str, tuple[int, int]] = {
    "kill_switch_timeout": (5 * _S, 600 * _S),  # contract 10.8
    "kill_switch_refresh": (_S // 2, 200 * _S),
    "request_deadline": (_S // 10, 30 * _S),
    "feed_max_age": (_S, 60 * _S),
    "ping_every": (_S, 50 * _S),  # the venue hangs up after 60 s (11.1)
    "pong_deadline": (_S, 60 * _S),
    "fresh_after_stall": (_S // 100, 10 * _S),
    "shutdown_deadline": (_S, 600 * _S),
    "reconcile_every": (5 * _S, 3600 * _S),
}
"""Shortest and longest of each duration, nanoseconds."""


# --- reading ------------------------------------------------------------------------------------


def default_config() -> Config:
    """Return the configuration of `run` without a file: both paper markets."""
    # Tight, so that a short run shows fills on both sides; it does not earn its fees.
    ladder = [{"qty": "0.005", "stp": "cn"}, {"qty": "0.01", "stp": "cn", "offset_bps": 1.0}]
    common = {"ladder": ladder, "volatility_multiple": 0.25, "volatility_half_life_s": 30.0}
    parameters = {**common, "half_spread_bps": 0.3, "skew_bps": 5.0}
    spot = MarketConfig(
        strategy="inventory_skew",
        position_max="0.5",
        order_notional_max="5000",
        inventory_target="10",
        price_tolerance="1",
        parameters=parameters,
        limits=MarketLimits(
            fills_per_minute_max=600, loss_day_max="1000000", drawdown_max="1000000"
        ),
    )
    perpetual = msgspec.structs.replace(spot, inventory_target=None)
    return Config(source=BUILT_IN, market={"BTC_USDT": spot, "BTC_PERP": perpetual})


def load_config(fs: Fs, path: Path) -> Config:
    """Read a configuration file and check all that can be checked before connecting.

    Raises:
        ConfigError: one line with the file, the key, what was expected and what was found.
    """
    try:
        text = fs.read(path)
    except FileNotFoundError as error:
        hint = "without a file, the built-in paper configuration is used"
        raise refused(str(path), "", "expected a file, found none", hint) from error
    except OSError as error:
        raise refused(str(path), "", f"cannot be read: {error.strerror}") from error
    return parse_config(text, str(path))


def parse_config(text: bytes, source: str) -> Config:
    """Read a configuration from TOML; as `load_config`."""
    try:
        raw = msgspec.toml.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise refused(source, "", f"not TOML: {error}") from error
    for name in raw:
        if name not in _SECTIONS:
            raise refused(source, name, "unknown key", nearest(name, _SECTIONS))
    venue = convert(raw["venue"], VenueConfig, source, "venue") if "venue" in raw else None
    config = Config(
        source=source,
        venue=venue,
        engine=convert(raw.get("engine", {}), EngineConfig, source, "engine"),
        limits=convert(raw.get("limits", {}), RunLimits, source, "limits"),
        journal=convert(raw.get("journal", {}), JournalConfig, source, "journal"),
        metrics=_metrics(raw.get("metrics", {}), source),
        operator=convert(raw.get("operator", {}), OperatorConfig, source, "operator"),
        market=_markets(raw.get("market", {}), source),
    )
    if venue is not None:
        venue.check(source)
    _check_directory(config)
    to_keep(config.journal, source)
    to_settings(config)
    return config


def _metrics(raw: Any, source: str) -> MetricsConfig:
    metrics = convert(raw, MetricsConfig, source, "metrics")
    try:
        ip_address(metrics.host)
    except ValueError as error:
        problem = f"expected an address such as 127.0.0.1, found {shown(metrics.host)}"
        raise refused(source, "metrics.host", problem) from error
    return metrics


def _markets(raw: Any, source: str) -> dict[str, MarketConfig]:
    sections = convert(raw, dict[str, Any], source, "market")
    if not sections:
        hint = "name one, such as [market.BTC_USDT]"
        raise refused(source, "market", "expected at least one market, found none", hint)
    markets = {}
    for name, section in sections.items():
        market = convert(section, MarketConfig, source, f"market.{name}")
        markets[name] = market
        beside = _strategy(source, name, market).beside()
        if beside and (beside == name or beside not in sections):
            problem = f"expected another market of this file, found {shown(beside)}"
            raise refused(source, f"market.{name}.parameters", problem, nearest(beside, sections))
    return markets


def _strategy(source: str, name: str, market: MarketConfig) -> Strategy:
    known = registered_names()
    if market.strategy not in known:
        problem = f"expected a strategy, found {shown(market.strategy)}"
        raise refused(source, f"market.{name}.strategy", problem, nearest(market.strategy, known))
    key = f"market.{name}.parameters"
    return convert(market.parameters, strategy_class(market.strategy), source, key)


def _check_directory(config: Config) -> None:
    directory = config.operator.directory
    if directory is not None and not Path(directory).is_absolute():
        problem = f"expected an absolute path, found {shown(directory)}"
        hint = "a panic called elsewhere must find the same one"
        raise refused(config.source, "operator.directory", problem, hint)


def state_directory(config: Config, env: Mapping[str, str] = os.environ) -> Path:
    """Return where the panic latch and the control sockets of a configuration are."""
    if config.operator.directory is not None:
        return Path(config.operator.directory)
    return default_directory(env)


# --- engine values ------------------------------------------------------------------------------


def to_settings(config: Config) -> Settings:
    """Return the engine's settings.

    Raises:
        ConfigError: a duration that is none, or out of its bounds.
    """
    times = {
        key: duration_ns(config.source, f"engine.{key}", getattr(config.engine, key), *bounds_ns)
        for key, bounds_ns in _BOUNDS_NS.items()
    }
    seconds, rest_ns = divmod(times.pop("kill_switch_timeout"), NS_PER_S)
    if rest_ns:
        problem = f"expected whole seconds, found {shown(config.engine.kill_switch_timeout)}"
        raise refused(config.source, "engine.kill_switch_timeout", problem)
    span = config.limits.requests_span
    span_ns = duration_ns(config.source, "limits.requests_span", span, _S, 600 * _S)
    if 3 * times["kill_switch_refresh"] > seconds * NS_PER_S:
        third = format_seconds(seconds * NS_PER_S // 3)
        problem = f"expected {third} at most, found {shown(config.engine.kill_switch_refresh)}"
        hint = "a third of kill_switch_timeout, so that one refresh may fail"
        raise refused(config.source, "engine.kill_switch_refresh", problem, hint)
    return Settings(
        kill_switch_timeout_s=seconds,
        on_restart=config.engine.on_restart,
        depth_limit=config.engine.depth_limit,
        rate_percent=config.engine.rate_percent,
        requests_max=config.limits.requests_max,
        requests_span_ns=span_ns,
        account_limits=account_limits(config.source, config.limits),
        account_losses=account_losses(config.source, config.limits),
        **{f"{key}_ns": time_ns for key, time_ns in times.items()},
    )


def to_quoted(config: Config, market: Market) -> Quoted:
    """Return what one market of the configuration is quoted by, in ticks and lots.

    Raises:
        ConfigError: a product that the market does not have, a decimal that does not fit its
            precision, an inventory target where none can be or none where one is needed, a
            strategy that cannot quote it.
    """
    section = config.market[market.name]
    market = _as_product(config.source, section, market)
    amounts = Amounts(config.source, market)
    limits = market_limits(
        amounts,
        section.limits,
        position_max=amounts.read("position_max", section.position_max),
        order_notional_max=amounts.read("order_notional_max", section.order_notional_max),
        collar_bps=section.collar_bps,
        open_orders_max=section.open_orders_max,
    )
    strategy = _strategy(config.source, market.name, section)
    _try_quote(config.source, market, strategy, limits)
    return Quoted(
        market=market,
        strategy=section.strategy,
        # With every default filled in: a default changed later must not change an old replay.
        parameters=msgspec.json.encode(strategy).decode(),
        limits=limits,
        inventory_target=_target(amounts, section),
        price_tolerance=amounts.read("price_tolerance", section.price_tolerance, minimum=0),
        uptime_bps=section.uptime_bps,
        placement=section.placement,
        hedged=config.engine.hedge_mode and market.product is Product.PERPETUAL,
    )


def _as_product(source: str, section: MarketConfig, market: Market) -> Market:
    wanted, listed = section.product or market.product, market.product
    if wanted is listed:
        return market
    if wanted is Product.MARGIN and listed is Product.SPOT and market.collateral:
        return msgspec.structs.replace(market, product=wanted)
    can = f"{listed.value} or margin" if market.collateral and listed is Product.SPOT else listed
    problem = f"expected {can}, which is what the venue trades there, found {wanted.value}"
    raise refused(source, f"market.{market.name}.product", problem)


def _target(amounts: Amounts, section: MarketConfig) -> int:
    market, text = amounts.market, section.inventory_target
    path = f"market.{market.name}.inventory_target"
    if market.product is Product.SPOT:
        if text is None:
            problem = f"expected the {market.base_asset} that the account should hold, found none"
            hint = "what it holds beyond this is offered for sale"
            raise refused(amounts.source, path, problem, hint)
        return amounts.read("inventory_target", text, minimum=0)
    if text is not None:
        problem = f"expected no target where a position is held, found {shown(text)}"
        raise refused(amounts.source, path, problem, "its inventory is the position itself")
    return 0


def _try_quote(source: str, market: Market, strategy: Strategy, limits: Limits) -> None:
    # A parameter that fits its type may still not fit the market: better now than at a quote.
    scale: int = 10**market.price_decimals
    bid = 50_000 * scale
    view = View(
        market, NS_PER_S, bid, 1, bid + 1, 1, 0, limits.position_max, strategy.initial_memory()
    )
    try:
        strategy.quote(view)
    except (ValueError, ArithmeticError) as error:
        problem = str(error) if isinstance(error, ValueError) else f"not usable: {error}"
        raise refused(source, f"market.{market.name}.parameters", problem) from error


def config_json(config: Config) -> str:
    """Return the configuration as JSON, for `RunStarted`; it never holds a secret."""
    return msgspec.json.encode(config).decode()
