"""The stored orders that the cadence model reads, and the fits made of them."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple, Self, TypeAlias

import msgspec

from services.lifecycle.cadence.backtest import PurchaseEpisode
from services.lifecycle.domain.policy.cadence import Fit
from shared.database.connection import Pool, Tx

NEWEST: Final = 2**63 - 1
"""Greater than the number of any attempt."""
TIMEOUT_S: Final = 900.0
"""All orders are read at once, and a fit may have to wait for another one."""


class HistoryCount(NamedTuple):
    """How many `customers` share a purchase history.

    They bought on `x` days after the first one. The last of these days came `tx` days after the
    first, the clock `age` days after it.
    """

    x: int
    tx: int
    age: int
    customers: int


CustomerValue: TypeAlias = tuple[int, float]
"""The repeat purchases of a customer, and their mean worth in minor units."""


class FitEstimate(Fit, frozen=True):
    """The parameters of a fit as stored; `no_values` says why there are none for values."""

    log_likelihood: float | None = None
    no_values: str | None = None


class FitAttempt(NamedTuple):
    """A fit that was made: accepted with its estimate, or refused for a reason.

    `repeats` counts repeat purchases.
    """

    number: int
    effective_at: datetime
    made_at: datetime
    reason: str | None
    customers: int
    repeats: int
    estimate: FitEstimate | None

    @classmethod
    def of(cls, row: Iterable[Any]) -> Self:
        """Read a row of the table."""
        number, effective_at, made_at, reason, customers, repeats, parameters = row
        estimate = None if reason else _estimate.decode(parameters)
        return cls(number, effective_at, made_at, reason, customers, repeats, estimate)


_estimate: Final = msgspec.json.Decoder(FitEstimate)

_PURCHASE_DAYS: Final = """
WITH changed AS (
    SELECT DISTINCT ON (customer_key, order_key, store_key)
        customer_key, bought_at, amount, currency, stands
    FROM order_version WHERE at <= $1
    ORDER BY customer_key, order_key, store_key, at DESC
), purchase AS (
    SELECT e.customer_key, e.time, e.amount, e.currency FROM event AS e
    WHERE e.type = 'order.completed' AND e.time <= $1
        AND NOT EXISTS (
            SELECT FROM order_version AS v
            WHERE (v.customer_key, v.order_key) = (e.customer_key, e.order_key)
                AND v.at <= $1
        )
    UNION ALL
    SELECT customer_key, bought_at, amount, currency FROM changed WHERE stands
), days AS (
    SELECT
        p.customer_key,
        (p.time AT TIME ZONE 'UTC')::date AS day,
        min(p.time) AS began,
        max(p.time) AS ended
    FROM purchase AS p JOIN customer AS c ON c.key = p.customer_key AND c.merged_into IS NULL
    GROUP BY 1, 2
)
"""
"""The UTC days on which each customer bought something that stands at $1."""
_HISTORIES: Final = f"""
{_PURCHASE_DAYS}
, rhythm AS (
    SELECT
        count(*) - 1 AS x,
        max(day) - min(day) AS tx,
        ($1 AT TIME ZONE 'UTC')::date - min(day) AS age
    FROM days GROUP BY customer_key
)
SELECT x, tx, age, count(*) AS n FROM rhythm GROUP BY 1, 2, 3
"""  # noqa: S608  (constants)
_EPISODES: Final = f"""
{_PURCHASE_DAYS}
, episode AS (
    SELECT
        customer_key,
        row_number() OVER life - 1 AS x,
        first_value(began) OVER life AS first,
        ended,
        lead(day) OVER life - day AS gap
    FROM days WINDOW life AS (PARTITION BY customer_key ORDER BY day)
)
SELECT customer_key, x, first, ended, gap FROM episode WHERE ended >= $2
"""  # noqa: S608  (constants)
_VALUES: Final = f"""
{_PURCHASE_DAYS}
, began AS (SELECT customer_key, min(day) AS day FROM days GROUP BY 1)
, placed AS (
    SELECT customer_key, (time AT TIME ZONE 'UTC')::date AS day, amount::float8, currency
    FROM purchase
)
SELECT count(DISTINCT p.day) AS x, sum(p.amount) / count(DISTINCT p.day) AS mean
FROM placed AS p JOIN began AS b ON b.customer_key = p.customer_key AND b.day < p.day
GROUP BY p.customer_key HAVING bool_and(p.currency = $2) AND sum(p.amount) > 0
"""  # noqa: S608  (constants)
_STORE: Final = """
INSERT INTO fit (number, effective_at, made_at, accepted, reason, customers, repeats, parameters)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8::json)
"""
_COLUMNS: Final = "number, effective_at, made_at, reason, customers, repeats, parameters"
_IN_FORCE: Final = f"""
SELECT {_COLUMNS} FROM fit WHERE accepted ORDER BY effective_at DESC, number DESC LIMIT 1
"""  # noqa: S608
_PAGE: Final = f"SELECT {_COLUMNS} FROM fit WHERE number < $1 ORDER BY number DESC LIMIT $2"  # noqa: S608


async def histories(connection: Tx, as_of: datetime) -> list[HistoryCount]:
    """The purchase histories of all customers until an instant, equal ones counted together."""
    rows = await connection.fetch(_HISTORIES, as_of, timeout=TIMEOUT_S)
    return [HistoryCount(*row) for row in rows]


async def values(connection: Tx, as_of: datetime, currency: str) -> list[CustomerValue]:
    """The values of all customers who came back until an instant, less refunds.

    Customers who came back in another currency are left out.
    """
    rows = await connection.fetch(_VALUES, as_of, currency, timeout=TIMEOUT_S)
    return [(row["x"], row["mean"]) for row in rows]


async def episodes(connection: Tx, since: datetime, as_of: datetime) -> list[PurchaseEpisode]:
    """The purchases from `since` to `as_of`; several of one day are one."""
    rows = await connection.fetch(_EPISODES, as_of, since, timeout=TIMEOUT_S)
    return [PurchaseEpisode(*row) for row in rows]


async def store(tx: Tx, attempt: FitAttempt) -> None:
    """Store an attempt; its number must have been taken in this transaction."""
    parameters = msgspec.json.encode(attempt.estimate).decode() if attempt.estimate else "{}"
    await tx.execute(
        _STORE,
        attempt.number,
        attempt.effective_at,
        attempt.made_at,
        attempt.estimate is not None,
        attempt.reason,
        attempt.customers,
        attempt.repeats,
        parameters,
    )


async def in_force(connection: Tx | Pool) -> FitAttempt | None:
    """The last accepted fit."""
    row = await connection.fetchrow(_IN_FORCE)
    return FitAttempt.of(row) if row else None


async def page(connection: Tx | Pool, before: int, limit: int) -> Sequence[FitAttempt]:
    """Attempts with smaller numbers, the newest first."""
    return [FitAttempt.of(row) for row in await connection.fetch(_PAGE, before, limit)]


async def latest(connection: Tx | Pool) -> FitAttempt | None:
    """The newest attempt, accepted or refused."""
    attempts = await page(connection, NEWEST, 1)
    return attempts[0] if attempts else None
