"""Limits towards the venue: token buckets folded from events, and what may go out now.

Theory of operation. Each endpoint has a bucket of tokens, sized so that no span of contract
section 13 ever sees more than the configured share of its limit: half of the share at once, the
other half as the span goes by. A request takes its tokens at `RequestSent`; the timer lets them
grow back. What signs shares one more bucket, since a nonce is a millisecond (section 2), and its
last quarter is kept for cancels and the kill-switch. An endpoint group in trouble is held back by
`engine.backoff`.

What may not be sent now is not queued: the decision says so, and the next one is made afresh.
"""

from __future__ import annotations

from functools import lru_cache

import msgspec
from msgspec.structs import replace

from engine.backoff import (
    GROUPS,
    NS_PER_MS,
    NS_PER_S,
    URGENT,
    URGENT_MAX_NS,
    Group,
    group_of,
    is_over,
)
from engine.events import RiskRefusal
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
from engine.state import PRIVATE, State
from engine.trouble import Circuit
from engine.types import Product

# --- token buckets ------------------------------------------------------------------------------


class Limit(msgspec.Struct, frozen=True):
    """What the venue allows: so many requests in any so many seconds."""

    count: int
    span_s: int


SIGNED = "signed"
"""Everything signed with the key: the nonce is a millisecond and may be 5 s ahead (section 2)."""
CONNECTIONS = "/ws"
TOKEN = "/api/v4/profile/websocket_token"
NEW, BULK = "/api/v4/order/new", "/api/v4/order/bulk"
COLLATERAL_NEW = "/api/v4/order/collateral/limit"
COLLATERAL_BULK = "/api/v4/order/collateral/bulk"
MODIFY, CANCEL = "/api/v4/order/modify", "/api/v4/order/cancel"

_ORDERS, _READS, _PUBLIC = Limit(10_000, 10), Limit(12_000, 10), Limit(2_000, 10)

LIMITS: dict[str, Limit] = {
    SIGNED: Limit(5_000, 5),
    NEW: _ORDERS,
    BULK: _ORDERS,
    COLLATERAL_NEW: _ORDERS,
    COLLATERAL_BULK: _ORDERS,
    MODIFY: _ORDERS,
    CANCEL: _ORDERS,
    "/api/v4/order/cancel/all": _ORDERS,
    "/api/v4/order/kill-switch": _ORDERS,
    "/api/v4/order/kill-switch/status": _ORDERS,
    "/api/v4/orders": _READS,
    "/api/v4/trade-account/executed-history": _READS,
    "/api/v4/trade-account/balance": _READS,
    "/api/v4/collateral-account/balance-summary": _READS,
    "/api/v4/collateral-account/funding-history": _READS,
    # Its page prints both 12000 and 100 (G-25).
    "/api/v4/collateral-account/positions/open": Limit(100, 10),
    "/api/v4/market/fee": _ORDERS,
    "/api/v4/public/time": _PUBLIC,
    "/api/v4/public/markets": _PUBLIC,
    TOKEN: Limit(10, 60),
    CONNECTIONS: Limit(1_000, 60),
}
"""Requests by endpoint: contract section 13, and 11.1 for connections."""

FRAMES = Limit(200, 60)
"""Requests on one WebSocket connection (11.1)."""

_FRAMES_KEY = "ws "
"""Begins the key of a stream's bucket; its name follows."""

RESUBSCRIBE_FRAMES = 2
"""Unsubscribe and subscribe."""

_HOT = (NEW, BULK, COLLATERAL_NEW, COLLATERAL_BULK, MODIFY, CANCEL)
"""Endpoints of a plan between two timers."""

_RESERVE_DIVISOR = 4

TOLD_NS = 1 * NS_PER_S
"""What is in the way is named at most this often."""


class Bucket(msgspec.Struct, frozen=True):
    """A token bucket that never lets more than the share of a limit pass in the limit's span."""

    depth: int
    """Tokens when full."""
    each_ns: int
    """One token grows back in so long."""
    reserve: int
    """Tokens that only cancels, the kill-switch and pings may take."""


