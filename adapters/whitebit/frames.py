"""Frames we send on a stream, and the tracking of their confirmations; sans-IO.

A frame id is `16 * n + channel`: n is 0 for the frames that open a stream and the loop's own
small integer (1, 2, ...) for later ones. So a confirmation names its method by its id alone, and
the normaliser that reads it needs no state. Sources: contract 11.1 to 11.4.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from engine.errors import LocalProtocolError
from engine.events import AnyEvent, StreamAuthorised, StreamSubscribed
from engine.intents import Ping, Resubscribe
from engine.types import Market, Product, Settings

PRIVATE = "private"
"""Name of the account's stream; every other stream is named after its market."""

AUTHORIZE = "authorize"
PING = "ping"

_IDS_PER_STEP = 16
METHODS: tuple[str, ...] = (
    "",
    AUTHORIZE,
    "depth_subscribe",
    "depth_unsubscribe",
    "bookTicker_subscribe",
    "trades_subscribe",
    "ordersPending_subscribe",
    "deals_subscribe",
    "balanceSpot_subscribe",
    "balanceMargin_subscribe",
    "positionsMargin_subscribe",
    PING,
    "premiumIndex_subscribe",
)
"""Method by channel number; append only, since journals hold the ids."""

OPTIONAL = frozenset({"premiumIndex_subscribe"})
"""Methods of channels that a run can do without: no confirmation is awaited. Only later pages of
the documentation tell of this one (contract 11.3)."""

_CHANNELS: Mapping[str, int] = {method: number for number, method in enumerate(METHODS) if method}

AUTHORIZE_ID = _CHANNELS[AUTHORIZE]


class Frame(msgspec.Struct, frozen=True):
    """A request frame (11.1)."""

    id: int
    method: str
    params: tuple[object, ...]


def _frame(step: int, method: str, *params: object) -> bytes:
    frame_id = step * _IDS_PER_STEP + _CHANNELS[method]
    return msgspec.json.encode(Frame(frame_id, method, params))


def method_of(frame_id: int) -> str:
    """Return the method a confirmation with this id answers, empty for an id that is not ours."""
    channel = frame_id % _IDS_PER_STEP
    return METHODS[channel] if channel < len(METHODS) else ""


def authorize_frame(token: str) -> bytes:
    """Build the frame that holds the token: never journaled, never logged (11.2)."""
    return _frame(0, AUTHORIZE, token, "public")


def subscriptions(
    stream: str, markets: Mapping[str, Market], settings: Settings
) -> tuple[bytes, ...]:
    """Return the frames that subscribe every channel of a stream, in the order to send them.

    Args:
        stream: `private`, or the name of one market of `markets`.
        markets: Every quoted market by name, in the order of the configuration.
        settings: For the depth limit.

    Raises:
        LocalProtocolError: if a public stream is not named after a market of this run.
    """
    if stream == PRIVATE:
        return _private_subscriptions(tuple(markets.values()))
    if stream not in markets:
        raise LocalProtocolError(f"expected a stream named after a quoted market, found {stream!r}")
    frames = [
        _depth_subscribe(0, stream, settings),
        _frame(0, "bookTicker_subscribe", stream),
        _frame(0, "trades_subscribe", stream),
    ]
    if markets[stream].product is Product.PERPETUAL:
        frames.append(_frame(0, "premiumIndex_subscribe", stream))
    return tuple(frames)


def _depth_subscribe(step: int, market: str, settings: Settings) -> bytes:
    # The last parameter adds this market instead of replacing all others (G-10).
    return _frame(step, "depth_subscribe", market, settings.depth_limit, "0", True)


def _private_subscriptions(markets: tuple[Market, ...]) -> tuple[bytes, ...]:
    names = [market.name for market in markets]
    spot_assets = _assets(market for market in markets if market.product is Product.SPOT)
    margin_assets = list(
        dict.fromkeys(m.quote_asset for m in markets if m.product is not Product.SPOT)
    )
    frames = [
        _frame(0, "ordersPending_subscribe", *names),
        # Nested, unlike ordersPending (11.4).
        _frame(0, "deals_subscribe", names),
    ]
    if spot_assets:
        frames.append(_frame(0, "balanceSpot_subscribe", *spot_assets))
    if margin_assets:
        frames.append(_frame(0, "balanceMargin_subscribe", *margin_assets))
        frames.append(_frame(0, "positionsMargin_subscribe"))
    return tuple(frames)


def _assets(markets: Iterable[Market]) -> list[str]:
    # Each asset once, in the order of the configuration; an empty list would mean all (11.4).
    return list(dict.fromkeys(asset for m in markets for asset in (m.base_asset, m.quote_asset)))


def encode_frame(
    intent: Ping | Resubscribe, frame_id: int, settings: Settings
) -> tuple[bytes, ...]:
    """Return the frames of an intent on an open stream.

    Args:
        intent: What to do; for Resubscribe the stream is a market's.
        frame_id: The loop's own counter, 1 or more, from which the ids on the wire follow.
        settings: For the depth limit.
    """
    if isinstance(intent, Ping):
        return (_frame(frame_id, PING),)
    return (
        _frame(frame_id, "depth_unsubscribe", intent.stream),
        _depth_subscribe(frame_id, intent.stream, settings),
    )


class StreamSession:
    """Knows which confirmations a stream that is being opened still waits for."""

    def __init__(self, stream: str, frames: tuple[bytes, ...]) -> None:
        """Await the confirmation of each frame, and of `authorize` on the private stream."""
        self._stream = stream
        methods = {msgspec.json.decode(frame, type=Frame).method for frame in frames}
        self._awaited = methods - OPTIONAL
        if stream == PRIVATE:
            self._awaited.add(AUTHORIZE)

    def confirm(self, event: AnyEvent) -> bool:
        """Take in an event; True exactly once, when it is the last confirmation (StreamReady)."""
        if isinstance(event, StreamSubscribed) and event.stream == self._stream:
            method = event.method
        elif isinstance(event, StreamAuthorised) and event.stream == self._stream:
            method = AUTHORIZE
        else:
            return False
        if method not in self._awaited:
            return False
        self._awaited.remove(method)
        return not self._awaited
