"""A referral whose first order turns out to be another is annulled and announced anew: it holds."""

from services.lifecycle.domain.fold import fold
from services.lifecycle.domain.policy.policy import Policy
from services.lifecycle.domain.state.happenings import Happening
from services.lifecycle.events import read
from shared.events.envelope import decode
from shared.kafka.topics import REFERRAL_EVENTS
from tests.support.builders import day, encode, event


def outcome(kind: str, at: float, order_id: str) -> Happening:
    made = event("ann", f"referral.{kind}", at, referee="bob", order_id=order_id, claim_id="c-1")
    content = read(REFERRAL_EVENTS, decode(encode(made)))
    assert isinstance(content, Happening)
    return content


def test_an_advocate_remains_one_when_an_earlier_order_replaces_the_one_that_counted() -> None:
    told = [
        outcome("succeeded", 5, "o-1"),
        outcome("annulled", 9, "o-1"),
        outcome("succeeded", 3, "o-0"),
    ]
    customer, moves, *_ = fold(told, Policy(), until=day(10)).parts
    assert [(move.to, move.occurred_at) for move in moves] == [("advocate", day(3))]
    assert customer.phase == "advocate"
