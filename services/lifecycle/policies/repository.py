"""Policies and since when each judges: stored for ever, activated one after the other, adopted from a file."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Final, NamedTuple, Self

import msgspec

from services.lifecycle import clocks
from services.lifecycle.domain.policy.policy import Policy
from services.lifecycle.policies.document import PolicyDocument, next_version
from services.lifecycle.policies.status import PolicyKey
from services.lifecycle.schedule import LOCK, load_schedule, next_number
from shared.clock import DAWN
from shared.database.connection import Pool, Tx, transaction
from shared.errors import FieldError, Problem

_policy: Final = msgspec.json.Decoder(Policy)


class StoredPolicy(NamedTuple):
    """A version of a policy, and the clock when it was stored."""

    policy: Policy
    created_at: datetime

    @classmethod
    def of(cls, document: str, created_at: datetime) -> Self:
        """A row of the statements below."""
        return cls(_policy.decode(document), created_at)


class PolicyActivation(NamedTuple):
    """One activation of a policy: since when it judges, and the clock when that was said."""

    number: int
    at: datetime
    made_at: datetime


class RearmingProgress(NamedTuple):
    """How many customers of a partition know of the schedule up to the number `target`."""

    partition: int
    target: int
    done: int
    total: int
    finished: bool


_STORED: Final = "SELECT document, created_at FROM policy WHERE name = $1 ORDER BY version DESC"
_FIND: Final = "SELECT document, created_at FROM policy WHERE name = $1 AND version = $2"
_PAGE: Final = """
SELECT document, created_at FROM policy WHERE (name, version) > ($1, $2::bigint) ORDER BY name, version LIMIT $3
"""
_STORE: Final = "INSERT INTO policy (name, version, account, document, created_at) VALUES ($1, $2, $3, $4::json, $5)"
_ACTIVATIONS: Final = "SELECT number, at, made_at FROM activation WHERE name = $1 AND version = $2 ORDER BY at, number"
_ANY: Final = "SELECT EXISTS (SELECT FROM activation)"
_LAST: Final = """
SELECT a.number, a.name, a.version FROM activation AS a JOIN policy AS p USING (name, version)
WHERE p.account IS NOT DISTINCT FROM $1 AND (a.at = $2 OR ($3 AND a.at < $2)) ORDER BY a.at DESC, a.number DESC LIMIT 1
"""
_LAST_FILE: Final = """
SELECT p.document FROM activation AS a JOIN policy AS p USING (name, version)
WHERE a.from_file AND p.account IS NOT DISTINCT FROM $1 ORDER BY a.number DESC LIMIT 1
"""
_ACTIVATE: Final = """
INSERT INTO activation (number, name, version, at, made_at, from_file) VALUES ($1, $2, $3, $4, $5, $6)
"""
_PARTITIONS: Final = "SELECT partition FROM owner"
_REARM: Final = """
INSERT INTO rearming AS r (partition, target, total)
SELECT p, $1, coalesce(c.total, 0) FROM unnest($2::int[]) AS p
LEFT JOIN (SELECT partition, count(*) AS total FROM customer GROUP BY 1) AS c ON c.partition = p ORDER BY p
ON CONFLICT (partition) DO UPDATE
SET target = excluded.target, after = '', done = 0, total = excluded.total, finished = false
"""
_REARMING: Final = (
    "SELECT partition, target, done, total, finished FROM rearming ORDER BY partition"
)


async def find(connection: Tx | Pool, name: str, version: int) -> StoredPolicy | None:
    """One version of a policy."""
    row = await connection.fetchrow(_FIND, name, version)
    return StoredPolicy.of(*row) if row else None


async def page(connection: Tx | Pool, after: PolicyKey, limit: int) -> list[StoredPolicy]:
    """The policies behind (name, version), in that order."""
    return [StoredPolicy.of(*row) for row in await connection.fetch(_PAGE, *after, limit)]


async def activations(connection: Tx | Pool, name: str, version: int) -> list[PolicyActivation]:
    """When one version of a policy was activated, by the instants from which it judges."""
    return [PolicyActivation(*row) for row in await connection.fetch(_ACTIVATIONS, name, version)]


async def rearming(connection: Tx | Pool) -> list[RearmingProgress]:
    """How far the customers of each partition know the schedule, by partition."""
    return [RearmingProgress(*row) for row in await connection.fetch(_REARMING)]


async def create(connection: Tx, document: PolicyDocument) -> tuple[StoredPolicy, bool]:
    """Store a draft; the same content again gives what is stored, and False.

    A version left out is the next of the name. Raises Problem 409 if the version is stored with other content.
    """
    async with transaction(connection) as tx:
        await tx.execute(LOCK)
        wanted = document.policy()
        stored = await _versions(tx, wanted.name)
        by_version = {found.policy.version: found for found in stored}
        for found in stored:
            if document.version in (None, found.policy.version) and _same(found.policy, wanted):
                return found, False
        if document.version in by_version:
            raise _taken(by_version[wanted.version].policy, wanted)
        policy = wanted if document.version else replace(wanted, version=next_version(by_version))
        return await _store(tx, policy, await clocks.clock(tx)), True


async def activate(
    connection: Tx, name: str, version: int, at: datetime | None, partitions: int
) -> int:
    """Let a policy judge from an instant on, by default the clock, and begin to tell all customers; its number.

    The same again, unless another policy for the same kind of account has come between, gives the same number.
    Raises Problem 404 for a policy that is not stored, 422 for an instant before the clock.
    """
    async with transaction(connection) as tx:
        await tx.execute(LOCK)
        found = await find(tx, name, version)
        if found is None:
            raise unknown(name, version)
        clock = await clocks.furthest_clock(tx)
        last = await tx.fetchrow(_LAST, found.policy.account, at or clock, at is None)
        if last and (last["name"], last["version"]) == (name, version):
            return int(last["number"])
        if at is not None and at < clock:
            wrong = FieldError(
                "at", f"lies before the clock, {clock.isoformat()}: that has been judged"
            )
            raise Problem(
                422, "activation_in_past", "The earliest instant is the clock.", errors=(wrong,)
            )
        return await _begin(
            tx, found.policy, at or clock, made_at=clock, partitions=range(partitions)
        )


async def adopt(connection: Tx, policy: Policy | None, now: datetime) -> None:
    """Let a policy file, if there is one, judge; at the very first from the beginning, without one the built-in policy.

    Later a file counts from `now` on, but only if it differs from the last one, or, where there was none, from what is
    in force: starting again does not undo what was activated since. The built-in policy is always stored.
    """
    async with transaction(connection) as tx:
        await tx.execute(LOCK)
        await _keep(tx, Policy(), now)
        first = not await tx.fetchval(_ANY)
        if first and (policy is None or policy.account is not None):
            await _begin(tx, Policy(), DAWN, made_at=now, partitions=())
        if policy is not None and (first or await _is_news(tx, policy, now)):
            partitions = () if first else [row["partition"] for row in await tx.fetch(_PARTITIONS)]
            kept, at = await _keep(tx, policy, now), DAWN if first else now
            await _begin(tx, kept, at, made_at=now, partitions=partitions, from_file=True)


def unknown(name: str, version: int, field: str | None = None) -> Problem:
    """The answer to who asks for a policy that is not stored."""
    wrong = (FieldError(field, "is not a stored policy"),) if field else ()
    return Problem(
        404, "unknown_policy", f"There is no version {version} of policy {name}.", errors=wrong
    )


async def _versions(tx: Tx, name: str) -> list[StoredPolicy]:
    """The newest first."""
    return [StoredPolicy.of(*row) for row in await tx.fetch(_STORED, name)]


async def _store(tx: Tx, policy: Policy, now: datetime) -> StoredPolicy:
    document = PolicyDocument.of(policy).model_dump_json()
    await tx.execute(_STORE, policy.name, policy.version, policy.account, document, now)
    return StoredPolicy(policy, now)


async def _keep(tx: Tx, policy: Policy, now: datetime) -> Policy:
    """The policy as stored: the version with this content, else a new one, by its own number if that is free."""
    versions = [stored.policy for stored in await _versions(tx, policy.name)]
    same = [found for found in versions if _same(found, policy)]
    if same:
        return policy if policy in same else same[0]
    numbers = {found.version for found in versions}
    version = next_version(numbers) if policy.version in numbers else policy.version
    return (await _store(tx, replace(policy, version=version), now)).policy


async def _begin(
    tx: Tx,
    policy: Policy,
    at: datetime,
    *,
    made_at: datetime,
    partitions: Iterable[int],
    from_file: bool = False,
) -> int:
    number = await next_number(tx)
    await tx.execute(_ACTIVATE, number, policy.name, policy.version, at, made_at, from_file)
    await tx.execute(_REARM, number, list(partitions))
    return number


async def _is_news(tx: Tx, policy: Policy, now: datetime) -> bool:
    last = await tx.fetchval(_LAST_FILE, policy.account)
    return not _same(
        _policy.decode(last) if last else (await load_schedule(tx)).at(now, policy.account), policy
    )


def _same(one: Policy, other: Policy) -> bool:
    """Are they equal in all but the version?"""
    return replace(one, version=1) == replace(other, version=1)


def _taken(stored: Policy, wanted: Policy) -> Problem:
    names = [
        name
        for name in PolicyDocument.model_fields
        if getattr(stored, name) != getattr(wanted, name)
    ]
    wrong = tuple(
        FieldError(name, f"is {getattr(stored, name)!r} in what is stored") for name in names
    )
    detail = f"Version {stored.version} of {stored.name} has other content; leave the version out to get the next one."
    return Problem(409, "policy_exists", detail, errors=wrong)
