"""Migrations: one Alembic chain, one schema and one database role per service."""

from contextlib import suppress
from importlib.resources import files
from typing import Final, Protocol

import asyncpg
import sqlalchemy as sa
from alembic import command, context
from alembic.config import Config
from sqlalchemy.ext.asyncio import create_async_engine

from shared.database.connection import role

SERVICES: Final = ("lifecycle", "reactivation", "referral")
MIGRATOR: Final = "stammkunde_migrator"
"""The role that owns all schemas and tables: the services own nothing that they could turn off."""
_LOCK: Final = 0x57414D4D
_DEFAULTS: Final = "ALTER DEFAULT PRIVILEGES FOR ROLE {migrator} "
_GRANTS: Final = (
    "GRANT USAGE ON SCHEMA {schema} TO {role}",
    _DEFAULTS + "REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC",
    _DEFAULTS + "IN SCHEMA {schema} GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {role}",
    _DEFAULTS + "IN SCHEMA {schema} GRANT USAGE ON SEQUENCES TO {role}",
    # As it is in new databases, but not in those of before PostgreSQL 15.
    "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
)
_KEEP_VERSION: Final = "REVOKE INSERT, UPDATE, DELETE ON {schema}.alembic_version FROM {role}"

CORE_V1: Final = """
CREATE TABLE owner (
    partition integer PRIMARY KEY,
    epoch bigint NOT NULL,
    clock timestamptz NOT NULL,
    clock_mode text NOT NULL CONSTRAINT owner_clock_mode CHECK (clock_mode IN ('wall', 'log')),
    import_began timestamptz,
    import_open boolean NOT NULL DEFAULT false
);
COMMENT ON COLUMN owner.clock IS 'deadlines up to here have been applied';
COMMENT ON COLUMN owner.import_began IS
    'clock when the history import began; null once its deadlines have fired';
CREATE TABLE checkpoint (
    topic text,
    partition integer REFERENCES owner (partition),
    next_offset bigint NOT NULL,
    ticked timestamptz,
    stopped text,
    last_offset bigint,
    last_digest bytea,
    PRIMARY KEY (topic, partition),
    CONSTRAINT checkpoint_last CHECK ((last_offset IS NULL) = (last_digest IS NULL))
);
COMMENT ON COLUMN checkpoint.ticked IS 'the last tick seen on this topic';
COMMENT ON COLUMN checkpoint.stopped IS 'why the partition has stopped; null while it runs';
COMMENT ON COLUMN checkpoint.last_offset IS 'where the last record applied is; null before any';
COMMENT ON COLUMN checkpoint.last_digest IS 'by which that record is known again';
CREATE TABLE outbox (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    partition integer NOT NULL,
    topic text NOT NULL,
    key text,
    body bytea NOT NULL,
    traceparent text
);
CREATE INDEX outbox_partition_seq ON outbox (partition, seq);
CREATE TABLE quarantine (
    seq bigint PRIMARY KEY,
    partition integer NOT NULL,
    topic text NOT NULL,
    key text,
    body bytea NOT NULL,
    traceparent text,
    reason text NOT NULL,
    recorded_at timestamptz NOT NULL
);
COMMENT ON COLUMN quarantine.seq IS 'its number in the outbox, where it goes back to';
CREATE INDEX quarantine_partition_key ON quarantine (partition, key);
CREATE TABLE dead_letter (
    topic text,
    partition integer,
    "offset" bigint,
    customer text,
    subject text,
    time timestamptz,
    reason text NOT NULL,
    detail text NOT NULL,
    value bytea NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (topic, partition, "offset")
);
COMMENT ON COLUMN dead_letter.customer IS
    'the parked customer whose event this is; null for bad records';
COMMENT ON COLUMN dead_letter.subject IS 'whose event it is; null if that cannot be read';
COMMENT ON COLUMN dead_letter.time IS 'when it happened; null if that cannot be read';
CREATE INDEX dead_letter_customer ON dead_letter (customer) WHERE customer IS NOT NULL;
CREATE INDEX dead_letter_subject ON dead_letter (subject, time) WHERE subject IS NOT NULL;
CREATE TABLE lease (
    name text PRIMARY KEY,
    holder uuid NOT NULL,
    until timestamptz NOT NULL
);
COMMENT ON COLUMN lease.until IS 'by the clock of the database; from then on anybody may take it';
"""
"""The shared tables as they were first made; later changes are later migrations."""


class Executes(Protocol):
    """Alembic's `op`."""

    def execute(self, sqltext: sa.TextClause, /) -> None: ...


def execute(op: Executes, script: str) -> None:
    """Run the statements of a script one by one: asyncpg cannot prepare several at once."""
    for statement in script.split(";\n"):
        if statement.strip():
            op.execute(sa.text(statement.replace(":", "\\:")))


def run(metadata: sa.MetaData) -> None:
    """Serve as a service's Alembic environment: migrate its schema on the given connection."""
    connection = context.config.attributes["connection"]
    context.configure(
        connection=connection, target_metadata=metadata, version_table_schema=metadata.schema
    )
    with context.begin_transaction():
        context.run_migrations()


async def upgrade_all(url: str) -> list[str]:
    """Create roles and schemas, and bring every service to its newest migration.

    Returns the services. Safe to run twice and in several processes at once: an advisory lock lets
    one go first.
    """
    guard = await asyncpg.connect(url)
    try:
        await guard.execute("SELECT pg_advisory_lock($1)", _LOCK)
        await _create_role(guard, MIGRATOR)
        for service in SERVICES:
            await _create_schema(guard, service)
            await _upgrade(url, service)
            await guard.execute(_KEEP_VERSION.format(schema=service, role=role(service)))
    finally:
        await guard.close()
    return list(SERVICES)


async def _create_role(connection: "asyncpg.Connection[asyncpg.Record]", name: str) -> None:
    if not await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", name):
        # Roles belong to the whole cluster: another database's migration may have been first.
        with suppress(asyncpg.DuplicateObjectError, asyncpg.UniqueViolationError):
            await connection.execute(f"CREATE ROLE {name} NOLOGIN")
    await connection.execute(f"GRANT {name} TO CURRENT_USER")


async def _create_schema(connection: "asyncpg.Connection[asyncpg.Record]", service: str) -> None:
    """Create a service's schema, and let the service use what the migrator makes in it."""
    name = role(service)
    await _create_role(connection, name)
    await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {service} AUTHORIZATION {MIGRATOR}")
    for grant in _GRANTS:
        await connection.execute(grant.format(schema=service, role=name, migrator=MIGRATOR))


async def _upgrade(url: str, service: str) -> None:
    settings = {"role": MIGRATOR, "search_path": service, "lock_timeout": "5s"}
    engine = create_async_engine(
        url.replace("postgresql://", "postgresql+asyncpg://", 1),
        connect_args={"server_settings": settings},
    )
    config = Config()
    config.set_main_option("script_location", str(files(f"services.{service}") / "migrations"))
    try:
        async with engine.begin() as connection:

            def upgrade(sync: sa.Connection) -> None:
                config.attributes["connection"] = sync
                command.upgrade(config, "head")

            await connection.run_sync(upgrade)
    finally:
        await engine.dispose()
