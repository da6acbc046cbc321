"""How customers who fulfil filters are found, in the order of their ids and at a bounded cost.

Every search reads an index. Where few customers fulfil one of the conditions, all of these are
read. Where many customers fulfil each condition, they are read in order, a stretch at a time:
enough matches are soon found, unless few customers fulfil all conditions together. Left alone, the
planner would walk through a million customers for the last few matches, because it expects matches
to be evenly spread.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from services.lifecycle.domain.state.phases import Phase
from services.lifecycle.lists.filters import Cause, Filters
from services.lifecycle.lists.repository import COLUMNS, ListedCustomer
from services.lifecycle.tables.customers import magnitude
from shared.database.connection import Tx

FEW: Final = 5_000
"""A condition fulfilled by at most so many customers leads the search."""
STRETCH: Final = 2_000
"""Customers that one statement reads in order.

So few that an index is always cheaper than the whole table.
"""

_TIMERS_STALE: Final = "SELECT EXISTS (SELECT FROM rearming WHERE NOT finished)"
_TIMER: Final = "(SELECT t.due_at FROM timer AS t WHERE t.customer = c.customer)"
"""Never later than the next transition, unless the timer is stale."""
_TIMER_STALE: Final = (
    "EXISTS (SELECT FROM rearming AS r"
    " WHERE r.partition = c.partition AND NOT r.finished AND c.customer > r.after)"
)


@dataclass(slots=True)
class Statement:
    """SQL, and the arguments that its numbers stand for."""

    sql: str = ""
    arguments: list[Any] = field(default_factory=list)

    def bind(self, value: Any) -> str:
        """Add an argument; returns its number as SQL has it."""
        self.arguments.append(value)
        return f"${len(self.arguments)}"

    async def fetch(self, tx: Tx) -> list[Any]:
        """Run it; returns its rows."""
        return await tx.fetch(self.sql, *self.arguments)


class Candidates(NamedTuple):
    """Rows in the order of their ids, and the last customer looked at (None: nobody is behind)."""

    rows: list[ListedCustomer]
    reached: str | None


@dataclass(frozen=True, slots=True)
class SearchPath:
    """How customers are found: among those who fulfil the leading condition, or all in order.

    `leading` is a name of `LEADING`, or None. `timers_stale`: a policy was activated that some
    timers do not know yet.
    """

    filters: Filters
    timers_stale: bool
    leading: str | None = None

    async def next_candidates(self, tx: Tx, after: str, limit: int) -> Candidates:
        """The next customers behind one, at most `limit`."""
        found = await self.candidates(after, limit).fetch(tx)
        rows = [ListedCustomer.of(row.values()) for row in found]
        if len(rows) == limit:
            return Candidates(rows, rows[-1].customer)
        if self.leading:
            return Candidates(rows, None)
        end = await self.end_of_stretch(after).fetch(tx)
        return Candidates(rows, end[0]["customer"] if end else None)

    def candidates(self, after: str, limit: int) -> Statement:
        """Those who fulfil all filters but `due_before`.

        Their timers lie before it; whether the next transition does, too, remains to be seen.
        """
        statement = Statement()
        conditions = _conditions(self.filters, statement, timers_stale=self.timers_stale)
        if self.leading:
            table = "customer"
            ids = LEADING[self.leading](self.filters, statement)
            conditions.append(f"c.customer = ANY (ARRAY ({ids}))")
            conditions.append(f"c.customer > {statement.bind(after)}")
        else:
            table = f"({self._stretch(statement, after)})"
        statement.sql = (
            f"SELECT {COLUMNS} FROM {table} AS c WHERE {' AND '.join(conditions)}"  # noqa: S608
            f" ORDER BY c.customer LIMIT {limit}"
        )
        return statement

    def end_of_stretch(self, after: str) -> Statement:
        """The last customer of a stretch that is full."""
        statement = Statement()
        stretch = self._stretch(statement, after)
        statement.sql = f"SELECT customer FROM ({stretch}) AS c OFFSET {STRETCH - 1}"  # noqa: S608
        return statement

    def _stretch(self, statement: Statement, after: str) -> str:
        """The next customers, by the index that excludes most of the others."""
        where = f"customer > {statement.bind(after)}"
        if len(self.filters.phases) == 1:
            where += f" AND phase = {statement.bind(self.filters.phases[0])}"
        elif self.filters.account:
            where += f" AND account = {statement.bind(self.filters.account)}"
        return f"SELECT * FROM customer WHERE {where} ORDER BY customer LIMIT {STRETCH}"  # noqa: S608


async def choose_path(tx: Tx, filters: Filters) -> SearchPath:
    """The cheapest path: led by the condition that fewest customers fulfil, if these are few."""
    timers_stale = filters.due_before is not None and bool(await tx.fetchval(_TIMERS_STALE))
    names = leading_conditions(filters, timers_stale=timers_stale)
    if not names:
        return SearchPath(filters, timers_stale)
    (counts,) = await count_statement(filters, names).fetch(tx)
    number, name = min(zip(counts, names, strict=True))
    return SearchPath(filters, timers_stale, name if number <= FEW else None)


def count_statement(filters: Filters, names: Sequence[str]) -> Statement:
    """How many customers fulfil each of some conditions; counting ends when they are not few."""
    statement = Statement()
    counts = list[str]()
    for name in names:
        ids = LEADING[name](filters, statement)
        few = f"SELECT FROM ({ids}) AS one LIMIT {FEW + 1}"
        counts.append(f"(SELECT count(*) FROM ({few}) AS few)")  # noqa: S608
    statement.sql = f"SELECT {', '.join(counts)}"
    return statement


def leading_conditions(filters: Filters, *, timers_stale: bool) -> list[str]:
    """The conditions that have an index of their own, except the one that a stretch is read by."""
    usable = {
        "since": filters.since_before is not None,
        "due": filters.due_before is not None and not timers_stale,
        "value": bool(filters.min_value),
        "account": filters.account is not None and len(filters.phases) == 1,
        "cause": filters.cause is not None and filters.cause.names is not None,
    }
    return [name for name, is_usable in usable.items() if is_usable]


def _since(filters: Filters, statement: Statement) -> str:
    phases = statement.bind([*filters.phases])
    before = statement.bind(filters.since_before)
    return f"SELECT customer FROM customer WHERE phase = ANY ({phases}) AND since < {before}"  # noqa: S608


def _due(filters: Filters, statement: Statement) -> str:
    before = statement.bind(filters.due_before)
    due = (
        "SELECT customer FROM timer"  # noqa: S608
        f" WHERE partition = o.partition AND due_at < {before}"
        f" ORDER BY due_at LIMIT {FEW + 1}"
    )
    return f"SELECT t.customer FROM owner AS o CROSS JOIN LATERAL ({due}) AS t"  # noqa: S608


def _value(filters: Filters, statement: Statement) -> str:
    least = statement.bind(magnitude(filters.min_value or 0))
    return f"SELECT customer FROM customer WHERE magnitude >= {least}"  # noqa: S608


def _account(filters: Filters, statement: Statement) -> str:
    return f"SELECT customer FROM customer WHERE account = {statement.bind(filters.account)}"  # noqa: S608


def _cause(filters: Filters, statement: Statement) -> str:
    names = statement.bind(filters.cause and filters.cause.names)
    at_risk = f"phase = '{Phase.AT_RISK}' AND causes <> '{{}}'"
    return f"SELECT customer FROM customer WHERE {at_risk} AND causes && {names}"  # noqa: S608


LEADING: Final = {
    "since": _since,
    "due": _due,
    "value": _value,
    "account": _account,
    "cause": _cause,
}
"""SQL of the ids of all who fulfil a condition, read by its index."""


def _conditions(filters: Filters, statement: Statement, *, timers_stale: bool) -> list[str]:
    conditions = [f"c.phase = ANY ({statement.bind([*filters.phases])})", "c.merged_into IS NULL"]
    if filters.since_before is not None:
        conditions.append(f"c.since < {statement.bind(filters.since_before)}")
    if filters.min_value:
        conditions.append(f"c.value >= {statement.bind(filters.min_value)}")
    if filters.account is not None:
        conditions.append(f"c.account = {statement.bind(filters.account)}")
    if filters.cause is not None:
        conditions.append(_has_cause(filters.cause, statement))
    if filters.due_before is not None:
        due = f"{_TIMER} < {statement.bind(filters.due_before)}"
        conditions.append("c.parked IS NULL")
        conditions.append(f"({due} OR {_TIMER_STALE})" if timers_stale else due)
    return conditions


def _has_cause(cause: Cause, statement: Statement) -> str:
    if cause.names is not None:
        return f"c.causes && {statement.bind(cause.names)}"
    kind = statement.bind(f"{cause.kind}:")
    return f"EXISTS (SELECT FROM unnest(c.causes) AS one WHERE starts_with(one, {kind}))"
