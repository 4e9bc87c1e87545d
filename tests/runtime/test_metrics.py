"""What a run counts for a monitoring system: the same as its journal says."""

from __future__ import annotations

from collections import Counter
from functools import cache

import pytest
from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families

from adapters.cli.simulate import Simulation
from adapters.cli.summary import summarize
from adapters.runtime.metrics import HEALTHY_NS, STREAM, Metrics, gate_kind
from adapters.runtime.metrics_text import RunCollector
from engine import events as e
from engine.intents import CancelAll
from engine.reduce import reduce
from engine.state import State
from engine.types import Refusal
from tests.cli.kit import NOON, S, quoting
from tests.integration.world import records_of, run_quiet

pytestmark = pytest.mark.slow

SECONDS = 40


@cache
def ran() -> Simulation:
    return run_quiet(SECONDS)


@cache
def counted() -> Metrics:
    """Metrics of the run, fed from its journal as they would have been from the run itself."""
    metrics, state = Metrics(), State()
    for record in records_of(ran().fs):
        state = reduce(state, record)
        metrics.observe(state, record)
    return metrics


def samples(metrics: Metrics, now_ns: int | None = None) -> dict[str, dict[tuple[str, ...], float]]:
    """Parse what a scrape would get: name -> values of the labels, by their names -> value."""
    moment_ns = metrics.state.now_ns if now_ns is None else now_ns
    text = RunCollector(metrics, lambda: moment_ns, lambda: 1_234).text().decode()
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, {})[
                tuple(text for _, text in sorted(sample.labels.items()))
            ] = sample.value
    return found


def test_every_request_and_its_answer_is_counted_once() -> None:
    records = records_of(ran().fs)
    sent = [r.event for r in records if isinstance(r.event, e.RequestSent)]
    expected = Counter(event.path for event in sent if event.method != "WS")
    found: Counter[str] = Counter()
    for (endpoint, outcome), count in counted().requests.items():
        if endpoint != STREAM:
            assert outcome in ("ok", "refused"), outcome
            found[endpoint] += count
    assert found == expected
    assert counted().requests[STREAM, "sent"] == sum(event.method == "WS" for event in sent)
    assert counted().in_flight == 0
    shown = samples(counted())
    for endpoint, count in expected.items():
        assert shown["quotefold_request_seconds_count"][endpoint,] == count
        assert shown["quotefold_request_seconds_bucket"][endpoint, "+Inf"] == count


def test_figures_of_the_state_are_those_of_the_summary() -> None:
    run, shown = ran(), samples(counted())
    summary = summarize(run.outcome, "j")
    assert shown["quotefold_journal_seq"] == {(): summary["records"]}
    assert shown["quotefold_journal_bytes"] == {(): 1_234}
    assert shown["quotefold_decisions_total"] == {(): summary["decisions"]}
    assert sum(shown["quotefold_intents_total"].values()) == summary["intents"]
    assert shown["quotefold_run"] == {("paper", summary["run_id"]): 1}
    for name, market in summary["markets"].items():
        assert shown["quotefold_position"][name,] == float(market["position"])
        assert shown["quotefold_pnl"][name, "total"] == float(market["pnl"])
        assert shown["quotefold_pnl"][name, "fees"] == float(market["pnl_fees"])
        assert shown["quotefold_fills_total"][name, "maker"] == market["maker_fills"]
        assert shown["quotefold_traded_total"][name, "buy"] == float(market["bought"])
        assert shown["quotefold_traded_total"][name, "sell"] == float(market["sold"])
        quoted = shown["quotefold_quoted_seconds_total"][name, "buy"]
        sampled = shown["quotefold_sampled_seconds_total"][name,]
        assert quoted / sampled == pytest.approx(market["bid_uptime"], abs=1e-5)


def test_a_run_that_begins_and_ends_closes_its_gates_and_says_which() -> None:
    shown = samples(counted())
    assert {gate for gate, _ in shown["quotefold_gate_closed"]} == {"stopping"}
    closings = shown["quotefold_gate_closings_total"]
    assert closings["stopping", "BTC_USDT"] == 1


def test_a_gate_that_closes_again_is_counted_again() -> None:
    metrics, tick = Metrics(), e.TimerFired()
    stale = replace(quoting(), now_ns=NOON + 60 * S)
    for seq, state in enumerate((quoting(), stale, stale, quoting(), stale)):
        metrics.observe(state, e.Record(seq, NOON, 0, tick))
    shown = samples(metrics)
    assert shown["quotefold_gate_closed"] == {("feed is stale", "BTC_USDT"): 1.0}
    assert shown["quotefold_gate_closings_total"] == {("feed is stale", "BTC_USDT"): 2.0}


