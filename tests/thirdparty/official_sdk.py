"""The exchange's own Python SDK against a venue.

`.venv/thirdparty/bin/python -m tests.thirdparty.official_sdk`. The SDK's models check every answer
against the official schema, and keep numbers as the texts that the venue sent.
"""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

import httpx
from whitebit import WhitebitApi
from whitebit.environment import WhitebitApiEnvironment
from whitebit.hmac_transport import HmacTransport

from tests.thirdparty.kit import (
    FEE_RATE,
    PERP,
    PERP_MAKER_RATE,
    PERP_TAKER_RATE,
    SPOT,
    Checks,
    Venue,
    exact,
    venue,
)

D = Decimal
# The models demand both; the transport fills in what is empty.
SIGNED: dict[str, Any] = {"request": "", "nonce": 0}


def client(venue: Venue, account: str) -> Any:
    """Point the SDK at the venue: its environment names the addresses."""
    key, secret = venue.keys[account]
    there = WhitebitApiEnvironment(base=venue.rest, production=venue.ws, eu=venue.ws)
    # The transport remembers no nonce, so two requests in one millisecond would share one.
    transport = HmacTransport(api_secret=secret, wrapped=_Paced())
    return WhitebitApi(
        environment=there,
        api_key=key,
        txc_payload="",
        txc_signature="",
        httpx_client=httpx.Client(transport=transport),
    )


class _Paced(httpx.HTTPTransport):
    def handle_request(self, request: httpx.Request) -> httpx.Response:
        time.sleep(0.001)
        return super().handle_request(request)


def reference_data(check: Checks, api: Any) -> None:
    """Markets, clock, status and fees."""
    public = api.public_api_v4
    markets = {market.name: market for market in public.market_info()}
    check.equal("markets", sorted(markets), [PERP, SPOT])
    check.fields("spot", markets[SPOT], stock="BTC", money="USDT", type="spot", stock_prec="6")
    check.fields(
        "spot", markets[SPOT], money_prec="2", min_amount=D("0.00001"), min_total=D("5.05")
    )
    check.fields("perp", markets[PERP], type="futures", money_prec="1", is_collateral=True)
    check.fields("perp", markets[PERP], taker_fee=PERP_TAKER_RATE * 100)
    assets = public.asset_status_list()
    check.equal("assets", sorted(assets), ["BTC", "USDT"])
    (futures,) = public.available_futures_markets_list().result
    check.fields("futures", futures, ticker_id=PERP, money_currency="USDT")
    collateral = public.collateral_markets_list().result
    check.equal("collateral markets", sorted(collateral), [PERP, SPOT])
    check.equal("fees of transfers", sorted(public.fee()), ["BTC", "USDT"])
    check.equal("ping", public.server_status(), ["pong"])
    check.equal("status", str(public.maintenance_status().status), "system operational")
    check.equal("time", abs(public.server_time().time - time.time()) < 2, True)


def resting_orders(check: Checks, venue: Venue, maker: Any) -> None:
    """Place, list, modify, bulk and cancel; the book shows what rests."""
    spot = maker.spot_trading
    bid = spot.create_limit_order(
        market=SPOT, side="buy", amount="0.5", price="60000.01", client_order_id="bid-1",
        post_only=True, **SIGNED,
    )  # fmt: skip
    check.fields("bid", bid, client_order_id="bid-1", side="buy", type="limit", left=D("0.5"))
    same_order(check, bid, venue.orders("demo-1")[bid.order_id])

    moved = spot.modify_order(
        market=SPOT, order_id=bid.order_id, amount="0.25", price="60000.02", stp="no", **SIGNED
    )
    check.fields("moved", moved, client_order_id="bid-1", price=D("60000.02"), amount=D("0.25"))
    items = [
        {"market": SPOT, "side": "sell", "amount": amount, "price": price}
        for amount, price in (("0.1", "61000"), ("0.2", "61000.5"), ("0.000001", "61001"))
    ]
    results = spot.create_bulk_limit_order(orders=items, stop_on_fail=False, **SIGNED)
    check.equal("bulk results", [one.error is None for one in results], [True, True, False])
    for result in results[:2]:
        same_order(check, result.result, venue.orders("demo-1")[result.result.order_id])

    known = venue.orders("demo-1")
    listed = spot.get_active_orders(market=SPOT)
    check.equal("open", [order.order_id for order in listed], list(known))
    for order in listed:
        same_order(check, order, known[order.order_id])
    book = maker.public_api_v4.orderbook(SPOT, limit=5)
    check.number("bids", book.bids, [["60000.02", "0.25"]])
    check.number("asks", book.asks, [["61000", "0.1"], ["61000.5", "0.2"]])
    same_balances(check, venue, maker, "demo-1")
    gone = spot.cancel_order(market=SPOT, order_id=moved.order_id, **SIGNED)
    check.fields("cancelled", gone, order_id=moved.order_id, status="CANCELED", left=D("0.25"))


