"""Everybody else on one market, of whom only as much is in the exchange core as can meet us.

Theory of operation. The recorded book is kept here, level by level. In the core lie only the levels
at which an order of ours rests, and those that a trade or a request of ours is about to reach; on
those the core's own queues decide, with the levels' background orders before and behind ours as the
queue model says. Whatever a move says of such a level is done there at once. A trade that cannot
reach us changes nothing but the tape: what it left of the book, the book's next move tells. So the
fills are those that a core with the whole book would give (a test compares the two), at a fraction
of the cost, since nearly every move is far from us.
"""

from __future__ import annotations

from bisect import bisect_left, insort

from adapters.paper.core.ledger import Seat
from adapters.paper.core.model import Side
from engine.events import BestBidOffer, BookDelta, BookSnapshot, PublicTrade, PublicTrades
from engine.types import BUY, SELL
from replay.model.background import ModelBackground

Levels = list[tuple[int, int]]
FAR = 1 << 62
_PLAYED_MAX = 1000
"""Levels that one request of ours may reach: far more than any that flattens needs."""


class BookSide:
    """One side of the recorded book; `keys` are sign x ticks ascending, so the best is last."""

    __slots__ = ("keys", "lots", "sign")

    def __init__(self, sign: int) -> None:
        self.sign = sign
        self.lots: dict[int, int] = {}
        self.keys: list[int] = []

    def replace(self, levels: Levels) -> None:
        """Hold these levels and no others."""
        self.lots = {ticks: lots for ticks, lots in levels if lots}
        self.keys = sorted([ticks * self.sign for ticks in self.lots])

    def change(self, levels: Levels) -> None:
        """Set levels, 0 lots to remove one; removing one that is not there is normal."""
        held, keys, sign = self.lots, self.keys, self.sign
        for ticks, lots in levels:
            if lots:
                if ticks not in held:
                    insort(keys, ticks * sign)
                held[ticks] = lots
            elif ticks in held:
                del held[ticks], keys[bisect_left(keys, ticks * sign)]

    def cut(self, ticks: int, lots: int) -> None:
        """Make a level the best: better ones are gone."""
        held, keys, key = self.lots, self.keys, ticks * self.sign
        while keys and keys[-1] > key:
            del held[keys.pop() * self.sign]
        if not keys or keys[-1] != key:
            keys.append(key)
        held[ticks] = lots

    def best(self) -> int:
        """Return the best price, 0 when empty."""
        return self.keys[-1] * self.sign if self.keys else 0

    def reaching(self, ticks: int) -> list[int]:
        """Return the prices at or better than one, best first."""
        found: list[int] = []
        key = ticks * self.sign
        for each in reversed(self.keys):
            if each < key or len(found) == _PLAYED_MAX:
                break
            found.append(each * self.sign)
        return found


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
        self._background = background
        self._market = background.market
        self._seat = seat
        self._limit = depth_limit
        self._bids, self._asks = BookSide(1), BookSide(-1)
        # Newest update seen of either stream, and the touch that was told last.
        self._seq = 0
        self._touch = (0, 0, 0, 0, 0)
        # Prices whose level is in the core; ours always are.
        self._core_bids: dict[int, None] = {}
        self._core_asks: dict[int, None] = {}
        # The nearest of those to the other side: nothing beyond them concerns us.
        self._core_bid, self._core_ask = 0, FAR
        # Our visible orders by price, the best of them, and the best with the hidden ones, which
        # only a retail taker meets.
        self._own_bids: dict[int, int] = {}
        self._own_asks: dict[int, int] = {}
        self._own_bid, self._own_ask = 0, FAR
        self._any_bid, self._any_ask = 0, FAR
        self._told = (0, 0, 0, 0)
        self._sent: tuple[dict[int, int], dict[int, int]] | None = None
        self.update_id = 0
        self._depth_id = 0
        self.acted = False
        """Something was done in the core, which may have told us of it."""

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
        if bids.keys and bids.keys[-1] == bid:
            bids.lots[bid] = bid_lots
        else:
            bids.cut(bid, bid_lots)
        if asks.keys and asks.keys[-1] == -ask:
            asks.lots[ask] = ask_lots
        else:
            asks.cut(ask, ask_lots)
        if bid <= self._core_bid or ask >= self._core_ask:
            self._play_core(now_us, bid, ask)
            best = self._best()
        else:
            best = (bid, bid_lots, ask, ask_lots)
        if best == self._told:
            return None
        self._told = best
        self.update_id = update_id = self.update_id + 1
        return BestBidOffer(self.name, update_id, now_us, *best)

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
            self._bids.cut(bid, bid_lots)
            self._asks.cut(ask, ask_lots)
        if self._core_bids or self._core_asks:
            self._settle_core(now_us)

    def trade(
        self, now_us: int, trade_id: int, buys: bool, ticks: int, lots: int, retail: bool
    ) -> PublicTrades:
        """Let somebody take; the tape shows what was recorded."""
        if (ticks >= self._any_ask) if buys else (ticks <= self._any_bid):
            side = Side.SELL if buys else Side.BUY
            book, core = (self._asks, self._core_asks) if buys else (self._bids, self._core_bids)
            new = [price for price in book.reaching(ticks) if price not in core]
            self._enter_core(side, new, now_us)
            taker = Side.BUY if buys else Side.SELL
            self._background.replay_trade(taker, ticks, lots, now_us, retail=retail)
            core[ticks] = None
            self._bound()
            self.acted = True
        self._market.last_ticks = ticks
        trade = PublicTrade(trade_id, ticks, lots, BUY if buys else SELL, False, now_us)
        return PublicTrades(self.name, (trade,))

    # --- the core -----------------------------------------------------------------------------

    def before_order(self, side: Side, ticks: int, now_us: int) -> None:
        """Bring into the core whom an order of ours queues behind, and whom it could take from."""
        buys = side is Side.BUY
        own, own_core = (self._bids, self._core_bids) if buys else (self._asks, self._core_asks)
        other, core = (self._asks, self._core_asks) if buys else (self._bids, self._core_bids)
        if other.keys and other.keys[-1] >= ticks * other.sign:
            new = [price for price in other.reaching(ticks) if price not in core]
            self._enter_core(side.opposite, new, now_us)
        if ticks not in own_core:
            if ticks in own.lots:
                self._enter_core(side, [ticks], now_us)
            own_core[ticks] = None
        self._bound()

    def after_us(self) -> None:
        """Look where our orders are now."""
        bids: dict[int, int] = {}
        asks: dict[int, int] = {}
        self._any_bid, self._any_ask = 0, FAR
        for order in self._seat.orders.values():
            ticks = order.ticks
            if order.side is Side.BUY:
                own = bids
                self._any_bid = max(self._any_bid, ticks)
                self._core_bids[ticks] = None
            else:
                own = asks
                self._any_ask = min(self._any_ask, ticks)
                self._core_asks[ticks] = None
            if not order.rpi:
                own[ticks] = own.get(ticks, 0) + order.leaves_lots
        self._own_bids, self._own_asks = bids, asks
        self._own_bid = max(bids, default=0)
        self._own_ask = min(asks, default=FAR)
        self._bound()

    def show(self, levels: int, now_us: int) -> None:
        """Bring the best levels into the core, for what is worked out from them (10.11)."""
        for side, book, core in (
            (Side.BUY, self._bids, self._core_bids),
            (Side.SELL, self._asks, self._core_asks),
        ):
            best = [key * book.sign for key in book.keys[: -levels - 1 : -1]]
            self._enter_core(side, [ticks for ticks in best if ticks not in core], now_us)
        self._bound()

    def _enter_core(self, side: Side, prices: list[int], now_us: int) -> None:
        if prices:
            buys = side is Side.BUY
            book, core = (self._bids, self._core_bids) if buys else (self._asks, self._core_asks)
            core.update(dict.fromkeys(prices))
            self._background.set_levels([(side, p, book.lots[p]) for p in prices], now_us)
            self.acted = True

    def _bound(self) -> None:
        self._core_bid = max(self._core_bids, default=0)
        self._core_ask = min(self._core_asks, default=FAR)

    def _play_core(self, now_us: int, bid: int, ask: int) -> None:
        # The touch came to levels that are in the core, or moved through them.
        lots_bid, lots_ask = self._bids.lots, self._asks.lots
        changes = [(Side.BUY, p, 0) for p in self._core_bids if p > bid]
        changes += [(Side.SELL, p, 0) for p in self._core_asks if p < ask]
        if bid in self._core_bids:
            changes.append((Side.BUY, bid, lots_bid[bid]))
        if ask in self._core_asks:
            changes.append((Side.SELL, ask, lots_ask[ask]))
        self._set(changes + self._crossing(bid, ask), now_us)

    def _settle_core(self, now_us: int) -> None:
        # Our levels are as the book says; those without an order of ours leave the core.
        changes: list[tuple[Side, int, int]] = []
        own: list[tuple[Side, int, int]] = []
        ours = {(order.side, order.ticks) for order in self._seat.orders.values()}
        for side, book, core in (
            (Side.BUY, self._bids, self._core_bids),
            (Side.SELL, self._asks, self._core_asks),
        ):
            for price in list(core):
                if (side, price) in ours:
                    lots = book.lots.get(price, 0)
                    (own if lots else changes).append((side, price, lots))
                else:
                    changes.append((side, price, 0))
                    del core[price]
        self._set(changes + own + self._crossing(self._bids.best(), self._asks.best()), now_us)

    def _crossing(self, bid: int, ask: int) -> list[tuple[Side, int, int]]:
        # What others show at or beyond a price of ours trades with us.
        found = []
        if bid >= self._own_ask:
            for price in self._bids.reaching(self._own_ask):
                self._core_bids[price] = None
                found.append((Side.BUY, price, self._bids.lots[price]))
        if 0 < ask <= self._own_bid:
            for price in self._asks.reaching(self._own_bid):
                self._core_asks[price] = None
                found.append((Side.SELL, price, self._asks.lots[price]))
        return found

    def _set(self, changes: list[tuple[Side, int, int]], now_us: int) -> None:
        if changes:
            self._background.set_levels(changes, now_us)
            self.acted = True
        self._bound()

    # --- what the venue tells -----------------------------------------------------------------

    def ticker(self, now_us: int) -> BestBidOffer | None:
        """Return the best prices where they are other than was told."""
        best = self._best()
        if best == self._told:
            return None
        self._told = best
        self.update_id += 1
        return BestBidOffer(self.name, self.update_id, now_us, *best)

    def book(self, now_us: int, *, is_snapshot: bool) -> BookSnapshot | BookDelta:
        """Return what changed in the window since it was told last, or all of it."""
        bids = self._window(self._bids, self._own_bids, self._own_ask)
        asks = self._window(self._asks, self._own_asks, self._own_bid)
        before, self._sent = self._sent, (bids, asks)
        self.update_id = update_id = self.update_id + 1
        past, self._depth_id = self._depth_id, update_id
        if is_snapshot or before is None:
            return BookSnapshot(
                self.name,
                update_id,
                now_us,
                _flat(sorted(bids.items(), reverse=True)),
                _flat(sorted(asks.items())),
            )
        return BookDelta(
            self.name,
            update_id,
            past,
            now_us,
            _changes(before[0], bids),
            _changes(before[1], asks),
        )

    def _window(self, book: BookSide, own: dict[int, int], limit_ticks: int) -> dict[int, int]:
        sign, lots, keys = book.sign, book.lots, book.keys
        if keys and limit_ticks and keys[-1] >= limit_ticks * sign:
            # Levels at or beyond an order of ours on the other side have traded with it.
            keys = keys[: bisect_left(keys, limit_ticks * sign)]
        limit = self._limit
        if sign > 0:
            window = {ticks: lots[ticks] for ticks in keys[: -limit - 1 : -1]}
        else:
            window = {-key: lots[-key] for key in keys[: -limit - 1 : -1]}
        for ticks, ours in own.items():
            window[ticks] = window.get(ticks, 0) + ours
        while len(window) > limit:
            del window[min(window) if sign > 0 else max(window)]
        return window

    def _best(self) -> tuple[int, int, int, int]:
        bids = self._side_best(self._bids, self._own_bids, self._own_ask)
        return (*bids, *self._side_best(self._asks, self._own_asks, self._own_bid))

    def _side_best(self, book: BookSide, own: dict[int, int], limit_ticks: int) -> tuple[int, int]:
        sign, keys = book.sign, book.keys
        index = len(keys) - 1
        while index >= 0 and limit_ticks and keys[index] >= limit_ticks * sign:
            index -= 1
        ticks = keys[index] * sign if index >= 0 else 0
        lots = book.lots.get(ticks, 0)
        for price, ours in own.items():
            if price == ticks:
                lots += ours
            elif not ticks or price * sign > ticks * sign:
                ticks, lots = price, ours
        return ticks, lots


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
