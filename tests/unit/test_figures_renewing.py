"""Terms of contracts under policies that change their grace."""

import pytest

from services.lifecycle.domain.happenings import Happening
from services.lifecycle.domain.policy import Policy
from services.lifecycle.domain.schedule import Activation, Schedule
from services.lifecycle.figures.renewing import Term, terms
from services.lifecycle.reading import read
from shared.clock import DAWN
from shared.events.envelope import decode
from tests.builders import day, encode, event


@pytest.mark.parametrize(
    ("graces", "change", "renewed", "done"),
    [
        ((14, 30), 50, 60, True), ((14, 30), 56, 60, False), ((30, 14), 60, 59, True), ((30, 14), 60, 61, False),
        ((30, 14), 45, 55, False),
    ],
)  # fmt: skip
def test_the_grace_is_that_of_the_policy_in_force(
    graces: tuple[int, int], change: float, renewed: float, done: bool
) -> None:
    """The term ends on day 41, 11 February."""
    policies = [Policy(version=n, renewal_grace_days=days) for n, days in enumerate(graces, start=1)]
    schedule = Schedule([Activation(1, DAWN, policies[0]), Activation(2, day(change), policies[1])])
    events = [
        event("ada", "contract.concluded", 10, contract_id="k", term_months=1),
        event("ada", "contract.renewed", renewed, contract_id="k"),
    ]
    happenings = [told for told in (read("", decode(encode(one))) for one in events) if isinstance(told, Happening)]
    found = list(terms(happenings, schedule, None, day(62)))
    assert found == [Term(day(41), done)]
