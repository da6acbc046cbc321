"""What can be asked of customers: one of them, its history, and the counts of all."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from services.lifecycle import clocks
from services.lifecycle.api.context import ApiContext
from services.lifecycle.api.naming import Naming
from services.lifecycle.api.transitions import HistoryPage, TransitionView
from services.lifecycle.customers import repository
from services.lifecycle.customers.repository import StoredCustomer
from services.lifecycle.customers.schemas import (
    CauseCounts,
    CustomerView,
    HintCounts,
    PhaseCounts,
    RuleCounts,
)
from services.lifecycle.customers.snapshot import CustomerSnapshot, judge
from services.lifecycle.domain.phase_models import (
    CustomerFact,
    Model,
    activity_label,
    fact_by_phase,
    facts_needed,
    label_for,
)
from services.lifecycle.events import RELEASED, SOURCE
from shared.database.connection import transaction
from shared.errors import Problem
from shared.http import Page, Slice
from shared.ids import CustomerId
from shared.kafka.topics import CUSTOMER_EVENTS
from shared.stream.log.parked_customers import release_request
from shared.stream.outgoing import outbox

NEWEST: Final = (2**31 - 1, 2**63 - 1)


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
        asked = facts_needed(model)
        if not asked:
            return [frozenset()] * len(instants)
        active = await self._active_span()
        with_acts = CustomerFact.ACTED in asked
        return await repository.facts_at(self._pool, id, instants, active, with_acts=with_acts)

    async def release(self, id: CustomerId) -> None:
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

    async def count_phases(self, as_of: datetime | None, naming: Naming) -> PhaseCounts:
        """Customers by view of the model. Raises Problem 422 for an instant beyond the clock."""
        instant = await self._context.instant(as_of)
        return PhaseCounts.of(instant, await self._by_view(instant, naming.model), naming)

    async def count_transitions(self, as_of: datetime | None) -> RuleCounts:
        """Transitions by rule. Raises Problem 422 for an instant beyond the clock."""
        instant = await self._context.instant(as_of)
        counts = await repository.count_rules(self._pool, instant)
        return RuleCounts(as_of=instant, counts=counts, total=sum(counts.values()))

    async def count_causes(self, as_of: datetime | None) -> CauseCounts:
        """Moves to at_risk by cause. Raises Problem 422 for an instant beyond the clock."""
        instant = await self._context.instant(as_of)
        return CauseCounts(as_of=instant, counts=await repository.count_causes(self._pool, instant))

    async def count_hints(self, as_of: datetime | None) -> HintCounts:
        """Hints by name. Raises Problem 422 for an instant beyond the clock."""
        instant = await self._context.instant(as_of)
        return HintCounts(as_of=instant, counts=await repository.count_hints(self._pool, instant))

    async def _by_view(self, as_of: datetime, model: Model | None) -> Counter[str]:
        if cell := activity_label(model):
            active = await self._active_span()
            acted, idle = await repository.count_acted(self._pool, as_of, active)
            return Counter({cell.given.code: acted, cell.without.code: idle})
        counts = Counter[str]()
        for group in await repository.count_phases(self._pool, as_of, fact_by_phase(model)):
            counts[label_for(model, group.phase, group.facts).code] += group.customers
        return counts

    async def _active_span(self) -> timedelta:
        """The span in which acts count, by the policy in force at the clock."""
        schedule = await self._context.schedule()
        return timedelta(days=schedule.at(await clocks.least_clock(self._pool)).active_days)


def unknown_customer(id: CustomerId) -> Problem:
    """The answer about somebody without a phase."""
    return Problem(404, "unknown_customer", f"No event has made {id} a customer.")
