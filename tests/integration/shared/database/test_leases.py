"""Leases on a real PostgreSQL: one holder at a time, renewed at work, free when it has died."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final
from uuid import uuid4

import asyncpg
import pytest
from structlog.testing import capture_logs

from shared.database import connection as db
from shared.database import leases
from shared.database.connection import Pool
from shared.database.leases import Lease, hold, is_held
from shared.errors import Retryable
from tests.support.fresh_servers import as_migrator, eventually

NAME: Final = "a thing that one does"
SHORT_S: Final = 0.3
"""A term that passes while a test looks on."""
LONG_S: Final = 60.0

LOSE = as_migrator("ALTER TABLE lease RENAME TO mislaid", "lifecycle")
FIND = as_migrator("ALTER TABLE mislaid RENAME TO lease", "lifecycle")


@pytest.fixture
async def pool(database: str) -> AsyncIterator[Pool]:
    async with await db.create_pool(database, "lifecycle") as pool:
        await pool.execute("DELETE FROM lease")
        yield pool


async def test_of_many_who_take_it_at_once_one_has_it(pool: Pool) -> None:
    claims = [Lease(pool, NAME) for _ in range(20)]
    assert sorted(await asyncio.gather(*(claim.take() for claim in claims))) == [False] * 19 + [
        True
    ]


async def test_leases_of_other_names_are_independent(pool: Pool) -> None:
    async with hold(pool, NAME) as mine, hold(pool, "another thing") as other:
        assert (mine, other) == (True, True)


async def test_one_who_comes_while_another_holds_it_is_refused_and_leaves_it_alone(
    pool: Pool,
) -> None:
    async with hold(pool, NAME) as first:
        async with hold(pool, NAME) as second:
            assert (first, second) == (True, False)
        assert await is_held(pool, NAME), "who was refused has given nothing back"
    assert not await is_held(pool, NAME)
    async with hold(pool, NAME) as again:
        assert again


async def test_the_lease_of_a_dead_holder_is_free_when_its_term_is_over_and_not_before(
    pool: Pool,
) -> None:
    dead, next_one = Lease(pool, NAME, term_s=SHORT_S), Lease(pool, NAME, term_s=LONG_S)
    time = asyncio.get_running_loop().time
    began = time()
    assert await dead.take()
    assert await is_held(pool, NAME)
    await eventually(next_one.take, every_s=0.01)
    assert time() - began >= SHORT_S
    assert time() - began < SHORT_S + 5


async def test_what_holders_who_were_killed_have_left_is_deleted_in_the_end(pool: Pool) -> None:
    """A simulation's lease is never taken again: each has a name of its own."""
    insert = "INSERT INTO lease VALUES ($1, $2, now() - make_interval(hours => $3))"
    await pool.execute(insert, "killed long ago", uuid4(), 25)
    await pool.execute(insert, "killed just now", uuid4(), 1)
    await pool.execute(insert, NAME, uuid4(), 25)
    assert await Lease(pool, NAME).take()
    found = await pool.fetch("SELECT name FROM lease ORDER BY name")
    assert [row["name"] for row in found] == [NAME, "killed just now"]


async def test_a_holder_thought_dead_neither_renews_nor_gives_back_what_another_has(
    pool: Pool,
) -> None:
    late, heir = Lease(pool, NAME, term_s=0.01), Lease(pool, NAME, term_s=LONG_S)
    assert await late.take()
    await eventually(heir.take, every_s=0.01)
    assert not await late.renew()
    await late.give_back()
    assert await is_held(pool, NAME)
    assert not await Lease(pool, NAME).take()
    assert await heir.renew()


async def test_a_holder_whose_term_is_over_goes_on_if_nobody_has_come(pool: Pool) -> None:
    lease = Lease(pool, NAME, term_s=0.01)
    assert await lease.take()

    async def over() -> bool:
        return not await is_held(pool, NAME)

    await eventually(over, every_s=0.01)
    assert await lease.renew()


async def test_a_lease_is_renewed_for_as_long_as_its_holder_works(pool: Pool) -> None:
    time = asyncio.get_running_loop().time
    until = time() + 4 * SHORT_S
    async with hold(pool, NAME, term_s=SHORT_S) as mine:
        assert mine
        while time() < until:
            assert not await Lease(pool, NAME).take()
            await asyncio.sleep(0.02)
    assert await Lease(pool, NAME).take(), "given back at once"


