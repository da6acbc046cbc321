"""Reads of the lists: customers in the order of their ids, found in ways whose cost has a bound.

Every way reads an index. Where few customers fulfil one of the conditions, these are looked at. Where many fulfil each,
customers are looked at in order, a stretch at a time: enough of them are soon found, unless few fulfil all conditions
together. A planner left alone would walk through a million for the last few, because it takes them for evenly spread.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple, Self

import msgspec

from services.lifecycle.domain.state.customer import Customer
from services.lifecycle.domain.state.phases import Phase
from services.lifecycle.events import ACT_TYPES
from services.lifecycle.lists.filters import Filters
from services.lifecycle.tables import magnitude
from shared.database import connection as db
from shared.database.connection import Pool, Tx, sorting_errors

FEW: Final = 5_000
"""So many customers are looked at all together."""
STRETCH: Final = 2_000
"""So many are looked at in order by one statement: few enough that an index is always cheaper than the whole table."""

_state: Final = msgspec.json.Decoder(Customer)
_COLUMNS: Final = "c.customer, c.partition, c.version, c.key, c.parked, c.merged_into, c.value, c.currency, c.state"
_CLOCKS: Final = "SELECT partition, clock FROM owner"
_UNTOLD: Final = "SELECT EXISTS (SELECT FROM rearming WHERE NOT finished)"
NAMED: Final = f"SELECT {_COLUMNS} FROM customer AS c WHERE c.customer = ANY($1::text[])"  # noqa: S608  (constants)
ACTED: Final = """
SELECT EXISTS (
    SELECT FROM event AS e
    WHERE e.customer_key = w.key AND e.type = ANY($4::text[]) AND e.time > w.since AND e.time <= w.until
) AS acted
FROM unnest($1::bigint[], $2::timestamptz[], $3::timestamptz[]) WITH ORDINALITY AS w(key, since, until, n) ORDER BY w.n
"""
_PATIENT: Final = "SET LOCAL idle_in_transaction_session_timeout = '2min'"
"""Who reads an export may be slow."""


class Row(NamedTuple):
    """A customer as stored; `value` is minor units of `currency`, which is None before the first order."""

    customer: str
    partition: int
    version: int
    key: int
    parked: str | None
    merged_into: str | None
    value: int
    currency: str | None
    state: Customer

    @classmethod
    def of(cls, row: Iterable[Any]) -> Self:
        """A row of the columns above."""
        *columns, state = row
        return cls._make([*columns, _state.decode(state)])


@asynccontextmanager
async def snapshot(pool: Pool) -> AsyncIterator[Tx]:
    """All that is read inside is as of one instant, and nothing can be written."""
    with sorting_errors():
        async with pool.acquire() as connection, db.snapshot(connection, _PATIENT):
            yield connection


async def clocks(tx: Tx) -> dict[int, datetime]:
    """Up to when each partition has been judged."""
    return {row["partition"]: row["clock"] for row in await tx.fetch(_CLOCKS)}


async def named(tx: Tx, customers: Sequence[str]) -> dict[str, Row]:
    """Those of the customers that are there, merged ones too."""
    return {row["customer"]: Row.of(row.values()) for row in await tx.fetch(NAMED, customers)}


async def acted(
    tx: Tx, keys: Sequence[int], since: Sequence[datetime], until: Sequence[datetime]
) -> list[bool]:
    """Whether each customer has acted after one instant and until another."""
    return [row["acted"] for row in await tx.fetch(ACTED, keys, since, until, ACT_TYPES)]


# -- the ways to find customers ----------------------------------------------------------------------------------------


@dataclass(slots=True)
class Statement:
    """SQL, and the arguments that its numbers stand for."""

    sql: str = ""
    arguments: list[Any] = field(default_factory=list)

    def bind(self, value: Any) -> str:
        """The number of an argument."""
        self.arguments.append(value)
        return f"${len(self.arguments)}"

    async def fetch(self, tx: Tx) -> list[Any]:
        """The rows."""
        return await tx.fetch(self.sql, *self.arguments)


@dataclass(frozen=True, slots=True)
class Way:
    """How customers who fulfil the filters are found: among those of the `source`, where these are few, or in order.

    `untold`: a policy was activated of which some timers know nothing yet.
    """

    filters: Filters
    untold: bool
    source: str | None = None

    async def next(self, tx: Tx, after: str, most: int) -> tuple[list[Row], str | None]:
        """The next candidates, at most so many, and the last customer who was looked at (None: nobody is beyond)."""
        rows = [Row.of(row.values()) for row in await self.candidates(after, most).fetch(tx)]
        if len(rows) == most:
            return rows, rows[-1].customer
        if self.source:
            return rows, None
        end = await self.end(after).fetch(tx)
        return rows, end[0]["customer"] if end else None

    def candidates(self, after: str, most: int) -> Statement:
        """They fulfil all filters, but whether the next transition lies before `due_before` must still be seen."""
        made = Statement()
        conditions = _conditions(self.filters, made, untold=self.untold)
        if self.source:
            place, few = "customer", _SOURCES[self.source](self.filters, made)
            conditions += [f"c.customer = ANY (ARRAY ({few}))", f"c.customer > {made.bind(after)}"]
        else:
            place = f"({self._stretch(made, after)})"
        where = " AND ".join(conditions)
        made.sql = (
            f"SELECT {_COLUMNS} FROM {place} AS c WHERE {where} ORDER BY c.customer LIMIT {most}"  # noqa: S608
        )
        return made

    def end(self, after: str) -> Statement:
        """The last customer of a stretch that is full."""
        made = Statement()
        made.sql = f"SELECT customer FROM ({self._stretch(made, after)}) AS c OFFSET {STRETCH - 1}"  # noqa: S608
        return made

    def _stretch(self, made: Statement, after: str) -> str:
        """The next customers by the index that tells most."""
        filters, where = self.filters, f"customer > {made.bind(after)}"
        if len(filters.phases) == 1:
            where += f" AND phase = {made.bind(filters.phases[0])}"
        elif filters.account:
            where += f" AND account = {made.bind(filters.account)}"
        return f"SELECT * FROM customer WHERE {where} ORDER BY customer LIMIT {STRETCH}"  # noqa: S608


async def way(tx: Tx, filters: Filters) -> Way:
    """The cheapest way: by the condition that fewest fulfil, if these are few."""
    untold = filters.due_before is not None and bool(await tx.fetchval(_UNTOLD))
    names = sources(filters, untold=untold)
    if not names:
        return Way(filters, untold)
    (row,) = await counts(filters, names).fetch(tx)
    number, source = min(zip(row, names, strict=True))
    return Way(filters, untold, source if number <= FEW else None)


def counts(filters: Filters, names: Sequence[str]) -> Statement:
    """How many customers fulfil each of some conditions, counted until they are not few."""
    made = Statement()
    few = (
        f"SELECT FROM ({_SOURCES[name](filters, made)}) AS one LIMIT {FEW + 1}" for name in names
    )
    made.sql = f"SELECT {', '.join(f'(SELECT count(*) FROM ({one}) AS few)' for one in few)}"  # noqa: S608
    return made


def sources(filters: Filters, *, untold: bool) -> list[str]:
    """The conditions that an index knows, but for that by which a stretch is read anyway."""
    asked = {
        "since": filters.since_before is not None,
        "due": filters.due_before is not None and not untold,
        "value": bool(filters.min_value),
        "account": filters.account is not None and len(filters.phases) == 1,
        "cause": filters.cause is not None and filters.cause.names is not None,
    }
    return [name for name, is_asked in asked.items() if is_asked]


def _since(filters: Filters, made: Statement) -> str:
    phases, before = made.bind([*filters.phases]), made.bind(filters.since_before)
    return f"SELECT customer FROM customer WHERE phase = ANY ({phases}) AND since < {before}"  # noqa: S608


def _due(filters: Filters, made: Statement) -> str:
    due = f"SELECT customer FROM timer WHERE partition = o.partition AND due_at < {made.bind(filters.due_before)}"  # noqa: S608
    return f"SELECT t.customer FROM owner AS o CROSS JOIN LATERAL ({due} ORDER BY due_at LIMIT {FEW + 1}) AS t"  # noqa: S608


def _value(filters: Filters, made: Statement) -> str:
    least = made.bind(magnitude(filters.min_value or 0))
    return f"SELECT customer FROM customer WHERE magnitude >= {least}"  # noqa: S608


def _account(filters: Filters, made: Statement) -> str:
    return f"SELECT customer FROM customer WHERE account = {made.bind(filters.account)}"  # noqa: S608


def _cause(filters: Filters, made: Statement) -> str:
    names = made.bind(filters.cause and filters.cause.names)
    at_risk = f"phase = '{Phase.AT_RISK}' AND causes <> '{{}}'"
    return f"SELECT customer FROM customer WHERE {at_risk} AND causes && {names}"  # noqa: S608


_SOURCES: Final = {
    "since": _since,
    "due": _due,
    "value": _value,
    "account": _account,
    "cause": _cause,
}

_TIMER: Final = "(SELECT t.due_at FROM timer AS t WHERE t.customer = c.customer)"
"""Never later than the next transition, but under a policy that the customer is still to be told of."""
_TELLING: Final = "EXISTS (SELECT FROM rearming AS r WHERE r.partition = c.partition AND NOT r.finished AND c.customer > r.after)"


def _conditions(filters: Filters, made: Statement, *, untold: bool) -> list[str]:
    found = [f"c.phase = ANY ({made.bind([*filters.phases])})", "c.merged_into IS NULL"]
    if filters.since_before is not None:
        found.append(f"c.since < {made.bind(filters.since_before)}")
    if filters.min_value:
        found.append(f"c.value >= {made.bind(filters.min_value)}")
    if filters.account is not None:
        found.append(f"c.account = {made.bind(filters.account)}")
    if filters.cause is not None and filters.cause.names is not None:
        found.append(f"c.causes && {made.bind(filters.cause.names)}")
    elif filters.cause is not None:
        kind = made.bind(f"{filters.cause.kind}:")
        found.append(f"EXISTS (SELECT FROM unnest(c.causes) AS one WHERE starts_with(one, {kind}))")
    if filters.due_before is not None:
        due = f"{_TIMER} < {made.bind(filters.due_before)}"
        found += ["c.parked IS NULL", f"({due} OR {_TELLING})" if untold else due]
    return found
