"""A way in which a rule may come to fire, and the standpoint from which it is looked for."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from services.lifecycle.domain.policy.policy import LAST_INSTANT, Policy
from services.lifecycle.domain.policy.schedule import Policies
from services.lifecycle.domain.rules.deadlines import DEADLINES
from services.lifecycle.domain.state.customer import Customer
from services.lifecycle.domain.state.happenings import EventKind


@dataclass(frozen=True, slots=True)
class Requirement:
    """One way in which a rule may come to fire: what is lacking, and the events or the deadline that bring it."""

    lacks: str
    on: frozenset[EventKind] = frozenset()
    deadline: datetime | None = None


@dataclass(frozen=True, slots=True)
class Standpoint:
    """A customer as it stands, and the policies by which it is judged from here on."""

    customer: Customer
    policies: Policies

    @property
    def policy(self) -> Policy:
        """The one in force."""
        return self.policies.at(self.customer.now, self.customer.account)

    def first(self, due: Callable[[Policy], datetime | None]) -> datetime | None:
        """When a deadline passes, by the policy in force then; None if it never does."""
        start: datetime | None = self.customer.now
        while start is not None:
            account = self.customer.account
            end, instant = (
                self.policies.next_change(start, account),
                due(self.policies.at(start, account)),
            )
            if instant is not None and (end is None or max(start, instant) < end):
                return None if instant >= LAST_INSTANT else max(start, instant)
            start = end
        return None

    def due(self, kind: EventKind) -> datetime | None:
        """When the deadline of a kind passes, if nothing happens before."""
        deadline = next(deadline for deadline in DEADLINES if deadline.kind is kind)
        if self.customer.phase not in deadline.phases:
            return None
        return self.first(lambda policy: deadline.due(self.customer, policy))


Requirements: TypeAlias = Iterator[Requirement]


def format_instant(instant: datetime) -> str:
    """`2026-03-01T00:00Z`; seconds only where there are any."""
    text = instant.isoformat(timespec="seconds" if instant.second else "minutes")
    return text.replace("+00:00", "Z")
