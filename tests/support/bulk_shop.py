"""A shop of any size in a database of lifecycle: some lives folded as by the worker, and copies.

Usage: python -m tests.support.bulk_shop DATABASE_URL [--customers N]
The database must be migrated and empty. A copy is another customer with the same life, moved by
less than an hour, so that days and daily counts are those of the lives that were folded. The server
makes the copies, without indexes until the end. They lie in the tables in the order of time, as if
they had come that way, so that the rows of one customer are scattered.
"""

import argparse
import asyncio
import random
import sys
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Final, TypeAlias

import asyncpg

from services.lifecycle.batch import repository
from services.lifecycle.batch.entry import CustomerEntry, event_key
from services.lifecycle.batch.recorder import Recorder
from services.lifecycle.batch.rows import (
    CustomerRow,
    EventRow,
    OrderVersionKey,
    OrderVersionRow,
    order_version_row,
)
from services.lifecycle.domain.fold import fold
from services.lifecycle.domain.policy.schedule import Schedule
from services.lifecycle.domain.state.happenings import Happening
from services.lifecycle.events import read
from services.lifecycle.figures.recount import repository as recount
from services.lifecycle.schedule import load_schedule
from shared.clock import CLOCK_START, monotonic, now
from shared.events import envelope
from shared.ids import hash64, partition_of
from shared.kafka.topics import CUSTOMER_EVENTS
from shared.stream.batch import Portion
from tests.bench.lifecycle import add_fit
from tests.support.builders import encode
from tests.support.bulk_lives import BEGINS, DAYS, ENDS, live
from tests.support.fresh_servers import PARTITIONS, as_migrator
from tests.support.policy_shop import Shop

CUSTOMERS: Final = 1_000_000
LIVES: Final = 20_000
CHANGED_DAYS: Final = 30
"""Of so many days the published changes are kept: as if they had all been published just now."""
_FIRST: Final = {"transition": "occurred_at", "change": "seq"}
_SECOND: Final = {"event": "time", "hint": "at", "customer": "customer", "timer": "customer"}
"""Which tables a connection copies, and in which order their rows come."""
_COPIED: Final = (*_FIRST, *_SECOND)
_SEED: Final = 6

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


async def load(
    url: str, customers: int = CUSTOMERS, *, lives: int = LIVES, quiet: bool = False
) -> int:
    """Fill a database; returns the number of customers: where it exceeds `lives`, a multiple."""
    began = monotonic()

    def say(what: str) -> None:
        if not quiet:
            print(f"{monotonic() - began:6.1f} s  {what}", file=sys.stderr, flush=True)

    lives = min(lives, customers)
    copies = customers // lives
    target = Shop(url)
    await target.set_clock(ENDS)
    await target.adopt(None, ENDS)
    await add_fit(url)
    async with target.connected() as connection:
        await _write(connection, lives)
    say(f"{lives} lives folded")
    async with _connected(url) as one, _connected(url) as other:
        ddl = [line async for line in _without_indexes(one)]
        await _mirror(one, lives, copies)
        say(f"{lives * copies} customers named")
        await asyncio.gather(_copy(one, _FIRST), _copy(other, _SECOND))
        say("copies made")
        await one.execute("DROP TABLE mirror, published")
        await _share((one, other), ddl)
        say("indexes made")
        await _share((one, other), [f"VACUUM (ANALYZE) {name}" for name in _COPIED])
        say("vacuumed and analysed")
        await recount.mend(one)
        await one.execute("TRUNCATE restated")
        await one.execute(_RESTATED, PARTITIONS, BEGINS, DAYS)
        await one.execute("VACUUM (ANALYZE) flow, tally, restated")
        say("transitions counted by day")
    return lives * copies


def name_of(number: int) -> str:
    """The customer of a number: all ids are of one length, so that a copy takes the same room."""
    return f"c{number:07d}"


# -- the lives that are folded ---


