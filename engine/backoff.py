"""Back-off after failures that are not ours, and a circuit breaker for each endpoint group.

Theory of operation. A failure holds its group back by `BACKOFF`, twice as long each time until a
request sent later is answered. After `TRIP_FAILURES` within `TRIP_SPAN_NS` the circuit opens: from
the end of the back-off on, one request at a time goes out as a probe, and the first that is
answered closes it. `engine.rates` asks here before it lets a request go.
"""

from __future__ import annotations

import hashlib
from enum import StrEnum

import msgspec
from msgspec.structs import replace

from engine.events import OutcomeUnknown, Record
from engine.intents import (
    ArmKillSwitch,
    CancelAll,
    CancelOrder,
    CloseStream,
    DisarmKillSwitch,
    Intent,
    ModifyOrder,
    OpenStream,
    Ping,
    PlaceOrders,
    QueryFees,
    QueryFills,
    QueryFunding,
    QueryKillSwitch,
    QueryMarginBalances,
    QueryMarkets,
    QueryOpenOrders,
    QueryPositions,
    QuerySpotBalances,
    QueryTime,
    Resubscribe,
)
from engine.refusals import RefusalKind
from engine.state import InFlight, State
from engine.trouble import Circuit

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000


class Group(StrEnum):
    """Endpoints that fail together. Streams have a back-off of their own (`engine.state.Link`)."""

    PLACES = "places"
    MODIFIES = "modifies"
    CANCELS = "cancels"
    KILL_SWITCH = "kill-switch"
    QUERIES = "queries"
    PUBLIC = "public data"
    STREAMS = "streams"


URGENT = frozenset({Group.CANCELS, Group.KILL_SWITCH})
"""Served first, from the reserve too, and tried again within `URGENT_MAX_NS` whatever happened. So
is everything of a run that is stopping, which has to prove that nothing is left."""
URGENT_MAX_NS = 500 * NS_PER_MS


class Trouble(StrEnum):
    """Why a request failed through no fault of its own."""

    THROTTLED = "throttled (429)"
    UNAVAILABLE = "service unavailable (503)"
    SERVER_ERROR = "server error (5xx)"
    NO_ANSWER = "no answer"
    NONCE = "nonce refused"
    BUSY = "venue busy"


class Backoff(msgspec.Struct, frozen=True):
    """How long an endpoint group waits: doubling from the first to the longest."""

    first_ns: int
    longest_ns: int


BACKOFF: dict[Trouble, Backoff] = {
    Trouble.THROTTLED: Backoff(1 * NS_PER_S, 30 * NS_PER_S),
    Trouble.UNAVAILABLE: Backoff(500 * NS_PER_MS, 30 * NS_PER_S),
    Trouble.SERVER_ERROR: Backoff(250 * NS_PER_MS, 10 * NS_PER_S),
    Trouble.NO_ANSWER: Backoff(250 * NS_PER_MS, 10 * NS_PER_S),
    # Signed anew once the clock was measured, which is asked for at once.
    Trouble.NONCE: Backoff(250 * NS_PER_MS, 5 * NS_PER_S),
    Trouble.BUSY: Backoff(250 * NS_PER_MS, 5 * NS_PER_S),
}
"""Contract section 9; up to half as much jitter comes on top."""

TRIP_FAILURES = 5
TRIP_SPAN_NS = 30 * NS_PER_S
"""So many failures within so long open a group's circuit."""

_DOUBLINGS_MAX = 10


