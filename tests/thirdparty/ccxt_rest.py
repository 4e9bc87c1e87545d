"""ccxt's REST client against a venue: `.venv/thirdparty/bin/python -m tests.thirdparty.ccxt_rest`.

ccxt is told to make Decimals of numbers, so every value is compared exactly.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import ccxt

from tests.thirdparty.kit import (
    FEE_RATE,
    PERP,
    PERP_MAKER_RATE,
    PERP_TAKER_RATE,
    SPOT,
    Checks,
    Venue,
    venue,
)

D = Decimal
SPOT_SYMBOL, PERP_SYMBOL = "BTC/USDT", "BTC/USDT:USDT"


def client(venue: Venue, account: str) -> Any:
    """Point ccxt at the venue: nothing but its addresses and keys changes."""
    key, secret = venue.keys[account]
    exchange = ccxt.whitebit({"apiKey": key, "secret": secret, "number": Decimal})
    for version, paths in exchange.urls["api"].items():
        for access in paths:
            suffix = f"/api/{version}/public" if access == "public" else f"/api/{version}"
            paths[access] = venue.rest + suffix
    return exchange


def reference_data(check: Checks, exchange: Any) -> None:
    """Markets, clock and status."""
    markets = exchange.load_markets()
    check.equal("symbols", sorted(markets), [SPOT_SYMBOL, PERP_SYMBOL])
    spot, perp = markets[SPOT_SYMBOL], markets[PERP_SYMBOL]
    check.fields("spot", spot, id=SPOT, type="spot", active=True, maker=FEE_RATE, taker=FEE_RATE)
    check.fields("spot precision", spot["precision"], amount=D("0.000001"), price=D("0.01"))
    check.fields("spot amount", spot["limits"]["amount"], min=D("0.00001"))
    check.fields("spot cost", spot["limits"]["cost"], min=D("5.05"))
    check.fields("perp", perp, id=PERP, type="swap", settle="USDT", linear=True)
    check.fields("perp fees", perp, maker=PERP_MAKER_RATE, taker=PERP_TAKER_RATE)
    check.fields("perp precision", perp["precision"], amount=D("0.001"), price=D("0.1"))
    check.equal("currencies", sorted(exchange.currencies), ["BTC", "USDT"])
    fees = exchange.fetch_trading_fees()[SPOT_SYMBOL]
    check.fields("fees", fees, maker=FEE_RATE, taker=FEE_RATE)
    check.equal("status", exchange.fetch_status()["status"], "ok")
    check.equal("time", abs(exchange.fetch_time() - exchange.milliseconds()) < 2_000, True)


def resting_orders(check: Checks, venue: Venue, maker: Any) -> None:
    """Place, list, modify, bulk and cancel; the book shows what rests."""
    bid = maker.create_order(
        SPOT_SYMBOL, "limit", "buy", 0.5, 60_000.01, {"clientOrderId": "bid-1", "postOnly": True}
    )
    check.fields("bid", bid, clientOrderId="bid-1", side="buy", type="limit", status="open")
    check.fields("bid", bid, price=D("60000.01"), amount=D("0.5"), filled=D(0), remaining=D("0.5"))
    check.equal("known", venue.orders("demo-1")[int(bid["id"])]["price"], "60000.01")
    check.number("frozen", maker.fetch_balance()["USDT"]["used"], D("30000.005"))

    moved = maker.edit_order(bid["id"], SPOT_SYMBOL, "limit", "buy", 0.25, 60_000.02)
    check.equal("moved to another id", moved["id"] == bid["id"], False)
    check.fields("moved", moved, clientOrderId="bid-1", price=D("60000.02"), amount=D("0.25"))

    items = [
        {"market": SPOT, "side": "sell", "amount": amount, "price": price}
        for amount, price in (("0.1", "61000"), ("0.2", "61000.5"), ("0.000001", "61001"))
    ]
    results = maker.v4_private_post_order_bulk({"orders": items, "stopOnFail": False})
    check.equal("bulk results", [one["error"] is None for one in results], [True, True, False])
    check.equal("bulk refusal", "amount" in results[2]["error"]["errors"], True)

    known = venue.orders("demo-1")
    listed = maker.fetch_open_orders(SPOT_SYMBOL)
    check.equal("open", {int(order["id"]) for order in listed}, set(known))
    for order in listed:
        same_order(check, order, known[int(order["id"])])
    check.fields("one", maker.fetch_order(moved["id"], SPOT_SYMBOL), price=D("60000.02"))

    book = maker.fetch_order_book(SPOT_SYMBOL, 5)
    check.number("bids", book["bids"], [["60000.02", "0.25"]])
    check.number("asks", book["asks"], [["61000", "0.1"], ["61000.5", "0.2"]])
    same_balances(check, venue, maker, "demo-1")

    gone = maker.cancel_order(moved["id"], SPOT_SYMBOL)
    check.fields("cancelled", gone, id=moved["id"], status="canceled", filled=D(0))
    check.number("bids", maker.fetch_order_book(SPOT_SYMBOL)["bids"], [])
    check.equal("nothing is unfrozen twice", refusal(maker, moved["id"]), "OrderNotFound")


def refusal(exchange: Any, order_id: str) -> str:
    """Cancel what is no longer there; return the name of ccxt's error."""
    try:
        exchange.cancel_order(order_id, SPOT_SYMBOL)
    except ccxt.ExchangeError as error:
        return type(error).__name__
    return "no error"


