"""The pool of an API on a real PostgreSQL: nobody waits in it without end."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest
from fastapi import APIRouter

from shared.database import connection as db
from shared.database.connection import TRANSIENT, Pool
from shared.http import create_app
from tests.support.parcel_app import KEY, client_of, settings


@pytest.fixture
async def pool(database: str) -> AsyncIterator[Pool]:
    async with await db.create_pool(database, "lifecycle", size=1) as pool:
        yield pool


async def test_a_request_that_finds_no_connection_is_told_to_come_back(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(db, "ACQUIRE_S", 0.2)
    reads = APIRouter()

    @reads.get("/read")
    async def read() -> int:
        return int(await pool.fetchval("SELECT 1"))

    app = create_app(service="test", settings=settings(), routers=[reads])
    async with client_of(app, **KEY) as client:
        async with pool.acquire():
            async with asyncio.timeout(10):
                answer = await client.get("/read")
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert (await client.get("/read")).status_code == 200


async def test_waiting_for_a_lock_has_an_end(pool: Pool, database: str) -> None:
    holder = await asyncpg.connect(database)
    try:
        await holder.execute("SELECT pg_advisory_lock(4711)")
        async with asyncio.timeout(10):
            with pytest.raises(asyncpg.LockNotAvailableError) as refused:
                await pool.execute("SELECT pg_advisory_lock(4711)")
        assert isinstance(refused.value, TRANSIENT)
    finally:
        await holder.close()


async def test_a_statement_of_a_dead_process_has_an_end(pool: Pool) -> None:
    assert await pool.fetchval("SHOW statement_timeout") == "15min"
