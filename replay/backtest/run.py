"""One backtest from its plan to a journal on the disk.

A backtest that was killed leaves a journal without an end. The same plan gives the same bytes, so
the next call begins anew in its place; one that is whole already is not played again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from adapters.ports import Fs
from adapters.runtime.journal import JournalWriter
from adapters.runtime.journal_format import SEGMENT_BYTES, segment_number
from adapters.runtime.journal_read import LOCK_NAME
from adapters.runtime.journal_verify import verify_journal
from engine.account import check_assets
from engine.codec import schema_hash
from engine.errors import ConfigError, JournalError
from engine.events import Decided, Fingerprint, RequestSent, RunEnded, RunStarted
from engine.reduce import HANDLERS
from engine.state import MarketState, State
from engine.strategy import load_strategy
from engine.types import Quoted, Settings
from replay.backtest.engine import Journal
from replay.backtest.latency import Constant, Latency, Measured, Sampled
from replay.backtest.made import JOURNAL_LABEL, LABEL, MODE, LatencySpec
from replay.backtest.moves import Move, together, until
from replay.backtest.played import Played, refused
from replay.backtest.program import program
from replay.backtest.rows import read_moves
from replay.backtest.source import Source, read_journal, read_recording
from replay.backtest.tape import journal_moves
from replay.backtest.venue import BacktestVenue, funded
from replay.backtest.world import World
from replay.changes import Changes
from replay.model.survey import Survey, survey
from replay.read import read_records
from replay.uncollected import uncollected

_PROGRAM_HEX = 16
"""Characters kept of its hash."""


class Plan(msgspec.Struct, frozen=True):
    """What to play; equal plans give equal journals."""

    quoted: tuple[Quoted, ...]
    settings: Settings
    config: str
    """The configuration as JSON, without secrets."""
    files: dict[str, tuple[Source, ...]] = {}
    """Market -> its recordings, one after the other."""
    journals: tuple[Source, ...] = ()
    """Captured journals, one after the other."""
    latency: LatencySpec = LatencySpec()
    timed: Source | None = None
    """The journal that latencies are taken from, where they are."""
    queue: str = "risk_averse"
    seed: int = 1
    begin_ns: int = 0
    """When the engine begins; 0: with the data."""
    end_ns: int = 0
    """When it is told to stop; 0: with the data."""
    as_run: bool = False
    """It lives through what the run of its one journal did: it begins at `begin_ns`, data or not,
    with what that run began with, and goes on while any market has data."""
    keys: tuple[tuple[str, str], ...] = ()
    """What was changed of the configuration, as `Changes.keys`: `quoted` has it already."""
    versions: tuple[tuple[str, str], ...] = ()
    code: tuple[tuple[str, str], ...] = ()

    @property
    def label(self) -> str:
        """What every result is to be called."""
        return LABEL if self.files else JOURNAL_LABEL


Tell = Callable[[int, int], None]
"""Told of progress: moves so far, and the time."""


def run_backtest(
    fs: Fs,
    plan: Plan,
    journal: Path,
    tell: Tell | None = None,
    *,
    segment_bytes: int = SEGMENT_BYTES,
) -> Played:
    """Play a plan into a journal, or read what came of it where that was done.

    Args:
        fs: Where data and journals are.
        plan: What to play.
        journal: Directory of the journal.
        tell: Told of progress now and then.
        segment_bytes: As for `JournalWriter.open`.

    Raises:
        ConfigError: the plan cannot be played, or the journal is another one.
        JournalError: the disk refused.
    """
    started = start_of(plan)
    done = _found(fs, journal, started)
    if done is not None:
        return done
    stage = _Stage(fs, plan)
    config_hash = hashlib.sha256(started.config.encode()).digest()
    writer, _ = JournalWriter.open(
        fs, journal, schema_hash(), config_hash, segment_bytes=segment_bytes
    )
    with writer:
        return stage.play(started, writer, tell)


def play(fs: Fs, plan: Plan, journal: Journal | None = None, tell: Tell | None = None) -> Played:
    """Play a plan and keep no journal on the disk; what comes of it is the same.

    Args:
        fs: Where the data is.
        plan: What to play.
        journal: Takes the records; nobody by default.
        tell: Told of progress now and then.

    Raises:
        ConfigError: the plan cannot be played.
    """
    return _Stage(fs, plan).play(start_of(plan), journal, tell)


class _Stage:
    # All that a plan needs before the first record is written, so that a bad one leaves none.
    def __init__(self, fs: Fs, plan: Plan) -> None:
        moves, begin_ns = moves_of(fs, plan)
        self._moves = until(moves, plan.end_ns) if plan.end_ns else moves
        self._begin_ns = plan.begin_ns if plan.as_run else max(begin_ns, plan.begin_ns)
        self._end_ns = plan.end_ns
        self._queue = plan.queue
        told = _survey(fs, plan)
        self._latency = _latency(fs, plan, told)
        found = funded(plan.quoted, told, as_run=plan.as_run)
        self._venue = BacktestVenue(found, self._begin_ns)

    def play(self, started: RunStarted, journal: Journal | None, tell: Tell | None) -> Played:
        with uncollected():
            world = World(self._venue, journal, started, self._latency, self._queue, self._begin_ns)
            return world.run(self._moves, tell, self._end_ns)


def changed(plan: Plan, keys: tuple[tuple[str, str], ...]) -> Plan:
    """Return a plan that quotes by other parameters or limits, as `ctl set` takes them.

    Raises:
        ConfigError: a key or a value that does not fit.
    """
    if not keys:
        return plan
    markets = {}
    for quoted in plan.quoted:
        strategy = load_strategy(quoted.strategy, quoted.parameters)
        markets[quoted.market.name] = MarketState(quoted, strategy, strategy.initial_memory())
    state = Changes(keys=keys).applied(State(markets=markets))
    quoted_by = tuple(market.quoted for market in state.markets.values())
    return msgspec.structs.replace(plan, quoted=quoted_by, keys=(*plan.keys, *keys))


def moves_of(fs: Fs, plan: Plan) -> tuple[Iterator[Move], int]:
    """Return what others do in a plan, and when the data of every market has begun.

    Raises:
        ConfigError: the data cannot be used.
    """
    names = [quoted.market.name for quoted in plan.quoted]
    sources = []
    for number, quoted in enumerate(plan.quoted):
        market = quoted.market
        recordings = plan.files.get(market.name, ())
        if recordings and plan.journals:
            raise ConfigError("--data: expected recordings or journals, found both")
        if recordings:
            files = ((each.shown, read_recording(fs, each)) for each in recordings)
            decimals = market.price_decimals, market.qty_decimals
            sources.append(read_moves(files, number, *decimals))
        else:
            sources.append(journal_moves(fs, plan.journals, plan.quoted, number))
    return together(sources, names, to_the_last=plan.as_run)


def span(fs: Fs, plan: Plan) -> tuple[int, int]:
    """Return when the data of a plan begins, and when it ends."""
    moves, begin_ns = moves_of(fs, plan)
    end_ns = begin_ns
    for move in moves:
        end_ns = move[0]
    return begin_ns, end_ns


def _survey(fs: Fs, plan: Plan) -> Survey:
    # What a journal's run was charged, it is charged again.
    if not plan.journals:
        return Survey()
    return survey(read_journal(fs, plan.journals[0], plan.quoted))


def _latency(fs: Fs, plan: Plan, told: Survey) -> Latency:
    spec, timed = plan.latency, plan.timed
    if timed is None:
        assert not spec.journal, "latencies of a journal that was not found"
        return Constant(spec.constant_ns)
    if timed not in plan.journals[:1]:
        told = survey(read_journal(fs, timed, plan.quoted))
    legs = told.latencies
    return Sampled(legs, plan.seed) if spec.sampled else Measured(legs)


def start_of(plan: Plan) -> RunStarted:
    """Return the first record of a plan's journal, which tells the plan apart from every other.

    Data is in it by name and digest, not by its place: the same gives the same journal everywhere.
    So is the program: what another one made of the same plan is no result of this one.

    Raises:
        ConfigError: an account that cannot be modelled.
    """
    check_assets(plan.settings, plan.quoted)
    if any(quoted.hedged for quoted in plan.quoted):
        raise ConfigError("engine.hedge_mode: expected false, a backtest is of one-way accounts")
    latency = msgspec.to_builtins(plan.latency)
    if plan.timed is not None:
        latency |= {"journal": plan.timed.name, "sha256": plan.timed.sha256}
    told = {
        "label": plan.label,
        "data": {
            name: [{"file": each.name, "sha256": each.sha256} for each in files]
            for name, files in plan.files.items()
        },
        "journals": [
            {"journal": each.name, "sha256": each.sha256, "raw": each.raw} for each in plan.journals
        ],
        "latency": latency,
        "queue": plan.queue,
        "seed": plan.seed,
        "set": dict(plan.keys),
        "begin_ns": plan.begin_ns,
        "end_ns": plan.end_ns,
    }
    if plan.as_run:
        told["as_run"] = True
    config = msgspec.json.decode(plan.config)
    run_id = hashlib.sha256(msgspec.json.encode({"backtest": told, **config})).hexdigest()[:6]
    # Not in the run's name, and so in no request: a program that changes nothing changes no more.
    told["program"] = program().hex()[:_PROGRAM_HEX]
    text = msgspec.json.encode({"backtest": told, **config}).decode()
    return RunStarted(
        run_id=run_id,
        mode=MODE,
        versions=plan.versions,
        config=text,
        settings=plan.settings,
        quoted=plan.quoted,
        hedge_mode=False,
        code=plan.code,
    )


def _found(fs: Fs, journal: Path, started: RunStarted) -> Played | None:
    # What is there already: all of this backtest, a part of it that is begun anew, or another.
    names = [name for name in fs.list_dir(journal) if name != LOCK_NAME]
    if not names:
        return None
    state, first, events, decisions, requests, refusals = State(), None, 0, 0, 0, 0
    ended, digest, begun_ns = None, b"", 0
    try:
        for record in read_records(fs, journal):
            event: Any = record.event
            if first is None:
                first, begun_ns = event, record.recv_ns
                if event != started:
                    break
            state = HANDLERS[type(event)](state, record, event)
            kind = type(event)
            decisions += kind is Decided
            requests += kind is RequestSent
            refusals += refused(event)
            events += kind not in (Decided, RequestSent, Fingerprint)
            if kind is Fingerprint:
                digest = event.digest
            elif kind is RunEnded:
                ended = event
    except JournalError:
        # It was killed in the middle of a write.
        ended = None
    strange = [name for name in names if segment_number(name) is None]
    if strange or first not in (None, started):
        raise ConfigError(
            f"{journal}: expected an empty directory or the journal of this very backtest by this"
            " very program, found something else; name another directory"
        )
    if ended is not None and _is_whole(fs, journal):
        counts = events, decisions, requests, refusals
        return Played(ended, state, digest, begun_ns, state.now_ns, 0, *counts)
    for name in names:
        fs.remove(journal / name)
    return None


def _is_whole(fs: Fs, journal: Path) -> bool:
    report = verify_journal(fs, journal)
    closed = all(segment.closed for segment in report.segments)
    return closed and report.torn is None and not report.problems
