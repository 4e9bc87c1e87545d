"""Admin commands about time: the venue's wall clock may jump, as a real one does when it is set."""

from __future__ import annotations

from typing import Any

import msgspec

from adapters.paper.admin.routes import CommandError, Route, command, show
from adapters.paper.server import VenueHandle

NS_PER_MS = 1_000_000
# A day is far above what a clock that is set ever moves by.
OFFSET_MAX_MS = 24 * 3600 * 1000


class ClockStep(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`POST /clock`: by how many milliseconds to move the clock, negative to move it back."""

    step_ms: int


def _step(handle: VenueHandle, body: ClockStep) -> Any:
    offset_ms = handle.venue.clock.offset_ns // NS_PER_MS + body.step_ms
    if abs(offset_ms) > OFFSET_MAX_MS:
        raise CommandError(
            f"expected an offset of at most {OFFSET_MAX_MS} ms in all, would be {offset_ms}"
        )
    handle.venue.step_clock(body.step_ms * NS_PER_MS)
    return _show(handle)


def _show(handle: VenueHandle) -> Any:
    clock = handle.venue.clock
    return {
        "now_ms": clock.now_ns() // NS_PER_MS,
        "offset_ms": clock.offset_ns // NS_PER_MS,
    }


ROUTES: dict[tuple[str, str], Route] = {
    ("GET", "/clock"): show(_show),
    ("POST", "/clock"): command(ClockStep, _step),
}
