"""A customer whose fold fails is parked: nothing is lost, and nobody else is disturbed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from services.lifecycle.app import create_app
from services.lifecycle.batch import timers
from services.lifecycle.domain import fold
from services.lifecycle.domain.state.happenings import Happening
from services.lifecycle.events import RELEASED
from shared.ids import partition_of
from shared.kafka.topics import PHASE_TRANSITIONS
from tests.support.builders import day, event, order, tick
from tests.support.fresh_servers import PARTITIONS, eventually
from tests.support.lifecycle_worker import history, on, orders_of, worker
from tests.support.pipeline import publish, published, rows, settled, worker_settings
from tests.support.server_stack import Stack


class Fault:
    """A rule that fails for one customer's events, as long as it is there."""

    def __init__(self, customer: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.present = False
        original = fold.advance

        def advance(state: Any, happening: Happening, policy: Any, orders: Any = None) -> Any:
            if self.present and happening.id.startswith(customer) and state.orders >= 1:
                raise ZeroDivisionError("a bug")
            return original(state, happening, policy, orders)

        monkeypatch.setattr(fold, "advance", advance)


@asynccontextmanager
async def client(stack: Stack, database: str) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(worker_settings(stack, database))
    headers = {"Authorization": "Bearer key-of-the-tests"}
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://api", headers=headers
        ) as found,
    ):
        yield found


async def waiting(database: str) -> int:
    (row,) = await rows(
        database,
        "SELECT count(*) AS n FROM lifecycle.dead_letter"
        " WHERE customer = 'bad' AND reason = 'parked'",
    )
    found: int = row["n"]
    return found


async def rules_published(stack: Stack, customer: str) -> list[str]:
    found = [
        event
        for event in await published(stack.bootstrap, PHASE_TRANSITIONS)
        if event.subject == customer
    ]
    return [event.type for event in found]


async def test_a_parked_customers_events_wait_and_release_folds_them_in_event_time_order(
    stack: Stack, blank: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault, database = Fault("bad", monkeypatch), blank
    good = on(partition_of("bad", PARTITIONS), "good")
    async with worker(stack, database, timers_per_batch=1), client(stack, database) as api:
        await publish(stack.bootstrap, [order("bad", 0), order(good, 0), tick(1)])
        await settled(stack, database, "lifecycle")
        fault.present = True
        await publish(
            stack.bootstrap,
            [order("bad", 20), order(good, 20), order("bad", 10), tick(100), tick(150)],
        )
        await settled(stack, database, "lifecycle")

        assert await waiting(database) == 2
        assert [rule for rule, *_ in await history(database, "bad")] == ["first_purchase"], (
            "its deadlines rest, too"
        )
        assert [rule for rule, *_ in await history(database, good)] == [
            "first_purchase",
            "silence_begins",
        ], "behind"
        assert (await api.get("/v1/customers/bad")).json()["parked"] is True
        assert (await api.get(f"/v1/customers/{good}")).json()["parked"] is False
        assert (await api.post(f"/v1/customers/{good}/release")).status_code == 409
        assert (await api.post("/v1/customers/nobody/release")).status_code == 404

        assert (await api.post("/v1/customers/bad/release")).status_code == 202
        await settled(stack, database, "lifecycle")
        assert await waiting(database) == 2, (
            "released too early, it is parked again and nothing is lost"
        )
        assert (await api.get("/v1/customers/bad")).json()["parked"] is True

        fault.present = False
        await publish(stack.bootstrap, [order("bad", 30)])
        await settled(stack, database, "lifecycle")
        assert await waiting(database) == 3, "still parked, though the fault is gone"
        assert (await api.post("/v1/customers/bad/release")).status_code == 202

        async def folded() -> bool:
            return await orders_of(database, "bad") == 4

        await eventually(folded)
        await publish(stack.bootstrap, [order("bad", 40)])
        await settled(stack, database, "lifecycle")
        shown = (await api.get("/v1/customers/bad")).json()
    assert (shown["parked"], shown["orders"]) == (False, 5)
    assert not await rows(database, "SELECT 1 FROM lifecycle.dead_letter")
    current = [(rule, at) for rule, at, void, _ in await history(database, "bad") if not void]
    assert current == [
        ("first_purchase", day(0)),
        ("habit_formed", day(20)),
        ("silence_begins", day(130)),
    ]
    assert await rules_published(stack, good) == ["phase.changed"] * 2
    epochs = {row["epoch"] for row in await rows(database, "SELECT epoch FROM lifecycle.owner")}
    assert epochs == {1}, "the worker never let go of anything"


async def test_a_fault_in_a_deadline_parks_as_well(
    stack: Stack, blank: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = fold.pass_time

    def pass_time(customer: Any, until: Any, policy: Any) -> Any:
        if customer.orders == 2 and until > day(50):
            raise ZeroDivisionError("a bug")
        return original(customer, until, policy)

    monkeypatch.setattr(timers, "pass_time", pass_time)
    async with worker(stack, blank), client(stack, blank) as api:
        await publish(
            stack.bootstrap,
            [order("bad", 0), order("bad", 1), order("good", 0), tick(100), tick(101)],
        )
        await settled(stack, blank, "lifecycle")
        assert (await api.get("/v1/customers/bad")).json()["parked"] is True
        assert [rule for rule, *_ in await history(blank, "good")] == [
            "first_purchase",
            "silence_begins",
        ]
        monkeypatch.setattr(timers, "pass_time", original)
        assert (await api.post("/v1/customers/bad/release")).status_code == 202

        async def released() -> bool:
            return (await api.get("/v1/customers/bad")).json()["parked"] is False

        await eventually(released)
    assert [rule for rule, *_ in await history(blank, "bad")] == [
        "first_purchase",
        "silence_begins",
    ]


async def test_an_event_and_the_release_behind_it_in_one_batch_lose_nothing(
    stack: Stack, blank: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault = Fault("bad", monkeypatch)
    fault.present = True
    async with worker(stack, blank):
        await publish(stack.bootstrap, [order("bad", 0), order("bad", 1), order("good", 0)])
        await settled(stack, blank, "lifecycle")
    assert await waiting(blank) > 0
    fault.present = False
    release = event("bad", RELEASED, 3)
    await publish(stack.bootstrap, [order("bad", 2), release, order("bad", 4), release])
    async with worker(stack, blank):
        await settled(stack, blank, "lifecycle")
    assert await orders_of(blank, "bad") == 4
    assert not await rows(blank, "SELECT 1 FROM lifecycle.dead_letter")
