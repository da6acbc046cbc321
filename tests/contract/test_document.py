"""docs/events.md is what the models say, and tells the truth about what events do."""

import re
from pathlib import Path
from typing import Final

import pytest

from services.lifecycle.domain.fold import fold
from services.lifecycle.domain.policy.policy import Policy
from services.lifecycle.domain.state.happenings import Happening
from services.lifecycle.domain.state.phases import RuleName
from services.lifecycle.events import read
from shared.events import docs, envelope
from shared.events.envelope import CONTROL
from shared.events.fields import TYPES
from shared.events.glossary import EFFECTS, FIELDS

CONTRACT: Final = Path(__file__).parent
PAGE: Final = CONTRACT.parents[1] / "docs" / "events.md"
FACTS: Final = (
    "`six_phase`",
    "`conversion`",
    "`activation`",
    "`purchase`",
    "`historical`",
    "`time`",
    "`into`",
)


def test_the_page_is_made_from_the_models() -> None:
    assert PAGE.read_text() == docs.markdown(CONTRACT), (
        "run: python -m shared.events.docs tests/contract > docs/events.md"
    )


def test_every_field_and_every_type_is_explained_and_nothing_else() -> None:
    assert set(FIELDS) == {name for data in TYPES.values() for name in data.model_fields}
    assert set(EFFECTS) == set(TYPES)


def phase_after(name: str) -> str | None:
    event = envelope.decode((CONTRACT / "examples" / f"{name}.v1" / "least.json").read_bytes())
    happening = read("", event)
    assert isinstance(happening, Happening)
    return fold([happening], Policy()).customer.phase


@pytest.mark.parametrize("name", sorted(TYPES.keys() - CONTROL))
def test_a_type_makes_somebody_known_unless_it_is_said_to_create_no_customer(name: str) -> None:
    assert (phase_after(name) is None) == ("Creates no customer." in EFFECTS[name])


def test_the_rules_that_the_effects_name_exist_and_each_rule_of_events_is_named() -> None:
    named = {word for effect in EFFECTS.values() for word in re.findall(r"`([a-z_]+)`", effect)}
    rules = {str(rule) for rule in RuleName}
    by_time_alone = {"silence_begins", "fell_silent", "prospect_faded"}
    assert rules - named == by_time_alone | {"first_contact"}