def same_order(check: Checks, order: Any, known: dict[str, Any]) -> None:
    """Compare an order that the SDK read with the venue's own, every common member."""
    shown = order.dict(by_alias=True)
    for name, value in known.items():
        if name in shown:
            check.equal(f"order {name}", shown[name], value)


def same_balances(check: Checks, venue: Venue, api: Any, account: str) -> None:
    """Compare what the SDK reads of the spot balances with the venue's own."""
    found = api.spot_trading.trade_account_balance()
    for asset, funds in venue.spot(account).items():
        check.fields(asset, found[asset], **funds)


def fills(check: Checks, venue: Venue, maker: Any, taker: Any) -> None:
    """A taker sweeps both asks; fees, trades, histories and balances follow."""
    taken = taker.spot_trading.create_limit_order(
        market=SPOT, side="buy", amount="0.25", price="61000.5", client_order_id="sweep", **SIGNED
    )
    cost = D("0.1") * 61_000 + D("0.15") * D("61000.5")
    check.fields("taken", taken, status="FILLED", left=D(0), deal_money=cost, deal_stock=D("0.25"))
    check.fields("taken", taken, deal_fee=D("0.25") * FEE_RATE, fee_asset="BTC")
    for api, role, side, asset in ((taker, 2, "buy", "BTC"), (maker, 1, "sell", "USDT")):
        deals = api.spot_trading.get_executed_order_history(market=SPOT)
        check.equal("prices", sorted(exact(d.price) for d in deals), [D(61_000), D("61000.5")])
        for deal in deals:
            paid_in = deal.amount if asset == "BTC" else deal.deal
            check.fields("deal", deal, role=role, side=side, fee_asset=asset)
            check.fields("deal", deal, fee=exact(paid_in) * FEE_RATE)
            check.fields("deal", deal, deal=exact(deal.price) * exact(deal.amount))
    trades = maker.public_api_v4.recent_trades(SPOT)
    check.equal("sides", [trade.type for trade in trades], ["buy", "buy"])
    check.number("amounts", [trade.quote_volume for trade in trades], ["0.15", "0.1"])
    ticker = maker.public_api_v4.market_activity()[SPOT]
    check.fields(
        "ticker", ticker, last_price=D("61000.5"), base_volume=D("0.25"), quote_volume=cost
    )
    for account, api in (("demo-1", maker), ("demo-2", taker)):
        same_balances(check, venue, api, account)
    check.number("paid", venue.spot("demo-2")["USDT"]["available"], 1_000_000 - cost)


def histories(check: Checks, maker: Any, taker: Any) -> None:
    """Finished orders, their deals, and fee rates."""
    (row,) = taker.spot_trading.get_order_history(market=SPOT)[SPOT]
    check.fields("finished", row, client_order_id="sweep", side="buy", status="FILLED")
    check.fields("finished", row, amount=D("0.25"), deal_stock=D("0.25"), price=D("61000.5"))
    deals = taker.spot_trading.get_order_deals(order_id=row.id, **SIGNED)
    mine = {deal.id: deal for deal in taker.spot_trading.get_executed_order_history(market=SPOT)}
    check.equal("deals", {deal.id for deal in deals.records}, set(mine))
    for deal in deals.records:
        same = mine[deal.id]
        check.fields("deal", deal, price=same.price, amount=same.amount, fee=same.fee, role=2)
    sold = maker.spot_trading.get_order_history(market=SPOT, status="FILLED")[SPOT]
    check.number("maker's", [one.deal_stock for one in sold], ["0.1"])
    fee = maker.market_fee.get_market_fee(market=SPOT)
    check.fields("fee", fee, taker=FEE_RATE * 100, maker=FEE_RATE * 100)


def market_orders(check: Checks, venue: Venue, maker: Any, taker: Any) -> None:
    """Orders without a price: by money, by stock, on collateral, and one behind a stop."""
    spot = taker.spot_trading
    maker.spot_trading.cancel_all_orders(market=SPOT, **SIGNED)
    for side, price in (("sell", "50000"), ("buy", "40000")):
        maker.spot_trading.create_limit_order(
            market=SPOT, side=side, amount="1", price=price, **SIGNED
        )
    bought = spot.create_market_order(market=SPOT, side="buy", amount="2500", **SIGNED)
    check.fields("by money", bought, type="market", deal_stock=D("0.05"), deal_money=D(2_500))
    more = spot.create_stock_market_order(market=SPOT, side="buy", amount="0.02", **SIGNED)
    check.fields("by stock", more, type="stock market", deal_stock=D("0.02"), deal_money=D(1_000))
    stop = spot.create_stop_limit_order(
        market=SPOT, side="buy", amount="0.04", price="50000", activation_price="45000", **SIGNED
    )
    check.fields("stop", stop, type="stop limit", activation_price=D(45_000), deal_stock=D(0))
    spot.create_stock_market_order(market=SPOT, side="buy", amount="0.01", **SIGNED)
    (row,) = spot.get_order_history(order_id=stop.order_id)[SPOT]
    check.fields("set off", row, status="FILLED", deal_money=D(2_000), deal_stock=D("0.04"))
    perp = {"market": PERP, "amount": "0.01", **SIGNED}
    ask = maker.collateral_trading.create_collateral_limit_order(side="sell", price="60000", **perp)
    bid = taker.collateral_trading.create_collateral_market_order(side="buy", **perp)
    check.fields("perp", bid, deal_money=D(600), deal_fee=600 * PERP_TAKER_RATE)
    gone = [{"market": SPOT, "orderId": order_id} for order_id in (*venue.orders("demo-1"), 1)]
    results = maker.spot_trading.cancel_bulk_orders(orders=gone, **SIGNED)
    check.equal("bulk cancel", [one.error is None for one in results], [True, True, False])
    check.equal("ask filled", ask.order_id in venue.orders("demo-1"), False)


