"""The mark price of a perpetual, from the documented frame and the captured one (contract 11.5)."""

from __future__ import annotations

from decimal import Decimal

import pytest

from engine.events import FrameRefused, MarkPrice
from tests.whitebit.test_normalise import changed, normalise

RECORD = '["BTC_PERP","86167.8","86224.5","0.00006382",1790121600000,1790113268.565173]'
FLAT = f'{{"method":"premiumIndex_update","params":{RECORD},"id":null}}'.encode()
NESTED = f'{{"method":"premiumIndex_update","params":[{RECORD}],"id":null}}'.encode()
MARK = MarkPrice(
    "BTC_PERP", Decimal("86167.8"), Decimal("86224.5"), Decimal("0.00006382"), 1790121600000
)


@pytest.mark.parametrize("frame", [FLAT, NESTED])
def test_a_mark_price_is_kept_exactly(frame: bytes) -> None:
    assert normalise(frame) == MARK


def test_it_may_have_more_decimals_than_the_market() -> None:
    event = normalise(changed(FLAT, ("86167.8", "86167.8123456")))
    assert isinstance(event, MarkPrice)
    assert event.mark == Decimal("86167.8123456")


def test_before_the_first_there_is_none() -> None:
    event = normalise(changed(FLAT, ('"86167.8"', '"0"')))
    assert isinstance(event, MarkPrice)
    assert event.mark == 0


REFUSED = (
    ("86167.8", "-1", "a mark price"),
    ("86167.8", "9" * 18, "a mark price"),
    ("86167.8", "9" * 30, "18 before the point"),
    ("86167.8", "NaN", "finite"),
    ("BTC_PERP", "XRP_PERP", "of this run"),
    ("1790121600000,", "", "length 6"),
    ("1790121600000", "-1", ">= 0"),
)


@pytest.mark.parametrize(("old", "new", "reason"), REFUSED)
def test_a_mark_price_that_cannot_be_stops_no_market(old: str, new: str, reason: str) -> None:
    event = normalise(changed(FLAT, (old, new)))
    assert isinstance(event, FrameRefused)
    assert event.market == ""
    assert reason in event.reason


def test_a_largest_mark_price_still_fits() -> None:
    most = ((1 << 61) - 1) // 10  # of one decimal
    assert isinstance(normalise(changed(FLAT, ("86167.8", str(most)))), MarkPrice)
    assert isinstance(normalise(changed(FLAT, ("86167.8", str(most + 1)))), FrameRefused)


def test_a_refused_subscription_is_no_fault_of_its_stream() -> None:
    refused = b'{"error":{"code":2,"message":"method not found"},"result":null,"id":12}'
    assert normalise(refused) == FrameRefused(
        "", "", "premiumIndex_subscribe refused with code 2: method not found"
    )
