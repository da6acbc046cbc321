"""Golden examples whose data differ in a few places, for better or worse."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from hypothesis import strategies as st

from shared.events import catalogue, envelope
from shared.events.envelope import CONTROL, Envelope
from shared.events.fields import TYPES

Json = dict[str, Any]

EXAMPLES: Final = Path(__file__).parents[1] / "contract" / "examples"
GOLDEN: Final[list[Json]] = [
    example
    for path in sorted(EXAMPLES.glob("*.v1/*.json"))
    if (example := json.loads(path.read_text()))["type"] not in CONTROL
]
PRICE: Final = {"amount": 100, "currency": "EUR"}
FIELDS: Final = (
    "test", "score", "effective_at", "renews_at", "amount", "total", "margin", "store", "refund_id",
    "replacement_of", "coupon", "coupons", "discounts", "referral_code", "return_window_days",
    "severity", "satisfied", "topic", "term_months", "kind", "account", "into", "referee",
    "purpose", "email_hash",
)  # fmt: skip
"""All that services read, though not in every type."""
VALUES: Final = st.sampled_from(
    [None, True, 0, 1, 2, 3, 4.5, 5, 6, 10, 11, -1, 14.0, 1000.0, 1200, 1201, 2**53, 2**53 + 1,
     2**63, 1e300, 0.5, "", "a", "x" * 200, "x" * 201, "nps", "csat", "exit", "b2b", "b3b", "EUR",
     "EURO", [], {}, ["a"], [None], "2024-05-01T12:00Z", "9998-12-31T23:59:59Z",
     "9999-01-01T00:00:00Z", "1900-01-01T00:00:00+01:00", PRICE, PRICE | {"amount": 7.0}, [PRICE],
     [{"code": "a"}], [{"code": "a", "amount": PRICE | {"amount": 5.0}}]]
)  # fmt: skip


@st.composite
def nearly_golden(draw: st.DrawFn) -> Json:
    """An event whose data differ from an example's in up to two places."""
    event = copy.deepcopy(draw(st.sampled_from(GOLDEN)))
    data = event.setdefault("data", {})
    for _ in range(draw(st.integers(0, 2))):
        around = draw(st.sampled_from(list(_objects(data))))
        name = draw(st.sampled_from([*around, *FIELDS]))
        around[name] = copy.deepcopy(draw(VALUES))
    return event


def _objects(part: Json) -> Iterator[Json]:
    yield part
    for inner in part.values():
        if isinstance(inner, dict):
            yield from _objects(inner)


def with_foreign_fields() -> Iterator[Json]:
    """Examples with a field that only other types have, in a form that these never have."""
    for example in GOLDEN:
        own = TYPES[example["type"]].model_fields
        for name in FIELDS:
            if name not in own:
                yield {**example, "data": {**example.get("data", {}), name: {"a": ["b"]}}}


def as_published(event: Json) -> Envelope | None:
    """The event as consumers get it; None if ingest refuses it."""
    try:
        _, value = catalogue.canonical(json.dumps(event).encode())
    except catalogue.InvalidEvent:
        return None
    return envelope.decode(value)
