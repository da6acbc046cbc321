"""Terms of contracts under policies that change their grace."""

from typing import Any

import pytest

from services.lifecycle.domain.fold import fold
from services.lifecycle.domain.policy.policy import Policy
from services.lifecycle.domain.policy.schedule import Activation, Schedule
from services.lifecycle.domain.state.happenings import Happening
from services.lifecycle.events import read
from services.lifecycle.figures.definitions.renewal_rate import TermOutcome, term_outcomes
from shared.clock import CLOCK_START
from shared.events.envelope import decode
from tests.support.builders import day, encode, event


@pytest.mark.parametrize(
    ("graces", "change", "renewed", "done"),
    [
        ((14, 30), 50, 60, True),
        ((14, 30), 56, 60, False),
        ((30, 14), 60, 59, True),
        ((30, 14), 60, 61, False),
        ((30, 14), 45, 55, False),
    ],
)
def test_the_grace_is_that_of_the_policy_in_force(
    graces: tuple[int, int], change: float, renewed: float, done: bool
) -> None:
    """The term ends on day 41, 11 February."""
    policies = [
        Policy(version=n, renewal_grace_days=days) for n, days in enumerate(graces, start=1)
    ]
    schedule = Schedule(
        [Activation(1, CLOCK_START, policies[0]), Activation(2, day(change), policies[1])]
    )
    events = [
        event("ada", "contract.concluded", 10, contract_id="k", term_months=1),
        event("ada", "contract.renewed", renewed, contract_id="k"),
    ]
    assert list(term_outcomes(read_(events), schedule, day(40), day(62))) == [
        TermOutcome(day(41), done)
    ]


@pytest.mark.parametrize(("closed", "outcomes"), [(40, []), (41, [TermOutcome(day(41), False)])])
def test_closing_the_account_ends_the_contract(closed: float, outcomes: list[TermOutcome]) -> None:
    events = [
        event("ada", "contract.concluded", 10, contract_id="k", term_months=1),
        event("ada", "customer.closed", closed),
        event("ada", "contract.renewed", 45, contract_id="k"),
    ]
    assert list(term_outcomes(read_(events), Policy(), day(40), day(62))) == outcomes


@pytest.mark.parametrize(
    ("turned", "came", "done"),
    [
        (69, 60, False),
        (69, 54, True),
        (50, 60, True),
        (50, 72, False),
        (56, 60, False),
        (41, 60, True),
    ],
)
def test_the_grace_is_that_of_the_account_at_the_time(
    turned: float, came: float, done: bool
) -> None:
    """The term ends on day 41; of b2c that was 14 days of grace, of b2b 30."""
    policies = [
        Policy(renewal_grace_days=14),
        Policy(version=2, account="b2b", renewal_grace_days=30),
    ]
    schedule = Schedule(
        [Activation(n, CLOCK_START, policy) for n, policy in enumerate(policies, start=1)]
    )
    events = [
        event("ada", "customer.signed_up", 5, account="b2c"),
        event("ada", "contract.concluded", 10, contract_id="k", term_months=1),
        event("ada", "contract.renewed", came, contract_id="k"),
        event("ada", "customer.updated", turned, account="b2b"),
        event("ada", "customer.updated", turned + 1, language="de"),
    ]
    moves = fold(read_(events), schedule, until=day(75)).moves
    assert any(move.to == "former" for move in moves) is not done
    assert next(term_outcomes(read_(events), schedule, day(40), day(75))) == TermOutcome(
        day(41), done
    )


def read_(events: list[dict[str, Any]]) -> list[Happening]:
    return [
        told
        for told in (read("", decode(encode(one))) for one in events)
        if isinstance(told, Happening)
    ]
