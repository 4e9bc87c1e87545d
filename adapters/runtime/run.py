"""One run of the engine against a venue: recover the journal, learn the markets, loop, end."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Callable
from contextlib import ExitStack
from importlib import metadata
from pathlib import Path

import httpx
import msgspec
import trio

from adapters.ports import Clock, Fs, Ids, Net
from adapters.runtime.chores import Chores
from adapters.runtime.journal import JournalWriter
from adapters.runtime.journal_format import TornTail
from adapters.runtime.journal_keep import Keep
from adapters.runtime.journal_raw import RawWriter
from adapters.runtime.latch import Latch
from adapters.runtime.live import LiveLoop
from adapters.runtime.position_mode import refuse_other_mode
from adapters.runtime.quiet_gc import QuietGc
from adapters.runtime.sequencer import Counts, Observer, Sequencer
from adapters.runtime.snapshots import Recovery, SnapshotKeeper, fold_rest, from_snapshot
from adapters.whitebit.hosts import open_rest
from adapters.whitebit.http_backend import make_http_client
from adapters.whitebit.requests import encode
from adapters.whitebit.responses import normalise_response
from adapters.whitebit.rest import RestAnswer, RestClient
from adapters.whitebit.signing import NonceSource, Secret, Signer
from engine.account import check_assets
from engine.codec import schema_hash
from engine.errors import ConfigError, RemoteProtocolError
from engine.events import MarketsListed, RunEnded, RunStarted, TailCut
from engine.intents import QueryMarkets
from engine.state import State
from engine.types import Market, Quoted, Settings

RECORDED_PACKAGES = ("trio", "trio-websocket", "httpx", "httpcore", "msgspec", "h11", "wsproto")

# Only public data goes this way: the venue's time, and its market list once a minute. Calls that
# were given up hang for a minute; the engine's back-off makes no more of them than this.
HTTP_LIMITS = httpx.Limits(max_connections=10, max_keepalive_connections=1)


MARKETS_PAUSES_S = (0.3, 1.0)
"""Pauses before the market list is asked for again at the start of a run."""
PASSING_STATUSES = frozenset({429, 500, 502, 503, 504})
"""HTTP statuses of a venue that may answer the next time."""


class RunPlan(msgspec.Struct, frozen=True):
    """What to run, decided by the command line and the configuration."""

    mode: str
    """`paper`, `observe` or `live`."""
    market_names: tuple[str, ...]
    quote: Callable[[Market], Quoted]
    """Turns a market as the venue describes it into what this run quotes."""
    settings: Settings
    config: str
    """The configuration as JSON, without secrets."""
    rest_url: str
    ws_url: str
    key: Secret
    secret: Secret
    journal: Path
    rest_fallback_url: str | None = None
    """Of the host for what a colocated `rest_url` does not serve; None when it serves all."""
    raw_capture: bool = True
    compress: bool = True
    """Closed segments of the journal are compressed."""
    keep: Keep = Keep()
    """What is kept of the journal; everything by default."""
    state_directory: Path | None = None
    """Where the panic latch is looked for; None for a run that no other process can reach."""
    account: str | None = None
    """Name among several accounts, which have latches of their own; None heeds all latches."""
    code: bytes = b""
    """The `code_hash` of this program, for snapshots of the state; empty to do without them."""
    code_parts: tuple[tuple[str, str], ...] = ()
    """Hashes of the code that decides and encodes, for the record of the run."""
    threaded: bool = True
    """Snapshots and checks are done in threads, beside the loop; a simulation has none."""


class RunOutcome(msgspec.Struct, frozen=True):
    """How a run went."""

    ended: RunEnded
    state: State
    counts: Counts
    fingerprint: bytes
    started_ns: int
    ended_ns: int
    recovery: Recovery
    """How the state of an earlier run was come by; without that state."""


async def run_engine(
    plan: RunPlan,
    *,
    clock: Clock,
    ids: Ids,
    net: Net,
    fs: Fs,
    observer: Observer | None = None,
    quiet_gc: QuietGc | None = None,
    nonces: NonceSource | None = None,
    task_status: trio.TaskStatus[LiveLoop] = trio.TASK_STATUS_IGNORED,
) -> RunOutcome:
    """Run until the loop that `task_status` reports is told to stop.

    `nonces` are those of the key where it has signed before the run, so that none repeats.

    Raises:
        ConfigError: the panic latch is set, a configured market does not exist, its numbers do
            not fit it, the account is in another position mode than configured, or the journal is
            one of paper where this run is live, or of a live run where this one is not.
        RemoteProtocolError: the venue does not answer with its market list.
        JournalError: the journal is damaged, held by another writer, or cannot be written.
    """
    nonces = nonces or NonceSource(clock.now_ns)
    latch = None if plan.state_directory is None else Latch(fs, plan.state_directory, plan.account)
    if plan.mode != "observe" and latch is not None:
        latch.refuse()
    forbidden = None if latch is None else latch.forbids
    signer = Signer(plan.key, plan.secret)
    async with (
        make_http_client(net, limits=HTTP_LIMITS) as http,
        open_rest(net, http, plan.rest_url, plan.rest_fallback_url, signer, forbidden) as rest,
    ):
        run_started = await _learn(plan, rest, nonces, ids)
        with ExitStack() as files:
            opened = _open(plan, fs, files)
            sequencer = Sequencer(opened.state, opened.journal, opened.raw, clock, nonces, observer)
            if opened.torn is not None:
                torn = opened.torn
                sequencer.take(TailCut(torn.segment, torn.offset, torn.bytes_cut))
            started_ns = clock.now_ns()
            sequencer.start(run_started)
            chores = _chores(plan, fs, clock, sequencer, opened.recovery.snapshot_seq)
            loop = LiveLoop(
                sequencer, rest, net, plan.ws_url, clock, ids, nonces, chores, quiet_gc, latch
            )
            task_status.started(loop)
            ended, digest = await loop.run()
    return RunOutcome(
        ended=ended,
        state=sequencer.state,
        counts=sequencer.counts,
        fingerprint=digest,
        started_ns=started_ns,
        ended_ns=clock.now_ns(),
        recovery=opened.recovery,
    )


def _refuse_mixture(plan: RunPlan, state: State) -> None:
    # What a paper account held must not be taken for a position of the real one, nor the reverse.
    if state.mode and (state.mode == "live") != (plan.mode == "live"):
        raise ConfigError(
            f"{plan.journal}: expected the journal of a {plan.mode} run, found one of a "
            f"{state.mode} run; name another directory with --journal"
        )


class _Opened(msgspec.Struct):
    journal: JournalWriter
    raw: RawWriter | None
    torn: TornTail | None
    state: State
    recovery: Recovery


def _open(plan: RunPlan, fs: Fs, files: ExitStack) -> _Opened:
    # Take the journal, and fold what it holds from the newest snapshot on.
    config_hash = hashlib.sha256(plan.config.encode()).digest()
    schema = schema_hash()
    recovery = from_snapshot(fs, plan.journal, plan.code)
    trusted_seq = recovery.snapshot_seq
    journal, found = JournalWriter.open(
        fs, plan.journal, schema, config_hash, trusted_seq=trusted_seq
    )
    files.enter_context(journal)
    state = fold_rest(fs, plan.journal, recovery.state)
    _refuse_mixture(plan, state)
    raw = None
    if plan.raw_capture:
        # A torn tail of raw bytes is cut without a word: events do not depend on it.
        raw, _ = RawWriter.open(
            fs,
            plan.journal,
            schema,
            config_hash,
            first_seq=journal.next_seq,
            trusted_seq=trusted_seq,
        )
        files.enter_context(raw)
    recovery = msgspec.structs.replace(recovery, state=State())
    return _Opened(journal, raw, found.torn, state, recovery)


def _chores(plan: RunPlan, fs: Fs, clock: Clock, sequencer: Sequencer, snapshot_seq: int) -> Chores:
    keeper = SnapshotKeeper(fs, plan.journal, plan.code, snapshot_seq)

    def now_ns() -> int:
        # By a clock that is years ahead, all of the journal would be too old.
        return 0 if sequencer.state.clock_fault else clock.now_ns()

    return Chores(
        fs,
        plan.journal,
        keeper,
        snapshot_seq,
        threaded=plan.threaded,
        compress=plan.compress,
        keep=plan.keep,
        now_ns=now_ns,
    )


async def _learn(plan: RunPlan, rest: RestClient, nonces: NonceSource, ids: Ids) -> RunStarted:
    # What may forbid a run is asked before there is a journal, and is then its first record.
    markets = await _fetch_markets(rest, plan.market_names)
    quoted = tuple(plan.quote(markets[name]) for name in plan.market_names)
    check_assets(plan.settings, quoted)
    hedge_mode = None
    if plan.mode != "observe":
        hedge_mode = await refuse_other_mode(rest, nonces, quoted)
    return RunStarted(
        run_id=ids.token(3),
        mode=plan.mode,
        versions=versions(),
        config=plan.config,
        settings=plan.settings,
        quoted=quoted,
        hedge_mode=hedge_mode,
        code=plan.code_parts,
    )


def versions() -> tuple[tuple[str, str], ...]:
    """Project, Python and the packages that bytes on the wire or in the journal depend on."""
    found = [("quotefold", metadata.version("quotefold"))]
    found.append(("python", platform.python_version()))
    found += [(name, metadata.version(name)) for name in RECORDED_PACKAGES]
    return tuple(found)


async def _fetch_markets(rest: RestClient, names: tuple[str, ...]) -> dict[str, Market]:
    for pause_s in (*MARKETS_PAUSES_S, None):
        answer = await rest.send(encode(QueryMarkets(), None, 0))
        passing = not isinstance(answer, RestAnswer) or answer.status in PASSING_STATUSES
        if pause_s is None or not passing:
            break
        # Nothing is at stake yet, so a venue that is busy for a moment is asked again.
        await trio.sleep(pause_s)
    if not isinstance(answer, RestAnswer):
        raise RemoteProtocolError(
            f"market list: {answer.reason}; check the venue's rest_url and that it is up"
        )
    event = normalise_response(
        QueryMarkets(), None, answer.status, answer.body, {}, frozenset(names)
    )
    if not isinstance(event, MarketsListed):
        raise RemoteProtocolError(f"market list: HTTP {answer.status}, {event}")
    markets = {market.name: market for market in event.markets}
    for name in names:
        if name not in markets:
            raise ConfigError(f"market.{name}: the venue does not list this market")
    return markets
