"""SQL of rewards and of their postings: one statement per batch and table."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec

from services.referral.domain.ledger import Posting
from services.referral.domain.rewards import (
    Kind,
    LastAnnouncement,
    Reward,
    RewardFacts,
    RewardKey,
    RewardState,
    Side,
)
from shared.database.columns import columns_of
from shared.database.connection import Tx
from shared.stream.batch import DueSpan

_decode_facts: Final = msgspec.json.Decoder(RewardFacts).decode
_decode_told: Final = msgspec.json.Decoder(LastAnnouncement).decode

_REWARDS: Final = """
SELECT r.* FROM reward AS r
JOIN unnest($1::uuid[], $2::text[]) AS b(claim_id, side) USING (claim_id, side)
"""
_SAVE_REWARDS: Final = """
INSERT INTO reward (customer, claim_id, side, earner, partition, revision, facts, state, as_of,
                    due_at, since, moved, told, announced)
SELECT * FROM unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::int[], $6::int[],
                     $7::jsonb[], $8::text[], $9::timestamptz[], $10::timestamptz[],
                     $11::timestamptz[], $12::boolean[], $13::jsonb[], $14::jsonb[])
ON CONFLICT (claim_id, side, customer) DO UPDATE
SET revision = excluded.revision, facts = excluded.facts, state = excluded.state,
    as_of = excluded.as_of, due_at = excluded.due_at, since = excluded.since,
    moved = excluded.moved, told = excluded.told, announced = excluded.announced
"""
_DUE: Final = """
SELECT t.partition, found.customer, found.claim_id, found.side
FROM unnest($1::int[], $2::timestamptz[], $3::timestamptz[]) AS t(partition, after, until)
CROSS JOIN LATERAL (
    SELECT customer, claim_id, side, due_at FROM reward JOIN member USING (customer)
    WHERE partition = t.partition AND due_at > t.after AND due_at <= t.until AND parked IS NULL
    ORDER BY due_at LIMIT $4
) AS found ORDER BY t.partition, found.due_at
"""
_UNSETTLED: Final = """
SELECT customer, claim_id, side FROM reward
WHERE customer = ANY($1::text[]) AND due_at IS NOT NULL
"""
_UNMOVED: Final = """
SELECT customer, claim_id, side FROM reward WHERE customer = ANY($1::text[]) AND NOT moved
"""
_POSTINGS: Final = """
SELECT p.id, p.customer, p.claim_id, p.side, content, kind, p.time, cause,
       min(currency) AS currency, cancels, counterpart,
       coalesce(sum(amount) FILTER (WHERE account = 'customer:pending'), 0)::bigint AS pending,
       coalesce(sum(amount) FILTER (WHERE account = 'customer:available'), 0)::bigint AS available
FROM posting AS p
JOIN unnest($1::uuid[], $2::text[]) AS b(claim_id, side) USING (claim_id, side)
JOIN entry ON posting_id = p.id GROUP BY p.id
"""
_ADD_POSTINGS: Final = """
INSERT INTO posting (id, customer, claim_id, side, content, kind, time, recorded_at, cause, cancels,
                     counterpart, entries)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::uuid[], $6::text[],
                     $7::timestamptz[], $8::timestamptz[], $9::text[], $10::uuid[], $11::uuid[],
                     $12::int[])
"""
_ADD_ENTRIES: Final = """
INSERT INTO entry (posting_id, account, customer, amount, currency)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::text[])
"""


class RewardSide(NamedTuple):
    """One side's reward for a claim, whichever customers it has been with."""

    claim_id: UUID
    side: Side

    @classmethod
    def of(cls, key: RewardKey) -> "RewardSide":
        return cls(key.claim_id, key.side)


class NewPosting(NamedTuple):
    """A posting to add for a reward."""

    key: RewardKey
    posting: Posting
    recorded_at: datetime


async def load_rewards(tx: Tx, sides: Collection[RewardSide]) -> Mapping[RewardSide, list[Reward]]:
    """The rewards of these sides, with all customers who have or had them."""
    found: defaultdict[RewardSide, list[Reward]] = defaultdict(list)
    for row in await tx.fetch(_REWARDS, *columns_of(sides, 2)):
        reward = _reward(row)
        found[RewardSide.of(reward.key)].append(reward)
    return found


