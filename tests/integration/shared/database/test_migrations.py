"""Migrations on a real PostgreSQL: they build what is declared, once, and keep services apart."""

import asyncio
import re
from collections.abc import AsyncIterator
from importlib import import_module
from typing import Any, Final

import asyncpg
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.ext.asyncio import create_async_engine

from shared.database import connection as db
from shared.database import migrations
from shared.database.connection import role
from shared.database.migrations import SERVICES
from tests.support.fresh_servers import drop_database, make_database
from tests.support.pipeline import rows
from tests.support.server_stack import Stack

CHECKS: Final = """
SELECT conname AS name, pg_get_constraintdef(oid) AS definition FROM pg_constraint
WHERE connamespace = $1::regnamespace AND contype = 'c' AND conparentid = 0
"""


@pytest.fixture
async def empty(stack: Stack) -> AsyncIterator[str]:
    """A database that nobody has migrated."""
    url = await make_database(stack.database_url)
    yield url
    await drop_database(url)


def metadata_of(service: str) -> sa.MetaData:
    found: sa.MetaData = import_module(f"services.{service}.tables").metadata
    return found


async def in_sqlalchemy(url: str, work: Any) -> Any:
    engine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://", 1))
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(work)
    finally:
        await engine.dispose()


def differences(connection: sa.Connection, service: str, metadata: sa.MetaData) -> list[Any]:
    """What an upgrade would still have to do, except for partitions of declared tables."""

    def ours(name: str | None, kind: str, _: Any) -> bool:
        if kind == "schema":
            return name == service
        return kind != "table" or (name != "alembic_version" and name not in partitions)

    children = "SELECT inhrelid::regclass::text FROM pg_inherits"
    partitions = {
        name.rsplit(".", 1)[-1] for name in connection.execute(sa.text(children)).scalars()
    }
    options = {
        "include_schemas": True,
        "include_name": ours,
        "compare_type": True,
        "compare_server_default": True,
    }
    return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))


@pytest.mark.parametrize("service", SERVICES)
async def test_a_migrated_schema_is_the_declared_one(database: str, service: str) -> None:
    assert (
        await in_sqlalchemy(database, lambda c: differences(c, service, metadata_of(service))) == []
    )


@pytest.mark.parametrize("change", ["column", "comment", "index", "unique", "table"])
async def test_drift_of_every_kind_is_seen(database: str, change: str) -> None:
    metadata = metadata_of("lifecycle")
    drifted = sa.MetaData(schema="lifecycle")
    for table in metadata.sorted_tables:
        table.to_metadata(drifted)
    timer = drifted.tables["lifecycle.timer"]
    if change == "column":
        timer.append_column(sa.Column("extra", sa.Text))
    elif change == "comment":
        timer.c.due_at.comment = "something else"
    elif change == "index":
        sa.Index("timer_extra", timer.c.customer)
    elif change == "unique":
        timer.append_constraint(sa.UniqueConstraint(timer.c.due_at))
    else:
        drifted.remove(timer)
    assert await in_sqlalchemy(database, lambda c: differences(c, "lifecycle", drifted))


@pytest.mark.parametrize("service", SERVICES)
async def test_the_checks_in_the_database_are_the_declared_ones(
    database: str, empty: str, service: str
) -> None:
    """Alembic does not compare CHECKs: build the tables again from the metadata, and compare."""

    def build(connection: sa.Connection) -> None:
        connection.execute(sa.schema.CreateSchema(service))
        metadata_of(service).create_all(connection)
        connection.commit()

    await in_sqlalchemy(empty, build)
    declared = {tuple(row) for row in await rows(empty, CHECKS, service)}
    assert {tuple(row) for row in await rows(database, CHECKS, service)} == declared


async def test_a_second_upgrade_changes_nothing(empty: str) -> None:
    assert await migrations.upgrade_all(empty) == list(SERVICES)
    before = await rows(empty, "SELECT oid, relname FROM pg_class ORDER BY oid")
    await migrations.upgrade_all(empty)
    assert await rows(empty, "SELECT oid, relname FROM pg_class ORDER BY oid") == before


async def test_two_upgrades_at_once_do_not_disturb_each_other(empty: str) -> None:
    await asyncio.gather(*(migrations.upgrade_all(empty) for _ in range(3)))
    versions = [
        await rows(empty, f"SELECT version_num FROM {service}.alembic_version")
        for service in SERVICES
    ]
    assert [len(found) for found in versions] == [1] * len(SERVICES)


@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_reads_its_own_tables_and_no_others(database: str, service: str) -> None:
    connection = await db.connect(database, service)
    try:
        assert await connection.fetchval("SELECT current_user") == role(service)
        await connection.fetch("SELECT * FROM owner")
        for other in set(SERVICES) - {service}:
            for table in metadata_of(other).sorted_tables:
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.fetch(f"SELECT 1 FROM {table.fullname} LIMIT 1")
    finally:
        await connection.close()


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE outbox DISABLE TRIGGER ALL",
        "DROP TABLE outbox",
        "TRUNCATE outbox",
        "CREATE TABLE more (x int)",
        "CREATE TABLE public.more (x int)",
        "DELETE FROM alembic_version",
        "SET session_replication_role = replica",
        "SET ROLE postgres",
        f"SET ROLE {migrations.MIGRATOR}",
        *(f"SET ROLE {role(service)}" for service in SERVICES[1:]),
    ],
)
async def test_a_service_that_logs_in_as_itself_can_turn_nothing_off(
    database: str, statement: str
) -> None:
    [service, *_] = SERVICES
    await rows(database, "GRANT CREATE ON SCHEMA public TO PUBLIC")
    await migrations.upgrade_all(database)
    await rows(database, f"ALTER ROLE {role(service)} LOGIN PASSWORD 'of the test'")
    as_itself = re.sub(r"//[^@]*@", f"//{role(service)}:of%20the%20test@", database)
    connection = await db.connect(as_itself, service)
    try:
        assert await connection.fetchval("SELECT session_user") == role(service)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    finally:
        await connection.close()
        await rows(database, f"ALTER ROLE {role(service)} NOLOGIN PASSWORD NULL")


async def test_the_migrator_owns_everything(database: str) -> None:
    found = await rows(
        database,
        "SELECT DISTINCT relnamespace::regnamespace::text AS schema,"
        " relowner::regrole::text AS owner FROM pg_class"
        " WHERE relnamespace::regnamespace::text = ANY($1)",
        list(SERVICES),
    )
    assert {(row["schema"], row["owner"]) for row in found} == {
        (service, migrations.MIGRATOR) for service in SERVICES
    }


async def test_a_schema_that_does_not_exist_yet_is_no_obstacle_and_other_schemas_are_left_alone(
    empty: str,
) -> None:
    await rows(empty, "CREATE TABLE public.theirs (x int)")
    await migrations.upgrade_all(empty)
    assert await rows(empty, "SELECT * FROM public.theirs") == []
