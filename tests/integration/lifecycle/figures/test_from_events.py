"""Figures made from events on a real PostgreSQL equal a slow look at all events; some by hand."""

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import date
from math import log
from typing import Any, Final

import pytest

from services.lifecycle.cadence import repository as rhythms
from services.lifecycle.cadence.repository import FitAttempt, FitEstimate
from services.lifecycle.domain.policy.policy import Policy
from services.lifecycle.figures.period import Account, Period
from services.lifecycle.schedule import load_schedule
from tests.support import slow_figures
from tests.support.builders import day, encode, event, order, tick
from tests.support.figure_shop import CLOCK, Life, Past, life_of, simulated_past
from tests.support.lifecycle_worker import worker
from tests.support.pipeline import publish, settled
from tests.support.policy_shop import new_shop
from tests.support.server_stack import Stack
from tests.support.simulation_shop import LifeStore, Raw, api, store_lives

CASES: Final = [
    pytest.param(
        Period(date.fromisoformat(begins), date.fromisoformat(ends)),
        account,
        id=f"{begins}-{ends}-{account}",
    )
    for begins, ends, account in (
        ("2023-01-01", "2025-01-01", None),
        ("2024-02-01", "2024-03-01", None),
        ("2024-07-15", "2024-07-22", None),
        ("2022-01-01", "2022-12-01", None),
        ("2023-06-07", "2023-11-18", "b2c"),
        ("2024-02-01", "2025-01-01", "b2b"),
    )
]
FIT: Final = FitEstimate(
    1001, day(20), 1.9, 6.2, 0.9, 8.0, p=3.0, q=4.0, gamma=9000.0, currency="EUR"
)
LATER: Final = FitEstimate(1002, day(200), 2.5, 5.0, 1.1, 6.0)
"""Knows no values."""


def money(amount: int, currency: str = "EUR") -> Raw:
    return {"amount": amount, "currency": currency}


def again(told: Raw, at: float, **more: Any) -> Raw:
    """The same under another event id."""
    return {**told, "id": f"{told['id']}-again-{at}", "time": event("x", "x", at)["time"], **more}


def score(customer: str, at: float, kind: str, points: int, id: str | None = None) -> Raw:
    return {
        **event(customer, "feedback.submitted", at, id=id or f"{kind}-{at}"),
        "data": {"kind": kind, "score": points},
    }


def refund(customer: str, at: float, of: str, amount: int, currency: str = "EUR") -> Raw:
    return event(customer, "order.refunded", at, order_id=of, amount=money(amount, currency))


def contract(customer: str, what: str, at: float, id: str = "k", **data: Any) -> Raw:
    return event(customer, f"contract.{what}", at, id=f"{id}-{what}-{at}", contract_id=id, **data)


def complaint(customer: str, what: str, at: float, id: str = "c", **data: Any) -> Raw:
    return event(customer, f"complaint.{what}", at, id=f"{id}-{what}-{at}", complaint_id=id, **data)


