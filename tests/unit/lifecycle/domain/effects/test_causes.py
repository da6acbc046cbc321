"""What puts a customer at risk, what joins, and what clears each cause."""

from typing import Final

import pytest

from services.lifecycle.domain.policy.policy import Policy
from tests.support.customer_events import RawEvent, does
from tests.support.feedback_events import answers, complains, refers, resolves, scores
from tests.support.lives import (
    ESTABLISHED,
    INACTIVE,
    NEW,
    PROSPECT,
    SILENT,
    WON_BACK,
    Case,
    describe,
    live,
)
from tests.support.purchase_events import (
    buys,
    cancels_order,
    concludes,
    gives_notice,
    refunds,
    renews,
)

BOUGHT: Final = buys(0)
AT_RISK: Final = [*NEW, "1 dissatisfied at_risk"]
WEAKENED: Final = [*NEW, "1 bond_weakens at_risk"]
UNSUBSCRIBED: Final = [*BOUGHT, *does("newsletter.unsubscribed", 1)]

SCORES: Final = {
    "an NPS of 6": Case([*BOUGHT, *scores(1, "nps", 6)], 2, AT_RISK, causes=("score:nps",)),
    "not an NPS of 7": Case([*BOUGHT, *scores(1, "nps", 7)], 2, NEW),
    "a CSAT of 2": Case([*BOUGHT, *scores(1, "csat", 2)], 2, AT_RISK, causes=("score:csat",)),
    "not a CSAT of 3": Case([*BOUGHT, *scores(1, "csat", 3)], 2, NEW),
    "a review of 2": Case([*BOUGHT, *scores(1, "review", 2)], 2, AT_RISK, causes=("score:review",)),
    "not a review of 3": Case([*BOUGHT, *scores(1, "review", 3)], 2, NEW),
    "a review of 1.5": Case(
        [*BOUGHT, *scores(1, "review", 1.5)], 2, AT_RISK, causes=("score:review",)
    ),
    "not a review of 2.5": Case([*BOUGHT, *scores(1, "review", 2.5)], 2, NEW),
    "a review of 2.5 does not clear it": Case(
        [*BOUGHT, *scores(1, "review", 1), *scores(2, "review", 2.5)],
        3,
        AT_RISK,
        causes=("score:review",),
    ),
    "the established too": Case(
        [*buys(0, 1, 2), *scores(3, "nps", 0)],
        4,
        [*ESTABLISHED, "3 dissatisfied at_risk"],
        causes=("score:nps",),
    ),
    "the won-back too": Case(
        [*buys(0, 200), *scores(201, "csat", 1)],
        202,
        [*WON_BACK, "201 dissatisfied at_risk"],
        causes=("score:csat",),
    ),
    "advocates too": Case(
        [*BOUGHT, *refers(0.5), *scores(1, "review", 1)],
        2,
        [*NEW, "0.5 recommends advocate", "1 dissatisfied at_risk"],
        causes=("score:review",),
    ),
    "not a prospect": Case([*does("page.viewed", 0), *scores(1, "nps", 0)], 2, PROSPECT),
    "not whoever is inactive": Case([*BOUGHT, *scores(190, "nps", 0)], 191, INACTIVE),
    "a later NPS of 7 clears it": Case(
        [*BOUGHT, *scores(1, "nps", 6), *scores(2, "nps", 7)], 3, [*AT_RISK, "2 recovered new"]
    ),
    "a later CSAT of 3 clears it": Case(
        [*BOUGHT, *scores(1, "csat", 1), *scores(2, "csat", 3)], 3, [*AT_RISK, "2 recovered new"]
    ),
    "a later review of 3 clears it": Case(
        [*BOUGHT, *scores(1, "review", 1), *scores(2, "review", 3)],
        3,
        [*AT_RISK, "2 recovered new"],
    ),
    "a score of another kind does not": Case(
        [*BOUGHT, *scores(1, "nps", 6), *scores(2, "csat", 5), *scores(3, "review", 5)],
        4,
        AT_RISK,
        causes=("score:nps",),
    ),
    "another low score does not": Case(
        [*BOUGHT, *scores(1, "nps", 6), *scores(2, "nps", 0)], 3, AT_RISK, causes=("score:nps",)
    ),
    "an order does not": Case(
        [*BOUGHT, *scores(1, "nps", 6), *buys(2)], 3, AT_RISK, causes=("score:nps",)
    ),
    "a contract does not": Case(
        [*BOUGHT, *scores(1, "nps", 6), *concludes(2)], 3, AT_RISK, causes=("score:nps",)
    ),
}

