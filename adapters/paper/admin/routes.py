"""How a command of the admin port looks: its body is one JSON object, its answer any JSON."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from adapters.paper.server import VenueHandle

# Takes the venue and the body as received.
Route = Callable[[VenueHandle, bytes], Any]
_Body = TypeVar("_Body", bound=msgspec.Struct)


class CommandError(Exception):
    """A command that cannot be done; the text says what was expected. Nothing was changed."""


def show(function: Callable[[VenueHandle], Any]) -> Route:
    """Make a route of a function that needs no body."""

    def route(handle: VenueHandle, body: bytes) -> Any:
        return function(handle)

    return route


def command(body_type: type[_Body], function: Callable[[VenueHandle, _Body], Any]) -> Route:
    """Make a route of a function whose body has this type; another body is a CommandError."""
    decoder = msgspec.json.Decoder(body_type)

    def route(handle: VenueHandle, body: bytes) -> Any:
        try:
            decoded = decoder.decode(body)
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            raise CommandError(str(error)) from error
        return function(handle, decoded)

    return route
