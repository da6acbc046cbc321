"""Rewards of people who are merged and unmerged, in circles too: late, doubled and shuffled, the
sums are the same.
"""

from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.builders import day, event, order
from tests.support.referral_codes import code_of
from tests.support.referral_world import IDS, World, plain_evidence, plain_sums

Event = dict[str, Any]
END = day(90)
customers = st.sampled_from(IDS)
days = st.integers(0, 30)
amounts = st.integers(0, 9000)


def priced(customer: str, kind: str, at: int, number: int, amount: int) -> Event:
    money = {"amount": amount, "currency": "EUR"}
    made = event(customer, kind, at, order_id=f"o{number}")
    field = "total" if kind == "order.updated" else "amount"
    return {**made, "data": made["data"] | {field: money}}


def bought(customer: str, at: int, number: int, amount: int, recommender: str | None) -> Event:
    made = order(customer, at, amount=amount)
    made["data"]["order_id"] = f"o{number}"
    return made if recommender is None else _with_code(made, recommender)


def _with_code(made: Event, recommender: str) -> Event:
    return {**made, "data": made["data"] | {"referral_code": code_of(recommender)}}


def merged(pair: tuple[int, int], at: int) -> Event:
    old, kept = pair
    return event(IDS[old], "customer.merged", at, into=IDS[kept])


numbers = st.integers(0, 2)
signed_up = st.builds(
    lambda customer, at, recommender: event(
        customer, "customer.signed_up", at, referral_code=code_of(recommender)
    ),
    customers,
    days,
    customers,
)
orders = st.builds(bought, customers, days, numbers, amounts, st.none() | customers)
changes = st.builds(
    priced, customers, st.sampled_from(["order.updated", "order.refunded"]), days, numbers, amounts
)
cancelled = st.builds(
    lambda customer, at, number: event(customer, "order.cancelled", at, order_id=f"o{number}"),
    customers,
    days,
    numbers,
)
places = st.tuples(st.integers(0, 3), st.integers(0, 3)).filter(lambda pair: pair[0] != pair[1])
merges = st.builds(merged, places, days)
unmerges = st.builds(lambda id, at: event(id, "customer.unmerged", at), customers, days)
happenings = st.one_of(signed_up, orders, changes, cancelled, merges, merges, unmerges)


def recommended(pair: tuple[int, int], at: int, number: int, amount: int) -> list[Event]:
    """One recommends another, who buys."""
    recommender, referee = (IDS[place] for place in pair)
    named = event(referee, "customer.signed_up", at, referral_code=code_of(recommender))
    return [named, bought(referee, at + 1, number, amount, None)]


def merged_to_and_fro(pair: tuple[int, int], first: int, second: int) -> list[Event]:
    """One id is merged into another, and that one into it."""
    return [merged(pair, first), merged(pair[::-1], second)]


def distinct(stories: list[list[Event]], others: list[Event]) -> list[Event]:
    found = [made for story in stories for made in story] + others
    return list({made["id"]: made for made in found}.values())


stories = st.lists(st.builds(recommended, places, days, numbers, amounts), min_size=1, max_size=3)
circles = st.lists(st.builds(merged_to_and_fro, places, days, days), max_size=1)
lives = st.builds(
    lambda stories, circles, others: distinct([*stories, *circles], others),
    stories,
    circles,
    st.lists(happenings, max_size=10),
)


@settings(max_examples=100, deadline=None)
@given(lives, st.randoms(use_true_random=False))
def test_in_whatever_order_events_and_messages_come_everybody_has_the_same_in_the_end(
    life: list[Event], random: Random
) -> None:
    arriving = life + life[: len(life) // 2]
    random.shuffle(arriving)
    world = World()
    at = 0
    while arriving:
        size = random.randint(1, 4)
        batch = arriving[:size]
        arriving = arriving[size:]
        world.take(batch, day(at))
        world.deliver(random, day(at), most=random.randint(0, 6))
        if random.random() < 0.2:
            world.tick(day(at))
        at += random.randint(0, 6)
    world.deliver(random, END)
    world.tick(END)
    world.deliver(random, END)
    assert world.balances() == plain_sums(life, END)
    assert world.clearing() == 0
    assert world.evidence() == plain_evidence(life), "lifecycle believes something else"
    told = [(outcome.subject, outcome.id) for outcome in world.outcomes]
    assert len(set(told)) == len(told), "an outcome was announced as a repeat of another"


def test_the_random_lives_do_move_rewards() -> None:
    """The property would hold of lives in which nobody earns anything: some do, and they move."""
    life = [
        event("cid", "customer.signed_up", 1, referral_code=code_of("ann")),
        order("cid", 2, amount=5000),
        merged((0, 1), 3),
        merged((1, 3), 4),
        event("bob", "customer.unmerged", 5),
    ]
    world = World()
    for made in life:
        world.take([made], day(6))
        world.deliver(Random(1), day(6))
    world.tick(END)
    assert world.balances() == plain_sums(life, END) == {"bob": (0, 1001), "cid": (0, 333)}
    kinds = {posting.kind for posts in world.postings.values() for posting in posts.values()}
    assert kinds == {"earned", "transferred", "matured"}


def test_who_earns_of_two_who_were_merged_to_and_fro_does_not_depend_on_what_came_first() -> None:
    earned = recommended((0, 2), 1, 1, 5000)
    circle = merged_to_and_fro((0, 1), 3, 4)
    for arriving in (circle, circle[::-1]):
        world = World()
        for made in [*earned, *arriving]:
            world.take([made], day(6))
            world.deliver(Random(1), day(6))
        world.tick(END)
        assert world.balances() == {"bob": (0, 1001), "cid": (0, 333)}
        assert world.evidence().keys() == {"bob"}
