"""Read the 2xx body of each REST intent into its event; contract sections 4 to 7."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from contextlib import contextmanager
from decimal import Decimal
from typing import TypeVar, assert_never

import msgspec

from adapters.whitebit import wire
from adapters.whitebit.envelopes import refusal_of
from adapters.whitebit.markets import read_market
from adapters.whitebit.orders import (
    Scale,
    Surface,
    interest,
    optional_amount,
    position_side,
    rest_fill,
    rest_order,
    signed_lots,
)
from adapters.whitebit.requests import PAGE_LIMIT
from adapters.whitebit.units import UNIX_S_MAX, amount, clip, parse_units, ratio
from engine import events, intents
from engine.money import ZERO
from engine.types import (
    FundingPayment,
    KillSwitchTimer,
    MarginBalance,
    Market,
    Position,
    Product,
    SpotBalance,
    VenueOrder,
)

T = TypeVar("T")

_Deals = list[wire.RestDeal] | dict[str, list[wire.RestDeal]]
_MILLISECONDS = 10**11
"""What is no less than this is no time in seconds."""
_SERVICE_ERRORS = range(500, 600)
_DEALS = msgspec.json.Decoder[_Deals](_Deals)


class Misfit(Exception):
    """A number or an enumeration of a readable answer does not fit its market."""

    def __init__(self, market: str, reason: str) -> None:
        super().__init__(reason)
        self.market = market


def read_result(
    intent: intents.Intent,
    market: Market | None,
    status: int,
    body: bytes,
    markets: Mapping[str, Market],
    only: Set[str],
) -> events.AnyEvent:
    """Return the event of a 2xx answer; for the arguments see `normalise_response`.

    Raises:
        Misfit: if a number or an enumeration does not fit its market.
        ValueError: if the body is not an answer to this intent.
    """
    match intent:
        case intents.PlaceOrders():
            return _placed(intent, _scale(market), status, body)
        case intents.ModifyOrder():
            order = _one(body, _scale(market), Surface.ANSWER, intent.client_order_id)
            return events.OrderModified(order)
        case intents.CancelOrder():
            order = _one(body, _scale(market), Surface.CANCELLED, intent.client_order_id)
            return events.OrderCancelled(order)
        case intents.CancelAll():
            _decode(body, list[object])
            return events.OrdersAllCancelled(intent.market)
        case intents.ArmKillSwitch():
            item = _decode(body, wire.TimerItem)
            _expect("market", intent.market, item.market)
            return events.KillSwitchArmed(_timer(item))
        case intents.DisarmKillSwitch():
            _decode(body, list[object])
            return events.KillSwitchDisarmed(intent.market)
        case intents.QueryOpenOrders():
            return _open_orders(intent, _scale(market), body)
        case intents.QueryFills():
            return _fills(intent, _scale(market), body)
        case intents.QueryFees():
            return _fees(_scale(market).market, body)
        case intents.QueryFunding():
            return _funding(intent, body)
        case _:
            return _account_result(intent, body, markets, only)


def _account_result(
    intent: intents.QuerySpotBalances
    | intents.QueryMarginBalances
    | intents.QueryPositions
    | intents.QueryKillSwitch
    | intents.QueryTime
    | intents.QueryMarkets
    | intents.OpenStream
    | intents.CloseStream
    | intents.Ping
    | intents.Resubscribe,
    body: bytes,
    markets: Mapping[str, Market],
    only: Set[str],
) -> events.AnyEvent:
    match intent:
        case intents.QuerySpotBalances():
            return _spot_balances(body)
        case intents.QueryMarginBalances():
            return _margin_balances(body)
        case intents.QueryPositions():
            return _positions(intent, markets, body)
        case intents.QueryKillSwitch():
            timers = _decode(body, list[wire.TimerItem])
            return events.KillSwitchesListed(tuple([_timer(item) for item in timers]))
        case intents.QueryTime():
            return events.ServerTimeReported(_decode(body, wire.ServerTime).time)
        case intents.QueryMarkets():
            return _markets(body, only)
        case intents.OpenStream() | intents.CloseStream() | intents.Ping() | intents.Resubscribe():
            raise ValueError("expected the answer to a REST intent")
        case _:
            assert_never(intent)


def _decode(body: bytes, type_: type[T]) -> T:
    return msgspec.json.decode(body, type=type_)


def _expect(what: str, asked: str, answered: str) -> None:
    if asked != answered:
        raise ValueError(f"expected the {what} {asked!r}, found {clip(answered, 48)!r}")


def _scale(market: Market | None) -> Scale:
    if market is None:
        raise ValueError("expected the market of the intent, found none")
    return Scale(market)


@contextmanager
def _fitting(market: str) -> Iterator[None]:
    # Within, the shape is known to be right: what does not fit is a number or an enumeration.
    try:
        yield
    except ValueError as error:
        raise Misfit(market, str(error)) from error


def _order(scale: Scale, surface: Surface, order: wire.RestOrder) -> VenueOrder:
    _expect("market", scale.market.name, order.market)
    with _fitting(order.market):
        return rest_order(scale, surface, order)


def _one(body: bytes, scale: Scale, surface: Surface, client_order_id: str) -> VenueOrder:
    order = _decode(body, wire.RestOrder)
    _expect("client order id", client_order_id, order.clientOrderId)
    return _order(scale, surface, order)


def _placed(
    intent: intents.PlaceOrders, scale: Scale, status: int, body: bytes
) -> events.OrdersPlaced:
    if len(intent.orders) == 1:
        order = _one(body, scale, Surface.ANSWER, intent.orders[0].client_order_id)
        return events.OrdersPlaced(intent.market, (events.PlaceResult(order, None),))
    items = _decode(body, list[wire.BulkItem])
    if len(items) > len(intent.orders):
        raise ValueError(f"expected at most {len(intent.orders)} results, found {len(items)}")
    results = []
    for asked, item in zip(intent.orders, items, strict=False):
        if item.result is not None and item.error is None:
            _expect("client order id", asked.client_order_id, item.result.clientOrderId)
            order = _order(scale, Surface.ANSWER, item.result)
            results.append(events.PlaceResult(order, None))
        elif item.error is not None and item.result is None:
            refusal = refusal_of(status, item.error)
            if refusal.code in _SERVICE_ERRORS:
                # A service that failed says nothing of this order; left out, it and those after
                # it stay unknown until the venue is asked.
                break
            results.append(events.PlaceResult(None, refusal))
        else:
            raise ValueError("expected a result or an error, found both or none")
    return events.OrdersPlaced(intent.market, tuple(results))


def _open_orders(
    intent: intents.QueryOpenOrders, scale: Scale, body: bytes
) -> events.OpenOrdersListed:
    items = _decode(body, list[wire.RestOrder])
    orders = tuple([_order(scale, Surface.LISTED, item) for item in items])
    complete = len(items) < PAGE_LIMIT
    return events.OpenOrdersListed(intent.market, intent.offset, orders, complete)


def _fills(intent: intents.QueryFills, scale: Scale, body: bytes) -> events.FillsListed:
    answer = _DEALS.decode(body)
    by_market: Mapping[str, list[wire.RestDeal]]
    # The shape depends on the filter (5.8); a page counts the deals of all markets.
    by_market = answer if isinstance(answer, dict) else {intent.market: answer}
    with _fitting(intent.market):
        fills = tuple([rest_fill(scale, deal) for deal in by_market.get(intent.market, [])])
    complete = sum(map(len, by_market.values())) < PAGE_LIMIT
    return events.FillsListed(intent.market, intent.offset, fills, complete)


def _spot_balances(body: bytes) -> events.SpotBalancesListed:
    items = _decode(body, dict[str, wire.SpotAmounts])
    return events.SpotBalancesListed(
        tuple(
            [
                SpotBalance(asset, amount(item.available), amount(item.freeze))
                for asset, item in items.items()
            ]
        )
    )


def _margin_balances(body: bytes) -> events.MarginBalancesListed:
    return events.MarginBalancesListed(
        tuple(
            [
                MarginBalance(
                    item.asset,
                    amount(item.balance),
                    amount(item.borrow),
                    amount(item.availableWithoutBorrow),
                    amount(item.availableWithBorrow),
                )
                for item in _decode(body, list[wire.SummaryAmounts])
            ]
        )
    )


def _positions(
    intent: intents.QueryPositions, markets: Mapping[str, Market], body: bytes
) -> events.PositionsListed:
    positions = []
    for item in _decode(body, list[wire.RestPosition]):
        # Positions of other markets, and of a pair that is quoted on spot, are not ours.
        market = markets.get(item.market)
        if market is None or market.product is Product.SPOT:
            continue
        with _fitting(item.market):
            qty = signed_lots(Scale(market), item.amount)
            # A position just closed was captured with amount 0 and no price (6.5).
            if qty:
                entry = optional_amount(item.basePrice)
                pnl = optional_amount(item.unrealizedPnl)
                cost = interest(market, item.unrealizedFunding, item.funding)
                side = position_side(item.positionSide)
                position = Position(item.market, item.positionId, qty, entry, pnl, cost, side)
                positions.append(position)
    return events.PositionsListed(intent.market, tuple(positions))


def _fees(market: Market, body: bytes) -> events.FeesListed:
    fees = _decode(body, wire.Fees)
    # PHP servers write an empty map as a list.
    custom = fees.custom_fee.get(market.name) if isinstance(fees.custom_fee, dict) else None
    premium: Decimal | None
    if market.product is Product.PERPETUAL:
        maker, taker = fees.futures_maker, fees.futures_taker
        premium = fees.futures_rpi_maker_fee_premium
    else:
        maker, taker, premium = fees.maker, fees.taker, fees.rpi_maker_fee_premium
    if custom is not None:
        maker, taker = custom.maker, custom.taker
    return events.FeesListed(market.name, ratio(maker), ratio(taker), ratio(premium or ZERO))


def _funding(intent: intents.QueryFunding, body: bytes) -> events.FundingListed:
    records = _decode(body, wire.FundingHistory).records
    payments = tuple(
        [
            FundingPayment(
                _seconds(item.fundingTime),
                amount(item.fundingAmount),
                amount(item.fundingRate),
                amount(item.positionAmount),
                amount(item.settlementPrice),
            )
            for item in records
            if item.market == intent.market
        ]
    )
    complete = len(records) < PAGE_LIMIT
    return events.FundingListed(intent.market, intent.offset, payments, complete)


def _seconds(text: str) -> int:
    # Documented in seconds, and captured in milliseconds too.
    time = parse_units(text, 0)
    time_s = time // 1000 if time >= _MILLISECONDS else time
    if time_s >= UNIX_S_MAX:
        raise ValueError(f"expected a time in seconds, found {text}")
    return time_s


def _timer(item: wire.TimerItem) -> KillSwitchTimer:
    return KillSwitchTimer(item.market, item.startTime, item.cancellationTime)


def _markets(body: bytes, only: Set[str]) -> events.MarketsListed:
    markets = []
    for raw in _decode(body, list[msgspec.Raw]):
        name = ""
        try:
            name = _decode(raw, wire.MarketName).name
            if not only or name in only:
                markets.append(read_market(_decode(raw, wire.MarketItem)))
        except ValueError as error:
            # Some of a thousand markets may be beyond us; that matters only for those asked for.
            if name in only:
                raise Misfit(name, str(error)) from error
    return events.MarketsListed(tuple(markets))
