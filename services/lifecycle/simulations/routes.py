"""The HTTP API of simulations: ask for one, follow it, read its report, cancel it."""

from dataclasses import replace
from typing import Annotated, Final
from uuid import UUID, uuid4

from fastapi import APIRouter, Depends, Path, Request, Response

from services.lifecycle import clocks
from services.lifecycle.api.context import ApiContext, Context
from services.lifecycle.domain.policy.policy import Policy
from services.lifecycle.policies.registry import find_policy
from services.lifecycle.simulations import repository
from services.lifecycle.simulations.repository import SimulationSpec, StoredSimulation
from services.lifecycle.simulations.runner import SimulationRunner
from services.lifecycle.simulations.schemas import (
    SIMULATION,
    SimulationPage,
    SimulationRequest,
    SimulationSummary,
    SimulationView,
)
from shared import clock
from shared.errors import FieldError, Problem
from shared.http import REUSED_KEY, Conditional, IdempotencyKey, Page, Paging, ProblemKind, problems

router = APIRouter(prefix="/v1", tags=["simulations"])

NEWEST = 2**63 - 1
_UNKNOWN: Final = ProblemKind(404, "unknown_simulation", "There is no such simulation.")
_UNKNOWN_POLICY: Final = ProblemKind(
    404, "unknown_policy", "No such version of a policy of this name is stored."
)
_IN_FUTURE: Final = ProblemKind(422, "to_in_future", "`to` lies after the clock: nobody knows yet.")
_CREATED: Final = {
    202: {"headers": {"Location": {"description": "The simulation.", "schema": {"type": "string"}}}}
}


async def simulating(request: Request) -> SimulationRunner:
    """Where simulations run."""
    found: SimulationRunner = request.app.state.simulating
    return found


Runner = Annotated[SimulationRunner, Depends(simulating)]
SimulationPath = Annotated[
    UUID, Path(description="The id of the simulation.", examples=[SIMULATION])
]


@router.post(
    "/simulations",
    status_code=202,
    responses=problems(_UNKNOWN_POLICY, _IN_FUTURE, REUSED_KEY, also=_CREATED),
)
async def create_simulation(
    body: SimulationRequest,
    response: Response,
    service: Context,
    runner: Runner,
    idempotency_key: IdempotencyKey = None,
) -> SimulationView:
    """Try a policy on the stored events, without touching what customers are judged by now.

    It runs in the background, after those asked for before. With an `Idempotency-Key`, sending it again is safe.
    """
    order, request = (
        await _order(body, service),
        body.model_dump_json(by_alias=True, exclude_unset=True),
    )
    found, first = await repository.create(
        service.pool, uuid4(), order, clock.now(), request=request, key=idempotency_key
    )
    if first != request:
        wrong = FieldError("Idempotency-Key", "came with another body before")
        detail = "This Idempotency-Key belongs to another request."
        raise Problem(422, "idempotency_key_reused", detail, errors=(wrong,))
    runner.woken.set()
    response.headers["Location"] = f"/v1/simulations/{found}"
    return SimulationView.of(await _stored(service, found))


@router.get("/simulations")
async def list_simulations(service: Context, part: Paging) -> SimulationPage:
    """All simulations, the latest first, without their reports."""
    (before,) = part.after(int) or (NEWEST,)
    rows = await repository.page(service.pool, before, part.limit + 1)
    page = Page[SimulationSummary].of(
        rows, part, key=lambda row: (row.number,), view=SimulationSummary.of
    )
    return SimulationPage(items=page.items, next_cursor=page.next_cursor)


@router.get("/simulations/{simulation}", responses=problems(_UNKNOWN))
async def show_simulation(
    simulation: SimulationPath, service: Context, conditional: Conditional
) -> SimulationView:
    """How far a simulation is and, once it is done, what it has found out."""
    return conditional.answer(SimulationView.of(await _stored(service, simulation)))


@router.post("/simulations/{simulation}/cancel", responses=problems(_UNKNOWN))
async def cancel_simulation(
    simulation: SimulationPath, service: Context, runner: Runner
) -> SimulationView:
    """End a simulation. One that has ended stays as it is, so that sending this again is safe."""
    await _stored(service, simulation)
    await repository.cancel(service.pool, simulation, clock.now())
    runner.stop(simulation)
    return SimulationView.of(await _stored(service, simulation))


async def _stored(service: ApiContext, simulation: UUID) -> StoredSimulation:
    found = await repository.find(service.pool, simulation)
    if found is None:
        raise Problem(404, "unknown_simulation", f"There is no simulation {simulation}.")
    return found


async def _order(body: SimulationRequest, service: ApiContext) -> SimulationSpec:
    policy, now = await _candidate(body, service), await clocks.clock(service.pool)
    to = body.to or now
    if to > now:
        wrong = FieldError("to", f"lies after the clock, {now.isoformat()}: nobody knows yet")
        raise Problem(422, "to_in_future", "The instant has not been reached.", errors=(wrong,))
    if body.from_ >= to:
        wrong = FieldError("from", f"must be before the clock, {now.isoformat()}")
        raise Problem(422, "invalid", "from: must be before the clock.", errors=(wrong,))
    return SimulationSpec(policy, body.from_, to, body.account)


async def _candidate(body: SimulationRequest, service: ApiContext) -> Policy:
    document = body.policy
    policy = document.policy()
    if document.version is not None and document.model_fields_set == {"name", "version"}:
        stored = await find_policy(service.pool, document.name, document.version, field="policy")
        policy = stored.policy
    if body.account is not None and policy.account not in (None, body.account):
        wrong = FieldError("account", f"the candidate judges {policy.account} only")
        raise Problem(
            422, "invalid", f"account: the candidate judges {policy.account} only.", errors=(wrong,)
        )
    return replace(policy, account=body.account or policy.account)
