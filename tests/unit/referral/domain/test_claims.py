"""Claims: who is refused and why, which touch wins, which order earns."""

from dataclasses import replace
from itertools import permutations
from typing import Any, NamedTuple
from uuid import UUID, uuid5

import pytest

from services.referral.domain.claims import (
    Reason,
    State,
    Touch,
    Verdict,
    determine_facts,
    judge,
)
from services.referral.domain.orders import OrderEvent, purchases
from services.referral.domain.rewards import RewardFacts, Side, balance_of, movements
from services.referral.domain.terms import CurrencyTerms, Terms
from shared.clock import CLOCK_START
from tests.support.builders import day
from tests.support.referral_codes import code_of
from tests.support.referral_orders import cancelled, completed, refunded, updated, withdrawn

TERMS = Terms(claim_days=90, return_window_days=14, currencies={"EUR": CurrencyTerms(1000, 500, 1)})
NAMESPACE = UUID(int=0)


def touch(
    at: float, whose: str | None = "ann", *, terms: Terms = TERMS, code: str | None = None
) -> Touch:
    text = code or code_of(whose or "nobody")
    return Touch(
        uuid5(NAMESPACE, f"{at} {text}"), "bob", day(at), "/shop", f"touch-{at}", text, whose, terms
    )


def order(at: float, amount: int = 8000, **more: Any) -> OrderEvent:
    return completed(at, f"o-{at}", amount, **more)


def judged(*events: Touch | OrderEvent, referee: str = "bob") -> list[Verdict]:
    touches = [event for event in events if isinstance(event, Touch)]
    orders = [event for event in events if isinstance(event, OrderEvent)]
    verdicts = judge({referee}, touches, purchases(orders))
    return [verdicts[t.id] for t in touches]


def refused(reason: Reason) -> list[Verdict]:
    return [Verdict(State.REFUSED, reason)]


def test_a_claim_waits_for_the_first_order() -> None:
    assert judged(touch(0)) == [Verdict(State.ACCEPTED)]


def test_the_first_order_qualifies_the_claim() -> None:
    assert judged(touch(0), order(5), order(3)) == [Verdict(State.QUALIFIED, order_id="o-3")]


def test_a_code_may_come_with_the_first_order_itself() -> None:
    carried = replace(touch(3), event="order-3")
    assert judged(carried, order(3)) == [Verdict(State.QUALIFIED, order_id="o-3")]


def test_who_has_bought_before_is_refused() -> None:
    assert judged(touch(3), order(2), order(4)) == refused(Reason.ALREADY_CUSTOMER)


def test_nobody_recommends_himself() -> None:
    assert judged(touch(0, "bob"), order(1)) == refused(Reason.SELF_REFERRAL)


def test_a_code_of_nobody_is_refused() -> None:
    assert judged(touch(0, None), order(1)) == refused(Reason.UNKNOWN_CODE)


def test_a_mistyped_code_is_refused_as_such() -> None:
    assert judged(touch(0, None, code="ABC"), order(1)) == refused(Reason.MISTYPED_CODE)


def test_the_last_touch_wins() -> None:
    assert judged(touch(0), touch(1, "eve"), order(2)) == [
        Verdict(State.SUPERSEDED),
        Verdict(State.QUALIFIED, order_id="o-2"),
    ]


def test_a_refused_touch_takes_nothing_from_the_one_before() -> None:
    assert judged(touch(0), touch(1, "bob"), order(2))[0].state is State.QUALIFIED


def test_a_claim_of_ninety_days_holds_to_the_instant() -> None:
    assert judged(touch(0), order(90))[0].state is State.QUALIFIED
    assert judged(touch(0), order(90.001)) == [Verdict(State.EXPIRED)]


def test_a_claim_made_before_the_clock_started_waits_for_ever() -> None:
    untimed = replace(touch(0), time=CLOCK_START)
    assert judged(untimed, order(5000))[0].state is State.QUALIFIED


def test_an_order_below_the_minimum_earns_nothing() -> None:
    terms = replace(TERMS, currencies={"EUR": CurrencyTerms(1000, 500, 8001)})
    assert judged(touch(0, terms=terms), order(1), order(2, 9000)) == [
        Verdict(State.UNQUALIFIED, Reason.BELOW_MINIMUM, "o-1")
    ]


CURRENCIES = {
    "EUR": CurrencyTerms(1000, 500, 2000),
    "JPY": CurrencyTerms(1500, 700, 3000),
    "KWD": CurrencyTerms(3000, 1500, 6000),
}
"""About ten and five euros in each: minor units do not compare."""


