"""Eighteen months of a real shop, end to end, compared with an independent computation."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.cli.replay import cdnow as log
from shared.cli.replay.referral_story import RECOMMENDER
from shared.client.lifecycle import LifecycleClient
from shared.client.pages import every
from shared.client.reactivation import ReactivationClient
from shared.client.referral import ReferralClient
from tests.e2e.conftest import Demonstrated
from tests.e2e.system import client

END = "1998-07-01T00:00:00Z"
PHASES = {"at_risk": 2059, "established": 2381, "inactive": 18_210, "won_back": 920}
TRANSITIONS = 97_673
CUSTOMERS = 23_570


@pytest.fixture(scope="module")
def home(cdnow: Demonstrated) -> Path:
    assert cdnow.demo.returncode == 0, cdnow.demo.stdout + cdnow.demo.stderr
    return cdnow.home


def present(counts: dict[str, int]) -> dict[str, int]:
    return {name: n for name, n in counts.items() if n}


@pytest.fixture(scope="module")
def lifecycle(home: Path) -> Iterator[LifecycleClient]:
    with client(home, LifecycleClient) as api:
        yield api


@pytest.fixture(scope="module")
def referral(home: Path) -> Iterator[ReferralClient]:
    with client(home, ReferralClient) as api:
        yield api


@pytest.mark.parametrize("as_of", [END, None], ids=["as of the end", "as of the clock"])
def test_customers_are_in_the_phases_of_the_reference(
    lifecycle: LifecycleClient, as_of: str | None
) -> None:
    answer = lifecycle.count_phases(as_of=as_of)
    assert (answer["as_of"], present(answer["counts"])) == (END, PHASES)


def test_the_current_histories_have_as_many_transitions_as_the_reference(
    lifecycle: LifecycleClient,
) -> None:
    answer = lifecycle.count_transitions()
    assert answer["total"] == TRANSITIONS
    assert answer["counts"]["first_purchase"] == CUSTOMERS


def test_earlier_instants_can_be_asked_for(lifecycle: LifecycleClient) -> None:
    answer = lifecycle.count_phases(as_of="1997-01-01T00:00:00Z")
    assert present(answer["counts"]) == {}

    before_any_deadline = "1997-04-01T00:00:00Z"
    orders = Counter(
        event["subject"]
        for event in map(json.loads, log.lines())
        if event["time"] < before_any_deadline
    )
    established = sum(n >= 3 for n in orders.values())
    answer = lifecycle.count_phases(as_of=before_any_deadline)
    assert present(answer["counts"]) == {
        "new": len(orders) - established,
        "established": established,
    }


def test_every_customer_who_fell_silent_got_one_case_and_one_offer(
    home: Path, lifecycle: LifecycleClient
) -> None:
    fell_silent = lifecycle.count_transitions()["counts"]["fell_silent"]
    with client(home, ReactivationClient) as reactivation:
        counts = reactivation.count_cases()
    assert counts["as_of"] == END
    assert sum(counts["cases"].values()) == sum(counts["offers"].values()) <= fell_silent
    assert counts["cases"]["won_back"] > 0
    assert counts["cases"]["cancelled"] == 0


@pytest.mark.parametrize(
    ("customer", "pending", "available"),
    [
        ("story:ben", 500, 0),
        ("story:carla", 300, 0),
        ("story:david", 0, 450),
        (RECOMMENDER, 1000 + 600, 900),
    ],
)
def test_rewards_wait_for_the_return_window_and_shrink_with_refunds(
    referral: ReferralClient, customer: str, pending: int, available: int
) -> None:
    (found,) = referral.show_balance(customer)["balances"]
    assert (found["pending"], found["available"]) == (pending, available)


def test_who_recommends_becomes_an_advocate(lifecycle: LifecycleClient) -> None:
    recommender = lifecycle.show_customer(RECOMMENDER)
    assert (recommender["phase"], recommender["since"]) == ("advocate", "1998-07-01T12:00:00Z")


def test_every_posting_balances(referral: ReferralClient) -> None:
    postings = list(every(referral.list_postings, customer=RECOMMENDER, limit=4))
    assert len(postings) == 6
    assert all(sum(entry["amount"] for entry in posting["entries"]) == 0 for posting in postings)


def test_the_demonstration_shows_it_all_in_a_hundred_columns(
    cdnow: Demonstrated, home: Path
) -> None:
    shown = cdnow.demo.stdout
    for figure in (
        "69,659 events accepted, 0 rejected",
        "18,210",
        "97,673",
        "won_back",
        "story:anna",
        "events/s",
    ):
        assert figure in shown
    tables = [line for line in shown.splitlines() if line.startswith(("│", "┃", "┏", "└"))]
    assert max(map(len, tables)) <= 100
    assert f"Bearer $(cat {home / 'api-key'})" in shown
    assert (home / "api-key").read_text() not in shown
