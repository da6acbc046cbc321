"""Merges and unmerges on real Kafka and PostgreSQL: cases and codes follow the customer."""

import httpx
import pytest

from shared.ids import partition_of
from tests.support.builders import day, event, order, tick
from tests.support.fresh_servers import PARTITIONS
from tests.support.lifecycle_worker import on
from tests.support.pipeline import rows
from tests.support.reactivation_worker import (
    Json,
    api,
    changed,
    corrected,
    facts,
    run,
    send,
    transition,
)
from tests.support.server_stack import Stack

pytestmark = pytest.mark.usefixtures("fresh_topics")


def names(prefix: str) -> tuple[str, str]:
    """Two ids on different partitions."""
    old = f"{prefix}-old"
    return old, on((partition_of(old, PARTITIONS) + 1) % PARTITIONS, f"{prefix}-new")


def merged(old: str, into: str, at: float) -> Json:
    return event(old, "customer.merged", at, id=f"{old}-{at}", into=into)


def unmerged(old: str, at: float) -> Json:
    return event(old, "customer.unmerged", at, id=f"{old}-{at}")


async def cases(database: str, *origins: str) -> dict[str, tuple[str, str]]:
    """Customer and state of the only case of each id."""
    found = await rows(
        database,
        "SELECT origin, customer, state FROM reactivation.winback_case WHERE origin = ANY($1)",
        list(origins),
    )
    assert len(found) == len({row["origin"] for row in found})
    return {row["origin"]: (row["customer"], row["state"]) for row in found}


async def codes(database: str, *origins: str) -> list[str]:
    found = await rows(
        database,
        "SELECT code, origin FROM reactivation.offer "
        "JOIN reactivation.winback_case ON id = case_id WHERE origin = ANY($1)",
        list(origins),
    )
    by_origin = {row["origin"]: row["code"] for row in found}
    return [by_origin[origin] for origin in origins]


async def at_the_till(
    client: httpx.AsyncClient, code: str, act: str, customer: str, order_id: str
) -> Json:
    body = {"customer": customer, "order_id": order_id}
    answer = await client.post(f"/v1/offers/{code}/{act}", json=body)
    return {**answer.json(), "status": answer.status_code}


@pytest.mark.parametrize("correction_first", [False, True])
async def test_two_ids_with_codes_become_one_with_the_older_case_and_both_codes(
    stack: Stack, database: str, correction_first: bool
) -> None:
    old, new = names(f"two-{correction_first}")
    await send(stack, transitions=[changed(old, 1, 183), changed(new, 1, 180)])
    await run(stack, database)
    old_code, new_code = await codes(database, old, new)
    corrections = [
        corrected(old, 2, 185, withdrawn=[1]),
        corrected(new, 2, 185, withdrawn=[1], added=[transition(new, 2, 183)]),
    ]
    merge = merged(old, new, 184)
    async with api(stack, database) as client:
        assert (await at_the_till(client, old_code, "reserve", old, "o1"))["status"] == 200
        if correction_first:
            await send(stack, transitions=corrections)
            await run(stack, database)
            await send(stack, events=[merge])
        else:
            await send(stack, events=[merge])
            await run(stack, database)
            await send(stack, transitions=corrections)
        await run(stack, database)
        assert await cases(database, old, new) == {
            old: (new, "cancelled"),
            new: (new, "offered"),
        }, "the older one runs, and there is no third"
        used = await at_the_till(client, old_code, "confirm", old, "o1")
        assert (used["status"], used["state"], used["customer"]) == (200, "redeemed", new)
        assert await cases(database, old, new) == {
            old: (new, "cancelled"),
            new: (new, "won_back"),
        }
        again = await at_the_till(client, old_code, "reserve", new, "o2")
        assert (again["status"], again["code"]) == (409, "already_redeemed")
        assert (await at_the_till(client, new_code, "reserve", new, "o3"))["status"] == 200
        assert (await at_the_till(client, new_code, "reserve", "nobody", "o3"))["status"] == 403


async def test_the_till_follows_a_merge_before_the_survivors_worker_does(
    stack: Stack, database: str
) -> None:
    old, new = names("till")
    await send(stack, transitions=[changed(old, 1, 180)])
    await run(stack, database)
    (code,) = await codes(database, old)
    await rows(
        database,
        "INSERT INTO reactivation.merge (customer, event_key, time, source, event_id, into_id) "
        "VALUES ($1, 1, $2, '/shop', 'm', $3)",
        old,
        day(181),
        new,
    )
    async with api(stack, database) as client:
        assert (await at_the_till(client, code, "reserve", new, "o1"))["status"] == 200
        used = await at_the_till(client, code, "confirm", new, "o1")
    assert (used["state"], used["case_state"], used["customer"]) == ("redeemed", "won_back", new)
    assert await cases(database, old) == {old: (new, "won_back")}