class _Rows:
    """What the worker would have written, had it recorded every life at the time."""

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule
        self.recorder = Recorder(schedule)
        self.customers: list[CustomerRow] = []
        self.events: list[EventRow] = []
        self.order_versions: dict[OrderVersionKey, OrderVersionRow] = {}
        self.timers: dict[str, tuple[int, datetime | None]] = {}

    def add(self, number: int) -> None:
        """One customer."""
        customer = name_of(number)
        entry = CustomerEntry(customer, partition_of(customer, PARTITIONS))
        happenings = list[Happening]()
        for record in map(encode, live(customer, _SEED * CUSTOMERS + number)):
            event = envelope.decode(record)
            happening = read(CUSTOMER_EVENTS, event)
            assert isinstance(happening, Happening)
            happenings.append(happening)
            row = (
                entry.key,
                event_key(event),
                happening.order_key,
                event.time,
                event.time,
                event.type,
                *happening.amount_and_currency,
                record,
            )
            self.events.append(row)
        folded = fold(happenings, self._schedule, until=ENDS - timedelta(hours=1))
        entry.customer = folded.customer
        for at, order in folded.order_versions:
            version = order_version_row(entry.key, at, order)
            self.order_versions[version[:4]] = version
        portion = Portion(entry.partition, 1, CLOCK_START)
        for move in folded.moves:
            self.recorder.add_moves(entry, [move], move.occurred_at, portion)
        for hint in folded.hints:
            self.recorder.add_hints(entry, [hint], hint.at, portion)
        self.customers.append(CustomerRow.of(entry))
        self.timers[customer] = entry.partition, entry.customer.wakes_at


async def _write(connection: Connection, lives: int) -> None:
    rows = _Rows(await load_schedule(connection))
    for number in range(lives):
        rows.add(number)
    recorder, since = rows.recorder, ENDS - timedelta(days=CHANGED_DAYS)
    await repository.add_events(connection, rows.events)
    await repository.save_order_versions(connection, (), rows.order_versions.values())
    await repository.save_customers(connection, rows.customers)
    await repository.add_transitions(connection, recorder.transitions, [])
    await repository.set_timers(connection, rows.timers)
    await repository.add_hints(connection, recorder.hints)
    announced = [
        (row[6], m) for row, m in zip(recorder.transitions, recorder.messages, strict=True)
    ]
    recent = sorted((at, m.partition, m.key, m.body) for at, m in announced if at > since)
    published_at = now() - timedelta(hours=1)
    changes = [
        (place, n, key, published_at, body) for n, (_, place, key, body) in enumerate(recent)
    ]
    columns = "partition", "seq", "customer", "recorded_at", "body"
    create = "CREATE UNLOGGED TABLE published (LIKE change)"
    await connection.execute(as_migrator(create, "lifecycle"))
    await connection.copy_records_to_table("published", records=changes, columns=columns)


# -- their copies ---

