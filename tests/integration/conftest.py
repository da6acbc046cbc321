"""Fixtures for tests on real servers."""

from collections.abc import AsyncIterator

import pytest

from tests.support.fresh_servers import drop_database, make_database, renew_topics
from tests.support.pipeline import daily_counts_hold
from tests.support.server_stack import Stack


@pytest.fixture
async def blank(stack: Stack, template: str) -> AsyncIterator[str]:
    """A fresh database for each test, and empty topics."""
    await renew_topics(stack.bootstrap)
    url = await make_database(stack.database_url, template=template)
    yield url
    await daily_counts_hold(url)
    await drop_database(url)
