"""Fixtures for tests on real servers."""

from collections.abc import AsyncIterator

import pytest

from tests.pipeline import daily_counts_hold
from tests.stack import Stack
from tests.support import drop_database, make_database, renew_topics


@pytest.fixture
async def blank(stack: Stack, template: str) -> AsyncIterator[str]:
    """A fresh database for each test, and empty topics."""
    await renew_topics(stack.bootstrap)
    url = await make_database(stack.database_url, template=template)
    yield url
    await daily_counts_hold(url)
    await drop_database(url)
