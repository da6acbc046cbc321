"""Lists find what an obvious computation over the same lives finds, by the page and as a file."""

import asyncio
import csv
import io
import itertools
import json
import random
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from urllib.parse import quote

import httpx
import pytest
from structlog.testing import capture_logs

from services.lifecycle.app import create_app
from services.lifecycle.batch import repository
from services.lifecycle.domain.due_dates import next_move
from services.lifecycle.domain.fold import apply_schedule, fold
from services.lifecycle.domain.policy.schedule import Schedule
from services.lifecycle.domain.state.customer import Customer, Move
from services.lifecycle.domain.state.happenings import Happening
from services.lifecycle.domain.state.phases import Phase
from services.lifecycle.events import read
from services.lifecycle.lists import routes, scan, search, service
from services.lifecycle.lists.filters import Cause, Filters
from services.lifecycle.lists.repository import ACTED, BY_ID
from services.lifecycle.policies import registry
from services.lifecycle.policies.document import PolicyDocument
from services.lifecycle.schedule import load_schedule
from shared.events.envelope import decode
from shared.http.pages import encode_cursor
from shared.ids import partition_of
from shared.instants import render
from shared.kafka.topics import CUSTOMER_EVENTS
from tests.support.builders import encode, event, order
from tests.support.bulk_lives import ENDS, live
from tests.support.fresh_servers import PARTITIONS, eventually
from tests.support.pipeline import rows, worker_settings
from tests.support.policy_shop import Shop
from tests.support.server_stack import Stack
from tests.support.simulation_shop import store_lives

LIVES: Final = 260
FORMULAS: Final = ("=1+1", "+49", "-x", "@sum", "'quoted")
ODD: Final = (
    *FORMULAS,
    'say "hi", a',
    "shop/7/Jürgen 👨‍👩‍👧",
    "顧客 1",
    "😀" * 128,
    "no\u00e9l \u4e2d",
)
"""The last one is refused by our API, but not by a worker that finds it in Kafka."""
QUOTED: Final = 'comma, "quoted"'
PARKED: Final = "c0013"
LATE: Final = ENDS - timedelta(days=300)


class Known(NamedTuple):
    """A customer as the fold has it, and what time alone will do next."""

    state: Customer
    move: Move | None


class Client(NamedTuple):
    """The API, its application, and what it must answer."""

    http: httpx.AsyncClient
    app: Any
    url: str
    known: dict[str, Known]

    async def get(self, path: str = "/v1/customers", **query: Any) -> Any:
        answer = await self.http.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def all(self, **query: Any) -> list[Any]:
        """The items of all pages."""
        found = list[Any]()
        while True:
            page = await self.get(**query)
            found += page["items"]
            if page["next_cursor"] is None:
                return found
            query["cursor"] = page["next_cursor"]


def lives() -> dict[str, list[dict[str, Any]]]:
    found = {f"c{n:04d}": live(f"c{n:04d}", n) for n in range(LIVES)}
    for n, customer in enumerate(ODD):
        at = LATE + timedelta(days=30 * n)
        found[customer] = [
            order(customer, at, amount=100 * n),
            order(customer, at + timedelta(days=1)),
        ]
        found[customer].append(
            event(customer, "complaint.opened", at + timedelta(days=2), complaint_id=QUOTED)
        )
    return found


def known(schedule: Schedule) -> dict[str, Known]:
    found = {}
    for customer, events in lives().items():
        told = [read(CUSTOMER_EVENTS, decode(encode(one))) for one in events]
        state = fold(
            (one for one in told if isinstance(one, Happening)), schedule, until=ENDS
        ).customer
        found[customer] = Known(state, next_move(state, schedule))
    return found


@pytest.fixture(scope="module")
async def client(stack: Stack, database: str) -> AsyncIterator[Client]:
    """A shop with early timers (they may be), and merged, parked and phaseless customers."""
    shop = Shop(database)
    await shop.adopt(None, ENDS)
    await store_lives(shop, ENDS, lives())
    async with shop.connected() as connection:
        found = known(await load_schedule(connection))
        luck = random.Random(5)
        early = {
            customer: (
                partition_of(customer, PARTITIONS),
                at and at - timedelta(days=luck.choice((0, 0, 3, 80))),
            )
            for customer, at in ((customer, one.state.wakes_at) for customer, one in found.items())
        }
        await repository.set_timers(connection, early)
    await shop.add_customers("ghost", "gone", "gone before", "gone to a ghost")
    for one, into in (("gone before", "gone"), ("gone", "c0003"), ("gone to a ghost", "ghost")):
        await rows(
            database,
            "UPDATE lifecycle.customer SET merged_into = $2 WHERE customer = $1",
            one,
            into,
        )
    await rows(
        database, "UPDATE lifecycle.customer SET parked = 'a bug' WHERE customer = $1", PARKED
    )
    app = create_app(worker_settings(stack, database))
    transport, headers = httpx.ASGITransport(app), {"Authorization": "Bearer key-of-the-tests"}
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://api", headers=headers) as http,
    ):
        yield Client(http, app, database, found)


