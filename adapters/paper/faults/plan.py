"""Faults on demand: a frozen plan of rules, and what decides by it, pure and seeded.

Every rule draws from a generator of its own, made of the plan's seed and the rule's place in the
plan, so another rule changes nothing in what a rule does. `faults_wire.py` does what is decided.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from enum import StrEnum
from random import Random
from typing import Annotated, Any, NamedTuple

import msgspec

from adapters.paper.core.model import US_PER_S

# A client's recovery is tested by a handful; a program that adds rules for ever is stopped.
RULES_MAX = 1000
# Newest faults kept for the admin port; at a fault a second, more than two hours.
LOG_MAX = 10_000
# The flow catches up with a clock that jumps, so a jump costs work.
JUMP_MAX_S = 3600
GATEWAY_STATUSES = (429, 500, 502, 503, 504)
# Of the errors of a WebSocket (9.1) those that are no fault of the client's request.
WS_CODES = (2, 3, 5, 7)
ANSWER_CHANNEL = "answer"
EVERY = "*"
PRIVATE = "private"
# As a path: the opening of a WebSocket.
WS_PATH = "/ws"
# Names no market, so whatever a request wants of it is refused as for any unknown one (code 31).
NO_MARKET = "-"

Seconds = Annotated[float, msgspec.Meta(ge=-JUMP_MAX_S, le=JUMP_MAX_S)]
Since = Annotated[float, msgspec.Meta(ge=0)]
Count = Annotated[int, msgspec.Meta(ge=1)]


class Kind(StrEnum):
    """What goes wrong; the table of docs/venue.md explains each."""

    DELAY = "delay"
    DROP = "drop"
    DUPLICATE = "duplicate"
    ANSWER = "answer"
    CLOSE = "close"
    STALL = "stall"
    HALF_OPEN = "half_open"
    SKIP_DELTA = "skip_delta"
    REORDER = "reorder"
    EXPIRE_TOKENS = "expire_tokens"
    JUMP_CLOCK = "jump_clock"
    REJECT_MARKET = "reject_market"
    CANCEL_ONLY = "cancel_only"


class _Form(NamedTuple):
    """Which fields a kind takes; `places` of path and channel, "" for neither."""

    places: tuple[str, ...]
    needs: tuple[str, ...] = ()
    may: tuple[str, ...] = ()


_FORMS: dict[Kind, _Form] = {
    Kind.DELAY: _Form(("path", "channel"), ("seconds",), ("accepted",)),
    Kind.DROP: _Form(("path", "channel"), (), ("accepted",)),
    Kind.DUPLICATE: _Form(("path", "channel")),
    Kind.ANSWER: _Form(("path", "channel"), ("status",), ("accepted",)),
    Kind.CLOSE: _Form(("path", "channel"), (), ("accepted",)),
    Kind.STALL: _Form(("channel",), ("seconds",)),
    Kind.HALF_OPEN: _Form(("channel",)),
    Kind.SKIP_DELTA: _Form(("",)),
    Kind.REORDER: _Form(("channel",), (), ("seconds",)),
    Kind.EXPIRE_TOKENS: _Form(("path", "")),
    Kind.JUMP_CLOCK: _Form(("path", ""), ("seconds",)),
    Kind.REJECT_MARKET: _Form(("path", "")),
    Kind.CANCEL_ONLY: _Form(("path", "")),
}
_OF_BODY = (Kind.REJECT_MARKET, Kind.CANCEL_ONLY)
_OF_TIME = (Kind.EXPIRE_TOKENS, Kind.JUMP_CLOCK)
_OF_OPENING = (Kind.DELAY, Kind.DROP, Kind.ANSWER, Kind.CLOSE)
_OPTIONAL = ("seconds", "status", "accepted")


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One fault, where it applies and when; raises ValueError for what makes no sense together."""

    kind: Kind
    # REST path, exact or a beginning followed by "*"; or "/ws" for the opening of a WebSocket.
    path: str = ""
    # What a push's method begins with, "answer" for answers, "private", or "*" for every frame.
    channel: str = ""
    # Only what names this market.
    market: str = ""
    # Only the nth match, counted from 1; every one when absent.
    nth: Count | None = None
    # At most so many faults.
    times: Count | None = None
    # Share of the matches, drawn from the seed.
    probability: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1.0
    # Seconds since the plan was added; the end is not in the window.
    from_s: Since = 0.0
    until_s: Since | None = None
    # How long, or how far the clock jumps.
    seconds: Seconds | None = None
    # HTTP status of `answer`, or the code of a WebSocket's answer.
    status: int | None = None
    # Whether the exchange did what was asked, true when absent.
    accepted: bool | None = None

    def __post_init__(self) -> None:
        form = _FORMS[self.kind]
        if self.path and self.channel:
            raise ValueError("`path` and `channel` exclude each other; write two rules")
        place = "path" if self.path else "channel" if self.channel else ""
        if place not in form.places:
            wanted = " or ".join(f"`{name}`" for name in form.places if name) or "neither"
            raise ValueError(f"`{self.kind}` takes {wanted} as its place")
        for name in _OPTIONAL:
            given = getattr(self, name) is not None
            if given and name not in form.needs + form.may:
                raise ValueError(f"`{self.kind}` takes no `{name}`; leave it out")
            if not given and name in form.needs:
                raise ValueError(f"`{self.kind}` needs `{name}`")
        if self.accepted is not None and place != "path":
            raise ValueError("`accepted` is about a request; give a `path`")
        statuses = WS_CODES if self.channel else GATEWAY_STATUSES
        if self.path == WS_PATH and (self.kind not in _OF_OPENING or self.accepted is not None):
            wanted = ", ".join(f"`{kind}`" for kind in _OF_OPENING)
            raise ValueError(f"`{WS_PATH}` takes {wanted}, without `accepted`")
        if self.status is not None and self.status not in statuses:
            raise ValueError(f"expected `status` one of {statuses}, found {self.status}")
        if self.kind is Kind.ANSWER and self.channel not in ("", ANSWER_CHANNEL):
            raise ValueError(f"`{self.kind}` takes only the `channel` {ANSWER_CHANNEL!r}")
        if self.kind is not Kind.JUMP_CLOCK and self.seconds is not None and self.seconds <= 0:
            raise ValueError(f"expected `seconds` above 0, found {self.seconds:g}")
        if self.market and self.kind in _OF_TIME and not place:
            raise ValueError(f"`{self.kind}` of a `market` needs a `path`")
        if self.until_s is not None and self.until_s <= self.from_s:
            raise ValueError("expected `until_s` above `from_s`")

    def hits(self, place: Place) -> bool:
        """Whether a request or frame is one that this rule is about."""
        if self.market and self.market not in place.markets:
            return False
        if self.path:
            return _path_hits(self.path, place.path)
        if self.kind is Kind.SKIP_DELTA:
            return place.delta
        if not self.channel or not place.channel:
            return False
        if self.channel == PRIVATE:
            return place.private
        return self.channel in (EVERY, place.channel)


