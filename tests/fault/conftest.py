"""Fixtures of the fault tests."""

import logging
from collections.abc import AsyncIterator, Iterator

import pytest
import structlog

from tests.support.fresh_servers import drop_database, make_database, renew_topics
from tests.support.server_stack import Stack


@pytest.fixture(autouse=True)
def few_words() -> Iterator[None]:
    """The APIs in this process say only what went wrong."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    yield
    structlog.reset_defaults()


@pytest.fixture
async def clean_database(stack: Stack, template: str) -> AsyncIterator[str]:
    """A fresh database and fresh topics for one test."""
    await renew_topics(stack.bootstrap)
    url = await make_database(stack.database_url, template=template)
    yield url
    await drop_database(url)
