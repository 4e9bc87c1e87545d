"""Turn each WebSocket frame into exactly one event; pure and total.

Whatever is malformed, unknown, or does not fit a market's precision becomes `FrameRefused` with
the reason in words; nothing raises, and nothing is rounded. Contract 11.5.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import msgspec

from adapters.whitebit import frames
from adapters.whitebit.orders import (
    Scale,
    interest,
    optional_amount,
    pending_order,
    position_side,
    signed_lots,
    stream_fill,
)
from adapters.whitebit.units import UNITS_MAX, Units, amount, clip, micros
from adapters.whitebit.wire import (
    BalanceMarginUpdate,
    BalanceSpotUpdate,
    BookTickerUpdate,
    DealsUpdate,
    DepthUpdate,
    Levels,
    OrdersPendingUpdate,
    PositionsUpdate,
    Premium,
    PremiumIndexUpdate,
    Reply,
    StatusResult,
    TradesUpdate,
    Update,
)
from engine.events import (
    AnyEvent,
    BestBidOffer,
    BookDelta,
    BookSnapshot,
    Filled,
    FrameRefused,
    MarginBalancesChanged,
    MarkPrice,
    OrderClosed,
    OrderOpened,
    OrderUpdated,
    PongReceived,
    PositionsReported,
    PublicTrade,
    PublicTrades,
    SpotBalancesChanged,
    StreamAuthorised,
    StreamSubscribed,
)
from engine.types import MarginBalance, Market, Position, Product, Side, SpotBalance

_TRADE_SIDES: Mapping[str, Side] = {"buy": Side.BUY, "sell": Side.SELL}


class Normaliser:
    """Decoders and conversion tables of the markets of a run; equal input gives equal events."""

    def __init__(self, markets: Mapping[str, Market]) -> None:
        self._scales = {name: Scale(market) for name, market in markets.items()}
        self._decode_update = msgspec.json.Decoder[Update](Update).decode
        self._decode_reply = msgspec.json.Decoder(Reply).decode
        self._decode_status = msgspec.json.Decoder(StatusResult).decode
        # The readers' updates differ, so the table's type is theirs in common.
        self._readers: Mapping[type[Update], Callable[[Any], AnyEvent]] = {
            BookTickerUpdate: self._book_ticker,
            DepthUpdate: self._depth,
            TradesUpdate: self._trades,
            PremiumIndexUpdate: self._premium,
            OrdersPendingUpdate: self._order,
            DealsUpdate: self._deals,
            BalanceSpotUpdate: _spot_balances,
            BalanceMarginUpdate: _margin_balances,
            PositionsUpdate: self._positions,
        }

    def frame(self, stream: str, data: bytes) -> AnyEvent:
        """Return the event of one frame received on `stream`."""
        decode = self._decode_update
        try:
            update = decode(data)
        except msgspec.ValidationError as error:
            # Replies have no `method`, so they land here; they are too few to look for first.
            return self._reply(stream, data, str(error))
        except (ValueError, RecursionError) as error:
            return FrameRefused(stream, "", clip(f"not JSON: {error}"))
        read = self._readers[type(update)]
        try:
            return read(update)
        except ValueError as error:
            return FrameRefused(stream, clip(_market_of(update), 64), clip(str(error)))

    def _deals(self, update: DealsUpdate) -> Filled:
        return Filled(stream_fill(self._scale(update.params[2]), update.params))

    def _scale(self, market: str) -> Scale:
        scale = self._scales.get(market)
        if scale is None:
            raise ValueError(f"expected a market of this run, found {clip(market, 48)!r}")
        return scale

    def _book_ticker(self, update: BookTickerUpdate) -> BestBidOffer:
        _, time, market, update_id, bid, bid_qty, ask, ask_qty = update.params[0]
        scale = self._scales.get(market) or self._scale(market)
        prices, lots = scale.prices, scale.lots
        return BestBidOffer(
            market,
            update_id,
            micros(time),
            prices[bid] if bid != "0" else 0,
            lots[bid_qty],
            prices[ask] if ask != "0" else 0,
            lots[ask_qty],
        )

    def _depth(self, update: DepthUpdate) -> BookSnapshot | BookDelta:
        full, data, market = update.params
        scale = self._scale(market)
        # Servers before 2025 sent no event_time; the engine's own time is never later than it.
        time = micros(data.event_time or data.timestamp)
        bids = _levels(data.bids, scale.prices, scale.lots)
        asks = _levels(data.asks, scale.prices, scale.lots)
        if full:
            _check_best_first(bids, asks)
            return BookSnapshot(market, max(data.update_id, 0), time, bids, asks)
        if data.update_id < 0 or data.past_update_id < 0:
            raise ValueError("expected a depth delta with update_id and past_update_id, found none")
        return BookDelta(market, data.update_id, data.past_update_id, time, bids, asks)

    def _trades(self, update: TradesUpdate) -> PublicTrades:
        market, items = update.params
        scale = self._scale(market)
        trades = []
        for item in items:
            side = _TRADE_SIDES.get(item.type)
            if side is None:
                raise ValueError(f"expected a trade of type buy or sell, found {item.type!r:.48}")
            price, qty = scale.prices[item.price], scale.lots[item.amount]
            trades.append(PublicTrade(item.id, price, qty, side, item.rpi, micros(item.time)))
        return PublicTrades(market, tuple(trades))

    def _premium(self, update: PremiumIndexUpdate) -> MarkPrice:
        params = update.params
        record = params[0] if len(params) == 1 else params
        market, mark, index, rate, next_ms, _ = msgspec.convert(record, Premium, strict=False)
        scale = self._scale(market)
        if not 0 <= amount(mark).scaleb(scale.market.price_decimals) < UNITS_MAX // 2:
            raise ValueError(f"expected a mark price, found {mark}")
        return MarkPrice(market, amount(mark), amount(index), amount(rate), next_ms)

    def _order(self, update: OrdersPendingUpdate) -> OrderOpened | OrderUpdated | OrderClosed:
        event_id, wire = update.params
        order = pending_order(self._scale(wire.market), event_id, wire)
        if event_id == 1:
            return OrderOpened(order)
        if event_id == 2:
            return OrderUpdated(order)
        if event_id == 3:
            return OrderClosed(order)
        raise ValueError(f"expected an order event of 1, 2 or 3, found {event_id}")

    def _positions(self, update: PositionsUpdate) -> PositionsReported:
        positions = []
        for record in update.params.records:
            # The channel has every position of the account. Those of other markets, and of a
            # pair that is quoted on spot, are not what this run trades.
            scale = self._scales.get(record.market)
            if scale is None or scale.market.product is Product.SPOT:
                continue
            qty = signed_lots(scale, record.amount)
            if qty:
                entry = optional_amount(record.base_price)
                pnl = optional_amount(record.pnl)
                cost = interest(scale.market, record.unrealized_funding, record.funding)
                side = position_side(record.position_side)
                position = Position(record.market, record.id, qty, entry, pnl, cost, side)
                positions.append(position)
        return PositionsReported(tuple(positions))

    def _reply(self, stream: str, data: bytes, update_error: str) -> AnyEvent:
        try:
            reply = self._decode_reply(data)
        except (ValueError, RecursionError):
            # Neither an update nor a reply: what was wrong with it as an update says more.
            return FrameRefused(stream, "", clip(update_error))
        method = frames.method_of(reply.id)
        if reply.error is not None:
            text = f"{method or 'unknown request'} refused with code {reply.error.code}: "
            if method in frames.OPTIONAL:
                # Of no stream: the one it came on does not wait for it.
                stream = ""
            return FrameRefused(stream, "", clip(text + reply.error.message))
        if bytes(reply.result) == b'"pong"':
            return PongReceived(stream)
        try:
            confirmed = self._decode_status(reply.result).status == "success"
        except ValueError:
            confirmed = False
        if not confirmed or not method or method == frames.PING:
            return FrameRefused(stream, "", f"unexpected answer to request {reply.id}")
        if method == frames.AUTHORIZE:
            return StreamAuthorised(stream)
        return StreamSubscribed(stream, method)


def _levels(levels: Levels, prices: Units, lots: Units) -> tuple[int, ...]:
    flat: list[int] = []
    append = flat.append
    for price, qty in levels:
        append(prices[price])
        append(lots[qty])
    return tuple(flat)


def _check_best_first(bids: tuple[int, ...], asks: tuple[int, ...]) -> None:
    # The book relies on the order of a snapshot; checking it costs little, ten seconds apart.
    falling = all(better > worse for better, worse in pairwise(bids[::2]))
    rising = all(better < worse for better, worse in pairwise(asks[::2]))
    if not (falling and rising):
        raise ValueError("expected a snapshot with distinct prices, best first")


def _spot_balances(update: BalanceSpotUpdate) -> SpotBalancesChanged:
    return SpotBalancesChanged(
        tuple(
            SpotBalance(asset, amount(amounts.available), amount(amounts.freeze))
            for changed in update.params
            for asset, amounts in changed.items()
        )
    )


def _margin_balances(update: BalanceMarginUpdate) -> MarginBalancesChanged:
    return MarginBalancesChanged(
        tuple(
            MarginBalance(m.a, amount(m.B), amount(m.b), amount(m.av), amount(m.ab))
            for m in update.params
        )
    )


def _market_of(update: Update) -> str:
    # The market a refused update was about; positions and balances are about the account.
    if isinstance(update, BookTickerUpdate):
        return update.params[0][2]
    if isinstance(update, DepthUpdate):
        return update.params[2]
    if isinstance(update, TradesUpdate):
        return update.params[0]
    if isinstance(update, OrdersPendingUpdate):
        return update.params[1].market
    if isinstance(update, DealsUpdate):
        return update.params[2]
    return ""