class Plan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rules under one seed; of those that hit the same request or frame the first fires."""

    rules: Annotated[tuple[Rule, ...], msgspec.Meta(min_length=1, max_length=RULES_MAX)]
    seed: int = 1


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A request (`path`) or a frame (`channel`) that a fault may befall."""

    text: str
    path: str = ""
    channel: str = ""
    markets: frozenset[str] = frozenset()
    # A push of a private channel; a depth message that is a difference.
    private: bool = False
    delta: bool = False


class Fault(msgspec.Struct, frozen=True):
    """One fault that was done; `at_us` counts from when its plan was added."""

    number: int
    at_us: int
    plan: int
    rule: int
    seed: int
    kind: Kind
    place: str


class _Armed:
    """A rule in force: its generator and its counts."""

    def __init__(self, plan: int, index: int, rule: Rule, seed: int, since_us: int) -> None:
        self.plan, self.index, self.rule, self.seed = plan, index, rule, seed
        self.since_us = since_us
        self.matches = self.done = 0
        self._random = Random(f"{seed}/{index}")

    def fires(self, now_us: int) -> bool:
        """Count one match and decide it."""
        rule, age_us = self.rule, now_us - self.since_us
        if age_us < rule.from_s * US_PER_S:
            return False
        if rule.until_s is not None and age_us >= rule.until_s * US_PER_S:
            return False
        self.matches += 1
        if rule.nth not in (None, self.matches):
            return False
        if rule.times is not None and self.done >= rule.times:
            return False
        if rule.probability < 1 and self._random.random() >= rule.probability:
            return False
        self.done += 1
        return True


