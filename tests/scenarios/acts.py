"""What happens in a scenario beside the plan of faults, each as a value to put into a row."""

from __future__ import annotations

from collections.abc import Callable

import trio
from msgspec.structs import replace

from adapters.paper.core.account_actions import Wallet
from adapters.paper.core.model import (
    FLOW_MAKER,
    FLOW_TAKER,
    CancelOrder,
    NewOrder,
    Order,
    Reject,
    Side,
    to_units,
)
from adapters.whitebit.signing import TOKEN_PATH
from tests.integration.kit import ACCOUNT
from tests.scenarios.devices import TORN_BYTES
from tests.scenarios.world import Act, World

SPOT, PERP = "BTC_USDT", "BTC_PERP"
Condition = Callable[[World], object]


def at(seconds: float, *acts: Act) -> Act:
    """Do one act after the other, from a moment on."""

    async def run(world: World) -> None:
        await trio.sleep(seconds)
        for act in acts:
            await act(world)

    return run


def once(condition: Condition, *acts: Act) -> Act:
    """Do one act after the other once something is so."""

    async def run(world: World) -> None:
        await world.until(lambda: condition(world))
        for act in acts:
            await act(world)

    return run


def pause(seconds: float) -> Act:
    async def run(world: World) -> None:
        await trio.sleep(seconds)

    return run


# --- conditions -------------------------------------------------------------------------------


def faults(count: int) -> Condition:
    """So many faults of the plan were done."""

    def is_so(world: World) -> bool:
        found = world.venue.venue.faults
        return found is not None and len(found.log) >= count

    return is_so


def in_flight(kind: type, since_s: float = 0) -> Condition:
    """A request of this kind has no answer yet, though it is this old."""

    def is_so(world: World) -> bool:
        state, now_ns = world.state, world.clock.now_ns()
        return any(
            isinstance(request.intent, kind) and now_ns - request.sent_ns >= since_s * 1e9
            for request in state.requests.values()
        )

    return is_so


def empty(market: str) -> Condition:
    """No order of the engine rests."""
    return lambda world: not world.watch.own_orders(market)


# --- what happens -----------------------------------------------------------------------------


async def cut_all(world: World) -> None:
    """Break every connection of the engine, with what is on its way."""
    assert world.net.reset_all()


async def cut_sockets(world: World) -> None:
    """Let the venue drop every WebSocket without a word."""
    assert world.venue.cut_sockets()


def slow(seconds: float, extra_s: float) -> Act:
    """Make every message late for a while."""

    async def run(world: World) -> None:
        world.net.extra_s = extra_s
        await trio.sleep(seconds)
        world.net.extra_s = 0.0

    return run


def hang(seconds: float) -> Act:
    """Stop everything for a while: nothing runs, time passes."""

    async def run(world: World) -> None:
        world.hang(seconds)

    return run


def hang_at_sync(seconds: float) -> Act:
    """Let the disk take its time for the next sync, in which nothing else happens."""

    async def run(world: World) -> None:
        def hang_once() -> None:
            world.fs.before_sync = None
            world.hang(seconds)

        world.fs.before_sync = hang_once

    return run


def set_clock(seconds: float) -> Act:
    """Move the engine's clock."""

    async def run(world: World) -> None:
        world.clock.offset_ns += int(seconds * 1e9)

    return run


def set_venue_clock(seconds: float) -> Act:
    async def run(world: World) -> None:
        world.venue.venue.step_clock(int(seconds * 1e9))

    return run


def rewrite(pattern: bytes, text: bytes, seconds: float = 1000) -> Act:
    """Change what the engine reads for a while; it must have read some of it."""

    async def run(world: World) -> None:
        world.net.rewrites.append((pattern, text))
        before = world.net.rewritten
        with trio.move_on_after(seconds):
            await trio.sleep_forever()
        world.net.rewrites.remove((pattern, text))
        assert world.net.rewritten > before

    return run


def fill(market: str, side: Side, lots: int = 0) -> Act:
    """Let somebody trade through the engine's best order of a side: all of it, or some lots."""

    async def run(world: World) -> None:
        def own() -> list[Order]:
            return [order for order in world.watch.own_orders(market) if order.side is side]

        await world.until(own)
        best = min(own(), key=lambda order: -order.ticks if side is Side.BUY else order.ticks)
        book, ahead = world.venue.exchange.markets[market], 0
        for order in book.own_side(best).orders():
            if order.order_id == best.order_id:
                break
            ahead += order.leaves_lots
        amount = book.spec.qty_text(ahead + (lots or best.leaves_lots))
        other = Side.SELL if side is Side.BUY else Side.BUY
        place(world, FLOW_TAKER, market, other, amount, book.spec.price_text(best.ticks), ioc=True)

    return run


def inside(market: str, side: Side, amount: str, account: str = "") -> Act:
    """Place an order one tick better than the best of its side, by hand or for somebody else."""

    async def run(world: World) -> None:
        spec = world.venue.venue.spec(market)
        bid, _, ask, _ = world.venue.exchange.markets[market].best()
        ticks = bid + 1 if side is Side.BUY else ask - 1
        place(world, account or ACCOUNT, market, side, amount, spec.price_text(ticks))

    return run


def sway(market: str, times: int, every_s: float) -> Act:
    """Narrow the spread from above for a moment, time and again, so that the mid jumps."""

    async def run(world: World) -> None:
        venue, exchange = world.venue.venue, world.venue.exchange
        spec = venue.spec(market)
        for _ in range(times):
            bid, *_ = exchange.markets[market].best()
            order = place(world, FLOW_MAKER, market, Side.SELL, "1", spec.price_text(bid + 1))
            await trio.sleep(every_s)
            request = CancelOrder(market=market, order_id=order.order_id)
            exchange.cancel(FLOW_MAKER, request, venue.now_us())
            venue.publish()
            await trio.sleep(every_s)

    return run


