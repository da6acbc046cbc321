"""Rows of rewards and of the ledger, as values of the domain: one statement per batch and table."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec

from services.referral.claims.repository import columns
from services.referral.domain.ledger import Book, Posting
from services.referral.domain.rewards import Facts, Kind, Side, State
from shared.database.connection import Tx

_facts: Final = msgspec.json.Decoder(Facts)


@dataclass(frozen=True, slots=True)
class Reward:
    """One side's reward as stored."""

    book: Book
    side: Side
    partition: int
    revision: int
    facts: Facts | None
    state: State
    as_of: datetime
    due_at: datetime | None


_REWARDS: Final = """
SELECT r.* FROM reward AS r JOIN unnest($1::text[], $2::uuid[]) AS b(customer, claim_id) USING (customer, claim_id)
"""
_SAVE_REWARDS: Final = """
INSERT INTO reward (customer, claim_id, side, partition, revision, facts, state, as_of, due_at)
SELECT * FROM unnest($1::text[], $2::uuid[], $3::text[], $4::int[], $5::int[], $6::jsonb[], $7::text[],
                     $8::timestamptz[], $9::timestamptz[])
ON CONFLICT (customer, claim_id) DO UPDATE
SET side = excluded.side, revision = excluded.revision, facts = excluded.facts,
    state = excluded.state, as_of = excluded.as_of, due_at = excluded.due_at
"""
_DUE: Final = """
SELECT t.partition, found.customer, found.claim_id
FROM unnest($1::int[], $2::timestamptz[], $3::timestamptz[]) AS t(partition, after, until)
CROSS JOIN LATERAL (
    SELECT customer, claim_id, due_at FROM reward JOIN member USING (customer)
    WHERE partition = t.partition AND due_at > t.after AND due_at <= t.until AND parked IS NULL
    ORDER BY due_at LIMIT $4
) AS found ORDER BY t.partition, found.due_at
"""
_UNSETTLED: Final = (
    "SELECT customer, claim_id FROM reward WHERE customer = ANY($1::text[]) AND due_at IS NOT NULL"
)
_POSTINGS: Final = """
SELECT p.id, p.customer, p.claim_id, content, kind, p.time, cause, min(currency) AS currency, cancels,
       coalesce(sum(amount) FILTER (WHERE account = 'customer:pending'), 0)::bigint AS pending,
       coalesce(sum(amount) FILTER (WHERE account = 'customer:available'), 0)::bigint AS available
FROM posting AS p JOIN unnest($1::text[], $2::uuid[]) AS b(customer, claim_id) USING (customer, claim_id)
JOIN entry ON posting_id = p.id GROUP BY p.id
"""
_POST: Final = """
INSERT INTO posting (id, customer, claim_id, content, kind, time, recorded_at, cause, cancels)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::uuid[], $5::text[], $6::timestamptz[], $7::timestamptz[],
                     $8::text[], $9::uuid[])
"""
_ENTER: Final = """
INSERT INTO entry (posting_id, account, customer, amount, currency)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::text[])
"""


def _keys(books: Iterable[Book]) -> list[list[Any]]:
    return columns(((book.customer, book.claim_id) for book in books), 2)


async def rewards(tx: Tx, books: Iterable[Book]) -> dict[Book, Reward]:
    """The rewards of these books that exist."""
    found = {}
    for row in await tx.fetch(_REWARDS, *_keys(books)):
        book = Book(row["customer"], row["claim_id"])
        facts = _facts.decode(row["facts"]) if row["facts"] else None
        found[book] = Reward(
            book, Side(row["side"]), row["partition"], row["revision"], facts, State(row["state"]), row["as_of"],
            row["due_at"],
        )  # fmt: skip
    return found


async def save_rewards(tx: Tx, rows: Iterable[Reward]) -> None:
    """Store rewards, new and changed."""
    values = (
        (r.book.customer, r.book.claim_id, r.side.value, r.partition, r.revision,
         msgspec.json.encode(r.facts).decode() if r.facts else None, r.state.value, r.as_of, r.due_at)
        for r in rows
    )  # fmt: skip
    await tx.execute(_SAVE_REWARDS, *columns(values, 9))


async def due(
    tx: Tx, ticks: Sequence[tuple[int, datetime, datetime]], *, limit: int
) -> dict[int, list[Book]]:
    """By partition, rewards that become available after an instant and until another one."""
    found: dict[int, list[Book]] = {partition: [] for partition, _, _ in ticks}
    for row in await tx.fetch(_DUE, *columns(ticks, 3), limit):
        found[row["partition"]].append(Book(row["customer"], row["claim_id"]))
    return found


async def unsettled(tx: Tx, customers: Iterable[str]) -> list[Book]:
    """All rewards of these customers that have a deadline still to come, or waited while the customer was parked."""
    return [
        Book(row["customer"], row["claim_id"])
        for row in await tx.fetch(_UNSETTLED, list(customers))
    ]


async def postings(tx: Tx, books: Iterable[Book]) -> dict[Book, list[Posting]]:
    """What has been posted for these books."""
    found: dict[Book, list[Posting]] = {book: [] for book in books}
    for row in await tx.fetch(_POSTINGS, *_keys(found)):
        book = Book(row["customer"], row["claim_id"])
        found[book].append(
            Posting(
                row["id"], row["content"], Kind(row["kind"]), row["time"], row["cause"], row["currency"],
                row["pending"], row["available"], row["cancels"],
            )
        )  # fmt: skip
    return found


async def post(tx: Tx, rows: Sequence[tuple[Book, Posting, datetime]]) -> None:
    """Append postings with their entries; the last of each tuple is when it is recorded."""
    values = (
        (
            p.id,
            book.customer,
            book.claim_id,
            p.content,
            p.kind.value,
            p.time,
            recorded_at,
            p.cause,
            p.cancels,
        )
        for book, p, recorded_at in rows
    )
    await tx.execute(_POST, *columns(values, 9))
    entries = (
        (p.id, account.value, book.customer, amount, p.currency)
        for book, p, _ in rows
        for account, amount in p.entries
    )
    await tx.execute(_ENTER, *columns(entries, 5))
