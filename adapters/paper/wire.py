"""How the venue writes values: decimals, times and JSON (contract sections 3, 3.1, 11.1)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

NS_PER_US = 1000
US_PER_S = 1_000_000

_encoder = msgspec.json.Encoder()
# A float would lose the digits that a client must get back, so numbers are read as Decimal.
_decoder = msgspec.json.Decoder(float_hook=Decimal)


def encode(value: Any) -> bytes:
    """Encode a response or push as compact JSON."""
    return _encoder.encode(value)


def decode(data: bytes) -> Any:
    """Decode JSON with exact numbers; raises msgspec.DecodeError."""
    return _decoder.decode(data)


def text(value: Decimal) -> str:
    """Format a decimal without exponent or trailing zeros, "0" for zero (section 3)."""
    if not value:
        return "0"
    formatted = format(value, "f")
    return formatted.rstrip("0").rstrip(".") if "." in formatted else formatted


def seconds(time_us: int) -> msgspec.Raw:
    """Format microseconds since the epoch as a JSON number of seconds, exactly."""
    whole, fraction = divmod(time_us, US_PER_S)
    return msgspec.Raw(f"{whole}.{fraction:06d}".rstrip("0").rstrip(".").encode())


def number(value: Decimal) -> msgspec.Raw:
    """Format a decimal as a JSON number, for the endpoints that answer no string (6.6)."""
    return msgspec.Raw(text(value).encode())
