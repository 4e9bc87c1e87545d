"""The venue without its sockets: exchange, keys, tokens, limits, connections and their feeds.

Everything here is synchronous and runs in one thread, so no request can see another half done:
handlers call the exchange and publish what it announced before they return.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapters.paper.auth import ApiKey, Authenticator
from adapters.paper.body_log import BodyLog
from adapters.paper.clock import VenueClock
from adapters.paper.config import VenueConfig, keys_of
from adapters.paper.core.exchange import Exchange
from adapters.paper.core.model import US_PER_S, MarketSpec
from adapters.paper.data.cache import PublicCache
from adapters.paper.data.statistics import Statistics
from adapters.paper.flow.base import Flow
from adapters.paper.limits import RestLimiter
from adapters.paper.tokens import Tokens
from adapters.paper.wire import NS_PER_US
from adapters.paper.ws.feeds import Feeds
from adapters.ports import AppendFile, Clock, Ids

if TYPE_CHECKING:
    from adapters.paper.faults.wire import VenueFaults
    from adapters.paper.state import State

# Bounds how late a kill-switch set meanwhile may fire; its own resolution is 1 s (10.8).
STEP_MAX_US = 100_000
# Background actions closer together than this are done in one go; each keeps its own time.
STEP_MIN_US = 1_000


class Venue:
    """One running exchange and all that a connection may touch of it."""

    def __init__(
        self,
        config: VenueConfig,
        *,
        clock: Clock,
        ids: Ids,
        body_file: AppendFile | None = None,
    ) -> None:
        self.config = config
        self.clock = VenueClock(clock)
        # Before its connections a venue may have a past, which its flow traded.
        self.start_us = self.now_us() - config.history_s * US_PER_S
        self.exchange = Exchange(config.exchange, self.start_us)
        self.ids = ids
        self.authenticator = Authenticator(
            keys_of(config, ids),
            strict_payload=config.strict_payload,
            nonce_status=config.nonce_status,
        )
        self.limiter = RestLimiter(config.rest_limits)
        self.public_cache = PublicCache()
        self.tokens = Tokens(ids, config.token_first_use_s, config.token_lifetime_s)
        self.bodies = BodyLog(body_file)
        self.statistics = Statistics(self.exchange.markets)
        self.feeds = Feeds(self.exchange, self.statistics, self.now_us())
        self.flow: Flow | None = None
        self.faults: VenueFaults | None = None
        # What keeps the inputs, None for a venue that lives in memory only.
        self.state: State | None = None

    @property
    def accounts(self) -> list[ApiKey]:
        """Every key and its account, those of the start first."""
        return self.authenticator.keys

    def now_us(self) -> int:
        """The venue's clock in microseconds since the epoch."""
        return self.clock.now_ns() // NS_PER_US

    def steady_us(self) -> int:
        """Microseconds of a clock that is never stepped; equal to `now_us` before any step."""
        return self.clock.steady_ns() // NS_PER_US

    def step_clock(self, step_ns: int) -> None:
        """Move the venue's wall clock by `step_ns`, also backwards.

        The exchange never steps back: it stands still until the clock has passed its last action.
        """
        self.catch_up()
        self.publish()
        self.clock.offset_ns += step_ns
        self.feeds.restart_ticks(self.now_us())

    def spec(self, market: str) -> MarketSpec:
        return self.exchange.markets[market].spec

    def catch_up(self) -> None:
        """Let the background and the timers act up to now, before a request is applied."""
        if self.clock.offset_ns:
            # The flow acts by the steady clock, so its stamps come from here.
            self.exchange.advance(self.now_us())
        if self.flow is not None:
            self.flow.run_until(self.steady_us())
        self.exchange.advance(self.now_us())

    def publish(self) -> None:
        """Push what the exchange announced since the last time."""
        notices = self.exchange.drain()
        if notices:
            self.statistics.count(notices)
            self.feeds.publish(notices, self.now_us())

    def play_past(self) -> None:
        """Let the flow trade from the start up to now, a minute at a time to keep memory flat."""
        for minute_us in range(self.start_us, self.now_us(), 60 * US_PER_S):
            if self.flow is not None:
                self.flow.run_until(minute_us)
            self.exchange.advance(minute_us)
            self.publish()

    def step(self) -> float:
        """Let everything happen that is due and return the seconds until the next thing."""
        self.catch_up()
        self.publish()
        if self.state is not None:
            self.state.flush(self.exchange.matcher.now_us)
        now_us = self.now_us()
        self.feeds.tick(now_us)
        due = [now_us + STEP_MAX_US, self.feeds.next_us()]
        if self.flow is not None:
            due.append(self.flow.next_us() - self.steady_us() + now_us)
        timer_us = self.exchange.next_timer_us()
        if timer_us is not None:
            due.append(timer_us)
        return max(min(due) - self.now_us(), STEP_MIN_US) / US_PER_S
