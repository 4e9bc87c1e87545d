"""A new run on an old journal: what was left behind is looked into, cancelled or adopted."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from engine import events as e
from engine import intents as i
from engine.gates import closed_gate
from engine.orders import Pending, Status
from engine.rates import SIGNED, bucket_of, room
from engine.reconcile import LEFT
from engine.reduce import reduce
from engine.reduce_limits import own_room
from engine.reduce_session import ADOPT_NS
from engine.state import PRIVATE, Link, MarketState, Recon, ReconStage, State
from engine.strategy import load_strategy
from engine.types import OrderStatus, Position, Settings, Side, Stp, VenueOrder
from engine.working import LEFT_LEVEL
from tests.engine.builders import (
    MARKET,
    NAME,
    T0,
    Run,
    S,
    balances,
    fill,
    fixed,
    margin,
    new_order,
    quoted,
    quoting,
    snapshot,
    started,
    venue_order,
)

QUOTED = quoted(parameters=fixed(((990, 10),), ((1010, 10),)))


def restarted(before: Run, on_restart: str = "cancel") -> Run:
    """A second run on the journal of the first, after a crash without any end."""
    run = Run(state=before.state)
    settings = Settings(on_restart=on_restart)
    run.push(e.RunStarted("r2", "paper", (), "{}", settings, (QUOTED,)))
    return run


def resting(run: Run) -> tuple[VenueOrder, ...]:
    """What the venue lists of a run whose orders all rest."""
    return tuple(
        venue_order(order.client_order_id, order.order_id, side=order.side, price=order.price)
        for order in run.market.live
    )


def recover(run: Run, listed: tuple[VenueOrder, ...] = ()) -> list[i.Intent]:
    """Let the run find its feet at a calm venue with a book; returns what it asks of orders."""
    run.listed = listed
    wanted: list[i.Intent] = []
    for _ in range(8):
        wanted += [intent for _, intent in run.settle(1)]
        if not run.market.feed.book_ok:
            run.push(snapshot(at_ns=run.now_ns))
    return wanted


# --- cancel or adopt ----------------------------------------------------------------------------


def test_orders_left_behind_are_cancelled_at_once_without_being_asked_for() -> None:
    before, orders = quoting()
    run = restarted(before)
    assert {intent for intent in run.decide() if isinstance(intent, i.CancelOrder)} == {
        i.CancelOrder(NAME, order.client_order_id) for order in orders
    }
    assert [order.cancel_at_ns for order in run.market.live] == [0, 0]


def test_nothing_is_quoted_before_the_orders_left_behind_are_gone() -> None:
    before, orders = quoting()
    run = restarted(before)
    sent: list[tuple[int, i.Intent]] = []
    run.listed = resting(before)
    for _ in range(4):
        sent += run.settle(1)
        if not run.market.feed.book_ok:
            run.push(snapshot(at_ns=run.now_ns))
        run.wait(0.1)
    assert closed_gate(run.state, run.market) == f"reconciling: {LEFT}"
    assert [intent for _, intent in sent] == [
        i.CancelOrder(NAME, order.client_order_id) for order in orders
    ]
    asked_ns = run.market.recon.orders_asked_ns
    assert run.now_ns - asked_ns < 1_000_000_000, "it looks again and again"
    run.listed = ()
    for (seq, _), order in zip(sent, resting(before), strict=True):
        run.push(e.OrderCancelled(replace(order, status=OrderStatus.CANCELLED)), seq)
        run.wait(0.1)
    (place,) = recover(run)
    assert isinstance(place, i.PlaceOrders)


def test_orders_left_behind_are_adopted_with_their_place_in_the_queue() -> None:
    before, orders = quoting()
    run = restarted(before, "adopt")
    assert recover(run, resting(before)) == []
    assert closed_gate(run.state, run.market) == ""
    assert [order.client_order_id for order in run.market.live] == [
        order.client_order_id for order in orders
    ]


def test_adopted_orders_are_cancelled_when_the_new_run_does_not_find_its_feet() -> None:
    before, orders = quoting()
    run = restarted(before, "adopt")
    run.push(e.TimerFired(), after_ns=ADOPT_NS - 1)
    assert not [intent for intent in run.decide() if isinstance(intent, i.CancelOrder)]
    run.push(e.TimerFired(), after_ns=1)
    cancels = [intent for intent in run.decide() if isinstance(intent, i.CancelOrder)]
    assert len(cancels) == len(orders)
    assert ADOPT_NS == 3 * S


def test_who_only_observes_touches_no_order_and_forgets_none() -> None:
    before, orders = quoting()
    run = Run(state=before.state)
    run.push(e.RunStarted("r2", "observe", (), "{}", Settings(), (QUOTED,)))
    run.wait(60)
    assert not [intent for intent in run.decide() if isinstance(intent, i.CancelOrder)]
    assert [order.client_order_id for order in run.market.live] == [
        order.client_order_id for order in orders
    ]
    third = restarted(run)
    assert len([intent for intent in third.decide() if isinstance(intent, i.CancelOrder)]) == 2


def test_an_adopted_order_that_is_not_wanted_where_it_is_is_moved() -> None:
    before, _ = quoting(((985, 10),))
    run = restarted(before, "adopt")
    (move,) = recover(run, resting(before))
    assert isinstance(move, i.ModifyOrder)
    assert move.price == 990


@pytest.mark.parametrize(
    ("price_decimals", "qty_decimals", "price", "qty"),
    [(3, 4, 9900, 100), (1, 2, 99, 1), (0, 0, 10, 1), (2, 2, 990, 1)],
)
def test_orders_in_units_that_changed_since_are_cancelled_all_the_same(
    price_decimals: int, qty_decimals: int, price: int, qty: int
) -> None:
    before, (ask, bid) = quoting()
    before.push(e.Filled(fill(1, qty=3, price=990, client_order_id=bid.client_order_id)))
    market = replace(MARKET, price_decimals=price_decimals, qty_decimals=qty_decimals)
    run = Run(state=before.state)
    run.push(e.RunStarted("r2", "paper", (), "{}", Settings(), (replace(QUOTED, market=market),)))
    known = run.order(bid.client_order_id)
    assert (known.price, known.qty, known.order_id) == (price, qty, bid.order_id)
    filled = 30 if qty_decimals == 4 else 0
    assert (known.filled_qty, known.worst_qty) == (filled, qty - filled)
    assert run.market.inventory.baseline is None
    cancels = [intent for intent in run.decide() if isinstance(intent, i.CancelOrder)]
    assert {c.client_order_id for c in cancels} == {ask.client_order_id, bid.client_order_id}


# --- unknown outcomes ---------------------------------------------------------------------------


def test_what_was_in_flight_is_unknown_and_neither_resent_nor_forgotten() -> None:
    before, (ask, bid) = quoting()
    before.ask(
        i.ModifyOrder(NAME, bid.client_order_id, 991, 5, Stp.CANCEL_NEW),
        i.CancelOrder(NAME, ask.client_order_id),
        i.PlaceOrders(NAME, (new_order("r1-new", level=1),)),
    )
    run = restarted(before)
    assert {o.client_order_id: (o.pending, o.unknown, o.level) for o in run.market.live} == {
        ask.client_order_id: (Pending.CANCEL, True, 0),
        bid.client_order_id: (Pending.MODIFY, True, LEFT_LEVEL + 1),
        "r1-new": (Pending.PLACE, True, LEFT_LEVEL + 2),
    }
    assert (run.market.buy_worst, run.market.sell_worst) == (10 + 5 + 10, 10)
    assert run.state.requests == {}
    assert not [x for x in run.decide() if isinstance(x, i.PlaceOrders | i.ModifyOrder)]


def test_a_place_without_an_outcome_counts_but_its_level_is_quoted_anew() -> None:
    before = Run(QUOTED)
    before.settle()
    before.ask(i.PlaceOrders(NAME, (new_order("r1-new", price=990),)))
    run = restarted(before)
    (place,) = recover(run)
    assert isinstance(place, i.PlaceOrders)
    assert {(order.side, order.level) for order in place.orders} == {(Side.BUY, 0), (Side.SELL, 0)}
    assert run.market.buy_worst == 20, "both may fill"
    run.push(e.OrderOpened(venue_order("r1-new", 5, price=990)))
    cancels = [intent for intent in run.decide() if isinstance(intent, i.CancelOrder)]
    assert cancels == [i.CancelOrder(NAME, "r1-new")]


def test_what_a_crash_overtook_stops_the_market_only_when_it_stays_unknown() -> None:
    before = Run(QUOTED)
    before.settle()
    before.ask(i.PlaceOrders(NAME, (new_order("r1-new", price=990),)))
    sent_ns = before.order("r1-new").sent_ns
    run = restarted(before)
    for age_ns, name in ((10 * S, ""), (10 * S + 1, "r1-new")):
        run.push(e.TimerFired(), after_ns=sent_ns + age_ns - run.now_ns)
        assert run.market.unknown_for_long == name, age_ns


def test_a_modify_without_an_outcome_counts_but_its_level_is_quoted_anew() -> None:
    before, (ask, bid) = quoting()
    before.ask(i.ModifyOrder(NAME, bid.client_order_id, 989, 10, Stp.CANCEL_NEW))
    run = restarted(before)
    listed = (venue_order(bid.client_order_id, bid.order_id, price=990),)
    cancel, place = recover(run, listed)
    assert cancel == i.CancelOrder(NAME, ask.client_order_id)
    assert isinstance(place, i.PlaceOrders)
    assert {(order.side, order.level) for order in place.orders} == {(Side.BUY, 0), (Side.SELL, 0)}
    assert closed_gate(run.state, run.market) == ""
    assert run.order(bid.client_order_id).unknown
    assert run.market.buy_worst == 10 + 10 + 10, "where it is, where it may go, and the new one"


def test_a_place_that_the_crash_overtook_is_cancelled_once_a_listing_shows_it() -> None:
    before = Run(QUOTED)
    before.settle()
    before.ask(i.PlaceOrders(NAME, (new_order("r1-new"),)))
    run = restarted(before)
    assert recover(run, (venue_order("r1-new", 5),))[0] == i.CancelOrder(NAME, "r1-new")


def test_the_same_journal_gives_the_same_orders_each_time_it_is_recovered() -> None:
    before, _ = quoting()
    placed = [
        next(x for x in recover(restarted(before)) if isinstance(x, i.PlaceOrders))
        for _ in range(2)
    ]
    assert placed[0] == placed[1]
    names = {order.client_order_id for order in placed[0].orders}
    assert all(name.startswith("r2-") for name in names), "ids never repeat over runs"


# --- deals --------------------------------------------------------------------------------------


def test_deals_of_the_time_between_are_counted_once_whoever_tells_of_them() -> None:
    before, (_, bid) = quoting()
    before.push(e.Filled(fill(1, qty=4, price=990, client_order_id=bid.client_order_id)))
    run = restarted(before)
    deals = [
        fill(number, qty=3, price=990, client_order_id=bid.client_order_id) for number in (3, 2)
    ]
    run.push(e.Filled(deals[1]))
    run.history = (*deals, fill(1, qty=4, price=990, client_order_id=bid.client_order_id))
    run.base = "0.010"
    recover(run)
    run.push(e.Filled(deals[0]))
    assert (run.market.position, run.market.inventory.fills) == (10, 3)
    assert run.order(bid.client_order_id).status is Status.CLOSED
    assert run.market.recon.stage is ReconStage.DONE
    assert run.market.breaks == 0


def test_an_order_that_ended_before_the_restart_still_owes_its_deals() -> None:
    before, (_, bid) = quoting()
    cid = bid.client_order_id
    filled = venue_order(cid, bid.order_id, price=990, leaves=0, status=OrderStatus.FILLED)
    before.push(e.OrderClosed(filled))
    run = restarted(before)
    assert run.market.buy_worst == 10, "the position does not hold them yet"
    deal = fill(1, price=990, order_id=bid.order_id, client_order_id=cid)
    run.push(e.Filled(deal))
    assert (run.market.position, run.market.buy_worst, run.market.owing) == (10, 0, ())
    run = restarted(before)
    run.base = "0.010"
    run.history = (deal,)
    recover(run)
    assert (run.market.position, run.market.owing, run.market.breaks) == (10, (), 0)


# --- now and then -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("waited_ns", "begins"), [(59_999_000_000, False), (60_000_000_000, True)], ids=["early", "due"]
)
def test_the_venue_is_asked_again_now_and_then_without_an_end_to_quoting(
    waited_ns: int, begins: bool
) -> None:
    run = Run(quoted(), settings=Settings(reconcile_every_ns=60_000_000_000))
    recover(run)
    asked_ns = run.market.recon.orders_asked_ns
    assert run.market.recon.stage is ReconStage.DONE
    run.push(e.TimerFired(), after_ns=asked_ns + waited_ns - run.now_ns)
    recon = run.market.recon
    assert (recon.stage is ReconStage.ORDERS) is begins
    assert not run.market.recon.blind
    assert begins == (run.market.recon.reason == "it is time")


def test_without_a_period_it_is_asked_only_for_a_reason() -> None:
    run = Run(quoted())
    recover(run)
    run.wait(4_000)
    assert run.market.recon.stage is ReconStage.DONE


def test_a_stopping_run_begins_no_periodic_look() -> None:
    run = Run(quoted(), settings=Settings(reconcile_every_ns=5 * S))
    recover(run)
    run.push(e.StopRequested("SIGTERM"))
    run.wait(6)
    assert run.market.recon.stage is ReconStage.DONE


# --- what a run begins with -----------------------------------------------------------------------


def test_a_run_begins_with_what_is_known_of_the_account_and_nothing_else() -> None:
    before = State(
        seq=7,
        decided_seq=6,
        decided=(i.QueryTime(),),
        spot={"USDT": balances()[1]},
        margin={"USDT": margin()},
        positions={"BTC_PERP": Position("BTC_PERP", 1, 3, None, None)},
        halted="a human looks",
        latched="panic",
        anomalies=3,
        last_anomaly="the one before",
        sent=9,
        spent={"/api/v4/orders": T0 + S},
        used={"/api/v4/orders": 2},
    )
    event = e.RunStarted("r2", "paper", (), "{}", Settings(requests_max=40), (QUOTED,))
    strategy = load_strategy(QUOTED.strategy, QUOTED.parameters)
    fresh = MarketState(
        quoted=QUOTED,
        strategy=strategy,
        memory=strategy.initial_memory(),
        recon=Recon(reason="start"),
        touched_seq=8,
    )
    assert reduce(before, e.Record(8, T0, 0, event)) == State(
        seq=8,
        now_ns=T0,
        decided_seq=6,
        attention_seq=8,
        markets={NAME: own_room(fresh)},
        links={NAME: Link(), PRIVATE: Link()},
        spot=before.spot,
        margin=before.margin,
        positions=before.positions,
        run_id="r2",
        mode="paper",
        settings=event.settings,
        sent_max=40,
        anomalies=3,
        last_anomaly="the one before",
        spent=before.spent,
        used=before.used,
    )


def test_each_market_that_is_left_with_orders_is_an_anomaly() -> None:
    before, orders = quoting()
    other = replace(QUOTED, market=replace(MARKET, name="ETH_USDT"))
    event = e.RunStarted("r2", "paper", (), "{}", Settings(), (other,))
    state = replace(before.state, anomalies=3)
    record = e.Record(state.seq + 1, T0, 0, event)
    after = reduce(state, record)
    assert (after.anomalies, after.last_anomaly) == (
        4,
        f"{NAME}: not quoted by this run, but {len(orders)} orders live",
    )
    calm = replace(before.state, markets={NAME: started(QUOTED).market}, anomalies=3)
    assert reduce(calm, record).anomalies == 3, "nothing rests on it"


def test_time_goes_on_by_a_record_where_nothing_else_does() -> None:
    after = reduce(State(seq=7), e.Record(8, T0, 0, e.TimerFired()))
    assert (after.seq, after.now_ns, after.attention_seq) == (8, T0, 8)


def test_a_clock_that_was_set_back_since_leaves_buckets_empty_at_the_most() -> None:
    before = replace(started().state, spent={SIGNED: T0 + 3_600 * S, "/api/v4/orders": T0 + S})
    run = Run(state=replace(before, now_ns=T0))
    run.push(e.RunStarted("r2", "paper", (), "{}", Settings(), (quoted(),)), after_ns=0)
    signed = bucket_of(SIGNED, 80)
    assert run.state.spent == {
        SIGNED: T0 + signed.depth * signed.each_ns,
        "/api/v4/orders": T0 + S,
    }
    assert room(replace(run.state, used={}), SIGNED) == 0
    assert room(replace(run.state, used={}, now_ns=T0 + signed.each_ns), SIGNED) == 1
