"""An event is shown as it was sent."""

from typing import Any

import msgspec
import pytest

from services.lifecycle.api.events import EventView
from shared.bounds import DEEPEST
from shared.events.envelope import decode
from tests.support.builders import day, encode, order


def shown(data: str) -> Any:
    """What is shown of an event with this data."""
    event = decode(encode({**order("ada", 0), "data": msgspec.Raw(data.encode())}))
    return EventView.of(event, day(1)).data


def nested(levels: int) -> str:
    return "[" * levels + "]" * levels


@pytest.mark.parametrize("data", ['{"a":[1,"x",null]}', nested(DEEPEST - 1)])
def test_data_is_shown_as_it_was_sent(data: str) -> None:
    assert shown(data) == msgspec.json.decode(data)


def test_an_event_is_shown_with_the_clock_at_which_it_was_recorded() -> None:
    view = EventView.of(decode(encode(order("ada", 0, id="o-1"))), day(3))
    assert (view.type, view.time, view.recorded_at) == ("order.completed", day(0), day(3))
    assert (view.source, view.id, view.historical, view.merged_from) == (
        "/shop", "o-1", False, None,
    )  # fmt: skip
