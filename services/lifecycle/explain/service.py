"""The use cases of explanations: phases of the past, why a phase holds, and timelines."""

from datetime import datetime, timedelta
from typing import Final

from services.lifecycle.api.context import ApiContext
from services.lifecycle.api.parameters import refuse_future
from services.lifecycle.api.phase_names import Naming
from services.lifecycle.customers.repository import find_customer
from services.lifecycle.customers.service import CustomerService, unknown_customer
from services.lifecycle.customers.snapshot import CustomerSnapshot, judge
from services.lifecycle.domain.phase_models import CustomerFact, facts_needed
from services.lifecycle.domain.words.standpoint import Standpoint
from services.lifecycle.explain import repository
from services.lifecycle.explain.past_phase import PhaseAt, PhaseQuestion
from services.lifecycle.explain.repository import LATEST
from services.lifecycle.explain.schemas import ExplainedCustomer, Explanation
from services.lifecycle.explain.timeline import TimelineEntry, TimelinePage, entry_view
from shared.http import Page, Slice
from shared.ids import CustomerId


class ExplanationService:
    """The use cases of explanations."""

    def __init__(self, context: ApiContext) -> None:
        self._context: Final = context
        self._pool: Final = context.pool
        self._customers: Final = CustomerService(context)

    async def phase_at(
        self,
        id: CustomerId,
        as_of: datetime | None,
        known_at: datetime | None,
        naming: Naming,
    ) -> PhaseAt:
        """The phase at `as_of`, as it was known when the clock stood at `known_at`.

        Raises Problem 404, or 422 for instants that nobody knows of yet.
        """
        question = await self._question(id, as_of, known_at, naming)
        phase = await repository.phase_then(self._pool, id, question.as_of, question.known_at)
        if phase is not None:
            return PhaseAt.of(question, phase, await self._facts_then(question))
        first = await repository.first_phase_at(self._pool, id, question.known_at)
        return PhaseAt.none(question, "not_yet_known" if first is None else "not_yet_customer")

    async def explain(self, id: CustomerId, naming: Naming) -> Explanation:
        """Why the customer is in its phase. Raises Problem 404 for customers without one."""
        clock = await self._context.clock_of(id)  # before the state: never newer than it
        stored = await repository.find_with_transition(self._pool, id)
        schedule = await self._context.schedule()
        if stored is None or stored.transition is None:
            raise unknown_customer(id)
        judged = judge(stored.customer, schedule)
        as_of, then = judged.instants(clock)
        instants = [as_of, then, stored.transition.occurred_at]
        facts, facts_then, facts_before = await self._customers.facts(id, instants, naming.model)
        snapshot = CustomerSnapshot(
            id=id,
            customer=judged.customer,
            version=stored.version,
            parked=stored.parked is not None,
            as_of=as_of,
            facts=facts,
            next_move=judged.next_move,
            facts_then=facts_then,
        )
        return ExplainedCustomer(
            snapshot=snapshot,
            standpoint=Standpoint(judged.customer, schedule),
            transition=stored.transition,
            facts=facts_before,
            evidence=await repository.find_evidence(self._pool, id, stored.transition),
            naming=naming,
        ).view()

    async def timeline(
        self, id: CustomerId, part: Slice, naming: Naming, *, withdrawn_too: bool
    ) -> TimelinePage:
        """A page of all that happened, newest first. Raises Problem 404 for the unknown."""
        before = part.after(datetime, int, int, int) or LATEST
        clock = await self._context.clock_of(id)
        entries = await repository.timeline_page(
            self._pool, id, withdrawn_too=withdrawn_too, before=before, limit=part.limit + 1
        )
        if not entries and await find_customer(self._pool, id) is None:
            raise unknown_customer(id)
        instants = [entry.key[0] for entry in entries]
        facts = await self._customers.facts(id, instants, naming.model)
        page = Page[TimelineEntry].of(
            list(zip(entries, facts, strict=True)),
            part,
            key=lambda row: row[0].key,
            view=lambda row: entry_view(row[0].content, row[1], naming),
        )
        return TimelinePage(items=page.items, next_cursor=page.next_cursor, as_of=clock)

    async def _question(
        self,
        id: CustomerId,
        as_of: datetime | None,
        known_at: datetime | None,
        naming: Naming,
    ) -> PhaseQuestion:
        stored = await self._customers.find(id)
        latest = max(stored.clock, stored.customer.now)
        refuse_future("as_of", as_of, latest)
        refuse_future("known_at", known_at, stored.clock)
        return PhaseQuestion(id, as_of or latest, known_at or stored.clock, naming)

    async def _facts_then(self, question: PhaseQuestion) -> frozenset[CustomerFact]:
        if not facts_needed(question.naming.model):
            return frozenset()
        policy = (await self._context.schedule()).at(question.as_of)
        return await repository.known_facts(
            self._pool,
            question.customer,
            question.as_of,
            question.known_at,
            timedelta(days=policy.active_days),
        )
