"""Fits of the cadence model from stored orders: what they read, keep and judge, and when."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import Any, Final

import httpx
import msgspec
import pytest

from services.lifecycle import app
from services.lifecycle.batch.handler import LifecycleHandler
from services.lifecycle.batch.schedule_watch import PolicyFile
from services.lifecycle.cadence import estimation, repository
from services.lifecycle.cadence.fitter import Fitter
from services.lifecycle.cadence.nightly import NightlyFit
from services.lifecycle.cadence.repository import FitAttempt
from services.lifecycle.domain.policy.cadence import silence_limit
from services.lifecycle.domain.policy.policy import AUTO, Policy
from services.lifecycle.domain.policy.schedule import Schedule
from services.lifecycle.domain.rules.deadlines import purchase_rhythm
from services.lifecycle.domain.state.customer import Customer
from services.lifecycle.schedule import load_schedule
from services.lifecycle.worker import SUBSCRIPTION
from shared.clock import ClockMode
from shared.database import connection as db
from shared.instants import parse, render
from shared.simulator.shop import Shop, lines, lives
from tests.support.builders import day, event, order, tick
from tests.support.fresh_servers import eventually
from tests.support.http_client import serving
from tests.support.pipeline import publish, rows, running, settled, worker_settings
from tests.support.server_stack import Stack

JUDGING: Final = Policy(name="rhythm", silence=AUTO, act_within_days=1000)
CUSTOMERS: Final = 700
DAYS: Final = 300
ARMED: Final = (
    "SELECT customer, due_at FROM lifecycle.timer WHERE customer <> 'somebody' ORDER BY 1"
)
FIRED: Final = """
SELECT
    customer,
    occurred_at
        - (convert_from(body, 'UTF8')::json -> 'profile' ->> 'last_order_at')::timestamptz AS after