def same_order(check: Checks, order: Any, known: dict[str, Any]) -> None:
    """Compare an order that ccxt read with the venue's own."""
    check.equal("market", order["symbol"], SPOT_SYMBOL)
    check.equal("side", order["side"], known["side"])
    check.equal("client id", order["clientOrderId"] or "", known["clientOrderId"])
    for name, theirs in (("price", "price"), ("amount", "amount"), ("remaining", "left")):
        check.number(name, order[name], known[theirs])
    check.number("filled", order["filled"], known["dealStock"])


def same_balances(check: Checks, venue: Venue, exchange: Any, account: str) -> None:
    """Compare what ccxt reads of the spot balances with the venue's own."""
    balance = exchange.fetch_balance()
    for asset, funds in venue.spot(account).items():
        check.number(f"{asset} free", balance[asset]["free"], funds["available"])
        check.number(f"{asset} used", balance[asset]["used"], funds["freeze"])


def fills(check: Checks, venue: Venue, maker: Any, taker: Any) -> None:
    """A taker sweeps both asks; fees, trades, histories and balances follow."""
    taken = taker.create_order(SPOT_SYMBOL, "limit", "buy", 0.25, 61_000.5)
    cost = D("0.1") * 61_000 + D("0.15") * D("61000.5")
    check.fields("taken", taken, status="closed", filled=D("0.25"), remaining=D(0), cost=cost)
    check.number("fee in base", taken["fee"]["cost"], D("0.25") * FEE_RATE)

    mine = taker.fetch_my_trades(SPOT_SYMBOL)
    prices = [(trade["price"], trade["amount"]) for trade in mine]
    check.number("my trades", sorted(prices), [("61000", "0.1"), ("61000.5", "0.15")])
    for trade in mine:
        check.fields("my trade", trade, order=taken["id"], takerOrMaker="taker", side="buy")
        check.number("fee", trade["fee"]["cost"], trade["amount"] * FEE_RATE)
        check.equal("fee asset", trade["fee"]["currency"], "BTC")
    for trade in maker.fetch_my_trades(SPOT_SYMBOL):
        check.fields("maker's", trade, takerOrMaker="maker", side="sell")
        check.number("fee", trade["fee"]["cost"], trade["cost"] * FEE_RATE)

    seen = [(t["price"], t["amount"], t["side"]) for t in maker.fetch_trades(SPOT_SYMBOL)]
    check.equal(
        "public", sorted(seen), [(D(61_000), D("0.1"), "buy"), (D("61000.5"), D("0.15"), "buy")]
    )
    ticker = maker.fetch_tickers([SPOT_SYMBOL])[SPOT_SYMBOL]
    check.fields("ticker", ticker, last=D("61000.5"), baseVolume=D("0.25"), quoteVolume=cost)
    for account, exchange in (("demo-1", maker), ("demo-2", taker)):
        same_balances(check, venue, exchange, account)
    left = venue.spot("demo-2")["USDT"]["available"]
    check.number("paid", left, 1_000_000 - cost)
    check.number("got", venue.spot("demo-2")["BTC"]["available"], 10 + D("0.25") * (1 - FEE_RATE))


