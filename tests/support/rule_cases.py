"""What each rule lacks in some life, and the events, or the day, that make it fire."""

from dataclasses import dataclass
from typing import Final

from services.lifecycle.domain.policy.policy import Policy
from tests.support.customer_events import RawEvent, does
from tests.support.feedback_events import annuls, answers, complains, refers, resolves, scores
from tests.support.lives import BUILT_IN, THRICE, VIEWED
from tests.support.purchase_events import (
    buys,
    cancels_order,
    concludes,
    gives_notice,
    refunds,
    renews,
)

CLOSED: Final = does("customer.closed", 5)


SHARE: Final = Policy(revenue_decline_share=0.5)


CONTACT: Final = Policy(contact_days=20)


@dataclass(frozen=True)
class RuleCase:
    """A life until a day, what a rule lacks then, and the events, or the day, that bring it."""

    rule: str
    events: list[RawEvent]
    until: float
    lacks: str
    do: list[RawEvent]
    fires: str
    due: float | None = None
    policy: Policy = BUILT_IN


BY_EVENT: Final = {
    "a prospect's first order": RuleCase(
        "first_purchase", VIEWED, 1, "a first order or contract", buys(2), "2 first_purchase new"
    ),
    "a faded prospect's first contract": RuleCase(
        "first_purchase",
        VIEWED,
        400,
        "a first order or contract",
        concludes(401),
        "401 first_purchase new",
    ),
    "a closed prospect's first order": RuleCase(
        "first_purchase",
        [*VIEWED, *CLOSED],
        6,
        "a first order or contract",
        buys(7),
        "7 first_purchase new",
    ),
    "a sign of life of a faded prospect": RuleCase(
        "first_contact",
        VIEWED,
        400,
        "any event but a purchase or a recommendation",
        does("message.opened", 401),
        "401 first_contact prospect",
    ),
    "the orders that form a habit": RuleCase(
        "habit_formed", buys(0), 1, "2 more orders", buys(2, 3), "3 habit_formed established"
    ),
    "the order that forms a habit": RuleCase(
        "habit_formed", buys(0, 1), 2, "1 more order", buys(3), "3 habit_formed established"
    ),
    "the renewal that forms a habit": RuleCase(
        "habit_formed",
        concludes(0),
        1,
        "a renewal of contract v",
        renews(2),
        "2 habit_formed established",
    ),
    "the renewal of one of two contracts": RuleCase(
        "habit_formed",
        [*concludes(0), *concludes(0.5, of="w")],
        1,
        "a renewal of one of the contracts v, w",
        renews(2, of="w"),
        "2 habit_formed established",
    ),
    "a recommendation by a prospect": RuleCase(
        "recommends", VIEWED, 1, "a successful recommendation", refers(2), "2 recommends advocate"
    ),
    "praise by an established customer": RuleCase(
        "recommends",
        THRICE,
        3,
        "an NPS of 9 or 10, or a public review of 5 stars",
        scores(4, "review", 5, public=True),
        "4 recommends advocate",
    ),
    "praise after a mild complaint": RuleCase(
        "recommends",
        [*THRICE, *complains(3, severity=1)],
        3.5,
        "complaint k resolved, then an NPS of 9 or 10, or a public review of 5 stars",
        [*resolves(3.6), *scores(3.7, "nps", 9)],
        "3.7 recommends advocate",
    ),
    "a lukewarm advocate": RuleCase(
        "enthusiasm_faded",
        [*THRICE, *refers(3)],
        4,
        "an NPS of 8 or less",
        scores(5, "nps", 8),
        "5 enthusiasm_faded established",
    ),
    "the only evidence annulled": RuleCase(
        "enthusiasm_faded",
        refers(3),
        4,
        "the recommendation annulled, the only evidence",
        annuls(5),
        "5 enthusiasm_faded prospect",
    ),
    "a low score": RuleCase(
        "dissatisfied",
        buys(0),
        1,
        "an NPS of 6 or less, a CSAT of 2 or less, or a review of 2 stars or less",
        scores(2, "csat", 2),
        "2 dissatisfied at_risk",
    ),
    "a complaint": RuleCase(
        "dissatisfied",
        buys(0),
        1,
        "a complaint of severity 2 or 3",
        complains(2),
        "2 dissatisfied at_risk",
    ),
    "the newsletter": RuleCase(
        "bond_weakens",
        buys(0),
        1,
        "the newsletter cancelled",
        does("newsletter.unsubscribed", 2),
        "2 bond_weakens at_risk",
    ),
    "less revenue": RuleCase(
        "bond_weakens",
        THRICE,
        80,
        "revenue of 90 days below 50% of that of the 90 days before, with 3 orders in those",
        buys(93, total={"amount": 100, "currency": "EUR"}),
        "93 bond_weakens at_risk",
        policy=Policy(revenue_decline_share=0.5, at_risk_days=100),
    ),
    "notice of an end": RuleCase(
        "cancellation_announced",
        concludes(0),
        1,
        "notice of a later end of contract v",
        gives_notice(2, 20),
        "2 cancellation_announced at_risk",
    ),
    "recovery from silence": RuleCase(
        "recovered",
        buys(0),
        100,
        "an order, or a contract concluded or renewed",
        buys(101),
        "101 recovered new",
    ),
    "recovery from a low score and a complaint": RuleCase(
        "recovered",
        [*buys(0), *scores(1, "nps", 3), *complains(2)],
        3,
        "complaint k resolved to the customer's satisfaction; and an NPS of 7 or more",
        [*resolves(4), *scores(5, "nps", 7)],
        "5 recovered new",
    ),
    "recovery from an overdue answer": RuleCase(
        "recovered",
        [*buys(0), *complains(1, severity=1)],
        3,
        "an answer to complaint k",
        answers(4),
        "4 recovered new",
    ),
    "recovery from an answer that never came": RuleCase(
        "recovered",
        [*buys(0), *complains(1, severity=1), *resolves(3, satisfied=False)],
        4,
        "an answer to complaint k",
        answers(5),
        "5 recovered new",
    ),
    "recovery from a notice given, and from silence": RuleCase(
        "recovered",
        [*concludes(0, months=12), *gives_notice(2, 300)],
        3,
        "a contract renewed or newly concluded",
        renews(4),
        "4 recovered new",
    ),
    "recovery by the end of one contract while another runs": RuleCase(
        "recovered",
        [*concludes(0, months=12), *concludes(1, months=12, of="w"), *gives_notice(2, 300)],
        3,
        "a contract renewed or newly concluded, or the end of contract v while another runs",
        gives_notice(4),
        "4 recovered new",
    ),
    "recovery by the newsletter": RuleCase(
        "recovered",
        [*buys(0), *does("newsletter.unsubscribed", 1)],
        2,
        "a newsletter subscription, an order, or a contract concluded or renewed",
        does("newsletter.subscribed", 3),
        "3 recovered new",
    ),
    "recovery by any activity": RuleCase(
        "recovered",
        [*buys(0), *VIEWED],
        30,
        "any activity of the customer",
        does("message.opened", 31),
        "31 recovered new",
        policy=CONTACT,
    ),
    "the account closed": RuleCase(
        "relationship_ended",
        buys(0),
        1,
        "the account closed",
        CLOSED,
        "5 relationship_ended former",
    ),
    "the only contract cancelled": RuleCase(
        "relationship_ended",
        concludes(0),
        1,
        "contract v cancelled at once",
        gives_notice(2),
        "2 relationship_ended former",
    ),
    "a return": RuleCase(
        "returned", buys(0), 200, "an order or a contract", buys(201), "201 returned won_back"
    ),
    "a return after closing": RuleCase(
        "returned",
        [*buys(0), *CLOSED],
        6,
        "an order or a contract",
        concludes(7),
        "7 returned won_back",
    ),
    "the order that settles": RuleCase(
        "settled", buys(0, 200), 201, "1 more order", buys(202), "202 settled established"
    ),
    "the renewal that settles": RuleCase(
        "settled",
        [*buys(0), *concludes(200)],
        201,
        "a renewal of contract v",
        renews(202),
        "202 settled established",
    ),
    "the only order undone": RuleCase(
        "first_purchase_undone",
        buys(0),
        1,
        "the order since the first purchase cancelled or wholly refunded",
        refunds(2, "o0"),
        "2 first_purchase_undone prospect",
    ),
    "all orders undone": RuleCase(
        "first_purchase_undone",
        buys(0, 1),
        2,
        "both orders since the first purchase cancelled or wholly refunded",
        [*cancels_order(3, "o1"), *refunds(4, "o0")],
        "4 first_purchase_undone prospect",
    ),
    "the return undone": RuleCase(
        "first_purchase_undone",
        buys(0, 200),
        201,
        "the order since the return cancelled or wholly refunded",
        cancels_order(202, "o200"),
        "202 first_purchase_undone inactive",
    ),
    "an order of a habit undone": RuleCase(
        "habit_undone",
        buys(0, 1, 2),
        3,
        "an order cancelled or wholly refunded",
        cancels_order(4, "o1"),
        "4 habit_undone new",
    ),
    "more orders of a habit undone": RuleCase(
        "habit_undone",
        [*buys(0, 1, 2, 3), *cancels_order(4, "o0")],
        5,
        "an order cancelled or wholly refunded",
        cancels_order(6, "o1"),
        "6 habit_undone new",
    ),
    "a habit of the won back undone": RuleCase(
        "habit_undone",
        buys(0, 200, 201),
        202,
        "an order cancelled or wholly refunded",
        cancels_order(203, "o201"),
        "203 habit_undone won_back",
    ),
}


