"""Plans of faults from files and requests, refused in one line when they could never apply."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from adapters.paper.faults.plan import ANSWER_CHANNEL, EVERY, PRIVATE, WS_PATH, Plan, Rule
from adapters.paper.rest import routes as rest
from adapters.paper.ws import socket as ws
from adapters.ports import Fs
from engine.errors import ConfigError

HINT = 'see "Faults" in docs/venue.md'
PATHS = (WS_PATH, *rest.PRIVATE, *rest.PUBLIC, *(f"{prefix}*" for prefix in rest.PUBLIC_MARKET))
CHANNELS = (
    *(name.removesuffix("_subscribe") for name in ws.METHODS if name.endswith("_subscribe")),
    ANSWER_CHANNEL,
    PRIVATE,
    EVERY,
)


def read_plan(data: bytes) -> Plan:
    """Read a plan, or a single rule, from JSON; raises ConfigError."""
    try:
        raw = msgspec.json.decode(data)
        if isinstance(raw, dict) and "rules" not in raw:
            return Plan(rules=(msgspec.convert(raw, Rule),))
        return msgspec.convert(raw, Plan)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"faults: {error}; {HINT}") from error


def load_plan(fs: Fs, path: Path) -> Plan:
    """Read a plan from TOML; raises ConfigError with the path and what to do."""
    try:
        return msgspec.toml.decode(fs.read(path), type=Plan)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}; check --faults") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}; {HINT}") from error


def check_names(plan: Plan, markets: Iterable[str], source: str) -> None:
    """Refuse a rule about a market, path or channel that this venue does not have.

    Args:
        plan: Of right types.
        markets: Every market of the venue.
        source: Where the plan comes from, for the message.

    Raises:
        ConfigError: naming the rule.
    """
    for index, rule in enumerate(plan.rules):
        for what, name, known in (
            ("market", rule.market, tuple(markets)),
            ("channel", rule.channel, CHANNELS),
        ):
            if name and name not in known:
                wanted = f"expected one of {', '.join(known)}, found {name!r}"
                raise ConfigError(f"{source}: rules[{index}].{what}: {wanted}; {HINT}")
        if rule.path and not any(_serves(rule.path, path) for path in PATHS):
            found = f"no endpoint answers {rule.path!r}"
            raise ConfigError(f"{source}: rules[{index}].path: {found}; {HINT}")


def _serves(wanted: str, path: str) -> bool:
    # Either may end in a "*".
    if wanted.endswith(EVERY):
        return path.startswith(wanted[:-1]) or (
            path.endswith(EVERY) and wanted[:-1].startswith(path[:-1])
        )
    return wanted == path or (path.endswith(EVERY) and wanted.startswith(path[:-1]))