def odd_lives() -> dict[str, list[Raw]]:
    """What the simulator does not tell."""
    dollars, tie = (
        order("dollars", 41, id="d", total=money(700, "USD")),
        order("tie", 45, id="t", amount=500),
    )
    found = [
        [
            order("told", 20, id="a"),
            again(order("told", 20, id="a"), 38),
            order("told", 39),
            order("told", 41),
        ],
        [
            order("later", 40, id="l"),
            again(order("later", 40, id="l"), 44),
            event("later", "order.cancelled", 70, order_id="l"),
        ],
        [
            again(order("early", 50, id="e", amount=300), 35),
            order("early", 50, id="e", amount=300),
            order("early", 51),
        ],
        [tie, {**tie, "id": "b", "data": {**tie["data"], "total": money(900)}}, order("tie", 46)],
        [
            dollars,
            refund("dollars", 42, "d", 700),
            order("dollars", 43),
            refund("dollars", 44, "d", 200, "USD"),
        ],
        [
            order("bit", 36, id="p"),
            refund("bit", 37, "p", 400),
            refund("bit", 40, "p", 600),
            order("bit", 38),
        ],
        [refund("before", 30, "f", 1000), order("before", 40, id="f"), order("before", 42)],
        [event("never", "order.cancelled", 33, order_id="n"), order("never", 45, id="n")],
        [
            order("after", 40, id="z"),
            order("after", 41),
            event("after", "order.cancelled", 70, order_id="z"),
        ],
        [
            order("nothing", 40, amount=0),
            order("nothing", 41, amount=0, id="o"),
            refund("nothing", 42, "o", 0),
        ],
        [
            score("moody", 40, "nps", 10, "x"),
            score("moody", 40, "nps", 2, "y"),
            score("moody", 50, "csat", 5),
        ],
        [
            contract("soon", "concluded", 10, term_months=1),
            contract("soon", "renewed", 12),
            contract("soon", "renewed", 50),
        ],
        [contract("now", "concluded", 10, term_months=1), contract("now", "cancelled", 30)],
        [contract("gone", "concluded", 10, term_months=1), contract("gone", "cancelled", 45)],
        [
            contract("mind", "concluded", 10, term_months=1, renews_at="2024-02-10T12:00:00Z"),
            contract("mind", "cancelled", 20, effective_at="2024-02-10T12:00:00Z"),
            contract("mind", "renewed", 30),
            contract("mind", "cancelled", 50, effective_at="2024-03-10T12:00:00Z"),
        ],
        [
            contract("leaving", "concluded", 10, term_months=1),
            contract("leaving", "cancelled", 20, effective_at="2024-03-10T12:00:00Z"),
        ],
        [contract("grace", "concluded", 10, term_months=1), contract("grace", "renewed", 54.9)],
        [
            contract("closing", "concluded", 10, term_months=1),
            event("closing", "customer.closed", 30),
        ],
        [
            contract("closed", "concluded", 10, term_months=1),
            event("closed", "customer.closed", 45),
            contract("closed", "renewed", 50),
        ],
        [
            contract("slow", "concluded", 10, term_months=1),
            contract("slow", "renewed", 55.1, term_months=2),
        ],
        [
            contract("stranger", "renewed", 33, term_months=1),
            contract("stranger", "concluded", 70, term_months=3),
        ],
        [
            contract("two", "concluded", 30, "k1", term_months=1),
            contract("two", "concluded", 31, "k2", term_months=1),
        ],
        [
            complaint("twice", "opened", 40),
            complaint("twice", "opened", 41),
            complaint("twice", "answered", 42),
        ],
        [
            complaint("back", "answered", 39),
            complaint("back", "opened", 40),
            complaint("back", "resolved", 40.5),
        ],
        [complaint("wait", "opened", 59.4, topic="app"), complaint("wait", "answered", 59.9)],
        [
            complaint("torn", "opened", 196.5, topic="app"),
            {**complaint("torn", "opened", 196.5, topic="price"), "id": "a"},
        ],
    ]
    lives = {events[0]["subject"]: events for events in found}
    for n in range(14):
        about = complaint(f"burst-{n}", "opened", 196 + n / 3, topic="app")
        lives[f"burst-{n}"] = [about, again(about, 210)] if n % 2 else [about]
    for n, (customer, events) in enumerate(lives.items()):
        events.insert(
            0, event(customer, "customer.signed_up", 5, account="b2b" if n % 3 else "b2c")
        )
    return lives


@pytest.fixture(scope="module")
async def past(stack: Stack, template: str) -> AsyncIterator[Past]:
    async with simulated_past(stack, template) as past:
        async with past.shop.connected() as connection:
            schedule = await load_schedule(connection)
            odd = LifeStore(connection, schedule, CLOCK)
            for customer, events in odd_lives().items():
                records = [encode(told) for told in events]
                await odd.add(customer, records)
                past.lives.append(life_of(customer, records, schedule))
            await odd.flush()
            for fit in (FIT, LATER):
                await rhythms.store(
                    connection,
                    FitAttempt(fit.version, fit.effective_at, CLOCK, None, 900, 900, fit),
                )
        yield past


