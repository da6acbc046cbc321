"""Simulations on a real PostgreSQL: their results, refusals, and that nothing live changes."""

import json
from collections.abc import AsyncIterator
from typing import Any, Final

import httpx
import pytest

from shared.simulator.shop import Shop as Simulated
from shared.simulator.shop import lines
from shared.simulator.shop import lives as simulated_lives
from tests.support.builders import day, event, order, tick
from tests.support.fresh_servers import renew_topics
from tests.support.lifecycle_worker import worker
from tests.support.pipeline import publish, settled
from tests.support.policy_shop import Shop, day_text, new_shop, problem_of
from tests.support.server_stack import Stack
from tests.support.simulation_shop import (
    Raw,
    api,
    contents,
    matrix,
    report_of_simulation,
    request_simulation,
    store_lives,
    wait_until_ended,
)

STRICT: Final = {"name": "strict", "at_risk_days": 30, "inactive_days": 80}
SPAN: Final = {"from": day_text(200), "to": day_text(400)}


@pytest.fixture
async def shop(stack: Stack, template: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Shop]:
    """Judged by the built-in policy."""
    async with new_shop(stack, template) as shop:
        monkeypatch.setenv("STAMMKUNDE_DATABASE_URL", shop.url)
        await shop.set_clock(day(0))
        await shop.adopt(None, day(0))
        yield shop


@pytest.fixture
async def client(stack: Stack, shop: Shop) -> AsyncIterator[httpx.AsyncClient]:
    async with api(stack, shop.url) as found:
        yield found


def buys(customer: str, *at: float) -> list[Raw]:
    return [order(customer, each) for each in at]


def describe_steps(history: list[Any]) -> list[str]:
    return [f"{step['occurred_at'][:10]} {step['rule']} {step['to']}" for step in history]


async def test_of_a_few_customers_it_tells_what_one_reckons_by_hand(
    shop: Shop, client: httpx.AsyncClient
) -> None:
    lives = {
        "ada": buys("ada", 380),
        "ben": buys("ben", 340),
        "cem": buys("cem", 150),
        "dora": buys("dora", 300),
        "eva": [event("eva", "page.viewed", 390)],
        "fay": [event("fay", "consent.granted", 390)],
    }
    await store_lives(shop, day(400), lives)
    before = await contents(shop.url)
    found = await wait_until_ended(client, await request_simulation(client, policy=STRICT, **SPAN))
    assert await contents(shop.url) == before
    report = found["report"]
    assert (found["state"], found["reason"], found["progress"]) == (
        "done",
        None,
        {"done": 6, "total": 6, "events": 6},
    )
    assert (report["customers"], report["events"], report["differing"], report["unsettled"]) == (
        5,
        6,
        3,
        0,
    )
    assert matrix(report) == {
        ("new", "new"): 1,
        ("new", "at_risk"): 1,
        ("at_risk", "inactive"): 1,
        ("inactive", "inactive"): 1,
        ("prospect", "prospect"): 1,
    }
    assert report["entered"] == [
        {"phase": "inactive", "live": 1, "candidate": 2},
        {"phase": "former", "live": 0, "candidate": 0},
    ]
    assert {
        (row["rule"], row["month"]): (row["live"], row["candidate"])
        for row in report["transitions"]
    } == {
        ("first_contact", "2025-01"): (1, 1),
        ("first_purchase", "2024-10"): (1, 1),
        ("first_purchase", "2024-12"): (1, 1),
        ("first_purchase", "2025-01"): (1, 1),
        ("silence_begins", "2024-08"): (1, 0),
        ("silence_begins", "2024-07"): (0, 1),
        ("silence_begins", "2024-11"): (0, 1),
        ("silence_begins", "2025-01"): (1, 1),
        ("fell_silent", "2024-11"): (1, 0),
        ("fell_silent", "2024-08"): (0, 1),
        ("fell_silent", "2025-01"): (0, 1),
    }


async def test_a_customer_who_differs_is_shown_with_both_histories(
    shop: Shop, client: httpx.AsyncClient
) -> None:
    await store_lives(shop, day(400), {"cem": buys("cem", 150)})
    (example,) = (await report_of_simulation(client, policy=STRICT, **SPAN))["examples"]
    assert (example["customer"], example["alike"]) == ("cem", 1)
    assert describe_steps(example["live"]) == [
        "2024-05-30 first_purchase new",
        "2024-08-28 silence_begins at_risk",
        "2024-11-26 fell_silent inactive",
    ]
    assert describe_steps(example["candidate"]) == [
        "2024-05-30 first_purchase new",
        "2024-07-19 silence_begins at_risk",
        "2024-08-18 fell_silent inactive",
    ], "at risk as soon as the candidate judges: day 200"


async def test_what_happens_after_the_end_counts_for_neither(
    shop: Shop, client: httpx.AsyncClient
) -> None:
    await store_lives(shop, day(400), {"ada": buys("ada", 210, 390)})
    report = await report_of_simulation(
        client, policy=STRICT, **{"from": day_text(200), "to": day_text(299)}
    )
    assert (report["events"], matrix(report)) == (1, {("new", "inactive"): 1})


async def test_a_candidate_for_a_kind_of_account_is_tried_on_its_customers(
    shop: Shop, client: httpx.AsyncClient
) -> None:
    firms = {
        name: event(name, "customer.signed_up", 200, account="b2b") for name in ("acme", "born")
    }
    lives = {
        "ada": buys("ada", 340),
        **{name: [signed, *buys(name, 340)] for name, signed in firms.items()},
    }
    await store_lives(shop, day(400), lives)
    for policy, account, expected in [
        ({**STRICT, "account": "b2b"}, None, {("new", "new"): 1, ("new", "at_risk"): 2}),
        ({**STRICT, "account": "b2b"}, "b2b", {("new", "at_risk"): 2}),
        (STRICT, "b2b", {("new", "at_risk"): 2}),
        (STRICT, "b2c", {}),
        (STRICT, None, {("new", "at_risk"): 3}),
    ]:
        report = await report_of_simulation(client, policy=policy, account=account, **SPAN)
        assert matrix(report) == expected, (policy, account)


