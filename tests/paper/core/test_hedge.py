"""Hedge mode, position sides and brackets (contract 6.1, 10.9)."""

from __future__ import annotations

import msgspec
import pytest

from adapters.paper.core.exchange import Exchange
from adapters.paper.core.model import BTC_PERP, BTC_USDT, NewOrder, PositionSide, Status
from tests.paper.exchange_kit import (
    ALICE,
    CONFIG,
    PERP,
    exchange,
    net_lots,
    order,
    placed,
    refused,
    totals,
    units,
    with_alice,
)

LONG, SHORT, BOTH = PositionSide.LONG, PositionSide.SHORT, PositionSide.BOTH


def perp(side: str, amount: str, price: str, **fields: object) -> NewOrder:
    return order(side, amount, price, market=PERP, **fields)


def hedged() -> Exchange:
    """Alice in hedge mode holds 2 long and 1 short, opened at 100 against bob."""
    venue = exchange(with_alice(hedge_mode=True))
    placed(venue, "bob", perp("sell", "2", "100"))
    placed(venue, "alice", perp("buy", "2", "100", position_side=LONG))
    placed(venue, "bob", perp("buy", "1", "100"))
    placed(venue, "alice", perp("sell", "1", "100", position_side=SHORT))
    return venue


def shape(venue: Exchange) -> list[tuple[PositionSide, int]]:
    return [(held.side, held.lots) for held in venue.positions("alice")]


def test_two_positions_live_side_by_side() -> None:
    venue = hedged()
    assert sorted(shape(venue)) == [(LONG, 2000), (SHORT, -1000)]
    assert venue.collateral("alice")["USDT"].margin == units("30")
    assert len({held.position_id for held in venue.positions("alice")}) == 2
    assert net_lots(venue) == 0
    venue.check()


def test_an_order_against_its_side_reduces_and_is_cut() -> None:
    venue = hedged()
    before = totals(venue)
    placed(venue, "bob", perp("buy", "5", "110"))
    closing = placed(venue, "alice", perp("sell", "5", "110", position_side=LONG))
    assert (closing.lots, closing.reduce_only, closing.status) == (2000, True, Status.FILLED)
    assert shape(venue) == [(SHORT, -1000)]
    assert totals(venue) == before


def test_closing_orders_end_with_their_own_position_only() -> None:
    venue = hedged()
    placed(venue, "alice", perp("sell", "2", "120", position_side=LONG))
    placed(venue, "alice", perp("buy", "1", "90", position_side=SHORT))
    placed(venue, "bob", perp("buy", "2", "110"))
    placed(venue, "alice", perp("sell", "2", "110", position_side=LONG))
    left = venue.open_orders("alice")
    assert [(o.position_side, o.leaves_lots) for o in left] == [(SHORT, 1000)]
    statuses = [o.status for o in venue.finished_orders("alice")]
    assert statuses.count(Status.AUTO_CANCELED_REDUCE_ONLY) == 1
    venue.check()


@pytest.mark.parametrize(
    ("side", "fields", "code"),
    [
        ("buy", {}, 114),
        ("buy", {"position_side": BOTH}, 114),
        ("buy", {"position_side": LONG, "reduce_only": True}, 116),
    ],
)
def test_hedge_mode_refuses(side: str, fields: dict[str, object], code: int) -> None:
    assert refused(hedged(), "alice", perp(side, "1", "90", **fields)).code == code


def test_nothing_to_close_is_refused() -> None:
    venue = exchange(with_alice(hedge_mode=True))
    answer = refused(venue, "alice", perp("sell", "1", "100", position_side=LONG))
    assert (answer.code, answer.http) == (116, 422)


def test_one_way_accounts_ignore_the_side_unless_strict() -> None:
    venue = exchange()
    assert (
        placed(venue, "alice", perp("buy", "1", "100", position_side=SHORT)).position_side == BOTH
    )
    strict = exchange(msgspec.structs.replace(CONFIG, strict_position_side=True))
    assert refused(strict, "alice", perp("buy", "1", "100", position_side=LONG)).code == 114
    placed(strict, "alice", perp("buy", "1", "100", position_side=BOTH))


def test_brackets_bound_position_and_orders() -> None:
    market = msgspec.structs.replace(BTC_PERP, brackets={"10": 1000, "20": 500})
    alice = msgspec.structs.replace(ALICE, leverage=15)
    config = with_alice()
    config = msgspec.structs.replace(
        config, markets=(BTC_USDT, market), accounts=(alice, *config.accounts[1:])
    )
    venue = exchange(config)
    assert refused(venue, "alice", perp("buy", "5.001", "100")).code == 111
    placed(venue, "alice", perp("buy", "3", "100"))
    assert refused(venue, "alice", perp("buy", "3", "100")).code == 112
    placed(venue, "alice", perp("buy", "2", "100"))
    placed(venue, "bob", perp("sell", "5", "100"))
    assert refused(venue, "alice", perp("buy", "1", "100")).code == 111
    placed(venue, "alice", perp("sell", "10", "100"))
