"""Runs of simulations on a real PostgreSQL: in turn, cancelled, crashed, repeated, listed."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, Final
from uuid import UUID, uuid4

import asyncpg
import httpx
import psutil
import pytest

from services.lifecycle.domain.fold import Folded, fold
from services.lifecycle.simulations import process as simulation_process
from shared.database.leases import hold
from shared.ids import hash64
from tests.support.builders import day, order
from tests.support.fresh_servers import eventually
from tests.support.pipeline import rows
from tests.support.policy_shop import Shop, day_text, new_shop, problem_of
from tests.support.server_stack import Stack
from tests.support.simulation_shop import (
    Raw,
    api,
    matrix,
    request_simulation,
    store_lives,
    wait_until_ended,
)

REQUEST: Final[Raw] = {
    "policy": {"name": "strict", "at_risk_days": 30},
    "from": day_text(0),
    "to": day_text(100),
}
RESULT: Final = {("new", "at_risk"): 1}


@pytest.fixture
async def shop(stack: Stack, template: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Shop]:
    """With one customer."""
    async with new_shop(stack, template) as shop:
        monkeypatch.setenv("STAMMKUNDE_DATABASE_URL", shop.url)
        await shop.set_clock(day(0))
        await shop.adopt(None, day(0))
        await store_lives(shop, day(100), {"ada": [order("ada", 50)]})
        yield shop


@pytest.fixture
async def client(stack: Stack, shop: Shop) -> AsyncIterator[httpx.AsyncClient]:
    async with api(stack, shop.url) as found:
        yield found


@asynccontextmanager
async def events_locked(shop: Shop) -> AsyncIterator[None]:
    """Whoever wants to read events waits until the block ends."""
    connection = await asyncpg.connect(shop.url)
    try:
        async with connection.transaction():
            await connection.execute("LOCK TABLE lifecycle.event IN ACCESS EXCLUSIVE MODE")
            yield
    finally:
        await connection.close()


async def wait_for_state(client: httpx.AsyncClient, where: str, state: str) -> Any:
    async def found() -> Any:
        answer = (await client.get(where)).json()
        return answer if answer["state"] == state else None

    return await eventually(found, what=f"{where} is {state}")


async def insert_simulation(shop: Shop, *, state: str = "queued") -> UUID:
    """A simulation that no API process knows of."""
    id = uuid4()
    await rows(
        shop.url,
        "INSERT INTO lifecycle.simulation (id, request, policy, begins, ends, created_at, state)"
        " VALUES ($1, '', '{}', $2, $3, $3, $4)",
        id,
        day(0),
        day(100),
        state,
    )
    return id


def processes(where: str) -> list[psutil.Process]:
    """The processes of a simulation; one that has just ended has no command line any more."""
    id, found = where.rsplit("/", 1)[1], list[psutil.Process]()
    for child in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):
            if id in child.cmdline():
                found.append(child)
    return found


async def wait_until_gone(where: str) -> None:
    await eventually(lambda: not processes(where), what="its process has gone")


async def test_one_runs_at_a_time_and_the_others_in_the_order_in_which_they_were_asked_for(
    shop: Shop, client: httpx.AsyncClient
) -> None:
    async with events_locked(shop):
        first, *others = [await request_simulation(client, **REQUEST) for _ in range(3)]
        running = await wait_for_state(client, first, "running")
        assert (running["started_at"] is not None, running["ended_at"], running["report"]) == (
            True,
            None,
            None,
        )
        assert [(await client.get(other)).json()["state"] for other in others] == [
            "queued",
            "queued",
        ]
        (process,) = processes(first)
        assert process.nice() > psutil.Process().nice()
    found = [await wait_until_ended(client, where) for where in (first, *others)]
    assert [matrix(one["report"]) for one in found] == [RESULT] * 3
    ends = [one["ended_at"] for one in found]
    assert ends == sorted(ends)


async def test_it_tells_how_far_it_is(shop: Shop, client: httpx.AsyncClient) -> None:
    async with events_locked(shop):
        where = await request_simulation(client, **REQUEST)
        assert (await client.get(where)).json()["progress"] == {
            "done": 0,
            "total": None,
            "events": 0,
        }
        await wait_for_state(client, where, "running")
    assert (await wait_until_ended(client, where))["progress"] == {
        "done": 1,
        "total": 1,
        "events": 1,
    }


async def test_a_cancelled_simulation_ends_at_once_and_the_next_one_begins(
    shop: Shop, client: httpx.AsyncClient
) -> None:
    async with events_locked(shop):
        first = await request_simulation(client, **REQUEST)
        second = await request_simulation(client, **REQUEST)
        await wait_for_state(client, first, "running")
        cancelled = (await client.post(f"{first}/cancel")).json()
        assert (cancelled["state"], cancelled["reason"], cancelled["report"]) == (
            "cancelled",
            None,
            None,
        )
        assert (await client.post(f"{first}/cancel")).json() == cancelled, "again changes nothing"
        await wait_until_gone(first)
        await wait_for_state(client, second, "running")
    assert (await wait_until_ended(client, second))["state"] == "done"
    assert (await client.get(first)).json() == cancelled


async def test_one_that_waits_is_cancelled_and_one_that_is_done_stays_done(
    shop: Shop, client: httpx.AsyncClient
) -> None:
    async with events_locked(shop):
        first = await request_simulation(client, **REQUEST)
        second = await request_simulation(client, **REQUEST)
        await wait_for_state(client, first, "running")
        assert (await client.post(f"{second}/cancel")).json()["state"] == "cancelled"
    done = await wait_until_ended(client, first)
    assert (await client.post(f"{first}/cancel")).json() == done
    assert (await client.get(second)).json()["started_at"] is None


async def test_a_process_that_was_not_told_sees_that_it_is_not_wanted(
    shop: Shop, client: httpx.AsyncClient
) -> None:
    """As when another API process, which has not started it, cancels it."""
    async with events_locked(shop):
        where = await request_simulation(client, **REQUEST)
        await wait_for_state(client, where, "running")
        await rows(
            shop.url, "UPDATE lifecycle.simulation SET state = 'cancelled', ended_at = created_at"
        )
    await wait_until_gone(where)
    found = (await client.get(where)).json()
    assert (found["state"], found["report"]) == ("cancelled", None)


async def test_the_crash_of_its_process_is_told_and_the_next_one_begins(
    shop: Shop, client: httpx.AsyncClient
) -> None:
    async with events_locked(shop):
        first = await request_simulation(client, **REQUEST)
        second = await request_simulation(client, **REQUEST)
        await wait_for_state(client, first, "running")
        processes(first)[0].kill()
        failed = await wait_for_state(client, first, "failed")
        assert failed["reason"] == "its process ended with SIGKILL"
    assert matrix((await wait_until_ended(client, second))["report"]) == RESULT


async def test_what_goes_wrong_is_told(shop: Shop, client: httpx.AsyncClient) -> None:
    await rows(shop.url, "UPDATE lifecycle.event SET body = '{'")
    failed = await wait_until_ended(client, await request_simulation(client, **REQUEST))
    assert failed["state"] == "failed"
    assert failed["reason"].startswith("undecodable: ")
    assert failed["reason"].endswith(f"(customer with key {hash64('ada')})")


async def test_when_the_service_stops_so_does_what_runs_and_the_queue_is_worked_off_after_the_start(
    stack: Stack, shop: Shop
) -> None:
    async with events_locked(shop):
        async with api(stack, shop.url) as client:
            first = await request_simulation(client, **REQUEST)
            second = await request_simulation(client, **REQUEST)
            await wait_for_state(client, first, "running")
            (process,) = processes(first)
        assert not process.is_running()
    async with api(stack, shop.url) as client:
        failed = (await client.get(first)).json()
        assert (failed["state"], "the service was stopped" in failed["reason"]) == ("failed", True)
        assert matrix((await wait_until_ended(client, second))["report"]) == RESULT


async def test_one_whose_process_died_with_the_service_is_found_after_the_start(
    stack: Stack, shop: Shop
) -> None:
    async with events_locked(shop):
        async with api(stack, shop.url) as client:
            where = await request_simulation(client, **REQUEST)
            await wait_for_state(client, where, "running")
        await rows(
            shop.url,
            "UPDATE lifecycle.simulation SET state = 'running', reason = NULL, ended_at = NULL",
        )
    async with api(stack, shop.url) as client:
        failed = await wait_until_ended(client, where)
        assert (failed["state"], "ended without a word" in failed["reason"]) == (
            "failed",
            True,
        )


async def test_one_that_another_service_process_runs_is_left_alone(
    stack: Stack, shop: Shop
) -> None:
    async with api(stack, shop.url) as client, events_locked(shop):
        where = await request_simulation(client, **REQUEST)
        await wait_for_state(client, where, "running")
        left_behind = await insert_simulation(shop, state="running")
        async with api(stack, shop.url) as other:
            await wait_for_state(other, f"/v1/simulations/{left_behind}", "failed")
            assert (await other.get(where)).json()["state"] == "running"


async def test_its_process_ends_with_the_one_that_has_started_it(shop: Shop) -> None:
    async with events_locked(shop):
        id = await insert_simulation(shop)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "services.lifecycle.simulations.process",
            str(id),
            "--leashed",
            stdin=asyncio.subprocess.PIPE,
        )

        async def running() -> bool:
            return bool(
                await rows(shop.url, "SELECT FROM lifecycle.simulation WHERE state = 'running'")
            )

        await eventually(running)
        assert process.stdin is not None
        process.stdin.close()
        assert await asyncio.wait_for(process.wait(), 10) == 1


async def test_it_keeps_its_lease_however_long_its_customers_take(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with many events each, or on a machine that is busy with other things."""

    def slow_fold(*args: Any, **options: Any) -> Folded:
        time.sleep(0.02)
        return fold(*args, **options)

    monkeypatch.setattr(simulation_process, "fold", slow_fold)
    monkeypatch.setattr(simulation_process, "hold", partial(hold, term_s=1.0))
    customers = [f"c{number}" for number in range(100)]
    await store_lives(shop, day(100), {one: [order(one, 50)] for one in customers})
    id = await insert_simulation(shop)
    assert await simulation_process.simulate(shop.url, id) == 0
    (found,) = await rows(shop.url, "SELECT state, done FROM lifecycle.simulation")
    assert tuple(found) == ("done", len(customers) + 1)
    assert not await rows(shop.url, "SELECT FROM lifecycle.lease")


