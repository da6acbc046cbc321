"""The use cases of simulations: request one, follow it, cancel it."""

from dataclasses import replace
from typing import Final
from uuid import UUID, uuid4

from services.lifecycle import clocks
from services.lifecycle.api.context import ApiContext
from services.lifecycle.api.parameters import refuse_future
from services.lifecycle.domain.policy.policy import Policy
from services.lifecycle.policies.document import PolicyDocument
from services.lifecycle.policies.registry import find_policy
from services.lifecycle.simulations import repository
from services.lifecycle.simulations.repository import NEWEST, SimulationSpec, StoredSimulation
from services.lifecycle.simulations.runner import SimulationRunner
from services.lifecycle.simulations.schemas import (
    SimulationPage,
    SimulationRequest,
    SimulationSummary,
    SimulationView,
)
from shared import clock
from shared.errors import FieldError, Problem
from shared.http import Page, Slice


class SimulationService:
    """The use cases of simulations."""

    def __init__(self, context: ApiContext, runner: SimulationRunner) -> None:
        self._pool: Final = context.pool
        self._runner: Final = runner

    async def create(self, body: SimulationRequest, key: str | None) -> SimulationView:
        """Queue a simulation, or find the one that came with this idempotency key before.

        Raises Problem 404 for an unknown policy, 422 for a wrong request or a reused key.
        """
        spec = await self._spec(body)
        request = body.model_dump_json(by_alias=True, exclude_unset=True)
        id, first_request = await repository.create(
            self._pool, uuid4(), spec, clock.now(), request=request, key=key
        )
        if first_request != request:
            raise _key_reused()
        self._runner.wake()
        return await self.show(id)

    async def list(self, part: Slice) -> SimulationPage:
        """A page of all simulations, the latest first."""
        (before,) = part.after(int) or (NEWEST,)
        page = Page[SimulationSummary].of(
            await repository.page(self._pool, before, part.limit + 1),
            part,
            key=lambda row: (row.number,),
            view=SimulationSummary.of,
        )
        return SimulationPage(items=page.items, next_cursor=page.next_cursor)

    async def show(self, id: UUID) -> SimulationView:
        """A simulation with its report. Raises Problem 404 if there is none."""
        return SimulationView.of(await self._find(id))

    async def cancel(self, id: UUID) -> SimulationView:
        """End a simulation that has not ended. Raises Problem 404 if there is none."""
        await self._find(id)
        await repository.cancel(self._pool, id, clock.now())
        self._runner.stop(id)
        return await self.show(id)

    async def _find(self, id: UUID) -> StoredSimulation:
        stored = await repository.find(self._pool, id)
        if stored is None:
            raise Problem(404, "unknown_simulation", f"There is no simulation {id}.")
        return stored

    async def _spec(self, body: SimulationRequest) -> SimulationSpec:
        policy = await self._candidate(body.policy)
        if body.account is not None and policy.account not in (None, body.account):
            raise _other_account(policy)
        policy = replace(policy, account=body.account or policy.account)
        now = await clocks.least_clock(self._pool)
        refuse_future("to", body.to, now)
        ends = body.to or now
        if body.from_ >= ends:
            wrong = FieldError("from", f"must be before the clock, {now.isoformat()}")
            raise Problem(422, "invalid", "from: must be before the clock.", errors=(wrong,))
        return SimulationSpec(policy, body.from_, ends, body.account)

    async def _candidate(self, document: PolicyDocument) -> Policy:
        """The policy to try; name and version alone stand for a stored one."""
        if document.version is None or document.model_fields_set != {"name", "version"}:
            return document.policy()
        stored = await find_policy(self._pool, document.name, document.version, field="policy")
        return stored.policy


def _other_account(candidate: Policy) -> Problem:
    message = f"the candidate judges {candidate.account} only"
    wrong = FieldError("account", message)
    return Problem(422, "invalid", f"account: {message}.", errors=(wrong,))


def _key_reused() -> Problem:
    wrong = FieldError("Idempotency-Key", "came with another body before")
    detail = "This Idempotency-Key belongs to another request."
    return Problem(422, "idempotency_key_reused", detail, errors=(wrong,))
