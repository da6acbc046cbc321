"""The table of rules, row by row: what fires, and what must not."""

from datetime import timedelta
from typing import Any

import pytest

from services.lifecycle.domain.customer import Happening, Kind
from services.lifecycle.domain.fold import fold, pass_time
from services.lifecycle.domain.phases import Phase
from services.lifecycle.domain.policy import Policy
from services.lifecycle.reading import read
from shared.events.envelope import decode
from shared.topics import CUSTOMER_EVENTS
from tests.builders import day, encode, event, order

C = "ada"


def happenings(events: list[dict[str, Any]]) -> list[Happening]:
    found = [read(CUSTOMER_EVENTS, decode(encode(e))) for e in events]
    return [h for h in found if isinstance(h, Happening)]


def orders(*days: float) -> list[dict[str, Any]]:
    return [order(C, d) for d in days]


def recommended(at: float) -> dict[str, Any]:
    return event(C, "referral.succeeded", at, referee="ben", order_id="o", claim_id="c")


def history(events: list[dict[str, Any]], until: float, **policy: Any) -> list[tuple[str, str, float]]:
    _, moves = fold(happenings(events), Policy(**policy), until=day(until))
    return [(m.rule, m.to.value, (m.occurred_at - day(0)) / timedelta(days=1)) for m in moves]