def histories(check: Checks, maker: Any, taker: Any) -> None:
    """Finished orders and their deals."""
    (closed,) = taker.fetch_closed_orders(SPOT_SYMBOL)
    check.fields("closed", closed, status="closed", side="buy", amount=D("0.25"), filled=D("0.25"))
    (one,) = [taker.fetch_order(closed["id"], SPOT_SYMBOL)]
    check.fields("by id", one, id=closed["id"], cost=closed["cost"], price=D("61000.5"))
    deals = taker.fetch_order_trades(closed["id"], SPOT_SYMBOL)
    mine = {trade["id"]: trade for trade in taker.fetch_my_trades(SPOT_SYMBOL)}
    check.equal("deals", {trade["id"] for trade in deals}, set(mine))
    for deal in deals:
        same = mine[deal["id"]]
        check.fields("deal", deal, price=same["price"], amount=same["amount"], cost=same["cost"])
        check.number("fee", deal["fee"]["cost"], same["fee"]["cost"])
    filled = [order for order in maker.fetch_closed_orders(SPOT_SYMBOL) if order["filled"]]
    check.number("maker's", [order["filled"] for order in filled], ["0.1"])


def statistics(check: Checks, exchange: Any) -> None:
    """Tickers of three API versions, candles and currencies show the two fills."""
    cost = D("0.1") * 61_000 + D("0.15") * D("61000.5")
    day = {"last": D("61000.5"), "baseVolume": D("0.25"), "quoteVolume": cost}
    ticker = exchange.fetch_ticker(SPOT_SYMBOL)
    check.fields("v1 ticker", ticker, open=D(61_000), high=D("61000.5"), low=D(61_000), **day)
    bid, ask = exchange.fetch_order_book(SPOT_SYMBOL)["bids"], ticker["ask"]
    check.equal("best", (ticker["bid"], ask), (bid[0][0] if bid else D(0), D(0)))
    old = exchange.fetch_tickers([SPOT_SYMBOL], {"method": "v2PublicGetTicker"})
    check.fields("v2 ticker", old[SPOT_SYMBOL], **day)
    candles = exchange.fetch_ohlcv(SPOT_SYMBOL, "1d")
    # A trade of the day before belongs to a candle of its own around midnight.
    check.number("volume", sum(candle[5] for candle in candles), D("0.25"))
    check.number("closes", candles[-1][4], D("61000.5"))
    since = candles[0][0]
    check.equal("since", exchange.fetch_ohlcv(SPOT_SYMBOL, "1d", since, 1), candles[:1])
    check.equal("currencies", sorted(exchange.currencies), ["BTC", "USDT"])
    check.fields("fees", exchange.fetch_trading_fees()[SPOT_SYMBOL], maker=FEE_RATE, taker=FEE_RATE)


def futures(check: Checks, venue: Venue, maker: Any, taker: Any) -> None:
    """A perpetual: orders on collateral, a position on each side, its balance."""
    ask = maker.create_order(PERP_SYMBOL, "limit", "sell", 0.1, 60_000.5)
    bid = taker.create_order(PERP_SYMBOL, "limit", "buy", 0.1, 60_000.5)
    check.fields("ask", ask, status="open", amount=D("0.1"))
    check.fields("bid", bid, status="closed", cost=D("6000.05"))
    check.number("fee", bid["fee"]["cost"], D("6000.05") * PERP_TAKER_RATE)
    for name, exchange, sign in (("demo-1", maker, -1), ("demo-2", taker, 1)):
        (held,) = exchange.fetch_positions([PERP_SYMBOL])
        (known,) = venue.state("accounts")[name]["positions"]
        check.fields("position", held, id=str(known["positionId"]), entryPrice=D("60000.5"))
        check.number("amount", held["info"]["amount"], sign * D("0.1"))
        check.number("margin", held["collateral"], known["margin"])
        check.number("pnl", held["info"]["unrealizedPnl"], known["unrealizedPnl"])
        total = exchange.fetch_balance({"type": "swap"})["USDT"]["total"]
        rate = PERP_MAKER_RATE if name == "demo-1" else PERP_TAKER_RATE
        check.number("collateral", total, 1_000_000 - D("6000.05") * rate)
    funding = maker.fetch_funding_rate(PERP_SYMBOL)
    check.fields("funding", funding["info"], index_price="61000.5", ticker_id=PERP)
    ticker = maker.fetch_tickers([PERP_SYMBOL], {"type": "swap"})[PERP_SYMBOL]
    check.fields("perp ticker", ticker, last=D("60000.5"), baseVolume=D("0.1"))
    check.equal("settlements", len(maker.fetch_funding_rate_history(PERP_SYMBOL)) < 2, True)
    check.number("leverage", taker.set_leverage(20)["leverage"], 20)
    (held,) = taker.fetch_positions([PERP_SYMBOL])
    check.number("margin at 20", held["collateral"], D("6000.05") / 20)
    taker.create_order(PERP_SYMBOL, "limit", "sell", 0.1, 60_001)
    maker.create_order(PERP_SYMBOL, "limit", "buy", 0.1, 60_001)
    check.equal("closed", taker.fetch_positions([PERP_SYMBOL]), [])
    past = taker.fetch_position_history(PERP_SYMBOL)
    check.equal("history", {one["id"] for one in past}, {held["id"]})
    pnl = {one["info"]["amount"]: one["realizedPnl"] for one in past}
    gained = (60_001 - D("60000.5")) * D("0.1")
    check.number("realized", pnl["0"], gained - D("6000.1") * PERP_MAKER_RATE)
    check.number("entry", [one["entryPrice"] for one in past if one["entryPrice"]], ["60000.5"])
    ticker = taker.fetch_tickers([PERP_SYMBOL])[PERP_SYMBOL]
    check.fields("ticker", ticker, last=D(60_001), baseVolume=D("0.2"), indexPrice=D("61000.5"))
    funding = taker.fetch_funding_rate(PERP_SYMBOL)
    check.equal("next funding", funding["fundingTimestamp"] > taker.milliseconds(), True)


