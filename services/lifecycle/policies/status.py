"""Which version of a policy judges when, and so where each version stands."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple, TypeAlias

from services.lifecycle.domain.policy.policy import Policy
from services.lifecycle.domain.policy.schedule import Schedule

PolicyKey: TypeAlias = tuple[str, int]
"""Name and version of a policy."""

ACCOUNTS: Final = (None, "b2c", "b2b")


class PolicyState(StrEnum):
    """Where a version of a policy stands: never activated, judging, going to, no longer."""

    DRAFT = "draft"
    ACTIVE = "active"
    SCHEDULED = "scheduled"
    SUPERSEDED = "superseded"


class PolicyPeriod(NamedTuple):
    """A version judges a kind of account from `begin` on and before `end`; None: until further notice."""

    key: PolicyKey
    begin: datetime
    end: datetime | None


class PolicyStatus(NamedTuple):
    """A state, and since when: it judges, from when it will, until when it did."""

    state: PolicyState
    since: datetime


def statuses(schedule: Schedule, clock: datetime) -> Mapping[PolicyKey, PolicyStatus]:
    """Where every version stands that was ever activated; all others are drafts.

    A version that judges some kind of account is active, whatever else is to come.
    """
    by_key: dict[PolicyKey, list[PolicyPeriod]] = {}
    for account in ACCOUNTS:
        for reign in policy_periods(schedule, account):
            by_key.setdefault(reign.key, []).append(reign)
    found = {key: _status(policy_periods, clock) for key, policy_periods in by_key.items()}
    for activation in schedule.activations:
        # One that another activation at the same instant has displaced never reigned.
        found.setdefault(
            _key(activation.policy), PolicyStatus(PolicyState.SUPERSEDED, activation.at)
        )
    return found


def policy_periods(schedule: Schedule, account: str | None) -> Iterator[PolicyPeriod]:
    """Who judges a kind of account, from the first activation on."""
    begin = schedule.activations[0].at
    while True:
        policy, end = schedule.at(begin, account), schedule.next_change(begin, account)
        while end and _key(schedule.at(end, account)) == _key(policy):
            end = schedule.next_change(end, account)
        yield PolicyPeriod(_key(policy), begin, end)
        if end is None:
            return
        begin = end


def _status(policy_periods: list[PolicyPeriod], clock: datetime) -> PolicyStatus:
    ended = [reign.end for reign in policy_periods if reign.end and reign.end <= clock]
    coming = [reign.begin for reign in policy_periods if reign.begin > clock]
    running = [
        reign.begin
        for reign in policy_periods
        if reign.begin <= clock and (reign.end is None or reign.end > clock)
    ]
    if running:
        return PolicyStatus(PolicyState.ACTIVE, min(running))
    return (
        PolicyStatus(PolicyState.SCHEDULED, min(coming))
        if coming
        else PolicyStatus(PolicyState.SUPERSEDED, max(ended))
    )


def _key(policy: Policy) -> PolicyKey:
    return policy.name, policy.version
