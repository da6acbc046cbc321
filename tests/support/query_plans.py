"""Plans of all statements of the lifecycle API: it is asked for all that its document offers.

Nothing here knows an endpoint: parameters are made from what the document says about them, and
cursors are followed. Statements are explained on the connection and in the transaction that they
run in, just before they run.
"""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from itertools import combinations
from typing import Any, Final, NamedTuple, NoReturn
from unittest.mock import patch
from uuid import UUID

import asyncpg
import httpx

from shared.instants import render
from tests.support.bulk_lives import ENDS
from tests.support.bulk_shop import name_of
from tests.support.server_stack import Stack
from tests.support.simulation_shop import api

BIG: Final = re.compile(r"customer|event(_\d+)?|transition|change|timer|hint")
"""Tables that grow with the shop."""
_EXPLAINED: Final = re.compile(r"\s*(WITH|SELECT|INSERT|UPDATE|DELETE|MERGE)\b", re.IGNORECASE)
_STREAM: Final = "text/event-stream"
_STREAM_S: Final = 0.3
READING_POSTS: Final = ("/v1/customers/lookup",)
_OPEN: Final = ("/livez", "/readyz", "/metrics")

MOST: Final = 0.8
"""The share of a big table that a statement may read through an index, as estimated."""
FEWEST: Final = 1000
"""Shares of fewer rows say nothing."""
_THROUGH_INDEX: Final = ("Index Scan", "Index Only Scan", "Bitmap Heap Scan")

Json = dict[str, Any]
Sizes = Mapping[str, float]
_Connection: Any = asyncpg.Connection


class Plan(NamedTuple):
    """A statement, its arguments, its request, and the scans of whole tables in its plan."""

    request: str
    query: str
    arguments: Sequence[Any]
    scans: frozenset[str]


def scans(node: Json, sizes: Sizes, *, limited: bool = False) -> Iterator[str]:
    """The big tables that a plan reads whole.

    A table is read whole in its own order, or through an index without a condition, or if most of
    its rows are read through an index.
    """
    kind, table = node["Node Type"], node.get("Relation Name", "")
    if BIG.fullmatch(table):
        most = node["Plan Rows"] > MOST * max(sizes[table], FEWEST)
        through_index = (
            kind in _THROUGH_INDEX
            and not limited
            and (most or not node.keys() & {"Index Cond", "Plans"})
        )
        if kind == "Seq Scan" or through_index:
            yield f"{kind} on {table}"
    limited = kind == "Limit" or (
        limited and kind in ("Subquery Scan", "Nested Loop", "Append", "Merge Append")
    )
    for inner in node.get("Plans", ()):
        yield from scans(inner, sizes, limited=limited)


def describe_scans(plans: Iterable[Plan]) -> list[str]:
    """The scans of some plans in words, each statement once."""
    wrong = {
        plan.query: f"{plan.request}: {', '.join(sorted(plan.scans))}\n{plan.query}"
        for plan in plans
        if plan.scans
    }
    return list(wrong.values())


async def explain(connection: "asyncpg.Connection[asyncpg.Record]", plan: Plan) -> Plan:
    """The plan of the same statement now."""
    found = await connection.fetchval(f"EXPLAIN (FORMAT JSON) {plan.query}", *plan.arguments)
    return plan._replace(
        scans=frozenset(scans(json.loads(found)[0]["Plan"], await sizes_of(connection)))
    )


async def sizes_of(connection: "asyncpg.Connection[asyncpg.Record]") -> Sizes:
    """The rows of every table, as the planner knows them."""
    found = await connection.fetch(
        "SELECT relname, reltuples FROM pg_class WHERE relnamespace = 'lifecycle'::regnamespace"
    )
    return {row["relname"]: row["reltuples"] for row in found}


class Watch:
    """Explains what connections of its class run, each statement once with the same arguments."""

    def __init__(self, sizes: Sizes) -> None:
        self._sizes: Final = sizes
        self.plans: dict[tuple[str, str], Plan] = {}
        self.request = "start"
        watch = self

        class Watched(_Connection):  # type: ignore[misc]
            async def _execute(
                self, query: str, args: Sequence[Any], *rest: Any, **more: Any
            ) -> Any:
                await watch.see(super()._execute, query, args)
                return await super()._execute(query, args, *rest, **more)

            async def execute(self, query: str, *args: Any, **more: Any) -> Any:
                is_one = _EXPLAINED.match(query) and ";" not in query
                if args or not is_one:
                    return await super().execute(query, *args, **more)
                return await self._execute(query, args, 0, None, return_status=True)

            async def cursor(self, query: str, *args: Any, **more: Any) -> Any:
                await watch.see(super()._execute, query, args)
                async for row in super().cursor(query, *args, **more):
                    yield row

            def _unseen(self, *_: Any, **__: Any) -> NoReturn:
                raise AssertionError(
                    "tests/support/query_plans.py does not see statements that are run in this way"
                )

            prepare = copy_from_query = executemany = _unseen

        self.connection_class: Final = Watched

    async def see(
        self, run: Callable[..., Awaitable[Any]], query: str, arguments: Sequence[Any]
    ) -> None:
        """A statement is about to run."""
        if _EXPLAINED.match(query) and (query, repr(arguments)) not in self.plans:
            rows = await run(f"EXPLAIN (FORMAT JSON) {query}", arguments, 0, None)
            found = frozenset(scans(json.loads(rows[0][0])[0]["Plan"], self._sizes))
            self.plans[query, repr(arguments)] = Plan(self.request, query, arguments, found)


