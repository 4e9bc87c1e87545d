"""A venue that remembers: every input that changes the exchange is kept, and played again at start.

The exchange is a deterministic function of its inputs and their times, so these are all that is
kept: accepted private requests that may change something, admin commands, and what the flow did
(its deeds, not its seed: recordings may be gone, and presets may change, at the next start). What
the exchange does by the clock it does again by itself. A request is one moment: no time passes
while it is handled, and it is kept before its answer leaves. The answer's checksum is kept with it,
so a venue that would come to another result says so instead of changing what its users own.
"""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Protocol

import msgspec

from adapters.paper.core.background import Background, Level
from adapters.paper.core.model import FLOW_MAKER, US_PER_S, Side
from adapters.paper.http import Response
from adapters.paper.wire import NS_PER_US, decode
from adapters.ports import Clock, Ids
from engine.errors import ConfigError

if TYPE_CHECKING:
    from adapters.paper.venue import Venue

# Whoever changes what records mean or how the exchange decides raises this number.
FORMAT = b"quotefold paper state 1"
# A silent venue notes the time this often, well within the day that the exchange lives through
# without a note (see `perpetuals.py`).
_NOTE_EVERY_US = 3_600 * US_PER_S


class Began(msgspec.Struct, frozen=True, array_like=True, tag="began"):
    """A venue was started; `drawn` are the keys of the very first start."""

    now_ns: int
    drawn: tuple[str, ...] = ()


class Set(msgspec.Struct, frozen=True, array_like=True, tag="set"):
    """A participant of the flow changed levels; only what made a difference."""

    now_us: int
    number: int
    market: str
    levels: list[Level]


class Took(msgspec.Struct, frozen=True, array_like=True, tag="took"):
    """A participant of the flow took: `kind` is the method of `Background`."""

    now_us: int
    number: int
    market: str
    kind: str
    side: Side
    ticks: int
    lots: int
    retail: bool


class Asked(msgspec.Struct, frozen=True, array_like=True, tag="asked"):
    """A private request, or with an empty account an admin command.

    `now_ns` is the venue's clock and `engine_us` the exchange's time, which never steps back.
    """

    now_ns: int
    engine_us: int
    account: str
    path: str
    body: bytes
    drawn: tuple[str, ...]
    checksum: int


class Passed(msgspec.Struct, frozen=True, array_like=True, tag="passed"):
    """Time went by and nothing happened."""

    now_us: int


Entry = Began | Set | Took | Asked | Passed
_DECODER: msgspec.msgpack.Decoder[Entry] = msgspec.msgpack.Decoder(Entry)
_ENCODER = msgspec.msgpack.Encoder()
_BODY = msgspec.json.Encoder(decimal_format="number")


class Store(Protocol):
    """Where entries are kept, in order."""

    def append(self, payload: bytes) -> None:
        """Add an entry; it may stay in memory until the next flush."""
        ...

    def flush(self) -> None:
        """Hand over what was added, so that it outlives this process."""
        ...