GROUPS: dict[type, Group] = {
    PlaceOrders: Group.PLACES,
    ModifyOrder: Group.MODIFIES,
    CancelOrder: Group.CANCELS,
    CancelAll: Group.CANCELS,
    ArmKillSwitch: Group.KILL_SWITCH,
    DisarmKillSwitch: Group.KILL_SWITCH,
    QueryOpenOrders: Group.QUERIES,
    QueryFills: Group.QUERIES,
    QuerySpotBalances: Group.QUERIES,
    QueryMarginBalances: Group.QUERIES,
    QueryPositions: Group.QUERIES,
    QueryFees: Group.QUERIES,
    QueryFunding: Group.QUERIES,
    QueryKillSwitch: Group.QUERIES,
    QueryTime: Group.PUBLIC,
    QueryMarkets: Group.PUBLIC,
    OpenStream: Group.STREAMS,
    CloseStream: Group.STREAMS,
    Ping: Group.STREAMS,
    Resubscribe: Group.STREAMS,
}
"""Group of every kind of intent."""


def group_of(intent: Intent) -> Group:
    """Return the endpoint group that an intent asks."""
    return GROUPS[type(intent)]


def trouble_of(event: OutcomeUnknown) -> Trouble:
    """Say why a request ended without evidence."""
    if event.http_status == 503:
        return Trouble.UNAVAILABLE
    return Trouble.SERVER_ERROR if event.http_status else Trouble.NO_ANSWER


def failed(state: State, record: Record, request: InFlight, trouble: Trouble) -> State:
    """A request failed through no fault of its own: its group backs off, and may open."""
    group, now_ns = group_of(request.intent), record.recv_ns
    before = state.circuits.get(group, Circuit())
    # Requests that went out together fail together, which is one failure in a row.
    fresh = not before.failed_ns or request.sent_ns >= before.failed_ns[-1]
    in_row = before.in_row + 1 if fresh or not before.in_row else before.in_row
    recent = tuple(at_ns for at_ns in before.failed_ns if at_ns > now_ns - TRIP_SPAN_NS)
    recent = (*recent, now_ns)[-TRIP_FAILURES:]
    urgent = group in URGENT or state.stopping_ns > 0
    wait_ns = _wait_ns(trouble, in_row, urgent, f"{state.run_id}/{record.seq}")
    circuit = Circuit(
        trouble=trouble,
        in_row=in_row,
        failed_ns=recent,
        retry_at_ns=max(before.retry_at_ns, now_ns + wait_ns),
        is_open=before.is_open or len(recent) == TRIP_FAILURES,
    )
    return replace(state, circuits={**state.circuits, group: circuit}, slack=0)


def refused(state: State, record: Record, request: InFlight, kind: RefusalKind) -> State:
    """The venue refused a whole request: because it is in trouble, or for a reason, so it works."""
    trouble = _REFUSED.get(kind)
    if trouble is None:
        return worked(state, request)
    return failed(state, record, request, trouble)


_REFUSED = {RefusalKind.NONCE: Trouble.NONCE, RefusalKind.TRY_LATER: Trouble.BUSY}


def _wait_ns(trouble: Trouble, in_row: int, urgent: bool, name: str) -> int:
    row = BACKOFF[trouble]
    wait_ns = min(row.first_ns << min(in_row - 1, _DOUBLINGS_MAX), row.longest_ns)
    if urgent:
        return min(wait_ns, URGENT_MAX_NS)
    # Drawn from the run's own name, so that it replays and differs between runs.
    drawn = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=2).digest())
    return wait_ns + wait_ns * drawn // (2 << 16)


def worked(state: State, request: InFlight) -> State:
    """The venue answered a request: what went wrong before it was sent is over."""
    group = group_of(request.intent)
    circuit = state.circuits.get(group)
    if circuit is None or request.sent_ns < circuit.failed_ns[-1]:
        return state
    if circuit.is_open:
        circuits = {name: kept for name, kept in state.circuits.items() if name != group}
        return replace(state, circuits=circuits)
    circuit = replace(circuit, in_row=0, retry_at_ns=0)
    return replace(state, circuits={**state.circuits, group: circuit})


def is_over(circuit: Circuit, now_ns: int) -> bool:
    """True when a circuit says nothing any more: all its failures are old and answered."""
    return not circuit.in_row and circuit.failed_ns[-1] <= now_ns - TRIP_SPAN_NS
