"""The reducer: `reduce(state, record) -> state`, pure and total.

Each kind of event has one handler; the table below is the whole of it, and a test asserts that no
event is missing. Old states stay valid.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine import events as e
from engine import operator
from engine import reduce_account as account
from engine import reduce_market as market
from engine import reduce_requests as requests
from engine import reduce_session as session
from engine.reduce_response import answered
from engine.state import State, advance


def _noted(state: State, record: e.Record, event: Any) -> State:
    # Kept for readers of the journal; no decision depends on it.
    return advance(state, record)


# The handlers' event types differ, so the table's type is theirs in common.
HANDLERS: dict[type, Callable[[State, e.Record, Any], State]] = {
    e.BookSnapshot: market.book_snapshot,
    e.BookDelta: market.book_delta,
    e.BestBidOffer: market.best_bid_offer,
    e.PublicTrades: market.public_trades,
    e.MarkPrice: market.mark_price,
    e.OrderOpened: account.order_event,
    e.OrderUpdated: account.order_event,
    e.OrderClosed: account.order_event,
    e.Filled: account.filled,
    e.SpotBalancesChanged: account.spot_balances_changed,
    e.MarginBalancesChanged: account.margin_balances,
    e.PositionsReported: account.positions_reported,
    e.OrdersPlaced: answered,
    e.OrderModified: answered,
    e.OrderCancelled: answered,
    e.OrdersAllCancelled: answered,
    e.RequestRefused: answered,
    e.RequestThrottled: answered,
    e.OutcomeUnknown: answered,
    e.RequestWithheld: answered,
    e.KillSwitchArmed: answered,
    e.KillSwitchDisarmed: answered,
    e.OpenOrdersListed: answered,
    e.FillsListed: answered,
    e.SpotBalancesListed: answered,
    e.MarginBalancesListed: answered,
    e.PositionsListed: answered,
    e.FeesListed: answered,
    e.KillSwitchesListed: answered,
    e.FundingListed: answered,
    e.ServerTimeReported: answered,
    e.MarketsListed: answered,
    e.StreamOpened: session.stream_opened,
    e.StreamAuthorised: _noted,
    e.StreamSubscribed: _noted,
    e.StreamReady: session.stream_ready,
    e.StreamClosed: session.stream_closed,
    e.PongReceived: session.pong_received,
    e.FrameRefused: session.frame_refused,
    e.RunStarted: session.run_started,
    e.TimerFired: session.timer_fired,
    e.LoopStalled: session.loop_stalled,
    e.TailCut: _noted,
    e.ChoreFailed: _noted,
    e.HistoryDropped: _noted,
    e.StopRequested: session.stop_requested,
    e.PlacingForbidden: session.placing_forbidden,
    e.PlacingAllowed: session.placing_allowed,
    e.OperatorCommanded: operator.commanded,
    e.ParametersChanged: session.parameters_changed,
    e.Decided: requests.decided,
    e.RequestSent: requests.request_sent,
    e.Fingerprint: _noted,
    e.RunEnded: _noted,
}


def reduce(state: State, record: e.Record) -> State:
    """Return the state after a record.

    Args:
        state: The state after the record before this one.
        record: The next record; its seq is `state.seq + 1`.
    """
    assert record.seq == state.seq + 1, f"expected seq {state.seq + 1}, found {record.seq}"
    event = record.event
    return HANDLERS[type(event)](state, record, event)
