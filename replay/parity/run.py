"""Play a captured run as a backtest, and compare the two.

The journal is read several times, and the backtest once; what both did is kept only where the other
one's fills ask for it, so that memory grows with the fills and not with the market data.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from adapters.ports import Fs
from engine.codec import decode_records
from engine.errors import ConfigError
from engine.events import RunStarted
from replay.backtest.made import LatencySpec
from replay.backtest.played import Played
from replay.backtest.run import Plan, Tell, play, run_backtest
from replay.backtest.source import Source, find_journal, find_timed
from replay.parity.compare import MarketParity, compare
from replay.parity.fills import Fill
from replay.parity.follow import Follower, questions_of
from replay.parity.looks import Look
from replay.parity.matching import Pair, match
from replay.read import read_blocks, read_records

Looks = dict[tuple[str, int], Look | None]
"""By market and deal."""


class Wanted(msgspec.Struct, frozen=True):
    """How the backtest is to be played."""

    latency: LatencySpec
    queue: str = "risk_averse"
    """Name of the queue model."""
    seed: int = 1
    """Of all that it draws."""
    versions: tuple[tuple[str, str], ...] = ()
    """Of this program, for the backtest's journal."""
    code: tuple[tuple[str, str], ...] = ()


class Parity(msgspec.Struct, frozen=True):
    """A captured run against its backtest."""

    started: RunStarted
    """Of the captured run's first record."""
    began_ns: int
    ended_ns: int
    """Last record of the captured run."""
    runs: int
    """Of the captured journal: the first one's configuration is played."""
    changed: int
    """Times that the configuration of a market changed in it."""
    unvalued: dict[str, tuple[str, ...]]
    """Assets of fees that no P&L counts, by market, of either of the two."""
    untold: tuple[str, ...]
    """Markets whose last funding is in no P&L yet, of either of the two."""
    plan: Plan
    played: Played
    markets: tuple[MarketParity, ...]


class _Followed:
    # A journal in memory that lets a follower have each record and keeps none.
    def __init__(self, follower: Follower) -> None:
        self._follower = follower

    def append_all(self, first_seq: int, payloads: Sequence[bytes]) -> None:
        self._follower.take(decode_records(payloads))

    def flush(self) -> None:
        pass

    catch_up = sync = flush


def parity(
    fs: Fs, journal: Path, wanted: Wanted, out: Path | None = None, tell: Tell | None = None
) -> Parity:
    """Compare what a journal captured with a backtest by its own first configuration.

    Args:
        fs: Where the journal is.
        journal: From the first record of its first run on.
        wanted: How the backtest is to be played.
        out: Where its journal goes; None to keep none.
        tell: Told of its progress.

    Raises:
        ConfigError: the journal cannot be played, or compared.
        JournalError: it is damaged.
    """
    first = next(read_records(fs, journal), None)
    if first is None or not isinstance(first.event, RunStarted):
        raise ConfigError(
            f"{journal}: expected a journal from the start of its first run on, found"
            f" {'none' if first is None else 'one whose oldest records are gone'}"
        )
    live = Follower()
    _follow(fs, journal, live)
    timed = find_timed(fs, wanted.latency)
    plan = _plan(find_journal(fs, str(journal)), timed, first.event, live, wanted)
    asked = sorted(live.fills, key=_when)
    backtest = Follower(questions_of(asked))
    if out is None:
        played = play(fs, plan, _Followed(backtest), tell)
        backtest.end()
    else:
        played = run_backtest(fs, plan, out, tell)
        _follow(fs, out, backtest)
    return Parity(
        started=first.event,
        began_ns=live.began_ns,
        ended_ns=live.state.now_ns,
        runs=live.runs,
        changed=live.changed,
        unvalued=_unvalued(live, backtest),
        untold=_untold(live, backtest),
        plan=plan,
        played=played,
        markets=compare_all(
            live, backtest, asked, lambda again: _follow(fs, journal, again, live.state.seq)
        ),
    )


def _plan(
    journal: Source, timed: Source | None, started: RunStarted, live: Follower, wanted: Wanted
) -> Plan:
    return Plan(
        quoted=started.quoted,
        settings=started.settings,
        config=_config(started),
        journals=(journal,),
        latency=wanted.latency,
        timed=timed,
        queue=wanted.queue,
        seed=wanted.seed,
        begin_ns=live.began_ns,
        end_ns=live.stop_ns or live.state.now_ns,
        versions=wanted.versions,
        code=wanted.code,
        as_run=True,
    )


def _config(started: RunStarted) -> str:
    # A captured backtest is another one than that which is made of it.
    config = msgspec.json.decode(started.config)
    config.pop("backtest", None)
    return msgspec.json.encode(config).decode()


def _follow(fs: Fs, journal: Path, follower: Follower, until_seq: int | None = None) -> None:
    for block in read_blocks(fs, journal, until_seq):
        follower.take(block)
    follower.end()


def compare_all(
    live: Follower,
    backtest: Follower,
    asked: Sequence[Fill],
    follow: Callable[[Follower], None],
) -> tuple[MarketParity, ...]:
    """Compare every market of two journals that were followed to their end.

    Args:
        live: Without questions.
        backtest: With the live one's fills as its questions.
        asked: These fills, in the order of the questions.
        follow: Lets a follower go through the live journal once more.
    """
    matched: dict[str, tuple[list[Pair], list[Fill], list[Fill]]] = {}
    left: list[Fill] = []
    for name in live.state.markets:
        ours = [fill for fill in live.fills if fill.market == name]
        theirs = [fill for fill in backtest.fills if fill.market == name]
        pairs, unpaired = match(ours, theirs)
        matched[name] = pairs, ours, theirs
        left += [theirs[number] for number in unpaired]
    left.sort(key=_when)
    again = Follower(questions_of(left))
    if left:
        follow(again)
    at_backtest, at_live = _by_deal(asked, backtest), _by_deal(left, again)
    found = []
    for name, (pairs, ours, theirs) in matched.items():
        looks = (
            [at_backtest.get((name, fill.deal_id)) for fill in ours],
            [at_live.get((name, fill.deal_id)) for fill in theirs],
        )
        found.append(compare(name, live, backtest, pairs, (ours, theirs), looks))
    return tuple(found)


def _by_deal(asked: Sequence[Fill], follower: Follower) -> Looks:
    looks = follower.looks
    return {(f.market, f.deal_id): looks.get(number) for number, f in enumerate(asked)}


def _unvalued(live: Follower, backtest: Follower) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for follower in (live, backtest):
        for name, market in follower.state.markets.items():
            assets = [asset for asset, _ in market.inventory.other_fees]
            if assets:
                found[name] = tuple(dict.fromkeys((*found.get(name, ()), *assets)))
    return found


def _untold(live: Follower, backtest: Follower) -> tuple[str, ...]:
    states = live.state, backtest.state
    return tuple(
        [
            name
            for name in live.state.markets
            if any(state.markets[name].inventory.funding.unknown for state in states)
        ]
    )


def _when(fill: Fill) -> int:
    return fill.at_ns
