"""Why events were set aside, or have had no effect, in words."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.lifecycle.domain.words.remarks import (
    MERGE_CYCLE,
    NOT_MERGED,
    SET_ASIDE,
    WITHOUT_EFFECT,
    why_set_aside,
    why_without_effect,
)
from shared.orders.changes import NoEffect

ROOT = Path(__file__).parents[5]
SOURCES = (
    "services/lifecycle/batch",
    "services/lifecycle/events.py",
    "shared/events/envelope.py",
    "shared/stream/log",
)


def reasons_of_dead_letters() -> Iterator[str]:
    """The reasons that the source names, in Poison(reason, …) and reject(incoming, reason, …)."""
    for source in SOURCES:
        paths = [ROOT / source] if source.endswith(".py") else (ROOT / source).rglob("*.py")
        for path in paths:
            for node in ast.walk(ast.parse(path.read_text())):
                match node:
                    case ast.Call(
                        func=ast.Name(id="Poison"), args=[ast.Constant(value=str() as reason), *_]
                    ):
                        yield reason
                    case ast.Call(
                        func=ast.Attribute(attr="reject"),
                        args=[_, ast.Constant(value=str() as reason), *_],
                    ):
                        yield reason


def test_every_reason_has_words() -> None:
    assert SET_ASIDE.keys() == set(reasons_of_dead_letters())


def test_every_reason_of_having_no_effect_has_words() -> None:
    assert set(WITHOUT_EFFECT) == {*NoEffect, MERGE_CYCLE, NOT_MERGED}


@pytest.mark.parametrize(
    "words",
    [(code, why_set_aside(code)) for code in SET_ASIDE]
    + [(code, why_without_effect(code)) for code in WITHOUT_EFFECT],
)
def test_words_say_more_than_the_code(words: tuple[str, str]) -> None:
    assert words[1] != words[0].replace("_", " ")


def test_a_reason_of_another_version_is_spelt_out() -> None:
    assert why_set_aside("no_longer_used") == "no longer used"
    assert why_without_effect("not_used_yet") == "not used yet"
