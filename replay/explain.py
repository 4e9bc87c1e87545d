"""The whole story of one fill: why we were there, what followed, and what would have kept us out.

    story = explain(Journal("journals/first"), deal_id)

Facts are those of the journal; everything else is worked out from them by the pure functions that
the run was decided by: strategy, gates, holds, planner. What has a `2` in its name counts halves.
"""

from __future__ import annotations

import msgspec

from engine import events as e
from engine.errors import ConfigError
from engine.stages import FLATTEN_LEVEL
from engine.state import State
from engine.step import view_in
from engine.types import VenueFill
from replay.backtest.made import MODE, Made, made_by
from replay.kept_out import KeptOut, best_of, held, is_met, kept_out
from replay.legs import cause_of
from replay.machine import Journal
from replay.meeting import met_by, swept_to
from replay.progress import with_progress
from replay.scenes import Scene, scene_of
from replay.search import Wanted, search
from replay.tracer import Tracer, trails
from replay.trails import FillTrail, Leg, Moment, QueuePoint
from replay.verdicts import Kind
from replay.watching import (
    AFTER_NS,
    BEFORE_NS,
    Looks,
    Move,
    Place,
    Told,
    Watch,
    deciding,
)

NEAREST = 3
"""Deals that are named where the one asked for is not there."""
_DUE = (Kind.EAGER, Kind.LARGE, Kind.UNWANTED)


class Race(msgspec.Struct, frozen=True):
    """How the fill and our way out met. Times are ours."""

    happened_ns: int
    """When the venue matched, by its own clock turned into ours; when it was told where the venue
    tells no time, or the clocks were not compared."""
    clock_error_ns: int | None
    """How far that may be off; None where it is when it was told."""
    move: Move | None
    """The request that was to take the order away, on its way when the fill came."""
    due: Place | None
    """The record since which a move was due that no decision had asked for yet."""
    due_after_us: int | None
    """How long after the match the venue sent that record, both by its own clock; negative for
    before; None where it does not tell."""
    nearer: Place | None
    """The decision since which each one wanted the order further away, and kept it."""
    nearer_most: int
    """By how many ticks, at the most."""
    left: Place | None
    """The decision at which the quote would have left the price, had the fill not come."""

    @property
    def late_ns(self) -> int | None:
        """How much sooner our move would have had to reach the venue than it left us."""
        return None if self.move is None else self.move.sent_ns - self.happened_ns


class Priced(msgspec.Struct, frozen=True):
    """Whether a trade at a price meets the decision's own quote, and by what else it would not."""

    price: int
    """Of the trade, ticks."""
    best: int
    """Best price that the strategy wanted on our side, ticks; 0 for none."""
    is_met: bool
    ways: tuple[KeptOut, ...]


class Story(msgspec.Struct, frozen=True):
    """Everything there is to say of a fill."""

    trail: FillTrail
    scenes: tuple[Scene, ...]
    """In their order; only those that the journal holds."""
    looks: tuple[Looks, ...]
    chain: tuple[Told, ...]
    """From the frame to the fill, in the order of the journal."""
    touching: tuple[Told, ...]
    """Every record that tells of the order, until a minute after the fill."""
    queue: tuple[tuple[int, QueuePoint], ...]
    """(ns, estimate) as it changed."""
    mids: tuple[tuple[int, int], ...]
    """(ns, twice the mid) as it changed, around the fill."""
    trades: tuple[tuple[int, int, e.PublicTrade], ...]
    """(seq, ns, trade) of the public trades in the same time."""
    met: tuple[int, int, e.PublicTrade] | None
    """The one that met us, as far as it can be told; in a backtest it may have ended beyond us."""
    race: Race
    priced: Priced | None
    """At our price; None where the journal does not hold the decision, or no strategy made it."""
    swept: Priced | None
    """At the furthest price that takers reached at that moment, in a backtest the recorded book,
    too; None if that was ours."""
    until_ns: int
    """How far the journal was looked at."""
    left_seq: int
    """First recorded fingerprint that this code does not come to; 0 for none."""
    mode: str
    """Of the run: `live`, `paper` or `backtest`."""
    made: Made | None
    """How the backtest was made; None for another run, or where its first record is not there."""
    ended_ns: int | None
    """When the run ended within that time, and the journal with it; None while it went on."""


