"""The simulated shop: the same seed gives the same lives, and every life makes sense."""

import json
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from shared.events import catalogue
from shared.instants import parse
from shared.simulator.log import Log
from shared.simulator.person.referrals import Recommenders
from shared.simulator.shop import Shop, lines, lives
from shared.simulator.world.calendar import OPENING, instant, later_by_months, text

SHOP: Final = Shop(customers=700, months=24, seed=7)
SILENT: Final = {
    "customer.erasure_requested", "contact.made", "referral.succeeded", "referral.annulled",
    "clock.ticked", "import.started", "import.finished", "improvement.delivered",
    "order.updated", "order.refund_withdrawn", "customer.unmerged", "checkout.started",
    "engagement.recorded", "feedback.answered", "message.sent", "message.delivered",
    "message.bounced", "message.complained",
}  # fmt: skip
"""What no customer does unasked."""
FOLLOWS: Final = {
    "complaint.answered": ("complaint.opened", "complaint_id"),
    "complaint.resolved": ("complaint.answered", "complaint_id"),
    "inquiry.answered": ("inquiry.opened", "inquiry_id"),
    "order.refunded": ("order.completed", "order_id"),
    "order.cancelled": ("order.completed", "order_id"),
    "delivery.delayed": ("order.completed", "order_id"),
    "contract.renewed": ("contract.concluded", "contract_id"),
    "contract.cancelled": ("contract.concluded", "contract_id"),
    "consent.withdrawn": ("consent.granted", "channel"),
}
"""What comes only after something else, about the same thing."""


def log_of(shop: Shop) -> list[bytes]:
    with Log() as log:
        for life in lives(shop):
            log.add(lines(shop, life))
        return [line for _, line in log.read()]


@pytest.fixture(scope="module")
def raw() -> list[bytes]:
    return log_of(SHOP)


@pytest.fixture(scope="module")
def events(raw: list[bytes]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in raw]


