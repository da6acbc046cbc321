"""The table of rules, row by row, and how rules chain: what fires, and what must not."""

from typing import Final

import pytest

from services.lifecycle.domain.policy.policy import Policy
from tests.support.customer_events import does
from tests.support.feedback_events import annuls, answers, complains, refers, resolves, scores
from tests.support.lives import (
    ADVOCATE,
    ESTABLISHED,
    FADED,
    INACTIVE,
    NEW,
    PROSPECT,
    SILENT,
    THRICE,
    VIEWED,
    WON_BACK,
    Case,
)
from tests.support.purchase_events import buys, cancels_order, concludes, gives_notice, renews

PRAISED: Final = [*THRICE, *refers(3)]

FIRST_PURCHASE: Final = {
    "a first order makes an unknown customer new": Case(buys(0), 1, NEW),
    "a first contract makes an unknown customer new": Case(concludes(0), 1, NEW),
    "an order of nothing counts": Case(buys(0, total={"amount": 0, "currency": "EUR"}), 1, NEW),
    "a prospect's first order makes it new": Case(
        [*VIEWED, *buys(1)], 2, [*PROSPECT, "1 first_purchase new"]
    ),
    "a prospect's first contract makes it new": Case(
        [*VIEWED, *concludes(1)], 2, [*PROSPECT, "1 first_purchase new"]
    ),
    "a faded prospect's first order makes it new, not won back": Case(
        [*VIEWED, *buys(400)], 401, [*FADED, "400 first_purchase new"]
    ),
    "a closed prospect's first order makes it new": Case(
        [*VIEWED, *does("customer.closed", 1), *buys(2)],
        3,
        [*PROSPECT, "1 relationship_ended former", "2 first_purchase new"],
    ),
    "a closed prospect's first contract makes it new": Case(
        [*VIEWED, *does("customer.closed", 1), *concludes(2)],
        3,
        [*PROSPECT, "1 relationship_ended former", "2 first_purchase new"],
    ),
    "an advocate's first order moves nobody": Case(
        [*refers(0), *buys(1)], 2, ["0 recommends advocate"]
    ),
}

FIRST_CONTACT: Final = {
    "a complaint makes a prospect": Case(complains(0), 0.5, PROSPECT),
    "a refund of an unknown order makes a prospect": Case(cancels_order(0, "o7"), 1, PROSPECT),
    "a cancellation of an unknown contract makes a prospect": Case(gives_notice(0), 1, PROSPECT),
    "an annulled recommendation makes a prospect": Case(annuls(0), 1, PROSPECT),
    "praise makes a prospect, no advocate": Case(scores(0, "nps", 10), 1, PROSPECT),
    "a second contact moves nobody": Case([*VIEWED, *does("page.viewed", 1)], 2, PROSPECT),
    "a faded prospect is one again by any sign of life": Case(
        [*VIEWED, *does("newsletter.unsubscribed", 400)],
        401,
        [*FADED, "400 first_contact prospect"],
    ),
    "a recommendation does not revive a faded prospect": Case([*VIEWED, *refers(400)], 401, FADED),
    "contact does not revive a silent buyer": Case(
        [*buys(0), *does("session.signed_in", 200)], 201, INACTIVE
    ),
    "contact does not revive a former customer": Case(
        [*buys(0), *does("customer.closed", 1), *does("session.signed_in", 2)],
        3,
        [*NEW, "1 relationship_ended former"],
    ),
    "contact does not revive a faded prospect that is former by now": Case(
        [*VIEWED, *does("page.viewed", 1100)], 1101, [*FADED, "1095 relationship_ended former"]
    ),
}

HABIT_FORMED: Final = {
    "the third order forms the habit": Case(THRICE, 3, ESTABLISHED),
    "the second does not": Case(buys(0, 1), 3, NEW),
    "a renewed contract forms it": Case(
        [*concludes(0), *renews(31)], 32, [*NEW, "31 habit_formed established"]
    ),
    "a second contract does not": Case([*concludes(0), *concludes(1, of="w")], 2, NEW),
    "a contract and two orders do not": Case([*concludes(0), *buys(1, 2)], 3, NEW),
    "the third order counts as soon as a customer at risk is new again": Case(
        [*buys(0, 1), *complains(2), *buys(3), *resolves(4)],
        5,
        [*NEW, "2 dissatisfied at_risk", "4 recovered new", "4 habit_formed established"],
    ),
    "a renewal counts as soon as a customer at risk is new again": Case(
        [*concludes(0), *complains(2), *renews(3), *resolves(4)],
        5,
        [*NEW, "2 dissatisfied at_risk", "4 recovered new", "4 habit_formed established"],
    ),
}

