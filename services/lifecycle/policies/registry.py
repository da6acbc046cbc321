"""Stores policies and puts them in force: one transaction at a time."""

from dataclasses import replace
from datetime import datetime

from services.lifecycle import clocks
from services.lifecycle.domain.policy.policy import Policy
from services.lifecycle.policies import repository
from services.lifecycle.policies.document import PolicyDocument, differing_fields, next_version
from services.lifecycle.policies.repository import ActivatedPolicy, StoredPolicy
from services.lifecycle.schedule import load_schedule, lock_schedule
from shared.clock import CLOCK_START
from shared.database.connection import Pool, Tx, transaction
from shared.errors import FieldError, Problem


async def find_policy(
    connection: Tx | Pool, name: str, version: int, *, field: str | None = None
) -> StoredPolicy:
    """One version of a policy. Raises Problem 404, naming `field`, if it is not stored."""
    stored = await repository.find(connection, name, version)
    if stored is None:
        raise _unknown(name, version, field)
    return stored


async def create(connection: Tx, document: PolicyDocument) -> tuple[StoredPolicy, bool]:
    """Store a draft, and say whether it is new; the same content again gives what is stored.

    A version left out is the next of the name.
    Raises Problem 409 if the version is stored with other content.
    """
    wanted = document.policy()
    async with transaction(connection) as tx:
        await lock_schedule(tx)
        stored = await repository.versions(tx, wanted.name)
        for known in stored:
            is_candidate = document.version in (None, known.policy.version)
            if is_candidate and has_same_content(known.policy, wanted):
                return known, False
        taken = {known.policy.version: known.policy for known in stored}
        if document.version in taken:
            raise _version_taken(taken[wanted.version], wanted)
        if document.version is None:
            wanted = replace(wanted, version=next_version(taken))
        return await repository.insert(tx, wanted, await clocks.least_clock(tx)), True


async def activate(
    connection: Tx, name: str, version: int, at: datetime | None, partitions: int
) -> int:
    """Let a policy judge from an instant on, by default the clock; all customers will be rearmed.

    Returns the number of the activation. The same again gives the same number, unless another
    policy for the same kind of account has come between.
    Raises Problem 404 for a policy that is not stored, 422 for an instant before the clock.
    """
    async with transaction(connection) as tx:
        await lock_schedule(tx)
        policy = (await find_policy(tx, name, version)).policy
        clock = await clocks.furthest_clock(tx)
        current = await _current(tx, policy.account, at, clock)
        if current is not None and current.key == (name, version):
            return current.number
        if at is not None and at < clock:
            raise _activation_in_past(clock)
        return await repository.activate(
            tx, policy, at or clock, made_at=clock, partitions=range(partitions)
        )


async def adopt(connection: Tx, policy: Policy | None, now: datetime) -> None:
    """Let the policy of a file judge, if there is one; the built-in policy is always stored.

    At the very first start the file, or without one the built-in policy, judges from the
    beginning. Later a file counts from `now` on, and only if it differs from the last one or,
    where there was none, from what is in force: starting again does not undo what was activated
    since.
    """
    async with transaction(connection) as tx:
        await lock_schedule(tx)
        await _store_content(tx, Policy(), now)
        if not await repository.has_activations(tx):
            await _adopt_first(tx, policy, now)
        elif policy is not None and await _is_news(tx, policy, now):
            await repository.activate(
                tx,
                await _store_content(tx, policy, now),
                now,
                made_at=now,
                partitions=await repository.owned_partitions(tx),
                from_file=True,
            )


def has_same_content(one: Policy, other: Policy) -> bool:
    """Whether two policies are equal in all but the version."""
    return replace(one, version=1) == replace(other, version=1)


async def _current(
    tx: Tx, account: str | None, at: datetime | None, clock: datetime
) -> ActivatedPolicy | None:
    """What an activation at `at`, or now, would repeat."""
    if at is None:
        return await repository.in_force(tx, account, clock)
    return await repository.activated_at(tx, account, at)


async def _adopt_first(tx: Tx, policy: Policy | None, now: datetime) -> None:
    if policy is None or policy.account is not None:
        await repository.activate(tx, Policy(), CLOCK_START, made_at=now, partitions=())
    if policy is not None:
        stored = await _store_content(tx, policy, now)
        await repository.activate(
            tx, stored, CLOCK_START, made_at=now, partitions=(), from_file=True
        )


async def _store_content(tx: Tx, policy: Policy, now: datetime) -> Policy:
    """The stored version with this content.

    If there is none, it becomes a new one, by its own number if that is free.
    """
    versions = [stored.policy for stored in await repository.versions(tx, policy.name)]
    same = [known for known in versions if has_same_content(known, policy)]
    if same:
        return policy if policy in same else same[0]
    taken = {known.version for known in versions}
    version = next_version(taken) if policy.version in taken else policy.version
    return (await repository.insert(tx, replace(policy, version=version), now)).policy


async def _is_news(tx: Tx, policy: Policy, now: datetime) -> bool:
    """Whether a file differs from the last one or, where there was none, from what is in force."""
    last = await repository.last_from_file(tx, policy.account)
    if last is None:
        last = (await load_schedule(tx)).at(now, policy.account)
    return not has_same_content(last, policy)


def _unknown(name: str, version: int, field: str | None) -> Problem:
    wrong = (FieldError(field, "is not a stored policy"),) if field else ()
    detail = f"There is no version {version} of policy {name}."
    return Problem(404, "unknown_policy", detail, errors=wrong)


def _version_taken(stored: Policy, wanted: Policy) -> Problem:
    wrong = tuple(
        FieldError(name, f"is {getattr(stored, name)!r} in what is stored")
        for name in differing_fields(stored, wanted)
    )
    detail = (
        f"Version {stored.version} of {stored.name} has other content; "
        "leave the version out to get the next one."
    )
    return Problem(409, "policy_exists", detail, errors=wrong)


def _activation_in_past(clock: datetime) -> Problem:
    wrong = FieldError("at", f"lies before the clock, {clock.isoformat()}: that has been judged")
    return Problem(422, "activation_in_past", "The earliest instant is the clock.", errors=(wrong,))
