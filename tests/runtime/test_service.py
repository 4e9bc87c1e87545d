"""What the service manager hears: ready, a pulse from the loop itself, the end."""

from __future__ import annotations

import socket
from itertools import pairwise
from pathlib import Path

import pytest
import trio
from msgspec.structs import replace

from adapters.cli.simulate import World, simulate
from adapters.ports import SystemDatagrams
from adapters.runtime.service import PULSES_PER_TIMEOUT, Manager, Service, service_manager
from engine import events as e
from engine.reduce import reduce
from engine.state import State
from tests.cli.kit import NOON, STARTED, S
from tests.integration.test_simulation import HangingFs
from tests.integration.world import quiet_config, quiet_flow, records_of, run_quiet

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("name", "env", "expected"),
    [
        ("none", {}, None),
        ("a path", {"NOTIFY_SOCKET": "/run/s"}, Manager("/run/s", 0)),
        ("an abstract name", {"NOTIFY_SOCKET": "@s"}, Manager("@s", 0)),
        ("a virtual machine's address", {"NOTIFY_SOCKET": "vsock:2:1"}, None),
        (
            "a watch on us",
            {"NOTIFY_SOCKET": "/run/s", "WATCHDOG_USEC": "10000000", "WATCHDOG_PID": "7"},
            Manager("/run/s", 10 * S),
        ),
        (
            "a watch on any process",
            {"NOTIFY_SOCKET": "/run/s", "WATCHDOG_USEC": "10000000"},
            Manager("/run/s", 10 * S),
        ),
        (
            "a watch on our parent",
            {"NOTIFY_SOCKET": "/run/s", "WATCHDOG_USEC": "10000000", "WATCHDOG_PID": "6"},
            Manager("/run/s", 0),
        ),
        (
            "a watch that is no number",
            {"NOTIFY_SOCKET": "/run/s", "WATCHDOG_USEC": "ten"},
            Manager("/run/s", 0),
        ),
    ],
)
def test_the_environment_tells_who_listens(
    name: str, env: dict[str, str], expected: Manager | None
) -> None:
    assert service_manager(env, 7) == expected


class Heard:
    """What a service sent, with the journal time of the record that made it speak."""

    def __init__(self, timeout_ns: int) -> None:
        self.said: list[tuple[int, str]] = []
        self.now_ns = 0
        self.service = Service(self._send, timeout_ns)

    def _send(self, data: bytes) -> None:
        self.said += [(self.now_ns, line) for line in data.decode().split("\n")]

    def observe(self, state: State, record: e.Record) -> None:
        self.now_ns = record.recv_ns
        self.service.observe(state, record)

    def times(self, line: str) -> list[int]:
        return [at_ns for at_ns, said in self.said if said == line]


def listen(records: list[e.Record], timeout_ns: int) -> Heard:
    heard, state = Heard(timeout_ns), State()
    for record in records:
        state = reduce(state, record)
        heard.observe(state, record)
    return heard


def test_a_run_is_ready_alive_and_stopping_in_this_order() -> None:
    timeout_ns = 2 * S
    heard = listen(records_of(run_quiet(12).fs), timeout_ns)
    words = [line for _, line in heard.said]
    assert words[:2] == ["READY=1", "STATUS=paper: quoting 0 of 2 markets"]
    assert "STATUS=paper: quoting 2 of 2 markets" in words
    assert words.index("STOPPING=1") > words.index("WATCHDOG=1")
    assert words[-1] == "STATUS=ended clean: stopped"
    pulses = heard.times("WATCHDOG=1")
    gaps = [later - earlier for earlier, later in pairwise(pulses)]
    assert max(gaps) <= timeout_ns // 2
    assert min(gaps) >= timeout_ns // PULSES_PER_TIMEOUT


def test_nobody_is_told_of_a_pulse_that_nobody_asked_for() -> None:
    heard = listen(records_of(run_quiet(2).fs), 0)
    assert heard.times("WATCHDOG=1") == []
    assert heard.times("READY=1")


def test_a_loop_that_hangs_falls_silent() -> None:
    fs, heard, hung = HangingFs(), Heard(S), []

    async def disturb(world: World) -> None:
        await trio.sleep(6)
        hung.append(heard.now_ns)
        fs.hang_s = 3.0

    simulate(
        quiet_config("15s"),
        quiet_flow(1),
        seed=1,
        seconds=14,
        fs=fs,
        observer=heard.observe,
        disturb=disturb,
    )
    pulses = heard.times("WATCHDOG=1")
    gaps = {later - earlier for earlier, later in pairwise(pulses)}
    assert max(gaps) >= 3 * S
    silent = [at_ns for at_ns in pulses if hung[0] + S // 2 < at_ns < hung[0] + 3 * S]
    assert silent == []


def test_a_manager_that_is_gone_stops_nothing() -> None:
    def send(data: bytes) -> None:
        raise ConnectionRefusedError

    service = Service(send, S)
    state = reduce(State(), e.Record(1, NOON, 0, STARTED))
    service.observe(state, e.Record(1, NOON, 0, STARTED))
    service.observe(state, e.Record(2, NOON, 0, e.TimerFired()))


def test_a_halt_is_told() -> None:
    state = replace(reduce(State(), e.Record(1, NOON, 0, STARTED)), halted="the key was refused")
    heard = Heard(0)
    heard.observe(state, e.Record(2, NOON, 0, e.TimerFired()))
    assert heard.said == [(NOON, "STATUS=HALTED: the key was refused")]


@pytest.mark.parametrize("abstract", [False, True], ids=["path", "abstract name"])
def test_datagrams_reach_a_socket_of_this_machine(tmp_path: Path, abstract: bool) -> None:
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind("\0" + path if abstract else path)
        door = SystemDatagrams("@" + path if abstract else path)
        door.send(b"READY=1")
        assert listener.recv(100) == b"READY=1"
        listener.close()
        with pytest.raises(OSError, match="refused"):
            door.send(b"WATCHDOG=1")
        door.close()
