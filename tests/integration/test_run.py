"""A whole run over loopback TCP: it quotes, is filled, leaves nothing, and is proved by replay."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from engine.events import RequestSent, RunStarted
from tests.integration.kit import (
    MARKETS,
    Venue,
    proved,
    quotefold,
    read,
    running_engine,
    running_venue,
)
from tests.integration.truth import assert_agrees_with_venue
from tests.source_tree import ROOT

pytestmark = pytest.mark.slow

DATA = ROOT.parent / "shared" / "data"
RECORDING = DATA / "binance_spot_btcusdt_first60s.jsonl.zst"
RUN_S = 12

# The token is a secret. The position mode decides whether there is a journal at all; the answer is
# in its first record.
BESIDE_THE_JOURNAL = ("/websocket_token", "/hedge-mode")


def assert_nothing_left(venue: Venue) -> None:
    assert venue.orders() == []
    assert venue.timers() == []


def assert_quoted(market: dict[str, Any]) -> None:
    assert market["fills"] > 0
    assert market["bid_uptime"] > 0.9
    assert market["ask_uptime"] > 0.9
    assert (market["halted"], market["breaks"], market["live_orders"]) == ("", 0, 0)


def test_a_run_quotes_both_markets_leaves_nothing_and_is_proved(tmp_path: Path) -> None:
    with running_venue() as venue:
        with running_engine(tmp_path, venue, "--for", f"{RUN_S}s") as engine:
            assert engine.wait() == 0
            summary = engine.summary()
        assert_nothing_left(venue)
        assert_agrees_with_venue(engine.journal, venue)
        received = Counter(each["sha256"] for each in venue.ask("GET", "/hashes"))
        bodies_beside = {
            each["sha256"]
            for each in venue.ask("GET", "/hashes")
            if each["path"].endswith(BESIDE_THE_JOURNAL)
        }
    assert engine.err.read_text() == ""
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) >= 5
    for path in written:
        for secret in (venue.key, venue.secret):
            assert secret.encode() not in path.read_bytes(), path
    assert summary["duration_s"] >= RUN_S
    assert (summary["clean"], summary["anomalies"], summary["halted"]) == (True, 0, "")
    assert sorted(summary["markets"]) == sorted(MARKETS)
    for market in summary["markets"].values():
        assert_quoted(market)
    for hash_seed in ("1", "2"):
        proof = proved(engine.journal, hash_seed=hash_seed)
        assert proof["fingerprint"] == summary["fingerprint"]
        for count in ("events", "intents", "requests"):
            assert proof[count] == summary[count]
    sent = Counter(
        hashlib.sha256(record.event.body).hexdigest()
        for record in read(engine.journal)
        if isinstance(record.event, RequestSent) and record.event.method == "POST"
    )
    (started,) = [r.event for r in read(engine.journal) if isinstance(r.event, RunStarted)]
    assert started.hedge_mode is False
    assert bodies_beside
    assert received == sent + Counter(bodies_beside)


def test_a_run_on_recorded_data_starts_its_own_venue_and_is_proved(tmp_path: Path) -> None:
    if not RECORDING.exists():
        pytest.skip("the recorded market data is not beside this checkout")
    # At the touch, so that the thin prints of the recording reach us.
    config = (
        (ROOT / "config" / "paper.toml")
        .read_text()
        .replace("half_spread_bps = 0.3", "half_spread_bps = 0.05")
    )
    path, journal = tmp_path / "touch.toml", tmp_path / "journal"
    path.write_text(config)
    code, out, err = quotefold(
        "run", str(path), "--for", f"{RUN_S}s", "--json",
        "--flow", str(RECORDING), "--journal", str(journal),
    )  # fmt: skip
    summary = json.loads(out)
    assert (code, err) == (0, "")
    assert_quoted(summary["markets"]["BTC_USDT"])
    # No recording moves this market, so there is no book to quote on.
    assert summary["markets"]["BTC_PERP"]["fills"] == 0
    for hash_seed in ("1", "2"):
        assert proved(journal, hash_seed=hash_seed)["fingerprint"] == summary["fingerprint"]