@pytest.mark.parametrize(
    ("amount", "currency", "rewards", "reason"),
    [
        (2000, "EUR", (1000, 500), None),
        (1999, "EUR", None, Reason.BELOW_MINIMUM),
        (3000, "JPY", (1500, 700), None),
        (2999, "JPY", None, Reason.BELOW_MINIMUM),
        (6000, "KWD", (3000, 1500), None),
        (5999, "KWD", None, Reason.BELOW_MINIMUM),
        (0, "EUR", None, Reason.BELOW_MINIMUM),
        (900_000, "USD", None, Reason.NO_REWARD_IN_THIS_CURRENCY),
        (0, "USD", None, Reason.NO_REWARD_IN_THIS_CURRENCY),
    ],
)
def test_each_currency_has_its_own_rewards_and_minimum_and_one_without_earns_nothing(
    amount: int, currency: str, rewards: tuple[int, int] | None, reason: Reason | None
) -> None:
    claim = touch(0, terms=replace(TERMS, currencies=CURRENCIES))
    events = [order(1, amount, currency=currency), order(2)]
    bought = purchases(events)
    verdicts = judge({"bob"}, [claim], bought)
    state = State.QUALIFIED if rewards else State.UNQUALIFIED
    assert verdicts[claim.id] == Verdict(state, reason, "o-1")
    facts = determine_facts([claim], bought, verdicts).get(claim.id)
    found = facts and (facts.amount(Side.RECOMMENDER), facts.amount(Side.REFEREE))
    assert found == rewards


def test_an_imported_order_earns_nothing_but_makes_a_buyer() -> None:
    old = order(1, historical=True)
    assert judged(touch(0), old) == [Verdict(State.UNQUALIFIED, Reason.HISTORICAL_ORDER, "o-1")]
    assert judged(touch(2), old) == refused(Reason.ALREADY_CUSTOMER)


def facts_of(claim: Touch, *events: OrderEvent) -> RewardFacts | None:
    bought = purchases(events)
    return determine_facts([claim], bought, judge({"bob"}, [claim], bought)).get(claim.id)


def test_the_facts_hold_the_window_of_the_order_and_how_much_of_it_went_back() -> None:
    facts = facts_of(
        touch(0),
        refunded(5, "o-2", 2000),
        order(2, days=30),
        refunded(4, "o-2", 1000),
        refunded(6, "other", 9),
        refunded(7, "o-2", 1, currency="USD"),
        refunded(1, "o-2", 500),
    )
    assert facts is not None
    assert (facts.order_id, facts.recommender, facts.available_at) == ("o-2", "ann", day(32))
    assert [(r.time, r.gone, r.total) for r in facts.returns] == [
        (day(2), 500, 8000),
        (day(4), 1500, 8000),
        (day(5), 3500, 8000),
    ]


def test_the_default_window_is_that_of_the_terms() -> None:
    facts = facts_of(touch(0), order(1))
    assert facts is not None
    assert facts.available_at == day(15)


QUALIFIED = State.QUALIFIED
ACCEPTED = State.ACCEPTED