@pytest.fixture(params=["few", "in order", "short of breath"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Every way to find customers, as if there were millions of them."""
    few, stretch, effort = {"few": (1000, 2000, 10**6), "in order": (0, 7, 10**6)}.get(
        request.param, (20, 30, 40)
    )
    monkeypatch.setattr(search, "FEW", few)
    monkeypatch.setattr(search, "STRETCH", stretch)
    monkeypatch.setattr(scan, "MAX_EFFORT", effort)
    return str(request.param)


# -- filters

CHOICES: Final[dict[str, tuple[Any, ...]]] = {
    "phase": ("at_risk", "inactive", "established"),
    "since_before": (ENDS - timedelta(days=30), ENDS - timedelta(days=400)),
    "due_before": (ENDS + timedelta(days=20), ENDS + timedelta(days=200)),
    "min_value": (0, 20_000, 4096),
    "account": ("b2c", "b2b"),
    "cause": ("silence", "complaint", f"complaint:{QUOTED}", "score"),
}
OBVIOUSLY: Final[Mapping[str, Callable[[Known, Any], bool]]] = {
    "phase": lambda one, phase: one.state.phase == phase,
    "since_before": lambda one, instant: one.state.since < instant,
    "due_before": lambda one, instant: one.move is not None and one.move.occurred_at < instant,
    "min_value": lambda one, amount: max(one.state.revenue.values(), default=0) >= amount,
    "account": lambda one, account: one.state.account == account,
    "cause": lambda one, cause: any(f"{has}:".startswith(f"{cause}:") for has in one.state.causes),
}


def obviously(client: Client, wanted: Mapping[str, Any]) -> list[str]:
    return sorted(
        customer
        for customer, one in client.known.items()
        if one.state.phase
        and all(OBVIOUSLY[name](one, value) for name, value in wanted.items())
        and not (customer == PARKED and "due_before" in wanted)
    )


def query(wanted: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: render(value) if isinstance(value, datetime) else value
        for name, value in wanted.items()
    }


async def test_every_combination_of_filters_finds_exactly_those_who_fulfil_all(
    client: Client, way: str
) -> None:
    luck, found = random.Random(way), 0
    for number in range(len(CHOICES) + 1):
        for names in itertools.combinations(CHOICES, number):
            wanted = {name: luck.choice(CHOICES[name]) for name in names}
            expected = obviously(client, wanted)
            items = await client.all(**query(wanted), limit=luck.choice((9, 40, 1000)))
            assert [item["customer"] for item in items] == expected, wanted
            found += len(expected)
    assert found > 4 * LIVES, "the filters leave somebody"


async def test_an_item_says_what_the_customer_alone_says(client: Client) -> None:
    for model in (None, "six_phase", "activity"):
        named = {} if model is None else {"model": model}
        items = await client.all(**named, limit=1000)
        assert len(items) == len(client.known)
        for item in items[::9]:
            alone = await client.get(f"/v1/customers/{quote(item['customer'], safe='')}", **named)
            state, revenue = client.known[item["customer"]].state, alone["revenue"]
            assert item["account"] == state.account
            assert item["value"] == (revenue[0] if revenue else None)
            assert {name: alone.get(name) for name in item.keys() - {"account", "value"}} == {
                name: item[name] for name in item.keys() - {"account", "value"}
            }


# -- pages


async def test_who_is_there_all_along_is_shown_once_whatever_happens_to_others(
    client: Client, way: str
) -> None:
    at_risk = [customer for customer, one in client.known.items() if one.state.phase == "at_risk"]
    luck, fleeting = random.Random(way), set(at_risk[::4])
    seen, query, newcomers = list[str](), {"phase": "at_risk", "limit": "5"}, 0
    try:
        while query.get("cursor", True):
            page = await client.get(**query)
            seen += [item["customer"] for item in page["items"]]
            query["cursor"] = page["next_cursor"]
            leaving = luck.sample(sorted(fleeting), 2)
            await rows(client.url, MOVE, leaving, luck.choice(("inactive", "at_risk")))
            newcomers += 1
            await rows(client.url, COPY, at_risk[1], f"{luck.choice(seen or ['a'])}-{newcomers}")
    finally:
        await rows(client.url, MOVE, at_risk, "at_risk")
        await rows(client.url, "DELETE FROM lifecycle.customer WHERE parked = 'a newcomer'")
    assert len(seen) == len(set(seen))
    assert (
        set(at_risk) - fleeting
        <= set(seen)
        <= set(at_risk) | {s for s in seen if s not in client.known}
    )
    assert seen == sorted(seen)


async def test_a_page_goes_on_behind_every_id_that_there_can_be(client: Client) -> None:
    query = {"cause": f"complaint:{QUOTED}"}
    one_by_one = [item["customer"] for item in await client.all(**query, limit=1)]
    assert one_by_one == [item["customer"] for item in await client.all(**query)]
    assert set(ODD[-2:]) <= set(one_by_one)


MOVE: Final = "UPDATE lifecycle.customer SET phase = $2 WHERE customer = ANY($1)"
COPY: Final = """
INSERT INTO lifecycle.customer (customer, partition, phase, version, state, key, since, parked)
SELECT $2, partition, phase, 0, state, key, since, 'a newcomer'
FROM lifecycle.customer WHERE customer = $1
"""


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("phase", "lost"),
        ("since_before", "2024-05-01"),
        ("due_before", "soon"),
        ("min_value", "-1"),
        ("min_value", str(2**63)),
        ("account", "b2g"),
        ("cause", "boredom"),
        ("cause", "silence:7"),
        ("cause", "score:mood"),
        ("cause", "complaint:"),
        ("cause", "complaint:\0"),
        ("cursor", encode_cursor("a\0")),
        ("cursor", encode_cursor("a", 1)),
        ("limit", "1001"),
        ("model", "seven_phase"),
        ("until", "2024"),
    ],
)
async def test_a_wrong_parameter_is_named(client: Client, field: str, value: str) -> None:
    answer = await client.http.get("/v1/customers", params={field: value})
    assert (answer.status_code, [error["field"] for error in answer.json()["errors"]]) == (
        422,
        [field],
    )


# -- policies that timers do not know


@pytest.mark.usefixtures("way")
async def test_a_policy_that_customers_are_being_told_of_judges_when_they_are_due(
    client: Client,
) -> None:
    hasty = PolicyDocument.model_validate(
        {"name": "hasty", "at_risk_days": 20, "inactive_days": 30}
    )
    try:
        async with Shop(client.url).connected() as connection:
            stored, _ = await registry.create(connection, hasty)
            await registry.activate(connection, "hasty", stored.policy.version, None, PARTITIONS)
            schedule = await load_schedule(connection)
        half = sorted(client.known)[len(client.known) // 2]
        told = "UPDATE lifecycle.rearming SET after = $1 WHERE partition % 2 = 0"
        await rows(client.url, told, half)
        moves = {
            customer: next_move(rejudged(one.state, schedule), schedule)
            for customer, one in client.known.items()
        }
        due = ENDS + timedelta(days=1)
        del moves[PARKED]
        wanted = [
            c
            for c, move in moves.items()
            if move and move.occurred_at < due and not is_told(c, half)
        ]
        found = [item["customer"] for item in await client.all(due_before=render(due))]
        assert (
            set(wanted)
            <= set(found)
            <= {c for c, move in moves.items() if move and move.occurred_at < due}
        )
        assert len(wanted) > len(obviously(client, {"due_before": due}))
    finally:
        await rows(client.url, "DELETE FROM lifecycle.activation WHERE name = 'hasty'")
        await rows(client.url, "DELETE FROM lifecycle.rearming")


def is_told(customer: str, half: str) -> bool:
    return partition_of(customer, PARTITIONS) % 2 == 0 and customer <= half


def rejudged(state: Customer, schedule: Schedule) -> Customer:
    relearned = apply_schedule(state, schedule)
    return relearned.customer if relearned else state


# -- lookup


async def test_a_lookup_answers_in_the_order_asked_and_names_who_is_unknown(client: Client) -> None:
    asked = ["gone before", ODD[6], "nobody", "c0003", "ghost", "gone to a ghost", ODD[6], "nobody"]
    answer = await client.http.post("/v1/customers/lookup?model=cxm", json={"customers": asked})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    listed = {item["customer"]: item for item in await client.all(model="cxm", limit=1000)}
    assert [(one["asked"], one["merged_into"]) for one in body["items"]] == list(
        zip(asked, ["c0003", None, None, None, None, "ghost", None, None], strict=True)
    )
    ends = ["c0003", ODD[6], None, "c0003", None, None, ODD[6], None]
    assert [one["customer"] for one in body["items"]] == [listed.get(end) for end in ends]
    assert body["unknown"] == ["nobody", "ghost", "gone to a ghost"]
    assert body["as_of"] == render(ENDS)


async def test_a_lookup_takes_a_thousand_ids(client: Client) -> None:
    most = await client.http.post(
        "/v1/customers/lookup", json={"customers": [f"c{n:04d}" for n in range(1000)]}
    )
    assert (len(most.json()["items"]), len(most.json()["unknown"])) == (1000, 1000 - LIVES)
    for wrong, field in (
        (["x"] * 1001, "customers"),
        (["ok", ""], "customers.1"),
        (["a\0"], "customers.0"),
    ):
        answer = await client.http.post("/v1/customers/lookup", json={"customers": wrong})
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)


# -- files


async def file(client: Client, accept: str, **query: Any) -> str:
    answer = await client.http.get("/v1/customers", params=query, headers={"Accept": accept})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith(accept.partition(",")[0])
    return answer.content.decode()


def plain(row: dict[str, str]) -> dict[str, Any]:
    """A row of the CSV as the item that it was made of."""
    text = {name: cell[1:] if cell.startswith("'") else cell or None for name, cell in row.items()}
    money = {"amount": int(text["value_amount"] or 0), "currency": text["value_currency"]}
    move = {name: text[f"next_{name}"] for name in ("to", "view", "label", "rule", "at")}
    return {
        **{
            name: text[name]
            for name in ("customer", "phase", "model", "view", "label", "since", "account", "as_of")
        },
        "causes": json.loads(text["causes"] or "[]"),
        "value": money if money["currency"] else None,
        "next_transition": move if move["to"] else None,
        **{name: int(row[name]) for name in ("orders", "version")},
        "parked": {"true": True, "false": False}[row["parked"]],
    }


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize(
    "wanted", [{}, {"phase": "at_risk", "model": "activity"}, {"min_value": 2**62}]
)
async def test_files_hold_the_whole_list(
    client: Client, wanted: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "EXPORT_CHUNK", 17)
    items = [{**item, "as_of": render(ENDS)} for item in await client.all(**wanted)]
    lines = (await file(client, "application/x-ndjson", **wanted)).split("\n")
    assert [json.loads(line) for line in lines[:-1]] == items
    assert lines[-1] == ""
    text = await file(client, "text/csv, */*", **wanted)
    assert text.count("\r\n") == text.count("\n") == len(items) + 1
    assert [plain(row) for row in csv.DictReader(io.StringIO(text, newline=""))] == items


async def test_no_cell_is_a_formula(client: Client) -> None:
    cells = [
        cell
        for row in csv.reader(io.StringIO(await file(client, "text/csv"), newline=""))
        for cell in row
    ]
    assert {cell for cell in cells if cell.startswith("'")} == {
        f"'{customer}" for customer in FORMULAS
    }
    assert not [cell for cell in cells if cell.startswith(tuple("=+-@\t\r"))]
    assert {customer for customer in ODD if customer not in FORMULAS} <= set(cells)


async def test_a_file_has_no_pages(client: Client) -> None:
    answer = await client.http.get("/v1/customers?limit=5&cursor=x", headers={"Accept": "text/csv"})
    assert (answer.status_code, [e["field"] for e in answer.json()["errors"]]) == (
        422,
        ["limit", "cursor"],
    )


class Slow:
    """A client that takes one part of an answer at a time, and may go away."""

    def __init__(self, app: Any, path: str) -> None:
        self._taken: asyncio.Queue[Any] = asyncio.Queue(maxsize=1)
        self.gone = asyncio.Event()
        path, _, query = path.partition("?")
        headers = [
            (b"authorization", b"Bearer key-of-the-tests"),
            (b"accept", b"application/x-ndjson"),
        ]
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": headers,
            "server": ("api", 80),
            "client": ("test", 1),
            "root_path": "",
        }
        self.served = asyncio.create_task(app(scope, self._receive, self._taken.put))

    async def _receive(self) -> dict[str, Any]:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def part(self) -> Any:
        return await self._taken.get()


async def busy(client: Client) -> int:
    """Connections of the API inside a transaction."""
    (row,) = await rows(
        client.url,
        "SELECT count(*) AS n FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        " AND xact_start IS NOT NULL",
    )
    return int(row["n"])


async def test_a_file_is_read_no_faster_than_it_is_taken_as_of_one_instant_and_no_longer(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "EXPORT_CHUNK", 10)
    read_ahead = 0
    original = search.SearchPath.next_candidates

    async def counted(*arguments: Any) -> Any:
        nonlocal read_ahead
        found = await original(*arguments)
        read_ahead += len(found[0])
        return found

    monkeypatch.setattr(search.SearchPath, "next_candidates", counted)
    whole = [item["customer"] for item in await client.all(limit=1000)]
    read_ahead = 0
    slow = Slow(client.app, "/v1/customers")
    assert (await slow.part())["status"] == 200
    seen = [json.loads(line)["customer"] for line in (await slow.part())["body"].splitlines()]
    assert seen == whole[:10]
    try:
        await rows(
            client.url, "UPDATE lifecycle.customer SET phase = NULL WHERE customer = $1", whole[45]
        )
        for taken in range(2, 6):
            assert read_ahead <= 10 * (taken + 1), "one part waits, and one is being sent"
            seen += [
                json.loads(line)["customer"] for line in (await slow.part())["body"].splitlines()
            ]
        assert seen == whole[:50], "as of the beginning"
        assert await busy(client) == 1
        slow.gone.set()
        await slow.served
        await eventually(lambda: nobody(client), what="the query has ended with its reader")
    finally:
        restore = "UPDATE lifecycle.customer SET phase = $2 WHERE customer = $1"
        await rows(client.url, restore, whole[45], client.known[whole[45]].state.phase)


async def nobody(client: Client) -> bool:
    return await busy(client) == 0


async def test_a_file_that_cannot_be_finished_breaks_off(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "EXPORT_CHUNK", 10)
    left, original = 2, search.SearchPath.next_candidates

    async def failing(*arguments: Any) -> Any:
        nonlocal left
        left -= 1
        return await original(*(arguments if left >= 0 else ()))

    monkeypatch.setattr(search.SearchPath, "next_candidates", failing)
    slow = Slow(client.app, "/v1/customers")
    sent = [await slow.part() for _ in range(3)]
    with capture_logs(), pytest.raises(TypeError):
        await slow.served
    assert [message.get("more_body") for message in sent] == [None, True, True], (
        "nobody says that this was all"
    )
    with capture_logs():
        answer = await client.http.get("/v1/customers", headers={"Accept": "text/csv"})
    assert (answer.status_code, answer.json()["code"]) == (500, "internal"), (
        "before the first part it is an error"
    )


async def test_only_some_files_are_written_at_a_time(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "EXPORT_CHUNK", 10)
    readers = [Slow(client.app, "/v1/customers") for _ in range(routes.MAX_EXPORTS)]
    for reader in readers:
        await reader.part()
    refused = await client.http.get("/v1/customers", headers={"Accept": "text/csv"})
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_exports")
    assert refused.headers["retry-after"]
    assert len(await client.all(limit=1000)) == len(client.known), "pages go on"
    for reader in readers:
        reader.gone.set()
    await asyncio.gather(*(reader.served for reader in readers))
    assert await file(client, "text/csv", min_value=2**62)


# -- plans


async def test_every_statement_has_an_index_to_read(client: Client) -> None:
    """The planner would rather read small tables whole, so that is made expensive."""
    named = {
        "phase": Phase.AT_RISK,
        "since_before": ENDS,
        "due_before": ENDS,
        "min_value": 500,
        "account": "b2b",
    }
    causes = (Cause("complaint"), Cause("complaint", "7"))
    whole = list[tuple[Filters, str]]()
    async with Shop(client.url).connected() as connection:
        await connection.execute("SET enable_seqscan = off")
        for number in range(len(named) + 1):
            for names in itertools.combinations(named, number):
                for cause in (None, *causes):
                    filters = Filters(**{name: named[name] for name in names}, cause=cause)  # type: ignore[arg-type]
                    for statement in statements(filters):
                        plan = await connection.fetch(
                            f"EXPLAIN {statement.sql}", *statement.arguments
                        )
                        said = "\n".join(row[0] for row in plan)
                        whole += (
                            [(filters, said)]
                            if re.search(r"Seq Scan on (?!owner|rearming)", said)
                            else []
                        )
    assert whole == []


def statements(filters: Filters) -> Iterator[search.Statement]:
    yield search.Statement(BY_ID, [["c0001", "c0002"]])
    yield search.Statement(ACTED, [[1, 2], [ENDS, ENDS], [ENDS, ENDS], ["order.completed"]])
    for timers_stale in (False, True):
        names = search.leading_conditions(filters, timers_stale=timers_stale)
        yield from [search.count_statement(filters, names)] if names else []
        for leading in (None, *names):
            path = search.SearchPath(filters, timers_stale, leading)
            yield from (path.candidates("c0001", 100), path.end_of_stretch("c0001"))
