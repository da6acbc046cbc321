"""A customer with a long history, of which a late event changes everything."""

from typing import Any

from shared.events import transitions
from shared.events.envelope import encode
from shared.events.transitions import Correction, Transition
from shared.kafka.topics import PHASE_TRANSITIONS
from tests.support.builders import event, order
from tests.support.lifecycle_worker import worker
from tests.support.pipeline import publish, published, rows, settled
from tests.support.server_stack import Stack

SCORES = 3_000


async def run(stack: Stack, database: str, events: list[dict[str, Any]]) -> None:
    await publish(stack.bootstrap, events)
    async with worker(stack, database):
        await settled(stack, database, "lifecycle", within_s=120)


async def announced(stack: Stack, customer: str) -> list[Transition | Correction]:
    found = [
        e for e in await published(stack.bootstrap, PHASE_TRANSITIONS) if e.subject == customer
    ]
    return [a for a in map(transitions.decode, found) if a is not None]


async def test_a_correction_of_a_long_life_is_published_and_followed_in_parts(
    stack: Stack, blank: str
) -> None:
    """It was one record of 6 MB, and what Kafka refuses stopped the relay for ever."""
    asked = [event("mia", "feedback.submitted", 40 + n / 1000, id=f"{n}") for n in range(SCORES)]
    scores = [
        {**each, "data": {"kind": "nps", "score": 10 - n % 2 * 2}} for n, each in enumerate(asked)
    ]
    orders = [order("mia", at) for at in (10, 20, 30)]
    await run(stack, blank, [*orders, *scores, order("moe", 20)])
    before = await announced(stack, "mia")
    await run(stack, blank, [order("mia", 0), order("moe", 21)])
    records = [
        record
        for record in await published(stack.bootstrap, PHASE_TRANSITIONS)
        if record.subject == "mia"
    ]
    assert max(len(encode(record)) for record in records) <= 256 * 1024
    parts = (await announced(stack, "mia"))[len(before) :]
    assert [each.version for each in parts] == list(
        range(len(before) + 1, len(before) + len(parts) + 1)
    )
    assert all(isinstance(each, Correction) for each in parts)
    assert len(parts) > 5
    assert [each.is_last for each in parts if isinstance(each, Correction)] == [
        *([False] * (len(parts) - 1)),
        True,
    ]
    held = await rows(
        blank,
        "SELECT count(*) AS n FROM lifecycle.transition WHERE customer = 'mia'"
        " AND withdrawn IS NULL",
    )
    assert held[0]["n"] == sum(len(each.added) for each in parts if isinstance(each, Correction))
    assert await rows(blank, "SELECT FROM lifecycle.outbox") == []
    assert await rows(blank, "SELECT FROM lifecycle.quarantine") == []