COMPLAINTS: Final = {
    "severity 2": Case([*BOUGHT, *complains(1)], 2, AT_RISK, causes=("complaint:k",)),
    "severity 3": Case([*BOUGHT, *complains(1, 3)], 1.5, AT_RISK, causes=("complaint:k",)),
    "2 is the default": Case(
        [*BOUGHT, *does("complaint.opened", 1, complaint_id="k")],
        1.5,
        AT_RISK,
        causes=("complaint:k",),
    ),
    "not severity 1": Case([*BOUGHT, *complains(1, 1)], 1.99, NEW),
    "severity 1 without an answer for a day": Case(
        [*BOUGHT, *complains(1, 1)], 2, [*NEW, "2 dissatisfied at_risk"], causes=("complaint:k",)
    ),
    "not with an answer in time": Case([*BOUGHT, *complains(1, 1), *answers(1.9)], 3, NEW),
    "an answer at the very instant comes too late, and clears": Case(
        [*BOUGHT, *complains(1, 1), *answers(2)],
        3,
        [*NEW, "2 dissatisfied at_risk", "2 recovered new"],
    ),
    "not when it is resolved in time": Case(
        [*BOUGHT, *complains(1, 1), *resolves(1.9, satisfied=None)], 3, NEW
    ),
    "a prospect's severity 2 overdue once it is new": Case(
        [*complains(0), *buys(0.5)],
        2,
        [*PROSPECT, "0.5 first_purchase new", "1 dissatisfied at_risk"],
        causes=("complaint:k",),
    ),
    "not a prospect's, overdue before it buys": Case(
        [*complains(0), *buys(2)], 5, [*PROSPECT, "2 first_purchase new"]
    ),
    "its resolution with satisfied clears it": Case(
        [*BOUGHT, *complains(1), *resolves(1.5)], 3, [*AT_RISK, "1.5 recovered new"]
    ),
    "its resolution without does not": Case(
        [*BOUGHT, *complains(1), *resolves(1.5, satisfied=False)],
        3,
        AT_RISK,
        causes=("complaint:k",),
    ),
    "nor one that does not say": Case(
        [*BOUGHT, *complains(1), *resolves(1.5, satisfied=None)],
        3,
        AT_RISK,
        causes=("complaint:k",),
    ),
    "a second resolution with satisfied does": Case(
        [*BOUGHT, *complains(1), *resolves(1.5, satisfied=False), *resolves(2)],
        3,
        [*AT_RISK, "2 recovered new"],
    ),
    "that of another complaint does not": Case(
        [*BOUGHT, *complains(1), *resolves(1.5, "other")], 3, AT_RISK, causes=("complaint:k",)
    ),
    "its answer does not, with severity 2": Case(
        [*BOUGHT, *complains(1), *answers(1.5)], 3, AT_RISK, causes=("complaint:k",)
    ),
    "its late answer does, with severity 1": Case(
        [*BOUGHT, *complains(1, 1), *answers(5)],
        6,
        [*NEW, "2 dissatisfied at_risk", "5 recovered new"],
    ),
    "so does its resolution": Case(
        [*BOUGHT, *complains(1, 1), *resolves(5)],
        6,
        [*NEW, "2 dissatisfied at_risk", "5 recovered new"],
    ),
    "an order does not": Case(
        [*BOUGHT, *complains(1), *buys(2)], 3, AT_RISK, causes=("complaint:k",)
    ),
    "one of two resolved is not enough": Case(
        [*BOUGHT, *complains(1), *complains(2, of="l"), *resolves(3)],
        4,
        AT_RISK,
        causes=("complaint:l",),
    ),
    "both resolved are": Case(
        [*BOUGHT, *complains(1), *complains(2, of="l"), *resolves(3), *resolves(4, "l")],
        5,
        [*AT_RISK, "4 recovered new"],
    ),
    "resolved before it was opened has no effect": Case(
        [*BOUGHT, *resolves(0.5), *complains(1)], 2, AT_RISK, causes=("complaint:k",)
    ),
    "answered before it was opened has none either": Case(
        [*BOUGHT, *answers(0.5), *complains(1, 1)],
        2,
        [*NEW, "2 dissatisfied at_risk"],
        causes=("complaint:k",),
    ),
    "opened twice it is one, from the first time on": Case(
        [*BOUGHT, *complains(1, 1), *complains(1.9, 1)],
        2,
        [*NEW, "2 dissatisfied at_risk"],
        causes=("complaint:k",),
    ),
    "opened again with a higher severity, the higher counts": Case(
        [*BOUGHT, *complains(1, 1), *complains(1.5, 3)],
        1.6,
        [*NEW, "1.5 dissatisfied at_risk"],
        causes=("complaint:k",),
    ),
    "and an answer is no remedy any more": Case(
        [*BOUGHT, *complains(1, 1), *complains(3, 3), *answers(4)],
        5,
        [*NEW, "2 dissatisfied at_risk"],
        causes=("complaint:k",),
    ),
    "opened again with a lower severity, the higher counts too": Case(
        [*BOUGHT, *complains(1, 3), *complains(1.5, 1), *answers(2)],
        3,
        AT_RISK,
        causes=("complaint:k",),
    ),
    "a severe one told again to a won-back customer is a cause again": Case(
        [*BOUGHT, *complains(1, 3), *does("customer.closed", 2), *buys(3), *complains(4, 1)],
        4.5,
        [
            *AT_RISK,
            "2 relationship_ended former",
            "3 returned won_back",
            "4 dissatisfied at_risk",
        ],
        causes=("complaint:k",),
    ),
    "a slight one resolved without satisfying stays until it is answered": Case(
        [*BOUGHT, *complains(1, 1), *resolves(5, satisfied=False)],
        9,
        [*NEW, "2 dissatisfied at_risk"],
        causes=("complaint:k",),
    ),
    "and is no cause after an answer": Case(
        [*BOUGHT, *complains(1, 1), *resolves(5, satisfied=False), *answers(6)],
        9,
        [*NEW, "2 dissatisfied at_risk", "6 recovered new"],
    ),
    "nor after a resolution that satisfies": Case(
        [*BOUGHT, *complains(1, 1), *resolves(5, satisfied=False), *resolves(6)],
        9,
        [*NEW, "2 dissatisfied at_risk", "6 recovered new"],
    ),
    "an answer is no remedy for a severe one that was resolved": Case(
        [*BOUGHT, *complains(1, 2), *resolves(5, satisfied=False), *answers(6)],
        9,
        AT_RISK,
        causes=("complaint:k",),
    ),
    "nor for one opened anew with a higher severity": Case(
        [
            *BOUGHT,
            *complains(1, 1),
            *resolves(5, satisfied=False),
            *complains(6, 3),
            *answers(7),
        ],
        9,
        [*NEW, "2 dissatisfied at_risk"],
        causes=("complaint:k",),
    ),
}

