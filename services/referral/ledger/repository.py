"""SQL of what the API shows of the ledger: balances and postings."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from services.referral.domain.ledger import Account
from services.referral.domain.rewards import Kind, Side
from shared.database.connection import Pool, Tx

_BALANCES: Final = """
SELECT currency, coalesce(sum(amount) FILTER (WHERE account = $2), 0)::bigint AS pending,
       coalesce(sum(amount) FILTER (WHERE account = $3), 0)::bigint AS available
FROM entry WHERE customer = $1 GROUP BY currency ORDER BY currency
"""
_POSTINGS: Final = """
SELECT p.seq, p.id, p.kind, p.time, p.recorded_at, p.claim_id, p.side, p.cause, p.cancels,
       p.counterpart, e.entries
FROM posting AS p CROSS JOIN LATERAL (
    SELECT array_agg((account, amount, currency) ORDER BY account) AS entries
    FROM entry WHERE posting_id = p.id
) AS e
WHERE p.customer = $1 AND ($2::bigint IS NULL OR p.seq < $2) ORDER BY p.seq DESC LIMIT $3
"""


@dataclass(frozen=True, slots=True)
class CurrencyBalance:
    """A customer's sums in one currency, in minor units."""

    currency: str
    pending: int
    available: int


@dataclass(frozen=True, slots=True)
class PostingRow:
    """A posting with its entries (account, amount, currency)."""

    seq: int
    id: UUID
    kind: Kind
    time: datetime
    recorded_at: datetime
    claim_id: UUID
    side: Side
    cause: str
    cancels: UUID | None
    counterpart: UUID | None
    entries: list[tuple[Account, int, str]]


async def load_balances(source: Pool | Tx, customer: str) -> list[CurrencyBalance]:
    """A customer's sums, by currency."""
    accounts = Account.PENDING.value, Account.AVAILABLE.value
    rows = await source.fetch(_BALANCES, customer, *accounts)
    return [CurrencyBalance(row["currency"], row["pending"], row["available"]) for row in rows]


async def load_page(
    source: Pool | Tx, customer: str, *, before: int | None, limit: int
) -> list[PostingRow]:
    """At most `limit` postings of a customer, newest first, from below the `seq` of `before` on."""
    rows = await source.fetch(_POSTINGS, customer, before, limit)
    return [_posting_row(row) for row in rows]


def _posting_row(row: Any) -> PostingRow:
    entries = [(Account(account), amount, currency) for account, amount, currency in row["entries"]]
    return PostingRow(
        seq=row["seq"],
        id=row["id"],
        kind=Kind(row["kind"]),
        time=row["time"],
        recorded_at=row["recorded_at"],
        claim_id=row["claim_id"],
        side=Side(row["side"]),
        cause=row["cause"],
        cancels=row["cancels"],
        counterpart=row["counterpart"],
        entries=entries,
    )
