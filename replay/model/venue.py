"""The venue of the model: the exchange core, asked by intents and answering in events.

What is no order is answered as a calm venue would. Prices, sizes and times are the engine's.
"""

from __future__ import annotations

from decimal import Decimal

from adapters.paper.core import model as core
from adapters.paper.core.exchange import Exchange
from engine import events as e
from engine import intents as i
from engine.money import EXACT, canonical, format_units
from engine.types import (
    KillSwitchTimer,
    MarginBalance,
    Market,
    OrderStatus,
    Position,
    Product,
    Refusal,
    Role,
    Side,
    SpotBalance,
    VenueFill,
    VenueOrder,
)
from replay.model.survey import Survey

ACCOUNT = "us"
NS_PER_US = 1_000
NS_PER_S = 1_000_000_000
PAGE_MAX = 100
PLENTY = Decimal(10**12)
"""Funds of an asset whose balance no record tells."""

# Words of the core in the engine's, as tables: an enum is slow to ask.
_SIDES = {side: Side(side) for side in core.Side}
_ROLES = {role: Role(role) for role in core.Role}
_STATUSES = dict.fromkeys(core.Status, OrderStatus.CANCELLED) | {
    core.Status.OPEN: OrderStatus.OPEN,
    core.Status.PARTIALLY_FILLED: OrderStatus.OPEN,
    core.Status.FILLED: OrderStatus.FILLED,
}
_TEXTS: dict[str, str] = {text: text.value for text in (*core.Status, *core.Stp)}


