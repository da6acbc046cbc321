"""No read of the API looks through a big table: the plans of its statements, on a small shop planned as a large one.

A table of 10,000 customers has a hundredth of the pages that one of a million has, so pages that are read one after the
other cost a hundred times as much: then the planner weighs reading a table whole against so and so many rows through an
index as it would there.
"""

from collections.abc import AsyncIterator
from typing import Final, NamedTuple

import asyncpg
import pytest

from tests.bench.reads_load import CUSTOMERS, load
from tests.integration.plans import Plan, collected, explain, refused
from tests.stack import Stack
from tests.support import drop_database, make_database

SMALL: Final = 10_000
LIVES: Final = 1_000
WHOLE: Final = ()
"""Requests that read all by what they mean: checks and recounts that an operator asks for."""


class Reads(NamedTuple):
    """What the API runs, and what it answered by path."""

    url: str
    plans: list[Plan]
    statuses: dict[str, set[int]]


@pytest.fixture(scope="module")
async def reads(stack: Stack, template: str) -> AsyncIterator[Reads]:
    """Everything that can be read, asked of a small shop that costs like a large one."""
    url = await make_database(stack.database_url, template=template)
    await load(url, SMALL, lives=LIVES, quiet=True)
    connection = await asyncpg.connect(url)
    await connection.execute(f"ALTER DATABASE {url.rsplit('/', 1)[1]} SET seq_page_cost = {CUSTOMERS // SMALL}")
    await connection.close()
    yield Reads(url, *await collected(stack, url))
    await drop_database(url)


def test_every_read_that_the_document_offers_is_answered(reads: Reads) -> None:
    unanswered = {path for path, statuses in reads.statuses.items() if 200 not in statuses}
    assert len(reads.statuses) > 20
    assert {path for path in unanswered if "{customer}" in path or "{" not in path} == set()


def test_no_statement_reads_a_big_table_whole(reads: Reads) -> None:
    plans = [plan for plan in reads.plans if not plan.request.startswith(WHOLE)]
    assert len(plans) > 100
    assert refused(plans) == []


@pytest.mark.parametrize("index", ["transition_at", "customer_of_phase"])
async def test_a_missing_index_is_noticed(reads: Reads, index: str) -> None:
    connection = await asyncpg.connect(reads.url, server_settings={"search_path": "lifecycle", "timezone": "UTC"})
    await connection.execute(f"BEGIN; DROP INDEX {index}")
    plans = [await explain(connection, plan) for plan in reads.plans if not plan.request.startswith(WHOLE)]
    await connection.close()
    assert refused(plans)
