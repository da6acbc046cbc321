"""The API of figures on a real PostgreSQL: a case by hand, what is stored, the rebuild."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final

import asyncpg
import httpx
import pytest

from services.lifecycle.batch import repository
from services.lifecycle.batch.entry import CustomerEntry
from services.lifecycle.batch.recorder import Recorder
from services.lifecycle.batch.rows import CustomerRow
from services.lifecycle.domain.fold import Folded, fold
from services.lifecycle.domain.state.customer import Customer
from services.lifecycle.domain.state.happenings import Happening
from services.lifecycle.events import read
from services.lifecycle.figures.catalogue import FIGURES
from services.lifecycle.figures.complaint_patterns import ComplaintPatternWatch
from services.lifecycle.figures.definitions.flows import FLOWS, Span
from services.lifecycle.schedule import load_schedule
from shared.database import connection as db
from shared.database.connection import Tx, transaction
from shared.events.envelope import decode
from shared.ids import partition_of
from shared.instants import render
from shared.kafka.topics import CUSTOMER_EVENTS
from shared.stream.batch import Portion
from tests.support.builders import day, encode, event, order, tick
from tests.support.fresh_servers import PARTITIONS, eventually
from tests.support.lifecycle_worker import worker
from tests.support.pipeline import daily_counts_hold, publish, rows, settled
from tests.support.policy_shop import Shop, new_shop, problem_of
from tests.support.server_stack import Stack
from tests.support.simulation_shop import Raw, api, store_lives

CLOCK: Final = 200
SPRING: Final = {"from": "2024-04-01", "to": "2024-07-10"}
"""Days 91 to 190; things happen at noon."""
LIVES: Final[dict[str, list[Raw]]] = {
    "ada": [
        event("ada", "customer.signed_up", 5, account="b2c"),
        order("ada", 10),
        *(
            event("ada", "referral.succeeded", 150, id=f, referee=f, order_id="o")
            for f in ("fin", "gus")
        ),
        event("ada", "referral.annulled", 155, referee="gus", order_id="o"),
    ],
    "ben": [
        event("ben", "customer.signed_up", 20, account="b2b"),
        *(order("ben", at) for at in (20, 60, 95)),
    ],
    "cem": [event("cem", "page.viewed", 1)],
    "dora": [order("dora", 120)],
}
AHEAD: Final = next(
    p for p in range(PARTITIONS) if p not in {partition_of(c, PARTITIONS) for c in [*LIVES, "eva"]}
)


class Desk:
    """A small shop and its API."""

    def __init__(self, shop: Shop, client: httpx.AsyncClient) -> None:
        self.shop, self.client = shop, client

    async def get(self, path: str = "", **query: str) -> Any:
        answer = await self.client.get(f"/v1/figures{path}", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def refused(self, path: str = "", **query: str) -> tuple[int, str, list[str]]:
        return problem_of(await self.client.get(f"/v1/figures{path}", params=query))

    async def check(self) -> tuple[int, bool]:
        found = await self.get("/flows/check")
        return found["differing"], found["equal"]

    async def rebuild(self) -> Any:
        answer = await self.client.post("/v1/figures/rebuild")
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def stored(self) -> set[str]:
        return {
            row["name"] for row in await rows(self.shop.url, "SELECT name FROM lifecycle.figure")
        }


@pytest.fixture(scope="module")
async def desk(stack: Stack, template: str) -> AsyncIterator[Desk]:
    async with new_shop(stack, template) as shop:
        await shop.set_clock(day(0))
        await shop.adopt(None, day(0))
        await store_lives(shop, day(CLOCK), LIVES)
        await shop.set_clock(day(CLOCK + 2), partitions=[AHEAD])
        async with api(stack, shop.url) as client:
            yield Desk(shop, client)


async def late(tx: Tx, customer: str, events: Iterable[Raw]) -> None:
    """What a worker writes when events of an unknown customer come after their days are over."""
    happenings = [read(CUSTOMER_EVENTS, decode(encode(told))) for told in events]
    schedule = await load_schedule(tx)
    recorder, entry = (
        Recorder(schedule),
        CustomerEntry(customer, partition_of(customer, PARTITIONS)),
    )
    folded = fold(
        [told for told in happenings if isinstance(told, Happening)], schedule, until=day(CLOCK)
    )
    entry.customer = folded.customer
    portion = Portion(entry.partition, 1, day(CLOCK))
    without_hints = Folded(folded.customer, folded.moves)
    recorder.record(entry, Customer(), without_hints, day(CLOCK), portion)
    await repository.save_customers(tx, [CustomerRow.of(entry)])
    await repository.add_transitions(tx, recorder.transitions, [])
    await recorder.counts.save(tx)


async def test_of_a_few_customers_the_figures_are_what_one_reckons_by_hand(desk: Desk) -> None:
    """Ada is at risk on day 100, inactive on 190; Ben established on 95, at risk on 185.

    Dora is new on 120. Ada recommends the shop to two on 150, one of whom sends everything back.
    """
    found = await desk.get(**SPRING)
    assert (found["from"], found["to"], found["account"]) == ("2024-04-01", "2024-07-10", None)
    assert found["before"] == {"from": "2023-12-23", "to": "2024-04-01"}
    headlines = {
        item["name"]: (item["unit"], item["value"], item["before"]) for item in found["items"]
    }
    assert {
        "active_passive": ("customers", 2, 2),
        "conversion": ("share", 0, 2 / 3),
        "retention": ("share", 0.5, None),
        "churn": ("share", 0.5, None),
        "recommendation_rate": ("share", 0.5, 0),
        "dwell_times": ("days", 90, None),
        "flows": ("transitions", 5, 5),
    }.items() <= headlines.items()
    dwell = (await desk.get("/dwell_times", **SPRING))["result"]["phases"]
    assert [
        (view["phase"], view["stays"], view["ended"], view["median_days"]) for view in dwell
    ] == [
        ("new", 1, 0, None),
        ("established", 1, 1, 90),
        ("at_risk", 2, 1, 90),
        ("inactive", 1, 0, None),
    ]
    flows = (await desk.get("/flows", per="month", account="b2c", **SPRING))["result"]["spans"]
    assert flows == [
        {"begins": "2024-04-01", "flows": [{"from": "new", "to": "at_risk", "transitions": 1}]},
        {
            "begins": "2024-07-01",
            "flows": [{"from": "at_risk", "to": "inactive", "transitions": 1}],
        },
    ]
    assert (await desk.get("/active_passive", **SPRING))["result"]["phases"]["prospect"] == 1


async def test_without_a_period_it_is_the_thirty_days_until_the_clock_furthest_behind(
    desk: Desk,
) -> None:
    found = await desk.get("/churn")
    assert (found["from"], found["to"], found["settled"]) == ("2024-06-19", "2024-07-19", True)


async def test_what_is_no_period_is_refused_by_the_name_of_its_field(desk: Desk) -> None:
    assert await desk.refused(to="2024-07-22") == (422, "in_the_future", ["to"])
    assert await desk.refused("/churn", **{"from": "2024-07-01", "to": "2024-07-01"}) == (
        422,
        "invalid",
        ["from"],
    )
    assert await desk.refused("/churn", **{"from": "2024-07-01T12:00:00Z"}) == (
        422,
        "invalid",
        ["from"],
    )
    assert await desk.refused("/churn", account="b2x") == (422, "invalid", ["account"])
    assert await desk.refused("/flows", per="day", **{"from": "2020-01-01"}) == (
        422,
        "invalid",
        ["per"],
    )
    assert (await desk.refused("/turnover"))[0] == 404


async def test_a_period_that_one_clock_has_not_passed_is_open_and_not_stored(desk: Desk) -> None:
    open_ = {"from": "2024-07-01", "to": "2024-07-20"}
    one, other = await desk.get("/conversion", **open_), await desk.get("/conversion", **open_)
    assert (one["settled"], one["result"]) == (False, other["result"])
    assert one["computed_at"] < other["computed_at"]


@asynccontextmanager
async def locked(desk: Desk) -> AsyncIterator[None]:
    """Whoever wants to read the daily counts waits until the block ends."""
    connection = await asyncpg.connect(desk.shop.url)
    try:
        async with connection.transaction():
            await connection.execute("LOCK TABLE lifecycle.flow IN ACCESS EXCLUSIVE MODE")
            yield
    finally:
        await connection.close()


async def waiting(desk: Desk) -> int:
    found = await rows(
        desk.shop.url,
        "SELECT FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'",
    )
    return len(found)


async def test_who_asks_for_the_same_figure_at_once_gets_one_answer(desk: Desk) -> None:
    async with locked(desk):
        asking = [asyncio.ensure_future(desk.get("/retention", to="2024-05-05")) for _ in range(8)]
        await eventually(lambda: waiting(desk), what="somebody computes it")
        assert await waiting(desk) == 1
    found = await asyncio.gather(*asking)
    assert len({answer["computed_at"] for answer in found}) == 1


async def test_a_stored_figure_is_shown_until_its_past_is_restated(desk: Desk) -> None:
    winter = {"from": "2024-01-01", "to": "2024-03-01"}
    first, before = (
        await desk.get("/active_passive", **SPRING),
        await desk.get("/active_passive", **winter),
    )
    assert (first["result"]["value"], first["recomputed_at"]) == (2, None)
    assert await desk.get("/active_passive", **SPRING) == first
    async with desk.shop.connected() as connection, transaction(connection) as tx:
        await late(tx, "eva", [order("eva", 130)])
    again = await desk.get("/active_passive", **SPRING)
    assert (again["result"]["value"], again["recomputed_at"]) == (3, "2024-07-19T12:00:00Z")
    assert again["computed_at"] > first["computed_at"]
    assert await desk.get("/active_passive", **winter) == before, "nothing has changed in winter"
    (headline,) = [i for i in (await desk.get(**SPRING))["items"] if i["name"] == "active_passive"]
    assert (headline["value"], headline["recomputed_at"]) == (3, again["recomputed_at"])
    assert headline["computed_at"] == again["computed_at"]


async def test_late_events_and_merges_that_a_worker_writes_change_a_settled_figure_others_do_not(
    stack: Stack, blank: str
) -> None:
    january = {"from": "2024-01-01", "to": "2024-02-01"}

    async def send(*events: Raw) -> Any:
        await publish(stack.bootstrap, events)
        await settled(stack, blank, "lifecycle")
        answer = (await client.get("/v1/figures/active_passive", params=january)).json()
        return answer, answer["result"]["value"], answer["recomputed_at"]

    async with worker(stack, blank), api(stack, blank) as client:
        first, *told = await send(order("ada", 3), order("eva", 8), tick(40))
        assert (first["settled"], *told) == (True, 2, None)
        on_time = (
            event("new", "customer.signed_up", 40.1, account="b2c"),
            order("ada", 40.1),
            order("new", 40.2),
        )
        assert (await send(*on_time, tick(40.4)))[0] == first, (
            "what comes on time leaves it as it was"
        )
        late, *told = await send(order("ben", 20))
        assert told == [3, render(day(40.4))]
        assert late["computed_at"] > first["computed_at"]
        _, *told = await send(tick(44), event("eva", "customer.merged", 44.2, into="ada"))
        assert told == [2, render(day(44))]


async def test_a_stored_value_that_cannot_be_read_is_computed_anew(desk: Desk) -> None:
    right, all_ = await desk.get("/churn", **SPRING), await desk.get(**SPRING)
    spoil = 'UPDATE lifecycle.figure SET value = \'{"value": "many"}\''
    await rows(desk.shop.url, spoil)
    again = await desk.get("/churn", **SPRING)
    assert again["result"] == right["result"]
    assert await desk.get("/churn", **SPRING) == again
    await rows(desk.shop.url, spoil)
    found = await desk.get(**SPRING)
    assert [item["value"] for item in found["items"]] == [item["value"] for item in all_["items"]]


async def test_a_stored_value_is_deleted_weeks_after_it_was_computed(desk: Desk) -> None:
    for name in ("churn", "retention"):
        await desk.get(f"/{name}", **SPRING)
    update = "UPDATE lifecycle.figure SET computed_at = now() - $1::interval WHERE name = $2"
    await rows(desk.shop.url, update, timedelta(days=57), FIGURES["churn"].key)
    await rows(desk.shop.url, update, timedelta(days=55), FIGURES["retention"].key)
    async with await db.create_pool(desk.shop.url, "lifecycle") as pool:
        await ComplaintPatternWatch(pool).look()
    left = await desk.stored()
    assert (FIGURES["churn"].key in left, FIGURES["retention"].key in left) == (False, True)


async def test_daily_counts_that_are_wrong_are_found_mended_and_told(desk: Desk) -> None:
    right = await desk.get("/flows", **SPRING)
    assert await desk.check() == (0, True)
    await rows(desk.shop.url, "UPDATE lifecycle.flow SET n = 7 WHERE to_phase = 'inactive'")
    await rows(desk.shop.url, "DELETE FROM lifecycle.flow WHERE to_phase = 'established'")
    await rows(
        desk.shop.url,
        "INSERT INTO lifecycle.flow VALUES ('2024-05-05', 'new', 'former', 'returned', '', 1, 1)",
    )
    await rows(
        desk.shop.url,
        "UPDATE lifecycle.tally SET n = n + 1 WHERE day = (SELECT min(day) FROM lifecycle.tally)",
    )
    assert await desk.check() == (4, False)
    assert FLOWS[Span.MONTH].key in await desk.stored()
    mended = await desk.rebuild()
    assert (mended["differing"], mended["equal"], mended["dropped"] > 0) == (4, False, True)
    assert await desk.stored() == set()
    assert await desk.check() == (0, True)
    assert await desk.rebuild() == {
        "rows": mended["rows"],
        "differing": 0,
        "equal": True,
        "dropped": 0,
    }
    assert (await desk.get("/flows", **SPRING))["result"] == right["result"]
    assert await rows(desk.shop.url, "SELECT FROM lifecycle.flow WHERE n = 0") == []
    await daily_counts_hold(desk.shop.url)


async def test_a_rebuild_waits_for_what_is_being_written_and_counts_it_once(desk: Desk) -> None:
    async with desk.shop.connected() as connection:
        async with transaction(connection) as tx:
            await late(tx, "fay", [order("fay", 140)])
            rebuilding = asyncio.ensure_future(desk.rebuild())
            await eventually(lambda: waiting(desk), what="the rebuild waits")
        assert (await rebuilding)["differing"] == 0
    assert await desk.check() == (0, True)