def test_times_left_and_ages_are_those_of_the_scrape() -> None:
    metrics = Metrics()
    metrics.state = quoting()
    shown = samples(metrics, NOON + 12 * S)
    assert shown["quotefold_feed_age_seconds"] == {("BTC_USDT",): 2.0}
    assert shown["quotefold_kill_switch_left_seconds"] == {("BTC_USDT",): 10.0}
    assert samples(metrics, NOON + 30 * S)["quotefold_kill_switch_left_seconds"] == {
        ("BTC_USDT",): 0.0
    }
    assert shown["quotefold_stream_up"] == {("BTC_USDT",): 1.0, ("private",): 1.0}
    assert shown["process_resident_memory_bytes"][()] > 0


def test_an_empty_state_can_be_scraped() -> None:
    shown = samples(Metrics(), 0)
    assert shown["quotefold_journal_seq"] == {(): 0.0}
    assert "quotefold_position" not in shown


FEED = replace(quoting(), decided=())


@pytest.mark.parametrize(
    ("name", "event", "metric", "expected"),
    [
        (
            "an order that risk held back",
            e.Decided((), (e.RiskRefusal("BTC_USDT", "collar", "too far"),)),
            "quotefold_refusals_total",
            {("risk", "BTC_USDT", "collar"): 1.0},
        ),
        (
            "one order of a bulk refused",
            e.OrdersPlaced(
                "BTC_USDT", (e.PlaceResult(None, Refusal(422, 10, "amount", "Not enough")),)
            ),
            "quotefold_refusals_total",
            {("venue", "BTC_USDT", "funds"): 1.0},
        ),
        (
            "a stall",
            e.LoopStalled(1_500_000_000),
            "quotefold_stalled_seconds_total",
            {(): 1.5},
        ),
        (
            "a stream that ended",
            e.StreamClosed("private", "gone", 0),
            "quotefold_stream_ends_total",
            {("private",): 1.0},
        ),
        (
            "a frame that could not be read",
            e.FrameRefused("BTC_USDT", "BTC_USDT", "no JSON"),
            "quotefold_frames_refused_total",
            {("BTC_USDT",): 1.0},
        ),
    ],
)
def test_counts(
    name: str, event: e.AnyEvent, metric: str, expected: dict[tuple[str, ...], float]
) -> None:
    metrics = Metrics()
    metrics.observe(FEED, e.Record(2, NOON, 1, event))
    assert samples(metrics)[metric] == expected


def test_a_request_counts_by_what_became_of_it() -> None:
    metrics = Metrics()
    answers: list[tuple[e.AnyEvent, str]] = [
        (e.OutcomeUnknown("timeout"), "unknown"),
        (e.RequestWithheld("panic latch"), "withheld"),
        (e.RequestThrottled(), "throttled"),
        (e.RequestRefused(Refusal(422, 31, "market", "")), "refused"),
        (e.FrameRefused("rest", "", "no JSON"), "malformed"),
        (e.OrdersAllCancelled("BTC_USDT"), "ok"),
    ]
    state = replace(FEED, decided=(CancelAll("BTC_USDT"),))
    for seq, (answer, _) in enumerate(answers):
        sent = e.RequestSent(0, 1, "POST", "/p", b"")
        metrics.observe(state, e.Record(2 * seq, NOON, 1, sent))
        metrics.observe(state, e.Record(2 * seq + 1, NOON + 3 * S // 100, 2 * seq, answer))
    shown = samples(metrics)
    assert shown["quotefold_requests_total"] == {("/p", outcome): 1.0 for _, outcome in answers}
    assert shown["quotefold_refusals_total"] == {("venue", "BTC_USDT", "market_stopped"): 1.0}
    # Without an answer there is no time to it.
    buckets = shown["quotefold_request_seconds_bucket"]
    assert (buckets["/p", "0.02"], buckets["/p", "0.05"], buckets["/p", "+Inf"]) == (0, 4, 4)


@pytest.mark.parametrize(
    ("gate", "kind"),
    [
        ("reconciling: private stream closed", "reconciling"),
        ("order 5f-12 has been unknown for too long", "order has been unknown for too long"),
        ("no book", "no book"),
        ("behind by 1.25 s, limit 1", "behind by N s, limit N"),
        ("", ""),
    ],
)
def test_the_kind_of_a_gate_leaves_out_what_differs(gate: str, kind: str) -> None:
    assert gate_kind(gate) == kind


@pytest.mark.parametrize("kind", [e.BookDelta, e.BookSnapshot, e.BestBidOffer, e.PublicTrades])
def test_market_data_costs_one_look_up(kind: type) -> None:
    assert kind not in Metrics()._take


def test_a_loop_is_healthy_while_it_turns() -> None:
    metrics = Metrics()
    assert not metrics.is_healthy(NOON)
    metrics.observe(FEED, e.Record(2, NOON, 1, e.TimerFired()))
    assert metrics.is_healthy(NOON + HEALTHY_NS - 1)
    assert not metrics.is_healthy(NOON + HEALTHY_NS)
