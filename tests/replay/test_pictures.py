"""Small pictures of text, as they are drawn."""

from __future__ import annotations

from adapters.cli.pictures import ASCII, UNICODE, Chart, at_time, draw, sparkline

SERIES = ((10, 100), (20, 104), (30, 98))


def test_a_series_holds_until_it_changes() -> None:
    assert [at_time(SERIES, at) for at in (9, 10, 19, 20, 99)] == [None, 100, 100, 104, 98]


def test_a_line_of_bars_tells_nothing_from_something() -> None:
    """Nine steps in ASCII: 50 of 50 is nine, 1 is one, and only 0 is nothing."""
    queue = ((10, 50), (20, 25), (30, 1), (40, 0))
    assert sparkline(queue, 0, 50, 5, ASCII) == "95100"
    assert (
        sparkline(queue, 0, 50, 10, UNICODE)
        == " \u2588\u2588\u2585\u2585\u2582\u2582\u2581\u2581\u2581"
    )
    assert sparkline(((10, 0),), 0, 20, 2, ASCII) == "00"


def test_a_chart_has_the_price_our_line_and_the_fill() -> None:
    """Seven rows of one tick: the mid moves from 100 over 104 to 98, and we are at 99 from 25."""
    chart = Chart(SERIES, 99, 10, 40, 25, width=31, height=7)
    assert draw(chart, str, ASCII) == [
        "104           ***********",
        "                   :",
        "                   :",
        "                   :",
        "    ***********    :",
        " 99 ---------------X---------------",
        " 98                :    ***********",
    ]


def test_a_market_that_never_moved_is_a_line() -> None:
    chart = Chart(((10, 5),), 5, 10, 20, 15, width=11, height=3)
    assert draw(chart, str, ASCII) == ["5 *****X*****", "       :", "       :"]