def fill_sign(market: str) -> Act:
    """Let somebody else take the best ask."""

    async def run(world: World) -> None:
        book = world.venue.exchange.markets[market]
        _, _, ask, lots = book.best()
        amount, price = book.spec.qty_text(lots), book.spec.price_text(ask)
        place(world, FLOW_MAKER, market, Side.BUY, amount, price, ioc=True)

    return run


def foreign(market: str, side: Side, amount: str, bps: int, client_order_id: str = "") -> Act:
    """Place an order on the engine's account by hand, so many basis points behind the best."""

    async def run(world: World) -> None:
        spec = world.venue.venue.spec(market)
        bid, _, ask, _ = world.venue.exchange.markets[market].best()
        touch = bid if side is Side.BUY else ask
        away = touch * bps // 10_000
        ticks = touch - away if side is Side.BUY else touch + away
        place(world, ACCOUNT, market, side, amount, spec.price_text(ticks), client_order_id)

    return run


async def cancel_foreign(world: World) -> None:
    """Cancel by hand what was placed by hand."""
    exchange, now_us = world.venue.exchange, world.venue.venue.now_us()
    own = {order.order_id for order in world.watch.own_orders()}
    strangers = [o for o in exchange.open_orders(ACCOUNT) if o.order_id not in own]
    assert strangers, "nothing was placed by hand"
    for order in strangers:
        gone = exchange.cancel(
            ACCOUNT, CancelOrder(market=order.market, order_id=order.order_id), now_us
        )
        assert isinstance(gone, Order)
    world.venue.venue.publish()


async def cancel_own(world: World) -> None:
    """Cancel the engine's orders by hand."""
    exchange, now_us = world.venue.exchange, world.venue.venue.now_us()
    own = world.watch.own_orders()
    assert own, "nothing rests"
    for order in own:
        request = CancelOrder(market=order.market, order_id=order.order_id)
        assert isinstance(exchange.cancel(ACCOUNT, request, now_us), Order)
    world.venue.venue.publish()


def place(
    world: World,
    account: str,
    market: str,
    side: Side,
    amount: str,
    price: str,
    client_order_id: str = "",
    *,
    ioc: bool = False,
) -> Order:
    """Place an order at the exchange itself; it must be accepted."""
    venue = world.venue.venue
    venue.catch_up()
    request = NewOrder(
        market=market,
        side=side,
        amount=amount,
        price=price,
        client_order_id=client_order_id,
        ioc=ioc,
        collateral=market == PERP,
    )
    order = world.venue.exchange.place(account, request, venue.now_us())
    assert not isinstance(order, Reject), order
    venue.publish()
    return order


def deposit(asset: str, amount: str) -> Act:
    """Add to the spot wallet from outside."""

    async def run(world: World) -> None:
        venue = world.venue.venue
        world.venue.exchange.deposit(ACCOUNT, "spot", asset, to_units(amount), venue.now_us())
        venue.publish()

    return run


def drain(asset: str, seconds: float) -> Act:
    """Take all that is available of both wallets away for a while."""

    async def run(world: World) -> None:
        venue, exchange = world.venue.venue, world.venue.exchange
        taken: tuple[tuple[Wallet, int], ...] = (
            ("spot", exchange.spot_balances(ACCOUNT)[asset].available),
            ("collateral", exchange.collateral(ACCOUNT)[asset].available),
        )
        for wallet, units in taken:
            assert exchange.withdraw(ACCOUNT, wallet, asset, units, venue.now_us())
        venue.publish()
        await trio.sleep(seconds)
        for wallet, units in taken:
            exchange.deposit(ACCOUNT, wallet, asset, units, venue.now_us())
        venue.publish()

    return run


async def disable_key(world: World) -> None:
    """Let the venue know the engine's key no more."""
    key = replace(world.venue.accounts[0], enabled=False)
    world.venue.venue.authenticator.put(key)


async def deny_token(world: World) -> None:
    """Let the venue give the engine's key no token for its private stream any more."""
    key = replace(world.venue.accounts[0], denied=(TOKEN_PATH,))
    world.venue.venue.authenticator.put(key)


# --- the machine ------------------------------------------------------------------------------


async def crash(world: World) -> None:
    """Stop the engine's machine: what is not durable is lost, its connections end."""
    await world.crash()


async def crash_torn(world: World) -> None:
    """Stop it while a record is being written, of which a part reaches the disk."""
    world.fs.torn = True
    world.fs.crash_before = lambda: world.fs.unsynced() > TORN_BYTES
    await world.over()


def crash_at_sync(kind: type, *, durable: bool) -> Act:
    """Stop it just before, or just after, the journal made a request of this kind durable.

    It has not left yet in either case: that is what a request waits for.
    """

    async def run(world: World) -> None:
        def is_due() -> bool:
            state = world.state
            return any(
                isinstance(request.intent, kind) and request.sent_ns == state.now_ns
                for request in state.requests.values()
            )

        if durable:
            world.fs.crash_after = is_due
        else:
            world.fs.crash_before = is_due
        await world.over()

    return run


def restart(after_s: float = 0.5) -> Act:
    """Start the engine again, on the same journal, once it is gone."""

    async def run(world: World) -> None:
        await world.restart(after_s)

    return run


async def disk_fails(world: World) -> None:
    world.fs.fail_syncs = True


async def disk_full(world: World) -> None:
    world.fs.space_left = 2_000
