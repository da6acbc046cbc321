"""Settling one reward: its ledger, its next deadline, and what is announced."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import pytest

from services.referral.announcements import Announcer
from services.referral.domain.ledger import Posting
from services.referral.domain.rewards import (
    Reward,
    RewardFacts,
    RewardKey,
    RewardRevision,
    RewardState,
    Side,
    movements,
)
from services.referral.rewards import outcome
from services.referral.rewards.outcome import (
    Outcome,
    SettlementTime,
    postpone,
    revise,
    settle,
)
from services.referral.rewards.settlement import Settlement
from shared.events.envelope import decode
from shared.stream.outgoing.outbox import Message
from tests.support.builders import day
from tests.support.referral_orders import returns

ANNOUNCER = Announcer(4)
CLAIM = UUID(int=1)
ANN = RewardKey("ann", CLAIM, Side.RECOMMENDER)
BOB = RewardKey("bob", CLAIM, Side.REFEREE)
START = day(0)
DEADLINE = day(14)
TICK = timedelta(microseconds=1)


def facts(*refunds: tuple[float, int | None], order: str = "o-1", at: float = 0) -> RewardFacts:
    """An order of 30.00 € that ann recommended to bob, with a return window of 14 days."""
    return RewardFacts(
        order_id=order,
        referee="bob",
        recommender="ann",
        currency="EUR",
        total=3000,
        earned_at=day(at),
        available_at=day(at + 14),
        recommender_reward=1000,
        referee_reward=500,
        returns=returns(refunds, 3000),
    )


def reward(
    known: RewardFacts | None,
    *,
    key: RewardKey = ANN,
    revision: int = 1,
    state: RewardState = RewardState.ANNULLED,
    as_of: datetime = START,
) -> Reward:
    return Reward(key, key.customer, 0, revision, known, state, as_of, None, START)


def settled(known: RewardFacts | None, at: float, **more: Any) -> Outcome:
    """A new reward, settled until a day."""
    return settle(None, reward(known, **more), (), ANNOUNCER, SettlementTime(day(at)))


def settled_again(first: Outcome, known: RewardFacts | None, time: SettlementTime) -> Outcome:
    """The same reward with the facts of the next revision."""
    before = first.reward
    after = replace(before, facts=known, revision=before.revision + 1, since=time.now)
    return settle(before, after, postings(first), ANNOUNCER, time)


def postings(found: Outcome) -> list[Posting]:
    return [new.posting for new in found.postings]


def kinds(found: Outcome) -> list[str]:
    return [posting.kind.value for posting in postings(found)]


def data_of(message: Message) -> dict[str, Any]:
    data: dict[str, Any] = msgspec.json.decode(decode(message.body).data)
    return data


def announced(found: Outcome) -> list[str]:
    return [decode(message.body).type for message in found.messages]


class Revision(NamedTuple):
    """Which facts a revision leaves a reward with, and on which side."""

    before: Reward | None
    revision: RewardRevision | None
    expected: Reward | None


STORED = reward(facts(), revision=2, as_of=day(9))


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(Revision(None, None, None), id="nothing is known, nothing comes"),
        pytest.param(Revision(STORED, None, STORED), id="only a deadline is due"),
        pytest.param(
            Revision(STORED, RewardRevision(CLAIM, 2, None, "ann", START), STORED),
            id="the same revision again",
        ),
        pytest.param(
            Revision(STORED, RewardRevision(CLAIM, 1, None, "ann", START), STORED),
            id="an earlier one that is late",
        ),
        pytest.param(
            Revision(
                STORED,
                RewardRevision(CLAIM, 3, None, "ann", START),
                replace(STORED, revision=3, facts=None),
            ),
            id="not earned after all: the side and the ledger's time stay",
        ),
        pytest.param(
            Revision(
                None, RewardRevision(CLAIM, 1, facts(), "ann", START), reward(facts(), as_of=day(5))
            ),
            id="the recommender's first",
        ),
        pytest.param(
            Revision(
                None,
                RewardRevision(CLAIM, 4, None, "ann", START),
                reward(None, revision=4, as_of=day(5)),
            ),
            id="taken back before it was seen",
        ),
    ],
)
def test_a_later_revision_replaces_the_facts(case: Revision) -> None:
    assert revise(case.before, ANN, case.revision, 0, day(5)) == case.expected


class Settled(NamedTuple):
    """What a new reward is settled to at a day."""

    facts: RewardFacts
    at: float
    state: str
    kinds: list[str]
    due_at: datetime | None
    announced: list[str]


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(
            Settled(facts(), 5, "pending", ["earned"], DEADLINE, ["pending"]), id="in the window"
        ),
        pytest.param(
            Settled(
                facts(), 14, "available", ["earned", "matured"], None, ["pending", "available"]
            ),
            id="at its end",
        ),
        pytest.param(
            Settled(
                facts((3, 1500)),
                5,
                "pending",
                ["earned", "reversed"],
                DEADLINE,
                ["pending", "reversed"],
            ),
            id="half is refunded in the window",
        ),
        pytest.param(
            Settled(
                facts((3, 3000)),
                5,
                "reversed",
                ["earned", "reversed"],
                None,
                ["pending", "reversed"],
            ),
            id="all is refunded in the window",
        ),
        pytest.param(
            Settled(
                facts((3, None)),
                5,
                "reversed",
                ["earned", "reversed"],
                None,
                ["pending", "reversed"],
            ),
            id="the order is cancelled",
        ),
        pytest.param(
            Settled(
                facts((16, 1500)),
                15,
                "available",
                ["earned", "matured", "reversed"],
                None,
                ["pending", "available", "reversed"],
            ),
            id="half is refunded after the window, which the clock has not seen",
        ),
    ],
)
def test_a_new_reward_is_settled_until_now(case: Settled) -> None:
    for key, first in ((ANN, ["referral.succeeded"]), (BOB, [])):
        found = settled(case.facts, case.at, key=key)
        assert (found.reward.state, found.reward.due_at) == (case.state, case.due_at)
        assert found.reward.as_of == day(case.at)
        assert kinds(found) == case.kinds
        assert announced(found) == first + [f"reward.{step}" for step in case.announced]


def test_an_announcement_has_the_balance_of_the_side() -> None:
    found = settled(facts((3, 1500)), 5, key=BOB)
    assert data_of(found.messages[-1]) == {
        "claim_id": str(CLAIM),
        "side": "referee",
        "order_id": "o-1",
        "currency": "EUR",
        "amount": 500,
        "pending": 250,
        "available": 0,
        "reversed": 250,
    }


def test_settling_again_changes_and_announces_nothing() -> None:
    first = settled(facts(), 5)
    again = settle(first.reward, first.reward, postings(first), ANNOUNCER, SettlementTime(day(5)))
    assert again == Outcome(first.reward, [], [])


def test_a_refund_withdrawn_by_the_deadline_is_announced_with_it_once() -> None:
    first = settled(facts((3, 600)), 9)
    found = settled_again(first, facts(), SettlementTime(day(20)))
    assert announced(found) == ["reward.available"]
    assert data_of(found.messages[0])["available"] == 1000


def test_repeated_work_makes_the_same_messages() -> None:
    assert settled(facts(), 5).messages == settled(facts(), 5).messages


def test_the_ledger_never_goes_back_in_time() -> None:
    first = settled(facts(), 10)
    again = settled_again(first, facts((3, 750)), SettlementTime(day(5)))
    assert again.reward.as_of == day(10)


def test_a_reward_that_was_not_earned_after_all_is_cancelled() -> None:
    first = settled(facts(), 5)
    undone = settled_again(first, None, SettlementTime(day(6)))
    assert (undone.reward.state, undone.reward.due_at) == (RewardState.ANNULLED, None)
    assert [(p.kind, p.pending, p.currency) for p in postings(undone)] == [
        ("cancelled", -1000, "EUR")
    ]
    assert announced(undone) == ["referral.annulled", "reward.reversed"]
    assert undone.postings[0].recorded_at == day(6)


def test_a_parked_recommender_hears_with_the_release_that_the_reward_was_not_earned() -> None:
    first = settled(facts(), 5)
    waiting = postpone(replace(first.reward, facts=None, revision=2))
    found = settle(waiting, waiting, postings(first), ANNOUNCER, SettlementTime(day(6)))
    assert announced(found) == ["referral.annulled", "reward.reversed"]
    assert data_of(found.messages[1])["pending"] == 0


def test_a_parked_recommender_hears_with_the_release_what_was_reversed_meanwhile() -> None:
    first = settled(facts(), 5)
    waiting = postpone(replace(first.reward, facts=facts((3, 1500)), revision=2))
    found = settle(waiting, waiting, postings(first), ANNOUNCER, SettlementTime(day(6)))
    assert announced(found) == ["reward.reversed"]
    assert data_of(found.messages[0])["reversed"] == 500


def test_a_parked_recommender_hears_with_the_release_that_another_order_counts() -> None:
    first = settled(facts(), 5)
    waiting = postpone(replace(first.reward, facts=facts(order="o-0", at=-1), revision=2))
    found = settle(waiting, waiting, postings(first), ANNOUNCER, SettlementTime(day(6)))
    assert announced(found) == ["referral.succeeded", "reward.pending"]


def test_an_earlier_order_takes_the_place_of_the_one_announced() -> None:
    first = settled(facts(), 20)
    replaced = settled_again(first, facts(order="o-0", at=-1), SettlementTime(day(20)))
    assert announced(replaced) == [
        "referral.succeeded",
        "reward.pending",
        "reward.available",
    ]
    assert kinds(replaced) == ["cancelled", "cancelled", "earned", "matured"]
    named = [data_of(message)["order_id"] for message in replaced.messages]
    assert named == ["o-0", "o-0", "o-0"]


def test_an_order_bought_anew_is_a_success_anew_and_none_is_annulled() -> None:
    reversed_ = settled_again(settled(facts(), 1), facts((2, 3000)), SettlementTime(day(2)))
    anew = settled_again(reversed_, facts(at=3), SettlementTime(day(3)))
    assert announced(reversed_) == ["reward.reversed"]
    assert announced(anew) == ["referral.succeeded", "reward.pending"]
    assert decode(anew.messages[0].body).time == day(3)


def test_a_success_after_an_annulment_is_later_than_that_and_another_event() -> None:
    first = settled(facts(), 5)
    annulled = settled_again(first, None, SettlementTime(day(6)))
    again = settled_again(annulled, facts(), SettlementTime(day(6)))
    gone = settled_again(again, None, SettlementTime(day(7)))
    assert announced(again) == ["referral.succeeded", "reward.pending"]
    told = [decode(found.messages[0].body) for found in (first, annulled, again, gone)]
    assert [each.time for each in told] == [day(0), day(6), day(6) + TICK, day(7)]
    assert len({each.id for each in told}) == 4


def test_an_annulment_is_not_dated_before_the_success() -> None:
    first = settled(facts(at=5), 1)
    undone = settled_again(first, None, SettlementTime(day(2)))
    assert decode(undone.messages[0].body).time == day(5), "the clock is behind the order"


def test_only_the_recommenders_reward_speaks_of_the_recommendation() -> None:
    first = settled(facts(), 5, key=BOB)
    replaced = settled_again(first, facts(order="o-0", at=-1), SettlementTime(day(5)))
    undone = settled_again(replaced, None, SettlementTime(day(6)))
    assert announced(replaced) == ["reward.pending"]
    assert announced(undone) == ["reward.reversed"]


def test_a_reward_that_waited_for_a_parked_customer_is_announced_with_the_release() -> None:
    waiting = postpone(reward(facts()))
    found = settle(waiting, waiting, (), ANNOUNCER, SettlementTime(day(5)))
    assert announced(found) == ["referral.succeeded", "reward.pending"]


class News(NamedTuple):
    """What was settled at a day, what is settled later, and what is new then."""

    before: tuple[RewardFacts, float]
    after: tuple[RewardFacts, float]
    kinds: list[str]
    announced: list[str]


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(
            News((facts(), 5), (facts((6, 750)), 7), ["reversed"], ["reward.reversed"]),
            id="a refund in the window",
        ),
        pytest.param(
            News((facts(), 20), (facts((21, 750)), 22), ["reversed"], ["reward.reversed"]),
            id="a refund of what is available already",
        ),
        pytest.param(
            News((facts((3, 750)), 5), (facts((3, 750)), 14), ["matured"], ["reward.available"]),
            id="the end of the window after a refund",
        ),
    ],
)
def test_only_news_is_posted_and_announced(case: News) -> None:
    known, at = case.before
    later, then = case.after
    found = settled_again(settled(known, at), later, SettlementTime(day(then)))
    assert kinds(found) == case.kinds
    assert announced(found) == case.announced


class Held(NamedTuple):
    """Whether a deadline passes while an import holds deadlines back."""

    before: Reward | None
    held_until: float
    passes: bool


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(Held(None, 13, True), id="the deadline is later than what is held"),
        pytest.param(Held(None, 14, False), id="the deadline is held"),
        pytest.param(
            Held(reward(facts(), as_of=day(13)), 15, False),
            id="it had not passed before the import",
        ),
        pytest.param(
            Held(reward(facts(), as_of=day(14)), 15, True), id="it had passed before the import"
        ),
        pytest.param(
            Held(reward(facts(at=-2), as_of=day(14)), 15, False), id="another one had passed"
        ),
        pytest.param(Held(reward(None, as_of=day(14)), 15, False), id="nothing was earned then"),
    ],
)
def test_deadlines_wait_for_the_end_of_an_import(case: Held) -> None:
    time = SettlementTime(day(20), day(case.held_until))
    found = settle(case.before, reward(facts()), (), ANNOUNCER, time)
    if case.passes:
        assert (found.reward.state, found.reward.as_of) == (RewardState.AVAILABLE, day(20))
    else:
        assert (found.reward.state, found.reward.as_of) == (RewardState.PENDING, DEADLINE - TICK)
        assert found.reward.due_at == DEADLINE


def test_a_reward_without_facts_waits_for_no_import() -> None:
    found = settle(None, reward(None), (), ANNOUNCER, SettlementTime(day(20), day(30)))
    assert (found.reward.state, found.reward.as_of) == (RewardState.ANNULLED, day(20))
    assert found.messages == []


def test_the_reward_of_a_parked_customer_is_due_at_once() -> None:
    assert postpone(reward(facts(), as_of=day(3))).due_at == day(3)


def test_a_customer_whose_reward_cannot_be_settled_is_parked_and_the_others_are_settled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fragile(known: RewardFacts | None, side: Side, as_of: datetime) -> Any:
        if side is Side.RECOMMENDER:
            raise ArithmeticError("a bug")
        return movements(known, side, as_of)

    monkeypatch.setattr(outcome, "movements", fragile)
    settlement = Settlement()
    for key in (ANN, BOB):
        after = reward(facts(), key=key, as_of=day(2))
        settlement.take(None, after, (), ANNOUNCER, SettlementTime(day(5)))
    assert settlement.parked.keys() == {"ann"}
    assert settlement.parked["ann"].startswith("ArithmeticError at ")
    assert [(r.key, r.due_at) for r in settlement.rewards] == [(ANN, day(2)), (BOB, DEADLINE)]
    assert {new.key for new in settlement.postings} == {BOB}
    assert [decode(message.body).subject for message in settlement.messages] == ["bob"]
