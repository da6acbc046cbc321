"""Routes of cases: list them, count them, show one."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path, Query

from services.reactivation.api.context import Context
from services.reactivation.api.fields import CASE_ID, CUSTOMER
from services.reactivation.api.redirects import Redirect
from services.reactivation.cases.schemas import CasePage, CaseView, CountsView
from services.reactivation.cases.service import CaseService
from services.reactivation.domain.cases import State
from shared.events.fields import Subject
from shared.http import MERGED, Conditional, IdPath, Paging, ProblemKind, problems

router = APIRouter(prefix="/v1", tags=["cases"])

_NOT_FOUND: Final = ProblemKind(404, "not_found", "There is no such case.")


async def _service(context: Context) -> CaseService:
    return CaseService(context)


Service = Annotated[CaseService, Depends(_service)]
CaseId = Annotated[IdPath, Path(description="The id of the case.", examples=[CASE_ID])]
InState = Annotated[
    State | None, Query(description="Only cases in this state.", examples=["offered"])
]
OfCustomer = Annotated[
    Subject | None, Query(description="Only cases of this customer.", examples=[CUSTOMER])
]


async def _unmerged(redirect: Redirect, customer: OfCustomer = None) -> str | None:
    """The customer asked for, if any. Raises Problem 301 for a merged one."""
    if customer is not None:
        await redirect.check(customer)
    return customer


@router.get("/cases", responses=problems(MERGED))
async def list_cases(
    service: Service,
    part: Paging,
    customer: Annotated[str | None, Depends(_unmerged)],
    state: InState = None,
) -> CasePage:
    """List cases, newest first."""
    return await service.list(part, state, customer)


@router.get("/cases/counts")
async def count_cases(service: Service) -> CountsView:
    """Count cases and offers by state."""
    return await service.count()


@router.get("/cases/{case_id}", responses=problems(_NOT_FOUND))
async def read_case(service: Service, case_id: CaseId, conditional: Conditional) -> CaseView:
    """Show one case with its offer."""
    return conditional.answer(await service.show(case_id))
