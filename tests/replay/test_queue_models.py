"""Queue models: by hand, and against hftbacktest 2.4.4 on random one-level streams."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from engine.errors import ConfigError
from replay.queue_models import NAMES, Place, QueueModel, queue_model
from tests.replay import queue_vectors as vectors


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    with gzip.open(vectors.VECTORS) as file:
        return [json.loads(line) for line in file]


def fill_index(row: dict[str, Any], model: QueueModel) -> int:
    """Return the event of a stream at which its order is filled whole, -1 for none.

    The rules of hftbacktest's exchange without partial fills.
    """
    level, place = row["level"], None
    for index, (kind, lots) in enumerate(row["events"]):
        if index == row["arrives"]:
            place = model.joined(level)
        if kind == vectors.DEPTH:
            if place is not None:
                place = model.resized(place, level, lots)
            level = lots
        elif place is None:
            continue
        elif kind in (vectors.THROUGH, vectors.MET):
            return index
        elif kind == vectors.TRADE:
            place = model.traded(place, lots)
            if model.reached(place):
                return index
    return -1


@pytest.mark.parametrize("name", vectors.MODELS)
def test_fill_times_are_those_of_hftbacktest(rows: list[dict[str, Any]], name: str) -> None:
    found = [fill_index(row, queue_model(name, row["decimals"])) for row in rows]
    assert found == [row["filled"][name] for row in rows]


def test_the_vectors_tell_the_models_apart(rows: list[dict[str, Any]]) -> None:
    assert len(rows) == vectors.STREAMS >= 300
    columns = [tuple(row["filled"][name] for row in rows) for name in vectors.MODELS]
    assert len(set(columns)) == len(vectors.MODELS) >= 4
    by_queue = 0
    for row in rows:
        filled = row["filled"]["power:2"]
        by_queue += filled >= 0 and row["events"][filled][0] == vectors.TRADE
    assert by_queue >= 200, "fills that a model had to tell"


def test_the_vectors_are_of_the_streams_that_the_generator_makes(
    rows: list[dict[str, Any]],
) -> None:
    for number, row in enumerate(rows):
        made = json.loads(json.dumps(vectors.stream(number)))
        assert {key: value for key, value in row.items() if key != "filled"} == made


# --- by hand ----------------------------------------------------------------------------------


def test_risk_averse_comes_forward_by_trades_and_by_what_cannot_be_behind() -> None:
    model = queue_model("risk_averse", 3)
    place = model.joined(100)
    place = model.traded(place, 30)
    assert (model.ahead(place), model.reached(place)) == (70, 0)
    # 30 of the level went by the trade, 20 more left: from behind us.
    place = model.resized(place, 100, 80)
    assert model.ahead(place) == 70
    place = model.resized(place, 80, 40)
    assert model.ahead(place) == 40
    place = model.traded(place, 40)
    assert (model.ahead(place), model.reached(place)) == (0, 0)
    place = model.traded(place, 7)
    assert model.reached(place) == 7


def test_power_takes_from_before_us_by_what_is_there() -> None:
    # 60 before and 40 behind us, squared: p = 1600 / (1600 + 3600) = 4/13, so of 13 that leave
    # 9 were before us.
    model = queue_model("power:2", 0)
    place = model.resized(model.joined(60), 100, 87)
    assert model.ahead(place) == 51
    # What traded is not taken twice: 13 traded and 26 are gone, so 13 left.
    place = model.resized(model.traded(Place(73.0), 13), 100, 74)
    assert model.ahead(place) == 51
    # A level that grows brings nobody forward.
    assert model.resized(Place(60.0), 100, 150) == Place(60.0)


def test_power2_and_power3_by_hand() -> None:
    # 60 before and 40 behind: p = 40^2 / 100^2 = 0.16, and 1 - 0.6^2 = 0.64.
    joined = Place(60.0)
    assert queue_model("power2:2", 0).resized(joined, 100, 75).ahead == pytest.approx(39.0)
    assert queue_model("power3:2", 0).resized(joined, 100, 75).ahead == pytest.approx(51.0)


def test_the_logarithm_is_of_the_base_asset() -> None:
    # 3 before and 1 behind in whole units: p = ln 2 / (ln 2 + ln 4) = 1/3.
    whole = queue_model("log", 0).resized(Place(3.0), 4, 1)
    assert whole.ahead == pytest.approx(3 - 2 + (1 - 1))
    thousandths = queue_model("log", 3).resized(Place(0.003), 4, 1)
    assert thousandths.ahead < whole.ahead / 1000


def test_more_cannot_leave_from_behind_than_is_there() -> None:
    # p = 0.64 of 75 is 48, of which 40 were behind us: 60 - 27 - 8, all that is left.
    place = queue_model("power3:2", 0).resized(Place(60.0), 100, 25)
    assert place.ahead == pytest.approx(25.0)


def test_an_empty_level_leaves_us_first() -> None:
    for name in NAMES:
        model = queue_model(name, 3)
        place = model.resized(model.joined(0), 0, 0)
        assert (model.ahead(place), model.reached(place)) == (0, 0), name
        assert model.reached(model.traded(place, 1)) == 1, name


@pytest.mark.parametrize("name", ["", "nobody", "log:2", "power:0", "power:-1", "power:x"])
def test_models_that_do_not_exist_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="queue model: expected"):
        queue_model(name, 3)