CONTACTS: Final = Policy(contact_days=30)
SEEN: Final = [*BOUGHT, *does("page.viewed", 1)]
FADING: Final = [*NEW, "31 bond_weakens at_risk"]
BONDS: Final = {
    "newsletter cancelled": Case(UNSUBSCRIBED, 2, WEAKENED, causes=("newsletter",)),
    "not for a prospect": Case(does("newsletter.unsubscribed", 0, 1), 2, PROSPECT),
    "not for whoever is inactive": Case(
        [*BOUGHT, *does("newsletter.unsubscribed", 190)], 191, INACTIVE
    ),
    "subscribing again clears it": Case(
        [*UNSUBSCRIBED, *does("newsletter.subscribed", 2)], 3, [*WEAKENED, "2 recovered new"]
    ),
    "so does an order": Case([*UNSUBSCRIBED, *buys(2)], 3, [*WEAKENED, "2 recovered new"]),
    "a contract clears it": Case([*UNSUBSCRIBED, *concludes(2)], 3, [*WEAKENED, "2 recovered new"]),
    "so does a renewal": Case(
        [*concludes(0), *does("newsletter.unsubscribed", 1), *renews(2)],
        3,
        [*WEAKENED, "2 recovered new", "2 habit_formed established"],
    ),
    "a log-in does not": Case(
        [*UNSUBSCRIBED, *does("session.signed_in", 2)], 3, WEAKENED, causes=("newsletter",)
    ),
    "subscribing clears nothing else": Case(
        [*BOUGHT, *scores(1, "nps", 0), *does("newsletter.subscribed", 2)],
        3,
        AT_RISK,
        causes=("score:nps",),
    ),
    "no session, click or page for contact_days": Case(
        SEEN, 31, FADING, causes=("contact",), policy=CONTACTS
    ),
    "not an instant before": Case(SEEN, 30.99999, NEW, policy=CONTACTS),
    "off unless the policy says so": Case(SEEN, 80, NEW),
    "a log-in starts it anew": Case(
        [*SEEN, *does("session.signed_in", 20)], 49, NEW, policy=CONTACTS
    ),
    "so does a click": Case([*SEEN, *does("message.clicked", 20)], 49, NEW, policy=CONTACTS),
    "an opened message does not": Case(
        [*SEEN, *does("message.opened", 20)], 49, FADING, causes=("contact",), policy=CONTACTS
    ),
    "not of a prospect": Case(does("page.viewed", 0), 60, PROSPECT, policy=CONTACTS),
    "not for whoever was never seen": Case(BOUGHT, 80, NEW, policy=CONTACTS),
    "a page clears it, and starts it anew": Case(
        [*SEEN, *does("page.viewed", 40)],
        70,
        [*FADING, "40 recovered new", "70 bond_weakens at_risk"],
        causes=("contact",),
        policy=CONTACTS,
    ),
    "an order clears it, and starts it anew": Case(
        [*SEEN, *buys(40)],
        70,
        [*FADING, "40 recovered new", "70 bond_weakens at_risk"],
        causes=("contact",),
        policy=CONTACTS,
    ),
    "so does a contract": Case(
        [*SEEN, *concludes(40)],
        70,
        [*FADING, "40 recovered new", "70 bond_weakens at_risk"],
        causes=("contact",),
        policy=CONTACTS,
    ),
    "so does any activity": Case(
        [*SEEN, *scores(40, "csat", 4)],
        70,
        [*FADING, "40 recovered new", "70 bond_weakens at_risk"],
        causes=("contact",),
        policy=CONTACTS,
    ),
    "what the shop does is none": Case(
        [
            *SEEN,
            *does("delivery.delayed", 40, order_id="o0"),
            *does("inquiry.answered", 41, inquiry_id="i"),
        ],
        69,
        FADING,
        causes=("contact",),
        policy=CONTACTS,
    ),
}

