"""A client of the application with a few routes."""

from collections.abc import AsyncIterator

import httpx
import pytest

from shared.http import (
    create_app,
)
from tests.support.parcel_app import KEY, client_of, router, settings


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(service="test", settings=settings(), routers=[router], max_body=1000)
    async with client_of(app, **KEY) as client:
        yield client
