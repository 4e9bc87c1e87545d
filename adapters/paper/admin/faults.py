"""Admin commands about faults: add a plan, read what was done by it, clear."""

from __future__ import annotations

from typing import Any

from adapters.paper.admin.routes import CommandError, Route, show
from adapters.paper.faults.check import check_names, read_plan
from adapters.paper.faults.plan import Faults
from adapters.paper.faults.wire import arm, disarm
from adapters.paper.server import VenueHandle
from engine.errors import ConfigError


def _add(handle: VenueHandle, body: bytes) -> Any:
    try:
        plan = read_plan(body)
        check_names(plan, handle.exchange.markets, "faults")
        arm(handle.venue, plan)
    except (ConfigError, ValueError) as error:
        raise CommandError(str(error)) from error
    return _show(handle)


def _show(handle: VenueHandle) -> Any:
    return (handle.venue.faults or Faults()).shown()


def _clear(handle: VenueHandle) -> Any:
    shown = _show(handle)
    disarm(handle.venue)
    return shown


ROUTES: dict[tuple[str, str], Route] = {
    ("POST", "/faults"): _add,
    ("GET", "/faults"): show(_show),
    ("DELETE", "/faults"): show(_clear),
}
