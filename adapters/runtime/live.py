"""The live loop: real tasks around the sequencer.

Reader tasks stamp and hand over; the loop takes everything that waits, decides once, and sends.
REST calls live in a nursery of their own and end when they end.
"""

from __future__ import annotations

from collections import deque

import msgspec
import trio

from adapters.ports import Clock, Ids, Net
from adapters.runtime.chores import Chores
from adapters.runtime.latch import Latch
from adapters.runtime.quiet_gc import QuietGc
from adapters.runtime.sequencer import Outgoing, Sequencer
from adapters.whitebit.requests import encode
from adapters.whitebit.rest import RestAnswer, RestClient, RestFailure, RestWithheld
from adapters.whitebit.signing import NonceSource, Secret
from adapters.whitebit.streams import StreamClient
from engine import operator
from engine.errors import JournalError
from engine.events import (
    AnyEvent,
    LoopStalled,
    OperatorCommanded,
    PlacingAllowed,
    PlacingForbidden,
    RequestWithheld,
    RunEnded,
    StopRequested,
    StreamClosed,
    StreamOpened,
    TimerFired,
)
from engine.intents import CancelAll, CloseStream, OpenStream, Ping, Resubscribe
from engine.session import ending
from engine.state import PRIVATE, State
from engine.types import Refusal

TICK_S = 0.1
"""The timer's period: freshness, deadlines and the kill-switch are checked this often."""
OVERTAKEN_S = 1.0
"""A cancel-all may overtake a place on its way: it is repeated after so long."""
ABANDON_S = 10.0
"""How long a venue that does not answer to that is waited for; the kill-switch does the rest."""
STALL_NS = 600_000_000
"""The loop runs at least every tick; 500 ms beyond that is a stall (DESIGN "Safety")."""

# What waits for the loop: (recv_ns, stream, frame), (recv_ns, request seq, answer) or
# (recv_ns, "", event). Unbounded in itself, but filled only by tasks that a venue's own limits
# bound, and emptied whole at every turn.
Answer = RestAnswer | RestFailure | RestWithheld


class Obeyed(msgspec.Struct, frozen=True):
    """What became of an operator's command."""

    seq: int = 0
    """Its record in the journal, where it is durable; 0 when it was refused."""
    refused: str = ""
    changed: tuple[str, ...] = ()
    """What it changed, a line each."""


class _Asked:
    # A command that waits for the loop, and its answer.
    def __init__(self, event: OperatorCommanded) -> None:
        self.event = event
        self.obeyed = Obeyed()
        self.done = trio.Event()


Waiting = tuple[int, str, bytes] | tuple[int, int, Answer] | tuple[int, str, AnyEvent | _Asked]