def find_fill(
    journal: Journal, deal_id: int, market: str = "", *, progress: bool = False
) -> FillTrail:
    """Return the trail of a deal, exactly as `quotefold fills` has it.

    Args:
        journal: Read from its beginning, up to a minute after the deal.
        deal_id: The venue's.
        market: Only of this market; any by default.
        progress: Count records on a terminal's stderr.

    Raises:
        ConfigError: no fill of this engine has that id; names the nearest.
        JournalError: the journal is damaged before that.
    """
    records = journal.records(journal.start.seq + 1)
    nearest: list[int] = []
    elsewhere = ""
    for trail in trails(with_progress(records, enabled=progress), journal.start, Tracer()):
        if trail.fill.deal_id == deal_id:
            if market in ("", trail.fill.market):
                return trail
            elsewhere = trail.fill.market
        nearest = sorted({*nearest, trail.fill.deal_id}, key=lambda known: abs(known - deal_id))
        del nearest[NEAREST:]
    if elsewhere:
        raise ConfigError(
            f"{journal.path}: deal {deal_id}: expected one on {market}, found it on {elsewhere}"
        )
    raise ConfigError(f"{journal.path}: deal {deal_id}: {_unknown(journal, deal_id, nearest)}")


def _unknown(journal: Journal, deal_id: int, nearest: list[int]) -> str:
    wanted = Wanted(kinds=frozenset({"Filled", "FillsListed"}))
    for record in search(journal, wanted, journal.first_seq, journal.last_seq):
        event = record.event
        fills: tuple[VenueFill, ...] = ()
        if isinstance(event, e.Filled):
            fills = (event.fill,)
        elif isinstance(event, e.FillsListed):
            fills = event.fills
        if any(fill.deal_id == deal_id for fill in fills):
            return (
                f"expected a fill of this engine, found a deal of the account (seq {record.seq})"
                " that it did not make, or that was counted before the journal began"
            )
    if not nearest:
        return "expected a fill of this engine, found none in the journal at all"
    known = ", ".join(map(str, sorted(nearest)))
    return f"found none; the nearest are {known} (quotefold fills lists all)"


def explain(journal: Journal, deal_id: int, market: str = "", *, progress: bool = False) -> Story:
    """Return the story of one deal; arguments and errors are those of `find_fill`."""
    return story_of(journal, find_fill(journal, deal_id, market, progress=progress))


def story_of(journal: Journal, trail: FillTrail) -> Story:
    """Return the story of a fill whose trail is known.

    Raises:
        JournalError: the journal is damaged before its last horizon.
    """
    leg, name = trail.leg, trail.fill.market
    moments = _moments(trail)
    until_ns = trail.filled.at_ns + AFTER_NS
    last = max(journal.seq_at(until_ns), trail.seq)
    touching, causes = _touching(journal, trail, last), _causes(trail)
    early_seq = journal.seq_at(max(trail.filled.at_ns - BEFORE_NS, _first_ns(journal)))
    first = min([early_seq, trail.seq, *[moment.seq for _, moment in moments]])
    watch = Watch(trail, touching | causes)
    states: dict[int, State] = {}
    wanted = {moment.seq for _, moment in moments}
    ended_ns = None
    for before, record, after in journal.steps(first, last):
        if record.seq in wanted:
            states[record.seq] = before
        watch.step(before, record, after)
        if isinstance(record.event, e.RunStarted | e.RunEnded):
            ended_ns = record.recv_ns if isinstance(record.event, e.RunEnded) else None
    scenes: list[Scene] = []
    if leg is not None:
        for scene, moment in moments:
            state = states[moment.seq]
            if scene == "decision":
                state = deciding(state)
            scenes.append(scene_of(scene, state, moment, name, leg))
    filled = states[trail.seq]
    told = _told(journal, watch, touching | causes, filled)
    swept = swept_to(trail, watch.trades, filled.mode)
    return Story(
        trail=trail,
        scenes=tuple(scenes),
        looks=tuple(watch.looks),
        chain=tuple([told[seq] for seq in _chain(trail, told)]),
        touching=tuple([told[seq] for seq in sorted(touching)]),
        queue=_queue(trail, watch),
        mids=tuple(watch.mids),
        trades=tuple(watch.trades),
        met=met_by(trail, watch.trades, filled.mode),
        race=_race(journal, trail, watch, scenes, filled),
        priced=_priced(trail, states, trail.fill.price),
        swept=None if swept == trail.fill.price else _priced(trail, states, swept),
        until_ns=until_ns,
        left_seq=journal.left_seq,
        mode=filled.mode,
        made=_made(journal, filled.mode),
        ended_ns=ended_ns,
    )


def _made(journal: Journal, mode: str) -> Made | None:
    if mode != MODE:
        return None
    first = journal.record(journal.first_seq).event
    return made_by(first) if isinstance(first, e.RunStarted) else None


def _first_ns(journal: Journal) -> int:
    return journal.record(journal.first_seq).recv_ns