async def test_orders_of_the_old_id_count_and_their_forwarded_copies_add_nothing(
    stack: Stack, database: str
) -> None:
    old, new = names("orders")
    await send(stack, transitions=[changed(new, 1, 180)])
    await send(stack, events=[merged(old, new, 181)])
    await run(stack, database)
    (code,) = await codes(database, new)
    bought = order(old, 185, id="back", coupon=code)
    await send(stack, events=[bought])
    await run(stack, database)
    assert await cases(database, new) == {new: (new, "won_back")}
    copy = {**bought, "subject": new, "mergedfrom": old}
    await send(stack, events=[copy, copy, event(old, "order.cancelled", 186, order_id="back")])
    await run(stack, database)
    assert await cases(database, new) == {new: (new, "reopened")}
    told = [
        each.type for each in await facts(stack, new) if each.type.startswith(("case", "offer"))
    ]
    assert told == ["case.opened", "offer.made", "case.closed", "case.reopened"]


async def test_a_code_used_before_the_merge_gives_no_second_discount(
    stack: Stack, database: str
) -> None:
    old, new = names("used")
    await send(stack, transitions=[changed(old, 1, 180)])
    await run(stack, database)
    (code,) = await codes(database, old)
    await send(stack, events=[order(old, 182, id="first", coupon=code), merged(old, new, 183)])
    await run(stack, database)
    assert await cases(database, old) == {old: (new, "won_back")}
    async with api(stack, database) as client:
        refused = await at_the_till(client, code, "reserve", new, "second")
    assert (refused["status"], refused["code"]) == (409, "already_redeemed")


async def test_an_unmerge_gives_each_id_its_own_case_again(stack: Stack, database: str) -> None:
    old, new = names("parted")
    await send(stack, transitions=[changed(old, 1, 183), changed(new, 1, 180)])
    await run(stack, database)
    await send(stack, events=[merged(old, new, 184)])
    await send(stack, transitions=[corrected(old, 2, 185, withdrawn=[1])])
    await run(stack, database)
    assert await cases(database, old, new) == {old: (new, "cancelled"), new: (new, "offered")}
    await send(stack, events=[unmerged(old, 186), merged(old, new, 184)])
    await run(stack, database)
    both = {old: (old, "offered"), new: (new, "offered")}
    assert await cases(database, old, new) == both
    again = transition(old, 3, 183, historical=True)
    again["from"] = None
    await send(stack, transitions=[corrected(old, 3, 186, withdrawn=[], added=[again])])
    await run(stack, database)
    assert await cases(database, old, new) == both
    bought = order(new, 187, id="back")
    await send(stack, events=[bought])
    await run(stack, database)
    assert await cases(database, old, new) == {old: (old, "offered"), new: (new, "won_back")}
    running = await rows(
        database,
        "SELECT customer FROM reactivation.timer WHERE customer = ANY($1)",
        [old, new],
    )
    assert [row["customer"] for row in running] == [old]


TRIES = {
    "w confirms": [("confirm", "w", "o1", 200), ("confirm", "w", "o1", 200)],
    "w and x are one": [("confirm", "x", "o1", 200), ("reserve", "w", "o1", 200)],
    "v confirms": [("confirm", "v", "o1", 200), ("confirm", "w", "o1", 200)],
    "w asks again": [("reserve", "w", "o1", 200), ("confirm", "w", "o1", 200)],
    "released": [
        ("release", "w", "o1", 200),
        ("confirm", "w", "o1", 403),
        ("reserve", "w", "o1", 403),
        ("reserve", "v", "o1", 200),
        ("confirm", "w", "o1", 403),
        ("confirm", "v", "o1", 200),
    ],
    "another order": [
        ("reserve", "w", "o2", 403),
        ("confirm", "w", "o2", 403),
        ("release", "w", "o2", 403),
        ("confirm", "v", "o2", 409),
    ],
    "strangers": [
        ("confirm", "y", "o1", 403),
        ("release", "y", "o1", 403),
        ("confirm", "w", "o1", 200),
        ("confirm", "y", "o1", 403),
    ],
    "lapsed": [
        ("clock", "", "", 0),
        ("confirm", "w", "o1", 403),
        ("release", "w", "o1", 403),
        ("reserve", "w", "o1", 403),
        ("reserve", "v", "o1", 200),
    ],
}
"""What `v`, whose code `w` reserved for the order `o1` before they were parted, and others do."""