def market_orders(check: Checks, venue: Venue, maker: Any, taker: Any) -> None:
    """Orders without a price: by money, by stock, on collateral, and one behind a stop."""
    maker.cancel_all_orders(SPOT_SYMBOL)
    maker.create_order(SPOT_SYMBOL, "limit", "sell", 1, 50_000)
    maker.create_order(SPOT_SYMBOL, "limit", "buy", 1, 40_000)
    by_cost = taker.create_market_buy_order_with_cost(SPOT_SYMBOL, 2_500)
    check.fields("by cost", by_cost, type="market", filled=D("0.05"), cost=D(2_500))
    bought = taker.create_order(SPOT_SYMBOL, "market", "buy", 0.02)
    check.fields(
        "by stock", bought, type="market", filled=D("0.02"), cost=D(1_000), status="closed"
    )
    sold = taker.create_order(SPOT_SYMBOL, "market", "sell", 0.03)
    check.fields("sold", sold, filled=D("0.03"), cost=D(1_200), amount=D("0.03"))
    check.number("fee", sold["fee"]["cost"], 1_200 * FEE_RATE)
    stop = taker.create_order(SPOT_SYMBOL, "limit", "buy", 0.04, 50_000, {"triggerPrice": 45_000})
    check.fields("stop", stop, status="open", filled=D(0), triggerPrice=D(45_000))
    (waiting,) = taker.fetch_open_orders(SPOT_SYMBOL)
    check.fields("waiting", waiting, id=stop["id"], triggerPrice=D(45_000), price=D(50_000))
    taker.create_order(SPOT_SYMBOL, "market", "buy", 0.01)
    check.fields(
        "set off", taker.fetch_order(stop["id"], SPOT_SYMBOL), filled=D("0.04"), cost=D(2_000)
    )
    maker.create_order(PERP_SYMBOL, "limit", "sell", 0.01, 60_000)
    perp = taker.create_order(PERP_SYMBOL, "market", "buy", 0.01)
    check.fields("perp", perp, type="market", filled=D("0.01"), cost=D(600))
    check.number("perp fee", perp["fee"]["cost"], 600 * PERP_TAKER_RATE)
    for account, exchange in (("demo-1", maker), ("demo-2", taker)):
        same_balances(check, venue, exchange, account)


def safety(check: Checks, venue: Venue, maker: Any) -> None:
    """Kill-switch and cancel all."""
    maker.cancel_all_orders_after(60_000, {"symbol": SPOT_SYMBOL})
    (timer,) = venue.state("timers")["demo-1"]
    check.equal(
        "timer", (timer["market"], timer["cancellationTime"] - timer["startTime"]), (SPOT, 60)
    )
    maker.cancel_all_orders_after(0, {"symbol": SPOT_SYMBOL})
    check.equal("no timer", venue.state("timers")["demo-1"], [])
    check.equal("some rest", len(venue.orders("demo-1")) > 0, True)
    maker.cancel_all_orders(SPOT_SYMBOL)
    check.equal("none rest", venue.orders("demo-1"), {})


def main() -> None:
    """Run every step on one venue."""
    check = Checks("ccxt")
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