@lru_cache(maxsize=256)
def bucket_of(key: str, percent: int) -> Bucket:
    """Return the bucket of an endpoint, or of a stream's frames.

    Args:
        key: As in `LIMITS`, or of a stream.
        percent: Share of the venue's limit that may be used, 1..100.
    """
    limit = LIMITS.get(key, FRAMES)
    share = max(2, limit.count * percent // 100)
    depth = share // 2
    each_ns = -(-limit.span_s * NS_PER_S // (share - depth))
    shared = key == SIGNED or key not in LIMITS
    return Bucket(depth, each_ns, depth // _RESERVE_DIVISOR if shared else 0)


def frames_key(stream: str) -> str:
    """Name the bucket of a stream's frames."""
    return _FRAMES_KEY + stream


def room(state: State, key: str) -> int:
    """Return how many tokens a bucket has left, reserve included."""
    bucket = bucket_of(key, state.settings.rate_percent)
    used = _signed(state.used) if key == SIGNED else state.used.get(key, 0)
    return _left(bucket, state.spent.get(key, 0), state.now_ns) - used


def _left(bucket: Bucket, full_ns: int, now_ns: int) -> int:
    # Tokens in a bucket that is full at `full_ns`.
    missing_ns = max(0, full_ns - now_ns)
    return bucket.depth - -(-missing_ns // bucket.each_ns)


def _signed(used: dict[str, int]) -> int:
    total = 0
    for key, count in used.items():
        if _signs(key):
            total += count
    return total


def _signs(key: str) -> bool:
    return key.startswith("/api/") and not key.startswith("/api/v4/public/")


def carried(spent: dict[str, int], percent: int, now_ns: int) -> dict[str, int]:
    """Return what an earlier run left of the buckets: by a clock that was set back since, they
    would be filled for as long again, and none is emptier than empty.

    Args:
        spent: As of the state that it left.
        percent: As of `bucket_of`.
        now_ns: When the new run starts.
    """
    left: dict[str, int] = {}
    for key, full_ns in spent.items():
        bucket = bucket_of(key, percent)
        left[key] = min(full_ns, now_ns + bucket.depth * bucket.each_ns)
    return left


def opened(state: State, intent: OpenStream, frames: int) -> State:
    """A stream is being opened: a connection, a token where it is private, and new frames."""
    key = frames_key(intent.stream)
    spent = {name: full_ns for name, full_ns in state.spent.items() if name != key}
    used = {name: count for name, count in state.used.items() if name != key}
    used[CONNECTIONS] = used.get(CONNECTIONS, 0) + 1
    if intent.stream == PRIVATE:
        # The token, and the frame that authorises with it.
        used[TOKEN] = used.get(TOKEN, 0) + 1
        frames += 1
    used[key] = frames
    return replace(state, spent=spent, used=used)


def framed(state: State, stream: str, frames: int) -> State:
    """Frames go out on an open stream."""
    key = frames_key(stream)
    return replace(state, used={**state.used, key: state.used.get(key, 0) + frames})


def settled(state: State) -> State:
    """Let tokens grow back, and forget old trouble: once a timer.

    What was taken since the last timer counts as taken now, which is never too early.
    """
    percent, now_ns = state.settings.rate_percent, state.now_ns
    left = state.sent_max - state.sent
    if not (state.used or state.spent or state.told or state.circuits):
        # As at most timers of a market that is calm.
        return replace(state, slack=min(left, _full_slack(percent)))
    spent = {key: full_ns for key, full_ns in state.spent.items() if full_ns > now_ns}
    signed = _signed(state.used)
    used = {**state.used, SIGNED: signed} if signed else state.used
    for key, count in used.items():
        full_ns = max(spent.get(key, 0), now_ns)
        spent[key] = full_ns + count * bucket_of(key, percent).each_ns
    told = {key: until_ns for key, until_ns in state.told.items() if until_ns > now_ns}
    circuits = {group: kept for group, kept in state.circuits.items() if not is_over(kept, now_ns)}
    slack = 0
    if not circuits:
        shared = bucket_of(SIGNED, percent)
        free = _left(shared, spent.get(SIGNED, 0), now_ns) - shared.reserve
        rooms = [_left(bucket_of(k, percent), spent[k], now_ns) for k in _HOT if k in spent]
        slack = min(free, left, _full_slack(percent), *rooms)
    return replace(state, spent=spent, used={}, told=told, circuits=circuits, slack=slack)


@lru_cache(maxsize=8)
def _full_slack(percent: int) -> int:
    # The slack while every bucket is full.
    signed = bucket_of(SIGNED, percent)
    return min(signed.depth - signed.reserve, *[bucket_of(key, percent).depth for key in _HOT])


# --- what may go now ----------------------------------------------------------------------------


def is_urgent(intent: Intent) -> bool:
    """True for what makes us safer: it goes first, and the reserve is for it."""
    return group_of(intent) in URGENT or type(intent) is Ping


def urgent_first(intents: list[Intent]) -> list[Intent]:
    """Return the intents in the order in which they shall leave."""
    return sorted(intents, key=lambda intent: not is_urgent(intent))


def admit(state: State, intents: list[Intent]) -> tuple[list[Intent], list[RiskRefusal]]:
    """Return what may go now, in the order given, and one refusal for each limit in the way.

    What is in the way is told once a while, and again when it lasts: `State.told` remembers.
    """
    passed: list[Intent] = []
    refusals: dict[str, RiskRefusal] = {}
    taken: dict[str, int] = {}
    probed: set[Group] = set()
    for intent in intents:
        refusal = _shut(state, intent, probed) or _short(state, intent, taken)
        if refusal is None:
            passed.append(intent)
            for key, count in _tokens(state, intent):
                taken[key] = taken.get(key, 0) + count
            probed.add(group_of(intent))
        elif state.told.get(refusal.key, 0) <= state.now_ns:
            refusals.setdefault(refusal.key, refusal)
    return passed, list(refusals.values())


def told(state: State, refusal: RiskRefusal) -> State:
    """A decision named a limit that is in the way."""
    circuit = state.circuits.get(refusal.key)
    until_ns = max(state.now_ns + TOLD_NS, circuit.retry_at_ns if circuit is not None else 0)
    return replace(state, told={**state.told, refusal.key: until_ns})


def allowance(state: State, intent: type[PlaceOrders | ModifyOrder], key: str) -> int:
    """Return how many requests of one kind may go now to an endpoint."""
    circuit = state.circuits.get(GROUPS[intent])
    free = min(room(state, key), room(state, SIGNED) - _reserve(state, SIGNED))
    if circuit is None:
        return max(0, free)
    if state.now_ns < circuit.retry_at_ns or _is_probing(state, GROUPS[intent], circuit):
        return 0
    return max(0, min(1, free) if circuit.is_open else free)


def _shut(state: State, intent: Intent, probed: set[Group]) -> RiskRefusal | None:
    group = group_of(intent)
    circuit = state.circuits.get(group)
    if circuit is None:
        return None
    wait_ms = -(-(circuit.retry_at_ns - state.now_ns) // NS_PER_MS)
    why = f"{group}: {circuit.trouble}, {circuit.in_row} in a row"
    if wait_ms > 0:
        rule = "breaker" if circuit.is_open else "backoff"
        return _refusal(intent, rule, group, f"{why}, next try in {wait_ms} ms")
    if circuit.is_open and (group in probed or _is_probing(state, group, circuit)):
        return _refusal(intent, "breaker", group, f"{why}, one request at a time until an answer")
    return None


def _is_probing(state: State, group: Group, circuit: Circuit) -> bool:
    # A probe that hangs must not keep the next cancel waiting for its deadline.
    patience_ns = URGENT_MAX_NS if group in URGENT else state.settings.request_deadline_ns
    return circuit.is_open and any(
        circuit.retry_at_ns <= request.sent_ns
        and state.now_ns < request.sent_ns + patience_ns
        and group_of(request.intent) is group
        for request in state.requests.values()
    )


def _short(state: State, intent: Intent, taken: dict[str, int]) -> RiskRefusal | None:
    for key, count in _tokens(state, intent):
        left = room(state, key) - taken.get(key, 0)
        if left - count < (0 if is_urgent(intent) else _reserve(state, key)):
            bucket = bucket_of(key, state.settings.rate_percent)
            each_us = bucket.each_ns // 1000
            found = f"{left} of {bucket.depth} requests left, one more every {each_us} us"
            return _refusal(intent, "rate", key, f"{key}: {found}")
    return None


def _reserve(state: State, key: str) -> int:
    return bucket_of(key, state.settings.rate_percent).reserve


def _refusal(intent: Intent, rule: str, key: str, reason: str) -> RiskRefusal:
    market = getattr(intent, "market", "") or getattr(intent, "stream", "")
    return RiskRefusal(market, rule, reason, key=key)


def _tokens(state: State, intent: Intent) -> tuple[tuple[str, int], ...]:
    """Return what an intent takes: (bucket, tokens)."""
    match intent:
        case OpenStream(stream):
            private = ((TOKEN, 1), (SIGNED, 1)) if stream == PRIVATE else ()
            return ((CONNECTIONS, 1), *private)
        case CloseStream():
            return ()
        case Ping(stream):
            return ((frames_key(stream), 1),)
        case Resubscribe(stream):
            return ((frames_key(stream), RESUBSCRIBE_FRAMES),)
        case QueryTime() | QueryMarkets():
            return ((endpoint_of(state, intent), 1),)
        case _:
            return ((endpoint_of(state, intent), 1), (SIGNED, 1))


def endpoint_of(state: State, intent: Intent) -> str:
    """Return the path that a REST intent goes to; a test holds it against the encoder's."""
    if isinstance(intent, PlaceOrders):
        product = state.markets[intent.market].quoted.market.product
        return place_endpoint(product, len(intent.orders))
    return _ENDPOINTS[type(intent)]


def place_endpoint(product: Product, orders: int) -> str:
    """Return the path that places so many orders in one request (contract 5.1, 5.2, 6.1)."""
    if product is Product.SPOT:
        return NEW if orders == 1 else BULK
    return COLLATERAL_NEW if orders == 1 else COLLATERAL_BULK


_ENDPOINTS: dict[type, str] = {
    ModifyOrder: MODIFY,
    CancelOrder: CANCEL,
    CancelAll: "/api/v4/order/cancel/all",
    ArmKillSwitch: "/api/v4/order/kill-switch",
    DisarmKillSwitch: "/api/v4/order/kill-switch",
    QueryOpenOrders: "/api/v4/orders",
    QueryFills: "/api/v4/trade-account/executed-history",
    QuerySpotBalances: "/api/v4/trade-account/balance",
    QueryMarginBalances: "/api/v4/collateral-account/balance-summary",
    QueryPositions: "/api/v4/collateral-account/positions/open",
    QueryFees: "/api/v4/market/fee",
    QueryFunding: "/api/v4/collateral-account/funding-history",
    QueryKillSwitch: "/api/v4/order/kill-switch/status",
    QueryTime: "/api/v4/public/time",
    QueryMarkets: "/api/v4/public/markets",
}