class StateClock:
    """A clock that can be held at a moment."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.held_ns: int | None = None

    def now_ns(self) -> int:
        return self._clock.now_ns() if self.held_ns is None else self.held_ns


class StateIds:
    """Draws that are kept, and given again."""

    def __init__(self, ids: Ids) -> None:
        self._ids = ids
        self.drawn: list[str] = []
        self.again: deque[str] = deque()

    def token(self, size: int) -> str:
        """Draw `size` random bytes as text, or what was drawn in this place before."""
        token = self.again.popleft() if self.again else self._ids.token(size)
        self.drawn.append(token)
        return token

    def uniform(self) -> float:
        """Draw a float, which decides nothing that is kept."""
        return self._ids.uniform()


# (venue, account, path, body) -> the answer; admin commands: (venue, path, body).
Ask = Callable[["Venue", str, str, dict[str, object]], Response]
Command = Callable[["Venue", str, bytes], Response]


class State:
    """The memory of one venue: made first, since clock and keys of the venue come from it."""

    def __init__(
        self, store: Store, past: Iterable[bytes], command: Command, *, clock: Clock, ids: Ids
    ) -> None:
        """Read how the venue once began.

        Args:
            store: Where new entries go.
            past: The entries kept so far, oldest first.
            command: Performs an admin command.
            clock: The real clock; the venue is to use this object's.
            ids: The real draws; the venue is to use this object's.

        Raises:
            ConfigError: if the first entry is not the beginning.
        """
        self.clock, self.ids = StateClock(clock), StateIds(ids)
        self._store = store
        self._command = command
        self._past: Iterator[Entry] = map(_DECODER.decode, past)
        first = next(self._past, None)
        self.is_new = first is None
        if first is None:
            first = Began(clock.now_ns())
        if not isinstance(first, Began):
            raise ConfigError("--state: expected the beginning of a venue first; use a new one")
        self.clock.held_ns = first.now_ns
        self.ids.again.extend(first.drawn)
        self._markets: list[str] = []
        self._played: dict[int, Background] = {}
        self._entries = 1
        self._last_us = 0

    def resume(self, venue: Venue, ask: Ask) -> None:
        """Bring a new venue to where it was, then begin to keep what happens.

        Raises:
            ConfigError: if it comes to another result than it did before.
        """
        if self.is_new:
            assert self.clock.held_ns is not None, "held since the beginning"
            self._add(Began(self.clock.held_ns, tuple(self.ids.drawn)))
        for entry in self._past:
            self._entries += 1
            self._play(venue, ask, entry)
            venue.publish()
        self.clock.held_ns = None
        if not self.is_new:
            began = Began(venue.clock.now_ns())
            self._add(began)
            self._play(venue, ask, began)
            venue.publish()
            self.clock.held_ns = None
            venue.feeds.restart_ticks(venue.now_us())
        self._last_us = venue.exchange.matcher.now_us
        self._store.flush()
        venue.exchange.flow_log = self
        venue.state = self

    def ask(
        self,
        venue: Venue,
        account: str,
        path: str,
        body: dict[str, object] | bytes,
        perform: Callable[[], Response],
    ) -> Response:
        """Perform a request at one moment and keep it; returns its answer."""
        self.clock.held_ns = self.clock.now_ns()
        try:
            venue.catch_up()
            engine_us = venue.exchange.matcher.now_us
            self.ids.drawn.clear()
            answer = perform()
            kept = body if isinstance(body, bytes) else _BODY.encode(body)
            drawn, checksum = tuple(self.ids.drawn), zlib.crc32(answer.body)
            now_ns = venue.clock.now_ns()
            self._add(Asked(now_ns, engine_us, account, path, kept, drawn, checksum))
            self._store.flush()
        finally:
            self.clock.held_ns = None
        return answer

    def flush(self, now_us: int) -> None:
        """Keep what the flow did up to now, before anybody is told."""
        if now_us - self._last_us > _NOTE_EVERY_US:
            self._add(Passed(now_us))
            self._last_us = now_us
        self._store.flush()

    def enrol(self, market: str) -> int:
        """Number a participant of the flow."""
        self._markets.append(market)
        return len(self._markets) - 1

    def set_levels(self, number: int, now_us: int, levels: list[Level]) -> None:
        """Keep levels that a participant changed."""
        self._last_us = now_us
        self._add(Set(now_us, number, self._markets[number], levels))

    def took(
        self, number: int, now_us: int, kind: str, side: Side, ticks: int, lots: int, retail: bool
    ) -> None:
        """Keep what a participant took."""
        market = self._markets[number]
        self._add(Took(now_us, number, market, kind, side, ticks, lots, retail))

    def _add(self, entry: Entry) -> None:
        self._store.append(_ENCODER.encode(entry))

    def _play(self, venue: Venue, ask: Ask, entry: Entry) -> None:
        if isinstance(entry, Asked):
            self._play_asked(venue, ask, entry)
            return
        now_us = entry.now_ns // NS_PER_US if isinstance(entry, Began) else entry.now_us
        self.clock.held_ns = now_us * NS_PER_US
        if isinstance(entry, Set):
            background = self._background(venue, entry)
            background.set_levels(entry.levels, now_us)
        elif isinstance(entry, Took):
            background = self._background(venue, entry)
            background.play(entry.kind, entry.side, entry.ticks, entry.lots, now_us, entry.retail)
        else:
            venue.exchange.advance(now_us)
            if isinstance(entry, Began):
                # The flow starts anew; what its last one left in the books goes.
                venue.exchange.cancel_all(FLOW_MAKER, None, None, now_us)
                self._played.clear()

    def _play_asked(self, venue: Venue, ask: Ask, entry: Asked) -> None:
        self.clock.held_ns = entry.now_ns
        venue.exchange.advance(entry.engine_us)
        self.ids.again.extend(entry.drawn)
        if entry.account:
            answer = ask(venue, entry.account, entry.path, decode(entry.body))
        else:
            answer = self._command(venue, entry.path, entry.body)
        self.ids.again.clear()
        if zlib.crc32(answer.body) != entry.checksum:
            raise ConfigError(
                f"--state: entry {self._entries} ({entry.path}): expected the answer it had, was "
                f"{answer.body[:200].decode()}; another version of the venue kept it, use that one "
                "or a new directory"
            )

    def _background(self, venue: Venue, entry: Set | Took) -> Background:
        background = self._played.get(entry.number)
        if background is None:
            background = self._played[entry.number] = Background(venue.exchange, entry.market)
        return background
