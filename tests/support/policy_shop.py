"""A shop with policies for tests: its database with a clock and customers, and its API."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final

import asyncpg
import httpx
from fastapi import FastAPI

from services.lifecycle.api.context import ApiContext
from services.lifecycle.domain.policy.policy import Policy
from services.lifecycle.policies import registry
from services.lifecycle.policies import routes as policy_routes
from shared import http, instants
from shared.database import connection as db
from shared.ids import partition_of
from tests.support.builders import day
from tests.support.fresh_servers import PARTITIONS, drop_database, make_database
from tests.support.http_client import serving
from tests.support.pipeline import rows, worker_settings
from tests.support.server_stack import Stack

PARTS: Final = range(PARTITIONS)


class Shop:
    """A database of lifecycle without a worker."""

    def __init__(self, url: str) -> None:
        self.url = url

    async def set_clock(self, clock: datetime, *, partitions: Sequence[int] = PARTS) -> None:
        """Move the clock of partitions, which somebody owns from then on."""
        await rows(
            self.url,
            "INSERT INTO lifecycle.owner (partition, epoch, clock, clock_mode)"
            " SELECT p, 1, $2, 'log' FROM unnest($1::int[]) AS p"
            " ON CONFLICT (partition) DO UPDATE SET clock = excluded.clock",
            list(partitions),
            clock,
        )

    async def add_customers(self, *customers: str) -> None:
        """Let customers be known."""
        await rows(
            self.url,
            "INSERT INTO lifecycle.customer (customer, partition, version, state, key)"
            " SELECT c, p, 0, '{}', 1 FROM unnest($1::text[], $2::int[]) AS n(c, p)",
            list(customers),
            [partition_of(customer, PARTITIONS) for customer in customers],
        )

    @asynccontextmanager
    async def connected(self) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
        """A connection as a process of lifecycle has it."""
        connection = await db.connect(self.url, "lifecycle")
        try:
            yield connection
        finally:
            await connection.close()

    async def adopt(self, policy: Policy | None, now: datetime) -> None:
        """What a process does when it starts with this policy file."""
        async with self.connected() as connection:
            await registry.adopt(connection, policy, now)

    async def activated(self) -> list[tuple[Any, ...]]:
        """Every activation: name, version, instant, in the order of their numbers."""
        found = await rows(
            self.url, "SELECT name, version, at FROM lifecycle.activation ORDER BY number"
        )
        return [tuple(row) for row in found]

    async def stored(self) -> list[tuple[str, int]]:
        """Every policy."""
        found = await rows(
            self.url, "SELECT name, version FROM lifecycle.policy ORDER BY name, version"
        )
        return [(row["name"], row["version"]) for row in found]


@asynccontextmanager
async def new_shop(stack: Stack, template: str) -> AsyncIterator[Shop]:
    """A shop in a database of its own."""
    shop = Shop(await make_database(stack.database_url, template=template))
    yield shop
    await drop_database(shop.url)


@asynccontextmanager
async def policy_api(stack: Stack, shop: Shop) -> AsyncIterator[httpx.AsyncClient]:
    """The API of policies."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with await db.create_pool(shop.url, "lifecycle") as pool:
            app.state.context = ApiContext(pool, PARTITIONS)
            yield

    settings = worker_settings(stack, shop.url)
    app = http.create_app(
        service="lifecycle", settings=settings, routers=[policy_routes.router], lifespan=lifespan
    )
    async with serving(app) as found:
        yield found


def day_text(at: float) -> str:
    """A day as answers have it."""
    return instants.render(day(at))


def problem_of(answer: httpx.Response) -> tuple[int, str, list[str]]:
    """Status, code, and the fields that are named."""
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    return answer.status_code, body["code"], [error["field"] for error in body["errors"]]
