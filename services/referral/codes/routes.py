"""Routes of codes: issue one, show one."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Response

from services.referral.api.context import Context, created
from services.referral.api.fields import CLOCK_NOT_STARTED, NOT_A_CUSTOMER_ID
from services.referral.codes.schemas import CodeRequest, CodeView
from services.referral.codes.service import CodeService
from services.referral.customers.parameters import UnmergedCustomer
from shared.http import MERGED, REUSED_KEY, Conditional, IdempotencyKey, ProblemKind, problems

router = APIRouter(prefix="/v1", tags=["referral"])

_NO_CODE: Final = ProblemKind(404, "no_code", "The customer has no code.")
_HAD_ONE: Final[dict[str, Any]] = {
    "model": CodeView,
    "description": "The customer had a code already: this one.",
}


async def _service(context: Context) -> CodeService:
    return CodeService(context)


Service = Annotated[CodeService, Depends(_service)]


@router.post(
    "/codes",
    status_code=201,
    responses=problems(NOT_A_CUSTOMER_ID, REUSED_KEY, CLOCK_NOT_STARTED, also={200: _HAD_ONE}),
)
async def issue_code(
    body: CodeRequest, response: Response, service: Service, idempotency_key: IdempotencyKey = None
) -> CodeView:
    """Give a customer a referral code; there is one per customer."""
    return created(response, await service.issue(body.customer, idempotency_key))


@router.get("/customers/{customer}/code", responses=problems(MERGED, _NO_CODE))
async def show_code(
    customer: UnmergedCustomer, service: Service, conditional: Conditional
) -> CodeView:
    """Show the referral code of a customer."""
    return conditional.answer(await service.show(customer))
