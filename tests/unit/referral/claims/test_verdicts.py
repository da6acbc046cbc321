"""Judging a referee anew: what is stored, announced, and sent to the two rewards."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import msgspec
import pytest

from services.referral.announcements import SOURCE, Announcer
from services.referral.claims import verdicts
from services.referral.claims.repository import Claim
from services.referral.claims.service import answer_of
from services.referral.claims.verdicts import Judge, Judgement, Referee
from services.referral.domain.claims import (
    Reason,
    State,
    Touch,
    Verdict,
    new_touch,
)
from services.referral.domain.orders import OrderEvent
from services.referral.domain.rewards import RewardKey, Side
from services.referral.domain.terms import CurrencyTerms, Terms
from shared.events.envelope import decode
from shared.identities import Identities, Merge
from tests.support.builders import day
from tests.support.referral_codes import code_of
from tests.support.referral_orders import completed

TERMS = Terms(claim_days=90, return_window_days=14, currencies={"EUR": CurrencyTerms(1000, 500, 1)})
NOBODY_MERGED = Identities()
ACCEPTED = Verdict(State.ACCEPTED)
QUALIFIED = Verdict(State.QUALIFIED, order_id="o-3")
UNKNOWN = Verdict(State.REFUSED, Reason.UNKNOWN_CODE)
KNOWN_BUYER = Verdict(State.REFUSED, Reason.ALREADY_CUSTOMER)


def touch(owner: str | None = "ann", *, at: float = 0, source: str = "/shop") -> Touch:
    named = new_touch("bob", day(at), source, f"touch-{at}", code_of("ann"), TERMS)
    return replace(named, recommender=owner)


def claim(named: Touch, verdict: Verdict = ACCEPTED, answer: Reason | None = None) -> Claim:
    return Claim(named, verdict, answer, day(0))


def unjudged(named: Touch) -> Claim:
    return replace(claim(named), answers=0)


def order(at: float) -> OrderEvent:
    return completed(at, f"o-{at}", 3000)


def judged(
    *claims: Claim,
    orders: Sequence[OrderEvent] = (),
    person: Collection[str] = ("bob",),
    recommenders: Identities = NOBODY_MERGED,
) -> Judgement:
    judge = Judge(recommenders, Announcer(4))
    judge.take(Referee("bob", person, claims, orders), day(9))
    return judge.judgement


def announced(judgement: Judgement) -> list[tuple[str, str]]:
    events = [decode(message.body) for message in judgement.messages]
    return [(event.type, event.subject) for event in events]


class Rejudged(NamedTuple):
    """A stored verdict, what is known of the referee now, and what follows."""

    stored: Verdict
    owner: str | None
    orders: list[OrderEvent]
    verdict: Verdict | None
    announced: list[str]


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(Rejudged(ACCEPTED, "ann", [], None, []), id="nothing has changed"),
        pytest.param(Rejudged(UNKNOWN, None, [], None, []), id="nor of a refused claim"),
        pytest.param(
            Rejudged(ACCEPTED, "ann", [order(3)], QUALIFIED, ["reward.determined"]),
            id="the first order earns the reward: the answer stays",
        ),
        pytest.param(
            Rejudged(ACCEPTED, "ann", [order(-1)], KNOWN_BUYER, ["claim.refused"]),
            id="an earlier order has come late",
        ),
        pytest.param(
            Rejudged(UNKNOWN, "ann", [], ACCEPTED, ["claim.accepted"]), id="the code was issued"
        ),
        pytest.param(
            Rejudged(UNKNOWN, "ann", [order(-1)], KNOWN_BUYER, ["claim.refused"]),
            id="refused for another reason",
        ),
    ],
)
def test_what_has_changed_is_stored_and_only_another_answer_is_announced(case: Rejudged) -> None:
    known = claim(touch(case.owner), case.stored)
    judgement = judged(known, orders=case.orders)
    assert [new.verdict for new in judgement.verdicts] == ([case.verdict] if case.verdict else [])
    assert [kind for kind, _ in announced(judgement)] == case.announced


@pytest.mark.parametrize(
    ("owner", "kind"),
    [("ann", "claim.accepted"), (None, "claim.refused"), ("bob", "claim.refused")],
)
def test_a_new_claim_is_always_answered(owner: str | None, kind: str) -> None:
    judgement = judged(unjudged(touch(owner)))
    assert len(judgement.verdicts) == 1
    assert announced(judgement) == [(kind, "bob")]


def test_a_refusal_says_why() -> None:
    known = unjudged(touch(None))
    (message,) = judged(known).messages
    data: dict[str, Any] = msgspec.json.decode(decode(message.body).data)
    assert data == {
        "claim_id": str(known.touch.id),
        "code": code_of("ann"),
        "reason": "unknown_code",
    }


def test_a_later_touch_supersedes_the_one_before_without_a_word() -> None:
    first = claim(touch())
    second = unjudged(touch(at=1))
    judgement = judged(first, second)
    assert [new.verdict.state for new in judgement.verdicts] == [State.SUPERSEDED, State.ACCEPTED]
    assert announced(judgement) == [("claim.accepted", "bob")]


def revised(known: Claim, revision: int, judgement: Judgement) -> Claim:
    """The claim with the facts that a judgement has found, as of a revision."""
    (found,) = judgement.revisions.values()
    return replace(known, revision=revision, facts=found.facts)


def test_a_qualified_claim_goes_to_both_rewards() -> None:
    judgement = judged(claim(touch()), orders=[order(3)])
    ((key, revision),) = judgement.revisions.items()
    assert key == RewardKey("bob", touch().id, Side.REFEREE)
    assert revision.revision == 1
    assert revision.facts is not None
    assert (revision.facts.order_id, revision.facts.available_at) == ("o-3", day(17))
    (message,) = judgement.messages
    assert announced(judgement) == [("reward.determined", "ann")]
    assert decode(message.body).time == day(9)


def test_a_recommender_who_was_merged_is_told_as_the_one_who_has_stayed() -> None:
    merged = Identities([Merge("ann", "anna", day(1), "/shop", "m")])
    judgement = judged(claim(touch()), orders=[order(3)], recommenders=merged)
    (message,) = judgement.messages
    assert announced(judgement) == [("reward.determined", "anna")]
    assert msgspec.json.decode(decode(message.body).data)["earner"] == "ann"


def test_two_sides_in_one_person_are_refused_whichever_came_first() -> None:
    judgement = judged(claim(touch()), orders=[order(3)], person=("ann", "bob"))
    verdict = Verdict(State.REFUSED, Reason.SELF_REFERRAL)
    assert [new.verdict for new in judgement.verdicts] == [verdict]
    assert judgement.revisions == {}


def test_each_answer_to_a_claim_has_an_id_of_its_own() -> None:
    known = unjudged(touch())
    ids = []
    for orders in ([], [order(-1)], [], [order(-1)]):
        judgement = judged(known, orders=orders)
        (new,) = judgement.verdicts
        ids += [decode(message.body).id for message in judgement.messages]
        known = replace(known, verdict=new.verdict, answers=new.answers)
    assert len(set(ids)) == len(ids) == 4


def test_the_same_facts_make_no_revision() -> None:
    known = claim(touch(), QUALIFIED)
    first = judged(known, orders=[order(3)])
    again = judged(revised(known, 1, first), orders=[order(3)])
    assert again == Judgement()


def test_other_facts_make_the_next_revision() -> None:
    known = claim(touch(), QUALIFIED)
    first = judged(known, orders=[order(3)])
    earlier = judged(revised(known, 4, first), orders=[order(3), order(2)])
    (revision,) = earlier.revisions.values()
    assert revision.revision == 5
    assert revision.facts is not None
    assert revision.facts.order_id == "o-2"


def test_a_claim_that_earns_nothing_after_all_takes_the_facts_back() -> None:
    known = claim(touch(), QUALIFIED)
    first = judged(known, orders=[order(3)])
    undone = judged(revised(known, 1, first), orders=[order(-1)])
    (revision,) = undone.revisions.values()
    assert (revision.revision, revision.facts) == (2, None)
    assert announced(undone) == [("claim.refused", "bob"), ("reward.determined", "ann")]


def test_a_referee_who_cannot_be_judged_is_parked(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> Any:
        raise ArithmeticError("a bug")

    monkeypatch.setattr(verdicts, "judge", fail)
    judgement = judged(claim(touch()), orders=[order(3)])
    reason = judgement.parked["bob"]
    assert reason.startswith("ArithmeticError at ")
    assert judgement == Judgement(parked={"bob": reason})


@pytest.mark.parametrize(
    ("known", "answer"),
    [
        (claim(touch(source=SOURCE), KNOWN_BUYER), None),
        (claim(touch(source=SOURCE), ACCEPTED, Reason.ALREADY_CUSTOMER), Reason.ALREADY_CUSTOMER),
        (claim(touch(), KNOWN_BUYER, None), Reason.ALREADY_CUSTOMER),
        (claim(touch(), ACCEPTED, Reason.UNKNOWN_CODE), None),
        (claim(touch(), Verdict(State.UNQUALIFIED, Reason.BELOW_MINIMUM, "o-3")), None),
    ],
    ids=[
        "accepted then",
        "refused then",
        "an event's, refused now",
        "an event's, accepted now",
        "an event's, which earns nothing",
    ],
)
def test_a_request_is_answered_as_it_was_and_an_event_as_it_stands(
    known: Claim, answer: Reason | None
) -> None:
    assert answer_of(known) is answer
