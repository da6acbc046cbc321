"""Which policy is in force, and when a deadline falls due across activations."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.lifecycle.domain.policy.policy import Policy


@dataclass(frozen=True)
class PlainActivation:
    """From an instant on, the policy is in force for its kind of account."""

    at: datetime
    policy: Policy


Span = Callable[[Policy], timedelta | None]
"""How long a policy waits; None: it does not."""


def in_force(
    activations: Sequence[PlainActivation], instant: datetime, account: str | None
) -> Policy:
    """Return the policy in force; those for one kind of account come before those for all."""
    general = [a for a in activations if a.policy.account is None]
    special = [a for a in activations if account is not None and a.policy.account == account]
    for candidates in (special, general):
        active = [a for a in candidates if a.at <= instant]
        if active:
            return active[-1].policy
    return general[0].policy


def due_at(
    activations: Sequence[PlainActivation],
    account: str | None,
    now: datetime,
    anchor: datetime,
    span: Span,
) -> datetime | None:
    """Return when a deadline falls due: between A and B at max(A, anchor + span), if before B."""
    starts = [now, *(a.at for a in activations if a.at > now)]
    for number, start in enumerate(starts):
        waits = span(in_force(activations, start, account))
        end = starts[number + 1] if number + 1 < len(starts) else None
        if waits is None:
            continue
        due = max(start, anchor + waits)
        if end is None or due < end:
            return due
    return None
