"""Routes of cases: list them, count them, show one."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path, Query

from services.reactivation.api.context import ApiContext
from services.reactivation.api.fields import CASE_ID, CUSTOMER
from services.reactivation.cases.schemas import CasePage, CaseView, CountsView
from services.reactivation.cases.service import CaseService
from services.reactivation.domain.cases import State
from shared.events.fields import Subject
from shared.http import Conditional, IdPath, Paging, ProblemKind, problems

router = APIRouter(prefix="/v1", tags=["cases"])

_NOT_FOUND: Final = ProblemKind(404, "not_found", "There is no such case.")


async def _service(context: ApiContext) -> CaseService:
    return CaseService(context)


Cases = Annotated[CaseService, Depends(_service)]
CaseId = Annotated[IdPath, Path(description="The id of the case.", examples=[CASE_ID])]
InState = Annotated[
    State | None, Query(description="Only cases in this state.", examples=["offered"])
]
OfCustomer = Annotated[
    Subject | None, Query(description="Only cases of this customer.", examples=[CUSTOMER])
]


@router.get("/cases")
async def list_cases(
    cases: Cases, part: Paging, state: InState = None, customer: OfCustomer = None
) -> CasePage:
    """Cases, newest first."""
    return await cases.list(part, state, customer)


@router.get("/cases/counts")
async def count_cases(cases: Cases) -> CountsView:
    """Cases and offers by state."""
    return await cases.count()


@router.get("/cases/{case_id}", responses=problems(_NOT_FOUND))
async def read_case(cases: Cases, case_id: CaseId, conditional: Conditional) -> CaseView:
    """One case with its offer."""
    return conditional.answer(await cases.show(case_id))
