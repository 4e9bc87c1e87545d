"""What the scripts share: a venue of their own, its state, and exact comparison.

Runs in the third-party environment, so nothing but the standard library is imported here. The
venue is `quotefold paper --flow none`: all that happens in it is what a script does, so every
value can be worked out by hand or read off the admin port.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
QUOTEFOLD = ROOT / ".venv" / "bin" / "quotefold"
SPOT, PERP = "BTC_USDT", "BTC_PERP"
FEE_RATE = Decimal("0.001")
PERP_TAKER_RATE, PERP_MAKER_RATE = Decimal("0.00055"), Decimal("0.0001")


class Venue:
    """A running venue: its addresses, its keys by account name, and what it knows itself."""

    def __init__(self, ready: dict[str, Any]) -> None:
        self.rest: str = ready["rest"]
        self.ws: str = ready["ws"]
        self.keys = {a["name"]: (a["key"], a["secret"]) for a in ready["accounts"]}
        self._admin = ready["admin"]

    def state(self, what: str) -> Any:
        """Ask the admin port: `orders`, `timers` or `accounts`, each by account name."""
        request = urllib.request.Request(
            f"{self._admin['url']}/{what}",
            headers={"Authorization": f"Bearer {self._admin['token']}"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def orders(self, account: str) -> dict[int, dict[str, Any]]:
        """Open orders of an account by id."""
        return {order["orderId"]: order for order in self.state("orders")[account]}

    def spot(self, account: str) -> dict[str, dict[str, Decimal]]:
        """Spot balances of an account: asset, then `available` and `freeze`."""
        spot = self.state("accounts")[account]["spot"]
        return {asset: exact(funds) for asset, funds in spot.items()}


@contextmanager
def venue(*options: str) -> Iterator[Venue]:
    """Run an empty venue until the block ends; it must then end by itself with code 0."""
    command = [str(QUOTEFOLD), "paper", "--flow", "none", "--exit-with-parent", *options]
    # A proxy of the environment is for the registry, not for loopback.
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield Venue(json.loads(process.stdout.readline()))
        process.stdin.close()
        if process.wait(timeout=10) != 0:
            raise AssertionError(f"the venue ended with code {process.returncode}")


def exact(value: Any) -> Any:
    """Turn every number in a value into a Decimal.

    A client's float becomes the shortest decimal that denotes it, which is what the venue wrote
    as long as that has at most 15 significant digits; the scripts keep to such values wherever a
    client insists on floats.
    """
    if isinstance(value, dict):
        return {key: exact(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [exact(inner) for inner in value]
    if isinstance(value, bool) or value is None:
        return value
    return Decimal(str(value))


class Checks:
    """Counts comparisons and stops at the first that fails."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.done = 0

    def equal(self, what: str, found: Any, expected: Any) -> None:
        """Compare exactly, texts as texts."""
        if found != expected or type(found) is not type(expected):
            raise AssertionError(f"{self.name}: {what}: expected {expected!r}, found {found!r}")
        self.done += 1

    def number(self, what: str, found: Any, expected: Any) -> None:
        """Compare numbers, or lists and dicts of them, by value."""
        self.equal(what, exact(found), exact(expected))

    def fields(self, what: str, found: Any, **expected: Any) -> None:
        """Compare some members of a mapping or attributes of a model, Decimals by value."""
        for name, value in expected.items():
            shown = found[name] if isinstance(found, dict) else getattr(found, name)
            if isinstance(value, Decimal):
                self.number(f"{what} {name}", shown, value)
            else:
                self.equal(f"{what} {name}", shown, value)

    def report(self) -> None:
        """Say how much was compared."""
        sys.stdout.write(f"{self.name}: {self.done} values agree\n")