JOINING: Final = {
    "new causes join without a transition": Case(
        [*UNSUBSCRIBED, *scores(2, "nps", 0), *complains(3)],
        4,
        WEAKENED,
        causes=("complaint:k", "newsletter", "score:nps"),
    ),
    "an overdue answer joins": Case(
        [*UNSUBSCRIBED, *complains(2, 1)], 4, WEAKENED, causes=("complaint:k", "newsletter")
    ),
    "a cancellation announced joins": Case(
        [*concludes(0, 12), *does("newsletter.unsubscribed", 1), *gives_notice(2, 300)],
        3,
        WEAKENED,
        causes=("cancellation:v", "newsletter"),
    ),
    "faded contact joins": Case(
        [*SEEN, *complains(2)],
        31,
        [*NEW, "2 dissatisfied at_risk"],
        causes=("complaint:k", "contact"),
        policy=CONTACTS,
    ),
    "silence joins at its deadline": Case(
        [*BOUGHT, *complains(1)], 90, AT_RISK, causes=("complaint:k", "silence")
    ),
    "not an instant before": Case(
        [*BOUGHT, *complains(1)], 89.99, AT_RISK, causes=("complaint:k",)
    ),
    "who is content again but silent stays at risk": Case(
        [*BOUGHT, *complains(1), *resolves(100)], 101, AT_RISK, causes=("silence",)
    ),
    "who buys but is not content stays at risk": Case(
        [*BOUGHT, *complains(1), *buys(100)], 101, AT_RISK, causes=("complaint:k",)
    ),
    "both together bring back": Case(
        [*BOUGHT, *complains(1), *buys(100), *resolves(101)], 102, [*AT_RISK, "101 recovered new"]
    ),
    "a contract ends silence": Case(
        [*BOUGHT, *concludes(100)], 101, [*SILENT, "100 recovered new"]
    ),
    "a renewal ends silence": Case([*BOUGHT, *renews(100)], 101, [*SILENT, "100 recovered new"]),
    "what joined while inactive is forgotten": Case(
        [*BOUGHT, *scores(190, "nps", 0), *buys(200)], 201, WON_BACK
    ),
    "leaving at_risk forgets its causes": Case(
        [*BOUGHT, *scores(1, "nps", 0), *buys(200)],
        201,
        [*AT_RISK, "180 fell_silent inactive", "200 returned won_back"],
    ),
    "a recovered customer can be at risk again": Case(
        [*BOUGHT, *scores(1, "nps", 0), *scores(2, "nps", 8), *scores(3, "nps", 1)],
        4,
        [*AT_RISK, "2 recovered new", "3 dissatisfied at_risk"],
        causes=("score:nps",),
    ),
}