def futures(check: Checks, venue: Venue, maker: Any, taker: Any) -> None:
    """A perpetual: orders on collateral, a position on each side, its balance."""
    order = {"market": PERP, "amount": "0.1", "price": "60000.5", **SIGNED}
    ask = maker.collateral_trading.create_collateral_limit_order(side="sell", **order)
    check.fields("ask", ask, left=D("0.1"), position_side="BOTH")
    bid = taker.collateral_trading.create_collateral_limit_order(side="buy", **order)
    check.fields(
        "bid", bid, left=D(0), deal_money=D("6000.05"), deal_fee=D("6000.05") * PERP_TAKER_RATE
    )
    sides = (("demo-1", maker, -1, PERP_MAKER_RATE), ("demo-2", taker, 1, PERP_TAKER_RATE))
    for name, api, sign, rate in sides:
        (held,) = api.collateral_trading.get_open_positions(market=PERP)
        (known,) = venue.state("accounts")[name]["positions"]
        check.fields("position", held, position_id=known["positionId"], base_price=D("60000.5"))
        check.fields("position", held, amount=sign * D("0.1"), margin=D(known["margin"]))
        balance = 1_000_000 - D("6000.05") * rate
        (usdt,) = api.collateral_trading.collateral_account_balance_summary(ticker="USDT")
        check.fields("collateral", usdt, asset="USDT", balance=balance)
        total = api.collateral_trading.collateral_account_balance(ticker="USDT")
        check.number("collateral", total, {"USDT": balance})
    api = taker.collateral_trading
    changed = api.change_collateral_account_leverage(leverage=20, **SIGNED)
    check.equal("leverage", changed.leverage, 20)
    summary = api.collateral_account_summary()
    check.fields("summary", summary, leverage=20, margin=D("6000.05") / 20)
    (held,) = api.get_open_positions(market=PERP)
    check.fields("at 20", held, margin=D("6000.05") / 20)
    order = {"market": PERP, "amount": "0.1", "price": "60001", **SIGNED}
    maker.collateral_trading.create_collateral_limit_order(side="buy", **order)
    api.close_position(position_id=held.position_id, market=PERP, **SIGNED)
    check.equal("closed", api.get_open_positions(market=PERP), [])
    past = api.get_positions_history(market=PERP)
    check.equal("history", {one.position_id for one in past}, {held.position_id})
    gained = (60_001 - D("60000.5")) * D("0.1")
    detail = past[0].order_detail
    check.fields("close", detail, price=D(60_001), trade_amount=D("0.1"))
    check.fields("close", detail, realized_pnl=gained - D("6000.1") * PERP_TAKER_RATE)
    (closed,) = api.get_closed_positions_pnl()
    check.fields("pnl", closed, avg_entry_price=D("60000.5"), avg_exit_price=D(60_001))
    check.equal("hedge mode", api.get_collateral_hedge_mode().hedge_mode, False)


def safety(check: Checks, venue: Venue, maker: Any) -> None:
    """Kill-switch and cancel all."""
    spot = maker.spot_trading
    timer = spot.set_kill_switch(market=SPOT, timeout="60", types=["spot"])
    check.equal("timer", timer.cancellation_time - timer.start_time, 60)
    (known,) = venue.state("timers")["demo-1"]
    (status,) = spot.get_kill_switch_status(market=SPOT)
    check.fields("status", status, start_time=known["startTime"], market=SPOT)
    check.equal("deleted", spot.set_kill_switch(market=SPOT, timeout=None), [])
    check.equal("no timer", venue.state("timers")["demo-1"], [])
    spot.create_limit_order(market=SPOT, side="buy", amount="1", price="40000", **SIGNED)
    check.equal("one rests", len(venue.orders("demo-1")), 1)
    spot.cancel_all_orders(market=SPOT, **SIGNED)
    check.equal("none rest", venue.orders("demo-1"), {})


def main() -> None:
    """Run every step on one venue."""
    check = Checks("official SDK")
    with venue() as running:
        maker, taker = client(running, "demo-1"), client(running, "demo-2")
        reference_data(check, maker)
        resting_orders(check, running, maker)
        fills(check, running, maker, taker)
        histories(check, maker, taker)
        futures(check, running, maker, taker)
        market_orders(check, running, maker, taker)
        safety(check, running, maker)
    check.report()


if __name__ == "__main__":
    main()
