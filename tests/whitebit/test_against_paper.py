"""The whole client against the paper venue: every intent has its answer, every push its event."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import trio
from trio.testing import MockClock

from adapters.paper.config import VenueConfig
from adapters.paper.server import VenueHandle, serve_venue
from adapters.simulated import SimClock, SimIds, SimNet
from adapters.whitebit.frames import StreamSession, encode_frame, subscriptions
from adapters.whitebit.http_backend import make_http_client
from adapters.whitebit.lanes import Lanes
from adapters.whitebit.normalise import Normaliser
from adapters.whitebit.requests import encode
from adapters.whitebit.responses import normalise_response
from adapters.whitebit.rest import RestAnswer, RestClient
from adapters.whitebit.signing import NonceSource, Secret, Signer
from adapters.whitebit.streams import StreamClient
from adapters.whitebit.urls import parse_url
from engine import events, intents
from engine.refusals import RefusalKind, classify
from engine.types import Market, OrderStatus, Settings, Side, Stp

HOST = "venue.test"
LIMITS = httpx.Limits(max_connections=4, max_keepalive_connections=4)
NAMES = ("BTC_USDT", "BTC_PERP")


class Account:
    """One account's client: intents in, events out."""

    def __init__(self, net: SimNet, http: httpx.AsyncClient, handle: VenueHandle) -> None:
        key = handle.accounts[0]
        signer = Signer(Secret(key.key), Secret(key.secret))
        self._net = net
        self._url = f"{HOST}:{handle.port}"
        url = f"http://{self._url}"
        self.rest = RestClient(http, Lanes(net, parse_url(url)), url, signer)
        self.nonces = NonceSource(SimClock().now_ns)
        self.markets: dict[str, Market] = {}

    async def ask(self, intent: intents.Intent) -> events.AnyEvent:
        market = self.markets.get(getattr(intent, "market", ""))
        answer = await self.rest.send(encode(intent, market, self.nonces.draw()))
        assert isinstance(answer, RestAnswer)
        return normalise_response(
            intent, market, answer.status, answer.body, self.markets, set(NAMES)
        )

    async def open(self, nursery: trio.Nursery, stream: str) -> tuple[Stream, StreamClient]:
        token = await self.rest.token(self.nonces.draw()) if stream == "private" else None
        assert token is None or isinstance(token, Secret)
        frames = subscriptions(stream, self.markets, Settings())
        log = Stream(stream, self.markets, frames)
        client = StreamClient(
            self._net, f"ws://{self._url}/ws", stream, frames, token, log.opened, log.frame
        )
        nursery.start_soon(client.run)
        await log.ready.wait()
        return log, client


class Stream:
    """Events of one stream, in order."""

    def __init__(self, stream: str, markets: dict[str, Market], frames: tuple[bytes, ...]) -> None:
        self._stream = stream
        self._normaliser = Normaliser(markets)
        self._session = StreamSession(stream, frames)
        self.ready = trio.Event()
        self.events: list[events.AnyEvent] = []

    def opened(self) -> None:
        self.events.append(events.StreamOpened(self._stream))

    def frame(self, data: bytes) -> None:
        event = self._normaliser.frame(self._stream, data)
        assert not isinstance(event, events.FrameRefused), event
        self.events.append(event)
        if self._session.confirm(event):
            self.ready.set()

    def names(self) -> set[str]:
        return {type(event).__name__ for event in self.events}


@asynccontextmanager
async def account() -> AsyncIterator[tuple[Account, trio.Nursery]]:
    net = SimNet(seed=3)

    async def run(*, task_status: trio.TaskStatus[VenueHandle]) -> None:
        await serve_venue(
            VenueConfig(),
            host=HOST,
            clock=SimClock(),
            ids=SimIds(3),
            net=net,
            task_status=task_status,
        )

    async with trio.open_nursery() as nursery, make_http_client(net, limits=LIMITS) as http:
        handle: VenueHandle = await nursery.start(run)
        opened = Account(net, http, handle)
        listed = await opened.ask(intents.QueryMarkets())
        assert isinstance(listed, events.MarketsListed)
        opened.markets = {market.name: market for market in listed.markets}
        assert tuple(sorted(opened.markets, reverse=True)) == NAMES
        yield opened, nursery
        nursery.cancel_scope.cancel()


def orders(market: Market, *numbers: int) -> intents.PlaceOrders:
    """Post-only bids of 100 units of the quote asset and more, well below any market."""
    price = 20_000 * 10**market.price_decimals
    qty = 10**market.qty_decimals // 100
    return intents.PlaceOrders(
        market.name,
        tuple(
            intents.NewOrder(f"q{n}", Side.BUY, price - n, qty, Stp.CANCEL_NEW, False, True, n)
            for n in numbers
        ),
    )