HALF: Final = Policy(
    at_risk_days=170, inactive_days=300, established_after_orders=9, revenue_decline_share=0.5
)
FALLS: Final = [*NEW, "95 bond_weakens at_risk"]


def costs(at: float, amount: int, currency: str = "EUR") -> list[RawEvent]:
    return buys(at, total={"amount": amount, "currency": currency})


REVENUE: Final = {
    "less than the share of the quarter before": Case(
        [*buys(0, 1, 2), *costs(95, 1499)], 96, FALLS, causes=("revenue",), policy=HALF
    ),
    "not exactly the share": Case([*buys(0, 1, 2), *costs(95, 1500)], 96, NEW, policy=HALF),
    "off unless the policy says so": Case(
        [*buys(0, 1, 2), *costs(95, 1)],
        96,
        NEW,
        policy=Policy(at_risk_days=170, established_after_orders=9),
    ),
    "not with two orders in the quarter before": Case(
        [*buys(0, 1), *costs(95, 1)], 96, NEW, policy=HALF
    ),
    "an order 90 days ago is of the quarter before": Case(
        [*buys(0, 1, 5), *costs(95, 1)], 96, FALLS, causes=("revenue",), policy=HALF
    ),
    "one less than 90 days ago is not": Case(
        [*buys(0, 1, 5.01), *costs(95, 1)], 96, NEW, policy=HALF
    ),
    "one 180 days ago is of neither": Case(
        [*buys(0, 1, 2), *costs(180, 1)],
        181,
        [
            *NEW,
            "172 silence_begins at_risk",
            "180 recovered new",
        ],
        policy=HALF,
    ),
    "one less than 180 days ago is": Case(
        [*buys(0.01, 1, 2), *costs(180, 1)],
        181,
        ["0.01 first_purchase new", "172 silence_begins at_risk"],
        causes=("revenue",),
        policy=HALF,
    ),
    "never by time alone": Case(buys(0, 1, 2), 171, NEW, policy=HALF),
    "never by another event": Case(
        [*buys(0, 1, 2), *does("page.viewed", 95)], 96, NEW, policy=HALF
    ),
    "by a cancellation": Case(
        [*buys(0, 1, 2), *costs(94, 5000), *cancels_order(95, "o94")],
        96,
        FALLS,
        causes=("revenue",),
        policy=HALF,
    ),
    "by a refund": Case(
        [*buys(0, 1, 2), *costs(94, 5000), *refunds(95, "o94", 4000)],
        96,
        FALLS,
        causes=("revenue",),
        policy=HALF,
    ),
    "not when the refund is of the quarter before": Case(
        [*buys(0, 1, 2), *costs(94, 1500), *refunds(95, "o0", 500)], 96, NEW, policy=HALF
    ),
    "an undone order does not count among the three": Case(
        [*buys(0, 1, 2), *cancels_order(3, "o1"), *costs(95, 1)], 96, NEW, policy=HALF
    ),
    "per currency": Case(
        [*buys(0, 1, 2), *costs(95, 9000, "USD")], 96, FALLS, causes=("revenue",), policy=HALF
    ),
    "three orders in one currency": Case(
        [*buys(0, 1), *costs(2, 1000, "USD"), *costs(95, 1)], 96, NEW, policy=HALF
    ),
    "a better order clears it": Case(
        [*buys(0, 1, 2), *costs(95, 1), *costs(97, 2000)],
        98,
        [*FALLS, "97 recovered new"],
        policy=HALF,
    ),
    "an order that is not enough keeps it": Case(
        [*buys(0, 1, 2), *costs(95, 1), *costs(97, 100)],
        98,
        FALLS,
        causes=("revenue",),
        policy=HALF,
    ),
    "a contract clears it": Case(
        [*buys(0, 1, 2), *costs(95, 1), *concludes(96)],
        97,
        [*FALLS, "96 recovered new"],
        policy=HALF,
    ),
    "it joins other causes": Case(
        [*buys(0, 1, 2), *complains(94), *costs(95, 1)],
        95.5,
        [*NEW, "94 dissatisfied at_risk"],
        causes=("complaint:k", "revenue"),
        policy=HALF,
    ),
    "a third order forms the habit before": Case(
        [*buys(0, 1, 2), *costs(95, 1)],
        96,
        [*NEW, "95 habit_formed established", "95 bond_weakens at_risk"],
        causes=("revenue",),
        policy=Policy(
            at_risk_days=170,
            inactive_days=300,
            established_after_orders=4,
            revenue_decline_share=0.5,
        ),
    ),
}

CAUSES: Final = {
    "scores": SCORES,
    "complaints": COMPLAINTS,
    "bonds": BONDS,
    "joining": JOINING,
    "revenue": REVENUE,
}


@pytest.mark.parametrize(
    ("noun", "name"), [(noun, name) for noun, cases in CAUSES.items() for name in cases]
)
def test_what_puts_at_risk_and_what_clears_it(noun: str, name: str) -> None:
    CAUSES[noun][name].check()


ACTIVITY: Final = (
    "session.signed_in",
    "page.viewed",
    "message.opened",
    "message.clicked",
    "product.used",
    "product.activated",
    "customer.signed_up",
    "inquiry.opened",
    "complaint.opened",
    "newsletter.subscribed",
)


@pytest.mark.parametrize("kind", ACTIVITY)
def test_any_activity_of_the_customer_clears_faded_contact(kind: str) -> None:
    act = does(kind, 40, product="p", inquiry_id="i", complaint_id="k", severity=1)
    assert describe(live([*SEEN, *act], 40, CONTACTS).moves) == [*FADING, "40 recovered new"]
