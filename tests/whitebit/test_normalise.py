"""One frame is one event, whatever comes; payloads as documented or captured."""

from __future__ import annotations

import json
from decimal import Decimal

import msgspec
import pytest

from adapters.whitebit.normalise import Normaliser
from engine.events import (
    AnyEvent,
    BestBidOffer,
    BookDelta,
    BookSnapshot,
    Filled,
    FrameRefused,
    MarginBalancesChanged,
    OrderClosed,
    OrderOpened,
    OrderUpdated,
    PongReceived,
    PositionsReported,
    PublicTrade,
    PublicTrades,
    SpotBalancesChanged,
    StreamAuthorised,
    StreamSubscribed,
)
from engine.types import (
    MarginBalance,
    OrderStatus,
    Position,
    PositionSide,
    Role,
    Side,
    SpotBalance,
    VenueFill,
    VenueOrder,
)
from tests.whitebit.venue import MARKETS

NORMALISER = Normaliser(MARKETS)

TICKER = (
    b'{"method": "bookTicker_update", "params": [[1785732678.2802551, 1785732678.2810941, '
    b'"BTC_PERP", 22217102542, "62965.8", "0.005", "62974.2", "0.017"]], "id": null}'
)
SNAPSHOT = (
    b'{"method":"depth_update","params":[true,{"timestamp":1790113273.734566,'
    b'"update_id":15312663414,"asks":[["86225.51","0.01218"],["86231.53","0.024613"]],'
    b'"bids":[["86225.5","0.01218"],["86211.39","0.020803"]],"event_time":1790113273.785864},'
    b'"BTC_USDT"],"id":null}'
)
DELTA = (
    b'{"method":"depth_update","params":[false,{"timestamp":1790113280.441349,'
    b'"update_id":24268455520,"past_update_id":24268455456,"asks":[["86248.9","0.011"],'
    b'["86249","0"]],"event_time":1790113280.467543},"BTC_PERP"],"id":null}'
)
TRADES = (
    b'{"method": "trades_update", "params": ["BTC_PERP", [{"id": 22676356091, '
    b'"time": 1785728782.167881, "price": "63058.8", "amount": "0.021", "type": "sell", '
    b'"rpi": false}]], "id": null}'
)
ORDER = (
    b'{"id":null,"method":"ordersPending_update","params":[1,{"id":1212904480922,'
    b'"market":"BTC_USDT","type":1,"side":2,"post_only":false,"ioc":false,'
    b'"ctime":1738250982.28914,"mtime":1738250983.5,"price":"90000","amount":"1","left":"1",'
    b'"deal_stock":"0","deal_money":"0","deal_fee":"0","client_order_id":"q1","stp":"no",'
    b'"status":"OPEN","position_side":"LONG","rpi":true,"retail":false,"reduce_only":false}]}'
)
DEAL = (
    b'{"id":null,"method":"deals_update","params":[13674578673,1738251095.345432,"ETH_BTC",'
    b'1212909726406,"0.03084","0.2625","0.0002625","",2,2,"ETH"]}'
)
POSITION = (
    b'{"method":"positionsMargin_update","params":{"total":1,"records":[{"id":2,'
    b'"market":"BTC_PERP","ctime":1704067200,"mtime":1704067200,"amount":"-0.01",'
    b'"amount_in_money":"118.762","base_price":"60000","pnl":"-0.470","liq_price":"65000",'
    b'"liq_stage":null,"unrealized_funding":"0","funding":"0","margin":"23.8",'
    b'"free_margin":"999932.92","realized_pnl":"0","position_side":"LONG"}]},"id":null}'
)
OPENED = VenueOrder(
    market="BTC_USDT",
    order_id=1212904480922,
    client_order_id="q1",
    side=Side.BUY,
    price=9_000_000,
    qty=1_000_000,
    leaves_qty=1_000_000,
    filled_qty=0,
    status=OrderStatus.OPEN,
    status_text="OPEN",
    post_only=False,
    rpi=True,
    stp="no",
    modified_us=1738250983_500000,
)


def normalise(data: bytes) -> AnyEvent:
    return NORMALISER.frame("stream", data)


def changed(frame: bytes, *changes: tuple[str, str]) -> bytes:
    """Replace texts in a frame, each of which must be there."""
    text = frame.decode()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return text.encode()