CASES: dict[str, tuple[list[dict[str, Any]], float, list[tuple[str, str, float]]]] = {
    "a first order makes an unknown customer new": (orders(0), 1, [("first_purchase", "new", 0)]),
    "any other contact makes a prospect": (
        [event(C, "session.signed_in", 0)], 1, [("first_contact", "prospect", 0)],
    ),
    "a consent creates no customer": ([event(C, "consent.granted", 0, channel="email", purpose="news")], 1, []),
    "closing creates no customer": ([event(C, "customer.closed", 0)], 1, []),
    "a prospect's first order makes it new": (
        [event(C, "session.signed_in", 0), order(C, 1)], 2,
        [("first_contact", "prospect", 0), ("first_purchase", "new", 1)],
    ),
    "the third order forms the habit, the second does not": (
        orders(0, 1, 2), 3, [("first_purchase", "new", 0), ("habit_formed", "established", 2)],
    ),
    "silence begins exactly 90 days after the last order": (
        orders(0), 90, [("first_purchase", "new", 0), ("silence_begins", "at_risk", 90)],
    ),
    "one instant before the deadline nothing has happened": (orders(0), 89.99999, [("first_purchase", "new", 0)]),
    "a log-in does not end the silence": (
        [*orders(0), event(C, "session.signed_in", 80)], 100,
        [("first_purchase", "new", 0), ("silence_begins", "at_risk", 90)],
    ),
    "a deadline at the very instant of an order fires before it": (
        orders(0, 90), 91,
        [("first_purchase", "new", 0), ("silence_begins", "at_risk", 90), ("recovered", "new", 90)],
    ),
    "one order may bring back and form the habit at once": (
        orders(0, 1, 95), 96,
        [
            ("first_purchase", "new", 0), ("silence_begins", "at_risk", 91),
            ("recovered", "new", 95), ("habit_formed", "established", 95),
        ],
    ),
    "an established customer recovers to established": (
        orders(0, 1, 2, 95), 96,
        [
            ("first_purchase", "new", 0), ("habit_formed", "established", 2),
            ("silence_begins", "at_risk", 92), ("recovered", "established", 95),
        ],
    ),
    "a long silence makes inactive, a very long one former": (
        orders(0), 1000,
        [
            ("first_purchase", "new", 0), ("silence_begins", "at_risk", 90),
            ("fell_silent", "inactive", 180), ("relationship_ended", "former", 910),
        ],
    ),
    "an order after inactivity wins back, the next settles": (
        orders(0, 200, 210), 211,
        [
            ("first_purchase", "new", 0), ("silence_begins", "at_risk", 90), ("fell_silent", "inactive", 180),
            ("returned", "won_back", 200), ("settled", "established", 210),
        ],
    ),
    "a former customer returns too": (
        [*orders(0), event(C, "customer.closed", 10), order(C, 20)], 21,
        [("first_purchase", "new", 0), ("relationship_ended", "former", 10), ("returned", "won_back", 20)],
    ),
    "a won-back customer at risk recovers to won_back and settles by the same order": (
        orders(0, 200, 295), 296,
        [
            ("first_purchase", "new", 0), ("silence_begins", "at_risk", 90), ("fell_silent", "inactive", 180),
            ("returned", "won_back", 200), ("silence_begins", "at_risk", 290),
            ("recovered", "won_back", 295), ("settled", "established", 295),
        ],
    ),
    "a prospect without any event for a year fades, any contact revives it": (
        [event(C, "page.viewed", 0), event(C, "page.viewed", 400)], 401,
        [("first_contact", "prospect", 0), ("prospect_faded", "inactive", 365), ("first_contact", "prospect", 400)],
    ),
    "each event starts a prospect's year anew": (
        [event(C, "page.viewed", 0), event(C, "page.viewed", 300)], 400, [("first_contact", "prospect", 0)],
    ),
    "a faded prospect's first order makes it new, not won back": (
        [event(C, "page.viewed", 0), order(C, 400)], 401,
        [("first_contact", "prospect", 0), ("prospect_faded", "inactive", 365), ("first_purchase", "new", 400)],
    ),
    "a closed prospect's first order makes it new": (
        [event(C, "page.viewed", 0), event(C, "customer.closed", 1), order(C, 2)], 3,
        [("first_contact", "prospect", 0), ("relationship_ended", "former", 1), ("first_purchase", "new", 2)],
    ),
    "contact does not revive a silent buyer": (
        [*orders(0), event(C, "session.signed_in", 200)], 201,
        [("first_purchase", "new", 0), ("silence_begins", "at_risk", 90), ("fell_silent", "inactive", 180)],
    ),
    "contact does not revive a former customer": (
        [*orders(0), event(C, "customer.closed", 1), event(C, "session.signed_in", 2)], 3,
        [("first_purchase", "new", 0), ("relationship_ended", "former", 1)],
    ),
    "whoever refers a friend is an advocate at once": ([recommended(0)], 1, [("recommends", "advocate", 0)]),
    "an established customer becomes an advocate": (
        [*orders(0, 1, 2), recommended(3)], 4,
        [("first_purchase", "new", 0), ("habit_formed", "established", 2), ("recommends", "advocate", 3)],
    ),
    "a recommendation does not lift whoever is at risk": (
        [*orders(0), recommended(100)], 101, [("first_purchase", "new", 0), ("silence_begins", "at_risk", 90)],
    ),
    "an advocate with an order falls silent and recovers to advocate": (
        [*orders(0), recommended(1), order(C, 95)], 96,
        [
            ("first_purchase", "new", 0), ("recommends", "advocate", 1),
            ("silence_begins", "at_risk", 90), ("recovered", "advocate", 95),
        ],
    ),
    "an advocate without an order fades": (
        [recommended(0)], 366, [("recommends", "advocate", 0), ("prospect_faded", "inactive", 365)],
    ),
    "closing twice ends the relationship once": (
        [*orders(0), event(C, "customer.closed", 1), event(C, "customer.closed", 2)], 3,
        [("first_purchase", "new", 0), ("relationship_ended", "former", 1)],
    ),
    "an order of nothing counts": (
        [order(C, 0, amount=0)], 1, [("first_purchase", "new", 0)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_the_rules_read_as_the_table_does(name: str) -> None:
    events, until, expected = CASES[name]
    assert history(events, until) == expected


def test_thresholds_come_from_the_policy() -> None:
    found = history(
        orders(0, 1, 30, 31), 60,
        at_risk_days=7, inactive_days=14, established_after_orders=2, settle_after_orders=3,
    )  # fmt: skip
    assert found == [
        ("first_purchase", "new", 0), ("habit_formed", "established", 1), ("silence_begins", "at_risk", 8),
        ("fell_silent", "inactive", 15), ("returned", "won_back", 30), ("silence_begins", "at_risk", 38),
        ("fell_silent", "inactive", 45),
    ]  # fmt: skip


def test_every_return_begins_a_new_episode() -> None:
    customer, moves = fold(happenings(orders(0, 200, 400)), Policy(), until=day(401))
    assert [m.episode for m in moves if m.to is Phase.WON_BACK] == [2, 3]
    assert customer.episode == 3


def test_a_transition_carries_evidence_policy_and_profile() -> None:
    events = [order(C, 0, coupon="HI", margin={"amount": 300, "currency": "EUR"}), order(C, 1, amount=500)]
    _, (bought, silent) = fold(happenings(events), Policy(name="p", version=7), until=day(100))
    assert [(ref.source, ref.id) for ref in bought.evidence.events] == [("/shop", events[0]["id"])]
    assert bought.profile.order is not None
    assert (bought.profile.order.coupon, bought.profile.order.total.amount) == ("HI", 1000)
    assert bought.profile.deadlines == {"silence_begins": day(90), "fell_silent": day(180)}
    assert (silent.evidence.deadline, silent.policy.version) == (day(91), 7)
    assert [(m.amount, m.currency) for m in silent.profile.revenue] == [(1500, "EUR")]
    assert [(m.amount, m.currency) for m in silent.profile.margin] == [(300, "EUR")]


def test_a_deadline_that_a_new_policy_moved_further_away_does_not_fire_early() -> None:
    customer, _ = fold(happenings(orders(0)), Policy(at_risk_days=90))
    longer = Policy(at_risk_days=120)
    customer, moves = pass_time(customer, day(90), longer)
    assert (moves, customer.due) == ([], day(120))
    _, moves = pass_time(customer, day(120), longer)
    assert [move.occurred_at for move in moves] == [day(120)]


def test_deadlines_near_the_end_of_time_do_not_overflow() -> None:
    late = Happening(day(0).replace(year=9998), "/shop", "x", Kind.CONTACT)
    customer, _ = fold([late], Policy(prospect_days=36_500))
    assert customer.due is not None
