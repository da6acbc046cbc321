"""A customer whose fold fails is parked: nothing is lost, nobody else waits, a release mends it."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from services.reactivation.cases import recomputation
from services.reactivation.domain.cases import Terms
from services.reactivation.domain.fold import fold_history
from services.reactivation.domain.history import History
from services.reactivation.events import RELEASED
from shared.ids import partition_of
from shared.instants import render
from shared.kafka.topics import WINBACK_EVENTS
from tests.support.builders import control, day, event, order, tick
from tests.support.fresh_servers import PARTITIONS, eventually
from tests.support.lifecycle_worker import on
from tests.support.pipeline import publish, rows, settled
from tests.support.reactivation_worker import (
    api,
    case_of,
    changed,
    corrected,
    facts,
    run,
    send,
    transition,
    worker,
)
from tests.support.server_stack import Stack


class Fault:
    """A rule that fails on some histories, as long as it is there."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, fails: Callable[[History, Any], bool]
    ) -> None:
        self.present = True

        def fold(history: History, terms: Terms, until: Any, **more: Any) -> Any:
            if self.present and fails(history, until):
                raise ZeroDivisionError("a bug")
            return fold_history(history, terms, until, **more)

        monkeypatch.setattr(recomputation, "fold_history", fold)


async def waiting(database: str) -> int:
    query = """
        SELECT count(*) AS n FROM reactivation.dead_letter
        WHERE customer = 'bad' AND reason = 'parked'
    """
    found: int = (await rows(database, query))[0]["n"]
    return found


async def parked(database: str, customer: str) -> str | None:
    (row,) = await rows(
        database, "SELECT parked FROM reactivation.customer WHERE customer = $1", customer
    )
    found: str | None = row["parked"]
    return found


async def state(database: str, customer: str) -> Any:
    found = await rows(
        database,
        "SELECT state, ended_at FROM reactivation.winback_case WHERE customer = $1",
        customer,
    )
    return [tuple(row) for row in found]


async def told(stack: Stack, customer: str) -> list[tuple[str, datetime]]:
    return [
        (each.type, each.time) for each in await facts(stack, customer) if each.type != RELEASED
    ]


async def release(stack: Stack, database: str, customer: str) -> None:
    await publish(stack.bootstrap, [event(customer, RELEASED, 0)], topic=WINBACK_EVENTS)
    await run(stack, database)


