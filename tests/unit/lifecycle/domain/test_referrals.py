"""A referral is one claim, whichever order it counts by in the end."""

from services.lifecycle.domain.fold import fold
from services.lifecycle.domain.policy.policy import Policy
from services.lifecycle.domain.state.happenings import Happening
from services.lifecycle.events import read
from shared.events.envelope import decode
from shared.kafka.topics import REFERRAL_EVENTS
from tests.support.builders import day, encode, event


def outcome(kind: str, at: float, order_id: str, claim_id: str = "c-1") -> Happening:
    made = event("ann", f"referral.{kind}", at, referee="bob", order_id=order_id, claim_id=claim_id)
    content = read(REFERRAL_EVENTS, decode(encode(made)))
    assert isinstance(content, Happening)
    return content


def phases(*told: Happening) -> list[tuple[str, float]]:
    _, moves, *_ = fold(list(told), Policy(), until=day(20)).parts
    return [(move.to, (move.occurred_at - day(0)).days) for move in moves]


def test_an_advocate_remains_one_when_an_earlier_order_replaces_the_one_that_counted() -> None:
    assert phases(outcome("succeeded", 5, "o-1"), outcome("succeeded", 3, "o-0")) == [
        ("advocate", 3)
    ]


def test_a_claim_that_does_not_hold_takes_every_order_that_was_announced_along() -> None:
    told = [outcome("succeeded", 3, "o-0"), outcome("succeeded", 5, "o-1")]
    assert phases(*told, outcome("annulled", 9, "o-1")) == [("advocate", 3), ("prospect", 9)]


def test_another_claim_of_the_same_order_is_another_referral() -> None:
    told = [outcome("annulled", 9, "o-1"), outcome("succeeded", 5, "o-1", claim_id="c-2")]
    assert phases(outcome("succeeded", 5, "o-1"), *told) == [("advocate", 5)]
