"""Any plan at all: the venue survives it, does the same twice, and is well again when cleared."""

from __future__ import annotations

import json
from contextlib import suppress
from functools import partial
from typing import Any

import h11
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio_websocket import ConnectionClosed

from adapters.paper.config import VenueConfig
from adapters.paper.faults.check import CHANNELS
from adapters.paper.faults.plan import GATEWAY_STATUSES, Kind, Plan, Rule
from adapters.paper.faults.wire import disarm
from adapters.paper.server import VenueHandle, serve_venue
from adapters.simulated import SimClock, SimIds, SimNet, run_deterministic
from tests.paper.venue_client import Client, Ws

pytestmark = pytest.mark.slow

LIMIT = {"market": "BTC_USDT", "side": "buy", "price": "60000", "amount": "0.01"}
CALLS: list[tuple[str, dict[str, Any]]] = [
    ("order/new", LIMIT),
    ("order/new", {**LIMIT, "side": "sell"}),
    ("order/bulk", {"orders": [LIMIT, {**LIMIT, "side": "sell", "price": "60010"}]}),
    ("order/collateral/limit", {**LIMIT, "market": "BTC_PERP"}),
    ("orders", {}),
    ("order/cancel/all", {}),
]
SUBSCRIBED: list[tuple[str, list[Any]]] = [
    ("depth_subscribe", ["BTC_USDT", 20, "0", True]),
    ("ordersPending_subscribe", []),
    ("deals_subscribe", [[]]),
    ("balanceSpot_subscribe", []),
]


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    kind = draw(st.sampled_from(list(Kind)))
    may: dict[str, st.SearchStrategy[Any]] = {
        "path": st.sampled_from(["/api/v4/*", "/api/v4/order/*", "/api/v4/order/new"]),
        "channel": st.sampled_from(CHANNELS),
        "seconds": st.floats(-6, 6),
        "status": st.sampled_from(GATEWAY_STATUSES),
        "accepted": st.booleans(),
    }
    # What a kind refuses or needs is tried until it fits; the constructor is the judge.
    drawn = {name: draw(value) for name, value in may.items()}
    when: dict[str, Any] = {
        "market": draw(st.sampled_from(["", "BTC_USDT"])),
        "probability": draw(st.sampled_from([0.2, 1.0])),
        "from_s": draw(st.sampled_from([0.0, 0.5])),
        "times": draw(st.sampled_from([None, 1, 3])),
    }
    names = list(drawn)
    for chosen in sorted(range(1 << len(names)), key=int.bit_count, reverse=True):
        part = {name: drawn[name] for bit, name in enumerate(names) if chosen >> bit & 1}
        try:
            return Rule(kind=kind, **part, **when)
        except ValueError:
            continue
    return Rule(kind=Kind.SKIP_DELTA)


async def _listen(ws: Ws, token: str, heard: list[str]) -> None:
    try:
        for number, (method, params) in enumerate([("authorize", [token, "public"]), *SUBSCRIBED]):
            request = {"id": number, "method": method, "params": params}
            await ws.connection.send_message(json.dumps(request))
        while True:
            heard.append(str(await ws.receive()))
    except ConnectionClosed:
        heard.append("closed")


async def _trade(client: Client, handle: VenueHandle, heard: list[str]) -> None:
    for name, body in CALLS:
        answer: object = None
        with trio.move_on_after(8), suppress(trio.BrokenResourceError, h11.RemoteProtocolError):
            answer = await client.post(name, **body)
        heard.append(f"{name} {answer}")
        handle.exchange.check()
        await trio.sleep(0.3)


async def _play(plan: Plan) -> tuple[Any, list[str]]:
    """Trade and listen under a plan, clear it, and see that all is well; what was seen."""
    net, clock, config = SimNet(7), SimClock(), VenueConfig(faults=plan)
    heard: list[str] = []
    async with trio.open_nursery() as nursery:
        start = partial(serve_venue, config, clock=clock, ids=SimIds(1), net=net)
        handle: VenueHandle = await nursery.start(start)
        venue, key = handle.venue, handle.accounts[0]
        client = Client(nursery, net, handle.port, clock, key.key, key.secret)
        token = venue.tokens.issue(key.account, clock.now_ns())
        nursery.start_soon(_listen, await client.open_ws(), token, heard)
        await _trade(client, handle, heard)
        assert venue.faults is not None
        shown = venue.faults.shown()
        disarm(venue)
        venue.step_clock(-venue.clock.offset_ns)
        await trio.sleep(20)
        await client.ok("order/cancel/all")
        await client.limit("buy", "59000")
        ws = await client.open_ws(authorize=True)
        assert (await ws.call("ordersPending_request", "BTC_USDT", 0, 10))["total"] == 1
        handle.exchange.check()
        nursery.cancel_scope.cancel()
    return shown, heard


@given(st.builds(Plan, rules=st.lists(rules(), min_size=1, max_size=5).map(tuple)))
@settings(max_examples=25)
def test_any_plan_is_survived_and_repeats_itself(plan: Plan) -> None:
    first = run_deterministic(_play, plan, seed=3)
    assert run_deterministic(_play, plan, seed=3) == first