# -- requests

_INSTANTS: Final = [render(ENDS + timedelta(days=days, hours=-9)) for days in (-600, -30, 0, 90)]
_VALUES: Final = {
    "date-time": _INSTANTS,
    "date": ["2025-12-01", "2025-01-01"],
    "uuid": [str(UUID(int=6))],
}
_FOLLOWED: Final = {"cursor": "next_cursor", "after": "next"}
"""Parameters that go on where an answer ended, and its field that says where that is."""


class Reader:
    """Asks an API for all that its document offers; `statuses` are those of the answers by path."""

    def __init__(self, client: httpx.AsyncClient, watch: Watch, document: Json) -> None:
        self._client = client
        self._watch = watch
        self._document = document
        self.statuses: dict[str, set[int]] = {}

    async def read_everything(self) -> None:
        """Every GET, and those POSTs that only read."""
        for path, operations in self._document["paths"].items():
            if path not in _OPEN and "get" in operations:
                await self._get(path, operations["get"])
            elif path in READING_POSTS:
                body = operations["post"]["requestBody"]["content"]["application/json"]["example"]
                await self._send(path, "POST", json=body)

    async def _get(self, path: str, operation: Json) -> None:
        known = [
            p
            for p in operation.get("parameters", ())
            if p["in"] == "query" and p["name"] not in _FOLLOWED
        ]
        values = {parameter["name"]: list(self._values(parameter)) for parameter in known}
        followed = {p["name"] for p in operation.get("parameters", ())} & _FOLLOWED.keys()
        kinds = operation["responses"]["200"].get("content", {})
        if _STREAM in kinds:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._send(path, "GET"), _STREAM_S)
            return
        for params in _combined(values):
            answer = await self._send(path, "GET", params=params)
            for name in followed if answer.is_success else ():
                if behind := answer.json().get(_FOLLOWED[name]):
                    await self._send(path, "GET", params={**params, name: behind})
        for kind in kinds.keys() - {"application/json"}:
            await self._send(path, "GET", headers={"Accept": kind})

    async def _send(self, path: str, method: str, **how: Any) -> httpx.Response:
        operation = self._document["paths"][path][method.lower()]
        names = {
            p["name"]: next(self._values(p))
            for p in operation.get("parameters", ())
            if p["in"] == "path"
        }
        self._watch.request = f"{method} {path} {how.get('params', '')}"
        answer = await self._client.request(method, path.format(**names), **how)
        self.statuses.setdefault(path, set()).add(answer.status_code)
        return answer

    def _values(self, parameter: Json) -> Iterator[Any]:
        """What a parameter may be."""
        if parameter["name"] == "customer":
            yield name_of(7)
        yield from self._of(parameter["schema"], parameter)

    def _of(self, schema: Json, parameter: Json) -> Iterator[Any]:
        if "$ref" in schema:
            schema = self._document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        examples = schema.get("examples") or parameter.get("examples")
        if "anyOf" in schema:
            for choice in schema["anyOf"]:
                yield from self._of(choice, {"examples": examples})
        elif schema.get("type") != "null":
            plain = {
                "boolean": ["true"],
                "integer": [schema.get("minimum", 1)],
                "number": [schema.get("minimum", 0)],
            }
            found = schema.get("enum") or ([schema["const"]] if "const" in schema else None)
            yield from (
                found
                or _VALUES.get(schema.get("format", ""), [])
                or examples
                or plain.get(schema["type"], ["x"])
            )


def _combined(values: Mapping[str, Sequence[Any]]) -> Iterator[dict[str, Any]]:
    """No parameter, each with each of its values, each two, and all."""
    yield {}
    for name, choices in values.items():
        yield from ({name: value} for value in choices)
    for pair in combinations(values, 2):
        yield {name: values[name][-1] for name in pair}
    if len(values) > 2:
        yield {name: choices[-1] for name, choices in values.items()}


async def collect_plans(stack: Stack, url: str) -> tuple[list[Plan], dict[str, set[int]]]:
    """Plans of all statements that the reads of the API run on a database, and statuses by path."""
    connection = await asyncpg.connect(url)
    watch = Watch(await sizes_of(connection))
    await connection.close()
    with patch.object(asyncpg, "Connection", watch.connection_class):
        async with api(stack, url) as client:
            reader = Reader(client, watch, (await client.get("/openapi.json")).json())
            await reader.read_everything()
    return list(watch.plans.values()), reader.statuses
