"""Fixtures for all tests: one real Kafka and PostgreSQL per session, and fresh databases and
topics on them.
"""

import secrets
from collections.abc import AsyncIterator
from typing import Final

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from shared.database import migrations
from tests.support.fresh_servers import (
    administer,
    drop_database,
    make_database,
    renew_topics,
    sibling,
)
from tests.support.pipeline import daily_counts_hold
from tests.support.server_stack import Stack, open_stack

QUEUES: Final = {
    "contract": "servers",
    "fault": "faults",
    "integration": "servers",
    "e2e": "systems",
}
"""The folders whose tests run one after the other, for they share servers, or whole systems."""


class Queues(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Side by side (`--dist loadscope`): each queue is one process's, and the other tests fill
    what time is left.
    """

    def _split_scope(self, nodeid: str) -> str:
        return QUEUES.get(nodeid.split("/")[1], nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling | None:
    """What deals out the tests."""
    return Queues(config, log) if config.getoption("dist") == "loadscope" else None


@pytest.fixture(scope="session")
async def stack() -> AsyncIterator[Stack]:
    """Kafka and PostgreSQL for the whole test session."""
    async with open_stack() as running:
        yield running


@pytest.fixture(scope="session")
async def template(stack: Stack) -> AsyncIterator[str]:
    """The name of a migrated database that others are copied from; nobody may stay connected to
    it.
    """
    name = f"template_{secrets.token_hex(4)}"
    await administer(stack.database_url, f"CREATE DATABASE {name}")
    url = sibling(stack.database_url, name)
    await migrations.upgrade_all(url)
    yield name
    await drop_database(url)


@pytest.fixture(scope="module")
async def database(stack: Stack, template: str) -> AsyncIterator[str]:
    """The URL of a fresh, migrated database of this module."""
    url = await make_database(stack.database_url, template=template)
    yield url
    await daily_counts_hold(url)
    await drop_database(url)


@pytest.fixture(scope="module")
async def fresh_topics(stack: Stack) -> None:
    """The topics of the registry, empty at the beginning of this module."""
    await renew_topics(stack.bootstrap)
