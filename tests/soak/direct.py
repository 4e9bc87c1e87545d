"""Engine and venue on one heap of timed messages: whole but for sockets, so much faster.

Requests are encoded, signed, checked, limited, answered; pushes are framed for their connection and
normalised again. Only HTTP, WebSocket framing and the tasks that move bytes are left out. Time
jumps from one message to the next. Equal seeds give equal records.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from pathlib import Path
from random import Random

import msgspec

from adapters.cli.config import Config, config_json, to_quoted, to_settings
from adapters.paper.config import VenueConfig, with_flow_accounts
from adapters.paper.core.model import ExchangeConfig
from adapters.paper.flow.source import flow_maker
from adapters.paper.http import Request as HttpRequest
from adapters.paper.http import Response
from adapters.paper.rest.routes import respond
from adapters.paper.venue import Venue
from adapters.paper.ws.outbox import payload
from adapters.paper.ws.session import Session
from adapters.paper.ws.socket import receive
from adapters.ports import NS_PER_S
from adapters.runtime.journal import JournalWriter
from adapters.runtime.live import TICK_S
from adapters.runtime.sequencer import Observer, Outgoing, Sequencer
from adapters.simulated import SimFs, SimIds
from adapters.whitebit.frames import PRIVATE, authorize_frame
from adapters.whitebit.requests import Request, encode, encode_token
from adapters.whitebit.responses import normalise_response
from adapters.whitebit.signing import NonceSource, Secret, Signer
from adapters.whitebit.wire import TokenAnswer
from benchmarks.feeding import HeaderFs
from engine.codec import schema_hash
from engine.events import (
    MarketsListed,
    RunStarted,
    StopRequested,
    StreamClosed,
    StreamOpened,
    TimerFired,
)
from engine.intents import CloseStream, OpenStream, Ping, QueryMarkets, Resubscribe
from engine.session import finished, overdue
from engine.state import State

START_NS = 1_767_225_600 * NS_PER_S
TICK_NS = int(TICK_S * NS_PER_S)
LATENCY_NS = (500_000, 8_000_000)
"""One way, drawn for each request and each connection; frames of one never overtake."""
CLIENT = "direct"
EXCHANGE = ExchangeConfig(deals_max=2_000, finished_max=2_000, position_changes_max=2_000)
"""The venue's histories are full within the first hour: what grows after it is a leak."""

Call = Callable[..., None]


class HandClock:
    """Time that its owner moves."""

    def __init__(self) -> None:
        self.ns = START_NS

    def now_ns(self) -> int:
        return self.ns


class Line:
    """One WebSocket: the venue's session, tapped, and how long its frames take."""

    def __init__(self, world: Direct, stream: str, latency_ns: int) -> None:
        self._world = world
        self.stream = stream
        self.latency_ns = latency_ns
        self.open = True
        self.session = Session(world.venue.config.ws_requests_per_minute)
        self.session.outbox.tap = self

    def push(self, framed: bytes) -> None:
        """Take a frame from the venue."""
        self._world.later(self.latency_ns, self._arrive, payload(framed))

    def due_s(self) -> float:
        """Never called: no writer waits for this outbox."""
        raise NotImplementedError

    def release(self, *, everything: bool = False) -> None:
        """Never called: no writer waits for this outbox."""
        raise NotImplementedError

    def say(self, frame: bytes) -> None:
        """Send a frame to the venue."""
        self._world.later(self.latency_ns, self._heard, frame)

    def _heard(self, frame: bytes) -> None:
        if self.open:
            assert receive(self._world.venue, self.session, frame)

    def _arrive(self, data: bytes) -> None:
        if self.open:
            self._world.sequencer.take_frame(self.stream, self._world.clock.ns, data)


