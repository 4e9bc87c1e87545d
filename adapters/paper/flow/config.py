"""Settings of the synthetic flow: its participants, the presets, and exceptions by market."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, ClassVar, Protocol, TypeVar

import msgspec

from adapters.paper.core.specs import Count
from engine.errors import ConfigError

Natural = Annotated[int, msgspec.Meta(ge=0)]
Range = tuple[Count, Count]
Percent = Annotated[int, msgspec.Meta(ge=0, le=100)]


class SyntheticConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rates and sizes: prices in cents (0.01 of quote), quantities in 10^-6 of base, times in ms.

    Ranges are inclusive (low, high) and drawn uniformly. All choices are [C].
    """

    # A market's own `mid_cents` scales the walk, which all markets share.
    mid_cents: Count = 6_180_000
    # The walk: every step the reference moves by up to this much, about 0.5 bps a second.
    # A market's own `step_ms` is how often its makers follow.
    step_ms: Count = 250
    walk_cents: Count = 250
    basis_cents: Count = 1_500
    basis_walk_cents: Count = 40
    # Makers: one touch a side, drawn anew in one of `touch_every` steps, then a grid of levels.
    touch_every: Count = 4
    half_spread_cents: Range = (5, 400)
    levels: Count = 20
    spacing_cents: Count = 300
    maker_qty: Range = (4_000, 22_000)
    # Other makers, each with one quote a side of its own that it replaces in its own rhythm.
    rivals: Natural = 2
    rival_gap_ms: Range = (400, 1_500)
    rival_half_spread_cents: Range = (100, 900)
    rival_qty: Range = (2_000, 30_000)
    # Storms: all makers pull this share of their levels, the nearest first, and come back later.
    storm_percent: Percent = 40
    storm_gap_ms: Range = (12_000, 40_000)
    storm_ms: Range = (200, 800)
    # Takers, per market: small market orders at the touch, and sweeps limited to a distance.
    taker_gap_ms: Range = (150, 650)
    small_qty: Range = (1_000, 15_000)
    sweep_qty: Range = (50_000, 250_000)
    sweep_cents: Count = 5_000
    # One round of takers has this many of each kind on each side.
    small_a_round: Count = 4
    sweeps_a_round: Count = 1
    retail_percent: Percent = 30
    # Momentum takers look this often and follow a move of at least so much; 0 for none.
    momentum_cents: Natural = 1_000
    momentum_gap_ms: Range = (2_000, 4_000)
    momentum_qty: Range = (5_000, 30_000)
    # Market -> the members above that differ there.
    markets: dict[str, dict[str, Any]] = {}


# As probed on BTC_PERP in September 2026: 20 to 48 changes of the touch in 70 s, 0.013 BTC there,
# spreads of 0.1 to 8.4 USD.
WHITEBIT = SyntheticConfig(
    step_ms=3_000,
    walk_cents=900,
    touch_every=2,
    half_spread_cents=(5, 420),
    levels=15,
    spacing_cents=800,
    maker_qty=(6_000, 20_000),
    rivals=1,
    rival_gap_ms=(9_000, 25_000),
    rival_half_spread_cents=(300, 1_500),
    storm_percent=50,
    storm_gap_ms=(120_000, 600_000),
    storm_ms=(500, 2_000),
    taker_gap_ms=(5_000, 25_000),
    small_qty=(200, 5_000),
    sweep_qty=(10_000, 60_000),
    sweep_cents=2_000,
    momentum_cents=2_500,
    momentum_gap_ms=(15_000, 45_000),
    momentum_qty=(1_000, 10_000),
)
BUSY = SyntheticConfig(
    step_ms=100,
    walk_cents=160,
    touch_every=3,
    half_spread_cents=(5, 150),
    levels=50,
    spacing_cents=100,
    rivals=4,
    rival_gap_ms=(80, 400),
    rival_half_spread_cents=(20, 400),
    storm_gap_ms=(4_000, 15_000),
    storm_ms=(50, 400),
    taker_gap_ms=(20, 110),
    momentum_cents=600,
    momentum_gap_ms=(300, 1_000),
)
PRESETS = {"default": SyntheticConfig(), "whitebit": WHITEBIT, "busy": BUSY}

_RANGES = (
    "half_spread_cents",
    "maker_qty",
    "rival_gap_ms",
    "rival_half_spread_cents",
    "rival_qty",
    "storm_gap_ms",
    "storm_ms",
    "taker_gap_ms",
    "small_qty",
    "sweep_qty",
    "momentum_gap_ms",
    "momentum_qty",
)


class ByMarket(Protocol):
    """Settings with exceptions by market."""

    @property
    def markets(self) -> dict[str, dict[str, Any]]: ...

    __struct_fields__: ClassVar[tuple[str, ...]]


_Config = TypeVar("_Config", bound=ByMarket)


def for_market(config: _Config, market: str, what: str) -> _Config:
    """Apply the exceptions of one market.

    Raises:
        ConfigError: for a member that does not exist or has the wrong type.
    """
    own = config.markets.get(market, {})
    where = f"{what} markets.{market}"
    if "markets" in own:
        raise ConfigError(f"{where}: a market has no markets of its own; leave them out")
    shared = {name: getattr(config, name) for name in type(config).__struct_fields__}
    fields = {**shared, **own, "markets": {}}
    try:
        return msgspec.convert(fields, type(config))
    except msgspec.ValidationError as error:
        raise ConfigError(f"{where}: {error}; see docs/venue.md for the settings") from error


def check_markets(config: ByMarket, known: Iterable[str], what: str) -> None:
    """Raise ConfigError where exceptions are given for a market that does not exist."""
    for market in config.markets:
        if market not in known:
            names = ", ".join(known)
            raise ConfigError(f"{what} markets: {market} does not exist; one of {names}")


def refuse_empty_ranges(config: SyntheticConfig) -> None:
    """Raise ConfigError for a range that ends before it starts."""
    for name in _RANGES:
        low, high = getattr(config, name)
        if low > high:
            raise ConfigError(
                f"synthetic {name}: expected low <= high, was {low}, {high}; swap them"
            )
