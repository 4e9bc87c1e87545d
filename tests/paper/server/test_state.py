"""A venue that keeps its inputs comes back as it was, bit by bit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import partial
from random import Random
from typing import Any

import msgspec
import pytest

from adapters.paper.admin import server as admin
from adapters.paper.config import VenueConfig, with_flow_accounts, with_fresh_deals
from adapters.paper.flow.source import flow_maker
from adapters.paper.http import Request
from adapters.paper.rest import routes as rest
from adapters.paper.server import VenueHandle
from adapters.paper.state import State
from adapters.paper.venue import Venue
from adapters.simulated import SimFs
from engine.errors import ConfigError
from tests.paper.exchange_kit import PERP, SPOT
from tests.paper.venue_client import CountingIds

NS = 1_000_000_000
START_NS = 1_700_000_000 * NS + 123_456
TRADING = {"spot": {"BTC": "50", "USDT": "5000000"}, "collateral": {"USDT": "1000000"}}


class HandClock:
    """Time that tests move, a little further with each look."""

    def __init__(self, now_ns: int = START_NS) -> None:
        self.ns = now_ns

    def now_ns(self) -> int:
        self.ns += 700
        return self.ns


class Memory:
    """Kept entries; what is not flushed is lost."""

    def __init__(self) -> None:
        self.kept: list[bytes] = []
        self._buffer: list[bytes] = []

    def append(self, payload: bytes) -> None:
        self._buffer.append(payload)

    def flush(self) -> None:
        self.kept += self._buffer
        self._buffer.clear()


class Run:
    """One life of a venue; `seen` is what it remembered before its flow started anew."""

    def __init__(
        self,
        store: Memory,
        clock: HandClock,
        *,
        flow: str = "synthetic:busy",
        config: VenueConfig | None = None,
        after: Run | None = None,
    ) -> None:
        self.clock = clock
        self.died_us = 0 if after is None else after.venue.exchange.matcher.now_us
        self.seen: dict[str, Any] = {}
        config = with_flow_accounts(config or VenueConfig())
        state = State(store, self._past(store.kept), admin.perform, clock=clock, ids=CountingIds())
        self.venue: Venue = Venue(config, clock=state.clock, ids=state.ids)
        state.resume(self.venue, rest.perform)
        make = flow_maker(config, flow, seed=1, speed="1", fs=SimFs())
        self.venue.flow = make(self.venue.exchange, self.venue.now_us())
        self.handle = VenueHandle(self.venue, 0)
        self.venue.step()

    def _past(self, kept: list[bytes]) -> Iterator[bytes]:
        yield from list(kept)
        if kept:
            # What the clock alone has done since the last entry is not kept but done again.
            self.venue.exchange.advance(self.died_us)
            self.seen = picture(self.venue)

    def wait(self, seconds: float) -> None:
        self.clock.ns += int(seconds * NS)
        self.venue.step()

    def ask(self, account: str, name: str, **body: Any) -> tuple[int, Any]:
        path = f"/api/v4/{name}"
        assert self.venue.state is not None
        again = partial(rest.perform, self.venue, account, path, body)
        answer = self.venue.state.ask(self.venue, account, path, body, again)
        return answer.status, msgspec.json.decode(answer.body)

    def command(self, path: str, **body: Any) -> tuple[int, Any]:
        headers = {"authorization": "Bearer t"}
        request = Request("POST", path, "", headers, msgspec.json.encode(body))
        answer = admin.respond(self.handle, "t", request)
        return answer.status, msgspec.json.decode(answer.body)


def picture(venue: Venue) -> dict[str, Any]:
    """Everything that is to survive, and the queues of every level."""
    exchange = venue.exchange
    shown: dict[str, Any] = {"keys": repr(venue.authenticator.keys)}
    for name, market in exchange.markets.items():
        for number, side in enumerate((market.bids, market.asks, market.rpi_bids, market.rpi_asks)):
            queues = {ticks: list(level.orders) for ticks, level in side.levels.items()}
            shown[f"{name} {number}"] = sorted(queues.items())
        mark = None if market.mark is None else market.mark.ticks()
        shown[f"{name} trades"] = repr((list(market.trades()), market.last_ticks, mark))
    for name, held in exchange.accounts.items():
        spot = {asset: (f.available, f.freeze) for asset, f in held.spot.items()}
        shown[name] = [
            repr(part)
            for part in (
                spot,
                held.collateral,
                [list(seat.orders.values()) for seat in held.seats.values()],
                [list(seat.client_ids) for seat in held.seats.values()],
                list(held.deals),
                list(held.finished),
                held.timers,
                list(held.funding),
                exchange.positions(name),
                exchange.collateral_balances(name),
                (held.spec, held.leverage, held.hedge_mode),
            )
        ]
    return shown


def trade(run: Run, rng: Random, actions: int) -> Counter[tuple[str, int]]:
    """Trade at random, with pauses, admin commands and clock steps between."""
    statuses: Counter[tuple[str, int]] = Counter()
    for _ in range(actions):
        run.wait(rng.choice((0.0005, 0.02, 0.13, 0.7)))
        account, market = rng.choice(("demo-1", "demo-2")), rng.choice((SPOT, PERP))
        book = run.venue.exchange.markets[market]
        bid, _, ask, _ = book.best()
        price = book.spec.price_text((bid + ask) // 2 + rng.randint(-20, 20))
        order = {"market": market, "side": rng.choice(("buy", "sell")), "amount": "0.01"}
        spot = market == SPOT and rng.random() < 0.7
        prefix = "order/" if spot else "order/collateral/"
        limit = "order/new" if spot else "order/collateral/limit"
        stop = prefix + ("stop_limit" if spot else "stop-limit")
        calls: list[tuple[str, dict[str, Any]]] = [
            (limit, {**order, "price": price}),
            (limit, {**order, "price": price}),
            (limit, {**order, "price": price, "postOnly": True, "rpi": True}),
            (prefix + "market", order),
            (stop, {**order, "price": price, "activation_price": price}),
            (prefix + "bulk", {"orders": [{**order, "price": price}, {**order, "price": "0"}]}),
            ("order/cancel/all", {"market": market}),
            ("order/kill-switch", {"market": market, "timeout": str(rng.randint(5, 9))}),
            ("collateral-account/leverage", {"leverage": rng.choice((5, 10, 20))}),
            ("collateral-account/hedge-mode/update", {"hedgeMode": rng.random() < 0.5}),
        ]
        choice = rng.randrange(len(calls) + 2)
        if choice < len(calls):
            name, body = calls[choice]
            statuses[name, run.ask(account, name, **body)[0]] += 1
        elif choice == len(calls):
            run.command("/deposit", account=account, asset="USDT", amount="12.5")
        else:
            run.command("/clock", step_ms=rng.choice((-300, 40, 900)))
    return statuses


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_venue_killed_in_the_flow_comes_back_bit_by_bit(seed: int) -> None:
    store, clock = Memory(), HandClock()
    first = Run(store, clock)
    statuses = trade(first, Random(seed), 200)
    first.venue.step()
    before = picture(first.venue)
    assert any(first.venue.exchange.deals("demo-1"))
    assert sum(status == 200 for _, status in statuses) >= 8, statuses
    later = HandClock(clock.ns + 3 * NS)
    second = Run(store, later, flow="synthetic", after=first)
    assert second.seen == before
    second.venue.exchange.check()
    # A second life is kept behind the first.
    trade(second, Random(seed + 100), 40)
    second.venue.step()
    third = Run(store, HandClock(later.ns + NS), flow="none", after=second)
    assert third.seen == picture(second.venue)


def test_open_orders_and_timers_go_on_and_the_old_flow_is_gone() -> None:
    store, clock = Memory(), HandClock()
    first = Run(store, clock)
    _, order = first.ask(
        "demo-1", "order/new", market=SPOT, side="buy", amount="0.01", price="50000"
    )
    first.ask("demo-1", "order/kill-switch", market=SPOT, timeout="30")
    second = Run(store, HandClock(clock.ns + 10 * NS), flow="none")
    assert [o.order_id for o in second.venue.exchange.open_orders("demo-1")] == [order["orderId"]]
    assert second.venue.exchange.markets[SPOT].depth(9) == (((5_000_000, 10_000),), ())
    second.wait(21)
    assert second.venue.exchange.open_orders("demo-1") == []
    ids = second.ask("demo-1", "order/new", market=SPOT, side="buy", amount="0.01", price="50000")
    assert ids[1]["orderId"] > order["orderId"]


def test_a_timer_that_ran_out_meanwhile_has_fired_at_its_time() -> None:
    store, clock = Memory(), HandClock()
    first = Run(store, clock, flow="none")
    first.ask("demo-1", "order/new", market=SPOT, side="buy", amount="0.01", price="50000")
    first.ask("demo-1", "order/kill-switch", market=SPOT, timeout="5")
    second = Run(store, HandClock(clock.ns + 3600 * NS), flow="none")
    (gone,) = second.venue.exchange.finished_orders("demo-1")
    assert gone.mtime_us == (START_NS // NS + 5) * 1_000_000


def test_drawn_keys_new_accounts_and_issued_keys_stay() -> None:
    store, clock = Memory(), HandClock()
    first = Run(store, clock, flow="none")
    assert first.command("/accounts", name="maker", **TRADING)[0] == 200
    assert first.command("/keys", account="maker", permissions=["read"])[0] == 200
    assert first.command("/keys", account="nobody")[0] == 400
    keys = first.venue.authenticator.keys
    second = Run(store, HandClock(clock.ns), flow="none")
    assert second.venue.authenticator.keys == keys
    # Draws go on where they were, so nothing is given out twice.
    assert second.venue.exchange.accounts["maker"].spot["BTC"].available


def test_what_was_not_flushed_was_not_answered_and_is_forgotten() -> None:
    store, clock = Memory(), HandClock()
    first = Run(store, clock)
    first.wait(1)
    before = picture(first.venue)
    clock.ns += NS
    first.venue.catch_up()
    assert picture(first.venue) != before
    assert Run(store, HandClock(clock.ns)).seen == before


def test_idle_time_is_noted_once_an_hour() -> None:
    store, clock = Memory(), HandClock()
    first = Run(store, clock, flow="none")
    kept = len(store.kept)
    for _ in range(300):
        first.wait(60)
    assert 4 <= len(store.kept) - kept <= 6
    assert Run(store, HandClock(clock.ns), flow="none").seen == picture(first.venue)


def test_another_outcome_than_before_is_refused() -> None:
    store, clock = Memory(), HandClock()
    first = Run(store, clock, flow="none")
    first.ask("demo-1", "order/new", market=SPOT, side="buy", amount="0.01", price="50000")
    exchange = msgspec.structs.replace(first.venue.config.exchange, first_order_id=77)
    changed = VenueConfig(exchange=exchange)
    with pytest.raises(ConfigError, match=r"--state: entry 2 \(/api/v4/order/new\): expected"):
        Run(store, clock, flow="none", config=changed)


def test_a_past_without_a_beginning_is_refused() -> None:
    store, clock = Memory(), HandClock()
    first = Run(store, clock, flow="none")
    first.ask("demo-1", "order/cancel/all", market=SPOT)
    del store.kept[0]
    with pytest.raises(ConfigError, match="expected the beginning of a venue first"):
        Run(store, clock, flow="none")


@pytest.mark.parametrize("flow", ["synthetic", "synthetic:whitebit"])
def test_the_new_flow_goes_on_near_the_last_price(flow: str) -> None:
    store, clock = Memory(), HandClock()
    first = Run(store, clock, flow="none")
    for account, side in (("demo-1", "sell"), ("demo-2", "buy")):
        first.ask(account, "order/new", market=SPOT, side=side, amount="0.01", price="70123.45")
    second = Run(store, HandClock(clock.ns), flow=flow)
    for market, tick in ((SPOT, 100), (PERP, 10)):
        bid, _, ask, _ = second.venue.exchange.markets[market].best()
        assert 70_080 * tick < bid < ask < 70_170 * tick


def test_a_venue_that_remembers_nothing_deals_under_ids_of_its_own() -> None:
    now_ns = 1_767_225_600 * 1_000_000_000
    one, other = (with_fresh_deals(VenueConfig(), at).exchange for at in (now_ns, now_ns + 10**9))
    assert one.first_deal_id == VenueConfig().exchange.first_deal_id + 17_672_256_000_000
    assert other.first_deal_id - one.first_deal_id == 10_000
