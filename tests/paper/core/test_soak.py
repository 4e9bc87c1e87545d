"""A short soak in every test run; `make venue-soak` plays a million commands."""

from __future__ import annotations

import pytest

from tests.paper.reference_book import ReferenceBook, RefOrder
from tests.paper.soak import GAMES, Difference, play_round


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(900, 910))
def test_random_rounds_agree_with_the_reference(seed: int) -> None:
    assert play_round(seed).total() == 250


def test_every_rule_of_the_stateful_tests_is_played() -> None:
    for game in GAMES:
        parameters = {name for _, names in game.members("rule") for name in names}
        assert parameters <= game.draws.keys()
        assert len(game.members("rule")) >= 8
        assert len(game.members("invariant")) >= 2


def test_a_difference_is_found_and_tells_how_to_play_it_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    queue = ReferenceBook.queue

    def last_come_first_served(book: ReferenceBook, side: object) -> list[RefOrder]:
        return queue(book, side)[::-1]  # type: ignore[arg-type]

    monkeypatch.setattr(ReferenceBook, "queue", last_come_first_served)
    with pytest.raises(Difference, match=r"^seed 1, step \d+: \w+\(\{"):
        play_round(1)
