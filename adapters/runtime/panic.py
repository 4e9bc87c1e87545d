"""Clear an account's markets with the keys alone: no engine, no journal, no stream.

Cancel all, then look; and look again until nothing that an engine signed before the panic latch
was set can be accepted any more, since a cancel can overtake a place on its way. The venue takes
no nonce older than its window, so that time is known (contract section 2).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

import msgspec
import trio

from adapters.ports import Clock
from adapters.whitebit import lanes
from adapters.whitebit.envelopes import read_refusal
from adapters.whitebit.lanes import Lanes
from adapters.whitebit.requests import PAGE_LIMIT, Request, encode, encode_cancel_id
from adapters.whitebit.signing import NonceSource, Signer
from engine.intents import CancelAll, Intent, QueryOpenOrders, QueryTime
from engine.nonces import NONCE_WINDOW_NS, SETTLE_MARGIN_NS
from engine.refusals import RefusalKind, classify

WINDOW_NS = NONCE_WINDOW_NS + SETTLE_MARGIN_NS
"""How long after the start a request that was signed before it may still be accepted."""
ANSWER_S = 2.0
"""An answer that takes longer is given up: everything asked here may be asked again."""
RETRY_S = (0.02, 1.0)
"""First and longest pause after a failure, doubling between."""
WATCH_EVERY_S = 0.25
"""Pause between two looks at a market that is clear."""
TRIES_MAX = 4
"""Times that a nonce is drawn anew for one request: another program of this key draws them too."""


class Cleared(msgspec.Struct, frozen=True):
    """What became of one market."""

    market: str
    clear: bool
    """The last listing, asked after the nonce window, showed no open order."""
    clear_ns: int
    """From the start until the listing that first showed none; 0 when none did."""
    cancels: int
    """Requests to cancel that the venue took."""
    late: int
    """Orders that appeared after a listing had shown none."""
    open_orders: int
    """In the last listing."""
    error: str
    """What went wrong last; empty when nothing did."""


class _Failed(Exception):
    """Why a question has no answer; `hopeless` when asking again cannot help."""

    def __init__(self, reason: str, *, hopeless: bool = False) -> None:
        super().__init__(reason)
        self.hopeless = hopeless


class _Order(msgspec.Struct, frozen=True):
    order_id: int = msgspec.field(name="orderId")


class _Time(msgspec.Struct, frozen=True):
    time: int


class Clearing:
    """One panic: its wire, its clock, and how long it goes on."""

    def __init__(
        self,
        wire: Lanes,
        signer: Signer,
        clock: Clock,
        patience_ns: int,
        tell: Callable[[str, int, int], None],
    ) -> None:
        """Begin now.

        Args:
            wire: To the venue; used by this alone.
            signer: Of the account to clear.
            clock: For nonces and for how long things took.
            patience_ns: How long a market may take until it is proved clear, more than
                `WINDOW_NS`.
            tell: Called with market, open orders and nanoseconds from the start, at each listing
                that differs from the one before.
        """
        self._wire = wire
        self._signer = signer
        self._clock = clock
        self._nonces = NonceSource(clock.now_ns)
        self._started_ns = clock.now_ns()
        self._patience_ns = patience_ns
        self._tell = tell

    async def clear(self, markets: tuple[str, ...]) -> tuple[Cleared, ...]:
        """Clear markets at once and see to it that they stay so; never raises for the venue."""
        found: dict[str, Cleared] = {}

        async def one(name: str) -> None:
            found[name] = await _Market(self, name).clear()

        async with trio.open_nursery() as nursery:
            for name in markets:
                nursery.start_soon(one, name)
        return tuple(found[name] for name in markets)

    @property
    def elapsed_ns(self) -> int:
        return self._clock.now_ns() - self._started_ns

    @property
    def in_time(self) -> bool:
        """True while a market may still take its time."""
        return self.elapsed_ns < self._patience_ns

    def tell(self, market: str, open_orders: int) -> None:
        self._tell(market, open_orders, self.elapsed_ns)

    async def cancel_all(self, market: str) -> None:
        """Cancel every order of the account on a market.

        Raises:
            _Failed: it was not confirmed.
        """
        await self._ask(CancelAll(market))

    async def cancel_one(self, market: str, order_id: int) -> None:
        """Cancel one order, where the venue has no better way; raises as `cancel_all`."""
        await self._signed(lambda nonce: encode_cancel_id(market, order_id, nonce))

    async def list_orders(self, market: str) -> list[int]:
        """Return the ids of the open orders of the first page, and so at least one if any is open.

        Raises:
            _Failed: no answer that says so.
        """
        body = await self._ask(QueryOpenOrders(market, 0))
        try:
            orders = msgspec.json.decode(body, type=list[_Order])
        except (ValueError, RecursionError):
            raise _Failed("open orders: an answer that is no list of orders") from None
        return [order.order_id for order in orders[:PAGE_LIMIT]]

    async def _ask(self, intent: Intent) -> bytes:
        return await self._signed(lambda nonce: encode(intent, None, nonce))

    async def _signed(self, make: Callable[[int], Request]) -> bytes:
        reason = ""
        for attempt in range(TRIES_MAX):
            request = make(self._nonces.draw())
            headers = self._signer.headers(request.path, request.body)
            status, body = await _in_time(
                partial(self._wire.post, request.path, headers, request.body)
            )
            if 200 <= status < 300:
                return body
            refusal = read_refusal(status, body) if 400 <= status < 500 else None
            if refusal is None:
                raise _Failed(f"{request.path}: HTTP {status}")
            kind = classify(refusal)
            reason = f"{request.path}: HTTP {status} {refusal.text}"
            if kind is not RefusalKind.NONCE:
                raise _Failed(reason, hopeless=kind is RefusalKind.AUTH)
            # Without the word it was drawn by another program of this key as well.
            if attempt or "nonce" in refusal.text.lower():
                await self._sync_time()
        raise _Failed(reason)

    async def _sync_time(self) -> None:
        # Our clock is off by more than the nonce window: go by the venue's, to the second.
        request = encode(QueryTime(), None, 0)
        status, body = await _in_time(partial(self._wire.get, request.path))
        try:
            server_s = msgspec.json.decode(body, type=_Time).time
        except (ValueError, RecursionError):
            raise _Failed(f"{request.path}: HTTP {status} without a time") from None
        # A new source: one that has drawn from the future would go on from there.
        self._nonces = NonceSource(self._clock.now_ns)
        self._nonces.offset_ms = server_s * 1000 - self._clock.now_ns() // 1_000_000


async def _in_time(ask: Callable[[], Awaitable[tuple[int, bytes]]]) -> tuple[int, bytes]:
    with trio.move_on_after(ANSWER_S):
        try:
            return await ask()
        except lanes.ERRORS as error:
            # The name alone: texts of these errors can quote headers, and so the key.
            raise _Failed(f"no answer: {type(error).__name__}") from None
    raise _Failed(f"no answer within {ANSWER_S:g} s")


class _Market:
    """One market on its way to being clear."""

    def __init__(self, clearing: Clearing, name: str) -> None:
        self._clearing = clearing
        self._name = name
        self._open: int | None = None  # in the last listing; None before the first
        self._clear_ns = self._cancels = self._late = 0
        self._error = ""
        self._pause_s = RETRY_S[0]

    async def clear(self) -> Cleared:
        clearing, proved = self._clearing, False
        try:
            while not proved and clearing.in_time:
                asked_ns = clearing.elapsed_ns
                proved = await self._round() and asked_ns > WINDOW_NS
                if not proved and self._open == 0:
                    await trio.sleep(WATCH_EVERY_S)
        except _Failed as error:
            self._error = str(error)
        return Cleared(
            self._name,
            proved,
            self._clear_ns,
            self._cancels,
            self._late,
            self._open or 0,
            self._error,
        )

    async def _round(self) -> bool:
        # Cancel unless it is clear, then look; returns whether it was seen clear just now.
        try:
            confirmed = self._open == 0 or await self._cancel_all()
            listed = await self._clearing.list_orders(self._name)
            self._note(len(listed))
            if listed and not confirmed:
                await self._cancel_each(listed)
        except _Failed as error:
            await self._failed(error)
            return False
        return not listed

    async def _cancel_all(self) -> bool:
        try:
            await self._clearing.cancel_all(self._name)
        except _Failed as error:
            await self._failed(error)
            return False
        self._cancels += 1
        return True

    async def _cancel_each(self, order_ids: list[int]) -> None:
        # One that cannot be cancelled keeps no other from it.
        failure: _Failed | None = None
        for order_id in order_ids:
            try:
                await self._clearing.cancel_one(self._name, order_id)
                self._cancels += 1
            except _Failed as error:
                if error.hopeless:
                    raise
                failure = error
                if not self._clearing.in_time:
                    break
        if failure is not None:
            raise failure

    async def _failed(self, error: _Failed) -> None:
        if error.hopeless:
            raise error
        self._error = str(error)
        await trio.sleep(self._pause_s)
        self._pause_s = min(2 * self._pause_s, RETRY_S[1])

    def _note(self, open_orders: int) -> None:
        if self._open == 0:
            self._late += open_orders
        if open_orders == 0 and not self._clear_ns:
            self._clear_ns = self._clearing.elapsed_ns
        if open_orders != self._open:
            self._open = open_orders
            self._clearing.tell(self._name, open_orders)
        self._pause_s = RETRY_S[0]
