"""What a plan of faults does to responses, pushes, sockets, tokens and the clock of a venue."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import msgspec
import trio

from adapters.paper.faults.plan import (
    ANSWER_CHANNEL,
    WS_PATH,
    Faults,
    Kind,
    Place,
    Plan,
    Rule,
    markets_of,
)
from adapters.paper.http import IDLE_TIMEOUT_S, OVER_LIMIT, Request, Response, SocketFault
from adapters.paper.rest.routes import respond
from adapters.paper.venue import Venue
from adapters.paper.wire import decode, encode
from adapters.paper.ws.methods import error_reply
from adapters.paper.ws.outbox import frame, payload
from adapters.paper.ws.private import METHODS as PRIVATE_METHODS
from adapters.paper.ws.session import Session
from adapters.ports import NS_PER_S

# A frame that waits for another to overtake it waits no longer than this.
REORDER_S = 1.0
# Frames held back on one connection; one more and it is dropped, as any reader too far behind.
HELD_MAX = 1000
_PRIVATE_CHANNELS = frozenset(
    name.removesuffix("_subscribe") for name in PRIVATE_METHODS if name.endswith("_subscribe")
)
_INTERNAL = Response(500, b'{"error":["Internal server error."]}')
_TITLES = {502: "Bad Gateway", 503: "Service Temporarily Unavailable", 504: "Gateway Time-out"}


class VenueFaults(Faults):
    """The faults in force at one venue, in its steady time."""

    def __init__(self, venue: Venue) -> None:
        super().__init__()
        self._venue = venue

    def befalls(self, place: Place) -> Rule | None:
        """Return what befalls a request or frame; what concerns no wire is already done."""
        rule = self.decide(place, self._venue.steady_us())
        if rule is not None and rule.kind in (Kind.JUMP_CLOCK, Kind.EXPIRE_TOKENS):
            self._shake(rule)
            return None
        return rule

    def tick(self) -> None:
        """Do what waits for its time alone."""
        for rule in self.due(self._venue.steady_us()):
            self._shake(rule)

    def unopened(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Rewrite a signed request as `masked` does, now."""
        return self.masked(path, body, self._venue.steady_us())

    def tap(self, session: Session) -> None:
        """Stand in the way of a connection's frames."""
        session.outbox.tap = Tap(self, session)

    def _shake(self, rule: Rule) -> None:
        if rule.kind is Kind.EXPIRE_TOKENS:
            self._venue.tokens.expire_all()
        else:
            self._venue.step_clock(round((rule.seconds or 0) * NS_PER_S))


def arm(venue: Venue, plan: Plan) -> None:
    """Put a plan in force now, beside those that are; raises ValueError for too many rules."""
    faults = venue.faults or VenueFaults(venue)
    faults.add(plan, venue.steady_us())
    if venue.faults is None:
        venue.faults = faults
        for session in venue.feeds.sessions:
            faults.tap(session)


def disarm(venue: Venue) -> None:
    """Forget all plans and the log; what was held back is sent, a clock that jumped stays."""
    venue.faults = None
    for session in venue.feeds.sessions:
        tap, session.outbox.tap = session.outbox.tap, None
        if tap is not None:
            tap.release(everything=True)


async def answer_faulty(
    venue: Venue, faults: VenueFaults, address: str, request: Request, stream: trio.abc.Stream
) -> Response:
    """Answer one request as the plan wants; raises BrokenResourceError to end the connection."""
    rule = faults.befalls(_request_place(venue, request))
    if rule is None:
        return respond(venue, address, request)
    accepted = rule.accepted is not False
    response = respond(venue, address, request) if accepted else None
    match rule.kind:
        case Kind.DELAY:
            await trio.sleep(rule.seconds or 0)
        case Kind.ANSWER:
            return _gateway(rule.status or 0)
        case Kind.DUPLICATE if response is not None:
            return msgspec.structs.replace(response, copies=2)
        case Kind.DROP:
            await _wait_left(stream)
            raise trio.BrokenResourceError("dropped by a fault")
        case _:
            raise trio.BrokenResourceError("closed by a fault")
    return respond(venue, address, request) if response is None else response


async def may_open(faults: VenueFaults, stream: trio.abc.Stream) -> bool:
    """Whether a WebSocket that was asked for is opened; what else is answered has been sent."""
    rule = faults.befalls(Place(text=f"GET {WS_PATH}", path=WS_PATH))
    if rule is None:
        return True
    if rule.kind is Kind.DELAY:
        await trio.sleep(rule.seconds or 0)
        return True
    # The client may be gone, or leave while it waits.
    with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
        if rule.kind is Kind.DROP:
            await _wait_left(stream)
        elif rule.kind is Kind.ANSWER:
            await stream.send_all(_raw(_gateway(rule.status or 0)))
    return False


