"""The HTTP API of lifecycle: customers, their history, and the phases of all."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from services.lifecycle import repository
from services.lifecycle.domain.phases import Phase
from services.lifecycle.domain.policy import Policy
from services.lifecycle.reading import RELEASED
from services.lifecycle.recording import SOURCE
from services.lifecycle.schemas import CustomerView, HistoryPage, PhaseCounts, RuleCounts, TransitionView
from shared import outbox
from shared.clock import now
from shared.db import Pool, transaction
from shared.errors import FieldError, Problem
from shared.events.envelope import Envelope, encode
from shared.http import CustomerPath, Instant, Page, Paging
from shared.ids import CustomerId, partition_of, stable_id
from shared.outbox import Message
from shared.topics import CUSTOMER_EVENTS

router = APIRouter(prefix="/v1", tags=["lifecycle"])

NEWEST = (2**31 - 1, 2**63 - 1)


class Lifecycle:
    """What the routes need: the database, the policy, the number of partitions."""

    def __init__(self, pool: Pool, policy: Policy, partitions: int) -> None:
        self.pool = pool
        self.policy = policy
        self._partitions = partitions

    async def customer(self, id: CustomerId) -> CustomerView:  # noqa: A002
        """Raises Problem 404 for customers without a phase."""
        clock = await repository.clock(self.pool, self.partition(id))  # before the state: never newer than it
        found = await repository.find(self.pool, id)
        if found is None or found[0].phase is None:
            raise _unknown(id)
        customer, version, parked = found
        return CustomerView.of(id, customer, version, parked=parked is not None, policy=self.policy, clock=clock)

    async def instant(self, as_of: datetime | None) -> datetime:
        """The instant asked for, or the clock. Raises Problem 422 beyond the clock."""
        clock = await repository.clock(self.pool)
        if as_of is not None and as_of > clock:
            wrong = FieldError("as_of", f"lies after the clock, {clock.isoformat()}: nobody knows yet")
            raise Problem(422, "as_of_in_future", "The instant has not been reached.", errors=(wrong,))
        return as_of or clock

    async def release(self, id: CustomerId) -> None:  # noqa: A002
        """Ask the owner to fold what waits for a parked customer. Raises Problem 404 or 409."""
        found = await repository.find(self.pool, id)
        if found is None:
            raise _unknown(id)
        if found[2] is None:
            raise Problem(409, "not_parked", f"Customer {id} is not parked.")
        at = now()
        request = Envelope(
            id=str(stable_id(RELEASED, id, at.isoformat())), source=SOURCE, type=RELEASED, subject=id, time=at
        )
        async with self.pool.acquire() as connection, transaction(connection) as tx:
            await outbox.add(tx, [Message(self.partition(id), CUSTOMER_EVENTS, id, encode(request))])

    def partition(self, id: CustomerId) -> int:  # noqa: A002
        """Where the customer lives."""
        return partition_of(id, self._partitions)


def _unknown(id: CustomerId) -> Problem:  # noqa: A002
    return Problem(404, "unknown_customer", f"No event has made {id} a customer.")


def lifecycle(request: Request) -> Lifecycle:
    """The dependency of every route."""
    found: Lifecycle = request.app.state.lifecycle
    return found


Service = Annotated[Lifecycle, Depends(lifecycle)]
AsOf = Annotated[Instant | None, Query(description="An instant up to the clock; without it, the clock.")]


@router.get("/customers/{customer}")
async def show_customer(customer: CustomerPath, service: Service) -> CustomerView:
    """The phase of a customer, since when, and what comes next."""
    return await service.customer(customer)


@router.get("/customers/{customer}/history")
async def show_history(
    customer: CustomerPath,
    service: Service,
    part: Paging,
    all: Annotated[bool, Query(description="Withdrawn transitions too.")] = False,  # noqa: A002
) -> HistoryPage:
    """The transitions of a customer, newest first."""
    before = part.after(int, int) or NEWEST
    clock = await repository.clock(service.pool, service.partition(customer))
    rows = await repository.history_page(service.pool, customer, withdrawn_too=all, before=before, limit=part.limit + 1)
    if not rows:
        await service.customer(customer)
    page = Page[TransitionView].of(
        rows, part, key=lambda row: (row[0].position, row[0].version), view=TransitionView.of
    )
    return HistoryPage(items=page.items, next_cursor=page.next_cursor, as_of=clock)


@router.post("/customers/{customer}/release", status_code=202)
async def release_customer(customer: CustomerPath, service: Service) -> dict[str, str]:
    """Fold what waits for a parked customer, once the reason is gone."""
    await service.release(customer)
    return {"status": "requested"}


@router.get("/phases")
async def count_phases(service: Service, as_of: AsOf = None) -> PhaseCounts:
    """Customers by phase, at any instant up to the clock."""
    instant = await service.instant(as_of)
    counts = await repository.phases(service.pool, instant)
    return PhaseCounts(as_of=instant, counts={phase: counts.get(phase, 0) for phase in Phase})


@router.get("/transitions/counts")
async def count_transitions(service: Service, as_of: AsOf = None) -> RuleCounts:
    """Transitions of the current histories by rule."""
    instant = await service.instant(as_of)
    counts = await repository.rules(service.pool, instant)
    return RuleCounts(as_of=instant, counts=counts, total=sum(counts.values()))