async def test_with_an_idempotency_key_it_is_asked_for_once(client: httpx.AsyncClient) -> None:
    key = {"Idempotency-Key": "k-1"}
    answers = [await client.post("/v1/simulations", json=REQUEST, headers=key) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert len({answer.headers["location"] for answer in answers}) == 1
    other = await client.post("/v1/simulations", json={**REQUEST, "from": day_text(1)}, headers=key)
    assert problem_of(other) == (422, "idempotency_key_reused", ["Idempotency-Key"])
    assert await request_simulation(client, **REQUEST) != answers[0].headers["location"]
    assert len((await client.get("/v1/simulations")).json()["items"]) == 2


async def test_a_simulation_is_sent_again_once_it_has_moved(client: httpx.AsyncClient) -> None:
    where = await request_simulation(client, **REQUEST)
    await wait_until_ended(client, where)
    known = {"If-None-Match": (await client.get(where)).headers["etag"]}
    assert (await client.get(where, headers=known)).status_code == 304
    assert (
        await client.get(await request_simulation(client, **REQUEST), headers=known)
    ).status_code == 200, "another one"


async def test_all_are_listed_the_latest_first_without_reports(client: httpx.AsyncClient) -> None:
    made = [await request_simulation(client, **REQUEST) for _ in range(3)]
    last = await wait_until_ended(client, made[-1])
    first = (await client.get("/v1/simulations", params={"limit": 2})).json()
    rest = (
        await client.get("/v1/simulations", params={"limit": 2, "cursor": first["next_cursor"]})
    ).json()
    listed = [*first["items"], *rest["items"]]
    assert [f"/v1/simulations/{item['id']}" for item in listed] == made[::-1]
    assert listed[0] == {name: value for name, value in last.items() if name != "report"}
    assert rest["next_cursor"] is None
