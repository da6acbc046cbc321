"""The HTTP API of simulations: request one, follow it, read its report, cancel it."""

from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request, Response

from services.lifecycle.api.context import Context
from services.lifecycle.simulations.runner import SimulationRunner
from services.lifecycle.simulations.schemas import (
    SIMULATION,
    SimulationPage,
    SimulationRequest,
    SimulationView,
)
from services.lifecycle.simulations.service import SimulationService
from shared.http import REUSED_KEY, Conditional, IdempotencyKey, Paging, ProblemKind, problems

router = APIRouter(prefix="/v1", tags=["simulations"])

_UNKNOWN: Final = ProblemKind(404, "unknown_simulation", "There is no such simulation.")
_UNKNOWN_POLICY: Final = ProblemKind(
    404, "unknown_policy", "No such version of a policy of this name is stored."
)
_IN_FUTURE: Final = ProblemKind(422, "to_in_future", "`to` lies after the clock: nobody knows yet.")
_LOCATION: Final = {"Location": {"description": "The simulation.", "schema": {"type": "string"}}}
_CREATED: Final = {202: {"headers": _LOCATION}}

SimulationPath = Annotated[
    UUID, Path(description="The id of the simulation.", examples=[SIMULATION])
]


async def _service(context: Context, request: Request) -> SimulationService:
    runner: SimulationRunner = request.app.state.simulation_runner
    return SimulationService(context, runner)


Service = Annotated[SimulationService, Depends(_service)]


@router.post(
    "/simulations",
    status_code=202,
    responses=problems(_UNKNOWN_POLICY, _IN_FUTURE, REUSED_KEY, also=_CREATED),
)
async def create_simulation(
    body: SimulationRequest,
    response: Response,
    service: Service,
    idempotency_key: IdempotencyKey = None,
) -> SimulationView:
    """Try a policy on the stored events, without touching anybody's phase.

    It runs in the background, after those requested before. With an `Idempotency-Key`, sending it
    again is safe.
    """
    return _located(response, await service.create(body, idempotency_key))


@router.get("/simulations")
async def list_simulations(service: Service, part: Paging) -> SimulationPage:
    """List all simulations, the latest first, without their reports."""
    return await service.list(part)


@router.get("/simulations/{simulation}", responses=problems(_UNKNOWN))
async def show_simulation(
    simulation: SimulationPath, service: Service, conditional: Conditional
) -> SimulationView:
    """Show how far a simulation has come and, once it is done, its report."""
    return conditional.answer(await service.show(simulation))


@router.post("/simulations/{simulation}/cancel", responses=problems(_UNKNOWN))
async def cancel_simulation(simulation: SimulationPath, service: Service) -> SimulationView:
    """End a simulation. One that has ended stays as it is, so that sending this again is safe."""
    return await service.cancel(simulation)


def _located(response: Response, simulation: SimulationView) -> SimulationView:
    """Say where the simulation is found."""
    response.headers["Location"] = f"/v1/simulations/{simulation.id}"
    return simulation
