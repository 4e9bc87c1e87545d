"""REST answers: evidence is an event, anything less is an unknown outcome (contract section 9)."""

from __future__ import annotations

import pytest

from engine import events, intents
from engine.types import Refusal
from tests.whitebit.answers import BULK, ORDER, PLACE, POST_ONLY_ERROR, SPOT, answer

EVIDENCE: list[tuple[str, int, object, events.AnyEvent]] = [
    (
        "a validation error",
        422,
        {"code": 32, "message": "Validation failed", "errors": {"amount": ["Min step", "x"]}},
        events.RequestRefused(Refusal(422, 32, "amount", "Min step")),
    ),
    (
        "an order that is gone",
        400,
        {"code": 2, "message": "Inner", "errors": {"orderId": ["Unexecuted order was not found."]}},
        events.RequestRefused(Refusal(400, 2, "orderId", "Unexecuted order was not found.")),
    ),
    (
        "a bad signature",
        401,
        {"code": 10, "message": "Unauthorized request."},
        events.RequestRefused(Refusal(401, 10, "", "Unauthorized request.")),
    ),
    (
        "an empty list of errors",
        451,
        {"errors": [], "message": "Not available in your country.", "success": False},
        events.RequestRefused(Refusal(451, 0, "", "Not available in your country.")),
    ),
    (
        "an envelope of 2022",
        422,
        {"response": None, "status": 422, "errors": {"orderId": ["not found"]}, "warning": "x"},
        events.RequestRefused(Refusal(422, 0, "orderId", "not found")),
    ),
    (
        "a flat public error",
        422,
        {"market": ["Market is not available."]},
        events.RequestRefused(Refusal(422, 0, "market", "Market is not available.")),
    ),
    (
        "a nonce refusal, 429 with JSON",
        429,
        {"code": 0, "errors": {}, "message": "Too many requests."},
        events.RequestRefused(Refusal(429, 0, "", "Too many requests.")),
    ),
    ("a rate limit, 429 without", 429, b"<html>429</html>", events.RequestThrottled()),
    ("a rate limit with an empty body", 429, b"", events.RequestThrottled()),
    ("an unknown route", 404, b"", events.RequestRefused(Refusal(404, 0, "", "no such route"))),
]


@pytest.mark.parametrize(
    ("status", "body", "event"),
    [case[1:] for case in EVIDENCE],
    ids=[case[0] for case in EVIDENCE],
)
def test_refusal_with_evidence(status: int, body: object, event: events.AnyEvent) -> None:
    assert answer(PLACE, status, body) == event


UNKNOWN: list[tuple[str, intents.Intent, int, object]] = [
    ("a gateway's page", PLACE, 503, b"<html>Service Unavailable</html>"),
    ("a server error in JSON", PLACE, 500, {"error": ["Internal server error."]}),
    ("a server error in the shape of a refusal", PLACE, 500, POST_ONLY_ERROR),
    ("a firewall's page", PLACE, 403, b"<html>denied</html>"),
    ("a refusal that is no object", PLACE, 422, [1]),
    ("a redirect", PLACE, 302, b""),
    ("an empty success", PLACE, 200, b""),
    ("a success that is a page", PLACE, 200, b"<html>"),
    ("an error envelope under 200", PLACE, 200, POST_ONLY_ERROR),
    ("the order of another request", PLACE, 200, {**ORDER, "clientOrderId": "q9"}),
    ("an order of another market", PLACE, 200, {**ORDER, "market": "ETH_BTC"}),
    ("a bulk with more results than orders", BULK, 200, [{"result": None, "error": {}}] * 4),
    ("a bulk item with neither", BULK, 200, [{"result": None, "error": None}]),
    ("a bulk item with both", BULK, 200, [{"result": ORDER, "error": POST_ONLY_ERROR}]),
    (
        "a bulk in another order",
        BULK,
        200,
        [{"result": {**ORDER, "clientOrderId": "q2"}, "error": None}],
    ),
    ("an array for cancel all", intents.CancelAll(SPOT), 200, {}),
    (
        "the timer of another market",
        intents.ArmKillSwitch(SPOT, 5),
        200,
        {"market": "ETH_BTC", "startTime": 1, "cancellationTime": 6},
    ),
    ("a stream intent", intents.Ping("private"), 200, []),
]


@pytest.mark.parametrize(
    ("intent", "status", "body"), [case[1:] for case in UNKNOWN], ids=[case[0] for case in UNKNOWN]
)
def test_answer_that_proves_nothing(intent: intents.Intent, status: int, body: object) -> None:
    event = answer(intent, status, body)
    assert isinstance(event, events.OutcomeUnknown)
    assert str(status) in event.reason
