"""What the published schema of a type takes is taken, and what it refuses is refused."""

import copy
import json
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import jsonschema_rs
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.ingest.events.body import split_body
from services.ingest.events.judgement import judge
from services.ingest.events.service import EventService
from services.ingest.settings import IngestSettings
from shared.clock import ClockMode
from shared.events.catalogue import MODELS
from shared.kafka.publisher import Publisher

Json = dict[str, Any]
Place = tuple[str | int, ...]

EXAMPLES: Final = Path(__file__).parents[3] / "contract" / "examples"
NEVER_TAKEN: Final = {
    "customer.erasure_requested",
    "referral.succeeded",
    "referral.annulled",
}
LARGEST: Final = 2**53


def ingest_settings(**changes: object) -> IngestSettings:
    return IngestSettings.model_validate(
        {"kafka_bootstrap": "-", "api_key": "key-of-the-tests", "clock": "log"} | changes
    )


SETTINGS: Final = ingest_settings()


def schemas(**changes: object) -> dict[str, Json]:
    return EventService(ingest_settings(**changes), Publisher.__new__(Publisher)).event_types()


@cache
def checks() -> dict[str, Callable[[object], bool]]:
    return {
        name: jsonschema_rs.validator_for(schema).is_valid for name, schema in schemas().items()
    }


GOLDEN: Final[list[Json]] = [
    event
    for path in sorted(EXAMPLES.glob("*.v1/*.json"))
    if (event := json.loads(path.read_text()))["type"] not in NEVER_TAKEN
]


def is_accepted(event: object) -> bool:
    return bool(judge(split_body(json.dumps([event]).encode()), SETTINGS).accepted)


def is_beyond_schemas(event: Json) -> bool:
    """Whether it is refused for what no schema can say: a merge into the customer itself."""
    data = event.get("data")
    is_merge = event["type"] in ("customer.merged", "customer.unmerged")
    return is_merge and isinstance(data, dict) and data.get("into") == event.get("subject")


def places(part: object, at: Place = ()) -> Iterator[Place]:
    """Where something stands in an event; new keys too."""
    if isinstance(part, dict):
        for name, inner in part.items():
            yield (*at, name)
            yield from places(inner, (*at, name))
        yield from ((*at, name) for name in ("test", "amount", "ext", "a\0", "data_base64"))
    if isinstance(part, list):
        for index, inner in enumerate(part):
            yield (*at, index)
            yield from places(inner, (*at, index))


NUMBERS: Final = st.sampled_from(
    [0, 1, -1, 2, 3, 4, 5, 6, 10, 11, 12.0, 1000.0, 0.5, 1.5, 4.5, 2.25, 5.5, -0.0, -3.0, 1e3, 1200,
     1201, 3650, 3651.0, 1e15, LARGEST, float(LARGEST), LARGEST + 1, -LARGEST, 2**63, 1e300]
)  # fmt: skip
TEXTS: Final = st.sampled_from(
    ["", " ", "a", " a", "a\t", "a\n", "a\0", "\0", "ada\u00a0", "x" * 128, "x" * 129, "x" * 200,
     "x" * 201, "null", "NULL", "[object Object]", "guests", "N/A", "\u200d", "👨‍👩‍👧", "a\u202e",
     "EUR", "eur", "DEM", "XXX", "JPY", "nps", "csat", "review", "exit", "email", "fax", "b2b",
     "1.0", "Europe/Berlin", "9Z", "application/json", "application/cloudevents+json; charset=x",
     "text/xml", "order.completed", "page.viewed", "2024-05-01T12:00:00Z", "2024-05-01T12:00Z",
     "2024-05-01 12:00:00,1234567+0200", "2024-05-01T12:00:00", "2024-02-30T12:00:00Z",
     "1899-12-31T23:59:59Z", "1900-01-01T12:00:00+02:00", "9998-12-31T23:59:59-01:00",
     "2024-05-01T12:00+02:00[Europe/Berlin]", "2024-05-01T12:00:00 02:00"]
)  # fmt: skip
LEAVES: Final = (
    st.none() | st.booleans() | NUMBERS | TEXTS | st.text(max_size=5).filter(str.isprintable)
)
VALUES: Final = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["amount", "currency", "code", "a", "\0"]), inner, max_size=3
        )
    ),
    max_leaves=5,
) | st.builds(
    lambda amount, currency: {"amount": amount, "currency": currency},
    NUMBERS,
    st.sampled_from(["EUR", "DEM", "XXX", "KWD"]),
)


@st.composite
def nearly_events(draw: st.DrawFn) -> Json:
    """A golden example in which a few things are different, missing or new."""
    event = copy.deepcopy(draw(st.sampled_from(GOLDEN)))
    for _ in range(draw(st.integers(0, 3))):
        *way, last = draw(st.sampled_from(list(places(event))))
        around: Any = event
        for step in way:
            around = around[step]
        if draw(st.integers(0, 3)):
            around[last] = draw(VALUES)
        elif isinstance(last, int) or last in around:
            del around[last]
    return event


EVENT: Final[Json] = {
    "specversion": "1.0",
    "id": "e",
    "source": "/shop",
    "type": "order.completed",
    "subject": "ada",
    "time": "2024-05-01T12:00Z",
    "data": {"order_id": "o", "total": {"amount": 1000.0, "currency": "EUR"}},
}


@settings(max_examples=500, deadline=None)
@given(nearly_events())
@example(EVENT)
@example({**EVENT, "subject": "nUll"})
@example({**EVENT, "type": "feedback.submitted", "data": {"kind": "review", "score": 4.5}})
@example({**EVENT, "type": "feedback.submitted", "data": {"kind": "nps", "score": 4.5}})
@example({**EVENT, "type": "order.refund_withdrawn", "data": {"order_id": "o", "amount": None}})
@example({**EVENT, "ext": {"a": ["\0"]}})
@example({**EVENT, "data": {**EVENT["data"], "items": [{"\0": 1}]}})
def test_schema_and_service_agree(event: Json) -> None:
    kind = event.get("type")
    if not isinstance(kind, str) or kind not in checks():
        assert not is_accepted(event)
        return
    if not is_beyond_schemas(event):
        assert checks()[kind](event) == is_accepted(event), event


@pytest.mark.parametrize("event", GOLDEN, ids=lambda event: event["id"])
def test_every_example_fits_its_schema(event: Json) -> None:
    assert checks()[event["type"]](event)


def test_there_is_a_schema_for_every_type_that_is_taken() -> None:
    assert schemas().keys() == MODELS.keys() - NEVER_TAKEN
    in_real_time = schemas(clock=ClockMode.WALL).keys()
    assert in_real_time == MODELS.keys() - NEVER_TAKEN - {"clock.ticked"}
    assert all(schema["description"] for schema in schemas().values())
    assert "subject" not in schemas()["clock.ticked"]["required"]


def test_the_schemas_refuse_the_ids_that_the_setting_names() -> None:
    guest = {**EVENT, "subject": "guest"}
    for words, is_taken in (("guest", False), ("gast", True), ("", True)):
        schema = schemas(no_customers=words)["order.completed"]
        assert jsonschema_rs.is_valid(schema, guest) == is_taken