RECOMMENDS: Final = {
    "who refers a friend is an advocate at once": Case(refers(0), 1, ["0 recommends advocate"]),
    "a prospect too": Case([*VIEWED, *refers(1)], 2, [*PROSPECT, "1 recommends advocate"]),
    "a new customer too": Case([*buys(0), *refers(1)], 2, [*NEW, "1 recommends advocate"]),
    "an established customer too": Case([*THRICE, *refers(3)], 4, ADVOCATE),
    "a won-back customer too": Case(
        [*buys(0, 200), *refers(201)], 202, [*WON_BACK, "201 recommends advocate"]
    ),
    "an established promoter": Case([*THRICE, *scores(3, "nps", 9)], 4, ADVOCATE),
    "an established customer's best review in public": Case(
        [*THRICE, *scores(3, "review", 5, public=True)], 4, ADVOCATE
    ),
    "an NPS of 8 does not": Case([*THRICE, *scores(3, "nps", 8)], 4, ESTABLISHED),
    "a best review in private does not": Case([*THRICE, *scores(3, "review", 5)], 4, ESTABLISHED),
    "a public review of 4 does not": Case(
        [*THRICE, *scores(3, "review", 4, public=True)], 4, ESTABLISHED
    ),
    "a CSAT of 5 does not": Case([*THRICE, *scores(3, "csat", 5, public=True)], 4, ESTABLISHED),
    "praise with a complaint open does not": Case(
        [*THRICE, *complains(3, 1), *answers(3.1), *scores(4, "nps", 10)], 5, ESTABLISHED
    ),
    "praise after the complaint does": Case(
        [*THRICE, *complains(3, 1), *resolves(3.5, satisfied=None), *scores(4, "nps", 10)],
        5,
        [*ESTABLISHED, "4 recommends advocate"],
    ),
    "a referral with a complaint open does": Case(
        [*THRICE, *complains(2.9, 1), *answers(2.95), *refers(3)], 5, ADVOCATE
    ),
    "praise from a new customer does not": Case([*buys(0), *scores(1, "nps", 10)], 2, NEW),
    "praise from a won-back customer does not": Case(
        [*buys(0, 200), *scores(201, "nps", 10)], 202, WON_BACK
    ),
    "a recommendation does not lift whoever is at risk": Case(
        [*buys(0), *refers(100)], 101, SILENT, causes=("silence",)
    ),
    "nor whoever is inactive": Case([*buys(0), *refers(190)], 200, INACTIVE),
    "nor whoever is former": Case(
        [*buys(0), *does("customer.closed", 1), *refers(2)],
        3,
        [*NEW, "1 relationship_ended former"],
    ),
}

