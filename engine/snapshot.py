"""State <-> bytes, so that a start need not fold a journal from its first record.

A snapshot is a cache: whoever reads one compares its fingerprint with the one that the journal
recorded at the same place. A strategy and its memory have types that only the strategy knows, so
they travel apart: the strategy is built anew from its parameters.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import replace

from engine.errors import ConfigError, JournalError
from engine.state import MarketState, State
from engine.strategy import Strategy, load_strategy


class _Packed(msgspec.Struct, frozen=True, array_like=True):
    bare: State
    """Without strategies and their memories."""
    memories: dict[str, msgspec.Raw]
    """By market name."""


_NONE = Strategy()
_encode = msgspec.msgpack.Encoder().encode
_decoder = msgspec.msgpack.Decoder(_Packed)


def encode_state(state: State) -> bytes:
    """Return the whole state as bytes."""
    memories = {name: msgspec.Raw(_encode(m.memory)) for name, m in state.markets.items()}
    markets = {
        name: replace(market, strategy=_NONE, memory=None) for name, market in state.markets.items()
    }
    return _encode(_Packed(replace(state, markets=markets), memories))


def decode_state(data: bytes) -> State:
    """Return the state that `encode_state` was given.

    Raises:
        JournalError: if the bytes are no state of this schema, or a strategy is not known here.
    """
    try:
        packed = _decoder.decode(data)
        markets = {
            name: _dressed(market, packed.memories[name])
            for name, market in packed.bare.markets.items()
        }
    except (msgspec.MsgspecError, ConfigError, KeyError) as error:
        raise JournalError(f"not a state of this schema: {error}") from error
    return replace(packed.bare, markets=markets)


def _dressed(market: MarketState, memory: msgspec.Raw) -> MarketState:
    strategy = load_strategy(market.quoted.strategy, market.quoted.parameters)
    kind: Any = type(strategy.initial_memory())
    kept = msgspec.msgpack.decode(memory, type=kind)
    return replace(market, strategy=strategy, memory=kept)
