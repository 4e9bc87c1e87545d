"""What can be wrong with a patient, check by check, and what the check then says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from msgspec.structs import replace

from adapters.cli.checks.base import Status
from adapters.cli.credentials import Credentials
from adapters.cli.limits import MarketLimits
from adapters.cli.venue_config import VenueConfig as Place
from adapters.paper.config import VenueConfig
from adapters.paper.faults.plan import Kind, Plan, Rule
from adapters.whitebit.signing import Secret
from engine.errors import ConfigError
from tests.doctor.kit import Spoil, Ward


def _host(**fields: Any) -> Spoil:
    def spoil(ward: Ward) -> None:
        ward.patient.host = replace(ward.patient.host, **fields)

    return spoil


def _env(**variables: str) -> Spoil:
    def spoil(ward: Ward) -> None:
        ward.patient.env = variables

    return spoil


def _config_mode(ward: Ward) -> None:
    Path(ward.patient.config.source).chmod(0o666)


def _no_credentials(ward: Ward) -> None:
    def refuse() -> Credentials:
        raise ConfigError("credentials: my.toml: expected mode 0600, found 0644")

    ward.patient.credentials = refuse


def _from_environment(ward: Ward) -> None:
    ward.patient.credentials = lambda: Credentials(Secret("k"), Secret("s"), "environment")


def _latched(ward: Ward) -> None:
    state = Path(str(ward.patient.config.operator.directory))
    state.mkdir()
    (state / "panic-latch").write_text("set by quotefold panic")


def _journals(ward: Ward) -> Path:
    directory = Path(ward.patient.config.journal.directory)
    directory.mkdir()
    return directory


def _open_to_all(ward: Ward) -> None:
    _journals(ward).chmod(0o777)


def _file_in_its_place(ward: Ward) -> None:
    Path(ward.patient.config.journal.directory).write_text("")


def _disk(**fields: Any) -> Spoil:
    def spoil(ward: Ward) -> None:
        for name, value in fields.items():
            setattr(ward.fs, name, value)

    return spoil


def _ws(url: str) -> Spoil:
    def spoil(ward: Ward) -> None:
        ward.patient.ws_url = url

    return spoil


def _clock(seconds: float) -> Spoil:
    def spoil(ward: Ward) -> None:
        ward.clock.shift_ns = int(seconds * 1e9)

    return spoil


def _answer(path: str, status: int, body: bytes) -> Spoil:
    return lambda ward: ward.answer(path, status, body)


def _change(market: str = "BTC_USDT", **fields: Any) -> Spoil:
    return lambda ward: ward.change(market, **fields)


def _tune(**parameters: Any) -> Spoil:
    return lambda ward: ward.tune(**parameters)


def _hedge_mode(ward: Ward) -> None:
    config = ward.patient.config
    ward.patient.config = replace(config, engine=replace(config.engine, hedge_mode=True))


def _hedged(ward: Ward) -> None:
    _hedge_mode(ward)
    ward.answer("collateral-account/hedge-mode", 200, b'{"hedgeMode":true}')


def _rename(ward: Ward) -> None:
    config = ward.patient.config
    ward.patient.config = replace(config, market={"DOGE_USDT": config.market["BTC_USDT"]})


async def _listed(ward: Ward, old: bytes, new: bytes) -> None:
    answer = await ward.patient.get("markets")
    assert old in answer.body
    ward.answer("public/markets", 200, answer.body.replace(old, new))


async def _no_book(ward: Ward) -> None:
    await ward.bench.bob.ok("order/cancel/all", market="BTC_USDT")


def _key(**settings: Any) -> Spoil:
    return lambda ward: ward.admin("/keys/settings", key=ward.key, **settings)


class Stuck:
    """Gives the same nonce for ever."""

    offset_ms = 0

    def __init__(self, nonce: int) -> None:
        self._nonce = nonce

    def draw(self) -> int:
        return self._nonce


def _old_nonce(ward: Ward) -> None:
    ward.patient.nonces = Stuck(ward.clock.now_ns() // 1_000_000 - 60_000)  # type: ignore[assignment]


class Repeating(Stuck):
    """Gives each nonce twice, as two programs with one key would."""

    _draws = 0

    def draw(self) -> int:
        self._draws += 1
        return self._nonce + self._draws // 2


def _shared_key(ward: Ward) -> None:
    start = ward.clock.now_ns() // 1_000_000
    ward.patient.nonces = Repeating(start)  # type: ignore[assignment]


def _rpi(ward: Ward) -> None:
    ladder = [{"qty": "0.005", "stp": "cn", "rpi": True}]
    ward.tune(ladder=ladder)


def _rpi_allowed(ward: Ward) -> None:
    _rpi(ward)
    account = ward.bench.handle.accounts[0].account
    ward.admin("/accounts/settings", name=account, rpi_maker_premium="0.0001")


def _withdrawn(ward: Ward, asset: str, amount: str, wallet: str = "spot") -> None:
    account = ward.bench.handle.accounts[0].account
    ward.admin("/withdraw", account=account, asset=asset, amount=amount, wallet=wallet)


async def _armed(ward: Ward) -> None:
    await ward.bench.alice.ok("order/kill-switch", market="BTC_USDT", timeout="60")


async def resting(ward: Ward) -> None:
    await ward.bench.alice.limit("buy", "50000")


def _small_orders(ward: Ward) -> None:
    ward.change(limits=MarketLimits(order_qty_max="0.009"))


def _live(**fields: Any) -> Spoil:
    def spoil(ward: Ward) -> None:
        venue = Place(rest_url="https://whitebit.com", ws_url="wss://api.whitebit.com/ws")
        config = ward.patient.config
        fields.setdefault("limits", MarketLimits())
        spot = replace(config.market["BTC_USDT"], **fields)
        ward.patient.config = replace(config, venue=venue, market={"BTC_USDT": spot})

    return spoil


async def armed_everywhere(ward: Ward) -> None:
    for market in ("BTC_USDT", "BTC_PERP"):
        await ward.bench.alice.ok("order/kill-switch", market=market, timeout="600")


def never_disarmed(ward: Ward) -> None:
    ward.rest.broken = lambda request: b'"timeout":null' in request.body


def _fault(*rules: Rule) -> VenueConfig:
    return VenueConfig(faults=Plan(rules=rules))


ARM = "/api/v4/order/kill-switch"
LOST = Rule(kind=Kind.CLOSE, path=ARM)

CASES: list[tuple[str, str, Status, str, Spoil | None, VenueConfig | None]] = [
    ("python", "too old", Status.FAIL, "Python 3.10.9", _host(python=(3, 10, 9)), None),
    ("user", "root", Status.WARN, "runs as root", _host(uid=0), None),
    ("open_files", "few", Status.FAIL, "64 open files", _host(open_files_max=64), None),
    ("open_files", "no limit", Status.PASS, "any number", _host(open_files_max=-1), None),
    ("core_dumps", "allowed", Status.WARN, "core dump", _host(core_bytes_max=-1), None),
    ("service", "no watchdog", Status.WARN, "does not watch", _env(INVOCATION_ID="1"), None),
    (
        *("service", "watched", Status.PASS, "a pulse every 9 µs"),
        _env(INVOCATION_ID="1", WATCHDOG_USEC="9", NOTIFY_SOCKET="/s"),
        None,
    ),
    ("config_mode", "writable", Status.FAIL, "mode 0666", _config_mode, None),
    ("credentials", "readable", Status.FAIL, "expected mode 0600", _no_credentials, None),
    ("credentials", "environment", Status.WARN, "environment", _from_environment, None),
    (
        *("position_mode", "hedged", Status.FAIL, "the account is in hedge mode"),
        _answer("collateral-account/hedge-mode", 200, b'{"hedgeMode":true}'),
        None,
    ),
    (
        *("position_mode", "not hedged", Status.FAIL, "the account is not in hedge mode"),
        _hedge_mode,
        None,
    ),
    (
        *("position_mode", "hedged as configured", Status.PASS, "hedge mode"),
        _hedged,
        None,
    ),
    (
        *("position_mode", "unreadable", Status.WARN, "HTTP 503 without the position mode"),
        _answer("collateral-account/hedge-mode", 503, b"<html>"),
        None,
    ),
    ("latch", "set", Status.FAIL, "set by quotefold panic", _latched, None),
    ("journal_directory", "open to all", Status.FAIL, "mode 0777", _open_to_all, None),
    ("journal_directory", "a file", Status.FAIL, "journals", _file_in_its_place, None),
    ("disk_space", "full", Status.FAIL, "0.1 GiB free", _disk(free=100 << 20), None),
    ("disk_space", "nearly full", Status.WARN, "1.0 GiB free", _disk(free=1 << 30), None),
    ("disk_sync", "slow", Status.WARN, "takes 6.00 ms", _disk(syncs_ms=[6.0]), None),
    ("disk_sync", "at times", Status.WARN, "120.00 ms", _disk(syncs_ms=[0.1, 120.0, 0.1]), None),
    ("disk_sync", "always", Status.FAIL, "takes 120.00 ms", _disk(syncs_ms=[120.0]), None),
    ("transport", "clear text", Status.FAIL, "without TLS", _ws("ws://example.com/ws"), None),
    (
        *("ping", "not up", Status.FAIL, "HTTP 503", None),
        _fault(Rule(kind=Kind.ANSWER, path="/api/v4/public/ping", status=503)),
    ),
    (
        *("ping", "far away", Status.WARN, "answers within 4", None),
        _fault(Rule(kind=Kind.DELAY, path="/api/v4/public/ping", seconds=0.4)),
    ),
    (
        *("platform", "maintenance", Status.FAIL, "system maintenance"),
        _answer("public/platform/status", 200, b'{"status":"system maintenance"}'),
        None,
    ),
    (
        *("platform", "unreadable", Status.FAIL, "unreadable"),
        _answer("public/platform/status", 200, b"<html>"),
        None,
    ),
    ("clock", "behind", Status.WARN, "ahead", _clock(-2.5), None),
    ("clock", "far behind", Status.FAIL, "ahead", _clock(-6), None),
    ("clock", "far ahead", Status.FAIL, "ahead", _clock(+6), None),
    ("clock", "unreadable", Status.FAIL, "", _answer("public/time", 200, b"{}"), None),
    ("markets", "unknown", Status.FAIL, "DOGE_USDT is not listed", _rename, None),
    (
        *("markets", "disabled", Status.FAIL, "BTC_USDT is disabled"),
        lambda ward: _listed(ward, b'"tradesEnabled":true', b'"tradesEnabled":false'),
        None,
    ),
    (
        *("markets", "ends", Status.WARN, "to be delisted at 1800000000"),
        lambda ward: _listed(ward, b'"delistedAt":null', b'"delistedAt":1800000000'),
        None,
    ),
    (
        "precision",
        "too fine",
        Status.FAIL,
        "position_max",
        _change(position_max="0.00000001"),
        None,
    ),
    ("book", "one-sided", Status.FAIL, "BTC_USDT has no two-sided book", _no_book, None),
    (
        *("order_minimums", "too small", Status.FAIL, "USDT is below the minimum"),
        _tune(ladder=[{"qty": "0.00001", "stp": "cn"}]),
        None,
    ),
    ("limits", "order", Status.FAIL, "order_notional_max", _change(order_notional_max="100"), None),
    ("limits", "quantity", Status.FAIL, "above order_qty_max", _small_orders, None),
    ("limits", "position", Status.FAIL, "position_max", _change(position_max="0.012"), None),
    ("limits", "count", Status.FAIL, "open_orders_max", _change(open_orders_max=3), None),
    ("limits", "collar", Status.FAIL, "further than 10 bps", _change(collar_bps=10), None),
    (
        *("small_limits", "no limit of a loss", Status.FAIL),
        "BTC_USDT: loss_day_max of 1000000 USDT is no limit; BTC_USDT: drawdown_max",
        _live(position_max="0.02", limits=MarketLimits(loss_day_max="1000000")),
        None,
    ),
    (
        *("small_limits", "large", Status.WARN),
        "BTC_USDT: position_max is worth 30000 USDT, the smallest order 5.05 USDT",
        _live(),
        None,
    ),
    (
        "small_limits",
        "small",
        Status.PASS,
        "more than 20",
        _live(position_max="0.0016", order_notional_max="500"),
        None,
    ),
    ("authentication", "disabled", Status.FAIL, "HTTP 401", _key(enabled=False), None),
    ("authentication", "old nonce", Status.FAIL, "5 seconds", _old_nonce, None),
    ("nonce", "shared key", Status.FAIL, "HTTP 429", _shared_key, None),
    ("permission", "read only", Status.FAIL, "order/cancel", _key(permissions=["read"]), None),
    ("fees", "too thin", Status.WARN, "0.3 bps", _tune(half_spread_bps=0.3), None),
    (
        *("fees", "denied", Status.FAIL, "HTTP 403"),
        _key(denied=["/api/v4/market/fee"]),
        None,
    ),
    ("rpi", "not enabled", Status.WARN, "no RPI premium", _rpi, None),
    ("rpi", "enabled", Status.PASS, "RPI premium 0.01 %", _rpi_allowed, None),
    (
        *("funds", "no base", Status.WARN, "the asks need 0.015 BTC"),
        lambda ward: _withdrawn(ward, "BTC", "9.99"),
        None,
    ),
    (
        *("funds", "no collateral", Status.WARN, "nothing is available"),
        _answer("collateral-account/balance-summary", 200, b"[]"),
        None,
    ),
    ("timers", "armed", Status.WARN, "BTC_USDT until", _armed, None),
    ("open_orders", "foreign", Status.WARN, "1 on BTC_USDT", resting, None),
    (
        *("kill_switch", "arming is lost", Status.FAIL, "no answer", None),
        _fault(replace(LOST, times=1)),
    ),
    (
        *("kill_switch", "disarming is lost once", Status.PASS, "seen gone", None),
        _fault(Rule(kind=Kind.ANSWER, path=ARM, status=503, accepted=False, nth=2)),
    ),
    ("kill_switch", "disarming fails", Status.FAIL, "not be proved", never_disarmed, None),
    ("kill_switch", "armed by another", Status.SKIPPED, "left alone", armed_everywhere, None),
    ("kill_switch", "orders rest", Status.PASS, "BTC_PERP: armed", resting, None),
    (
        *("public_stream", "refused", Status.FAIL, "HTTP 503", None),
        _fault(Rule(kind=Kind.ANSWER, path="/ws", status=503)),
    ),
    (
        *("private_stream", "no token", Status.FAIL, "websocket token: HTTP 403"),
        _key(denied=["/api/v4/profile/websocket_token"]),
        None,
    ),
]
