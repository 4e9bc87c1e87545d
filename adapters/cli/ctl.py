"""`quotefold ctl`: tell a running engine what to do, through its control socket."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from adapters.ports import SystemFs

PATIENCE_S = 10.0
"""An engine that does not answer within that hangs: `quotefold panic` is what is left."""
EXIT_REFUSED = 1
ALL = "all"

_HELD = "It stays so, over a restart too, until `resume`."
HELP = {
    "widen": f"Quote further from the mid (limits.widen_bps). {_HELD}",
    "pause": f"Place nothing and move nothing nearer; what rests may rest. {_HELD}",
    "cancel": f"Cancel all own orders and place none. {_HELD}",
    "flatten": f"Cancel, then bring the inventory to its target: as maker, then taking. {_HELD}",
    "off": f"Cancel, and do nothing more. {_HELD}",
    "resume": "Lift what pause, side, widen, cancel, flatten or off set; limits hold on.",
    "enable": "Lift every hold, also those of limits that wait for a human, and count anew.",
}


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def ctl() -> None:
    """Tell a running engine what to do. Every command is in its journal, and is replayed.

    MARKET is the name of a market, or `all`. The engine is found by its control socket in the
    operator directory; where several run, name one with --socket.

    Exit codes: 0 done, 1 the engine refused it or does not answer, 2 usage.
    """


def _common(command: Callable[..., int]) -> Callable[..., int]:
    options = (
        click.option("--socket", type=click.Path(path_type=Path), help="Of the engine meant."),
        click.option(
            "--config",
            "config_path",
            type=click.Path(path_type=Path),
            help="Configuration of the engine, which names the operator directory.",
        ),
        click.option("--json", "as_json", is_flag=True, help="Print one JSON object, no more."),
    )
    for option in options:
        command = option(command)
    return command


def _add(name: str, text: str) -> None:
    @ctl.command(name, help=text)
    @click.argument("market")
    @_common
    def command(market: str, **options: Any) -> int:
        return _tell(name, market, "", **options)


for _name, _text in HELP.items():
    _add(_name, _text)


@ctl.command()
@click.argument("market")
@click.argument("side", type=click.Choice(["buy", "sell"]))
@_common
def side(market: str, side: str, **options: Any) -> int:
    """Quote one side only. It stays so, over a restart too, until `resume`."""
    return _tell("side", market, side, **options)


@ctl.command("set")
@click.argument("market")
@click.argument("changes", nargs=-1, required=True, metavar="KEY=VALUE...")
@_common
def set_(market: str, changes: tuple[str, ...], **options: Any) -> int:
    """Change parameters and limits, all of them or none: ladder.0.qty=0.01 position_max=0.4.

    `ctl parameters` lists the keys. A change lasts until the run ends; put it into the
    configuration to keep it.
    """
    import json

    keys: dict[str, str] = {}
    for change in changes:
        key, equals, value = change.partition("=")
        if not equals or not key or key in keys:
            raise click.UsageError(f"expected KEY=VALUE, each key once, found {change!r}")
        keys[key] = value
    return _tell("set", market, json.dumps(keys), **options)


@ctl.command()
@click.argument("text", nargs=-1, required=True)
@_common
def note(text: tuple[str, ...], **options: Any) -> int:
    """Write a remark into the journal, in its place among the events."""
    return _tell("note", ALL, " ".join(text), **options)


@ctl.command()
@_common
def status(**options: Any) -> int:
    """Say whether each market is quoted, and if not, why not."""
    return _tell("status", ALL, "", **options)


@ctl.command()
@click.argument("market", default=ALL)
@_common
def parameters(market: str, **options: Any) -> int:
    """List what may be changed live, with its value, and what may not."""
    return _tell("parameters", market, "", **options)


def _tell(
    command: str,
    market: str,
    argument: str,
    *,
    socket: Path | None,
    config_path: Path | None,
    as_json: bool,
) -> int:
    import json

    import trio

    from adapters.cli.config import default_config, load_config, state_directory
    from adapters.ports import SystemFs

    fs = SystemFs()
    if socket is None:
        config = default_config() if config_path is None else load_config(fs, config_path)
        socket = _find(fs, state_directory(config))
    name = "" if market == ALL else market
    line = json.dumps({"command": command, "market": name, "argument": argument})
    answer = trio.run(_ask, socket, line.encode() + b"\n")
    if as_json:
        click.echo(json.dumps(answer, ensure_ascii=False))
    elif answer["ok"]:
        for told in _words(answer):
            click.echo(told)
    else:
        click.echo(f"refused: {answer['error']}", err=True)
    return 0 if answer["ok"] else EXIT_REFUSED


def _find(fs: SystemFs, directory: Path) -> Path:
    from adapters.runtime.control import living
    from engine.errors import ConfigError

    found = living(fs, directory)
    if not found:
        problem = f"{directory}: expected the control socket of an engine, found none"
        raise ConfigError(f"{problem}; is one running? --config or --socket name another place")
    if len(found) > 1:
        names = ", ".join(map(str, found))
        raise ConfigError(f"several engines run; name one with --socket: {names}")
    return found[0]


async def _ask(socket: Path, line: bytes) -> dict[str, Any]:
    import json

    import trio

    from adapters.ports import SystemNet
    from engine.errors import RemoteProtocolError

    received = b""
    try:
        with trio.fail_after(PATIENCE_S):
            stream = await SystemNet().connect_local(socket)
            async with stream:
                await stream.send_all(line)
                while not received.endswith(b"\n") and (part := await stream.receive_some()):
                    received += part
    except (OSError, trio.BrokenResourceError) as error:
        raise RemoteProtocolError(f"{socket}: no engine answers: {error}") from error
    except trio.TooSlowError:
        raise RemoteProtocolError(
            f"{socket}: the engine does not answer within {PATIENCE_S:g} s; "
            "if it hangs: quotefold panic"
        ) from None
    if not received.endswith(b"\n"):
        raise RemoteProtocolError(f"{socket}: the engine hung up: too many clients, or it ended")
    answer: dict[str, Any] = json.loads(received)
    return answer


# --- words --------------------------------------------------------------------------------------


def _words(answer: dict[str, Any]) -> list[str]:
    if "status" in answer:
        return _status_words(answer["status"])
    if "safe" in answer:
        return _parameter_words(answer)
    changed: list[str] = answer["changed"]
    return [f"done, journaled as seq {answer['seq']}", *(changed or ["nothing had to change"])]


def _status_words(found: dict[str, Any]) -> list[str]:
    lines = [f"run {found['run_id']} ({found['mode']}), seq {found['seq']}"]
    for key in ("halted", "latched"):
        if found[key]:
            lines.append(f"{key}: {found[key]}")
    if found["stopping"]:
        lines.append("stopping")
    for name, market in found["markets"].items():
        gate = market["no_quotes"]
        lines.append(
            f"{name}: {market['stage']}, {f'no quotes: {gate}' if gate else 'gates open'}; "
            f"{market['bids']} bids, {market['asks']} asks, position {market['position']}, "
            f"kill-switch {market['kill_switch_s']} s"
        )
        lines += [f"  {h['stage']} by {h['rule']}: {h['reason']}" for h in market["held_by"]]
    if found["anomalies"]:
        lines.append(f"{found['anomalies']} anomalies, the last: {found['last_anomaly']}")
    return lines


def _parameter_words(answer: dict[str, Any]) -> list[str]:
    lines: list[str] = []
    for name, values in answer["safe"].items():
        lines.append(f"{name}, safe to change live:")
        lines += [f"  {key} = {value}" for key, value in values.items()]
    lines.append("not safe while running (stop, edit the configuration, start again):")
    return [*lines, *(f"  {key}: {why}" for key, why in answer["unsafe"].items())]
