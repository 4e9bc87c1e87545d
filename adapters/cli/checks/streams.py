"""Checks of the WebSocket: connect, authorise, subscribe every channel that a run subscribes."""

from __future__ import annotations

import trio

from adapters.cli.checks.base import PATIENCE_S, Finding, Patient, failed, passed
from adapters.cli.config import to_settings
from adapters.whitebit.frames import PRIVATE, StreamSession, subscriptions
from adapters.whitebit.normalise import Normaliser
from adapters.whitebit.rest import RestFailure
from adapters.whitebit.signing import Secret
from adapters.whitebit.streams import StreamClient
from engine.events import BookSnapshot

_HINT = "check ws_url, and that nothing between here and the venue breaks WebSockets"


async def public_stream(patient: Patient) -> Finding:
    """Depth, ticker and trades of the first market, up to its first book."""
    name = next(iter(patient.learned.markets))
    problem = await _subscribed(patient, name, None)
    if problem:
        return failed(f"{name}: {problem}", _HINT)
    return passed(f"{name}: subscribed, and its book came")


async def private_stream(patient: Patient) -> Finding:
    """A token, authorisation with it, and the account's own channels."""
    token = await patient.rest.token(patient.nonces.draw())
    if isinstance(token, RestFailure):
        return failed(token.reason, "at most 10 tokens a minute are given; see permission")
    problem = await _subscribed(patient, PRIVATE, token)
    if problem:
        return failed(problem, _HINT)
    return passed("token taken, authorised, orders, deals and balances subscribed")


async def _subscribed(patient: Patient, stream: str, token: Secret | None) -> str:
    # Return what went wrong; nothing once every subscription is confirmed.
    markets = patient.learned.markets
    frames = subscriptions(stream, markets, to_settings(patient.config))
    session, normaliser = StreamSession(stream, frames), Normaliser(markets)
    seen = {"ready": False, "book": token is not None}
    done = trio.Event()

    def on_frame(data: bytes) -> None:
        event = normaliser.frame(stream, data)
        seen["book"] |= isinstance(event, BookSnapshot)
        seen["ready"] |= session.confirm(event)
        if all(seen.values()):
            done.set()

    client = StreamClient(
        patient.net, patient.ws_url, stream, frames, token, lambda: None, on_frame
    )
    reason = [f"not subscribed within {PATIENCE_S:g} s"]

    async def run() -> None:
        reason[0] = await client.run()
        done.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        with trio.move_on_after(PATIENCE_S):
            await done.wait()
        problem = "" if all(seen.values()) else reason[0]
        nursery.cancel_scope.cancel()
    return problem
