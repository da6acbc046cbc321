"""Rewards and the ledger: every cent in its place, whatever comes first."""

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import pairwise
from random import Random
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from services.referral.domain.claims import (
    Touch,
    determine_facts,
    judge,
    new_touch,
)
from services.referral.domain.ledger import Account, Posting, arrival, plan_postings
from services.referral.domain.orders import OrderEvent, purchases
from services.referral.domain.rewards import (
    Movement,
    RewardFacts,
    RewardKey,
    RewardState,
    RewardTransfer,
    Side,
    balance_of,
    movements,
)
from services.referral.domain.terms import CurrencyTerms, Terms
from shared.clock import CLOCK_START
from tests.support.builders import day
from tests.support.referral_codes import code_of
from tests.support.referral_orders import (
    cancelled,
    completed,
    refunded,
    returns,
    updated,
    withdrawn,
)

TERMS = Terms(
    claim_days=90, return_window_days=14, currencies={"EUR": CurrencyTerms(1001, 333, 2000)}
)
KEY = RewardKey("bob", UUID(int=1), Side.REFEREE)


def facts(*refunds: tuple[float, int | None], total: int = 3000) -> RewardFacts:
    return RewardFacts(
        order_id="o",
        referee="bob",
        recommender="ann",
        currency="EUR",
        total=total,
        earned_at=day(0),
        available_at=day(14),
        recommender_reward=1000,
        referee_reward=500,
        returns=returns(refunds, total),
    )


def sums(found: RewardFacts, at: float) -> tuple[RewardState, int, int, int]:
    stands = balance_of(found, Side.RECOMMENDER, day(at))
    return stands.state, stands.pending, stands.available, stands.reversed


def test_a_reward_is_pending_until_the_very_instant_when_the_window_ends() -> None:
    assert sums(facts(), 13.999) == (RewardState.PENDING, 1000, 0, 0)
    assert sums(facts(), 14) == (RewardState.AVAILABLE, 0, 1000, 0)


def test_a_whole_refund_reverses_all_before_and_after_the_window() -> None:
    assert sums(facts((3, 3000)), 20) == (RewardState.REVERSED, 0, 0, 1000)
    assert sums(facts((16, 3000)), 20) == (RewardState.REVERSED, 0, 0, 1000)


def test_a_cancellation_reverses_all() -> None:
    assert sums(facts((1, None)), 20) == (RewardState.REVERSED, 0, 0, 1000)


def test_a_partial_refund_reverses_its_share() -> None:
    assert sums(facts((3, 750)), 5) == (RewardState.PENDING, 750, 0, 250)
    assert sums(facts((3, 750), (20, 750)), 21) == (RewardState.AVAILABLE, 0, 500, 500)


def test_thirds_add_up_to_the_whole() -> None:
    parts = [
        m.pending
        for m in movements(facts((1, 1000), (2, 1000), (3, 1000)), Side.RECOMMENDER, day(20))
    ]
    assert parts == [1000, -333, -334, -333]


def test_refunds_beyond_the_order_reverse_no_more_than_everything() -> None:
    assert sums(facts((1, 2000), (2, 2000), (3, None)), 20) == (RewardState.REVERSED, 0, 0, 1000)


def test_a_deadline_at_the_instant_of_a_refund_comes_first() -> None:
    kinds = [
        (m.kind.value, m.pending, m.available)
        for m in movements(facts((14, 1500)), Side.RECOMMENDER, day(0))
    ]
    assert kinds == [("earned", 1000, 0), ("matured", -1000, 1000), ("reversed", 0, -500)]


def test_what_is_posted_is_not_posted_again() -> None:
    wanted = movements(facts((3, 750)), Side.REFEREE, day(20))
    posted = plan_postings(KEY, [], wanted, "EUR", now=day(20))
    assert plan_postings(KEY, posted, wanted, "EUR", now=day(21)) == []
    assert plan_postings(KEY, [], wanted, "EUR", now=day(22)) == posted


def test_what_is_no_longer_wanted_is_cancelled_and_may_be_wanted_again() -> None:
    wanted = movements(facts(), Side.REFEREE, day(1))
    posted = plan_postings(KEY, [], wanted, "EUR", now=day(1))
    undone = posted + plan_postings(KEY, posted, [], "EUR", now=day(2))
    assert balance(undone) == (0, 0)
    again = undone + plan_postings(KEY, undone, wanted, "EUR", now=day(3))
    assert balance(again) == (500, 0)
    assert len({posting.id for posting in again}) == 3
    assert plan_postings(KEY, again, wanted, "EUR", now=day(4)) == []


def balance(postings: list[Posting]) -> tuple[int, int]:
    total: Counter[Account] = Counter()
    for posting in postings:
        assert sum(amount for _, amount in posting.entries) == 0
        for account, amount in posting.entries:
            total[account] += amount
    return total[Account.PENDING], total[Account.AVAILABLE]


