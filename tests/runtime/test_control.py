"""The control socket: one line of JSON each way, whatever comes."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
from trio.testing import MockClock

from adapters.cli.simulate import Simulation, World
from adapters.ports import SystemFs, SystemNet
from adapters.runtime.control import (
    CLIENTS_MAX,
    IDLE_S,
    LINE_MAX,
    Control,
    living,
    socket_path,
    sockets,
)
from adapters.simulated import SimFs, SimNet
from engine.errors import ConfigError
from engine.events import OperatorCommanded
from replay.verify import verify
from tests.integration.kit import ACCOUNT, MARKETS
from tests.integration.world import records_of, run_quiet

PATH = Path("/state/control-1.sock")
Client = Callable[[trio.abc.Stream], Awaitable[None]]


async def ask(stream: trio.abc.Stream, line: bytes) -> dict[str, Any]:
    await stream.send_all(line)
    return await read_answer(stream)


async def read_answer(stream: trio.abc.Stream) -> dict[str, Any]:
    received = b""
    while not received.endswith(b"\n"):
        part = await stream.receive_some()
        assert part, "the engine hung up"
        received += part
    found: dict[str, Any] = msgspec.json.decode(received)
    return found


def line(command: str, market: str = "", argument: str = "") -> bytes:
    asked = {"command": command, "market": market, "argument": argument}
    return msgspec.json.encode(asked) + b"\n"


# --- without a run ----------------------------------------------------------------------------


async def with_client(client: Client) -> None:
    """Serve a run that has not begun, on a simulated network."""
    net = SimNet(seed=1)
    async with trio.open_nursery() as nursery:
        await nursery.start(Control().serve, net, SimFs(), PATH)
        await client(await net.connect_local(PATH))
        nursery.cancel_scope.cancel()


JUNK = [
    ("no JSON", b"pause\n", "expected a command as one JSON object"),
    ("an empty line", b"\n", "expected a command as one JSON object"),
    ("not UTF-8", b'{"command":"\xff"}\n', "expected a command as one JSON object"),
    ("another type", b'{"command":1}\n', "Expected `str`, got `int`"),
    ("an unknown member", b'{"command":"pause","who":"me"}\n', "unknown field `who`"),
    ("no command", b"{}\n", "missing required field `command`"),
    ("too deep", b"[" * 5_000 + b"\n", "expected a command as one JSON object"),
    ("a command too early", line("pause"), "the engine is starting"),
]


@pytest.mark.parametrize(
    ("data", "reason"), [case[1:] for case in JUNK], ids=[case[0] for case in JUNK]
)
async def test_what_is_no_command_is_answered_and_the_line_stays_open(
    data: bytes, reason: str, autojump_clock: MockClock
) -> None:
    async def client(stream: trio.abc.Stream) -> None:
        for _ in range(2):
            answer = await ask(stream, data)
            assert answer["ok"] is False
            assert reason in answer["error"]

    await with_client(client)


async def test_two_lines_at_once_get_two_answers(autojump_clock: MockClock) -> None:
    async def client(stream: trio.abc.Stream) -> None:
        await stream.send_all(line("pause") + line("pause")[:5])
        await read_answer(stream)
        assert (await ask(stream, line("pause")[5:]))["ok"] is False

    await with_client(client)


async def test_a_line_without_end_is_refused_and_hung_up_on(autojump_clock: MockClock) -> None:
    async def client(stream: trio.abc.Stream) -> None:
        answer = await ask(stream, b"x" * (LINE_MAX + 1))
        assert answer == {"ok": False, "error": f"expected at most {LINE_MAX} bytes in a line"}
        assert await stream.receive_some() == b""

    await with_client(client)


async def test_a_client_that_asks_nothing_is_hung_up_on(autojump_clock: MockClock) -> None:
    async def client(stream: trio.abc.Stream) -> None:
        await ask(stream, line("pause"))
        asked_at = trio.current_time()
        assert await stream.receive_some() == b""
        assert IDLE_S - 0.1 < trio.current_time() - asked_at < IDLE_S + 1

    await with_client(client)


async def test_clients_beyond_the_limit_are_hung_up_on_until_one_leaves(
    autojump_clock: MockClock,
) -> None:
    net = SimNet(seed=1)
    async with trio.open_nursery() as nursery:
        await nursery.start(Control().serve, net, SimFs(), PATH)
        clients = [await net.connect_local(PATH) for _ in range(CLIENTS_MAX)]
        for client in clients:
            await ask(client, line("pause"))
        refused = await net.connect_local(PATH)
        assert await refused.receive_some() == b""
        await clients[0].aclose()
        await trio.sleep(1)
        assert (await ask(await net.connect_local(PATH), line("pause")))["ok"] is False
        nursery.cancel_scope.cancel()


async def test_a_client_that_leaves_without_its_answer_ends_only_itself(
    autojump_clock: MockClock,
) -> None:
    net = SimNet(seed=1)
    async with trio.open_nursery() as nursery:
        await nursery.start(Control().serve, net, SimFs(), PATH)
        for _ in range(3):
            leaving = await net.connect_local(PATH)
            await leaving.send_all(line("pause"))
            leaving.reset()
            await trio.sleep(0.1)
        assert (await ask(await net.connect_local(PATH), line("pause")))["ok"] is False
        nursery.cancel_scope.cancel()


# --- on a real system -------------------------------------------------------------------------


async def test_the_socket_is_its_owners_and_goes_with_the_run(tmp_path: Path) -> None:
    # Longer than the kernel takes in an address.
    directory = tmp_path / ("d" * 120)
    fs, net = SystemFs(), SystemNet()
    path = socket_path(directory, 1)
    async with trio.open_nursery() as nursery:
        await nursery.start(Control().serve, net, fs, path)
        assert fs.mode(path) == 0o600
        assert sockets(fs, directory) == [path]
        assert living(fs, directory) == [path], "process 1 is always there"
        stream = await net.connect_local(path)
        async with stream:
            assert (await ask(stream, line("pause")))["ok"] is False
        nursery.cancel_scope.cancel()
    assert sockets(fs, directory) == []
    with pytest.raises(OSError, match="No such file"):
        await net.connect_local(path)


async def test_sockets_of_engines_that_were_killed_are_swept_away(tmp_path: Path) -> None:
    fs = SystemFs()
    dead, odd = socket_path(tmp_path, 2**22 + 1), tmp_path / "control-x.sock"
    huge, other = socket_path(tmp_path, 10**30), tmp_path / "panic-latch"
    own = socket_path(tmp_path, os.getpid())
    for left in (dead, odd, huge, own, other):
        left.touch()
    assert len(sockets(fs, tmp_path)) == 4
    assert living(fs, tmp_path) == [own]
    async with trio.open_nursery() as nursery:
        await nursery.start(Control().serve, SystemNet(), fs, own)
        assert fs.list_dir(tmp_path) == [own.name, other.name]
        nursery.cancel_scope.cancel()


async def test_a_directory_that_cannot_hold_a_socket_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"cannot be made: .*; name another directory"):
        await Control().serve(SystemNet(), SystemFs(), tmp_path / "file" / "control-1.sock")


# --- on a run ---------------------------------------------------------------------------------


def commanding(asked: list[bytes]) -> tuple[Simulation, list[dict[str, Any]]]:
    """Give a quiet run commands, a second apart; returns the answers."""
    answers: list[dict[str, Any]] = []

    async def disturb(world: World) -> None:
        control = Control()
        control.loop = world.loop
        async with trio.open_nursery() as nursery:
            await nursery.start(control.serve, world.net, world.fs, PATH)
            await trio.sleep(5)
            stream = await world.net.connect_local(PATH)
            for data in asked:
                answers.append(await ask(stream, data))
                await trio.sleep(1)
            resting = world.venue.exchange.open_orders(ACCOUNT)
            answers.append({"resting": len(resting)})
            nursery.cancel_scope.cancel()

    return run_quiet(12, disturb=disturb), answers


@pytest.mark.slow
def test_commands_are_obeyed_journaled_and_replayed() -> None:
    first = MARKETS[0]
    run, answers = commanding(
        [
            line("cancel"),
            line("note", "", "lunch"),
            line("set", first, '{"ladder.0.qty":"0.004"}'),
            line("parameters", first),
            line("status"),
        ]
    )
    cancelled, noted, changed, listed, status, rest = answers
    assert [each["ok"] for each in answers[:-1]] == [True] * 5
    assert len(cancelled["changed"]) == 2
    assert noted["changed"] == []
    assert changed["changed"] == [f"{first}: parameters.ladder.0.qty: 0.005 -> 0.004"]
    assert listed["safe"][first]["parameters.ladder.0.qty"] == "0.004"
    assert set(listed["safe"]) == {first}
    assert "strategy" in listed["unsafe"]
    shown = status["status"]["markets"]
    assert [shown[name]["stage"] for name in MARKETS] == ["cancel", "cancel"]
    assert shown[first]["held_by"][0]["rule"] == "operator"
    assert 0 < shown[first]["kill_switch_s"] < 5
    assert rest == {"resting": 0}
    records = records_of(run.fs)
    commands = {r.seq: r.event for r in records if isinstance(r.event, OperatorCommanded)}
    assert [event.command for event in commands.values()] == ["cancel", "note", "set"]
    assert [cancelled["seq"], noted["seq"], changed["seq"]] == list(commands)
    assert run.outcome.ended.clean
    assert verify(iter(records))[0].divergences == 0


@pytest.mark.slow
def test_what_the_run_cannot_do_is_refused_and_not_journaled() -> None:
    run, answers = commanding(
        [
            line("pause", "DOGE_USDT"),
            line("parameters", "DOGE_USDT"),
            line("explode"),
            line("set", "", '{"ladder.0.qty":"x"}'),
            line("side", "", "up"),
            line("status"),
        ]
    )
    for answer in answers[:5]:
        assert answer["ok"] is False
        assert "expected" in answer["error"] or "not usable" in answer["error"]
    assert answers[5]["ok"] is True
    assert answers[6]["resting"] > 0
    assert not [r for r in records_of(run.fs) if isinstance(r.event, OperatorCommanded)]
    assert run.outcome.ended.clean
