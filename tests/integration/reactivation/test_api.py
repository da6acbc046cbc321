"""The API of reactivation: cases to read, and codes redeemed by many at once."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import httpx
import pytest

from services.reactivation.domain.cases import State
from shared.events.envelope import Envelope
from shared.instants import render
from shared.kafka.topics import WINBACK_EVENTS
from tests.support.builders import day, order, tick
from tests.support.pipeline import published, rows, settled
from tests.support.reactivation_worker import (
    Json,
    api,
    case_of,
    changed,
    corrected,
    facts,
    run,
    send,
    worker,
)
from tests.support.server_stack import Stack

pytestmark = pytest.mark.usefixtures("fresh_topics")
AT = 180


@pytest.fixture(scope="module")
async def client(stack: Stack, database: str) -> AsyncIterator[httpx.AsyncClient]:
    async with api(stack, database) as made:
        yield made


async def lapsed(
    stack: Stack, database: str, client: httpx.AsyncClient, *customers: str, at: float = AT
) -> list[str]:
    """Customers with a fresh offer; their codes."""
    await send(stack, transitions=[changed(customer, 1, at) for customer in customers])
    await run(stack, database)
    return [(await case_of(client, customer))["offer"]["code"] for customer in customers]


async def at_the_till(
    client: httpx.AsyncClient, code: str, act: str, customer: str, order_id: str
) -> httpx.Response:
    return await client.post(
        f"/v1/offers/{code}/{act}", json={"customer": customer, "order_id": order_id}
    )


def code_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json().get("code", "")


async def test_a_code_is_reserved_confirmed_and_then_used(
    stack: Stack, database: str, client: httpx.AsyncClient
) -> None:
    (code,) = await lapsed(stack, database, client, "ada")
    first = await at_the_till(client, code, "reserve", "ada", "o1")
    assert (first.status_code, first.json()["state"], first.json()["order_id"]) == (
        200,
        "reserved",
        "o1",
    )
    assert (await at_the_till(client, code, "reserve", "ada", "o1")).json() == first.json()
    assert code_of(await at_the_till(client, code, "reserve", "ada", "o2")) == (
        409,
        "already_reserved",
    )
    assert code_of(await at_the_till(client, code, "confirm", "ada", "o2")) == (
        409,
        "already_reserved",
    )
    used = await at_the_till(client, code.lower(), "confirm", "ada", "o1")
    assert (used.status_code, used.json()["state"], used.json()["case_state"]) == (
        200,
        "redeemed",
        "won_back",
    )
    assert (await at_the_till(client, code, "confirm", "ada", "o1")).json() == used.json()
    assert code_of(await at_the_till(client, code, "confirm", "ada", "o2")) == (
        409,
        "already_redeemed",
    )
    assert code_of(await at_the_till(client, code, "release", "ada", "o1")) == (
        409,
        "already_redeemed",
    )


async def test_a_confirmation_closes_the_case_and_its_order_changes_nothing(
    stack: Stack, database: str, client: httpx.AsyncClient
) -> None:
    (code,) = await lapsed(stack, database, client, "ben")
    await at_the_till(client, code, "reserve", "ben", "o1")
    await at_the_till(client, code, "confirm", "ben", "o1")
    closed = await case_of(client, "ben")
    assert (closed["state"], closed["order_id"], closed["with_code"]) == ("won_back", "o1", True)
    await send(stack, events=[order("ben", AT + 1, id="o1", coupon=code)])
    await run(stack, database)
    assert [each.type for each in await facts(stack, "ben")] == [
        "case.opened",
        "offer.made",
        "case.closed",
    ]
    assert (await case_of(client, "ben"))["version"] == closed["version"] == 3
    assert await rows(database, "SELECT * FROM reactivation.timer WHERE customer = 'ben'") == []


async def test_a_released_code_is_free_for_another_order(
    stack: Stack, database: str, client: httpx.AsyncClient
) -> None:
    (code,) = await lapsed(stack, database, client, "cy")
    await at_the_till(client, code, "reserve", "cy", "o1")
    assert code_of(await at_the_till(client, code, "release", "cy", "o2")) == (
        409,
        "already_reserved",
    )
    for _ in range(2):
        assert (await at_the_till(client, code, "release", "cy", "o1")).json()["state"] == "open"
    assert code_of(await at_the_till(client, code, "confirm", "cy", "o1")) == (409, "not_reserved")
    assert (await at_the_till(client, code, "reserve", "cy", "o2")).json()["order_id"] == "o2"


async def test_codes_that_are_unknown_or_somebody_elses_are_refused(
    stack: Stack, database: str, client: httpx.AsyncClient
) -> None:
    (code,) = await lapsed(stack, database, client, "di")
    for unknown in ("nonsense", "0" * 17, f"{code[:-1]}{'0' if code[-1] != '0' else '1'}"):
        assert code_of(await at_the_till(client, unknown, "reserve", "di", "o1")) == (
            404,
            "unknown_code",
        )
    assert code_of(await at_the_till(client, code, "reserve", "ed", "o1")) == (403, "not_your_code")
    body = {"customer": "di", "order_id": "", "amount": 3}
    wrong = await client.post(f"/v1/offers/{code}/reserve", json=body)
    assert {error["field"] for error in wrong.json()["errors"]} == {"order_id", "amount"}


async def test_of_fifty_orders_racing_for_a_code_exactly_one_gets_it(
    stack: Stack, database: str, client: httpx.AsyncClient
) -> None:
    codes = await lapsed(stack, database, client, *(f"race-{n}" for n in range(5)))
    for n, code in enumerate(codes):
        answers = await asyncio.gather(
            *(at_the_till(client, code, "reserve", f"race-{n}", f"o{order}") for order in range(50))
        )
        assert Counter(map(code_of, answers)) == {(200, code): 1, (409, "already_reserved"): 49}
        (winner,) = (answer.json()["order_id"] for answer in answers if answer.status_code == 200)
        confirmed = await asyncio.gather(
            *(at_the_till(client, code, "confirm", f"race-{n}", f"o{order}") for order in range(50))
        )
        assert {answer.json()["order_id"] for answer in confirmed if answer.status_code == 200} == {
            winner
        }
        assert Counter(answer.status_code for answer in confirmed) == {200: 1, 409: 49}


async def test_fifty_requests_for_the_same_order_all_get_the_same_answer(
    stack: Stack, database: str, client: httpx.AsyncClient
) -> None:
    (code,) = await lapsed(stack, database, client, "fay")
    for act in ("reserve", "confirm"):
        answers = await asyncio.gather(
            *(at_the_till(client, code, act, "fay", "o1") for _ in range(50))
        )
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.text for answer in answers}) == 1
    assert [each.type for each in await after_run(stack, database, "fay")] == [
        "case.opened",
        "offer.made",
        "case.closed",
    ]


async def after_run(stack: Stack, database: str, customer: str) -> list[Envelope]:
    await run(stack, database)
    return await facts(stack, customer)


async def test_the_code_of_a_cancelled_case_stays_good_for_it_was_sent(
    stack: Stack, database: str, client: httpx.AsyncClient
) -> None:
    (code,) = await lapsed(stack, database, client, "gus")
    await at_the_till(client, code, "reserve", "gus", "o1")
    await send(stack, transitions=[corrected("gus", 2, AT + 1, withdrawn=[1])])
    await run(stack, database)
    cancelled = await case_of(client, "gus")
    assert (cancelled["state"], cancelled["reason"]) == ("cancelled", "transition_withdrawn")
    assert (cancelled["offer"]["state"], cancelled["offer"]["order_id"]) == ("reserved", "o1")
    used = (await at_the_till(client, code, "confirm", "gus", "o1")).json()
    assert (used["state"], used["case_state"]) == ("redeemed", "cancelled")


async def test_reservations_and_offers_end_by_the_clock_of_the_partition(
    stack: Stack, database: str, client: httpx.AsyncClient
) -> None:
    short, long = await lapsed(stack, database, client, "hal", "ida", at=300)
    await move_clock(stack, database, 310)
    await at_the_till(client, short, "reserve", "hal", "o1")
    await at_the_till(client, long, "reserve", "ida", "o1")
    await at_the_till(client, long, "confirm", "ida", "o1")
    await move_clock(stack, database, 310.02)
    assert (await case_of(client, "hal"))["offer"]["state"] == "reserved"
    await move_clock(stack, database, 310.03)
    assert (await case_of(client, "hal"))["offer"]["state"] == "open"
    assert code_of(await at_the_till(client, short, "confirm", "hal", "o1")) == (
        409,
        "not_reserved",
    )
    assert (await at_the_till(client, short, "reserve", "hal", "o2")).json()["order_id"] == "o2"
    await move_clock(stack, database, 330)
    ended = await case_of(client, "hal")
    assert (ended["state"], ended["closed_at"], ended["offer"]["state"]) == (
        "expired",
        render(day(330)),
        "expired",
    )
    assert ended["as_of"] == render(day(330))
    assert code_of(await at_the_till(client, short, "reserve", "hal", "o3")) == (
        410,
        "offer_expired",
    )
    assert (await case_of(client, "ida"))["closed_at"] == render(day(310))


async def move_clock(stack: Stack, database: str, at: float) -> None:
    await send(stack, events=[tick(at)], transitions=[tick(at)])
    await run(stack, database)


async def test_the_till_and_the_worker_change_the_same_cases_at_once_and_each_is_closed_once(
    stack: Stack, database: str, client: httpx.AsyncClient
) -> None:
    names = [f"both-{n}" for n in range(40)]
    codes = dict(zip(names, await lapsed(stack, database, client, *names, at=350), strict=True))
    for name, code in codes.items():
        await at_the_till(client, code, "reserve", name, f"{name}-o1")
    async with worker(stack, database, batch_records=5):
        confirming = asyncio.gather(
            *(
                at_the_till(client, code, "confirm", name, f"{name}-o1")
                for name, code in codes.items()
            )
        )
        await send(
            stack,
            events=[order(name, 351, id=f"{name}-o1", coupon=code) for name, code in codes.items()],
        )
        answers = await confirming
        await settled(stack, database, "reactivation")
    assert {(answer.status_code, answer.json()["case_state"]) for answer in answers} == {
        (200, "won_back")
    }
    told = Counter(
        (each.subject, each.type) for each in await published(stack.bootstrap, WINBACK_EVENTS)
    )
    assert {
        told[name, kind] for name in names for kind in ("case.opened", "offer.made", "case.closed")
    } == {1}


async def test_cases_are_listed_newest_first_in_pages(
    stack: Stack, database: str, client: httpx.AsyncClient
) -> None:
    await lapsed(stack, database, client, *(f"page-{n}" for n in range(4)), at=400)
    await lapsed(stack, database, client, *(f"page-{n}" for n in range(4, 7)), at=401)
    seen: list[Json] = []
    cursor = None
    while True:
        query = {"state": "offered", "limit": "3"} | ({"cursor": cursor} if cursor else {})
        page = (await client.get("/v1/cases", params=query)).json()
        seen += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    newest = [(case["opened_at"], case["id"]) for case in seen]
    assert newest == sorted(newest, reverse=True)
    assert len(set(newest)) == len(newest)
    assert {case["customer"] for case in seen[:3]} == {"page-4", "page-5", "page-6"}
    assert {case["state"] for case in seen} == {"offered"}
    assert (await client.get("/v1/cases", params={"customer": "nobody"})).json() == {
        "items": [],
        "next_cursor": None,
    }


async def test_one_case_is_read_by_its_id(client: httpx.AsyncClient) -> None:
    case = await case_of(client, "page-4")
    assert (await client.get(f"/v1/cases/{case['id']}")).json() == case
    for unknown in ("00000000-0000-0000-0000-000000000000", "nonsense"):
        assert code_of(await client.get(f"/v1/cases/{unknown}")) == (404, "not_found")


async def test_bad_queries_are_refused(client: httpx.AsyncClient) -> None:
    for query in (
        {"state": "lost"},
        {"status": "offered"},
        {"cursor": "x"},
        {"limit": "0"},
        {"customer": ""},
    ):
        assert (await client.get("/v1/cases", params=query)).status_code == 422, query
    assert (await client.get("/v1/cases", headers={"Authorization": "Bearer x"})).status_code == 401
    assert (await client.get("/readyz")).status_code == 200


async def test_the_counts_agree_with_the_cases(client: httpx.AsyncClient) -> None:
    cases = (await client.get("/v1/cases", params={"limit": 1000})).json()["items"]
    counts = (await client.get("/v1/cases/counts")).json()
    assert {state: n for state, n in counts["cases"].items() if n} == Counter(
        case["state"] for case in cases
    )
    assert {state: n for state, n in counts["offers"].items() if n} == Counter(
        case["offer"]["state"] for case in cases if case["offer"]
    )
    assert set(counts["cases"]) == set(State)
    assert counts["as_of"] == render(day(330))
