"""No read of the API looks through a big table: plans on a small shop that costs like a large one.

A table of 10,000 customers has a hundredth of the pages of one with a million. So here, pages that
are read one after the other cost a hundred times as much: then the planner weighs reading a table
whole against reading some rows through an index as it would there.
"""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Final, NamedTuple

import asyncpg
import pytest

from services.lifecycle.cadence import repository as rhythms
from services.lifecycle.cadence.repository import FitAttempt, FitEstimate
from services.lifecycle.figures.definitions.expected_revenue import RHYTHMS
from tests.support.bulk_lives import DAYS, ENDS
from tests.support.bulk_shop import CUSTOMERS, load
from tests.support.fresh_servers import drop_database, make_database
from tests.support.policy_shop import Shop
from tests.support.query_plans import Plan, collect_plans, describe_scans, explain
from tests.support.server_stack import Stack

DAY: Final = timedelta(days=1)
SMALL: Final = 10_000
LIVES: Final = 1_000
WHOLE: Final = ("GET /v1/figures/flows/check", "GET /v1/cadence/comparison")
"""Requests that are meant to read everything: checks and recounts that an operator asks for."""
ALL_ORDERS: Final = frozenset(RHYTHMS.values())
"""What is expected of the active customers follows from all that they have ever ordered."""
FIT: Final = FitEstimate(
    1, ENDS - 30 * DAY, 1.9, 6.2, 0.9, 8.0, p=3.0, q=4.0, gamma=9000.0, currency="EUR"
)


class Reads(NamedTuple):
    """The statements that the API ran, and its statuses by path."""

    url: str
    plans: list[Plan]
    statuses: dict[str, set[int]]


@pytest.fixture(scope="module")
async def reads(stack: Stack, template: str) -> AsyncIterator[Reads]:
    """Ask a small shop that costs like a large one for everything that can be read."""
    url = await make_database(stack.database_url, template=template)
    await load(url, SMALL, lives=LIVES, quiet=True)
    async with Shop(url).connected() as connection:
        await rhythms.store(
            connection, FitAttempt(FIT.version, FIT.effective_at, ENDS, None, 900, 900, FIT)
        )
    owner = await asyncpg.connect(url)
    await owner.execute(
        "VACUUM (ANALYZE) lifecycle.event, lifecycle.transition, lifecycle.customer, lifecycle.hint"
    )
    await owner.execute(
        f"ALTER DATABASE {url.rsplit('/', 1)[1]} SET seq_page_cost = {CUSTOMERS // SMALL}"
    )
    await owner.close()
    yield Reads(url, *await collect_plans(stack, url))
    await drop_database(url)


def test_every_read_that_the_document_offers_is_answered(reads: Reads) -> None:
    unanswered = {path for path, statuses in reads.statuses.items() if 200 not in statuses}
    assert len(reads.statuses) > 20
    assert {path for path in unanswered if "{customer}" in path or "{" not in path} == set()


def test_no_statement_reads_a_big_table_whole(reads: Reads) -> None:
    plans = bounded(reads)
    assert len(plans) > 100
    assert describe_scans(plans) == []


@pytest.mark.parametrize("requests", WHOLE)
def test_who_may_read_a_big_table_whole_does(reads: Reads, requests: str) -> None:
    assert describe_scans(plan for plan in reads.plans if plan.request.startswith(requests))


@pytest.mark.parametrize(
    ("table", "index"),
    [
        ("transition", "transition_at"),
        ("customer", "customer_of_account"),
        ("event", "event_sold"),
        ("event", "event_voiced"),
    ],
)
async def test_a_missing_index_is_noticed(reads: Reads, table: str, index: str) -> None:
    connection = await asyncpg.connect(
        reads.url, server_settings={"search_path": "lifecycle", "timezone": "UTC"}
    )
    try:
        before = [await explain(connection, plan) for plan in bounded(reads)]
        await connection.execute(f"BEGIN; DROP INDEX {index}")
        after = [await explain(connection, plan) for plan in before]
    finally:
        await connection.close()
    assert describe_scans(before) == []
    assert any(f" on {table}" in scan for plan in after for scan in plan.scans)


async def test_a_condition_that_nearly_all_rows_fulfil_is_noticed(reads: Reads) -> None:
    connection = await asyncpg.connect(
        reads.url, server_settings={"search_path": "lifecycle", "timezone": "UTC"}
    )
    query = "SELECT max(position) FROM transition WHERE withdrawn IS NULL AND occurred_at <= $1"
    try:
        found = [
            await explain(connection, Plan("", query, [at], frozenset()))
            for at in (ENDS, ENDS - DAYS / 2 * DAY)
        ]
    finally:
        await connection.close()
    assert [bool(plan.scans) for plan in found] == [True, False]


def bounded(reads: Reads) -> list[Plan]:
    """The plans of all other requests."""
    return [
        plan
        for plan in reads.plans
        if not plan.request.startswith(WHOLE) and plan.query not in ALL_ORDERS
    ]