ENTHUSIASM_FADED: Final = {
    "a year after the recommendation": Case(
        [*PRAISED, *buys(80, 160, 240, 320)], 368, [*ADVOCATE, "368 enthusiasm_faded established"]
    ),
    "not an instant before": Case([*PRAISED, *buys(80, 160, 240, 320)], 367.999, ADVOCATE),
    "a year after the last recommendation": Case(
        [*PRAISED, *buys(80, 160, 240, 320), *refers(300, "eve"), *buys(400, 480)], 500, ADVOCATE
    ),
    "a year after the last praise": Case(
        [*PRAISED, *buys(80, 160, 240, 320), *scores(300, "nps", 9), *buys(400, 480)], 500, ADVOCATE
    ),
    "by an NPS of 8": Case(
        [*PRAISED, *scores(4, "nps", 8)], 5, [*ADVOCATE, "4 enthusiasm_faded established"]
    ),
    "not by an NPS of 9": Case([*PRAISED, *scores(4, "nps", 9)], 5, ADVOCATE),
    "not by a middling review or CSAT": Case(
        [*PRAISED, *scores(4, "review", 3), *scores(5, "csat", 3)], 6, ADVOCATE
    ),
    "by an annulment of the only evidence": Case(
        [*PRAISED, *annuls(4)], 5, [*ADVOCATE, "4 enthusiasm_faded established"]
    ),
    "not by one of two": Case([*PRAISED, *refers(4, "eve"), *annuls(5, "ben")], 6, ADVOCATE),
    "not by that of another recommendation": Case([*PRAISED, *annuls(5, "eve")], 6, ADVOCATE),
    "not when there is praise besides": Case(
        [*PRAISED, *scores(4, "nps", 10), *annuls(5)], 6, ADVOCATE
    ),
    "to new with fewer than three orders": Case(
        [*buys(0), *refers(1), *scores(2, "nps", 7)],
        3,
        [*NEW, "1 recommends advocate", "2 enthusiasm_faded new"],
    ),
    "to new with a contract only": Case(
        [*concludes(0), *refers(1), *scores(2, "nps", 7)],
        3,
        [*NEW, "1 recommends advocate", "2 enthusiasm_faded new"],
    ),
    "to established with a contract renewed": Case(
        [*concludes(0), *refers(1), *renews(2), *scores(3, "nps", 7)],
        4,
        [*NEW, "1 recommends advocate", "3 enthusiasm_faded established"],
    ),
    "to prospect without any order": Case(
        [*refers(0), *annuls(1)], 2, ["0 recommends advocate", "1 enthusiasm_faded prospect"]
    ),
    "to prospect when every order was undone": Case(
        [*refers(0), *buys(1), *cancels_order(2, "o1"), *annuls(3)],
        4,
        ["0 recommends advocate", "3 enthusiasm_faded prospect"],
    ),
    "evidence annulled while at risk is missed on the way back": Case(
        [*PRAISED, *complains(4), *annuls(5), *resolves(6)],
        7,
        [
            *ADVOCATE,
            "4 dissatisfied at_risk",
            "6 recovered advocate",
            "6 enthusiasm_faded established",
        ],
    ),
    "evidence from before it faded does not count again": Case(
        [*PRAISED, *scores(4, "nps", 8), *refers(5, "eve"), *annuls(6, "eve")],
        7,
        [
            *ADVOCATE,
            "4 enthusiasm_faded established",
            "5 recommends advocate",
            "6 enthusiasm_faded established",
        ],
    ),
    "evidence given while at risk counts on the way back": Case(
        [*PRAISED, *complains(4), *refers(5, "eve"), *annuls(5.5), *resolves(6)],
        7,
        [*ADVOCATE, "4 dissatisfied at_risk", "6 recovered advocate"],
    ),
}

SILENCE: Final = {
    "silence begins exactly 90 days after the last order": Case(
        buys(0), 90, SILENT, causes=("silence",)
    ),
    "one instant before nothing has happened": Case(buys(0), 89.99999, NEW),
    "for the established": Case(
        THRICE, 92, [*ESTABLISHED, "92 silence_begins at_risk"], causes=("silence",)
    ),
    "for advocates with an order": Case(
        PRAISED, 92, [*ADVOCATE, "92 silence_begins at_risk"], causes=("silence",)
    ),
    "for the won-back": Case(
        buys(0, 200), 290, [*WON_BACK, "290 silence_begins at_risk"], causes=("silence",)
    ),
    "a log-in does not end the silence": Case(
        [*buys(0), *does("session.signed_in", 80, 95)], 100, SILENT, causes=("silence",)
    ),
    "not for an advocate without an order": Case(refers(0), 300, ["0 recommends advocate"]),
    "a long silence makes inactive": Case(buys(0), 180, INACTIVE),
    "not an instant before": Case(buys(0), 179.99999, SILENT, causes=("silence",)),
    "whatever put at risk before": Case(
        [*buys(0), *complains(10)],
        180,
        [*NEW, "10 dissatisfied at_risk", "180 fell_silent inactive"],
    ),
    "not without an order, however long": Case(
        [*refers(0), *complains(1)],
        900,
        ["0 recommends advocate", "1 dissatisfied at_risk"],
        causes=("complaint:k",),
    ),
    "each order starts it anew": Case(buys(0, 89), 178, NEW),
}

PROSPECT_FADED: Final = {
    "a prospect without any event for a year": Case(VIEWED, 365, FADED),
    "not an instant before": Case(VIEWED, 364.99999, PROSPECT),
    "each event starts the year anew": Case([*VIEWED, *does("page.viewed", 300)], 600, PROSPECT),
    "an advocate without an order": Case(
        refers(0),
        100,
        ["0 recommends advocate", "50 prospect_faded inactive"],
        policy=Policy(prospect_days=50),
    ),
    "not an advocate with an order": Case(
        [*refers(0), *buys(1)], 60, ["0 recommends advocate"], policy=Policy(prospect_days=50)
    ),
    "an advocate whose enthusiasm fades at the same instant is a prospect before": Case(
        refers(0),
        365,
        ["0 recommends advocate", "365 enthusiasm_faded prospect", "365 prospect_faded inactive"],
    ),
    "not a new customer": Case(concludes(0, 24), 500, NEW),
}