async def result(past: Past, name: str, period: Period, account: Account | None) -> Any:
    found = await past.figure(name, from_=period.begins, to=period.ends, account=account)
    return found["result"]


def renewal_rate(lives: Sequence[Life], period: Period) -> Any:
    return slow_figures.renewal_rate(lives, period, Policy())


SLOWLY: Final[dict[str, Callable[[Sequence[Life], Period], Any]]] = {
    "repurchase": slow_figures.repurchase,
    "best_20_share": slow_figures.best_20_share,
    "renewal_rate": renewal_rate,
    "nps": slow_figures.nps,
    "csat": slow_figures.csat,
    "first_response": slow_figures.first_response,
    "complaint_topics": slow_figures.complaint_topics,
}


@pytest.mark.parametrize(("period", "account"), CASES)
async def test_each_figure_is_what_a_slow_look_at_all_events_says(
    past: Past, period: Period, account: Account | None
) -> None:
    for name, slowly in SLOWLY.items():
        found = await result(past, name, period, account)
        assert found == close(slowly(past.of(account), period)), name


def close(value: Any) -> Any:
    """The same, with numbers that need not agree in the last digits."""
    if isinstance(value, dict):
        return {name: close(one) for name, one in value.items()}
    if isinstance(value, list):
        return [close(one) for one in value]
    return pytest.approx(value, rel=1e-9) if isinstance(value, float) else value


@pytest.mark.parametrize(("period", "account"), CASES)
async def test_expected_revenue_is_the_sum_of_the_outlooks(
    past: Past, period: Period, account: Account | None
) -> None:
    found = await result(past, "expected_revenue", period, account)
    fit = next((fit for fit in (LATER, FIT) if fit.effective_at < period.until), None)
    assert found["fit"] == (fit and fit.version)
    if fit is None:
        assert (found["value"], found["reason"]) == (
            None,
            "no fit of the cadence model was in force",
        )
        return
    slowly = slow_figures.expected_revenue(past.of(account), period, fit, Policy())
    assert (found["customers"], found["without_value"]) == (
        slowly["customers"],
        slowly["without_value"],
    )
    assert found["orders"] == pytest.approx(slowly["orders"], rel=1e-9)
    if fit is FIT:
        assert (found["value"], found["currency"]) == (pytest.approx(slowly["value"], abs=1), "EUR")
    else:
        assert (found["value"], found["reason"]) == (None, "the fit in force knows no values")


def march(date_: int, hour: float = 12) -> float:
    """A time in March 2024 as builders count days."""
    return 60 + date_ - 1 + (hour - 12) / 24


