"""The ledger in PostgreSQL guards itself, whatever the code above it does."""

import uuid
from collections.abc import AsyncIterator

import asyncpg
import pytest

from shared.database import connection as db
from shared.database.migrations import MIGRATOR

POSTING = """
INSERT INTO posting (id, customer, claim_id, side, content, kind, time, recorded_at, cause, entries)
VALUES ($1, 'ann', $2, 'recommender', $1, 'earned', now(), now(), 'o-1', 2)
"""
ENTRY = """
INSERT INTO entry (posting_id, account, customer, amount, currency) VALUES ($1, $2, 'ann', $3, $4)
"""
CLAIM = uuid.UUID(int=7)


@pytest.fixture
async def ledger(database: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """A connection as the service's own role, and a reward to post for."""
    connection = await db.connect(database, "referral")
    await connection.execute("INSERT INTO member (customer) VALUES ('ann') ON CONFLICT DO NOTHING")
    await connection.execute(
        "INSERT INTO reward "
        "(customer, claim_id, side, earner, partition, revision, state, since, as_of) "
        "VALUES ('ann', $1, 'recommender', 'ann', 0, 1, 'pending', now(), now()) "
        "ON CONFLICT DO NOTHING",
        CLAIM,
    )
    yield connection
    await connection.close()


@pytest.fixture
async def owner(
    ledger: "asyncpg.Connection[asyncpg.Record]",  # noqa: ARG001  (the reward)
    database: str,
) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """A connection as the owner of the tables."""
    settings = {"role": MIGRATOR, "search_path": "referral"}
    connection = await asyncpg.connect(database, server_settings=settings)
    yield connection
    await connection.close()


async def post(
    ledger: "asyncpg.Connection[asyncpg.Record]", *entries: tuple[str, int, str]
) -> uuid.UUID:
    posting = uuid.uuid4()
    async with ledger.transaction():
        await ledger.execute(POSTING, posting, CLAIM)
        for account, amount, currency in entries:
            await ledger.execute(ENTRY, posting, account, amount, currency)
    return posting


async def commit(
    ledger: "asyncpg.Connection[asyncpg.Record]", *statements: tuple[object, ...]
) -> None:
    """Run statements, each with its arguments, in one transaction."""
    async with ledger.transaction():
        for statement, *arguments in statements:
            await ledger.execute(str(statement), *arguments)


BALANCED = (("customer:pending", 1000, "EUR"), ("program:expense", -1000, "EUR"))


async def test_a_balanced_posting_is_accepted(ledger: "asyncpg.Connection[asyncpg.Record]") -> None:
    posting = await post(ledger, *BALANCED)
    assert await ledger.fetchval("SELECT count(*) FROM entry WHERE posting_id = $1", posting) == 2


@pytest.mark.parametrize(
    "entries",
    [
        pytest.param(
            (("customer:pending", 1000, "EUR"), ("program:expense", -999, "EUR")),
            id="a cent is missing",
        ),
        pytest.param(
            (("customer:pending", 1000, "EUR"), ("program:expense", -1000, "USD")),
            id="across currencies",
        ),
        pytest.param((("customer:pending", 1000, "EUR"),), id="one entry"),
        pytest.param((), id="no entry"),
    ],
)
async def test_an_unbalanced_posting_is_refused_at_commit(
    ledger: "asyncpg.Connection[asyncpg.Record]", entries: tuple[tuple[str, int, str], ...]
) -> None:
    before = await ledger.fetchval("SELECT count(*) FROM posting")
    with pytest.raises(asyncpg.CheckViolationError, match="does not balance"):
        await post(ledger, *entries)
    assert await ledger.fetchval("SELECT count(*) FROM posting") == before


@pytest.mark.parametrize(
    "later",
    [
        pytest.param((("customer:available", 1, "EUR"),), id="out of balance"),
        pytest.param(
            (("customer:available", 5, "EUR"), ("program:clearing", -5, "EUR")), id="balanced"
        ),
    ],
)
async def test_entries_come_with_their_posting_or_not_at_all(
    ledger: "asyncpg.Connection[asyncpg.Record]", later: tuple[tuple[str, int, str], ...]
) -> None:
    posting = await post(ledger, *BALANCED)
    with pytest.raises(asyncpg.CheckViolationError, match="entries instead of 2"):
        await commit(ledger, *((ENTRY, posting, *entry) for entry in later))


async def test_a_posting_is_one_customers(ledger: "asyncpg.Connection[asyncpg.Record]") -> None:
    posting = uuid.uuid4()
    expense = (ENTRY, posting, "program:expense", -1000, "EUR")
    of_bob = (ENTRY.replace("'ann'", "'bob'"), posting, "customer:pending", 1000, "EUR")
    with pytest.raises(asyncpg.CheckViolationError, match="another customer"):
        await commit(ledger, (POSTING, posting, CLAIM), expense, of_bob)


async def test_a_posting_is_in_one_currency(
    ledger: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    with pytest.raises(asyncpg.CheckViolationError, match="several currencies"):
        await post(ledger, ("customer:pending", 1000, "EUR"), ("program:expense", -1000, "USD"))


async def test_a_table_of_the_session_does_not_hide_the_entries_from_the_guard(
    ledger: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    posting = uuid.uuid4()
    hide = (
        "CREATE TEMP TABLE entry AS "
        "SELECT id AS posting_id, customer, 'EUR' AS currency, 0 AS amount "
        "FROM posting, generate_series(1, 2)"
    )
    with pytest.raises(asyncpg.CheckViolationError, match="0 entries instead of 2"):
        await commit(ledger, (POSTING, posting, CLAIM), (hide,))


async def test_it_is_the_trigger_that_refuses(
    owner: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    """The guard seen missing: without it the same posting goes through."""
    transaction = owner.transaction()
    await transaction.start()
    await owner.execute("DROP TRIGGER entry_balances ON entry")
    await owner.execute("DROP TRIGGER posting_balances ON posting")
    await post(owner, ("customer:pending", 1000, "EUR"))
    await owner.execute("SET CONSTRAINTS ALL IMMEDIATE")
    await transaction.rollback()


CHANGES = pytest.mark.parametrize(
    "statement",
    [
        "UPDATE entry SET amount = amount + 1",
        "UPDATE posting SET cause = 'other'",
        "DELETE FROM entry",
        "DELETE FROM posting",
        "TRUNCATE entry",
        "TRUNCATE posting CASCADE",
    ],
)


@CHANGES
async def test_the_ledger_only_grows(
    owner: "asyncpg.Connection[asyncpg.Record]", statement: str
) -> None:
    await post(owner, *BALANCED)
    with pytest.raises(asyncpg.RestrictViolationError, match="append-only"):
        await owner.execute(statement)


@CHANGES
async def test_the_service_may_not_even_try_to_change_the_ledger(
    ledger: "asyncpg.Connection[asyncpg.Record]", statement: str
) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await ledger.execute(statement)


async def test_a_posting_is_cancelled_once_at_most(
    ledger: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    posting = await post(ledger, *BALANCED)
    cancel = (
        POSTING.replace("entries)", "entries, cancels)")
        .replace("'earned'", "'cancelled'")
        .replace("'o-1', 2", "'o', 2, $3")
    )
    async with ledger.transaction():
        first = uuid.uuid4()
        await ledger.execute(cancel, first, CLAIM, posting)
        await ledger.execute(ENTRY, first, "customer:pending", -1000, "EUR")
        await ledger.execute(ENTRY, first, "program:expense", 1000, "EUR")
    with pytest.raises(asyncpg.UniqueViolationError):
        await ledger.execute(cancel, uuid.uuid4(), CLAIM, posting)