class Changed(NamedTuple):
    """What is known of a referee who named ann's code, and what comes of it on day 60.

    `earned` is what is left of the recommender's 1000, of which order; None: never earned.
    """

    events: list[OrderEvent]
    state: State
    earned: tuple[str, int] | None
    named: float = 0


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(
            Changed(
                [completed(1, "1"), cancelled(2, "1"), completed(3, "2")], QUALIFIED, ("2", 1000)
            ),
            id="a cancelled order does not decide, the next one does",
        ),
        pytest.param(
            Changed(
                [completed(1, "1"), cancelled(2, "1"), completed(3, "1")], QUALIFIED, ("1", 1000)
            ),
            id="an order that is taken up again rewards again",
        ),
        pytest.param(
            Changed([completed(1, "1"), cancelled(2, "1")], ACCEPTED, ("1", 0)),
            id="while no order stands the claim waits, and the reward is reversed",
        ),
        pytest.param(
            Changed(
                [completed(1, "1"), cancelled(2, "1"), completed(9, "2")], QUALIFIED, ("2", 1000), 5
            ),
            id="a cancelled order before the code makes no customer of the past",
        ),
        pytest.param(
            Changed(
                [completed(1, "1"), completed(9, "2"), cancelled(10, "1")],
                QUALIFIED,
                ("2", 1000),
                5,
            ),
            id="nor does one that is cancelled later",
        ),
        pytest.param(
            Changed([completed(1, "1", 0), completed(9, "2")], State.REFUSED, None, 5),
            id="a free order makes one",
        ),
        pytest.param(
            Changed(
                [completed(1, "1", 0), refunded(2, "1", 0), completed(9, "2")],
                QUALIFIED,
                ("2", 1000),
                5,
            ),
            id="unless a refund of 0 undoes it",
        ),
        pytest.param(
            Changed([completed(1, "1", 0)], State.UNQUALIFIED, None),
            id="a free order never earns",
        ),
        pytest.param(
            Changed(
                [completed(1, "1"), refunded(2, "1", 2000), refunded(3, "1", 2000)],
                QUALIFIED,
                ("1", 200),
            ),
            id="two refunds are two refunds",
        ),
        pytest.param(
            Changed(
                [
                    completed(1, "1"),
                    refunded(2, "1", 2000, refund_id="r"),
                    refunded(3, "1", 2000, refund_id="r"),
                ],
                QUALIFIED,
                ("1", 600),
            ),
            id="with one id they are one",
        ),
        pytest.param(
            Changed(
                [
                    completed(1, "1"),
                    refunded(2, "1", 5000, refund_id="r"),
                    withdrawn(3, "1", refund_id="r"),
                ],
                QUALIFIED,
                ("1", 1000),
            ),
            id="a withdrawn refund is back",
        ),
        pytest.param(
            Changed(
                [completed(1, "1"), refunded(2, "1", 1000), refunded(3, "1")], ACCEPTED, ("1", 0)
            ),
            id="without an amount all that is left goes back",
        ),
        pytest.param(
            Changed(
                [completed(1, "1"), completed(2, "1", 12000), refunded(3, "1", 6000)],
                QUALIFIED,
                ("1", 500),
            ),
            id="the latest total counts",
        ),
        pytest.param(
            Changed(
                [completed(1, "1"), updated(2, "1", 10000), refunded(3, "1", 5000)],
                QUALIFIED,
                ("1", 500),
            ),
            id="an update likewise",
        ),
        pytest.param(
            Changed(
                [completed(1, "1"), refunded(2, "1", 4000), updated(3, "1", 4000)],
                ACCEPTED,
                ("1", 0),
            ),
            id="an update may undo what was refunded in part",
        ),
        pytest.param(
            Changed([completed(1, "1"), updated(2, "1", 10)], State.UNQUALIFIED, None),
            id="or leave less than the minimum",
        ),
        pytest.param(
            Changed(
                [completed(1, "1", replacement_of="0"), completed(3, "2")], QUALIFIED, ("2", 1000)
            ),
            id="a replacement is no order",
        ),
        pytest.param(
            Changed(
                [
                    completed(1, "1", 4000, source="/de"),
                    completed(2, "1", 2000, source="/at"),
                    refunded(3, "1", 2000, source="/pay", store="/de"),
                ],
                QUALIFIED,
                ("1", 500),
            ),
            id="each store has its own orders",
        ),
        pytest.param(
            Changed(
                [completed(1, "1"), refunded(3, "1", 2500, source="/pay")], QUALIFIED, ("1", 500)
            ),
            id="a refund of the payment provider finds the only order",
        ),
        pytest.param(
            Changed(
                [completed(1, "1", origin="guest"), refunded(3, "1", 5000, origin="bob")],
                ACCEPTED,
                ("1", 0),
            ),
            id="an account refunds what the guest has bought",
        ),
        pytest.param(
            Changed(
                [
                    completed(1, "1", 4000, origin="guest"),
                    completed(1, "1", 4000, origin="bob", source="/b"),
                    refunded(3, "1", 2000, origin="bob", source="/pay"),
                ],
                QUALIFIED,
                ("1", 500),
            ),
            id="of two people's orders each finds its own",
        ),
    ],
)
def test_the_first_order_that_stands_decides_and_what_goes_back_is_reversed(case: Changed) -> None:
    claim = replace(
        touch(case.named), terms=replace(TERMS, currencies={"EUR": CurrencyTerms(1000, 500, 100)})
    )
    bought = purchases(case.events)
    verdicts = judge({"bob"}, [claim], bought)
    assert verdicts[claim.id].state is case.state
    facts = determine_facts([claim], bought, verdicts).get(claim.id)
    left = balance_of(facts, Side.RECOMMENDER, day(60))
    assert (facts and (facts.order_id, left.available)) == case.earned
    for arriving in permutations(case.events):
        assert purchases(arriving) == bought


def test_what_is_restored_comes_back_where_it_was_taken_from() -> None:
    events = (
        completed(1, "1"),
        refunded(3, "1", 5000, refund_id="r"),
        withdrawn(5, "1", refund_id="r"),
        refunded(20, "1", 2500, refund_id="s"),
        withdrawn(21, "1", refund_id="s"),
    )
    moved = movements(facts_of(touch(0), *events), Side.RECOMMENDER, day(60))
    assert [(m.kind.value, m.pending, m.available) for m in moved] == [
        ("earned", 1000, 0),
        ("reversed", -1000, 0),
        ("restored", 1000, 0),
        ("matured", -1000, 1000),
        ("reversed", 0, -500),
        ("restored", 0, 500),
    ]