SMALL: Final[dict[str, list[Raw]]] = {
    "ada": [
        order("ada", march(2), amount=5000),
        order("ada", march(11), amount=3000),
        contract("ada", "concluded", march(-19), term_months=1),
        contract("ada", "renewed", march(9)),
        score("ada", march(5), "nps", 9),
        score("ada", march(5), "csat", 5),
        complaint("ada", "opened", march(3, 9)),
        complaint("ada", "answered", march(3, 10)),
    ],
    "ben": [
        order("ben", march(3), amount=2000),
        order("ben", march(16), id="b2"),
        event("ben", "order.cancelled", march(17), order_id="b2"),
        contract("ben", "concluded", march(-9), term_months=1),
        score("ben", march(5), "nps", 6),
        score("ben", march(25), "nps", 10),
        score("ben", march(25), "csat", 4),
        complaint("ben", "opened", march(4, 9)),
        complaint("ben", "resolved", march(4, 14)),
    ],
    "cem": [
        order("cem", march(4), id="c1", amount=4000),
        refund("cem", march(21), "c1", 1500),
        contract("cem", "concluded", march(-24), term_months=1),
        contract("cem", "cancelled", march(-9), effective_at="2024-03-05T12:00:00Z"),
        score("cem", march(6), "nps", 3),
        score("cem", march(6), "csat", 2),
        event("cem", "inquiry.opened", march(7, 9), inquiry_id="q"),
        event("cem", "inquiry.answered", march(7, 11), inquiry_id="q"),
    ],
    "dora": [
        order("dora", 40, id="d1"),
        again(order("dora", 40, id="d1"), march(5)),
        order("dora", march(6)),
        contract("dora", "concluded", march(-14), term_months=1),
        contract("dora", "cancelled", march(1)),
        score("dora", march(8), "nps", 8),
        event("dora", "inquiry.opened", march(31, 9), inquiry_id="q"),
    ],
    "eve": [order("eve", march(7), id="e1", amount=1500), refund("eve", march(35), "e1", 1500)],
    "fay": [event("fay", "customer.signed_up", march(1), account="b2b"), order("fay", march(4))],
}
MARCH: Final = {"from_": "2024-03-01", "to": "2024-04-01"}
YEAR: Final = 365.25 / 7
SIMPLE: Final = FitEstimate(
    1, day(1), r=1, alpha=YEAR - 4, a=2, b=1, p=3.0, q=4.0, gamma=10_000.0, currency="EUR"
)


@pytest.fixture(scope="module")
async def small(stack: Stack, template: str) -> AsyncIterator[Past]:
    """Six customers, and a year of complaints: one a week, then six and seven in one week."""
    async with new_shop(stack, template) as shop:
        await shop.adopt(None, day(0))
        weekly = {
            f"w{week}": [
                complaint(f"w{week}", "opened", 7 * week, topic=topic, id=topic) for topic in TOPICS
            ]
            for week in range(15)
        }
        wave = {
            f"{topic}-{n}": [complaint(f"{topic}-{n}", "opened", 98 + n / 2, topic=topic)]
            for topic, more in TOPICS.items()
            for n in range(more)
        }
        await store_lives(shop, day(120), {**SMALL, **weekly, **wave})
        async with shop.connected() as connection:
            await rhythms.store(
                connection, FitAttempt(1, SIMPLE.effective_at, day(1), None, 900, 900, SIMPLE)
            )
        async with api(stack, shop.url) as client:
            yield Past(shop, [], client)


TOPICS: Final = {"delivery": 5, "app": 6}
"""Complaints of a week of April beyond the usual one."""


async def test_of_a_few_customers_the_figures_are_what_one_reckons_by_hand(small: Past) -> None:
    async def of(name: str, **query: Any) -> Any:
        return (await small.figure(name, **{**MARCH, **query}))["result"]

    assert await of("repurchase") == {"value": 1 / 6, "buyers": 6, "repeat_buyers": 1, "orders": 7}
    assert await of("best_20_share") == {
        "value": 10_500 / 16_000,
        "currencies": [
            {
                "currency": "EUR",
                "share": 10_500 / 16_000,
                "buyers": 6,
                "best_buyers": 2,
                "revenue": 16_000,
                "best_revenue": 10_500,
            }
        ],
    }
    assert await of("renewal_rate") == {"value": 1 / 3, "possible": 3, "renewed": 1, "pending": 1}
    assert await of("nps") == {
        "value": 25,
        "promoters": 2,
        "passives": 1,
        "detractors": 1,
        "customers": 4,
    }
    assert await of("csat") == {"value": 2 / 3, "mean": 11 / 3, "satisfied": 2, "customers": 3}
    response = await of("first_response")
    assert response["value"] == 2
    assert response["inquiries"] == {
        "median_hours": 2,
        "share_within_2_hours": 1,
        "opened": 2,
        "responded": 1,
        "within_2_hours": 1,
        "open": 1,
        "open_over_2_hours": 1,
    }
    assert response["together"]["share_within_2_hours"] == 2 / 3


