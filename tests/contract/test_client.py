"""The example of docs/client.md does what it says, on the services themselves."""

import json
import re
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Final

from shared.client.ingest import AsyncIngestClient
from shared.client.lifecycle import AsyncLifecycleClient, LifecycleClient
from shared.client.pages import aevery
from shared.client.reactivation import AsyncReactivationClient
from shared.client.referral import AsyncReferralClient
from shared.processes import INGEST, LIFECYCLE, REACTIVATION, REFERRAL
from tests.contract.story import KEY

PAGE: Final = Path(__file__).parents[2] / "docs" / "client.md"


def test_the_example_prints_what_it_says(services: Mapping[str, str]) -> None:
    example, told = re.findall(r"```(?:python)?\n(.*?)```", PAGE.read_text(), re.DOTALL)[:2]
    code = example.replace("http://127.0.0.1:8002", services[LIFECYCLE]).replace('"KEY"', repr(KEY))
    said = list[str]()
    exec(code, {"print": lambda *words: said.append(" ".join(map(str, words)))})  # noqa: S102
    assert said == told.splitlines()


def test_a_stream_has_what_the_pages_have_and_goes_on_behind_each_event(
    services: Mapping[str, str],
) -> None:
    with LifecycleClient(services[LIFECYCLE], KEY) as lifecycle:
        page = lifecycle.list_changes(limit=1000)
        published = [item["id"] for item in page["items"]]
        with lifecycle.stream_changes() as events:
            begin, *seen = islice(events, 1 + len(published))
        assert (begin.event, begin.data) == ("", "")
        assert [json.loads(event.data)["id"] for event in seen] == published
        assert [event.event for event in seen] == [item["type"] for item in page["items"]]
        with lifecycle.stream_changes(after="now", last_event_id=seen[1].id) as events:
            _, third = islice(events, 2)
        assert third == seen[2], "wherever `after` points"


async def test_the_asynchronous_clients_speak_with_every_service(
    services: Mapping[str, str],
) -> None:
    async with AsyncIngestClient(services[INGEST], KEY) as ingest:
        refused = await ingest.accept_events(b"[{}]")
    assert (refused["accepted"], refused["rejected"][0]["code"]) == (0, "missing")
    async with AsyncReactivationClient(services[REACTIVATION], KEY) as reactivation:
        assert [case["customer"] async for case in aevery(reactivation.list_cases)] == [
            "customer-3"
        ]
    async with AsyncReferralClient(services[REFERRAL], KEY) as referral:
        assert (await referral.show_balance("customer-1"))["balances"] == []
    async with AsyncLifecycleClient(services[LIFECYCLE], KEY) as lifecycle:
        assert (await lifecycle.show_customer("customer-0"))["customer"] == "customer-1", (
            "who was merged"
        )
        async with lifecycle.list_customers_as("text/csv", phase="at_risk") as parts:
            lines = b"".join([part async for part in parts]).splitlines()
    assert [line.split(b",")[0] for line in lines] == [b"customer", b"customer-1"]
