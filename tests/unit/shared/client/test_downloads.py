"""Files, part by part."""

import httpx
import pytest

from shared.client.errors import ApiError, Refused, Unavailable
from shared.client.lifecycle import AsyncLifecycleClient
from tests.support.fake_service import BUSY, CSV, HTML, FakeService, breaks_off, lifecycle, problem


async def test_a_page_of_somebody_in_between_is_no_file() -> None:
    shop = FakeService(httpx.Response(200, headers=HTML, text="<html>Please log in</html>"))
    with (
        lifecycle(shop) as api,
        pytest.raises(ApiError, match="log in"),
        api.list_customers_as("text/csv"),
    ):
        pass
    async with AsyncLifecycleClient(
        "http://shop", "key", transport=httpx.MockTransport(shop)
    ) as later:
        with pytest.raises(ApiError, match="text/html, and no text/event-stream"):
            await later.stream_changes().__aenter__()


async def test_a_file_that_breaks_off_is_an_error_and_never_the_whole() -> None:
    seen = list[bytes]()
    with (
        lifecycle(breaks_off) as api,
        pytest.raises(Unavailable, match="incomplete"),
        api.list_customers_as("text/csv") as parts,
    ):
        seen.extend(parts)
    assert seen.pop() == b"customer\n"

    async def read() -> None:
        async with (
            AsyncLifecycleClient(
                "http://shop", "key", transport=httpx.MockTransport(breaks_off)
            ) as later,
            later.list_customers_as("text/csv") as coming,
        ):
            async for part in coming:
                seen.append(part)

    with pytest.raises(Unavailable, match="incomplete"):
        await read()
    assert seen == [b"customer\n"]


def test_a_file_comes_in_parts_and_a_refusal_as_an_error() -> None:
    shop = FakeService(BUSY, httpx.Response(200, headers=CSV, text="customer\nada\n"))
    with lifecycle(shop) as api, api.list_customers_as("text/csv", phase="at_risk") as parts:
        assert b"".join(parts) == b"customer\nada\n"
    assert (shop.seen[1].headers["accept"], shop.seen[1].url.query) == (
        "text/csv",
        b"phase=at_risk",
    )
    with (
        lifecycle(FakeService(problem(422, "invalid"))) as api,
        pytest.raises(Refused),
        api.list_customers_as("text/csv"),
    ):
        pass