RELATIONSHIP_ENDED: Final = {
    "by closing": Case(
        [*buys(0), *does("customer.closed", 10)], 11, [*NEW, "10 relationship_ended former"]
    ),
    "closing ends at risk": Case(
        [*buys(0), *does("customer.closed", 100)], 101, [*SILENT, "100 relationship_ended former"]
    ),
    "closing ends inactive": Case(
        [*buys(0), *does("customer.closed", 190)], 191, [*INACTIVE, "190 relationship_ended former"]
    ),
    "closing a prospect": Case(
        [*VIEWED, *does("customer.closed", 1)], 2, [*PROSPECT, "1 relationship_ended former"]
    ),
    "closing a faded prospect does not revive it": Case(
        [*VIEWED, *does("customer.closed", 400)], 401, [*FADED, "400 relationship_ended former"]
    ),
    "closing an advocate": Case(
        [*PRAISED, *does("customer.closed", 4)], 5, [*ADVOCATE, "4 relationship_ended former"]
    ),
    "closing the won-back": Case(
        [*buys(0, 200), *does("customer.closed", 201)],
        202,
        [*WON_BACK, "201 relationship_ended former"],
    ),
    "closing twice ends once": Case(
        [*buys(0), *does("customer.closed", 1, 2)], 3, [*NEW, "1 relationship_ended former"]
    ),
    "two years in inactive": Case(buys(0), 910, [*INACTIVE, "910 relationship_ended former"]),
    "not an instant before": Case(buys(0), 909.99999, INACTIVE),
    "two years after fading, for a prospect": Case(
        VIEWED, 1095, [*FADED, "1095 relationship_ended former"]
    ),
}

RETURNED: Final = {
    "an order after inactivity wins back": Case(buys(0, 200), 201, WON_BACK),
    "a contract after inactivity too": Case([*buys(0), *concludes(200)], 201, WON_BACK),
    "an order at the instant of inactivity": Case(
        buys(0, 180), 181, [*INACTIVE, "180 returned won_back"]
    ),
    "a former customer's order": Case(
        [*buys(0), *does("customer.closed", 10), *buys(20)],
        21,
        [*NEW, "10 relationship_ended former", "20 returned won_back"],
    ),
    "a former customer's contract": Case(
        [*concludes(0), *does("customer.closed", 10), *concludes(20, of="w")],
        21,
        [*NEW, "10 relationship_ended former", "20 returned won_back"],
    ),
    "a former customer's renewal, which concludes the contract anew": Case(
        [*concludes(0), *does("customer.closed", 10), *renews(20)],
        21,
        [*NEW, "10 relationship_ended former", "20 returned won_back"],
    ),
    "the same contract concluded again after closing": Case(
        [*concludes(0), *does("customer.closed", 10), *concludes(20)],
        21,
        [*NEW, "10 relationship_ended former", "20 returned won_back"],
    ),
    "a renewal after the grace, read as a new contract": Case(
        [*concludes(0), *renews(50)],
        51,
        [*NEW, "45 relationship_ended former", "50 returned won_back"],
    ),
    "not a log-in": Case([*buys(0), *does("session.signed_in", 185)], 190, INACTIVE),
    "not while at risk": Case(buys(0, 100), 101, [*SILENT, "100 recovered new"]),
}

SETTLED: Final = {
    "the second order since the return settles": Case(
        buys(0, 200, 210), 211, [*WON_BACK, "210 settled established"]
    ),
    "orders before the return do not count": Case(
        buys(0, 1, 2, 300),
        301,
        [
            *ESTABLISHED,
            "92 silence_begins at_risk",
            "182 fell_silent inactive",
            "300 returned won_back",
        ],
    ),
    "a renewal settles": Case(
        [*buys(0), *concludes(200), *renews(210)], 211, [*WON_BACK, "210 settled established"]
    ),
    "a second contract does not": Case(
        [*buys(0), *concludes(200), *concludes(201, of="w")], 202, WON_BACK
    ),
    "after a contract two orders are needed": Case(
        [*buys(0), *concludes(200), *buys(205, 206)], 207, [*WON_BACK, "206 settled established"]
    ),
    "a renewal while at risk counts as soon as the customer is won back again": Case(
        [*buys(0), *concludes(200), *complains(203), *renews(210), *resolves(220)],
        221,
        [
            *WON_BACK,
            "203 dissatisfied at_risk",
            "220 recovered won_back",
            "220 settled established",
        ],
    ),
    "a renewal before the return does not count": Case(
        [*concludes(0), *renews(1), *gives_notice(10), *buys(20)],
        21,
        [
            *NEW,
            "1 habit_formed established",
            "10 relationship_ended former",
            "20 returned won_back",
        ],
    ),
    "the second order counts as soon as a customer at risk is won back again": Case(
        [*buys(0, 200), *complains(201), *buys(202), *resolves(203)],
        204,
        [
            *WON_BACK,
            "201 dissatisfied at_risk",
            "203 recovered won_back",
            "203 settled established",
        ],
    ),
}