async def test_a_stored_policy_is_named_and_what_was_activated_after_the_beginning_is_left_out(
    shop: Shop, client: httpx.AsyncClient
) -> None:
    await client.post("/v1/policies", json={**STRICT, "version": 3})
    await client.post("/v1/policies", json={"name": "patient", "at_risk_days": 150})
    await client.post("/v1/policies/patient/1/activate", json={"at": day_text(250)})
    await store_lives(shop, day(400), {"ada": buys("ada", 290)})
    found = await wait_until_ended(
        client, await request_simulation(client, policy={"name": "strict", "version": 3}, **SPAN)
    )
    assert found["policy"]["inactive_days"] == 80
    assert matrix(found["report"]) == {("new", "inactive"): 1}
    report = await report_of_simulation(
        client, policy=STRICT, **{"from": day_text(300), "to": day_text(400)}
    )
    assert matrix(report) == {("new", "inactive"): 1}
    report = await report_of_simulation(client, policy={"name": "default", "version": 1}, **SPAN)
    assert matrix(report) == {("new", "at_risk"): 1}


@pytest.mark.parametrize("seed", [1, 2])
async def test_the_policy_in_force_makes_no_difference_to_what_the_worker_has_recorded(
    stack: Stack, shop: Shop, seed: int, client: httpx.AsyncClient
) -> None:
    """A simulated shop with duplicates, late events and merges; histories have corrections."""
    await renew_topics(stack.bootstrap)
    made = Simulated(customers=60, months=12, seed=seed, duplicates=0.05, late=0.2, late_days=20)
    arriving = sorted(line for life in simulated_lives(made) for line in lines(made, life))
    await publish(stack.bootstrap, [*(json.loads(line.json) for line in arriving), tick(made.ends)])
    async with worker(stack, shop.url):
        await settled(stack, shop.url, "lifecycle", within_s=60)
    (*_, (name, version, _)) = await shop.activated()
    before = await contents(shop.url)
    for begin in ("2023-01-01T00:00:00Z", "2023-07-01T00:00:00Z"):
        report = await report_of_simulation(
            client, policy={"name": name, "version": version}, **{"from": begin}
        )
        assert report["customers"] >= 50
        assert (report["differing"], report["examples"], report["unsettled"]) == (0, [], 0)
        assert all(cell["live"] == cell["candidate"] for cell in report["matrix"])
        assert all(row["live"] == row["candidate"] for row in report["transitions"])
    report = await report_of_simulation(client, policy=STRICT, **{"from": "2023-07-01T00:00:00Z"})
    assert (report["differing"] > 10, report["unsettled"]) == (True, 0)
    assert await contents(shop.url) == before


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"policy": {"name": "x", "at_risk_days": 0}, **SPAN}, ["policy.at_risk_days"]),
        ({"policy": {"at_risk_days": 200}, **SPAN}, ["policy.inactive_days"]),
        ({"policy": {"at_risk_day": 20}, **SPAN}, ["policy.at_risk_day"]),
        ({"policy": "strict", **SPAN}, ["policy"]),
        ({"policy": STRICT, "from": day_text(400), "to": day_text(400)}, ["to"]),
        ({"policy": STRICT, "from": day_text(200), "to": day_text(400.1)}, ["to"]),
        ({"policy": STRICT, "from": day_text(400)}, ["from"]),
        ({"policy": STRICT, "from": "2024-05-01", "to": day_text(400)}, ["from"]),
        ({"policy": STRICT, "from": day_text(200), "to": "2024-12-01T00:00:00"}, ["to"]),
        ({"policy": STRICT, **SPAN, "account": "b2g"}, ["account"]),
        ({"policy": {**STRICT, "account": "b2b"}, **SPAN, "account": "b2c"}, ["account"]),
        ({"policy": STRICT, **SPAN, "until": day_text(1)}, ["until"]),
        ({}, ["policy", "from"]),
    ],
)
async def test_a_wrong_request_is_refused_by_the_name_of_its_field(
    shop: Shop, client: httpx.AsyncClient, body: Raw, fields: list[str]
) -> None:
    await shop.set_clock(day(400))
    answer = await client.post("/v1/simulations", json=body)
    status, _, named = problem_of(answer)
    assert (status, named) == (422, fields)
    assert (await client.get("/v1/simulations")).json() == {"items": [], "next_cursor": None}


async def test_what_cannot_be_found_is_told(shop: Shop, client: httpx.AsyncClient) -> None:
    await shop.set_clock(day(400))
    answer = await client.post(
        "/v1/simulations", json={"policy": {"name": "none", "version": 1}, **SPAN}
    )
    assert problem_of(answer) == (404, "unknown_policy", ["policy"])
    for path in ("", "/cancel"):
        send = client.post if path else client.get
        missing = await send(f"/v1/simulations/8f14e45f-ceea-467f-a8f5-4b6c3d2e1f00{path}")
        assert problem_of(missing) == (404, "unknown_simulation", [])
    assert problem_of(await client.get("/v1/simulations/first")) == (422, "invalid", ["simulation"])
    assert problem_of(await client.get("/v1/simulations?cursor=x")) == (
        422,
        "invalid_cursor",
        ["cursor"],
    )
