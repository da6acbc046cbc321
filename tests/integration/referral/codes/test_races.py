"""Codes that are named and issued at the same moment, on connections of their own."""

import asyncio
from collections.abc import AsyncIterator
from typing import TypeAlias
from uuid import uuid4

import asyncpg
import pytest

from services.referral.announcements import Announcer
from services.referral.claims.repository import add_touches, load_claims
from services.referral.codes.issuer import CodeIssuer
from services.referral.customers.repository import lock_members
from services.referral.domain.claims import new_touch
from services.referral.domain.terms import Terms
from shared.database import connection as db
from shared.identities import Identities
from tests.support.builders import day
from tests.support.fresh_servers import PARTITIONS, eventually
from tests.support.pipeline import rows
from tests.support.referral_codes import CODE_SECRET, code_of

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
ISSUER = CodeIssuer(Announcer(PARTITIONS), CODE_SECRET.encode())
TERMS = Terms(claim_days=90, return_window_days=14, currencies={})
WAITING = """
SELECT 1 FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE NOT granted AND datname = current_database()
"""


@pytest.fixture
async def one(database: str) -> AsyncIterator[Connection]:
    connection = await db.connect(database, "referral")
    yield connection
    await connection.close()


@pytest.fixture
async def other(database: str) -> AsyncIterator[Connection]:
    connection = await db.connect(database, "referral")
    yield connection
    await connection.close()


async def issue(connection: Connection, customer: str) -> int:
    """Issue a code; how many earlier referees are judged again for it."""
    async with db.transaction(connection) as tx:
        await lock_members(tx, [customer])
        _, messages = await ISSUER.issue(tx, {customer: day(1)}, Identities())
    return len(messages) - 1


async def name(connection: Connection, referee: str, code: str) -> bool:
    """Store that a referee named a code; whether its owner was known then."""
    async with db.transaction(connection) as tx:
        await lock_members(tx, [referee])
        await ISSUER.issue(tx, {}, Identities(), {code})
        touch = new_touch(referee, day(2), "/shop", str(uuid4()), code, TERMS)
        await add_touches(tx, [touch], {referee: day(2)})
        [claim] = (await load_claims(tx, [referee]))[referee]
    return claim.touch.recommender is not None


async def done_or_waiting(database: str, task: "asyncio.Task[int] | asyncio.Task[bool]") -> None:
    async def probe() -> bool:
        return task.done() or bool(await rows(database, WAITING))

    await eventually(probe)


async def test_a_code_that_is_being_named_finds_its_referee_when_it_is_issued(
    one: Connection, other: Connection, database: str
) -> None:
    await name(one, "bea", code_of("ann"))
    async with one.transaction():
        assert not await name(one, "bob", code_of("ann"))
        issuing = asyncio.create_task(issue(other, "ann"))
        await done_or_waiting(database, issuing)
    assert await issuing == 2, "a claim would never be judged"


async def test_a_code_that_is_being_issued_is_known_to_who_names_it(
    one: Connection, other: Connection, database: str
) -> None:
    async with one.transaction():
        assert not await issue(one, "cleo")
        naming = asyncio.create_task(name(other, "carl", code_of("cleo")))
        await done_or_waiting(database, naming)
    assert await naming, "the claim would never be judged"


async def test_either_side_always_sees_the_other(one: Connection, other: Connection) -> None:
    for n in range(200):
        seen = await asyncio.gather(
            name(one, f"referee-{n}", code_of(f"owner-{n}")), issue(other, f"owner-{n}")
        )
        assert any(seen), n


async def test_claims_of_different_codes_do_not_wait_for_each_other(
    one: Connection, other: Connection
) -> None:
    async with asyncio.timeout(20), one.transaction():
        await issue(one, "dora")
        await name(one, "dan", code_of("nobody yet"))
        await name(other, "dirk", code_of("nobody either"))
        await issue(other, "diana")