def of_type(events: Sequence[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [event for event in events if event["type"] == kind]


def test_the_same_seed_gives_the_same_bytes_whatever_the_hash_seed() -> None:
    program = (
        "from hashlib import sha256; from shared.simulator.shop import *\n"
        "shop = Shop(60, 24, 3, duplicates=0.1, late=0.1)\n"
        "events = [list(lines(shop, life)) for life in lives(shop)]\n"
        "print(sha256(repr(events).encode()).hexdigest())"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1")
    }
    assert len(found) == 1


def test_another_seed_gives_other_lives() -> None:
    assert log_of(Shop(20, 6, 1)) != log_of(Shop(20, 6, 2))


def test_more_customers_never_change_the_earlier_ones() -> None:
    few = Shop(40, 12, 5)
    many = Shop(80, 12, 5)
    expected = [list(lines(few, life)) for life in lives(few)]
    assert [list(lines(many, life)) for life in lives(many)][:40] == expected


def test_the_log_is_in_the_order_of_time_without_double_ids(events: list[dict[str, Any]]) -> None:
    times = [event["time"] for event in events]
    assert times == sorted(times)
    assert parse(times[0]) >= OPENING
    assert parse(times[-1]) < SHOP.ends
    assert len({(event["subject"], event["id"]) for event in events}) == len(events)


def test_every_type_that_customers_cause_occurs_and_is_accepted_by_its_model(
    raw: list[bytes],
) -> None:
    samples: dict[str, list[bytes]] = defaultdict(list)
    for line in raw:
        samples[json.loads(line)["type"]].append(line)
    assert samples.keys() == catalogue.MODELS.keys() - SILENT
    for found in samples.values():
        for line in found[:60]:
            catalogue.canonical(line)


@pytest.mark.parametrize("kind", FOLLOWS)
def test_nothing_comes_before_what_it_is_about(events: list[dict[str, Any]], kind: str) -> None:
    cause, key = FOLLOWS[kind]
    began: dict[tuple[str, str], datetime] = {}
    for event in of_type(events, cause):
        began.setdefault(
            (event["subject"].removesuffix(".old"), event["data"][key]), parse(event["time"])
        )
    found = of_type(events, kind)
    assert found
    for event in found:
        about = event["subject"].removesuffix(".old"), event["data"][key]
        assert began[about] < parse(event["time"])


def test_nobody_gets_back_more_than_was_paid(events: list[dict[str, Any]]) -> None:
    totals = {
        event["data"]["order_id"]: event["data"]["total"]
        for event in of_type(events, "order.completed")
    }
    assert len(totals) == len(of_type(events, "order.completed"))
    refunded: Counter[str] = Counter()
    for event in of_type(events, "order.refunded"):
        assert event["data"]["amount"]["currency"] == totals[event["data"]["order_id"]]["currency"]
        refunded[event["data"]["order_id"]] += event["data"]["amount"]["amount"]
    assert all(0 < amount <= totals[order]["amount"] for order, amount in refunded.items())
    cancelled = {event["data"]["order_id"] for event in of_type(events, "order.cancelled")}
    assert not cancelled & refunded.keys()


def test_margins_lie_within_totals(events: list[dict[str, Any]]) -> None:
    for event in of_type(events, "order.completed"):
        assert 0 < event["data"]["margin"]["amount"] < event["data"]["total"]["amount"]


def test_notice_is_given_at_once_and_for_later(events: list[dict[str, Any]]) -> None:
    cancelled = of_type(events, "contract.cancelled")
    announced = [event for event in cancelled if "effective_at" in event["data"]]
    assert 0 < len(announced) < len(cancelled)
    assert all(parse(event["data"]["effective_at"]) > parse(event["time"]) for event in announced)


def test_some_were_known_by_another_id_which_is_used_before_and_after(
    events: list[dict[str, Any]],
) -> None:
    merged = {event["subject"]: event for event in of_type(events, "customer.merged")}
    assert merged
    for old, event in merged.items():
        times = [e["time"] for e in events if e["subject"] == old]
        assert event["data"]["into"] == old.removesuffix(".old")
        assert min(times) < event["time"]
    assert any(e["time"] > merged[e["subject"]]["time"] for e in events if e["subject"] in merged)


def test_business_is_brisker_in_december_than_in_august() -> None:
    shop = Shop(customers=1500, months=24, seed=2)
    by_month: Counter[int] = Counter()
    for life in lives(shop):
        by_month.update(
            instant(t).month for t, kind, _ in life.happenings if kind == "order.completed"
        )
    assert by_month[12] + by_month[11] > 1.2 * (by_month[7] + by_month[8])


def test_late_and_double_deliveries_are_of_the_same_events(raw: list[bytes]) -> None:
    disordered = log_of(
        Shop(SHOP.customers, SHOP.months, SHOP.seed, duplicates=0.03, late=0.05, late_days=4)
    )
    assert set(disordered) == set(raw)
    doubled = (len(disordered) - len(raw)) / len(raw)
    assert 0.025 < doubled < 0.035
    latest = datetime.min.replace(tzinfo=UTC)
    late: Counter[bool] = Counter()
    for line in disordered:
        time = parse(json.loads(line)["time"])
        late[time < latest] += 1
        assert latest - time < timedelta(days=8)
        latest = max(latest, time)
    assert 0.05 < late[True] / len(disordered) < 0.09


def test_a_recommender_is_a_buyer_with_a_lower_number() -> None:
    recommenders = Recommenders(SHOP.seed)
    found = 0
    first_order: dict[str, int] = {}
    for life in lives(SHOP):
        recommender = recommenders.recommender_of(life)
        recommenders.add(life)
        if recommender:
            found += 1
            assert first_order[recommender] < life.person.joined
        if life.bought:
            first_order[life.person.customer] = life.bought[0][0]
    assert found > SHOP.customers // 50


def test_months_are_calendar_months_and_clamped() -> None:
    end_of_january = 30 * 86_400 + 5
    assert text(end_of_january) == "2023-01-31T00:00:05Z"
    assert text(later_by_months(end_of_january, 1)) == "2023-02-28T00:00:05Z"
    assert text(later_by_months(end_of_january, 13)) == "2024-02-29T00:00:05Z"
    assert instant(later_by_months(end_of_january, 24)) == datetime(
        2025, 1, 31, 0, 0, 5, tzinfo=UTC
    )