async def test_every_intent_is_answered(autojump_clock: MockClock) -> None:
    async with account() as (alice, _):
        for name in NAMES:
            market = alice.markets[name]
            assert isinstance(
                await alice.ask(intents.ArmKillSwitch(name, 15)), events.KillSwitchArmed
            )
            listed = await alice.ask(intents.QueryKillSwitch(name))
            assert isinstance(listed, events.KillSwitchesListed)
            assert [timer.market for timer in listed.timers] == [name]

            single = await alice.ask(orders(market, 1))
            bulk = await alice.ask(orders(market, 2, 3, 3))
            assert isinstance(single, events.OrdersPlaced)
            assert isinstance(bulk, events.OrdersPlaced)
            placed = [result.order for result in (*single.results, *bulk.results[:2])]
            assert [order and order.status for order in placed] == [OrderStatus.OPEN] * 3
            refusal = bulk.results[2].refusal
            assert refusal is not None
            assert classify(refusal) is RefusalKind.DUPLICATE_CLIENT_ID

            first = orders(market, 1).orders[0]
            modify = intents.ModifyOrder(name, "q1", first.price - 10, first.qty * 2, first.stp)
            modified = await alice.ask(modify)
            assert isinstance(modified, events.OrderModified)
            assert (modified.order.price, modified.order.qty) == (modify.price, modify.qty)

            opened = await alice.ask(intents.QueryOpenOrders(name, 0))
            assert isinstance(opened, events.OpenOrdersListed)
            assert sorted(order.client_order_id for order in opened.orders) == ["q1", "q2", "q3"]
            assert opened.complete

            cancelled = await alice.ask(intents.CancelOrder(name, "q1"))
            assert isinstance(cancelled, events.OrderCancelled)
            assert cancelled.order.status is OrderStatus.CANCELLED
            gone = await alice.ask(intents.CancelOrder(name, "q1"))
            assert isinstance(gone, events.RequestRefused)
            assert classify(gone.refusal) is RefusalKind.NOT_FOUND

            assert await alice.ask(intents.CancelAll(name)) == events.OrdersAllCancelled(name)
            assert await alice.ask(intents.DisarmKillSwitch(name)) == events.KillSwitchDisarmed(
                name
            )
            fills = await alice.ask(intents.QueryFills(name, 0))
            assert fills == events.FillsListed(name, 0, (), True)
            assert isinstance(await alice.ask(intents.QueryFees(name)), events.FeesListed)
            paid = await alice.ask(intents.QueryFunding(name, 0))
            assert paid == events.FundingListed(name, 0, (), True)
        assert isinstance(await alice.ask(intents.QuerySpotBalances()), events.SpotBalancesListed)
        margin = await alice.ask(intents.QueryMarginBalances())
        assert isinstance(margin, events.MarginBalancesListed)
        positions = await alice.ask(intents.QueryPositions("BTC_PERP"))
        assert positions == events.PositionsListed("BTC_PERP", ())
        assert isinstance(await alice.ask(intents.QueryTime()), events.ServerTimeReported)


async def test_streams_report_what_happens(autojump_clock: MockClock) -> None:
    async with account() as (alice, nursery):
        private, _ = await alice.open(nursery, "private")
        public, client = await alice.open(nursery, "BTC_USDT")
        market = alice.markets["BTC_USDT"]
        await alice.ask(orders(market, 1))
        await trio.sleep(2)
        ping = encode_frame(intents.Ping("BTC_USDT"), 1, Settings())
        again = encode_frame(intents.Resubscribe("BTC_USDT"), 2, Settings())
        for frame in ping + again:
            assert await client.send(frame)
        await trio.sleep(1)
        await alice.ask(intents.CancelOrder("BTC_USDT", "q1"))
        await trio.sleep(2)

        opened = [event for event in private.events if isinstance(event, events.OrderOpened)]
        closed = [event for event in private.events if isinstance(event, events.OrderClosed)]
        assert [event.order.client_order_id for event in opened + closed] == ["q1", "q1"]
        assert closed[0].order.status is OrderStatus.CANCELLED
        assert {"StreamAuthorised", "SpotBalancesChanged"} <= private.names()
        subscribed = [
            event.method for event in public.events if isinstance(event, events.StreamSubscribed)
        ]
        assert subscribed[3:] == ["depth_unsubscribe", "depth_subscribe"]
        assert {"BookSnapshot", "BookDelta", "BestBidOffer", "PongReceived"} <= public.names()
