"""Golden examples of every type: they stay readable for as long as version 1 lives."""

import json
from pathlib import Path
from typing import Any, Final

import pytest

from shared.events import catalogue, envelope
from shared.events.fields import TYPES, CustomerData

EXAMPLES: Final = Path(__file__).parent / "examples"
SIGNS: Final = ("session.signed_in", "page.viewed", "message.opened", "message.clicked")
EVERYWHERE: Final = set(CustomerData.model_fields)
"""What any event of a customer may have."""
FILES: Final = sorted(EXAMPLES.glob("*.v1/*.json"))


def _named(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def test_every_type_has_an_example_in_full_and_one_with_the_least() -> None:
    assert {path.parent.name for path in FILES} == {f"{name}.v1" for name in catalogue.MODELS}
    for folder in EXAMPLES.glob("*.v1"):
        assert {"full", "least"} <= {path.stem for path in folder.iterdir()}, folder.name


@pytest.mark.parametrize("path", FILES, ids=_named)
def test_an_example_is_read_and_goes_on_with_nothing_lost(path: Path) -> None:
    given: dict[str, Any] = json.loads(path.read_text())
    event, value = catalogue.canonical(path.read_bytes())
    assert f"{event.type}.v1" == path.parent.name
    sent = json.loads(value)
    assert sent.pop("time") == given.pop("time").replace("T14:00:00.250+02:00", "T12:00:00.250000Z")
    assert sent == given


@pytest.mark.parametrize("path", FILES, ids=_named)
def test_consumers_read_what_ingest_writes(path: Path) -> None:
    event, value = catalogue.canonical(path.read_bytes())
    record = envelope.decode(value)
    assert (record.id, record.source, record.type, record.time) == (
        event.id,
        event.source,
        event.type,
        event.time,
    )
    assert record.subject == (event.subject or "")
    assert (record.historical, record.traceparent) == (event.historical, event.traceparent)
    assert envelope.decode(envelope.encode(record)) == record


@pytest.mark.parametrize("path", FILES, ids=_named)
def test_canonical_bytes_are_their_own_canonical_form(path: Path) -> None:
    _, value = catalogue.canonical(path.read_bytes())
    assert catalogue.canonical(value)[1] == value


@pytest.mark.parametrize("name", sorted(catalogue.MODELS))
def test_a_full_example_shows_every_declared_field(name: str) -> None:
    given = json.loads((EXAMPLES / f"{name}.v1" / "full.json").read_text())
    data = catalogue.MODELS[name].model_fields["data"].annotation
    assert data is not None
    if name not in SIGNS:
        assert set(given.get("data", {})) == set(data.model_fields) - EVERYWHERE


def test_the_signs_of_life_show_every_declared_field_between_them() -> None:
    shown = [
        json.loads((EXAMPLES / f"{name}.v1" / "full.json").read_text())["data"] for name in SIGNS
    ]
    assert set().union(*shown) == set(TYPES["page.viewed"].model_fields) - EVERYWHERE
