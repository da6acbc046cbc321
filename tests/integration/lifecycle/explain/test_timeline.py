"""The time line tells which events have had no effect, and why; nothing is swallowed."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import httpx
import pytest
from prometheus_client import REGISTRY

from services.lifecycle.domain.words.remarks import NOT_MERGED
from shared.orders.changes import NoEffect
from tests.integration.lifecycle.batch.test_parked import client
from tests.support.builders import event, order, tick
from tests.support.lifecycle_worker import worker
from tests.support.pipeline import publish, settled
from tests.support.server_stack import Stack

Json = dict[str, Any]
TAKEN: Final = ("taken", None)


def told(reason: str) -> tuple[str, str | None]:
    return "without_effect", reason


def waits(reason: NoEffect) -> tuple[str, str | None]:
    return "waiting", reason


def bought(at: float, *, id: str = "o1", event_id: str | None = None, **data: Any) -> Json:
    made = order("ann", at, id=event_id or f"buy-{id}", amount=5000, **data)
    made["data"]["order_id"] = id
    return made


def about(kind: str, at: float, *, id: str = "o1", **data: Any) -> Json:
    return event("ann", f"order.{kind}", at, id=f"{kind}-{at}", order_id=id, **data)


def money(amount: int, currency: str = "EUR") -> Json:
    return {"amount": amount, "currency": currency}


CASES: Final[dict[str, list[tuple[Json, tuple[str, str | None]]]]] = {
    "a refund of an order that nobody knows": [
        (about("refunded", 1, amount=money(500)), waits(NoEffect.ORDER_UNKNOWN))
    ],
    "a cancellation of an order that nobody knows": [
        (about("cancelled", 1), waits(NoEffect.ORDER_UNKNOWN))
    ],
    "a refund that several orders may mean": [
        ({**bought(0, event_id="de"), "source": "/de"}, TAKEN),
        ({**bought(0, event_id="at"), "source": "/at"}, TAKEN),
        (about("refunded", 1, amount=money(500)), waits(NoEffect.ORDER_AMBIGUOUS)),
    ],
    "an update of an order that nobody knows": [
        (about("updated", 1, total=money(500)), told(NoEffect.ORDER_UNKNOWN))
    ],
    "a refund in another currency": [
        (bought(0), TAKEN),
        (about("refunded", 1, amount=money(500, "USD")), told(NoEffect.OTHER_CURRENCY)),
    ],
    "a refund that was told twice": [
        (bought(0), TAKEN),
        (about("refunded", 1, amount=money(500), refund_id="r1"), TAKEN),
        (
            about("refunded", 2, amount=money(500), refund_id="r1"),
            told(NoEffect.REFUND_REPEATED),
        ),
    ],
    "a refund that was never made, withdrawn": [
        (bought(0), TAKEN),
        (about("refund_withdrawn", 1, refund_id="r9"), told(NoEffect.REFUND_UNKNOWN)),
    ],
    "an order that was told twice": [
        (bought(0), TAKEN),
        (bought(1, event_id="again"), told(NoEffect.UNCHANGED)),
    ],
    "a refund of nothing that is left": [
        (bought(0), TAKEN),
        (about("cancelled", 1), TAKEN),
        (about("refunded", 2), told(NoEffect.NOTHING_LEFT)),
    ],
    "an unmerge of an id that was never merged": [
        (bought(0), TAKEN),
        (event("ann", "customer.unmerged", 1), told(NOT_MERGED)),
        (bought(2, id="o2"), TAKEN),
        (bought(1, id="o3"), TAKEN),
    ],
    "a test": [(bought(0), TAKEN), (bought(1, id="o2", test=True), ("test", None))],
}


@pytest.mark.parametrize("name", CASES)
async def test_what_changes_nothing_is_told_with_the_reason(
    name: str, stack: Stack, blank: str
) -> None:
    case = CASES[name]
    before = _metric()
    async with worker(stack, blank), client(stack, blank) as api:
        for sent, _ in case:
            await happen(stack, blank, [sent])
        found = await effects(api)
        counts = await counted(api)
        await publish(stack.bootstrap, [tick(5)])
        await settled(stack, blank, "lifecycle")
    assert found == {sent["id"]: effect for sent, effect in case}
    expected = Counter(effect for _, effect in case if effect[1] is not None)
    assert counts == expected
    assert _metric() - before == Counter(reason for _, reason in expected.elements())


async def test_the_last_reason_holds_whatever_came_first(stack: Stack, blank: str) -> None:
    refund = about("refunded", 2, amount=money(500), refund_id="r1")
    async with worker(stack, blank), client(stack, blank) as api:
        await happen(stack, blank, [refund, about("cancelled", 3, id="o2")])
        assert await counted(api) == Counter({waits(NoEffect.ORDER_UNKNOWN): 2})
        await happen(stack, blank, [bought(1)])
        assert (await effects(api))[refund["id"]] == TAKEN
        assert await counted(api) == Counter({waits(NoEffect.ORDER_UNKNOWN): 1})
        earlier = about("refunded", 1.5, amount=money(500), refund_id="r1")
        await happen(stack, blank, [earlier])
        assert (await effects(api))[earlier["id"]] == TAKEN
        assert (await effects(api))[refund["id"]] == told(NoEffect.REFUND_REPEATED)


async def test_what_a_merge_brings_over_is_told_of_the_customer_who_stays(
    stack: Stack, blank: str
) -> None:
    refund = {**about("refunded", 1, amount=money(500)), "subject": "old"}
    async with worker(stack, blank), client(stack, blank) as api:
        await happen(stack, blank, [bought(0, id="o2"), refund])
        await happen(stack, blank, [event("old", "customer.merged", 2, into="ann")])
        assert (await effects(api))[refund["id"]] == waits(NoEffect.ORDER_UNKNOWN)
        assert await counted(api) == Counter({waits(NoEffect.ORDER_UNKNOWN): 1})


async def happen(stack: Stack, database: str, events: Sequence[Json]) -> None:
    await publish(stack.bootstrap, events)
    await settled(stack, database, "lifecycle")


async def effects(api: httpx.AsyncClient) -> dict[str, tuple[str, str | None]]:
    """The effect of each event of the time line, and the reason."""
    answer = await api.get("/v1/customers/ann/timeline")
    assert answer.status_code == 200, answer.text
    items = [item for item in answer.json()["items"] if item["kind"] == "event"]
    assert all((item["reason"] is None) == (item["because"] is None) for item in items)
    return {item["id"]: (item["effect"], item["reason"]) for item in items}


async def counted(api: httpx.AsyncClient) -> Counter[tuple[str, str]]:
    found = (await api.get("/v1/events/without-effect/counts")).json()
    return Counter(
        {
            (effect, reason): n
            for effect in ("without_effect", "waiting")
            for reason, n in found[effect].items()
        }
    )


def _metric() -> Counter[str]:
    samples = [sample for metric in REGISTRY.collect() for sample in metric.samples]
    return Counter(
        {
            sample.labels["reason"]: int(sample.value)
            for sample in samples
            if sample.name == "stammkunde_events_without_effect_total"
        }
    )
