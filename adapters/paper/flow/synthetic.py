"""A market from a seed: one reference price, quoting makers and noise takers on every market.

All markets follow one random walk, each with a small basis of its own. Makers keep a touch around
it and a grid of deeper levels; takers come in shuffled rounds that hold both sides and both kinds,
so a user who quotes a few basis points around the mid is filled on both sides within seconds.
Other makers, momentum takers and storms of cancels are in `flow_participants.py`. Touch size and
spread are those probed on WhiteBIT in September 2026 (0.013 BTC, 0.1 to 8 USD); takers are far more
frequent than there, so that a short run shows fills. The preset "whitebit" has its true pace.
"""

from __future__ import annotations

from random import Random

from adapters.paper.core.background import Background
from adapters.paper.core.exchange import Exchange
from adapters.paper.core.market import Market
from adapters.paper.core.model import Side
from adapters.paper.flow.base import FlowClock
from adapters.paper.flow.config import (
    SyntheticConfig,
    check_markets,
    for_market,
    refuse_empty_ranges,
)
from adapters.paper.flow.participants import Participant, Units, participants_of


class _Quoter:
    """Makers and noise takers of one market."""

    def __init__(self, exchange: Exchange, market: Market, config: SyntheticConfig) -> None:
        self._config = config
        self._background = Background(exchange, market.spec.name)
        self._units = Units(market)
        self._is_perpetual = market.spec.is_perpetual
        self._basis = 0
        self._half_spread = config.half_spread_cents[1]
        self._sizes: dict[Side, dict[int, int]] = {Side.BUY: {}, Side.SELL: {}}
        self._round: list[tuple[Side, bool]] = []
        self.start_cents = self.mid = config.mid_cents
        self.step_due_ms = 0
        self.taker_due_ms = 0
        # Until then the nearest levels are left out.
        self.storm_until_ms = 0

    def requote(self, reference: int, rng: Random, now_us: int) -> None:
        """Move touch and grid to the reference; levels that were taken are filled again."""
        config = self._config
        if self._is_perpetual:
            self._basis += rng.randint(-config.basis_walk_cents, config.basis_walk_cents)
            self._basis = max(-config.basis_cents, min(config.basis_cents, self._basis))
        if rng.randrange(config.touch_every) == 0:
            self._half_spread = rng.randint(*config.half_spread_cents)
        self.mid = reference + self._basis
        pulled = self._pulled() if self.step_due_ms < self.storm_until_ms else 0
        left, kept = [], []
        for side in Side:
            sizes = self._sizes[side]
            prices = self._prices(side)[pulled:]
            wanted = {p: sizes.get(p) or self._draw_size(rng) for p in prices}
            left += [(side, ticks, 0) for ticks in sizes if ticks not in wanted]
            kept += [(side, ticks, lots) for ticks, lots in wanted.items()]
            self._sizes[side] = wanted
        self._background.set_levels(left + kept, now_us)
        self.step_due_ms += config.step_ms

    def last_cents(self) -> int:
        """The last price of a spot market, 0 if there is none yet."""
        market = self._background.market
        return 0 if self._is_perpetual else self._units.cents(market.last_ticks or 0)

    def pull(self, until_ms: int, now_us: int) -> None:
        """Leave the nearest levels until `until_ms`, the farthest of each side stay."""
        self.storm_until_ms = until_ms
        changes = []
        for side, sizes in self._sizes.items():
            sign = -1 if side is Side.BUY else 1
            nearest = sorted(sizes, key=lambda ticks, sign=sign: sign * ticks)  # type: ignore[misc]
            for ticks in nearest[: self._pulled()]:
                del sizes[ticks]
                changes.append((side, ticks, 0))
        self._background.set_levels(changes, now_us)

    def _pulled(self) -> int:
        config = self._config
        return min(config.levels * config.storm_percent // 100, config.levels - 1)

    def take(self, rng: Random, now_us: int) -> None:
        """Send the next taker of the round."""
        config = self._config
        if not self._round:
            for side in Side:
                self._round += [(side, False)] * config.small_a_round
                self._round += [(side, True)] * config.sweeps_a_round
            rng.shuffle(self._round)
        side, sweep = self._round.pop()
        lots = self._units.lots(rng.randint(*(config.sweep_qty if sweep else config.small_qty)))
        retail = rng.randrange(100) < config.retail_percent
        if sweep:
            reach = config.sweep_cents if side is Side.BUY else -config.sweep_cents
            ticks = self._units.ticks(self.mid + reach)
            self._background.take_limit(side, ticks, lots, now_us, retail=retail)
        else:
            self._background.take(side, lots, now_us, retail=retail)
        self.taker_due_ms += rng.randint(*config.taker_gap_ms)

    def _prices(self, side: Side) -> list[int]:
        """Return the wanted prices of one side in ticks: the touch, then the grid behind it."""
        spacing, sign = self._config.spacing_cents, (-1 if side is Side.BUY else 1)
        touch = self.mid + sign * self._half_spread
        # A grid that does not follow the mid: most levels stay where they are.
        first = (touch // spacing if side is Side.BUY else -(-touch // spacing)) * spacing
        prices = [touch, *(first + sign * spacing * i for i in range(1, self._config.levels))]
        return [self._units.ticks(price, up=side is Side.SELL) for price in prices]

    def _draw_size(self, rng: Random) -> int:
        return self._units.lots(rng.randint(*self._config.maker_qty))


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
            ConfigError: if a range ends before it starts, or a market's own settings are wrong.
        """
        self._config = config or SyntheticConfig()
        check_markets(self._config, exchange.markets, "synthetic")
        self._rng = Random(seed)
        self._clock = clock
        self._walk_due_ms = 0
        self._quoters: list[_Quoter] = []
        self._others: list[Participant] = []
        for name, market in exchange.markets.items():
            own = for_market(self._config, name, "synthetic")
            refuse_empty_ranges(own)
            quoter = _Quoter(exchange, market, own)
            quoter.taker_due_ms = self._rng.randint(*own.taker_gap_ms)
            self._quoters.append(quoter)
            self._others += participants_of(exchange, name, quoter, own, seed)
        self._reference = self._config.mid_cents
        for quoter in reversed(self._quoters):
            # A market that has traded before goes on at its last price, the first spot one leads.
            last_cents = quoter.last_cents()
            if last_cents:
                self._reference = last_cents * self._config.mid_cents // quoter.start_cents

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
            self._act(due_ms, due_us)

    def _act(self, due_ms: int, due_us: int) -> None:
        if self._walk_due_ms == due_ms:
            self._walk()
        for quoter in self._quoters:
            if quoter.step_due_ms == due_ms:
                quoter.requote(self._reference_of(quoter), self._rng, due_us)
        for quoter in self._quoters:
            if quoter.taker_due_ms == due_ms:
                quoter.take(self._rng, due_us)
        for other in self._others:
            if other.due_ms == due_ms:
                other.act(due_us)

    def _next_ms(self) -> int:
        due = [self._walk_due_ms]
        for quoter in self._quoters:
            due += (quoter.step_due_ms, quoter.taker_due_ms)
        due += [other.due_ms for other in self._others]
        return min(due)

    def _walk(self) -> None:
        config = self._config
        self._reference += self._rng.randint(-config.walk_cents, config.walk_cents)
        # A walk has no floor of its own; half of the start keeps every price positive.
        self._reference = max(self._reference, config.mid_cents // 2)
        self._walk_due_ms += config.step_ms

    def _reference_of(self, quoter: _Quoter) -> int:
        return self._reference * quoter.start_cents // self._config.mid_cents
