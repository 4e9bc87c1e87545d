"""What other backtesters make of fixed pairs of quotes on a recorded feed (`make fill-vectors`).

Plays the pairs of `fixed_quotes.py` in a backtest of ours, then lets hftbacktest and
nautilus_trader play the very same orders on the very same messages, each in an environment of its
own. Writes `data/fill_vectors.json.gz`, with which `test_fills_of_others.py` compares ours.
"""

from __future__ import annotations

import gzip
import subprocess
import tempfile
from pathlib import Path

import msgspec

from adapters.ports import SystemFs
from benchmarks.plain_feed import write_plain
from tests.backtest.fixed_quotes import Fate, FixedOrder, play_ours
from tests.backtest.recordings import DATA

ROOT = Path(__file__).resolve().parents[2]
VECTORS = Path(__file__).parent / "data" / "fill_vectors.json.gz"
RECORDING = DATA / "binance_spot_btcusdt_20240808_11m.jsonl.zst"
OTHERS = ("hftbacktest", "nautilus")

Fates = dict[int, Fate]


class Vectors(msgspec.Struct, frozen=True):
    """The orders, and what became of each by its id."""

    orders: list[FixedOrder]
    hftbacktest: Fates
    nautilus: Fates


def python_of(other: str) -> Path:
    """Return the interpreter of another package's environment; it need not be there."""
    return ROOT / ".venv" / other / "bin" / "python"


def play_theirs(other: str, feed: Path, orders: Path) -> Fates:
    """Let another package play orders on a feed, both as files."""
    module = f"tests.backtest.{other}_fills"
    command = [str(python_of(other)), "-m", module, str(feed), str(orders)]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE)
    return msgspec.json.decode(done.stdout.splitlines()[-1], type=Fates, strict=False)


def read_vectors() -> Vectors:
    return msgspec.json.decode(gzip.decompress(VECTORS.read_bytes()), type=Vectors, strict=False)


def main() -> None:
    """Write the vectors."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        orders, _ = play_ours(RECORDING, directory / "journal")
        feed, wanted = directory / "feed", directory / "orders"
        write_plain(SystemFs(), [RECORDING], feed)
        wanted.write_bytes(msgspec.json.encode(orders))
        found = [play_theirs(other, feed, wanted) for other in OTHERS]
    VECTORS.parent.mkdir(exist_ok=True)
    text = msgspec.json.encode(Vectors(orders, *found))
    VECTORS.write_bytes(gzip.compress(text, mtime=0))
    print(f"{VECTORS}: {len(orders)} orders, {VECTORS.stat().st_size} bytes")


if __name__ == "__main__":
    main()