BY_TIME: Final = {
    "silence": RuleCase(
        "silence_begins",
        buys(0),
        1,
        "no order until 2024-03-31T12:00Z",
        [],
        "90 silence_begins at_risk",
        90,
    ),
    "a long silence": RuleCase(
        "fell_silent",
        buys(0),
        1,
        "no order until 2024-06-29T12:00Z",
        [],
        "180 fell_silent inactive",
        180,
    ),
    "a long silence after a contract that an order has outlived": RuleCase(
        "fell_silent",
        [*concludes(0, months=12), *gives_notice(2, 200), *buys(3)],
        4,
        "no renewal of contract v and no order until 2024-07-19T12:00Z",
        [],
        "200 fell_silent inactive",
        200,
    ),
    "a long silence of one at risk": RuleCase(
        "fell_silent",
        buys(0),
        100,
        "no order until 2024-06-29T12:00Z",
        [],
        "180 fell_silent inactive",
        180,
    ),
    "no praise": RuleCase(
        "enthusiasm_faded",
        [*concludes(0, months=60), *refers(3)],
        4,
        "no further recommendation or praise until 2025-01-03T12:00Z",
        [],
        "368 enthusiasm_faded new",
        368,
    ),
    "no answer": RuleCase(
        "dissatisfied",
        [*buys(0), *complains(1, severity=1)],
        1.5,
        "no answer to complaint k until 2024-01-03T12:00Z",
        [],
        "2 dissatisfied at_risk",
        2,
    ),
    "no contact": RuleCase(
        "bond_weakens",
        [*buys(0), *VIEWED],
        1,
        "no session, page view or click until 2024-01-21T12:00Z",
        [],
        "20 bond_weakens at_risk",
        20,
        CONTACT,
    ),
    "no event of a prospect": RuleCase(
        "prospect_faded",
        VIEWED,
        1,
        "no event of any kind until 2024-12-31T12:00Z",
        [],
        "365 prospect_faded inactive",
        365,
    ),
    "no event of an advocate who never bought": RuleCase(
        "prospect_faded",
        [*refers(0), *refers(100, "cy")],
        101,
        "no event of any kind until 2025-04-10T12:00Z",
        [],
        "465 prospect_faded inactive",
        465,
    ),
    "no return": RuleCase(
        "relationship_ended",
        buys(0),
        200,
        "no return until 2026-06-29T12:00Z",
        [],
        "910 relationship_ended former",
        910,
    ),
    "no renewal": RuleCase(
        "relationship_ended",
        concludes(0),
        1,
        "no renewal of contract v until 2024-02-15T12:00Z",
        [],
        "45 relationship_ended former",
        45,
    ),
    "no renewal of any of two": RuleCase(
        "relationship_ended",
        [*concludes(0), *concludes(0, months=2, of="w")],
        1,
        "no renewal of any of the contracts v, w until 2024-03-15T12:00Z",
        [],
        "74 relationship_ended former",
        74,
    ),
    "no renewal after notice, and no order": RuleCase(
        "relationship_ended",
        [*concludes(0, months=12), *gives_notice(2, 20)],
        3,
        "no renewal of contract v and no order until 2024-01-21T12:00Z",
        [],
        "20 relationship_ended former",
        20,
    ),
}
