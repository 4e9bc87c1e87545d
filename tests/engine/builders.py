"""Readable values for tests of the pure core, and a run that folds events one by one."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import msgspec
from msgspec.structs import replace

from engine import events as e
from engine import intents as i
from engine.backoff import Group, group_of
from engine.orders import Order, Status
from engine.rates import endpoint_of
from engine.reduce import reduce
from engine.state import PRIVATE, MarketState, State
from engine.step import decide
from engine.strategy import Strategy, View, register
from engine.types import (
    KillSwitchTimer,
    Level,
    Limits,
    MarginBalance,
    Market,
    OrderStatus,
    Product,
    Quoted,
    Refusal,
    Role,
    Settings,
    Side,
    SpotBalance,
    Stp,
    TwoSidedQuote,
    VenueFill,
    VenueOrder,
)

S, MS = 1_000_000_000, 1_000_000
T0 = 1_800_000_000 * S
"""When every test run starts, nanoseconds."""

MARKET = Market(
    name="BTC_USDT",
    base_asset="BTC",
    quote_asset="USDT",
    product=Product.SPOT,
    price_decimals=2,
    qty_decimals=3,
    qty_min=1,
    notional_min=10,
    notional_max=0,
    maker_fee_rate=Decimal("0.001"),
    taker_fee_rate=Decimal("0.001"),
)
NAME = MARKET.name
PERPETUAL = msgspec.structs.replace(
    MARKET, name="BTC_PERP", base_asset="BTC", product=Product.PERPETUAL
)


class Fixed(Strategy, frozen=True, forbid_unknown_fields=True):
    """Quotes exactly what its parameters say: `[price, qty]` pairs, best first."""

    bids: tuple[tuple[int, int], ...] = ()
    asks: tuple[tuple[int, int], ...] = ()
    rpi: bool = False
    stp: Stp = Stp.CANCEL_NEW

    def quote(self, view: View) -> TwoSidedQuote:
        return TwoSidedQuote(self._levels(self.bids), self._levels(self.asks))

    def _levels(self, pairs: Iterable[tuple[int, int]]) -> tuple[Level, ...]:
        return tuple(Level(p, q, self.stp, self.rpi, not self.rpi) for p, q in pairs)


register("fixed", Fixed)

Pairs = tuple[tuple[int, int], ...]


def fixed(bids: Pairs = (), asks: Pairs = (), *, rpi: bool = False) -> str:
    """Parameters of the `fixed` strategy."""
    return msgspec.json.encode(Fixed(bids, asks, rpi)).decode()


def limits(
    position_max: int = 100,
    order_notional_max: int = 10**9,
    collar_bps: int = 5_000,
    open_orders_max: int = 40,
    **more: Any,
) -> Limits:
    return Limits(position_max, order_notional_max, collar_bps, open_orders_max, **more)


def quoted(
    market: Market = MARKET,
    parameters: str = "{}",
    strategy: str = "fixed",
    limit: Limits | None = None,
    inventory_target: int = 0,
    price_tolerance: int = 0,
) -> Quoted:
    return Quoted(
        market, strategy, parameters, limit or limits(), inventory_target, price_tolerance, 100
    )


def venue_order(
    client_order_id: str,
    order_id: int,
    *,
    qty: int = 10,
    leaves: int | None = None,
    side: Side = Side.BUY,
    price: int = 1000,
    status: OrderStatus = OrderStatus.OPEN,
    market: str = NAME,
    rpi: bool = False,
    text: str = "",
) -> VenueOrder:
    """An order as the venue reports it; `leaves` is the whole of it when left out."""
    left = qty if leaves is None else leaves
    return VenueOrder(
        market=market,
        order_id=order_id,
        client_order_id=client_order_id,
        side=side,
        price=price,
        qty=qty,
        leaves_qty=left,
        filled_qty=qty - left,
        status=status,
        status_text=text or status.value.upper(),
        post_only=not rpi,
        rpi=rpi,
        stp="cn",
        modified_us=0,
    )


def fill(
    deal_id: int,
    *,
    qty: int = 10,
    price: int = 1000,
    side: Side = Side.BUY,
    order_id: int = 1,
    client_order_id: str = "",
    market: str = NAME,
    role: Role = Role.MAKER,
    fee: str = "0",
    fee_asset: str = "USDT",
) -> VenueFill:
    return VenueFill(
        market,
        deal_id,
        order_id,
        client_order_id,
        side,
        role,
        price,
        qty,
        Decimal(fee),
        fee_asset,
        0,
    )


def new_order(
    client_order_id: str,
    *,
    side: Side = Side.BUY,
    price: int = 1000,
    qty: int = 10,
    level: int = 0,
    rpi: bool = False,
) -> i.NewOrder:
    return i.NewOrder(client_order_id, side, price, qty, Stp.CANCEL_NEW, rpi, not rpi, level)


def snapshot(
    bids: tuple[int, ...] = (990, 50, 980, 50),
    asks: tuple[int, ...] = (1010, 50, 1020, 50),
    update_id: int = 1,
    market: str = NAME,
    at_ns: int = T0,
) -> e.BookSnapshot:
    return e.BookSnapshot(market, update_id, at_ns // 1000, bids, asks)


def balances(base: str = "0", quote: str = "0") -> tuple[SpotBalance, ...]:
    zero = Decimal(0)
    return (
        SpotBalance("BTC", Decimal(base), zero),
        SpotBalance("USDT", Decimal(quote), zero),
    )


def margin(asset: str = "USDT", balance: str = "100") -> MarginBalance:
    amount = Decimal(balance)
    return MarginBalance(asset, amount, Decimal(0), amount, amount)


FEES = e.FeesListed(NAME, Decimal("0.001"), Decimal("0.001"), Decimal(0))
NOT_FOUND = Refusal(400, 2, "orderId", "Unexecuted order was not found.")
NO_FUNDS = Refusal(422, 10, "amount", "Not enough balance.")
WOULD_TAKE = Refusal(422, 13, "postOnly", "This order couldn't be executed as a maker order")
UNAUTHORISED = Refusal(401, 10, "", "Unauthorized request.")
BUSY = Refusal(422, 15, "error", "Please try again later.")


class Run:
    """Folds events through the real reducer, checking every invariant after each."""

    def __init__(
        self,
        *markets: Quoted,
        mode: str = "paper",
        settings: Settings | None = None,
        state: State | None = None,
        run_id: str = "r1",
    ) -> None:
        self.state = state or State()
        self.now_ns = self.state.now_ns or T0
        self.base = "0"
        self.listed: tuple[VenueOrder, ...] = ()
        """What the stand-in for the venue lists as open."""
        self.history: tuple[VenueFill, ...] = ()
        """Deals the stand-in for the venue lists, newest first."""
        self.positions: tuple[Any, ...] = ()
        if markets:
            used = settings or Settings()
            self.push(e.RunStarted(run_id, mode, (), "{}", used, markets))

    @property
    def market(self) -> MarketState:
        """The first market of the run."""
        return next(iter(self.state.markets.values()))

    def order(self, client_order_id: str) -> Order:
        order = self.market.order(client_order_id)
        assert order is not None
        return order

    def push(self, event: e.AnyEvent, cause: int = 0, after_ns: int = MS) -> int:
        """Fold one event; returns its seq."""
        self.now_ns += after_ns
        record = e.Record(self.state.seq + 1, self.now_ns, cause, event)
        self.state = reduce(self.state, record)
        self.state.check()
        return record.seq

    def wait(self, seconds: float) -> None:
        """Let time pass, then let the timer fire."""
        self.push(e.TimerFired(), after_ns=int(seconds * S))

    def ask(self, *intents: i.Intent) -> list[int]:
        """Decide on the given intents and send them; returns the seqs of the requests."""
        decided = self.push(e.Decided(intents, ()))
        return [self._sent(index, intent, decided) for index, intent in enumerate(intents)]

    def _sent(self, index: int, intent: i.Intent, decided: int) -> int:
        if group_of(intent) is Group.STREAMS:
            sent = e.RequestSent(index, 0, "WS", getattr(intent, "stream", ""), b"")
            return self.push(sent, decided)
        path = endpoint_of(self.state, intent)
        nonce = (self.now_ns + self.state.clock_offset_ns) // MS
        return self.push(e.RequestSent(index, nonce, "POST", path, b""), decided)

    def decide(self) -> list[i.Intent]:
        """What the engine wants now; nothing is recorded."""
        return list(decide(self.state).intents)

    def act(self) -> list[tuple[int, i.Intent]]:
        """Let the engine decide and send it all: (request seq, intent) of each."""
        decision = decide(self.state)
        decided = self.push(decision)
        return [
            (self._sent(index, intent, decided), intent)
            for index, intent in enumerate(decision.intents)
        ]

    def settle(self, rounds: int = 12) -> list[tuple[int, i.Intent]]:
        """Answer all but order requests as a calm venue would; returns those left unanswered."""
        left: list[tuple[int, i.Intent]] = []
        for _ in range(rounds):
            sent = self.act()
            if not sent:
                return left
            for seq, intent in sent:
                answer = self.answer_to(intent)
                if answer is None:
                    left.append((seq, intent))
                else:
                    self.push(answer, seq)
        return left

    def answer_to(self, intent: i.Intent) -> e.AnyEvent | None:
        """What a calm venue says; None for orders."""
        now_s = self.now_ns // S
        match intent:
            case i.OpenStream(stream):
                return e.StreamReady(stream)
            case i.CloseStream(stream):
                return e.StreamClosed(stream, "asked", 0)
            case i.Ping(stream):
                return e.PongReceived(stream)
            case i.Resubscribe(stream):
                return snapshot(market=stream, at_ns=self.now_ns)
            case i.QueryFees(market):
                return FEES if market == NAME else replace(FEES, market=market)
            case i.QueryFunding(market, offset):
                return e.FundingListed(market, offset, (), True)
            case i.QueryTime():
                return e.ServerTimeReported(now_s)
            case i.QueryMarkets():
                return e.MarketsListed(tuple(m.quoted.market for m in self.state.markets.values()))
            case i.ArmKillSwitch(market, timeout_s):
                return e.KillSwitchArmed(KillSwitchTimer(market, now_s, now_s + timeout_s))
            case i.QueryKillSwitch():
                timers = [(n, m.kill_switch.expiry_s) for n, m in self.state.markets.items()]
                shown = [KillSwitchTimer(name, 0, at_s) for name, at_s in timers if at_s]
                return e.KillSwitchesListed(tuple(shown))
            case i.DisarmKillSwitch(market):
                return e.KillSwitchDisarmed(market)
            case i.CancelAll(market):
                return e.OrdersAllCancelled(market)
            case i.QueryOpenOrders(market, offset):
                return e.OpenOrdersListed(market, offset, self.listed, True)
            case i.QueryFills(market, offset):
                return e.FillsListed(market, offset, self.history, True)
            case i.QuerySpotBalances():
                return e.SpotBalancesListed(balances(self.base, "1000"))
            case i.QueryPositions(market):
                return e.PositionsListed(market, self.positions)
            case i.QueryMarginBalances():
                return e.MarginBalancesListed((margin(),))
            case _:
                return None


def started(*markets: Quoted) -> Run:
    """A run whose streams are up, whose inventory is known to be nothing, and that has a book."""
    run = Run(*(markets or (quoted(),)))
    run.settle()
    for name in run.state.markets:
        run.push(snapshot(market=name, at_ns=run.now_ns))
    return run


def quoting(
    bids: Pairs = ((990, 10),),
    asks: Pairs = ((1010, 10),),
    *,
    limit: Limits | None = None,
    inventory_target: int = 0,
    price_tolerance: int = 0,
) -> tuple[Run, list[Order]]:
    """A run with resting quotes, and its live orders: asks first."""
    spec = quoted(
        parameters=fixed(bids, asks),
        limit=limit,
        inventory_target=inventory_target,
        price_tolerance=price_tolerance,
    )
    run = started(spec)
    for seq, intent in run.act():
        if isinstance(intent, i.PlaceOrders):
            run.push(e.OrdersPlaced(NAME, accepted(intent.orders)), seq)
    assert all(order.status is Status.OPEN for order in run.market.live)
    assert run.act() == []
    return run, list(run.market.live)


def accepted(
    orders: tuple[i.NewOrder, ...], first_id: int = 1, market: str = NAME
) -> tuple[e.PlaceResult, ...]:
    """Answers of a venue that lets every order rest."""
    return tuple(
        e.PlaceResult(
            venue_order(
                new.client_order_id,
                first_id + index,
                qty=new.qty,
                side=new.side,
                price=new.price,
                market=market,
                rpi=new.rpi,
            ),
            None,
        )
        for index, new in enumerate(orders)
    )


STREAMS = (NAME, PRIVATE)
