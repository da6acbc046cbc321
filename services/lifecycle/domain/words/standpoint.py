"""The standpoint from which the future is described: a customer, and the policies from now on."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from services.lifecycle.domain.policy.policy import Policy
from services.lifecycle.domain.policy.schedule import Policies
from services.lifecycle.domain.rules.deadlines import DEADLINES
from services.lifecycle.domain.state.customer import Customer
from services.lifecycle.domain.state.happenings import EventKind
from shared.bounds import LAST_INSTANT


@dataclass(frozen=True, slots=True)
class Standpoint:
    """A customer as of now, and the policies that judge it from now on."""

    customer: Customer
    policies: Policies

    @property
    def policy(self) -> Policy:
        """The policy in force."""
        return self.policies.at(self.customer.now, self.customer.account)

    def passes_at(self, due: Callable[[Policy], datetime | None]) -> datetime | None:
        """Return when a deadline passes, by the policy in force then; None if it never does.

        `due` computes the deadline by a given policy.
        """
        account = self.customer.account
        start: datetime | None = self.customer.now
        while start is not None:
            end = self.policies.next_change(start, account)
            instant = due(self.policies.at(start, account))
            if instant is not None and (end is None or max(start, instant) < end):
                return None if instant >= LAST_INSTANT else max(start, instant)
            start = end
        return None

    def due(self, kind: EventKind) -> datetime | None:
        """Return when the deadline of a kind passes, if nothing happens before."""
        deadline = next(deadline for deadline in DEADLINES if deadline.kind is kind)
        if self.customer.phase not in deadline.phases:
            return None
        return self.passes_at(lambda policy: deadline.due(self.customer, policy))


def format_instant(instant: datetime) -> str:
    """Return an instant as `2026-03-01T00:00Z`, with seconds only where there are any."""
    text = instant.isoformat(timespec="seconds" if instant.second else "minutes")
    return text.replace("+00:00", "Z")
