"""Which facts held of a customer at an instant."""

from datetime import datetime

import pytest

from services.lifecycle.customers.facts import facts_held
from services.lifecycle.domain.phase_models import CustomerFact
from tests.support.builders import day

SIGNED_UP = CustomerFact.SIGNED_UP
ACTIVATED = CustomerFact.ACTIVATED
ACTED = CustomerFact.ACTED


@pytest.mark.parametrize(
    ("signed_up_at", "activated_at", "acted", "facts"),
    [
        (None, None, False, set()),
        (None, None, True, {ACTED}),
        (day(9), None, False, {SIGNED_UP}),
        (day(10), day(10), False, {SIGNED_UP, ACTIVATED}),
        (day(10.001), day(9), False, {ACTIVATED}),
        (day(9), day(11), True, {SIGNED_UP, ACTED}),
    ],
)
def test_a_fact_holds_from_its_instant_on(
    signed_up_at: datetime | None,
    activated_at: datetime | None,
    acted: bool,
    facts: set[CustomerFact],
) -> None:
    held = facts_held(day(10), signed_up_at=signed_up_at, activated_at=activated_at, acted=acted)
    assert held == facts
