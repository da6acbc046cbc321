"""The HTTP routes: cases to read, codes to redeem."""

from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request

from services.reactivation.cases import search, service
from services.reactivation.cases.schemas import (
    CASE_ID,
    CODE,
    CUSTOMER,
    CasePage,
    CaseView,
    CountsView,
    Redemption,
    RedemptionView,
)
from services.reactivation.cases.search import CaseRow
from services.reactivation.domain.cases import State
from services.reactivation.domain.offers import OfferState
from services.reactivation.offers.service import OfferService
from shared.database.connection import Pool
from shared.errors import FieldError, Problem
from shared.events.fields import Subject
from shared.http import (
    NOT_REPEATABLE,
    Conditional,
    CustomerPath,
    IdPath,
    Page,
    Paging,
    ProblemKind,
    Requested,
    Slice,
    problems,
)

router = APIRouter(prefix="/v1")


async def _pool(request: Request) -> Pool:
    pool: Pool = request.app.state.pool
    return pool


async def _till(request: Request) -> OfferService:
    till: OfferService = request.app.state.till
    return till


Database = Annotated[Pool, Depends(_pool)]
AtTheTill = Annotated[OfferService, Depends(_till)]
Code = Annotated[
    IdPath, Path(description="A code, as people write it: any case, with hyphens.", examples=[CODE])
]
InState = Annotated[
    State | None, Query(description="Only cases in this state.", examples=["offered"])
]
OfCustomer = Annotated[
    Subject | None, Query(description="Only cases of this customer.", examples=[CUSTOMER])
]

_UNKNOWN_CODE: Final = ProblemKind(404, "unknown_code", "There is no such code.")
_NOT_YOURS: Final = ProblemKind(403, "not_your_code", "The code was given to another customer.")
_RESERVED: Final = ProblemKind(409, "already_reserved", "The code is reserved for another order.")
_REDEEMED: Final = ProblemKind(409, "already_redeemed", "The code has been used.")
_EXPIRED: Final = ProblemKind(410, "offer_expired", "The offer has expired.")
_WITHDRAWN: Final = ProblemKind(410, "offer_withdrawn", "The offer was withdrawn.")
_NOT_RESERVED: Final = ProblemKind(
    409, "not_reserved", "The code is not reserved for this order, or no longer."
)
_UNKNOWN_CUSTOMER: Final = ProblemKind(404, "unknown_customer", "The customer has never lapsed.")
_NOT_PARKED: Final = ProblemKind(409, "not_parked", "The customer is not parked.")
_REFUSALS: Final = (_NOT_YOURS, _UNKNOWN_CODE, _RESERVED, _REDEEMED)


@router.get("/cases", tags=["cases"])
async def list_cases(
    database: Database, part: Paging, state: InState = None, customer: OfCustomer = None
) -> CasePage:
    """Cases, newest first."""
    rows = await search.newest_cases(
        database, limit=part.limit + 1, state=state, customer=customer, before=_before(part)
    )
    page = Page[CaseView].of(rows, part, key=_key, view=CaseView.of)
    return CasePage(items=page.items, next_cursor=page.next_cursor)


@router.get("/cases/counts", tags=["cases"])
async def count_cases(database: Database) -> CountsView:
    """Cases and offers by state."""
    as_of, cases, offers = await search.counts(database)
    return CountsView(
        as_of=as_of,
        cases={state: cases.get(state, 0) for state in State},
        offers={state: offers.get(state, 0) for state in OfferState},
    )


@router.get(
    "/cases/{case_id}",
    tags=["cases"],
    responses=problems(ProblemKind(404, "not_found", "There is no such case.")),
)
async def read_case(
    database: Database,
    case_id: Annotated[IdPath, Path(description="The id of the case.", examples=[CASE_ID])],
    conditional: Conditional,
) -> CaseView:
    """One case with its offer."""
    number = _uuid(case_id)
    found = await search.case_by_id(database, number) if number else None
    if found is None:
        raise Problem(404, "not_found", "There is no such case.")
    return conditional.answer(CaseView.of(found))


@router.post(
    "/offers/{code}/reserve", tags=["offers"], responses=problems(*_REFUSALS, _EXPIRED, _WITHDRAWN)
)
async def reserve(till: AtTheTill, code: Code, order: Redemption) -> RedemptionView:
    """Put a code aside for an order, for `reservation_minutes` and at most until the offer expires."""
    return RedemptionView.of(await till.reserve(code, order.customer, order.order_id))


@router.post(
    "/offers/{code}/confirm",
    tags=["offers"],
    responses=problems(*_REFUSALS, _NOT_RESERVED, _EXPIRED, _WITHDRAWN),
)
async def confirm(till: AtTheTill, code: Code, order: Redemption) -> RedemptionView:
    """The order was placed: the code is used, and the case won back."""
    return RedemptionView.of(await till.confirm(code, order.customer, order.order_id))


@router.post("/offers/{code}/release", tags=["offers"], responses=problems(*_REFUSALS))
async def release(till: AtTheTill, code: Code, order: Redemption) -> RedemptionView:
    """The order came to nothing: the code is free again."""
    return RedemptionView.of(await till.release(code, order.customer, order.order_id))


@router.post(
    "/customers/{customer}/release",
    status_code=202,
    tags=["customers"],
    responses=problems(_UNKNOWN_CUSTOMER, _NOT_PARKED),
    openapi_extra=NOT_REPEATABLE,
)
async def release_customer(database: Database, customer: CustomerPath) -> Requested:
    """Fold what waits for a parked customer, once the reason is gone. Soon the customer is parked no longer (409)."""
    await service.request(database, customer)
    return Requested()


def _key(found: CaseRow) -> tuple[datetime, str]:
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
