"""Referral follows merges and unmerges: claims, balances and codes go where they belong."""

import asyncpg
import pytest

from services.referral.batch.handler import ReferralHandler
from services.referral.customers.repository import lock_people
from services.referral.worker import SUBSCRIPTION
from shared.database import connection as db
from tests.support.builders import event, order, tick
from tests.support.fresh_servers import eventually
from tests.support.pipeline import publish, rows, running, settled
from tests.support.referral_codes import code_of
from tests.support.referral_worker import (
    advocate,
    announced,
    balance,
    balances,
    claims,
    merged,
    refund,
    run,
    settings,
    signed_up,
    under_way,
    unmerged,
)
from tests.support.server_stack import Stack

pytestmark = pytest.mark.usefixtures("fresh_topics")


def named(customer: str, at: float, recommender: str, order_id: str) -> dict[str, object]:
    """A first order of 50.00 that names a code."""
    return order(customer, at, id=order_id, amount=5000, referral_code=code_of(recommender))


async def test_the_refund_of_a_guest_who_got_an_account_takes_the_reward_back(
    stack: Stack, database: str
) -> None:
    bought = [advocate("ann", 1), named("guest", 2, "ann", "g-1"), tick(3)]
    await run(stack, database, bought)
    await run(stack, database, [merged("guest", 4, "acct"), tick(5)])
    assert await balance(database, "guest") == (0, 0)
    assert await balance(database, "acct") == (500, 0)
    await run(stack, database, [refund("acct", 6, "g-1", 5000), tick(7)])
    assert await balances(database, "ann", "acct") == [(0, 0), (0, 0)]
    assert await under_way(database) == 0
    states = await rows(database, "SELECT state, moved FROM referral.reward WHERE NOT moved")
    assert [row["state"] for row in states] == ["reversed", "reversed"]


async def test_the_code_of_a_lead_earns_with_the_order_of_the_customer(
    stack: Stack, database: str
) -> None:
    await run(stack, database, [advocate("bea", 10), signed_up("lead", 11, "bea"), tick(12)])
    await run(stack, database, [merged("lead", 13, "cust"), order("cust", 14, amount=5000)])
    assert await claims(database, "lead") == [("qualified", None)]
    assert await balances(database, "bea", "cust") == [(1000, 0), (500, 0)]
    await run(stack, database, [tick(30)])
    assert await balances(database, "bea", "cust") == [(0, 1000), (0, 500)]


async def test_a_balance_goes_along_in_two_postings_that_name_one_customer_each(
    stack: Stack, database: str
) -> None:
    await run(
        stack,
        database,
        [advocate("cid", 40), signed_up("carl", 41, "cid"), order("carl", 42), tick(60)],
    )
    await run(stack, database, [signed_up("cora", 61, "cid"), order("cora", 62), tick(63)])
    assert await balance(database, "cid") == (1000, 1000)
    await run(stack, database, [merged("cid", 64, "cid2"), tick(65)])
    assert await balances(database, "cid", "cid2") == [(0, 0), (1000, 1000)]
    pairs = await rows(
        database,
        """
        SELECT a.customer AS left, b.customer AS right FROM referral.posting AS a
        JOIN referral.posting AS b ON b.id = a.counterpart AND a.id = b.counterpart
        WHERE a.kind = 'transferred' AND a.customer = 'cid'
        """,
    )
    assert [tuple(row) for row in pairs] == [("cid", "cid2")] * 2
    assert await under_way(database) == 0
    await run(stack, database, [tick(90)])
    assert await balance(database, "cid2") == (0, 2000)
    told = [e.type for e in await announced(stack, "cid", "cid2") if e.type.startswith("referral.")]
    assert told == ["referral.succeeded"] * 2, "the merge itself announces no success"


async def test_an_old_code_earns_for_who_has_stayed(stack: Stack, database: str) -> None:
    await run(stack, database, [advocate("dan", 100), merged("dan", 101, "dora"), tick(102)])
    await run(stack, database, [signed_up("dirk", 103, "dan"), order("dirk", 104), tick(105)])
    assert await balances(database, "dan", "dora") == [(0, 0), (1000, 0)]
    told = [e.type for e in await announced(stack, "dora")]
    assert "referral.succeeded" in told


@pytest.mark.parametrize(
    "arriving", ["claim order merge", "merge claim order", "claim merge order"]
)
async def test_two_sides_in_one_person_annul_whichever_came_first(
    stack: Stack, database: str, arriving: str
) -> None:
    one, other = (f"{who} {arriving}".replace(" ", "-") for who in ("eve", "emil"))
    said = {
        "claim": signed_up(other, 111, one),
        "order": order(other, 112),
        "merge": merged(one, 113, other),
    }
    await run(stack, database, [advocate(one, 110), tick(111)])
    for word in arriving.split():
        await run(stack, database, [said[word]])
    await run(stack, database, [tick(140)])
    assert await claims(database, other) == [("refused", "self_referral")]
    assert await balances(database, one, other) == [(0, 0), (0, 0)]
    assert await under_way(database) == 0


