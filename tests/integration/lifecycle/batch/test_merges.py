"""Two ids of one person: the old id's events go on to the one that stays, whatever comes when."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from services.lifecycle.batch import repository
from services.lifecycle.batch.entry import CustomerEntry
from services.lifecycle.batch.handler import LifecycleHandler
from services.lifecycle.batch.rows import CustomerRow
from services.lifecycle.batch.schedule_watch import PolicyFile
from services.lifecycle.domain.fold import fold
from services.lifecycle.domain.policy.policy import Policy
from services.lifecycle.domain.state.happenings import Happening
from services.lifecycle.events import read
from services.lifecycle.worker import SUBSCRIPTION
from shared.database import connection as db
from shared.errors import Retryable
from shared.events import envelope, transitions
from shared.events.envelope import Envelope
from shared.events.transitions import Correction
from shared.ids import partition_of
from shared.kafka.topics import CUSTOMER_EVENTS, HINTS, PHASE_TRANSITIONS
from tests.integration.lifecycle.batch.test_parked import client
from tests.support.builders import day, encode, event, order, tick
from tests.support.fresh_servers import PARTITIONS
from tests.support.lifecycle_worker import POLICY, history, on, orders_of, worker
from tests.support.merge_network import merged_into
from tests.support.pipeline import publish, published, rows, running, settled, worker_settings
from tests.support.server_stack import Stack

pytestmark = pytest.mark.usefixtures("fresh_topics")


def merged(customer: str, into: str, at: float, **more: Any) -> dict[str, Any]:
    return event(customer, "customer.merged", at, into=into, **more)


def unmerged(customer: str, at: float, **more: Any) -> dict[str, Any]:
    return event(customer, "customer.unmerged", at, **more)


def elsewhere(customer: str, name: str) -> str:
    """A customer of another partition."""
    return on((partition_of(customer, PARTITIONS) + 1) % PARTITIONS, name)


def expected(events: list[dict[str, Any]], until: float) -> list[str]:
    """The rules of the plain fold of the events."""
    contents = [read(CUSTOMER_EVENTS, envelope.decode(encode(e))) for e in events]
    return [
        m.rule
        for m in fold(
            [c for c in contents if isinstance(c, Happening)], POLICY, until=day(until)
        ).moves
    ]


async def current(database: str, customer: str) -> list[str]:
    return [rule for rule, _, void, _ in await history(database, customer) if not void]


async def reasons(database: str) -> list[str]:
    return [
        row["reason"]
        for row in await rows(database, "SELECT reason FROM lifecycle.dead_letter ORDER BY 1")
    ]


async def versions_have_no_gap(stack: Stack) -> None:
    """Every record published for a customer has the next version."""
    versions: dict[str, list[int]] = {}
    for record in await published(stack.bootstrap, PHASE_TRANSITIONS):
        published_record = transitions.decode(record)
        assert published_record is not None
        versions.setdefault(record.subject, []).append(published_record.version)
    for customer, found in versions.items():
        assert found == list(range(1, len(found) + 1)), customer


async def publish_records(stack: Stack, records: Sequence[Envelope]) -> None:
    """Put records of the topic on it again."""
    await publish(stack.bootstrap, [json.loads(envelope.encode(record)) for record in records])


async def send(stack: Stack, database: str, *events: dict[str, Any]) -> None:
    await publish(stack.bootstrap, events)
    await settled(stack, database, "lifecycle")


async def test_the_one_who_stays_has_lived_both_lives(stack: Stack, blank: str) -> None:
    old, kept = "merge-ada", elsewhere("merge-ada", "merge-berta")
    lives = [order(old, 0), order(old, 60), order(kept, 30), order(kept, 200)]
    async with worker(stack, blank), client(stack, blank) as api:
        await send(stack, blank, *lives, tick(201))
        await send(stack, blank, merged(old, kept, 201), tick(202))
        assert await current(blank, kept) == expected(lives, 202)
        assert await current(blank, old) == []
        assert await orders_of(blank, kept) == 4

        found = [e for e in await published(stack.bootstrap, PHASE_TRANSITIONS) if e.subject == old]
        last = transitions.decode(found[-1])
        assert isinstance(last, Correction)
        assert (last.added, last.current) == ((), None)

        answer = await api.get(f"/v1/customers/{old}/history?limit=5")
        assert answer.status_code == 301
        assert answer.headers["Location"] == f"/v1/customers/{kept}/history?limit=5"
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.json()["code"] == "merged"
        write = await api.post(f"/v1/customers/{old}/release")
        assert (write.status_code, write.json()["code"]) == (308, "merged")
        assert write.headers["Location"] == f"/v1/customers/{kept}/release"
        assert write.headers["Cache-Control"] == "no-store"
        assert (await api.get(f"/v1/customers/{old}", follow_redirects=True)).json()[
            "customer"
        ] == kept


async def test_what_comes_for_the_old_id_later_goes_on_and_nothing_counts_twice(
    stack: Stack, blank: str
) -> None:
    old, kept = "later-ada", elsewhere("later-ada", "later-berta")
    first, merge, late = order(old, 0), merged(old, kept, 5), order(old, 3)
    async with worker(stack, blank):
        await send(stack, blank, first, merge)
        again = merged(old, kept, 5, id="again")
        await send(stack, blank, late, first, merge, again, late, order(old, 10), tick(11))
        assert await orders_of(blank, kept) == 3
        assert await current(blank, kept) == expected([first, late, order(old, 10)], 11)
        assert await reasons(blank) == []


async def test_events_before_and_behind_the_merge_in_one_batch_all_arrive(
    stack: Stack, blank: str
) -> None:
    old, kept = "batch-ada", elsewhere("batch-ada", "batch-berta")
    await publish(
        stack.bootstrap, [order(old, 0), merged(old, kept, 5), order(old, 6), order(kept, 1)]
    )
    async with worker(stack, blank):
        await settled(stack, blank, "lifecycle")
        assert await orders_of(blank, kept) == 3
        assert await current(blank, old) == []


async def test_a_chain_is_followed_to_its_end_whatever_was_merged_first(
    stack: Stack, blank: str
) -> None:
    async with worker(stack, blank), client(stack, blank) as api:
        await send(stack, blank, order("c1", 0), order("c2", 1), order("c3", 2))
        await send(stack, blank, merged("c1", "c2", 3))
        await send(stack, blank, merged("c2", "c3", 4))
        await send(stack, blank, order("c1", 5))
        assert await orders_of(blank, "c3") == 4

        await send(stack, blank, order("d1", 0), order("d2", 1), order("d3", 2))
        await send(stack, blank, merged("d2", "d3", 3))
        await send(stack, blank, merged("d1", "d2", 4))
        assert await orders_of(blank, "d3") == 3
        for old, end in (("c1", "c3"), ("c2", "c3"), ("d1", "d3")):
            assert (await api.get(f"/v1/customers/{old}")).headers[
                "Location"
            ] == f"/v1/customers/{end}"


@pytest.mark.parametrize("backwards", [False, True])
async def test_the_ids_of_a_circle_are_one_customer_whichever_merge_comes_first(
    stack: Stack, blank: str, backwards: bool
) -> None:
    one, two = "circle-1", elsewhere("circle-1", "circle-2")
    said = [merged(one, two, 3), merged(two, one, 4, id="closing")]
    async with worker(stack, blank), client(stack, blank) as api:
        await send(stack, blank, order(one, 0), order(two, 1))
        for merge in said[::-1] if backwards else said:
            await send(stack, blank, merge)
        await send(stack, blank, order(one, 5), order(two, 6))
        assert await current(blank, one) == []
        assert await orders_of(blank, two) == 4
        assert (await api.get(f"/v1/customers/{one}")).status_code == 301
        page = (await api.get(f"/v1/customers/{two}/timeline")).json()["items"]
        told = [(item["effect"], item["reason"]) for item in page if item.get("id") == "closing"]
        assert told == [("without_effect", "merge_cycle")]

        await send(stack, blank, unmerged(one, 7))
        assert await current(blank, two) == []
        assert await orders_of(blank, one) == 4, "that the other id is this one still holds"
        await send(stack, blank, unmerged(two, 8))
        assert [await orders_of(blank, id) for id in (one, two)] == [2, 2]
        await send(stack, blank, merged(two, two, 9))
        assert await reasons(blank) == ["merge_cycle"]
    await versions_have_no_gap(stack)


async def test_a_circle_that_two_workers_close_at_once_is_judged_again(blank: str) -> None:
    connection = await db.connect(blank, "lifecycle")

    async def merge(customer: str, into: str | None) -> None:
        await repository.save_customers(
            connection, [CustomerRow.of(CustomerEntry(customer, 0, merges=merged_into(into)))]
        )

    try:
        for customer, into in (("x", "y"), ("y", "z"), ("z", None)):
            await merge(customer, into)
        await repository.confirm_circles(connection, {"x": (), "y": ()})
        await merge("z", "x")
        circle = await repository.load_circle(connection, "z", {})
        assert [found.into for found in circle] == ["x", "y", "z"]
        await repository.confirm_circles(connection, {"z": circle})
        with pytest.raises(Retryable, match="circle"):
            await repository.confirm_circles(connection, {"z": ()})
    finally:
        await connection.close()


async def test_two_people_may_have_events_with_the_same_ids(stack: Stack, blank: str) -> None:
    one = order("e1", 0, id="1", order_id="a", amount=100)
    two = order("e2", 1, id="1", order_id="b", amount=900)
    later = order("e1", 3, id="2", order_id="c"), order("e2", 4, id="2", order_id="d")
    async with worker(stack, blank):
        await send(stack, blank, one, two, merged("e1", "e2", 2))
        await send(stack, blank, *later, one)
        assert await reasons(blank) == []
        assert await orders_of(blank, "e2") == 4


async def test_an_unmerge_leaves_both_as_if_they_had_never_been_merged(
    stack: Stack, blank: str
) -> None:
    old, kept = "part-ada", elsewhere("part-ada", "part-berta")
    lives = {
        old: [order(old, 0), order(old, 60)],
        kept: [order(kept, 30), order(kept, 200), order(kept, 201)],
    }
    async with worker(stack, blank), client(stack, blank) as api:
        await send(stack, blank, *lives[old], *lives[kept], tick(201))
        await send(stack, blank, merged(old, kept, 201), order(old, 202), tick(203))
        assert await orders_of(blank, kept) == 6
        assert (await api.get(f"/v1/customers/{old}")).status_code == 301
        await send(stack, blank, unmerged(old, 204), tick(205))
        lives[old].append(order(old, 202))
        for customer, events in lives.items():
            assert await current(blank, customer) == expected(events, 205), customer
            assert await orders_of(blank, customer) == len(events)
            assert (await api.get(f"/v1/customers/{customer}")).status_code == 200
        await versions_have_no_gap(stack)
        await send(stack, blank, order(old, 206), order(kept, 207), tick(208))
        assert [await orders_of(blank, customer) for customer in lives] == [4, 4]
        assert await reasons(blank) == []


async def test_what_comes_over_late_from_a_merge_that_has_ended_is_dropped(
    stack: Stack, blank: str
) -> None:
    old, kept = "stale-ada", elsewhere("stale-ada", "stale-berta")
    async with worker(stack, blank):
        await send(stack, blank, order(old, 0), order(kept, 1), merged(old, kept, 2))
        over = [e for e in await published(stack.bootstrap, CUSTOMER_EVENTS) if e.mergedfrom == old]
        await send(stack, blank, unmerged(old, 3))
        assert await orders_of(blank, kept) == 1
        await publish_records(stack, over)
        await settled(stack, blank, "lifecycle")
        assert await orders_of(blank, kept) == 1
        await send(stack, blank, merged(old, kept, 4))
        assert await orders_of(blank, kept) == 2


async def test_an_unmerge_in_the_middle_of_a_chain_parts_it_there(stack: Stack, blank: str) -> None:
    async with worker(stack, blank):
        orders = [order(customer, day) for day, customer in enumerate(("f1", "f2", "f3"))]
        await send(stack, blank, *orders, merged("f1", "f2", 3), merged("f2", "f3", 3))
        assert await orders_of(blank, "f3") == 3
        await send(stack, blank, unmerged("f1", 4))
        assert [await orders_of(blank, customer) for customer in ("f1", "f3")] == [1, 2]
        await send(stack, blank, merged("f1", "f2", 5))
        assert await orders_of(blank, "f3") == 3
        await send(stack, blank, unmerged("f2", 6))
        assert [await orders_of(blank, customer) for customer in ("f2", "f3")] == [2, 1]
        await send(stack, blank, merged("f1", "f3", 7), order("f1", 8))
        assert [await orders_of(blank, customer) for customer in ("f2", "f3")] == [1, 3]
        await versions_have_no_gap(stack)


@pytest.mark.parametrize(
    ("told", "ends"),
    [
        ([("unmerged", 5), ("merged", 2)], "apart"),
        ([("merged", 5), ("unmerged", 2)], "together"),
        ([("merged", 2), ("merged", 5), ("unmerged", 4)], "together"),
        ([("merged", 2), ("unmerged", 2)], "apart"),
        ([("unmerged", 2), ("merged", 2)], "apart"),
    ],
)
async def test_the_latest_decides_whatever_comes_first(
    stack: Stack, blank: str, told: list[tuple[str, float]], ends: str
) -> None:
    merges = [
        merged("g1", "g2", at) if kind == "merged" else unmerged("g1", at) for kind, at in told
    ]
    async with worker(stack, blank):
        await send(stack, blank, order("g1", 0), order("g2", 1))
        for merge in merges:
            await send(stack, blank, merge, merge)
        assert await orders_of(blank, "g2") == (2 if ends == "together" else 1)
        assert await reasons(blank) == []


async def test_an_unmerge_that_has_nothing_to_undo_is_told(stack: Stack, blank: str) -> None:
    vain = unmerged("vain-1", 5, id="vain")
    async with worker(stack, blank), client(stack, blank) as api:
        await send(stack, blank, order("vain-1", 0), vain, order("vain-1", 6), tick(7))
        page = (await api.get("/v1/customers/vain-1/timeline")).json()["items"]
        told = [(item["effect"], item["reason"]) for item in page if item.get("id") == "vain"]
        assert told == [("without_effect", "not_merged")]
        await send(stack, blank, merged("vain-1", "vain-2", 4))
        assert await rows(blank, "SELECT reason FROM lifecycle.remark") == []
        assert await orders_of(blank, "vain-1") == 2


async def test_a_notice_is_taken_back_however_late_its_customer_changes_or_is_merged(
    stack: Stack, blank: str
) -> None:
    policy, settings = (
        Policy(notice_days=20, survey_days=0, onboarding_days=0),
        worker_settings(stack, blank),
    )
    async with running(
        SUBSCRIPTION,
        settings,
        lambda reader: LifecycleHandler(reader, settings, PolicyFile(policy)),
    ):
        await send(stack, blank, order("buys", 0), order("goes", 0), tick(70), tick(89))
        await send(stack, blank, order("buys", 60), merged("goes", "stays", 89))
        await send(stack, blank, tick(89.5))
    found = [
        (e.subject, e.type)
        for e in await published(stack.bootstrap, HINTS)
        if e.type.startswith("phase.")
    ]
    for customer in ("buys", "goes"):
        told = [kind for subject, kind in found if subject == customer]
        assert told == ["phase.change_due", "phase.change_withdrawn"], customer
