"""Referral at its edges: claims before the first tick or their code, revisions in one batch."""

from typing import Any
from uuid import uuid4

import pytest

from services.referral.batch.handler import ReferralHandler
from services.referral.worker import SUBSCRIPTION
from shared.instants import render
from shared.kafka.topics import CUSTOMER_EVENTS, PHASE_TRANSITIONS, REFERRAL_EVENTS
from tests.support.builders import day, event, order
from tests.support.pipeline import publish, published, rows, running, settled
from tests.support.referral_codes import code_of
from tests.support.referral_worker import client_of, settings
from tests.support.server_stack import Stack

pytestmark = pytest.mark.usefixtures("fresh_topics")


def determined(recommender: str, claim: str, revision: int, order: str | None) -> dict[str, Any]:
    """A revision for the recommender's owner; without an order, the reward was not earned."""
    facts: dict[str, Any] = {
        "order_id": order,
        "referee": "bob",
        "recommender": recommender,
        "currency": "EUR",
        "total": 5000,
        "earned_at": render(day(1)),
        "available_at": render(day(15)),
        "recommender_reward": 1000,
        "referee_reward": 500,
        "refunds": [],
    }
    data = {
        "claim_id": claim,
        "revision": revision,
        "facts": facts if order else None,
        "earner": recommender,
        "since": render(day(1)),
    }
    made = event(recommender, "reward.determined", 1, id=f"{claim}-{revision}")
    return made | {"source": "/referral", "data": data}


async def test_a_claim_before_the_first_tick_is_answered(stack: Stack, database: str) -> None:
    async with client_of(settings(stack, database)) as client:
        assert (await client.post("/v1/codes", json={"customer": "ann"})).status_code == 201
        answer = await client.post("/v1/claims", json={"code": code_of("ann"), "referee": "bob"})
    assert (answer.status_code, answer.json().get("state")) == (201, "accepted")


async def test_a_reward_taken_back_before_it_was_seen_is_the_recommenders_when_it_is_earned_again(
    stack: Stack, database: str
) -> None:
    claim = str(uuid4())
    config = settings(stack, database)
    for together in ([(1, "o-1"), (2, None)], [(3, "o-0")]):
        records = [determined("ann", claim, revision, order) for revision, order in together]
        await publish(stack.bootstrap, records, topic=REFERRAL_EVENTS)
        async with running(SUBSCRIPTION, config, lambda reader: ReferralHandler(reader, config)):
            await settled(stack, database, "referral")
    stored = await rows(database, "SELECT side, state FROM referral.reward WHERE customer = 'ann'")
    assert [tuple(row) for row in stored] == [("recommender", "pending")]
    query = """
        SELECT sum(amount)::bigint AS n FROM referral.entry
        WHERE customer = 'ann' AND account = 'customer:pending'
    """
    assert (await rows(database, query))[0]["n"] == 1000


async def test_who_named_a_code_twice_before_it_was_issued_is_told_once(
    stack: Stack, database: str
) -> None:
    config = settings(stack, database)
    code = code_of("cora")
    named = [
        event("cid", "customer.signed_up", 1, referral_code=code),
        order("cid", 2, referral_code=code),
    ]
    became = event(
        "cora", "phase.changed", 3, to="advocate", occurred_at=render(day(3)), historical=False
    )
    await publish(stack.bootstrap, named, topic=CUSTOMER_EVENTS)
    async with running(SUBSCRIPTION, config, lambda reader: ReferralHandler(reader, config)):
        await settled(stack, database, "referral")
        await publish(stack.bootstrap, [became], topic=PHASE_TRANSITIONS)
        await settled(stack, database, "referral")
    told = [e for e in await published(stack.bootstrap, REFERRAL_EVENTS) if e.type == "code.found"]
    assert [e.subject for e in told] == ["cid"]
