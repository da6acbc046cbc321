"""What is known of a customer, or of the several ids that are one: what the fold begins with."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from uuid import UUID

from services.reactivation.domain.cases import Case, Lapse
from services.reactivation.domain.permissions import Permission
from shared.orders.facts import OrderFact


@dataclass(frozen=True, slots=True)
class OrderEvent:
    """An event about an order; `codes` are canonical, and could be codes of ours."""

    fact: OrderFact
    codes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class History:
    """All that is known of one customer.

    - `cases` are those that were opened before, with the terms that they were opened under and the
      state of their codes: new settings never change a promise.
    - `members` are the histories of the ids that the customer consists of, if there are several,
      and `merged_at` is the last merge between them.
    """

    customer: str
    lapses: tuple[Lapse, ...] = ()
    orders: tuple[OrderEvent, ...] = ()
    permissions: tuple[Permission, ...] = ()
    cases: Mapping[UUID, Case] = field(default_factory=dict)
    members: tuple["History", ...] = ()
    merged_at: datetime | None = None

    def origin_of(self, lapse: Lapse) -> str:
        """The id that the lapse was announced for: this one, if it was for several."""
        origins = {
            member.customer
            for member in self.members
            if any(lapse.key == other.key for other in member.lapses)
        }
        return self.customer if self.customer in origins else min(origins, default=self.customer)


def join(
    customer: str,
    members: Sequence[History],
    lapses: Iterable[Lapse],
    merged_at: datetime | None,
) -> History:
    """The history of a customer who consists of several ids.

    `lapses` are those of all of them: one may hold for one id, and have been acted on for another.
    """
    return History(
        customer,
        tuple(lapses),
        tuple(chain.from_iterable(member.orders for member in members)),
        tuple(chain.from_iterable(member.permissions for member in members)),
        {id: case for member in members for id, case in member.cases.items()},
        tuple(members),
        merged_at,
    )