class LiveLoop:
    """One run against a venue."""

    def __init__(
        self,
        sequencer: Sequencer,
        rest: RestClient,
        net: Net,
        ws_url: str,
        clock: Clock,
        ids: Ids,
        nonces: NonceSource,
        chores: Chores,
        quiet_gc: QuietGc | None = None,
        latch: Latch | None = None,
    ) -> None:
        """Connect the parts of a run.

        Args:
            sequencer: Of a run that was started.
            rest: Asked for everything that is no stream's; looks at `latch` by itself.
            net: Where streams are opened.
            ws_url: Of the venue.
            clock: Stamps what comes in.
            ids: Draws the jitter of reconnects.
            nonces: Those of `sequencer`.
            chores: Done beside the loop.
            quiet_gc: Collects garbage; without it, that is done as Python likes.
            latch: Forbids placing while it is set; None for a run that no panic can reach.
        """
        self._sequencer = sequencer
        self._rest = rest
        self._net = net
        self._ws_url = ws_url
        self._clock = clock
        self._ids = ids
        self._nonces = nonces
        self._waiting: deque[Waiting] = deque()
        self._wake = trio.Event()
        self._streams: dict[str, StreamClient] = {}
        self._turned_ns = clock.now_ns()
        self._timer_waits = False
        self._timer_fired = False  # in this turn
        self._chores = chores
        self._quiet_gc = quiet_gc
        self._latch = latch

    def stop(self, reason: str) -> None:
        """Ask for an orderly end: cancel everything, prove it, disarm, return from `run`."""
        self.tell(StopRequested(reason))

    def tell(self, event: AnyEvent) -> None:
        """Hand over an event of this process's own."""
        self._hand_over((self._clock.now_ns(), "", event))

    @property
    def state(self) -> State:
        """The state after the last record."""
        return self._sequencer.state

    async def obey(self, event: OperatorCommanded) -> Obeyed:
        """Let the loop take an operator's command, unless it does not fit the state."""
        asked = _Asked(event)
        self._hand_over((self._clock.now_ns(), "", asked))
        await asked.done.wait()
        return asked.obeyed

    async def run(self) -> tuple[RunEnded, bytes]:
        """Run until a stop is asked for and done; returns how it ended and the last fingerprint.

        Whatever ends it otherwise, every market is asked first to cancel all its orders, and the
        kill-switch stays armed.

        Raises:
            JournalError: the journal cannot be written.
        """
        try:
            ended = await self._run()
            self._sequencer.take(ended)
            last, digest = self._sequencer.state, self._sequencer.fingerprint()
            self._sequencer.sync()
            await self._chores.at_end(last)
        except* JournalError as group:
            await self._abandon()
            error = _first(group)
            raise JournalError(f"{error}; {self._left()}") from error
        except* Exception:
            # A bug: of a strategy, mostly. What rests would rest until the kill-switch fires.
            await self._abandon()
            raise
        return ended, digest

    async def _abandon(self) -> None:
        # Without a journal no decision may be made; this one is the design's, not the engine's.
        state = self._sequencer.state
        if state.mode == "observe":
            return
        with trio.move_on_after(ABANDON_S):
            for pause_s in (0, OVERTAKEN_S):
                await trio.sleep(pause_s)
                async with trio.open_nursery() as nursery:
                    for name in state.markets:
                        request = encode(CancelAll(name), None, self._nonces.draw())
                        nursery.start_soon(self._rest.send, request)

    def _left(self) -> str:
        if self._sequencer.state.mode == "observe":
            return "nothing was being quoted"
        return (
            "every market was asked to cancel all its orders, and the kill-switch stays armed;"
            " see to the journal's disk, then start again"
        )

    async def _run(self) -> RunEnded:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._tick)
            nursery.start_soon(self._chores.beside, self.tell)
            self._wake.set()  # the first decision, which opens the streams, waits for no timer
            ended = None
            while ended is None:
                await self._wake.wait()
                self._wake = trio.Event()
                outgoing = self._turn()
                for request in outgoing:
                    self._dispatch(nursery, request)
                if self._timer_fired:
                    self._timer_fired = False
                    if self._quiet_gc is not None:
                        self._quiet_gc.after_timer(busy=bool(outgoing))
                    vouched = self._sequencer.vouched
                    if vouched is not None and self._chores.is_due(vouched):
                        nursery.start_soon(self._chores.now_and_then, vouched)
                ended = ending(self._sequencer.state)
            nursery.cancel_scope.cancel()
        return ended

    def _turn(self) -> list[Outgoing]:
        # Everything that waits is folded before one decision.
        sequencer, waiting = self._sequencer, self._waiting
        now_ns = self._clock.now_ns()
        gap_ns = now_ns - self._turned_ns
        if gap_ns > STALL_NS:
            sequencer.take(LoopStalled(gap_ns), min(now_ns, _first_ns(waiting, now_ns)))
            self._look_at_latch()
        while waiting:
            recv_ns, source, what = waiting.popleft()
            if isinstance(source, int):
                self._take_answer(recv_ns, source, what)
            elif isinstance(what, bytes):
                sequencer.take_frame(source, recv_ns, what)
            elif isinstance(what, _Asked):
                self._obey(recv_ns, what)
            elif not isinstance(what, Answer):
                self._take_event(recv_ns, what)
        # From its beginning: a turn that hung, on the disk say, is a stall before the next one.
        self._turned_ns = now_ns
        return sequencer.decide()

    def _take_answer(self, recv_ns: int, request_seq: int, what: object) -> None:
        if isinstance(what, RestAnswer):
            self._sequencer.take_answer(request_seq, recv_ns, what.status, what.body)
        elif isinstance(what, RestFailure):
            self._sequencer.take_failure(request_seq, recv_ns, what.reason)
        elif isinstance(what, RestWithheld):
            self._sequencer.take(RequestWithheld(what.reason), recv_ns, request_seq)
            self._look_at_latch()

    def _take_event(self, recv_ns: int, event: AnyEvent) -> None:
        self._sequencer.take(event, recv_ns)
        if isinstance(event, TimerFired):
            self._timer_waits = False
            self._timer_fired = True
            self._look_at_latch()
            # Market data becomes durable at least this often; intents are at once.
            self._sequencer.sync()

    def _obey(self, recv_ns: int, asked: _Asked) -> None:
        sequencer, event = self._sequencer, asked.event
        before = sequencer.state
        refused = operator.refusal(before, event)
        if refused:
            asked.obeyed = Obeyed(refused=refused)
        else:
            sequencer.take(event, recv_ns)
            after = sequencer.state
            # Whoever is told that it was done must not find it undone after a crash.
            sequencer.sync()
            asked.obeyed = Obeyed(after.seq, "", operator.differences(before, after))
        asked.done.set()

    def _look_at_latch(self) -> None:
        # A panic may happen, or be lifted, at any time and in any other process.
        latch = self._latch
        if latch is None or latch.is_set() == bool(self._sequencer.state.latched):
            return
        if latch.is_set():
            self._sequencer.take(PlacingForbidden(latch.reason()))
        else:
            self._sequencer.take(PlacingAllowed())

    def _hand_over(self, what: Waiting) -> None:
        self._waiting.append(what)
        self._wake.set()

    async def _tick(self) -> None:
        while True:
            await trio.sleep(TICK_S)
            if not self._timer_waits:
                self._timer_waits = True
                self._hand_over((self._clock.now_ns(), "", TimerFired()))

    # --- outgoing -----------------------------------------------------------------------------

    def _dispatch(self, nursery: trio.Nursery, outgoing: Outgoing) -> None:
        intent = outgoing.intent
        if isinstance(intent, OpenStream):
            nursery.start_soon(self._stream, intent.stream, outgoing.request.body)
        elif isinstance(intent, CloseStream):
            client = self._streams.get(intent.stream)
            if client is not None:
                client.close()
        elif isinstance(intent, Ping | Resubscribe):
            nursery.start_soon(self._send, intent.stream, outgoing.request.body)
        else:
            nursery.start_soon(self._call, outgoing)

    async def _call(self, outgoing: Outgoing) -> None:
        answer = await self._rest.send(outgoing.request)
        self._hand_over((self._clock.now_ns(), outgoing.seq, answer))

    async def _send(self, stream: str, frames: bytes) -> None:
        client = self._streams.get(stream)
        if client is not None:
            for frame in frames.split(b"\n"):
                await client.send(frame)

    async def _stream(self, stream: str, frames: bytes) -> None:
        token: Secret | None = None
        if stream == PRIVATE:
            fetched = await self._rest.token(self._nonces.draw())
            if isinstance(fetched, RestFailure):
                self._closed(stream, fetched.reason, fetched.refusal)
                return
            token = fetched
        if self._sequencer.state.links[stream].closing:
            self._closed(stream, "closed by us before it was open")
            return

        def on_open() -> None:
            self._hand_over((self._clock.now_ns(), "", StreamOpened(stream)))

        def on_frame(data: bytes) -> None:
            self._hand_over((self._clock.now_ns(), stream, data))

        subscriptions = tuple(frames.split(b"\n"))
        client = StreamClient(
            self._net, self._ws_url, stream, subscriptions, token, on_open, on_frame
        )
        self._streams[stream] = client
        reason = await client.run()
        del self._streams[stream]
        self._closed(stream, reason)

    def _closed(self, stream: str, reason: str, refusal: Refusal | None = None) -> None:
        jitter_permille = int(self._ids.uniform() * 1000)
        event = StreamClosed(stream, reason, jitter_permille, refusal)
        self._hand_over((self._clock.now_ns(), "", event))


def _first(group: BaseExceptionGroup[JournalError]) -> JournalError:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, JournalError)
    return error


def _first_ns(waiting: deque[Waiting], now_ns: int) -> int:
    # The stall goes before what waited through it; time may not step back between records.
    return waiting[0][0] if waiting else now_ns