async def test_a_renewal_is_judged_by_the_account_that_the_customer_had(
    stack: Stack, template: str
) -> None:
    """Ada turns b2b, with 30 days of grace, after she came back later than others' 14 days."""
    async with new_shop(stack, template) as shop:
        await shop.adopt(None, day(0))
        await shop.adopt(Policy(name="firms", account="b2b", renewal_grace_days=30), day(0))
        turned = [
            event("ada", "customer.signed_up", 5, account="b2c"),
            event("ada", "customer.updated", 68, account="b2b"),
        ]
        others = [event("ben", "customer.signed_up", 5, account="b2b")]
        agreed = {
            c: [contract(c, "concluded", 10, term_months=1), contract(c, "renewed", 61)]
            for c in ("ada", "ben")
        }
        await store_lives(
            shop, day(120), {"ada": [*turned, *agreed["ada"]], "ben": [*others, *agreed["ben"]]}
        )
        async with api(stack, shop.url) as client:
            found = await Past(shop, [], client).figure(
                "renewal_rate", from_="2024-02-01", to="2024-03-11"
            )
    assert found["result"] == {"value": 0.5, "possible": 2, "renewed": 1, "pending": 0}


async def test_seven_complaints_where_one_is_usual_are_above_and_six_are_not(small: Past) -> None:
    """Of 7 + 8 in 9 weeks, 7 or more are in the last by chance with 0.0006; of 6 + 8, 0.0026."""
    found = (await small.figure("complaint_topics", from_="2024-04-08", to="2024-04-15"))["result"]
    assert (found["value"], found["complaints"], found["baseline_weeks"]) == (1, 13, 8)
    assert [
        (
            one["topic"],
            one["complaints"],
            one["expected"],
            round(one["probability"], 4),
            one["above"],
        )
        for one in found["topics"]
    ] == [("app", 7, 1, 0.0006, True), ("delivery", 6, 1, 0.0026, False)]


async def test_expected_revenue_of_one_order_by_hand(small: Past) -> None:
    """Four weeks ago, with alpha + T of a year: P(alive) = 1 / (1 + 2·52.18/48.18).

    Of 3·(3 - 4 log 2) orders.
    """
    found = (await small.figure("expected_revenue", account="b2b", **MARCH))["result"]
    orders = 1 / (1 + 2 * YEAR / (YEAR - 4)) * 3 * (3 - 4 * log(2))
    assert found == {
        "value": round(orders * 3 * 10_000 / (4 - 1)),
        "currency": "EUR",
        "reason": None,
        "orders": pytest.approx(orders),
        "customers": 1,
        "without_value": 0,
        "fit": 1,
    }
    assert found["value"] == 2155


async def test_a_stored_order_counts_once_when_it_was_first_told_unless_it_was_undone_before(
    stack: Stack, blank: str
) -> None:
    first, other = order("twice", 40, id="a"), order("late", march(5), id="b")
    events = [
        first,
        again(first, march(2)),
        order("twice", march(3)),
        other,
        order("late", march(6)),
        again(other, 45),
        order("gone", march(7), id="g"),
        event("gone", "order.cancelled", 50, order_id="g"),
        order("old", march(4), id="c"),
        event("old", "customer.merged", march(5), into="new"),
        order("new", march(9)),
    ]
    async with worker(stack, blank):
        await publish(stack.bootstrap, [*events[:5], tick(march(20))])
        await settled(stack, blank, "lifecycle")
        await publish(stack.bootstrap, [*events[5:], tick(march(40))])
        await settled(stack, blank, "lifecycle")
    async with api(stack, blank) as client:
        found = (
            await client.get(
                "/v1/figures/repurchase", params={"from": "2024-03-01", "to": "2024-04-01"}
            )
        ).json()
        before = (
            await client.get(
                "/v1/figures/repurchase", params={"from": "2024-02-01", "to": "2024-03-01"}
            )
        ).json()
    assert found["result"] == {"value": 1 / 3, "buyers": 3, "repeat_buyers": 1, "orders": 4}
    assert before["result"] == {"value": 0, "buyers": 2, "repeat_buyers": 0, "orders": 2}