_MIRROR: Final = """
CREATE UNLOGGED TABLE mirror (
    template text, template_key bigint, copy int, customer text, key bigint, partition int,
    shift interval, minutes text
)
"""
_COLUMNS: Final = """
SELECT a.attname AS name, t.typname AS type
FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid
WHERE a.attrelid = $1::text::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""
_RESTATED: Final = """
INSERT INTO restated (partition, day, number, at)
SELECT p, $2::timestamptz::date + d, 1 + (p + d) % 5, $2 + make_interval(days => d + 1, hours => p)
FROM generate_series(0, $1::int - 1) AS p, generate_series(0, $3::int - 2) AS d
"""


def _named(lives: int, copies: int) -> Iterator[tuple[object, ...]]:
    luck = random.Random(_SEED)
    keys = [hash64(name_of(number)) for number in range(lives)]
    for number, key in enumerate(keys):
        for copy in range(copies):
            customer = name_of(copy * lives + number)
            seconds = luck.randrange(1, 3600) if copy else 0
            place = partition_of(customer, PARTITIONS)
            minutes = f":{seconds // 60:02d}:{seconds % 60:02d}Z"
            shift = timedelta(seconds=seconds)
            yield name_of(number), key, copy, customer, hash64(customer), place, shift, minutes


async def _mirror(connection: Connection, lives: int, copies: int) -> None:
    await connection.execute(_MIRROR)
    await connection.copy_records_to_table("mirror", records=_named(lives, copies))
    await connection.execute("CREATE INDEX ON mirror (template)")
    await connection.execute("CREATE INDEX ON mirror (template_key)")
    await connection.execute("ANALYZE mirror")


async def _copy(connection: Connection, tables: Mapping[str, str]) -> None:
    """Copy all rows of tables in this order; changes are numbered without gaps."""
    await connection.execute("SET enable_hashjoin = off; SET enable_mergejoin = off")
    for table, order in tables.items():
        columns = {row["name"]: row["type"] for row in await connection.fetch(_COLUMNS, table)}
        source, least = ("published", 0) if table == "change" else (table, 1)
        on = (
            "t.customer_key = m.template_key"
            if "customer_key" in columns
            else "t.customer = m.template"
        )
        values = ", ".join(_copied(name, type) for name, type in columns.items())
        await connection.execute(
            f"INSERT INTO {table} ({', '.join(columns)}) SELECT {values}"
            f" FROM (SELECT * FROM {source} ORDER BY {order}) AS t"
            f" JOIN mirror AS m ON {on} AND m.copy >= {least}"
        )
    await connection.execute("RESET enable_hashjoin; RESET enable_mergejoin")


def _copied(name: str, type: str) -> str:
    """A column's value in a copy."""
    own = {
        "customer": "m.customer",
        "key": "m.key",
        "customer_key": "m.key",
        "partition": "m.partition",
        "seq": "row_number() OVER (PARTITION BY m.partition ORDER BY t.seq, m.copy)",
    }
    by_type = {
        "timestamptz": "t.{} + m.shift",
        "json": "replace(t.{}::text, ':00:00Z', m.minutes)::json",
        "bytea": "convert_to(replace(replace("
        "convert_from(t.{}, 'UTF8'), m.template, m.customer), ':00:00Z', m.minutes), 'UTF8')",
    }
    return own.get(name) or by_type.get(type, "t.{}").format(name)


# -- indexes ---

_CONSTRAINTS: Final = """
SELECT conname AS name, conrelid::regclass::text AS tbl, pg_get_constraintdef(oid) AS definition
FROM pg_constraint
WHERE conrelid = $1::text::regclass AND contype IN ('p', 'u')
"""
_INDEXES: Final = """
SELECT i.indexrelid::regclass::text AS name, pg_get_indexdef(i.indexrelid) AS definition
FROM pg_index AS i
WHERE i.indrelid = $1::text::regclass
    AND NOT EXISTS (SELECT FROM pg_constraint AS c WHERE c.conindid = i.indexrelid)
"""


async def _without_indexes(connection: Connection) -> AsyncIterator[str]:
    """Drop the indexes of the large tables; yields the statements that make them again."""
    for table in _COPIED:
        for row in await connection.fetch(_CONSTRAINTS, table):
            await connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT {row['name']}")
            yield f"ALTER TABLE {table} ADD CONSTRAINT {row['name']} {row['definition']}"
        for row in await connection.fetch(_INDEXES, table):
            await connection.execute(f"DROP INDEX {row['name']}")
            yield row["definition"].replace(" ON ONLY ", " ON ")


# -- two connections ---


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[Connection]:
    """A connection for large statements, as superuser."""
    settings = {
        "search_path": "lifecycle",
        "timezone": "UTC",
        "synchronous_commit": "off",
        "max_parallel_workers_per_gather": "0",
        "work_mem": "256MB",
        "maintenance_work_mem": "512MB",
    }
    connection = await asyncpg.connect(url, server_settings=settings)
    try:
        yield connection
    finally:
        await connection.close()


async def _share(connections: Iterable[Connection], statements: Iterable[str]) -> None:
    """Run statements, each on whichever connection is free."""
    left = iter(list(statements))

    async def work(connection: Connection) -> None:
        for statement in left:
            await connection.execute(statement)

    await asyncio.gather(*map(work, connections))


async def main(url: str, customers: int) -> None:
    """Fill the database."""
    print(await load(url, customers))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--customers", type=int, default=CUSTOMERS)
    found = parser.parse_args()
    asyncio.run(main(found.url, found.customers))
