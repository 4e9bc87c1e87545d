"""Which host is asked what: a colocated one serves 33 endpoints, the standard one the rest."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
import trio
from trio.testing import MockClock

from adapters.cli.config import parse_config
from adapters.cli.main import main
from adapters.simulated import SimNet
from adapters.whitebit.hosts import open_rest
from adapters.whitebit.http_backend import make_http_client
from adapters.whitebit.requests import Request, encode, encode_hedge_mode, encode_token
from adapters.whitebit.rest import COLOCATED, RestAnswer, RestWithheld
from adapters.whitebit.signing import Signer
from engine import intents
from engine.errors import ConfigError
from tests.cli.test_config import GOOD
from tests.whitebit.test_requests import order, place
from tests.whitebit.test_rest import KEY, SECRET, Server
from tests.whitebit.venue import MARKETS, SHARED, needs_shared

ZONE, STANDARD = "zone.test", "venue.test"
MARKET = MARKETS["BTC_USDT"]
PLACE = encode(place(MARKET.name, order(1)), MARKET, 1)
LIST = Request("GET", "/api/v4/public/orderbook/BTC_USDT?limit=1", b"")
ASKED = [
    (PLACE, ZONE),
    (encode(intents.CancelOrder(MARKET.name, "a"), MARKET, 1), ZONE),
    (encode(intents.ArmKillSwitch(MARKET.name, 15), MARKET, 1), ZONE),
    (encode(intents.QueryOpenOrders(MARKET.name, 0), MARKET, 1), ZONE),
    (encode(intents.QueryTime(), None, 1), ZONE),
    (encode_token(1), ZONE),
    (encode(intents.CancelAll(MARKET.name), MARKET, 1), STANDARD),
    (encode(intents.QueryMarkets(), None, 1), STANDARD),
    (encode_hedge_mode(1), STANDARD),
    (LIST, STANDARD),
]


@pytest.mark.parametrize("fallback", [True, False])
async def test_each_request_goes_to_the_host_that_serves_it(
    autojump_clock: MockClock, fallback: bool
) -> None:
    net = SimNet(seed=1)
    servers = {host: Server(lambda request, body: (200, b"[]")) for host in (ZONE, STANDARD)}
    limits = httpx.Limits(max_connections=4, max_keepalive_connections=4)
    async with trio.open_nursery() as nursery, make_http_client(net, limits=limits) as http:
        for host, server in servers.items():
            await nursery.start(net.serve, server.handle, host, 80)
        other = f"http://{STANDARD}" if fallback else None
        async with open_rest(net, http, f"http://{ZONE}", other, Signer(KEY, SECRET)) as rest:
            for request, _ in ASKED:
                assert await rest.send(request) == RestAnswer(200, b"[]")
        nursery.cancel_scope.cancel()
    for host, server in servers.items():
        expected = [request.path for request, to in ASKED if (to if fallback else ZONE) == host]
        assert [request.target.decode() for request, _ in server.requests] == expected


async def test_what_is_forbidden_leaves_for_no_host(autojump_clock: MockClock) -> None:
    net = SimNet(seed=1)
    server = Server(lambda request, body: (200, b"[]"))
    limits = httpx.Limits(max_connections=4, max_keepalive_connections=4)
    async with trio.open_nursery() as nursery, make_http_client(net, limits=limits) as http:
        await nursery.start(net.serve, server.handle, ZONE, 80)
        await nursery.start(net.serve, server.handle, STANDARD, 80)
        signer, urls = Signer(KEY, SECRET), (f"http://{ZONE}", f"http://{STANDARD}")
        async with open_rest(net, http, *urls, signer, lambda: True) as rest:
            assert isinstance(await rest.send(PLACE), RestWithheld)
        nursery.cancel_scope.cancel()
    assert server.requests == []


@needs_shared
def test_the_subset_is_that_of_the_contract() -> None:
    rows = (SHARED / "CONTRACT.md").read_text().split("### 1.1")[1].split("### 1.2")[0]
    paths = [line.split("`")[1] for line in rows.splitlines() if "`/api" in line]
    assert len(paths) == 33
    assert set(paths) == COLOCATED


VENUE = """
[venue]
rest_url = "https://{rest}"
ws_url = "wss://{ws}/ws"
"""


def test_a_european_host_is_of_the_european_region() -> None:
    text = GOOD + VENUE.format(rest="whitebit.eu", ws="api.whitebit.eu")
    with pytest.raises(ConfigError, match=r"venue.rest_url: expected region = \"eu\""):
        parse_config(text.encode(), "my.toml")
    config = parse_config((text + 'region = "eu"').encode(), "my.toml")
    assert config.venue is not None
    assert config.venue.region == "eu"


def test_nothing_is_quoted_in_the_european_region(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "my.toml"
    text = GOOD + VENUE.format(rest="whitebit.eu", ws="api.whitebit.eu")
    path.write_text(text + 'region = "eu"')
    assert main(["run", str(path), "--live", "--journal", str(tmp_path / "journal")]) == 2
    assert "no quote can rest there" in capsys.readouterr().err


def test_the_fallback_is_a_url_with_tls_too() -> None:
    text = GOOD + VENUE.format(rest="zone.test", ws="zone.test")
    with pytest.raises(ConfigError, match=r"venue\.rest_fallback_url: expected https"):
        parse_config((text + 'rest_fallback_url = "http://venue.test"').encode(), "my.toml")