Happening = Touch | OrderEvent
touches = st.builds(
    lambda at, whose: replace(
        new_touch("bob", day(at), "/shop", f"t{at}-{whose}", code_of(whose), TERMS),
        recommender=whose,
    ),
    st.integers(0, 8),
    st.sampled_from(["ann", "eve", "bob"]),
)
names = st.sampled_from(["o0", "o1", "o2"])
amounts = st.integers(0, 7000)
orders = st.builds(completed, st.integers(1, 10), names, amounts)
changes = st.one_of(
    st.builds(completed, st.integers(1, 40), names, amounts),
    st.builds(updated, st.integers(1, 40), names, amounts),
    st.builds(refunded, st.integers(1, 40), names, st.none() | amounts),
    st.builds(refunded, st.integers(1, 40), names, amounts, refund_id=st.sampled_from("xy")),
    st.builds(withdrawn, st.integers(1, 40), names, refund_id=st.sampled_from("xy")),
    st.builds(cancelled, st.integers(1, 40), names),
)


def identity(happening: Happening) -> object:
    return happening.id if isinstance(happening, Touch) else happening.fact.id


def time_of(happening: Happening) -> datetime:
    return happening.time if isinstance(happening, Touch) else happening.fact.time


happenings = st.lists(st.one_of(touches, orders, changes, changes), max_size=14, unique_by=identity)


@dataclass
class World:
    """The owners of a referee and of the recommenders: what the service does, in memory."""

    touches: dict[object, Touch] = field(default_factory=dict)
    events: dict[str, OrderEvent] = field(default_factory=dict)
    facts: dict[RewardKey, RewardFacts | None] = field(default_factory=dict)
    ledger: dict[RewardKey, list[Posting]] = field(default_factory=dict)

    def take(self, batch: list[Happening], clock: datetime) -> None:
        for happening in batch:
            if isinstance(happening, Touch):
                self.touches.setdefault(happening.id, happening)
            else:
                self.events.setdefault(happening.fact.id, happening)
        known = list(self.touches.values())
        bought = purchases(self.events.values())
        found = determine_facts(known, bought, judge({"bob"}, known, bought))
        for named in known:
            for side, customer in (
                (Side.REFEREE, "bob"),
                (Side.RECOMMENDER, named.recommender or ""),
            ):
                self.post(RewardKey(customer, named.id, side), found.get(named.id), clock)

    def post(self, key: RewardKey, known: RewardFacts | None, clock: datetime) -> None:
        posted = self.ledger.setdefault(key, [])
        before = self.facts.get(key)
        self.facts[key] = known
        currency = known.currency if known else (before.currency if before else "")
        posted += plan_postings(key, posted, movements(known, key.side, clock), currency, now=clock)

    def balances(self) -> dict[RewardKey, tuple[int, int]]:
        return {
            key: found
            for key, postings in self.ledger.items()
            if (found := balance(postings)) != (0, 0)
        }


@settings(max_examples=400, deadline=None)
@given(happenings, st.randoms(use_true_random=False), st.lists(st.integers(0, 30), max_size=4))
def test_arrival_order_doubles_and_batches_never_change_the_balances(
    events: list[Happening], random: Random, cuts: list[int]
) -> None:
    in_order = World()
    shuffled = World()
    in_order.take(sorted(events, key=time_of), CLOCK_START)
    in_order.take([], day(60))
    arriving = events + events[: len(events) // 2]
    random.shuffle(arriving)
    places = [0, *sorted(cut for cut in cuts if cut < len(arriving)), len(arriving)]
    for number, (begin, end) in enumerate(pairwise(places)):
        shuffled.take(arriving[begin:end], day(number * 10))
    shuffled.take([], day(60))
    assert shuffled.balances() == in_order.balances()


@given(happenings, st.integers(0, 60))
def test_a_ledger_is_balanced_and_never_below_zero(events: list[Happening], at: int) -> None:
    world = World()
    for happening in events:
        world.take([happening], day(at))
        assert all(
            pending >= 0 and available >= 0 for pending, available in world.balances().values()
        )


@given(st.integers(0, 5000), st.integers(1, 9000), st.lists(st.integers(0, 4000), max_size=8))
def test_what_is_reversed_is_the_rounded_share_of_all_that_went_back(
    reward: int, total: int, parts: list[int]
) -> None:
    found = RewardFacts(
        order_id="o",
        referee="bob",
        recommender="ann",
        currency="EUR",
        total=total,
        earned_at=day(0),
        available_at=day(4),
        recommender_reward=reward,
        referee_reward=0,
        returns=returns(list(enumerate(parts)), total),
    )
    moved = movements(found, Side.RECOMMENDER, day(9))
    left = sum(m.pending + m.available for m in moved)
    gone = min(total, sum(parts))
    assert abs((reward - left) * total - reward * gone) * 2 <= total
    assert all(isinstance(m, Movement) for m in moved)


def test_a_transfer_of_nothing_makes_no_posting_that_could_not_be_found_again() -> None:
    key = RewardKey("ann", UUID(int=1), Side.RECOMMENDER)
    nothing = RewardTransfer(key.claim_id, key.side, UUID(int=2), "EUR")
    assert arrival(key, nothing, day(0)) is None
