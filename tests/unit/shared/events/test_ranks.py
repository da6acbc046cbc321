"""Events of one instant are taken cause before effect, by one table."""

from itertools import pairwise
from typing import Final

import pytest

from shared.events.catalogue import MODELS
from shared.events.envelope import CONTROL
from shared.events.ranks import RANKS, rank_of

CAUSE_AND_EFFECT: Final = (
    ("customer.signed_up", "order.completed"),
    ("consent.granted", "consent.withdrawn"),
    ("checkout.started", "order.completed"),
    ("order.completed", "order.updated", "order.refunded", "order.refund_withdrawn"),
    ("order.completed", "order.updated", "order.cancelled"),
    ("order.completed", "delivery.delayed"),
    ("order.completed", "product.activated"),
    ("contract.concluded", "contract.renewed", "contract.cancelled"),
    ("complaint.opened", "complaint.answered", "complaint.resolved"),
    ("inquiry.opened", "inquiry.answered"),
    ("feedback.submitted", "feedback.answered"),
    ("newsletter.subscribed", "newsletter.unsubscribed"),
    ("message.sent", "message.delivered"),
    ("message.sent", "message.opened", "message.complained"),
    ("message.sent", "message.bounced"),
    ("customer.signed_up", "customer.updated", "customer.closed"),
    ("referral.succeeded", "referral.annulled"),
    ("customer.closed", "customer.merged", "customer.unmerged"),
)


def test_every_event_of_a_customer_has_a_rank() -> None:
    assert set(MODELS) - CONTROL - set(RANKS) == set()


def test_control_records_have_none() -> None:
    assert set(RANKS).isdisjoint(CONTROL)


@pytest.mark.parametrize("types", CAUSE_AND_EFFECT, ids=" ".join)
def test_a_cause_comes_before_its_effect(types: tuple[str, ...]) -> None:
    assert all(rank_of(cause) < rank_of(effect) for cause, effect in pairwise(types))