async def test_an_unmerge_gives_everybody_what_was_sent_for_them(
    stack: Stack, database: str
) -> None:
    await run(
        stack,
        database,
        [advocate("fay", 150), advocate("gus", 150), signed_up("fred", 151, "fay"), tick(152)],
    )
    await run(stack, database, [order("fred", 153)])
    await run(stack, database, [merged("fay", 154, "gus"), tick(155)])
    await run(stack, database, [signed_up("finn", 156, "fay"), order("finn", 157), tick(158)])
    await run(stack, database, [signed_up("gil", 159, "gus"), order("gil", 160), tick(161)])
    assert await balances(database, "fay", "gus") == [(0, 0), (3000, 0)]
    await run(stack, database, [unmerged("fay", 162), tick(163)])
    assert await balances(database, "fay", "gus") == [(2000, 0), (1000, 0)]
    assert await under_way(database) == 0
    await run(stack, database, [tick(190)])
    assert await balances(database, "fay", "gus") == [(0, 2000), (0, 1000)]
    gus = [e.type for e in await announced(stack, "gus") if e.type.startswith("referral.")]
    fay = [e.type for e in await announced(stack, "fay") if e.type.startswith("referral.")]
    assert gus == ["referral.succeeded", "referral.succeeded", "referral.annulled"]
    assert fay == ["referral.succeeded", "referral.succeeded"]


async def test_an_unmerge_makes_two_people_who_recommended_each_other(
    stack: Stack, database: str
) -> None:
    pair = [advocate("hal", 200), signed_up("hans", 201, "hal"), order("hans", 202)]
    await run(stack, database, [*pair, merged("hans", 203, "hal"), tick(204)])
    assert await claims(database, "hans") == [("refused", "self_referral")]
    await run(stack, database, [unmerged("hans", 205), tick(206)])
    assert await claims(database, "hans") == [("qualified", None)]
    assert await balances(database, "hal", "hans") == [(1000, 0), (500, 0)]


async def test_chains_end_at_the_last_and_cycles_and_late_merges_change_nothing(
    stack: Stack, database: str
) -> None:
    await run(
        stack, database, [advocate("i1", 210), signed_up("ian", 211, "i1"), order("ian", 212)]
    )
    chain = [merged("i1", 213, "i2"), merged("i2", 214, "i3"), merged("i3", 215, "i1")]
    await run(stack, database, [*chain, tick(216)])
    assert await balances(database, "i1", "i2", "i3") == [(0, 0), (0, 0), (1000, 0)]
    await run(stack, database, [unmerged("i2", 220), tick(221)])
    await run(stack, database, [merged("i2", 219, "i3"), merged("i2", 214, "i3"), tick(222)])
    assert await balances(database, "i1", "i2", "i3") == [(0, 0), (1000, 0), (0, 0)]
    assert await under_way(database) == 0


async def test_who_bought_under_another_id_is_no_new_customer(stack: Stack, database: str) -> None:
    await run(stack, database, [advocate("jan", 230), order("old", 231), tick(232)])
    await run(stack, database, [signed_up("new", 233, "jan"), order("new", 234), tick(235)])
    assert await balance(database, "jan") == (1000, 0)
    await run(stack, database, [merged("old", 236, "new"), tick(237)])
    assert await claims(database, "new") == [("refused", "already_customer")]
    assert await balance(database, "jan") == (0, 0)


async def test_records_read_again_transfer_nothing_twice(stack: Stack, database: str) -> None:
    query = "SELECT id FROM referral.posting ORDER BY seq"
    before = await rows(database, query)
    connection = await asyncpg.connect(database)
    await connection.execute("UPDATE referral.checkpoint SET next_offset = 0")
    await connection.close()
    await run(stack, database, [])
    assert await rows(database, query) == before
    assert await under_way(database) == 0


async def test_a_merged_customer_who_is_parked_is_judged_with_who_has_stayed(
    stack: Stack, database: str
) -> None:
    await run(stack, database, [advocate("kai", 240), signed_up("kit", 241, "kai"), tick(242)])
    await rows(database, "UPDATE referral.member SET parked = 'a bug' WHERE customer = 'kit'")
    await run(stack, database, [order("kit", 243), tick(244)])
    assert await balance(database, "kai") == (0, 0)
    await run(stack, database, [merged("kit", 245, "kim"), tick(246)])
    assert await balances(database, "kai", "kim") == [(1000, 0), (500, 0)]


async def test_a_test_merge_changes_nothing(stack: Stack, database: str) -> None:
    told = event("lea", "customer.merged", 250, into="leo", test=True)
    await run(stack, database, [told, tick(251)])
    assert await rows(database, "SELECT 1 FROM referral.merge WHERE customer = 'lea'") == []


async def test_a_merge_waits_for_those_who_rely_on_who_is_who(stack: Stack, database: str) -> None:
    config = settings(stack, database)
    waiting = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    connection = await db.connect(database, "referral")
    async with running(SUBSCRIPTION, config, lambda reader: ReferralHandler(reader, config)):
        async with connection.transaction():
            await lock_people(connection, to_change=False)
            await publish(stack.bootstrap, [merged("max", 260, "moe")])
            await eventually(lambda: rows(database, waiting), what="the merge waits")
            stored = "SELECT 1 FROM referral.merge WHERE customer = 'max'"
            assert await rows(database, stored) == []
        await settled(stack, database, "referral")
        assert await rows(database, stored) != []
    await connection.close()
