"""The HTTP routes: cases to read, codes to redeem."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request

from services.reactivation import queries, releasing
from services.reactivation.domain.cases import State
from services.reactivation.domain.offers import OfferState
from services.reactivation.queries import Standing
from services.reactivation.redemption import Till
from services.reactivation.schemas import CaseView, CountsView, Redemption, RedemptionView
from shared.db import Pool
from shared.errors import FieldError, Problem
from shared.events.fields import Subject
from shared.http import CustomerPath, IdPath, Page, Paging, Slice

router = APIRouter(prefix="/v1")


def _pool(request: Request) -> Pool:
    pool: Pool = request.app.state.pool
    return pool


def _till(request: Request) -> Till:
    till: Till = request.app.state.till
    return till


Database = Annotated[Pool, Depends(_pool)]
AtTheTill = Annotated[Till, Depends(_till)]


@router.get("/cases", tags=["cases"])
async def list_cases(
    database: Database, part: Paging, state: State | None = None, customer: Annotated[Subject | None, Query()] = None
) -> Page[CaseView]:
    """Cases, newest first."""
    rows = await queries.newest_cases(
        database, limit=part.limit + 1, state=state, customer=customer, before=_before(part)
    )
    return Page[CaseView].of(rows, part, key=_key, view=CaseView.of)


@router.get("/cases/counts", tags=["cases"])
async def count_cases(database: Database) -> CountsView:
    """Cases and offers by state."""
    as_of, cases, offers = await queries.counts(database)
    return CountsView(
        as_of=as_of,
        cases={state: cases.get(state, 0) for state in State},
        offers={state: offers.get(state, 0) for state in OfferState},
    )


@router.get("/cases/{case_id}", tags=["cases"])
async def read_case(database: Database, case_id: IdPath) -> CaseView:
    """One case with its offer."""
    number = _uuid(case_id)
    found = await queries.case_by_id(database, number) if number else None
    if found is None:
        raise Problem(404, "not_found", "There is no such case.")
    return CaseView.of(found)


@router.post("/offers/{code}/reserve", tags=["offers"])
async def reserve(till: AtTheTill, code: IdPath, order: Redemption) -> RedemptionView:
    """Put a code aside for an order, for `reservation_minutes` and at most until the offer expires."""
    return RedemptionView.of(await till.reserve(code, order.customer, order.order_id))


@router.post("/offers/{code}/confirm", tags=["offers"])
async def confirm(till: AtTheTill, code: IdPath, order: Redemption) -> RedemptionView:
    """The order was placed: the code is used, and the case won back."""
    return RedemptionView.of(await till.confirm(code, order.customer, order.order_id))


@router.post("/offers/{code}/release", tags=["offers"])
async def release(till: AtTheTill, code: IdPath, order: Redemption) -> RedemptionView:
    """The order came to nothing: the code is free again."""
    return RedemptionView.of(await till.release(code, order.customer, order.order_id))


@router.post("/customers/{customer}/release", status_code=202, tags=["customers"])
async def release_customer(database: Database, customer: CustomerPath) -> dict[str, str]:
    """Fold what waits for a parked customer, once the reason is gone."""
    await releasing.request(database, customer)
    return {"status": "requested"}


def _key(found: Standing) -> tuple[datetime, str]:
    return found.case.lapse.occurred_at, str(found.case.id)


def _before(part: Slice) -> tuple[datetime, UUID] | None:
    """Where the page before ended."""
    key = part.after(datetime, str)
    if key is None:
        return None
    number = _uuid(key[1])
    if number is None:
        wrong = FieldError("cursor", "is not a next_cursor of this list")
        raise Problem(422, "invalid_cursor", "The cursor cannot be read.", errors=(wrong,))
    return key[0], number


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
