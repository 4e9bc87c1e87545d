"""Places, bulks, modifies and cancels that are late, lost, refused by a gateway or told twice.

Each row befalls both markets: the spot endpoint and its collateral counterpart.
"""

from __future__ import annotations

from typing import Any

import pytest

from adapters.paper.core.model import Side
from adapters.paper.faults.plan import Kind, Rule
from engine.events import OutcomeUnknown, RequestThrottled
from tests.scenarios.acts import PERP, SPOT, at, fill, hang
from tests.scenarios.case import Case, run_case
from tests.scenarios.world import Act

REQUESTS: dict[str, tuple[str, str, tuple[Act, ...]]] = {
    # What is asked for: the path on either market, and what makes the engine ask.
    "place": (
        "/api/v4/order/new",
        "/api/v4/order/collateral/limit",
        (at(5, fill(SPOT, Side.BUY), fill(PERP, Side.SELL)),),
    ),
    "bulk": ("/api/v4/order/bulk", "/api/v4/order/collateral/bulk", ()),
    "modify": ("/api/v4/order/modify", "/api/v4/order/modify", ()),
    "cancel": ("/api/v4/order/cancel", "/api/v4/order/cancel", (at(5, hang(1)),)),
}
UNKNOWN, THROTTLED = (OutcomeUnknown,), (RequestThrottled,)
FAULTS: dict[str, tuple[Kind, dict[str, Any], tuple[Any, ...]]] = {
    # What befalls it, and the records that there must be of it.
    "arrives and is never answered": (Kind.DROP, {}, ()),
    "never arrives": (Kind.DROP, {"accepted": False}, ()),
    "arrives and its connection breaks": (Kind.CLOSE, {}, UNKNOWN),
    "its connection breaks before it arrives": (Kind.CLOSE, {"accepted": False}, UNKNOWN),
    "is done and answered 503 in HTML": (Kind.ANSWER, {"status": 503}, UNKNOWN),
    "is not done and answered 503": (Kind.ANSWER, {"status": 503, "accepted": False}, UNKNOWN),
    "is done and answered 500": (Kind.ANSWER, {"status": 500}, UNKNOWN),
    "is not done and answered 504": (Kind.ANSWER, {"status": 504, "accepted": False}, UNKNOWN),
    "is throttled": (Kind.ANSWER, {"status": 429, "accepted": False}, THROTTLED),
    "is answered after the deadline": (Kind.DELAY, {"seconds": 4.5}, ()),
    "arrives late, within the nonce window": (Kind.DELAY, {"seconds": 4, "accepted": False}, ()),
    "arrives too late for its nonce": (Kind.DELAY, {"seconds": 6, "accepted": False}, ()),
    "is answered twice": (Kind.DUPLICATE, {}, ()),
}


def case(request: str, fault: str) -> Case:
    spot, perp, acts = REQUESTS[request]
    kind, more, events = FAULTS[fault]
    rules = (
        Rule(kind=kind, path=spot, market=SPOT, times=1, **more),
        Rule(kind=kind, path=perp, market=PERP, times=1, **more),
    )
    return Case(name=f"a {request} {fault}", rules=rules, acts=acts, events=events)


CASES = [case(request, fault) for request in REQUESTS for fault in FAULTS]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_requests(case: Case) -> None:
    run_case(case)
