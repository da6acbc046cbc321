"""The HTTP API of explanations: phases of the past, why a phase holds, and the timeline."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query

from services.lifecycle.api.context import Context
from services.lifecycle.api.parameters import AS_OF_IN_FUTURE, AsOf, Names, WithdrawnToo
from services.lifecycle.customers.parameters import UNKNOWN_CUSTOMER, UnmergedCustomer
from services.lifecycle.explain.past_phase import PhaseAt
from services.lifecycle.explain.schemas import Explanation
from services.lifecycle.explain.service import ExplanationService
from services.lifecycle.explain.timeline import TimelinePage
from shared.http import MERGED, Conditional, Instant, Paging, ProblemKind, problems

router = APIRouter(prefix="/v1", tags=["lifecycle"])

_KNOWN_AT_IN_FUTURE: Final = ProblemKind(
    422, "known_at_in_future", "`known_at` lies after the clock."
)
KnownAt = Annotated[
    Instant | None, Query(description="An earlier state of the clock; without it, the present one.")
]


async def _service(context: Context) -> ExplanationService:
    return ExplanationService(context)


Service = Annotated[ExplanationService, Depends(_service)]


@router.get(
    "/customers/{customer}/phase",
    responses=problems(MERGED, UNKNOWN_CUSTOMER, AS_OF_IN_FUTURE, _KNOWN_AT_IN_FUTURE),
)
async def show_phase(
    customer: UnmergedCustomer,
    service: Service,
    names: Names,
    conditional: Conditional,
    as_of: AsOf = None,
    known_at: KnownAt = None,
) -> PhaseAt:
    """Show the phase that a customer was in at an instant, as it was known then or later.

    An answer without a phase says in `reason` why there was none.
    """
    return conditional.answer(await service.phase_at(customer, as_of, known_at, names))


@router.get("/customers/{customer}/explain", responses=problems(MERGED, UNKNOWN_CUSTOMER))
async def explain_customer(
    customer: UnmergedCustomer, service: Service, names: Names
) -> Explanation:
    """Explain why a customer is in its phase, and what each rule lacks that could fire next.

    The answer has a summary to read out.
    """
    return await service.explain(customer, names)


@router.get("/customers/{customer}/timeline", responses=problems(MERGED, UNKNOWN_CUSTOMER))
async def show_timeline(
    customer: UnmergedCustomer,
    service: Service,
    part: Paging,
    names: Names,
    all: WithdrawnToo = False,
) -> TimelinePage:
    """List events, transitions, hints and events set aside in order of time, newest first.

    What is added meanwhile does not disturb later pages.
    """
    return await service.timeline(customer, part, names, withdrawn_too=all)
