"""SQL of rewards and of their postings: one statement per batch and table."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec

from services.referral.domain.ledger import Posting
from services.referral.domain.rewards import Kind, Reward, RewardFacts, RewardKey, RewardState, Side
from shared.database.columns import columns_of
from shared.database.connection import Tx
from shared.stream.batch import DueSpan

_decode_facts: Final = msgspec.json.Decoder(RewardFacts).decode

_REWARDS: Final = """
SELECT r.* FROM reward AS r
JOIN unnest($1::text[], $2::uuid[]) AS b(customer, claim_id) USING (customer, claim_id)
"""
_SAVE_REWARDS: Final = """
INSERT INTO reward (customer, claim_id, side, partition, revision, facts, state, as_of, due_at)
SELECT * FROM unnest($1::text[], $2::uuid[], $3::text[], $4::int[], $5::int[], $6::jsonb[],
                     $7::text[], $8::timestamptz[], $9::timestamptz[])
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
_UNSETTLED: Final = """
SELECT customer, claim_id FROM reward WHERE customer = ANY($1::text[]) AND due_at IS NOT NULL
"""
_POSTINGS: Final = """
SELECT p.id, p.customer, p.claim_id, content, kind, p.time, cause, min(currency) AS currency,
       cancels,
       coalesce(sum(amount) FILTER (WHERE account = 'customer:pending'), 0)::bigint AS pending,
       coalesce(sum(amount) FILTER (WHERE account = 'customer:available'), 0)::bigint AS available
FROM posting AS p
JOIN unnest($1::text[], $2::uuid[]) AS b(customer, claim_id) USING (customer, claim_id)
JOIN entry ON posting_id = p.id GROUP BY p.id
"""
_ADD_POSTINGS: Final = """
INSERT INTO posting (id, customer, claim_id, content, kind, time, recorded_at, cause, cancels)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::uuid[], $5::text[],
                     $6::timestamptz[], $7::timestamptz[], $8::text[], $9::uuid[])
"""
_ADD_ENTRIES: Final = """
INSERT INTO entry (posting_id, account, customer, amount, currency)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::text[])
"""


class NewPosting(NamedTuple):
    """A posting to add for a reward."""

    key: RewardKey
    posting: Posting
    recorded_at: datetime


async def load_rewards(tx: Tx, keys: Iterable[RewardKey]) -> dict[RewardKey, Reward]:
    """Those of these rewards that exist."""
    rewards = [_reward(row) for row in await tx.fetch(_REWARDS, *_key_columns(keys))]
    return {reward.key: reward for reward in rewards}


async def save_rewards(tx: Tx, rewards: Iterable[Reward]) -> None:
    """Store rewards, new and changed."""
    await tx.execute(_SAVE_REWARDS, *columns_of(map(_reward_row, rewards), 9))


async def find_due(tx: Tx, spans: Sequence[DueSpan], *, limit: int) -> dict[int, list[RewardKey]]:
    """By partition, at most `limit` rewards that become available in its span, earliest first."""
    due: dict[int, list[RewardKey]] = {span.partition: [] for span in spans}
    for row in await tx.fetch(_DUE, *columns_of(spans, 3), limit):
        due[row["partition"]].append(_key(row))
    return due


async def find_unsettled(tx: Tx, customers: Iterable[str]) -> list[RewardKey]:
    """The rewards of these customers that have a deadline, also those that waited for a release."""
    return [_key(row) for row in await tx.fetch(_UNSETTLED, list(customers))]


async def load_postings(tx: Tx, keys: Iterable[RewardKey]) -> dict[RewardKey, list[Posting]]:
    """All postings for these rewards."""
    postings: dict[RewardKey, list[Posting]] = {key: [] for key in keys}
    for row in await tx.fetch(_POSTINGS, *_key_columns(postings)):
        postings[_key(row)].append(_posting(row))
    return postings


async def add_postings(tx: Tx, postings: Sequence[NewPosting]) -> None:
    """Append postings with their entries."""
    await tx.execute(_ADD_POSTINGS, *columns_of(map(_posting_row, postings), 9))
    entries = (
        (new.posting.id, account.value, new.key.customer, amount, new.posting.currency)
        for new in postings
        for account, amount in new.posting.entries
    )
    await tx.execute(_ADD_ENTRIES, *columns_of(entries, 5))


def _key(row: Any) -> RewardKey:
    return RewardKey(row["customer"], row["claim_id"])


def _key_columns(keys: Iterable[RewardKey]) -> list[list[Any]]:
    return columns_of(((key.customer, key.claim_id) for key in keys), 2)


def _reward(row: Any) -> Reward:
    return Reward(
        key=_key(row),
        side=Side(row["side"]),
        partition=row["partition"],
        revision=row["revision"],
        facts=_decode_facts(row["facts"]) if row["facts"] else None,
        state=RewardState(row["state"]),
        as_of=row["as_of"],
        due_at=row["due_at"],
    )


def _reward_row(reward: Reward) -> tuple[Any, ...]:
    return (
        reward.key.customer,
        reward.key.claim_id,
        reward.side.value,
        reward.partition,
        reward.revision,
        msgspec.json.encode(reward.facts).decode() if reward.facts else None,
        reward.state.value,
        reward.as_of,
        reward.due_at,
    )


def _posting(row: Any) -> Posting:
    return Posting(
        id=row["id"],
        content=row["content"],
        kind=Kind(row["kind"]),
        time=row["time"],
        cause=row["cause"],
        currency=row["currency"],
        pending=row["pending"],
        available=row["available"],
        cancels=row["cancels"],
    )


def _posting_row(new: NewPosting) -> tuple[Any, ...]:
    posting = new.posting
    return (
        posting.id,
        new.key.customer,
        new.key.claim_id,
        posting.content,
        posting.kind.value,
        posting.time,
        new.recorded_at,
        posting.cause,
        posting.cancels,
    )
