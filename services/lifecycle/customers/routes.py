"""The HTTP API of lifecycle: customers, their history, and the phases of all."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request

from services.lifecycle import clocks
from services.lifecycle.api.transitions import HistoryPage, TransitionView
from services.lifecycle.batch.recorder import SOURCE
from services.lifecycle.customers import repository
from services.lifecycle.customers.repository import Asked
from services.lifecycle.customers.schemas import (
    CauseCounts,
    CustomerSnapshot,
    CustomerView,
    HintCounts,
    Naming,
    PhaseCounts,
    RuleCounts,
)
from services.lifecycle.domain.fold import apply_schedule, next_move
from services.lifecycle.domain.phase_models import (
    CustomerFact,
    Model,
    activity_label,
    fact_by_phase,
    facts_needed,
    label_for,
)
from services.lifecycle.domain.policy.schedule import Schedule
from services.lifecycle.events import RELEASED
from services.lifecycle.schedule import latest_number, load_schedule
from shared.database.connection import Pool, transaction
from shared.errors import FieldError, Problem
from shared.http import (
    ONCE,
    CustomerPath,
    Instant,
    Kind,
    Page,
    Paging,
    Requested,
    Unless,
    Wording,
    problems,
)
from shared.ids import CustomerId, partition_of
from shared.kafka.topics import CUSTOMER_EVENTS
from shared.stream.log import parked as parking
from shared.stream.outgoing import outbox
from shared.urls import segment

router = APIRouter(prefix="/v1", tags=["lifecycle"])

NEWEST = (2**31 - 1, 2**63 - 1)


class Lifecycle:
    """What the routes need: the database, the schedule of policies, the number of partitions."""

    def __init__(self, pool: Pool, partitions: int) -> None:
        self.pool = pool
        self.partitions = partitions
        self._schedule: Schedule | None = None

    async def policies(self, known: int | None = None) -> Schedule:
        """All activations made until now; `known` is the greatest number of them, if it has been read already."""
        if known is None:
            known = await latest_number(self.pool)
        if self._schedule is None or self._schedule.known != known:
            async with self.pool.acquire() as connection:
                self._schedule = await load_schedule(connection)
        return self._schedule

    async def customer(self, id: CustomerId, naming: Naming) -> CustomerView:
        """Raises Problem 404 for customers without a phase."""
        found = await repository.find(self.pool, id)
        if found is None or found.customer.phase is None:
            raise unknown_customer(id)
        customer, version, parked, clock, known = found
        schedule = await self.policies(known)
        if relearned := apply_schedule(customer, schedule):
            customer = relearned.customer
        as_of, move = max(clock, customer.now), next_move(customer, schedule)
        facts = await self.facts(id, [as_of, move.occurred_at if move else as_of], naming.model)
        standing = CustomerSnapshot(
            id, customer, version, parked is not None, as_of, facts[0], move, facts[1]
        )
        return CustomerView.of(standing, schedule.at(as_of, customer.account), naming)

    async def facts(
        self, id: CustomerId, instants: Sequence[datetime], model: Model | None
    ) -> list[frozenset[CustomerFact]]:
        """What held of a customer at each instant, as far as the model asks."""
        if not facts_needed(model):
            return [frozenset()] * len(instants)
        return await repository.facts(self.pool, id, instants, await self._asked(model))

    async def counts(self, as_of: datetime, model: Model | None) -> Counter[str]:
        """How many customers there were of each view of a model."""
        if cell := activity_label(model):
            acted, idle = await repository.acted(self.pool, as_of, await self._asked(model))
            return Counter({cell.given.code: acted, cell.without.code: idle})
        counts = Counter[str]()
        for phase, facts, n in await repository.phases_holding(
            self.pool, as_of, fact_by_phase(model)
        ):
            counts[label_for(model, phase, facts).code] += n
        return counts

    async def _asked(self, model: Model | None) -> Asked:
        policy = (await self.policies()).at(await clocks.clock(self.pool))
        return Asked(CustomerFact.ACTED in facts_needed(model), timedelta(days=policy.active_days))

    async def instant(self, as_of: datetime | None) -> datetime:
        """The instant asked for, or the clock. Raises Problem 422 beyond the clock."""
        clock = await clocks.clock(self.pool)
        refuse_future("as_of", as_of, clock)
        return as_of or clock

    async def release(self, id: CustomerId) -> None:
        """Ask the owner to fold what waits for a parked customer. Raises Problem 404 or 409."""
        found = await repository.find(self.pool, id)
        if found is None:
            raise unknown_customer(id)
        request = parking.release(
            RELEASED, SOURCE, CUSTOMER_EVENTS, id, self.partition(id), parked=found.parked
        )
        async with self.pool.acquire() as connection, transaction(connection) as tx:
            await outbox.add(tx, [request])

    def partition(self, id: CustomerId) -> int:
        """Where the customer lives."""
        return partition_of(id, self.partitions)


def unknown_customer(id: CustomerId) -> Problem:
    """The answer to who asks for somebody without a phase."""
    return Problem(404, "unknown_customer", f"No event has made {id} a customer.")


def refuse_future(field: str, instant: datetime | None, latest: datetime) -> None:
    """Raises Problem 422 for an instant that nobody knows of yet."""
    if instant is not None and instant > latest:
        wrong = FieldError(field, f"lies after the clock, {latest.isoformat()}: nobody knows yet")
        raise Problem(
            422, f"{field}_in_future", "The instant has not been reached.", errors=(wrong,)
        )


async def lifecycle(request: Request) -> Lifecycle:
    """The dependency of every route."""
    found: Lifecycle = request.app.state.lifecycle
    return found


Service = Annotated[Lifecycle, Depends(lifecycle)]


async def naming(
    language: Wording,
    model: Annotated[
        Model | None, Query(description="Name phases as in this model too.", examples=["cxm"])
    ] = None,
) -> Naming:
    """How the client wants phases named."""
    return Naming(model, language)


Names = Annotated[Naming, Depends(naming)]


async def present(customer: CustomerPath, request: Request, service: Service) -> CustomerId:
    """The customer asked for. Raises Problem 301 with the same address for whom a merged one has become."""
    end = await repository.end_of_chain(service.pool, customer)
    if end is None:
        return customer
    path = request.scope["route"].path_format.format(customer=segment(end))
    query = f"?{request.url.query}" if request.url.query else ""
    raise Problem(301, "merged", f"{customer} has been merged into {end}.", location=path + query)


Present = Annotated[CustomerId, Depends(present)]
AsOf = Annotated[
    Instant | None, Query(description="An instant up to the clock; without it, the clock.")
]
WithdrawnToo = Annotated[bool, Query(description="Withdrawn transitions too.")]

UNKNOWN_CUSTOMER: Final = Kind(
    404, "unknown_customer", "No event has made somebody of this id a customer."
)
MERGED: Final = Kind(301, "merged", "The customer has been merged into another one: ask there.")
NOT_PARKED: Final = Kind(409, "not_parked", "The customer is not parked.")
AS_OF_IN_FUTURE: Final = Kind(
    422, "as_of_in_future", "`as_of` lies after the clock: nobody knows yet."
)


@router.get("/customers/{customer}", responses=problems(MERGED, UNKNOWN_CUSTOMER))
async def show_customer(
    customer: CustomerPath, request: Request, service: Service, names: Names, unless: Unless
) -> CustomerView:
    """The phase of a customer, since when, and what comes next."""
    try:
        return unless.same(await service.customer(customer, names))
    except Problem:
        await present(customer, request, service)  # who is merged has no phase
        raise


@router.get("/customers/{customer}/history", responses=problems(MERGED, UNKNOWN_CUSTOMER))
async def show_history(
    customer: Present,
    service: Service,
    part: Paging,
    names: Names,
    unless: Unless,
    all: WithdrawnToo = False,
) -> HistoryPage:
    """The transitions of a customer, newest first."""
    before = part.after(int, int) or NEWEST
    clock = await clocks.clock(service.pool, service.partition(customer))
    rows = await repository.history_page(
        service.pool, customer, withdrawn_too=all, before=before, limit=part.limit + 1
    )
    if not rows:
        await service.customer(customer, names)
    facts = await service.facts(
        customer, [transition.occurred_at for transition, _ in rows], names.model
    )
    page = Page[TransitionView].of(
        [(*row, held) for row, held in zip(rows, facts, strict=True)],
        part,
        key=lambda row: (row[0].position, row[0].version),
        view=lambda row: TransitionView.of(*row, names),
    )
    return unless.same(HistoryPage(items=page.items, next_cursor=page.next_cursor, as_of=clock))


@router.post(
    "/customers/{customer}/release",
    status_code=202,
    responses=problems(MERGED, UNKNOWN_CUSTOMER, NOT_PARKED),
    openapi_extra=ONCE,
)
async def release_customer(customer: Present, service: Service) -> Requested:
    """Fold what waits for a parked customer, once the reason is gone. Soon the customer is parked no longer (409)."""
    await service.release(customer)
    return Requested()


@router.get("/phases", responses=problems(AS_OF_IN_FUTURE))
async def count_phases(service: Service, names: Names, as_of: AsOf = None) -> PhaseCounts:
    """Customers by phase, or by what the phase is in a model, at any instant up to the clock."""
    instant = await service.instant(as_of)
    return PhaseCounts.of(instant, await service.counts(instant, names.model), names)


@router.get("/transitions/counts", responses=problems(AS_OF_IN_FUTURE))
async def count_transitions(service: Service, as_of: AsOf = None) -> RuleCounts:
    """Transitions of the current histories by rule."""
    instant = await service.instant(as_of)
    counts = await repository.rules(service.pool, instant)
    return RuleCounts(as_of=instant, counts=counts, total=sum(counts.values()))


@router.get("/causes/counts", responses=problems(AS_OF_IN_FUTURE))
async def count_causes(service: Service, as_of: AsOf = None) -> CauseCounts:
    """Why customers became at risk: moves to at_risk by the kind of their causes. One move may have several."""
    instant = await service.instant(as_of)
    return CauseCounts(as_of=instant, counts=await repository.causes(service.pool, instant))


@router.get("/hints/counts", responses=problems(AS_OF_IN_FUTURE))
async def count_hints(service: Service, as_of: AsOf = None) -> HintCounts:
    """Hints given to the shop, by name."""
    instant = await service.instant(as_of)
    return HintCounts(as_of=instant, counts=await repository.hints(service.pool, instant))
