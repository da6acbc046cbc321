"""The data of an event is shown as JSON wherever that is possible."""

from typing import Any

import msgspec
import pytest

from services.lifecycle.api.events import EventView
from shared.events.envelope import decode
from tests.support.builders import day, encode, order


def shown(data: str) -> Any:
    """What is shown of an event with this data."""
    event = decode(encode({**order("ada", 0), "data": msgspec.Raw(data.encode())}))
    return EventView.of(event, day(1)).data


def nested(levels: int) -> str:
    return "[" * levels + "]" * levels


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ('{"a":[1,"x",null]}', {"a": [1, "x", None]}),
        ('{"a":1e999}', '{"a":1e999}'),
        (nested(100), msgspec.json.decode(nested(100))),
        (nested(101), nested(101)),
        ('{"a":' * 101 + "1" + "}" * 101, '{"a":' * 101 + "1" + "}" * 101),
    ],
    ids=["plain", "a number beyond all ranges", "deep", "too deep", "too deep in objects"],
)
def test_data_that_is_no_json_for_everybody_is_text(data: str, expected: Any) -> None:
    assert shown(data) == expected


def test_an_event_is_shown_with_the_clock_at_which_it_was_recorded() -> None:
    view = EventView.of(decode(encode(order("ada", 0, id="o-1"))), day(3))
    assert (view.type, view.time, view.recorded_at) == ("order.completed", day(0), day(3))
    assert (view.source, view.id, view.historical, view.merged_from) == (
        "/shop", "o-1", False, None,
    )  # fmt: skip
