"""Counts of all customers, named as in a model, from groups of customers by phase and fact."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import pytest

from services.lifecycle.api.phase_names import Naming
from services.lifecycle.counts import repository
from services.lifecycle.counts.repository import PhaseGroup
from services.lifecycle.counts.schemas import PhaseCounts
from services.lifecycle.counts.service import CountService
from services.lifecycle.domain.phase_models import CustomerFact, Model
from services.lifecycle.domain.state.phases import Phase
from shared.http import Language
from tests.support.builders import day

NONE: Final = frozenset[CustomerFact]()
ACTIVE_SPAN: Final = timedelta(days=90)


class FakeContext:
    """The clock stands at day 10."""

    pool = None

    async def instant(self, as_of: datetime | None) -> datetime:
        return as_of or day(10)

    async def active_span(self) -> timedelta:
        return ACTIVE_SPAN


@pytest.fixture
def service() -> CountService:
    context: Any = FakeContext()
    return CountService(context)


def not_zero(counts: PhaseCounts) -> dict[str, int]:
    return {code: n for code, n in counts.counts.items() if n}


async def test_groups_of_one_view_are_added_up(
    service: CountService, monkeypatch: pytest.MonkeyPatch
) -> None:
    activated = frozenset({CustomerFact.ACTIVATED})
    groups = [
        PhaseGroup(Phase.NEW, NONE, 3),
        PhaseGroup(Phase.NEW, activated, 2),
        PhaseGroup(Phase.WON_BACK, activated, 4),
        PhaseGroup(Phase.ESTABLISHED, NONE, 5),
        PhaseGroup(Phase.AT_RISK, NONE, 6),
    ]

    async def count_phases(
        _: Any, as_of: datetime, facts: Mapping[Phase, CustomerFact]
    ) -> list[PhaseGroup]:
        assert as_of == day(10)
        assert facts[Phase.NEW] is CustomerFact.ACTIVATED
        return groups

    monkeypatch.setattr(repository, "count_phases", count_phases)
    counts = await service.phases(None, Naming(Model.SIX_PHASE, Language.ENGLISH))
    assert not_zero(counts) == {"purchase": 3, "activation": 6, "renewal": 11}
    assert counts.as_of == day(10)


async def test_activity_is_counted_by_acts_alone(
    service: CountService, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def count_acted(_: Any, as_of: datetime, active: timedelta) -> tuple[int, int]:
        assert (as_of, active) == (day(7), ACTIVE_SPAN)
        return 8, 2

    monkeypatch.setattr(repository, "count_acted", count_acted)
    counts = await service.phases(day(7), Naming(Model.ACTIVITY, Language.ENGLISH))
    assert counts.counts == {"active": 8, "passive": 2}


async def test_the_total_of_transitions_is_their_sum(
    service: CountService, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def count_rules(_: Any, as_of: datetime) -> dict[str, int]:
        assert as_of == day(10)
        return {"first_purchase": 5, "silence_begins": 2}

    monkeypatch.setattr(repository, "count_rules", count_rules)
    counts = await service.transitions(None)
    assert (counts.total, counts.counts["silence_begins"]) == (7, 2)


@pytest.mark.parametrize(
    ("language", "label"), [(Language.ENGLISH, "prospect"), (Language.GERMAN, "Interessent")]
)
def test_every_code_of_the_model_is_counted_and_has_a_label(language: Language, label: str) -> None:
    counts = PhaseCounts.of(day(0), {"new_customer": 3}, Naming(Model.FIVE_PHASE, language))
    assert counts.counts == {
        "prospect": 0,
        "new_customer": 3,
        "existing_customer": 0,
        "inactive_customer": 0,
        "former_customer": 0,
    }
    assert counts.labels.keys() == counts.counts.keys()
    assert counts.labels["prospect"] == label
