"""Everybody else on one market, of whom only as much is in the exchange core as can meet us.

Theory of operation. The recorded book is kept here, level by level. In the core lie only the levels
at which an order of ours rests, and those that a trade or a request of ours is about to reach; on
those the core's own queues decide, with others' orders before and behind ours as the queue model
says. Whatever a move says of such a level is done there at once. A trade that cannot reach
the core takes from the book kept here, as one that can takes from the core's. So the fills are
those that a core with the whole book gives (a test compares the two), at a fraction of the cost,
since most moves are far from us.
"""

from __future__ import annotations

from adapters.paper.core.background import Level
from adapters.paper.core.ledger import Seat
from adapters.paper.core.model import Side
from engine.events import BestBidOffer, BookDelta, BookSnapshot, PublicTrade, PublicTrades
from engine.types import BUY, SELL
from replay.backtest.half import UNSURE, Half, Levels
from replay.model.background import ModelBackground


class Crowd:
    """Others on one market: plays their moves, and says what the venue tells of them."""

    def __init__(self, background: ModelBackground, seat: Seat, depth_limit: int) -> None:
        """Begin with an empty book.

        Args:
            background: Their hands in the exchange core.
            seat: Ours.
            depth_limit: Levels a side that the venue tells.
        """
        self.name = background.market.spec.name
        self.acted = False
        """Something was done in the core, which may have told us of it."""
        self._background = background
        self._market = background.market
        self._seat = seat
        self._limit = depth_limit
        self._bids, self._asks = Half(Side.BUY, depth_limit), Half(Side.SELL, depth_limit)
        # Newest update seen of either stream, and the touch that was told last.
        self._seq = 0
        self._touch = (0, 0, 0, 0, 0)
        self._told = (0, 0, 0, 0)
        self._sent: tuple[dict[int, int], dict[int, int]] | None = None
        self._update_id = self._depth_id = 0

    @property
    def is_open(self) -> bool:
        """Whether both sides of the book are there."""
        return bool(self._bids.keys and self._asks.keys)

    # --- moves --------------------------------------------------------------------------------

    def touch(
        self, now_us: int, seq: int, bid: int, bid_lots: int, ask: int, ask_lots: int
    ) -> BestBidOffer | None:
        """Move the best prices; older news than known, or a side without a price, is none."""
        if seq < self._seq or not 0 < bid < ask:
            return None
        self._seq = seq
        self._touch = (seq, bid, bid_lots, ask, ask_lots)
        bids, asks = self._bids, self._asks
        # As `cut`, written out for what happens most: sizes change, prices stay.
        if bids.keys and bids.keys[-1] == bid and bid_lots:
            bids.lots[bid] = bid_lots
        else:
            self._cut(bids, bid, bid_lots)
        if asks.keys and asks.keys[-1] == -ask and ask_lots:
            asks.lots[ask] = ask_lots
        else:
            self._cut(asks, ask, ask_lots)
        near = bid <= bids.core_key or bid >= -asks.core_key or -ask <= asks.core_key
        if near:
            self._touch_core(now_us, bid, ask)
        if near or not (bid_lots and ask_lots):
            bid, bid_lots = bids.best(-asks.own_key)
            ask, ask_lots = asks.best(-bids.own_key)
        best = (bid, bid_lots, ask, ask_lots)
        if best == self._told:
            return None
        self._told = best
        self._update_id = update_id = self._update_id + 1
        return BestBidOffer(self.name, update_id, now_us, bid, bid_lots, ask, ask_lots)

    def _cut(self, half: Half, ticks: int, lots: int) -> None:
        half.cut(ticks, lots)
        if not lots:
            # Of a journal: what was best there was ours alone.
            half.change([(ticks, 0)])

    def depth(self, now_us: int, seq: int, is_snapshot: bool, bids: Levels, asks: Levels) -> None:
        """Change levels; `book` tells of it."""
        if is_snapshot:
            self._bids.replace(bids)
            self._asks.replace(asks)
            self._seq, self._touch = 0, (0, 0, 0, 0, 0)
        else:
            self._bids.change(bids)
            self._asks.change(asks)
        self._seq = max(self._seq, seq)
        told_seq, bid, bid_lots, ask, ask_lots = self._touch
        if told_seq > seq:
            # The touch is ahead of this delta, so its older best prices must not return.
            self._cut(self._bids, bid, bid_lots)
            self._cut(self._asks, ask, ask_lots)
        if self._bids.core or self._asks.core:
            self._depth_core(now_us)

    def trade(
        self, now_us: int, trade_id: int, buys: bool, ticks: int, lots: int, retail: bool
    ) -> PublicTrades:
        """Let somebody take; the tape shows what was recorded."""
        half = self._asks if buys else self._bids
        if ticks * half.sign > max(half.any_key, half.core_key):
            half.take(ticks * half.sign, lots)
        else:
            self._enter(half, half.reaching(ticks * half.sign), now_us)
            taker = Side.BUY if buys else Side.SELL
            self._background.replay_trade(taker, ticks, lots, now_us, retail=retail)
            half.core[ticks] = UNSURE
            self._unsure()
        self._market.last_ticks = ticks
        trade = PublicTrade(trade_id, ticks, lots, BUY if buys else SELL, False, now_us)
        return PublicTrades(self.name, (trade,))

    # --- the core -----------------------------------------------------------------------------

    def before_order(self, side: Side, ticks: int, now_us: int) -> None:
        """Bring into the core whom an order of ours queues behind, and whom it could take from."""
        buys = side is Side.BUY
        half, other = (self._bids, self._asks) if buys else (self._asks, self._bids)
        key = ticks * other.sign
        if other.keys and other.keys[-1] >= key:
            self._enter(other, other.reaching(key), now_us)
            self._unsure()
        self._enter(half, [ticks], now_us)

    def after_us(self, now_us: int) -> None:
        """Look where our orders are now; levels without one leave the core."""
        bids, asks = self._bids, self._asks
        for half in (bids, asks):
            half.own, half.any = {}, set()
        for order in self._seat.orders.values():
            half = bids if order.side is Side.BUY else asks
            ticks = order.ticks
            half.any.add(ticks)
            if ticks not in half.core:
                half.core[ticks] = UNSURE
            if not order.rpi:
                half.own[ticks] = half.own.get(ticks, 0) + order.leaves_lots
        leaving: list[Level] = []
        for half in (bids, asks):
            for ticks in [each for each in half.core if each not in half.any]:
                if half.core.pop(ticks):
                    leaving.append((half.side, ticks, 0))
            half.bound()
            half.bound_ours()
        self._set(leaving, now_us)

    def show(self, levels: int, now_us: int) -> None:
        """Bring the best levels into the core, for what is worked out from them (10.11)."""
        for half in (self._bids, self._asks):
            best = [key * half.sign for key in half.keys[: -levels - 1 : -1]]
            self._enter(half, best, now_us)

    def _enter(self, half: Half, prices: list[int], now_us: int) -> None:
        new = [ticks for ticks in prices if ticks not in half.core]
        if new:
            half.core.update({ticks: half.lots.get(ticks, 0) for ticks in new})
            changes = [(half.side, ticks, half.core[ticks]) for ticks in new if half.core[ticks]]
            half.bound()
            self._set(changes, now_us)

    def _unsure(self) -> None:
        # Anything in the core may have traded.
        for half in (self._bids, self._asks):
            half.core = dict.fromkeys(half.core, UNSURE)
            half.bound()
        self.acted = True

    def _touch_core(self, now_us: int, bid: int, ask: int) -> None:
        # The touch came to levels that are in the core, or moved through them.
        leaving: list[Level] = []
        coming: list[Level] = []
        for half, ticks in ((self._bids, bid), (self._asks, ask)):
            key, sign, core = ticks * half.sign, half.sign, half.core
            if half.core_key < key:
                continue
            if half.core_key > key:
                for price, lots in core.items():
                    if lots and price * sign > key:
                        core[price] = 0
                        leaving.append((half.side, price, 0))
            held, lots = core.get(ticks), half.lots.get(ticks, 0)
            if held is not None and held != lots:
                core[ticks] = lots
                (coming if lots else leaving).append((half.side, ticks, lots))
        self._set(leaving + coming + self._crossing(), now_us)

    def _depth_core(self, now_us: int) -> None:
        # Our levels are as the book says; those without an order of ours leave the core.
        leaving: list[Level] = []
        coming: list[Level] = []
        for half in (self._bids, self._asks):
            core, half.core = half.core, {}
            for price, before in core.items():
                lots = 0
                if price in half.any:
                    lots = half.core[price] = half.lots.get(price, 0)
                if before != lots:
                    (coming if lots else leaving).append((half.side, price, lots))
            half.bound()
        self._set(leaving + coming + self._crossing(), now_us)

    def _crossing(self) -> list[Level]:
        # What others show at or beyond a visible price of ours trades with us.
        bids, asks = self._bids, self._asks
        found: list[Level] = []
        for half, key in ((bids, -asks.own_key), (asks, -bids.own_key)):
            if half.keys and half.keys[-1] >= key:
                for price in half.reaching(key):
                    half.core[price] = UNSURE
                    found.append((half.side, price, half.lots[price]))
        if found:
            self._unsure()
        return found

    def _set(self, changes: list[Level], now_us: int) -> None:
        # Levels are left before others are taken, so that the book moves without crossing itself.
        if changes:
            self._background.set_levels(changes, now_us)
            self.acted = True

    # --- what the venue tells -----------------------------------------------------------------

    def ticker(self, now_us: int) -> BestBidOffer | None:
        """Return the best prices where they are other than was told."""
        bids, asks = self._bids, self._asks
        best = (*bids.best(-asks.own_key), *asks.best(-bids.own_key))
        if best == self._told:
            return None
        self._told = best
        self._update_id += 1
        return BestBidOffer(self.name, self._update_id, now_us, *best)

    def book(self, now_us: int, *, is_snapshot: bool) -> BookSnapshot | BookDelta:
        """Return what changed in the window since it was told last, or all of it."""
        bids = self._bids.window(self._limit, -self._asks.own_key)
        asks = self._asks.window(self._limit, -self._bids.own_key)
        before, self._sent = self._sent, (bids, asks)
        self._update_id = update_id = self._update_id + 1
        past, self._depth_id = self._depth_id, update_id
        if is_snapshot or before is None:
            best_first = _flat(sorted(bids.items(), reverse=True)), _flat(sorted(asks.items()))
            return BookSnapshot(self.name, update_id, now_us, *best_first)
        changed = _changes(before[0], bids), _changes(before[1], asks)
        return BookDelta(self.name, update_id, past, now_us, *changed)


def _flat(levels: Levels) -> tuple[int, ...]:
    return tuple([number for level in levels for number in level])


def _changes(before: dict[int, int], after: dict[int, int]) -> tuple[int, ...]:
    if before == after:
        return ()
    found: list[int] = []
    for ticks in before:
        if ticks not in after:
            found += (ticks, 0)
    for ticks, lots in after.items():
        if before.get(ticks) != lots:
            found += (ticks, lots)
    return tuple(found)
