"""The tables of docs/limits.md say what the code does."""

from __future__ import annotations

import re

from engine.backoff import BACKOFF, NS_PER_MS, NS_PER_S, TRIP_FAILURES, TRIP_SPAN_NS, URGENT_MAX_NS
from engine.rates import FRAMES, LIMITS, SIGNED, bucket_of
from engine.repricing import FRESH_NS, REPRICES_MAX, WAIT_NS
from tests.source_tree import ROOT

TEXT = (ROOT / "docs" / "limits.md").read_text("utf-8")
UNITS = {"ms": NS_PER_MS, "s": NS_PER_S}


def rows(heading: str) -> list[list[str]]:
    """Cells of the first table after a heading, without its head."""
    lines = TEXT.split(f"## {heading}\n")[1].split("\n## ")[0].splitlines()
    table = [line for line in lines if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[2:]]


def duration_ns(text: str) -> int:
    number, unit = text.split()
    return int(float(number) * UNITS[unit])


def test_the_back_off_table_is_the_codes() -> None:
    found = [(duration_ns(first), duration_ns(longest)) for *_, first, longest in rows("Back-off")]
    assert found == [(row.first_ns, row.longest_ns) for row in BACKOFF.values()]


def test_every_bucket_is_in_the_table_with_its_size() -> None:
    sizes = set()
    for _, limit, size in rows("Token buckets"):
        counted = re.match(r"([0-9,]+) in ([0-9]+) s", limit)
        assert counted is not None
        depth, each = size.split(", ")[0], size.split(", ")[1]
        key = (int(counted[1].replace(",", "")), int(counted[2]))
        sizes.add((*key, int(depth.replace(",", "")), round(duration_ns(each) / NS_PER_MS, 1)))
    expected = {
        (limit.count, limit.span_s, bucket.depth, round(bucket.each_ns / NS_PER_MS, 1))
        for limit, bucket in [(LIMITS[key], bucket_of(key, 80)) for key in LIMITS]
        + [(FRAMES, bucket_of("ws", 80))]
    }
    assert sizes == expected
    assert bucket_of(SIGNED, 80).reserve * 4 == bucket_of(SIGNED, 80).depth


def test_the_figures_in_the_text_are_the_codes() -> None:
    assert (TRIP_FAILURES, TRIP_SPAN_NS) == (5, 30 * NS_PER_S)
    assert "Five failures of a group within 30 s open" in TEXT
    assert URGENT_MAX_NS == 500 * NS_PER_MS
    assert "never wait longer than 500 ms" in TEXT
    assert (REPRICES_MAX, FRESH_NS, WAIT_NS) == (3, NS_PER_S, 5 * NS_PER_S)
    assert "After three more refusals in a row, what is priced as eagerly waits for 5 s" in TEXT
