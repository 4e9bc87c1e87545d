"""What a check is, what it may use, and how a list of them is run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple, Protocol

import msgspec
import trio

from adapters.cli.config import Config
from adapters.cli.credentials import Credentials
from adapters.ports import AppendFile, Clock, Fs, Ids, Net
from adapters.whitebit.requests import Request, encode
from adapters.whitebit.responses import normalise_response
from adapters.whitebit.rest import RestAnswer, RestClient
from adapters.whitebit.signing import NonceSource
from engine.errors import JournalError, QuotefoldError, RemoteProtocolError
from engine.events import AnyEvent, FeesListed, RequestRefused
from engine.intents import Intent
from engine.money import format_units
from engine.types import Market, Quoted

PATIENCE_S = 10.0
"""A check that has no result by then has failed; a healthy venue answers in a tenth of a second."""


class Status(StrEnum):
    PASS = "pass"
    WARN = "warn"
    FAIL = "fail"
    SKIPPED = "skipped"


class Finding(msgspec.Struct, frozen=True):
    """What a check found."""

    status: Status
    text: str
    """Found, on one line."""
    hint: str = ""
    """What to do; empty where there is nothing."""
    passing: bool = False
    """Whether what failed may be well by itself a minute later: a busy venue, no network."""


class Result(msgspec.Struct, frozen=True):
    """A finding under the name of its check."""

    name: str
    status: Status
    text: str
    hint: str
    duration_ms: float
    passing: bool = False
    """As of the finding."""


def passed(text: str) -> Finding:
    return Finding(Status.PASS, text)


def warned(text: str, hint: str) -> Finding:
    return Finding(Status.WARN, text, hint)


def failed(text: str, hint: str) -> Finding:
    return Finding(Status.FAIL, text, hint)


def busy(text: str, hint: str) -> Finding:
    """Fail on what may be well by itself a minute later."""
    return Finding(Status.FAIL, text, hint, passing=True)


def unanswered(event: AnyEvent, hint: str) -> Finding:
    """Fail on an answer that is not the expected one; only a refusal is there to stay."""
    return Finding(Status.FAIL, refusal_words(event), hint, not isinstance(event, RequestRefused))


def skipped(text: str) -> Finding:
    return Finding(Status.SKIPPED, text)


class MachineFs(Fs, Protocol):
    """Files, and what a check wants to know of the disk below them."""

    def free_bytes(self, path: Path) -> int: ...

    def open_append(self, path: Path) -> AppendFile: ...


class Host(msgspec.Struct, frozen=True, kw_only=True):
    """What this process runs in."""

    python: tuple[int, int, int]
    uid: int
    open_files_max: int
    core_bytes_max: int
    """Size of a core dump, -1 without a limit."""


class Patient:
    """What the checks share: the ports, the configuration, and what earlier checks have learned.

    Attributes:
        config: Has passed every check that needs no venue.
        fs, clock, ids, net, env, host: Where everything is read and measured.
        rest: The venue's REST API, signed with the account's key.
        ws_url: Of its WebSocket.
        nonces: The one source of nonces of the key.
        credentials: Loads the account's credentials, or raises ConfigError.
        account: Its name among several; None where there is one.
        learned: What checks found out for those after them.
    """

    def __init__(
        self,
        *,
        config: Config,
        fs: MachineFs,
        clock: Clock,
        ids: Ids,
        net: Net,
        env: Mapping[str, str],
        host: Host,
        rest: RestClient,
        ws_url: str,
        nonces: NonceSource,
        credentials: Callable[[], Credentials],
        account: str | None = None,
    ) -> None:
        self.config = config
        self.fs = fs
        self.clock = clock
        self.ids = ids
        self.net = net
        self.env = env
        self.host = host
        self.rest = rest
        self.ws_url = ws_url
        self.nonces = nonces
        self.credentials = credentials
        self.account = account
        self.learned = Learned()

    async def ask(self, intent: Intent, market: Market | None = None) -> AnyEvent:
        """Ask the venue one thing, and return the event that a run would have journaled.

        Raises:
            RemoteProtocolError: no answer.
        """
        request = encode(intent, market, self.nonces.draw())
        answer = await self.fetch(request)
        markets = self.learned.markets
        only = frozenset(self.config.market)
        return normalise_response(intent, market, answer.status, answer.body, markets, only)

    async def get(self, path: str) -> RestAnswer:
        """Ask for public data below `/api/v4/public/`; raises as `ask`."""
        return await self.fetch(Request("GET", f"/api/v4/public/{path}", b""))

    async def fetch(self, request: Request) -> RestAnswer:
        """Send one request; raises as `ask`."""
        with trio.move_on_after(PATIENCE_S):
            answer = await self.rest.send(request)
            if isinstance(answer, RestAnswer):
                return answer
            raise RemoteProtocolError(f"{request.path}: {answer.reason}")
        raise RemoteProtocolError(f"{request.path}: no answer within {PATIENCE_S:g} s")


class Learned:
    """What checks found out for those after them; empty where they failed.

    Attributes:
        markets: The configured markets as the venue lists them.
        quoted: What they would be quoted by.
        tops: Best bid and ask, ticks.
        fees: Of this account.
        armed: Markets with a kill-switch timer, of all the account's.
        resting: Market -> open orders of the account there.
    """

    def __init__(self) -> None:
        self.markets: dict[str, Market] = {}
        self.quoted: dict[str, Quoted] = {}
        self.tops: dict[str, tuple[int, int]] = {}
        self.fees: dict[str, FeesListed] = {}
        self.armed: frozenset[str] = frozenset()
        self.resting: dict[str, int] = {}


class Check(NamedTuple):
    """One check: its name, what it does, and the checks without which it means nothing."""

    name: str
    run: Callable[[Patient], Awaitable[Finding]]
    needs: tuple[str, ...] = ()


async def examine(
    patient: Patient,
    checks: Iterable[Check],
    tell: Callable[[Result], None] | None = None,
) -> list[Result]:
    """Run checks in their order; one whose need did not come out well is skipped.

    Args:
        patient: What they look at.
        checks: Each after those that it needs.
        tell: Called with each result as it comes.
    """
    results: list[Result] = []
    useless: set[str] = set()
    for check in checks:
        began_ns = patient.clock.now_ns()
        missing = [need for need in check.needs if need in useless]
        if missing:
            finding = skipped(f"needs {', '.join(missing)}")
        else:
            finding = await _found(patient, check)
        if finding.status in (Status.FAIL, Status.SKIPPED):
            useless.add(check.name)
        took_ms = (patient.clock.now_ns() - began_ns) / 1e6
        text = " ".join(finding.text.split())
        took_ms = round(took_ms, 1)
        result = Result(check.name, finding.status, text, finding.hint, took_ms, finding.passing)
        results.append(result)
        if tell is not None:
            tell(result)
    return results


async def _found(patient: Patient, check: Check) -> Finding:
    # What stops a run is what a check is there to find.
    try:
        return await check.run(patient)
    except RemoteProtocolError as error:
        return busy(str(error), "check rest_url, the network and the venue's status page")
    except JournalError as error:
        return failed(str(error), "quotefold journal verify lists all damage")
    except QuotefoldError as error:
        return failed(str(error), "correct what it names; docs/deploying.md says where it belongs")
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return failed(f"{where}{error.strerror or error}", "look at permissions and the disk")


def refusal_words(event: AnyEvent) -> str:
    """Say what an answer other than the expected one was."""
    if isinstance(event, RequestRefused):
        refusal = event.refusal
        text = refusal.text or "no text"
        return f"refused with HTTP {refusal.http_status}, code {refusal.code}: {text}"
    return str(getattr(event, "reason", type(event).__name__))


def each(problems: Iterable[str]) -> str:
    return "; ".join(problems)


def amount(market: Market, lots: int) -> str:
    """Write a quantity with its asset."""
    return f"{format_units(lots, market.qty_decimals)} {market.base_asset}"
