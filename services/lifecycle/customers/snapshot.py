"""A customer judged by the policies in force, as of an instant."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from services.lifecycle.domain.due_dates import next_move
from services.lifecycle.domain.fold import apply_schedule
from services.lifecycle.domain.phase_models import CustomerFact
from services.lifecycle.domain.policy.schedule import Schedule
from services.lifecycle.domain.state.customer import Customer, Move


class JudgedCustomer(NamedTuple):
    """A customer's state under the policies in force, and what time alone will do next."""

    customer: Customer
    next_move: Move | None

    def instants(self, clock: datetime) -> tuple[datetime, datetime]:
        """The instant that the customer is shown at, and that of the next move by time alone.

        Both are the same if there is no such move.
        """
        now = max(clock, self.customer.now)
        return now, self.next_move.occurred_at if self.next_move else now


def judge(customer: Customer, schedule: Schedule) -> JudgedCustomer:
    """Apply what was activated since the customer was stored."""
    if customer.known != schedule.known and (applied := apply_schedule(customer, schedule)):
        customer = applied.customer
    return JudgedCustomer(customer, next_move(customer, schedule))


@dataclass(frozen=True, slots=True)
class CustomerSnapshot:
    """A customer as of an instant.

    `facts` hold then, `facts_then` at the next move by time alone.
    """

    id: str
    customer: Customer
    version: int
    parked: bool
    as_of: datetime
    facts: frozenset[CustomerFact]
    next_move: Move | None
    facts_then: frozenset[CustomerFact]