CHAINING: Final = {
    "an order that brings back and is the third": Case(
        buys(0, 1, 95),
        96,
        [*NEW, "91 silence_begins at_risk", "95 recovered new", "95 habit_formed established"],
    ),
    "an order that brings back and settles": Case(
        buys(0, 200, 295),
        296,
        [
            *WON_BACK,
            "290 silence_begins at_risk",
            "295 recovered won_back",
            "295 settled established",
        ],
    ),
    "an advocate's NPS of 6": Case(
        [*PRAISED, *scores(4, "nps", 6)],
        5,
        [*ADVOCATE, "4 enthusiasm_faded established", "4 dissatisfied at_risk"],
        causes=("score:nps",),
    ),
    "a score that brings back and praises": Case(
        [*THRICE, *scores(3, "nps", 0), *scores(4, "nps", 10)],
        5,
        [
            *ESTABLISHED,
            "3 dissatisfied at_risk",
            "4 recovered established",
            "4 recommends advocate",
        ],
    ),
    "a deadline at the very instant of an order fires before it": Case(
        buys(0, 90), 91, [*SILENT, "90 recovered new"]
    ),
    "a long silence at the very instant of an order too": Case(
        buys(0, 180), 180, [*INACTIVE, "180 returned won_back"]
    ),
    "a deadline at the instant of a log-in too": Case(
        [*buys(0), *does("session.signed_in", 90)], 90, SILENT, causes=("silence",)
    ),
    "a prospect that fades at the instant of a contact is one again": Case(
        [*VIEWED, *does("page.viewed", 365)], 365, [*FADED, "365 first_contact prospect"]
    ),
    "of two events at one instant the one that ends comes last": Case(
        [*does("customer.closed", 1), *buys(1), *VIEWED],
        2,
        [*PROSPECT, "1 first_purchase new", "1 relationship_ended former"],
    ),
    "two events of one rank and instant are folded by source and id": Case(
        [*complains(1, of="a"), *scores(1, "nps", 3), *buys(0), *scores(1, "nps", 7)],
        2,
        [*NEW, "1 dissatisfied at_risk"],
        causes=("complaint:a",),
    ),
    "of deadlines at one instant the order of the table decides": Case(
        PRAISED,
        93,
        [*ADVOCATE, "93 enthusiasm_faded established", "93 silence_begins at_risk"],
        causes=("silence",),
        policy=Policy(at_risk_days=91, advocate_days=90),
    ),
    "a deadline of the restored phase that has passed is due at that instant": Case(
        [*concludes(0, 36), *refers(1), *complains(2), *resolves(500)],
        501,
        [
            *NEW,
            "1 recommends advocate",
            "2 dissatisfied at_risk",
            "500 recovered advocate",
            "500 enthusiasm_faded new",
        ],
    ),
    "a deadline outside its phases waits for nobody": Case(
        [*concludes(0, 36), *refers(1), *complains(2)],
        600,
        [*NEW, "1 recommends advocate", "2 dissatisfied at_risk"],
        causes=("complaint:k",),
    ),
}

TABLE: Final = {
    "first_purchase": FIRST_PURCHASE,
    "first_contact": FIRST_CONTACT,
    "habit_formed": HABIT_FORMED,
    "recommends": RECOMMENDS,
    "enthusiasm_faded": ENTHUSIASM_FADED,
    "silence": SILENCE,
    "prospect_faded": PROSPECT_FADED,
    "relationship_ended": RELATIONSHIP_ENDED,
    "returned": RETURNED,
    "settled": SETTLED,
    "chaining": CHAINING,
}


@pytest.mark.parametrize(
    ("row", "name"), [(row, name) for row, cases in TABLE.items() for name in cases]
)
def test_the_rules_read_as_the_table_does(row: str, name: str) -> None:
    TABLE[row][name].check()