def _raw(answer: Response) -> bytes:
    head = f"HTTP/1.1 {answer.status} \r\ncontent-length: {len(answer.body)}\r\n"
    head += f"content-type: {answer.content_type}\r\nconnection: close\r\n\r\n"
    return head.encode() + answer.body


async def _wait_left(stream: trio.abc.Stream) -> None:
    # Nothing is ever answered here again; what the client still says is read and forgotten.
    with trio.move_on_after(IDLE_TIMEOUT_S):
        while await stream.receive_some():
            pass


def _gateway(status: int) -> Response:
    if status == OVER_LIMIT.status:
        return OVER_LIMIT
    if status == _INTERNAL.status:
        return _INTERNAL
    title = f"{status} {_TITLES[status]}"
    return Response(status, f"<html><body><h1>{title}</h1></body></html>\n".encode(), "text/html")


def _request_place(venue: Venue, request: Request) -> Place:
    markets = frozenset({request.path.rpartition("/")[2]} & venue.exchange.markets.keys())
    if request.body:
        try:
            body = decode(request.body)
        except (msgspec.DecodeError, ValueError, RecursionError):
            body = None
        if isinstance(body, dict):
            markets |= markets_of(body) & venue.exchange.markets.keys()
    text = " ".join((request.method, request.path, *sorted(markets)))
    return Place(text=text, path=request.path, markets=markets)


class _Held:
    """A frame kept back until a time, or until a frame that the same rule is about has gone."""

    def __init__(self, framed: bytes, due_s: float, rule: Rule | None) -> None:
        self.framed, self.due_s, self.rule = framed, due_s, rule


class Tap:
    """Takes the frames of one connection on their way to its outbox."""

    def __init__(self, faults: VenueFaults, session: Session) -> None:
        self._faults = faults
        self._session = session
        self._markets = faults._venue.exchange.markets
        self._held: list[_Held] = []

    def push(self, framed: bytes) -> None:
        """Queue a frame, unless the plan wants something else."""
        outbox = self._session.outbox
        place = self._place(framed)
        rule = self._faults.befalls(place)
        kind = None if rule is None else rule.kind
        if rule is None:
            outbox.queue(framed)
        elif kind is Kind.DELAY:
            self._hold(framed, rule.seconds or 0, None)
        elif kind is Kind.REORDER:
            self._hold(framed, rule.seconds or REORDER_S, rule)
            return
        elif kind is Kind.DUPLICATE:
            outbox.queue(framed)
            outbox.queue(framed)
        elif kind is Kind.ANSWER:
            request_id = decode(payload(framed))["id"]
            outbox.queue(frame(encode(error_reply(request_id, rule.status or 0))))
        elif kind is Kind.CLOSE:
            outbox.close()
        elif kind in (Kind.STALL, Kind.HALF_OPEN):
            outbox.queue(framed)
            self._stop(rule)
        self._release(lambda held: held.rule is not None and held.rule.hits(place))

    def due_s(self) -> float:
        """When a held frame is due on trio's clock; infinity for none."""
        return min((held.due_s for held in self._held), default=float("inf"))

    def release(self, *, everything: bool = False) -> None:
        """Queue what is due."""
        now_s = trio.current_time()
        self._release(lambda held: everything or held.due_s <= now_s)

    def _release(self, chosen: Callable[[_Held], bool]) -> None:
        going = [held for held in self._held if chosen(held)]
        if going:
            self._held = [held for held in self._held if held not in going]
            for held in going:
                self._session.outbox.queue(held.framed)

    def _hold(self, framed: bytes, seconds: float, rule: Rule | None) -> None:
        if len(self._held) >= HELD_MAX:
            self._session.outbox.close()
            return
        self._held.append(_Held(framed, trio.current_time() + seconds, rule))
        # The writer sleeps until what was due first before.
        self._session.outbox.wake()

    def _stop(self, rule: Rule) -> None:
        socket = self._session.socket
        if socket is not None:
            lost = rule.kind is Kind.HALF_OPEN
            until_s = float("inf") if lost else trio.current_time() + (rule.seconds or 0)
            socket.fault = SocketFault(until_s, lost=lost)

    def _place(self, framed: bytes) -> Place:
        message = decode(payload(framed))
        name, _, _ = message.get("method", ANSWER_CHANNEL).rpartition("_")
        channel = name or ANSWER_CHANNEL
        params = message.get("params")
        markets = frozenset(_texts(params)) & self._markets.keys()
        who = f"to {self._session.account or 'anyone'}"
        return Place(
            text=" ".join(("push", channel, *sorted(markets), who)),
            channel=channel,
            markets=markets,
            private=channel in _PRIVATE_CHANNELS,
            delta=channel == "depth" and params[0] is False,
        )


def _texts(value: Any) -> Iterator[str]:
    """Every text in nested lists and objects."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _texts(part)
