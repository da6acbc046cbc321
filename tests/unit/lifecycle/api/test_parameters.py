"""Instants beyond the clock are refused, and phases are named as the client wants."""

from datetime import datetime

import pytest

from services.lifecycle.api.parameters import refuse_future
from services.lifecycle.api.phase_names import Naming
from services.lifecycle.domain.phase_models import CustomerFact, Model
from services.lifecycle.domain.state.phases import Phase
from shared.errors import Problem
from shared.http import Language
from tests.support.builders import day


@pytest.mark.parametrize("instant", [None, day(9), day(10)])
def test_an_instant_up_to_the_clock_is_taken(instant: datetime | None) -> None:
    refuse_future("as_of", instant, day(10))


@pytest.mark.parametrize("field", ["as_of", "known_at"])
def test_an_instant_beyond_the_clock_is_refused(field: str) -> None:
    with pytest.raises(Problem) as raised:
        refuse_future(field, day(10.001), day(10))
    problem = raised.value
    assert (problem.status, problem.code) == (422, f"{field}_in_future")
    assert [error.field for error in problem.errors] == [field]


@pytest.mark.parametrize(
    ("model", "language", "facts", "named"),
    [
        (None, Language.ENGLISH, (), ("new", "new customer")),
        (None, Language.GERMAN, (), ("new", "Neukunde")),
        (Model.CXM, Language.GERMAN, (), ("active", "aktiv")),
        (Model.SIX_PHASE, Language.ENGLISH, (), ("purchase", "purchase")),
        (
            Model.SIX_PHASE,
            Language.GERMAN,
            (CustomerFact.ACTIVATED,),
            ("activation", "Aktivierung"),
        ),
        (Model.ACTIVITY, Language.ENGLISH, (CustomerFact.ACTED,), ("active", "active")),
        (Model.ACTIVITY, Language.ENGLISH, (), ("passive", "passive")),
    ],
)
def test_a_phase_is_named_in_a_model_and_a_language(
    model: Model | None,
    language: Language,
    facts: tuple[CustomerFact, ...],
    named: tuple[str, str],
) -> None:
    assert Naming(model, language).view(Phase.NEW, facts) == named
