"""A shop with a past for tests of simulations: events, what live policies made of them, its API."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final, TypeAlias

import httpx

from services.lifecycle.app import create_app
from services.lifecycle.batch import repository
from services.lifecycle.batch.entry import CustomerEntry
from services.lifecycle.batch.recorder import Recorder
from services.lifecycle.batch.rows import (
    CustomerRow,
    EventRow,
    OrderVersionKey,
    OrderVersionRow,
    order_version_row,
    stored_type,
)
from services.lifecycle.domain.fold import Folded, fold
from services.lifecycle.domain.policy.schedule import Schedule
from services.lifecycle.domain.state.customer import Customer, Move
from services.lifecycle.domain.state.happenings import Happening
from services.lifecycle.events import read
from services.lifecycle.schedule import load_schedule
from shared.clock import CLOCK_START
from shared.database.connection import Tx
from shared.events.envelope import decode
from shared.ids import hash64, partition_of
from shared.kafka.topics import CUSTOMER_EVENTS
from shared.stream.batch import Portion
from tests.support.builders import encode
from tests.support.fresh_servers import PARTITIONS, eventually
from tests.support.http_client import serving
from tests.support.pipeline import rows, worker_settings
from tests.support.policy_shop import Shop
from tests.support.server_stack import Stack

Raw: TypeAlias = dict[str, Any]

FINAL: Final = {"done", "failed", "cancelled"}
TABLES: Final = (
    "customer", "event", "transition", "hint", "timer", "outbox", "owner", "checkpoint",
    "policy", "activation", "fit", "rearming", "dead_letter",
)  # fmt: skip
"""The live tables."""
EVENTS_AT_A_TIME: Final = 20_000


class LifeStore:
    """Writes lives as the worker would have left them, by COPY."""

    def __init__(self, tx: Tx, schedule: Schedule, clock: datetime) -> None:
        self._tx = tx
        self._schedule = schedule
        self._clock = clock
        self._recorder = Recorder(schedule)
        self._customers: list[CustomerRow] = []
        self._events: list[EventRow] = []
        self._order_versions: dict[OrderVersionKey, OrderVersionRow] = {}

    async def add(self, customer: str, records: Iterable[bytes]) -> None:
        """Add one customer and all its events; an identity that comes twice counts once."""
        entry = CustomerEntry(customer, partition_of(customer, PARTITIONS))
        happenings = self._add_events(entry, records)
        folded: Folded = fold(happenings, self._schedule, until=self._clock)
        entry.customer = folded.customer
        for at, order in folded.order_versions:
            version = order_version_row(entry.key, at, order)
            self._order_versions[version[:4]] = version
        moves: list[Move] = [move for move in folded.moves if move.occurred_at <= self._clock]
        whole = Folded(folded.customer, moves)
        portion = Portion(entry.partition, 1, CLOCK_START)
        self._recorder.record(entry, Customer(), whole, self._clock, portion)
        self._customers.append(CustomerRow.of(entry))
        if len(self._events) > EVENTS_AT_A_TIME:
            await self.flush()

    def _add_events(self, entry: CustomerEntry, records: Iterable[bytes]) -> list[Happening]:
        """Add the rows of events; returns what happened."""
        happenings: dict[int, Happening] = {}
        for record in records:
            event = decode(record)
            content = read(CUSTOMER_EVENTS, event)
            key = hash64(f"{event.source}\x1f{event.id}")
            if not isinstance(content, Happening) or key in happenings:
                continue
            happenings[key] = content
            amount, currency = content.amount_and_currency
            self._events.append(
                (
                    entry.key,
                    key,
                    content.order_key,
                    content.time,
                    self._clock,
                    stored_type(event.type, content),
                    amount,
                    currency,
                    record,
                )
            )
        return list(happenings.values())

    async def flush(self) -> None:
        """Write what has been added."""
        await repository.add_events(self._tx, self._events)
        await repository.save_order_versions(self._tx, (), self._order_versions.values())
        await repository.save_customers(
            self._tx, sorted(self._customers, key=lambda row: row.customer)
        )
        await repository.add_transitions(self._tx, self._recorder.transitions, [])
        await self._recorder.counts.save(self._tx)
        self._recorder = Recorder(self._schedule)
        self._customers = []
        self._events = []
        self._order_versions = {}


async def store_lives(shop: Shop, clock: datetime, lives: dict[str, list[Raw]]) -> None:
    """Store customers with their events, judged by all activations until the clock."""
    await shop.set_clock(clock)
    async with shop.connected() as connection:
        target = LifeStore(connection, await load_schedule(connection), clock)
        for customer, events in lives.items():
            await target.add(customer, map(encode, events))
        await target.flush()


@asynccontextmanager
async def api(stack: Stack, url: str) -> AsyncIterator[httpx.AsyncClient]:
    """The whole API of lifecycle, in this process; simulations run in theirs."""
    app = create_app(worker_settings(stack, url))
    async with serving(app) as client:
        yield client


async def request_simulation(client: httpx.AsyncClient, **body: Any) -> str:
    """Request a simulation; returns where it is found."""
    answer = await client.post("/v1/simulations", json=body)
    assert answer.status_code == 202, answer.text
    where: str = answer.headers["location"]
    assert where == f"/v1/simulations/{answer.json()['id']}"
    return where


async def wait_until_ended(client: httpx.AsyncClient, where: str, *, within_s: float = 60) -> Any:
    """A simulation once it has come to an end."""

    async def final() -> Any:
        found = (await client.get(where)).json()
        return found if found["state"] in FINAL else None

    return await eventually(final, within_s=within_s, what="the simulation has ended")


async def report_of_simulation(client: httpx.AsyncClient, **body: Any) -> Any:
    """The report of a simulation."""
    found = await wait_until_ended(client, await request_simulation(client, **body))
    assert found["state"] == "done", found
    return found["report"]


async def contents(url: str) -> dict[str, list[str]]:
    """Every row of every live table."""
    return {
        table: sorted(
            row[0] for row in await rows(url, f"SELECT t::text FROM lifecycle.{table} AS t")
        )
        for table in TABLES
    }


def matrix(report: Any) -> dict[tuple[str, str], int]:
    """Customers by both phases."""
    return {(cell["live"], cell["candidate"]): cell["customers"] for cell in report["matrix"]}