EVENTS: list[tuple[str, bytes, AnyEvent]] = [
    (
        "best bid and offer, by message time",
        TICKER,
        BestBidOffer("BTC_PERP", 22217102542, 1785732678_281094, 629658, 5, 629742, 17),
    ),
    (
        "an empty side of the book",
        changed(TICKER, ('"62965.8", "0.005"', '"0", "0"')),
        BestBidOffer("BTC_PERP", 22217102542, 1785732678_281094, 0, 0, 629742, 17),
    ),
    (
        "depth snapshot, by event time",
        SNAPSHOT,
        BookSnapshot(
            "BTC_USDT",
            15312663414,
            1790113273_785864,
            (8622550, 12180, 8621139, 20803),
            (8622551, 12180, 8623153, 24613),
        ),
    ),
    (
        "depth snapshot of an old server",
        changed(
            SNAPSHOT, ('"update_id":15312663414,', ""), (',"event_time":1790113273.785864', "")
        ),
        BookSnapshot(
            "BTC_USDT",
            0,
            1790113273_734566,
            (8622550, 12180, 8621139, 20803),
            (8622551, 12180, 8623153, 24613),
        ),
    ),
    (
        "depth delta of one side, with a removal",
        DELTA,
        BookDelta(
            "BTC_PERP", 24268455520, 24268455456, 1790113280_467543, (), (862489, 11, 862490, 0)
        ),
    ),
    (
        "depth delta on top of an empty first book",
        changed(DELTA, ("24268455456", "0")),
        BookDelta("BTC_PERP", 24268455520, 0, 1790113280_467543, (), (862489, 11, 862490, 0)),
    ),
    (
        "a public trade",
        TRADES,
        PublicTrades(
            "BTC_PERP",
            (PublicTrade(22676356091, 630588, 21, Side.SELL, False, 1785728782_167881),),
        ),
    ),
    ("order event 1", ORDER, OrderOpened(OPENED)),
    (
        "order event 2",
        changed(
            ORDER, ("[1,{", "[2,{"), ('"left":"1"', '"left":"0.4"'), ("OPEN", "PARTIALLY_FILLED")
        ),
        OrderUpdated(
            msgspec.structs.replace(OPENED, leaves_qty=400_000, status_text="PARTIALLY_FILLED")
        ),
    ),
    (
        "order event 3 with nothing left",
        changed(
            ORDER,
            ("[1,{", "[3,{"),
            ('"left":"1"', '"left":"0"'),
            ('"deal_stock":"0"', '"deal_stock":"1"'),
            ("OPEN", "FILLED"),
        ),
        OrderClosed(
            msgspec.structs.replace(
                OPENED,
                leaves_qty=0,
                filled_qty=1_000_000,
                status=OrderStatus.FILLED,
                status_text="FILLED",
            )
        ),
    ),
    (
        "order event 3 with a text nobody documented",
        changed(ORDER, ("[1,{", "[3,{"), ('"status":"OPEN"', '"status":"EVAPORATED"')),
        OrderClosed(
            msgspec.structs.replace(OPENED, status=OrderStatus.CANCELLED, status_text="EVAPORATED")
        ),
    ),
    (
        "a deal",
        DEAL,
        Filled(
            VenueFill(
                "ETH_BTC",
                13674578673,
                1212909726406,
                "",
                Side.BUY,
                Role.TAKER,
                30840,
                2625,
                Decimal("0.0002625"),
                "ETH",
                1738251095_345432,
            )
        ),
    ),
    (
        "spot balances",
        b'{"id":null,"method":"balanceSpot_update","params":[{"USDT":{"available":"100.1880",'
        b'"freeze":"0"}}]}',
        SpotBalancesChanged((SpotBalance("USDT", Decimal("100.188"), Decimal(0)),)),
    ),
    (
        "margin balances, whose keys differ by case",
        b'{"method":"balanceMargin_update","params":[{"a":"USDT","B":"50","b":"0.5",'
        b'"av":"41.4684437","ab":"42"}],"id":null}',
        MarginBalancesChanged(
            (
                MarginBalance(
                    "USDT", Decimal(50), Decimal("0.5"), Decimal("41.4684437"), Decimal(42)
                ),
            )
        ),
    ),
    (
        "a short position",
        POSITION,
        # The example calls it LONG, which says nothing on a one-way account.
        PositionsReported(
            (
                msgspec.structs.replace(
                    Position("BTC_PERP", 2, -10, Decimal(60000), Decimal("-0.47")),
                    side=PositionSide.LONG,
                ),
            )
        ),
    ),
    (
        "a position that was just closed",
        changed(POSITION, ('"-0.01"', '"0"'), ('"60000"', '""'), ('"-0.470"', "null")),
        PositionsReported(()),
    ),
    (
        "a margin position on a spot market",
        changed(POSITION, ("BTC_PERP", "BTC_USDT")),
        PositionsReported(()),
    ),
    ("pong", b'{"error": null, "result": "pong", "id": 59}', PongReceived("stream")),
    (
        "authorised",
        b'{"id": 1, "result": {"status": "success"}, "error": null}',
        StreamAuthorised("stream"),
    ),
    (
        "subscribed",
        b'{"error": null, "result": {"status": "success"}, "id": 2}',
        StreamSubscribed("stream", "depth_subscribe"),
    ),
]


@pytest.mark.parametrize(
    ("data", "event"), [case[1:] for case in EVENTS], ids=[case[0] for case in EVENTS]
)
def test_frame_becomes_its_event(data: bytes, event: AnyEvent) -> None:
    assert normalise(data) == event