class Faults:
    """All plans in force and the log; times are microseconds of a clock that never jumps."""

    def __init__(self) -> None:
        self._armed: list[_Armed] = []
        self._plans = 0
        self._done = 0
        self.log: deque[Fault] = deque(maxlen=LOG_MAX)

    def add(self, plan: Plan, now_us: int) -> None:
        """Put a plan in force from now on; raises ValueError past `RULES_MAX`."""
        if len(self._armed) + len(plan.rules) > RULES_MAX:
            raise ValueError(f"more than {RULES_MAX} rules; clear the faults first")
        for index, rule in enumerate(plan.rules):
            self._armed.append(_Armed(self._plans, index, rule, plan.seed, now_us))
        self._plans += 1

    def decide(self, place: Place, now_us: int) -> Rule | None:
        """Return the rule that befalls a request or frame, logged, or None."""
        for armed in self._armed:
            rule = armed.rule
            if rule.kind not in _OF_BODY and rule.hits(place) and armed.fires(now_us):
                self._note(armed, place.text, now_us)
                return rule
        return None

    def due(self, now_us: int) -> Iterator[Rule]:
        """Yield the rules that wait for nothing but their time; each has one chance."""
        for armed in self._armed:
            rule = armed.rule
            if rule.kind not in _OF_TIME or rule.path or armed.matches:
                continue
            if armed.fires(now_us):
                self._note(armed, "time", now_us)
                yield rule

    def masked(self, path: str, body: dict[str, Any], now_us: int) -> dict[str, Any]:
        """Rewrite a signed request so that markets that are closed to it are unknown."""
        for armed in self._armed:
            rule = armed.rule
            if rule.kind not in _OF_BODY or not _path_hits(rule.path or EVERY, path):
                continue
            if rule.kind is Kind.CANCEL_ONLY and not _opens(path):
                continue
            names = markets_of(body)
            closed = names & {rule.market} if rule.market else names
            if closed and armed.fires(now_us):
                self._note(armed, f"{path} {' '.join(sorted(closed))}", now_us)
                body = _without(body, closed)
        return body

    def shown(self) -> dict[str, Any]:
        """Every rule with its counts, and the log, oldest first."""
        return {
            "rules": [
                {
                    "plan": armed.plan,
                    "seed": armed.seed,
                    "matches": armed.matches,
                    "done": armed.done,
                    "rule": _brief(armed.rule),
                }
                for armed in self._armed
            ],
            "done": self._done,
            "log": list(self.log),
        }

    def _note(self, armed: _Armed, text: str, now_us: int) -> None:
        self._done += 1
        at_us, kind = now_us - armed.since_us, armed.rule.kind
        self.log.append(Fault(self._done, at_us, armed.plan, armed.index, armed.seed, kind, text))


def markets_of(body: Mapping[str, Any]) -> frozenset[str]:
    """Markets that the body of a request names, its items included."""
    items = body.get("orders")
    parts = [body, *(items if isinstance(items, list) else ())]
    named = (part.get("market") for part in parts if isinstance(part, dict))
    return frozenset(name for name in named if isinstance(name, str))


def _without(body: dict[str, Any], closed: frozenset[str]) -> dict[str, Any]:
    masked = dict(body)
    if masked.get("market") in closed:
        masked["market"] = NO_MARKET
    if isinstance(masked.get("orders"), list):
        masked["orders"] = [
            _without(item, closed) if isinstance(item, dict) else item for item in masked["orders"]
        ]
    return masked


def _path_hits(wanted: str, path: str) -> bool:
    if wanted.endswith(EVERY):
        return path.startswith(wanted[:-1]) and path not in ("", WS_PATH)
    return wanted == path


def _opens(path: str) -> bool:
    # What cancels, and the timer that cancels, stays allowed; closing a position is an order.
    changes = path.startswith("/api/v4/order/") or path.endswith("/position/close")
    return changes and "cancel" not in path and "kill-switch" not in path


def _brief(rule: Rule) -> dict[str, Any]:
    # As it was given, without what was left out.
    built = msgspec.structs.asdict(rule)
    defaults = {field.name: field.default for field in msgspec.structs.fields(Rule)}
    return {name: value for name, value in built.items() if value != defaults[name]}