def _moments(trail: FillTrail) -> list[tuple[str, Moment]]:
    leg = trail.leg
    found = []
    if leg is not None:
        named = (
            ("decision", leg.decided),
            ("send", leg.sent),
            ("acknowledgement", leg.acknowledged),
        )
        found = [(name, moment) for name, moment in named if moment is not None]
    return [*found, ("fill", trail.filled)]


def _touching(journal: Journal, trail: FillTrail, last: int) -> frozenset[int]:
    # What tells of the order, from its first request on. Listings of deals repeat what is known.
    leg, seqs = trail.leg, {trail.seq}
    if leg is None:
        return frozenset(seqs)
    seqs.update(cause.seq for cause in (leg.decided, leg.sent, leg.acknowledged) if cause)
    wanted = Wanted(order=leg.client_order_id)
    first = min(_first_seq(journal, leg), *seqs)
    for record in search(journal, wanted, first, last):
        if not isinstance(record.event, e.FillsListed | e.Fingerprint):
            seqs.add(record.seq)
    return frozenset(seqs)


def _causes(trail: FillTrail) -> frozenset[int]:
    # The links of the chain that are not news of the order itself.
    leg = trail.leg
    causes = () if leg is None else (leg.frame, leg.trigger)
    return frozenset(cause.seq for cause in causes if cause is not None)


def _first_seq(journal: Journal, leg: Leg) -> int:
    # An id names the decision that placed its order (`engine.planner.client_order_id`).
    _, _, rest = leg.client_order_id.partition("-")
    number = rest.partition("-")[0]
    if number.isascii() and number.isdigit():
        seq = int(number)
        if journal.first_seq <= seq <= journal.last_seq:
            event = journal.record(seq).event
            if isinstance(event, e.Decided) and leg.client_order_id in str(event.intents):
                return seq
    return journal.first_seq


def _told(
    journal: Journal, watch: Watch, touching: frozenset[int], state: State
) -> dict[int, Told]:
    # What came before the pass is read by itself; its words only need to know the markets.
    told = dict(watch.told)
    for seq in touching:
        if seq not in told:
            told[seq] = Told(journal.record(seq), state)
    return told


def _chain(trail: FillTrail, told: dict[int, Told]) -> list[int]:
    leg = trail.leg
    seqs = {trail.seq}
    if leg is not None:
        causes = (leg.frame, leg.trigger, leg.decided, leg.sent, leg.acknowledged)
        seqs.update(cause.seq for cause in causes if cause is not None)
        if leg.sent is not None:
            answers = [one.record for one in told.values()]
            seqs.update(one.seq for one in answers if one.cause_seq == leg.sent.seq)
    return sorted(seqs)


def _queue(trail: FillTrail, watch: Watch) -> tuple[tuple[int, QueuePoint], ...]:
    return tuple([(watch.times[p.seq], p) for p in trail.queue if p.seq in watch.times])


def _race(
    journal: Journal, trail: FillTrail, watch: Watch, scenes: list[Scene], state: State
) -> Race:
    fill = trail.fill
    happened_ns: int = trail.filled.at_ns
    error_ns: int | None = None
    # In a backtest one clock is read by both.
    is_one = state.mode == MODE
    if fill.venue_us and (is_one or state.measured):
        happened_ns = fill.venue_us * 1000 - state.clock_offset_ns
        error_ns = 0 if is_one else state.offset_high_ns - state.offset_low_ns
    move = next(iter(watch.moves.values()), None)
    due, due_after_us = None, None
    if move is None and scenes and scenes[-1].verdict.kind in _DUE:
        seq = max(state.markets[fill.market].touched_seq, state.attention_seq)
        if seq > state.decided_seq:
            cause = cause_of(journal.record(seq))
            due = Place(seq, cause.at_ns)
            if cause.venue_us and fill.venue_us:
                due_after_us = cause.venue_us - fill.venue_us
    return Race(
        happened_ns=happened_ns,
        clock_error_ns=error_ns,
        move=move,
        due=due,
        due_after_us=due_after_us,
        nearer=watch.nearer,
        nearer_most=watch.nearer_most,
        left=watch.left,
    )


def _priced(trail: FillTrail, states: dict[int, State], price: int) -> Priced | None:
    leg, side = trail.leg, trail.fill.side
    if leg is None or leg.decided is None or leg.level >= FLATTEN_LEVEL:
        return None
    state = deciding(states[leg.decided.seq])
    market = state.markets[trail.fill.market]
    view = view_in(state, market)
    if view is None:
        return None
    quote = held(market, market.strategy.quote(view))
    met = is_met(quote, side, price)
    ways = kept_out(market, view, side, price) if met else []
    return Priced(price, best_of(quote, side), met, tuple(ways))