class ModelVenue:
    """Answers intents by the state of the exchange core."""

    def __init__(
        self, found: Survey, now_ns: int, config: core.ExchangeConfig | None = None
    ) -> None:
        """Build the exchange that a journal's market lists and balances describe.

        Args:
            found: What they say.
            now_ns: Its time.
            config: The exchange instead, with our account and those of others.
        """
        self.markets = found.markets
        self._found = found
        if config is None:
            config = core.ExchangeConfig(
                markets=tuple(
                    spec_of(market, found.fees.get(name)) for name, market in found.markets.items()
                ),
                accounts=(account_of(found), *core.FLOW_ACCOUNTS),
            )
        self.exchange = Exchange(config, now_ns // NS_PER_US)
        # Books and trades are told as the engine's feed tells them, by whoever asks this venue.
        self.exchange.matcher.tells_public = False
        self.account = self.exchange.accounts[ACCOUNT]
        self._timers: dict[str, KillSwitchTimer] = {}

    # --- orders -------------------------------------------------------------------------------

    def ask(self, intent: i.Intent, now_ns: int) -> e.AnyEvent | None:
        """Do what an intent asks; returns its answer, None for what streams do."""
        now_us = now_ns // NS_PER_US
        match intent:
            case i.PlaceOrders():
                return self._place(intent, now_us)
            case i.ModifyOrder():
                return self._modify(intent, now_us)
            case i.CancelOrder():
                request = core.CancelOrder(
                    market=intent.market, client_order_id=intent.client_order_id
                )
                found = self.exchange.cancel(ACCOUNT, request, now_us)
                if isinstance(found, core.Reject):
                    return e.RequestRefused(refusal(found))
                return e.OrderCancelled(venue_order(found, OrderStatus.CANCELLED))
            case i.CancelAll(market):
                self.exchange.cancel_all(ACCOUNT, market, None, now_us)
                return e.OrdersAllCancelled(market)
            case _:
                return self.query(intent, now_ns)

    def _place(self, intent: i.PlaceOrders, now_us: int) -> e.AnyEvent:
        market = self.markets[intent.market]
        results: list[e.PlaceResult] = []
        for new in intent.orders:
            request = core.NewOrder(
                market=market.name,
                side=core.Side(new.side),
                amount=format_units(new.qty, market.qty_decimals),
                price=format_units(new.price, market.price_decimals),
                client_order_id=new.client_order_id,
                post_only=new.post_only and not new.rpi,
                ioc=new.ioc,
                rpi=new.rpi,
                stp=core.Stp(new.stp.value),
                reduce_only=new.reduce_only,
                collateral=market.product is not Product.SPOT,
            )
            found = self.exchange.place(ACCOUNT, request, now_us)
            if isinstance(found, core.Reject):
                if len(intent.orders) == 1:
                    return e.RequestRefused(refusal(found))
                results.append(e.PlaceResult(None, refusal(found)))
            else:
                results.append(e.PlaceResult(venue_order(found), None))
        return e.OrdersPlaced(intent.market, tuple(results))

    def _modify(self, intent: i.ModifyOrder, now_us: int) -> e.AnyEvent:
        market = self.markets[intent.market]
        request = core.ModifyOrder(
            market=intent.market,
            client_order_id=intent.client_order_id,
            amount=format_units(intent.qty, market.qty_decimals),
            price=format_units(intent.price, market.price_decimals),
            stp=core.Stp(intent.stp.value),
        )
        found = self.exchange.modify(ACCOUNT, request, now_us)
        if isinstance(found, core.Reject):
            return e.RequestRefused(refusal(found))
        return e.OrderModified(venue_order(found))

    # --- everything else ----------------------------------------------------------------------

    def query(self, intent: i.Intent, now_ns: int) -> e.AnyEvent | None:
        """Answer what concerns no order; None for what streams do."""
        now_s = now_ns // NS_PER_S
        match intent:
            case i.QueryOpenOrders(market, offset):
                orders = [venue_order(o) for o in self.account.seats[market].orders.values()]
                page = tuple(orders[offset : offset + PAGE_MAX])
                return e.OpenOrdersListed(market, offset, page, offset + PAGE_MAX >= len(orders))
            case i.QueryFills(market, offset):
                deals = [deal for deal in reversed(self.account.deals) if deal.market == market]
                fills = tuple(venue_fill(deal) for deal in deals[offset : offset + PAGE_MAX])
                return e.FillsListed(market, offset, fills, offset + PAGE_MAX >= len(deals))
            case i.QuerySpotBalances():
                return e.SpotBalancesListed(
                    tuple(
                        SpotBalance(asset, amount_of(funds.available), amount_of(funds.freeze))
                        for asset, funds in self.account.spot.items()
                    )
                )
            case i.QueryMarginBalances():
                return e.MarginBalancesListed(
                    tuple(
                        MarginBalance(
                            asset, amount_of(units), Decimal(0), amount_of(units), amount_of(units)
                        )
                        for asset, units in self.account.collateral.items()
                    )
                )
            case i.QueryPositions(market):
                return e.PositionsListed(market, self._positions(market))
            case i.QueryFees(market):
                return self._fees(market)
            case i.QueryMarkets():
                return e.MarketsListed(tuple(self.markets.values()))
            case i.QueryTime():
                return e.ServerTimeReported(now_s)
            case i.ArmKillSwitch(market, timeout_s):
                self._timers[market] = KillSwitchTimer(market, now_s, now_s + timeout_s)
                return e.KillSwitchArmed(self._timers[market])
            case i.DisarmKillSwitch(market):
                self._timers.pop(market, None)
                return e.KillSwitchDisarmed(market)
            case i.QueryKillSwitch(market):
                timers = [t for t in self._timers.values() if t.market == market or not market]
                return e.KillSwitchesListed(tuple(timers))
        return None

    def _positions(self, market: str) -> tuple[Position, ...]:
        found = []
        for name in (market,) if market else tuple(self.markets):
            lots = self.account.seats[name].lots + self._found.positions.get(name, 0)
            if lots and self.markets[name].product is not Product.SPOT:
                found.append(Position(name, 1, lots, None, None))
        return tuple(found)

    def _fees(self, name: str) -> e.FeesListed:
        market = self.markets[name]
        return self._found.fees.get(name) or e.FeesListed(
            name, market.maker_fee_rate, market.taker_fee_rate, Decimal(0)
        )


def private_events(notices: list[core.Notice]) -> list[e.AnyEvent]:
    """Return what the private stream tells of notices, in their order."""
    events: list[e.AnyEvent] = []
    for notice in notices:
        if isinstance(notice, core.Deal):
            events.append(e.Filled(venue_fill(notice)))
        elif isinstance(notice, core.Pending):
            if notice.event is core.PendingEvent.NEW:
                events.append(e.OrderOpened(venue_order(notice.order)))
            elif notice.event is core.PendingEvent.UPDATED:
                events.append(e.OrderUpdated(venue_order(notice.order)))
            else:
                status = OrderStatus.CANCELLED if notice.order.leaves_lots else OrderStatus.FILLED
                events.append(e.OrderClosed(venue_order(notice.order, status)))
    return events


def venue_order(order: core.Order, status: OrderStatus | None = None) -> VenueOrder:
    """Return an order of the core as the engine takes it from the wire."""
    if status is None:
        status = _STATUSES[order.status]
    return VenueOrder(
        market=order.market,
        order_id=order.order_id,
        client_order_id=order.client_order_id,
        side=_SIDES[order.side],
        price=order.ticks,
        qty=order.lots,
        leaves_qty=order.leaves_lots,
        filled_qty=order.deal_lots,
        status=status,
        status_text=_TEXTS[order.status],
        post_only=order.post_only,
        rpi=order.rpi,
        stp=_TEXTS[order.stp],
        modified_us=order.mtime_us,
    )


def venue_fill(deal: core.Deal) -> VenueFill:
    """Return a deal of the core as the engine takes it from the wire."""
    return VenueFill(
        market=deal.market,
        deal_id=deal.deal_id,
        order_id=deal.order_id,
        client_order_id=deal.client_order_id,
        side=_SIDES[deal.side],
        role=_ROLES[deal.role],
        price=deal.ticks,
        qty=deal.lots,
        fee=amount_of(deal.fee),
        fee_asset=deal.fee_asset,
        venue_us=deal.time_us,
    )


def refusal(found: core.Reject) -> Refusal:
    """Return a refusal of the core as the engine takes it from the wire."""
    key, texts = next(iter(found.errors.items()), ("", [found.message]))
    return Refusal(found.http, found.code, key, texts[0])


def amount_of(units: int) -> Decimal:
    """Return units of the core as an amount of their asset."""
    return canonical(Decimal(units).scaleb(-core.UNIT_DECIMALS, context=EXACT))


def spec_of(market: Market, fees: e.FeesListed | None) -> core.MarketSpec:
    """Return a market of the engine as one of the core, without funding."""
    maker = market.maker_fee_rate if fees is None else fees.maker_fee_rate
    taker = market.taker_fee_rate if fees is None else fees.taker_fee_rate
    return core.MarketSpec(
        name=market.name,
        base_asset=market.base_asset,
        quote_asset=market.quote_asset,
        money_prec=market.price_decimals,
        stock_prec=market.qty_decimals,
        qty_min=format_units(market.qty_min, market.qty_decimals),
        total_min=format_units(market.notional_min, market.notional_decimals),
        total_max=format_units(market.notional_max, market.notional_decimals),
        is_perpetual=market.product is Product.PERPETUAL,
        is_margin=market.product is Product.MARGIN,
        maker_rate=f"{maker:f}",
        taker_rate=f"{taker:f}",
        # Funding is not modelled.
        funding_cap="0",
        funding_floor="0",
    )


def account_of(found: Survey) -> core.AccountSpec:
    """Return our account of the core with the funds that were found."""
    spot, collateral = {}, {}
    for market in found.markets.values():
        for asset in (market.base_asset, market.quote_asset):
            spot[asset] = _told(found.spot, asset)
        if market.product is not Product.SPOT:
            collateral[market.quote_asset] = _told(found.collateral, market.quote_asset)
    premiums = [fees.rpi_premium for fees in found.fees.values()]
    premium = f"{max(premiums, default=Decimal(0)):f}"
    return core.AccountSpec(
        name=ACCOUNT,
        spot=spot,
        collateral=collateral,
        leverage=100,
        rpi_maker_premium=premium,
        futures_rpi_maker_premium=premium,
    )


def _told(balances: dict[str, Decimal], asset: str) -> str:
    return f"{max(balances.get(asset, PLENTY), Decimal(0)):f}"