async def hold_while(pool: Pool, term_s: float, statement: str, *values: object) -> None:
    """Hold the lease, run a statement, and work on until something ends that."""
    async with asyncio.timeout(20), hold(pool, NAME, term_s=term_s):
        await pool.execute(statement, *values)
        await asyncio.Event().wait()


async def test_a_holder_that_was_replaced_is_cancelled_as_soon_as_it_renews(pool: Pool) -> None:
    time = asyncio.get_running_loop().time
    began = time()
    replace = "UPDATE lease SET holder = $1, until = now() + interval '1 hour'"
    with pytest.raises(Retryable, match=NAME):
        await hold_while(pool, 6.0, replace, uuid4())
    assert time() - began < 5, "before its term is over"
    assert await is_held(pool, NAME), "the other's"


async def test_a_holder_that_cannot_renew_for_a_term_is_cancelled_before_another_may_take_it(
    pool: Pool,
) -> None:
    try:
        with pytest.raises(Retryable, match=NAME), capture_logs() as logs:
            await hold_while(pool, SHORT_S, LOSE)
    finally:
        await pool.execute(FIND)
    assert {line["event"] for line in logs} == {"lease.not_renewed"}


async def test_a_renewal_that_fails_once_is_tried_again(pool: Pool) -> None:
    async with hold(pool, NAME, term_s=3.0):
        with capture_logs() as logs:
            await pool.execute(LOSE)
            await eventually(lambda: bool(logs), every_s=0.01)
            await pool.execute(FIND)
        await asyncio.sleep(3.5)
        assert await is_held(pool, NAME)


async def test_what_the_block_raises_comes_out_as_it_is_and_the_lease_is_given_back(
    pool: Pool,
) -> None:
    for error in (ZeroDivisionError("a figure"), TimeoutError("its own"), Retryable("later")):
        with pytest.raises(type(error)) as caught:
            async with hold(pool, NAME):
                raise error
        assert caught.value is error
        assert not await is_held(pool, NAME)


async def test_a_cancelled_holder_gives_it_back_and_leaves_no_task(pool: Pool) -> None:
    begun = asyncio.Event()

    async def work() -> None:
        async with hold(pool, NAME):
            begun.set()
            await asyncio.Event().wait()

    before = asyncio.all_tasks()
    working = asyncio.create_task(work())
    await begun.wait()
    working.cancel()
    await asyncio.wait({working})
    assert working.cancelled()
    assert asyncio.all_tasks() == before
    assert not await is_held(pool, NAME)


async def test_one_who_waits_has_it_when_it_is_given_back(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "ASK_EVERY_S", 0.01)
    order = list[str]()

    async def second() -> None:
        async with hold(pool, NAME, wait_s=LONG_S) as mine:
            assert mine
            order.append("second")

    async with asyncio.TaskGroup() as group, asyncio.timeout(10), hold(pool, NAME):
        group.create_task(second())
        await asyncio.sleep(0.1)
        order.append("first")
    assert order == ["first", "second"]


async def test_one_who_waits_long_enough_is_refused(pool: Pool) -> None:
    time = asyncio.get_running_loop().time
    async with hold(pool, NAME):
        began = time()
        async with hold(pool, NAME, wait_s=0.2) as mine:
            assert not mine
    assert 0.2 <= time() - began < 5


async def test_no_statement_needs_the_connection_of_another(database: str) -> None:
    """As behind PgBouncer in transaction mode: here every statement has a session of its own."""
    settings = {"role": db.role("lifecycle"), "search_path": "lifecycle"}
    hopping = await asyncpg.create_pool(
        database, min_size=1, max_size=3, max_queries=1, server_settings=settings
    )
    async with hopping as pool:
        pids = {await pool.fetchval("SELECT pg_backend_pid()") for _ in range(3)}
        assert len(pids) == 3
        await pool.execute("DELETE FROM lease")
        async with hold(pool, NAME, term_s=SHORT_S) as mine:
            assert mine
            await asyncio.sleep(2 * SHORT_S)
            assert not await Lease(pool, NAME).take()
        assert not await is_held(pool, NAME)


async def test_a_database_that_does_not_answer_is_retryable(database: str) -> None:
    pool = await db.create_pool(database, "lifecycle")
    await pool.close()
    with pytest.raises(Retryable):
        async with hold(pool, NAME):
            pytest.fail("nobody could be asked")
    with pytest.raises(Retryable):
        await is_held(pool, NAME)
