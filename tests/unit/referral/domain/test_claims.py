"""Claims: who is refused and why, which touch wins, which order earns."""

from dataclasses import replace
from datetime import datetime
from uuid import UUID, uuid5

import pytest

from services.referral.domain.claims import (
    OrderEvent,
    OrderEventKind,
    Reason,
    State,
    Touch,
    Verdict,
    determine_facts,
    judge,
)
from services.referral.domain.codes import code_of
from services.referral.domain.rewards import Side
from services.referral.domain.terms import CurrencyTerms, Terms
from shared.clock import CLOCK_START
from tests.support.builders import day

TERMS = Terms(claim_days=90, return_window_days=14, currencies={"EUR": CurrencyTerms(1000, 500, 1)})
NAMESPACE = UUID(int=0)


def touch(
    at: float, whose: str | None = "ann", *, terms: Terms = TERMS, code: str | None = None
) -> Touch:
    text = code or code_of(whose or "nobody")
    return Touch(
        uuid5(NAMESPACE, f"{at} {text}"), "bob", day(at), "/shop", f"touch-{at}", text, whose, terms
    )


def order(at: float, amount: int = 8000, **more: object) -> OrderEvent:
    event = OrderEvent(
        OrderEventKind.COMPLETED, day(at), "/shop", f"order-{at}", f"o-{at}", amount, "EUR"
    )
    return replace(event, **more)  # type: ignore[arg-type]


def refund(at: float, order_id: str, amount: int, currency: str = "EUR") -> OrderEvent:
    return OrderEvent(
        OrderEventKind.REFUNDED, day(at), "/shop", f"refund-{at}", order_id, amount, currency
    )


def judged(*events: Touch | OrderEvent, referee: str = "bob") -> list[Verdict]:
    touches = [event for event in events if isinstance(event, Touch)]
    orders = [event for event in events if isinstance(event, OrderEvent)]
    verdicts = judge({referee}, touches, orders)
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
    verdicts = judge({"bob"}, [claim], events)
    state = State.QUALIFIED if rewards else State.UNQUALIFIED
    assert verdicts[claim.id] == Verdict(state, reason, "o-1")
    facts = determine_facts([claim], events, verdicts).get(claim.id)
    found = facts and (facts.amount(Side.RECOMMENDER), facts.amount(Side.REFEREE))
    assert found == rewards


def test_an_imported_order_earns_nothing_but_makes_a_buyer() -> None:
    old = order(1, historical=True)
    assert judged(touch(0), old) == [Verdict(State.UNQUALIFIED, Reason.HISTORICAL_ORDER, "o-1")]
    assert judged(touch(2), old) == refused(Reason.ALREADY_CUSTOMER)


def test_the_facts_hold_the_window_of_the_order_and_everything_that_went_back() -> None:
    claim = touch(0)
    bought = order(2, return_window_days=30)
    events = [
        refund(5, "o-2", 100),
        bought,
        refund(4, "o-2", 50),
        refund(6, "other", 9),
        refund(7, "o-2", 1, "USD"),
        OrderEvent(OrderEventKind.CANCELLED, day(1), "/shop", "early", "o-2"),
    ]
    facts = determine_facts([claim], events, judge({"bob"}, [claim], events))[claim.id]
    assert (facts.order_id, facts.recommender, facts.available_at) == ("o-2", "ann", day(32))
    assert [(r.time, r.amount) for r in facts.refunds] == [
        (day(2), None),
        (day(4), 50),
        (day(5), 100),
    ]


def test_the_default_window_is_that_of_the_terms() -> None:
    claim = touch(0)
    facts = determine_facts([claim], [order(1)], judge({"bob"}, [claim], [order(1)]))[claim.id]
    assert facts.available_at == day(15)
    assert isinstance(facts.earned_at, datetime)
