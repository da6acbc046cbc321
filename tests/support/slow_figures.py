"""Figures as one would reckon them by hand: slowly, from all events, without a database."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from math import ceil, comb, sqrt
from statistics import mean, median, stdev
from typing import Any, Final

from services.lifecycle.domain.fold import fold
from services.lifecycle.domain.outlook import estimate_outlook
from services.lifecycle.domain.policy.cadence import Fit
from services.lifecycle.domain.policy.policy import Policy
from services.lifecycle.domain.policy.schedule import Policies
from services.lifecycle.domain.state.customer import Customer
from services.lifecycle.domain.state.happenings import Happening
from services.lifecycle.domain.state.phases import Phase
from services.lifecycle.events import read
from services.lifecycle.figures.period import Period
from shared.events.envelope import Envelope
from shared.kafka.topics import CUSTOMER_EVENTS
from shared.orders.book import OrderBook
from shared.orders.facts import OrderFact
from tests.support.figure_shop import Life, fold_key

EARLIEST: Final = datetime.min.replace(tzinfo=UTC)
MOMENT: Final = timedelta(microseconds=1)
WEEK: Final = timedelta(days=7)
IN_TOUCH: Final = {Phase.NEW, Phase.ESTABLISHED, Phase.AT_RISK, Phase.WON_BACK, Phase.ADVOCATE}


def share(part: float, whole: float) -> float | None:
    return part / whole if whole else None


# -- orders ----------------------------------------------------------------------------------------


def standing(life: Life, period: Period) -> Iterator[tuple[str, int]]:
    """Currency and amount of each order of the period that stands at its end."""
    facts = [
        told.details
        for event in life.events
        if event.time < period.until
        and isinstance(told := read(CUSTOMER_EVENTS, event), Happening)
        and isinstance(told.details, OrderFact)
    ]
    book = OrderBook()
    for fact in sorted(facts, key=lambda fact: fact.key):
        book.apply(fact)
    for order in book.orders:
        if order.stands and period.since <= order.at < period.until:
            yield order.currency, order.left


def repurchase(lives: Sequence[Life], period: Period) -> dict[str, Any]:
    orders = [n for n in (len(list(standing(life, period))) for life in lives) if n]
    again = sum(n >= 2 for n in orders)
    return {
        "value": share(again, len(orders)),
        "buyers": len(orders),
        "repeat_buyers": again,
        "orders": sum(orders),
    }


def best_20_share(lives: Sequence[Life], period: Period) -> dict[str, Any]:
    revenues = dict[str, list[int]]()
    for life in lives:
        bought = Counter[str]()
        for currency, amount in standing(life, period):
            bought[currency] += amount
        for currency, amount in bought.items():
            revenues.setdefault(currency, []).append(amount)
    found = []
    for currency, amounts in sorted(revenues.items(), key=lambda item: (-len(item[1]), item[0])):
        best = sorted(amounts, reverse=True)[: ceil(len(amounts) / 5)]
        found.append(
            {
                "currency": currency,
                "share": share(sum(best), sum(amounts)),
                "buyers": len(amounts),
                "best_buyers": len(best),
                "revenue": sum(amounts),
                "best_revenue": sum(best),
            }
        )
    return {"value": found[0]["share"] if found else None, "currencies": found}


def expected_revenue(
    lives: Sequence[Life], period: Period, fit: Fit, policies: Policies
) -> dict[str, Any]:
    """By the outlook of each customer as folded until just before the end."""
    known = Policy(fits=(fit,))
    active = [life for life in lives if life.phase(period.until) in IN_TOUCH]
    folded = [folded_until(life, period.until - MOMENT, policies) for life in active]
    found = [
        found
        for customer in folded
        if (found := estimate_outlook(customer, known, period.until)) is not None
    ]
    return {
        "value": sum(one.expected_orders_12m * (one.expected_value or 0) for one in found),
        "orders": sum(one.expected_orders_12m for one in found),
        "customers": len(found),
        "without_value": sum(one.expected_value is None for one in found),
    }


def folded_until(
    life: Life, instant: datetime, policies: Policies, before: Envelope | None = None
) -> Customer:
    """Return the state at an instant, by the events until then, or those before an event."""
    if before is None:
        events = [event for event in life.events if event.time <= instant]
    else:
        events = [event for event in life.events if fold_key(event) < fold_key(before)]
    contents = [read("", event) for event in events]
    happenings = [content for content in contents if isinstance(content, Happening)]
    return fold(happenings, policies, until=instant).customer


# -- contracts -------------------------------------------------------------------------------------


def renewal_rate(lives: Sequence[Life], period: Period, policies: Policies) -> dict[str, Any]:
    """Look at the contracts before and after each event about them, and just before renewal."""
    found = Counter[str]()
    types = ("contract.concluded", "contract.renewed", "contract.cancelled", "customer.closed")
    for life in lives:
        due = set[tuple[str, datetime]]()
        done = set[tuple[str, datetime]]()
        for event, data in life.data(EARLIEST, period.until, *types):
            before = folded_until(life, event.time, policies, event).contracts
            if event.type == "contract.renewed" and data["contract_id"] in before:
                done.add((data["contract_id"], before[data["contract_id"]].renews_at))
            after = folded_until(life, event.time, policies).contracts
            due |= {(contract, running.renews_at) for contract, running in after.items()}
        for contract, renews_at in sorted(due | done):
            if period.since <= renews_at < period.until:
                last = folded_until(life, renews_at - MOMENT, policies).contracts.get(contract)
                is_up = last is not None and last.renews_at == renews_at
                now = folded_until(life, period.until - MOMENT, policies).contracts.get(contract)
                waits = now is not None and now.renews_at == renews_at and now.ends_at is None
                is_done = (contract, renews_at) in done
                found.update(
                    possible=is_done or is_up, renewed=is_done, pending=waits and not is_done
                )
    counts = {name: found[name] for name in ("possible", "renewed", "pending")}
    return {"value": share(found["renewed"], found["possible"]), **counts}


# -- words -----------------------------------------------------------------------------------------


def scores(lives: Sequence[Life], period: Period, kind: str) -> list[int]:
    """Return the last score of each customer."""
    last: list[int] = []
    for life in lives:
        feedback = life.data(period.since, period.until, "feedback.submitted")
        of_kind = [data["score"] for _, data in feedback if data["kind"] == kind]
        last += of_kind[-1:]
    return last


def nps(lives: Sequence[Life], period: Period) -> dict[str, Any]:
    given = scores(lives, period, "nps")
    promoters = sum(score > 8 for score in given)
    detractors = sum(score < 7 for score in given)
    return {
        "value": share(100 * (promoters - detractors), len(given)),
        "promoters": promoters,
        "passives": len(given) - promoters - detractors,
        "detractors": detractors,
        "customers": len(given),
    }


def csat(lives: Sequence[Life], period: Period) -> dict[str, Any]:
    given = scores(lives, period, "csat")
    good = sum(score > 3 for score in given)
    return {
        "value": share(good, len(given)),
        "mean": share(sum(given), len(given)),
        "satisfied": good,
        "customers": len(given),
    }


def first_response(lives: Sequence[Life], period: Period) -> dict[str, Any]:
    by_matter = {matter: list(waits(lives, period, matter)) for matter in ("complaint", "inquiry")}
    together = responses([*by_matter["complaint"], *by_matter["inquiry"]], period)
    return {
        "value": together["median_hours"],
        "together": together,
        "complaints": responses(by_matter["complaint"], period),
        "inquiries": responses(by_matter["inquiry"], period),
    }


def waits(
    lives: Sequence[Life], period: Period, matter: str
) -> Iterator[tuple[datetime, float | None]]:
    """When each complaint or inquiry was opened, and the hours to its first response."""
    for life in lives:
        opened = dict[str, datetime]()
        for event, data in life.data(period.since, period.until, f"{matter}.opened"):
            opened.setdefault(data[f"{matter}_id"], event.time)
        for about, asked in opened.items():
            answers = life.data(asked, period.until, f"{matter}.answered", f"{matter}.resolved")
            times = [event.time for event, data in answers if data[f"{matter}_id"] == about]
            yield asked, (times[0] - asked) / timedelta(hours=1) if times else None


def responses(waited: Sequence[tuple[datetime, float | None]], period: Period) -> dict[str, Any]:
    done = [hours for _, hours in waited if hours is not None]
    still = [asked for asked, hours in waited if hours is None]
    return {
        "median_hours": median(done) if done else None,
        "share_within_2_hours": share(sum(hours <= 2 for hours in done), len(done)),
        "opened": len(waited),
        "responded": len(done),
        "within_2_hours": sum(hours <= 2 for hours in done),
        "open": len(still),
        "open_over_2_hours": sum(asked < period.until - timedelta(hours=2) for asked in still),
    }


def complaint_topics(lives: Sequence[Life], period: Period) -> dict[str, Any]:
    """With the binomial tail summed up term by term."""
    every = sorted(
        event.time
        for life in lives
        for event, _ in life.data(EARLIEST, period.until, "complaint.opened")
    )
    complaints = [
        found for life in lives for found in opened(life, period.since - 8 * WEEK, period.until)
    ]
    known = min(max((period.since - every[0]) // WEEK, 0), 8) if every else 0
    topics = []
    now = Counter(topic for time, topic in complaints if time >= period.since)
    for topic, n in now.items():
        weeks = [
            sum(
                period.since - k * WEEK <= time < period.since - (k - 1) * WEEK and about == topic
                for time, about in complaints
            )
            for k in range(1, known + 1)
        ]
        if topic is not None:
            topics.append({"topic": topic, "complaints": n, **judged(n, period.days / 7, weeks)})
    return {
        "value": sum(one["above"] for one in topics) if known >= 4 else None,
        "complaints": now.total(),
        "without_topic": now[None],
        "baseline_weeks": known,
        "topics": sorted(
            topics, key=lambda one: (not one["above"], -one["complaints"], one["topic"])
        ),
    }


def opened(life: Life, begin: datetime, end: datetime) -> Iterator[tuple[datetime, str | None]]:
    """Instant and topic of each complaint, at its first event."""
    seen = set[str]()
    for event, data in life.data(begin, end, "complaint.opened"):
        if data["complaint_id"] not in seen:
            seen.add(data["complaint_id"])
            yield event.time, data.get("topic")


def judged(n: int, spans: float, weeks: Sequence[int]) -> dict[str, Any]:
    if len(weeks) < 4:
        return {
            "expected": None,
            "weekly_mean": None,
            "weekly_spread": None,
            "probability": None,
            "above": False,
        }
    usual = mean(weeks)
    spread = stdev(weeks)
    total = n + sum(weeks)
    p = spans / (spans + len(weeks))
    tail = sum(comb(total, k) * p**k * (1 - p) ** (total - k) for k in range(n, total + 1))
    above = n >= 5 and tail < 0.001 and n > usual * spans + 3 * spread * sqrt(spans)
    return {
        "expected": usual * spans,
        "weekly_mean": usual,
        "weekly_spread": spread,
        "probability": tail,
        "above": above,
    }
