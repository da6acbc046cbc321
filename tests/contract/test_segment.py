"""Golden examples of track calls: what each becomes, for as long as they are accepted."""

import json
from pathlib import Path
from typing import Final

import pytest

from shared.events import catalogue, segment

FILES: Final = sorted((Path(__file__).parent / "segment").glob("*.json"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_call_becomes_its_event(path: Path) -> None:
    example = json.loads(path.read_text())
    call = segment.read(json.dumps(example["call"]).encode())
    assert call is not None
    assert json.loads(catalogue.canonical(call.event)[1]) == example["event"]


def test_every_alias_has_an_example() -> None:
    assert {json.loads(path.read_text())["call"]["event"] for path in FILES} == set(segment.ALIASES)
