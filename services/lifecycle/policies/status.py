"""Which version of a policy judges when, and so the state of each version."""

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
    """Whether a version of a policy was never activated, judges, will judge, or no longer does."""

    DRAFT = "draft"
    ACTIVE = "active"
    SCHEDULED = "scheduled"
    SUPERSEDED = "superseded"


class PolicyPeriod(NamedTuple):
    """A version judges a kind of account from `begin` on and before `end`; None: with no end."""

    key: PolicyKey
    begin: datetime
    end: datetime | None


class PolicyStatus(NamedTuple):
    """A state, and the instant that belongs to it.

    Active: since when it judges; scheduled: from when it will; superseded: until when it did.
    """

    state: PolicyState
    since: datetime


def statuses(schedule: Schedule, clock: datetime) -> Mapping[PolicyKey, PolicyStatus]:
    """The status of every version that was ever activated; all others are drafts.

    A version that judges some kind of account is active, whatever else is to come.
    """
    by_key: dict[PolicyKey, list[PolicyPeriod]] = {}
    for account in ACCOUNTS:
        for period in policy_periods(schedule, account):
            by_key.setdefault(period.key, []).append(period)
    found = {key: _status(periods, clock) for key, periods in by_key.items()}
    for activation in schedule.activations:
        # If another activation at the same instant displaced this one, it never judged.
        displaced = PolicyStatus(PolicyState.SUPERSEDED, activation.at)
        found.setdefault(_key(activation.policy), displaced)
    return found


def policy_periods(schedule: Schedule, account: str | None) -> Iterator[PolicyPeriod]:
    """The versions that judge a kind of account, one after the other."""
    begin = schedule.activations[0].at
    while True:
        key = _key(schedule.at(begin, account))
        end = schedule.next_change(begin, account)
        while end and _key(schedule.at(end, account)) == key:
            end = schedule.next_change(end, account)
        yield PolicyPeriod(key, begin, end)
        if end is None:
            return
        begin = end


def _status(periods: list[PolicyPeriod], clock: datetime) -> PolicyStatus:
    """The status of a version that judges in these periods."""
    current = [period.begin for period in periods if _contains(period, clock)]
    if current:
        return PolicyStatus(PolicyState.ACTIVE, min(current))
    coming = [period.begin for period in periods if period.begin > clock]
    if coming:
        return PolicyStatus(PolicyState.SCHEDULED, min(coming))
    ended = [period.end for period in periods if period.end is not None]
    return PolicyStatus(PolicyState.SUPERSEDED, max(ended))


def _contains(period: PolicyPeriod, instant: datetime) -> bool:
    return period.begin <= instant and (period.end is None or instant < period.end)


def _key(policy: Policy) -> PolicyKey:
    return policy.name, policy.version