async def save_rewards(tx: Tx, rewards: Iterable[Reward]) -> None:
    """Store rewards, new and changed."""
    await tx.execute(_SAVE_REWARDS, *columns_of(map(_reward_row, rewards), 14))


async def find_due(tx: Tx, spans: Sequence[DueSpan], *, limit: int) -> dict[int, list[RewardKey]]:
    """By partition, at most `limit` rewards that become available in its span, earliest first."""
    due: dict[int, list[RewardKey]] = {span.partition: [] for span in spans}
    for row in await tx.fetch(_DUE, *columns_of(spans, 3), limit):
        due[row["partition"]].append(_key(row))
    return due


async def find_unsettled(tx: Tx, customers: Iterable[str]) -> list[RewardKey]:
    """The rewards of these customers that have a deadline, also those that waited for a release."""
    return [_key(row) for row in await tx.fetch(_UNSETTLED, list(customers))]


async def find_unmoved(tx: Tx, customers: Collection[str]) -> list[RewardKey]:
    """The rewards that these customers have; some may be owed to somebody else by now."""
    return [_key(row) for row in await tx.fetch(_UNMOVED, list(customers))]


async def load_postings(
    tx: Tx, sides: Collection[RewardSide]
) -> Mapping[RewardSide, list[Posting]]:
    """All postings for these sides, on the accounts of any customer."""
    postings: defaultdict[RewardSide, list[Posting]] = defaultdict(list)
    for row in await tx.fetch(_POSTINGS, *columns_of(sides, 2)):
        postings[RewardSide(row["claim_id"], Side(row["side"]))].append(_posting(row))
    return postings


async def add_postings(tx: Tx, postings: Sequence[NewPosting]) -> None:
    """Append postings with their entries."""
    await tx.execute(_ADD_POSTINGS, *columns_of(map(_posting_row, postings), 12))
    entries = (
        (new.posting.id, account.value, new.key.customer, amount, new.posting.currency)
        for new in postings
        for account, amount in new.posting.entries
    )
    await tx.execute(_ADD_ENTRIES, *columns_of(entries, 5))


def _key(row: Any) -> RewardKey:
    return RewardKey(row["customer"], row["claim_id"], Side(row["side"]))


def _reward(row: Any) -> Reward:
    return Reward(
        key=_key(row),
        earner=row["earner"],
        partition=row["partition"],
        revision=row["revision"],
        facts=_decode_facts(row["facts"]) if row["facts"] else None,
        state=RewardState(row["state"]),
        as_of=row["as_of"],
        due_at=row["due_at"],
        since=row["since"],
        moved=row["moved"],
        told=_decode_told(row["told"]) if row["told"] else None,
        announced=_decode_facts(row["announced"]) if row["announced"] else None,
    )


def _reward_row(reward: Reward) -> tuple[Any, ...]:
    return (
        reward.key.customer,
        reward.key.claim_id,
        reward.key.side.value,
        reward.earner,
        reward.partition,
        reward.revision,
        _json(reward.facts),
        reward.state.value,
        reward.as_of,
        reward.due_at,
        reward.since,
        reward.moved,
        _json(reward.told),
        _json(reward.announced),
    )


def _json(content: RewardFacts | LastAnnouncement | None) -> str | None:
    return msgspec.json.encode(content).decode() if content else None


def _posting(row: Any) -> Posting:
    return Posting(
        id=row["id"],
        customer=row["customer"],
        content=row["content"],
        kind=Kind(row["kind"]),
        time=row["time"],
        cause=row["cause"],
        currency=row["currency"],
        pending=row["pending"],
        available=row["available"],
        cancels=row["cancels"],
        counterpart=row["counterpart"],
    )


def _posting_row(new: NewPosting) -> tuple[Any, ...]:
    posting = new.posting
    return (
        posting.id,
        new.key.customer,
        new.key.claim_id,
        new.key.side.value,
        posting.content,
        posting.kind.value,
        posting.time,
        new.recorded_at,
        posting.cause,
        posting.cancels,
        posting.counterpart,
        len(posting.entries),
    )