@pytest.mark.parametrize("tries", TRIES.values(), ids=TRIES)
async def test_a_reservation_stands_for_who_made_it_after_an_unmerge(
    stack: Stack, database: str, tries: list[tuple[str, str, str, int]]
) -> None:
    ids = await parted_with_a_reservation(stack, database, str(list(TRIES.values()).index(tries)))
    (code,) = await codes(database, ids["v"])
    async with api(stack, database) as client:
        for act, who, order_id, status in tries:
            if act == "clock":
                await send(stack, events=[tick(186)], transitions=[tick(186)])
                await run(stack, database)
                continue
            answer = await at_the_till(client, code, act, ids[who], order_id)
            assert answer["status"] == status, (act, who, order_id, answer)
            if status == 403:
                assert answer["code"] == "not_your_code"
    used = any(act == "confirm" and status == 200 for act, _, _, status in tries)
    found = await cases(database, *ids.values())
    assert found == {ids["v"]: (ids["v"], "won_back" if used else "offered")}


async def parted_with_a_reservation(stack: Stack, database: str, prefix: str) -> dict[str, str]:
    """Four ids: `w` reserved the code of `v` while they were one, and was then merged into `x`."""
    v, w = names(f"stands {prefix}")
    ids = {"v": v, "w": w, "x": f"{w} x", "y": f"{w} y"}
    await send(stack, transitions=[changed(v, 1, 180)], events=[merged(v, w, 181)])
    await run(stack, database)
    (code,) = await codes(database, v)
    async with api(stack, database) as client:
        assert (await at_the_till(client, code, "reserve", w, "o1"))["status"] == 200
    await send(stack, events=[unmerged(v, 182), merged(w, ids["x"], 183)])
    await run(stack, database)
    return ids


async def test_an_id_merged_into_another_than_before_takes_its_case_along(
    stack: Stack, database: str
) -> None:
    old, first = names("moved")
    second = on(partition_of(old, PARTITIONS), "moved-second")
    await send(stack, transitions=[changed(old, 1, 180), changed(first, 1, 182)])
    await run(stack, database)
    await send(stack, events=[merged(old, first, 184)])
    await run(stack, database)
    assert await cases(database, old, first) == {
        old: (first, "offered"),
        first: (first, "cancelled"),
    }
    await send(stack, events=[merged(old, second, 186), unmerged(old, 185)])
    await run(stack, database)
    assert await cases(database, old, first) == {
        old: (second, "offered"),
        first: (first, "offered"),
    }


async def test_an_old_id_sends_readers_and_writers_on(stack: Stack, database: str) -> None:
    old, new = names("sent on")
    await send(stack, transitions=[changed(old, 1, 180)])
    await send(stack, events=[merged(old, "between", 181), merged("between", new, 182)])
    await run(stack, database)
    async with api(stack, database) as client:
        moved = await client.get("/v1/cases", params={"customer": old, "limit": 7})
        assert (moved.status_code, moved.json()["code"]) == (301, "merged")
        assert moved.headers["Cache-Control"] == "no-store"
        found = (await client.get(moved.headers["Location"])).json()
        assert [case["customer"] for case in found["items"]] == [new]
        write = await client.post(f"/v1/customers/{old}/release")
        assert (write.status_code, write.headers["Cache-Control"]) == (308, "no-store")
        end = await client.post(write.headers["Location"])
        assert (end.status_code, end.json()["code"]) == (409, "not_parked")
        await send(stack, events=[unmerged(old, 183)])
        await run(stack, database)
        own = (await client.get("/v1/cases", params={"customer": old})).json()
        assert [case["customer"] for case in own["items"]] == [old]


async def test_deadlines_of_a_case_that_came_over_pass_by_the_survivors_clock(
    stack: Stack, database: str
) -> None:
    old, new = names("due")
    await send(stack, transitions=[changed(old, 1, 280)])
    await send(stack, events=[merged(old, new, 281)])
    await run(stack, database)
    await send(stack, events=[tick(320)], transitions=[tick(320)])
    await run(stack, database)
    assert await cases(database, old) == {old: (new, "expired")}