class Direct:
    """An engine that quotes a venue."""

    def __init__(
        self,
        config: Config,
        *,
        flow: str,
        speed: str,
        seed: int,
        observer: Observer | None = None,
    ) -> None:
        """Start both.

        Args:
            config: What to quote; its venue section is not used.
            flow: As of `quotefold paper --flow`.
            speed: As of `quotefold paper --speed`.
            seed: Of the flow, of latencies and of all else that is drawn.
            observer: Told of every record after it is folded.
        """
        self.clock = HandClock()
        self._random = Random(seed)
        self._heap: list[tuple[int, int, Call, tuple[object, ...]]] = []
        self._posted = 0
        self._lines: dict[str, Line] = {}
        settings = with_flow_accounts(VenueConfig(exchange=EXCHANGE))
        self.venue = Venue(settings, clock=self.clock, ids=SimIds(seed))
        make_flow = flow_maker(settings, flow, seed=seed, speed=speed, fs=SimFs())
        self.venue.flow = make_flow(self.venue.exchange, self.venue.start_us)
        key = self.venue.accounts[0]
        self.account = key.account
        self._signer = Signer(Secret(key.key), Secret(key.secret))
        self._nonces = NonceSource(self.clock.now_ns)
        self._journal, _ = JournalWriter.open(
            HeaderFs(), Path("/journal"), schema_hash(), bytes(32)
        )
        self.sequencer = Sequencer(State(), self._journal, None, self.clock, self._nonces, observer)
        self._let_venue_act()
        self.sequencer.start(self._run_started(config, seed))
        self._decide()
        self.later(TICK_NS, self._tick)

    def run(self, seconds: float) -> None:
        """Let so much virtual time pass."""
        until_ns = self.clock.ns + int(seconds * NS_PER_S)
        while self._heap[0][0] <= until_ns:
            self._turn()
        self.clock.ns = until_ns

    def cut(self) -> None:
        """Break every connection."""
        for line in list(self._lines.values()):
            self._hang_up(line, "connection lost: cut")

    def stop(self) -> bool:
        """Stop the engine in good order; True if it proved that nothing is left."""
        self.sequencer.take(StopRequested("the time is over"))
        self._decide()
        while not (finished(self.sequencer.state) or overdue(self.sequencer.state)):
            self._turn()
        self.sequencer.fingerprint()
        return finished(self.sequencer.state)

    def later(self, delay_ns: int, call: Call, *arguments: object) -> None:
        """Call something after so long."""
        self._posted += 1
        heapq.heappush(self._heap, (self.clock.ns + delay_ns, self._posted, call, arguments))

    def _turn(self) -> None:
        # All that happens at one time, then one decision about it.
        heap = self._heap
        self.clock.ns = now_ns = heap[0][0]
        before = self.sequencer.state.seq
        while heap and heap[0][0] == now_ns:
            _, _, call, arguments = heapq.heappop(heap)
            call(*arguments)
        if self.sequencer.state.seq != before:
            self._decide()

    def _latency_ns(self) -> int:
        return self._random.randint(*LATENCY_NS)

    # --- the venue ----------------------------------------------------------------------------

    def _let_venue_act(self) -> None:
        self.later(int(self.venue.step() * NS_PER_S), self._let_venue_act)

    def _ask(self, request: Request) -> Response:
        headers: dict[str, str] = {}
        if request.method == "POST":
            signed = self._signer.headers(request.path, request.body)
            headers = {name.decode().lower(): value.decode() for name, value in signed}
        # A path of its own, as one that was read from a socket.
        path = "".join(request.path)
        return respond(
            self.venue, CLIENT, HttpRequest(request.method, path, "", headers, request.body)
        )

    # --- the engine ---------------------------------------------------------------------------

    def _run_started(self, config: Config, seed: int) -> RunStarted:
        answer = self._ask(encode(QueryMarkets(), None, 0))
        names = frozenset(config.market)
        event = normalise_response(QueryMarkets(), None, answer.status, answer.body, {}, names)
        assert isinstance(event, MarketsListed), event
        listed = {market.name: market for market in event.markets}
        return RunStarted(
            run_id=SimIds(seed + 1).token(3),
            mode="paper",
            versions=(),
            config=config_json(config),
            settings=to_settings(config),
            quoted=tuple(to_quoted(config, listed[name]) for name in config.market),
        )

    def _tick(self) -> None:
        self.sequencer.take(TimerFired())
        self.sequencer.sync()
        self.later(TICK_NS, self._tick)

    def _decide(self) -> None:
        for out in self.sequencer.decide():
            self._dispatch(out)

    def _dispatch(self, out: Outgoing) -> None:
        intent = out.intent
        if isinstance(intent, OpenStream):
            self._open(intent.stream, out.request.body.split(b"\n"))
        elif isinstance(intent, CloseStream):
            if line := self._lines.get(intent.stream):
                self._hang_up(line, "closed by us")
        elif isinstance(intent, Ping | Resubscribe):
            if line := self._lines.get(intent.stream):
                for frame in out.request.body.split(b"\n"):
                    line.say(frame)
        else:
            self.later(self._latency_ns(), self._reach_venue, out)

    def _reach_venue(self, out: Outgoing) -> None:
        answer = self._ask(out.request)
        self.later(self._latency_ns(), self._take_answer, out.seq, answer)

    def _take_answer(self, request_seq: int, answer: Response) -> None:
        self.sequencer.take_answer(request_seq, self.clock.ns, answer.status, answer.body)

    def _open(self, stream: str, frames: list[bytes]) -> None:
        line = self._lines[stream] = Line(self, stream, self._latency_ns())
        if stream == PRIVATE:
            answer = self._ask(encode_token(self._nonces.draw()))
            token = msgspec.json.decode(answer.body, type=TokenAnswer).websocket_token
            frames = [authorize_frame(token), *frames]
        self.later(line.latency_ns, self._opened, line, frames)

    def _opened(self, line: Line, frames: list[bytes]) -> None:
        if not line.open:
            return
        self.venue.feeds.sessions.append(line.session)
        self.sequencer.take(StreamOpened(line.stream))
        for frame in frames:
            line.say(frame)

    def _hang_up(self, line: Line, reason: str) -> None:
        line.open = False
        del self._lines[line.stream]
        if line.session in self.venue.feeds.sessions:
            self.venue.feeds.sessions.remove(line.session)
        self.later(line.latency_ns, self._closed, line.stream, reason)

    def _closed(self, stream: str, reason: str) -> None:
        self.sequencer.take(StreamClosed(stream, reason, self._random.randint(0, 999)))