async def test_a_parked_customers_records_wait_and_release_folds_them_in_event_time_order(
    stack: Stack, blank: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault = Fault(
        monkeypatch, lambda history, _: history.customer == "bad" and bool(history.orders)
    )
    good = on(partition_of("bad", PARTITIONS), "good")
    async with worker(stack, blank, timers_per_batch=1), api(stack, blank) as client:
        await send(stack, transitions=[changed("bad", 1, 180), changed(good, 1, 181)])
        await settled(stack, blank, "reactivation")
        await send(stack, events=[order("bad", 200), order("stranger", 200)])
        await settled(stack, blank, "reactivation")
        await send(stack, events=[order("bad", 190, id="back")])
        await send(stack, events=[tick(300)], transitions=[tick(300)])
        await settled(stack, blank, "reactivation")

        assert await waiting(blank) == 2
        assert not await rows(
            blank, "SELECT 1 FROM reactivation.order_event WHERE customer = 'bad'"
        ), "kept, or waiting"
        shown = await case_of(client, "bad")
        assert (shown["parked"], shown["state"]) == (True, "offered"), "its deadlines rest, too"
        shown = await case_of(client, good)
        assert (shown["parked"], shown["state"]) == (False, "expired"), (
            "though due behind the one that rests"
        )
        assert (await client.post(f"/v1/customers/{good}/release")).json()["code"] == "not_parked"
        assert (await client.post("/v1/customers/nobody/release")).json()[
            "code"
        ] == "unknown_customer"

        assert (await client.post("/v1/customers/bad/release")).status_code == 202
        await settled(stack, blank, "reactivation")
        assert await waiting(blank) == 2, (
            "released too early, it is parked again and nothing is lost"
        )
        reason = await parked(blank, "bad")
        assert reason is not None
        assert reason.startswith("ZeroDivisionError at ")

        fault.present = False
        await send(stack, events=[order("bad", 205)])
        await settled(stack, blank, "reactivation")
        assert await waiting(blank) == 3, "still parked, though the fault is gone"
        assert (await client.post("/v1/customers/bad/release")).status_code == 202

        async def folded() -> bool:
            return (await case_of(client, "bad"))["parked"] is False

        await eventually(folded)
        shown = await case_of(client, "bad")
    assert (shown["state"], shown["order_id"], shown["closed_at"]) == (
        "won_back",
        "back",
        render(day(190)),
    )
    assert not await rows(blank, "SELECT 1 FROM reactivation.dead_letter")
    assert [kind for kind, _ in await told(stack, "bad")] == [
        "case.opened",
        "offer.made",
        "case.closed",
    ]
    assert {row["epoch"] for row in await rows(blank, "SELECT epoch FROM reactivation.owner")} == {
        1
    }


async def test_a_fault_in_a_deadline_parks_as_well(
    stack: Stack, blank: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault = Fault(
        monkeypatch, lambda history, until: history.customer == "bad" and until > day(205)
    )
    await send(stack, transitions=[changed("bad", 1, 180), changed("good", 1, 180)])
    await run(stack, blank)
    await send(stack, events=[tick(220), tick(221)], transitions=[tick(220), tick(221)])
    await run(stack, blank)
    assert await state(blank, "bad") == [("offered", None)]
    assert await state(blank, "good") == [("expired", day(210))]
    fault.present = False
    await release(stack, blank, "bad")
    assert await state(blank, "bad") == [("expired", day(210))]
    assert await parked(blank, "bad") is None


async def test_a_first_lapse_that_cannot_be_folded_waits_with_the_correction_that_undoes_it(
    stack: Stack, blank: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault = Fault(monkeypatch, lambda history, _: history.customer == "bad")
    await send(stack, transitions=[changed("bad", 1, 180), changed("good", 1, 180)])
    await run(stack, blank)
    assert await state(blank, "good") == [("offered", None)], "in the same batch"
    again = transition("bad", 2, 185)
    await send(stack, transitions=[corrected("bad", 2, 190, withdrawn=[1], added=[again])])
    await run(stack, blank)
    assert (await waiting(blank), await state(blank, "bad")) == (2, [])
    fault.present = False
    await release(stack, blank, "bad")
    assert (await waiting(blank), await state(blank, "bad")) == (0, [("offered", None)])
    assert await told(stack, "bad") == [("case.opened", day(185)), ("offer.made", day(185))]


async def test_a_record_and_the_release_behind_it_in_one_batch_lose_nothing(
    stack: Stack, blank: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault = Fault(
        monkeypatch, lambda history, _: history.customer == "bad" and bool(history.orders)
    )
    await send(stack, transitions=[changed("bad", 1, 180)])
    await run(stack, blank)
    await send(stack, events=[order("bad", 190)])
    await run(stack, blank)
    assert await waiting(blank) == 1
    fault.present = False
    await send(stack, events=[order("bad", 185, id="back"), order("bad", 195)])
    await publish(stack.bootstrap, [event("bad", RELEASED, 0)] * 2, topic=WINBACK_EVENTS)
    await run(stack, blank)
    assert await state(blank, "bad") == [("won_back", day(185))]
    assert len(await rows(blank, "SELECT 1 FROM reactivation.order_event")) == 3
    assert not await rows(blank, "SELECT 1 FROM reactivation.dead_letter")


async def test_the_code_of_a_parked_customer_is_used_and_the_case_follows_with_the_release(
    stack: Stack, blank: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault = Fault(
        monkeypatch,
        lambda history, _: any(c.offer and c.offer.confirmations for c in history.cases.values()),
    )
    await send(stack, transitions=[changed("bad", 1, 180), changed("known", 1, 180)])
    await send(stack, events=[tick(190)], transitions=[tick(190)])
    await run(stack, blank)
    await rows(blank, "UPDATE reactivation.customer SET parked = 'a bug' WHERE customer = 'known'")
    async with api(stack, blank) as client:
        for customer in ("bad", "known"):
            code = (await case_of(client, customer))["offer"]["code"]
            body = {"customer": customer, "order_id": "o1"}
            assert (await client.post(f"/v1/offers/{code}/reserve", json=body)).status_code == 200
            used = await client.post(f"/v1/offers/{code}/confirm", json=body)
            assert (used.status_code, used.json()["state"]) == (200, "redeemed")
            assert (used.json()["case_state"], used.json()["parked"]) == ("offered", True)
    assert await parked(blank, "known") == "a bug"
    fault.present = False
    for customer in ("bad", "known"):
        await release(stack, blank, customer)
        assert await state(blank, customer) == [("won_back", day(190))]


async def test_an_import_holds_old_deadlines_back(stack: Stack, blank: str) -> None:
    await send(stack, events=[tick(400)], transitions=[tick(400)])
    await run(stack, blank)
    old = "old"
    quiet = on(partition_of(old, PARTITIONS), "quiet")
    lapses = [
        changed(customer, 1, 330, to="former", rule="relationship_ended")
        for customer in (old, quiet)
    ]
    await send(stack, events=[control("import.started", 400)])
    await run(stack, blank)
    await send(stack, transitions=[*lapses, changed("young", 1, 380)])
    await run(stack, blank)
    await send(stack, events=[tick(420)], transitions=[tick(420)])
    await run(stack, blank, timers_per_batch=1)
    assert await state(blank, "young") == [("expired", day(410))]
    assert await state(blank, quiet) == [("offered", None)], (
        "due on day 360, before the import began on day 400"
    )
    await send(stack, events=[order(old, 340, id="imported"), control("import.finished", 420)])
    await run(stack, blank)
    assert await state(blank, old) == [("won_back", day(340))]
    await send(stack, events=[tick(421)], transitions=[tick(421)])
    await run(stack, blank)
    assert await state(blank, quiet) == [("expired", day(360))]
    assert [kind for kind, _ in await told(stack, old)] == [
        "case.opened",
        "offer.made",
        "case.closed",
    ]
