"""Whatever comes off the wire is one event that the journal can hold; nothing raises."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import events, intents
from tests.whitebit.answers import answer
from tests.whitebit.test_normalise import EVENTS, normalise
from tests.whitebit.test_responses import EVIDENCE
from tests.whitebit.test_results import READ
from tests.whitebit.venue import steady

FRAMES = [case[1] for case in EVENTS]
JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 2**70)
    | st.floats()
    | st.text(max_size=6)
    | st.sampled_from(["BTC_PERP", "0", "1.5", "pong", "success", "1" * 40 + "E+40", "1E-40"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)


def mutate(value: Any, draw: st.DrawFn) -> Any:
    """Replace one random part of a decoded frame."""
    if isinstance(value, dict) and value and draw(st.booleans()):
        key = draw(st.sampled_from(sorted(value)))
        return {**value, key: mutate(value[key], draw)}
    if isinstance(value, list) and value and draw(st.booleans()):
        index = draw(st.integers(0, len(value) - 1))
        return [*value[:index], mutate(value[index], draw), *value[index + 1 :]]
    return draw(JSON_VALUES)


@st.composite
def mutated_frames(draw: st.DrawFn) -> bytes:
    frame = msgspec.json.decode(draw(st.sampled_from(FRAMES)))
    return json.dumps(mutate(frame, draw)).encode()


@st.composite
def damaged_frames(draw: st.DrawFn) -> bytes:
    frame = bytearray(draw(st.sampled_from(FRAMES)))
    for _ in range(draw(st.integers(1, 4))):
        frame[draw(st.integers(0, len(frame) - 1))] = draw(st.integers(0, 255))
    return bytes(frame)


@pytest.mark.slow
@settings(steady, max_examples=300)
@given(st.binary(max_size=60) | damaged_frames() | mutated_frames())
def test_no_frame_raises_and_every_event_can_be_journaled(data: bytes) -> None:
    event = normalise(data)
    encoded = msgspec.msgpack.encode(event)
    assert msgspec.msgpack.decode(encoded, type=events.AnyEvent) == event


@pytest.mark.slow
@settings(steady, max_examples=200)
@given(
    st.sampled_from([case[1] for case in READ]),
    st.sampled_from([200, 200, 200, 400, 404, 422, 429, 500]),
    st.binary(max_size=30)
    | st.sampled_from([case[2] for case in READ] + [case[2] for case in EVIDENCE]).map(
        lambda body: body if isinstance(body, bytes) else json.dumps(body).encode()
    ),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=3),
)
def test_no_answer_raises_and_every_event_can_be_journaled(
    intent: intents.Intent, status: int, body: bytes, damage: list[tuple[int, int]]
) -> None:
    damaged = bytearray(body)
    for place, byte in damage:
        if damaged:
            damaged[place % len(damaged)] = byte
    event = answer(intent, status, bytes(damaged))
    encoded = msgspec.msgpack.encode(event)
    assert msgspec.msgpack.decode(encoded, type=events.AnyEvent) == event
