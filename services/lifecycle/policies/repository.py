"""Policies, since when each of them judges, and how far the customers follow."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final, NamedTuple, Self

from services.lifecycle.codecs import decode_policy
from services.lifecycle.domain.policy.policy import Policy
from services.lifecycle.policies.document import PolicyDocument
from services.lifecycle.policies.status import PolicyKey
from services.lifecycle.schedule import next_number
from shared.database.connection import Pool, Tx


class StoredPolicy(NamedTuple):
    """A version of a policy, and the clock when it was stored."""

    policy: Policy
    created_at: datetime

    @classmethod
    def of(cls, document: str, created_at: datetime) -> Self:
        """Read a row."""
        return cls(decode_policy(document), created_at)


class PolicyActivation(NamedTuple):
    """One activation of a policy: it judges from `at` on, and was made at the clock `made_at`."""

    number: int
    at: datetime
    made_at: datetime


class ActivatedPolicy(NamedTuple):
    """Which version of a policy an activation put in force."""

    number: int
    key: PolicyKey


class RearmingProgress(NamedTuple):
    """How many customers of a partition follow the schedule up to the number `target`.

    They are folded by an `edition` of the rules.
    """

    partition: int
    target: int
    edition: int
    done: int
    total: int
    finished: bool


_FIND: Final = "SELECT document, created_at FROM policy WHERE name = $1 AND version = $2"
_VERSIONS: Final = "SELECT document, created_at FROM policy WHERE name = $1 ORDER BY version DESC"
_PAGE: Final = """
SELECT document, created_at FROM policy
WHERE (name, version) > ($1, $2::bigint) ORDER BY name, version LIMIT $3
"""
_INSERT: Final = """
INSERT INTO policy (name, version, account, document, created_at) VALUES ($1, $2, $3, $4::json, $5)
"""
_ACTIVATIONS: Final = """
SELECT number, at, made_at FROM activation WHERE name = $1 AND version = $2 ORDER BY at, number
"""
_HAS_ACTIVATIONS: Final = "SELECT EXISTS (SELECT FROM activation)"
_IN_FORCE: Final = """
SELECT a.number, a.name, a.version
FROM activation AS a JOIN policy AS p USING (name, version)
WHERE p.account IS NOT DISTINCT FROM $1 AND a.at <= $2
ORDER BY a.at DESC, a.number DESC LIMIT 1
"""
_ACTIVATED_AT: Final = """
SELECT a.number, a.name, a.version
FROM activation AS a JOIN policy AS p USING (name, version)
WHERE p.account IS NOT DISTINCT FROM $1 AND a.at = $2
ORDER BY a.number DESC LIMIT 1
"""
_LAST_FILE: Final = """
SELECT p.document
FROM activation AS a JOIN policy AS p USING (name, version)
WHERE a.from_file AND p.account IS NOT DISTINCT FROM $1
ORDER BY a.number DESC LIMIT 1
"""
_ACTIVATE: Final = """
INSERT INTO activation (number, name, version, at, made_at, from_file)
VALUES ($1, $2, $3, $4, $5, $6)
"""
_OWNED_PARTITIONS: Final = "SELECT partition FROM owner"
_REARM: Final = """
INSERT INTO rearming AS r (partition, target, total)
SELECT p, $1, coalesce(c.total, 0)
FROM unnest($2::int[]) AS p
LEFT JOIN (SELECT partition, count(*) AS total FROM customer GROUP BY 1) AS c ON c.partition = p
ORDER BY p
ON CONFLICT (partition) DO UPDATE
SET target = excluded.target, after = '', done = 0, total = excluded.total, finished = false
"""
_REARMING: Final = """
SELECT partition, target, edition, done, total, finished FROM rearming ORDER BY partition
"""


async def find(connection: Tx | Pool, name: str, version: int) -> StoredPolicy | None:
    """One version of a policy."""
    row = await connection.fetchrow(_FIND, name, version)
    return StoredPolicy.of(*row) if row else None


async def versions(tx: Tx, name: str) -> list[StoredPolicy]:
    """All versions of a policy, the newest first."""
    return [StoredPolicy.of(*row) for row in await tx.fetch(_VERSIONS, name)]


async def page(connection: Tx | Pool, after: PolicyKey, limit: int) -> list[StoredPolicy]:
    """The policies after a name and version, in that order."""
    return [StoredPolicy.of(*row) for row in await connection.fetch(_PAGE, *after, limit)]


async def insert(tx: Tx, policy: Policy, now: datetime) -> StoredPolicy:
    """Store a version that is not stored yet."""
    document = PolicyDocument.of(policy).model_dump_json()
    await tx.execute(_INSERT, policy.name, policy.version, policy.account, document, now)
    return StoredPolicy(policy, now)


async def activations(connection: Tx | Pool, name: str, version: int) -> list[PolicyActivation]:
    """The activations of one version, by the instants from which it judges."""
    rows = await connection.fetch(_ACTIVATIONS, name, version)
    return [PolicyActivation(*row) for row in rows]


async def has_activations(tx: Tx) -> bool:
    """Whether any policy was ever activated."""
    exists: bool = await tx.fetchval(_HAS_ACTIVATIONS)
    return exists


async def in_force(tx: Tx, account: str | None, at: datetime) -> ActivatedPolicy | None:
    """The policy for exactly this kind of account that judges at an instant."""
    return _activated(await tx.fetchrow(_IN_FORCE, account, at))


async def activated_at(tx: Tx, account: str | None, at: datetime) -> ActivatedPolicy | None:
    """The policy for exactly this kind of account that begins to judge at an instant."""
    return _activated(await tx.fetchrow(_ACTIVATED_AT, account, at))


async def last_from_file(tx: Tx, account: str | None) -> Policy | None:
    """The policy for exactly this kind of account that was last adopted from a file."""
    document = await tx.fetchval(_LAST_FILE, account)
    return decode_policy(document) if document else None


async def activate(
    tx: Tx,
    policy: Policy,
    at: datetime,
    *,
    made_at: datetime,
    partitions: Iterable[int],
    from_file: bool = False,
) -> int:
    """Let a stored policy judge from an instant on; the customers of `partitions` will be rearmed.

    Returns the number of the activation.
    """
    number = await next_number(tx)
    await tx.execute(_ACTIVATE, number, policy.name, policy.version, at, made_at, from_file)
    await tx.execute(_REARM, number, list(partitions))
    return number


async def owned_partitions(tx: Tx) -> list[int]:
    """The partitions that a worker has ever owned."""
    return [row["partition"] for row in await tx.fetch(_OWNED_PARTITIONS)]


async def rearming(connection: Tx | Pool) -> list[RearmingProgress]:
    """How far the customers of each partition follow the schedule, by partition."""
    return [RearmingProgress(*row) for row in await connection.fetch(_REARMING)]


def _activated(row: Iterable[int | str] | None) -> ActivatedPolicy | None:
    if row is None:
        return None
    number, name, version = row
    return ActivatedPolicy(int(number), (str(name), int(version)))
