"""The exchange core: a pure, deterministic function of configuration and timed requests.

No sockets, no clock: every method takes `now_us`. Results come back at once; everything that
subscribers may see waits, in order, for `drain()`. (Bodies follow in the next commit.)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from adapters.paper.model import (
    Balance,
    CancelOrder,
    CollateralBalance,
    Deal,
    ExchangeConfig,
    KillSwitch,
    MarketSpec,
    ModifyOrder,
    NewOrder,
    Notice,
    Order,
    PositionView,
    PublicTrade,
    Reject,
    Side,
)

Levels = tuple[tuple[int, int], ...]


class Market:
    """One market: its rules, its book and its last trades. Read-only for the server."""

    spec: MarketSpec
    update_id: int  # counts every change of the full visible book (11.5)
    changed_us: int  # engine time of the last change
    last_ticks: int | None  # price of the last trade, None before the first

    def depth(self, limit: int) -> tuple[Levels, Levels]:
        """Return the visible (bids, asks), best first, as (ticks, lots), RPI excluded."""
        raise NotImplementedError

    def best(self) -> tuple[int, int, int, int]:
        """Return (bid ticks, bid lots, ask ticks, ask lots), visible; an empty side is 0, 0."""
        raise NotImplementedError

    def trades(self) -> Sequence[PublicTrade]:
        """Return up to 100 last public trades, oldest first."""
        raise NotImplementedError


class Exchange:
    """All markets and accounts. One call is one engine action at one time stamp (10.1).

    Time never steps back: an earlier `now_us` counts as the latest one seen. Kill-switch timers
    that are due fire before the action. Account and market names of arguments typed as value
    types are checked; an unknown *account* is a KeyError, since the server authenticated it.
    """

    markets: dict[str, Market]

    def __init__(self, config: ExchangeConfig, now_us: int) -> None:
        raise NotImplementedError

    def drain(self) -> list[Notice]:
        """Return and forget the notices since the last drain, in the order of 10.13."""
        raise NotImplementedError

    def take_dirty_spot(self) -> dict[str, dict[str, None]]:
        """Return and forget {account: {asset: None}} whose spot balance changed (ordered)."""
        raise NotImplementedError

    def take_dirty_collateral(self) -> dict[str, None]:
        """Return and forget the accounts whose collateral, margin or position changed."""
        raise NotImplementedError

    def place(self, account: str, request: NewOrder, now_us: int) -> Order | Reject:
        """Place a limit order (5.1, 6.1, 10.1-10.4); the order is as the engine left it."""
        raise NotImplementedError

    def place_bulk(
        self,
        account: str,
        requests: Sequence[NewOrder | Reject],
        stop_on_fail: bool,
        now_us: int,
    ) -> list[Order | Reject]:
        """Place orders in array order, one time stamp, no rollback (5.2, G-5).

        An item that the server already refused is passed as its `Reject`. With `stop_on_fail`
        the answer ends with the first refused item (G-6).
        """
        raise NotImplementedError

    def modify(self, account: str, request: ModifyOrder, now_us: int) -> Order | Reject:
        """Replace an order by a new one at the back of the queue (10.5); refused = untouched."""
        raise NotImplementedError

    def cancel(self, account: str, request: CancelOrder, now_us: int) -> Order | Reject:
        """Cancel one order (5.5); not found is 400 with code 2."""
        raise NotImplementedError

    def cancel_bulk(
        self, account: str, requests: Sequence[CancelOrder | Reject], now_us: int
    ) -> list[Order | Reject]:
        """Cancel many, never stopping early (5.5); not found is item code 404."""
        raise NotImplementedError

    def cancel_all(
        self, account: str, market: str | None, types: Sequence[str] | None, now_us: int
    ) -> list[Order] | Reject:
        """Cancel all open orders, or those of a market or of product types (5.5).

        Args:
            account: whose.
            market: None for all markets; unknown is code 31.
            types: of `spot`, `margin`, `futures`; None for all.
            now_us: engine time.
        """
        raise NotImplementedError

    def set_kill_switch(
        self,
        account: str,
        market: str,
        timeout_s: int | None,
        types: tuple[str, ...] | None,
        now_us: int,
    ) -> KillSwitch | None | Reject:
        """Set, reset or (timeout None) delete the timer of a market (5.6, 10.8).

        The server has checked that the timeout is a string of 5..600; None means deleted.
        """
        raise NotImplementedError

    def kill_switches(self, account: str, market: str | None = None) -> list[KillSwitch]:
        """Return the running timers (5.6), by market name."""
        raise NotImplementedError

    def advance(self, now_us: int) -> None:
        """Let time pass: fire the kill-switch timers that are due (10.8)."""
        raise NotImplementedError

    def next_timer_us(self) -> int | None:
        """Return when `advance` has something to do, None for never."""
        raise NotImplementedError

    def open_orders(self, account: str, market: str | None = None) -> list[Order]:
        """Return copies of the open orders, newest first (5.7)."""
        raise NotImplementedError

    def finished_orders(self, account: str) -> Iterable[Order]:
        """Return finished orders, newest first, at most `finished_max` (5.8)."""
        raise NotImplementedError

    def deals(self, account: str) -> Iterable[Deal]:
        """Return the account's deals, newest first, at most `deals_max` (5.8)."""
        raise NotImplementedError

    def spot_balances(self, account: str) -> dict[str, Balance]:
        """Return the spot balance of every asset of the exchange, in units (5.9)."""
        raise NotImplementedError

    def collateral(self, account: str) -> dict[str, CollateralBalance]:
        """Return the collateral of every asset that perpetuals settle in (6.6)."""
        raise NotImplementedError

    def positions(self, account: str, market: str | None = None) -> list[PositionView]:
        """Return the open positions (6.5)."""
        raise NotImplementedError

    def leverage(self, account: str) -> int:
        """Return the account-wide leverage (6.6)."""
        raise NotImplementedError

    def fee_rates(self, account: str, market: str) -> tuple[int, int, int]:
        """Return (maker, taker, RPI maker) rates in 10^-8, as they will be charged (7)."""
        raise NotImplementedError

    def background_rest(
        self, account: str, market: str, side: Side, ticks: int, lots: int, now_us: int
    ) -> Order:
        """Place a limit order of the flow, unchecked; its own stale orders in the way vanish."""
        raise NotImplementedError
