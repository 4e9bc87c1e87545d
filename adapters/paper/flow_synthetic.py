"""A market from a seed: one reference price, quoting makers and noise takers on every market.

All markets follow one random walk, each with a small basis of its own. Makers keep a touch around
it and a grid of deeper levels; takers come in shuffled rounds that hold both sides and both kinds,
so a user who quotes a few basis points around the mid is filled on both sides within seconds.
Touch size and spread are those probed on WhiteBIT in September 2026 (0.013 BTC, 0.1 to 8 USD);
takers are far more frequent than there, so that a short run shows fills.
"""

from __future__ import annotations

from random import Random
from typing import Annotated

import msgspec

from adapters.paper.background import Background
from adapters.paper.exchange import Exchange
from adapters.paper.flow import FlowClock
from adapters.paper.market import Market
from adapters.paper.model import Side
from adapters.paper.specs import Count
from engine.errors import ConfigError

_PRICE_DECIMALS = 2
_QTY_DECIMALS = 6

Range = tuple[Count, Count]
Percent = Annotated[int, msgspec.Meta(ge=0, le=100)]


class SyntheticConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rates and sizes: prices in cents (0.01 of quote), quantities in 10^-6 of base, times in ms.

    Ranges are inclusive (low, high) and drawn uniformly.
    """

    mid_cents: Count = 6_180_000
    # The walk: every step the reference moves by up to this much, about 0.5 bps a second.
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
    # Takers, per market: small market orders at the touch, and sweeps limited to a distance.
    taker_gap_ms: Range = (150, 650)
    small_qty: Range = (1_000, 15_000)
    sweep_qty: Range = (50_000, 250_000)
    sweep_cents: Count = 5_000
    # One round of takers has this many of each kind on each side.
    small_a_round: Count = 4
    sweeps_a_round: Count = 1
    retail_percent: Percent = 30


class _Quoter:
    """Makers and takers of one market."""

    def __init__(self, exchange: Exchange, market: Market, config: SyntheticConfig) -> None:
        self._config = config
        self._background = Background(exchange, market.spec.name)
        self._prec = market.spec.money_prec
        self._qty_prec = market.spec.stock_prec
        self._is_perpetual = market.spec.is_perpetual
        self._basis = 0
        self._half_spread = config.half_spread_cents[1]
        self._sizes: dict[Side, dict[int, int]] = {Side.BUY: {}, Side.SELL: {}}
        self._round: list[tuple[Side, bool]] = []
        self._mid = config.mid_cents
        self.taker_due_ms = 0

    def requote(self, reference: int, rng: Random, now_us: int) -> None:
        """Move touch and grid to the reference; levels that were taken are filled again."""
        config = self._config
        if self._is_perpetual:
            self._basis += rng.randint(-config.basis_walk_cents, config.basis_walk_cents)
            self._basis = max(-config.basis_cents, min(config.basis_cents, self._basis))
        if rng.randrange(config.touch_every) == 0:
            self._half_spread = rng.randint(*config.half_spread_cents)
        self._mid = reference + self._basis
        left, kept = [], []
        for side in Side:
            sizes = self._sizes[side]
            wanted = {p: sizes.get(p) or self._draw_size(rng) for p in self._prices(side)}
            left += [(side, ticks, 0) for ticks in sizes if ticks not in wanted]
            kept += [(side, ticks, lots) for ticks, lots in wanted.items()]
            self._sizes[side] = wanted
        self._background.set_levels(left + kept, now_us)

    def take(self, rng: Random, now_us: int) -> None:
        """Send the next taker of the round."""
        config = self._config
        if not self._round:
            for side in Side:
                self._round += [(side, False)] * config.small_a_round
                self._round += [(side, True)] * config.sweeps_a_round
            rng.shuffle(self._round)
        side, sweep = self._round.pop()
        lots = self._lots(rng.randint(*(config.sweep_qty if sweep else config.small_qty)))
        retail = rng.randrange(100) < config.retail_percent
        if sweep:
            reach = config.sweep_cents if side is Side.BUY else -config.sweep_cents
            ticks = self._ticks(self._mid + reach)
            self._background.take_limit(side, ticks, lots, now_us, retail=retail)
        else:
            self._background.take(side, lots, now_us, retail=retail)
        self.taker_due_ms += rng.randint(*config.taker_gap_ms)

    def _prices(self, side: Side) -> list[int]:
        """Return the wanted prices of one side in ticks: the touch, then the grid behind it."""
        spacing, sign = self._config.spacing_cents, (-1 if side is Side.BUY else 1)
        touch = self._mid + sign * self._half_spread
        # A grid that does not follow the mid: most levels stay where they are.
        first = (touch // spacing if side is Side.BUY else -(-touch // spacing)) * spacing
        prices = [touch, *(first + sign * spacing * i for i in range(1, self._config.levels))]
        return [self._ticks(price, up=side is Side.SELL) for price in prices]

    def _draw_size(self, rng: Random) -> int:
        return self._lots(rng.randint(*self._config.maker_qty))

    def _ticks(self, cents: int, *, up: bool = False) -> int:
        if self._prec >= _PRICE_DECIMALS:
            return int(cents * 10 ** (self._prec - _PRICE_DECIMALS))
        step = int(10 ** (_PRICE_DECIMALS - self._prec))
        return -(-cents // step) if up else cents // step

    def _lots(self, micros: int) -> int:
        return max(1, int(micros * 10**self._qty_prec // 10**_QTY_DECIMALS))


class SyntheticFlow:
    """The seeded flow of all markets of an exchange."""

    def __init__(
        self,
        exchange: Exchange,
        seed: int,
        clock: FlowClock,
        config: SyntheticConfig | None = None,
    ) -> None:
        """Build the flow; the first `run_until` at or after the clock's start fills the books.

        Raises:
            ConfigError: if a range ends before it starts.
        """
        self._config = config or SyntheticConfig()
        _refuse_empty_ranges(self._config)
        self._rng = Random(seed)
        self._clock = clock
        self._reference = self._config.mid_cents
        self._step_due_ms = 0
        markets = exchange.markets.values()
        self._quoters = [_Quoter(exchange, market, self._config) for market in markets]
        for quoter in self._quoters:
            quoter.taker_due_ms = self._rng.randint(*self._config.taker_gap_ms)

    def next_us(self) -> int:
        """Return when the next action is due, in the venue's microseconds."""
        return self._clock.venue_us(self._next_ms() * 1_000)

    def run_until(self, now_us: int) -> None:
        """Perform every action due at or before `now_us`, in time order."""
        while True:
            due_ms = self._next_ms()
            due_us = self._clock.venue_us(due_ms * 1_000)
            if due_us > now_us:
                return
            if self._step_due_ms == due_ms:
                self._step(due_us)
            for quoter in self._quoters:
                if quoter.taker_due_ms == due_ms:
                    quoter.take(self._rng, due_us)

    def _next_ms(self) -> int:
        return min(self._step_due_ms, *(quoter.taker_due_ms for quoter in self._quoters))

    def _step(self, now_us: int) -> None:
        config = self._config
        self._reference += self._rng.randint(-config.walk_cents, config.walk_cents)
        # A walk has no floor of its own; half of the start keeps every price positive.
        self._reference = max(self._reference, config.mid_cents // 2)
        for quoter in self._quoters:
            quoter.requote(self._reference, self._rng, now_us)
        self._step_due_ms += config.step_ms


def _refuse_empty_ranges(config: SyntheticConfig) -> None:
    for name in ("half_spread_cents", "maker_qty", "taker_gap_ms", "small_qty", "sweep_qty"):
        low, high = getattr(config, name)
        if low > high:
            raise ConfigError(
                f"synthetic {name}: expected low <= high, was {low}, {high}; swap them"
            )
