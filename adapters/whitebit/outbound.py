"""What goes on the wire for an intent, as a pure function: live runs send it, replays recompute it.

REST intents become one request. Intents for a stream become frames, shown as a request with method
`WS`, the stream as path and the frames as lines of the body; the frame that authorises is never
part of it, since it holds the token.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.whitebit.frames import encode_frame, subscriptions
from adapters.whitebit.requests import ENCODERS, Request
from engine.intents import CloseStream, Intent, OpenStream, Ping, Resubscribe
from engine.types import Market, Settings

STREAM_METHOD = "WS"
"""Method of a request that is not HTTP."""

STREAM_INTENTS: frozenset[type] = frozenset({Ping, Resubscribe, OpenStream, CloseStream})
"""Types of the intents that become frames."""


def outbound(
    intent: Intent, nonce: int, markets: Mapping[str, Market], settings: Settings
) -> Request:
    """Return what an intent puts on the wire.

    Args:
        intent: What to do.
        nonce: Venue nonce in milliseconds, or the frame counter of a stream's intent.
        markets: Every market of the run, by name.
        settings: Of the run.
    """
    encode = ENCODERS.get(type(intent))
    if encode is not None:
        return encode(intent, markets.get(getattr(intent, "market", "")), nonce)
    return _frames(intent, nonce, markets, settings)


def _frames(intent: Any, nonce: int, markets: Mapping[str, Market], settings: Settings) -> Request:
    frames: tuple[bytes, ...] = ()
    if isinstance(intent, OpenStream):
        frames = subscriptions(intent.stream, markets, settings)
    elif isinstance(intent, Ping | Resubscribe):
        frames = encode_frame(intent, nonce, settings)
    return Request(STREAM_METHOD, intent.stream, b"\n".join(frames))