FROM lifecycle.transition WHERE rule = 'silence_begins' AND occurred_at > $1
"""


def worker(stack: Stack, database: str) -> Any:
    config = worker_settings(stack, database)
    return running(
        SUBSCRIPTION, config, lambda reader: LifecycleHandler(reader, config, PolicyFile(JUDGING))
    )


@asynccontextmanager
async def client(stack: Stack, database: str, **settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    made = app.create_app(worker_settings(stack, database, **settings))
    async with serving(made) as found:
        yield found


def purchases(seed: int = 1) -> list[dict[str, Any]]:
    """Everybody first buys in the first weeks, then at a rate of their own until dropping out."""
    random, events = Random(seed), list[dict[str, Any]]()
    for n in range(CUSTOMERS):
        rate, loss, value = (
            random.gammavariate(0.8, 1 / 20),
            random.betavariate(0.8, 2.5),
            random.gammavariate(4, 800),
        )
        at = random.uniform(0, 60)
        while at < DAYS:
            events.append(order(f"c{n}", at, amount=max(1, int(random.gammavariate(5, value / 5)))))
            if random.random() < loss:
                break
            at += random.expovariate(rate)
    return sorted(events, key=lambda made: str(made["time"]))


async def fill(stack: Stack, database: str, events: list[dict[str, Any]], until: float) -> None:
    await publish(stack.bootstrap, [*events, tick(until)])
    await settled(stack, database, "lifecycle")


async def read(api: httpx.AsyncClient, path: str) -> Any:
    answer = await api.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def fit(api: httpx.AsyncClient) -> Any:
    answer = await api.post("/v1/cadence/fits")
    assert answer.status_code == 201, answer.text
    return answer.json()


ODD: Final = [
    order("twice a day", 0),
    order("twice a day", 0.2, id="b"),
    order("twice a day", 10),
    order("told twice", 0, id="a"),
    {**order("told twice", 5, id="a"), "id": "again"},
    order("told twice", 9),
    event("gone before", "order.cancelled", 1, order_id="x"),
    order("gone before", 2, id="x"),
    order("gone before", 7),
    event(
        "refunded before",
        "order.refunded",
        1,
        order_id="y",
        amount={"amount": 400, "currency": "EUR"},
    ),
    event(
        "refunded before",
        "order.refunded",
        2,
        order_id="y",
        amount={"amount": 600, "currency": "EUR"},
    ),
    order("refunded before", 3, id="y"),
    event(
        "partly before",
        "order.refunded",
        1,
        order_id="z",
        amount={"amount": 400, "currency": "EUR"},
    ),
    order("partly before", 3, id="z"),
    event("partly before", "order.cancelled", 4, order_id="z"),
    order("old", 0),
    order("new", 20),
    event("old", "customer.merged", 30, into="new"),
    order("old", 40),
    event("never bought", "page.viewed", 3),
]


@pytest.mark.parametrize("seed", [1, 2])
async def test_stored_orders_tell_the_same_rhythm_as_the_fold(
    stack: Stack, blank: str, seed: int
) -> None:
    shop = Shop(customers=150, months=18, seed=seed, duplicates=0.1, late=0.1)
    simulated = [json.loads(line.json) for life in lives(shop) for line in lines(shop, life)]
    async with worker(stack, blank):
        await publish(stack.bootstrap, [*simulated, *ODD])
        await publish(stack.bootstrap, [tick(shop.ends)])
        await settled(stack, blank, "lifecycle")
    connection = await db.connect(blank, "lifecycle")
    try:
        found = {
            found[:3]: found.customers
            for found in await repository.histories(connection, shop.ends)
        }
    finally:
        await connection.close()
    expected = Counter[tuple[int, int, int]]()
    for row in await rows(blank, "SELECT state FROM lifecycle.customer WHERE merged_into IS NULL"):
        customer = msgspec.json.decode(row["state"], type=Customer)
        if customer.first_order_at is not None:
            expected[
                (
                    *purchase_rhythm(customer),
                    (shop.ends.date() - customer.first_order_at.date()).days,
                )
            ] += 1
    assert found == expected
    assert expected.total() > 100


async def test_values_are_those_of_the_days_after_the_first_in_one_currency(
    stack: Stack, blank: str
) -> None:
    dollars = order("elsewhere", 3)
    dollars["data"]["total"]["currency"] = "USD"
    async with worker(stack, blank):
        told_twice = {**order("one", 5, id="a", amount=300), "id": "again"}
        events = [
            order("one", 0, amount=9900),
            order("one", 0.1, id="b", amount=9900),
            order("one", 2, id="a", amount=300),
            told_twice,
            order("one", 7, amount=100),
            order("one", 7.1, id="c", amount=200),
            order("one", 30, amount=1),
            order("once", 1),
            order("free", 1),
            order("free", 2, amount=0),
            order("elsewhere", 1),
            dollars,
        ]
        await fill(stack, blank, events, 20)
    connection = await db.connect(blank, "lifecycle")
    try:
        assert await repository.values(connection, day(20), "EUR") == [(2, 300.0)]
        assert await repository.values(connection, day(20), "USD") == [(1, 1000.0)]
    finally:
        await connection.close()


async def test_a_fit_is_made_kept_and_seen_with_what_it_expects_of_customers(
    stack: Stack, blank: str
) -> None:
    async with worker(stack, blank), client(stack, blank) as api:
        await fill(stack, blank, purchases(), DAYS)
        before = await read(api, "/v1/cadence")
        assert (before["silence"], before["in_force"], before["last"]) == ("auto", None, None)
        assert (await read(api, "/v1/customers/c1"))["outlook"] is None

        made = await fit(api)
        assert (made["accepted"], made["reason"], made["customers"]) == (True, None, CUSTOMERS)
        assert (made["effective_at"], made["made_at"]) == (render(day(DAYS)), render(day(DAYS)))
        assert made["parameters"]["currency"] == "EUR"
        assert all(
            made["parameters"][name] > 0 for name in ("r", "alpha", "a", "b", "p", "q", "gamma")
        )
        assert made["parameters"]["log_likelihood"] < 0

        seen = await read(api, "/v1/cadence")
        assert (seen["in_force"], seen["last"], seen["as_of"]) == (made, made, render(day(DAYS)))
        assert seen["guards"] == {"customers": 500, "repeats": 200, "drop_out": 0.001}

        outlook = (await read(api, "/v1/customers/c1"))["outlook"]
        assert outlook["fit"] == made["version"]
        assert 0 < outlook["p_alive"] < 1
        assert 0 < outlook["p_no_purchase"] < 1
        assert outlook["clv"] > 0 < outlook["expected_value"]


async def test_a_refused_fit_is_kept_with_its_reason_and_the_last_accepted_one_stays_in_force(
    stack: Stack, blank: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with worker(stack, blank), client(stack, blank) as api:
        refused = await fit(api)
        assert (refused["accepted"], refused["parameters"]) == (False, None)
        assert refused["reason"] == "only 0 customers, 500 are needed"
        assert (await api.get("/v1/cadence/comparison")).json()["code"] == "no_fit"

        await fill(stack, blank, purchases(), DAYS)
        accepted = await fit(api)
        monkeypatch.setattr(estimation, "LEAST_REPEATS", 10**6)
        again = await fit(api)
        assert "repeat purchases, 1000000 are needed" in again["reason"]
        seen = await read(api, "/v1/cadence")
        assert (seen["in_force"], seen["last"]) == (accepted, again)

        first = await read(api, "/v1/cadence/fits?limit=2")
        second = await read(api, f"/v1/cadence/fits?limit=2&cursor={first['next_cursor']}")
        assert first["items"] + second["items"] == [again, accepted, refused]
        assert second["next_cursor"] is None
        assert refused["version"] < accepted["version"] < again["version"]


async def test_values_in_another_currency_than_the_policys_are_not_known(
    stack: Stack, blank: str
) -> None:
    events = purchases()
    for made in events:
        made["data"]["total"]["currency"] = "USD"
    async with worker(stack, blank), client(stack, blank) as api:
        await fill(stack, blank, events, DAYS)
        made = await fit(api)
        assert (made["accepted"], made["parameters"]["p"], made["parameters"]["currency"]) == (
            True,
            None,
            None,
        )
        assert (
            made["parameters"]["no_values"]
            == "only 0 repeat purchases of some value, 200 are needed"
        )
        assert (await read(api, "/v1/customers/c1"))["outlook"]["clv"] is None


async def test_a_new_fit_rearms_nobody_and_judges_from_the_next_purchase_on(
    stack: Stack, blank: str
) -> None:
    events = purchases()
    ((regular, _),) = Counter(made["subject"] for made in events).most_common(1)
    async with worker(stack, blank), client(stack, blank) as api:
        await fill(stack, blank, events, DAYS)
        armed = await rows(blank, ARMED)
        made = await fit(api)
        await fill(stack, blank, [event("somebody", "page.viewed", DAYS)], DAYS)
        assert await rows(blank, ARMED) == armed, "and the worker has seen the fit"

        await fill(stack, blank, [order(regular, DAYS + 1)], DAYS + 1.001)
        view = await read(api, f"/v1/customers/{regular}")
        (accepted,) = (await stored(blank)).fits
        due = day(DAYS + 1) + max(
            silence_limit(accepted, *await rhythm_of(blank, regular), 180, 0.65), timedelta(days=30)
        )
        assert accepted.version == made["version"]
        assert due != day(DAYS + 1 + JUDGING.at_risk_days)
        assert (view["next_transition"]["rule"], view["next_transition"]["at"]) == (
            "silence_begins",
            render(due),
        )

        await fill(stack, blank, [], DAYS + JUDGING.at_risk_days)
        fired = await rows(blank, FIRED, day(DAYS))
    found = {row["customer"]: row["after"] for row in fired}
    assert len(found) > 50
    assert found.pop(regular, None) == due - day(DAYS + 1)
    assert set(found.values()) == {JUDGING.at_risk}


async def stored(database: str) -> Schedule:
    connection = await db.connect(database, "lifecycle")
    try:
        return await load_schedule(connection)
    finally:
        await connection.close()


async def rhythm_of(database: str, customer: str) -> tuple[int, int]:
    (row,) = await rows(
        database, "SELECT state FROM lifecycle.customer WHERE customer = $1", customer
    )
    return purchase_rhythm(msgspec.json.decode(row["state"], type=Customer))


async def test_fixed_days_and_cadence_are_compared_on_the_same_purchases(
    stack: Stack, blank: str
) -> None:
    async with worker(stack, blank), client(stack, blank) as api:
        await fill(
            stack, blank, [made for made in purchases() if parse(made["time"]) < day(100)], 100
        )
        await fit(api)
        await fill(
            stack,
            blank,
            [made for made in purchases() if parse(made["time"]) >= day(100)],
            DAYS + 100,
        )
        found = await read(api, "/v1/cadence/comparison")
        later = await read(api, f"/v1/cadence/comparison?since={render(day(200))}")
    assert found["since"] == render(day(100))
    assert (
        found["purchases"]
        >= found["lost"] + found["returning"]
        > later["lost"] + later["returning"]
        > 0
    )
    for model in ("fixed", "cadence"):
        assert 0 < found[model]["customers_warned"] <= CUSTOMERS
        assert (
            found[model]["false_alarm_share"] == found[model]["false_alarms"] / found["returning"]
        )
    assert found["fixed"]["mean_lead_days"] == 90


async def test_who_asks_while_a_fit_is_made_gets_that_one_from_any_process(
    stack: Stack, blank: str
) -> None:
    async with worker(stack, blank):
        await fill(stack, blank, purchases(), DAYS)
    async with client(stack, blank) as one, client(stack, blank) as other:
        made = await asyncio.gather(*(fit(api) for api in (one, other, one, other)))
        assert len({found["version"] for found in made}) == 1
        assert (await fit(other))["version"] > made[0]["version"]
    assert len(await rows(blank, "SELECT FROM lifecycle.fit")) == 2


@pytest.mark.parametrize("clock", list(ClockMode))
async def test_every_night_has_its_fit_but_in_log_time(
    stack: Stack, blank: str, clock: ClockMode, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = list[FitAttempt]()
    now = day(0)

    def clock_now() -> datetime:
        return now

    class Remembering(Fitter):
        async def fit(self) -> FitAttempt:
            made.append(await super().fit())
            return made[-1]

    monkeypatch.setattr(app, "Fitter", Remembering)

    class Hasty(NightlyFit):
        """Time passes where it would wait, until a fit is made."""

        def pause(self) -> float:
            nonlocal now
            if made:
                return super().pause()
            now += timedelta(seconds=super().pause())
            return 0.0

    monkeypatch.setattr(app, "NightlyFit", partial(Hasty, now=clock_now))
    async with client(stack, blank, clock=clock, fit_hour=2) as api:
        if clock is ClockMode.WALL:
            await eventually(lambda: bool(made), what="the night's fit")
            assert now == day(1).replace(hour=2)
            assert (await read(api, "/v1/cadence"))["last"][
                "reason"
            ] == "only 0 customers, 500 are needed"
        else:
            await asyncio.gather(*(read(api, "/v1/cadence") for _ in range(10)))
    assert (
        len(made)
        == len(await rows(blank, "SELECT FROM lifecycle.fit"))
        == (clock is ClockMode.WALL)
    )
