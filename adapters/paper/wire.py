"""How the venue writes values: JSON, exact times and numbers (contract sections 3, 11.1)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from adapters.paper.core.model import US_PER_S, units_text

NS_PER_US = 1000

_encoder = msgspec.json.Encoder()
# A float would lose the digits that a client must get back, so numbers are read as Decimal.
_decoder = msgspec.json.Decoder(float_hook=Decimal)


def encode(value: Any) -> bytes:
    """Encode a response or push as compact JSON."""
    return _encoder.encode(value)


def decode(data: bytes | str) -> Any:
    """Decode JSON with exact numbers; raises msgspec.DecodeError or RecursionError."""
    return _decoder.decode(data)


def seconds(time_us: int) -> msgspec.Raw:
    """Format microseconds since the epoch as a JSON number of seconds, exactly."""
    whole, fraction = divmod(time_us, US_PER_S)
    if not fraction:
        return msgspec.Raw(str(whole).encode())
    return msgspec.Raw(f"{whole}.{fraction:06d}".rstrip("0").encode())


def units_number(units: int) -> msgspec.Raw:
    """Format units of an asset as a JSON number, where the endpoint answers no string (6.6)."""
    return msgspec.Raw(units_text(units).encode())