@pytest.mark.parametrize("data", [case[1] for case in EVENTS], ids=[case[0] for case in EVENTS])
def test_order_of_members_and_spacing_do_not_matter(data: bytes) -> None:
    frame = msgspec.json.decode(data)
    swapped = dict(reversed(frame.items()))
    assert normalise(json.dumps(swapped, indent=1).encode()) == normalise(data)


REFUSED: list[tuple[str, bytes, str, str]] = [
    ("no JSON", b"pong", "", "not JSON"),
    ("nothing", b"", "", "not JSON"),
    ("cut off", DELTA[:-5], "", "not JSON"),
    ("bytes that are no text", b'{"method":"\xff"}', "", "not JSON"),
    ("nested too deep", b'{"a":' + b"[" * 5000, "", "not JSON"),
    ("an array", b"[]", "", "array"),
    ("a channel we do not read", changed(TRADES, ("trades_", "candles_")), "", "candles_update"),
    (
        "a delta without ids",
        changed(DELTA, ('"past_update_id":24268455456,', "")),
        "BTC_PERP",
        "id",
    ),
    ("a price off the tick", changed(DELTA, ("86248.9", "86248.95")), "BTC_PERP", "1 decimals"),
    ("a size off the lot", changed(TICKER, ('"0.017"', '"0.0171"')), "BTC_PERP", "3 decimals"),
    ("a price of zero", changed(DELTA, ("86248.9", "0")), "BTC_PERP", "at least 1"),
    ("a negative size", changed(DELTA, ("0.011", "-0.011")), "BTC_PERP", "plain decimal"),
    ("a price as JSON number", changed(DELTA, ('"86248.9"', "86248.9")), "", "Expected `str`"),
    (
        "a market of no interest",
        changed(TICKER, ("BTC_PERP", "XRP_PERP")),
        "XRP_PERP",
        "of this run",
    ),
    (
        "an id beyond 63 bits",
        changed(DELTA, ("24268455520", "9" * 19)),
        "",
        "<= 9223372036854775807",
    ),
    (
        "a time in milliseconds",
        changed(TICKER, ("1785732678.2810941", "1785732678281")),
        "BTC_PERP",
        "seconds",
    ),
    (
        "a snapshot out of order",
        changed(SNAPSHOT, ("86211.39", "86225.51")),
        "BTC_USDT",
        "best first",
    ),
    ("a trade of unknown side", changed(TRADES, ("sell", "swap")), "BTC_PERP", "swap"),
    ("an unknown order event", changed(ORDER, ("[1,{", "[4,{")), "BTC_USDT", "1, 2 or 3"),
    ("an unknown side", changed(ORDER, ('"side":2', '"side":3')), "BTC_USDT", "side"),
    ("an unknown order type", changed(ORDER, ('"type":1', '"type":99')), "BTC_USDT", "type"),
    ("an unknown live status", changed(ORDER, ('"OPEN"', '"PAUSED"')), "BTC_USDT", "PAUSED"),
    ("an unknown role", changed(DEAL, (",2,2,", ",2,3,")), "ETH_BTC", "role"),
    ("a fee that is no number", changed(DEAL, ("0.0002625", "NaN")), "ETH_BTC", "finite"),
    (
        "a refused subscription",
        b'{"error":{"code":9,"message":"market X does not exist"},"result":null,"id":2}',
        "",
        "depth_subscribe refused with code 9",
    ),
    (
        "the answer to a query",
        b'{"id":2,"result":{"limit":100},"error":null}',
        "",
        "unexpected answer",
    ),
    (
        "the answer to nobody",
        b'{"id":0,"result":{"status":"success"},"error":null}',
        "",
        "unexpected answer",
    ),
]


@pytest.mark.parametrize(
    ("data", "market", "reason"),
    [case[1:] for case in REFUSED],
    ids=[case[0] for case in REFUSED],
)
def test_frame_is_refused_with_its_reason(data: bytes, market: str, reason: str) -> None:
    event = normalise(data)
    assert isinstance(event, FrameRefused)
    assert (event.stream, event.market) == ("stream", market)
    assert reason in event.reason


def test_old_captures_quote_side_and_role() -> None:
    assert normalise(changed(DEAL, (',2,2,"', ',"2","2","'))) == normalise(DEAL)


def test_market_buy_is_sized_in_money_so_only_its_deals_count() -> None:
    event = normalise(
        changed(
            ORDER,
            ("[1,{", "[3,{"),
            ('"type":1', '"type":2'),
            ('"price":"90000"', '"price":"0"'),
            ('"amount":"1"', '"amount":"100.123456789"'),
            ('"left":"1"', '"left":"0.000000789"'),
            ('"deal_stock":"0"', '"deal_stock":"0.25"'),
            ('"OPEN"', '"FILLED"'),
        )
    )
    assert isinstance(event, OrderClosed)
    order = event.order
    assert (order.price, order.qty, order.leaves_qty, order.filled_qty) == (0, 250_000, 0, 250_000)
    assert order.status is OrderStatus.FILLED
