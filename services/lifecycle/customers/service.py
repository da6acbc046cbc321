"""The use cases of one customer: its phase, its history, and its release."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from services.lifecycle.api.context import ApiContext
from services.lifecycle.api.phase_names import Naming
from services.lifecycle.api.transitions import HistoryPage, TransitionView
from services.lifecycle.customers import repository
from services.lifecycle.customers.repository import StoredCustomer
from services.lifecycle.customers.schemas import CustomerView
from services.lifecycle.customers.snapshot import CustomerSnapshot, judge
from services.lifecycle.domain.phase_models import CustomerFact, Model, facts_needed
from services.lifecycle.events import RELEASED, SOURCE
from shared.database.connection import transaction
from shared.errors import Problem
from shared.http import Page, Requested, Slice
from shared.ids import CustomerId
from shared.kafka.topics import CUSTOMER_EVENTS
from shared.stream.log.parked_customers import release_request
from shared.stream.outgoing import outbox

NEWEST: Final = (2**31 - 1, 2**63 - 1)
"""Greater than the (position, version) of any transition."""


class CustomerService:
    """The use cases of customers."""

    def __init__(self, context: ApiContext) -> None:
        self._context: Final = context
        self._pool: Final = context.pool

    async def find(self, id: CustomerId) -> StoredCustomer:
        """A customer who has a phase. Raises Problem 404 for all others."""
        stored = await repository.find_customer(self._pool, id)
        if stored is None or stored.customer.phase is None:
            raise unknown_customer(id)
        return stored

    async def show(self, id: CustomerId, naming: Naming) -> CustomerView:
        """A customer as of now. Raises Problem 404 for customers without a phase."""
        stored = await self.find(id)
        schedule = await self._context.schedule(stored.known)
        judged = judge(stored.customer, schedule)
        instants = judged.instants(stored.clock)
        facts, facts_then = await self.facts(id, instants, naming.model)
        snapshot = CustomerSnapshot(
            id=id,
            customer=judged.customer,
            version=stored.version,
            parked=stored.parked is not None,
            as_of=instants[0],
            facts=facts,
            next_move=judged.next_move,
            facts_then=facts_then,
        )
        policy = schedule.at(snapshot.as_of, judged.customer.account)
        return CustomerView.of(snapshot, policy, naming)

    async def history(
        self, id: CustomerId, part: Slice, naming: Naming, *, withdrawn_too: bool
    ) -> HistoryPage:
        """A page of the transitions, newest first. Raises Problem 404 like `show`."""
        before = part.after(int, int) or NEWEST
        clock = await self._context.clock_of(id)
        rows = await repository.history_page(
            self._pool, id, withdrawn_too=withdrawn_too, before=before, limit=part.limit + 1
        )
        if not rows:
            await self.find(id)
        instants = [transition.occurred_at for transition, _ in rows]
        facts = await self.facts(id, instants, naming.model)
        page = Page[TransitionView].of(
            [(*row, held) for row, held in zip(rows, facts, strict=True)],
            part,
            key=lambda row: (row[0].position, row[0].version),
            view=lambda row: TransitionView.of(*row, naming),
        )
        return HistoryPage(items=page.items, next_cursor=page.next_cursor, as_of=clock)

    async def facts(
        self, id: CustomerId, instants: Sequence[datetime], model: Model | None
    ) -> list[frozenset[CustomerFact]]:
        """Which facts held of a customer at each instant, as far as the model asks for them."""
        needed = facts_needed(model)
        if not needed:
            return [frozenset()] * len(instants)
        active = await self._context.active_span()
        with_acts = CustomerFact.ACTED in needed
        return await repository.facts_at(self._pool, id, instants, active, with_acts=with_acts)

    async def release(self, id: CustomerId) -> Requested:
        """Ask the owner to fold what waits for a parked customer. Raises Problem 404 or 409."""
        stored = await repository.find_customer(self._pool, id)
        if stored is None:
            raise unknown_customer(id)
        partition = self._context.partition(id)
        request = release_request(
            RELEASED, SOURCE, CUSTOMER_EVENTS, id, partition, parked=stored.parked
        )
        async with self._pool.acquire() as connection, transaction(connection) as tx:
            await outbox.add(tx, [request])
        return Requested()


def unknown_customer(id: CustomerId) -> Problem:
    """Make the Problem 404 of somebody without a phase."""
    return Problem(404, "unknown_customer", f"No event has made {id} a customer.")
