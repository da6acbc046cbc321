"""The HTTP API of reasons: what held when as known when, why, and everything in order of time."""

from datetime import datetime, timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Query

from services.lifecycle import clocks
from services.lifecycle.customers import repository as queries
from services.lifecycle.customers.routes import (
    AS_OF_IN_FUTURE,
    MERGED,
    UNKNOWN_CUSTOMER,
    AsOf,
    Lifecycle,
    Names,
    Present,
    Service,
    WithdrawnToo,
    refuse_future,
    unknown_customer,
)
from services.lifecycle.customers.schemas import CustomerSnapshot, Naming
from services.lifecycle.domain.fold import apply_schedule, next_move
from services.lifecycle.domain.phase_models import CustomerFact, facts_needed
from services.lifecycle.domain.words.requirements import Standpoint
from services.lifecycle.explain import repository
from services.lifecycle.explain.repository import LATEST
from services.lifecycle.explain.schemas import Asked, Explained, Explanation, PhaseAt
from services.lifecycle.explain.timeline import TimelineEntry, TimelinePage, entry
from shared.http import Instant, Kind, Page, Paging, Unless, problems
from shared.ids import CustomerId

router = APIRouter(prefix="/v1", tags=["lifecycle"])

_UNKNOWN_YET: Final = Kind(422, "known_at_in_future", "`known_at` lies after the clock.")
KnownAt = Annotated[
    Instant | None, Query(description="An earlier state of the clock; without it, the present one.")
]


@router.get(
    "/customers/{customer}/phase",
    responses=problems(MERGED, UNKNOWN_CUSTOMER, AS_OF_IN_FUTURE, _UNKNOWN_YET),
)
async def show_phase(
    customer: Present,
    service: Service,
    names: Names,
    unless: Unless,
    as_of: AsOf = None,
    known_at: KnownAt = None,
) -> PhaseAt:
    """The phase that a customer was in at an instant, as it was known then or later.

    An answer without a phase says in `reason` why there was none.
    """
    asked = await _asked(customer, service, names, as_of, known_at)
    held = await repository.held(service.pool, customer, asked.as_of, asked.known_at)
    if held is not None:
        return unless.same(PhaseAt.of(asked, held, await _facts(service, asked)))
    first = await repository.first(service.pool, customer, asked.known_at)
    return unless.same(
        PhaseAt.none(asked, "not_yet_known" if first is None else "not_yet_customer")
    )


async def _asked(
    customer: CustomerId,
    service: Lifecycle,
    names: Naming,
    as_of: datetime | None,
    known_at: datetime | None,
) -> Asked:
    """Raises Problem 404, or 422 for instants that nobody knows of yet."""
    found = await queries.find(service.pool, customer)
    if found is None or found.customer.phase is None:
        raise unknown_customer(customer)
    latest = max(found.clock, found.customer.now)
    refuse_future("as_of", as_of, latest)
    refuse_future("known_at", known_at, found.clock)
    return Asked(customer, as_of or latest, known_at or found.clock, names)


async def _facts(service: Lifecycle, asked: Asked) -> frozenset[CustomerFact]:
    if not facts_needed(asked.naming.model):
        return frozenset()
    policy = (await service.policies()).at(asked.as_of)
    active = timedelta(days=policy.active_days)
    return await repository.facts(service.pool, asked.customer, asked.as_of, asked.known_at, active)


@router.get("/customers/{customer}/explain", responses=problems(MERGED, UNKNOWN_CUSTOMER))
async def explain_customer(customer: Present, service: Service, names: Names) -> Explanation:
    """Why a customer is in its phase, and what each rule lacks that could fire next: with a summary to read out."""
    clock = await clocks.clock(
        service.pool, service.partition(customer)
    )  # before the state: never newer than it
    found, schedule = await repository.standing(service.pool, customer), await service.policies()
    if found is None or found.transition is None:
        raise unknown_customer(customer)
    relearned = apply_schedule(found.customer, schedule)
    state = relearned.customer if relearned else found.customer
    as_of, move = max(clock, state.now), next_move(state, schedule)
    instants = [as_of, move.occurred_at if move else as_of, found.transition.occurred_at]
    facts, facts_then, facts_before = await service.facts(customer, instants, names.model)
    standing = CustomerSnapshot(
        customer, state, found.version, found.parked is not None, as_of, facts, move, facts_then
    )
    evidence = await repository.evidence(service.pool, customer, found.transition.evidence.events)
    return Explained(
        standing, Standpoint(state, schedule), found.transition, facts_before, evidence, names
    ).view()


@router.get("/customers/{customer}/timeline", responses=problems(MERGED, UNKNOWN_CUSTOMER))
async def show_timeline(
    customer: Present,
    service: Service,
    part: Paging,
    names: Names,
    all: WithdrawnToo = False,
) -> TimelinePage:
    """Events, transitions and hints in order of time, newest first; what is added meanwhile disturbs no later page."""
    before = part.after(datetime, int, int, int) or LATEST
    clock = await clocks.clock(service.pool, service.partition(customer))
    found = await repository.entries(
        service.pool, customer, withdrawn_too=all, before=before, limit=part.limit + 1
    )
    if not found and await queries.find(service.pool, customer) is None:
        raise unknown_customer(customer)
    facts = await service.facts(customer, [row.key[0] for row in found], names.model)
    page = Page[TimelineEntry].of(
        list(zip(found, facts, strict=True)),
        part,
        key=lambda row: row[0].key,
        view=lambda row: entry(row[0].of, row[1], names),
    )
    return TimelinePage(items=page.items, next_cursor=page.next_cursor, as_of=clock)
