"""Routes of claims: make one, show one."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Response

from services.referral.api.context import Context, created
from services.referral.api.fields import CLAIM_ID, CLOCK_NOT_STARTED, NOT_A_CUSTOMER_ID
from services.referral.claims.schemas import ClaimRequest, ClaimView
from services.referral.claims.service import ClaimService
from shared.http import REUSED_KEY, Conditional, IdempotencyKey, IdPath, ProblemKind, problems

router = APIRouter(prefix="/v1", tags=["referral"])

_REFUSALS: Final = (
    ProblemKind(422, "mistyped_code", "The code has a wrong character."),
    ProblemKind(422, "unknown_code", "Nobody has this code."),
    ProblemKind(422, "self_referral", "The code is the referee's own."),
    ProblemKind(409, "already_customer", "The referee has bought before."),
)
_NOT_FOUND: Final = ProblemKind(404, "not_found", "There is no such claim.")
_MADE_BEFORE: Final[dict[str, Any]] = {
    "model": ClaimView,
    "description": "This claim was made before: as it was accepted then.",
}


async def _service(context: Context) -> ClaimService:
    return ClaimService(context)


Service = Annotated[ClaimService, Depends(_service)]
ClaimId = Annotated[IdPath, Path(description="The id of the claim.", examples=[CLAIM_ID])]


@router.post(
    "/claims",
    status_code=201,
    responses=problems(
        *_REFUSALS, NOT_A_CUSTOMER_ID, REUSED_KEY, CLOCK_NOT_STARTED, also={200: _MADE_BEFORE}
    ),
)
async def claim(
    body: ClaimRequest, response: Response, service: Service, idempotency_key: IdempotencyKey = None
) -> ClaimView:
    """Record that a referee named a code; sending the same claim again is safe."""
    return created(response, await service.make(body.code, body.referee, idempotency_key))


@router.get("/claims/{claim_id}", responses=problems(_NOT_FOUND))
async def show_claim(claim_id: ClaimId, service: Service, conditional: Conditional) -> ClaimView:
    """Show a claim as it stands."""
    return conditional.answer(await service.show(claim_id))
