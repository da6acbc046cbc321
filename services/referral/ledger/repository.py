"""What the API shows, read from the rows."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeAlias
from uuid import UUID

from services.referral.domain.ledger import Account
from services.referral.domain.rewards import Kind
from shared.clock import DAWN
from shared.database.connection import Pool, Tx

Source: TypeAlias = "Pool | Tx"

_CLOCK: Final = "SELECT clock FROM owner WHERE partition = $1"
_LEAST_CLOCK: Final = "SELECT min(clock) FROM owner"
_PARKED: Final = "SELECT parked FROM member WHERE customer = $1"
_CODE: Final = "SELECT code, issued_at FROM code WHERE customer = $1"
_BALANCES: Final = """
SELECT currency, coalesce(sum(amount) FILTER (WHERE account = $2), 0)::bigint AS pending,
       coalesce(sum(amount) FILTER (WHERE account = $3), 0)::bigint AS available
FROM entry WHERE customer = $1 GROUP BY currency ORDER BY currency
"""
_LEDGER: Final = """
SELECT p.seq, p.id, p.kind, p.time, p.recorded_at, p.claim_id, p.cause, p.cancels, e.lines
FROM posting AS p CROSS JOIN LATERAL (
    SELECT array_agg((account, amount, currency) ORDER BY account) AS lines FROM entry WHERE posting_id = p.id
) AS e
WHERE p.customer = $1 AND ($2::bigint IS NULL OR p.seq < $2) ORDER BY p.seq DESC LIMIT $3
"""
_COUNT_CODES: Final = "SELECT count(*) FROM code"
_COUNT_CLAIMS: Final = """
SELECT CASE WHEN state = 'accepted' AND expires_at < $1 THEN 'expired' ELSE state END AS name, count(*) AS n
FROM claim GROUP BY name
"""
_COUNT_REWARDS: Final = "SELECT state AS name, count(*) AS n FROM reward GROUP BY state"


@dataclass(frozen=True, slots=True)
class Balance:
    """Sums in minor units of one currency."""

    currency: str
    pending: int
    available: int


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """A posting with its entries (account, amount, currency)."""

    seq: int
    id: UUID
    kind: Kind
    time: datetime
    recorded_at: datetime
    claim_id: UUID
    cause: str
    cancels: UUID | None
    lines: list[tuple[Account, int, str]]


@dataclass(frozen=True, slots=True)
class Counts:
    """How many there are, as of the least clock of all partitions."""

    as_of: datetime
    codes: int
    claims: dict[str, int]
    rewards: dict[str, int]


async def clock(source: Source, partition: int) -> datetime:
    """Until when the partition's deadlines have been applied."""
    found: datetime | None = await source.fetchval(_CLOCK, partition)
    return found or DAWN


async def parked(source: Source, customer: str) -> str | None:
    """Why a customer is not judged for now."""
    found: str | None = await source.fetchval(_PARKED, customer)
    return found


async def code(source: Source, customer: str) -> tuple[str, datetime] | None:
    """A customer's code and when it was issued."""
    row = await source.fetchrow(_CODE, customer)
    return (row["code"], row["issued_at"]) if row else None


async def balances(source: Source, customer: str) -> list[Balance]:
    """A customer's sums per currency."""
    rows = await source.fetch(_BALANCES, customer, Account.PENDING.value, Account.AVAILABLE.value)
    return [Balance(row["currency"], row["pending"], row["available"]) for row in rows]


async def ledger(
    source: Source, customer: str, *, before: int | None, limit: int
) -> list[LedgerRow]:
    """A customer's postings, newest first."""
    return [_ledger_row(row) for row in await source.fetch(_LEDGER, customer, before, limit)]


def _ledger_row(row: Any) -> LedgerRow:
    lines = [(Account(account), amount, currency) for account, amount, currency in row["lines"]]
    return LedgerRow(
        row["seq"], row["id"], Kind(row["kind"]), row["time"], row["recorded_at"], row["claim_id"], row["cause"],
        row["cancels"], lines,
    )  # fmt: skip


async def counts(source: Source) -> Counts:
    """Codes, claims by state, rewards by state."""
    as_of: datetime = await source.fetchval(_LEAST_CLOCK) or DAWN
    claims = {row["name"]: row["n"] for row in await source.fetch(_COUNT_CLAIMS, as_of)}
    rewards = {row["name"]: row["n"] for row in await source.fetch(_COUNT_REWARDS)}
    return Counts(as_of, int(await source.fetchval(_COUNT_CODES) or 0), claims, rewards)
