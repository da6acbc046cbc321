"""Ids merge and part at random: each has the plain fold of the events that belong to it."""

import random
from collections.abc import Sequence
from typing import Any, Final

import pytest

from services.lifecycle.domain.fold import fold
from services.lifecycle.domain.state.happenings import Happening
from services.lifecycle.events import MERGE_TYPES, read
from shared.events.envelope import decode
from shared.identities import Identities, Merge, holding_merge, read_merge
from shared.kafka.topics import CUSTOMER_EVENTS
from tests.integration.lifecycle.batch.test_merges import (
    merged,
    publish_records,
    unmerged,
    versions_have_no_gap,
)
from tests.support.builders import day, encode, event, order, tick
from tests.support.lifecycle_worker import POLICY, history, worker
from tests.support.merge_network import way_of
from tests.support.pipeline import daily_counts_hold, publish, published, rows, settled
from tests.support.server_stack import Stack

pytestmark = pytest.mark.usefixtures("fresh_topics")

Raw = dict[str, Any]
IDS: Final = [f"many-{n}" for n in range(6)]
END: Final = 500
_STORED: Final = """
SELECT c.customer, convert_from(e.body, 'UTF8') AS body
FROM lifecycle.event AS e JOIN lifecycle.customer AS c ON c.key = e.customer_key
"""


def random_traffic(luck: random.Random) -> list[Raw]:
    """Events and merges of a few ids; their source and id are often the same for several."""
    traffic: list[Raw] = []
    orders = dict.fromkeys(IDS, 0)
    for n in range(60):
        customer, at = luck.choice(IDS), round(luck.uniform(0, 400), 3)
        last = orders[customer]
        choice = luck.random()
        if choice < 0.4:
            traffic.append(order(customer, at, id=str(last + 1)))
            orders[customer] += 1
        elif choice < 0.5:
            traffic.append(event(customer, "order.cancelled", at, order_id=str(last)))
        elif choice < 0.65:
            traffic.append(event(customer, "page.viewed", at, topic="x"))
        elif choice < 0.85:
            others = [other for other in IDS if other != customer]
            traffic.append(merged(customer, luck.choice(others), at, id=f"m{n}"))
        else:
            traffic.append(unmerged(customer, at, id=f"u{n}"))
    return traffic


async def late_repeats(stack: Stack, luck: random.Random) -> None:
    """Put on the topic again what has been forwarded, and what was said of merges that ended."""
    records = await published(stack.bootstrap, CUSTOMER_EVENTS)
    internal = [one for one in records if one.mergedfrom or one.source == "/lifecycle"]
    luck.shuffle(internal)
    await publish_records(stack, internal[: len(internal) // 2])


def merges_in(traffic: Sequence[Raw]) -> list[Merge]:
    """What is said of merges."""
    return [read_merge(decode(encode(one))) for one in traffic if one["type"] in MERGE_TYPES]


def plain_history(traffic: Sequence[Raw], customer: str, members: Sequence[str]) -> list[Any]:
    """Rule and instant of each move of the fold of the members' events."""
    happenings = []
    for one in traffic:
        own = one["subject"] == customer
        if own or (one["subject"] in members and one["type"] not in MERGE_TYPES):
            origin = {} if own else {"mergedfrom": one["subject"]}
            content = read(CUSTOMER_EVENTS, decode(encode({**one, "subject": customer, **origin})))
            assert isinstance(content, Happening)
            happenings.append(content)
    moves = fold(happenings, POLICY, until=day(END)).moves
    return [(move.rule, move.occurred_at) for move in moves]


@pytest.mark.parametrize("seed", range(4))
async def test_each_id_has_lived_the_events_that_belong_to_it(
    stack: Stack, blank: str, seed: int
) -> None:
    luck = random.Random(seed)
    traffic = random_traffic(luck)
    sent = traffic + luck.sample(traffic, 20)
    luck.shuffle(sent)
    half = len(sent) // 2
    async with worker(stack, blank):
        for start in range(0, half, 8):
            await publish(stack.bootstrap, sent[start : min(start + 8, half)])
            await settled(stack, blank, "lifecycle")
    await publish(stack.bootstrap, [tick(200), *sent[half:]])
    async with worker(stack, blank):
        await settled(stack, blank, "lifecycle")
        await late_repeats(stack, luck)
        await publish(stack.bootstrap, [tick(END)])
        await settled(stack, blank, "lifecycle")
    stored = await rows(blank, _STORED)
    records = [(row["customer"], decode(row["body"].encode())) for row in stored]
    merges = merges_in(traffic)
    identities = Identities(merges)
    holding = {id: holding_merge(m for m in merges if m.customer == id) for id in IDS}
    into = {id: merge.into if merge else None for id, merge in holding.items()}
    for customer in IDS:
        members = [other for other in IDS if customer in way_of(other, into)]
        found = [one for one in await history(blank, customer) if not one[2]]
        whole = [] if identities.is_merged(customer) else plain_history(traffic, customer, members)
        assert [(rule, at) for rule, at, _, _ in found] == whole, customer
        kept = [one for owner, one in records if owner == customer and one.type not in MERGE_TYPES]
        due = [e for e in traffic if e["subject"] in members and e["type"] not in MERGE_TYPES]
        assert len(kept) == len(due), customer
    await versions_have_no_gap(stack)
    await daily_counts_hold(blank)
